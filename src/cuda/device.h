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
struct sac_vector;

/* One stage of the flow on a device: its time (median), and the launches it consists of. */
typedef struct sac_cuda_stage_time {
  double microseconds;
  size_t nodes;
} sac_cuda_stage_time;

#ifdef SAC_CUDA

/* The number of devices that CUDA shows (CUDA_VISIBLE_DEVICES counts) and, where there is none, why. */
int32_t sac_cuda_devices(char* why, size_t size);

/* The device that config key `device` asks for; -1: the CPU. auto: the first device, where it is usable; whether it is
 * the faster place, sac_estimate_choose says. Errors: DEVICE. */
sac_status sac_cuda_choose(const char* device, int32_t* ordinal);

/* Whether an agent of that many networks can be on a device. Errors: CONFIG. */
sac_status sac_cuda_fits(const struct sac_agent* agent);

/* One line about a device: name, compute capability, memory. */
void sac_cuda_describe(int32_t ordinal, char* text, size_t size);

/* Nodes of one update's graph of an agent on a CUDA device that has made one; 0: none captured. */
size_t sac_cuda_graph_nodes(const struct sac_agent* agent);

/* 1, and a line for the log in text, when there is something to say about how an agent's updates run on a device: each
 * thing is said once. */
int sac_cuda_notice(const struct sac_agent* agent, char* text, size_t size);

/* How a combination's update runs on CUDA devices (places in the lists of src/config/fields.h): "composed", or "" where
 * it does not. */
const char* sac_cuda_update_path(int algo, int network, int replay);

/* From now on: a profiler that waits for cudaProfilerStart (nsys --capture-range=cudaProfilerApi, ncu
 * --profile-from-start off) sees `count` updates from update `from` on (0: an agent's first; of a resumed run, those
 * before it count), each in a range "update N", none of them in a graph of several. sac_cuda_profiled: how many of
 * them have been made. */
void sac_cuda_profile(int64_t from, int64_t count);
int64_t sac_cuda_profiled(void);

/* Makes some updates (with `vector`, steps of a run too), each stage a graph of its own, one after another, and times
 * the stages by events of the device; act and env step by the host's clock where the host steps the environments: from
 * its observations to its actions, waits included. times[], by sac_stage of agent.h, is zero for stages that were not
 * run. */
sac_status sac_cuda_stage_times(struct sac_agent* agent, struct sac_vector* vector, sac_cuda_stage_time* times);

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

static inline int sac_cuda_notice(const struct sac_agent* agent, char* text, size_t size) {
  (void)agent;
  if (size) text[0] = '\0';
  return 0;
}

static inline const char* sac_cuda_update_path(int algo, int network, int replay) {
  (void)algo, (void)network, (void)replay;
  return "";
}

static inline void sac_cuda_profile(int64_t from, int64_t count) { (void)from, (void)count; }
static inline int64_t sac_cuda_profiled(void) { return 0; }

static inline sac_status sac_cuda_stage_times(struct sac_agent* agent, struct sac_vector* vector,
                                              sac_cuda_stage_time* times) {
  (void)agent, (void)vector, (void)times;
  return sac_fail(SAC_ERROR_DEVICE, "this build has no CUDA backend");
}

#endif

#endif
