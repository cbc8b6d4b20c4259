/* The files that a user's DIR stands for: a run folder, or one of its seed folders. */
#ifndef SAC_CLI_TARGET_H
#define SAC_CLI_TARGET_H

#include <stdint.h>

#include "util/file.h"

int sac_target_is_folder(const char* path);

/* The path of the checkpoint of a seed folder that is used: the last, or with `best` the one with the best evaluation.
 * Says on stderr when the run has come further. Errors: FILE (no seed folder, no checkpoint). */
sac_status sac_target_seed(const char* folder, int best, char path[SAC_PATH_MAX]);

/* Reads the first seed and the number of seeds of a run folder. Errors: FILE, FORMAT, CONFIG. */
sac_status sac_target_seeds(const char* folder, int64_t* seed, int64_t* seeds);

#endif
