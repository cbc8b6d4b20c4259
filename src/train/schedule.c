#include "train/schedule.h"

#include <math.h>
#include <string.h>

/* Updates due since the last change of the rate, with the fraction left over from before it. One product with one
 * rounding, not a sum of many: a rate of 0.1 gives an update at exactly every tenth step, also after a resume. */
static double due_in_all(const sac_schedule* schedule) {
  return schedule->carried + schedule->rate * (double)schedule->learning;
}

void sac_schedule_rate(sac_schedule* schedule, double updates_per_step) {
  if (schedule->rate == updates_per_step) return;

  /* carry the fraction over, and count the steps anew under the new rate */
  const double now = due_in_all(schedule);
  schedule->carried = now - floor(now);
  schedule->rate = updates_per_step;
  schedule->learning = 0;
}

/* Counts `n` more steps and returns the updates that are due for them. */
static int64_t due(sac_schedule* schedule, int64_t n, int learning) {
  schedule->step += n;
  if (!learning) return 0;

  /* count whole updates: the difference of two rounded totals, so that no fraction is lost */
  const double before = floor(due_in_all(schedule));
  schedule->learning += n;
  return (int64_t)(floor(due_in_all(schedule)) - before);
}

int32_t sac_schedule_step(sac_schedule* schedule, int64_t n, int learning) {
  const int64_t now = due(schedule, n, learning), late = schedule->pending[0];
  if (schedule->lag == 0) return (int32_t)now;

  /* with a lag: take out the oldest vector step's updates and queue those of this step */
  memmove(schedule->pending, schedule->pending + 1, (size_t)(schedule->lag - 1) * sizeof *schedule->pending);
  schedule->pending[schedule->lag - 1] = now;
  return (int32_t)late;
}
