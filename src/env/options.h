/* env.options: a JSON object read into a struct by a list of its members. */
#ifndef SAC_ENV_OPTIONS_H
#define SAC_ENV_OPTIONS_H

#include <stddef.h>
#include <stdint.h>

#include <sac/status.h>

typedef enum sac_env_option_kind {
  SAC_ENV_OPTION_REAL,   /* double: a JSON number in [low, high] */
  SAC_ENV_OPTION_BOOL,   /* int32_t 0 or 1: true or false */
  SAC_ENV_OPTION_CHOICE, /* int32_t: a string, its place in `choices` ("book|nips") */
  SAC_ENV_OPTION_INT,    /* int32_t: a whole JSON number in [low, high] */
  SAC_ENV_OPTION_RANGE,  /* double[2]: [a, b] with a <= b; an end may be "inf" or "-inf". Initially low and high */
  SAC_ENV_OPTION_TEXT    /* char[high]: a string; a whole number is taken as its digits. Initially `choices` */
} sac_env_option_kind;

typedef struct sac_env_option {
  const char* name;
  sac_env_option_kind kind;
  size_t offset; /* of the member in the struct */
  double initial, low, high;
  const char* choices;
} sac_env_option;

#define SAC_ENV_OPTIONS_MAX 20

/* What an option is unless set, as JSON spells it ("inf" in quotes). Returns `text`. */
#define SAC_ENV_OPTION_TEXT_MAX 128
const char* sac_env_option_initial(const sac_env_option* option, char text[SAC_ENV_OPTION_TEXT_MAX]);

/* Fills `options` with every member's initial value, then with what `json` says. NULL and "" mean "{}". `id` is for
 * messages. Errors: CONFIG (not an object, unknown or repeated key, wrong type, out of range). */
sac_status sac_env_options_read(const sac_env_option* list, int32_t count, const char* id, const char* json,
                                void* options);

#endif
