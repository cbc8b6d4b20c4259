/* The functions of rows of discrete actions in double: sums over all actions, from the formulas of the papers (arXiv
 * 1702.08165, equations 4 to 6; arXiv 1910.07207, equations 10 to 12). exp(q/alpha) stands as it is, with the range of
 * a long double: nothing is subtracted before. */
#ifndef TESTS_SUPPORT_OPS_DISCRETE_H
#define TESTS_SUPPORT_OPS_DISCRETE_H

#include "support/ops_state.h"

#define OPS_ACTIONS_MAX 128

/* q(s, .) of row b: of the critics of `nets` at the place of op, their minimum or mean, action by action. */
static inline void ops_join(ops_state* s, const sac_op* op, sac_group nets, int32_t b, double* q) {
  const sac_op of = {.nets = nets, .at = op->at};
  ck_assert_int_le(s->actions, OPS_ACTIONS_MAX);
  for (int32_t a = 0; a < s->actions; a++) {
    int32_t smallest = 0;
    double sum = 0;
    for (int32_t k = 0; k < s->K; k++) {
      const double value = ops_output(s, &of, k)[b * s->actions + a];
      if (value < ops_output(s, &of, smallest)[b * s->actions + a]) smallest = k;
      sum += value / s->K;
    }
    const int mean = s->agent->settings.critics_join == SAC_JOIN_MEAN;
    if (!mean) ops_corner(s, smallest);
    q[a] = mean ? sum : ops_output(s, &of, smallest)[b * s->actions + a];
  }
}

/* log sum_a exp(x_a / by) */
static inline double ops_log_z(const ops_state* s, const double* x, double by) {
  long double z = 0;
  for (int32_t a = 0; a < s->actions; a++) z += expl((long double)x[a] / (long double)by);
  return (double)logl(z);
}

/* V = sum_a p_a (q_a - alpha log p_a), p the softmax of the logits */
static inline double ops_value_of(const ops_state* s, const double* logits, const double* q) {
  const double log_z = ops_log_z(s, logits, 1);
  double value = 0;
  for (int32_t a = 0; a < s->actions; a++) {
    const double log_p = logits[a] - log_z;
    value += exp(log_p) * (q[a] - s->alpha * log_p);
  }
  return value;
}

static void ops_boltzmann_target(ops_state* s, const sac_op* op) {
  double q[OPS_ACTIONS_MAX];
  for (int32_t b = 0; b < s->B; b++) {
    ops_join(s, op, op->nets, b, q);
    ops_target(s, b, s->alpha * ops_log_z(s, q, s->alpha));
  }
}

static void ops_softmax_target(ops_state* s, const sac_op* op) {
  const sac_op actor = {.nets = SAC_ACTOR, .at = op->at};
  double q[OPS_ACTIONS_MAX];
  for (int32_t b = 0; b < s->B; b++) {
    ops_join(s, op, op->nets, b, q);
    ops_target(s, b, ops_value_of(s, ops_output(s, &actor, 0) + b * s->actions, q));
  }
}

/* J_Q = sum_k mean 1/2 (Q_k(s, a) - y)^2, a the action of the replay; no other action has a gradient */
static void ops_chosen_loss(ops_state* s, const sac_op* op) {
  s->loss[op->nets] = 0;
  for (int32_t k = 0; k < s->K; k++)
    for (int32_t b = 0; b < s->B; b++) {
      const double error = *ops_chosen(s, op, k, b) - s->y[b];
      for (int32_t a = 0; a < s->actions; a++)
        ops_d_output(s, op, k)[b * s->actions + a] = a == (int32_t)s->action[SAC_CURRENT][b] ? error / s->B : 0;
      s->loss[op->nets] += 0.5 * error * error / s->B;
    }
}

/* What the update says of the policy p at row b: sum p log p, sum p q, log Z of q/alpha, KL(p || exp(q/alpha)/Z). */
static inline void ops_describe(ops_state* s, int32_t b, const double* log_p, const double* q) {
  s->log_prob[SAC_POLICY][b] = s->smallest[b] = s->kl[b] = 0;
  s->log_z[b] = ops_log_z(s, q, s->alpha);
  for (int32_t a = 0; a < s->actions; a++) {
    const double p = exp(log_p[a]);
    s->log_prob[SAC_POLICY][b] += p * log_p[a];
    s->smallest[b] += p * q[a];
    s->kl[b] += p * (log_p[a] - (q[a] / s->alpha - s->log_z[b]));
    s->exponent = check_larger(s->exponent, fabs(q[a] / s->alpha));
    s->impossible += p < 0x1p-150;
  }
}

/* p = exp(q/alpha)/Z */
static void ops_boltzmann(ops_state* s, const sac_op* op) {
  double q[OPS_ACTIONS_MAX], log_p[OPS_ACTIONS_MAX] = {0};
  for (int32_t b = 0; b < s->B; b++) {
    ops_join(s, op, op->nets, b, q);
    for (int32_t a = 0; a < s->actions; a++) log_p[a] = q[a] / s->alpha - ops_log_z(s, q, s->alpha);
    ops_describe(s, b, log_p, q);
  }
}

/* J_pi = mean f, f = sum_c p_c g_c, g_c = alpha log p_c - q_c. dp_c/dx_a = p_c ([a = c] - p_a), and sum_c p_c times
 * dg_c/dp_c = alpha/p_c is constant: df/dx_a = sum_c g_c dp_c/dx_a. */
static void ops_softmax_grad(ops_state* s, const sac_op* op) {
  double q[OPS_ACTIONS_MAX], log_p[OPS_ACTIONS_MAX] = {0};
  s->loss[op->nets] = 0;
  for (int32_t b = 0; b < s->B; b++) {
    const double* logits = ops_output(s, op, 0) + b * s->actions;
    const double log_z = ops_log_z(s, logits, 1);
    ops_join(s, op, SAC_CRITIC, b, q);
    for (int32_t a = 0; a < s->actions; a++) log_p[a] = logits[a] - log_z;
    ops_describe(s, b, log_p, q);
    s->loss[op->nets] -= ops_value_of(s, logits, q) / s->B;
    for (int32_t a = 0; a < s->actions; a++) {
      double slope = 0;
      for (int32_t c = 0; c < s->actions; c++)
        slope += (s->alpha * log_p[c] - q[c]) * exp(log_p[c]) * ((a == c) - exp(log_p[a]));
      ops_d_output(s, op, 0)[b * s->actions + a] = slope / s->B;
    }
  }
}

#endif
