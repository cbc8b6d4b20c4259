/* Verifying an environment trace: an episode that Gymnasium played, replayed by our own environment. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "env/check.h"
#include "env/list.h"
#include "env/task.h"
#include "env/vector.h"
#include "kernels/discrete.h"
#include "util/error.h"
#include "util/memory.h"
#include "util/text.h"
#include "verify/verify.h"
#include "verify/wide.h"

#define INFO "info/"

/* One trace: the arrays of the file and ours, in double: actions (T, A), observations (T + 1, O), all others (T). */
typedef struct trace {
  const char* id;
  const char* options;
  const sac_env_entry* entry;
  sac_env_spec spec;
  void* env;
  int64_t steps;
  double *initial, *action, *obs, *reward, *terminated, *truncated; /* from the file */
  double *our_obs, *our_reward, *our_terminated, *our_truncated;
  double* allowed;                  /* the tolerances of one comparison, as long as the longest array */
  float* row;                       /* (O) the observation of the last step */
  float* act;                       /* (A) the action of the last step */
  int32_t terms;                    /* the number of terms of info; 0: the file has none */
  const char* const* term;          /* (terms) their names */
  double *info, *our_info;          /* (terms, T) */
  float info_row[SAC_ENV_INFO_MAX]; /* (terms) of the last step */
} trace;

static void trace_free(trace* t) {
  /* free the environment, then the arrays; a trace may be half-read */
  if (t->env) t->entry->api->destroy(t->env);
  double* arrays[] = {t->initial,   t->action,  t->obs,        t->reward,         t->terminated,
                      t->truncated, t->our_obs, t->our_reward, t->our_terminated, t->our_truncated,
                      t->allowed,   t->info,    t->our_info};
  for (size_t i = 0; i < sizeof arrays / sizeof *arrays; i++) sac_free(arrays[i]);
  sac_free(t->row);
  sac_free(t->act);
}

