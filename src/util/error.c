#include "util/error.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "util/text.h"

static _Thread_local char message[SAC_ERROR_MAX];

const char* sac_status_name(sac_status status) {
  switch (status) {
#define STATUS_NAME(code, value, text) \
  case code:                           \
    return #code;
    SAC_STATUS_LIST(STATUS_NAME)
#undef STATUS_NAME
  }
  return "unknown status";
}

const char* sac_last_error(void) { return message; }

sac_status(sac_fail)(sac_status status, const char* format, ...) {
  char text[SAC_ERROR_MAX]; /* an argument may be the old message, so `message` is not written directly */
  va_list args;
  va_start(args, format);
  (void)vsnprintf(text, sizeof text, format, args);
  va_end(args);

  /* names and texts of files and environments may hold anything */
  sac_text_clean(text);
  memcpy(message, text, sizeof message);
  return status;
}

sac_status sac_succeed(void) {
  message[0] = '\0';
  return SAC_OK;
}

sac_status sac_result(sac_status status) { return status == SAC_OK ? sac_succeed() : status; }

void sac_fail_prefix(const char* format, ...) {
  char text[SAC_ERROR_MAX];
  va_list args;
  va_start(args, format);
  int used = vsnprintf(text, sizeof text, format, args);
  va_end(args);

  /* put the old message behind the prefix; a prefix that fills the text would leave no room for it */
  if (used < 0 || used >= SAC_ERROR_MAX) return;
  (void)snprintf(text + used, sizeof text - (size_t)used, "%s", message);
  sac_text_clean(text);
  memcpy(message, text, sizeof message);
}
