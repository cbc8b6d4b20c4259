/* Stages replay push and replay sample: the ring of transitions, and minibatches from it. */
#include <string.h>

#include "cpu/cpu.h"
#include "kernels/bellman.h"
#include "kernels/random.h"
#include "kernels/ring.h"

sac_ring sac_cpu_ring(const sac_agent* agent, int32_t p) {
  const sac_cpu* cpu = agent->storage;
  return (sac_ring){.rows = sac_cpu_slab(cpu, SAC_MEMORY_REPLAY, p),
                    .row = &agent->row,
                    .size = sac_replay_size(agent->counters[p].pushed, agent->shape.capacity),
                    .fixed = agent->fixed[p],
                    .state = cpu->sampler_state + (size_t)p * sac_cpu_sampler_bytes(agent)};
}

size_t sac_cpu_sampler_bytes(const sac_agent* agent) {
  const sac_sampler* sampler = sac_sampler_at(agent->settings.replay_sampling);
  return sampler->bytes ? sampler->bytes(&agent->shape) : 0;
}

/* Tells the sampler which rows of the ring were just written: n rows from that of transition `pushed` on, in at most
 * two runs that do not wrap around. counters.pushed does not count them yet. */
static void note_pushed(const sac_agent* agent, int32_t p, size_t n) {
  const sac_sampler* sampler = ((const sac_cpu*)agent->storage)->sampler;
  const sac_ring ring = sac_cpu_ring(agent, p);
  const int64_t capacity = agent->shape.capacity, fixed = (int64_t)agent->fixed[p], others = capacity - fixed;
  if (!sampler->pushed) return;

  /* if more rows come than the ring holds, each of its rows that are not fixed is written */
  const int64_t first = (int64_t)sac_ring_place(agent->counters[p].pushed, (uint64_t)capacity, agent->fixed[p]);
  const int64_t rows = (int64_t)n < others ? (int64_t)n : others, left = capacity - first;
  sampler->pushed(&ring, first, rows < left ? rows : left);
  if (rows > left) sampler->pushed(&ring, fixed, rows - left);
}

sac_status sac_cpu_replay_push(sac_agent* agent, const sac_transitions* t, const struct sac_vector* vector) {
  (void)vector; /* its arrays are the transitions */
  const sac_cpu* cpu = agent->storage;
  const size_t obs = (size_t)agent->shape.obs, actions = (size_t)agent->shape.action, n = (size_t)t->n;
  const sac_replay_row* row = &agent->row;

  /* copy the transitions of each agent into the ring, after its last ones; a full ring loses its oldest rows */
  for (int32_t p = 0; p < agent->shape.population; p++) {
    if (!agent->alive[p]) continue;
    float* ring = sac_cpu_slab(cpu, SAC_MEMORY_REPLAY, p);
    for (size_t i = 0; i < n; i++) {
      /* find the row of the ring for transition i */
      const size_t from = (size_t)p * n + i;
      const uint64_t place =
          sac_ring_place(agent->counters[p].pushed + i, (uint64_t)agent->shape.capacity, agent->fixed[p]);
      float* to = ring + (size_t)place * (size_t)row->floats;

      /* write the row in the layout of replay/rows.h; an action may be beyond 1 by a rounding */
      memcpy(to + row->obs, t->obs + from * obs, obs * sizeof(float));
      for (size_t a = 0; a < actions; a++) {
        const float action = t->action[from * actions + a];
        to[(size_t)row->action + a] = agent->shape.actions ? action : sac_clamp(action, -1, 1);
      }
      to[row->reward] = t->reward[from];
      to[row->terminated] = (float)t->terminated[from];
      to[row->truncated] = (float)t->truncated[from];
      memcpy(to + row->next_obs, t->next_obs + from * obs, obs * sizeof(float));
    }

    /* let the sampler know before the counter moves */
    note_pushed(agent, p, n);
    agent->counters[p].pushed += n;
  }
  return SAC_OK;
}

/* Copies `count` features of row `row` into feature panels, from feature `first` on. stride: floats between panels. */
static void put_features(float* panels, size_t stride, int32_t row, int32_t first, const float* from, int32_t count) {
  /* copy up to the end of a panel at a time */
  while (count > 0) {
    const int32_t lane = first % SAC_PANEL, room = SAC_PANEL - lane, part = count < room ? count : room;
    memcpy(panels + (size_t)(first / SAC_PANEL) * stride + (size_t)row * SAC_PANEL + lane, from,
           (size_t)part * sizeof(float));
    first += part;
    from += part;
    count -= part;
  }
}

/* Draws the noise of the actions of `rows` rows from row `first` on: of a~, and of a' if the algorithm samples it. */
static void draw_noise(const sac_cpu_job* job, int32_t first, int32_t rows) {
  const sac_agent* agent = job->agent;
  const uint64_t batch = (uint64_t)agent->shape.batch, actions = (uint64_t)agent->shape.action;

  /* nothing is sampled from the policy of discrete actions */
  if (agent->algo->discrete) return;

  /* the whole minibatch is one draw of the stream; find the block at which row `first` begins */
  const uint64_t seed = agent->seed[job->p], offset = (uint64_t)first * actions;
  const uint64_t block = sac_draw_block(agent->counters[job->p].updates, batch * actions, SAC_NORMALS_PER_BLOCK) +
                         offset / SAC_NORMALS_PER_BLOCK;

  /* both noises have the same position, in streams of their own */
  const size_t count = (size_t)rows * (size_t)actions;
  const sac_isa* isa = job->cpu->isa;
  isa->normals(seed, SAC_STREAM_ACTION_NOISE, block, count, job->minibatch->noise[SAC_POLICY] + offset);
  if (sac_algo_samples(agent->algo, SAC_NEXT))
    isa->normals(seed, SAC_STREAM_NEXT_ACTION_NOISE, block, count, job->minibatch->noise[SAC_NEXT] + offset);
}

