/* The plan of an update: the order in which a backend runs an algorithm's operations, and what it keeps between them.
 * It is made once for each agent, from the algorithm's list alone. */
#ifndef SAC_ALGO_PLAN_H
#define SAC_ALGO_PLAN_H

#include <sac/status.h>

#include "algo/algo.h"

#define SAC_OPS_MAX 64
#define SAC_PASSES_MAX 8

/* A pass: the networks of a group evaluated at a place. FORWARD makes it, and later operations read it. */
typedef struct sac_pass {
  sac_group nets;
  sac_place at;
  int32_t first, last; /* numbers of the operations in the plan that write its activations, and that read them last */
  int back;            /* 1: gradients go back through it, so that hidden activations are kept */
  int gradient;        /* 1: gradients with respect to its weights are taken */
  int32_t memory;      /* the pass whose memory it uses, of the same networks; its own number: its own memory */
} sac_pass;

typedef struct sac_plan {
  int32_t count, passes;
  sac_op op[SAC_OPS_MAX];       /* (count) */
  int32_t pass_of[SAC_OPS_MAX]; /* (count) the pass that each operation works on; -1: none */
  sac_pass pass[SAC_PASSES_MAX];
} sac_plan;

/* Plans an algorithm's update. sink 1: forwards and row functions move down to right before their first reader, and
 * into its stage, so that what they write is still in the cache; gradients move down to Adam's step, or to the end of
 * their stage. sink 0: operations keep the order of the list. Results do not depend on it. Errors: CONFIG (an operation
 * reads what no operation before it has written, or the list is too long). */
sac_status sac_plan_create(sac_plan* plan, const sac_algorithm* algo, int sink);

/* The pass of a group at a place; -1: none. */
int32_t sac_plan_find(const sac_plan* plan, sac_group nets, sac_place at);

/* Launches that operation `number` of an algorithm's list takes on a device with `layers` hidden layers; 0: it goes
 * into those of the operation before. Neighbours that can go together do: forwards of networks side by side, functions
 * of rows, and both with what follows them. */
int32_t sac_op_launches(const sac_algorithm* algo, int32_t number, int32_t layers);

/* Launches of a whole update: replay sample, and those of its operations. */
int32_t sac_algo_launches(const sac_algorithm* algo, int32_t layers);

#endif
