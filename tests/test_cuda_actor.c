/* kernels/actor.cu: the squash, the smallest critic at a~, and the way back to the actor's head, against double.
 * act is in test_cuda_act.c. */
#include "support/cuda_case.h"

#define LOW (-20.0)
#define HIGH 2.0

static const struct {
  int population, batch, obs, action, critics, both; /* both: rows of a' too */
} shapes[] = {{1, 1, 1, 1, 1, 1},     {3, 31, 3, 1, 2, 1},   {1, 257, 17, 6, 2, 0}, {3, 31, 5, 31, 3, 1},
              {1, 31, 400, 33, 1, 0}, {3, 31, 1, 400, 2, 1}, {1, 2000, 3, 8, 2, 1}, {1, 257, 2, 9, 5, 1}};

/* --- squash ------------------------------------------------------------------------------------------------------- */

/* Means and log sigmas at the ends of what there is: saturated, clamped, at the bounds; the rest is random. */
static const double means[] = {0, 1e4, -1e4, 9, -9.5, 0.4375, 0.001953125, 40, -300, 2},
                    log_stds[] = {-1, 0, 2, -20, 2.25, -20.5, 30, -300, 1.5, -5};

typedef struct squash_case {
  size_t P, B, O, A, K, F;
  sac_device_state* state;
  float *head, *bias, *noise, *policy, *next;
  sac_actor_squash_args args;
} squash_case;

/* A multiple of 2^-9: what a sum of two of them keeps, up to 1e4. */
static float coarse(double x) { return (float)(rint(x * 512) / 512); }

static squash_case squash_create(cuda_case* c, int i) {
  squash_case s = {.P = (size_t)shapes[i].population,
                   .B = (size_t)shapes[i].batch,
                   .O = (size_t)shapes[i].obs,
                   .A = (size_t)shapes[i].action,
                   .K = (size_t)shapes[i].critics};
  s.F = s.O + s.A;
  const size_t stride = 2 * s.A + 3;
  s.state = cuda_states(c, shapes[i].population);
  s.head = cuda_host(c, float, s.P * 2 * s.B * 2 * s.A);
  s.bias = cuda_host(c, float, s.P* stride);
  for (size_t k = 0; k < s.P * stride; k++) s.bias[k] = coarse(cuda_number(c));
  for (size_t r = 0; r < s.P * 2 * s.B; r++)
    for (size_t k = 0; k < s.A; k++) {
      const float* bias = s.bias + r / (2 * s.B) * stride;
      const int mean = cuda_below(c, 3) == 0, log_std = cuda_below(c, 3) == 0;
      s.head[r * 2 * s.A + k] = coarse(mean ? means[cuda_below(c, COUNT(means))] : 3 * cuda_number(c)) - bias[k];
      s.head[r * 2 * s.A + s.A + k] =
          coarse(log_std ? log_stds[cuda_below(c, COUNT(log_stds))] : 3 * cuda_number(c) - 2) - bias[s.A + k];
    }
  s.noise = cuda_numbers(c, s.P * 2 * s.B * s.A, 4);
  s.policy = cuda_numbers(c, s.P * s.K * s.B * s.F, 1);
  s.next = cuda_numbers(c, s.P * s.K * s.B * s.F, 1);
  return s;
}

