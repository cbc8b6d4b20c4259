/* sac verify FILE...: runs golden updates and environment traces, and prints the errors. */
#include <jansson.h>
#include <math.h>
#include <stdio.h>

#include "cli/cli.h"
#include "cli/json.h"
#include "cli/options.h"
#include "cli/out.h"
#include "verify/verify.h"

static const char notes[] =
    "Both are safetensors files. Sizes and rates of a file win over --set. Letters: U updates, B rows of a\n"
    "minibatch, O observation, A action, T steps.\n"
    "\n"
    "A golden update is float32:\n"
    "  before/NAME, after/NAME  every tensor of the agent before the first and after the last update\n"
    "  after/adam_m/NAME        compared where present, as are after/adam_v/NAME and after/grad/NAME\n"
    "  minibatch/obs            (U, B, O); with action (U, B, A), reward (U, B), terminated (U, B) and\n"
    "                           next_obs (U, B, O). A discrete action is its number: A is 1\n"
    "  noise/action             (U, B, A), for the observations; next_action (U, B, A), for the next observations.\n"
    "                           Each is read where the algorithm samples actions there\n"
    "  metrics/critic_loss      (U), the sum over critics; with alpha_loss, alpha (before its own step) and entropy;\n"
    "                           with an actor actor_loss, with a value network value_loss, with discrete actions\n"
    "                           soft_value, log_z and kl\n"
    "  metadata config          a JSON object: algo, obs, act (A, or the number of discrete actions), hidden, batch,\n"
    "                           updates, critics, gamma, tau, lr, alpha (auto or fixed), target_entropy,\n"
    "                           reward_scale; continuous actions: log_std_min, log_std_max; discrete ones:\n"
    "                           critics_join (min or mean); if alpha has bounds: alpha_min, alpha_max\n"
    "\n"
    "An environment trace is one episode of Gymnasium's, float64:\n"
    "  initial                  the state after the reset (MuJoCo: qpos, then qvel)\n"
    "  action, observation      (T, A) and (T + 1, O)\n"
    "  reward, info/NAME        (T) each; either all terms of info or none\n"
    "  terminated, truncated    (T) each, uint8\n"
    "  metadata                 env (id), options (JSON), gymnasium (version)\n"
    "\n"
    "Exit codes: 0 all within tolerance, 1 beyond it or a file cannot be run, 2 wrong usage.\n";

/* The comparison of one tensor as a JSON object. */
static json_t* row_json(const sac_verify_row* row) {
  return json_pack("{s:s, s:I, s:o, s:o, s:o, s:I, s:o, s:o, s:o, s:I, s:b}", "name", row->name, "count",
                   (json_int_t)row->count, "absolute", sac_json_real(row->absolute), "relative",
                   sac_json_real(row->relative), "share", sac_json_real(row->share), "worst", (json_int_t)row->worst,
                   "ours", sac_json_real(row->ours), "expected", sac_json_real(row->expected), "allowed",
                   sac_json_real(row->allowed), "blind", (json_int_t)row->blind, "ok", row->ok);
}

/* Prints a file's results as one object on one line: {"file", "kind", "ok", "error", "rows": [...]}. Returns 0, or not
 * 0 when this failed. */
static int print_json(const char* path, const sac_verify_report* report, sac_status status) {
  /* make the rows, then the object; NULL texts (`error` without an error) become null */
  json_t* rows = json_array();
  for (int32_t i = 0; i < report->count; i++) json_array_append_new(rows, row_json(&report->row[i]));

  json_t* object = json_pack("{s:s, s:s?, s:b, s:s?, s:o}", "file", path, "kind", report->kind, "ok", report->ok,
                             "error", status == SAC_OK ? NULL : sac_last_error(), "rows", rows);

  /* print it, and end the line */
  int failed = !object || json_dumpf(object, sac_out, JSON_COMPACT | JSON_REAL_PRECISION(9)) != 0;
  (void)fputc('\n', sac_out);
  json_decref(object);
  return failed;
}

/* Prints the errors of each tensor, for people. The report has at least one row. */
static void print_table(const char* path, const sac_verify_report* report) {
  int width = 6, beyond = 0;
  const sac_verify_row* worst = &report->row[0];

  /* find the widest name and the worst tensor; a share that is NaN counts as the worst */
  for (int32_t i = 0; i < report->count; i++) {
    const sac_verify_row* row = &report->row[i];
    const int length = snprintf(NULL, 0, "%s", row->name);
    if (length > width) width = length;
    if (!isnan(worst->share) && !(row->share <= worst->share)) worst = row;
    beyond += !row->ok;
  }

  /* print one line for each tensor */
  sac_print("%s: %s\n", path, report->kind);
  sac_print("  %-*s  %8s  %11s  %11s  %10s\n", width, "tensor", "numbers", "worst error", "relative", "of allowed");
  for (int32_t i = 0; i < report->count; i++) {
    const sac_verify_row* row = &report->row[i];
    sac_print("  %-*s  %8zu  %11.2e  %11.2e  %9.3g%%", width, row->name, row->count, row->absolute, row->relative,
              100 * row->share);

    /* say which number is beyond, and how many could not be checked */
    if (!row->ok)
      sac_print("  BEYOND: [%zu] is %.9g, expected %.9g +- %.2g", row->worst, row->ours, row->expected, row->allowed);
    if (row->blind) sac_print("  (%zu not checked: gradients below rounding)", row->blind);
    (void)fputc('\n', sac_out);
  }

  /* print the result */
  if (beyond)
    sac_print("  %d of %d tensors %s beyond the tolerance; worst is %s\n", beyond, report->count,
              beyond == 1 ? "is" : "are", worst->name);
  else
    sac_print("  %s%d tensor%s within tolerance; worst is %s, %.3g%% of what is allowed\n",
              report->count > 1 ? "all " : "", report->count, report->count > 1 ? "s are" : " is", worst->name,
              100 * worst->share);
}

int sac_cli_verify(int argc, char** argv) {
  /* describe the command line */
  int json = 0;
  const sac_option options[] = {SAC_OPTION_DEVICE,
                                SAC_OPTION_SET,
                                SAC_OPTION_SWITCH("--json", &json, "print one JSON object for each file, on one line"),
                                {0}};
  const sac_syntax syntax = {
      .command = "verify",
      .arguments = "FILE... [options]",
      .help =
          "Runs golden updates (made by another framework) and environment traces, and prints the worst error of\n"
          "each tensor: absolute, relative to the tensor's largest number, and as a share of the allowed error,\n"
          "which is what float rounding can explain.",
      .notes = notes,
      .options = options,
      .operands_min = 1,
      .operands_max = 1 << 20,
  };

  /* parse the command line */
  sac_config* config = NULL;
  sac_operands files;
  const int code = sac_options_parse(&syntax, argc, argv, &config, &files);
  if (code != SAC_OPTIONS_GO) return code;

  /* verify all files, also after one that failed */
  int failed = 0;
  for (int i = 0; i < files.count; i++) {
    /* verify */
    sac_verify_report report = {0};
    const sac_status status = sac_verify_file(files.text[i], config, &report);

    /* print the results of this file before its error */
    char path[SAC_PATH_MAX];
    (void)sac_out_path(path, files.text[i]);
    if (json && print_json(path, &report, status)) failed = 1;
    if (!json && status == SAC_OK) print_table(path, &report);
    (void)fflush(sac_out);
    if (status != SAC_OK) (void)sac_cli_fail(status);
    failed |= !report.ok;
    sac_verify_free(&report);
  }
  sac_config_destroy(config);
  return failed ? SAC_EXIT_FAILED : SAC_EXIT_WELL;
}
