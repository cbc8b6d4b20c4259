/* sac envs: lists environments, with reference returns. */
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "algo/algo.h"
#include "cli/cli.h"
#include "cli/exact.h"
#include "cli/json.h"
#include "cli/options.h"
#include "cli/out.h"
#include "cli/wrap.h"
#include "config/field.h"
#include "config/sources.h"
#include "env/exact.h"
#include "env/gym.h"
#include "env/list.h"
#include "env/references.h"
#include "env/vector.h"
#include "kernels/random.h"
#include "util/embedded.h"
#include "util/error.h"
#include "util/text.h"

/* One environment, with the text of its columns. */
typedef struct row {
  const char *id, *summary, *source;
  const sac_env_entry* entry;     /* NULL: not built in */
  const sac_reference* reference; /* NULL: none is known */
  int discrete;                   /* 1: its actions are */
  const char* missing;            /* why it cannot be created here; NULL: it can, or it was not tried */
  char obs[16], actions[96], steps[16], options[16], figure[48];
} row;

/* The environments that are listed. */
typedef struct table {
  row* rows; /* (count) */
  int count;
  json_t* array;        /* of the same environments, for --json; NULL: prints for people */
  const char** sources; /* (source_count) of reference returns, in the order of their numbers */
  int source_count;
} table;

/* --- one row ------------------------------------------------------------------------------------------------------ */

/* A number, or "-" when it is not known. */
static void number_text(char* text, size_t size, int known, int32_t value) {
  if (known) (void)snprintf(text, size, "%d", (int)value);
  else (void)snprintf(text, size, "-");
}

/* "2 discrete", "6 in [-1, 1]"; with bounds that differ "2 in [-1, 1] [0, 4]", or "2, bounds differ" where that is too
 * long for a table. */
static void actions_text(char* text, size_t size, const sac_env_spec* spec, int whole) {
  size_t used = 0;
  if (spec->actions > 0) {
    sac_text_append(text, size, &used, "%d discrete", (int)spec->actions);
    return;
  }

  /* look whether all components have the same bounds */
  int same = 1;
  for (int32_t j = 1; j < spec->action_size; j++)
    same &= spec->action_low[j] == spec->action_low[0] && spec->action_high[j] == spec->action_high[0];

  if (!same && !whole) {
    sac_text_append(text, size, &used, "%d, bounds differ", (int)spec->action_size);
    return;
  }

  /* write one interval, or one for each component */
  sac_text_append(text, size, &used, "%d in", (int)spec->action_size);
  for (int32_t j = 0; j < (same ? 1 : spec->action_size); j++)
    sac_text_append(text, size, &used, " [%g, %g]", (double)spec->action_low[j], (double)spec->action_high[j]);
}

/* "11058 +- 982 [1]": [1] numbers the source, which is printed below the table. */
static void figure_text(char* text, size_t size, const sac_reference* reference, table* all) {
  size_t used = 0;
  if (!reference) {
    sac_text_append(text, size, &used, "-");
    return;
  }

  /* find the number of the source; a new source gets the next one */
  int note = 0;
  while (note < all->source_count && strcmp(all->sources[note], reference->source) != 0) note++;
  if (note == all->source_count) all->sources[all->source_count++] = reference->source;

  /* write mean, spread over seeds, and the number */
  sac_text_append(text, size, &used, "%.7g", reference->mean);
  if (!isnan(reference->spread)) sac_text_append(text, size, &used, " +- %.7g", reference->spread);
  sac_text_append(text, size, &used, " [%d]", note + 1);
}

/* The options of an environment with their defaults, as a JSON object. */
static json_t* options_json(const char* id) {
  int32_t count;
  const sac_env_option* option = sac_env_options_of(id, &count);
  json_t* options = json_object();
  for (int32_t i = 0; i < count; i++) {
    char text[SAC_ENV_OPTION_TEXT_MAX];

    /* write a number, or parse the text of the default, which is JSON */
    json_object_set_new(options, option[i].name,
                        option[i].kind == SAC_ENV_OPTION_REAL
                            ? json_real(option[i].initial)
                            : json_loads(sac_env_option_initial(&option[i], text), JSON_DECODE_ANY, NULL));
  }
  return options;
}

