/* Updates as CUDA graphs: one graph of a single update, and one of several updates. Each is captured once, and then
 * takes one launch. */
#include <nvtx3/nvToolsExt.h>
#include <stdio.h>

#include "cuda/cuda.h"
#include "util/error.h"

void sac_cuda_range_push(const char* word) { (void)nvtxRangePushA(word); }
void sac_cuda_range_pop(void) { (void)nvtxRangePop(); }

sac_status sac_cuda_capture(const sac_gpu* gpu, cudaStream_t stream, sac_cuda_work* work, void* context,
                            cudaGraphExec_t* launchable, size_t* nodes) {
  cudaGraph_t graph = NULL;
  sac_status status = SAC_OK;
  *launchable = NULL;

  /* capture; a capture that failed must be ended too, so that the stream can be used */
  SAC_CUDA_TRY(gpu, cudaStreamBeginCapture(stream, cudaStreamCaptureModeThreadLocal));
  status = work(context);
  const cudaError_t ended = cudaStreamEndCapture(stream, &graph);
  if (status != SAC_OK) goto fail;
  SAC_TRY(sac_cuda_check(gpu->ordinal, ended, "cudaStreamEndCapture"));

  /* make the graph ready to launch */
  if (nodes) SAC_CUDA_TRY(gpu, cudaGraphGetNodes(graph, NULL, nodes));
  SAC_CUDA_TRY(gpu, cudaGraphInstantiate(launchable, graph, 0));
  SAC_CUDA_TRY(gpu, cudaGraphUpload(*launchable, stream));
fail:
  /* the executable graph does not need the captured one */
  if (graph) (void)cudaGraphDestroy(graph);
  if (status != SAC_OK && *launchable) {
    (void)cudaGraphExecDestroy(*launchable);
    *launchable = NULL;
  }
  return status;
}

/* What a capture queues: some updates of an agent. */
typedef struct several {
  sac_agent* agent;
  int32_t updates;
} several;

static sac_status queue_updates(void* context) {
  const several* s = context;
  sac_status status = SAC_OK;
  for (int32_t u = 0; u < s->updates && status == SAC_OK; u++) status = sac_cuda_update_stages(s->agent);
  return status;
}

/* Captures some updates. The kernels read all counters from device memory when they run, so the graph serves all later
 * updates. */
static sac_status capture(sac_agent* agent, int32_t updates, cudaGraphExec_t* launchable, size_t* nodes) {
  const sac_gpu* gpu = sac_gpu_of(agent);
  several s = {agent, updates};
  return sac_cuda_capture(gpu, gpu->stream, queue_updates, &s, launchable, nodes);
}

/* Updates between a capture that failed and the next try. The number doubles with each failure. */
#define RECAPTURE_FIRST 1000
#define RECAPTURE_LAST 1000000

/* Schedules another try after a capture has failed, and writes the warning. A capture can fail because of other parts
 * of the program: CUDA ends it when another thread waits for the whole device or destroys a cuBLAS handle, or when a
 * kernel is not loaded yet. When the device itself has failed, the next launches report it. */
static void capture_later(sac_gpu* gpu) {
  (void)cudaGetLastError(); /* clear it: the next launch would report it again */

  /* double the wait, within the limits */
  gpu->capture_wait *= 2;
  if (gpu->capture_wait < RECAPTURE_FIRST) gpu->capture_wait = RECAPTURE_FIRST;
  if (gpu->capture_wait > RECAPTURE_LAST) gpu->capture_wait = RECAPTURE_LAST;
  gpu->capture_at = gpu->queued + gpu->capture_wait;

  /* write the warning once; sac_cuda_take_warning hands it out */
  if (gpu->capture_warned) return;
  gpu->capture_warned = 1;
  (void)snprintf(
      gpu->warning, sizeof gpu->warning,
      "warning: no CUDA graph of %s could be captured, so updates take more launches and more time, with the "
      "same results; another try follows after %lld updates: %.600s",
      gpu->one ? "several updates" : "an update", (long long)gpu->capture_wait, sac_last_error());
}

/* Captures the graphs that are missing. The first update of an agent runs without a graph: in it cuBLAS loads its
 * kernels, which is impossible in a capture. The graph of several updates is captured when that many are due for the
 * first time. */
static void prepare(sac_agent* agent, int32_t due) {
  sac_gpu* gpu = sac_gpu_of(agent);
  const int32_t many = (int32_t)agent->settings.cuda_updates_per_graph;
  if (!gpu->warm || gpu->queued < gpu->capture_at) return;

  /* first the graph of one update; after a failure do not try the other one */
  sac_status status = SAC_OK;
  if (!gpu->one) status = capture(agent, 1, &gpu->one, &gpu->nodes);
  if (status == SAC_OK && !gpu->many && many > 1 && due >= many) status = capture(agent, many, &gpu->many, NULL);
  if (status != SAC_OK) capture_later(gpu);
}

/* Queues at most `due` updates: one launch of a graph, or without graphs the launches of one update. *queued: how many
 * updates. */
static sac_status queue(sac_agent* agent, int32_t due, int32_t* queued) {
  sac_gpu* gpu = sac_gpu_of(agent);
  const int32_t many = (int32_t)agent->settings.cuda_updates_per_graph;
  sac_status status = SAC_OK;
  *queued = 1;
  gpu->act_stale = 1; /* the update changes the actor, so the next snapshot copies it */

  /* use the largest graph that `due` fills */
  if (agent->settings.cuda_graph) prepare(agent, due);
  if (gpu->many && due >= many) {
    SAC_CUDA_TRY(gpu, cudaGraphLaunch(gpu->many, gpu->stream));
    *queued = many;
  } else if (gpu->one) {
    SAC_CUDA_TRY(gpu, cudaGraphLaunch(gpu->one, gpu->stream));
  } else {
    SAC_TRY(sac_cuda_update_stages(agent));
  }
  gpu->warm = 1;
fail:
  return status;
}

sac_status sac_cuda_update(sac_agent* agent, int32_t n) {
  sac_gpu* gpu = sac_gpu_of(agent);
  int32_t queued;
  sac_status status = SAC_OK;
  SAC_CUDA_TRY(gpu, cudaSetDevice(gpu->ordinal));

  /* a profiler's capture may allow fewer updates at a time */
  for (; n > 0 && status == SAC_OK; n -= queued) {
    status = queue(agent, sac_cuda_profile_begin(gpu, n), &queued);
    sac_cuda_profile_end(gpu, queued);
  }
fail:
  return status;
}

size_t sac_cuda_graph_nodes(const sac_agent* agent) { return sac_gpu_of(agent)->nodes; }

int sac_cuda_take_warning(const sac_agent* agent, char* text, size_t size) {
  sac_gpu* gpu = sac_gpu_of(agent);
  if (!gpu->warning[0]) return 0;

  /* hand the warning out once */
  (void)snprintf(text, size, "%s", gpu->warning);
  gpu->warning[0] = '\0';
  return 1;
}

void sac_cuda_graph_destroy(sac_gpu* gpu) {
  if (gpu->one) (void)cudaGraphExecDestroy(gpu->one);
  if (gpu->many) (void)cudaGraphExecDestroy(gpu->many);
  gpu->one = gpu->many = NULL;
}
