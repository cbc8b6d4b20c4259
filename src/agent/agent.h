/* Creating, copying and checking agents, for the library itself. struct sac_agent is in backend/backend.h. */
#ifndef SAC_AGENT_AGENT_H
#define SAC_AGENT_AGENT_H

#include <sac/agent.h>

#include "backend/backend.h"

/* The shape of an agent with these settings in this environment. Errors: CONFIG (the algorithm does not take discrete
 * actions), ENV (sizes, bounds). */
sac_status sac_agent_shape(sac_shape* shape, const sac_settings* settings, const sac_env_spec* spec);

/* Computes the bytes that an agent would allocate in its backend: those of its replay, and all others. The agent is not
 * created. Errors: CONFIG, ENV, MEMORY, DEVICE. */
sac_status sac_agent_memory(const sac_config* config, const sac_env_spec* spec, size_t* replay, size_t* rest);

/* Copies the tensors, the seeds, the counters, `alive` and the statistics, but not the replay and the scaling of
 * actions. Both agents have the same algorithm, networks, population and environment; batch, capacity and device may
 * differ. Call sac_settle for `from` before. Errors: DEVICE. */
sac_status sac_agent_copy(sac_agent* to, const sac_agent* from);

/* Stops agents with a watched statistic (a loss, a gradient norm, ...) that is not finite; the other agents go on.
 * Returns NUMERIC if this call stopped an agent: *stopped (may be NULL) is the index of the first one. The message
 * names its first tensor whose gradient is not finite, or the statistic if all gradients are finite. */
sac_status sac_agent_check(sac_agent* agent, int32_t* stopped);

#endif
