/* An agent as tensors in a file: what sac_agent_save writes and a checkpoint holds besides the run's own state. */
#include <assert.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <sac/sac.h>

#include "agent/file.h"
#include "util/error.h"
#include "util/number.h"

#define FORMAT "sac-agent-1"
#define STATS (sizeof(sac_update_stats) / sizeof(double))
#define METADATA_MAX 24

_Static_assert(sizeof(sac_counters) == 3 * sizeof(uint64_t), "counters are saved as three whole numbers");

/* Slabs of a trained tensor, by the prefix of its name. A target has the first alone, from a slab of its own. */
static const struct {
  const char* prefix;
  sac_memory memory;
} slabs[] = {{"", SAC_MEMORY_WEIGHTS}, {"adam_m/", SAC_MEMORY_ADAM_M}, {"adam_v/", SAC_MEMORY_ADAM_V}};
enum { SLABS = sizeof slabs / sizeof *slabs };

/* What is not in a slab: one row an agent. */
typedef enum extra { COUNTERS, SEED, ALIVE, TOTALS, STATS_ROW, CENTRE, HALF_RANGE, EXTRA_COUNT } extra;

static const struct {
  const char* name;
  sac_dtype dtype;
  int32_t rank;
  int64_t dim; /* 0: the number of actions */
  int shared;  /* by all agents: never a leading P */
} extras[EXTRA_COUNT] = {
    [COUNTERS] = {"counters", SAC_U64, 1, 3, 0},
    [SEED] = {"seed", SAC_U64, 0, 1, 0},
    [ALIVE] = {"alive", SAC_U8, 0, 1, 0},
    [TOTALS] = {"totals", SAC_F64, 1, 1 + STATS, 0}, /* updates, then the sums */
    [STATS_ROW] = {"stats", SAC_F64, 1, STATS, 0},
    [CENTRE] = {"action.centre", SAC_F32, 1, 0, 1},
    [HALF_RANGE] = {"action.half_range", SAC_F32, 1, 0, 1},
};

/* The tensors of agents first to first + count, one after another. */
typedef struct agent_list {
  const sac_agent* agent;
  int32_t first, count;
  const sac_state* states;
  int32_t state_count;
  char name[SAC_TENSOR_NAME_MAX + 8];
} agent_list;

typedef struct item {
  const sac_tensor* tensor; /* in the slab `memory`, or NULL */
  sac_memory memory;
  const char* prefix;
  int32_t extra, state; /* else one of these, the other -1 */
} item;

static int32_t trained_count(const sac_agent* agent) {
  int32_t count = 0;
  for (int32_t i = 0; i < agent->tensors.count; i++) count += agent->tensors.tensor[i].slab == SAC_SLAB_TRAINED;
  return count;
}

static int32_t slab_tensors(const sac_agent* agent) {
  return agent->tensors.count + (SLABS - 1) * trained_count(agent);
}

/* Order: every tensor, the moments of the trained ones, the extras, the states. */
static item find_item(const agent_list* list, int32_t i) {
  const sac_tensors* tensors = &list->agent->tensors;
  item found = {NULL, SAC_MEMORY_WEIGHTS, "", -1, -1};
  if (i < tensors->count) {
    found.tensor = &tensors->tensor[i];
    if (found.tensor->slab == SAC_SLAB_TARGET) found.memory = SAC_MEMORY_TARGET;
    return found;
  }
  i -= tensors->count;
  const int32_t trained = trained_count(list->agent);
  if (i < (SLABS - 1) * trained) {
    assert(trained > 0); /* an actor is always trained */
    const int32_t slab = 1 + i / trained;
    int32_t skip = i % trained, t = 0;
    while (tensors->tensor[t].slab != SAC_SLAB_TRAINED || skip-- > 0) t++;
    found.tensor = &tensors->tensor[t];
    found.memory = slabs[slab].memory;
    found.prefix = slabs[slab].prefix;
    return found;
  }
  i -= (SLABS - 1) * trained;
  if (i < EXTRA_COUNT) found.extra = i;
  else found.state = i - EXTRA_COUNT;
  return found;
}

static void describe(void* user, int32_t i, sac_file_tensor* tensor) {
  agent_list* list = user;
  const item it = find_item(list, i);
  memset(tensor, 0, sizeof *tensor);
  tensor->name = list->name;
  if (it.state >= 0) {
    assert(list->states); /* only their number makes such an item */
    const sac_state* state = &list->states[it.state];
    tensor->name = state->name;
    tensor->dtype = state->dtype;
    tensor->dims[tensor->rank++] = (int64_t)(state->bytes / sac_dtype_size(state->dtype));
    tensor->bytes = state->bytes;
    return;
  }
  if (list->count > 1 && (it.tensor || !extras[it.extra].shared)) tensor->dims[tensor->rank++] = list->count;
  if (it.tensor) {
    (void)snprintf(list->name, sizeof list->name, "%s%s", it.prefix, it.tensor->name);
    tensor->dtype = SAC_F32;
    for (int32_t d = 0; d < it.tensor->rank; d++) tensor->dims[tensor->rank++] = it.tensor->dims[d];
  } else {
    tensor->name = extras[it.extra].name;
    tensor->dtype = extras[it.extra].dtype;
    if (extras[it.extra].rank > 0)
      tensor->dims[tensor->rank++] = extras[it.extra].dim ? extras[it.extra].dim : list->agent->shape.action;
  }
  tensor->bytes = sac_tensor_bytes(tensor);
}

