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

int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  sac_config *config = NULL, *before = NULL, *resumed = NULL;
  sac_settings settings;
  char summary[300], changes[300];
  REQUIRE(sac_config_create(&config) == SAC_OK);
  REQUIRE(sac_config_copy(&before, config) == SAC_OK);
  REQUIRE(sac_config_copy(&resumed, config) == SAC_OK);
  char* text = malloc(size + 1); /* its own memory, so that a read behind the end is seen */
  memcpy(text, data, size);
  if (sac_config_parse(config, text, size, "fuzz.yaml", SAC_ORIGIN_FILE) == SAC_OK) {
    check_round_trip(config);
    (void)sac_config_settings(config, &settings);
    (void)sac_config_resume(resumed, config, changes, sizeof changes);
    sac_config_summary(config, summary, sizeof summary);
  } else {
    REQUIRE(memcmp(config, before, sizeof *config) == 0);
    REQUIRE(sac_last_error()[0] != '\0');
  }
  /* the same bytes as one value, of each kind of field */
  text[size] = '\0';
  for (int i = 0; i < SAC_FIELD_COUNT; i++) (void)sac_config_set(before, sac_fields[i].key, text);
  (void)sac_config_set(before, text, "1");
  (void)sac_config_set(before, "env.options.fuzz", text);
  (void)sac_config_get(before, text);
  check_round_trip(before);
  free(text);
  sac_config_destroy(config);
  sac_config_destroy(before);
  sac_config_destroy(resumed);
  return 0;
}
