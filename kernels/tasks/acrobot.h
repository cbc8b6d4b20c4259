// Acrobot-v1: two links hang from a pivot; torque -1, 0 or 1 at the joint between them swings the tip above a line.
//
// Sutton 1996; Sutton and Barto 2018. A step is one Runge-Kutta step of 0.2 s. The reward is -1, and 0 for the step
// that reaches the line. The system is chaotic and episodes are long, so a small difference grows: every sum is in
// Gymnasium's order.
#ifndef SAC_KERNELS_TASKS_ACROBOT_H
#define SAC_KERNELS_TASKS_ACROBOT_H

#include "kernels/tasks/task.h"

enum {
  sac_acrobot_obs_size = 6,  // cos theta1, sin theta1, cos theta2, sin theta2, theta1', theta2'
  sac_acrobot_action_size = 1,
  sac_acrobot_actions = 3,
  sac_acrobot_max_episode_steps = 500,
  sac_acrobot_initial_size = 4,
};

// The equations of the book (and of Gymnasium), or of the NIPS paper.
#define SAC_ACROBOT_OPTIONS(X) X(acrobot, CHOICE, book_or_nips, 0, 0, 1, "book|nips")

typedef struct sac_acrobot_options {
  SAC_ACROBOT_OPTIONS(SAC_TASK_MEMBER)
} sac_acrobot_options;

SAC_TASK_SIZES(acrobot)

typedef struct sac_acrobot {
  double angle[2];     // rad in [-pi, pi]: the first link (0: it hangs down), the second link relative to the first
  double velocity[2];  // rad/s, within 4 pi and 9 pi
} sac_acrobot;

SAC_FN void sac_acrobot_bounds(const sac_acrobot_options* options, float* low, float* high) {
  // discrete actions have no bounds
  (void)options;
  (void)low;
  (void)high;
}

// Gymnasium keeps the first state of an episode in float.
SAC_FN void sac_acrobot_reset(const sac_acrobot_options* options, sac_acrobot* state, uint64_t seed) {
  (void)options;
  state->angle[0] = (double)(float)sac_task_uniform(seed, 0, -0.1, 0.1);
  state->angle[1] = (double)(float)sac_task_uniform(seed, 1, -0.1, 0.1);
  state->velocity[0] = (double)(float)sac_task_uniform(seed, 2, -0.1, 0.1);
  state->velocity[1] = (double)(float)sac_task_uniform(seed, 3, -0.1, 0.1);
}

SAC_FN void sac_acrobot_start(const sac_acrobot_options* options, sac_acrobot* state, const double* initial) {
  (void)options;
  state->angle[0] = initial[0];
  state->angle[1] = initial[1];
  state->velocity[0] = initial[2];
  state->velocity[1] = initial[3];
}

// x**2 of one number, as NumPy computes it: with libm's pow, whose error is up to 0.54 of a last place. So once in a
// thousand times pow(x, 2) is not x*x. They can differ only where the exact square is near the middle of two doubles.
// As pow is slow, it is called only there. The exponent is volatile, because compilers replace pow(x, 2) by x*x.
SAC_FN double sac_acrobot_square(double x) {
  const double square = x * x;
#ifndef __CUDA_ARCH__
  // the distance of x*x to the exact square, compared with that to the next double
  uint64_t bits;
  double next;
  memcpy(&bits, &square, sizeof bits);
  bits++;
  memcpy(&next, &bits, sizeof next);
  if (!(fabs(fma(x, x, -square)) < 0.45 * (next - square))) {
    // near the middle of two doubles the result is pow's
    const volatile double two = 2;
    return pow(x, two);
  }
#endif
  return square;
}

