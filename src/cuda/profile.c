/* Profiling: the capture of some updates for nsys or ncu, and the times of stages and parts by the device's clock. */
#include <stdio.h>
#include <stdlib.h>
#if __has_include(<cuda_profiler_api.h>)
#include <cuda_profiler_api.h>
#else /* the toolkit of PyPI has no such header */
#include <cuda_runtime_api.h>
cudaError_t cudaProfilerStart(void);
cudaError_t cudaProfilerStop(void);
#endif

#include "cuda/cuda.h"
#include "env/vector.h"
#include "util/clock.h"
#include "util/error.h"

/* --- the capture -------------------------------------------------------------------------------------------------- */

/* The updates that the command line asks for: one request for the whole process, served by the first population that
 * reaches them. */
static struct {
  int64_t from, count; /* updates [from, from + count), numbered from 0 */
  int64_t captured;    /* updates captured so far */
  int on;              /* 1: the profiler records now */
} capture;

void sac_cuda_profile(int64_t from, int64_t count) {
  capture.from = from;
  capture.count = count;
  capture.captured = 0;
}

int64_t sac_cuda_profiled(void) { return capture.captured; }

int32_t sac_cuda_profile_begin(const sac_gpu* gpu, int32_t due) {
  char word[48];
  if (capture.captured >= capture.count) return due;

  /* before the capture: the host may queue updates together up to the first captured one */
  if (gpu->queued < capture.from) {
    const int64_t before = capture.from - gpu->queued;
    return before < due ? (int32_t)before : due;
  }

  /* start the capture: wait first, because earlier work belongs to other updates */
  if (!capture.on) {
    (void)cudaStreamSynchronize(gpu->stream);
    (void)cudaProfilerStart();
    capture.on = 1;
  }

  /* one update at a time, each in its own range */
  (void)snprintf(word, sizeof word, "update %lld", (long long)gpu->queued);
  sac_cuda_range_push(word);
  return 1;
}

void sac_cuda_profile_end(sac_gpu* gpu, int32_t done) {
  gpu->queued += done;
  if (!capture.on) return;

  /* end the update's range; after the last update wait for it, and stop the capture */
  sac_cuda_range_pop();
  if (++capture.captured < capture.count) return;
  (void)cudaStreamSynchronize(gpu->stream);
  (void)cudaProfilerStop();
  capture.on = 0;
}

/* --- times of the stages ------------------------------------------------------------------------------------------ */

#define SAMPLES 64 /* measured runs; their median is the result */

/* A stage, for a graph of its own. */
typedef struct stage_work {
  sac_agent* agent;
  sac_stage stage;
} stage_work;

static sac_status queue_stage(void* context) {
  const stage_work* w = context;
  return sac_cuda_stage(w->agent, w->stage);
}

/* Waits for the queued work, and fetches its results, so that the next burst can begin. vector may be NULL. */
static sac_status wait_for_work(sac_agent* agent, sac_vector* vector) {
  sac_status status = SAC_OK;
  if (vector) SAC_TRY(sac_cuda_env_get(agent, vector, 0));
  SAC_TRY(agent->backend->state_get(agent));
fail:
  return status;
}

/* Runs act, env step and replay push, and records after[stage] behind each. host: microseconds of act and of env step
 * by the host's clock. */
static sac_status run_steps(sac_agent* agent, sac_vector* vector, cudaEvent_t* after, float host[2]) {
  const sac_gpu* gpu = sac_gpu_of(agent);
  const sac_act act = {
      .n = vector->num_envs, .mode = SAC_ACT_SAMPLE, .obs = vector->obs, .action = vector->action, .vector = vector};
  sac_status status = SAC_OK;

  /* act */
  double start = sac_seconds();
  SAC_TRY(agent->backend->act(agent, &act));
  host[0] = (float)(1e6 * (sac_seconds() - start));
  SAC_CUDA_TRY(gpu, cudaEventRecord(after[SAC_STAGE_ACT], gpu->stream));

  /* env step */
  start = sac_seconds();
  SAC_TRY(agent->backend->env_step(agent, vector));
  host[1] = (float)(1e6 * (sac_seconds() - start));
  SAC_CUDA_TRY(gpu, cudaEventRecord(after[SAC_STAGE_ENV_STEP], gpu->stream));

  /* replay push */
  const sac_transitions transitions = sac_vector_transitions(vector);
  SAC_TRY(agent->backend->replay_push(agent, &transitions, vector));
  SAC_CUDA_TRY(gpu, cudaEventRecord(after[SAC_STAGE_REPLAY_PUSH], gpu->stream));
fail:
  return status;
}

