/* Stages replay push and replay sample: the ring of transitions, and minibatches from it. */
#include <string.h>

#include "cpu/cpu.h"
#include "kernels/bellman.h"
#include "kernels/random.h"

sac_ring sac_cpu_ring(const sac_agent* agent, int32_t p) {
  const sac_cpu* cpu = agent->storage;
  return (sac_ring){.rows = sac_cpu_slab(cpu, SAC_MEMORY_REPLAY, p),
                    .row = &agent->row,
                    .size = sac_replay_size(agent->counters[p].pushed, agent->shape.capacity),
                    .state = cpu->sampler_state + (size_t)p * sac_cpu_sampler_bytes(agent)};
}

size_t sac_cpu_sampler_bytes(const sac_agent* agent) {
  const sac_sampler* sampler = sac_sampler_at(agent->settings.replay_sampling);
  return sampler->bytes ? sampler->bytes(&agent->shape) : 0;
}

/* The sampler learns of the n rows that are written from the cursor on, in runs that do not wrap around. */
static void note_pushed(const sac_agent* agent, int32_t p, size_t n) {
  const sac_sampler* sampler = ((const sac_cpu*)agent->storage)->sampler;
  const sac_ring ring = sac_cpu_ring(agent, p);
  const int64_t capacity = agent->shape.capacity, first = (int64_t)(agent->counters[p].pushed % (uint64_t)capacity);
  if (!sampler->pushed) return;
  const int64_t rows = (int64_t)n < capacity ? (int64_t)n : capacity, left = capacity - first;
  sampler->pushed(&ring, first, rows < left ? rows : left);
  if (rows > left) sampler->pushed(&ring, 0, rows - left);
}

sac_status sac_cpu_replay_push(sac_agent* agent, const sac_transitions* t, const struct sac_vector* vector) {
  (void)vector; /* its arrays are the transitions */
  const sac_cpu* cpu = agent->storage;
  const size_t obs = (size_t)agent->shape.obs, actions = (size_t)agent->shape.action, n = (size_t)t->n;
  const sac_replay_row* row = &agent->row;

  /* copy the transitions of each agent behind its last ones */
  for (int32_t p = 0; p < agent->shape.population; p++) {
    if (!agent->alive[p]) continue;
    float* ring = sac_cpu_slab(cpu, SAC_MEMORY_REPLAY, p);
    for (size_t i = 0; i < n; i++) {
      const size_t from = (size_t)p * n + i;
      const uint64_t place = (agent->counters[p].pushed + i) % (uint64_t)agent->shape.capacity;
      float* to = ring + (size_t)place * (size_t)row->floats;
      memcpy(to + row->obs, t->obs + from * obs, obs * sizeof(float));
      memcpy(to + row->action, t->action + from * actions, actions * sizeof(float));
      to[row->reward] = t->reward[from];
      to[row->terminated] = (float)t->terminated[from];
      to[row->truncated] = (float)t->truncated[from];
      memcpy(to + row->next_obs, t->next_obs + from * obs, obs * sizeof(float));
    }
    note_pushed(agent, p, n);
    agent->counters[p].pushed += n;
  }
  return SAC_OK;
}

/* Copies `count` features of one row into feature panels, from feature `first` on. stride: floats between panels. */
static void put_features(float* panels, size_t stride, int32_t row, int32_t first, const float* from, int32_t count) {
  while (count > 0) {
    const int32_t lane = first % SAC_PANEL, room = SAC_PANEL - lane, part = count < room ? count : room;
    memcpy(panels + (size_t)(first / SAC_PANEL) * stride + (size_t)row * SAC_PANEL + lane, from,
           (size_t)part * sizeof(float));
    first += part;
    from += part;
    count -= part;
  }
}

/* The noise of a chunk's actions, where the algorithm samples them. */
static void draw_noise(const sac_cpu_job* job, int32_t first, int32_t rows) {
  const sac_agent* agent = job->agent;
  const uint64_t batch = (uint64_t)agent->shape.batch, actions = (uint64_t)agent->shape.action;
  const uint64_t seed = agent->seed[job->p], offset = (uint64_t)first * actions;
  const uint64_t block = sac_draw_block(agent->counters[job->p].updates, batch * actions, SAC_NORMALS_PER_BLOCK) +
                         offset / SAC_NORMALS_PER_BLOCK;
  const size_t count = (size_t)rows * (size_t)actions;
  const sac_isa* isa = job->cpu->isa;
  isa->normals(seed, SAC_STREAM_ACTION_NOISE, block, count, job->minibatch->noise[SAC_POLICY] + offset);
  if (sac_algo_samples(agent->algo, SAC_NEXT))
    isa->normals(seed, SAC_STREAM_NEXT_ACTION_NOISE, block, count, job->minibatch->noise[SAC_NEXT] + offset);
}

