/* Weight gradients, a block of rows at a time, and Adam's step on the block while it is warm. */
#include <math.h>

#include "cpu/cpu.h"

sac_adam_step sac_cpu_adam_step(const sac_agent* agent, int32_t p, double lr) {
  return sac_adam_begin(agent->counters[p].updates + 1, lr, agent->settings.beta1, agent->settings.beta2,
                        agent->settings.epsilon);
}

/* One contiguous run of a tensor, offset `at`: Adam, or its squared norm alone. */
static double step_run(const sac_team* team, size_t at, size_t count, const sac_adam_step* step) {
  const sac_cpu* cpu = team->cpu;
  const float* grad = sac_cpu_slab(cpu, SAC_MEMORY_GRAD, team->p) + at;
  if (!step) return cpu->isa->sum_squares(count, grad);
  return cpu->isa->adam(*step, count, sac_cpu_slab(cpu, SAC_MEMORY_WEIGHTS, team->p) + at, grad,
                        sac_cpu_slab(cpu, SAC_MEMORY_ADAM_M, team->p) + at,
                        sac_cpu_slab(cpu, SAC_MEMORY_ADAM_V, team->p) + at);
}

static double step_block(const sac_team* team, const sac_net* net, const sac_cpu_block* block,
                         const sac_adam_step* step) {
  const size_t in = (size_t)net->size[block->layer], from = (size_t)block->from,
               count = (size_t)(block->to - block->from);
  const double weights = step_run(team, net->weight[block->layer] + from * in, count * in, step);
  return weights + step_run(team, net->bias[block->layer] + from, count, step);
}

/* The weights of a block and their moments, which Adam's step will want. */
static sac_near stepped(const sac_team* team, const sac_net* net, const sac_cpu_block* block) {
  static const sac_memory slabs[] = {SAC_MEMORY_WEIGHTS, SAC_MEMORY_ADAM_M, SAC_MEMORY_ADAM_V};
  const size_t in = (size_t)net->size[block->layer], at = net->weight[block->layer] + (size_t)block->from * in;
  sac_near near = {.bytes = (size_t)(block->to - block->from) * in * sizeof(float)};
  for (; near.count < (int32_t)(sizeof slabs / sizeof *slabs); ++near.count)
    near.piece[near.count] = sac_cpu_slab(team->cpu, slabs[near.count], team->p) + at;
  return near;
}

void sac_cpu_block_run(const sac_team* team, const sac_net* net, const sac_trace* trace, const sac_cpu_block* block,
                       const sac_adam_step* step, int32_t slot) {
  const sac_cpu* cpu = team->cpu;
  const int32_t l = block->layer, batch = team->agent->shape.batch;
  const sac_rows d = sac_trace_grad(trace, net, l);
  const float* x = l == 0 ? team->minibatch->current : trace->t[l - 1];
  const size_t x_stride = (size_t)cpu->panels * SAC_PANEL * SAC_PANEL;
  float* grad = sac_cpu_slab(cpu, SAC_MEMORY_GRAD, team->p);
  const sac_near near = stepped(team, net, block);
  cpu->isa->weight_grad(d, x, x_stride, net->size[l], block->from, block->to, grad + net->weight[l], batch,
                        step ? &near : NULL);
  cpu->isa->bias_grad(d, block->from, block->to, grad + net->bias[l], batch);
  team->set->norm[slot] = step_block(team, net, block, step);
}

void sac_cpu_block_adam(const sac_team* team, const sac_net* net, const sac_cpu_block* block,
                        const sac_adam_step* step) {
  (void)step_block(team, net, block, step);
}

double sac_cpu_norm(const sac_cpu_set* set, int32_t from, int32_t count) {
  double sum = 0;
  for (int32_t i = from; i < from + count; ++i) sum += set->norm[i];
  return sqrt(sum);
}
