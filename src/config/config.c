#include "config/settings.h"

#include <stdlib.h>
#include <string.h>

#include "config/env_options.h"
#include "config/sources.h"
#include "util/error.h"
#include "util/program.h"
#include "util/text.h"

/* Notes where a value came from. */
static void set_source(sac_source* source, sac_origin origin, const char* from) {
  size_t used = 0;
  source->origin = origin;
  memset(source->from, 0, sizeof source->from);
  sac_text_append(source->from, sizeof source->from, &used, "%s", from);
}

/* Applies the defaults of the present algorithm, instead of those of another one. */
static void refresh_algo_layer(sac_config* config) {
  /* take back the defaults of the previous algorithm */
  for (int i = 0; i < SAC_FIELD_COUNT; i++) {
    if (config->source[i].origin != SAC_ORIGIN_ALGO) continue;
    sac_field_copy(&sac_fields[i], &config->settings, &sac_settings_library);
    set_source(&config->source[i], SAC_ORIGIN_LIBRARY, "library");
  }

  /* apply those of the present one; sac_config_assign keeps values of a later origin */
  for (const sac_key_value* it = sac_algo_defaults(config->settings.algo); it && it->key; it++) {
    const sac_field_index field = sac_field_find(it->key);
    char from[SAC_FROM_MAX] = "algo ";
    size_t used = strlen(from);
    sac_text_append(from, sizeof from, &used, "%s", sac_fields[SAC_FIELD_algo].names[config->settings.algo]);

    /* an error is impossible: a test parses every value of the table */
    (void)sac_config_assign(config, field, it->value, SAC_ORIGIN_ALGO, from);
  }
}

/* Removes the options of one origin, where those of a later one stay. */
static void drop_options(sac_config* config, sac_origin origin) {
  char* options = config->settings.env_options;
  char name[SAC_TEXT_MAX];

  /* remove their values; the last ones first, so that the numbers of the others stay */
  int32_t kept = 0, i = 0;
  if (config->source[SAC_FIELD_env_options].origin == origin) config->option_count = 0;
  while (config->option_count > 0 && sac_env_options_name(options, i, name, sizeof name)) i++;
  while (i-- > 0)
    if (sac_env_options_name(options, i, name, sizeof name) && sac_config_option_source(config, name)->origin == origin)
      (void)sac_env_options_remove(options, sizeof config->settings.env_options, name);

  /* and their sources */
  for (i = 0; i < config->option_count; i++)
    if (config->option[i].source.origin != origin) config->option[kept++] = config->option[i];
  config->option_count = kept;
}

void sac_config_drop(sac_config* config, sac_origin origin) {
  drop_options(config, origin);
  for (int i = 0; i < SAC_FIELD_COUNT; i++) {
    if (config->source[i].origin != origin) continue;
    sac_field_copy(&sac_fields[i], &config->settings, &sac_settings_library);
    set_source(&config->source[i], SAC_ORIGIN_LIBRARY, "library");
  }

  /* apply the algorithm's defaults again, where a dropped value had replaced them */
  refresh_algo_layer(config);
}

sac_status sac_config_assign(sac_config* config, sac_field_index field, const char* text, sac_origin origin,
                             const char* from) {
  /* a value of a later origin stays; the new one is still parsed, to find errors in it */
  const int kept = origin < config->source[field].origin;
  sac_settings aside;
  if (kept) aside = config->settings;
  const sac_status status = sac_field_parse(&sac_fields[field], text, from, kept ? &aside : &config->settings);
  if (status != SAC_OK || kept) return status;

  /* note the source; another algorithm has other defaults */
  set_source(&config->source[field], origin, from);
  if (field == SAC_FIELD_algo) refresh_algo_layer(config);
  return SAC_OK;
}

/* A hash of a name (FNV-1a). */
static uint64_t hash_of(const char* name, size_t length) {
  uint64_t hash = 14695981039346656037u;
  for (size_t i = 0; i < length; i++) hash = (hash ^ (unsigned char)name[i]) * 1099511628211u;
  return hash;
}

/* The place of an option in the list of sources; option_count: it is not there. */
static int32_t find_option(const sac_config* config, uint64_t name) {
  int32_t i = 0;
  while (i < config->option_count && config->option[i].name != name) i++;
  return i;
}

/* Notes where an option came from. keep_old: an older source stays. */
static void note_option(sac_config* config, const char* name, size_t length, int keep_old, sac_origin origin,
                        const char* from) {
  const uint64_t hash = hash_of(name, length);
  const int32_t at = find_option(config, hash);
  const int is_new = at == config->option_count;
  if (at == SAC_OPTION_SOURCES_MAX || (!is_new && keep_old)) return;
  if (is_new) config->option_count++;
  config->option[at].name = hash;
  set_source(&config->option[at].source, origin, from);
}

const sac_source* sac_config_option_source(const sac_config* config, const char* name) {
  const int32_t at = find_option(config, hash_of(name, strlen(name)));
  return at < config->option_count ? &config->option[at].source : &config->source[SAC_FIELD_env_options];
}

int sac_config_options_differ(const sac_config* config) {
  char name[SAC_TEXT_MAX];
  const sac_source* first = NULL;
  for (int32_t i = 0; sac_env_options_name(config->settings.env_options, i, name, sizeof name); i++) {
    const sac_source* source = sac_config_option_source(config, name);
    if (first && strcmp(source->from, first->from) != 0) return 1;
    first = source;
  }
  return 0;
}

