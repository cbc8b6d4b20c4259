/* ctest: timeout=300
 *
 * kernels/act.cu and act_one.cu: whole networks in one launch, in every mode and on every path. */
#include "kernels/random.h"
#include "support/cuda_case.h"

#define LOW (-5.0)
#define HIGH 2.0

/* size: O, hidden layers, 2A. Up to 256 observations in total get blocks of their own, and a cluster of blocks each
 * where there is enough work. With more, a block has several observations; activations wider than 1536 lie in scratch
 * memory, of which 16 blocks of an agent have a part each. aligned: weights start on 16 bytes, so that a block can copy
 * its part of them to shared memory. */
static const struct {
  int population, n, layers, size[5], aligned;
} shapes[] = {
    {1, 1, 1, {1, 2}, 0},
    {1, 1, 3, {17, 64, 64, 12}, 1},
    {2, 3, 3, {5, 100, 72, 6}, 1}, /* the last chunk of the head is half full */
    {3, 1, 2, {17, 36, 70}, 1},
    {1, 2, 4, {9, 12, 20, 40, 4}, 1},
    {1, 1, 3, {17, 256, 256, 12}, 1},  /* eight blocks */
    {2, 1, 3, {9, 40, 300, 6}, 1},     /* of eight blocks the seventh has less work, and the last has none */
    {1, 1, 3, {6, 130, 133, 8}, 1},    /* widths that do not allow copies */
    {1, 2, 4, {9, 96, 68, 128, 6}, 1}, /* blocks exchange the activations of two layers, with copied weights ... */
    {2, 1, 4, {7, 66, 97, 130, 6}, 0}, /* ... and without copies */
    {1, 1, 3, {300, 264, 64, 12}, 1},  /* too much for shared memory */
    {1, 1, 1, {400, 4}, 1},            /* no hidden layer: several blocks for one observation */
    {1, 31, 3, {3, 31, 33, 2}, 0},
    {3, 1, 2, {1601, 5, 2}, 0},      /* the observation is the widest */
    {1, 3, 1, {33, 700}, 0},         /* the head is the widest */
    {1, 257, 3, {11, 33, 5, 6}, 0},  /* the last block has one row; the widest layer is odd */
    {1, 257, 3, {8, 36, 100, 4}, 1}, /* seven chunks of the head, the last one partial */
    {3, 90, 2, {3, 7, 62}, 0},
    {1, 260, 2, {400, 3, 6}, 0},
    {3, 90, 2, {1601, 5, 2}, 0},    /* scratch: more observations than blocks */
    {1, 300, 2, {1540, 3, 4}, 0},   /* the same, with one agent */
    {5, 60, 3, {4, 1540, 3, 8}, 0}, /* a hidden layer is the widest */
    {1, 1, 2, {5, 300, 1600}, 0},   /* one observation; the parts of the head do not fit into shared memory */
};
#define FEW 12
#define MANY 15
#define FIRST_SCRATCH 19
#define FIRST_SLOW 21 /* the others take seconds where threads run as fibers: one run is enough ... */
#ifdef SAC_SANITIZED
#define SLOW_TOO FIRST_SLOW /* ... or none: 19 and 20 use the same paths through memory */
#else
#define SLOW_TOO COUNT(shapes)
#endif

typedef struct act_case {
  size_t P, n, O, A, stride;
  int shape, blocks; /* blocks for one observation at most; 0: as many as the device allows */
  int32_t widest;
  sac_device_state* state;
  float *weights, *obs, *noise;
  sac_actor_act_args args;
} act_case;

static act_case create(cuda_case* c, int i) {
  act_case a = {.P = (size_t)shapes[i].population,
                .n = (size_t)shapes[i].n,
                .O = (size_t)shapes[i].size[0],
                .A = (size_t)shapes[i].size[shapes[i].layers] / 2,
                .shape = i};
  c->runs = i < MANY ? CUDA_RUNS : 2; /* the others are slow where threads run as fibers */
  a.state = cuda_states(c, shapes[i].population);
  const size_t unit = shapes[i].aligned ? 4 : 1;
  a.args.layers = shapes[i].layers;
  memcpy(a.args.size, shapes[i].size, sizeof shapes[i].size);
  for (int l = 0; l < a.args.layers; l++) {
    a.args.weight[l] = a.stride;
    a.args.bias[l] = (a.stride + (size_t)a.args.size[l] * (size_t)a.args.size[l + 1] + unit - 1) / unit * unit;
    a.stride = (a.args.bias[l] + (size_t)a.args.size[l + 1] + 1 + unit - 1) / unit * unit;
  }
  a.weights = cuda_numbers(c, a.P * a.stride, 1);
  for (size_t p = 0; p < a.P; p++) /* so large that the outputs of a layer stay near 1 */
    for (int l = 0; l < a.args.layers; l++)
      for (size_t k = a.args.weight[l]; k < a.args.bias[l]; k++)
        a.weights[p * a.stride + k] *= (float)(2 / sqrt(a.args.size[l]));
  a.obs = cuda_numbers(c, a.P * a.n * a.O, 1);
  a.noise = cuda_numbers(c, a.P * a.n * a.A, 3);
  return a;
}

