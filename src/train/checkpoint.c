#include "train/checkpoint.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "agent/export.h"
#include "agent/steps.h"
#include "policy/header.h"
#include "train/rows.h"
#include "util/error.h"
#include "util/file.h"
#include "util/number.h"

struct sac_checkpoint {
  char dir[SAC_PATH_MAX];
  sac_agent* agent;
  int32_t p;         /* index in the agent */
  sac_state* states; /* (state_count + SAC_ROWS_STATES) the caller's states, and the lists of segments; with room for
                        SAC_ENV_INFO_MAX more */
  int32_t state_count;
  sac_rows rows;
  char written[SAC_WRITTEN_MAX];
};

/* The path of the checkpoint of step N. */
static sac_status step_path(const char* dir, int64_t step, char path[SAC_PATH_MAX]) {
  char name[SAC_STEP_NAME_MAX];
  sac_step_name(name, step);
  return sac_path(path, "%s/checkpoints/%s", dir, name);
}

/* Deletes files that a killed process left incomplete. sub: a folder in the seed folder, with its '/'; or "". */
static void remove_parts(const char* dir, const char* sub) {
  char path[SAC_PATH_MAX];
  if (sac_path(path, "%s%s", dir, sub) != SAC_OK) return;
  DIR* folder = opendir(path);
  if (!folder) return;

  /* files are written as NAME.part and renamed when they are complete */
  for (struct dirent* entry; (entry = readdir(folder));) {
    const size_t length = strlen(entry->d_name);
    if (length < 5 || strcmp(entry->d_name + length - 5, ".part") != 0) continue;
    if (sac_path(path, "%s%s/%s", dir, sub, entry->d_name) == SAC_OK) unlink(path);
  }
  closedir(folder);
}

/* Opens the segments of the agent's replay. */
static sac_status open_rows(sac_checkpoint* c) {
  const sac_agent* agent = c->agent;
  return sac_rows_open(&c->rows, c->dir, (size_t)agent->row.floats, agent->shape.capacity, (int64_t)agent->fixed[c->p]);
}

sac_status sac_checkpoint_create(sac_checkpoint** out, const char* dir, sac_agent* agent, int32_t p,
                                 const sac_state* states, int32_t state_count) {
  sac_status status = SAC_OK;
  char path[SAC_PATH_MAX];
  *out = NULL;
  sac_checkpoint* c = calloc(1, sizeof *c);
  if (!c) return sac_fail(SAC_ERROR_MEMORY, "no memory for checkpoints");

  /* copy the caller's states; the lists of segments come after them */
  c->agent = agent;
  c->p = p;
  c->state_count = state_count;
  c->states = calloc((size_t)state_count + SAC_ROWS_STATES + SAC_ENV_INFO_MAX, sizeof *c->states);
  if (!c->states) {
    status = sac_fail(SAC_ERROR_MEMORY, "no memory for checkpoints");
    goto fail;
  }
  if (state_count > 0) memcpy(c->states, states, (size_t)state_count * sizeof *states);

  /* create the folders, and delete incomplete files of a killed process */
  SAC_TRY(sac_path(c->dir, "%s", dir));
  SAC_TRY(sac_path(path, "%s/checkpoints", dir));
  SAC_TRY(sac_make_folders(path));
  SAC_TRY(open_rows(c));
  remove_parts(dir, "/checkpoints");
  remove_parts(dir, "");
  *out = c;
  return SAC_OK;
fail:
  sac_checkpoint_destroy(c);
  return status;
}

void sac_checkpoint_destroy(sac_checkpoint* checkpoint) {
  if (!checkpoint) return;
  sac_rows_close(&checkpoint->rows);
  free(checkpoint->states);
  free(checkpoint);
}

/* --- listing ------------------------------------------------------------------------------------------------------ */

int32_t sac_checkpoint_list(const char* dir, int64_t* step, int32_t max) {
  char path[SAC_PATH_MAX];
  return sac_path(path, "%s/checkpoints", dir) == SAC_OK ? sac_steps_list(path, step, max) : -1;
}