static int32_t list_count(const agent_list* list) {
  return slab_tensors(list->agent) + EXTRA_COUNT + list->state_count;
}

static sac_status put_extra(const agent_list* list, extra which, int32_t p, sac_file* file) {
  const sac_agent* agent = list->agent;
  const size_t action_bytes = (size_t)agent->shape.action * sizeof(float);
  switch (which) {
    case COUNTERS:
      return sac_file_put(file, &agent->counters[p], sizeof agent->counters[p]);
    case SEED:
      return sac_file_put(file, &agent->seed[p], sizeof agent->seed[p]);
    case ALIVE:
      return sac_file_put(file, &agent->alive[p], 1);
    case TOTALS: {
      const double updates = (double)agent->totals[p].updates;
      const sac_status status = sac_file_put(file, &updates, sizeof updates);
      return status != SAC_OK ? status : sac_file_put(file, &agent->totals[p].sum, sizeof agent->totals[p].sum);
    }
    case STATS_ROW:
      return sac_file_put(file, &agent->stats[p], sizeof agent->stats[p]);
    case CENTRE:
      return sac_file_put(file, agent->action_centre, action_bytes);
    default:
      return sac_file_put(file, agent->action_half, action_bytes);
  }
}

static sac_status write_item(void* user, int32_t i, sac_file* file) {
  agent_list* list = user;
  const sac_agent* agent = list->agent;
  const item it = find_item(list, i);
  sac_status status = SAC_OK;
  if (it.state >= 0) return sac_file_put(file, list->states[it.state].data, list->states[it.state].bytes);
  if (it.extra >= 0) {
    const int32_t rows = extras[it.extra].shared ? 1 : list->count;
    for (int32_t p = list->first; p < list->first + rows; p++) SAC_TRY(put_extra(list, (extra)it.extra, p, file));
    return SAC_OK;
  }
  for (int32_t p = list->first; p < list->first + list->count; p++) {
    for (size_t done = 0; done < it.tensor->count;) {
      const size_t left = it.tensor->count - done, n = left < agent->staging_floats ? left : agent->staging_floats;
      SAC_TRY(agent->backend->read(agent, it.memory, p, it.tensor->offset + done, agent->staging, n));
      const size_t bad = sac_first_not_finite(agent->staging, n);
      if (agent->alive[p] && bad < n) /* a file that could not be loaded again must not replace one that can */
        return sac_fail(SAC_ERROR_NUMERIC, "%s: not written, because tensor '%s%s' of agent %d holds %g at %zu",
                        file->path, it.prefix, it.tensor->name, (int)p, (double)agent->staging[bad], done + bad);
      SAC_TRY(sac_file_put(file, agent->staging, n * sizeof(float)));
      done += n;
    }
  }
fail:
  return status;
}

/* The configuration that makes these agents alone, to be freed; NULL: no memory. */
static char* config_text(const sac_agent* agent, int32_t first, int32_t count) {
  char *text = NULL, number[32];
  size_t size;
  sac_config* config = NULL;
  FILE* stream = open_memstream(&text, &size);
  sac_status status = stream ? sac_config_copy(&config, agent->config) : SAC_ERROR_MEMORY;
  if (status == SAC_OK && count != agent->shape.population) {
    (void)snprintf(number, sizeof number, "%lld", (long long)agent->settings.seed + first);
    status = sac_config_set(config, "seed", number);
    (void)snprintf(number, sizeof number, "%d", (int)count);
    if (status == SAC_OK) status = sac_config_set(config, "seeds", number);
  }
  if (status == SAC_OK) status = sac_config_write(config, stream);
  if (stream && fclose(stream) != 0) status = SAC_ERROR_MEMORY;
  sac_config_destroy(config);
  if (status == SAC_OK) return text;
  free(text);
  return NULL;
}

/* "256,256": the hidden widths. */
static void hidden_text(char* text, size_t size, const sac_shape* shape) {
  size_t used = 0;
  text[0] = '\0';
  for (int32_t l = 0; l < shape->layers && used < size; l++)
    used += (size_t)snprintf(text + used, size - used, "%s%d", l ? "," : "", (int)shape->hidden[l]);
}

