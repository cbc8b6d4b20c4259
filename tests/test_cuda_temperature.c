/* kernels/temperature.cu: the statistics of an update, log_alpha's step, and an agent that stops. */
#include "support/cuda_case.h"

/* The policy of a shape, and the bound that a step of its alpha goes beyond. */
enum { GAUSSIAN, SOFTMAX, BOLTZMANN };
enum { NO_BOUND, BELOW, ABOVE };
static const struct {
  int population, critics, batch, action, value, learn, parts, policy, bound;
} shapes[] = {{1, 1, 1, 1, 0, 1, 1, GAUSSIAN, NO_BOUND},    {3, 2, 31, 6, 1, 1, 40, GAUSSIAN, BELOW},
              {1, 2, 257, 1, 0, 0, 257, GAUSSIAN, ABOVE},   {3, 5, 257, 17, 1, 1, 3, GAUSSIAN, NO_BOUND},
              {1, 2, 5000, 6, 0, 1, 1000, GAUSSIAN, ABOVE}, {3, 2, 31, 400, 0, 0, 70, GAUSSIAN, NO_BOUND},
              {3, 2, 31, 1, 0, 1, 40, SOFTMAX, NO_BOUND},   {1, 5, 257, 1, 0, 1, 3, SOFTMAX, BELOW},
              {3, 2, 1025, 1, 0, 1, 40, BOLTZMANN, ABOVE},  {1, 1, 1, 1, 0, 0, 1, BOLTZMANN, NO_BOUND}};
#define LOG_MIN 3.0f /* all log alphas are within 2 of 0 */
#define LOG_MAX -3.0f

#define ALPHA_STRIDE 6
#define TENSORS 3
static const double target_entropy = -3, rate = 1e-3;
static const size_t tensor_size[TENSORS] = {5, 700, 1};

typedef struct update_case {
  size_t P, K, B, N; /* N: parts of each norm: N, N + 3 and N + 1 */
  sac_device_state* state;
  float *q, *y, *v, *v_target, *smallest, *log_prob, *saturated, *log_z, *kl, *gradients;
  float *log_alpha, *grad, *m, *second;
  double *critic_norm, *value_norm, *actor_norm;
  sac_temperature_args args;
} update_case;

static double* norms(cuda_case* c, size_t n) {
  double* x = cuda_host(c, double, n);
  for (size_t i = 0; i < n; i++) x[i] = 10 * fabs(cuda_number(c));
  return x;
}

static update_case create(cuda_case* c, int i) {
  update_case u = {.P = (size_t)shapes[i].population,
                   .K = (size_t)shapes[i].critics,
                   .B = (size_t)shapes[i].batch,
                   .N = (size_t)shapes[i].parts};
  const size_t rows = u.P * u.B;
  u.state = cuda_states(c, shapes[i].population);
  for (size_t p = 0; p < u.P; p++)
    u.state[p].adam[SAC_ADAM_ALPHA] = sac_adam_begin(u.state[p].updates + 1, rate, 0.9, 0.999, 1e-8);
  u.q = cuda_numbers(c, u.K * rows, 20);
  u.y = cuda_numbers(c, rows, 20);
  if (shapes[i].value) u.v = cuda_numbers(c, rows, 20), u.v_target = cuda_numbers(c, rows, 20);
  u.smallest = cuda_numbers(c, rows, 20);
  u.log_prob = cuda_numbers(c, 2 * rows, 10);
  u.log_z = cuda_numbers(c, rows, 20), u.kl = cuda_numbers(c, rows, 20);
  u.saturated = cuda_host(c, float, rows);
  for (size_t r = 0; r < rows; r++) u.saturated[r] = (float)cuda_below(c, (size_t)shapes[i].action + 1);
  for (size_t r = 5; r < 2 * rows; r += 8) u.log_prob[r] *= 100;
  u.gradients = cuda_numbers(c, u.P * 1000, 1);
  u.log_alpha = cuda_numbers(c, u.P * ALPHA_STRIDE, 2);
  u.grad = cuda_numbers(c, u.P * ALPHA_STRIDE, 1);
  u.m = cuda_numbers(c, u.P * ALPHA_STRIDE, 1);
  u.second = cuda_numbers(c, u.P * ALPHA_STRIDE, 1);
  for (size_t k = 0; k < u.P * ALPHA_STRIDE; k++) u.second[k] = fabsf(u.second[k]);
  u.critic_norm = norms(c, u.P * u.N);
  u.value_norm = shapes[i].value ? norms(c, u.P * (u.N + 3)) : NULL;
  u.actor_norm = norms(c, u.P * (u.N + 1));
  return u;
}

