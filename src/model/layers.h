/* Layers, and networks as lists of them. A kind of layer is a row of a table here (name, tensors, initial values) and a
 * row of each backend's table (forward, backward, gradients: cpu/layers.c, cuda/layers.c). */
#ifndef SAC_MODEL_LAYERS_H
#define SAC_MODEL_LAYERS_H

#include <stddef.h>
#include <stdint.h>

#include "config/settings.h"

/* The kinds: X(ID). */
#define SAC_LAYER_KINDS(X) X(LINEAR) X(RELU)

typedef enum sac_layer_kind {
#define SAC_LAYER_ENUM(id) SAC_##id,
  SAC_LAYER_KINDS(SAC_LAYER_ENUM)
#undef SAC_LAYER_ENUM
      SAC_LAYER_KIND_COUNT
} sac_layer_kind;

#define SAC_LAYER_TENSORS_MAX 2
#define SAC_NET_LAYERS_MAX (3 * SAC_LAYERS_MAX + 1)

/* A layer of a network: `in` numbers a row become `out`. */
typedef struct sac_layer {
  sac_layer_kind kind;
  int32_t in, out;
  int32_t buffer;                       /* of its output: its input's where it works in place */
  size_t tensor[SAC_LAYER_TENSORS_MAX]; /* offsets in floats within an agent's slab */
} sac_layer;

typedef struct sac_layer_type {
  const char* name;
  int in_place;    /* 1: its output takes its input's place */
  int32_t tensors; /* trained ones */
  struct {
    const char* name; /* "weight" */
    int32_t rank;     /* 2: (out, in); 1: (out) */
  } tensor[SAC_LAYER_TENSORS_MAX];

  /* Initial values of a tensor (count) from a stream of the agent's seed, each element from its own word at `place` of
   * it. NULL: the kind has no tensors. */
  void (*fill)(const sac_layer* layer, int32_t tensor, uint64_t seed, size_t place, size_t count, float* x);
} sac_layer_type;

extern const sac_layer_type sac_layer_types[SAC_LAYER_KIND_COUNT];

/* A layer before its sizes are known. label: of its tensors' names, as in "actor.LABEL.weight". */
typedef struct sac_layer_spec {
  sac_layer_kind kind;
  int32_t out; /* 0: as many as its input */
  char label[32];
} sac_layer_spec;

/* The kinds of networks (network.kind): X(name), each a function that lists its layers for hidden widths (count) and an
 * output; returns how many. The first is the default. */
#define SAC_NETWORK_KINDS(X) X(mlp)

typedef int32_t sac_network_list(const int32_t* hidden, int32_t count, int32_t out,
                                 sac_layer_spec spec[SAC_NET_LAYERS_MAX]);

/* The function with that place in the list (key network.kind as a number). */
sac_network_list* sac_network_kind_at(int kind);

#endif
