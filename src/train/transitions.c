#include "train/transitions.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "formats/safetensors.h"
#include "kernels/squash.h"
#include "train/source.h"
#include "util/error.h"
#include "util/number.h"

#define CHUNK 1024 /* transitions that are converted together */

/* --- the replay of a run ------------------------------------------------------------------------------------------ */

/* The newest checkpoint of a run that transitions are read from. */
typedef struct replay {
  char folder[SAC_PATH_MAX], path[SAC_PATH_MAX];
  int64_t step, count;
  sac_safetensors* file;
  int64_t obs, action;
  const float *centre, *half; /* (A) in the file */
} replay;

/* A whole number of the checkpoint's metadata. */
static sac_status number_of(const sac_safetensors* file, const char* key, int64_t* value) {
  const char* text = sac_safetensors_metadata(file, key);
  if (text && sac_parse_integer(text, value) == SAC_NUMBER_OK && *value >= 1 && *value <= INT32_MAX) return SAC_OK;
  return sac_fail(SAC_ERROR_FORMAT, "%s: no checkpoint of a run (metadata '%s')", file->path, key);
}

/* Opens the newest checkpoint for a seed, and counts its transitions. seed: as sac_source_folder takes it. The caller
 * closes r->file. */
static sac_status open_replay(replay* r, const char* path, const uint64_t* seed) {
  int64_t capacity = 0;
  const int64_t three = 3;
  uint64_t counters[3];
  sac_status status = SAC_OK;
  memset(r, 0, sizeof *r);

  /* find and open it */
  SAC_TRY(sac_source_folder(path, seed, r->folder));
  SAC_TRY(sac_source_step(r->folder, &r->step, r->path));
  SAC_TRY(sac_safetensors_open(&r->file, r->path));

  /* read the sizes, the scaling of actions and the number of transitions */
  SAC_TRY(number_of(r->file, "obs_size", &r->obs));
  SAC_TRY(number_of(r->file, "action_size", &r->action));
  SAC_TRY(number_of(r->file, "capacity", &capacity));
  SAC_TRY(sac_safetensors_get(r->file, "counters", SAC_U64, 1, &three, counters));
  SAC_TRY(sac_safetensors_get(r->file, "action.centre", SAC_F32, 1, &r->action, NULL));
  SAC_TRY(sac_safetensors_get(r->file, "action.half_range", SAC_F32, 1, &r->action, NULL));
  r->centre = sac_safetensors_find(r->file, "action.centre")->data;
  r->half = sac_safetensors_find(r->file, "action.half_range")->data;
  r->count = sac_replay_size(counters[0], capacity);
  if (r->count == 0) status = sac_fail(SAC_ERROR_FORMAT, "%s has no transitions yet", r->path);
fail:
  return status;
}

/* --- into the replay of an agent ---------------------------------------------------------------------------------- */

/* Where transitions go. */
typedef struct target {
  sac_run* run;
  const char* path; /* of what is read, for messages */
  const replay* of; /* NULL: a file, whose actions are in the environment's units */
  float* rows;      /* (CHUNK, row) */
  uint64_t next;    /* the transition that is written next */
  int32_t p;
} target;

/* Scales an action of the environment to [-1, 1]. A rounding beyond the bounds is taken back. Errors: ENV. */
static sac_status to_unit(const target* t, int32_t i, uint64_t transition, float action, float* unit) {
  const float centre = t->run->agent->action_centre[i], half = t->run->agent->action_half[i];
  const float scaled = sac_action_unscale(action, centre, half);

  /* bounds that are equal allow one value */
  const int equal = half == 0 && action != centre;
  if (equal || !(sac_abs(scaled) <= 1 + sac_action_rounding(centre, half)))
    return sac_fail(SAC_ERROR_ENV, "%s: action %g of transition %llu is outside the environment's [%g, %g]", t->path,
                    (double)action, (unsigned long long)transition, (double)(centre - half), (double)(centre + half));
  *unit = sac_clamp(scaled, -1, 1);
  return SAC_OK;
}

