/* sac verify of an environment trace: an episode of Gymnasium's, stepped by our own environment. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "env/check.h"
#include "env/list.h"
#include "env/task.h"
#include "env/vector.h"
#include "util/error.h"
#include "util/memory.h"
#include "util/text.h"
#include "verify/verify.h"
#include "verify/wide.h"

/* What an environment may differ by from Gymnasium's over a whole episode; relative for numbers beyond 1. Where sin and
 * cos are the same code on both sides, as they are on one machine, nothing differs at all. */
#define TOLERANCE 1e-6

#define INFO "info/"

/* One trace: what the file says, and what we make of it. Arrays are (T), (T, A), (T + 1, O), in double. */
typedef struct trace {
  const char* id;
  const char* options;
  const sac_env_entry* entry;
  sac_env_spec spec;
  void* env;
  int64_t steps;
  double *initial, *action, *obs, *reward, *terminated, *truncated; /* expected */
  double *our_obs, *our_reward, *our_terminated, *our_truncated;
  double* allowed;              /* scratch, as long as the longest */
  float* row;                   /* (O) */
  float* act;                   /* (A) */
  int32_t terms;                /* of info; 0: the file has none */
  const char* const* term;      /* (terms) their names */
  double *info, *our_info;      /* (terms, T) */
  float told[SAC_ENV_INFO_MAX]; /* of the last step */
} trace;

static void trace_free(trace* t) {
  if (t->env) t->entry->api->destroy(t->env);
  double* arrays[] = {t->initial,   t->action,  t->obs,        t->reward,         t->terminated,
                      t->truncated, t->our_obs, t->our_reward, t->our_terminated, t->our_truncated,
                      t->allowed,   t->info,    t->our_info};
  for (size_t i = 0; i < sizeof arrays / sizeof *arrays; i++) sac_free(arrays[i]);
  sac_free(t->row);
  sac_free(t->act);
}

static double element(const sac_file_tensor* tensor, size_t i) {
  const unsigned char* at = (const unsigned char*)tensor->data + i * sac_dtype_size(tensor->dtype);
  float f32;
  double f64;
  int64_t i64;
  uint64_t u64;
  switch (tensor->dtype) {
    case SAC_F32:
      memcpy(&f32, at, sizeof f32);
      return (double)f32;
    case SAC_F64:
      memcpy(&f64, at, sizeof f64);
      return f64;
    case SAC_U8:
      return *at;
    case SAC_I64:
      memcpy(&i64, at, sizeof i64);
      return (double)i64;
    case SAC_U64:
      memcpy(&u64, at, sizeof u64);
      return (double)u64;
    default:
      return NAN;
  }
}

/* Tensor `name` of (rows, columns) as new doubles. A tensor of rank 1 will do where columns is 1: discrete actions are
 * often kept so; any number type will, since float64 holds them all. */
static sac_status read(const sac_safetensors* file, const char* name, int64_t rows, int64_t columns, double** out) {
  const sac_file_tensor* tensor = sac_safetensors_find(file, name);
  if (!tensor) return sac_fail(SAC_ERROR_FORMAT, "%s: a trace needs tensor '%s'", file->path, name);
  const int flat = tensor->rank == 1 && columns == 1 && tensor->dims[0] == rows;
  const int table = tensor->rank == 2 && tensor->dims[0] == rows && tensor->dims[1] == columns;
  if (!flat && !table)
    return sac_fail(SAC_ERROR_SHAPE, "%s: '%s' has rank %d and dims (%lld, %lld); expected (%lld, %lld)", file->path,
                    name, (int)tensor->rank, (long long)(tensor->rank > 0 ? tensor->dims[0] : 1),
                    (long long)(tensor->rank > 1 ? tensor->dims[1] : 1), (long long)rows, (long long)columns);
  const size_t count = (size_t)rows * (size_t)columns;
  *out = sac_alloc(sac_bytes(count + 1, sizeof(double)));
  if (!*out) return sac_fail(SAC_ERROR_MEMORY, "%s: not enough memory", file->path);
  for (size_t i = 0; i < count; i++) {
    (*out)[i] = element(tensor, i);
    if (!isfinite((*out)[i]))
      return sac_fail(SAC_ERROR_FORMAT, "%s: '%s' holds a value that is not finite", file->path, name);
  }
  return SAC_OK;
}

