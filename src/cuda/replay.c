/* replay push writes transitions into the ring (P, C, row); replay sample draws a minibatch from it. */
#include <string.h>

#include "cuda/cuda.h"
#include "kernels/real.h"
#include "replay/sampler.h"
#include "util/error.h"

/* Where each number of a transition is in a row of the ring. */
static sac_row_layout row_of(const sac_agent* agent) {
  const sac_replay_row* row = &agent->row; /* the host's layout: the device has the same */
  return (sac_row_layout){row->obs,       row->action,   row->reward, row->terminated,
                          row->truncated, row->next_obs, row->floats};
}

/* The arguments of a push of n transitions of each agent, without the arrays. */
static sac_replay_push_args push_args(const sac_agent* agent, int32_t n) {
  const sac_gpu* gpu = sac_gpu_of(agent);
  return (sac_replay_push_args){.state = gpu->state,
                                .ring = gpu->replay,
                                .dims = sac_cuda_dims(agent),
                                .row = row_of(agent),
                                .capacity = agent->shape.capacity,
                                .n = n};
}

/* Copies rows first .. first + n - 1 of each agent from an array (P, all, size) to (P, n, size). size: bytes of a row.
 * Returns the place behind the copy. */
static void* stage(void* to, const void* from, size_t population, size_t all, size_t first, size_t n, size_t size) {
  char* at = to;
  for (size_t p = 0; p < population; p++, at += n * size)
    memcpy(at, (const char*)from + (p * all + first) * size, n * size);
  return at;
}

/* Pushes rows first .. first + n - 1 of the host's transitions. They are copied to pinned memory, from which the
 * kernel reads them. */
static sac_status push_staged(sac_agent* agent, const sac_transitions* t, int32_t first, int32_t n) {
  sac_gpu* gpu = sac_gpu_of(agent);
  const size_t P = (size_t)agent->shape.population, all = (size_t)t->n, from = (size_t)first, rows = (size_t)n;
  const size_t obs = (size_t)agent->shape.obs * sizeof(float), action = (size_t)agent->shape.action * sizeof(float);
  sac_replay_push_args args = push_args(agent, n);
  sac_status status = SAC_OK;

  /* wait until the kernel of the last push has read the pinned memory */
  if (gpu->pushing) SAC_CUDA_TRY(gpu, cudaEventSynchronize(gpu->push_read));

  /* stage the arrays one behind the other; floats first, because bytes would break their alignment */
  void* at = gpu->push_rows;
  args.obs = at, at = stage(at, t->obs, P, all, from, rows, obs);
  args.next_obs = at, at = stage(at, t->next_obs, P, all, from, rows, obs);
  float* const actions = at;
  args.action = at, at = stage(at, t->action, P, all, from, rows, action);
  args.reward = at, at = stage(at, t->reward, P, all, from, rows, sizeof(float));
  args.terminated = at, at = stage(at, t->terminated, P, all, from, rows, 1);
  args.truncated = at, (void)stage(at, t->truncated, P, all, from, rows, 1);

  /* a continuous action may be beyond 1 by a rounding */
  for (size_t i = 0; !agent->algo->discrete && i < P * rows * (size_t)agent->shape.action; i++)
    actions[i] = sac_clamp(actions[i], -1, 1);

  /* queue the kernel, and record when it has read the rows */
  SAC_CUDA_TRY(gpu, sac_replay_push_rows(gpu->stream, &args));
  SAC_CUDA_TRY(gpu, cudaEventRecord(gpu->push_read, gpu->stream));
  gpu->pushing = 1;
fail:
  return status;
}

/* Pushes the last step of a vector that is on the device: its arrays are the transitions. */
static sac_status push_resident(sac_agent* agent, const sac_vector* vector) {
  const sac_gpu* gpu = sac_gpu_of(agent);
  const sac_env_arrays* arrays = sac_cuda_vector_arrays(vector);
  sac_replay_push_args args = push_args(agent, vector->num_envs);
  args.obs = arrays->prev_obs;
  args.next_obs = arrays->next_obs;
  args.action = arrays->action;
  args.reward = arrays->reward;
  args.terminated = arrays->terminated;
  args.truncated = arrays->truncated;
  return sac_cuda_check(gpu->ordinal, sac_replay_push_rows(gpu->stream, &args), "replay_push");
}

sac_status sac_cuda_replay_push(sac_agent* agent, const sac_transitions* transitions, const sac_vector* vector) {
  const sac_gpu* gpu = sac_gpu_of(agent);
  sac_status status = SAC_OK;
  SAC_CUDA_TRY(gpu, cudaSetDevice(gpu->ordinal));

  /* push from the device's environments, or from the host's transitions, as many at a time as the staging holds */
  sac_cuda_range_push("replay push");
  if (vector && vector->resident) {
    status = push_resident(agent, vector);
  } else {
    for (int32_t first = 0; first < transitions->n && status == SAC_OK; first += gpu->push_capacity) {
      const int32_t left = transitions->n - first;
      status = push_staged(agent, transitions, first, left < gpu->push_capacity ? left : gpu->push_capacity);
    }
  }
  sac_cuda_range_pop();
  if (status != SAC_OK) return status;

  /* advance the host's copies of the counters; the kernel advances the device's */
  const int32_t n = vector && vector->resident ? vector->num_envs : transitions->n;
  for (int32_t p = 0; p < agent->shape.population; p++)
    if (agent->alive[p]) agent->counters[p].pushed += (uint64_t)n;
fail:
  return status;
}

