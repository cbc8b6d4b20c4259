/* sac envs: the environments that this program knows by name. */
#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/options.h"
#include "env/list.h"
#include "env/task.h"
#include "env/vector.h"
#include "kernels/random.h"
#include "util/text.h"

/* What the columns show of one environment. */
typedef struct line {
  char actions[96], options[96];
} line;

static const char* choice_text(const sac_env_option* option, char text[32]) {
  const size_t length = strcspn(option->choices, "|"); /* the first is what counts when nothing is said */
  (void)snprintf(text, 32, "%.*s", (int)length, option->choices);
  return text;
}

static void describe(const sac_env_entry* entry, const sac_env_spec* spec, line* out) {
  const sac_task* task = sac_task_find(entry->id);
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
  for (int32_t i = 0; task && i < task->option_count; i++) {
    const sac_env_option* option = &task->options[i];
    char text[32];
    sac_text_append(out->options, sizeof out->options, &used, "%s%s=", i ? " " : "", option->name);
    if (option->kind == SAC_ENV_OPTION_REAL)
      sac_text_append(out->options, sizeof out->options, &used, "%g", option->initial);
    else if (option->kind == SAC_ENV_OPTION_BOOL)
      sac_text_append(out->options, sizeof out->options, &used, "%s", option->initial != 0 ? "true" : "false");
    else sac_text_append(out->options, sizeof out->options, &used, "%s", choice_text(option, text));
  }
}

static json_t* options_json(const sac_env_entry* entry) {
  const sac_task* task = sac_task_find(entry->id);
  json_t* options = json_object();
  for (int32_t i = 0; task && i < task->option_count; i++) {
    const sac_env_option* option = &task->options[i];
    char text[32];
    json_object_set_new(options, option->name,
                        option->kind == SAC_ENV_OPTION_REAL   ? json_real(option->initial)
                        : option->kind == SAC_ENV_OPTION_BOOL ? json_boolean(option->initial != 0)
                                                              : json_string(choice_text(option, text)));
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

/* One environment of each, alive for as long as its spec is read. */
static sac_status open_one(const sac_env_entry* entry, sac_vector** vector) {
  const uint64_t seed = 0;
  return sac_vector_create(vector, entry->api, entry->id, NULL, 1, 1, &seed, sac_stream_env(0));
}

#define ROW "%-26s  %12s  %-28s  %6s  %-34s  %s\n"

int sac_cli_envs(int argc, char** argv) {
  int json = 0;
  const sac_option options[] = {SAC_OPTION_SWITCH("--json", &json, "one JSON array"), {0}};
  const sac_syntax syntax = {
      .command = "envs",
      .arguments = "[options]",
      .help =
          "Lists the environments that are built in: their sizes, the bounds of their actions, the steps after\n"
          "which an episode is cut off, and the keys of env.options with what they are unless set.",
      .notes =
          "Options are given as JSON:  sac train --env Pendulum-v1 --set 'env.options={\"g\": 9.81}'\n"
          "\n"
          "An environment of your own is a shared object: sac train --env ./libmyenv.so (a name with a '/').\n"
          "<sac/env.h> says what it exports, the README shows how one is made.\n"
          "\n"
          "Gymnasium's, and what packages register there, go by gym:LunarLander-v3 or gym:PACKAGE:ID, with the\n"
          "keyword arguments of gymnasium.make as env.options.\n",
      .options = options,
  };
  sac_operands operands;
  const int code = sac_options_parse(&syntax, argc, argv, NULL, &operands);
  if (code != SAC_OPTIONS_GO) return code;
  json_t* array = json_array();
  if (!json) printf(ROW, "environment", "observations", "actions", "steps", "env.options", "what");
  for (int32_t i = 0; i < sac_env_count(); i++) {
    const sac_env_entry* entry = sac_env_at(i);
    sac_vector* vector;
    const sac_status status = open_one(entry, &vector);
    if (status != SAC_OK) {
      json_decref(array);
      return sac_cli_fail(status);
    }
    if (json) {
      json_array_append_new(array, entry_json(entry, &vector->spec));
    } else {
      char obs[16], steps[16];
      line text;
      describe(entry, &vector->spec, &text);
      (void)snprintf(obs, sizeof obs, "%d", (int)vector->spec.obs_size);
      (void)snprintf(steps, sizeof steps, "%d", (int)vector->spec.max_episode_steps);
      printf(ROW, entry->id, obs, text.actions, steps, text.options, entry->summary);
    }
    sac_vector_destroy(vector);
  }
  int failed = 0;
  if (json) failed = json_dumpf(array, stdout, JSON_INDENT(2) | JSON_REAL_PRECISION(9)) != 0 || putchar('\n') == EOF;
  json_decref(array);
  return failed ? SAC_EXIT_FAILED : SAC_EXIT_WELL;
}
