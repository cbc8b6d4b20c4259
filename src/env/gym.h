/* Gymnasium's environments, gym:ID, and those that users' packages register there, gym:PACKAGE:ID. They run in a Python
 * interpreter inside this process. libsac does not link Python. When such an id is first used, sac loads the libpython
 * of the user's Python, then the module sac_gym.so (src/env/gym), which takes Python's symbols from libpython. */
#ifndef SAC_ENV_GYM_H
#define SAC_ENV_GYM_H

#include <sac/env.h>

#include "env/gym/gym.h"

/* Whether `id` begins with "gym:". */
int sac_env_is_gym(const char* id);

/* The ID of gym:ID: a task of Gymnasium, which sac may also have itself. NULL for ids without gym:, and for
 * gym:PACKAGE:ID, a task of that package. */
const char* sac_env_gym_task(const char* id);

/* Gives the table of functions for all gym: ids. The first call starts Python, which runs until the process ends. The
 * Python is the program that SAC_PYTHON names; if that is not set, bin/python of VIRTUAL_ENV; else .venv/bin/python of
 * the current folder; else python3 of PATH. If that one does not work, no other is tried. Errors: ENV (no Python, none
 * that can be embedded, or this build has no module). */
sac_status sac_env_gym_load(const char* id, const sac_env_api** api);

/* Calls the module for the generators of Python. Does nothing where Python was not started. self: an instance of `api`,
 * or NULL; it counts only if `api` is the table of gym: ids. */
void sac_env_gym_generators(sac_gym_generators_call what, const sac_env_api* api, void* self, uint64_t seed);

#endif
