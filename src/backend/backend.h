/* The contract between the library and a backend: the seven words, one slot each.
 *
 *  env step -> replay push -> replay sample -> critic update -> actor update -> temperature update -> target update
 *
 * A backend (src/cpu, src/cuda) defines every slot as a function `sac_<backend>_<slot>`; its stages.c lists them
 * through SAC_STAGES_SLOTS, so a missing slot is a link error. Every slot works on all P agents of the population at
 * once, skips those with agent->alive[p] == 0, and gives results that do not depend on threads or scheduling. No slot
 * allocates; `create` does. */
#ifndef SAC_BACKEND_BACKEND_H
#define SAC_BACKEND_BACKEND_H

#include <stddef.h>
#include <stdint.h>

#include <sac/agent.h>

#include "model/tensors.h"

struct sac_vector;

typedef enum sac_act_mode {
  SAC_ACT_SAMPLE,  /* a = tanh(mu + sigma * eps) */
  SAC_ACT_MEAN,    /* a = tanh(mu) */
  SAC_ACT_UNIFORM, /* a ~ U(-1, 1): the warm-up */
} sac_act_mode;

/* What `act` reads and writes. */
typedef struct sac_act {
  int32_t n; /* observations an agent */
  sac_act_mode mode;
  const float* obs;   /* (P, n, O); not read by UNIFORM */
  const float* noise; /* (P, n, A), or NULL: drawn from stream ACT (UNIFORM: WARMUP) at agent->counters[p].act, which
                         advances by n */
  float* action;      /* (P, n, A) in [-1, 1] */
  float* log_prob;    /* (P, n) nats, or NULL; a stopped agent's: 0; MEAN and UNIFORM: not written */
  int from_snapshot;  /* 1: by the actor and the living agents of the last `snapshot` */
  struct sac_vector* vector; /* whose obs and action those are, or NULL: a backend may keep them itself (env_attach) */
} sac_act;

/* Raw slabs a backend moves between its memory and the host's. */
typedef enum sac_memory {
  SAC_MEMORY_WEIGHTS, /* (P, W) trained tensors */
  SAC_MEMORY_GRAD,    /* (P, W) of the last update */
  SAC_MEMORY_ADAM_M,  /* (P, W) */
  SAC_MEMORY_ADAM_V,  /* (P, W) */
  SAC_MEMORY_TARGET,  /* (P, target floats) */
  SAC_MEMORY_REPLAY,  /* (P, C, row) */
  SAC_MEMORY_COUNT
} sac_memory;

typedef struct sac_stages {
  const char* name; /* "cpu" */

  /* Allocates the slabs (zeroed) and scratch for agent->shape, agent->settings and agent->tensors; sets agent->backend.
   * Errors: MEMORY, DEVICE. `destroy` takes a half-built agent. */
  sac_status (*create)(sac_agent* agent);
  void (*destroy)(sac_agent* agent);

  /* Bytes that create will take, told before it does; bytes[] by sac_memory, *scratch for the rest. */
  void (*size)(const sac_agent* agent, size_t bytes[SAC_MEMORY_COUNT], size_t* scratch);

  /* Copies `count` floats at float offset `offset` of agent p's part of a slab out to, or in from, the host. After a
   * write of weights or targets the backend refreshes whatever it derives from them (packed or transposed copies). */
  sac_status (*read)(const sac_agent* agent, sac_memory memory, int32_t p, size_t offset, float* host, size_t count);
  sac_status (*write)(sac_agent* agent, sac_memory memory, int32_t p, size_t offset, const float* host, size_t count);

  /* act: observations to actions, with the current actor; with from_snapshot, that of the last `snapshot`. */
  sac_status (*act)(sac_agent* agent, const sac_act* act);

  /* env step: scales vector->action to the environment's units and steps all P*N environments; see env/vector.h. */
  sac_status (*env_step)(sac_agent* agent, struct sac_vector* vector);

  /* replay push: n transitions an agent into the ring; agent->counters[p].pushed advances by n. vector: whose last step
   * they are, or NULL. */
  sac_status (*replay_push)(sac_agent* agent, const sac_transitions* transitions, const struct sac_vector* vector);

  /* replay sample: draws B indices (stream SAMPLE, position: counters[p].updates) and gathers the minibatch; draws the
   * noise of this update (streams NEXT_ACTION_NOISE and ACTION_NOISE, same position). */
  sac_status (*replay_sample)(sac_agent* agent);

  /* The caller's minibatch and noise in place of replay_sample (sac_agent_update_with). */
  sac_status (*minibatch_set)(sac_agent* agent, const sac_minibatch* minibatch, const sac_noise* noise);

  /* critic update: [sac] next action, target, TD error, gradient and Adam step of the critics.
   * [sac-v] all gradients of the update at the old parameters; Adam step of critics and value network. */
  sac_status (*critic_update)(sac_agent* agent);

  /* actor update: gradient of J_pi and Adam step of the actor. [sac] through the critics just updated. [sac-v] the
   * gradient computed above. */
  sac_status (*actor_update)(sac_agent* agent);

  /* temperature update: gradient of J_alpha from the log pi of the actor pass, and Adam step of log_alpha, when alpha
   * is learned. */
  sac_status (*temperature_update)(sac_agent* agent);

  /* target update: Polyak of critic_target [sac] or value_target [sac-v]; then agent->stats[p] of this update are
   * complete, added to agent->totals[p], and counters[p].updates advances by one. */
  sac_status (*target_update)(sac_agent* agent);

  /* Optional, NULL where the backend has no need of them. */

  /* n whole updates, fused and captured as the backend likes. NULL: the five above in turn. Same results by definition
   * of the backend. */
  sac_status (*update)(sac_agent* agent, int32_t n);

  /* Keeps the actor, and which agents are alive, as they are now (after what was queued before): acts with
   * from_snapshot use that, and do not wait for updates that are queued after it. For train.overlap; not for a resident
   * vector. NULL: act comes before the updates. */
  sac_status (*snapshot)(sac_agent* agent);

  /* A backend may queue its work and return: state_get waits, and brings counters, stats and totals up to date (alive
   * is the host's to say); state_set makes the host's seed, counters, alive, stats and totals the backend's. NULL: the
   * host's are the only ones. Errors: DEVICE. */
  sac_status (*state_get)(sac_agent* agent);
  sac_status (*state_set)(sac_agent* agent);

  /* For an agent with a statistic that is not finite: how many trained tensors had a gradient that was not in the
   * update that stopped it; the first of them (its index in agent->tensors), and its first such number. NULL:
   * SAC_MEMORY_GRAD is still that update's. */
  int32_t (*bad_gradients)(const sac_agent* agent, int32_t p, int32_t* first, float* value);

  /* Takes a vector of built-in tasks over (sets vector->resident and ->burst); any other is left to the host.
   * env_get waits, and fills vector->finished for all steps since the last call; `whole`: everything else of the vector
   * too, as vector_state.c and other readers want it. Errors: MEMORY, DEVICE; env_get: ENV, NUMERIC. */
  sac_status (*env_attach)(sac_agent* agent, struct sac_vector* vector);
  sac_status (*env_get)(sac_agent* agent, struct sac_vector* vector, int whole);

  /* Bytes free where `size` will be taken. NULL: sac_memory_available. */
  size_t (*available)(const sac_agent* agent);
} sac_stages;

