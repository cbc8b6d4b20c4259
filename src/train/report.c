/* What a run reports: log lines, rows of metrics, evaluations. */
#include <math.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "env/list.h"
#include "train/run.h"
#include "util/clock.h"
#include "util/error.h"

void sac_run_log(sac_run* run, const char* format, ...) {
  char line[2048];
  const locale_t caller = uselocale(run->locale);
  va_list args;
  va_start(args, format);
  (void)vsnprintf(line, sizeof line, format, args);
  va_end(args);
  (void)uselocale(caller);
  if (run->folder) sac_folder_log(run->folder, line);
  if (run->callbacks.log && run->callbacks.log(run->callbacks.user, line)) sac_run_stop(run);
}

void sac_run_clock(sac_run* run) {
  if (run->entered == 0) return; /* between two calls of sac_run_steps time does not count */
  const double now = sac_seconds();
  run->seconds.total += now - run->entered;
  run->entered = now;
}

sac_status sac_run_disk(sac_run* run, sac_status status) {
  if (status != SAC_ERROR_FILE || run->settings.checkpoint_on_error != SAC_ON_ERROR_CONTINUE) return status;
  char reason[1024];
  (void)snprintf(reason, sizeof reason, "%s", sac_last_error());
  sac_run_log(run, "warning: %s; going on (checkpoint.on_error is continue)", reason);
  return SAC_OK;
}

/* Adds what the last step told. */
static void count_info(sac_run* run) {
  const sac_vector* vector = run->vector;
  const int32_t terms = vector->info_count;
  const float* value = vector->info;
  for (int32_t p = 0; p < vector->population; p++)
    for (int32_t i = 0; i < vector->num_envs; i++)
      for (int32_t k = 0; k < terms; k++, value++) {
        if (!isfinite(*value)) continue;
        sac_info_sum* info = &run->info[p * terms + k];
        info->sum += (double)*value;
        info->count++;
      }
}

void sac_run_count(sac_run* run, int32_t steps) {
  const sac_vector* vector = run->vector;
  const int32_t population = vector->population;
  for (int32_t p = 0; p < population; p++) run->window[p].count[0] += (int64_t)steps * vector->num_envs;
  for (int32_t i = 0; i < vector->finished_count; i++) {
    const sac_episode* episode = &vector->finished[i];
    sac_window* window = &run->window[episode->env / vector->num_envs];
    window->count[1]++;
    window->count[2] += episode->length;
    window->returns += episode->episode_return;
  }
  if (vector->info_count > 0) count_info(run);
}

/* Means over agent p's window, NaN where it holds nothing. */
static void measure(const sac_run* run, int32_t p, double value[SAC_METRIC_MAX]) {
  const sac_window* window = &run->window[p];
  const sac_totals* totals = &run->agent->totals[p];
  const double updates = (double)totals->updates, episodes = (double)window->count[1];
  const double elapsed = run->seconds.total - run->seconds.row;
  const int32_t terms = run->vector->info_count;
  for (int32_t m = 0; m < run->list.count; m++) value[m] = NAN;

  value[SAC_METRIC_updates] = (double)run->agent->counters[p].updates;
  value[SAC_METRIC_episodes] = episodes;
  if (window->count[1]) {
    value[SAC_METRIC_episode_return] = window->returns / episodes;
    value[SAC_METRIC_episode_length] = (double)window->count[2] / episodes;
  }
  if (totals->updates) {
    const double* sums = (const double*)&totals->sum;
    for (int i = 0; i < SAC_STATISTIC_COUNT; i++)
      if (sac_algo_has_statistic(run->agent->algo, i)) value[sac_metric_of_statistic[i]] = sums[i] / updates;
  }
  if (elapsed > 0) {
    value[SAC_METRIC_updates_per_second] = updates / elapsed;
    value[SAC_METRIC_steps_per_second] = (double)window->count[0] / elapsed;
  }
  value[SAC_METRIC_seconds] = run->seconds.total;
  /* Of a backend that queues its work, the host's clock knows nothing: a profiler tells (scripts/profile). */
  for (int32_t s = 0; s < SAC_STAGE_COUNT && !run->agent->backend->update; s++)
    value[SAC_METRIC_act_seconds + s] = run->seconds.stage[s] + run->agent->seconds[s];
  for (int32_t k = 0; k < terms; k++) {
    const sac_info_sum* info = &run->info[p * terms + k];
    if (info->count > 0) value[SAC_METRIC_COUNT + k] = info->sum / info->count;
  }
}

_Static_assert(SAC_METRIC_target_update_seconds - SAC_METRIC_act_seconds == SAC_STAGE_TARGET_UPDATE,
               "the stages' seconds follow the order of sac_stage");

/* What the simulations have warned of since the last row: those of evaluations too. */
static void log_warnings(sac_run* run) {
  char last[SAC_SHOW_MAX];
  const uint64_t all = sac_mujoco_warnings(last), count = all - run->env_warnings;
  run->env_warnings = all;
  if (count == 1) sac_run_log(run, "warning: MuJoCo: %s", last);
  if (count > 1) sac_run_log(run, "warning: MuJoCo, %llu times, the last: %s", (unsigned long long)count, last);
}

