// actor update, between the products: squash forward and back, the critics' judgement; and act, whole networks at once.
#include "kernels/bellman.h"
#include "kernels/cuda.cuh"
#include "kernels/head.cuh"
#include "kernels/kernels.h"
#include "kernels/random.h"
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

// --- act -------------------------------------------------------------------------------------------------------------

constexpr int act_threads = 512, act_warps = act_threads / SAC_WARP;
constexpr int act_rows_max = 4;                      // observations a block has at a time, where there are many
constexpr size_t act_few = 256;                      // observations: each then has a block of its own
constexpr size_t act_shared_max = size_t{48} << 10;  // what a block has without asking

int32_t widest_layer(const sac_actor_act_args* args) {
  int32_t widest = args->size[0];
  for (int32_t l = 1; l <= args->layers; ++l) widest = args->size[l] > widest ? args->size[l] : widest;
  return widest;
}

constexpr unsigned act_scratch_blocks = 16;  // an agent, where activations lie in scratch

// A block's activations: a layer's input and its output.
__host__ __device__ size_t act_floats(size_t widest) { return 2 * act_rows_max * widest; }

bool act_fits(int32_t widest) { return act_floats(static_cast<size_t>(widest)) * sizeof(float) <= act_shared_max; }

// One layer for the block's rows: a warp takes a few neurons at a time, so that loads enough are under way, its lanes
// over the inputs. x and y are (act_rows, widest). A row's numbers do not depend on the other rows.
template <int act_rows>
__device__ void act_layer(const float* weight, const float* bias, int in, int out, const float* x, float* y,
                          size_t widest, bool relu) {
  constexpr int neurons = act_rows == 1 ? 4 : 2;
  const int lane = static_cast<int>(threadIdx.x) % SAC_WARP, warp = static_cast<int>(threadIdx.x) / SAC_WARP;
  for (int first = warp * neurons; first < out; first += act_warps * neurons) {
    const float* row[neurons];
    float sum[neurons][act_rows] = {};
#pragma unroll
    for (int j = 0; j < neurons; ++j) {
      const int n = first + j < out ? first + j : out - 1;  // past the last: a sum that nobody keeps
      row[j] = weight + static_cast<size_t>(n) * static_cast<size_t>(in);
    }
#pragma unroll 2
    for (int k = lane; k < in; k += SAC_WARP) {
#pragma unroll
      for (int j = 0; j < neurons; ++j) {
        const float w = row[j][k];
#pragma unroll
        for (int r = 0; r < act_rows; ++r)
          sum[j][r] = fmaf(w, x[static_cast<size_t>(r) * widest + static_cast<size_t>(k)], sum[j][r]);
      }
    }
#pragma unroll
    for (int j = 0; j < neurons; ++j) {
      if (first + j >= out) break;  // the whole warp
#pragma unroll
      for (int r = 0; r < act_rows; ++r) {
        const float whole = sac_warp_sum(sum[j][r]) + bias[first + j];
        if (lane == r)
          y[static_cast<size_t>(r) * widest + static_cast<size_t>(first + j)] = relu ? sac_relu(whole) : whole;
      }
    }
  }
}

// The action of one row from its head, by one warp.
__device__ void act_squash(const sac_actor_act_args& a, const sac_device_state* state, size_t p, size_t row,
                           const float* head, size_t lane) {
  const size_t actions = static_cast<size_t>(a.size[a.layers]) / 2, at = p * static_cast<size_t>(a.n) + row;
  float log_prob = 0;
  for (size_t i = lane; i < actions; i += SAC_WARP) {
    if (a.mode == SAC_DEVICE_ACT_MEAN) {
      a.action[at * actions + i] = sac_squash_mean(head[i]);
      continue;
    }
    float eps;
    if (a.noise) {
      eps = a.noise[at * actions + i];
    } else {
      float z[SAC_NORMALS_PER_BLOCK];
      sac_normals(
          sac_philox(state->seed, SAC_STREAM_ACT,
                     sac_draw_block(state->act + row, actions, SAC_NORMALS_PER_BLOCK) + i / SAC_NORMALS_PER_BLOCK),
          z);
      const size_t which = i % SAC_NORMALS_PER_BLOCK;
      eps = which == 0 ? z[0] : which == 1 ? z[1] : which == 2 ? z[2] : z[3];
    }
    const sac_squash_out out = sac_squash(head[i], head[actions + i], eps, a.log_std_min, a.log_std_max);
    a.action[at * actions + i] = out.action;
    log_prob += out.log_prob;
  }
  log_prob = sac_warp_sum(log_prob);
  if (a.mode == SAC_DEVICE_ACT_SAMPLE && a.log_prob && lane == 0) a.log_prob[at] = log_prob;
}

