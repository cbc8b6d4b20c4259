/* Gradients of the actor's loss with respect to actions. The loss has min_k Q_k, so the gradient of a row goes back
 * through the smallest critic of that row only. The rows of each critic are gathered, which fills the panels of the
 * products. */
#include "cpu/cpu.h"
#include "kernels/bellman.h"

/* The pass that the gradients go back through: the critics at the actions of the policy. */
static int32_t pass_of(const sac_cpu_job* job) { return sac_plan_find(&job->cpu->plan, SAC_CRITIC, SAC_POLICY); }

void sac_cpu_sort_task(const sac_cpu_job* job, const sac_cpu_phase* phase, int32_t k, sac_cpu_thread* thread) {
  (void)phase;
  (void)thread;
  int32_t* row = job->scratch->row + (size_t)k * sac_cpu_batch_rows(job->cpu);

  /* list the rows that go back through critic k, in ascending order */
  int32_t count = 0;
  for (int32_t r = 0; r < job->agent->shape.batch; r++)
    if (job->scratch->choice[r] == k) row[count++] = r;
  job->scratch->rows[k] = count;
}

/* Computes dJ/da~ through critic k, for `count` rows from panel `panel` of the trace on. Overwrites the activations in
 * the trace. d_action: row panels (count/32, A, 32). */
static void back_to_actions(const sac_cpu_job* job, int32_t k, const sac_trace* trace, int32_t panel, int32_t count,
                            sac_rows d_action) {
  const sac_agent* agent = job->agent;
  const sac_net* net = &agent->tensors.net[SAC_CRITIC][k];
  const float* weights = sac_cpu_weights(job, net);
  const int32_t first = panel * SAC_PANEL;

  /* start from the gradient with respect to Q, divided by B for the mean */
  for (int32_t r = first; r < first + count; r++) trace->out[r] = sac_actor_loss_grad_q() / (float)agent->shape.batch;

  /* go back to the first hidden layer, and from there to the actions among the inputs */
  sac_net_backward(job->cpu->isa, net, weights, trace, panel, count);
  sac_net_input_grad(job->cpu->isa, net, weights, trace, panel, count, agent->shape.obs, agent->shape.action, d_action);
}

/* Copies the gradients of `count` gathered rows to where these rows stand in the minibatch: row[j] is the place of
 * gathered row j. */
static void scatter(const sac_cpu_job* job, const int32_t* row, int32_t count, const float* picked) {
  const int32_t actions = job->agent->shape.action;
  const size_t width = (size_t)actions * SAC_PANEL;
  for (int32_t j = 0; j < count; j++) {
    /* in row panels the components of a row are one panel width apart */
    const float* from = picked + (size_t)(j / SAC_PANEL) * width + j % SAC_PANEL;
    float* to = job->scratch->d_action + (size_t)(row[j] / SAC_PANEL) * width + row[j] % SAC_PANEL;
    for (int32_t i = 0; i < actions; i++) to[i * SAC_PANEL] = from[i * SAC_PANEL];
  }
}

void sac_cpu_input_grad_task(const sac_cpu_job* job, const sac_cpu_phase* phase, int32_t task, sac_cpu_thread* thread) {
  (void)phase;

  /* find the rows of this task: one chunk of the rows whose smallest critic is k */
  const int32_t k = task / job->cpu->chunks, panel = task % job->cpu->chunks * job->cpu->chunk_panels;
  const int32_t left = job->scratch->rows[k] - panel * SAC_PANEL, most = job->cpu->chunk_panels * SAC_PANEL,
                count = left < most ? left : most;
  const int32_t* row = job->scratch->row + (size_t)k * sac_cpu_batch_rows(job->cpu) + panel * SAC_PANEL;
  const sac_net* net = &job->agent->tensors.net[SAC_CRITIC][k];
  const sac_trace* trace = &job->scratch->trace[pass_of(job)][k];
  const size_t width = (size_t)job->agent->shape.action * SAC_PANEL;

  /* this critic has too few rows for the task to have any */
  if (count <= 0) return;

  /* if this critic is the smallest for all rows, work on its activations in place, without gathering */
  if (job->scratch->rows[k] == job->agent->shape.batch) {
    const sac_rows d_action = {job->scratch->d_action + (size_t)panel * width, width};
    back_to_actions(job, k, trace, panel, count, d_action);
    return;
  }

  /* gather the hidden activations of the rows, go back, and put the gradients where the rows stand */
  for (int32_t b = 0; b + 1 < net->buffers; b++)
    job->cpu->isa->pick(sac_trace_rows(trace, net, b, 0), net->width[b], row, count,
                        sac_trace_rows(&thread->picked, net, b, 0));
  back_to_actions(job, k, &thread->picked, 0, count, (sac_rows){thread->picked_action, width});
  scatter(job, row, count, thread->picked_action);
}
