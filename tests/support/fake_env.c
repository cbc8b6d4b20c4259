#include "support/fake_env.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

fake_env_plan fake_env;

typedef struct one {
  double x, v;
  int64_t step;
} one;

typedef struct instance {
  int32_t n;
  int64_t steps;
  float low, high;
  int32_t actions;
  one* env;
} instance;

static int create(void** self, const char* id, int32_t n, const char* options, sac_env_spec* spec) {
  (void)id, (void)options;
  instance* all = calloc(1, sizeof *all);
  all->n = n;
  all->high = fake_env.action_high != 0 ? fake_env.action_high : 2;
  all->low = -all->high;
  all->env = calloc((size_t)n, sizeof *all->env);
  *spec = (sac_env_spec){.obs_size = 2,
                         .action_size = 1,
                         .max_episode_steps = fake_env.limit,
                         .action_low = &all->low,
                         .action_high = &all->high};
  all->actions = fake_env.actions;
  if (all->actions > 0) {
    spec->actions = all->actions;
    spec->action_low = spec->action_high = NULL;
  }
  *self = all;
  return 0;
}

/* The push of an action. A number that no action has breaks the environment. */
static double push_of(const instance* all, float action) {
  if (all->actions == 0) return (double)action;
  if (!(action >= 0 && action < (float)all->actions && action == floorf(action))) return NAN;
  return 4 * (double)action / (all->actions - 1) - 2;
}

static void observe(const one* env, float* obs) {
  obs[0] = (float)env->x;
  obs[1] = (float)env->v;
}

static int reset(void* self, const uint8_t* mask, const uint64_t* seed, float* obs) {
  instance* all = self;
  for (int32_t i = 0; i < all->n; i++) {
    if (!mask[i]) continue;
    all->env[i] = (one){(double)(seed[i] % 1000) / 500 - 1, 0, 0};
    observe(&all->env[i], obs + 2 * i);
  }
  return 0;
}

static int step(void* self, const float* action, float* obs, float* reward, uint8_t* terminated, uint8_t* truncated) {
  instance* all = self;
  const int32_t length = fake_env.episode ? fake_env.episode : 7;
  const double scale = fake_env.reward_scale != 0 ? fake_env.reward_scale : 1;
  all->steps++;
  if (fake_env.fail_at && all->steps == fake_env.fail_at) return 1;
  for (int32_t i = 0; i < all->n; i++) {
    one* env = &all->env[i];
    env->v = 0.9 * env->v + 0.1 * push_of(all, action[i]);
    env->x += 0.1 * env->v;
    env->step++;
    reward[i] = (float)(-scale * (env->x * env->x));
    terminated[i] = env->step >= length && i % 2 == 0;
    truncated[i] = env->step >= length && i % 2 == 1;
    observe(env, obs + 2 * i);
    if (all->steps == fake_env.nan_reward_at && i == fake_env.nan_env) reward[i] = NAN;
    if (all->steps == fake_env.nan_obs_at && i == fake_env.nan_env) obs[2 * i + 1] = NAN;
  }
  return 0;
}

static void destroy(void* self) {
  instance* all = self;
  if (!all) return;
  free(all->env);
  free(all);
}

static const char* error(void* self) {
  (void)self;
  return "it broke";
}

static size_t state_size(void* self) {
  (void)self;
  return sizeof(one);
}

static int state_get(void* self, int32_t i, void* state) {
  memcpy(state, &((instance*)self)->env[i], sizeof(one));
  return 0;
}

static int state_set(void* self, int32_t i, const void* state) {
  memcpy(&((instance*)self)->env[i], state, sizeof(one));
  return 0;
}

static const char* const* info_names(void* self) {
  static const char* const names[] = {"age", "place", "rare", NULL};
  (void)self;
  return names;
}

static int info(void* self, float* value) {
  const instance* all = self;
  for (int32_t i = 0; i < all->n; i++, value += 3) {
    const one* env = &all->env[i];
    value[0] = (float)env->step;
    value[1] = (float)env->x;
    value[2] = env->step == 7 ? 2 : env->step == 3 ? INFINITY : NAN;
  }
  return 0;
}

/* The functions of every table, and those of environments that save their state. */
#define FUNCTIONS                                                                                                  \
  .abi = SAC_ENV_ABI, .size = sizeof(sac_env_api), .name = "fake", .create = create, .reset = reset, .step = step, \
  .destroy = destroy, .error = error
#define STATE .state_size = state_size, .state_get = state_get, .state_set = state_set, .concurrent = 1

const sac_env_api fake_env_api = {FUNCTIONS, STATE};
const sac_env_api fake_env_stateless_api = {FUNCTIONS};
const sac_env_api fake_env_info_api = {FUNCTIONS, STATE, .info_names = info_names, .info = info};
