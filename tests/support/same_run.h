/* Compares two runs: their state in memory and their files. */
#ifndef TESTS_SUPPORT_SAME_RUN_H
#define TESTS_SUPPORT_SAME_RUN_H

#include <math.h>

#include "support/small_run.h"

/* Checks that the first `floats` floats of a slab of agent p are the same in two runs, to the bit. */
static inline void same_memory(const sac_run* a, const sac_run* b, sac_memory memory, int32_t p, size_t floats) {
  float* x = malloc(sizeof(float) * (floats + 1));
  float* y = malloc(sizeof(float) * (floats + 1));
  ck_ok(a->agent->backend->read(a->agent, memory, p, 0, x, floats));
  ck_ok(b->agent->backend->read(b->agent, memory, p, 0, y, floats));
  for (size_t i = 0; i < floats; i++)
    ck_assert_msg(memcmp(&x[i], &y[i], sizeof(float)) == 0, "slab %d, agent %d, float %zu: %.9g, not %.9g", (int)memory,
                  (int)p, i, (double)x[i], (double)y[i]);
  free(x);
  free(y);
}

/* Checks agent p: counters, tensors, moments and replay. */
static inline void same_agent(const sac_run* a, const sac_run* b, int32_t p) {
  const sac_agent *x = a->agent, *y = b->agent;
  ck_assert_mem_eq(&x->counters[p], &y->counters[p], sizeof x->counters[p]);
  for (int m = SAC_MEMORY_WEIGHTS; m < SAC_MEMORY_TARGET; m++)
    if (m != SAC_MEMORY_GRAD) same_memory(a, b, (sac_memory)m, p, x->tensors.floats[SAC_SLAB_TRAINED]);
  same_memory(a, b, SAC_MEMORY_TARGET, p, x->tensors.floats[SAC_SLAB_TARGET]);
  const size_t rows = (size_t)sac_replay_size(x->counters[p].pushed, x->shape.capacity);
  same_memory(a, b, SAC_MEMORY_REPLAY, p, rows * (size_t)x->row.floats);
}

/* Checks everything that the rest of a run depends on: schedule, windows of metrics, agents, environments. */
static inline void same_state(const sac_run* a, const sac_run* b) {
  const size_t size = sac_vector_state_size(a->vector), population = (size_t)a->agent->shape.population;
  char *s = calloc(size, 1), *t = calloc(size, 1);

  /* the schedule, and the metrics since their last row */
  ck_assert_mem_eq(&a->schedule, &b->schedule, sizeof a->schedule);
  ck_assert_mem_eq(a->window, b->window, sizeof *a->window * population);
  ck_assert_mem_eq(a->agent->totals, b->agent->totals, sizeof *a->agent->totals * population);
  ck_assert_int_eq(a->metric_list.count, b->metric_list.count);
  ck_assert_int_eq(!a->info, !b->info);
  if (a->info) ck_assert_mem_eq(a->info, b->info, sizeof *a->info * SAC_ENV_INFO_MAX * population);

  /* agents and environments; those on a device come to the host first */
  for (int i = 0; i < 2; i++) {
    const sac_run* run = i ? b : a;
    if (run->agent->backend->env_get) ck_ok(run->agent->backend->env_get(run->agent, run->vector, 1));
  }
  for (int32_t p = 0; p < (int32_t)population; p++) {
    same_agent(a, b, p);
    ck_ok(sac_vector_state_get(a->vector, p, s));
    ck_ok(sac_vector_state_get(b->vector, p, t));
    ck_assert_mem_eq(s, t, size);
  }
  free(s);
  free(t);
}

/* Removes the times from a line of metrics.csv. */
static inline void cut_times(char* line) {
  char *from = NULL, *to = line + strlen(line);
  int column = 0;
  for (char* at = line; *at; at++) {
    if (*at != ',' || ++column < 1 + SAC_METRIC_updates_per_second) continue;
    if (!from) from = at;
    if (column == 1 + SAC_METRIC_COUNT) {
      to = at;
      break;
    }
  }
  ck_assert_ptr_nonnull(from);
  memmove(from, to, strlen(to) + 1);
}

/* Checks that two files metrics.csv are the same, without their times. */
static inline void same_rows(const char* a, const char* b) {
  char *x = test_read(a, NULL), *y = test_read(b, NULL), *rest_x = NULL, *rest_y = NULL;
  char *line_x = strtok_r(x, "\n", &rest_x), *line_y = strtok_r(y, "\n", &rest_y);
  int lines = 0;
  for (; line_x && line_y; lines++) {
    cut_times(line_x);
    cut_times(line_y);
    ck_assert_msg(strcmp(line_x, line_y) == 0, "%s, line %d:\n%s\n%s", a, lines, line_x, line_y);
    line_x = strtok_r(NULL, "\n", &rest_x);
    line_y = strtok_r(NULL, "\n", &rest_y);
  }
  ck_assert_msg(!line_x && !line_y, "%s and %s differ in length", a, b);
  ck_assert_int_gt(lines, 1);
  free(x);
  free(y);
}

/* Checks the CSV files of `seeds` agents of two run folders. */
static inline void same_files(const char* a, const char* b, int64_t seeds) {
  char name[64];
  for (int64_t p = 1; p <= seeds; p++) {
    (void)snprintf(name, sizeof name, "seed_%lld/metrics.csv", (long long)p);
    same_rows(test_path(a, name), test_path(b, name));
    (void)snprintf(name, sizeof name, "seed_%lld/evaluations.csv", (long long)p);
    char *x = test_read(test_path(a, name), NULL), *y = test_read(test_path(b, name), NULL);
    ck_assert_str_eq(x, y);
    free(x);
    free(y);
  }
}

#endif
