// Pendulum-v1: swing a pendulum up and keep it there with a weak motor.
//
// theta'' = 3 g / (2 l) sin(theta) + 3 / (m l^2) u with l = 1 and m = 1, theta = 0 upright, by semi-implicit Euler. The
// reward is -(theta^2 + 0.1 theta'^2 + 0.001 u^2), theta in [-pi, pi). Only the time limit ends an episode.
#ifndef SAC_KERNELS_TASKS_PENDULUM_H
#define SAC_KERNELS_TASKS_PENDULUM_H

#include "kernels/tasks/task.h"

enum {
  sac_pendulum_obs_size = 3,  // cos theta, sin theta, theta'
  sac_pendulum_action_size = 1,
  sac_pendulum_actions = 0,
  sac_pendulum_max_episode_steps = 200,
  sac_pendulum_initial_size = 2,
};

#define SAC_PENDULUM_OPTIONS(X) X(pendulum, REAL, g, 10.0, -1e6, 1e6, "")

typedef struct sac_pendulum_options {
  SAC_PENDULUM_OPTIONS(SAC_TASK_MEMBER)
} sac_pendulum_options;

SAC_TASK_SIZES(pendulum)

typedef struct sac_pendulum {
  double theta;     // rad, not wrapped
  double velocity;  // rad/s
} sac_pendulum;

#define SAC_PENDULUM_MAX_TORQUE 2.0
#define SAC_PENDULUM_MAX_SPEED 8.0
#define SAC_PENDULUM_DT 0.05

SAC_FN void sac_pendulum_bounds(const sac_pendulum_options* options, float* low, float* high) {
  (void)options;
  low[0] = -(float)SAC_PENDULUM_MAX_TORQUE;
  high[0] = (float)SAC_PENDULUM_MAX_TORQUE;
}

SAC_FN void sac_pendulum_reset(const sac_pendulum_options* options, sac_pendulum* state, uint64_t seed) {
  (void)options;
  state->theta = sac_task_uniform(seed, 0, -SAC_PI, SAC_PI);
  state->velocity = sac_task_uniform(seed, 1, -1.0, 1.0);
}

SAC_FN void sac_pendulum_start(const sac_pendulum_options* options, sac_pendulum* state, const double* initial) {
  (void)options;
  state->theta = initial[0];
  state->velocity = initial[1];
}

// x in [-pi, pi), as (x + pi) % (2 pi) - pi in NumPy.
SAC_FN double sac_pendulum_wrap(double x) {
  // within one turn fmod changes nothing, so it is not called
  const double turn = 2 * SAC_PI, shifted = x + SAC_PI;
  if (shifted >= 0 && shifted < turn) return shifted - SAC_PI;

  // the remainder is not negative, as in Python
  double rest = fmod(shifted, turn);
  if (rest < 0) rest += turn;
  return rest - SAC_PI;
}

SAC_FN int sac_pendulum_step(const sac_pendulum_options* options, sac_pendulum* state, const real* action,
                             double* reward) {
  // the reward of the state before the step
  const real torque = sac_clamp(action[0], -(real)SAC_PENDULUM_MAX_TORQUE, (real)SAC_PENDULUM_MAX_TORQUE);
  const double theta = state->theta, velocity = state->velocity, wrapped = sac_pendulum_wrap(theta);
  *reward = -(wrapped * wrapped + 0.1 * (velocity * velocity) + (double)((real)0.001 * (torque * torque)));

  // one step of semi-implicit Euler: the angle moves with the new velocity
  const double acceleration = 3 * options->g / 2.0 * sin(theta) + (double)((real)3.0 * torque);
  const double pushed = velocity + acceleration * SAC_PENDULUM_DT;
  state->velocity = sac_task_clip(pushed, -SAC_PENDULUM_MAX_SPEED, SAC_PENDULUM_MAX_SPEED);
  state->theta = theta + state->velocity * SAC_PENDULUM_DT;
  return 0;
}

SAC_FN void sac_pendulum_observe(const sac_pendulum_options* options, const sac_pendulum* state, float* obs) {
  (void)options;
  obs[0] = (float)cos(state->theta);
  obs[1] = (float)sin(state->theta);
  obs[2] = (float)state->velocity;
}

#endif
