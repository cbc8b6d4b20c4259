/* What this machine is, for people and for machine.json. */
#ifndef SAC_UTIL_SYSTEM_H
#define SAC_UTIL_SYSTEM_H

#include <stddef.h>
#include <stdint.h>

/* The processor's and the distribution's name, "unknown" and "Linux" when they are not told; printable ASCII. */
void sac_system_processor(char* text, size_t size);
void sac_system_distribution(char* text, size_t size);

/* Processors this process may use: its affinity mask, and its control group's share rounded up; 1 at least. */
int32_t sac_processors(void);

int sac_system_cores(void);     /* that this process may use (affinity); 0 when unknown */
size_t sac_system_memory(void); /* bytes of the whole machine; 0 when unknown */

#endif
