/* What an operation of an algorithm's list costs, counted from the shapes alone: for estimates, benchmarks and tables.
 */
#ifndef SAC_ALGO_COST_H
#define SAC_ALGO_COST_H

#include "algo/algo.h"

/* Of one agent, all networks of the operation's group together. */
typedef struct sac_cost {
  double flops;      /* multiplications and additions of its products */
  double elements;   /* numbers that pass through hidden layers */
  double parameters; /* that its Adam step moves */
  double bytes;      /* that go from and to a device's memory, or its second-level cache */
} sac_cost;

/* The cost of an operation over `rows` rows of a minibatch; of functions of rows and the temperature: zeros. */
sac_cost sac_op_cost(const sac_algorithm* algo, const sac_op* op, const sac_shape* shape, double rows);

/* Weights of a network with that many inputs and outputs: what a row is multiplied by on its way through. */
double sac_network_weights(const sac_shape* shape, double in, double out);

#endif
