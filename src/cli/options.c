/* Options are parsed here and not by getopt_long, for two reasons. getopt_long accepts any unambiguous beginning of a
 * name ("--se 3"), so that a new option breaks old command lines. And it cannot say which name was probably meant. */
#include "cli/options.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/out.h"
#include "cli/wrap.h"
#include "config/field.h"
#include "env/vector.h"
#include "util/number.h"
#include "util/program.h"
#include "util/text.h"

#define OPTIONS_MAX 64 /* names that unknown_option compares */

/* An option on the command line. */
typedef struct {
  const sac_option* option;
  char* value; /* points into argv; NULL for a switch */
} given;

/* --- messages ----------------------------------------------------------------------------------------------------- */

/* Prints "sac: ", the message and the pointer to --help. */
static int print_usage_error(const sac_syntax* syntax, const char* format, va_list args)
    __attribute__((format(printf, 2, 0)));
static int print_usage_error(const sac_syntax* syntax, const char* format, va_list args) {
  fflush(sac_out);
  fputs("sac: ", stderr);
  vfprintf(stderr, format, args);
  fprintf(stderr, " ('%s %s --help' says more)\n", sac_program(), syntax->command);
  return SAC_EXIT_USAGE;
}

int sac_options_usage(const sac_syntax* syntax, const char* format, ...) {
  va_list args;
  va_start(args, format);
  const int code = print_usage_error(syntax, format, args);
  va_end(args);
  return code;
}

/* Prints the library's last error, and returns the exit code. Wrong values on the command line are wrong usage, and so
 * is a --config file that cannot be read. */
static int config_error(sac_status status) {
  fflush(sac_out);
  fprintf(stderr, "sac: %s\n", sac_last_error());
  return status == SAC_ERROR_MEMORY ? SAC_EXIT_FAILED : SAC_EXIT_USAGE;
}

/* Characters of an option in the help: its name, and a space and the name of its value if it takes one. */
static int width_of(const sac_option* option) {
  return (int)(strlen(option->name) + (option->value ? 1 + strlen(option->value) : 0));
}

/* Prints the help of a subcommand. */
static void print_help(const sac_syntax* syntax) {
  static const sac_option help = {.name = "--help", .help = "print this text"};
  const char* arguments = syntax->arguments ? syntax->arguments : "";

  /* find the widest option */
  int width = width_of(&help);
  for (const sac_option* option = syntax->options; option && option->name; option++)
    if (width_of(option) > width) width = width_of(option);

  /* print the usage */
  const int columns = sac_wrap_width();
  sac_print("Usage: sac %s%s%s\n\n", syntax->command, *arguments ? " " : "", arguments);
  sac_wrap_page(sac_out, syntax->help, columns);
  sac_print("\nOptions:\n");

  /* print the options, with their help in one column */
  for (const sac_option* option = syntax->options; option && option->name; option++) {
    sac_print("  %s%s%-*s  ", option->name, option->value ? " " : "",
              width - (int)strlen(option->name) - (option->value != NULL), option->value ? option->value : "");
    sac_wrap(sac_out, option->help, width + 4, width + 4, columns);
  }
  sac_print("  %-*s  %s\n", width, help.name, help.help);

  /* print the notes */
  if (syntax->notes) sac_print("\n");
  if (syntax->notes) sac_wrap_page(sac_out, syntax->notes, columns);
}

/* --- splitting the command line ----------------------------------------------------------------------------------- */

/* The option with exactly this name (length characters); NULL: there is none. */
static const sac_option* find_option(const sac_syntax* syntax, const char* name, size_t length) {
  for (const sac_option* option = syntax->options; option && option->name; option++)
    if (strlen(option->name) == length && memcmp(option->name, name, length) == 0) return option;
  return NULL;
}

/* The option of a config key: "--steps" of train.steps. NULL: the subcommand has none. */
static const char* option_of_key(const sac_syntax* syntax, const char* key) {
  for (const sac_option* option = syntax->options; option && option->name; option++)
    if (option->kind == SAC_KIND_KEY && strcmp(option->key, key) == 0) return option->name;
  return NULL;
}

