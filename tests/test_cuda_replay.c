/* kernels/replay.cu: push into the ring, and the minibatch: everything to the bit. */
#include "kernels/bellman.h"
#include "kernels/random.h"
#include "replay/rows.h"
#include "support/cuda_case.h"

static sac_row_layout layout_of(int obs, int action) {
  const sac_replay_row r = sac_replay_layout(obs, action);
  return (sac_row_layout){r.obs, r.action, r.reward, r.terminated, r.truncated, r.next_obs, r.floats};
}

/* --- push --------------------------------------------------------------------------------------------------------- */

static const struct {
  int population, obs, action, n;
  int64_t capacity;
  uint64_t pushed;
  int pinned;
  uint64_t fixed; /* first rows that are kept */
} pushes[] = {
    {1, 1, 1, 1, 1, 0, 0, 0},
    {1, 3, 1, 4, 10, 0, 0, 0},
    {3, 3, 1, 4, 10, 8, 0, 0},                      /* wraps around */
    {3, 17, 6, 31, 31, 5, 1, 0},                    /* exactly the capacity; from pinned memory */
    {3, 2, 3, 257, 300, (UINT64_C(1) << 40), 0, 0}, /* beyond 32 bits, wraps around */
    {1, 400, 1, 31, 40, 39, 0, 0},
    {1, 1, 400, 5, 7, 6, 1, 0},
    {3, 105, 8, 1000, 2000, 1500, 0, 0},
    {3, 3, 1, 25, 10, 4, 0, 0}, /* more than the capacity: the last ones remain */
    {1, 17, 6, 257, 7, 0, 0, 0},
    {3, 3, 1, 4, 10, 6, 0, 6},   /* the first rows after the fixed ones */
    {3, 3, 1, 25, 10, 17, 1, 9}, /* one row for all others */
    {1, 17, 6, 31, 300, 1234, 0, 255},
};

START_TEST(push) {
  /* a ring that earlier rows have filled up to `pushed` */
  const int population = pushes[_i].population, obs = pushes[_i].obs, action = pushes[_i].action, n = pushes[_i].n;
  const int64_t capacity = pushes[_i].capacity;
  const size_t rows = (size_t)population * (size_t)n, O = (size_t)obs, A = (size_t)action;
  const sac_row_layout row = layout_of(obs, action);
  const size_t ring_floats = (size_t)population * (size_t)capacity * (size_t)row.floats;
  cuda_case c = cuda_case_create((uint64_t)_i);
  sac_device_state* state = cuda_states(&c, population);
  const uint64_t fixed = pushes[_i].fixed;
  for (int p = 0; p < population; p++) {
    state[p].pushed = pushes[_i].pushed + 3 * (uint64_t)p;
    state[p].fixed = fixed;
  }

  /* the rows to push, with a NaN among them */
  float *x = cuda_numbers(&c, rows * O, 9), *a = cuda_numbers(&c, rows * A, 1), *r = cuda_numbers(&c, rows, 5);
  float *next = cuda_numbers(&c, rows * O, 9), *ring = cuda_numbers(&c, ring_floats, 1);
  uint8_t *terminated = cuda_host(&c, uint8_t, rows), *truncated = cuda_host(&c, uint8_t, rows);
  for (size_t i = 0; i < rows; i++) terminated[i] = i % 3 == 1, truncated[i] = i % 5 > 2;
  x[rows * O - 1] = NAN; /* rows are copied whatever they contain */

  /* the kernel's arguments; rows come from pageable or from pinned memory */
  const int pinned = pushes[_i].pinned;
  sac_replay_push_args args = {
      .state = cuda_put(&c, state, population),
      .ring = cuda_put(&c, ring, ring_floats),
      .obs = pinned ? cuda_put_pinned(&c, x, rows * O) : cuda_put(&c, x, rows * O),
      .action = pinned ? cuda_put_pinned(&c, a, rows * A) : cuda_put(&c, a, rows * A),
      .reward = pinned ? cuda_put_pinned(&c, r, rows) : cuda_put(&c, r, rows),
      .next_obs = pinned ? cuda_put_pinned(&c, next, rows * O) : cuda_put(&c, next, rows * O),
      .terminated = pinned ? cuda_put_pinned(&c, terminated, rows) : cuda_put(&c, terminated, rows),
      .truncated = pinned ? cuda_put_pinned(&c, truncated, rows) : cuda_put(&c, truncated, rows),
      .dims = {.population = population, .obs = obs, .action = action},
      .row = row,
      .capacity = capacity,
      .n = n};

  /* the ring as it must be: obs, action, reward, terminated, truncated, next_obs, zeros. A stopped agent's stays. */
  for (size_t p = 0; p < (size_t)population; p++) {
    if (!state[p].alive) continue;
    cuda_open(&c, &args.state[p].pushed, 1);
    cuda_open(&c, &args.state[p].ticket, 1);
    for (size_t i = 0; i < (size_t)n; i++) {
      const size_t place = fixed + (state[p].pushed - fixed + i) % ((uint64_t)capacity - fixed);
      const size_t from = p * (size_t)n + i;
      const size_t at = (p * (size_t)capacity + place) * (size_t)row.floats;
      cuda_open(&c, args.ring + at, row.floats);
      memset(ring + at, 0, (size_t)row.floats * sizeof(float));
      memcpy(ring + at, x + from * O, O * sizeof(float));
      memcpy(ring + at + O, a + from * A, A * sizeof(float));
      ring[at + O + A] = r[from];
      ring[at + O + A + 1] = terminated[from] ? 1 : 0;
      ring[at + O + A + 2] = truncated[from] ? 1 : 0;
      memcpy(ring + at + O + A + 3, next + from * O, O * sizeof(float));
    }
    state[p].pushed += (uint64_t)n;
  }

  /* every bit of the ring, and the counters, are as expected */
  cuda_run(&c, sac_replay_push_rows(c.stream, &args));
  cuda_same((const float*)cuda_result(&c, args.ring), ring, ring_floats);
  const sac_device_state* after = cuda_result(&c, args.state);
  for (int p = 0; p < population; p++) {
    ck_assert_uint_eq(after[p].pushed, state[p].pushed);
    ck_assert_uint_eq(after[p].ticket, 0);
  }
  cuda_case_free(&c);
}
END_TEST

