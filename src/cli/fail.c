/* How every subcommand reports an error of the library. */
#include <stdio.h>

#include "cli/cli.h"
#include "cli/out.h"

int sac_cli_fail(sac_status status) {
  /* print the error behind everything that was printed before */
  (void)fflush(sac_out);
  (void)fprintf(stderr, "sac: %s\n", sac_last_error());

  /* choose the exit code */
  switch (status) {
    case SAC_OK:
      return SAC_EXIT_WELL;
    case SAC_ERROR_ARGUMENT:
    case SAC_ERROR_CONFIG:
      return SAC_EXIT_USAGE;
    case SAC_ERROR_NUMERIC:
      return SAC_EXIT_NUMERIC;
    case SAC_STOPPED:
      return SAC_EXIT_SIGNAL;
    case SAC_ERROR_SHAPE:
    case SAC_ERROR_FILE:
    case SAC_ERROR_FORMAT:
    case SAC_ERROR_MEMORY:
    case SAC_ERROR_DEVICE:
    case SAC_ERROR_ENV:
      break;
  }
  return SAC_EXIT_FAILED;
}
