/* A training run: agents, environments, schedule, run folder. `sac train` is made of these functions.
 *
 * A program that runs inside Python must release Python's lock (the GIL) around sac_run_steps. With train.overlap
 * another thread steps the environments, and those of Gymnasium (gym:ID) need the lock. */
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

/* One row of metrics of one agent: `count` names and values. A value of NaN: nothing to report since the last row. */
typedef struct sac_metrics {
  int32_t agent; /* 0 to P-1 */
  int64_t step;  /* transitions so far, per agent */
  int32_t count;
  const char* const* name; /* "critic_loss", ..., then the terms of the environment's info, "info/x_position"; the
                              names live as long as the run */
  const double* value;
} sac_metrics;

/* One evaluation of one agent. */
typedef struct sac_evaluation {
  int32_t agent;
  int64_t step;
  int32_t episodes;
  const double* episode_return; /* (episodes) sum of the rewards of each episode, without discount */
  const int64_t* length;        /* (episodes) length of each episode, in steps */
  double mean, std;             /* of the returns; std divides by episodes - 1 */
} sac_evaluation;

/* Called from the thread that steps the run. Each may be NULL. A nonzero return value stops the run, as sac_run_stop
 * does. The structs and texts are valid during the call.
 *
 * evaluation: if an evaluation runs on a thread of its own, the callback may come some steps after the step of the
 * evaluation. It comes before the next scheduled checkpoint or evaluation, and before sac_run_steps ends the run. An
 * evaluation that is left has no callback until it is played again.
 * log: one line of text for people, without a newline. */
typedef struct sac_callbacks {
  void* user;
  int (*metrics)(void* user, const sac_metrics* metrics);
  int (*evaluation)(void* user, const sac_evaluation* evaluation);
  int (*log)(void* user, const char* line);
} sac_callbacks;

/* Creates a run in the folder of config key `out`, which it creates ("": runs/ENV/DATE-TIME). env: the caller's own
 * environment; NULL: that of key env.id. callbacks: copied; NULL: none. Errors: ARGUMENT (run or config is NULL),
 * CONFIG, ENV, MEMORY, FILE (the folder is in use, or already holds a run), DEVICE; FORMAT, SHAPE (what init.file or
 * replay.load names). */
SAC_API sac_status sac_run_create(sac_run** run, const sac_config* config, const sac_env_api* env,
                                  const sac_callbacks* callbacks);

/* Continues the run in `dir` from its last good checkpoint. If the environment can save its state, the
 * result has the same bits as that of a run that was never stopped. overrides: NULL, or a config whose keys from a file
 * or from sac_config_set replace the saved ones. A key that a resume may not change is an error, which names the key.
 * Errors: as sac_run_create; ARGUMENT also for an empty dir, FORMAT and SHAPE also for the run's own files. */
SAC_API sac_status sac_run_resume(sac_run** run, const char* dir, const sac_config* overrides, const sac_env_api* env,
                                  const sac_callbacks* callbacks);

/* Trains n more steps (transitions per agent), but not beyond train.steps; n = 0: up to train.steps. Evaluates, logs
 * and writes checkpoints as configured. An evaluation that was left is played again first. Errors: ARGUMENT (run is
 * NULL, n < 0), STOPPED (by sac_run_stop or a callback; a checkpoint has been written), NUMERIC, ENV, DEVICE, MEMORY,
 * FILE (with checkpoint.on_error=continue only at the end, if its checkpoint or rows on the way could not be written:
 * sac_run_save tries the checkpoint again). An error before the last step, but for ARGUMENT and STOPPED, fails the run:
 * every later call gives it again. */
SAC_API sac_status sac_run_steps(sac_run* run, int64_t n);

/* Asks sac_run_steps to stop. It finishes the current step of the environments, leaves an evaluation that is being
 * played, writes a checkpoint and returns STOPPED. The evaluation is played again by the next sac_run_steps, or after a
 * resume: its episodes and weights are the same, and so is evaluations.csv. */
SAC_API void sac_run_stop(sac_run* run);

/* Asks sac_run_steps to write a checkpoint after the current step of the environments, also in an evaluation, and to go
 * on. This call and sac_run_stop are the only ones that are allowed from another thread or from a signal handler.
 * With NULL they do nothing. */
SAC_API void sac_run_request_checkpoint(sac_run* run);

/* The agent, which the run owns; the run folder; the steps made so far, per agent. For run NULL: NULL, NULL and 0. */
SAC_API sac_agent* sac_run_agent(sac_run* run);
SAC_API const char* sac_run_folder(const sac_run* run);
SAC_API int64_t sac_run_step(const sac_run* run);

/* Writes a checkpoint now. If an evaluation is running, waits for it first and calls its callback. Errors: ARGUMENT
 * (run is NULL), FILE (the previous checkpoint stays), DEVICE; ENV, NUMERIC (an environment or the evaluation failed,
 * and so the run has); the error of a run that has failed. */
SAC_API sac_status sac_run_save(sac_run* run);

SAC_API void sac_run_destroy(sac_run* run);

#ifdef __cplusplus
}
#endif

#endif
