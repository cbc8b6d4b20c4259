/* A training run: agents, environments, schedule, run folder. What `sac train` is made of. */
#ifndef SAC_RUN_H
#define SAC_RUN_H

#include <stddef.h>
#include <stdint.h>

#include <sac/agent.h>
#include <sac/config.h>
#include <sac/env.h>
#include <sac/status.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct sac_run sac_run;

/* One row of metrics of one agent: `count` names and values (NaN: nothing to report in this window). */
typedef struct sac_metrics {
  int32_t agent; /* 0 to P-1 */
  int64_t step;  /* transitions so far, per agent */
  int32_t count;
  const char* const* name; /* "critic_loss", ..., then the terms of the environment's info, "info/x_position"; they
                              live as long as the run */
  const double* value;
} sac_metrics;

/* One evaluation of one agent. */
typedef struct sac_evaluation {
  int32_t agent;
  int64_t step;
  int32_t episodes;
  const double* episode_return; /* (episodes) undiscounted sum of rewards */
  const int64_t* length;        /* (episodes) steps */
  double mean, std;             /* of the returns; std with episodes - 1 */
} sac_evaluation;

/* Called from the thread that steps the run. A nonzero return stops the run cleanly. Any may be NULL. The pointed-to
 * data is valid during the call. evaluation: where evaluations are played on a thread of their own, it comes some steps
 * after the one it is of, at the latest before the next checkpoint, evaluation, stop or end. log: one line of text for
 * people, without its newline. */
typedef struct sac_callbacks {
  void* user;
  int (*metrics)(void* user, const sac_metrics* metrics);
  int (*evaluation)(void* user, const sac_evaluation* evaluation);
  int (*log)(void* user, const char* line);
} sac_callbacks;

/* Starts a run in the folder of config key `out` (created; "" gives runs/ENV/DATE-TIME). env: the caller's own
 * environment table, NULL: found by env.id. Errors: CONFIG, ENV, MEMORY, FILE (folder in use, or already holds a run),
 * DEVICE. */
SAC_API sac_status sac_run_create(sac_run** run, const sac_config* config, const sac_env_api* env,
                                  const sac_callbacks* callbacks);

/* Continues the run in `dir` from its last good checkpoint, exactly. overrides: NULL, or a config whose set keys
 * replace saved ones; keys that cannot change are refused by name. Errors: as create, and FORMAT. */
SAC_API sac_status sac_run_resume(sac_run** run, const char* dir, const sac_config* overrides, const sac_env_api* env,
                                  const sac_callbacks* callbacks);

/* A caller inside Python gives up Python's lock (the GIL) around these calls: environments of Gymnasium may be stepped
 * by another thread, which wants it.
 *
 * Trains up to n more steps (transitions per agent), at most to train.steps; n = 0: to train.steps. Evaluates, logs and
 * checkpoints as configured. Errors: STOPPED (sac_run_stop or a callback; a checkpoint has been written), NUMERIC, ENV,
 * FILE. */
SAC_API sac_status sac_run_steps(sac_run* run, int64_t n);

/* Asks sac_run_steps to finish its step and what is being played of an evaluation, checkpoint and return STOPPED. The
 * only call allowed from another thread or a signal handler. */
SAC_API void sac_run_stop(sac_run* run);

SAC_API sac_agent* sac_run_agent(sac_run* run);         /* borrowed, lives as long as the run */
SAC_API const char* sac_run_folder(const sac_run* run); /* the run folder */
SAC_API int64_t sac_run_step(const sac_run* run);       /* steps made so far, per agent */

/* Writes a checkpoint now, after the evaluation that is being played, when one is: its callback comes from here.
 * Errors: FILE (the previous checkpoint stays); ENV, NUMERIC (of the evaluation; the run has failed). */
SAC_API sac_status sac_run_save(sac_run* run);

SAC_API void sac_run_destroy(sac_run* run);

#ifdef __cplusplus
}
#endif

#endif
