/* The MuJoCo tasks: one line for each. The registry, the driver, `sac envs` and the tests are made from this list. */
#ifndef SAC_ENV_MUJOCO_TASKS_H
#define SAC_ENV_MUJOCO_TASKS_H

#include <stdint.h>

#include "env/options.h"

/* X(name, id, summary): its file is src/env/mujoco/<name>.c and defines sac_mujoco_<name>. */
#define SAC_MUJOCO_TASKS(X)                                                                      \
  X(inverted_pendulum, "InvertedPendulum-v5", "balance a pole on a cart")                        \
  X(inverted_double_pendulum, "InvertedDoublePendulum-v5", "balance two linked poles on a cart") \
  X(reacher, "Reacher-v5", "bring the tip of an arm to a target")                                \
  X(pusher, "Pusher-v5", "push a cylinder to a goal")                                            \
  X(swimmer, "Swimmer-v5", "swim with three links")                                              \
  X(hopper, "Hopper-v5", "hop on one leg")                                                       \
  X(walker2d, "Walker2d-v5", "walk on two legs in a plane")                                      \
  X(half_cheetah, "HalfCheetah-v5", "run on two legs in a plane")                                \
  X(ant, "Ant-v5", "walk on four legs")                                                          \
  X(humanoid, "Humanoid-v5", "walk on two legs")                                                 \
  X(humanoid_standup, "HumanoidStandup-v5", "get up from lying")

/* (count) The options of task `id`; NULL when there is no such task. */
const sac_env_option* sac_mujoco_options_of(const char* id, int32_t* count);

#endif
