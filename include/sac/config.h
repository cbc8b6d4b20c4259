/* The configuration of a run: keys and values, the same as in YAML and on the command line.
 *
 * The struct is opaque, so keys can be added or removed without a change of the ABI. `sac config` lists every key with
 * its range, default and meaning. A value comes from one of these sources; a later one wins: library, algorithm, preset
 * of the environment, file, sac_config_set. Each value keeps its source, which error messages and config.yaml name. */
#ifndef SAC_CONFIG_H
#define SAC_CONFIG_H

#include <stddef.h>

#include <sac/status.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct sac_config sac_config;

/* Creates a configuration with the default of every key. Errors: ARGUMENT (NULL), MEMORY. */
SAC_API sac_status sac_config_create(sac_config** config);

/* Sets env.id to `env_id` and applies the preset of this environment. Presets are compiled into the library. If gym:ID
 * has none, the preset of ID is used. gym:PACKAGE:ID uses only its own. Values of an earlier preset go back to the
 * defaults, also if this environment has no preset. env.id is always replaced. Other keys from a file or from
 * sac_config_set keep their values. Errors: ARGUMENT (NULL, or env_id is empty), CONFIG (env_id is too long), MEMORY.
 */
SAC_API sac_status sac_config_preset(sac_config* config, const char* env_id);

/* Reads a YAML file of keys, of at most 1 MiB. Keys are nested mappings or dotted names. Aliases, tags and duplicate
 * keys are errors. On an error the configuration does not change. Errors: ARGUMENT (NULL, or path is empty), FILE,
 * CONFIG (the message has the file, the line, the key and the allowed values), MEMORY. */
SAC_API sac_status sac_config_load(sac_config* config, const char* path);

/* Sets one key from text: "optim.lr", "1e-3". Errors: ARGUMENT (NULL), CONFIG (the key is unknown, and the message
 * suggests the nearest one; the value has a wrong type or is out of range). */
SAC_API sac_status sac_config_set(sac_config* config, const char* key, const char* value);

/* The value of `key`, or of one option ("env.options.g"), as text in the form of a YAML file. NULL for an unknown key.
 * The text is valid until the next call with this config. */
SAC_API const char* sac_config_get(sac_config* config, const char* key);

SAC_API void sac_config_destroy(sac_config* config);

#ifdef __cplusplus
}
#endif

#endif
