/* Resumes a saved run, to the same bits as if it had not stopped. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <sac/sac.h>

#include "agent/steps.h"
#include "env/check.h"
#include "formats/safetensors.h"
#include "formats/yaml.h"
#include "train/machine.h"
#include "train/resume_point.h"
#include "train/run.h"
#include "util/error.h"
#include "util/number.h"
#include "util/text.h"

/* --- configuration ------------------------------------------------------------------------------------------------ */

/* Appends a list of changes to another. */
static void append_changes(char* text, size_t size, const char* more) {
  const size_t used = strlen(text);
  if (more[0]) (void)snprintf(text + used, size - used, "%s%s", used ? "; " : "", more);
}

/* Refuses fewer steps than the `step` that the run has made. before: the settings of the checkpoint, whose last step
 * may be past train.steps by a part of env.num_envs. */
static sac_status check_steps(sac_config* config, const sac_settings* before, int64_t step) {
  int64_t steps = 0;
  const int whole = sac_parse_integer(sac_config_get(config, "train.steps"), &steps) == SAC_NUMBER_OK;
  if (!whole || steps >= step || steps >= before->steps) return SAC_OK;
  return sac_fail(SAC_ERROR_CONFIG, "train.steps = %lld is less than the %lld steps that the run has made: give more",
                  (long long)steps, (long long)step);
}

/* Makes run->config: the checkpoint's configuration, changed by the folder's config.yaml, which a user may have edited,
 * then by the caller's overrides. before: holds the folder's settings, receives the checkpoint's. changes: receives the
 * keys that differ. */
static sac_status merge_config(sac_run* run, int64_t step, const char* saved_text, const sac_config* folder,
                               const sac_config* overrides, sac_settings* before, char* changes, size_t size) {
  char more[1024] = "", number[SAC_NUMBER_MAX];
  sac_status status = SAC_OK;

  /* start from the configuration of the checkpoint */
  SAC_TRY(sac_config_create(&run->config));
  SAC_TRY(sac_config_parse(run->config, saved_text, strlen(saved_text), "checkpoint", SAC_ORIGIN_SAVED));

  /* take the seeds of the run from its folder, because a checkpoint holds one agent */
  (void)sac_print_integer(number, before->seed);
  SAC_TRY(sac_config_set_from(run->config, "seed", number, SAC_ORIGIN_SAVED, NULL));
  (void)sac_print_integer(number, before->seeds);
  SAC_TRY(sac_config_set_from(run->config, "seeds", number, SAC_ORIGIN_SAVED, NULL));
  SAC_TRY(sac_config_settings(run->config, before));

  /* apply the changes */
  SAC_TRY(sac_config_resume(run->config, folder, more, sizeof more));
  append_changes(changes, size, more);
  more[0] = '\0';
  if (overrides) SAC_TRY(sac_config_resume(run->config, overrides, more, sizeof more));
  append_changes(changes, size, more);
  SAC_TRY(check_steps(run->config, before, step));
  SAC_TRY(sac_config_settings(run->config, &run->settings));
fail:
  return status;
}

/* --- agents ------------------------------------------------------------------------------------------------------- */

/* Moves a `best` aside that is later than `step`: the run goes on differently from there, and would never replace a
 * better result of steps that it does not make again. Nothing is lost, the file keeps its content. */
static void move_later_best(sac_run* run, int32_t p, int64_t step) {
  char dir[SAC_PATH_MAX], path[SAC_PATH_MAX], aside[SAC_PATH_MAX];
  sac_safetensors* file = NULL;
  int64_t best = -1;
  if (sac_folder_seed(run->folder->path, run->agent->seed[p], dir) != SAC_OK ||
      sac_path(path, "%s/checkpoints/best", dir) != SAC_OK || sac_safetensors_open(&file, path) != SAC_OK)
    return;

  /* read its step */
  const char* text = sac_safetensors_metadata(file, "step");
  if (text) (void)sac_parse_integer(text, &best);
  sac_safetensors_close(file);
  if (best <= step) return;

  /* rename it, and begin with no best file */
  if (sac_path(aside, "%s/checkpoints/best_step_%lld.safetensors", dir, (long long)best) != SAC_OK ||
      rename(path, aside) != 0)
    return;
  run->best_return[p] = -INFINITY;
  sac_run_log(run, "the best checkpoint is of step %lld, after which the run goes on differently: it is kept as %s",
              (long long)best, aside);
}

