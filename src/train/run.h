/* A run's inside: what run.c (the loop), rows.c (metrics, evaluations), begin.c (new runs) and resume.c share. */
#ifndef SAC_TRAIN_RUN_H
#define SAC_TRAIN_RUN_H

#include <locale.h>
#include <stdatomic.h>

#include <sac/run.h>

#include "agent/agent.h"
#include "env/vector.h"
#include "train/checkpoint.h"
#include "train/evaluate.h"
#include "train/folder.h"
#include "train/metrics.h"
#include "train/schedule.h"
#include "util/error.h"

/* What one agent has done since its last row of metrics, and its best evaluation. Saved with each of its checkpoints,
 * so that the rows of a resumed run are those of an uninterrupted one. */
typedef struct sac_window {
  int64_t count[3];   /* run.window: steps, episodes ended, sum of their lengths */
  double returns;     /* run.return: sum of their returns */
  int64_t best_step;  /* run.best_step: -1 before the first evaluation */
  double best_return; /* run.best_return */
} sac_window;

/* A term of info over the same steps, state info/NAME. */
typedef struct sac_info_sum {
  double sum, count; /* of the values that were finite */
} sac_info_sum;

/* Wall time, run.seconds: the only saved state that differs between equal runs. */
typedef struct sac_run_seconds {
  double total;                  /* of the run so far, pauses apart */
  double row;                    /* `total` at the last row of metrics */
  double stage[SAC_STAGE_COUNT]; /* in each stage since that row */
} sac_run_seconds;

struct sac_run {
  sac_config* config;
  sac_settings settings;
  sac_callbacks callbacks;
  char* config_text; /* config.yaml */
  char** agent_text; /* (P) kept in each agent's checkpoints: the same with the agent's own seed, and seeds 1, so that a
                        seed folder is complete by itself */
  locale_t locale;   /* the C locale: log lines have decimal points, whatever the program's locale is */
  sac_folder* folder;

  sac_agent* agent;
  sac_vector* vector;       /* training environments */
  sac_evaluator* evaluator; /* NULL: eval.every is 0 */
  int64_t evaluating;       /* the step whose evaluation has begun and is not reported; -1: none */
  int evaluation_owed;      /* that of the resumed checkpoint's step, which was due after it and was not made */
  double* episode_return;   /* (P, episodes) of an evaluation */
  int64_t* episode_length;  /* (P, episodes) */

  sac_schedule schedule;
  sac_run_seconds seconds;
  sac_window* window; /* (P) */
  sac_info_sum* info; /* (P, I); NULL: the environment tells nothing */
  sac_metric_list list;
  double* best_return; /* (P) of the file `best`: of all evaluations, the one at the end of an earlier part too */
  uint8_t* was_alive;  /* (P) agent->alive at the step before */
  uint64_t* updates;   /* (P) each agent's updates before the last burst of steps */
  int64_t burst_start; /* the step before it */
  int32_t burst_due[SAC_BURST_MAX]; /* updates due at each of its steps */
  int32_t burst_steps;
  uint8_t* env_state; /* (P, env_state_size) for checkpoints */
  size_t env_state_size;

  sac_checkpoint** checkpoint; /* (P) */
  sac_metrics_files** metrics; /* (P) */
  int64_t saved_step;          /* of the newest checkpoint; -1: none */
  uint64_t env_warnings;       /* of MuJoCo in this process that log.txt tells of, or that are older than the run */

  double entered; /* when time was counted last; 0: outside sac_run_steps */
  int finished;
  sac_status failed;           /* not OK: the run cannot go on, and why */
  char failure[SAC_ERROR_MAX]; /* sac_last_error of that, or of the last agent that stopped */
  atomic_int stop;
};

/* --- begin.c ------------------------------------------------------------------------------------------------------ */

/* The bytes a run of this configuration takes, before it is made. Errors: CONFIG, ENV. */
sac_status sac_run_memory(const sac_config* config, const sac_env_api* env, size_t* replay, size_t* rest);

/* Everything of a run that needs no folder, from run->config and run->settings. */
sac_status sac_run_build(sac_run* run, const sac_env_api* env, const sac_callbacks* callbacks);

/* Agent p's writer of checkpoints in its seed folder. */
sac_status sac_run_open_checkpoint(sac_run* run, int32_t p);

/* Agent p's CSVs and events. -1: new ones; otherwise rows up to these steps are kept. */
sac_status sac_run_open_metrics(sac_run* run, int32_t p, int64_t rows_to, int64_t evaluations_to);

/* run->config_text and ->agent_text from run->config. */
sac_status sac_run_config_text(sac_run* run);

/* The line that tells what the run takes in memory. */
void sac_run_log_memory(sac_run* run);

/* Puts the actor of file `init` into every agent. */
sac_status sac_run_init(sac_run* run);

/* --- resume.c ----------------------------------------------------------------------------------------------------- */

/* Where the run in `dir` is, without touching it: the step of its newest checkpoint, and train.steps under `overrides`
 * (may be NULL). Errors: FILE, CONFIG. */
sac_status sac_run_peek(const char* dir, const sac_config* overrides, int64_t* step, int64_t* steps);

/* Removes the checkpoints of a seed folder that are later than `step`, which is there. */
void sac_run_drop_later(const char* dir, int64_t step);

/* --- rows.c ------------------------------------------------------------------------------------------------------- */

/* One line for people: log.txt and the log callback. */
void sac_run_log(sac_run* run, const char* format, ...) __attribute__((format(printf, 2, 3)));

/* Adds the last `steps` vector steps, and the episodes that ended in them. */
void sac_run_count(sac_run* run, int32_t steps);

/* A row of metrics of each live agent; `restart`: the windows begin anew. Errors: FILE. */
sac_status sac_run_row(sac_run* run, int restart);

/* Begins an evaluation of every live agent at the present step, after the report of the one before. Errors: ENV,
 * NUMERIC, FILE. */
sac_status sac_run_evaluate(sac_run* run);

/* Reports the evaluation that was begun, when one was, waiting for its end: evaluations.csv, callbacks, `best`. A
 * checkpoint holds what all evaluations before its step have said, so this comes before it. Errors: ENV, NUMERIC, FILE.
 */
sac_status sac_run_evaluated(sac_run* run);

/* What to do about a file that could not be written: `status`, or OK when checkpoint.on_error is `continue`. */
sac_status sac_run_disk(sac_run* run, sac_status status);

/* Brings `seconds` up to now. */
void sac_run_clock(sac_run* run);

#endif
