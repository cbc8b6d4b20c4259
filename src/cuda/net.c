/* Networks on the device: products, and the kernels between them. */
#include <string.h>

#include "cuda/cuda.h"
#include "util/error.h"

/* Offsets of a layer's weights and biases in the slabs, for network `first` of a group. */
static size_t weight_at(const sac_nets* nets, int32_t first, int32_t layer) {
  return nets->start + (size_t)first * nets->each + (nets->net->weight[layer] - nets->net->weight[0]);
}

static size_t bias_at(const sac_nets* nets, int32_t first, int32_t layer) {
  return nets->start + (size_t)first * nets->each + (nets->net->bias[layer] - nets->net->weight[0]);
}

static sac_precision precision_of(const sac_agent* agent) { return (sac_precision)agent->settings.precision; }

sac_device_trace sac_cuda_trace_from(const sac_device_trace* trace, const sac_net* net, int32_t first) {
  sac_device_trace part = *trace;
  for (int32_t l = 0; l + 1 < net->layers; ++l)
    part.h[l] += (size_t)first * (size_t)trace->rows * (size_t)net->size[l + 1];
  return part;
}

sac_head sac_cuda_net_head(const sac_gpu* gpu, const sac_nets* nets, int32_t first, const sac_device_trace* trace) {
  const sac_net* net = nets->net;
  const int32_t head = net->layers - 1, last = head - 1;
  return (sac_head){.hidden = trace->h[last],
                    .hidden_bias = gpu->weights + bias_at(nets, first, last),
                    .weight = gpu->weights + weight_at(nets, first, head),
                    .bias = gpu->weights + bias_at(nets, first, head),
                    .hidden_stride = (size_t)trace->rows * (size_t)net->size[head],
                    .weight_stride = nets->each,
                    .width = net->size[head]};
}

sac_status sac_cuda_net_forward(const sac_agent* agent, const sac_passes* passes, const sac_device_trace* trace) {
  const sac_gpu* gpu = sac_gpu_of(agent);
  const sac_nets* nets = passes->nets;
  const sac_net* net = nets->net;
  const int32_t head = net->layers - 1, one_output = net->size[net->layers] == 1;
  sac_matrices x = passes->x;
  sac_status status = SAC_OK;
  for (int32_t l = 0; l < (one_output ? head : net->layers); ++l) {
    /* the product of the layer */
    const sac_matrices weight = {gpu->weights + weight_at(nets, passes->first, l), nets->each};
    float* y = l == head ? trace->out : trace->h[l];
    const size_t stride = (size_t)trace->rows * (size_t)net->size[l + 1];
    SAC_TRY(sac_cuda_product(gpu->blas, precision_of(agent), SAC_PRODUCT_FORWARD, passes->count, passes->rows,
                             net->size[l + 1], net->size[l], weight, x, y, stride));

    /* bias and ReLU, unless the head's kernel computes them */
    if (l < head && !(one_output && l == head - 1)) {
      const sac_bias_relu_args args = {.y = y,
                                       .bias = gpu->weights + bias_at(nets, passes->first, l),
                                       .y_stride = stride,
                                       .bias_stride = nets->each,
                                       .nets = passes->count,
                                       .rows = passes->rows,
                                       .width = net->size[l + 1]};
      SAC_CUDA_TRY(gpu, sac_net_bias_relu(gpu->stream, &args));
    }
    x = (sac_matrices){y, stride};
  }
fail:
  return status;
}

sac_status sac_cuda_net_backward(const sac_agent* agent, const sac_passes* passes, const sac_device_trace* trace,
                                 const float* d_head, float* const d[SAC_LAYERS_MAX], int to_input) {
  const sac_gpu* gpu = sac_gpu_of(agent);
  const sac_nets* nets = passes->nets;
  const sac_net* net = nets->net;
  const size_t rows = (size_t)passes->rows;
  sac_status status = SAC_OK;
  for (int32_t l = d_head ? net->layers - 1 : net->layers - 2; l > 0; --l) {
    /* the gradient by the layer's input */
    const float* from = l == net->layers - 1 ? d_head : d[l];
    const sac_matrices weight = {gpu->weights + weight_at(nets, passes->first, l), nets->each};
    const sac_matrices upper = {from, rows * (size_t)net->size[l + 1]};
    SAC_TRY(sac_cuda_product(gpu->blas, precision_of(agent), SAC_PRODUCT_BACKWARD, passes->count, passes->rows,
                             net->size[l + 1], net->size[l], weight, upper, d[l - 1], rows * (size_t)net->size[l]));

    /* by the pre-activation below it */
    if (to_input && l == 1) continue;
    const sac_relu_grad_args args = {.d = d[l - 1],
                                     .y = trace->h[l - 1],
                                     .d_stride = rows * (size_t)net->size[l],
                                     .y_stride = (size_t)trace->rows * (size_t)net->size[l],
                                     .nets = passes->count,
                                     .rows = passes->rows,
                                     .width = net->size[l]};
    SAC_CUDA_TRY(gpu, sac_net_relu_grad(gpu->stream, &args));
  }
fail:
  return status;
}

sac_status sac_cuda_net_gradients(const sac_agent* agent, const sac_passes* passes, const sac_device_trace* trace,
                                  const float* d_head, float* const d[SAC_LAYERS_MAX]) {
  const sac_gpu* gpu = sac_gpu_of(agent);
  const sac_nets* nets = passes->nets;
  const sac_net* net = nets->net;
  const int32_t head = net->layers - 1;
  const size_t rows = (size_t)passes->rows;
  sac_column_sums_args sums = {.nets = passes->count, .rows = passes->rows};
  sac_matrices x = passes->x;
  sac_status status = SAC_OK;
  for (int32_t l = 0; l < net->layers; ++l) {
    const float* upper = l == head ? d_head : d[l];
    const size_t out = (size_t)net->size[l + 1];
    float* weight = gpu->grad + weight_at(nets, passes->first, l);

    /* biases: sums over the rows */
    sums.job[sums.jobs++] = (sac_column_job){.x = upper,
                                             .sum = gpu->grad + bias_at(nets, passes->first, l),
                                             .x_stride = rows * out,
                                             .sum_stride = nets->each,
                                             .width = net->size[l + 1]};

    /* weights: a product; for a head with one output, weighted sums over the rows */
    if (out == 1 && l == head) {
      sums.job[sums.jobs++] = (sac_column_job){.x = x.data,
                                               .factor = upper,
                                               .sum = weight,
                                               .x_stride = x.stride,
                                               .factor_stride = rows,
                                               .sum_stride = nets->each,
                                               .width = net->size[l]};
    } else {
      SAC_TRY(sac_cuda_product(gpu->blas, precision_of(agent), SAC_PRODUCT_GRADIENT, passes->count, passes->rows,
                               net->size[l + 1], net->size[l], x, (sac_matrices){upper, rows * out}, weight,
                               nets->each));
    }
    if (l < head) x = (sac_matrices){trace->h[l], (size_t)trace->rows * out};
  }
  SAC_CUDA_TRY(gpu, sac_net_column_sums(gpu->stream, &sums));
fail:
  return status;
}
