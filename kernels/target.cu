// target update: Polyak over a whole region of weights, and the end of an update: totals, counters, the next scalars.
#include "kernels/cuda.cuh"
#include "kernels/kernels.h"
#include "kernels/polyak.h"

namespace {

constexpr int threads = 256;
constexpr int quads = 2;  // float4s a thread

__device__ void next_scalars(sac_device_state* state, const sac_adam_rates& rates) {
  for (int set = 0; set < SAC_ADAM_SETS; ++set)
    state->adam[set] = sac_adam_begin(state->updates + 1, rates.lr[set], rates.beta1, rates.beta2, rates.epsilon);
}

// One thread: the update is over.
__device__ void end_update(sac_device_state* state, const sac_adam_rates& rates) {
  const sac_update_stats stats = state->stats;
  sac_update_stats* sum = &state->totals;
  sum->critic_loss += stats.critic_loss;
  sum->actor_loss += stats.actor_loss;
  sum->alpha_loss += stats.alpha_loss;
  sum->value_loss += stats.value_loss;
  sum->alpha += stats.alpha;
  sum->entropy += stats.entropy;
  sum->q_mean += stats.q_mean;
  sum->td_error += stats.td_error;
  sum->saturation += stats.saturation;
  sum->critic_grad += stats.critic_grad;
  sum->actor_grad += stats.actor_grad;
  ++state->totals_updates;
  ++state->updates;
  next_scalars(state, rates);
}

// The last block of each agent ends the update; the others read nothing that it writes.
__global__ void __launch_bounds__(threads) target_update(sac_target_args a) {
  const size_t p = blockIdx.y;
  sac_device_state* state = &a.state[p];
  if (!state->alive) return;
  if (blockIdx.x == gridDim.x - 1) {
    if (threadIdx.x == 0) end_update(state, a.rates);
    return;
  }
  const size_t at = p * a.floats / 4, count = a.floats / 4;
  float4* target = reinterpret_cast<float4*>(a.target) + at;
  const float4* source = reinterpret_cast<const float4*>(a.source) + at;
  const size_t first = static_cast<size_t>(blockIdx.x) * threads * quads + threadIdx.x;
#pragma unroll
  for (int i = 0; i < quads; ++i) {
    const size_t j = first + static_cast<size_t>(i) * threads;
    if (j >= count) continue;
    float4 t = target[j];
    const float4 s = source[j];
    t.x = sac_polyak(t.x, s.x, a.tau);
    t.y = sac_polyak(t.y, s.y, a.tau);
    t.z = sac_polyak(t.z, s.z, a.tau);
    t.w = sac_polyak(t.w, s.w, a.tau);
    target[j] = t;
  }
}

__global__ void target_begin(sac_device_state* state, int32_t population, sac_adam_rates rates) {
  const int p = static_cast<int>(blockIdx.x * blockDim.x + threadIdx.x);
  if (p < population) next_scalars(&state[p], rates);
}

}  // namespace

cudaError_t sac_target_update(cudaStream_t stream, const sac_target_args* args) {
  const dim3 grid(sac_blocks(args->floats / 4, threads * quads) + 1, static_cast<unsigned>(args->population));
  SAC_LAUNCH(target_update, grid, dim3(threads), 0, stream, *args);
  return cudaGetLastError();
}

cudaError_t sac_target_begin(cudaStream_t stream, sac_device_state* state, int32_t population,
                             const sac_adam_rates* rates) {
  SAC_LAUNCH(target_begin, dim3(sac_blocks(static_cast<size_t>(population), threads)), dim3(threads), 0, stream, state,
             population, *rates);
  return cudaGetLastError();
}