/* The environment as a JSON object. spec: NULL when it was not created; then its sizes are left out. */
static json_t* row_json(const row* one, const sac_env_spec* spec) {
  /* write what is known without creating the environment; a source that is NULL becomes null */
  const sac_reference* reference = one->reference;
  json_t* object = json_pack("{s:s, s:s, s:s, s:o, s:o, s:s?}", "id", one->id, "summary", one->summary, "source",
                             one->source, "reference_return", sac_json_real(reference ? reference->mean : NAN),
                             "reference_spread", sac_json_real(reference ? reference->spread : NAN), "reference_source",
                             reference ? reference->source : NULL);
  if (one->missing) json_object_set_new(object, "missing", json_string(one->missing));
  if (!spec) return object;

  /* write the bounds; arrays are empty for discrete actions */
  json_t *low = json_array(), *high = json_array();
  for (int32_t j = 0; spec->actions == 0 && j < spec->action_size; j++) {
    json_array_append_new(low, json_real((double)spec->action_low[j]));
    json_array_append_new(high, json_real((double)spec->action_high[j]));
  }

  /* add sizes, bounds and options */
  json_object_update_new(object,
                         json_pack("{s:i, s:i, s:i, s:i, s:o, s:o}", "obs_size", (int)spec->obs_size, "action_size",
                                   (int)spec->action_size, "actions", (int)spec->actions, "max_episode_steps",
                                   (int)spec->max_episode_steps, "action_low", low, "action_high", high));
  if (one->entry) json_object_set_new(object, "options", options_json(one->id));
  return object;
}

/* Adds an environment to the table. api: creates one environment, for its sizes; NULL: the sizes stay unknown. missing:
 * why it cannot be created here, or NULL. options: JSON, or NULL. whole: 1 to write all bounds of the actions. Errors:
 * those of sac_vector_create. */
static sac_status add_env(table* all, const char* id, const sac_env_api* api, const char* missing, const char* options,
                          int whole) {
  const uint64_t seed = 0;
  sac_vector* vector = NULL;

  /* create the environment */
  if (api) {
    const sac_status status = sac_vector_create(&vector, api, id, options, 1, 1, &seed, sac_stream_env(0));
    if (status != SAC_OK) return status;
  }

  /* start a new row */
  const sac_env_spec* spec = vector ? &vector->spec : NULL;
  row* one = &all->rows[all->count++];
  int32_t keys;
  (void)sac_env_options_of(id, &keys);

  /* fill what is known without creating it */
  *one = (row){.id = id, .summary = "", .source = sac_env_source(id), .missing = missing};
  one->entry = sac_env_entry_find(id);
  one->reference = sac_reference_find(id);
  if (one->entry) one->summary = one->entry->summary;

  /* fill the columns */
  number_text(one->obs, sizeof one->obs, spec != NULL, spec ? spec->obs_size : 0);
  number_text(one->steps, sizeof one->steps, spec && spec->max_episode_steps, spec ? spec->max_episode_steps : 0);
  number_text(one->options, sizeof one->options, spec && one->entry, keys);
  one->discrete = spec && spec->actions > 0;
  if (spec) actions_text(one->actions, sizeof one->actions, spec, whole);
  else (void)snprintf(one->actions, sizeof one->actions, "-");
  figure_text(one->figure, sizeof one->figure, one->reference, all);

  /* make its JSON now, while the vector exists */
  if (all->array) json_array_append_new(all->array, row_json(one, spec));
  sac_vector_destroy(vector);
  return SAC_OK;
}

/* --- the lists ---------------------------------------------------------------------------------------------------- */

/* The larger of a width and the length of a text. */
static int longer(int width, const char* text) { return (int)strlen(text) > width ? (int)strlen(text) : width; }

enum { ID, OBS, ACTIONS, STEPS, FIGURE, WHAT, SOURCE, OPTIONS, COLUMNS }; /* of the table, as they are shown */

/* The texts of a row, column by column. */
static void cells_of(const row* one, const char* cells[COLUMNS]) {
  const char* const all[COLUMNS] = {one->id,     one->obs,     one->actions, one->steps,
                                    one->figure, one->summary, one->source,  one->options};
  memcpy(cells, all, sizeof all);
}

/* Finds the width of each column; 0: it is left out. A column without any value is, and the last ones are where the
 * terminal is too narrow. */