/* Writes `count` rows of t->rows into the ring. */
static sac_status write_rows(target* t, uint64_t count) {
  sac_agent* agent = t->run->agent;
  const size_t floats = (size_t)agent->row.floats;
  const size_t bad = sac_first_not_finite(t->rows, (size_t)count * floats);
  if (bad < (size_t)count * floats)
    return sac_fail(SAC_ERROR_FORMAT, "%s: transition %llu has a value that is not finite", t->path,
                    (unsigned long long)(t->next + bad / floats));
  const sac_status status =
      agent->backend->write(agent, SAC_MEMORY_REPLAY, t->p, (size_t)t->next * floats, t->rows, (size_t)count * floats);
  t->next += count;
  return status;
}

/* Takes rows of another run's replay. Their actions are scaled anew if the bounds differ. */
static sac_status put_rows(void* user, uint64_t transition, const float* rows, uint64_t count) {
  target* t = user;
  const sac_agent* agent = t->run->agent;
  const size_t floats = (size_t)agent->row.floats, bytes = (size_t)agent->shape.action * sizeof(float);
  const int same =
      memcmp(t->of->centre, agent->action_centre, bytes) == 0 && memcmp(t->of->half, agent->action_half, bytes) == 0;
  (void)transition;
  sac_status status = SAC_OK;
  for (uint64_t done = 0, n; done < count; done += n) {
    n = count - done < CHUNK ? count - done : CHUNK;
    memcpy(t->rows, rows + done * floats, (size_t)n * floats * sizeof(float));
    for (uint64_t r = 0; !same && r < n; r++)
      for (int32_t i = 0; i < agent->shape.action; i++) {
        float* a = t->rows + r * floats + agent->row.action + i;
        SAC_TRY(to_unit(t, i, t->next + r, sac_action_scale(*a, t->of->centre[i], t->of->half[i]), a));
      }
    SAC_TRY(write_rows(t, n));
  }
fail:
  return status;
}

/* Refuses more transitions than the ring holds, as some of them would be lost. Transitions that are kept must leave
 * room for those of the run. */
static sac_status check_count(const sac_run* run, const char* path, int64_t count) {
  const int64_t capacity = run->agent->shape.capacity;
  if (run->settings.offline_share > 0 && count >= capacity)
    return sac_fail(
        SAC_ERROR_CONFIG,
        "%s has %lld transitions, which replay.offline_share keeps; replay.capacity is %lld: raise it above "
        "them",
        path, (long long)count, (long long)capacity);
  if (count <= capacity) return SAC_OK;
  return sac_fail(SAC_ERROR_CONFIG, "%s has %lld transitions, replay.capacity is %lld: raise it", path,
                  (long long)count, (long long)capacity);
}

/* Loads the replay of a run into agent p. */
static sac_status load_run(target* t, const char* path) {
  const sac_agent* agent = t->run->agent;
  replay r;
  sac_status status = SAC_OK;

  /* compare the sizes, then copy row by row */
  SAC_TRY(open_replay(&r, path, &agent->seed[t->p]));
  t->path = r.path;
  t->of = &r;
  if (r.obs != agent->shape.obs || r.action != agent->shape.action)
    SAC_TRY(sac_fail(SAC_ERROR_SHAPE, "%s has %lld observations and %lld actions; %s has %d and %d", r.path,
                     (long long)r.obs, (long long)r.action, t->run->settings.env_id, (int)agent->shape.obs,
                     (int)agent->shape.action));
  SAC_TRY(check_count(t->run, r.path, r.count));
  const sac_row_sink sink = {put_rows, t};
  SAC_TRY(sac_checkpoint_rows(r.folder, r.step, &sink));
fail:
  sac_safetensors_close(r.file);
  t->path = NULL;
  t->of = NULL;
  return status;
}

/* --- files -------------------------------------------------------------------------------------------------------- */

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

