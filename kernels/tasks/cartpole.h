// CartPole-v1: keep a pole upright on a cart by pushing it left (0) or right (1).
//
// Equations of Florian 2007, "Correct equations for the dynamics of the cart-pole system", by explicit Euler. The
// reward is 1 for every step, including the last. With sutton_barto_reward it is 0, and -1 for the step that terminates
// the episode.
#ifndef SAC_KERNELS_TASKS_CARTPOLE_H
#define SAC_KERNELS_TASKS_CARTPOLE_H

#include "kernels/tasks/task.h"

enum {
  sac_cartpole_obs_size = 4,  // x, x', theta, theta'
  sac_cartpole_action_size = 1,
  sac_cartpole_actions = 2,
  sac_cartpole_max_episode_steps = 500,
  sac_cartpole_initial_size = 4,
};

#define SAC_CARTPOLE_OPTIONS(X) X(cartpole, BOOL, sutton_barto_reward, 0, 0, 1, "")

typedef struct sac_cartpole_options {
  SAC_CARTPOLE_OPTIONS(SAC_TASK_MEMBER)
} sac_cartpole_options;

SAC_TASK_SIZES(cartpole)

typedef struct sac_cartpole {
  double x;               // m
  double x_velocity;      // m/s
  double theta;           // rad, 0 upright
  double theta_velocity;  // rad/s
} sac_cartpole;

SAC_FN void sac_cartpole_bounds(const sac_cartpole_options* options, float* low, float* high) {
  // discrete actions have no bounds
  (void)options;
  (void)low;
  (void)high;
}

SAC_FN void sac_cartpole_reset(const sac_cartpole_options* options, sac_cartpole* state, uint64_t seed) {
  (void)options;
  state->x = sac_task_uniform(seed, 0, -0.05, 0.05);
  state->x_velocity = sac_task_uniform(seed, 1, -0.05, 0.05);
  state->theta = sac_task_uniform(seed, 2, -0.05, 0.05);
  state->theta_velocity = sac_task_uniform(seed, 3, -0.05, 0.05);
}

SAC_FN void sac_cartpole_start(const sac_cartpole_options* options, sac_cartpole* state, const double* initial) {
  (void)options;
  state->x = initial[0];
  state->x_velocity = initial[1];
  state->theta = initial[2];
  state->theta_velocity = initial[3];
}

SAC_FN int sac_cartpole_step(const sac_cartpole_options* options, sac_cartpole* state, const real* action,
                             double* reward) {
  // Lengths in m, masses in kg, dt in s. The pole may lean by 12 degrees.
  const double gravity = 9.8, mass_pole = 0.1, total_mass = mass_pole + 1.0, half_length = 0.5, dt = 0.02;
  const double mass_length = mass_pole * half_length, max_x = 2.4, max_theta = 12 * 2 * SAC_PI / 360;

  // The accelerations of pole and cart. The force is in N.
  const double force = action[0] == 1 ? 10.0 : -10.0;
  const double cosine = cos(state->theta), sine = sin(state->theta);
  const double squared = state->theta_velocity * state->theta_velocity;
  const double push = (force + mass_length * squared * sine) / total_mass;
  const double theta_acceleration =
      (gravity * sine - cosine * push) / (half_length * (4.0 / 3.0 - mass_pole * (cosine * cosine) / total_mass));
  const double x_acceleration = push - mass_length * theta_acceleration * cosine / total_mass;

  // one step of explicit Euler: the positions move with the old velocities
  state->x += dt * state->x_velocity;
  state->x_velocity += dt * x_acceleration;
  state->theta += dt * state->theta_velocity;
  state->theta_velocity += dt * theta_acceleration;

  // the episode ends when the cart leaves the track or the pole falls
  const int terminated = state->x < -max_x || state->x > max_x || state->theta < -max_theta || state->theta > max_theta;
  *reward = options->sutton_barto_reward ? (terminated ? -1.0 : 0.0) : 1.0;
  return terminated;
}

SAC_FN void sac_cartpole_observe(const sac_cartpole_options* options, const sac_cartpole* state, float* obs) {
  (void)options;
  obs[0] = (float)state->x;
  obs[1] = (float)state->x_velocity;
  obs[2] = (float)state->theta;
  obs[3] = (float)state->theta_velocity;
}

#endif
