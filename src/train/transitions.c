#include "train/transitions.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "formats/safetensors.h"
#include "kernels/discrete.h"
#include "kernels/squash.h"
#include "train/source.h"
#include "train/transitions_read.h"
#include "util/error.h"
#include "util/number.h"

#define CHUNK 1024 /* transitions that are converted together */
#define FORMAT "sac-transitions-1"

/* --- into the replay of an agent ---------------------------------------------------------------------------------- */

/* Where transitions go. */
typedef struct target {
  sac_run* run;
  const sac_transitions_reader* of;
  float* rows;   /* (CHUNK, row) */
  uint64_t next; /* the transition that is written next */
  int32_t p;
} target;

/* Checks the number of a discrete action. Errors: ENV. */
static sac_status check_number(const target* t, uint64_t transition, float action) {
  const int32_t actions = t->run->agent->shape.actions;
  if (sac_action_exists(action, actions)) return SAC_OK;
  return sac_fail(SAC_ERROR_ENV, "%s: action %.9g of transition %llu is no number of an action: 0 to %d are",
                  t->of->path, (double)action, (unsigned long long)transition, (int)actions - 1);
}

/* Scales an action of the environment to [-1, 1]. A rounding beyond the bounds is taken back. Errors: ENV. */
static sac_status to_unit(const target* t, int32_t i, uint64_t transition, float action, float* unit) {
  const float centre = t->run->agent->action_centre[i], half = t->run->agent->action_half[i];
  const float scaled = sac_action_unscale(action, centre, half);

  /* bounds that are equal allow one value */
  const int equal = half == 0 && action != centre;
  if (equal || !(sac_abs(scaled) <= 1 + sac_action_rounding(centre, half)))
    return sac_fail(SAC_ERROR_ENV, "%s: action %g of transition %llu is outside the environment's [%g, %g]",
                    t->of->path, (double)action, (unsigned long long)transition, (double)(centre - half),
                    (double)(centre + half));
  *unit = sac_clamp(scaled, -1, 1);
  return SAC_OK;
}

/* Writes `count` rows of t->rows into the ring. */
static sac_status write_rows(target* t, uint64_t count) {
  sac_agent* agent = t->run->agent;
  const size_t floats = (size_t)agent->row.floats;
  const size_t bad = sac_first_not_finite(t->rows, (size_t)count * floats);
  if (bad < (size_t)count * floats)
    return sac_fail(SAC_ERROR_FORMAT, "%s: transition %llu has a value that is not finite", t->of->path,
                    (unsigned long long)(t->next + bad / floats));
  const sac_status status =
      agent->backend->write(agent, SAC_MEMORY_REPLAY, t->p, (size_t)t->next * floats, t->rows, (size_t)count * floats);
  t->next += count;
  return status;
}

/* Takes rows of a reader. Their actions are scaled unless they are those of a run with the same bounds. Discrete ones
 * are numbers, which are not scaled. */
