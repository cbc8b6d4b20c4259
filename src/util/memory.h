/* Memory for slabs: zeroed, aligned to a cache line, counted. */
#ifndef SAC_UTIL_MEMORY_H
#define SAC_UTIL_MEMORY_H

#include <stddef.h>

#define SAC_ALIGNMENT 64

/* Zeroed memory, SAC_ALIGNMENT aligned; NULL when there is none. Pages are touched only when used. Free with sac_free.
 */
void* sac_alloc(size_t bytes);
void sac_free(void* memory);

/* count * size without overflow; SIZE_MAX when it would. */
size_t sac_bytes(size_t count, size_t size);

/* Bytes this machine can still give (MemAvailable, and the control group's limit); SIZE_MAX when unknown. */
size_t sac_memory_available(void);

/* One allocation, handed out in aligned pieces. Without a base it only counts, so that the same code measures and lays
 * out. used: SIZE_MAX when beyond all memory. */
typedef struct sac_region {
  char* base;
  size_t used;
} sac_region;

/* The next `count` elements of `size` bytes, padded to `alignment` (a power of two); NULL while it only counts. */
void* sac_region_take(sac_region* arena, size_t count, size_t size, size_t alignment);

#endif
