/* sac replay: shows the transitions of a run or file, and writes those of a run to a file. */
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/json.h"
#include "cli/options.h"
#include "cli/out.h"
#include "train/transitions.h"
#include "train/transitions_info.h"
#include "util/text.h"

#define COMPONENTS_SHOWN 16 /* components of observations or actions that have a line each */

static const char notes[] =
    "RUN is a run folder with one seed, or a seed folder; its newest checkpoint is read. FILE is a safetensors file\n"
    "with obs (n, O), action (n, A) in the environment's units, reward (n), terminated (n), truncated (n) and\n"
    "next_obs (n, O). A discrete action is its number, (n, 1) or (n). Files of this form, also with demonstrations\n"
    "from elsewhere, are read by 'sac train --replay FILE'; there truncated may be missing, and F64, I64, U64, U8 and\n"
    "BOOL are taken too. The metadata may say how many discrete actions there are: 'actions'.\n"
    "\n"
    "Ranges of observations are those of obs and next_obs together. Transitions with a value that is not finite are\n"
    "counted, and left out of ranges and means.\n"
    "\n"
    "Examples:\n"
    "  sac replay info runs/mine\n"
    "  sac replay export runs/mine demonstrations.safetensors\n"
    "  sac train --env Pendulum-v1 --replay demonstrations.safetensors\n";

/* --- info, for people --------------------------------------------------------------------------------------------- */

/* Prints a line of the table of ranges. mean: NaN leaves its column empty. */
static void print_range(const char* name, double min, double mean, double max) {
  sac_print("  %-14s%14.6g", name, min);
  if (isnan(mean)) sac_print("%14s", "");
  else sac_print("%14.6g", mean);
  sac_print("%14.6g\n", max);
}

/* Prints the range of each component, or of all together where they are many. */
static void print_ranges(const char* name, const sac_transitions_range* range) {
  char label[32];
  if (range->size <= COMPONENTS_SHOWN) {
    for (int64_t i = 0; i < range->size; i++) {
      (void)snprintf(label, sizeof label, "%s %lld", name, (long long)i);
      print_range(label, (double)range->min[i], NAN, (double)range->max[i]);
    }
    return;
  }

  /* the range of all */
  double min = INFINITY, max = -INFINITY;
  for (int64_t i = 0; i < range->size; i++) {
    min = fmin(min, (double)range->min[i]);
    max = fmax(max, (double)range->max[i]);
  }
  (void)snprintf(label, sizeof label, "%s, all", name);
  print_range(label, min, NAN, max);
}

static void print_text(const char* path, const sac_transitions_reader* reader, const sac_transitions_info* info) {
  const long long count = reader->count;
  const int is_run = reader->folder[0] != '\0';

  /* print where it is from */
  sac_print("%s\n\n", path);
  sac_print("  %-14s%s", "holds", is_run ? "the replay of a run" : "a file of transitions");
  if (is_run) sac_print(", at step %lld", (long long)reader->step);
  if (reader->env && reader->env[0]) {
    char shown[SAC_SHOW_MAX];
    sac_print("\n  %-14s%s", "environment", sac_text_show(shown, reader->env, SIZE_MAX));
  }

  /* print how many there are */
  sac_print("\n  %-14s%lld", "transitions", count);
  if (is_run) sac_print(" of at most %lld", (long long)reader->capacity);
  if (reader->fixed) sac_print("\n  %-14s%lld of them, loaded with --replay", "kept", (long long)reader->fixed);
  if (reader->actions > 0)
    sac_print("\n  %-14sobservation %lld, %lld discrete actions\n", "sizes", (long long)reader->obs,
              (long long)reader->actions);
  else
    sac_print("\n  %-14sobservation %lld, action %lld\n", "sizes", (long long)reader->obs, (long long)reader->action);
  sac_print("  %-14s%lld ended: %lld terminated, %lld truncated\n", "episodes",
            (long long)(info->terminated + info->truncated), (long long)info->terminated, (long long)info->truncated);

  /* print whether all values are finite; without any finite transition there are no ranges */
  if (info->not_finite == 0) sac_print("  %-14sall values\n", "finite");
  else
    sac_print("  %-14sall but %lld transition%s (the first: %lld)\n", "finite", (long long)info->not_finite,
              info->not_finite > 1 ? "s" : "", (long long)info->first_not_finite);
  if (info->not_finite == count) return;

  /* print the ranges */
  sac_print("\n  %-14s%14s%14s%14s\n", "", "smallest", "mean", "largest");
  print_range("reward", (double)info->reward.min[0], info->reward_mean, (double)info->reward.max[0]);
  print_ranges("action", &info->action);
  print_ranges("obs", &info->obs);
  if (info->action.size > COMPONENTS_SHOWN || info->obs.size > COMPONENTS_SHOWN)
    sac_print("\n  --json has the range of each component\n");
}

/* --- info, as JSON ------------------------------------------------------------------------------------------------ */

static json_t* list_json(const float* x, int64_t count) {
  json_t* list = json_array();
  for (int64_t i = 0; i < count; i++) json_array_append_new(list, sac_json_real((double)x[i]));
  return list;
}

