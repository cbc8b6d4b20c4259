/* Stages replay push and replay sample: the ring of transitions, and minibatches from it. */
#include <string.h>

#include "cpu/cpu.h"
#include "kernels/random.h"

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

/* Samples one chunk: indices, rows and noise. Chunks start at whole panels, and so at whole Philox blocks. */
void sac_cpu_sample_task(const sac_cpu_job* job, const sac_cpu_phase* phase, int32_t task, sac_cpu_thread* thread) {
  (void)phase;
  const sac_agent* agent = job->agent;
  const sac_shape* shape = &agent->shape;
  const sac_cpu_minibatch* m = job->minibatch;
  const sac_replay_row* layout = &agent->row;
  const int32_t rows = sac_chunk_rows(job, task), first = task * job->cpu->chunk_panels * SAC_PANEL;
  const uint64_t seed = agent->seed[job->p], draw = agent->counters[job->p].updates, batch = (uint64_t)shape->batch;
  const uint64_t size = (uint64_t)sac_replay_size(agent->counters[job->p].pushed, shape->capacity);
  const float* ring = sac_cpu_slab(job->cpu, SAC_MEMORY_REPLAY, job->p);
  const size_t stride = (size_t)job->cpu->panels * SAC_PANEL * SAC_PANEL,
               bytes = (size_t)layout->floats * sizeof(float);

  /* draw the indices, and prefetch their rows */
  sac_fill_indices(seed, SAC_STREAM_SAMPLE,
                   sac_draw_block(draw, batch, SAC_INDICES_PER_BLOCK) + (uint64_t)first / SAC_INDICES_PER_BLOCK,
                   (size_t)rows, size, thread->index);
  for (int32_t r = 0; r < rows; r++) {
    const char* row = (const char*)(ring + thread->index[r] * (uint64_t)layout->floats);
    for (size_t at = 0; at < bytes; at += 64) __builtin_prefetch(row + at);
  }

  /* draw the noise, while the rows arrive */
  const uint64_t noise = batch * (uint64_t)shape->action, offset = (uint64_t)first * (uint64_t)shape->action;
  const uint64_t block = sac_draw_block(draw, noise, SAC_NORMALS_PER_BLOCK) + offset / SAC_NORMALS_PER_BLOCK;
  const size_t count = (size_t)rows * (size_t)shape->action;
  job->cpu->isa->normals(seed, SAC_STREAM_ACTION_NOISE, block, count, m->noise[SAC_POLICY] + offset);
  if (sac_algo_samples(agent->algo, SAC_NEXT))
    job->cpu->isa->normals(seed, SAC_STREAM_NEXT_ACTION_NOISE, block, count, m->noise[SAC_NEXT] + offset);

  /* copy the rows */
  for (int32_t r = 0; r < rows; r++) {
    const float* row = ring + thread->index[r] * (uint64_t)layout->floats;
    put_features(m->current, stride, first + r, 0, row + layout->obs, shape->obs);
    put_features(m->current, stride, first + r, shape->obs, row + layout->action, shape->action);
    put_features(m->next, stride, first + r, 0, row + layout->next_obs, shape->obs);
    m->reward[first + r] = row[layout->reward];
    m->terminated[first + r] = row[layout->terminated];
  }
}

sac_status sac_cpu_minibatch_set(sac_agent* agent, const sac_minibatch* minibatch, const sac_noise* noise) {
  const sac_cpu* cpu = agent->storage;
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
    memcpy(m->terminated, minibatch->terminated + from, batch * sizeof(float));
    memcpy(m->noise[SAC_POLICY], noise->action + from * actions, batch * actions * sizeof(float));
    if (noise->next_action)
      memcpy(m->noise[SAC_NEXT], noise->next_action + from * actions, batch * actions * sizeof(float));
  }
  return SAC_OK;
}
