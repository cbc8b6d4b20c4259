#include "cpu/layers.h"

#include "util/error.h"

/* --- storage of activations --------------------------------------------------------------------------------------- */

/* Transposes the output of a layer, row panels h, into feature panels t of the trace, for the weight gradient of the
 * next layer. */
static void keep(const sac_cpu_pass* pass, sac_rows h, int32_t features, float* t) {
  for (int32_t p = 0; p * SAC_PANEL < pass->rows; p++) {
    const int32_t left = pass->rows - p * SAC_PANEL, lanes = left < SAC_PANEL ? left : SAC_PANEL;

    /* blocks of 32 x 32; those at the edges are smaller */
    for (int32_t f = 0; f < features; f += SAC_PANEL)
      pass->isa->turn(
          h.data + (size_t)p * h.stride + (size_t)f * SAC_PANEL, SAC_PANEL,
          t + (size_t)(f / SAC_PANEL) * pass->trace->turned + (size_t)(pass->panel + p) * SAC_PANEL * SAC_PANEL,
          SAC_PANEL, features - f < SAC_PANEL ? features - f : SAC_PANEL, lanes);
  }
}

/* The memory that `keep` writes, one piece for each feature panel. The forward product prefetches it. */
static sac_near kept(const sac_cpu_pass* pass, int32_t features, float* t) {
  sac_near near = {.bytes = (size_t)pass->rows * SAC_PANEL * sizeof(float)};
  for (int32_t f = 0; f < features && near.count < SAC_NEAR_MAX; f += SAC_PANEL)
    near.piece[near.count++] =
        t + (size_t)(f / SAC_PANEL) * pass->trace->turned + (size_t)pass->panel * SAC_PANEL * SAC_PANEL;
  return near;
}

/* --- linear ------------------------------------------------------------------------------------------------------- */

static int is(const sac_net* net, int32_t i, sac_layer_kind kind) {
  return i >= 0 && i < net->count && net->layer[i].kind == kind;
}

/* Computes the layer, and in the same loop a ReLU after it. Keeps the output for weight gradients if the trace has
 * memory for it. */
static int32_t linear_forward(const sac_cpu_pass* pass, int32_t i, sac_rows* x) {
  const sac_net* net = pass->net;
  const sac_layer* layer = &net->layer[i];
  const int relu = is(net, i + 1, SAC_RELU);

  /* the output goes to the layer's buffer, and to feature panels if gradients will need it */
  const sac_rows y = sac_trace_rows(pass->trace, net, layer->buffer, pass->panel);
  float* t = pass->trace->t[layer->buffer];
  sac_near near = {0};
  if (t) near = kept(pass, layer->out, t);

  /* compute bias + W x; the panels to be written are prefetched meanwhile */
  pass->isa->forward(pass->weights + layer->tensor[0], pass->weights + layer->tensor[1], layer->out, layer->in, *x, y,
                     pass->rows, relu, &near);
  if (t) keep(pass, y, layer->out, t);

  /* the output is the input of the layer after the ReLU */
  *x = y;
  return 1 + relu;
}

/* Overwrites the layer's input with the gradient with respect to it. The gradient of a ReLU before the layer is part of
 * the same loop. */
static int32_t linear_backward(const sac_cpu_pass* pass, int32_t i, sac_rows* d) {
  const sac_layer* layer = &pass->net->layer[i];
  const int relu = is(pass->net, i - 1, SAC_RELU);

  /* x holds the layer's input, and then the gradient with respect to it; the product reads x only as ReLU's gate */
  const sac_rows x = sac_trace_rows(pass->trace, pass->net, layer->buffer - 1, pass->panel);
  pass->isa->backward(pass->weights + layer->tensor[0], layer->out, layer->in, layer->in, *d, x, pass->rows, relu);
  *d = x;
  return 1 + relu;
}

static void linear_gradient(const sac_isa* isa, const sac_layer* layer, sac_rows d, const float* x, size_t x_stride,
                            int32_t from, int32_t to, float* grad, int32_t rows, const sac_near* near) {
  isa->weight_grad(d, x, x_stride, layer->in, from, to, grad + layer->tensor[0], rows, near);
  isa->bias_grad(d, from, to, grad + layer->tensor[1], rows);
}

static int32_t linear_act(const sac_isa* isa, const sac_net* net, int32_t i, const float* weights, const float* x,
                          float* y, int32_t rows) {
  const sac_layer* layer = &net->layer[i];
  const int relu = is(net, i + 1, SAC_RELU);

  /* compute bias + W x, and ReLU if it is next */
  isa->dense(weights + layer->tensor[0], weights + layer->tensor[1], layer->out, layer->in, x, (size_t)layer->in, y,
             (size_t)layer->out, rows, relu);
  return 1 + relu;
}

/* --- the table ---------------------------------------------------------------------------------------------------- */

const sac_cpu_layer sac_cpu_layers[SAC_LAYER_KIND_COUNT] = {
    [SAC_LINEAR] = {linear_forward, linear_backward, linear_gradient, linear_act},
    [SAC_RELU] = {NULL, NULL, NULL, NULL}, /* runs inside the linear layers around it */
};

sac_status sac_cpu_check_net(const sac_net* net) {
  for (int32_t i = 0; i < net->count; i++) {
    const sac_layer_kind kind = net->layer[i].kind;

    /* a kind without functions runs inside the linear layer before it and, in the backward pass, after it */
    const int goes_along =
        is(net, i - 1, SAC_LINEAR) && i + 1 < net->count && sac_cpu_layers[net->layer[i + 1].kind].backward;
    if (sac_cpu_layers[kind].forward || goes_along) continue;
    return sac_fail(SAC_ERROR_CONFIG,
                    "layer %d of the network, %s, must stand behind a linear layer and before another", (int)i + 1,
                    sac_layer_types[kind].name);
  }
  return SAC_OK;
}
