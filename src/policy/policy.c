/* libsac_policy evaluates a trained actor. include/sac/policy.h is the interface, src/agent/export.h describes the
 * file. */
#include <sac/policy.h>

#include <math.h>
#include <string.h>

#include "kernels/layers.h"
#include "kernels/squash.h"
#include "policy/checksum.h"
#include "policy/header.h"
#include "policy/policy.h"

#define WIDTH_MAX 65536 /* of O, A and a hidden layer */
#define ALIGNMENT 16    /* bytes */

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "the file is little-endian; its numbers are used unchanged");
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
  int32_t layers; /* with the head */
  policy_layer layer[SAC_POLICY_LAYERS_MAX];
  float* centre; /* (A) */
  float* half;   /* (A) half_range */
  float* x;      /* (widest layer) activations: layers read x and write y, or read y and write x, in turn */
  float* y;
};

/* --- the file ----------------------------------------------------------------------------------------------------- */

/* Each tensor that a policy file may hold has a slot: weight and bias of 16 hidden layers, of the head, and the scaling
 * of the action. HEAD is the layer number of the head, also when there are fewer hidden layers. */
enum {
  HEAD = SAC_POLICY_LAYERS_MAX - 1,
  CENTRE = 2 * SAC_POLICY_LAYERS_MAX,
  HALF_RANGE = CENTRE + 1,
  SLOTS = CENTRE + 2
};
#define WEIGHT(layer) (2 * (layer))
#define BIAS(layer) (2 * (layer) + 1)

typedef struct policy_tensor {
  int present;
  int32_t rank;
  int64_t dims[2];
  uint64_t begin, end; /* offsets in the data */
} policy_tensor;

typedef struct policy_file {
  const unsigned char* data;
  uint64_t data_size;
  sac_checksum_entries checksum;
  policy_tensor slot[SLOTS];
  int32_t layers; /* with the head */
  int32_t size[SAC_POLICY_LAYERS_MAX + 1];
} policy_file;

/* The slot of "actor.layers.N.weight" or "actor.layers.N.bias", N without leading zeros; -1 for any other name. */
static int32_t layer_slot(const sac_header_text* name) {
  static const char prefix[] = "actor.layers.";
  const size_t start = sizeof prefix - 1;
  if (name->escaped || name->size <= start || memcmp(name->at, prefix, start) != 0) return -1;

  /* Read N. It counts hidden layers from 0, so it is less than HEAD. */
  int32_t number = 0;
  size_t i = start;
  for (; i < name->size && name->at[i] >= '0' && name->at[i] <= '9'; i++) {
    if (i > start && number == 0) return -1;
    number = number * 10 + (name->at[i] - '0');
    if (number >= HEAD) return -1;
  }

  /* the rest of the name must be one of the two endings */
  const sac_header_text rest = {name->at + i, name->size - i, 0};
  if (i == start) return -1;
  return sac_header_is(&rest, ".weight") ? WEIGHT(number) : sac_header_is(&rest, ".bias") ? BIAS(number) : -1;
}

/* The slot of the tensor with this name; -1 when a policy has no such tensor. */
static int32_t find_slot(const sac_header_text* name) {
  if (sac_header_is(name, "actor.head.weight")) return WEIGHT(HEAD);
  if (sac_header_is(name, "actor.head.bias")) return BIAS(HEAD);
  if (sac_header_is(name, "action.centre")) return CENTRE;
  if (sac_header_is(name, "action.half_range")) return HALF_RANGE;
  return layer_slot(name);
}

