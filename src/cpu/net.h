/* A multilayer perceptron on row panels: forward, backward, and the activations kept between them. */
#ifndef SAC_CPU_NET_H
#define SAC_CPU_NET_H

#include "cpu/isa.h"
#include "model/tensors.h"

/* Activations of one network over the rows of a minibatch or a chunk. */
typedef struct sac_trace {
  float* h[SAC_LAYERS_MAX]; /* (panels, H, 32): output of each hidden layer; backward replaces it by the gradient of
                               its pre-activation */
  float* t[SAC_LAYERS_MAX]; /* (ceil(H/32), panels*32, 32): the same output in feature panels, for the weight gradient
                               of the next layer. NULL: not kept */
  float* out;               /* (panels, out, 32): the head's output; the caller replaces it by its gradient */
  size_t turned;            /* floats between feature panels of t */
} sac_trace;

/* Evaluates the network on `rows` rows, from panel `panel` of x and of the trace on. weights: the agent's slab. */
void sac_net_forward(const sac_isa* isa, const sac_net* net, const float* weights, sac_rows x, const sac_trace* trace,
                     int32_t panel, int32_t rows);

/* Computes the gradients of the hidden layers' pre-activations from the gradient of the head's output. */
void sac_net_backward(const sac_isa* isa, const sac_net* net, const float* weights, const sac_trace* trace,
                      int32_t panel, int32_t rows);

/* After backward: the gradient of input features from .. from+count-1, written to d. */
void sac_net_input_grad(const sac_isa* isa, const sac_net* net, const float* weights, const sac_trace* trace,
                        int32_t panel, int32_t rows, int32_t from, int32_t count, sac_rows d);

/* The gradient of a layer's output; of its pre-activation for a hidden layer. */
sac_rows sac_trace_grad(const sac_trace* trace, const sac_net* net, int32_t layer);

#endif
