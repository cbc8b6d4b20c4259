#include "kernels/layers.h"

#include "support/formulas.h"

#define R ((double)SAC_REAL_EPSILON)

START_TEST(initial_bound) {
  ck_assert(sac_linear_bound(1) == 1 && sac_linear_bound(4) == (real)0.5 && sac_linear_bound(256) == (real)0.0625);
  ck_near_relative(sac_linear_bound(17), 1 / sqrt(17), R, 0);
}
END_TEST

START_TEST(relu_and_its_gradient) {
  ck_assert(sac_relu(3) == 3 && sac_relu(-3) == 0 && sac_relu(0) == 0 && sac_relu((real)-0.0) == 0);
  ck_assert(sac_relu((real)INFINITY) == (real)INFINITY && sac_relu((real)-INFINITY) == 0);
  ck_assert(sac_relu_grad(sac_relu(3), 7) == 7 && sac_relu_grad(sac_relu(-3), 7) == 0);
  ck_assert(sac_relu_grad(sac_relu(0), 7) == 0 && sac_relu_grad(sac_relu((real)-0.0), 7) == 0); /* as PyTorch */
  ck_assert(sac_relu_grad(sac_relu(SAC_REAL_MIN), 7) == 7);
}
END_TEST

START_TEST(nan_is_not_hidden) {
  ck_assert(sac_is_nan(sac_relu(not_a_number)));
  ck_assert(sac_is_nan(sac_relu_grad(1, not_a_number)));
  ck_assert(sac_relu_grad(not_a_number, 7) == 7);
  ck_assert(sac_is_nan(sac_obs_normalize(not_a_number, 0, 1)) && sac_is_nan(sac_obs_normalize(0, not_a_number, 1)));
  ck_assert(sac_is_nan(sac_obs_normalize(0, 0, not_a_number)));
  const sac_moments moments = sac_moments_push((sac_moments){3, 1, 1}, NAN);
  ck_assert(moments.mean != moments.mean && moments.var != moments.var);
}
END_TEST

START_TEST(normalisation) {
  ck_near_relative(sac_obs_normalize(5, 3, 4), 1, NORMALIZED_REL, 2 * R);
  ck_assert(sac_obs_normalize(1000, 0, 1) == 10 && sac_obs_normalize(-1000, 0, 1) == -10);
  ck_assert(sac_obs_normalize(3, 3, 0) == 0); /* a constant observation */
  ck_near_relative(sac_obs_normalize((real)2.0001, 2, 0), 1, NORMALIZED_CONSTANT_REL, 0);
}
END_TEST

/* Values whose mean is a million times their spread: the sum of squares would lose all digits. */
static double sample(int i) { return 1e6 + sin(0.7 * i) + 0.1 * (i % 5); }

static sac_moments two_passes(int from, int to) {
  sac_moments moments = {to - from, 0, 0};
  for (int i = from; i < to; i++) moments.mean += (sample(i) - 1e6) / moments.count;
  for (int i = from; i < to; i++) moments.var += pow(sample(i) - 1e6 - moments.mean, 2) / moments.count;
  moments.mean += 1e6;
  return moments;
}

START_TEST(running_moments) {
  sac_moments pushed = {0, 0, 0};
  for (int i = 0; i < 5000; i++) {
    pushed = sac_moments_push(pushed, sample(i));
    if (i == 0) ck_assert(pushed.mean == sample(0) && pushed.var == 0);
  }
  const sac_moments truth = two_passes(0, 5000);
  ck_assert(pushed.count == 5000);
  ck_near_relative(pushed.mean, truth.mean, RUNNING_MEAN_REL, 0);
  ck_near_relative(pushed.var, truth.var, RUNNING_VAR_REL, 0);
}
END_TEST

START_TEST(merged_moments) {
  const sac_moments truth = two_passes(0, 5000), none = {0, 0, 0};
  for (int cut = 0; cut <= 5000; cut += 625) {
    const sac_moments left = cut ? two_passes(0, cut) : none, right = cut < 5000 ? two_passes(cut, 5000) : none;
    const sac_moments merged = sac_moments_merge(left, right);
    ck_assert(merged.count == 5000);
    ck_near_relative(merged.mean, truth.mean, RUNNING_MEAN_REL, 0);
    ck_near_relative(merged.var, truth.var, RUNNING_VAR_REL, 0);
  }
  const sac_moments empty = sac_moments_merge(none, none);
  ck_assert(empty.count == 0 && empty.mean == 0 && empty.var == 0);
}
END_TEST

CHECK_MAIN(SUITE("layers"), CASE(initial_bound), CASE(relu_and_its_gradient), CASE(nan_is_not_hidden),
           CASE(normalisation), CASE(running_moments), CASE(merged_moments))
