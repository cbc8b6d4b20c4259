/* Golden updates: another framework's updates, replayed through the public API and compared. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent.h"
#include "util/error.h"
#include "verify/golden.h"
#include "verify/rounding.h"
#include "verify/verify.h"

typedef struct replay {
  sac_golden in;
  sac_agent* agent;
  double* metric[SAC_METRIC_COUNT]; /* (3, U): ours, expected, allowed */

  sac_rounding* rounding;                  /* (list.count) uncertainty of each tensor */
  double *ours, *expected, *allowed;       /* (largest) one row of the report */
  float *gradient, *m, *v, *weight, *read; /* (largest) scratch */
} replay;

static sac_status allocate(replay* r) {
  const sac_tensors* list = &r->in.list;
  size_t largest = 1;
  for (int32_t i = 0; i < list->count; i++)
    if (list->tensor[i].count > largest) largest = list->tensor[i].count;
  float** floats[] = {&r->gradient, &r->m, &r->v, &r->weight, &r->read};
  double** doubles[] = {&r->ours, &r->expected, &r->allowed};
  int whole = 1;
  for (size_t i = 0; i < sizeof floats / sizeof *floats; i++)
    whole &= (*floats[i] = calloc(largest, sizeof(float))) != NULL;
  for (size_t i = 0; i < sizeof doubles / sizeof *doubles; i++)
    whole &= (*doubles[i] = calloc(largest, sizeof(double))) != NULL;
  for (int k = 0; k < SAC_METRIC_COUNT; k++)
    if (r->in.metric[k]) whole &= (r->metric[k] = calloc((size_t)r->in.updates * 3, sizeof(double))) != NULL;
  whole &= (r->rounding = calloc((size_t)list->count, sizeof *r->rounding)) != NULL;
  for (int32_t i = 0; r->rounding && i < list->count; i++) {
    sac_rounding* rounding = &r->rounding[i];
    rounding->count = list->tensor[i].count;
    whole &= (rounding->weight = calloc(rounding->count, sizeof(double))) != NULL;
    whole &= (rounding->m = calloc(rounding->count, sizeof(double))) != NULL;
    whole &= (rounding->square = calloc(rounding->count, sizeof(double))) != NULL;
  }
  return whole ? SAC_OK : sac_fail(SAC_ERROR_MEMORY, "no memory to compare tensors of %zu", largest);
}

static void release(replay* r) {
  sac_agent_destroy(r->agent);
  float* floats[] = {r->gradient, r->m, r->v, r->weight, r->read};
  double* doubles[] = {r->ours, r->expected, r->allowed};
  for (size_t i = 0; i < sizeof floats / sizeof *floats; i++) free(floats[i]);
  for (size_t i = 0; i < sizeof doubles / sizeof *doubles; i++) free(doubles[i]);
  for (int k = 0; k < SAC_METRIC_COUNT; k++) free(r->metric[k]);
  for (int32_t i = 0; r->rounding && i < r->in.list.count; i++) {
    free(r->rounding[i].weight);
    free(r->rounding[i].m);
    free(r->rounding[i].square);
  }
  free(r->rounding);
  sac_golden_free(&r->in);
}

/* tensor_get of GROUP/NAME, group "" for the tensor itself. */
static sac_status read_tensor(const replay* r, const char* group, const sac_tensor* tensor, float* data) {
  char name[128];
  (void)snprintf(name, sizeof name, "%s%s", group, tensor->name);
  return sac_agent_tensor_get(r->agent, name, data, tensor->count);
}

static int is_temperature(const sac_tensor* tensor) { return strcmp(tensor->name, "log_alpha") == 0; }

/* The length of "actor.layers.0" in "actor.layers.0.weight": a layer's weight and bias share it. */
static size_t layer_length(const char* name) {
  const char* dot = strrchr(name, '.');
  return dot ? (size_t)(dot - name) : strlen(name);
}

/* The size that the rounding of tensor i's gradient is relative to: the largest |gradient| of its layer (the other half
 * of the layer is a neighbour in the list). One gradient alone may be small by cancellation, a layer is not. */
static sac_status gradient_scale(replay* r, int32_t i, const sac_update_stats* stats, double* scale) {
  sac_status status = SAC_OK;
  const sac_tensors* list = &r->in.list;
  const char* own = list->tensor[i].name;
  *scale = 0;
  if (is_temperature(&list->tensor[i])) { /* -(mean log pi + Hbar) may cancel too: the terms, not their difference */
    *scale = fabs(stats->entropy) + r->in.shape.action + fabs(r->agent->target_entropy);
    return SAC_OK;
  }
  for (int32_t j = i > 0 ? i - 1 : 0; j <= i + 1 && j < list->count; j++) {
    const sac_tensor* tensor = &list->tensor[j];
    const size_t length = layer_length(own);
    if (layer_length(tensor->name) != length || strncmp(tensor->name, own, length) != 0) continue;
    SAC_TRY(read_tensor(r, "grad/", tensor, r->read));
    for (size_t e = 0; e < tensor->count; e++) *scale = fmax(*scale, fabs((double)r->read[e]));
  }
fail:
  return status;
}