/* The argument of the launch. noise NULL: noise is drawn. */
static void put(cuda_case* c, act_case* a, int mode, const float* noise, int log_prob, int pinned) {
  const size_t rows = a->P * a->n;
  for (int l = 0; l <= a->args.layers; l++) a->widest = a->args.size[l] > a->widest ? a->args.size[l] : a->widest;
  const size_t scratch = sac_actor_act_scratch(a->widest, 1);
  ck_assert((scratch > 0) == (a->widest > 1536));
  a->args.state = cuda_put(c, a->state, a->P);
  a->args.alive = &a->args.state->alive;
  a->args.alive_stride = sizeof *a->args.state / sizeof(uint32_t);
  a->args.weights = cuda_put(c, a->weights, a->P * a->stride);
  a->args.weights_stride = a->stride;
  a->args.obs = pinned ? cuda_put_pinned(c, a->obs, rows * a->O) : cuda_put(c, a->obs, rows * a->O);
  a->args.noise = noise ? cuda_put(c, noise, rows * a->A) : NULL;
  a->args.action =
      pinned ? cuda_put_bytes(c, "actions", NULL, rows * a->A * sizeof(float), 1) : cuda_room(c, float, rows * a->A);
  a->args.log_prob = log_prob ? cuda_room(c, float, rows) : NULL;
  a->args.scratch = NULL;
  a->args.population = (int32_t)a->P;
  a->args.n = (int32_t)a->n;
  a->args.mode = mode;
  a->args.log_std_min = (float)LOW;
  a->args.log_std_max = (float)HIGH;
  cuda_ok(sac_actor_act_prepare(&a->args.blocks, &a->args.shared));
  if (a->blocks) a->args.blocks = a->blocks;
  if (scratch) {
    a->args.scratch = cuda_room(c, float, a->P* scratch);
    for (size_t p = 0; p < a->P; p++) {
      if (!a->state[p].alive) continue;
      cuda_open(c, a->args.scratch + p * scratch, scratch);
      cuda_ignore(c, a->args.scratch);
    }
  }
  cuda_open(c, a->args.action, rows * a->A); /* stopped agents get zeros */
  if (log_prob && mode == SAC_DEVICE_ACT_SAMPLE) cuda_open(c, a->args.log_prob, rows);
  for (size_t p = 0; p < a->P; p++) {
    if (!a->state[p].alive) continue;
    if (mode == SAC_DEVICE_ACT_MEAN || noise) continue;
    cuda_open(c, &a->args.state[p].act, 1);
    cuda_open(c, &a->args.state[p].act_ticket, 1);
  }
}

/* Each agent, and each of its at most 16 blocks of four rows, has its own part of the scratch memory. An overlap would
 * show only on a device, where blocks run at the same time. */
static void check_scratch(cuda_case* c, const act_case* a) {
  const size_t blocks = (a->n + 3) / 4, parts = blocks < 16 ? blocks : 16,
               part = sac_actor_act_scratch(a->widest, 1) / 16;
  const float* scratch = cuda_result(c, a->args.scratch);
  for (size_t p = 0; p < a->P; p++)
    for (size_t b = 0; b < parts; b++) {
      int written = 0;
      for (size_t k = 0; k < part; k++) written |= !cuda_nan(scratch[(p * 16 + b) * part + k]);
      ck_assert(written == (int)a->state[p].alive);
    }
}

