#include "train/evaluate.h"

#include "agent/estimate.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "env/check.h"
#include "env/generators.h"
#include "env/task.h"
#include "kernels/random.h"
#include "kernels/squash.h"
#include "policy/policy.h"
#include "train/step.h"
#include "util/error.h"
#include "util/file.h"
#include "util/memory.h"
#include "util/system.h"
#include "util/worker.h"

struct sac_evaluator {
  sac_vector* vector; /* P x N environments */
  uint8_t* done;      /* (P, N) 1: the environment's episode of this round has ended, or its agent has stopped */
  int32_t rounds;     /* episodes that each environment plays: 1, or all episodes if they are sequential (N = 1) */
  sac_agent* copy;    /* plays instead of the agent; NULL: the agent itself plays */
  sac_worker* worker; /* NULL: played on the caller's thread */

  /* the last evaluation */
  sac_agent* agent;       /* the agent that plays: the copy, or the agent in training */
  uint64_t number;        /* picks the seeds of the episodes */
  double* episode_return; /* (P, N * rounds) */
  int64_t* length;        /* (P, N * rounds) */
  sac_status status;      /* the result, if there is no worker */
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
  sac_status status = SAC_OK;
  SAC_TRY(copy_config(&config, agent->config));
  SAC_TRY(sac_agent_create(&e->copy, config, &e->vector->spec));
fail:
  sac_config_destroy(config);
  return status;
}

