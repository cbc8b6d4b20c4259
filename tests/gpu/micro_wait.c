/* How long the host waits: for a graph of one node by the stream, by an event, by a flag in its own memory that the
 * node writes and the host polls; for copies of 1 KB; and for what one action needs. By the host's clock, from the
 * first call to the moment that the host can go on. */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "tests/gpu/micro.h"

enum { COPIED = 256, SPINS = 100000 }; /* floats: 1 KB; looks at a flag before the stream is asked whether it failed */

typedef struct waits {
  const micro* m;
  cudaGraphExec_t node, whole; /* the flag alone; observations read from pinned memory, and the flag */
  cudaEvent_t event;
  float *host, *from_host; /* pinned, and as the device sees it: (COPIED) */
  float* device;           /* (COPIED) */
  uint32_t *flag, *from_flag;
  uint32_t launched; /* nodes so far: what the flag will be */
} waits;

static double now(void) {
  struct timespec t;
  (void)clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec * 1e6 + (double)t.tv_nsec * 1e-3;
}

static sac_status raise_flag(const micro* m, const void* what) {
  const waits* w = what;
  return sac_cuda_check(0, micro_flag(m->stream, NULL, 0, m->sink, m->count, w->from_flag), "flag");
}

static sac_status read_and_raise(const micro* m, const void* what) {
  const waits* w = what;
  return sac_cuda_check(0, micro_flag(m->stream, w->from_host, COPIED, m->sink, m->count, w->from_flag), "flag");
}

/* Until the flag says that the last node has run. The stream is asked now and then: a node that failed raises none. */
static sac_status poll(const waits* w) {
  sac_status status = SAC_OK;
  for (long spin = 1; *(volatile uint32_t*)w->flag != w->launched; spin++) {
    if (spin % SPINS) continue;
    const cudaError_t error = cudaStreamQuery(w->m->stream);
    if (error != cudaErrorNotReady) MICRO_TRY(error);
  }
fail:
  return status;
}

static sac_status by_stream(waits* w) {
  sac_status status = SAC_OK;
  MICRO_TRY(cudaGraphLaunch(w->node, w->m->stream));
  w->launched++;
  MICRO_TRY(cudaStreamSynchronize(w->m->stream));
fail:
  return status;
}

static sac_status by_event(waits* w) {
  sac_status status = SAC_OK;
  MICRO_TRY(cudaGraphLaunch(w->node, w->m->stream));
  w->launched++;
  MICRO_TRY(cudaEventRecord(w->event, w->m->stream));
  MICRO_TRY(cudaEventSynchronize(w->event));
fail:
  return status;
}

static sac_status by_flag(waits* w) {
  sac_status status = SAC_OK;
  MICRO_TRY(cudaGraphLaunch(w->node, w->m->stream));
  w->launched++;
  SAC_TRY(poll(w));
fail:
  return status;
}

static sac_status plain_by_stream(waits* w) {
  sac_status status = SAC_OK;
  SAC_TRY(raise_flag(w->m, w));
  w->launched++;
  MICRO_TRY(cudaStreamSynchronize(w->m->stream));
fail:
  return status;
}

static sac_status plain_by_flag(waits* w) {
  sac_status status = SAC_OK;
  SAC_TRY(raise_flag(w->m, w));
  w->launched++;
  SAC_TRY(poll(w));
fail:
  return status;
}

/* A launch alone: what the host pays to queue it. */
static sac_status queue_only(waits* w) {
  sac_status status = SAC_OK;
  MICRO_TRY(cudaGraphLaunch(w->node, w->m->stream));
  w->launched++;
fail:
  return status;
}

static sac_status copy_in(waits* w) {
  sac_status status = SAC_OK;
  MICRO_TRY(cudaMemcpyAsync(w->device, w->host, COPIED * sizeof(float), cudaMemcpyHostToDevice, w->m->stream));
  MICRO_TRY(cudaStreamSynchronize(w->m->stream));
fail:
  return status;
}

static sac_status copy_out(waits* w) {
  sac_status status = SAC_OK;
  MICRO_TRY(cudaMemcpyAsync(w->host, w->device, COPIED * sizeof(float), cudaMemcpyDeviceToHost, w->m->stream));
  MICRO_TRY(cudaStreamSynchronize(w->m->stream));
fail:
  return status;
}

/* An action's way: 1 KB to the device, a node, 1 KB back, and a wait. */
static sac_status copy_node_copy(waits* w) {
  sac_status status = SAC_OK;
  MICRO_TRY(cudaMemcpyAsync(w->device, w->host, COPIED * sizeof(float), cudaMemcpyHostToDevice, w->m->stream));
  MICRO_TRY(cudaGraphLaunch(w->node, w->m->stream));
  w->launched++;
  MICRO_TRY(cudaMemcpyAsync(w->host, w->device, COPIED * sizeof(float), cudaMemcpyDeviceToHost, w->m->stream));
  MICRO_TRY(cudaStreamSynchronize(w->m->stream));
fail:
  return status;
}

