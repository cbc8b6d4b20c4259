/* Progress of a run: one line that is kept up to date on a terminal, a line every few seconds elsewhere. */
#ifndef SAC_CLI_PROGRESS_H
#define SAC_CLI_PROGRESS_H

#include "train/run.h"

#define SAC_PROGRESS_LINE 256

typedef struct sac_progress {
  int quiet; /* 1: prints warnings only, on stderr */
  int live;  /* standard output is a terminal */
  int shown; /* the live line is on the screen */

  /* the last row of metrics and the last evaluation, summed over the agents */
  int64_t return_step, evaluation_step;
  double return_sum, evaluation_sum;
  int32_t return_count, evaluation_count;

  /* speeds, averaged over the last seconds */
  double last_time, last_line;
  int64_t last_step;
  uint64_t last_updates;
  double steps_per_second, updates_per_second; /* 0: not known yet */
} sac_progress;

void sac_progress_start(sac_progress* progress, int quiet);

/* Callbacks for sac_run_create and sac_run_resume. `progress` must outlive the run. */
sac_callbacks sac_progress_callbacks(sac_progress* progress);

/* Shows the progress, if the last line is old enough. */
void sac_progress_tick(sac_progress* progress, sac_run* run);

/* Clears the live line. */
void sac_progress_clear(sac_progress* progress);

/* Writes the line, at most `width` columns: as many parts as fit, by importance. */
void sac_progress_line(const sac_progress* progress, const sac_run* run, int width, char line[SAC_PROGRESS_LINE]);

#endif
