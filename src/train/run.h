/* The inside of a run, shared by create.c, loop.c, save.c, report.c and resume.c. */
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

#define SAC_NOTE_MAX 700 /* characters of a line about the start of a run */
#define SAC_NOTES_MAX 8  /* such lines */

/* What one agent has done since its last row of metrics, and its best evaluation. Each checkpoint holds it, so that a
 * resumed run writes the same rows as an uninterrupted one. */
typedef struct sac_window {
  struct {
    int64_t steps, episodes; /* episodes: those that ended */
    int64_t episode_steps;   /* the sum of their lengths */
  } count;                   /* run.window (3) */
  double returns;            /* run.return: sum of their returns */
  int64_t best_step;         /* run.best_step: -1 before the first evaluation */
  double best_return;        /* run.best_return */
} sac_window;

/* One term of the environment's info, summed over the same steps. State info/NAME of a checkpoint. */
typedef struct sac_info_sum {
  double sum, count; /* of the values that were finite */
} sac_info_sum;

/* Wall time in seconds. State run.seconds, the only state that differs between two equal runs. */
typedef struct sac_run_seconds {
  double total;                  /* of the run so far, without pauses */
  double row;                    /* value of `total` at the last row of metrics */
  double stage[SAC_STAGE_COUNT]; /* in each stage since that row */
} sac_run_seconds;

/* What a run was given at its start, all agents alike. State run.start; zero where it was given nothing. */
typedef struct sac_run_start {
  uint64_t acts;   /* 1: the warm-up acts with the policy that the run starts from */
  uint64_t loaded; /* transitions that came along; they count as steps of the warm-up */
} sac_run_start;

struct sac_run {
  sac_config* config;
  sac_settings settings;
  sac_callbacks callbacks;
  char* config_text;  /* config.yaml */
  char** agent_text;  /* (P) config_text with the agent's own seed, and seeds: 1. For the agent's checkpoints, so that
                         each seed folder is complete */
  locale_t locale;    /* the C locale: log lines have decimal points, whatever locale the program has */
  sac_folder* folder; /* NULL until the folder is created */

  sac_agent* agent;
  sac_vector* vector;       /* training environments */
  sac_evaluator* evaluator; /* NULL: eval.every is 0 */
  int64_t evaluation_step;  /* step of the evaluation that was started and is not reported yet; -1: none */
  int evaluation_missing;   /* 1: the evaluation of the present step was left, or was due at the step of a resume and is
                               not in evaluations.csv; it is played before the next step */
  int64_t evaluation_left;  /* an earlier step whose evaluation was left, with whose weights the evaluator's copy plays
                               it  again before anything else; -1: none */
  double* episode_return;   /* (P, episodes) of that evaluation; the evaluator writes it while it plays */
  int64_t* episode_length;  /* (P, episodes) likewise, in steps */

  sac_schedule schedule;
  sac_run_start start;
  sac_run_seconds seconds;
  sac_window* window;                /* (P) */
  sac_info_sum* info;                /* (P, SAC_ENV_INFO_MAX) of each term of metric_list; NULL: there is no info */
  sac_metric_list metric_list;       /* columns of metrics.csv, which grows when a step gives a new term of info */
  int32_t info_known;                /* terms of the vector that have a place below */
  int32_t info_at[SAC_ENV_INFO_MAX]; /* the index in metric_list of each term of the vector; -1: no place left */
  double* best_return;               /* (P) of the file `best`, which may be newer than the last checkpoint */
  uint8_t* was_alive;                /* (P) agent->alive before the last burst of steps */
  uint64_t* updates_before;          /* (P) each agent's number of updates before the last burst */
  int64_t burst_start;               /* the step before the last burst */
  int32_t burst_due[SAC_BURST_MAX];  /* updates due at each of its steps */
  int32_t burst_steps;               /* vector steps of the last burst */
  uint8_t* env_state;                /* (P, env_state_size) for checkpoints */
  size_t env_state_size;

  sac_checkpoint** checkpoint; /* (P) */
  sac_metrics_files** metrics; /* (P) NULL: the agent had stopped before a resume */
  int64_t lost;                /* times that rows, or the best weights, could not be written, and why the last time */
  char lost_why[512];
  int64_t saved_step;     /* of the newest checkpoint that all live agents have; -1: none */
  uint32_t guard_changes; /* what environments have changed of the process, as far as it is logged */
  uint64_t env_warnings;  /* number of MuJoCo's warnings in this process that are older than the run */
  uint64_t warnings_due;  /* the number of later ones from which on they are logged again */

  char notes[SAC_NOTES_MAX][SAC_NOTE_MAX]; /* lines about the start of a new run, for the log */
  int32_t note_count;

