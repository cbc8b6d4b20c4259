/* sac_agent_save and sac_agent_load: a file with an agent and its configuration. */
#include <stdlib.h>
#include <string.h>

#include "agent/agent.h"
#include "agent/file.h"
#include "agent/steps.h"
#include "env/check.h"
#include "formats/safetensors.h"
#include "util/error.h"
#include "util/number.h"

/* Reads a whole number from the metadata of a file. */
static sac_status get_number(const sac_safetensors* file, const char* key, int32_t* number) {
  const char* text = sac_safetensors_metadata(file, key);
  char* end = NULL;
  const long value = text ? strtol(text, &end, 10) : 0;
  if (!text || end == text || *end || value < 0 || value > INT32_MAX)
    return sac_fail(SAC_ERROR_FORMAT, "%s: metadata '%s' is missing or not a whole number", file->path, key);
  *number = (int32_t)value;
  return SAC_OK;
}

/* Reads a size of the environment from the metadata of a file. */
static sac_status get_size(const sac_safetensors* file, const char* key, int32_t* size) {
  const sac_status status = get_number(file, key, size);
  if (status != SAC_OK || (*size >= 1 && *size <= SAC_ENV_SIZE_MAX)) return status;
  return sac_fail(SAC_ERROR_FORMAT, "%s: metadata '%s' is %d, outside [1, %d]", file->path, key, (int)*size,
                  SAC_ENV_SIZE_MAX);
}

/* Reads the spec of the environment that an agent was made for. *bounds (2, A) holds the arrays of the spec; the caller
 * frees it, also after an error. The bounds are -1 and 1: read_scaling takes the scaling of the file, from which the
 * bounds cannot be computed without a rounding. */
static sac_status read_spec(const sac_safetensors* file, sac_env_spec* spec, float** bounds) {
  sac_status status = SAC_OK;

  /* read the sizes */
  memset(spec, 0, sizeof *spec);
  SAC_TRY(get_size(file, "obs_size", &spec->obs_size));
  SAC_TRY(get_size(file, "action_size", &spec->action_size));
  SAC_TRY(get_number(file, "actions", &spec->actions));
  SAC_TRY(get_number(file, "max_episode_steps", &spec->max_episode_steps));

  /* the bounds: low in the first half, high in the second */
  const size_t a = (size_t)spec->action_size;
  *bounds = calloc(2 * a, sizeof(float));
  if (!*bounds) return sac_fail(SAC_ERROR_MEMORY, "no memory for action bounds");
  for (size_t i = 0; i < a; i++) {
    (*bounds)[i] = -1;
    (*bounds)[a + i] = 1;
  }
  spec->action_low = *bounds;
  spec->action_high = *bounds + a;
fail:
  return status;
}

/* Reads the scaling of actions into an agent. */
static sac_status read_scaling(sac_agent* agent, const sac_safetensors* file) {
  const int64_t a = agent->shape.action;
  sac_status status = SAC_OK;
  SAC_TRY(sac_safetensors_get(file, "action.centre", SAC_F32, 1, &a, agent->action_centre));
  SAC_TRY(sac_safetensors_get(file, "action.half_range", SAC_F32, 1, &a, agent->action_half));

  /* refuse what no environment has; the comparisons refuse NaN too */
  for (int64_t i = 0; i < a; i++) {
    const double low = (double)(agent->action_centre[i] - agent->action_half[i]);
    const double high = (double)(agent->action_centre[i] + agent->action_half[i]);
    if (!(agent->action_half[i] > 0 && low >= -SAC_ENV_BOUND_MAX && high <= SAC_ENV_BOUND_MAX))
      return sac_fail(SAC_ERROR_FORMAT, "%s: action %d is bounded by [%g, %g] ('action.centre', 'action.half_range')",
                      file->path, (int)i, low, high);
  }
fail:
  return status;
}

#define HOLD "actor_hold"    /* (P * 2) the updates in which each agent's actor is held */
#define FIXED "replay_fixed" /* (P) the first rows of each ring, which are kept; left out if there are none */

/* Saves all agents. rows: how many rows of each replay are written. */
static sac_status save(const sac_agent* agent, const char* path, int64_t rows) {
  const size_t population = (size_t)agent->shape.population;
  sac_state states[2];
  int32_t count = 0, held = 0, fixed = 0;
  for (size_t p = 0; p < population; p++) {
    held |= agent->hold[p].until > 0;
    fixed |= agent->fixed[p] > 0;
  }

  /* fixed rows are those of a replay */
  if (held) states[count++] = (sac_state){HOLD, SAC_U64, agent->hold, population * sizeof *agent->hold, 0};
  if (fixed && rows > 0)
    states[count++] = (sac_state){FIXED, SAC_U64, agent->fixed, population * sizeof *agent->fixed, 0};
  return sac_result(sac_agent_write(agent, path, 0, agent->shape.population, states, count, rows, NULL, 0));
}

sac_status sac_agent_save(const sac_agent* agent, const char* path) {
  if (!agent || !path) return sac_fail(SAC_ERROR_ARGUMENT, "sac_agent_save: agent or path is NULL");
  if (!path[0]) return sac_fail(SAC_ERROR_ARGUMENT, "sac_agent_save: path is empty");
  return save(agent, path, 0);
}

/* The number of rows of the fullest ring: a stopped agent may have fewer. */
static int64_t most_rows(const sac_agent* agent) {
  int64_t most = 0;
  for (int32_t p = 0; p < agent->shape.population; p++) {
    const int64_t rows = sac_replay_size(agent->counters[p].pushed, agent->shape.capacity);
    if (rows > most) most = rows;
  }
  return most;
}

