/* The CUDA backend: its table, its memory, and copies between host and device outside the stages. */
#include <stdlib.h>
#include <string.h>

#include "cuda/cuda.h"
#include "util/error.h"
#include "util/memory.h"

static sac_status state_set(sac_agent* agent);

/* --- memory ------------------------------------------------------------------------------------------------------- */

/* Lists the five slabs, and the bytes of each. The replay ring is the last one. */
static void list_slabs(sac_gpu* gpu, size_t population, float** slab[5], size_t bytes[5]) {
  float** const slabs[5] = {&gpu->weights, &gpu->grad, &gpu->m, &gpu->v, &gpu->replay};
  const size_t floats[5] = {gpu->trained + gpu->targets, gpu->trained, gpu->trained, gpu->trained,
                            sac_bytes(population, gpu->replay_floats)};
  for (int i = 0; i < 5; i++) {
    slab[i] = slabs[i];
    bytes[i] = sac_bytes(floats[i], sizeof(float));
  }
}

/* Measures: without memory the layout only counts. */
static void size(const sac_agent* agent, size_t bytes[SAC_MEMORY_COUNT], size_t* scratch) {
  sac_gpu gpu = {0};
  size_t pinned;
  sac_cuda_layout(agent, &gpu, scratch, &pinned);

  /* four slabs have the layout of the trained tensors; the target networks are part of the slab of weights */
  const size_t trained = sac_bytes(gpu.trained, sizeof(float));
  bytes[SAC_MEMORY_WEIGHTS] = bytes[SAC_MEMORY_GRAD] = bytes[SAC_MEMORY_ADAM_M] = bytes[SAC_MEMORY_ADAM_V] = trained;
  bytes[SAC_MEMORY_TARGET] = sac_bytes(gpu.targets, sizeof(float));
  bytes[SAC_MEMORY_REPLAY] = sac_bytes(sac_bytes((size_t)agent->shape.population, gpu.replay_floats), sizeof(float));
}

/* The free memory of the device, less a reserve for what `size` does not count. */
static size_t available(const sac_agent* agent) {
  int32_t ordinal;
  size_t free_bytes = 0, total = 0;

  /* without a usable device the answer is not known: create will report the error */
  if (sac_cuda_choose(agent->settings.device, &ordinal) != SAC_OK || cudaSetDevice(ordinal) != cudaSuccess ||
      cudaMemGetInfo(&free_bytes, &total) != cudaSuccess)
    return (void)cudaGetLastError(), SIZE_MAX;

  /* reserve a sixteenth of the memory, at most 512 MB, for kernels, graphs, cuBLAS and environments */
  const size_t most = (size_t)512 << 20, part = total / 16, reserve = part < most ? part : most;
  return free_bytes > reserve ? free_bytes - reserve : 0;
}

/* Creates the stream of act for train.overlap. It has the highest priority: act is short, and the environments wait
 * for it. */
static sac_status create_act_stream(sac_gpu* gpu) {
  int least, greatest;
  sac_status status = SAC_OK;
  SAC_CUDA_TRY(gpu, cudaDeviceGetStreamPriorityRange(&least, &greatest));
  SAC_CUDA_TRY(gpu, cudaStreamCreateWithPriority(&gpu->act_stream, cudaStreamNonBlocking, greatest));
  SAC_CUDA_TRY(gpu, cudaEventCreateWithFlags(&gpu->act_copied, cudaEventDisableTiming));
fail:
  return status;
}

