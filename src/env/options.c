#include "env/options.h"

#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "util/error.h"
#include "util/number.h"
#include "util/text.h"

/* Stores a REAL, BOOL, CHOICE or INT in its member. */
static void store(const sac_env_option* option, void* options, double value) {
  unsigned char* member = (unsigned char*)options + option->offset;
  if (option->kind == SAC_ENV_OPTION_REAL) {
    memcpy(member, &value, sizeof value);
  } else {
    const int32_t whole = (int32_t)value;
    memcpy(member, &whole, sizeof whole);
  }
}

/* Stores a RANGE. */
static void store_range(const sac_env_option* option, void* options, double low, double high) {
  const double range[2] = {low, high};
  memcpy((unsigned char*)options + option->offset, range, sizeof range);
}

/* Stores a TEXT; 0 when it is too long for its member. */
static int store_text(const sac_env_option* option, void* options, const char* text) {
  const size_t length = strlen(text);
  if (length >= (size_t)option->high) return 0;
  memcpy((unsigned char*)options + option->offset, text, length + 1);
  return 1;
}

/* Stores the initial value, which each kind has in other members of the option (sac_env_option_kind). */
static void store_initial(const sac_env_option* option, void* options) {
  if (option->kind == SAC_ENV_OPTION_RANGE) store_range(option, options, option->low, option->high);
  else if (option->kind == SAC_ENV_OPTION_TEXT) (void)store_text(option, options, option->choices);
  else store(option, options, option->initial);
}

/* The index of `word` in "a|b|c"; -1 when it is not there. */
static int32_t choice_index(const char* choices, const char* word) {
  const size_t length = strlen(word);
  for (int32_t index = 0;; index++) {
    /* compare the first of the remaining choices */
    const size_t part = strcspn(choices, "|");
    if (part == length && memcmp(choices, word, part) == 0) return index;

    /* go on behind the next | */
    if (choices[part] == '\0') return -1;
    choices += part + 1;
  }
}

/* Reads an end of a range: a number, or infinity as a string, in the spelling of YAML, Python or C. Returns 0 when it
 * is neither. */
static int read_end(const json_t* value, double* end) {
  static const char* const infinite[] = {"inf", "Infinity", ".inf", "+inf"};
  if (json_is_number(value)) {
    *end = json_number_value(value);
    return 1;
  }

  /* infinity, with a '-' in front of any of its spellings */
  if (!json_is_string(value)) return 0;
  const char* text = json_string_value(value);
  const int minus = *text == '-';
  for (size_t i = 0; i < sizeof infinite / sizeof *infinite; i++)
    if (strcmp(text + minus, infinite[i]) == 0) {
      *end = minus ? -INFINITY : INFINITY;
      return 1;
    }
  return 0;
}

/* The given value as JSON, for messages: "'g' = 99". */
static const char* given_text(char text[SAC_SHOW_MAX], const json_t* value) {
  char* json = json_dumps(value, JSON_ENCODE_ANY | JSON_COMPACT | JSON_REAL_PRECISION(9));
  sac_text_show(text, json ? json : "?", SIZE_MAX);
  free(json);
  return text;
}

static sac_status read_range(const sac_env_option* option, const char* id, const json_t* value, void* options) {
  char given[SAC_SHOW_MAX];
  double low, high;

  /* two ends, the smaller first */
  if (!json_is_array(value) || json_array_size(value) != 2 || !read_end(json_array_get(value, 0), &low) ||
      !read_end(json_array_get(value, 1), &high) || !(low <= high))
    return sac_fail(SAC_ERROR_CONFIG,
                    "env.options: %s takes two numbers such as [0.2, 1.0] as '%s', not %s; the smaller first, and no "
                    "bound is \"-inf\" or \"inf\"",
                    id, option->name, given_text(given, value));
  store_range(option, options, low, high);
  return SAC_OK;
}

static sac_status read_text(const sac_env_option* option, const char* id, const json_t* value, void* options) {
  char digits[32], given[SAC_SHOW_MAX];
  const char* text = json_string_value(value);

  /* a whole number is taken as its digits, such as the number of a body */
  if (json_is_integer(value)) {
    (void)snprintf(digits, sizeof digits, "%lld", (long long)json_integer_value(value));
    text = digits;
  }

  /* refuse other types (text is NULL), "" and what does not fit */
  if (!text || !*text || !store_text(option, options, text))
    return sac_fail(SAC_ERROR_CONFIG, "env.options: %s takes a text of 1 to %d bytes as '%s', not %s", id,
                    (int)option->high - 1, option->name, given_text(given, value));
  return SAC_OK;
}

static sac_status read_number(const sac_env_option* option, const char* id, const json_t* value, void* options) {
  const int whole = option->kind == SAC_ENV_OPTION_INT;
  const double number = json_number_value(value);
  char given[SAC_SHOW_MAX];

  /* in the range and, for INT, without a fraction */
  if (!json_is_number(value) || !(number >= option->low && number <= option->high) ||
      (whole && number != (double)(int32_t)number))
    return sac_fail(SAC_ERROR_CONFIG, "env.options: %s takes a %snumber in [%g, %g] as '%s', not %s", id,
                    whole ? "whole " : "", option->low, option->high, option->name, given_text(given, value));
  store(option, options, number);
  return SAC_OK;
}