/* Fills the slots from the header of the file; 0 when the file is damaged or holds no policy. */
static int read_header(policy_file* file, const void* bytes, size_t size) {
  uint64_t json;
  sac_header header;
  sac_header_entry entry;
  sac_header_kind kind;
  int format_right = 0;
  memset(file, 0, sizeof *file);

  /* the layout: 8 bytes with the size of the header, the header, the data */
  if (!bytes || sac_header_size(bytes, size, &json) != NULL) return 0;
  file->data = (const unsigned char*)bytes + 8 + json;
  file->data_size = size - 8 - json;

  /* The metadata must name the format. Other pairs of metadata are ignored. */
  sac_header_begin(&header, (const char*)bytes + 8, (size_t)json, file->data_size);
  while ((kind = sac_header_next(&header, &entry)) > SAC_HEADER_END) {
    if (kind == SAC_HEADER_METADATA) {
      if (sac_header_is(&entry.name, "format")) format_right = sac_header_is(&entry.value, SAC_POLICY_FORMAT_NAME);
      sac_checksum_take(&file->checksum, &entry);
      continue;
    }

    /* Put each tensor into its slot. A tensor that is unknown, repeated or not F32 is an error. */
    const int32_t slot = find_slot(&entry.name);
    if (slot < 0 || file->slot[slot].present || !sac_header_is(&entry.dtype, "F32") || entry.rank > 2) return 0;
    file->slot[slot] = (policy_tensor){1, entry.rank, {entry.dims[0], entry.dims[1]}, entry.begin, entry.end};
  }
  return kind == SAC_HEADER_END && format_right;
}

/* Whether every byte of the data belongs to exactly one tensor: no two tensors overlap, and their sizes add up to the
 * size of the data. */
static int data_covered(const policy_file* file) {
  uint64_t sum = 0;
  for (int32_t i = 0; i < SLOTS; i++) {
    const policy_tensor* a = &file->slot[i];
    if (!a->present) continue;
    sum += a->end - a->begin;

    /* there are few tensors, so compare each pair */
    for (int32_t j = 0; j < i; j++) {
      const policy_tensor* b = &file->slot[j];
      if (b->present && a->begin < b->end && b->begin < a->end) return 0;
    }
  }
  return sum == file->data_size;
}

static int has_shape(const policy_tensor* tensor, int32_t rank, int64_t rows, int64_t columns) {
  return tensor->present && tensor->rank == rank && tensor->dims[0] == rows && (rank < 2 || tensor->dims[1] == columns);
}

/* Takes the sizes of the layers from the shapes of their tensors; 0 when the shapes do not fit together. */
static int read_shapes(policy_file* file) {
  /* Count the hidden layers. Their numbers must have no gap. */
  int32_t hidden = 0;
  while (hidden < HEAD && file->slot[WEIGHT(hidden)].present) hidden++;
  for (int32_t l = hidden; l < HEAD; l++)
    if (file->slot[WEIGHT(l)].present || file->slot[BIAS(l)].present) return 0;
  file->layers = hidden + 1;

  /* check each layer: a weight (out, in) and a bias (out), of sizes within the limits */
  for (int32_t l = 0; l < file->layers; l++) {
    const int32_t number = l < hidden ? l : HEAD;
    const policy_tensor* weight = &file->slot[WEIGHT(number)];
    if (!weight->present || weight->rank != 2) return 0;
    const int64_t out = weight->dims[0], in = weight->dims[1];
    if (in < 1 || in > WIDTH_MAX || out < 1 || out > 2 * WIDTH_MAX || !has_shape(&file->slot[BIAS(number)], 1, out, 0))
      return 0;

    /* The inputs of a layer are the outputs of the layer before it. The first layer sets O. */
    if (l == 0) file->size[0] = (int32_t)in;
    if (in != file->size[l]) return 0;

    /* the outputs of the head are A means, then A log_stds, which a policy does not use */
    if (l == hidden && out % 2 != 0) return 0;
    file->size[l + 1] = (int32_t)(l == hidden ? out / 2 : out);
    if (file->size[l + 1] > WIDTH_MAX) return 0;
  }

  /* the scaling of the action: two vectors (A) */
  const int32_t action = file->size[file->layers];
  return has_shape(&file->slot[CENTRE], 1, action, 0) && has_shape(&file->slot[HALF_RANGE], 1, action, 0);
}

/* Reads and checks everything except the values of the weights. */
static int read_file(policy_file* file, const void* bytes, size_t size) {
  return read_header(file, bytes, size) && read_shapes(file) && data_covered(file);
}