sac_status sac_agent_save_all(const sac_agent* agent, const char* path) {
  if (!agent || !path) return sac_fail(SAC_ERROR_ARGUMENT, "sac_agent_save_all: agent or path is NULL");
  if (!path[0]) return sac_fail(SAC_ERROR_ARGUMENT, "sac_agent_save_all: path is empty");
  return save(agent, path, most_rows(agent));
}

sac_status sac_agent_read_hold(const sac_safetensors* file, int32_t population, sac_adam_hold* hold) {
  const int one = population == 1 && sac_safetensors_find(file, SAC_HOLD_TENSOR);
  const char* name = one ? SAC_HOLD_TENSOR : HOLD;
  const int64_t numbers = 2 * (int64_t)population;
  sac_status status = SAC_OK;
  memset(hold, 0, (size_t)population * sizeof *hold);
  if (!sac_safetensors_find(file, name)) return SAC_OK;

  /* a held range ends after its begin */
  SAC_TRY(sac_safetensors_get(file, name, SAC_U64, 1, &numbers, hold));
  for (int32_t p = 0; p < population; p++)
    if (hold[p].from > hold[p].until) return sac_fail(SAC_ERROR_FORMAT, "%s: damaged ('%s')", file->path, name);
fail:
  return status;
}

/* Reads the replay and its fixed rows. The counters have been read. */
static sac_status read_replay(sac_agent* agent, const sac_safetensors* file) {
  const int64_t population = agent->shape.population, rows = most_rows(agent);
  const int64_t dims[3] = {population, rows, agent->row.floats};
  const int32_t skip = population == 1;
  sac_status status = SAC_OK;

  /* fixed rows leave room for others */
  if (sac_safetensors_find(file, FIXED)) {
    SAC_TRY(sac_safetensors_get(file, FIXED, SAC_U64, 1, &population, agent->fixed));
    for (int64_t p = 0; p < population; p++)
      if (agent->fixed[p] > agent->counters[p].pushed || agent->fixed[p] >= (uint64_t)agent->shape.capacity)
        return sac_fail(SAC_ERROR_FORMAT, "%s: damaged (its list '" FIXED "')", file->path);
  }

  /* refuse rows that are not finite */
  SAC_TRY(sac_safetensors_get(file, SAC_REPLAY_TENSOR, SAC_F32, 3 - skip, dims + skip, NULL));
  const size_t floats = (size_t)rows * (size_t)agent->row.floats;
  const float* data = sac_safetensors_find(file, SAC_REPLAY_TENSOR)->data;
  const size_t bad = sac_first_not_finite(data, floats * (size_t)population);
  if (bad < floats * (size_t)population)
    return sac_fail(SAC_ERROR_FORMAT, "%s: tensor '" SAC_REPLAY_TENSOR "' holds %g at %zu", file->path,
                    (double)data[bad], bad);

  /* copy the rows into the rings */
  for (int32_t p = 0; p < agent->shape.population; p++)
    SAC_TRY(agent->backend->write(agent, SAC_MEMORY_REPLAY, p, 0, data + (size_t)p * floats, floats));
fail:
  return status;
}

sac_status sac_agent_load(sac_agent** out, const char* path, const char* device) {
  if (!out) return sac_fail(SAC_ERROR_ARGUMENT, "sac_agent_load: agent is NULL");
  *out = NULL;
  if (!path) return sac_fail(SAC_ERROR_ARGUMENT, "sac_agent_load: path is NULL");
  if (!path[0]) return sac_fail(SAC_ERROR_ARGUMENT, "sac_agent_load: path is empty");
  sac_status status = SAC_OK;
  sac_safetensors* file = NULL;
  sac_config* config = NULL;
  sac_agent* agent = NULL;
  float* bounds = NULL;
  sac_env_spec spec;

  /* open the file; its configuration is in the metadata */
  SAC_TRY(sac_steps_open(&file, path));
  const char* text = sac_safetensors_metadata(file, "config");
  if (!text) {
    status = sac_fail(SAC_ERROR_FORMAT, "%s: no metadata 'config'; it is not an agent's file", path);
    goto fail;
  }

  /* create an agent with the configuration of the file; `device` replaces the saved device */
  SAC_TRY(read_spec(file, &spec, &bounds));
  SAC_TRY(sac_config_create(&config));
  SAC_TRY(sac_config_parse(config, text, strlen(text), path, SAC_ORIGIN_SAVED));
  if (device) SAC_TRY(sac_config_set_from(config, "device", device, SAC_ORIGIN_SET, "sac_agent_load"));
  status = sac_agent_create(&agent, config, &spec);
  if (status == SAC_ERROR_ENV) {
    /* there is no environment: its sizes are those of the file */
    sac_fail_prefix("%s: ", path);
    status = SAC_ERROR_FORMAT;
  }
  if (status != SAC_OK) goto fail;

  /* read the tensors and the state */
  SAC_TRY(sac_agent_read(agent, file, 0, agent->shape.population));
  SAC_TRY(read_scaling(agent, file));

  /* read when the actors are held, and the replay; start with an empty one if the file has none */
  SAC_TRY(sac_agent_read_hold(file, agent->shape.population, agent->hold));
  if (sac_safetensors_find(file, SAC_REPLAY_TENSOR)) SAC_TRY(read_replay(agent, file));
  else
    for (int32_t p = 0; p < agent->shape.population; p++) agent->counters[p].pushed = 0;
  if (agent->backend->state_set) SAC_TRY(agent->backend->state_set(agent));

  /* give the agent to the caller, and keep the code below from freeing it */
  *out = agent;
  agent = NULL;
fail:
  sac_agent_destroy(agent);
  sac_config_destroy(config);
  sac_safetensors_close(file);
  free(bounds);
  return sac_result(status);
}
