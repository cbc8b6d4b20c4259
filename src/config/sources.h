/* The inside of sac_config: the settings, and where each value came from. */
#ifndef SAC_CONFIG_SOURCES_H
#define SAC_CONFIG_SOURCES_H

#include "config/settings.h"
#include "config/field.h"
#include "formats/yaml.h"

#define SAC_FROM_MAX 160

typedef struct sac_source {
  sac_origin origin;
  char from[SAC_FROM_MAX]; /* for people: "library", "preset Pendulum-v1", "my.yaml:7", "--set", "--seed" */
} sac_source;

/* Flat, so that a copy is an assignment: a file is read into a copy, which replaces the original when all of it is
 * well. A value gives way to one of the same or a later origin only, whatever the order of the calls. */
struct sac_config {
  sac_settings settings;
  sac_source source[SAC_FIELD_COUNT];
  char text[SAC_VALUE_MAX]; /* what sac_config_get returned last */
};

/* The field `key` = `text`; for env.options and env.options.NAME: `node` (NULL: nothing). Checks the value also where
 * a later origin keeps it from being taken. Errors: CONFIG, MEMORY. */
sac_status sac_config_assign(sac_config* config, sac_field_index field, const char* text, sac_origin origin,
                             const char* from);
sac_status sac_config_assign_options(sac_config* config, const char* path, const sac_node* node, sac_origin origin,
                                     const char* from);

/* Puts the values of `origin` back to what lies below. */
void sac_config_drop(sac_config* config, sac_origin origin);

/* As sac_config_parse; `from`: what every value's source is called, NULL: "name:line". */
sac_status sac_config_read(sac_config* config, const char* text, size_t size, const char* name, sac_origin origin,
                           const char* from);

/* "unknown key 'x'; nearest is 'y' ('sac config' lists all)", or what else is wrong with a key that is no field.
 * where: "" or " (from --set)". */
sac_status sac_config_unknown(const char* key, const char* where);

#endif
