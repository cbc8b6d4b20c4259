#include "cli/expect.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/agent.h"
#include "agent/estimate.h"
#include "cli/bench_env.h"
#include "cli/bench_stages.h"
#include "cli/bench_time.h"
#include "cli/out.h"
#include "cli/wrap.h"
#include "config/field.h"
#include "env/vector.h"
#include "kernels/random.h"
#include "util/error.h"
#include "util/text.h"

/* --- figures and shapes ------------------------------------------------------------------------------------------- */

/* The shapes that sac info prints estimates for: some are faster on the CPU, others on a device. width: of both hidden
 * layers. */
static const struct {
  const char* env; /* "": an environment that the host steps */
  int32_t obs, action, width, batch, population;
} shapes[] = {{"Pendulum-v1", 3, 1, 64, 100, 1}, {"", 17, 6, 64, 256, 1},   {"", 17, 6, 256, 256, 1},
              {"", 17, 6, 256, 256, 10},         {"", 17, 6, 256, 256, 64}, {"", 17, 6, 1024, 256, 1}};
#define SHAPE_COUNT (sizeof shapes / sizeof *shapes)

/* Estimates a step of shape i on each device. */
static sac_status estimate(size_t i, sac_estimate e[SAC_WHERE_COUNT]) {
  sac_config* config = NULL;
  sac_settings settings;
  sac_shape shape = {.population = shapes[i].population,
                     .num_envs = 1,
                     .batch = shapes[i].batch,
                     .obs = shapes[i].obs,
                     .action = shapes[i].action,
                     .layers = 2,
                     .hidden = {shapes[i].width, shapes[i].width},
                     .critics = 2};

  /* take everything else from the library's defaults */
  sac_status status = sac_config_create(&config);
  if (status == SAC_OK) status = sac_config_settings(config, &settings);
  sac_config_destroy(config);
  if (status != SAC_OK) return status;

  /* estimate for each device, without the time of environments that the host steps (NaN) */
  (void)snprintf(settings.env_id, sizeof settings.env_id, "%s", shapes[i].env);
  for (int w = 0; w < SAC_WHERE_COUNT; w++) e[w] = sac_estimate_step((sac_where)w, &settings, &shape, NAN);
  return SAC_OK;
}

/* The device on which a step is expected to be shorter. */
static const char* faster(const sac_estimate e[SAC_WHERE_COUNT]) {
  return sac_where_names[e[SAC_ON_CUDA].step < e[SAC_ON_CPU].step ? SAC_ON_CUDA : SAC_ON_CPU];
}

/* "3.5 us", "108 G/s" */
static const char* with_unit(char text[32], const sac_estimate_figure* f) {
  static const char* const prefixes[] = {"n", "u", "m", "", "k", "M", "G", "T"};

  /* choose the prefix that leaves a number below 1000, beginning with nano */
  double value = f->value * 1e9;
  int p = 0;
  for (; p < 7 && value >= 1000; p++) value /= 1000;

  /* append the unit; figures are seconds or rates */
  (void)snprintf(text, 32, "%.3g %s%s", value, prefixes[p], strcmp(f->unit, "s") == 0 ? "s" : "/s");
  return text;
}

/* Prints the measured figures that the estimates use, for people. */
static void print_figures(void) {
  char text[32];
  int count;
  sac_print("\ndevice auto chooses where a step is expected to be faster. The figures of the\nestimates:\n\n");

  /* list the figures of each device; its name stands on its first line */
  for (int w = 0; w < SAC_WHERE_COUNT; w++) {
    const sac_estimate_figure* f = sac_estimate_figures((sac_where)w, &count);
    for (int i = 0; i < count; i++) {
      sac_print("  %-6s%-12s%10s  ", i ? "" : sac_where_names[w], f[i].name, with_unit(text, &f[i]));
      sac_wrap(sac_out, f[i].meaning, 32, 32, sac_wrap_width());
    }
  }
}

