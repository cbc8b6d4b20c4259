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

/* a' ~ pi(.|s') of the chunk's rows: the action beside next_obs, its log-probability where y will be. */
static void next_action_chunk(const sac_team* team, int32_t task, sac_cpu_thread* thread) {
  const sac_shape* shape = &team->agent->shape;
  const int32_t panel = task * team->cpu->chunk_panels, rows = sac_chunk_rows(team, task);
  sac_cpu_turn_in(team->cpu, team->minibatch->next, shape->obs, team->set->next, panel, rows);
  sac_cpu_turn_in(team->cpu, team->minibatch->current, shape->obs + shape->action, team->set->current, panel, rows);
  sac_cpu_policy_sample(team, team->set->next, &thread->pass, 0, panel, rows, team->minibatch->next_noise,
                        team->set->target);
}

/* Qbar_k(s', a') of a chunk. */
static void target_critic_chunk(const sac_team* team, int32_t task, sac_cpu_thread* thread) {
  const sac_cpu* cpu = team->cpu;
  const int32_t k = task / cpu->chunks, chunk = task % cpu->chunks, panel = chunk * cpu->chunk_panels,
                rows = sac_chunk_rows(team, chunk);
  sac_net_forward(cpu->isa, &team->agent->tensors.critic_target[k], targets_of(team),
                  sac_rows_from(team->set->next, panel), &thread->pass, 0, rows);
  memcpy(sac_cpu_critic_row(team, team->set->judged, k) + panel * SAC_PANEL, thread->pass.out,
         (size_t)rows * sizeof(float));
}

/* [sac.target] y of all rows, from the smallest target critic. */
static void soft_target(const sac_team* team, int32_t task, sac_cpu_thread* thread) {
  (void)task;
  (void)thread;
  const sac_agent* agent = team->agent;
  const sac_cpu_minibatch* minibatch = team->minibatch;
  const float alpha = sac_cpu_alpha(team), scale = (float)agent->settings.reward_scale,
              gamma = (float)agent->settings.gamma;
  float* target = team->set->target;
  for (int32_t r = 0; r < agent->shape.batch; ++r) {
    int unused;
    const float smallest =
        sac_min_critic(team->set->judged + r, sac_cpu_batch_rows(team->cpu), agent->shape.critics, &unused);
    target[r] = sac_target(minibatch->reward[r], scale, gamma, minibatch->terminated[r],
                           sac_soft_value(smallest, alpha, target[r]));
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

/* Critic k at (s, a): forward, its loss, back. */
static void critic_rows(const sac_team* team, int32_t k, int32_t panel, int32_t rows) {
  sac_cpu_set* set = team->set;
  const sac_net* net = &team->agent->tensors.critic[k];
  sac_net_forward(team->cpu->isa, net, weights_of(team), set->current, &set->critic[k], panel, rows);
  regress(team, net, &set->critic[k], set->target, sac_cpu_critic_row(team, set->q, k), panel, rows);
}

static void critic_chunk(const sac_team* team, int32_t task, sac_cpu_thread* thread) {
  (void)thread;
  const sac_cpu* cpu = team->cpu;
  const int32_t chunk = task % cpu->chunks;
  critic_rows(team, task / cpu->chunks, chunk * cpu->chunk_panels, sac_chunk_rows(team, chunk));
}

static void sac_v_chunk(const sac_team* team, int32_t task, sac_cpu_thread* thread) {
  const sac_agent* agent = team->agent;
  const sac_shape* shape = &agent->shape;
  sac_cpu_set* set = team->set;
  const int32_t panel = task * team->cpu->chunk_panels, rows = sac_chunk_rows(team, task);
  sac_cpu_turn_in(team->cpu, team->minibatch->next, shape->obs, set->next, panel, rows);
  sac_cpu_turn_in(team->cpu, team->minibatch->current, shape->obs + shape->action, set->current, panel, rows);
  value_target(team, panel, rows, thread);
  for (int32_t k = 0; k < shape->critics; ++k) critic_rows(team, k, panel, rows);
  sac_cpu_policy_rows(team, panel, rows);
  for (int32_t k = 0; k < shape->critics; ++k) sac_cpu_judge_rows(team, k, panel, rows);
}

/* [sac-v.value-target] from the same a~ as the actor's loss, whose gradient goes on to the actor. */
static void sac_v_policy_chunk(const sac_team* team, int32_t task, sac_cpu_thread* thread) {
  (void)thread;
  sac_cpu_set* set = team->set;
  const int32_t panel = task * team->cpu->chunk_panels, rows = sac_chunk_rows(team, task), first = panel * SAC_PANEL;
  const float alpha = sac_cpu_alpha(team);
  sac_cpu_policy_grad_rows(team, panel, rows);
  for (int32_t r = first; r < first + rows; ++r)
    set->v_target[r] = sac_soft_value(set->smallest[r], alpha, team->minibatch->log_prob[r]);
  const sac_net* value = &team->agent->tensors.value;
  sac_net_forward(team->cpu->isa, value, weights_of(team), set->current, &set->value, panel, rows);
  regress(team, value, &set->value, set->v_target, set->v, panel, rows);
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
  const int32_t batch = agent->shape.batch, critics = agent->shape.critics;
  double loss = 0, q_sum = 0, error = 0, value_loss = 0;
  for (int32_t k = 0; k < critics; ++k) {
    const float* q = sac_cpu_critic_row(team, set->q, k);
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

/* [sac] Critic by critic where it can be: with as many threads as critics each thread has one, with its activations,
 * gradients and moments, to itself. */
static void critic_update_sac(sac_agent* agent) {
  const sac_cpu* cpu = agent->backend;
  const int32_t critic_chunks = agent->shape.critics * cpu->chunks;
  const sac_phase phases[] = {
      {next_action_chunk, cpu->chunks}, {target_critic_chunk, critic_chunks},       {soft_target, 1},
      {critic_chunk, critic_chunks},    {gradient_block, cpu->critic_blocks.count}, {critic_stats, 1}};
  sac_cpu_run(agent, phases, sizeof phases / sizeof *phases);
}

/* [sac-v] Every gradient at the old parameters, so all of them here. */
static void critic_update_sac_v(sac_agent* agent) {
  const sac_cpu* cpu = agent->backend;
  const sac_phase phases[] = {{sac_v_chunk, cpu->chunks},
                              {sac_cpu_sort_rows, agent->shape.critics},
                              {sac_cpu_action_grad, agent->shape.critics * cpu->chunks},
                              {sac_v_policy_chunk, cpu->chunks},
                              {gradient_block, cpu->critic_blocks.count + cpu->actor_blocks.count},
                              {critic_stats, 1}};
  sac_cpu_run(agent, phases, sizeof phases / sizeof *phases);
}

sac_status sac_cpu_critic_update(sac_agent* agent) {
  if (agent->settings.algo == SAC_ALGO_SAC_V) critic_update_sac_v(agent);
  else critic_update_sac(agent);
  return SAC_OK;
}