template <int act_rows>
__device__ void act_networks(const sac_actor_act_args& a, const sac_device_state* state, size_t p, size_t first,
                             size_t rows, float* activations, size_t widest) {
  const size_t obs = static_cast<size_t>(a.size[0]);
  const float* from = a.obs + (p * static_cast<size_t>(a.n) + first) * obs;
  float *x = activations, *y = activations + act_rows * widest;
  for (size_t i = threadIdx.x; i < act_rows * obs; i += act_threads)
    x[i / obs * widest + i % obs] = i / obs < rows ? from[i] : 0.0f;
  __syncthreads();
  const float* weights = a.weights + p * a.weights_stride;
  for (int l = 0; l < a.layers; ++l) {
    act_layer<act_rows>(weights + a.weight[l], weights + a.bias[l], a.size[l], a.size[l + 1], x, y, widest,
                        l + 1 < a.layers);
    __syncthreads();
    float* other = x;
    x = y;
    y = other;
  }
  const size_t warp = threadIdx.x / SAC_WARP;
  if (warp < rows) act_squash(a, state, p, first + warp, x + warp * widest, threadIdx.x % SAC_WARP);
}

// Uniform actions of the warm-up.
__device__ void act_uniform(const sac_actor_act_args& a, const sac_device_state* state, size_t p, size_t first,
                            size_t rows) {
  const size_t actions = static_cast<size_t>(a.size[a.layers]) / 2;
  for (size_t i = threadIdx.x; i < rows * actions; i += act_threads) {
    const size_t row = first + i / actions, j = i % actions;
    const sac_words words =
        sac_philox(state->seed, SAC_STREAM_WARMUP,
                   sac_draw_block(state->act + row, actions, SAC_UNIFORMS_PER_BLOCK) + j / SAC_UNIFORMS_PER_BLOCK);
    const size_t which = j % SAC_UNIFORMS_PER_BLOCK;
    const uint32_t word = which == 0   ? words.word[0]
                          : which == 1 ? words.word[1]
                          : which == 2 ? words.word[2]
                                       : words.word[3];
    a.action[(p * static_cast<size_t>(a.n) + row) * actions + j] = sac_uniform_within(word, 1.0f);
  }
}

// A block acts on act_rows observations of an agent at a time. A stopped agent acts with zeros: something an
// environment takes.
template <int act_rows>
__global__ void __launch_bounds__(act_threads, 1) actor_act(sac_actor_act_args a, size_t widest, int in_shared) {
  SAC_DYNAMIC_SHARED(float, shared);
  const size_t p = blockIdx.y, n = static_cast<size_t>(a.n);
  const size_t actions = static_cast<size_t>(a.size[a.layers]) / 2;
  sac_device_state* state = &a.state[p];
  float* activations = in_shared ? shared : a.scratch + (p * act_scratch_blocks + blockIdx.x) * act_floats(widest);
  const bool alive = state->alive != 0;
  for (size_t first = static_cast<size_t>(blockIdx.x) * act_rows; first < n; first += gridDim.x * size_t{act_rows}) {
    const size_t rows = n - first < act_rows ? n - first : act_rows;
    if (!alive) {
      for (size_t i = threadIdx.x; i < rows * actions; i += act_threads) a.action[(p * n + first) * actions + i] = 0;
    } else if (a.mode == SAC_DEVICE_ACT_UNIFORM) {
      act_uniform(a, state, p, first, rows);
    } else {
      act_networks<act_rows>(a, state, p, first, rows, activations, widest);
    }
    __syncthreads();
  }
  if (!alive || a.mode == SAC_DEVICE_ACT_MEAN || a.noise) return;
  if (threadIdx.x != 0) return;  // all of the block have read state->act; the last block moves it on
  __threadfence();
  if (atomicAdd(&state->ticket, 1u) != gridDim.x - 1) return;
  state->ticket = 0;
  state->act += n;
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

size_t sac_actor_act_scratch(int32_t widest) {
  return act_fits(widest) ? 0 : act_scratch_blocks * act_floats(static_cast<size_t>(widest));
}

cudaError_t sac_actor_act(cudaStream_t stream, const sac_actor_act_args* args) {
  const int32_t widest = widest_layer(args);
  const int in_shared = act_fits(widest);
  const size_t n = static_cast<size_t>(args->n);
  const bool few = n * static_cast<size_t>(args->population) <= act_few;
  unsigned blocks = sac_blocks(n, few ? 1 : act_rows_max);
  if (!in_shared && blocks > act_scratch_blocks) blocks = act_scratch_blocks;
  const dim3 grid(blocks, static_cast<unsigned>(args->population)), block(act_threads);
  const size_t shared = in_shared ? act_floats(static_cast<size_t>(widest)) * sizeof(float) : 0;
  if (few) SAC_LAUNCH(actor_act<1>, grid, block, shared, stream, *args, static_cast<size_t>(widest), in_shared);
  else SAC_LAUNCH(actor_act<act_rows_max>, grid, block, shared, stream, *args, static_cast<size_t>(widest), in_shared);
  return cudaGetLastError();
}
