/* A trained policy alone, for use on a robot. It is a library of its own, libsac_policy, which needs only libm. It
 * allocates no memory, opens no file, starts no thread and depends on no locale. It scales actions to the environment's
 * units, and takes observations as the environment gives them. A discrete action is its number, from 0, as a float. */
#ifndef SAC_POLICY_H
#define SAC_POLICY_H

#include <stddef.h>
#include <stdint.h>

#include <sac/export.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct sac_policy sac_policy;

/* How a policy chooses an action. */
typedef enum sac_policy_kind {
  SAC_POLICY_SQUASHED_GAUSSIAN = 0, /* continuous: tanh(mean + sigma noise), from the actor's means and log sigmas */
  SAC_POLICY_SOFTMAX = 1,           /* discrete: the softmax of the actor's logits */
  SAC_POLICY_BOLTZMANN = 2          /* discrete: exp(q/alpha)/Z of the critics' joined values q; there is no actor */
} sac_policy_kind;

/* The result of sac_policy_create and sac_policy_create_in_place. */
typedef enum sac_policy_status {
  SAC_POLICY_OK = 0,
  SAC_POLICY_FORMAT = 1,    /* not a policy file, cut short, or of wrong shapes */
  SAC_POLICY_MEMORY = 2,    /* memory too small or not aligned to 16 bytes */
  SAC_POLICY_NUMERIC = 3,   /* a weight, a bound of an action, or alpha or its inverse, is not finite */
  SAC_POLICY_DAMAGED = 4,   /* the bytes of the file do not fit its checksum */
  SAC_POLICY_UNALIGNED = 5, /* in place: the weights in the file are not aligned to 4 bytes */
  SAC_POLICY_ARGUMENT = 6   /* `policy` is NULL */
} sac_policy_status;

/* Bytes of memory that sac_policy_create needs. file: the content of policy.safetensors. 0: it is not a policy file, or
 * NULL. */
SAC_API size_t sac_policy_memory(const void* file, size_t bytes);

/* Creates the policy in `memory`, which belongs to the caller and is aligned to 16 bytes. `file` is not needed after
 * this call. On an error *policy is NULL, and `memory` is as it was. file NULL: SAC_POLICY_FORMAT; memory NULL:
 * SAC_POLICY_MEMORY. */
SAC_API sac_policy_status sac_policy_create(sac_policy** policy, const void* file, size_t bytes, void* memory,
                                            size_t memory_bytes);

/* The same for a policy that uses the weights where they are: `file` may be a constant in flash memory. It must stay in
 * place and unchanged as long as the policy is used, and be aligned to 4 bytes, or else the result is
 * SAC_POLICY_UNALIGNED. `memory` then holds little more than the activations, two vectors as wide as the widest layer.
 * The actions are the same bits; each takes longer on a processor with vector instructions. */
SAC_API size_t sac_policy_memory_in_place(const void* file, size_t bytes);
SAC_API sac_policy_status sac_policy_create_in_place(sac_policy** policy, const void* file, size_t bytes, void* memory,
                                                     size_t memory_bytes);

/* O and A. Either pointer may be NULL. For policy NULL both are 0. */
SAC_API void sac_policy_sizes(const sac_policy* policy, int32_t* obs, int32_t* action);

/* The kind, and the number of discrete actions (0: continuous; A is 1 for discrete ones). Either pointer may be NULL.
 * For policy NULL both are 0. */
SAC_API void sac_policy_describe(const sac_policy* policy, sac_policy_kind* kind, int32_t* actions);

/* The deterministic action: tanh(mean) in the environment's units, or the number of the most probable action (the first
 * of equal ones). obs (O), action (A). An action is inside the bounds of the environment, or NaN: where an observation
 * is not finite, or so large that a sum overflows, any component may be NaN. A NaN observation gives no number of an
 * action. So check the action, or the observation, before a motor gets it. Writes into the policy's own memory, so only
 * one thread at a time may use a policy. obs NULL: the action is NaN. policy or action NULL: does nothing. */
SAC_API void sac_policy_act(sac_policy* policy, const float* obs, float* action);

/* The same for an action that is drawn from the policy. noise (A): standard normal; for discrete actions one number,
 * uniform in (0, 1), and the action is the first whose cumulative probability exceeds it. Noise that is not finite, or
 * of discrete actions outside [0, 1], gives NaN. noise NULL: the action is NaN. */
SAC_API void sac_policy_sample(sac_policy* policy, const float* obs, const float* noise, float* action);

#ifdef __cplusplus
}
#endif

#endif
