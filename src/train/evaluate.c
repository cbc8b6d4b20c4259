#include "train/evaluate.h"

#include <math.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "agent/estimate.h"
#include "env/check.h"
#include "env/generators.h"
#include "env/list.h"
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

/* The environments that play, and the results of their episodes. */
typedef struct stage {
  sac_vector* vector; /* P x M environments */
  uint8_t* done;      /* (P, M) 1: the environment's episode of this round has ended, or it plays none */
  int32_t episodes;   /* E: of each agent */
  int32_t limit;      /* steps of an episode, if it is not the environment's own limit; otherwise 0 */
  int by_default;     /* 1: the limit is SAC_EVAL_STEPS_MAX, because nothing sets one */
  int (*leave)(void* user, const sac_eval_play* play);
  void* user;
  sac_eval_play play; /* of the thread that plays */
  atomic_int ending;  /* 1: the evaluator is being destroyed */

  /* the last evaluation */
  uint64_t number;        /* picks the seeds of the episodes */
  double* episode_return; /* (P, E) */
  int64_t* length;        /* (P, E) */
  double* success;        /* (P, E) NULL: not asked for */
} stage;

struct sac_evaluator {
  stage stage;
  sac_agent* copy;    /* plays instead of the agent; NULL: the agent itself plays */
  sac_worker* worker; /* NULL: played on the caller's thread */
  int borrowed;       /* 1: the worker is that of the training environments */
  sac_agent* agent;   /* the agent that plays: the copy, or the agent in training */
  sac_status status;  /* the result, if there is no worker */
};

/* --- environments ------------------------------------------------------------------------------------------------- */

int32_t sac_eval_env_count(const sac_eval_env* env, int32_t episodes) {
  const sac_env_entry* entry = sac_env_entry_find(env->id);
  if (env->num_envs > 0) return env->num_envs < episodes ? (int32_t)env->num_envs : episodes;

  /* a simulator from outside may exist once, start slowly, or take much memory */
  return entry && entry->api == env->api ? episodes : 1;
}

/* Sets the limit of an episode. */
static void set_limit(stage* s, int64_t max_steps) {
  const int32_t own = s->vector->spec.max_episode_steps;
  s->by_default = max_steps == 0 && own == 0;
  const int64_t limit = s->by_default ? SAC_EVAL_STEPS_MAX : max_steps;

  /* the environment's own limit stays if it is not longer */
  if (limit == 0 || (own > 0 && own <= limit)) return;
  s->limit = s->vector->spec.max_episode_steps = (int32_t)limit;
}

/* Makes the environments in which each of P agents plays `episodes` episodes, or shares those of env->vector. */
static sac_status make_stage(stage* s, const sac_eval_env* env, int32_t population, const uint64_t* seed,
                             int32_t episodes) {
  const uint64_t stream = sac_stream_eval_env(0);
  sac_status status = SAC_OK;
  s->episodes = episodes;
  s->leave = env->leave;
  s->user = env->user;
  s->success = env->success;

  /* make or share the environments; between two rounds nobody but this file starts episodes */
  if (env->vector) SAC_TRY(sac_vector_share(&s->vector, env->vector, stream, env->success != NULL));
  else
    SAC_TRY(sac_vector_create(&s->vector, env->api, env->id, env->options, population,
                              sac_eval_env_count(env, episodes), seed, stream));
  s->vector->keep_ended = 1;
  set_limit(s, env->max_steps);

  /* allocate a flag for each environment */
  s->done = calloc(sac_bytes((size_t)population, (size_t)s->vector->num_envs), 1);
  if (!s->done)
    SAC_TRY(sac_fail(SAC_ERROR_MEMORY, "no memory for %d evaluation episodes: lower eval.episodes", (int)episodes));
fail:
  return status;
}

