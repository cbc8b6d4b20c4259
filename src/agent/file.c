/* Writes agents to a file and reads them back. The file is a list of tensors, and items of state stored as tensors. */
#include <assert.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <sac/sac.h>

#include "agent/file.h"
#include "config/field.h"
#include "util/error.h"
#include "util/number.h"
#include "util/text.h"

#define FORMAT "sac-agent-1"
#define STATS (sizeof(sac_update_stats) / sizeof(double))
#define METADATA_MAX 24

_Static_assert(sizeof(sac_counters) == 3 * sizeof(uint64_t), "counters are saved as three whole numbers");

/* The slabs of a trained tensor, by the prefix of the name in the file. A target has one slab, without a prefix. */
static const struct {
  const char* prefix;
  sac_memory memory;
} slabs[] = {{"", SAC_MEMORY_WEIGHTS}, {"adam_m/", SAC_MEMORY_ADAM_M}, {"adam_v/", SAC_MEMORY_ADAM_V}};
enum { SLABS = sizeof slabs / sizeof *slabs };

/* State that is not in a slab: one row for each agent, or one for all agents (extras[].shared). */
typedef enum extra { COUNTERS, SEED, ALIVE, TOTALS, STATS_ROW, CENTRE, HALF_RANGE, EXTRA_COUNT } extra;

static const struct {
  const char* name;
  sac_dtype dtype;
  int32_t rank;
  int64_t dim; /* 0: the number of actions */
  int shared;  /* 1: the same for all agents, without a leading P */
} extras[EXTRA_COUNT] = {
    [COUNTERS] = {"counters", SAC_U64, 1, 3, 0},
    [SEED] = {"seed", SAC_U64, 0, 1, 0},
    [ALIVE] = {"alive", SAC_U8, 0, 1, 0},
    [TOTALS] = {"totals", SAC_F64, 1, 1 + STATS, 0}, /* updates, then the sums */
    [STATS_ROW] = {"stats", SAC_F64, 1, STATS, 0},
    [CENTRE] = {"action.centre", SAC_F32, 1, 0, 1},
    [HALF_RANGE] = {"action.half_range", SAC_F32, 1, 0, 1},
};

/* What is written or read: agents first .. first+count-1, and the state of the run. */
typedef struct agent_list {
  const sac_agent* agent;
  int32_t first, count;
  const sac_state* states;
  int32_t state_count;
  int64_t rows;                       /* rows of each agent's replay that are written after the states; 0: none */
  char name[SAC_TENSOR_NAME_MAX + 8]; /* the name that `describe` gave last, with its prefix */
} agent_list;

/* One item of the file: a tensor in a slab, an entry of `extras`, or a state of the run. */
typedef struct item {
  const sac_tensor* tensor; /* NULL: not a tensor */
  sac_memory memory;        /* the slab of the tensor */
  const char* prefix;       /* of the tensor's name */
  int32_t extra, state;     /* index of the entry or the state; -1: none */
  int replay;               /* 1: the rows of the replay */
} item;

static int32_t trained_count(const sac_agent* agent) {
  int32_t count = 0;
  for (int32_t i = 0; i < agent->tensors.count; i++) count += agent->tensors.tensor[i].slab == SAC_SLAB_TRAINED;
  return count;
}

/* The number of items that are tensors in slabs. They come first. */
static int32_t slab_tensors(const sac_agent* agent) {
  return agent->tensors.count + (SLABS - 1) * trained_count(agent);
}

/* Item i of the file. The order: all tensors, the moments of the trained ones, the extras, the states, the
 * rows of the replay. */