static sac_status create(sac_agent* agent) {
  const size_t population = (size_t)agent->shape.population;
  float** slab[5];
  size_t bytes[5], scratch, pinned;
  sac_status status = SAC_OK;
  sac_gpu* gpu = sac_alloc(sizeof *gpu);
  if (!gpu) return sac_fail(SAC_ERROR_MEMORY, "no memory for the CUDA backend");
  agent->storage = gpu; /* from here on destroy() frees everything, after an error too */

  /* the plan and the device */
  SAC_TRY(sac_plan_create(&gpu->plan, agent->algo, 0));
  SAC_TRY(sac_cuda_choose(agent->settings.device, &gpu->ordinal));
  (void)cudaGetLastError(); /* clear an error that the program itself has left; our calls would report it */
  SAC_CUDA_TRY(gpu, cudaSetDevice(gpu->ordinal));

  /* streams and events; they do not wait for the program's work on the default stream */
  SAC_CUDA_TRY(gpu, cudaStreamCreateWithFlags(&gpu->stream, cudaStreamNonBlocking));
  SAC_CUDA_TRY(gpu, cudaEventCreateWithFlags(&gpu->push_read, cudaEventDisableTiming));
  if (agent->settings.overlap > 0) SAC_TRY(create_act_stream(gpu));
  SAC_CUDA_TRY(gpu, sac_actor_act_prepare(&gpu->act_blocks, &gpu->act_shared));

  /* measure, and allocate: five slabs, scratch, pinned */
  sac_cuda_layout(agent, gpu, &scratch, &pinned);
  list_slabs(gpu, population, slab, bytes);
  for (int i = 0; i < 5; i++) SAC_CUDA_TRY(gpu, cudaMalloc((void**)slab[i], bytes[i]));
  SAC_CUDA_TRY(gpu, cudaMalloc(&gpu->scratch, scratch));
  SAC_CUDA_TRY(gpu, cudaHostAlloc(&gpu->pinned, pinned, cudaHostAllocDefault));

  /* lay out: now all pointers are set */
  sac_cuda_layout(agent, gpu, &scratch, &pinned);

  /* clear all but the ring: gaps between tensors must be zero, and rows that were not pushed are never drawn */
  for (int i = 0; i < 4; i++) SAC_CUDA_TRY(gpu, cudaMemsetAsync(*slab[i], 0, bytes[i], gpu->stream));
  SAC_CUDA_TRY(gpu, cudaMemsetAsync(gpu->scratch, 0, scratch, gpu->stream));

  /* the list of the gradients that are searched when an agent stops */
  (void)sac_cuda_list_watched(agent, gpu->watched_out);
  SAC_CUDA_TRY(gpu, cudaMemcpyAsync(gpu->watched, gpu->watched_out, (size_t)gpu->watched_count * sizeof *gpu->watched,
                                    cudaMemcpyHostToDevice, gpu->stream));

  /* cuBLAS, then the counters */
  SAC_TRY(sac_cuda_blas_create(&gpu->blas, gpu->stream, gpu->blas_workspace, SAC_BLAS_WORKSPACE));
  SAC_TRY(state_set(agent));
fail:
  return status;
}

static void destroy(sac_agent* agent) {
  sac_gpu* gpu = agent->storage;
  if (!gpu) return;

  /* wait: queued work uses the memory and the graphs */
  (void)cudaSetDevice(gpu->ordinal);
  if (gpu->act_stream) (void)cudaStreamSynchronize(gpu->act_stream);
  if (gpu->stream) (void)cudaStreamSynchronize(gpu->stream);
  sac_cuda_graph_destroy(gpu);
  sac_cuda_blas_destroy(gpu->blas);

  /* memory of the device and of the host */
  void* const memory[] = {gpu->weights, gpu->grad, gpu->m, gpu->v, gpu->replay, gpu->scratch};
  for (size_t i = 0; i < sizeof memory / sizeof *memory; i++)
    if (memory[i]) (void)cudaFree(memory[i]);
  if (gpu->pinned) (void)cudaFreeHost(gpu->pinned);

  /* act's graph, events and streams */
  if (gpu->act_graph) (void)cudaGraphExecDestroy(gpu->act_graph);
  if (gpu->push_read) (void)cudaEventDestroy(gpu->push_read);
  if (gpu->act_copied) (void)cudaEventDestroy(gpu->act_copied);
  if (gpu->act_stream) (void)cudaStreamDestroy(gpu->act_stream);
  if (gpu->stream) (void)cudaStreamDestroy(gpu->stream);

  /* after a fault of the device each of these calls fails; the fault was reported before */
  (void)cudaGetLastError();
  sac_free(gpu);
  agent->storage = NULL;
}

/* --- tensors and rows to the host and back ------------------------------------------------------------------------ */

