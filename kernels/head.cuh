// The head of networks with one output (critics, value network): the bias and ReLU of the last hidden layer, the
// product with the head's weights, a function of the outputs of a row, and the gradient back into the hidden layer.
//
// One warp computes one row of one network. The warps of a block that share a row exchange the networks' outputs
// through shared memory. A lane has every 32nd column of the hidden layer. It loads its columns before it waits for
// anything, and keeps them in registers for the backward pass: the compiler cannot know that a store goes to other
// memory, so loads that follow a store would wait for it.
#ifndef SAC_KERNELS_HEAD_CUH
#define SAC_KERNELS_HEAD_CUH

#include "kernels/cuda.cuh"
#include "kernels/kernels.h"
#include "kernels/layers.h"

// The columns of a row that a lane loads at a time, and those that the whole warp loads: a part of the row. A row of
// 256 columns is one part.
constexpr int sac_head_columns = 8, sac_head_part = sac_head_columns * SAC_WARP;

// A lane's columns of one row of one network. x, hidden_bias and weight hold the part that was loaded last.
struct sac_head_row {
  float* hidden;
  const float *hidden_biases, *weights;
  float x[sac_head_columns], hidden_bias[sac_head_columns], weight[sac_head_columns];
  float bias;
  int width;
};

// Column number i of a lane whose first column of the part is `first`. Beyond the last column of the row it returns the
// last one: a branch around each load would make the loads wait for each other.
__device__ inline int sac_head_column(int first, int i, int width) {
  return first + i * SAC_WARP < width ? first + i * SAC_WARP : width - 1;
}

// Loads a lane's columns of a part. first: the lane's first column of that part.
__device__ inline void sac_head_read(sac_head_row& row, int first) {
#pragma unroll
  for (int i = 0; i < sac_head_columns; i++) {
    const int j = sac_head_column(first, i, row.width);
    row.x[i] = row.hidden[j];
    row.hidden_bias[i] = row.hidden_biases[j];
    row.weight[i] = row.weights[j];
  }
}

// Sets `row` to row `r` of network `net`, and loads its first part.
__device__ inline void sac_head_begin(sac_head_row& row, const sac_head& head, size_t net, size_t r, int lane) {
  row.width = head.width;

  // where the hidden row is, and the weights of its network
  row.hidden = head.hidden + net * head.hidden_stride + r * static_cast<size_t>(head.width);
  row.hidden_biases = head.hidden_bias + net * head.weight_stride;
  row.weights = head.weight + net * head.weight_stride;
  row.bias = head.bias[net * head.weight_stride];

  // issue the loads of the first part
  sac_head_read(row, lane);
}

// Whether forward stores relu(x + bias) of the hidden row: when it is read after the kernel, or when the backward pass
// needs more of it than the registers hold.
__device__ inline bool sac_head_stores(const sac_head& head, bool backward) {
  return !head.discard_hidden || (backward && head.width > sac_head_part);
}

// Returns the head's output, in every lane.
__device__ inline float sac_head_forward(sac_head_row& row, bool stores, int lane) {
  float sum = 0;
  for (int first = lane; first < row.width; first += sac_head_part) {
    // the first part is loaded already
    if (first != lane) sac_head_read(row, first);

      // the hidden units, and their part of the product
#pragma unroll
    for (int i = 0; i < sac_head_columns; i++) {
      row.x[i] = sac_relu(row.x[i] + row.hidden_bias[i]);
      if (first + i * SAC_WARP < row.width) sum = fmaf(row.weight[i], row.x[i], sum);
    }

    // store the units where they are read later
    if (!stores) continue;
#pragma unroll
    for (int i = 0; i < sac_head_columns; i++)
      if (first + i * SAC_WARP < row.width) row.hidden[first + i * SAC_WARP] = row.x[i];
  }

  // the head's output: the sum over all columns, and the bias
  return sac_warp_sum(sum) + row.bias;
}