sac_status sac_config_assign_options(sac_config* config, const char* path, const sac_node* node, sac_origin origin,
                                     const char* from) {
  char json[SAC_TEXT_MAX] = "";
  sac_source* source = &config->source[SAC_FIELD_env_options];

  /* an empty mapping, {}, clears the options of the same and of earlier origins */
  const int keep_old = origin < source->origin;
  const int cleared = keep_old && strcmp(config->settings.env_options, "{}") == 0;
  const int clears = !keep_old && !path && node && node->kind == SAC_NODE_MAPPING && node->count == 0;
  if (cleared) return SAC_OK;

  /* merge into a new text; where both have an option, that of the later origin wins */
  const char* old = clears ? "{}" : config->settings.env_options;
  const sac_status status = sac_env_options_merge(json, sizeof json, old, path, node, keep_old, from);
  if (status != SAC_OK) return status;

  /* replace the text, with zeros behind it */
  memset(config->settings.env_options, 0, sizeof config->settings.env_options);
  memcpy(config->settings.env_options, json, strlen(json));

  /* note the source, also of each option */
  if (clears) config->option_count = 0;
  if (path) note_option(config, path, strcspn(path, "."), keep_old, origin, from);
  for (const sac_node* child = !path && node ? node->first : NULL; child; child = child->next)
    note_option(config, child->key, strlen(child->key), keep_old, origin, from);
  if (!keep_old) set_source(source, origin, from);
  return SAC_OK;
}

sac_status sac_config_unknown(const char* key, const char* where) {
  char shown[SAC_SHOW_MAX];
  sac_text_show(shown, key, SIZE_MAX);
  const size_t length = strlen(key);

  /* check whether the key is a section, such as "optim" */
  for (int i = 0; i < SAC_FIELD_COUNT; i++)
    if (strncmp(sac_fields[i].key, key, length) == 0 && sac_fields[i].key[length] == '.')
      return sac_fail(SAC_ERROR_CONFIG, "'%s'%s is a section; its keys are '%s' and the like ('%s config' lists all)",
                      shown, where, sac_fields[i].key, sac_program());

  /* suggest the nearest key, if one is near */
  const char* nearest = sac_field_nearest(key);
  if (nearest)
    return sac_fail(SAC_ERROR_CONFIG, "unknown key '%s'%s; nearest is '%s' ('%s config' lists all)", shown, where,
                    nearest, sac_program());
  return sac_fail(SAC_ERROR_CONFIG, "unknown key '%s'%s ('%s config' lists all)", shown, where, sac_program());
}

sac_status sac_config_create(sac_config** out) {
  if (!out) return sac_fail(SAC_ERROR_ARGUMENT, "sac_config_create: config is NULL");
  sac_config* config = *out = calloc(1, sizeof *config);
  if (!config) return sac_fail(SAC_ERROR_MEMORY, "no memory left for a configuration");

  /* start with the library's defaults, then those of the default algorithm */
  config->settings = sac_settings_library;
  for (int i = 0; i < SAC_FIELD_COUNT; i++) set_source(&config->source[i], SAC_ORIGIN_LIBRARY, "library");
  refresh_algo_layer(config);
  return sac_succeed();
}

sac_status sac_config_copy(sac_config** out, const sac_config* config) {
  *out = malloc(sizeof **out);
  if (!*out) return sac_fail(SAC_ERROR_MEMORY, "no memory left for a configuration");
  **out = *config;
  return SAC_OK;
}

void sac_config_stay(sac_config* config, sac_stay stay) { config->settings.stay = stay; }

void sac_config_destroy(sac_config* config) { free(config); }

sac_status sac_config_set_from(sac_config* config, const char* key, const char* value, sac_origin origin,
                               const char* flag) {
  static const char* const names[] = {"library", "algo", "preset", "saved", "file", "--set", "flag"};
  if (!config || !key || !value) return sac_fail(SAC_ERROR_ARGUMENT, "sac_config_set: config, key or value is NULL");
  const char* from = flag ? flag : names[origin];
  const char* path = sac_env_options_path(key);
  char where[SAC_FROM_MAX] = "";
  size_t used = 0;

  /* set a field of the table */
  if (!path && strcmp(key, SAC_OPTIONS_KEY) != 0) {
    const sac_field_index field = sac_field_find(key);
    if (field != SAC_FIELD_COUNT) return sac_config_assign(config, field, value, origin, from);
    sac_text_append(where, sizeof where, &used, " (from %s)", from);
    return sac_config_unknown(key, where);
  }

  /* an option of the environment is read as YAML: 9.81 is a number, "9.81" text, {a: 1} a mapping */
  sac_node* node = NULL;
  sac_text_append(where, sizeof where, &used, "%s (from %s)", path ? "option" : SAC_OPTIONS_KEY, from);
  sac_status status = sac_yaml_parse(&node, value, strlen(value), where);
  if (status == SAC_OK) status = sac_config_assign_options(config, path, node, origin, from);
  sac_yaml_free(node);
  return status;
}

sac_status sac_config_set(sac_config* config, const char* key, const char* value) {
  return sac_result(sac_config_set_from(config, key, value, SAC_ORIGIN_SET, "sac_config_set"));
}

const char* sac_config_get(sac_config* config, const char* key) {
  if (!config || !key) return NULL;

  /* an option of the environment: its value out of the JSON text */
  const char* path = sac_env_options_path(key);
  if (path)
    return sac_env_options_get(config->settings.env_options, path, config->text, sizeof config->text) ? config->text
                                                                                                      : NULL;

  /* a field of the table; config->text holds the result until the next call */
  const sac_field_index field = sac_field_find(key);
  if (field == SAC_FIELD_COUNT) return NULL;
  sac_field_print(&sac_fields[field], &config->settings, config->text);
  return config->text;
}