/* Counts the checkpoints of a seed folder. oldest: receives the step of the oldest; -1: none. */
static int32_t count_steps(const char* dir, int64_t* oldest) {
  char path[SAC_PATH_MAX];
  int32_t count = 0;
  *oldest = -1;
  DIR* folder = sac_path(path, "%s/checkpoints", dir) == SAC_OK ? opendir(path) : NULL;
  if (!folder) return 0;

  /* read the folder itself: it may hold more checkpoints than a list of fixed length */
  for (struct dirent* entry; (entry = readdir(folder));) {
    const int64_t found = sac_step_of(entry->d_name);
    if (found < 0) continue;
    count++;
    if (*oldest < 0 || found < *oldest) *oldest = found;
  }
  closedir(folder);
  return count;
}

/* --- saving ------------------------------------------------------------------------------------------------------- */

/* The number of transitions pushed when step N was saved, without those in fixed rows; 0 when it cannot be read, or
 * cannot be right. Reads the header only, and allocates nothing. */
static uint64_t pushed_at(const sac_checkpoint* c, int64_t step) {
  char path[SAC_PATH_MAX];
  unsigned char first[8];
  uint64_t json, pushed = 0;
  size_t room_bytes;
  char* room = sac_segments_staging(c->rows.others, &room_bytes);
  sac_header header;
  sac_header_entry entry;
  int fd = -1;

  /* read the header into the staging buffer of the segments */
  if (step_path(c->dir, step, path) != SAC_OK || sac_open(&fd, path, O_RDONLY) != SAC_OK) return 0;
  const off_t size = lseek(fd, 0, SEEK_END);
  if (size < 8 || sac_read_at(fd, path, 0, first, 8) != SAC_OK) goto end;
  if (sac_header_size(first, (uint64_t)size, &json) != NULL) goto end;
  if (json > room_bytes) goto end;
  if (sac_read_at(fd, path, 8, room, (size_t)json) != SAC_OK) goto end;

  /* find the counters: the first of them is the number of transitions pushed */
  sac_header_begin(&header, room, (size_t)json, (uint64_t)size - 8 - json);
  while (sac_header_next(&header, &entry) > SAC_HEADER_END) {
    if (!sac_header_is(&entry.name, "counters") || entry.element != 8 || entry.end - entry.begin < 8) continue;
    if (sac_read_at(fd, path, 8 + json + entry.begin, &pushed, 8) != SAC_OK) pushed = 0;
    if (pushed > c->agent->counters[c->p].pushed) pushed = 0; /* damaged, as no checksum was compared here */
    break;
  }
end:
  close(fd);
  return pushed > c->agent->fixed[c->p] ? pushed - c->agent->fixed[c->p] : 0;
}

/* Deletes all but the newest `keep` checkpoints, and the segments that none of them needs. Files that cannot be deleted
 * cost disk space only, so this is no error. */
static void prune(const sac_checkpoint* c, int32_t keep) {
  char path[SAC_PATH_MAX];
  int64_t oldest;

  /* delete the oldest until `keep` are left, or until one cannot be deleted */
  for (int32_t count = count_steps(c->dir, &oldest); count > keep; count = count_steps(c->dir, &oldest))
    if (step_path(c->dir, oldest, path) != SAC_OK || unlink(path) != 0) break;

  /* the oldest checkpoint that is left needs the oldest rows */
  const int64_t others = c->agent->shape.capacity - (int64_t)c->agent->fixed[c->p];
  if (oldest >= 0) sac_segments_prune(c->rows.others, sac_segments_first(pushed_at(c, oldest), others));
}

void sac_checkpoint_point_last(const char* dir, int64_t step) {
  char path[SAC_PATH_MAX], name[SAC_STEP_NAME_MAX];
  if (sac_path(path, "%s/checkpoints/last", dir) != SAC_OK) return;

  /* an old `last` would mislead where no new one can be made */
  sac_step_name(name, step);
  if (sac_link_file(name, path) != SAC_OK) (void)unlink(path);
}

sac_status sac_checkpoint_save(sac_checkpoint* c, int64_t step, int32_t keep, const char* config_text) {
  char path[SAC_PATH_MAX], number[24];
  int32_t lists;
  sac_status status = SAC_OK;

  /* the weights of a stopped agent are not good */
  if (!c->agent->alive[c->p])
    return sac_fail(SAC_ERROR_NUMERIC, "%s: the agent has stopped; its last good checkpoint stays", c->dir);

  /* write new rows first, so that the checkpoint can list them */
  SAC_TRY(sac_rows_append(&c->rows, c->agent, c->p, c->states + c->state_count, &lists));

  /* write the checkpoint */
  (void)snprintf(number, sizeof number, "%lld", (long long)step);
  const sac_metadata metadata[] = {{"step", number}, {"written", c->written}, {"config", config_text}};
  SAC_TRY(step_path(c->dir, step, path));
  SAC_TRY(
      sac_agent_write(c->agent, path, c->p, 1, c->states, c->state_count + lists, 0, metadata, config_text ? 3 : 2));

  /* point `last` to it, then delete old checkpoints */
  sac_checkpoint_point_last(c->dir, step);
  prune(c, keep);
fail:
  return status;
}

