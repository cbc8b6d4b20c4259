#include "train/transitions_info.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/squash.h"
#include "replay/rows.h"
#include "util/error.h"
#include "util/number.h"

/* Where rows are counted. */
typedef struct count {
  const sac_transitions_reader* of;
  sac_transitions_info* info;
  sac_replay_row row;
  double rewards;  /* sum */
  int64_t read;    /* transitions so far */
  int64_t counted; /* of them in the sum and the ranges */
} count;

/* Makes a range without any number. Errors: MEMORY. */
static sac_status create_range(sac_transitions_range* range, int64_t size) {
  range->size = size;
  range->min = calloc((size_t)size, sizeof *range->min);
  range->max = calloc((size_t)size, sizeof *range->max);
  if (!range->min || !range->max) return sac_fail(SAC_ERROR_MEMORY, "no memory for ranges");
  for (int64_t i = 0; i < size; i++) range->min[i] = range->max[i] = NAN;
  return SAC_OK;
}

/* Widens component i of a range; the comparisons are false for the NaN at its start. */
static void widen(sac_transitions_range* range, int64_t i, float x) {
  if (!(range->min[i] <= x)) range->min[i] = x;
  if (!(range->max[i] >= x)) range->max[i] = x;
}

/* Counts one transition. */
static void count_row(count* c, const float* row) {
  sac_transitions_info* info = c->info;
  const float *centre = c->of->centre, *half = c->of->half;

  /* count the ends of episodes; one that was terminated and cut counts once */
  if (row[c->row.terminated] != 0) info->terminated++;
  else if (row[c->row.truncated] != 0) info->truncated++;

  /* leave out a transition that is not finite */
  if (sac_first_not_finite(row, (size_t)c->row.floats) < (size_t)c->row.floats) {
    if (info->not_finite++ == 0) info->first_not_finite = c->read;
    return;
  }

  /* widen the ranges */
  const float reward = row[c->row.reward];
  widen(&info->reward, 0, reward);
  for (int32_t i = 0; i < c->of->action; i++) {
    const float action = row[c->row.action + i];
    widen(&info->action, i, centre ? sac_action_scale(action, centre[i], half[i]) : action);
  }
  for (int32_t i = 0; i < c->of->obs; i++) {
    widen(&info->obs, i, row[c->row.obs + i]);
    widen(&info->obs, i, row[c->row.next_obs + i]);
  }
  c->rewards += (double)reward;
  c->counted++;
}

static sac_status put_rows(void* user, uint64_t transition, const float* rows, uint64_t n) {
  count* c = user;
  (void)transition; /* counted anew behind transitions that are kept */
  for (uint64_t i = 0; i < n; i++) {
    count_row(c, rows + i * (uint64_t)c->row.floats);
    c->read++;
  }
  return SAC_OK;
}

sac_status sac_transitions_info_read(sac_transitions_info* info, const sac_transitions_reader* reader) {
  count c = {.of = reader, .info = info, .row = sac_replay_layout((int32_t)reader->obs, (int32_t)reader->action)};
  const sac_row_sink sink = {put_rows, &c};
  sac_status status = SAC_OK;
  memset(info, 0, sizeof *info);
  info->first_not_finite = -1;

  /* make room, read, and take the mean */
  SAC_TRY(create_range(&info->reward, 1));
  SAC_TRY(create_range(&info->action, reader->action));
  SAC_TRY(create_range(&info->obs, reader->obs));
  SAC_TRY(sac_transitions_visit(reader, &sink));
  info->reward_mean = c.rewards / (double)c.counted;
fail:
  return status;
}

void sac_transitions_info_free(sac_transitions_info* info) {
  sac_transitions_range* const ranges[] = {&info->reward, &info->action, &info->obs};
  for (size_t i = 0; i < sizeof ranges / sizeof *ranges; i++) {
    free(ranges[i]->min);
    free(ranges[i]->max);
    ranges[i]->min = ranges[i]->max = NULL;
  }
}
