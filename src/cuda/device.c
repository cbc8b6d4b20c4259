/* Devices: which exist, which one `device` asks for, and the messages for errors of CUDA. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cuda/cuda.h"
#include "util/error.h"

#define OLDEST_MAJOR 8 /* compute capability 8.0: A100 */

/* Counts the devices that CUDA shows. why: the reason why there is none; "" if there are devices. */
static void probe(int* count, char* why, size_t size) {
  int driver = 0, runtime = 0;
  *count = 0;
  why[0] = '\0';

  /* ask CUDA; without a driver it gives an error and no count */
  const cudaError_t error = cudaGetDeviceCount(count);
  if (error == cudaSuccess && *count > 0) return;
  (void)cudaGetLastError(); /* clear the error: the CPU is used instead */
  *count = 0;

  /* say what is missing: the driver, a newer driver, or a device */
  (void)cudaDriverGetVersion(&driver);
  (void)cudaRuntimeGetVersion(&runtime);
  if (driver == 0) {
    (void)snprintf(why, size, "no NVIDIA driver is installed here");
  } else if (error == cudaErrorInsufficientDriver) {
    (void)snprintf(why, size, "the NVIDIA driver serves CUDA up to %d.%d, this build needs %d.%d: update the driver",
                   driver / 1000, driver % 1000 / 10, runtime / 1000, runtime % 1000 / 10);
  } else if (error == cudaErrorNoDevice || error == cudaSuccess) {
    const char* visible = getenv("CUDA_VISIBLE_DEVICES");
    if (visible) (void)snprintf(why, size, "no device is visible (CUDA_VISIBLE_DEVICES is '%.64s')", visible);
    else (void)snprintf(why, size, "this machine has no NVIDIA device");
  } else {
    (void)snprintf(why, size, "%s (%s, code %d)", cudaGetErrorString(error), cudaGetErrorName(error), (int)error);
  }
}

/* Returns whether a device can run the kernels. why: the reason why not. */
static int usable(int ordinal, char* why, size_t size) {
  int major = 0, minor = 0;

  /* ask for the compute capability; a device that does not answer fails here */
  if (cudaDeviceGetAttribute(&major, cudaDevAttrComputeCapabilityMajor, ordinal) != cudaSuccess ||
      cudaDeviceGetAttribute(&minor, cudaDevAttrComputeCapabilityMinor, ordinal) != cudaSuccess) {
    const cudaError_t error = cudaGetLastError();
    (void)snprintf(why, size, "cuda:%d does not answer: %s (code %d)", ordinal, cudaGetErrorString(error), (int)error);
    return 0;
  }

  /* compare it with the oldest one that the kernels are built for */
  if (major >= OLDEST_MAJOR) return 1;
  (void)snprintf(why, size, "cuda:%d has compute capability %d.%d; %d.0 or newer is needed", ordinal, major, minor,
                 OLDEST_MAJOR);
  return 0;
}

int32_t sac_cuda_devices(char* why, size_t size) {
  int count;
  probe(&count, why, size);
  return count;
}

sac_status sac_cuda_choose(const char* device, int32_t* ordinal) {
  char why[256];
  int count;
  *ordinal = -1;

  /* `cuda` or `cuda:N` asks for a device, `auto` takes one if it can be used */
  const int asked = strncmp(device, "cuda", 4) == 0;
  if (!asked && strcmp(device, "auto") != 0) return SAC_OK;
  const int number = strncmp(device, "cuda:", 5) == 0 ? (int)strtol(device + 5, NULL, 10) : 0;

  /* check that the device is there */
  probe(&count, why, sizeof why);
  if (!why[0] && number >= count)
    (void)snprintf(why, sizeof why, "there %s %d device%s here, the first is cuda:0", count == 1 ? "is" : "are", count,
                   count == 1 ? "" : "s");

  /* check that it can be used; auto also needs cuBLAS here, `cuda` reports its absence in create */
  if (!why[0] && usable(number, why, sizeof why) && (asked || sac_cuda_blas_loads())) {
    *ordinal = number;
    return SAC_OK;
  }

  /* auto falls back to the CPU, a named device does not */
  if (!asked) return SAC_OK;
  return sac_fail(SAC_ERROR_DEVICE, "device %s: %s; --device cpu works everywhere", device, why);
}

void sac_cuda_describe(int32_t ordinal, char* text, size_t size) {
  struct cudaDeviceProp properties;
  char why[256];

  /* a line in any case: the properties, or the error */
  if (cudaGetDeviceProperties(&properties, ordinal) != cudaSuccess) {
    (void)snprintf(text, size, "cuda:%d does not answer: %s", (int)ordinal, cudaGetErrorString(cudaGetLastError()));
    return;
  }
  (void)snprintf(text, size, "cuda:%d %s, compute capability %d.%d, %d multiprocessors, %.1f GB%s", (int)ordinal,
                 properties.name, properties.major, properties.minor, properties.multiProcessorCount,
                 (double)properties.totalGlobalMem / 1e9,
                 usable((int)ordinal, why, sizeof why) ? "" : ": too old for this build");
}

/* What a user can do about an error. */
static const char* advice(cudaError_t error) {
  switch (error) {
    case cudaErrorMemoryAllocation:
      return "lower replay.capacity, replay.batch or seeds, or free memory on the device";
    case cudaErrorNoKernelImageForDevice:
      return "this build has no code for this device: build it here";
    case cudaErrorInsufficientDriver:
      return "update the NVIDIA driver";
    case cudaErrorDevicesUnavailable:
      return "another process holds the device: wait, or choose another one";
    default:
      return "the data on the device is lost; the last checkpoint is kept, resume from it";
  }
}

sac_status sac_cuda_check(int32_t ordinal, cudaError_t error, const char* what) {
  if (error == cudaSuccess) return SAC_OK;
  (void)cudaGetLastError(); /* clear the error: the next launch would report it again */
  const sac_status status = error == cudaErrorMemoryAllocation ? SAC_ERROR_MEMORY : SAC_ERROR_DEVICE;

  /* name the call without its arguments, then CUDA's code, then what to do */
  const int words = (int)strcspn(what, "(");
  return sac_fail(status, "cuda:%d: %.*s: %s (%s, code %d): %s", (int)ordinal, words, what, cudaGetErrorString(error),
                  cudaGetErrorName(error), (int)error, advice(error));
}
