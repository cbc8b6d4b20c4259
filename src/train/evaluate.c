#include "train/evaluate.h"

#include <math.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "agent/estimate.h"
#include "env/check.h"
#include "env/generators.h"
#include "env/task.h"
#include "train/step.h"
#include "util/error.h"
#include "util/system.h"
#include "util/worker.h"

struct sac_evaluator {
  sac_episodes episodes;
  sac_agent* copy;    /* plays instead of the agent; NULL: the agent itself plays */
  sac_worker* worker; /* NULL: played on the caller's thread */
  int borrowed;       /* 1: the worker is that of the training environments */
  sac_agent* agent;   /* the agent that plays: the copy, or the agent in training */
  sac_status status;  /* the result, if there is no worker */
};

/* --- who plays ---------------------------------------------------------------------------------------------------- */

/* Threads that training uses. A device needs one, which queues the work. */
static int64_t learning_threads(const sac_settings* settings, int on_device) {
  if (on_device) return 1;
  return settings->threads > 0 ? settings->threads : sac_processors();
}

/* The agent's configuration on the CPU, with a replay of one transition: the copy only acts. */
static sac_status copy_config(sac_config** copy, const sac_config* config) {
  static const char* const sets[][2] = {
      {"device", "cpu"}, {"precision", "fp32"}, {"cpu.threads", "1"}, {"replay.batch", "1"}, {"replay.capacity", "1"}};
  sac_status status = sac_config_copy(copy, config);
  for (size_t i = 0; status == SAC_OK && i < sizeof sets / sizeof *sets; i++)
    status = sac_config_set_from(*copy, sets[i][0], sets[i][1], SAC_ORIGIN_FLAG, "evaluation");
  return status;
}

/* Creates the copy of the agent that plays its evaluations. */
static sac_status create_copy(sac_evaluator* e, const sac_agent* agent) {
  sac_config* config = NULL;
  sac_env_spec spec = e->episodes.vector->spec;
  sac_status status = SAC_OK;
  spec.max_episode_steps = agent->max_episode_steps; /* files of the copy name the environment's own limit */
  SAC_TRY(copy_config(&config, agent->config));
  SAC_TRY(sac_agent_create(&e->copy, config, &spec));
fail:
  sac_config_destroy(config);
  return status;
}

/* Creates the copy of the agent that plays, and the thread for it, where they are of use (evaluate.h). */
static sac_status choose_player(sac_evaluator* e, const sac_agent* agent, const sac_eval_env* env) {
  const int on_device = !agent->backend->on_host;
  const int free_processor = sac_processors() > learning_threads(&agent->settings, on_device);
  sac_status status = SAC_OK;

  /* environments of the training are stepped by the thread that always steps them */
  if (env->vector) {
    e->worker = env->vector->worker;
    e->borrowed = 1;
    return SAC_OK;
  }

  /* otherwise a copy plays, if it may step its environments while those of the training step */
  if (e->episodes.vector->resident || !sac_env_is_concurrent(env->api) || (!on_device && !free_processor))
    return SAC_OK;
  SAC_TRY(create_copy(e, agent));

  /* without a free processor the copy plays on the caller's thread */
  if (free_processor) SAC_TRY(sac_worker_create(&e->worker));
fail:
  return status;
}

size_t sac_evaluator_memory(const sac_config* config, const sac_env_spec* spec, const sac_env_api* api) {
  sac_settings settings;
  sac_config* copy = NULL;
  sac_shape shape;
  char why[SAC_WHY_MAX];
  const sac_backend* backend;
  int32_t ordinal = -1;
  size_t replay = 0, rest = 0;

  /* return 0 where choose_player makes no copy */
  if (sac_config_settings(config, &settings) != SAC_OK || settings.eval_every == 0 || !sac_env_is_concurrent(api))
    return 0;
  if (sac_agent_shape(&shape, &settings, spec) != SAC_OK ||
      sac_estimate_choose(&settings, &shape, &backend, &ordinal, why) != SAC_OK)
    return 0;
  const int on_device = ordinal >= 0;
  if (on_device && sac_task_find(settings.env_id)) return 0;
  if (!on_device && sac_processors() <= learning_threads(&settings, 0)) return 0;

  /* count the bytes of the copy */
  if (copy_config(&copy, config) != SAC_OK || sac_agent_memory(copy, spec, &replay, &rest) != SAC_OK) replay = rest = 0;
  sac_config_destroy(copy);
  return replay + rest;
}

sac_status sac_evaluator_create(sac_evaluator** evaluator, sac_agent* agent, const sac_eval_env* env,
                                int32_t episodes) {
  sac_status status = SAC_OK;
  *evaluator = NULL;

  sac_evaluator* e = calloc(1, sizeof *e);
  if (!e) return sac_fail(SAC_ERROR_MEMORY, "no memory for evaluation");
  e->agent = agent;

  /* make the environments; a backend may step them itself */
  SAC_TRY(sac_episodes_make(&e->episodes, env, agent->shape.population, agent->seed, episodes));
  SAC_TRY(sac_vector_fits(e->episodes.vector, agent->shape.obs, agent->shape.action, agent->shape.actions));
  if (agent->backend->env_attach) SAC_TRY(agent->backend->env_attach(agent, e->episodes.vector));

  /* decide who plays, and on which thread */
  SAC_TRY(choose_player(e, agent, env));
  *evaluator = e;
  return SAC_OK;
fail:
  sac_evaluator_destroy(e);
  return status;
}

