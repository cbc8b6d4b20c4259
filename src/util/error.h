/* The error message of each thread, and how a function fails. */
#ifndef SAC_UTIL_ERROR_H
#define SAC_UTIL_ERROR_H

#include <sac/status.h>

#define SAC_ERROR_MAX 4096 /* chars that hold any message, also the traceback of a Python environment */

/* Sets this thread's message (printf) and returns `status`: `return sac_fail(SAC_ERROR_FILE, "...")`. */
sac_status sac_fail(sac_status status, const char* format, ...) __attribute__((format(printf, 2, 3)));
/* The macro shows the compiler that a call returns `status`, which is not SAC_OK. Without it the compiler warns after
 * SAC_TRY of outputs that may be unwritten. Evaluates `status` twice. */
#define sac_fail(status, ...) ((void)sac_fail(status, __VA_ARGS__), (status))

/* The end of a public function that succeeded: makes this thread's message "", and returns SAC_OK. Functions inside the
 * library do not call it, so that a message outlives the calls that clean up. */
sac_status sac_succeed(void);

/* The end of a public function with the result `status`: sac_succeed where it is OK. */
sac_status sac_result(sac_status status);

/* Puts a prefix (printf) before the message of this thread: the callee said what failed, the caller adds where. */
void sac_fail_prefix(const char* format, ...) __attribute__((format(printf, 1, 2)));

/* Runs `expression` (a sac_status); on failure stores it in the function's `status` and goes to its label `fail`. */
#define SAC_TRY(expression)          \
  do {                               \
    status = (expression);           \
    if (status != SAC_OK) goto fail; \
  } while (0)

#endif
