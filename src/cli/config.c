/* sac config: prints the table of fields, one field, or the configuration of a run. */
#include <stdio.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/options.h"
#include "cli/out.h"
#include "cli/wrap.h"
#include "config/env_options.h"
#include "config/sources.h"
#include "util/embedded.h"
#include "util/text.h"

static const char notes[] =
    "Without arguments: every key with its default, its allowed values, what a resume may do (free: change it without\n"
    "effect on results; later: change it, from the resume on; fixed: not change it), and its meaning.\n"
    "With KEY (or a section such as 'optim'): this key, and the presets that give it a value.\n"
    "With --env, --config or --set: the configuration that 'sac train' would use, as a file for --config, or the "
    "values\n"
    "of KEY in it. Each value names its source. Later sources win: library, algo, preset, --config, --set, other "
    "options.\n"
    "\n"
    "Examples:\n"
    "  sac config optim.lr\n"
    "  sac config --env Pendulum-v1 --set optim.lr=1e-3\n";

/* Prints text in double quotes, escaped for JSON. */
static void print_quoted(const char* text) {
  char quoted[6 * SAC_VALUE_MAX] = ""; /* an escape is six characters */
  size_t used = 0;
  sac_text_append_quoted(quoted, sizeof quoted, &used, text);
  (void)fputs(quoted, sac_out);
}

/* Prints a value as JSON: text in quotes, everything else as it is. */
static void print_json_value(const sac_field* field, const sac_settings* settings) {
  char text[SAC_VALUE_MAX];
  sac_field_print(field, settings, text);

  /* choose the quotes by the kind; "auto" may stand for a number, and is text then */
  const int quoted = field->kind == SAC_VALUE_TEXT || field->kind == SAC_VALUE_DEVICE ||
                     field->kind == SAC_VALUE_CHOICE || strcmp(text, "auto") == 0;
  if (quoted) print_quoted(text);
  else (void)fputs(text, sac_out); /* numbers, booleans, lists and mappings are JSON already */
}

/* --- the table ---------------------------------------------------------------------------------------------------- */

/* Whether `key` selects the field: by its key, by its section, or as "" all of them. */
static int is_selected(const sac_field* field, const char* key) {
  const size_t length = strlen(key);
  return length == 0 ||
         (strncmp(field->key, key, length) == 0 && (field->key[length] == '.' || field->key[length] == '\0'));
}

#define ALLOWED_MAX 30 /* characters of the allowed values in the table of all keys */
#define MEANING_MIN 40 /* columns that the meaning takes beside the others, or it stands below */

enum { KEY, DEFAULT, ALLOWED, COLUMNS }; /* columns of the table that are padded to a width */

/* Widens the columns to hold these texts. */
static void widen(int width[COLUMNS], const char* const text[COLUMNS]) {
  for (int c = 0; c < COLUMNS; c++)
    if ((int)strlen(text[c]) > width[c]) width[c] = (int)strlen(text[c]);
}

/* Prints a row. The meaning stands in the last column where the terminal has room for it, else below. Where the padded
 * columns are wider than the terminal, the third gives way, and a row that is longer is not padded. */
static void print_row(const int width[COLUMNS], const char* const text[COLUMNS], const char* resume,
                      const char* meaning) {
  const int columns = sac_wrap_width(), at = width[KEY] + width[DEFAULT] + width[ALLOWED] + 14;
  const int beside = columns - at >= MEANING_MIN, over = at - 2 - columns;
  const int allowed = over > 0 ? width[ALLOWED] - over : width[ALLOWED];
  const int padded = (int)strlen(text[ALLOWED]) <= allowed;
  sac_print("%-*s  %-*s  %-*s  ", width[KEY], text[KEY], padded ? width[DEFAULT] : 0, text[DEFAULT],
            padded ? allowed : 0, text[ALLOWED]);
  if (beside) sac_print("%-6s  ", resume);
  else sac_print("%s\n    ", resume);
  sac_wrap(sac_out, meaning, beside ? at : 4, beside ? at : 4, columns);
}

/* Shortens a long list of words in the table of all keys: "a | b | ..."; the table of its key has the whole list. */
static void shorten(char* range) {
  size_t end = strlen(range) < ALLOWED_MAX ? 0 : ALLOWED_MAX - strlen("...");
  while (end > 0 && range[end - 1] != ' ') end--;
  if (end > 0) memcpy(range + end, "...", sizeof "...");
}

