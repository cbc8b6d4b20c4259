/* Reads the options of an environment, the JSON object that create gets: each key into a variable of the environment.
 * <sac/env.h> includes this file. It is all in the header, as a plugin links nothing of sac.
 *
 *   my->mass = 0.5;   // the defaults are what the variables hold before
 *   const sac_env_setting settings[] = {{"mass", SAC_ENV_NUMBER, &my->mass, 0.1, 1, 0},
 *                                       {"port", SAC_ENV_TEXT, my->port, 0, 0, sizeof my->port}};
 *   if (sac_env_read_options(options, settings, 2, my->error, sizeof my->error) != SAC_OK) return SAC_ERROR_CONFIG; */
#ifndef SAC_ENV_OPTIONS_H_
#define SAC_ENV_OPTIONS_H_

#include <locale.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <sac/status.h>

#ifdef __cplusplus
extern "C" {
#endif

/* The kind of an option, and the type of its variable. */
typedef enum sac_env_setting_kind {
  SAC_ENV_NUMBER, /* double: a number in [low, high] */
  SAC_ENV_WHOLE,  /* int32_t: a whole number in [low, high] */
  SAC_ENV_BOOL,   /* int: true is 1, false is 0 */
  SAC_ENV_TEXT    /* char[size]: a string of at most size - 1 bytes of UTF-8 */
} sac_env_setting_kind;

typedef struct sac_env_setting {
  const char* name; /* the key */
  sac_env_setting_kind kind;
  void* value;      /* the variable */
  double low, high; /* of numbers */
  size_t size;      /* of a text, in bytes with its '\0' */
} sac_env_setting;

/* The functions up to sac_env_read_options are parts of it. They take the place in the text that is read next. */

static inline const char* sac_env_json_space(const char* at) { return at + strspn(at, " \t\r\n"); }

/* Reads the four digits of \uXXXX; -1: they are none. */
static inline long sac_env_json_unit(const char* digits) {
  char text[5] = "";
  for (int i = 0; i < 4; i++) {
    if (!strchr("0123456789abcdefABCDEF", digits[i]) || !digits[i]) return -1;
    text[i] = digits[i];
  }
  return strtol(text, NULL, 16);
}

/* Reads what stands behind a backslash, and writes it as UTF-8. Returns the number of bytes; 0: it is damaged. */
static inline int sac_env_json_escape(const char** at, char to[4]) {
  static const char letters[] = "\"\\/bfnrt", values[] = "\"\\/\b\f\n\r\t";
  const char* letter = **at ? strchr(letters, **at) : NULL;
  if (letter) {
    ++*at;
    to[0] = values[letter - letters];
    return 1;
  }

  /* a character by its number; one above 0xffff is a pair of units */
  if (**at != 'u') return 0;
  long code = sac_env_json_unit(*at + 1);
  if (code <= 0 || (code >= 0xdc00 && code < 0xe000)) return 0;
  *at += 5;
  if (code >= 0xd800 && code < 0xdc00) {
    const long low = (*at)[0] == '\\' && (*at)[1] == 'u' ? sac_env_json_unit(*at + 2) : -1;
    if (low < 0xdc00 || low >= 0xe000) return 0;
    code = 0x10000 + ((code - 0xd800) << 10) + (low - 0xdc00);
    *at += 6;
  }

  /* as UTF-8: the first byte says how many follow, each of which has six bits */
  const int more = code < 0x80 ? 0 : code < 0x800 ? 1 : code < 0x10000 ? 2 : 3;
  static const int first[4] = {0, 0xc0, 0xe0, 0xf0};
  to[0] = (char)(first[more] | (int)(code >> (6 * more)));
  for (int i = 1; i <= more; i++) to[i] = (char)(0x80 | (int)((code >> (6 * (more - i))) & 0x3f));
  return more + 1;
}

/* Reads a string to `to` (size), and goes behind it. Returns 0; 1: it is damaged; 2: it is too long. `to` ends with
 * '\0' after an error too. */
static inline int sac_env_json_string(const char** at, char* to, size_t size) {
  size_t used = 0;
  if (**at != '"') return 1;
  if (size == 0) return 2;
  to[0] = '\0';
  for (++*at; **at != '"';) {
    char bytes[4];
    int count = 1;
    if ((unsigned char)**at < 0x20) return 1; /* also the end of the text */
    if (**at == '\\') {
      ++*at;
      count = sac_env_json_escape(at, bytes);
      if (count == 0) return 1;
    } else {
      bytes[0] = *(*at)++;
    }
    if (used + (size_t)count >= size) return 2;
    memcpy(to + used, bytes, (size_t)count);
    used += (size_t)count;
    to[used] = '\0';
  }
  ++*at;
  return 0;
}

/* Reads a number and goes behind it, also where the locale has another decimal point. Returns 0; 1: it is none. */
static inline int sac_env_json_number(const char** at, double* number) {
  char text[64];
  size_t used = 0;
  const size_t length = strspn(*at, "+-0123456789.eE");
  if (length == 0 || length > 40 || !strchr("-0123456789", **at)) return 1;
  for (size_t i = 0; i < length; i++) {
    const char* part = (*at)[i] == '.' ? localeconv()->decimal_point : *at + i;
    const size_t bytes = (*at)[i] == '.' ? strlen(part) : 1;
    if (used + bytes >= sizeof text) return 1;
    memcpy(text + used, part, bytes);
    used += bytes;
  }
  text[used] = '\0';

  /* all of it must be the number */
  char* end;
  *number = strtod(text, &end);
  *at += length;
  return *end != '\0';
}

/* Reads the value of one option. Returns 0, or 1 with the reason in `error`. */
static inline int sac_env_json_value(const char** at, const sac_env_setting* setting, char* error, size_t size) {
  double number = 0;
  int failed = 1;
  switch (setting->kind) {
    case SAC_ENV_NUMBER:
    case SAC_ENV_WHOLE:
      failed = sac_env_json_number(at, &number);
      if (failed || !(number >= setting->low && number <= setting->high) ||
          (setting->kind == SAC_ENV_WHOLE &&
           !(number >= INT32_MIN && number <= INT32_MAX && number == (double)(int32_t)number))) {
        (void)snprintf(error, size, "env.options.%s takes a %snumber in [%g, %g]", setting->name,
                       setting->kind == SAC_ENV_WHOLE ? "whole " : "", setting->low, setting->high);
        return 1;
      }
      if (setting->kind == SAC_ENV_NUMBER) *(double*)setting->value = number;
      else *(int32_t*)setting->value = (int32_t)number;
      return 0;
    case SAC_ENV_BOOL:
      failed = strncmp(*at, "true", 4) != 0 && strncmp(*at, "false", 5) != 0;
      if (failed) {
        (void)snprintf(error, size, "env.options.%s takes true or false", setting->name);
        return 1;
      }
      *(int*)setting->value = **at == 't';
      *at += **at == 't' ? 4 : 5;
      return 0;
    case SAC_ENV_TEXT:
      failed = sac_env_json_string(at, (char*)setting->value, setting->size);
      break;
  }
  if (failed)
    (void)snprintf(error, size, "env.options.%s takes a text of at most %d bytes", setting->name,
                   (int)setting->size - 1);
  return failed;
}

/* Reads `json`, the options that create got (NULL: none), into the variables of settings (count). What it does not name
 * keeps its value. Returns SAC_OK, or SAC_ERROR_CONFIG: an unknown key, a wrong type, a number out of range; error
 * (size) then says which, and options that came before have been read. */
static inline int sac_env_read_options(const char* json, const sac_env_setting* settings, size_t count, char* error,
                                       size_t size) {
  const char* at = sac_env_json_space(json ? json : "{}");
  const int begun = *at == '{';
  if (begun) at = sac_env_json_space(at + 1);
  int open = begun && *at != '}';

  /* one option after another: "key": value, and a comma or the end, behind which nothing stands */
  while (open) {
    char key[128];
    size_t k = 0;
    if (sac_env_json_string(&at, key, sizeof key) != 0) break;
    at = sac_env_json_space(at);
    if (*at != ':') break;
    at = sac_env_json_space(at + 1);

    /* find it in the list; if it is not there, list those that are */
    while (k < count && strcmp(settings[k].name, key) != 0) k++;
    if (k == count) {
      size_t used = (size_t)snprintf(error, size, "env.options has no '%.60s'; there is:", key);
      for (k = 0; k < count && used < size; k++)
        used += (size_t)snprintf(error + used, size - used, "%s %s", k ? "," : "", settings[k].name);
      return SAC_ERROR_CONFIG;
    }
    if (sac_env_json_value(&at, &settings[k], error, size) != 0) return SAC_ERROR_CONFIG;

    /* go on behind a comma */
    at = sac_env_json_space(at);
    open = *at == ',';
    if (open) at = sac_env_json_space(at + 1);
  }
  if (begun && !open && *at == '}' && *sac_env_json_space(at + 1) == '\0') return SAC_OK;
  (void)snprintf(error, size, "env.options is no JSON object such as {\"key\": 1}");
  return SAC_ERROR_CONFIG;
}

#ifdef __cplusplus
}
#endif

#endif
