/* Writes the policy alone to a file, for sac_policy.
 *
 * policy.safetensors, all F32, with tensors as in a checkpoint. Metadata: format, version, env, env.options, obs, act,
 * hidden; spaces where the environment describes them; and by the kind of policy:
 *
 *   squashed Gaussian   actor.*, action.centre (A), action.half_range (A); format "sac-policy-1", log_std_min,
 *                       log_std_max
 *   softmax             actor.*; format "sac-policy-2", policy "softmax", actions (their number)
 *   Boltzmann           critic.K.*, log_alpha; format "sac-policy-2", policy "boltzmann", actions, critics,
 * critics_join
 *
 * The format is "sac-policy-other-layers" if libsac_policy cannot evaluate the layers. */
#ifndef SAC_AGENT_EXPORT_H
#define SAC_AGENT_EXPORT_H

#include "agent/agent.h"

/* Writes the policy of agent p to `path`, through a temporary file that is renamed. spaces: a JSON object that says
 * what the numbers of observation and action are; NULL: not known. Errors: FILE, NUMERIC (a weight is not finite),
 * DEVICE.
 */
sac_status sac_policy_write(const sac_agent* agent, int32_t p, const char* spaces, const char* path);

#endif
