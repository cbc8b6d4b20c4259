/* Golden updates: updates computed by another framework, run again through the public API and compared.
 *
 * No fixed tolerance can say how far two correct programs may differ. Adam divides the gradient by its own size. If
 * rounding decides the sign of a weight's gradient, that weight moves by lr in one direction or in the other. Where the
 * input of a ReLU is near 0, or two critics are nearly equal, rounding switches the whole contribution of a row.
 *
 * So the tolerance of each number is measured. The updates are run again RERUNS times. Every run changes all
 * weights, minibatches and noise (but not `terminated` and discrete actions) at random by a relative PERTURBATION, a
 * little more than float arithmetic changes them. The largest change of a number over these runs shows how much
 * rounding can change it. Our number must be within FACTOR times this change, plus a few units in the last place. It is
 * then as good as that of an exact program with slightly different inputs (backward stability). */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/agent.h"
#include "util/error.h"
#include "verify/golden.h"
#include "verify/verify.h"

/* 16 roundings of a float. The error of a sum of 256 products is about as large: sqrt(256) 2^-24. */
#define PERTURBATION 0x1p-20
#define RERUNS 16
#define FACTOR 4

/* Half a unit in the last place of a float of size 1. */
#define FLOAT_ROUNDING 0x1p-24

typedef enum group { METRIC, WEIGHT, ADAM_M, ADAM_V, GRAD, GROUP_COUNT } group;

static const char* const group_prefix[GROUP_COUNT] = {"", "", "adam_m/", "adam_v/", "grad/"};

/* One row of the report, and its place in the arrays of all numbers. */
typedef struct item {
  char name[SAC_VERIFY_NAME_MAX]; /* in the file */
  group which;
  int32_t index; /* of the metric, or of the tensor in the list */
  size_t offset, count;
} item;

/* A golden update and everything that its runs need. */
typedef struct golden_run {
  sac_golden in;
  int32_t items;
  item* item;
  size_t count;                               /* numbers of all items */
  double *expected, *ours, *change, *allowed; /* (count); change: of a weight since before/, otherwise the value */
  double* changed;                            /* (count) as `change`, of a perturbed run */
  float* scratch;                             /* (floats of the largest tensor) */
  float** before;                             /* (list.count) the tensors that the last run started from */
  float *obs, *action, *reward, *next_obs, *noise, *next_noise; /* the inputs of the last run */
  sac_update_stats* stats;                                      /* (U) */
  uint64_t random;                                              /* the state of the generator of perturbations */
} golden_run;

/* --- what is compared --------------------------------------------------------------------------------------------- */

/* Appends an item of `count` numbers. */
static void add_item(golden_run* r, const char* name, group which, int32_t index, size_t count) {
  item* added = &r->item[r->items++];
  (void)snprintf(added->name, sizeof added->name, "%s", name);
  added->which = which;
  added->index = index;
  added->offset = r->count;
  added->count = count;
  r->count += count;
}

