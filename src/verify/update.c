/* Golden updates: another framework's updates, replayed through the public API and compared.
 *
 * How far may two correct programs differ? A fixed tolerance cannot say. Adam divides the gradient by its own size, so
 * a weight whose gradient is lost in the rounding of a sum moves by lr one way or the other, while its neighbour moves
 * by the same lr to seven digits; a ReLU or a minimum over critics that sits on its edge switches a row's whole
 * contribution. So the file itself is asked: the updates are replayed with every weight and input changed by a relative
 * PERTURBATION at random, a little more than float arithmetic does to them on its way, and what that changes in a
 * number is what rounding can change in it. Ours must be within FACTOR times the largest change of REPLAYS replays, and
 * a few units in the last place: as good as an exact program given slightly different inputs (backward stability). */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/agent.h"
#include "util/error.h"
#include "verify/golden.h"
#include "verify/verify.h"

/* 16 roundings of a float: a sum of 256 products errs by as many, sqrt(256) 2^-24. */
#define PERTURBATION 0x1p-20
#define REPLAYS 16
#define FACTOR 4

/* Half a unit in the last place of a float of size 1. */
#define FLOAT_ROUNDING 0x1p-24

typedef enum group { METRIC, WEIGHT, ADAM_M, ADAM_V, GRAD, GROUP_COUNT } group;

static const char* const group_prefix[GROUP_COUNT] = {"", "", "adam_m/", "adam_v/", "grad/"};

/* One row of the report. */
typedef struct item {
  char name[SAC_VERIFY_NAME_MAX]; /* in the file */
  group which;
  int32_t index; /* of the metric, or of the tensor in the list */
  size_t offset, count;
} item;

typedef struct replay {
  sac_golden in;
  int32_t items;
  item* item;
  size_t count;                               /* numbers of all items */
  double *expected, *ours, *change, *allowed; /* (count); change: since before/, for weights; the value otherwise */
  double* changed;                            /* (count) of a perturbed replay */
  size_t largest;                             /* floats of the largest tensor */
  float* scratch;                             /* (largest) */
  float** before;                             /* (list.count) what a replay starts from */
  float *obs, *action, *reward, *next_obs, *noise, *next_noise; /* its inputs */
  sac_update_stats* stats;                                      /* (U) */
  uint64_t dice;
} replay;

/* --- What is compared. --- */

static void add_item(replay* r, const char* name, group which, int32_t index, size_t count) {
  item* added = &r->item[r->items++];
  (void)snprintf(added->name, sizeof added->name, "%s", name);
  added->which = which;
  added->index = index;
  added->offset = r->count;
  added->count = count;
  r->count += count;
}

/* Metrics, weights, and what else of each tensor the file has. */
static sac_status list_items(replay* r) {
  const sac_tensors* list = &r->in.list;
  r->item = calloc((size_t)list->count * GROUP_COUNT + SAC_METRIC_COUNT, sizeof *r->item);
  if (!r->item) return sac_fail(SAC_ERROR_MEMORY, "no memory for a list of %d tensors", (int)list->count);
  for (int32_t k = 0; k < SAC_METRIC_COUNT; k++)
    if (r->in.metric[k]) add_item(r, sac_golden_metrics[k], METRIC, k, (size_t)r->in.updates);
  for (group which = WEIGHT; which < GROUP_COUNT; which++) {
    for (int32_t i = 0; i < list->count; i++) {
      char name[SAC_VERIFY_NAME_MAX];
      (void)snprintf(name, sizeof name, "after/%s%s", group_prefix[which], list->tensor[i].name);
      if (which == WEIGHT || (list->tensor[i].slab == SAC_SLAB_TRAINED && sac_safetensors_find(r->in.file, name)))
        add_item(r, name, which, i, list->tensor[i].count);
    }
  }
  return SAC_OK;
}

static sac_status read_expected(replay* r) {
  for (int32_t i = 0; i < r->items; i++) {
    const item* it = &r->item[i];
    const float* data = r->in.metric[it->which == METRIC ? it->index : 0];
    if (it->which != METRIC) {
      char prefix[32];
      (void)snprintf(prefix, sizeof prefix, "after/%s", group_prefix[it->which]);
      const sac_status status = sac_golden_tensor(&r->in, prefix, &r->in.list.tensor[it->index], r->scratch);
      if (status != SAC_OK) return status;
      data = r->scratch;
    }
    for (size_t e = 0; e < it->count; e++) r->expected[it->offset + e] = (double)data[e];
  }
  return SAC_OK;
}

