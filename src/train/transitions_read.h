/* Reads transitions: those of a run's newest checkpoint, or of a transitions file (transitions.h). */
#ifndef SAC_TRAIN_TRANSITIONS_READ_H
#define SAC_TRAIN_TRANSITIONS_READ_H

#include "formats/safetensors.h"
#include "train/segments.h"

/* The tensors of a transitions file. */
enum {
  SAC_COLUMN_OBS,
  SAC_COLUMN_ACTION,
  SAC_COLUMN_REWARD,
  SAC_COLUMN_TERMINATED,
  SAC_COLUMN_TRUNCATED,
  SAC_COLUMN_NEXT_OBS,
  SAC_COLUMN_COUNT
};
extern const char* const sac_transition_columns[SAC_COLUMN_COUNT]; /* their names */

typedef struct sac_transitions_reader {
  char path[SAC_PATH_MAX];    /* what is read: a checkpoint or a file */
  const char* env;            /* the environment; NULL: not known */
  int64_t count;              /* n, at least 1 */
  int64_t obs, action;        /* O and A */
  int64_t actions;            /* number of discrete actions, 0: continuous; -1: not known */
  const float *centre, *half; /* (A) of a run, whose actions are in [-1, 1] of these bounds; NULL: of a file, whose
                               * actions are in the environment's units */

  /* of a run; zeros for a file */
  char folder[SAC_PATH_MAX]; /* the seed folder */
  int64_t step, capacity;
  int64_t fixed; /* the first transitions, which were loaded and are kept */

  sac_safetensors* file;                           /* of all pointers */
  const sac_file_tensor* column[SAC_COLUMN_COUNT]; /* of a file; truncated may be NULL */
} sac_transitions_reader;

/* Opens a run folder, a seed folder or a file. seed: as sac_source_folder takes it. The caller closes the reader, also
 * after an error. Errors: FILE, FORMAT, SHAPE. */
sac_status sac_transitions_open(sac_transitions_reader* reader, const char* path, const uint64_t* seed);
void sac_transitions_close(sac_transitions_reader* reader);

/* Gives the transitions to the sink, the oldest first, as rows of the layout of O and A (replay/rows.h). Numbers of a
 * file become floats. Errors: FILE, FORMAT (also flags that are neither 0 nor 1), MEMORY, those of the sink. */
sac_status sac_transitions_visit(const sac_transitions_reader* reader, const sac_row_sink* sink);

#endif
