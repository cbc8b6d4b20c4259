/* The kernels of sac_micro (micro.cu), as micro.c launches them. All device memory. */
#ifndef TESTS_GPU_MICRO_H
#define TESTS_GPU_MICRO_H

#include <cuda_runtime_api.h>
#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

enum { MICRO_THREADS = 256, MICRO_STAGES = 4, MICRO_SUMS = 8 };
#define MICRO_MMA_FLOPS (2.0 * 16 * 8 * 8)

/* One node of a chain: each block adds 1 to its number of x (blocks). dependent: it may start before its predecessor
 * has ended, and waits for it (programmatic dependent launch); cudaErrorNotSupported where there is no such thing. */
cudaError_t micro_node(cudaStream_t stream, float* x, int blocks, int dependent);

/* Every block reads its share of from (floats, a multiple of blocks * threads * 4) `passes` times, past the first-level
 * cache, into shared memory. sink: (blocks * threads). */
cudaError_t micro_l2(cudaStream_t stream, const float* from, size_t floats, int blocks, int passes, float* sink);

/* Every warp makes steps * MICRO_SUMS products m16n8k8. sink: (blocks * threads). */
cudaError_t micro_mma(cudaStream_t stream, int blocks, int steps, float* sink);

#ifdef __cplusplus
}
#endif

#endif
