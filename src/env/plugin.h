/* A user's own environment: a shared object that exports sac_env_plugin (sac/env.h). */
#ifndef SAC_ENV_PLUGIN_H
#define SAC_ENV_PLUGIN_H

#include <sac/env.h>

/* Whether `id` names a file rather than an environment: it holds a '/'. */
int sac_env_is_plugin(const char* id);

/* Loads the shared object at `path`, relative to the current folder, and gives its checked table of functions. It stays
 * loaded until the process ends: the table and what its environments use are part of it. Errors: ENV (no such file, no
 * shared object, no sac_env_plugin, another version of the interface, functions that are missing). */
sac_status sac_env_plugin_load(const char* path, const sac_env_api** api);

#endif
