/* Stages replay push and replay sample: the ring, its content, indices and noise. */
#include "cpu/cpu.h"
#include "kernels/random.h"
#include "support/agent_case.h"
#include "support/check_main.h"
#include "support/tolerances.h"

static sac_agent* make(int obs, int action, int batch, int population, int threads, const char* capacity) {
  const agent_case c = {.algo = "sac",
                        .obs = obs,
                        .action = action,
                        .hidden = "8",
                        .batch = batch,
                        .critics = 1,
                        .population = population,
                        .threads = threads,
                        .set = {{"replay.capacity", capacity}}};
  return agent_case_create(&c);
}

/* Every number of a transition depends on its index i and its agent p. */
static void push_numbered(sac_agent* agent, int64_t first, int32_t n) {
  const int32_t P = agent->shape.population, O = agent->shape.obs, A = agent->shape.action;
  const size_t rows = (size_t)P * (size_t)n;
  float *obs = calloc(rows * (size_t)O, sizeof(float)), *next = calloc(rows * (size_t)O, sizeof(float));
  float *action = calloc(rows * (size_t)A, sizeof(float)), *reward = calloc(rows, sizeof(float));
  uint8_t *terminated = calloc(rows, 1), *truncated = calloc(rows, 1);
  for (int32_t p = 0; p < P; p++)
    for (int32_t i = 0; i < n; i++) {
      const size_t at = (size_t)p * (size_t)n + (size_t)i;
      const float id = (float)(first + i) + 0.25f * (float)p;
      for (int32_t k = 0; k < O; k++) obs[at * (size_t)O + (size_t)k] = id + 1000.0f * (float)k;
      for (int32_t k = 0; k < O; k++) next[at * (size_t)O + (size_t)k] = -id - 1000.0f * (float)k;
      for (int32_t k = 0; k < A; k++) action[at * (size_t)A + (size_t)k] = id / 10000.0f;
      reward[at] = 2 * id;
      terminated[at] = (first + i) % 3 == 0;
      truncated[at] = (first + i) % 5 == 0;
    }
  const sac_transitions t = {n, obs, action, reward, terminated, truncated, next};
  ck_ok(agent->backend->replay_push(agent, &t, NULL));
  free(obs), free(next), free(action), free(reward), free(terminated), free(truncated);
}

START_TEST(ring) {
  /* pushes that wrap around, and one that is larger than the ring */
  sac_agent* agent = make(3, 2, 4, 2, 1, "10");
  int64_t pushed = 0;
  const int32_t sizes[] = {1, 4, 3, 7, 25, 2};
  for (size_t s = 0; s < sizeof sizes / sizeof *sizes; s++) {
    push_numbered(agent, pushed, sizes[s]);
    pushed += sizes[s];

    /* the last ten rows are there, each field in its place */
    for (int32_t p = 0; p < 2; p++) {
      ck_assert_uint_eq(agent->counters[p].pushed, (uint64_t)pushed);
      for (int64_t i = pushed < 10 ? 0 : pushed - 10; i < pushed; i++) {
        float row[16];
        const size_t floats = (size_t)agent->row.floats;
        ck_ok(agent->backend->read(agent, SAC_MEMORY_REPLAY, p, (size_t)(i % 10) * floats, row, floats));
        const float id = (float)i + 0.25f * (float)p;
        for (int k = 0; k < 3; k++) {
          ck_assert(row[agent->row.obs + k] == id + 1000.0f * (float)k);
          ck_assert(row[agent->row.next_obs + k] == -id - 1000.0f * (float)k);
        }
        for (int k = 0; k < 2; k++) ck_assert(row[agent->row.action + k] == id / 10000.0f);
        ck_assert(row[agent->row.reward] == 2 * id);
        ck_assert(row[agent->row.terminated] == (i % 3 == 0 ? 1.0f : 0.0f));
        ck_assert(row[agent->row.truncated] == (i % 5 == 0 ? 1.0f : 0.0f));
      }
    }
  }
  sac_agent_destroy(agent);
}
END_TEST