/* Prints the fields that `key` selects, for people. */
static void print_table(const char* key) {
  static const char* const heads[COLUMNS] = {"key", "default", "allowed"};
  char value[SAC_VALUE_MAX], range[SAC_VALUE_MAX];
  int width[COLUMNS] = {0};
  widen(width, heads);

  /* go through the fields twice: first for the widths, then to print */
  for (int print = 0; print < 2; print++) {
    if (print) print_row(width, heads, "resume", "meaning");
    for (int i = 0; i < SAC_FIELD_COUNT; i++) {
      const sac_field* field = &sac_fields[i];
      if (!is_selected(field, key)) continue;

      /* make the texts of the columns; the default is the library's, without preset */
      sac_field_print(field, &sac_settings_library, value);
      sac_field_range(field, range);
      if (!*key) shorten(range);
      const char* const text[COLUMNS] = {field->key, value, range};

      /* print the row, or widen the columns for it */
      if (print) print_row(width, text, sac_change_name(field->change), field->help);
      else widen(width, text);
    }
  }
}

/* Prints the same fields as a JSON array. */
static void print_table_json(const char* key) {
  char range[SAC_VALUE_MAX];
  const char* between = "";
  sac_print("[");
  for (int i = 0; i < SAC_FIELD_COUNT; i++) {
    const sac_field* field = &sac_fields[i];
    if (!is_selected(field, key)) continue;

    /* name the field, its kind, and its default as a JSON value */
    sac_field_range(field, range);
    sac_print("%s\n  {\"key\": ", between);
    print_quoted(field->key);
    sac_print(", \"kind\": ");
    print_quoted(sac_kind_name(field->kind));
    sac_print(", \"default\": ");
    print_json_value(field, &sac_settings_library);

    /* add what it takes, what a resume may do, and its meaning as text */
    sac_print(", \"allowed\": ");
    print_quoted(range);
    sac_print(", \"resume\": ");
    print_quoted(sac_change_name(field->change));
    sac_print(", \"meaning\": ");
    print_quoted(field->help);
    sac_print("}");
    between = ",";
  }
  sac_print("\n]\n");
}

/* --- one field ---------------------------------------------------------------------------------------------------- */

/* Prints the presets that give a value for the field. */
static sac_status print_presets(sac_field_index index) {
  char value[SAC_VALUE_MAX], line[2 * SAC_VALUE_MAX];
  for (size_t i = 0; i < sac_embedded_config_count; i++) {
    /* apply the preset to a new configuration */
    sac_config* config = NULL;
    sac_status status = sac_config_create(&config);
    if (status == SAC_OK) status = sac_config_preset(config, sac_embedded_configs[i].name);

    /* print the value if it comes from the preset; env.id, the name of a preset, is left out */
    if (status == SAC_OK && config->source[index].origin == SAC_ORIGIN_PRESET && index != SAC_FIELD_env_id) {
      sac_field_print(&sac_fields[index], &config->settings, value);
      (void)snprintf(line, sizeof line, "%s: %s", sac_embedded_configs[i].name, value);
      sac_print("  preset   ");
      sac_wrap(sac_out, line, 11, 13, sac_wrap_width());
    }
    sac_config_destroy(config);
    if (status != SAC_OK) return status;
  }
  return SAC_OK;
}

/* Prints all about one field. resolved 1: also its value in `config`, and where the value comes from. */
static sac_status print_field(sac_field_index index, const sac_config* config, int resolved) {
  static const char* const changes[] = {"free: you may change it; it has no effect on results",
                                        "later: you may change it; the new value holds from the resume on",
                                        "fixed: you cannot change it"};
  const sac_field* field = &sac_fields[index];
  char value[SAC_VALUE_MAX], range[SAC_VALUE_MAX], name[SAC_TEXT_MAX];
  sac_field_print(field, &sac_settings_library, value);
  sac_field_range(field, range);

  /* print meaning, default, allowed values, and what a resume may do */
  sac_print("%s\n  meaning  ", field->key);
  sac_wrap(sac_out, field->help, 11, 11, sac_wrap_width());
  sac_print("  kind     %s\n  default  %s\n", sac_kind_name(field->kind), value);
  sac_print("  allowed  %s\n", range);
  if (field->kind == SAC_VALUE_SIZES) sac_print("           1 to %d of them: [256, 256]\n", SAC_LAYERS_MAX);
  sac_print("  resume   %s\n", changes[field->change]);

  /* print the presets that give it a value */
  const sac_status status = print_presets(index);
  if (status != SAC_OK || !resolved) return status;

  /* print its value in this configuration */
  sac_field_print(field, &config->settings, value);
  const int differ = index == SAC_FIELD_env_options && sac_config_options_differ(config);
  if (!differ) sac_print("  value    %s (from %s)\n", value, config->source[index].from);
  for (int32_t i = 0; differ && sac_env_options_name(config->settings.env_options, i, name, sizeof name); i++) {
    (void)sac_env_options_json(config->settings.env_options, name, value, sizeof value);
    sac_print("  value    %s: %s (from %s)\n", name, value, sac_config_option_source(config, name)->from);
  }
  return SAC_OK;
}

