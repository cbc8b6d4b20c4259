/* soft-q: critics with a value of each action, and their targets; no actor. Haarnoja et al. 2017, arXiv 1702.08165, for
 * discrete actions: the policy is the Boltzmann distribution exp(q/alpha)/Z of the critics, and the value of a state is
 * alpha log Z. */
#include "algo/algo.h"

/* clang-format off */
static const sac_network networks[] = {
    {.group = SAC_CRITIC,        .number = SAC_EACH_CRITIC, .in = SAC_OBS, .out = SAC_VALUE_OF_EACH},
    {.group = SAC_CRITIC_TARGET, .number = SAC_EACH_CRITIC, .in = SAC_OBS, .out = SAC_VALUE_OF_EACH, .target_of = SAC_CRITIC},
};
/* clang-format on */

/* clang-format off */
static const sac_op update[] = {
    /* stage            kind         networks                at                row function */
    SAC_OP(CRITIC,      FORWARD,     .nets = SAC_CRITIC,        .at = SAC_CURRENT),
    SAC_OP(CRITIC,      FORWARD,     .nets = SAC_CRITIC_TARGET, .at = SAC_NEXT),
    SAC_OP(CRITIC,      ROWS,        .nets = SAC_CRITIC_TARGET, .at = SAC_NEXT,    .row = SAC_ROW_BOLTZMANN_TARGET),
    SAC_OP(CRITIC,      ROWS,        .nets = SAC_CRITIC,        .at = SAC_CURRENT, .row = SAC_ROW_BOLTZMANN),
    SAC_OP(CRITIC,      ROWS,        .nets = SAC_CRITIC,        .at = SAC_CURRENT, .row = SAC_ROW_CHOSEN_LOSS),
    SAC_OP(CRITIC,      BACKWARD,    .nets = SAC_CRITIC,        .at = SAC_CURRENT),
    SAC_OP(CRITIC,      GRADIENT,    .nets = SAC_CRITIC,        .at = SAC_CURRENT),
    SAC_OP(CRITIC,      ADAM,        .nets = SAC_CRITIC),

    SAC_OP(TEMPERATURE, TEMPERATURE, .at = SAC_POLICY),
    SAC_OP(TARGET,      POLYAK,      .nets = SAC_CRITIC_TARGET, .source = SAC_CRITIC),
};
/* clang-format on */

const sac_algorithm sac_algo_soft_q = {.meaning = "discrete actions, no actor: soft Q-learning (arXiv 1702.08165)",
                                       .networks = networks,
                                       .network_count = SAC_LENGTH(networks),
                                       .update = update,
                                       .op_count = SAC_LENGTH(update),
                                       .policy = SAC_POLICY_BOLTZMANN,
                                       .discrete = 1,
                                       .defaults = sac_algo_defaults_discrete,
                                       .target_entropy = sac_algo_entropy_discrete};
