// target update: the Polyak average over a region of weights, and the end of an update: totals, counters and the
// scalars of Adam's next step.
#include "kernels/cuda.cuh"
#include "kernels/kernels.h"
#include "kernels/polyak.h"

namespace {

constexpr int threads = 256;
constexpr int quads = 2;  // float4s per thread

// The number of a set's step after `updates` updates; 0: the set is held. The critics are never held.
__device__ uint64_t step_number(int set, const sac_adam_hold& hold, uint64_t updates) {
  return set == SAC_ADAM_CRITIC ? updates + 1 : sac_adam_number(hold, updates);
}

// Computes the scalars of Adam's next step.
__device__ void next_scalars(sac_device_state* state, const sac_adam_rates& rates) {
  for (int set = 0; set < SAC_ADAM_SETS; set++) {
    const uint64_t t = step_number(set, state->hold, state->updates);
    state->adam[set] =
        t == 0 ? sac_adam_still() : sac_adam_begin(t, rates.lr[set], rates.beta1, rates.beta2, rates.epsilon);
  }
}

// The scalars of the step after `updates` updates by a warp. Two lanes share a set: each computes one of the two
// numbers that need a logarithm or a root.
__device__ void next_scalars_of_warp(sac_device_state* state, uint64_t updates, const sac_adam_hold& hold,
                                     const sac_adam_rates& rates, int lane) {
  if (lane >= 2 * SAC_ADAM_SETS) return;

  // the lane's number: step_size in the first lane of a set, root_scale in the second
  const int set = lane / 2;
  const bool first = lane % 2 == 0;
  const uint64_t t = step_number(set, hold, updates);
  if (t == 0) {
    if (first) state->adam[set] = sac_adam_still();
    return;
  }
  const double correction = sac_adam_correction(t, first ? rates.beta1 : rates.beta2);
  const double lr = set == 0 ? rates.lr[0] : set == 1 ? rates.lr[1] : rates.lr[2];
  const real number = static_cast<real>((first ? lr : 1.0) / (first ? correction : sqrt(correction)));

  // the other scalars need no logarithm: each lane stores two or three of the six
  sac_adam_step* step = &state->adam[set];
  if (first) {
    step->step_size = number;
    step->one_minus_beta1 = static_cast<real>(1.0 - rates.beta1);
    step->beta2 = static_cast<real>(rates.beta2);
  } else {
    step->root_scale = number;
    step->one_minus_beta2 = static_cast<real>(1.0 - rates.beta2);
    step->eps = static_cast<real>(rates.epsilon);
  }
}
static_assert(SAC_ADAM_SETS == 3, "next_scalars_of_warp is written for three sets");

constexpr int stats = SAC_STATISTIC_COUNT;
static_assert(stats < SAC_WARP && sizeof(sac_update_stats) == stats * sizeof(double),
              "one lane for each statistic, and one for the number of updates");

// Ends an update. The first warp adds the update's statistics to the totals. The second warp computes the next scalars;
// it alone reads and writes state->updates.
__device__ void end_update(sac_device_state* state, const sac_adam_rates& rates) {
  const int lane = static_cast<int>(threadIdx.x) % SAC_WARP, warp = static_cast<int>(threadIdx.x) / SAC_WARP;
  if (warp == 0) {
    // add: one lane for each statistic, and one lane for the number of updates in the totals
    const double* last = reinterpret_cast<const double*>(&state->stats);
    double* total = reinterpret_cast<double*>(&state->totals);
    const uint32_t alive = state->alive;
    const uint64_t count = state->totals_updates;
    const int i = lane < stats ? lane : 0;
    const double sum = total[i] + last[i];
    sac_loads_first();

    if (!alive) return;
    if (lane < stats) total[i] = sum;
    if (lane == stats) state->totals_updates = count + 1;
  } else if (warp == 1) {
    // the next update follows updates + 1 others
    const uint32_t alive = state->alive;
    const uint64_t updates = state->updates;
    const sac_adam_hold hold = state->hold;
    sac_loads_first();

    if (!alive) return;
    next_scalars_of_warp(state, updates + 1, hold, rates, lane);
    __syncwarp();
    if (lane == 0) state->updates = updates + 1;
  }
}

// The first block of each agent ends the update: it starts first, because this takes longest. The other blocks average
// weights, and read nothing that the first block writes.
__global__ void __launch_bounds__(threads) target_update(sac_target_args a) {
  // the agent, and the block that ends its update
  const size_t p = blockIdx.y;
  sac_device_state* state = &a.state[p];
  if (blockIdx.x == 0) {
    end_update(state, a.rates);
    return;
  }

  // this thread's part of the weights
  const uint32_t alive = state->alive;
  const size_t at = p * a.floats / 4, count = a.floats / 4;
  float4* targets = reinterpret_cast<float4*>(a.target) + at;
  const float4* sources = reinterpret_cast<const float4*>(a.source) + at;
  const size_t first = static_cast<size_t>(blockIdx.x - 1) * threads * quads + threadIdx.x;

  // Load everything before the first store. Threads beyond the last float4 load the last one.
  float4 target[quads], source[quads];
#pragma unroll
  for (int i = 0; i < quads; i++) {
    const size_t j = first + static_cast<size_t>(i) * threads, k = j < count ? j : count - 1;
    target[i] = targets[k];
    source[i] = sources[k];
  }
  sac_loads_first();
  if (!alive) return;

    // The average. Threads beyond the last float4 store nothing.
#pragma unroll
  for (int i = 0; i < quads; i++) {
    const size_t j = first + static_cast<size_t>(i) * threads;
    if (j >= count) continue;
    float4 t = target[i];
    const float4 s = source[i];
    t.x = sac_polyak(t.x, s.x, a.tau);
    t.y = sac_polyak(t.y, s.y, a.tau);
    t.z = sac_polyak(t.z, s.z, a.tau);
    t.w = sac_polyak(t.w, s.w, a.tau);
    targets[j] = t;
  }
}

// A thread has one agent.
__global__ void adam_scalars(sac_device_state* state, int32_t population, sac_adam_rates rates) {
  const int p = static_cast<int>(blockIdx.x * blockDim.x + threadIdx.x);
  if (p < population) next_scalars(&state[p], rates);
}

}  // namespace

cudaError_t sac_target_update(cudaStream_t stream, const sac_target_args* args) {
  const dim3 grid(sac_blocks(args->floats / 4, threads * quads) + 1, static_cast<unsigned>(args->population));
  SAC_LAUNCH(target_update, grid, dim3(threads), 0, stream, *args);
  return cudaGetLastError();
}

cudaError_t sac_adam_scalars(cudaStream_t stream, sac_device_state* state, int32_t population,
                             const sac_adam_rates* rates) {
  SAC_LAUNCH(adam_scalars, dim3(sac_blocks(static_cast<size_t>(population), threads)), dim3(threads), 0, stream, state,
             population, *rates);
  return cudaGetLastError();
}
