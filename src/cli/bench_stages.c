#include "cli/bench_stages.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "agent.h"
#include "cuda/device.h"
#include "env/vector.h"
#include "step.h"
#include "util/clock.h"
#include "util/number.h"

const char* sac_bench_number(double value) {
  static char text[8][SAC_NUMBER_MAX];
  static int at;
  char* to = text[at++ % 8];
  const double magnitude = value == 0 ? 1 : pow(10, 6 - ceil(log10(fabs(value))));
  (void)sac_print_real(to, isfinite(magnitude) ? rint(value * magnitude) / magnitude : value);
  return to;
}

#define LONG_ENOUGH 0.5 /* seconds; the CPU's clock is read around every stage */

/* Where the stages run in turn on the host, the agent itself adds up their times. */
static sac_status host_times(sac_agent* agent, sac_vector* vector, sac_cuda_stage_time* times) {
  const double start = sac_seconds();
  int updates = 0;
  sac_status status = SAC_OK;
  memset(agent->seconds, 0, sizeof agent->seconds);
  for (; status == SAC_OK && (updates < 3 || sac_seconds() - start < LONG_ENOUGH); ++updates)
    status = vector ? sac_step(agent, vector, SAC_ACT_SAMPLE, 1) : sac_update(agent, 1);
  for (int s = 0; s < SAC_STAGE_COUNT; ++s)
    times[s] = (sac_cuda_stage_time){1e6 * agent->seconds[s] / updates, agent->seconds[s] > 0};
  return status;
}

sac_status sac_bench_stages(sac_agent* agent, sac_vector* vector, int json) {
  sac_cuda_stage_time times[SAC_STAGE_COUNT];
  const int host = agent->stages->update == NULL;
  const sac_status status = host ? host_times(agent, vector, times) : sac_cuda_stage_times(agent, vector, times);
  double sum = 0;
  const char* separator = "";
  if (status != SAC_OK) return status;
  for (int s = 0; s < SAC_STAGE_COUNT; ++s) sum += times[s].microseconds;
  if (json) printf(", \"stages\": {");
  else printf("\n  %-20s%10s%9s%8s", "stage", "us", "share", host ? "" : "nodes");
  for (int s = 0; s < SAC_STAGE_COUNT; ++s) {
    if (times[s].nodes == 0) continue;
    if (json) {
      printf("%s\"%s\": {\"microseconds\": %s", separator, sac_stage_names[s], sac_bench_number(times[s].microseconds));
      if (!host) printf(", \"nodes\": %zu", times[s].nodes);
      printf("}");
      separator = ", ";
    } else {
      printf("\n  %-20s%10.1f%8.1f%%", sac_stage_names[s], times[s].microseconds,
             sum > 0 ? 100 * times[s].microseconds / sum : 0.0);
      if (!host) printf("%8zu", times[s].nodes);
    }
  }
  if (json) printf("}");
  else printf("\n  %-20s%10.1f", "all", sum);
  return SAC_OK;
}