static item find_item(const agent_list* list, int32_t i) {
  const sac_tensors* tensors = &list->agent->tensors;
  item found = {NULL, SAC_MEMORY_WEIGHTS, "", -1, -1, 0};

  /* a tensor */
  if (i < tensors->count) {
    found.tensor = &tensors->tensor[i];
    if (found.tensor->slab == SAC_SLAB_TARGET) found.memory = SAC_MEMORY_TARGET;
    return found;
  }

  /* a moment of a trained tensor */
  i -= tensors->count;
  const int32_t trained = trained_count(list->agent);
  if (i < (SLABS - 1) * trained) {
    assert(trained > 0); /* an actor is always trained */

    /* find the trained tensor with this number; each moment goes through all of them */
    const int32_t slab = 1 + i / trained;
    int32_t skip = i % trained, t = 0;
    while (tensors->tensor[t].slab != SAC_SLAB_TRAINED || skip-- > 0) t++;
    found.tensor = &tensors->tensor[t];
    found.memory = slabs[slab].memory;
    found.prefix = slabs[slab].prefix;
    return found;
  }

  /* state that is not in a slab */
  i -= (SLABS - 1) * trained;
  if (i < EXTRA_COUNT) found.extra = i;
  else if (i == EXTRA_COUNT + list->state_count) found.replay = 1;
  else found.state = i - EXTRA_COUNT;
  return found;
}

/* Gives name, type and dimensions of item i of the file. A name with a prefix is valid until the next call. */
static void describe(void* user, int32_t i, sac_file_tensor* tensor) {
  agent_list* list = user;
  const item it = find_item(list, i);
  memset(tensor, 0, sizeof *tensor);
  tensor->name = list->name;

  /* the rows of the replay, in the order of the ring */
  if (it.replay) {
    tensor->name = SAC_REPLAY_TENSOR;
    tensor->dtype = SAC_F32;
    if (list->count > 1) tensor->dims[tensor->rank++] = list->count;
    tensor->dims[tensor->rank++] = list->rows;
    tensor->dims[tensor->rank++] = list->agent->row.floats;
    tensor->bytes = sac_tensor_bytes(tensor);
    return;
  }

  /* a state of the run: a vector of its type */
  if (it.state >= 0) {
    assert(list->states); /* an item is a state only if there are some */
    const sac_state* state = &list->states[it.state];
    tensor->name = state->name;
    tensor->dtype = state->dtype;
    tensor->dims[tensor->rank++] = (int64_t)(state->bytes / sac_dtype_size(state->dtype));
    tensor->bytes = state->bytes;
    return;
  }

  /* a tensor or an extra has a leading dimension P if several agents are written */
  if (list->count > 1 && (it.tensor || !extras[it.extra].shared)) tensor->dims[tensor->rank++] = list->count;

  /* then follow its own dimensions */
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
  return slab_tensors(list->agent) + EXTRA_COUNT + list->state_count + (list->rows > 0);
}

