#include "cli/progress.h"

#include <errno.h>
#include <math.h>
#include <stdio_ext.h>
#include <string.h>
#include <sys/ioctl.h>

#include "cli/out.h"
#include "util/clock.h"

#define LIVE_EVERY 0.1  /* seconds between two live lines */
#define PLAIN_EVERY 5.0 /* seconds between two plain lines, so that the log of a long run stays readable */
#define SMOOTHING 3.0   /* seconds: time constant of the average speeds */
#define WIDTH 80        /* columns, if the terminal does not tell its width */

void sac_progress_start(sac_progress* progress, int quiet) {
  /* start with nothing known; a live line needs a terminal */
  const double now = sac_seconds();
  *progress = (sac_progress){.quiet = quiet,
                             .live = !quiet && sac_out_is_live(fileno(sac_out)),
                             .return_step = -1,
                             .evaluation_step = -1,
                             .last_line = now,
                             .wait_step = -1,
                             .last_step = -1};
}

/* Flushes standard output. If that fails, the run goes on and shows nothing. It says so, unless nobody reads the output
 * any more ("sac train | head"). */
static void flush(sac_progress* progress) {
  if (fflush(sac_out) == 0) return;
  if (errno != EPIPE)
    (void)fprintf(stderr, "sac: cannot write to standard output: %s; the run goes on, and log.txt has its lines\n",
                  strerror(errno));

  /* drop what could not be written, so that the exit does not fail because of it */
  __fpurge(sac_out);
  clearerr(sac_out);
  progress->quiet = 1;
  progress->live = 0;
}

/* --- callbacks ---------------------------------------------------------------------------------------------------- */

/* Shows a line of the log. Warnings go to stderr, also with --quiet. */
static int on_log(void* user, const char* line) {
  static const char warning[] = "warning: ";
  sac_progress* progress = user;

  /* make room: the next tick writes the live line again */
  sac_progress_clear(progress);

  /* show a warning, or any other line unless quiet */
  if (strncmp(line, warning, sizeof warning - 1) == 0) {
    (void)fflush(sac_out);
    (void)fprintf(stderr, "sac: %s\n", line + sizeof warning - 1);
  } else if (!progress->quiet) {
    sac_print("%s\n", line);
    flush(progress);
  }
  return 0;
}

/* Adds the mean return in the row of one agent. The rows of all agents at one step come one after another. */
static int on_metrics(void* user, const sac_metrics* metrics) {
  sac_progress* progress = user;

  /* skip a row in whose window no episode ended */
  const double value = metrics->value[SAC_METRIC_episode_return];
  if (isnan(value)) return 0;

  /* start a new sum with the first row of a step */
  if (progress->return_step != metrics->step) {
    progress->return_step = metrics->step;
    progress->return_sum = 0;
    progress->return_count = 0;
  }

  /* add the return */
  progress->return_sum += value;
  progress->return_count++;
  return 0;
}

/* Adds the evaluation of one agent, in the same way. */
static int on_evaluation(void* user, const sac_evaluation* evaluation) {
  sac_progress* progress = user;

  /* start a new sum with the first evaluation of a step */
  if (progress->evaluation_step != evaluation->step) {
    progress->evaluation_step = evaluation->step;
    progress->evaluation_sum = 0;
    progress->evaluation_count = 0;
  }

  /* add the mean return */
  progress->evaluation_sum += evaluation->mean;
  progress->evaluation_count++;
  return 0;
}

sac_callbacks sac_progress_callbacks(sac_progress* progress) {
  return (sac_callbacks){.user = progress, .metrics = on_metrics, .evaluation = on_evaluation, .log = on_log};
}

/* --- the line ----------------------------------------------------------------------------------------------------- */

/* "45 s", "3 min 05 s", "2 h 10 min", "1 d 04 h" */
static void duration_text(double seconds, char text[32]) {
  const long long s = (long long)(seconds + 0.5);
  if (s < 60) (void)snprintf(text, 32, "%lld s", s);
  else if (s < 3600) (void)snprintf(text, 32, "%lld min %02lld s", s / 60, s % 60);
  else if (s < 86400) (void)snprintf(text, 32, "%lld h %02lld min", s / 3600, s / 60 % 60);
  else (void)snprintf(text, 32, "%lld d %02lld h", s / 86400, s / 3600 % 24);
}

enum { STEPS, EVALUATING, RETURN, LEFT, UPDATES, EVALUATION, PARTS }; /* parts of the line, the most important first */

/* Writes the parts; a part that is not known yet is "". */
static void write_parts(const sac_progress* progress, const sac_run* run, int evaluating, char part[PARTS][64]) {
  const size_t size = sizeof part[0];
  const int64_t step = run->schedule.step, steps = run->settings.steps;
  const char* warming = step < run->settings.warmup_steps ? " warm-up" : "";
  for (int i = 0; i < PARTS; i++) part[i][0] = '\0';

  /* write the steps, the returns as means over agents, and the speed */
  (void)snprintf(part[STEPS], size, "%3d%% step %lld/%lld%s", (int)(100.0 * (double)step / (double)steps),
                 (long long)step, (long long)steps, warming);
  if (progress->return_count)
    (void)snprintf(part[RETURN], size, "return %.1f", progress->return_sum / progress->return_count);
  if (progress->evaluation_count)
    (void)snprintf(part[EVALUATION], size, "evaluation %.1f", progress->evaluation_sum / progress->evaluation_count);
  if (progress->updates_per_second > 0)
    (void)snprintf(part[UPDATES], size, "%.0f updates/s", progress->updates_per_second);

  /* write how far the evaluation is */
  if (evaluating)
    (void)snprintf(part[EVALUATING], size, "evaluates: %lld of %lld episodes, %lld steps",
                   (long long)atomic_load_explicit(&run->playing[0], memory_order_relaxed),
                   (long long)atomic_load_explicit(&run->playing[1], memory_order_relaxed),
                   (long long)atomic_load_explicit(&run->playing[2], memory_order_relaxed));

  /* write the time left; not during the warm-up, because its steps are faster than those to come */
  if (progress->steps_per_second > 0 && !warming[0]) {
    char text[32];
    duration_text((double)(steps - step) / progress->steps_per_second, text);
    (void)snprintf(part[LEFT], size, "%s left", text);
  }
}

