/* Saves checkpoints of a run. */
#include <stdio.h>
#include <string.h>

#include "train/run.h"
#include "util/error.h"
#include "util/file.h"
#include "util/program.h"
#include "util/text.h"

/* --- later checkpoints -------------------------------------------------------------------------------------------- */

void sac_run_delete_later(const char* dir, int64_t step) {
  char path[SAC_PATH_MAX], aside[SAC_PATH_MAX];
  int64_t list[SAC_CHECKPOINT_LIST_MAX];

  /* point `last` to a checkpoint that stays */
  const int32_t count = sac_checkpoint_list(dir, list, SAC_CHECKPOINT_LIST_MAX);
  if (count < 1 || list[0] <= step) return;
  sac_checkpoint_point_last(dir, step);

  /* delete later checkpoints; rename damaged ones, so that somebody can look at them */
  for (int32_t c = 0; c < count && list[c] > step; c++) {
    if (sac_path(path, "%s/checkpoints/step_%lld.safetensors", dir, (long long)list[c]) != SAC_OK ||
        sac_path(aside, "%s.damaged", path) != SAC_OK)
      continue;
    if (sac_checkpoint_probe(dir, list[c], NULL, 0) == SAC_OK) (void)remove(path);
    else (void)rename(path, aside);
  }
}

/* Deletes the checkpoints of the present step from the first `count` agents, the last of which could not save its own.
 * Without this, on a disk that stays full, the agents would soon have no step in common, because each agent keeps only
 * its newest checkpoints. Keeps the error message. */
static void undo_save(const sac_run* run, int32_t count) {
  char dir[SAC_PATH_MAX], message[SAC_ERROR_MAX];

  /* keep the message: deleting replaces it when it fails */
  (void)snprintf(message, sizeof message, "%s", sac_last_error());

  /* go back to the newest step that all agents have saved */
  for (int32_t p = 0; p < count && run->saved_step >= 0; p++)
    if (run->agent->alive[p] && sac_folder_seed(run->folder->path, run->agent->seed[p], dir) == SAC_OK)
      sac_run_delete_later(dir, run->saved_step);
  (void)sac_fail(SAC_ERROR_FILE, "%s", message);
}

/* --- saving ------------------------------------------------------------------------------------------------------- */

/* Saves agent p: first its metrics, then the checkpoint that relies on them, then the policy. */
static sac_status save_agent(sac_run* run, int32_t p, int32_t keep) {
  sac_status status = SAC_OK;

  /* rows that a disk has refused to sync may be lost, also if a later sync succeeds */
  status = sac_run_sync_metrics(run, p);
  if (status == SAC_ERROR_FILE) sac_run_count_lost(run);
  if (status != SAC_OK) return status;
  sac_run_note_written(run, p);

  /* save the checkpoint, then the policy */
  SAC_TRY(sac_vector_state_get(run->vector, p, run->env_state + (size_t)p * run->env_state_size));
  SAC_TRY(sac_checkpoint_save(run->checkpoint[p], run->schedule.step, keep, run->agent_text[p]));
  SAC_TRY(sac_checkpoint_policy(run->checkpoint[p], run->vector->description));
fail:
  return status;
}

/* Saves for each agent what a resume needs to play the evaluation of an earlier step again, which has not ended or was
 * left; otherwise removes what an earlier checkpoint has saved. */
static sac_status save_evaluation(sac_run* run) {
  const int64_t playing = run->evaluation_step, step = playing >= 0 ? playing : run->evaluation_left;
  const int needed = step >= 0 && step < run->schedule.step;
  const sac_agent* agent = needed ? sac_evaluator_agent(run->evaluator) : run->agent;
  sac_status status = SAC_OK;
  for (int32_t p = 0; p < agent->shape.population; p++) {
    if (!agent->alive[p] || !run->agent->alive[p]) continue;
    if (needed) SAC_TRY(sac_checkpoint_evaluation(run->checkpoint[p], agent, step, run->agent_text[p]));
    else sac_checkpoint_evaluation_done(run->checkpoint[p]);
  }
fail:
  return status;
}

