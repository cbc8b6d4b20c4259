// For the tests of the host execution, in C++: checked calls, and arrays in device memory.
#ifndef TESTS_SUPPORT_CUDA_HOST_CHECK_CUDA_H
#define TESTS_SUPPORT_CUDA_HOST_CHECK_CUDA_H

#include <vector>

#include "cuda_host.h"
#include "kernels/cuda.cuh"
#include "support/check_main.h"

#define OK(call) ck_assert_msg((call) == cudaSuccess, "%s: %s", #call, cudaGetErrorName(cudaPeekAtLastError()))
#define GIVES(call, error)                                                                                          \
  do {                                                                                                              \
    const cudaError_t given = (call);                                                                               \
    ck_assert_msg(given == (error), "%s gave %s, not %s", #call, cudaGetErrorName(given), cudaGetErrorName(error)); \
  } while (0)

template <typename T>
static T* device_array(size_t n) {
  T* p;
  OK(cudaMalloc(&p, n * sizeof *p));
  return p;
}
template <typename T>
static std::vector<T> read_back(const T* device, size_t n) {
  std::vector<T> host(n);
  OK(cudaMemcpy(host.data(), device, n * sizeof(T), cudaMemcpyDeviceToHost));
  return host;
}
template <typename T>
static void write(T* device, const std::vector<T>& host) {
  OK(cudaMemcpy(device, host.data(), host.size() * sizeof(T), cudaMemcpyHostToDevice));
}
static inline void nothing_left() {
  ck_assert_uint_eq(sac_cuda_host_leaks(), 0);
  sac_cuda_host_reset();
}
static inline uint32_t bits_of(float x) {
  uint32_t b;
  memcpy(&b, &x, sizeof b);
  return b;
}
static inline float float_of(uint32_t b) {
  float x;
  memcpy(&x, &b, sizeof x);
  return x;
}
// A number in [-1, 1) with a full mantissa.
static inline float random_float(uint64_t* state) {
  *state = *state * 6364136223846793005u + 1442695040888963407u;
  return (float)(int32_t)(*state >> 32) * 0x1p-31f;
}

#endif
