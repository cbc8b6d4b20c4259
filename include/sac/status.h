/* Status codes. Every call of libsac that can fail returns one. */
#ifndef SAC_STATUS_H
#define SAC_STATUS_H

#include <sac/export.h>

#ifdef __cplusplus
extern "C" {
#endif

/* One list makes codes and texts: X(code, value, text). Values never change once released. */
#define SAC_STATUS_LIST(X)                                                         \
  X(SAC_OK, 0, "ok")                                                               \
  X(SAC_ERROR_ARGUMENT, 1, "invalid argument")                                     \
  X(SAC_ERROR_CONFIG, 2, "invalid configuration")                                  \
  X(SAC_ERROR_SHAPE, 3, "shapes do not match")                                     \
  X(SAC_ERROR_FILE, 4, "file cannot be read or written")                           \
  X(SAC_ERROR_FORMAT, 5, "file is damaged or of another format")                   \
  X(SAC_ERROR_MEMORY, 6, "not enough memory")                                      \
  X(SAC_ERROR_DEVICE, 7, "device is missing or failed")                            \
  X(SAC_ERROR_ENV, 8, "environment failed")                                        \
  X(SAC_ERROR_NUMERIC, 9, "a loss, gradient, reward or observation is not finite") \
  X(SAC_STOPPED, 10, "stopped on request")

typedef enum sac_status {
#define SAC_STATUS_ENUM(code, value, text) code = value,
  SAC_STATUS_LIST(SAC_STATUS_ENUM)
#undef SAC_STATUS_ENUM
} sac_status;

/* The code's name ("SAC_ERROR_FILE"), or "unknown status". Static storage. Any thread. */
SAC_API const char* sac_status_name(sac_status status);

/* The message of this thread's last call that returns a sac_status, in one line: what failed, where, and what to do.
 * Below an exception of an environment in Python the lines of its traceback follow. "": that call succeeded. Valid
 * until this thread's next call into the library. */
SAC_API const char* sac_last_error(void);

#ifdef __cplusplus
}
#endif

#endif
