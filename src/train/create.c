/* Creates a new run: its parts, its folder, its first checkpoint. */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include <sac/sac.h>

#include "agent/steps.h"
#include "env/generators.h"
#include "env/list.h"
#include "formats/safetensors.h"
#include "kernels/random.h"
#include "train/init.h"
#include "train/machine.h"
#include "train/run.h"
#include "train/step.h"
#include "train/transitions.h"
#include "util/error.h"
#include "util/memory.h"
#include "util/number.h"
#include "util/text.h"

/* --- configuration as text ---------------------------------------------------------------------------------------- */

/* The configuration of agent p alone: its own seed, and seeds: 1. *text becomes the caller's. */
static sac_status agent_config_text(const sac_run* run, int64_t p, char** text) {
  char seed[SAC_NUMBER_MAX];
  sac_config* config = NULL;
  sac_status status = SAC_OK;

  /* a single agent has the configuration of the run */
  if (run->settings.seeds == 1) return sac_config_text(run->config, text);

  /* replace both keys in a copy */
  (void)sac_print_integer(seed, run->settings.seed + p);
  SAC_TRY(sac_config_copy(&config, run->config));
  SAC_TRY(sac_config_set_from(config, "seed", seed, SAC_ORIGIN_FLAG, "--seeds"));
  SAC_TRY(sac_config_set_from(config, "seeds", "1", SAC_ORIGIN_FLAG, "--seeds"));
  SAC_TRY(sac_config_text(config, text));
fail:
  sac_config_destroy(config);
  return status;
}

sac_status sac_run_config_text(sac_run* run) {
  sac_status status = SAC_OK;
  SAC_TRY(sac_config_text(run->config, &run->config_text));
  for (int64_t p = 0; p < run->settings.seeds; p++) SAC_TRY(agent_config_text(run, p, &run->agent_text[p]));
fail:
  return status;
}

/* --- parts -------------------------------------------------------------------------------------------------------- */

/* Checks that this process may open enough files. Each agent keeps two CSV files and its events open; the rest of
 * `needed` is for files that are open for a short time, and for the caller. */
static sac_status check_open_files(int64_t population) {
  struct rlimit limit;
  const int64_t needed = 4 * population + 64;
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur == RLIM_INFINITY || (int64_t)limit.rlim_cur >= needed)
    return SAC_OK;
  return sac_fail(SAC_ERROR_FILE,
                  "%lld agents take %lld open files, this process may have %lld: lower seeds, or raise "
                  "'ulimit -n'",
                  (long long)population, (long long)needed, (long long)limit.rlim_cur);
}

/* The error of an allocation that grows with the number of agents. */
static sac_status no_memory(size_t population) {
  return sac_fail(SAC_ERROR_MEMORY, "no memory for %zu agents: lower seeds", population);
}

/* Allocates what a run keeps for each agent. */
static sac_status create_arrays(sac_run* run) {
  const size_t population = (size_t)run->settings.seeds;

  /* allocate one element for each agent */
  run->window = calloc(population, sizeof *run->window);
  run->best_return = calloc(population, sizeof *run->best_return);
  run->was_alive = calloc(population, 1);
  run->updates_before = calloc(population, sizeof *run->updates_before);
  run->agent_text = (char**)calloc(population, sizeof(char*));
  run->checkpoint = (sac_checkpoint**)calloc(population, sizeof(sac_checkpoint*));
  run->metrics = (sac_metrics_files**)calloc(population, sizeof(sac_metrics_files*));
  if (!run->window || !run->best_return || !run->was_alive || !run->updates_before || !run->agent_text ||
      !run->checkpoint || !run->metrics)
    return no_memory(population);

  /* start with no evaluation and all agents alive */
  for (size_t p = 0; p < population; p++) {
    run->window[p].best_step = -1;
    run->best_return[p] = -INFINITY;
    run->was_alive[p] = 1;
  }
  return SAC_OK;
}

/* Creates the training environments, and the columns and sums of their info. */
static sac_status create_vector(sac_run* run, const sac_env_api* env) {
  const sac_settings* settings = &run->settings;
  const size_t population = (size_t)settings->seeds;
  sac_status status = SAC_OK;

  /* create the environments; agent p has seed `seed` + p */
  uint64_t* seed = calloc(population, sizeof *seed);
  if (!seed) return no_memory(population);
  for (size_t p = 0; p < population; p++) seed[p] = (uint64_t)settings->seed + p;
  SAC_TRY(sac_vector_create(&run->vector, env, settings->env_id, settings->env_options, (int32_t)population,
                            (int32_t)settings->num_envs, seed, sac_stream_env(0)));

  /* prepare the columns of metrics.csv, and the sums of info */
  sac_metric_list_fill(&run->metric_list, NULL, 0);
  if (run->vector->info_name) {
    run->info = calloc(sac_bytes(population, SAC_ENV_INFO_MAX), sizeof *run->info);
    if (!run->info) SAC_TRY(no_memory(population));
  }
  sac_run_find_terms(run);
fail:
  free(seed);
  return status;
}

