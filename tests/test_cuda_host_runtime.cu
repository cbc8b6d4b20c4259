// The host execution of the CUDA runtime (tests/support/cuda_host): memory, streams, graphs, devices.
// Kernels: test_cuda_host.cu; products: test_cuda_host_products.cu; faults: test_cuda_host_faults.cu.
#include "support/cuda_host/check_cuda.h"

// x[i] = x[i] * factor + 1
__global__ static void scale(float* x, int n, float factor) {
  const int i = (int)(blockIdx.x * blockDim.x + threadIdx.x);
  if (i < n) x[i] = x[i] * factor + 1;
}

// --- memory ----------------------------------------------------------------------------------------------------------
START_TEST(kinds_of_memory) {
  float *device = device_array<float>(10), *pinned, pageable[4];
  OK(cudaMallocHost(&pinned, 40));
  ck_assert(isnan(pinned[9]));
  for (const float x : read_back(device, 10)) ck_assert(isnan(x));
  cudaPointerAttributes a;
  OK(cudaPointerGetAttributes(&a, device + 9));
  ck_assert(a.type == cudaMemoryTypeDevice && a.device == 0 && a.devicePointer == device + 9 && !a.hostPointer);
  OK(cudaPointerGetAttributes(&a, pinned + 9));
  ck_assert(a.type == cudaMemoryTypeHost && a.hostPointer == pinned + 9);
  OK(cudaPointerGetAttributes(&a, pageable));
  ck_assert(a.type == cudaMemoryTypeUnregistered);
  ck_assert_uint_eq((uintptr_t)device % 256, 0);

  GIVES(cudaMemcpy(pageable, device, 16, cudaMemcpyHostToDevice), cudaErrorInvalidValue);
  GIVES(cudaMemcpy(device, pageable, 16, cudaMemcpyDeviceToHost), cudaErrorInvalidValue);
  GIVES(cudaMemcpy(device, device, 44, cudaMemcpyDeviceToDevice), cudaErrorInvalidValue);  // beyond its end
  GIVES(cudaMemset(pageable, 0, 4), cudaErrorInvalidValue);
  GIVES(cudaFree(device + 1), cudaErrorInvalidValue);
  GIVES(cudaFree(pinned), cudaErrorInvalidValue);
  GIVES(cudaFreeHost(device), cudaErrorInvalidValue);

  // a kernel may use pinned memory
  for (int i = 0; i < 10; i++) pinned[i] = (float)i;
  SAC_LAUNCH(scale, 1, 32, 0, 0, pinned, 10, 2.0f);
  ck_near(pinned[3], 3, 0);  // not yet
  OK(cudaDeviceSynchronize());
  ck_near(pinned[3], 7, 0);
  OK(cudaFree(device));
  OK(cudaFreeHost(pinned));
  OK(cudaFree(NULL));
  nothing_left();
}
END_TEST

START_TEST(out_of_memory) {
  size_t available, total;
  sac_cuda_host_memory(1 << 20);
  float *a = NULL, *b = (float*)1;
  OK(cudaMalloc(&a, 600 << 10));
  OK(cudaMemGetInfo(&available, &total));
  ck_assert_uint_eq(total, 1 << 20);
  ck_assert_uint_eq(available, (1 << 20) - (600 << 10));
  GIVES(cudaMalloc(&b, 600 << 10), cudaErrorMemoryAllocation);
  ck_assert(!b);
  GIVES(cudaGetLastError(), cudaErrorMemoryAllocation);
  GIVES(cudaGetLastError(), cudaSuccess);
  OK(cudaFree(a));
  OK(cudaMalloc(&b, 600 << 10));
  OK(cudaFree(b));
  nothing_left();
}
END_TEST