static sac_status read_choice(const sac_env_option* option, const char* id, const json_t* value, void* options) {
  const int32_t index = json_is_string(value) ? choice_index(option->choices, json_string_value(value)) : -1;
  char given[SAC_SHOW_MAX];
  if (index < 0)
    return sac_fail(SAC_ERROR_CONFIG, "env.options: %s takes one of \"%s\" as '%s', not %s", id, option->choices,
                    option->name, given_text(given, value));
  store(option, options, index);
  return SAC_OK;
}

static sac_status read_bool(const sac_env_option* option, const char* id, const json_t* value, void* options) {
  char given[SAC_SHOW_MAX];
  if (!json_is_boolean(value))
    return sac_fail(SAC_ERROR_CONFIG, "env.options: %s takes true or false as '%s', not %s", id, option->name,
                    given_text(given, value));
  store(option, options, json_is_true(value) ? 1 : 0);
  return SAC_OK;
}

static sac_status read_option(const sac_env_option* option, const char* id, const json_t* value, void* options) {
  switch (option->kind) {
    case SAC_ENV_OPTION_REAL:
    case SAC_ENV_OPTION_INT:
      return read_number(option, id, value, options);
    case SAC_ENV_OPTION_CHOICE:
      return read_choice(option, id, value, options);
    case SAC_ENV_OPTION_RANGE:
      return read_range(option, id, value, options);
    case SAC_ENV_OPTION_TEXT:
      return read_text(option, id, value, options);
    case SAC_ENV_OPTION_BOOL:
      break;
  }
  return read_bool(option, id, value, options);
}

/* Appends a number as JSON. JSON has no infinity, so it becomes a string. */
static void append_number(char* text, size_t* used, double value) {
  char number[SAC_NUMBER_MAX];
  sac_print_real(number, value);
  sac_text_append(text, SAC_ENV_OPTION_TEXT_MAX, used, isinf(value) ? "\"%s\"" : "%s", number);
}

const char* sac_env_option_initial(const sac_env_option* option, char text[SAC_ENV_OPTION_TEXT_MAX]) {
  const size_t size = SAC_ENV_OPTION_TEXT_MAX;
  size_t used = 0;
  text[0] = '\0';

  /* each kind has its initial value in other members: see sac_env_option_kind */
  switch (option->kind) {
    case SAC_ENV_OPTION_REAL:
    case SAC_ENV_OPTION_INT:
      append_number(text, &used, option->initial);
      break;
    case SAC_ENV_OPTION_BOOL:
      sac_text_append(text, size, &used, "%s", option->initial != 0 ? "true" : "false");
      break;
    case SAC_ENV_OPTION_CHOICE: /* the first of the choices: in every list `initial` is 0 */
      sac_text_append(text, size, &used, "\"%.*s\"", (int)strcspn(option->choices, "|"), option->choices);
      break;
    case SAC_ENV_OPTION_TEXT:
      sac_text_append(text, size, &used, "\"%s\"", option->choices);
      break;
    case SAC_ENV_OPTION_RANGE:
      sac_text_append(text, size, &used, "[");
      append_number(text, &used, option->low);
      sac_text_append(text, size, &used, ", ");
      append_number(text, &used, option->high);
      sac_text_append(text, size, &used, "]");
      break;
  }
  return text;
}

/* The error of an option that the environment does not have. */
static sac_status unknown(const sac_env_option* list, int32_t count, const char* id, const char* key) {
  const char* names[SAC_ENV_OPTIONS_MAX];
  char all[512] = "", shown[SAC_SHOW_MAX];
  size_t used = 0;

  /* list the names that it has */
  for (int32_t i = 0; i < count; i++) {
    names[i] = list[i].name;
    sac_text_append(all, sizeof all, &used, "%s%s", i ? ", " : "", list[i].name);
  }

  /* name the nearest of them, if one is near, and all */
  sac_text_show(shown, key, SIZE_MAX);
  if (count == 0) return sac_fail(SAC_ERROR_CONFIG, "env.options: %s has no options, so none called '%s'", id, shown);
  const char* near = sac_nearest(key, names, (size_t)count);
  if (near)
    return sac_fail(SAC_ERROR_CONFIG, "env.options: %s has no option '%s'; nearest is '%s' (it has: %s)", id, shown,
                    near, all);
  return sac_fail(SAC_ERROR_CONFIG, "env.options: %s has no option '%s'; it has: %s", id, shown, all);
}

sac_status sac_env_options_read(const sac_env_option* list, int32_t count, const char* id, const char* json,
                                void* options) {
  /* initial values first; the JSON then overwrites some */
  for (int32_t i = 0; i < count; i++) store_initial(&list[i], options);
  if (!json || !*json) return SAC_OK;

  /* parse the JSON object */
  json_error_t error;
  json_t* root = json_loads(json, JSON_REJECT_DUPLICATES, &error);
  if (!json_is_object(root)) {
    json_decref(root);
    return sac_fail(SAC_ERROR_CONFIG, "env.options: %s takes a JSON object such as {\"key\": 1}%s%s", id,
                    root ? "" : ": ", root ? "" : error.text);
  }

  /* look up each key in the list, and read its value */
  sac_status status = SAC_OK;
  const char* key;
  json_t* value;
  json_object_foreach(root, key, value) {
    int32_t at = 0;
    while (at < count && strcmp(list[at].name, key) != 0) at++;
    SAC_TRY(at < count ? read_option(&list[at], id, value, options) : unknown(list, count, id, key));
  }
fail:
  json_decref(root);
  return status;
}
