#include "support/bad_env.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

typedef struct bad {
  char fault[32];
  int32_t n;
  int32_t* step;
  uint64_t* seed;
  float low[2], high[2];
  const char* error;
} bad;

static int is(const bad* env, const char* fault) { return strcmp(env->fault, fault) == 0; }

static int bad_create(void** self, const char* id, int32_t n, const char* options, sac_env_spec* spec) {
  (void)options;
  *self = NULL;
  if (strcmp(id, "create_fails_early") == 0) return -1;
  bad* env = *self = calloc(1, sizeof *env);
  strncpy(env->fault, id, sizeof env->fault - 1);
  env->n = n;
  env->step = calloc((size_t)n, sizeof *env->step);
  env->seed = calloc((size_t)n, sizeof *env->seed);
  for (int j = 0; j < 2; j++) env->low[j] = -1, env->high[j] = 1;
  env->error = "the motor is on fire";
  if (is(env, "create_fails")) return -1;
  if (is(env, "silent") || is(env, "unstable")) env->error = NULL;
  if (is(env, "inf_low")) env->low[1] = -INFINITY;
  if (is(env, "nan_high")) env->high[1] = NAN;
  if (is(env, "huge_high")) env->high[1] = 1e30f;
  if (is(env, "swapped_bounds")) env->low[0] = 2;
  if (is(env, "equal_bounds")) env->low[0] = 1;
  *spec = (sac_env_spec){2, 2, 0, 10, env->low, env->high};
  if (is(env, "no_bounds")) spec->action_low = NULL;
  if (is(env, "no_obs")) spec->obs_size = 0;
  if (is(env, "huge_obs")) spec->obs_size = INT32_MAX;
  if (is(env, "no_action")) spec->action_size = 0;
  if (is(env, "one_discrete")) spec->action_size = 1, spec->actions = 1;
  if (is(env, "wide_discrete")) spec->actions = 3;
  if (is(env, "bounded_discrete")) spec->action_size = 1, spec->actions = 3;
  if (is(env, "negative_limit")) spec->max_episode_steps = -1;
  return 0;
}

static void observe(const bad* env, int32_t i, float* obs) {
  obs[2 * i] = (float)env->step[i];
  obs[2 * i + 1] = (float)(env->seed[i] & 0xfffff);
}

static int bad_reset(void* self, const uint8_t* mask, const uint64_t* seed, float* obs) {
  bad* env = self;
  if (is(env, "reset_fails")) return 5;
  for (int32_t i = 0; i < env->n; i++) {
    if (!mask[i]) continue;
    env->step[i] = 0;
    env->seed[i] = seed[i];
    observe(env, i, obs);
    if (is(env, "nan_reset")) obs[2 * i + 1] = NAN;
  }
  return 0;
}

static int bad_step(void* self, const float* action, float* obs, float* reward, uint8_t* terminated,
                    uint8_t* truncated) {
  bad* env = self;
  (void)action;
  for (int32_t i = 0; i < env->n; i++) {
    const int fault = ++env->step[i] == 3 && i == (env->n > 1);
    observe(env, i, obs);
    reward[i] = (float)env->step[i];
    terminated[i] = fault && is(env, "flags") ? 7 : 0;
    truncated[i] = fault && is(env, "truncates");
    if (!fault) continue;
    if (is(env, "nan_obs")) obs[2 * i + 1] = NAN;
    if (is(env, "inf_obs")) obs[2 * i] = -INFINITY;
    if (is(env, "nan_reward")) reward[i] = NAN;
    if (is(env, "inf_reward")) reward[i] = INFINITY;
    if (is(env, "step_fails") || is(env, "silent")) return 1;
    if (is(env, "unstable")) return SAC_ERROR_NUMERIC;
  }
  return 0;
}

static void bad_destroy(void* self) {
  bad* env = self;
  if (!env) return;
  free(env->step);
  free(env->seed);
  free(env);
}

static const char* bad_error(void* self) { return ((const bad*)self)->error; }

const sac_env_api bad_env = {.abi = SAC_ENV_ABI,
                             .size = sizeof(sac_env_api),
                             .name = "bad",
                             .create = bad_create,
                             .reset = bad_reset,
                             .step = bad_step,
                             .destroy = bad_destroy,
                             .error = bad_error};