static void find_widths(const row* rows, int count, const char* const heads[COLUMNS], int width[COLUMNS]) {
  const char* cells[COLUMNS];
  int total = 0, full = 0;

  /* find the widest cell of each column */
  memset(width, 0, COLUMNS * sizeof *width);
  for (int i = 0; i < count; i++) {
    cells_of(&rows[i], cells);
    for (int c = 0; c < COLUMNS; c++)
      if (cells[c][0] && strcmp(cells[c], "-") != 0) width[c] = longer(width[c], cells[c]);
  }

  /* leave out what does not fit, from the first such column on */
  for (int c = 0; c < COLUMNS; c++) {
    if (width[c] == 0) continue;
    width[c] = longer(width[c], heads[c]);
    full |= c > FIGURE && total + width[c] > sac_wrap_width();
    if (full) width[c] = 0;
    else total += width[c] + 2;
  }

  /* a long id pushes its row aside, as long as the row fits */
  const int over = total - 2 - sac_wrap_width();
  if (over > 0 && width[ID] > over) width[ID] -= over;
}

/* Prints a table for people. count: at least 1. */
static void print_rows(const row* rows, int count) {
  static const char* const heads[COLUMNS] = {"environment", "obs",  "actions", "steps",
                                             "reference",   "what", "source",  "options"};
  const char* cells[COLUMNS];
  int width[COLUMNS];
  find_widths(rows, count, heads, width);

  /* print the titles (i = -1), then one line for each environment; blanks stand before a cell, not at the line's end */
  for (int i = -1; i < count; i++) {
    int gap = 0;
    if (i >= 0) cells_of(&rows[i], cells);
    for (int c = 0; c < COLUMNS; c++) {
      const char* cell = i < 0 ? heads[c] : cells[c];
      if (width[c] == 0) continue;

      /* numbers stand at the right of their column, texts at the left */
      const int room = width[c] - longer(0, cell) > 0 ? width[c] - longer(0, cell) : 0,
                right = c == OBS || c == STEPS || c == OPTIONS;
      sac_print("%*s%s", gap + (right ? room : 0), "", cell);
      gap = 2 + (right ? 0 : room);
    }
    sac_print("\n");
  }
}

/* Prints the sources of the references, by their numbers. */
static void print_sources(const table* all) {
  if (all->source_count > 0) sac_print("\nreference: a return to compare a run with, +- over seeds\n");
  for (int i = 0; i < all->source_count; i++) {
    char number[32];
    const int at = snprintf(number, sizeof number, "  [%d] ", i + 1);
    sac_print("%s", number);
    sac_wrap(sac_out, all->sources[i], at, at, sac_wrap_width());
  }
}

/* Prints the keys that env.options may hold for an environment. */
static void print_options(const char* id) {
  int32_t count;
  const sac_env_option* option = sac_env_options_of(id, &count);
  if (count > 0) sac_print("\nenv.options and their defaults:\n");
  for (int32_t i = 0; i < count; i++) {
    char text[SAC_ENV_OPTION_TEXT_MAX];
    sac_print("  %-44s  %s\n", option[i].name, sac_env_option_initial(&option[i], text));
  }
}

/* Prints one line of an environment: a name, and a text that may take several lines. */
static void print_fact(const char* name, const char* text) {
  sac_print("  %-13s ", name);
  sac_wrap(sac_out, text, 16, 16, sac_wrap_width());
}

/* The algorithms that take discrete actions: "soft-q, sac-discrete". */
static const char* discrete_algos(char* text, size_t size) {
  size_t used = 0;
  for (int i = 0; i < SAC_ALGO_COUNT; i++)
    if (sac_algo_at(i)->discrete) sac_text_append(text, size, &used, "%s%s", used ? ", " : "", sac_algo_name(i));
  return text;
}

/* Prints all about one environment, for people. */
static void print_one(const row* one) {
  char shown[SAC_SHOW_MAX], text[512], algos[256];

  /* print its name, which is any text for a plugin, and what it is */
  sac_print("%s%s%s\n", sac_text_show(shown, one->id, SIZE_MAX), one->summary[0] ? ": " : "", one->summary);
  print_fact("observation", one->obs);
  (void)snprintf(text, sizeof text, "%s%s%s", one->actions, one->discrete ? ", for algo: " : "",
                 one->discrete ? discrete_algos(algos, sizeof algos) : "");
  print_fact("actions", text);

  /* print the steps of an episode, and where it comes from */
  (void)snprintf(text, sizeof text, "%s steps at most", one->steps);
  print_fact("episode", one->steps[0] == '-' ? "no limit of steps" : text);
  print_fact("source", one->source);

  /* print the reference return with its source */
  if (one->reference) {
    (void)snprintf(text, sizeof text, "%.*s: %s", (int)strcspn(one->figure, "[") - 1, one->figure,
                   one->reference->source);
    print_fact("reference", text);
  }
}

