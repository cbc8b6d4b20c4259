/* Writes the actor alone to a file, for sac_policy.
 *
 * policy.safetensors: actor.* as in a checkpoint, action.centre (A), action.half_range (A), all F32; metadata format
 * "sac-policy-1" ("sac-policy-other-layers" if libsac_policy cannot evaluate the actor's layers), version, env,
 * env.options, obs, act, hidden, log_std_min, log_std_max; spaces where the environment describes them. */
#ifndef SAC_AGENT_EXPORT_H
#define SAC_AGENT_EXPORT_H

#include "agent/agent.h"

/* Writes the actor of agent p to `path`, through a temporary file that is renamed. spaces: a JSON object that says what
 * the numbers of observation and action are; NULL: not known. Errors: FILE, NUMERIC (a weight is not finite), DEVICE.
 */
sac_status sac_policy_write(const sac_agent* agent, int32_t p, const char* spaces, const char* path);

#endif
