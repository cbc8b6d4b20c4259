#include "env/task.h"

#include <string.h>

#include "kernels/tasks/tasks.h"
#include "util/error.h"
#include "util/memory.h"

/* An option, from a line of the task's list of options. */
#define OPTION(task, kind, name, initial, low, high, choices) \
  {#name, SAC_ENV_OPTION_##kind, offsetof(sac_##task##_options, name), initial, low, high, choices},

/* A task's list of options, its bounds of actions, its sizes, and checks that it fits the limits that tasks share. The
 * list ends with an empty entry, as a task may have no options and an array needs at least one entry. */
#define PARTS(name, NAME, id, summary)                                                                                \
  static const sac_env_option name##_options[] = {                                                                    \
      SAC_##NAME##_OPTIONS(OPTION){NULL, SAC_ENV_OPTION_REAL, 0, 0, 0, 0, ""}};                                       \
  static void name##_bounds(const void* options, float* low, float* high) {                                           \
    sac_##name##_bounds((const sac_##name##_options*)options, low, high);                                             \
  }                                                                                                                   \
  static void name##_sizes(const void* options, int32_t* obs, int32_t* actions) {                                     \
    *obs = sac_##name##_obs_of((const sac_##name##_options*)options);                                                 \
    *actions = sac_##name##_actions_of((const sac_##name##_options*)options);                                         \
  }                                                                                                                   \
  _Static_assert(sizeof name##_options / sizeof(sac_env_option) <= SAC_ENV_OPTIONS_MAX, "raise SAC_ENV_OPTIONS_MAX"); \
  _Static_assert(sac_##name##_obs_size <= SAC_TASK_OBS_MAX, "raise SAC_TASK_OBS_MAX");                                \
  _Static_assert(sac_##name##_action_size <= SAC_TASK_ACTION_MAX, "raise SAC_TASK_ACTION_MAX");                       \
  _Static_assert(sac_##name##_initial_size <= SAC_TASK_INITIAL_MAX, "raise SAC_TASK_INITIAL_MAX");

SAC_TASKS(PARTS)

/* A task, from its line of kernels/tasks/tasks.h. The empty entry is not counted as an option. */
#define TASK(name, NAME, id_, summary_)                                           \
  {.id = id_,                                                                     \
   .summary = summary_,                                                           \
   .obs_size = sac_##name##_obs_size,                                             \
   .action_size = sac_##name##_action_size,                                       \
   .actions = sac_##name##_actions,                                               \
   .max_episode_steps = sac_##name##_max_episode_steps,                           \
   .initial_size = sac_##name##_initial_size,                                     \
   .state_size = sizeof(sac_##name),                                              \
   .options_size = sizeof(sac_##name##_options),                                  \
   .options = name##_options,                                                     \
   .option_count = (int32_t)(sizeof name##_options / sizeof *name##_options) - 1, \
   .sizes = name##_sizes,                                                         \
   .bounds = name##_bounds},

const sac_task sac_tasks[] = {SAC_TASKS(TASK)};
const int32_t sac_task_count = (int32_t)(sizeof sac_tasks / sizeof *sac_tasks);

const sac_task* sac_task_find(const char* id) {
  for (int32_t i = 0; i < sac_task_count; i++)
    if (strcmp(sac_tasks[i].id, id) == 0) return &sac_tasks[i];
  return NULL;
}

sac_status sac_task_sizes(const sac_task* task, const char* json, int32_t* obs, int32_t* actions) {
  sac_status status = SAC_OK;
  void* options = sac_alloc(task->options_size);
  if (!options) return sac_fail(SAC_ERROR_MEMORY, "not enough memory for the options of %s", task->id);
  SAC_TRY(sac_env_options_read(task->options, task->option_count, task->id, json, options));
  task->sizes(options, obs, actions);
fail:
  sac_free(options);
  return status;
}