/* Index of the tensor a target follows: "critic.0.head.bias" for "critic_target.0.head.bias". */
static int32_t source_of(const sac_tensors* list, const char* target) {
  const char* mark = strstr(target, "_target");
  char name[SAC_TENSOR_NAME_MAX];
  (void)snprintf(name, sizeof name, "%.*s%s", (int)(mark - target), target, mark + strlen("_target"));
  return (int32_t)(sac_tensors_find(list, name) - list->tensor);
}

/* Relative uncertainty of a gradient: that of its own arithmetic, and that of the weights it is computed with. A layer
 * is linear in its weights, so their relative uncertainties add up over the layers. The most uncertain network counts,
 * because actor, critics and targets all enter each other's gradients. */
static sac_status relative_uncertainty(replay* r, double* relative) {
  sac_status status = SAC_OK;
  double worst = 0, uncertain = 0, size = 0;
  for (int32_t i = 0; i < r->in.list.count; i++) {
    const sac_tensor* tensor = &r->in.list.tensor[i];
    const double* weight = r->rounding[i].weight;
    if (is_temperature(tensor)) {
      worst = fmax(worst, weight[0]); /* alpha = exp(log_alpha): absolute here is relative there */
      continue;
    }
    SAC_TRY(read_tensor(r, "", tensor, r->read));
    for (size_t e = 0; e < tensor->count; e++) {
      uncertain += weight[e] * weight[e];
      size += (double)r->read[e] * (double)r->read[e];
    }
    if (strstr(tensor->name, "head.bias")) { /* a network's last tensor */
      if (uncertain > 0) worst = fmax(worst, (r->in.shape.layers + 1) * sqrt(uncertain / size));
      uncertain = size = 0;
    }
  }
  *relative = SAC_ROUNDING_GRADIENT + worst;
fail:
  return status;
}

/* Notes the metrics of update u, and what they may be off by: their relative uncertainty times the size of the terms
 * they are made of, since a small difference of large terms keeps the error of the terms. */
static void note_metrics(replay* r, int64_t u, const sac_update_stats* stats, double relative) {
  const int64_t updates = r->in.updates;
  const double log_alpha = fabs(log(stats->alpha)), entropy = fabs(stats->entropy) + r->in.shape.action;
  const double smallest_q = fabs(stats->actor_loss + stats->alpha * stats->entropy);
  const double ours[SAC_METRIC_COUNT] = {
#define METRIC_VALUE(name) stats->name,
      SAC_GOLDEN_METRICS(METRIC_VALUE)
#undef METRIC_VALUE
  };
  const double terms[SAC_METRIC_COUNT] = {
      [SAC_METRIC_critic_loss] = 2 * stats->critic_loss + r->in.shape.critics * stats->td_error * fabs(stats->q_mean),
      [SAC_METRIC_actor_loss] = stats->alpha * entropy + smallest_q,
      [SAC_METRIC_alpha_loss] = (log_alpha + 1) * (entropy + fabs(r->agent->target_entropy)),
      [SAC_METRIC_alpha] = stats->alpha,
      [SAC_METRIC_entropy] = entropy,
      [SAC_METRIC_value_loss] =
          2 * stats->value_loss + sqrt(2 * stats->value_loss) * (smallest_q + stats->alpha * entropy),
  };
  for (int k = 0; k < SAC_METRIC_COUNT; k++) {
    if (!r->metric[k]) continue;
    const double expected = (double)r->in.metric[k][u];
    r->metric[k][u] = ours[k];
    r->metric[k][updates + u] = expected;
    r->metric[k][2 * updates + u] = relative * terms[k] + SAC_ROUNDING_FLOAT * fabs(expected);
  }
}

/* Carries the uncertainty of every tensor over update u, which has just been made. */
static sac_status carry(replay* r, int64_t u, const sac_update_stats* stats, double relative) {
  sac_status status = SAC_OK;
  const sac_tensors* list = &r->in.list;
  const sac_rounding_step step = {r->in.settings.lr, u + 1};
  for (int32_t i = 0; i < list->count; i++) {
    const sac_tensor* tensor = &list->tensor[i];
    double scale;
    if (is_temperature(tensor) && !r->in.settings.alpha_learn) continue;
    SAC_TRY(read_tensor(r, "", tensor, r->weight));
    if (tensor->slab == SAC_SLAB_TARGET) { /* after its source in the list */
      const sac_rounding* source = &r->rounding[source_of(list, tensor->name)];
      sac_rounding_polyak(&r->rounding[i], source, r->weight, r->in.settings.tau);
      continue;
    }
    SAC_TRY(gradient_scale(r, i, stats, &scale));
    SAC_TRY(read_tensor(r, "grad/", tensor, r->gradient));
    SAC_TRY(read_tensor(r, "adam_m/", tensor, r->m));
    SAC_TRY(read_tensor(r, "adam_v/", tensor, r->v));
    sac_rounding_adam(&r->rounding[i], r->gradient, r->m, r->v, r->weight, scale, relative, step);
  }
fail:
  return status;
}