/* Reads what the steps told, where the file says that: terms of both sides, or it is another environment's trace. */
static sac_status read_info(trace* t, const sac_safetensors* file) {
  char name[SAC_VERIFY_NAME_MAX], shown[SAC_SHOW_MAX];
  const size_t steps = (size_t)t->steps;
  int32_t theirs = 0;
  sac_status status = SAC_OK;
  SAC_TRY(sac_env_check_info(t->id, t->entry->api, t->env, &t->term, &t->terms));
  for (int32_t i = 0; i < file->count; i++) {
    if (strncmp(file->tensors[i].name, INFO, sizeof INFO - 1) != 0) continue;
    int32_t k = 0;
    while (k < t->terms && strcmp(t->term[k], file->tensors[i].name + sizeof INFO - 1) != 0) k++;
    if (k == t->terms)
      return sac_fail(SAC_ERROR_FORMAT, "%s: '%s' is no term of %s", file->path,
                      sac_text_show(shown, file->tensors[i].name, SIZE_MAX), t->id);
    theirs++;
  }
  if (theirs == 0) t->terms = 0;
  t->info = sac_alloc(sac_bytes((size_t)t->terms * steps + 1, sizeof(double)));
  t->our_info = sac_alloc(sac_bytes((size_t)t->terms * steps + 1, sizeof(double)));
  if (!t->info || !t->our_info) return sac_fail(SAC_ERROR_MEMORY, "%s: not enough memory", file->path);
  for (int32_t k = 0; k < t->terms; k++) {
    double* values = NULL;
    (void)snprintf(name, sizeof name, INFO "%s", t->term[k]);
    status = read(file, name, t->steps, 1, &values);
    if (status == SAC_OK) memcpy(t->info + (size_t)k * steps, values, steps * sizeof *values);
    sac_free(values);
    if (status != SAC_OK) break;
  }
fail:
  return status;
}

/* Makes our environment and reads the expected arrays. */
static sac_status trace_open(trace* t, const sac_safetensors* file) {
  sac_status status = SAC_OK;
  t->id = sac_safetensors_metadata(file, "env");
  t->options = sac_safetensors_metadata(file, "options");
  if (!t->options || !*t->options || strcmp(t->options, "null") == 0) t->options = "{}";
  if (!t->id) return sac_fail(SAC_ERROR_FORMAT, "%s: a trace names its environment in metadata 'env'", file->path);
  if (sac_env_is_outside(t->id)) { /* a file to verify must not say what is loaded and run */
    char shown[SAC_SHOW_MAX];
    return sac_fail(SAC_ERROR_ENV, "%s is a trace of %s; those of built-in environments alone are verified", file->path,
                    sac_text_show(shown, t->id, SIZE_MAX));
  }
  const sac_env_api* api;
  SAC_TRY(sac_env_find(t->id, &api));
  t->entry = sac_env_entry_find(t->id);
  if (api->create(&t->env, t->id, 1, t->options, &t->spec) != 0) {
    status = sac_fail(SAC_ERROR_CONFIG, "%s", api->error && t->env ? api->error(t->env) : t->id);
    goto fail;
  }
  const sac_file_tensor* action = sac_safetensors_find(file, "action");
  if (!action || action->rank < 1 || action->dims[0] < 1) {
    status = sac_fail(SAC_ERROR_FORMAT, "%s: a trace needs tensor 'action' of one step or more", file->path);
    goto fail;
  }
  t->steps = action->dims[0];
  SAC_TRY(read(file, "action", t->steps, t->spec.action_size, &t->action));
  SAC_TRY(read(file, "observation", t->steps + 1, t->spec.obs_size, &t->obs));
  SAC_TRY(read(file, "reward", t->steps, 1, &t->reward));
  SAC_TRY(read(file, "terminated", t->steps, 1, &t->terminated));
  SAC_TRY(read(file, "truncated", t->steps, 1, &t->truncated));
  const int32_t initial = t->entry->initial_count ? t->entry->initial_count(t->env) : t->entry->initial_size;
  if (initial > 0) SAC_TRY(read(file, "initial", initial, 1, &t->initial));
  for (int64_t s = 0; s + 1 < t->steps; s++)
    if (t->terminated[s] != 0 || t->truncated[s] != 0) {
      status = sac_fail(SAC_ERROR_FORMAT, "%s: the episode ends at step %lld of %lld: a trace is one episode",
                        file->path, (long long)s + 1, (long long)t->steps);
      goto fail;
    }

  SAC_TRY(read_info(t, file));
  const size_t steps = (size_t)t->steps, obs = (size_t)t->spec.obs_size, longest = (steps + 1) * obs;
  t->our_obs = sac_alloc(longest * sizeof(double));
  t->our_reward = sac_alloc(steps * sizeof(double));
  t->our_terminated = sac_alloc(steps * sizeof(double));
  t->our_truncated = sac_alloc(steps * sizeof(double));
  t->allowed = sac_alloc(longest * sizeof(double));
  t->row = sac_alloc(obs * sizeof(float));
  t->act = sac_alloc((size_t)t->spec.action_size * sizeof(float));
  if (!t->our_obs || !t->our_reward || !t->our_terminated || !t->our_truncated || !t->allowed || !t->row || !t->act)
    status = sac_fail(SAC_ERROR_MEMORY, "%s: not enough memory", file->path);
fail:
  return status;
}