static void squash_put(cuda_case* c, squash_case* s, int i) {
  const size_t stride = 2 * s->A + 3, rows = s->P * s->B;
  s->args = (sac_actor_squash_args){
      .state = cuda_put(c, s->state, s->P),
      .head = cuda_put(c, s->head, rows * 4 * s->A),
      .bias = cuda_put(c, s->bias, s->P * stride),
      .bias_stride = stride,
      .minibatch = {.policy = cuda_put(c, s->policy, s->K * rows * s->F),
                    .next = cuda_put(c, s->next, s->K * rows * s->F),
                    .noise = cuda_put(c, s->noise, 2 * rows * s->A)},
      .out = {cuda_room(c, float, rows * s->A), cuda_room(c, float, rows * s->A), cuda_room(c, float, rows * s->A),
              cuda_room(c, float, 2 * rows), cuda_room(c, float, rows)},
      .dims = {(int32_t)s->P, (int32_t)s->B, (int32_t)s->O, (int32_t)s->A, (int32_t)s->K},
      .log_std_min = (float)LOW,
      .log_std_max = (float)HIGH,
      .rows = (int32_t)(shapes[i].both ? 2 * s->B : s->B)};
  const int both = shapes[i].both;
  for (size_t p = 0; p < s->P; p++) {
    if (!s->state[p].alive) continue;
    cuda_open(c, s->args.head + p * 4 * s->B * s->A, (size_t)s->args.rows * 2 * s->A);
    for (size_t kr = p * s->K * s->B; kr < (p + 1) * s->K * s->B; kr++) { /* the actions' columns alone */
      cuda_open(c, s->args.minibatch.policy + kr * s->F + s->O, s->A);
      if (both) cuda_open(c, s->args.minibatch.next + kr * s->F + s->O, s->A);
    }
    cuda_open(c, s->args.out.action + p * s->B * s->A, s->B * s->A);
    cuda_open(c, s->args.out.spread + p * s->B * s->A, s->B * s->A);
    cuda_open(c, s->args.out.slope + p * s->B * s->A, s->B * s->A);
    cuda_open(c, s->args.out.log_prob + 2 * p * s->B, s->args.rows);
    cuda_open(c, s->args.out.saturated + p * s->B, s->B);
  }
}

/* log(1 - tanh(u)^2) without cancelling. */
static double log_slope(double u) { return 2 * (log(2) - fabs(u) - log1p(exp(-2 * fabs(u)))); }

START_TEST(squash) {
  /* one run of the kernel */
  cuda_case c = cuda_case_create((uint64_t)_i);
  squash_case s = squash_create(&c, _i);
  squash_put(&c, &s, _i);
  cuda_run(&c, sac_actor_squash(c.stream, &s.args));
  const float *head = cuda_result(&c, s.args.head), *policy = cuda_result(&c, s.args.minibatch.policy);
  const float *next = cuda_result(&c, s.args.minibatch.next), *out_action = cuda_result(&c, s.args.out.action);
  const float *out_spread = cuda_result(&c, s.args.out.spread), *out_slope = cuda_result(&c, s.args.out.slope);
  const float *log_probs = cuda_result(&c, s.args.out.log_prob), *saturated = cuda_result(&c, s.args.out.saturated);

  /* each row in double, with its bound on the rounding */
  for (size_t p = 0; p < s.P; p++)
    for (size_t r = 0; s.state[p].alive && r < (size_t)s.args.rows; r++) {
      const size_t row = 2 * p * s.B + r;
      const int of_next = r >= s.B;
      const float* bias = s.bias + p * s.args.bias_stride;
      double log_prob = 0, log_prob_error = 0, sizes = 0, beyond = 0, doubtful = 0;

      /* each component of the action */
      for (size_t i = 0; i < s.A; i++) {
        const double mean = (double)s.head[row * 2 * s.A + i] + (double)bias[i];
        const double log_std = (double)s.head[(row * 2 + 1) * s.A + i] + (double)bias[s.A + i];
        const double eps = (double)s.noise[row * s.A + i], log_sigma = fmin(fmax(log_std, LOW), HIGH);
        const double spread = exp(log_sigma) * eps, u = mean + spread, action = tanh(u);
        const double slope = exp(log_slope(u)), term = -0.5 * eps * eps - log_sigma - 0.5 * log(2 * acos(-1.0));
        /* u is a rounded sum of rounded terms; the rest are a few roundings of each result */
        const double u_error = 4 * FLOAT_EPSILON * (fabs(mean) + fabs(spread));
        const double action_error = slope * u_error + 2 * u_error * u_error + 6 * FLOAT_EPSILON * fabs(action);
        log_prob += term - log_slope(u);
        log_prob_error += 2 * u_error;
        sizes += eps * eps / 2 + fabs(log_sigma) + 1 + fabs(log_slope(u));
        beyond += fabs(action) > 0.999;
        doubtful += fabs(fabs(action) - 0.999) <= action_error;

        /* every critic's input has the action */
        for (size_t k = 0; k < s.K; k++) {
          const float* inputs = of_next ? next : policy;
          cuda_near(inputs[((p * s.K + k) * s.B + r % s.B) * s.F + s.O + i], action, action_error);
        }

        /* only the policy's own pass keeps what the way back needs */
        if (of_next) continue;
        const size_t at = (p * s.B + r) * s.A + i;
        cuda_near(out_action[at], action, action_error);
        cuda_near(out_spread[at], spread, 8 * FLOAT_EPSILON * fabs(spread));
        cuda_near(out_slope[at], slope, slope * (2 * u_error + 12 * FLOAT_EPSILON) + CUDA_TINY);
        cuda_near(head[(row * 2 + 1) * s.A + i], log_std, 0); /* with its bias, not clamped */
      }

      /* the sum of the row; `doubtful` components may be on either side of 0.999 */
      cuda_near(log_probs[row], log_prob, log_prob_error + (6 + (double)s.A / 32) * FLOAT_EPSILON * sizes);
      if (!of_next) cuda_near(saturated[p * s.B + r], beyond, doubtful);
    }
  cuda_case_free(&c);
}
END_TEST

