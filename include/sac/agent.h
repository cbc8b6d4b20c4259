/* A SAC agent, or a population of P agents side by side: replay, networks, optimisers and the update.
 *
 * P is the value of key `seeds`. Agent p has the seed seed + p; on the CPU it has the same bits as a single agent with
 * that seed. The first dimension of all arrays is P. create and load allocate all memory; acting, pushing and updating
 * allocate none. */
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

/* A discrete action is its number, from 0 to actions - 1, as a float: A is 1. It is not scaled.
 *
 * n transitions for each of the P agents. push reads and copies them. */
typedef struct sac_transitions {
  int32_t n;
  const float* obs;          /* (P, n, O) */
  const float* action;       /* (P, n, A) in [-1, 1], before scaling to the environment's bounds; discrete: a number */
  const float* reward;       /* (P, n) */
  const uint8_t* terminated; /* (P, n) 1: the episode ended in a terminal state; no bootstrap */
  const uint8_t* truncated;  /* (P, n) 1: the episode was cut off; the value bootstraps from next_obs */
  const float* next_obs;     /* (P, n, O) the true next observation, also at an episode's end */
} sac_transitions;

/* The inputs of one update: B transitions (key replay.batch) for each agent. */
typedef struct sac_minibatch {
  const float* obs;        /* (P, B, O) */
  const float* action;     /* (P, B, A) as in sac_transitions */
  const float* reward;     /* (P, B) */
  const float* terminated; /* (P, B) 0 or 1 */
  const float* next_obs;   /* (P, B, O) */
} sac_minibatch;

/* Standard normal noise: eps in u = mu + sigma * eps, where the action is tanh(u). */
typedef struct sac_noise {
  const float* action;      /* (P, B, A) for obs */
  const float* next_action; /* (P, B, A) for next_obs; NULL is allowed if the algorithm samples no action there */
} sac_noise;

/* A named tensor. NET.layers.I.weight (out, in) and NET.layers.I.bias (out) belong to hidden layer I, NET.head.weight
 * and NET.head.bias to the output layer. NET is a network of the algorithm: actor, critic.K, and critic_target.K or,
 * where there is a value network, value and value_target. The head of the actor has 2A rows: A means, then A log
 * sigmas. For discrete actions the heads of actor and critics have a row for each action. Algorithm soft-q has no
 * actor. log_alpha belongs to no network. */
typedef struct sac_tensor_info {
  const char* name; /* lives as long as the agent */
  int32_t rank;     /* 0 to 2, without the leading P */
  int32_t dims[2];  /* (out, in) for weights */
  int32_t trained;  /* 1: "grad/NAME", "adam_m/NAME" and "adam_v/NAME" exist too; 0: of a target network */
} sac_tensor_info;

/* Creates the P agents that `config` describes, for an environment with the sizes and bounds of `spec`. Draws the
 * initial weights from the seeds. config and spec are copied. Errors: ARGUMENT (NULL), CONFIG (also: actions of
 * a kind that the algorithm does not take), ENV (sizes or bounds of spec), SHAPE, MEMORY (the message says which keys
 * to lower, and what fits), DEVICE. */
SAC_API sac_status sac_agent_create(sac_agent** agent, const sac_config* config, const sac_env_spec* spec);

SAC_API void sac_agent_destroy(sac_agent* agent);

/* P, O, A and B of this agent. Any pointer may be NULL. For agent NULL they are 0. */
SAC_API void sac_agent_sizes(const sac_agent* agent, int32_t* population, int32_t* obs, int32_t* action,
                             int32_t* batch);

/* Chooses actions for n observations per agent.
 *   obs            (P, n, O)
 *   noise          (P, n, A), or NULL: drawn from the agent's own random stream, which then advances. Standard normal;
 *                  for discrete actions uniform in (0, 1): the action is the first whose cumulative probability exceeds
 *                  it
 *   deterministic  1: the action is tanh(mean), or the most probable of discrete actions, and noise is not read; 0: the
 *                  action is sampled
 *   action         (P, n, A), in the environment's units
 *   log_prob       (P, n) log pi of the action, in nats (of the one in (-1, 1) before scaling); or NULL
 * An action is inside the bounds of the environment. For a stopped agent it is their centre, or number 0, and log_prob
 * is 0. After an error action and log_prob hold no result. Errors: ARGUMENT (NULL, n < 1), DEVICE; NUMERIC (a value of
 * obs or noise is not finite, or so large that an action is not; then the noise is drawn all the same; noise of
 * discrete actions is outside [0, 1]). */
SAC_API sac_status sac_agent_act(sac_agent* agent, int32_t n, const float* obs, const float* noise, int deterministic,
                                 float* action, float* log_prob);

