#include "env/vector.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "env/calls.h"
#include "env/check.h"
#include "env/generators.h"
#include "env/list.h"
#include "kernels/discrete.h"
#include "kernels/random.h"
#include "kernels/squash.h"
#include "util/error.h"
#include "util/memory.h"
#include "util/number.h"
#include "util/text.h"

#define COUNT(vector) ((size_t)(vector)->population * (size_t)(vector)->num_envs)

/* The number of the current step for messages: the transitions of one agent so far, with those of this step. */
static unsigned long long step_number(const sac_vector* vector) {
  return (unsigned long long)((vector->steps + 1) * (uint64_t)vector->num_envs);
}

/* The error of a value of environment i that is not finite. at: its index in the observation; -1: it is a reward. */
static sac_status not_finite(const sac_vector* vector, size_t i, const char* what, int32_t at, double value) {
  char place[32] = "";
  if (at >= 0) (void)snprintf(place, sizeof place, " %d", (int)at);
  return sac_fail(SAC_ERROR_NUMERIC, "step %llu: %s: %s%s is %s in environment %zu of agent %zu (seed %llu)%s",
                  step_number(vector), vector->id, what, place,
                  isnan(value) ? "NaN"
                  : value > 0  ? "infinite"
                               : "-infinite",
                  i % (size_t)vector->num_envs, i / (size_t)vector->num_envs,
                  (unsigned long long)vector->seed[i / (size_t)vector->num_envs],
                  isnan(value) ? "" : "; so is every number beyond the range of float32, 3.4e+38");
}

/* Checks the observations (P, N, O) of the environments in `mask`, or of all when mask is NULL. */
static sac_status check_obs(const sac_vector* vector, const float* obs, const uint8_t* mask) {
  const size_t size = (size_t)vector->spec.obs_size, count = COUNT(vector);

  /* the usual case in one fast pass */
  if (!mask && sac_all_finite(obs, count * size)) return SAC_OK;

  /* otherwise look at each environment, to name the first that is wrong */
  for (size_t i = 0; i < count; i++) {
    if (mask && !mask[i]) continue;
    const size_t j = sac_first_not_finite(obs + i * size, size);
    if (j < size) return not_finite(vector, i, "observation", (int32_t)j, (double)obs[i * size + j]);
  }
  return SAC_OK;
}

/* Checks the numbers of discrete actions, before they reach the environment. Errors: NUMERIC (not finite), ARGUMENT. */
static sac_status check_numbers(const sac_vector* vector) {
  const int32_t actions = vector->spec.actions;
  for (size_t i = 0; actions > 0 && i < COUNT(vector); i++) {
    const float value = vector->action[i];
    if (sac_action_exists(value, actions)) continue;
    if (isnan(value))
      return sac_fail(
          SAC_ERROR_NUMERIC,
          "step %llu: %s: agent %zu gives no action to environment %zu: a value of its networks, or q/alpha, "
          "is not finite",
          step_number(vector), vector->id, i / (size_t)vector->num_envs, i % (size_t)vector->num_envs);
    return sac_fail(
        isfinite(value) ? SAC_ERROR_ARGUMENT : SAC_ERROR_NUMERIC,
        "step %llu: %s: action %.9g for environment %zu of agent %zu is no number of an action: 0 to %d are",
        step_number(vector), vector->id, (double)value, i % (size_t)vector->num_envs, i / (size_t)vector->num_envs,
        (int)actions - 1);
  }
  return SAC_OK;
}

static sac_status check_reward(const sac_vector* vector) {
  const size_t count = COUNT(vector);
  const size_t i = sac_all_finite(vector->reward, count) ? count : sac_first_not_finite(vector->reward, count);
  return i == count ? SAC_OK : not_finite(vector, i, "reward", -1, (double)vector->reward[i]);
}

void sac_vector_seed_generators(const sac_vector* vector, uint64_t position) {
  if (!vector->guard.on) return;
  const uint64_t stream = sac_stream_generators(vector->stream);
  sac_generators_seed(vector->api, vector->self, sac_philox_seed(vector->seed[0], stream, position));
}

