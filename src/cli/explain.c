/* sac explain: what the networks of a checkpoint say about states. */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/steps.h"
#include "cli/cli.h"
#include "cli/explain_one.h"
#include "cli/explain_states.h"
#include "cli/json.h"
#include "cli/options.h"
#include "cli/out.h"
#include "cli/target.h"
#include "cli/wrap.h"
#include "formats/safetensors.h"
#include "train/folder.h"
#include "util/error.h"

static const char notes[] =
    "DIR is a run folder (its first seed) or a seed folder: its last checkpoint, or with --best the one with the best\n"
    "evaluation. FILE is a checkpoint, or a file of sac_agent_save. A policy file is not enough: it has no critics.\n"
    "\n"
    "The states are those of --states FILE: CSV, a row of numbers a state, behind a line of names or none; or\n"
    "safetensors with a tensor obs (states, numbers of an observation). Otherwise they are visited: --env-steps steps "
    "of the environment, with actions that\n"
    "the policy samples.\n"
    "\n"
    "For each state:\n"
    "  Q       of every critic, and their minimum or mean, q (network.critics_join)\n"
    "  log Z   Z = sum_a exp(q/alpha); the integral over the actions in (-1, 1) where they are continuous: by\n"
    "          quadrature for one or two of them, beyond by importance sampling, with its error\n"
    "  exp(q/alpha)/Z   the Boltzmann policy, and pi, the policy\n"
    "  KL      KL(pi || exp(q/alpha)/Z), in nats: how far the policy is from the best one for q\n"
    "  entropy of pi, in nats; of continuous actions by --samples samples, of the action in (-1, 1)\n"
    "  V       E_pi[q - alpha log pi]\n"
    "  and for continuous actions mean and sigma, log pi of the action tanh(mean), and q along each action's axis\n"
    "Everything is computed on the host in double.\n"
    "\n"
    "'scripts/plot.py --explain FILE' draws the output of --json.\n"
    "\n"
    "Examples:\n"
    "  sac explain runs/mine --env-steps 3\n"
    "  sac explain runs/mine --states states.csv --json > explained.json\n";

#define STEPS 3 /* visited states, unless --states or --env-steps say otherwise */

/* The command line. */
typedef struct options {
  const char* states; /* NULL: they are visited */
  int64_t steps, seed, samples;
  int best, json;
} options;

/* The file that the operand stands for. */
static sac_status find_file(const char* given, const options* o, char path[SAC_PATH_MAX]) {
  char folder[SAC_PATH_MAX];
  int64_t seed, seeds;
  sac_status status = SAC_OK;
  SAC_TRY(sac_path(folder, "%s", given));
  if (sac_folder_holds_run(given)) {
    SAC_TRY(sac_target_seeds(given, &seed, &seeds));
    SAC_TRY(sac_folder_seed(given, (uint64_t)seed, folder));
    if (seeds > 1)
      (void)fprintf(stderr, "sac: %s has %lld seeds: seed_%lld is explained\n", given, (long long)seeds,
                    (long long)seed);
  }
  if (sac_target_is_folder(folder)) return sac_target_seed(folder, o->best, path);
  return sac_steps_path(path, folder);
fail:
  return status;
}

/* Loads the agent of a file. Errors: those of sac_agent_load; FORMAT (a policy file, which has no critics). */
static sac_status load(const char* path, sac_agent** agent) {
  sac_safetensors* file = NULL;
  sac_status status = sac_safetensors_open(&file, path);
  if (status == SAC_OK && !sac_safetensors_metadata(file, "config"))
    status = sac_fail(SAC_ERROR_FORMAT, "%s is no checkpoint, and only a checkpoint has critics to explain", path);
  sac_safetensors_close(file);
  return status == SAC_OK ? sac_agent_load(agent, path, "cpu") : status;
}

/* Prints what is explained, for people. */
static void print_head(const sac_agent* agent, const char* path, double alpha) {
  char text[2 * SAC_PATH_MAX], shown[SAC_PATH_MAX];
  (void)snprintf(text, sizeof text, "%s: %s on %s, alpha %.6g", sac_out_path(shown, path),
                 sac_algo_name(agent->settings.algo), agent->settings.env_id, alpha);
  sac_wrap(sac_out, text, 0, 2, sac_wrap_width());
  sac_print("\n");
}

