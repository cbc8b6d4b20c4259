/* The agent's inside: how one is made, copied and checked. What an agent is made of stands in backend/backend.h. */
#ifndef SAC_AGENT_AGENT_H
#define SAC_AGENT_AGENT_H

#include <sac/agent.h>

#include "backend/backend.h"

#define SAC_SPEC_SIZE_MAX 65536 /* numbers of an observation, and components of an action */

/* The shape that settings and spec ask for. Errors: CONFIG (sizes, discrete actions and the algorithm), ENV (bounds).
 */
sac_status sac_agent_shape(sac_shape* shape, const sac_settings* settings, const sac_env_spec* spec);

/* Bytes an agent will take, before it is made: the replay's, and all the rest. */
sac_status sac_agent_memory(const sac_config* config, const sac_env_spec* spec, size_t* replay, size_t* rest);

/* Makes `to` the agents that `from` is, all but their replays, as a file of them would show. Both of one algorithm,
 * network and population; batch, capacity and device may differ. `from` is settled. Errors: DEVICE. */
sac_status sac_agent_copy(sac_agent* to, const sac_agent* from);

/* Marks agents with a loss or gradient norm that is not finite as dead. Returns NUMERIC when one died in this call,
 * with the message naming the first tensor; *dead (may be NULL) is its index. The others go on. */
sac_status sac_agent_check(sac_agent* agent, int32_t* dead);

#endif
