/* What sac_gym.so exports beside sac_env_plugin. */
#ifndef SAC_ENV_GYM_GYM_H
#define SAC_ENV_GYM_GYM_H

#include <stddef.h>

#define SAC_GYM_START "sac_gym_start"

/* The option, beside those of gymnasium.make, that makes an instance of one environment record what it plays:
 * {"folder": text, "name": text, "ours": bool}. Videos are called FOLDER/NAME-episode-I.mp4, I counted from 0; "ours":
 * the other options are in the words of our own task of that id ("inf" for infinity). */
#define SAC_GYM_RECORD "sac_record"

/* Starts the interpreter as `python` (the full path of a virtual environment's, too) would. The process has its
 * libpython. 0 for success; otherwise error (size) says why. Once. */
typedef int (*sac_gym_start_fn)(const char* python, char* error, size_t size);

#endif