static void keep_row(trace* t, int64_t s) {
  const size_t obs = (size_t)t->spec.obs_size;
  for (size_t j = 0; j < obs; j++) t->our_obs[(size_t)s * obs + j] = (double)t->row[j];
}

/* The environment itself, through the table that a run uses; wide: fed with the actions as the file has them. */
static sac_status replay(trace* t, int wide) {
  const sac_env_api* api = t->entry->api;
  const size_t actions = (size_t)t->spec.action_size;
  if (t->entry->start(t->env, 0, t->initial, t->row) != 0) goto failed;
  keep_row(t, 0);
  for (int64_t s = 0; s < t->steps; s++) {
    const double* action = t->action + (size_t)s * actions;
    float reward = 0;
    double exact;
    uint8_t terminated, truncated = 0;
    for (size_t j = 0; j < actions; j++) t->act[j] = (float)action[j];
    if (wide ? t->entry->step_wide(t->env, action, t->row, &exact, &terminated)
             : api->step(t->env, t->act, t->row, &reward, &terminated, &truncated))
      goto failed;
    keep_row(t, s + 1);
    if (t->terms > 0 && api->info(t->env, t->told) != 0) goto failed;
    for (int32_t k = 0; k < t->terms; k++) t->our_info[(int64_t)k * t->steps + s] = (double)t->told[k];
    t->our_reward[s] = wide ? (double)(float)exact : (double)reward;
    t->our_terminated[s] = terminated != 0;
    t->our_truncated[s] =
        truncated != 0 || (t->spec.max_episode_steps > 0 && s + 1 >= (int64_t)t->spec.max_episode_steps);
  }
  return SAC_OK;
failed:
  return sac_fail(SAC_ERROR_ENV, "%s: %s", t->id, api->error ? api->error(t->env) : "failed");
}

static sac_status compare_one(const trace* t, sac_verify_report* report, const char* name, const char* how,
                              const double* ours, const double* expected, size_t count) {
  char label[SAC_VERIFY_NAME_MAX + 32];
  (void)snprintf(label, sizeof label, "%s%s", name, how);
  return sac_verify_compare(report, label, ours, expected, t->allowed, count);
}

