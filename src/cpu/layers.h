/* Layers on the CPU: a row of a table for each kind. A row may take neighbours along that it can do in the same loop.
 */
#ifndef SAC_CPU_LAYERS_H
#define SAC_CPU_LAYERS_H

#include "cpu/trace.h"

/* Some rows on their way through a network: `rows` rows, panels `panel` on of the trace. weights: the agent's slab. */
typedef struct sac_cpu_pass {
  const sac_isa* isa;
  const sac_net* net;
  const float* weights;
  const sac_trace* trace;
  int32_t panel, rows;
} sac_cpu_pass;

typedef struct sac_cpu_layer {
  /* Takes *x through layer i, and through those behind it that go along; returns how many layers. */
  int32_t (*forward)(const sac_cpu_pass* pass, int32_t i, sac_rows* x);

  /* From *d, the gradient by the layer's output, to that by its input, which takes the input's place, and on through
   * layers before it that go along, as a ReLU always does; returns how many layers. Not called for a network's first
   * layer: no gradient is needed beyond it. */
  int32_t (*backward)(const sac_cpu_pass* pass, int32_t i, sac_rows* d);

  /* Gradients of the layer's tensors, outputs from .. to - 1, over all rows: from d, the gradient by its output, and x,
   * its input in feature panels, x_stride floats apart; to grad, the agent's slab. near: what to fetch meanwhile, or
   * NULL. NULL where the kind has no tensors. */
  void (*gradient)(const sac_isa* isa, const sac_layer* layer, sac_rows d, const float* x, size_t x_stride,
                   int32_t from, int32_t to, float* grad, int32_t rows, const sac_near* near);

  /* Acting: layer i, and those behind it that go along, on observations row by row; returns how many layers. A row's
   * result does not depend on the others. x (rows, in), y (rows, out). */
  int32_t (*act)(const sac_isa* isa, const sac_net* net, int32_t i, const float* weights, const float* x, float* y,
                 int32_t rows);
} sac_cpu_layer;

/* By kind. A row without functions is of a kind that only goes along with a neighbour. */
extern const sac_cpu_layer sac_cpu_layers[SAC_LAYER_KIND_COUNT];

/* Whether a network can be run. Errors: CONFIG (a layer stands where no row takes it along). */
sac_status sac_cpu_check_net(const sac_net* net);

#endif
