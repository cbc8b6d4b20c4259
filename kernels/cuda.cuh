// What every .cu file includes: launches, reductions in a fixed order, and the intrinsics.
//
// nvcc compiles a .cu file for the device. The host compiler compiles it against tests/support/cuda_host, an execution
// of the CUDA model on the CPU, so that the same kernels run on any machine. Therefore a .cu file uses the macros below
// in place of <<<>>> and extern __shared__, and the functions below in place of intrinsics that the host compiler
// lacks.
//
// The <cuda_runtime.h> of the host execution has its own SAC_LAUNCH, SAC_DYNAMIC_SHARED and intrinsics.
#ifndef SAC_KERNELS_CUDA_CUH
#define SAC_KERNELS_CUDA_CUH

#include <cuda_runtime.h>
#include <stdint.h>

#include "kernels/real.h"

#define SAC_WARP 32
#define SAC_WHOLE_WARP 0xffffffffu

#ifndef SAC_CUDA_HOST

// Launches kernel(arguments) on a stream. grid and block are dim3, `shared` is the bytes of dynamic shared memory.
#define SAC_LAUNCH(kernel, grid, block, shared, stream, ...) \
  kernel<<<(grid), (block), (shared), (stream)>>>(__VA_ARGS__)

// The same with blocks in clusters of `cluster` neighbours (compute capability 9.0; any device where it is 1).
template <typename... P, typename... A>
inline void sac_launch_cluster(void (*kernel)(P...), unsigned cluster, dim3 grid, dim3 block, size_t shared,
                               cudaStream_t stream, A... arguments) {
  // The size of a cluster. Where it is 1 the attribute is left out, so that older devices accept the launch.
  cudaLaunchAttribute attribute = {};
  attribute.id = cudaLaunchAttributeClusterDimension;
  attribute.val.clusterDim.x = cluster, attribute.val.clusterDim.y = 1, attribute.val.clusterDim.z = 1;

  // the launch itself
  cudaLaunchConfig_t config = {};
  config.gridDim = grid, config.blockDim = block, config.dynamicSmemBytes = shared, config.stream = stream;
  config.attrs = &attribute, config.numAttrs = cluster > 1 ? 1 : 0;
  (void)cudaLaunchKernelEx(&config, kernel, P(arguments)...);  // the caller reads cudaGetLastError
}
#define SAC_LAUNCH_CLUSTER(kernel, cluster, grid, block, shared, stream, ...) \
  sac_launch_cluster(kernel, cluster, grid, block, shared, stream, __VA_ARGS__)

// Declares the block's dynamic shared memory as an array, in a kernel.
#define SAC_DYNAMIC_SHARED(type, name)                        \
  extern __shared__ __align__(16) unsigned char sac_shared[]; \
  type* name = reinterpret_cast<type*>(sac_shared)