sac_status sac_agent_write(const sac_agent* agent, const char* path, int32_t first, int32_t count,
                           const sac_state* states, int32_t state_count, const sac_metadata* metadata,
                           int32_t metadata_count) {
  char number[8][24], hidden[SAC_LAYERS_MAX * 8], *config = NULL;
  const sac_shape* shape = &agent->shape;
  const long long value[8] = {shape->obs,     shape->action,   agent->actions, agent->max_episode_steps,
                              shape->critics, agent->capacity, count,          shape->layers};
  for (int i = 0; i < 8; i++) (void)snprintf(number[i], sizeof number[i], "%lld", value[i]);
  hidden_text(hidden, sizeof hidden, shape);
  sac_metadata all[METADATA_MAX] = {
      {"format", FORMAT},
      {"version", SAC_VERSION},
      {"env", agent->settings.env_id},
      {"obs_size", number[0]},
      {"action_size", number[1]},
      {"actions", number[2]},
      {"max_episode_steps", number[3]},
      {"critics", number[4]},
      {"capacity", number[5]},
      {"population", number[6]},
      {"hidden", hidden},
      {"algo", sac_algo_name(agent->settings.algo)},
  };
  int32_t used = 12, given_config = 0;
  for (int32_t i = 0; i < metadata_count && used < METADATA_MAX - 1; i++) {
    given_config |= strcmp(metadata[i].key, "config") == 0;
    all[used++] = metadata[i];
  }
  if (!given_config && agent->config) {
    config = config_text(agent, first, count);
    if (!config) return sac_fail(SAC_ERROR_MEMORY, "%s: no memory for the configuration", path);
    all[used++] = (sac_metadata){"config", config};
  }
  agent_list list = {agent, first, count, states, state_count, ""};
  const sac_tensor_source source = {&list, list_count(&list), describe, write_item};
  const sac_status status = sac_safetensors_stream(path, &source, all, used);
  free(config);
  return status;
}

/* ---- reading ---- */

static sac_status check_format(const sac_safetensors* file) {
  const char* format = sac_safetensors_metadata(file, "format");
  if (format && strcmp(format, FORMAT) == 0) return SAC_OK;
  return sac_fail(SAC_ERROR_FORMAT, "%s: format '%.40s' is not '" FORMAT "': no agent's file, or of another version",
                  file->path, format ? format : "");
}

static sac_status check_finite(const sac_safetensors* file, const char* name, const float* x, size_t count) {
  const size_t bad = sac_first_not_finite(x, count);
  if (bad == count) return SAC_OK;
  return sac_fail(SAC_ERROR_FORMAT, "%s: tensor '%.64s' holds %g at %zu", file->path, name, (double)x[bad], bad);
}

sac_status sac_agent_file_check(const sac_safetensors* file) {
  sac_status status = SAC_OK;
  SAC_TRY(check_format(file));
  for (int32_t i = 0; i < file->count; i++) {
    const sac_file_tensor* tensor = &file->tensors[i];
    if (tensor->dtype == SAC_F32)
      SAC_TRY(check_finite(file, tensor->name, tensor->data, tensor->bytes / sizeof(float)));
  }
fail:
  return status;
}

/* Whether a tensor's name is one of networks', of any algorithm: "critic.0.head.bias". */
static int is_of_networks(const char* name) {
  for (int group = 0; group < SAC_GROUP_COUNT; group++) {
    const size_t length = strlen(sac_group_names[group]);
    if (strncmp(name, sac_group_names[group], length) == 0 && name[length] == '.') return 1;
  }
  return strcmp(name, "log_alpha") == 0;
}

/* A tensor of networks in the file that this agent has not means other networks, even when all of ours are there. */
static sac_status check_names(const agent_list* list, const sac_safetensors* file) {
  for (int32_t i = 0; i < file->count; i++) {
    const char* name = file->tensors[i].name;
    for (size_t s = 1; s < SLABS; s++)
      if (strncmp(name, slabs[s].prefix, strlen(slabs[s].prefix)) == 0) name += strlen(slabs[s].prefix);
    if (is_of_networks(name) && !sac_tensors_find(&list->agent->tensors, name))
      return sac_fail(SAC_ERROR_SHAPE,
                      "%s: tensor '%.64s' has no place in this agent (algo, network.hidden, "
                      "network.critics)",
                      file->path, file->tensors[i].name);
  }
  return SAC_OK;
}

static const void* item_data(const sac_safetensors* file, const char* name) {
  return sac_safetensors_find(file, name)->data;
}

/* Statistics in a file: an older version had fewer of them, the first of ours. `before`: numbers of a row before them.
 */
