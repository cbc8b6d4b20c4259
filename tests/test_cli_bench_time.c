/* The timing of sac bench: what a first round loads does not decide how many counts fill a repeat. */
#include "cli/bench_time.h"

#include <math.h>
#include <time.h>

#include "support/check_main.h"

static void pause_ms(int64_t ms) {
  nanosleep(&(struct timespec){.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000L}, NULL);
}

typedef struct counts {
  int rounds;         /* calls of the loop */
  int64_t last;       /* counts of the last call */
  int order[8], said; /* which loop was called, in turn */
} counts;

/* A millisecond a count; the first call loads code for 60 more. */
static sac_status slow_at_first(void* user, int64_t count) {
  counts* c = user;
  pause_ms(count + (c->rounds ? 0 : 60));
  c->rounds++;
  c->last = count;
  return SAC_OK;
}

static sac_status first(void* user, int64_t count) {
  counts* c = user;
  if (c->said < 8) c->order[c->said++] = 1;
  pause_ms(2 * count);
  return SAC_OK;
}

static sac_status second(void* user, int64_t count) {
  counts* c = user;
  if (c->said < 8) c->order[c->said++] = 2;
  pause_ms(count);
  return SAC_OK;
}

START_TEST(first_round_is_no_measure) {
  counts c = {0};
  sac_timing t[1];
  ck_ok(sac_bench_time(slow_at_first, NULL, &c, 0.02, 0.1, 3, t)); /* the warm-up is over before the first call ends */
  ck_assert_int_gt(c.last, 4); /* about 90 on a quiet machine, 1 by the first round */
  ck_assert(t->median >= 1e-3 && t->fastest <= t->median && t->median <= t->slowest);
}
END_TEST

START_TEST(loops_in_turn) {
  counts c = {0};
  sac_timing t[3];
  ck_ok(sac_bench_time(first, second, &c, 0, 0.001, 2, t));
  const int expected[] = {1, 1, 2, 1, 2, 1, 2}; /* two rounds and one of the other to warm up, then in turn */
  ck_assert_int_eq(c.said, 7);
  for (int i = 0; i < 7; i++) ck_assert_int_eq(c.order[i], expected[i]);
  ck_assert(isfinite(t[0].median) && isfinite(t[1].median) && t[2].median > 0);
}
END_TEST

CHECK_MAIN("bench_time", CASE(first_round_is_no_measure), CASE(loops_in_turn))
