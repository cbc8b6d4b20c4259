#include "cli/bench_case.h"

#include <stdlib.h>

#include "agent/estimate.h"
#include "env/vector.h"
#include "kernels/discrete.h"
#include "kernels/random.h"
#include "util/error.h"

#define PUSHED 4096            /* transitions that a push fills the replay with */
#define SYNTHETIC_EPISODE 1000 /* max_episode_steps of the agent's environment, which is never created */

/* Gives the continuous actions of a spec the bounds [-1, 1]. The spec points into *bounds, (2, A), which the caller
 * frees. */
static sac_status set_unit_bounds(sac_env_spec* spec, float** bounds) {
  const size_t actions = (size_t)spec->action_size;
  *bounds = calloc(2 * actions, sizeof(float));
  if (!*bounds) return sac_fail(SAC_ERROR_MEMORY, "no memory for action bounds");

  /* fill the lower bounds, then the upper ones */
  for (size_t i = 0; i < actions; i++) {
    (*bounds)[i] = -1;
    (*bounds)[actions + i] = 1;
  }

  /* let the spec use them */
  spec->action_low = *bounds;
  spec->action_high = *bounds + actions;
  return SAC_OK;
}

/* Fills the arrays with random transitions, of which every hundredth is terminated. The same in every case: fixed seed
 * and streams. */
static void fill_random(sac_bench_case* c) {
  const sac_shape* s = &c->agent->shape;
  const size_t rows = (size_t)s->population * (size_t)c->rows;

  /* draw observations and rewards from N(0, 1), actions from U(-1, 1) or from all numbers */
  sac_fill_normals(1, 91, 0, rows * (size_t)s->obs, c->obs);
  sac_fill_normals(1, 92, 0, rows * (size_t)s->obs, c->next_obs);
  sac_fill_uniform(1, 93, 0, rows * (size_t)s->action, 1, c->action);
  for (size_t i = 0; s->actions > 0 && i < rows; i++)
    c->action[i] = (float)sac_uniform_action(0.5f * (c->action[i] + 1), s->actions);
  sac_fill_normals(1, 94, 0, rows, c->reward);

  /* end an episode now and then */
  for (size_t i = 0; i < rows; i++) c->terminated[i] = i % 100 == 99;
}

/* Allocates `rows` transitions of each agent, at least one for each of its environments, and fills them. */
static sac_status make_transitions(sac_bench_case* c, int32_t rows) {
  /* choose the number of rows; loops that act or push read the first N of them */
  const sac_shape* s = &c->agent->shape;
  c->rows = rows > s->num_envs ? rows : s->num_envs;
  const size_t all = (size_t)s->population * (size_t)c->rows, obs = (size_t)s->obs, actions = (size_t)s->action;

  /* allocate the arrays */
  c->obs = calloc(all * obs, sizeof(float));
  c->next_obs = calloc(all * obs, sizeof(float));
  c->action = calloc(all * actions, sizeof(float));
  c->reward = calloc(all, sizeof(float));
  c->terminated = calloc(all, 1);
  c->truncated = calloc(all, 1);
  if (!c->obs || !c->next_obs || !c->action || !c->reward || !c->terminated || !c->truncated)
    return sac_fail(SAC_ERROR_MEMORY, "no memory for %zu transitions: lower --rows", all);

  /* fill them with random numbers */
  fill_random(c);
  return SAC_OK;
}

sac_status sac_bench_case_config(sac_config** config, const sac_config* base, const char* const one[5]) {
  static const char* const keys[5][2] = {{"network.hidden", "--hidden"},
                                         {"replay.batch", "--batch"},
                                         {"seeds", "--population"},
                                         {"cpu.threads", "--threads"},
                                         {"env.num_envs", "--envs"}};
  sac_settings settings;
  sac_status status = SAC_OK;
  SAC_TRY(sac_config_copy(config, base));
  for (int i = 0; i < 5; i++)
    if (one[i]) SAC_TRY(sac_config_set_from(*config, keys[i][0], one[i], SAC_ORIGIN_FLAG, keys[i][1]));
  SAC_TRY(sac_config_settings(*config, &settings));
fail:
  return status;
}