void sac_progress_line(const sac_progress* progress, const sac_run* run, int evaluating, int width,
                       char line[SAC_PROGRESS_LINE]) {
  static const int shown_order[PARTS] = {STEPS, EVALUATING, RETURN, EVALUATION, UPDATES, LEFT};
  char part[PARTS][64];
  int keep[PARTS] = {0}, used = 0;

  /* write all parts */
  write_parts(progress, run, evaluating, part);

  /* choose the parts that fit, the most important first; two spaces stand between parts */
  for (int i = 0; i < PARTS; i++) {
    const int length = (int)strlen(part[i]) + (i ? 2 : 0);
    if (!part[i][0] || used + length > width) continue;
    keep[i] = 1;
    used += length;
  }

  /* join them in the order in which they are shown */
  size_t at = 0;
  line[0] = '\0';
  for (int i = 0; i < PARTS; i++) {
    const int p = shown_order[i];
    if (keep[p]) at += (size_t)snprintf(line + at, SAC_PROGRESS_LINE - at, "%s%s", at ? "  " : "", part[p]);
  }

  /* nothing fits: show the beginning of the most important part */
  if (at == 0) (void)snprintf(line, SAC_PROGRESS_LINE, "%.*s", width > 0 ? width : 0, part[STEPS]);
}

/* --- showing it --------------------------------------------------------------------------------------------------- */

/* Measures the speeds, and updates their exponential averages over about SMOOTHING seconds. */
static void measure_speed(sac_progress* progress, const sac_run* run, double now) {
  const int64_t step = run->schedule.step;
  uint64_t updates = 0;

  /* count updates of all live agents */
  for (int32_t p = 0; p < run->agent->shape.population; p++)
    if (run->agent->alive[p]) updates += run->agent->counters[p].updates;

  /* look whether training has gone on since the last call; steps of the warm-up, without updates, do not count */
  const double elapsed = now - progress->last_time;
  const int warming = step <= run->settings.warmup_steps;
  if (progress->last_step >= 0 && elapsed > 0 && !warming && progress->last_step >= run->settings.warmup_steps) {
    /* find the speeds; an agent that stopped since takes its updates out of the count */
    const double steps = (double)(step - progress->last_step) / elapsed;
    const double made = updates >= progress->last_updates ? (double)(updates - progress->last_updates) / elapsed : 0;

    /* move the averages towards them; the first measurement counts in full */
    const double weight = progress->steps_per_second > 0 ? 1 - exp(-elapsed / SMOOTHING) : 1;
    progress->steps_per_second += weight * (steps - progress->steps_per_second);
    progress->updates_per_second += weight * (made - progress->updates_per_second);
  }

  /* remember where the next measurement starts */
  progress->last_time = now;
  progress->last_step = step;
  progress->last_updates = updates;
}

/* The columns of the terminal but the last one, in which some terminals begin a new line. */
static int terminal_width(void) {
  struct winsize size;
  if (ioctl(fileno(sac_out), TIOCGWINSZ, &size) == 0 && size.ws_col > 0) return size.ws_col - 1;
  return WIDTH - 1;
}

void sac_progress_clear(sac_progress* progress) {
  if (!progress->shown) return;
  progress->shown = 0;

  /* return to the first column, and clear up to the end of the line */
  (void)fputs("\r\033[K", sac_out);
  flush(progress);
}

/* Writes over the live line, or logs a plain line every PLAIN_EVERY seconds. */
static void show(sac_progress* progress, sac_run* run, int evaluating, double now) {
  char line[SAC_PROGRESS_LINE];
  if (progress->live) {
    const int width = terminal_width();
    sac_progress_line(progress, run, evaluating, width < SAC_PROGRESS_LINE ? width : SAC_PROGRESS_LINE - 1, line);
    sac_print("\r%s\033[K", line);
    flush(progress);
    progress->shown = 1;
  } else if (now - progress->last_line >= PLAIN_EVERY) {
    sac_progress_line(progress, run, evaluating, SAC_PROGRESS_LINE - 1, line);
    progress->last_line = now;
    sac_run_log(run, "%s", line);
  }
}

void sac_progress_tick(sac_progress* progress, sac_run* run) {
  if (progress->quiet) return;

  /* measure and show at most once in LIVE_EVERY seconds, as this is called more often */
  const double now = sac_seconds();
  if (progress->last_step >= 0 && now - progress->last_time < LIVE_EVERY) return;
  measure_speed(progress, run, now);
  show(progress, run, 0, now);
}

void sac_progress_wait(void* user, sac_run* run) {
  sac_progress* progress = user;
  if (progress->quiet) return;

  /* this is called at each step of an evaluation; a short one shows nothing */
  const double now = sac_seconds_coarse();
  if (progress->wait_step != run->evaluation_step) {
    progress->wait_step = run->evaluation_step;
    progress->last_wait = now;
  }
  if (now - progress->last_wait < LIVE_EVERY) return;

  /* show it; its time counts with the steps that follow */
  progress->last_wait = now;
  show(progress, run, 1, now);
}
