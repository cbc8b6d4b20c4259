/* The replay's rows on disk: append-only segments of 64 Ki transitions each, so that a checkpoint writes only what was
 * pushed since the last one.
 *
 *   SEED/replay/rows_K.bin   64 bytes of header ("sacrows1", floats a row, number of the first transition, zeros), then
 *                            transition K*65536 and on, each a row as in the ring
 *
 * A segment may hold more rows than a checkpoint knows of (a run killed after writing rows, before its checkpoint).
 * Each checkpoint therefore holds a list of parts: which rows of which segment it needs, and their CRC-32C. */
#ifndef SAC_TRAIN_SEGMENTS_H
#define SAC_TRAIN_SEGMENTS_H

#include <stddef.h>
#include <stdint.h>

#include "agent/agent.h"

#define SAC_SEGMENT_ROWS 65536

/* Rows from to rows - 1 of a segment. In a checkpoint: tensor "replay.segments", U64 (parts * 4), in this order. */
typedef struct sac_segment_part {
  uint64_t segment; /* K */
  uint64_t from;    /* not 0 only in the oldest one, when rows were overwritten before they were ever saved */
  uint64_t rows;
  uint64_t crc; /* of those rows' bytes */
} sac_segment_part;

typedef struct sac_segments sac_segments; /* what is on disk for one agent; allocates at create only */

/* dir: the seed folder; made with its replay folder. Errors: FILE, MEMORY. */
sac_status sac_segments_create(sac_segments** segments, const char* dir, size_t row_floats, int64_t capacity);
void sac_segments_destroy(sac_segments* segments);

/* Writes what agent p pushed since the last call (at most the ring) and syncs it. On error the disk's space is given
 * back and the next call starts from the same place. Errors: FILE, DEVICE. */
sac_status sac_segments_append(sac_segments* segments, const sac_agent* agent, int32_t p);

/* The parts that hold the last min(pushed, C) of what was appended; *part lives until the next append. */
int32_t sac_segments_parts(sac_segments* segments, sac_segment_part** part);

/* The first segment needed by a checkpoint that had pushed that many. */
uint64_t sac_segments_first(uint64_t pushed, int64_t capacity);

/* Deletes every segment before `first` and behind the last one appended. What cannot be deleted stays. */
void sac_segments_prune(const sac_segments* segments, uint64_t first);

/* Checks parts against `pushed` and the files (sizes, headers, checksums, finite rows). agent not NULL: its ring gets
 * the rows, and appending goes on from there. Errors: FILE, FORMAT, DEVICE. */
sac_status sac_segments_read(sac_segments* segments, const sac_segment_part* part, int32_t count, uint64_t pushed,
                             sac_agent* agent, int32_t p);

/* The buffer that rows pass through, free between calls. */
void* sac_segments_staging(const sac_segments* segments, size_t* bytes);

#endif
