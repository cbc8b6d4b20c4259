/* Scratch: where everything lies, and the tasks an update is cut into. One function measures and lays out. */
#include "cpu/cpu.h"
#include "util/memory.h"

/* Hands out aligned pieces of one allocation; without one it only counts. */
typedef struct arena {
  char* base;
  size_t used;
} arena;

static void* take(arena* a, size_t count, size_t size) {
  const size_t bytes = sac_bytes(count, size), at = a->used;
  const size_t padded =
      bytes > SIZE_MAX - SAC_ALIGNMENT ? SIZE_MAX : (bytes + SAC_ALIGNMENT - 1) & ~(size_t)(SAC_ALIGNMENT - 1);
  if (__builtin_add_overflow(a->used, padded, &a->used)) a->used = SIZE_MAX;
  return a->base ? a->base + at : NULL;
}

static float* take_floats(arena* a, size_t count) { return take(a, count, sizeof(float)); }

static sac_rows take_rows(arena* a, int32_t panels, int32_t features) {
  const size_t stride = (size_t)features * SAC_PANEL;
  return (sac_rows){take_floats(a, sac_bytes((size_t)panels, stride)), stride};
}

/* kept: with feature panels, for the weight gradients. shared: every other hidden layer in the same place, for a pass
 * that is not followed by a backward one. */
static sac_trace take_trace(arena* a, const sac_net* net, int32_t panels, int kept, int shared) {
  sac_trace trace = {0};
  int32_t widest = 0;
  for (int32_t l = 1; l < net->layers; ++l) widest = net->size[l] > widest ? net->size[l] : widest;
  trace.turned = (size_t)panels * SAC_PANEL * SAC_PANEL;
  for (int32_t l = 0; l + 1 < net->layers; ++l) {
    if (shared && l >= 2) trace.h[l] = trace.h[l - 2];
    else trace.h[l] = take_rows(a, panels, shared ? widest : net->size[l + 1]).data;
    if (kept) trace.t[l] = take_floats(a, sac_bytes((size_t)sac_panels(net->size[l + 1]), trace.turned));
  }
  trace.out = take_rows(a, panels, net->size[net->layers]).data;
  return trace;
}

static void layout_minibatch(const sac_agent* agent, const sac_cpu* cpu, arena* a, sac_cpu_minibatch* m) {
  const sac_shape* s = &agent->shape;
  const size_t rows = (size_t)cpu->panels * SAC_PANEL;
  m->current = take_floats(a, sac_bytes(rows * SAC_PANEL, (size_t)sac_panels(s->obs + s->action)));
  m->next = take_floats(a, sac_bytes(rows * SAC_PANEL, (size_t)sac_panels(s->obs)));
  m->reward = take_floats(a, rows);
  m->terminated = take_floats(a, rows);
  m->noise = take_floats(a, sac_bytes(rows, (size_t)s->action));
  m->next_noise = take_floats(a, sac_bytes(rows, (size_t)s->action));
  m->log_prob = take_floats(a, rows);
}

static void layout_set(const sac_agent* agent, const sac_cpu* cpu, arena* a, sac_cpu_set* set) {
  const sac_tensors* t = &agent->tensors;
  const int32_t features = agent->shape.obs + agent->shape.action;
  const size_t rows = (size_t)cpu->panels * SAC_PANEL;
  set->current = take_rows(a, cpu->panels, features);
  set->next = take_rows(a, cpu->panels, features);
  set->policy = take_rows(a, cpu->panels, features);
  const int all_at_once = agent->settings.algo == SAC_ALGO_SAC_V; /* every gradient at the old parameters */
  for (int32_t k = 0; k < agent->shape.critics; ++k) {
    set->critic[k] = take_trace(a, &t->critic[k], cpu->panels, 1, 0);
    set->judge[k] = set->critic[k];
    if (all_at_once) set->judge[k] = take_trace(a, &t->critic[k], cpu->panels, 0, 0);
    for (int32_t l = 0; l < SAC_LAYERS_MAX; ++l) set->judge[k].t[l] = NULL;
  }
  if (t->value.layers > 0) set->value = take_trace(a, &t->value, cpu->panels, 1, 0);
  set->actor = take_trace(a, &t->actor, cpu->panels, 1, 0);
  set->q = take_floats(a, sac_bytes((size_t)agent->shape.critics, rows));
  set->judged = take_floats(a, sac_bytes((size_t)agent->shape.critics, rows));
  set->target = take_floats(a, rows);
  set->v = take_floats(a, rows);
  set->v_target = take_floats(a, rows);
  set->smallest = take_floats(a, rows);
  set->saturated = take_floats(a, rows);
  set->row = take(a, sac_bytes((size_t)agent->shape.critics, rows), sizeof(int32_t));
  set->rows = take(a, (size_t)agent->shape.critics, sizeof(int32_t));
  float** const of_actions[] = {&set->eps, &set->spread, &set->slope, &set->d_action};
  for (size_t i = 0; i < sizeof of_actions / sizeof *of_actions; ++i)
    *of_actions[i] = take_rows(a, cpu->panels, agent->shape.action).data;
  set->norm = take(a, (size_t)(cpu->critic_blocks.count + cpu->actor_blocks.count), sizeof(double));
}

