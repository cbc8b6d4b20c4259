/* By hand and not by getopt_long: that one takes every unambiguous beginning of a name ("--se 3"), so that a new option
 * breaks old command lines, and cannot say which name was probably meant. */
#include "cli/options.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"
#include "util/number.h"
#include "util/text.h"

#define OPTIONS_MAX 64

typedef struct {
  const sac_option* option;
  char* value; /* NULL for a switch */
} given;

static int complain(const sac_syntax* syntax, const char* format, va_list args) __attribute__((format(printf, 2, 0)));
static int complain(const sac_syntax* syntax, const char* format, va_list args) {
  fflush(stdout);
  fputs("sac: ", stderr);
  vfprintf(stderr, format, args);
  fprintf(stderr, " ('sac %s --help' says more)\n", syntax->command);
  return SAC_EXIT_USAGE;
}

int sac_options_usage(const sac_syntax* syntax, const char* format, ...) {
  va_list args;
  va_start(args, format);
  const int code = complain(syntax, format, args);
  va_end(args);
  return code;
}

/* The library's last error. What comes from the command line is usage, a missing --config file too. */
static int failed(sac_status status) {
  fflush(stdout);
  fprintf(stderr, "sac: %s\n", sac_last_error());
  return status == SAC_ERROR_MEMORY ? SAC_EXIT_FAILED : SAC_EXIT_USAGE;
}

static int width_of(const sac_option* option) {
  return (int)(strlen(option->name) + (option->value ? 1 + strlen(option->value) : 0));
}

static void print_help(const sac_syntax* syntax) {
  static const sac_option help = {.name = "--help", .help = "print this text"};
  const char* arguments = syntax->arguments ? syntax->arguments : "";
  int width = width_of(&help);
  for (const sac_option* option = syntax->options; option && option->name; option++)
    if (width_of(option) > width) width = width_of(option);
  printf("Usage: sac %s%s%s\n\n%s\n\nOptions:\n", syntax->command, *arguments ? " " : "", arguments, syntax->help);
  for (const sac_option* option = syntax->options; option && option->name; option++)
    printf("  %s%s%-*s  %s\n", option->name, option->value ? " " : "",
           width - (int)strlen(option->name) - (option->value != NULL), option->value ? option->value : "",
           option->help);
  printf("  %-*s  %s\n", width, help.name, help.help);
  if (syntax->notes) printf("\n%s", syntax->notes);
}

static const sac_option* find(const sac_syntax* syntax, const char* name, size_t length) {
  for (const sac_option* option = syntax->options; option && option->name; option++)
    if (strlen(option->name) == length && memcmp(option->name, name, length) == 0) return option;
  return NULL;
}

static int unknown(const sac_syntax* syntax, const char* name, size_t length) {
  const char* names[OPTIONS_MAX] = {"--help"};
  char shown[SAC_SHOW_MAX], word[128] = "";
  size_t count = 1, used = 0;
  for (const sac_option* option = syntax->options; option && option->name && count < OPTIONS_MAX; option++)
    names[count++] = option->name;
  sac_text_append(word, sizeof word, &used, "%s%.*s", name[1] == '-' ? "" : "-", (int)(length < 100 ? length : 100),
                  name); /* "-seed" means --seed */
  const char* nearest = sac_nearest(word, names, count);
  sac_text_show(shown, name, length);
  if (nearest) return sac_options_usage(syntax, "unknown option '%s'; nearest is '%s'", shown, nearest);
  return sac_options_usage(syntax, "unknown option '%s'", shown);
}

/* Splits argv into options given and operands, which move to the front. */
static int split(const sac_syntax* syntax, int argc, char** argv, given* list, int* count, sac_operands* operands) {
  operands->text = argv + 1;
  for (int i = 1; i < argc; i++) {
    char* word = argv[i];
    if (strcmp(word, "--") == 0) {
      for (i++; i < argc; i++) operands->text[operands->count++] = argv[i];
      break;
    }
    if (word[0] != '-' || word[1] == '\0') {
      operands->text[operands->count++] = word;
      continue;
    }
    if (strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0) {
      print_help(syntax);
      return SAC_EXIT_WELL;
    }
    char* equals = strchr(word, '=');
    const size_t length = equals ? (size_t)(equals - word) : strlen(word);
    const sac_option* option = find(syntax, word, length);
    if (!option) return unknown(syntax, word, length);
    char* value = equals ? equals + 1 : NULL;
    if (!option->value && value) return sac_options_usage(syntax, "%s takes no value", option->name);
    if (option->value && !value) { /* another option's name is no value: it was forgotten ("--out=--quiet" works) */
      if (i + 1 >= argc || find(syntax, argv[i + 1], strlen(argv[i + 1])) || strcmp(argv[i + 1], "--help") == 0)
        return sac_options_usage(syntax, "%s needs a value: %s %s", option->name, option->name, option->value);
      value = argv[++i];
    }
    list[(*count)++] = (given){option, value};
  }
  if (operands->count < syntax->operands_min)
    return sac_options_usage(syntax, "too few arguments: sac %s %s", syntax->command, syntax->arguments);
  if (operands->count > syntax->operands_max) {
    char shown[SAC_SHOW_MAX];
    return sac_options_usage(syntax, "unexpected argument '%s'",
                             sac_text_show(shown, operands->text[syntax->operands_max], SIZE_MAX));
  }
  return SAC_OPTIONS_GO;
}

