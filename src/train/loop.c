/* The loop of a run: steps, rows of metrics, evaluations, checkpoints, the end. */
#include <stdio.h>
#include <string.h>

#include "train/run.h"
#include "train/step.h"
#include "util/clock.h"
#include "util/error.h"
#include "util/program.h"
#include "util/text.h"

/* --- agents that stop --------------------------------------------------------------------------------------------- */

/* Writes failed.txt for agent p. checkpoint: receives the path of the agent's newest checkpoint, or "none". */
static void mark_failed(sac_run* run, int32_t p, int64_t step, const char* why, char* checkpoint, size_t size) {
  char dir[SAC_PATH_MAX];
  int64_t saved;

  /* find the newest checkpoint, from which the agent's weights are still good */
  (void)snprintf(checkpoint, size, "none");
  if (sac_folder_seed(run->folder->path, run->agent->seed[p], dir) != SAC_OK) return;
  if (sac_checkpoint_list(dir, &saved, 1) == 1)
    (void)snprintf(checkpoint, size, "%s/checkpoints/step_%lld.safetensors", dir, (long long)saved);

  /* leave the reason on disk, so that a resume knows that this agent stays stopped */
  if (sac_failed_write(dir, step, why) != SAC_OK) {
    char reason[512];
    (void)snprintf(reason, sizeof reason, "%s", sac_last_error());
    sac_run_log(run, "warning: %s; without this file a resume trains the agent again", reason);
  }
}

/* Adds to run->failure how to go on. The same settings would lead to the same value again. */
static void add_next_command(sac_run* run) {
  char word[SAC_WORD_MAX];
  const size_t used = strlen(run->failure);
  if (run->saved_step >= 0)
    (void)snprintf(
        run->failure + used, sizeof run->failure - used,
        "; with other settings, such as a lower optim.lr, '%s resume %s --set optim.lr=%g' goes on from step "
        "%lld",
        sac_program(), sac_text_word(word, run->folder->shown), run->settings.lr / 10, (long long)run->saved_step);
}

/* The step at which agent p stopped. A backend that queues steps reports a stopped agent only at the end of the burst.
 * A stopped agent makes no more updates, so the number of its updates tells the step. */
static int64_t failed_step(const sac_run* run, int32_t p) {
  const uint64_t made = run->agent->counters[p].updates - run->updates_before[p];

  /* find the first step by which more updates were due than the agent made */
  uint64_t due = 0;
  for (int32_t i = 0; i < run->burst_steps; i++) {
    due += (uint64_t)run->burst_due[i];
    if (due > made) return run->burst_start + (int64_t)(i + 1) * run->settings.num_envs;
  }

  /* the agent made all updates: it stopped in the last one */
  return run->schedule.step;
}

/* Looks for agents that stopped in the last burst, because a loss or gradient was not finite, and reports these agents.
 * The other agents go on. Errors: NUMERIC when no agent is left. */
static sac_status check_agents(sac_run* run) {
  sac_agent* agent = run->agent;
  int32_t first = -1, alive = 0;
  char reason[512], checkpoint[SAC_PATH_MAX + 64];

  /* stop agents with a value that is not finite, and keep the reason: later calls replace the message */
  if (sac_agent_check(agent, &first) == SAC_OK) return SAC_OK;
  (void)snprintf(reason, sizeof reason, "%s", sac_last_error());

  /* look for agents that were alive before this burst */
  for (int32_t p = 0; p < agent->shape.population; p++) {
    alive += agent->alive[p];
    if (agent->alive[p] || !run->was_alive[p]) continue;

    /* report an agent that stopped in this burst; the check names the tensor of the first one only */
    run->was_alive[p] = 0;
    const char* why = p == first ? reason : "a loss or gradient is not finite";
    const long long step = (long long)failed_step(run, p);
    mark_failed(run, p, step, why, checkpoint, sizeof checkpoint);
    if (agent->shape.population > 1)
      sac_run_log(run, "seed %llu stops; step %lld: %s; good state: %s", (unsigned long long)agent->seed[p], step, why,
                  checkpoint);
    (void)snprintf(run->failure, sizeof run->failure, "step %lld: %.400s; good state: %.500s", step, why, checkpoint);
    if (agent->shape.population == 1) add_next_command(run);
  }
  return alive ? SAC_OK : sac_fail(SAC_ERROR_NUMERIC, "%s", run->failure);
}

