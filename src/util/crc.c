#include "util/crc.h"

#include <isa-l/crc.h>

#define CHUNK_MAX ((size_t)1 << 30) /* bytes of one call: the library takes an int */

uint32_t sac_crc32c(uint32_t crc, const void* bytes, size_t size) {
  unsigned char* at = (unsigned char*)(uintptr_t)bytes; /* isa-l's parameter lacks a const */
  uint32_t inverse = ~crc;                              /* isa-l leaves the inversion to its caller */

  /* at most 1 GiB in one call */
  for (size_t n; size > 0; size -= n, at += n) {
    n = size < CHUNK_MAX ? size : CHUNK_MAX;
    inverse = crc32_iscsi(at, (int)n, inverse);
  }
  return ~inverse;
}
