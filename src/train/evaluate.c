#include "train/evaluate.h"

#include "agent/estimate.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "env/task.h"
#include "kernels/random.h"
#include "kernels/squash.h"
#include "train/step.h"
#include "util/error.h"
#include "util/file.h"
#include "util/memory.h"
#include "util/system.h"
#include "util/worker.h"

struct sac_evaluator {
  sac_vector* vector; /* P x N environments */
  uint8_t* done;      /* (P, N) its episode of this evaluation, or of its turn, has ended */
  int32_t turns;      /* N episodes an agent in each: 1, or N = 1 and as many as there are episodes */
  sac_agent* copy;    /* acts in its place; NULL: the agent itself does */
  sac_worker* worker; /* NULL: played by the caller's thread */

  /* the evaluation that was begun last */
  sac_agent* agent;
  uint64_t number;
  double* episode_return;
  int64_t* length;
  sac_status status; /* where it was played at once */
};

/* --- who plays ---------------------------------------------------------------------------------------------------- */

/* Processors that learning on the CPU takes; on a device one thread queues the work. */
static int64_t learning_threads(const sac_settings* settings, int on_device) {
  if (on_device) return 1;
  return settings->threads > 0 ? settings->threads : sac_processors();
}

/* The agent's configuration on the CPU, with room for weights and nothing more. */
static sac_status copy_config(sac_config** copy, const sac_config* config) {
  static const char* const sets[][2] = {
      {"device", "cpu"}, {"precision", "fp32"}, {"cpu.threads", "1"}, {"replay.batch", "1"}, {"replay.capacity", "1"}};
  sac_status status = sac_config_copy(copy, config);
  for (size_t i = 0; status == SAC_OK && i < sizeof sets / sizeof *sets; i++)
    status = sac_config_set_from(*copy, sets[i][0], sets[i][1], SAC_ORIGIN_FLAG, "evaluation");
  return status;
}

static sac_status make_copy(sac_evaluator* e, const sac_agent* agent) {
  sac_config* config = NULL;
  sac_status status = SAC_OK;
  SAC_TRY(copy_config(&config, agent->config));
  SAC_TRY(sac_agent_create(&e->copy, config, &e->vector->spec));
fail:
  sac_config_destroy(config);
  return status;
}

/* Whether its instances may be stepped at the same time; a table of an older header does not say. */
static int may_play_beside(const sac_env_api* api) { return api->size == sizeof *api && api->concurrent; }

static sac_status choose_player(sac_evaluator* e, const sac_agent* agent, const sac_arena* arena) {
  const int on_device = !agent->backend->on_host;
  const int free_processor = sac_processors() > learning_threads(&agent->settings, on_device);
  sac_status status = SAC_OK;
  /* episodes in turn are recorded, by what may draw on its own thread alone */
  if (arena->in_turn || e->vector->resident || !may_play_beside(arena->api) || (!on_device && !free_processor))
    return SAC_OK;
  SAC_TRY(make_copy(e, agent));
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
  if (sac_config_settings(config, &settings) != SAC_OK || sac_agent_shape(&shape, &settings, spec) != SAC_OK ||
      sac_estimate_choose(&settings, &shape, &backend, &ordinal, why) != SAC_OK || settings.eval_every == 0 ||
      !may_play_beside(api) || (ordinal >= 0 && sac_task_find(settings.env_id)) ||
      (ordinal < 0 && sac_processors() <= learning_threads(&settings, 0)) || copy_config(&copy, config) != SAC_OK ||
      sac_agent_memory(copy, spec, &replay, &rest) != SAC_OK)
    replay = rest = 0;
  sac_config_destroy(copy);
  return replay + rest;
}

/* N, where `episodes` are played. */
static int32_t at_once(const sac_arena* arena, int32_t episodes) { return arena->in_turn ? 1 : episodes; }

sac_status sac_evaluator_create(sac_evaluator** evaluator, sac_agent* agent, const sac_arena* arena, int32_t episodes) {
  const int32_t population = agent->shape.population, num_envs = at_once(arena, episodes);
  sac_status status = SAC_OK;
  sac_evaluator* e = calloc(1, sizeof *e);
  *evaluator = NULL;
  if (!e) return sac_fail(SAC_ERROR_MEMORY, "no memory for evaluation");
  e->agent = agent;
  if (arena->in_turn && population > 1)
    SAC_TRY(sac_fail(SAC_ERROR_ARGUMENT, "episodes in turn are those of one agent, not of %d", (int)population));
  e->turns = episodes / num_envs;
  e->done = calloc(sac_bytes((size_t)population, (size_t)num_envs), 1);
  if (!e->done)
    SAC_TRY(sac_fail(SAC_ERROR_MEMORY, "no memory for %d evaluation episodes: lower eval.episodes", episodes));
  SAC_TRY(sac_vector_create(&e->vector, arena->api, arena->id, arena->options, population, num_envs, agent->seed,
                            sac_stream_eval_env(0)));
  if (agent->backend->env_attach) SAC_TRY(agent->backend->env_attach(agent, e->vector));
  SAC_TRY(choose_player(e, agent, arena));
  *evaluator = e;
  return SAC_OK;
fail:
  sac_evaluator_destroy(e);
  return status;
}

void sac_evaluator_destroy(sac_evaluator* evaluator) {
  if (!evaluator) return;
  sac_worker_destroy(evaluator->worker);
  sac_agent_destroy(evaluator->copy);
  sac_vector_destroy(evaluator->vector);
  free(evaluator->done);
  free(evaluator);
}

sac_agent* sac_evaluator_agent(const sac_evaluator* evaluator) { return evaluator->agent; }

