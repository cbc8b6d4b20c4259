/* sac train */
#include <stdio.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/expect.h"
#include "cli/options.h"
#include "cli/profile.h"
#include "cli/session.h"
#include "util/text.h"

static const char notes[] =
    "Values come from, later ones win: the library, the algorithm, the environment's preset, --config, --set, other\n"
    "options. With --out DIR an unfinished run there is continued, a finished one is refused.\n"
    "\n"
    "Ctrl-C (or SIGTERM, SIGHUP) finishes the step and an evaluation that is being played, writes a checkpoint and\n"
    "exits; a second one exits at once.\n"
    "\n"
    "Exit codes: 0 well, 1 the run failed, 2 wrong usage or configuration, 3 a value was not finite, 130 stopped by\n"
    "Ctrl-C (143 by SIGTERM, 129 by SIGHUP).\n"
    "\n"
    "Examples:\n"
    "  sac train --env Pendulum-v1\n"
    "  sac train --env Pendulum-v1 --seeds 5 --set optim.lr=1e-3 --out runs/mine\n";

/* --dry-run: the configuration as it would be written, what it takes, and where it would run. */
static int dry_run(sac_config* config, const sac_env_api* env) {
  char all[SAC_BYTES_MAX], rows[SAC_BYTES_MAX], why[SAC_WHY_MAX] = "";
  size_t replay = 0, rest = 0;
  sac_status status = sac_run_memory(config, env, &replay, &rest);
  if (status == SAC_OK) status = sac_cli_device_why(config, why);
  if (status == SAC_OK) status = sac_config_write(config, stdout);
  if (status != SAC_OK) return sac_cli_fail(status);
  (void)printf("# memory: %s, of it replay %s\n", sac_text_bytes(all, replay + rest), sac_text_bytes(rows, replay));
  if (why[0]) (void)printf("# %s\n", why);
  return SAC_EXIT_WELL;
}

/* An unfinished run in the folder given by --out is continued, a finished one refused. */
static sac_status take_up(sac_run** run, const char* out, const sac_config* config, const sac_callbacks* callbacks,
                          int* refused) {
  int64_t step = 0, steps = 0;
  const sac_status status = sac_run_peek(out, config, &step, &steps);
  if (status != SAC_OK) return status;
  if (step >= steps) {
    (void)fprintf(stderr,
                  "sac: %s holds a finished run of %lld steps; choose another --out, or train it on: 'sac resume %s "
                  "--steps %lld'\n",
                  out, (long long)step, out, (long long)(2 * step));
    *refused = 1;
    return SAC_OK;
  }
  return sac_run_resume(run, out, config, NULL, callbacks);
}

int sac_cli_train(int argc, char** argv) {
  int quiet = 0, dry = 0, refused = 0;
  const char* profile = NULL;
  const sac_option options[] = {
      SAC_OPTIONS_RUN,
      SAC_OPTION_KEY("--init", "POLICY", "policy.init", "policy or checkpoint file that the actors start from"),
      SAC_OPTION_SWITCH("--dry-run", &dry, "print the configuration and the memory it takes, and stop"),
      SAC_OPTION_SWITCH("--quiet", &quiet, "print errors and warnings alone"),
      SAC_OPTION_PROFILE(&profile),
      {0}};
  const sac_syntax syntax = {.command = "train",
                             .arguments = "[options]",
                             .help = "Trains an agent, or several side by side, in a new run folder.",
                             .notes = notes,
                             .options = options,
                             .preset = 1};
  sac_config* config = NULL;
  sac_operands operands;
  sac_progress progress;
  sac_settings settings;
  sac_run* run = NULL;
  const sac_env_api* env;
  int code = sac_options_parse(&syntax, argc, argv, &config, &operands);
  if (code != SAC_OPTIONS_GO) return code;

  sac_status status = sac_config_settings(config, &settings);
  if (status == SAC_OK && (status = sac_env_find(settings.env_id, &env)) != SAC_OK) {
    (void)sac_cli_fail(status); /* a name that is not there is wrong usage, not a failed environment */
    sac_config_destroy(config);
    return SAC_EXIT_USAGE;
  }
  if (status == SAC_OK && dry) {
    code = dry_run(config, env);
    sac_config_destroy(config);
    return code;
  }
  if (status == SAC_OK && (code = sac_cli_profile(&syntax, profile, config)) != SAC_OPTIONS_GO) {
    sac_config_destroy(config);
    return code;
  }
  if (status == SAC_OK) {
    sac_session_prepare();
    sac_progress_start(&progress, quiet);
    const sac_callbacks callbacks = sac_progress_callbacks(&progress);
    if (settings.out[0] && sac_folder_holds_run(settings.out))
      status = take_up(&run, settings.out, config, &callbacks, &refused);
    else status = sac_run_create(&run, config, env, &callbacks);
  }
  sac_config_destroy(config);
  if (status != SAC_OK) return sac_cli_fail(status);
  if (refused) return SAC_EXIT_USAGE;
  code = sac_session_run(run, &progress);
  sac_cli_profile_end(profile);
  return code;
}
