/* One agent's checkpoints in its seed folder:
 *
 *   SEED/checkpoints/step_N.safetensors   everything but the replay's rows
 *   SEED/checkpoints/last -> step_N.safetensors, best -> a copy of its own
 *   SEED/replay/rows_K.bin                append-only segments of 64 Ki rows, see segments.h
 *   SEED/policy.safetensors               the actor alone, for sac_policy
 *
 * A checkpoint holds every tensor (NAME, adam_m/NAME, adam_v/NAME, targets), counters, seed, alive, totals, stats,
 * action.centre and .half_range, the run's states under their names and replay.segments. It records how many
 * transitions were pushed; rows of later ones are ignored on resume and overwritten. Segments that no kept checkpoint
 * needs are deleted. Order of writing: rows, sync; checkpoint beside, sync, rename; `last`; deletions. So a kill at any
 * moment leaves the previous checkpoint whole. */
#ifndef SAC_TRAIN_CHECKPOINT_H
#define SAC_TRAIN_CHECKPOINT_H

#include <stddef.h>
#include <stdint.h>

#include "agent/file.h"

typedef struct sac_checkpoint sac_checkpoint; /* writer and reader of one agent's folder; allocates at create only */

/* dir: the seed folder (made when missing). p: which agent of `agent`. The list of states is copied, what it points to
 * is not. Errors: FILE, MEMORY. */
sac_status sac_checkpoint_create(sac_checkpoint** checkpoint, const char* dir, sac_agent* agent, int32_t p,
                                 const sac_state* states, int32_t state_count);
void sac_checkpoint_destroy(sac_checkpoint* checkpoint);

/* Saves step N; keeps the newest `keep`. config_text: this agent's configuration, kept in the metadata for
 * sac_agent_load and a resume; NULL: the agent's own. Errors: FILE (previous one stays); NUMERIC (the agent has
 * stopped, or a tensor is not finite: it would not load again). */
sac_status sac_checkpoint_save(sac_checkpoint* checkpoint, int64_t step, int32_t keep, const char* config_text);

/* Makes `best` agent p of `agent`, which is the checkpoint's or a copy of it as it was at `step`: an agent's file, for
 * eval and export; a run's own state is in checkpoints alone. */
sac_status sac_checkpoint_best(sac_checkpoint* checkpoint, const sac_agent* agent, int64_t step, double mean_return,
                               const char* config_text);

/* Writes SEED/policy.safetensors from the agent's actor. */
sac_status sac_checkpoint_policy(sac_checkpoint* checkpoint);

/* Steps of the checkpoints that exist, newest first; returns how many (at most max). */
int32_t sac_checkpoint_list(const char* dir, int64_t* step, int32_t max);

/* Checks that step N loads (file whole, rows there), without changing anything, and copies its config text (NULL: not
 * wanted). On FILE and FORMAT the message completes "last checkpoint ...": "is cut short (header 18212104 bytes, file
 * 4096)", "is damaged (...)", "cannot be read (...)". */
sac_status sac_checkpoint_probe(const char* dir, int64_t step, char* config_text, size_t config_size);

/* Restores agent p, its rows and the states from step N. Errors: FILE, FORMAT, SHAPE; the agent is then not usable. */
sac_status sac_checkpoint_load(sac_checkpoint* checkpoint, int64_t step);

#endif
