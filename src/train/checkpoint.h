/* The checkpoints of one agent, in its seed folder:
 *
 *   SEED/checkpoints/step_N.safetensors   everything except the replay's rows
 *   SEED/checkpoints/last                 a link to the newest step_N.safetensors, for people: nothing here needs it,
 *                                         and a file system without links goes without (agent/steps.h)
 *   SEED/checkpoints/best                 the agent with its best evaluation, without the state of the run
 *   SEED/checkpoints/evaluation           likewise, the agent of an evaluation that had not ended when the newest
 *                                         checkpoint was saved; a resume plays it again
 *   SEED/replay/rows_K.bin                append-only segments of 64 Ki rows, see segments.h
 *   SEED/replay/loaded_K.bin              likewise, the loaded rows that are kept (agent->fixed); never deleted
 *   SEED/policy.safetensors               the policy alone, for sac_policy
 *
 * A checkpoint holds every tensor (NAME, adam_m/NAME, adam_v/NAME, targets), counters, seed, alive, totals, stats,
 * action.centre and .half_range, the run's states under their names and replay.segments; also replay.loaded if the
 * agent has fixed rows. It records how many
 * transitions were pushed; rows of later ones are ignored on resume and overwritten. Segments that no kept checkpoint
 * needs are deleted.
 *
 * Order of writing: rows, sync; checkpoint under another name, sync, rename; `last`; deletions. So a kill at any moment
 * leaves the previous checkpoint complete. */
#ifndef SAC_TRAIN_CHECKPOINT_H
#define SAC_TRAIN_CHECKPOINT_H

#include <stddef.h>
#include <stdint.h>

#include "agent/file.h"
#include "train/segments.h"

typedef struct sac_checkpoint sac_checkpoint; /* writes and reads one seed folder; allocates in create and load only */

/* dir: the seed folder, created when missing. p: the agent's index in `agent`. The list of states is copied; the data
 * that it points to must live as long as the checkpoint. Errors: FILE, MEMORY. */
sac_status sac_checkpoint_create(sac_checkpoint** checkpoint, const char* dir, sac_agent* agent, int32_t p,
                                 const sac_state* states, int32_t state_count);
void sac_checkpoint_destroy(sac_checkpoint* checkpoint);

/* Adds a state to the list: at most SAC_ENV_INFO_MAX in all, for the terms of info. */
void sac_checkpoint_add_state(sac_checkpoint* checkpoint, const sac_state* state);

#define SAC_WRITTEN_MAX 192 /* chars of the note below */

/* A text that the next checkpoint notes in its metadata `written`, and that loading fills: what the run's files hold
 * (written.c). "": none. */
char* sac_checkpoint_written(sac_checkpoint* checkpoint);

/* Calls found(context, name) for each state of step N whose name begins with `prefix`. Errors: FILE, FORMAT. */
sac_status sac_checkpoint_states(const char* dir, int64_t step, const char* prefix,
                                 void (*found)(void* context, const char* name), void* context);

/* Saves step N and keeps the newest `keep` checkpoints. config_text: this agent's configuration, written to the
 * metadata for sac_agent_load and a resume; NULL: the agent's own. Errors: FILE (the previous checkpoint stays);
 * NUMERIC (the agent has stopped, or a tensor is not finite, so the file would not load). */
sac_status sac_checkpoint_save(sac_checkpoint* checkpoint, int64_t step, int32_t keep, const char* config_text);

/* Points `last` to step N, or removes it where the file system has no links. */
void sac_checkpoint_point_last(const char* dir, int64_t step);

/* Writes the file `best` for eval and export: agent p of `agent`, without the state of the run. `agent` is the
 * checkpoint's own or a copy of it as it was at `step`. */
sac_status sac_checkpoint_best(sac_checkpoint* checkpoint, const sac_agent* agent, int64_t step, double mean_return,
                               const char* config_text);

/* Writes the file `evaluation`: agent p of `agent`, which plays the evaluation of `step`. _done removes the file.
 * Errors: FILE. */
sac_status sac_checkpoint_evaluation(sac_checkpoint* checkpoint, const sac_agent* agent, int64_t step,
                                     const char* config_text);
void sac_checkpoint_evaluation_done(const sac_checkpoint* checkpoint);

/* The step of the file `evaluation` in a seed folder; -1: there is none that can be read. agent: agent p of it becomes
 * that of the file; NULL: is not read. */
int64_t sac_checkpoint_evaluation_read(const char* dir, sac_agent* agent, int32_t p);

/* Writes SEED/policy.safetensors, the agent's policy. spaces: as sac_policy_write takes it. */
sac_status sac_checkpoint_policy(sac_checkpoint* checkpoint, const char* spaces);

#define SAC_CHECKPOINT_LIST_MAX 1024 /* checkpoints of one folder that a run looks at */

/* Lists the steps of the newest checkpoints in a seed folder, newest first. Returns how many, at most `max`; -1 where
 * the folder cannot be read (sac_last_error). */
int32_t sac_checkpoint_list(const char* dir, int64_t* step, int32_t max);

/* Checks that step N loads (file and rows complete), without changing anything. config_text: receives its
 * configuration; may be NULL. Errors: FORMAT (damaged, or a file is gone: the step is lost), FILE (a file is there and
 * cannot be read, which may pass), MEMORY. On FILE and FORMAT the message continues "last checkpoint ...": "is cut
 * short (header 18212104 bytes, file 4096)", "is damaged (...)", "cannot be read (...)". */
sac_status sac_checkpoint_probe(const char* dir, int64_t step, char* config_text, size_t config_size);

/* Gives the transitions of step N's replay to the sink, the oldest first. Errors: FILE, FORMAT, those of the sink. */
sac_status sac_checkpoint_rows(const char* dir, int64_t step, const sac_row_sink* sink);

/* Restores agent p, its rows (fixed ones too) and the states from step N. After an error the agent is not usable.
 * Errors: FILE, FORMAT, SHAPE, DEVICE. */
sac_status sac_checkpoint_load(sac_checkpoint* checkpoint, int64_t step);

#endif