/* Explains all states: prints each, or adds it to `array`. */
static sac_status explain(const options* o, const sac_host_nets* nets, const sac_explain_states* states,
                          json_t* array) {
  sac_explain_one one = {0};
  sac_status status = sac_explain_one_create(&one, nets);
  for (int64_t i = 0; i < states->count && status == SAC_OK; i++) {
    status =
        sac_explain_one_fill(&one, states->row + (size_t)i * (size_t)states->obs, (uint64_t)i, (int32_t)o->samples);
    if (status != SAC_OK) break;
    if (!array) sac_explain_one_print(&one, i + 1);
    else if (json_array_append_new(array, sac_explain_one_json(&one)) != 0)
      status = sac_fail(SAC_ERROR_MEMORY, "no memory for the JSON of %lld states", (long long)states->count);
  }
  sac_explain_one_free(&one);
  return status;
}

/* Prints the object of --json. Returns 0, or not 0 when this failed. */
static int print_json(const sac_agent* agent, const char* path, double alpha, json_t* array) {
  json_t* object = json_pack("{s:s, s:s, s:s, s:o, s:O}", "path", path, "algo", sac_algo_name(agent->settings.algo),
                             "env", agent->settings.env_id, "alpha", sac_json_real(alpha), "states", array);
  const int failed = !object || json_dumpf(object, sac_out, JSON_COMPACT | JSON_REAL_PRECISION(17)) != 0;
  (void)fputc('\n', sac_out);
  json_decref(object);
  return failed;
}

/* Loads, gathers the states and explains them. Returns the exit code. */
static int run(const options* o, const char* given) {
  char path[SAC_PATH_MAX] = "";
  sac_agent* agent = NULL;
  sac_host_nets nets = {0};
  sac_explain_states states = {0};
  json_t* array = o->json ? json_array() : NULL;
  int failed = 0;
  sac_status status = SAC_OK;

  /* load the agent */
  SAC_TRY(find_file(given, o, path));
  SAC_TRY(load(path, &agent));
  SAC_TRY(sac_host_nets_read(&nets, agent, 0));

  /* gather the states */
  states.obs = agent->shape.obs;
  if (o->states) SAC_TRY(sac_explain_states_read(&states, o->states));
  else SAC_TRY(sac_explain_states_visit(&states, agent, o->steps, (uint64_t)o->seed));

  /* explain and print them */
  if (!o->json) print_head(agent, path, nets.alpha);
  SAC_TRY(explain(o, &nets, &states, array));
  if (o->json) failed = print_json(agent, path, nets.alpha, array);
fail:
  json_decref(array);
  free(states.row);
  sac_host_nets_free(&nets);
  sac_agent_destroy(agent);
  if (status != SAC_OK) return sac_cli_fail(status);
  return failed ? SAC_EXIT_FAILED : SAC_EXIT_WELL;
}

int sac_cli_explain(int argc, char** argv) {
  /* describe the command line */
  options o = {.samples = SAC_EXPLAIN_SAMPLES};
  char states[SAC_PATH_MAX];
  const sac_option table[] = {
      SAC_OPTION_TEXT("--states", "FILE", (void*)&o.states, "states to explain: CSV or safetensors"),
      SAC_OPTION_INTEGER("--env-steps", "N", &o.steps, 1, SAC_EXPLAIN_STATES_MAX,
                         "states to visit in the environment (3)"),
      SAC_OPTION_INTEGER("--seed", "N", &o.seed, 0, 9007199254740992.0, "seed of the visited episode (0)"),
      SAC_OPTION_INTEGER("--samples", "N", &o.samples, 2, 10000000, "actions of each expectation, continuous (4096)"),
      SAC_OPTION_SWITCH("--best", &o.best, "the checkpoint with the best evaluation, not the last"),
      SAC_OPTION_SWITCH("--json", &o.json, "print one JSON object"),
      {0}};
  const sac_syntax syntax = {.command = "explain",
                             .arguments = "DIR|FILE [options]",
                             .help = "Shows what the critics and the policy of a checkpoint say about states.",
                             .notes = notes,
                             .options = table,
                             .operands_min = 1,
                             .operands_max = 1};

  /* parse it */
  sac_operands operands;
  const int code = sac_options_parse(&syntax, argc, argv, NULL, &operands);
  if (code != SAC_OPTIONS_GO) return code;
  if (o.states && o.steps) return sac_options_usage(&syntax, "--states and --env-steps exclude each other");
  if (o.best && !sac_target_is_folder(operands.text[0]))
    return sac_options_usage(&syntax, "--best chooses a checkpoint of a run: give its folder, not a file");
  if (o.states && sac_expand_home(states, o.states) != SAC_OK)
    return sac_options_usage(&syntax, "%s", sac_last_error());
  if (o.states) o.states = states;
  if (o.steps == 0) o.steps = STEPS;
  return run(&o, operands.text[0]);
}
