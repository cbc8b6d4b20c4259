/* The replay's rows on disk, in segments of 64 Ki transitions. Rows are only appended, so a checkpoint writes only the
 * rows that were pushed since the last checkpoint.
 *
 *   SEED/replay/rows_K.bin   64 bytes of header ("sacrows1", floats per row, number of the first transition,
 *                            zeros), then transitions from K*65536 on, each a row as in the replay
 *
 * A segment may hold more rows than a checkpoint needs: the run may be killed after writing rows and before writing the
 * checkpoint. So each checkpoint holds a list of parts: which rows of which segment it needs, and their CRC-32C.
 *
 * Loaded transitions that are kept (key replay.offline_share) have segments of their own, loaded_K.bin, which are
 * written once. rows_K.bin then counts the transitions after them. */
#ifndef SAC_TRAIN_SEGMENTS_H
#define SAC_TRAIN_SEGMENTS_H

#include <stddef.h>
#include <stdint.h>

#include "agent/agent.h"

#define SAC_SEGMENT_ROWS 65536

/* Rows `from` to `rows` - 1 of a segment. In a checkpoint: tensors "replay.segments" and "replay.loaded", U64
 * (parts * 4), in this order. */
typedef struct sac_segment_part {
  uint64_t segment; /* K */
  uint64_t from;    /* 0, except in the oldest segment if rows were overwritten in the replay before they were saved */
  uint64_t rows;    /* one past the last row */
  uint64_t crc;     /* CRC-32C of the bytes of these rows */
} sac_segment_part;

/* The rows of a replay that a set of segments holds: its files NAME_K.bin, and rows first .. first + capacity - 1 of
 * the ring, in which its transitions go round. */
typedef struct sac_segments_of {
  const char* name; /* must live as long as the segments */
  size_t row_floats;
  int64_t first, capacity;
} sac_segments_of;

typedef struct sac_segments sac_segments; /* the segments of one agent; allocates in create only */

/* dir: the seed folder, created with its replay folder when missing. Errors: FILE, MEMORY. */
sac_status sac_segments_create(sac_segments** segments, const char* dir, const sac_segments_of* of);
void sac_segments_destroy(sac_segments* segments);

/* Writes the transitions from the last call's `pushed` to this one's, at most the whole ring of agent p, and syncs
 * them. Files that were deleted or cut since the last call are written again. After an error the disk space is freed,
 * and the next call writes the same rows again. Errors: FILE, DEVICE. */
sac_status sac_segments_append(sac_segments* segments, const sac_agent* agent, int32_t p, uint64_t pushed);

/* Lists the parts that hold the last min(pushed, C) appended rows. *part is valid until the next append. */
int32_t sac_segments_parts(sac_segments* segments, sac_segment_part** part);

/* The first segment that a checkpoint needs after `pushed` transitions. */
uint64_t sac_segments_first(uint64_t pushed, int64_t capacity);

/* Deletes every segment before `first` or after the last appended segment. Files that cannot be deleted stay. */
void sac_segments_prune(const sac_segments* segments, uint64_t first);

/* Where rows go that are read: put is called for rows of consecutive transitions, the oldest first. */
typedef struct sac_row_sink {
  sac_status (*put)(void* user, uint64_t transition, const float* rows, uint64_t count);
  void* user;
} sac_row_sink;

/* As sac_segments_read, but the rows go to a sink. NULL: they are only checked. */
sac_status sac_segments_visit(const sac_segments* segments, const sac_segment_part* part, int32_t count,
                              uint64_t pushed, const sac_row_sink* sink);

/* Checks parts against `pushed` and against the files (sizes, headers, checksums, finite rows). agent: not NULL to load
 * the rows into its replay and append from there on. Errors: FILE, FORMAT, DEVICE. */
sac_status sac_segments_read(sac_segments* segments, const sac_segment_part* part, int32_t count, uint64_t pushed,
                             sac_agent* agent, int32_t p);

/* The buffer through which rows are copied; others may use it between two calls. bytes: receives its size. */
void* sac_segments_staging(const sac_segments* segments, size_t* bytes);

#endif