/* Zeroed memory; *whole turns 0 when there is none. */
static void* make(int* whole, size_t count, size_t size) {
  void* memory = calloc(count, size);
  if (!memory) *whole = 0;
  return memory;
}

static sac_status allocate(replay* r) {
  const sac_golden* in = &r->in;
  const sac_tensors* list = &in->list;
  const size_t rows = (size_t)in->updates * (size_t)in->shape.batch, o = (size_t)in->shape.obs,
               a = (size_t)in->shape.action;
  double** doubles[] = {&r->expected, &r->ours, &r->change, &r->allowed, &r->changed};
  int whole = 1;
  r->largest = 1;
  for (int32_t i = 0; i < list->count; i++)
    if (list->tensor[i].count > r->largest) r->largest = list->tensor[i].count;
  for (size_t i = 0; i < sizeof doubles / sizeof *doubles; i++) *doubles[i] = make(&whole, r->count, sizeof(double));
  r->scratch = make(&whole, r->largest, sizeof(float));
  r->stats = make(&whole, (size_t)in->updates, sizeof *r->stats);
  r->obs = make(&whole, rows * o, sizeof(float));
  r->next_obs = make(&whole, rows * o, sizeof(float));
  r->action = make(&whole, rows * a, sizeof(float));
  r->reward = make(&whole, rows, sizeof(float));
  r->noise = make(&whole, rows * a, sizeof(float));
  r->next_noise = make(&whole, rows * a, sizeof(float));
  r->before = (float**)make(&whole, (size_t)list->count, sizeof *r->before);
  for (int32_t i = 0; r->before && i < list->count; i++)
    r->before[i] = make(&whole, list->tensor[i].count, sizeof(float));
  return whole ? SAC_OK : sac_fail(SAC_ERROR_MEMORY, "no memory to compare %zu numbers", r->count);
}

static void release(replay* r) {
  for (int32_t i = 0; r->before && i < r->in.list.count; i++) free(r->before[i]);
  void* arrays[] = {r->item, r->expected, r->ours,   r->change, r->allowed,    r->changed, r->scratch, (void*)r->before,
                    r->obs,  r->action,   r->reward, r->noise,  r->next_noise, r->stats,   r->next_obs};
  for (size_t i = 0; i < sizeof arrays / sizeof *arrays; i++) free(arrays[i]);
  sac_golden_free(&r->in);
}

/* --- One replay. --- */

/* x (1 + size r), r uniform in [-1, 1). Always the same sequence: a verdict must not change from call to call. */
static float perturbed(replay* r, float x, double size) {
  r->dice = r->dice * 6364136223846793005u + 1442695040888963407u;
  return (float)((double)x * (1 + size * ((double)(int64_t)r->dice * 0x1p-63)));
}

static void perturb(replay* r, const float* from, float* to, size_t count, double size) {
  for (size_t i = 0; from && i < count; i++) to[i] = perturbed(r, from[i], size);
}

static sac_status set_inputs(replay* r, sac_agent* agent, double size) {
  const sac_golden* in = &r->in;
  const size_t rows = (size_t)in->updates * (size_t)in->shape.batch, o = (size_t)in->shape.obs,
               a = (size_t)in->shape.action;
  sac_status status = SAC_OK;
  perturb(r, in->obs, r->obs, rows * o, size);
  perturb(r, in->next_obs, r->next_obs, rows * o, size);
  perturb(r, in->action, r->action, rows * a, size);
  perturb(r, in->reward, r->reward, rows, size);
  perturb(r, in->noise, r->noise, rows * a, size);
  perturb(r, in->next_noise, r->next_noise, rows * a, size);
  for (int32_t i = 0; i < in->list.count; i++) {
    const sac_tensor* tensor = &in->list.tensor[i];
    SAC_TRY(sac_golden_tensor(in, "before/", tensor, r->scratch));
    perturb(r, r->scratch, r->before[i], tensor->count, size);
    status = sac_agent_tensor_set(agent, tensor->name, r->before[i], tensor->count);
    if (status != SAC_OK) {
      sac_fail_prefix("before/%s: ", tensor->name);
      goto fail;
    }
  }
fail:
  return status;
}

