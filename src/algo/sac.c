/* sac: twin critics with targets, and a squashed Gaussian actor. Haarnoja et al. 2018, arXiv 1812.05905, algorithm 1.
 * The actor learns through the critics that were just updated. */
#include "algo/algo.h"

/* clang-format off */
static const sac_network networks[] = {
    {.group = SAC_ACTOR,         .number = SAC_ONE,         .in = SAC_OBS,        .out = SAC_MEAN_AND_LOG_STD},
    {.group = SAC_CRITIC,        .number = SAC_EACH_CRITIC, .in = SAC_OBS_ACTION, .out = SAC_VALUE_OF_ONE},
    {.group = SAC_CRITIC_TARGET, .number = SAC_EACH_CRITIC, .in = SAC_OBS_ACTION, .out = SAC_VALUE_OF_ONE, .target_of = SAC_CRITIC},
};
/* clang-format on */

/* clang-format off */
static const sac_op update[] = {
    /* stage            kind         networks                at                row function */
    SAC_OP(CRITIC,      FORWARD,     .nets = SAC_ACTOR,         .at = SAC_POLICY),
    SAC_OP(CRITIC,      FORWARD,     .nets = SAC_ACTOR,         .at = SAC_NEXT),
    SAC_OP(CRITIC,      ROWS,        .nets = SAC_ACTOR,         .at = SAC_POLICY,  .row = SAC_ROW_SAMPLE),
    SAC_OP(CRITIC,      ROWS,        .nets = SAC_ACTOR,         .at = SAC_NEXT,    .row = SAC_ROW_SAMPLE),
    SAC_OP(CRITIC,      FORWARD,     .nets = SAC_CRITIC,        .at = SAC_CURRENT),
    SAC_OP(CRITIC,      FORWARD,     .nets = SAC_CRITIC_TARGET, .at = SAC_NEXT),
    SAC_OP(CRITIC,      ROWS,        .nets = SAC_CRITIC_TARGET, .at = SAC_NEXT,    .row = SAC_ROW_SOFT_TARGET),
    SAC_OP(CRITIC,      ROWS,        .nets = SAC_CRITIC,        .at = SAC_CURRENT, .row = SAC_ROW_SQUARE_LOSS),
    SAC_OP(CRITIC,      BACKWARD,    .nets = SAC_CRITIC,        .at = SAC_CURRENT),
    SAC_OP(CRITIC,      GRADIENT,    .nets = SAC_CRITIC,        .at = SAC_CURRENT),
    SAC_OP(CRITIC,      ADAM,        .nets = SAC_CRITIC),

    SAC_OP(ACTOR,       FORWARD,     .nets = SAC_CRITIC,        .at = SAC_POLICY),
    SAC_OP(ACTOR,       ROWS,        .nets = SAC_CRITIC,        .at = SAC_POLICY,  .row = SAC_ROW_SMALLEST),
    SAC_OP(ACTOR,       INPUT_GRAD,  .nets = SAC_CRITIC,        .at = SAC_POLICY),
    SAC_OP(ACTOR,       ROWS,        .nets = SAC_ACTOR,         .at = SAC_POLICY,  .row = SAC_ROW_SAMPLE_GRAD),
    SAC_OP(ACTOR,       BACKWARD,    .nets = SAC_ACTOR,         .at = SAC_POLICY),
    SAC_OP(ACTOR,       GRADIENT,    .nets = SAC_ACTOR,         .at = SAC_POLICY),
    SAC_OP(ACTOR,       ADAM,        .nets = SAC_ACTOR),

    SAC_OP(TEMPERATURE, TEMPERATURE, .at = SAC_POLICY),
    SAC_OP(TARGET,      POLYAK,      .nets = SAC_CRITIC_TARGET, .source = SAC_CRITIC),
};
/* clang-format on */

const sac_algorithm sac_algo_sac = {.meaning = "twin critics and targets (arXiv 1812.05905)",
                                    .networks = networks,
                                    .network_count = SAC_LENGTH(networks),
                                    .update = update,
                                    .op_count = SAC_LENGTH(update),
                                    .policy = SAC_POLICY_SQUASHED_GAUSSIAN,
                                    .target_entropy = sac_algo_entropy_continuous};
