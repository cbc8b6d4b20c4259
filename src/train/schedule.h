/* When updates, rows, evaluations and checkpoints are due. A step is one transition of one agent, counted over its N
 * environments; a vector step makes N of them. What is due depends on the step alone, never on a clock. */
#ifndef SAC_TRAIN_SCHEDULE_H
#define SAC_TRAIN_SCHEDULE_H

#include <stdint.h>

#include "config/settings.h"

/* Whether the vector step of `n` transitions that ended at `step` reached or passed a multiple of `every`. every: 0 for
 * never. Has no state, so `every` may change on a resume. */
static inline int sac_due(int64_t step, int64_t n, int64_t every) {
  return every > 0 && step > 0 && step / every != (step - n) / every;
}

/* Steps and updates so far. Saved as the tensors run.step (2), run.updates (2) and, when updates are late, run.pending
 * (lag). */
typedef struct sac_schedule {
  int64_t step;     /* transitions so far, per agent */
  int64_t learning; /* the steps since the warm-up and since the last change of the rate */
  double rate;      /* train.updates_per_step */
  double carried;   /* in [0, 1): fraction of an update left over from the time before the last change of the rate */

  int32_t lag;                  /* vector steps by which updates are late: train.overlap / N, rounded up */
  int64_t pending[SAC_LAG_MAX]; /* (lag) updates due and not made yet, oldest vector step first */
} sac_schedule;

/* Sets the rate of updates. On a change, the fraction of an update that is due is carried over. */
void sac_schedule_rate(sac_schedule* schedule, double updates_per_step);

/* Counts `n` more steps and returns the updates to make now: the updates due for these steps or, with a lag, the
 * updates that became due `lag` vector steps ago. learning: 0 during the warm-up. */
int32_t sac_schedule_step(sac_schedule* schedule, int64_t n, int learning);

#endif
