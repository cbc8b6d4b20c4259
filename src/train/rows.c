#include "train/rows.h"

#include <string.h>

#include "util/error.h"

#define SEGMENTS "replay.segments"
#define LOADED "replay.loaded"

sac_status sac_rows_open(sac_rows* rows, const char* dir, size_t row_floats, int64_t capacity, int64_t fixed) {
  const sac_segments_of others = {"rows", row_floats, fixed, capacity - fixed};
  const sac_segments_of loaded = {"loaded", row_floats, 0, fixed};
  *rows = (sac_rows){NULL, NULL};
  const sac_status status = sac_segments_create(&rows->others, dir, &others);
  return status == SAC_OK && fixed > 0 ? sac_segments_create(&rows->loaded, dir, &loaded) : status;
}

void sac_rows_close(sac_rows* rows) {
  sac_segments_destroy(rows->others);
  sac_segments_destroy(rows->loaded);
  *rows = (sac_rows){NULL, NULL};
}

/* Appends to one set of segments, and lists its parts. */
static sac_status append(sac_segments* segments, const sac_agent* agent, int32_t p, uint64_t pushed, const char* name,
                         sac_state* list) {
  sac_segment_part* part;
  const sac_status status = sac_segments_append(segments, agent, p, pushed);
  if (status != SAC_OK) return status;
  const size_t parts = (size_t)sac_segments_parts(segments, &part);
  *list = (sac_state){name, SAC_U64, part, parts * sizeof *part, 0};
  return SAC_OK;
}

sac_status sac_rows_append(sac_rows* rows, const sac_agent* agent, int32_t p, sac_state list[SAC_ROWS_STATES],
                           int32_t* count) {
  const uint64_t fixed = agent->fixed[p], others = agent->counters[p].pushed - fixed;
  sac_status status = SAC_OK;
  *count = 0;
  SAC_TRY(append(rows->others, agent, p, others, SEGMENTS, &list[(*count)++]));
  if (rows->loaded) SAC_TRY(append(rows->loaded, agent, p, fixed, LOADED, &list[(*count)++]));
fail:
  return status;
}

/* Finds a list of parts. Returns 0 if there is none. */
static int find_parts(const sac_safetensors* file, const char* name, const sac_segment_part** part, int32_t* count) {
  const sac_file_tensor* list = sac_safetensors_find(file, name);
  if (!list || list->dtype != SAC_U64 || list->bytes % sizeof **part != 0) return 0;
  *part = list->data;
  *count = (int32_t)(list->bytes / sizeof **part);
  return 1;
}

sac_status sac_rows_find(const sac_safetensors* file, sac_rows_list* list) {
  const sac_file_tensor* counters = sac_safetensors_find(file, "counters");
  memset(list, 0, sizeof *list);

  /* check types and sizes before the data is read as numbers */
  if (!find_parts(file, SEGMENTS, &list->others, &list->other_parts) || !counters || counters->dtype != SAC_U64 ||
      counters->bytes != sizeof(sac_counters))
    return sac_fail(SAC_ERROR_FORMAT, "%s: not a checkpoint of a run ('" SEGMENTS "' or 'counters' is missing)",
                    file->path);
  list->pushed = *(const uint64_t*)counters->data;
  if (!sac_safetensors_find(file, LOADED)) return SAC_OK;

  /* fixed rows end with the last of their parts, and came before all others; the list may hold any numbers */
  if (find_parts(file, LOADED, &list->loaded, &list->loaded_parts) && list->loaded_parts > 0) {
    const uint64_t last = list->loaded[list->loaded_parts - 1].rows;
    if (last >= 1 && last <= SAC_SEGMENT_ROWS)
      list->fixed = (uint64_t)(list->loaded_parts - 1) * SAC_SEGMENT_ROWS + last;
  }
  if (list->fixed == 0 || list->fixed > list->pushed)
    return sac_fail(SAC_ERROR_FORMAT, "%s: damaged (its list '" LOADED "' does not fit %llu transitions pushed)",
                    file->path, (unsigned long long)list->pushed);
  list->pushed -= list->fixed;
  return SAC_OK;
}

sac_status sac_rows_visit(const sac_rows_list* list, const char* dir, size_t row_floats, int64_t capacity,
                          const sac_row_sink* sink) {
  const int64_t fixed = (int64_t)list->fixed;
  sac_rows rows = {NULL, NULL};
  sac_status status = SAC_OK;

  /* tables of segments grow with the capacity, so limit it to the rows that exist */
  int64_t others = capacity - fixed;
  if ((uint64_t)others > list->pushed) others = list->pushed > 0 ? (int64_t)list->pushed : 1;
  if ((uint64_t)list->other_parts < (uint64_t)others / SAC_SEGMENT_ROWS)
    return sac_fail(SAC_ERROR_FORMAT, "damaged (its list of replay segments is too short)");

  /* check the rows against their checksums; the fixed ones are the oldest */
  SAC_TRY(sac_rows_open(&rows, dir, row_floats, fixed + others, fixed));
  if (rows.loaded) SAC_TRY(sac_segments_visit(rows.loaded, list->loaded, list->loaded_parts, list->fixed, sink));
  SAC_TRY(sac_segments_visit(rows.others, list->others, list->other_parts, list->pushed, sink));
fail:
  sac_rows_close(&rows);
  return status;
}

sac_status sac_rows_read(sac_rows* rows, const sac_rows_list* list, sac_agent* agent, int32_t p) {
  sac_status status = SAC_OK;
  if (rows->loaded) SAC_TRY(sac_segments_read(rows->loaded, list->loaded, list->loaded_parts, list->fixed, agent, p));
  SAC_TRY(sac_segments_read(rows->others, list->others, list->other_parts, list->pushed, agent, p));
fail:
  return status;
}
