/* sac: Soft Actor-Critic training. This header is the whole C API.
 *
 *   sac_config  what to train with: keys and values, as in YAML         config.h
 *   sac_env_api the interface of an environment                         env.h
 *   sac_agent   replay, networks, optimisers and the update             agent.h
 *               the list of the statistics of an update                 statistics.h
 *   sac_run     a training run: agent, environments, run folder         run.h
 *   sac_policy  a trained policy alone, for the robot (libsac_policy)   policy.h
 *
 * Ownership: create and load make an object for the caller, destroy frees it and takes NULL. On error *out is NULL.
 * Threads: one object is used by one thread at a time; different objects are independent.
 * Arrays are row-major, in host memory, and copied before a call returns. Dimension letters:
 * P population, N environments, B minibatch, O observation, A action, H hidden, L hidden layers,
 * C replay capacity, K critics, W weights. With P = 1 the leading P may be ignored. */
#ifndef SAC_SAC_H
#define SAC_SAC_H

#include <sac/agent.h>
#include <sac/config.h>
#include <sac/env.h>
#include <sac/policy.h>
#include <sac/run.h>
#include <sac/statistics.h>
#include <sac/status.h>

#ifdef __cplusplus
extern "C" {
#endif

#define SAC_VERSION_MAJOR 0
#define SAC_VERSION_MINOR 1
#define SAC_VERSION_PATCH 0
#define SAC_VERSION "0.1.0"

/* The version of the library in use, "major.minor.patch". SAC_VERSION is that of the headers. */
SAC_API const char* sac_version(void);

#ifdef __cplusplus
}
#endif

#endif
