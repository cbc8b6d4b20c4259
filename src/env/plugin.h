/* A user's own environment: a shared object that exports sac_env_plugin (sac/env.h). */
#ifndef SAC_ENV_PLUGIN_H
#define SAC_ENV_PLUGIN_H

#include <sac/env.h>

/* Whether `id` names a file, not an environment: it holds a '/'. */
int sac_env_is_plugin(const char* id);

/* Loads the shared object at `path`, relative to the current folder, and gives its table of functions, which is
 * checked. The object stays loaded until the process ends, as it holds the table and the environments' code. Errors:
 * ENV (no such file, no shared object, no sac_env_plugin, another version of the interface, missing functions). */
sac_status sac_env_plugin_load(const char* path, const sac_env_api** api);

#endif