/* The order of times for qsort. */
static int compare(const void* a, const void* b) {
  const float x = *(const float*)a, y = *(const float*)b;
  return x < y ? -1 : x > y;
}

/* The median of an even number of times: the mean of the middle two. Sorts them. */
static double median(float sample[SAMPLES]) {
  qsort(sample, SAMPLES, sizeof *sample, compare);
  return 0.5 * (double)(sample[SAMPLES / 2 - 1] + sample[SAMPLES / 2]);
}

/* Computes the median time of each stage, from `first` on. event[i][0] is recorded before sample i, event[i][1 + s]
 * after its stage s. */
static sac_status medians(const sac_gpu* gpu, cudaEvent_t event[SAMPLES][1 + SAC_STAGE_COUNT], int first,
                          sac_stage_time* times) {
  float sample[SAMPLES];
  sac_status status = SAC_OK;

  /* a stage begins where the stage before it ends, the first one where the sample begins; CUDA gives milliseconds */
  for (int s = first; s < SAC_STAGE_COUNT; s++) {
    for (int i = 0; i < SAMPLES; i++)
      SAC_CUDA_TRY(gpu, cudaEventElapsedTime(&sample[i], event[i][s == first ? 0 : s], event[i][1 + s]));
    times[s].microseconds = 1e3 * median(sample);
  }
fail:
  return status;
}

sac_status sac_cuda_stage_times(sac_agent* agent, sac_vector* vector, sac_stage_time times[SAC_STAGE_COUNT]) {
  const int first = vector ? SAC_STAGE_ACT : SAC_STAGE_REPLAY_SAMPLE;
  const sac_gpu* gpu = sac_gpu_of(agent);
  cudaGraphExec_t graph[SAC_STAGE_COUNT] = {NULL};
  cudaEvent_t event[SAMPLES][1 + SAC_STAGE_COUNT] = {{NULL}};
  float host[2][SAMPLES], both[2] = {0, 0};
  sac_status status = SAC_OK;

  /* without environments only the stages of an update run; act, env step and replay push count as one launch each */
  for (int s = 0; s < SAC_STAGE_COUNT; s++) times[s] = (sac_stage_time){0, s < first ? 0 : 1};

  /* make an update first: an agent's first one cannot be captured */
  SAC_TRY(sac_cuda_update(agent, 1));
  SAC_CUDA_TRY(gpu, cudaSetDevice(gpu->ordinal));

  /* make a graph of each stage, and the events */
  for (int s = SAC_STAGE_REPLAY_SAMPLE; s < SAC_STAGE_COUNT; s++) {
    stage_work work = {agent, (sac_stage)s};
    SAC_TRY(sac_cuda_capture(gpu, gpu->stream, queue_stage, &work, &graph[s], &times[s].nodes));
  }
  for (int i = 0; i < SAMPLES; i++)
    for (int e = 0; e <= SAC_STAGE_COUNT; e++) SAC_CUDA_TRY(gpu, cudaEventCreate(&event[i][e]));

  /* queue the samples; wait only at the end of a burst (environments on the host: after each step) */
  for (int i = 0; i < SAMPLES; i++) {
    SAC_CUDA_TRY(gpu, cudaEventRecord(event[i][0], gpu->stream));
    if (vector) SAC_TRY(run_steps(agent, vector, &event[i][1], both));
    host[0][i] = both[0], host[1][i] = both[1];

    /* the stages of an update, each followed by its event */
    for (int s = SAC_STAGE_REPLAY_SAMPLE; s < SAC_STAGE_COUNT; s++) {
      SAC_CUDA_TRY(gpu, cudaGraphLaunch(graph[s], gpu->stream));
      SAC_CUDA_TRY(gpu, cudaEventRecord(event[i][1 + s], gpu->stream));
    }
    if (vector && (i + 1) % vector->burst == 0) SAC_TRY(wait_for_work(agent, vector));
  }
  SAC_TRY(wait_for_work(agent, vector));

  /* the device's clock gives the times; where the host steps the environments, its clock gives act and env step */
  SAC_TRY(medians(gpu, event, first, times));
  if (vector && !vector->resident) {
    times[SAC_STAGE_ACT].microseconds = median(host[0]);
    times[SAC_STAGE_ENV_STEP].microseconds = median(host[1]);
  }

fail:
  /* free what exists */
  for (int i = 0; i < SAMPLES; i++)
    for (int e = 0; e <= SAC_STAGE_COUNT; e++)
      if (event[i][e]) (void)cudaEventDestroy(event[i][e]);
  for (int s = 0; s < SAC_STAGE_COUNT; s++)
    if (graph[s]) (void)cudaGraphExecDestroy(graph[s]);
  return status;
}