/* The return of the file `best`; -infinity if there is none. It may be better than the best return of the checkpoint: a
 * run that ends between two scheduled evaluations evaluates once more after its last checkpoint. */
static sac_status read_best_return(const char* dir, double* value) {
  char path[SAC_PATH_MAX];
  sac_safetensors* file = NULL;
  sac_status status = SAC_OK;
  *value = -INFINITY;
  SAC_TRY(sac_path(path, "%s/checkpoints/best", dir));

  /* a damaged file is worth nothing; one that cannot be read now must not be replaced by a worse one */
  status = sac_safetensors_open(&file, path);
  if (status == SAC_OK) {
    const char* text = sac_safetensors_metadata(file, "mean_return");
    if (text) (void)sac_parse_real(text, value);
  } else if (status == SAC_ERROR_FORMAT || !sac_file_exists(path)) {
    status = SAC_OK;
  }
  sac_safetensors_close(file);
fail:
  return status;
}

/* Restores agent p and its environments as they were at `step`. exact: set to 0 when the environment saves no state. */
static sac_status restore_agent(sac_run* run, int32_t p, int64_t step, int* exact) {
  char dir[SAC_PATH_MAX];
  sac_status status = SAC_OK;

  /* restore weights, rows and the run's states from the checkpoint */
  SAC_TRY(sac_folder_seed(run->folder->path, run->agent->seed[p], dir));
  SAC_TRY(sac_checkpoint_load(run->checkpoint[p], step));
  if (run->schedule.step != step)
    SAC_TRY(sac_fail(SAC_ERROR_FORMAT, "%s/checkpoints/step_%lld.safetensors holds step %lld", dir, (long long)step,
                     (long long)run->schedule.step));

  /* restore the environments from the state that the checkpoint has put into env_state */
  SAC_TRY(sac_vector_state_set(run->vector, p, run->env_state + (size_t)p * run->env_state_size, exact));
  SAC_TRY(read_best_return(dir, &run->best_return[p]));
  if (run->window[p].best_step >= 0 && run->best_return[p] == -INFINITY)
    sac_run_log(run,
                "warning: the best checkpoint, of step %lld, is gone or damaged: the next evaluation begins a new one",
                (long long)run->window[p].best_step);

  /* delete later results: they will be made again, perhaps under another configuration */
  sac_run_delete_later(dir, step);
  sac_checkpoint_point_last(dir, step); /* a copy may have lost the link */
  sac_failed_clear(dir);
fail:
  return status;
}

/* Restores the newest checkpoint of an agent that had stopped. The agent can be read, and is not trained any more. */
static sac_status restore_stopped_agent(sac_run* run, int32_t p) {
  char dir[SAC_PATH_MAX];
  int64_t newest;
  sac_status status = SAC_OK;

  /* load the newest checkpoint, whatever its step */
  SAC_TRY(sac_folder_seed(run->folder->path, run->agent->seed[p], dir));
  const int32_t count = sac_checkpoint_list(dir, &newest, 1);
  if (count < 0) return SAC_ERROR_FILE;
  if (count == 1) SAC_TRY(sac_checkpoint_load(run->checkpoint[p], newest));

  /* an evaluation of an earlier step goes on without it */
  if (run->evaluation_left >= 0) {
    sac_agent* copy = NULL;
    SAC_TRY(sac_evaluator_copy(run->evaluator, &copy));
    copy->alive[p] = 0;
  }

  /* its state says alive, because it was saved before the agent stopped */
  run->agent->alive[p] = run->was_alive[p] = 0;
  sac_run_log(run, "seed %llu stopped at step %lld and stays stopped", (unsigned long long)run->agent->seed[p],
              (long long)sac_failed_step(dir));
fail:
  return status;
}

