/* The checksum of a safetensors file: the CRC-32C of all its bytes, as 8 lower-case hexadecimal digits in the metadata.
 * The digits themselves count as '0'. sac writes it into every file as the first entry of the metadata, and the last
 * entry promises it:
 *
 *   {"__metadata__":{"crc32c":"89abcdef", ..., "checksum":"crc32c"}, ...
 *
 * A file that has one of the two entries must have the digits of its bytes: no damage of one name turns the check off.
 * A file with neither is accepted, because older versions and other programs write none. */
#ifndef SAC_POLICY_CHECKSUM_H
#define SAC_POLICY_CHECKSUM_H

#include <stddef.h>
#include <stdint.h>

#include "policy/header.h"

#define SAC_CHECKSUM_KEY "crc32c"
#define SAC_CHECKSUM_PROMISE "checksum" /* the key of the entry that promises it, whose value is its key */
#define SAC_CHECKSUM_BLANK "00000000"   /* what the digits count as */
#define SAC_CHECKSUM_DIGITS 8

/* A function that continues a CRC-32C with `size` bytes: crc is that of the bytes before, 0 at the start. */
typedef uint32_t (*sac_crc32c_fn)(uint32_t crc, const void* bytes, size_t size);

/* In plain C with a table of 64 bytes, for libsac_policy. libsac has a faster one (util/crc.h). */
uint32_t sac_crc32c_small(uint32_t crc, const void* bytes, size_t size);

/* Writes the digits of a CRC, and a '\0'. */
void sac_checksum_digits(uint32_t crc, char digits[SAC_CHECKSUM_DIGITS + 1]);

/* What the metadata of a file says about its checksum; begins as zeros. */
typedef struct sac_checksum_entries {
  sac_header_text written; /* the digits, which lie in the file; `at` is NULL when there are none */
  int promised;            /* 1: the file must have them */
} sac_checksum_entries;

/* Takes an entry of the metadata, if it is one of the two. */
void sac_checksum_take(sac_checksum_entries* entries, const sac_header_entry* entry);

/* Whether the bytes of a file fit its entries. digits: those that the entries should have; "" if there are none. */
int sac_checksum_fits(const void* file, size_t size, const sac_checksum_entries* entries, sac_crc32c_fn crc32c,
                      char digits[SAC_CHECKSUM_DIGITS + 1]);

#endif
