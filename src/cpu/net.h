/* A network over row panels, layer by layer (cpu/layers.h): forward, backward, and the gradient with respect to
 * its inputs. */
#ifndef SAC_CPU_NET_H
#define SAC_CPU_NET_H

#include "cpu/trace.h"

/* Evaluates the network on `rows` rows, from panel `panel` of x and of the trace on. weights: the agent's part of the
 * slab. */
void sac_net_forward(const sac_isa* isa, const sac_net* net, const float* weights, sac_rows x, const sac_trace* trace,
                     int32_t panel, int32_t rows);

/* Computes the gradients with respect to the hidden layers' pre-activations, which overwrite the activations. It starts
 * from the gradient with respect to the output, which the caller has written to trace->out. */
void sac_net_backward(const sac_isa* isa, const sac_net* net, const float* weights, const sac_trace* trace,
                      int32_t panel, int32_t rows);

/* Call after sac_net_backward. Computes the gradient with respect to input features from .. from+count-1, and writes it
 * to d. */
void sac_net_input_grad(const sac_isa* isa, const sac_net* net, const float* weights, const sac_trace* trace,
                        int32_t panel, int32_t rows, int32_t from, int32_t count, sac_rows d);

#endif
