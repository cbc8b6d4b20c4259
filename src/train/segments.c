#include "train/segments.h"

#include <assert.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "util/crc.h"
#include "util/error.h"
#include "util/file.h"
#include "util/memory.h"
#include "util/number.h"

#define HEADER_BYTES 64
#define STAGING_FLOATS ((size_t)1 << 18) /* 1 MiB per transfer; one row if a row is larger */

struct sac_segments {
  char dir[SAC_PATH_MAX];
  sac_segments_of of;
  uint64_t written;        /* number of transitions on disk: the next append begins with this one */
  uint64_t slots;          /* entries of `table`: the most segments that the replay can touch */
  sac_segment_part* table; /* (slots) segment K is entry K % slots */
  sac_segment_part* parts; /* (slots) for sac_segments_parts */
  float* staging;          /* (staging_rows, row_floats) */
  uint64_t staging_rows;
  int new_files; /* 1: the folder has files that are not synced to the disk */
};

/* The first transition that is still in the replay. */
static uint64_t first_needed(uint64_t pushed, int64_t capacity) {
  return pushed - (uint64_t)sac_replay_size(pushed, capacity);
}

uint64_t sac_segments_first(uint64_t pushed, int64_t capacity) {
  return first_needed(pushed, capacity) / SAC_SEGMENT_ROWS;
}

/* An entry of the table that no segment uses. */
static const sac_segment_part no_part = {UINT64_MAX, 0, 0, 0};

sac_status sac_segments_create(sac_segments** out, const char* dir, const sac_segments_of* of) {
  sac_status status = SAC_OK;
  char path[SAC_PATH_MAX];
  *out = NULL;
  sac_segments* s = calloc(1, sizeof *s);
  if (!s) return sac_fail(SAC_ERROR_MEMORY, "no memory for the replay's segments");

  /* C rows touch at most C / SAC_SEGMENT_ROWS whole segments and a partial one at each end */
  s->of = *of;
  s->slots = (uint64_t)of->capacity / SAC_SEGMENT_ROWS + 2;
  s->staging_rows = STAGING_FLOATS / of->row_floats > 0 ? STAGING_FLOATS / of->row_floats : 1;

  /* allocate tables and staging buffer */
  s->table = calloc(s->slots, sizeof *s->table);
  s->parts = calloc(s->slots, sizeof *s->parts);
  s->staging = sac_alloc(sac_bytes(s->staging_rows * of->row_floats, sizeof(float)));
  if (!s->table || !s->parts || !s->staging) {
    status = sac_fail(SAC_ERROR_MEMORY, "no memory for the replay's segments");
    goto fail;
  }
  for (uint64_t i = 0; i < s->slots; i++) s->table[i] = no_part;

  /* create the folder */
  SAC_TRY(sac_path(s->dir, "%s", dir));
  SAC_TRY(sac_path(path, "%s/replay", dir));
  SAC_TRY(sac_make_folders(path));
  *out = s;
  return SAC_OK;
fail:
  sac_segments_destroy(s);
  return status;
}

void sac_segments_destroy(sac_segments* segments) {
  if (!segments) return;
  free(segments->table);
  free(segments->parts);
  sac_free(segments->staging);
  free(segments);
}

static sac_status segment_path(const sac_segments* s, uint64_t segment, char path[SAC_PATH_MAX]) {
  return sac_path(path, "%s/replay/%s_%llu.bin", s->dir, s->of.name, (unsigned long long)segment);
}

/* Makes the header of a segment's file; segments.h shows its layout. */
static void make_header(const sac_segments* s, uint64_t segment, unsigned char header[HEADER_BYTES]) {
  const uint64_t numbers[2] = {s->of.row_floats, segment * SAC_SEGMENT_ROWS};
  memset(header, 0, HEADER_BYTES);
  memcpy(header, "sacrows1", 8);
  memcpy(header + 8, numbers, sizeof numbers);
}

/* Where a row of a segment is in its file. */
static uint64_t file_offset(const sac_segments* s, uint64_t row) {
  return HEADER_BYTES + row * s->of.row_floats * sizeof(float);
}

/* Continues the CRC-32C of a part, 0 at its start, with the rows in staging. */
static uint64_t crc_add(const sac_segments* s, uint64_t crc, uint64_t rows) {
  return sac_crc32c((uint32_t)crc, s->staging, (size_t)rows * s->of.row_floats * sizeof(float));
}

static uint64_t min(uint64_t a, uint64_t b) { return a < b ? a : b; }

