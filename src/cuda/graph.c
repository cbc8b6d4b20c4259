/* Updates as CUDA graphs: one update, and several in a row, captured once and launched from then on. */
#include <nvtx3/nvToolsExt.h>

#include "cuda/cuda.h"
#include "util/error.h"

void sac_cuda_range_push(const char* word) { (void)nvtxRangePushA(word); }
void sac_cuda_range_pop(void) { (void)nvtxRangePop(); }

/* Captures `updates` updates. Nothing runs; every counter that they need is read on the device when they do. */
static sac_status capture(sac_agent* agent, int32_t updates, cudaGraphExec_t* launchable, size_t* nodes) {
  const sac_gpu* gpu = sac_gpu_of(agent);
  cudaGraph_t graph = NULL;
  sac_status status = SAC_OK;
  SAC_CUDA_TRY(gpu, cudaStreamBeginCapture(gpu->stream, cudaStreamCaptureModeThreadLocal));
  for (int32_t u = 0; u < updates && status == SAC_OK; ++u) status = sac_cuda_update_stages(agent);
  const cudaError_t ended = cudaStreamEndCapture(gpu->stream, &graph); /* also after a failure: it frees the stream */
  if (status != SAC_OK) goto fail;
  SAC_TRY(sac_cuda_check(gpu->ordinal, ended, "cudaStreamEndCapture"));
  if (nodes) SAC_CUDA_TRY(gpu, cudaGraphGetNodes(graph, NULL, nodes));
  SAC_CUDA_TRY(gpu, cudaGraphInstantiate(launchable, graph, 0));
  SAC_CUDA_TRY(gpu, cudaGraphUpload(*launchable, gpu->stream));
fail:
  if (graph) (void)cudaGraphDestroy(graph);
  return status;
}

/* The first update of an agent runs without a graph: cuBLAS then loads its kernels, which a capture must not see. The
 * graph of several is captured when so many are due for the first time. */
static sac_status prepare(sac_agent* agent, int32_t due) {
  sac_gpu* gpu = sac_gpu_of(agent);
  const int32_t many = (int32_t)agent->settings.cuda_updates_per_graph;
  sac_status status = SAC_OK;
  if (!gpu->warm) return SAC_OK;
  if (!gpu->one) SAC_TRY(capture(agent, 1, &gpu->one, &gpu->nodes));
  if (!gpu->many && many > 1 && due >= many) SAC_TRY(capture(agent, many, &gpu->many, NULL));
fail:
  return status;
}

/* At most `due` updates in one launch; without graphs, one update in many launches. */
static sac_status queue(sac_agent* agent, int32_t due, int32_t* queued) {
  sac_gpu* gpu = sac_gpu_of(agent);
  const int32_t many = (int32_t)agent->settings.cuda_updates_per_graph;
  sac_status status = SAC_OK;
  *queued = 1;
  gpu->act_stale = 1;
  if (agent->settings.cuda_graph) SAC_TRY(prepare(agent, due));
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
  for (; n > 0 && status == SAC_OK; n -= queued) {
    status = queue(agent, sac_cuda_profile_begin(gpu, n), &queued);
    sac_cuda_profile_end(gpu, queued);
  }
fail:
  return status;
}

size_t sac_cuda_graph_nodes(const sac_agent* agent) {
  return agent->stages == &sac_cuda_stages ? sac_gpu_of(agent)->nodes : 0;
}

void sac_cuda_graph_destroy(sac_gpu* gpu) {
  if (gpu->one) (void)cudaGraphExecDestroy(gpu->one);
  if (gpu->many) (void)cudaGraphExecDestroy(gpu->many);
  gpu->one = gpu->many = NULL;
}