/* Whether the bytes of the file fit its checksum, if it has one. */
static int is_intact(const policy_file* file, const void* bytes, size_t size) {
  char digits[SAC_CHECKSUM_DIGITS + 1];
  return sac_checksum_fits(bytes, size, &file->checksum, sac_crc32c_small, digits);
}

/* The float at byte `offset` of the data. The file may begin at any address, so a float may be unaligned. */
static float float_at(const policy_file* file, uint64_t offset) {
  float x;
  memcpy(&x, file->data + offset, sizeof x);
  return x;
}

/* Whether all values of the file are finite, and the bounds of the action too. */
static int all_finite(const policy_file* file) {
  /* all tensors are F32, so the data is one array of floats */
  for (uint64_t i = 0; i + sizeof(float) <= file->data_size; i += sizeof(float))
    if (!isfinite(float_at(file, i))) return 0;

  /* the bounds: centre plus and minus half range */
  for (uint64_t i = 0; i < (uint64_t)file->size[file->layers] * sizeof(float); i += sizeof(float)) {
    const float centre = float_at(file, file->slot[CENTRE].begin + i);
    const float half = float_at(file, file->slot[HALF_RANGE].begin + i);
    if (!isfinite(centre - half) || !isfinite(centre + half)) return 0;
  }
  return 1;
}

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

/* Places the policy and its arrays in memory, without their values. in_place: 1 leaves the weights and biases in the
 * file. Returns NULL when bytes are only counted. The same code counts and places, so both agree. */
static sac_policy* lay_out(const policy_file* file, int in_place, arena* memory) {
  /* when bytes are only counted, the members go to a policy on the stack */
  sac_policy counted, *policy = take(memory, sizeof *policy);
  sac_policy* p = policy ? policy : &counted;
  memset(p, 0, sizeof *p);

  /* weights and biases of the layers */
  p->layers = file->layers;
  for (int32_t l = 0; l < file->layers; l++) {
    policy_layer* layer = &p->layer[l];
    layer->in = file->size[l];
    layer->out = file->size[l + 1];
    if (in_place) continue;
    layer->weight = layer->own_weight = take_floats(memory, (size_t)layer->in * (size_t)layer->out);
    layer->bias = layer->own_bias = take_floats(memory, (size_t)layer->out);
  }

  /* scaling of the action */
  p->centre = take_floats(memory, (size_t)file->size[file->layers]);
  p->half = take_floats(memory, (size_t)file->size[file->layers]);

  /* activations: two vectors, as wide as the widest layer */
  int32_t widest = 0;
  for (int32_t l = 0; l <= file->layers; l++)
    if (file->size[l] > widest) widest = file->size[l];
  p->x = take_floats(memory, (size_t)widest);
  p->y = take_floats(memory, (size_t)widest);
  return policy;
}

/* Bytes that lay_out takes; 0: no policy file. */
static size_t count_bytes(const void* bytes, size_t size, int in_place) {
  policy_file file;
  arena memory = {NULL, 0};
  if (!read_file(&file, bytes, size)) return 0;
  (void)lay_out(&file, in_place, &memory);
  return memory.used;
}

size_t sac_policy_memory(const void* bytes, size_t size) { return count_bytes(bytes, size, 0); }
size_t sac_policy_memory_in_place(const void* bytes, size_t size) { return count_bytes(bytes, size, 1); }

