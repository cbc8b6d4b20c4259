/* Progress of a run and of its evaluations. On a terminal one line that is kept up to date (the live line); elsewhere a
 * line every few seconds. */
#ifndef SAC_CLI_PROGRESS_H
#define SAC_CLI_PROGRESS_H

#include "train/run.h"

#define SAC_PROGRESS_LINE 256 /* chars that hold any line */

typedef struct sac_progress {
  int quiet; /* 1: prints warnings only, on stderr */
  int live;  /* 1: standard output is a terminal that can clear a line */
  int shown; /* 1: the live line is on the screen */

  /* the last metrics and evaluation: their step (-1: none), and the sum and number of the agents' mean returns */
  int64_t return_step, evaluation_step;
  double return_sum, evaluation_sum;
  int32_t return_count, evaluation_count;

  /* the last measurement, and the average speeds */
  double last_time, last_line;                 /* sac_seconds of the last measurement, and of the last plain line */
  int64_t wait_step;                           /* of the last evaluation that was waited for; -1: none */
  double last_wait;                            /* when its last line was shown, or when it began */
  int64_t last_step;                           /* -1: nothing was measured yet */
  uint64_t last_updates;                       /* of all live agents */
  double steps_per_second, updates_per_second; /* averages; 0: not known yet */
} sac_progress;

/* Starts with nothing known. quiet 1: only warnings are shown. */
void sac_progress_start(sac_progress* progress, int quiet);

/* Callbacks for sac_run_create and sac_run_resume. `progress` must outlive the run. */
sac_callbacks sac_progress_callbacks(sac_progress* progress);

/* Shows the progress, if the last line is old enough. Call it often between pieces of the run. */
void sac_progress_tick(sac_progress* progress, sac_run* run);

/* The same while the run plays or waits for an evaluation, which the line then shows. For sac_run.waits; user: the
 * sac_progress. */
void sac_progress_wait(void* user, sac_run* run);

/* Clears the live line. */
void sac_progress_clear(sac_progress* progress);

/* Writes the line, at most `width` columns: as many parts as fit, the most important ones. evaluating: 1 shows how far
 * the evaluation is. */
void sac_progress_line(const sac_progress* progress, const sac_run* run, int evaluating, int width,
                       char line[SAC_PROGRESS_LINE]);

#endif
