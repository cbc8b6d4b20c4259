/* The drivers of the built-in tasks on the CPU, one for each line of kernels/tasks/tasks.h.
 *
 * A macro makes the loops over environments for each task, so that the compiler inlines the task's functions into them.
 * What happens once an instance is ordinary code for all tasks, which reads the task's description (env/task.h). */
#include <stdio.h>
#include <string.h>

#include "env/list.h"
#include "env/task.h"
#include "env/vector.h"
#include "kernels/discrete.h"
#include "kernels/tasks/tasks.h"
#include "util/error.h"
#include "util/memory.h"

#define ERROR_MAX 512

typedef struct instance {
  const sac_task* task;
  int32_t n;            /* environments */
  int32_t actions;      /* number of discrete actions; 0: continuous */
  void* options;        /* task->options_size bytes */
  unsigned char* state; /* (n) of task->state_size bytes */
  float low[SAC_TASK_ACTION_MAX], high[SAC_TASK_ACTION_MAX];
  char error[ERROR_MAX];
} instance;

static const char* env_error(void* self) { return ((const instance*)self)->error; }

static void env_destroy(void* self) {
  instance* env = self;
  if (!env) return;
  sac_free(env->options);
  sac_free(env->state);
  sac_free(env);
}

static int env_create(void** self, const char* id, int32_t n, const char* options, sac_env_spec* spec) {
  /* *self is set also when this fails: the caller reads the error text from it */
  instance* env = *self = sac_alloc(sizeof(instance));
  if (!env) return SAC_ERROR_MEMORY;

  /* the task */
  const sac_task* task = env->task = sac_task_find(id);
  env->n = n;
  if (!task || n < 1) {
    (void)snprintf(env->error, sizeof env->error, "there are no %d environments of '%.64s'", (int)n, id);
    return SAC_ERROR_ENV;
  }

  /* memory for its options and states */
  env->options = sac_alloc(task->options_size);
  env->state = sac_alloc(sac_bytes((size_t)n, task->state_size));
  if (!env->options || !env->state) {
    (void)snprintf(env->error, sizeof env->error, "not enough memory for %d environments", (int)n);
    return SAC_ERROR_MEMORY;
  }

  /* read the options; the instance keeps the message */
  const sac_status status = sac_env_options_read(task->options, task->option_count, id, options, env->options);
  if (status != SAC_OK) {
    (void)snprintf(env->error, sizeof env->error, "%s", sac_last_error());
    return (int)status;
  }

  /* tell sizes and bounds; discrete actions have no bounds */
  int32_t obs_size;
  task->sizes(env->options, &obs_size, &env->actions);
  if (task->actions == 0) task->bounds(env->options, env->low, env->high);
  *spec = (sac_env_spec){.obs_size = obs_size,
                         .action_size = task->action_size,
                         .actions = env->actions,
                         .max_episode_steps = task->max_episode_steps,
                         .action_low = task->actions == 0 ? env->low : NULL,
                         .action_high = task->actions == 0 ? env->high : NULL};
  return SAC_OK;
}

static size_t env_state_size(void* self) { return ((const instance*)self)->task->state_size; }

static int env_state_get(void* self, int32_t i, void* state) {
  const instance* env = self;
  const size_t size = env->task->state_size;
  memcpy(state, env->state + (size_t)i * size, size);
  return SAC_OK;
}

static int env_state_set(void* self, int32_t i, const void* state) {
  instance* env = self;
  const size_t size = env->task->state_size;
  memcpy(env->state + (size_t)i * size, state, size);
  return SAC_OK;
}

/* Says in the error text which action is wrong. */
static int bad_action(instance* env, int32_t i, float action) {
  (void)snprintf(env->error, sizeof env->error, "action %.9g of environment %d is no number of an action: 0 to %d are",
                 (double)action, (int)i, (int)env->actions - 1);
  return SAC_ERROR_ENV;
}

