#include "cli/bench_env.h"

#include <stdlib.h>
#include <string.h>

#include "env/list.h"
#include "env/vector.h"
#include "kernels/discrete.h"
#include "kernels/random.h"
#include "util/error.h"

#define ROUNDS 64 /* steps after which the actions repeat */

/* Numbers in the actions of one step: P*N*A. */
static size_t count_of(const sac_vector* v) {
  return (size_t)v->population * (size_t)v->num_envs * (size_t)v->spec.action_size;
}

/* rounds: (2, ROUNDS, P, N, A). First the actions that sac_vector_step takes: in [-1, 1], or the number of a discrete
 * action. Then the same in the environment's units, for the simulator alone. */
sac_status sac_bench_env_begin(sac_bench_env* env, sac_vector* vector) {
  const sac_env_spec* spec = &vector->spec;
  const size_t count = count_of(vector), all = ROUNDS * count;
  env->rounds = calloc(2 * all, sizeof(float));
  if (!env->rounds) return sac_fail(SAC_ERROR_MEMORY, "no memory for random actions");
  env->vector = vector;
  sac_vector_begin(vector);

  /* draw actions in [-1, 1], and scale them as sac_vector_step does */
  sac_fill_uniform(1, 95, 0, all, 1, env->rounds);
  for (size_t i = 0; i < all; i++) {
    const size_t j = i % (size_t)spec->action_size;
    float* x = env->rounds + i;

    /* make it the number of a discrete action, all equally likely */
    if (spec->actions) *x = (float)sac_uniform_action(0.5f * (*x + 1), spec->actions);

    /* scale to the bounds of this component */
    x[all] = spec->actions ? *x : 0.5f * (spec->action_low[j] * (1 - *x) + spec->action_high[j] * (1 + *x));
  }

  /* set the first actions, because env_step of a device uses those of the vector */
  memcpy(vector->action, env->rounds, count * sizeof(float));
  return SAC_OK;
}

void sac_bench_env_end(sac_bench_env* env) {
  if (env->vector) sac_vector_end(env->vector);
  free(env->rounds);
  *env = (sac_bench_env){0};
}

sac_status sac_bench_env_step(sac_bench_env* env) {
  const size_t count = count_of(env->vector);
  memcpy(env->vector->action, env->rounds + (size_t)(env->next++ % ROUNDS) * count, count * sizeof(float));
  return sac_vector_step(env->vector);
}

int sac_bench_env_has_bare(const sac_bench_env* env) {
  const sac_env_entry* entry = sac_env_entry_find(env->vector->id);
  return entry && entry->bare;
}

sac_status sac_bench_env_bare(sac_bench_env* env) {
  const sac_vector* v = env->vector;
  const float* action = env->rounds + (size_t)(ROUNDS + env->next++ % ROUNDS) * count_of(v);
  if (sac_env_entry_find(v->id)->bare(v->self, action) == 0) return SAC_OK;
  return sac_fail(SAC_ERROR_ENV, "%s: its bare loop failed: %s", v->id, v->api->error(v->self));
}
