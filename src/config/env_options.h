/* env.options: a mapping of the environment's own, kept as JSON text with sorted keys, so that equal mappings are equal
 * texts and the text is valid YAML too. */
#ifndef SAC_CONFIG_ENV_OPTIONS_H
#define SAC_CONFIG_ENV_OPTIONS_H

#include <stddef.h>

#include <sac/status.h>

#include "formats/yaml.h"

#define SAC_OPTIONS_KEY "env.options"

/* The part of "env.options.g" that names an option, "g"; NULL when `key` is no such key. */
const char* sac_env_options_path(const char* key);

/* `old` (JSON text) with the mapping `node` laid over it, or under it (`under`: what `old` has stays), into json
 * (size). path: NULL for the whole mapping, or where in it `node`, then of any kind, belongs: "g", "reward.scale".
 * Plain scalars become numbers, booleans and null as JSON spells them; everything else is text.
 * Errors: CONFIG (names `from`), MEMORY. */
sac_status sac_env_options_merge(char* json, size_t size, const char* old, const char* path, const sac_node* node,
                                 int under, const char* from);

/* The option at `path` as text, 0 when there is none. */
int sac_env_options_get(const char* json, const char* path, char* text, size_t size);

#endif
