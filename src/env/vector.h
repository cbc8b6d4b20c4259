/* P*N environments stepped together, with time limit, resets, finished episodes and checks. Environment i of agent p
 * has index p*N + i.
 *
 * Seeds: episode e of environment i of agent p starts from 64 bits of Philox(key: seed of p, stream: env i, position:
 * e). So an agent's episodes depend neither on the population nor on evaluations. */
#ifndef SAC_ENV_VECTOR_H
#define SAC_ENV_VECTOR_H

#include <stddef.h>
#include <stdint.h>

#include <sac/agent.h>
#include <sac/env.h>

#include "env/guard.h"
#include "util/worker.h"

/* An episode that ended in the last step. */
typedef struct sac_episode {
  int32_t env;           /* index p*N + i */
  double episode_return; /* undiscounted sum of rewards */
  int64_t length;        /* steps */
} sac_episode;

#define SAC_BURST_MAX 256 /* the most steps that a backend queues before the host checks whether agents must stop */

typedef struct sac_vector {
  const sac_env_api* api;
  void* self;
  sac_guard guard; /* of an environment from outside (list.h) */
  char id[128];
  sac_env_spec spec;
  const char* description; /* JSON: what the numbers of observation and action are; NULL: not known */
  int32_t population;      /* P */
  int32_t num_envs;        /* N */
  uint64_t stream;         /* first stream: sac_stream_env(0) or sac_stream_eval_env(0) */
  uint64_t* seed;          /* (P) */

  float* obs;          /* (P, N, O) current observations: what act reads */
  float* action;       /* (P, N, A) in [-1, 1]: what act writes. Discrete: the action's number */
  float* env_action;   /* (P, N, A) in the environment's units */
  float* prev_obs;     /* (P, N, O) observations before the last step: the transition's obs */
  float* reward;       /* (P, N) */
  uint8_t* terminated; /* (P, N) */
  uint8_t* truncated;  /* (P, N) by the environment or by max_episode_steps */
  float* next_obs;     /* (P, N, O) the true next observation */

  int32_t info_count;           /* I: terms of the environment's info, which steps may add to */
  const char* const* info_name; /* (I, then NULL) owned by the environment; NULL: it has no info */
  float* info;                  /* (P, N, I) of the last step, NaN where it had no such term; NULL: it has no info */

  uint64_t* episode;       /* (P, N) episodes started: the next seed's position */
  double* episode_return;  /* (P, N) of the running episode */
  int64_t* episode_length; /* (P, N) of the running episode, in steps */
  uint64_t steps;          /* taken by the whole vector: each gives P*N transitions */

  int32_t finished_count; /* episodes that ended in the last step, or in the last burst of steps */
  sac_episode* finished;  /* (burst * P * N) in the order of steps */

  uint8_t* mask;        /* (P, N) 1: to be reset */
  uint64_t* reset_seed; /* (P, N) */

  int keep_ended; /* 1: sac_vector_step starts no episodes; the caller resets those that ended, which `mask` marks */
  int end_all;    /* 1: the next step ends every episode, as truncated; it becomes 0 */
  int ended;      /* 1: all episodes have ended, and sac_vector_start begins the next ones */
  int borrowed;   /* 1: the instance is that of another vector, which destroys it */

  sac_worker* worker; /* steps while the agent learns (step.h, sac_step_overlap); NULL: the caller's thread steps */

  /* For a backend that steps the environments itself (sac_backend.env_attach). The members above then hold what
   * sac_backend.env_get last wrote. */
  void* resident; /* the backend's own data; NULL: the host steps */
  void (*resident_destroy)(struct sac_vector* vector);
  int changed;   /* 1: the host has reset environments or set their state since the backend last read it */
  int32_t burst; /* steps that may be queued before their episodes are collected; 1 when the host steps */
} sac_vector;

/* Finds the table of functions for `id`: of a built-in task, MuJoCo's, Gymnasium's (env/gym.h), or of a user's shared
 * object (env/plugin.h), which it loads. Errors: ENV (the message names the nearest id, or what cannot be loaded). */
sac_status sac_env_find(const char* id, const sac_env_api** api);

/* Makes P*N environments of `id` and starts their first episodes. seed (P), copied. Errors: ARGUMENT, ENV, MEMORY,
 * NUMERIC (a first observation); CONFIG (options). */
sac_status sac_vector_create(sac_vector** vector, const sac_env_api* api, const char* id, const char* options,
                             int32_t population, int32_t num_envs, const uint64_t* seed, uint64_t stream);
void sac_vector_destroy(sac_vector* vector);

/* Makes a second vector on the instance of `owner`, with arrays and a stream of its own. info: 0 to leave out the terms
 * of info. Its first episodes start with sac_vector_reset. The episodes of `owner` must have ended (`ended`), and
 * `owner` must outlive it. Errors: MEMORY. */
sac_status sac_vector_share(sac_vector** vector, const sac_vector* owner, uint64_t stream, int info);

/* Compares the sizes with O, A and the number of discrete actions of an agent: a constructor may give others each time.
 * Errors: ENV. */
sac_status sac_vector_fits(const sac_vector* vector, int32_t obs, int32_t action, int32_t actions);

/* The success of environment i's episode that ended in the last step, by the term is_success of its info, or else
 * success: 1 or 0; NaN where it has neither. */
double sac_vector_success(const sac_vector* vector, int32_t i);

/* Starts episode number `episode`, counted from 0, in every environment. */
sac_status sac_vector_reset(sac_vector* vector, uint64_t episode);

/* Starts the next episode in every environment i with vector->mask[i] != 0. */
sac_status sac_vector_reset_masked(sac_vector* vector);

/* Starts the next episode in every environment, if all have ended (`ended`). */
sac_status sac_vector_start(sac_vector* vector);

/* Scales vector->action to the environment's units and steps all environments. Writes env_action, reward, terminated,
 * truncated, prev_obs, next_obs, info and finished. Starts a new episode where one ended, so obs is what to act on
 * next; not with keep_ended, and not where end_all ends all of them. An episode that only end_all ended is not in
 * finished. Errors: ENV; NUMERIC (the message names the step, the environment and its agent). */
sac_status sac_vector_step(sac_vector* vector);

/* Seeds the random generators that environments from outside share (generators.h) for what begins at `position`: 0, the
 * number of an evaluation, or the step of a resume. */
void sac_vector_seed_generators(const sac_vector* vector, uint64_t position);

/* Around the steps that one call of the library makes: the environment may change the process only for a moment
 * (guard.h). check: nothing is changed now; before files are made. Errors of check: ENV (the environment has closed
 * files of the host). The library's own environments cost nothing. */
void sac_vector_begin(sac_vector* vector);
sac_status sac_vector_check(sac_vector* vector);
void sac_vector_end(sac_vector* vector);

/* The last step as transitions, for replay push. They point into the vector, and hold until its next step. */
sac_transitions sac_vector_transitions(const sac_vector* vector);

/* The state of agent p's N environments with their episode statistics, for checkpoints. In set, environments without
 * state functions start a new episode instead, and *exact (may be NULL) becomes 0; otherwise 1. Where all episodes have
 * ended, the next one starts from its seed alone, so its environment's own state is neither saved nor restored. Errors:
 * ENV; FORMAT (damaged), NUMERIC. */
size_t sac_vector_state_size(sac_vector* vector);
sac_status sac_vector_state_get(sac_vector* vector, int32_t p, void* state);
sac_status sac_vector_state_set(sac_vector* vector, int32_t p, const void* state, int* exact);

#endif
