// The head of networks with one output: the last hidden layer's bias and ReLU, the product with the head's weights, and
// the way back, which is of rank one and never stored as a product.
//
// A warp has one row of one network: the networks of a row are judged side by side and meet in shared memory. A lane
// has every 32nd column. What it reads is under way before anything is waited for, and stays in registers for the way
// back: a store in between would hold the loads behind it up, as the compiler cannot tell that they are of other
// memory.
#ifndef SAC_KERNELS_HEAD_CUH
#define SAC_KERNELS_HEAD_CUH

#include "kernels/cuda.cuh"
#include "kernels/kernels.h"
#include "kernels/layers.h"

// Columns of a lane that are read at a time: a part of the row. A row of 256 is one part.
constexpr int sac_head_columns = 8, sac_head_part = sac_head_columns * SAC_WARP;

// A lane's share of a row. x, hidden_bias and weight are of the part that was read last.
struct sac_head_row {
  float* hidden;
  const float *hidden_biases, *weights;
  float x[sac_head_columns], hidden_bias[sac_head_columns], weight[sac_head_columns];
  float bias;
  int width;
};

// Column i of a lane's in the part that starts at `first`. Beyond the last column the last again: a branch around each
// load, or a wait for its value, would keep the loads from being under way together.
__device__ inline int sac_head_column(int first, int i, int width) {
  return first + i * SAC_WARP < width ? first + i * SAC_WARP : width - 1;
}

__device__ inline void sac_head_read(sac_head_row& row, int first) {
#pragma unroll
  for (int i = 0; i < sac_head_columns; ++i) {
    const int j = sac_head_column(first, i, row.width);
    row.x[i] = row.hidden[j];
    row.hidden_bias[i] = row.hidden_biases[j];
    row.weight[i] = row.weights[j];
  }
}

// Begins to read row `r` of net `net`.
__device__ inline void sac_head_begin(sac_head_row& row, const sac_head& head, size_t net, size_t r, int lane) {
  row.width = head.width;
  row.hidden = head.hidden + net * head.hidden_stride + r * static_cast<size_t>(head.width);
  row.hidden_biases = head.hidden_bias + net * head.weight_stride;
  row.weights = head.weight + net * head.weight_stride;
  row.bias = head.bias[net * head.weight_stride];
  sac_head_read(row, lane);
}

// Whether the hidden row becomes relu(x + bias) in memory: where somebody reads it later, and for the way back where it
// does not stay in registers.
__device__ inline bool sac_head_stores(const sac_head& head, bool way_back) {
  return !head.unread || (way_back && head.width > sac_head_part);
}

// The head's output, in every lane.
__device__ inline float sac_head_forward(sac_head_row& row, bool stores, int lane) {
  float sum = 0;
  for (int first = lane; first < row.width; first += sac_head_part) {
    if (first != lane) sac_head_read(row, first);
#pragma unroll
    for (int i = 0; i < sac_head_columns; ++i) {
      row.x[i] = sac_relu(row.x[i] + row.hidden_bias[i]);
      if (first + i * SAC_WARP < row.width) sum = fmaf(row.weight[i], row.x[i], sum);
    }
    if (!stores) continue;
#pragma unroll
    for (int i = 0; i < sac_head_columns; ++i)
      if (first + i * SAC_WARP < row.width) row.hidden[first + i * SAC_WARP] = row.x[i];
  }
  return sac_warp_sum(sum) + row.bias;
}

// From the gradient by the head's output to that by the hidden row's pre-activation. After forward, by the same lanes.
__device__ inline void sac_head_backward(sac_head_row& row, int lane, float d_output, float* d_hidden) {
  for (int first = lane; first < row.width; first += sac_head_part) {
    if (row.width > sac_head_part) {
#pragma unroll
      for (int i = 0; i < sac_head_columns; ++i) {
        const int j = sac_head_column(first, i, row.width);
        row.x[i] = row.hidden[j];
        row.weight[i] = row.weights[j];
      }
    }
#pragma unroll
    for (int i = 0; i < sac_head_columns; ++i)
      if (first + i * SAC_WARP < row.width)
        d_hidden[first + i * SAC_WARP] = sac_relu_grad(row.x[i], d_output * row.weight[i]);
  }
}

// The kernels above it have blocks of (32, networks of a row, rows) threads and grids of (blocks, P): a few warps a
// block, and all networks of a row in one.
constexpr int sac_head_nets_max = 32, sac_head_threads_max = sac_head_nets_max * SAC_WARP;
inline dim3 sac_head_block(int32_t nets) {
  return dim3(SAC_WARP, static_cast<unsigned>(nets), nets < 4 ? 4 / static_cast<unsigned>(nets) : 1);
}
inline dim3 sac_head_grid(const sac_dims& dims, int32_t nets) {
  return dim3(sac_blocks(static_cast<size_t>(dims.batch), sac_head_block(nets).z),
              static_cast<unsigned>(dims.population));
}

#endif