/* The last row of a CSV file that belongs to the checkpoint of `step`. A run that ends between two scheduled rows
 * writes one more, which is removed when the run goes on. */
static int64_t last_row(int64_t step, int64_t n, int64_t every) {
  return step == 0 || sac_due(step, n, every) ? step : step - 1;
}

/* Whether evaluations.csv has the evaluation of `step` for all agents that go on. An evaluation is written after the
 * checkpoint of the same step, so a kill may leave it out. */
static int has_evaluation(const sac_run* run, int64_t step) {
  char dir[SAC_PATH_MAX];
  double mean;
  int all = 1;
  for (int32_t p = 0; p < run->agent->shape.population; p++)
    if (!sac_stopped_before(run->folder->path, run->agent->seed[p], step))
      all &= sac_folder_seed(run->folder->path, run->agent->seed[p], dir) == SAC_OK &&
             sac_metrics_evaluated(dir, step, &mean);
  return all;
}

/* Counts agent p's evaluation of `step` in its best result. The evaluation is read from evaluations.csv, because the
 * checkpoint of `step` was written before it. */
static sac_status read_evaluation(sac_run* run, int32_t p, int64_t step) {
  char dir[SAC_PATH_MAX];
  double mean;
  sac_window* window = &run->window[p];
  sac_status status = SAC_OK;
  SAC_TRY(sac_folder_seed(run->folder->path, run->agent->seed[p], dir));

  /* compare it with the best result of the checkpoint */
  if (!sac_metrics_evaluated(dir, step, &mean)) return SAC_OK;
  if (window->best_step >= 0 && !(mean > window->best_return)) return SAC_OK;
  window->best_step = step;
  window->best_return = mean;
fail:
  return status;
}

/* The step of the evaluation that had not ended when the checkpoint of `step` was saved; -1: there is none, or not for
 * all agents that go on. */
static int64_t evaluation_beside(const sac_run* run, int64_t step) {
  char dir[SAC_PATH_MAX];
  int64_t common = -1;
  for (int32_t p = 0; run->evaluator && p < run->agent->shape.population; p++) {
    if (sac_stopped_before(run->folder->path, run->agent->seed[p], step)) continue;
    if (sac_folder_seed(run->folder->path, run->agent->seed[p], dir) != SAC_OK) return -1;

    /* a file of a later step belongs to a checkpoint that is not used */
    const int64_t left = sac_checkpoint_evaluation_read(dir, NULL, 0);
    if (left < 0 || left >= step || (common >= 0 && left != common)) return -1;
    common = left;
  }
  return common;
}

/* Reads agent p's part of the evaluation of step `left`: its result from evaluations.csv, or the weights that play it
 * again (run->evaluation_left). */
static sac_status restore_evaluation(sac_run* run, int32_t p, int64_t left) {
  char dir[SAC_PATH_MAX];
  sac_agent* copy = NULL;
  sac_status status = SAC_OK;
  if (left < 0) return SAC_OK;
  if (run->evaluation_left < 0) return read_evaluation(run, p, left);

  /* read the weights; without them the run goes on, and lacks this evaluation */
  SAC_TRY(sac_folder_seed(run->folder->path, run->agent->seed[p], dir));
  SAC_TRY(sac_evaluator_copy(run->evaluator, &copy));
  if (sac_checkpoint_evaluation_read(dir, copy, p) == left) return SAC_OK;
  sac_run_log(run, "warning: the evaluation of step %lld cannot be played again: %s", (long long)left,
              sac_last_error());
  copy->alive[p] = 0;
fail:
  return status;
}

/* Restores one agent that goes on, and opens its files. left: step of an evaluation that had not ended; -1: none.
 * before: the settings that it was saved with. exact: as in restore_agent. */
