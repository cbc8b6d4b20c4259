// act: a cluster of blocks for each observation. A host waits for the action, so latency counts.
//
// Each block of a cluster computes a part of every hidden layer, and a part of the head's sums, from its own columns of
// the head. It copies the weights of its parts to shared memory while the observation comes from the host. It writes
// its units into the shared memory of all blocks (distributed shared memory), and its sums for the head into that of
// the first block. The first block adds these sums in their order and writes the action. On a device without clusters a
// cluster is one block.
#include "kernels/act.cuh"

namespace {

constexpr int warps_max = 16;        // of a block that is a cluster by itself
constexpr int warps_in_cluster = 8;  // of a block of a larger cluster: such small blocks fit beside those of an update
constexpr int neurons = 4;           // units of a warp at a time
constexpr int units_min = 32;        // units of the last hidden layer that a block has at least
constexpr int32_t cluster_max = 8;   // blocks: every device with clusters supports this size
constexpr size_t rows_max = 256;     // observations of all agents; more of them go to actor_act_rows
constexpr size_t blocks_max = 128;   // blocks of all observations: about one a multiprocessor
constexpr size_t shared_max = size_t{112} << 10;  // bytes of a block: a multiprocessor holds two such blocks

// A layer and its division among blocks. A block has `share` outputs of a hidden layer; of the head it has `share`
// inputs (columns). The last blocks may have fewer, or none.
struct one_layer {
  int32_t weight, bias;  // offsets within an actor
  int32_t in, out, share;
};

// The kernel's arguments: what every block reads at its start, in few cache lines.
struct one_args {
  const float *weights, *obs, *noise;
  float *action, *log_prob;
  sac_device_state* state;
  const uint32_t* alive;
  size_t weights_stride, alive_stride;

