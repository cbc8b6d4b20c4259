#include "env/list.h"

#include <string.h>
#include <strings.h>

#include "config/settings.h"
#include "env/guard.h"
#include "env/gym.h"
#include "env/mujoco/tasks.h"
#include "env/plugin.h"
#include "env/task.h"
#include "env/vector.h"
#include "util/error.h"
#include "util/program.h"
#include "util/text.h"

#define LISTED_MAX 64 /* ids among which the nearest is looked for */

/* Whether environment `id` has an option `threads`. */
static int takes_threads(const char* id) {
  int32_t count;
  const sac_env_option* option = sac_env_options_of(id, &count);
  for (int32_t i = 0; i < count; i++)
    if (strcmp(option[i].name, "threads") == 0) return 1;
  return 0;
}

/* What the room config needs to know of environments. */
const sac_env_facts sac_config_env = {takes_threads, sac_env_gym_task};

int32_t sac_env_count(void) { return sac_task_count + sac_mujoco_env_count; }

const sac_env_entry* sac_env_at(int32_t index) {
  if (index < 0 || index >= sac_env_count()) return NULL;
  return index < sac_task_count ? &sac_builtin_envs[index] : &sac_mujoco_envs[index - sac_task_count];
}

const sac_env_option* sac_env_options_of(const char* id, int32_t* count) {
  const sac_task* task = sac_task_find(id);
  *count = task ? task->option_count : 0;
  if (task) return task->options;
  return sac_mujoco_options_of(id, count);
}

const sac_env_entry* sac_env_entry_find(const char* id) {
  for (int32_t i = 0; id && i < sac_env_count(); i++)
    if (strcmp(sac_env_at(i)->id, id) == 0) return sac_env_at(i);
  return NULL;
}

int sac_env_is_outside(const char* id) { return sac_env_is_gym(id) || sac_env_is_plugin(id); }

const char* sac_env_source(const char* id) {
  if (sac_task_find(id)) return "built in";
  return sac_env_entry_find(id) ? "MuJoCo" : sac_env_is_gym(id) ? "Gymnasium" : "plugin";
}

/* Fails for an id that is of no kind, and says what was probably meant. */
static sac_status unknown(const char* id) {
  const char* ids[LISTED_MAX];
  const int32_t count = sac_env_count() < LISTED_MAX ? sac_env_count() : LISTED_MAX;
  char shown[SAC_SHOW_MAX], task[SAC_SHOW_MAX];
  const size_t length = strlen(id);
  const char* colon = strchr(id, ':');
  sac_text_show(shown, id, SIZE_MAX);

  /* a file in the current folder, which is a path only with a slash */
  if ((length > 3 && strcmp(id + length - 3, ".so") == 0) || strstr(id, ".so."))
    return sac_fail(SAC_ERROR_ENV, "no environment '%s': your own shared object is named by its path, ./%s", shown,
                    shown);
  if (length > 3 && strcmp(id + length - 3, ".py") == 0)
    return sac_fail(SAC_ERROR_ENV,
                    "no environment '%s': an environment in Python is registered in Gymnasium, and named gym:MODULE:ID",
                    shown);

  /* another spelling of gym: */
  if (colon && strncasecmp(id, "gym", 3) == 0)
    return sac_fail(SAC_ERROR_ENV, "no environment '%s': those of Gymnasium are named gym:%s", shown,
                    sac_text_show(task, colon + 1, SIZE_MAX));

  /* the nearest of the list */
  for (int32_t i = 0; i < count; i++) ids[i] = sac_env_at(i)->id;
  const char* near = sac_nearest(id, ids, (size_t)count);
  if (near)
    return sac_fail(SAC_ERROR_ENV, "no environment '%s'; nearest is %s. Gymnasium's own: gym:%s", shown, near, shown);
  return sac_fail(SAC_ERROR_ENV, "no environment '%s' ('%s envs' lists them). Gymnasium's own: gym:%s", shown,
                  sac_program(), shown);
}

sac_status sac_env_find(const char* id, const sac_env_api** api) {
  *api = NULL;

  /* an environment of the list: give its table when it can be made here */
  const sac_env_entry* entry = sac_env_entry_find(id);
  if (entry) {
    const sac_status status = entry->ready ? entry->ready() : SAC_OK;
    if (status == SAC_OK) *api = entry->api;
    return status;
  }
  if (!id || !*id)
    return sac_fail(SAC_ERROR_ENV, "no environment is named: set env.id ('%s envs' lists them)", sac_program());

  /* an environment from outside, whose code is loaded, and may change the process then */
  if (sac_env_is_outside(id)) {
    char name[SAC_SHOW_MAX];
    sac_guard guard = sac_guard_create(1);
    sac_guard_enter(&guard, (sac_env_place){sac_text_show(name, id, SIZE_MAX), "load", 0}, 1);
    const sac_status status = sac_env_is_gym(id) ? sac_env_gym_load(id, api) : sac_env_plugin_load(id, api);
    sac_guard_leave(&guard);
    sac_guard_destroy(&guard);
    return status;
  }

  return unknown(id);
}
