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
  int32_t first, last; /* operations of the plan: its FORWARD, and the last one that reads its activations */
  int back;            /* 1: gradients go back through it, so its hidden activations are kept */
  int gradient;        /* 1: gradients with respect to its weights are computed */
  int32_t memory;      /* the pass, of the same networks, whose memory it uses; its own number: memory of its own */
} sac_pass;

typedef struct sac_plan {
  int32_t count, passes;
  sac_op op[SAC_OPS_MAX];       /* (count) */
  int32_t pass_of[SAC_OPS_MAX]; /* (count) the pass that each operation works on; -1: none */
  sac_pass pass[SAC_PASSES_MAX];
} sac_plan;

/* Plans an algorithm's update. reorder 1: forwards and row functions move down to right before the first operation that
 * reads their results, and into its stage, so that these results are still in the cache; gradients move down to Adam's
 * step, or to the end of their stage. reorder 0: operations keep the order of the list. Results do not depend on the
 * order. Errors: CONFIG (an operation reads what no operation before it has written, stages do not ascend, or the list
 * has too many operations or passes). */
sac_status sac_plan_create(sac_plan* plan, const sac_algorithm* algo, int reorder);

/* The pass of a group at a place; -1: none. */
int32_t sac_plan_find(const sac_plan* plan, sac_group nets, sac_place at);

/* Whether a row function starts a gradient: it writes the gradient of a loss with respect to the output of its
 * networks. (SAC_ROW_NONE, the row of other operations, does not.) */
int sac_row_starts_gradient(sac_row_function row);

/* The number of launches on a device for operation `number` of an algorithm's list, with `layers` hidden layers. 0: it
 * shares the launches of the operation before it, as forwards of networks side by side and row functions do. */
int32_t sac_op_launches(const sac_algorithm* algo, int32_t number, int32_t layers);

/* The number of launches of a whole update: replay sample, and those of its operations. */
int32_t sac_algo_launches(const sac_algorithm* algo, int32_t layers);

#endif
