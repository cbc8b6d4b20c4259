/* What a run reports: log lines, rows of metrics, evaluations. */
#include <math.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "env/guard.h"
#include "env/list.h"
#include "train/run.h"
#include "util/clock.h"
#include "util/error.h"
#include "util/text.h"

/* --- log lines and time ------------------------------------------------------------------------------------------- */

/* They are here because callbacks are called here, and a nonzero return value stops the run. */
void sac_run_stop(sac_run* run) {
  if (run) atomic_store_explicit(&run->stop, 1, memory_order_relaxed);
}

void sac_run_request_checkpoint(sac_run* run) {
  if (run) atomic_store_explicit(&run->save, 1, memory_order_relaxed);
}

void sac_run_log(sac_run* run, const char* format, ...) {
  char line[2048];

  /* print in the C locale, so that numbers have decimal points */
  const locale_t caller = uselocale(run->locale);
  va_list args;
  va_start(args, format);
  (void)vsnprintf(line, sizeof line, format, args);
  va_end(args);
  (void)uselocale(caller);
  sac_text_clean(line); /* an environment's own words may be in it */

  /* send the line to log.txt, which exists once the run has a folder, and to the caller */
  if (run->folder && !sac_folder_log(run->folder, line) && !run->log_warned && run->callbacks.log) {
    run->log_warned = 1;
    char warning[SAC_PATH_MAX + 128];
    (void)snprintf(warning, sizeof warning, "warning: cannot write %s/log.txt: %s", run->folder->shown,
                   strerror(run->folder->log_error));
    if (run->callbacks.log(run->callbacks.user, warning)) sac_run_stop(run);
  }
  if (run->callbacks.log && run->callbacks.log(run->callbacks.user, line)) sac_run_stop(run);
}

void sac_run_count_time(sac_run* run) {
  if (run->clock_start == 0) return; /* outside sac_run_steps: this time does not count */
  const double now = sac_seconds();
  run->seconds.total += now - run->clock_start;
  run->clock_start = now;

  /* take over what the agent has measured, so that a checkpoint has it */
  for (int s = 0; s < SAC_STAGE_COUNT; s++) {
    run->seconds.stage[s] += run->agent->seconds[s];
    run->agent->seconds[s] = 0;
  }
}

void sac_run_warn_disk(sac_run* run) {
  /* copy the reason: logging may replace the message */
  char reason[1024];
  (void)snprintf(reason, sizeof reason, "%s", sac_last_error());
  sac_run_log(run, "warning: %s; the run goes on (checkpoint.on_error is continue)", reason);
}

void sac_run_count_lost(sac_run* run) {
  run->lost++;
  (void)snprintf(run->lost_why, sizeof run->lost_why, "%s", sac_last_error());
}

sac_status sac_run_file_error(sac_run* run, sac_status status) {
  if (status != SAC_ERROR_FILE) return status;
  if (run->settings.checkpoint_on_error != SAC_ON_ERROR_CONTINUE) return sac_run_end_by_disk(run);

  sac_run_count_lost(run);
  sac_run_warn_disk(run);
  return SAC_OK;
}

/* --- rows of metrics ---------------------------------------------------------------------------------------------- */

sac_state sac_run_info_state(const sac_run* run, int32_t p, int32_t k) {
  sac_info_sum* info = &run->info[p * SAC_ENV_INFO_MAX + k];
  return (sac_state){run->metric_list.name[SAC_METRIC_COUNT + k], SAC_F64, info, sizeof *info, 1};
}

void sac_run_find_terms(sac_run* run) {
  const sac_vector* vector = run->vector;
  for (; run->info_known < vector->info_count; run->info_known++) {
    /* find its place; a resumed run may know the term from its checkpoint */
    const int32_t before = run->metric_list.count;
    const int32_t k = sac_metric_list_term(&run->metric_list, vector->info_name[run->info_known]);
    run->info_at[run->info_known] = k;
    if (run->metric_list.count == before) continue;

    /* a new one is saved from now on */
    for (int32_t p = 0; p < vector->population; p++) {
      const sac_state state = sac_run_info_state(run, p, k);
      if (run->checkpoint[p]) sac_checkpoint_add_state(run->checkpoint[p], &state);
    }
  }
}