sac_status sac_checkpoint_best(sac_checkpoint* c, const sac_agent* agent, int64_t step, double mean_return,
                               const char* config_text) {
  char path[SAC_PATH_MAX], number[24], mean[SAC_NUMBER_MAX];
  sac_status status = SAC_OK;

  /* the metadata says which step it is and what it reached */
  (void)snprintf(number, sizeof number, "%lld", (long long)step);
  (void)sac_print_real(mean, mean_return);
  const sac_metadata metadata[] = {{"step", number}, {"mean_return", mean}, {"config", config_text}};

  /* write weights without states: the file is for eval and export, not for a resume */
  SAC_TRY(sac_path(path, "%s/checkpoints/best", c->dir));
  SAC_TRY(sac_agent_write(agent, path, c->p, 1, NULL, 0, 0, metadata, config_text ? 3 : 2));
fail:
  return status;
}

sac_status sac_checkpoint_evaluation(sac_checkpoint* c, const sac_agent* agent, int64_t step, const char* config_text) {
  char path[SAC_PATH_MAX], number[24];
  sac_status status = SAC_OK;
  (void)snprintf(number, sizeof number, "%lld", (long long)step);
  const sac_metadata metadata[] = {{"step", number}, {"config", config_text}};
  SAC_TRY(sac_path(path, "%s/checkpoints/evaluation", c->dir));
  SAC_TRY(sac_agent_write(agent, path, c->p, 1, NULL, 0, 0, metadata, config_text ? 2 : 1));
fail:
  return status;
}

void sac_checkpoint_evaluation_done(const sac_checkpoint* c) {
  char path[SAC_PATH_MAX];
  if (sac_path(path, "%s/checkpoints/evaluation", c->dir) == SAC_OK) (void)unlink(path);
}

sac_status sac_checkpoint_policy(sac_checkpoint* c, const char* spaces) {
  char path[SAC_PATH_MAX];
  sac_status status = SAC_OK;
  SAC_TRY(sac_path(path, "%s/policy.safetensors", c->dir));
  SAC_TRY(sac_policy_write(c->agent, c->p, spaces, path));
fail:
  return status;
}

char* sac_checkpoint_written(sac_checkpoint* c) { return c->written; }

void sac_checkpoint_add_state(sac_checkpoint* c, const sac_state* state) { c->states[c->state_count++] = *state; }

/* --- loading ------------------------------------------------------------------------------------------------------ */

/* Reads an integer in [low, high] from the metadata. Anything else is an error: FORMAT. */
static sac_status find_number(const sac_safetensors* file, const char* key, int64_t low, int64_t high,
                              int64_t* number) {
  const char* text = sac_safetensors_metadata(file, key);
  char* end = NULL;
  errno = 0;
  *number = text ? strtoll(text, &end, 10) : 0;

  /* the whole text must be one number */
  if (text && end != text && !*end && errno == 0 && *number >= low && *number <= high) return SAC_OK;
  return sac_fail(SAC_ERROR_FORMAT, "%s: metadata '%s' is '%.40s'", file->path, key, text ? text : "");
}

int64_t sac_checkpoint_evaluation_read(const char* dir, sac_agent* agent, int32_t p) {
  char path[SAC_PATH_MAX];
  sac_safetensors* file = NULL;
  int64_t step = -1;
  sac_status status = SAC_OK;
  SAC_TRY(sac_path(path, "%s/checkpoints/evaluation", dir));
  SAC_TRY(sac_safetensors_open(&file, path));
  SAC_TRY(find_number(file, "step", 0, INT64_MAX, &step));
  if (agent) SAC_TRY(sac_agent_read(agent, file, p, 1));
fail:
  sac_safetensors_close(file);
  return status == SAC_OK ? step : -1;
}

/* Checks that the file holds the step that its name says. */
static sac_status check_step(const sac_safetensors* file, int64_t step) {
  int64_t saved;
  const sac_status status = find_number(file, "step", 0, INT64_MAX, &saved);
  if (status != SAC_OK || saved == step) return status;
  return sac_fail(SAC_ERROR_FORMAT, "%s: the file holds step %lld", file->path, (long long)saved);
}

