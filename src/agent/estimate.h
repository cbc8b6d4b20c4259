/* Estimates from the shapes how long a step of a run takes on the CPU and on a CUDA device, and chooses the device for
 * `device: auto`. estimate.c has the model and the origin of its figures. */
#ifndef SAC_AGENT_ESTIMATE_H
#define SAC_AGENT_ESTIMATE_H

#include <stddef.h>

#include "backend/registry.h"

/* The backends that there are figures for, and their names. */
typedef enum sac_where { SAC_ON_CPU, SAC_ON_CUDA, SAC_WHERE_COUNT } sac_where;
extern const char* const sac_where_names[SAC_WHERE_COUNT];

/* Seconds for one step of the vector (P*N transitions) after the warm-up. */
typedef struct sac_estimate {
  double act, env, push;
  double wait;   /* the host waits for the device, in addition to the stages */
  double update; /* one update of all P agents */
  double step;   /* everything: act, env, push, wait, and the updates that are due after the step */
} sac_estimate;

/* A measured figure that the estimates use, for people and for scripts. */
typedef struct sac_estimate_figure {
  const char *name, *unit, *meaning;
  double value;
} sac_estimate_figure;

/* The figures, (count). Those of the CPU are for the instruction set in use. */
const sac_estimate_figure* sac_estimate_figures(sac_where where, int* count);

/* Estimates a step. env: seconds that the host takes to step all P*N environments; NaN: not known, or a built-in task.
 * A device steps built-in tasks itself and ignores it. */
sac_estimate sac_estimate_step(sac_where where, const sac_settings* settings, const sac_shape* shape, double env);

/* Finds the backend and the device for settings->device; ordinal -1: the host. "auto" chooses the device with the
 * shorter estimate; a CUDA device for a precision other than fp32; the previous device in a resumed run. The estimate
 * leaves out the start of a device, about 0.5 s, and environments that the host steps in both cases. why: the choice
 * and its reason as a line for people ("device auto: cpu, ..."); "" unless the device is auto and this build has a
 * backend for devices. Errors: DEVICE. */
sac_status sac_estimate_choose(const sac_settings* settings, const sac_shape* shape, const sac_backend** backend,
                               int32_t* ordinal, char why[SAC_WHY_MAX]);

#endif
