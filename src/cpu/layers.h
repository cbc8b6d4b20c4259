/* Layers on the CPU: a table with a row for each kind of layer. A function of a row may also compute neighbouring
 * layers in the same loop, as a linear layer does with ReLU. It returns the number of layers that it computed. */
#ifndef SAC_CPU_LAYERS_H
#define SAC_CPU_LAYERS_H

#include "cpu/trace.h"

/* Rows that pass through a network: `rows` rows, from panel `panel` of the trace on. weights: the agent's part of the
 * slab. */
typedef struct sac_cpu_pass {
  const sac_isa* isa;
  const sac_net* net;
  const float* weights;
  const sac_trace* trace;
  int32_t panel, rows;
} sac_cpu_pass;

typedef struct sac_cpu_layer {
  /* Computes layer i from its input *x, and layers after it that it includes. Sets *x to the output. */
  int32_t (*forward)(const sac_cpu_pass* pass, int32_t i, sac_rows* x);

  /* On entry *d is the gradient with respect to the output of layer i. Computes the gradient with respect to its input,
   * and goes on through the layers before it that it includes; it must include ReLU. Overwrites the input in the trace
   * with the result, and sets *d to it. Not called for the first layer of a network. */
  int32_t (*backward)(const sac_cpu_pass* pass, int32_t i, sac_rows* d);

  /* Computes the gradients of the layer's tensors, for its outputs from .. to - 1, summed over all rows. d: the
   * gradient with respect to its output. x: its input in feature panels, x_stride floats apart. grad: the agent's part
   * of the slab. near: what to prefetch, or NULL. The function is NULL for a kind without tensors. */
  void (*gradient)(const sac_isa* isa, const sac_layer* layer, sac_rows d, const float* x, size_t x_stride,
                   int32_t from, int32_t to, float* grad, int32_t rows, const sac_near* near);

  /* For acting: computes layer i, and layers after it that it includes, row by row. x (rows, in), y (rows, out). The
   * result of a row does not depend on other rows. */
  int32_t (*act)(const sac_isa* isa, const sac_net* net, int32_t i, const float* weights, const float* x, float* y,
                 int32_t rows);
} sac_cpu_layer;

/* By kind. A kind without functions runs only inside its neighbours. */
extern const sac_cpu_layer sac_cpu_layers[SAC_LAYER_KIND_COUNT];

/* Checks that a network can be run. Errors: CONFIG (a layer without functions has no neighbour that includes it). */
sac_status sac_cpu_check_net(const sac_net* net);

#endif
