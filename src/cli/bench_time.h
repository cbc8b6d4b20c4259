/* The clock of sac bench: how long one count of a loop takes. */
#ifndef SAC_CLI_BENCH_TIME_H
#define SAC_CLI_BENCH_TIME_H

#include <stdint.h>

#include <sac/status.h>

#define SAC_REPEATS_MAX 1000

/* Does `count` of what is measured. */
typedef sac_status sac_bench_loop(void* user, int64_t count);

/* Seconds of one count of the loop: median, fastest and slowest repeat. */
typedef struct sac_timing {
  double median, fastest, slowest;
} sac_timing;

/* Warms up, then times repeats of some `seconds` each: t[0]. With `other`, which may be NULL, the loops are timed in
 * turn, repeat by repeat, so that a noisy minute disturbs both alike: t[1] is the other's, and t[2] how many of the
 * other's counts one of the first takes. */
sac_status sac_bench_time(sac_bench_loop* loop, sac_bench_loop* other, void* user, double warmup, double seconds,
                          int32_t repeats, sac_timing* t);

#endif