  double clock_start;          /* when time was last added to `seconds`; 0: outside sac_run_steps */
  int ended_by_disk;           /* 1: sac_run_end_by_disk was called */
  int log_warned;              /* 1: it was said that log.txt cannot be written */
  uint64_t log_size;           /* bytes of log.txt at the last checkpoint */
  int end_row;                 /* 1: the row of metrics that only the end of the run makes is written */
  int finished;                /* 1: the last checkpoint, row and evaluation are written */
  sac_status failed;           /* not OK: the run cannot go on, and why */
  char failure[SAC_ERROR_MAX]; /* message of `failed`, or why the last agent stopped */

  /* called on the caller's thread while it plays or waits for an evaluation, often; NULL: not called */
  void (*waits)(void* user, sac_run* run);
  void* waits_user;
  _Atomic int64_t playing[3]; /* the present evaluation: episodes ended, to play, steps; of the thread that plays */

  atomic_int stop; /* 1: sac_run_stop was called; any thread may set it */
  atomic_int save; /* 1: sac_run_request_checkpoint was called; likewise */
};

/* --- needs.c ------------------------------------------------------------------------------------------------------ */

/* Finds the environment that env.id names, unless the caller gave one of its own (*env). Errors: ENV. */
sac_status sac_run_find_env(const sac_settings* settings, const sac_env_api** env);

/* The environments of evaluations. With eval.env: train they share the instance of `vector`. */
sac_eval_env sac_run_eval_env(const sac_settings* settings, const sac_env_api* env, sac_vector* vector);

/* What a run needs, for --dry-run. */
typedef struct sac_needs {
  size_t replay, rest;           /* bytes: of the replay, and all others */
  int64_t train_envs, eval_envs; /* environments of all agents: for training, and for evaluations alone */
  char device_why[SAC_WHY_MAX];  /* why `device: auto` chooses its device; "" when the configuration names one */
} sac_needs;

/* Computes what a run of this configuration needs, and checks that init.file and replay.load can be read. Makes one
 * environment, for its sizes. env: the caller's own environment, or NULL. Errors: CONFIG, ENV, FILE, FORMAT. */
sac_status sac_run_needs(const sac_config* config, const sac_env_api* env, sac_needs* needs);

/* Logs the bytes that this run needs, and a limit of evaluation episodes that nobody has set. */
void sac_run_log_needs(sac_run* run);

/* --- create.c ----------------------------------------------------------------------------------------------------- */

/* Creates all parts of a run that need no folder, from run->config and run->settings. Errors of the environment and
 * lack of memory appear here, before any file is written. */
sac_status sac_run_create_parts(sac_run* run, const sac_env_api* env, const sac_callbacks* callbacks);

/* Opens agent p's checkpoints in its seed folder. */
sac_status sac_run_open_checkpoint(sac_run* run, int32_t p);

/* Opens agent p's CSV files and events. rows_to: -1 for new files; otherwise rows up to these steps are kept. */
sac_status sac_run_open_metrics(sac_run* run, int32_t p, int64_t rows_to, int64_t evaluations_to);

/* Fills run->config_text and run->agent_text from run->config. */
sac_status sac_run_config_text(sac_run* run);

/* --- notice.c ----------------------------------------------------------------------------------------------------- */

/* Adds a line about the start of a new run, for the log; SAC_NOTES_MAX of them at most. */
void sac_run_note(sac_run* run, const char* format, ...) __attribute__((format(printf, 2, 3)));

/* Warns of a new run that is so short, or has so many environments, that no update is due. */
void sac_run_warn_no_update(sac_run* run);

/* Logs what the file system of the run folder lacks: locks, symbolic links. Needs a first checkpoint. */
void sac_run_log_lacks(sac_run* run);

/* --- written.c ---------------------------------------------------------------------------------------------------- */

/* Syncs log.txt, or warns that it cannot be synced; its size goes to run->log_size. Errors: FILE, which stops no run.
 */
sac_status sac_run_sync_log(sac_run* run);

/* Syncs the metrics of agent p; warns of files that were deleted or replaced, and are written again. Errors: FILE. */
sac_status sac_run_sync_metrics(sac_run* run, int32_t p);

/* Notes in agent p's next checkpoint what its files hold. */
void sac_run_note_written(const sac_run* run, int32_t p);

/* Warns of what the files of agent p have lost since its checkpoint was saved, when it is loaded and its metrics are
 * open. rows_to, evaluations_to: the last steps whose rows stay. */
void sac_run_warn_lost(sac_run* run, int32_t p, int64_t rows_to, int64_t evaluations_to);

/* The same for log.txt, when all agents are restored. */
void sac_run_warn_log(sac_run* run);

/* --- save.c ------------------------------------------------------------------------------------------------------- */

