/* CRC-32C (Castagnoli), by the instructions of the processor. */
#ifndef SAC_UTIL_CRC_H
#define SAC_UTIL_CRC_H

#include <stddef.h>
#include <stdint.h>

/* Continues a CRC with `size` bytes. crc: the CRC of the bytes before, 0 at the start. */
uint32_t sac_crc32c(uint32_t crc, const void* bytes, size_t size);

#endif