/* Scale actions of n observations between the environment's units, action (n, A), and those of the policy in [-1, 1],
 * unit (n, A), which sac_agent_push takes: unit = (action - centre) / half_range of the bounds. Both arrays may be the
 * same. The ends of one range become those of the other. An action that is outside by a rounding becomes the end. After
 * an error nothing is written. Errors: ARGUMENT (NULL, n < 1, or outside), NUMERIC (not finite). */
SAC_API sac_status sac_agent_action_to_unit(const sac_agent* agent, int32_t n, const float* action, float* unit);
SAC_API sac_status sac_agent_action_from_unit(const sac_agent* agent, int32_t n, const float* unit, float* action);

/* Appends to the replay. If it is full, the oldest transitions are overwritten. An action that is outside [-1, 1] by a
 * rounding, as (action - centre) / half_range may be, is stored as -1 or 1. After an error nothing is stored. Errors:
 * ARGUMENT (NULL, n < 1, an action is outside [-1, 1] or no number of an action, terminated or truncated is neither 0
 * nor 1), NUMERIC (a value is not finite), DEVICE. */
SAC_API sac_status sac_agent_push(sac_agent* agent, const sac_transitions* transitions);

/* Makes `updates` updates. Each draws its own minibatch from the replay. Errors: ARGUMENT (NULL, updates < 0, the
 * replay is empty), DEVICE, NUMERIC. NUMERIC: a loss or gradient of an agent is not finite. The message names the first
 * such tensor. That agent is stopped for good; the others go on. If all agents are stopped, every update returns
 * NUMERIC. */
SAC_API sac_status sac_agent_update(sac_agent* agent, int32_t updates);

/* Makes one update on the caller's minibatch and noise. Nothing is drawn, and the replay does not change. An algorithm
 * for discrete actions samples none, and noise may be NULL. stats (P), or NULL. Errors: ARGUMENT (an array is NULL; a
 * discrete action does not exist), NUMERIC (as above; a value that is not finite stops the agent), DEVICE. */
SAC_API sac_status sac_agent_update_with(sac_agent* agent, const sac_minibatch* minibatch, const sac_noise* noise,
                                         sac_update_stats* stats);

/* Copies the statistics of the last update. stats (P). Errors: ARGUMENT (NULL, there was no update). */
SAC_API sac_status sac_agent_stats(const sac_agent* agent, sac_update_stats* stats);

/* The list of tensors, by index; for agent NULL there are 0. Errors: ARGUMENT (NULL, there is no such index). */
SAC_API int32_t sac_agent_tensor_count(const sac_agent* agent);
SAC_API sac_status sac_agent_tensor_info(const sac_agent* agent, int32_t index, sac_tensor_info* info);

/* Copies a tensor out or in. data (P, dims...) has `count` floats. Errors: ARGUMENT (NULL, or no such name), SHAPE
 * (count is wrong), NUMERIC (set: a value is not finite), DEVICE. */
SAC_API sac_status sac_agent_tensor_get(const sac_agent* agent, const char* name, float* data, size_t count);
SAC_API sac_status sac_agent_tensor_set(sac_agent* agent, const char* name, const float* data, size_t count);

/* save writes everything but the replay to one safetensors file: weights, targets, Adam's moments, counters and seeds.
 * An agent that is loaded from it acts as this one, to the bit, but does not learn as this one: its replay is empty.
 * save_all writes the replay too, with the position in its ring. On the same kind of device a loaded agent then goes on
 * exactly: its actions, updates and minibatches have the same bits. The file is larger by the replay.
 *
 * If a save fails, an older file at `path` stays as it was. load creates an agent from the file of either; FOLDER/last
 * is the newest step_N.safetensors of a folder. device: "auto", "cpu", "cuda:0"; NULL: as saved. Errors: ARGUMENT
 * (NULL, or path is empty), FILE (also: `path` is a folder or a device), NUMERIC (save: a value is not finite), FORMAT,
 * SHAPE, CONFIG (no such device; keys or actions that this version does not take), MEMORY, DEVICE. */
SAC_API sac_status sac_agent_save(const sac_agent* agent, const char* path);
SAC_API sac_status sac_agent_save_all(const sac_agent* agent, const char* path);
SAC_API sac_status sac_agent_load(sac_agent** agent, const char* path, const char* device);

/* Copies the policy of agent 0 into `policy`, which sac_policy_create made of a policy file of the same kind and shape.
 * One thread may then act with the policy while another updates the agent, but not during this call. After an error
 * other than DEVICE the policy is as it was. Errors: ARGUMENT (also for a policy that uses its file in place), SHAPE,
 * NUMERIC (a weight is not finite), DEVICE. */
SAC_API sac_status sac_agent_policy(const sac_agent* agent, sac_policy* policy);

#ifdef __cplusplus
}
#endif

#endif
