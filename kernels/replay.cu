// replay push: rows into the ring. replay sample: indices, noise and the minibatch, in one launch.
#include "kernels/bellman.h"
#include "kernels/cuda.cuh"
#include "kernels/kernels.h"
#include "kernels/random.h"
#include "kernels/ring.h"

namespace {

constexpr int threads = 256;

// Returns true in one thread of the agent's last block: by then all other blocks have read the counter that this thread
// will change.
__device__ bool last_block(sac_device_state* state) {
  // all threads of this block have read the counter; one of them continues
  __syncthreads();
  if (threadIdx.x != 0) return false;

  // Take a ticket. The last block clears it for the next launch.
  __threadfence();
  if (atomicAdd(&state->ticket, 1u) != gridDim.x - 1) return false;
  state->ticket = 0;
  return true;
}

// The number at a place of a row of the ring, from transition `from`.
__device__ float row_value(const sac_replay_push_args& a, size_t from, int32_t place) {
  // the observation and the action
  const sac_row_layout& row = a.row;
  if (place < row.action) return a.obs[from * static_cast<size_t>(a.dims.obs) + static_cast<size_t>(place)];
  if (place < row.reward)
    return a.action[from * static_cast<size_t>(a.dims.action) + static_cast<size_t>(place - row.action)];

  // the single numbers
  if (place == row.reward) return a.reward[from];
  if (place == row.terminated) return a.terminated[from];
  if (place == row.truncated) return a.truncated[from];

  // The next observation. The rest of the row is padding: 0.
  const int32_t next = place - row.next_obs;
  return next < a.dims.obs ? a.next_obs[from * static_cast<size_t>(a.dims.obs) + static_cast<size_t>(next)] : 0.0f;
}

// A thread writes one number of a row.
__global__ void __launch_bounds__(threads) replay_push(sac_replay_push_args a) {
  // load the agent's state before the first branch
  const size_t p = blockIdx.y, floats = static_cast<size_t>(a.row.floats), n = static_cast<size_t>(a.n);
  sac_device_state* state = &a.state[p];
  const uint32_t alive = state->alive;
  const uint64_t pushed = state->pushed, fixed = state->fixed;
  sac_loads_first();

  // the transition that this thread writes, and which number of it
  const size_t at = static_cast<size_t>(blockIdx.x) * threads + threadIdx.x;
  const size_t i = at / floats, place = at % floats;
  if (!alive) return;

  // if more rows come than the ring holds, only the last ones are written
  const uint64_t capacity = static_cast<uint64_t>(a.capacity);
  if (i < n && n - i <= capacity - fixed) {
    const uint64_t row = sac_ring_place(pushed + i, capacity, fixed);
    a.ring[(p * static_cast<size_t>(a.capacity) + row) * floats + place] =
        row_value(a, p * n + i, static_cast<int32_t>(place));
  }

  // the last block advances the counter
  if (last_block(state)) state->pushed = pushed + n;
}

constexpr int gather_numbers = 4;  // numbers of a row, and of its next observation, that a lane loads at a time

// A warp gathers one row. Every lane draws the index: this is cheaper than to send it to the others. Discrete actions
// have a column of their own, and no place in the inputs of the critics.
template <bool discrete>
__device__ void gather(const sac_replay_sample_args& a, size_t p, size_t r, size_t lane, uint64_t seed, uint64_t pushed,
                       uint64_t updates, uint64_t fixed) {
  const size_t batch = static_cast<size_t>(a.dims.batch), obs = static_cast<size_t>(a.dims.obs),
               action = static_cast<size_t>(a.dims.action), critics = static_cast<size_t>(a.dims.critics);
  const size_t features = discrete ? obs : obs + action;

  // draw the index: this row's place in the ring
  const uint64_t capacity = static_cast<uint64_t>(a.capacity);
  const uint64_t size = pushed < capacity ? pushed : capacity;
  const uint64_t block = sac_draw_block(updates, batch, SAC_INDICES_PER_BLOCK) + r / SAC_INDICES_PER_BLOCK;
  const sac_words words = sac_philox(seed, SAC_STREAM_SAMPLE, block);
  const sac_ring_part part = sac_ring_part_of(r, static_cast<uint64_t>(a.offline), size, fixed);
  const uint64_t index = part.first + (r % 2 ? sac_index(words.word[2], words.word[3], part.count)
                                             : sac_index(words.word[0], words.word[1], part.count));

  // where the row comes from, and where it goes
  const float* row = a.ring + (p * static_cast<size_t>(a.capacity) + index) * static_cast<size_t>(a.row.floats);
  const float* next_row = row + a.row.next_obs;
  const sac_device_minibatch& m = a.minibatch;
  float* states = m.states + (p * 2 * batch + r) * obs;
  const float reward = row[a.row.reward], terminated = row[a.row.terminated];
  const float number = discrete ? row[a.row.action] : 0.0f;

  // copy the row's observation, action and next observation
  for (size_t first = 0; first < features; first += gather_numbers * SAC_WARP) {
    // Load. Lanes beyond the last number load the last one: without branches all loads are under way together.
    float now[gather_numbers], next[gather_numbers];
#pragma unroll
    for (int n = 0; n < gather_numbers; n++) {
      const size_t i = first + lane + static_cast<size_t>(n) * SAC_WARP;
      now[n] = row[i < features ? i : features - 1];  // obs and action are side by side
      next[n] = next_row[i < obs ? i : obs - 1];
    }
    sac_loads_first();

    // store: to the states, and to the inputs of each critic
#pragma unroll
    for (int n = 0; n < gather_numbers; n++) {
      const size_t i = first + lane + static_cast<size_t>(n) * SAC_WARP;
      if (i >= features) break;
      if (i < obs) {
        states[i] = now[n];
        states[batch * obs + i] = next[n];
      }
      for (size_t k = 0; k < critics; k++) {
        const size_t at = ((p * critics + k) * batch + r) * features + i;
        m.current[at] = now[n];
        if (discrete) m.next[at] = next[n];
        if (discrete || i >= obs) continue;
        m.policy[at] = now[n];
        if (a.with_next_action) m.next[at] = next[n];
      }
    }
  }

  // one lane stores the numbers that a row has once
  if (lane != 0) return;
  if (discrete) m.action[p * batch + r] = number;
  m.reward[p * batch + r] = reward;
  m.discount[p * batch + r] = sac_discount(a.gamma, terminated);
  m.weight[p * batch + r] = 1;
  m.index[p * batch + r] = index;
}

// One thread makes the four normals of a Philox block, for a~ or for a'.
__device__ void make_noise(const sac_replay_sample_args& a, size_t p, size_t number, size_t blocks, uint64_t seed,
                           uint64_t updates) {
  // the first `blocks` Philox blocks are for a~, the next ones for a'
  const size_t count = static_cast<size_t>(a.dims.batch) * static_cast<size_t>(a.dims.action);
  const bool of_next = number >= blocks;
  const size_t block = of_next ? number - blocks : number;
  if (block >= blocks || (of_next && !a.with_next_action)) return;

  // draw four normals
  float z[SAC_NORMALS_PER_BLOCK];
  sac_normals(sac_philox(seed, of_next ? SAC_STREAM_NEXT_ACTION_NOISE : SAC_STREAM_ACTION_NOISE,
                         sac_draw_block(updates, count, SAC_NORMALS_PER_BLOCK) + block),
              z);

  // Store them. The last block may have more than are needed.
  float* noise = a.minibatch.noise + (2 * p + of_next) * count + block * SAC_NORMALS_PER_BLOCK;
#pragma unroll
  for (int i = 0; i < SAC_NORMALS_PER_BLOCK; i++)
    if (block * SAC_NORMALS_PER_BLOCK + static_cast<size_t>(i) < count) noise[i] = z[i];
}

// The first `gathering` blocks gather, a warp for each row; the others draw noise, of continuous actions.
template <bool discrete>
__device__ void sample(const sac_replay_sample_args& a, unsigned gathering) {
  // the agent's state, which this kernel does not change
  const size_t p = blockIdx.y;
  const sac_device_state* state = &a.state[p];
  const uint32_t alive = state->alive;
  const uint64_t seed = state->seed, pushed = state->pushed, fixed = state->fixed;
  const uint64_t updates = state->updates + a.ahead;
  sac_loads_first();
  if (!alive) return;

  // gather: one warp for each row
  if (discrete || blockIdx.x < gathering) {
    const size_t r = (static_cast<size_t>(blockIdx.x) * threads + threadIdx.x) / SAC_WARP;
    if (r < static_cast<size_t>(a.dims.batch))
      gather<discrete>(a, p, r, threadIdx.x % SAC_WARP, seed, pushed, updates, fixed);
    return;
  }

  // draw noise: one thread for each Philox block
  const size_t count = static_cast<size_t>(a.dims.batch) * static_cast<size_t>(a.dims.action);
  make_noise(a, p, static_cast<size_t>(blockIdx.x - gathering) * threads + threadIdx.x,
             (count + SAC_NORMALS_PER_BLOCK - 1) / SAC_NORMALS_PER_BLOCK, seed, updates);
}

// The second number of the launch bounds stops the compiler from spilling registers to fit more blocks.
__global__ void __launch_bounds__(threads, 4) replay_sample(sac_replay_sample_args a, unsigned gathering) {
  sample<false>(a, gathering);
}
__global__ void __launch_bounds__(threads, 4) replay_sample_discrete(sac_replay_sample_args a, unsigned gathering) {
  sample<true>(a, gathering);
}

__global__ void __launch_bounds__(threads) replay_given(sac_device_minibatch m, size_t rows, float gamma) {
  const size_t r = static_cast<size_t>(blockIdx.x) * threads + threadIdx.x;
  if (r >= rows) return;
  m.discount[r] = sac_discount(gamma, m.discount[r]);
  m.weight[r] = 1;
}

}  // namespace

