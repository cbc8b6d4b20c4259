/* Activations of a network, kept between its forward and its backward pass. */
#ifndef SAC_CPU_TRACE_H
#define SAC_CPU_TRACE_H

#include "cpu/isa.h"
#include "model/tensors.h"

/* The activations for the rows of a minibatch or of a chunk, by buffer of the network. */
typedef struct sac_trace {
  float* h[SAC_NET_LAYERS_MAX]; /* (panels, H, 32): output of each hidden layer; backward overwrites it with the
                               gradient with respect to its pre-activation */
  float* t[SAC_NET_LAYERS_MAX]; /* (ceil(H/32), panels*32, 32): the output again, in feature panels: backward leaves
                               it alone, as the next layer's weight gradient reads it. NULL: not kept */
  float* out;                   /* (panels, out, 32): the head's output; the caller overwrites it with its gradient */
  size_t turned;                /* floats between feature panels of t */
} sac_trace;

/* The row panels of a buffer of the network, from panel `panel` on. The last buffer is the output. */
static inline sac_rows sac_trace_rows(const sac_trace* trace, const sac_net* net, int32_t buffer, int32_t panel) {
  const size_t stride = (size_t)net->width[buffer] * SAC_PANEL;
  float* data = buffer == net->buffers - 1 ? trace->out : trace->h[buffer];
  return (sac_rows){data + (size_t)panel * stride, stride};
}

#endif
