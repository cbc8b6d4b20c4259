#include "algo/cost.h"

/* Bytes read and written, 4 for each float. */
#define ELEMENT_BYTES 16 /* written by a product; read and written with bias and ReLU; read by the next product */
#define ADAM_BYTES 28    /* weight, gradient and two moments read; weight and moments written */
#define POLYAK_BYTES 12  /* target and network read; target written */

/* Sizes of a network: weights of all layers, weights of the first layer, and all parameters (weights and biases). */
typedef struct net_size {
  double weights, first, numbers;
} net_size;

static net_size size_of(const sac_shape* shape, double in, double out) {
  net_size net = {0, 0, 0};

  /* layer `layers` is the head */
  for (int32_t l = 0; l <= shape->layers; l++) {
    const double width = l < shape->layers ? (double)shape->hidden[l] : out;
    net.weights += in * width;
    net.numbers += in * width + width;
    if (l == 0) net.first = in * width;
    in = width;
  }
  return net;
}

double sac_network_weights(const sac_shape* shape, double in, double out) { return size_of(shape, in, out).weights; }

/* The number of weights that an operation on one network multiplies each row by. A forward pass, a pass back to the
 * layers' inputs, and a gradient of the weights take 2 flops for each row and weight. No gradient goes back to
 * observations: BACKWARD leaves the first layer out, INPUT_GRAD leaves out the observations' part of it. */
static double weights_of(const sac_op* op, const sac_shape* shape, const net_size* net) {
  /* the part of a critic's first layer that actions go into */
  const double actions_share = shape->action / ((double)shape->obs + shape->action);
  switch (op->kind) {
    case SAC_FORWARD:
    case SAC_GRADIENT:
      return net->weights;
    case SAC_BACKWARD:
      return net->weights - net->first;
    case SAC_INPUT_GRAD:
      return net->weights - net->first * (1 - actions_share);
    default:
      /* no products: row functions, ADAM, TEMPERATURE, POLYAK */
      return 0;
  }
}

sac_cost sac_op_cost(const sac_algorithm* algo, const sac_op* op, const sac_shape* shape, double rows) {
  sac_cost cost = {0, 0, 0, 0};

  /* hidden units that a row passes through in one network */
  double units = 0;
  for (int32_t l = 0; l < shape->layers; l++) units += shape->hidden[l];

  /* add up the networks of the operation's group */
  for (int32_t n = 0; n < algo->network_count; n++) {
    const sac_network* network = &algo->networks[n];
    if (network->group != op->nets || op->kind == SAC_TEMPERATURE) continue;

    /* size of one network, and how many of them there are */
    const net_size net = size_of(shape, sac_width_of(shape, network->in), sac_width_of(shape, network->out));
    const double number = network->number == SAC_EACH_CRITIC ? shape->critics : 1;
    const double weights = weights_of(op, shape, &net);

    /* a multiplication and an addition for each row and weight */
    cost.flops += 2 * rows * number * weights;
    cost.elements += weights > 0 ? rows * number * units : 0;
    cost.parameters += op->kind == SAC_ADAM ? number * net.numbers : 0;
    cost.bytes += op->kind == SAC_POLYAK ? POLYAK_BYTES * number * net.numbers : 0;
  }

  /* the rest of the traffic: outputs of hidden layers, and Adam's step; weights that products read do not count */
  cost.bytes += ELEMENT_BYTES * cost.elements + ADAM_BYTES * cost.parameters;
  return cost;
}