// Writes the gradient with respect to the hidden row's pre-activation. d_output: that with respect to the head's
// output. sac_head_forward has to run first in the same lanes, with stores set where sac_head_stores says so.
__device__ inline void sac_head_backward(sac_head_row& row, int lane, float d_output, float* d_hidden) {
  for (int first = lane; first < row.width; first += sac_head_part) {
    // load again what the registers could not hold
    if (row.width > sac_head_part) {
#pragma unroll
      for (int i = 0; i < sac_head_columns; i++) {
        const int j = sac_head_column(first, i, row.width);
        row.x[i] = row.hidden[j];
        row.weight[i] = row.weights[j];
      }
    }

    // the gradient: d_output times the head's weights, where the unit is not 0
#pragma unroll
    for (int i = 0; i < sac_head_columns; i++)
      if (first + i * SAC_WARP < row.width)
        d_hidden[first + i * SAC_WARP] = sac_relu_grad(row.x[i], d_output * row.weight[i]);
  }
}

// --- kernels over the rows of a minibatch ----------------------------------------------------------------------------

constexpr int sac_head_nets_max = 32, sac_head_threads_max = sac_head_nets_max * SAC_WARP;

// What a warp computes: a row of a network.
struct sac_head_warp {
  int lane;
  int n;       // number of the network among the networks of a row
  size_t p;    // agent
  size_t row;  // row of the minibatches of all agents: p B + r
  size_t out;  // row of the outputs of all networks of this kind: net B + r
};

// The network of a warp, and whether a gradient goes back through it.
struct sac_head_net {
  const sac_head& head;
  size_t index;  // among the networks of its kind, of all agents
  bool backward;
};

// The gradient of the mean over the minibatch, from the gradient of one row.
__device__ inline float sac_head_mean_grad(const sac_dims& dims, float grad) {
  return 1.0f / static_cast<float>(dims.batch) * grad;
}

// The body of a kernel that evaluates the heads of some networks and applies a function to each row. Row is that
// function. It has
//   args                               the kernel's arguments, with `state` and `dims`
//   net(args, p, n)                    the sac_head_net number n of a row of agent p
//   Row(args, warp)                    loads the numbers of the row that it needs
//   finish(args, warp, x, y, outputs)  computes and stores the results: y is the output of this warp's network, outputs
//                                      those of all networks of the row, x is for sac_head_backward
// The kernel needs __launch_bounds__(sac_head_threads_max): without it the compiler uses more registers than a block of
// 32 warps has.
template <typename Row>
__device__ inline void sac_head_rows(const typename Row::args& a) {
  __shared__ float shared[sac_head_nets_max];

  // the row and the network of this warp
  const size_t p = blockIdx.y, batch = static_cast<size_t>(a.dims.batch);
  const size_t place = static_cast<size_t>(blockIdx.x) * blockDim.z + threadIdx.z;
  const bool in_batch = place < batch;
  const size_t r = in_batch ? place : 0;  // warps beyond the minibatch take part in the barrier
  const int lane = static_cast<int>(threadIdx.x), n = static_cast<int>(threadIdx.y);
  const sac_head_net net = Row::net(a, p, n);
  const sac_head_warp warp = {lane, n, p, p * batch + r, net.index * batch + r};
  float* outputs = shared + threadIdx.z * blockDim.y;

  // load everything before the first branch
  const uint32_t alive = a.state[p].alive;
  sac_head_row x;
  sac_head_begin(x, net.head, net.index, r, lane);
  Row row(a, warp);
  sac_loads_first();
  if (!alive) return;

  // share the outputs of the row's networks
  const float y = sac_head_forward(x, in_batch && sac_head_stores(net.head, net.backward), lane);
  if (lane == 0) outputs[n] = y;
  __syncthreads();

  // compute and store the results of the row
  if (in_batch) row.finish(a, warp, x, y, outputs);
}

// Launches of these kernels: blocks of (32, networks of a row, rows) threads, 3 warps or more; grids of (blocks, P).
inline dim3 sac_head_block(int32_t nets) {
  return dim3(SAC_WARP, static_cast<unsigned>(nets), nets < 4 ? 4 / static_cast<unsigned>(nets) : 1);
}
inline dim3 sac_head_grid(const sac_dims& dims, int32_t nets) {
  return dim3(sac_blocks(static_cast<size_t>(dims.batch), sac_head_block(nets).z),
              static_cast<unsigned>(dims.population));
}

#endif