/* Lists one environment with these options (JSON), whose errors are those of the command. *usage: 1 when there is no
 * such environment. */
static sac_status list_one(table* all, const char* id, const char* options, int* usage) {
  /* create it for its sizes */
  const sac_env_api* api;
  sac_status status = sac_env_find(id, &api);
  *usage = status != SAC_OK;
  if (status == SAC_OK) status = add_env(all, id, api, NULL, options, 1);
  if (status != SAC_OK || all->array) return status;

  /* print it for people; JSON is printed by the caller */
  print_one(&all->rows[0]);
  print_options(id);
  return SAC_OK;
}

/* Lists the built-in environments, then those of Gymnasium that have a preset. Environments of Gymnasium are not
 * created, because that would start Python. */
static sac_status list_all(table* all) {
  const char* missing = NULL;

  /* add the built-in environments; a MuJoCo task without the MuJoCo library has no sizes, and says why */
  for (int32_t i = 0; i < sac_env_count(); i++) {
    const sac_env_entry* entry = sac_env_at(i);
    const int ready = !entry->ready || entry->ready() == SAC_OK;
    if (!ready) missing = sac_last_error();
    const sac_status status = add_env(all, entry->id, ready ? entry->api : NULL, ready ? NULL : missing, NULL, 0);
    if (status != SAC_OK) return status;
  }

  /* add the presets of Gymnasium's environments */
  const int own = all->count;
  for (size_t i = 0; i < sac_embedded_config_count; i++)
    if (sac_env_is_gym(sac_embedded_configs[i].name))
      (void)add_env(all, sac_embedded_configs[i].name, NULL, NULL, NULL, 0);

  /* print two tables for people; JSON is printed by the caller */
  if (all->array) return SAC_OK;
  print_rows(all->rows, own);
  if (missing) {
    char text[SAC_ERROR_MAX];
    (void)snprintf(text, sizeof text, "Environments without numbers cannot be created here: %s.", missing);
    sac_print("\n");
    sac_wrap(sac_out, text, 0, 0, sac_wrap_width());
  }
  char text[512], algos[256];
  (void)snprintf(text, sizeof text, "Discrete actions are for algo: %s.\n\n", discrete_algos(algos, sizeof algos));
  sac_print("\n");
  sac_wrap_page(sac_out, text, sac_wrap_width());
  sac_wrap_page(sac_out,
                "Gymnasium's environments that have a preset; 'sac envs ID' shows more. All others work as gym:ID.\n\n",
                sac_wrap_width());
  print_rows(all->rows + own, all->count - own);
  print_sources(all);
  return SAC_OK;
}

/* Prints one environment with these options (JSON), or all when `id` is NULL. Returns the exit code. */
static int list(const char* id, const char* options, int json) {
  const size_t most = (size_t)sac_env_count() + sac_embedded_config_count + 1;
  table all = {.rows = calloc(most, sizeof *all.rows), .sources = calloc(most, sizeof *all.sources)};
  int code = SAC_EXIT_FAILED;

  /* make room for every name that a list can have */
  if (json) all.array = json_array();
  if (!all.rows || !all.sources || (json && !all.array)) {
    fputs("sac: no memory left for a list\n", stderr);
  } else {
    /* fill the table; text is printed on the way, JSON at the end */
    int usage = 0;
    const sac_status status = id ? list_one(&all, id, options, &usage) : list_all(&all);
    if (status != SAC_OK) code = sac_cli_fail(status);
    if (usage) code = SAC_EXIT_USAGE; /* as in the other subcommands */
    if (status == SAC_OK && (!json || (json_dumpf(all.array, sac_out, JSON_INDENT(2) | JSON_REAL_PRECISION(9)) == 0 &&
                                       fputc('\n', sac_out) != EOF)))
      code = SAC_EXIT_WELL;
  }

  /* free the table */
  json_decref(all.array);
  free(all.rows);
  free(all.sources);
  return code;
}

/* Refuses options without those that they need. Returns SAC_OPTIONS_GO, or the exit code after a message. */
static int check_options(const sac_syntax* syntax, const sac_config* config, const char* id,
                         const sac_exact_request* exact, int is_exact) {
  for (int i = 0; i < SAC_FIELD_COUNT; i++) {
    if (config->source[i].origin < SAC_ORIGIN_FILE) continue;
    if (i != SAC_FIELD_env_options)
      return sac_options_usage(syntax, "--set takes env.options here, not '%s'", sac_fields[i].key);
    if (!id) return sac_options_usage(syntax, "--set needs an ID, whose options it sets");
  }
  if (is_exact && !id) return sac_options_usage(syntax, "--exact needs an ID: %s", sac_exact_envs[0]);
  if (is_exact && isnan(exact->alpha)) return sac_options_usage(syntax, "--exact needs --alpha X, the temperature");
  if (!is_exact && !isnan(exact->alpha)) return sac_options_usage(syntax, "--alpha goes with --exact");
  if (!is_exact && exact->policy) return sac_options_usage(syntax, "--policy goes with --exact");
  return SAC_OPTIONS_GO;
}

