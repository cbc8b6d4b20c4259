/* machine.json: where a run was made. The same seed gives the same bits on the same processor and build. */
#ifndef SAC_TRAIN_MACHINE_H
#define SAC_TRAIN_MACHINE_H

#include <stddef.h>

#include <sac/status.h>

#include "config/settings.h"

/* Writes FOLDER/machine.json: processor, cores, CPU kernels, memory, system, compiler, versions, `device`.
 * changed: "" or, when the file is there and names another device, CPU kernels or build, what it was and what it is;
 * the file then stays as it was. Errors: FILE, MEMORY. */
sac_status sac_machine_write(const char* folder, const char* device, char* changed, size_t size);

/* Where machine.json says that the run was made; NOT, when there is none that says it. */
sac_stay sac_machine_stay(const char* folder);

#endif
