/* Gymnasium's environments, gym:ID, and those that users' packages register there, gym:PACKAGE:ID: through a Python
 * interpreter in this process. libsac links no Python. The module sac_gym.so (src/env/gym) is loaded when such an id is
 * asked for, after the libpython of the user's Python, whose symbols it takes. */
#ifndef SAC_ENV_GYM_H
#define SAC_ENV_GYM_H

#include <sac/env.h>

int sac_env_is_gym(const char* id);
/* The ID of gym:ID: the task that Gymnasium steps under its own name, which others may step too. NULL for ids without
 * gym:, and for gym:PACKAGE:ID, which is the package's, whatever it calls it. */
const char* sac_env_gym_task(const char* id);

/* Starts Python, the first time, and gives the table that serves all gym: ids. Python is, the first that there is:
 * SAC_PYTHON, VIRTUAL_ENV/bin/python, .venv/bin/python of the current folder, python3. It stays until the process ends.
 * Errors: ENV (no Python, none that can be embedded, this build has no module). */
sac_status sac_env_gym_load(const char* id, const sac_env_api** api);

#endif
