#include "model/tensors.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "util/error.h"

#define ALIGN_FLOATS 16 /* 64 bytes */

/* One row of the list: `count` networks of the same shape, NAME or NAME.0, NAME.1, ... */
typedef struct net_row {
  sac_net* net;
  const char* name;
  int numbered;
  int32_t count;
  sac_slab slab;
  int32_t in, out;
} net_row;

enum { NET_ROWS = 5 };

/* The list. An algorithm's networks are the rows with a count above 0; everything below follows from it. */
static void list_nets(net_row row[NET_ROWS], sac_tensors* t, const sac_shape* shape, sac_algo algo) {
  const int32_t obs = shape->obs, action = shape->action, k = shape->critics;
  const int32_t twin = algo == SAC_ALGO_SAC, value = algo == SAC_ALGO_SAC_V;
  int i = 0;
  row[i++] = (net_row){&t->actor, "actor", 0, 1, SAC_SLAB_TRAINED, obs, 2 * action};
  row[i++] = (net_row){t->critic, "critic", 1, k, SAC_SLAB_TRAINED, obs + action, 1};
  row[i++] = (net_row){&t->value, "value", 0, value, SAC_SLAB_TRAINED, obs, 1};
  row[i++] = (net_row){t->critic_target, "critic_target", 1, twin ? k : 0, SAC_SLAB_TARGET, obs + action, 1};
  row[i++] = (net_row){&t->value_target, "value_target", 0, value, SAC_SLAB_TARGET, obs, 1};
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

static void add_net(sac_tensors* t, sac_net* net, const char* name, const net_row* row, const sac_shape* shape) {
  net->slab = row->slab;
  net->layers = shape->layers + 1;
  net->size[0] = row->in;
  for (int32_t l = 0; l < shape->layers; l++) net->size[l + 1] = shape->hidden[l];
  net->size[net->layers] = row->out;
  for (int32_t l = 0; l < net->layers; l++) {
    char layer[32] = "head", full[SAC_TENSOR_NAME_MAX];
    if (l < shape->layers) (void)snprintf(layer, sizeof layer, "layers.%d", (int)l);
    (void)snprintf(full, sizeof full, "%s.%s.weight", name, layer);
    net->weight[l] = add(t, full, row->slab, 2, net->size[l + 1], net->size[l]);
    (void)snprintf(full, sizeof full, "%s.%s.bias", name, layer);
    net->bias[l] = add(t, full, row->slab, 1, net->size[l + 1], 0);
  }
}

sac_status sac_tensors_create(sac_tensors* tensors, const sac_shape* shape, sac_algo algo) {
  memset(tensors, 0, sizeof *tensors);
  net_row row[NET_ROWS];
  list_nets(row, tensors, shape, algo);
  int32_t nets = 0;
  for (int i = 0; i < NET_ROWS; i++) nets += row[i].count;
  tensors->tensor = calloc((size_t)nets * 2 * (size_t)(shape->layers + 1) + 1, sizeof *tensors->tensor);
  if (!tensors->tensor) return sac_fail(SAC_ERROR_MEMORY, "no memory for the list of tensors");
  for (int i = 0; i < NET_ROWS; i++) {
    for (int32_t n = 0; n < row[i].count; n++) {
      char name[32];
      if (row[i].numbered) (void)snprintf(name, sizeof name, "%s.%d", row[i].name, (int)n);
      else (void)snprintf(name, sizeof name, "%s", row[i].name);
      add_net(tensors, &row[i].net[n], name, &row[i], shape);
    }
  }
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