  // n: observations of an agent; blocks: of a cluster; hidden: number of hidden layers; widest: floats of a buffer of
  // activations; chunks: of the last hidden layer.
  int32_t n, blocks, hidden, widest, chunks;
  int32_t sample;  // 0: the mean, or the most probable action
  float log_std_min, log_std_max;
  const float* log_alpha;  // as in sac_actor_act_args
  size_t log_alpha_stride;
  one_layer layer[SAC_ACT_LAYERS_MAX];  // the hidden ones, then the head
};

// A block's outputs of a layer (of the head: its columns): from .. from + count - 1.
struct part {
  int from, count;
};
__device__ part part_of(const one_layer& layer, int whole, int rank) {
  const int from = rank * layer.share, left = whole - from;
  return {from, left < 0 ? 0 : left < layer.share ? left : layer.share};
}

// Starts to copy `count` floats to shared memory (16-byte aligned, a multiple of 4). Returns the place behind them.
__device__ float* stage(float* to, const float* from, int count) {
  for (int i = 4 * static_cast<int>(threadIdx.x); i < count; i += 4 * static_cast<int>(blockDim.x))
    sac_copy_async(to + i, from + i);
  return to + count;
}

// Starts to copy the weights of a block's parts to shared memory, layer after layer, then its columns of the head,
// (outputs, columns). Returns where the head's columns will be.
__device__ const float* stage_all(const one_args& a, const float* weights, int rank, const part& columns, float* to) {
  // the hidden layers: the weights of the block's outputs, then their biases
  for (int l = 0; l < a.hidden; l++) {
    const one_layer layer = a.layer[l];
    const part mine = part_of(layer, layer.out, rank);
    to = stage(to, weights + layer.weight + mine.from * layer.in, mine.count * layer.in);
    to = stage(to, weights + layer.bias + mine.from, mine.count);
  }

  // The head: the block's columns of each output. A warp copies one output at a time.
  const one_layer head = a.layer[a.hidden];
  const int lane = static_cast<int>(threadIdx.x) % SAC_WARP, warp = static_cast<int>(threadIdx.x) / SAC_WARP;
  for (int o = warp; o < head.out; o += static_cast<int>(blockDim.x) / SAC_WARP)
    for (int c = 4 * lane; c < columns.count; c += 4 * SAC_WARP)
      sac_copy_async(to + o * columns.count + c, weights + head.weight + o * head.in + columns.from + c);

  // all copies form one group, so one wait is for all of them
  sac_copy_commit();
  return to;
}

// Computes the hidden layers. Every block needs all units of the layers below the last one, and only its own units of
// the last one. At the end x points to the last layer's units and y to the other buffer.
template <bool staged>
__device__ void hidden_layers(const one_args& a, int rank, const float* weights, const float* copies, float*& x,
                              float*& y) {
  const int lane = static_cast<int>(threadIdx.x) % SAC_WARP;
  for (int l = 0; l < a.hidden; l++) {
    // the weights of the block's part, in global memory or in the copy
    const one_layer layer = a.layer[l];
    const part mine = part_of(layer, layer.out, rank);
    const bool for_all = l + 1 < a.hidden;
    sac_act_part rows = {weights + layer.weight + mine.from * layer.in, weights + layer.bias + mine.from, layer.in,
                         mine.count};
    if (staged) {
      rows.weight = copies, rows.bias = copies + mine.count * layer.in;
      copies += mine.count * (layer.in + 1);
    }

    // the units, to this block or to all of them: the lanes that hold a unit share the blocks
    sac_act_layer<1, neurons>(rows, x, a.widest, [&](int n, int, float unit) {
      const int lanes = SAC_WARP / neurons, first = lane % lanes;
      if (!for_all && first == 0) y[mine.from + n] = unit;
      for (int block = first; for_all && block < a.blocks; block += lanes)
        sac_cluster_put(y + mine.from + n, block, unit);
    });

    // wait until all units of the layer are written: by the cluster, or by this block alone
    if (for_all) sac_cluster_arrive(), sac_cluster_wait();
    else __syncthreads();

    // the outputs are the inputs of the next layer
    float* other = x;
    x = y;
    y = other;
  }
}

// Sends the sums of a block's columns, chunk by chunk, to the first block: one warp for each output of
// the head.
__device__ void send_sums(const float* weight, int stride, const part& columns, int outputs, const float* x,
                          float* sums) {
  const int lane = static_cast<int>(threadIdx.x) % SAC_WARP, warp = static_cast<int>(threadIdx.x) / SAC_WARP;
  for (int o = warp; o < outputs; o += static_cast<int>(blockDim.x) / SAC_WARP)
    // two chunks at a time: one in each half of the warp
    for (int c = lane; c - lane < columns.count; c += 2 * sac_act_chunk) {
      const bool mine = c < columns.count;
      const float sum = sac_act_chunk_sum(mine ? weight[o * stride + c] * x[columns.from + c] : 0.0f);

      // one lane of each half sends the sum of its chunk
      if (mine && lane % sac_act_chunk == 0)
        sac_cluster_put(sums + (columns.from + c) / sac_act_chunk * outputs + o, 0, sum);
    }
}

// Adds the sums of all blocks, in the order of their chunks, and the head's bias, which follows them: one thread
// for each output.
__device__ void add_sums(const float* sums, int chunks, int outputs, float* y) {
  for (int o = static_cast<int>(threadIdx.x); o < outputs; o += static_cast<int>(blockDim.x)) {
    float sum = 0;
#pragma unroll 8
    for (int c = 0; c < chunks; c++) sum += sums[c * outputs + o];
    y[o] = sum + sums[chunks * outputs + o];
  }
}

// Long, as one pass through the layers: its paragraphs share the buffers and barriers.
// Grid: (n times blocks of a cluster, P). staged: weights are copied to shared memory. discrete: the head's outputs are
// values of discrete actions.
template <bool staged, bool discrete>
__device__ void act_one(const one_args& a) {
  SAC_DYNAMIC_SHARED(float, x);

  // the block's number in its cluster, and the observation of the cluster
  const int thread = static_cast<int>(threadIdx.x), lane = thread % SAC_WARP, warp = thread / SAC_WARP;
  const int warps = static_cast<int>(blockDim.x) / SAC_WARP, rank = a.blocks > 1 ? sac_cluster_rank() : 0;
  const size_t p = blockIdx.y, which = blockIdx.x / static_cast<unsigned>(a.blocks);
  const size_t row = p * static_cast<size_t>(a.n) + which;

  // the sizes of the network, and where the observation and the weights are
  const one_layer head = a.layer[a.hidden];
  const int inputs = a.layer[0].in, outputs = head.out, actions = discrete ? 1 : outputs / 2;
  const float *obs = a.obs + row * static_cast<size_t>(inputs), *weights = a.weights + p * a.weights_stride;

  // the parts of the shared memory, behind the first buffer x
  float* y = x + a.widest;
  float* drawn = y + a.widest;
  float* sums = drawn + SAC_WARP;
  float* copies = sums + ((a.chunks + 1) * outputs + 3) / 4 * 4;

  // load the observation first: host memory has the longest latency
  const float early = thread < inputs ? obs[thread] : 0.0f;
  sac_cluster_begin();  // other blocks may write here after the first wait, when all blocks have begun

  // start to copy the weights
  const part columns = part_of(head, head.in, rank);
  const float* head_weight =
      staged ? stage_all(a, weights, rank, columns, copies) : weights + head.weight + columns.from;

  // in the first block, load now what is needed at the end
  uint64_t seed = 0, position = 0;
  bool alive = false;
  float scale = 1;
  if (rank == 0) {
    if (discrete) scale = sac_act_scale(a, p);
    seed = a.state[p].seed, position = a.state[p].act + which, alive = a.alive[p * a.alive_stride] != 0;
    for (int o = thread; o < outputs; o += static_cast<int>(blockDim.x))
      sums[a.chunks * outputs + o] = weights[head.bias + o];
  }

  // draw the noise in the last warp, while the copies and the observation are under way
  if (rank == 0 && warp == warps - 1 && a.sample && !a.noise && lane < actions)
    drawn[lane] = discrete ? sac_act_uniform(seed, position) : sac_act_noise(seed, position, actions, lane);

  // the observation, into shared memory
  if (thread < inputs) x[thread] = early;
  for (int i = thread + static_cast<int>(blockDim.x); i < inputs; i += static_cast<int>(blockDim.x)) x[i] = obs[i];

  // wait for the copies and for the threads of this block; then until all blocks have begun
  if (staged) sac_copy_wait<0>();
  __syncthreads();
  sac_cluster_wait();

  // the hidden layers
  hidden_layers<staged>(a, rank, weights, copies, x, y);

  // the sums of the head go to the first block, which alone continues
  send_sums(head_weight, staged ? columns.count : head.in, columns, outputs, x, sums);
  sac_cluster_arrive();
  if (rank > 0) return;
  sac_cluster_wait();

  // the first block adds them up, and its first warp writes the action
  add_sums(sums, a.chunks, outputs, y);
  __syncthreads();
  if (warp > 0) return;

  // The action. A stopped agent has the action 0, which every environment accepts.
  if (alive && discrete) sac_act_write_number(a, a.sample, scale, seed, position, row, y, outputs, drawn);
  if (alive && !discrete) sac_act_write(a, a.sample, seed, position, row, y, actions, drawn);
  for (int i = lane; !alive && i < actions; i += SAC_WARP)
    a.action[row * static_cast<size_t>(actions) + static_cast<size_t>(i)] = 0;
  if (lane == 0 && !alive && a.sample && a.log_prob) a.log_prob[row] = 0;

  // advance the counter of the noise, if the kernel has drawn it
  if (lane == 0 && alive && a.sample && !a.noise)
    sac_act_count(&a.state[p], static_cast<unsigned>(a.n), position - which, a.n);
}

template <bool staged>
__global__ void __launch_bounds__(warps_max* SAC_WARP, 1) actor_act_one(one_args a) {
  act_one<staged, false>(a);
}
template <bool staged>
__global__ void __launch_bounds__(warps_max* SAC_WARP, 1) actor_act_one_discrete(one_args a) {
  act_one<staged, true>(a);
}

// --- launches --------------------------------------------------------------------------------------------------------

// A block's share of a layer's units: whole chunks.
int32_t share_of(int32_t units, int32_t blocks) {
  const int32_t whole = blocks * sac_act_chunk;
  return (units + whole - 1) / whole * sac_act_chunk;
}

// Bytes of the weights that a block copies to shared memory; 0: it copies none, because some are not aligned to 16
// bytes or there is no hidden layer.
size_t staged_bytes(const sac_actor_act_args& args, const one_args& a) {
  const one_layer& head = a.layer[a.hidden];

  // copies are of 16 bytes, so every layer starts at a multiple of 4 floats
  bool aligned = reinterpret_cast<uintptr_t>(args.weights) % 16 == 0 && args.weights_stride % 4 == 0;

  // the head's columns, then the outputs of each hidden layer with their biases
  size_t floats = static_cast<size_t>(head.share) * static_cast<size_t>(head.out);
  for (int32_t l = 0; l <= a.hidden; l++) {
    const one_layer& layer = a.layer[l];
    aligned = aligned && layer.weight % 4 == 0 && layer.bias % 4 == 0 && (l == 0 || layer.in % 4 == 0);
    if (l < a.hidden) floats += static_cast<size_t>(layer.share) * (static_cast<size_t>(layer.in) + 1);
  }
  return aligned && a.hidden > 0 ? floats * sizeof(float) : 0;
}

// Divides the layers among the blocks of a cluster.
void divide_layers(const sac_actor_act_args& args, one_args& a) {
  // the width of the last hidden layer, and the observations of all agents
  const int32_t below = args.size[args.layers - 1];
  const size_t rows = static_cast<size_t>(args.n) * static_cast<size_t>(args.population);

  // blocks of a cluster: halved until each block has enough units, and all blocks run at the same time
  for (a.blocks = args.blocks > 1 ? args.blocks : 1; a.blocks > 1; a.blocks /= 2)
    if (rows * static_cast<size_t>(a.blocks) <= blocks_max && below / a.blocks >= units_min) break;

  // The layers. A block has a share of the outputs of a hidden layer, and of the inputs of the head.
  a.hidden = args.layers - 1;
  a.chunks = (below + sac_act_chunk - 1) / sac_act_chunk;
  for (int32_t l = 0; l < args.layers; l++) {
    const int32_t in = args.size[l], out = args.size[l + 1];
    a.layer[l] = {static_cast<int32_t>(args.weight[l]), static_cast<int32_t>(args.bias[l]), in, out,
                  share_of(l == a.hidden ? in : out, a.blocks)};
  }

  // floats of a buffer: any layer fits
  a.widest = sac_act_widest(&args);
}

// Warps of a block: one for every `neurons` units of its widest layer.
int32_t warps_of(const one_args& a) {
  // the most units that a block computes in one layer; of the head, all outputs
  int32_t units = a.layer[a.hidden].out;
  for (int32_t l = 0; l < a.hidden; l++) {
    const int32_t mine = a.layer[l].share < a.layer[l].out ? a.layer[l].share : a.layer[l].out;
    units = mine > units ? mine : units;
  }

  // at least 2 warps, at most those that such a block may have
  const int32_t wanted = (units + neurons - 1) / neurons, most = a.blocks > 1 ? warps_in_cluster : warps_max;
  return wanted < 2 ? 2 : wanted > most ? most : wanted;
}

}  // namespace