/* The head of agent p's network for one row, in double. *error: the largest error of a float result. */
static void forward(const act_case* a, size_t p, const float* obs, double* head, double* error) {
  static double x[4096], y[4096];
  const float* w = a->weights + p * a->stride;
  double off = 0; /* the errors of the layer below */
  for (size_t i = 0; i < a->O; i++) x[i] = (double)obs[i];
  for (int l = 0; l < a->args.layers; l++) {
    const size_t in = (size_t)a->args.size[l], out = (size_t)a->args.size[l + 1];
    double worst = 0;
    for (size_t n = 0; n < out; n++) {
      const float* row = w + a->args.weight[l] + n * in;
      double sum = (double)w[a->args.bias[l] + n], size = fabs(sum), weights = 0;
      for (size_t k = 0; k < in; k++) {
        sum += (double)row[k] * x[k];
        size += fabs((double)row[k] * x[k]);
        weights += fabs((double)row[k]);
      }
      worst = fmax(worst, CUDA_LANES_REL(in) * size + off * weights);
      y[n] = l + 1 < a->args.layers && sum < 0 ? 0 : sum;
    }
    off = worst;
    memcpy(x, y, out * sizeof *x);
  }
  memcpy(head, x, 2 * a->A * sizeof *head);
  *error = off;
}

/* The actions of agent p for this noise (NULL: the mean), and their log-probability (may be NULL). */
static void check_agent(const act_case* a, size_t p, const float* noise, const float* action, const float* log_prob) {
  static double head[4096];
  const size_t step =
      a->n * a->stride > 300000 ? a->n / 7 + 1 : 1; /* the reference is slow, so only some rows of wide networks */
  for (size_t r = 0; r < a->n; r += step) {
    double error, sum = 0, sum_error = 0, sizes = 0;
    forward(a, p, a->obs + (p * a->n + r) * a->O, head, &error);
    for (size_t i = 0; i < a->A; i++) {
      const size_t at = (p * a->n + r) * a->A + i;
      const double eps = noise ? (double)noise[at] : 0, log_sigma = fmin(fmax(head[a->A + i], LOW), HIGH);
      const double spread = exp(log_sigma) * eps, u = head[i] + spread, t = tanh(u);
      const double u_error = error + fabs(spread) * error + 4 * FLOAT_EPSILON * (fabs(head[i]) + fabs(spread));
      const double log_slope = 2 * (log(2) - fabs(u) - log1p(exp(-2 * fabs(u))));
      cuda_near(action[at], t, fmin((1 - t * t) * u_error + 2 * u_error * u_error, 1) + 6 * FLOAT_EPSILON * fabs(t));
      sum += -0.5 * eps * eps - log_sigma - 0.5 * log(2 * acos(-1.0)) - log_slope;
      sum_error += error + 2 * u_error;
      sizes += eps * eps / 2 + fabs(log_sigma) + 1 + fabs(log_slope);
    }
    if (log_prob) cuda_near(log_prob[p * a->n + r], sum, sum_error + (6 + (double)a->A / 32) * FLOAT_EPSILON * sizes);
  }
}

/* log_prob: NULL if there is none. */
static void check_stopped(const act_case* a, const float* action, const float* log_prob) {
  for (size_t p = 0; p < a->P; p++) {
    for (size_t k = 0; !a->state[p].alive && k < a->n * a->A; k++) cuda_true(action[p * a->n * a->A + k] == 0);
    for (size_t r = 0; log_prob && !a->state[p].alive && r < a->n; r++) cuda_true(log_prob[p * a->n + r] == 0);
  }
}
static void check_counters(cuda_case* c, const act_case* a, uint64_t more) {
  const sac_device_state* after = cuda_result(c, a->args.state);
  for (size_t p = 0; p < a->P; p++) {
    ck_assert_uint_eq(after[p].act, a->state[p].act + (a->state[p].alive ? more : 0));
    ck_assert_uint_eq(after[p].act_ticket, 0);
  }
}

START_TEST(mean) {
  cuda_case c = cuda_case_create((uint64_t)_i);
  act_case a = create(&c, _i);
  put(&c, &a, SAC_DEVICE_ACT_MEAN, NULL, _i % 2, _i == FEW);
  cuda_run(&c, sac_actor_act(c.stream, &a.args));
  const float* action = cuda_result(&c, a.args.action);
  for (size_t p = 0; p < a.P; p++)
    if (a.state[p].alive) check_agent(&a, p, NULL, action, NULL);
  check_stopped(&a, action, NULL);
  check_counters(&c, &a, 0);
  cuda_case_free(&c);
}
END_TEST

START_TEST(noise_given) {
  cuda_case c = cuda_case_create((uint64_t)_i);
  act_case a = create(&c, _i);
  put(&c, &a, SAC_DEVICE_ACT_SAMPLE, a.noise, 1, 0);
  cuda_run(&c, sac_actor_act(c.stream, &a.args));
  const float *action = cuda_result(&c, a.args.action), *log_prob = cuda_result(&c, a.args.log_prob);
  for (size_t p = 0; p < a.P; p++)
    if (a.state[p].alive) check_agent(&a, p, a.noise, action, log_prob);
  if (a.shape >= FIRST_SCRATCH) check_scratch(&c, &a);
  check_stopped(&a, action, log_prob);
  check_counters(&c, &a, 0);
  cuda_case_free(&c);
}
END_TEST