/* Refuses a target entropy that no policy of discrete actions has: alpha would grow or shrink without an end. */
static sac_status check_entropy(const sac_settings* settings, const sac_env_spec* spec) {
  const double most = log(spec->actions > 0 ? spec->actions : 1), target = settings->target_entropy;
  if (spec->actions == 0 || !settings->alpha_learn || isnan(target) || (target > 0 && target <= most)) return SAC_OK;
  return sac_fail(SAC_ERROR_CONFIG,
                  "alpha.target_entropy = %g: the entropy of %d discrete actions is between 0 and %.4f; auto takes the "
                  "share alpha.target_entropy_share of it",
                  target, (int)spec->actions, most);
}

/* Creates the agent, connects it with the environments, and makes room for their saved state. */
static sac_status create_agent(sac_run* run) {
  const size_t population = (size_t)run->settings.seeds;
  sac_status status = SAC_OK;

  /* create and connect: a backend may step the environments itself, unless evaluations take them in between, and
   * train.overlap may need a thread */
  SAC_TRY(check_entropy(&run->settings, &run->vector->spec));
  SAC_TRY(sac_agent_create(&run->agent, run->config, &run->vector->spec));
  if (run->agent->backend->env_attach && run->settings.eval_env == SAC_EVAL_OWN)
    SAC_TRY(run->agent->backend->env_attach(run->agent, run->vector));
  SAC_TRY(sac_step_overlap(run->agent, run->vector));

  /* allocate room for the environments' state in checkpoints */
  run->env_state_size = sac_vector_state_size(run->vector);
  run->env_state = calloc(sac_bytes(population, run->env_state_size), 1);
  if (!run->env_state)
    SAC_TRY(sac_fail(SAC_ERROR_MEMORY, "no memory for the environments' states: lower env.num_envs"));
fail:
  return status;
}

/* Creates the environments of evaluations, and room for their results. */
static sac_status create_evaluator(sac_run* run, const sac_env_api* env) {
  const sac_settings* settings = &run->settings;
  const size_t population = (size_t)settings->seeds, episodes = (size_t)settings->eval_episodes;
  sac_eval_env eval_env = sac_run_eval_env(settings, env, run->vector);
  sac_status status = SAC_OK;

  /* create the evaluator; it plays the same environment with streams of its own */
  eval_env.leave = sac_run_leave_evaluation;
  eval_env.user = run;
  if (run->vector->guard.on) sac_generators_keep(env);
  status = sac_evaluator_create(&run->evaluator, run->agent, &eval_env, (int32_t)episodes);
  if (run->vector->guard.on) sac_generators_restore(env);

  /* some environments can exist only once */
  if (status == SAC_ERROR_ENV && !eval_env.vector)
    sac_fail_prefix("evaluations need an environment of their own, unless eval.env=train: ");
  SAC_TRY(status);

  /* allocate one result for each agent and episode */
  run->episode_return = calloc(sac_bytes(population, episodes), sizeof(double));
  run->episode_length = calloc(sac_bytes(population, episodes), sizeof(int64_t));
  if (!run->episode_return || !run->episode_length)
    SAC_TRY(sac_fail(SAC_ERROR_MEMORY, "no memory for evaluation: lower eval.episodes"));
fail:
  return status;
}

sac_status sac_run_create_parts(sac_run* run, const sac_env_api* env, const sac_callbacks* callbacks) {
  const sac_settings* settings = &run->settings;
  sac_status status = SAC_OK;

  /* fail early if the files of so many agents cannot be opened */
  SAC_TRY(check_open_files(settings->seeds));

  /* set what needs no other part; warnings of earlier runs in this process do not count */
  if (callbacks) run->callbacks = *callbacks;
  run->saved_step = run->evaluation_step = run->evaluation_left = -1;
  run->env_warnings = sac_mujoco_warnings((char[SAC_SHOW_MAX]){0});
  run->guard_changes = sac_guard_changes();
  run->locale = newlocale(LC_ALL_MASK, "C", (locale_t)0);
  if (!run->locale) SAC_TRY(no_memory((size_t)settings->seeds));
  SAC_TRY(create_arrays(run));

  /* create environments, agent, evaluator */
  SAC_TRY(sac_run_find_env(settings, &env));
  SAC_TRY(create_vector(run, env));
  SAC_TRY(create_agent(run));
  if (settings->eval_every) SAC_TRY(create_evaluator(run, env));

  /* set when updates are due */
  sac_schedule_rate(&run->schedule, settings->updates_per_step);
  run->schedule.lag = (int32_t)sac_lag(settings->overlap, settings->num_envs);
fail:
  return status;
}

