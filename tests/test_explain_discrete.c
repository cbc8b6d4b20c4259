/* What sac explain says about discrete actions: numbers computed elsewhere, and what must hold for any. */
#include "agent/explain_discrete.h"

#include <math.h>

#include "support/check_main.h"

enum { A = 4 };
static double q[A], boltzmann[A], pi[A];
static sac_explained_discrete d;

START_TEST(a_known_distribution) {
  static const double value[A] = {-0.8366, 0.2022, -0.3334, 1.3292}, expected[A] = {0.0704, 0.1990, 0.1165, 0.6141};
  double sum = 0, z = 0;
  sac_explain_discrete(value, 1, A, 0, 1, NULL, q, boltzmann, pi, &d);
  for (int a = 0; a < A; a++) {
    ck_near(boltzmann[a], expected[a], 5e-5);
    ck_assert(pi[a] == boltzmann[a] && q[a] == value[a]);
    sum += boltzmann[a];
    z += exp(value[a]);
  }
  ck_near(sum, 1, 1e-15);
  ck_near(d.log_z, log(z), 1e-15);
  ck_near(d.v, log(z), 1e-15);
  ck_assert(d.kl == 0);
}
END_TEST

START_TEST(joins_and_scales) {
  /* the critics' minimum is (1, -2), their mean (2, 0) */
  static const double value[2 * 2] = {1, 2, 3, -2}, logits[2] = {0, 1.0986122886681098} /* log 3 */;
  sac_explain_discrete(value, 2, 2, 0, 0.5, logits, q, boltzmann, pi, &d);
  ck_assert(q[0] == 1 && q[1] == -2);
  ck_near(boltzmann[0], 1 / (1 + exp(-6)), 1e-15);
  ck_near(pi[1], 0.75, 1e-15);
  ck_near(d.log_z, 2 + log1p(exp(-6)), 1e-15);
  ck_near(d.entropy, -0.25 * log(0.25) - 0.75 * log(0.75), 1e-15);
  ck_near(d.v, 0.25 * 1 - 0.75 * 2 + 0.5 * d.entropy, 1e-15);
  ck_near(d.kl, d.log_z - d.v / 0.5, 1e-14);
  sac_explain_discrete(value, 2, 2, 1, 0.5, logits, q, boltzmann, pi, &d);
  ck_assert(q[0] == 2 && q[1] == 0);
}
END_TEST

START_TEST(extreme_values) {
  /* nothing overflows or cancels, and what has no probability adds nothing */
  static const double value[2] = {1e4, -1e4}, logits[2] = {-99, 0};
  sac_explain_discrete(value, 1, 2, 0, 1e-4, NULL, q, boltzmann, pi, &d);
  ck_assert(d.log_z == 1e8 && d.v == 1e4 && d.entropy == 0 && d.kl == 0 && pi[0] == 1 && pi[1] == 0);
  sac_explain_discrete(value, 1, 2, 0, 1e4, logits, q, boltzmann, pi, &d);
  ck_near(pi[0] / exp(-99), 1, 1e-12);
  ck_assert(isfinite(d.kl) && d.kl > 0);

  /* a NaN is not hidden */
  static const double bad[2] = {NAN, 0};
  sac_explain_discrete(bad, 1, 2, 0, 1, NULL, q, boltzmann, pi, &d);
  ck_assert(isnan(d.log_z) && isnan(d.v));
}
END_TEST

CHECK_MAIN("explain_discrete", CASE(a_known_distribution), CASE(joins_and_scales), CASE(extreme_values))
