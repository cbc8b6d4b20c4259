/* kernels/critic.cu against double: heads, TD target, losses, and the gradient of the last hidden layer. */
#include "support/cuda_case.h"

static const struct {
  int population, critics, targets, soft, batch, width, target_width;
} losses[] = {
    {1, 1, 1, 1, 1, 1, 1},    {1, 2, 2, 1, 31, 31, 31}, {3, 2, 2, 1, 257, 33, 33}, {3, 5, 5, 1, 31, 256, 256},
    {3, 2, 1, 0, 31, 33, 47}, {1, 3, 1, 0, 257, 7, 64}, {1, 2, 2, 1, 2500, 5, 5},  {1, 2, 2, 1, 31, 400, 400},
};

typedef struct loss_case {
  size_t P, K, T, B, H;
  sac_device_state* state;
  cuda_heads critic, target;
  float *log_prob, *reward, *discount, *weight, *log_alpha;
  sac_critic_loss_args args;
} loss_case;

static const double gamma_ = 0.99f, reward_scale = 3;
#define ALPHA_STRIDE 5

static float* log_alphas(cuda_case* c, size_t population) { return cuda_numbers(c, population * ALPHA_STRIDE, 2); }

static loss_case create(cuda_case* c, int i) {
  loss_case l = {.P = (size_t)losses[i].population,
                 .K = (size_t)losses[i].critics,
                 .T = (size_t)losses[i].targets,
                 .B = (size_t)losses[i].batch,
                 .H = (size_t)losses[i].width};
  l.state = cuda_states(c, losses[i].population);
  l.critic = cuda_heads_create(c, (int)(l.P * l.K), (int)l.B, losses[i].width);
  l.target = cuda_heads_create(c, (int)(l.P * l.T), (int)l.B, losses[i].target_width);
  l.log_prob = cuda_numbers(c, 2 * l.P * l.B, 8);
  l.reward = cuda_numbers(c, l.P * l.B, 10);
  l.discount = cuda_host(c, float, l.P* l.B);
  l.weight = cuda_host(c, float, l.P* l.B);
  l.log_alpha = log_alphas(c, l.P);
  for (size_t r = 0; r < l.P * l.B; r++) {
    l.discount[r] = r % 4 == 2 ? 0 : (float)gamma_;
    l.weight[r] = r % 5 == 1 ? 0.25f : 1;
    if (r % 9 == 5) l.reward[r] *= 1e4f;
  }
  for (size_t r = 7; r < 2 * l.P * l.B; r += 10) l.log_prob[r] *= 1e3f; /* saturated actions */
  return l;
}

static void put(cuda_case* c, loss_case* l, int soft) {
  cuda_heads_put(c, &l->critic);
  cuda_heads_put(c, &l->target);
  l->args = (sac_critic_loss_args){.state = cuda_put(c, l->state, l->P),
                                   .critic = l->critic.device,
                                   .target = l->target.device,
                                   .targets = (int32_t)l->T,
                                   .soft = soft,
                                   .log_prob = cuda_put(c, l->log_prob, 2 * l->P * l->B),
                                   .reward = cuda_put(c, l->reward, l->P * l->B),
                                   .discount = cuda_put(c, l->discount, l->P * l->B),
                                   .weight = cuda_put(c, l->weight, l->P * l->B),
                                   .log_alpha = cuda_put(c, l->log_alpha, l->P * ALPHA_STRIDE),
                                   .log_alpha_stride = ALPHA_STRIDE,
                                   .d_hidden = cuda_room(c, float, l->P * l->K * l->B * l->H),
                                   .d_q = cuda_room(c, float, l->P * l->K * l->B),
                                   .q = cuda_room(c, float, l->P * l->K * l->B),
                                   .y = cuda_room(c, float, l->P * l->B),
                                   .dims = {(int32_t)l->P, (int32_t)l->B, 3, 2, (int32_t)l->K},
                                   .reward_scale = (float)reward_scale};
  l->args.target.discard_hidden = l->B == 31; /* without this the targets' hidden rows stay unchanged */
  for (size_t p = 0; p < l->P; p++) {
    if (!l->state[p].alive) continue;
    cuda_heads_open(c, &l->critic, (int)(p * l->K), (int)l->K);
    if (!l->args.target.discard_hidden) cuda_heads_open(c, &l->target, (int)(p * l->T), (int)l->T);
    cuda_open(c, l->args.d_hidden + p * l->K * l->B * l->H, l->K * l->B * l->H);
    cuda_open(c, l->args.d_q + p * l->K * l->B, l->K * l->B);
    cuda_open(c, l->args.q + p * l->K * l->B, l->K * l->B);
    cuda_open(c, l->args.y + p * l->B, l->B);
  }
}

/* The gradients of one row: 1/B (q - y) for the head, and this times the head's weight where the unit is active. error:
 * of q and y together. */
