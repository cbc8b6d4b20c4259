/* One step of a run. */
#ifndef SAC_TRAIN_STEP_H
#define SAC_TRAIN_STEP_H

#include "agent/update.h"

struct sac_vector;

/* act -> env step -> replay push -> `updates` times (replay sample -> critic update -> actor update -> temperature
 * update -> target update). mode: how actions are chosen. Errors: those of the stages. */
sac_status sac_step(sac_agent* agent, struct sac_vector* vector, sac_act_mode mode, int32_t updates);

/* Begins the next episodes if all have ended (sac_vector.ended), on the thread that steps the environments. */
sac_status sac_step_start(struct sac_vector* vector);

/* Prepares the vector for train.overlap. sac_step then makes its updates between act and replay push, while the
 * environments step. A backend that has `snapshot` queues the updates before act, unless the vector is resident; act
 * then uses the weights from before these updates. Creates a thread for the environments, if the backend computes on
 * the caller's thread and there is a second processor; the results are the same without it. Errors: MEMORY. */
sac_status sac_step_overlap(const sac_agent* agent, struct sac_vector* vector);

/* Whether a device learns while the host acts and steps (train.overlap on a device). */
int sac_learns_beside(const sac_agent* agent, const struct sac_vector* vector);

/* The most steps before sac_settle must be called. The finished episodes of a resident vector are then those of all
 * these steps; those of other vectors are of the last step only. */
int32_t sac_burst(const sac_agent* agent, const struct sac_vector* vector);

#endif