/* Rows of one transfer, from `transition` on: no more than staging holds, and not across the end of the ring. */
static uint64_t transfer_rows(const sac_segments* s, uint64_t transition, uint64_t end) {
  const uint64_t ring_left = (uint64_t)s->of.capacity - transition % (uint64_t)s->of.capacity;
  return min(min(end - transition, ring_left), s->staging_rows);
}

/* Where a transition is in the replay, in floats. */
static size_t ring_offset(const sac_segments* s, uint64_t transition) {
  return ((size_t)s->of.first + (size_t)(transition % (uint64_t)s->of.capacity)) * s->of.row_floats;
}

/* Writes transitions `at` to `end` - 1, which belong to one segment. */
static sac_status append_segment(sac_segments* s, const sac_agent* agent, int32_t p, uint64_t at, uint64_t end) {
  const uint64_t segment = at / SAC_SEGMENT_ROWS;
  sac_segment_part* part = &s->table[segment % s->slots];
  sac_status status = SAC_OK;
  char path[SAC_PATH_MAX];
  int fd = -1;

  /* continue the part, or start a new one */
  if (part->segment != segment || part->rows != at % SAC_SEGMENT_ROWS)
    *part = (sac_segment_part){segment, at % SAC_SEGMENT_ROWS, at % SAC_SEGMENT_ROWS, 0};

  /* open the file without truncating it: an older checkpoint may need the earlier rows */
  SAC_TRY(segment_path(s, segment, path));
  SAC_TRY(sac_open(&fd, path, O_WRONLY | O_CREAT));

  /* write the header of a new part */
  if (part->rows == part->from) {
    unsigned char header[HEADER_BYTES];
    make_header(s, segment, header);
    SAC_TRY(sac_write_at(fd, path, 0, header, sizeof header));
    s->new_files = 1;
  }

  /* copy rows through the staging buffer */
  while (at < end) {
    const uint64_t rows = transfer_rows(s, at, end);
    const size_t floats = (size_t)rows * s->of.row_floats;
    SAC_TRY(agent->backend->read(agent, SAC_MEMORY_REPLAY, p, ring_offset(s, at), s->staging, floats));
    SAC_TRY(sac_write_at(fd, path, file_offset(s, part->rows), s->staging, floats * sizeof(float)));
    part->crc = crc_add(s, part->crc, rows);
    part->rows += rows;
    at += rows;
  }

  /* sync the rows before a checkpoint lists them */
  SAC_TRY(sac_sync(fd, path));
fail:
  if (fd >= 0 && close(fd) != 0 && errno != EINTR && status == SAC_OK)
    status = sac_fail(SAC_ERROR_FILE, "cannot write %s: %s", path, strerror(errno));
  return status;
}

/* Undoes a failed append: frees its disk space. tail: the last segment's part as it was before the append. last: the
 * last segment that the append touched. */
static void undo_append(sac_segments* s, const sac_segment_part* tail, uint64_t last) {
  char path[SAC_PATH_MAX];
  const uint64_t kept = s->written / SAC_SEGMENT_ROWS;
  const uint64_t rows = s->written % SAC_SEGMENT_ROWS;

  /* cut new rows off the last segment with saved rows; delete it if all its rows are new */
  if (tail->segment == kept && rows > 0) {
    if (segment_path(s, kept, path) == SAC_OK) (void)!truncate(path, (off_t)file_offset(s, rows));
  } else if (segment_path(s, kept, path) == SAC_OK) {
    unlink(path);
  }

  /* delete later segments, which are new */
  for (uint64_t segment = kept + 1; segment <= last; segment++)
    if (segment_path(s, segment, path) == SAC_OK) unlink(path);

  /* continue from the old part at the next append */
  s->table[kept % s->slots] = *tail;
}

/* Whether the file of a part lacks rows: somebody has deleted or cut it. */
static int is_lost(const sac_segments* s, const sac_segment_part* part) {
  char path[SAC_PATH_MAX];
  struct stat info;
  if (segment_path(s, part->segment, path) != SAC_OK) return 0;
  return stat(path, &info) == 0 ? (uint64_t)info.st_size < file_offset(s, part->rows) : errno == ENOENT;
}