/* Copies `count` floats of agent p's part of a slab to the host, run by run: the device keeps networks in another order
 * than the list of tensors. */
static sac_status read_slab(const sac_agent* agent, sac_memory memory, int32_t p, size_t offset, float* host,
                            size_t count) {
  const sac_gpu* gpu = sac_gpu_of(agent);
  sac_status status = SAC_OK;
  SAC_CUDA_TRY(gpu, cudaSetDevice(gpu->ordinal));

  /* queue a copy for each run without a gap */
  for (size_t run; count > 0; offset += run, host += run, count -= run) {
    const float* from = sac_cuda_locate(agent, memory, p, offset, &run);
    if (run > count) run = count;
    SAC_CUDA_TRY(gpu, cudaMemcpyAsync(host, from, run * sizeof(float), cudaMemcpyDeviceToHost, gpu->stream));
  }
  SAC_CUDA_TRY(gpu, cudaStreamSynchronize(gpu->stream)); /* from here on the caller may read its memory */
fail:
  if (status != SAC_OK) (void)cudaStreamSynchronize(gpu->stream); /* the copies may still use the caller's memory */
  return status;
}

/* The reverse: from the host to agent p's part of a slab. */
static sac_status write_slab(sac_agent* agent, sac_memory memory, int32_t p, size_t offset, const float* host,
                             size_t count) {
  sac_gpu* gpu = sac_gpu_of(agent);
  sac_status status = SAC_OK;
  gpu->act_stale = 1; /* the actor may be among the tensors */
  SAC_CUDA_TRY(gpu, cudaSetDevice(gpu->ordinal));

  /* queue a copy for each run without a gap */
  for (size_t run; count > 0; offset += run, host += run, count -= run) {
    float* to = sac_cuda_locate(agent, memory, p, offset, &run);
    if (run > count) run = count;
    SAC_CUDA_TRY(gpu, cudaMemcpyAsync(to, host, run * sizeof(float), cudaMemcpyHostToDevice, gpu->stream));
  }
  SAC_CUDA_TRY(gpu, cudaStreamSynchronize(gpu->stream)); /* from here on the caller may change its memory */
fail:
  if (status != SAC_OK) (void)cudaStreamSynchronize(gpu->stream); /* the copies may still use the caller's memory */
  return status;
}

/* --- counters and statistics -------------------------------------------------------------------------------------- */

static sac_status state_get(sac_agent* agent) {
  sac_gpu* gpu = sac_gpu_of(agent);
  const size_t population = (size_t)agent->shape.population;
  sac_status status = SAC_OK;
  SAC_CUDA_TRY(gpu, cudaSetDevice(gpu->ordinal));

  /* wait for all queued work; act may have its own stream */
  SAC_TRY(sac_cuda_wait_for_act(gpu, gpu->stream));
  SAC_CUDA_TRY(gpu, cudaMemcpyAsync(gpu->state_in, gpu->state, population * sizeof *gpu->state, cudaMemcpyDeviceToHost,
                                    gpu->stream));
  SAC_CUDA_TRY(gpu, cudaStreamSynchronize(gpu->stream));

  /* give the numbers to the agents; those that were stopped before keep their last ones */
  for (size_t p = 0; p < population; p++) {
    const sac_device_state* state = &gpu->state_in[p];
    if (!agent->alive[p]) continue;
    agent->counters[p] = (sac_counters){state->pushed, state->updates, state->act};
    agent->stats[p] = state->stats;
    agent->totals[p] = (sac_totals){state->totals_updates, state->totals};
  }
fail:
  return status;
}