static sac_status put_rows(void* user, uint64_t transition, const float* rows, uint64_t count) {
  target* t = user;
  const sac_agent* agent = t->run->agent;
  const float *centre = t->of->centre, *half = t->of->half;
  const size_t floats = (size_t)agent->row.floats, bytes = (size_t)agent->shape.action * sizeof(float);
  const int same =
      centre && memcmp(centre, agent->action_centre, bytes) == 0 && memcmp(half, agent->action_half, bytes) == 0;
  (void)transition;
  sac_status status = SAC_OK;
  for (uint64_t done = 0, n; done < count; done += n) {
    n = count - done < CHUNK ? count - done : CHUNK;
    memcpy(t->rows, rows + done * floats, (size_t)n * floats * sizeof(float));
    for (uint64_t r = 0; agent->shape.actions && r < n; r++)
      SAC_TRY(check_number(t, t->next + r, t->rows[r * floats + agent->row.action]));
    for (uint64_t r = 0; !agent->shape.actions && !same && r < n; r++)
      for (int32_t i = 0; i < agent->shape.action; i++) {
        float* a = t->rows + r * floats + agent->row.action + i;
        SAC_TRY(to_unit(t, i, t->next + r, centre ? sac_action_scale(*a, centre[i], half[i]) : *a, a));
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

/* Refuses transitions whose actions are of another kind, or of another number, where that is known. Errors: SHAPE. */
static sac_status check_actions(const target* t, const sac_transitions_reader* reader) {
  const int32_t here = t->run->agent->shape.actions;
  char theirs[SAC_NUMBER_MAX], ours[SAC_NUMBER_MAX];
  if (reader->actions < 0 || reader->actions == here) return SAC_OK;
  (void)sac_print_integer(theirs, reader->actions);
  (void)sac_print_integer(ours, here);
  return sac_fail(SAC_ERROR_SHAPE, "%s has %s%s actions; %s has %s%s ones", reader->path,
                  reader->actions ? theirs : "continuous", reader->actions ? " discrete" : "", t->run->settings.env_id,
                  here ? ours : "continuous", here ? " discrete" : "");
}

/* Loads the transitions of a run or file into agent p. */
static sac_status load(target* t, const char* path) {
  const sac_agent* agent = t->run->agent;
  sac_transitions_reader reader;
  sac_status status = SAC_OK;

  /* compare the sizes, then copy row by row */
  SAC_TRY(sac_transitions_open(&reader, path, &agent->seed[t->p]));
  t->of = &reader;
  if (reader.obs != agent->shape.obs || reader.action != agent->shape.action)
    SAC_TRY(sac_fail(SAC_ERROR_SHAPE, "%s has %lld observations and %lld actions; %s has %d and %d", reader.path,
                     (long long)reader.obs, (long long)reader.action, t->run->settings.env_id, (int)agent->shape.obs,
                     (int)agent->shape.action));
  SAC_TRY(check_actions(t, &reader));
  SAC_TRY(check_count(t->run, reader.path, reader.count));
  const sac_row_sink sink = {put_rows, t};
  SAC_TRY(sac_transitions_visit(&reader, &sink));
fail:
  sac_transitions_close(&reader);
  t->of = NULL;
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
    SAC_TRY(load(&t, path));
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

typedef struct export {
  const sac_transitions_reader* of;
  sac_replay_row row;
  sac_file* file;
  int32_t column;
}
export;

static void describe_column(void* user, int32_t i, sac_file_tensor* tensor) {
  const export* e = user;
  memset(tensor, 0, sizeof *tensor);
  tensor->name = sac_transition_columns[i];
  tensor->dtype = SAC_F32;
  tensor->dims[tensor->rank++] = e->of->count;
  if (i == SAC_COLUMN_ACTION) tensor->dims[tensor->rank++] = e->of->action;
  if (i == SAC_COLUMN_OBS || i == SAC_COLUMN_NEXT_OBS) tensor->dims[tensor->rank++] = e->of->obs;
  tensor->bytes = sac_tensor_bytes(tensor);
}

/* Writes one column of some rows; actions in the environment's units. */
static sac_status put_column(void* user, uint64_t transition, const float* rows, uint64_t count) {
  const export* e = user;
  const int32_t starts[SAC_COLUMN_COUNT] = {e->row.obs,        e->row.action,    e->row.reward,
                                            e->row.terminated, e->row.truncated, e->row.next_obs};
  const int64_t width = e->column == SAC_COLUMN_ACTION                                    ? e->of->action
                        : e->column == SAC_COLUMN_OBS || e->column == SAC_COLUMN_NEXT_OBS ? e->of->obs
                                                                                          : 1;
  (void)transition;
  sac_status status = SAC_OK;
  for (uint64_t r = 0; r < count; r++)
    for (int64_t i = 0; i < width; i++) {
      float x = rows[r * (uint64_t)e->row.floats + (uint64_t)starts[e->column] + (uint64_t)i];
      if (e->column == SAC_COLUMN_ACTION) x = sac_action_scale(x, e->of->centre[i], e->of->half[i]);
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
  return sac_transitions_visit(e->of, &sink);
}

/* Refuses to write over a file that is no export, such as one of the run itself. Errors: FILE. */
static sac_status check_target(const char* path) {
  sac_safetensors* file = NULL;
  if (!sac_file_exists(path)) return SAC_OK;
  const char* format = sac_safetensors_open(&file, path) == SAC_OK ? sac_safetensors_metadata(file, "format") : NULL;
  const int exported = format && strcmp(format, FORMAT) == 0;
  sac_safetensors_close(file);
  return exported ? SAC_OK : sac_fail(SAC_ERROR_FILE, "%s is there, and is no export: choose another name", path);
}

sac_status sac_transitions_export(const char* folder, const char* path, int64_t* count) {
  sac_transitions_reader reader = {.file = NULL};
  char seed[SAC_PATH_MAX];
  sac_status status = SAC_OK;
  SAC_TRY(sac_source_folder(folder, NULL, seed)); /* a file has this form already */
  SAC_TRY(sac_transitions_open(&reader, seed, NULL));
  export e = {.of = &reader, .row = sac_replay_layout((int32_t)reader.obs, (int32_t)reader.action)};
  char actions[SAC_NUMBER_MAX];
  const sac_metadata metadata[] = {{"format", FORMAT}, {"env", reader.env ? reader.env : ""}, {"actions", actions}};
  (void)sac_print_integer(actions, reader.actions > 0 ? reader.actions : 0);
  SAC_TRY(check_target(path));
  const sac_tensor_source source = {&e, SAC_COLUMN_COUNT, describe_column, write_column};
  SAC_TRY(sac_safetensors_stream(path, &source, metadata, 3));
  *count = reader.count;
fail:
  sac_transitions_close(&reader);
  return status;
}
