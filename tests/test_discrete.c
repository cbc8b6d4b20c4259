#include "kernels/discrete.h"

#include "golden/formulas.h"
#include "support/formulas.h"

#define R ((double)SAC_REAL_EPSILON)
#define SMALLEST ((double)SAC_REAL_MIN * R) /* the smallest number above 0 */
#define N 5

static const double logits[N] = {0.5, -1, 0.25, 2, 0};

static void to_real(const double* from, real* to) {
  for (int a = 0; a < N; a++) to[a] = (real)from[a];
}

/* The rounding of sum_a p_a x_a, from log p and the size of x: exp multiplies the rounding of log p by log p. */
static double expectation_rounding(const double* log_p, const double* size) {
  double sum = 0;
  for (int a = 0; a < N; a++) sum += (8 * R * exp(log_p[a]) * (1 + fabs(log_p[a])) + SMALLEST) * size[a];
  return sum + SMALLEST;
}

START_TEST(boltzmann) {
  const real alpha = (real)golden_discrete[_i].alpha;
  const double* exact = golden_discrete[_i].log_p;
  real q[N], log_p[N], reference[N];
  to_real(golden_discrete[_i].q, q);
  to_real(logits, reference);

  /* every element has few roundings, however large Q/alpha is */
  ck_near_relative(sac_boltzmann_value(q, 1, N, alpha), golden_discrete[_i].value, 4 * R, 4 * R * alpha);
  sac_log_softmax(q, 1, N, 1 / alpha, log_p);
  ck_near_array(log_p, exact, N, 6 * R, SMALLEST);

  /* so have the sums over actions, also where the policy is nearly deterministic */
  double size[N];
  for (int a = 0; a < N; a++) size[a] = fabs(exact[a]);
  ck_near(sac_entropy(log_p, 1, N), golden_discrete[_i].entropy, expectation_rounding(exact, size));
  sac_log_softmax(reference, 1, N, 1, reference);
  ck_near_relative(sac_kl(reference, log_p, 1, N), golden_discrete[_i].kl, 8 * R, 32 * R);
}
END_TEST

START_TEST(boltzmann_of_four_actions) {
  const real q[] = {(real)-0.8366, (real)0.2022, (real)-0.3334, (real)1.3292};
  const double expected[] = {0.0704, 0.1990, 0.1165, 0.6141};
  real log_p[4];
  double sum = 0;
  sac_log_softmax(q, 1, 4, 1, log_p);
  for (int a = 0; a < 4; a++) {
    ck_near(SAC_M(exp)(log_p[a]), expected[a], 5e-5); /* four digits */
    sum += (double)SAC_M(exp)(log_p[a]);
  }
  ck_near(sum, 1, 4 * R);
}
END_TEST

START_TEST(the_logarithm_of_a_probability_does_not_underflow) {
  const real x[] = {0, -99};
  real log_p[2];
  sac_log_softmax(x, 1, 2, 1, log_p);
  ck_assert(log_p[1] == -99);
  ck_near((float)exp((double)log_p[1]), 1.0089e-43, 2e-45); /* few digits: it is a denormal float */
  ck_near_relative((double)log_p[0], -1.0112214926104486e-43, 4 * R, 2 * SMALLEST);
  ck_near_relative(sac_entropy(log_p, 1, 2), 100 * 1.0112214926104486e-43, 4 * R, 200 * SMALLEST);
}
END_TEST

