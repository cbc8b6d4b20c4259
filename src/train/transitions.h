/* Transitions that come along: from the replay of another run, or from a file.
 *
 * A transitions file is a safetensors file with obs (n, O), action (n, A) in the environment's units, reward (n),
 * terminated (n), truncated (n; zeros if it is missing) and next_obs (n, O). Each may be F32, F64, I64,
 * U64, U8 or BOOL. A discrete action is its number, (n, 1) or (n). Metadata `actions`, which may be missing, is how
 * many there are, or 0 for continuous ones. */
#ifndef SAC_TRAIN_TRANSITIONS_H
#define SAC_TRAIN_TRANSITIONS_H

#include "train/run.h"

/* Fills the replay of each agent with the transitions of key replay.load: those of a run's newest checkpoint, or of a
 * file. Adds a line for the log to the run. Errors: FILE, FORMAT, SHAPE (other sizes or another kind of actions), ENV
 * (an action outside the bounds, or no number of an action), CONFIG (more transitions than the replay holds), DEVICE.
 */
sac_status sac_run_load_replay(sac_run* run);

/* Writes the replay of the newest checkpoint in a run folder (with one seed) or a seed folder to a transitions file.
 * A file that is there is written over if it is such an export. count: receives the number of transitions. Errors:
 * FILE, FORMAT. */
sac_status sac_transitions_export(const char* folder, const char* path, int64_t* count);

#endif
