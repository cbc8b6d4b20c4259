/* What row functions share: the part of the minibatch that a task works on, and the outputs that they read. */
#ifndef SAC_CPU_ROWS_H
#define SAC_CPU_ROWS_H

#include "cpu/cpu.h"

/* What an operation works on: `rows` rows of the minibatch from panel `panel` on, and networks first .. last-1 of its
 * group. pass: its pass in the plan. */
typedef struct sac_cpu_span {
  const sac_cpu_job* job;
  const sac_op* op;
  int32_t pass, panel, rows, first, last;
  sac_cpu_thread* thread;
} sac_cpu_span;

typedef void sac_cpu_row(const sac_cpu_span* s);

/* discrete.c */
sac_cpu_row sac_cpu_softmax_target, sac_cpu_boltzmann_target, sac_cpu_chosen_loss, sac_cpu_softmax_grad,
    sac_cpu_boltzmann;

/* The output of network n of the span's pass: (R/32, outputs, 32), so (R) for networks with a single output. */
float* sac_cpu_output(const sac_cpu_span* s, int32_t pass, int32_t n);

/* 1/B: the factor that the mean over the minibatch gives to every gradient. */
static inline float sac_cpu_mean_factor(const sac_cpu_span* s) { return 1.0f / (float)s->job->agent->shape.batch; }

#endif
