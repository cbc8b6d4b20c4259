// The host execution of the CUDA model (tests/support/cuda_host), against facts of CUDA.
#include "cuda_host.h"
#include "kernels/cuda.cuh"
#include "support/check_main.h"

__global__ static void sums(float* x, int n) {
  float y[1] = {(float)threadIdx.x};
  sac_block_sums<float, 1>(y);
  if (threadIdx.x == 0) x[blockIdx.x] = y[0] * (float)n;
}
START_TEST(trivial) {
  float *device, host[3];
  ck_assert(!cudaMalloc(&device, sizeof host));
  SAC_LAUNCH(sums, 3, 64, 0, 0, device, 2);
  ck_assert(!cudaGetLastError());
  ck_assert(!cudaMemcpy(host, device, sizeof host, cudaMemcpyDeviceToHost));
  for (int i = 0; i < 3; ++i) ck_near(host[i], 63 * 64, 0);
  ck_assert(!cudaFree(device));
  ck_assert_uint_eq(sac_cuda_host_leaks(), 0);
}
END_TEST
CHECK_MAIN("cuda_host", CASE(trivial))
