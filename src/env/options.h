/* env.options: a JSON object. It is read into a task's struct of options, whose members a list describes. */
#ifndef SAC_ENV_OPTIONS_H
#define SAC_ENV_OPTIONS_H

#include <stddef.h>
#include <stdint.h>

#include <sac/status.h>

typedef enum sac_env_option_kind {
  SAC_ENV_OPTION_REAL,   /* double: a JSON number in [low, high] */
  SAC_ENV_OPTION_BOOL,   /* int32_t: true is 1, false is 0 */
  SAC_ENV_OPTION_CHOICE, /* int32_t: a string of `choices` ("book|nips"), stored as its index */
  SAC_ENV_OPTION_INT,    /* int32_t: a whole JSON number in [low, high] */
  SAC_ENV_OPTION_RANGE,  /* double[2]: [a, b] with a <= b; an end may be "inf" or "-inf". Initial value: low and high */
  SAC_ENV_OPTION_TEXT    /* char[high]: a string, or a whole number as its digits. Initial value: `choices` */
} sac_env_option_kind;

typedef struct sac_env_option {
  const char* name; /* the key in JSON */
  sac_env_option_kind kind;
  size_t offset;             /* of the member in the struct */
  double initial, low, high; /* initial is 0 for CHOICE; RANGE and TEXT have no `initial` */
  const char* choices;       /* of CHOICE; the initial value of TEXT; "" for other kinds */
} sac_env_option;

#define SAC_ENV_OPTIONS_MAX 20 /* the most options of a task */

#define SAC_ENV_OPTION_TEXT_MAX 128 /* bytes of an initial value as text */

/* An option's initial value as JSON text. Returns `text`. */
const char* sac_env_option_initial(const sac_env_option* option, char text[SAC_ENV_OPTION_TEXT_MAX]);

/* Sets every member to its initial value, then each member that `json` names to its value there. A json of NULL or ""
 * means "{}". `id` is for messages. Errors: CONFIG (no object, unknown or repeated key, wrong type, out of range). */
sac_status sac_env_options_read(const sac_env_option* list, int32_t count, const char* id, const char* json,
                                void* options);

#endif
