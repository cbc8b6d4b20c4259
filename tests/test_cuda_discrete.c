/* ctest: timeout=300
 *
 * kernels/discrete.cu: the target and the loss of critics with a value of each action, the gradient of the softmax
 * actor, and the statistics of both policies, against double. act is in test_cuda_act_discrete.c. */
#include "support/cuda_case.h"

/* actor 0: the policy is exp(q/alpha)/Z of the critics. log_alpha: of the first agent; small ones saturate. */
static const struct {
  int population, critics, batch, actions, actor, mean;
  double log_alpha;
} shapes[] = {{1, 1, 1, 2, 0, 0, 0},       {3, 2, 31, 4, 0, 0, -1},   {1, 2, 257, 18, 0, 1, -2},
              {1, 5, 31, 32, 0, 0, 0.5},   {3, 2, 31, 33, 0, 1, -4},  {1, 16, 31, 3, 0, 0, -9.21},
              {1, 1, 1, 4096, 0, 0, -1},   {1, 1, 1, 2, 1, 0, 0},     {3, 2, 31, 4, 1, 0, -1},
              {1, 2, 257, 18, 1, 1, -2},   {1, 5, 31, 32, 1, 0, 0.5}, {3, 2, 31, 33, 1, 1, -4},
              {1, 16, 31, 3, 1, 0, -9.21}, {1, 1, 1, 4096, 1, 1, -1}, {3, 3, 31, 65, 1, 0, 2}};

#define ALPHA_STRIDE 5
#define REWARD_SCALE 2.5f

/* The outputs of networks: products with gaps behind each network, and biases with gaps. */
typedef struct outputs {
  float *product, *bias;
  size_t nets, rows, actions;
  sac_outputs device;
} outputs;

static outputs outputs_create(cuda_case* c, size_t population, size_t per_agent, size_t rows, size_t actions,
                              double size) {
  outputs o = {.nets = population * per_agent, .rows = rows, .actions = actions};
  o.device =
      (sac_outputs){.product_stride = rows * actions + 5, .bias_stride = actions + 3, .nets = (int32_t)per_agent};
  o.product = cuda_numbers(c, o.nets * o.device.product_stride, size);
  o.bias = cuda_numbers(c, o.nets * o.device.bias_stride, 1);
  return o;
}

static void outputs_put(cuda_case* c, outputs* o) {
  o->device.product = cuda_put(c, o->product, o->nets * o->device.product_stride);
  o->device.bias = cuda_put(c, o->bias, o->nets * o->device.bias_stride);
}

static double output(const outputs* o, size_t net, size_t row, size_t a) {
  return (double)o->product[net * o->device.product_stride + row * o->actions + a] +
         (double)o->bias[net * o->device.bias_stride + a];
}

/* The values of the actions of a row, joined, and their largest size. */
static double joined(const outputs* o, size_t p, size_t row, int mean, double* x) {
  const size_t K = (size_t)o->device.nets;
  double largest = 0;
  for (size_t a = 0; a < o->actions; a++) {
    x[a] = output(o, p * K, row, a);
    for (size_t k = 0; k < K; k++) largest = fmax(largest, fabs(output(o, p * K + k, row, a)));
    for (size_t k = 1; k < K; k++) {
      const double q = output(o, p * K + k, row, a);
      x[a] = mean ? x[a] + q : fmin(x[a], q);
    }
    if (mean) x[a] /= (double)K;
  }
  return largest;
}

/* log p of exp(scale x)/Z; returns log Z. */
static double log_softmax(const double* x, size_t actions, double scale, double* log_p) {
  double largest = x[0], sum = 0;
  for (size_t a = 1; a < actions; a++) largest = fmax(largest, x[a]);
  for (size_t a = 0; a < actions; a++) sum += exp(scale * (x[a] - largest));
  for (size_t a = 0; a < actions; a++) log_p[a] = scale * (x[a] - largest) - log(sum);
  return scale * largest + log(sum);
}

