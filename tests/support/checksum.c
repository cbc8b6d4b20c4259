#include "support/checksum.h"

#include <string.h>

#include "support/must.h"

void test_forget_checksum(char* bytes, size_t size) {
  static const char entry[] = "{\"__metadata__\":{\"crc32c\":\"", promise[] = ",\"checksum\":\"crc32c\"}";
  char *at = memmem(bytes, size, entry, sizeof entry - 1), *last = memmem(bytes, size, promise, sizeof promise - 1);
  must(at != NULL && last != NULL, "no checksum");
  at[sizeof entry - 5] = '-'; /* "crc32-" */
  last[9] = '-';              /* "checksu-" */
}
