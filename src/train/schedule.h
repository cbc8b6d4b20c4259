/* When things are due, in the words of the schedule: a step is one transition, summed over N, per agent; a vector step
 * makes N of them. Nothing here looks at a clock, so what is due depends on the step alone. */
#ifndef SAC_TRAIN_SCHEDULE_H
#define SAC_TRAIN_SCHEDULE_H

#include <stdint.h>

#include "config/settings.h"

/* 1 when the vector step of `n` transitions that ended at `step` reached or passed a multiple of `every`; 0: never.
 * Without state, so that a resume under another `every` needs no care. */
static inline int sac_due(int64_t step, int64_t n, int64_t every) {
  return every > 0 && step > 0 && step / every != (step - n) / every;
}

/* Steps and updates so far. Saved as the tensors run.step (2), run.updates (2) and, where updates come late,
 * run.pending (lag). */
typedef struct sac_schedule {
  int64_t step;     /* transitions so far, per agent */
  int64_t learning; /* of those, after the warm-up and since train.updates_per_step has had its present value */
  double rate;      /* that value */
  double carried;   /* updates owed when it took that value, in [0, 1) */

  int32_t lag;                  /* vector steps by which updates come late: train.overlap */
  int64_t pending[SAC_LAG_MAX]; /* (lag) updates that are due and not made, by the step they are due at */
} sac_schedule;

/* Takes the rate of a new run, or a changed one: what is owed so far is carried over. */
void sac_schedule_rate(sac_schedule* schedule, double updates_per_step);

/* Counts `n` more steps, `learning` or not, and returns the updates to make with them: those due for them or, with a
 * lag, those that were due that many steps ago. */
int32_t sac_schedule_step(sac_schedule* schedule, int64_t n, int learning);

#endif
