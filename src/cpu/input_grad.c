/* Gradients with respect to actions: each row of the minibatch goes back through its smallest critic only. The rows of
 * one critic are gathered, so that the products work on full panels. */
#include "cpu/cpu.h"
#include "kernels/bellman.h"

/* The pass that the gradients go back through: the critics at the actions of the policy. */
static int32_t pass_of(const sac_cpu_job* job) { return sac_plan_find(&job->cpu->plan, SAC_CRITIC, SAC_POLICY); }

void sac_cpu_sort_task(const sac_cpu_job* job, const sac_cpu_phase* phase, int32_t k, sac_cpu_thread* thread) {
  (void)phase;
  (void)thread;
  int32_t* row = job->scratch->row + (size_t)k * sac_cpu_batch_rows(job->cpu);
  int32_t count = 0;
  for (int32_t r = 0; r < job->agent->shape.batch; r++)
    if (job->scratch->choice[r] == k) row[count++] = r;
  job->scratch->rows[k] = count;
}

/* Computes the gradient of the actor's loss with respect to actions, through critic k, for `count` rows from panel
 * `panel` of the trace on. */
static void back_to_actions(const sac_cpu_job* job, int32_t k, const sac_trace* trace, int32_t panel, int32_t count,
                            sac_rows d_action) {
  const sac_agent* agent = job->agent;
  const sac_net* net = &agent->tensors.net[SAC_CRITIC][k];
  const float* weights = sac_cpu_weights(job, net);
  const int32_t first = panel * SAC_PANEL;
  for (int32_t r = first; r < first + count; r++) trace->out[r] = sac_actor_loss_grad_q() / (float)agent->shape.batch;
  sac_net_backward(job->cpu->isa, net, weights, trace, panel, count);
  sac_net_input_grad(job->cpu->isa, net, weights, trace, panel, count, agent->shape.obs, agent->shape.action, d_action);
}

/* Copies the gradients of gathered rows to the places of these rows in the minibatch. */
static void scatter(const sac_cpu_job* job, const int32_t* row, int32_t count, const float* picked) {
  const int32_t actions = job->agent->shape.action;
  const size_t width = (size_t)actions * SAC_PANEL;
  for (int32_t j = 0; j < count; j++) {
    const float* from = picked + (size_t)(j / SAC_PANEL) * width + j % SAC_PANEL;
    float* to = job->scratch->d_action + (size_t)(row[j] / SAC_PANEL) * width + row[j] % SAC_PANEL;
    for (int32_t i = 0; i < actions; i++) to[i * SAC_PANEL] = from[i * SAC_PANEL];
  }
}

void sac_cpu_input_grad_task(const sac_cpu_job* job, const sac_cpu_phase* phase, int32_t task, sac_cpu_thread* thread) {
  (void)phase;

  /* find the rows of this task: a part of those whose smallest critic is k */
  const int32_t k = task / job->cpu->chunks, panel = task % job->cpu->chunks * job->cpu->chunk_panels;
  const int32_t left = job->scratch->rows[k] - panel * SAC_PANEL, most = job->cpu->chunk_panels * SAC_PANEL,
                count = left < most ? left : most;
  const int32_t* row = job->scratch->row + (size_t)k * sac_cpu_batch_rows(job->cpu) + panel * SAC_PANEL;
  const sac_net* net = &job->agent->tensors.net[SAC_CRITIC][k];
  const sac_trace* trace = &job->scratch->trace[pass_of(job)][k];
  const size_t width = (size_t)job->agent->shape.action * SAC_PANEL;
  if (count <= 0) return;

  /* without gathering, if this critic is the smallest for all rows */
  if (job->scratch->rows[k] == job->agent->shape.batch) {
    const sac_rows d_action = {job->scratch->d_action + (size_t)panel * width, width};
    back_to_actions(job, k, trace, panel, count, d_action);
    return;
  }

  for (int32_t b = 0; b + 1 < net->buffers; b++)
    job->cpu->isa->pick(sac_trace_rows(trace, net, b, 0), net->width[b], row, count,
                        sac_trace_rows(&thread->picked, net, b, 0));
  back_to_actions(job, k, &thread->picked, 0, count, (sac_rows){thread->picked_action, width});
  scatter(job, row, count, thread->picked_action);
}