/* The largest error of a float log p: that of values of size `size`, times scale, and of the sum. */
static double log_p_error(double size, double scale, size_t actions, size_t nets) {
  return FLOAT_EPSILON * (scale * size * (double)(6 + nets) + 24 + (double)actions / 16);
}

typedef struct discrete_case {
  size_t P, K, B, A;
  sac_device_state* state;
  outputs critic, target, logits; /* of the actor: 2B rows, s and then s' */
  float *action, *reward, *discount, *weight, *log_alpha;
  int mean, actor;
} discrete_case;

static discrete_case create(cuda_case* c, int i) {
  discrete_case d = {.P = (size_t)shapes[i].population,
                     .K = (size_t)shapes[i].critics,
                     .B = (size_t)shapes[i].batch,
                     .A = (size_t)shapes[i].actions,
                     .mean = shapes[i].mean,
                     .actor = shapes[i].actor};
  const size_t rows = d.P * d.B;
  d.state = cuda_states(c, shapes[i].population);
  d.critic = outputs_create(c, d.P, d.K, d.B, d.A, 5);
  d.target = outputs_create(c, d.P, d.K, d.B, d.A, 5);
  d.logits = outputs_create(c, d.P, 1, 2 * d.B, d.A, i % 2 ? 4 : 40); /* some policies are saturated */
  d.action = cuda_host(c, float, rows);
  for (size_t r = 0; r < rows; r++) d.action[r] = (float)cuda_below(c, d.A);
  d.reward = cuda_numbers(c, rows, 3);
  d.discount = cuda_numbers(c, rows, 1);
  d.weight = cuda_numbers(c, rows, 1);
  d.log_alpha = cuda_numbers(c, d.P * ALPHA_STRIDE, 1);
  d.log_alpha[0] = (float)shapes[i].log_alpha;
  return d;
}

static double alpha_of(const discrete_case* d, size_t p) { return exp((double)d->log_alpha[p * ALPHA_STRIDE]); }

static sac_discrete_columns columns_create(cuda_case* c, const discrete_case* d) {
  const size_t rows = d->P * d->B;
  return (sac_discrete_columns){cuda_room(c, float, 2 * rows), cuda_room(c, float, rows), cuda_room(c, float, rows),
                                cuda_room(c, float, rows)};
}
static void columns_open(cuda_case* c, const discrete_case* d, const sac_discrete_columns* columns, size_t p) {
  cuda_open(c, columns->log_prob + 2 * p * d->B, d->B);
  cuda_open(c, columns->smallest + p * d->B, d->B);
  cuda_open(c, columns->log_z + p * d->B, d->B);
  cuda_open(c, columns->kl + p * d->B, d->B);
}

/* The statistics of one row: of the policy log_p, whose log-probabilities have the error p_error, at the values q. */
static void check_columns(cuda_case* c, const discrete_case* d, const sac_discrete_columns* columns, size_t p, size_t r,
                          const double* log_p, double p_error, const double* q, double size) {
  static double log_r[4096];
  const double scale = 1 / alpha_of(d, p), log_z = log_softmax(q, d->A, scale, log_r);
  const double r_error = log_p_error(size, scale, d->A, d->K), sums = FLOAT_EPSILON * (8 + (double)d->A / 32);
  double entropy = 0, entropy_error = 1e-30, mean = 0, mean_error = 1e-30, kl = 0, kl_error = 1e-30;
  for (size_t a = 0; a < d->A; a++) {
    const double prob = exp(log_p[a]), off = log_p[a] - log_r[a];
    entropy -= prob * log_p[a];
    entropy_error += prob * (fabs(log_p[a]) * (p_error + sums) + p_error);
    mean += prob * q[a];
    mean_error += prob * (fabs(q[a]) * (p_error + sums) + FLOAT_EPSILON * size * (double)(d->K + 2));
    kl += prob * off;
    kl_error += prob * (fabs(off) * (p_error + sums) + p_error + r_error);
  }
  const float *log_prob = cuda_result(c, columns->log_prob), *smallest = cuda_result(c, columns->smallest);
  const float *log_zs = cuda_result(c, columns->log_z), *kls = cuda_result(c, columns->kl);
  const size_t row = p * d->B + r;
  cuda_near(log_prob[row + p * d->B], -entropy, entropy_error);
  cuda_near(smallest[row], mean, mean_error);
  cuda_near(log_zs[row], log_z, r_error + FLOAT_EPSILON * 4 * fabs(log_z));
  cuda_near(kls[row], kl, kl_error);
  if (!d->actor) ck_assert(kls[row] == 0);
}