/* Adds the info of the last vector step to the sums, (P, N, I) to (P, SAC_ENV_INFO_MAX). */
static void count_info(sac_run* run) {
  const sac_vector* vector = run->vector;
  const int32_t terms = vector->info_count;
  const float* value = vector->info;
  for (int32_t p = 0; p < vector->population; p++)
    for (int32_t i = 0; i < vector->num_envs; i++)
      for (int32_t k = 0; k < terms; k++, value++) {
        /* leave out terms that are NaN: the environment did not give them in this step */
        if (!isfinite(*value) || run->info_at[k] < 0) continue;
        sac_info_sum* info = &run->info[p * SAC_ENV_INFO_MAX + run->info_at[k]];
        info->sum += (double)*value;
        info->count++;
      }
}

void sac_run_count_steps(sac_run* run, int32_t steps) {
  const sac_vector* vector = run->vector;

  /* every environment made `steps` steps */
  const int32_t population = vector->population;
  for (int32_t p = 0; p < population; p++) run->window[p].count.steps += (int64_t)steps * vector->num_envs;

  /* add each finished episode to the window of its agent */
  for (int32_t i = 0; i < vector->finished_count; i++) {
    const sac_episode* episode = &vector->finished[i];
    sac_window* window = &run->window[episode->env / vector->num_envs];
    window->count.episodes++;
    window->count.episode_steps += episode->length;
    window->returns += episode->episode_return;
  }

  /* the vector holds the info of its last step */
  if (vector->info_count > run->info_known) sac_run_find_terms(run);
  if (vector->info_count > 0) count_info(run);
}

/* Means of the updates in agent p's window. */
static void measure_updates(const sac_run* run, int32_t p, double value[SAC_METRIC_MAX]) {
  const sac_totals* totals = &run->agent->totals[p];
  const double* sums = (const double*)&totals->sum;
  const double updates = (double)totals->updates;
  if (!totals->updates) return;

  /* statistics that the algorithm does not have stay NaN */
  for (int i = 0; i < SAC_STATISTIC_COUNT; i++)
    if (sac_algo_has_statistic(run->agent->algo, i)) value[sac_metric_of_statistic[i]] = sums[i] / updates;
}

/* The values of agent p's row: means over its window, NaN where there is nothing to report. */
static void measure(const sac_run* run, int32_t p, double value[SAC_METRIC_MAX]) {
  const sac_window* window = &run->window[p];
  const double episodes = (double)window->count.episodes;
  const double elapsed = run->seconds.total - run->seconds.row;
  const int32_t terms = run->metric_list.count - SAC_METRIC_COUNT;

  /* a metric that gets no value below is an empty cell */
  for (int32_t m = 0; m < run->metric_list.count; m++) value[m] = NAN;

  /* count updates and episodes */
  value[SAC_METRIC_updates] = (double)run->agent->counters[p].updates;
  value[SAC_METRIC_episodes] = episodes;
  if (window->count.episodes) {
    value[SAC_METRIC_episode_return] = window->returns / episodes;
    value[SAC_METRIC_episode_length] = (double)window->count.episode_steps / episodes;
  }
  measure_updates(run, p, value);

  /* measure the speed */
  if (elapsed > 0) {
    value[SAC_METRIC_updates_per_second] = (double)run->agent->totals[p].updates / elapsed;
    value[SAC_METRIC_steps_per_second] = (double)window->count.steps / elapsed;
  }
  value[SAC_METRIC_seconds] = run->seconds.total;

  /* add the time in each stage; a backend that queues its work does not know it (use scripts/profile) */
  for (int32_t s = 0; s < SAC_STAGE_COUNT && !run->agent->backend->update; s++)
    value[SAC_METRIC_act_seconds + s] = run->seconds.stage[s];

  /* average the environment's info */
  for (int32_t k = 0; k < terms; k++) {
    const sac_info_sum* info = &run->info[p * SAC_ENV_INFO_MAX + k];
    if (info->count > 0) value[SAC_METRIC_COUNT + k] = info->sum / info->count;
  }
}