static void free_stage(stage* s) {
  sac_vector_destroy(s->vector);
  free(s->done);
}

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
  sac_env_spec spec = e->stage.vector->spec;
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
  if (e->stage.vector->resident || !sac_env_is_concurrent(env->api) || (!on_device && !free_processor)) return SAC_OK;
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
  SAC_TRY(make_stage(&e->stage, env, agent->shape.population, agent->seed, episodes));
  SAC_TRY(sac_vector_fits(e->stage.vector, agent->shape.obs, agent->shape.action, agent->shape.actions));
  if (agent->backend->env_attach) SAC_TRY(agent->backend->env_attach(agent, e->stage.vector));

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
  atomic_store(&evaluator->stage.ending, 1);
  if (!evaluator->borrowed) sac_worker_destroy(evaluator->worker);
  sac_agent_destroy(evaluator->copy);
  free_stage(&evaluator->stage);
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
  if (by_default) *by_default = evaluator->stage.by_default;
  return evaluator->stage.limit;
}

/* --- playing ------------------------------------------------------------------------------------------------------ */

/* Makes one step, or a burst of steps, of all environments. */
typedef sac_status step_all(void* player, sac_vector* vector);

/* Takes the results of episodes that ended since the last call, one of each environment. first: the number of the
 * round's first episode. Returns how many it took. */
static int32_t collect(const stage* s, int32_t first) {
  const sac_vector* vector = s->vector;
  int32_t taken = 0;
  for (int32_t f = 0; f < vector->finished_count; f++) {
    const sac_episode* episode = &vector->finished[f];
    const int32_t p = episode->env / vector->num_envs, i = episode->env % vector->num_envs;

    /* a later episode of this environment, which was reset while others still played */
    if (s->done[episode->env]) continue;
    s->done[episode->env] = 1;
    s->episode_return[p * s->episodes + first + i] = episode->episode_return;
    s->length[p * s->episodes + first + i] = episode->length;
    if (s->success) s->success[p * s->episodes + first + i] = sac_vector_success(vector, episode->env);
    taken++;
  }
  return taken;
}

/* Marks the environments that play no episode of the round: those of stopped agents, and those for which no episode is
 * left. Returns how many play. */
static int32_t begin_round(const stage* s, int32_t first, const uint8_t* alive) {
  const int32_t n = s->vector->num_envs, all = s->vector->population * n;
  int32_t left = all;
  for (int32_t i = 0; i < all; i++) {
    s->done[i] = !alive[i / n] || first + i % n >= s->episodes;
    left -= s->done[i];
  }
  return left;
}

/* Whether the evaluation must be left. */
static int must_leave(stage* s) {
  return atomic_load_explicit(&s->ending, memory_order_relaxed) || (s->leave && s->leave(s->user, &s->play));
}

/* Plays one episode in every environment, from episode number `first` on. */
static sac_status play_round(stage* s, int32_t first, const uint8_t* alive, step_all* step, void* player) {
  sac_vector* vector = s->vector;
  const size_t actions = (size_t)vector->population * (size_t)vector->num_envs * (size_t)vector->spec.action_size;
  int32_t left = begin_round(s, first, alive);
  sac_status status = SAC_OK;
  if (left == 0) return SAC_OK;

  /* start the episodes; environment i has the seed of environment first + i if all episodes are stepped together */
  memset(vector->action, 0, sizeof(float) * actions);
  vector->stream = sac_stream_eval_env((uint32_t)first);
  SAC_TRY(sac_vector_reset(vector, s->number));

  /* step until the last episode ends; later episodes of the other environments do not count */
  while (left > 0) {
    if (must_leave(s)) return sac_fail(SAC_STOPPED, "the evaluation was left");
    SAC_TRY(step(player, vector));
    s->play.steps += (int64_t)left * vector->burst;
    const int32_t ended = collect(s, first);
    s->play.ended += ended;
    left -= ended;

    /* an environment that waits for others goes on with a new episode, as no environment takes a step after its end */
    if (left > 0 && vector->finished_count > 0 && !vector->resident) SAC_TRY(sac_vector_reset_masked(vector));
  }
fail:
  return status;
}