/* Makes update u and notes everything about it. */
static sac_status make_update(replay* r, int64_t u, sac_update_stats* stats, double* relative) {
  const sac_golden* in = &r->in;
  const size_t row = (size_t)u * (size_t)in->shape.batch, o = (size_t)in->shape.obs, a = (size_t)in->shape.action;
  const sac_minibatch minibatch = {in->obs + row * o, in->action + row * a, in->reward + row, in->terminated + row,
                                   in->next_obs + row * o};
  const sac_noise noise = {in->noise + row * a, in->next_noise ? in->next_noise + row * a : NULL};
  sac_status status = SAC_OK;
  SAC_TRY(relative_uncertainty(r, relative));
  status = sac_agent_update_with(r->agent, &minibatch, &noise, stats);
  if (status != SAC_OK) {
    sac_fail_prefix("update %lld of %lld: ", (long long)u + 1, (long long)in->updates);
    goto fail;
  }
  note_metrics(r, u, stats, *relative);
  SAC_TRY(carry(r, u, stats, *relative));
fail:
  return status;
}

static sac_status start(replay* r) {
  sac_status status = SAC_OK;
  SAC_TRY(sac_agent_create(&r->agent, r->in.config, &r->in.spec));
  for (int32_t i = 0; i < r->in.list.count; i++) {
    const sac_tensor* tensor = &r->in.list.tensor[i];
    SAC_TRY(sac_golden_tensor(&r->in, "before/", tensor, r->read));
    status = sac_agent_tensor_set(r->agent, tensor->name, r->read, tensor->count);
    if (status != SAC_OK) {
      sac_fail_prefix("before/");
      goto fail;
    }
  }
fail:
  return status;
}

typedef enum group { WEIGHT, ADAM_M, ADAM_V, GRAD, GROUP_COUNT } group;

static const char* const group_prefix[GROUP_COUNT] = {"", "adam_m/", "adam_v/", "grad/"};

/* Compares after/GROUP/NAME; the groups but WEIGHT are compared where the file has them. */
static sac_status compare(replay* r, int32_t i, group which, const sac_update_stats* last, double relative,
                          sac_verify_report* report) {
  const sac_tensor* tensor = &r->in.list.tensor[i];
  const sac_rounding* rounding = &r->rounding[i];
  char prefix[32], name[128];
  double scale = 0;
  size_t blind = 0;
  sac_status status = SAC_OK;
  (void)snprintf(prefix, sizeof prefix, "after/%s", group_prefix[which]);
  (void)snprintf(name, sizeof name, "%s%s", prefix, tensor->name);
  if (which != WEIGHT && !sac_safetensors_find(r->in.file, name)) return SAC_OK;
  SAC_TRY(sac_golden_tensor(&r->in, prefix, tensor, r->weight));
  if (which == GRAD) SAC_TRY(gradient_scale(r, i, last, &scale));
  SAC_TRY(read_tensor(r, group_prefix[which], tensor, r->read));
  for (size_t e = 0; e < tensor->count; e++) {
    r->ours[e] = (double)r->read[e];
    r->expected[e] = (double)r->weight[e];
    const double allowed[GROUP_COUNT] = {
        [WEIGHT] = rounding->weight[e],
        [ADAM_M] = rounding->m[e],
        [ADAM_V] = sac_rounding_v(rounding, e, r->ours[e]),
        [GRAD] = sac_rounding_gradient(r->ours[e], scale, relative),
    };
    r->allowed[e] = allowed[which] + SAC_ROUNDING_FLOAT * fabs(r->expected[e]); /* the file's own rounding */
    blind += which == WEIGHT && allowed[which] > 0.5 * r->in.settings.lr;
  }
  SAC_TRY(sac_verify_compare(report, name, r->ours, r->expected, r->allowed, tensor->count));
  report->row[report->count - 1].blind = blind;
fail:
  return status;
}

sac_status sac_verify_update(const sac_safetensors* file, const sac_config* config, sac_verify_report* report) {
  replay r = {0};
  sac_update_stats stats = {0};
  double relative = 0;
  sac_status status = SAC_OK;
  SAC_TRY(sac_golden_read(&r.in, file, config));
  SAC_TRY(allocate(&r));
  SAC_TRY(start(&r));
  const int64_t updates = r.in.updates;
  for (int64_t u = 0; u < updates; u++) SAC_TRY(make_update(&r, u, &stats, &relative));
  for (int k = 0; k < SAC_METRIC_COUNT; k++) {
    const double* m = r.metric[k];
    if (m) SAC_TRY(sac_verify_compare(report, sac_golden_metrics[k], m, m + updates, m + 2 * updates, (size_t)updates));
  }
  for (int which = WEIGHT; which < GROUP_COUNT; which++)
    for (int32_t i = 0; i < r.in.list.count; i++)
      if (which == WEIGHT || r.in.list.tensor[i].slab == SAC_SLAB_TRAINED)
        SAC_TRY(compare(&r, i, (group)which, &stats, relative, report));
fail:
  release(&r);
  return status;
}