/* --- the critics' loss -------------------------------------------------------------------------------------------- */

static sac_discrete_critic_loss_args loss_args(cuda_case* c, discrete_case* d) {
  const size_t rows = d->P * d->B;
  outputs_put(c, &d->critic);
  outputs_put(c, &d->target);
  outputs_put(c, &d->logits);
  sac_discrete_critic_loss_args args = {.state = cuda_put(c, d->state, d->P),
                                        .critic = d->critic.device,
                                        .target = d->target.device,
                                        .logits = d->logits.device,
                                        .action = cuda_put(c, d->action, rows),
                                        .reward = cuda_put(c, d->reward, rows),
                                        .discount = cuda_put(c, d->discount, rows),
                                        .weight = cuda_put(c, d->weight, rows),
                                        .log_alpha = cuda_put(c, d->log_alpha, d->P * ALPHA_STRIDE),
                                        .log_alpha_stride = ALPHA_STRIDE,
                                        .d_output = cuda_room(c, float, d->K* rows * d->A),
                                        .q = cuda_room(c, float, d->K* rows),
                                        .y = cuda_room(c, float, rows),
                                        .columns = columns_create(c, d),
                                        .population = (int32_t)d->P,
                                        .batch = (int32_t)d->B,
                                        .actions = (int32_t)d->A,
                                        .mean = d->mean,
                                        .reward_scale = REWARD_SCALE};
  args.logits.product += d->B * d->A; /* the rows of s' */
  if (!d->actor) args.logits.product = NULL;
  for (size_t p = 0; p < d->P; p++) {
    if (!d->state[p].alive) continue;
    cuda_open(c, args.d_output + p * d->K * d->B * d->A, d->K * d->B * d->A);
    cuda_open(c, args.q + p * d->K * d->B, d->K * d->B);
    cuda_open(c, args.y + p * d->B, d->B);
    if (!d->actor) columns_open(c, d, &args.columns, p);
  }
  return args;
}

/* The value of s' of one row, and its error. */
static double next_value(const discrete_case* d, size_t p, size_t r, double* error) {
  static double q[4096], x[4096], log_p[4096];
  const double alpha = alpha_of(d, p), size = joined(&d->target, p, r, d->mean, q);
  const double rounding = FLOAT_EPSILON * size * (double)(d->K + 4);
  if (!d->actor) {
    *error = rounding + alpha * log_p_error(size, 1 / alpha, d->A, d->K);
    return alpha * log_softmax(q, d->A, 1 / alpha, log_p);
  }
  const double p_error = log_p_error(joined(&d->logits, p, d->B + r, 0, x), 1, d->A, 1);
  double value = 0;
  (void)log_softmax(x, d->A, 1, log_p);
  *error = 1e-30;
  for (size_t a = 0; a < d->A; a++) {
    const double term = q[a] - alpha * log_p[a], prob = exp(log_p[a]);
    const double parts = fabs(q[a]) + alpha * fabs(log_p[a]);
    value += prob * term;
    *error += prob * (parts * (p_error + FLOAT_EPSILON * (8 + (double)d->A / 32)) + rounding + alpha * p_error);
  }
  return value;
}

