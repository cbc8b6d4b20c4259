/* The checkpoints of a folder, by their names: step_N.safetensors is that of step N, `last` the newest of them. */
#ifndef SAC_AGENT_STEPS_H
#define SAC_AGENT_STEPS_H

#include <stdint.h>

#include "formats/safetensors.h"
#include "util/file.h"

#define SAC_STEP_NAME_MAX 64 /* chars that hold any name of a checkpoint */

/* "step_N.safetensors" */
void sac_step_name(char name[SAC_STEP_NAME_MAX], int64_t step);

/* The step of such a name, -1 for any other. */
int64_t sac_step_of(const char* name);

/* Lists the newest checkpoints of a folder, newest first. Returns how many, at most `max`; none where there is no such
 * folder; -1 where it cannot be read, which must not pass for an empty one: sac_last_error says why. */
int32_t sac_steps_list(const char* folder, int64_t* step, int32_t max);

/* The file that a user's path of a checkpoint or policy names. FOLDER/last is the newest checkpoint of that folder,
 * whether or not there is such a file: `last` is a link for people, which some file systems cannot have and a copy may
 * lose. Any other path is itself. Errors: FILE (too long, or the folder cannot be read). */
sac_status sac_steps_path(char path[SAC_PATH_MAX], const char* given);

/* Opens the file that sac_steps_path finds. Errors: as sac_safetensors_open. */
sac_status sac_steps_open(sac_safetensors** file, const char* given);

/* The step that the link FOLDER/last names, although its checkpoint is not there any more; -1: none. */
int64_t sac_steps_lost(const char* folder);

#endif
