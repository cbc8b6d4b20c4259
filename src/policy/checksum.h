/* The checksum of a safetensors file: the CRC-32C of all its bytes, as 8 lower-case hexadecimal digits in the metadata.
 * The digits themselves count as '0'. sac writes it into every file as the first entry of the metadata:
 *
 *   {"__metadata__":{"crc32c":"89abcdef", ...
 *
 * A file without the entry is accepted, because older versions and other programs do not write it. */
#ifndef SAC_POLICY_CHECKSUM_H
#define SAC_POLICY_CHECKSUM_H

#include <stddef.h>
#include <stdint.h>

#include "policy/header.h"

#define SAC_CHECKSUM_KEY "crc32c"
#define SAC_CHECKSUM_BLANK "00000000" /* what the digits count as */
#define SAC_CHECKSUM_DIGITS 8

/* A function that continues a CRC-32C with `size` bytes: crc is that of the bytes before, 0 at the start. */
typedef uint32_t (*sac_crc32c_fn)(uint32_t crc, const void* bytes, size_t size);

/* In plain C with a table of 64 bytes, for libsac_policy. libsac has a faster one (util/crc.h). */
uint32_t sac_crc32c_small(uint32_t crc, const void* bytes, size_t size);

/* Writes the digits of a CRC, and a '\0'. */
void sac_checksum_digits(uint32_t crc, char digits[SAC_CHECKSUM_DIGITS + 1]);

/* Writes the digits of the checksum that a file has. written: the value of the metadata entry, which lies in the file.
 * The file is as it was written if sac_header_is(written, digits). */
void sac_checksum(const void* file, size_t size, const sac_header_text* written, sac_crc32c_fn crc32c,
                  char digits[SAC_CHECKSUM_DIGITS + 1]);

#endif
