/* The networks of one agent, evaluated on the host in double: for explanations and checks, not for speed. */
#ifndef SAC_AGENT_NETS_H
#define SAC_AGENT_NETS_H

#include "backend/backend.h"

typedef struct sac_host_nets {
  const sac_agent* agent;
  float* weights; /* (W) those of the agent when it was read */
  double* unit;   /* (2, widest) outputs of two layers in turn */
  double alpha;   /* the temperature */
} sac_host_nets;

/* Reads the weights of agent p. Zero it before use, free it with sac_host_nets_free, also after an error. The agent
 * must outlive it. Errors: MEMORY, DEVICE. */
sac_status sac_host_nets_read(sac_host_nets* nets, const sac_agent* agent, int32_t p);
void sac_host_nets_free(sac_host_nets* nets);

/* Evaluates network n of a trained group: y (its outputs) of x (its inputs). */
void sac_host_nets_run(const sac_host_nets* nets, sac_group group, int32_t n, const double* x, double* y);

#endif