/* Chunks begin at whole panels, so at whole Philox blocks. */
void sac_cpu_sample_task(const sac_cpu_job* job, const sac_cpu_phase* phase, int32_t task, sac_cpu_thread* thread) {
  (void)phase;
  (void)thread;
  const sac_agent* agent = job->agent;
  const sac_shape* shape = &agent->shape;
  const sac_cpu_minibatch* m = job->minibatch;
  const sac_replay_row* layout = &agent->row;
  const int32_t rows = sac_chunk_rows(job, task), first = task * job->cpu->chunk_panels * SAC_PANEL;
  const size_t stride = sac_cpu_batch_rows(job->cpu) * SAC_PANEL, bytes = (size_t)layout->floats * sizeof(float);
  const sac_ring ring = sac_cpu_ring(agent, job->p);
  const sac_draw draw = {.seed = agent->seed[job->p],
                         .number = agent->counters[job->p].updates,
                         .batch = (uint64_t)shape->batch,
                         .first = (size_t)first,
                         .count = (size_t)rows,
                         .gamma = (float)agent->settings.gamma};
  uint64_t* index = m->index + first;

  /* The rows are asked for before the noise is made, and are here behind it. */
  job->cpu->sampler->draw(&ring, &draw, index, m->weight + first);
  for (int32_t r = 0; r < rows; r++) {
    const char* row = (const char*)(ring.rows + index[r] * (uint64_t)layout->floats);
    for (size_t at = 0; at < bytes; at += 64) __builtin_prefetch(row + at);
  }
  draw_noise(job, first, rows);

  for (int32_t r = 0; r < rows; r++) {
    const float* row = ring.rows + index[r] * (uint64_t)layout->floats;
    put_features(m->current, stride, first + r, 0, row + layout->obs, shape->obs);
    put_features(m->current, stride, first + r, shape->obs, row + layout->action, shape->action);
    put_features(m->next, stride, first + r, 0, row + layout->next_obs, shape->obs);
  }
  job->cpu->sampler->read(&ring, &draw, index, m->reward + first, m->discount + first);
}

void sac_cpu_learnt_task(const sac_cpu_job* job, const sac_cpu_phase* phase, int32_t task, sac_cpu_thread* thread) {
  (void)phase;
  (void)task;
  (void)thread;
  if (!job->cpu->drawn) return;
  const sac_ring ring = sac_cpu_ring(job->agent, job->p);
  const int32_t batch = job->agent->shape.batch, critics = job->agent->shape.critics;
  const float* q = job->scratch->output[sac_plan_find(&job->cpu->plan, SAC_CRITIC, SAC_CURRENT)];
  float* error = job->scratch->td_error;
  for (int32_t r = 0; r < batch; r++) {
    error[r] = 0;
    for (int32_t k = 0; k < critics; k++)
      error[r] += sac_abs(sac_td_error(q[(size_t)k * sac_cpu_batch_rows(job->cpu) + (size_t)r], job->scratch->y[r]));
    error[r] /= (float)critics;
  }
  job->cpu->sampler->learnt(&ring, job->minibatch->index, error, (size_t)batch);
}

sac_status sac_cpu_minibatch_set(sac_agent* agent, const sac_minibatch* minibatch, const sac_noise* noise) {
  sac_cpu* cpu = agent->storage;
  cpu->drawn = 0;
  const size_t batch = (size_t)agent->shape.batch, obs = (size_t)agent->shape.obs,
               actions = (size_t)agent->shape.action;
  const size_t stride = (size_t)cpu->panels * SAC_PANEL * SAC_PANEL;
  for (int32_t p = 0; p < agent->shape.population; p++) {
    const sac_cpu_minibatch* m = &cpu->minibatch[p];
    const size_t from = (size_t)p * batch;

    /* copy observations and actions, row by row */
    for (size_t r = 0; r < batch; r++) {
      put_features(m->current, stride, (int32_t)r, 0, minibatch->obs + (from + r) * obs, agent->shape.obs);
      put_features(m->current, stride, (int32_t)r, agent->shape.obs, minibatch->action + (from + r) * actions,
                   agent->shape.action);
      put_features(m->next, stride, (int32_t)r, 0, minibatch->next_obs + (from + r) * obs, agent->shape.obs);
    }

    /* copy rewards, ends and noise */
    memcpy(m->reward, minibatch->reward + from, batch * sizeof(float));
    for (size_t r = 0; r < batch; r++) {
      m->discount[r] = sac_discount((float)agent->settings.gamma, minibatch->terminated[from + r]);
      m->weight[r] = 1;
      m->index[r] = 0; /* of no row of the ring */
    }
    memcpy(m->noise[SAC_POLICY], noise->action + from * actions, batch * actions * sizeof(float));
    if (noise->next_action)
      memcpy(m->noise[SAC_NEXT], noise->next_action + from * actions, batch * actions * sizeof(float));
  }
  return SAC_OK;
}
