/* The step of the temperature: the gradient of J_alpha with respect to log alpha, from log pi(a~|s) of all rows, and
 * Adam's step on log alpha. */
#include "kernels/temperature.h"

#include <math.h>

#include "cpu/cpu.h"

void sac_cpu_temperature_task(const sac_cpu_job* job, const sac_cpu_phase* phase, int32_t task,
                              sac_cpu_thread* thread) {
  (void)phase;
  (void)task;
  (void)thread;
  const sac_agent* agent = job->agent;
  const sac_cpu* cpu = job->cpu;
  const int32_t batch = agent->shape.batch;
  const size_t at = agent->tensors.log_alpha;
  const float target_entropy = (float)agent->target_entropy;

  /* a fixed temperature stays as it is */
  if (!agent->settings.alpha_learn) return;

  /* average the gradient over the rows; the sum is in double, in the order of rows */
  double sum = 0;
  for (int32_t r = 0; r < batch; r++) sum += (double)sac_alpha_loss_grad(job->minibatch->log_prob[r], target_entropy);
  const float gradient = (float)(sum / batch);

  /* make the step, keep the gradient in its slab, and keep alpha within its bounds */
  float* log_alpha = sac_cpu_slab(cpu, SAC_MEMORY_WEIGHTS, job->p) + at;
  const sac_adam_step step =
      sac_cpu_adam_step(agent, job->p, sac_auto(agent->settings.alpha_lr, agent->settings.lr), 1);
  sac_cpu_slab(cpu, SAC_MEMORY_GRAD, job->p)[at] = gradient;
  *log_alpha = sac_adam(step, *log_alpha, gradient, sac_cpu_slab(cpu, SAC_MEMORY_ADAM_M, job->p) + at,
                        sac_cpu_slab(cpu, SAC_MEMORY_ADAM_V, job->p) + at);
  *log_alpha =
      sac_alpha_bounded(*log_alpha, (float)log(agent->settings.alpha_min), (float)log(agent->settings.alpha_max));
}