/* Drawn noise has the bits of the CPU's: given as noise, the same numbers give the same actions. */
START_TEST(noise_drawn) {
  cuda_case c = cuda_case_create((uint64_t)_i), d = cuda_case_create((uint64_t)_i);
  act_case a = create(&c, _i), b = create(&d, _i);
  d.runs = 1;
  const int log_prob = _i % 2;
  put(&c, &a, SAC_DEVICE_ACT_SAMPLE, NULL, log_prob, _i == MANY);
  cuda_run(&c, sac_actor_act(c.stream, &a.args));
  const float* action = cuda_result(&c, a.args.action);
  for (size_t p = 0; p < b.P; p++)
    for (size_t r = 0; r < b.n; r++)
      sac_fill_normals(b.state[p].seed, SAC_STREAM_ACT, sac_draw_block(b.state[p].act + r, b.A, SAC_NORMALS_PER_BLOCK),
                       b.A, b.noise + (p * b.n + r) * b.A);
  put(&d, &b, SAC_DEVICE_ACT_SAMPLE, b.noise, log_prob, 0);
  cuda_run(&d, sac_actor_act(d.stream, &b.args));
  cuda_same(action, (const float*)cuda_result(&d, b.args.action), a.P * a.n * a.A);
  if (log_prob)
    cuda_same((const float*)cuda_result(&c, a.args.log_prob), (const float*)cuda_result(&d, b.args.log_prob),
              a.P * a.n);
  check_counters(&c, &a, a.n);
  cuda_case_free(&c);
  cuda_case_free(&d);
}
END_TEST

START_TEST(uniform) {
  cuda_case c = cuda_case_create((uint64_t)_i);
  act_case a = create(&c, _i);
  put(&c, &a, SAC_DEVICE_ACT_UNIFORM, NULL, _i % 2, _i == MANY + 2);
  cuda_run(&c, sac_actor_act(c.stream, &a.args));
  const float* action = cuda_result(&c, a.args.action);
  float* expected = cuda_host(&c, float, a.A);
  for (size_t p = 0; p < a.P; p++)
    for (size_t r = 0; a.state[p].alive && r < a.n; r++) {
      sac_fill_uniform(a.state[p].seed, SAC_STREAM_WARMUP,
                       sac_draw_block(a.state[p].act + r, a.A, SAC_UNIFORMS_PER_BLOCK), a.A, 1.0f, expected);
      cuda_same(action + (p * a.n + r) * a.A, expected, a.A);
    }
  check_stopped(&a, action, NULL);
  check_counters(&c, &a, a.n);
  cuda_case_free(&c);
}
END_TEST

/* An action depends on its own row alone: the same bits for single observations and for all at once. */
START_TEST(rows_are_apart) {
  static const int tried[] = {MANY, MANY + 1, FIRST_SCRATCH + 1};
  const int shape = tried[_i];
  cuda_case c = cuda_case_create(7);
  act_case a = create(&c, shape);
  put(&c, &a, SAC_DEVICE_ACT_MEAN, NULL, 0, 0);
  cuda_run(&c, sac_actor_act(c.stream, &a.args));
  for (size_t r = 0; r < a.n; r += 51) {
    cuda_case d = cuda_case_create(7);
    act_case b = create(&d, shape);
    d.runs = 1;
    b.n = 1;
    b.obs += r * b.O;
    put(&d, &b, SAC_DEVICE_ACT_MEAN, NULL, 0, 0);
    cuda_run(&d, sac_actor_act(d.stream, &b.args));
    cuda_same((const float*)cuda_result(&c, a.args.action + r * a.A), (const float*)cuda_result(&d, b.args.action),
              a.A);
    cuda_case_free(&d);
  }
  cuda_case_free(&c);
}
END_TEST