/* --- sample ------------------------------------------------------------------------------------------------------- */

static const struct {
  int population, critics, batch, obs, action, with_next_action;
  int64_t capacity;
  uint64_t pushed, updates, fixed;
  int offline; /* rows of the minibatch that are drawn from the fixed ones */
  int discrete;
} samples[] = {
    {1, 1, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0},
    {1, 2, 31, 3, 1, 1, 100, 40, 0, 0, 0, 0}, /* not full yet */
    {3, 2, 31, 3, 1, 0, 100, 100, 3, 0, 0, 0},
    {3, 3, 257, 17, 6, 1, 500, 1234, 77, 0, 0, 0}, /* has wrapped around */
    {1, 2, 257, 400, 1, 1, 60, 59, (UINT64_C(1) << 34) + 5, 0, 0, 0},
    {1, 1, 31, 1, 400, 1, 60, 61, 9, 0, 0, 0},
    {3, 5, 33, 31, 33, 0, 60, 7, 1, 0, 0, 0},
    {1, 2, 2000, 11, 3, 1, 3000, 2999, 123456, 0, 0, 0},
    {1, 2, 31, 3, 1, 1, 100, 40, 0, 40, 7, 0}, /* no other rows yet */
    {3, 2, 257, 17, 6, 0, 500, 1234, 77, 300, 129, 0},
    {1, 1, 32, 3, 1, 1, 60, 61, 9, 59, 32, 0}, /* fixed rows alone */
    {1, 1, 31, 3, 1, 1, 60, 61, 9, 20, 0, 0},  /* the others alone */
    {1, 1, 1, 1, 1, 0, 1, 1, 0, 0, 0, 1},
    {3, 2, 31, 3, 1, 0, 100, 300, 3, 0, 0, 1},
    {1, 5, 257, 130, 1, 0, 60, 59, 9, 20, 31, 1}, /* more features than a warp loads at a time */
};

typedef struct minibatch_case {
  float *states, *current, *next, *policy, *reward, *discount, *weight, *noise, *action; /* as expected */
  uint64_t* index;
  sac_device_minibatch device;
} minibatch_case;

/* The sizes of a case, by the dimension letters of src/README.md. F: features of the critics' inputs. */
typedef struct sizes {
  size_t P, K, B, O, A, F, capacity, floats;
  int discrete;
} sizes;

/* Numbers on both sides: what the kernel may not touch must stay. */
static minibatch_case create_minibatch(cuda_case* c, const sizes* s) {
  const size_t P = s->P, K = s->K, B = s->B, O = s->O, A = s->A, F = s->F;
  minibatch_case m = {.states = cuda_numbers(c, P * 2 * B * O, 1),
                      .current = cuda_numbers(c, P * K * B * F, 1),
                      .next = cuda_numbers(c, P * K * B * F, 1),
                      .policy = cuda_numbers(c, P * K * B * F, 1),
                      .reward = cuda_numbers(c, P * B, 1),
                      .discount = cuda_numbers(c, P * B, 1),
                      .weight = cuda_numbers(c, P * B, 1),
                      .index = cuda_host(c, uint64_t, P * B),
                      .noise = cuda_numbers(c, P * 2 * B * A, 1),
                      .action = cuda_numbers(c, P * B, 1)};
  m.device = (sac_device_minibatch){.states = cuda_put(c, m.states, P * 2 * B * O),
                                    .current = cuda_put(c, m.current, P * K * B * F),
                                    .next = cuda_put(c, m.next, P * K * B * F),
                                    .reward = cuda_put(c, m.reward, P * B),
                                    .discount = cuda_put(c, m.discount, P * B),
                                    .weight = cuda_put(c, m.weight, P * B),
                                    .index = cuda_put(c, m.index, P * B)};
  if (s->discrete) {
    m.device.action = cuda_put(c, m.action, P * B);
  } else {
    m.device.policy = cuda_put(c, m.policy, P * K * B * F);
    m.device.noise = cuda_put(c, m.noise, P * 2 * B * A);
  }
  return m;
}