/* Whether the subcommand has options of this kind. */
static int has_kind(const sac_syntax* syntax, sac_option_kind kind) {
  for (const sac_option* option = syntax->options; option && option->name; option++)
    if (option->kind == kind) return 1;
  return 0;
}

/* Prints an error with the option that was probably meant. Returns the exit code. */
static int unknown_option(const sac_syntax* syntax, const char* name, size_t length) {
  const char* names[OPTIONS_MAX] = {"--help"};
  char shown[SAC_SHOW_MAX], word[128] = "";
  size_t count = 1, used = 0;

  /* collect the names of all options, --help among them */
  for (const sac_option* option = syntax->options; option && option->name && count < OPTIONS_MAX; option++)
    names[count++] = option->name;

  /* compare with two dashes: "-seed" means --seed */
  sac_text_append(word, sizeof word, &used, "%s%.*s", name[1] == '-' ? "" : "-", (int)(length < 100 ? length : 100),
                  name);
  const char* nearest = sac_nearest(word, names, count);

  /* name the option or the key that other programs call so */
  sac_text_show(shown, name, length);
  const char* key = has_kind(syntax, SAC_KIND_SET) ? sac_field_known_as(word + 2) : NULL;
  const char* option = key ? option_of_key(syntax, key) : NULL;
  if (option) return sac_options_usage(syntax, "unknown option '%s'; use '%s'", shown, option);
  if (key) return sac_options_usage(syntax, "unknown option '%s'; use '--set %s=VALUE'", shown, key);

  /* name the nearest option, if one is near */
  if (nearest) return sac_options_usage(syntax, "unknown option '%s'; nearest is '%s'", shown, nearest);
  return sac_options_usage(syntax, "unknown option '%s'", shown);
}

/* Refuses an empty value: what a shell makes of a variable that is not set (--out "$DIR"). */
static int check_value(const sac_syntax* syntax, const given* item) {
  const sac_option* option = item->option;
  if (*item->value) return SAC_OPTIONS_GO;
  return sac_options_usage(syntax, "the value of %s is empty: %s %s", option->name, option->name, option->value);
}

/* Reads the option in argv[*i], and its value. Where the value is the next argument, *i moves on to it. Returns
 * SAC_OPTIONS_GO, or the exit code after a message. */
static int read_option(const sac_syntax* syntax, int argc, char** argv, int* i, given* item) {
  /* find the option by the name before "=" */
  char *word = argv[*i], *equals = strchr(word, '=');
  const size_t length = equals ? (size_t)(equals - word) : strlen(word);
  item->option = find_option(syntax, word, length);
  if (!item->option) return unknown_option(syntax, word, length);

  /* use the value after "="; a switch takes none */
  item->value = equals ? equals + 1 : NULL;
  const char* name = item->option->name;
  if (!item->option->value && item->value) return sac_options_usage(syntax, "%s takes no value", name);
  if (!item->option->value) return SAC_OPTIONS_GO;

  /* use the next argument; an option there means that the value is missing ("--out=--quiet" gives such a value) */
  if (item->value) return check_value(syntax, item);
  const char* next = *i + 1 < argc ? argv[*i + 1] : NULL;
  if (!next || find_option(syntax, next, strlen(next)) || strcmp(next, "--help") == 0)
    return sac_options_usage(syntax, "%s needs a value: %s %s", name, name, item->option->value);
  (*i)++;
  item->value = argv[*i];
  return check_value(syntax, item);
}

