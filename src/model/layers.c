#include "model/layers.h"

#include <stdio.h>

#include "config/field.h"
#include "kernels/layers.h"
#include "kernels/random.h"

/* --- kinds of layers ---------------------------------------------------------------------------------------------- */

/* [linear.init] The same distribution for weights and biases: its bound depends on the number of inputs. */
static void fill_linear(const sac_layer* layer, int32_t tensor, uint64_t seed, size_t place, size_t count, float* x) {
  (void)tensor;
  sac_fill_uniform(seed, SAC_STREAM_INIT, place / SAC_UNIFORMS_PER_BLOCK, count, sac_linear_bound(layer->in), x);
}

const sac_layer_type sac_layer_types[SAC_LAYER_KIND_COUNT] = {
    [SAC_LINEAR] = {"linear", 0, 2, {{"weight", 2}, {"bias", 1}}, fill_linear},
    [SAC_RELU] = {.name = "relu", .in_place = 1},
};

/* --- kinds of networks -------------------------------------------------------------------------------------------- */

/* mlp: linear hidden layers, each followed by ReLU, and a linear head. */
static int32_t list_mlp(const int32_t* hidden, int32_t count, int32_t out, sac_layer_spec spec[SAC_NET_LAYERS_MAX]) {
  int32_t layers = 0;
  for (int32_t l = 0; l < count; l++) {
    sac_layer_spec* linear = &spec[layers++];
    *linear = (sac_layer_spec){.kind = SAC_LINEAR, .out = hidden[l]};

    /* the label is part of tensor names in files: "actor.layers.0.weight" */
    (void)snprintf(linear->label, sizeof linear->label, "layers.%d", (int)l);
    spec[layers++] = (sac_layer_spec){.kind = SAC_RELU};
  }

  /* the head has no ReLU */
  spec[layers++] = (sac_layer_spec){.kind = SAC_LINEAR, .out = out, .label = "head"};
  return layers;
}

static sac_network_list* const kinds[] = {
#define KIND(name) list_##name,
    SAC_NETWORK_KINDS(KIND)};

/* The names that key network.kind takes (config/field.h). */
const char* const sac_network_kind_names[] = {
#define NAME(name) #name,
    SAC_NETWORK_KINDS(NAME) NULL};

sac_network_list* sac_network_kind_at(int kind) { return kinds[kind]; }

int sac_network_is_mlp(int kind, const int32_t* hidden, int32_t count) {
  sac_layer_spec spec[SAC_NET_LAYERS_MAX];
  const int32_t layers = kinds[kind](hidden, count, 1, spec); /* the width of the head does not matter here */

  /* linear layers at even places, ReLU at odd ones */
  for (int32_t i = 0; i < layers; i++)
    if (spec[i].kind != (i % 2 ? SAC_RELU : SAC_LINEAR)) return 0;
  return layers % 2 == 1;
}