static json_t* ranges_json(const sac_transitions_range* range) {
  return json_pack("{s:o, s:o}", "min", list_json(range->min, range->size), "max", list_json(range->max, range->size));
}

/* Prints one object on one line. Returns 0, or not 0 when this failed. */
static int print_json(const char* path, const sac_transitions_reader* reader, const sac_transitions_info* info) {
  const int is_run = reader->folder[0] != '\0';
  const char* env = reader->env && reader->env[0] ? reader->env : NULL;
  json_t* object = json_pack(
      "{s:s, s:s, s:s?, s:o, s:o, s:I, s:I, s:I, s:I, s:o, s:I, s:I, s:b, s:I, s:o}", "path", path, "kind",
      is_run ? "run" : "file", "env", env, "step", is_run ? json_integer(reader->step) : json_null(), "capacity",
      is_run ? json_integer(reader->capacity) : json_null(), "transitions", (json_int_t)reader->count, "fixed",
      (json_int_t)reader->fixed, "obs_size", (json_int_t)reader->obs, "action_size", (json_int_t)reader->action,
      "actions", reader->actions >= 0 ? json_integer(reader->actions) : json_null(), "terminated",
      (json_int_t)info->terminated, "truncated", (json_int_t)info->truncated, "finite", info->not_finite == 0,
      "not_finite", (json_int_t)info->not_finite, "first_not_finite",
      info->first_not_finite >= 0 ? json_integer(info->first_not_finite) : json_null());
  json_t* reward = json_pack("{s:o, s:o, s:o}", "min", sac_json_real((double)info->reward.min[0]), "mean",
                             sac_json_real(info->reward_mean), "max", sac_json_real((double)info->reward.max[0]));
  int failed = !object || json_object_set_new(object, "reward", reward) != 0 ||
               json_object_set_new(object, "action", ranges_json(&info->action)) != 0 ||
               json_object_set_new(object, "obs", ranges_json(&info->obs)) != 0;

  /* print it, and end the line */
  failed = failed || json_dumpf(object, sac_out, JSON_COMPACT | JSON_REAL_PRECISION(9)) != 0;
  (void)fputc('\n', sac_out);
  json_decref(object);
  return failed;
}

/* --- the command -------------------------------------------------------------------------------------------------- */

/* sac replay info RUN|FILE. Returns the exit code. */
static int info(const char* given, int json) {
  sac_transitions_reader reader;
  sac_transitions_info numbers = {.first_not_finite = -1};
  char path[SAC_PATH_MAX];
  int code = SAC_EXIT_WELL;
  sac_status status = sac_transitions_open(&reader, given, NULL);
  if (status == SAC_OK) status = sac_transitions_info_read(&numbers, &reader);

  /* print the numbers, or the error */
  (void)sac_out_path(path, reader.path);
  if (status != SAC_OK) code = sac_cli_fail(status);
  else if (!json) print_text(path, &reader, &numbers);
  else if (print_json(path, &reader, &numbers)) code = SAC_EXIT_FAILED;
  sac_transitions_info_free(&numbers);
  sac_transitions_close(&reader);
  return code;
}

/* sac replay export RUN FILE. Returns the exit code. */
static int export(const char* run, const char* file) {
  char shown[SAC_PATH_MAX];
  int64_t count;
  const sac_status status = sac_transitions_export(run, file, &count);
  if (status != SAC_OK) return sac_cli_fail(status);
  sac_print("%lld transitions written to %s\n", (long long)count, sac_out_path(shown, file));
  return SAC_EXIT_WELL;
}

int sac_cli_replay(int argc, char** argv) {
  /* describe the command line */
  int json = 0;
  const sac_option options[] = {SAC_OPTION_SWITCH("--json", &json, "info: print one JSON object, on one line"), {0}};
  const sac_syntax syntax = {.command = "replay",
                             .arguments = "info RUN|FILE | export RUN FILE",
                             .help =
                                 "Shows what the replay of a run or a file of transitions holds, or writes the "
                                 "replay of a run to a file.",
                             .notes = notes,
                             .options = options,
                             .operands_min = 1,
                             .operands_max = 3};
  sac_operands operands;

  /* parse it */
  const int code = sac_options_parse(&syntax, argc, argv, NULL, &operands);
  if (code != SAC_OPTIONS_GO) return code;
  const char* action = operands.text[0];
  const int exports = strcmp(action, "export") == 0, wanted = exports ? 3 : 2;
  char shown[SAC_SHOW_MAX];
  if (!exports && strcmp(action, "info") != 0)
    return sac_options_usage(&syntax, "unknown action '%s'; there are 'info' and 'export'",
                             sac_text_show(shown, action, SIZE_MAX));

  /* each action has a number of arguments of its own */
  if (operands.count < wanted)
    return sac_options_usage(&syntax, "too few arguments: %s %s", action, exports ? "RUN FILE" : "RUN|FILE");
  if (operands.count > wanted)
    return sac_options_usage(&syntax, "unexpected argument '%s'", sac_text_show(shown, operands.text[2], SIZE_MAX));
  if (exports && json) return sac_options_usage(&syntax, "--json goes with info, not with export");
  return exports ? export(operands.text[1], operands.text[2]) : info(operands.text[1], json);
}
