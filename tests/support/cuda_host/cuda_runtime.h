// What a .cu file includes when the host compiler builds it: CUDA's keywords, launches and intrinsics. The parts of
// kernels/cuda.cuh that are PTX for a device are C++ here, and do the same.
#ifndef TESTS_SUPPORT_CUDA_HOST_CUDA_RUNTIME_H
#define TESTS_SUPPORT_CUDA_HOST_CUDA_RUNTIME_H

#include <cuda_runtime_api.h>
#include <math.h>
#include <string.h>

#include <cstddef>
#include <tuple>
#include <type_traits>
#include <utility>

#define __global__
#define __device__
#define __host__
#define __constant__
#define __forceinline__ inline __attribute__((always_inline))
#define __launch_bounds__(...)
#define __align__(n) __attribute__((aligned(n)))
// One block runs at a time, so __shared__ variables are static; blocks of a cluster have none. The tag becomes part of
// the symbol's name, by which shared.cpp finds the variables to fill them before a block. "used" stops the compiler
// from assuming that it knows every write.
#define __shared__ static __attribute__((used, abi_tag("sac_shared")))

// --- the thread that runs --------------------------------------------------------------------------------------------
struct cuda_host_thread {
  uint3 thread, block;
  dim3 block_size, grid_size;
  unsigned rank;  // of the block in its cluster
  unsigned char* dynamic_shared;
};
extern cuda_host_thread cuda_host_now;
inline constexpr const uint3& threadIdx = cuda_host_now.thread;
inline constexpr const uint3& blockIdx = cuda_host_now.block;
inline constexpr const dim3& blockDim = cuda_host_now.block_size;
inline constexpr const dim3& gridDim = cuda_host_now.grid_size;
inline constexpr int warpSize = 32;

#define SAC_DYNAMIC_SHARED(type, name) type* name = reinterpret_cast<type*>(cuda_host_now.dynamic_shared)

