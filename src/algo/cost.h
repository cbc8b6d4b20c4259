/* The cost of an operation of an algorithm's list, from the shapes alone: for estimates, benchmarks and tables. */
#ifndef SAC_ALGO_COST_H
#define SAC_ALGO_COST_H

#include "algo/algo.h"

/* The cost for one agent, of all networks of the operation's group together. */
typedef struct sac_cost {
  double flops;      /* multiplications and additions of its products */
  double elements;   /* outputs of hidden layers that it computes, or gradients with respect to them */
  double parameters; /* parameters that its Adam step changes */
  double bytes;      /* bytes read from and written to a device's memory or its second-level cache */
} sac_cost;

/* The cost of an operation over `rows` rows of a minibatch. Zeros for ROWS and TEMPERATURE. */
sac_cost sac_op_cost(const sac_algorithm* algo, const sac_op* op, const sac_shape* shape, double rows);

/* The number of weights of a network with `in` inputs and `out` outputs, biases not counted. */
double sac_network_weights(const sac_shape* shape, double in, double out);

#endif
