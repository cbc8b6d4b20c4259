/* target update: Polyak, and the end of the update: stats into the totals, counters on by one. */
#include "cpu/cpu.h"

static void follow(const sac_team* team, int32_t task, sac_cpu_thread* thread) {
  (void)thread;
  const sac_cpu* cpu = team->cpu;
  const sac_cpu_follow* piece = &cpu->follow[task];
  cpu->isa->polyak(piece->count, sac_cpu_slab(cpu, SAC_MEMORY_TARGET, team->p) + piece->target,
                   sac_cpu_slab(cpu, SAC_MEMORY_WEIGHTS, team->p) + piece->source, (float)team->agent->settings.tau);
}

static void add_stats(sac_totals* totals, const sac_update_stats* stats) {
  sac_update_stats* sum = &totals->sum;
  ++totals->updates;
  sum->critic_loss += stats->critic_loss;
  sum->actor_loss += stats->actor_loss;
  sum->alpha_loss += stats->alpha_loss;
  sum->value_loss += stats->value_loss;
  sum->alpha += stats->alpha;
  sum->entropy += stats->entropy;
  sum->q_mean += stats->q_mean;
  sum->td_error += stats->td_error;
  sum->saturation += stats->saturation;
  sum->critic_grad += stats->critic_grad;
  sum->actor_grad += stats->actor_grad;
}

sac_status sac_cpu_target_update(sac_agent* agent) {
  const sac_cpu* cpu = agent->backend;
  const sac_phase phase = {follow, cpu->follows};
  sac_cpu_run(agent, &phase, 1);
  for (int32_t p = 0; p < agent->shape.population; ++p) {
    if (!agent->alive[p]) continue;
    add_stats(&agent->totals[p], &agent->stats[p]);
    ++agent->counters[p].updates;
  }
  return SAC_OK;
}
