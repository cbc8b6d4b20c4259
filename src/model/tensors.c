#include "model/tensors.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "util/error.h"

#define ALIGN_FLOATS 16 /* 64 bytes */

const char* const sac_group_names[SAC_GROUP_COUNT] = {
    [SAC_ACTOR] = "actor",
    [SAC_CRITIC] = "critic",
    [SAC_VALUE] = "value",
    [SAC_CRITIC_TARGET] = "critic_target",
    [SAC_VALUE_TARGET] = "value_target",
};

int32_t sac_width_of(const sac_shape* shape, sac_width width) {
  switch (width) {
    case SAC_OBS:
      return shape->obs;
    case SAC_OBS_ACTION:
      return shape->obs + shape->action;
    case SAC_VALUE_OF_ONE:
      return 1;
    case SAC_MEAN_AND_LOG_STD:
      return 2 * shape->action;
    case SAC_VALUE_OF_EACH:
    case SAC_LOGITS:
      return shape->actions;
  }
  return 0;
}

/* The number of networks in a group. */
static int32_t number_of(const sac_shape* shape, const sac_network* network) {
  return network->number == SAC_EACH_CRITIC ? shape->critics : 1;
}

/* Appends a tensor at the end of its slab and returns its offset. */
static size_t add(sac_tensors* t, const char* name, sac_slab slab, int32_t rank, int32_t rows, int32_t columns) {
  sac_tensor* tensor = &t->tensor[t->count++];
  memset(tensor, 0, sizeof *tensor);
  (void)snprintf(tensor->name, sizeof tensor->name, "%s", name);
  tensor->slab = slab;

  /* a scalar has rank 0 and one element */
  tensor->rank = rank;
  tensor->dims[0] = rank > 0 ? rows : 0;
  tensor->dims[1] = rank > 1 ? columns : 0;
  tensor->count = (rank > 0 ? (size_t)rows : 1) * (rank > 1 ? (size_t)columns : 1);

  /* pad it, so that the next tensor starts on a 64-byte boundary; the slab's gaps stay zero */
  tensor->offset = t->floats[slab];
  t->floats[slab] += (tensor->count + ALIGN_FLOATS - 1) / ALIGN_FLOATS * ALIGN_FLOATS;
  return tensor->offset;
}

/* Adds the tensors of a layer, with names NET.LABEL.TENSOR. */
static void add_tensors(sac_tensors* t, sac_slab slab, sac_layer* layer, const char* net, const char* label) {
  const sac_layer_type* type = &sac_layer_types[layer->kind];
  for (int32_t i = 0; i < type->tensors; i++) {
    char full[SAC_TENSOR_NAME_MAX];
    (void)snprintf(full, sizeof full, "%s.%s.%s", net, label, type->tensor[i].name);
    layer->tensor[i] = add(t, full, slab, type->tensor[i].rank, layer->out, layer->in);
  }
}

/* Fills in one network: its layers with their sizes and buffers, their tensors, and the linear layers by number. */
static void add_net(sac_tensors* t, sac_net* net, const char* name, const sac_network* network,
                    const sac_shape* shape) {
  sac_layer_spec spec[SAC_NET_LAYERS_MAX];

  /* the kind of the network lists its layers */
  int32_t width = sac_width_of(shape, network->in);
  net->slab = sac_group_is_target(network->group) ? SAC_SLAB_TARGET : SAC_SLAB_TRAINED;
  net->size[0] = width;
  net->count =
      sac_network_kind_at(shape->network_kind)(shape->hidden, shape->layers, sac_width_of(shape, network->out), spec);

  /* connect the layers: the output of one is the input of the next */
  for (int32_t i = 0; i < net->count; i++) {
    sac_layer* layer = &net->layer[i];
    *layer = (sac_layer){.kind = spec[i].kind, .in = width, .out = spec[i].out > 0 ? spec[i].out : width};
    width = layer->out;

    /* a layer in place keeps the buffer of its input; any other gets a new one */
    layer->buffer = sac_layer_types[layer->kind].in_place ? net->buffers - 1 : net->buffers++;
    net->width[layer->buffer] = width;
    add_tensors(t, net->slab, layer, name, spec[i].label);

    /* linear layers also have numbers of their own, 0 .. L */
    if (layer->kind != SAC_LINEAR) continue;
    net->weight[net->layers] = layer->tensor[0];
    net->bias[net->layers] = layer->tensor[1];
    net->size[++net->layers] = layer->out;
  }
}

/* Adds all networks of a group, with names NAME, or NAME.0, NAME.1, ... */
static void add_group(sac_tensors* t, const sac_network* network, const sac_shape* shape) {
  const sac_group group = network->group;
  t->nets[group] = number_of(shape, network);
  t->target_of[group] = network->target_of;

  /* only groups of K networks have numbers in their names, also if K is 1 */
  for (int32_t n = 0; n < t->nets[group]; n++) {
    char name[32];
    if (network->number == SAC_EACH_CRITIC) (void)snprintf(name, sizeof name, "%s.%d", sac_group_names[group], (int)n);
    else (void)snprintf(name, sizeof name, "%s", sac_group_names[group]);
    add_net(t, &t->net[group][n], name, network, shape);
  }
}

sac_status sac_tensors_create(sac_tensors* tensors, const sac_shape* shape, const sac_network* networks,
                              int32_t count) {
  memset(tensors, 0, sizeof *tensors);
  int32_t nets = 0;
  for (int32_t i = 0; i < count; i++) nets += number_of(shape, &networks[i]);

  /* allocate the list: the most tensors that the layers can have, and log_alpha; a network has at most three layers for
   * each hidden width, and its output layer (SAC_NET_LAYERS_MAX) */
  tensors->tensor =
      calloc((size_t)nets * SAC_LAYER_TENSORS_MAX * (size_t)(3 * shape->layers + 1) + 1, sizeof *tensors->tensor);
  if (!tensors->tensor) return sac_fail(SAC_ERROR_MEMORY, "no memory for the list of tensors");

  /* lay out the groups in the order of the list; log_alpha is the last trained tensor */
  for (int32_t i = 0; i < count; i++) add_group(tensors, &networks[i], shape);
  tensors->log_alpha = add(tensors, "log_alpha", SAC_SLAB_TRAINED, 0, 0, 0);
  return SAC_OK;
}

void sac_tensors_free(sac_tensors* tensors) {
  free(tensors->tensor);
  tensors->tensor = NULL;
  tensors->count = 0;
}

const sac_tensor* sac_tensors_find(const sac_tensors* tensors, const char* name) {
  for (int32_t i = 0; i < tensors->count; i++)
    if (strcmp(tensors->tensor[i].name, name) == 0) return &tensors->tensor[i];
  return NULL;
}
