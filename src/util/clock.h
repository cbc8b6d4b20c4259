/* Time for measuring: it never goes back. */
#ifndef SAC_UTIL_CLOCK_H
#define SAC_UTIL_CLOCK_H

#include <time.h>

/* Seconds since an unspecified start. */
static inline double sac_seconds(void) {
  struct timespec now;
  (void)clock_gettime(CLOCK_MONOTONIC, &now);
  return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

/* The same clock in steps of some milliseconds, where it is read often: it takes a fifth of the time. */
static inline double sac_seconds_coarse(void) {
  struct timespec now;
#ifdef CLOCK_MONOTONIC_COARSE
  (void)clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
#else
  (void)clock_gettime(CLOCK_MONOTONIC, &now);
#endif
  return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

#endif
