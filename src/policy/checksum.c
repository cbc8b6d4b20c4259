#include "policy/checksum.h"

uint32_t sac_crc32c_small(uint32_t crc, const void* bytes, size_t size) {
  /* the CRC of each value of 4 bits (polynomial 0x82f63b78) */
  static const uint32_t table[16] = {0x00000000, 0x105ec76f, 0x20bd8ede, 0x30e349b1, 0x417b1dbc, 0x5125dad3,
                                     0x61c69362, 0x7198540d, 0x82f63b78, 0x92a8fc17, 0xa24bb5a6, 0xb21572c9,
                                     0xc38d26c4, 0xd3d3e1ab, 0xe330a81a, 0xf36e6f75};
  const unsigned char* at = bytes;
  crc = ~crc;

  /* the low 4 bits of each byte, then the high 4 bits */
  for (size_t i = 0; i < size; i++) {
    crc ^= at[i];
    crc = crc >> 4 ^ table[crc & 15];
    crc = crc >> 4 ^ table[crc & 15];
  }
  return ~crc;
}

void sac_checksum_digits(uint32_t crc, char digits[SAC_CHECKSUM_DIGITS + 1]) {
  for (int i = 0; i < SAC_CHECKSUM_DIGITS; i++) digits[i] = "0123456789abcdef"[crc >> (28 - 4 * i) & 15];
  digits[SAC_CHECKSUM_DIGITS] = '\0';
}

void sac_checksum_take(sac_checksum_entries* entries, const sac_header_entry* entry) {
  if (sac_header_is(&entry->name, SAC_CHECKSUM_KEY)) entries->written = entry->value;
  if (sac_header_is(&entry->name, SAC_CHECKSUM_PROMISE)) entries->promised = 1;
}

int sac_checksum_fits(const void* file, size_t size, const sac_checksum_entries* entries, sac_crc32c_fn crc32c,
                      char digits[SAC_CHECKSUM_DIGITS + 1]) {
  const sac_header_text* written = &entries->written;
  digits[0] = '\0';
  if (!written->at) return !entries->promised;

  /* all bytes, with '0' in place of each digit */
  const char *begin = file, *behind = written->at + written->size;
  uint32_t crc = crc32c(0, begin, (size_t)(written->at - begin));
  crc = crc32c(crc, SAC_CHECKSUM_BLANK, SAC_CHECKSUM_DIGITS);
  crc = crc32c(crc, behind, size - (size_t)(behind - begin));
  sac_checksum_digits(crc, digits);
  return sac_header_is(written, digits);
}
