/* The program: main.c, and one file for each subcommand. Only main exits. */
#ifndef SAC_CLI_CLI_H
#define SAC_CLI_CLI_H

#include <sac/sac.h>

/* Exit codes. */
enum {
  SAC_EXIT_WELL = 0,
  SAC_EXIT_FAILED = 1,       /* the run failed: file, memory, device, environment; verify: beyond tolerance */
  SAC_EXIT_USAGE = 2,        /* command line or configuration */
  SAC_EXIT_NUMERIC = 3,      /* a loss, gradient, reward or observation was not finite */
  SAC_EXIT_HANGUP = 129,     /* 128 + the signal: stopped by SIGHUP after a checkpoint */
  SAC_EXIT_SIGNAL = 130,     /* by Ctrl-C, SIGINT */
  SAC_EXIT_TERMINATED = 143, /* by SIGTERM */
};

/* X(name, arguments, one line of help): the subcommands. Each is a function sac_cli_<name> in the file <name>.c, which
 * takes the arguments from its own name on (argv[0]) and returns an exit code. */
#define SAC_COMMANDS(X)                                                      \
  X(train, "--env ID", "train an agent")                                     \
  X(resume, "DIR", "continue a run, exactly")                                \
  X(eval, "DIR|POLICY", "play evaluation episodes and print their returns")  \
  X(explain, "DIR|FILE", "show Q, log Z and the policy at states")           \
  X(replay, "info|export RUN", "show or export the transitions of a run")    \
  X(verify, "FILE...", "run golden updates and environment traces")          \
  X(config, "[KEY | --env ID]", "print keys, ranges, defaults and meanings") \
  X(envs, "", "list environments")                                           \
  X(info, "", "print version, devices and what they support")                \
  X(bench, "KIND", "measure speed: update, op, act, replay, env, train")

#define SAC_COMMAND_DECLARE(name, arguments, help) int sac_cli_##name(int argc, char** argv);
SAC_COMMANDS(SAC_COMMAND_DECLARE)
#undef SAC_COMMAND_DECLARE

/* Prints "sac: " and the library's last error to stderr. Returns the exit code for `status`. */
int sac_cli_fail(sac_status status);

#endif
