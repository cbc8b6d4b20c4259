// The host execution of the CUDA runtime (tests/support/cuda_host): injected faults, what it counts, and threads.
#include <cublas_v2.h>
#include <nvtx3/nvToolsExt.h>

#include <string>
#include <thread>

#include "support/cuda_host/check_cuda.h"

// x[i] = x[i] * factor + 1
__global__ static void scale(float* x, int n, float factor) {
  const int i = (int)(blockIdx.x * blockDim.x + threadIdx.x);
  if (i < n) x[i] = x[i] * factor + 1;
}

static void count_up(void* data) { (*(int*)data)++; }

// A program with one of everything; false at the first failure, with everything released.
// given: a handle of cuBLAS to use, which stays.
static bool program(int* status, cublasHandle_t given = NULL) {
  float *x = NULL, *pinned = NULL;
  cudaStream_t stream = NULL;
  cudaEvent_t event = NULL;
  cublasHandle_t blas = given;
  cudaGraph_t graph = NULL;
  cudaGraphExec_t exec = NULL;
  bool good = false, capturing = false;
  const float one = 1, zero = 0;
  *status = 0;
#define TRY(call) \
  if ((*status = (int)(call))) goto end

  // memory, a stream, an event and cuBLAS
  TRY(cudaMalloc(&x, 48));
  TRY(cudaMallocHost(&pinned, 16));
  TRY(cudaStreamCreate(&stream));
  TRY(cudaEventCreate(&event));
  if (!blas) TRY(cublasCreate(&blas));
  TRY(cublasSetStream(blas, stream));
  TRY(cudaMemsetAsync(x, 0, 48, stream));

  // a kernel and a product in a graph
  capturing = true;
  TRY(cudaStreamBeginCapture(stream, cudaStreamCaptureModeThreadLocal));
  SAC_LAUNCH(scale, 1, 4, 0, stream, x, 4, 1.0f);
  TRY(cudaGetLastError());
  TRY(cublasSgemm(blas, CUBLAS_OP_N, CUBLAS_OP_N, 2, 2, 2, &one, x, 2, x + 4, 2, &zero, x + 8, 2));

  // the graph runs, and its result comes back
  capturing = false;
  TRY(cudaStreamEndCapture(stream, &graph));
  TRY(cudaGraphInstantiate(&exec, graph, 0));
  TRY(cudaGraphLaunch(exec, stream));
  TRY(cudaMemcpyAsync(pinned, x, 16, cudaMemcpyDeviceToHost, stream));
  TRY(cudaEventRecord(event, stream));
  TRY(cudaEventSynchronize(event));
  good = true;
end:
  // release everything, as far as it came
  if (capturing) (void)cudaStreamEndCapture(stream, &graph);
  if (exec && cudaGraphExecDestroy(exec)) good = false;
  if (graph && cudaGraphDestroy(graph)) good = false;
  if (blas && blas != given && cublasDestroy(blas)) good = false;
  if (event && cudaEventDestroy(event)) good = false;
  if (stream && cudaStreamDestroy(stream)) good = false;
  if (cudaFreeHost(pinned)) good = false;
  if (cudaFree(x)) good = false;
  (void)cudaGetLastError();
  return good;
}

START_TEST(every_call_can_fail) {
  // how many calls the program makes
  int status;
  ck_assert(program(&status));
  const long calls = sac_cuda_host_calls();
  ck_assert_int_eq(calls, 23);

  // each of them fails once, and nothing leaks
  for (long nth = 1; nth <= calls; nth++) {
    sac_cuda_host_reset();
    sac_cuda_host_fail(nth, cudaErrorUnknown);
    ck_assert_msg(!program(&status), "call %ld", nth);
    ck_assert(status == cudaErrorUnknown || status == CUBLAS_STATUS_EXECUTION_FAILED || status == 0);
    ck_assert_msg(sac_cuda_host_leaks() == 0, "after a failure of call %ld: %zu left", nth, sac_cuda_host_leaks());
    ck_assert(program(&status));  // once only
  }

  // an error of cuBLAS
  sac_cuda_host_fail(5, CUBLAS_STATUS_ALLOC_FAILED);
  ck_assert(!program(&status));
  ck_assert_int_eq(status, CUBLAS_STATUS_ALLOC_FAILED);
  nothing_left();
}
END_TEST

START_TEST(fault_in_a_kernel) {
  // the second launch faults
  float* x = device_array<float>(1);
  OK(cudaMemset(x, 0, 4));
  sac_cuda_host_fault_in_kernel("sca", 2);
  SAC_LAUNCH(scale, 1, 1, 0, 0, x, 1, 1.0f);
  OK(cudaDeviceSynchronize());
  SAC_LAUNCH(scale, 1, 1, 0, 0, x, 1, 1.0f);
  int called = 0;
  OK(cudaLaunchHostFunc(0, count_up, &called));
  OK(cudaGetLastError());
  // the error comes with the next wait and stays
  GIVES(cudaDeviceSynchronize(), cudaErrorIllegalAddress);
  ck_assert_int_eq(called, 0);  // nothing runs after a fault
  GIVES(cudaGetLastError(), cudaErrorIllegalAddress);
  GIVES(cudaGetLastError(), cudaErrorIllegalAddress);  // sticky

  // nothing works any more, and what is destroyed counts as released
  float* y;
  GIVES(cudaMalloc(&y, 4), cudaErrorIllegalAddress);
  ck_assert(strstr(sac_cuda_host_message(), "scale"));
  GIVES(cudaFree(x), cudaErrorIllegalAddress);
  ck_assert_uint_eq(sac_cuda_host_leaks(), 0);

  // after a reset everything works again
  OK(cudaDeviceReset());
  OK(cudaMalloc(&y, 4));
  OK(cudaFree(y));
  nothing_left();
}
END_TEST

static void append(void* context, const char* name, long count) {
  *(std::string*)context += std::string(name) + "=" + std::to_string(count) + " ";
}

START_TEST(what_was_done) {
  int status;
  ck_assert(program(&status) && program(&status));
  std::string text;
  ck_assert_int_eq(sac_cuda_host_launches(append, &text), 4);
  ck_assert_str_eq(text.c_str(), "scale=2 gemm=2 ");
  nvtxRangePushA("critic_update");
  nvtxRangePush("actor_update");
  ck_assert_int_eq(sac_cuda_host_range_depth(), 2);
  nvtxRangePop();
  ck_assert_int_eq(sac_cuda_host_range_depth(), 1);
  ck_assert_str_eq(sac_cuda_host_range(1), "actor_update");
  ck_assert(!sac_cuda_host_range(2));
  nothing_left();
}
END_TEST

// Each thread keeps its handle of cuBLAS until all are done: to give one back would end the others' captures.
START_TEST(many_threads) {
  int good[4] = {0, 0, 0, 0};
  cublasHandle_t blas[4];
  for (cublasHandle_t& handle : blas) ck_assert_int_eq(cublasCreate(&handle), CUBLAS_STATUS_SUCCESS);
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; t++)
    threads.emplace_back([t, &good, &blas] {
      int status;
      for (int i = 0; i < 20; i++) good[t] += program(&status, blas[t]);
    });
  for (std::thread& t : threads) t.join();
  for (const cublasHandle_t handle : blas) ck_assert_int_eq(cublasDestroy(handle), CUBLAS_STATUS_SUCCESS);
  for (const int n : good) ck_assert_int_eq(n, 20);
  nothing_left();
}
END_TEST

CHECK_MAIN("cuda_host_faults", CASE(every_call_can_fail), CASE(fault_in_a_kernel), CASE(what_was_done),
           CASE(many_threads))
