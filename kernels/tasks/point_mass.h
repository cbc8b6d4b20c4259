// SacPointMass-v0: push a mass in the plane to the origin and hold it there. An episode ends when the mass leaves the
// field.
//
// It is for tests. It has sums and products only, so its bits are the same on every machine; two actions with different
// bounds, one of them not centred at 0; and episodes that end by termination and by the time limit.
#ifndef SAC_KERNELS_TASKS_POINT_MASS_H
#define SAC_KERNELS_TASKS_POINT_MASS_H

#include "kernels/tasks/task.h"

enum {
  sac_point_mass_obs_size = 4,  // x, y, x', y'
  sac_point_mass_action_size = 2,
  sac_point_mass_actions = 0,
  sac_point_mass_max_episode_steps = 100,
  sac_point_mass_initial_size = 4,
};

// field: bound of each coordinate; beyond it the episode ends. dt: seconds per step.
#define SAC_POINT_MASS_OPTIONS(X)               \
  X(point_mass, REAL, field, 2.0, 1.0, 1e3, "") \
  X(point_mass, REAL, dt, 0.1, 1e-3, 1.0, "")

typedef struct sac_point_mass_options {
  SAC_POINT_MASS_OPTIONS(SAC_TASK_MEMBER)
} sac_point_mass_options;

SAC_TASK_SIZES(point_mass)

typedef struct sac_point_mass {
  double position[2];
  double velocity[2];
} sac_point_mass;

SAC_FN void sac_point_mass_bounds(const sac_point_mass_options* options, float* low, float* high) {
  (void)options;
  low[0] = -1;
  high[0] = 1;
  low[1] = -0.5f;
  high[1] = 1.5f;
}

SAC_FN void sac_point_mass_reset(const sac_point_mass_options* options, sac_point_mass* state, uint64_t seed) {
  (void)options;
  for (uint32_t j = 0; j < 2; j++) {
    state->position[j] = sac_task_uniform(seed, j, -1.0, 1.0);
    state->velocity[j] = 0;
  }
}

SAC_FN void sac_point_mass_start(const sac_point_mass_options* options, sac_point_mass* state, const double* initial) {
  (void)options;
  for (int j = 0; j < 2; j++) {
    state->position[j] = initial[j];
    state->velocity[j] = initial[2 + j];
  }
}

SAC_FN int sac_point_mass_step(const sac_point_mass_options* options, sac_point_mass* state, const real* action,
                               double* reward) {
  double cost = 0;
  int lost = 0;
  for (int j = 0; j < 2; j++) {
    // semi-implicit Euler on each axis
    const double force = (double)action[j];
    state->velocity[j] += options->dt * force;
    state->position[j] += options->dt * state->velocity[j];

    // The cost of the new state and of the force. A NaN counts as out of the field.
    cost += state->position[j] * state->position[j] + 0.1 * (state->velocity[j] * state->velocity[j]) +
            0.01 * (force * force);
    lost = lost || !(fabs(state->position[j]) <= options->field);
  }
  *reward = -cost;
  return lost;
}

SAC_FN void sac_point_mass_observe(const sac_point_mass_options* options, const sac_point_mass* state, float* obs) {
  (void)options;
  for (int j = 0; j < 2; j++) {
    obs[j] = (float)state->position[j];
    obs[2 + j] = (float)state->velocity[j];
  }
}

#endif
