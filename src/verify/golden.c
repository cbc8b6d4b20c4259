#include "verify/golden.h"

#include <jansson.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/agent.h"
#include "util/error.h"

#define UPDATES_MAX 1000000

/* Their places among the statistics of an update. */
static const int statistic_of[SAC_METRIC_COUNT] = {
#define METRIC_PLACE(name) (int)(offsetof(sac_update_stats, name) / sizeof(double)),
    SAC_GOLDEN_METRICS(METRIC_PLACE)
#undef METRIC_PLACE
};

const char* const sac_golden_metrics[SAC_METRIC_COUNT] = {
#define METRIC_NAME(name) "metrics/" #name,
    SAC_GOLDEN_METRICS(METRIC_NAME)
#undef METRIC_NAME
};

typedef enum json_kind { NUMBER, ALGO, SIZES, LEARN, ENTROPY, OBS, ACT, UPDATES } json_kind;

typedef struct json_field {
  const char* name;
  const char* key; /* of the configuration, NULL for what is none */
  json_kind kind;
} json_field;

static const json_field json_fields[] = {
    {"algo", "algo", ALGO},
    {"obs", NULL, OBS},
    {"act", NULL, ACT},
    {"hidden", "network.hidden", SIZES},
    {"batch", "replay.batch", NUMBER},
    {"updates", NULL, UPDATES},
    {"critics", "network.critics", NUMBER},
    {"gamma", "gamma", NUMBER},
    {"tau", "tau", NUMBER},
    {"lr", "optim.lr", NUMBER},
    {"alpha", "alpha.learn", LEARN},
    {"target_entropy", "alpha.target_entropy", ENTROPY},
    {"reward_scale", "reward_scale", NUMBER},
    {"log_std_min", "policy.log_std_min", NUMBER},
    {"log_std_max", "policy.log_std_max", NUMBER},
};

static sac_status wrong(const json_field* field, const char* wants) {
  return sac_fail(SAC_ERROR_FORMAT, "metadata 'config': '%s' must be %s", field->name, wants);
}

/* A JSON number as text, whatever the locale; at most 17 significant digits. */
static void number_text(const json_t* value, char* text, size_t size) {
  const size_t used = json_dumpb(value, text, size - 1, JSON_ENCODE_ANY | JSON_REAL_PRECISION(17));
  text[used < size ? used : 0] = 0;
}

static sac_status sizes_text(const json_field* field, const json_t* value, char* text, size_t size) {
  size_t used = 0;
  const size_t count = json_array_size(value);
  if (count < 1 || count > SAC_LAYERS_MAX) return wrong(field, "an array of 1 to 16 widths");
  for (size_t i = 0; i < count; i++) {
    const json_t* width = json_array_get(value, i);
    const json_int_t n = json_integer_value(width);
    if (!json_is_integer(width) || n < 1 || n > 65536) return wrong(field, "widths from 1 to 65536");
    used += (size_t)snprintf(text + used, size - used, "%s%d", i ? "," : "", (int)n);
  }
  return SAC_OK;
}

static sac_status set_size(const json_field* field, const json_t* value, int64_t most, int64_t* size) {
  const json_int_t n = json_integer_value(value);
  if (!json_is_integer(value) || n < 1 || n > most) return wrong(field, "a whole number, at least 1");
  *size = (int64_t)n;
  return SAC_OK;
}

