/* The command line of a subcommand: one table of options for parsing, --help and messages.
 *
 *   int sac_cli_train(int argc, char** argv) {
 *     int quiet = 0;
 *     const sac_option options[] = {SAC_OPTIONS_RUN, SAC_OPTION_SWITCH("--quiet", &quiet, "no progress"), {0}};
 *     const sac_syntax syntax = {.command = "train", .arguments = "--env ID", .help = "Trains an agent.",
 *                                .options = options, .preset = 1};
 *     sac_config* config = NULL;
 *     sac_operands operands;
 *     int code = sac_options_parse(&syntax, argc, argv, &config, &operands);
 *     if (code != SAC_OPTIONS_GO) return code;
 *
 * Options are written in full ("--seed 3" or "--seed=3"), anywhere among the operands; "--" ends them. A repeated
 * option replaces the earlier one. Errors (unknown option, with the nearest name; value missing or of the wrong type;
 * bad configuration) are printed to stderr as "sac: ..." with exit code 2. Every subcommand has --help. */
#ifndef SAC_CLI_OPTIONS_H
#define SAC_CLI_OPTIONS_H

#include <stdint.h>

#include <sac/env.h>

#include "config/settings.h"

typedef enum sac_option_kind {
  SAC_KIND_END,
  SAC_KIND_KEY,     /* sets config key `key`, origin FLAG */
  SAC_KIND_CONFIG,  /* reads a YAML file, origin FILE; repeatable, later files win */
  SAC_KIND_SET,     /* key=value, origin SET; repeatable */
  SAC_KIND_SWITCH,  /* no value; *(int*)target = 1 */
  SAC_KIND_TEXT,    /* *(const char**)target, points into argv */
  SAC_KIND_INTEGER, /* *(int64_t*)target, low to high */
  SAC_KIND_REAL,    /* *(double*)target, finite, low to high */
} sac_option_kind;

/* An option of a subcommand. */
typedef struct sac_option {
  const char* name;  /* "--seed"; NULL ends the table */
  const char* value; /* name of the option's value in the help: "N"; NULL: it takes none */
  const char* help;
  sac_option_kind kind;
  const char* key;  /* of SAC_KIND_KEY */
  void* target;     /* of SWITCH, TEXT, INTEGER and REAL: the variable that is set; not owned */
  double low, high; /* of INTEGER and REAL: the range, both ends included */
} sac_option;

#define SAC_OPTION_KEY(name, value, key, help) \
  { name, value, help, SAC_KIND_KEY, key, 0, 0, 0 }
#define SAC_OPTION_SWITCH(name, target, help) \
  { name, 0, help, SAC_KIND_SWITCH, 0, target, 0, 0 }
#define SAC_OPTION_TEXT(name, value, target, help) \
  { name, value, help, SAC_KIND_TEXT, 0, target, 0, 0 }
#define SAC_OPTION_INTEGER(name, value, target, low, high, help) \
  { name, value, help, SAC_KIND_INTEGER, 0, target, low, high }
#define SAC_OPTION_REAL(name, value, target, low, high, help) \
  { name, value, help, SAC_KIND_REAL, 0, target, low, high }

/* Options that several subcommands have. */
#define SAC_OPTION_ENV SAC_OPTION_KEY("--env", "ID", "env.id", "environment; 'sac envs' lists them")
#define SAC_OPTION_SEED SAC_OPTION_KEY("--seed", "N", "seed", "seed of the first agent")
#define SAC_OPTION_SEEDS SAC_OPTION_KEY("--seeds", "N", "seeds", "agents trained side by side, seed to seed + N - 1")
#define SAC_OPTION_STEPS \
  SAC_OPTION_KEY("--steps", "N", "train.steps", "transitions to train on, for each agent (such as 1e6)")
#define SAC_OPTION_DEVICE \
  SAC_OPTION_KEY("--device", "D", "device", "auto (the one expected to be faster), cpu or cuda:N")
#define SAC_OPTION_OUT SAC_OPTION_KEY("--out", "DIR", "out", "run folder; otherwise runs/ENV/DATE-TIME")
#define SAC_OPTION_CONFIG \
  { "--config", "FILE", "YAML file of keys; repeatable, later files win", SAC_KIND_CONFIG, 0, 0, 0, 0 }
#define SAC_OPTION_SET \
  { "--set", "KEY=VALUE", "one key; repeatable ('sac config' lists all)", SAC_KIND_SET, 0, 0, 0, 0 }
#define SAC_OPTIONS_RUN                                                                                   \
  SAC_OPTION_ENV, SAC_OPTION_SEED, SAC_OPTION_SEEDS, SAC_OPTION_STEPS, SAC_OPTION_DEVICE, SAC_OPTION_OUT, \
      SAC_OPTION_CONFIG, SAC_OPTION_SET

/* The command line of a subcommand, and its help. */
typedef struct sac_syntax {
  const char* command;            /* "train" */
  const char* arguments;          /* after the command in the usage line: "DIR|POLICY [options]" */
  const char* help;               /* what the command does, one or more lines */
  const char* notes;              /* below the options, or NULL: files, exit codes, examples */
  const sac_option* options;      /* ends with {0} */
  int operands_min, operands_max; /* number of arguments that are not options */
  int preset; /* 1: applies the preset of the environment; --config, --set and options win over it */
} sac_syntax;

/* The arguments that are not options, in order; they point into argv. */
typedef struct sac_operands {
  int count;
  char** text;
} sac_operands;

#define SAC_OPTIONS_GO (-1) /* go on; no exit code has this value */

/* Parses argv[1] to argv[argc-1]; argv[0] is the subcommand's name. argv is reordered: operands move to the front.
 * config: NULL for a subcommand without SAC_KIND_KEY, CONFIG and SET options; otherwise *config becomes the caller's.
 * Later sources win: library < algo < preset < --config < --set < flag, whatever their order in argv. Returns
 * SAC_OPTIONS_GO, or the exit code to return at once (0 after --help, 2 after a message, 1 without memory); then
 * *config is NULL. */
int sac_options_parse(const sac_syntax* syntax, int argc, char** argv, sac_config** config, sac_operands* operands);

/* Prints "sac: " and a message (printf), the pointer to --help, and returns SAC_EXIT_USAGE. */
int sac_options_usage(const sac_syntax* syntax, const char* format, ...) __attribute__((format(printf, 2, 3)));

/* Finds an environment. Returns SAC_OPTIONS_GO, or the exit code after a message: a wrong name is wrong usage, not a
 * run that failed. */
int sac_options_find_env(const char* id, const sac_env_api** env);

/* Checks the configuration and finds its environment. Returns SAC_OPTIONS_GO, or the exit code after a message. */
int sac_options_env(const sac_config* config, sac_settings* settings, const sac_env_api** env);

#endif