static sac_status restore(sac_run* run, int32_t p, int64_t step, int64_t left, const sac_settings* before, int* exact) {
  const int64_t n = run->settings.num_envs;
  sac_status status = SAC_OK;
  SAC_TRY(restore_agent(run, p, step, exact));
  SAC_TRY(restore_evaluation(run, p, left));

  /* read the evaluation of this step, or remove its incomplete row and play it again later */
  if (sac_due(step, n, before->eval_every) && !run->evaluation_missing) SAC_TRY(read_evaluation(run, p, step));
  const int64_t evaluations_to = run->evaluation_left >= 0 ? run->evaluation_left - 1
                                 : run->evaluation_missing ? step - 1
                                                           : last_row(step, n, before->eval_every);
  const int64_t rows_to = last_row(step, n, before->log_every);
  SAC_TRY(sac_run_open_metrics(run, p, rows_to, evaluations_to));
  sac_run_warn_lost(run, p, rows_to, evaluations_to);
fail:
  return status;
}

/* Takes the name of a term of info from a checkpoint, whose sum belongs to the next row. */
static void take_term(void* context, const char* state) {
  sac_run* run = context;
  const char* const names[] = {state + sizeof SAC_INFO_PREFIX - 1, NULL};
  int32_t count;
  if (sac_env_check_names("", names, &count) == SAC_OK) (void)sac_metric_list_term(&run->metric_list, names[0]);
}

/* Finds the terms of info that agent p had when it was saved. The environment may give some of them later. */
static sac_status find_terms(sac_run* run, int32_t p, int64_t step) {
  char dir[SAC_PATH_MAX];
  sac_status status = SAC_OK;
  SAC_TRY(sac_folder_seed(run->folder->path, run->agent->seed[p], dir));
  if (run->info) SAC_TRY(sac_checkpoint_states(dir, step, SAC_INFO_PREFIX, take_term, run));
fail:
  return status;
}

/* Restores all agents from their checkpoints of `step`. */
static sac_status restore_all(sac_run* run, int64_t step, const sac_settings* before, int* exact) {
  const double rate = run->settings.updates_per_step;
  const int evaluation_due = sac_due(step, run->settings.num_envs, before->eval_every);
  sac_status status = SAC_OK;

  /* an evaluation that was due and is not in evaluations.csv is played before the next step */
  run->evaluation_missing = evaluation_due && run->evaluator && !has_evaluation(run, step);
  const int64_t left = evaluation_beside(run, step);
  if (left >= 0 && !has_evaluation(run, left)) run->evaluation_left = left;

  /* all agents have the same terms of info: find them before the list of states is made */
  for (int32_t p = 0; p < run->agent->shape.population; p++)
    if (!sac_stopped_before(run->folder->path, run->agent->seed[p], step)) SAC_TRY(find_terms(run, p, step));

  /* restore stopped agents first: each agent overwrites the schedule and the clock of the run, which must end as those
   * of an agent that goes on */
  for (int stopped = 1; stopped >= 0; stopped--)
    for (int32_t p = 0; p < run->agent->shape.population; p++) {
      if (sac_stopped_before(run->folder->path, run->agent->seed[p], step) != stopped) continue;
      SAC_TRY(sac_run_open_checkpoint(run, p));
      if (stopped) SAC_TRY(restore_stopped_agent(run, p));
      else SAC_TRY(restore(run, p, step, left, before, exact));
    }

  sac_run_warn_log(run);

  /* set the rate of updates, which may have changed, and tell a device which agents have stopped */
  sac_schedule_rate(&run->schedule, rate);
  if (run->agent->backend->state_set) SAC_TRY(run->agent->backend->state_set(run->agent));
  run->saved_step = step;
fail:
  return status;
}

/* --- resume ------------------------------------------------------------------------------------------------------- */

