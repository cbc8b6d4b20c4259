#include "cli/session.h"

#include <signal.h>
#include <sys/resource.h>

#include "cli/cli.h"
#include "cli/crash.h"
#include "cli/out.h"
#include "cli/signals.h"
#include "util/clock.h"
#include "util/error.h"
#include "util/program.h"
#include "util/text.h"

/* --- the process -------------------------------------------------------------------------------------------------- */

/* Raises the limit of open files to the most that is allowed: a large population needs more than the usual 1,024. */
static void raise_file_limit(void) {
  struct rlimit limit;
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  limit.rlim_cur = limit.rlim_max;
  (void)setrlimit(RLIMIT_NOFILE, &limit);
}

void sac_session_prepare(void) {
  /* make the first signal stop the run */
  sac_signals_catch("stops when the run is set up", 1);

  /* turn signals into errors: a closed pipe ("sac train | head"), a file larger than "ulimit -f" */
  (void)signal(SIGPIPE, SIG_IGN);
  (void)signal(SIGXFSZ, SIG_IGN);

  /* let a large population open its files */
  raise_file_limit();
}

/* --- training ----------------------------------------------------------------------------------------------------- */

#define TICK 0.05 /* seconds of training between two calls of sac_progress_tick */

/* Trains in pieces of about TICK seconds, so that progress can be shown. The pieces do not change the results. */
static sac_status train_to_end(sac_run* run, sac_progress* progress) {
  const int64_t steps = run->settings.steps, warmup = run->settings.warmup_steps;
  const int64_t least = run->settings.num_envs; /* transitions of one step of the vector */
  int64_t piece = least;
  sac_status status;
  do {
    /* find the steps that are left of the warm-up, or of the run */
    const int64_t step = sac_run_step(run), left = step < warmup ? warmup - step : steps - step;

    /* train one piece; it ends with the warm-up, after which steps are slower */
    const double start = sac_seconds();
    status = sac_run_steps(run, left > 0 && piece > left ? left : piece);

    /* make the next piece longer or shorter; begin again behind the warm-up */
    const double taken = sac_seconds() - start;
    if (step < warmup && sac_run_step(run) >= warmup) piece = least;
    else if (taken < TICK) piece *= 2;
    else if (taken > 2 * TICK && piece > least) piece /= 2;

    /* show the progress */
    sac_progress_tick(progress, run);
  } while (status == SAC_OK && sac_run_step(run) < steps);
  return status;
}

/* --- results ------------------------------------------------------------------------------------------------------ */

/* Logs what was trained since step `start`, its returns, and the next commands. */
static void log_results(sac_run* run, const sac_progress* progress, int64_t start) {
  char word[SAC_WORD_MAX];
  const int32_t population = run->agent->shape.population;
  uint64_t updates = 0;
  int64_t best_step = -1;
  double best = 0;

  /* count the updates, and find the best evaluation of any agent */
  for (int32_t p = 0; p < population; p++) {
    const sac_window* window = &run->window[p];
    updates += run->agent->counters[p].updates;
    if (window->best_step >= 0 && (best_step < 0 || window->best_return > best)) {
      best = window->best_return;
      best_step = window->best_step;
    }
  }

  /* log the training and the evaluations; the last one is a mean over the agents */
  if (start >= run->settings.steps)
    sac_run_log(run, "finished already: all %lld steps were made; --steps trains on", (long long)run->settings.steps);
  else if (population == 1)
    sac_run_log(run, "done: %lld steps and %llu updates in %.1f s", (long long)run->schedule.step,
                (unsigned long long)updates, run->seconds.total);
  else
    sac_run_log(run, "done: %d agents, %lld steps of each and %llu updates of all in %.1f s", (int)population,
                (long long)run->schedule.step, (unsigned long long)updates, run->seconds.total);
  if (progress->evaluation_count && best_step >= 0)
    sac_run_log(run, "last evaluation %.2f%s, the best %s%.2f at step %lld",
                progress->evaluation_sum / progress->evaluation_count, population > 1 ? " (mean)" : "",
                population > 1 ? "of an agent " : "", best, (long long)best_step);

  /* log what the user may want to do next */
  (void)sac_text_word(word, run->folder->shown);
  sac_run_log(run, "  %s eval %s", sac_program(), word);
  sac_run_log(run, "  %s resume %s --steps %lld", sac_program(), word, (long long)(2 * run->settings.steps));
}

int sac_session_run(sac_run* run, sac_progress* progress) {
  char error[SAC_ERROR_MAX];
  const int64_t start = sac_run_step(run);
  int code = SAC_EXIT_WELL;

  /* train, and let signals reach the run */
  sac_signals_attach(run, &run->settings, "stops after this step of the environments and a checkpoint");
  sac_crash_run(run);
  run->waits = sac_progress_wait;
  run->waits_user = progress;
  const sac_status status = train_to_end(run, progress);

  /* keep the error message, because later calls may replace it */
  (void)snprintf(error, sizeof error, "%s", sac_last_error());

  /* log results or the error, and choose the exit code */
  sac_progress_clear(progress);
  if (status == SAC_OK) {
    log_results(run, progress, start);
  } else if (status == SAC_STOPPED) {
    /* stopped by a signal: the exit code is that of the signal */
    sac_run_log(run, "%s", error);
    code = sac_signals_caught() ? 128 + sac_signals_caught() : SAC_EXIT_SIGNAL;
  } else {
    /* failed: log results when all steps were made and saved, and write the error to the log and to stderr */
    if (run->finished && status == SAC_ERROR_NUMERIC) log_results(run, progress, start);
    (void)sac_folder_log(run->folder, error);
    (void)fflush(sac_out);
    (void)fprintf(stderr, "sac: %s\n", error);
    code = status == SAC_ERROR_NUMERIC ? SAC_EXIT_NUMERIC : SAC_EXIT_FAILED;
  }

  /* destroy the run, which signals must not reach any more */
  sac_signals_attach(NULL, NULL, NULL);
  sac_crash_run(NULL);
  sac_run_destroy(run);
  return code;
}