/* Prints the estimates of the shapes as a table, in microseconds. */
static void print_shapes(void) {
  sac_estimate e[SAC_WHERE_COUNT];
  sac_print("\n  %-36s", "us; cuda: an H200");
  for (int w = 0; w < SAC_WHERE_COUNT; w++) sac_print("%18s", sac_where_names[w]);
  sac_print("\n  %-36s", "");
  for (int w = 0; w < SAC_WHERE_COUNT; w++) sac_print("%9s%9s", "update", "step");
  sac_print("  auto\n");

  /* print one line for each shape; a shape that fails ends the table */
  for (size_t i = 0; i < SHAPE_COUNT && estimate(i, e) == SAC_OK; i++) {
    char text[96];
    (void)snprintf(text, sizeof text, "%d x obs %d act %d, 2x%d, batch %d%s", (int)shapes[i].population,
                   (int)shapes[i].obs, (int)shapes[i].action, (int)shapes[i].width, (int)shapes[i].batch,
                   shapes[i].env[0] ? " *" : "");

    /* update and step of each device, and the device that auto takes */
    sac_print("  %-36s", text);
    for (int w = 0; w < SAC_WHERE_COUNT; w++) sac_print("%9.0f%9.0f", 1e6 * e[w].update, 1e6 * e[w].step);
    sac_print("  %s\n", faster(e));
  }
  sac_print("  * Pendulum-v1, which sac steps; the others without the time of environments\n");
}

/* Prints figures and shapes as the member "estimate" of a JSON object, in seconds. */
static void print_json(void) {
  sac_estimate e[SAC_WHERE_COUNT];
  int count;

  /* print the figures */
  sac_print("  \"estimate\": {");
  for (int w = 0; w < SAC_WHERE_COUNT; w++) {
    const sac_estimate_figure* f = sac_estimate_figures((sac_where)w, &count);
    sac_print("\"%s\": {", sac_where_names[w]);
    for (int i = 0; i < count; i++) sac_print("%s\"%s\": %s", i ? ", " : "", f[i].name, sac_bench_number(f[i].value));
    sac_print("}, ");
  }

  /* print the estimates of each shape */
  sac_print("\"shapes\": [");
  for (size_t i = 0; i < SHAPE_COUNT && estimate(i, e) == SAC_OK; i++) {
    sac_print("%s{\"obs\": %d, \"act\": %d, \"hidden\": [%d, %d], \"batch\": %d, \"population\": %d", i ? ", " : "",
              (int)shapes[i].obs, (int)shapes[i].action, (int)shapes[i].width, (int)shapes[i].width,
              (int)shapes[i].batch, (int)shapes[i].population);
    for (int w = 0; w < SAC_WHERE_COUNT; w++)
      sac_print(", \"%s\": {\"update\": %s, \"step\": %s}", sac_where_names[w], sac_bench_number(e[w].update),
                sac_bench_number(e[w].step));
    sac_print(", \"auto\": \"%s\"}", faster(e));
  }
  sac_print("]},\n");
}

void sac_cli_estimates(int json) {
  if (json) {
    print_json();
    return;
  }
  print_figures();
  print_shapes();
}

/* --- a run -------------------------------------------------------------------------------------------------------- */

/* Creates population x num_envs environments of a run, and finds the shape of its agents. *vector becomes the caller's.
 * All agents have seed 0, because only sizes and times are wanted. */
static sac_status prepare(const sac_config* config, int64_t population, int64_t num_envs, sac_settings* settings,
                          sac_vector** vector, sac_shape* shape) {
  const sac_env_api* api;
  sac_status status = SAC_OK;
  uint64_t* seed = calloc((size_t)population, sizeof *seed);
  if (!seed) return sac_fail(SAC_ERROR_MEMORY, "no memory for %lld seeds", (long long)population);

  /* create the environments */
  SAC_TRY(sac_config_settings(config, settings));
  SAC_TRY(sac_env_find(settings->env_id, &api));
  SAC_TRY(sac_vector_create(vector, api, settings->env_id, settings->env_options, (int32_t)population,
                            (int32_t)num_envs, seed, sac_stream_env(0)));

  /* the spec of the environments completes the shape */
  SAC_TRY(sac_agent_shape(shape, settings, &(*vector)->spec));
fail:
  free(seed);
  return status;
}