/* Saves a checkpoint of every live agent at the present step, after the report of an evaluation that was started.
 * Errors: FILE (the previous checkpoint stays); ENV, NUMERIC (from the evaluation or environments on a device). */
sac_status sac_run_save_checkpoint(sac_run* run);

/* Saves a checkpoint that is due. last: 1 if the run ends or stops here. Where the disk takes none, a run with
 * checkpoint.on_error `continue` goes on with a warning, unless this is the last. now: without waiting for an
 * evaluation that is being played; what a resume needs to play it again is saved with the checkpoint. Errors: as
 * sac_run_save_checkpoint, FILE as sac_run_end_by_disk. */
sac_status sac_run_checkpoint(sac_run* run, int last);
sac_status sac_run_checkpoint_now(sac_run* run, int last);

/* The end of a run whose files cannot be written: keeps the policies alone if they fit, and adds to the error message
 * what is kept and how to go on. Returns FILE. */
sac_status sac_run_end_by_disk(sac_run* run);

/* Whether sac_run_stop was called. */
static inline int sac_run_stopping(const sac_run* run) {
  return atomic_load_explicit(&run->stop, memory_order_relaxed);
}

/* Saves a checkpoint if sac_run_request_checkpoint was called. Errors: as sac_run_checkpoint_now. */
sac_status sac_run_save_requested(sac_run* run);

/* What an evaluation calls between two steps (sac_eval_env.leave): saves a checkpoint that was asked for. user: the
 * run. Returns 1 if the evaluation must be left. */
int sac_run_leave_evaluation(void* user, const sac_eval_play* play);

/* Deletes the checkpoints of a seed folder that are later than `step`, which must exist. */
void sac_run_delete_later(const char* dir, int64_t step);

/* Marks the run as failed: the last step is incomplete, and only what is on disk is good. Keeps the error message. */
void sac_run_fail(sac_run* run, sac_status status);

/* --- progress.c --------------------------------------------------------------------------------------------------- */

/* Reads how far the run in `dir` is; takes no lock and changes nothing. step: receives the step of the newest
 * checkpoint, but less than `steps` if the last evaluation is still to be played. steps: receives train.steps under
 * `overrides` (may be NULL). Errors: FILE, CONFIG. */
sac_status sac_run_read_progress(const char* dir, const sac_config* overrides, int64_t* step, int64_t* steps);

/* --- report.c ----------------------------------------------------------------------------------------------------- */

/* Writes one line for people to log.txt and to the log callback. */
void sac_run_log(sac_run* run, const char* format, ...) __attribute__((format(printf, 2, 3)));

/* Logs what the environment has changed of the process, each thing once (env/guard.h). */
void sac_run_log_guard(sac_run* run);

/* Adds the last `steps` vector steps, and the episodes that ended in them, to the windows. */
void sac_run_count_steps(sac_run* run, int32_t steps);

/* Gives a place in metric_list to the terms of info that the vector has got, and a state in the checkpoints. */
void sac_run_find_terms(sac_run* run);

/* State k of agent p's checkpoints: the sum of a term of info. */
sac_state sac_run_info_state(const sac_run* run, int32_t p, int32_t k);

/* Brings run->seconds up to now. */
void sac_run_count_time(sac_run* run);

/* Writes a row of metrics of each live agent. restart: 1 starts new windows afterwards. Errors: FILE. */
sac_status sac_run_report_metrics(sac_run* run, int restart);

/* Starts an evaluation of every live agent at the present step, after the report of the previous one. After
 * sac_run_stop it is not played, but missing. Errors: ENV, NUMERIC, FILE. */
sac_status sac_run_start_evaluation(sac_run* run);

/* Plays the evaluations that were left or are missing. Errors: likewise. */
sac_status sac_run_repeat_evaluation(sac_run* run);

/* Waits for the evaluation that was started, if there is one, and reports it: callbacks, `best`, evaluations.csv. Comes
 * before each scheduled checkpoint, because a checkpoint holds the best result of all earlier evaluations. After
 * sac_run_stop the evaluation is left: it is then missing. Errors: ENV, NUMERIC, FILE. */
sac_status sac_run_finish_evaluation(sac_run* run);

/* Decides what an error of writing rows means for the run: returns `status`, or logs a warning, counts the loss and
 * returns OK if `status` is FILE and checkpoint.on_error is `continue`. */
sac_status sac_run_file_error(sac_run* run, sac_status status);

/* Remembers for the end that something could not be written, for the reason of the error message: nothing makes up for
 * it. */
void sac_run_count_lost(sac_run* run);

/* Logs the error message as a warning: the run goes on without this file. */
void sac_run_warn_disk(sac_run* run);

#endif
