/* A multilayer perceptron over row panels: forward, backward, and what is kept between them. */
#ifndef SAC_CPU_NET_H
#define SAC_CPU_NET_H

#include "cpu/isa.h"
#include "model/tensors.h"

/* Activations of one network over the rows of a minibatch or a chunk. */
typedef struct sac_trace {
  float* h[SAC_LAYERS_MAX]; /* (panels, H, 32): output of each hidden layer; backward turns it into the gradient by its
                               pre-activation, in place */
  float* t[SAC_LAYERS_MAX]; /* (ceil(H/32), panels*32, 32): the same as it was, in feature panels: the operand of the
                               next layer's weight gradient. NULL: not kept */
  float* out;               /* (panels, out, 32): the head's output; the caller turns it into its gradient */
  size_t turned;            /* floats between feature panels of t */
} sac_trace;

/* Runs `rows` rows, panels `panel` on of x and of the trace, through the network. weights: the agent's slab. */
void sac_net_forward(const sac_isa* isa, const sac_net* net, const float* weights, sac_rows x, const sac_trace* trace,
                     int32_t panel, int32_t rows);

/* From the gradient by the head's output to those by the hidden layers' pre-activations. */
void sac_net_backward(const sac_isa* isa, const sac_net* net, const float* weights, const sac_trace* trace,
                      int32_t panel, int32_t rows);

/* After backward: the gradient by input features from .. from+count-1, to d (count features). */
void sac_net_input_grad(const sac_isa* isa, const sac_net* net, const float* weights, const sac_trace* trace,
                        int32_t panel, int32_t rows, int32_t from, int32_t count, sac_rows d);

/* The gradient by a layer's output (its pre-activation, for a hidden one). */
sac_rows sac_trace_grad(const sac_trace* trace, const sac_net* net, int32_t layer);

#endif