/* The first rows of the ring are kept, and the others go round behind them. */
START_TEST(fixed_rows_are_kept) {
  enum { C = 10, FIXED = 4 };
  sac_agent* agent = make(3, 2, 4, 2, 1, "10");
  push_numbered(agent, 0, FIXED);
  for (int p = 0; p < 2; p++) agent->fixed[p] = FIXED;

  /* pushes that wrap around, and one that is larger than the ring */
  const int32_t sizes[] = {1, 3, 4, 25, 2};
  int64_t pushed = FIXED;
  for (size_t s = 0; s < sizeof sizes / sizeof *sizes; s++) {
    push_numbered(agent, pushed, sizes[s]);
    pushed += sizes[s];
    const size_t floats = (size_t)agent->row.floats;
    float* rows = calloc(C * floats, sizeof *rows);
    ck_ok(agent->backend->read(agent, SAC_MEMORY_REPLAY, 1, 0, rows, C * floats));

    /* the fixed rows are the first transitions, the others the last ones */
    for (int64_t i = 0; i < FIXED; i++)
      ck_assert(rows[(size_t)i * floats + (size_t)agent->row.obs] == (float)i + 0.25f);
    for (int64_t i = pushed - (C - FIXED) < FIXED ? FIXED : pushed - (C - FIXED); i < pushed; i++) {
      const size_t place = FIXED + (size_t)((i - FIXED) % (C - FIXED));
      ck_assert(rows[place * floats + (size_t)agent->row.obs] == (float)i + 0.25f);
    }
    free(rows);
  }
  sac_agent_destroy(agent);
}
END_TEST

static const struct {
  int32_t batch, rows, threads; /* rows: those behind the fixed ones */
  double share;
  int32_t offline; /* rows of a minibatch from the fixed ones */
} mixtures[] = {{257, 60, 3, 0.5, 129}, {257, 60, 1, 0.5, 129}, {256, 1, 2, 0.25, 64},
                {31, 60, 1, 0.01, 0},   {100, 60, 2, 1, 100},   {100, 0, 2, 0.3, 100}};

/* The first rows of a minibatch come from the fixed rows, the others from the rest, with the same random numbers. */
START_TEST(fixed_rows_are_a_share) {
  enum { FIXED = 40 };
  const int32_t B = mixtures[_i].batch, offline = mixtures[_i].offline;
  sac_agent* agent = make(3, 1, B, 2, mixtures[_i].threads, "1000");
  agent->settings.offline_share = mixtures[_i].share;
  push_numbered(agent, 0, FIXED + mixtures[_i].rows);
  for (int p = 0; p < 2; p++) {
    agent->fixed[p] = FIXED;
    agent->counters[p].updates = 77;
  }
  ck_ok(agent->backend->stage(agent, SAC_STAGE_REPLAY_SAMPLE));

  /* each row's index by Philox */
  uint64_t *kept = calloc((size_t)B, sizeof *kept), *others = calloc((size_t)B, sizeof *others);
  for (int p = 0; p < 2; p++) {
    const uint64_t block = sac_draw_block(77, (uint64_t)B, SAC_INDICES_PER_BLOCK);
    const sac_cpu_minibatch* m = &((const sac_cpu*)agent->storage)->minibatch[p];
    sac_fill_indices(agent->seed[p], SAC_STREAM_SAMPLE, block, (size_t)B, FIXED, kept);
    sac_fill_indices(agent->seed[p], SAC_STREAM_SAMPLE, block, (size_t)B, (uint64_t)mixtures[_i].rows, others);
    for (int32_t r = 0; r < B; r++) {
      const uint64_t index = r < offline ? kept[r] : FIXED + others[r];
      ck_assert_uint_eq(m->index[r], index);
      ck_assert(m->reward[r] == 2 * ((float)index + 0.25f * (float)p));
    }
  }
  free(kept), free(others);
  sac_agent_destroy(agent);
}
END_TEST

static const int shapes[][5] = {/* obs, action, batch, population, threads */
                                {3, 1, 100, 1, 2},  {1, 1, 1, 1, 1},   {17, 6, 257, 1, 3},
                                {33, 31, 31, 3, 2}, {40, 7, 64, 2, 1}, {32, 32, 33, 1, 2}};
#define SHAPES (sizeof shapes / sizeof *shapes)