START_TEST(critic_loss) {
  static double q[4096], log_p[4096];
  cuda_case c = cuda_case_create((uint64_t)_i);
  discrete_case d = create(&c, _i);
  const sac_discrete_critic_loss_args args = loss_args(&c, &d);
  cuda_run(&c, sac_discrete_critic_loss(c.stream, &args));
  const float *d_output = cuda_result(&c, args.d_output), *qs = cuda_result(&c, args.q), *ys = cuda_result(&c, args.y);
  for (size_t p = 0; p < d.P; p++)
    for (size_t r = 0; d.state[p].alive && r < d.B; r++) {
      /* the target */
      const size_t row = p * d.B + r, number = (size_t)d.action[row];
      double error;
      const double value = next_value(&d, p, r, &error), discount = (double)d.discount[row];
      const double y = (double)d.reward[row] * (double)REWARD_SCALE + discount * value;
      const double y_error = fabs(discount) * error + 4 * FLOAT_EPSILON * (fabs(y) + 8 + fabs(discount * value));
      cuda_near(ys[row], y, y_error);

      /* each critic: the value of the action, and the gradient, which is zero at the others */
      for (size_t k = 0; k < d.K; k++) {
        const size_t net = (p * d.K + k) * d.B + r;
        const double taken = output(&d.critic, p * d.K + k, r, number), share = (double)d.weight[row] / (double)d.B;
        cuda_near(qs[net], taken, FLOAT_EPSILON * fabs(taken));
        for (size_t a = 0; a < d.A; a++) {
          if (a != number) cuda_true(d_output[net * d.A + a] == 0);
          else
            cuda_near(d_output[net * d.A + a], share * (taken - y),
                      fabs(share) * (y_error + 6 * FLOAT_EPSILON * (fabs(taken) + fabs(y))));
        }
      }

      /* the Boltzmann policy of the critics */
      if (d.actor) continue;
      const double size = joined(&d.critic, p, r, d.mean, q), scale = 1 / alpha_of(&d, p);
      (void)log_softmax(q, d.A, scale, log_p);
      check_columns(&c, &d, &args.columns, p, r, log_p, log_p_error(size, scale, d.A, d.K), q, size);
    }
  cuda_case_free(&c);
}
END_TEST

/* A number that is no action's leads to the nearest, and to no place outside of the row. */
START_TEST(damaged_action) {
  static const float bad[] = {-1, 4, 1e30f, -INFINITY, NAN, 2.5f, -0.5f};
  static const size_t goes[] = {0, 3, 3, 0, 0, 2, 0};
  cuda_case c = cuda_case_create(1);
  discrete_case d = create(&c, _i ? 8 : 1); /* four actions */
  for (size_t r = 0; r < COUNT(bad); r++) d.action[r] = bad[r];
  const sac_discrete_critic_loss_args args = loss_args(&c, &d);
  cuda_run(&c, sac_discrete_critic_loss(c.stream, &args));
  const float* d_output = cuda_result(&c, args.d_output);
  for (size_t r = 0; r < COUNT(bad); r++)
    for (size_t a = 0; a < d.A; a++) ck_assert((d_output[r * d.A + a] != 0) == (a == goes[r]));
  cuda_case_free(&c);
}
END_TEST

/* A NaN in any input is seen in y or the gradient of its rows, and in no other row. */
enum { IN_TARGET, IN_TARGET_BIAS, IN_LOGITS, IN_REWARD, IN_DISCOUNT, IN_WEIGHT, IN_LOG_ALPHA, IN_TAKEN, LOSS_PLACES };
START_TEST(loss_of_nan) {
  const int shape = _i % 2 ? 11 : 4; /* 33 actions, with an actor or without */
  const int where = _i / 2;
  cuda_case c = cuda_case_create(3);
  discrete_case d = create(&c, shape);
  const size_t row = 30, a = 32, critic = 1; /* of agent 0 */
  d.action[row] = (float)a;
  if (where == IN_TARGET) d.target.product[critic * d.target.device.product_stride + row * d.A + a] = NAN;
  if (where == IN_TARGET_BIAS) d.target.bias[critic * d.target.device.bias_stride + a] = NAN;
  if (where == IN_LOGITS) d.logits.product[(d.B + row) * d.A + a] = NAN;
  if (where == IN_REWARD) d.reward[row] = NAN;
  if (where == IN_DISCOUNT) d.discount[row] = NAN;
  if (where == IN_WEIGHT) d.weight[row] = NAN;
  if (where == IN_LOG_ALPHA) d.log_alpha[0] = NAN;
  if (where == IN_TAKEN) d.critic.product[critic * d.critic.device.product_stride + row * d.A + a] = NAN;
  const sac_discrete_critic_loss_args args = loss_args(&c, &d);
  cuda_run(&c, sac_discrete_critic_loss(c.stream, &args));
  const float *d_output = cuda_result(&c, args.d_output), *y = cuda_result(&c, args.y);
  const int everywhere = where == IN_TARGET_BIAS || where == IN_LOG_ALPHA;
  const int nowhere = where == IN_LOGITS && !d.actor, not_y = where == IN_WEIGHT || where == IN_TAKEN;
  for (size_t r = 0; r < d.B; r++) {
    const int here = (r == row || everywhere) && !nowhere;
    ck_assert(cuda_nan(y[r]) == (here && !not_y));
    for (size_t k = 0; k < d.K; k++) {
      const float* d_row = d_output + (k * d.B + r) * d.A;
      const size_t taken = (size_t)d.action[r];
      ck_assert(cuda_nan(d_row[taken]) == (here && (where != IN_TAKEN || k == critic)));
      for (size_t other = 0; other < d.A; other++) cuda_true(other == taken || d_row[other] == 0);
    }
  }
  cuda_case_free(&c);
}
END_TEST

