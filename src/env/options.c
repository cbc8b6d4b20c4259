#include "env/options.h"

#include <jansson.h>
#include <string.h>

#include "util/error.h"
#include "util/text.h"

static void store(const sac_env_option* option, void* options, double value) {
  unsigned char* member = (unsigned char*)options + option->offset;
  if (option->kind == SAC_ENV_OPTION_REAL) {
    memcpy(member, &value, sizeof value);
  } else {
    const int32_t whole = (int32_t)value;
    memcpy(member, &whole, sizeof whole);
  }
}

/* The place of `word` in "a|b|c", -1 when it is none of them. */
static int32_t choice_index(const char* choices, const char* word) {
  const size_t length = strlen(word);
  for (int32_t index = 0;; index++) {
    const size_t part = strcspn(choices, "|");
    if (part == length && memcmp(choices, word, part) == 0) return index;
    if (choices[part] == '\0') return -1;
    choices += part + 1;
  }
}

static sac_status read_one(const sac_env_option* option, const char* id, const json_t* value, void* options) {
  if (option->kind == SAC_ENV_OPTION_REAL) {
    const double number = json_number_value(value);
    if (!json_is_number(value) || !(number >= option->low && number <= option->high))
      return sac_fail(SAC_ERROR_CONFIG, "env.options: %s takes a number in [%g, %g] as '%s'", id, option->low,
                      option->high, option->name);
    store(option, options, number);
  } else if (option->kind == SAC_ENV_OPTION_BOOL) {
    if (!json_is_boolean(value))
      return sac_fail(SAC_ERROR_CONFIG, "env.options: %s takes true or false as '%s'", id, option->name);
    store(option, options, json_is_true(value) ? 1 : 0);
  } else {
    const int32_t index = json_is_string(value) ? choice_index(option->choices, json_string_value(value)) : -1;
    if (index < 0)
      return sac_fail(SAC_ERROR_CONFIG, "env.options: %s takes one of \"%s\" as '%s'", id, option->choices,
                      option->name);
    store(option, options, index);
  }
  return SAC_OK;
}

static sac_status unknown(const sac_env_option* list, int32_t count, const char* id, const char* key) {
  const char* names[SAC_ENV_OPTIONS_MAX];
  char all[256] = "", shown[SAC_SHOW_MAX];
  size_t used = 0;
  for (int32_t i = 0; i < count; i++) {
    names[i] = list[i].name;
    sac_text_append(all, sizeof all, &used, "%s%s", i ? ", " : "", list[i].name);
  }
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
  for (int32_t i = 0; i < count; i++) store(&list[i], options, list[i].initial);
  if (!json || !*json) return SAC_OK;
  json_error_t error;
  json_t* root = json_loads(json, JSON_REJECT_DUPLICATES, &error);
  if (!json_is_object(root)) {
    json_decref(root);
    return sac_fail(SAC_ERROR_CONFIG, "env.options: %s takes a JSON object such as {\"key\": 1}%s%s", id,
                    root ? "" : ": ", root ? "" : error.text);
  }
  sac_status status = SAC_OK;
  const char* key;
  json_t* value;
  json_object_foreach(root, key, value) {
    int32_t at = 0;
    while (at < count && strcmp(list[at].name, key) != 0) at++;
    SAC_TRY(at < count ? read_one(&list[at], id, value, options) : unknown(list, count, id, key));
  }
fail:
  json_decref(root);
  return status;
}