START_TEST(copies_of_rows) {
  std::vector<float> host(12);
  for (size_t i = 0; i < 12; i++) host[i] = (float)i;
  float* device = device_array<float>(20);
  OK(cudaMemset(device, 0, 80));
  OK(cudaMemcpy2D(device, 20, host.data(), 12, 12, 4, cudaMemcpyHostToDevice));  // 4 rows of 3 into rows of 5
  OK(cudaMemset2DAsync(device + 3, 20, 0xff, 4, 4, 0));
  const auto got = read_back(device, 20);
  for (size_t i = 0; i < 20; i++) {
    if (i % 5 < 3) ck_near(got[i], host[i / 5 * 3 + i % 5], 0);
    else ck_assert(i % 5 == 3 ? isnan(got[i]) : got[i] == 0);
  }
  OK(cudaFree(device));
  nothing_left();
}
END_TEST

// --- streams ---------------------------------------------------------------------------------------------------------
START_TEST(nothing_before_the_wait) {
  float *device = device_array<float>(4), *pinned, pageable[4] = {1, 2, 3, 4};
  cudaStream_t stream;
  OK(cudaMallocHost(&pinned, 16));
  OK(cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking));
  OK(cudaMemcpyAsync(device, pageable, 16, cudaMemcpyHostToDevice, stream));
  pageable[0] = 100;  // staged when it was queued
  SAC_LAUNCH(scale, 1, 4, 0, stream, device, 4, 10.0f);
  for (int i = 0; i < 4; i++) pinned[i] = 5;
  OK(cudaMemcpyAsync(pinned, device, 16, cudaMemcpyDeviceToHost, stream));
  for (int i = 0; i < 4; i++) ck_assert(isnan(pinned[i]));
  OK(cudaStreamSynchronize(stream));
  for (int i = 0; i < 4; i++) ck_near(pinned[i], (i + 1) * 10 + 1, 0);

  // from pinned memory a copy reads when it runs; to pageable memory it is done on return
  OK(cudaMemcpyAsync(device, pinned, 16, cudaMemcpyHostToDevice, stream));
  pinned[0] = 7;
  OK(cudaMemcpyAsync(pageable, device, 16, cudaMemcpyDeviceToHost, stream));
  ck_near(pageable[0], 7, 0);
  OK(cudaStreamDestroy(stream));
  OK(cudaFree(device));
  OK(cudaFreeHost(pinned));
  nothing_left();
}
END_TEST

static void count_up(void* data) { (*(int*)data)++; }
START_TEST(events_order_streams) {
  float* x = device_array<float>(1);
  cudaStream_t a, b;
  cudaEvent_t event, timed[2];
  OK(cudaStreamCreateWithFlags(&a, cudaStreamNonBlocking));
  OK(cudaStreamCreateWithFlags(&b, cudaStreamNonBlocking));
  OK(cudaEventCreateWithFlags(&event, cudaEventDisableTiming));
  OK(cudaEventCreate(&timed[0]));
  OK(cudaEventCreate(&timed[1]));

  // without the event, b copies before a has written
  float got[2];
  for (int ordered = 0; ordered < 2; ordered++) {
    OK(cudaDeviceSynchronize());
    OK(cudaMemset(x, 0, 4));
    OK(cudaDeviceSynchronize());
    OK(cudaEventRecord(timed[0], a));
    SAC_LAUNCH(scale, 1, 1, 0, a, x, 1, 1.0f);
    OK(cudaEventRecord(timed[1], a));
    OK(cudaEventRecord(event, a));
    if (ordered) OK(cudaStreamWaitEvent(b, event, 0));
    OK(cudaMemcpyAsync(got + ordered, x, 4, cudaMemcpyDeviceToHost, b));
  }
  ck_near(got[0], 0, 0);
  ck_near(got[1], 1, 0);

  // times
  float milliseconds;
  OK(cudaEventSynchronize(timed[1]));
  OK(cudaEventElapsedTime(&milliseconds, timed[0], timed[1]));
  ck_assert(milliseconds >= 0);
  GIVES(cudaEventElapsedTime(&milliseconds, timed[0], event), cudaErrorInvalidResourceHandle);

  // host functions run in the stream's order
  int called = 0;
  OK(cudaLaunchHostFunc(a, count_up, &called));
  ck_assert_int_eq(called, 0);
  OK(cudaStreamQuery(a));
  ck_assert_int_eq(called, 1);

  // the legacy stream waits for blocking streams, and they for it
  cudaStream_t blocking;
  OK(cudaStreamCreate(&blocking));
  OK(cudaMemset(x, 0, 4));
  SAC_LAUNCH(scale, 1, 1, 0, blocking, x, 1, 1.0f);
  ck_near(read_back(x, 1)[0], 1, 0);
  OK(cudaStreamDestroy(a)), OK(cudaStreamDestroy(b)), OK(cudaStreamDestroy(blocking));
  OK(cudaEventDestroy(event)), OK(cudaEventDestroy(timed[0])), OK(cudaEventDestroy(timed[1]));
  GIVES(cudaStreamSynchronize(a), cudaErrorInvalidResourceHandle);
  OK(cudaFree(x));
  nothing_left();
}
END_TEST

