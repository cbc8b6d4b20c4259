// act: what its two kernels share. One observation is for blocks of a cluster (act_one.cu), many are for whole blocks
// (act.cu). Both add in the same order, so an action's bits depend on its observation and the network alone.
#ifndef SAC_KERNELS_ACT_CUH
#define SAC_KERNELS_ACT_CUH

#include "kernels/cuda.cuh"
#include "kernels/kernels.h"
#include "kernels/layers.h"
#include "kernels/random.h"
#include "kernels/squash.h"

constexpr int sac_act_chunk = 16;  // units of the last hidden layer whose part of the head is summed alone

// Launches one observation a cluster of blocks; false: too many of them or too wide, and nothing was launched.
bool sac_actor_act_one(cudaStream_t stream, const sac_actor_act_args* args);

// Floats between two rows of activations: of the widest layer, the observation and the head included, in whole quads.
inline int32_t sac_act_padded(int32_t widest) { return (widest + 3) / 4 * 4; }
inline int32_t sac_act_widest(const sac_actor_act_args* args) {
  int32_t widest = args->size[0];
  for (int32_t l = 1; l <= args->layers; ++l) widest = args->size[l] > widest ? args->size[l] : widest;
  return sac_act_padded(widest);
}

// Sums over the warp of `sums` numbers a lane, in the order of sac_warp_sum: each step halves the lanes that a number
// is in, and a lane gives half of its numbers away. Lanes l of SAC_WARP / sums neighbours get sum l / (SAC_WARP /
// sums).
template <int sums>
__device__ float sac_act_sums(float (&x)[sums], int lane) {
  int distance = SAC_WARP / 2;
#pragma unroll
  for (int half = sums / 2; half > 0; half /= 2) {
    const bool upper = lane & distance;
#pragma unroll
    for (int i = 0; i < half; ++i) {
      const float keep = upper ? x[i + half] : x[i], give = upper ? x[i] : x[i + half];
      x[i] = keep + __shfl_xor_sync(SAC_WHOLE_WARP, give, distance);
    }
    distance /= 2;
  }
  float sum = x[0];
#pragma unroll
  for (int rest = SAC_WARP / 2 / sums; rest > 0; rest /= 2) sum += __shfl_xor_sync(SAC_WHOLE_WARP, sum, rest);
  return sum;
}

// 4 neighbours: all of them, at 16 bytes; or `left` of them, and zeros.
template <bool quad>
__device__ void sac_act_load(float (&to)[4], const float* from, int left) {
  if constexpr (quad) {
    const float4 x = *reinterpret_cast<const float4*>(from);
    to[0] = x.x, to[1] = x.y, to[2] = x.z, to[3] = x.w;
  } else {
#pragma unroll
    for (int i = 0; i < 4; ++i) to[i] = i < left ? from[i] : 0.0f;
  }
}

// Adds a lane's products for some neurons (their weights begin at row[j]) and observations: its lanes over the inputs,
// 4 neighbours a lane.
template <int rows, int each, bool quad>
__device__ void sac_act_add(float (&sum)[each * rows], const float* __restrict__ weight, const int (&row)[each], int in,
                            const float* x, int widest) {
#pragma unroll(quad ? 2 : 1)
  for (int k = 4 * (static_cast<int>(threadIdx.x) % SAC_WARP); k < in; k += 4 * SAC_WARP) {
    float w[each][4], xs[rows][4];
#pragma unroll
    for (int j = 0; j < each; ++j) sac_act_load<quad>(w[j], weight + row[j] + k, in - k);
#pragma unroll
    for (int r = 0; r < rows; ++r) sac_act_load<quad>(xs[r], x + r * widest + k, in - k);
#pragma unroll
    for (int j = 0; j < each; ++j)
#pragma unroll
      for (int r = 0; r < rows; ++r)
#pragma unroll
        for (int i = 0; i < 4; ++i) sum[j * rows + r] = fmaf(w[j][i], xs[r][i], sum[j * rows + r]);
  }
}

// Rows of a layer's weights: (count, in), and their biases.
struct sac_act_part {
  const float *weight, *bias;
  int in, count;
};