/* --- the parts' times --------------------------------------------------------------------------------------------- */

/* A part of an update (paths.c), for a graph of its own. */
typedef struct part_work {
  sac_agent* agent;
  int32_t part;
} part_work;

static sac_status queue_part(void* context) {
  const part_work* w = context;
  return sac_cuda_part_run(w->agent, w->part);
}

/* Launches the parts' graphs in turn, as in an update, with an event after each. sample[part][i]: milliseconds of the
 * part in run i. */
static sac_status time_parts(const sac_gpu* gpu, cudaGraphExec_t* graph, cudaEvent_t* event, int32_t parts,
                             float (*sample)[SAMPLES]) {
  sac_status status = SAC_OK;
  for (int i = 0; i < SAMPLES; i++) {
    /* queue a whole update */
    SAC_CUDA_TRY(gpu, cudaEventRecord(event[0], gpu->stream));
    for (int32_t part = 0; part < parts; part++) {
      SAC_CUDA_TRY(gpu, cudaGraphLaunch(graph[part], gpu->stream));
      SAC_CUDA_TRY(gpu, cudaEventRecord(event[part + 1], gpu->stream));
    }

    /* read the events before the next update records them again */
    SAC_CUDA_TRY(gpu, cudaStreamSynchronize(gpu->stream));
    for (int32_t part = 0; part < parts; part++)
      SAC_CUDA_TRY(gpu, cudaEventElapsedTime(&sample[part][i], event[part], event[part + 1]));
  }
fail:
  return status;
}

sac_status sac_cuda_part_times(sac_agent* agent, sac_stage_time* times) {
  const int32_t parts = sac_cuda_part_count(agent);
  const sac_gpu* gpu = sac_gpu_of(agent);
  cudaGraphExec_t* graph = calloc((size_t)parts, sizeof *graph);
  cudaEvent_t* event = calloc((size_t)parts + 1, sizeof *event);
  float(*sample)[SAMPLES] = calloc((size_t)parts, sizeof *sample);
  sac_status status = SAC_OK;

  /* a benchmark may allocate; the number of parts depends on the algorithm */
  if (!graph || !event || !sample) {
    status = sac_fail(SAC_ERROR_MEMORY, "no memory for the times of %d parts", (int)parts);
    goto fail;
  }

  /* make an update first: an agent's first one cannot be captured */
  SAC_TRY(sac_cuda_update(agent, 1));
  SAC_CUDA_TRY(gpu, cudaSetDevice(gpu->ordinal));

  /* make a graph of each part, and the events */
  for (int32_t part = 0; part < parts; part++) {
    part_work work = {agent, part};
    SAC_TRY(sac_cuda_capture(gpu, gpu->stream, queue_part, &work, &graph[part], &times[part].nodes));
  }
  for (int32_t i = 0; i <= parts; i++) SAC_CUDA_TRY(gpu, cudaEventCreate(&event[i]));

  /* measure; the counters of the host then follow those of the device */
  SAC_TRY(time_parts(gpu, graph, event, parts, sample));
  for (int32_t part = 0; part < parts; part++) times[part].microseconds = 1e3 * median(sample[part]);
  SAC_TRY(wait_for_work(agent, NULL));
fail:
  /* free what exists: calloc has set the rest to NULL */
  for (int32_t i = 0; event && i <= parts; i++)
    if (event[i]) (void)cudaEventDestroy(event[i]);
  for (int32_t part = 0; graph && part < parts; part++)
    if (graph[part]) (void)cudaGraphExecDestroy(graph[part]);
  free(graph);
  free(event);
  free(sample);
  return status;
}
