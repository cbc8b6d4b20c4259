/* The tasks of kernels/tasks as data, for their drivers on the CPU and on CUDA. */
#ifndef SAC_ENV_TASK_H
#define SAC_ENV_TASK_H

#include <stddef.h>
#include <stdint.h>

#include <sac/env.h>
#include <sac/status.h>

#include "env/options.h"

typedef struct sac_task {
  const char* id;
  const char* summary;
  int32_t obs_size, action_size, actions, max_episode_steps; /* as in sac_env_spec; see `sizes` */
  int32_t initial_size;            /* numbers of the state that an environment trace starts from */
  size_t state_size, options_size; /* bytes of the task's structs */
  const sac_env_option* options;   /* (option_count) */
  int32_t option_count;
  void (*bounds)(const void* options, float* low, float* high); /* (A) each */

  /* The obs_size and actions of an instance with these options. Those above are the largest. */
  void (*sizes)(const void* options, int32_t* obs, int32_t* actions);
} sac_task;

extern const sac_task sac_tasks[]; /* (sac_task_count) in the order of kernels/tasks/tasks.h */
extern const int32_t sac_task_count;

/* The task `id`; NULL when there is none. */
const sac_task* sac_task_find(const char* id);

/* The obs_size and actions of an instance with these options (a JSON object, or NULL). Errors: CONFIG, MEMORY. */
sac_status sac_task_sizes(const sac_task* task, const char* json, int32_t* obs, int32_t* actions);

#endif