/* Creates the copy of the agent that plays, and the thread for it, where they are of use (evaluate.h). */
static sac_status choose_player(sac_evaluator* e, const sac_agent* agent, const sac_eval_env* env) {
  const int on_device = !agent->backend->on_host;
  const int free_processor = sac_processors() > learning_threads(&agent->settings, on_device);
  sac_status status = SAC_OK;

  /* sequential episodes are for videos, which some environments draw on the caller's thread only */
  if (env->sequential || e->vector->resident || !sac_env_is_concurrent(env->api) || (!on_device && !free_processor))
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

/* N: the number of environments in which an agent plays `episodes` episodes. */
static int32_t envs_per_agent(const sac_eval_env* env, int32_t episodes) { return env->sequential ? 1 : episodes; }

sac_status sac_evaluator_create(sac_evaluator** evaluator, sac_agent* agent, const sac_eval_env* env,
                                int32_t episodes) {
  const int32_t population = agent->shape.population, num_envs = envs_per_agent(env, episodes);
  sac_status status = SAC_OK;
  *evaluator = NULL;

  sac_evaluator* e = calloc(1, sizeof *e);
  if (!e) return sac_fail(SAC_ERROR_MEMORY, "no memory for evaluation");
  e->agent = agent;

  /* round t writes its results from element t on, which is right for one agent only */
  if (env->sequential && population > 1)
    SAC_TRY(sac_fail(SAC_ERROR_ARGUMENT, "sequential episodes need one agent, not %d", (int)population));

  /* create the environments; a backend may step them itself */
  e->rounds = episodes / num_envs;
  e->done = calloc(sac_bytes((size_t)population, (size_t)num_envs), 1);
  if (!e->done)
    SAC_TRY(sac_fail(SAC_ERROR_MEMORY, "no memory for %d evaluation episodes: lower eval.episodes", episodes));
  SAC_TRY(sac_vector_create(&e->vector, env->api, env->id, env->options, population, num_envs, agent->seed,
                            sac_stream_eval_env(0)));
  if (agent->backend->env_attach) SAC_TRY(agent->backend->env_attach(agent, e->vector));

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
  sac_worker_destroy(evaluator->worker);
  sac_agent_destroy(evaluator->copy);
  sac_vector_destroy(evaluator->vector);
  free(evaluator->done);
  free(evaluator);
}

sac_agent* sac_evaluator_agent(const sac_evaluator* evaluator) { return evaluator->agent; }

/* --- playing ------------------------------------------------------------------------------------------------------ */

/* Takes the results of episodes that ended since the last call, one of each environment. Returns how many it took. */
static int32_t collect(const sac_vector* vector, uint8_t* done, double* episode_return, int64_t* length) {
  int32_t taken = 0;
  for (int32_t f = 0; f < vector->finished_count; f++) {
    const sac_episode* episode = &vector->finished[f];

    /* a later episode of this environment, which was reset while others still played */
    if (done[episode->env]) continue;
    done[episode->env] = 1;
    episode_return[episode->env] = episode->episode_return;
    length[episode->env] = episode->length;
    taken++;
  }
  return taken;
}

/* Plays one episode in every environment. episode_return, length (P, N). */
static sac_status play_round(sac_evaluator* e, double* episode_return, int64_t* length) {
  sac_vector* vector = e->vector;
  sac_agent* agent = e->agent;
  const int32_t episodes = vector->num_envs, all = vector->population * episodes;
  const sac_act act = {
      .n = episodes, .mode = SAC_ACT_MEAN, .obs = vector->obs, .action = vector->action, .vector = vector};
  int32_t left = all;
  sac_status status = SAC_OK;

  /* clear the results; environments of stopped agents count as done, with NaN */
  for (int32_t i = 0; i < all; i++) {
    e->done[i] = !agent->alive[i / episodes];
    left -= e->done[i];
    episode_return[i] = NAN;
    length[i] = 0;
  }
  memset(vector->action, 0, sizeof(float) * (size_t)all * (size_t)vector->spec.action_size);

  /* step until the last episode ends; later episodes of the other environments do not count */
  SAC_TRY(sac_vector_reset(vector, e->number));
  while (left > 0) {
    /* a device makes several steps before the host looks; the host's own vector makes one */
    for (int32_t i = 0; i < vector->burst; i++) {
      SAC_TRY(agent->backend->act(agent, &act));
      SAC_TRY(agent->backend->env_step(agent, vector));
    }
    SAC_TRY(sac_settle(agent, vector));
    left -= collect(vector, e->done, episode_return, length);
  }
fail:
  return status;
}

/* Sets the seeds of round t: those that environment t has when all episodes are stepped together. */
static void set_round(sac_vector* vector, int32_t t) { vector->stream = sac_stream_eval_env((uint32_t)t); }

/* Plays the whole evaluation; the job of the worker. */
static sac_status play(void* context) {
  sac_evaluator* e = context;
  sac_status status = SAC_OK;

  /* with more than one round P = N = 1, so round t writes element t */
  sac_vector_begin(e->vector);
  if (e->vector->guard.on) sac_generators_keep(e->vector->api);
  for (int32_t t = 0; t < e->rounds; t++) {
    set_round(e->vector, t);
    SAC_TRY(play_round(e, e->episode_return + t, e->length + t));
  }
fail:
  if (e->vector->guard.on) sac_generators_restore(e->vector->api);
  sac_vector_end(e->vector);
  if (status != SAC_OK) sac_fail_prefix("evaluation: ");
  return status;
}

sac_status sac_evaluator_begin(sac_evaluator* evaluator, sac_agent* agent, uint64_t number, double* episode_return,
                               int64_t* length) {
  sac_evaluator* e = evaluator;

  /* remember what is played, and where the results go */
  e->agent = e->copy ? e->copy : agent;
  e->number = number;
  e->episode_return = episode_return;
  e->length = length;

  /* give the copy the weights that the agent has now */
  if (e->copy) {
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

sac_status sac_evaluator_end(sac_evaluator* evaluator) {
  return evaluator->worker ? sac_worker_wait(evaluator->worker) : evaluator->status;
}

sac_status sac_evaluator_run(sac_evaluator* evaluator, sac_agent* agent, uint64_t number, double* episode_return,
                             int64_t* length) {
  const sac_status begun = sac_evaluator_begin(evaluator, agent, number, episode_return, length);
  return begun == SAC_OK ? sac_evaluator_end(evaluator) : begun;
}

/* --- policy files ------------------------------------------------------------------------------------------------- */

/* Acts with the policy of a file. The policy gives actions in the environment's units; the vector takes them in
 * [-1, 1]. */
static void act_with(sac_policy* policy, sac_vector* vector) {
  const sac_env_spec* spec = &vector->spec;
  for (int32_t i = 0; i < vector->num_envs; i++) {
    float* action = vector->action + (size_t)i * (size_t)spec->action_size;

    /* one observation (O) gives one action (A) */
    sac_policy_act(policy, vector->obs + (size_t)i * (size_t)spec->obs_size, action);

    /* scale back; a discrete action is a number and stays */
    for (int32_t a = 0; !spec->actions && a < spec->action_size; a++) {
      const double low = (double)spec->action_low[a], high = (double)spec->action_high[a];
      action[a] = sac_clamp(
          sac_action_unscale(action[a], sac_action_centre(low, high), sac_action_half_range(low, high)), -1, 1);
    }
  }
}

/* Creates the policy of a file. memory: receives its memory, for sac_free. The file is read again, because
 * sac_safetensors_open changes the bytes of its header. */
static sac_status create_policy(const char* path, size_t size, sac_policy** policy, void** memory) {
  void* file = NULL;
  sac_policy_status made = SAC_POLICY_FORMAT;
  sac_status status = SAC_OK;
  SAC_TRY(sac_read_file(path, size, &file, &size));

  /* create the policy in memory of its own */
  const size_t bytes = sac_policy_memory(file, size);
  *memory = bytes ? sac_alloc(bytes) : NULL;
  if (*memory) made = sac_policy_create(policy, file, size, *memory, bytes);

  /* turn the status into an error */
  if (bytes == 0) status = sac_fail(SAC_ERROR_FORMAT, "%s is neither a policy nor a checkpoint", path);
  else if (!*memory || made == SAC_POLICY_MEMORY)
    status = sac_fail(SAC_ERROR_MEMORY, "no memory for the policy of %s", path);
  else if (made == SAC_POLICY_NUMERIC) status = sac_fail(SAC_ERROR_NUMERIC, "%s: a weight is not finite", path);
  else if (made != SAC_POLICY_OK)
    status = sac_fail(SAC_ERROR_FORMAT, "%s: the policy is damaged, or of wrong shapes", path);
fail:
  free(file);
  return status;
}

sac_status sac_evaluate_policy(const sac_safetensors* file, const sac_eval_env* env, uint64_t seed, int32_t episodes,
                               double* episode_return, int64_t* length) {
  const int32_t num_envs = envs_per_agent(env, episodes);
  sac_policy* policy = NULL;
  sac_vector* vector = NULL;
  void* memory = NULL;
  uint8_t* done = calloc((size_t)num_envs, 1);
  int32_t obs, action;
  sac_status status = SAC_OK;
  if (!done) SAC_TRY(sac_fail(SAC_ERROR_MEMORY, "no memory for %d episodes", (int)episodes));

  /* a format that this version does not evaluate */
  const char* format = sac_safetensors_metadata(file, "format");
  if (format && strncmp(format, SAC_POLICY_FORMATS, strlen(SAC_POLICY_FORMATS)) == 0 &&
      strcmp(format, SAC_POLICY_FORMAT_NAME) != 0)
    SAC_TRY(sac_fail(SAC_ERROR_FORMAT, "%s: its format is %s; this version evaluates " SAC_POLICY_FORMAT_NAME,
                     file->path, format));

  /* create the policy and its environments, and compare their sizes */
  SAC_TRY(create_policy(file->path, file->size, &policy, &memory));
  SAC_TRY(sac_vector_create(&vector, env->api, env->id, env->options, 1, num_envs, &seed, sac_stream_eval_env(0)));
  sac_policy_sizes(policy, &obs, &action);
  if (obs != vector->spec.obs_size || action != vector->spec.action_size)
    SAC_TRY(sac_fail(SAC_ERROR_SHAPE, "%s takes %d observations and gives %d actions; %s has %d and %d", file->path,
                     (int)obs, (int)action, env->id, (int)vector->spec.obs_size, (int)vector->spec.action_size));

  /* play one episode in each environment, as play_round does */
  for (int32_t t = 0; t < episodes / num_envs; t++) {
    set_round(vector, t);
    SAC_TRY(sac_vector_reset(vector, SAC_EVALUATION_STANDALONE));
    memset(done, 0, (size_t)num_envs);
    for (int32_t left = num_envs; left > 0;) {
      act_with(policy, vector);
      SAC_TRY(sac_vector_step(vector));
      left -= collect(vector, done, episode_return + t, length + t);
    }
  }
fail:
  sac_vector_destroy(vector);
  sac_free(memory);
  free(done);
  return status;
}

void sac_mean_std(const double* value, int32_t n, double* mean, double* std) {
  double sum = 0, square = 0;
  for (int32_t i = 0; i < n; i++) sum += value[i];
  *mean = sum / n;
  for (int32_t i = 0; i < n; i++) square += (value[i] - *mean) * (value[i] - *mean);

  /* n - 1: the estimate of the deviation from a sample */
  *std = n > 1 ? sqrt(square / (n - 1)) : 0;
}
