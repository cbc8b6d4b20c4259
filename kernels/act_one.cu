// act, one observation a cluster of blocks: an action is waited for, so latency counts.
//
// Each block of a cluster has its own part of every hidden layer, and of the head's columns. It copies the weights of
// its part to shared memory while the observation is on its way from the host; writes the units that it makes into the
// shared memory of all blocks (distributed shared memory), and what they add to the head into the first block's, which
// adds these parts in their order and gives the action. A device without clusters has a cluster of one block.
#include "kernels/act.cuh"

namespace {

constexpr int warps_max = 16;
constexpr int warps_shared = 8;      // where blocks share an observation: they find room beside an update under way
constexpr int each = 4;              // neurons that a warp has at a time
constexpr int units_least = 32;      // of the last hidden layer that are worth a block of their own
constexpr int32_t cluster_max = 8;   // blocks: what every device with clusters takes
constexpr size_t rows_most = 256;    // observations of all agents: more have no block each
constexpr size_t blocks_most = 128;  // of all observations: about one a multiprocessor
constexpr size_t shared_most = size_t{112} << 10;  // of a block: two find room in a multiprocessor

// A layer as blocks share it: `share` of its outputs each, the last of them fewer or none. The head is shared by its
// columns, so by its inputs.
struct one_layer {
  int32_t weight, bias;  // offsets within an actor
  int32_t in, out, share;
};

// What the kernel needs, close together: it is read before anything else.
struct one_args {
  const float *weights, *obs, *noise;
  float *action, *log_prob;
  sac_device_state* state;
  const uint32_t* alive;
  size_t weights_stride, alive_stride;
  int32_t n, blocks, hidden, widest, chunks;
  int32_t sample;  // 0: the mean
  float log_std_min, log_std_max;
  one_layer layer[SAC_ACT_LAYERS_MAX];  // the hidden ones, then the head
};

// Outputs (of the head: columns) [from, from + count) that a block has.
struct part {
  int from, count;
};
__device__ part part_of(const one_layer& layer, int whole, int rank) {
  const int from = rank * layer.share, left = whole - from;
  return {from, left < 0 ? 0 : left < layer.share ? left : layer.share};
}

// `count` floats, 16-byte aligned and a multiple of 4, arrive at `to` before copies are waited for; what follows them.
__device__ float* stage(float* to, const float* from, int count) {
  for (int i = 4 * static_cast<int>(threadIdx.x); i < count; i += 4 * static_cast<int>(blockDim.x))
    sac_copy_async(to + i, from + i);
  return to + count;
}

// The weights of a block's parts, layer after layer, begin their way to `to`; where the head's columns will be, each
// output's side by side.
__device__ const float* stage_all(const one_args& a, const float* weights, int rank, const part& columns, float* to) {
  for (int l = 0; l < a.hidden; ++l) {
    const one_layer layer = a.layer[l];
    const part mine = part_of(layer, layer.out, rank);
    to = stage(to, weights + layer.weight + mine.from * layer.in, mine.count * layer.in);
    to = stage(to, weights + layer.bias + mine.from, mine.count);
  }
  const one_layer head = a.layer[a.hidden];
  const int lane = static_cast<int>(threadIdx.x) % SAC_WARP, warp = static_cast<int>(threadIdx.x) / SAC_WARP;
  for (int o = warp; o < head.out; o += static_cast<int>(blockDim.x) / SAC_WARP)
    for (int c = 4 * lane; c < columns.count; c += 4 * SAC_WARP)
      sac_copy_async(to + o * columns.count + c, weights + head.weight + o * head.in + columns.from + c);
  sac_copy_commit();
  return to;
}

// What a block's columns add to the head's outputs, chunk by chunk, to the first block: a warp an output.
__device__ void add_to_head(const float* weight, int stride, const part& columns, int outputs, const float* x,
                            float* parts) {
  const int lane = static_cast<int>(threadIdx.x) % SAC_WARP, warp = static_cast<int>(threadIdx.x) / SAC_WARP;
  for (int o = warp; o < outputs; o += static_cast<int>(blockDim.x) / SAC_WARP)
    for (int c = lane; c - lane < columns.count; c += 2 * sac_act_chunk) {
      const bool mine = c < columns.count;
      const float sum = sac_act_chunk_sum(mine ? weight[o * stride + c] * x[columns.from + c] : 0.0f);
      if (mine && lane % sac_act_chunk == 0)
        sac_cluster_put(parts + (columns.from + c) / sac_act_chunk * outputs + o, 0, sum);
    }
}

// The head's outputs from the parts of all blocks, in their order, and the bias that stands behind them: a thread an
// output.
__device__ void add_parts(const float* parts, int chunks, int outputs, float* y) {
  for (int o = static_cast<int>(threadIdx.x); o < outputs; o += static_cast<int>(blockDim.x)) {
    float sum = 0;
#pragma unroll 8
    for (int c = 0; c < chunks; ++c) sum += parts[c * outputs + o];
    y[o] = sum + parts[chunks * outputs + o];
  }
}

// Grid: (n times blocks of a cluster, P). staged: weights are copied to shared memory.
template <bool staged>
__global__ void __launch_bounds__(warps_max* SAC_WARP, 1) actor_act_one(one_args a) {
  SAC_DYNAMIC_SHARED(float, x);
  const int thread = static_cast<int>(threadIdx.x), lane = thread % SAC_WARP, warp = thread / SAC_WARP;
  const int warps = static_cast<int>(blockDim.x) / SAC_WARP, rank = a.blocks > 1 ? sac_cluster_rank() : 0;
  const size_t p = blockIdx.y, which = blockIdx.x / static_cast<unsigned>(a.blocks);
  const size_t row = p * static_cast<size_t>(a.n) + which;
  const one_layer head = a.layer[a.hidden];
  const int inputs = a.layer[0].in, outputs = head.out, actions = outputs / 2;
  const float *obs = a.obs + row * static_cast<size_t>(inputs), *weights = a.weights + p * a.weights_stride;
  float* y = x + a.widest;
  float* eps_of = y + a.widest;
  float* parts = eps_of + SAC_WARP;
  float* copies = parts + ((a.chunks + 1) * outputs + 3) / 4 * 4;

  // The observation is asked for before anything else: the host's memory is far away.
  const float early = thread < inputs ? obs[thread] : 0.0f;
  sac_cluster_begin();  // other blocks may write here from the first wait on: all blocks are there by then

  // The weights begin their way to shared memory.
  const part columns = part_of(head, head.in, rank);
  const float* head_weight =
      staged ? stage_all(a, weights, rank, columns, copies) : weights + head.weight + columns.from;

  // What the first block needs in the end is loaded now: nothing has to be waited for then.
  uint64_t seed = 0, position = 0;
  bool alive = false;
  if (rank == 0) {
    seed = a.state[p].seed, position = a.state[p].act + which, alive = a.alive[p * a.alive_stride] != 0;
    for (int o = thread; o < outputs; o += static_cast<int>(blockDim.x))
      parts[a.chunks * outputs + o] = weights[head.bias + o];
  }

  // What needs no weights: the noise, by the last warp, and the observation to shared memory.
  if (rank == 0 && warp == warps - 1 && a.sample && !a.noise && lane < actions)
    eps_of[lane] = sac_act_noise(seed, position, actions, lane);
  if (thread < inputs) x[thread] = early;
  for (int i = thread + static_cast<int>(blockDim.x); i < inputs; i += static_cast<int>(blockDim.x)) x[i] = obs[i];
  if (staged) sac_copy_wait<0>();
  __syncthreads();
  sac_cluster_wait();

  // The hidden layers: all blocks need the units below the last one, and a block its own units of the last.
  for (int l = 0; l < a.hidden; ++l) {
    const one_layer layer = a.layer[l];
    const part mine = part_of(layer, layer.out, rank);
    const bool for_all = l + 1 < a.hidden;
    sac_act_part rows = {weights + layer.weight + mine.from * layer.in, weights + layer.bias + mine.from, layer.in,
                         mine.count};
    if (staged) {
      rows.weight = copies, rows.bias = copies + mine.count * layer.in;
      copies += mine.count * (layer.in + 1);
    }
    sac_act_layer<1, each>(rows, x, a.widest, [&](int n, int, float unit) {
      const int lanes = SAC_WARP / each, first = lane % lanes;
      if (!for_all && first == 0) y[mine.from + n] = unit;
      for (int block = first; for_all && block < a.blocks; block += lanes)
        sac_cluster_put(y + mine.from + n, block, unit);
    });
    if (for_all) sac_cluster_arrive(), sac_cluster_wait();
    else __syncthreads();
    float* other = x;
    x = y;
    y = other;
  }

  // The head.
  add_to_head(head_weight, staged ? columns.count : head.in, columns, outputs, x, parts);
  sac_cluster_arrive();
  if (rank > 0) return;
  sac_cluster_wait();

  // The first block ends it. A stopped agent acts with zeros: something an environment takes.
  add_parts(parts, a.chunks, outputs, y);
  __syncthreads();
  if (warp > 0) return;
  if (alive) sac_act_give(a, a.sample, seed, position, row, y, actions, eps_of);
  for (int i = lane; !alive && i < actions; i += SAC_WARP)
    a.action[row * static_cast<size_t>(actions) + static_cast<size_t>(i)] = 0;
  if (lane == 0 && !alive && a.sample && a.log_prob) a.log_prob[row] = 0;
  if (lane == 0 && alive && a.sample && !a.noise)
    sac_act_count(&a.state[p], static_cast<unsigned>(a.n), position - which, a.n);
}

// Units of a layer that each of `blocks` has: whole chunks.
int32_t share_of(int32_t units, int32_t blocks) {
  const int32_t whole = blocks * sac_act_chunk;
  return (units + whole - 1) / whole * sac_act_chunk;
}

// Bytes of the weights that a block copies; 0: it cannot, as not all of them are multiples of 16 bytes.
size_t staged_bytes(const sac_actor_act_args& args, const one_args& a) {
  const one_layer& head = a.layer[a.hidden];
  bool aligned = reinterpret_cast<uintptr_t>(args.weights) % 16 == 0 && args.weights_stride % 4 == 0;
  size_t floats = static_cast<size_t>(head.share) * static_cast<size_t>(head.out);
  for (int32_t l = 0; l <= a.hidden; ++l) {
    const one_layer& layer = a.layer[l];
    aligned = aligned && layer.weight % 4 == 0 && layer.bias % 4 == 0 && (l == 0 || layer.in % 4 == 0);
    if (l < a.hidden) floats += static_cast<size_t>(layer.share) * (static_cast<size_t>(layer.in) + 1);
  }
  return aligned && a.hidden > 0 ? floats * sizeof(float) : 0;
}

}  // namespace

