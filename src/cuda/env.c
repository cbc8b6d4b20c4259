/* env step on the device. Built-in tasks keep their state in device memory; it is copied to the host when the host asks
 * for it. */
#include <stdio.h>
#include <string.h>

#include "cuda/cuda.h"
#include "env/list.h"
#include "env/options.h"
#include "env/task.h"
#include "env/vector.h"
#include "util/error.h"
#include "util/memory.h"

#define FINISHED_MAX (1 << 16) /* records of finished episodes in a burst, except where one step has more */

/* A vector whose environments are on the device. */
typedef struct resident {
  const sac_gpu* gpu;
  const sac_task* task;
  size_t bytes;               /* of all arrays together */
  void *device, *host;        /* the arrays on the device, and their image in pinned memory */
  sac_env_arrays at, image;   /* where each array is in `device`, and in `host` */
  uint64_t* seed;             /* (P) */
  sac_env_finished* finished; /* (burst, P, N), 16 bytes behind args.failure, in the same allocation */
  void* records;              /* the image of failure and finished in pinned memory */
  size_t record_bytes;        /* of failure and finished together */
  sac_env_step_args args;     /* of the next step */
  int32_t filled;             /* steps since the last env_get; the first `filled` rows of finished are written */
} resident;

/* P * N */
static size_t count_of(const sac_vector* vector) { return (size_t)vector->population * (size_t)vector->num_envs; }

const sac_env_arrays* sac_cuda_vector_arrays(const sac_vector* vector) {
  return &((const resident*)vector->resident)->at;
}

/* Lays the arrays out in one block of memory at `base` (NULL: only measures), and returns its bytes. */
static size_t lay_out(const sac_vector* vector, const sac_task* task, char* base, sac_env_arrays* at) {
  const size_t n = count_of(vector), obs = n * (size_t)vector->spec.obs_size * sizeof(float),
               action = n * (size_t)vector->spec.action_size * sizeof(float);

  /* list the arrays in their order in memory */
  const struct {
    void** at;
    size_t bytes;
  } arrays[] = {{(void**)&at->state, n * task->state_size},
                {(void**)&at->episode, n * sizeof(uint64_t)},
                {(void**)&at->episode_return, n * sizeof(double)},
                {(void**)&at->episode_length, n * sizeof(int64_t)},
                {(void**)&at->obs, obs},
                {(void**)&at->action, action},
                {(void**)&at->prev_obs, obs},
                {(void**)&at->next_obs, obs},
                {(void**)&at->reward, n * sizeof(float)},
                {(void**)&at->terminated, n},
                {(void**)&at->truncated, n}};

  /* place each array on a 16-byte boundary */
  size_t used = 0;
  for (size_t i = 0; i < sizeof arrays / sizeof *arrays; i++) {
    *arrays[i].at = base ? base + used : NULL;
    used += (arrays[i].bytes + 15) / 16 * 16;
  }
  return used;
}

/* --- the host's copy ---------------------------------------------------------------------------------------------- */

/* An array of the host's vector, and its image in pinned memory. A list of these serves copies in both directions. */
typedef struct mirror {
  void *image, *vector;
  size_t bytes;
} mirror;

enum { MIRRORS = 10 };

/* Lists all arrays except the environments' states, which only the task's functions can read and write. */
static void list_mirrors(const resident* r, const sac_vector* v, mirror list[MIRRORS]) {
  const size_t n = count_of(v), obs = n * (size_t)v->spec.obs_size * sizeof(float),
               action = n * (size_t)v->spec.action_size * sizeof(float);
  const mirror all[MIRRORS] = {{r->image.episode, v->episode, n * sizeof(uint64_t)},
                               {r->image.episode_return, v->episode_return, n * sizeof(double)},
                               {r->image.episode_length, v->episode_length, n * sizeof(int64_t)},
                               {r->image.obs, v->obs, obs},
                               {r->image.action, v->action, action},
                               {r->image.prev_obs, v->prev_obs, obs},
                               {r->image.next_obs, v->next_obs, obs},
                               {r->image.reward, v->reward, n * sizeof(float)},
                               {r->image.terminated, v->terminated, n},
                               {r->image.truncated, v->truncated, n}};
  memcpy(list, all, sizeof all);
}

