/* What a run needs: its environments, memory and device. */
#include <string.h>

#include "agent/estimate.h"
#include "env/list.h"
#include "kernels/random.h"
#include "train/run.h"
#include "train/source.h"
#include "util/error.h"
#include "util/text.h"

sac_status sac_run_find_env(const sac_settings* settings, const sac_env_api** env) {
  return *env ? SAC_OK : sac_env_find(settings->env_id, env);
}

sac_eval_env sac_run_eval_env(const sac_settings* settings, const sac_env_api* env, sac_vector* vector) {
  return (sac_eval_env){.api = env,
                        .id = settings->env_id,
                        .options = settings->env_options,
                        .num_envs = settings->eval_num_envs,
                        .max_steps = settings->eval_max_steps,
                        .vector = settings->eval_env == SAC_EVAL_TRAIN ? vector : NULL};
}

/* The bytes of the agent, and of the copy of it that plays evaluations. */
static sac_status agent_memory(const sac_config* config, const sac_vector* vector, size_t* replay, size_t* rest) {
  const sac_status status = sac_agent_memory(config, &vector->spec, replay, rest);
  if (status == SAC_OK) *rest += sac_evaluator_memory(config, &vector->spec, vector->api);
  return status;
}

/* Explains the choice of `device: auto`. */
static sac_status explain_device(const sac_settings* settings, const sac_env_spec* spec, char why[SAC_WHY_MAX]) {
  sac_shape shape;
  const sac_backend* backend;
  int32_t ordinal;
  why[0] = '\0';
  if (strcmp(settings->device, "auto") != 0) return SAC_OK;
  const sac_status status = sac_agent_shape(&shape, settings, spec);
  return status == SAC_OK ? sac_estimate_choose(settings, &shape, &backend, &ordinal, why) : status;
}

/* Checks the files that the run starts from, for the first agent. */
static sac_status check_sources(const sac_settings* settings) {
  const uint64_t seed = (uint64_t)settings->seed;
  sac_status status = settings->init[0] ? sac_source_check(settings->init, &seed) : SAC_OK;
  if (status != SAC_OK) sac_fail_prefix("init: ");
  if (status != SAC_OK || !settings->replay_load[0]) return status;
  status = sac_source_check(settings->replay_load, &seed);
  if (status != SAC_OK) sac_fail_prefix("replay: ");
  return status;
}

sac_status sac_run_needs(const sac_config* config, const sac_env_api* env, sac_needs* needs) {
  sac_settings settings;
  sac_vector* vector = NULL;
  const uint64_t seed = 0;
  sac_status status = SAC_OK;

  /* check the files, and create one environment to learn its sizes; the seed does not matter */
  SAC_TRY(sac_config_settings(config, &settings));
  SAC_TRY(check_sources(&settings));
  SAC_TRY(sac_run_find_env(&settings, &env));
  SAC_TRY(sac_vector_create(&vector, env, settings.env_id, settings.env_options, 1, 1, &seed, sac_stream_env(0)));

  /* the configuration says how many agents there are */
  SAC_TRY(agent_memory(config, vector, &needs->replay, &needs->rest));
  SAC_TRY(explain_device(&settings, &vector->spec, needs->device_why));

  /* count the environments that the run will make */
  const sac_eval_env eval_env = sac_run_eval_env(&settings, env, vector);
  const int own = settings.eval_every > 0 && !eval_env.vector;
  needs->train_envs = settings.seeds * settings.num_envs;
  needs->eval_envs = own ? settings.seeds * sac_eval_env_count(&eval_env, (int32_t)settings.eval_episodes) : 0;
fail:
  sac_vector_destroy(vector);
  return status;
}

void sac_run_log_needs(sac_run* run) {
  const sac_shape* shape = &run->agent->shape;
  char all[SAC_BYTES_MAX], rows[SAC_BYTES_MAX];
  size_t replay = 0, rest = 0;
  int by_default = 0;

  /* an evaluation may take long if its episodes do not end by themselves */
  const int limit = run->evaluator ? sac_evaluator_limit(run->evaluator, &by_default) : 0;
  if (by_default)
    sac_run_log(run, "warning: %s has no limit of steps: evaluations cut an episode after %d (eval.max_steps)",
                run->vector->id, limit);

  /* the memory */
  if (agent_memory(run->config, run->vector, &replay, &rest) != SAC_OK) return;
  sac_run_log(run, "memory %s, of it replay %s (%lld transitions%s)", sac_text_bytes(all, replay + rest),
              sac_text_bytes(rows, replay), (long long)shape->capacity, shape->population > 1 ? " an agent" : "");
}
