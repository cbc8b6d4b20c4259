/* actor update: a~ and its log-probability, the critics' judgement, each row's gradient through its smallest critic,
 * back through the squash and the actor, and Adam's step. What cpu.h declares works on some rows of the minibatch. */
#include <string.h>

#include "cpu/cpu.h"
#include "kernels/bellman.h"
#include "kernels/squash.h"

void sac_cpu_policy_sample(const sac_team* team, sac_rows x, const sac_trace* trace, int32_t trace_panel, int32_t panel,
                           int32_t rows, const float* noise, float* log_prob) {
  const sac_agent* agent = team->agent;
  const sac_isa* isa = team->cpu->isa;
  const sac_cpu_set* set = team->set;
  const int32_t actions = agent->shape.action;
  const size_t width = (size_t)actions * SAC_PANEL;
  const float low = (float)agent->settings.log_std_min, high = (float)agent->settings.log_std_max;
  x = sac_rows_from(x, panel);
  const sac_rows input = {x.data - (size_t)trace_panel * x.stride, x.stride};
  sac_net_forward(isa, &agent->tensors.actor, sac_cpu_slab(team->cpu, SAC_MEMORY_WEIGHTS, team->p), input, trace,
                  trace_panel, rows);
  for (int32_t p = 0; p * SAC_PANEL < rows; ++p) {
    const int32_t lanes = sac_lanes(rows, p);
    const float* head = trace->out + 2 * width * (size_t)(trace_panel + p);
    float* action = x.data + (size_t)p * x.stride + (size_t)agent->shape.obs * SAC_PANEL;
    float* eps = set->eps + (size_t)(panel + p) * width;
    float* log_probs = log_prob + (panel + p) * SAC_PANEL;
    isa->turn(noise + (size_t)(panel + p) * width, (size_t)actions, eps, SAC_PANEL, lanes, actions);
    memset(log_probs, 0, (size_t)lanes * sizeof(float));
    for (int32_t i = 0; i < actions; ++i) {
      const size_t at = (size_t)i * SAC_PANEL, scratch = (size_t)(panel + p) * width + at;
      isa->squash((size_t)lanes, head + at, head + width + at, eps + at, low, high, action + at, log_probs,
                  set->spread + scratch, set->slope + scratch);
    }
  }
}

void sac_cpu_policy_rows(const sac_team* team, int32_t panel, int32_t rows) {
  sac_cpu_set* set = team->set;
  sac_cpu_turn_in(team->cpu, team->minibatch->current, team->agent->shape.obs, set->policy, panel, rows);
  sac_cpu_policy_sample(team, set->policy, &set->actor, panel, panel, rows, team->minibatch->noise,
                        team->minibatch->log_prob);
}

void sac_cpu_judge_rows(const sac_team* team, int32_t k, int32_t panel, int32_t rows) {
  sac_cpu_set* set = team->set;
  const int32_t first = panel * SAC_PANEL;
  sac_net_forward(team->cpu->isa, &team->agent->tensors.critic[k], sac_cpu_slab(team->cpu, SAC_MEMORY_WEIGHTS, team->p),
                  set->policy, &set->judge[k], panel, rows);
  memcpy(sac_cpu_critic_row(team, set->judged, k) + first, set->judge[k].out + first, (size_t)rows * sizeof(float));
}

void sac_cpu_sort_rows(const sac_team* team, int32_t k, sac_cpu_thread* thread) {
  (void)thread;
  sac_cpu_set* set = team->set;
  const size_t stride = sac_cpu_batch_rows(team->cpu);
  int32_t* row = set->row + (size_t)k * stride;
  int32_t count = 0;
  for (int32_t r = 0; r < team->agent->shape.batch; ++r) {
    int index;
    const float smallest = sac_min_critic(set->judged + r, stride, team->agent->shape.critics, &index);
    if (k == 0) set->smallest[r] = smallest;
    if (index == k) row[count++] = r;
  }
  set->rows[k] = count;
}

