#include "cli/watch.h"

#include <stdio.h>
#include <unistd.h>

#include "cli/out.h"
#include "util/clock.h"

#define LIVE_EVERY 0.2  /* seconds between two lines on a terminal */
#define PLAIN_EVERY 5.0 /* seconds between two lines elsewhere */

void sac_watch_show(sac_watch* watch, const sac_eval_play* play) {
  const double now = sac_seconds_coarse();
  if (!watch->started) {
    *watch = (sac_watch){.started = 1, .live = sac_out_is_live(STDERR_FILENO), .last = now};
  }
  if (now - watch->last < (watch->live ? LIVE_EVERY : PLAIN_EVERY)) return;
  watch->last = now;

  /* write over the line, or one more */
  (void)fprintf(stderr, "%ssac: %lld of %lld episodes, %lld steps%s", watch->live ? "\r" : "", (long long)play->ended,
                (long long)play->episodes, (long long)play->steps, watch->live ? "\033[K" : "\n");
  watch->shown = watch->live;
}

void sac_watch_clear(sac_watch* watch) {
  if (watch->shown) (void)fputs("\r\033[K", stderr);
  watch->shown = 0;
}