/* Logs MuJoCo's warnings: the first, and then each time that there are ten times as many, so that a log is not full of
 * them. Those of evaluations count too: the count is of the process. */
static void log_warnings(sac_run* run) {
  char last[SAC_SHOW_MAX];
  const uint64_t count = sac_mujoco_warnings(last) - run->env_warnings;
  if (count == 0 || count < run->warnings_due) return;
  while (run->warnings_due <= count) run->warnings_due = run->warnings_due ? 10 * run->warnings_due : 1;
  if (count == 1) sac_run_log(run, "warning: MuJoCo: %s", last);
  else sac_run_log(run, "warning: MuJoCo, %llu times so far, the last: %s", (unsigned long long)count, last);
}

void sac_run_log_guard(sac_run* run) {
  static const char* const words[] = {
#define WORDS(name, words) words,
      SAC_GUARD_LIST(WORDS)
#undef WORDS
  };
  char list[256] = "";
  size_t used = 0;

  /* each change is logged once */
  const uint32_t found = sac_guard_changes() & ~run->guard_changes;
  run->guard_changes |= found;
  for (int i = 0; i < SAC_GUARD_LOST; i++)
    if (found >> i & 1) sac_text_append(list, sizeof list, &used, "%s%s", used ? ", " : "", words[i]);
  if (used) sac_run_log(run, "%s changed %s of this process; sac has its own back", run->settings.env_id, list);
  if (found >> SAC_GUARD_LOST & 1)
    sac_run_log(run, "warning: %s changed %s", run->settings.env_id, words[SAC_GUARD_LOST]);
}

/* Reports the row of agent p to the callback and to its files. */
static sac_status report_agent(sac_run* run, int32_t p) {
  const sac_callbacks* callbacks = &run->callbacks;
  double value[SAC_METRIC_MAX];
  measure(run, p, value);
  const sac_metrics row = {.agent = p,
                           .step = run->schedule.step,
                           .count = run->metric_list.count,
                           .name = run->metric_list.name,
                           .value = value};

  /* tell the callback, which may stop the run, then write the files */
  if (callbacks->metrics && callbacks->metrics(callbacks->user, &row)) sac_run_stop(run);
  return sac_metrics_row(run->metrics[p], run->schedule.step, value);
}

/* Starts a new window of agent p. */
static void restart_window(sac_run* run, int32_t p) {
  /* clear the sums; best_step and best_return are of the whole run and stay */
  memset(&run->window[p].count, 0, sizeof run->window[p].count);
  run->window[p].returns = 0;
  if (run->info) memset(run->info + (size_t)p * SAC_ENV_INFO_MAX, 0, SAC_ENV_INFO_MAX * sizeof *run->info);
  memset(&run->agent->totals[p], 0, sizeof run->agent->totals[p]);
}

/* Restarts the clocks that all agents share, and copies the cleared totals to a device. */
static sac_status restart_clocks(sac_run* run) {
  run->seconds.row = run->seconds.total;
  memset(run->seconds.stage, 0, sizeof run->seconds.stage);
  return run->agent->backend->state_set ? run->agent->backend->state_set(run->agent) : SAC_OK;
}

sac_status sac_run_report_metrics(sac_run* run, int restart) {
  const sac_backend* backend = run->agent->backend;
  char warning[1024];
  sac_status status = SAC_OK;

  /* log messages of the device and warnings of the simulator */
  sac_run_count_time(run);
  if (backend->take_warning && backend->take_warning(run->agent, warning, sizeof warning))
    sac_run_log(run, "%s", warning);
  log_warnings(run);
  sac_run_log_guard(run);

  /* write all rows, also after an error: a full disk may refuse one file and take the next */
  for (int32_t p = 0; p < run->agent->shape.population; p++) {
    if (!run->agent->alive[p]) continue;
    const sac_status written = report_agent(run, p);
    if (status == SAC_OK) status = written;
    if (restart) restart_window(run, p);
  }

  /* restart what the agents share, after the last agent has used it */
  if (restart) {
    const sac_status restarted = restart_clocks(run);
    if (restarted != SAC_OK) return restarted;
  }
  return status;
}

