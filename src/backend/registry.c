#include "backend/registry.h"

#include <string.h>

#include "config/field.h"
#include "util/error.h"

#ifdef SAC_CUDA
#define IF_CUDA(built, absent) built
#else
#define IF_CUDA(built, absent) absent
#endif

/* BUILT(name, title, on_host): `const sac_backend sac_<name>_backend` of src/<name>, and its kind of devices
 * (config/field.h). ABSENT: the same, where this build leaves the backend out. */
#define BACKENDS(BUILT, ABSENT) BUILT(cpu, "CPU", 1) IF_CUDA(BUILT, ABSENT)(cuda, "CUDA", 0)

#define NOTHING(name, title, on_host)
#define DECLARE(name, title, on_host) extern const sac_backend sac_##name##_backend;
BACKENDS(DECLARE, NOTHING)
static const sac_backend* const backends[] = {
#define ENTRY(name, title, on_host) &sac_##name##_backend,
    BACKENDS(ENTRY, NOTHING)};

/* What key `device` may name (config/field.h). */
const sac_device_kind sac_device_kinds[] = {
#define BUILT_KIND(name, title, on_host) {#name, title, on_host, 1},
#define ABSENT_KIND(name, title, on_host) {#name, title, on_host, 0},
    BACKENDS(BUILT_KIND, ABSENT_KIND){NULL, NULL, 0, 0}};

/* The values of key cuda.path (config/field.h). */
const char* const sac_cuda_path_names[] = {"auto",
#define PATH_NAME(name) #name,
                                           SAC_CUDA_PATHS(PATH_NAME) NULL};

int32_t sac_backend_count(void) { return SAC_LENGTH(backends); }
const sac_backend* sac_backend_at(int32_t index) {
  return index >= 0 && index < SAC_LENGTH(backends) ? backends[index] : NULL;
}

const sac_backend* sac_backend_find(const char* device) {
  const sac_device_kind* kind = sac_device_kind_of(device);
  for (int32_t i = 0; kind && i < SAC_LENGTH(backends); i++)
    if (strcmp(backends[i]->name, kind->name) == 0) return backends[i];
  return NULL;
}

/* The first backend with this on_host; NULL: none. */
static const sac_backend* first_of(int on_host) {
  for (int32_t i = 0; i < SAC_LENGTH(backends); i++)
    if (backends[i]->on_host == on_host) return backends[i];
  return NULL;
}

const sac_backend* sac_backend_host(void) { return first_of(1); }
const sac_backend* sac_backend_device(void) { return first_of(0); }

sac_status sac_backend_choose(const char* device, const sac_backend** backend, int32_t* ordinal) {
  const int automatic = strcmp(device, "auto") == 0;
  *backend = sac_backend_host();
  *ordinal = -1;

  /* a backend that this build does not have is an error, not a reason to use the host */
  if (!automatic && !sac_backend_find(device))
    return sac_fail(SAC_ERROR_DEVICE, "device = %s, but this build has no such backend: --device cpu", device);

  /* ask the backends of devices in order; the host is the answer if none of them has a device */
  for (int32_t i = 0; i < SAC_LENGTH(backends); i++) {
    const sac_status status = backends[i]->on_host ? SAC_OK : backends[i]->choose(device, ordinal);
    if (status != SAC_OK) return status;
    if (*ordinal < 0) continue;
    *backend = backends[i];
    return SAC_OK;
  }
  return SAC_OK;
}
