#include "train/schedule.h"

#include <math.h>
#include <string.h>

/* Updates owed in all since the rate took its value. One product and one rounding, not a sum of many: 0.1 a step gives
 * an update every tenth step for ever, and a resumed run gives the same ones. */
static double owed(const sac_schedule* schedule) {
  return schedule->carried + schedule->rate * (double)schedule->learning;
}

void sac_schedule_rate(sac_schedule* schedule, double updates_per_step) {
  if (schedule->rate == updates_per_step) return;
  const double now = owed(schedule);
  schedule->carried = now - floor(now);
  schedule->rate = updates_per_step;
  schedule->learning = 0;
}

static int64_t due(sac_schedule* schedule, int64_t n, int learning) {
  schedule->step += n;
  if (!learning) return 0;
  const double before = floor(owed(schedule));
  schedule->learning += n;
  return (int64_t)(floor(owed(schedule)) - before);
}

int32_t sac_schedule_step(sac_schedule* schedule, int64_t n, int learning) {
  const int64_t now = due(schedule, n, learning), late = schedule->pending[0];
  if (schedule->lag == 0) return (int32_t)now;
  memmove(schedule->pending, schedule->pending + 1, (size_t)(schedule->lag - 1) * sizeof *schedule->pending);
  schedule->pending[schedule->lag - 1] = now;
  return (int32_t)late;
}