static sac_status compare(trace* t, const char* how, sac_verify_report* report) {
  sac_status status = SAC_OK;
  const size_t steps = (size_t)t->steps, observations = (steps + 1) * (size_t)t->spec.obs_size;
  /* Observations, rewards and info are float in the interface: theirs are rounded to it first. */
  for (size_t i = 0; i < observations; i++) {
    t->obs[i] = (double)(float)t->obs[i];
    t->allowed[i] = TOLERANCE * fmax(1, fabs(t->obs[i]));
  }
  SAC_TRY(compare_one(t, report, "observation", how, t->our_obs, t->obs, observations));
  for (size_t i = 0; i < steps; i++) {
    t->reward[i] = (double)(float)t->reward[i];
    t->allowed[i] = TOLERANCE * fmax(1, fabs(t->reward[i]));
  }
  SAC_TRY(compare_one(t, report, "reward", how, t->our_reward, t->reward, steps));
  memset(t->allowed, 0, steps * sizeof(double));
  SAC_TRY(compare_one(t, report, "terminated", how, t->our_terminated, t->terminated, steps));
  SAC_TRY(compare_one(t, report, "truncated", how, t->our_truncated, t->truncated, steps));
  for (int32_t k = 0; k < t->terms; k++) {
    char name[SAC_VERIFY_NAME_MAX];
    double* expected = t->info + (size_t)k * steps;
    for (size_t i = 0; i < steps; i++) {
      expected[i] = (double)(float)expected[i];
      t->allowed[i] = TOLERANCE * fmax(1, fabs(expected[i]));
    }
    (void)snprintf(name, sizeof name, INFO "%s", t->term[k]);
    SAC_TRY(compare_one(t, report, name, how, t->our_info + (size_t)k * steps, expected, steps));
  }
fail:
  return status;
}

/* Whether all rows from `first` on are. */
static int all_ok(const sac_verify_report* report, int32_t first) {
  for (int32_t i = first; i < report->count; i++)
    if (!report->row[i].ok) return 0;
  return 1;
}

/* The trace again as Gymnasium does it when it is fed float64 actions; see wide.h. */
static sac_status replay_wide(trace* t, const sac_task* task) {
  sac_status status = SAC_OK;
  const size_t observations = (size_t)(t->steps + 1) * (size_t)t->spec.obs_size;
  void* options = sac_alloc(task->options_size);
  float* obs = sac_alloc(observations * sizeof *obs);
  uint8_t* terminated = sac_alloc((size_t)t->steps);
  if (!options || !obs || !terminated) {
    status = sac_fail(SAC_ERROR_MEMORY, "%s: not enough memory", t->id);
    goto fail;
  }
  SAC_TRY(sac_env_options_read(task->options, task->option_count, t->id, t->options, options));
  const sac_wide_trace wide = {options, t->initial, t->steps, t->action, obs, t->our_reward, terminated};
  sac_wide_replay(task, &wide);
  for (size_t i = 0; i < observations; i++) t->our_obs[i] = (double)obs[i];
  for (int64_t s = 0; s < t->steps; s++) {
    t->our_reward[s] = (double)(float)t->our_reward[s];
    t->our_terminated[s] = terminated[s];
  }
fail:
  sac_free(options);
  sac_free(obs);
  sac_free(terminated);
  return status;
}

sac_status sac_verify_trace(const sac_safetensors* file, sac_verify_report* report) {
  sac_status status = SAC_OK;
  trace t = {0};
  const int32_t first = report->count;
  SAC_TRY(trace_open(&t, file));
  SAC_TRY(replay(&t, 0));
  SAC_TRY(compare(&t, "", report));
  const sac_task* task = sac_task_find(t.id);
  if (((task && task->actions == 0) || t.entry->step_wide) && !all_ok(report, first)) {
    /* Only where it explains the difference; otherwise the report is about what a run does. */
    const int32_t second = report->count;
    SAC_TRY(t.entry->step_wide ? replay(&t, 1) : replay_wide(&t, task));
    SAC_TRY(compare(&t, " (float64 actions)", report));
    if (all_ok(report, second))
      memmove(&report->row[first], &report->row[second], (size_t)(report->count - second) * sizeof *report->row);
    report->count = second;
  }
fail:
  trace_free(&t);
  return status;
}