/* The same without copies: the node reads 1 KB of the host's memory itself. */
static sac_status read_by_flag(waits* w) {
  sac_status status = SAC_OK;
  MICRO_TRY(cudaGraphLaunch(w->whole, w->m->stream));
  w->launched++;
  SAC_TRY(poll(w));
fail:
  return status;
}

static sac_status sample_all(waits* w, const char* of, sac_status (*call)(waits* w)) {
  const int count = w->m->size.waits;
  double* sample = malloc((size_t)count * sizeof *sample);
  sac_status status = SAC_OK;
  if (!sample) return sac_fail(SAC_ERROR_MEMORY, "no memory for %d samples", count);
  for (int i = -3; i < count; i++) {
    const double began = now();
    SAC_TRY(call(w));
    if (i >= 0) sample[i] = now() - began;
    MICRO_TRY(cudaStreamSynchronize(w->m->stream)); /* each begins with an idle device */
  }
  if (*w->flag != w->launched) {
    status = sac_fail(SAC_ERROR_DEVICE, "%s: the flag is %u after %u nodes", of, *w->flag, w->launched);
    goto fail;
  }
  qsort(sample, (size_t)count, sizeof *sample, micro_compare);
  printf("{\"micro\": \"wait\", \"of\": \"%s\", \"microseconds\": %.2f, \"least\": %.2f, \"percent_95\": %.2f}\n", of,
         sample[count / 2], sample[0], sample[(count - 1) * 19 / 20]);
fail:
  free(sample);
  return status;
}

static sac_status create(waits* w) {
  const micro* m = w->m;
  sac_status status = SAC_OK;
  MICRO_TRY(cudaEventCreateWithFlags(&w->event, cudaEventDisableTiming));
  MICRO_TRY(cudaHostAlloc((void**)&w->host, COPIED * sizeof(float), cudaHostAllocMapped));
  MICRO_TRY(cudaHostAlloc((void**)&w->flag, sizeof *w->flag, cudaHostAllocMapped));
  MICRO_TRY(cudaHostGetDevicePointer((void**)&w->from_host, w->host, 0));
  MICRO_TRY(cudaHostGetDevicePointer((void**)&w->from_flag, w->flag, 0));
  MICRO_TRY(cudaMalloc((void**)&w->device, COPIED * sizeof(float)));
  MICRO_TRY(cudaMemsetAsync(w->device, 0, COPIED * sizeof(float), m->stream));
  for (int i = 0; i < COPIED; i++) w->host[i] = 1;
  *w->flag = 0;
  SAC_TRY(micro_capture(m, raise_flag, w, &w->node, NULL)); /* each runs its node once */
  SAC_TRY(micro_capture(m, read_and_raise, w, &w->whole, NULL));
  w->launched = 2;
fail:
  return status;
}

static void destroy(const waits* w) {
  (void)cudaStreamSynchronize(w->m->stream);
  if (w->node) (void)cudaGraphExecDestroy(w->node);
  if (w->whole) (void)cudaGraphExecDestroy(w->whole);
  if (w->event) (void)cudaEventDestroy(w->event);
  if (w->device) (void)cudaFree(w->device);
  if (w->host) (void)cudaFreeHost(w->host);
  if (w->flag) (void)cudaFreeHost(w->flag);
}

sac_status micro_wait(const micro* m) {
  waits w = {.m = m};
  sac_status status = SAC_OK;
  SAC_TRY(create(&w));
  SAC_TRY(sample_all(&w, "queue a graph", queue_only));
  SAC_TRY(sample_all(&w, "graph, stream wait", by_stream));
  SAC_TRY(sample_all(&w, "graph, event wait", by_event));
  SAC_TRY(sample_all(&w, "graph, polled flag", by_flag));
  SAC_TRY(sample_all(&w, "launch, stream wait", plain_by_stream));
  SAC_TRY(sample_all(&w, "launch, polled flag", plain_by_flag));
  SAC_TRY(sample_all(&w, "copy of 1 KB to the device", copy_in));
  SAC_TRY(sample_all(&w, "copy of 1 KB to the host", copy_out));
  SAC_TRY(sample_all(&w, "copy, graph, copy, stream wait", copy_node_copy));
  SAC_TRY(sample_all(&w, "graph reads 1 KB of the host, polled flag", read_by_flag));
fail:
  destroy(&w);
  return status;
}
