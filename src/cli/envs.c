/* sac envs: the environments that this program knows by name. */
#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/options.h"
#include "env/list.h"
#include "env/vector.h"
#include "kernels/random.h"
#include "util/text.h"

/* What the columns show of one environment. */
typedef struct line {
  char actions[96], options[2048];
} line;

static void describe(const sac_env_entry* entry, const sac_env_spec* spec, line* out) {
  int32_t count;
  const sac_env_option* option = sac_env_options_of(entry->id, &count);
  size_t used = 0;
  memset(out, 0, sizeof *out);
  if (spec->actions > 0) {
    sac_text_append(out->actions, sizeof out->actions, &used, "%d discrete", (int)spec->actions);
  } else {
    int same = 1;
    for (int32_t j = 1; j < spec->action_size; j++)
      same &= spec->action_low[j] == spec->action_low[0] && spec->action_high[j] == spec->action_high[0];
    sac_text_append(out->actions, sizeof out->actions, &used, "%d in", (int)spec->action_size);
    for (int32_t j = 0; j < (same ? 1 : spec->action_size); j++)
      sac_text_append(out->actions, sizeof out->actions, &used, " [%g, %g]", (double)spec->action_low[j],
                      (double)spec->action_high[j]);
  }
  used = 0;
  for (int32_t i = 0; i < count; i++) {
    char text[SAC_ENV_OPTION_TEXT_MAX];
    sac_text_append(out->options, sizeof out->options, &used, "%s%s=%s", i ? " " : "", option[i].name,
                    sac_env_option_initial(&option[i], text));
  }
}

static json_t* options_json(const sac_env_entry* entry) {
  int32_t count;
  const sac_env_option* option = sac_env_options_of(entry->id, &count);
  json_t* options = json_object();
  for (int32_t i = 0; i < count; i++) {
    char text[SAC_ENV_OPTION_TEXT_MAX];
    json_object_set_new(options, option[i].name,
                        option[i].kind == SAC_ENV_OPTION_REAL
                            ? json_real(option[i].initial)
                            : json_loads(sac_env_option_initial(&option[i], text), JSON_DECODE_ANY, NULL));
  }
  return options;
}

static json_t* entry_json(const sac_env_entry* entry, const sac_env_spec* spec) {
  json_t *low = json_array(), *high = json_array();
  for (int32_t j = 0; spec->actions == 0 && j < spec->action_size; j++) {
    json_array_append_new(low, json_real((double)spec->action_low[j]));
    json_array_append_new(high, json_real((double)spec->action_high[j]));
  }
  return json_pack("{s:s, s:s, s:i, s:i, s:i, s:i, s:o, s:o, s:o}", "id", entry->id, "summary", entry->summary,
                   "obs_size", (int)spec->obs_size, "action_size", (int)spec->action_size, "actions",
                   (int)spec->actions, "max_episode_steps", (int)spec->max_episode_steps, "action_low", low,
                   "action_high", high, "options", options_json(entry));
}

/* One environment, alive for as long as its spec is read. */
static sac_status open_one(const sac_env_entry* entry, sac_vector** vector) {
  const uint64_t seed = 0;
  return sac_vector_create(vector, entry->api, entry->id, NULL, 1, 1, &seed, sac_stream_env(0));
}

#define OPTIONS_WIDTH 34
#define ROW "%-26s  %12s  %-28s  %6s  %-34s  %s\n"

static void print_row(const sac_env_entry* entry, const sac_env_spec* spec) {
  char obs[16], steps[16], many[48];
  int32_t count;
  line text;
  describe(entry, spec, &text);
  (void)sac_env_options_of(entry->id, &count);
  (void)snprintf(many, sizeof many, "%d: sac envs %s", (int)count, entry->id);
  (void)snprintf(obs, sizeof obs, "%d", (int)spec->obs_size);
  (void)snprintf(steps, sizeof steps, "%d", (int)spec->max_episode_steps);
  printf(ROW, entry->id, obs, text.actions, steps, strlen(text.options) > OPTIONS_WIDTH ? many : text.options,
         entry->summary);
}

static void print_options(const sac_env_entry* entry) {
  int32_t count;
  const sac_env_option* option = sac_env_options_of(entry->id, &count);
  if (count > 0) printf("\nenv.options, and what they are unless set:\n");
  for (int32_t i = 0; i < count; i++) {
    char text[SAC_ENV_OPTION_TEXT_MAX];
    printf("  %-44s  %s\n", option[i].name, sac_env_option_initial(&option[i], text));
  }
}

/* The environment that was asked for, or all; those that cannot be made here say why. */
static int list(const sac_env_entry* only, int json) {
  json_t* array = json ? json_array() : NULL;
  const char* missing = NULL;
  if (!json) printf(ROW, "environment", "observations", "actions", "steps", "env.options", "what");
  for (int32_t i = 0; i < sac_env_count(); i++) {
    const sac_env_entry* entry = sac_env_at(i);
    sac_vector* vector;
    if (only && entry != only) continue;
    if (!only && entry->ready && entry->ready() != SAC_OK) {
      missing = sac_last_error();
      if (json)
        json_array_append_new(
            array, json_pack("{s:s, s:s, s:s}", "id", entry->id, "summary", entry->summary, "missing", missing));
      else printf(ROW, entry->id, "-", "-", "-", "-", entry->summary);
      continue;
    }
    const sac_status status = open_one(entry, &vector);
    if (status != SAC_OK) {
      json_decref(array);
      return sac_cli_fail(status);
    }
    if (json) json_array_append_new(array, entry_json(entry, &vector->spec));
    else print_row(entry, &vector->spec);
    sac_vector_destroy(vector);
  }
  if (only && !json) print_options(only);
  if (missing && !json) printf("\nThose without numbers are not to be had here: %s.\n", missing);
  int failed = 0;
  if (json) failed = json_dumpf(array, stdout, JSON_INDENT(2) | JSON_REAL_PRECISION(9)) != 0 || putchar('\n') == EOF;
  json_decref(array);
  return failed ? SAC_EXIT_FAILED : SAC_EXIT_WELL;
}

int sac_cli_envs(int argc, char** argv) {
  int json = 0;
  const sac_option options[] = {SAC_OPTION_SWITCH("--json", &json, "one JSON array"), {0}};
  const sac_syntax syntax = {
      .command = "envs",
      .arguments = "[ID] [options]",
      .help =
          "Lists the environments that are known by name: their sizes, the bounds of their actions, the steps after\n"
          "which an episode is cut off, and the keys of env.options with what they are unless set. With an ID, that\n"
          "one alone, an option a line.",
      .notes =
          "Options are given as JSON:  sac train --env Pendulum-v1 --set 'env.options={\"g\": 9.81}'\n"
          "\n"
          "An environment of your own is a shared object: sac train --env ./libmyenv.so (a name with a '/').\n"
          "<sac/env.h> says what it exports, the README shows how one is made.\n"
          "\n"
          "Gymnasium's, and what packages register there, go by gym:LunarLander-v3 or gym:PACKAGE:ID, with the\n"
          "keyword arguments of gymnasium.make as env.options.\n",
      .options = options,
      .operands_max = 1,
  };
  sac_operands operands;
  const int code = sac_options_parse(&syntax, argc, argv, NULL, &operands);
  if (code != SAC_OPTIONS_GO) return code;
  if (operands.count == 0) return list(NULL, json);
  const sac_env_api* api;
  const sac_status status = sac_env_find(operands.text[0], &api);
  return status == SAC_OK ? list(sac_env_entry_find(operands.text[0]), json) : sac_cli_fail(status);
}
