// The kernels between the matrix products of a network: bias and ReLU, the gradient of ReLU, and sums over rows.
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

// The column of element i. A 64-bit division takes as long as a dozen of 32 bits, and few matrices need it.
__device__ size_t column_of(size_t i, size_t width) {
  return i >> 32 ? i % width : static_cast<uint32_t>(i) % static_cast<uint32_t>(width);
}

// Grid: (blocks, networks). A thread has `quads` float4s, whose loads are under way together. Where the width is not a
// multiple of 4, it has one number.
template <int quads>
__global__ void __launch_bounds__(threads) net_bias_relu(sac_bias_relu_args a) {
  // the matrix of this block's network
  const size_t count = static_cast<size_t>(a.rows) * static_cast<size_t>(a.width);
  float* y = a.y + blockIdx.y * a.y_stride;
  const float* bias = a.bias + blockIdx.y * a.bias_stride;
  if (a.width % 4 == 0) {
    // the first float4 of this thread, and the last one of the matrix
    const size_t first = static_cast<size_t>(blockIdx.x) * threads * quads + threadIdx.x, last = count / 4 - 1;
    float4* ys = reinterpret_cast<float4*>(y);
    const float4* biases = reinterpret_cast<const float4*>(bias);
    size_t column[quads];
    float4 x[quads], b[quads];

    // the columns, whose divisions come before the loads
#pragma unroll
    for (int n = 0; n < quads; n++) {
      const size_t i = first + static_cast<size_t>(n) * threads;
      column[n] = column_of(i < last ? i : last, static_cast<size_t>(a.width / 4));
    }

    // Load everything before the first store. Threads beyond the last float4 load the last one.
#pragma unroll
    for (int n = 0; n < quads; n++) {
      const size_t i = first + static_cast<size_t>(n) * threads;
      x[n] = ys[i < last ? i : last];
      b[n] = biases[column[n]];
    }

    // store the outputs
#pragma unroll
    for (int n = 0; n < quads; n++) {
      const size_t i = first + static_cast<size_t>(n) * threads;
      if (i <= last) ys[i] = relu4(x[n], b[n]);
    }
    return;
  }

  // a width that is not a multiple of 4
  const size_t i = static_cast<size_t>(blockIdx.x) * threads + threadIdx.x;
  if (i < count) y[i] = sac_relu(y[i] + bias[column_of(i, static_cast<size_t>(a.width))]);
}

// The same for the gradient.
template <int quads>
__global__ void __launch_bounds__(threads) net_relu_grad(sac_relu_grad_args a) {
  // the matrices of this block's network
  const size_t count = static_cast<size_t>(a.rows) * static_cast<size_t>(a.width);
  float* d = a.d + blockIdx.y * a.d_stride;
  const float* y = a.y + blockIdx.y * a.y_stride;
  if (a.width % 4 == 0) {
    const size_t first = static_cast<size_t>(blockIdx.x) * threads * quads + threadIdx.x, last = count / 4 - 1;
    float4* ds = reinterpret_cast<float4*>(d);
    const float4* ys = reinterpret_cast<const float4*>(y);
    float4 x[quads], g[quads];

    // Load everything before the first store. Threads beyond the last float4 load the last one.
#pragma unroll
    for (int n = 0; n < quads; n++) {
      const size_t i = first + static_cast<size_t>(n) * threads, j = i < last ? i : last;
      x[n] = ys[j];
      g[n] = ds[j];
    }

    // store the gradients
#pragma unroll
    for (int n = 0; n < quads; n++) {
      const size_t i = first + static_cast<size_t>(n) * threads;
      if (i <= last) ds[i] = relu_grad4(x[n], g[n]);
    }
    return;
  }

  // a width that is not a multiple of 4
  const size_t i = static_cast<size_t>(blockIdx.x) * threads + threadIdx.x;
  if (i < count) d[i] = sac_relu_grad(y[i], d[i]);
}

// A block sums 32 columns: warp w of its row_warps warps adds rows w, w + row_warps, ..., and the warps' sums are added
// in their order.
constexpr int columns = 32, row_warps = 32;
constexpr int rows_ahead = 8;  // rows that a warp loads at a time