// [mma] D = A B + D on one warp: A (16, 8) row-major, B (8, 8) column-major, TF32 with float sums.
// PTX ISA, "Matrix fragments for mma.m16n8k8": lane = 4 group + place,
//   a[0..3]: A[group][place], A[group + 8][place], A[group][place + 4], A[group + 8][place + 4]
//   b[0..1]: B[place][group], B[place + 4][group]
//   d[0..3]: D[group][2 place], D[group][2 place + 1], D[group + 8][2 place], D[group + 8][2 place + 1]
__device__ inline void sac_mma_tf32(float d[4], const uint32_t a[4], const uint32_t b[2]) {
  asm volatile(
      "mma.sync.aligned.m16n8k8.row.col.f32.tf32.tf32.f32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, {%0,%1,%2,%3};"
      : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
      : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
}

// [tf32] A float rounded to TF32's 10 bits of mantissa, to nearest, ties away from zero.
__device__ inline uint32_t sac_to_tf32(float x) {
  uint32_t rounded;
  asm("cvt.rna.tf32.f32 %0, %1;" : "=r"(rounded) : "f"(x));
  return rounded;
}

// Asynchronous copies of 16 bytes from global to shared memory (both 16-byte aligned). commit closes a group of copies.
// wait<n> waits until all but the n newest groups are complete. After a __syncthreads the whole block sees them.
__device__ inline void sac_copy_async(void* shared, const void* global) {
  asm volatile(
      "cp.async.cg.shared.global [%0], [%1], 16;" ::"r"(static_cast<uint32_t>(__cvta_generic_to_shared(shared))),
      "l"(global)
      : "memory");
}
__device__ inline void sac_copy_commit() { asm volatile("cp.async.commit_group;" ::: "memory"); }
template <int newest>
__device__ inline void sac_copy_wait() {
  asm volatile("cp.async.wait_group %0;" ::"n"(newest) : "memory");
}

// Clusters of blocks. On architectures without them a cluster is one block.
//   rank    the block's number in its cluster
//   arrive  the first half of a barrier of all threads of the cluster; it does not wait
//   begin   arrive for the first barrier, when nothing was written before; after that barrier all blocks have begun
//   wait    the second half of a barrier: waits until all threads of the cluster have arrived or ended
//   put     writes x to the dynamic shared memory of block `rank`, where `mine` is in this block's. That block sees it
//           after the next barrier. It must have begun, and must not end before that barrier.
#if !defined(__CUDA_ARCH__) || __CUDA_ARCH__ >= 900
__device__ inline int sac_cluster_rank() {
  uint32_t rank;
  asm volatile("mov.u32 %0, %%cluster_ctarank;" : "=r"(rank));
  return static_cast<int>(rank);
}
__device__ inline void sac_cluster_begin() { asm volatile("barrier.cluster.arrive.relaxed.aligned;" ::: "memory"); }
__device__ inline void sac_cluster_arrive() { asm volatile("barrier.cluster.arrive.release.aligned;" ::: "memory"); }
__device__ inline void sac_cluster_wait() { asm volatile("barrier.cluster.wait.acquire.aligned;" ::: "memory"); }
__device__ inline void sac_cluster_put(float* mine, int rank, float x) {
  // the address of `mine` in the shared memory of block `rank`
  uint32_t there;
  asm volatile("mapa.shared::cluster.u32 %0, %1, %2;"
               : "=r"(there)
               : "r"(static_cast<uint32_t>(__cvta_generic_to_shared(mine))), "r"(rank));

  // The write. It is complete after the next barrier of the cluster.
  asm volatile("st.shared::cluster.f32 [%0], %1;" ::"r"(there), "f"(x) : "memory");
}
#else
__device__ inline int sac_cluster_rank() { return 0; }
__device__ inline void sac_cluster_begin() {}
__device__ inline void sac_cluster_arrive() {}
__device__ inline void sac_cluster_wait() { __syncthreads(); }
__device__ inline void sac_cluster_put(float* mine, int, float x) { *mine = x; }
#endif

// Keeps the loads above it where they are: the compiler may not move them below it, into a branch or behind a return,
// where their values are used. So all loads are issued before the first value is waited for. All lanes of a warp call
// it. It does not wait for the loads.
__device__ inline void sac_loads_first() { __syncwarp(); }

#endif  // SAC_CUDA_HOST

// Sum over the warp, in every lane. All lanes get the same bits; the order is fixed.
template <typename T>
__device__ inline T sac_warp_sum(T x) {
  for (int distance = SAC_WARP / 2; distance > 0; distance /= 2) x += __shfl_xor_sync(SAC_WHOLE_WARP, x, distance);
  return x;
}

// Sums of n numbers per thread over the block, in a fixed order. Thread i < n gets sum i in x[0]; x[0] of the other
// threads is of no use. Every thread of the block calls it, once per kernel. n <= 32 and at most 32 warps.
template <typename T, int n>
__device__ inline void sac_block_sums(T x[n]) {
  __shared__ T partial[n][SAC_WARP + 1];  // one more: no bank conflicts below

  // this thread's place, and the warps of the block
  const int lane = static_cast<int>(threadIdx.x) % SAC_WARP, warp = static_cast<int>(threadIdx.x) / SAC_WARP;
  const int warps = (static_cast<int>(blockDim.x) + SAC_WARP - 1) / SAC_WARP;

  // over the lanes of each warp
#pragma unroll
  for (int i = 0; i < n; i++) {
    const T sum = sac_warp_sum(x[i]);
    if (lane == 0) partial[i][warp] = sum;
  }
  __syncthreads();

  // over the warps, in their order: one thread for each sum
  if (threadIdx.x >= n) return;
  const T* mine = partial[threadIdx.x];
  T sum = mine[0];
#pragma unroll 8
  for (int w = 1; w < warps; w++) sum += mine[w];
  x[0] = sum;
}

// How many blocks of `size` hold `count`.
inline unsigned sac_blocks(size_t count, size_t size) { return static_cast<unsigned>((count + size - 1) / size); }

#endif
