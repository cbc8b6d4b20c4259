/* Activations of a network between its passes forward and back. */
#ifndef SAC_CPU_TRACE_H
#define SAC_CPU_TRACE_H

#include "cpu/isa.h"
#include "model/tensors.h"

/* Over the rows of a minibatch or a chunk. */
typedef struct sac_trace {
  float* h[SAC_NET_LAYERS_MAX]; /* (panels, H, 32): output of each hidden layer; backward turns it into the gradient by
                               its pre-activation, in place */
  float* t[SAC_NET_LAYERS_MAX]; /* (ceil(H/32), panels*32, 32): the same as it was, in feature panels: the operand of
                               the next layer's weight gradient. NULL: not kept */
  float* out;                   /* (panels, out, 32): the head's output; the caller turns it into its gradient */
  size_t turned;                /* floats between feature panels of t */
} sac_trace;

/* Where a buffer of a network's lies, panels `panel` on. The last is the output. */
static inline sac_rows sac_trace_rows(const sac_trace* trace, const sac_net* net, int32_t buffer, int32_t panel) {
  const size_t stride = (size_t)net->width[buffer] * SAC_PANEL;
  float* data = buffer == net->buffers - 1 ? trace->out : trace->h[buffer];
  return (sac_rows){data + (size_t)panel * stride, stride};
}

#endif