/* The result of a finished run: NUMERIC when some of its agents stopped early. */
static sac_status count_failed_agents(const sac_run* run) {
  int32_t stopped = 0;
  const int32_t population = run->agent->shape.population;
  for (int32_t p = 0; p < population; p++) stopped += !run->agent->alive[p];
  if (!stopped) return SAC_OK;
  return sac_fail(SAC_ERROR_NUMERIC, "%d of %d agents stopped early, the last of them at %s", stopped, population,
                  run->failure[0] ? run->failure : "an earlier run");
}

/* --- steps -------------------------------------------------------------------------------------------------------- */

/* Whether a row of metrics, an evaluation or a checkpoint is due at the present step. */
static int report_is_due(const sac_run* run) {
  const sac_settings* settings = &run->settings;
  const int64_t step = run->schedule.step, n = settings->num_envs;
  return sac_due(step, n, settings->log_every) || sac_due(step, n, settings->eval_every) ||
         sac_due(step, n, settings->checkpoint_every);
}

/* Whether the caller asked to stop, or for a checkpoint. */
static int is_asked(const sac_run* run) {
  return sac_run_stopping(run) || atomic_load_explicit(&run->save, memory_order_relaxed);
}

/* Whether an evaluation in the training environments follows the present step, which then ends their episodes. */
static int evaluation_takes_envs(const sac_run* run) {
  const sac_settings* settings = &run->settings;
  return settings->eval_env == SAC_EVAL_TRAIN && sac_due(run->schedule.step, settings->num_envs, settings->eval_every);
}

#define BURST_UPDATES 1024 /* updates in a burst, so that a signal is answered soon; changes no result */

/* Makes steps until something is due, or until the backend must be waited for. updates: receives the number of updates
 * of each agent. */
static sac_status run_burst(sac_run* run, int64_t end, int32_t* updates) {
  sac_schedule* schedule = &run->schedule;
  const int32_t most = sac_burst(run->agent, run->vector);
  sac_status status = SAC_OK;

  /* remember the start, for agents that stop on the way */
  *updates = 0;
  run->burst_start = schedule->step;
  run->burst_steps = 0;
  for (int32_t p = 0; p < run->agent->shape.population; p++) run->updates_before[p] = run->agent->counters[p].updates;

  /* begin the episodes that an evaluation in these environments has ended */
  SAC_TRY(sac_step_start(run->vector));

  /* make steps; the warm-up has no updates, and random actions unless the agents act from the start */
  do {
    const int learning = schedule->step + (int64_t)run->start.loaded >= run->settings.warmup_steps;
    const int32_t due = sac_schedule_step(schedule, run->settings.num_envs, learning);
    run->vector->end_all = evaluation_takes_envs(run);
    const sac_act_mode mode = learning || run->start.acts ? SAC_ACT_SAMPLE : SAC_ACT_UNIFORM;
    SAC_TRY(sac_step(run->agent, run->vector, mode, due));
    *updates += due;
    run->burst_due[run->burst_steps++] = due;
    if (!run->vector->resident) sac_run_count_steps(run, 1);
  } while (run->burst_steps < most && *updates < BURST_UPDATES && schedule->step < end && !report_is_due(run) &&
           !is_asked(run));

  /* wait for the backend; environments on a device report their episodes only now */
  SAC_TRY(sac_settle(run->agent, run->vector));
  if (run->vector->resident) sac_run_count_steps(run, run->burst_steps);
fail:
  return status;
}

