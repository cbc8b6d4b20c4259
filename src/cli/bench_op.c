#include "cli/bench_op.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "agent/agent.h"
#include "agent/update.h"
#include "algo/cost.h"
#include "cli/bench_stages.h"
#include "cli/ops.h"
#include "cli/out.h"
#include "cli/wrap.h"
#include "util/clock.h"
#include "util/error.h"
#include "util/text.h"

/* --- times -------------------------------------------------------------------------------------------------------- */

/* updates that the host's clock measures: at least, and at most */
#define UPDATES_MIN 3
#define UPDATES_MAX 512

#define OPERATIONS_MAX 2048 /* chars that hold the operations of a part */

/* Orders numbers for qsort. */
static int compare(const void* a, const void* b) {
  const double x = *(const double*)a, y = *(const double*)b;
  return x < y ? -1 : x > y;
}

/* Sorts x (n) and returns its median. */
static double median(double* x, size_t n) {
  qsort(x, n, sizeof *x, compare);
  return n % 2 ? x[n / 2] : 0.5 * (x[n / 2 - 1] + x[n / 2]);
}

/* Measures the parts by the host's clock, for about `seconds`: the median of each over many updates. times (parts). */
static sac_status host_times(sac_agent* agent, double seconds, int32_t parts, sac_stage_time* times) {
  double* sample = calloc((size_t)parts * UPDATES_MAX, sizeof *sample); /* (parts, UPDATES_MAX) */
  const double start = sac_seconds();
  sac_status status = SAC_OK;
  size_t updates = 0;
  if (!sample) return sac_fail(SAC_ERROR_MEMORY, "no memory for the times of %d parts", (int)parts);

  /* run all parts in turn, which is one update; part_run returns when the part has ended */
  for (; updates < UPDATES_MAX && (updates < UPDATES_MIN || sac_seconds() - start < seconds); updates++)
    for (int32_t part = 0; part < parts; part++) {
      const double before = sac_seconds();
      SAC_TRY(agent->backend->part_run(agent, part));
      sample[(size_t)part * UPDATES_MAX + updates] = sac_seconds() - before;
    }
  for (int32_t part = 0; part < parts; part++)
    times[part] = (sac_stage_time){1e6 * median(sample + (size_t)part * UPDATES_MAX, updates), 0};
fail:
  free(sample);
  return status;
}

/* --- printing ----------------------------------------------------------------------------------------------------- */

/* Floating-point operations in the products of a part, for all agents. */
static double flops_of(const sac_agent* agent, const sac_part* part) {
  double flops = 0;
  for (int32_t o = 0; o < part->count; o++)
    flops += sac_op_cost(agent->algo, &part->first[o], &agent->shape, agent->shape.batch).flops;
  return flops * agent->shape.population;
}

/* One part, as a line of the table or an object. */
typedef struct row {
  const sac_part* part;
  const sac_stage_time* time;
  double share;  /* of the sum over all parts, 0 to 1 */
  double gflops; /* 10^9 flops per second; 0: no products */
  int nodes;     /* 1: of a device, which counts its launches */
} row;

static void print_row(const row* r) {
  char text[SAC_OP_TEXT_MAX], line[OPERATIONS_MAX] = "";
  size_t used = 0;

  /* print time, share, launches and rate */
  sac_print("  %-20s%10.1f%8.1f%%", sac_stage_names[r->part->stage], r->time->microseconds, 100 * r->share);
  if (r->nodes) sac_print("%7zu", r->time->nodes);
  if (r->gflops > 0) sac_print("%10.1f", r->gflops);

  /* print below what it runs as, and its operations, each as "word networks place" */
  sac_text_append(line, sizeof line, &used, "%s", r->part->name);
  for (int32_t o = 0; o < r->part->count; o++) {
    const sac_op* op = &r->part->first[o];
    const char *nets = sac_op_nets(op, text), *place = sac_op_place(op);
    sac_text_append(line, sizeof line, &used, "%s%s%s%s%s%s", o ? ", " : ": ", sac_op_word(op), *nets ? " " : "", nets,
                    *place ? " " : "", place);
  }
  sac_print("\n      ");
  sac_wrap(sac_out, line, 6, 8, sac_wrap_width());
}

static void print_json_row(const row* r) {
  /* print time, share, launches and rate */
  sac_print("{\"stage\": \"%s\", \"runs_as\": \"%s\", \"microseconds\": %s, \"share\": %s",
            sac_stage_names[r->part->stage], r->part->name, sac_bench_number(r->time->microseconds),
            sac_bench_number(r->share));
  if (r->nodes) sac_print(", \"nodes\": %zu", r->time->nodes);
  if (r->gflops > 0) sac_print(", \"gflops\": %s", sac_bench_number(r->gflops));

  /* list its operations */
  sac_print(", \"operations\": [");
  for (int32_t o = 0; o < r->part->count; o++) {
    sac_print("%s{", o ? ", " : "");
    sac_op_print_json(&r->part->first[o]);
    sac_print("}");
  }
  sac_print("]}");
}

static void print_parts(const sac_agent* agent, int32_t parts, const sac_stage_time* times, double sum, int json) {
  const int device = agent->backend->part_times != NULL;

  /* print the column titles */
  if (json) sac_print(", \"parts\": [");
  else
    sac_print("\n  %-20s%10s%9s%s%10s\n      runs as: operations\n", "stage", "us", "share", device ? "  nodes" : "",
              "GFLOP/s");

  /* print one row for each part */
  for (int32_t i = 0; i < parts; i++) {
    const sac_part part = agent->backend->part_at(agent, i);

    /* find its share of the sum and its rate: 1e-3 flops per microsecond are GFLOP/s */
    const double us = times[i].microseconds;
    const row r = {&part, &times[i], sum > 0 ? us / sum : 0, us > 0 ? 1e-3 * flops_of(agent, &part) / us : 0, device};
    if (json && i) sac_print(", ");
    if (json) print_json_row(&r);
    else print_row(&r);
  }
}

sac_status sac_bench_ops(sac_agent* agent, double seconds, double measured, int json) {
  const int32_t parts = agent->backend->part_count(agent);
  sac_stage_time* times = calloc((size_t)parts, sizeof *times);
  sac_status status = SAC_OK;
  double sum = 0;
  if (!times) return sac_fail(SAC_ERROR_MEMORY, "no memory for the times of %d parts", (int)parts);

  /* measure the parts, by the device's events or by the host's clock */
  if (agent->backend->part_times) SAC_TRY(agent->backend->part_times(agent, times));
  else SAC_TRY(host_times(agent, seconds, parts, times));
  SAC_TRY(sac_settle(agent, NULL));
  for (int32_t i = 0; i < parts; i++) sum += times[i].microseconds;

  /* print the parts */
  print_parts(agent, parts, times, sum, json);

  /* compare their sum with the time of a whole update */
  const double loop = 1e6 * measured;
  if (json) sac_print("], \"parts_sum\": %s", sac_bench_number(sum));
  else
    sac_print("  %-20s%10.1f  the sum\n  %-20s%10.1f  in the loop, %.1f us %s", "all", sum, "measured", loop,
              fabs(loop - sum), loop < sum ? "less" : "more");
fail:
  free(times);
  return status;
}
