/* sac config: the table of fields, one field, or what a run would use. */
#include <stdio.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/options.h"
#include "config/sources.h"
#include "env/vector.h"
#include "util/embedded.h"
#include "util/text.h"

static const char notes[] =
    "Without arguments: every key with its default, what is allowed, what a resume may do with it (free: it has no "
    "effect\n"
    "on results; later: it may change and counts from there on; fixed: it cannot change), and what it means.\n"
    "With KEY (or a section, like 'optim'): that one, and which presets change it.\n"
    "With --env, --config or --set: what 'sac train' would use, as a file that --config takes; each value names its\n"
    "origin. Later ones win: library, algo, preset, --config, --set, other options.\n"
    "\n"
    "Examples:\n"
    "  sac config optim.lr\n"
    "  sac config --env Pendulum-v1 --set optim.lr=1e-3\n";

static void print_quoted(const char* text) {
  char quoted[6 * SAC_VALUE_MAX] = ""; /* an escape is six characters */
  size_t used = 0;
  sac_text_append_quoted(quoted, sizeof quoted, &used, text);
  (void)fputs(quoted, stdout);
}

static void print_json_value(const sac_field* field, const sac_settings* settings) {
  char text[SAC_VALUE_MAX];
  sac_field_print(field, settings, text);
  const int quoted = field->kind == SAC_VALUE_TEXT || field->kind == SAC_VALUE_DEVICE ||
                     field->kind == SAC_VALUE_CHOICE || strcmp(text, "auto") == 0;
  if (quoted) print_quoted(text);
  else (void)fputs(text, stdout); /* numbers, booleans, lists and mappings are JSON as they stand */
}

/* ---- the table ---- */

/* Whether `key` is the field's own, its section, or "" for all. */
static int chosen(const sac_field* field, const char* key) {
  const size_t length = strlen(key);
  return length == 0 ||
         (strncmp(field->key, key, length) == 0 && (field->key[length] == '.' || field->key[length] == '\0'));
}

static void print_table(const char* key) {
  static const char* const heads[] = {"key", "default", "allowed", "resume"};
  int width[3] = {(int)strlen(heads[0]), (int)strlen(heads[1]), (int)strlen(heads[2])};
  char value[SAC_VALUE_MAX], range[SAC_VALUE_MAX];
  for (int print = 0; print < 2; print++) {
    if (print)
      printf("%-*s  %-*s  %-*s  %-6s  meaning\n", width[0], heads[0], width[1], heads[1], width[2], heads[2], heads[3]);
    for (int i = 0; i < SAC_FIELD_COUNT; i++) {
      const sac_field* field = &sac_fields[i];
      if (!chosen(field, key)) continue;
      sac_field_print(field, &sac_settings_library, value);
      sac_field_range(field, range);
      if (print) {
        printf("%-*s  %-*s  %-*s  %-6s  %s\n", width[0], field->key, width[1], value, width[2], range,
               sac_change_name(field->change), field->help);
        continue;
      }
      const int length[3] = {(int)strlen(field->key), (int)strlen(value), (int)strlen(range)};
      for (int c = 0; c < 3; c++)
        if (length[c] > width[c]) width[c] = length[c];
    }
  }
}

static void print_table_json(const char* key) {
  char range[SAC_VALUE_MAX];
  const char* between = "";
  printf("[");
  for (int i = 0; i < SAC_FIELD_COUNT; i++) {
    const sac_field* field = &sac_fields[i];
    if (!chosen(field, key)) continue;
    sac_field_range(field, range);
    printf("%s\n  {\"key\": ", between);
    print_quoted(field->key);
    printf(", \"kind\": ");
    print_quoted(sac_kind_name(field->kind));
    printf(", \"default\": ");
    print_json_value(field, &sac_settings_library);
    printf(", \"allowed\": ");
    print_quoted(range);
    printf(", \"resume\": ");
    print_quoted(sac_change_name(field->change));
    printf(", \"meaning\": ");
    print_quoted(field->help);
    printf("}");
    between = ",";
  }
  printf("\n]\n");
}

/* ---- one field ---- */

static sac_status print_presets(sac_field_index index) {
  char value[SAC_VALUE_MAX];
  for (size_t i = 0; i < sac_embedded_config_count; i++) {
    sac_config* config = NULL;
    sac_status status = sac_config_create(&config);
    if (status == SAC_OK) status = sac_config_preset(config, sac_embedded_configs[i].name);
    if (status == SAC_OK && config->source[index].origin == SAC_ORIGIN_PRESET && index != SAC_FIELD_env_id) {
      sac_field_print(&sac_fields[index], &config->settings, value);
      printf("  preset   %s: %s\n", sac_embedded_configs[i].name, value);
    }
    sac_config_destroy(config);
    if (status != SAC_OK) return status;
  }
  return SAC_OK;
}

