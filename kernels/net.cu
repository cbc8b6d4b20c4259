// Between a network's products: bias and ReLU, ReLU's gradient, and sums over rows.
#include "kernels/cuda.cuh"
#include "kernels/kernels.h"
#include "kernels/layers.h"

namespace {

constexpr int threads = 256;

__device__ float4 relu4(float4 y, float4 b) {
  return make_float4(sac_relu(y.x + b.x), sac_relu(y.y + b.y), sac_relu(y.z + b.z), sac_relu(y.w + b.w));
}

__device__ float4 relu_grad4(float4 y, float4 d) {
  return make_float4(sac_relu_grad(y.x, d.x), sac_relu_grad(y.y, d.y), sac_relu_grad(y.z, d.z),
                     sac_relu_grad(y.w, d.w));
}

// A division of 64 bits costs a dozen of 32: few matrices need it.
__device__ size_t column_of(size_t i, size_t width) {
  return i >> 32 ? i % width : static_cast<uint32_t>(i) % static_cast<uint32_t>(width);
}

// Widths that are no multiple of 4 go one number a thread.
__global__ void __launch_bounds__(threads) net_bias_relu(sac_bias_relu_args a) {
  const size_t count = static_cast<size_t>(a.rows) * static_cast<size_t>(a.width);
  float* y = a.y + blockIdx.y * a.y_stride;
  const float* bias = a.bias + blockIdx.y * a.bias_stride;
  const size_t i = static_cast<size_t>(blockIdx.x) * threads + threadIdx.x;
  if (a.width % 4 == 0) {
    if (i >= count / 4) return;
    float4* at = reinterpret_cast<float4*>(y) + i;
    *at = relu4(*at, reinterpret_cast<const float4*>(bias)[column_of(i, static_cast<size_t>(a.width / 4))]);
  } else if (i < count) {
    y[i] = sac_relu(y[i] + bias[column_of(i, static_cast<size_t>(a.width))]);
  }
}

__global__ void __launch_bounds__(threads) net_relu_grad(sac_relu_grad_args a) {
  const size_t count = static_cast<size_t>(a.rows) * static_cast<size_t>(a.width);
  float* d = a.d + blockIdx.y * a.d_stride;
  const float* y = a.y + blockIdx.y * a.y_stride;
  const size_t i = static_cast<size_t>(blockIdx.x) * threads + threadIdx.x;
  if (a.width % 4 == 0) {
    if (i >= count / 4) return;
    float4* at = reinterpret_cast<float4*>(d) + i;
    *at = relu_grad4(reinterpret_cast<const float4*>(y)[i], *at);
  } else if (i < count) {
    d[i] = sac_relu_grad(y[i], d[i]);
  }
}

// A block sums 32 columns: each of its warps takes every warps'th row, and the warps' sums are added in their order.
constexpr int columns = 32, row_warps = 32;

__global__ void __launch_bounds__(columns* row_warps) net_column_sums(sac_column_sums_args a) {
  __shared__ float partial[row_warps][columns + 1];
  int tile = static_cast<int>(blockIdx.x), job = 0;
  while (job < a.jobs - 1 && tile >= (a.job[job].width + columns - 1) / columns)
    tile -= (a.job[job++].width + columns - 1) / columns;
  const sac_column_job j = a.job[job];
  const int lane = static_cast<int>(threadIdx.x) % columns, warp = static_cast<int>(threadIdx.x) / columns;
  const int column = tile * columns + lane;
  const size_t net = blockIdx.y, width = static_cast<size_t>(j.width);
  const float* x = j.x + net * j.x_stride + column;
  const float* factor = j.factor ? j.factor + net * j.factor_stride : nullptr;
  float sum = 0;
  if (column < j.width) {
    if (factor) {
      for (int r = warp; r < a.rows; r += row_warps) sum += factor[r] * x[static_cast<size_t>(r) * width];
    } else {
      for (int r = warp; r < a.rows; r += row_warps) sum += x[static_cast<size_t>(r) * width];
    }
  }
  partial[warp][lane] = sum;
  __syncthreads();
  if (warp != 0 || column >= j.width) return;
  for (int w = 1; w < row_warps; ++w) sum += partial[w][lane];
  j.sum[net * j.sum_stride + column] = sum;
}

dim3 elementwise_grid(int32_t nets, int32_t rows, int32_t width) {
  const size_t count = static_cast<size_t>(rows) * static_cast<size_t>(width);
  return dim3(sac_blocks(width % 4 == 0 ? count / 4 : count, threads), static_cast<unsigned>(nets));
}

}  // namespace

cudaError_t sac_net_bias_relu(cudaStream_t stream, const sac_bias_relu_args* args) {
  SAC_LAUNCH(net_bias_relu, elementwise_grid(args->nets, args->rows, args->width), dim3(threads), 0, stream, *args);
  return cudaGetLastError();
}

cudaError_t sac_net_relu_grad(cudaStream_t stream, const sac_relu_grad_args* args) {
  SAC_LAUNCH(net_relu_grad, elementwise_grid(args->nets, args->rows, args->width), dim3(threads), 0, stream, *args);
  return cudaGetLastError();
}

cudaError_t sac_net_column_sums(cudaStream_t stream, const sac_column_sums_args* args) {
  unsigned tiles = 0;
  for (int32_t job = 0; job < args->jobs; ++job)
    tiles += sac_blocks(static_cast<size_t>(args->job[job].width), columns);
  SAC_LAUNCH(net_column_sums, dim3(tiles, static_cast<unsigned>(args->nets)), dim3(columns * row_warps), 0, stream,
             *args);
  return cudaGetLastError();
}
