/* Helpers for JSON output. */
#ifndef SAC_CLI_JSON_H
#define SAC_CLI_JSON_H

#include <jansson.h>
#include <math.h>

/* A number, or null: JSON has no NaN and no infinity. */
static inline json_t* sac_json_real(double value) { return isfinite(value) ? json_real(value) : json_null(); }

#endif
