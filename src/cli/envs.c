/* sac envs: lists environments, with reference returns. */
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/json.h"
#include "cli/options.h"
#include "cli/out.h"
#include "env/gym.h"
#include "env/list.h"
#include "env/references.h"
#include "env/vector.h"
#include "kernels/random.h"
#include "util/embedded.h"
#include "util/text.h"

/* One environment, with the text of its columns. */
typedef struct row {
  const char *id, *summary, *source;
  const sac_env_entry* entry;     /* NULL: not built in */
  const sac_reference* reference; /* NULL: none is known */
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

/* "2 discrete", "6 in [-1, 1]"; with bounds that differ "2 in [-1, 1] [0, 4]". */
static void actions_text(char* text, size_t size, const sac_env_spec* spec) {
  size_t used = 0;
  if (spec->actions > 0) {
    sac_text_append(text, size, &used, "%d discrete", (int)spec->actions);
    return;
  }

  /* look whether all components have the same bounds */
  int same = 1;
  for (int32_t j = 1; j < spec->action_size; j++)
    same &= spec->action_low[j] == spec->action_low[0] && spec->action_high[j] == spec->action_high[0];

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
 * why it cannot be created here, or NULL. Errors: those of sac_vector_create. */
static sac_status add_env(table* all, const char* id, const sac_env_api* api, const char* missing) {
  const uint64_t seed = 0;
  sac_vector* vector = NULL;

  /* create the environment */
  if (api) {
    const sac_status status = sac_vector_create(&vector, api, id, NULL, 1, 1, &seed, sac_stream_env(0));
    if (status != SAC_OK) return status;
  }

  /* start a new row */
  const sac_env_spec* spec = vector ? &vector->spec : NULL;
  row* one = &all->rows[all->count++];
  int32_t options;
  (void)sac_env_options_of(id, &options);

  /* fill what is known without creating it */
  *one = (row){.id = id, .summary = "", .source = sac_env_source(id), .missing = missing};
  one->entry = sac_env_entry_find(id);
  one->reference = sac_reference_find(id);
  if (one->entry) one->summary = one->entry->summary;

  /* fill the columns */
  number_text(one->obs, sizeof one->obs, spec != NULL, spec ? spec->obs_size : 0);
  number_text(one->steps, sizeof one->steps, spec && spec->max_episode_steps, spec ? spec->max_episode_steps : 0);
  number_text(one->options, sizeof one->options, spec && one->entry, options);
  if (spec) actions_text(one->actions, sizeof one->actions, spec);
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

/* Prints a table for people. count: at least 1. */
static void print_rows(const row* rows, int count) {
  static const char* const heads[] = {"environment", "obs", "actions", "steps", "options", "source", "reference"};

  /* find the widths of the columns */
  int width[7];
  for (int c = 0; c < 7; c++) width[c] = (int)strlen(heads[c]);
  for (int i = 0; i < count; i++) {
    const char* const cells[] = {rows[i].id,      rows[i].obs,    rows[i].actions, rows[i].steps,
                                 rows[i].options, rows[i].source, rows[i].figure};
    for (int c = 0; c < 7; c++) width[c] = longer(width[c], cells[c]);
  }

  /* print the column titles, then one line for each environment */
  for (int i = -1; i < count; i++) {
    /* print all columns but the last two; i = -1 is the line of titles */
    const row* one = i < 0 ? NULL : &rows[i];
    sac_print("%-*s  %*s  %-*s  %*s  %*s  %-*s  ", width[0], one ? one->id : heads[0], width[1],
              one ? one->obs : heads[1], width[2], one ? one->actions : heads[2], width[3], one ? one->steps : heads[3],
              width[4], one ? one->options : heads[4], width[5], one ? one->source : heads[5]);

    /* print the reference, and the summary where there is one: built-in environments have it */
    const char* what = one ? one->summary : rows[0].summary[0] ? "what" : "";
    if (what[0]) sac_print("%-*s  %s\n", width[6], one ? one->figure : heads[6], what);
    else sac_print("%s\n", one ? one->figure : heads[6]);
  }
}

/* Prints the sources of the references, by their numbers. */
static void print_sources(const table* all) {
  if (all->source_count > 0) sac_print("\nreference: a return to compare a run with, +- over seeds\n");
  for (int i = 0; i < all->source_count; i++) sac_print("  [%d] %s\n", i + 1, all->sources[i]);
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

/* Lists one environment, whose errors are those of the command. */
static sac_status list_one(table* all, const char* id) {
  /* create it for its sizes */
  const sac_env_api* api;
  sac_status status = sac_env_find(id, &api);
  if (status == SAC_OK) status = add_env(all, id, api, NULL);
  if (status != SAC_OK || all->array) return status;

  /* print it for people; JSON is printed by the caller */
  print_rows(all->rows, all->count);
  print_sources(all);
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
    const sac_status status = add_env(all, entry->id, ready ? entry->api : NULL, ready ? NULL : missing);
    if (status != SAC_OK) return status;
  }

  /* add the presets of Gymnasium's environments */
  const int own = all->count;
  for (size_t i = 0; i < sac_embedded_config_count; i++)
    if (sac_env_is_gym(sac_embedded_configs[i].name)) (void)add_env(all, sac_embedded_configs[i].name, NULL, NULL);

  /* print two tables for people; JSON is printed by the caller */
  if (all->array) return SAC_OK;
  print_rows(all->rows, own);
  if (missing) sac_print("\nEnvironments without numbers cannot be created here: %s.\n", missing);
  sac_print(
      "\nGymnasium's environments that have a preset; 'sac envs ID' shows its sizes. All others work as gym:ID.\n\n");
  print_rows(all->rows + own, all->count - own);
  print_sources(all);
  return SAC_OK;
}

/* Prints one environment, or all when `id` is NULL. Returns the exit code. */
static int list(const char* id, int json) {
  const size_t most = (size_t)sac_env_count() + sac_embedded_config_count + 1;
  table all = {.rows = calloc(most, sizeof *all.rows), .sources = calloc(most, sizeof *all.sources)};
  int code = SAC_EXIT_FAILED;

  /* make room for every name that a list can have */
  if (json) all.array = json_array();
  if (!all.rows || !all.sources || (json && !all.array)) {
    fputs("sac: no memory left for a list\n", stderr);
  } else {
    /* fill the table; text is printed on the way, JSON at the end */
    const sac_status status = id ? list_one(&all, id) : list_all(&all);
    if (status != SAC_OK) code = sac_cli_fail(status);
    else if (!json || (json_dumpf(all.array, sac_out, JSON_INDENT(2) | JSON_REAL_PRECISION(9)) == 0 &&
                       fputc('\n', sac_out) != EOF))
      code = SAC_EXIT_WELL;
  }

  /* free the table */
  json_decref(all.array);
  free(all.rows);
  free(all.sources);
  return code;
}

int sac_cli_envs(int argc, char** argv) {
  int json = 0;

  /* describe the command line */
  const sac_option options[] = {SAC_OPTION_SWITCH("--json", &json, "print one JSON array"), {0}};
  const sac_syntax syntax = {
      .command = "envs",
      .arguments = "[ID] [options]",
      .help =
          "Lists the environments that are known by name: sizes of observations and actions, bounds of actions,\n"
          "steps after which an episode is cut off, number of keys in env.options, source of the dynamics (built\n"
          "in, MuJoCo, Gymnasium), and a return to compare a run with. With an ID (also gym:ID or a path): only this\n"
          "environment, and its options with their defaults.",
      .notes =
          "Options are given as JSON:  sac train --env Pendulum-v1 --set 'env.options={\"g\": 9.81}'\n"
          "\n"
          "An environment of your own is a shared object: sac train --env ./libmyenv.so (a name with a '/').\n"
          "<sac/env.h> says what it must export.\n"
          "\n"
          "The names gym:LunarLander-v3 and gym:PACKAGE:ID stand for environments of Gymnasium, and for those that\n"
          "packages register there. env.options are then the keyword arguments of gymnasium.make. The first of\n"
          "these that exists is used as Python, 3.11 or newer: SAC_PYTHON, VIRTUAL_ENV, .venv in the current\n"
          "folder, python3.\n"
          "\n"
          "MuJoCo is looked for in the folder SAC_MUJOCO, in .deps/mujoco and in .venv.\n",
      .options = options,
      .operands_max = 1,
  };

  /* parse it, then list one environment or all */
  sac_operands operands;
  const int code = sac_options_parse(&syntax, argc, argv, NULL, &operands);
  if (code != SAC_OPTIONS_GO) return code;
  return list(operands.count ? operands.text[0] : NULL, json);
}
