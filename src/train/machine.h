/* machine.json: the machine that a run was started on. The same seed gives the same bits on the same machine and build.
 */
#ifndef SAC_TRAIN_MACHINE_H
#define SAC_TRAIN_MACHINE_H

#include <stddef.h>

#include <sac/status.h>

#include "config/settings.h"

/* Writes FOLDER/machine.json: processor, cores, CPU kernels, memory, system, compiler, versions, `device`.
 * An existing file stays, unless it is damaged. changed: receives the differences between the file and this machine in
 * device, CPU kernels, compiler and version of sac; "" if there are none. Errors: FILE, MEMORY. */
sac_status sac_machine_write(const char* folder, const char* device, char* changed, size_t size);

/* Whether the run was started on the CPU or on a device; SAC_STAY_NOT if machine.json does not say. */
sac_stay sac_machine_stay(const char* folder);

#endif
