// act: observations to actions in one launch, whole networks.
//
// An action is waited for, so latency counts. Where there are few observations, several blocks share one: each makes
// the layers below the last hidden one by itself, its own part of the last hidden layer, and what that part adds to the
// head; the last of them to finish adds the parts in their order. So nobody waits for another block, and the weights
// come through several multiprocessors. Where its weights fit, a block copies them to shared memory while the
// observation is on its way. Where there are many observations, a block takes several and does all of the network.
//
// An action's bits depend on its observation and the network alone: not on the number of blocks, observations or
// agents.
#include "kernels/cuda.cuh"
#include "kernels/kernels.h"
#include "kernels/layers.h"
#include "kernels/random.h"
#include "kernels/squash.h"

namespace {

// A block's threads: few where it has one observation, so that it finds room beside an update under way.
template <int rows>
constexpr int threads_max = rows == 1 ? 256 : 512;
constexpr int rows_max = 4;                  // observations a block has at a time, where there are many
constexpr size_t few = SAC_ACT_ANSWERS_MAX;  // observations of all agents: each then has blocks of its own
constexpr size_t blocks_wanted = 128;        // of few observations together: about one a multiprocessor
static_assert(SAC_ACT_SPLIT_ROWS * 2 >= blocks_wanted, "each observation that two blocks share has a ticket and parts");
constexpr size_t shared_max = size_t{48} << 10;  // what a block has without asking
constexpr unsigned scratch_blocks = 16;          // an agent, where activations lie in scratch
constexpr int sums = 8;                          // neurons times observations that a warp has at a time
constexpr int chunk = 16;  // units of the last hidden layer whose part of the head is summed alone

// How a launch is cut.
struct act_plan {
  int widest;     // floats between two rows of activations: a multiple of 4
  int splits;     // blocks that share an observation
  int chunks;     // of the last hidden layer (of the observation, where there is none) ...
  int share;      // ... of which a block has this many
  int staged;     // 1: a block copies its weights to shared memory
  int in_shared;  // 1: activations lie in shared memory; 0: in scratch
};

// One layer as a block sees it: where its rows [from, to) of weights are.
struct act_layer {
  const float *weight, *bias;  // of row `from`
  int in, from, to;
};

// Sums over the warp of `sums` numbers a lane, in the order of sac_warp_sum: each step halves the lanes that a number
// is in, and a lane gives half of its numbers away. Lane l gets sum l / (SAC_WARP / sums).
__device__ float warp_sums(float (&x)[sums], int lane) {
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
  for (; distance > 0; distance /= 2) sum += __shfl_xor_sync(SAC_WHOLE_WARP, sum, distance);
  return sum;
}

// `width` neighbours, of which 4 are one load where they may be.
template <int width>
__device__ void load(float (&to)[width], const float* from, bool aligned) {
  if (width == 4 && aligned) {
    const float4 x = *reinterpret_cast<const float4*>(from);
    to[0] = x.x, to[1 % width] = x.y, to[2 % width] = x.z, to[3 % width] = x.w;
    return;
  }
#pragma unroll
  for (int i = 0; i < width; ++i) to[i] = from[i];
}

// The neurons of a layer for the block's observations: a warp takes a few at a time, its lanes over the inputs, `width`
// neighbours a lane. x and y are (rows, widest).
template <int rows, int width>
__device__ void layer_of(const act_layer& layer, const float* x, float* y, int widest, bool relu) {
  constexpr int each = sums / rows;
  const int lane = static_cast<int>(threadIdx.x) % SAC_WARP, warp = static_cast<int>(threadIdx.x) / SAC_WARP;
  const int warps = static_cast<int>(blockDim.x) / SAC_WARP, count = layer.to - layer.from;
  const float* __restrict__ weight = layer.weight;
  const bool aligned = reinterpret_cast<uintptr_t>(weight) % (4 * sizeof(float)) == 0;
  for (int first = warp * each; first < count; first += warps * each) {
    int row[each];  // where each neuron's weights begin
#pragma unroll
    for (int j = 0; j < each; ++j)  // past the last: a sum that nobody keeps
      row[j] = (first + j < count ? first + j : count - 1) * layer.in;
    float sum[sums] = {};
#pragma unroll 1
    for (int k = width * lane; k < layer.in; k += width * SAC_WARP) {
      float w[each][width], xs[rows][width];
#pragma unroll
      for (int j = 0; j < each; ++j) load<width>(w[j], weight + row[j] + k, aligned);
#pragma unroll
      for (int r = 0; r < rows; ++r) load<width>(xs[r], x + r * widest + k, true);
#pragma unroll
      for (int j = 0; j < each; ++j)
#pragma unroll
        for (int r = 0; r < rows; ++r)
#pragma unroll
          for (int i = 0; i < width; ++i) sum[j * rows + r] = fmaf(w[j][i], xs[r][i], sum[j * rows + r]);
    }
    const float whole = warp_sums(sum, lane);
    const int which = lane / (SAC_WARP / sums), n = first + which / rows, r = which % rows;
    if (lane % (SAC_WARP / sums) != 0 || n >= count) continue;
    const float out = whole + layer.bias[n];
    y[r * widest + layer.from + n] = relu ? sac_relu(out) : out;
  }
}

template <int rows>
__device__ void make_layer(const act_layer& layer, const float* x, float* y, int widest) {
  if (layer.in % 4 == 0) layer_of<rows, 4>(layer, x, y, widest, true);
  else layer_of<rows, 1>(layer, x, y, widest, true);
}

// --- the head: a chunk's part by half a warp, the parts in their order ----------------------------------------------

// The head's columns that a block has: row o's are at weight + o * stride, from column `from` on.
struct act_head {
  const float *weight, *bias;  // bias of all outputs
  size_t stride;
  int outputs, from, to;
};

// A warp makes output o of one observation: two chunks at a time. Without `parts` it is the whole; otherwise each
// chunk's part goes to parts[chunk * outputs + o].
__device__ float head_output(const act_head& head, const float* x, int o, int lane, float* parts) {
  const float* weight = head.weight + static_cast<size_t>(o) * head.stride;
  float sum = 0;
#pragma unroll 4
  for (int first = head.from; first < head.to; first += 2 * chunk) {
    const int column = first + lane;
    float part = column < head.to ? weight[column - head.from] * x[column] : 0.0f;
#pragma unroll
    for (int distance = chunk / 2; distance > 0; distance /= 2) part += __shfl_xor_sync(SAC_WHOLE_WARP, part, distance);
    if (parts) {
      if (lane % chunk == 0 && column < head.to) parts[column / chunk * head.outputs + o] = part;
      continue;
    }
    sum += __shfl_sync(SAC_WHOLE_WARP, part, 0);
    const float upper = __shfl_sync(SAC_WHOLE_WARP, part, chunk);
    if (first + chunk < head.to) sum += upper;
  }
  return sum;
}

// --- copies to shared memory ----------------------------------------------------------------------------------------

__device__ size_t padded(size_t floats) { return (floats + 3) / 4 * 4; }

// `count` floats, 16-byte aligned at both ends, arrive at `to` before copies are waited for; what follows them.
__device__ float* stage(float* to, const float* from, size_t count) {
  for (size_t i = threadIdx.x; i < count / 4; i += blockDim.x) sac_copy_async(to + 4 * i, from + 4 * i);
  const size_t rest = count / 4 * 4 + threadIdx.x;
  if (rest < count) to[rest] = from[rest];
  return to + padded(count);
}

// The head's columns that a block has, side by side: copied, or where they are.
__device__ float* stage_head(float* to, const act_head& head) {
  const size_t quads = static_cast<size_t>(head.to - head.from) / 4, outputs = static_cast<size_t>(head.outputs);
  for (size_t i = threadIdx.x; i < outputs * quads; i += blockDim.x)
    sac_copy_async(to + 4 * i, head.weight + i / quads * head.stride + 4 * (i % quads));
  return to + 4 * outputs * quads;
}

// --- one observation, or a few -------------------------------------------------------------------------------------

// Layer l of an agent's network, as far as the block makes it: the last hidden one from `begin` to `end`.
__device__ act_layer layer_at(const sac_actor_act_args& a, const float* weights, int l, int begin, int end) {
  const bool shared_out = l == a.layers - 2;
  const int from = shared_out ? begin : 0, to = shared_out ? end : a.size[l + 1];
  return {weights + a.weight[l] + static_cast<size_t>(from) * static_cast<size_t>(a.size[l]),
          weights + a.bias[l] + from, a.size[l], from, to};
}

// The columns of the head that are block `split`'s: units of the layer below it.
__device__ void columns_of(const sac_actor_act_args& a, const act_plan& plan, int split, int* from, int* to) {
  const int width = a.size[a.layers - 1];
  *from = split * plan.share * chunk;
  *to = *from + plan.share * chunk < width ? *from + plan.share * chunk : width;
}

// The noise of one action component.
__device__ float noise_of(const sac_actor_act_args& a, uint64_t seed, uint64_t position, size_t at, size_t i) {
  const size_t actions = static_cast<size_t>(a.size[a.layers]) / 2;
  if (a.noise) return a.noise[at * actions + i];
  float z[SAC_NORMALS_PER_BLOCK];
  sac_normals(sac_philox(seed, SAC_STREAM_ACT,
                         sac_draw_block(position, actions, SAC_NORMALS_PER_BLOCK) + i / SAC_NORMALS_PER_BLOCK),
              z);
  const size_t which = i % SAC_NORMALS_PER_BLOCK;
  return which == 0 ? z[0] : which == 1 ? z[1] : which == 2 ? z[2] : z[3];
}

// The action of one row from its head, by one warp. eps: the noise of the first 32 components, made before.
__device__ void squash_row(const sac_actor_act_args& a, uint64_t seed, uint64_t position, size_t at, const float* head,
                           size_t lane, float eps) {
  const size_t actions = static_cast<size_t>(a.size[a.layers]) / 2;
  float log_prob = 0;
  for (size_t i = lane; i < actions; i += SAC_WARP) {
    if (a.mode == SAC_DEVICE_ACT_MEAN) {
      a.action[at * actions + i] = sac_squash_mean(head[i]);
      continue;
    }
    if (i >= SAC_WARP) eps = noise_of(a, seed, position, at, i);
    const sac_squash_out out = sac_squash(head[i], head[actions + i], eps, a.log_std_min, a.log_std_max);
    a.action[at * actions + i] = out.action;
    log_prob += out.log_prob;
  }
  if (!a.log_prob || a.mode == SAC_DEVICE_ACT_MEAN) return;
  log_prob = sac_warp_sum(log_prob);
  if (lane == 0) a.log_prob[at] = log_prob;
}

// The parts of the head that the blocks of an observation have left, in their order, and the bias: a thread an output.
__device__ void join_parts(const float* parts, int chunks, const act_head& head, float* y) {
  for (int o = static_cast<int>(threadIdx.x); o < head.outputs; o += static_cast<int>(blockDim.x)) {
    const volatile float* part = parts + o;  // other blocks have written it
    float sum = 0;
#pragma unroll 8
    for (int c = 0; c < chunks; ++c) sum += part[c * head.outputs];
    y[o] = sum + head.bias[o];
  }
}

// True in every thread of the last block of an observation to get here; what the others wrote is then to be seen.
__device__ bool last_of(uint32_t* ticket, int blocks) {
  __shared__ bool last;
  __syncthreads();
  if (threadIdx.x == 0) {
    __threadfence();
    last = atomicAdd(ticket, 1u) == static_cast<uint32_t>(blocks) - 1;
    if (last) *ticket = 0;
    __threadfence();
  }
  __syncthreads();
  return last;
}

// Actions for rows first .. first + count - 1 of agent p; false in blocks whose part others finish. `x` and what
// follows: two buffers of activations and, where they are staged, the weights.
template <int rows>
__device__ bool act_networks(const sac_actor_act_args& a, const act_plan& plan, size_t p, size_t first, size_t count,
                             int split, uint64_t position, float* x) {
  const size_t obs = static_cast<size_t>(a.size[0]), row = p * static_cast<size_t>(a.n) + first;
  const size_t lane = threadIdx.x % SAC_WARP, warp = threadIdx.x / SAC_WARP;
  const int below = a.layers - 2;  // the last hidden layer; -1: the head stands alone
  const float *from = a.obs + row * obs, *weights = a.weights + p * a.weights_stride;
  float *y = x + rows * plan.widest, *staged = y + rows * plan.widest;
  int begin, end;
  columns_of(a, plan, split, &begin, &end);

  // The first numbers of the observation are asked for before anything else: the host's memory is far away.
  const float early = threadIdx.x < count * obs ? from[threadIdx.x] : 0.0f;

  // The weights begin their way to shared memory.
  const size_t width = static_cast<size_t>(a.size[a.layers - 1]);
  act_head head = {
      weights + a.weight[a.layers - 1] + begin, weights + a.bias[a.layers - 1], width, a.size[a.layers], begin, end};
  if (plan.staged) {
    float* to = staged;
    for (int l = 0; l <= below; ++l) {
      const act_layer layer = layer_at(a, weights, l, begin, end);
      const size_t here = static_cast<size_t>(layer.to - layer.from);
      to = stage(to, layer.weight, here * static_cast<size_t>(layer.in));
      to = stage(to, layer.bias, here);
    }
    (void)stage_head(to, head);
    sac_copy_commit();
    head.weight = to, head.stride = static_cast<size_t>(end - begin);
  }

  // What needs no weights: the noise, and the observation to shared memory.
  float eps = 0;
  if (warp < count && a.mode == SAC_DEVICE_ACT_SAMPLE && lane < static_cast<size_t>(a.size[a.layers]) / 2)
    eps = noise_of(a, a.state[p].seed, position + first + warp, row + warp, lane);
  for (size_t i = threadIdx.x; i < rows * obs; i += blockDim.x)
    x[i / obs * static_cast<size_t>(plan.widest) + i % obs] = i >= count * obs   ? 0.0f
                                                              : i == threadIdx.x ? early
                                                                                 : from[i];
  if (plan.staged) sac_copy_wait<0>();
  __syncthreads();

  // The hidden layers.
  for (int l = 0; l <= below; ++l) {
    act_layer layer = layer_at(a, weights, l, begin, end);
    if (plan.staged) {
      const size_t here = static_cast<size_t>(layer.to - layer.from);
      layer.weight = staged, staged += padded(here * static_cast<size_t>(layer.in));
      layer.bias = staged, staged += padded(here);
    }
    make_layer<rows>(layer, x, y, plan.widest);
    __syncthreads();
    float* other = x;
    x = y;
    y = other;
  }

  // The head: a warp an output.
  float* parts =
      plan.splits > 1 ? a.parts + row * static_cast<size_t>(plan.chunks) * static_cast<size_t>(head.outputs) : nullptr;
  for (int pair = static_cast<int>(warp); pair < head.outputs * rows; pair += static_cast<int>(blockDim.x) / SAC_WARP) {
    const int r = pair % rows, o = pair / rows;
    const float sum = head_output(head, x + r * plan.widest, o, static_cast<int>(lane), parts);
    if (!parts && lane == 0) y[r * plan.widest + o] = sum + head.bias[o];
  }
  if (parts) {
    if (!last_of(&a.tickets[row], plan.splits)) return false;
    join_parts(parts, plan.chunks, head, y);
  }
  __syncthreads();
  if (warp < count)
    squash_row(a, a.state[p].seed, position + first + warp, row + warp, y + warp * static_cast<size_t>(plan.widest),
               lane, eps);
  return true;
}

// Uniform actions of the warm-up.
__device__ void act_uniform(const sac_actor_act_args& a, size_t p, size_t first, size_t count, uint64_t position) {
  const size_t actions = static_cast<size_t>(a.size[a.layers]) / 2;
  for (size_t i = threadIdx.x; i < count * actions; i += blockDim.x) {
    const size_t row = first + i / actions, j = i % actions;
    const sac_words words =
        sac_philox(a.state[p].seed, SAC_STREAM_WARMUP,
                   sac_draw_block(position + row, actions, SAC_UNIFORMS_PER_BLOCK) + j / SAC_UNIFORMS_PER_BLOCK);
    const size_t which = j % SAC_UNIFORMS_PER_BLOCK;
    const uint32_t word = which == 0   ? words.word[0]
                          : which == 1 ? words.word[1]
                          : which == 2 ? words.word[2]
                                       : words.word[3];
    a.action[(p * static_cast<size_t>(a.n) + row) * actions + j] = sac_uniform_within(word, 1.0f);
  }
}

// --- the kernel ----------------------------------------------------------------------------------------------------

// One thread of a block that has finished its rows: the last such block of an agent moves its counter on, and then the
// host is told. `blocks` of them finish, each with rows of its own.
__device__ void answer(const sac_actor_act_args& a, size_t p, unsigned block, unsigned blocks, bool counts,
                       uint64_t position) {
  sac_device_state* state = &a.state[p];
  if (counts && blocks == 1) {
    state->act = position + static_cast<uint64_t>(a.n);
  } else if (counts) {  // all others have read the counter when the last comes here
    __threadfence();
    if (atomicAdd(&state->act_ticket, 1u) == blocks - 1) {
      state->act_ticket = 0;
      state->act = position + static_cast<uint64_t>(a.n);
    }
  }
  if (!a.answered) return;
  __threadfence_system();
  *static_cast<volatile uint32_t*>(&a.answered[p * blocks + block]) = 1;
}

// Grid: (blocks of rows times blocks that share one, P). A stopped agent acts with zeros: something an environment
// takes.
template <int rows>
__global__ void __launch_bounds__(threads_max<rows>, rows == 1 ? 2 : 1) actor_act(sac_actor_act_args a, act_plan plan) {
  SAC_DYNAMIC_SHARED(float, shared);
  const size_t p = blockIdx.y, n = static_cast<size_t>(a.n);
  const size_t actions = static_cast<size_t>(a.size[a.layers]) / 2;
  const int split = static_cast<int>(blockIdx.x) % plan.splits;
  const unsigned block = blockIdx.x / static_cast<unsigned>(plan.splits);
  const unsigned blocks = gridDim.x / static_cast<unsigned>(plan.splits);
  const bool alive = a.alive[p * a.alive_stride] != 0;
  const uint64_t position = a.state[p].act;
  float* activations =
      plan.in_shared ? shared
                     : a.scratch + (p * scratch_blocks + blockIdx.x) * 2 * rows_max * static_cast<size_t>(plan.widest);
  if (!alive && split > 0) return;
  for (size_t first = static_cast<size_t>(block) * rows; first < n; first += blocks * size_t{rows}) {
    const size_t count = n - first < rows ? n - first : rows;
    if (!alive) {
      for (size_t i = threadIdx.x; i < count * actions; i += blockDim.x) a.action[(p * n + first) * actions + i] = 0;
    } else if (a.mode == SAC_DEVICE_ACT_UNIFORM) {
      act_uniform(a, p, first, count, position);
    } else if (!act_networks<rows>(a, plan, p, first, count, split, position, activations)) {
      return;
    }
    __syncthreads();
  }
  if (threadIdx.x == 0) answer(a, p, block, blocks, alive && a.mode != SAC_DEVICE_ACT_MEAN && !a.noise, position);
}

constexpr int snapshot_threads = 256;

// A float4 a thread; the first block copies who is alive.
__global__ void __launch_bounds__(snapshot_threads) actor_snapshot(sac_actor_snapshot_args a) {
  const size_t i = static_cast<size_t>(blockIdx.x) * blockDim.x + threadIdx.x;
  if (i < a.floats / 4) reinterpret_cast<float4*>(a.copy)[i] = reinterpret_cast<const float4*>(a.weights)[i];
  if (blockIdx.x > 0) return;
  for (int p = static_cast<int>(threadIdx.x); p < a.population; p += static_cast<int>(blockDim.x))
    a.alive[p] = a.state[p].alive;
}

// --- how a launch is cut -------------------------------------------------------------------------------------------

size_t floats_of(int32_t widest) { return 2 * rows_max * static_cast<size_t>(widest); }
int32_t widest_padded(int32_t widest) { return (widest + 3) / 4 * 4; }
bool fits_shared(int32_t widest) { return floats_of(widest) * sizeof(float) <= shared_max; }

int32_t widest_layer(const sac_actor_act_args* args) {
  int32_t widest = args->size[0];
  for (int32_t l = 1; l <= args->layers; ++l) widest = args->size[l] > widest ? args->size[l] : widest;
  return widest_padded(widest);
}

bool is_few(const sac_actor_act_args* args) {
  return static_cast<size_t>(args->n) * static_cast<size_t>(args->population) <= few;
}

// Bytes of the weights that a block copies; 0: it cannot, as not all of them begin on 16 bytes.
size_t staged_bytes(const sac_actor_act_args* args, int share) {
  size_t floats = 0;
  bool aligned = reinterpret_cast<uintptr_t>(args->weights) % 16 == 0 && args->weights_stride % 4 == 0;
  for (int32_t l = 0; l < args->layers; ++l) {
    const size_t in = static_cast<size_t>(args->size[l]), out = static_cast<size_t>(args->size[l + 1]);
    const size_t columns = static_cast<size_t>(share) * chunk;
    aligned = aligned && args->weight[l] % 4 == 0 && args->bias[l] % 4 == 0 && (l == 0 || in % 4 == 0);
    if (l == args->layers - 1) floats += out * columns;
    else floats += (l == args->layers - 2 && columns < out ? columns : out) * (in + 1) + 8;
  }
  return aligned && args->layers > 1 ? floats * sizeof(float) : 0;
}

act_plan plan_of(const sac_actor_act_args* args) {
  act_plan plan = {};
  const size_t rows = static_cast<size_t>(args->n) * static_cast<size_t>(args->population);
  plan.widest = widest_layer(args);
  plan.in_shared = fits_shared(plan.widest);
  plan.chunks = (args->size[args->layers - 1] + chunk - 1) / chunk;
  plan.splits = 1;
  plan.share = plan.chunks;
  if (!is_few(args) || !plan.in_shared || args->layers < 2 || !args->parts || args->mode == SAC_DEVICE_ACT_UNIFORM)
    return plan;
  const size_t wanted = blocks_wanted / rows;
  plan.share = wanted < 2 ? plan.chunks : (plan.chunks + static_cast<int>(wanted) - 1) / static_cast<int>(wanted);
  plan.splits = (plan.chunks + plan.share - 1) / plan.share;
  const size_t staged = staged_bytes(args, plan.share);
  plan.staged = staged > 0 && 2 * static_cast<size_t>(plan.widest) * sizeof(float) + staged <= shared_max;
  return plan;
}

// A warp for every few neurons of the widest layer, as far as a block goes.
template <int rows>
void launch(cudaStream_t stream, const sac_actor_act_args& args, const act_plan& plan) {
  const int wanted = (plan.widest * rows + sums - 1) / sums, most = threads_max<rows> / SAC_WARP;
  const int warps = wanted < 4 ? 4 : wanted > most ? most : wanted;
  unsigned blocks = sac_blocks(static_cast<size_t>(args.n), rows) * static_cast<unsigned>(plan.splits);
  if (!plan.in_shared && blocks > scratch_blocks) blocks = scratch_blocks;
  const size_t activations = plan.in_shared ? 2 * rows * static_cast<size_t>(plan.widest) * sizeof(float) : 0;
  SAC_LAUNCH(actor_act<rows>, dim3(blocks, static_cast<unsigned>(args.population)),
             dim3(SAC_WARP * static_cast<unsigned>(warps)),
             activations + (plan.staged ? staged_bytes(&args, plan.share) : 0), stream, args, plan);
}

}  // namespace

size_t sac_actor_act_scratch(int32_t widest) {
  return fits_shared(widest_padded(widest)) ? 0 : scratch_blocks * floats_of(widest_padded(widest));
}

size_t sac_actor_act_parts(int32_t below, int32_t outputs) {
  const size_t chunks = (static_cast<size_t>(below) + chunk - 1) / chunk;
  return SAC_ACT_SPLIT_ROWS * chunks * static_cast<size_t>(outputs);
}

int32_t sac_actor_act_answers(const sac_actor_act_args* args) {
  return is_few(args) && fits_shared(widest_layer(args)) ? args->population * args->n : 0;
}

cudaError_t sac_actor_act(cudaStream_t stream, const sac_actor_act_args* args) {
  const act_plan plan = plan_of(args);
  if (is_few(args)) launch<1>(stream, *args, plan);
  else launch<rows_max>(stream, *args, plan);
  return cudaGetLastError();
}

cudaError_t sac_actor_snapshot(cudaStream_t stream, const sac_actor_snapshot_args* args) {
  SAC_LAUNCH(actor_snapshot, dim3(sac_blocks(args->floats / 4, snapshot_threads)), dim3(snapshot_threads), 0, stream,
             *args);
  return cudaGetLastError();
}
