/* critic update: next action, target, TD error, gradient and Adam step of the critics; sac-v: every gradient of the
 * update, and the steps of critics and value network. */
#include <math.h>
#include <string.h>

#include "cpu/cpu.h"
#include "kernels/bellman.h"
#include "kernels/temperature.h"

static const float* weights_of(const sac_team* team) { return sac_cpu_slab(team->cpu, SAC_MEMORY_WEIGHTS, team->p); }
static const float* targets_of(const sac_team* team) { return sac_cpu_slab(team->cpu, SAC_MEMORY_TARGET, team->p); }

float sac_cpu_alpha(const sac_team* team) { return sac_alpha(weights_of(team)[team->agent->tensors.log_alpha]); }

/* [sac.target] y for the chunk's rows: a' ~ pi(.|s'), the smallest target critic at (s', a'). */
static void soft_target(const sac_team* team, int32_t panel, int32_t rows, sac_cpu_thread* thread) {
  const sac_agent* agent = team->agent;
  const sac_cpu* cpu = team->cpu;
  const sac_cpu_minibatch* minibatch = team->minibatch;
  const sac_rows next = sac_rows_from(team->set->next, panel);
  const int32_t first = panel * SAC_PANEL, stride = cpu->chunk_panels * SAC_PANEL;
  float* log_prob = team->set->target + first; /* until y takes its place */
  sac_cpu_policy_sample(team, next, &thread->pass, 0, panel, rows, minibatch->next_noise, log_prob, thread);
  for (int32_t k = 0; k < agent->shape.critics; ++k) {
    sac_net_forward(cpu->isa, &agent->tensors.critic_target[k], targets_of(team), next, &thread->pass, 0, rows);
    memcpy(thread->q + (size_t)k * (size_t)stride, thread->pass.out, (size_t)rows * sizeof(float));
  }
  const float alpha = sac_cpu_alpha(team), scale = (float)agent->settings.reward_scale,
              gamma = (float)agent->settings.gamma;
  for (int32_t r = 0; r < rows; ++r) {
    int unused;
    const float smallest = sac_min_critic(thread->q + r, (size_t)stride, agent->shape.critics, &unused);
    team->set->target[first + r] =
        sac_target(minibatch->reward[first + r], scale, gamma, minibatch->terminated[first + r],
                   sac_soft_value(smallest, alpha, log_prob[r]));
  }
}

/* [sac-v.target] y from the target value network at s'. */
static void value_target(const sac_team* team, int32_t panel, int32_t rows, sac_cpu_thread* thread) {
  const sac_agent* agent = team->agent;
  const sac_cpu_minibatch* minibatch = team->minibatch;
  const int32_t first = panel * SAC_PANEL;
  sac_net_forward(team->cpu->isa, &agent->tensors.value_target, targets_of(team), sac_rows_from(team->set->next, panel),
                  &thread->pass, 0, rows);
  const float scale = (float)agent->settings.reward_scale, gamma = (float)agent->settings.gamma;
  for (int32_t r = 0; r < rows; ++r)
    team->set->target[first + r] =
        sac_target(minibatch->reward[first + r], scale, gamma, minibatch->terminated[first + r], thread->pass.out[r]);
}

/* Squared loss of one network with one output towards target: keeps the output, puts the gradient in its place (the
 * mean over B rows divides), and goes back through the network. */
static void regress(const sac_team* team, const sac_net* net, const sac_trace* trace, const float* target,
                    float* output, int32_t panel, int32_t rows) {
  const int32_t first = panel * SAC_PANEL;
  const float share = 1.0f / (float)team->agent->shape.batch;
  for (int32_t r = first; r < first + rows; ++r) {
    output[r] = trace->out[r];
    trace->out[r] = share * sac_square_loss_grad(output[r], target[r]);
  }
  sac_net_backward(team->cpu->isa, net, weights_of(team), trace, panel, rows);
}

static void critics_chunk(const sac_team* team, int32_t panel, int32_t rows) {
  const sac_agent* agent = team->agent;
  sac_cpu_set* set = team->set;
  const size_t batch_rows = (size_t)team->cpu->panels * SAC_PANEL;
  for (int32_t k = 0; k < agent->shape.critics; ++k) {
    const sac_net* net = &agent->tensors.critic[k];
    sac_net_forward(team->cpu->isa, net, weights_of(team), set->current, &set->critic[k], panel, rows);
    regress(team, net, &set->critic[k], set->target, set->q + (size_t)k * batch_rows, panel, rows);
  }
}

static void sac_chunk(const sac_team* team, int32_t task, sac_cpu_thread* thread) {
  const sac_shape* shape = &team->agent->shape;
  const int32_t panel = task * team->cpu->chunk_panels, rows = sac_chunk_rows(team, task);
  sac_cpu_turn_in(team->cpu, team->minibatch->next, shape->obs, team->set->next, panel, rows);
  sac_cpu_turn_in(team->cpu, team->minibatch->current, shape->obs + shape->action, team->set->current, panel, rows);
  soft_target(team, panel, rows, thread);
  critics_chunk(team, panel, rows);
}

