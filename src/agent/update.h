/* Updates of an agent, and their end: what the public API and a run share. */
#ifndef SAC_AGENT_UPDATE_H
#define SAC_AGENT_UPDATE_H

#include "backend/backend.h"

struct sac_vector;

/* The stages of an update in turn, `updates` times; a backend's own way where it has one. Errors: those of the
 * stages. */
sac_status sac_update(sac_agent* agent, int32_t updates);

/* The stages of one update from `first` on, each with its time added to agent->seconds. */
sac_status sac_update_stages(sac_agent* agent, sac_stage first);

/* Waits for what a backend has queued. From then on counters, statistics and the vector's finished episodes are the
 * host's to read. vector: NULL when none was stepped. Errors: those of the work. */
sac_status sac_settle(sac_agent* agent, struct sac_vector* vector);

#endif
