/* sac resume: continues a run from its last good checkpoint. */
#include "cli/cli.h"
#include "cli/options.h"
#include "cli/session.h"

static const char notes[] =
    "A resumed run gives the same bits as one that was not stopped. Some keys may change on a resume, and count\n"
    "from there on ('sac config KEY' says which); changes are printed. If the last checkpoint is damaged, the\n"
    "one before it is used. A finished run says so; --steps trains it on.\n"
    "\n"
    "Exit codes: as for 'sac train'.\n"
    "\n"
    "Examples:\n"
    "  sac resume runs/mine\n"
    "  sac resume runs/mine --steps 2e6\n";

int sac_cli_resume(int argc, char** argv) {
  /* describe the command line */
  int quiet = 0;
  const sac_option options[] = {SAC_OPTION_STEPS,
                                SAC_OPTION_DEVICE,
                                SAC_OPTION_CONFIG,
                                SAC_OPTION_SET,
                                SAC_OPTION_SWITCH("--quiet", &quiet, "print only errors and warnings"),
                                {0}};
  const sac_syntax syntax = {.command = "resume",
                             .arguments = "DIR [options]",
                             .help = "Continues the run in folder DIR, exactly.",
                             .notes = notes,
                             .options = options,
                             .operands_min = 1,
                             .operands_max = 1};
  sac_config* overrides = NULL;
  sac_operands operands;
  sac_progress progress;
  sac_run* run = NULL;

  /* parse it; `overrides` holds the keys that the command line changes */
  const int code = sac_options_parse(&syntax, argc, argv, &overrides, &operands);
  if (code != SAC_OPTIONS_GO) return code;

  /* handle signals before loading the run, which may take long */
  sac_session_prepare();
  sac_progress_start(&progress, quiet);
  const sac_callbacks callbacks = sac_progress_callbacks(&progress);

  /* load the run with these changes, and train it to its end */
  const sac_status status = sac_run_resume(&run, operands.text[0], overrides, NULL, &callbacks);
  sac_config_destroy(overrides);
  if (status != SAC_OK) return sac_cli_fail(status);
  return sac_session_run(run, &progress);
}