static void check_way_back(const cuda_heads* h, int net, int r, double difference, double error, double d_q,
                           const float* d_hidden) {
  const double share = 1.0 / h->rows;
  const double d_q_error = share * (error + 3 * FLOAT_EPSILON * fabs(difference));
  cuda_near(d_q, share * difference, d_q_error);
  for (int j = 0; j < h->width; j++) {
    const double weight = cuda_heads_weight(h, net, j), on = cuda_heads_hidden(h, net, r, j) > 0;
    cuda_near(d_hidden[j], on * share * difference * weight,
              on * fabs(weight) * (d_q_error + FLOAT_EPSILON * share * fabs(difference)) + CUDA_TINY);
  }
}

START_TEST(loss) {
  /* one run of the kernel */
  cuda_case c = cuda_case_create((uint64_t)_i);
  loss_case l = create(&c, _i);
  const int soft = losses[_i].soft;
  put(&c, &l, soft);
  cuda_run(&c, sac_critic_loss(c.stream, &l.args));
  const float *got_q = cuda_result(&c, l.args.q), *got_y = cuda_result(&c, l.args.y);
  const float *d_q = cuda_result(&c, l.args.d_q), *d_hidden = cuda_result(&c, l.args.d_hidden);

  /* each row of each agent in double, with its bound on the rounding */
  for (size_t p = 0; p < l.P; p++) {
    if (!l.state[p].alive) continue;
    cuda_heads_check(&c, &l.critic, (int)(p * l.K), (int)l.K);
    if (!l.args.target.discard_hidden) cuda_heads_check(&c, &l.target, (int)(p * l.T), (int)l.T);
    const double alpha = exp((double)l.log_alpha[p * ALPHA_STRIDE]);
    for (size_t r = 0; r < l.B; r++) {
      const double log_prob = (double)l.log_prob[(2 * p + 1) * l.B + r], discount = (double)l.discount[p * l.B + r],
                   weight = (double)l.weight[p * l.B + r];

      /* the smallest target critic, less the entropy where there is one */
      double value = INFINITY, value_error = 0;
      for (size_t k = 0; k < l.T; k++) {
        double error;
        value = fmin(value, cuda_heads_output(&l.target, (int)(p * l.T + k), (int)r, &error));
        value_error = fmax(value_error, error);
      }
      if (soft) {
        value -= alpha * log_prob;
        value_error += 4 * FLOAT_EPSILON * fabs(alpha * log_prob) + FLOAT_EPSILON * fabs(value);
      }

      /* the target of the row */
      const double scaled = (double)l.reward[p * l.B + r] * reward_scale, next = discount * value;
      const double y = scaled + next;
      const double y_error = discount * value_error + FLOAT_EPSILON * (2 * fabs(scaled) + 3 * fabs(next) + fabs(y));
      cuda_near(got_y[p * l.B + r], y, y_error);

      /* each critic's output, and the gradient back into its hidden layer */
      for (size_t k = 0; k < l.K; k++) {
        const size_t net = p * l.K + k, at = net * l.B + r;
        double q_error;
        const double q = cuda_heads_output(&l.critic, (int)net, (int)r, &q_error);
        cuda_near(got_q[at], q, q_error);
        check_way_back(&l.critic, (int)net, (int)r, weight * (q - y), weight * (q_error + y_error), (double)d_q[at],
                       d_hidden + at * l.H);
      }
    }
  }
  cuda_case_free(&c);
}
END_TEST

/* A NaN in an input reaches everything that depends on it, and no other row. */
enum { IN_CRITIC, IN_TARGET, IN_REWARD, IN_LOG_PROB, IN_LOG_ALPHA, NAN_PLACES };
START_TEST(nan_is_not_hidden) {
  /* a NaN in one place */
  cuda_case c = cuda_case_create(5);
  loss_case l = create(&c, 1); /* two critics, 31 rows */
  const size_t row = 6;        /* a terminated one */
  ck_assert(l.discount[row] == 0);
  float* const place[NAN_PLACES] = {[IN_CRITIC] = l.critic.hidden + l.critic.device.hidden_stride + row * l.H + 3,
                                    [IN_TARGET] = l.target.hidden + l.target.device.hidden_stride + row * l.H + 30,
                                    [IN_REWARD] = l.reward + row,
                                    [IN_LOG_PROB] = l.log_prob + l.B + row,
                                    [IN_LOG_ALPHA] = l.log_alpha};
  *place[_i] = NAN;
  put(&c, &l, 1);
  cuda_run(&c, sac_critic_loss(c.stream, &l.args));
  const float *q = cuda_result(&c, l.args.q), *y = cuda_result(&c, l.args.y), *d_q = cuda_result(&c, l.args.d_q);
  const float* d_hidden = cuda_result(&c, l.args.d_hidden);

  /* it is where it must be, and nowhere else */
  for (size_t r = 0; r < l.B; r++) {
    const int here = r == row || _i == IN_LOG_ALPHA;
    ck_assert(cuda_nan(y[r]) == (here && _i != IN_CRITIC));
    for (size_t k = 0; k < 2; k++) {
      ck_assert(cuda_nan(q[k * l.B + r]) == (here && _i == IN_CRITIC && k == 1));
      ck_assert(cuda_nan(d_q[k * l.B + r]) == (here && (_i != IN_CRITIC || k == 1)));
      int found = 0;
      for (size_t j = 0; j < l.H; j++) found |= cuda_nan(d_hidden[(k * l.B + r) * l.H + j]);
      ck_assert(found == cuda_nan(d_q[k * l.B + r]));
    }
  }
  cuda_case_free(&c);
}
END_TEST