/* What one row of agent p's minibatch must hold, from a row of the ring. */
static void expect_row(cuda_case* c, const sizes* s, minibatch_case* m, size_t p, size_t r, const float* from,
                       int of_next) {
  const size_t K = s->K, B = s->B, O = s->O, F = s->F, one = O + s->A; /* the row has its single numbers there */
  const float* next_obs = from + one + 3;
  memcpy(m->states + (p * 2 * B + r) * O, from, O * sizeof(float));
  memcpy(m->states + ((p * 2 + 1) * B + r) * O, next_obs, O * sizeof(float));

  /* each critic's inputs; the actor writes the actions of `policy` and `next` */
  for (size_t k = 0; k < K; k++) {
    const size_t at = ((p * K + k) * B + r) * F;
    memcpy(m->current + at, from, F * sizeof(float));
    if (of_next || s->discrete) {
      memcpy(m->next + at, next_obs, O * sizeof(float));
      cuda_open(c, m->device.next + at, O);
    }
    if (s->discrete) continue;
    memcpy(m->policy + at, from, O * sizeof(float));
    cuda_open(c, m->device.policy + at, O);
  }
  m->action[p * B + r] = from[O];
  m->reward[p * B + r] = from[one];
  m->discount[p * B + r] = sac_discount(0.97f, from[one + 1]);
  m->weight[p * B + r] = 1;
}

/* The noise of agent p where actions are continuous, and what the kernel may write of its arrays. */
static void expect_noise(cuda_case* c, const sizes* s, minibatch_case* m, size_t p, const sac_device_state* state,
                         int of_next) {
  const size_t K = s->K, B = s->B, O = s->O, A = s->A, F = s->F;
  const uint64_t block = sac_draw_block(state->updates, B * A, SAC_NORMALS_PER_BLOCK);
  if (s->discrete) cuda_open(c, m->device.action + p * B, B);
  else cuda_open(c, m->device.noise + 2 * p * B * A, of_next ? 2 * B * A : B * A);
  sac_fill_normals(state->seed, SAC_STREAM_ACTION_NOISE, block, B * A, m->noise + 2 * p * B * A);
  if (of_next)
    sac_fill_normals(state->seed, SAC_STREAM_NEXT_ACTION_NOISE, block, B * A, m->noise + (2 * p + 1) * B * A);
  cuda_open(c, m->device.states + p * 2 * B * O, 2 * B * O);
  cuda_open(c, m->device.current + p * K * B * F, K * B * F);
  cuda_open(c, m->device.reward + p * B, B);
  cuda_open(c, m->device.discount + p * B, B);
  cuda_open(c, m->device.weight + p * B, B);
  cuda_open(c, m->device.index + p * B, B);
}

static void same_minibatch(cuda_case* c, const sizes* s, const minibatch_case* m) {
  const size_t P = s->P, K = s->K, B = s->B, O = s->O, A = s->A, F = s->F;
  cuda_same((const float*)cuda_result(c, m->device.states), m->states, P * 2 * B * O);
  cuda_same((const float*)cuda_result(c, m->device.current), m->current, P * K * B * F);
  cuda_same((const float*)cuda_result(c, m->device.next), m->next, P * K * B * F);
  cuda_same((const float*)cuda_result(c, m->device.reward), m->reward, P * B);
  cuda_same((const float*)cuda_result(c, m->device.discount), m->discount, P * B);
  cuda_same((const float*)cuda_result(c, m->device.weight), m->weight, P * B);
  cuda_same((const uint64_t*)cuda_result(c, m->device.index), m->index, P * B);
  if (s->discrete) {
    cuda_same((const float*)cuda_result(c, m->device.action), m->action, P * B);
    return;
  }
  cuda_same((const float*)cuda_result(c, m->device.policy), m->policy, P * K * B * F);
  cuda_same((const float*)cuda_result(c, m->device.noise), m->noise, P * 2 * B * A);
}

