// critic update, between the products: heads, TD target, losses, and the way back into the last hidden layer.
#include "kernels/bellman.h"
#include "kernels/cuda.cuh"
#include "kernels/head.cuh"
#include "kernels/kernels.h"
#include "kernels/temperature.h"

namespace {

// A warp a network: first the targets, whose smallest output makes y, then the critics, each with its own way back.
__global__ void __launch_bounds__(sac_head_threads_max) critic_loss(sac_critic_loss_args a) {
  __shared__ float output[sac_head_nets_max];
  const size_t p = blockIdx.y, batch = static_cast<size_t>(a.dims.batch), critics = static_cast<size_t>(a.dims.critics);
  const size_t r = static_cast<size_t>(blockIdx.x) * blockDim.z + threadIdx.z;
  const int lane = static_cast<int>(threadIdx.x), targets = a.targets, n = static_cast<int>(threadIdx.y);
  const bool there = r < batch, of_target = n < targets;
  const uint32_t alive = a.state[p].alive;
  const size_t net = of_target ? p * static_cast<size_t>(targets) + static_cast<size_t>(n)
                               : p * critics + static_cast<size_t>(n - targets);
  float* outputs = output + threadIdx.z * blockDim.y;
  const size_t at = p * batch + (there ? r : 0);
  // What the row needs besides is under way with it, a number a lane: registers are scarce.
  enum { REWARD, DISCOUNT, WEIGHT, LOG_PROB, LOG_ALPHA, GIVEN };
  const float* from = lane == REWARD     ? a.reward + at
                      : lane == DISCOUNT ? a.discount + at
                      : lane == WEIGHT   ? a.weight + at
                      : lane == LOG_PROB ? a.log_prob + (at + (p + 1) * batch)
                                         : a.log_alpha + p * a.log_alpha_stride;
  const float given = lane < (a.soft ? GIVEN : LOG_PROB) ? *from : 0.0f;
  sac_head_row row;
  sac_head_begin(row, of_target ? a.target : a.critic, net, there ? r : 0, lane);
  sac_loads_first();
  if (!alive) return;
  const bool stores = of_target ? sac_head_stores(a.target, false) : sac_head_stores(a.critic, true);
  const float q = sac_head_forward(row, there && stores, lane);
  if (lane == 0 && of_target) outputs[n] = q;
  const float alpha = a.soft ? sac_alpha(__shfl_sync(SAC_WHOLE_WARP, given, LOG_ALPHA)) : 0.0f;
  __syncthreads();
  if (!there || of_target) return;
  float value = outputs[0];
  for (int k = 1; k < targets; ++k) value = sac_min_takes(outputs[k], value) ? outputs[k] : value;
  const float log_prob = __shfl_sync(SAC_WHOLE_WARP, given, LOG_PROB);
  if (a.soft) value = sac_soft_value(value, alpha, log_prob);
  const float y = sac_target(__shfl_sync(SAC_WHOLE_WARP, given, REWARD), a.reward_scale,
                             __shfl_sync(SAC_WHOLE_WARP, given, DISCOUNT), value);
  const float d_q =
      1.0f / static_cast<float>(a.dims.batch) * __shfl_sync(SAC_WHOLE_WARP, given, WEIGHT) * sac_square_loss_grad(q, y);
  sac_head_backward(row, lane, d_q, a.d_hidden + (net * batch + r) * static_cast<size_t>(a.critic.width));
  if (lane != 0) return;
  a.q[net * batch + r] = q;
  a.d_q[net * batch + r] = d_q;
  if (n == targets) a.y[at] = y;
}

__global__ void __launch_bounds__(sac_head_threads_max) critic_value_loss(sac_critic_value_loss_args a) {
  const size_t p = blockIdx.y, batch = static_cast<size_t>(a.dims.batch);
  const size_t r = static_cast<size_t>(blockIdx.x) * blockDim.z + threadIdx.z;
  const int lane = static_cast<int>(threadIdx.x);
  if (r >= batch) return;
  const uint32_t alive = a.state[p].alive;
  sac_head_row row;
  sac_head_begin(row, a.value, p, r, lane);
  const float log_alpha = a.log_alpha[p * a.log_alpha_stride], smallest = a.smallest[p * batch + r],
              log_prob = a.log_prob[2 * p * batch + r];
  sac_loads_first();
  if (!alive) return;
  const float v = sac_head_forward(row, sac_head_stores(a.value, true), lane);
  const float target = sac_soft_value(smallest, sac_alpha(log_alpha), log_prob);
  const float d_v = 1.0f / static_cast<float>(a.dims.batch) * sac_square_loss_grad(v, target);
  sac_head_backward(row, lane, d_v, a.d_hidden + (p * batch + r) * static_cast<size_t>(a.value.width));
  if (lane != 0) return;
  a.v[p * batch + r] = v;
  a.v_target[p * batch + r] = target;
  a.d_v[p * batch + r] = d_v;
}

}  // namespace

cudaError_t sac_critic_loss(cudaStream_t stream, const sac_critic_loss_args* args) {
  const int32_t nets = args->targets + args->dims.critics;
  SAC_LAUNCH(critic_loss, sac_head_grid(args->dims, nets), sac_head_block(nets), 0, stream, *args);
  return cudaGetLastError();
}

cudaError_t sac_critic_value_loss(cudaStream_t stream, const sac_critic_value_loss_args* args) {
  SAC_LAUNCH(critic_value_loss, sac_head_grid(args->dims, 1), sac_head_block(1), 0, stream, *args);
  return cudaGetLastError();
}
