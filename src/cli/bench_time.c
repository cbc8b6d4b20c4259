#include "cli/bench_time.h"

#include <stdlib.h>

#include "util/clock.h"
#include "util/error.h"

/* Orders numbers for qsort. */
static int compare(const void* a, const void* b) {
  const double x = *(const double*)a, y = *(const double*)b;
  return x < y ? -1 : x > y;
}

/* Sorts the times x (n), and returns their median, the shortest and the longest. */
static sac_timing summary(double* x, size_t n) {
  qsort(x, n, sizeof *x, compare);
  return (sac_timing){n % 2 ? x[n / 2] : 0.5 * (x[n / 2 - 1] + x[n / 2]), x[0], x[n - 1]};
}

/* How many counts of a loop fill `seconds`, if one count takes `one` seconds; 1 to 10^9. */
static int64_t counts(double seconds, double one) {
  const double wanted = seconds / (one > 0 ? one : 1e-9);
  return wanted < 1 ? 1 : wanted > 1e9 ? 1000000000 : (int64_t)wanted;
}

sac_status sac_bench_time(sac_bench_loop* loop, sac_bench_loop* other, void* user, double warmup, double seconds,
                          int32_t repeats, sac_timing* t) {
  double repeat[3][SAC_REPEATS_MAX]; /* of loop, of other, and their ratio */
  sac_bench_loop* const loops[2] = {loop, other};
  sac_status status = SAC_OK;
  int64_t count = 1;
  const double begin = sac_seconds();
  double one = 0;

  /* warm up, and find how long one count takes; two rounds at least, as caches are cold in the first */
  for (int round = 0; round < 2 || sac_seconds() - begin < warmup; round++) {
    const double start = sac_seconds();
    SAC_TRY(loop(user, count));
    one = (sac_seconds() - start) / (double)count;
    count = counts(0.1 * seconds, one);
  }

  /* warm up the other loop too, then fix the counts of a repeat */
  if (other) SAC_TRY(other(user, count));
  count = counts(seconds, one);

  /* time the loops alternately, seconds for each count */
  for (int32_t r = 0; r < repeats; r++) {
    for (int k = 0; k < 2 && loops[k]; k++) {
      const double start = sac_seconds();
      SAC_TRY(loops[k](user, count));
      repeat[k][r] = (sac_seconds() - start) / (double)count;
    }
    if (other) repeat[2][r] = repeat[0][r] / repeat[1][r];
  }

  /* summarize; t[2] has the ratios of neighbouring repeats */
  for (int k = 0; k < (other ? 3 : 1); k++) t[k] = summary(repeat[k], (size_t)repeats);
fail:
  return status;
}
