/* The policy's inside, for sac_agent_policy: setting weights in place. */
#ifndef SAC_POLICY_POLICY_H
#define SAC_POLICY_POLICY_H

#include <sac/policy.h>

#define SAC_POLICY_LAYERS_MAX 17 /* 16 hidden ones and the head */

/* Number of layers, the head included, and their sizes: size[0] = O, hidden..., size[layers] = A (the means alone). */
int32_t sac_policy_layers(const sac_policy* policy, int32_t size[SAC_POLICY_LAYERS_MAX + 1]);

/* Sets weights `first` to first + count - 1 of a layer, counted row-major as in its tensor (out, in), and biases. What
 * lies past the policy's rows (the log_std rows of the head) is left out. */
void sac_policy_set_weights(sac_policy* policy, int32_t layer, size_t first, size_t count, const float* weights);
void sac_policy_set_biases(sac_policy* policy, int32_t layer, const float* biases); /* (size[layer + 1]) or more */
void sac_policy_set_scaling(sac_policy* policy, const float* centre, const float* half_range); /* (A) each */

#endif
