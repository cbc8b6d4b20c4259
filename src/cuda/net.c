/* Networks on the device, layer by layer (cuda/layers.h). */
#include "cuda/layers.h"
#include "util/error.h"

sac_device_trace sac_cuda_trace_from(const sac_device_trace* trace, const sac_net* net, int32_t first) {
  sac_device_trace part = *trace;

  /* the last buffer is the head's output, which lies in `out` */
  for (int32_t b = 0; b + 1 < net->buffers; b++)
    part.h[b] += (size_t)first * (size_t)trace->rows * (size_t)net->width[b];
  if (part.out) part.out += (size_t)first * (size_t)trace->rows * (size_t)net->width[net->buffers - 1];
  return part;
}

sac_head sac_cuda_net_head(const sac_gpu* gpu, const sac_nets* nets, int32_t first, const sac_device_trace* trace) {
  const sac_net* net = nets->net;
  const sac_passes passes = {.nets = nets, .first = first};

  /* linear layers by number: the head, and the last hidden one */
  const int32_t head = net->layers - 1, last = head - 1;
  return (sac_head){.hidden = trace->h[last],
                    .hidden_bias = gpu->weights + sac_cuda_tensor_at(&passes, net->bias[last]),
                    .weight = gpu->weights + sac_cuda_tensor_at(&passes, net->weight[head]),
                    .bias = gpu->weights + sac_cuda_tensor_at(&passes, net->bias[head]),

                    /* from one network to the next */
                    .hidden_stride = (size_t)trace->rows * (size_t)net->size[head],
                    .weight_stride = nets->each,
                    .width = net->size[head]};
}

sac_status sac_cuda_net_forward(const sac_agent* agent, const sac_passes* passes, const sac_device_trace* trace) {
  const sac_cuda_pass pass = {.agent = agent, .passes = passes, .trace = trace};
  const sac_net* net = passes->nets->net;
  sac_matrices x = passes->x;

  /* each layer's function says how many layers it has done */
  for (int32_t i = 0, taken; i < net->count; i += taken) {
    const sac_status status = sac_cuda_layers[net->layer[i].kind].forward(&pass, i, &x, &taken);
    if (status != SAC_OK) return status;
  }
  return SAC_OK;
}

sac_status sac_cuda_net_backward(const sac_agent* agent, const sac_passes* passes, const sac_device_trace* trace,
                                 const float* d_head, float* const d[SAC_NET_LAYERS_MAX], int to_input) {
  const sac_cuda_pass pass = {agent, passes, trace, d_head, d, to_input};
  const sac_net* net = passes->nets->net;

  /* start at the head; without d_head below the head and its ReLU, which a kernel of head.cuh has done; end above
   * layer 0, because nobody reads the gradient of its input */
  for (int32_t i = net->count - (d_head ? 1 : 3), taken; i > 0; i -= taken) {
    const sac_status status = sac_cuda_layers[net->layer[i].kind].backward(&pass, i, &taken);
    if (status != SAC_OK) return status;
  }
  return SAC_OK;
}

sac_status sac_cuda_net_gradients(const sac_agent* agent, const sac_passes* passes, const sac_device_trace* trace,
                                  const float* d_head, float* const d[SAC_NET_LAYERS_MAX]) {
  const sac_gpu* gpu = sac_gpu_of(agent);
  const sac_cuda_pass pass = {agent, passes, trace, d_head, d, 0};
  const sac_net* net = passes->nets->net;
  sac_column_sums_args sums = {.nets = passes->count, .rows = passes->rows};
  sac_status status = SAC_OK;

  /* products of each layer with tensors; its sums over rows are collected in `sums` */
  for (int32_t i = 0; i < net->count; i++) {
    const sac_layer* layer = &net->layer[i];
    if (sac_layer_types[layer->kind].tensors == 0) continue;

    /* the layer's input: that of the network, or the buffer before its own */
    sac_matrices x = passes->x;
    if (layer->buffer > 0) x = (sac_matrices){trace->h[layer->buffer - 1], (size_t)trace->rows * (size_t)layer->in};
    SAC_TRY(sac_cuda_layers[layer->kind].gradient(&pass, i, x, &sums));
  }

  /* all sums in one launch */
  SAC_CUDA_TRY(gpu, sac_net_column_sums(gpu->stream, &sums));
fail:
  return status;
}