/* Checks the operands and their number. Returns SAC_OPTIONS_GO, or the exit code after a message. */
static int check_operands(const sac_syntax* syntax, const sac_operands* operands) {
  char shown[SAC_SHOW_MAX];

  /* refuse nothing, as of a variable that is not set, and names that would break a message into lines */
  for (int i = 0; i < operands->count; i++) {
    const char* text = operands->text[i];
    if (!*text) return sac_options_usage(syntax, "an argument is empty: sac %s %s", syntax->command, syntax->arguments);
    if (strchr(text, '\n'))
      return sac_options_usage(syntax, "argument '%s' has a line break", sac_text_show(shown, text, SIZE_MAX));
  }

  /* compare their number */
  if (operands->count < syntax->operands_min)
    return sac_options_usage(syntax, "too few arguments: sac %s %s", syntax->command, syntax->arguments);
  if (operands->count <= syntax->operands_max) return SAC_OPTIONS_GO;

  /* name the first one that is too many; a value without its option says which option it needs */
  const char* extra = operands->text[syntax->operands_max];
  const char* hint = "";
  if (strchr(extra, '=') && has_kind(syntax, SAC_KIND_SET)) hint = "; a key is set by '--set KEY=VALUE'";
  else if (syntax->operands_max == 0 && option_of_key(syntax, "env.id"))
    hint = "; an environment is named by '--env ID'";
  return sac_options_usage(syntax, "unexpected argument '%s'%s", sac_text_show(shown, extra, SIZE_MAX), hint);
}

/* Splits argv into options, list (*count of them), and operands, which move to the front of argv: never behind the
 * argument that is read. Returns SAC_OPTIONS_GO, or the exit code after the help or a message. */
static int split_arguments(const sac_syntax* syntax, int argc, char** argv, given* list, int* count,
                           sac_operands* operands) {
  operands->text = argv + 1;
  for (int i = 1; i < argc; i++) {
    char* word = argv[i];

    /* collect operands: everything after "--", a single "-", and words that do not begin with "-" */
    if (strcmp(word, "--") == 0) {
      for (i++; i < argc; i++) operands->text[operands->count++] = argv[i];
      break;
    }
    if (word[0] != '-' || word[1] == '\0') {
      operands->text[operands->count++] = word;
      continue;
    }

    /* print the help; what stands behind it is not read */
    if (strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0) {
      print_help(syntax);
      return SAC_EXIT_WELL;
    }

    /* collect options with their values */
    const int code = read_option(syntax, argc, argv, &i, &list[*count]);
    if (code != SAC_OPTIONS_GO) return code;
    (*count)++;
  }
  return check_operands(syntax, operands);
}

/* --- applying options --------------------------------------------------------------------------------------------- */

/* Sets a number of the subcommand (SAC_KIND_INTEGER, SAC_KIND_REAL). */
static int apply_number(const sac_syntax* syntax, const sac_option* option, const char* value) {
  char shown[SAC_SHOW_MAX], low[SAC_NUMBER_MAX], high[SAC_NUMBER_MAX];
  int64_t integer = 0;
  double real = 0;

  /* parse the number */
  const int whole = option->kind == SAC_KIND_INTEGER;
  const sac_number result = whole ? sac_parse_integer(value, &integer) : sac_parse_real(value, &real);
  sac_text_show(shown, value, SIZE_MAX);
  if (result == SAC_NUMBER_NONE || result == SAC_NUMBER_PART)
    return sac_options_usage(syntax, "%s = %s is not a %snumber", option->name, shown, whole ? "whole " : "");

  /* check the range; the comparison is false for NaN */
  if (whole) real = (double)integer;
  if (result != SAC_NUMBER_OK || !(real >= option->low && real <= option->high)) {
    sac_print_real(low, option->low);
    sac_print_real(high, option->high);
    return sac_options_usage(syntax, "%s = %s is outside [%s, %s]", option->name, shown, low, high);
  }

  /* set the variable */
  if (whole) *(int64_t*)option->target = integer;
  else *(double*)option->target = real;
  return SAC_OPTIONS_GO;
}

/* Applies --set KEY=VALUE. */
static int apply_set(const sac_syntax* syntax, sac_config* config, char* value) {
  char shown[SAC_SHOW_MAX];

  /* find the key, which must not be empty */
  char* equals = strchr(value, '=');
  if (!equals || equals == value)
    return sac_options_usage(syntax, "--set takes KEY=VALUE, not '%s'", sac_text_show(shown, value, SIZE_MAX));

  /* set it; argv is cut at "=" for this, and then as before */
  *equals = '\0';
  const sac_status status = sac_config_set_from(config, value, equals + 1, SAC_ORIGIN_SET, "--set");
  *equals = '=';
  return status == SAC_OK ? SAC_OPTIONS_GO : config_error(status);
}

