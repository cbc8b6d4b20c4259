/* Checks across fields, changes on a resume, and the summary for the log. */
#include <string.h>

#include "config/env_options.h"
#include "config/parts.h"
#include "config/settings.h"
#include "config/sources.h"
#include "util/error.h"
#include "util/number.h"
#include "util/text.h"

/* Text about one value, returned by value so that one message can have two of them. */
typedef struct {
  char text[SAC_FROM_MAX + SAC_SHOW_MAX + 64];
} phrase;

/* Describes a value and its source for a message: "replay.batch = 256 (from --set)". */
static phrase value_of(const sac_config* config, sac_field_index field) {
  char value[SAC_VALUE_MAX], shown[SAC_SHOW_MAX];
  phrase out = {""};
  size_t used = 0;

  /* print the key and the value */
  sac_field_print(&sac_fields[field], &config->settings, value);
  sac_text_append(out.text, sizeof out.text, &used, "%s = %s (", sac_fields[field].key,
                  sac_text_show(shown, value, SIZE_MAX));

  /* add where the value came from */
  if (config->source[field].origin == SAC_ORIGIN_LIBRARY)
    sac_text_append(out.text, sizeof out.text, &used, "the default)");
  else sac_text_append(out.text, sizeof out.text, &used, "from %s)", config->source[field].from);
  return out;
}
#define VALUE(member) (value_of(config, SAC_FIELD_##member).text)

/* Uses cpu.threads as the environment's option `threads` too, if the environment has this option and it is not set.
 * Only the copy `s` changes. The configuration that is written out does not, so a resume may use other threads. */
static sac_status share_threads(sac_settings* s) {
  char json[SAC_TEXT_MAX] = "", number[SAC_NUMBER_MAX];

  /* leave the options as they are without a number of threads, or without such an option */
  if (s->threads == 0 || !sac_config_env.takes_threads(s->env_id)) return SAC_OK;

  /* add the option to the text of env.options; a value that is there already wins */
  (void)sac_print_integer(number, s->threads);
  const sac_node node = {.kind = SAC_NODE_SCALAR, .plain = 1, .text = number};
  const sac_status status =
      sac_env_options_merge(json, sizeof json, s->env_options, "threads", &node, 1, "cpu.threads");
  if (status == SAC_OK) memcpy(s->env_options, json, sizeof json);
  return status;
}

/* Whether this build has a backend for devices other than the host. */
static int devices_are_built(void) {
  for (const sac_device_kind* kind = sac_device_kinds; kind->name; kind++)
    if (kind->built && !kind->on_host) return 1;
  return 0;
}

sac_status sac_config_settings(const sac_config* config, sac_settings* out) {
  if (!config || !out) return sac_fail(SAC_ERROR_ARGUMENT, "sac_config_settings: config or settings is NULL");
  const sac_settings* s = &config->settings;

  /* compare sizes and limits with each other */
  if (!(s->replay_capacity >= s->batch))
    return sac_fail(SAC_ERROR_CONFIG, "%s is less than %s: a minibatch must fit", VALUE(replay_capacity), VALUE(batch));
  if (!(s->log_std_min < s->log_std_max))
    return sac_fail(SAC_ERROR_CONFIG, "%s is not below %s", VALUE(log_std_min), VALUE(log_std_max));

  if (s->alpha_min > s->alpha_max)
    return sac_fail(SAC_ERROR_CONFIG, "%s is above %s", VALUE(alpha_min), VALUE(alpha_max));
  if (s->offline_share > 0 && !s->replay_load[0])
    return sac_fail(SAC_ERROR_CONFIG, "%s needs loaded transitions: set replay.load (--replay PATH)",
                    VALUE(offline_share));

  /* check the names of the parts */
  unsigned parts;
  const sac_status named = sac_parts_parse(s->init_parts, &parts);
  if (named != SAC_OK) return named;

  /* check the schedule: learning needs steps after the warm-up; train.overlap is SAC_LAG_MAX vector steps at most */
  if (s->updates_per_step > 0 && !s->replay_load[0] && !(s->warmup_steps < s->steps))
    return sac_fail(SAC_ERROR_CONFIG,
                    "%s leaves no step to learn in: %s; lower train.warmup_steps, raise train.steps, or set "
                    "train.updates_per_step=0",
                    VALUE(warmup_steps), VALUE(steps));
  if (sac_lag(s->overlap, s->num_envs) > SAC_LAG_MAX)
    return sac_fail(SAC_ERROR_CONFIG, "%s is more than %d steps of %s: at most %lld", VALUE(overlap), SAC_LAG_MAX,
                    VALUE(num_envs), (long long)(SAC_LAG_MAX * s->num_envs));

  /* a signal has one meaning */
  if (s->signal_checkpoint == s->signal_stop && s->signal_stop != SAC_SIGNAL_NONE)
    return sac_fail(SAC_ERROR_CONFIG, "%s and %s are the same signal: set one of them to none",
                    VALUE(signal_checkpoint), VALUE(signal_stop));

  /* check that this build has the device, and that the device has the precision */
  const sac_device_kind* kind = sac_device_kind_of(s->device); /* NULL: auto */
  if (kind && !kind->built)
    return sac_fail(SAC_ERROR_DEVICE, "%s: this build of sac has no %s; use device cpu or auto", VALUE(device),
                    kind->title);
  const int on_host = kind ? kind->on_host : !devices_are_built();
  if (on_host && s->precision != SAC_FP32)
    return sac_fail(SAC_ERROR_CONFIG, "%s needs a CUDA device; on the CPU precision is fp32", VALUE(precision));

  /* copy the values, and give cpu.threads to the environment */
  *out = *s;
  return share_threads(out);
}

