/* A SAC agent, or a population of P of them side by side: replay, networks, optimisers and the update.
 *
 * P is the config's `seeds`; agent p is seeded with seed + p and is equal, bit for bit, to a population of one with
 * that seed. All arrays below lead with P. Everything is allocated by create and load; no other call allocates. */
#ifndef SAC_AGENT_H
#define SAC_AGENT_H

#include <stddef.h>
#include <stdint.h>

#include <sac/config.h>
#include <sac/env.h>
#include <sac/policy.h>
#include <sac/statistics.h>
#include <sac/status.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct sac_agent sac_agent;

/* Transitions, n for each of the P agents. Read-only, copied before push returns. */
typedef struct sac_transitions {
  int32_t n;
  const float* obs;          /* (P, n, O) */
  const float* action;       /* (P, n, A) in [-1, 1], before scaling to the environment's bounds */
  const float* reward;       /* (P, n) */
  const uint8_t* terminated; /* (P, n) 1: the episode ended in a terminal state, no bootstrap */
  const uint8_t* truncated;  /* (P, n) 1: the episode was cut off; the value bootstraps from next_obs */
  const float* next_obs;     /* (P, n, O) the true next observation, also at an episode's end */
} sac_transitions;

/* One update's inputs: B transitions (config replay.batch) for each agent. terminated as 0 or 1. */
typedef struct sac_minibatch {
  const float* obs;        /* (P, B, O) */
  const float* action;     /* (P, B, A) */
  const float* reward;     /* (P, B) */
  const float* terminated; /* (P, B) */
  const float* next_obs;   /* (P, B, O) */
} sac_minibatch;

/* Standard normal noise, eps of u = mu + sigma * eps. */
typedef struct sac_noise {
  const float* action;      /* (P, B, A) for obs */
  const float* next_action; /* (P, B, A) for next_obs (algo sac); not read, may be NULL, for sac-v */
} sac_noise;

/* A named tensor: NET.layers.I.weight (out, in) and NET.layers.I.bias (out) of hidden layer I, NET.head.weight and
 * NET.head.bias of the output layer, and log_alpha. NET is actor, critic.K, critic_target.K (algo sac), value or
 * value_target (algo sac-v). The actor's head has 2A rows: A means, then A log sigmas. */
typedef struct sac_tensor_info {
  const char* name; /* lives as long as the agent */
  int32_t rank;     /* 0 to 2, without the leading P */
  int32_t dims[2];  /* (out, in) for weights */
  int32_t trained;  /* 1: "grad/NAME", "adam_m/NAME" and "adam_v/NAME" exist too; 0: a target */
} sac_tensor_info;

/* Makes the P agents that `config` describes for an environment of `spec` (copied; sizes and bounds are checked),
 * weights drawn from their seeds. Errors: ARGUMENT, CONFIG, SHAPE, MEMORY (says which fields to lower, and what fits),
 * DEVICE. */
SAC_API sac_status sac_agent_create(sac_agent** agent, const sac_config* config, const sac_env_spec* spec);

SAC_API void sac_agent_destroy(sac_agent* agent);

/* P, O, A and B of this agent. Any pointer may be NULL. */
SAC_API void sac_agent_sizes(const sac_agent* agent, int32_t* population, int32_t* obs, int32_t* action,
                             int32_t* batch);

/* Acts on n observations an agent. obs (P, n, O); noise (P, n, A), or NULL: drawn from the agent's own act stream,
 * which then advances; deterministic: tanh(mean), noise is not read. action (P, n, A) in the environment's units;
 * log_prob (P, n), or NULL: log pi of the action in (-1, 1), nats; 0 for a stopped agent, whose actions are 0 too.
 * Errors: ARGUMENT, DEVICE. */
SAC_API sac_status sac_agent_act(sac_agent* agent, int32_t n, const float* obs, const float* noise, int deterministic,
                                 float* action, float* log_prob);

/* Appends to the replay; past the capacity the oldest are overwritten. Errors: ARGUMENT; NUMERIC (a value is not
 * finite: nothing is stored). */
SAC_API sac_status sac_agent_push(sac_agent* agent, const sac_transitions* transitions);

/* `updates` updates, each on its own minibatch drawn from the replay. Errors: ARGUMENT (replay empty), DEVICE; NUMERIC
 * (names the first tensor that is not finite: that agent is stopped for good, the others of the population go on; and
 * when none is left). */
SAC_API sac_status sac_agent_update(sac_agent* agent, int32_t updates);

/* One update on the caller's minibatch and noise: nothing is drawn, the replay is untouched. stats (P), or NULL.
 * Errors: ARGUMENT (an array is NULL), NUMERIC (as above), DEVICE. */
SAC_API sac_status sac_agent_update_with(sac_agent* agent, const sac_minibatch* minibatch, const sac_noise* noise,
                                         sac_update_stats* stats);

/* The stats of the last update. stats (P). Errors: ARGUMENT (none was made). */
SAC_API sac_status sac_agent_stats(const sac_agent* agent, sac_update_stats* stats);

/* Tensors by index, for listing. */
SAC_API int32_t sac_agent_tensor_count(const sac_agent* agent);
SAC_API sac_status sac_agent_tensor_info(const sac_agent* agent, int32_t index, sac_tensor_info* info);

/* Copies a tensor out or in: data (P, dims...), `count` floats in all, checked. Errors: ARGUMENT (no such name), SHAPE
 * (count), NUMERIC (set: a value is not finite). */
SAC_API sac_status sac_agent_tensor_get(const sac_agent* agent, const char* name, float* data, size_t count);
SAC_API sac_status sac_agent_tensor_set(sac_agent* agent, const char* name, const float* data, size_t count);

/* Everything but the replay's rows, as one safetensors file, written beside and renamed: a failure leaves the old file.
 * load makes an agent from such a file on `device` ("auto", "cpu", "cuda:0"; NULL: as saved), its replay empty.
 * Errors: FILE, FORMAT, SHAPE, MEMORY, DEVICE. */
SAC_API sac_status sac_agent_save(const sac_agent* agent, const char* path);
SAC_API sac_status sac_agent_load(sac_agent** agent, const char* path, const char* device);

/* Copies agent 0's actor into `policy` (made from a policy file of the same shape): a control thread may own the policy
 * while a learner owns the agent. Errors: ARGUMENT, SHAPE. */
SAC_API sac_status sac_agent_policy(const sac_agent* agent, sac_policy* policy);

#ifdef __cplusplus
}
#endif

#endif