/* Writes the rows of lost files again, as far as they are in the replay, which now has `pushed` transitions. */
static sac_status restore_lost(sac_segments* s, const sac_agent* agent, int32_t p, uint64_t pushed) {
  const uint64_t needed = first_needed(pushed, s->of.capacity);
  for (uint64_t segment = needed / SAC_SEGMENT_ROWS; segment * SAC_SEGMENT_ROWS < s->written; segment++) {
    sac_segment_part* part = &s->table[segment % s->slots];
    const sac_segment_part before = *part;
    const uint64_t base = segment * SAC_SEGMENT_ROWS, at = base > needed ? base : needed, end = base + before.rows;
    if (before.segment != segment || at >= end || !is_lost(s, part)) continue;

    /* write a new part; an error keeps the old one, as a folder that was moved may come back */
    *part = no_part;
    const sac_status status = append_segment(s, agent, p, at, end);
    if (status != SAC_OK) {
      *part = before;
      return status;
    }
  }
  return SAC_OK;
}

sac_status sac_segments_append(sac_segments* s, const sac_agent* agent, int32_t p, uint64_t pushed) {
  const uint64_t needed = first_needed(pushed, s->of.capacity);
  const sac_status restored = restore_lost(s, agent, p, pushed);
  if (restored != SAC_OK) return restored;
  const sac_segment_part tail = s->table[s->written / SAC_SEGMENT_ROWS % s->slots];
  sac_status status = SAC_OK;
  char path[SAC_PATH_MAX];

  /* write segment by segment, each up to its end or to the last transition; rows already overwritten are left out */
  for (uint64_t at = s->written > needed ? s->written : needed, end; at < pushed; at = end) {
    end = min(pushed, (at / SAC_SEGMENT_ROWS + 1) * SAC_SEGMENT_ROWS);
    status = append_segment(s, agent, p, at, end);
    if (status != SAC_OK) {
      undo_append(s, &tail, at / SAC_SEGMENT_ROWS);
      return status;
    }
  }

  /* sync the folder if it has new files */
  s->written = pushed;
  if (!s->new_files) return SAC_OK;
  SAC_TRY(sac_path(path, "%s/replay", s->dir));
  SAC_TRY(sac_sync_folder(path));
  s->new_files = 0;
fail:
  return status;
}

int32_t sac_segments_parts(sac_segments* s, sac_segment_part** part) {
  int32_t count = 0;
  *part = s->parts;
  if (s->written == 0) return 0;

  /* list the segments from the oldest that the replay still needs to the last */
  for (uint64_t k = sac_segments_first(s->written, s->of.capacity); k <= (s->written - 1) / SAC_SEGMENT_ROWS; k++)
    s->parts[count++] = s->table[k % s->slots];
  return count;
}

void sac_segments_prune(const sac_segments* s, uint64_t first) {
  char path[SAC_PATH_MAX];
  const uint64_t last = s->written == 0 ? 0 : (s->written - 1) / SAC_SEGMENT_ROWS;
  if (sac_path(path, "%s/replay", s->dir) != SAC_OK) return;
  DIR* folder = opendir(path);
  if (!folder) return;

  /* look at every NAME_K.bin of the folder */
  const size_t length = strlen(s->of.name);
  for (struct dirent* entry; (entry = readdir(folder));) {
    char* end = NULL;
    if (strncmp(entry->d_name, s->of.name, length) != 0 || entry->d_name[length] != '_') continue;
    const char* number = entry->d_name + length + 1;
    const unsigned long long segment = strtoull(number, &end, 10);
    if (end == number || strcmp(end, ".bin") != 0) continue;

    /* segments after `last` are left from a run that was killed before its checkpoint */
    if (segment >= first && segment <= last) continue;
    if (segment_path(s, segment, path) == SAC_OK) unlink(path);
  }
  closedir(folder);
}