/* Agent p's tensors stand at 10, 100 and 900 of its 1000 gradients. */
static void put(cuda_case* c, update_case* u, int i) {
  const size_t rows = u->P * u->B;
  sac_gradient_tensor* tensors = cuda_host(c, sac_gradient_tensor, TENSORS);
  static const uint64_t starts[TENSORS] = {10, 100, 900};
  for (int w = 0; w < TENSORS; w++) tensors[w] = (sac_gradient_tensor){starts[w], 1000, tensor_size[w]};
  u->args = (sac_temperature_args){.state = cuda_put(c, u->state, u->P),
                                   .log_alpha = cuda_put(c, u->log_alpha, u->P * ALPHA_STRIDE),
                                   .grad = cuda_put(c, u->grad, u->P * ALPHA_STRIDE),
                                   .m = cuda_put(c, u->m, u->P * ALPHA_STRIDE),
                                   .v = cuda_put(c, u->second, u->P * ALPHA_STRIDE),
                                   .log_alpha_stride = ALPHA_STRIDE,
                                   .q = cuda_put(c, u->q, u->K * rows),
                                   .y = cuda_put(c, u->y, rows),
                                   .smallest = cuda_put(c, u->smallest, rows),
                                   .log_prob = cuda_put(c, u->log_prob, 2 * rows),
                                   .critic_norm = cuda_put(c, u->critic_norm, u->P * u->N),
                                   .critic_parts = (int32_t)u->N,
                                   .value_parts = (int32_t)u->N + 3,
                                   .gradients = cuda_put(c, u->gradients, u->P * 1000),
                                   .tensors = cuda_put(c, tensors, TENSORS),
                                   .tensor_count = TENSORS,
                                   .dims = {(int32_t)u->P, (int32_t)u->B, 3, shapes[i].action, (int32_t)u->K},
                                   .target_entropy = (float)target_entropy,
                                   .log_min = shapes[i].bound == BELOW ? LOG_MIN : NAN,
                                   .log_max = shapes[i].bound == ABOVE ? LOG_MAX : NAN,
                                   .learn = shapes[i].learn};
  if (u->v) {
    u->args.v_value = cuda_put(c, u->v, rows);
    u->args.v_target = cuda_put(c, u->v_target, rows);
    u->args.value_norm = cuda_put(c, u->value_norm, u->P * (u->N + 3));
  }
  if (shapes[i].policy == GAUSSIAN) {
    u->args.saturated = cuda_put(c, u->saturated, rows);
  } else {
    u->args.log_z = cuda_put(c, u->log_z, rows);
    u->args.kl = cuda_put(c, u->kl, rows);
  }
  if (shapes[i].policy != BOLTZMANN) {
    u->args.actor_norm = cuda_put(c, u->actor_norm, u->P * (u->N + 1));
    u->args.actor_parts = (int32_t)u->N + 1;
  }
  for (size_t p = 0; p < u->P; p++) {
    if (!u->state[p].alive) continue;
    cuda_open(c, &u->args.state[p].stats, 1);
    if (!shapes[i].learn) continue;
    cuda_open(c, u->args.log_alpha + p * ALPHA_STRIDE, 1);
    cuda_open(c, u->args.grad + p * ALPHA_STRIDE, 1);
    cuda_open(c, u->args.m + p * ALPHA_STRIDE, 1);
    cuda_open(c, u->args.v + p * ALPHA_STRIDE, 1);
  }
}
static void open_verdict(cuda_case* c, const update_case* u, size_t p) {
  cuda_open(c, &u->args.state[p].alive, 1);
  cuda_open(c, &u->args.state[p].bad_tensors, 1);
  cuda_open(c, &u->args.state[p].first_bad, 1);
  cuda_open(c, &u->args.state[p].bad_value, 1);
}

