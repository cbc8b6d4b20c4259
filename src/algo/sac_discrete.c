/* sac-discrete: critics with a value of each action, their targets, and a softmax actor. Christodoulou 2019, arXiv
 * 1910.07207. Expectations over actions are exact sums, so no action is sampled. The actor learns through the critics
 * that were just updated. */
#include "algo/algo.h"

/* clang-format off */
static const sac_network networks[] = {
    {.group = SAC_ACTOR,         .number = SAC_ONE,         .in = SAC_OBS, .out = SAC_LOGITS},
    {.group = SAC_CRITIC,        .number = SAC_EACH_CRITIC, .in = SAC_OBS, .out = SAC_VALUE_OF_EACH},
    {.group = SAC_CRITIC_TARGET, .number = SAC_EACH_CRITIC, .in = SAC_OBS, .out = SAC_VALUE_OF_EACH, .target_of = SAC_CRITIC},
};
/* clang-format on */

/* clang-format off */
static const sac_op update[] = {
    /* stage            kind         networks                at                row function */
    SAC_OP(CRITIC,      FORWARD,     .nets = SAC_ACTOR,         .at = SAC_POLICY),
    SAC_OP(CRITIC,      FORWARD,     .nets = SAC_ACTOR,         .at = SAC_NEXT),
    SAC_OP(CRITIC,      FORWARD,     .nets = SAC_CRITIC,        .at = SAC_CURRENT),
    SAC_OP(CRITIC,      FORWARD,     .nets = SAC_CRITIC_TARGET, .at = SAC_NEXT),
    SAC_OP(CRITIC,      ROWS,        .nets = SAC_CRITIC_TARGET, .at = SAC_NEXT,    .row = SAC_ROW_SOFTMAX_TARGET),
    SAC_OP(CRITIC,      ROWS,        .nets = SAC_CRITIC,        .at = SAC_CURRENT, .row = SAC_ROW_CHOSEN_LOSS),
    SAC_OP(CRITIC,      BACKWARD,    .nets = SAC_CRITIC,        .at = SAC_CURRENT),
    SAC_OP(CRITIC,      GRADIENT,    .nets = SAC_CRITIC,        .at = SAC_CURRENT),
    SAC_OP(CRITIC,      ADAM,        .nets = SAC_CRITIC),

    SAC_OP(ACTOR,       FORWARD,     .nets = SAC_CRITIC,        .at = SAC_POLICY),
    SAC_OP(ACTOR,       ROWS,        .nets = SAC_ACTOR,         .at = SAC_POLICY,  .row = SAC_ROW_SOFTMAX_GRAD),
    SAC_OP(ACTOR,       BACKWARD,    .nets = SAC_ACTOR,         .at = SAC_POLICY),
    SAC_OP(ACTOR,       GRADIENT,    .nets = SAC_ACTOR,         .at = SAC_POLICY),
    SAC_OP(ACTOR,       ADAM,        .nets = SAC_ACTOR),

    SAC_OP(TEMPERATURE, TEMPERATURE, .at = SAC_POLICY),
    SAC_OP(TARGET,      POLYAK,      .nets = SAC_CRITIC_TARGET, .source = SAC_CRITIC),
};
/* clang-format on */

const sac_algorithm sac_algo_sac_discrete = {.meaning = "discrete actions, a softmax actor (arXiv 1910.07207)",
                                             .networks = networks,
                                             .network_count = SAC_LENGTH(networks),
                                             .update = update,
                                             .op_count = SAC_LENGTH(update),
                                             .policy = SAC_POLICY_SOFTMAX,
                                             .discrete = 1,
                                             .defaults = sac_algo_defaults_discrete,
                                             .target_entropy = sac_algo_entropy_discrete};
