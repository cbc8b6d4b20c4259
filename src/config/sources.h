/* The members of sac_config: the values, and where each of them came from. */
#ifndef SAC_CONFIG_SOURCES_H
#define SAC_CONFIG_SOURCES_H

#include <stdio.h>

#include "config/field.h"
#include "config/settings.h"
#include "formats/yaml.h"

#define SAC_FROM_MAX 160

typedef struct sac_source {
  sac_origin origin;
  char from[SAC_FROM_MAX]; /* for people: "library", "preset Pendulum-v1", "my.yaml:7", "--set", "--seed" */
} sac_source;

/* The most options of the environment: each takes 8 bytes or more of their text, `"a": 1, `. */
#define SAC_OPTION_SOURCES_MAX (SAC_TEXT_MAX / 8)

/* The source of one option of the environment. */
typedef struct sac_option_source {
  uint64_t name; /* the hash of the first word of its path, which may be as long as the text of all options */
  sac_source source;
} sac_option_source;

/* Plain data, so that a copy is an assignment. A file is read into a copy, which replaces the original only when the
 * whole file is correct. A value is replaced only by one of the same or a later origin, whatever the order of calls. */
struct sac_config {
  sac_settings settings;
  sac_source source[SAC_FIELD_COUNT];
  sac_option_source option[SAC_OPTION_SOURCES_MAX]; /* (option_count) in the order in which they were given */
  int32_t option_count;
  char text[SAC_VALUE_MAX]; /* what sac_config_get last returned */
};

/* Assign a value: sac_config_assign the value `text` of a field, sac_config_assign_options the value `node` (NULL: an
 * empty one) of env.options (path NULL; {} clears earlier options) or of env.options.PATH. If a later origin already
 * gave a value, that value stays, but the new one is still checked. from: the name of the source. Errors: CONFIG,
 * MEMORY. */
sac_status sac_config_assign(sac_config* config, sac_field_index field, const char* text, sac_origin origin,
                             const char* from);
sac_status sac_config_assign_options(sac_config* config, const char* path, const sac_node* node, sac_origin origin,
                                     const char* from);

/* The source of an option of the environment: the first word of its path. */
const sac_source* sac_config_option_source(const sac_config* config, const char* name);

/* Whether the options of the environment have several sources. */
int sac_config_options_differ(const sac_config* config);

/* Writes the options as a mapping `key` of YAML: each on a line of its own, with its source as a comment. */
void sac_config_write_options(const sac_config* config, const char* key, const char* indent, FILE* file);

/* Resets all values of one origin to the defaults of the library and of the algorithm. */
void sac_config_drop(sac_config* config, sac_origin origin);

/* sac_config_parse with a name for the source of every value. from: NULL for "name:line". */
sac_status sac_config_read(sac_config* config, const char* text, size_t size, const char* name, sac_origin origin,
                           const char* from);

/* Fails with "unknown key 'x'; nearest is 'y' ('sac config' lists all)", or says that the key is a section. where: ""
 * or " (from --set)". */
sac_status sac_config_unknown(const char* key, const char* where);

#endif
