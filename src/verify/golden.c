#include "verify/golden.h"

#include <jansson.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/agent.h"
#include "config/sources.h"
#include "env/check.h"
#include "kernels/discrete.h"
#include "util/error.h"

#define UPDATES_MAX 1000000
#define WIDTH_MAX 65536 /* of a hidden layer, as network.hidden takes it */

/* The place of each metric among the statistics of an update, which are all doubles. */
static const int statistic_of[SAC_METRIC_COUNT] = {
#define METRIC_PLACE(name, discrete) (int)(offsetof(sac_update_stats, name) / sizeof(double)),
    SAC_GOLDEN_METRICS(METRIC_PLACE)
#undef METRIC_PLACE
};

/* Which of them are there only where actions are discrete. */
static const int discrete_only[SAC_METRIC_COUNT] = {
#define METRIC_DISCRETE(name, discrete) discrete,
    SAC_GOLDEN_METRICS(METRIC_DISCRETE)
#undef METRIC_DISCRETE
};

const char* const sac_golden_metrics[SAC_METRIC_COUNT] = {
#define METRIC_NAME(name, discrete) "metrics/" #name,
    SAC_GOLDEN_METRICS(METRIC_NAME)
#undef METRIC_NAME
};

/* How the value of a JSON field is read. */
typedef enum json_kind { NUMBER, WORD, SIZES, LEARN, ENTROPY, OBS, ACT, UPDATES } json_kind;

/* Which files must have a field. Others may have it. Without an OPTIONAL field its key is auto. */
typedef enum json_need { ALWAYS, CONTINUOUS, DISCRETE, OPTIONAL } json_need;

typedef struct json_field {
  const char* name;
  const char* key; /* of the configuration; NULL when the field is no key */
  json_kind kind;
  json_need need;
} json_field;

/* The algorithm is the first, as it decides which others are needed. */
static const json_field json_fields[] = {
    {"algo", "algo", WORD, ALWAYS},
    {"obs", NULL, OBS, ALWAYS},
    {"act", NULL, ACT, ALWAYS},
    {"hidden", "network.hidden", SIZES, ALWAYS},
    {"batch", "replay.batch", NUMBER, ALWAYS},
    {"updates", NULL, UPDATES, ALWAYS},
    {"critics", "network.critics", NUMBER, ALWAYS},
    {"gamma", "gamma", NUMBER, ALWAYS},
    {"tau", "tau", NUMBER, ALWAYS},
    {"lr", "optim.lr", NUMBER, ALWAYS},
    {"alpha", "alpha.learn", LEARN, ALWAYS},
    {"target_entropy", "alpha.target_entropy", ENTROPY, ALWAYS},
    {"reward_scale", "reward_scale", NUMBER, ALWAYS},
    {"log_std_min", "policy.log_std_min", NUMBER, CONTINUOUS},
    {"log_std_max", "policy.log_std_max", NUMBER, CONTINUOUS},
    {"critics_join", "network.critics_join", WORD, DISCRETE},
    {"alpha_min", "alpha.min", NUMBER, OPTIONAL},
    {"alpha_max", "alpha.max", NUMBER, OPTIONAL},
};

/* Fails, because a field has a value of the wrong kind or size. */
static sac_status wrong(const json_field* field, const char* wants) {
  return sac_fail(SAC_ERROR_FORMAT, "metadata 'config': '%s' must be %s", field->name, wants);
}

/* Prints a JSON number as text, the same in every locale. 17 significant digits give back the same double. */
static void number_text(const json_t* value, char* text, size_t size) {
  const size_t used = json_dumpb(value, text, size - 1, JSON_ENCODE_ANY | JSON_REAL_PRECISION(17));
  text[used < size ? used : 0] = 0;
}

/* Prints an array such as [256, 256] as the text that network.hidden takes, "[256,256]". */
static sac_status sizes_text(const json_field* field, const json_t* value, char* text, size_t size) {
  size_t used = (size_t)snprintf(text, size, "[");

  /* check the number of layers; with none the networks are linear */
  const size_t count = json_array_size(value);
  if (!json_is_array(value) || count > SAC_LAYERS_MAX) return wrong(field, "an array of at most 16 widths");

  /* append each width with its range checked */
  for (size_t i = 0; i < count; i++) {
    const json_t* width = json_array_get(value, i);
    const json_int_t n = json_integer_value(width);
    if (!json_is_integer(width) || n < 1 || n > WIDTH_MAX) return wrong(field, "widths from 1 to 65536");
    used += (size_t)snprintf(text + used, size - used, "%s%d", i ? "," : "", (int)n);
  }
  (void)snprintf(text + used, size - used, "]");
  return SAC_OK;
}

