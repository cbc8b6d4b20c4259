/* What a run shows while it trains: one live line on a terminal, a plain line now and then elsewhere. */
#ifndef SAC_CLI_PROGRESS_H
#define SAC_CLI_PROGRESS_H

#include "train/run.h"

#define SAC_PROGRESS_LINE 256

typedef struct sac_progress {
  int quiet; /* 1: warnings alone, on stderr */
  int live;  /* standard output is a terminal */
  int shown; /* a live line stands there */

  /* from the last rows of metrics and evaluations, means over the agents */
  int64_t return_step, evaluation_step;
  double return_sum, evaluation_sum;
  int32_t return_count, evaluation_count;

  /* speeds, smoothed over the last seconds */
  double last_time, last_line;
  int64_t last_step;
  uint64_t last_updates;
  double steps_per_second, updates_per_second; /* 0: not known yet */
} sac_progress;

void sac_progress_start(sac_progress* progress, int quiet);

/* For sac_run_create and _resume; `progress` must outlive the run. */
sac_callbacks sac_progress_callbacks(sac_progress* progress);

/* Shows where the run is, if it is time to. */
void sac_progress_tick(sac_progress* progress, sac_run* run);

/* Takes the live line away. */
void sac_progress_clear(sac_progress* progress);

/* The line itself, at most `width` columns: as many of its parts as fit, the most important first. */
void sac_progress_line(const sac_progress* progress, const sac_run* run, int width, char line[SAC_PROGRESS_LINE]);

#endif