/* A NaN in mean, log sigma, bias or noise reaches the action and the row's log-probability. */
START_TEST(squash_of_nan) {
  /* a NaN in mean, log sigma, their biases or the noise */
  const int shape = 3;
  cuda_case c = cuda_case_create(1);
  squash_case s = squash_create(&c, shape);
  const size_t row = 7, i = 30; /* of agent 0 */
  float* const place[] = {s.head + row * 2 * s.A + i, s.head + (row * 2 + 1) * s.A + i, s.bias + i, s.bias + s.A + i,
                          s.noise + row * s.A + i};
  *place[_i] = NAN;
  squash_put(&c, &s, shape);
  cuda_run(&c, sac_actor_squash(c.stream, &s.args));
  const float *action = cuda_result(&c, s.args.out.action), *log_prob = cuda_result(&c, s.args.out.log_prob);
  const float *policy = cuda_result(&c, s.args.minibatch.policy), *slope = cuda_result(&c, s.args.out.slope);

  /* it is in its row and component, or in every row for a bias */
  for (size_t r = 0; r < s.B; r++) {
    const int here = r == row || _i == 2 || _i == 3;
    ck_assert(cuda_nan(log_prob[r]) == here);
    for (size_t k = 0; k < s.A; k++) {
      cuda_true(cuda_nan(action[r * s.A + k]) == (here && k == i));
      cuda_true(cuda_nan(slope[r * s.A + k]) == (here && k == i));
      cuda_true(cuda_nan(policy[(s.B + r) * s.F + s.O + k]) == (here && k == i)); /* critic 1's copy */
    }
  }
  cuda_case_free(&c);
}
END_TEST

/* --- the smallest critic ------------------------------------------------------------------------------------------ */

static const struct {
  int population, critics, batch, width;
} smallest_shapes[] = {{1, 1, 1, 1},     {3, 2, 31, 33},  {1, 5, 257, 31},
                       {3, 2, 257, 256}, {1, 2, 2500, 3}, {1, 3, 31, 400}};

typedef struct smallest_case {
  size_t P, K, B, H;
  sac_device_state* state;
  cuda_heads critic;
  sac_actor_smallest_q_args args;
} smallest_case;

static smallest_case smallest_create(cuda_case* c, int i) {
  smallest_case j = {.P = (size_t)smallest_shapes[i].population,
                     .K = (size_t)smallest_shapes[i].critics,
                     .B = (size_t)smallest_shapes[i].batch,
                     .H = (size_t)smallest_shapes[i].width};
  j.state = cuda_states(c, smallest_shapes[i].population);
  j.critic = cuda_heads_create(c, (int)(j.P * j.K), smallest_shapes[i].batch, smallest_shapes[i].width);
  return j;
}

/* Whether the hidden rows become their activations: not where nobody reads them and registers hold a row. */
static int turned(const smallest_case* j) { return !j->args.critic.discard_hidden || j->H > 256; }

