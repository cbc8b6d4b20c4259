/* Where everything is in the device's memory. The same functions measure and lay out: without memory they count. */
#include <string.h>

#include "cuda/cuda.h"
#include "util/error.h"
#include "util/memory.h"

#define ALIGNMENT 256 /* bytes: that of cudaMalloc, and more than a float4 or a double needs */

/* The next piece of a region; NULL where the region only measures. */
static void* take(sac_region* a, size_t count, size_t size) { return sac_region_take(a, count, size, ALIGNMENT); }

static float* take_floats(sac_region* a, size_t count, size_t each) {
  return take(a, sac_bytes(count, each), sizeof(float));
}

#define NETS_MAX 65535 /* networks in one launch: the grid's second dimension */

sac_status sac_cuda_fits(const sac_agent* agent) {
  const int64_t critics = (int64_t)agent->shape.population * agent->shape.critics;
  const sac_net* acts = agent->tensors.net[sac_algo_acts_with(agent->algo)];

  /* act has 32-bit offsets in a layer's weights */
  for (int32_t l = 0; l < acts->layers; l++)
    if ((int64_t)acts->size[l] * acts->size[l + 1] > INT32_MAX)
      return sac_fail(SAC_ERROR_CONFIG,
                      "a layer of %d x %d weights is too large for a CUDA device: lower network.hidden",
                      (int)acts->size[l], (int)acts->size[l + 1]);

  /* critics and their targets share a launch */
  if (2 * critics <= NETS_MAX) return SAC_OK;
  return sac_fail(SAC_ERROR_CONFIG, "%d agents of %d critics: at most %d critics in all fit a CUDA device: lower seeds",
                  (int)agent->shape.population, (int)agent->shape.critics, NETS_MAX / 2);
}

/* --- slabs -------------------------------------------------------------------------------------------------------- */

/* Floats from one net to the next one of the same shape, with the gaps for alignment. */
static size_t net_floats(const sac_net* net) {
  const int32_t head = net->layers - 1;
  const size_t last = net->bias[head] + (size_t)net->size[head + 1];
  return (last - net->weight[0] + 15) / 16 * 16;
}

/* How many networks of a group all agents have. */
static size_t net_count(const sac_agent* agent, const sac_gpu* gpu, sac_group group) {
  return (size_t)agent->shape.population * (size_t)gpu->nets[group].per_agent;
}

/* Appends the networks of a group to a slab. */
static void place_group(const sac_agent* agent, sac_gpu* gpu, sac_group group, size_t* used) {
  sac_nets* nets = &gpu->nets[group];
  memset(nets, 0, sizeof *nets);
  if (agent->tensors.nets[group] == 0) return; /* the algorithm has no such networks */

  /* those of all agents one behind the other: agent p's network k has number p * per_agent + k */
  nets->net = agent->tensors.net[group];
  nets->per_agent = agent->tensors.nets[group];
  nets->start = *used;
  nets->each = net_floats(nets->net);
  nets->host = nets->net->weight[0];
  *used += net_count(agent, gpu, group) * nets->each;
}

/* The critics are the last trained networks, and their targets are the first targets. So both together are 2 P K
 * networks with one stride. */
static void place_slabs(const sac_agent* agent, sac_gpu* gpu) {
  size_t used = 0;

  /* trained: all four slabs of trained tensors have this layout */
  place_group(agent, gpu, SAC_ACTOR, &used);
  place_group(agent, gpu, SAC_VALUE, &used);
  gpu->log_alpha = used;
  used += (size_t)agent->shape.population * SAC_ALPHA_STRIDE;
  place_group(agent, gpu, SAC_CRITIC, &used);
  gpu->trained = used;

  /* targets: in the slab of weights alone */
  place_group(agent, gpu, SAC_CRITIC_TARGET, &used);
  place_group(agent, gpu, SAC_VALUE_TARGET, &used);
  gpu->targets = used - gpu->trained;

  /* the ring of one agent */
  gpu->replay_floats = sac_bytes((size_t)agent->shape.capacity, (size_t)agent->row.floats);
}

/* --- scratch ------------------------------------------------------------------------------------------------------ */

/* Takes memory for the activations of `nets` networks with `rows` rows each. The last buffer, the head's
 * output, is kept only where it is wider than one number. */
static void take_trace(sac_region* a, const sac_net* net, size_t nets, size_t rows, sac_device_trace* trace) {
  trace->rows = (int32_t)rows;
  const int32_t last = net->buffers - 1;
  for (int32_t b = 0; b < last; b++) trace->h[b] = take_floats(a, sac_bytes(nets, rows), (size_t)net->width[b]);
  if (net->width[last] > 1) trace->out = take_floats(a, sac_bytes(nets, rows), (size_t)net->width[last]);
}