/* Makes one burst of steps, and whatever is due after it. */
static sac_status burst_and_report(sac_run* run, int64_t end) {
  const sac_settings* settings = &run->settings;
  const sac_schedule* schedule = &run->schedule;
  const int64_t n = settings->num_envs;
  int32_t updates;
  sac_status status = SAC_OK;

  /* make steps, and check for agents that stopped in an update */
  SAC_TRY(run_burst(run, end, &updates));
  if (updates) SAC_TRY(check_agents(run));

  /* report an evaluation that has ended, and write a row of metrics */
  if (run->evaluation_step >= 0 && sac_evaluator_done(run->evaluator)) SAC_TRY(sac_run_finish_evaluation(run));
  if (sac_due(schedule->step, n, settings->log_every)) SAC_TRY(sac_run_file_error(run, sac_run_report_metrics(run, 1)));

  /* A checkpoint waits for an evaluation that was started. So save the checkpoint before this step's evaluation starts.
   * At the last step evaluate first, and save in `finish`: a run with a checkpoint of its last step counts as finished.
   */
  const int evaluate = sac_due(schedule->step, n, settings->eval_every), last = schedule->step >= settings->steps;
  if (evaluate && last) SAC_TRY(sac_run_start_evaluation(run));
  if (sac_due(schedule->step, n, settings->checkpoint_every) && !last) SAC_TRY(sac_run_checkpoint(run, 0));
  if (evaluate && !last) SAC_TRY(sac_run_start_evaluation(run));
fail:
  return status;
}

/* --- the end ------------------------------------------------------------------------------------------------------ */

/* Whether an evaluation was left, or not begun, because the run stops. */
static int evaluation_is_open(const sac_run* run) { return run->evaluation_missing || run->evaluation_left >= 0; }

/* Saves a checkpoint and returns STOPPED, after sac_run_stop. */
static sac_status stop(sac_run* run) {
  sac_status status = SAC_OK;

  /* leave an evaluation that is being played, unless it has just ended; then save this step */
  SAC_TRY(sac_run_finish_evaluation(run));
  if (run->saved_step != run->schedule.step) SAC_TRY(sac_run_checkpoint_now(run, 1));
  if (evaluation_is_open(run))
    sac_run_log(run, "the evaluation of step %lld was left: it is played when the run goes on",
                (long long)(run->evaluation_left >= 0 ? run->evaluation_left : run->schedule.step));

  /* clear the requests, so that the caller may go on with sac_run_steps */
  atomic_store(&run->stop, 0);
  atomic_store(&run->save, 0);
  char word[SAC_WORD_MAX];
  return sac_fail(SAC_STOPPED, "stopped at step %lld; '%s resume %s' continues", (long long)run->schedule.step,
                  sac_program(), sac_text_word(word, run->folder->shown));
fail:
  return status;
}

/* Fails, because rows of metrics or evaluations, or the best weights, could not be written on the way. */
static sac_status report_lost(const sac_run* run) {
  char times[48] = "";
  if (run->lost > 1) (void)snprintf(times, sizeof times, "%lld times ", (long long)run->lost);
  return sac_fail(SAC_ERROR_FILE, "trained to step %lld, but %ssomething could not be written and is lost%s: %s",
                  (long long)run->schedule.step, times, run->lost > 1 ? "; the last time" : "", run->lost_why);
}

/* The end of training. A row of metrics or an evaluation that is not due here, and is made only because the run ends,
 * comes after the last checkpoint. A resume with more steps continues from that checkpoint, so both leave no trace. */
