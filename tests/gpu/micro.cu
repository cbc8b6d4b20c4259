// What sac_micro measures of a device: the gap between nodes, the second-level cache, the tensor cores,
// and an answer to the host.
#include "tests/gpu/micro.h"

#include "kernels/cuda.cuh"
#include "kernels/random.h"

namespace {

__global__ void __launch_bounds__(MICRO_THREADS) micro_fill_normals(uint64_t seed, size_t floats, float* x) {
  const size_t block = static_cast<size_t>(blockIdx.x) * MICRO_THREADS + threadIdx.x;
  const size_t first = SAC_NORMALS_PER_BLOCK * block;
  if (first >= floats) return;
  const size_t here = floats - first < SAC_NORMALS_PER_BLOCK ? floats - first : SAC_NORMALS_PER_BLOCK;
  sac_fill_normals(seed, 0, block, here, x + first);
}

__global__ void __launch_bounds__(MICRO_THREADS)
    micro_raise_flag(const float* from, int floats, float* sink, uint32_t* count, uint32_t* flag) {
  float x = static_cast<int>(threadIdx.x) < floats ? from[threadIdx.x] : 0;
  sac_block_sums<float, 1>(&x);
  if (threadIdx.x != 0) return;
  if (floats) *sink = x;
  __threadfence_system();
  *static_cast<volatile uint32_t*>(flag) = ++*count;
}

__global__ void __launch_bounds__(MICRO_THREADS) micro_node_chain(float* x) {
#if !defined(SAC_CUDA_HOST) && __CUDA_ARCH__ >= 900
  cudaGridDependencySynchronize();  // at once true of a kernel that was launched in the ordinary way
  cudaTriggerProgrammaticLaunchCompletion();
#endif
  if (threadIdx.x == 0) x[blockIdx.x] += 1;
}

__global__ void __launch_bounds__(MICRO_THREADS)
    micro_l2_read(const float4* from, size_t rows, int passes, float* sink) {
  SAC_DYNAMIC_SHARED(float4, buffer);  // (stages, threads): a thread reads what it has copied itself
  const float4* mine = from + blockIdx.x * rows * MICRO_THREADS + threadIdx.x;
  const size_t count = rows * static_cast<size_t>(passes);
  float sum = 0;
  for (size_t i = 0; i < MICRO_STAGES; i++) {
    sac_copy_async(&buffer[i * MICRO_THREADS + threadIdx.x], mine + i % rows * MICRO_THREADS);
    sac_copy_commit();
  }
  for (size_t i = 0; i < count; i++) {
    float4* slot = &buffer[i % MICRO_STAGES * MICRO_THREADS + threadIdx.x];
    sac_copy_wait<MICRO_STAGES - 1>();
    sum += slot->x;
    if (i + MICRO_STAGES < count) sac_copy_async(slot, mine + (i + MICRO_STAGES) % rows * MICRO_THREADS);
    sac_copy_commit();
  }
  sink[blockIdx.x * MICRO_THREADS + threadIdx.x] = sum;
}

__global__ void __launch_bounds__(MICRO_THREADS) micro_mma_rate(int steps, float* sink) {
  float d[MICRO_SUMS][4] = {};
  uint32_t a[4], b[2];
  for (int i = 0; i < 4; i++) a[i] = sac_to_tf32(1.0f / static_cast<float>(threadIdx.x + 1 + i));
  for (int i = 0; i < 2; i++) b[i] = sac_to_tf32(1.0f / static_cast<float>(threadIdx.x + 2 + i));
  for (int step = 0; step < steps; step++)
#pragma unroll
    for (int i = 0; i < MICRO_SUMS; i++) sac_mma_tf32(d[i], a, b);
  float sum = 0;
  for (int i = 0; i < MICRO_SUMS; i++) sum += d[i][0] + d[i][1] + d[i][2] + d[i][3];
  sink[blockIdx.x * MICRO_THREADS + threadIdx.x] = sum;
}

}  // namespace

cudaError_t micro_fill(cudaStream_t stream, uint64_t seed, size_t floats, float* x) {
  SAC_LAUNCH(micro_fill_normals, dim3(sac_blocks(floats, SAC_NORMALS_PER_BLOCK * MICRO_THREADS)), dim3(MICRO_THREADS),
             0, stream, seed, floats, x);
  return cudaGetLastError();
}

cudaError_t micro_flag(cudaStream_t stream, const float* from, int floats, float* sink, uint32_t* count,
                       uint32_t* flag) {
  SAC_LAUNCH(micro_raise_flag, dim3(1), dim3(MICRO_THREADS), 0, stream, from, from ? floats : 0, sink, count, flag);
  return cudaGetLastError();
}

cudaError_t micro_node(cudaStream_t stream, float* x, int blocks, int dependent) {
  const dim3 grid(static_cast<unsigned>(blocks)), block(MICRO_THREADS);
  if (!dependent) {
    SAC_LAUNCH(micro_node_chain, grid, block, 0, stream, x);
    return cudaGetLastError();
  }
#ifdef SAC_CUDA_HOST
  return cudaErrorNotSupported;
#else
  int device = 0, major = 0;
  (void)cudaGetDevice(&device);
  (void)cudaDeviceGetAttribute(&major, cudaDevAttrComputeCapabilityMajor, device);
  if (major < 9) return cudaErrorNotSupported;
  cudaLaunchAttribute attribute = {};
  attribute.id = cudaLaunchAttributeProgrammaticStreamSerialization;
  attribute.val.programmaticStreamSerializationAllowed = 1;
  cudaLaunchConfig_t config = {};
  config.gridDim = grid;
  config.blockDim = block;
  config.stream = stream;
  config.attrs = &attribute;
  config.numAttrs = 1;
  return cudaLaunchKernelEx(&config, micro_node_chain, x);
#endif
}

cudaError_t micro_l2(cudaStream_t stream, const float* from, size_t floats, int blocks, int passes, float* sink) {
  const size_t rows = floats / 4 / MICRO_THREADS / static_cast<size_t>(blocks);
  SAC_LAUNCH(micro_l2_read, dim3(static_cast<unsigned>(blocks)), dim3(MICRO_THREADS),
             sizeof(float4) * MICRO_STAGES * MICRO_THREADS, stream, reinterpret_cast<const float4*>(from), rows, passes,
             sink);
  return cudaGetLastError();
}

cudaError_t micro_mma(cudaStream_t stream, int blocks, int steps, float* sink) {
  SAC_LAUNCH(micro_mma_rate, dim3(static_cast<unsigned>(blocks)), dim3(MICRO_THREADS), 0, stream, steps, sink);
  return cudaGetLastError();
}
