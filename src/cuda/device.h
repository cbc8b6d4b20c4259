/* What the rest of the library asks about CUDA devices, in builds with CUDA and without. No CUDA header here. */
#ifndef SAC_CUDA_DEVICE_H
#define SAC_CUDA_DEVICE_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <sac/status.h>

#include "util/error.h"

struct sac_agent;

#ifdef SAC_CUDA

/* The number of devices that CUDA shows (CUDA_VISIBLE_DEVICES counts) and, where there is none, why. */
int32_t sac_cuda_devices(char* why, size_t size);

/* The device that config key `device` asks for; -1: the CPU (cpu; auto, where no device is usable). Errors: DEVICE. */
sac_status sac_cuda_choose(const char* device, int32_t* ordinal);

/* One line about a device: name, compute capability, memory. */
void sac_cuda_describe(int32_t ordinal, char* text, size_t size);

/* Nodes of one update's graph of an agent on a CUDA device that has made one; 0: none captured. */
size_t sac_cuda_graph_nodes(const struct sac_agent* agent);

#else

static inline int32_t sac_cuda_devices(char* why, size_t size) {
  (void)snprintf(why, size, "this build of sac has no CUDA");
  return 0;
}

static inline sac_status sac_cuda_choose(const char* device, int32_t* ordinal) {
  *ordinal = -1;
  if (strncmp(device, "cuda", 4) != 0) return SAC_OK;
  return sac_fail(SAC_ERROR_DEVICE, "device = %s, but this build has no CUDA backend: --device cpu", device);
}

static inline void sac_cuda_describe(int32_t ordinal, char* text, size_t size) {
  (void)ordinal;
  if (size) text[0] = '\0';
}

static inline size_t sac_cuda_graph_nodes(const struct sac_agent* agent) {
  (void)agent;
  return 0;
}

#endif

#endif