/* The minibatch has the rows that Philox draws, complete, and the noise of its streams. */
START_TEST(sample) {
  /* rows that hold their own number */
  const int* s = shapes[_i];
  const int O = s[0], A = s[1], B = s[2];
  sac_agent* agent = make(O, A, B, s[3], s[4], "2000");
  push_numbered(agent, 0, 300);
  const sac_cpu* cpu = agent->storage;
  const size_t stride = (size_t)cpu->panels * SAC_PANEL * SAC_PANEL;
  uint64_t* index = calloc((size_t)B, sizeof *index);
  float* noise = calloc((size_t)(B * A), sizeof(float));

  /* each agent's rows, by Philox */
  for (uint64_t update = 0; update < 3; update++) {
    for (int p = 0; p < s[3]; p++) agent->counters[p].updates = update * 1000;
    ck_ok(agent->backend->stage(agent, SAC_STAGE_REPLAY_SAMPLE));
    for (int p = 0; p < s[3]; p++) {
      const sac_cpu_minibatch* m = &cpu->minibatch[p];
      sac_fill_indices(agent->seed[p], SAC_STREAM_SAMPLE,
                       sac_draw_block(update * 1000, (uint64_t)B, SAC_INDICES_PER_BLOCK), (size_t)B, 300, index);
      for (int r = 0; r < B; r++) {
        const float id = (float)index[r] + 0.25f * (float)p;
        for (int k = 0; k < O + A; k++)
          ck_assert(m->current[(size_t)(k / SAC_PANEL) * stride + (size_t)(r * SAC_PANEL + k % SAC_PANEL)] ==
                    (k < O ? id + 1000.0f * (float)k : id / 10000.0f));
        for (int k = 0; k < O; k++)
          ck_assert(m->next[(size_t)(k / SAC_PANEL) * stride + (size_t)(r * SAC_PANEL + k % SAC_PANEL)] ==
                    -id - 1000.0f * (float)k);
        ck_assert(m->reward[r] == 2 * id);
        ck_assert(m->discount[r] == (index[r] % 3 == 0 ? 0.0f : (float)agent->settings.gamma));
        ck_assert(m->weight[r] == 1);
        ck_assert_uint_eq(m->index[r], index[r]);
      }

      /* and its noise */
      const uint64_t block = sac_draw_block(update * 1000, (uint64_t)(B * A), SAC_NORMALS_PER_BLOCK);
      sac_fill_normals(agent->seed[p], SAC_STREAM_ACTION_NOISE, block, (size_t)(B * A), noise);
      ck_same_bits(m->noise[SAC_POLICY], noise, B * A);
      sac_fill_normals(agent->seed[p], SAC_STREAM_NEXT_ACTION_NOISE, block, (size_t)(B * A), noise);
      ck_same_bits(m->noise[SAC_NEXT], noise, B * A);
    }
  }
  free(index), free(noise);
  sac_agent_destroy(agent);
}
END_TEST

/* The caller's minibatch is stored in the same place as a sampled one. */
/* Every sampler draws rows that are in the ring, with weights above 0, and the same ones each time. */
START_TEST(samplers_draw_rows_of_the_ring) {
  enum { C = 50, B = 32 };
  static const char* const capacity = "50";
  const sac_sampler* sampler = sac_sampler_at(_i);
  sac_agent* agent = make(3, 2, B, 1, 1, capacity);
  const size_t floats = (size_t)agent->row.floats;
  float* rows = calloc(C * floats, sizeof *rows);
  void* state = sampler->bytes ? calloc(1, sampler->bytes(&agent->shape)) : NULL;
  sac_ring view = {.rows = rows, .row = &agent->row, .state = state};

  /* the ring grows, then wraps */
  for (int64_t pushed = 0; pushed < 3 * C; pushed += 10) {
    push_numbered(agent, pushed, 10);
    ck_ok(agent->backend->read(agent, SAC_MEMORY_REPLAY, 0, 0, rows, C * floats));
    if (sampler->pushed) sampler->pushed(&view, pushed % C, 10);
    view.size = pushed + 10 < C ? pushed + 10 : C;

    /* two draws of one minibatch, each with its rewards and discounts */
    const sac_draw draw = {.seed = 7, .number = (uint64_t)pushed, .batch = B, .count = B, .gamma = 0.9f};
    uint64_t index[2][B];
    float weight[2][B], reward[B], discount[B];
    for (int d = 0; d < 2; d++) sampler->draw(&view, &draw, index[d], weight[d]);
    sampler->read(&view, &draw, index[0], reward, discount);
    ck_assert_mem_eq(index[0], index[1], sizeof *index);
    ck_assert_mem_eq(weight[0], weight[1], sizeof *weight);
    for (int b = 0; b < B; b++) {
      ck_assert_uint_lt(index[0][b], (uint64_t)view.size);
      ck_assert(weight[0][b] > 0 && isfinite(weight[0][b]));
      ck_assert(isfinite(reward[b]) && discount[b] >= 0 && discount[b] <= 1);
    }
  }

  /* with fixed rows, each row of a minibatch comes from its part of the ring, in any chunk */
  view.fixed = 20;
  const sac_draw draw = {.seed = 7, .batch = B, .offline = 13, .first = 8, .count = B - 8, .gamma = 0.9f};
  uint64_t index[B];
  float weight[B];
  sampler->draw(&view, &draw, index, weight);
  for (int b = 8; b < B; b++) ck_assert(b < 13 ? index[b - 8] < 20 : index[b - 8] >= 20 && index[b - 8] < C);
  free(state), free(rows);
  sac_agent_destroy(agent);
}
END_TEST

