/* The configuration of a run: keys and values, the same as in YAML and on the command line.
 *
 * Opaque: fields come and go without an ABI break. `sac config` lists every key with its range, default and meaning.
 * Values come from layers, later ones win: library < algorithm < environment preset < file < set. Each value remembers
 * where it came from, so that error messages and the written-out config can say it. */
#ifndef SAC_CONFIG_H
#define SAC_CONFIG_H

#include <stddef.h>

#include <sac/status.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct sac_config sac_config;

/* Every key at its library default. Errors: MEMORY. */
SAC_API sac_status sac_config_create(sac_config** config);

/* Selects the environment `env_id` (sets env.id) and applies the preset compiled in for it: that of its own name; for
 * "gym:ID" without one, that of ID, the same task stepped by Gymnasium ("gym:PACKAGE:ID" is another's task and has its
 * own or none). Without a preset only env.id changes, and values of an earlier preset go back to the defaults.
 * Selecting sets env.id whoever set it before; other keys that a file or a set gave, before or after, are never
 * overridden. Errors: ARGUMENT (NULL or empty id). */
SAC_API sac_status sac_config_preset(sac_config* config, const char* env_id);

/* Reads a YAML file of keys: nested mappings or dotted keys, no aliases, tags or duplicates, 1 MiB at most. On error
 * nothing of the file is applied. Errors: FILE, CONFIG (message: file, line, key, what is allowed). */
SAC_API sac_status sac_config_load(sac_config* config, const char* path);

/* Sets one key from text: "optim.lr", "1e-3". Errors: CONFIG (unknown key, with the nearest one; wrong type; out of
 * range). */
SAC_API sac_status sac_config_set(sac_config* config, const char* key, const char* value);

/* The value of `key` (or of one option, "env.options.g") as text, as a file would hold it. Valid until the next call
 * with this config; NULL for an unknown key. */
SAC_API const char* sac_config_get(sac_config* config, const char* key);

SAC_API void sac_config_destroy(sac_config* config);

#ifdef __cplusplus
}
#endif

#endif
