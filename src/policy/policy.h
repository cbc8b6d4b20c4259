/* Setting a policy's weights, for sac_agent_policy. */
#ifndef SAC_POLICY_POLICY_H
#define SAC_POLICY_POLICY_H

#include <sac/policy.h>

/* The format that this version evaluates, as the metadata of a policy file names it; and how all formats begin. */
#define SAC_POLICY_FORMATS "sac-policy-"
#define SAC_POLICY_FORMAT_NAME SAC_POLICY_FORMATS "1"

#define SAC_POLICY_LAYERS_MAX 17 /* 16 hidden ones and the head */

/* Returns the number of layers, the head included. size: O, then the widths of the hidden layers, then A. */
int32_t sac_policy_layers(const sac_policy* policy, int32_t size[SAC_POLICY_LAYERS_MAX + 1]);

/* Whether the policy uses the weights of its file, which cannot be set. */
int sac_policy_is_in_place(const sac_policy* policy);

/* Sets `count` weights of a layer, from number `first` on. Weights are numbered as in the tensor of the actor:
 * row-major (out, in). Ignores the log_std rows of the head, which a policy does not have. */
void sac_policy_set_weights(sac_policy* policy, int32_t layer, size_t first, size_t count, const float* weights);

/* Sets all biases of a layer. biases: (size[layer + 1]); further values are ignored. */
void sac_policy_set_biases(sac_policy* policy, int32_t layer, const float* biases);

/* Sets the scaling of the action. */
void sac_policy_set_scaling(sac_policy* policy, const float* centre, const float* half_range); /* (A) each */

#endif
