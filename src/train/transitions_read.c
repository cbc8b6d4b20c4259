#include "train/transitions_read.h"

#include <stdlib.h>
#include <string.h>

#include "agent/file.h"
#include "policy/policy.h"
#include "replay/rows.h"
#include "train/checkpoint.h"
#include "train/rows.h"
#include "train/source.h"
#include "util/error.h"
#include "util/number.h"

#define CHUNK 1024          /* transitions that are converted together */
#define SIZE_MOST (1 << 20) /* the most observations and actions */

const char* const sac_transition_columns[SAC_COLUMN_COUNT] = {"obs",        "action",    "reward",
                                                              "terminated", "truncated", "next_obs"};

/* --- the replay of a run ------------------------------------------------------------------------------------------ */

/* A whole number of the checkpoint's metadata, from 1 to `most`. */
static sac_status number_of(const sac_safetensors* file, const char* key, int64_t most, int64_t* value) {
  const char* text = sac_safetensors_metadata(file, key);
  if (text && sac_parse_integer(text, value) == SAC_NUMBER_OK && *value >= 1 && *value <= most) return SAC_OK;
  return sac_fail(SAC_ERROR_FORMAT, "%s: no checkpoint of a run (metadata '%s')", file->path, key);
}

/* The number of discrete actions that the file names, 0 for continuous ones; -1: it names none. */
static int64_t actions_of(const sac_safetensors* file) {
  const char* text = sac_safetensors_metadata(file, "actions");
  int64_t value;
  return text && sac_parse_integer(text, &value) == SAC_NUMBER_OK && value >= 0 && value <= SIZE_MOST ? value : -1;
}

/* Opens the newest checkpoint for a seed, and counts its transitions. */
static sac_status open_run(sac_transitions_reader* r, const char* path, const uint64_t* seed) {
  const int64_t three = 3;
  uint64_t counters[3];
  sac_rows_list rows;
  sac_status status = SAC_OK;

  /* find and open it */
  SAC_TRY(sac_source_folder(path, seed, r->folder));
  SAC_TRY(sac_source_step(r->folder, &r->step, r->path));
  SAC_TRY(sac_safetensors_open(&r->file, r->path));

  /* read the sizes, the scaling of actions and the number of transitions */
  SAC_TRY(number_of(r->file, "obs_size", SIZE_MOST, &r->obs));
  SAC_TRY(number_of(r->file, "action_size", SIZE_MOST, &r->action));
  SAC_TRY(number_of(r->file, "capacity", INT64_MAX, &r->capacity));
  SAC_TRY(sac_safetensors_get(r->file, "counters", SAC_U64, 1, &three, counters));
  SAC_TRY(sac_safetensors_get(r->file, "action.centre", SAC_F32, 1, &r->action, NULL));
  SAC_TRY(sac_safetensors_get(r->file, "action.half_range", SAC_F32, 1, &r->action, NULL));
  SAC_TRY(sac_rows_find(r->file, &rows));
  r->centre = sac_safetensors_find(r->file, "action.centre")->data;
  r->half = sac_safetensors_find(r->file, "action.half_range")->data;
  r->fixed = (int64_t)rows.fixed;
  r->count = sac_replay_size(counters[0], r->capacity);
  if (r->count == 0) status = sac_fail(SAC_ERROR_FORMAT, "%s has no transitions yet", r->path);
fail:
  return status;
}

/* --- files -------------------------------------------------------------------------------------------------------- */

/* Refuses a file of another kind by its name. Errors: FORMAT. */
static sac_status check_kind(const sac_safetensors* file) {
  const char* format = sac_safetensors_metadata(file, "format");
  if (!format || sac_safetensors_find(file, "obs")) return SAC_OK;
  if (strncmp(format, SAC_POLICY_FORMATS, strlen(SAC_POLICY_FORMATS)) == 0)
    return sac_fail(SAC_ERROR_FORMAT, "%s is a policy and has no transitions; they are read from the folder of its run",
                    file->path);
  if (sac_agent_file_check(file) == SAC_OK)
    return sac_fail(SAC_ERROR_FORMAT, "%s is a checkpoint; transitions are read from the folder of its run",
                    file->path);
  return SAC_OK;
}

/* Number i of a tensor. */
static double element(const sac_file_tensor* tensor, size_t i) {
  switch (tensor->dtype) {
    case SAC_F32:
      return (double)((const float*)tensor->data)[i];
    case SAC_F64:
      return ((const double*)tensor->data)[i];
    case SAC_I64:
      return (double)((const int64_t*)tensor->data)[i];
    case SAC_U64:
      return (double)((const uint64_t*)tensor->data)[i];
    default:
      return ((const uint8_t*)tensor->data)[i];
  }
}

/* Finds a column, which has `rank` dimensions: (n) or (n, *width). n, width: -1 takes that of the file. Errors: FORMAT,
 * SHAPE. */
