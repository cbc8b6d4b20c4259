/* Layers on a device: a table with a row for each kind. A function of a row may do neighbouring layers too, where one
 * launch can do them together. */
#ifndef SAC_CUDA_LAYERS_H
#define SAC_CUDA_LAYERS_H

#include "cuda/cuda.h"

/* A forward or backward pass of passes->count networks of one shape, passes->rows rows each. */
typedef struct sac_cuda_pass {
  const sac_agent* agent;
  const sac_passes* passes;
  const sac_device_trace* trace;
  const float*
      d_head;      /* backward: gradient of the output (nets, rows, out); NULL: a head's kernel has written d[L-1] */
  float* const* d; /* backward: gradients with respect to the trace's buffers, (nets, rows, width) each */
  int to_input;    /* backward: 1: the ReLU's gradient is left out of d[0]; a later kernel applies it */
} sac_cuda_pass;

typedef struct sac_cuda_layer {
  /* Computes layer i from its input *x, and the layers after it that it does too. Sets *x to the output. *taken: how
   * many layers it did. */
  sac_status (*forward)(const sac_cuda_pass* pass, int32_t i, sac_matrices* x, int32_t* taken);

  /* Computes the gradient with respect to layer i's input from that of its output, and goes on through the layers
   * before it that it does too. *taken: how many layers it did. Not called for a network's first layer. */
  sac_status (*backward)(const sac_cuda_pass* pass, int32_t i, int32_t* taken);

  /* Computes the gradients of layer i's tensors from its input x. It may add sums over rows to `sums`, which one launch
   * computes for the whole network. */
  sac_status (*gradient)(const sac_cuda_pass* pass, int32_t i, sac_matrices x, sac_column_sums_args* sums);
} sac_cuda_layer;

/* By kind. A row without functions: neighbouring layers do this kind's work. */
extern const sac_cuda_layer sac_cuda_layers[SAC_LAYER_KIND_COUNT];

/* Where a tensor of network passes->first is in a slab, in floats. offset: of network 0's tensor in an agent's part
 * (sac_layer.tensor). */
size_t sac_cuda_tensor_at(const sac_passes* passes, size_t offset);

/* Whether the device can run the networks of these settings (network.kind, network.hidden). */
int sac_cuda_serves_network(const sac_settings* settings);

#endif
