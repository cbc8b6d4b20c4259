#include "support/checksum.h"

#include <string.h>

#include "support/must.h"

void test_forget_checksum(char* bytes, size_t size) {
  static const char entry[] = "{\"__metadata__\":{\"crc32c\":\"";
  char* at = memmem(bytes, size, entry, sizeof entry - 1);
  must(at != NULL, "no checksum");
  at[sizeof entry - 5] = '-'; /* "crc32-" */
}