static void smallest_run(cuda_case* c, smallest_case* j) {
  cuda_heads_put(c, &j->critic);
  j->args = (sac_actor_smallest_q_args){.state = cuda_put(c, j->state, j->P),
                                        .critic = j->critic.device,
                                        .d_hidden = cuda_room(c, float, j->P * j->K * j->B * j->H),
                                        .smallest = cuda_room(c, float, j->P * j->B),
                                        .dims = {(int32_t)j->P, (int32_t)j->B, 3, 2, (int32_t)j->K}};
  j->args.critic.discard_hidden = j->B == 31;
  for (size_t p = 0; p < j->P; p++) {
    if (!j->state[p].alive) continue;
    if (turned(j)) cuda_heads_open(c, &j->critic, (int)(p * j->K), (int)j->K);
    cuda_open(c, j->args.d_hidden + p * j->K * j->B * j->H, j->K * j->B * j->H);
    cuda_open(c, j->args.smallest + p * j->B, j->B);
  }
  cuda_run(c, sac_actor_smallest_q(c->stream, &j->args));
}

/* The critic through which a row's gradient goes: -1/B of the head's weight where the unit is on; 0 in all others. */
static void check_only(const smallest_case* j, size_t p, size_t r, size_t which, const float* d_hidden) {
  for (size_t k = 0; k < j->K; k++)
    for (size_t h = 0; h < j->H; h++) {
      const int net = (int)(p * j->K + k);
      const double on = k == which && cuda_heads_hidden(&j->critic, net, (int)r, (int)h) > 0;
      const double expected = on * -cuda_heads_weight(&j->critic, net, (int)h) / (double)j->B;
      cuda_near(d_hidden[(((p * j->K) + k) * j->B + r) * j->H + h], expected, 2 * FLOAT_EPSILON * fabs(expected));
    }
}

START_TEST(smallest_q) {
  /* one run of the kernel */
  cuda_case c = cuda_case_create((uint64_t)_i);
  smallest_case j = smallest_create(&c, _i);
  smallest_run(&c, &j);
  const float *smallest = cuda_result(&c, j.args.smallest), *d_hidden = cuda_result(&c, j.args.d_hidden);
  size_t through[8] = {0}, rows = 0, doubtful = 0;
  for (size_t p = 0; p < j.P; p++) {
    if (!j.state[p].alive) continue;
    if (turned(&j)) cuda_heads_check(&c, &j.critic, (int)(p * j.K), (int)j.K);
    for (size_t r = 0; r < j.B; r++) {
      /* the smallest critic of each row in double, and the second smallest */
      double q = INFINITY, second = INFINITY, error = 0;
      size_t which = 0;
      for (size_t k = 0; k < j.K; k++) {
        double one_error;
        const double one = cuda_heads_output(&j.critic, (int)(p * j.K + k), (int)r, &one_error);
        second = fmin(second, fmax(one, q));
        if (one < q) q = one, which = k;
        error = fmax(error, one_error);
      }

      /* its value, and its gradient into the smallest alone, unless two are too near each other */
      cuda_near(smallest[p * j.B + r], q, error);
      through[which]++;
      rows++;
      if (second - q > 2 * error) check_only(&j, p, r, which, d_hidden);
      else doubtful++; /* too near to say which float takes */
    }
  }

  /* most rows are decided, and no critic always wins */
  ck_assert_uint_lt(doubtful, 1 + rows / 10);
  for (size_t k = 0; j.B > 1 && j.K > 1 && k < j.K; k++) ck_assert_uint_lt(through[k], rows);
  cuda_case_free(&c);
}
END_TEST

/* Of equal critics the first; a NaN is taken and stays, whatever comes after it. */
START_TEST(smallest_q_of_equals_and_nan) {
  cuda_case c = cuda_case_create(2);
  smallest_case j = smallest_create(&c, 2); /* five critics */
  for (size_t k = 1; k < j.K; k++) {
    memcpy(j.critic.hidden + k * j.critic.device.hidden_stride, j.critic.hidden, j.B * j.H * sizeof(float));
    memcpy(j.critic.weights + k * j.critic.device.weight_stride, j.critic.weights, (2 * j.H + 1) * sizeof(float));
  }
  const size_t row = 200, critic = (size_t)_i;
  j.critic.hidden[critic * j.critic.device.hidden_stride + row * j.H + 2] = NAN;
  smallest_run(&c, &j);
  const float *smallest = cuda_result(&c, j.args.smallest), *d_hidden = cuda_result(&c, j.args.d_hidden);
  for (size_t r = 0; r < j.B; r++) {
    ck_assert(cuda_nan(smallest[r]) == (r == row));
    if (r != row) check_only(&j, 0, r, 0, d_hidden);
    for (size_t k = 0; r == row && k < j.K; k++)
      for (size_t h = 0; k != critic && h < j.H; h++) cuda_true(d_hidden[(k * j.B + r) * j.H + h] == 0);
  }
  cuda_case_free(&c);
}
END_TEST