sac_status sac_bench_make_agent(sac_bench_case* c, int32_t rows) {
  sac_env_spec spec = {.obs_size = (int32_t)c->b->obs, .max_episode_steps = SYNTHETIC_EPISODE};
  float* bounds = NULL;
  sac_settings settings;
  sac_status status = SAC_OK;

  /* create the agent for an environment that has these sizes alone, and actions of the algorithm's kind */
  SAC_TRY(sac_config_settings(c->config, &settings));
  const int discrete = sac_algo_at(settings.algo)->discrete;
  spec.action_size = discrete ? 1 : (int32_t)c->b->act;
  spec.actions = discrete ? (int32_t)c->b->actions : 0;
  if (!discrete) SAC_TRY(set_unit_bounds(&spec, &bounds));
  SAC_TRY(sac_agent_create(&c->agent, c->config, &spec));

  /* make the transitions that its loops use */
  SAC_TRY(make_transitions(c, rows));
fail:
  free(bounds);
  return status;
}

sac_status sac_bench_make_learner(sac_bench_case* c, int64_t wanted) {
  sac_status status = sac_bench_make_agent(c, PUSHED);
  if (status != SAC_OK) return status;
  const sac_transitions t = {c->rows, c->obs, c->action, c->reward, c->terminated, c->truncated, c->next_obs};

  /* push the same arrays again and again, at most a full replay */
  const int64_t most = c->agent->shape.capacity < wanted ? c->agent->shape.capacity : wanted;
  for (int64_t done = 0; done < most && status == SAC_OK; done += c->rows)
    status = c->agent->backend->replay_push(c->agent, &t, NULL);
  return status;
}

sac_status sac_bench_make_vector(sac_bench_case* c) {
  const sac_env_api* api;
  sac_settings settings;
  sac_status status = SAC_OK;
  uint64_t* seed = NULL;

  /* find the environment */
  SAC_TRY(sac_config_settings(c->config, &settings));
  SAC_TRY(sac_env_find(settings.env_id, &api));

  /* give each agent its seed, as a run does */
  seed = calloc((size_t)settings.seeds, sizeof *seed);
  if (!seed) {
    status = sac_fail(SAC_ERROR_MEMORY, "no memory for %d seeds", (int)settings.seeds);
    goto fail;
  }
  for (int64_t p = 0; p < settings.seeds; p++) seed[p] = (uint64_t)(settings.seed + p);

  /* create the environments, and draw random actions for them */
  SAC_TRY(sac_vector_create(&c->vector, api, settings.env_id, settings.env_options, (int32_t)settings.seeds,
                            (int32_t)settings.num_envs, seed, sac_stream_env(0)));
  SAC_TRY(sac_bench_env_begin(&c->env, c->vector));
fail:
  free(seed);
  return status;
}

sac_status sac_bench_attach_env(sac_bench_case* c) {
  const sac_env_spec* spec = &c->vector->spec;
  const int discrete = spec->actions > 0;
  sac_settings settings;
  sac_shape shape;
  char why[SAC_WHY_MAX];
  const sac_backend* backend;
  int32_t ordinal;
  sac_status status = SAC_OK;

  /* the agent does not learn: take an algorithm for these actions */
  SAC_TRY(sac_config_settings(c->config, &settings));
  if (sac_algo_at(settings.algo)->discrete != discrete) {
    SAC_TRY(sac_config_set(c->config, "algo", sac_algo_name(sac_algo_for(discrete))));
    SAC_TRY(sac_config_settings(c->config, &settings));
  }

  /* choose the device from the shape of the agent */
  SAC_TRY(sac_agent_shape(&shape, &settings, spec));
  SAC_TRY(sac_estimate_choose(&settings, &shape, &backend, &ordinal, why));

  /* leave the environments on the host when the CPU is chosen */
  if (backend->on_host) goto fail;

  /* hand the environments over to it */
  SAC_TRY(sac_agent_create(&c->agent, c->config, spec));
  SAC_TRY(c->agent->backend->env_attach(c->agent, c->vector));
fail:
  return status;
}

void sac_bench_case_end(sac_bench_case* c) {
  sac_bench_env_end(&c->env);
  sac_vector_destroy(c->vector);
  sac_agent_destroy(c->agent);
  sac_config_destroy(c->config);
  free(c->obs);
  free(c->next_obs);
  free(c->action);
  free(c->reward);
  free(c->terminated);
  free(c->truncated);
}