// --- launches --------------------------------------------------------------------------------------------------------
#define SAC_LAUNCH(kernel, grid, block, shared, stream, ...) \
  cuda_host_launch(#kernel, kernel, 1, grid, block, shared, stream, ##__VA_ARGS__)
#define SAC_LAUNCH_CLUSTER(kernel, cluster, grid, block, shared, stream, ...) \
  cuda_host_launch(#kernel, kernel, cluster, grid, block, shared, stream, ##__VA_ARGS__)

// A launch with its arguments as they were when it was queued. Every thread gets its own copy.
struct cuda_host_call {
  virtual ~cuda_host_call() = default;
  virtual void run() const = 0;
};
template <typename... P>
struct cuda_host_kernel final : cuda_host_call {
  void (*kernel)(P...);
  std::tuple<P...> arguments;
  cuda_host_kernel(void (*k)(P...), P... a) : kernel(k), arguments(a...) {}
  void run() const override { std::apply(kernel, arguments); }
};
void cuda_host_enqueue(const char* name, const void* function, unsigned cluster, dim3 grid, dim3 block, size_t shared,
                       cudaStream_t stream, cuda_host_call* call);  // takes the call

template <typename... P, typename... A>
void cuda_host_launch(const char* name, void (*kernel)(P...), unsigned cluster, dim3 grid, dim3 block, size_t shared,
                      cudaStream_t stream, A&&... arguments) {
  static_assert(sizeof...(P) == sizeof...(A), "a kernel takes as many arguments as it declares");
  static_assert((std::is_trivially_copyable_v<P> && ...), "kernel arguments are copied byte by byte");
  static_assert((sizeof(P) + ... + 0) <= 4096, "kernel arguments take at most 4 KiB");
  cuda_host_enqueue(name, reinterpret_cast<const void*>(kernel), cluster, grid, block, shared, stream,
                    new cuda_host_kernel<P...>(kernel, std::forward<A>(arguments)...));
}
template <typename... P>
cudaError_t cudaFuncSetAttribute(void (*kernel)(P...), cudaFuncAttribute attribute, int value) {
  return cudaFuncSetAttribute(reinterpret_cast<const void*>(kernel), attribute, value);
}
template <typename... P>
cudaError_t cudaFuncGetAttributes(cudaFuncAttributes* attributes, void (*kernel)(P...)) {
  return cudaFuncGetAttributes(attributes, reinterpret_cast<const void*>(kernel));
}
template <typename T>
cudaError_t cudaMalloc(T** pointer, size_t size) {
  return cudaMalloc(reinterpret_cast<void**>(pointer), size);
}
template <typename T>
cudaError_t cudaMallocHost(T** pointer, size_t size) {
  return cudaMallocHost(reinterpret_cast<void**>(pointer), size);
}
template <typename T>
cudaError_t cudaHostAlloc(T** pointer, size_t size, unsigned flags) {
  return cudaHostAlloc(reinterpret_cast<void**>(pointer), size, flags);
}

// --- barriers: each belongs to one place in the source, so calls pass file and line ----------------------------------
enum cuda_host_kind {
  cuda_host_syncthreads,
  cuda_host_syncwarp,
  cuda_host_shfl,
  cuda_host_shfl_up,
  cuda_host_shfl_down,
  cuda_host_shfl_xor,
  cuda_host_ballot,
  cuda_host_mma
};
unsigned cuda_host_barrier(bool predicate, const char* file, int line);  // how many threads had a true predicate
uint64_t cuda_host_warp(cuda_host_kind kind, unsigned mask, uint64_t value, unsigned lane, int width, const char* file,
                        int line);
[[noreturn]] void cuda_host_trap(const char* file, int line);
#define CUDA_HOST_PLACE const char *file = __builtin_FILE(), int line = __builtin_LINE()

inline void __syncthreads(CUDA_HOST_PLACE) { cuda_host_barrier(false, file, line); }
inline int __syncthreads_count(int predicate, CUDA_HOST_PLACE) {
  return static_cast<int>(cuda_host_barrier(predicate != 0, file, line));
}
inline int __syncthreads_or(int predicate, CUDA_HOST_PLACE) {
  return cuda_host_barrier(predicate != 0, file, line) != 0;
}
inline int __syncthreads_and(int predicate, CUDA_HOST_PLACE) {
  return cuda_host_barrier(predicate == 0, file, line) == 0;
}
inline void __threadfence() {}
inline void __threadfence_block() {}
inline void __threadfence_system() {}
[[noreturn]] inline void __trap(CUDA_HOST_PLACE) { cuda_host_trap(file, line); }

// --- warps -----------------------------------------------------------------------------------------------------------
inline void __syncwarp(unsigned mask = 0xffffffffu, CUDA_HOST_PLACE) {
  cuda_host_warp(cuda_host_syncwarp, mask, 0, 0, 32, file, line);
}
inline unsigned __ballot_sync(unsigned mask, int predicate, CUDA_HOST_PLACE) {
  return static_cast<unsigned>(cuda_host_warp(cuda_host_ballot, mask, predicate != 0, 0, 32, file, line));
}
inline int __any_sync(unsigned mask, int predicate, CUDA_HOST_PLACE) {
  return __ballot_sync(mask, predicate, file, line) != 0;
}
inline int __all_sync(unsigned mask, int predicate, CUDA_HOST_PLACE) {
  return __ballot_sync(mask, predicate, file, line) == mask;
}

// A lane that is not in the mask has no value: others read 0xff in every byte.
template <typename T>
inline T cuda_host_shuffle(cuda_host_kind kind, unsigned mask, T x, unsigned lane, int width, const char* file,
                           int line) {
  static_assert(std::is_arithmetic_v<T> && (sizeof(T) == 4 || sizeof(T) == 8), "shuffles move 4 or 8 bytes");
  uint64_t bits = 0;
  memcpy(&bits, &x, sizeof x);
  bits = cuda_host_warp(kind, mask, bits, lane, width, file, line);
  memcpy(&x, &bits, sizeof x);
  return x;
}
template <typename T>
inline T __shfl_sync(unsigned mask, T x, int lane, int width = 32, CUDA_HOST_PLACE) {
  return cuda_host_shuffle(cuda_host_shfl, mask, x, static_cast<unsigned>(lane), width, file, line);
}
template <typename T>
inline T __shfl_up_sync(unsigned mask, T x, unsigned delta, int width = 32, CUDA_HOST_PLACE) {
  return cuda_host_shuffle(cuda_host_shfl_up, mask, x, delta, width, file, line);
}
template <typename T>
inline T __shfl_down_sync(unsigned mask, T x, unsigned delta, int width = 32, CUDA_HOST_PLACE) {
  return cuda_host_shuffle(cuda_host_shfl_down, mask, x, delta, width, file, line);
}
template <typename T>
inline T __shfl_xor_sync(unsigned mask, T x, int lanes, int width = 32, CUDA_HOST_PLACE) {
  return cuda_host_shuffle(cuda_host_shfl_xor, mask, x, static_cast<unsigned>(lanes), width, file, line);
}

// --- kernels/cuda.cuh: clusters, tensor cores, asynchronous copies, the order of loads -------------------------------
inline int sac_cluster_rank() { return static_cast<int>(cuda_host_now.rank); }
void cuda_host_cluster_arrive(const char* file, int line);
void cuda_host_cluster_wait(const char* file, int line);
inline void sac_cluster_begin(CUDA_HOST_PLACE) { cuda_host_cluster_arrive(file, line); }
inline void sac_cluster_arrive(CUDA_HOST_PLACE) { cuda_host_cluster_arrive(file, line); }
inline void sac_cluster_wait(CUDA_HOST_PLACE) { cuda_host_cluster_wait(file, line); }
void sac_cluster_put(float* mine, int rank, float x);
struct cuda_host_fragments {
  float* d;
  const uint32_t *a, *b;
};
// Sums in float, in the order of k, starting from D. As on a device, only the upper 19 bits of a TF32 operand are read.
inline void sac_mma_tf32(float d[4], const uint32_t a[4], const uint32_t b[2], CUDA_HOST_PLACE) {
  const cuda_host_fragments fragments = {d, a, b};
  cuda_host_warp(cuda_host_mma, 0xffffffffu, reinterpret_cast<uintptr_t>(&fragments), 0, 32, file, line);
}
inline uint32_t sac_to_tf32(float x) {
  uint32_t bits;
  memcpy(&bits, &x, sizeof bits);
  if ((bits & 0x7fffffffu) > 0x7f800000u) return 0x7fffffffu;  // the canonical NaN
  if ((bits & 0x7f800000u) == 0x7f800000u) return bits;        // infinity
  return (bits + 0x1000u) & 0xffffe000u;  // half an ulp of TF32, then cut: ties away from zero; may become infinity
}
inline void sac_loads_first(CUDA_HOST_PLACE) { __syncwarp(0xffffffffu, file, line); }
void sac_copy_async(void* shared, const void* global);
void sac_copy_commit();
void cuda_host_copy_wait(int newest);
template <int newest>
inline void sac_copy_wait() {
  cuda_host_copy_wait(newest);
}

// --- atomics. None on float: their order would show in the result ----------------------------------------------------
#define CUDA_HOST_ATOMICS(T)                                                          \
  inline T atomicAdd(T* x, T y) { return std::exchange(*x, static_cast<T>(*x + y)); } \
  inline T atomicMax(T* x, T y) { return std::exchange(*x, *x < y ? y : *x); }        \
  inline T atomicMin(T* x, T y) { return std::exchange(*x, y < *x ? y : *x); }        \
  inline T atomicExch(T* x, T y) { return std::exchange(*x, y); }                     \
  inline T atomicOr(T* x, T y) { return std::exchange(*x, *x | y); }                  \
  inline T atomicAnd(T* x, T y) { return std::exchange(*x, *x & y); }                 \
  inline T atomicCAS(T* x, T expected, T y) { return std::exchange(*x, *x == expected ? y : *x); }
CUDA_HOST_ATOMICS(int)
CUDA_HOST_ATOMICS(unsigned)
CUDA_HOST_ATOMICS(unsigned long long)
#undef CUDA_HOST_ATOMICS
float atomicAdd(float*, float) = delete;
double atomicAdd(double*, double) = delete;
inline unsigned atomicInc(unsigned* x, unsigned limit) { return std::exchange(*x, *x >= limit ? 0u : *x + 1); }

// --- arithmetic ------------------------------------------------------------------------------------------------------
template <typename T>
inline T __ldg(const T* x) {
  return *x;
}
template <typename T>
inline T __ldcg(const T* x) {
  return *x;
}
inline float __fmul_rn(float a, float b) { return a * b; }
inline float __fadd_rn(float a, float b) { return a + b; }
inline float __fsub_rn(float a, float b) { return a - b; }
inline float __fdiv_rn(float a, float b) { return a / b; }
inline float __fsqrt_rn(float a) { return sqrtf(a); }
inline float __fmaf_rn(float a, float b, float c) { return __builtin_fmaf(a, b, c); }
inline double __dmul_rn(double a, double b) { return a * b; }
inline double __dadd_rn(double a, double b) { return a + b; }
inline double __fma_rn(double a, double b, double c) { return __builtin_fma(a, b, c); }
inline int __popc(unsigned x) { return __builtin_popcount(x); }
inline int __ffs(int x) { return __builtin_ffs(x); }
inline int __clz(int x) { return x ? __builtin_clz(static_cast<unsigned>(x)) : 32; }
inline unsigned __umulhi(unsigned a, unsigned b) { return static_cast<unsigned>(static_cast<uint64_t>(a) * b >> 32); }
inline unsigned long long __umul64hi(unsigned long long a, unsigned long long b) {
  return static_cast<unsigned long long>(static_cast<unsigned __int128>(a) * b >> 64);
}
#define CUDA_HOST_BITS(name, from, to) \
  inline to name(from x) {             \
    to y;                              \
    memcpy(&y, &x, sizeof y);          \
    return y;                          \
  }
CUDA_HOST_BITS(__float_as_uint, float, unsigned)
CUDA_HOST_BITS(__uint_as_float, unsigned, float)
CUDA_HOST_BITS(__float_as_int, float, int)
CUDA_HOST_BITS(__int_as_float, int, float)
CUDA_HOST_BITS(__double_as_longlong, double, long long)
CUDA_HOST_BITS(__longlong_as_double, long long, double)
#undef CUDA_HOST_BITS
#define CUDA_HOST_MIN_MAX(T)                       \
  inline T min(T a, T b) { return b < a ? b : a; } \
  inline T max(T a, T b) { return a < b ? b : a; }
CUDA_HOST_MIN_MAX(int)
CUDA_HOST_MIN_MAX(unsigned)
CUDA_HOST_MIN_MAX(long)
CUDA_HOST_MIN_MAX(unsigned long)
CUDA_HOST_MIN_MAX(long long)
CUDA_HOST_MIN_MAX(unsigned long long)
#undef CUDA_HOST_MIN_MAX
inline float min(float a, float b) { return fminf(a, b); }
inline float max(float a, float b) { return fmaxf(a, b); }
inline double min(double a, double b) { return fmin(a, b); }
inline double max(double a, double b) { return fmax(a, b); }

// --- vectors ---------------------------------------------------------------------------------------------------------
#define CUDA_HOST_MAKE(T, name)                                      \
  inline name##2 make_##name##2(T x, T y) { return {x, y}; }         \
  inline name##3 make_##name##3(T x, T y, T z) { return {x, y, z}; } \
  inline name##4 make_##name##4(T x, T y, T z, T w) { return {x, y, z, w}; }
CUDA_HOST_MAKE(float, float)
CUDA_HOST_MAKE(int, int)
CUDA_HOST_MAKE(unsigned, uint)
CUDA_HOST_MAKE(double, double)
CUDA_HOST_MAKE(long long, longlong)
CUDA_HOST_MAKE(unsigned long long, ulonglong)
#undef CUDA_HOST_MAKE

#endif
