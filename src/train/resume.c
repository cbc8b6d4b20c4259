/* A saved run continued to the bit. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <sac/sac.h>

#include "formats/safetensors.h"
#include "train/machine.h"
#include "train/run.h"
#include "util/error.h"
#include "util/number.h"

#define LIST_MAX 1024                /* checkpoints looked at in one folder */
#define CONFIG_MAX ((size_t)1 << 20) /* bytes of config text; what the config reader takes */

/* --- which step --------------------------------------------------------------------------------------------------- */

typedef struct choice {
  int64_t step;
  int64_t newest;   /* that an agent has; above `step`: a checkpoint was passed over */
  char reason[800]; /* why, when it is damaged; "" when some agent does not have it */
} choice;

/* Whether agent `seed` has failed for good at or before `step`: it stays as it is, and need not have the step. */
static int failed_by(const char* folder, uint64_t seed, int64_t step) {
  char dir[SAC_PATH_MAX];
  if (sac_folder_seed(folder, seed, dir) != SAC_OK) return 0;
  const int64_t failed = sac_failed_step(dir);
  return failed >= 0 && failed <= step;
}

/* Whether step loads for agent `seed`; puts what is wrong with it into `chosen`, and its config into config_text. */
static int loads(const char* folder, uint64_t seed, int64_t step, choice* chosen, char* config_text) {
  char dir[SAC_PATH_MAX];
  int64_t list[LIST_MAX];
  if (sac_folder_seed(folder, seed, dir) != SAC_OK) return 0;
  const int32_t count = sac_checkpoint_list(dir, list, LIST_MAX);
  int32_t c = 0;
  while (c < count && list[c] != step) c++;
  if (c == count) return 0;
  if (sac_checkpoint_probe(dir, step, config_text, CONFIG_MAX) == SAC_OK) return 1;
  if (!chosen->reason[0]) (void)snprintf(chosen->reason, sizeof chosen->reason, "%s", sac_last_error());
  return 0;
}

/* The newest step that loads for every agent that had not failed by then. Agents' lists differ when the run was killed
 * while they were saved, one after another. */
static sac_status choose(const char* folder, uint64_t seed, int64_t seeds, choice* chosen, char* config_text) {
  char dir[SAC_PATH_MAX];
  int64_t list[LIST_MAX], below = INT64_MAX;
  sac_status status = SAC_OK;
  *chosen = (choice){.step = -1, .newest = -1};
  for (;;) {
    /* the newest step below the last one tried, of any agent */
    int64_t step = -1;
    for (int64_t p = 0; p < seeds; p++) {
      SAC_TRY(sac_folder_seed(folder, seed + (uint64_t)p, dir));
      const int32_t count = sac_checkpoint_list(dir, list, LIST_MAX);
      for (int32_t c = 0; c < count; c++)
        if (list[c] < below && list[c] > step) step = list[c];
    }
    if (step < 0) break;
    if (chosen->newest < 0) chosen->newest = step;
    int64_t good = 0, failed = 0;
    for (int64_t p = 0; p < seeds && good + failed == p; p++) {
      if (failed_by(folder, seed + (uint64_t)p, step)) failed++;
      else good += loads(folder, seed + (uint64_t)p, step, chosen, config_text);
    }
    if (good > 0 && good + failed == seeds) {
      chosen->step = step;
      return SAC_OK;
    }
    below = step;
  }
  if (chosen->reason[0])
    return sac_fail(SAC_ERROR_FORMAT, "%s: no checkpoint loads; the last %s", folder, chosen->reason);
  return sac_fail(SAC_ERROR_FILE, "%s: there is no checkpoint that all its agents (seed %llu%s) have", folder,
                  (unsigned long long)seed, seeds > 1 ? " and on" : "");
fail:
  return status;
}

/* --- under which configuration ------------------------------------------------------------------------------------ */

static void join(char* text, size_t size, const char* more) {
  const size_t used = strlen(text);
  if (more[0]) (void)snprintf(text + used, size - used, "%s%s", used ? "; " : "", more);
}

/* run->config: the checkpoint's, then the folder's config.yaml, which someone may have edited, then the caller's.
 * before: the folder's settings; becomes the checkpoint's. */