/* Reads a whole number from 1 to `most`. */
static sac_status read_size(const json_field* field, const json_t* value, int64_t most, int64_t* size) {
  const json_int_t n = json_integer_value(value);
  if (!json_is_integer(value) || n < 1 || n > most) return wrong(field, "a whole number, at least 1");
  *size = (int64_t)n;
  return SAC_OK;
}

/* Reads one field of the JSON object. A field that is a key of the configuration gives `text`, the value of the key
 * ("": keep the value that the configuration has). A size that is no key goes into the golden update itself. */
static sac_status read_field(sac_golden* g, const json_field* field, const json_t* value, char* text, size_t room) {
  const char* word = json_is_string(value) ? json_string_value(value) : "";
  int64_t size = 0;
  sac_status status = SAC_OK;
  switch (field->kind) {
    /* keys whose values are written the same way in the configuration */
    case NUMBER:
      if (!json_is_number(value)) return wrong(field, "a number");
      number_text(value, text, room);
      break;
    case WORD:
      if (!json_is_string(value)) return wrong(field, "a string");
      (void)snprintf(text, room, "%s", word);
      break;
    case SIZES:
      SAC_TRY(sizes_text(field, value, text, room));
      break;

    /* keys whose values have other names in the configuration */
    case LEARN:
      if (strcmp(word, "auto") != 0 && strcmp(word, "fixed") != 0) return wrong(field, "\"auto\" or \"fixed\"");
      (void)snprintf(text, room, "%s", strcmp(word, "auto") == 0 ? "true" : "false");
      break;
    case ENTROPY: /* null or "auto": keep the value of the caller, by default auto */
      if (json_is_null(value) || strcmp(word, "auto") == 0) break;
      if (!json_is_number(value)) return wrong(field, "a number, null or \"auto\"");
      number_text(value, text, room);
      break;

    /* sizes that are no keys */
    case OBS:
      SAC_TRY(read_size(field, value, SAC_ENV_SIZE_MAX, &size));
      g->spec.obs_size = (int32_t)size;
      break;
    case ACT:
      SAC_TRY(read_size(field, value, SAC_ENV_SIZE_MAX, &size));
      g->spec.action_size = (int32_t)size;
      break;
    case UPDATES:
      SAC_TRY(read_size(field, value, UPDATES_MAX, &g->updates));
      break;
  }
fail:
  return status;
}

/* Reads one field of the JSON object and sets its key of the configuration, if it has one. */
static sac_status set_field(sac_golden* g, const json_field* field, const json_t* value) {
  /* read the value; some fields are no keys, others leave their key as it is */
  char text[256] = "";
  sac_status status = read_field(g, field, value, text, sizeof text);
  if (status != SAC_OK || !field->key || !text[0]) return status;

  /* set the key; a wrong value is an error of the file, not of the caller's configuration */
  status = sac_config_set(g->config, field->key, text);
  if (status == SAC_ERROR_CONFIG) status = sac_fail(SAC_ERROR_FORMAT, "metadata 'config': %s", sac_last_error());

  /* the replay is not used, so make it as small as the batch allows */
  if (status == SAC_OK && strcmp(field->name, "batch") == 0)
    status = sac_config_set(g->config, "replay.capacity", text);
  return status;
}

/* Whether a file of this algorithm must have the field. */
static int is_needed(const json_field* field, const sac_algorithm* algo) {
  return field->need == ALWAYS || (field->need == DISCRETE && algo->discrete) ||
         (field->need == CONTINUOUS && !algo->discrete);
}