/* --- the way back ------------------------------------------------------------------------------------------------- */

typedef struct back_case {
  size_t P, B, O, A, K, F, H;
  sac_device_state* state;
  float *d_hidden, *hidden, *weight, *action, *spread, *slope, *head, *log_alpha;
  sac_actor_squash_grad_args args;
} back_case;

static back_case back_create(cuda_case* c, int i, size_t width) {
  back_case b = {.P = (size_t)shapes[i].population,
                 .B = (size_t)shapes[i].batch,
                 .O = (size_t)shapes[i].obs,
                 .A = (size_t)shapes[i].action,
                 .K = (size_t)shapes[i].critics,
                 .H = width};
  b.F = b.O + b.A;
  const size_t nets = b.P * b.K, rows = b.P * b.B;
  b.state = cuda_states(c, shapes[i].population);
  b.d_hidden = cuda_numbers(c, nets * b.B * b.H, 1);
  b.hidden = cuda_numbers(c, nets * (b.B * b.H + 7), 1);
  for (size_t k = 0; k < nets * (b.B * b.H + 7); k++) b.hidden[k] = b.hidden[k] < 0 ? 0 : b.hidden[k];
  b.weight = cuda_numbers(c, nets * (b.H * b.F + 5), 1);
  b.action = cuda_numbers(c, rows * b.A, 1);
  b.spread = cuda_numbers(c, rows * b.A, 20);
  b.slope = cuda_numbers(c, rows * b.A, 1);
  b.head = cuda_numbers(c, rows * 4 * b.A, 25); /* log sigmas on all sides of the bounds */
  for (size_t k = 0; k < rows * 4 * b.A; k += 5) b.head[k] = k % 2 ? (float)LOW : (float)HIGH;
  b.log_alpha = cuda_numbers(c, b.P * 4, 2);
  return b;
}

static void back_run(cuda_case* c, back_case* b) {
  const size_t nets = b->P * b->K, rows = b->P * b->B;
  b->args =
      (sac_actor_squash_grad_args){.state = cuda_put(c, b->state, b->P),
                                   .d_hidden = cuda_put(c, b->d_hidden, nets * b->B * b->H),
                                   .hidden = cuda_put(c, b->hidden, nets * (b->B * b->H + 7)),
                                   .weight = cuda_put(c, b->weight, nets * (b->H * b->F + 5)),
                                   .hidden_stride = b->B * b->H + 7,
                                   .weight_stride = b->H * b->F + 5,
                                   .width = (int32_t)b->H,
                                   .out = {.action = cuda_put(c, b->action, rows * b->A),
                                           .spread = cuda_put(c, b->spread, rows * b->A),
                                           .slope = cuda_put(c, b->slope, rows * b->A)},
                                   .head = cuda_put(c, b->head, rows * 4 * b->A),
                                   .d_head = cuda_room(c, float, rows * 2 * b->A),
                                   .log_alpha = cuda_put(c, b->log_alpha, b->P * 4),
                                   .log_alpha_stride = 4,
                                   .dims = {(int32_t)b->P, (int32_t)b->B, (int32_t)b->O, (int32_t)b->A, (int32_t)b->K},
                                   .log_std_min = (float)LOW,
                                   .log_std_max = (float)HIGH};
  for (size_t p = 0; p < b->P; p++)
    if (b->state[p].alive) cuda_open(c, b->args.d_head + p * b->B * 2 * b->A, b->B * 2 * b->A);
  cuda_run(c, sac_actor_squash_grad(c->stream, &b->args));
}

static const size_t widths[] = {1, 31, 64, 33, 257, 7, 5, 400};