static void sac_v_chunk(const sac_team* team, int32_t task, sac_cpu_thread* thread) {
  const sac_agent* agent = team->agent;
  const sac_shape* shape = &agent->shape;
  sac_cpu_set* set = team->set;
  const int32_t panel = task * team->cpu->chunk_panels, rows = sac_chunk_rows(team, task), first = panel * SAC_PANEL;
  sac_cpu_turn_in(team->cpu, team->minibatch->next, shape->obs, set->next, panel, rows);
  sac_cpu_turn_in(team->cpu, team->minibatch->current, shape->obs + shape->action, set->current, panel, rows);
  value_target(team, panel, rows, thread);
  critics_chunk(team, panel, rows);
  sac_cpu_policy_chunk(team, panel, rows, thread);
  /* [sac-v.value-target] from the same a~ as the actor's loss */
  const float alpha = sac_cpu_alpha(team);
  for (int32_t r = first; r < first + rows; ++r)
    set->v_target[r] = sac_soft_value(set->smallest[r], alpha, team->minibatch->log_prob[r]);
  sac_net_forward(team->cpu->isa, &agent->tensors.value, weights_of(team), set->current, &set->value, panel, rows);
  regress(team, &agent->tensors.value, &set->value, set->v_target, set->v, panel, rows);
}

/* Blocks of the critics, then of the value network, each with its Adam step; sac-v: then the actor's, without. */
static void gradient_block(const sac_team* team, int32_t task, sac_cpu_thread* thread) {
  (void)thread;
  const sac_agent* agent = team->agent;
  const sac_cpu* cpu = team->cpu;
  if (task >= cpu->critic_blocks.count) {
    sac_cpu_block_run(team, &agent->tensors.actor, &team->set->actor,
                      &cpu->actor_blocks.block[task - cpu->critic_blocks.count], NULL, task);
    return;
  }
  const sac_cpu_block* block = &cpu->critic_blocks.block[task];
  const int value = block->net == agent->shape.critics;
  const sac_adam_step step = sac_cpu_adam_step(agent, team->p, sac_auto(agent->settings.critic_lr, agent->settings.lr));
  sac_cpu_block_run(team, value ? &agent->tensors.value : &agent->tensors.critic[block->net],
                    value ? &team->set->value : &team->set->critic[block->net], block, &step, task);
}

/* Means over the minibatch, in the order of rows. */
static void critic_stats(const sac_team* team, int32_t task, sac_cpu_thread* thread) {
  (void)task;
  (void)thread;
  const sac_agent* agent = team->agent;
  const sac_cpu_set* set = team->set;
  const size_t batch_rows = (size_t)team->cpu->panels * SAC_PANEL;
  const int32_t batch = agent->shape.batch, critics = agent->shape.critics;
  double loss = 0, q_sum = 0, error = 0, value_loss = 0;
  for (int32_t k = 0; k < critics; ++k) {
    const float* q = set->q + (size_t)k * batch_rows;
    for (int32_t r = 0; r < batch; ++r) {
      loss += (double)sac_square_loss(q[r], set->target[r]);
      q_sum += (double)q[r];
      error += fabs((double)sac_td_error(q[r], set->target[r]));
    }
  }
  if (agent->tensors.value.layers > 0)
    for (int32_t r = 0; r < batch; ++r) value_loss += (double)sac_square_loss(set->v[r], set->v_target[r]);
  sac_update_stats* stats = &agent->stats[team->p];
  memset(stats, 0, sizeof *stats);
  stats->critic_loss = loss / batch;
  stats->value_loss = value_loss / batch;
  stats->alpha = (double)sac_cpu_alpha(team);
  stats->q_mean = q_sum / ((double)batch * critics);
  stats->td_error = error / ((double)batch * critics);
  stats->critic_grad = sac_cpu_norm(set, 0, team->cpu->critic_blocks.count);
  if (agent->settings.algo == SAC_ALGO_SAC_V) sac_cpu_actor_stats(team, team->cpu->critic_blocks.count);
}

sac_status sac_cpu_critic_update(sac_agent* agent) {
  const sac_cpu* cpu = agent->backend;
  const int all_at_once = agent->settings.algo == SAC_ALGO_SAC_V;
  const sac_phase phases[] = {
      {all_at_once ? sac_v_chunk : sac_chunk, cpu->chunks},
      {gradient_block, cpu->critic_blocks.count + (all_at_once ? cpu->actor_blocks.count : 0)},
      {critic_stats, 1},
  };
  sac_cpu_run(agent, phases, 3);
  return SAC_OK;
}