/* The pass whose FORWARD shares a launch with that of pass i, so that its networks or rows are placed behind those of
 * pass i; -1: none. */
static int32_t neighbour_of(const sac_gpu* gpu, const sac_algorithm* algo, int32_t i) {
  const sac_plan* plan = &gpu->plan;
  const int32_t next = plan->pass[i].first + 1; /* the operation after the pass's FORWARD */
  const sac_launch* launch = sac_cuda_find_launch(gpu->path, algo, &plan->op[next - 1], plan->count - next + 1);
  return launch && launch->count == 2 ? plan->pass_of[next] : -1;
}

/* The activations of all passes. Two passes that share products share an allocation: networks side by side, or the
 * actor's rows at s and s'. */
static void layout_passes(const sac_agent* agent, sac_gpu* gpu, sac_region* a) {
  const sac_plan* plan = &gpu->plan;
  const size_t B = (size_t)agent->shape.batch;
  uint8_t placed[SAC_PASSES_MAX] = {0};
  for (int32_t i = 0; i < plan->passes; i++) {
    const sac_pass* pass = &plan->pass[i];
    const sac_net* net = agent->tensors.net[pass->nets];
    const size_t nets = net_count(agent, gpu, pass->nets);
    const int32_t next = neighbour_of(gpu, agent->algo, i);
    const int side_by_side = next >= 0 && plan->pass[next].nets != pass->nets;
    if (placed[i]) continue; /* as the neighbour of an earlier pass */

    /* a pass may take over the memory of an earlier one */
    if (pass->memory != i) {
      gpu->trace[i] = gpu->trace[pass->memory];
      continue;
    }

    /* its own memory, with room for its neighbour; the actor always has 2B rows, as actor_squash expects */
    take_trace(a, net, side_by_side ? 2 * nets : nets, pass->nets == SAC_ACTOR ? 2 * B : B, &gpu->trace[i]);

    /* the neighbour: networks behind those of pass i; or the actor's rows at s', which no launch reads alone, so its
     * trace starts at the rows of s */
    if (next < 0) continue;
    gpu->trace[next] =
        side_by_side && a->base ? sac_cuda_trace_from(&gpu->trace[i], net, (int32_t)nets) : gpu->trace[i];
    placed[next] = 1;
  }
}

/* Memory of a group's trained networks: gradients with respect to hidden activations and outputs, outputs, norms. */
static void layout_trained(const sac_agent* agent, sac_gpu* gpu, sac_region* a, sac_group group) {
  const sac_nets* nets = &gpu->nets[group];
  const size_t P = (size_t)agent->shape.population,
               rows = sac_bytes(net_count(agent, gpu, group), (size_t)agent->shape.batch);
  const sac_net* net = nets->net;
  if (nets->per_agent == 0 || sac_group_is_target(group)) return;

  /* gradients of each row; networks with one output keep it for the statistics, and critics that of the action */
  for (int32_t b = 0; b + 1 < net->buffers; b++) gpu->d_hidden[group][b] = take_floats(a, rows, (size_t)net->width[b]);
  gpu->d_output[group] = take_floats(a, rows, (size_t)net->size[net->layers]);
  if (net->size[net->layers] == 1 || group == SAC_CRITIC) gpu->output[group] = take_floats(a, rows, 1);

  /* adam_update writes the squared norm in parts, one of each block */
  gpu->norm[group] = take(a, P * (size_t)sac_adam_parts((size_t)nets->per_agent * nets->each), sizeof(double));
}

/* The minibatch. The inputs of the target critics are placed behind those of the critics. */
static void layout_minibatch(const sac_agent* agent, sac_gpu* gpu, sac_region* a) {
  const sac_shape* s = &agent->shape;
  const int discrete = agent->algo->discrete;
  const size_t P = (size_t)s->population, B = (size_t)s->batch, O = (size_t)s->obs, A = (size_t)s->action,
               K = (size_t)s->critics, PB = sac_bytes(P, B), PKB = sac_bytes(PB, K), F = discrete ? O : O + A;
  sac_device_minibatch* m = &gpu->minibatch;

  /* inputs of the networks (shapes: sac_device_minibatch) */
  m->states = take_floats(a, PB, 2 * O);
  m->current = take_floats(a, PKB, 2 * F);
  m->next = a->base ? m->current + PKB * F : NULL;
  if (!discrete) m->policy = take_floats(a, PKB, F);

  /* what else each row has */
  m->reward = take_floats(a, PB, 1);
  m->discount = take_floats(a, PB, 1);
  m->weight = take_floats(a, PB, 1);
  m->index = take(a, PB, sizeof(uint64_t));
  if (discrete) m->action = take_floats(a, PB, 1);
  else m->noise = take_floats(a, PB, 2 * A);
}

