/* Facts about this machine, for messages and for machine.json. */
#ifndef SAC_UTIL_SYSTEM_H
#define SAC_UTIL_SYSTEM_H

#include <stddef.h>
#include <stdint.h>

/* The names of the processor and of the distribution in printable ASCII; "unknown" and "Linux" when not found. */
void sac_system_processor(char* text, size_t size);
void sac_system_distribution(char* text, size_t size);

/* Processors that this process may use, at least 1: the smaller of its affinity mask and its control group's share,
 * rounded up. */
int32_t sac_processors(void);

int sac_system_cores(void);     /* processors of the affinity mask alone; 0 when unknown */
size_t sac_system_memory(void); /* bytes of memory of the whole machine; 0 when unknown */

#endif