/* Applies one option. Returns SAC_OPTIONS_GO, or the exit code after a message. */
static int apply_option(const sac_syntax* syntax, const given* item, sac_config* config) {
  const sac_option* option = item->option;
  sac_status status = SAC_OK;

  /* set a key of the configuration, or a variable of the subcommand */
  switch (option->kind) {
    case SAC_KIND_KEY:
      status = sac_config_set_from(config, option->key, item->value, SAC_ORIGIN_FLAG, option->name);
      break;
    case SAC_KIND_CONFIG:
      status = sac_config_load(config, item->value);
      break;
    case SAC_KIND_SET:
      return apply_set(syntax, config, item->value);
    case SAC_KIND_SWITCH:
      *(int*)option->target = 1;
      break;
    case SAC_KIND_TEXT:
      *(const char**)option->target = item->value;
      break;
    case SAC_KIND_INTEGER:
    case SAC_KIND_REAL:
      return apply_number(syntax, option, item->value);
    case SAC_KIND_END:
      break;
  }
  return status == SAC_OK ? SAC_OPTIONS_GO : config_error(status);
}

/* Applies all options: first --config, then --set, then the rest, wherever they stand on the command line. The order
 * counts for env.options: --set changes some of the options that a file gave. */
static int apply_options(const sac_syntax* syntax, const given* list, int count, sac_config* config) {
  for (int pass = 0; pass < 3; pass++)
    for (int i = 0; i < count; i++) {
      /* skip the options of other passes */
      const sac_option_kind kind = list[i].option->kind;
      if (pass != (kind == SAC_KIND_CONFIG ? 0 : kind == SAC_KIND_SET ? 1 : 2)) continue;
      const int code = apply_option(syntax, &list[i], config);
      if (code != SAC_OPTIONS_GO) return code;
    }
  return SAC_OPTIONS_GO;
}

/* Applies the preset of the environment that the options chose. */
static int apply_preset(sac_config* config) {
  /* copy the id: sac_config_get returns a buffer of the configuration, which the call below replaces */
  char id[SAC_TEXT_MAX] = "";
  size_t used = 0;
  sac_text_append(id, sizeof id, &used, "%s", sac_config_get(config, "env.id"));
  const sac_status status = sac_config_preset(config, id);
  return status == SAC_OK ? SAC_OPTIONS_GO : config_error(status);
}

int sac_options_parse(const sac_syntax* syntax, int argc, char** argv, sac_config** config, sac_operands* operands) {
  sac_operands found = {0};
  sac_status status = SAC_OK;
  sac_config* made = NULL;
  int count = 0, code;

  /* start with no result */
  if (config) *config = NULL;

  /* make room for as many options as there are arguments */
  given* list = calloc((size_t)(argc > 0 ? argc : 1), sizeof *list);
  if (!list) {
    fputs("sac: no memory left for the command line\n", stderr);
    return SAC_EXIT_FAILED;
  }

  /* split, apply the options, then the preset they chose; the configuration itself knows that options win over it */
  code = split_arguments(syntax, argc, argv, list, &count, &found);
  if (code == SAC_OPTIONS_GO && config && (status = sac_config_create(&made)) != SAC_OK) code = config_error(status);
  if (code == SAC_OPTIONS_GO) code = apply_options(syntax, list, count, made);
  if (code == SAC_OPTIONS_GO && made && syntax->preset) code = apply_preset(made);
  free(list);

  /* hand over the results; after an error or --help there are none */
  if (code != SAC_OPTIONS_GO) {
    sac_config_destroy(made);
    return code;
  }
  if (config) *config = made;
  if (operands) *operands = found;
  return SAC_OPTIONS_GO;
}

int sac_options_find_env(const char* id, const sac_env_api** env) {
  const sac_status status = sac_env_find(id, env);
  if (status == SAC_OK) return SAC_OPTIONS_GO;
  (void)sac_cli_fail(status);
  return SAC_EXIT_USAGE;
}

int sac_options_env(const sac_config* config, sac_settings* settings, const sac_env_api** env) {
  const sac_status status = sac_config_settings(config, settings);
  if (status != SAC_OK) return sac_cli_fail(status);
  return sac_options_find_env(settings->env_id, env);
}