cudaError_t sac_actor_act_prepare(int32_t* blocks, size_t* shared) {
  // ask the device, and the compiled code
  cudaFuncAttributes attributes;
  int device = 0, has = 0, most = 0;
  cudaError_t error = cudaGetDevice(&device);
  if (error == cudaSuccess) error = cudaDeviceGetAttribute(&has, cudaDevAttrClusterLaunch, device);
  if (error == cudaSuccess) error = cudaDeviceGetAttribute(&most, cudaDevAttrMaxSharedMemoryPerBlockOptin, device);
  if (error == cudaSuccess) error = cudaFuncGetAttributes(&attributes, actor_act_one<true>);
  if (error != cudaSuccess) return error;

  // clusters need a device and code of compute capability 9.0 or later
  *blocks = has && attributes.ptxVersion >= 90 ? cluster_max : 1;
  *shared = static_cast<size_t>(most) < shared_max ? static_cast<size_t>(most) : shared_max;

  // allow the kernels that much dynamic shared memory
  void (*const kernels[])(one_args) = {actor_act_one<true>, actor_act_one<false>, actor_act_one_discrete<true>,
                                       actor_act_one_discrete<false>};
  for (auto* kernel : kernels) {
    error = cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize, static_cast<int>(*shared));
    if (error != cudaSuccess) return error;
  }
  return cudaSuccess;
}