static sac_status merge(sac_run* run, const char* saved_text, const sac_config* folder, const sac_config* overrides,
                        sac_settings* before, char* changes, size_t size) {
  char more[1024] = "", number[SAC_NUMBER_MAX];
  sac_status status = SAC_OK;
  SAC_TRY(sac_config_create(&run->config));
  SAC_TRY(sac_config_parse(run->config, saved_text, strlen(saved_text), "checkpoint", SAC_ORIGIN_SAVED));
  /* A checkpoint is one agent's; the run's seeds are the folder's. */
  (void)sac_print_integer(number, before->seed);
  SAC_TRY(sac_config_set_from(run->config, "seed", number, SAC_ORIGIN_SAVED, NULL));
  (void)sac_print_integer(number, before->seeds);
  SAC_TRY(sac_config_set_from(run->config, "seeds", number, SAC_ORIGIN_SAVED, NULL));
  SAC_TRY(sac_config_settings(run->config, before));
  SAC_TRY(sac_config_resume(run->config, folder, more, sizeof more));
  join(changes, size, more);
  more[0] = '\0';
  if (overrides) SAC_TRY(sac_config_resume(run->config, overrides, more, sizeof more));
  join(changes, size, more);
  SAC_TRY(sac_config_settings(run->config, &run->settings));
fail:
  return status;
}

/* --- what was saved ----------------------------------------------------------------------------------------------- */

/* One that does not load is only put aside. `last` points to `step` before anything goes. */
void sac_run_drop_later(const char* dir, int64_t step) {
  char path[SAC_PATH_MAX], aside[SAC_PATH_MAX], name[64];
  int64_t list[LIST_MAX];
  const int32_t count = sac_checkpoint_list(dir, list, LIST_MAX);
  (void)snprintf(name, sizeof name, "step_%lld.safetensors", (long long)step);
  if (count == 0 || list[0] <= step || sac_path(path, "%s/checkpoints/last", dir) != SAC_OK ||
      sac_link_file(name, path) != SAC_OK)
    return;
  for (int32_t c = 0; c < count && list[c] > step; c++) {
    if (sac_path(path, "%s/checkpoints/step_%lld.safetensors", dir, (long long)list[c]) != SAC_OK ||
        sac_path(aside, "%s.damaged", path) != SAC_OK)
      continue;
    if (sac_checkpoint_probe(dir, list[c], NULL, 0) == SAC_OK) (void)remove(path);
    else (void)rename(path, aside);
  }
}

/* The return that the file `best` was written for. The checkpoint may not know it: a run that ends between two
 * scheduled evaluations makes one more after its last checkpoint. */
static double best_return(const char* dir) {
  char path[SAC_PATH_MAX];
  sac_safetensors* file = NULL;
  double value = -INFINITY;
  if (sac_path(path, "%s/checkpoints/best", dir) == SAC_OK && sac_safetensors_open(&file, path) == SAC_OK) {
    const char* text = sac_safetensors_metadata(file, "mean_return");
    if (text) (void)sac_parse_real(text, &value);
  }
  sac_safetensors_close(file);
  return value;
}

/* Agent p as it was at `step`. */
static sac_status restore(sac_run* run, int32_t p, int64_t step, int* exact) {
  char dir[SAC_PATH_MAX];
  sac_status status = SAC_OK;
  SAC_TRY(sac_folder_seed(run->folder->path, run->agent->seed[p], dir));
  SAC_TRY(sac_checkpoint_load(run->checkpoint[p], step));
  if (run->schedule.step != step)
    SAC_TRY(sac_fail(SAC_ERROR_FORMAT, "%s/checkpoints/step_%lld.safetensors holds step %lld", dir, (long long)step,
                     (long long)run->schedule.step));
  SAC_TRY(sac_vector_state_set(run->vector, p, run->env_state + (size_t)p * run->env_state_size, exact));
  run->best_return[p] = best_return(dir);
  /* their future is about to be made again, perhaps under another configuration */
  sac_run_drop_later(dir, step);
  sac_failed_clear(dir);
fail:
  return status;
}

