/* The episodes of an evaluation: environments in which agents play them, and their results. */
#ifndef SAC_TRAIN_EPISODES_H
#define SAC_TRAIN_EPISODES_H

#include <stdatomic.h>
#include <stdint.h>

#include "env/vector.h"

/* The limit of an episode where neither eval.max_steps nor the environment has one. */
#define SAC_EVAL_STEPS_MAX 100000

/* How far an evaluation is. */
typedef struct sac_eval_play {
  int beside;       /* 1: another thread plays than the one that began the evaluation */
  int64_t ended;    /* episodes of all agents that have ended */
  int64_t episodes; /* that are played */
  int64_t steps;    /* made in them */
} sac_eval_play;

/* The environments of an evaluation, and how its episodes are played. The environments of an agent play a round of
 * episodes, one each, until all episodes are played. The seed of an episode, and so its return, does not depend on how
 * many environments there are. */
typedef struct sac_eval_env {
  const sac_env_api* api;
  const char *id, *options;
  int64_t num_envs;   /* environments of each agent, at most one for each episode; 0: one for each episode of a built-in
                         or MuJoCo task, otherwise 1 */
  int64_t max_steps;  /* an episode is cut after this many steps; 0: at the environment's own limit, or if it has none
                         after SAC_EVAL_STEPS_MAX */
  sac_vector* vector; /* play in the instance of these environments, which must outlive the evaluator; num_envs is then
                         theirs. NULL: make environments of their own */

  /* 1: actions are sampled from the policy; 0: they are its mode. An agent that samples is on the host. The noise is
   * that of the episode and its step, so it does not depend on how many environments there are either. */
  int sample;

  /* (P, episodes) of the evaluations: receives what sac_vector_success says of each episode; NULL: is not asked for. */
  double* success;

  /* Called between two steps by the thread that plays; NULL: not called. Not 0: the evaluation is left, and ends with
   * STOPPED. */
  int (*leave)(void* user, const sac_eval_play* play);
  void* user;
} sac_eval_env;

/* The environments that `env` makes for each agent for `episodes` episodes. */
int32_t sac_eval_env_count(const sac_eval_env* env, int32_t episodes);

/* The environments that play, and the results of their episodes. */
typedef struct sac_episodes {
  sac_vector* vector; /* P x M environments */
  float* noise;     /* (P, M, A) of the next actions: normal, or uniform for discrete ones; NULL: nothing is sampled */
  uint64_t* seed;   /* (P) of the noise */
  uint8_t* done;    /* (P, M) 1: the environment's episode of this round has ended, or it plays none */
  int32_t episodes; /* E: of each agent */
  int32_t limit;    /* steps of an episode, if it is not the environment's own limit; otherwise 0 */
  int by_default;   /* 1: the limit is SAC_EVAL_STEPS_MAX, because nothing sets one */
  int (*leave)(void* user, const sac_eval_play* play);
  void* user;
  sac_eval_play play; /* of the thread that plays */
  atomic_int ending;  /* 1: the evaluator is being destroyed */

  /* the last evaluation */
  uint64_t number;        /* picks the seeds of the episodes */
  double* episode_return; /* (P, E) */
  int64_t* length;        /* (P, E) */
  double* success;        /* (P, E) NULL: not asked for */
} sac_episodes;

/* Makes the environments in which each of P agents plays `episodes` episodes, or shares those of env->vector. seed (P)
 * of the agents. `episodes` begins as zeros, and sac_episodes_free takes a half-made one. Errors: ENV, MEMORY. */
sac_status sac_episodes_make(sac_episodes* e, const sac_eval_env* env, int32_t population, const uint64_t* seed,
                             int32_t episodes);
void sac_episodes_free(sac_episodes* e);

/* Makes one step, or a burst of steps, of all environments. noise: e->noise; NULL: the action is the mode. */
typedef sac_status sac_episodes_step(void* player, sac_vector* vector, const float* noise);

/* Plays all episodes. alive (P): 0 for agents that do not play, whose results are NaN. Errors: those of `step`, ENV,
 * STOPPED (e->leave asked for it, or e->ending is set). */
sac_status sac_episodes_play(sac_episodes* e, const uint8_t* alive, sac_episodes_step* step, void* player);

#endif