/* Writes config.yaml again if somebody has deleted it: without it the folder holds no run. */
static void restore_config(sac_run* run) {
  if (run->saved_step < 0 || sac_folder_holds_run(run->folder->path)) return;
  if (sac_folder_config_write(run->folder, run->config_text) == SAC_OK)
    sac_run_log(run, "warning: %s/config.yaml was deleted: it is written again", run->folder->shown);
}

/* Saves a checkpoint of every live agent, without waiting for an evaluation that is being played. */
static sac_status save_now(sac_run* run) {
  const sac_agent* agent = run->agent;
  sac_status status = SAC_OK;

  /* Agents are saved one after another. At least two checkpoints of a population are kept, so that after a kill in
   * between all agents still have a step in common. */
  int32_t keep = (int32_t)run->settings.checkpoint_keep;
  if (agent->shape.population > 1 && keep < 2) keep = 2;

  /* bring everything that is saved up to date: time, environments on a device, an evaluation that goes on */
  SAC_TRY(sac_vector_check(run->vector));
  sac_run_count_time(run);
  if (agent->backend->env_get) status = agent->backend->env_get(run->agent, run->vector, 1);
  if (status == SAC_OK) {
    (void)sac_run_sync_log(run);
    restore_config(run);
    status = save_evaluation(run);
  }

  /* save the live agents */
  for (int32_t p = 0; p < agent->shape.population && status == SAC_OK; p++) {
    if (!agent->alive[p]) continue;
    status = save_agent(run, p, keep);
    if (status != SAC_OK) undo_save(run, p + 1);
  }

  /* remember the step only when all agents have it */
  if (status == SAC_OK) run->saved_step = run->schedule.step;
fail:
  if (status != SAC_OK) sac_fail_prefix("checkpoint of step %lld: ", (long long)run->schedule.step);
  return status;
}

sac_status sac_run_save_checkpoint(sac_run* run) {
  sac_status status = SAC_OK;

  /* report the evaluations first: the checkpoint holds the best result */
  SAC_TRY(sac_run_finish_evaluation(run));
  SAC_TRY(sac_run_repeat_evaluation(run));
  SAC_TRY(sac_run_finish_evaluation(run));
  return save_now(run);
fail:
  return status;
}

/* Writes the policies of the live agents. Returns 0 when one does not fit either. */
static int keep_policies(const sac_run* run) {
  int kept = 1;
  for (int32_t p = 0; p < run->agent->shape.population; p++)
    if (run->agent->alive[p] && run->checkpoint[p])
      kept &= sac_checkpoint_policy(run->checkpoint[p], run->vector->description) == SAC_OK;
  return kept;
}

sac_status sac_run_end_by_disk(sac_run* run) {
  char reason[SAC_ERROR_MAX], word[SAC_WORD_MAX];
  const int alone = run->agent->shape.population == 1;
  if (run->ended_by_disk) return SAC_ERROR_FILE; /* the message says so already */
  run->ended_by_disk = 1;
  (void)snprintf(reason, sizeof reason, "%s", sac_last_error());

  /* the actors alone are small, and may fit where a checkpoint does not */
  const int kept = run->saved_step == run->schedule.step || keep_policies(run);
  return sac_fail(SAC_ERROR_FILE,
                  "%s; policy.safetensors in %s/seed_%s %s; when files can be written again, '%s resume %s' goes on "
                  "from step %lld",
                  reason, run->folder->shown, alone ? sac_config_get(run->config, "seed") : "*",
                  kept ? "is of this step" : "could not be written either", sac_program(),
                  sac_text_word(word, run->folder->shown), (long long)run->saved_step);
}

/* Decides what the result of saving a checkpoint means for the run. */
static sac_status after_saving(sac_run* run, sac_status status, int last) {
  if (status != SAC_ERROR_FILE) return status;
  if (last || run->settings.checkpoint_on_error != SAC_ON_ERROR_CONTINUE) return sac_run_end_by_disk(run);

  /* a later checkpoint replaces this one */
  sac_run_warn_disk(run);
  return SAC_OK;
}

sac_status sac_run_checkpoint(sac_run* run, int last) { return after_saving(run, sac_run_save_checkpoint(run), last); }

