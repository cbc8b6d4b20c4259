/* Running updates and waiting for them, for the public API and for runs. */
#ifndef SAC_AGENT_UPDATE_H
#define SAC_AGENT_UPDATE_H

#include "backend/backend.h"

struct sac_vector;

/* Makes `updates` updates: all stages of each in order, or the backend's own function for whole updates. Errors: those
 * of the stages. */
sac_status sac_update(sac_agent* agent, int32_t updates);

/* Runs the stages of one update from `first` on, and adds the time of each to agent->seconds. */
sac_status sac_update_stages(sac_agent* agent, sac_stage first);

/* Runs replay sample alone, as the update draws that follows `ahead` more: for benchmarks. Counters stay. Errors: those
 * of the stage. */
sac_status sac_sample_ahead(sac_agent* agent, uint64_t ahead);

/* Waits for the work that the backend has queued, and brings counters, statistics and the finished episodes of the
 * vector to the host. vector: NULL if none was stepped. Errors: those of the queued work. */
sac_status sac_settle(sac_agent* agent, struct sac_vector* vector);

#endif
