/* The loop of a run: step, rows of metrics, evaluations, checkpoints, stopping. */
#include "train/run.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "train/step.h"
#include "util/clock.h"
#include "util/error.h"

/* --- agents that stop --------------------------------------------------------------------------------------------- */

/* Marks agent p's folder, and tells where the agent can be taken up again: its newest checkpoint. */
static void leave_agent(const sac_run* run, int32_t p, int64_t at, const char* why, char* good, size_t size) {
  char dir[SAC_PATH_MAX];
  int64_t step;
  (void)snprintf(good, size, "none");
  if (sac_folder_seed(run->folder->path, run->agent->seed[p], dir) != SAC_OK) return;
  if (sac_checkpoint_list(dir, &step, 1) == 1)
    (void)snprintf(good, size, "%s/checkpoints/step_%lld.safetensors", dir, (long long)step);
  (void)sac_failed_write(dir, at, why);
}

/* The step at which agent p stopped: its updates tell, which a backend that queues steps does not count on. */
static int64_t stopped_at(const sac_run* run, int32_t p) {
  const uint64_t made = run->agent->counters[p].updates - run->updates[p];
  uint64_t due = 0;
  for (int32_t i = 0; i < run->burst_steps; i++) {
    due += (uint64_t)run->burst_due[i];
    if (due > made) return run->burst_start + (int64_t)(i + 1) * run->settings.num_envs;
  }
  return run->schedule.step;
}

/* Agents whose losses or gradients are no longer finite stop here; the others go on. NUMERIC when none is left. */
static sac_status check_agents(sac_run* run) {
  sac_agent* agent = run->agent;
  int32_t first = -1, alive = 0;
  if (sac_agent_check(agent, &first) == SAC_OK) return SAC_OK;
  char reason[512], state[SAC_PATH_MAX + 64];
  (void)snprintf(reason, sizeof reason, "%s", sac_last_error());
  for (int32_t p = 0; p < agent->shape.population; p++) {
    alive += agent->alive[p];
    if (agent->alive[p] || !run->was_alive[p]) continue;
    run->was_alive[p] = 0;
    const char* why = p == first ? reason : "a loss or gradient is not finite";
    const long long step = (long long)stopped_at(run, p);
    leave_agent(run, p, step, why, state, sizeof state);
    if (agent->shape.population > 1)
      sac_run_log(run, "seed %llu stops; step %lld: %s; good state: %s", (unsigned long long)agent->seed[p], step, why,
                  state);
    (void)snprintf(run->failure, sizeof run->failure, "step %lld: %.400s; good state: %.500s", step, why, state);
  }
  return alive ? SAC_OK : sac_fail(SAC_ERROR_NUMERIC, "%s", run->failure);
}

/* How many agents were stopped, when some were. */
static sac_status report_agents(const sac_run* run) {
  int32_t stopped = 0;
  const int32_t population = run->agent->shape.population;
  for (int32_t p = 0; p < population; p++) stopped += !run->agent->alive[p];
  if (!stopped) return SAC_OK;
  return sac_fail(SAC_ERROR_NUMERIC, "%d of %d agents stopped early, the last of them at %s", stopped, population,
                  run->failure[0] ? run->failure : "an earlier run");
}

/* The run cannot go on: a step was left halfway, and what is on disk is what is good. The message stays. */
static void fail_run(sac_run* run, sac_status status) {
  run->failed = status;
  (void)snprintf(run->failure, sizeof run->failure, "%s", sac_last_error());
  (void)sac_run_evaluated(run);
  for (int32_t p = 0; p < run->agent->shape.population; p++)
    if (run->metrics[p]) (void)sac_metrics_sync(run->metrics[p]); /* an agent that had failed before has none */
  (void)sac_fail(status, "%s", run->failure);
}

/* --- checkpoints -------------------------------------------------------------------------------------------------- */

static sac_status save_agent(sac_run* run, int32_t p, int32_t keep) {
  sac_status status = SAC_OK;
  SAC_TRY(sac_metrics_sync(run->metrics[p]));
  SAC_TRY(sac_vector_state_get(run->vector, p, run->env_state + (size_t)p * run->env_state_size));
  SAC_TRY(sac_checkpoint_save(run->checkpoint[p], run->schedule.step, keep, run->agent_text[p]));
  SAC_TRY(sac_checkpoint_policy(run->checkpoint[p]));
fail:
  return status;
}

