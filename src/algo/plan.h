/* The order in which a backend runs an algorithm's operations, and what it keeps between them. Made once an agent, from
 * the list alone. */
#ifndef SAC_ALGO_PLAN_H
#define SAC_ALGO_PLAN_H

#include <sac/status.h>

#include "algo/algo.h"

#define SAC_OPS_MAX 64
#define SAC_PASSES_MAX 8

/* The networks of a group evaluated at a place: what FORWARD makes and later operations read. */
typedef struct sac_pass {
  sac_group nets;
  sac_place at;
  int32_t first, last; /* operations, as the plan numbers them, that write its activations and read them last */
  int back;            /* 1: gradients go back through it, so hidden activations are held */
  int gradient;        /* 1: gradients by its weights are taken */
  int32_t memory;      /* the pass of the same networks whose memory it takes over; its own number: none */
} sac_pass;

typedef struct sac_plan {
  int32_t count, passes;
  sac_op op[SAC_OPS_MAX];       /* (count) */
  int32_t pass_of[SAC_OPS_MAX]; /* (count) pass that the operation works on; -1: none */
  sac_pass pass[SAC_PASSES_MAX];
} sac_plan;

/* Plans an algorithm's update. sink: forwards and functions of rows move down to right before their first reader,
 * into its stage, so that what they wrote is still in the cache; gradients move down to Adam's step, or to the end of
 * their stage. Without it operations keep the list's order. No number depends on it.
 * Errors: CONFIG (the list reads what no operation before has written, or is too long). */
sac_status sac_plan_create(sac_plan* plan, const sac_algorithm* algo, int sink);

/* The pass of a group at a place; -1: there is none. */
int32_t sac_plan_find(const sac_plan* plan, sac_group nets, sac_place at);

/* Launches that operation `number` of an algorithm's list takes on a device with `layers` hidden layers; 0: it goes
 * into those of the operation before. Neighbours that can go together do: forwards of networks side by side, functions
 * of rows, and both with what follows them. */
int32_t sac_op_launches(const sac_algorithm* algo, int32_t number, int32_t layers);

/* Launches of a whole update: replay sample, and those of its operations. */
int32_t sac_algo_launches(const sac_algorithm* algo, int32_t layers);

#endif