static void layout_thread(const sac_agent* agent, const sac_cpu* cpu, arena* a, sac_cpu_thread* thread) {
  const sac_tensors* t = &agent->tensors;
  const int32_t c = cpu->chunk_panels, actions = agent->shape.action;
  const size_t rows = (size_t)c * SAC_PANEL;
  int32_t widest = 2 * actions;
  for (int32_t l = 0; l < agent->shape.layers; ++l)
    widest = agent->shape.hidden[l] > widest ? agent->shape.hidden[l] : widest;
  thread->pass = take_trace(a, &t->actor, c, 0, 1); /* the widest head; hidden layers are alike in all networks */
  thread->picked = take_trace(a, &t->critic[0], c, 0, 0);
  thread->picked_action = take_rows(a, c, actions).data;
  thread->index = take(a, rows, sizeof(uint64_t));
  for (int i = 0; i < 2; ++i) thread->act[i] = take_floats(a, sac_bytes(SAC_ACT_ROWS, (size_t)widest));
  thread->act_noise = take_floats(a, sac_bytes(SAC_ACT_ROWS + 1, (size_t)actions));
}

/* Rows of a weight gradient in one task: enough arithmetic to be worth taking, few enough for all threads to have some.
 * By shapes alone, so that the partial norms are the same for any number of threads. */
static int32_t block_rows(int32_t in, int32_t batch) {
  const int64_t row = (int64_t)in * batch;
  const int64_t rows = (400000 + row - 1) / row;
  return rows < 12 ? 12 : rows > 96 ? 96 : (int32_t)((rows + 11) / 12 * 12);
}

static void add_blocks(sac_cpu_blocks* blocks, const sac_net* net, int32_t number, int32_t batch) {
  for (int32_t l = net->layers - 1; l >= 0; --l) {
    const int32_t out = net->size[l + 1], rows = block_rows(net->size[l], batch);
    for (int32_t from = 0; from < out; from += rows) {
      if (blocks->block)
        blocks->block[blocks->count] = (sac_cpu_block){number, l, from, out - from < rows ? out : from + rows};
      ++blocks->count;
    }
  }
}

static void add_critic_blocks(const sac_agent* agent, sac_cpu_blocks* blocks) {
  blocks->count = 0;
  for (int32_t k = 0; k < agent->shape.critics; ++k)
    add_blocks(blocks, &agent->tensors.critic[k], k, agent->shape.batch);
  if (agent->tensors.value.layers > 0)
    add_blocks(blocks, &agent->tensors.value, agent->shape.critics, agent->shape.batch);
}

static void add_actor_blocks(const sac_agent* agent, sac_cpu_blocks* blocks) {
  blocks->count = 0;
  add_blocks(blocks, &agent->tensors.actor, 0, agent->shape.batch);
}

static void add_follow(sac_cpu* cpu, size_t target, size_t source, size_t count) {
  const size_t piece = 16384;
  for (size_t at = 0; at < count; at += piece) {
    if (cpu->follow)
      cpu->follow[cpu->follows] = (sac_cpu_follow){target + at, source + at, count - at < piece ? count - at : piece};
    ++cpu->follows;
  }
}

static void add_follows(sac_cpu* cpu, const sac_net* target, const sac_net* source) {
  for (int32_t l = 0; l < target->layers; ++l) {
    add_follow(cpu, target->weight[l], source->weight[l], (size_t)source->size[l] * (size_t)source->size[l + 1]);
    add_follow(cpu, target->bias[l], source->bias[l], (size_t)source->size[l + 1]);
  }
}

static void add_all_follows(const sac_agent* agent, sac_cpu* cpu) {
  const sac_tensors* t = &agent->tensors;
  cpu->follows = 0;
  for (int32_t k = 0; k < agent->shape.critics; ++k)
    if (t->critic_target[k].layers > 0) add_follows(cpu, &t->critic_target[k], &t->critic[k]);
  if (t->value_target.layers > 0) add_follows(cpu, &t->value_target, &t->value);
}

size_t sac_cpu_layout(const sac_agent* agent, sac_cpu* cpu) {
  arena a = {cpu->scratch, 0};
  const int32_t population = agent->shape.population;
  cpu->critic_blocks.block = NULL;
  cpu->actor_blocks.block = NULL;
  cpu->follow = NULL;
  add_critic_blocks(agent, &cpu->critic_blocks);
  add_actor_blocks(agent, &cpu->actor_blocks);
  add_all_follows(agent, cpu);
  cpu->critic_blocks.block = take(&a, (size_t)cpu->critic_blocks.count, sizeof(sac_cpu_block));
  cpu->actor_blocks.block = take(&a, (size_t)cpu->actor_blocks.count, sizeof(sac_cpu_block));
  cpu->follow = take(&a, (size_t)cpu->follows, sizeof(sac_cpu_follow));
  add_critic_blocks(agent, &cpu->critic_blocks);
  add_actor_blocks(agent, &cpu->actor_blocks);
  add_all_follows(agent, cpu);

  cpu->minibatch = take(&a, (size_t)population, sizeof(sac_cpu_minibatch));
  cpu->set = take(&a, (size_t)cpu->sets, sizeof(sac_cpu_set));
  cpu->thread = take(&a, (size_t)cpu->threads, sizeof(sac_cpu_thread));
  cpu->living = take(&a, (size_t)population, sizeof(int32_t));
  for (int32_t p = 0; p < population; ++p) {
    sac_cpu_minibatch unused;
    layout_minibatch(agent, cpu, &a, cpu->minibatch ? &cpu->minibatch[p] : &unused);
  }
  for (int32_t i = 0; i < cpu->sets; ++i) {
    sac_cpu_set unused = {0};
    layout_set(agent, cpu, &a, cpu->set ? &cpu->set[i] : &unused);
  }
  for (int32_t i = 0; i < cpu->threads; ++i) {
    sac_cpu_thread unused;
    layout_thread(agent, cpu, &a, cpu->thread ? &cpu->thread[i] : &unused);
  }
  return a.used;
}
