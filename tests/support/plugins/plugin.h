/* What the plugins of the tests share: faults that an environment variable chooses, and the table of their functions.
 */
#ifndef TESTS_SUPPORT_PLUGINS_PLUGIN_H
#define TESTS_SUPPORT_PLUGINS_PLUGIN_H

#include <sac/env.h>
#include <stdlib.h>
#include <string.h>

static inline int is_set(const char* variable, const char* value) {
  const char* chosen = getenv(variable);
  return chosen && strcmp(chosen, value) == 0;
}

/* The members of sac_env_api that every plugin has, from functions of these names. */
#define PLUGIN_TABLE(text)                                                                                         \
  .abi = SAC_ENV_ABI, .size = sizeof(sac_env_api), .name = (text), .create = create, .reset = reset, .step = step, \
  .destroy = destroy, .error = error

const sac_env_api* sac_env_plugin(void);

#endif