// The neurons of some rows for the block's observations x (rows, widest), a warp `each` of them at a time. keep(n, r,
// y) is called for neuron n and observation r by SAC_WARP / (each * rows) neighbouring lanes, with the same y.
template <int rows, int each, typename Keep>
__device__ void sac_act_layer(const sac_act_part& layer, const float* x, int widest, Keep keep) {
  constexpr int sums = each * rows;
  const int lane = static_cast<int>(threadIdx.x) % SAC_WARP, warp = static_cast<int>(threadIdx.x) / SAC_WARP;
  const int warps = static_cast<int>(blockDim.x) / SAC_WARP;
  const bool quad = layer.in % 4 == 0 && reinterpret_cast<uintptr_t>(layer.weight) % (4 * sizeof(float)) == 0;
  for (int first = warp * each; first < layer.count; first += warps * each) {
    int row[each];
#pragma unroll
    for (int j = 0; j < each; ++j)  // past the last: a sum that nobody keeps
      row[j] = (first + j < layer.count ? first + j : layer.count - 1) * layer.in;
    float sum[sums] = {};
    if (quad) sac_act_add<rows, each, true>(sum, layer.weight, row, layer.in, x, widest);
    else sac_act_add<rows, each, false>(sum, layer.weight, row, layer.in, x, widest);
    const float whole = sac_act_sums(sum, lane);
    const int which = lane / (SAC_WARP / sums), n = first + which / rows;
    if (n < layer.count) keep(n, which % rows, sac_relu(whole + layer.bias[n]));
  }
}

// Sums over half a warp: a chunk's part of an output of the head, in lanes 0 and sac_act_chunk.
__device__ inline float sac_act_chunk_sum(float part) {
#pragma unroll
  for (int distance = sac_act_chunk / 2; distance > 0; distance /= 2)
    part += __shfl_xor_sync(SAC_WHOLE_WARP, part, distance);
  return part;
}

// Component i of the noise drawn at a position.
__device__ inline float sac_act_noise(uint64_t seed, uint64_t position, int actions, int i) {
  float z[SAC_NORMALS_PER_BLOCK];
  sac_normals(sac_philox(seed, SAC_STREAM_ACT,
                         sac_draw_block(position, static_cast<uint64_t>(actions), SAC_NORMALS_PER_BLOCK) +
                             static_cast<uint64_t>(i / SAC_NORMALS_PER_BLOCK)),
              z);
  const int which = i % SAC_NORMALS_PER_BLOCK;
  return which == 0 ? z[0] : which == 1 ? z[1] : which == 2 ? z[2] : z[3];
}

// The action of an observation from its head, by one warp; what it is written to and made of stands in the kernel's
// arguments. sample: or the mean. eps_of: the noise of the first 32 components, where it was drawn before; or NULL.
template <typename Args>
__device__ void sac_act_give(const Args& a, bool sample, uint64_t seed, uint64_t position, size_t row,
                             const float* head, int actions, const float* eps_of) {
  const int lane = static_cast<int>(threadIdx.x) % SAC_WARP;
  const size_t first = row * static_cast<size_t>(actions);
  float log_prob = 0;
  for (int i = lane; i < actions; i += SAC_WARP) {
    const size_t at = first + static_cast<size_t>(i);
    if (!sample) {
      a.action[at] = sac_squash_mean(head[i]);
      continue;
    }
    const float eps = a.noise                  ? a.noise[at]
                      : eps_of && i < SAC_WARP ? eps_of[i]
                                               : sac_act_noise(seed, position, actions, i);
    const sac_squash_out out = sac_squash(head[i], head[actions + i], eps, a.log_std_min, a.log_std_max);
    a.action[at] = out.action;
    log_prob += out.log_prob;
  }
  if (!a.log_prob || !sample) return;
  log_prob = sac_warp_sum(log_prob);
  if (lane == 0) a.log_prob[row] = log_prob;
}

// One thread of a block that has finished the observations it had of agent p: the last of its `blocks` moves the
// agent's counter on by n, as all others have read it by then.
__device__ inline void sac_act_count(sac_device_state* state, unsigned blocks, uint64_t position, int n) {
  if (blocks > 1) {
    __threadfence();
    if (atomicAdd(&state->act_ticket, 1u) != blocks - 1) return;
    state->act_ticket = 0;
  }
  state->act = position + static_cast<uint64_t>(n);
}

#endif
