#include "agent/steps.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "util/error.h"

#define LAST "last"

void sac_step_name(char name[SAC_STEP_NAME_MAX], int64_t step) {
  (void)snprintf(name, SAC_STEP_NAME_MAX, "step_%lld.safetensors", (long long)step);
}

int64_t sac_step_of(const char* name) {
  char again[SAC_STEP_NAME_MAX];
  if (strncmp(name, "step_", 5) != 0) return -1;

  /* print the step again: only the exact form is a checkpoint, not "step_07" or "step_7.part" */
  const long long step = strtoll(name + 5, NULL, 10);
  if (step < 0) return -1;
  sac_step_name(again, step);
  return strcmp(name, again) == 0 ? step : -1;
}

static int32_t unreadable(const char* path) {
  (void)sac_fail(SAC_ERROR_FILE, "cannot read folder %s: %s", path, strerror(errno));
  return -1;
}

int32_t sac_steps_list(const char* path, int64_t* step, int32_t max) {
  int32_t count = 0;
  DIR* folder = opendir(path);
  if (!folder && (errno == ENOENT || errno == ENOTDIR)) return 0;
  if (!folder) return unreadable(path);

  /* keep the newest `max` steps; readdir tells an error from the end by errno alone */
  errno = 0;
  for (struct dirent* entry; (entry = readdir(folder)); errno = 0) {
    const int64_t found = sac_step_of(entry->d_name);
    if (found < 0) continue;

    /* insert the step; the oldest one falls out of a full list */
    int32_t at = count < max ? count++ : max;
    for (; at > 0 && step[at - 1] < found; at--)
      if (at < max) step[at] = step[at - 1];
    if (at < max) step[at] = found;
  }
  if (errno != 0) count = unreadable(path);
  closedir(folder);
  return count;
}

sac_status sac_steps_path(char path[SAC_PATH_MAX], const char* given) {
  char folder[SAC_PATH_MAX], name[SAC_STEP_NAME_MAX];
  int64_t newest;
  sac_status status = SAC_OK;

  /* any other name stays; so does a file `last` in a folder without checkpoints */
  const char *slash = strrchr(given, '/'), *last = slash ? slash + 1 : given;
  SAC_TRY(sac_path(path, "%s", given));
  if (strcmp(last, LAST) != 0) return SAC_OK;
  SAC_TRY(sac_path(folder, "%.*s", slash ? (int)(last - given) : 1, slash ? given : "."));
  const int32_t count = sac_steps_list(folder, &newest, 1);
  if (count < 1) return count < 0 ? SAC_ERROR_FILE : SAC_OK;

  /* put the name of the newest checkpoint in place of `last` */
  sac_step_name(name, newest);
  SAC_TRY(sac_path(path, "%.*s%s", (int)(last - given), given, name));
fail:
  return status;
}

sac_status sac_steps_open(sac_safetensors** file, const char* given) {
  char path[SAC_PATH_MAX];
  *file = NULL;
  const sac_status status = sac_steps_path(path, given);
  return status == SAC_OK ? sac_safetensors_open(file, path) : status;
}

int64_t sac_steps_lost(const char* folder) {
  char path[SAC_PATH_MAX], target[SAC_STEP_NAME_MAX] = "";
  if (sac_path(path, "%s/" LAST, folder) != SAC_OK || readlink(path, target, sizeof target - 1) < 0) return -1;
  return access(path, F_OK) == 0 ? -1 : sac_step_of(target);
}