bool sac_actor_act_one(cudaStream_t stream, const sac_actor_act_args* args) {
  // leave many observations, and several networks, to actor_act_rows
  if (args->actions && args->nets > 1) return false;
  if (static_cast<size_t>(args->n) * static_cast<size_t>(args->population) > rows_max) return false;

  // the arguments, and the division of the layers among the blocks
  one_args a = {};
  a.weights = args->weights, a.weights_stride = args->weights_stride;
  a.obs = args->obs, a.noise = args->noise, a.action = args->action, a.log_prob = args->log_prob;
  a.state = args->state, a.alive = args->alive, a.alive_stride = args->alive_stride;
  a.n = args->n, a.sample = args->mode == SAC_DEVICE_ACT_SAMPLE;
  a.log_std_min = args->log_std_min, a.log_std_max = args->log_std_max;
  a.log_alpha = args->log_alpha, a.log_alpha_stride = args->log_alpha_stride;
  divide_layers(*args, a);

  // shared memory: two buffers of activations, the noise, the head's sums and bias, and the weights where they fit
  const size_t sums = static_cast<size_t>(a.chunks + 1) * static_cast<size_t>(a.layer[a.hidden].out);
  const size_t bytes = (2 * static_cast<size_t>(a.widest) + SAC_WARP + (sums + 3) / 4 * 4) * sizeof(float);
  const size_t weights = staged_bytes(*args, a);

  // decline a network that does not fit into shared memory, or whose offsets do not fit into 32 bits
  if (bytes > args->shared || args->weights_stride > INT32_MAX) return false;

  // launch, with copies of the weights if they fit into shared memory too
  const dim3 grid(static_cast<unsigned>(a.n * a.blocks), static_cast<unsigned>(args->population));
  const dim3 block(SAC_WARP * static_cast<unsigned>(warps_of(a)));
  const unsigned cluster = static_cast<unsigned>(a.blocks);
  const bool staged = weights > 0 && bytes + weights <= args->shared;
  const size_t all = staged ? bytes + weights : bytes;
  if (args->actions && staged) SAC_LAUNCH_CLUSTER(actor_act_one_discrete<true>, cluster, grid, block, all, stream, a);
  else if (args->actions) SAC_LAUNCH_CLUSTER(actor_act_one_discrete<false>, cluster, grid, block, all, stream, a);
  else if (staged) SAC_LAUNCH_CLUSTER(actor_act_one<true>, cluster, grid, block, all, stream, a);
  else SAC_LAUNCH_CLUSTER(actor_act_one<false>, cluster, grid, block, all, stream, a);
  return true;
}
