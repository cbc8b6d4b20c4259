/* What `sac explain` computes for one state, and how it prints it. */
#ifndef SAC_CLI_EXPLAIN_ONE_H
#define SAC_CLI_EXPLAIN_ONE_H

#include <jansson.h>

#include "agent/explain.h"
#include "agent/explain_discrete.h"
#include "agent/nets.h"

#define SAC_EXPLAIN_AXIS 101 /* points along an axis of the action */

/* Values at one state. The arrays of the other kind of actions are NULL. */
typedef struct sac_explain_one {
  const sac_host_nets* nets;
  const float* obs; /* (O) */

  /* of discrete actions */
  double *value, *q, *boltzmann, *pi; /* (K, A), (A) each */
  sac_explained_discrete discrete;

  /* of continuous ones: the mode in (-1, 1), sigma, Q of each critic there; along each axis, Q and log pi */
  double *mode, *std, *mode_q;  /* (A), (A), (K) */
  double *axis_q, *axis_log_pi; /* (A, SAC_EXPLAIN_AXIS) */
  sac_explained continuous;

  double *input, *head;  /* scratch: (O + A), and the widest output */
  float *mean, *log_std; /* (A) of the actor's head */
} sac_explain_one;

/* Allocates the arrays. Zero *one before; free it with sac_explain_one_free, also after an error. Errors: MEMORY. */
sac_status sac_explain_one_create(sac_explain_one* one, const sac_host_nets* nets);
void sac_explain_one_free(sac_explain_one* one);

/* Computes everything at obs (O), state number `index`. samples: of the expectations of continuous policies. Errors:
 * NUMERIC (a value of a network is not finite), MEMORY. */
sac_status sac_explain_one_fill(sac_explain_one* one, const float* obs, uint64_t index, int32_t samples);

/* The state as a JSON object; NULL without memory. */
json_t* sac_explain_one_json(const sac_explain_one* one);

/* Prints it for people. number: of the state, from 1. */
void sac_explain_one_print(const sac_explain_one* one, int64_t number);

#endif