static sac_status state_failed(const sac_vector* vector) {
  return sac_fail(SAC_ERROR_ENV, "%s: the environments' state could not be copied", vector->id);
}

/* Copies the host's vector to the device, if the host has changed it. */
sac_status sac_cuda_vector_refresh(const sac_agent* agent, sac_vector* vector) {
  resident* r = vector->resident;
  const sac_gpu* gpu = sac_gpu_of(agent);
  mirror list[MIRRORS];
  sac_status status = SAC_OK;
  if (!vector->changed) return SAC_OK;

  /* wait: an earlier copy may still use the image */
  SAC_CUDA_TRY(gpu, cudaStreamSynchronize(gpu->stream));

  /* fill the image: the states, then the other arrays */
  for (int32_t i = 0; i < (int32_t)count_of(vector); i++)
    if (vector->api->state_get(vector->self, i, (char*)r->image.state + (size_t)i * r->task->state_size) != 0)
      return state_failed(vector);
  list_mirrors(r, vector, list);
  for (int i = 0; i < MIRRORS; i++) memcpy(list[i].image, list[i].vector, list[i].bytes);

  /* copy the image to the device, and clear the failure of an earlier step */
  SAC_CUDA_TRY(gpu, cudaMemcpyAsync(r->device, r->host, r->bytes, cudaMemcpyHostToDevice, gpu->stream));
  SAC_CUDA_TRY(gpu, cudaMemsetAsync(r->args.failure, 0, sizeof *r->args.failure, gpu->stream));
  vector->changed = 0;
fail:
  return status;
}

/* Copies all arrays of the device to the host's vector. */
static sac_status fetch_all(const sac_agent* agent, sac_vector* vector) {
  resident* r = vector->resident;
  const sac_gpu* gpu = sac_gpu_of(agent);
  mirror list[MIRRORS];
  sac_status status = SAC_OK;

  /* fetch the image */
  SAC_CUDA_TRY(gpu, cudaMemcpyAsync(r->host, r->device, r->bytes, cudaMemcpyDeviceToHost, gpu->stream));
  SAC_CUDA_TRY(gpu, cudaStreamSynchronize(gpu->stream));

  /* give each environment its state, then copy the other arrays */
  for (int32_t i = 0; i < (int32_t)count_of(vector); i++)
    if (vector->api->state_set(vector->self, i, (const char*)r->image.state + (size_t)i * r->task->state_size) != 0)
      return state_failed(vector);
  list_mirrors(r, vector, list);
  for (int i = 0; i < MIRRORS; i++) memcpy(list[i].vector, list[i].image, list[i].bytes);
fail:
  return status;
}

/* --- results of the steps ----------------------------------------------------------------------------------------- */

/* Makes the error for a failed step from the code that the kernel wrote (SAC_ENV_FAILURE). */
static sac_status step_failed(const sac_vector* vector, const resident* r, uint64_t failure) {
  /* unpack the code; its step counts from 0 since the last env_get, `step` from 1 since the vector was made */
  const uint64_t code = ~failure, env = code >> 4 & 0xfffffffffu;
  const uint64_t step = vector->steps - (uint64_t)r->filled + (code >> 40) + 1;
  const int what = (int)(code & 15);

  /* the message counts the environment steps of an agent, N for each step of the vector */
  const char* text = what == SAC_ENV_BAD_ACTION ? "there is no such action"
                     : what == SAC_ENV_BAD_OBS  ? "observation is not finite"
                                                : "reward is not finite";
  const uint64_t p = env / (uint64_t)vector->num_envs;
  return sac_fail(what == SAC_ENV_BAD_ACTION ? SAC_ERROR_ENV : SAC_ERROR_NUMERIC,
                  "step %llu: %s: %s in environment %llu of agent %llu (seed %llu)",
                  (unsigned long long)(step * (uint64_t)vector->num_envs), vector->id, text,
                  (unsigned long long)(env % (uint64_t)vector->num_envs), (unsigned long long)p,
                  (unsigned long long)vector->seed[p]);
}