/* Columns: what an operation computes for each row, and later operations read. */
static void layout_columns(const sac_agent* agent, sac_gpu* gpu, sac_region* a) {
  const size_t A = (size_t)agent->shape.action,
               PB = sac_bytes((size_t)agent->shape.population, (size_t)agent->shape.batch);

  /* targets and values */
  gpu->y = take_floats(a, PB, 1);
  gpu->v_target = take_floats(a, PB, 1);
  gpu->smallest = take_floats(a, PB, 1);

  /* log_prob has rows for s' too */
  gpu->squashed.log_prob = take_floats(a, PB, 2);
  if (agent->algo->discrete) {
    gpu->log_z = take_floats(a, PB, 1);
    gpu->kl = take_floats(a, PB, 1);
    return;
  }

  /* the actor's samples */
  gpu->squashed.action = take_floats(a, PB, A);
  gpu->squashed.spread = take_floats(a, PB, A);
  gpu->squashed.slope = take_floats(a, PB, A);
  gpu->squashed.saturated = take_floats(a, PB, 1);
}

/* Scratch memory of act, and the snapshot of the networks that act. */
static void layout_act(const sac_agent* agent, sac_gpu* gpu, sac_region* a) {
  const sac_nets* acts = &gpu->nets[sac_algo_acts_with(agent->algo)];
  const sac_net* net = acts->net;
  const size_t P = (size_t)agent->shape.population;

  /* the widest layer, observation and head included */
  int32_t widest = net->size[0];
  for (int32_t l = 1; l <= net->layers; l++) widest = net->size[l] > widest ? net->size[l] : widest;
  gpu->act_scratch = take_floats(a, P, sac_actor_act_scratch(widest, acts->per_agent));

  /* the snapshot, for train.overlap alone */
  if (agent->settings.overlap == 0) return;
  gpu->act_copy = take_floats(a, sac_bytes(P, (size_t)acts->per_agent), acts->each);
  gpu->act_alive = take(a, P, sizeof(uint32_t));
  if (agent->algo->policy == SAC_POLICY_BOLTZMANN) gpu->act_log_alpha = take_floats(a, P, SAC_ALPHA_STRIDE);
}

/* Everything in scratch memory. */
static void layout_scratch(const sac_agent* agent, sac_gpu* gpu, sac_region* a) {
  /* counters, statistics, and the list of gradients to search when an agent stops */
  gpu->state = take(a, (size_t)agent->shape.population, sizeof(sac_device_state));
  gpu->watched_count = sac_cuda_list_watched(agent, NULL);
  gpu->watched = take(a, (size_t)gpu->watched_count, sizeof(sac_gradient_tensor));

  /* what an update computes */
  layout_minibatch(agent, gpu, a);
  layout_passes(agent, gpu, a);
  for (int group = 0; group < SAC_GROUP_COUNT; group++) layout_trained(agent, gpu, a, (sac_group)group);
  layout_columns(agent, gpu, a);

  /* cuBLAS and act */
  gpu->blas_workspace = take(a, SAC_BLAS_WORKSPACE, 1);
  layout_act(agent, gpu, a);
}

/* Everything in pinned memory of the host. */
static void layout_pinned(const sac_agent* agent, sac_gpu* gpu, sac_region* a) {
  const sac_shape* s = &agent->shape;
  const size_t P = (size_t)s->population, rows = sac_bytes(P, (size_t)gpu->act_rows);

  /* copies of the device's states, one for each direction, and of the list of gradients */
  gpu->state_out = take(a, P, sizeof(sac_device_state));
  gpu->state_in = take(a, P, sizeof(sac_device_state));
  gpu->watched_out = take(a, (size_t)gpu->watched_count, sizeof(sac_gradient_tensor));

  /* staging of act and of replay push: the kernels read and write these rows themselves */
  gpu->act_obs = take_floats(a, rows, (size_t)s->obs);
  gpu->act_noise = take_floats(a, rows, (size_t)s->action);
  gpu->act_action = take_floats(a, rows, (size_t)s->action);
  gpu->act_log_prob = take_floats(a, rows, 1);
  gpu->push_rows = take(a, sac_bytes(P, (size_t)gpu->push_capacity), (size_t)agent->row.floats * sizeof(float));
}