/* An agent that had failed: its last state, for whoever looks at it; it takes no further part. */
static sac_status restore_failed(sac_run* run, int32_t p) {
  char dir[SAC_PATH_MAX];
  int64_t newest;
  sac_status status = SAC_OK;
  SAC_TRY(sac_folder_seed(run->folder->path, run->agent->seed[p], dir));
  if (sac_checkpoint_list(dir, &newest, 1) == 1) SAC_TRY(sac_checkpoint_load(run->checkpoint[p], newest));
  run->agent->alive[p] = run->was_alive[p] = 0;
  sac_run_log(run, "seed %llu stopped at step %lld; it is left as it is", (unsigned long long)run->agent->seed[p],
              (long long)sac_failed_step(dir));
fail:
  return status;
}

/* The rows of the CSVs that the checkpoint knows about. A run that ended off the schedule has one more, made for its
 * end alone (run.c, finish). */
static int64_t rows_to(int64_t step, int64_t n, int64_t every) {
  return step == 0 || sac_due(step, n, every) ? step : step - 1;
}

/* Whether all agents that go on have the evaluation of `step`, which was due just after its checkpoint. */
static int evaluated(const sac_run* run, int64_t step) {
  char dir[SAC_PATH_MAX];
  double mean;
  int all = 1;
  for (int32_t p = 0; p < run->agent->shape.population; p++)
    if (!failed_by(run->folder->path, run->agent->seed[p], step))
      all &= sac_folder_seed(run->folder->path, run->agent->seed[p], dir) == SAC_OK &&
             sac_metrics_evaluated(dir, step, &mean);
  return all;
}

/* The checkpoint does not know of it yet. */
static sac_status take_evaluation(sac_run* run, int32_t p, int64_t step) {
  char dir[SAC_PATH_MAX];
  double mean;
  sac_window* window = &run->window[p];
  sac_status status = SAC_OK;
  SAC_TRY(sac_folder_seed(run->folder->path, run->agent->seed[p], dir));
  if (!sac_metrics_evaluated(dir, step, &mean)) return SAC_OK;
  if (window->best_step >= 0 && !(mean > window->best_return)) return SAC_OK;
  window->best_step = step;
  window->best_return = mean;
fail:
  return status;
}

static sac_status restore_all(sac_run* run, int64_t step, const sac_settings* before, int* exact) {
  const int32_t population = run->agent->shape.population;
  const int64_t n = run->settings.num_envs;
  const double rate = run->settings.updates_per_step;
  const int due = sac_due(step, n, before->eval_every);
  sac_status status = SAC_OK;
  run->evaluation_owed = due && run->evaluator && !evaluated(run, step);
  /* Failed agents first: the schedule and the clock, which all share, are then those of the agents that go on. */
  for (int failed = 1; failed >= 0; failed--)
    for (int32_t p = 0; p < population; p++) {
      if (failed_by(run->folder->path, run->agent->seed[p], step) != failed) continue;
      SAC_TRY(sac_run_open_checkpoint(run, p));
      if (failed) {
        SAC_TRY(restore_failed(run, p));
        continue;
      }
      SAC_TRY(restore(run, p, step, exact));
      if (due && !run->evaluation_owed) SAC_TRY(take_evaluation(run, p, step));
      SAC_TRY(sac_run_open_metrics(run, p, rows_to(step, n, before->log_every),
                                   run->evaluation_owed ? step - 1 : rows_to(step, n, before->eval_every)));
    }
  sac_schedule_rate(&run->schedule, rate);
  if (run->agent->backend->state_set) SAC_TRY(run->agent->backend->state_set(run->agent)); /* who has failed */
  run->saved_step = step;
fail:
  return status;
}

/* --- peek --------------------------------------------------------------------------------------------------------- */

/* The folder's config.yaml. */
static sac_status read_config(sac_config** config, const char* dir) {
  char name[SAC_PATH_MAX], *text = NULL;
  size_t size;
  sac_status status = SAC_OK;
  SAC_TRY(sac_path(name, "%s/config.yaml", dir));
  SAC_TRY(sac_folder_config_read(dir, &text, &size));
  SAC_TRY(sac_config_create(config));
  SAC_TRY(sac_config_parse(*config, text, size, name, SAC_ORIGIN_FILE));
fail:
  free(text);
  return status;
}

