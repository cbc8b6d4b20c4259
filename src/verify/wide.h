/* A trace replayed with actions in double.
 *
 * NumPy computes in the type of what it is given: Gymnasium's classic control tasks round to float where an action
 * alone meets constants, if the actions are float32 as its action spaces sample them, and nowhere if somebody fed it
 * float64. A trace does not tell which. The product takes float actions; a trace of the other kind is still a proof of
 * the equations, and is run this way. */
#ifndef SAC_VERIFY_WIDE_H
#define SAC_VERIFY_WIDE_H

#include <stdint.h>

#include "env/task.h"

typedef struct sac_wide_trace {
  const void* options;   /* the task's */
  const double* initial; /* (initial_size) */
  int64_t steps;         /* T */
  const double* action;  /* (T, A) */
  float* obs;            /* (T + 1, O), written */
  double* reward;        /* (T), written */
  uint8_t* terminated;   /* (T), written */
} sac_wide_trace;

void sac_wide_replay(const sac_task* task, const sac_wide_trace* trace);

#endif