void sac_evaluator_destroy(sac_evaluator* evaluator) {
  if (!evaluator) return;

  /* end the thread first: it uses the copy and the environments */
  atomic_store(&evaluator->episodes.ending, 1);
  if (!evaluator->borrowed) sac_worker_destroy(evaluator->worker);
  sac_agent_destroy(evaluator->copy);
  sac_episodes_free(&evaluator->episodes);
  free(evaluator);
}

sac_agent* sac_evaluator_agent(const sac_evaluator* evaluator) { return evaluator->agent; }

sac_status sac_evaluator_copy(sac_evaluator* evaluator, sac_agent** copy) {
  const sac_status status = evaluator->copy ? SAC_OK : create_copy(evaluator, evaluator->agent);
  *copy = evaluator->copy;
  if (status != SAC_OK) return status;

  /* its files name the capacity of the run's replay, as those of every copy */
  evaluator->copy->capacity = evaluator->agent->capacity;
  evaluator->agent = evaluator->copy;
  return SAC_OK;
}

int32_t sac_evaluator_limit(const sac_evaluator* evaluator, int* by_default) {
  if (by_default) *by_default = evaluator->episodes.by_default;
  return evaluator->episodes.limit;
}

/* --- playing ------------------------------------------------------------------------------------------------------ */

/* Steps with the modes of the agent's policy, or with sampled actions. */
static sac_status step_agent(void* player, sac_vector* vector, const float* noise) {
  sac_agent* agent = player;
  const sac_act act = {.n = vector->num_envs,
                       .mode = noise ? SAC_ACT_SAMPLE : SAC_ACT_MEAN,
                       .obs = vector->obs,
                       .noise = noise,
                       .action = vector->action,
                       .vector = vector};
  sac_status status = SAC_OK;

  /* a device makes several steps before the host looks; the host's own vector makes one */
  for (int32_t i = 0; i < vector->burst; i++) {
    SAC_TRY(agent->backend->act(agent, &act));
    SAC_TRY(agent->backend->env_step(agent, vector));
  }
  return sac_settle(agent, vector);
fail:
  return status;
}

/* Plays the whole evaluation; the job of the worker. */
static sac_status play(void* context) {
  sac_evaluator* e = context;

  /* begin the count of what is played */
  e->episodes.play = (sac_eval_play){.beside = e->worker != NULL};
  for (int32_t p = 0; p < e->agent->shape.population; p++)
    if (e->agent->alive[p]) e->episodes.play.episodes += e->episodes.episodes;

  /* what the environments draw and change of the process is no matter of the training */
  sac_vector* vector = e->episodes.vector;
  sac_vector_begin(vector);
  if (vector->guard.on) sac_generators_keep(vector->api);
  const sac_status status = sac_episodes_play(&e->episodes, e->agent->alive, step_agent, e->agent);
  if (vector->guard.on) sac_generators_restore(vector->api);
  sac_vector_end(vector);
  if (status != SAC_OK && status != SAC_STOPPED) sac_fail_prefix("evaluation: ");
  return status;
}

sac_status sac_evaluator_begin(sac_evaluator* evaluator, sac_agent* agent, uint64_t number, double* episode_return,
                               int64_t* length) {
  sac_evaluator* e = evaluator;

  /* remember what is played, and where the results go */
  e->agent = e->copy ? e->copy : agent;
  e->episodes.number = number;
  e->episodes.episode_return = episode_return;
  e->episodes.length = length;

  /* give the copy the weights that the agent has now */
  if (e->copy && agent != e->copy) {
    const sac_status status = sac_agent_copy(e->copy, agent);
    if (status != SAC_OK) return status;
  }

  /* play on the worker, or here and now */
  if (e->worker) sac_worker_start(e->worker, play, e);
  else e->status = play(e);
  return SAC_OK;
}

int sac_evaluator_done(const sac_evaluator* evaluator) {
  return !evaluator->worker || sac_worker_done(evaluator->worker);
}

int sac_evaluator_wait(sac_evaluator* evaluator, double seconds) {
  return !evaluator->worker || sac_worker_wait_for(evaluator->worker, seconds);
}

sac_status sac_evaluator_end(sac_evaluator* evaluator) {
  return evaluator->worker ? sac_worker_wait(evaluator->worker) : evaluator->status;
}

sac_status sac_evaluator_run(sac_evaluator* evaluator, sac_agent* agent, uint64_t number, double* episode_return,
                             int64_t* length) {
  const sac_status begun = sac_evaluator_begin(evaluator, agent, number, episode_return, length);
  return begun == SAC_OK ? sac_evaluator_end(evaluator) : begun;
}

void sac_mean_std(const double* value, int32_t n, double* mean, double* std) {
  double sum = 0, square = 0;
  for (int32_t i = 0; i < n; i++) sum += value[i];
  *mean = sum / n;
  for (int32_t i = 0; i < n; i++) square += (value[i] - *mean) * (value[i] - *mean);

  /* n - 1: the estimate of the deviation from a sample */
  *std = n > 1 ? sqrt(square / (n - 1)) : 0;
}
