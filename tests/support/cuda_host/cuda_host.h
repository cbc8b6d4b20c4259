/* A host execution of the CUDA model: what tests use besides the CUDA functions themselves.
 *
 * The same .cu files and the same src/cuda files run on any machine, compiled with SAC_CUDA_HOST and this folder first
 * in the include path. It is a strict machine: what CUDA leaves undefined or unordered shows here as a difference, a
 * NaN or an error.
 *   - A grid's blocks run in turn; a block's threads are fibers, which change only at barriers, shuffles and the like.
 *     Order of blocks and threads: natural for seed 0, shuffled for any other. A barrier or shuffle that not every
 *     thread (or lane of its mask) reaches is reported, and faults: exited threads and lanes beyond the block too.
 *   - The blocks of a cluster run together, and have dynamic shared memory alone. What one writes into another's is
 *     there after the barrier that it arrives at next, and poison before. Writes that come too early, too late or
 *     astray are faults.
 *   - Shared memory is full of 0xff (a NaN) when a block starts, device and pinned memory when allocated, the target
 *     of a copy to pinned memory when the copy is queued, the target of cp.async until its wait.
 *   - Device memory cannot be touched by host code: SIGSEGV, with a message. Under the address sanitizer, kernels
 *     (and copies) are stopped at the first byte beyond an allocation, a freed one, or the dynamic shared memory.
 *   - Work on a stream is queued, and runs when something waits for it. Streams are ordered by events only, and graph
 *     nodes by their dependencies only: with a seed, in any order that these allow.
 *   - Products (cublas_v2.h) have the same bits on every machine.
 * All functions may be called from any thread; one at a time runs.
 *
 * What it does not see: a kernel that reads pageable memory (a device may, or may not); what the host reads in pinned
 * memory before a kernel has ended; blocks that disturb each other other than by their order; a race between two
 * barriers that every order of threads hides; a kernel that spins on another thread's write, which never ends. Times
 * mean nothing. There is no cooperative launch, no graph in a graph, and no float atomics. */
#ifndef TESTS_SUPPORT_CUDA_HOST_CUDA_HOST_H
#define TESTS_SUPPORT_CUDA_HOST_CUDA_HOST_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Back to a machine just started: everything live is released (handles to it are dead), sticky errors, injected
 * faults, counters, names and settings are as at the start. The seed stays. */
void sac_cuda_host_reset(void);

/* The order of blocks, threads and streams; 0: natural. At the start it is SAC_CUDA_HOST_SEED of the environment, or 0.
 */
void sac_cuda_host_seed(uint64_t seed);

/* ---- the machine ---- */
void sac_cuda_host_devices(int count);               /* 0 to 8; 2 at the start. CUDA_VISIBLE_DEVICES is honoured */
void sac_cuda_host_capability(int major, int minor); /* 9, 0 at the start */
void sac_cuda_host_driver(int version);              /* 13000 at the start; 0: no driver */
void sac_cuda_host_memory(size_t bytes);             /* of each device; 4 GiB at the start, 64 GiB at most */

/* ---- faults ---- */
/* The nth fallible call from now (1: the next), launches included, fails once with this error; 0 takes it back. In a
 * cuBLAS call the error is a cuBLAS status; one that is none becomes CUBLAS_STATUS_EXECUTION_FAILED. The call then does
 * nothing, but a free or destroy does release. */
void sac_cuda_host_fail(long nth, int error);
long sac_cuda_host_calls(void); /* fallible calls so far */
/* The nth execution from now (1: the next) of a kernel whose name begins so faults: cudaErrorIllegalAddress, sticky. */
void sac_cuda_host_fault_in_kernel(const char* name_prefix, int nth);
/* The next `count` captures that come to hold `nodes` nodes (0: all) end there, as if another thread had done what none
 * may do meanwhile: each further call on the stream fails, and so does cudaStreamEndCapture. */
void sac_cuda_host_break_captures(int count, size_t nodes);
const char* sac_cuda_host_message(void); /* the last fault of a kernel, or "" */

/* ---- what was done ---- */
/* Live allocations (device and pinned), streams, events, graphs, executable graphs, cuBLAS handles. */
size_t sac_cuda_host_leaks(void);
/* Kernels executed so far by name, in order of first execution; also "gemm" for a product. NULL: only the sum. */
long sac_cuda_host_launches(void (*each)(void* context, const char* name, long count), void* context);
/* The ith nvtx range pushed, NULL beyond the last; how many are open. */
const char* sac_cuda_host_range(size_t i);
int sac_cuda_host_range_depth(void);

#ifdef __cplusplus
}
#endif
#endif