sac_status sac_cuda_env_get(sac_agent* agent, sac_vector* vector, int whole) {
  const sac_gpu* gpu = sac_gpu_of(agent);
  resident* r = vector->resident;
  const size_t n = count_of(vector);
  sac_status status = SAC_OK;
  if (!r) return SAC_OK;
  SAC_CUDA_TRY(gpu, cudaSetDevice(gpu->ordinal));
  if (r->filled > 0) {
    /* fetch the failure (16 bytes), and behind it the records of the steps since the last call */
    const size_t bytes = 16 + (size_t)r->filled * n * sizeof(sac_env_finished);
    SAC_CUDA_TRY(gpu, cudaMemcpyAsync(r->records, r->args.failure, bytes, cudaMemcpyDeviceToHost, gpu->stream));
    SAC_CUDA_TRY(gpu, cudaStreamSynchronize(gpu->stream));
    const uint64_t failure = *(const uint64_t*)r->records;
    const sac_env_finished* finished = (const sac_env_finished*)((const char*)r->records + 16);

    /* collect the episodes that ended; a record with length 0 has none */
    vector->finished_count = 0;
    for (size_t i = 0; i < (size_t)r->filled * n; i++)
      if (finished[i].length > 0)
        vector->finished[vector->finished_count++] =
            (sac_episode){(int32_t)(i % n), finished[i].episode_return, finished[i].length};

    /* the records were read, so a new burst can begin, even after a failure */
    const sac_status result = failure ? step_failed(vector, r, failure) : SAC_OK;
    r->filled = 0;
    SAC_TRY(result);
  }

  /* copy everything else; where the host has changed the vector, the host's arrays are newer */
  if (whole && !vector->changed) SAC_TRY(fetch_all(agent, vector));
fail:
  return status;
}

sac_status sac_cuda_env_step(sac_agent* agent, sac_vector* vector) {
  const sac_gpu* gpu = sac_gpu_of(agent);
  resident* r = vector->resident;
  sac_status status = SAC_OK;

  /* environments on the host: the caller's thread steps them */
  if (!r) {
    sac_cuda_range_push("env step");
    status = sac_vector_step(vector);
    sac_cuda_range_pop();
    return status;
  }

  /* environments on the device: their memory holds the records of `burst` steps */
  SAC_CUDA_TRY(gpu, cudaSetDevice(gpu->ordinal));
  SAC_TRY(sac_cuda_vector_refresh(agent, vector));
  if (r->filled == vector->burst)
    return sac_fail(SAC_ERROR_ARGUMENT, "%s: %d steps were made, and their results were not read", vector->id,
                    (int)r->filled);

  /* queue the step; it writes the next row of records */
  r->args.stream = vector->stream; /* an evaluation changes it between its rounds */
  r->args.step = r->filled;
  r->args.finished = r->finished + (size_t)r->filled * count_of(vector);
  sac_cuda_range_push("env step");
  const cudaError_t error = sac_env_step_all(gpu->stream, &r->args);
  sac_cuda_range_pop();
  SAC_TRY(sac_cuda_check(gpu->ordinal, error, "env_step"));
  r->filled++;
  vector->steps++;
fail:
  return status;
}

/* --- attaching a vector ------------------------------------------------------------------------------------------- */

/* Frees everything of an attached vector. An attach that failed half-way is freed too. */
static void release(sac_vector* vector) {
  resident* r = vector->resident;
  if (!r) return;

  /* wait: queued steps use this memory */
  (void)cudaSetDevice(r->gpu->ordinal);
  (void)cudaStreamSynchronize(r->gpu->stream);

  /* free device memory, then pinned memory; `finished` is part of the failure's allocation */
  if (r->device) (void)cudaFree(r->device);
  if (r->args.failure) (void)cudaFree(r->args.failure);
  if (r->seed) (void)cudaFree(r->seed);
  if (r->host) (void)cudaFreeHost(r->host);
  if (r->records) (void)cudaFreeHost(r->records);
  sac_free(r);
  vector->resident = NULL;
}

