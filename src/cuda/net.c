/* Networks on the device, layer by layer (cuda/layers.h). */
#include "cuda/layers.h"
#include "util/error.h"

sac_device_trace sac_cuda_trace_from(const sac_device_trace* trace, const sac_net* net, int32_t first) {
  sac_device_trace part = *trace;
  for (int32_t l = 0; l + 1 < net->layers; l++)
    part.h[l] += (size_t)first * (size_t)trace->rows * (size_t)net->size[l + 1];
  return part;
}

sac_head sac_cuda_net_head(const sac_gpu* gpu, const sac_nets* nets, int32_t first, const sac_device_trace* trace) {
  const sac_net* net = nets->net;
  const sac_passes passes = {.nets = nets, .first = first};
  const int32_t head = net->layers - 1, last = head - 1;
  return (sac_head){.hidden = trace->h[last],
                    .hidden_bias = gpu->weights + sac_cuda_tensor_at(&passes, net->bias[last]),
                    .weight = gpu->weights + sac_cuda_tensor_at(&passes, net->weight[head]),
                    .bias = gpu->weights + sac_cuda_tensor_at(&passes, net->bias[head]),
                    .hidden_stride = (size_t)trace->rows * (size_t)net->size[head],
                    .weight_stride = nets->each,
                    .width = net->size[head]};
}

sac_status sac_cuda_net_forward(const sac_agent* agent, const sac_passes* passes, const sac_device_trace* trace) {
  const sac_cuda_pass pass = {.agent = agent, .passes = passes, .trace = trace};
  const sac_net* net = passes->nets->net;
  sac_matrices x = passes->x;
  int32_t linear = 0;
  for (int32_t i = 0, taken; i < net->count;) {
    const sac_status status = sac_cuda_layers[net->layer[i].kind].forward(&pass, i, linear, &x, &taken);
    if (status != SAC_OK) return status;
    for (int32_t end = i + taken; i < end; i++) linear += net->layer[i].kind == SAC_LINEAR;
  }
  return SAC_OK;
}

sac_status sac_cuda_net_backward(const sac_agent* agent, const sac_passes* passes, const sac_device_trace* trace,
                                 const float* d_head, float* const d[SAC_LAYERS_MAX], int to_input) {
  const sac_cuda_pass pass = {agent, passes, trace, d_head, d, to_input};
  const sac_net* net = passes->nets->net;

  /* Without d_head the head and the activation before it are behind us. */
  int32_t linear = net->layers - (d_head ? 1 : 2);
  for (int32_t i = net->count - (d_head ? 1 : 3), taken; i > 0;) {
    const sac_status status = sac_cuda_layers[net->layer[i].kind].backward(&pass, i, linear, &taken);
    if (status != SAC_OK) return status;
    for (int32_t end = i - taken; i > end; i--) linear -= net->layer[i].kind == SAC_LINEAR;
  }
  return SAC_OK;
}

sac_status sac_cuda_net_gradients(const sac_agent* agent, const sac_passes* passes, const sac_device_trace* trace,
                                  const float* d_head, float* const d[SAC_LAYERS_MAX]) {
  const sac_gpu* gpu = sac_gpu_of(agent);
  const sac_cuda_pass pass = {agent, passes, trace, d_head, d, 0};
  const sac_net* net = passes->nets->net;
  sac_column_sums_args sums = {.nets = passes->count, .rows = passes->rows};
  sac_matrices x = passes->x;
  sac_status status = SAC_OK;
  for (int32_t i = 0, linear = 0; i < net->count; i++) {
    const sac_layer* layer = &net->layer[i];
    if (sac_layer_types[layer->kind].tensors > 0)
      SAC_TRY(sac_cuda_layers[layer->kind].gradient(&pass, i, linear, x, &sums));
    if (layer->kind != SAC_LINEAR || linear == net->layers - 1) continue;
    x = (sac_matrices){trace->h[linear], (size_t)trace->rows * (size_t)layer->out};
    linear++;
  }
  SAC_CUDA_TRY(gpu, sac_net_column_sums(gpu->stream, &sums));
fail:
  return status;
}
