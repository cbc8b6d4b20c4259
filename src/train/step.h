/* One step of a run: the flow, from left to right. */
#ifndef SAC_TRAIN_STEP_H
#define SAC_TRAIN_STEP_H

#include "agent/update.h"

struct sac_vector;

/* act -> env step -> replay push -> `updates` times (replay sample -> critic update -> actor update -> temperature
 * update -> target update). mode: how the actions are chosen. Errors: those of the stages. */
sac_status sac_step(sac_agent* agent, struct sac_vector* vector, sac_act_mode mode, int32_t updates);

/* With train.overlap, sac_step makes its updates between act and replay push, while the environments step; a backend
 * that has `snapshot` queues them before act, which reads the actor as it was before. Gives the vector a thread for
 * that, where the backend computes on the caller's and there is a second processor. Without one the results are the
 * same. Errors: MEMORY. */
sac_status sac_step_overlap(const sac_agent* agent, struct sac_vector* vector);

/* Whether the backend learns by itself while the host acts and steps (train.overlap on a device). */
int sac_learns_beside(const sac_agent* agent, const struct sac_vector* vector);

/* How many steps may go by before sac_settle. A resident vector's finished episodes are then those of all of them; of
 * any other vector those of the last step alone. */
int32_t sac_burst(const sac_agent* agent, const struct sac_vector* vector);

#endif