/* Checks the file of step N and its rows, which go to the sink. config_text: as in sac_checkpoint_probe. */
static sac_status check_file(const char* dir, const char* path, int64_t step, char* config_text, size_t config_size,
                             const sac_row_sink* sink) {
  sac_status status = SAC_OK;
  sac_safetensors* file = NULL;
  sac_rows_list rows;
  int64_t obs, action, capacity;

  /* check the file: complete, finite, of this step */
  SAC_TRY(sac_safetensors_open(&file, path));
  SAC_TRY(sac_agent_file_check(file));
  SAC_TRY(check_step(file, step));
  SAC_TRY(sac_rows_find(file, &rows));

  /* read the sizes; the fixed rows leave room for others */
  SAC_TRY(find_number(file, "obs_size", 1, 1 << 20, &obs));
  SAC_TRY(find_number(file, "action_size", 1, 1 << 20, &action));
  SAC_TRY(find_number(file, "capacity", (int64_t)rows.fixed + 1, (int64_t)SAC_BIG, &capacity));

  /* check the rows against their checksums */
  const size_t floats = (size_t)sac_replay_layout((int32_t)obs, (int32_t)action).floats;
  SAC_TRY(sac_rows_visit(&rows, dir, floats, capacity, sink));

  /* copy the configuration */
  const char* text = sac_safetensors_metadata(file, "config");
  if (config_text && (!text || strlen(text) >= config_size)) {
    status = sac_fail(SAC_ERROR_FORMAT, "%s: metadata 'config' is missing or too long", path);
    goto fail;
  }
  if (config_text) memcpy(config_text, text, strlen(text) + 1);
fail:
  sac_safetensors_close(file);
  return status;
}

sac_status sac_checkpoint_rows(const char* dir, int64_t step, const sac_row_sink* sink) {
  char path[SAC_PATH_MAX];
  const sac_status status = step_path(dir, step, path);
  return status == SAC_OK ? check_file(dir, path, step, NULL, 0, sink) : status;
}

sac_status sac_checkpoint_probe(const char* dir, int64_t step, char* config_text, size_t config_size) {
  char path[SAC_PATH_MAX], reason[512];
  sac_status status = step_path(dir, step, path);
  if (status != SAC_OK) return status;

  /* other errors are not of the checkpoint, for example lack of memory */
  status = check_file(dir, path, step, config_text, config_size, NULL);
  if (status == SAC_ERROR_FILE && sac_file_lost(path)) status = SAC_ERROR_FORMAT;
  if (status != SAC_ERROR_FORMAT && status != SAC_ERROR_FILE) return status;

  /* leave out the path at the start of the message: the log line names the checkpoint */
  const char* text = sac_last_error();
  const size_t length = strlen(path), dir_length = strlen(dir);
  if (strncmp(text, path, length) == 0 && strncmp(text + length, ": ", 2) == 0) text += length + 2;
  else if (strncmp(text, dir, dir_length) == 0 && text[dir_length] == '/') text += dir_length + 1;

  /* continue "last checkpoint ..."; the words below say that it is damaged */
  if (strncmp(text, "damaged: ", 9) == 0) text += 9;
  (void)snprintf(reason, sizeof reason, "%s", text);
  if (strncmp(reason, "cut short", 9) == 0) return sac_fail(status, "is %s", reason);
  if (strncmp(reason, "cannot be ", 10) == 0) return sac_fail(status, "%s", reason);
  return sac_fail(status, "%s (%s)", status == SAC_ERROR_FILE ? "cannot be read" : "is damaged", reason);
}

sac_status sac_checkpoint_states(const char* dir, int64_t step, const char* prefix,
                                 void (*found)(void* context, const char* name), void* context) {
  char path[SAC_PATH_MAX];
  sac_safetensors* file = NULL;
  sac_status status = SAC_OK;
  SAC_TRY(step_path(dir, step, path));
  SAC_TRY(sac_safetensors_open(&file, path));
  for (int32_t i = 0; i < file->count; i++)
    if (strncmp(file->tensors[i].name, prefix, strlen(prefix)) == 0) found(context, file->tensors[i].name);
fail:
  sac_safetensors_close(file);
  return status;
}