static sac_status finish(sac_run* run) {
  const sac_settings* settings = &run->settings;
  const int64_t n = settings->num_envs, step = run->schedule.step;
  const int go_on = settings->checkpoint_on_error == SAC_ON_ERROR_CONTINUE;
  char unsaved[SAC_ERROR_MAX] = "";
  sac_status status = SAC_OK;

  /* an evaluation that was left at this step belongs to the run */
  SAC_TRY(sac_run_save_requested(run));
  SAC_TRY(sac_run_repeat_evaluation(run));
  SAC_TRY(sac_run_finish_evaluation(run));
  if (evaluation_is_open(run)) return stop(run);

  /* save first, then make the extra row and evaluation; a full disk does not keep them from a run that is to go on */
  if (run->saved_step != step) status = sac_run_checkpoint(run, 1);
  if (status == SAC_ERROR_FILE && go_on) (void)snprintf(unsaved, sizeof unsaved, "%s", sac_last_error());
  else if (status != SAC_OK) goto fail;
  if (!run->end_row && !sac_due(step, n, settings->log_every))
    SAC_TRY(sac_run_file_error(run, sac_run_report_metrics(run, 0)));
  run->end_row = 1;
  const int extra = settings->eval_every && !sac_due(step, n, settings->eval_every);
  if (extra) SAC_TRY(sac_run_start_evaluation(run));
  SAC_TRY(sac_run_finish_evaluation(run));

  /* if the extra evaluation is left, the next call begins it here again */
  if (evaluation_is_open(run)) {
    status = stop(run);
    if (extra) run->evaluation_missing = 0;
    return status;
  }

  /* sync all files */
  for (int32_t p = 0; p < run->agent->shape.population; p++)
    if (run->agent->alive[p]) SAC_TRY(sac_run_file_error(run, sac_run_sync_metrics(run, p)));
  const sac_status log = sac_run_sync_log(run);
  run->finished = 1;

  /* a run that lost something has not ended well */
  if (unsaved[0]) return sac_fail(SAC_ERROR_FILE, "%s", unsaved);
  if (run->lost) return report_lost(run);
  if (run->folder->log_error)
    return sac_fail(SAC_ERROR_FILE, "cannot write the end of %s/log.txt: %s", run->folder->shown,
                    strerror(run->folder->log_error));
  if (log != SAC_OK) return log;
  return count_failed_agents(run);
fail:
  return status;
}

/* --- the loop ----------------------------------------------------------------------------------------------------- */

sac_status sac_run_steps(sac_run* run, int64_t n) {
  /* check the arguments; a run that has failed stays failed */
  if (!run) return sac_fail(SAC_ERROR_ARGUMENT, "sac_run_steps: run is NULL");
  if (n < 0) return sac_fail(SAC_ERROR_ARGUMENT, "sac_run_steps: n = %lld is negative", (long long)n);
  if (run->failed) return sac_fail(run->failed, "%s", run->failure);

  /* train at most to train.steps; n = 0 means all that is left */
  const int64_t steps = run->settings.steps, left = steps - run->schedule.step;
  const int64_t end = n > 0 && n < left ? run->schedule.step + n : steps;
  sac_status status = SAC_OK;

  /* start the clock, and play an evaluation that was left */
  sac_vector_begin(run->vector);
  run->clock_start = sac_seconds();
  SAC_TRY(sac_run_repeat_evaluation(run));

  /* train to `end`; the last call ends the run */
  while (run->schedule.step < end) {
    if (sac_run_stopping(run)) SAC_TRY(stop(run));
    SAC_TRY(sac_run_save_requested(run));
    SAC_TRY(sac_run_repeat_evaluation(run)); /* if a checkpoint that could not be written has left one */
    SAC_TRY(burst_and_report(run, end));
  }
  if (run->schedule.step >= steps && !run->finished) SAC_TRY(finish(run));
fail:
  /* stop the clock: time between two calls does not count */
  sac_vector_end(run->vector);
  sac_run_count_time(run);
  run->clock_start = 0;

  /* after an error the last step is incomplete, so no checkpoint may be written */
  if (status != SAC_OK && status != SAC_STOPPED && !run->finished) sac_run_fail(run, status);
  return sac_result(status);
}

sac_agent* sac_run_agent(sac_run* run) { return run ? run->agent : NULL; }
const char* sac_run_folder(const sac_run* run) { return run ? run->folder->shown : NULL; }
int64_t sac_run_step(const sac_run* run) { return run ? run->schedule.step : 0; }
