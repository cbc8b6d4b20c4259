/* The list of tensors: it sizes, aligns, points, names, saves and loads every slab.
 *
 * A slab is one allocation of P agents times one agent's floats. Trained tensors have the same offset in four slabs
 * (weights, grad, adam_m, adam_v); targets live in a slab of their own. All are dense and row-major as in PyTorch,
 * weights (out, in); each tensor starts on a 64-byte boundary and each agent's part too. Gaps are zero. */
#ifndef SAC_MODEL_TENSORS_H
#define SAC_MODEL_TENSORS_H

#include <stddef.h>
#include <stdint.h>

#include "config/config.h"

#include <sac/env.h>

/* The sizes of section "dimension letters", as one struct. */
typedef struct sac_shape {
  int32_t population;             /* P */
  int32_t num_envs;               /* N, an agent */
  int32_t batch;                  /* B */
  int32_t obs;                    /* O */
  int32_t action;                 /* A */
  int32_t layers;                 /* L */
  int32_t hidden[SAC_LAYERS_MAX]; /* (L) H of each */
  int32_t critics;                /* K */
  int64_t capacity;               /* C */
} sac_shape;

typedef enum sac_slab { SAC_SLAB_TRAINED, SAC_SLAB_TARGET, SAC_SLAB_COUNT } sac_slab;

/* One multilayer perceptron inside a slab: layer l maps size[l] to size[l+1]; layer L is the head. */
typedef struct sac_net {
  sac_slab slab;
  int32_t layers;                    /* L + 1, the head included */
  int32_t size[SAC_LAYERS_MAX + 2];  /* in, hidden..., out */
  size_t weight[SAC_LAYERS_MAX + 1]; /* offset in floats within an agent's slab, (size[l+1], size[l]) */
  size_t bias[SAC_LAYERS_MAX + 1];   /* (size[l+1]) */
} sac_net;

#define SAC_TENSOR_NAME_MAX 64

typedef struct sac_tensor {
  char name[SAC_TENSOR_NAME_MAX];
  sac_slab slab;
  int32_t rank, dims[2];
  size_t offset; /* floats, within an agent's slab */
  size_t count;  /* floats */
} sac_tensor;

/* The networks of an algorithm and their tensors. Targets start as copies of their networks. */
typedef struct sac_tensors {
  sac_net actor;                          /* O -> 2A: mean rows first, then log_std rows */
  sac_net critic[SAC_CRITICS_MAX];        /* (K) O + A -> 1 */
  sac_net critic_target[SAC_CRITICS_MAX]; /* algo sac */
  sac_net value, value_target;            /* algo sac-v: O -> 1; layers == 0 otherwise */
  size_t log_alpha;                       /* offset in the trained slab */
  size_t floats[SAC_SLAB_COUNT];          /* W: one agent's floats in each slab, a multiple of 16 */
  int32_t count;
  sac_tensor* tensor; /* (count) every tensor, in the order of the list */
} sac_tensors;

/* Lays out the tensors of `algo` for `shape`. Owns `tensor`; free with sac_tensors_free. Errors: MEMORY. */
sac_status sac_tensors_create(sac_tensors* tensors, const sac_shape* shape, sac_algo algo);
void sac_tensors_free(sac_tensors* tensors);

/* The entry of that name, NULL when there is none. */
const sac_tensor* sac_tensors_find(const sac_tensors* tensors, const char* name);

#endif
