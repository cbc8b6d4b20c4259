/* Configurations for tests, from text. */
#ifndef TESTS_SUPPORT_CONFIG_OF_H
#define TESTS_SUPPORT_CONFIG_OF_H

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <sac/config.h>

#include "support/must.h"

/* A configuration with the keys of a printf format, "KEY=VALUE KEY=VALUE ...". Values have no spaces. */
__attribute__((format(printf, 1, 2))) static inline sac_config* config_of(const char* format, ...) {
  char text[2048];
  sac_config* config = NULL;
  va_list values;
  va_start(values, format);
  const int length = vsnprintf(text, sizeof text, format, values);
  va_end(values);
  must(length >= 0 && (size_t)length < sizeof text, "the keys are %d characters", length);

  /* set one key after another */
  must(sac_config_create(&config) == SAC_OK, "%s", sac_last_error());
  for (char *rest = NULL, *word = strtok_r(text, " ", &rest); word; word = strtok_r(NULL, " ", &rest)) {
    char* value = strchr(word, '=');
    must(value != NULL, "'%s' is not KEY=VALUE", word);
    *value++ = '\0';
    must(sac_config_set(config, word, value) == SAC_OK, "%s", sac_last_error());
  }
  return config;
}

#endif