static sac_status state_set(sac_agent* agent) {
  sac_gpu* gpu = sac_gpu_of(agent);
  const size_t population = (size_t)agent->shape.population;
  const sac_adam_rates rates = sac_cuda_rates(agent);
  sac_status status = SAC_OK;
  SAC_CUDA_TRY(gpu, cudaSetDevice(gpu->ordinal));

  /* wait: act may still advance the counters, and an earlier copy may still read state_out */
  SAC_TRY(sac_cuda_wait_for_act(gpu, gpu->stream));
  SAC_CUDA_TRY(gpu, cudaStreamSynchronize(gpu->stream));

  /* fill the states; `queued` is the number of updates of the agent with the most */
  memset(gpu->state_out, 0, population * sizeof *gpu->state_out);
  gpu->queued = 0;
  gpu->act_stale = 1;
  for (size_t p = 0; p < population; p++) {
    if ((int64_t)agent->counters[p].updates > gpu->queued) gpu->queued = (int64_t)agent->counters[p].updates;
    gpu->state_out[p] = (sac_device_state){.seed = agent->seed[p],
                                           .pushed = agent->counters[p].pushed,
                                           .updates = agent->counters[p].updates,
                                           .act = agent->counters[p].act,
                                           .hold = agent->hold[p],
                                           .fixed = agent->fixed[p],
                                           .alive = agent->alive[p],
                                           .stats = agent->stats[p],
                                           .totals_updates = agent->totals[p].updates,
                                           .totals = agent->totals[p].sum};
  }

  /* `queued` may have become smaller: then the next capture must come sooner too */
  if (gpu->capture_at > gpu->queued + gpu->capture_wait) gpu->capture_at = gpu->queued + gpu->capture_wait;

  /* copy the states, and compute the scalars of Adam's next step from the counters */
  SAC_CUDA_TRY(gpu, cudaMemcpyAsync(gpu->state, gpu->state_out, population * sizeof *gpu->state, cudaMemcpyHostToDevice,
                                    gpu->stream));
  SAC_CUDA_TRY(gpu, sac_adam_scalars(gpu->stream, gpu->state, agent->shape.population, &rates));
fail:
  return status;
}

/* Reports the gradients that were not finite, as the device found them when the agent stopped. The gradients
 * themselves are gone: products go on for stopped agents too, and overwrite them. */
static int32_t bad_gradients(const sac_agent* agent, int32_t p, int32_t* first, float* value) {
  const sac_device_state* state = &sac_gpu_of(agent)->state_in[p];
  int32_t trained = 0;

  /* first_bad counts trained tensors only; *first counts all tensors */
  for (int32_t i = 0; i < agent->tensors.count; i++) {
    if (agent->tensors.tensor[i].slab != SAC_SLAB_TRAINED || trained++ != state->first_bad) continue;
    *first = i;
    *value = state->bad_value;
  }
  return state->bad_tensors;
}

/* --- the table ---------------------------------------------------------------------------------------------------- */

const sac_backend sac_cuda_backend = {.name = "cuda",
                                      .description = "NVIDIA devices",
                                      .choose = sac_cuda_choose,
                                      .path = sac_cuda_path_name,
                                      .create = create,
                                      .destroy = destroy,
                                      .size = size,
                                      .read = read_slab,
                                      .write = write_slab,
                                      .act = sac_cuda_act,
                                      .env_step = sac_cuda_env_step,
                                      .replay_push = sac_cuda_replay_push,
                                      .minibatch_set = sac_cuda_minibatch_set,
                                      .stage = sac_cuda_stage,
                                      .runs_as = sac_cuda_runs_as,
                                      .part_count = sac_cuda_part_count,
                                      .part_at = sac_cuda_part_at,
                                      .part_run = sac_cuda_part_run,
                                      .update = sac_cuda_update,
                                      .snapshot = sac_cuda_snapshot,
                                      .state_get = state_get,
                                      .state_set = state_set,
                                      .bad_gradients = bad_gradients,
                                      .env_attach = sac_cuda_env_attach,
                                      .env_get = sac_cuda_env_get,
                                      .available = available,
                                      .fits = sac_cuda_fits,
                                      .devices = sac_cuda_devices,
                                      .describe = sac_cuda_describe,
                                      .graph_nodes = sac_cuda_graph_nodes,
                                      .take_warning = sac_cuda_take_warning,
                                      .profile = sac_cuda_profile,
                                      .profiled = sac_cuda_profiled,
                                      .sample_ahead = sac_cuda_replay_sample,
                                      .stage_times = sac_cuda_stage_times,
                                      .part_times = sac_cuda_part_times};
