/* libsac_policy evaluates a trained policy. include/sac/policy.h is the interface, src/agent/export.h describes the
 * file. */
#include <sac/policy.h>

#include <math.h>
#include <string.h>

#include "kernels/bellman.h"
#include "kernels/discrete.h"
#include "kernels/layers.h"
#include "kernels/squash.h"
#include "kernels/temperature.h"
#include "policy/file.h"
#include "policy/policy.h"

#define ALIGNMENT 16 /* bytes */

_Static_assert(__FLT_EVAL_METHOD__ == 0 || __FLT_EVAL_METHOD__ == 16, /* 16: _Float16 has arithmetic of its own */
               "float sums must be rounded to float, for the same bits everywhere: with gcc on i386 -mfpmath=sse");
#if defined(__FAST_MATH__) || __FINITE_MATH_ONLY__
#error "no -ffast-math: it gives other bits, and takes out the checks for values that are not finite"
#endif

/* The weights of a copy are the transpose of the file's tensor. The inner loop over outputs then reads neighbours in
 * memory, so the compiler can use vector instructions without changing the order of a sum. */
typedef struct policy_layer {
  int32_t in, out;
  const float* weight; /* (in, out); in place: (out, in), in the file */
  const float* bias;   /* (out) */
  float* own_weight;   /* the same memory, if it is the policy's own; NULL: in place */
  float* own_bias;
} policy_layer;

struct sac_policy {
  sac_policy_kind kind;
  int32_t nets;        /* K critics, or 1: the actor */
  int32_t layers;      /* of each network, with the head */
  policy_layer* layer; /* (nets, layers) */
  float* values;       /* Gaussian: (A) log_stds; Boltzmann: (actions) values that join the critics; softmax: none */
  float* x;            /* (widest layer) activations: layers read x and write y, or read y and write x, in turn */
  float* y;

  /* squashed Gaussian: the head's last A outputs are a layer of their own, as only samples need them */
  policy_layer log_std;
  float log_std_min, log_std_max;
  float* centre; /* (A) */
  float* half;   /* (A) half_range */

  /* Boltzmann */
  int mean; /* 1: the mean of the critics; 0: their minimum */
  float alpha;
};

/* --- memory ------------------------------------------------------------------------------------------------------- */

/* Memory that is handed out piece by piece; with base NULL the bytes are only counted. */
typedef struct arena {
  char* base;
  size_t used;
} arena;