/* --- evaluations -------------------------------------------------------------------------------------------------- */

/* One evaluation of all live agents. */
typedef struct evaluation_summary {
  int64_t step;
  int32_t agents, best;  /* agents evaluated; how many of them had their best result so far */
  double sum, low, high; /* over the agents' mean returns */
  double std;            /* of the last agent's returns */
  int32_t cut;           /* episodes of all agents that the limit of evaluations has cut */
} evaluation_summary;

/* Logs one line for an evaluation: the result of one agent, or the mean and range of several. */
static void log_evaluation(sac_run* run, const evaluation_summary* s) {
  const int32_t episodes = (int32_t)run->settings.eval_episodes;
  char cut[64] = "";

  /* say how many episodes did not end by themselves */
  if (s->cut)
    (void)snprintf(cut, sizeof cut, ", %d cut after %d steps", (int)s->cut,
                   (int)sac_evaluator_limit(run->evaluator, NULL));

  /* log the result */
  if (run->agent->shape.population == 1)
    sac_run_log(run, "step %lld: evaluation %.2f, std %.2f over %d episode%s%s%s", (long long)s->step, s->sum, s->std,
                episodes, episodes > 1 ? "s" : "", cut, s->best ? ", the best so far" : "");
  else
    sac_run_log(run, "step %lld: evaluation %.2f, mean of %d agents (%.2f to %.2f), %d episode%s each%s",
                (long long)s->step, s->sum / s->agents, s->agents, s->low, s->high, episodes, episodes > 1 ? "s" : "",
                cut);
}

/* Reports the evaluation of agent p and adds it to the summary. agent: holds the weights that were evaluated. */
static sac_status report_evaluation(sac_run* run, const sac_agent* agent, int32_t p, evaluation_summary* s) {
  const int32_t episodes = (int32_t)run->settings.eval_episodes;
  const sac_callbacks* callbacks = &run->callbacks;
  sac_window* window = &run->window[p];
  sac_evaluation evaluation = {.agent = p,
                               .step = s->step,
                               .episodes = episodes,
                               .episode_return = run->episode_return + (size_t)p * (size_t)episodes,
                               .length = run->episode_length + (size_t)p * (size_t)episodes};
  sac_status status = SAC_OK;

  /* compute the mean return, and tell the callback, which may stop the run */
  sac_mean_std(evaluation.episode_return, episodes, &evaluation.mean, &evaluation.std);
  if (callbacks->evaluation && callbacks->evaluation(callbacks->user, &evaluation)) sac_run_stop(run);

  /* update the summary, and the best result, which checkpoints hold */
  const int32_t limit = sac_evaluator_limit(run->evaluator, NULL);
  for (int32_t i = 0; i < episodes; i++) s->cut += limit > 0 && evaluation.length[i] >= limit;
  s->agents++;
  s->sum += evaluation.mean;
  s->std = evaluation.std;
  s->low = fmin(s->low, evaluation.mean);
  s->high = fmax(s->high, evaluation.mean);
  if (window->best_step < 0 || evaluation.mean > window->best_return) {
    window->best_step = s->step;
    window->best_return = evaluation.mean;
    s->best++;
  }

  /* keep the weights of the best evaluation in the file `best`; where that fails, a later one may still fit */
  if (evaluation.mean > run->best_return[p]) {
    status = sac_checkpoint_best(run->checkpoint[p], agent, s->step, evaluation.mean, run->agent_text[p]);
    if (status == SAC_OK) run->best_return[p] = evaluation.mean;
  }
  if (status != SAC_OK && status != SAC_ERROR_FILE) return status;

  /* write the row last: a resume takes an evaluation with a row for complete */
  const sac_status row = sac_metrics_evaluation(run->metrics[p], &evaluation);
  return status != SAC_OK ? status : row;
}

/* Starts an evaluation with the weights of `agent`, under the number of its step. So its episodes do not depend on
 * earlier evaluations. */