cudaError_t sac_actor_act_prepare(int32_t* blocks, size_t* shared) {
  cudaFuncAttributes attributes;
  int device = 0, has = 0, most = 0;
  cudaError_t error = cudaGetDevice(&device);
  if (error == cudaSuccess) error = cudaDeviceGetAttribute(&has, cudaDevAttrClusterLaunch, device);
  if (error == cudaSuccess) error = cudaDeviceGetAttribute(&most, cudaDevAttrMaxSharedMemoryPerBlockOptin, device);
  if (error == cudaSuccess) error = cudaFuncGetAttributes(&attributes, actor_act_one<true>);
  if (error != cudaSuccess) return error;
  *blocks = has && attributes.ptxVersion >= 90 ? cluster_max : 1;  // the code may be of an older architecture
  *shared = static_cast<size_t>(most) < shared_most ? static_cast<size_t>(most) : shared_most;
  const int bytes = static_cast<int>(*shared);
  error = cudaFuncSetAttribute(actor_act_one<true>, cudaFuncAttributeMaxDynamicSharedMemorySize, bytes);
  if (error != cudaSuccess) return error;
  return cudaFuncSetAttribute(actor_act_one<false>, cudaFuncAttributeMaxDynamicSharedMemorySize, bytes);
}

bool sac_actor_act_one(cudaStream_t stream, const sac_actor_act_args* args) {
  const int32_t below = args->size[args->layers - 1];
  const size_t rows = static_cast<size_t>(args->n) * static_cast<size_t>(args->population);
  if (rows > rows_most) return false;
  one_args a = {};
  a.weights = args->weights, a.weights_stride = args->weights_stride;
  a.obs = args->obs, a.noise = args->noise, a.action = args->action, a.log_prob = args->log_prob;
  a.state = args->state, a.alive = args->alive, a.alive_stride = args->alive_stride;
  a.n = args->n, a.sample = args->mode == SAC_DEVICE_ACT_SAMPLE;
  a.log_std_min = args->log_std_min, a.log_std_max = args->log_std_max;

  // Blocks that share an observation: as many as have work enough, and find a multiprocessor each.
  for (a.blocks = args->blocks > 1 ? args->blocks : 1; a.blocks > 1; a.blocks /= 2)
    if (rows * static_cast<size_t>(a.blocks) <= blocks_most && below / a.blocks >= units_least) break;
  a.hidden = args->layers - 1;
  a.chunks = (below + sac_act_chunk - 1) / sac_act_chunk;
  for (int32_t l = 0; l < args->layers; ++l) {
    const int32_t in = args->size[l], out = args->size[l + 1];
    a.layer[l] = {static_cast<int32_t>(args->weight[l]), static_cast<int32_t>(args->bias[l]), in, out,
                  share_of(l == a.hidden ? in : out, a.blocks)};
  }
  a.widest = sac_act_widest(args);

  // A warp for every few units that a block makes.
  int32_t units = a.layer[a.hidden].out;
  for (int32_t l = 0; l < a.hidden; ++l) {
    const int32_t mine = a.layer[l].share < a.layer[l].out ? a.layer[l].share : a.layer[l].out;
    units = mine > units ? mine : units;
  }
  const int32_t wanted = (units + each - 1) / each, most = a.blocks > 1 ? warps_shared : warps_max;
  const unsigned threads = SAC_WARP * static_cast<unsigned>(wanted < 2 ? 2 : wanted > most ? most : wanted);

  // Shared memory: two buffers of activations, the noise, the head's parts and bias, and the weights where they fit.
  const size_t parts = static_cast<size_t>(a.chunks + 1) * static_cast<size_t>(a.layer[a.hidden].out);
  const size_t bytes = (2 * static_cast<size_t>(a.widest) + SAC_WARP + (parts + 3) / 4 * 4) * sizeof(float);
  const size_t weights = staged_bytes(*args, a);
  if (bytes > args->shared || args->weights_stride > INT32_MAX) return false;
  const dim3 grid(static_cast<unsigned>(a.n * a.blocks), static_cast<unsigned>(args->population));
  const unsigned cluster = static_cast<unsigned>(a.blocks);
  if (weights > 0 && bytes + weights <= args->shared)
    SAC_LAUNCH_CLUSTER(actor_act_one<true>, cluster, grid, dim3(threads), bytes + weights, stream, a);
  else SAC_LAUNCH_CLUSTER(actor_act_one<false>, cluster, grid, dim3(threads), bytes, stream, a);
  return true;
}
