/* The replay of one agent on disk: the segments of its loaded rows, if they are kept (agent->fixed), and those of the
 * others (segments.h). A checkpoint lists the parts that it needs in "replay.segments" and "replay.loaded". */
#ifndef SAC_TRAIN_ROWS_H
#define SAC_TRAIN_ROWS_H

#include "agent/file.h"
#include "formats/safetensors.h"
#include "train/segments.h"

#define SAC_ROWS_STATES 2 /* lists that a checkpoint may have */

typedef struct sac_rows {
  sac_segments* others;
  sac_segments* loaded; /* NULL: no row is fixed */
} sac_rows;

/* Opens the segments of a ring of `capacity` rows, of which the first `fixed` are kept. dir: the seed folder. The
 * caller closes them, also after an error. Errors: FILE, MEMORY. */
sac_status sac_rows_open(sac_rows* rows, const char* dir, size_t row_floats, int64_t capacity, int64_t fixed);
void sac_rows_close(sac_rows* rows);

/* Writes the rows of agent p that are not on disk yet, and lists all that it needs. count: receives the number of
 * lists, which are valid until the next call. Errors: FILE, DEVICE. */
sac_status sac_rows_append(sac_rows* rows, const sac_agent* agent, int32_t p, sac_state list[SAC_ROWS_STATES],
                           int32_t* count);

/* The lists of a checkpoint. */
typedef struct sac_rows_list {
  const sac_segment_part *others, *loaded; /* of the open file, which owns the data */
  int32_t other_parts, loaded_parts;
  uint64_t pushed; /* transitions, without the fixed ones */
  uint64_t fixed;
} sac_rows_list;

/* Finds the lists of a checkpoint, and the number of transitions pushed. Errors: FORMAT. */
sac_status sac_rows_find(const sac_safetensors* file, sac_rows_list* list);

/* Gives the transitions to the sink, the oldest first; NULL: they are only checked. capacity: C, above list->fixed.
 * Errors: FILE, FORMAT, MEMORY, those of the sink. */
sac_status sac_rows_visit(const sac_rows_list* list, const char* dir, size_t row_floats, int64_t capacity,
                          const sac_row_sink* sink);

/* Loads the transitions into the replay of agent p, and appends from there on. Errors: FILE, FORMAT, DEVICE. */
sac_status sac_rows_read(sac_rows* rows, const sac_rows_list* list, sac_agent* agent, int32_t p);

#endif
