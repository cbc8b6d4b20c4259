/* ctest: timeout=300
 *
 * kernels/act.cu and act_one.cu with discrete actions: the softmax policy of one network and the Boltzmann policy of
 * several, in every mode and on every path, against networks in double. */
#include "kernels/discrete.h"
#include "kernels/random.h"
#include "support/cuda_case.h"

/* size: O, hidden layers, actions. nets 0: a softmax actor; otherwise the critics of a Boltzmann policy. One network of
 * up to 256 observations in total goes through act_one.cu, everything else through act.cu. */
static const struct {
  int population, n, nets, mean, layers, size[5], aligned;
} shapes[] =
    {
        {1, 1, 0, 0, 1, {1, 2}, 0},
        {1, 1, 0, 0, 3, {17, 64, 64, 4}, 1},
        {3, 3, 0, 0, 3, {5, 100, 72, 18}, 1},
        {1, 1, 0, 0, 3, {8, 256, 256, 4}, 1}, /* eight blocks */
        {1, 2, 0, 0, 2, {9, 130, 33}, 1},     /* more actions than lanes */
        {1, 1, 0, 0, 1, {30, 65}, 1},         /* a linear network */
        {1, 31, 1, 0, 3, {3, 31, 33, 2}, 0},  /* a Boltzmann policy of one critic, in act_one.cu */
        {1, 1, 2, 0, 3, {8, 64, 64, 4}, 1},
        {3, 3, 2, 1, 2, {5, 36, 18}, 1},
        {1, 7, 5, 0, 1, {16, 3}, 0},
        {1, 5, 3, 1, 3, {4, 31, 33, 65}, 0},
        {1, 257, 0, 0, 3, {11, 33, 5, 6}, 0}, /* more observations than act_one.cu takes */
        {3, 90, 2, 0, 2, {3, 7, 31}, 0},
        {1, 3, 2, 0, 2, {5, 4, 1300}, 0},   /* scratch: three buffers are too much for shared memory */
        {1, 300, 0, 0, 2, {5, 3, 1540}, 0}, /* scratch with two buffers */
};
#define FEW 4
#define BOLTZMANN_FEW 10
#define MANY 11
#define FIRST_SCRATCH 13
#define ALPHA_STRIDE 3
#define ACTIONS_MAX 2048

typedef struct act_case {
  size_t P, n, O, A, K, stride;
  int shape, blocks; /* blocks for one observation at most; 0: as many as the device allows */
  sac_device_state* state;
  float *weights, *obs, *noise, *log_alpha;
  sac_actor_act_args args;
} act_case;

