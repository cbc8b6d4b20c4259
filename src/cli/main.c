/* The program `sac`: calls the subcommand and returns its exit code. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/crash.h"
#include "cli/handlers.h"
#include "cli/out.h"
#include "cli/waiting.h"
#include "cli/wrap.h"
#include "util/program.h"
#include "util/text.h"

/* The subcommands of SAC_COMMANDS. */
static const struct {
  const char* name;
  const char* arguments;
  const char* help;
  int (*run)(int argc, char** argv);
} commands[] = {
#define COMMAND(name, arguments, help) {#name, arguments, help, sac_cli_##name},
    SAC_COMMANDS(COMMAND)
#undef COMMAND
};

#define COMMAND_COUNT (sizeof commands / sizeof *commands)

/* Prints the help of the program. */
static void print_help(FILE* out) {
  const int width = sac_wrap_width();
  char codes[512];

  /* print the usage */
  (void)fprintf(out,
                "Usage: sac COMMAND [options]\n"
                "\n"
                "Trains Soft Actor-Critic agents.\n"
                "\n"
                "Commands:\n");

  /* print one line for each command */
  for (size_t c = 0; c < COMMAND_COUNT; c++) {
    char syntax[64];
    (void)snprintf(syntax, sizeof syntax, "%s %s", commands[c].name, commands[c].arguments);
    (void)fprintf(out, "  %-24s  ", syntax);
    sac_wrap(out, commands[c].help, 28, 28, width);
  }

  /* print what all commands have in common */
  (void)fprintf(out,
                "\n"
                "  sac COMMAND --help        options of a command ('sac help COMMAND' too)\n"
                "  sac --version             version\n"
                "\n");
  (void)snprintf(
      codes, sizeof codes,
      "Exit codes: %d well, %d the run failed, %d wrong usage or configuration, %d a value was not finite, %d "
      "stopped by Ctrl-C after a checkpoint (%d by SIGTERM, %d by SIGHUP).\n",
      SAC_EXIT_WELL, SAC_EXIT_FAILED, SAC_EXIT_USAGE, SAC_EXIT_NUMERIC, SAC_EXIT_SIGNAL, SAC_EXIT_TERMINATED,
      SAC_EXIT_HANGUP);
  sac_wrap_page(out, codes, width);
}

/* Prints an error with the nearest command. Returns the exit code. */
static int unknown_command(const char* word) {
  const char* names[COMMAND_COUNT];
  char shown[SAC_SHOW_MAX];

  /* find the command that was probably meant */
  for (size_t c = 0; c < COMMAND_COUNT; c++) names[c] = commands[c].name;
  const char* near = word[0] == '-' ? NULL : sac_nearest(word, names, COMMAND_COUNT);

  /* print the error; the word may hold any bytes, so it is made safe to print */
  (void)fprintf(stderr, "sac: no command '%s'", sac_text_show(shown, word, SIZE_MAX));
  if (word[0] == '-') (void)fprintf(stderr, "; options stand behind a command");
  if (near) (void)fprintf(stderr, "; nearest is '%s'", near);
  (void)fprintf(stderr, " ('%s --help' lists all)\n", sac_program());
  return SAC_EXIT_USAGE;
}

/* Prints the error of an argument that is too many. Returns the exit code. */
static int unexpected(const char* word) {
  char shown[SAC_SHOW_MAX];
  (void)fprintf(stderr, "sac: unexpected argument '%s' ('%s --help' says more)\n", sac_text_show(shown, word, SIZE_MAX),
                sac_program());
  return SAC_EXIT_USAGE;
}

/* Runs a subcommand: argv[0] is its name. Returns its exit code. */
static int call_command(const char* name, int argc, char** argv) {
  for (size_t c = 0; c < COMMAND_COUNT; c++)
    if (strcmp(name, commands[c].name) == 0) return commands[c].run(argc, argv);
  return unknown_command(name);
}

/* sac help, sac help COMMAND. argv[0] is "help". */
static int help(int argc, char** argv) {
  if (argc < 2) {
    print_help(sac_out);
    return SAC_EXIT_WELL;
  }

  /* call the command with --help */
  char option[] = "--help";
  char* arguments[] = {argv[1], option, NULL};
  return call_command(argv[1], 2, arguments);
}

int main(int argc, char** argv) {
  int code;
  /* who started this program may have left descriptors closed, and the end of children ignored */
  sac_out_open();
  sac_program_set(argc > 0 ? argv[0] : NULL);
  (void)signal(SIGCHLD, SIG_DFL);
  sac_crash_catch();
  sac_handlers_keep();
  sac_waiting_start();

  /* without a command, print the help as an error */
  if (argc < 2) {
    print_help(stderr);
    return sac_crash_end(SAC_EXIT_USAGE);
  }

  /* the version takes no arguments, and help one */
  const int version = strcmp(argv[1], "--version") == 0, most = version ? 2 : 3;
  const int asks =
      version || strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0 || strcmp(argv[1], "help") == 0;
  if (asks && argc > most) return sac_crash_end(unexpected(argv[most]));

  /* print version or help, or call a command, which gets argv from its own name on */
  if (version) {
    sac_print("sac %s\n", sac_version());
    code = SAC_EXIT_WELL;
  } else if (asks) {
    code = help(argc - 1, argv + 1);
  } else {
    code = call_command(argv[1], argc - 1, argv + 1);
  }

  /* check that the output was written: "sac config > full_disk" must fail */
  if (sac_out_close() != 0) {
    (void)fprintf(stderr, "sac: cannot write to standard output\n");
    if (code == SAC_EXIT_WELL) code = SAC_EXIT_FAILED;
  }
  return sac_crash_end(code);
}
