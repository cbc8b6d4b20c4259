/* Evaluation: deterministic episodes in environments and streams of their own; changes no training bit. */
#ifndef SAC_TRAIN_EVALUATE_H
#define SAC_TRAIN_EVALUATE_H

#include "agent/agent.h"
#include "env/vector.h"
#include "formats/safetensors.h"

/* The number of an evaluation that training never makes (it numbers them by their step). */
#define SAC_EVALUATION_APART ((uint64_t)1 << 63)

typedef struct sac_evaluator sac_evaluator;

/* Where episodes are played. */
typedef struct sac_arena {
  const sac_env_api* api;
  const char *id, *options;
  int in_turn; /* 1: one environment plays all episodes, one after the other; 0: one environment an episode, all stepped
                  together. The seeds of an episode are the same. */
} sac_arena;

/* Environments for `episodes` episodes an agent; in turn, of one agent alone. Where the host steps them, they are
 * `concurrent`, and learning leaves a processor free, they are played on a thread of their own, by a copy of the agent
 * on the CPU, while the agent goes on. Where it acts on the CPU too, the results are the same either way; for a CUDA
 * device it is the environment alone that decides whether the device acts or the copy. Errors: ENV, MEMORY. */
sac_status sac_evaluator_create(sac_evaluator** evaluator, sac_agent* agent, const sac_arena* arena, int32_t episodes);

/* Waits for an evaluation that has not ended. */
void sac_evaluator_destroy(sac_evaluator* evaluator);

/* The bytes that a copy will take beside the agent of this configuration; 0: none is made. */
size_t sac_evaluator_memory(const sac_config* config, const sac_env_spec* spec, const sac_env_api* api);

/* Begins an evaluation of every live agent; `number` picks the episodes' seeds (the same number, the same starts).
 * episode_return, length (P, episodes) are written until sac_evaluator_end returns its status. The agent is settled.
 * Errors: of copying, DEVICE. */
sac_status sac_evaluator_begin(sac_evaluator* evaluator, sac_agent* agent, uint64_t number, double* episode_return,
                               int64_t* length);

/* Whether it has ended: sac_evaluator_end will not wait. */
int sac_evaluator_done(const sac_evaluator* evaluator);

/* The end of what was begun. Errors: ENV, NUMERIC. */
sac_status sac_evaluator_end(sac_evaluator* evaluator);

/* Both at once. */
sac_status sac_evaluator_run(sac_evaluator* evaluator, sac_agent* agent, uint64_t number, double* episode_return,
                             int64_t* length);

/* The agent as it was when the last evaluation began: the copy or, where that was played at once, the agent itself. */
sac_agent* sac_evaluator_agent(const sac_evaluator* evaluator);

/* The same for a policy file; seed and SAC_EVALUATION_APART pick the episodes. episode_return, length (episodes).
 * Errors: ENV, FORMAT, SHAPE, NUMERIC, MEMORY. */
sac_status sac_evaluate_policy(const sac_safetensors* file, const sac_arena* arena, uint64_t seed, int32_t episodes,
                               double* episode_return, int64_t* length);

/* mean, and std with n - 1 (0 for n = 1). */
void sac_mean_std(const double* value, int32_t n, double* mean, double* std);

#endif