static sac_status start_evaluation(sac_run* run, sac_agent* agent, int64_t step) {
  const int takes_envs = run->settings.eval_env == SAC_EVAL_TRAIN;
  sac_status status = SAC_OK;

  /* no training episode goes on in environments that the evaluation takes */
  if (takes_envs) run->vector->ended = 1;
  run->evaluation_step = step;
  for (int i = 0; i < 3; i++) atomic_store_explicit(&run->playing[i], 0, memory_order_relaxed);
  SAC_TRY(sac_evaluator_begin(run->evaluator, agent, (uint64_t)step, run->episode_return, run->episode_length));

  /* report at once if the episodes were played on this thread, or in the training environments */
  if (takes_envs || sac_evaluator_done(run->evaluator)) return sac_run_finish_evaluation(run);
fail:
  return status;
}

sac_status sac_run_repeat_evaluation(sac_run* run) {
  const int64_t left = run->evaluation_left;
  sac_status status = SAC_OK;

  /* first that of an earlier step, for which the evaluator still has the weights */
  if (left >= 0 && !sac_run_stopping(run)) {
    run->evaluation_left = -1;
    SAC_TRY(start_evaluation(run, sac_evaluator_agent(run->evaluator), left));
  }

  /* then that of this step, whose results go to the same arrays */
  if (!run->evaluation_missing || sac_run_stopping(run)) return SAC_OK;
  SAC_TRY(sac_run_finish_evaluation(run));
  if (run->evaluation_left >= 0 || sac_run_stopping(run)) return SAC_OK;
  run->evaluation_missing = 0;

  /* the checkpoint of the last step holds the result of its evaluation: it is written again */
  const sac_settings* settings = &run->settings;
  const int64_t step = run->schedule.step;
  if (step >= settings->steps && sac_due(step, settings->num_envs, settings->eval_every)) run->saved_step = -1;
  return start_evaluation(run, run->agent, run->schedule.step);
fail:
  return status;
}

sac_status sac_run_start_evaluation(sac_run* run) {
  sac_status status = SAC_OK;

  /* report the previous evaluation first: its results are in the arrays that this one fills */
  run->evaluation_missing = 1;
  SAC_TRY(sac_run_finish_evaluation(run));
  return sac_run_repeat_evaluation(run);
fail:
  return status;
}

#define WAIT 0.05 /* seconds between two looks whether a checkpoint is asked for */

/* Waits until the evaluation has ended, and saves a checkpoint that is asked for meanwhile. */
static sac_status wait_for_evaluation(sac_run* run) {
  sac_status status = SAC_OK;
  while (!sac_evaluator_wait(run->evaluator, WAIT)) {
    SAC_TRY(sac_run_save_requested(run));
    if (run->waits) run->waits(run->waits_user, run);
  }
fail:
  return status;
}

sac_status sac_run_finish_evaluation(sac_run* run) {
  evaluation_summary summary = {.step = run->evaluation_step, .low = INFINITY, .high = -INFINITY};
  sac_status status = SAC_OK, written = SAC_OK;
  if (run->evaluation_step < 0) return SAC_OK;

  /* wait for the results; an evaluation that fails is not waited for again, one that was left is played again */
  SAC_TRY(wait_for_evaluation(run));
  run->evaluation_step = -1;
  status = sac_evaluator_end(run->evaluator);
  if (status == SAC_STOPPED) {
    if (summary.step < run->schedule.step) run->evaluation_left = summary.step;
    else run->evaluation_missing = 1;
    return SAC_OK;
  }
  SAC_TRY(status);

  /* report all agents, also after a file error */
  SAC_TRY(sac_vector_check(run->vector));
  const sac_agent* agent = sac_evaluator_agent(run->evaluator);
  for (int32_t p = 0; p < run->agent->shape.population; p++) {
    if (!agent->alive[p]) continue;
    const sac_status reported = report_evaluation(run, agent, p, &summary);
    if (written == SAC_OK) written = reported;
  }

  /* checkpoint.on_error decides whether a file error ends the run */
  status = sac_run_file_error(run, written);
  if (summary.agents) log_evaluation(run, &summary);
fail:
  return status;
}