/* Plays all episodes of an evaluation. alive (P): 0 for agents that do not play, whose results are NaN. */
static sac_status play_all(stage* s, const uint8_t* alive, step_all* step, void* player) {
  sac_status status = SAC_OK;

  /* clear the results */
  for (int32_t i = 0; i < s->vector->population * s->episodes; i++) {
    s->episode_return[i] = NAN;
    s->length[i] = 0;
    if (s->success) s->success[i] = NAN;
  }

  /* play round by round */
  for (int32_t first = 0; first < s->episodes; first += s->vector->num_envs)
    SAC_TRY(play_round(s, first, alive, step, player));
fail:
  return status;
}

/* Steps with the agent's mean actions. */
static sac_status step_agent(void* player, sac_vector* vector) {
  sac_agent* agent = player;
  const sac_act act = {
      .n = vector->num_envs, .mode = SAC_ACT_MEAN, .obs = vector->obs, .action = vector->action, .vector = vector};
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
  e->stage.play = (sac_eval_play){.beside = e->worker != NULL};
  for (int32_t p = 0; p < e->agent->shape.population; p++)
    if (e->agent->alive[p]) e->stage.play.episodes += e->stage.episodes;

  /* what the environments draw and change of the process is no matter of the training */
  sac_vector* vector = e->stage.vector;
  sac_vector_begin(vector);
  if (vector->guard.on) sac_generators_keep(vector->api);
  const sac_status status = play_all(&e->stage, e->agent->alive, step_agent, e->agent);
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
  e->stage.number = number;
  e->stage.episode_return = episode_return;
  e->stage.length = length;

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

/* Steps with the policy's actions. */
static sac_status step_policy(void* player, sac_vector* vector) {
  act_with(player, vector);
  return sac_vector_step(vector);
}

/* Compares the sizes of the policy with those of the environment. */
static sac_status check_sizes(const char* path, const sac_policy* policy, const char* id, const sac_env_spec* spec) {
  int32_t obs, action;
  sac_policy_sizes(policy, &obs, &action);
  if (obs == spec->obs_size && action == spec->action_size) return SAC_OK;
  return sac_fail(SAC_ERROR_SHAPE, "%s takes %d observations and gives %d actions; %s has %d and %d", path, (int)obs,
                  (int)action, id, (int)spec->obs_size, (int)spec->action_size);
}

sac_status sac_evaluate_policy(const sac_safetensors* file, const sac_eval_env* env, uint64_t seed, int32_t episodes,
                               double* episode_return, int64_t* length, int32_t* limit) {
  stage s = {.number = SAC_EVALUATION_STANDALONE, .episode_return = episode_return, .length = length};
  sac_policy* policy = NULL;
  void* memory = NULL;
  sac_status status = SAC_OK;

  /* a format that this version does not evaluate */
  const char* format = sac_safetensors_metadata(file, "format");
  if (format && strncmp(format, SAC_POLICY_FORMATS, strlen(SAC_POLICY_FORMATS)) == 0 &&
      strcmp(format, SAC_POLICY_FORMAT_NAME) != 0)
    SAC_TRY(sac_fail(SAC_ERROR_FORMAT, "%s: its format is %s; this version evaluates " SAC_POLICY_FORMAT_NAME,
                     file->path, format));

  /* create the policy and its environments, and compare their sizes */
  SAC_TRY(create_policy(file->path, file->size, &policy, &memory));
  SAC_TRY(make_stage(&s, env, 1, &seed, episodes));
  SAC_TRY(check_sizes(file->path, policy, env->id, &s.vector->spec));
  *limit = s.limit;

  /* play; what the environment changes of the process is put back */
  s.play.episodes = episodes;
  sac_vector_begin(s.vector);
  status = play_all(&s, (const uint8_t[]){1}, step_policy, policy);
  sac_vector_end(s.vector);
fail:
  free_stage(&s);
  sac_free(memory);
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