/* Element i of a tensor of any dtype. */
static double element(const sac_file_tensor* tensor, size_t i) {
  const unsigned char* at = (const unsigned char*)tensor->data + i * sac_dtype_size(tensor->dtype);
  float f32;
  double f64;
  int64_t i64;
  uint64_t u64;

  /* read through memcpy, because the data may be unaligned for its type */
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

/* Reads tensor `name`, (rows, columns), of any dtype, into new doubles. The caller frees *out, also after an error. A
 * tensor with one column may also have the shape (rows), as discrete actions often have. */
static sac_status read(const sac_safetensors* file, const char* name, int64_t rows, int64_t columns, double** out) {
  /* find the tensor and check its shape */
  const sac_file_tensor* tensor = sac_safetensors_find(file, name);
  if (!tensor) return sac_fail(SAC_ERROR_FORMAT, "%s: a trace needs tensor '%s'", file->path, name);
  const int flat = tensor->rank == 1 && columns == 1 && tensor->dims[0] == rows;
  const int table = tensor->rank == 2 && tensor->dims[0] == rows && tensor->dims[1] == columns;
  if (!flat && !table)
    return sac_fail(SAC_ERROR_SHAPE, "%s: '%s' has rank %d and dims (%lld, %lld); expected (%lld, %lld)", file->path,
                    name, (int)tensor->rank, (long long)(tensor->rank > 0 ? tensor->dims[0] : 1),
                    (long long)(tensor->rank > 1 ? tensor->dims[1] : 1), (long long)rows, (long long)columns);

  /* convert it to double; only finite values can be compared */
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

/* Finds out whether the file has terms of info. Fails if one of them is no term of the environment: the trace is then
 * of another environment. */
static sac_status find_info(const trace* t, const sac_safetensors* file, int* found) {
  char shown[SAC_SHOW_MAX];
  *found = 0;
  for (int32_t i = 0; i < file->count; i++) {
    const char* name = file->tensors[i].name;
    if (strncmp(name, INFO, sizeof INFO - 1) != 0) continue;

    /* look for the name among the terms of the environment */
    int32_t k = 0;
    while (k < t->terms && strcmp(t->term[k], name + sizeof INFO - 1) != 0) k++;
    if (k == t->terms)
      return sac_fail(SAC_ERROR_FORMAT, "%s: '%s' is no term of %s", file->path, sac_text_show(shown, name, SIZE_MAX),
                      t->id);
    *found = 1;
  }
  return SAC_OK;
}

/* Reads the expected terms of info, where the file has them. */
static sac_status read_info(trace* t, const sac_safetensors* file) {
  char name[SAC_VERIFY_NAME_MAX];
  const size_t steps = (size_t)t->steps;
  int found;
  sac_status status = SAC_OK;

  /* compare either all terms of the environment or none */
  SAC_TRY(sac_env_check_info(t->id, t->entry->api, t->env, &t->term, &t->terms));
  SAC_TRY(find_info(t, file, &found));
  if (!found) t->terms = 0;

  /* allocate both sides, (terms, T); one number more, so that nothing is of size 0 */
  t->info = sac_alloc(sac_bytes((size_t)t->terms * steps + 1, sizeof(double)));
  t->our_info = sac_alloc(sac_bytes((size_t)t->terms * steps + 1, sizeof(double)));
  if (!t->info || !t->our_info) return sac_fail(SAC_ERROR_MEMORY, "%s: not enough memory", file->path);

  /* read term after term; all must be there */
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

/* Creates our environment with the id and the options of the file's metadata. */
static sac_status make_env(trace* t, const sac_safetensors* file) {
  const sac_env_api* api;
  sac_status status = SAC_OK;

  /* read the id and the options; options that are absent, empty or null are {} */
  t->id = sac_safetensors_metadata(file, "env");
  t->options = sac_safetensors_metadata(file, "options");
  if (!t->options || !*t->options || strcmp(t->options, "null") == 0) t->options = "{}";
  if (!t->id) return sac_fail(SAC_ERROR_FORMAT, "%s: a trace names its environment in metadata 'env'", file->path);

  /* refuse an environment from outside: it would be loaded and run, which a file to verify must not decide */
  if (sac_env_is_outside(t->id)) {
    char shown[SAC_SHOW_MAX];
    return sac_fail(SAC_ERROR_ENV, "%s is a trace of %s; those of built-in environments alone are verified", file->path,
                    sac_text_show(shown, t->id, SIZE_MAX));
  }

  /* create one instance, without a vector: a trace needs no seeds and no resets */
  SAC_TRY(sac_env_find(t->id, &api));
  t->entry = sac_env_entry_find(t->id);
  if (api->create(&t->env, t->id, 1, t->options, &t->spec) != 0) {
    const char* text = t->env ? sac_env_error_text(api, t->env) : NULL;
    status = sac_fail(SAC_ERROR_CONFIG, "%s", text ? text : t->id);
  }
fail:
  return status;
}

/* Reads the arrays of the file, except for info. */
static sac_status read_expected(trace* t, const sac_safetensors* file) {
  sac_status status = SAC_OK;

  /* the actions give the number of steps */
  const sac_file_tensor* action = sac_safetensors_find(file, "action");
  if (!action || action->rank < 1 || action->dims[0] < 1)
    return sac_fail(SAC_ERROR_FORMAT, "%s: a trace needs tensor 'action' of one step or more", file->path);
  t->steps = action->dims[0];

  /* read the arrays */
  SAC_TRY(read(file, "action", t->steps, t->spec.action_size, &t->action));
  SAC_TRY(read(file, "observation", t->steps + 1, t->spec.obs_size, &t->obs));
  SAC_TRY(read(file, "reward", t->steps, 1, &t->reward));
  SAC_TRY(read(file, "terminated", t->steps, 1, &t->terminated));
  SAC_TRY(read(file, "truncated", t->steps, 1, &t->truncated));

  /* read the state to start from, unless the environment has none */
  const int32_t initial = t->entry->initial_count ? t->entry->initial_count(t->env) : t->entry->initial_size;
  if (initial > 0) SAC_TRY(read(file, "initial", initial, 1, &t->initial));

  /* check that each discrete action is the number of one */
  for (int64_t s = 0; t->spec.actions > 0 && s < t->steps; s++)
    if (!sac_action_exists((float)t->action[s], t->spec.actions) || (double)(float)t->action[s] != t->action[s])
      return sac_fail(SAC_ERROR_FORMAT, "%s: 'action' is %.12g at step %lld, no number of an action of %s: 0 to %d are",
                      file->path, t->action[s], (long long)s + 1, t->id, (int)t->spec.actions - 1);

  /* check that the trace is a single episode: our environment is started only once */
  for (int64_t s = 0; s + 1 < t->steps; s++)
    if (t->terminated[s] != 0 || t->truncated[s] != 0)
      return sac_fail(SAC_ERROR_FORMAT, "%s: the episode ends at step %lld of %lld: a trace is one episode", file->path,
                      (long long)s + 1, (long long)t->steps);
fail:
  return status;
}

/* Creates our environment, reads the arrays of the file and allocates ours. */
static sac_status trace_open(trace* t, const sac_safetensors* file) {
  sac_status status = SAC_OK;

  /* create the environment first: its spec gives the sizes of the arrays */
  SAC_TRY(make_env(t, file));
  SAC_TRY(read_expected(t, file));
  SAC_TRY(read_info(t, file));

  /* allocate our arrays; observations are the longest */
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

/* Copies the observation after s steps to our array. */
static void keep_row(trace* t, int64_t s) {
  const size_t obs = (size_t)t->spec.obs_size;
  for (size_t j = 0; j < obs; j++) t->our_obs[(size_t)s * obs + j] = (double)t->row[j];
}

/* Fails with the environment's own text about its failure. */
static sac_status env_failed(const trace* t) {
  const char* text = sac_env_error_text(t->entry->api, t->env);
  return sac_fail(SAC_ERROR_ENV, "%s: %s", t->id, text ? text : "failed");
}

/* Replays the trace through the interface that a run uses, with float actions. wide 1: through step_wide, with the
 * float64 actions of the file. */
static sac_status replay(trace* t, int wide) {
  const sac_env_api* api = t->entry->api;
  const size_t actions = (size_t)t->spec.action_size;

  /* start the episode in the state of the file */
  if (t->entry->start(t->env, 0, t->initial, t->row) != 0) return env_failed(t);
  keep_row(t, 0);

  /* make all its steps */
  for (int64_t s = 0; s < t->steps; s++) {
    const double* action = t->action + (size_t)s * actions;
    float reward = 0;
    double exact;
    uint8_t terminated, truncated = 0;

    /* step with the action of the file, as float or as double */
    for (size_t j = 0; j < actions; j++) t->act[j] = (float)action[j];
    if (wide ? t->entry->step_wide(t->env, action, t->row, &exact, &terminated)
             : api->step(t->env, t->act, t->row, &reward, &terminated, &truncated))
      return env_failed(t);

    /* keep the observation and the terms of info */
    keep_row(t, s + 1);
    if (t->terms > 0 && api->info(t->env, t->info_row) != 0) return env_failed(t);
    for (int32_t k = 0; k < t->terms; k++) t->our_info[(int64_t)k * t->steps + s] = (double)t->info_row[k];

    /* keep the reward, rounded to float as the interface does, and the ends; the library sets the time limit */
    t->our_reward[s] = wide ? (double)(float)exact : (double)reward;
    t->our_terminated[s] = terminated != 0;
    t->our_truncated[s] =
        truncated != 0 || (t->spec.max_episode_steps > 0 && s + 1 >= (int64_t)t->spec.max_episode_steps);
  }
  return SAC_OK;
}

/* Rounds the expected numbers to float, because the interface of an environment carries floats, and sets their
 * tolerances. */
static void set_allowed(trace* t, double* expected, size_t count) {
  for (size_t i = 0; i < count; i++) {
    expected[i] = (double)(float)expected[i];
    t->allowed[i] = SAC_TRACE_TOLERANCE * fmax(1, fabs(expected[i]));
  }
}

/* Compares one array with the tolerances of t->allowed. The row is called `name`, followed by `how`. */
static sac_status compare_one(const trace* t, sac_verify_report* report, const char* name, const char* how,
                              const double* ours, const double* expected, size_t count) {
  char label[SAC_VERIFY_NAME_MAX + 32];
  (void)snprintf(label, sizeof label, "%s%s", name, how);
  return sac_verify_compare(report, label, ours, expected, t->allowed, count);
}

/* Compares all arrays. `how` is appended to the names of the rows. */
static sac_status compare(trace* t, const char* how, sac_verify_report* report) {
  sac_status status = SAC_OK;
  const size_t steps = (size_t)t->steps, observations = (steps + 1) * (size_t)t->spec.obs_size;

  /* compare observations and rewards within the tolerance */
  set_allowed(t, t->obs, observations);
  SAC_TRY(compare_one(t, report, "observation", how, t->our_obs, t->obs, observations));
  set_allowed(t, t->reward, steps);
  SAC_TRY(compare_one(t, report, "reward", how, t->our_reward, t->reward, steps));

  /* compare the end of the episode exactly */
  memset(t->allowed, 0, steps * sizeof(double));
  SAC_TRY(compare_one(t, report, "terminated", how, t->our_terminated, t->terminated, steps));
  SAC_TRY(compare_one(t, report, "truncated", how, t->our_truncated, t->truncated, steps));

  /* compare the terms of info within the tolerance */
  for (int32_t k = 0; k < t->terms; k++) {
    char name[SAC_VERIFY_NAME_MAX];
    double* expected = t->info + (size_t)k * steps;
    set_allowed(t, expected, steps);
    (void)snprintf(name, sizeof name, INFO "%s", t->term[k]);
    SAC_TRY(compare_one(t, report, name, how, t->our_info + (size_t)k * steps, expected, steps));
  }
fail:
  return status;
}

/* Whether all rows from `first` on are ok. */
static int all_ok(const sac_verify_report* report, int32_t first) {
  for (int32_t i = first; i < report->count; i++)
    if (!report->row[i].ok) return 0;
  return 1;
}

/* Replays the trace of a built-in task with float64 actions; see wide.h. */
static sac_status replay_wide(trace* t, const sac_task* task) {
  sac_status status = SAC_OK;
  const size_t observations = (size_t)(t->steps + 1) * (size_t)t->spec.obs_size;

  /* allocate the options and the results */
  void* options = sac_alloc(task->options_size);
  float* obs = sac_alloc(observations * sizeof *obs);
  uint8_t* terminated = sac_alloc((size_t)t->steps);
  if (!options || !obs || !terminated) {
    status = sac_fail(SAC_ERROR_MEMORY, "%s: not enough memory", t->id);
    goto fail;
  }

  /* replay the trace with the options of its metadata */
  SAC_TRY(sac_env_options_read(task->options, task->option_count, t->id, t->options, options));
  const sac_wide_trace wide = {options, t->initial, t->steps, t->action, obs, t->our_reward, terminated};
  sac_wide_run(task, &wide);

  /* keep the results, rounded to float as the interface does; our_truncated stays as it was */
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

  /* replay with float actions, as a run does */
  SAC_TRY(trace_open(&t, file));
  SAC_TRY(replay(&t, 0));
  SAC_TRY(compare(&t, "", report));

  /* a trace that differs may have been recorded with float64 actions: replay it with them, if the task can */
  const sac_task* task = sac_task_find(t.id);
  if (((task && task->actions == 0) || t.entry->step_wide) && !all_ok(report, first)) {
    const int32_t second = report->count;
    SAC_TRY(t.entry->step_wide ? replay(&t, 1) : replay_wide(&t, task));
    SAC_TRY(compare(&t, " (float64 actions)", report));

    /* report the second replay only if it agrees; otherwise the first report stays */
    if (all_ok(report, second))
      memmove(&report->row[first], &report->row[second], (size_t)(report->count - second) * sizeof *report->row);
    report->count = second;
  }
fail:
  trace_free(&t);
  return status;
}
