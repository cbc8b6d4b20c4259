// act: from observations to actions in one launch. This file has the kernel for many observations, several in a block
// (act_one.cu has the one for few); the uniform actions of the warm-up; and the copy of the actors that act reads while
// updates run.
#include "kernels/act.cuh"

namespace {

constexpr int threads_max = 512;
constexpr int rows = 4;                          // observations of a block at a time
constexpr int neurons = 2;                       // units of a warp at a time
constexpr size_t shared_max = size_t{48} << 10;  // bytes that a block has without cudaFuncSetAttribute
constexpr unsigned scratch_blocks = 16;          // blocks of an agent whose activations are in scratch memory

// Buffers of activations of a block, (rows, widest) each: a third one where networks are joined.
__host__ __device__ constexpr size_t buffers(int32_t nets) { return nets > 1 ? 3 : 2; }

// --- many observations -----------------------------------------------------------------------------------------------

// Returns one output of the head (without bias) for one observation, in every lane of a warp: two chunks at a time,
// which are added in their order.
__device__ float head_output(const float* weight, int in, const float* x, int lane) {
  float sum = 0;
#pragma unroll 4
  for (int first = 0; first < in; first += 2 * sac_act_chunk) {
    // each half of the warp sums one chunk
    const int column = first + lane;
    const float part = sac_act_chunk_sum(column < in ? weight[column] * x[column] : 0.0f);

    // the lower chunk is added first, then the upper one if it exists
    sum += __shfl_sync(SAC_WHOLE_WARP, part, 0);
    const float upper = __shfl_sync(SAC_WHOLE_WARP, part, sac_act_chunk);
    if (first + sac_act_chunk < in) sum += upper;
  }
  return sum;
}

// Evaluates a network on `count` observations. x: two buffers of activations, (rows, widest) each. Returns the one that
// has the outputs; all threads may read them.
__device__ const float* evaluate(const sac_actor_act_args& a, const float* from, const float* weights, size_t count,
                                 float* x, int widest) {
  // the sizes, and the second buffer
  const size_t obs = static_cast<size_t>(a.size[0]);
  const int lane = static_cast<int>(threadIdx.x) % SAC_WARP, warp = static_cast<int>(threadIdx.x) / SAC_WARP;
  const int outputs = a.size[a.layers];
  float* y = x + rows * widest;

  // load the observations; rows beyond the last are zeros
  for (size_t i = threadIdx.x; i < rows * obs; i += blockDim.x)
    x[i / obs * static_cast<size_t>(widest) + i % obs] = i < count * obs ? from[i] : 0.0f;
  __syncthreads();

  // the hidden layers, from x to y; then x and y change places
  for (int l = 0; l + 1 < a.layers; l++) {
    const sac_act_part layer = {weights + a.weight[l], weights + a.bias[l], a.size[l], a.size[l + 1]};
    sac_act_layer<rows, neurons>(layer, x, widest, [&](int n, int r, float unit) {
      // of the lanes that hold this unit, one writes it
      if (lane % (SAC_WARP / (rows * neurons)) == 0) y[r * widest + n] = unit;
    });
    __syncthreads();

    // the outputs are the inputs of the next layer
    float* other = x;
    x = y;
    y = other;
  }

  // the head: one warp for each output
  const float *head = weights + a.weight[a.layers - 1], *bias = weights + a.bias[a.layers - 1];
  const int in = a.size[a.layers - 1];
  for (int pair = warp; pair < outputs * rows; pair += static_cast<int>(blockDim.x) / SAC_WARP) {
    const int r = pair % rows, o = pair / rows;
    const float sum = head_output(head + static_cast<size_t>(o) * static_cast<size_t>(in), in, x + r * widest, lane);
    if (lane == 0) y[r * widest + o] = sum + bias[o];
  }
  __syncthreads();
  return y;
}

// [sac.join] Evaluates all networks of an agent, and joins their outputs in a third buffer behind those of x. Returns
// the outputs of one network as they are.
__device__ const float* join(const sac_actor_act_args& a, const float* from, const float* weights, size_t count,
                             float* x, int widest) {
  if (a.nets == 1) return evaluate(a, from, weights, count, x, widest);
  float* joined = x + 2 * rows * widest;
  for (int k = 0; k < a.nets; k++) {
    const float* y = evaluate(a, from, weights + static_cast<size_t>(k) * a.net_stride, count, x, widest);

    // each thread has the same outputs of every network
    for (int i = static_cast<int>(threadIdx.x); i < rows * a.actions; i += static_cast<int>(blockDim.x)) {
      const int at = i / a.actions * widest + i % a.actions;
      const float before = k == 0 ? y[at] : sac_join_next(joined[at], y[at], a.mean);
      joined[at] = k + 1 == a.nets ? sac_join_end(before, a.nets, a.mean) : before;
    }
    __syncthreads();  // the next network overwrites y
  }
  return joined;
}

// Writes the actions of rows first .. first + count - 1 of agent p.
template <bool discrete>
__device__ void act_rows(const sac_actor_act_args& a, size_t p, size_t first, size_t count, uint64_t position, float* x,
                         int widest) {
  // the outputs of the agent's networks
  const size_t row = p * static_cast<size_t>(a.n) + first;
  const int warp = static_cast<int>(threadIdx.x) / SAC_WARP;
  const float *from = a.obs + row * static_cast<size_t>(a.size[0]), *weights = a.weights + p * a.weights_stride;
  const float* y = discrete ? join(a, from, weights, count, x, widest) : evaluate(a, from, weights, count, x, widest);

  // the actions: one warp for each observation
  const size_t mine = static_cast<size_t>(warp);
  if (mine >= count) return;
  const bool sample = a.mode == SAC_DEVICE_ACT_SAMPLE;
  if constexpr (discrete)
    sac_act_write_number(a, sample, sac_act_scale(a, p), a.state[p].seed, position + first + mine, row + mine,
                         y + warp * widest, a.actions, nullptr);
  else
    sac_act_write(a, sample, a.state[p].seed, position + first + mine, row + mine, y + warp * widest,
                  a.size[a.layers] / 2, nullptr);
}

// Grid: (blocks, P). The actions of a stopped agent are zeros, which an environment accepts.
template <bool discrete>
__device__ void act_all(const sac_actor_act_args& a, int widest, int in_shared) {
  SAC_DYNAMIC_SHARED(float, shared);

  // the agent, and the memory for activations: scratch memory where shared memory is too small
  const size_t p = blockIdx.y, n = static_cast<size_t>(a.n);
  const size_t actions = discrete ? 1 : static_cast<size_t>(a.size[a.layers]) / 2;
  const bool alive = a.alive[p * a.alive_stride] != 0;
  const uint64_t position = a.state[p].act;
  const size_t floats = buffers(discrete ? a.nets : 1) * rows * static_cast<size_t>(widest);
  float* activations = in_shared ? shared : a.scratch + (p * scratch_blocks + blockIdx.x) * floats;

  // the block's observations, `rows` at a time
  for (size_t first = static_cast<size_t>(blockIdx.x) * rows; first < n; first += gridDim.x * size_t{rows}) {
    const size_t count = n - first < rows ? n - first : rows;
    if (alive) act_rows<discrete>(a, p, first, count, position, activations, widest);

    // zeros for a stopped agent
    for (size_t i = threadIdx.x; !alive && i < count * actions; i += blockDim.x)
      a.action[(p * n + first) * actions + i] = 0;
    if (threadIdx.x < count && !alive && a.log_prob && a.mode == SAC_DEVICE_ACT_SAMPLE)
      a.log_prob[p * n + first + threadIdx.x] = 0;

    // the next observations overwrite these activations
    __syncthreads();
  }

  // advance the counter of the noise
  if (threadIdx.x == 0 && alive && a.mode == SAC_DEVICE_ACT_SAMPLE && !a.noise)
    sac_act_count(&a.state[p], gridDim.x, position, a.n);
}

__global__ void __launch_bounds__(threads_max, 1) actor_act_rows(sac_actor_act_args a, int widest, int in_shared) {
  act_all<false>(a, widest, in_shared);
}
__global__ void __launch_bounds__(threads_max, 1)
    actor_act_rows_discrete(sac_actor_act_args a, int widest, int in_shared) {
  act_all<true>(a, widest, in_shared);
}

// --- uniform actions -------------------------------------------------------------------------------------------------

constexpr int uniform_threads = 128;

// Grid: (blocks, P). A thread has one component of an action, or a discrete action.
__global__ void __launch_bounds__(uniform_threads) actor_act_uniform(sac_actor_act_args a) {
  // the component of this thread
  const size_t p = blockIdx.y, actions = a.actions ? 1 : static_cast<size_t>(a.size[a.layers]) / 2;
  const size_t count = static_cast<size_t>(a.n) * actions;
  const size_t i = static_cast<size_t>(blockIdx.x) * blockDim.x + threadIdx.x;

  // the agent's state, read before the last block changes the counter
  const bool alive = a.alive[p * a.alive_stride] != 0;
  const uint64_t position = a.state[p].act;

  // the uniform number, from the component's word of its Philox block
  if (i < count && alive) {
    const size_t row = i / actions, j = i % actions, which = j % SAC_UNIFORMS_PER_BLOCK;
    const sac_words words =
        sac_philox(a.state[p].seed, SAC_STREAM_WARMUP,
                   sac_draw_block(position + row, actions, SAC_UNIFORMS_PER_BLOCK) + j / SAC_UNIFORMS_PER_BLOCK);
    const uint32_t word = which == 0   ? words.word[0]
                          : which == 1 ? words.word[1]
                          : which == 2 ? words.word[2]
                                       : words.word[3];
    a.action[p * count + i] = a.actions ? static_cast<float>(sac_uniform_action(sac_uniform(word), a.actions))
                                        : sac_uniform_within(word, 1.0f);
  }

  // zeros for a stopped agent
  if (i < count && !alive) a.action[p * count + i] = 0;

  __syncthreads();  // every thread of the block has read the counter
  if (threadIdx.x == 0 && alive) sac_act_count(&a.state[p], gridDim.x, position, a.n);
}

// --- copy of the actors ----------------------------------------------------------------------------------------------

constexpr int snapshot_threads = 256;

// A thread has one float4.
__global__ void __launch_bounds__(snapshot_threads) actor_snapshot(sac_actor_snapshot_args a) {
  // the weights
  const size_t i = static_cast<size_t>(blockIdx.x) * blockDim.x + threadIdx.x;
  if (i < a.floats / 4) reinterpret_cast<float4*>(a.copy)[i] = reinterpret_cast<const float4*>(a.weights)[i];

  // which agents are alive: the first block copies it
  if (blockIdx.x > 0) return;
  for (int p = static_cast<int>(threadIdx.x); p < a.population; p += static_cast<int>(blockDim.x))
    a.alive[p] = a.state[p].alive;
}

// --- launches --------------------------------------------------------------------------------------------------------

// Floats of a block's activations, and whether shared memory holds them.
size_t floats_of(int32_t widest, int32_t nets) { return buffers(nets) * rows * static_cast<size_t>(widest); }
bool fits_shared(int32_t widest, int32_t nets) { return floats_of(widest, nets) * sizeof(float) <= shared_max; }

void launch_rows(cudaStream_t stream, const sac_actor_act_args& args) {
  const int32_t widest = sac_act_widest(&args);

  // a warp for every `neurons` units of the widest layer, within these limits: one for each observation, threads_max
  const int wanted = (widest + neurons - 1) / neurons, most = threads_max / SAC_WARP;
  const int warps = wanted < rows ? rows : wanted > most ? most : wanted;

  // a block for every `rows` observations, at most those that scratch memory has room for
  const int32_t nets = args.actions ? args.nets : 1;
  const bool in_shared = fits_shared(widest, nets);
  unsigned blocks = sac_blocks(static_cast<size_t>(args.n), rows);
  if (!in_shared && blocks > scratch_blocks) blocks = scratch_blocks;

  // grid: (blocks, P)
  const dim3 grid(blocks, static_cast<unsigned>(args.population)), block(SAC_WARP * static_cast<unsigned>(warps));
  const size_t shared = in_shared ? floats_of(widest, nets) * sizeof(float) : 0;
  if (args.actions) SAC_LAUNCH(actor_act_rows_discrete, grid, block, shared, stream, args, widest, in_shared);
  else SAC_LAUNCH(actor_act_rows, grid, block, shared, stream, args, widest, in_shared);
}

}  // namespace

