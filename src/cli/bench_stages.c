#include "cli/bench_stages.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "agent/agent.h"
#include "cli/out.h"
#include "env/vector.h"
#include "train/step.h"
#include "util/clock.h"
#include "util/number.h"

const char* sac_bench_number(double value) {
  static char text[8][SAC_NUMBER_MAX];
  static int at;

  /* use the next buffer */
  char* to = text[at++ % 8];

  /* round to six digits; a number too small for that stays as it is */
  const double magnitude = value == 0 ? 1 : pow(10, 6 - ceil(log10(fabs(value))));
  (void)sac_print_real(to, isfinite(magnitude) ? rint(value * magnitude) / magnitude : value);
  return to;
}

#define LONG_ENOUGH 0.5 /* seconds that the host measures the stages for */

/* Measures the stages on the host, where agent->seconds adds up the time of each. */
static sac_status host_times(sac_agent* agent, sac_vector* vector, sac_stage_time* times) {
  const double start = sac_seconds();
  int updates = 0;
  sac_status status = SAC_OK;

  /* run steps with one update each, or updates alone */
  memset(agent->seconds, 0, sizeof agent->seconds);
  for (; status == SAC_OK && (updates < 3 || sac_seconds() - start < LONG_ENOUGH); updates++)
    status = vector ? sac_step(agent, vector, SAC_ACT_SAMPLE, 1) : sac_update(agent, 1);

  /* divide by their number: the time of one call of each stage; nodes 1: the stage ran */
  for (int s = 0; s < SAC_STAGE_COUNT; s++)
    times[s] = (sac_stage_time){1e6 * agent->seconds[s] / updates, agent->seconds[s] > 0};
  return status;
}

/* The sum of the stages in microseconds. whole: one after another; overlapped: as train.overlap runs them. */
typedef struct sums {
  double whole, overlapped;
  const char* overlap; /* what runs at the same time as the updates; NULL: nothing */
} sums;

/* Adds up the stages of one step with `updates` updates; vector NULL: of the updates alone. */
static sums add_up(const sac_agent* agent, const sac_vector* vector, double updates,
                   const sac_stage_time times[SAC_STAGE_COUNT]) {
  const double env = times[SAC_STAGE_ENV_STEP].microseconds;
  sums s = {0, 0, NULL};
  double update = 0;

  /* add up the five stages of an update */
  for (int i = SAC_STAGE_REPLAY_SAMPLE; i < SAC_STAGE_COUNT; i++) update += updates * times[i].microseconds;
  const double act = times[SAC_STAGE_ACT].microseconds, push = times[SAC_STAGE_REPLAY_PUSH].microseconds;

  /* add the stages of a step, one after another */
  s.whole = act + env + push + update;
  if (!vector) return s;

  /* with train.overlap only the longer of what runs at the same time counts */
  if (sac_learns_beside(agent, vector)) {
    s.overlap = "act and env step";
    s.overlapped = push + fmax(act + env, update);
  } else if (vector->worker) {
    s.overlap = "env step";
    s.overlapped = act + push + fmax(env, update);
  }
  return s;
}

/* Prints the sums below the stages. measured: seconds of one count of the loop. */
static void print_sums(const sums* s, double updates, double measured) {
  const double loop = 1e6 * measured, expected = s->overlap ? s->overlapped : s->whole;

  /* print the sum, and what it becomes with train.overlap */
  sac_print("\n  %-20s%10.1f  the sum", "all", s->whole);
  if (updates != 1) sac_print(", with %s updates", sac_bench_number(updates));
  if (s->overlap) sac_print("\n  %-20s%10.1f  with %s beside the updates", "overlapped", s->overlapped, s->overlap);

  /* compare the loop with the sum that applies to it */
  sac_print("\n  %-20s%10.1f  in the loop, %.1f us %s", "measured", loop, fabs(loop - expected),
            loop < expected ? "less" : "more");
}

/* Prints one line. host 1: measured on the host, without launches. whole: the sum of all stages. */
static void print_stage(const sac_vector* vector, int s, const sac_stage_time* time, int host, double whole) {
  sac_print("\n  %-20s%10.1f%8.1f%%", sac_stage_names[s], time->microseconds,
            whole > 0 ? 100 * time->microseconds / whole : 0.0);

  /* print the launches; the host steps environments that the device does not hold */
  if (host) return;
  if (s == SAC_STAGE_ENV_STEP && !vector->resident) sac_print("%8s", "host");
  else sac_print("%8zu", time->nodes);
}

sac_status sac_bench_stages(sac_agent* agent, sac_vector* vector, double updates, double measured, int json) {
  /* measure the stages, by the device's events or on the host */
  sac_stage_time times[SAC_STAGE_COUNT];
  const int host = !agent->backend->stage_times;
  const sac_status status = host ? host_times(agent, vector, times) : agent->backend->stage_times(agent, vector, times);
  const char* separator = "";
  if (status != SAC_OK) return status;

  /* print the column titles */
  const sums all = add_up(agent, vector, updates, times);
  if (json) sac_print(", \"stages\": {");
  else sac_print("\n  %-20s%10s%9s%8s", "stage", "us", "share", host ? "" : "nodes");

  /* print each stage that ran */
  for (int s = 0; s < SAC_STAGE_COUNT; s++) {
    if (times[s].nodes == 0) continue;
    if (!json) {
      print_stage(vector, s, &times[s], host, all.whole);
      continue;
    }

    /* print the same as a member of the JSON object */
    sac_print("%s\"%s\": {\"microseconds\": %s", separator, sac_stage_names[s],
              sac_bench_number(times[s].microseconds));
    if (!host && !(s == SAC_STAGE_ENV_STEP && !vector->resident)) sac_print(", \"nodes\": %zu", times[s].nodes);
    sac_print("}");
    separator = ", ";
  }

  /* print the sums of the table */
  if (!json) {
    print_sums(&all, updates, measured);
    return SAC_OK;
  }

  /* print the sums of the JSON object */
  sac_print("}, \"updates\": %s, \"stages_sum\": %s", sac_bench_number(updates), sac_bench_number(all.whole));
  if (all.overlap) sac_print(", \"stages_overlapped\": %s", sac_bench_number(all.overlapped));
  return SAC_OK;
}
