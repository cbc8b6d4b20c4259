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

#endif