#define SAC_STAGES_DECLARE(backend)                                                                                   \
  sac_status sac_##backend##_create(sac_agent* agent);                                                                \
  void sac_##backend##_destroy(sac_agent* agent);                                                                     \
  void sac_##backend##_size(const sac_agent* agent, size_t bytes[SAC_MEMORY_COUNT], size_t* scratch);                 \
  sac_status sac_##backend##_read(const sac_agent* agent, sac_memory memory, int32_t p, size_t offset, float* host,   \
                                  size_t count);                                                                      \
  sac_status sac_##backend##_write(sac_agent* agent, sac_memory memory, int32_t p, size_t offset, const float* host,  \
                                   size_t count);                                                                     \
  sac_status sac_##backend##_act(sac_agent* agent, const sac_act* act);                                               \
  sac_status sac_##backend##_env_step(sac_agent* agent, struct sac_vector* vector);                                   \
  sac_status sac_##backend##_replay_push(sac_agent* agent, const sac_transitions* transitions,                        \
                                         const struct sac_vector* vector);                                            \
  sac_status sac_##backend##_replay_sample(sac_agent* agent);                                                         \
  sac_status sac_##backend##_minibatch_set(sac_agent* agent, const sac_minibatch* minibatch, const sac_noise* noise); \
  sac_status sac_##backend##_critic_update(sac_agent* agent);                                                         \
  sac_status sac_##backend##_actor_update(sac_agent* agent);                                                          \
  sac_status sac_##backend##_temperature_update(sac_agent* agent);                                                    \
  sac_status sac_##backend##_target_update(sac_agent* agent);

/* Every slot that must be there; the optional ones follow as designated initialisers. */
#define SAC_STAGES_SLOTS(backend)                                                                               \
  .name = #backend, .create = sac_##backend##_create, .destroy = sac_##backend##_destroy,                       \
  .size = sac_##backend##_size, .read = sac_##backend##_read, .write = sac_##backend##_write,                   \
  .act = sac_##backend##_act, .env_step = sac_##backend##_env_step, .replay_push = sac_##backend##_replay_push, \
  .replay_sample = sac_##backend##_replay_sample, .minibatch_set = sac_##backend##_minibatch_set,               \
  .critic_update = sac_##backend##_critic_update, .actor_update = sac_##backend##_actor_update,                 \
  .temperature_update = sac_##backend##_temperature_update, .target_update = sac_##backend##_target_update

extern const sac_stages sac_cpu_stages; /* src/cpu/stages.c */
#ifdef SAC_CUDA
extern const sac_stages sac_cuda_stages; /* src/cuda/stages.c */
#endif

#endif
