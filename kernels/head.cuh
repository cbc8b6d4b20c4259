// The head of a network with one output, a warp a row: the last hidden layer's bias and ReLU, the product with the
// head's weights, and the way back, which is of rank one and never stored as a product.
#ifndef SAC_KERNELS_HEAD_CUH
#define SAC_KERNELS_HEAD_CUH

#include "kernels/cuda.cuh"
#include "kernels/kernels.h"
#include "kernels/layers.h"

// A row of net `net` as `rows` rows of each lie one after the other.
__device__ inline float* sac_head_row(const sac_head& head, size_t net, size_t row) {
  return head.hidden + net * head.hidden_stride + row * static_cast<size_t>(head.width);
}

// The head's output for one row, in every lane; the hidden row becomes relu(x + bias), each lane its own columns.
__device__ inline float sac_head_forward(const sac_head& head, size_t net, size_t row, int lane) {
  float* hidden = sac_head_row(head, net, row);
  const float* hidden_bias = head.hidden_bias + net * head.weight_stride;
  const float* weight = head.weight + net * head.weight_stride;
  float sum = 0;
  for (int j = lane; j < head.width; j += SAC_WARP) {
    const float h = sac_relu(hidden[j] + hidden_bias[j]);
    hidden[j] = h;
    sum = fmaf(weight[j], h, sum);
  }
  return sac_warp_sum(sum) + head.bias[net * head.weight_stride];
}

// From the gradient by the head's output to that by the hidden row's pre-activation. After forward, by the same lanes.
__device__ inline void sac_head_backward(const sac_head& head, size_t net, size_t row, int lane, float d_output,
                                         float* d_hidden) {
  const float* hidden = sac_head_row(head, net, row);
  const float* weight = head.weight + net * head.weight_stride;
  for (int j = lane; j < head.width; j += SAC_WARP) d_hidden[j] = sac_relu_grad(hidden[j], d_output * weight[j]);
}

// The kernels above it: blocks of this many threads, a warp a row of the minibatch; grid (blocks, P).
constexpr int sac_head_threads = 64;
inline dim3 sac_head_grid(const sac_dims& dims) {
  return dim3(sac_blocks(static_cast<size_t>(dims.batch), sac_head_threads / SAC_WARP),
              static_cast<unsigned>(dims.population));
}

#endif
