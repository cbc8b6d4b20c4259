/* sac_micro: what an update on a device is made of, measured by itself: the gap between the nodes of a graph, the
 * bandwidth of the second-level cache, the rate of the tensor cores, small products of cuBLAS. One JSON object a line,
 * medians by the device's events. sac_micro --tiny: the same in no time, to see that it works. */
#include "tests/gpu/micro.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cuda/cuda.h"
#include "util/error.h"

#define REPEATS 15

/* How much of everything. */
typedef struct sizes {
  int nodes, launches; /* of a chain, and chains a measurement */
  int blocks;          /* of the kernels that fill the device */
  size_t floats;       /* read through the second-level cache */
  int passes, steps;
  int width, counts_max, products; /* of products: (width, width, width), most side by side, in a row */
} sizes;

typedef struct micro {
  sizes size;
  cudaStream_t stream;
  cudaEvent_t begin, end;
  float *x, *sink;
  void* workspace;
  cublasHandle_t blas;
} micro;

#define TRY(call) SAC_TRY(sac_cuda_check(0, (call), #call))

typedef sac_status work(const micro* m, int a, int b);

static int compare(const void* a, const void* b) {
  const float x = *(const float*)a, y = *(const float*)b;
  return x < y ? -1 : x > y;
}

/* Median microseconds of `launches` launches of what `call` queues, as a graph. */
static sac_status measure(const micro* m, work* call, int a, int b, int launches, double* microseconds) {
  float sample[REPEATS];
  cudaGraph_t graph = NULL;
  cudaGraphExec_t exec = NULL;
  sac_status status = SAC_OK;
  SAC_TRY(call(m, a, b)); /* cuBLAS loads its kernels */
  TRY(cudaStreamSynchronize(m->stream));
  TRY(cudaStreamBeginCapture(m->stream, cudaStreamCaptureModeThreadLocal));
  status = call(m, a, b);
  const cudaError_t ended = cudaStreamEndCapture(m->stream, &graph);
  if (status != SAC_OK) goto fail;
  TRY(ended);
  TRY(cudaGraphInstantiate(&exec, graph, 0));
  for (int r = -2; r < REPEATS; ++r) {
    TRY(cudaEventRecord(m->begin, m->stream));
    for (int l = 0; l < launches; ++l) TRY(cudaGraphLaunch(exec, m->stream));
    TRY(cudaEventRecord(m->end, m->stream));
    TRY(cudaEventSynchronize(m->end));
    if (r >= 0) TRY(cudaEventElapsedTime(&sample[r], m->begin, m->end));
  }
  qsort(sample, REPEATS, sizeof *sample, compare);
  *microseconds = 1e3 * (double)sample[REPEATS / 2];
fail:
  if (exec) (void)cudaGraphExecDestroy(exec);
  if (graph) (void)cudaGraphDestroy(graph);
  return status;
}

static sac_status chain(const micro* m, int blocks, int dependent) {
  sac_status status = SAC_OK;
  for (int i = 0; i < m->size.nodes && status == SAC_OK; ++i)
    status = sac_cuda_check(0, micro_node(m->stream, m->x, blocks, dependent), "node");
  return status;
}

static sac_status read_cache(const micro* m, int blocks, int passes) {
  return sac_cuda_check(0, micro_l2(m->stream, m->x, m->size.floats, blocks, passes, m->sink), "l2");
}

static sac_status tensor_cores(const micro* m, int blocks, int steps) {
  return sac_cuda_check(0, micro_mma(m->stream, blocks, steps, m->sink), "mma");
}

static sac_status products(const micro* m, int count, int precision) {
  const int32_t n = m->size.width;
  const size_t each = (size_t)n * (size_t)n, all = each * (size_t)m->size.counts_max;
  const sac_matrices a = {m->x, each}, b = {m->x + all, each};
  sac_status status = SAC_OK;
  for (int i = 0; i < m->size.products && status == SAC_OK; ++i)
    status = sac_cuda_product(m->blas, (sac_precision)precision, SAC_PRODUCT_FORWARD, count, n, n, n, a, b,
                              m->x + 2 * all, each);
  return status;
}

static sac_status node_gap(const micro* m, int blocks, int dependent) {
  double time;
  sac_status status = SAC_OK;
  printf("{\"micro\": \"node_gap\", \"dependent_launch\": %s, \"blocks\": %d, ", dependent ? "true" : "false", blocks);
  if (dependent && micro_node(m->stream, m->x, blocks, 1) == cudaErrorNotSupported) {
    printf("\"skipped\": \"no dependent launch here\"}\n");
    return SAC_OK;
  }
  SAC_TRY(measure(m, chain, blocks, dependent, m->size.launches, &time));
  printf("\"microseconds\": %.3f}\n", time / m->size.launches / m->size.nodes);
fail:
  return status;
}

