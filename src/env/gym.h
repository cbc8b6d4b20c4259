/* Gymnasium's environments, gym:ID, and those that users' packages register there, gym:PACKAGE:ID. They run in a Python
 * interpreter inside this process. libsac does not link Python: when such an id is first used, the libpython of the
 * user's Python is loaded, then the module sac_gym.so (src/env/gym), which takes its symbols from it. */
#ifndef SAC_ENV_GYM_H
#define SAC_ENV_GYM_H

#include <sac/env.h>

/* Whether `id` begins with "gym:". */
int sac_env_is_gym(const char* id);

/* The ID of gym:ID, a task of Gymnasium's that sac may also have itself. NULL for ids without gym:, and for
 * gym:PACKAGE:ID, which names a task of that package. */
const char* sac_env_gym_task(const char* id);

/* Gives the table of functions for all gym: ids. The first call starts Python, which runs until the process ends. Which
 * Python: the first that is named by SAC_PYTHON, VIRTUAL_ENV (bin/python), .venv/bin/python in the current folder,
 * python3. Errors: ENV (no Python, none that can be embedded, or this build has no module). */
sac_status sac_env_gym_load(const char* id, const sac_env_api** api);

#endif
