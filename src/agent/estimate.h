/* How long a step of a run takes on the CPU and on a CUDA device, estimated from the shapes, and what `device: auto`
 * takes for it. estimate.c says how, and where the figures are from. */
#ifndef SAC_AGENT_ESTIMATE_H
#define SAC_AGENT_ESTIMATE_H

#include <stddef.h>

#include "backend/registry.h"

typedef enum sac_where { SAC_ON_CPU, SAC_ON_CUDA, SAC_WHERE_COUNT } sac_where;

/* Seconds, of one step of the vector (P*N transitions) after the warm-up. */
typedef struct sac_estimate {
  double act, env, push;
  double wait;   /* of the host for the device, beside what the stages take */
  double update; /* one update of all P agents */
  double step;   /* all of it: acting, stepping, and the updates that are due */
} sac_estimate;

/* The figures behind the estimates, for people and for scripts. */
typedef struct sac_estimate_figure {
  const char *name, *unit, *meaning;
  double value;
} sac_estimate_figure;

/* (count) of them; those of the CPU are of the instruction set that is chosen here. */
const sac_estimate_figure* sac_estimate_figures(sac_where where, int* count);

/* `env`: seconds that the host takes to step all P*N environments; NaN: a built-in task, or not known. A device steps
 * built-in tasks itself and has no use for it. */
sac_estimate sac_estimate_step(sac_where where, const sac_settings* settings, const sac_shape* shape, double env);

/* The backend and device that settings->device asks for; ordinal -1: the host's. `auto` takes what is expected to be
 * faster; where a precision other than fp32 is asked for, a device; in a run that is resumed, what it was on. The time
 * that a device takes to start, some 0.5 s, does not count, nor does that of environments that the host steps on
 * either. why: "" unless the device is auto and the build has a backend for devices; else what it takes and the reason,
 * a line for people ("device auto: cpu, ..."). Errors: DEVICE. */
sac_status sac_estimate_choose(const sac_settings* settings, const sac_shape* shape, const sac_backend** backend,
                               int32_t* ordinal, char why[SAC_WHY_MAX]);

#endif