static sac_status all(const micro* m) {
  const sizes* s = &m->size;
  double time;
  sac_status status = SAC_OK;
  for (int dependent = 0; dependent < 2; ++dependent) {
    SAC_TRY(node_gap(m, 1, dependent));
    SAC_TRY(node_gap(m, s->blocks / 2, dependent));
  }
  SAC_TRY(measure(m, read_cache, s->blocks, s->passes, 1, &time));
  const double bytes = (double)s->floats * sizeof(float) * s->passes;
  printf("{\"micro\": \"l2_read\", \"megabytes\": %.1f, \"gigabytes_per_second\": %.0f}\n",
         (double)s->floats * sizeof(float) / 1e6, 1e-3 * bytes / time);
  SAC_TRY(measure(m, tensor_cores, s->blocks, s->steps, 1, &time));
  const int warps = s->blocks * (MICRO_THREADS / 32);
  const double flops = MICRO_MMA_FLOPS * MICRO_SUMS * s->steps * warps;
  printf("{\"micro\": \"mma_tf32\", \"teraflops\": %.1f}\n", 1e-6 * flops / time);
  for (int precision = SAC_FP32; precision <= SAC_TF32; ++precision)
    for (int count = 1; count <= s->counts_max; count *= 2) {
      const double operations = 2.0 * s->width * s->width * s->width * count;
      SAC_TRY(measure(m, products, count, precision, 1, &time));
      time /= s->products;
      printf(
          "{\"micro\": \"product\", \"precision\": \"%s\", \"size\": %d, \"count\": %d, \"microseconds\": %.2f, "
          "\"teraflops\": %.2f}\n",
          precision == SAC_FP32 ? "fp32" : "tf32", s->width, count, time, 1e-6 * operations / time);
    }
fail:
  return status;
}

static sac_status create(micro* m, int tiny) {
  struct cudaDeviceProp device;
  sac_status status = SAC_OK;
  TRY(cudaGetDeviceProperties(&device, 0));
  m->size = tiny ? (sizes){3, 1, 2, 2 * 2 * 4 * MICRO_THREADS, 3, 2, 16, 2, 2}
                 : (sizes){64, 20, 2 * device.multiProcessorCount, 0, 40, 2000, 256, 64, 20};
  /* 8 MB and more, which every second-level cache from A100's on holds: a multiple of what all blocks take at a time.
   */
  const size_t unit = (size_t)m->size.blocks * 4 * MICRO_THREADS;
  if (!tiny) m->size.floats = (((size_t)2 << 20) + unit - 1) / unit * unit;
  const size_t matrices = 3 * (size_t)m->size.counts_max * (size_t)m->size.width * (size_t)m->size.width;
  const size_t floats = matrices > m->size.floats ? matrices : m->size.floats;
  TRY(cudaStreamCreateWithFlags(&m->stream, cudaStreamNonBlocking));
  TRY(cudaEventCreate(&m->begin));
  TRY(cudaEventCreate(&m->end));
  TRY(cudaMalloc((void**)&m->x, floats * sizeof(float)));
  TRY(cudaMalloc((void**)&m->sink, (size_t)m->size.blocks * MICRO_THREADS * sizeof(float)));
  TRY(cudaMalloc(&m->workspace, SAC_BLAS_WORKSPACE));
  TRY(cudaMemsetAsync(m->x, 0, floats * sizeof(float), m->stream));
  SAC_TRY(sac_cuda_blas_create(&m->blas, m->stream, m->workspace, SAC_BLAS_WORKSPACE));
  printf("{\"micro\": \"device\", \"name\": \"%s\", \"multiprocessors\": %d}\n", device.name,
         device.multiProcessorCount);
fail:
  return status;
}

static void destroy(const micro* m) {
  if (m->stream) (void)cudaStreamSynchronize(m->stream);
  sac_cuda_blas_destroy(m->blas);
  if (m->x) (void)cudaFree(m->x);
  if (m->sink) (void)cudaFree(m->sink);
  if (m->workspace) (void)cudaFree(m->workspace);
  if (m->begin) (void)cudaEventDestroy(m->begin);
  if (m->end) (void)cudaEventDestroy(m->end);
  if (m->stream) (void)cudaStreamDestroy(m->stream);
}

int main(int argc, char** argv) {
  micro m = {.stream = NULL};
  int32_t ordinal;
  const int tiny = argc == 2 && strcmp(argv[1], "--tiny") == 0;
  if (argc > 1 && !tiny) {
    fprintf(stderr, "usage: sac_micro [--tiny]\n");
    return 2;
  }
  if (sac_cuda_choose("cuda:0", &ordinal) != SAC_OK) {
    printf("skipped: %s\n", sac_last_error());
    return 77;
  }
  sac_status status = create(&m, tiny);
  if (status == SAC_OK) status = all(&m);
  destroy(&m);
  if (status != SAC_OK) fprintf(stderr, "sac_micro: %s\n", sac_last_error());
  return status != SAC_OK;
}