/* Draws the rows of one chunk. A chunk starts at a whole panel, and so at a whole Philox block: chunks of any size draw
 * the same numbers. */
void sac_cpu_sample_task(const sac_cpu_job* job, const sac_cpu_phase* phase, int32_t task, sac_cpu_thread* thread) {
  (void)phase;
  (void)thread;
  const sac_agent* agent = job->agent;
  const sac_shape* shape = &agent->shape;
  const sac_cpu_minibatch* m = job->minibatch;
  const sac_replay_row* layout = &agent->row;

  /* the rows of this chunk */
  const int32_t rows = sac_chunk_rows(job, task), first = task * job->cpu->chunk_panels * SAC_PANEL;
  const size_t stride = sac_cpu_batch_rows(job->cpu) * SAC_PANEL, bytes = (size_t)layout->floats * sizeof(float);

  /* what the sampler needs */
  const sac_ring ring = sac_cpu_ring(agent, job->p);
  const sac_draw draw = {.seed = agent->seed[job->p],
                         .number = agent->counters[job->p].updates,
                         .batch = (uint64_t)shape->batch,
                         .offline = (uint64_t)sac_offline_rows(agent->settings.offline_share, shape->batch),
                         .first = (size_t)first,
                         .count = (size_t)rows,
                         .gamma = (float)agent->settings.gamma};
  uint64_t* index = m->index + first;

  /* choose the rows and prefetch them: they arrive from memory while the noise is computed */
  job->cpu->sampler->draw(&ring, &draw, index, m->weight + first);
  for (int32_t r = 0; r < rows; r++) {
    const char* row = (const char*)(ring.rows + index[r] * (uint64_t)layout->floats);
    for (size_t at = 0; at < bytes; at += 64) __builtin_prefetch(row + at);
  }
  draw_noise(job, first, rows);

  /* copy the rows: obs | action for s, and next_obs for s' */
  for (int32_t r = 0; r < rows; r++) {
    const float* row = ring.rows + index[r] * (uint64_t)layout->floats;
    put_features(m->current, stride, first + r, 0, row + layout->obs, shape->obs);
    put_features(m->current, stride, first + r, shape->obs, row + layout->action, shape->action);
    put_features(m->next, stride, first + r, 0, row + layout->next_obs, shape->obs);
  }

  /* the sampler gives rewards and discounts, as it may combine several rows of the ring */
  job->cpu->sampler->read(&ring, &draw, index, m->reward + first, m->discount + first);
}

void sac_cpu_learnt_task(const sac_cpu_job* job, const sac_cpu_phase* phase, int32_t task, sac_cpu_thread* thread) {
  (void)phase;
  (void)task;
  (void)thread;

  /* a minibatch of the caller has no rows in the ring */
  if (!job->cpu->drawn) return;

  /* the error of a row is the mean over critics of |Q - y|, with Q before Adam's step */
  const sac_ring ring = sac_cpu_ring(job->agent, job->p);
  const int32_t batch = job->agent->shape.batch, critics = job->agent->shape.critics;
  const float* q = job->scratch->q;
  float* error = job->scratch->td_error;
  for (int32_t r = 0; r < batch; r++) {
    error[r] = 0;
    for (int32_t k = 0; k < critics; k++)
      error[r] += sac_abs(sac_td_error(q[(size_t)k * sac_cpu_batch_rows(job->cpu) + (size_t)r], job->scratch->y[r]));
    error[r] /= (float)critics;
  }

  /* tell the sampler, which may change its probabilities */
  job->cpu->sampler->learnt(&ring, job->minibatch->index, error, (size_t)batch);
}

sac_status sac_cpu_minibatch_set(sac_agent* agent, const sac_minibatch* minibatch, const sac_noise* noise) {
  sac_cpu* cpu = agent->storage;

  /* the rows are not from the ring, so the sampler must not learn from their errors */
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

    /* copy rewards and noise; all rows have the same weight */
    memcpy(m->reward, minibatch->reward + from, batch * sizeof(float));
    for (size_t r = 0; r < batch; r++) {
      m->discount[r] = sac_discount((float)agent->settings.gamma, minibatch->terminated[from + r]);
      m->weight[r] = 1;
      m->index[r] = 0; /* unused: the sampler does not learn from a minibatch of the caller */
    }
    if (agent->algo->discrete) continue;
    memcpy(m->noise[SAC_POLICY], noise->action + from * actions, batch * actions * sizeof(float));
    if (noise->next_action)
      memcpy(m->noise[SAC_NEXT], noise->next_action + from * actions, batch * actions * sizeof(float));
  }
  return SAC_OK;
}
