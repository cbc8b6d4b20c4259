/* A trained actor alone: what goes on the robot. A library of its own (libsac_policy; needs libm only):
 * no allocation, files, threads or locale. Action scaling is inside. */
#ifndef SAC_POLICY_H
#define SAC_POLICY_H

#include <stddef.h>
#include <stdint.h>

#include <sac/export.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct sac_policy sac_policy;

/* Why create refused a file. */
typedef enum sac_policy_status {
  SAC_POLICY_OK = 0,
  SAC_POLICY_FORMAT = 1, /* not a policy file, damaged, or of wrong shapes */
  SAC_POLICY_MEMORY = 2, /* memory too small or not aligned to 16 bytes */
  SAC_POLICY_NUMERIC = 3 /* a weight is not finite */
} sac_policy_status;

/* Bytes of memory that create needs for this policy file (the bytes of policy.safetensors); 0: not a policy file. */
SAC_API size_t sac_policy_memory(const void* file, size_t bytes);

/* Builds the policy inside `memory` (16-byte aligned, the caller's; `file` may be dropped afterwards). */
SAC_API sac_policy_status sac_policy_create(sac_policy** policy, const void* file, size_t bytes, void* memory,
                                            size_t memory_bytes);

/* O and A. */
SAC_API void sac_policy_sizes(const sac_policy* policy, int32_t* obs, int32_t* action);

/* The deterministic action tanh(mean), in the environment's units. obs (O), action (A). Writes into the policy's own
 * memory: one thread a policy. */
SAC_API void sac_policy_act(sac_policy* policy, const float* obs, float* action);

#ifdef __cplusplus
}
#endif

#endif
