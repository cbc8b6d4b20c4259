#include "cli/explain_states.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "env/vector.h"
#include "formats/csv.h"
#include "formats/safetensors.h"
#include "kernels/random.h"
#include "util/error.h"
#include "util/memory.h"
#include "util/number.h"

/* Fails where a value is not finite; names its state and place. */
static sac_status check_finite(const sac_explain_states* states, const char* path) {
  const size_t count = (size_t)states->count * (size_t)states->obs;
  const size_t bad = sac_first_not_finite(states->row, count);
  if (bad == count) return SAC_OK;
  return sac_fail(SAC_ERROR_FORMAT, "%s: state %zu: number %zu is not finite in float32", path,
                  bad / (size_t)states->obs + 1, bad % (size_t)states->obs + 1);
}

static sac_status allocate(sac_explain_states* states, int64_t count, const char* path) {
  if (count < 1) return sac_fail(SAC_ERROR_FORMAT, "%s has no state", path);
  if (count > SAC_EXPLAIN_STATES_MAX)
    return sac_fail(SAC_ERROR_FORMAT, "%s has %lld states: at most %d are explained at a time", path, (long long)count,
                    SAC_EXPLAIN_STATES_MAX);
  states->row = calloc((size_t)count * (size_t)states->obs, sizeof(float));
  return states->row ? SAC_OK : sac_fail(SAC_ERROR_MEMORY, "no memory for %lld states", (long long)count);
}

/* --- safetensors -------------------------------------------------------------------------------------------------- */

static sac_status read_safetensors(sac_explain_states* states, const char* path) {
  sac_safetensors* file = NULL;
  sac_status status = SAC_OK;
  SAC_TRY(sac_safetensors_open(&file, path));

  /* find the tensor; `observation` is that of an environment trace */
  const sac_file_tensor* t = sac_safetensors_find(file, "obs");
  if (!t) t = sac_safetensors_find(file, "observation");
  if (!t) SAC_TRY(sac_fail(SAC_ERROR_FORMAT, "%s has no tensor 'obs' (states, numbers of an observation)", path));
  if (t->rank != 2 || t->dims[1] != states->obs || (t->dtype != SAC_F32 && t->dtype != SAC_F64))
    SAC_TRY(sac_fail(SAC_ERROR_SHAPE, "%s: tensor '%s' must be (states, %d) of float32 or float64, as the observations",
                     path, t->name, (int)states->obs));

  /* copy it as float32 */
  SAC_TRY(allocate(states, t->dims[0], path));
  states->count = t->dims[0];
  for (size_t i = 0; i < (size_t)states->count * (size_t)states->obs; i++)
    states->row[i] = t->dtype == SAC_F32 ? ((const float*)t->data)[i] : (float)((const double*)t->data)[i];
fail:
  sac_safetensors_close(file);
  return status;
}

/* --- CSV ---------------------------------------------------------------------------------------------------------- */

static sac_status read_csv(sac_explain_states* states, const char* path) {
  sac_csv csv;
  sac_status status = sac_csv_read(&csv, path);
  if (status != SAC_OK) return status;

  /* a row is an observation */
  if (csv.columns != (size_t)states->obs)
    SAC_TRY(sac_fail(SAC_ERROR_SHAPE, "%s: a row has %zu numbers, an observation has %d", path, csv.columns,
                     (int)states->obs));
  SAC_TRY(allocate(states, (int64_t)csv.rows, path));
  states->count = (int64_t)csv.rows;
  for (size_t i = 0; i < csv.rows * csv.columns; i++) states->row[i] = (float)csv.value[i];
fail:
  sac_free(csv.value);
  return status;
}

/* Whether a file is safetensors: its header begins behind 8 bytes. A file that cannot be read is CSV, which says so. */
static int is_safetensors(const char* path) {
  char head[9] = "";
  uint64_t size = 0;
  int fd = -1;
  int is = sac_open_file(path, &fd, &size) == SAC_OK && size > 8 && sac_read_at(fd, path, 0, head, 9) == SAC_OK &&
           head[8] == '{';
  if (fd >= 0) (void)close(fd);
  return is;
}

sac_status sac_explain_states_read(sac_explain_states* states, const char* path) {
  const sac_status status = is_safetensors(path) ? read_safetensors(states, path) : read_csv(states, path);
  return status == SAC_OK ? check_finite(states, path) : status;
}

/* --- visited states ----------------------------------------------------------------------------------------------- */

sac_status sac_explain_states_visit(sac_explain_states* states, sac_agent* agent, int64_t count, uint64_t seed) {
  const sac_settings* s = &agent->settings;
  const sac_env_api* api;
  sac_vector* vector = NULL;
  sac_status status = SAC_OK;

  /* make one environment; it must have the agent's sizes */
  SAC_TRY(sac_env_find(s->env_id, &api));
  SAC_TRY(sac_vector_create(&vector, api, s->env_id, s->env_options, 1, 1, &seed, sac_stream_eval_env(0)));
  SAC_TRY(sac_vector_fits(vector, agent->shape.obs, agent->shape.action, agent->shape.actions));
  SAC_TRY(allocate(states, count, vector->id));

  /* act and step; the agent's own seed draws the noise of its actions */
  sac_vector_begin(vector);
  agent->seed[0] = seed;
  const sac_act act = {.n = 1, .mode = SAC_ACT_SAMPLE, .obs = vector->obs, .action = vector->action};
  for (; states->count < count && status == SAC_OK; states->count++) {
    memcpy(states->row + (size_t)states->count * (size_t)states->obs, vector->obs, (size_t)states->obs * sizeof(float));
    status = agent->backend->act(agent, &act);
    if (status == SAC_OK) status = sac_vector_step(vector);
  }
  sac_vector_end(vector);
fail:
  sac_vector_destroy(vector);
  return status;
}