/* Whether these are the same bounds, but for roundings: older versions rounded the half range in another way. */
static int same_bounds(const void* saved, const float* value, size_t count) {
  for (size_t i = 0; i < count; i++) {
    float was;
    memcpy(&was, (const char*)saved + i * sizeof was, sizeof was);
    if (!(fabsf(was - value[i]) <= 4 * FLT_EPSILON * fabsf(value[i]))) return 0;
  }
  return 1;
}

/* Checks that the checkpoint fits this run: the same capacity, action bounds and states. */
static sac_status check_compatible(const sac_checkpoint* c, const sac_safetensors* file, const sac_rows_list* rows) {
  const sac_agent* agent = c->agent;
  const int64_t actions = agent->shape.action;
  sac_status status = SAC_OK;
  int64_t capacity;

  /* check the capacity: it decides where a row is in the replay */
  SAC_TRY(find_number(file, "capacity", 1, (int64_t)SAC_BIG, &capacity));
  if (capacity != agent->shape.capacity)
    return sac_fail(SAC_ERROR_SHAPE, "%s: replay.capacity was %lld and is now %lld", file->path, (long long)capacity,
                    (long long)agent->shape.capacity);

  /* check the fixed rows: key replay.offline_share needs some, and others need room */
  if ((agent->settings.offline_share > 0) != (rows->fixed > 0) || rows->fixed >= (uint64_t)capacity)
    return sac_fail(SAC_ERROR_FORMAT, "%s: damaged (%llu loaded transitions, replay.offline_share is %g)", file->path,
                    (unsigned long long)rows->fixed, agent->settings.offline_share);

  /* check the action bounds: actions in the replay are scaled by them */
  const char* const names[] = {"action.centre", "action.half_range"};
  const float* const values[] = {agent->action_centre, agent->action_half};
  for (int i = 0; i < 2; i++) {
    SAC_TRY(sac_safetensors_get(file, names[i], SAC_F32, 1, &actions, NULL));
    if (!same_bounds(sac_safetensors_find(file, names[i])->data, values[i], (size_t)actions))
      return sac_fail(SAC_ERROR_SHAPE, "%s: the environment's action bounds have changed ('%s')", file->path, names[i]);
  }

  /* check the sizes of the run's states */
  for (int32_t i = 0; i < c->state_count; i++) {
    const sac_state* state = &c->states[i];
    const int64_t count = (int64_t)(state->bytes / sac_dtype_size(state->dtype));

    /* a checkpoint of an older version may lack an optional state */
    if (state->optional && !sac_safetensors_find(file, state->name)) continue;
    SAC_TRY(sac_safetensors_get(file, state->name, state->dtype, 1, &count, NULL));
  }
fail:
  return status;
}

sac_status sac_checkpoint_load(sac_checkpoint* c, int64_t step) {
  char path[SAC_PATH_MAX];
  sac_status status = SAC_OK;
  sac_safetensors* file = NULL;
  sac_rows_list rows;

  /* check the file before the first change; the replay's rows are checked while they are read */
  SAC_TRY(step_path(c->dir, step, path));
  SAC_TRY(sac_safetensors_open(&file, path));
  SAC_TRY(check_step(file, step));
  SAC_TRY(sac_rows_find(file, &rows));
  SAC_TRY(check_compatible(c, file, &rows));

  /* fixed rows have segments of their own */
  if (rows.fixed != c->agent->fixed[c->p]) {
    c->agent->fixed[c->p] = rows.fixed;
    sac_rows_close(&c->rows);
    SAC_TRY(open_rows(c));
  }

  /* older versions did not note what the run's files held */
  const char* written = sac_safetensors_metadata(file, "written");
  (void)snprintf(c->written, sizeof c->written, "%s", written ? written : "");

  /* restore the agent, its rows, and the states of the run */
  SAC_TRY(sac_agent_read(c->agent, file, c->p, 1));
  SAC_TRY(sac_rows_read(&c->rows, &rows, c->agent, c->p));
  for (int32_t i = 0; i < c->state_count; i++) {
    const sac_state* state = &c->states[i];
    const sac_file_tensor* saved = sac_safetensors_find(file, state->name);

    /* an optional state that the file lacks is zero */
    if (saved && state->bytes > 0) memcpy(state->data, saved->data, state->bytes);
    else if (state->bytes > 0) memset(state->data, 0, state->bytes);
  }
fail:
  sac_safetensors_close(file);
  return status;
}