/* Fills the arguments that are the same for every step. */
static sac_status fill_args(const sac_agent* agent, const sac_vector* vector, resident* r) {
  sac_env_step_args* args = &r->args;
  sac_status status = SAC_OK;

  /* read the options into the task's struct */
  if (r->task->options_size > sizeof args->options)
    return sac_fail(SAC_ERROR_ENV, "%s: too many options for the device", vector->id);
  SAC_TRY(sac_env_options_read(r->task->options, r->task->option_count, vector->id, agent->settings.env_options,
                               args->options));

  /* bounds; discrete actions have none */
  for (int32_t i = 0; vector->spec.actions == 0 && i < vector->spec.action_size; i++) {
    args->low[i] = vector->spec.action_low[i];
    args->high[i] = vector->spec.action_high[i];
  }

  /* arrays, seeds, sizes and the time limit */
  args->env = r->at;
  args->seed = r->seed;
  args->task = (int32_t)(r->task - sac_tasks);
  args->population = vector->population;
  args->num_envs = vector->num_envs;
  args->limit = vector->spec.max_episode_steps;
fail:
  return status;
}

/* Allocates the memory of a vector, on the device and pinned. */
static sac_status allocate(const sac_agent* agent, sac_vector* vector, resident* r) {
  const sac_gpu* gpu = sac_gpu_of(agent);
  const size_t n = count_of(vector), seeds = (size_t)vector->population * sizeof(uint64_t);
  void* failure = NULL;
  sac_status status = SAC_OK;

  /* the arrays: measure without a base, then allocate them and their image */
  r->bytes = lay_out(vector, r->task, NULL, &r->at);
  r->record_bytes = 16 + (size_t)vector->burst * n * sizeof(sac_env_finished);
  SAC_CUDA_TRY(gpu, cudaMalloc(&r->device, r->bytes));
  SAC_CUDA_TRY(gpu, cudaHostAlloc(&r->host, r->bytes, cudaHostAllocDefault));

  /* the failure and the records: one allocation, so that one copy fetches both */
  SAC_CUDA_TRY(gpu, cudaMalloc(&failure, r->record_bytes));
  r->args.failure = failure;
  r->finished = (sac_env_finished*)((char*)failure + 16);
  SAC_CUDA_TRY(gpu, cudaHostAlloc(&r->records, r->record_bytes, cudaHostAllocDefault));

  /* the seeds; no failure and no finished episode yet */
  SAC_CUDA_TRY(gpu, cudaMalloc((void**)&r->seed, seeds));
  SAC_CUDA_TRY(gpu, cudaMemsetAsync(failure, 0, r->record_bytes, gpu->stream));
  SAC_CUDA_TRY(gpu, cudaMemcpyAsync(r->seed, vector->seed, seeds, cudaMemcpyHostToDevice, gpu->stream));

  /* set the pointers into both blocks */
  (void)lay_out(vector, r->task, r->device, &r->at);
  (void)lay_out(vector, r->task, r->host, &r->image);
fail:
  return status;
}

sac_status sac_cuda_env_attach(sac_agent* agent, sac_vector* vector) {
  const sac_gpu* gpu = sac_gpu_of(agent);
  const sac_env_entry* entry = sac_env_entry_find(vector->id);
  const sac_task* task = sac_task_find(vector->id);
  const size_t n = count_of(vector);
  sac_status status = SAC_OK;

  /* only built-in tasks have kernels; the host steps all other environments */
  if (!task || !entry || entry->api != vector->api) return SAC_OK;
  SAC_CUDA_TRY(gpu, cudaSetDevice(gpu->ordinal));

  /* a burst has as many steps as FINISHED_MAX records allow, at least one */
  const size_t burst = FINISHED_MAX / n;
  vector->burst = burst < 1 ? 1 : burst > SAC_BURST_MAX ? SAC_BURST_MAX : (int32_t)burst;

  /* the host's list of finished episodes must hold a whole burst */
  sac_free(vector->finished);
  vector->finished = sac_alloc(sac_bytes(n * (size_t)vector->burst, sizeof *vector->finished));
  resident* r = sac_alloc(sizeof *r);
  if (!r || !vector->finished) {
    sac_free(r);
    return sac_fail(SAC_ERROR_MEMORY, "not enough memory for %zu environments of %s: lower env.num_envs or seeds", n,
                    vector->id);
  }

  /* register first: from here on release() frees everything, after an error too */
  r->gpu = gpu;
  r->task = task;
  vector->resident = r;
  vector->resident_destroy = release;
  vector->changed = 1; /* so the first act or step copies the host's environments to the device */
  SAC_TRY(allocate(agent, vector, r));
  SAC_TRY(fill_args(agent, vector, r));
fail:
  return status;
}
