/* Layers, and networks as lists of them. A kind of layer is a row of a table here (name, tensors, initial values) and a
 * row of each backend's table (forward, backward, gradients: cpu/layers.c, cuda/layers.c). */
#ifndef SAC_MODEL_LAYERS_H
#define SAC_MODEL_LAYERS_H

#include <stddef.h>
#include <stdint.h>

#include "config/settings.h"

/* The kinds of layers: X(ID). */
#define SAC_LAYER_KINDS(X) X(LINEAR) X(RELU)

typedef enum sac_layer_kind {
#define SAC_LAYER_ENUM(id) SAC_##id,
  SAC_LAYER_KINDS(SAC_LAYER_ENUM)
#undef SAC_LAYER_ENUM
      SAC_LAYER_KIND_COUNT
} sac_layer_kind;

#define SAC_LAYER_TENSORS_MAX 2
#define SAC_NET_LAYERS_MAX (3 * SAC_LAYERS_MAX + 1) /* three for each hidden width, and the output layer */

/* A layer of a network: it has `in` inputs and `out` outputs for each row. */
typedef struct sac_layer {
  sac_layer_kind kind;
  int32_t in, out;
  int32_t buffer;                       /* number of its output's buffer; a layer in place has its input's */
  size_t tensor[SAC_LAYER_TENSORS_MAX]; /* offsets in floats within an agent's slab */
} sac_layer;

typedef struct sac_layer_type {
  const char* name;
  int in_place;    /* 1: its output overwrites its input */
  int32_t tensors; /* number of its trained tensors */
  struct {
    const char* name; /* "weight" */
    int32_t rank;     /* 2: (out, in); 1: (out) */
  } tensor[SAC_LAYER_TENSORS_MAX];

  /* Writes the initial values x (count) of a tensor. They are drawn from stream INIT of the agent's seed. place: the
   * tensor's offset in the slab, which is also its position in the stream; a multiple of 4. NULL: the kind has no
   * tensors. */
  void (*fill)(const sac_layer* layer, int32_t tensor, uint64_t seed, size_t place, size_t count, float* x);
} sac_layer_type;

extern const sac_layer_type sac_layer_types[SAC_LAYER_KIND_COUNT];

/* A layer before its input size is known. label: part of its tensors' names, as in "actor.LABEL.weight". */
typedef struct sac_layer_spec {
  sac_layer_kind kind;
  int32_t out; /* 0: as many as its input */
  char label[32];
} sac_layer_spec;

/* The kinds of networks (network.kind): X(name). The first is the default. Each has a function list_NAME, which writes
 * the layers for the hidden widths (count) and `out` outputs to `spec`, and returns their number. */
#define SAC_NETWORK_KINDS(X) X(mlp)

typedef int32_t sac_network_list(const int32_t* hidden, int32_t count, int32_t out,
                                 sac_layer_spec spec[SAC_NET_LAYERS_MAX]);

/* The function of a kind, by its index in the list (the value of key network.kind). */
sac_network_list* sac_network_kind_at(int kind);

/* Whether the layers of a kind for these hidden widths (count) are linear, ReLU, linear, ..., linear. The exported
 * policy and acting on CUDA evaluate no others. */
int sac_network_is_mlp(int kind, const int32_t* hidden, int32_t count);

#endif
