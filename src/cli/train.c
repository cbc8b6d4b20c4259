/* sac train: creates a run, or continues the one in --out, and trains it to its end. */
#include <stdio.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/options.h"
#include "cli/out.h"
#include "cli/profile.h"
#include "cli/session.h"
#include "config/sources.h"
#include "util/error.h"
#include "util/program.h"
#include "util/text.h"

static const char notes[] =
    "Sources of values, of which later ones win: the library, the algorithm, the environment's preset,\n"
    "--config, --set, other options. With --out DIR an unfinished run in DIR is continued, and a finished one\n"
    "is refused, as is a folder with other files.\n"
    "\n"
    "--init PATH starts from a trained agent: a run folder (its newest checkpoint), a checkpoint, or a policy file.\n"
    "'sac config init.parts' says what comes along, and 'sac config train.actor_delay_steps' how it is protected.\n"
    "\n"
    "Ctrl-C (or SIGTERM, SIGHUP, SIGUSR2) finishes the step of the environments, leaves a running evaluation,\n"
    "writes a checkpoint and exits. A second one exits at once. SIGUSR1 writes a checkpoint and goes on. The keys\n"
    "signal.stop and signal.checkpoint choose the last two signals. 'sac resume' plays the evaluation again.\n"
    "\n"
    "Exit codes: 0 well, 1 the run failed, 2 wrong usage or configuration, 3 a value was not finite, 130 stopped by\n"
    "Ctrl-C (143 by SIGTERM or signal.stop, 129 by SIGHUP).\n"
    "\n"
    "Examples:\n"
    "  sac train --env Pendulum-v1\n"
    "  sac train --env Pendulum-v1 --seeds 5 --set gamma=0.9 --out runs/mine\n";

/* --dry-run: prints the configuration as a run would write it, what it needs, and where it would run. */
static int dry_run(sac_config* config, const sac_env_api* env) {
  char all[SAC_BYTES_MAX], rows[SAC_BYTES_MAX];
  sac_needs needs = {0};

  /* find what the run needs before anything is printed */
  sac_status status = sac_run_needs(config, env, &needs);

  /* print the configuration; what the run needs follows as comments of the YAML file */
  if (status == SAC_OK) status = sac_config_write(config, sac_out);
  if (status != SAC_OK) return sac_cli_fail(status);
  sac_print("# memory: %s, of it replay %s\n", sac_text_bytes(all, needs.replay + needs.rest),
            sac_text_bytes(rows, needs.replay));
  sac_print("# environments: %lld for training, %lld more for evaluations\n", (long long)needs.train_envs,
            (long long)needs.eval_envs);
  if (needs.device_why[0]) sac_print("# %s\n", needs.device_why);
  return SAC_EXIT_WELL;
}

/* Continues the unfinished run in the folder `out`. A finished run is refused: *refused becomes 1 after a message, and
 * the status is OK. */
static sac_status continue_run(sac_run** run, const char* out, const sac_config* config, const sac_callbacks* callbacks,
                               int* refused) {
  /* read how far the run is */
  int64_t step = 0, steps = 0;
  char word[SAC_WORD_MAX];
  const sac_status status = sac_run_read_progress(out, config, &step, &steps);
  if (status == SAC_ERROR_CONFIG)
    sac_fail_prefix("%s holds a run already; for a new one choose another --out; to continue that one: ", out);
  if (status != SAC_OK) return status;

  /* refuse a run that has made all its steps */
  if (step >= steps) {
    (void)fprintf(stderr,
                  "sac: %s holds a finished run of %lld steps; choose another --out, or train it on: '%s resume %s "
                  "--steps %lld'\n",
                  out, (long long)step, sac_program(), sac_text_word(word, out), (long long)(2 * step));
    *refused = 1;
    return SAC_OK;
  }

  /* continue it, with the changes of the command line */
  return sac_run_resume(run, out, config, NULL, callbacks);
}

/* Creates or continues the run and trains it to the end. Returns the exit code. */
static int train(const sac_config* config, const sac_settings* settings, const sac_env_api* env, int quiet,
                 const char* profile) {
  sac_progress progress;
  sac_run* run = NULL;
  int refused = 0;
  sac_status status;

  /* handle signals before creating the run, which may take long */
  sac_session_prepare();
  sac_progress_start(&progress, quiet);
  const sac_callbacks callbacks = sac_progress_callbacks(&progress);

  /* continue the run in --out, or create a new one */
  if (settings->out[0] && sac_folder_holds_run(settings->out))
    status = continue_run(&run, settings->out, config, &callbacks, &refused);
  else status = sac_run_create(&run, config, env, &callbacks);
  if (status != SAC_OK) return sac_cli_fail(status);
  if (refused) return SAC_EXIT_USAGE;

  /* train, and report a capture that was cut short */
  const int code = sac_session_run(run, &progress);
  sac_cli_profile_end(profile);
  return code;
}

int sac_cli_train(int argc, char** argv) {
  /* describe the command line */
  int quiet = 0, dry = 0;
  const char* profile = NULL;
  const sac_option options[] = {
      SAC_OPTIONS_RUN,
      SAC_OPTION_KEY("--init", "PATH", "init.file", "run folder, checkpoint or policy file to start from"),
      SAC_OPTION_KEY("--replay", "PATH", "replay.load", "run folder or transitions file to start the replay with"),
      SAC_OPTION_SWITCH("--dry-run", &dry, "print the configuration and the memory it takes, and stop"),
      SAC_OPTION_SWITCH("--quiet", &quiet, "print only errors and warnings"),
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
  sac_settings settings;
  const sac_env_api* env;

  /* parse it */
  int code = sac_options_parse(&syntax, argc, argv, &config, &operands);
  if (code != SAC_OPTIONS_GO) return code;

  /* say which environment is taken where none was named */
  if (config->source[SAC_FIELD_env_id].origin == SAC_ORIGIN_LIBRARY && !quiet)
    (void)fprintf(stderr, "sac: no --env given: taking %s ('%s envs' lists others)\n", sac_config_get(config, "env.id"),
                  sac_program());

  /* check the configuration, then print it or train; settings are those before --profile, which may set `device` */
  code = sac_options_env(config, &settings, &env);
  if (code == SAC_OPTIONS_GO && dry) {
    code = dry_run(config, env);
  } else if (code == SAC_OPTIONS_GO && (code = sac_cli_profile(&syntax, profile, config)) == SAC_OPTIONS_GO) {
    code = train(config, &settings, env, quiet, profile);
  }
  sac_config_destroy(config);
  return code;
}