START_TEST(actor_of_sac_discrete) {
  const real alpha = (real)golden_discrete_actor[_i].alpha;
  const double *q_exact = golden_discrete_actor[_i].q, *x = golden_discrete_actor[_i].logits;
  real q[N], log_p[N], gradient[N];
  to_real(q_exact, q);
  to_real(x, log_p);
  sac_log_softmax(log_p, 1, N, 1, log_p);

  /* the sizes of the terms of J_pi, and those relative to the most probable action */
  double exact[N], size[N], below[N];
  int best = 0;
  for (int a = 0; a < N; a++) best = x[a] > x[best] ? a : best;
  for (int a = 0; a < N; a++) {
    exact[a] = (double)log_p[a];
    size[a] = fabs(q_exact[a]) + (double)alpha * fabs(exact[a]);
    below[a] = fabs(q_exact[a] - q_exact[best]) + (double)alpha * (x[best] - x[a]);
  }
  ck_near(-(double)sac_discrete_value(log_p, q, 1, N, alpha), golden_discrete_actor[_i].loss,
          expectation_rounding(exact, size));

  /* no component loses its digits, also where the policy is nearly deterministic */
  const double loss_rounding = expectation_rounding(exact, below);
  sac_discrete_actor_grad(log_p, q, 1, N, alpha, gradient);
  for (int a = 0; a < N; a++) {
    ck_near(gradient[a], golden_discrete_actor[_i].gradient[a],
            (exp(exact[a]) * (1 + fabs(exact[a])) + SMALLEST / R) * (8 * R * below[a] + 2 * loss_rounding) + SMALLEST);
  }
}
END_TEST

START_TEST(rows_with_infinities_and_nan) {
  const real inf = (real)INFINITY;
  const real none[] = {-inf, -inf}, one[] = {-inf, 3, -inf}, all[] = {1, inf, 2}, bad[] = {1, not_a_number, inf};
  ck_assert(sac_log_sum_exp(none, 1, 2, 1) == -inf);
  ck_assert(sac_log_sum_exp(one, 1, 3, 1) == 3);
  ck_assert(sac_log_sum_exp(all, 1, 3, 1) == inf);
  ck_assert(sac_is_nan(sac_log_sum_exp(bad, 1, 3, 1)) && sac_is_nan(sac_row_max(bad, 1, 3)));
  real log_p[3];
  sac_log_softmax(one, 1, 3, 1, log_p); /* masked actions: probability 0, entropy 0, and no NaN */
  ck_assert(log_p[0] == -inf && log_p[1] == 0 && log_p[2] == -inf);
  ck_assert(sac_entropy(log_p, 1, 3) == 0 && sac_kl(log_p, log_p, 1, 3) == 0);
  const real q[] = {5, 6, 7};
  ck_assert(sac_discrete_value(log_p, q, 1, 3, 1) == 6);
  const real q_bad[] = {not_a_number, 6, 7};
  ck_assert(sac_is_nan(sac_discrete_value(log_p, q_bad, 1, 3, 1)));
  ck_assert(sac_is_nan(sac_entropy(bad, 1, 3)) && sac_is_nan(sac_kl(bad, log_p, 1, 3)));
}
END_TEST

START_TEST(a_row_may_be_strided) {
  real wide[3 * N], dense[N], log_wide[3 * N], log_dense[N];
  for (int i = 0; i < 3 * N; i++) wide[i] = (real)(i * i % 11);
  for (int a = 0; a < N; a++) dense[a] = wide[3 * a];
  ck_assert(sac_log_sum_exp(wide, 3, N, (real)0.7) == sac_log_sum_exp(dense, 1, N, (real)0.7));
  sac_log_softmax(wide, 3, N, 2, log_wide);
  sac_log_softmax(dense, 1, N, 2, log_dense);
  for (int a = 0; a < N; a++) ck_assert(log_wide[3 * a] == log_dense[a]);
  ck_assert(sac_entropy(log_wide, 3, N) == sac_entropy(log_dense, 1, N));
  ck_assert_int_eq(sac_greedy(wide, 3, N), sac_greedy(dense, 1, N));
}
END_TEST

START_TEST(entropy_of_even_odds_is_the_target_at_share_1) {
  for (int actions = 1; actions < 40; actions++) {
    real log_p[40] = {0};
    sac_log_softmax(log_p, 1, actions, 1, log_p);
    ck_near(sac_entropy(log_p, 1, actions), sac_discrete_target_entropy(actions, 1), 8 * R * (1 + log(actions)));
  }
  ck_near_relative(sac_discrete_target_entropy(2, (real)0.98), 0.98 * log(2), 3 * R, 0);
}
END_TEST