static void* take(arena* memory, size_t bytes) {
  void* at = memory->base ? memory->base + memory->used : NULL;
  memory->used += (bytes + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
  return at;
}

static float* take_floats(arena* memory, size_t count) { return take(memory, count * sizeof(float)); }

/* Places the weights and biases of a layer, unless they stay in the file. */
static void lay_out_layer(policy_layer* layer, int32_t in, int32_t out, int in_place, arena* memory) {
  *layer = (policy_layer){.in = in, .out = out};
  if (in_place) return;
  layer->weight = layer->own_weight = take_floats(memory, (size_t)in * (size_t)out);
  layer->bias = layer->own_bias = take_floats(memory, (size_t)out);
}

/* Places the policy and its arrays in memory, without their values. in_place: 1 leaves the weights and biases in the
 * file. Returns NULL when bytes are only counted. The same code counts and places, so both agree. */
static sac_policy* lay_out(const sac_policy_file* file, int in_place, arena* memory) {
  /* when bytes are only counted, the members go to a policy and a layer on the stack */
  sac_policy counted, *policy = take(memory, sizeof *policy);
  policy_layer none;
  sac_policy* p = policy ? policy : &counted;
  const int32_t* size = file->size;
  const int32_t head = file->layers - 1, outputs = size[file->layers];
  memset(p, 0, sizeof *p);
  p->kind = file->kind;
  p->nets = file->nets;
  p->layers = file->layers;

  /* weights and biases of the layers of each network */
  const size_t layers = (size_t)file->nets * (size_t)file->layers;
  p->layer = take(memory, layers * sizeof *p->layer);
  for (size_t i = 0; i < layers; i++) {
    const size_t l = i % (size_t)file->layers;
    lay_out_layer(p->layer ? &p->layer[i] : &none, size[l], size[l + 1], in_place, memory);
  }

  /* what else the kinds have */
  if (file->kind == SAC_POLICY_SQUASHED_GAUSSIAN) {
    lay_out_layer(&p->log_std, size[head], outputs, in_place, memory);
    p->centre = take_floats(memory, (size_t)outputs);
    p->half = take_floats(memory, (size_t)outputs);
  }
  if (file->kind != SAC_POLICY_SOFTMAX) p->values = take_floats(memory, (size_t)outputs);

  /* activations: two vectors, as wide as the widest layer */
  int32_t widest = 0;
  for (int32_t l = 0; l <= file->layers; l++)
    if (size[l] > widest) widest = size[l];
  p->x = take_floats(memory, (size_t)widest);
  p->y = take_floats(memory, (size_t)widest);
  return policy;
}

/* Bytes that lay_out takes; 0: no policy file. */
static size_t count_bytes(const void* bytes, size_t size, int in_place) {
  sac_policy_file file;
  arena memory = {NULL, 0};
  if (!sac_policy_file_read(&file, bytes, size)) return 0;
  (void)lay_out(&file, in_place, &memory);
  return memory.used;
}

size_t sac_policy_memory(const void* bytes, size_t size) { return count_bytes(bytes, size, 0); }
size_t sac_policy_memory_in_place(const void* bytes, size_t size) { return count_bytes(bytes, size, 1); }

/* Takes the weight and bias of a layer from the bytes of the file. */
static void fill_layer(policy_layer* layer, const unsigned char* weight, const unsigned char* bias) {
  /* in place: point into the file, which is aligned */
  if (!layer->own_weight) {
    layer->weight = (const float*)(const void*)weight;
    layer->bias = (const float*)(const void*)bias;
    return;
  }

  /* Copy float by float with memcpy: the file may begin at any address. It has a weight as (out, in), the policy as
   * (in, out). */
  for (int32_t o = 0; o < layer->out; o++)
    for (int32_t i = 0; i < layer->in; i++, weight += sizeof(float))
      memcpy(&layer->own_weight[(size_t)i * (size_t)layer->out + (size_t)o], weight, sizeof(float));
  memcpy(layer->own_bias, bias, (size_t)layer->out * sizeof(float));
}

/* Takes the layers of network k from the file. */
static void fill_net(sac_policy* policy, const sac_policy_file* file, int32_t k) {
  policy_layer* layer = policy->layer + (size_t)k * (size_t)policy->layers;
  sac_policy_places places;
  sac_policy_file_net(file, k, &places);
  for (int32_t l = 0; l < policy->layers; l++)
    fill_layer(&layer[l], file->data + places.weight[l], file->data + places.bias[l]);

  /* the log_stds of a squashed Gaussian are the rows of the head behind the means */
  const policy_layer* head = &layer[policy->layers - 1];
  const size_t means = (size_t)head->out * sizeof(float);
  if (policy->kind == SAC_POLICY_SQUASHED_GAUSSIAN)
    fill_layer(&policy->log_std, file->data + places.weight[policy->layers - 1] + means * (size_t)head->in,
               file->data + places.bias[policy->layers - 1] + means);
}

/* The number of outputs of the head that become an action: A means, or a value of each discrete action. */
static int32_t outputs_of(const sac_policy* policy) { return policy->layer[policy->layers - 1].out; }

static sac_policy_status create(sac_policy** out, const void* bytes, size_t size, void* memory, size_t memory_bytes,
                                int in_place) {
  sac_policy_file file;
  arena counted = {NULL, 0}, given = {memory, 0};
  if (!out) return SAC_POLICY_ARGUMENT;
  *out = NULL;

  /* Check the file and the memory. `memory` is written only after all checks have passed. */
  if (!sac_policy_file_read(&file, bytes, size)) return SAC_POLICY_FORMAT;
  (void)lay_out(&file, in_place, &counted);
  if (!memory || (uintptr_t)memory % ALIGNMENT != 0 || memory_bytes < counted.used) return SAC_POLICY_MEMORY;
  if (in_place && (uintptr_t)file.data % sizeof(float) != 0) return SAC_POLICY_UNALIGNED;
  if (!sac_policy_file_intact(&file)) return SAC_POLICY_DAMAGED;
  const float log_alpha = file.kind == SAC_POLICY_BOLTZMANN ? sac_policy_file_float(&file, file.log_alpha) : 0;
  if (!sac_policy_file_finite(&file) || !sac_policy_set_boltzmann(NULL, file.mean, log_alpha))
    return SAC_POLICY_NUMERIC;

  /* take the layers */
  sac_policy* policy = lay_out(&file, in_place, &given);
  for (int32_t k = 0; k < policy->nets; k++) fill_net(policy, &file, k);

  /* take what else the kinds have */
  (void)sac_policy_set_boltzmann(policy, file.mean, log_alpha);
  policy->log_std_min = file.log_std_min;
  policy->log_std_max = file.log_std_max;
  for (int32_t i = 0; policy->centre && i < outputs_of(policy); i++) {
    policy->centre[i] = sac_policy_file_float(&file, file.centre + (uint64_t)i * sizeof(float));
    policy->half[i] = sac_policy_file_float(&file, file.half_range + (uint64_t)i * sizeof(float));
  }
  *out = policy;
  return SAC_POLICY_OK;
}

sac_policy_status sac_policy_create(sac_policy** out, const void* bytes, size_t size, void* memory,
                                    size_t memory_bytes) {
  return create(out, bytes, size, memory, memory_bytes, 0);
}

sac_policy_status sac_policy_create_in_place(sac_policy** out, const void* bytes, size_t size, void* memory,
                                             size_t memory_bytes) {
  return create(out, bytes, size, memory, memory_bytes, 1);
}

/* --- use ---------------------------------------------------------------------------------------------------------- */

void sac_policy_describe(const sac_policy* policy, sac_policy_kind* kind, int32_t* actions) {
  if (kind) *kind = policy ? policy->kind : SAC_POLICY_SQUASHED_GAUSSIAN;
  if (actions) *actions = policy && policy->kind != SAC_POLICY_SQUASHED_GAUSSIAN ? outputs_of(policy) : 0;
}

void sac_policy_sizes(const sac_policy* policy, int32_t* obs, int32_t* action) {
  const int discrete = policy && policy->kind != SAC_POLICY_SQUASHED_GAUSSIAN;
  if (obs) *obs = policy ? policy->layer[0].in : 0;
  if (action) *action = discrete ? 1 : policy ? outputs_of(policy) : 0;
}

/* y (out) = bias + x (in) * weight (in, out). Each output is a sum in the order of the inputs, whatever the compiler
 * does with the loop over outputs. */
static void linear(const policy_layer* layer, const float* restrict x, float* restrict y) {
  const size_t out = (size_t)layer->out, in = (size_t)layer->in;
  const float* restrict w = layer->weight;
  memcpy(y, layer->bias, out * sizeof *y);

  /* four inputs in one pass over y: it is loaded and stored a quarter as often */
  size_t i = 0;
  for (; i + 4 <= in; i += 4, w += 4 * out) {
    const float x0 = x[i], x1 = x[i + 1], x2 = x[i + 2], x3 = x[i + 3];
    for (size_t o = 0; o < out; o++)
      y[o] = (((y[o] + x0 * w[o]) + x1 * w[out + o]) + x2 * w[2 * out + o]) + x3 * w[3 * out + o];
  }

  /* the last one to three inputs */
  for (; i < in; i++, w += out)
    for (size_t o = 0; o < out; o++) y[o] += x[i] * w[o];
}

/* The same sums, in the same order, with a weight (out, in) as the file has it. */
static void linear_in_place(const policy_layer* layer, const float* restrict x, float* restrict y) {
  enum { BLOCK = 8 };
  const size_t out = (size_t)layer->out, in = (size_t)layer->in;
  const float* restrict w = layer->weight;
  memcpy(y, layer->bias, out * sizeof *y);

  /* eight sums side by side: each waits for its last addition, so one alone takes several times as long */
  size_t o = 0;
  for (; o + BLOCK <= out; o += BLOCK, w += BLOCK * in) {
    float sum[BLOCK];
    for (size_t k = 0; k < BLOCK; k++) sum[k] = y[o + k];
    for (size_t i = 0; i < in; i++)
      for (size_t k = 0; k < BLOCK; k++) sum[k] += x[i] * w[k * in + i];
    for (size_t k = 0; k < BLOCK; k++) y[o + k] = sum[k];
  }

  /* the last one to seven outputs */
  for (; o < out; o++, w += in)
    for (size_t i = 0; i < in; i++) y[o] += x[i] * w[i];
}

/* One layer, without the ReLU. */
static void evaluate(const policy_layer* layer, const float* x, float* y) {
  if (layer->own_weight) linear(layer, x, y);
  else linear_in_place(layer, x, y);
}

/* Evaluates the hidden layers of network k: each is a product and ReLU. Returns the input of its head, which is a
 * buffer, or `obs` where there is no hidden layer. *y: a buffer that is free. */
static const float* evaluate_hidden(const sac_policy* policy, int32_t k, const float* obs, float** y) {
  const policy_layer* layer = policy->layer + (size_t)k * (size_t)policy->layers;
  const float* x = obs;
  float* other = policy->x;
  *y = policy->y;
  for (int32_t l = 0; l + 1 < policy->layers; l++) {
    evaluate(&layer[l], x, *y);
    for (int32_t o = 0; o < layer[l].out; o++) (*y)[o] = sac_relu((*y)[o]);

    /* The output is the next input. The first layer read `obs`, which is never written. */
    x = *y;
    *y = other;
    other = *y == policy->x ? policy->y : policy->x;
  }
  return x;
}

/* The head of network k. */
static const policy_layer* head_of(const sac_policy* policy, int32_t k) {
  return &policy->layer[(size_t)(k + 1) * (size_t)policy->layers - 1];
}

/* An action of which nothing is known: NaN, which a program checks for. */
static void give_none(const sac_policy* policy, float* action) {
  const int32_t size = policy->kind == SAC_POLICY_SQUASHED_GAUSSIAN ? outputs_of(policy) : 1;
  for (int32_t i = 0; i < size; i++) action[i] = NAN;
}

/* The means of a squashed Gaussian, (A), or where it samples with its noise (A); then tanh and the scaling. */
static void act_gaussian(const sac_policy* policy, const float* obs, const float* noise, float* action) {
  const int32_t size = outputs_of(policy);
  float *y, *log_std = policy->values;
  const float* x = evaluate_hidden(policy, 0, obs, &y);
  evaluate(head_of(policy, 0), x, y);
  if (noise) evaluate(&policy->log_std, x, log_std);

  /* squashed to [-1, 1], and scaled to the range of the action */
  for (int32_t i = 0; i < size; i++) {
    float unit = NAN;
    if (!noise) unit = sac_squash_mean(y[i]);
    else if (isfinite(noise[i]))
      unit = sac_squash(y[i], log_std[i], noise[i], policy->log_std_min, policy->log_std_max).action;
    action[i] = sac_action_scale(unit, policy->centre[i], policy->half[i]);
  }
}

/* The logits of a softmax policy, or the joined values of the critics: a number for each action. NULL: one is not
 * finite. */
static float* evaluate_actions(const sac_policy* policy, const float* obs) {
  const int32_t actions = outputs_of(policy);
  float *y = policy->y, *joined = policy->values;
  for (int32_t k = 0; k < policy->nets; k++) {
    const float* x = evaluate_hidden(policy, k, obs, &y);
    evaluate(head_of(policy, k), x, y);

    /* [sac.join] critic by critic: each is joined with those before it */
    for (int32_t a = 0; joined && a < actions; a++)
      joined[a] = k == 0 ? y[a] : sac_join_next(joined[a], y[a], policy->mean);
  }
  for (int32_t a = 0; joined && a < actions; a++) joined[a] = sac_join_end(joined[a], policy->nets, policy->mean);

  /* softmax: the outputs of the only network. Of numbers that are not finite none is the largest. */
  float* values = joined ? joined : y;
  for (int32_t a = 0; a < actions; a++)
    if (!isfinite(values[a])) return NULL;
  return values;
}

/* The number of a discrete action: the most probable, or with noise u one that is drawn. */
static float act_discrete(const sac_policy* policy, const float* obs, const float* u) {
  const int32_t actions = outputs_of(policy);
  const float scale = policy->kind == SAC_POLICY_BOLTZMANN ? 1 / policy->alpha : 1;
  float* values = evaluate_actions(policy, obs);
  if (!values || (u && !(*u >= 0 && *u <= 1))) return NAN;
  if (!u) return (float)sac_greedy(values, 1, actions);

  /* log-probabilities in place of the values */
  sac_log_softmax(values, 1, actions, scale, values);
  return (float)sac_categorical(values, 1, actions, *u);
}

void sac_policy_act(sac_policy* policy, const float* obs, float* action) {
  if (!policy || !action) return;
  if (!obs) give_none(policy, action);
  else if (policy->kind == SAC_POLICY_SQUASHED_GAUSSIAN) act_gaussian(policy, obs, NULL, action);
  else *action = act_discrete(policy, obs, NULL);
}

void sac_policy_sample(sac_policy* policy, const float* obs, const float* noise, float* action) {
  if (!policy || !action) return;
  if (!obs || !noise) give_none(policy, action);
  else if (policy->kind == SAC_POLICY_SQUASHED_GAUSSIAN) act_gaussian(policy, obs, noise, action);
  else *action = act_discrete(policy, obs, noise);
}

/* --- setting the weights ------------------------------------------------------------------------------------------ */

int sac_policy_is_in_place(const sac_policy* policy) { return !policy->layer[0].own_weight; }

int32_t sac_policy_layers(const sac_policy* policy, int32_t* nets, int32_t size[SAC_POLICY_LAYERS_MAX + 1]) {
  *nets = policy->nets;
  size[0] = policy->layer[0].in;
  for (int32_t l = 0; l < policy->layers; l++) size[l + 1] = policy->layer[l].out;
  return policy->layers;
}

void sac_policy_set_weights(sac_policy* policy, int32_t net, int32_t l, size_t first, size_t count,
                            const float* weights) {
  const policy_layer* layer = &policy->layer[(size_t)net * (size_t)policy->layers + (size_t)l];
  const size_t in = (size_t)layer->in, out = (size_t)layer->out;

  /* weight k of the tensor (out, in) is that of output k / in and input k % in */
  for (size_t k = first; k < first + count; k++) {
    const size_t o = k / in, i = k % in;
    if (o < out) layer->own_weight[i * out + o] = weights[k - first];
    else policy->log_std.own_weight[i * out + o - out] = weights[k - first];
  }
}

void sac_policy_set_biases(sac_policy* policy, int32_t net, int32_t l, const float* biases) {
  const policy_layer* layer = &policy->layer[(size_t)net * (size_t)policy->layers + (size_t)l];
  const size_t bytes = (size_t)layer->out * sizeof *biases;
  memcpy(layer->own_bias, biases, bytes);
  if (policy->kind == SAC_POLICY_SQUASHED_GAUSSIAN && l + 1 == policy->layers)
    memcpy(policy->log_std.own_bias, biases + layer->out, bytes);
}

void sac_policy_set_gaussian(sac_policy* policy, const float* centre, const float* half_range, float log_std_min,
                             float log_std_max) {
  const size_t bytes = (size_t)outputs_of(policy) * sizeof *centre;
  memcpy(policy->centre, centre, bytes);
  memcpy(policy->half, half_range, bytes);
  policy->log_std_min = log_std_min;
  policy->log_std_max = log_std_max;
}

int sac_policy_set_boltzmann(sac_policy* policy, int mean, float log_alpha) {
  const float alpha = sac_alpha(log_alpha);
  if (!isfinite(alpha) || !isfinite(1 / alpha)) return 0;
  if (policy) policy->mean = mean;
  if (policy) policy->alpha = alpha;
  return 1;
}
