/* Lays out the scratch memory, and lists the blocks and pieces that tasks work on. The same code first measures the
 * memory and then lays it out: without a base, sac_region_take counts and returns NULL. */
#include <string.h>

#include "cpu/cpu.h"
#include "util/error.h"
#include "util/memory.h"

static float* take_floats(sac_region* a, size_t count) {
  return sac_region_take(a, count, sizeof(float), SAC_ALIGNMENT);
}

static sac_rows take_rows(sac_region* a, int32_t panels, int32_t features) {
  const size_t stride = (size_t)features * SAC_PANEL;
  return (sac_rows){take_floats(a, sac_bytes((size_t)panels, stride)), stride};
}

/* Takes memory for the activations of a network over `panels` panels. kept 1: feature panels too, for weight gradients.
 * shared 1: hidden layers use two buffers in turn, for a pass that no gradients go back through. */
static sac_trace take_trace(sac_region* a, const sac_net* net, int32_t panels, int kept, int shared) {
  sac_trace trace = {0};
  const int32_t last = net->buffers - 1;

  /* a shared buffer must hold the widest hidden layer */
  int32_t widest = 0;
  for (int32_t b = 0; b < last; b++) widest = net->width[b] > widest ? net->width[b] : widest;

  /* hidden layers: row panels, and feature panels for weight gradients */
  trace.turned = (size_t)panels * SAC_PANEL * SAC_PANEL;
  for (int32_t b = 0; b < last; b++) {
    if (shared && b >= 2) trace.h[b] = trace.h[b - 2];
    else trace.h[b] = take_rows(a, panels, shared ? widest : net->width[b]).data;
    if (kept) trace.t[b] = take_floats(a, sac_bytes((size_t)sac_panels(net->width[b]), trace.turned));
  }

  /* the output never shares memory with a hidden layer: the caller reads it after the pass */
  trace.out = take_rows(a, panels, net->width[last]).data;
  return trace;
}

static float* take_panels(sac_region* a, size_t rows, int32_t features) {
  return take_floats(a, sac_bytes(rows * SAC_PANEL, (size_t)sac_panels(features)));
}

static void layout_minibatch(const sac_agent* agent, const sac_cpu* cpu, sac_region* a, sac_cpu_minibatch* m) {
  const sac_shape* s = &agent->shape;
  const size_t rows = sac_cpu_batch_rows(cpu);

  /* inputs of networks, in feature panels */
  m->current = take_panels(a, rows, s->obs + s->action);
  m->next = take_panels(a, rows, s->obs);

  /* values for each row */
  m->reward = take_floats(a, rows);
  m->discount = take_floats(a, rows);
  m->weight = take_floats(a, rows);
  m->index = sac_region_take(a, rows, sizeof(uint64_t), SAC_ALIGNMENT);

  /* what SAMPLE reads and writes; a' has its log pi in the scratch */
  for (int at = SAC_NEXT; at < SAC_PLACE_COUNT; at++)
    if (!agent->algo->discrete) m->noise[at] = take_floats(a, sac_bytes(rows, (size_t)s->action));
  m->log_prob = take_floats(a, rows);
}

/* Lays out the outputs and the activations of all passes. */
static void layout_passes(const sac_agent* agent, const sac_cpu* cpu, sac_region* a, sac_cpu_scratch* scratch) {
  const sac_plan* plan = &cpu->plan;

  /* passes with memory of their own; passes that no gradients go back through use the scratch of a thread */
  for (int32_t i = 0; i < plan->passes; i++) {
    const sac_pass* pass = &plan->pass[i];
    const int32_t nets = agent->tensors.nets[pass->nets];
    const sac_net* net = agent->tensors.net[pass->nets];

    /* outputs of all networks lie side by side, for row functions that join them; a Gaussian's head stays in the trace
     */
    if (agent->algo->discrete || pass->nets != SAC_ACTOR)
      scratch->output[i] =
          take_floats(a, sac_bytes((size_t)nets * (size_t)net->size[net->layers], sac_cpu_batch_rows(cpu)));
    for (int32_t n = 0; pass->back && pass->memory == i && n < nets; n++)
      scratch->trace[i][n] = take_trace(a, &net[n], cpu->panels, pass->gradient, 0);
  }

  /* passes that use the memory of another pass; without weight gradients nothing is kept in feature panels */
  for (int32_t i = 0; i < plan->passes; i++) {
    const sac_pass* pass = &plan->pass[i];
    if (pass->memory == i) continue;
    memcpy(scratch->trace[i], scratch->trace[pass->memory], sizeof scratch->trace[i]);
    for (int32_t n = 0; !pass->gradient && n < SAC_CRITICS_MAX; n++)
      memset(scratch->trace[i][n].t, 0, sizeof scratch->trace[i][n].t);
  }
}