/* All rows are this critic's: back through it in place. */
static void action_grad_in_place(const sac_team* team, int32_t k, int32_t panel, int32_t rows) {
  const sac_agent* agent = team->agent;
  const sac_net* net = &agent->tensors.critic[k];
  const sac_trace* trace = &team->set->judge[k];
  const float* weights = sac_cpu_slab(team->cpu, SAC_MEMORY_WEIGHTS, team->p);
  const int32_t actions = agent->shape.action, first = panel * SAC_PANEL;
  const size_t width = (size_t)actions * SAC_PANEL;
  for (int32_t r = first; r < first + rows; ++r) trace->out[r] = sac_actor_loss_grad_q() / (float)agent->shape.batch;
  sac_net_backward(team->cpu->isa, net, weights, trace, panel, rows);
  sac_net_input_grad(team->cpu->isa, net, weights, trace, panel, rows, agent->shape.obs, actions,
                     (sac_rows){team->set->d_action + (size_t)panel * width, width});
}

void sac_cpu_action_grad(const sac_team* team, int32_t task, sac_cpu_thread* thread) {
  const sac_agent* agent = team->agent;
  const sac_isa* isa = team->cpu->isa;
  const sac_cpu_set* set = team->set;
  const int32_t k = task / team->cpu->chunks, chunk = task % team->cpu->chunks;
  const sac_net* net = &agent->tensors.critic[k];
  const float* weights = sac_cpu_slab(team->cpu, SAC_MEMORY_WEIGHTS, team->p);
  const int32_t actions = agent->shape.action, panel = chunk * team->cpu->chunk_panels, first = panel * SAC_PANEL;
  const size_t width = (size_t)actions * SAC_PANEL;
  const int32_t left = set->rows[k] - first, most = team->cpu->chunk_panels * SAC_PANEL,
                count = left < most ? left : most;
  const int32_t* row = set->row + (size_t)k * sac_cpu_batch_rows(team->cpu) + first;
  if (count <= 0) return;
  if (set->rows[k] == agent->shape.batch) {
    action_grad_in_place(team, k, panel, count);
    return;
  }
  for (int32_t l = 0; l + 1 < net->layers; ++l) {
    const size_t stride = (size_t)net->size[l + 1] * SAC_PANEL;
    isa->pick((sac_rows){set->judge[k].h[l], stride}, net->size[l + 1], row, count,
              (sac_rows){thread->picked.h[l], stride});
  }
  for (int32_t i = 0; i < count; ++i) thread->picked.out[i] = sac_actor_loss_grad_q() / (float)agent->shape.batch;
  sac_net_backward(isa, net, weights, &thread->picked, 0, count);
  sac_net_input_grad(isa, net, weights, &thread->picked, 0, count, agent->shape.obs, actions,
                     (sac_rows){thread->picked_action, width});
  for (int32_t j = 0; j < count; ++j) {
    const float* from = thread->picked_action + (size_t)(j / SAC_PANEL) * width + j % SAC_PANEL;
    float* to = set->d_action + (size_t)(row[j] / SAC_PANEL) * width + row[j] % SAC_PANEL;
    for (int32_t i = 0; i < actions; ++i) to[i * SAC_PANEL] = from[i * SAC_PANEL];
  }
}

void sac_cpu_policy_grad_rows(const sac_team* team, int32_t panel, int32_t rows) {
  const sac_agent* agent = team->agent;
  const sac_isa* isa = team->cpu->isa;
  sac_cpu_set* set = team->set;
  const int32_t actions = agent->shape.action, first = panel * SAC_PANEL;
  const size_t width = (size_t)actions * SAC_PANEL;
  const float low = (float)agent->settings.log_std_min, high = (float)agent->settings.log_std_max;
  const sac_rows x = sac_rows_from(set->policy, panel);
  const float d_log_prob = sac_actor_loss_grad_log_prob(sac_cpu_alpha(team)) / (float)agent->shape.batch;
  for (int32_t p = 0; p * SAC_PANEL < rows; ++p) {
    const int32_t lanes = sac_lanes(rows, p);
    float* head = set->actor.out + 2 * width * (size_t)(panel + p);
    const float* action = x.data + (size_t)p * x.stride + (size_t)agent->shape.obs * SAC_PANEL;
    float* saturated = set->saturated + first + p * SAC_PANEL;
    memset(saturated, 0, (size_t)lanes * sizeof(float));
    for (int32_t i = 0; i < actions; ++i) {
      const size_t at = (size_t)i * SAC_PANEL, scratch = (size_t)(panel + p) * width + at;
      for (int32_t r = 0; r < lanes; ++r) saturated[r] += sac_squash_saturated(action[at + (size_t)r]);
      isa->squash_backward((size_t)lanes, action + at, set->spread + scratch, set->slope + scratch,
                           set->d_action + scratch, d_log_prob, low, high, head + at, head + width + at);
    }
  }
  sac_net_backward(isa, &agent->tensors.actor, sac_cpu_slab(team->cpu, SAC_MEMORY_WEIGHTS, team->p), &set->actor, panel,
                   rows);
}