__global__ void __launch_bounds__(columns* row_warps) net_column_sums(sac_column_sums_args a) {
  __shared__ float partial[row_warps][columns + 1];

  // find the block's job, and its columns
  int tile = static_cast<int>(blockIdx.x), job = 0;
  while (job < a.jobs - 1 && tile >= (a.job[job].width + columns - 1) / columns)
    tile -= (a.job[job++].width + columns - 1) / columns;
  const sac_column_job j = a.job[job];

  // a lane has a column; a warp has every 32nd row
  const int lane = static_cast<int>(threadIdx.x) % columns, warp = static_cast<int>(threadIdx.x) / columns;
  const int column = tile * columns + lane;

  // where the column and the factors of its rows are
  const size_t net = blockIdx.y, width = static_cast<size_t>(j.width);
  const float* x = j.x + net * j.x_stride + column;
  const float* factor = j.factor ? j.factor + net * j.factor_stride : nullptr;

  // the warp's rows
  float sum = 0;
  for (int first = warp; column < j.width && first < a.rows; first += rows_ahead * row_warps) {
    float read[rows_ahead], times[rows_ahead];

    // Load. Beyond the last row: the last row, which is not added.
#pragma unroll
    for (int n = 0; n < rows_ahead; n++) {
      const int r = first + n * row_warps < a.rows ? first + n * row_warps : a.rows - 1;
      read[n] = x[static_cast<size_t>(r) * width];
      times[n] = factor ? factor[r] : 1.0f;
    }

    // add in the order of the rows
#pragma unroll
    for (int n = 0; n < rows_ahead; n++)
      if (first + n * row_warps < a.rows) sum += times[n] * read[n];
  }

  // over the warps, in their order
  partial[warp][lane] = sum;
  __syncthreads();

  // the first warp continues from its own sum
  if (warp != 0 || column >= j.width) return;
  for (int w = 1; w < row_warps; w++) sum += partial[w][lane];
  j.sum[net * j.sum_stride + column] = sum;
}

// About how many blocks a device runs at the same time. Up to this number a thread has one float4: with two, some
// multiprocessors would be idle.
constexpr unsigned few = 512;

dim3 elementwise_grid(int32_t nets, int32_t rows, int32_t width, int quads) {
  const size_t count = static_cast<size_t>(rows) * static_cast<size_t>(width);
  return dim3(width % 4 == 0 ? sac_blocks(count / 4, static_cast<size_t>(threads * quads)) : sac_blocks(count, threads),
              static_cast<unsigned>(nets));
}

}  // namespace

cudaError_t sac_net_bias_relu(cudaStream_t stream, const sac_bias_relu_args* args) {
  // choose one float4 per thread while all blocks run at the same time, two otherwise
  const dim3 one = elementwise_grid(args->nets, args->rows, args->width, 1),
             two = elementwise_grid(args->nets, args->rows, args->width, 2);
  if (size_t{one.x} * one.y <= few) {
    SAC_LAUNCH(net_bias_relu<1>, one, dim3(threads), 0, stream, *args);
  } else {
    SAC_LAUNCH(net_bias_relu<2>, two, dim3(threads), 0, stream, *args);
  }
  return cudaGetLastError();
}

cudaError_t sac_net_relu_grad(cudaStream_t stream, const sac_relu_grad_args* args) {
  // choose one float4 per thread while all blocks run at the same time, two otherwise
  const dim3 one = elementwise_grid(args->nets, args->rows, args->width, 1),
             two = elementwise_grid(args->nets, args->rows, args->width, 2);
  if (size_t{one.x} * one.y <= few) {
    SAC_LAUNCH(net_relu_grad<1>, one, dim3(threads), 0, stream, *args);
  } else {
    SAC_LAUNCH(net_relu_grad<2>, two, dim3(threads), 0, stream, *args);
  }
  return cudaGetLastError();
}

cudaError_t sac_net_column_sums(cudaStream_t stream, const sac_column_sums_args* args) {
  // the blocks of all jobs, side by side in x
  unsigned tiles = 0;
  for (int32_t job = 0; job < args->jobs; job++)
    tiles += sac_blocks(static_cast<size_t>(args->job[job].width), columns);
  SAC_LAUNCH(net_column_sums, dim3(tiles, static_cast<unsigned>(args->nets)), dim3(columns * row_warps), 0, stream,
             *args);
  return cudaGetLastError();
}
