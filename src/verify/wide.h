/* Replaying a trace with actions in double ("wide").
 *
 * NumPy computes in the type of its operands. Given float32 actions, as Gymnasium's action spaces sample them, the
 * classic control tasks round some terms to float; given float64 actions they round nothing. A trace does not say
 * which type its actions had. The environments of sac take float actions; replayed with double actions, a trace of
 * float64 actions checks their equations too. */
#ifndef SAC_VERIFY_WIDE_H
#define SAC_VERIFY_WIDE_H

#include <stdint.h>

#include "env/task.h"

typedef struct sac_wide_trace {
  const void* options;   /* the task's own struct */
  const double* initial; /* (initial_size) */
  int64_t steps;         /* T */
  const double* action;  /* (T, A) */
  float* obs;            /* (T + 1, O), written */
  double* reward;        /* (T), written */
  uint8_t* terminated;   /* (T), written */
} sac_wide_trace;

/* Steps the task through the trace and writes obs, reward and terminated. */
void sac_wide_run(const sac_task* task, const sac_wide_trace* trace);

#endif