/* Lays out the scratch of one agent's update. */
static void layout_scratch(const sac_agent* agent, const sac_cpu* cpu, sac_region* a, sac_cpu_scratch* scratch) {
  const sac_shape* s = &agent->shape;
  const size_t rows = sac_cpu_batch_rows(cpu), critics = (size_t)s->critics;

  /* inputs of networks, and sampled actions */
  for (int at = 0; at < SAC_PLACE_COUNT; at++) {
    scratch->input[at] = take_rows(a, cpu->panels, s->obs + s->action);
    if (!sac_algo_samples(agent->algo, (sac_place)at)) continue;
    scratch->sampled[at].eps = take_rows(a, cpu->panels, s->action).data;
    scratch->sampled[at].spread = take_rows(a, cpu->panels, s->action).data;
    scratch->sampled[at].slope = take_rows(a, cpu->panels, s->action).data;
  }

  /* activations; a critic with one output has Q(s, a) there */
  layout_passes(agent, cpu, a, scratch);
  scratch->q = agent->algo->discrete ? take_floats(a, sac_bytes(critics, rows))
                                     : scratch->output[sac_plan_find(&cpu->plan, SAC_CRITIC, SAC_CURRENT)];

  /* values for each row */
  scratch->next_log_prob = take_floats(a, rows);
  scratch->y = take_floats(a, rows);
  scratch->v_target = take_floats(a, rows);
  scratch->td_error = take_floats(a, rows);
  scratch->smallest = take_floats(a, rows);
  scratch->log_z = take_floats(a, rows);
  scratch->kl = take_floats(a, rows);
  scratch->choice = sac_region_take(a, rows, sizeof(int32_t), SAC_ALIGNMENT);
  scratch->saturated = take_floats(a, rows);
  scratch->d_action = take_rows(a, cpu->panels, s->action).data;

  /* the rows whose smallest critic is k, for each k, and the squared gradient norms of blocks */
  scratch->row = sac_region_take(a, sac_bytes(critics, rows), sizeof(int32_t), SAC_ALIGNMENT);
  scratch->rows = sac_region_take(a, critics, sizeof(int32_t), SAC_ALIGNMENT);
  size_t blocks = 0;
  for (int group = 0; group < SAC_GROUP_COUNT; group++) blocks += (size_t)cpu->blocks[group].count;
  scratch->norm = sac_region_take(a, blocks, sizeof(double), SAC_ALIGNMENT);
}

/* Lays out the scratch of one thread. */
static void layout_thread(const sac_agent* agent, const sac_cpu* cpu, sac_region* a, sac_cpu_thread* thread) {
  const sac_tensors* t = &agent->tensors;
  const int32_t c = cpu->chunk_panels, actions = agent->shape.action;

  /* the network that acts has the widest head, and the hidden layers of all networks are equal; its widest layer */
  const sac_net* acts = t->net[sac_algo_acts_with(agent->algo)];
  int32_t widest = 0;
  for (int32_t b = 0; b < acts->buffers; b++) widest = acts->width[b] > widest ? acts->width[b] : widest;

  /* activations */
  thread->pass = take_trace(a, acts, c, 0, 1);
  thread->picked = take_trace(a, t->net[SAC_CRITIC], c, 0, 0);
  thread->picked_action = take_rows(a, c, actions).data;
  for (int i = 0; i < 2; i++) thread->act[i] = take_floats(a, sac_bytes(SAC_ACT_ROWS, (size_t)widest));
  thread->act_noise = take_floats(a, sac_bytes(1, (size_t)actions));

  /* the values of discrete actions */
  thread->values = take_floats(a, sac_bytes(3 * SAC_PANEL, (size_t)agent->shape.actions));
  thread->joined = take_floats(a, sac_bytes(SAC_ACT_ROWS, (size_t)agent->shape.actions));
}