sac_status sac_run_open_checkpoint(sac_run* run, int32_t p) {
  char dir[SAC_PATH_MAX];
  sac_window* window = &run->window[p];
  sac_status status = SAC_OK;

  /* list the state that every checkpoint holds */
  const sac_state always[] = {
      {"run.step", SAC_I64, &run->schedule.step, 2 * sizeof(int64_t), 0},
      {"run.updates", SAC_F64, &run->schedule.rate, 2 * sizeof(double), 0},
      {"run.window", SAC_I64, &window->count, sizeof window->count, 0},
      {"run.return", SAC_F64, &window->returns, sizeof(double), 0},
      {"run.best_step", SAC_I64, &window->best_step, sizeof(int64_t), 0},
      {"run.best_return", SAC_F64, &window->best_return, sizeof(double), 0},
      {"run.seconds", SAC_F64, &run->seconds, sizeof run->seconds, 0},
      {"env.state", SAC_U8, run->env_state + (size_t)p * run->env_state_size, run->env_state_size, 0},
  };

  /* copy them to a list with room for the others below */
  sac_state states[sizeof always / sizeof *always + 3 + SAC_ENV_INFO_MAX];
  int32_t count = sizeof always / sizeof *always;
  memcpy(states, always, sizeof always);

  /* add the updates that train.overlap has delayed */
  if (run->schedule.lag > 0)
    states[count++] = (sac_state){"run.pending", SAC_I64, run->schedule.pending,
                                  (size_t)run->schedule.lag * sizeof *run->schedule.pending, 0};

  /* add what the run was given at its start, and the updates in which the actor is held; older versions had neither */
  const sac_settings* settings = &run->settings;
  if (settings->init[0] || settings->replay_load[0] || settings->actor_delay_steps > 0) {
    states[count++] = (sac_state){"run.start", SAC_U64, &run->start, sizeof run->start, 1};
    states[count++] = (sac_state){SAC_HOLD_TENSOR, SAC_U64, &run->agent->hold[p], sizeof *run->agent->hold, 1};
  }

  /* add the sums of info; optional, because checkpoints of older versions lack them */
  for (int32_t k = 0; k < run->metric_list.count - SAC_METRIC_COUNT; k++)
    states[count++] = sac_run_info_state(run, p, k);

  /* open the seed folder */
  SAC_TRY(sac_folder_seed(run->folder->path, run->agent->seed[p], dir));
  SAC_TRY(sac_checkpoint_create(&run->checkpoint[p], dir, run->agent, p, states, count));
fail:
  return status;
}

sac_status sac_run_open_metrics(sac_run* run, int32_t p, int64_t rows_to, int64_t evaluations_to) {
  char dir[SAC_PATH_MAX];
  sac_status status = SAC_OK;
  SAC_TRY(sac_folder_seed(run->folder->path, run->agent->seed[p], dir));
  SAC_TRY(sac_metrics_open(&run->metrics[p], dir, &run->metric_list, rows_to, evaluations_to));
fail:
  return status;
}

void sac_run_destroy(sac_run* run) {
  if (!run) return;

  /* wait for a running evaluation first: it uses the agent and the arrays below */
  sac_evaluator_destroy(run->evaluator);

  /* close the files of each agent */
  const int32_t population = run->agent ? run->agent->shape.population : 0;
  for (int32_t p = 0; p < population; p++) {
    sac_metrics_close(run->metrics[p]);
    sac_checkpoint_destroy(run->checkpoint[p]);
  }
  for (int64_t p = 0; run->agent_text && p < run->settings.seeds; p++) free(run->agent_text[p]);

  /* free arrays */
  free((void*)run->metrics);
  free((void*)run->checkpoint);
  free((void*)run->agent_text);
  free(run->env_state);
  free(run->was_alive);
  free(run->updates_before);
  free(run->best_return);
  free(run->window);
  free(run->info);
  free(run->episode_length);
  free(run->episode_return);

  /* free environments, agent, folder, configuration */
  sac_vector_destroy(run->vector);
  sac_agent_destroy(run->agent);
  sac_folder_close(run->folder);
  if (run->locale) freelocale(run->locale);
  free(run->config_text);
  sac_config_destroy(run->config);
  free(run);
}