/* Steps of all environments with random actions, for sac_bench_time. */
static sac_status loop_env(void* user, int64_t count) {
  sac_status status = SAC_OK;
  for (int64_t i = 0; i < count && status == SAC_OK; i++) status = sac_bench_env_step(user);
  return status;
}

/* Measures the seconds of one step of all environments, with random actions, on the host: five repeats of 0.05 s. */
static sac_status time_env(sac_vector* vector, double* seconds) {
  sac_bench_env env = {0};
  sac_timing t;
  sac_status status = sac_bench_env_begin(&env, vector);
  if (status == SAC_OK) status = sac_bench_time(loop_env, NULL, &env, 0.05, 0.05, 5, &t);
  if (status == SAC_OK) *seconds = t.median;
  sac_bench_env_end(&env);
  return status;
}

/* What is expected of a run on each device. */
typedef struct expected {
  sac_settings settings;
  sac_shape shape;
  int there[SAC_WHERE_COUNT]; /* 1: the run is possible on this device; 0: its column is left out */
  sac_estimate e[SAC_WHERE_COUNT];
  char name[SAC_WHERE_COUNT][16], why[SAC_WHY_MAX];
  int32_t ordinal; /* of the device that the run would use; -1: the CPU */
} expected;

/* Seconds of the updates that are due for one step of the vector. */
static double updates_of(const expected* x, const sac_estimate* e) {
  return x->settings.updates_per_step * x->shape.num_envs * e->update;
}

/* Prints the table of a run, for people. */
static void print_expected(const expected* x, const char* hidden) {
  /* print what would be trained */
  static const char* const rows[] = {"act", "env step", "replay push", "waits", "updates", "a step"};
  const double agents = x->shape.population, envs = x->shape.num_envs;
  const char* const* algos = sac_fields[SAC_FIELD_algo].names;
  char text[2 * SAC_TEXT_MAX + 256];
  (void)snprintf(
      text, sizeof text,
      "%s: algo %s, obs %d %s %d, hidden %s, batch %d, %d agent%s of %d environment%s, updates a transition: %g%s",
      x->settings.env_id, algos[x->settings.algo], (int)x->shape.obs, x->shape.actions ? "actions" : "act",
      (int)(x->shape.actions ? x->shape.actions : x->shape.action), hidden, (int)x->shape.batch, (int)agents,
      agents > 1 ? "s" : "", (int)envs, envs > 1 ? "s" : "", x->settings.updates_per_step,
      x->settings.overlap ? ", beside the environments" : "");
  sac_wrap(sac_out, text, 0, 2, sac_wrap_width());
  sac_print("\n");

  /* print the table, one column for each device */
  sac_print("  %-24s", "us, expected");
  for (int w = 0; w < SAC_WHERE_COUNT; w++)
    if (x->there[w]) sac_print("%12s", x->name[w]);

  /* print one row for each stage: its microseconds in one step of the vector */
  for (size_t r = 0; r < sizeof rows / sizeof *rows; r++) {
    sac_print("\n  %-24s", rows[r]);
    for (int w = 0; w < SAC_WHERE_COUNT; w++) {
      const sac_estimate* e = &x->e[w];
      const double values[] = {e->act, e->env, e->push, e->wait, updates_of(x, e), e->step};
      if (x->there[w]) sac_print("%12.1f", 1e6 * values[r]);
    }
  }

  /* print the rate; one step of the vector gives P*N transitions */
  sac_print("\n  %-24s", "transitions/s, of all");
  for (int w = 0; w < SAC_WHERE_COUNT; w++)
    if (x->there[w]) sac_print("%12.0f", agents * envs / x->e[w].step);

  /* say where the numbers come from, and why this device is chosen */
  sac_print("\n\nEstimates, but for the env step of the host: measured here, with random\nactions.\n");
  if (x->there[SAC_ON_CUDA] && x->e[SAC_ON_CUDA].push == 0)
    sac_print("%s steps this task itself: act stands for act, env step and replay push.\n", x->name[SAC_ON_CUDA]);
  if (x->why[0]) sac_wrap(sac_out, x->why, 0, 0, sac_wrap_width());
}