// --- graphs ----------------------------------------------------------------------------------------------------------
static void work(cudaStream_t main, cudaStream_t side, cudaEvent_t fork, cudaEvent_t join, float* x, float* pinned) {
  SAC_LAUNCH(scale, 1, 4, 0, main, x, 4, 2.0f);
  OK(cudaEventRecord(fork, main));
  OK(cudaStreamWaitEvent(side, fork, 0));
  SAC_LAUNCH(scale, 1, 4, 0, side, x + 4, 4, 3.0f);
  SAC_LAUNCH(scale, 1, 4, 0, main, x, 4, 5.0f);
  OK(cudaEventRecord(join, side));
  OK(cudaStreamWaitEvent(main, join, 0));
  SAC_LAUNCH(scale, 1, 8, 0, main, x, 8, 2.0f);  // after both
  OK(cudaMemcpyAsync(pinned, x, 32, cudaMemcpyDeviceToHost, main));
}
START_TEST(replay_equals_eager) {
  // two streams that fork and join, run three times without a graph
  sac_cuda_host_seed((uint64_t)_i);
  float *x = device_array<float>(8), *pinned;
  cudaStream_t main, side;
  cudaEvent_t fork, join;
  cudaGraph_t graph;
  cudaGraphExec_t exec;
  OK(cudaMallocHost(&pinned, 32));
  OK(cudaStreamCreateWithFlags(&main, cudaStreamNonBlocking));
  OK(cudaStreamCreateWithFlags(&side, cudaStreamNonBlocking));
  OK(cudaEventCreateWithFlags(&fork, cudaEventDisableTiming));
  OK(cudaEventCreateWithFlags(&join, cudaEventDisableTiming));
  OK(cudaMemsetAsync(x, 0, 32, main));
  for (int i = 0; i < 3; i++) work(main, side, fork, join, x, pinned);
  OK(cudaStreamSynchronize(main));
  const std::vector<float> eager(pinned, pinned + 8);

  // the same work captured: five nodes, of which the last is the copy
  OK(cudaStreamBeginCapture(main, cudaStreamCaptureModeThreadLocal));
  cudaStreamCaptureStatus status;
  work(main, side, fork, join, x, pinned);
  OK(cudaStreamIsCapturing(side, &status));
  ck_assert(status == cudaStreamCaptureStatusActive);
  OK(cudaStreamEndCapture(main, &graph));
  OK(cudaStreamIsCapturing(side, &status));
  ck_assert(status == cudaStreamCaptureStatusNone);
  size_t nodes = 0;
  OK(cudaGraphGetNodes(graph, NULL, &nodes));
  ck_assert_uint_eq(nodes, 5);
  std::vector<cudaGraphNode_t> all(nodes);
  OK(cudaGraphGetNodes(graph, all.data(), &nodes));
  cudaGraphNodeType type;
  OK(cudaGraphNodeGetType(all[4], &type));
  ck_assert(type == cudaGraphNodeTypeMemcpy);
  ck_assert(pinned[0] == eager[0]);  // a capture runs nothing

  // the graph, run three times, has the same bits
  OK(cudaGraphInstantiate(&exec, graph, 0));
  OK(cudaGraphDestroy(graph));
  OK(cudaGraphUpload(exec, main));
  OK(cudaMemsetAsync(x, 0, 32, main));
  for (int i = 0; i < 3; i++) OK(cudaGraphLaunch(exec, main));
  ck_assert(isnan(pinned[0]));
  OK(cudaStreamSynchronize(main));
  ck_same_bits(pinned, eager, 8);
  OK(cudaGraphExecDestroy(exec));
  OK(cudaStreamDestroy(main)), OK(cudaStreamDestroy(side));
  OK(cudaEventDestroy(fork)), OK(cudaEventDestroy(join));
  OK(cudaFree(x)), OK(cudaFreeHost(pinned));
  sac_cuda_host_seed(0);
  nothing_left();
}
END_TEST

