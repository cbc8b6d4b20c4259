/* The files of another run that a run starts from: which folder of it belongs to a seed, and which checkpoint. */
#ifndef SAC_TRAIN_SOURCE_H
#define SAC_TRAIN_SOURCE_H

#include <stdint.h>

#include "util/file.h"

/* Whether `path` is a folder. */
int sac_is_folder(const char* path);

/* Finds the seed folder of `path`, which is a run folder or a seed folder: of a run, the folder of *seed or the only
 * one. seed: NULL asks for the only one. Errors: FILE (no run, several seeds and none of them is *seed). */
sac_status sac_source_folder(const char* path, const uint64_t* seed, char folder[SAC_PATH_MAX]);

/* Finds the newest checkpoint of a seed folder. Errors: FILE (there is none). */
sac_status sac_source_step(const char* folder, int64_t* step, char file[SAC_PATH_MAX]);

/* Finds the file that a path means: of a folder the newest checkpoint, otherwise the file itself. Errors: FILE. */
sac_status sac_source_file(const char* path, const uint64_t* seed, char file[SAC_PATH_MAX]);

/* Checks that this file is there and can be read. Errors: FILE, FORMAT, MEMORY. */
sac_status sac_source_check(const char* path, const uint64_t* seed);

#endif