sac_status sac_vector_reset_masked(sac_vector* vector) {
  const size_t count = COUNT(vector), num_envs = (size_t)vector->num_envs;

  /* draw the seeds of the new episodes, and clear their statistics */
  for (size_t i = 0; i < count; i++) {
    if (!vector->mask[i]) continue;
    vector->reset_seed[i] =
        sac_philox_seed(vector->seed[i / num_envs], vector->stream + i % num_envs, vector->episode[i]);
    vector->episode[i]++;
    vector->episode_return[i] = 0;
    vector->episode_length[i] = 0;
  }

  /* reset, and check the first observations; `changed` makes a backend that steps read the states again. Behind the end
   * of an episode a reset is a part of the step. */
  const int whole = vector->finished_count == 0;
  vector->changed = 1;
  const sac_status status = sac_call_reset(vector, whole);
  return status == SAC_OK ? check_obs(vector, vector->obs, vector->mask) : status;
}

/* Allocates the vector's arrays; those of 0 bytes stay NULL. */
static sac_status allocate(sac_vector* vector) {
  const size_t count = COUNT(vector), obs = (size_t)vector->spec.obs_size, action = (size_t)vector->spec.action_size;
  const size_t info = vector->info_name ? SAC_ENV_INFO_MAX : 0; /* steps may add terms */

  /* each array and its size; where a product overflows sac_bytes gives SIZE_MAX, which sac_alloc refuses */
  const struct {
    void** at;
    size_t bytes;
  } arrays[] = {
      {(void**)&vector->obs, sac_bytes(count, obs * sizeof(float))},
      {(void**)&vector->action, sac_bytes(count, action * sizeof(float))},
      {(void**)&vector->env_action, sac_bytes(count, action * sizeof(float))},
      {(void**)&vector->prev_obs, sac_bytes(count, obs * sizeof(float))},
      {(void**)&vector->reward, sac_bytes(count, sizeof(float))},
      {(void**)&vector->terminated, count},
      {(void**)&vector->truncated, count},
      {(void**)&vector->next_obs, sac_bytes(count, obs * sizeof(float))},
      {(void**)&vector->episode, sac_bytes(count, sizeof(uint64_t))},
      {(void**)&vector->episode_return, sac_bytes(count, sizeof(double))},
      {(void**)&vector->episode_length, sac_bytes(count, sizeof(int64_t))},
      {(void**)&vector->finished, sac_bytes(count, sizeof(sac_episode))},
      {(void**)&vector->mask, count},
      {(void**)&vector->reset_seed, sac_bytes(count, sizeof(uint64_t))},
      {(void**)&vector->info, sac_bytes(count, info * sizeof(float))},
  };

  /* allocate them; after a failure sac_vector_destroy frees those before it */
  for (size_t i = 0; i < sizeof arrays / sizeof *arrays; i++)
    if (arrays[i].bytes > 0 && !(*arrays[i].at = sac_alloc(arrays[i].bytes)))
      return sac_fail(SAC_ERROR_MEMORY, "not enough memory for %zu environments of %s: lower env.num_envs or seeds",
                      count, vector->id);
  return SAC_OK;
}

static sac_status copy_seeds(sac_vector* vector, const uint64_t* seed) {
  const size_t count = (size_t)vector->population;
  vector->seed = sac_alloc(sac_bytes(count, sizeof *seed));
  if (!vector->seed) return sac_fail(SAC_ERROR_MEMORY, "not enough memory for %zu seeds", count);
  memcpy(vector->seed, seed, count * sizeof *seed);
  return SAC_OK;
}

/* Allocates a vector that has no instance and no arrays yet. */
static sac_status make_vector(sac_vector** out, const sac_env_api* api, int32_t population, int32_t num_envs,
                              uint64_t stream) {
  sac_vector* vector = sac_alloc(sizeof *vector);
  *out = vector;
  if (!vector) return sac_fail(SAC_ERROR_MEMORY, "not enough memory for an environment");
  vector->api = api;
  vector->population = population;
  vector->num_envs = num_envs;
  vector->stream = stream;
  vector->burst = 1;
  return SAC_OK;
}