START_TEST(not_while_capturing) {
  // a stream that captures
  cudaStream_t stream;
  cudaGraph_t graph;
  cudaGraphExec_t exec = NULL;
  float *x = device_array<float>(1), *y = NULL, host;
  cudaEvent_t event;
  OK(cudaEventCreate(&event));
  OK(cudaStreamCreate(&stream));
  OK(cudaStreamBeginCapture(stream, cudaStreamCaptureModeThreadLocal));
  GIVES(cudaStreamBeginCapture(stream, cudaStreamCaptureModeThreadLocal), cudaErrorIllegalState);

  // a call that is not allowed while the stream captures
  switch (_i) {
    case 0:
      GIVES(cudaMalloc(&y, 4), cudaErrorStreamCaptureUnsupported);
      break;
    case 1:
      GIVES(cudaMemcpy(&host, x, 4, cudaMemcpyDeviceToHost), cudaErrorStreamCaptureUnsupported);
      break;
    case 2:
      GIVES(cudaStreamSynchronize(stream), cudaErrorStreamCaptureUnsupported);
      break;
    case 3:
      GIVES(cudaDeviceSynchronize(), cudaErrorStreamCaptureUnsupported);
      break;
    case 4:
      GIVES(cudaMemcpyAsync(&host, x, 4, cudaMemcpyDeviceToHost, stream), cudaErrorStreamCaptureUnsupported);
      break;
    case 5:
      GIVES(cudaMemsetAsync(x, 0, 4, 0), cudaErrorStreamCaptureImplicit);
      break;
    case 6:
      GIVES(cudaGraphLaunch(exec, stream), cudaErrorInvalidValue);
      break;
    case 7:
      OK(cudaEventRecord(event, stream));
      GIVES(cudaEventSynchronize(event), cudaErrorCapturedEvent);
      break;
    case 8:
      GIVES(cudaStreamQuery(stream), cudaErrorStreamCaptureUnsupported);
      break;
    default:
      break;
  }

  // the call breaks the capture, except for one that is refused before it
  if (_i == 6) {  // the capture goes on
    OK(cudaStreamEndCapture(stream, &graph));
    OK(cudaGraphDestroy(graph));
  } else {
    GIVES(cudaMemsetAsync(x, 0, 4, stream), cudaErrorStreamCaptureInvalidated);
    GIVES(cudaStreamEndCapture(stream, &graph), cudaErrorStreamCaptureInvalidated);
    ck_assert(!graph);
  }
  OK(cudaMalloc(&y, 4));  // and everything works again
  OK(cudaStreamSynchronize(stream));
  OK(cudaFree(x)), OK(cudaFree(y)), OK(cudaStreamDestroy(stream)), OK(cudaEventDestroy(event));
  nothing_left();
}
END_TEST

