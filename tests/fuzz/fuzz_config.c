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

/* Written, read and written again: the same text, the same settings. */
static void check_round_trip(const sac_config* config) {
  char *text = NULL, *again = NULL;
  size_t size = 0;
  sac_config* back = NULL;
  REQUIRE(sac_config_create(&back) == SAC_OK);
  FILE* file = open_memstream(&text, &size);
  REQUIRE(sac_config_write(config, file) == SAC_OK);
  fclose(file);
  REQUIRE(sac_config_parse(back, text, size, "written", SAC_ORIGIN_SAVED) == SAC_OK);
  for (int i = 0; i < SAC_FIELD_COUNT; i++)
    REQUIRE(sac_field_equal(&sac_fields[i], &config->settings, &back->settings));
  file = open_memstream(&again, &size);
  REQUIRE(sac_config_write(back, file) == SAC_OK);
  fclose(file);
  REQUIRE(strcmp(text, again) == 0);
  free(text);
  free(again);
  sac_config_destroy(back);
}

/* A number that the bytes give, FNV-1a: it chooses what a quick run checks of many alike. */
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
  check_round_trip(&config);
  (void)sac_config_settings(&config, &settings);
  resumed = *defaults;
  (void)sac_config_resume(&resumed, &config, changes, sizeof changes);
  sac_config_summary(&config, summary, sizeof summary);
}

/* The text as one value: of one field of each kind, as the hash chooses. */
static void check_values(const sac_config* defaults, const char* text, uint32_t hash) {
  static sac_config config;
  int taken = 0;
  config = *defaults;
  for (int kind = 0; kind <= SAC_VALUE_OPTIONS; kind++) {
    uint32_t count = 0, chosen;
    for (int i = 0; i < SAC_FIELD_COUNT; i++) count += sac_fields[i].kind == (sac_kind)kind;
    chosen = count ? hash % count : 0;
    for (int i = 0; i < SAC_FIELD_COUNT; i++)
      if (sac_fields[i].kind == (sac_kind)kind && chosen-- == 0)
        taken += sac_config_set(&config, sac_fields[i].key, text) == SAC_OK;
  }
  taken += sac_config_set(&config, "env.options.fuzz", text) == SAC_OK;
  if (taken && !same_values(&config, defaults)) check_round_trip(&config);

  /* and as a key */
  (void)sac_config_set(&config, text, "1");
  (void)sac_config_get(&config, text);
}

int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static sac_config* defaults;
  if (!defaults) REQUIRE(sac_config_create(&defaults) == SAC_OK);
  const uint32_t hash = hash_of(data, size);
  char* text = malloc(size + 1); /* its own memory, so that a read behind the end is seen */
  memcpy(text, data, size);
  check_file(defaults, text, size);
  text[size] = '\0';
  check_values(defaults, text, hash);
  free(text);
  return 0;
}