/* The launches that draw a minibatch, by the value of key replay.sampling. A sampler without one is for the CPU alone.
 * (No sampler of a device is told of pushed rows or of TD errors yet.) */
static cudaError_t (*const samplers[SAC_SAMPLER_COUNT])(cudaStream_t stream, const sac_replay_sample_args* args) = {
    [SAC_SAMPLER_uniform] = sac_replay_sample_uniform,
};

int sac_cuda_has_sampler(int sampler) { return samplers[sampler] != NULL; }

sac_status sac_cuda_replay_sample(sac_agent* agent, uint64_t ahead) {
  const sac_gpu* gpu = sac_gpu_of(agent);

  /* an algorithm that samples no a' needs no noise and no columns for it */
  const sac_replay_sample_args args = {.state = gpu->state,
                                       .ring = gpu->replay,
                                       .minibatch = gpu->minibatch,
                                       .dims = sac_cuda_dims(agent),
                                       .row = row_of(agent),
                                       .capacity = agent->shape.capacity,
                                       .offline = sac_offline_rows(agent->settings.offline_share, agent->shape.batch),
                                       .with_next_action = sac_algo_samples(agent->algo, SAC_NEXT),
                                       .gamma = (float)agent->settings.gamma,
                                       .ahead = ahead};

  /* draw by the configured sampler */
  sac_cuda_range_push("replay sample");
  const cudaError_t error = samplers[agent->settings.replay_sampling](gpu->stream, &args);
  sac_cuda_range_pop();
  return sac_cuda_check(gpu->ordinal, error, "replay_sample");
}

/* Copies `rows` rows of `size` floats from the host to rows that are `pitch` floats apart. */
static sac_status put(const sac_gpu* gpu, float* to, size_t pitch, const float* from, size_t size, size_t rows) {
  return sac_cuda_check(gpu->ordinal,
                        cudaMemcpy2DAsync(to, pitch * sizeof(float), from, size * sizeof(float), size * sizeof(float),
                                          rows, cudaMemcpyHostToDevice, gpu->stream),
                        "cudaMemcpy2DAsync");
}

sac_status sac_cuda_minibatch_set(sac_agent* agent, const sac_minibatch* minibatch, const sac_noise* noise) {
  const sac_gpu* gpu = sac_gpu_of(agent);
  const sac_device_minibatch* m = &gpu->minibatch;
  const size_t B = (size_t)agent->shape.batch, O = (size_t)agent->shape.obs, A = (size_t)agent->shape.action,
               K = (size_t)agent->shape.critics, F = agent->algo->discrete ? O : O + A;
  sac_status status = SAC_OK;
  SAC_CUDA_TRY(gpu, cudaSetDevice(gpu->ordinal));
  for (size_t p = 0; p < (size_t)agent->shape.population; p++) {
    /* agent p's part of the caller's arrays */
    const float *obs = minibatch->obs + p * B * O, *next = minibatch->next_obs + p * B * O,
                *action = minibatch->action + p * B * A;

    /* inputs of actors and value networks: B rows of s, then B rows of s' */
    SAC_TRY(put(gpu, m->states + 2 * p * B * O, O, obs, O, B));
    SAC_TRY(put(gpu, m->states + (2 * p + 1) * B * O, O, next, O, B));

    /* inputs of critics, a copy for each; the update writes a~ and a'. Discrete actions have a column of their own. */
    for (size_t k = 0; k < K; k++) {
      const size_t at = (p * K + k) * B * F;
      SAC_TRY(put(gpu, m->current + at, F, obs, O, B));
      SAC_TRY(put(gpu, m->next + at, F, next, O, B));
      if (m->action) continue;
      SAC_TRY(put(gpu, m->current + at + O, F, action, A, B));
      SAC_TRY(put(gpu, m->policy + at, F, obs, O, B));
    }
    if (m->action) SAC_TRY(put(gpu, m->action + p * B, 1, action, 1, B));

    /* rewards and noise; `terminated` stands in the place of the discount until the kernel below */
    SAC_TRY(put(gpu, m->reward + p * B, 1, minibatch->reward + p * B, 1, B));
    SAC_TRY(put(gpu, m->discount + p * B, 1, minibatch->terminated + p * B, 1, B));
    if (agent->algo->discrete) continue;
    SAC_TRY(put(gpu, m->noise + 2 * p * B * A, A, noise->action + p * B * A, A, B));
    if (noise->next_action) SAC_TRY(put(gpu, m->noise + (2 * p + 1) * B * A, A, noise->next_action + p * B * A, A, B));
  }

  /* make discounts of `terminated`, and weights of 1 */
  const size_t rows = (size_t)agent->shape.population * B;
  SAC_CUDA_TRY(gpu, sac_replay_given(gpu->stream, m, rows, (float)agent->settings.gamma));
fail:
  if (status != SAC_OK) (void)cudaStreamSynchronize(gpu->stream); /* the copies may still read the caller's memory */
  return status;
}
