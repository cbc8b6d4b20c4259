// MountainCarContinuous-v0: a car that is too weak for its hill swings back and forth to gain height.
//
// The reward is 100 for reaching the flag, and minus a tenth of the squared action in each step.
//
// In Gymnasium the state is double at the start of an episode and float after each step. So the first step's sums are
// in double, and all later ones in float: member `single`. The force is limited, but the cost in the reward is that of
// the action as it is given.
#ifndef SAC_KERNELS_TASKS_MOUNTAIN_CAR_CONTINUOUS_H
#define SAC_KERNELS_TASKS_MOUNTAIN_CAR_CONTINUOUS_H

#include "kernels/tasks/task.h"

enum {
  sac_mountain_car_continuous_obs_size = 2,  // position, velocity
  sac_mountain_car_continuous_action_size = 1,
  sac_mountain_car_continuous_actions = 0,
  sac_mountain_car_continuous_max_episode_steps = 999,
  sac_mountain_car_continuous_initial_size = 2,
};

#define SAC_MOUNTAIN_CAR_CONTINUOUS_OPTIONS(X) X(mountain_car_continuous, REAL, goal_velocity, 0.0, -1e6, 1e6, "")

typedef struct sac_mountain_car_continuous_options {
  SAC_MOUNTAIN_CAR_CONTINUOUS_OPTIONS(SAC_TASK_MEMBER)
} sac_mountain_car_continuous_options;

SAC_TASK_SIZES(mountain_car_continuous)

typedef struct sac_mountain_car_continuous {
  double position;
  double velocity;
  double single;  // 1 after the first step: position and velocity are floats
} sac_mountain_car_continuous;

SAC_FN void sac_mountain_car_continuous_bounds(const sac_mountain_car_continuous_options* options, float* low,
                                               float* high) {
  (void)options;
  low[0] = -1;
  high[0] = 1;
}

SAC_FN void sac_mountain_car_continuous_reset(const sac_mountain_car_continuous_options* options,
                                              sac_mountain_car_continuous* state, uint64_t seed) {
  (void)options;
  state->position = sac_task_uniform(seed, 0, -0.6, -0.4);
  state->velocity = 0;
  state->single = 0;
}

SAC_FN void sac_mountain_car_continuous_start(const sac_mountain_car_continuous_options* options,
                                              sac_mountain_car_continuous* state, const double* initial) {
  (void)options;
  state->position = initial[0];
  state->velocity = initial[1];
  state->single = 0;
}

// x, or with `single` the float nearest to x. A sum or product of two floats, computed in double and then rounded to
// float, equals the one computed in float.
SAC_FN double sac_mountain_car_continuous_round(int single, double x) { return single ? (double)(float)x : x; }

SAC_FN int sac_mountain_car_continuous_step(const sac_mountain_car_continuous_options* options,
                                            sac_mountain_car_continuous* state, const real* action, double* reward) {
  // The constants of Gymnasium. raw: the action without limits.
  const double min_position = -1.2, max_position = 0.6, max_speed = 0.07, goal = 0.45, power = 0.0015;
  const int single = state->single != 0;
  const double raw = (double)action[0];

  // The force. A limited force is a Python float, which NumPy converts to the type of the state. An action within the
  // limits keeps its own type.
  const double slope = 0.0025 * cos(sac_mountain_car_continuous_round(single, 3 * state->position));
  const int limited = raw < -1 || raw > 1;
  const double push =
      limited ? (raw < 0 ? -1.0 : 1.0) * power - slope : (double)((real)(action[0] * (real)power) - (real)slope);
  int narrow = single && (limited || sizeof(real) == sizeof(float));  // the sums below are in float

  // the velocity
#define ROUND(x) sac_mountain_car_continuous_round(narrow, x)
  double velocity = ROUND(state->velocity + ROUND(push));
  double goal_velocity = ROUND(options->goal_velocity);
  // A limited velocity is a Python float. NumPy then computes the position in the state's type, and compares the
  // velocity with the goal's in double.
  if (velocity > ROUND(max_speed) || velocity < ROUND(-max_speed)) {
    velocity = velocity < 0 ? -max_speed : max_speed;
    goal_velocity = options->goal_velocity;
    narrow = single;
  }

  // The position. The car stops at the left bound.
  double position = ROUND(state->position + ROUND(velocity));
  if (position > ROUND(max_position)) position = max_position;
  if (position < ROUND(min_position)) position = ROUND(min_position);
  if (position == ROUND(min_position) && velocity < 0) velocity = 0;
  // whether the car reaches the flag, and is fast enough there
  const int terminated = position >= ROUND(goal) && velocity >= goal_velocity;
#undef ROUND

  // the reward, and the next state, which is float
  *reward = (terminated ? 100.0 : 0.0) - raw * raw * 0.1;
  state->position = (double)(float)position;
  state->velocity = (double)(float)velocity;
  state->single = 1;
  return terminated;
}

SAC_FN void sac_mountain_car_continuous_observe(const sac_mountain_car_continuous_options* options,
                                                const sac_mountain_car_continuous* state, float* obs) {
  (void)options;
  obs[0] = (float)state->position;
  obs[1] = (float)state->velocity;
}

#endif