/* Puts one field of the JSON object where it belongs. */
static sac_status set_field(sac_golden* g, const json_field* field, const json_t* value) {
  char text[256] = "";
  int64_t size = 0;
  sac_status status = SAC_OK;
  switch (field->kind) {
    case NUMBER:
      if (!json_is_number(value)) return wrong(field, "a number");
      number_text(value, text, sizeof text);
      break;
    case ALGO:
      if (!json_is_string(value)) return wrong(field, "a string");
      (void)snprintf(text, sizeof text, "%s", json_string_value(value));
      break;
    case SIZES:
      SAC_TRY(sizes_text(field, value, text, sizeof text));
      break;
    case LEARN: {
      const char* alpha = json_is_string(value) ? json_string_value(value) : "";
      if (strcmp(alpha, "auto") != 0 && strcmp(alpha, "fixed") != 0) return wrong(field, "\"auto\" or \"fixed\"");
      (void)snprintf(text, sizeof text, "%s", strcmp(alpha, "auto") == 0 ? "true" : "false");
      break;
    }
    case ENTROPY: /* null or "auto": the default */
      if (json_is_null(value) || (json_is_string(value) && strcmp(json_string_value(value), "auto") == 0)) break;
      if (!json_is_number(value)) return wrong(field, "a number, null or \"auto\"");
      number_text(value, text, sizeof text);
      break;
    case OBS:
      SAC_TRY(set_size(field, value, 65536, &size));
      g->spec.obs_size = (int32_t)size;
      break;
    case ACT:
      SAC_TRY(set_size(field, value, 65536, &size));
      g->spec.action_size = (int32_t)size;
      break;
    case UPDATES:
      SAC_TRY(set_size(field, value, UPDATES_MAX, &g->updates));
      break;
  }
  if (field->key && text[0]) {
    status = sac_config_set(g->config, field->key, text);
    if (status == SAC_ERROR_CONFIG) status = sac_fail(SAC_ERROR_FORMAT, "metadata 'config': %s", sac_last_error());
    if (status == SAC_OK && strcmp(field->name, "batch") == 0)
      status = sac_config_set(g->config, "replay.capacity", text); /* a ring as small as allowed: it is not used */
  }
fail:
  return status;
}

static sac_status read_config(sac_golden* g, const sac_config* config) {
  sac_status status = SAC_OK;
  json_error_t error;
  json_t* json = NULL;
  const char* text = sac_safetensors_metadata(g->file, "config");
  if (!text) {
    status = sac_fail(SAC_ERROR_FORMAT, "no metadata 'config': not a golden update");
    goto fail;
  }
  json = json_loads(text, JSON_REJECT_DUPLICATES, &error);
  if (!json_is_object(json)) {
    status = sac_fail(SAC_ERROR_FORMAT, "metadata 'config' is not a JSON object%s%s", json ? "" : ": ",
                      json ? "" : error.text);
    goto fail;
  }
  SAC_TRY(config ? sac_config_copy(&g->config, config) : sac_config_create(&g->config));
  SAC_TRY(sac_config_set(g->config, "seeds", "1"));
  for (size_t i = 0; i < sizeof json_fields / sizeof *json_fields; i++) {
    const json_t* value = json_object_get(json, json_fields[i].name);
    if (!value) {
      status = sac_fail(SAC_ERROR_FORMAT, "metadata 'config' has no '%s'", json_fields[i].name);
      goto fail;
    }
    SAC_TRY(set_field(g, &json_fields[i], value));
  }
  status = sac_config_settings(g->config, &g->settings);
  if (status == SAC_ERROR_CONFIG) status = sac_fail(SAC_ERROR_FORMAT, "metadata 'config': %s", sac_last_error());
fail:
  json_decref(json);
  return status;
}

/* Copies a float tensor out of the file into new memory. */
static sac_status load(const sac_golden* g, const char* name, int32_t rank, const int64_t* dims, float** data) {
  size_t count = 1;
  for (int32_t d = 0; d < rank; d++) count *= (size_t)dims[d]; /* checked below against what the file holds */
  const sac_file_tensor* tensor = sac_safetensors_find(g->file, name);
  if (!tensor) return sac_fail(SAC_ERROR_FORMAT, "no tensor '%s'", name);
  if (tensor->bytes / sizeof(float) == count) *data = malloc(count * sizeof(float));
  if (tensor->bytes / sizeof(float) == count && !*data) return sac_fail(SAC_ERROR_MEMORY, "no memory for '%s'", name);
  return sac_safetensors_get(g->file, name, SAC_F32, rank, dims, *data); /* on a mismatch it copies nothing */
}

sac_status sac_golden_tensor(const sac_golden* g, const char* prefix, const sac_tensor* tensor, float* data) {
  char name[128];
  (void)snprintf(name, sizeof name, "%s%s", prefix, tensor->name);
  const sac_file_tensor* stored = sac_safetensors_find(g->file, name);
  const int64_t dims[2] = {tensor->rank > 0 ? tensor->dims[0] : 1, tensor->dims[1]};
  const int32_t rank = tensor->rank == 0 && stored && stored->rank == 1 ? 1 : tensor->rank; /* (1) is a scalar too */
  return sac_safetensors_get(g->file, name, SAC_F32, rank, dims, data);
}