/* The rows of a weight gradient in one block: enough work for a task, and few enough for all threads to have tasks. The
 * number depends on the shapes alone, so that the partial norms are the same for any number of threads. */
static int32_t block_rows(int32_t in, int32_t batch) {
  /* aim at 400000 products; multiples of 12 fill the tiles of AVX-512, whose height is 12 */
  const int64_t row = (int64_t)in * batch;
  const int64_t rows = (400000 + row - 1) / row;
  return rows < 12 ? 12 : rows > 96 ? 96 : (int32_t)((rows + 11) / 12 * 12);
}

/* Adds the blocks of network `number` of a group, those of the head first. Without memory it only counts them. */
static void add_blocks(sac_cpu_blocks* blocks, const sac_net* net, int32_t number, int32_t batch) {
  for (int32_t i = net->count - 1; i >= 0; i--) {
    const sac_layer* layer = &net->layer[i];
    const int32_t rows = block_rows(layer->in, batch);

    /* cut the outputs of a layer that has tensors */
    for (int32_t from = 0; sac_layer_types[layer->kind].tensors > 0 && from < layer->out; from += rows) {
      const int32_t to = layer->out - from < rows ? layer->out : from + rows;
      if (blocks->block) blocks->block[blocks->count] = (sac_cpu_block){number, i, from, to};
      blocks->count++;
    }
  }
}

/* Adds the blocks of all trained networks. */
static void add_all_blocks(const sac_agent* agent, sac_cpu* cpu) {
  int32_t first = 0;
  for (int group = 0; group < SAC_GROUP_COUNT; group++) {
    sac_cpu_blocks* blocks = &cpu->blocks[group];
    blocks->count = 0;
    blocks->first = first;

    /* each group has its own part of scratch->norm; targets have no gradients */
    for (int32_t n = 0; n < agent->tensors.nets[group] && !sac_group_is_target((sac_group)group); n++)
      add_blocks(blocks, &agent->tensors.net[group][n], n, agent->shape.batch);
    first += blocks->count;
  }
}

/* Adds one tensor of a target network, cut into pieces of the size of a task. Without memory it only counts them. */
static void add_pieces(sac_cpu* cpu, size_t target, size_t source, size_t count) {
  const size_t piece = 16384; /* floats: 64 KiB */
  for (size_t at = 0; at < count; at += piece) {
    if (cpu->piece)
      cpu->piece[cpu->pieces] = (sac_cpu_piece){target + at, source + at, count - at < piece ? count - at : piece};
    cpu->pieces++;
  }
}

/* Adds the pieces of all target networks. */
static void add_all_pieces(const sac_agent* agent, sac_cpu* cpu) {
  const sac_tensors* t = &agent->tensors;
  cpu->pieces = 0;
  for (int group = 0; group < SAC_GROUP_COUNT; group++)
    for (int32_t n = 0; n < t->nets[group] && sac_group_is_target((sac_group)group); n++) {
      /* target n follows network n of its source; both have the same layers */
      const sac_net *target = &t->net[group][n], *source = &t->net[t->target_of[group]][n];
      for (int32_t i = 0; i < target->count; i++) {
        const sac_layer_type* type = &sac_layer_types[target->layer[i].kind];
        for (int32_t tensor = 0; tensor < type->tensors; tensor++) {
          /* a tensor is (out, in) or (out) */
          const size_t columns = type->tensor[tensor].rank > 1 ? (size_t)target->layer[i].in : 1;
          add_pieces(cpu, target->layer[i].tensor[tensor], source->layer[i].tensor[tensor],
                     (size_t)target->layer[i].out * columns);
        }
      }
    }
}