cudaError_t sac_replay_push_rows(cudaStream_t stream, const sac_replay_push_args* args) {
  const size_t count = static_cast<size_t>(args->n) * static_cast<size_t>(args->row.floats);
  const dim3 grid(sac_blocks(count, threads), static_cast<unsigned>(args->dims.population));
  SAC_LAUNCH(replay_push, grid, dim3(threads), 0, stream, *args);
  return cudaGetLastError();
}

cudaError_t sac_replay_sample_uniform(cudaStream_t stream, const sac_replay_sample_args* args) {
  // blocks that gather; an algorithm of discrete actions needs no noise
  const size_t rows = static_cast<size_t>(args->dims.batch), count = rows * static_cast<size_t>(args->dims.action);
  const unsigned gathering = sac_blocks(rows, threads / SAC_WARP);
  if (args->minibatch.action) {
    const dim3 all(gathering, static_cast<unsigned>(args->dims.population));
    SAC_LAUNCH(replay_sample_discrete, all, dim3(threads), 0, stream, *args, gathering);
    return cudaGetLastError();
  }

  // blocks that draw the noise for a~, and for a' where it is used
  const size_t blocks = (count + SAC_NORMALS_PER_BLOCK - 1) / SAC_NORMALS_PER_BLOCK;
  const dim3 grid(gathering + sac_blocks(args->with_next_action ? 2 * blocks : blocks, threads),
                  static_cast<unsigned>(args->dims.population));
  SAC_LAUNCH(replay_sample, grid, dim3(threads), 0, stream, *args, gathering);
  return cudaGetLastError();
}

cudaError_t sac_replay_given(cudaStream_t stream, const sac_device_minibatch* minibatch, size_t rows, float gamma) {
  SAC_LAUNCH(replay_given, dim3(sac_blocks(rows, threads)), dim3(threads), 0, stream, *minibatch, rows, gamma);
  return cudaGetLastError();
}
