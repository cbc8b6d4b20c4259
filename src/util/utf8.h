/* UTF-8, as the Unicode standard defines it. In a header, so that libsac_policy has it without a library. */
#ifndef SAC_UTIL_UTF8_H
#define SAC_UTIL_UTF8_H

#include <stddef.h>

/* The length of the character at `text`, of which `left` bytes (at least one) follow. 0 when it is not valid: no
 * surrogates, no overlong forms, at most U+10FFFF (Unicode 15, table 3-7). */
static inline size_t sac_utf8_length(const char* text, size_t left) {
  const unsigned char* at = (const unsigned char*)text;
  const unsigned char c = at[0];
  if (c < 0x80) return 1;

  /* The first byte gives the length. */
  const size_t length = c >= 0xC2 && c <= 0xDF ? 2 : c >= 0xE0 && c <= 0xEF ? 3 : c >= 0xF0 && c <= 0xF4 ? 4 : 0;
  if (length == 0 || length > left) return 0;

  /* After some first bytes the second has a narrower range: this excludes overlong forms and surrogates. */
  const unsigned char low = c == 0xE0 ? 0xA0 : c == 0xF0 ? 0x90 : 0x80;
  const unsigned char high = c == 0xED ? 0x9F : c == 0xF4 ? 0x8F : 0xBF;
  if (at[1] < low || at[1] > high) return 0;
  for (size_t i = 2; i < length; i++)
    if (at[i] < 0x80 || at[i] > 0xBF) return 0;
  return length;
}

#endif