/* --- the actor's gradient ----------------------------------------------------------------------------------------- */

static sac_discrete_actor_grad_args grad_args(cuda_case* c, discrete_case* d) {
  outputs_put(c, &d->critic);
  outputs_put(c, &d->logits);
  const sac_discrete_actor_grad_args args = {.state = cuda_put(c, d->state, d->P),
                                             .critic = d->critic.device,
                                             .logits = d->logits.device,
                                             .log_alpha = cuda_put(c, d->log_alpha, d->P * ALPHA_STRIDE),
                                             .log_alpha_stride = ALPHA_STRIDE,
                                             .d_logits = cuda_room(c, float, d->P * d->B * d->A),
                                             .columns = columns_create(c, d),
                                             .population = (int32_t)d->P,
                                             .batch = (int32_t)d->B,
                                             .actions = (int32_t)d->A,
                                             .mean = d->mean};
  for (size_t p = 0; p < d->P; p++) {
    if (!d->state[p].alive) continue;
    cuda_open(c, args.d_logits + p * d->B * d->A, d->B * d->A);
    columns_open(c, d, &args.columns, p);
  }
  return args;
}

START_TEST(actor_grad) {
  static double q[4096], x[4096], log_p[4096];
  cuda_case c = cuda_case_create((uint64_t)_i);
  discrete_case d = create(&c, _i);
  d.actor = 1;
  const sac_discrete_actor_grad_args args = grad_args(&c, &d);
  cuda_run(&c, sac_discrete_actor_grad_rows(c.stream, &args));
  const float* d_logits = cuda_result(&c, args.d_logits);
  for (size_t p = 0; p < d.P; p++)
    for (size_t r = 0; d.state[p].alive && r < d.B; r++) {
      /* the policy and its statistics */
      const double alpha = alpha_of(&d, p), size = joined(&d.critic, p, r, d.mean, q);
      const double x_size = joined(&d.logits, p, r, 0, x), p_error = log_p_error(x_size, 1, d.A, 1);
      (void)log_softmax(x, d.A, 1, log_p);
      check_columns(&c, &d, &args.columns, p, r, log_p, p_error, q, size);

      /* f relative to that of the most probable action: a saturated policy keeps its digits */
      size_t best = 0;
      for (size_t a = 1; a < d.A; a++) best = x[a] > x[best] ? a : best;
      const double f_error = 2 * alpha * p_error + FLOAT_EPSILON * size * (double)(2 * d.K + 8);
      double loss = 0, loss_error = 0;
      for (size_t a = 0; a < d.A; a++) {
        const double f = alpha * (log_p[a] - log_p[best]) - (q[a] - q[best]), prob = exp(log_p[a]);
        loss += prob * f;
        if (a != best) loss_error += prob * (f_error + fabs(f) * (p_error + FLOAT_EPSILON * (8 + (double)d.A / 32)));
      }
      for (size_t a = 0; a < d.A; a++) {
        const double f = alpha * (log_p[a] - log_p[best]) - (q[a] - q[best]), prob = exp(log_p[a]) / (double)d.B;
        const double error = (a == best ? 0 : f_error) + loss_error + fabs(f - loss) * (p_error + 8 * FLOAT_EPSILON);
        cuda_near(d_logits[(p * d.B + r) * d.A + a], prob * (f - loss), prob * error + CUDA_TINY);
      }
    }
  cuda_case_free(&c);
}
END_TEST