START_TEST(captures_that_do_not_join) {
  cudaStream_t main, side;
  cudaEvent_t event;
  cudaGraph_t graph;
  float* x = device_array<float>(1);
  OK(cudaStreamCreate(&main)), OK(cudaStreamCreate(&side)), OK(cudaEventCreate(&event));
  OK(cudaStreamBeginCapture(main, cudaStreamCaptureModeRelaxed));
  OK(cudaEventRecord(event, main));
  OK(cudaStreamWaitEvent(side, event, 0));
  SAC_LAUNCH(scale, 1, 1, 0, side, x, 1, 1.0f);
  GIVES(cudaStreamEndCapture(main, &graph), cudaErrorStreamCaptureUnjoined);
  OK(cudaEventRecord(event, side));
  OK(cudaStreamBeginCapture(main, cudaStreamCaptureModeRelaxed));
  GIVES(cudaStreamWaitEvent(main, event, 0), cudaErrorStreamCaptureIsolation);
  GIVES(cudaStreamEndCapture(main, &graph), cudaErrorStreamCaptureInvalidated);
  GIVES(cudaStreamEndCapture(main, &graph), cudaErrorIllegalState);
  GIVES(cudaStreamBeginCapture(0, cudaStreamCaptureModeRelaxed), cudaErrorStreamCaptureUnsupported);
  OK(cudaStreamDestroy(main)), OK(cudaStreamDestroy(side)), OK(cudaEventDestroy(event)), OK(cudaFree(x));
  nothing_left();
}
END_TEST

// --- devices ---------------------------------------------------------------------------------------------------------
START_TEST(devices_and_drivers) {
  // how many devices there are, and which are visible
  int n, value;
  OK(cudaGetDeviceCount(&n));
  ck_assert_int_eq(n, 2);
  sac_cuda_host_devices(3);
  setenv("CUDA_VISIBLE_DEVICES", "2,0", 1);
  OK(cudaGetDeviceCount(&n));
  ck_assert_int_eq(n, 2);
  setenv("CUDA_VISIBLE_DEVICES", "1,7,0", 1);
  OK(cudaGetDeviceCount(&n));
  ck_assert_int_eq(n, 1);
  GIVES(cudaSetDevice(1), cudaErrorInvalidDevice);
  setenv("CUDA_VISIBLE_DEVICES", "", 1);
  GIVES(cudaGetDeviceCount(&n), cudaErrorNoDevice);
  float* x = NULL;
  GIVES(cudaMalloc(&x, 4), cudaErrorNoDevice);
  unsetenv("CUDA_VISIBLE_DEVICES");

  // no driver
  sac_cuda_host_driver(0);
  GIVES(cudaGetDeviceCount(&n), cudaErrorInsufficientDriver);
  OK(cudaDriverGetVersion(&n));
  ck_assert_int_eq(n, 0);
  sac_cuda_host_reset();

  // another device's properties
  sac_cuda_host_capability(8, 6);
  cudaDeviceProp p;
  OK(cudaGetDeviceProperties(&p, 1));
  ck_assert(p.major == 8 && p.minor == 6 && p.sharedMemPerBlockOptin == 99 << 10);
  ck_assert_str_eq(p.name, "host execution");
  OK(cudaDeviceGetAttribute(&value, cudaDevAttrComputeCapabilityMajor, 0));
  ck_assert_int_eq(value, 8);

  // each device has its memory
  OK(cudaSetDevice(1));
  x = device_array<float>(4);
  cudaPointerAttributes a;
  OK(cudaPointerGetAttributes(&a, x));
  ck_assert_int_eq(a.device, 1);
  OK(cudaMemset(x, 0, 16));
  OK(cudaSetDevice(0));
  float* y = device_array<float>(4);
  OK(cudaMemcpy(y, x, 16, cudaMemcpyDeviceToDevice));
  ck_near(read_back(y, 4)[2], 0, 0);
  OK(cudaFree(x)), OK(cudaFree(y));
  nothing_left();
}
END_TEST

CHECK_MAIN("cuda_host_runtime", CASE(kinds_of_memory), CASE(out_of_memory), CASE(copies_of_rows),
           CASE(nothing_before_the_wait), CASE(events_order_streams), LOOP(replay_equals_eager, 6),
           LOOP(not_while_capturing, 9), CASE(captures_that_do_not_join), CASE(devices_and_drivers))
