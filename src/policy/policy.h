/* Setting a policy's weights in place, for sac_agent_policy. */
#ifndef SAC_POLICY_POLICY_H
#define SAC_POLICY_POLICY_H

#include <sac/policy.h>

#define SAC_POLICY_LAYERS_MAX 17 /* 16 hidden ones and the head */

/* The number of layers with the head, and their sizes: size[0] is O, then the hidden widths, size[layers] is A. */
int32_t sac_policy_layers(const sac_policy* policy, int32_t size[SAC_POLICY_LAYERS_MAX + 1]);

/* Sets the weights `first` to first + count - 1 of a layer, in the order of its tensor: row-major (out, in). Ignores
 * the head's log_std rows, which a policy does not have. */
void sac_policy_set_weights(sac_policy* policy, int32_t layer, size_t first, size_t count, const float* weights);
void sac_policy_set_biases(sac_policy* policy, int32_t layer, const float* biases); /* (size[layer + 1]) or more */
void sac_policy_set_scaling(sac_policy* policy, const float* centre, const float* half_range); /* (A) each */

#endif