static sac_status read_inputs(sac_golden* g) {
  const int64_t u = g->updates, b = g->shape.batch;
  const int64_t obs[3] = {u, b, g->shape.obs}, action[3] = {u, b, g->shape.action};
  sac_status status = SAC_OK;
  SAC_TRY(load(g, "minibatch/obs", 3, obs, &g->obs));
  SAC_TRY(load(g, "minibatch/action", 3, action, &g->action));
  SAC_TRY(load(g, "minibatch/reward", 2, action, &g->reward));
  SAC_TRY(load(g, "minibatch/terminated", 2, action, &g->terminated));
  SAC_TRY(load(g, "minibatch/next_obs", 3, obs, &g->next_obs));
  SAC_TRY(load(g, "noise/action", 3, action, &g->noise));
  const sac_algorithm* algo = sac_algo_at(g->settings.algo);
  if (sac_algo_samples(algo, SAC_NEXT)) SAC_TRY(load(g, "noise/next_action", 3, action, &g->next_noise));
  for (int k = 0; k < SAC_METRIC_COUNT; k++)
    if (sac_algo_has_statistic(algo, statistic_of[k]))
      SAC_TRY(load(g, sac_golden_metrics[k], 1, action, &g->metric[k]));
fail:
  return status;
}

/* Every before/NAME and after/NAME has the shape of the agent's NAME, and there are no others. Nothing as large as the
 * file claims has been allocated until here. */
static sac_status check_tensors(const sac_golden* g) {
  static const char* const prefixes[] = {"before/", "after/"};
  static const char* const groups[] = {"adam_m/", "adam_v/", "grad/"};
  for (int32_t i = 0; i < g->list.count; i++) {
    const sac_tensor* tensor = &g->list.tensor[i];
    for (int k = 0; k < 2; k++) {
      char name[128];
      (void)snprintf(name, sizeof name, "%s%s", prefixes[k], tensor->name);
      const sac_file_tensor* stored = sac_safetensors_find(g->file, name);
      if (!stored) return sac_fail(SAC_ERROR_FORMAT, "no tensor '%s'", name);
      if (stored->bytes != tensor->count * sizeof(float) || stored->dtype != SAC_F32)
        return sac_fail(SAC_ERROR_SHAPE, "tensor '%s' has %zu bytes; the config's sizes ask for %zu floats", name,
                        stored->bytes, tensor->count);
    }
  }
  for (int32_t i = 0; i < g->file->count; i++) {
    const char* name = g->file->tensors[i].name;
    const int after = strncmp(name, "after/", 6) == 0;
    if (!after && strncmp(name, "before/", 7) != 0) continue;
    const char* rest = name + (after ? 6 : 7);
    for (int k = 0; after && k < 3; k++)
      if (strncmp(rest, groups[k], strlen(groups[k])) == 0) rest += strlen(groups[k]);
    if (!sac_tensors_find(&g->list, rest))
      return sac_fail(SAC_ERROR_FORMAT, "tensor '%s' is none of this agent's", name);
  }
  return SAC_OK;
}

sac_status sac_golden_read(sac_golden* g, const sac_safetensors* file, const sac_config* config) {
  sac_status status = SAC_OK;
  memset(g, 0, sizeof *g);
  g->file = file;
  SAC_TRY(read_config(g, config));
  const size_t a = (size_t)g->spec.action_size;
  g->bounds = calloc(a * 2, sizeof(float));
  if (!g->bounds) {
    status = sac_fail(SAC_ERROR_MEMORY, "no memory for action bounds");
    goto fail;
  }
  for (size_t i = 0; i < a; i++) g->bounds[i] = -1, g->bounds[a + i] = 1;
  g->spec.action_low = g->bounds;
  g->spec.action_high = g->bounds + a;
  SAC_TRY(sac_agent_shape(&g->shape, &g->settings, &g->spec));
  const sac_algorithm* algo = sac_algo_at(g->settings.algo);
  SAC_TRY(sac_tensors_create(&g->list, &g->shape, algo->networks, algo->network_count));
  SAC_TRY(check_tensors(g));
  SAC_TRY(read_inputs(g));
  return SAC_OK;
fail:
  sac_golden_free(g);
  return status;
}

void sac_golden_free(sac_golden* g) {
  sac_config_destroy(g->config);
  sac_tensors_free(&g->list);
  float* floats[] = {g->bounds, g->obs, g->action, g->reward, g->terminated, g->next_obs, g->noise, g->next_noise};
  for (size_t i = 0; i < sizeof floats / sizeof *floats; i++) free(floats[i]);
  for (int k = 0; k < SAC_METRIC_COUNT; k++) free(g->metric[k]);
  memset(g, 0, sizeof *g);
}