sac_status sac_run_checkpoint_now(sac_run* run, int last) { return after_saving(run, save_now(run), last); }

/* Saves a checkpoint if one was asked for. */
static sac_status save_requested(sac_run* run) {
  sac_status status = SAC_OK;
  if (run->failed || !atomic_load_explicit(&run->save, memory_order_relaxed)) return SAC_OK;

  /* clear the request first: one that comes while the checkpoint is written counts */
  atomic_store(&run->save, 0);
  if (run->saved_step != run->schedule.step) SAC_TRY(save_now(run));
  sac_run_log(run, "step %lld: checkpoint written on request", (long long)run->schedule.step);
fail:
  return status;
}

sac_status sac_run_save_requested(sac_run* run) { return after_saving(run, save_requested(run), 0); }

int sac_run_leave_evaluation(void* user, const sac_eval_play* play) {
  sac_run* run = user;

  /* tell how far it is; the thread of the run may show it */
  atomic_store_explicit(&run->playing[0], play->ended, memory_order_relaxed);
  atomic_store_explicit(&run->playing[1], play->episodes, memory_order_relaxed);
  atomic_store_explicit(&run->playing[2], play->steps, memory_order_relaxed);
  if (!play->beside && run->waits) run->waits(run->waits_user, run);

  /* The thread of the run saves. If that fails, leave the evaluation: the loop of the run tries once more, and decides
   * what a failure means. */
  if (!play->beside && save_requested(run) != SAC_OK) {
    sac_run_request_checkpoint(run);
    return 1;
  }
  return sac_run_stopping(run);
}

/* Adds to run->failure how to go on after an error of the environment. It follows a traceback on a line of its own. */
static void add_checkpoint(sac_run* run, sac_status status) {
  char tail[2 * SAC_WORD_MAX + 128], word[SAC_WORD_MAX];
  const size_t size = sizeof run->failure;
  int alive = 0;

  /* not where all agents have stopped: a resume would not go on with them */
  for (int32_t p = 0; p < run->agent->shape.population; p++) alive += run->agent->alive[p];
  if (run->saved_step < 0 || !alive || (status != SAC_ERROR_ENV && status != SAC_ERROR_NUMERIC)) return;
  const int length = snprintf(tail, sizeof tail, "%s'%s resume %s' continues from the checkpoint of step %lld",
                              strchr(run->failure, '\n') ? "\n" : "; ", sac_program(),
                              sac_text_word(word, run->folder->shown), (long long)run->saved_step);

  /* a long message is cut for it */
  const size_t used = strlen(run->failure), most = size - 1 - (size_t)length;
  memcpy(run->failure + (used < most ? used : most), tail, (size_t)length + 1);
}

void sac_run_fail(sac_run* run, sac_status status) {
  /* keep the message: the calls below may replace it */
  run->failed = status;
  (void)snprintf(run->failure, sizeof run->failure, "%s", sac_last_error());
  add_checkpoint(run, status);

  /* report and sync what is good, unless an environment has closed the files; agents that stopped before a resume have
   * none */
  (void)sac_run_finish_evaluation(run);
  const int open = !run->vector->guard.robbed;
  for (int32_t p = 0; p < run->agent->shape.population && open; p++)
    if (run->metrics[p]) (void)sac_run_sync_metrics(run, p);
  run->log_warned = 1; /* one reason is enough */
  if (open) (void)sac_run_sync_log(run);

  /* give the caller the first message again */
  (void)sac_fail(status, "%s", run->failure);
}

sac_status sac_run_save(sac_run* run) {
  /* the state of a failed run belongs to no complete step */
  if (!run) return sac_fail(SAC_ERROR_ARGUMENT, "sac_run_save: run is NULL");
  if (run->failed) return sac_fail(run->failed, "no checkpoint of a failed run: %s", run->failure);

  /* the run ends if an evaluation or the environments on a device failed, but not on a full disk */
  const sac_status status = sac_run_save_checkpoint(run);
  if (status == SAC_ERROR_ENV || status == SAC_ERROR_NUMERIC) sac_run_fail(run, status);
  return sac_result(status);
}