/* Merges the wanted options of the environment into the saved ones; the result replaces wanted->env_options. */
static sac_status merge_options(const sac_settings* saved, sac_settings* wanted, const char* from) {
  sac_node* node = NULL;
  char json[SAC_TEXT_MAX] = "";

  /* parse the wanted options, and put them over the saved ones */
  sac_status status = sac_yaml_parse(&node, wanted->env_options, strlen(wanted->env_options), SAC_OPTIONS_KEY);
  if (status == SAC_OK) status = sac_env_options_merge(json, sizeof json, saved->env_options, NULL, node, 0, from);
  sac_yaml_free(node);
  if (status != SAC_OK) return status;

  /* replace the text; zeros follow it, so that equal options are equal bytes */
  memset(wanted->env_options, 0, sizeof wanted->env_options);
  memcpy(wanted->env_options, json, strlen(json));
  return SAC_OK;
}

sac_status sac_config_resume(sac_config* saved, const sac_config* wanted, char* changes, size_t changes_size) {
  char refused[768] = "", before[SAC_VALUE_MAX], after[SAC_VALUE_MAX], old[SAC_SHOW_MAX], new[SAC_SHOW_MAX];
  size_t refused_used = 0, changes_used = 0;
  sac_status status = SAC_OK;
  sac_config next = *saved;
  sac_settings asked = wanted->settings;

  /* merge options of the environment: a resume may name some of them and keep the others; {} asks for none */
  if (changes_size) changes[0] = '\0';
  if (wanted->source[SAC_FIELD_env_options].origin >= SAC_ORIGIN_FILE && strcmp(asked.env_options, "{}") != 0)
    SAC_TRY(merge_options(&saved->settings, &asked, wanted->source[SAC_FIELD_env_options].from));

  /* go through the values that the caller gave and that differ from the saved ones */
  for (int i = 0; i < SAC_FIELD_COUNT; i++) {
    const sac_field* field = &sac_fields[i];
    const sac_source* source = &wanted->source[i];
    if (source->origin < SAC_ORIGIN_FILE || sac_field_equal(field, &saved->settings, &asked)) continue;

    /* print both values for the message */
    sac_field_print(field, &saved->settings, before);
    sac_field_print(field, &asked, after);
    sac_text_show(old, before, SIZE_MAX);
    sac_text_show(new, after, SIZE_MAX);

    /* collect refusals of FIXED fields, so that one message names them all */
    if (field->change == SAC_CHANGE_FIXED) {
      sac_text_append(refused, sizeof refused, &refused_used, "%s%s was %s and cannot change on resume (%s asks %s)",
                      refused_used ? "; " : "", field->key, old, source->from, new);
      continue;
    }

    /* take over the new value and its source */
    sac_text_append(changes, changes_size, &changes_used, "%s%s %s -> %s", changes_used ? "\n" : "", field->key, old,
                    new);
    sac_field_copy(field, &next.settings, &asked);
    next.source[i] = *source;
  }

  /* change `saved` only if nothing was refused */
  if (refused_used) return sac_fail(SAC_ERROR_CONFIG, "%s; start a new run with --init to use other values", refused);
  *saved = next;
  return SAC_OK;
fail:
  return status;
}

