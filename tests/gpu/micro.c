/* sac_micro: what an update on a device is made of, measured by itself: the gap between the nodes of a graph, the
 * bandwidth of the second-level cache, the rate of the tensor cores, small products of cuBLAS, the products of an
 * update (micro_update.c), the host's waits (micro_wait.c). Operands are normals: zeros cost less power and run faster.
 * One JSON object per line, medians. sac_micro --tiny: the same in no time, to see that it works. */
#include "tests/gpu/micro.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define REPEATS 15

int micro_compare(const void* a, const void* b) {
  const double x = *(const double*)a, y = *(const double*)b;
  return x < y ? -1 : x > y;
}

sac_status micro_capture(const micro* m, micro_work* call, const void* what, cudaGraphExec_t* exec, size_t* nodes) {
  cudaGraph_t graph = NULL;
  sac_status status = SAC_OK;
  *exec = NULL;
  SAC_TRY(call(m, what)); /* cuBLAS loads its kernels */
  MICRO_TRY(cudaStreamSynchronize(m->stream));
  MICRO_TRY(cudaStreamBeginCapture(m->stream, cudaStreamCaptureModeThreadLocal));
  status = call(m, what);
  const cudaError_t ended = cudaStreamEndCapture(m->stream, &graph);
  if (status != SAC_OK) goto fail;
  MICRO_TRY(ended);
  if (nodes) MICRO_TRY(cudaGraphGetNodes(graph, NULL, nodes));
  MICRO_TRY(cudaGraphInstantiate(exec, graph, 0));
  MICRO_TRY(cudaGraphUpload(*exec, m->stream));
fail:
  if (graph) (void)cudaGraphDestroy(graph);
  return status;
}

sac_status micro_measure(const micro* m, micro_work* call, const void* what, int launches, double* microseconds,
                         size_t* nodes) {
  double sample[REPEATS];
  cudaGraphExec_t exec = NULL;
  sac_status status = SAC_OK;
  SAC_TRY(micro_capture(m, call, what, &exec, nodes));
  for (int r = -2; r < REPEATS; r++) {
    float milliseconds = 0;
    MICRO_TRY(cudaEventRecord(m->begin, m->stream));
    for (int l = 0; l < launches; l++) MICRO_TRY(cudaGraphLaunch(exec, m->stream));
    MICRO_TRY(cudaEventRecord(m->end, m->stream));
    MICRO_TRY(cudaEventSynchronize(m->end));
    MICRO_TRY(cudaEventElapsedTime(&milliseconds, m->begin, m->end));
    if (r >= 0) sample[r] = 1e3 * (double)milliseconds;
  }
  qsort(sample, REPEATS, sizeof *sample, micro_compare);
  *microseconds = sample[REPEATS / 2];
fail:
  if (exec) (void)cudaGraphExecDestroy(exec);
  return status;
}

typedef struct nodes_of {
  int blocks, dependent;
} nodes_of;

static sac_status chain(const micro* m, const void* what) {
  const nodes_of* of = what;
  sac_status status = SAC_OK;
  for (int i = 0; i < m->size.nodes && status == SAC_OK; i++)
    status = sac_cuda_check(0, micro_node(m->stream, m->sink, of->blocks, of->dependent), "node");
  return status;
}

static sac_status read_cache(const micro* m, const void* what) {
  (void)what;
  return sac_cuda_check(0, micro_l2(m->stream, m->x, m->size.floats, m->size.blocks, m->size.passes, m->sink), "l2");
}

static sac_status tensor_cores(const micro* m, const void* what) {
  (void)what;
  return sac_cuda_check(0, micro_mma(m->stream, m->size.blocks, m->size.steps, m->sink), "mma");
}

typedef struct squares {
  sac_precision precision;
  int count;
} squares;

static sac_status products(const micro* m, const void* what) {
  const squares* of = what;
  const int32_t n = m->size.width;
  const size_t each = (size_t)n * (size_t)n;
  const sac_matrices a = {m->x, each}, b = {m->x + m->third, each};
  sac_status status = SAC_OK;
  for (int i = 0; i < m->size.products && status == SAC_OK; i++)
    status = sac_cuda_product(m->blas, of->precision, SAC_PRODUCT_FORWARD, of->count, n, n, n, a, b,
                              m->x + 2 * m->third, each);
  return status;
}

static sac_status node_gap(const micro* m, int blocks, int dependent) {
  const nodes_of of = {blocks, dependent};
  double time;
  sac_status status = SAC_OK;
  printf("{\"micro\": \"node_gap\", \"dependent_launch\": %s, \"blocks\": %d, ", dependent ? "true" : "false", blocks);
  if (dependent && micro_node(m->stream, m->sink, blocks, 1) == cudaErrorNotSupported) {
    printf("\"skipped\": \"no dependent launch here\"}\n");
    return SAC_OK;
  }
  SAC_TRY(micro_measure(m, chain, &of, m->size.launches, &time, NULL));
  printf("\"microseconds\": %.3f}\n", time / m->size.launches / m->size.nodes);
fail:
  return status;
}