/* Reads the metadata 'config': sets g->config, g->settings, the spec's sizes and the number of updates. */
static sac_status read_config(sac_golden* g, const sac_config* config) {
  sac_status status = SAC_OK;
  json_error_t error;
  json_t* json = NULL;

  /* find the metadata */
  const char* text = sac_safetensors_metadata(g->file, "config");
  if (!text) {
    status = sac_fail(SAC_ERROR_FORMAT, "no metadata 'config': not a golden update");
    goto fail;
  }

  /* refuse a field that is given twice, and anything but an object */
  json = json_loads(text, JSON_REJECT_DUPLICATES, &error);
  if (!json_is_object(json)) {
    status = sac_fail(SAC_ERROR_FORMAT, "metadata 'config' is not a JSON object%s%s", json ? "" : ": ",
                      json ? "" : error.text);
    goto fail;
  }

  /* copy the caller's configuration; set one agent and every field of the file */
  SAC_TRY(config ? sac_config_copy(&g->config, config) : sac_config_create(&g->config));
  SAC_TRY(sac_config_set(g->config, "seeds", "1"));
  for (size_t i = 0; i < sizeof json_fields / sizeof *json_fields; i++) {
    const json_t* value = json_object_get(json, json_fields[i].name);
    if (!value && is_needed(&json_fields[i], sac_algo_at(g->config->settings.algo))) {
      status = sac_fail(SAC_ERROR_FORMAT, "metadata 'config' has no '%s'", json_fields[i].name);
      goto fail;
    }
    if (value) SAC_TRY(set_field(g, &json_fields[i], value));
    if (!value && json_fields[i].need == OPTIONAL) SAC_TRY(sac_config_set(g->config, json_fields[i].key, "auto"));
  }

  /* resolve the settings */
  status = sac_config_settings(g->config, &g->settings);
  if (status == SAC_ERROR_CONFIG) status = sac_fail(SAC_ERROR_FORMAT, "metadata 'config': %s", sac_last_error());
fail:
  json_decref(json);
  return status;
}

/* Copies a float tensor of the file into new memory. The caller frees *data, also after an error. */
static sac_status load(const sac_golden* g, const char* name, int32_t rank, const int64_t* dims, float** data) {
  const sac_file_tensor* tensor = sac_safetensors_find(g->file, name);
  if (!tensor) return sac_fail(SAC_ERROR_FORMAT, "no tensor '%s'", name);

  /* allocate only what the file holds: the dims come from its metadata, which may claim any size */
  size_t count = 1;
  for (int32_t d = 0; d < rank; d++) count *= (size_t)dims[d];
  if (tensor->bytes / sizeof(float) == count) *data = malloc(count * sizeof(float));
  if (tensor->bytes / sizeof(float) == count && !*data) return sac_fail(SAC_ERROR_MEMORY, "no memory for '%s'", name);

  /* check the dims and copy; with other dims nothing is copied, so *data may be NULL */
  return sac_safetensors_get(g->file, name, SAC_F32, rank, dims, *data);
}

sac_status sac_golden_tensor(const sac_golden* g, const char* prefix, const sac_tensor* tensor, float* data) {
  /* make the name in the file */
  char name[128];
  (void)snprintf(name, sizeof name, "%s%s", prefix, tensor->name);

  /* other frameworks store a scalar with rank 0 or as (1); accept both */
  const sac_file_tensor* stored = sac_safetensors_find(g->file, name);
  const int64_t dims[2] = {tensor->rank > 0 ? tensor->dims[0] : 1, tensor->dims[1]};
  const int32_t rank = tensor->rank == 0 && stored && stored->rank == 1 ? 1 : tensor->rank; /* a scalar may be (1) */
  return sac_safetensors_get(g->file, name, SAC_F32, rank, dims, data);
}

/* Checks that discrete actions are numbers of actions. */
static sac_status check_actions(const sac_golden* g) {
  const int64_t b = g->shape.batch;
  for (int64_t i = 0; g->shape.actions && i < g->updates * b; i++)
    if (!sac_action_exists(g->action[i], g->shape.actions))
      return sac_fail(SAC_ERROR_FORMAT, "minibatch/action of update %lld, row %lld is %.9g: not a number from 0 to %d",
                      (long long)(i / b), (long long)(i % b), (double)g->action[i], (int)g->shape.actions - 1);
  return SAC_OK;
}

/* Reads the inputs of the updates, and the expected metrics. */
static sac_status read_inputs(sac_golden* g) {
  const int64_t u = g->updates, b = g->shape.batch;
  const int64_t obs[3] = {u, b, g->shape.obs}, action[3] = {u, b, g->shape.action};
  sac_status status = SAC_OK;

  /* read the minibatches; `action` gives the first two dims of (U, B) tensors too */
  SAC_TRY(load(g, "minibatch/obs", 3, obs, &g->obs));
  SAC_TRY(load(g, "minibatch/action", 3, action, &g->action));
  SAC_TRY(load(g, "minibatch/reward", 2, action, &g->reward));
  SAC_TRY(load(g, "minibatch/terminated", 2, action, &g->terminated));
  SAC_TRY(load(g, "minibatch/next_obs", 3, obs, &g->next_obs));

  SAC_TRY(check_actions(g));

  /* read the noise where the algorithm samples actions; other noise is not read */
  const sac_algorithm* algo = sac_algo_at(g->settings.algo);
  if (sac_algo_samples(algo, SAC_POLICY)) SAC_TRY(load(g, "noise/action", 3, action, &g->noise));
  if (sac_algo_samples(algo, SAC_NEXT)) SAC_TRY(load(g, "noise/next_action", 3, action, &g->next_noise));

  /* read the metrics (U) that the algorithm has */
  for (int k = 0; k < SAC_METRIC_COUNT; k++)
    if (sac_algo_has_statistic(algo, statistic_of[k]) && (algo->discrete || !discrete_only[k]))
      SAC_TRY(load(g, sac_golden_metrics[k], 1, action, &g->metric[k]));
fail:
  return status;
}

