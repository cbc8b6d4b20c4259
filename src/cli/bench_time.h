/* Timing for sac bench: how long one count of a loop takes. */
#ifndef SAC_CLI_BENCH_TIME_H
#define SAC_CLI_BENCH_TIME_H

#include <stdint.h>

#include <sac/status.h>

#define SAC_REPEATS_MAX 1000 /* the most repeats of sac_bench_time */

/* Runs what is measured `count` times. */
typedef sac_status sac_bench_loop(void* user, int64_t count);

/* Seconds of one count: median, fastest and slowest repeat. */
typedef struct sac_timing {
  double median, fastest, slowest;
} sac_timing;

/* Warms up, then times `repeats` repeats of about `seconds` each. t[0] receives the times. other: a second loop or
 * NULL. Both loops are then timed alternately, so that other work on the machine disturbs both alike: t[1] receives the
 * times of `other`, and t[2] the ratio of the first times to the second ones. Errors: those of the loops. */
sac_status sac_bench_time(sac_bench_loop* loop, sac_bench_loop* other, void* user, double warmup, double seconds,
                          int32_t repeats, sac_timing* t);

#endif
