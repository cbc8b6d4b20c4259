/* Layers on a device: a row of a table for each kind. A row may take neighbours along that it can do in the same
 * launches. */
#ifndef SAC_CUDA_LAYERS_H
#define SAC_CUDA_LAYERS_H

#include "cuda/cuda.h"

/* Networks on their way forward or back: passes->count of them, passes->rows rows each. */
typedef struct sac_cuda_pass {
  const sac_agent* agent;
  const sac_passes* passes;
  const sac_device_trace* trace;
  const float* d_head; /* back: (nets, rows, out), or NULL where a head's kernel has written d[L-1] */
  float* const* d;     /* back: gradients by the buffers */
  int to_input;        /* back: d[0] is left without its ReLU's gradient */
} sac_cuda_pass;

typedef struct sac_cuda_layer {
  /* Takes *x through layer i, and through those behind it that go along; *taken: how many layers. */
  sac_status (*forward)(const sac_cuda_pass* pass, int32_t i, sac_matrices* x, int32_t* taken);

  /* From the gradient by layer i's output to that by its input, and on through layers before it that go along. Not
   * called for a network's first layer. */
  sac_status (*backward)(const sac_cuda_pass* pass, int32_t i, int32_t* taken);

  /* Gradients of layer i's tensors from its input x; sums over rows may be left to `sums`, one launch for the network.
   */
  sac_status (*gradient)(const sac_cuda_pass* pass, int32_t i, sac_matrices x, sac_column_sums_args* sums);
} sac_cuda_layer;

/* By kind. A row without functions is of a kind that only goes along with a neighbour. */
extern const sac_cuda_layer sac_cuda_layers[SAC_LAYER_KIND_COUNT];

/* Where tensor `offset` of the first network of passes lies in a slab. */
size_t sac_cuda_tensor_at(const sac_passes* passes, size_t offset);

/* Whether the networks of these settings (network.kind) can be run. */
int sac_cuda_serves_network(const sac_settings* settings);

#endif