/* Checks that the file has every tensor of the agent under before/ and after/, as F32 and with the right size. */
static sac_status check_agent_tensors(const sac_golden* g) {
  static const char* const prefixes[] = {"before/", "after/"};
  for (int32_t i = 0; i < g->list.count; i++) {
    /* look for the tensor under both prefixes */
    const sac_tensor* tensor = &g->list.tensor[i];
    for (int k = 0; k < 2; k++) {
      char name[128];
      (void)snprintf(name, sizeof name, "%s%s", prefixes[k], tensor->name);
      const sac_file_tensor* stored = sac_safetensors_find(g->file, name);
      if (!stored) return sac_fail(SAC_ERROR_FORMAT, "no tensor '%s'", name);

      /* compare bytes and not dims: a scalar may have one dim or none */
      if (stored->bytes != tensor->count * sizeof(float) || stored->dtype != SAC_F32)
        return sac_fail(SAC_ERROR_SHAPE, "tensor '%s' has %zu bytes; the config's sizes ask for %zu floats", name,
                        stored->bytes, tensor->count);
    }
  }
  return SAC_OK;
}

/* Checks that the file has no other tensors under before/ and after/. Each is a tensor of the agent or, under after/
 * only, its gradient or a moment of Adam. */
static sac_status check_file_tensors(const sac_golden* g) {
  static const char* const groups[] = {"adam_m/", "adam_v/", "grad/"};
  for (int32_t i = 0; i < g->file->count; i++) {
    /* skip minibatches, noise and metrics */
    const char* name = g->file->tensors[i].name;
    const int after = strncmp(name, "after/", 6) == 0;
    if (!after && strncmp(name, "before/", 7) != 0) continue;

    /* take off the prefixes; the rest must be the name of a tensor of the agent */
    const char* rest = name + (after ? 6 : 7);
    for (int k = 0; after && k < 3; k++)
      if (strncmp(rest, groups[k], strlen(groups[k])) == 0) rest += strlen(groups[k]);
    if (!sac_tensors_find(&g->list, rest))
      return sac_fail(SAC_ERROR_FORMAT, "tensor '%s' is none of this agent's", name);
  }
  return SAC_OK;
}

/* Sets the actions of the spec: numbers without bounds, or in [-1, 1], so that they are not scaled. */
static sac_status set_actions(sac_golden* g, int discrete) {
  /* `act` was read as the size; it is the number of discrete actions, of which one is one float */
  if (discrete) {
    g->spec.actions = g->spec.action_size;
    g->spec.action_size = 1;
    return SAC_OK;
  }

  /* make the bounds */
  const size_t a = (size_t)g->spec.action_size;
  g->bounds = calloc(a * 2, sizeof(float));
  if (!g->bounds) return sac_fail(SAC_ERROR_MEMORY, "no memory for action bounds");
  for (size_t i = 0; i < a; i++) {
    g->bounds[i] = -1;
    g->bounds[a + i] = 1;
  }
  g->spec.action_low = g->bounds;
  g->spec.action_high = g->bounds + a;
  return SAC_OK;
}

sac_status sac_golden_read(sac_golden* g, const sac_safetensors* file, const sac_config* config) {
  sac_status status = SAC_OK;

  /* read the sizes and the configuration */
  memset(g, 0, sizeof *g);
  g->file = file;
  SAC_TRY(read_config(g, config));

  /* make the spec of an environment */
  const sac_algorithm* algo = sac_algo_at(g->settings.algo);
  SAC_TRY(set_actions(g, algo->discrete));

  /* list the tensors of the agent */
  SAC_TRY(sac_agent_shape(&g->shape, &g->settings, &g->spec));
  SAC_TRY(sac_tensors_create(&g->list, &g->shape, algo->networks, algo->network_count));

  /* check the file against the agent, before memory is allocated for the sizes that the file claims */
  SAC_TRY(check_agent_tensors(g));
  SAC_TRY(check_file_tensors(g));

  /* read the tensors that the updates take */
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
