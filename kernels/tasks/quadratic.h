// SacQuadratic-v0: one step, one action, reward -curvature (a - centre)^2. Its Q is known exactly. So a test can find
// the best squashed Gaussian at a given alpha by numerical integration, and compare the learned policy with it.
#ifndef SAC_KERNELS_TASKS_QUADRATIC_H
#define SAC_KERNELS_TASKS_QUADRATIC_H

#include "kernels/tasks/task.h"

enum {
  sac_quadratic_obs_size = 1,  // always 1
  sac_quadratic_action_size = 1,
  sac_quadratic_actions = 0,
  sac_quadratic_max_episode_steps = 1,
  sac_quadratic_initial_size = 0,
};

#define SAC_QUADRATIC_OPTIONS(X)                 \
  X(quadratic, REAL, centre, 0.5, -1e3, 1e3, "") \
  X(quadratic, REAL, curvature, 2.0, -1e3, 1e3, "")

typedef struct sac_quadratic_options {
  SAC_QUADRATIC_OPTIONS(SAC_TASK_MEMBER)
} sac_quadratic_options;

SAC_TASK_SIZES(quadratic)

typedef struct sac_quadratic {
  double unused;  // a step does not depend on the state
} sac_quadratic;

SAC_FN void sac_quadratic_bounds(const sac_quadratic_options* options, float* low, float* high) {
  (void)options;
  low[0] = -1;
  high[0] = 1;
}

SAC_FN void sac_quadratic_reset(const sac_quadratic_options* options, sac_quadratic* state, uint64_t seed) {
  (void)options;
  (void)seed;
  state->unused = 0;
}

SAC_FN void sac_quadratic_start(const sac_quadratic_options* options, sac_quadratic* state, const double* initial) {
  (void)options;
  (void)initial;
  state->unused = 0;
}

SAC_FN int sac_quadratic_step(const sac_quadratic_options* options, sac_quadratic* state, const real* action,
                              double* reward) {
  (void)state;
  const double off = (double)action[0] - options->centre;
  *reward = -options->curvature * (off * off);
  return 1;
}

SAC_FN void sac_quadratic_observe(const sac_quadratic_options* options, const sac_quadratic* state, float* obs) {
  (void)options;
  (void)state;
  obs[0] = 1;
}

#endif
