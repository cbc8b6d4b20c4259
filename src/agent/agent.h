/* Creating, copying and checking agents, for the library itself. struct sac_agent is in backend/backend.h. */
#ifndef SAC_AGENT_AGENT_H
#define SAC_AGENT_AGENT_H

#include <sac/agent.h>

#include "backend/backend.h"

/* The shape of an agent with these settings in this environment. Errors: CONFIG (the algorithm does not take discrete
 * actions), ENV (sizes, bounds). */
sac_status sac_agent_shape(sac_shape* shape, const sac_settings* settings, const sac_env_spec* spec);

/* Computes, without allocating, the bytes of an agent: those of its replay, and all others. */
sac_status sac_agent_memory(const sac_config* config, const sac_env_spec* spec, size_t* replay, size_t* rest);

/* Copies everything that an agent's file holds, so all but the replay. Both have the same algorithm, networks and
 * population; batch, capacity and device may differ. Call sac_settle for `from` before. Errors: DEVICE. */
sac_status sac_agent_copy(sac_agent* to, const sac_agent* from);

/* Stops agents with a loss or gradient norm that is not finite; the other agents go on. Returns NUMERIC if an agent was
 * stopped in this call: *stopped (may be NULL) is the index of the first, and the message names its first tensor with
 * such a gradient. */
sac_status sac_agent_check(sac_agent* agent, int32_t* stopped);

#endif