START_TEST(squash_grad) {
  /* one run of the kernel */
  cuda_case c = cuda_case_create((uint64_t)_i);
  back_case b = back_create(&c, _i, widths[_i]);
  back_run(&c, &b);
  const float* d_head = cuda_result(&c, b.args.d_head);

  /* each component in double */
  for (size_t p = 0; p < b.P; p++) {
    const double by_log_prob = exp((double)b.log_alpha[4 * p]) / (double)b.B;
    for (size_t r = 0; b.state[p].alive && r < b.B; r++)
      for (size_t i = 0; i < b.A; i++) {
        /* back through the hidden layer of each critic that is active */
        double by_action = 0, size = 0;
        for (size_t k = p * b.K; k < (p + 1) * b.K; k++)
          for (size_t h = 0; h < b.H; h++) {
            if (b.hidden[k * b.args.hidden_stride + r * b.H + h] <= 0) continue;
            const double term = (double)b.d_hidden[(k * b.B + r) * b.H + h] *
                                (double)b.weight[k * b.args.weight_stride + h * b.F + b.O + i];
            by_action += term;
            size += fabs(term);
          }

        /* back through the squash, and the clamp of log sigma */
        const size_t at = (p * b.B + r) * b.A + i;
        const double a = (double)b.action[at], spread = (double)b.spread[at], slope = (double)b.slope[at];
        const double log_std = (double)b.head[(2 * p * b.B + r) * 2 * b.A + b.A + i];
        const double through = by_action * slope, inside = log_std >= LOW && log_std <= HIGH;
        const double by_mean = by_log_prob * 2 * a + through;
        const double by_log_std = inside * (by_log_prob * (2 * a * spread - 1) + through * spread);

        /* the bound on the rounding */
        const double error = PRODUCT_REL((double)(b.K * b.H) / 8) * size * fabs(slope) +
                             8 * FLOAT_EPSILON * (by_log_prob * (2 * fabs(a) + 1) + fabs(through));
        const float* got = d_head + (p * b.B + r) * 2 * b.A;
        cuda_near(got[i], by_mean, error);
        cuda_near(got[b.A + i], by_log_std, inside * error * (1 + fabs(spread)));
      }
  }
  cuda_case_free(&c);
}
END_TEST

/* A NaN in any input is seen in the row's gradients; a unit that is off hides what is above it, as in PyTorch. */
enum { IN_D_HIDDEN, IN_HIDDEN_BELOW, IN_WEIGHT, IN_ACTION, IN_SPREAD, IN_SLOPE, IN_LOG_ALPHA, OFF, NAN_PLACES };
START_TEST(squash_grad_of_nan) {
  cuda_case c = cuda_case_create(3);
  back_case b = back_create(&c, 1, 20); /* one action, two critics */
  const size_t row = 30, unit = row * b.H + 19;
  float *d = b.d_hidden + b.B * b.H + unit, *hidden = b.hidden + b.B * b.H + 7 + unit; /* of critic 1 */
  *hidden = _i == OFF ? 0 : 1;
  b.head[row * 2 + 1] = 0; /* inside the bounds */
  if (_i == IN_D_HIDDEN || _i == OFF) *d = NAN;
  if (_i == IN_HIDDEN_BELOW) *d = *hidden = NAN;
  if (_i == IN_WEIGHT) b.weight[b.H * b.F + 5 + 19 * b.F + b.O] = NAN;
  if (_i == IN_ACTION) b.action[row] = NAN;
  if (_i == IN_SPREAD) b.spread[row] = NAN;
  if (_i == IN_SLOPE) b.slope[row] = NAN;
  if (_i == IN_LOG_ALPHA) b.log_alpha[0] = NAN;
  back_run(&c, &b);
  const float* d_head = cuda_result(&c, b.args.d_head);
  ck_assert(cuda_nan(d_head[2 * row]) == (_i != OFF && _i != IN_SPREAD));
  ck_assert(cuda_nan(d_head[2 * row + 1]) == (_i != OFF));
  if (_i != IN_WEIGHT && _i != IN_LOG_ALPHA)
    for (size_t k = 0; k < 2 * row; k++) ck_assert(!isnan(d_head[k]));
  cuda_case_free(&c);
}
END_TEST

CUDA_MAIN("actor.cu", LOOP(squash, COUNT(shapes)), LOOP(squash_of_nan, 5), LOOP(smallest_q, COUNT(smallest_shapes)),
          LOOP(smallest_q_of_equals_and_nan, 5), LOOP(squash_grad, COUNT(shapes)), LOOP(squash_grad_of_nan, NAN_PLACES))
