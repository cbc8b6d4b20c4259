/* env.options: a mapping with the options of an environment. It is kept as JSON text with sorted keys: equal mappings
 * are equal texts, and the text is valid YAML too. */
#ifndef SAC_CONFIG_ENV_OPTIONS_H
#define SAC_CONFIG_ENV_OPTIONS_H

#include <stddef.h>
#include <stdint.h>

#include <sac/status.h>

#include "formats/yaml.h"

#define SAC_OPTIONS_KEY "env.options"

/* The name of the option in a key: "g" for "env.options.g". NULL: the key names no option. */
const char* sac_env_options_path(const char* key);

/* Merges the mapping `node` into `old` (JSON text) and writes the result to json (size). Where both have a value, that
 * of `node` wins, or with keep_old that of `old`. path: NULL when `node` is the whole mapping; otherwise the place of
 * `node`, which may then be any value: "g", "reward.scale". Plain scalars become numbers, booleans and null as JSON
 * writes them; everything else is text. Errors: CONFIG (names `from`), MEMORY. */
sac_status sac_env_options_merge(char* json, size_t size, const char* old, const char* path, const sac_node* node,
                                 int keep_old, const char* from);

/* Writes the name of option number `index`, in alphabetical order, to name (size). Returns 0 behind the last one. */
int sac_env_options_name(const char* json, int32_t index, char* name, size_t size);

/* Removes the option `name`, with all that is nested in it, from json (size). Errors: MEMORY. */
sac_status sac_env_options_remove(char* json, size_t size, const char* name);

/* Writes the value of the option `name` as JSON to text (size). Returns 0 when there is none. */
int sac_env_options_json(const char* json, const char* name, char* text, size_t size);

/* Writes the option at `path` to text (size). Returns 0 when there is none. */
int sac_env_options_get(const char* json, const char* path, char* text, size_t size);

#endif