/* An action has the same bits for any number of blocks that share its observation, and on a device without clusters. */
START_TEST(blocks_change_nothing) {
  cuda_case c = cuda_case_create(11);
  act_case a = create(&c, _i);
  put(&c, &a, SAC_DEVICE_ACT_SAMPLE, NULL, 1, 0);
  cuda_run(&c, sac_actor_act(c.stream, &a.args));
  check_counters(&c, &a, a.n);
  for (int blocks = 1; blocks < a.args.blocks; blocks *= 2) {
    cuda_case d = cuda_case_create(11);
    act_case b = create(&d, _i);
    b.blocks = blocks;
    put(&d, &b, SAC_DEVICE_ACT_SAMPLE, NULL, 1, 0);
    cuda_run(&d, sac_actor_act(d.stream, &b.args));
    cuda_same((const float*)cuda_result(&c, a.args.action), (const float*)cuda_result(&d, b.args.action),
              a.P * a.n * a.A);
    cuda_same((const float*)cuda_result(&c, a.args.log_prob), (const float*)cuda_result(&d, b.args.log_prob),
              a.P * a.n);
    check_counters(&d, &b, a.n);
    cuda_case_free(&d);
  }
  cuda_case_free(&c);
}
END_TEST

/* The copy of the actor that acting reads while updates run. */
START_TEST(snapshot) {
  cuda_case c = cuda_case_create((uint64_t)_i);
  const size_t floats = _i ? 12 * 700 : 4, P = _i ? 300 : 1;
  sac_device_state* state = cuda_states(&c, (int)P);
  float* weights = cuda_numbers(&c, floats, 1);
  const sac_actor_snapshot_args args = {.state = cuda_put(&c, state, P),
                                        .weights = cuda_put(&c, weights, floats),
                                        .copy = cuda_room(&c, float, floats),
                                        .alive = cuda_put_bytes(&c, "alive", NULL, P * sizeof(uint32_t), 0),
                                        .floats = floats,
                                        .population = (int32_t)P};
  cuda_open(&c, args.copy, floats);
  cuda_open(&c, args.alive, P);
  cuda_run(&c, sac_actor_snapshot(c.stream, &args));
  cuda_same((const float*)cuda_result(&c, args.copy), weights, floats);
  const uint32_t* alive = cuda_result(&c, args.alive);
  for (size_t p = 0; p < P; p++) ck_assert_uint_eq(alive[p], state[p].alive);
  cuda_case_free(&c);
}
END_TEST

/* A NaN in a weight reaches all actions; one in an observation or the noise reaches those of its row only. */
START_TEST(nan_is_not_hidden) {
  cuda_case c = cuda_case_create(8);
  act_case a = create(&c, _i < 3 ? FEW : MANY); /* few rows, and many */
  const size_t row = 30;
  if (_i % 3 == 0) a.obs[row * a.O + a.O - 1] = NAN;
  if (_i % 3 == 1) a.noise[row * a.A] = NAN;
  if (_i % 3 == 2) a.weights[a.args.bias[1] + 1] = NAN;
  put(&c, &a, SAC_DEVICE_ACT_SAMPLE, a.noise, 1, 0);
  cuda_run(&c, sac_actor_act(c.stream, &a.args));
  const float *action = cuda_result(&c, a.args.action), *log_prob = cuda_result(&c, a.args.log_prob);
  for (size_t r = 0; r < a.n; r++) {
    const int here = r == row || _i % 3 == 2;
    ck_assert(cuda_nan(log_prob[r]) == here);
    ck_assert(cuda_nan(action[r * a.A]) == here);
  }
  cuda_case_free(&c);
}
END_TEST

/* Saturated: means of 1e4 and clamped log sigmas give finite numbers. */
START_TEST(saturated) {
  cuda_case c = cuda_case_create(9);
  act_case a = create(&c, FEW);
  for (size_t p = 0; p < a.P; p++) {
    a.weights[p * a.stride + a.args.bias[2]] = _i % 2 ? -1e4f : 1e4f;
    a.weights[p * a.stride + a.args.bias[2] + a.A] = _i / 2 ? -300 : 300;
  }
  put(&c, &a, SAC_DEVICE_ACT_SAMPLE, a.noise, 1, 0);
  cuda_run(&c, sac_actor_act(c.stream, &a.args));
  const float *action = cuda_result(&c, a.args.action), *log_prob = cuda_result(&c, a.args.log_prob);
  check_agent(&a, 0, a.noise, action, log_prob);
  for (size_t r = 0; r < a.n; r++) ck_assert(fabsf(action[r]) == 1 && isfinite(log_prob[r]) && log_prob[r] > 1e4);
  cuda_case_free(&c);
}
END_TEST

CUDA_MAIN("act.cu", LOOP(mean, FIRST_SLOW), LOOP(noise_given, SLOW_TOO), LOOP(noise_drawn, FIRST_SLOW),
          LOOP(uniform, COUNT(shapes)), LOOP(rows_are_apart, 3), LOOP(blocks_change_nothing, MANY), LOOP(snapshot, 2),
          LOOP(nan_is_not_hidden, 6), LOOP(saturated, 4))