/* Checks the file of one part, and gives its rows from transition `needed` on to the sink. */
static sac_status read_part(const sac_segments* s, const sac_segment_part* part, uint64_t needed,
                            const sac_row_sink* sink) {
  sac_status status = SAC_OK;
  char path[SAC_PATH_MAX];
  unsigned char header[HEADER_BYTES], wanted[HEADER_BYTES];
  uint64_t size;
  int fd = -1;

  /* open the file and check its header */
  SAC_TRY(segment_path(s, part->segment, path));
  status = sac_open_file(path, &fd, &size);
  if (status == SAC_ERROR_FILE && sac_file_lost(path)) status = SAC_ERROR_FORMAT; /* its rows are gone */
  if (status != SAC_OK) return status;
  SAC_TRY(sac_read_at(fd, path, 0, header, sizeof header));
  make_header(s, part->segment, wanted);
  if (memcmp(header, wanted, sizeof header) != 0) {
    status = sac_fail(SAC_ERROR_FORMAT, "%s: damaged (its header is not that of a segment of %zu-float rows)", path,
                      s->of.row_floats);
    goto fail;
  }

  /* read all rows for the checksum, and copy those that are needed */
  uint64_t crc = 0;
  const uint64_t base = part->segment * SAC_SEGMENT_ROWS, end = base + part->rows;
  for (uint64_t at = base + part->from; at < end;) {
    /* end the transfer at `needed`, so that all its rows or none go into the replay */
    const uint64_t rows = transfer_rows(s, at, at < needed ? min(needed, end) : end);
    const size_t floats = (size_t)rows * s->of.row_floats;
    SAC_TRY(sac_read_at(fd, path, file_offset(s, at - base), s->staging, floats * sizeof(float)));
    crc = crc_add(s, crc, rows);

    /* rows before `needed` are not in the replay any more */
    if (at >= needed) {
      if (!sac_all_finite(s->staging, floats)) {
        status = sac_fail(SAC_ERROR_FORMAT, "%s: damaged (a row holds a value that is not finite)", path);
        goto fail;
      }
      if (sink) SAC_TRY(sink->put(sink->user, at, s->staging, rows));
    }
    at += rows;
  }

  /* compare the checksum */
  if (crc != part->crc)
    status = sac_fail(SAC_ERROR_FORMAT, "%s: damaged (checksum %08llx, %08llx expected)", path, (unsigned long long)crc,
                      (unsigned long long)part->crc);
fail:
  if (fd >= 0) close(fd);
  return status;
}

/* Whether the list covers exactly the rows that are needed after `pushed` transitions. The list comes from a file and
 * may hold any numbers. */
static int parts_fit(const sac_segments* s, const sac_segment_part* part, int32_t count, uint64_t pushed) {
  if (pushed == 0) return count == 0;
  if (pushed > (uint64_t)SAC_BIG) return 0;

  /* one part for each segment, from the one with the oldest row of the replay to the last */
  const uint64_t needed = first_needed(pushed, s->of.capacity), first = needed / SAC_SEGMENT_ROWS;
  const uint64_t last = (pushed - 1) / SAC_SEGMENT_ROWS;
  if (count < 0 || (uint64_t)count != last - first + 1) return 0;

  /* all segments but the last are full, and no needed row is missing at the start */
  for (uint64_t i = 0; i < (uint64_t)count; i++) {
    const uint64_t rows = first + i == last ? (pushed - 1) % SAC_SEGMENT_ROWS + 1 : SAC_SEGMENT_ROWS;
    if (part[i].segment != first + i || part[i].rows != rows) return 0;
    if (part[i].from > (i == 0 ? needed % SAC_SEGMENT_ROWS : 0)) return 0;
  }
  return 1;
}

sac_status sac_segments_visit(const sac_segments* s, const sac_segment_part* part, int32_t count, uint64_t pushed,
                              const sac_row_sink* sink) {
  sac_status status = SAC_OK;

  /* check the list before any file is opened */
  if (!parts_fit(s, part, count, pushed))
    return sac_fail(SAC_ERROR_FORMAT, "damaged (its list of replay segments does not fit %llu transitions pushed)",
                    (unsigned long long)pushed);

  /* read the files */
  const uint64_t needed = first_needed(pushed, s->of.capacity);
  for (int32_t i = 0; i < count; i++) SAC_TRY(read_part(s, &part[i], needed, sink));
fail:
  return status;
}

/* The replay that rows are copied into. */
typedef struct ring {
  const sac_segments* segments;
  sac_agent* agent;
  int32_t p;
} ring;

static sac_status put_in_ring(void* user, uint64_t transition, const float* rows, uint64_t count) {
  const ring* r = user;
  return r->agent->backend->write(r->agent, SAC_MEMORY_REPLAY, r->p, ring_offset(r->segments, transition), rows,
                                  (size_t)count * r->segments->of.row_floats);
}

sac_status sac_segments_read(sac_segments* s, const sac_segment_part* part, int32_t count, uint64_t pushed,
                             sac_agent* agent, int32_t p) {
  ring to = {s, agent, p};
  const sac_row_sink sink = {put_in_ring, &to};
  sac_status status = SAC_OK;
  SAC_TRY(sac_segments_visit(s, part, count, pushed, agent ? &sink : NULL));
  if (!agent) return SAC_OK;

  /* append from here on */
  assert(s->slots > 0);
  for (uint64_t i = 0; i < s->slots; i++) s->table[i] = no_part;
  for (int32_t i = 0; i < count; i++) s->table[part[i].segment % s->slots] = part[i];
  s->written = pushed;
fail:
  return status;
}

void* sac_segments_staging(const sac_segments* segments, size_t* bytes) {
  *bytes = (size_t)segments->staging_rows * segments->of.row_floats * sizeof(float);
  return segments->staging;
}
