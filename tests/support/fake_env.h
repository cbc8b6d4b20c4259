/* An environment whose behaviour a test sets: two observations, one action or discrete ones, episodes of a known
 * length. */
#ifndef TESTS_SUPPORT_FAKE_ENV_H
#define TESTS_SUPPORT_FAKE_ENV_H

#include <sac/env.h>

typedef struct fake_env_plan {
  int64_t nan_reward_at; /* step (of the whole instance, from 1) whose reward is NaN in environment nan_env; 0: none */
  int32_t nan_env;
  int64_t nan_obs_at;  /* likewise for an observation */
  int64_t fail_at;     /* step that fails with "it broke" */
  int32_t episode;     /* steps of an episode; 0: 7 */
  int32_t limit;       /* max_episode_steps; 0: none */
  float action_high;   /* bound of the action; 0: 2 */
  int32_t actions;     /* number of discrete actions, which push from -2 to 2; 0: continuous */
  double reward_scale; /* 0: 1 */
} fake_env_plan;

extern fake_env_plan fake_env; /* how environments behave that are created or stepped from now on */

extern const sac_env_api fake_env_api;           /* saves its state */
extern const sac_env_api fake_env_stateless_api; /* has no functions for saved state */

/* Saves its state and has three terms of info: `age`, the step of its episode, from 1; `place`, observation 0; `rare`,
 * 2 at the seventh step of an episode, infinite at the third and NaN at the others. */
extern const sac_env_api fake_env_info_api;

#endif