/* --- playing ------------------------------------------------------------------------------------------------------ */

/* Takes the results of the episodes that ended in the last step; returns how many were waited for. */
static int32_t collect(const sac_vector* vector, uint8_t* done, double* episode_return, int64_t* length) {
  int32_t taken = 0;
  for (int32_t f = 0; f < vector->finished_count; f++) {
    const sac_episode* episode = &vector->finished[f];
    if (done[episode->env]) continue;
    done[episode->env] = 1;
    episode_return[episode->env] = episode->episode_return;
    length[episode->env] = episode->length;
    taken++;
  }
  return taken;
}

/* What each environment plays first after a reset. */
static sac_status play_turn(sac_evaluator* e, double* episode_return, int64_t* length) {
  sac_vector* vector = e->vector;
  sac_agent* agent = e->agent;
  const int32_t episodes = vector->num_envs, all = vector->population * episodes;
  int32_t left = all;
  sac_status status = SAC_OK;
  for (int32_t i = 0; i < all; i++) {
    e->done[i] = !agent->alive[i / episodes]; /* a stopped agent has no weights worth playing */
    left -= e->done[i];
    episode_return[i] = NAN;
    length[i] = 0;
  }
  memset(vector->action, 0, sizeof(float) * (size_t)all * (size_t)vector->spec.action_size);
  SAC_TRY(sac_vector_reset(vector, e->number));
  /* Environments whose episode has ended start another one, which counts for nothing, until the last has ended. */
  const sac_act act = {
      .n = episodes, .mode = SAC_ACT_MEAN, .obs = vector->obs, .action = vector->action, .vector = vector};
  while (left > 0) {
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

/* Episode t of a turn has the seeds that environment t of many would have. */
static void begin_turn(sac_vector* vector, int32_t t) { vector->stream = sac_stream_eval_env((uint32_t)t); }

static sac_status play(void* context) {
  sac_evaluator* e = context;
  sac_status status = SAC_OK;
  for (int32_t t = 0; t < e->turns; t++) {
    begin_turn(e->vector, t);
    SAC_TRY(play_turn(e, e->episode_return + t, e->length + t));
  }
  return SAC_OK;
fail:
  sac_fail_prefix("evaluation: ");
  return status;
}

sac_status sac_evaluator_begin(sac_evaluator* evaluator, sac_agent* agent, uint64_t number, double* episode_return,
                               int64_t* length) {
  sac_evaluator* e = evaluator;
  e->agent = e->copy ? e->copy : agent;
  e->number = number;
  e->episode_return = episode_return;
  e->length = length;
  if (e->copy) {
    const sac_status status = sac_agent_copy(e->copy, agent);
    if (status != SAC_OK) return status;
  }
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

/* The policy gives actions in the environment's units; the vector takes them in [-1, 1] and scales them again. */
static void act_with(sac_policy* policy, sac_vector* vector) {
  const sac_env_spec* spec = &vector->spec;
  for (int32_t i = 0; i < vector->num_envs; i++) {
    float* action = vector->action + (size_t)i * (size_t)spec->action_size;
    sac_policy_act(policy, vector->obs + (size_t)i * (size_t)spec->obs_size, action);
    for (int32_t a = 0; !spec->actions && a < spec->action_size; a++) {
      const double low = (double)spec->action_low[a], high = (double)spec->action_high[a];
      action[a] = sac_clamp(
          sac_action_unscale(action[a], sac_action_centre(low, high), sac_action_half_range(low, high)), -1, 1);
    }
  }
}

/* Builds the policy of a file in memory that the caller frees. The bytes are read anew: an opened safetensors file has
 * its names cut out of them. */
static sac_status make_policy(const char* path, size_t size, sac_policy** policy, void** memory) {
  void* file = NULL;
  sac_policy_status made = SAC_POLICY_FORMAT;
  sac_status status = SAC_OK;
  SAC_TRY(sac_read_file(path, size, &file, &size));
  const size_t bytes = sac_policy_memory(file, size);
  *memory = bytes ? sac_alloc(bytes) : NULL;
  if (*memory) made = sac_policy_create(policy, file, size, *memory, bytes);
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

sac_status sac_evaluate_policy(const sac_safetensors* file, const sac_arena* arena, uint64_t seed, int32_t episodes,
                               double* episode_return, int64_t* length) {
  const int32_t num_envs = at_once(arena, episodes);
  sac_policy* policy = NULL;
  sac_vector* vector = NULL;
  void* memory = NULL;
  uint8_t* done = calloc((size_t)num_envs, 1);
  int32_t obs, action;
  sac_status status = SAC_OK;
  if (!done) SAC_TRY(sac_fail(SAC_ERROR_MEMORY, "no memory for %d episodes", (int)episodes));
  SAC_TRY(make_policy(file->path, file->size, &policy, &memory));
  SAC_TRY(
      sac_vector_create(&vector, arena->api, arena->id, arena->options, 1, num_envs, &seed, sac_stream_eval_env(0)));
  sac_policy_sizes(policy, &obs, &action);
  if (obs != vector->spec.obs_size || action != vector->spec.action_size)
    SAC_TRY(sac_fail(SAC_ERROR_SHAPE, "%s takes %d observations and gives %d actions; %s has %d and %d", file->path,
                     (int)obs, (int)action, arena->id, (int)vector->spec.obs_size, (int)vector->spec.action_size));
  for (int32_t t = 0; t < episodes / num_envs; t++) {
    begin_turn(vector, t);
    SAC_TRY(sac_vector_reset(vector, SAC_EVALUATION_APART));
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
  *std = n > 1 ? sqrt(square / (n - 1)) : 0;
}
