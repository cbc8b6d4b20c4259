/* Recording episodes as videos. The environment that is played is Gymnasium's of the same id, as Gymnasium draws
 * pictures and has a recorder. */
#ifndef SAC_ENV_RECORD_H
#define SAC_ENV_RECORD_H

#include <stdint.h>

#include <sac/env.h>

#include "util/file.h"

typedef struct sac_env_record {
  const sac_env_api* api;
  char id[SAC_PATH_MAX]; /* gym:... */
  char* options;         /* a JSON object, for create */
} sac_env_record;

/* What is recorded. The texts are not owned. */
typedef struct sac_env_film {
  const char *folder, *name; /* of the videos */
  const char* camera;        /* as key eval.camera says; other tasks than MuJoCo's take "auto" and "default" alone */
  int64_t episodes;          /* how many will be played, for messages */
  int64_t steps;             /* after which an episode is cut, for messages; 0: as the environment says */
} sac_env_film;

/* Finds the environment that is played and recorded in place of `id` with `options` (a JSON object). An instance made
 * from `record` writes its episode I, counted from 0, to sac_env_record_path of I. In place of a task of ours
 * Gymnasium's is played: it has the same observations, actions and dynamics, but starts episodes from its own random
 * numbers. Makes the folder. `record` is the caller's to clear, also on failure. Errors: ENV (a plugin; no Python, see
 * env/gym.h), CONFIG (options), FILE, MEMORY. */
sac_status sac_env_record_make(sac_env_record* record, const char* id, const char* options, const sac_env_film* film);
void sac_env_record_clear(sac_env_record* record);

/* FOLDER/NAME-episode-I.mp4. Errors: FILE. */
sac_status sac_env_record_path(char path[SAC_PATH_MAX], const char* folder, const char* name, int64_t episode);

#endif
