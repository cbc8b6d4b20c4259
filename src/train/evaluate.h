/* Evaluation: episodes with the policy's mean action, in environments and random streams of their own. Changes nothing
 * in the training. */
#ifndef SAC_TRAIN_EVALUATE_H
#define SAC_TRAIN_EVALUATE_H

#include "agent/agent.h"
#include "env/vector.h"
#include "formats/safetensors.h"

/* The number of an evaluation outside training. Training numbers its evaluations by their step, and never uses it. */
#define SAC_EVALUATION_STANDALONE ((uint64_t)1 << 63)

typedef struct sac_evaluator sac_evaluator;

/* The environment of an evaluation. */
typedef struct sac_eval_env {
  const sac_env_api* api;
  const char *id, *options;
  int sequential; /* 1: one environment plays all episodes, one after another; 0: one environment for each episode,
                     all stepped together. The seeds of an episode are the same either way. */
} sac_eval_env;

/* Creates environments for `episodes` episodes per agent (one agent only when sequential).
 *
 * A copy of the agent on the CPU plays the episodes on a thread of its own, while the agent goes on training, if the
 * host steps the environments, they are `concurrent`, the episodes are not sequential, and training leaves a processor
 * free. For an agent on the CPU the results are the same with and without a copy. For an agent on a device the
 * environment alone decides whether device or copy plays, so the results do not depend on the number of processors.
 * Errors: ENV, MEMORY. */
sac_status sac_evaluator_create(sac_evaluator** evaluator, sac_agent* agent, const sac_eval_env* env, int32_t episodes);

/* Waits for an evaluation that has not ended. */
void sac_evaluator_destroy(sac_evaluator* evaluator);

/* The bytes of the agent's copy; 0: no copy is made for this configuration. */
size_t sac_evaluator_memory(const sac_config* config, const sac_env_spec* spec, const sac_env_api* api);

/* Starts an evaluation of every live agent. number: picks the seeds of the episodes; the same number gives the same
 * starts. episode_return, length (P, episodes) are written until sac_evaluator_end returns. The agent must be settled.
 * Errors: DEVICE, and those of copying. */
sac_status sac_evaluator_begin(sac_evaluator* evaluator, sac_agent* agent, uint64_t number, double* episode_return,
                               int64_t* length);

/* Whether the evaluation has ended, so that sac_evaluator_end will not wait. */
int sac_evaluator_done(const sac_evaluator* evaluator);

/* Waits for the evaluation. Errors: ENV, NUMERIC. */
sac_status sac_evaluator_end(sac_evaluator* evaluator);

/* Begins an evaluation and waits for it. */
sac_status sac_evaluator_run(sac_evaluator* evaluator, sac_agent* agent, uint64_t number, double* episode_return,
                             int64_t* length);

/* The agent as it was when the last evaluation began: the copy, or the agent itself when there is no copy. */
sac_agent* sac_evaluator_agent(const sac_evaluator* evaluator);

/* Evaluates a policy file. seed and SAC_EVALUATION_STANDALONE pick the episodes. episode_return, length (episodes).
 * Errors: ENV, FORMAT, SHAPE, NUMERIC, MEMORY. */
sac_status sac_evaluate_policy(const sac_safetensors* file, const sac_eval_env* env, uint64_t seed, int32_t episodes,
                               double* episode_return, int64_t* length);

/* Mean of value (n), and standard deviation with n - 1 (0 for n = 1). */
void sac_mean_std(const double* value, int32_t n, double* mean, double* std);

#endif
