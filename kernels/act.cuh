// act: what the two kernels of act share. actor_act_one (act_one.cu) computes one observation with a cluster of blocks,
// actor_act_rows (act.cu) several observations with a block. Both sum in the same order, so the bits of an action
// depend on its observation and the network alone.
#ifndef SAC_KERNELS_ACT_CUH
#define SAC_KERNELS_ACT_CUH

#include "kernels/bellman.h"
#include "kernels/cuda.cuh"
#include "kernels/discrete.cuh"
#include "kernels/kernels.h"
#include "kernels/layers.h"
#include "kernels/random.h"
#include "kernels/squash.h"
#include "kernels/temperature.h"

// The head's products are summed over chunks of this many units of the last hidden layer; then the chunks are summed.
constexpr int sac_act_chunk = 16;

// Launches actor_act_one. Returns false, and launches nothing, for too many observations or too wide a network.
bool sac_actor_act_one(cudaStream_t stream, const sac_actor_act_args* args);

// A width rounded up to a multiple of 4 floats.
inline int32_t sac_act_padded(int32_t widest) { return (widest + 3) / 4 * 4; }

// Floats between two rows of activations: the padded width of the widest layer, observation and head included.
inline int32_t sac_act_widest(const sac_actor_act_args* args) {
  int32_t widest = args->size[0];
  for (int32_t l = 1; l <= args->layers; l++) widest = args->size[l] > widest ? args->size[l] : widest;
  return sac_act_padded(widest);
}

// Sums over the warp of `sums` numbers per lane, in the order of sac_warp_sum. Each step halves the numbers that a lane
// holds: it sends one half to another lane and adds what it receives to the other. At the end lane l has sum
// l / (SAC_WARP / sums).
template <int sums>
__device__ float sac_act_sums(float (&x)[sums], int lane) {
  // halve the numbers of each lane until one is left
  int distance = SAC_WARP / 2;
#pragma unroll
  for (int half = sums / 2; half > 0; half /= 2) {
    // the upper lanes keep the upper half of the numbers
    const bool upper = lane & distance;
#pragma unroll
    for (int i = 0; i < half; i++) {
      const float keep = upper ? x[i + half] : x[i], send = upper ? x[i] : x[i + half];
      x[i] = keep + __shfl_xor_sync(SAC_WHOLE_WARP, send, distance);
    }
    distance /= 2;
  }

  // add that number over the lanes that have parts of the same sum
  float sum = x[0];
#pragma unroll
  for (int rest = SAC_WARP / 2 / sums; rest > 0; rest /= 2) sum += __shfl_xor_sync(SAC_WHOLE_WARP, sum, rest);
  return sum;
}

// Loads 4 neighbours. quad: in one load of 16 bytes. Otherwise one by one, and zeros beyond the first `left`.
template <bool quad>
__device__ void sac_act_load(float (&to)[4], const float* from, int left) {
  if constexpr (quad) {
    const float4 x = *reinterpret_cast<const float4*>(from);
    to[0] = x.x, to[1] = x.y, to[2] = x.z, to[3] = x.w;
  } else {
#pragma unroll
    for (int i = 0; i < 4; i++) to[i] = i < left ? from[i] : 0.0f;
  }
}

// Adds a lane's products for `neurons` neurons (the weights of neuron j begin at weight[row[j]]) and `rows`
// observations. The lanes share the inputs, 4 neighbours each.
template <int rows, int neurons, bool quad>
__device__ void sac_act_add(float (&sum)[neurons * rows], const float* __restrict__ weight, const int (&row)[neurons],
                            int in, const float* x, int widest) {
#pragma unroll(quad ? 2 : 1)
  for (int k = 4 * (static_cast<int>(threadIdx.x) % SAC_WARP); k < in; k += 4 * SAC_WARP) {
    // Load 4 weights of each neuron and 4 inputs of each observation, then add their products. The order of a sum is
    // the same for every number of observations.
    float w[neurons][4], xs[rows][4];
#pragma unroll
    for (int j = 0; j < neurons; j++) sac_act_load<quad>(w[j], weight + row[j] + k, in - k);
#pragma unroll
    for (int r = 0; r < rows; r++) sac_act_load<quad>(xs[r], x + r * widest + k, in - k);
#pragma unroll
    for (int j = 0; j < neurons; j++)
#pragma unroll
      for (int r = 0; r < rows; r++)
#pragma unroll
        for (int i = 0; i < 4; i++) sum[j * rows + r] = fmaf(w[j][i], xs[r][i], sum[j * rows + r]);
  }
}

// A part of a hidden layer: weights (count, in) and biases (count).
struct sac_act_part {
  const float *weight, *bias;
  int in, count;
};