size_t sac_actor_act_scratch(int32_t widest, int32_t nets) {
  const int32_t padded = sac_act_padded(widest);
  return fits_shared(padded, nets) ? 0 : scratch_blocks * floats_of(padded, nets);
}

cudaError_t sac_actor_act(cudaStream_t stream, const sac_actor_act_args* args) {
  if (args->mode == SAC_DEVICE_ACT_UNIFORM) {
    // uniform actions do not use the network
    const size_t actions = args->actions ? 1 : static_cast<size_t>(args->size[args->layers]) / 2;
    const size_t count = static_cast<size_t>(args->n) * actions;
    SAC_LAUNCH(actor_act_uniform, dim3(sac_blocks(count, uniform_threads), static_cast<unsigned>(args->population)),
               dim3(uniform_threads), 0, stream, *args);
  } else if (!sac_actor_act_one(stream, args)) {
    // too many observations, or too wide a network, for actor_act_one
    launch_rows(stream, *args);
  }
  return cudaGetLastError();
}

cudaError_t sac_actor_snapshot(cudaStream_t stream, const sac_actor_snapshot_args* args) {
  SAC_LAUNCH(actor_snapshot, dim3(sac_blocks(args->floats / 4, snapshot_threads)), dim3(snapshot_threads), 0, stream,
             *args);
  return cudaGetLastError();
}
