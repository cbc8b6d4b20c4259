/* Evaluation: episodes with the mode of the policy, in random streams of their own. Changes nothing in the training;
 * only with eval.env: train it needs the instance of the training environments, whose episodes must have ended. */
#ifndef SAC_TRAIN_EVALUATE_H
#define SAC_TRAIN_EVALUATE_H

#include "agent/agent.h"
#include "env/vector.h"
#include "formats/safetensors.h"
#include "train/episodes.h"

/* The number of an evaluation outside training. Training numbers its evaluations by their step, and never uses it. */
#define SAC_EVALUATION_STANDALONE ((uint64_t)1 << 63)

typedef struct sac_evaluator sac_evaluator;

/* Creates environments for `episodes` episodes per agent.
 *
 * A copy of the agent on the CPU plays the episodes on a thread of its own, while the agent goes on training, if the
 * host steps the environments, they are `concurrent` and the evaluator's own, and training leaves a processor free. For
 * an agent on the CPU the results are the same with and without a copy. For an agent on a device the environment alone
 * decides whether device or copy plays, so the results do not depend on the number of processors. Errors: ENV, MEMORY.
 */
sac_status sac_evaluator_create(sac_evaluator** evaluator, sac_agent* agent, const sac_eval_env* env, int32_t episodes);

/* Leaves an evaluation that has not ended. */
void sac_evaluator_destroy(sac_evaluator* evaluator);

/* The bytes of the agent's copy; 0: no copy is made for this configuration. */
size_t sac_evaluator_memory(const sac_config* config, const sac_env_spec* spec, const sac_env_api* api);

/* Starts an evaluation of every live agent. agent: the one that was given to sac_evaluator_create, or that of
 * sac_evaluator_agent or sac_evaluator_copy, which then plays as it is. number: picks the seeds of the episodes; the
 * same number gives the same starts. episode_return, length (P, episodes) are written until sac_evaluator_end returns.
 * The agent must be settled. Errors: DEVICE, and those of copying. */
sac_status sac_evaluator_begin(sac_evaluator* evaluator, sac_agent* agent, uint64_t number, double* episode_return,
                               int64_t* length);

/* Whether the evaluation has ended, so that sac_evaluator_end will not wait. */
int sac_evaluator_done(const sac_evaluator* evaluator);

/* Waits until the evaluation has ended, at most `seconds`. Returns whether it has. */
int sac_evaluator_wait(sac_evaluator* evaluator, double seconds);

/* Waits for the evaluation. STOPPED: it was left, and must be begun again; the episodes that had not ended have a
 * return of NaN. Errors: ENV, NUMERIC. */
sac_status sac_evaluator_end(sac_evaluator* evaluator);

/* Begins an evaluation and waits for it. */
sac_status sac_evaluator_run(sac_evaluator* evaluator, sac_agent* agent, uint64_t number, double* episode_return,
                             int64_t* length);

/* The agent as it was when the last evaluation began: the copy, or the agent itself when there is no copy. */
sac_agent* sac_evaluator_agent(const sac_evaluator* evaluator);

/* The copy that plays, which is made if there is none yet. For an evaluation with the weights of an earlier step.
 * Errors: MEMORY. */
sac_status sac_evaluator_copy(sac_evaluator* evaluator, sac_agent** copy);

/* The limit of an episode in steps, if it is not the environment's own; otherwise 0. by_default: whether neither
 * eval.max_steps nor the environment sets one; may be NULL. */
int32_t sac_evaluator_limit(const sac_evaluator* evaluator, int* by_default);

/* Evaluates a policy file (evaluate_policy.c). seed and SAC_EVALUATION_STANDALONE pick the episodes. episode_return,
 * length (episodes). limit: receives what sac_evaluator_limit gives. STOPPED: as sac_evaluator_end. Errors: ENV,
 * FORMAT, SHAPE, NUMERIC, MEMORY. */
sac_status sac_evaluate_policy(const sac_safetensors* file, const sac_eval_env* env, uint64_t seed, int32_t episodes,
                               double* episode_return, int64_t* length, int32_t* limit);

/* Mean of value (n), and standard deviation with n - 1 (0 for n = 1). */
void sac_mean_std(const double* value, int32_t n, double* mean, double* std);

#endif