int sac_cli_envs(int argc, char** argv) {
  sac_exact_request exact = {.alpha = NAN};
  int json = 0, is_exact = 0;

  /* describe the command line */
  const sac_option options[] = {
      SAC_OPTION_SWITCH("--json", &json, "print one JSON array; with --exact one object"),
      {"--set", "KEY=VALUE", "env.options.NAME=VALUE: an option of the environment; repeatable", SAC_KIND_SET, 0, 0, 0,
       0},
      SAC_OPTION_SWITCH("--exact", &is_exact, "print the exact answer: soft values and the best policy"),
      SAC_OPTION_REAL("--alpha", "X", &exact.alpha, 1e-6, 1e3, "temperature of the exact answer"),
      SAC_OPTION_TEXT("--policy", "FILE", &exact.policy, "also the exact values of this policy"),
      {0}};
  const sac_syntax syntax = {
      .command = "envs",
      .arguments = "[ID] [options]",
      .help =
          "Lists the environments that are known by name: sizes of observations and actions, bounds of actions,\n"
          "steps after which an episode is cut off, number of keys in env.options, source of the dynamics (built\n"
          "in, MuJoCo, Gymnasium), and a return to compare a run with. With an ID (also gym:ID or a path): only this\n"
          "environment, and its options with their defaults.\n"
          "\n"
          "--exact: Q*, V*, pi* and J of an environment that is a small MDP, from the soft Bellman operator.",
      .notes =
          "Options are given as JSON:\n"
          "  sac train --env Pendulum-v1 --set 'env.options={\"g\": 9.81}'\n"
          "\n"
          "An environment of your own is a shared object, named by a path with a '/': ./libmyenv.so.\n"
          "<sac/env.h> says what it must export.\n"
          "\n"
          "The names gym:LunarLanderContinuous-v3 and gym:PACKAGE:ID stand for environments of Gymnasium, and for "
          "those that\n"
          "packages register there. env.options are then the keyword arguments of gymnasium.make. The first of\n"
          "these that exists is used as Python, 3.11 or newer: SAC_PYTHON, VIRTUAL_ENV, .venv in the current\n"
          "folder, python3.\n"
          "\n"
          "MuJoCo is looked for in the folder SAC_MUJOCO, in .deps/mujoco and in .venv.\n"
          "\n"
          "The exact answer of SacTabular-v0, a random MDP:\n"
          "  sac envs SacTabular-v0 --exact --alpha 0.1 --set env.options.seed=3\n"
          "\n"
          "V counts the entropy of the policy from the state on, times alpha, in nats. J is the mean of V over the "
          "first\n"
          "states of episodes. The discount is env.options.discount, and the time limit is no part of the answer. The\n"
          "FILE of --policy has a line for each state with the probability of each action, separated by commas;\n"
          "numpy.savetxt(FILE, pi, delimiter=\",\") writes one. Its regret is J of the best policy less its J.\n"
          "\n"
          "--json has q (S, A), v (S), pi (S, A) and j, the same of the policy with its regret, and the MDP: "
          "transition\n"
          "(S, A, S), reward (S, A), terminal (S), start (S). Terminal states have the values that they would have if "
          "an\n"
          "episode started there; a step that reaches one counts none of them.\n",
      .options = options,
      .operands_max = 1,
  };

  /* parse it, then print the exact answer, one environment or all */
  sac_config* config = NULL;
  sac_operands operands;
  int code = sac_options_parse(&syntax, argc, argv, &config, &operands);
  if (code != SAC_OPTIONS_GO) return code;
  const char* id = operands.count ? operands.text[0] : NULL;
  code = check_options(&syntax, config, id, &exact, is_exact);
  exact.id = id;
  exact.options = config->settings.env_options;
  exact.json = json;
  if (code == SAC_OPTIONS_GO) code = is_exact ? sac_exact_print(&exact) : list(id, exact.options, json);
  sac_config_destroy(config);
  return code;
}
