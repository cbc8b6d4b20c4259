/* Environments with a fault, which the id names. "good" has no fault. None has functions for saved state. */
#ifndef TESTS_SUPPORT_BAD_ENV_H
#define TESTS_SUPPORT_BAD_ENV_H

#include <sac/env.h>

/* Observation (2): steps since the reset, and the seed's low 20 bits. Reward: the number of the step. Two actions in
 * [-1, 1]. The fault happens at the third step after a reset, in environment 1 if there are several.
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
 *  silent unstable                                  step fails (unstable: SAC_ERROR_NUMERIC), and error gives NULL */
extern const sac_env_api bad_env;

#endif
