// A built-in environment: the functions that its file defines, and those that it may use.
//
// A file x.h defines, for the host and the device:
//
//   enum { sac_x_obs_size, sac_x_action_size, sac_x_actions, sac_x_max_episode_steps, sac_x_initial_size };
//                                          O, A, number of discrete actions (0: continuous), time limit (0: none),
//                                          how many numbers describe a state that comes from outside
//   SAC_X_OPTIONS(X)                       the keys of env.options: X(x, kind, name, default, low, high, choices). kind
//                                          is REAL (a double), BOOL or CHOICE (an int32_t: the number of a word in
//                                          "a|b")
//   sac_x_options                          the struct of these members
//   sac_x                                  the state: everything that a step depends on, doubles only
//   sac_x_bounds(options, low, high)       (A) each; not called for discrete actions
//   sac_x_reset(options, state, seed)      starts an episode from 64 bits
//   sac_x_start(options, state, initial)   sets the state to Gymnasium's `unwrapped.state` after a reset
//   sac_x_step(options, state, action, &reward)    one step; returns terminated
//   sac_x_observe(options, state, obs)     (O)
//
// and has a line in tasks.h. The functions depend on their arguments only: no memory, no static variables, no state of
// libm.
//
// The types are Gymnasium's, so that the numbers are equal. Gymnasium's states are double and its actions are float. In
// a mixed expression NumPy computes in float what consists of an action and constants. A cast to `real`
// (kernels/real.h), the type of the actions, marks these places. With SAC_REAL_DOUBLE the same source follows a
// Gymnasium with double actions.
#ifndef SAC_KERNELS_TASKS_TASK_H
#define SAC_KERNELS_TASKS_TASK_H

#include "kernels/random.h"
#include "kernels/real.h"

#define SAC_TASK_OBS_MAX 8
#define SAC_TASK_ACTION_MAX 4
#define SAC_TASK_INITIAL_MAX 8

#define SAC_PI 3.141592653589793238462643383279502884

// The stream of a reset, whose key is the episode's seed.
#define SAC_TASK_STREAM_RESET ((uint64_t)0)

// [task.uniform] Random number j of an episode's start, uniform in (low, high).
SAC_FN double sac_task_uniform(uint64_t seed, uint32_t j, double low, double high) {
  const sac_words words = sac_philox(seed, SAC_TASK_STREAM_RESET, j / 2);
  const uint32_t lane = 2 * (j % 2);
  return low + (high - low) * sac_uniform_double(words.word[lane], words.word[lane + 1]);
}

// x limited to [low, high]; a NaN stays a NaN.
SAC_FN double sac_task_clip(double x, double low, double high) {
  const double raised = x < low ? low : x;
  return raised > high ? high : raised;
}

// A member of an options struct, from its list.
#define SAC_TASK_MEMBER(task, kind, name, initial, low, high, choices) SAC_TASK_##kind name;
#define SAC_TASK_REAL double
#define SAC_TASK_BOOL int32_t
#define SAC_TASK_CHOICE int32_t

#endif
