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

/* The size of an input or output of a network. */
static int32_t width_of(const sac_shape* shape, sac_width width) {
  switch (width) {
    case SAC_OBS:
      return shape->obs;
    case SAC_OBS_ACTION:
      return shape->obs + shape->action;
    case SAC_VALUE_OF_ONE:
      return 1;
    case SAC_MEAN_AND_LOG_STD:
      return 2 * shape->action;
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
  tensor->rank = rank;
  tensor->dims[0] = rank > 0 ? rows : 0;
  tensor->dims[1] = rank > 1 ? columns : 0;
  tensor->count = (rank > 0 ? (size_t)rows : 1) * (rank > 1 ? (size_t)columns : 1);
  tensor->offset = t->floats[slab];
  t->floats[slab] += (tensor->count + ALIGN_FLOATS - 1) / ALIGN_FLOATS * ALIGN_FLOATS;
  return tensor->offset;
}

/* The tensors of a layer. */
static void add_tensors(sac_tensors* t, sac_slab slab, sac_layer* layer, const char* net, const char* label) {
  const sac_layer_type* type = &sac_layer_types[layer->kind];
  for (int32_t i = 0; i < type->tensors; i++) {
    char full[SAC_TENSOR_NAME_MAX];
    (void)snprintf(full, sizeof full, "%s.%s.%s", net, label, type->tensor[i].name);
    layer->tensor[i] = add(t, full, slab, type->tensor[i].rank, layer->out, layer->in);
  }
}

/* One network: its layers, their tensors, and the linear ones by number. */
static void add_net(sac_tensors* t, sac_net* net, const char* name, const sac_network* network,
                    const sac_shape* shape) {
  sac_layer_spec spec[SAC_NET_LAYERS_MAX];
  int32_t width = width_of(shape, network->in);
  net->slab = sac_group_is_target(network->group) ? SAC_SLAB_TARGET : SAC_SLAB_TRAINED;
  net->size[0] = width;
  net->count =
      sac_network_kind_at(shape->network_kind)(shape->hidden, shape->layers, width_of(shape, network->out), spec);
  for (int32_t i = 0; i < net->count; i++) {
    sac_layer* layer = &net->layer[i];
    *layer = (sac_layer){.kind = spec[i].kind, .in = width, .out = spec[i].out > 0 ? spec[i].out : width};
    width = layer->out;
    layer->buffer = sac_layer_types[layer->kind].in_place ? net->buffers - 1 : net->buffers++;
    net->width[layer->buffer] = width;
    add_tensors(t, net->slab, layer, name, spec[i].label);
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

  /* Tensors of the layers, as many as there can be, and log_alpha. */
  tensors->tensor =
      calloc((size_t)nets * SAC_LAYER_TENSORS_MAX * (size_t)(3 * shape->layers + 1) + 1, sizeof *tensors->tensor);
  if (!tensors->tensor) return sac_fail(SAC_ERROR_MEMORY, "no memory for the list of tensors");
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