// Computes the units of a part for the block's observations x (rows, widest); a warp has `neurons` units at a time.
// Calls keep(n, r, unit) with unit n of observation r, in SAC_WARP / (neurons * rows) neighbouring lanes each.
template <int rows, int neurons, typename Keep>
__device__ void sac_act_layer(const sac_act_part& layer, const float* x, int widest, Keep keep) {
  constexpr int sums = neurons * rows;

  // A warp computes `neurons` units at a time. The warps take turns.
  const int lane = static_cast<int>(threadIdx.x) % SAC_WARP, warp = static_cast<int>(threadIdx.x) / SAC_WARP;
  const int warps = static_cast<int>(blockDim.x) / SAC_WARP;
  const bool quad = layer.in % 4 == 0 && reinterpret_cast<uintptr_t>(layer.weight) % (4 * sizeof(float)) == 0;
  for (int first = warp * neurons; first < layer.count; first += warps * neurons) {
    // Where the units' weights begin. Beyond the last unit: the last one, whose sum is not kept.
    int row[neurons];
#pragma unroll
    for (int j = 0; j < neurons; j++) row[j] = (first + j < layer.count ? first + j : layer.count - 1) * layer.in;

    // this lane's part of each sum
    float sum[sums] = {};
    if (quad) sac_act_add<rows, neurons, true>(sum, layer.weight, row, layer.in, x, widest);
    else sac_act_add<rows, neurons, false>(sum, layer.weight, row, layer.in, x, widest);

    // each lane gets one of the sums, and makes one unit of it
    const float whole = sac_act_sums(sum, lane);
    const int which = lane / (SAC_WARP / sums), n = first + which / rows;
    if (n < layer.count) keep(n, which % rows, sac_relu(whole + layer.bias[n]));
  }
}

// Sums over each half of the warp: the part of a head's output that a chunk adds.
__device__ inline float sac_act_chunk_sum(float part) {
#pragma unroll
  for (int distance = sac_act_chunk / 2; distance > 0; distance /= 2)
    part += __shfl_xor_sync(SAC_WHOLE_WARP, part, distance);
  return part;
}

// Draws component i of the noise of the observation at a position of the act stream.
__device__ inline float sac_act_noise(uint64_t seed, uint64_t position, int actions, int i) {
  // the Philox block that holds component i
  float z[SAC_NORMALS_PER_BLOCK];
  sac_normals(sac_philox(seed, SAC_STREAM_ACT,
                         sac_draw_block(position, static_cast<uint64_t>(actions), SAC_NORMALS_PER_BLOCK) +
                             static_cast<uint64_t>(i / SAC_NORMALS_PER_BLOCK)),
              z);

  // choose by comparisons: an index would force z out of registers
  const int which = i % SAC_NORMALS_PER_BLOCK;
  return which == 0 ? z[0] : which == 1 ? z[1] : which == 2 ? z[2] : z[3];
}

// Writes the action of an observation, and its log-probability, from the head's outputs (means, then log sigmas). One
// warp calls it. sample: draws from the Gaussian; otherwise the mean. drawn: the noise of the first 32 components,
// where it was drawn before, or NULL.
template <typename Args>
__device__ void sac_act_write(const Args& a, bool sample, uint64_t seed, uint64_t position, size_t row,
                              const float* head, int actions, const float* drawn) {
  // a lane has every 32nd component
  const int lane = static_cast<int>(threadIdx.x) % SAC_WARP;
  const size_t first = row * static_cast<size_t>(actions);
  float log_prob = 0;
  for (int i = lane; i < actions; i += SAC_WARP) {
    const size_t at = first + static_cast<size_t>(i);

    // the action of the mean needs no noise and has no log-probability
    if (!sample) {
      a.action[at] = sac_squash_mean(head[i]);
      continue;
    }

    // the noise is the caller's, was drawn before, or is drawn now
    const float eps = a.noise                 ? a.noise[at]
                      : drawn && i < SAC_WARP ? drawn[i]
                                              : sac_act_noise(seed, position, actions, i);

    // the action, and its term of the log-probability
    const sac_squash_out out = sac_squash(head[i], head[actions + i], eps, a.log_std_min, a.log_std_max);
    a.action[at] = out.action;
    log_prob += out.log_prob;
  }

  // the log-probability: the sum over the components
  if (!a.log_prob || !sample) return;
  log_prob = sac_warp_sum(log_prob);
  if (lane == 0) a.log_prob[row] = log_prob;
}

// --- discrete actions ------------------------------------------------------------------------------------------------

// Draws the uniform number of the observation at a position of the act stream.
__device__ inline float sac_act_uniform(uint64_t seed, uint64_t position) {
  return sac_uniform(sac_philox(seed, SAC_STREAM_ACT, sac_draw_block(position, 1, SAC_UNIFORMS_PER_BLOCK)).word[0]);
}

