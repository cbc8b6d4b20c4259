// actor update, between the products: squash forward and back, the critics' judgement.
#include "kernels/bellman.h"
#include "kernels/cuda.cuh"
#include "kernels/head.cuh"
#include "kernels/kernels.h"
#include "kernels/squash.h"
#include "kernels/temperature.h"

namespace {

constexpr int threads = sac_head_threads;

// --- squash: a warp a row, a lane an action component --------------------------------------------------------------

__global__ void __launch_bounds__(threads) actor_squash(sac_actor_squash_args a) {
  const size_t p = blockIdx.y, batch = static_cast<size_t>(a.dims.batch), actions = static_cast<size_t>(a.dims.action);
  const size_t r = (static_cast<size_t>(blockIdx.x) * threads + threadIdx.x) / SAC_WARP;
  const size_t lane = threadIdx.x % SAC_WARP;
  if (r >= static_cast<size_t>(a.rows) || !a.state[p].alive) return;
  const size_t row = 2 * p * batch + r, critics = static_cast<size_t>(a.dims.critics);
  const size_t features = static_cast<size_t>(a.dims.obs) + actions;
  const bool of_next = r >= batch;
  const float* bias = a.bias + p * a.bias_stride;
  float* head = a.head + row * 2 * actions;
  float* inputs = (of_next ? a.minibatch.next : a.minibatch.policy) + static_cast<size_t>(a.dims.obs);
  float log_prob = 0, saturated = 0;
  for (size_t i = lane; i < actions; i += SAC_WARP) {
    const float mean = head[i] + bias[i], log_std = head[actions + i] + bias[actions + i];
    const sac_squash_out out =
        sac_squash(mean, log_std, a.minibatch.noise[row * actions + i], a.log_std_min, a.log_std_max);
    log_prob += out.log_prob;
    for (size_t k = 0; k < critics; ++k)
      inputs[((p * critics + k) * batch + (of_next ? r - batch : r)) * features + i] = out.action;
    if (of_next) continue;
    const size_t at = (p * batch + r) * actions + i;
    head[actions + i] = log_std;
    a.out.action[at] = out.action;
    a.out.spread[at] = out.spread;
    a.out.slope[at] = out.slope;
    saturated += sac_squash_saturated(out.action);
  }
  log_prob = sac_warp_sum(log_prob);
  saturated = sac_warp_sum(saturated);
  if (lane != 0) return;
  a.out.log_prob[row] = log_prob;
  if (!of_next) a.out.saturated[p * batch + r] = saturated;
}

// --- the critics' judgement ----------------------------------------------------------------------------------------

__global__ void __launch_bounds__(threads) actor_judge(sac_actor_judge_args a) {
  const size_t p = blockIdx.y, batch = static_cast<size_t>(a.dims.batch), critics = static_cast<size_t>(a.dims.critics);
  const size_t r = (static_cast<size_t>(blockIdx.x) * threads + threadIdx.x) / SAC_WARP;
  const int lane = static_cast<int>(threadIdx.x) % SAC_WARP;
  if (r >= batch || !a.state[p].alive) return;
  float smallest = 0;
  size_t index = 0;
  for (size_t k = 0; k < critics; ++k) {
    const float q = sac_head_forward(a.critic, p * critics + k, r, lane);
    const bool takes = k == 0 || sac_min_takes(q, smallest);
    smallest = takes ? q : smallest;
    index = takes ? k : index;
  }
  const float d_q = sac_actor_loss_grad_q() / static_cast<float>(a.dims.batch);
  const size_t width = static_cast<size_t>(a.critic.width);
  for (size_t k = 0; k < critics; ++k) {
    float* d_hidden = a.d_hidden + ((p * critics + k) * batch + r) * width;
    if (k == index) {
      sac_head_backward(a.critic, p * critics + k, r, lane, d_q, d_hidden);
    } else {
      for (size_t j = static_cast<size_t>(lane); j < width; j += SAC_WARP) d_hidden[j] = 0;
    }
  }
  if (lane == 0) a.smallest[p * batch + r] = smallest;
}

// --- the way back through action and squash: a warp a row -----------------------------------------------------------

constexpr int tile = 8;  // action components at a time

// The second number, "at least one block", keeps the compiler from spilling registers to fit more of them.
__global__ void __launch_bounds__(threads, 1) actor_squash_grad(sac_actor_squash_grad_args a) {
  const size_t p = blockIdx.y, batch = static_cast<size_t>(a.dims.batch), actions = static_cast<size_t>(a.dims.action);
  const size_t r = (static_cast<size_t>(blockIdx.x) * threads + threadIdx.x) / SAC_WARP;
  const size_t lane = threadIdx.x % SAC_WARP, critics = static_cast<size_t>(a.dims.critics);
  if (r >= batch || !a.state[p].alive) return;
  const size_t width = static_cast<size_t>(a.width), obs = static_cast<size_t>(a.dims.obs), features = obs + actions;
  const float d_log_prob =
      sac_actor_loss_grad_log_prob(sac_alpha(a.log_alpha[p * a.log_alpha_stride])) / static_cast<float>(a.dims.batch);
  const float* head = a.head + (2 * p * batch + r) * 2 * actions;
  float* d_head = a.d_head + (p * batch + r) * 2 * actions;
  for (size_t first = 0; first < actions; first += tile) {
    const size_t here = actions - first < tile ? actions - first : tile;
    float sum[tile] = {0};
    for (size_t k = 0; k < critics; ++k) {
      const size_t net = p * critics + k;
      const float* d_hidden = a.d_hidden + (net * batch + r) * width;
      const float* hidden = a.hidden + net * a.hidden_stride + r * width;
      const float* weight = a.weight + net * a.weight_stride + obs + first;
      for (size_t j = lane; j < width; j += SAC_WARP) {
        const float d = sac_relu_grad(hidden[j], d_hidden[j]);
#pragma unroll
        for (int i = 0; i < tile; ++i)
          if (static_cast<size_t>(i) < here) sum[i] = fmaf(d, weight[j * features + static_cast<size_t>(i)], sum[i]);
      }
    }
    float d_action = 0;
#pragma unroll
    for (int i = 0; i < tile; ++i) {
      if (static_cast<size_t>(i) >= here) break;  // the whole warp
      const float whole = sac_warp_sum(sum[i]);
      d_action = lane == static_cast<size_t>(i) ? whole : d_action;
    }
    if (lane >= here) continue;
    const size_t i = first + lane, at = (p * batch + r) * actions + i;
    sac_squash_out out;
    out.action = a.out.action[at];
    out.log_prob = 0;
    out.spread = a.out.spread[at];
    out.slope = a.out.slope[at];
    const sac_squash_grad grad =
        sac_squash_backward(out, head[actions + i], a.log_std_min, a.log_std_max, d_log_prob, d_action);
    d_head[i] = grad.mean;
    d_head[actions + i] = grad.log_std;
  }
}

}  // namespace

cudaError_t sac_actor_squash(cudaStream_t stream, const sac_actor_squash_args* args) {
  const dim3 grid(sac_blocks(static_cast<size_t>(args->rows), threads / SAC_WARP),
                  static_cast<unsigned>(args->dims.population));
  SAC_LAUNCH(actor_squash, grid, dim3(threads), 0, stream, *args);
  return cudaGetLastError();
}

cudaError_t sac_actor_judge(cudaStream_t stream, const sac_actor_judge_args* args) {
  SAC_LAUNCH(actor_judge, sac_head_grid(args->dims), dim3(threads), 0, stream, *args);
  return cudaGetLastError();
}

cudaError_t sac_actor_squash_grad(cudaStream_t stream, const sac_actor_squash_grad_args* args) {
  SAC_LAUNCH(actor_squash_grad, sac_head_grid(args->dims), dim3(threads), 0, stream, *args);
  return cudaGetLastError();
}
