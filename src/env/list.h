/* The environments that this build knows by name: the built-in tasks, then MuJoCo's. */
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

  /* Starts an episode in environment i from `initial` (initial_size), the state that an environment trace begins with
   * (verify/verify.h). Writes its observation, obs (O). Returns 0 for success. */
  int32_t initial_size;
  int (*start)(void* self, int32_t i, const double* initial, float* obs);

  /* Both may be NULL: such an environment can always be made, and its initial_size is always the same. */
  sac_status (*ready)(void);            /* OK: can be made here; ENV: the message says what is missing */
  int32_t (*initial_count)(void* self); /* the initial_size of an instance, where it depends on the model */

  /* One step of all environments with action (n, A) and reward (n) in double, for traces that were recorded with
   * float64 actions (sac verify). NULL: the task has another way (verify/wide.h), or none. */
  int (*step_wide)(void* self, const double* action, float* obs, double* reward, uint8_t* terminated);

  /* One step of all environments by the simulator alone, without rewards, observations, checks or ends of episodes. Its
   * speed is an upper bound for that of step (`sac bench env --bare`). Afterwards the instance's episodes are no longer
   * valid. action (n, A). NULL: there is no such loop. */
  int (*bare)(void* self, const float* action);
} sac_env_entry;

int32_t sac_env_count(void);
const sac_env_entry* sac_env_at(int32_t index);

/* NULL when the list has no such id. */
const sac_env_entry* sac_env_entry_find(const char* id);

/* Whether `id` names an environment from outside (a path, or gym:), whose code is loaded to find it. */
int sac_env_is_outside(const char* id);

/* Who implements `id`: "built in", "MuJoCo", "Gymnasium", or "plugin", which is also the answer for unknown ids. */
const char* sac_env_source(const char* id);

/* (count) The options that its env.options may hold; NULL and 0 when there are none. */
const sac_env_option* sac_env_options_of(const char* id, int32_t* count);

/* (sac_task_count) The CPU drivers of kernels/tasks (src/env/builtin.c), in the order of sac_tasks. */
extern const sac_env_entry sac_builtin_envs[];

/* (sac_mujoco_env_count) MuJoCo's tasks (src/env/mujoco/driver.c), in the order of src/env/mujoco/tasks.h. */
extern const sac_env_entry sac_mujoco_envs[];
extern const int32_t sac_mujoco_env_count;

/* The number of MuJoCo's warnings in this process, for example of a simulation that became unstable, and the text of
 * the last one. Any thread. */
uint64_t sac_mujoco_warnings(char last[SAC_SHOW_MAX]);

#endif