sac_status sac_run_row(sac_run* run, int restart) {
  const size_t terms = (size_t)run->vector->info_count;
  double value[SAC_METRIC_MAX];
  char notice[1024];
  sac_status status = SAC_OK;
  sac_run_clock(run);
  const sac_backend* backend = run->agent->backend;
  if (backend->notice && backend->notice(run->agent, notice, sizeof notice)) sac_run_log(run, "%s", notice);
  log_warnings(run);
  for (int32_t p = 0; p < run->agent->shape.population; p++) {
    if (!run->agent->alive[p]) continue;
    measure(run, p, value);
    const sac_metrics row = {
        .agent = p, .step = run->schedule.step, .count = run->list.count, .name = run->list.name, .value = value};
    const sac_callbacks* callbacks = &run->callbacks;
    if (callbacks->metrics && callbacks->metrics(callbacks->user, &row)) sac_run_stop(run);
    /* The other agents' rows are tried too: a full disk may be full for one file and not for the next. */
    const sac_status written = sac_metrics_row(run->metrics[p], run->schedule.step, value);
    if (status == SAC_OK) status = written;
    if (!restart) continue;
    memset(run->window[p].count, 0, sizeof run->window[p].count);
    run->window[p].returns = 0;
    if (terms > 0) memset(run->info + (size_t)p * terms, 0, terms * sizeof *run->info);
    memset(&run->agent->totals[p], 0, sizeof run->agent->totals[p]);
  }
  if (restart) {
    run->seconds.row = run->seconds.total;
    memset(run->seconds.stage, 0, sizeof run->seconds.stage);
    memset(run->agent->seconds, 0, sizeof run->agent->seconds);
    const sac_status set = run->agent->backend->state_set ? run->agent->backend->state_set(run->agent) : SAC_OK;
    if (set != SAC_OK) return set;
  }
  return status;
}

/* --- evaluations -------------------------------------------------------------------------------------------------- */

/* One line for all agents. */
static void log_evaluation(sac_run* run, int64_t at, int32_t count, double sum, double low, double high, double std,
                           int32_t best) {
  const long long step = (long long)at;
  const int32_t episodes = (int32_t)run->settings.eval_episodes;
  if (run->agent->shape.population == 1)
    sac_run_log(run, "step %lld: evaluation %.2f, std %.2f over %d episodes%s", step, sum, std, episodes,
                best ? ", the best so far" : "");
  else
    sac_run_log(run, "step %lld: evaluation %.2f, mean of %d agents (%.2f to %.2f), %d episodes each", step,
                sum / count, count, low, high, episodes);
}

sac_status sac_run_evaluate(sac_run* run) {
  sac_status status = SAC_OK;
  SAC_TRY(sac_run_evaluated(run));
  run->evaluation_owed = 0;
  /* The step is the evaluation's number: its episodes depend on nothing that came before. */
  SAC_TRY(sac_evaluator_begin(run->evaluator, run->agent, (uint64_t)run->schedule.step, run->episode_return,
                              run->episode_length));
  run->evaluating = run->schedule.step;
  if (sac_evaluator_done(run->evaluator)) return sac_run_evaluated(run); /* played at once */
fail:
  return status;
}

sac_status sac_run_evaluated(sac_run* run) {
  const int32_t population = run->agent->shape.population, episodes = (int32_t)run->settings.eval_episodes;
  const int64_t step = run->evaluating;
  double sum = 0, low = INFINITY, high = -INFINITY, std = 0;
  int32_t count = 0, best = 0;
  sac_status status = SAC_OK, written = SAC_OK;
  if (step < 0) return SAC_OK;
  run->evaluating = -1;
  SAC_TRY(sac_evaluator_end(run->evaluator));
  const sac_agent* agent = sac_evaluator_agent(run->evaluator);
  for (int32_t p = 0; p < population; p++) {
    if (!agent->alive[p]) continue;
    sac_window* window = &run->window[p];
    sac_evaluation evaluation = {.agent = p,
                                 .step = step,
                                 .episodes = episodes,
                                 .episode_return = run->episode_return + (size_t)p * (size_t)episodes,
                                 .length = run->episode_length + (size_t)p * (size_t)episodes};
    sac_mean_std(evaluation.episode_return, episodes, &evaluation.mean, &evaluation.std);
    const sac_callbacks* callbacks = &run->callbacks;
    if (callbacks->evaluation && callbacks->evaluation(callbacks->user, &evaluation)) sac_run_stop(run);
    status = SAC_OK;
    if (window->best_step < 0 || evaluation.mean > window->best_return) {
      window->best_step = step;
      window->best_return = evaluation.mean;
      best++;
    }
    if (evaluation.mean > run->best_return[p]) {
      run->best_return[p] = evaluation.mean;
      status = sac_checkpoint_best(run->checkpoint[p], agent, step, evaluation.mean, run->agent_text[p]);
    }
    /* last: where its row is, an evaluation is over and done with (resume.c) */
    if (status == SAC_OK) status = sac_metrics_evaluation(run->metrics[p], &evaluation);
    if (written == SAC_OK) written = status;
    count++;
    sum += evaluation.mean;
    std = evaluation.std;
    low = fmin(low, evaluation.mean);
    high = fmax(high, evaluation.mean);
  }
  status = sac_run_disk(run, written);
  if (count) log_evaluation(run, step, count, sum, low, high, std, best);
fail:
  return status;
}
