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

#endif
