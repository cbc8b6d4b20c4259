/* The thread's error text, and the one way a function fails. */
#ifndef SAC_UTIL_ERROR_H
#define SAC_UTIL_ERROR_H

#include <sac/status.h>

#define SAC_ERROR_MAX 4096 /* chars that hold any message: the traceback of an environment in Python, too */

/* Sets this thread's message (printf) and returns `status`: `return sac_fail(SAC_ERROR_FILE, "...")`. */
sac_status sac_fail(sac_status status, const char* format, ...) __attribute__((format(printf, 2, 3)));
/* Compilers see here that a failure is no SAC_OK, so that behind SAC_TRY outputs are written. `status` counts twice. */
#define sac_fail(status, ...) ((void)sac_fail(status, __VA_ARGS__), (status))

/* Puts "PREFIX" (printf) in front of this thread's message: a caller adds where, the callee said what. */
void sac_fail_prefix(const char* format, ...) __attribute__((format(printf, 1, 2)));

/* Runs `expression` (a sac_status); on failure stores it in the function's `status` and goes to its label `fail`. */
#define SAC_TRY(expression)          \
  do {                               \
    status = (expression);           \
    if (status != SAC_OK) goto fail; \
  } while (0)

#endif