/* Finds a tensor (n, width), or (n) for width 0. *n: -1 takes the number of the file. Errors: FORMAT, SHAPE. */
static sac_status find_column(const sac_safetensors* file, const char* name, int64_t width, int64_t* n,
                              const sac_file_tensor** tensor) {
  *tensor = sac_safetensors_find(file, name);
  if (!*tensor)
    return sac_fail(SAC_ERROR_FORMAT, "%s has no tensor '%s': obs, action, reward, terminated, next_obs are needed",
                    file->path, name);
  const sac_file_tensor* t = *tensor;
  if (*n < 0 && t->rank > 0) *n = t->dims[0];
  const int column = width == 0 && t->rank == 2 && t->dims[1] == 1; /* (n, 1) is (n) */
  const int fits = t->rank == (width > 0 || column ? 2 : 1) && t->dims[0] == *n && (width == 0 || t->dims[1] == width);
  if (fits) return SAC_OK;

  /* the message has both shapes */
  const int64_t dims[2] = {*n < 0 ? 0 : *n, width};
  return sac_safetensors_get(file, name, t->dtype, width > 0 ? 2 : 1, dims, NULL);
}

/* Loads a transitions file into agent p. */
static sac_status load_file(target* t, const char* path) {
  const sac_agent* agent = t->run->agent;
  const sac_replay_row* row = &agent->row;
  const int32_t O = agent->shape.obs, A = agent->shape.action;
  const sac_file_tensor *obs, *action, *reward, *terminated, *truncated = NULL, *next;
  sac_safetensors* file = NULL;
  int64_t n = -1;
  sac_status status = SAC_OK;

  /* find the tensors */
  t->path = path;
  SAC_TRY(sac_safetensors_open(&file, path));
  SAC_TRY(find_column(file, "obs", O, &n, &obs));
  SAC_TRY(find_column(file, "action", A, &n, &action));
  SAC_TRY(find_column(file, "reward", 0, &n, &reward));
  SAC_TRY(find_column(file, "terminated", 0, &n, &terminated));
  SAC_TRY(find_column(file, "next_obs", O, &n, &next));
  if (sac_safetensors_find(file, "truncated")) SAC_TRY(find_column(file, "truncated", 0, &n, &truncated));
  if (n == 0) SAC_TRY(sac_fail(SAC_ERROR_FORMAT, "%s holds no transitions", path));
  SAC_TRY(check_count(t->run, path, n));

  /* convert and write, some at a time */
  for (int64_t first = 0, count; first < n; first += count) {
    count = n - first < CHUNK ? n - first : CHUNK;
    memset(t->rows, 0, (size_t)count * (size_t)row->floats * sizeof(float));
    for (int64_t r = 0; r < count; r++) {
      float* to = t->rows + r * row->floats;
      const size_t i = (size_t)(first + r);
      for (int32_t j = 0; j < O; j++) {
        to[row->obs + j] = (float)element(obs, i * (size_t)O + (size_t)j);
        to[row->next_obs + j] = (float)element(next, i * (size_t)O + (size_t)j);
      }
      for (int32_t j = 0; j < A; j++)
        SAC_TRY(to_unit(t, j, i, (float)element(action, i * (size_t)A + (size_t)j), &to[row->action + j]));
      const double ended = element(terminated, i), cut = truncated ? element(truncated, i) : 0;
      if ((ended != 0 && ended != 1) || (cut != 0 && cut != 1))
        SAC_TRY(
            sac_fail(SAC_ERROR_FORMAT, "%s: terminated or truncated of transition %zu is neither 0 nor 1", path, i));
      to[row->reward] = (float)element(reward, i);
      to[row->terminated] = (float)ended;
      to[row->truncated] = (float)cut;
    }
    SAC_TRY(write_rows(t, (uint64_t)count));
  }
fail:
  sac_safetensors_close(file);
  return status;
}

