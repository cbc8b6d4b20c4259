/* CUDA devices, for the rest of this room and its tests. Everything else asks the backend's table
 * (backend/backend.h). No CUDA header here. */
#ifndef SAC_CUDA_DEVICE_H
#define SAC_CUDA_DEVICE_H

#include "backend/backend.h"

/* The number of devices that CUDA shows (CUDA_VISIBLE_DEVICES counts) and, where there is none, why. */
int32_t sac_cuda_devices(char* why, size_t size);

/* The device that config key `device` asks for; -1: another backend's, or for "auto" none is usable. Errors: DEVICE. */
sac_status sac_cuda_choose(const char* device, int32_t* ordinal);

/* Whether an agent of that many networks can be on a device. Errors: CONFIG. */
sac_status sac_cuda_fits(const sac_agent* agent);

/* One line about a device: name, compute capability, memory. */
void sac_cuda_describe(int32_t ordinal, char* text, size_t size);

/* As sac_backend has them. */
size_t sac_cuda_graph_nodes(const sac_agent* agent);
int sac_cuda_notice(const sac_agent* agent, char* text, size_t size);
void sac_cuda_profile(int64_t from, int64_t count);
int64_t sac_cuda_profiled(void);
sac_status sac_cuda_stage_times(sac_agent* agent, struct sac_vector* vector, sac_stage_time times[SAC_STAGE_COUNT]);

#endif