// The derivative of y = (angles, velocities) under `torque`. Both links: length and mass 1, centre of mass at 1/2,
// moment of inertia 1.
SAC_FN void sac_acrobot_derivative(int nips, double torque, const double y[4], double dy[4]) {
  // the angles and velocities of the two links, in SI units
  const double g = 9.8, first = y[0], second = y[1], v1 = y[2], v2 = y[3];
  const double cosine = cos(second), sine = sin(second);

  // the inertias d1, d2 and the torques phi1, phi2, in the notation of the book
  const double d1 = 0.25 + (1.25 + cosine) + 1.0 + 1.0;
  const double d2 = (0.25 + 0.5 * cosine) + 1.0;
  const double phi2 = 0.5 * g * cos(first + second - SAC_PI / 2.0);
  const double phi1 = -0.5 * sac_acrobot_square(v2) * sine - v2 * v1 * sine + 1.5 * g * cos(first - SAC_PI / 2) + phi2;

  // The acceleration of the second link. The book's equations have one term more than those of the paper.
  const double coupled = torque + d2 / d1 * phi1;
  const double a2 =
      ((nips ? coupled : coupled - 0.5 * sac_acrobot_square(v1) * sine) - phi2) / (1.25 - sac_acrobot_square(d2) / d1);

  // velocities, then accelerations: that of the first link follows from that of the second
  dy[0] = v1;
  dy[1] = v2;
  dy[2] = -(d2 * a2 + phi1) / d1;
  dy[3] = a2;
}

// x in [-pi, pi]. One turn is subtracted at a time, as in Gymnasium, to have the same roundings. A step turns by a few
// radians at most. A state from outside may be of any size: from 1000 rad on, fmod takes all turns but one at once.
SAC_FN double sac_acrobot_wrap(double x) {
  const double turn = 2 * SAC_PI;
  if (!(fabs(x) < 1000)) x = fmod(x, turn);
  while (x > SAC_PI) x -= turn;
  while (x < -SAC_PI) x += turn;
  return x;
}

SAC_FN int sac_acrobot_step(const sac_acrobot_options* options, sac_acrobot* state, const real* action,
                            double* reward) {
  // the torque is action - 1, in N m; dt is in s
  const int nips = options->book_or_nips == 1;
  const double torque = (double)action[0] - 1.0, dt = 0.2;
  const double y[4] = {state->angle[0], state->angle[1], state->velocity[0], state->velocity[1]};
  double k1[4], k2[4], k3[4], k4[4], at[4];

  // one step of the fourth-order Runge-Kutta method
  sac_acrobot_derivative(nips, torque, y, k1);
  for (int j = 0; j < 4; j++) at[j] = y[j] + dt / 2.0 * k1[j];
  sac_acrobot_derivative(nips, torque, at, k2);
  for (int j = 0; j < 4; j++) at[j] = y[j] + dt / 2.0 * k2[j];
  sac_acrobot_derivative(nips, torque, at, k3);
  for (int j = 0; j < 4; j++) at[j] = y[j] + dt * k3[j];
  sac_acrobot_derivative(nips, torque, at, k4);
  for (int j = 0; j < 4; j++) at[j] = y[j] + dt / 6.0 * (k1[j] + 2 * k2[j] + 2 * k3[j] + k4[j]);

  // wrap the angles, limit the velocities
  state->angle[0] = sac_acrobot_wrap(at[0]);
  state->angle[1] = sac_acrobot_wrap(at[1]);
  state->velocity[0] = sac_task_clip(at[2], -4 * SAC_PI, 4 * SAC_PI);
  state->velocity[1] = sac_task_clip(at[3], -9 * SAC_PI, 9 * SAC_PI);

  // the episode ends when the tip is more than one link's length above the pivot
  const int terminated = -cos(state->angle[0]) - cos(state->angle[1] + state->angle[0]) > 1.0;
  *reward = terminated ? 0.0 : -1.0;
  return terminated;
}

// The observation is computed in double and rounded once. Gymnasium computes the first observation of an episode from a
// float state with NumPy's float cos and sin, so the first one may differ in the last place. Later ones do not differ.
SAC_FN void sac_acrobot_observe(const sac_acrobot_options* options, const sac_acrobot* state, float* obs) {
  (void)options;
  obs[0] = (float)cos(state->angle[0]);
  obs[1] = (float)sin(state->angle[0]);
  obs[2] = (float)cos(state->angle[1]);
  obs[3] = (float)sin(state->angle[1]);
  obs[4] = (float)state->velocity[0];
  obs[5] = (float)state->velocity[1];
}

#endif