static sac_status all(const micro* m) {
  const micro_sizes* s = &m->size;
  double time;
  sac_status status = SAC_OK;
  for (int dependent = 0; dependent < 2; dependent++) {
    SAC_TRY(node_gap(m, 1, dependent));
    SAC_TRY(node_gap(m, s->blocks / 2, dependent));
  }
  SAC_TRY(micro_measure(m, read_cache, NULL, 1, &time, NULL));
  const double bytes = (double)s->floats * sizeof(float) * s->passes;
  printf("{\"micro\": \"l2_read\", \"megabytes\": %.1f, \"gigabytes_per_second\": %.0f}\n",
         (double)s->floats * sizeof(float) / 1e6, 1e-3 * bytes / time);
  SAC_TRY(micro_measure(m, tensor_cores, NULL, 1, &time, NULL));
  const int warps = s->blocks * (MICRO_THREADS / 32);
  const double flops = MICRO_MMA_FLOPS * MICRO_SUMS * s->steps * warps;
  printf("{\"micro\": \"mma_tf32\", \"teraflops\": %.1f}\n", 1e-6 * flops / time);
  for (int precision = SAC_FP32; precision <= SAC_TF32; precision++)
    for (int count = 1; count <= s->counts_max; count *= 2) {
      const squares of = {(sac_precision)precision, count};
      const double operations = 2.0 * s->width * s->width * s->width * count;
      SAC_TRY(micro_measure(m, products, &of, 1, &time, NULL));
      time /= s->products;
      printf(
          "{\"micro\": \"product\", \"precision\": \"%s\", \"size\": %d, \"count\": %d, \"microseconds\": %.2f, "
          "\"teraflops\": %.2f}\n",
          precision == SAC_FP32 ? "fp32" : "tf32", s->width, count, time, 1e-6 * operations / time);
    }
  SAC_TRY(micro_wait(m));
  SAC_TRY(micro_update(m));
fail:
  return status;
}

static sac_status create(micro* m, int tiny) {
  /* the sizes, the least ones for --tiny */
  struct cudaDeviceProp device;
  const micro_sizes least = {.nodes = 3,
                             .launches = 1,
                             .blocks = 2,
                             .floats = 2 * 2 * 4 * MICRO_THREADS,
                             .passes = 3,
                             .steps = 2,
                             .width = 16,
                             .counts_max = 2,
                             .products = 2,
                             .obs = 3,
                             .action = 2,
                             .hidden = 8,
                             .batch = 5,
                             .population = {1, 2},
                             .waits = 3};
  sac_status status = SAC_OK;
  MICRO_TRY(cudaGetDeviceProperties(&device, 0));
  m->size = tiny ? least
                 : (micro_sizes){.nodes = 64,
                                 .launches = 20,
                                 .blocks = 2 * device.multiProcessorCount,
                                 .passes = 40,
                                 .steps = 2000,
                                 .width = 256,
                                 .counts_max = 64,
                                 .products = 20,
                                 .obs = 17,
                                 .action = 6,
                                 .hidden = 256,
                                 .batch = 256,
                                 .population = {1, 10, 64},
                                 .waits = 400};
  /* 8 MB and more, which every second-level cache from A100's on holds: a multiple of what all blocks take at a time.
   */
  const size_t unit = (size_t)m->size.blocks * 4 * MICRO_THREADS;
  if (!tiny) m->size.floats = (((size_t)2 << 20) + unit - 1) / unit * unit;
  const size_t square = (size_t)m->size.counts_max * (size_t)m->size.width * (size_t)m->size.width;
  const size_t update = micro_update_floats(&m->size);
  m->third = square > update ? square : update;
  const size_t floats = 3 * m->third > m->size.floats ? 3 * m->third : m->size.floats;

  /* what the measurements share: a stream, events, memory and cuBLAS */
  MICRO_TRY(cudaStreamCreateWithFlags(&m->stream, cudaStreamNonBlocking));
  MICRO_TRY(cudaEventCreate(&m->begin));
  MICRO_TRY(cudaEventCreate(&m->end));
  MICRO_TRY(cudaMalloc((void**)&m->x, floats * sizeof(float)));
  MICRO_TRY(cudaMalloc((void**)&m->sink, (size_t)m->size.blocks * MICRO_THREADS * sizeof(float)));
  MICRO_TRY(cudaMalloc((void**)&m->count, sizeof *m->count));
  MICRO_TRY(cudaMalloc(&m->workspace, SAC_BLAS_WORKSPACE));
  MICRO_TRY(cudaMemsetAsync(m->sink, 0, (size_t)m->size.blocks * MICRO_THREADS * sizeof(float), m->stream));
  MICRO_TRY(cudaMemsetAsync(m->count, 0, sizeof *m->count, m->stream));
  MICRO_TRY(micro_fill(m->stream, 1, floats, m->x));
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
  if (m->count) (void)cudaFree(m->count);
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
