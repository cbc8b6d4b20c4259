/* UTF-8, as the Unicode standard defines it. All code is in this header, so that libsac_policy links nothing for it. */
#ifndef SAC_UTIL_UTF8_H
#define SAC_UTIL_UTF8_H

#include <stddef.h>

/* The length in bytes of the character at `text`; 0 when it is not valid. left: bytes of the text from there on, at
 * least 1. Surrogates, overlong forms and values above U+10FFFF are not valid (Unicode 15, table 3-7). */
static inline size_t sac_utf8_length(const char* text, size_t left) {
  const unsigned char* at = (const unsigned char*)text;
  const unsigned char c = at[0];
  if (c < 0x80) return 1;

  /* the first byte gives the length */
  const size_t length = c >= 0xC2 && c <= 0xDF ? 2 : c >= 0xE0 && c <= 0xEF ? 3 : c >= 0xF0 && c <= 0xF4 ? 4 : 0;
  if (length == 0 || length > left) return 0;

  /* after some first bytes the range of the second byte is narrower: this excludes overlong forms and surrogates */
  const unsigned char low = c == 0xE0 ? 0xA0 : c == 0xF0 ? 0x90 : 0x80;
  const unsigned char high = c == 0xED ? 0x9F : c == 0xF4 ? 0x8F : 0xBF;
  if (at[1] < low || at[1] > high) return 0;

  /* all later bytes are 0x80 to 0xBF */
  for (size_t i = 2; i < length; i++)
    if (at[i] < 0x80 || at[i] > 0xBF) return 0;
  return length;
}

#endif
