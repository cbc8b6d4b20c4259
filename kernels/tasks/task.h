// A built-in environment: the functions that its file defines, and those that it may use.
//
// A file x.h defines, for the host and the device:
//
//   enum { sac_x_obs_size, sac_x_action_size, sac_x_actions, sac_x_max_episode_steps, sac_x_initial_size };
//                                          O, A, number of discrete actions (0: continuous), time limit (0: none),
//                                          how many numbers describe a state that comes from outside
//   SAC_X_OPTIONS(X)                       the keys of env.options: X(x, kind, name, default, low, high, choices). kind
//                                          is REAL (a double), INT, BOOL or CHOICE (an int32_t: a whole number, 0 or 1,
//                                          the number of a word in "a|b")
//   sac_x_options                          the struct of these members
//   SAC_TASK_SIZES(x)                      says that O and the number of actions are those of the enum. A task whose
//                                          options decide them defines instead
//   sac_x_obs_of(options), sac_x_actions_of(options)
//                                          O and the number of actions, at most those of the enum, which are then the
//                                          largest
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

#define SAC_TASK_OBS_MAX 64
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

// The sizes of a task whose options do not change them: constants for the compiler.
#define SAC_TASK_SIZES(task)                                                    \
  SAC_FN int32_t sac_##task##_obs_of(const sac_##task##_options* options) {     \
    (void)options;                                                              \
    return sac_##task##_obs_size;                                               \
  }                                                                             \
  SAC_FN int32_t sac_##task##_actions_of(const sac_##task##_options* options) { \
    (void)options;                                                              \
    return sac_##task##_actions;                                                \
  }

// A member of an options struct, from its list.
#define SAC_TASK_MEMBER(task, kind, name, initial, low, high, choices) SAC_TASK_##kind name;
#define SAC_TASK_REAL double
#define SAC_TASK_INT int32_t
#define SAC_TASK_BOOL int32_t
#define SAC_TASK_CHOICE int32_t

#endif
