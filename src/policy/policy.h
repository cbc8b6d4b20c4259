/* What policy files are named with, and setting a policy's weights, for sac_agent_policy. */
#ifndef SAC_POLICY_POLICY_H
#define SAC_POLICY_POLICY_H

#include <sac/policy.h>

/* How the metadata of a policy file names its format: how all names begin, and the two that this version evaluates.
 * Versions before discrete actions know the first one only. */
#define SAC_POLICY_FORMATS "sac-policy-"
#define SAC_POLICY_FORMAT_CONTINUOUS SAC_POLICY_FORMATS "1"
#define SAC_POLICY_FORMAT_DISCRETE SAC_POLICY_FORMATS "2"

/* The names of the kinds in metadata `policy`, and of min and mean in `critics_join`, by their numbers. */
#define SAC_POLICY_KIND_NAMES \
  { "squashed-gaussian", "softmax", "boltzmann" }
#define SAC_POLICY_JOIN_NAMES \
  { "min", "mean" }

#define SAC_POLICY_LAYERS_MAX 17  /* 16 hidden ones and the head */
#define SAC_POLICY_CRITICS_MAX 16 /* of a Boltzmann policy */

/* Returns the number of layers of each network, the head included. nets: receives the number of networks: K critics, or
 * the actor. size: receives O, the widths of the hidden layers, then A or the number of discrete actions. */
int32_t sac_policy_layers(const sac_policy* policy, int32_t* nets, int32_t size[SAC_POLICY_LAYERS_MAX + 1]);

/* Whether the policy uses the weights of its file, which cannot be set. */
int sac_policy_is_in_place(const sac_policy* policy);

/* Sets `count` weights of a layer of network `net`, from number `first` on. Weights are numbered as in the tensor:
 * row-major (out, in). The head of a squashed Gaussian has the rows of the means, then those of the log_stds. */
void sac_policy_set_weights(sac_policy* policy, int32_t net, int32_t layer, size_t first, size_t count,
                            const float* weights);

/* Sets all biases of a layer, as many as its tensor has. */
void sac_policy_set_biases(sac_policy* policy, int32_t net, int32_t layer, const float* biases);

/* Sets what else a squashed Gaussian has: the scaling of the action, (A) each, and the bounds of log_std. */
void sac_policy_set_gaussian(sac_policy* policy, const float* centre, const float* half_range, float log_std_min,
                             float log_std_max);

/* Sets what else a Boltzmann policy has: how critics are joined (1: their mean, 0: their minimum), and the temperature.
 * Returns 0, and sets nothing, when alpha or its inverse is not finite. policy NULL: checks only. */
int sac_policy_set_boltzmann(sac_policy* policy, int mean, float log_alpha);

#endif
