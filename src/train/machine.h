/* machine.json: the machine that a run was started on. The same seed gives the same bits on the same machine and build.
 */
#ifndef SAC_TRAIN_MACHINE_H
#define SAC_TRAIN_MACHINE_H

#include <stddef.h>

#include <sac/status.h>

#include "config/settings.h"

/* Writes FOLDER/machine.json: processor, cores, CPU kernels, memory, system, compiler, versions, `device`.
 * An existing file stays as it is. changed: receives how its device, CPU kernels and build differ from those of now, ""
 * when they do not. Errors: FILE, MEMORY. */
sac_status sac_machine_write(const char* folder, const char* device, char* changed, size_t size);

/* Whether the run was started on the CPU or on a device; NOT when machine.json does not say. */
sac_stay sac_machine_stay(const char* folder);

#endif