/* Lists the metrics, the weights, and the moments and gradients that the file has. */
static sac_status list_items(golden_run* r) {
  const sac_tensors* list = &r->in.list;

  /* allocate for the most items that there can be */
  r->item = calloc((size_t)list->count * GROUP_COUNT + SAC_METRIC_COUNT, sizeof *r->item);
  if (!r->item) return sac_fail(SAC_ERROR_MEMORY, "no memory for a list of %d tensors", (int)list->count);

  /* list all metrics that the algorithm has */
  for (int32_t k = 0; k < SAC_METRIC_COUNT; k++)
    if (r->in.metric[k]) add_item(r, sac_golden_metrics[k], METRIC, k, (size_t)r->in.updates);

  /* list every weight, and those moments and gradients that are in the file */
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

/* Reads each item's expected numbers from the file. */
static sac_status read_expected(golden_run* r) {
  for (int32_t i = 0; i < r->items; i++) {
    /* a metric was read with the inputs; a tensor is read here */
    const item* it = &r->item[i];
    const float* data = r->in.metric[it->which == METRIC ? it->index : 0];
    if (it->which != METRIC) {
      char prefix[32];
      (void)snprintf(prefix, sizeof prefix, "after/%s", group_prefix[it->which]);
      const sac_status status = sac_golden_tensor(&r->in, prefix, &r->in.list.tensor[it->index], r->scratch);
      if (status != SAC_OK) return status;
      data = r->scratch;
    }

    /* keep it as double, in which everything is compared */
    for (size_t e = 0; e < it->count; e++) r->expected[it->offset + e] = (double)data[e];
  }
  return SAC_OK;
}

/* Allocates zeroed memory. Sets *ok to 0 if there is not enough, so that one check serves many calls. */
static void* make(int* ok, size_t count, size_t size) {
  void* memory = calloc(count, size);
  if (!memory) *ok = 0;
  return memory;
}

static sac_status allocate(golden_run* r) {
  const sac_golden* in = &r->in;
  const sac_tensors* list = &in->list;
  const size_t rows = (size_t)in->updates * (size_t)in->shape.batch, o = (size_t)in->shape.obs,
               a = (size_t)in->shape.action;
  int ok = 1;

  /* allocate the numbers that are compared */
  double** doubles[] = {&r->expected, &r->ours, &r->change, &r->allowed, &r->changed};
  for (size_t i = 0; i < sizeof doubles / sizeof *doubles; i++) *doubles[i] = make(&ok, r->count, sizeof(double));
  r->stats = make(&ok, (size_t)in->updates, sizeof *r->stats);

  /* allocate the inputs of a run */
  r->obs = make(&ok, rows * o, sizeof(float));
  r->next_obs = make(&ok, rows * o, sizeof(float));
  r->action = make(&ok, rows * a, sizeof(float));
  r->reward = make(&ok, rows, sizeof(float));
  r->noise = make(&ok, rows * a, sizeof(float));
  r->next_noise = make(&ok, rows * a, sizeof(float));

  /* allocate the tensors of a run, and scratch for the largest of them */
  size_t largest = 1;
  for (int32_t i = 0; i < list->count; i++)
    if (list->tensor[i].count > largest) largest = list->tensor[i].count;
  r->scratch = make(&ok, largest, sizeof(float));
  r->before = (float**)make(&ok, (size_t)list->count, sizeof *r->before);
  for (int32_t i = 0; r->before && i < list->count; i++) r->before[i] = make(&ok, list->tensor[i].count, sizeof(float));
  return ok ? SAC_OK : sac_fail(SAC_ERROR_MEMORY, "no memory to compare %zu numbers", r->count);
}

static void release(golden_run* r) {
  for (int32_t i = 0; r->before && i < r->in.list.count; i++) free(r->before[i]);
  void* arrays[] = {r->item, r->expected, r->ours,   r->change, r->allowed,    r->changed, r->scratch, (void*)r->before,
                    r->obs,  r->action,   r->reward, r->noise,  r->next_noise, r->stats,   r->next_obs};
  for (size_t i = 0; i < sizeof arrays / sizeof *arrays; i++) free(arrays[i]);
  sac_golden_free(&r->in);
}

/* --- one run ------------------------------------------------------------------------------------------------------ */

/* x (1 + size r), with r uniform in [-1, 1). The sequence of r is always the same, so that verifying a file twice gives
 * the same result. */
static float perturbed(golden_run* r, float x, double size) {
  /* advance a linear congruential generator, and read its state as a signed fraction */
  r->random = r->random * 6364136223846793005u + 1442695040888963407u;
  return (float)((double)x * (1 + size * ((double)(int64_t)r->random * 0x1p-63)));
}

/* Perturbs `count` numbers. from NULL: the algorithm has no such input, and `to` stays 0. */
static void perturb(golden_run* r, const float* from, float* to, size_t count, double size) {
  for (size_t i = 0; from && i < count; i++) to[i] = perturbed(r, from[i], size);
}

/* Sets the inputs of a run and the tensors of its agent, all perturbed by `size` (0: unchanged). */
static sac_status set_inputs(golden_run* r, sac_agent* agent, double size) {
  const sac_golden* in = &r->in;
  const size_t rows = (size_t)in->updates * (size_t)in->shape.batch, o = (size_t)in->shape.obs,
               a = (size_t)in->shape.action;
  sac_status status = SAC_OK;

  /* perturb minibatches and noise; `terminated` is 0 or 1 and stays, and so do discrete actions */
  perturb(r, in->obs, r->obs, rows * o, size);
  perturb(r, in->next_obs, r->next_obs, rows * o, size);
  perturb(r, in->action, r->action, rows * a, in->shape.actions ? 0 : size);
  perturb(r, in->reward, r->reward, rows, size);
  perturb(r, in->noise, r->noise, rows * a, size);
  perturb(r, in->next_noise, r->next_noise, rows * a, size);

  /* set the agent's tensors; r->before keeps them, to measure the change of weights */
  for (int32_t i = 0; i < in->list.count; i++) {
    const sac_tensor* tensor = &in->list.tensor[i];
    SAC_TRY(sac_golden_tensor(in, "before/", tensor, r->scratch));
    perturb(r, r->scratch, r->before[i], tensor->count, size);

    /* an error names the tensor in the file */
    status = sac_agent_tensor_set(agent, tensor->name, r->before[i], tensor->count);
    if (status != SAC_OK) {
      sac_fail_prefix("before/%s: ", tensor->name);
      goto fail;
    }
  }
fail:
  return status;
}

/* Metric k of one update. */
static double metric_value(const sac_update_stats* stats, int32_t k) {
  const double metrics[SAC_METRIC_COUNT] = {
#define METRIC_VALUE(name, discrete) stats->name,
      SAC_GOLDEN_METRICS(METRIC_VALUE)
#undef METRIC_VALUE
  };
  return metrics[k];
}

/* Reads every item after the updates. ours (count, may be NULL): the values. change (count): the numbers that are
 * compared between runs. */
static sac_status read_results(golden_run* r, const sac_agent* agent, double* ours, double* change) {
  for (int32_t i = 0; i < r->items; i++) {
    const item* it = &r->item[i];

    /* get the values of a tensor; those of a metric are in r->stats */
    if (it->which != METRIC) {
      char name[128];
      (void)snprintf(name, sizeof name, "%s%s", group_prefix[it->which], r->in.list.tensor[it->index].name);
      const sac_status status = sac_agent_tensor_get(agent, name, r->scratch, it->count);
      if (status != SAC_OK) return status;
    }

    /* runs start from different weights, so the change of a weight since the start is compared */
    for (size_t e = 0; e < it->count; e++) {
      const double value = it->which == METRIC ? metric_value(&r->stats[e], it->index) : (double)r->scratch[e];
      if (ours) ours[it->offset + e] = value;
      change[it->offset + e] = it->which == WEIGHT ? value - (double)r->before[it->index][e] : value;
    }
  }
  return SAC_OK;
}

/* Creates an agent, runs all updates with everything perturbed by `size`, and reads the results. */
static sac_status run(golden_run* r, double size, double* ours, double* change) {
  const sac_golden* in = &r->in;
  const size_t b = (size_t)in->shape.batch, o = (size_t)in->shape.obs, a = (size_t)in->shape.action;
  sac_agent* agent = NULL;
  sac_status status = SAC_OK;

  /* start with a new agent that has the tensors of the file */
  SAC_TRY(sac_agent_create(&agent, in->config, &in->spec));
  SAC_TRY(set_inputs(r, agent, size));

  /* run the updates; each has a minibatch and noise of its own */
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

  /* read the results */
  SAC_TRY(read_results(r, agent, ours, change));
fail:
  sac_agent_destroy(agent);
  return status;
}

/* --- the comparison ----------------------------------------------------------------------------------------------- */

/* The error of roundings that perturbations do not show. Every number: two roundings, the last one in the file and the
 * last one in ours. Weights and moments, which are carried from update to update: two more per update, one when they
 * are scaled and one when something is added. Metrics: six more, for the few terms that are summed. */
static double roundings(const golden_run* r, const item* it, double expected) {
  const int carried = it->which == WEIGHT || it->which == ADAM_M || it->which == ADAM_V;
  const double more = carried ? 2 * (double)r->in.updates : it->which == METRIC ? 6 : 0;
  return (2 + more) * FLOAT_ROUNDING * fabs(expected);
}

/* Compares each item, and adds a row for it. r->allowed holds the changes by perturbations; they become tolerances. */
static sac_status compare(golden_run* r, sac_verify_report* report) {
  for (int32_t i = 0; i < r->items; i++) {
    const item* it = &r->item[i];
    const double *ours = r->ours + it->offset, *expected = r->expected + it->offset;
    double* allowed = r->allowed + it->offset;
    size_t blind = 0;

    /* compute the tolerances; count the weights whose tolerance is above half a step of the learning rate */
    for (size_t e = 0; e < it->count; e++) {
      blind += it->which == WEIGHT && FACTOR * allowed[e] > 0.5 * r->in.settings.lr;
      allowed[e] = FACTOR * allowed[e] + roundings(r, it, expected[e]);
    }

    /* add the row of this item */
    const sac_status status = sac_verify_compare(report, it->name, ours, expected, allowed, it->count);
    if (status != SAC_OK) return status;
    report->row[report->count - 1].blind = blind;
  }
  return SAC_OK;
}

sac_status sac_verify_update(const sac_safetensors* file, const sac_config* config, sac_verify_report* report) {
  golden_run r = {.random = 1};
  sac_status status = SAC_OK;

  /* read the file */
  SAC_TRY(sac_golden_read(&r.in, file, config));
  SAC_TRY(list_items(&r));
  SAC_TRY(allocate(&r));
  SAC_TRY(read_expected(&r));

  /* compute our numbers, without perturbation */
  SAC_TRY(run(&r, 0, r.ours, r.change));

  /* measure how much perturbations change each number; NaN counts as the largest */
  for (int k = 0; k < RERUNS; k++) {
    SAC_TRY(run(&r, PERTURBATION, NULL, r.changed));
    for (size_t e = 0; e < r.count; e++) {
      const double moved = fabs(r.changed[e] - r.change[e]);
      if (!(moved <= r.allowed[e])) r.allowed[e] = moved;
    }
  }

  /* compare our numbers with those of the file */
  SAC_TRY(compare(&r, report));
fail:
  release(&r);
  return status;
}
