/* Soft value iteration on a small MDP with the formulas of kernels/discrete.h, compared with theory: its fixed point is
 * the value of its own Boltzmann policy (a linear system, solved exactly), no policy has a larger value, and any other
 * policy loses the discounted sum of KL to exp(Q/alpha)/Z along its path. */
#define SAC_REAL_DOUBLE
#include "kernels/discrete.h"

#include "support/check_main.h"
#include "support/tolerances.h"

enum { S = 5, A = 3 };
static const double discount = 0.9;

typedef struct {
  double reward[S][A];
  double next[S][A][S]; /* rows sum to 1 */
} mdp;

static uint64_t dice;
static double uniform(void) {
  dice = dice * 6364136223846793005u + 1442695040888963407u;
  return (double)(dice >> 11) * 0x1p-53;
}

static mdp make_mdp(uint64_t seed) {
  mdp m;
  dice = seed;
  for (int s = 0; s < S; s++)
    for (int a = 0; a < A; a++) {
      double sum = 0;
      m.reward[s][a] = 4 * uniform() - 2;
      for (int n = 0; n < S; n++) sum += m.next[s][a][n] = uniform() < 0.5 ? 0.01 : uniform();
      for (int n = 0; n < S; n++) m.next[s][a][n] /= sum;
    }
  return m;
}

static double backup(const mdp* m, int s, int a, const double v[S]) {
  double sum = m->reward[s][a];
  for (int n = 0; n < S; n++) sum += discount * m->next[s][a][n] * v[n];
  return sum;
}

static void soft_value_iteration(const mdp* m, double alpha, double v[S], double q[S][A]) {
  for (int s = 0; s < S; s++) v[s] = 0;
  for (int i = 0; i < 500; i++) { /* 0.9^500 is 1e-23 */
    for (int s = 0; s < S; s++)
      for (int a = 0; a < A; a++) q[s][a] = backup(m, s, a, v);
    for (int s = 0; s < S; s++) v[s] = sac_boltzmann_value(q[s], 1, A, alpha);
  }
}

/* The soft value of a policy: (I - discount P_pi) v = r_pi + bonus, by elimination. */
static void solve(const mdp* m, const double log_p[S][A], const double bonus[S], double v[S]) {
  double x[S][S + 1];
  for (int s = 0; s < S; s++) {
    x[s][S] = bonus[s];
    for (int n = 0; n < S; n++) x[s][n] = s == n;
    for (int a = 0; a < A; a++) {
      const double p = exp(log_p[s][a]);
      x[s][S] += p * m->reward[s][a];
      for (int n = 0; n < S; n++) x[s][n] -= discount * p * m->next[s][a][n];
    }
  }
  for (int i = 0; i < S; i++) /* diagonally dominant: no pivoting */
    for (int r = 0; r < S; r++) {
      if (r == i) continue;
      const double factor = x[r][i] / x[i][i];
      for (int c = i; c <= S; c++) x[r][c] -= factor * x[i][c];
    }
  for (int s = 0; s < S; s++) v[s] = x[s][S] / x[s][s];
}

static void policy_value(const mdp* m, const double log_p[S][A], double alpha, double v[S]) {
  double bonus[S];
  for (int s = 0; s < S; s++) bonus[s] = alpha * sac_entropy(log_p[s], 1, A);
  solve(m, log_p, bonus, v);
}

static const double alphas[] = {1e-3, 0.05, 0.3, 1, 20};
#define ALPHAS (sizeof alphas / sizeof *alphas)

START_TEST(fixed_point_is_the_boltzmann_policys_value) {
  const double alpha = alphas[_i];
  const mdp m = make_mdp((uint64_t)_i + 7);
  double v[S], q[S][A], log_p[S][A], exact[S];
  soft_value_iteration(&m, alpha, v, q);
  for (int s = 0; s < S; s++) sac_log_softmax(q[s], 1, A, 1 / alpha, log_p[s]);
  policy_value(&m, log_p, alpha, exact);
  for (int s = 0; s < S; s++) {
    ck_near(v[s], exact[s], SOFT_VALUE_REL * (1 + fabs(exact[s])));
    /* at its optimum the actor's loss J_pi is minus the soft value, in each state */
    ck_near(sac_discrete_value(log_p[s], q[s], 1, A, alpha), v[s], SOFT_VALUE_REL * (1 + fabs(v[s])));
  }
}
END_TEST

START_TEST(no_policy_has_more) {
  /* the optimum, and its policy */
  const double alpha = alphas[_i];
  const mdp m = make_mdp((uint64_t)_i + 7);
  double v[S], q[S][A], best[S][A];
  soft_value_iteration(&m, alpha, v, q);
  for (int s = 0; s < S; s++) sac_log_softmax(q[s], 1, A, 1 / alpha, best[s]);

  /* random policies, and how far each is from the best in every state */
  for (int trial = 0; trial < 20; trial++) {
    double log_p[S][A], value[S], shortfall[S], gathered[S];
    mdp silent = m;
    for (int s = 0; s < S; s++) {
      double logits[A];
      for (int a = 0; a < A; a++) logits[a] = 6 * uniform() - 3;
      sac_log_softmax(logits, 1, A, 1, log_p[s]);
      shortfall[s] = alpha * sac_kl(log_p[s], best[s], 1, A);
      for (int a = 0; a < A; a++) silent.reward[s][a] = 0;
    }

    /* the policy's value is below the best one by that distance, summed along its path */
    policy_value(&m, log_p, alpha, value);
    solve(&silent, log_p, shortfall, gathered); /* the discounted sum of alpha KL along the path of the policy */
    for (int s = 0; s < S; s++) {
      ck_assert(value[s] < v[s]);
      ck_near(v[s] - value[s], gathered[s], SOFT_VALUE_REL * (1 + fabs(v[s])));
    }
  }
}
END_TEST

/* alpha to 0: the optimum without entropy; alpha to infinity: the return of the uniform policy and entropy log A. */
START_TEST(limits) {
  const mdp m = make_mdp(3);
  double v[S], q[S][A], hard[S] = {0};
  soft_value_iteration(&m, 1e-9, v, q);
  for (int i = 0; i < 500; i++) {
    double next[S];
    for (int s = 0; s < S; s++) {
      next[s] = -INFINITY;
      for (int a = 0; a < A; a++) next[s] = fmax(next[s], backup(&m, s, a, hard));
    }
    memcpy(hard, next, sizeof hard);
  }
  for (int s = 0; s < S; s++) ck_near(v[s], hard[s], SOFT_COLD_ABS);
  const double hot = 1e6;
  double log_p[S][A];
  soft_value_iteration(&m, hot, v, q);
  for (int s = 0; s < S; s++) {
    sac_log_softmax(q[s], 1, A, 1 / hot, log_p[s]);
    ck_near(sac_entropy(log_p[s], 1, A), log(A), SOFT_HOT_ENTROPY_ABS);
    ck_near(v[s] / hot, log(A) / (1 - discount), SOFT_HOT_VALUE_ABS);
  }
}
END_TEST

CHECK_MAIN("soft values", LOOP(fixed_point_is_the_boltzmann_policys_value, ALPHAS), LOOP(no_policy_has_more, ALPHAS),
           CASE(limits))