/* --- a new run ---------------------------------------------------------------------------------------------------- */

/* Logs what the run trains, on which device, and where its files are. */
static void log_start(sac_run* run) {
  const sac_settings* settings = &run->settings;
  char text[1024], seeds[64];

  /* log what is trained, and where */
  (void)snprintf(seeds, sizeof seeds, settings->seeds > 1 ? "seeds %lld to %lld" : "seed %lld",
                 (long long)settings->seed, (long long)(settings->seed + settings->seeds - 1));
  sac_run_log(run, "sac %s: %s, algo %s, %s, %lld steps on %s", SAC_VERSION, settings->env_id,
              sac_config_get(run->config, "algo"), seeds, (long long)settings->steps, run->agent->device);

  /* log changed values, the choice of the device, memory, folder */
  sac_config_summary(run->config, text, sizeof text);
  if (text[0]) sac_run_log(run, "%s", text);
  if (run->agent->device_why[0]) sac_run_log(run, "%s", run->agent->device_why);
  sac_run_log_needs(run);
  sac_run_log_guard(run);
  for (int32_t i = 0; i < run->note_count; i++) sac_run_log(run, "%s", run->notes[i]);
  sac_run_log(run, "writes to %s", run->folder->shown);
}

/* Checks that the seed folders are free. A run that was killed while it was created leaves a checkpoint of step 0 at
 * most. A later checkpoint belongs to a run whose config.yaml was lost, and must not be overwritten. */
static sac_status check_seed_folders(const sac_run* run) {
  char dir[SAC_PATH_MAX];
  int64_t newest;
  sac_status status = SAC_OK;
  for (int32_t p = 0; p < run->agent->shape.population; p++) {
    SAC_TRY(sac_folder_seed(run->folder->path, run->agent->seed[p], dir));
    const int32_t count = sac_checkpoint_list(dir, &newest, 1);
    if (count < 0) return SAC_ERROR_FILE;
    if (count == 1 && newest > 0)
      return sac_fail(SAC_ERROR_FILE, "%s holds a checkpoint of step %lld, but no config.yaml; choose another --out",
                      dir, (long long)newest);
  }
fail:
  return status;
}

/* Creates the run folder with everything that a resume needs. */
static sac_status create_files(sac_run* run) {
  char changed[1024];
  sac_status status = SAC_OK;

  /* lock the folder, and refuse to overwrite results of another run */
  SAC_TRY(sac_folder_create(&run->folder, run->settings.out, run->settings.env_id));
  SAC_TRY(check_seed_folders(run));
  log_start(run);
  sac_run_warn_no_update(run);

  /* record the machine, and open the files of each agent */
  SAC_TRY(sac_machine_write(run->folder->path, run->agent->device, changed, sizeof changed));
  for (int32_t p = 0; p < run->agent->shape.population; p++) {
    SAC_TRY(sac_run_open_checkpoint(run, p));
    SAC_TRY(sac_run_open_metrics(run, p, -1, -1));
  }

  /* write config.yaml last: a folder that has one can be resumed */
  SAC_TRY(sac_run_save(run));
  SAC_TRY(sac_folder_config_write(run->folder, run->config_text));
  sac_run_log_lacks(run);
fail:
  return status;
}

sac_status sac_run_create(sac_run** out, const sac_config* config, const sac_env_api* env,
                          const sac_callbacks* callbacks) {
  sac_status status = SAC_OK;

  /* check the arguments */
  if (!out) return sac_fail(SAC_ERROR_ARGUMENT, "sac_run_create: run is NULL");
  *out = NULL;
  if (!config) return sac_fail(SAC_ERROR_ARGUMENT, "sac_run_create: config is NULL");

  /* check the configuration and the folder before anything large is allocated */
  sac_run* run = calloc(1, sizeof *run);
  if (!run) return sac_fail(SAC_ERROR_MEMORY, "no memory for a run");
  SAC_TRY(sac_config_copy(&run->config, config));
  SAC_TRY(sac_config_settings(run->config, &run->settings));
  if (run->settings.out[0]) SAC_TRY(sac_folder_check_new(run->settings.out));

  /* create the parts before the files: a run that fails here leaves no folder */
  SAC_TRY(sac_run_create_parts(run, env, callbacks));
  SAC_TRY(sac_run_init(run));
  SAC_TRY(sac_run_load_replay(run));
  SAC_TRY(sac_run_config_text(run));
  SAC_TRY(create_files(run));
  *out = run;
  return sac_succeed();
fail:
  sac_run_destroy(run);
  return status;
}
