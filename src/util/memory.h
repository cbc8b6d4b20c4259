/* Memory for large arrays: zeroed and aligned to a cache line. */
#ifndef SAC_UTIL_MEMORY_H
#define SAC_UTIL_MEMORY_H

#include <stddef.h>

#define SAC_ALIGNMENT 64

/* Zeroed memory, aligned to SAC_ALIGNMENT; NULL when there is not enough. Free with sac_free. */
void* sac_alloc(size_t bytes);
void sac_free(void* memory);

/* count * size; SIZE_MAX when the product overflows. */
size_t sac_bytes(size_t count, size_t size);

/* Bytes that this process can still allocate (MemAvailable and the control group's limit); SIZE_MAX when unknown. */
size_t sac_memory_available(void);

/* One allocation that is handed out in aligned pieces. Without a base it only counts bytes, so that the same code first
 * measures the memory and then lays it out. used: bytes handed out; SIZE_MAX when the sum overflows. */
typedef struct sac_region {
  char* base;
  size_t used;
} sac_region;

/* The next `count` elements of `size` bytes, padded to `alignment` (a power of two); NULL while it only counts. */
void* sac_region_take(sac_region* arena, size_t count, size_t size, size_t alignment);

#endif
