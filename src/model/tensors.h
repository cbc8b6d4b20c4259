/* The list of tensors. It determines the size and layout of every slab, and the names of tensors in files.
 *
 * A slab is one allocation with the tensors of P agents, one agent after the other. Trained tensors have the same
 * offset in four slabs (weights, grad, adam_m, adam_v). Targets have a slab of their own. Tensors are dense and
 * row-major as in PyTorch, weights (out, in). Each tensor and each agent's part start on a 64-byte boundary. Gaps are
 * zero. */
#ifndef SAC_MODEL_TENSORS_H
#define SAC_MODEL_TENSORS_H

#include <stddef.h>
#include <stdint.h>

#include "model/layers.h"

#include <sac/env.h>

/* The sizes of agents, by the dimension letters of src/README.md. */
typedef struct sac_shape {
  int32_t population;             /* P */
  int32_t num_envs;               /* N, of each agent */
  int32_t batch;                  /* B */
  int32_t obs;                    /* O */
  int32_t action;                 /* A: floats of an action; 1 for discrete actions, which are numbers */
  int32_t actions;                /* number of discrete actions; 0: continuous */
  int32_t layers;                 /* L */
  int32_t hidden[SAC_LAYERS_MAX]; /* (L) H of each */
  int32_t critics;                /* K */
  int64_t capacity;               /* C */
  int network_kind;               /* the value of key network.kind */
} sac_shape;

typedef enum sac_slab { SAC_SLAB_TRAINED, SAC_SLAB_TARGET, SAC_SLAB_COUNT } sac_slab;

/* A network inside a slab: its list of layers, the buffers that their outputs need, and its linear layers by number.
 * Linear layer l has size[l] inputs and size[l+1] outputs; the last one is the head. */
typedef struct sac_net {
  sac_slab slab;
  int32_t count;
  sac_layer layer[SAC_NET_LAYERS_MAX]; /* (count) in order */
  int32_t buffers;
  int32_t width[SAC_NET_LAYERS_MAX]; /* (buffers) floats for each row */
  int32_t layers;                    /* number of linear layers: L + 1, with the head */
  int32_t size[SAC_LAYERS_MAX + 2];  /* in, hidden..., out */
  size_t weight[SAC_LAYERS_MAX + 1]; /* offsets in floats within an agent's part of the slab; (size[l+1], size[l]) */
  size_t bias[SAC_LAYERS_MAX + 1];   /* likewise; (size[l+1]) */
} sac_net;

#define SAC_TENSOR_NAME_MAX 64

typedef struct sac_tensor {
  char name[SAC_TENSOR_NAME_MAX];
  sac_slab slab;
  int32_t rank, dims[2];
  size_t offset; /* floats, within an agent's part of the slab */
  size_t count;  /* floats */
} sac_tensor;

/* Groups of networks with the same use. sac_group_names has their names in files; networks of a group of K have a
 * number after it. */
typedef enum sac_group {
  SAC_ACTOR,
  SAC_CRITIC,
  SAC_VALUE,
  SAC_CRITIC_TARGET,
  SAC_VALUE_TARGET,
  SAC_GROUP_COUNT
} sac_group;

extern const char* const sac_group_names[SAC_GROUP_COUNT];

/* Sizes of a network's input and output, in terms of the shape. */
typedef enum sac_width {
  SAC_OBS,              /* O */
  SAC_OBS_ACTION,       /* O + A: obs | action */
  SAC_VALUE_OF_ONE,     /* 1 */
  SAC_MEAN_AND_LOG_STD, /* 2A: first the A means, then the A log_std */
  SAC_VALUE_OF_EACH,    /* a value of each discrete action */
  SAC_LOGITS,           /* a logit of each discrete action */
} sac_width;

/* A width as a number. */
int32_t sac_width_of(const sac_shape* shape, sac_width width);

typedef enum sac_network_number { SAC_ONE, SAC_EACH_CRITIC } sac_network_number; /* networks in a group: 1, or K */

/* One row of an algorithm's networks. */
typedef struct sac_network {
  sac_group group;
  sac_network_number number;
  sac_width in, out;
  sac_group target_of; /* for targets: the group that they follow; trained groups leave it out */
} sac_network;

/* Whether a group holds targets, which are not trained. */
static inline int sac_group_is_target(sac_group group) {
  return group == SAC_CRITIC_TARGET || group == SAC_VALUE_TARGET;
}

/* The networks of an algorithm and their tensors. Targets start as copies of the networks that they follow. */
typedef struct sac_tensors {
  int32_t nets[SAC_GROUP_COUNT]; /* number of networks in each group: 0, 1 or K */
  sac_net net[SAC_GROUP_COUNT][SAC_CRITICS_MAX];
  sac_group target_of[SAC_GROUP_COUNT]; /* for target groups: the group that they follow */
  size_t log_alpha;                     /* offset in the trained slab */
  size_t floats[SAC_SLAB_COUNT];        /* W: one agent's floats in each slab, a multiple of 16 */
  int32_t count;
  sac_tensor* tensor; /* (count) every tensor, in the order of the list */
} sac_tensors;

/* Lays out the tensors of `networks` (count) for `shape`. Owns `tensor`; free with sac_tensors_free. Errors: MEMORY. */
sac_status sac_tensors_create(sac_tensors* tensors, const sac_shape* shape, const sac_network* networks, int32_t count);
void sac_tensors_free(sac_tensors* tensors);

/* The tensor with this name; NULL: there is none. */
const sac_tensor* sac_tensors_find(const sac_tensors* tensors, const char* name);

#endif
