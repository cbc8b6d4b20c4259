/* sac replay: writes the transitions of a run to a file. */
#include <string.h>

#include "cli/cli.h"
#include "cli/options.h"
#include "cli/out.h"
#include "train/transitions.h"

static const char notes[] =
    "RUN is a run folder with one seed, or a seed folder; its newest checkpoint is read. FILE is a safetensors file\n"
    "with obs (n, O), action (n, A) in the environment's units, reward (n), terminated (n), truncated (n) and\n"
    "next_obs (n, O). Files of this form, also with demonstrations from elsewhere, are read by\n"
    "'sac train --replay FILE'; there truncated may be missing, and F64, I64, U64, U8 and BOOL are taken too.\n";

int sac_cli_replay(int argc, char** argv) {
  /* describe the command line */
  const sac_option options[] = {{0}};
  const sac_syntax syntax = {.command = "replay",
                             .arguments = "export RUN FILE",
                             .help = "Writes the transitions in the replay of a run to a file.",
                             .notes = notes,
                             .options = options,
                             .operands_min = 3,
                             .operands_max = 3};
  sac_operands operands;

  /* parse it */
  const int code = sac_options_parse(&syntax, argc, argv, NULL, &operands);
  if (code != SAC_OPTIONS_GO) return code;
  if (strcmp(operands.text[0], "export") != 0)
    return sac_options_usage(&syntax, "unknown action '%s': 'export' is the only one", operands.text[0]);

  /* export */
  int64_t count;
  const sac_status status = sac_transitions_export(operands.text[1], operands.text[2], &count);
  if (status != SAC_OK) return sac_cli_fail(status);
  sac_print("%lld transitions written to %s\n", (long long)count, operands.text[2]);
  return SAC_EXIT_WELL;
}
