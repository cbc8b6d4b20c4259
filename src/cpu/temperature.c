/* temperature update: gradient of J_alpha by log alpha from the actor pass's log pi, and its Adam step. */
#include "kernels/temperature.h"

#include "cpu/cpu.h"

sac_status sac_cpu_temperature_update(sac_agent* agent) {
  const sac_cpu* cpu = agent->backend;
  const int32_t batch = agent->shape.batch;
  const size_t at = agent->tensors.log_alpha;
  const float entropy = (float)agent->target_entropy;
  for (int32_t p = 0; p < agent->shape.population; ++p) {
    if (!agent->alive[p]) continue;
    float* log_alpha = sac_cpu_slab(cpu, SAC_MEMORY_WEIGHTS, p) + at;
    const float* log_prob = cpu->minibatch[p].log_prob;
    double loss = 0, gradient = 0;
    for (int32_t r = 0; r < batch; ++r) {
      loss += (double)sac_alpha_loss(*log_alpha, log_prob[r], entropy);
      gradient += (double)sac_alpha_loss_grad(log_prob[r], entropy);
    }
    agent->stats[p].alpha_loss = loss / batch;
    if (!agent->settings.alpha_learn) continue;
    const float grad = (float)(gradient / batch);
    const sac_adam_step step = sac_cpu_adam_step(agent, p, sac_auto(agent->settings.alpha_lr, agent->settings.lr));
    sac_cpu_slab(cpu, SAC_MEMORY_GRAD, p)[at] = grad;
    *log_alpha = sac_adam(step, *log_alpha, grad, sac_cpu_slab(cpu, SAC_MEMORY_ADAM_M, p) + at,
                          sac_cpu_slab(cpu, SAC_MEMORY_ADAM_V, p) + at);
  }
  return SAC_OK;
}