/* Logs what is resumed, and everything that differs from an uninterrupted run. */
static void log_resume(sac_run* run, const sac_resume_point* point, const char* changes, const char* machine,
                       int exact) {
  /* log the checkpoint */
  if (point->newest > point->step && point->reason[0])
    sac_run_log(run, "warning: last checkpoint %s; using step_%lld", point->reason, (long long)point->step);
  else if (point->newest > point->step)
    sac_run_log(run, "step_%lld was not saved by all agents; using step_%lld", (long long)point->newest,
                (long long)point->step);
  if (point->lost > point->newest)
    sac_run_log(run, "warning: the last checkpoint, step_%lld, is missing; using step_%lld", (long long)point->lost,
                (long long)point->step);
  if (point->reached > point->step)
    sac_run_log(run, "the run had reached step %lld; its steps after %lld were not saved, and are made again",
                (long long)point->reached, (long long)point->step);
  sac_run_log(run, "sac %s: continues %s at step %lld of %lld on %s", SAC_VERSION, run->folder->shown,
              (long long)point->step, (long long)run->settings.steps, run->agent->device);

  /* log changes of configuration and machine */
  if (changes[0]) sac_run_log(run, "changed: %s", changes);
  if (machine[0])
    sac_run_log(run, "warning: the run was started on another machine, results may differ in the last bits: %s",
                machine);

  /* warn of environments without saved state */
  if (!exact) sac_run_log(run, "warning: %s saves no state: new episodes start", run->settings.env_id);

  /* log the choice of the device, and what the run needs */
  if (run->agent->device_why[0]) sac_run_log(run, "%s", run->agent->device_why);
  sac_run_log_needs(run);
  sac_run_log_guard(run);
  sac_run_log_lacks(run);
}

sac_status sac_run_resume(sac_run** out, const char* dir, const sac_config* overrides, const sac_env_api* env,
                          const sac_callbacks* callbacks) {
  char changes[2048] = "", machine[1024] = "";
  sac_config* folder = NULL;
  sac_settings* before = NULL;
  sac_resume_point* point = NULL;
  int exact = 1;
  sac_status status = SAC_OK;

  /* check the arguments */
  if (!out) return sac_fail(SAC_ERROR_ARGUMENT, "sac_run_resume: run is NULL");
  *out = NULL;
  if (!dir || !dir[0]) return sac_fail(SAC_ERROR_ARGUMENT, "sac_run_resume: no folder is given");

  /* allocate, and lock the folder; `before` and `point` are too large for the stack */
  sac_run* run = calloc(1, sizeof *run);
  before = malloc(sizeof *before);
  point = malloc(sizeof *point);
  if (!run || !before || !point) SAC_TRY(sac_fail(SAC_ERROR_MEMORY, "no memory for a run"));
  SAC_TRY(sac_folder_open(&run->folder, dir));

  /* read the seeds from config.yaml, and everything else from a checkpoint */
  SAC_TRY(sac_folder_config_read(run->folder->path, &folder));
  SAC_TRY(sac_config_settings(folder, before));
  SAC_TRY(sac_resume_point_find(run->folder->path, (uint64_t)before->seed, before->seeds, point));
  SAC_TRY(merge_config(run, point->step, point->config, folder, overrides, before, changes, sizeof changes));
  sac_config_stay(run->config, sac_machine_stay(run->folder->path));

  /* create the run as a new one, then restore its state */
  SAC_TRY(sac_run_create_parts(run, env, callbacks));
  SAC_TRY(sac_run_config_text(run));
  SAC_TRY(sac_machine_write(run->folder->path, run->agent->device, machine, sizeof machine));
  SAC_TRY(restore_all(run, point->step, before, &exact));
  for (int32_t p = 0; p < run->agent->shape.population && (changes[0] || !exact); p++)
    move_later_best(run, p, point->step);
  log_resume(run, point, changes, machine, exact);

  /* write config.yaml last: a resume that fails leaves it as it was */
  if (changes[0]) SAC_TRY(sac_folder_config_write(run->folder, run->config_text));
fail:
  free(before);
  free(point);
  sac_config_destroy(folder);
  if (status != SAC_OK) sac_run_destroy(run);
  else *out = run;
  return sac_result(status);
}