sac_status sac_vector_create(sac_vector** out, const sac_env_api* api, const char* id, const char* options,
                             int32_t population, int32_t num_envs, const uint64_t* seed, uint64_t stream) {
  *out = NULL;
  sac_status status = SAC_OK;
  sac_vector* vector = NULL;

  /* check the arguments */
  if (!id || !seed) return sac_fail(SAC_ERROR_ARGUMENT, "sac_vector_create: no id or no seeds");
  if (population < 1 || num_envs < 1 || (int64_t)population * num_envs > SAC_ENV_COUNT_MAX)
    return sac_fail(SAC_ERROR_ARGUMENT, "%d seeds of %d environments: 1 to %d in all are possible", (int)population,
                    (int)num_envs, SAC_ENV_COUNT_MAX);
  SAC_TRY(sac_env_check_api(id, api));

  /* make the vector, without environments yet */
  SAC_TRY(make_vector(&vector, api, population, num_envs, stream));
  sac_text_show(vector->id, id, SIZE_MAX);
  vector->guard = sac_guard_create(sac_env_is_outside(id));

  /* make the environments, then the arrays, whose sizes they give */
  SAC_TRY(copy_seeds(vector, seed));
  sac_vector_seed_generators(vector, 0);
  SAC_TRY(sac_call_create(vector, id, options));
  SAC_TRY(allocate(vector));

  /* start the first episodes */
  SAC_TRY(sac_vector_reset(vector, 0));
  *out = vector;
  return SAC_OK;
fail:
  sac_vector_destroy(vector);
  return status;
}

sac_status sac_vector_share(sac_vector** out, const sac_vector* owner, uint64_t stream, int info) {
  sac_vector* vector = NULL;
  sac_status status = SAC_OK;
  *out = NULL;

  /* take the instance of the owner with its sizes */
  SAC_TRY(make_vector(&vector, owner->api, owner->population, owner->num_envs, stream));
  memcpy(vector->id, owner->id, sizeof vector->id);
  vector->self = owner->self;
  vector->spec = owner->spec;
  vector->borrowed = 1;
  vector->guard = sac_guard_share(&owner->guard);

  /* make arrays of its own */
  if (info) {
    vector->info_name = owner->info_name;
    vector->info_count = owner->info_count;
  }
  SAC_TRY(copy_seeds(vector, owner->seed));
  SAC_TRY(allocate(vector));
  *out = vector;
  return SAC_OK;
fail:
  sac_vector_destroy(vector);
  return status;
}

void sac_vector_destroy(sac_vector* vector) {
  if (!vector) return;

  /* end the thread first, as it may still step the environments */
  sac_worker_destroy(vector->worker);

  /* what a backend holds, then the instance */
  if (vector->resident) vector->resident_destroy(vector);
  if (vector->self && !vector->borrowed) sac_call_destroy(vector);
  sac_guard_destroy(&vector->guard);

  /* the arrays; sac_free takes NULL */
  sac_free(vector->seed);
  sac_free(vector->obs);
  sac_free(vector->action);
  sac_free(vector->env_action);
  sac_free(vector->prev_obs);
  sac_free(vector->reward);
  sac_free(vector->terminated);
  sac_free(vector->truncated);
  sac_free(vector->next_obs);
  sac_free(vector->episode);
  sac_free(vector->episode_return);
  sac_free(vector->episode_length);
  sac_free(vector->finished);
  sac_free(vector->mask);
  sac_free(vector->reset_seed);
  sac_free(vector->info);
  sac_free(vector);
}

sac_status sac_vector_reset(sac_vector* vector, uint64_t episode) {
  const size_t count = COUNT(vector);

  /* an evaluation draws what its number says; the first episodes go on behind the constructors */
  if (episode > 0) sac_vector_seed_generators(vector, episode);

  /* start it everywhere */
  memset(vector->mask, 1, count);
  for (size_t i = 0; i < count; i++) vector->episode[i] = episode;
  vector->finished_count = 0;
  return sac_vector_reset_masked(vector);
}

sac_status sac_vector_start(sac_vector* vector) {
  if (!vector->ended) return SAC_OK;
  memset(vector->mask, 1, COUNT(vector));
  vector->ended = 0;
  return sac_vector_reset_masked(vector);
}

/* Scales actions from [-1, 1] to the environment's units, and clips what rounding puts outside the bounds. A NaN stays
 * a NaN: the step then fails, or its observations show it to check_obs. */
static void scale_actions(sac_vector* vector) {
  const size_t count = COUNT(vector), size = (size_t)vector->spec.action_size;

  /* discrete: the number of the action goes on as it is */
  if (vector->spec.actions != 0) {
    memcpy(vector->env_action, vector->action, count * sizeof(float));
    return;
  }

  /* continuous: column j of all environments has the same bounds */
  for (size_t j = 0; j < size; j++) {
    const float low = vector->spec.action_low[j], high = vector->spec.action_high[j];
    const float centre = sac_action_centre((double)low, (double)high);
    const float half = sac_action_half_range((double)low, (double)high);
    for (size_t i = j; i < count * size; i += size)
      vector->env_action[i] = sac_clamp(sac_action_scale(vector->action[i], centre, half), low, high);
  }
}