START_TEST(sample) {
  const sac_row_layout row = layout_of(samples[_i].obs, samples[_i].action);
  const size_t O = (size_t)samples[_i].obs, A = (size_t)samples[_i].action;
  const sizes s = {.P = (size_t)samples[_i].population,
                   .K = (size_t)samples[_i].critics,
                   .B = (size_t)samples[_i].batch,
                   .O = O,
                   .A = A,
                   .F = samples[_i].discrete ? O : O + A,
                   .capacity = (size_t)samples[_i].capacity,
                   .floats = (size_t)row.floats,
                   .discrete = samples[_i].discrete};
  const int of_next = samples[_i].with_next_action;

  /* a ring with a NaN, which is in many minibatches and is copied */
  cuda_case c = cuda_case_create((uint64_t)_i);
  c.runs = s.B > 1000 ? 2 : CUDA_RUNS;
  sac_device_state* state = cuda_states(&c, samples[_i].population);
  for (size_t p = 0; p < s.P; p++) {
    state[p].pushed = samples[_i].pushed + p;
    state[p].updates = samples[_i].updates + 11 * p;
    state[p].fixed = samples[_i].fixed > 0 ? samples[_i].fixed + p : 0;
  }
  float* ring = cuda_numbers(&c, s.P * s.capacity * s.floats, 3);
  ring[1] = NAN;
  minibatch_case m = create_minibatch(&c, &s);
  const sac_replay_sample_args args = {
      .state = cuda_put(&c, state, s.P),
      .ring = cuda_put(&c, ring, s.P * s.capacity * s.floats),
      .minibatch = m.device,
      .dims = {samples[_i].population, samples[_i].batch, samples[_i].obs, samples[_i].action, samples[_i].critics},
      .row = row,
      .capacity = samples[_i].capacity,
      .offline = samples[_i].offline,
      .with_next_action = of_next,
      .gamma = 0.97f,
      .ahead = (uint64_t)(_i % 3)};

  /* the rows and the noise that each agent must draw; a stopped one draws nothing */
  uint64_t *index = cuda_host(&c, uint64_t, s.B), *kept = cuda_host(&c, uint64_t, s.B);
  for (size_t p = 0; p < s.P; p++) {
    if (!state[p].alive) continue;
    state[p].updates += args.ahead;
    const uint64_t size = state[p].pushed < s.capacity ? state[p].pushed : s.capacity;
    const uint64_t block = sac_draw_block(state[p].updates, s.B, SAC_INDICES_PER_BLOCK), fixed = state[p].fixed;
    sac_fill_indices(state[p].seed, SAC_STREAM_SAMPLE, block, s.B, size - fixed, index);
    sac_fill_indices(state[p].seed, SAC_STREAM_SAMPLE, block, s.B, fixed, kept);
    for (size_t r = 0; r < s.B; r++) {
      const int from_fixed = fixed > 0 && (r < (size_t)samples[_i].offline || size == fixed);
      index[r] = from_fixed ? kept[r] : fixed + index[r];
      ck_assert_uint_lt(index[r], size);
      m.index[p * s.B + r] = index[r];
      expect_row(&c, &s, &m, p, r, ring + (p * s.capacity + index[r]) * s.floats, of_next);
    }
    expect_noise(&c, &s, &m, p, &state[p], of_next);
  }

  /* every bit */
  cuda_run(&c, sac_replay_sample_uniform(c.stream, &args));
  same_minibatch(&c, &s, &m);
  cuda_case_free(&c);
}
END_TEST

/* A minibatch of the caller's, whose discounts come as terminated. */
START_TEST(given) {
  cuda_case c = cuda_case_create((uint64_t)_i);
  const size_t rows = (size_t[]){1, 255, 257}[_i];
  float *terminated = cuda_host(&c, float, rows), *weight = cuda_numbers(&c, rows, 1);
  for (size_t r = 0; r < rows; r++) terminated[r] = r % 3 == 1;
  const sac_device_minibatch m = {.discount = cuda_put(&c, terminated, rows), .weight = cuda_put(&c, weight, rows)};
  cuda_open(&c, m.discount, rows);
  cuda_open(&c, m.weight, rows);
  c.runs = 1; /* it works in place */
  cuda_run(&c, sac_replay_given(c.stream, &m, rows, 0.97f));
  const float *discount = cuda_result(&c, m.discount), *ones = cuda_result(&c, m.weight);
  for (size_t r = 0; r < rows; r++) {
    ck_assert(discount[r] == (terminated[r] == 1 ? 0 : 0.97f));
    ck_assert(ones[r] == 1);
  }
  cuda_case_free(&c);
}
END_TEST

CUDA_MAIN("replay.cu", LOOP(push, COUNT(pushes)), LOOP(sample, COUNT(samples)), LOOP(given, 3))