static int take_number(const sac_syntax* syntax, const sac_option* option, const char* value) {
  char shown[SAC_SHOW_MAX], low[SAC_NUMBER_MAX], high[SAC_NUMBER_MAX];
  int64_t integer = 0;
  double real = 0;
  const int whole = option->kind == SAC_KIND_INTEGER;
  const sac_number result = whole ? sac_parse_integer(value, &integer) : sac_parse_real(value, &real);
  sac_text_show(shown, value, SIZE_MAX);
  if (result == SAC_NUMBER_NONE || result == SAC_NUMBER_PART)
    return sac_options_usage(syntax, "%s = %s is not a %snumber", option->name, shown, whole ? "whole " : "");
  if (whole) real = (double)integer;
  if (result != SAC_NUMBER_OK || !(real >= option->low && real <= option->high)) {
    sac_print_real(low, option->low);
    sac_print_real(high, option->high);
    return sac_options_usage(syntax, "%s = %s is outside [%s, %s]", option->name, shown, low, high);
  }
  if (whole) *(int64_t*)option->target = integer;
  else *(double*)option->target = real;
  return SAC_OPTIONS_GO;
}

static int take_set(const sac_syntax* syntax, sac_config* config, char* value) {
  char shown[SAC_SHOW_MAX];
  char* equals = strchr(value, '=');
  if (!equals || equals == value)
    return sac_options_usage(syntax, "--set takes KEY=VALUE, not '%s'", sac_text_show(shown, value, SIZE_MAX));
  *equals = '\0';
  const sac_status status = sac_config_set_from(config, value, equals + 1, SAC_ORIGIN_SET, "--set");
  *equals = '=';
  return status == SAC_OK ? SAC_OPTIONS_GO : failed(status);
}

static int take(const sac_syntax* syntax, const given* item, sac_config* config) {
  const sac_option* option = item->option;
  sac_status status = SAC_OK;
  switch (option->kind) {
    case SAC_KIND_KEY:
      status = sac_config_set_from(config, option->key, item->value, SAC_ORIGIN_FLAG, option->name);
      break;
    case SAC_KIND_CONFIG:
      status = sac_config_load(config, item->value);
      break;
    case SAC_KIND_SET:
      return take_set(syntax, config, item->value);
    case SAC_KIND_SWITCH:
      *(int*)option->target = 1;
      break;
    case SAC_KIND_TEXT:
      *(const char**)option->target = item->value;
      break;
    case SAC_KIND_INTEGER:
    case SAC_KIND_REAL:
      return take_number(syntax, option, item->value);
    case SAC_KIND_END:
      break;
  }
  return status == SAC_OK ? SAC_OPTIONS_GO : failed(status);
}

int sac_options_parse(const sac_syntax* syntax, int argc, char** argv, sac_config** config, sac_operands* operands) {
  sac_operands found = {0};
  sac_status status = SAC_OK;
  int count = 0, code;
  sac_config* made = NULL;
  given* list = calloc((size_t)(argc > 0 ? argc : 1), sizeof *list);
  if (config) *config = NULL;
  if (!list) {
    fputs("sac: no memory left for the command line\n", stderr);
    return SAC_EXIT_FAILED;
  }
  code = split(syntax, argc, argv, list, &count, &found);
  if (code == SAC_OPTIONS_GO && config && (status = sac_config_create(&made)) != SAC_OK) code = failed(status);
  /* By layer, so that a file's env.options go under what --set says of them, wherever it stands. */
  for (int pass = 0; pass < 3; pass++)
    for (int i = 0; i < count && code == SAC_OPTIONS_GO; i++) {
      const sac_option_kind kind = list[i].option->kind;
      if (pass == (kind == SAC_KIND_CONFIG ? 0 : kind == SAC_KIND_SET ? 1 : 2)) code = take(syntax, &list[i], made);
    }
  if (code == SAC_OPTIONS_GO && made && syntax->preset) {
    char id[SAC_TEXT_MAX] = "";
    size_t used = 0;
    sac_text_append(id, sizeof id, &used, "%s", sac_config_get(made, "env.id"));
    if ((status = sac_config_preset(made, id)) != SAC_OK) code = failed(status);
  }
  free(list);
  if (code != SAC_OPTIONS_GO) {
    sac_config_destroy(made);
    return code;
  }
  if (config) *config = made;
  if (operands) *operands = found;
  return SAC_OPTIONS_GO;
}