/* Writes an extra of agent p. */
static sac_status put_extra(const agent_list* list, extra which, int32_t p, sac_file* file) {
  const sac_agent* agent = list->agent;
  const size_t action_bytes = (size_t)agent->shape.action * sizeof(float);

  /* write the array that holds it */
  switch (which) {
    case COUNTERS:
      return sac_file_put(file, &agent->counters[p], sizeof agent->counters[p]);
    case SEED:
      return sac_file_put(file, &agent->seed[p], sizeof agent->seed[p]);
    case ALIVE:
      return sac_file_put(file, &agent->alive[p], 1);
    case TOTALS: { /* the number of updates as a double, like the sums */
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

/* Writes the rows of each agent's replay, as much at a time as the staging buffer holds. */
static sac_status write_replay(const agent_list* list, sac_file* file) {
  const sac_agent* agent = list->agent;
  const size_t floats = (size_t)list->rows * (size_t)agent->row.floats;
  sac_status status = SAC_OK;
  for (int32_t p = list->first; p < list->first + list->count; p++)
    for (size_t done = 0, n; done < floats; done += n) {
      n = floats - done < agent->staging_floats ? floats - done : agent->staging_floats;
      SAC_TRY(agent->backend->read(agent, SAC_MEMORY_REPLAY, p, done, agent->staging, n));
      SAC_TRY(sac_file_put(file, agent->staging, n * sizeof(float)));
    }
fail:
  return status;
}

sac_status sac_agent_write_tensor(const sac_agent* agent, int32_t p, sac_memory memory, const sac_tensor* tensor,
                                  const char* prefix, int any, sac_file* file) {
  sac_status status = SAC_OK;
  for (size_t done = 0, n; done < tensor->count; done += n) {
    n = tensor->count - done < agent->staging_floats ? tensor->count - done : agent->staging_floats;
    SAC_TRY(agent->backend->read(agent, memory, p, tensor->offset + done, agent->staging, n));

    /* refuse values that reading would refuse, so that no good file is replaced by such a file */
    const size_t bad = any ? n : sac_first_not_finite(agent->staging, n);
    if (bad < n)
      return sac_fail(SAC_ERROR_NUMERIC, "%s: not written, because tensor '%s%s' of agent %d holds %g at %zu",
                      file->path, prefix, tensor->name, (int)p, (double)agent->staging[bad], done + bad);
    SAC_TRY(sac_file_put(file, agent->staging, n * sizeof(float)));
  }
fail:
  return status;
}

/* Writes the data of item i. */
static sac_status write_item(void* user, int32_t i, sac_file* file) {
  agent_list* list = user;
  const sac_agent* agent = list->agent;
  const item it = find_item(list, i);
  sac_status status = SAC_OK;

  /* write the replay, a state or an extra */
  if (it.replay) return write_replay(list, file);
  if (it.state >= 0) return sac_file_put(file, list->states[it.state].data, list->states[it.state].bytes);
  if (it.extra >= 0) {
    /* an extra that all agents share is written once */
    const int32_t rows = extras[it.extra].shared ? 1 : list->count;
    for (int32_t p = list->first; p < list->first + rows; p++) SAC_TRY(put_extra(list, (extra)it.extra, p, file));
    return SAC_OK;
  }

  /* write a tensor of each agent; those of a stopped agent may hold anything */
  for (int32_t p = list->first; p < list->first + list->count; p++)
    SAC_TRY(sac_agent_write_tensor(agent, p, it.memory, it.tensor, it.prefix, !agent->alive[p], file));
fail:
  return status;
}

/* The configuration that creates agents first .. first+count-1 alone, as text that the caller frees. */
static sac_status config_text(const sac_agent* agent, int32_t first, int32_t count, char** text) {
  char number[SAC_NUMBER_MAX];
  sac_config* config = NULL;
  sac_status status = SAC_OK;

  /* all agents: the configuration as it is */
  if (count == agent->shape.population) return sac_config_text(agent->config, text);

  /* set the seed of the first agent and the number of agents; keep everything else */
  SAC_TRY(sac_config_copy(&config, agent->config));
  (void)sac_print_integer(number, agent->settings.seed + first);
  SAC_TRY(sac_config_set(config, "seed", number));
  (void)sac_print_integer(number, count);
  SAC_TRY(sac_config_set(config, "seeds", number));
  SAC_TRY(sac_config_text(config, text));
fail:
  sac_config_destroy(config);
  return status;
}

sac_status sac_agent_write(const sac_agent* agent, const char* path, int32_t first, int32_t count,
                           const sac_state* states, int32_t state_count, int64_t rows, const sac_metadata* metadata,
                           int32_t metadata_count) {
  char number[8][24], hidden[SAC_LAYERS_MAX * 8] = "", *config = NULL;
  const sac_shape* shape = &agent->shape;
  size_t length = 0;

  /* collect the metadata of the agents */
  const long long value[8] = {
      shape->obs,      shape->action, agent->shape.actions, agent->max_episode_steps, shape->critics,
      agent->capacity, count,         shape->layers};
  for (int i = 0; i < 8; i++) (void)snprintf(number[i], sizeof number[i], "%lld", value[i]);
  sac_widths_append(hidden, sizeof hidden, &length, shape->hidden, shape->layers, ",");
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

  /* add the metadata of the caller; the last place is kept for the configuration */
  int32_t used = 12, given_config = 0;
  for (int32_t i = 0; i < metadata_count && used < METADATA_MAX - 1; i++) {
    given_config |= strcmp(metadata[i].key, "config") == 0;
    all[used++] = metadata[i];
  }

  /* add the configuration, unless the caller gave one */
  if (!given_config && agent->config) {
    const sac_status status = config_text(agent, first, count, &config);
    if (status != SAC_OK) return status;
    all[used++] = (sac_metadata){"config", config};
  }

  /* write the file */
  agent_list list = {agent, first, count, states, state_count, rows, ""};
  const sac_tensor_source source = {&list, list_count(&list), describe, write_item};
  const sac_status status = sac_safetensors_stream(path, &source, all, used);
  free(config);
  return status;
}

/* --- reading ------------------------------------------------------------------------------------------------------ */

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

  /* all floats must be finite, also those of stopped agents and of unknown tensors */
  for (int32_t i = 0; i < file->count; i++) {
    const sac_file_tensor* tensor = &file->tensors[i];
    if (tensor->dtype == SAC_F32)
      SAC_TRY(check_finite(file, tensor->name, tensor->data, tensor->bytes / sizeof(float)));
  }
fail:
  return status;
}

/* Whether this is the name of a network's tensor in some algorithm, such as "critic.0.head.bias". */
static int is_network_tensor(const char* name) {
  /* tensors of networks start with the name of a group and a point */
  for (int group = 0; group < SAC_GROUP_COUNT; group++) {
    const size_t length = strlen(sac_group_names[group]);
    if (strncmp(name, sac_group_names[group], length) == 0 && name[length] == '.') return 1;
  }

  /* the logarithm of the temperature belongs to no network */
  return strcmp(name, "log_alpha") == 0;
}

/* Fails if the file has a tensor of a network that this agent does not have. Such a file belongs to another kind of
 * agent, even if it also has all tensors of this one. */
static sac_status check_names(const agent_list* list, const sac_safetensors* file) {
  for (int32_t i = 0; i < file->count; i++) {
    const char* name = file->tensors[i].name;

    /* leave out the prefix of a moment */
    for (size_t s = 1; s < SLABS; s++)
      if (strncmp(name, slabs[s].prefix, strlen(slabs[s].prefix)) == 0) name += strlen(slabs[s].prefix);

    /* other names are extras, or state of the run */
    if (is_network_tensor(name) && !sac_tensors_find(&list->agent->tensors, name))
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

/* The number of statistics in a row of the file. An older version wrote fewer: the first ones of the present list.
 * before: how many other numbers stand before them in the row. Any other size gives STATS, and the check of shapes then
 * refuses the file. */
static int64_t statistics_of(const sac_safetensors* file, extra which, int64_t before) {
  const sac_file_tensor* tensor = sac_safetensors_find(file, extras[which].name);
  const int64_t last = tensor && tensor->rank > 0 ? tensor->dims[tensor->rank - 1] - before : 0;
  return last >= 1 && last < (int64_t)STATS ? last : (int64_t)STATS;
}

/* As describe, but rows of statistics may be as short as an older version wrote them. */
static void describe_in(agent_list* list, const sac_safetensors* file, int32_t i, sac_file_tensor* wanted) {
  describe(list, i, wanted);
  const int32_t which = find_item(list, i).extra;
  if (which == TOTALS) wanted->dims[wanted->rank - 1] = 1 + statistics_of(file, TOTALS, 1);
  if (which == STATS_ROW) wanted->dims[wanted->rank - 1] = statistics_of(file, STATS_ROW, 0);
}

/* Checks everything that sac_agent_read reads: present, of the right shape, in range, and finite (if alive). */
static sac_status check_file(agent_list* list, const sac_safetensors* file) {
  sac_status status = SAC_OK;
  sac_file_tensor wanted;

  /* check that all tensors exist and have the right shape */
  SAC_TRY(check_format(file));
  SAC_TRY(check_names(list, file));
  for (int32_t i = 0; i < list_count(list); i++) {
    describe_in(list, file, i, &wanted);
    SAC_TRY(sac_safetensors_get(file, wanted.name, wanted.dtype, wanted.rank, wanted.dims, NULL));
  }

  /* check the range of counters and flags */
  const double* totals = item_data(file, extras[TOTALS].name);
  const uint8_t* alive = item_data(file, extras[ALIVE].name);
  const sac_counters* counters = item_data(file, extras[COUNTERS].name);
  for (int32_t i = 0; i < list->count; i++, totals += 1 + statistics_of(file, TOTALS, 1)) {
    if (totals[0] >= 0 && totals[0] <= SAC_BIG && alive[i] <= 1 && counters[i].pushed <= (uint64_t)SAC_BIG &&
        counters[i].updates <= (uint64_t)SAC_BIG)
      continue;
    return sac_fail(SAC_ERROR_FORMAT, "%s: counters, totals or alive of agent %d are out of range", file->path, (int)i);
  }

  /* check that the tensors of agents that are not stopped are finite */
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

/* Reads the statistics of agents first .. first+count-1. Statistics that the file does not have become 0. */
static void read_statistics(sac_agent* agent, const sac_safetensors* file, int32_t first, int32_t count) {
  const size_t in_stats = (size_t)statistics_of(file, STATS_ROW, 0), in_totals = (size_t)statistics_of(file, TOTALS, 1);
  const double *stats = item_data(file, extras[STATS_ROW].name), *totals = item_data(file, extras[TOTALS].name);

  /* zero all, for a file of an older version */
  memset(&agent->stats[first], 0, (size_t)count * sizeof *agent->stats);
  memset(&agent->totals[first], 0, (size_t)count * sizeof *agent->totals);

  /* copy row by row; a row of totals is the number of updates, then the sums */
  for (int32_t p = first; p < first + count; p++, stats += in_stats, totals += 1 + in_totals) {
    memcpy(&agent->stats[p], stats, in_stats * sizeof *stats);
    agent->totals[p].updates = (uint64_t)totals[0];
    memcpy(&agent->totals[p].sum, totals + 1, in_totals * sizeof *totals);
  }
}

sac_status sac_agent_read(sac_agent* agent, const sac_safetensors* file, int32_t first, int32_t count) {
  agent_list list = {agent, first, count, NULL, 0, 0, ""};
  sac_status status = SAC_OK;
  sac_file_tensor wanted;

  /* check everything before anything is changed */
  SAC_TRY(check_file(&list, file));

  /* read the tensors of the slabs, which are the first items */
  for (int32_t i = 0; i < slab_tensors(agent); i++) {
    const item it = find_item(&list, i);
    assert(it.tensor);
    describe(&list, i, &wanted);
    const float* data = item_data(file, wanted.name);
    for (int32_t p = first; p < first + count; p++, data += it.tensor->count)
      SAC_TRY(agent->backend->write(agent, it.memory, p, it.tensor->offset, data, it.tensor->count));
  }

  /* read the state on the host */
  const size_t n = (size_t)count;
  memcpy(&agent->counters[first], item_data(file, extras[COUNTERS].name), n * sizeof *agent->counters);
  memcpy(&agent->seed[first], item_data(file, extras[SEED].name), n * sizeof *agent->seed);
  memcpy(&agent->alive[first], item_data(file, extras[ALIVE].name), n);
  read_statistics(agent, file, first, count);

  /* pass the state on to a backend that keeps its own copy of it */
  if (agent->backend->state_set) SAC_TRY(agent->backend->state_set(agent));
fail:
  return status;
}