sac_status sac_run_peek(const char* dir, const sac_config* overrides, int64_t* step, int64_t* steps) {
  char seed_dir[SAC_PATH_MAX], changes[1024];
  sac_config* config = NULL;
  sac_settings settings;
  int64_t newest;
  sac_status status = SAC_OK;
  *step = 0;
  SAC_TRY(read_config(&config, dir));
  if (overrides) SAC_TRY(sac_config_resume(config, overrides, changes, sizeof changes));
  SAC_TRY(sac_config_settings(config, &settings));
  *steps = settings.steps;
  for (int64_t p = 0; p < settings.seeds; p++) {
    SAC_TRY(sac_folder_seed(dir, (uint64_t)(settings.seed + p), seed_dir));
    if (sac_checkpoint_list(seed_dir, &newest, 1) == 1 && newest > *step) *step = newest;
  }
fail:
  sac_config_destroy(config);
  return status;
}

/* --- resume ------------------------------------------------------------------------------------------------------- */

static void log_resume(sac_run* run, const choice* from, const char* changes, const char* machine, int exact) {
  if (from->newest > from->step && from->reason[0])
    sac_run_log(run, "warning: last checkpoint %s; using step_%lld", from->reason, (long long)from->step);
  else if (from->newest > from->step)
    sac_run_log(run, "step_%lld was not saved by all agents; using step_%lld", (long long)from->newest,
                (long long)from->step);
  sac_run_log(run, "sac %s: continues %s at step %lld of %lld on %s", SAC_VERSION, run->folder->path,
              (long long)from->step, (long long)run->settings.steps, run->agent->device);
  if (changes[0]) sac_run_log(run, "changed: %s", changes);
  if (machine[0]) sac_run_log(run, "warning: made elsewhere, results may differ in the last bits: %s", machine);
  int32_t kept = 0;
  for (int32_t p = 0; p < run->agent->shape.population; p++)
    kept += run->metrics[p] && sac_metrics_kept_columns(run->metrics[p]);
  if (kept)
    sac_run_log(
        run, "warning: metrics.csv keeps the columns that it has: terms of info that it lacks go to TensorBoard alone");
  if (!exact) sac_run_log(run, "warning: %s has no saved state: its episodes start anew", run->settings.env_id);
  if (run->agent->device_why[0]) sac_run_log(run, "%s", run->agent->device_why);
  sac_run_log_memory(run);
}

sac_status sac_run_resume(sac_run** out, const char* dir, const sac_config* overrides, const sac_env_api* env,
                          const sac_callbacks* callbacks) {
  char *saved_text = NULL, changes[2048] = "", machine[1024] = "";
  sac_config* folder = NULL;
  sac_settings* before = NULL;
  int exact = 1;
  choice from;
  sac_status status = SAC_OK;
  if (!out) return sac_fail(SAC_ERROR_ARGUMENT, "sac_run_resume: run is NULL");
  *out = NULL;
  if (!dir || !dir[0]) return sac_fail(SAC_ERROR_ARGUMENT, "sac_run_resume: no folder is given");
  sac_run* run = calloc(1, sizeof *run);
  saved_text = malloc(CONFIG_MAX);
  before = malloc(sizeof *before);
  if (!run || !saved_text || !before) SAC_TRY(sac_fail(SAC_ERROR_MEMORY, "no memory for a run"));
  SAC_TRY(sac_folder_open(&run->folder, dir));

  /* config.yaml says how many agents there are; everything else is the checkpoint's to say. */
  SAC_TRY(read_config(&folder, run->folder->path));
  SAC_TRY(sac_config_settings(folder, before));
  SAC_TRY(choose(run->folder->path, (uint64_t)before->seed, before->seeds, &from, saved_text));
  SAC_TRY(merge(run, saved_text, folder, overrides, before, changes, sizeof changes));
  sac_config_stay(run->config, sac_machine_stay(run->folder->path));

  SAC_TRY(sac_run_build(run, env, callbacks));
  SAC_TRY(sac_run_config_text(run));
  SAC_TRY(sac_machine_write(run->folder->path, run->agent->device, machine, sizeof machine));
  SAC_TRY(restore_all(run, from.step, before, &exact));
  log_resume(run, &from, changes, machine, exact);
  if (changes[0]) SAC_TRY(sac_folder_config_write(run->folder, run->config_text));
fail:
  free(saved_text);
  free(before);
  sac_config_destroy(folder);
  if (status != SAC_OK) sac_run_destroy(run);
  else *out = run;
  return status;
}