static void check_stats(const update_case* u, int i, size_t p, const sac_update_stats* s) {
  const double log_alpha = (double)u->log_alpha[p * ALPHA_STRIDE], alpha = exp(log_alpha), B = (double)u->B;
  double critic = 0, q_sum = 0, td = 0, value = 0, actor = 0, sizes = 0, alpha_loss = 0, entropy = 0, saturated = 0;
  double soft_value = 0, log_z = 0, kl = 0;
  for (size_t r = p * u->B; r < (p + 1) * u->B; r++) {
    for (size_t k = 0; k < u->K; k++) {
      const double q = (double)u->q[(p * u->K + k) * u->B + r - p * u->B], off = q - (double)u->y[r];
      critic += 0.5 * off * off;
      q_sum += q;
      td += fabs(off);
    }
    if (u->v) value += 0.5 * pow((double)u->v[r] - (double)u->v_target[r], 2);
    const double log_prob = (double)u->log_prob[2 * p * u->B + r - p * u->B];
    actor += alpha * log_prob - (double)u->smallest[r];
    alpha_loss -= log_alpha * (log_prob + target_entropy);
    entropy -= log_prob;
    saturated += (double)u->saturated[r];
    soft_value += (double)u->smallest[r] - alpha * log_prob;
    log_z += (double)u->log_z[r];
    kl += (double)u->kl[r];
    sizes += (alpha + fabs(log_alpha) + 1) * (fabs(log_prob) + 3) + fabs((double)u->smallest[r]);
  }
  double critic_norm = 0, actor_norm = 0;
  for (size_t part = 0; part < u->N; part++) critic_norm += u->critic_norm[p * u->N + part];
  for (size_t part = 0; u->v && part < u->N + 3; part++) critic_norm += u->value_norm[p * (u->N + 3) + part];
  for (size_t part = 0; part < u->N + 1; part++) actor_norm += u->actor_norm[p * (u->N + 1) + part];
  const double error = CUDA_STATS_REL * sizes / B, K = (double)u->K;
  ck_near_relative(s->critic_loss, critic / B, CUDA_STATS_REL, 0);
  ck_near_relative(s->value_loss, value / B, CUDA_STATS_REL, 0);
  const int gaussian = shapes[i].policy == GAUSSIAN, actors = shapes[i].policy != BOLTZMANN;
  ck_near(s->actor_loss, actors ? actor / B : 0, actors ? error : 0);
  ck_near(s->soft_value, soft_value / B, error);
  ck_near(s->log_z, gaussian ? 0 : log_z / B, gaussian ? 0 : NORM_REL * 20);
  ck_near(s->kl, gaussian ? 0 : kl / B, gaussian ? 0 : NORM_REL * 20);
  ck_near(s->alpha_loss, alpha_loss / B, error);
  ck_near(s->entropy, entropy / B, NORM_REL * sizes);
  ck_near_relative(s->alpha, alpha, CUDA_STATS_REL, 0);
  ck_near(s->q_mean, q_sum / (B * K), NORM_REL * 20);
  ck_near_relative(s->td_error, td / (B * K), CUDA_STATS_REL, 0);
  ck_near_relative(s->saturation, gaussian ? saturated / (B * shapes[i].action) : 0, NORM_REL, 0);
  ck_near_relative(s->critic_grad, sqrt(critic_norm), NORM_REL, 0);
  ck_near_relative(s->actor_grad, actors ? sqrt(actor_norm) : 0, NORM_REL, 0);
}

START_TEST(statistics_and_step) {
  /* one run of the kernel */
  cuda_case c = cuda_case_create((uint64_t)_i);
  update_case u = create(&c, _i);
  put(&c, &u, _i);
  cuda_run(&c, sac_temperature_update(c.stream, &u.args));
  const sac_device_state* after = cuda_result(&c, u.args.state);
  const float *log_alpha = cuda_result(&c, u.args.log_alpha), *grad = cuda_result(&c, u.args.grad);
  const float *m = cuda_result(&c, u.args.m), *v = cuda_result(&c, u.args.v);

  /* the statistics of each agent */
  for (size_t p = 0; p < u.P; p++) {
    if (!u.state[p].alive) continue;
    check_stats(&u, _i, p, &after[p].stats);
    ck_assert_uint_eq(after[p].alive, 1);
    if (!shapes[_i].learn) continue; /* that nothing was written then, the case has seen */

    /* the gradient */
    const size_t at = p * ALPHA_STRIDE;
    double gradient = 0, size = 0;
    for (size_t r = 0; r < u.B; r++) {
      const double log_prob = (double)u.log_prob[2 * p * u.B + r];
      gradient -= (log_prob + target_entropy) / (double)u.B;
      size += fabs(log_prob + target_entropy) / (double)u.B;
    }
    const double error = CUDA_STATS_REL * size, t = (double)(u.state[p].updates + 1);
    ck_near(grad[at], gradient, error);

    /* Adam's step from it */
    const double old_m = (double)u.m[at], new_m = 0.9 * old_m + 0.1 * gradient;
    const double new_v = 0.999 * (double)u.second[at] + 0.001 * gradient * gradient;
    const double root = sqrt(new_v / (1 - pow(0.999, t))) + 1e-8, step = rate / (1 - pow(0.9, t)) / root;
    ck_near(m[at], new_m, 3 * FLOAT_EPSILON * (fabs(old_m) + size) + error);
    ck_near(v[at], new_v, 4 * FLOAT_EPSILON * new_v + 0.002 * size * error);
    if (shapes[_i].bound == NO_BOUND)
      ck_near(log_alpha[at], (double)u.log_alpha[at] - step * new_m,
              2 * FLOAT_EPSILON + ADAM_STEP_REL * step * (fabs(old_m) + size));
    else ck_near(log_alpha[at], shapes[_i].bound == BELOW ? (double)LOG_MIN : (double)LOG_MAX, 0);
  }
  cuda_case_free(&c);
}
END_TEST

