/* The run folder: its name, its lock, and the files in it that are for people.
 *
 *   runs/Pendulum-v1/20261124-1530/{config.yaml, machine.json, log.txt, seed_1/, seed_2/, ...}
 *
 * config.yaml is written last and whole: a folder with one holds a run, with a checkpoint to resume from. */
#ifndef SAC_TRAIN_FOLDER_H
#define SAC_TRAIN_FOLDER_H

#include <stdint.h>
#include <stdio.h>

#include "util/file.h"

typedef struct sac_folder {
  char path[SAC_PATH_MAX];
  int made; /* 1: did not exist before, and holds no run yet */
  int lock; /* -1: not held */
  FILE* log;
} sac_folder;

/* Makes (or takes, when it holds no run yet) the folder `out`, "": runs/ENV/DATE-TIME, with a suffix when that exists,
 * and locks it. Errors: FILE (in use, holds a run, cannot be made), MEMORY. */
sac_status sac_folder_create(sac_folder** folder, const char* out, const char* env_id);

/* Locks a folder that holds a run. Errors: FILE (missing, holds none, in use), MEMORY. */
sac_status sac_folder_open(sac_folder** folder, const char* path);

/* Unlocks; removes a folder that was made here and holds nothing yet. Takes NULL. */
void sac_folder_close(sac_folder* folder);

/* Whether `path` holds a run, finished or not. */
int sac_folder_holds_run(const char* path);

/* PATH/seed_S: what one agent writes. Errors: FILE. */
sac_status sac_folder_seed(const char* folder, uint64_t seed, char path[SAC_PATH_MAX]);

/* A line of log.txt. Never fails: what cannot be written there is still shown by the callbacks. */
void sac_folder_log(sac_folder* folder, const char* line);

/* config.yaml: whole or not there; from then on the folder holds a run. Errors: FILE. */
sac_status sac_folder_config_write(sac_folder* folder, const char* text);

/* Its bytes, the caller's. Errors: FILE, MEMORY. */
sac_status sac_folder_config_read(const char* path, char** text, size_t* size);

/* failed.txt of a seed folder: the agent was stopped at `step` by a value that is not finite. */
sac_status sac_failed_write(const char* seed_folder, int64_t step, const char* reason);
int64_t sac_failed_step(const char* seed_folder); /* -1: it was not */
void sac_failed_clear(const char* seed_folder);

#endif
