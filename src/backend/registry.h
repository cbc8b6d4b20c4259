/* The list of the backends in this build. */
#ifndef SAC_BACKEND_REGISTRY_H
#define SAC_BACKEND_REGISTRY_H

#include "backend/backend.h"

/* X(name): the paths through an update on CUDA, the fastest first. Each is a value of key cuda.path, and a row of the
 * table in cuda/paths.c. The list is here because builds without CUDA know the names too. */
#define SAC_CUDA_PATHS(X) X(composed)

/* The number of backends, and the backend with an index; NULL: no such index. */
int32_t sac_backend_count(void);
const sac_backend* sac_backend_at(int32_t index);

/* The backend of a device's name ("cpu", "cuda", "cuda:1"); NULL: this build does not have it. */
const sac_backend* sac_backend_find(const char* device);

/* The backend that computes with the host's threads. */
const sac_backend* sac_backend_host(void);

/* The first backend in this build that computes on devices; NULL: none. */
const sac_backend* sac_backend_device(void);

/* Finds the backend and the ordinal of the device for a value of key `device`; the host has ordinal -1. "auto": the
 * first usable device, else the host. Errors: DEVICE (the named device cannot be used, or this build has no such
 * backend). */
sac_status sac_backend_choose(const char* device, const sac_backend** backend, int32_t* ordinal);

#endif
