/* Recording episodes as videos. Gymnasium's environment of the same id is played, as it draws pictures and has a
 * recorder. */
#ifndef SAC_ENV_RECORD_H
#define SAC_ENV_RECORD_H

#include <stdint.h>

#include <sac/env.h>

#include "util/file.h"

typedef struct sac_env_record {
  const sac_env_api* api;
  char id[SAC_PATH_MAX]; /* gym:... */
  char* options;         /* a JSON object */
} sac_env_record;

/* Finds what to make in place of environment `id` with `options` (a JSON object). The episodes that its instance plays
 * are written to sac_env_record_path of 0, 1, ... Makes the folder. In place of a task of ours, Gymnasium's is played:
 * it has the same observations, actions and dynamics, but starts episodes from its own random numbers. `record` is the
 * caller's to clear, also on failure. Errors: ENV (a plugin; no Python, see env/gym.h), CONFIG (options), FILE, MEMORY.
 */
sac_status sac_env_record_make(sac_env_record* record, const char* id, const char* options, const char* folder,
                               const char* name);
void sac_env_record_clear(sac_env_record* record);

/* FOLDER/NAME-episode-I.mp4. Errors: FILE. */
sac_status sac_env_record_path(char path[SAC_PATH_MAX], const char* folder, const char* name, int64_t episode);

#endif
