/* For the tests of configurations: creating, setting, writing and comparing them. */
#ifndef TESTS_SUPPORT_CONFIG_CASE_H
#define TESTS_SUPPORT_CONFIG_CASE_H

#include "config/settings.h"
#include "config/sources.h"
#include "support/check_main.h"

#define COUNT(array) (sizeof array / sizeof *array)

static inline sac_config* fresh(void) {
  sac_config* config = NULL;
  ck_ok(sac_config_create(&config));
  return config;
}

static inline sac_status parse(sac_config* config, const char* text) {
  return sac_config_parse(config, text, strlen(text), "my.yaml", SAC_ORIGIN_FILE);
}

static inline sac_status set(sac_config* config, const char* key, const char* value) {
  return sac_config_set_from(config, key, value, SAC_ORIGIN_SET, "--set");
}

static inline char* written(const sac_config* config) {
  char* text = NULL;
  size_t size = 0;
  FILE* file = open_memstream(&text, &size);
  ck_ok(sac_config_write(config, file));
  fclose(file);
  return text;
}

static inline void same_settings(const sac_config* a, const sac_config* b) {
  for (int i = 0; i < SAC_FIELD_COUNT; i++) {
    ck_assert_msg(sac_field_equal(&sac_fields[i], &a->settings, &b->settings), "%s differs", sac_fields[i].key);
    ck_assert_msg(memcmp((const char*)&a->settings + sac_fields[i].offset,
                         (const char*)&b->settings + sac_fields[i].offset, sac_fields[i].size) == 0,
                  "%s differs in its bits", sac_fields[i].key);
  }
}

#endif