/* Every item after the updates: in ours (may be NULL) the value, in change what is compared between replays. */
static sac_status read_results(replay* r, const sac_agent* agent, double* ours, double* change) {
  for (int32_t i = 0; i < r->items; i++) {
    const item* it = &r->item[i];
    if (it->which != METRIC) {
      char name[128];
      (void)snprintf(name, sizeof name, "%s%s", group_prefix[it->which], r->in.list.tensor[it->index].name);
      const sac_status status = sac_agent_tensor_get(agent, name, r->scratch, it->count);
      if (status != SAC_OK) return status;
    }
    for (size_t e = 0; e < it->count; e++) {
      double value;
      if (it->which == METRIC) {
        const sac_update_stats* s = &r->stats[e];
        const double metrics[SAC_METRIC_COUNT] = {
#define METRIC_VALUE(name) s->name,
            SAC_GOLDEN_METRICS(METRIC_VALUE)
#undef METRIC_VALUE
        };
        value = metrics[it->index];
      } else {
        value = (double)r->scratch[e];
      }
      if (ours) ours[it->offset + e] = value;
      /* a weight that starts elsewhere ends elsewhere: what counts is how far it moved */
      change[it->offset + e] = it->which == WEIGHT ? value - (double)r->before[it->index][e] : value;
    }
  }
  return SAC_OK;
}

/* All updates on a fresh agent, everything perturbed by `size`. */
static sac_status run(replay* r, double size, double* ours, double* change) {
  const sac_golden* in = &r->in;
  const size_t b = (size_t)in->shape.batch, o = (size_t)in->shape.obs, a = (size_t)in->shape.action;
  sac_agent* agent = NULL;
  sac_status status = SAC_OK;
  SAC_TRY(sac_agent_create(&agent, in->config, &in->spec));
  SAC_TRY(set_inputs(r, agent, size));
  for (int64_t u = 0; u < in->updates; u++) {
    const size_t row = (size_t)u * b;
    const sac_minibatch minibatch = {r->obs + row * o, r->action + row * a, r->reward + row, in->terminated + row,
                                     r->next_obs + row * o};
    const sac_noise noise = {r->noise + row * a, r->next_noise + row * a};
    status = sac_agent_update_with(agent, &minibatch, &noise, &r->stats[u]);
    if (status != SAC_OK) {
      sac_fail_prefix("update %lld of %lld: ", (long long)u + 1, (long long)in->updates);
      goto fail;
    }
  }
  SAC_TRY(read_results(r, agent, ours, change));
fail:
  sac_agent_destroy(agent);
  return status;
}

/* --- The verdict. --- */

/* Roundings that no perturbation shows: the file's own, a last one of ours, of what is carried from update to update
 * (weights and moments) two an update, when it is scaled and added to, and of a metric the few terms it is summed of.
 */
static double roundings(const replay* r, const item* it, double expected) {
  const int carried = it->which == WEIGHT || it->which == ADAM_M || it->which == ADAM_V;
  const double more = carried ? 2 * (double)r->in.updates : it->which == METRIC ? 6 : 0;
  return (2 + more) * FLOAT_ROUNDING * fabs(expected);
}

static sac_status compare(replay* r, sac_verify_report* report) {
  for (int32_t i = 0; i < r->items; i++) {
    const item* it = &r->item[i];
    const double *ours = r->ours + it->offset, *expected = r->expected + it->offset;
    double* allowed = r->allowed + it->offset;
    size_t blind = 0;
    for (size_t e = 0; e < it->count; e++) {
      blind += it->which == WEIGHT && FACTOR * allowed[e] > 0.5 * r->in.settings.lr;
      allowed[e] = FACTOR * allowed[e] + roundings(r, it, expected[e]);
    }
    const sac_status status = sac_verify_compare(report, it->name, ours, expected, allowed, it->count);
    if (status != SAC_OK) return status;
    report->row[report->count - 1].blind = blind;
  }
  return SAC_OK;
}

sac_status sac_verify_update(const sac_safetensors* file, const sac_config* config, sac_verify_report* report) {
  replay r = {.dice = 1};
  sac_status status = SAC_OK;
  SAC_TRY(sac_golden_read(&r.in, file, config));
  SAC_TRY(list_items(&r));
  SAC_TRY(allocate(&r));
  SAC_TRY(read_expected(&r));
  SAC_TRY(run(&r, 0, r.ours, r.change));
  for (int k = 0; k < REPLAYS; k++) {
    SAC_TRY(run(&r, PERTURBATION, NULL, r.changed));
    for (size_t e = 0; e < r.count; e++) {
      const double moved = fabs(r.changed[e] - r.change[e]);
      if (!(moved <= r.allowed[e])) r.allowed[e] = moved;
    }
  }
  SAC_TRY(compare(&r, report));
fail:
  release(&r);
  return status;
}