sac_status sac_run_load_replay(sac_run* run) {
  const char* path = run->settings.replay_load;
  const double share = run->settings.offline_share;
  sac_agent* agent = run->agent;
  target t = {.run = run};
  sac_status status = SAC_OK;
  if (!path[0]) return SAC_OK;

  /* a share that is no row of a minibatch would keep transitions that are never drawn */
  if (share > 0 && sac_offline_rows(share, agent->shape.batch) == 0)
    SAC_TRY(sac_fail(SAC_ERROR_CONFIG, "replay.offline_share %g of replay.batch %d is no row: raise one of them", share,
                     (int)agent->shape.batch));
  t.rows = calloc((size_t)CHUNK * (size_t)agent->row.floats, sizeof(float));
  if (!t.rows) SAC_TRY(sac_fail(SAC_ERROR_MEMORY, "no memory for transitions"));

  /* fill each agent's ring; the fewest count as steps of the warm-up */
  run->start.loaded = UINT64_MAX;
  for (t.p = 0; t.p < agent->shape.population; t.p++) {
    t.next = 0;
    SAC_TRY(sac_is_folder(path) ? load_run(&t, path) : load_file(&t, path));
    agent->counters[t.p].pushed = t.next;
    agent->fixed[t.p] = share > 0 ? t.next : 0;
    if (t.next < run->start.loaded) run->start.loaded = t.next;
  }
  if (agent->backend->state_set) SAC_TRY(agent->backend->state_set(agent));
  sac_run_note(run, "replay %s %llu transitions of %.600s", share > 0 ? "keeps" : "starts with",
               (unsigned long long)run->start.loaded, path);
fail:
  if (status != SAC_OK) sac_fail_prefix("replay: ");
  free(t.rows);
  return status;
}

/* --- export ------------------------------------------------------------------------------------------------------- */

/* The tensors of a transitions file, and where each begins in a row. */
enum { OBS, ACTION, REWARD, TERMINATED, TRUNCATED, NEXT_OBS, COLUMNS };

typedef struct export {
  const replay* of;
  sac_replay_row row;
  sac_file* file;
  int32_t column;
}
export;

static void describe_column(void* user, int32_t i, sac_file_tensor* tensor) {
  static const char* const names[COLUMNS] = {"obs", "action", "reward", "terminated", "truncated", "next_obs"};
  const export* e = user;
  memset(tensor, 0, sizeof *tensor);
  tensor->name = names[i];
  tensor->dtype = SAC_F32;
  tensor->dims[tensor->rank++] = e->of->count;
  if (i == ACTION) tensor->dims[tensor->rank++] = e->of->action;
  if (i == OBS || i == NEXT_OBS) tensor->dims[tensor->rank++] = e->of->obs;
  tensor->bytes = sac_tensor_bytes(tensor);
}

/* Writes one column of some rows; actions in the environment's units. */
static sac_status put_column(void* user, uint64_t transition, const float* rows, uint64_t count) {
  const export* e = user;
  const int32_t starts[COLUMNS] = {e->row.obs,        e->row.action,    e->row.reward,
                                   e->row.terminated, e->row.truncated, e->row.next_obs};
  const int64_t width = e->column == ACTION                         ? e->of->action
                        : e->column == OBS || e->column == NEXT_OBS ? e->of->obs
                                                                    : 1;
  (void)transition;
  sac_status status = SAC_OK;
  for (uint64_t r = 0; r < count; r++)
    for (int64_t i = 0; i < width; i++) {
      float x = rows[r * (uint64_t)e->row.floats + (uint64_t)starts[e->column] + (uint64_t)i];
      if (e->column == ACTION) x = sac_action_scale(x, e->of->centre[i], e->of->half[i]);
      SAC_TRY(sac_file_put(e->file, &x, sizeof x));
    }
fail:
  return status;
}

static sac_status write_column(void* user, int32_t i, sac_file* file) {
  export* e = user;
  const sac_row_sink sink = {put_column, e};
  e->file = file;
  e->column = i;
  return sac_checkpoint_rows(e->of->folder, e->of->step, &sink);
}

sac_status sac_transitions_export(const char* folder, const char* path, int64_t* count) {
  replay r;
  sac_status status = SAC_OK;
  SAC_TRY(open_replay(&r, folder, NULL));
  export e = {.of = &r, .row = sac_replay_layout((int32_t)r.obs, (int32_t)r.action)};
  const char* env = sac_safetensors_metadata(r.file, "env");
  const sac_metadata metadata[] = {{"format", "sac-transitions-1"}, {"env", env ? env : ""}};
  const sac_tensor_source source = {&e, COLUMNS, describe_column, write_column};
  SAC_TRY(sac_safetensors_stream(path, &source, metadata, 2));
  *count = r.count;
fail:
  sac_safetensors_close(r.file);
  return status;
}