/* A number that is not finite in any of the inputs stops its agent, and no other; gradients to blame are named. */
enum {
  IN_Q,
  IN_Y,
  IN_V,
  IN_V_TARGET,
  IN_SMALLEST,
  IN_LOG_PROB,
  IN_LOG_ALPHA,
  IN_CRITIC_NORM,
  IN_VALUE_NORM,
  IN_ACTOR_NORM,
  TOO_LARGE,
  PLACES
};
START_TEST(not_finite_stops) {
  const int shape = 3; /* three agents with a value network, 257 rows */
  cuda_case c = cuda_case_create((uint64_t)_i);
  update_case u = create(&c, shape);
  const size_t p = 2, row = 256;
  float* const place[] = {[IN_Q] = u.q + (p * u.K + 4) * u.B + row,
                          [IN_Y] = u.y + p * u.B + row,
                          [IN_V] = u.v + p * u.B + row,
                          [IN_V_TARGET] = u.v_target + p * u.B + row,
                          [IN_SMALLEST] = u.smallest + p * u.B,
                          [IN_LOG_PROB] = u.log_prob + 2 * p * u.B + row,
                          [IN_LOG_ALPHA] = u.log_alpha + p * ALPHA_STRIDE};
  if (_i <= IN_LOG_ALPHA)
    *place[_i] = _i % 2 ? NAN : _i == IN_LOG_ALPHA ? -INFINITY : INFINITY; /* alpha 0: its loss alone tells */
  if (_i == IN_CRITIC_NORM) u.critic_norm[p * u.N] = INFINITY;
  if (_i == IN_VALUE_NORM) u.value_norm[p * (u.N + 3) + u.N + 2] = NAN;
  if (_i == IN_ACTOR_NORM) u.actor_norm[p * (u.N + 1) + u.N] = NAN;
  if (_i == TOO_LARGE) u.q[p * u.K * u.B] = 1e30f; /* its square is beyond float */
  /* gradients: none to blame, then the second tensor's last, then the first and the third */
  const int blame = _i % 3;
  if (blame == 1) u.gradients[p * 1000 + 100 + 699] = -INFINITY;
  if (blame == 2) u.gradients[p * 1000 + 10 + 2] = NAN, u.gradients[p * 1000 + 900] = INFINITY;
  u.gradients[p * 1000 + 15] = u.gradients[p * 1000 + 99] = NAN; /* of no tensor in the list */
  put(&c, &u, shape);
  open_verdict(&c, &u, p);
  cuda_run(&c, sac_temperature_update(c.stream, &u.args));
  const sac_device_state* after = cuda_result(&c, u.args.state);
  ck_assert_uint_eq(after[0].alive, 1);
  check_stats(&u, shape, 0, &after[0].stats);
  ck_assert_uint_eq(after[p].alive, 0);
  ck_assert_int_eq(after[p].bad_tensors, blame);
  ck_assert_int_eq(after[p].first_bad, blame == 0 ? -1 : blame == 1 ? 1 : 0);
  if (blame == 0) ck_near(after[p].bad_value, 0, 0);
  if (blame == 1) ck_near(after[p].bad_value, -INFINITY, 0);
  if (blame == 2) ck_assert(isnan(after[p].bad_value));
  cuda_case_free(&c);
}
END_TEST

CUDA_MAIN("temperature.cu", LOOP(statistics_and_step, COUNT(shapes)), LOOP(not_finite_stops, PLACES))