/* Takes a step back that some agents have saved and others could not: otherwise, as each keeps its newest ones, a disk
 * that stays full would leave no step that all of them have. The message stays. */
static void take_back(const sac_run* run, int32_t count) {
  char dir[SAC_PATH_MAX], message[SAC_ERROR_MAX];
  (void)snprintf(message, sizeof message, "%s", sac_last_error());
  for (int32_t p = 0; p < count && run->saved_step >= 0; p++)
    if (run->agent->alive[p] && sac_folder_seed(run->folder->path, run->agent->seed[p], dir) == SAC_OK)
      sac_run_drop_later(dir, run->saved_step);
  (void)sac_fail(SAC_ERROR_FILE, "%s", message);
}

static sac_status save(sac_run* run) {
  const sac_agent* agent = run->agent;
  sac_status status = SAC_OK;
  /* The agents of a population are saved one after another. Two are kept at least, so that a kill in between leaves a
   * step that all of them have. */
  int32_t keep = (int32_t)run->settings.checkpoint_keep;
  if (agent->shape.population > 1 && keep < 2) keep = 2;
  if (run->evaluation_owed) SAC_TRY(sac_run_evaluate(run));
  SAC_TRY(sac_run_evaluated(run));
  sac_run_clock(run);
  if (agent->backend->env_get) status = agent->backend->env_get(run->agent, run->vector, 1);
  for (int32_t p = 0; p < agent->shape.population && status == SAC_OK; p++) {
    if (!agent->alive[p]) continue;
    status = save_agent(run, p, keep);
    if (status != SAC_OK) take_back(run, p + 1);
  }
  if (status == SAC_OK) run->saved_step = run->schedule.step;
  else sac_fail_prefix("checkpoint of step %lld: ", (long long)run->schedule.step);
fail:
  return status;
}

sac_status sac_run_save(sac_run* run) {
  if (!run) return sac_fail(SAC_ERROR_ARGUMENT, "sac_run_save: run is NULL");
  if (run->failed) return sac_fail(run->failed, "no checkpoint of a failed run: %s", run->failure);
  const sac_status status = save(run);
  if (status == SAC_ERROR_ENV || status == SAC_ERROR_NUMERIC) fail_run(run, status); /* of the evaluation */
  return status;
}

/* --- the loop ----------------------------------------------------------------------------------------------------- */

/* Whether something waits for this step to end. */
static int is_due(const sac_run* run) {
  const sac_settings* settings = &run->settings;
  const int64_t step = run->schedule.step, n = settings->num_envs;
  return sac_due(step, n, settings->log_every) || sac_due(step, n, settings->eval_every) ||
         sac_due(step, n, settings->checkpoint_every);
}

#define BURST_UPDATES 1024 /* so that a signal is answered soon; how steps are cut into bursts changes no result */

/* Steps up to what is due next, but no more than may go by before the backend is waited for. */
static sac_status burst(sac_run* run, int64_t end, int32_t* updates) {
  sac_schedule* schedule = &run->schedule;
  const int32_t most = sac_burst(run->agent, run->vector);
  sac_status status = SAC_OK;
  *updates = 0;
  run->burst_start = schedule->step;
  run->burst_steps = 0;
  for (int32_t p = 0; p < run->agent->shape.population; p++) run->updates[p] = run->agent->counters[p].updates;
  do {
    const int learning = schedule->step >= run->settings.warmup_steps;
    const int32_t due = sac_schedule_step(schedule, run->settings.num_envs, learning);
    SAC_TRY(sac_step(run->agent, run->vector, learning ? SAC_ACT_SAMPLE : SAC_ACT_UNIFORM, due));
    *updates += due;
    run->burst_due[run->burst_steps++] = due;
    if (!run->vector->resident) sac_run_count(run, 1);
  } while (run->burst_steps < most && *updates < BURST_UPDATES && schedule->step < end && !is_due(run) &&
           !atomic_load_explicit(&run->stop, memory_order_relaxed));
  SAC_TRY(sac_settle(run->agent, run->vector));
  if (run->vector->resident) sac_run_count(run, run->burst_steps);
fail:
  return status;
}

