/* Configuration text: whatever it holds, reading it ends with a configuration that survives being written and read, or
 * with a message and nothing changed. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config/settings.h"
#include "config/sources.h"

int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size);

#define REQUIRE(condition)                                             \
  do {                                                                 \
    if (!(condition)) {                                                \
      fprintf(stderr, "%s fails: %s\n", #condition, sac_last_error()); \
      abort();                                                         \
    }                                                                  \
  } while (0)

/* Written, read into the defaults and written again: the same text, the same settings. */
static void check_round_trip(const sac_config* defaults, const sac_config* config) {
  static sac_config back;
  char *text = NULL, *again = NULL;
  size_t size = 0;
  back = *defaults;
  FILE* file = open_memstream(&text, &size);
  REQUIRE(sac_config_write(config, file) == SAC_OK);
  fclose(file);
  REQUIRE(sac_config_parse(&back, text, size, "written", SAC_ORIGIN_SAVED) == SAC_OK);
  for (int i = 0; i < SAC_FIELD_COUNT; i++) REQUIRE(sac_field_equal(&sac_fields[i], &config->settings, &back.settings));
  file = open_memstream(&again, &size);
  REQUIRE(sac_config_write(&back, file) == SAC_OK);
  fclose(file);
  REQUIRE(strcmp(text, again) == 0);
  free(text);
  free(again);
}

/* A number that the bytes give (FNV-1a). */
static uint32_t hash_of(const uint8_t* data, size_t size) {
  uint32_t hash = 2166136261u;
  for (size_t i = 0; i < size; i++) hash = (hash ^ data[i]) * 16777619u;
  return hash;
}

/* Whether both have the same value of every field. */
static int same_values(const sac_config* a, const sac_config* b) {
  for (int i = 0; i < SAC_FIELD_COUNT; i++)
    if (!sac_field_equal(&sac_fields[i], &a->settings, &b->settings)) return 0;
  return 1;
}

/* The text as a file. */
static void check_file(const sac_config* defaults, const char* text, size_t size) {
  static sac_config config, resumed;
  sac_settings settings;
  char summary[300], changes[300];
  config = *defaults;
  if (sac_config_parse(&config, text, size, "fuzz.yaml", SAC_ORIGIN_FILE) != SAC_OK) {
    REQUIRE(memcmp(&config, defaults, sizeof config) == 0);
    REQUIRE(sac_last_error()[0] != '\0');
    return;
  }

  /* what changes nothing needs no round trip */
  if (same_values(&config, defaults)) return;
  check_round_trip(defaults, &config);
  (void)sac_config_settings(&config, &settings);
  resumed = *defaults;
  (void)sac_config_resume(&resumed, &config, changes, sizeof changes);
  sac_config_summary(&config, summary, sizeof summary);
}

/* The text as the value of a field of this kind; the hash chooses the field. */
static void check_value(const sac_config* defaults, sac_kind kind, uint32_t hash, const char* text) {
  static sac_config config;
  uint32_t count = 0;
  config = *defaults;
  for (int i = 0; i < SAC_FIELD_COUNT; i++) count += sac_fields[i].kind == kind;
  uint32_t chosen = hash % count;
  for (int i = 0; i < SAC_FIELD_COUNT; i++) {
    if (sac_fields[i].kind != kind || chosen-- > 0) continue;
    if (sac_config_set(&config, sac_fields[i].key, text) != SAC_OK) REQUIRE(sac_last_error()[0] != '\0');
    else if (!sac_field_equal(&sac_fields[i], &config.settings, &defaults->settings))
      check_round_trip(defaults, &config);
    break;
  }
}

/* The text as an option of the environment. */
static void check_option(const sac_config* defaults, const char* text) {
  static sac_config config;
  config = *defaults;
  if (sac_config_set(&config, "env.options.fuzz", text) == SAC_OK) check_round_trip(defaults, &config);
  else REQUIRE(sac_last_error()[0] != '\0');
}

/* The text as a key. */
static void check_key(const sac_config* defaults, const char* text) {
  static sac_config config;
  config = *defaults;
  if (sac_config_set(&config, text, "1") == SAC_OK) check_round_trip(defaults, &config);
  (void)sac_config_get(&config, text);
}

/* The last byte chooses what the text before it is: '0' to '8' the value of a field of this kind, '9' that of an
 * option, ';' a key, and others, such as the end of a line, a file. */
int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  enum { OPTION = SAC_VALUE_OPTIONS + 1, KEY = ';' % 16 };
  static sac_config* defaults;
  if (size == 0) return 0;
  if (!defaults) REQUIRE(sac_config_create(&defaults) == SAC_OK);
  const size_t length = size - 1;
  const int use = data[length] % 16, is_file = use > OPTION && use != KEY;

  /* in memory of its own, so that a read behind the end is seen; only a file may lack the '\0' */
  char* text = malloc(is_file ? length : size);
  memcpy(text, data, length);
  if (!is_file) text[length] = '\0';
  if (is_file) check_file(defaults, text, length);
  else if (use == OPTION) check_option(defaults, text);
  else if (use == KEY) check_key(defaults, text);
  else check_value(defaults, (sac_kind)use, hash_of(data, length), text);
  free(text);
  return 0;
}