// Whether one of the values is NaN, in every lane. One warp calls it.
__device__ inline bool sac_act_any_nan(const float* x, int actions, int lane) {
  bool mine = false;
  for (int a = lane; a < actions; a += SAC_WARP) mine |= x[a] != x[a];
  return __ballot_sync(SAC_WHOLE_WARP, mine) != 0;
}

// [discrete.greedy] The first action with the largest value, in every lane. One warp calls it.
__device__ inline int sac_act_greedy(const float* x, int actions, int lane) {
  float largest = x[0];
  int best = 0;
  for (int first = 0; first < actions; first += SAC_WARP) {
    // the largest of 32 values; fmaxf leaves NaN out, as it is larger than nothing
    const float mine = first + lane < actions ? x[first + lane] : -INFINITY;
    float most = mine;
    for (int distance = SAC_WARP / 2; distance > 0; distance /= 2)
      most = fmaxf(most, __shfl_xor_sync(SAC_WHOLE_WARP, most, distance));

    // the first lane that has it
    const unsigned has = __ballot_sync(SAC_WHOLE_WARP, mine == most);
    if (!(most > largest)) continue;
    largest = most;
    best = first + __ffs(static_cast<int>(has)) - 1;
  }
  return best;
}

// [discrete.sample] The action that u selects, in every lane, with the sums of sac_categorical in its order. One warp
// calls it.
__device__ inline int sac_act_categorical(const float* x, const sac_distribution& pi, int actions, int lane, float u) {
  float cumulated = 0;
  int last = 0;
  for (int first = 0; first < actions; first += SAC_WARP) {
    // the sum up to each of 32 actions
    const bool exists = first + lane < actions;
    const float p = exists ? expf(pi.log_p(x[first + lane])) : 0.0f;
    float mine = 0;
    for (int i = 0; i < SAC_WARP; i++) {
      cumulated += __shfl_sync(SAC_WHOLE_WARP, p, i);
      mine = lane == i ? cumulated : mine;
    }

    // the first sum above u; otherwise remember the last action that is possible
    const unsigned above = __ballot_sync(SAC_WHOLE_WARP, exists && mine > u);
    const unsigned possible = __ballot_sync(SAC_WHOLE_WARP, p > 0.0f);
    if (above) return first + __ffs(static_cast<int>(above)) - 1;
    if (possible) last = first + SAC_WARP - 1 - __clz(static_cast<int>(possible));
  }
  return last;
}

// Writes the number of the action at an observation, and its log-probability, from the values x of the actions; NaN
// where one of these is NaN. One warp calls it. sample: draws from exp(scale x)/Z; otherwise the most probable action.
// drawn: the uniform number, where it was drawn before, or NULL.
template <typename Args>
__device__ void sac_act_write_number(const Args& a, bool sample, float scale, uint64_t seed, uint64_t position,
                                     size_t row, const float* x, int actions, const float* drawn) {
  const int lane = static_cast<int>(threadIdx.x) % SAC_WARP;
  const bool bad = sac_act_any_nan(x, actions, lane);
  if (!sample) {
    const int best = sac_act_greedy(x, actions, lane);
    if (lane == 0) a.action[row] = bad ? NAN : static_cast<float>(best);
    return;
  }

  // the number is the caller's, was drawn before, or is drawn now
  const float u = a.noise ? a.noise[row] : drawn ? *drawn : sac_act_uniform(seed, position);
  const sac_distribution pi = sac_distribution_of(x, actions, lane, scale);
  const int chosen = sac_act_categorical(x, pi, actions, lane, u);
  if (lane != 0) return;
  a.action[row] = bad ? NAN : static_cast<float>(chosen);
  if (a.log_prob) a.log_prob[row] = pi.log_p(x[chosen]);
}

// The scale of the values of agent p: 1 for logits, 1/alpha for values of a Boltzmann policy.
template <typename Args>
__device__ float sac_act_scale(const Args& a, size_t p) {
  return a.log_alpha ? 1 / sac_alpha(a.log_alpha[p * a.log_alpha_stride]) : 1.0f;
}

// --- counter ---------------------------------------------------------------------------------------------------------

// Adds n to an agent's counter of observations, in the last of its `blocks` blocks (or clusters): all others have read
// the counter by then. One thread of each block calls it after the block's work.
__device__ inline void sac_act_count(sac_device_state* state, unsigned blocks, uint64_t position, int n) {
  // Only the block that takes the last ticket goes on. It clears the ticket for the next launch.
  if (blocks > 1) {
    __threadfence();
    if (atomicAdd(&state->act_ticket, 1u) != blocks - 1) return;
    state->act_ticket = 0;
  }
  state->act = position + static_cast<uint64_t>(n);
}

#endif