START_TEST(categorical) {
  const double p[] = {0.1, 0, 0.4, 0.5, 0};
  real log_p[N];
  int drawn[N] = {0};
  for (int a = 0; a < N; a++) log_p[a] = (real)log(p[a]);
  for (int i = 0; i < 1000; i++) drawn[sac_categorical(log_p, 1, N, (real)((i + 0.5) / 1000))]++;
  for (int a = 0; a < N; a++) ck_assert_int_eq(drawn[a], (int)lround(1000 * p[a]));
  ck_assert_int_eq(sac_categorical(log_p, 1, N, 1 - SAC_REAL_EPSILON / 2), 3); /* never an action with probability 0 */
  const real short_sum[] = {(real)log(0.5), (real)log(0.4), (real)-INFINITY};
  ck_assert_int_eq(sac_categorical(short_sum, 1, 3, (real)0.95), 1);
}
END_TEST

START_TEST(greedy) {
  const real x[] = {1, 3, 2, 3, -1};
  ck_assert_int_eq(sac_greedy(x, 1, N), 1);
  ck_assert_int_eq(sac_greedy(x, 1, 1), 0);
}
END_TEST

#ifdef SAC_REAL_DOUBLE
static double loss_of(const double* x, const double* q, double alpha) {
  double log_p[N];
  sac_log_softmax(x, 1, N, 1, log_p);
  return -sac_discrete_value(log_p, q, 1, N, alpha);
}

START_TEST(gradient_is_the_central_difference) {
  const double q[N] = {3, -1, 0.5, 2, 2.25};
  for (int i = -4; i <= 2; i++) {
    const double alpha = pow(3, i);
    double x[N], log_p[N], gradient[N];
    to_real(logits, x);
    sac_log_softmax(x, 1, N, 1, log_p);
    sac_discrete_actor_grad(log_p, q, 1, N, alpha, gradient);
    for (int a = 0; a < N; a++) {
      double by_logit;
      central_difference(x[a], loss_of(x, q, alpha), by_logit);
      ck_near_relative(gradient[a], by_logit, DIFFERENCE_REL, DIFFERENCE_ABS);
    }
  }
}
END_TEST

/* The Boltzmann policy has the value alpha log Z, and no other policy has more: soft policy improvement. */
START_TEST(boltzmann_is_the_best_policy) {
  const double q[N] = {3, -1, 0.5, 2, 2.25};
  double log_p[N], gradient[N];
  sac_log_softmax(q, 1, N, 1 / 0.7, log_p);
  ck_near_relative(sac_discrete_value(log_p, q, 1, N, 0.7), sac_boltzmann_value(q, 1, N, 0.7), 8 * R, 0);
  sac_discrete_actor_grad(log_p, q, 1, N, 0.7, gradient);
  for (int a = 0; a < N; a++) ck_near(gradient[a], 0, 16 * R);
  ck_assert(-loss_of(logits, q, 0.7) < sac_boltzmann_value(q, 1, N, 0.7));
}
END_TEST
#define MORE , CASE(gradient_is_the_central_difference), CASE(boltzmann_is_the_best_policy)
#else
#define MORE
#endif

CHECK_MAIN(SUITE("discrete"), LOOP(boltzmann, COUNT(golden_discrete)),
           LOOP(actor_of_sac_discrete, COUNT(golden_discrete_actor)), CASE(rows_with_infinities_and_nan),
           CASE(boltzmann_of_four_actions), CASE(the_logarithm_of_a_probability_does_not_underflow),
           CASE(a_row_may_be_strided), CASE(entropy_of_even_odds_is_the_target_at_share_1), CASE(categorical),
           CASE(greedy) MORE)
