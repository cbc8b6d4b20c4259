#include "agent/nets.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "util/error.h"

sac_status sac_host_nets_read(sac_host_nets* nets, const sac_agent* agent, int32_t p) {
  const size_t floats = agent->tensors.floats[SAC_SLAB_TRAINED];
  size_t widest = 1;
  *nets = (sac_host_nets){.agent = agent};

  /* allocate; the buffers hold the widest layer of any network */
  for (int group = 0; group < SAC_GROUP_COUNT; group++)
    for (int32_t b = 0; agent->tensors.nets[group] > 0 && b < agent->tensors.net[group][0].buffers; b++)
      if ((size_t)agent->tensors.net[group][0].width[b] > widest)
        widest = (size_t)agent->tensors.net[group][0].width[b];
  nets->weights = calloc(floats, sizeof(float));
  nets->unit = calloc(2 * widest, sizeof(double));
  if (!nets->weights || !nets->unit) return sac_fail(SAC_ERROR_MEMORY, "no memory for the networks of an agent");

  /* read all weights of the agent, and its temperature */
  const sac_status status = agent->backend->read(agent, SAC_MEMORY_WEIGHTS, p, 0, nets->weights, floats);
  nets->alpha = exp((double)nets->weights[agent->tensors.log_alpha]);
  return status;
}

void sac_host_nets_free(sac_host_nets* nets) {
  free(nets->weights);
  free(nets->unit);
  *nets = (sac_host_nets){0};
}

/* y = W x + b of a linear layer. */
static void linear(const sac_layer* layer, const float* weights, const double* x, double* y) {
  const float *weight = weights + layer->tensor[0], *bias = weights + layer->tensor[1];
  for (int32_t o = 0; o < layer->out; o++) {
    double sum = (double)bias[o];
    for (int32_t i = 0; i < layer->in; i++) sum += (double)weight[(size_t)o * (size_t)layer->in + (size_t)i] * x[i];
    y[o] = sum;
  }
}

void sac_host_nets_run(const sac_host_nets* nets, sac_group group, int32_t n, const double* x, double* y) {
  const sac_net* net = &nets->agent->tensors.net[group][n];
  size_t widest = 0;
  for (int32_t b = 0; b < net->buffers; b++)
    if ((size_t)net->width[b] > widest) widest = (size_t)net->width[b];

  /* layer by layer; a layer reads one half of the buffer and writes the other, the last one writes y */
  for (int32_t i = 0, turn = 0; i < net->count; i++) {
    const sac_layer* layer = &net->layer[i];
    double* out = i + 1 == net->count ? y : nets->unit + (size_t)(turn % 2) * widest;
    if (layer->kind == SAC_LINEAR) {
      linear(layer, nets->weights, x, out);
      turn++;
    } else {
      /* ReLU, in place behind a linear layer */
      out = nets->unit + (size_t)((turn + 1) % 2) * widest;
      for (int32_t k = 0; k < layer->out; k++) out[k] = x[k] > 0 ? x[k] : x[k] <= 0 ? 0 : x[k];
    }
    x = out;
  }
}
