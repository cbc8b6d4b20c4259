/* The environments that this build knows by name: built-in tasks, then MuJoCo's. One entry a line of a list. */
#ifndef SAC_ENV_LIST_H
#define SAC_ENV_LIST_H

#include <stdint.h>

#include <sac/env.h>

#include "env/options.h"
#include "util/text.h"

typedef struct sac_env_entry {
  const char* id;
  const char* summary;
  const sac_env_api* api;

  /* Puts environment i into the state that an environment trace calls `initial` (verify/verify.h), initial_size
   * numbers: an episode's start as Gymnasium reports it. 0 for success. Writes its observation, obs (O). */
  int32_t initial_size;
  int (*start)(void* self, int32_t i, const double* initial, float* obs);

  /* NULL for what is always there and always the same. */
  sac_status (*ready)(void);            /* whether it can be made here; ENV: says what is missing */
  int32_t (*initial_count)(void* self); /* initial_size, where that depends on the instance */

  /* One step of all from actions in double, for traces of a Gymnasium that was fed float64 ones (sac verify). Rewards
   * are double too. NULL: the task has another way (verify/wide.h), or none. */
  int (*step_wide)(void* self, const double* action, float* obs, double* reward, uint8_t* terminated);

  /* One step of all by the simulator alone: no rewards, observations, checks or ends of episodes. What step can be at
   * most, for `sac bench env --bare`; the instance's episodes are spoilt. action (n, A). NULL: there is none. */
  int (*bare)(void* self, const float* action);
} sac_env_entry;

int32_t sac_env_count(void);
const sac_env_entry* sac_env_at(int32_t index);

/* NULL when there is none. */
const sac_env_entry* sac_env_entry_find(const char* id);

/* Whether `id` names an environment from outside, whose code finding it loads: a path, or gym:. */
int sac_env_is_outside(const char* id);

/* Whose dynamics `id` has: "built in", "MuJoCo", "Gymnasium", or "plugin". */
const char* sac_env_source(const char* id);

/* (count) What its env.options may hold; NULL and 0 where that is nothing. */
const sac_env_option* sac_env_options_of(const char* id, int32_t* count);

/* The drivers of kernels/tasks on the CPU (src/env/builtin.c): (sac_task_count), in its order. */
extern const sac_env_entry sac_builtin_envs[];

/* MuJoCo's tasks (src/env/mujoco/driver.c): (sac_mujoco_env_count), in the order of src/env/mujoco/tasks.h. */
extern const sac_env_entry sac_mujoco_envs[];
extern const int32_t sac_mujoco_env_count;

/* How often MuJoCo has warned in this process, as of a simulation that became unstable, and of what last. Any thread.
 */
uint64_t sac_mujoco_warnings(char last[SAC_SHOW_MAX]);

#endif
