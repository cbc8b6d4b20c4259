#include "cpu/net.h"

#include "cpu/layers.h"

void sac_net_forward(const sac_isa* isa, const sac_net* net, const float* weights, sac_rows x, const sac_trace* trace,
                     int32_t panel, int32_t rows) {
  const sac_cpu_pass pass = {isa, net, weights, trace, panel, rows};
  x.data += (size_t)panel * x.stride;

  /* a layer's function returns the number of layers that it evaluated: a linear layer includes the ReLU after it */
  for (int32_t i = 0; i < net->count;) i += sac_cpu_layers[net->layer[i].kind].forward(&pass, i, &x);
}

void sac_net_backward(const sac_isa* isa, const sac_net* net, const float* weights, const sac_trace* trace,
                      int32_t panel, int32_t rows) {
  const sac_cpu_pass pass = {isa, net, weights, trace, panel, rows};
  sac_rows d = sac_trace_rows(trace, net, net->buffers - 1, panel);

  /* go from the head down to layer 1; sac_net_input_grad computes the gradient with respect to the inputs of layer
   * 0 */
  for (int32_t i = net->count - 1; i > 0;) i -= sac_cpu_layers[net->layer[i].kind].backward(&pass, i, &d);
}

void sac_net_input_grad(const sac_isa* isa, const sac_net* net, const float* weights, const sac_trace* trace,
                        int32_t panel, int32_t rows, int32_t from, int32_t count, sac_rows d) {
  const sac_rows first = sac_trace_rows(trace, net, 0, panel);

  /* use only the columns of the first weight that belong to these inputs; no ReLU comes before them */
  isa->backward(weights + net->weight[0] + from, net->size[1], net->size[0], count, first, d, rows, 0);
}