/* Rows of each agent that `bytes` hold, at least 1 and at most `most`. */
static int32_t staged_rows(size_t bytes, size_t row, size_t most) {
  const size_t fit = bytes / row;
  return fit < 1 ? 1 : fit > most ? (int32_t)most : (int32_t)fit;
}

void sac_cuda_layout(const sac_agent* agent, sac_gpu* gpu, size_t* scratch_bytes, size_t* pinned_bytes) {
  const size_t row = sac_bytes((size_t)agent->shape.population, (size_t)agent->row.floats * sizeof(float));
  sac_region scratch = {gpu->scratch, 0}, pinned = {gpu->pinned, 0};
  const size_t act_row = sac_bytes((size_t)agent->shape.population,
                                   (size_t)(agent->shape.obs + 2 * agent->shape.action + 1) * sizeof(float));

  /* rows that are staged at a time */
  gpu->act_rows = staged_rows(SAC_ACT_BYTES, act_row, SAC_ACT_ROWS_MAX);
  gpu->push_capacity = staged_rows(SAC_PUSH_BYTES, row, 65536);
  (void)sac_plan_create(&gpu->plan, agent->algo, 0); /* create reports its errors */
  gpu->path = sac_cuda_path(&agent->settings);

  /* slabs first: scratch memory needs the numbers and sizes of the networks */
  place_slabs(agent, gpu);
  layout_scratch(agent, gpu, &scratch);
  layout_pinned(agent, gpu, &pinned);
  *scratch_bytes = gpu->scratch_bytes = scratch.used;
  *pinned_bytes = pinned.used;
}

/* --- the host's view ---------------------------------------------------------------------------------------------- */

/* A place in a slab, in floats. start: of agent 0's float. stride: from one agent's float to that of the next agent.
 * run: how many floats there are from `start` on without a gap. */
typedef struct location {
  size_t start, stride, run;
} location;

/* Returns whether float `offset` of an agent's part (model/tensors.h) is in the networks of a group, and where. */
static int find_in_group(const sac_nets* nets, size_t offset, location* at) {
  const size_t all = (size_t)nets->per_agent * nets->each;
  if (nets->per_agent == 0 || offset < nets->host || offset >= nets->host + all) return 0;
  *at = (location){nets->start + (offset - nets->host), all, nets->host + all - offset};
  return 1;
}

/* The same for all trained networks (targets 0) or all target networks (targets 1). */
static int find_network(const sac_gpu* gpu, int targets, size_t offset, location* at) {
  for (int group = 0; group < SAC_GROUP_COUNT; group++)
    if (sac_group_is_target((sac_group)group) == targets && find_in_group(&gpu->nets[group], offset, at)) return 1;
  return 0;
}

/* Where `offset` of an agent's trained part is: in a network, or log_alpha. */
static location find_trained(const sac_agent* agent, size_t offset) {
  const sac_gpu* gpu = sac_gpu_of(agent);
  const size_t log_alpha = agent->tensors.log_alpha;
  location at;
  if (find_network(gpu, 0, offset, &at)) return at;

  /* what is in no network is log_alpha, or in the gap behind it */
  return (location){gpu->log_alpha + (offset - log_alpha), SAC_ALPHA_STRIDE, log_alpha + SAC_ALPHA_STRIDE - offset};
}

float* sac_cuda_locate(const sac_agent* agent, sac_memory memory, int32_t p, size_t offset, size_t* run) {
  const sac_gpu* gpu = sac_gpu_of(agent);
  float* const slabs[] = {gpu->weights, gpu->grad, gpu->m, gpu->v, gpu->weights, gpu->replay}; /* by sac_memory */

  /* the ring has the host's layout; weights are grouped by network, for all agents together */
  location at = {offset, gpu->replay_floats, gpu->replay_floats - offset};
  if (memory == SAC_MEMORY_TARGET) (void)find_network(gpu, 1, offset, &at);
  else if (memory != SAC_MEMORY_REPLAY) at = find_trained(agent, offset);
  *run = at.run;
  return slabs[memory] + at.start + (size_t)p * at.stride;
}

int32_t sac_cuda_list_watched(const sac_agent* agent, sac_gradient_tensor* list) {
  int32_t count = 0;
  for (int32_t i = 0; i < agent->tensors.count; i++) {
    const sac_tensor* tensor = &agent->tensors.tensor[i];
    if (tensor->slab != SAC_SLAB_TRAINED) continue;
    if (list) {
      const location at = find_trained(agent, tensor->offset);
      list[count] = (sac_gradient_tensor){at.start, at.stride, tensor->count};
    }
    count++;
  }
  return count;
}