/* Without the entropy term, log pi and alpha are not read. */
START_TEST(plain_target_reads_no_entropy) {
  cuda_case c = cuda_case_create(6);
  loss_case l = create(&c, 4);
  for (size_t r = 0; r < 2 * l.P * l.B; r++) l.log_prob[r] = NAN;
  for (size_t i = 0; i < l.P * ALPHA_STRIDE; i++) l.log_alpha[i] = NAN;
  put(&c, &l, 0);
  cuda_run(&c, sac_critic_loss(c.stream, &l.args));
  const float* y = cuda_result(&c, l.args.y);
  for (size_t r = 0; r < l.B; r++) cuda_true(isfinite(y[r]));
  cuda_case_free(&c);
}
END_TEST

/* --- [sac-v] the value network ------------------------------------------------------------------------------------ */

static const struct {
  int population, batch, width;
} values[] = {{1, 1, 1}, {3, 31, 33}, {1, 257, 256}, {3, 257, 7}, {1, 3000, 20}, {1, 31, 400}};

START_TEST(value_loss) {
  /* the value network's head, and what its target is made of */
  const size_t P = (size_t)values[_i].population, B = (size_t)values[_i].batch, H = (size_t)values[_i].width;
  cuda_case c = cuda_case_create((uint64_t)_i);
  sac_device_state* state = cuda_states(&c, (int)P);
  cuda_heads value = cuda_heads_create(&c, (int)P, (int)B, (int)H);
  float *smallest = cuda_numbers(&c, P * B, 50), *log_prob = cuda_numbers(&c, 2 * P * B, 8);
  float* log_alpha = log_alphas(&c, P);

  /* a NaN in one row, for each input in turn: row 3 of the last agent */
  const int bad = B > 4;
  const size_t last = (P - 1) * B + 3;
  if (bad && _i % 2) smallest[last] = NAN;
  else if (bad) log_prob[2 * (P - 1) * B + 3] = NAN;
  cuda_heads_put(&c, &value);

  /* the kernel's arguments; it may write the outputs of agents that are not stopped */
  const sac_critic_value_loss_args args = {.state = cuda_put(&c, state, P),
                                           .value = value.device,
                                           .smallest = cuda_put(&c, smallest, P * B),
                                           .log_prob = cuda_put(&c, log_prob, 2 * P * B),
                                           .log_alpha = cuda_put(&c, log_alpha, P * ALPHA_STRIDE),
                                           .log_alpha_stride = ALPHA_STRIDE,
                                           .d_hidden = cuda_room(&c, float, P* B* H),
                                           .d_v = cuda_room(&c, float, P* B),
                                           .v = cuda_room(&c, float, P* B),
                                           .v_target = cuda_room(&c, float, P* B),
                                           .dims = {(int32_t)P, (int32_t)B, 3, 2, 2}};
  for (size_t p = 0; p < P; p++) {
    if (!state[p].alive) continue;
    cuda_heads_open(&c, &value, (int)p, 1);
    cuda_open(&c, args.d_hidden + p * B * H, B * H);
    cuda_open(&c, args.d_v + p * B, B);
    cuda_open(&c, args.v + p * B, B);
    cuda_open(&c, args.v_target + p * B, B);
  }

  /* one run */
  cuda_run(&c, sac_critic_value_loss(c.stream, &args));
  const float *got_v = cuda_result(&c, args.v), *got_target = cuda_result(&c, args.v_target);
  const float *d_v = cuda_result(&c, args.d_v), *d_hidden = cuda_result(&c, args.d_hidden);

  /* each row in double, with its bound on the rounding; the NaN is in its row alone */
  for (size_t p = 0; p < P; p++) {
    if (!state[p].alive) continue;
    cuda_heads_check(&c, &value, (int)p, 1);
    const double alpha = exp((double)log_alpha[p * ALPHA_STRIDE]);
    for (size_t r = 0; r < B; r++) {
      const size_t at = p * B + r;
      const double entropy = alpha * (double)log_prob[2 * p * B + r], target = (double)smallest[at] - entropy;
      const double target_error = FLOAT_EPSILON * (4 * fabs(entropy) + fabs(target));
      double v_error;
      const double v = cuda_heads_output(&value, (int)p, (int)r, &v_error);
      cuda_near(got_v[at], v, v_error);
      if (bad && at == last) {
        ck_assert(isnan(got_target[at]) && isnan(d_v[at]));
        continue;
      }
      cuda_near(got_target[at], target, target_error);
      check_way_back(&value, (int)p, (int)r, v - target, v_error + target_error, (double)d_v[at], d_hidden + at * H);
    }
  }
  cuda_case_free(&c);
}
END_TEST

CUDA_MAIN("critic.cu", LOOP(loss, COUNT(losses)), LOOP(nan_is_not_hidden, NAN_PLACES),
          CASE(plain_target_reads_no_entropy), LOOP(value_loss, COUNT(values)))
