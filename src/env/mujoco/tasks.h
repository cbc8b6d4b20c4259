/* The MuJoCo tasks: one line a task. The registry, the driver, `sac envs` and the tests are made from this list; it is
 * known also to a build without MuJoCo's headers. */
#ifndef SAC_ENV_MUJOCO_TASKS_H
#define SAC_ENV_MUJOCO_TASKS_H

#include <stdint.h>

#include "env/options.h"

/* X(name, id, summary): its file is src/env/mujoco/<name>.c and defines sac_mujoco_<name>. */
#define SAC_MUJOCO_TASKS(X)                                               \
  X(inverted_pendulum, "InvertedPendulum-v5", "balance a pole on a cart") \
  X(hopper, "Hopper-v5", "hop forwards on one leg")                       \
  X(half_cheetah, "HalfCheetah-v5", "run on two legs")

/* (count) NULL when there is no such task. */
const sac_env_option* sac_mujoco_options_of(const char* id, int32_t* count);

#endif