/* Takes the weight and bias of a layer from the file. number: of the layer there. */
static void fill_layer(policy_layer* layer, const policy_file* file, int32_t number) {
  const unsigned char* weight = file->data + file->slot[WEIGHT(number)].begin;
  const unsigned char* bias = file->data + file->slot[BIAS(number)].begin;

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

static sac_policy_status create(sac_policy** out, const void* bytes, size_t size, void* memory, size_t memory_bytes,
                                int in_place) {
  policy_file file;
  arena counted = {NULL, 0}, given = {memory, 0};
  if (!out) return SAC_POLICY_ARGUMENT;
  *out = NULL;

  /* Check the file and the memory. `memory` is written only after all checks have passed. */
  if (!read_file(&file, bytes, size)) return SAC_POLICY_FORMAT;
  (void)lay_out(&file, in_place, &counted);
  if (!memory || (uintptr_t)memory % ALIGNMENT != 0 || memory_bytes < counted.used) return SAC_POLICY_MEMORY;
  if (in_place && (uintptr_t)file.data % sizeof(float) != 0) return SAC_POLICY_UNALIGNED;
  if (!is_intact(&file, bytes, size)) return SAC_POLICY_DAMAGED;
  if (!all_finite(&file)) return SAC_POLICY_NUMERIC;

  /* take the layers */
  sac_policy* policy = lay_out(&file, in_place, &given);
  for (int32_t l = 0; l < policy->layers; l++) fill_layer(&policy->layer[l], &file, l + 1 < policy->layers ? l : HEAD);

  /* copy the scaling of the action */
  const size_t action_bytes = (size_t)file.size[file.layers] * sizeof(float);
  memcpy(policy->centre, file.data + file.slot[CENTRE].begin, action_bytes);
  memcpy(policy->half, file.data + file.slot[HALF_RANGE].begin, action_bytes);
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

void sac_policy_sizes(const sac_policy* policy, int32_t* obs, int32_t* action) {
  if (obs) *obs = policy ? policy->layer[0].in : 0;
  if (action) *action = policy ? policy->layer[policy->layers - 1].out : 0;
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

void sac_policy_act(sac_policy* policy, const float* obs, float* action) {
  if (!policy || !action) return;
  const float* x = obs;
  float *y = policy->y, *other = policy->x;
  const int32_t head = policy->layers - 1, size = policy->layer[head].out;

  /* nothing was observed, so no action is known: NaN, which a program checks for */
  for (int32_t i = 0; !obs && i < size; i++) action[i] = NAN;
  if (!obs) return;

  /* hidden layers: a product and ReLU */
  for (int32_t l = 0; l < head; l++) {
    evaluate(&policy->layer[l], x, y);
    for (int32_t o = 0; o < policy->layer[l].out; o++) y[o] = sac_relu(y[o]);

    /* The output is the next input. The first layer read `obs`, which is never written. */
    x = y;
    y = other;
    other = y == policy->x ? policy->y : policy->x;
  }

  /* the means of the head, squashed to [-1, 1] and scaled to the range of the action */
  evaluate(&policy->layer[head], x, y);
  for (int32_t i = 0; i < size; i++)
    action[i] = sac_action_scale(sac_squash_mean(y[i]), policy->centre[i], policy->half[i]);
}

/* --- setting the weights ------------------------------------------------------------------------------------------ */

int sac_policy_is_in_place(const sac_policy* policy) { return !policy->layer[0].own_weight; }

int32_t sac_policy_layers(const sac_policy* policy, int32_t size[SAC_POLICY_LAYERS_MAX + 1]) {
  size[0] = policy->layer[0].in;
  for (int32_t l = 0; l < policy->layers; l++) size[l + 1] = policy->layer[l].out;
  return policy->layers;
}

void sac_policy_set_weights(sac_policy* policy, int32_t l, size_t first, size_t count, const float* weights) {
  const policy_layer* layer = &policy->layer[l];
  const size_t in = (size_t)layer->in, out = (size_t)layer->out;

  /* weight k of the tensor (out, in) is that of output k / in and input k % in */
  for (size_t k = first; k < first + count && k < in * out; k++)
    layer->own_weight[(k % in) * out + k / in] = weights[k - first];
}

void sac_policy_set_biases(sac_policy* policy, int32_t layer, const float* biases) {
  memcpy(policy->layer[layer].own_bias, biases, (size_t)policy->layer[layer].out * sizeof *biases);
}

void sac_policy_set_scaling(sac_policy* policy, const float* centre, const float* half_range) {
  const size_t bytes = (size_t)policy->layer[policy->layers - 1].out * sizeof *centre;
  memcpy(policy->centre, centre, bytes);
  memcpy(policy->half, half_range, bytes);
}
