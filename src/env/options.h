/* env.options: a JSON object read into a struct by a list of its members. */
#ifndef SAC_ENV_OPTIONS_H
#define SAC_ENV_OPTIONS_H

#include <stddef.h>
#include <stdint.h>

#include <sac/status.h>

typedef enum sac_env_option_kind {
  SAC_ENV_OPTION_REAL,  /* double: a JSON number in [low, high] */
  SAC_ENV_OPTION_BOOL,  /* int32_t 0 or 1: true or false */
  SAC_ENV_OPTION_CHOICE /* int32_t: a string, its place in `choices` ("book|nips") */
} sac_env_option_kind;

typedef struct sac_env_option {
  const char* name;
  sac_env_option_kind kind;
  size_t offset; /* of the member in the struct */
  double initial, low, high;
  const char* choices;
} sac_env_option;

#define SAC_ENV_OPTIONS_MAX 16

/* Fills `options` with every member's initial value, then with what `json` says. NULL and "" mean "{}". `id` is for
 * messages. Errors: CONFIG (not an object, unknown or repeated key, wrong type, out of range). */
sac_status sac_env_options_read(const sac_env_option* list, int32_t count, const char* id, const char* json,
                                void* options);

#endif