static int64_t statistics_of(const sac_safetensors* file, extra which, int64_t before) {
  const sac_file_tensor* tensor = sac_safetensors_find(file, extras[which].name);
  const int64_t last = tensor && tensor->rank > 0 ? tensor->dims[tensor->rank - 1] - before : 0;
  return last >= 1 && last < (int64_t)STATS ? last : (int64_t)STATS;
}

/* The shape that a tensor must have in this file. */
static void describe_in(agent_list* list, const sac_safetensors* file, int32_t i, sac_file_tensor* wanted) {
  describe(list, i, wanted);
  const int32_t which = find_item(list, i).extra;
  if (which == TOTALS) wanted->dims[wanted->rank - 1] = 1 + statistics_of(file, TOTALS, 1);
  if (which == STATS_ROW) wanted->dims[wanted->rank - 1] = statistics_of(file, STATS_ROW, 0);
}

/* Everything that sac_agent_read takes: there, of the right shape, in range, and finite in agents that live. */
static sac_status check_file(agent_list* list, const sac_safetensors* file) {
  sac_status status = SAC_OK;
  sac_file_tensor wanted;
  SAC_TRY(check_format(file));
  SAC_TRY(check_names(list, file));
  for (int32_t i = 0; i < list_count(list); i++) {
    describe_in(list, file, i, &wanted);
    SAC_TRY(sac_safetensors_get(file, wanted.name, wanted.dtype, wanted.rank, wanted.dims, NULL));
  }
  const double* totals = item_data(file, extras[TOTALS].name);
  const uint8_t* alive = item_data(file, extras[ALIVE].name);
  const sac_counters* counters = item_data(file, extras[COUNTERS].name);
  for (int32_t i = 0; i < list->count; i++, totals += 1 + statistics_of(file, TOTALS, 1)) {
    if (totals[0] >= 0 && totals[0] <= SAC_BIG && alive[i] <= 1 && counters[i].pushed <= (uint64_t)SAC_BIG &&
        counters[i].updates <= (uint64_t)SAC_BIG)
      continue;
    return sac_fail(SAC_ERROR_FORMAT, "%s: counters, totals or alive of agent %d are out of range", file->path, (int)i);
  }
  for (int32_t i = 0; i < slab_tensors(list->agent); i++) {
    describe(list, i, &wanted);
    const size_t count = wanted.bytes / sizeof(float) / (size_t)list->count;
    const float* data = item_data(file, wanted.name);
    for (int32_t p = 0; p < list->count; p++)
      if (alive[p]) SAC_TRY(check_finite(file, wanted.name, data + (size_t)p * count, count));
  }
fail:
  return status;
}

/* The statistics of agents first .. first + count - 1; 0 for those that the file has not. */
static void read_statistics(sac_agent* agent, const sac_safetensors* file, int32_t first, int32_t count) {
  const size_t in_stats = (size_t)statistics_of(file, STATS_ROW, 0), in_totals = (size_t)statistics_of(file, TOTALS, 1);
  const double *stats = item_data(file, extras[STATS_ROW].name), *totals = item_data(file, extras[TOTALS].name);
  memset(&agent->stats[first], 0, (size_t)count * sizeof *agent->stats);
  memset(&agent->totals[first], 0, (size_t)count * sizeof *agent->totals);
  for (int32_t p = first; p < first + count; p++, stats += in_stats, totals += 1 + in_totals) {
    memcpy(&agent->stats[p], stats, in_stats * sizeof *stats);
    agent->totals[p].updates = (uint64_t)totals[0];
    memcpy(&agent->totals[p].sum, totals + 1, in_totals * sizeof *totals);
  }
}

sac_status sac_agent_read(sac_agent* agent, const sac_safetensors* file, int32_t first, int32_t count) {
  agent_list list = {agent, first, count, NULL, 0, ""};
  sac_status status = SAC_OK;
  sac_file_tensor wanted;
  SAC_TRY(check_file(&list, file)); /* all is checked before anything is changed */
  for (int32_t i = 0; i < slab_tensors(agent); i++) {
    const item it = find_item(&list, i);
    assert(it.tensor); /* the first items are the slabs' */
    describe(&list, i, &wanted);
    const float* data = item_data(file, wanted.name);
    for (int32_t p = first; p < first + count; p++, data += it.tensor->count)
      SAC_TRY(agent->backend->write(agent, it.memory, p, it.tensor->offset, data, it.tensor->count));
  }
  const size_t n = (size_t)count;
  memcpy(&agent->counters[first], item_data(file, extras[COUNTERS].name), n * sizeof *agent->counters);
  memcpy(&agent->seed[first], item_data(file, extras[SEED].name), n * sizeof *agent->seed);
  memcpy(&agent->alive[first], item_data(file, extras[ALIVE].name), n);
  read_statistics(agent, file, first, count);
  if (agent->backend->state_set) SAC_TRY(agent->backend->state_set(agent));
fail:
  return status;
}