/* Prints the same as one JSON object, in seconds. */
static void print_expected_json(const expected* x, const char* hidden) {
  /* print what would be trained */
  char quoted[SAC_TEXT_MAX + 64];
  size_t used = 0;
  sac_text_append_quoted(quoted, sizeof quoted, &used, x->settings.env_id);
  sac_print("{\"env\": %s, \"obs\": %d, \"%s\": %d, \"hidden\": [%s], \"batch\": %d, \"population\": %d, \"envs\": %d",
            quoted, (int)x->shape.obs, x->shape.actions ? "actions" : "act",
            (int)(x->shape.actions ? x->shape.actions : x->shape.action), hidden, (int)x->shape.batch,
            (int)x->shape.population, (int)x->shape.num_envs);

  /* add the estimates of each device; null: the run is not possible there */
  for (int w = 0; w < SAC_WHERE_COUNT; w++) {
    const sac_estimate* e = &x->e[w];
    if (!x->there[w]) {
      sac_print(", \"%s\": null", sac_where_names[w]);
      continue;
    }
    sac_print(", \"%s\": {\"act\": %s, \"env_step\": %s, \"replay_push\": %s, \"waits\": %s", sac_where_names[w],
              sac_bench_number(e->act), sac_bench_number(e->env), sac_bench_number(e->push), sac_bench_number(e->wait));
    sac_print(", \"update\": %s, \"step\": %s}", sac_bench_number(e->update), sac_bench_number(e->step));
  }

  /* add the device that the run would use, and why */
  used = 0;
  sac_text_append_quoted(quoted, sizeof quoted, &used, x->why);
  sac_print(", \"takes\": \"%s\", \"why\": %s}\n", x->name[x->ordinal >= 0], quoted);
}

sac_status sac_cli_expected(const sac_config* config, int json) {
  char hidden[SAC_TEXT_MAX] = "";
  size_t used = 0;
  expected x = {.ordinal = -1};
  sac_vector* vector = NULL;
  const sac_backend* backend;
  int32_t here;
  double env = NAN;
  sac_status status = SAC_OK;

  /* create the environments, choose the device of the run, and measure their step on the host */
  SAC_TRY(sac_config_settings(config, &x.settings));
  SAC_TRY(prepare(config, x.settings.seeds, x.settings.num_envs, &x.settings, &vector, &x.shape));
  SAC_TRY(sac_estimate_choose(&x.settings, &x.shape, &backend, &x.ordinal, x.why));
  SAC_TRY(time_env(vector, &env));

  /* find the device to compare with, also where the run would use the CPU */
  SAC_TRY(sac_backend_choose(x.ordinal >= 0 ? x.settings.device : "auto", &backend, &here));

  /* estimate for each device; the CPU computes in fp32 only */
  x.there[SAC_ON_CPU] = x.settings.precision == SAC_FP32;
  x.there[SAC_ON_CUDA] = here >= 0;
  (void)snprintf(x.name[SAC_ON_CPU], sizeof x.name[0], "%s", sac_where_names[SAC_ON_CPU]);
  (void)snprintf(x.name[SAC_ON_CUDA], sizeof x.name[0], "%s:%d", sac_where_names[SAC_ON_CUDA],
                 here >= 0 ? (int)here : 0);
  for (int w = 0; w < SAC_WHERE_COUNT; w++) x.e[w] = sac_estimate_step((sac_where)w, &x.settings, &x.shape, env);

  /* print the expectations */
  sac_widths_append(hidden, sizeof hidden, &used, x.shape.hidden, x.shape.layers, ",");
  if (json) print_expected_json(&x, hidden);
  else print_expected(&x, hidden);
fail:
  sac_vector_destroy(vector);
  return status;
}