/* A list of values in the summary. */
typedef struct {
  char* text;
  size_t size, used;
  int count; /* values in the present list */
} summary;

/* Adds a value; `lead` stands before the first of a list. */
static void add(summary* s, const char* lead, const char* key, const char* value) {
  char shown[SAC_SHOW_MAX];
  sac_text_append(s->text, s->size, &s->used, "%s%s %s", s->count++ ? ", " : lead, key,
                  sac_text_show(shown, value, SIZE_MAX));
}

/* Adds the options of the environment whose sources have these origins. lead NULL: that of a preset. */
static void add_options(summary* s, const sac_config* config, sac_origin first, sac_origin last, const char* lead) {
  char name[SAC_TEXT_MAX], value[SAC_TEXT_MAX], key[SAC_TEXT_MAX + 16], head[SAC_FROM_MAX + 16];
  for (int32_t i = 0; sac_env_options_name(config->settings.env_options, i, name, sizeof name); i++) {
    const sac_source* source = sac_config_option_source(config, name);
    size_t length = 0, begin = 0;
    if (source->origin < first || source->origin > last) continue;
    (void)sac_env_options_json(config->settings.env_options, name, value, sizeof value);
    sac_text_append(key, sizeof key, &length, "%s.%s", SAC_OPTIONS_KEY, name);
    sac_text_append(head, sizeof head, &begin, "%s sets ", source->from);
    add(s, lead ? lead : head, key, value);
  }
}

void sac_config_summary(const sac_config* config, char* text, size_t size) {
  char value[SAC_VALUE_MAX], lead[SAC_FROM_MAX + 16];
  const int differ = sac_config_options_differ(config);
  summary s = {.text = text, .size = size};
  if (size) text[0] = '\0';

  /* list what the preset changes from the library's defaults */
  for (int i = 0; i < SAC_FIELD_COUNT; i++) {
    if (i == SAC_FIELD_env_options && differ) add_options(&s, config, SAC_ORIGIN_PRESET, SAC_ORIGIN_PRESET, NULL);
    if (config->source[i].origin != SAC_ORIGIN_PRESET || i == SAC_FIELD_env_id) continue;
    if (sac_field_equal(&sac_fields[i], &config->settings, &sac_settings_library)) continue;
    size_t length = 0;
    sac_field_print(&sac_fields[i], &config->settings, value);
    sac_text_append(lead, sizeof lead, &length, "%s sets ", config->source[i].from);
    add(&s, lead, sac_fields[i].key, value);
  }

  /* list what --set or an option gave, even if it equals the default, and what a file changes: it may hold all keys */
  sac_config* plain = NULL;
  const char* yours = s.count ? "; you set " : "you set ";
  s.count = 0;
  if (sac_config_create(&plain) == SAC_OK) (void)sac_config_preset(plain, config->settings.env_id);
  for (int i = 0; i < SAC_FIELD_COUNT; i++) {
    if (i == SAC_FIELD_env_options && differ) {
      add_options(&s, config, SAC_ORIGIN_FILE, SAC_ORIGIN_FLAG, yours);
      continue;
    }
    if (config->source[i].origin < SAC_ORIGIN_FILE || i == SAC_FIELD_env_id || i == SAC_FIELD_out) continue;
    if (config->source[i].origin == SAC_ORIGIN_FILE && plain &&
        sac_field_equal(&sac_fields[i], &config->settings, &plain->settings))
      continue;
    sac_field_print(&sac_fields[i], &config->settings, value);
    add(&s, yours, sac_fields[i].key, value);
  }
  sac_config_destroy(plain);
}