/* Lays out the lists of blocks and pieces: counts them, takes memory for them, and writes them. */
static void layout_lists(const sac_agent* agent, sac_cpu* cpu, sac_region* a) {
  /* count, without memory for the lists */
  for (int group = 0; group < SAC_GROUP_COUNT; group++) cpu->blocks[group].block = NULL;
  cpu->piece = NULL;
  add_all_blocks(agent, cpu);
  add_all_pieces(agent, cpu);

  /* take the memory */
  for (int group = 0; group < SAC_GROUP_COUNT; group++)
    cpu->blocks[group].block =
        sac_region_take(a, (size_t)cpu->blocks[group].count, sizeof(sac_cpu_block), SAC_ALIGNMENT);
  cpu->piece = sac_region_take(a, (size_t)cpu->pieces, sizeof(sac_cpu_piece), SAC_ALIGNMENT);

  /* write the lists */
  add_all_blocks(agent, cpu);
  add_all_pieces(agent, cpu);
}

size_t sac_cpu_layout(const sac_agent* agent, sac_cpu* cpu) {
  sac_region a = {cpu->memory, 0};
  const int32_t population = agent->shape.population;

  /* the lists of tasks */
  layout_lists(agent, cpu, &a);

  /* arrays of structs: a minibatch for each agent; agents take turns with the scratches */
  cpu->minibatch = sac_region_take(&a, (size_t)population, sizeof(sac_cpu_minibatch), SAC_ALIGNMENT);
  cpu->scratch = sac_region_take(&a, (size_t)cpu->scratches, sizeof(sac_cpu_scratch), SAC_ALIGNMENT);
  cpu->thread = sac_region_take(&a, (size_t)cpu->threads, sizeof(sac_cpu_thread), SAC_ALIGNMENT);
  cpu->sampler_state =
      sac_region_take(&a, sac_bytes((size_t)population, sac_cpu_sampler_bytes(agent)), 1, SAC_ALIGNMENT);
  cpu->running = sac_region_take(&a, (size_t)population, sizeof(int32_t), SAC_ALIGNMENT);

  /* the memory of each minibatch, scratch and thread; while measuring there are no structs: fill in an unused one */
  for (int32_t p = 0; p < population; p++) {
    sac_cpu_minibatch unused;
    layout_minibatch(agent, cpu, &a, cpu->minibatch ? &cpu->minibatch[p] : &unused);
  }
  for (int32_t i = 0; i < cpu->scratches; i++) {
    sac_cpu_scratch unused = {0};
    layout_scratch(agent, cpu, &a, cpu->scratch ? &cpu->scratch[i] : &unused);
  }
  for (int32_t i = 0; i < cpu->threads; i++) {
    sac_cpu_thread unused;
    layout_thread(agent, cpu, &a, cpu->thread ? &cpu->thread[i] : &unused);
  }
  return a.used;
}

/* Lays out the scratch of every agent at `memory`, and sets cpu->own; with NULL only measures. Returns the bytes. */
static size_t layout_own(const sac_agent* agent, sac_cpu* cpu, void* memory) {
  sac_region a = {memory, 0};
  const int32_t population = agent->shape.population;
  sac_cpu_scratch* own = sac_region_take(&a, (size_t)population, sizeof *own, SAC_ALIGNMENT);

  /* while measuring there are no structs to fill in */
  for (int32_t p = 0; p < population; p++) {
    sac_cpu_scratch unused = {0};
    layout_scratch(agent, cpu, &a, own ? &own[p] : &unused);
  }
  cpu->own = own;
  return a.used;
}

sac_status sac_cpu_own_scratch(const sac_agent* agent, sac_cpu* cpu) {
  /* one agent has the only scratch to itself */
  if (agent->shape.population == 1 || cpu->own) return SAC_OK;

  /* measure, allocate, lay out */
  const size_t bytes = layout_own(agent, cpu, NULL);
  cpu->own_memory = sac_alloc(bytes);
  if (!cpu->own_memory)
    return sac_fail(SAC_ERROR_MEMORY, "no memory for %zu bytes: an update in parts keeps those of each agent", bytes);
  (void)layout_own(agent, cpu, cpu->own_memory);
  return SAC_OK;
}
