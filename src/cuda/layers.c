/* Layers on the device: forward, backward and gradients of each kind. */
#include "cuda/layers.h"

#include "util/error.h"

size_t sac_cuda_tensor_at(const sac_passes* passes, size_t offset) {
  const sac_nets* nets = passes->nets;
  return nets->start + (size_t)passes->first * nets->each + (offset - nets->net->weight[0]);
}

/* Whether the network has a layer i, and it is of this kind. */
static int is(const sac_net* net, int32_t i, sac_layer_kind kind) {
  return i >= 0 && i < net->count && net->layer[i].kind == kind;
}

/* Whether layer i is the last one. */
static int is_head(const sac_net* net, int32_t i) { return i == net->count - 1; }

static sac_precision precision_of(const sac_agent* agent) { return (sac_precision)agent->settings.precision; }

/* --- linear ------------------------------------------------------------------------------------------------------- */

/* Adds the bias of a hidden layer and applies ReLU, in place: y = relu(y + bias). */
static sac_status bias_relu(const sac_cuda_pass* pass, const sac_layer* layer, sac_matrices y) {
  const sac_gpu* gpu = sac_gpu_of(pass->agent);
  float* data = (float*)(uintptr_t)y.data; /* y is in the trace, which this pass writes */

  /* over (nets, rows, width) */
  const sac_bias_relu_args args = {.y = data,
                                   .bias = gpu->weights + sac_cuda_tensor_at(pass->passes, layer->tensor[1]),
                                   .y_stride = y.stride,
                                   .bias_stride = pass->passes->nets->each,
                                   .nets = pass->passes->count,
                                   .rows = pass->passes->rows,
                                   .width = layer->out};
  return sac_cuda_check(gpu->ordinal, sac_net_bias_relu(gpu->stream, &args), "net_bias_relu");
}

/* The product of a linear layer. A ReLU after the layer is done here too, together with the bias. If a head with one
 * output follows that ReLU, the head's kernel (sac_head) does bias, ReLU and head, so all three count as done here. The
 * bias of a wider head is left to the kernel that reads the head's output. */
static sac_status linear_forward(const sac_cuda_pass* pass, int32_t i, sac_matrices* x, int32_t* taken) {
  const sac_gpu* gpu = sac_gpu_of(pass->agent);
  const sac_passes* passes = pass->passes;
  const sac_net* net = passes->nets->net;
  const sac_layer* layer = &net->layer[i];

  /* what is done together */
  const int relu = is(net, i + 1, SAC_RELU), to_head = relu && is_head(net, i + 2) && net->layer[i + 2].out == 1;

  /* weights, and the place of the output: trace->rows may be more than passes->rows */
  const sac_matrices weight = {gpu->weights + sac_cuda_tensor_at(passes, layer->tensor[0]), passes->nets->each};
  float* y = is_head(net, i) ? pass->trace->out : pass->trace->h[layer->buffer];
  const size_t stride = (size_t)pass->trace->rows * (size_t)layer->out;
  const sac_matrices output = {y, stride};
  sac_status status = SAC_OK;

  /* y = x W^T, then bias and ReLU */
  SAC_TRY(sac_cuda_product(gpu->blas, precision_of(pass->agent), SAC_PRODUCT_FORWARD, passes->count, passes->rows,
                           layer->out, layer->in, weight, *x, y, stride));
  if (relu && !to_head) SAC_TRY(bias_relu(pass, layer, output));

  /* the next layer's input */
  *x = output;
  *taken = 1 + relu + to_head;
fail:
  return status;
}

/* The gradient with respect to a linear layer's input. A ReLU before the layer is done here too. Exception: with
 * to_input the caller's next kernel (actor_squash_grad) does the ReLU behind the first layer. */