static sac_status print_field(sac_field_index index, const sac_config* config, int resolved) {
  static const char* const changes[] = {"free: it may change, and has no effect on results",
                                        "later: it may change, and counts from there on", "fixed: it cannot change"};
  const sac_field* field = &sac_fields[index];
  char value[SAC_VALUE_MAX], range[SAC_VALUE_MAX];
  sac_field_print(field, &sac_settings_library, value);
  sac_field_range(field, range);
  printf("%s\n  meaning  %s\n  kind     %s\n  default  %s\n", field->key, field->help, sac_kind_name(field->kind),
         value);
  printf("  allowed  %s\n", range);
  if (field->kind == SAC_VALUE_SIZES) printf("           1 to %d of them: [256, 256]\n", SAC_LAYERS_MAX);
  printf("  resume   %s\n", changes[field->change]);
  const sac_status status = print_presets(index);
  if (status != SAC_OK || !resolved) return status;
  sac_field_print(field, &config->settings, value);
  printf("  value    %s (from %s)\n", value, config->source[index].from);
  return SAC_OK;
}

/* ---- what a run would use ---- */

static void print_resolved_json(const sac_config* config, const char* key) {
  const char* between = "";
  printf("{");
  for (int i = 0; i < SAC_FIELD_COUNT; i++) {
    if (!chosen(&sac_fields[i], key)) continue;
    printf("%s\n  ", between);
    print_quoted(sac_fields[i].key);
    printf(": {\"value\": ");
    print_json_value(&sac_fields[i], &config->settings);
    printf(", \"from\": ");
    print_quoted(config->source[i].from);
    printf("}");
    between = ",";
  }
  printf("\n}\n");
}

/* The checks of a run: a configuration that train would refuse is not printed as if it were well. */
static int check(const sac_config* config) {
  sac_settings settings;
  const sac_env_api* env;
  sac_status status = sac_config_settings(config, &settings);
  if (status != SAC_OK) return sac_cli_fail(status);
  status = sac_env_find(settings.env_id, &env);
  if (status == SAC_OK) return SAC_EXIT_WELL;
  (void)sac_cli_fail(status); /* a name that is not there is wrong usage */
  return SAC_EXIT_USAGE;
}

static int print(const sac_config* config, const char* key, int json) {
  int resolved = 0;
  for (int i = 0; i < SAC_FIELD_COUNT; i++) resolved |= config->source[i].origin >= SAC_ORIGIN_FILE;
  const sac_field_index index = sac_field_find(key);
  int known = 0;
  for (int i = 0; i < SAC_FIELD_COUNT; i++) known |= chosen(&sac_fields[i], key);
  if (!known) return sac_cli_fail(sac_config_unknown(key, ""));
  if (resolved) {
    const int code = check(config);
    if (code != SAC_EXIT_WELL) return code;
  }
  sac_status status = SAC_OK;
  if (json && resolved) print_resolved_json(config, key);
  else if (json) print_table_json(key);
  else if (index != SAC_FIELD_COUNT) status = print_field(index, config, resolved);
  else if (resolved && !key[0]) status = sac_config_write(config, stdout);
  else print_table(key);
  return status == SAC_OK ? SAC_EXIT_WELL : sac_cli_fail(status);
}

int sac_cli_config(int argc, char** argv) {
  int json = 0;
  const sac_option options[] = {SAC_OPTION_ENV,
                                SAC_OPTION_CONFIG,
                                SAC_OPTION_SET,
                                SAC_OPTION_SWITCH("--json", &json, "the same as JSON, values with their types"),
                                {0}};
  const sac_syntax syntax = {.command = "config",
                             .arguments = "[KEY] [options]",
                             .help = "Prints the keys of a configuration, or what a run would use.",
                             .notes = notes,
                             .options = options,
                             .operands_max = 1,
                             .preset = 1};
  sac_config* config = NULL;
  sac_operands operands;
  int code = sac_options_parse(&syntax, argc, argv, &config, &operands);
  if (code != SAC_OPTIONS_GO) return code;
  code = print(config, operands.count ? operands.text[0] : "", json);
  sac_config_destroy(config);
  return code;
}