/* --- the configuration of a run ----------------------------------------------------------------------------------- */

/* Prints the source of each option of the environment as a JSON member. */
static void print_option_sources_json(const sac_config* config) {
  char name[SAC_TEXT_MAX];
  sac_print(", \"options_from\": {");
  for (int32_t i = 0; sac_env_options_name(config->settings.env_options, i, name, sizeof name); i++) {
    if (i) sac_print(", ");
    print_quoted(name);
    sac_print(": ");
    print_quoted(sac_config_option_source(config, name)->from);
  }
  sac_print("}");
}

/* Prints the values of the fields that `key` selects, with their sources, as one JSON object. */
static void print_resolved_json(const sac_config* config, const char* key) {
  const char* between = "";
  sac_print("{");
  for (int i = 0; i < SAC_FIELD_COUNT; i++) {
    if (!is_selected(&sac_fields[i], key)) continue;
    sac_print("%s\n  ", between);
    print_quoted(sac_fields[i].key);
    sac_print(": {\"value\": ");
    print_json_value(&sac_fields[i], &config->settings);
    sac_print(", \"from\": ");
    print_quoted(config->source[i].from);
    if (i == SAC_FIELD_env_options) print_option_sources_json(config);
    sac_print("}");
    between = ",";
  }
  sac_print("\n}\n");
}

/* Prints the same values for people, a line each. */
static void print_resolved(const sac_config* config, const char* key) {
  char value[SAC_VALUE_MAX], line[2 * SAC_VALUE_MAX];
  for (int i = 0; i < SAC_FIELD_COUNT; i++) {
    if (!is_selected(&sac_fields[i], key)) continue;
    if (i == SAC_FIELD_env_options && sac_config_options_differ(config)) {
      sac_config_write_options(config, SAC_OPTIONS_KEY, "", sac_out);
      continue;
    }
    sac_field_print(&sac_fields[i], &config->settings, value);
    (void)snprintf(line, sizeof line, "%s: %s", sac_fields[i].key, value);
    sac_print("%-36s # from %s\n", line, config->source[i].from);
  }
}

/* Prints what the arguments ask for. Returns the exit code. */
static int print_config(const sac_config* config, const char* key, int json) {
  sac_settings settings;
  const sac_env_api* env;

  /* find the key; a value from --config, --set or --env (resolved) asks for the configuration of a run */
  const sac_field_index index = sac_field_find(key);
  int known = 0, resolved = 0;
  for (int i = 0; i < SAC_FIELD_COUNT; i++) {
    known |= is_selected(&sac_fields[i], key);
    resolved |= config->source[i].origin >= SAC_ORIGIN_FILE;
  }

  /* refuse a key that is neither a field nor a section */
  if (!known) return sac_cli_fail(sac_config_unknown(key, ""));

  /* refuse a configuration that train would refuse */
  if (resolved) {
    const int code = sac_options_env(config, &settings, &env);
    if (code != SAC_OPTIONS_GO) return code;
  }

  /* print the form that the arguments ask for */
  sac_status status = SAC_OK;
  if (json && resolved) print_resolved_json(config, key);
  else if (json) print_table_json(key);
  else if (index != SAC_FIELD_COUNT) status = print_field(index, config, resolved);
  else if (resolved && !key[0]) status = sac_config_write(config, sac_out);
  else if (resolved) print_resolved(config, key);
  else print_table(key);
  return status == SAC_OK ? SAC_EXIT_WELL : sac_cli_fail(status);
}

int sac_cli_config(int argc, char** argv) {
  int json = 0;

  /* describe the command line */
  const sac_option options[] = {SAC_OPTION_ENV,
                                SAC_OPTION_CONFIG,
                                SAC_OPTION_SET,
                                SAC_OPTION_SWITCH("--json", &json, "print JSON, values with their types"),
                                {0}};
  const sac_syntax syntax = {.command = "config",
                             .arguments = "[KEY] [options]",
                             .help = "Prints the keys of a configuration, or what a run would use.",
                             .notes = notes,
                             .options = options,
                             .operands_max = 1,
                             .preset = 1};

  /* parse it, then print one key, a section, or all */
  sac_config* config = NULL;
  sac_operands operands;
  int code = sac_options_parse(&syntax, argc, argv, &config, &operands);
  if (code != SAC_OPTIONS_GO) return code;
  code = print_config(config, operands.count ? operands.text[0] : "", json);
  sac_config_destroy(config);
  return code;
}
