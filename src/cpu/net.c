#include "cpu/net.h"

/* The panels from `panel` on of a tensor with `features` features. */
static sac_rows rows_at(float* data, int32_t features, int32_t panel) {
  const size_t stride = (size_t)features * SAC_PANEL;
  return (sac_rows){data + (size_t)panel * stride, stride};
}

/* Transposes the row panels of h into feature panels of the trace. */
static void keep(const sac_isa* isa, sac_rows h, int32_t features, float* t, size_t turned, int32_t panel,
                 int32_t rows) {
  for (int32_t p = 0; p * SAC_PANEL < rows; ++p) {
    const int32_t lanes = rows - p * SAC_PANEL < SAC_PANEL ? rows - p * SAC_PANEL : SAC_PANEL;
    for (int32_t f = 0; f < features; f += SAC_PANEL)
      isa->turn(h.data + (size_t)p * h.stride + (size_t)f * SAC_PANEL, SAC_PANEL,
                t + (size_t)(f / SAC_PANEL) * turned + (size_t)(panel + p) * SAC_PANEL * SAC_PANEL, SAC_PANEL,
                features - f < SAC_PANEL ? features - f : SAC_PANEL, lanes);
  }
}

/* The memory that `keep` will write, one piece for each feature panel. */
static sac_near kept(float* t, int32_t features, size_t turned, int32_t panel, int32_t rows) {
  sac_near near = {.bytes = (size_t)rows * SAC_PANEL * sizeof(float)};
  for (int32_t f = 0; f < features && near.count < SAC_NEAR_MAX; f += SAC_PANEL)
    near.piece[near.count++] = t + (size_t)(f / SAC_PANEL) * turned + (size_t)panel * SAC_PANEL * SAC_PANEL;
  return near;
}

void sac_net_forward(const sac_isa* isa, const sac_net* net, const float* weights, sac_rows x, const sac_trace* trace,
                     int32_t panel, int32_t rows) {
  const int32_t head = net->layers - 1;
  x.data += (size_t)panel * x.stride;
  for (int32_t l = 0; l <= head; ++l) {
    const sac_rows y = rows_at(l < head ? trace->h[l] : trace->out, net->size[l + 1], panel);
    sac_near near = {0};
    if (l < head && trace->t[l]) near = kept(trace->t[l], net->size[l + 1], trace->turned, panel, rows);
    isa->forward(weights + net->weight[l], weights + net->bias[l], net->size[l + 1], net->size[l], x, y, rows, l < head,
                 &near);
    if (l < head && trace->t[l]) keep(isa, y, net->size[l + 1], trace->t[l], trace->turned, panel, rows);
    x = y;
  }
}

void sac_net_backward(const sac_isa* isa, const sac_net* net, const float* weights, const sac_trace* trace,
                      int32_t panel, int32_t rows) {
  sac_rows d = rows_at(trace->out, net->size[net->layers], panel);
  for (int32_t l = net->layers - 1; l > 0; --l) {
    const sac_rows x = rows_at(trace->h[l - 1], net->size[l], panel);
    isa->backward(weights + net->weight[l], net->size[l + 1], net->size[l], net->size[l], d, x, rows, 1);
    d = x;
  }
}

sac_rows sac_trace_grad(const sac_trace* trace, const sac_net* net, int32_t layer) {
  return rows_at(layer == net->layers - 1 ? trace->out : trace->h[layer], net->size[layer + 1], 0);
}

void sac_net_input_grad(const sac_isa* isa, const sac_net* net, const float* weights, const sac_trace* trace,
                        int32_t panel, int32_t rows, int32_t from, int32_t count, sac_rows d) {
  sac_rows first = sac_trace_grad(trace, net, 0);
  first.data += (size_t)panel * first.stride;
  isa->backward(weights + net->weight[0] + from, net->size[1], net->size[0], count, first, d, rows, 0);
}
