#include "agent/update.h"

#include "util/clock.h"
#include "util/error.h"

sac_status sac_update_stages(sac_agent* agent, sac_stage first) {
  for (int s = (int)first; s < SAC_STAGE_COUNT; s++) {
    const double start = sac_seconds();
    const sac_status status = agent->backend->stage(agent, (sac_stage)s);
    if (status != SAC_OK) return status;
    agent->seconds[s] += sac_seconds() - start;
  }
  return SAC_OK;
}

sac_status sac_update(sac_agent* agent, int32_t updates) {
  sac_status status = SAC_OK;

  /* a backend may fuse the stages of an update, or several updates */
  if (agent->backend->update) return agent->backend->update(agent, updates);

  /* otherwise run the stages one by one; the first error ends the updates */
  for (int32_t u = 0; u < updates && status == SAC_OK; u++) status = sac_update_stages(agent, SAC_STAGE_UPDATE);
  return status;
}

sac_status sac_sample_ahead(sac_agent* agent, uint64_t ahead) {
  const int32_t population = agent->shape.population;
  if (agent->backend->sample_ahead) return agent->backend->sample_ahead(agent, ahead);

  /* the position of the draw is the number of updates */
  for (int32_t p = 0; p < population; p++) agent->counters[p].updates += ahead;
  const sac_status status = agent->backend->stage(agent, SAC_STAGE_REPLAY_SAMPLE);
  for (int32_t p = 0; p < population; p++) agent->counters[p].updates -= ahead;
  return status;
}

sac_status sac_settle(sac_agent* agent, struct sac_vector* vector) {
  const sac_backend* backend = agent->backend;
  sac_status status = SAC_OK;
  if (vector && backend->env_get) SAC_TRY(backend->env_get(agent, vector, 0));
  if (backend->state_get) SAC_TRY(backend->state_get(agent));
fail:
  return status;
}