START_TEST(set_equals_sampled) {
  /* one agent samples its update */
  const int* s = shapes[_i];
  sac_agent *one = make(s[0], s[1], s[2], s[3], s[4], "2000"), *other = make(s[0], s[1], s[2], s[3], s[4], "2000");
  agent_case_push(one, 500, 3);
  ck_ok(sac_agent_update(one, 1));

  /* the same rows and noise, read from its replay by Philox */
  const size_t P = (size_t)s[3], O = (size_t)s[0], A = (size_t)s[1], B = (size_t)s[2];
  float *obs = calloc(P * B * O, 4), *action = calloc(P * B * A, 4), *reward = calloc(P * B, 4);
  float *terminated = calloc(P * B, 4), *next = calloc(P * B * O, 4);
  float *eps = calloc(P * B * A, 4), *next_eps = calloc(P * B * A, 4);
  uint64_t* index = calloc(B, sizeof *index);
  float* row = calloc((size_t)one->row.floats, 4);
  for (size_t p = 0; p < P; p++) {
    sac_fill_indices(one->seed[p], SAC_STREAM_SAMPLE, 0, B, 500, index);
    for (size_t r = 0; r < B; r++) {
      ck_ok(one->backend->read(one, SAC_MEMORY_REPLAY, (int32_t)p, index[r] * (uint64_t)one->row.floats, row,
                               (size_t)one->row.floats));
      memcpy(obs + (p * B + r) * O, row + one->row.obs, O * 4);
      memcpy(action + (p * B + r) * A, row + one->row.action, A * 4);
      memcpy(next + (p * B + r) * O, row + one->row.next_obs, O * 4);
      reward[p * B + r] = row[one->row.reward];
      terminated[p * B + r] = row[one->row.terminated];
    }
    sac_fill_normals(one->seed[p], SAC_STREAM_ACTION_NOISE, 0, B * A, eps + p * B * A);
    sac_fill_normals(one->seed[p], SAC_STREAM_NEXT_ACTION_NOISE, 0, B * A, next_eps + p * B * A);
  }

  /* the other agent is given them, and is the same to the bit */
  const sac_minibatch minibatch = {obs, action, reward, terminated, next};
  const sac_noise noise = {eps, next_eps};
  ck_ok(sac_agent_update_with(other, &minibatch, &noise, NULL));
  for (size_t p = 0; p < P; p++) other->counters[p].pushed = 500;
  for (size_t p = 0; p < P; p++) same_agents(one, (int32_t)p, other, (int32_t)p);
  free(obs), free(action), free(reward), free(terminated), free(next), free(eps), free(next_eps), free(index),
      free(row);
  sac_agent_destroy(one);
  sac_agent_destroy(other);
}
END_TEST

