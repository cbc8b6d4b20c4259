/* What the files of sac_micro share: its kernels (micro.cu), and what its measurements need. */
#ifndef TESTS_GPU_MICRO_H
#define TESTS_GPU_MICRO_H

#include <cuda_runtime_api.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

enum { MICRO_THREADS = 256, MICRO_STAGES = 4, MICRO_SUMS = 8 };
#define MICRO_MMA_FLOPS (2.0 * 16 * 8 * 8)

/* --- kernels: all pointers are to device memory, but for flag ----------------------------------------------------- */

/* x (floats): normals by Philox, of this seed. */
cudaError_t micro_fill(cudaStream_t stream, uint64_t seed, size_t floats, float* x);

/* One node of a chain: each block adds 1 to its number of x (blocks). dependent: it may start before its predecessor
 * has ended, and waits for it (programmatic dependent launch); cudaErrorNotSupported where there is no such thing. */
cudaError_t micro_node(cudaStream_t stream, float* x, int blocks, int dependent);

/* Every block reads its share of from (floats, a multiple of blocks * threads * 4) `passes` times, past the first-level
 * cache, into shared memory. sink: (blocks * threads). */
cudaError_t micro_l2(cudaStream_t stream, const float* from, size_t floats, int blocks, int passes, float* sink);

/* Every warp makes steps * MICRO_SUMS products m16n8k8. sink: (blocks * threads). */
cudaError_t micro_mma(cudaStream_t stream, int blocks, int steps, float* sink);

/* Adds 1 to *count, and writes it to *flag, which is pinned host memory. from (floats, at most MICRO_THREADS): what it
 * reads first, or NULL; its sum goes to *sink. */
cudaError_t micro_flag(cudaStream_t stream, const float* from, int floats, float* sink, uint32_t* count,
                       uint32_t* flag);

#ifdef __cplusplus
}
#else

/* --- measurements ------------------------------------------------------------------------------------------------- */

#include "cuda/cuda.h"
#include "util/error.h"

/* How much of everything. */
typedef struct micro_sizes {
  int nodes, launches; /* of a chain, and chains per measurement */
  int blocks;          /* of the kernels that fill the device */
  size_t floats;       /* read through the second-level cache */
  int passes, steps;
  int width, counts_max, products; /* of products: (width, width, width), most side by side, in a row */
  int obs, action, hidden, batch;  /* of an update's products */
  int population[3];               /* agents side by side */
  int waits;                       /* samples of a latency */
} micro_sizes;

typedef struct micro {
  micro_sizes size;
  cudaStream_t stream;
  cudaEvent_t begin, end;
  size_t third;    /* floats of each of the three parts of x: two operands and a result */
  float *x, *sink; /* x: normals */
  uint32_t* count;
  void* workspace;
  cublasHandle_t blas;
} micro;

#define MICRO_TRY(call) SAC_TRY(sac_cuda_check(0, (call), #call))

typedef sac_status micro_work(const micro* m, const void* what);

/* What `call` queues, as a graph to launch; nodes may be NULL. It is called once outside the capture, before it. */
sac_status micro_capture(const micro* m, micro_work* call, const void* what, cudaGraphExec_t* exec, size_t* nodes);

/* Median microseconds of `launches` launches of that graph, by the device's events. */
sac_status micro_measure(const micro* m, micro_work* call, const void* what, int launches, double* microseconds,
                         size_t* nodes);

int micro_compare(const void* a, const void* b); /* of doubles, for qsort */

/* micro_update.c: the products of an update, one by one and in a row. Floats that a part of x needs for them. */
size_t micro_update_floats(const micro_sizes* size);
sac_status micro_update(const micro* m);

/* micro_wait.c: how long the host waits for the device, by the host's clock. */
sac_status micro_wait(const micro* m);

#endif

#endif