static sac_status some_steps(sac_run* run, int64_t end) {
  const sac_settings* settings = &run->settings;
  const sac_schedule* schedule = &run->schedule;
  const int64_t n = settings->num_envs;
  int32_t updates;
  sac_status status = SAC_OK;

  SAC_TRY(burst(run, end, &updates));
  if (updates) SAC_TRY(check_agents(run));
  if (run->evaluating >= 0 && sac_evaluator_done(run->evaluator)) SAC_TRY(sac_run_evaluated(run));
  if (sac_due(schedule->step, n, settings->log_every)) SAC_TRY(sac_run_disk(run, sac_run_row(run, 1)));
  /* The checkpoint comes first, so that it need not wait for the evaluation, but for the last one: who looks at a run's
   * last checkpoint takes it for finished. */
  const int evaluate = sac_due(schedule->step, n, settings->eval_every), last = schedule->step >= settings->steps;
  if (evaluate && last) SAC_TRY(sac_run_evaluate(run));
  if (sac_due(schedule->step, n, settings->checkpoint_every)) SAC_TRY(sac_run_disk(run, save(run)));
  if (evaluate && !last) SAC_TRY(sac_run_evaluate(run));
fail:
  return status;
}

/* The end of training. What is written here beyond the schedule (a row of a window that is not full, an evaluation
 * between two) comes after the checkpoint and is no part of it: when the run is continued with more steps, it is as if
 * it had not stopped. */
static sac_status finish(sac_run* run) {
  const sac_settings* settings = &run->settings;
  const int64_t n = settings->num_envs, step = run->schedule.step;
  sac_status status = SAC_OK;
  if (run->saved_step != step) SAC_TRY(sac_run_disk(run, save(run)));
  if (!sac_due(step, n, settings->log_every)) SAC_TRY(sac_run_disk(run, sac_run_row(run, 0)));
  if (settings->eval_every && !sac_due(step, n, settings->eval_every)) SAC_TRY(sac_run_evaluate(run));
  SAC_TRY(sac_run_evaluated(run));
  for (int32_t p = 0; p < run->agent->shape.population; p++)
    if (run->agent->alive[p]) SAC_TRY(sac_run_disk(run, sac_metrics_sync(run->metrics[p])));
  run->finished = 1;
  return report_agents(run);
fail:
  return status;
}

static sac_status stop_here(sac_run* run) {
  sac_status status = SAC_OK;
  if (run->saved_step != run->schedule.step) SAC_TRY(sac_run_disk(run, save(run)));
  SAC_TRY(sac_run_evaluated(run));
  atomic_store(&run->stop, 0);
  return sac_fail(SAC_STOPPED, "stopped at step %lld; 'sac resume %s' continues", (long long)run->schedule.step,
                  run->folder->path);
fail:
  return status;
}

sac_status sac_run_steps(sac_run* run, int64_t n) {
  if (!run) return sac_fail(SAC_ERROR_ARGUMENT, "sac_run_steps: run is NULL");
  if (n < 0) return sac_fail(SAC_ERROR_ARGUMENT, "sac_run_steps: n = %lld is negative", (long long)n);
  if (run->failed) return sac_fail(run->failed, "%s", run->failure);
  const int64_t steps = run->settings.steps, left = steps - run->schedule.step;
  const int64_t end = n > 0 && n < left ? run->schedule.step + n : steps;
  sac_status status = SAC_OK;
  run->entered = sac_seconds();
  if (run->evaluation_owed) SAC_TRY(sac_run_evaluate(run));
  while (run->schedule.step < end) {
    if (atomic_load_explicit(&run->stop, memory_order_relaxed)) SAC_TRY(stop_here(run));
    SAC_TRY(some_steps(run, end));
  }
  if (run->schedule.step >= steps && !run->finished) SAC_TRY(finish(run));
fail:
  sac_run_clock(run);
  run->entered = 0;
  if (status != SAC_OK && status != SAC_STOPPED && !run->finished) {
    fail_run(run, status);
  }
  return status;
}

void sac_run_stop(sac_run* run) { atomic_store_explicit(&run->stop, 1, memory_order_relaxed); }

sac_agent* sac_run_agent(sac_run* run) { return run->agent; }
const char* sac_run_folder(const sac_run* run) { return run->folder->path; }
int64_t sac_run_step(const sac_run* run) { return run->schedule.step; }
