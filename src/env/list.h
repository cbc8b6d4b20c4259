/* The environments that this build knows by name: built-in tasks, and later MuJoCo's. One entry a line of a list. */
#ifndef SAC_ENV_LIST_H
#define SAC_ENV_LIST_H

#include <stdint.h>

#include <sac/env.h>

typedef struct sac_env_entry {
  const char* id;
  const char* summary;
  const sac_env_api* api;

  /* Puts environment i into the state that an environment trace calls `initial` (DESIGN section 9), initial_size
   * numbers: an episode's start as Gymnasium reports it. 0 for success. Writes its observation, obs (O). */
  int32_t initial_size;
  int (*start)(void* self, int32_t i, const double* initial, float* obs);
} sac_env_entry;

int32_t sac_env_count(void);
const sac_env_entry* sac_env_at(int32_t index);

/* NULL when there is none. */
const sac_env_entry* sac_env_entry_find(const char* id);

/* Whether `id` names an environment from outside, whose code finding it loads: a path, or gym:. */
int sac_env_is_outside(const char* id);

/* The drivers of kernels/tasks on the CPU (src/cpu/env.c): (sac_task_count), in its order. */
extern const sac_env_entry sac_cpu_envs[];

#endif
