/* The run folder: its name, its lock, config.yaml and log.txt.
 *
 *   runs/Pendulum-v1/20261124-1530/{config.yaml, machine.json, log.txt, seed_1/, seed_2/, ...}
 *
 * config.yaml is written last: a folder that has one holds a run, with a checkpoint to resume from. */
#ifndef SAC_TRAIN_FOLDER_H
#define SAC_TRAIN_FOLDER_H

#include <stdint.h>

#include "config/settings.h"
#include "util/file.h"

typedef struct sac_folder {
  char path[SAC_PATH_MAX];  /* absolute, as an environment may change the working folder */
  char shown[SAC_PATH_MAX]; /* as it was given, for messages */
  int created;              /* 1: created here, and holds no run yet */
  int lock;                 /* of util/lock.h; -1: none */
  int held;                 /* 0: the lock is not held, or the file system has none */
  int log;                  /* descriptor of log.txt; -1: closed */
  int log_flags;            /* it was opened with */
  uint64_t log_before;      /* bytes in log.txt when it was opened */
  int64_t log_lost;         /* lines that could not be written since the last one that was */
  int log_error;            /* errno of the last line of log.txt; 0: it was written */
} sac_folder;

/* Creates the folder `out`, or uses it when it exists and holds no run, and locks it. out: "" for runs/ENV/DATE-TIME,
 * with a suffix when that exists. Errors: FILE (in use, holds a run, cannot be created), MEMORY. */
sac_status sac_folder_create(sac_folder** folder, const char* out, const char* env_id);

/* Locks a folder that holds a run. Errors: FILE (missing, holds no run, in use), MEMORY. */
sac_status sac_folder_open(sac_folder** folder, const char* path);

/* Unlocks the folder; deletes it when it was created here and holds no run. Takes NULL. */
void sac_folder_close(sac_folder* folder);

/* Whether `path` holds a run, finished or not. */
int sac_folder_holds_run(const char* path);

/* Checks that a new run may be written to `path`: it is missing, or holds neither a run nor files of something else.
 * Errors: FILE. */
sac_status sac_folder_check_new(const char* path);

/* Fails because `path` holds no run: says what it is instead, and which run is meant. Errors: FILE, always. */
sac_status sac_folder_no_run(const char* path);

/* The seed folder of one agent: PATH/seed_S. Errors: FILE. */
sac_status sac_folder_seed(const char* folder, uint64_t seed, char path[SAC_PATH_MAX]);

/* Writes a line to log.txt. Returns 0 if the file cannot be written now: folder->log_error says why. When it can be
 * written again, a line says how many are missing there. */
int sac_folder_log(sac_folder* folder, const char* line);

/* Syncs log.txt to the disk (sac_sync_named). size: receives its bytes. Errors: FILE, MEMORY. */
sac_status sac_folder_log_sync(sac_folder* folder, uint64_t* size, int* again);

/* Writes config.yaml by a rename, so that it is complete or absent. From then on the folder holds a run.
 * Errors: FILE. */
sac_status sac_folder_config_write(sac_folder* folder, const char* text);

/* Reads config.yaml; *config becomes the caller's. Errors: FILE, CONFIG, MEMORY. */
sac_status sac_folder_config_read(const char* path, sac_config** config);

/* Writes, reads and deletes failed.txt of a seed folder. The file says that the agent stopped at `step`, because a
 * value was not finite. */
sac_status sac_failed_write(const char* seed_folder, int64_t step, const char* reason);
int64_t sac_failed_step(const char* seed_folder); /* -1: it has not stopped */
void sac_failed_clear(const char* seed_folder);

#endif