static sac_status find_column(sac_transitions_reader* r, int column, int rank, int64_t* width) {
  const char* name = sac_transition_columns[column];
  const sac_file_tensor* t = r->column[column] = sac_safetensors_find(r->file, name);
  if (!t)
    return sac_fail(SAC_ERROR_FORMAT, "%s has no tensor '%s': obs, action, reward, terminated, next_obs are needed",
                    r->path, name);

  /* the first column says how many transitions there are, and how wide it is */
  if (r->count < 0 && t->rank > 0) r->count = t->dims[0];
  const int numbers = column == SAC_COLUMN_ACTION && t->rank == 1; /* as discrete actions often are */
  if (rank == 2 && *width < 0 && (t->rank == 2 || numbers)) *width = numbers ? 1 : t->dims[1];

  /* (n, 1) is (n) */
  if (numbers) rank = 1;
  const int column_of_one = rank == 1 && t->rank == 2 && t->dims[1] == 1;
  const int fits = (t->rank == rank || column_of_one) && t->dims[0] == r->count && (rank == 1 || t->dims[1] == *width);
  if (fits && (rank == 1 || (*width >= 1 && *width <= SIZE_MOST))) return SAC_OK;
  if (rank == 2 && (*width < 1 || *width > SIZE_MOST))
    return sac_fail(SAC_ERROR_SHAPE, "%s: '%s' is not of shape (n, size), with a size from 1 to %d", r->path, name,
                    SIZE_MOST);

  /* the message has both shapes */
  const int64_t dims[2] = {r->count < 0 ? 0 : r->count, rank == 2 ? *width : 0};
  return sac_safetensors_get(r->file, name, t->dtype, rank, dims, NULL);
}

/* Opens a transitions file. */
static sac_status open_file(sac_transitions_reader* r, const char* path) {
  sac_status status = SAC_OK;
  SAC_TRY(sac_path(r->path, "%s", path));
  SAC_TRY(sac_safetensors_open(&r->file, path));
  SAC_TRY(check_kind(r->file));

  /* find the tensors */
  r->count = r->obs = r->action = -1;
  SAC_TRY(find_column(r, SAC_COLUMN_OBS, 2, &r->obs));
  SAC_TRY(find_column(r, SAC_COLUMN_ACTION, 2, &r->action));
  SAC_TRY(find_column(r, SAC_COLUMN_REWARD, 1, NULL));
  SAC_TRY(find_column(r, SAC_COLUMN_TERMINATED, 1, NULL));
  SAC_TRY(find_column(r, SAC_COLUMN_NEXT_OBS, 2, &r->obs));
  if (sac_safetensors_find(r->file, "truncated")) SAC_TRY(find_column(r, SAC_COLUMN_TRUNCATED, 1, NULL));
  if (r->count == 0) status = sac_fail(SAC_ERROR_FORMAT, "%s holds no transitions", path);
fail:
  return status;
}

/* Converts transition i of a file to a row. Errors: FORMAT. */
static sac_status convert(const sac_transitions_reader* r, const sac_replay_row* row, size_t i, float* to) {
  const size_t O = (size_t)r->obs, A = (size_t)r->action;
  const sac_file_tensor* const* column = r->column;

  /* copy observations and action */
  for (size_t j = 0; j < O; j++) {
    to[(size_t)row->obs + j] = (float)element(column[SAC_COLUMN_OBS], i * O + j);
    to[(size_t)row->next_obs + j] = (float)element(column[SAC_COLUMN_NEXT_OBS], i * O + j);
  }
  for (size_t j = 0; j < A; j++) to[(size_t)row->action + j] = (float)element(column[SAC_COLUMN_ACTION], i * A + j);

  /* copy reward and flags */
  const double ended = element(column[SAC_COLUMN_TERMINATED], i);
  const double cut = column[SAC_COLUMN_TRUNCATED] ? element(column[SAC_COLUMN_TRUNCATED], i) : 0;
  if ((ended != 0 && ended != 1) || (cut != 0 && cut != 1))
    return sac_fail(SAC_ERROR_FORMAT, "%s: terminated or truncated of transition %zu is neither 0 nor 1", r->path, i);
  to[row->reward] = (float)element(column[SAC_COLUMN_REWARD], i);
  to[row->terminated] = (float)ended;
  to[row->truncated] = (float)cut;
  return SAC_OK;
}

/* Converts the transitions of a file, some at a time. */
static sac_status visit_file(const sac_transitions_reader* r, const sac_row_sink* sink) {
  const sac_replay_row row = sac_replay_layout((int32_t)r->obs, (int32_t)r->action);
  const size_t floats = (size_t)row.floats;
  sac_status status = SAC_OK;
  float* rows = calloc(CHUNK * floats, sizeof *rows);
  if (!rows) return sac_fail(SAC_ERROR_MEMORY, "no memory for transitions");
  for (int64_t first = 0, count; first < r->count; first += count) {
    count = r->count - first < CHUNK ? r->count - first : CHUNK;
    for (int64_t i = 0; i < count; i++) SAC_TRY(convert(r, &row, (size_t)(first + i), rows + (size_t)i * floats));
    SAC_TRY(sink->put(sink->user, (uint64_t)first, rows, (uint64_t)count));
  }
fail:
  free(rows);
  return status;
}

/* --- both --------------------------------------------------------------------------------------------------------- */

sac_status sac_transitions_open(sac_transitions_reader* reader, const char* path, const uint64_t* seed) {
  memset(reader, 0, sizeof *reader);
  const sac_status status = sac_is_folder(path) ? open_run(reader, path, seed) : open_file(reader, path);
  if (status == SAC_OK) {
    reader->env = sac_safetensors_metadata(reader->file, "env");
    reader->actions = actions_of(reader->file);
  }
  return status;
}

void sac_transitions_close(sac_transitions_reader* reader) {
  sac_safetensors_close(reader->file);
  reader->file = NULL;
}

sac_status sac_transitions_visit(const sac_transitions_reader* reader, const sac_row_sink* sink) {
  return reader->folder[0] ? sac_checkpoint_rows(reader->folder, reader->step, sink) : visit_file(reader, sink);
}