void sac_vector_begin(sac_vector* vector) {
  if (vector->guard.on) sac_guard_begin();
}

sac_status sac_vector_check(sac_vector* vector) { return sac_call_check(vector); }

void sac_vector_end(sac_vector* vector) {
  if (vector->guard.on) sac_guard_end(&vector->guard);
}

static sac_status call_info(sac_vector* vector) {
  if (!vector->info_name) return SAC_OK;

  /* names that this step has added stand where the list ended */
  if (vector->info_name[vector->info_count]) {
    const sac_status status = sac_env_check_names(vector->id, vector->info_name, &vector->info_count);
    if (status != SAC_OK) return status;
  }
  if (vector->info_count == 0) return SAC_OK;
  return sac_call_info(vector);
}

sac_status sac_vector_step(sac_vector* vector) {
  const size_t count = COUNT(vector), obs = (size_t)vector->spec.obs_size;
  const int32_t limit = vector->spec.max_episode_steps;
  sac_status status = SAC_OK;

  /* step the environments; keep the observations that the policy acted on */
  SAC_TRY(check_numbers(vector));
  scale_actions(vector);
  memcpy(vector->prev_obs, vector->obs, count * obs * sizeof(float));
  SAC_TRY(sac_call_step(vector));

  /* check the results before anything takes them; terms of info need not be finite */
  SAC_TRY(check_obs(vector, vector->next_obs, NULL));
  SAC_TRY(check_reward(vector));
  SAC_TRY(call_info(vector));
  memcpy(vector->obs, vector->next_obs, count * obs * sizeof(float));

  /* add to the episodes' statistics, apply the time limit, and list the episodes that ended */
  vector->finished_count = 0;
  for (size_t i = 0; i < count; i++) {
    vector->episode_return[i] += (double)vector->reward[i];
    vector->episode_length[i]++;
    vector->terminated[i] = vector->terminated[i] != 0;
    vector->truncated[i] = vector->truncated[i] != 0 || (limit > 0 && vector->episode_length[i] >= limit);
    vector->mask[i] = vector->terminated[i] || vector->truncated[i];
    if (vector->mask[i])
      vector->finished[vector->finished_count++] =
          (sac_episode){(int32_t)i, vector->episode_return[i], vector->episode_length[i]};

    /* an episode that goes on ends here if all must end; it is no result of the policy, so it is not listed */
    if (vector->end_all) vector->truncated[i] = !vector->terminated[i];
  }

  /* start new episodes where one ended: obs is then what to act on next, next_obs stays the true next observation */
  vector->steps++;
  vector->ended = vector->end_all;
  vector->end_all = 0;
  if (vector->finished_count > 0 && !vector->ended && !vector->keep_ended) SAC_TRY(sac_vector_reset_masked(vector));
fail:
  return status;
}

sac_status sac_vector_fits(const sac_vector* vector, int32_t obs, int32_t action, int32_t actions) {
  const sac_env_spec* spec = &vector->spec;
  if (spec->obs_size == obs && spec->action_size == action && spec->actions == actions) return SAC_OK;
  return sac_fail(SAC_ERROR_ENV, "%s has %d observations and %d %sactions; for the training it had %d and %d%s",
                  vector->id, (int)spec->obs_size, (int)(spec->actions ? spec->actions : spec->action_size),
                  spec->actions ? "discrete " : "", (int)obs, (int)(actions ? actions : action),
                  !actions == !spec->actions ? ""
                  : actions                  ? " discrete"
                                             : " continuous");
}

double sac_vector_success(const sac_vector* vector, int32_t i) {
  static const char* const names[] = {"is_success", "success"};
  for (size_t n = 0; n < sizeof names / sizeof *names; n++)
    for (int32_t k = 0; k < vector->info_count; k++) {
      if (strcmp(vector->info_name[k], names[n]) != 0) continue;
      const float value = vector->info[(size_t)i * (size_t)vector->info_count + (size_t)k];
      if (!isnan(value)) return value != 0;
    }
  return NAN;
}

sac_transitions sac_vector_transitions(const sac_vector* vector) {
  return (sac_transitions){.n = vector->num_envs,
                           .obs = vector->prev_obs,
                           .action = vector->action,
                           .reward = vector->reward,
                           .terminated = vector->terminated,
                           .truncated = vector->truncated,
                           .next_obs = vector->next_obs};
}
