/* A host execution of the CUDA model: the functions that tests use in addition to CUDA's own.
 *
 * The same .cu files and the same src/cuda files run on any machine when they are compiled with SAC_CUDA_HOST and this
 * folder first in the include path. The machine is strict: what CUDA leaves undefined or unordered becomes visible as a
 * difference, a NaN or an error.
 *   - The blocks of a grid run one after another; the threads of a block are fibers, which switch only at barriers,
 *     shuffles and the like. Blocks and threads run in natural order for seed 0, and in a shuffled order for any other.
 *     A barrier or shuffle that a thread (or a lane of the mask) does not reach is a fault, and reported. This includes
 *     threads that have exited, and lanes beyond the block.
 *   - The blocks of a cluster run together, and have dynamic shared memory only. What a block writes to another block's
 *     becomes visible at the next barrier at which it arrives, and is poison before. Writes that are too early, too
 * late or outside are faults.
 *   - Memory is filled with 0xff (a NaN): shared memory when a block starts, device and pinned memory when it is
 *     allocated, the target of a copy to pinned memory when the copy is queued, the target of cp.async until its wait.
 *   - Host code cannot access device memory: SIGSEGV, with a message. Under the address sanitizer, kernels and copies
 *     fail at the first byte beyond an allocation, in a freed one, or beyond the dynamic shared memory.
 *   - Work on a stream is queued, and runs when something waits for it. Only events order streams, and only
 * dependencies order the nodes of a graph: with a seed, the order is any that these allow.
 *   - Products (cublas_v2.h) have the same bits on every machine.
 * All functions may be called from any thread; one runs at a time.
 *
 * Mistakes that it does not find: a kernel that reads pageable memory (some devices can); a host that reads pinned
 * memory before a kernel has ended; blocks that affect each other in other ways than by their order; a race between two
 * barriers that no order of threads shows; a kernel that waits in a loop for another thread's write, which never ends.
 * Times mean nothing. There are no cooperative launches, no graphs inside a graph, and no float atomics. */
#ifndef TESTS_SUPPORT_CUDA_HOST_CUDA_HOST_H
#define TESTS_SUPPORT_CUDA_HOST_CUDA_HOST_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Resets the machine to its start, except for the seed: releases everything that is live, so that handles are invalid,
 * and resets sticky errors, injected faults, counters, names and settings. */
void sac_cuda_host_reset(void);

/* Sets the order of blocks, threads and streams; 0: natural. At the start it is the environment's SAC_CUDA_HOST_SEED,
 * or 0. */
void sac_cuda_host_seed(uint64_t seed);

/* --- the machine -------------------------------------------------------------------------------------------------- */
void sac_cuda_host_devices(int count);               /* 0 to 8; 2 at the start. CUDA_VISIBLE_DEVICES applies */
void sac_cuda_host_capability(int major, int minor); /* 9, 0 at the start */
void sac_cuda_host_driver(int version);              /* 13000 at the start; 0: no driver */
void sac_cuda_host_memory(size_t bytes);             /* of each device; 4 GiB at the start, 64 GiB at most */

/* --- faults ------------------------------------------------------------------------------------------------------- */
/* Makes the nth fallible call from now (1: the next), launches included, fail once with this error; n = 0 cancels it.
 * In a cuBLAS call the error is a cuBLAS status; any other number becomes CUBLAS_STATUS_EXECUTION_FAILED. The call then
 * does nothing, except that a free or destroy still releases. */
void sac_cuda_host_fail(long nth, int error);
long sac_cuda_host_calls(void); /* fallible calls so far */
/* Makes the nth execution from now (1: the next) of a kernel whose name begins so a fault: cudaErrorIllegalAddress,
 * which is sticky. */
void sac_cuda_host_fault_in_kernel(const char* name_prefix, int nth);
/* Invalidates the next `count` captures once they hold `nodes` nodes (0: every capture), as if another thread had made
 * a call that is forbidden during a capture: later calls on the stream fail, and so does cudaStreamEndCapture. */
void sac_cuda_host_break_captures(int count, size_t nodes);
const char* sac_cuda_host_message(void); /* the last fault of a kernel, or "" */

/* --- what was done ------------------------------------------------------------------------------------------------ */
/* Live allocations (device and pinned), streams, events, graphs, executable graphs, cuBLAS handles. */
size_t sac_cuda_host_leaks(void);
/* Counts of kernels executed so far, by name and in the order of their first execution; a product counts as "gemm".
 * NULL: only their sum. */
long sac_cuda_host_launches(void (*each)(void* context, const char* name, long count), void* context);
/* The name of the ith nvtx range that was pushed, NULL beyond the last; and the number of ranges that are open. */
const char* sac_cuda_host_range(size_t i);
int sac_cuda_host_range_depth(void);

#ifdef __cplusplus
}
#endif
#endif