/* A task's functions and its table.
 *
 * reset, step: options are copied to the stack, so the compiler knows that the loop's stores do not change them.
 * step: all discrete actions are checked before any environment moves. No task truncates: the vector applies the limit.
 * The last four of the table are info_names, info (the tasks have none), concurrent and describe. */
#define DRIVER(name, NAME, id, summary)                                                                           \
  static int name##_reset(void* self, const uint8_t* mask, const uint64_t* seed, float* obs) {                    \
    const instance* env = self;                                                                                   \
    const sac_##name##_options options = *(const sac_##name##_options*)env->options;                              \
    sac_##name* state = (sac_##name*)(void*)env->state;                                                           \
    const size_t size = (size_t)sac_##name##_obs_of(&options);                                                    \
    for (int32_t i = 0; i < env->n; i++) {                                                                        \
      if (!mask[i]) continue;                                                                                     \
      sac_##name##_reset(&options, &state[i], seed[i]);                                                           \
      sac_##name##_observe(&options, &state[i], obs + (size_t)i * size);                                          \
    }                                                                                                             \
    return SAC_OK;                                                                                                \
  }                                                                                                               \
  static int name##_step(void* self, const float* action, float* obs, float* reward, uint8_t* terminated,         \
                         uint8_t* truncated) {                                                                    \
    instance* env = self;                                                                                         \
    const int32_t n = env->n;                                                                                     \
    const sac_##name##_options options = *(const sac_##name##_options*)env->options;                              \
    sac_##name* state = (sac_##name*)(void*)env->state;                                                           \
    const size_t size = (size_t)sac_##name##_obs_of(&options);                                                    \
    for (int32_t i = 0; sac_##name##_actions > 0 && i < n; i++)                                                   \
      if (!sac_action_exists(action[i], sac_##name##_actions_of(&options))) return bad_action(env, i, action[i]); \
    for (int32_t i = 0; i < n; i++) {                                                                             \
      sac_##name next = state[i];                                                                                 \
      double exact;                                                                                               \
      terminated[i] =                                                                                             \
          (uint8_t)sac_##name##_step(&options, &next, action + (size_t)i * sac_##name##_action_size, &exact);     \
      reward[i] = (float)exact;                                                                                   \
      sac_##name##_observe(&options, &next, obs + (size_t)i * size);                                              \
      state[i] = next;                                                                                            \
    }                                                                                                             \
    memset(truncated, 0, (size_t)n);                                                                              \
    return SAC_OK;                                                                                                \
  }                                                                                                               \
  static int name##_start(void* self, int32_t i, const double* initial, float* obs) {                             \
    const instance* env = self;                                                                                   \
    const sac_##name##_options* options = (const sac_##name##_options*)env->options;                              \
    sac_##name* state = (sac_##name*)(void*)env->state + i;                                                       \
    sac_##name##_start(options, state, initial);                                                                  \
    sac_##name##_observe(options, state, obs);                                                                    \
    return SAC_OK;                                                                                                \
  }                                                                                                               \
  static const sac_env_api name##_api = {SAC_ENV_ABI,                                                             \
                                         sizeof(sac_env_api),                                                     \
                                         id,                                                                      \
                                         env_create,                                                              \
                                         name##_reset,                                                            \
                                         name##_step,                                                             \
                                         env_destroy,                                                             \
                                         env_error,                                                               \
                                         env_state_size,                                                          \
                                         env_state_get,                                                           \
                                         env_state_set,                                                           \
                                         NULL,                                                                    \
                                         NULL,                                                                    \
                                         1,                                                                       \
                                         NULL};
SAC_TASKS(DRIVER)

/* The four functions behind `start` are NULL: a built-in task can always be made, always starts from as many numbers,
 * replays float64 actions another way (verify/wide.h), and has no simulator of its own. */
#define ENTRY(name, NAME, id, summary) \
  {id, summary, &name##_api, sac_##name##_initial_size, name##_start, NULL, NULL, NULL, NULL},
const sac_env_entry sac_builtin_envs[] = {SAC_TASKS(ENTRY)};