/* Equal logits, of which any is the most probable: the entropy is log A, and the gradient is that of q alone. */
START_TEST(equal_logits) {
  cuda_case c = cuda_case_create(5);
  discrete_case d = create(&c, 11); /* three agents, two critics, 33 actions */
  memset(d.logits.product, 0, d.logits.nets * d.logits.device.product_stride * sizeof(float));
  memset(d.logits.bias, 0, d.logits.nets * d.logits.device.bias_stride * sizeof(float));
  const sac_discrete_actor_grad_args args = grad_args(&c, &d);
  cuda_run(&c, sac_discrete_actor_grad_rows(c.stream, &args));
  const float *log_prob = cuda_result(&c, args.columns.log_prob), *d_logits = cuda_result(&c, args.d_logits);
  for (size_t r = 0; r < d.B; r++) {
    double sum = 0, largest = 0;
    for (size_t a = 0; a < d.A; a++) {
      sum += (double)d_logits[r * d.A + a];
      largest = fmax(largest, fabs((double)d_logits[r * d.A + a]));
    }
    cuda_near(log_prob[r], -log((double)d.A), 16 * FLOAT_EPSILON * log((double)d.A));
    cuda_near(sum, 0, 8 * FLOAT_EPSILON * 6 / (double)d.B); /* values of at most 6 */
    ck_assert(largest > 0);
  }
  cuda_case_free(&c);
}
END_TEST

/* A NaN in a logit, a value, a bias or the temperature reaches the gradients and statistics of its rows alone. */
enum { IN_LOGIT, IN_Q, IN_LOGIT_BIAS, IN_ALPHA, GRAD_PLACES };
START_TEST(grad_of_nan) {
  cuda_case c = cuda_case_create(6);
  discrete_case d = create(&c, 11);
  const size_t row = 30, a = 32;
  if (_i == IN_LOGIT) d.logits.product[row * d.A + a] = NAN;
  if (_i == IN_Q) d.critic.product[d.critic.device.product_stride + row * d.A + a] = NAN; /* of critic 1 */
  if (_i == IN_LOGIT_BIAS) d.logits.bias[a] = NAN;
  if (_i == IN_ALPHA) d.log_alpha[0] = NAN;
  const sac_discrete_actor_grad_args args = grad_args(&c, &d);
  cuda_run(&c, sac_discrete_actor_grad_rows(c.stream, &args));
  const float *d_logits = cuda_result(&c, args.d_logits), *log_prob = cuda_result(&c, args.columns.log_prob);
  const float *smallest = cuda_result(&c, args.columns.smallest), *kl = cuda_result(&c, args.columns.kl);
  for (size_t r = 0; r < d.B; r++) {
    const int here = r == row || _i == IN_LOGIT_BIAS || _i == IN_ALPHA, of_pi = _i == IN_LOGIT || _i == IN_LOGIT_BIAS;
    ck_assert(cuda_nan(d_logits[r * d.A]) == here);
    ck_assert(cuda_nan(kl[r]) == here);
    ck_assert(cuda_nan(smallest[r]) == (here && _i != IN_ALPHA));
    ck_assert(cuda_nan(log_prob[r]) == (here && of_pi));
  }
  cuda_case_free(&c);
}
END_TEST

CUDA_MAIN("discrete.cu", LOOP(critic_loss, COUNT(shapes)), LOOP(damaged_action, 2), LOOP(loss_of_nan, 2 * LOSS_PLACES),
          LOOP(actor_grad, COUNT(shapes)), CASE(equal_logits), LOOP(grad_of_nan, GRAD_PLACES))
