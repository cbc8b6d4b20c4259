/* Weight gradients, one block of rows at a time, and Adam's step on the block while it is still in the cache. */
#include <math.h>

#include "cpu/cpu.h"
#include "cpu/layers.h"

sac_adam_step sac_cpu_adam_step(const sac_agent* agent, int32_t p, double lr, int may_hold) {
  const sac_adam_hold none = {0, 0};
  const uint64_t t = sac_adam_number(may_hold ? agent->hold[p] : none, agent->counters[p].updates);
  if (t == 0) return sac_adam_still();
  return sac_adam_begin(t, lr, agent->settings.beta1, agent->settings.beta2, agent->settings.epsilon);
}

/* Applies Adam's step to `count` parameters from offset `at` of the slab on. step NULL: leaves them as they are.
 * Returns the squared norm of their gradient in both cases. */
static double step_run(const sac_cpu_job* job, size_t at, size_t count, const sac_adam_step* step) {
  const sac_cpu* cpu = job->cpu;
  const float* grad = sac_cpu_slab(cpu, SAC_MEMORY_GRAD, job->p) + at;

  /* without a step the norm alone is needed */
  if (!step) return cpu->isa->sum_squares(count, grad);
  return cpu->isa->adam(*step, count, sac_cpu_slab(cpu, SAC_MEMORY_WEIGHTS, job->p) + at, grad,
                        sac_cpu_slab(cpu, SAC_MEMORY_ADAM_M, job->p) + at,
                        sac_cpu_slab(cpu, SAC_MEMORY_ADAM_V, job->p) + at);
}

/* Returns the offset, in the slab, of the part of a layer's tensor that belongs to the block's outputs. *count: its
 * length in floats. */
static size_t run_of(const sac_layer* layer, int32_t tensor, const sac_cpu_block* block, size_t* count) {
  /* a weight has `in` numbers for each output, a bias has one */
  const size_t columns = sac_layer_types[layer->kind].tensor[tensor].rank > 1 ? (size_t)layer->in : 1;
  *count = (size_t)(block->to - block->from) * columns;
  return layer->tensor[tensor] + (size_t)block->from * columns;
}

/* Applies Adam's step to all tensors of a block, or none if step is NULL. Returns the squared norm of its gradient. */
static double step_block(const sac_cpu_job* job, const sac_layer* layer, const sac_cpu_block* block,
                         const sac_adam_step* step) {
  double norm = 0;
  for (int32_t t = 0; t < sac_layer_types[layer->kind].tensors; t++) {
    size_t count;
    const size_t at = run_of(layer, t, block, &count);
    norm += step_run(job, at, count, step);
  }
  return norm;
}

/* The memory that Adam's step on a block reads: its weights and their moments. The gradient's sums prefetch it. */
static sac_near stepped(const sac_cpu_job* job, const sac_layer* layer, const sac_cpu_block* block) {
  static const sac_memory slabs[] = {SAC_MEMORY_WEIGHTS, SAC_MEMORY_ADAM_M, SAC_MEMORY_ADAM_V};
  size_t count;
  const size_t at = run_of(layer, 0, block, &count);
  sac_near near = {.bytes = count * sizeof(float)};
  for (; near.count < SAC_LENGTH(slabs); near.count++)
    near.piece[near.count] = sac_cpu_slab(job->cpu, slabs[near.count], job->p) + at;
  return near;
}

/* Computes the gradient of a block, summed over all rows of the minibatch. step: not NULL if Adam's step follows. */
static void gradient(const sac_cpu_job* job, const sac_net* net, const sac_pass* pass, const sac_trace* trace,
                     const sac_cpu_block* block, const sac_adam_step* step) {
  const sac_cpu* cpu = job->cpu;
  const sac_layer* layer = &net->layer[block->layer];

  /* the layer's input: the minibatch for the first layer, else what the forward pass kept */
  const float* input = pass->at == SAC_NEXT ? job->minibatch->next : job->minibatch->current;
  const float* x = layer->buffer == 0 ? input : trace->t[layer->buffer - 1];

  /* sum over all rows; meanwhile prefetch what Adam's step reads */
  const sac_near near = stepped(job, layer, block);
  sac_cpu_layers[layer->kind].gradient(
      cpu->isa, layer, sac_trace_rows(trace, net, layer->buffer, 0), x, sac_cpu_batch_rows(cpu) * SAC_PANEL,
      block->from, block->to, sac_cpu_slab(cpu, SAC_MEMORY_GRAD, job->p), job->agent->shape.batch, step ? &near : NULL);
}

static double learning_rate(const sac_settings* settings, sac_group group) {
  return sac_auto(group == SAC_ACTOR ? settings->actor_lr : settings->critic_lr, settings->lr);
}

void sac_cpu_blocks_task(const sac_cpu_job* job, const sac_cpu_phase* phase, int32_t task, sac_cpu_thread* thread) {
  (void)thread;
  const sac_plan* plan = &job->cpu->plan;

  /* find the operation of this task; a GRADIENT and the ADAM of the same networks after it share their tasks */
  int32_t op = phase->from;
  int both;
  for (;; op += 1 + both) {
    both = op + 1 < phase->to && plan->op[op].kind == SAC_GRADIENT && plan->op[op + 1].kind == SAC_ADAM &&
           plan->op[op + 1].nets == plan->op[op].nets;
    if (task < job->cpu->blocks[plan->op[op].nets].count) break;
    task -= job->cpu->blocks[plan->op[op].nets].count;
  }

  /* find the task's block; `step` is NULL for a GRADIENT without an ADAM */
  const sac_group group = plan->op[op].nets;
  const sac_cpu_blocks* blocks = &job->cpu->blocks[group];
  const sac_cpu_block* block = &blocks->block[task];
  const sac_net* net = &job->agent->tensors.net[group][block->net];
  const sac_adam_step adam =
      sac_cpu_adam_step(job->agent, job->p, learning_rate(&job->agent->settings, group), group == SAC_ACTOR);
  const sac_adam_step* step = both || plan->op[op].kind == SAC_ADAM ? &adam : NULL;

  /* compute the gradient, make the step, and keep the squared norm for the statistics */
  if (plan->op[op].kind == SAC_GRADIENT) {
    const int32_t pass = plan->pass_of[op];
    gradient(job, net, &plan->pass[pass], &job->scratch->trace[pass][block->net], block, step);
  }
  job->scratch->norm[blocks->first + task] = step_block(job, &net->layer[block->layer], block, step);
}

double sac_cpu_sum_norms(const sac_cpu_job* job, sac_group group, double sum) {
  const sac_cpu_blocks* blocks = &job->cpu->blocks[group];
  for (int32_t i = 0; i < blocks->count; i++) sum += job->scratch->norm[blocks->first + i];
  return sum;
}