static sac_status linear_backward(const sac_cuda_pass* pass, int32_t i, int32_t* taken) {
  const sac_gpu* gpu = sac_gpu_of(pass->agent);
  const sac_passes* passes = pass->passes;
  const sac_net* net = passes->nets->net;
  const sac_layer* layer = &net->layer[i];
  const size_t rows = (size_t)passes->rows, in = rows * (size_t)layer->in;
  const int relu = is(net, i - 1, SAC_RELU);

  /* from the gradient of the output (upper) to that of the input (lower) */
  const sac_matrices weight = {gpu->weights + sac_cuda_tensor_at(passes, layer->tensor[0]), passes->nets->each};
  const sac_matrices upper = {is_head(net, i) ? pass->d_head : pass->d[layer->buffer], rows * (size_t)layer->out};
  float* lower = pass->d[layer->buffer - 1];
  sac_status status = SAC_OK;

  /* dx = d W */
  SAC_TRY(sac_cuda_product(gpu->blas, precision_of(pass->agent), SAC_PRODUCT_BACKWARD, passes->count, passes->rows,
                           layer->out, layer->in, weight, upper, lower, in));
  *taken = 1 + relu;

  /* the ReLU: in place, by the layer's input */
  if (!relu || (pass->to_input && layer->buffer == 1)) return SAC_OK;
  const sac_relu_grad_args args = {.d = lower,
                                   .y = pass->trace->h[layer->buffer - 1],
                                   .d_stride = in,
                                   .y_stride = (size_t)pass->trace->rows * (size_t)layer->in,
                                   .nets = passes->count,
                                   .rows = passes->rows,
                                   .width = layer->in};
  SAC_CUDA_TRY(gpu, sac_net_relu_grad(gpu->stream, &args));
fail:
  return status;
}

/* Gradients of weights and bias. Sums over rows go to `sums`: the gradient of the bias, and that of the weights of a
 * head with one output. */
static sac_status linear_gradient(const sac_cuda_pass* pass, int32_t i, sac_matrices x, sac_column_sums_args* sums) {
  const sac_gpu* gpu = sac_gpu_of(pass->agent);
  const sac_passes* passes = pass->passes;
  const sac_net* net = passes->nets->net;
  const sac_layer* layer = &net->layer[i];
  const size_t rows = (size_t)passes->rows, out = rows * (size_t)layer->out, each = passes->nets->each;
  const float* upper = is_head(net, i) ? pass->d_head : pass->d[layer->buffer];
  float* weight = gpu->grad + sac_cuda_tensor_at(passes, layer->tensor[0]);
  float* bias = gpu->grad + sac_cuda_tensor_at(passes, layer->tensor[1]);

  /* bias: the sum of d over the rows */
  sums->job[sums->jobs++] =
      (sac_column_job){.x = upper, .sum = bias, .x_stride = out, .sum_stride = each, .width = layer->out};

  /* weights: d^T x, a product */
  if (layer->out > 1 || !is_head(net, i))
    return sac_cuda_product(gpu->blas, precision_of(pass->agent), SAC_PRODUCT_GRADIENT, passes->count, passes->rows,
                            layer->out, layer->in, x, (sac_matrices){upper, out}, weight, each);

  /* weights of one output: the sum of d x over the rows */
  sums->job[sums->jobs++] = (sac_column_job){.x = x.data,
                                             .factor = upper,
                                             .sum = weight,
                                             .x_stride = x.stride,
                                             .factor_stride = rows,
                                             .sum_stride = each,
                                             .width = layer->in};
  return SAC_OK;
}

/* --- the table ---------------------------------------------------------------------------------------------------- */

const sac_cuda_layer sac_cuda_layers[SAC_LAYER_KIND_COUNT] = {
    [SAC_LINEAR] = {linear_forward, linear_backward, linear_gradient},
    [SAC_RELU] = {NULL, NULL, NULL}, /* done with the linear layers around it */
};

/* The kernels of acting (act.cu, act_one.cu) evaluate no other layers, and those of head.cuh need a hidden layer. */
int sac_cuda_serves_network(const sac_settings* settings) {
  const sac_algorithm* algo = sac_algo_at(settings->algo);
  const sac_sizes* hidden = &settings->hidden;

  /* networks with one output go through head.cuh */
  int scalar = 0;
  for (int32_t i = 0; i < algo->network_count; i++) scalar |= algo->networks[i].out == SAC_VALUE_OF_ONE;
  return (hidden->count > 0 || !scalar) && sac_network_is_mlp(settings->network_kind, hidden->size, hidden->count);
}