/* Every row is drawn with equal probability: chi-square with 199 degrees of freedom, within 5 sigma of its mean. */
START_TEST(indices_are_uniform) {
  enum { ROWS = 200, B = 100, DRAWS = 400 };
  sac_agent* agent = make(1, 1, B, 1, 1, "200");
  push_numbered(agent, 0, ROWS + 77); /* across the end of the ring */
  const sac_cpu* cpu = agent->storage;
  int32_t count[ROWS] = {0};
  for (int draw = 0; draw < DRAWS; draw++) {
    ck_ok(agent->backend->stage(agent, SAC_STAGE_REPLAY_SAMPLE));
    agent->counters[0].updates++;
    for (int r = 0; r < B; r++) count[(int32_t)(cpu->minibatch[0].reward[r] / 2) % ROWS]++;
  }
  double chi = 0;
  const double expected = (double)B * DRAWS / ROWS;
  for (int i = 0; i < ROWS; i++) chi += (count[i] - expected) * (count[i] - expected) / expected;
  ck_near(chi, ROWS - 1, 5 * sqrt(2.0 * (ROWS - 1)));
  sac_agent_destroy(agent);
}
END_TEST

/* What a sampler that learns is told: the rows that were pushed, and each drawn row's mean error. */
static struct {
  int64_t pushed[64][2];
  int pushes, calls;
  uint64_t index[64];
  float error[64];
} told;

static size_t two_words(const sac_shape* shape) {
  (void)shape;
  return 2 * sizeof(uint64_t);
}

static void note_push(const sac_ring* its, int64_t first, int64_t n) {
  (*(uint64_t*)its->state)++;
  told.pushed[told.pushes][0] = first;
  told.pushed[told.pushes++][1] = n;
}

static void draw_last(const sac_ring* its, const sac_draw* draw, uint64_t* index, float* weight) {
  for (size_t r = 0; r < draw->count; r++) {
    index[r] = (uint64_t)its->size - 1 - (draw->first + r) % (uint64_t)its->size;
    weight[r] = 0.5f;
  }
}

static void note_errors(const sac_ring* its, const uint64_t* index, const float* td_error, size_t count) {
  (void)its;
  told.calls++;
  memcpy(told.index, index, count * sizeof *index);
  memcpy(told.error, td_error, count * sizeof *td_error);
}

START_TEST(sampler_that_learns) {
  enum { B = 33, CAPACITY = 50 };
  const sac_sampler fake = {.meaning = "",
                            .bytes = two_words,
                            .pushed = note_push,
                            .draw = draw_last,
                            .read = sac_sampler_uniform.read,
                            .learnt = note_errors};
  uint64_t words[2] = {0};
  sac_agent* agent = make(1, 1, B, 1, 2, "50");
  sac_cpu* cpu = agent->storage;
  cpu->sampler = &fake;
  cpu->sampler_state = (char*)words;
  ck_ok(sac_cpu_phases(agent, cpu));
  memset(&told, 0, sizeof told);

  /* each row is told of once, in the order of the ring, and no run goes over its end */
  push_numbered(agent, 0, 40);
  push_numbered(agent, 40, 20);
  int64_t row = 0;
  for (int i = 0; i < told.pushes; i++) {
    ck_assert_int_eq(told.pushed[i][0], row % CAPACITY);
    ck_assert_int_le(told.pushed[i][0] + told.pushed[i][1], CAPACITY);
    row += told.pushed[i][1];
  }
  ck_assert_int_eq(row, 60);
  ck_assert_uint_eq(words[0], (uint64_t)told.pushes);

  /* an update: the rows it drew, their weight, and their errors, whose mean is the statistic */
  ck_ok(sac_agent_update(agent, 1));
  ck_assert_int_eq(told.calls, 1);
  double sum = 0;
  for (size_t r = 0; r < B; r++) {
    ck_assert_uint_eq(told.index[r], CAPACITY - 1 - r);
    ck_assert(cpu->minibatch[0].weight[r] == 0.5f);
    sum += (double)told.error[r] / B;
  }
  ck_near_relative(sum, agent->stats[0].td_error, LOSS_REL, 0);
  ck_assert(sum > 0);
  sac_agent_destroy(agent);
}
END_TEST

CHECK_MAIN("replay", CASE(ring), CASE(fixed_rows_are_kept),
           LOOP(fixed_rows_are_a_share, sizeof mixtures / sizeof *mixtures), LOOP(sample, SHAPES),
           LOOP(set_equals_sampled, SHAPES), CASE(indices_are_uniform),
           LOOP(samplers_draw_rows_of_the_ring, SAC_SAMPLER_COUNT), CASE(sampler_that_learns))
