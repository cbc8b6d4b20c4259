/* Environments that do what they must not: the id names the fault. "good" has none, and no saved state either. */
#ifndef TESTS_SUPPORT_BAD_ENV_H
#define TESTS_SUPPORT_BAD_ENV_H

#include <sac/env.h>

/* Observation (2): steps since the reset, and the seed's low 20 bits; reward: the number of the step; two actions in
 * [-1, 1]. The fault shows at the third step after a reset, in environment 1 where there is one.
 *
 *  good
 *  truncates                                        the environment's own limit, at the third step
 *  nan_obs inf_obs nan_reward inf_reward            what step gives
 *  nan_reset                                        what reset gives
 *  flags                                            terminated as 7 in place of 1
 *  step_fails reset_fails create_fails              with error text "the motor is on fire"
 *  create_fails_early                               without an instance
 *  no_obs huge_obs no_action one_discrete wide_discrete negative_limit
 *  no_bounds inf_low nan_high huge_high swapped_bounds equal_bounds          what create says in the spec
 *  silent                                           step fails, and error gives NULL */
extern const sac_env_api bad_env;

#endif
