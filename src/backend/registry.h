/* The backends of this build, in one list. The only place that knows which there are. */
#ifndef SAC_BACKEND_REGISTRY_H
#define SAC_BACKEND_REGISTRY_H

#include "backend/backend.h"

int32_t sac_backend_count(void);
const sac_backend* sac_backend_at(int32_t index);

/* The backend of a device name, "cpu", "cuda" or "cuda:1"; NULL: this build has none of that name. */
const sac_backend* sac_backend_find(const char* device);

/* The one that computes with the host's threads. */
const sac_backend* sac_backend_host(void);

/* The first backend of this build whose agents lie on devices; NULL: there is none. */
const sac_backend* sac_backend_device(void);

/* The backend and the device's ordinal for key `device`; the host's has ordinal -1. "auto": the first device that is
 * usable, else the host. Errors: DEVICE (what is asked for cannot be used). */
sac_status sac_backend_choose(const char* device, const sac_backend** backend, int32_t* ordinal);

#endif
