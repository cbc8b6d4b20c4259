/* env.options: a JSON object read into a struct by a list of its members. */
#ifndef SAC_ENV_OPTIONS_H
#define SAC_ENV_OPTIONS_H

#include <stddef.h>
#include <stdint.h>

#include <sac/status.h>

typedef enum sac_option_kind {
  SAC_OPTION_REAL,  /* double: a JSON number in [low, high] */
  SAC_OPTION_BOOL,  /* int32_t 0 or 1: true or false */
  SAC_OPTION_CHOICE /* int32_t: a string, its place in `choices` ("book|nips") */
} sac_option_kind;

typedef struct sac_option {
  const char* name;
  sac_option_kind kind;
  size_t offset; /* of the member in the struct */
  double initial, low, high;
  const char* choices;
} sac_option;

#define SAC_OPTIONS_COUNT_MAX 16

/* Fills `options` with every member's initial value, then with what `json` says. NULL and "" mean "{}". `id` is for
 * messages. Errors: CONFIG (not an object, unknown or repeated key, wrong type, out of range). */
sac_status sac_options_read(const sac_option* list, int32_t count, const char* id, const char* json, void* options);

#endif
