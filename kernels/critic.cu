// critic update, between the products: heads, TD target, losses, and the way back into the last hidden layer.
#include "kernels/bellman.h"
#include "kernels/cuda.cuh"
#include "kernels/head.cuh"
#include "kernels/kernels.h"
#include "kernels/temperature.h"

namespace {

// V(s'): the smallest target, less the entropy term where it is soft.
__device__ float next_value(const sac_critic_loss_args& a, size_t p, size_t r, int lane) {
  const size_t targets = static_cast<size_t>(a.targets), batch = static_cast<size_t>(a.dims.batch);
  float smallest = 0;
  for (size_t k = 0; k < targets; ++k) {
    const float q = sac_head_forward(a.target, p * targets + k, r, lane);
    smallest = k == 0 || sac_min_takes(q, smallest) ? q : smallest;
  }
  if (!a.soft) return smallest;
  const float alpha = sac_alpha(a.log_alpha[p * a.log_alpha_stride]);
  return sac_soft_value(smallest, alpha, a.log_prob[(2 * p + 1) * batch + r]);
}

__global__ void __launch_bounds__(sac_head_threads) critic_loss(sac_critic_loss_args a) {
  const size_t p = blockIdx.y, batch = static_cast<size_t>(a.dims.batch), critics = static_cast<size_t>(a.dims.critics);
  const size_t r = (static_cast<size_t>(blockIdx.x) * sac_head_threads + threadIdx.x) / SAC_WARP;
  const int lane = static_cast<int>(threadIdx.x) % SAC_WARP;
  if (r >= batch || !a.state[p].alive) return;
  const float value = next_value(a, p, r, lane);
  const float y = sac_target(a.reward[p * batch + r], a.reward_scale, a.gamma, a.terminated[p * batch + r], value);
  const float share = 1.0f / static_cast<float>(a.dims.batch);
  for (size_t k = 0; k < critics; ++k) {
    const size_t net = p * critics + k;
    const float q = sac_head_forward(a.critic, net, r, lane);
    const float d_q = share * sac_square_loss_grad(q, y);
    sac_head_backward(a.critic, net, r, lane, d_q,
                      a.d_hidden + (net * batch + r) * static_cast<size_t>(a.critic.width));
    if (lane == 0) {
      a.q[net * batch + r] = q;
      a.d_q[net * batch + r] = d_q;
    }
  }
  if (lane == 0) a.y[p * batch + r] = y;
}

__global__ void __launch_bounds__(sac_head_threads) critic_value_loss(sac_critic_value_loss_args a) {
  const size_t p = blockIdx.y, batch = static_cast<size_t>(a.dims.batch);
  const size_t r = (static_cast<size_t>(blockIdx.x) * sac_head_threads + threadIdx.x) / SAC_WARP;
  const int lane = static_cast<int>(threadIdx.x) % SAC_WARP;
  if (r >= batch || !a.state[p].alive) return;
  const float alpha = sac_alpha(a.log_alpha[p * a.log_alpha_stride]);
  const float target = sac_soft_value(a.smallest[p * batch + r], alpha, a.log_prob[2 * p * batch + r]);
  const float v = sac_head_forward(a.value, p, r, lane);
  const float d_v = 1.0f / static_cast<float>(a.dims.batch) * sac_square_loss_grad(v, target);
  sac_head_backward(a.value, p, r, lane, d_v, a.d_hidden + (p * batch + r) * static_cast<size_t>(a.value.width));
  if (lane != 0) return;
  a.v[p * batch + r] = v;
  a.v_target[p * batch + r] = target;
  a.d_v[p * batch + r] = d_v;
}

}  // namespace

cudaError_t sac_critic_loss(cudaStream_t stream, const sac_critic_loss_args* args) {
  SAC_LAUNCH(critic_loss, sac_head_grid(args->dims), dim3(sac_head_threads), 0, stream, *args);
  return cudaGetLastError();
}

cudaError_t sac_critic_value_loss(cudaStream_t stream, const sac_critic_value_loss_args* args) {
  SAC_LAUNCH(critic_value_loss, sac_head_grid(args->dims), dim3(sac_head_threads), 0, stream, *args);
  return cudaGetLastError();
}