void sac_cpu_actor_stats(const sac_team* team, int32_t first_block) {
  const sac_agent* agent = team->agent;
  const sac_cpu_set* set = team->set;
  const int32_t batch = agent->shape.batch;
  const float alpha = (float)agent->stats[team->p].alpha;
  double loss = 0, log_prob = 0, saturated = 0;
  for (int32_t r = 0; r < batch; ++r) {
    loss += (double)sac_actor_loss(set->smallest[r], alpha, team->minibatch->log_prob[r]);
    log_prob += (double)team->minibatch->log_prob[r];
    saturated += (double)set->saturated[r];
  }
  sac_update_stats* stats = &agent->stats[team->p];
  stats->actor_loss = loss / batch;
  stats->entropy = -log_prob / batch;
  stats->saturation = saturated / ((double)batch * agent->shape.action);
  stats->actor_grad = sac_cpu_norm(set, first_block, team->cpu->actor_blocks.count);
}

/* --- the same as tasks: a chunk of rows, or critic k = task / chunks at one -----------------------------------------
 */

static void policy_chunk(const sac_team* team, int32_t task, sac_cpu_thread* thread) {
  (void)thread;
  sac_cpu_policy_rows(team, task * team->cpu->chunk_panels, sac_chunk_rows(team, task));
}

static void judge_chunk(const sac_team* team, int32_t task, sac_cpu_thread* thread) {
  (void)thread;
  const sac_cpu* cpu = team->cpu;
  const int32_t chunk = task % cpu->chunks;
  sac_cpu_judge_rows(team, task / cpu->chunks, chunk * cpu->chunk_panels, sac_chunk_rows(team, chunk));
}

static void policy_grad_chunk(const sac_team* team, int32_t task, sac_cpu_thread* thread) {
  (void)thread;
  sac_cpu_policy_grad_rows(team, task * team->cpu->chunk_panels, sac_chunk_rows(team, task));
}

static sac_adam_step actor_step(const sac_team* team) {
  const sac_agent* agent = team->agent;
  return sac_cpu_adam_step(agent, team->p, sac_auto(agent->settings.actor_lr, agent->settings.lr));
}

static void actor_block(const sac_team* team, int32_t task, sac_cpu_thread* thread) {
  (void)thread;
  const sac_adam_step step = actor_step(team);
  sac_cpu_block_run(team, &team->agent->tensors.actor, &team->set->actor, &team->cpu->actor_blocks.block[task], &step,
                    task);
}

/* sac-v: the gradient is there already. */
static void actor_block_step(const sac_team* team, int32_t task, sac_cpu_thread* thread) {
  (void)thread;
  const sac_adam_step step = actor_step(team);
  sac_cpu_block_adam(team, &team->agent->tensors.actor, &team->cpu->actor_blocks.block[task], &step);
}

static void actor_stats(const sac_team* team, int32_t task, sac_cpu_thread* thread) {
  (void)task;
  (void)thread;
  sac_cpu_actor_stats(team, 0);
}

sac_status sac_cpu_actor_update(sac_agent* agent) {
  const sac_cpu* cpu = agent->backend;
  const int32_t critic_chunks = agent->shape.critics * cpu->chunks;
  const sac_phase all[] = {{policy_chunk, cpu->chunks},
                           {judge_chunk, critic_chunks},
                           {sac_cpu_sort_rows, agent->shape.critics},
                           {sac_cpu_action_grad, critic_chunks},
                           {policy_grad_chunk, cpu->chunks},
                           {actor_block, cpu->actor_blocks.count},
                           {actor_stats, 1}};
  const sac_phase step[] = {{actor_block_step, cpu->actor_blocks.count}};
  if (agent->settings.algo == SAC_ALGO_SAC_V) sac_cpu_run(agent, step, 1);
  else sac_cpu_run(agent, all, sizeof all / sizeof *all);
  return SAC_OK;
}
