/* How far an evaluation of sac eval is, on standard error: on a terminal one line that is kept up to date, elsewhere a
 * line every few seconds. */
#ifndef SAC_CLI_WATCH_H
#define SAC_CLI_WATCH_H

#include "train/evaluate.h"

typedef struct sac_watch {
  int started, live, shown; /* live: standard error is a terminal that can clear a line; shown: the line is there */
  double last;              /* sac_seconds_coarse of the last line, or of the start */
} sac_watch;

/* Shows how far it is, if the last line is old enough. Call it at each step. watch: starts as zeros. */
void sac_watch_show(sac_watch* watch, const sac_eval_play* play);

/* Clears the line on a terminal. */
void sac_watch_clear(sac_watch* watch);

#endif