static act_case create(cuda_case* c, int i) {
  act_case a = {.P = (size_t)shapes[i].population,
                .n = (size_t)shapes[i].n,
                .O = (size_t)shapes[i].size[0],
                .A = (size_t)shapes[i].size[shapes[i].layers],
                .K = (size_t)(shapes[i].nets > 0 ? shapes[i].nets : 1),
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
  a.weights = cuda_numbers(c, a.P * a.K * a.stride, 1);
  for (size_t net = 0; net < a.P * a.K; net++) /* so large that the outputs of a layer stay near 1 */
    for (int l = 0; l < a.args.layers; l++)
      for (size_t k = a.args.weight[l]; k < a.args.bias[l]; k++)
        a.weights[net * a.stride + k] *= (float)(2 / sqrt(a.args.size[l]));
  a.obs = cuda_numbers(c, a.P * a.n * a.O, 1);
  a.noise = cuda_numbers(c, a.P * a.n, 1);
  for (size_t r = 0; r < a.P * a.n; r++) a.noise[r] = 0.5f + 0.5f * a.noise[r];
  a.log_alpha = cuda_numbers(c, a.P * ALPHA_STRIDE, 1);
  return a;
}

/* The argument of the launch. noise NULL: noise is drawn. */
static void put(cuda_case* c, act_case* a, int mode, const float* noise, int log_prob) {
  const size_t rows = a->P * a->n;
  int32_t widest = 0;
  for (int l = 0; l <= a->args.layers; l++) widest = a->args.size[l] > widest ? a->args.size[l] : widest;
  const size_t scratch = sac_actor_act_scratch(widest, (int32_t)a->K);
  ck_assert((scratch > 0) == (a->shape >= FIRST_SCRATCH));
  a->args.state = cuda_put(c, a->state, a->P);
  a->args.alive = &a->args.state->alive;
  a->args.alive_stride = sizeof *a->args.state / sizeof(uint32_t);
  a->args.weights = cuda_put(c, a->weights, a->P * a->K * a->stride);
  a->args.weights_stride = a->K * a->stride;
  a->args.net_stride = a->stride;
  a->args.nets = (int32_t)a->K;
  a->args.mean = shapes[a->shape].mean;
  a->args.actions = (int32_t)a->A;
  a->args.log_alpha = shapes[a->shape].nets > 0 ? cuda_put(c, a->log_alpha, a->P * ALPHA_STRIDE) : NULL;
  a->args.log_alpha_stride = ALPHA_STRIDE;
  a->args.obs = cuda_put(c, a->obs, rows * a->O);
  a->args.noise = noise ? cuda_put(c, noise, rows) : NULL;
  a->args.action = cuda_room(c, float, rows);
  a->args.log_prob = log_prob ? cuda_room(c, float, rows) : NULL;
  a->args.population = (int32_t)a->P;
  a->args.n = (int32_t)a->n;
  a->args.mode = mode;
  cuda_ok(sac_actor_act_prepare(&a->args.blocks, &a->args.shared));
  if (a->blocks) a->args.blocks = a->blocks;
  if (scratch) {
    a->args.scratch = cuda_room(c, float, a->P* scratch);
    cuda_open(c, a->args.scratch, a->P * scratch);
    cuda_ignore(c, a->args.scratch);
  }
  cuda_open(c, a->args.action, rows); /* stopped agents get action 0 */
  if (log_prob && mode == SAC_DEVICE_ACT_SAMPLE) cuda_open(c, a->args.log_prob, rows);
  for (size_t p = 0; p < a->P; p++) {
    if (!a->state[p].alive || mode == SAC_DEVICE_ACT_MEAN || noise) continue;
    cuda_open(c, &a->args.state[p].act, 1);
    cuda_open(c, &a->args.state[p].act_ticket, 1);
  }
}

/* The outputs of one network for one row, in double; returns the largest error of a float result. */
static double forward(const act_case* a, const float* w, const float* obs, double* head) {
  static double x[ACTIONS_MAX], y[ACTIONS_MAX];
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
  memcpy(head, x, a->A * sizeof *head);
  return off;
}

/* The joined values of row r of agent p; returns their largest error. */
static double values_of(const act_case* a, size_t p, size_t r, double* x) {
  static double q[ACTIONS_MAX];
  double error = 0;
  for (size_t k = 0; k < a->K; k++) {
    error = fmax(error, forward(a, a->weights + (p * a->K + k) * a->stride, a->obs + (p * a->n + r) * a->O, q));
    for (size_t i = 0; i < a->A; i++) x[i] = k == 0 ? q[i] : shapes[a->shape].mean ? x[i] + q[i] : fmin(x[i], q[i]);
  }
  for (size_t i = 0; i < a->A && shapes[a->shape].mean; i++) x[i] /= (double)a->K;
  return 2 * error;
}

/* The actions of agent p. noise NULL: the most probable ones. log_prob may be NULL. */
static void check_agent(const act_case* a, size_t p, const float* noise, const float* action, const float* log_prob) {
  static double x[ACTIONS_MAX];
  const double scale = shapes[a->shape].nets > 0 ? exp(-(double)a->log_alpha[p * ALPHA_STRIDE]) : 1;
  for (size_t r = 0; r < a->n; r++) {
    /* a number of an action */
    const size_t at = p * a->n + r;
    const double error = values_of(a, p, r, x);
    ck_assert(sac_action_exists(action[at], (int)a->A));
    const size_t chosen = (size_t)action[at];
    double largest = x[0], sum = 0, before = 0;
    for (size_t i = 1; i < a->A; i++) largest = fmax(largest, x[i]);
    for (size_t i = 0; i < a->A; i++) sum += exp(scale * (x[i] - largest));
    for (size_t i = 0; i < chosen; i++) before += exp(scale * (x[i] - largest)) / sum;

    /* the largest value; or the cumulated probabilities around the noise */
    const double prob = exp(scale * (x[chosen] - largest)) / sum;
    const double p_error = 4 * scale * error + FLOAT_EPSILON * (scale * 8 + 64 + (double)a->A);
    if (!noise) ck_assert(x[chosen] >= largest - 2 * error);
    else ck_assert(before <= (double)noise[at] + p_error && (double)noise[at] <= before + prob + p_error);
    if (noise && log_prob) cuda_near(log_prob[at], log(prob), p_error * (1 + fabs(log(prob))));
  }
}

/* log_prob: NULL if there is none. */
static void check_stopped(const act_case* a, const float* action, const float* log_prob) {
  for (size_t p = 0; p < a->P; p++)
    for (size_t r = p * a->n; !a->state[p].alive && r < (p + 1) * a->n; r++)
      cuda_true(action[r] == 0 && (!log_prob || log_prob[r] == 0));
}
static void check_counters(cuda_case* c, const act_case* a, uint64_t more) {
  const sac_device_state* after = cuda_result(c, a->args.state);
  for (size_t p = 0; p < a->P; p++) {
    ck_assert_uint_eq(after[p].act, a->state[p].act + (a->state[p].alive ? more : 0));
    ck_assert_uint_eq(after[p].act_ticket, 0);
  }
}

START_TEST(mode) {
  cuda_case c = cuda_case_create((uint64_t)_i);
  act_case a = create(&c, _i);
  put(&c, &a, SAC_DEVICE_ACT_MEAN, NULL, _i % 2);
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
  put(&c, &a, SAC_DEVICE_ACT_SAMPLE, a.noise, 1);
  cuda_run(&c, sac_actor_act(c.stream, &a.args));
  const float *action = cuda_result(&c, a.args.action), *log_prob = cuda_result(&c, a.args.log_prob);
  for (size_t p = 0; p < a.P; p++)
    if (a.state[p].alive) check_agent(&a, p, a.noise, action, log_prob);
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
  put(&c, &a, SAC_DEVICE_ACT_SAMPLE, NULL, 1);
  cuda_run(&c, sac_actor_act(c.stream, &a.args));
  for (size_t p = 0; p < b.P; p++)
    for (size_t r = 0; r < b.n; r++) {
      const uint64_t block = sac_draw_block(b.state[p].act + r, 1, SAC_UNIFORMS_PER_BLOCK);
      b.noise[p * b.n + r] = sac_uniform(sac_philox(b.state[p].seed, SAC_STREAM_ACT, block).word[0]);
    }
  put(&d, &b, SAC_DEVICE_ACT_SAMPLE, b.noise, 1);
  cuda_run(&d, sac_actor_act(d.stream, &b.args));
  cuda_same((const float*)cuda_result(&c, a.args.action), (const float*)cuda_result(&d, b.args.action), a.P * a.n);
  cuda_same((const float*)cuda_result(&c, a.args.log_prob), (const float*)cuda_result(&d, b.args.log_prob), a.P * a.n);
  check_counters(&c, &a, a.n);
  cuda_case_free(&c);
  cuda_case_free(&d);
}
END_TEST

START_TEST(uniform) {
  cuda_case c = cuda_case_create((uint64_t)_i);
  act_case a = create(&c, _i);
  put(&c, &a, SAC_DEVICE_ACT_UNIFORM, NULL, _i % 2);
  cuda_run(&c, sac_actor_act(c.stream, &a.args));
  const float* action = cuda_result(&c, a.args.action);
  for (size_t p = 0; p < a.P; p++)
    for (size_t r = 0; a.state[p].alive && r < a.n; r++) {
      const uint64_t block = sac_draw_block(a.state[p].act + r, 1, SAC_UNIFORMS_PER_BLOCK);
      const float u = sac_uniform(sac_philox(a.state[p].seed, SAC_STREAM_WARMUP, block).word[0]);
      ck_assert(action[p * a.n + r] == (float)sac_uniform_action(u, (int)a.A));
    }
  check_stopped(&a, action, NULL);
  check_counters(&c, &a, a.n);
  cuda_case_free(&c);
}
END_TEST

/* An action depends on its own row alone: the same bits for single observations and for all at once. */
START_TEST(rows_are_apart) {
  static const int tried[] = {MANY, BOLTZMANN_FEW, MANY + 1};
  const int shape = tried[_i];
  cuda_case c = cuda_case_create(7);
  act_case a = create(&c, shape);
  put(&c, &a, SAC_DEVICE_ACT_SAMPLE, a.noise, 1);
  cuda_run(&c, sac_actor_act(c.stream, &a.args));
  for (size_t r = 0; r < a.n; r += a.n / 5) {
    cuda_case d = cuda_case_create(7);
    act_case b = create(&d, shape);
    d.runs = 1;
    b.P = b.n = 1;
    b.obs += r * b.O;
    b.noise += r;
    put(&d, &b, SAC_DEVICE_ACT_SAMPLE, b.noise, 1);
    cuda_run(&d, sac_actor_act(d.stream, &b.args));
    cuda_same((const float*)cuda_result(&c, a.args.action + r), (const float*)cuda_result(&d, b.args.action), 1);
    cuda_same((const float*)cuda_result(&c, a.args.log_prob + r), (const float*)cuda_result(&d, b.args.log_prob), 1);
    cuda_case_free(&d);
  }
  cuda_case_free(&c);
}
END_TEST

/* An action has the same bits for any number of blocks that share its observation, and on a device without clusters. */
START_TEST(blocks_change_nothing) {
  cuda_case c = cuda_case_create(11);
  act_case a = create(&c, _i);
  put(&c, &a, SAC_DEVICE_ACT_SAMPLE, NULL, 1);
  cuda_run(&c, sac_actor_act(c.stream, &a.args));
  for (int blocks = 1; blocks < a.args.blocks; blocks *= 2) {
    cuda_case d = cuda_case_create(11);
    act_case b = create(&d, _i);
    b.blocks = blocks;
    put(&d, &b, SAC_DEVICE_ACT_SAMPLE, NULL, 1);
    cuda_run(&d, sac_actor_act(d.stream, &b.args));
    cuda_same((const float*)cuda_result(&c, a.args.action), (const float*)cuda_result(&d, b.args.action), a.P * a.n);
    cuda_same((const float*)cuda_result(&c, a.args.log_prob), (const float*)cuda_result(&d, b.args.log_prob),
              a.P * a.n);
    check_counters(&d, &b, a.n);
    cuda_case_free(&d);
  }
  cuda_case_free(&c);
}
END_TEST

/* Values of a linear network whose weights are zeros: the biases alone, at observation 0. */
static const float* act_on(cuda_case* c, act_case* a, int how, const float* values, const float* noise) {
  memset(a->weights, 0, a->stride * sizeof(float));
  memcpy(a->weights + a->args.bias[0], values, a->A * sizeof(float));
  put(c, a, how, noise, 1);
  cuda_run(c, sac_actor_act(c->stream, &a->args));
  return cuda_result(c, a->args.action);
}

/* The mode takes the first of equal values, in any of its 65 places. A NaN gives no action. */
START_TEST(mode_is_greedy) {
  float x[65];
  for (int i = 0; i < 65; i++) x[i] = -1;
  if (_i == 0) x[40] = x[64] = x[7] = 2;
  if (_i == 1) x[64] = 2, x[3] = NAN, x[35] = NAN;
  if (_i == 2) x[0] = NAN, x[5] = 3;
  if (_i == 3) x[33] = INFINITY, x[2] = 5;
  if (_i == 4)
    for (int i = 0; i < 65; i++) x[i] = -INFINITY;
  cuda_case c = cuda_case_create(1);
  act_case a = create(&c, 5); /* a linear network of 65 actions */
  const float* action = act_on(&c, &a, SAC_DEVICE_ACT_MEAN, x, NULL);
  if (_i == 1 || _i == 2) ck_assert(cuda_nan(action[0]));
  else ck_assert_int_eq((int)action[0], sac_greedy(x, 1, 65));
  cuda_case_free(&c);
}
END_TEST

/* Samples are those of the formula: at the ends of the noise, at probabilities of 0, and where only one is possible. */
START_TEST(samples_at_the_ends) {
  static const float noises[] = {0, 0x1p-24f, 0.5f, 1 - 0x1p-24f, 1};
  float x[65], log_p[65];
  for (int i = 0; i < 65; i++) x[i] = _i % 3 == 0 ? 0.01f * (float)i : -300;
  if (_i % 3 == 1) x[33] = 0; /* all others have probability 0 */
  if (_i % 3 == 2) x[2] = x[60] = 0;
  cuda_case c = cuda_case_create(1);
  act_case a = create(&c, 5);
  const float u = noises[_i / 3];
  const float* action = act_on(&c, &a, SAC_DEVICE_ACT_SAMPLE, x, &u);
  const float* log_prob = cuda_result(&c, a.args.log_prob);
  sac_log_softmax(x, 1, 65, 1, log_p);
  const int expected = sac_categorical(log_p, 1, 65, u);
  ck_assert_int_eq((int)action[0], expected);
  cuda_near(log_prob[0], (double)log_p[expected], 64 * FLOAT_EPSILON * (1 + fabs((double)log_p[expected])));
  cuda_case_free(&c);
}
END_TEST

/* A NaN in a weight or an observation: no action, as on the CPU. */
START_TEST(nan_gives_no_action) {
  cuda_case c = cuda_case_create(8);
  act_case a = create(&c, _i < 2 ? FEW : BOLTZMANN_FEW);
  if (_i % 2) a.obs[a.O - 1] = NAN;
  else a.weights[a.args.bias[a.args.layers - 1] + 1] = NAN;
  put(&c, &a, SAC_DEVICE_ACT_SAMPLE, a.noise, 1);
  cuda_run(&c, sac_actor_act(c.stream, &a.args));
  const float *action = cuda_result(&c, a.args.action), *log_prob = cuda_result(&c, a.args.log_prob);
  for (size_t r = 0; r < a.n; r++) {
    const int bad = r == 0 || _i % 2 == 0;
    ck_assert(bad ? cuda_nan(action[r]) : sac_action_exists(action[r], (int)a.A));
    ck_assert(cuda_nan(log_prob[r]) == bad);
  }
  cuda_case_free(&c);
}
END_TEST

CUDA_MAIN("act of discrete actions", LOOP(mode, FIRST_SCRATCH), LOOP(noise_given, COUNT(shapes)),
          LOOP(noise_drawn, FIRST_SCRATCH), LOOP(uniform, COUNT(shapes)), LOOP(rows_are_apart, 3),
          LOOP(blocks_change_nothing, MANY), LOOP(mode_is_greedy, 5), LOOP(samples_at_the_ends, 15),
          LOOP(nan_gives_no_action, 4))
