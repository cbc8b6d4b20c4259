/* P*N environments stepped as one: time limit, resets, finished episodes, checks. Environment i of agent p has index
 * p*N + i.
 *
 * Seeds: episode e of environment i of agent p starts from 64 bits of Philox(key: seed of p, stream: env i, position:
 * e), so an agent's episodes do not depend on the population or on evaluation. */
#ifndef SAC_ENV_VECTOR_H
#define SAC_ENV_VECTOR_H

#include <stddef.h>
#include <stdint.h>

#include <sac/agent.h>
#include <sac/env.h>

#include "util/worker.h"

/* An episode that ended in the last step. */
typedef struct sac_episode {
  int32_t env;           /* index p*N + i */
  double episode_return; /* undiscounted sum of rewards */
  int64_t length;        /* steps */
} sac_episode;

#define SAC_BURST_MAX 256 /* the most steps before the host looks at what a backend has queued: whether agents stop */

typedef struct sac_vector {
  const sac_env_api* api;
  void* self;
  char id[128];
  sac_env_spec spec;
  int32_t population; /* P */
  int32_t num_envs;   /* N */
  uint64_t stream;    /* first stream: sac_stream_env(0) or sac_stream_eval_env(0) */
  uint64_t* seed;     /* (P) */

  float* obs;          /* (P, N, O) current observations: what act reads */
  float* action;       /* (P, N, A) in [-1, 1]: what act writes. Discrete: the action's number */
  float* env_action;   /* (P, N, A) in the environment's units */
  float* prev_obs;     /* (P, N, O) observations before the last step: the transition's obs */
  float* reward;       /* (P, N) */
  uint8_t* terminated; /* (P, N) */
  uint8_t* truncated;  /* (P, N) by the environment or by max_episode_steps */
  float* next_obs;     /* (P, N, O) the true next observation */

  int32_t info_count;           /* I: terms of the environment's info; 0 where a backend steps */
  const char* const* info_name; /* (I) the environment's own */
  float* info;                  /* (P, N, I) of the last step, NaN where it had no such term; NULL: I is 0 */

  uint64_t* episode;       /* (P, N) episodes started: the next seed's position */
  double* episode_return;  /* (P, N) of the running episode */
  int64_t* episode_length; /* (P, N) */
  uint64_t steps;          /* of the whole vector; messages count transitions of one agent, (steps + 1) * N */

  int32_t finished_count; /* episodes that ended in the last step, or the last burst of them */
  sac_episode* finished;  /* (burst * P * N) in the order of steps */

  uint8_t* mask;        /* (P, N) */
  uint64_t* reset_seed; /* (P, N) */

  sac_worker* worker; /* a thread that steps while the agent learns (step.h, sac_step_overlap); NULL: the caller's */

  /* A backend that steps the environments itself (sac_backend.env_attach): what is above is then as of its env_get. */
  void* resident; /* NULL: the host steps */
  void (*resident_destroy)(struct sac_vector* vector);
  int changed;   /* 1: the host has reset environments or set their state since the backend last looked */
  int32_t burst; /* steps that may be queued before their episodes must be collected; 1 where the host steps */
} sac_vector;

/* The table that serves `id`: built in, Gymnasium's (env/gym.h), or of the shared object that a path names, which is
 * loaded (env/plugin.h). Errors: ENV (names the nearest id; says what cannot be loaded). */
sac_status sac_env_find(const char* id, const sac_env_api** api);

/* Makes P*N environments of `id` and resets them. seed (P). Errors: ENV, MEMORY; CONFIG (options). */
sac_status sac_vector_create(sac_vector** vector, const sac_env_api* api, const char* id, const char* options,
                             int32_t population, int32_t num_envs, const uint64_t* seed, uint64_t stream);
void sac_vector_destroy(sac_vector* vector);

/* Starts a new episode everywhere, as episode number `episode` of each. */
sac_status sac_vector_reset(sac_vector* vector, uint64_t episode);

/* Starts the next episode of every environment i with vector->mask[i] != 0; the others go on. */
sac_status sac_vector_reset_masked(sac_vector* vector);

/* Scales vector->action to the environment's units and steps all: fills env_action, reward, terminated, truncated,
 * prev_obs, next_obs, info, finished; resets what ended, so obs is what to act on next. Errors: ENV; NUMERIC (names
 * step, environment and its agent). */
sac_status sac_vector_step(sac_vector* vector);

/* The last step as transitions for replay_push. */
sac_transitions sac_vector_transitions(const sac_vector* vector);

/* State of one agent's N environments with their episode statistics, for checkpoints. `exact` (may be NULL): 0 when the
 * environment has no state functions, so that set starts a new episode in its place. */
size_t sac_vector_state_size(const sac_vector* vector);
sac_status sac_vector_state_get(const sac_vector* vector, int32_t p, void* state);
sac_status sac_vector_state_set(sac_vector* vector, int32_t p, const void* state, int* exact);

#endif
