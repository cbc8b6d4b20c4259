#include "kernels/adam.h"

#include "golden/formulas.h"
#include "support/formulas.h"

#define R ((double)SAC_REAL_EPSILON)

START_TEST(one_step) {
  const double weight = golden_adam[_i].weight, gradient = golden_adam[_i].gradient;
  const sac_adam_step step = sac_adam_begin((uint64_t)golden_adam[_i].t, 3e-4, golden_adam[_i].beta1,
                                            golden_adam[_i].beta2, golden_adam[_i].eps);
  real m = (real)golden_adam[_i].m, v = (real)golden_adam[_i].v;
  const real new_weight = sac_adam(step, (real)weight, (real)gradient, &m, &v);
  /* m is a weighted sum of two terms that may cancel. Its error is relative to these terms, and so is that of the step.
   */
  const double m_error = 2 * R * (fabs(golden_adam[_i].m) + fabs(gradient));
  ck_near(m, golden_adam[_i].new_m, m_error);
  ck_near_relative(v, golden_adam[_i].new_v, 3 * R, (double)SAC_REAL_MIN);
  const double move = golden_adam[_i].move;
  const double move_error = 8 * R * fabs(move) + (move == 0 ? 0 : fabs(move) * m_error / fabs(golden_adam[_i].new_m));
  ck_near(new_weight, golden_adam[_i].new_weight, R * fabs(golden_adam[_i].new_weight) + move_error);
}
END_TEST

/* 2000 steps against the algorithm in the paper (m hat, v hat), in long double. */
START_TEST(many_steps) {
  real weight = 1, m = 0, v = 0;
  long double w = 1, first = 0, second = 0;
  for (unsigned t = 1; t <= 2000; t++) {
    const real gradient = (real)(sin(0.1 * t) + 0.05 * (t % 7));
    weight = sac_adam(sac_adam_begin(t, 3e-4, 0.9, 0.999, 1e-8), weight, gradient, &m, &v);
    first = 0.9L * first + 0.1L * gradient;
    second = 0.999L * second + 0.001L * gradient * gradient;
    const long double m_hat = first / (1 - powl(0.9L, t)), v_hat = second / (1 - powl(0.999L, t));
    w -= 3e-4L * m_hat / (sqrtl(v_hat) + 1e-8L);
    /* A step rounds the weight by half an ulp of 1. The rounding errors of the moments add a few ulp to each step. */
    ck_near(weight, (double)w, R * (1 + 0.5 * t));
  }
}
END_TEST

START_TEST(first_step_is_the_learning_rate) {
  const real gradients[] = {(real)1e-3, -2, (real)-1e4, (real)5e5};
  for (size_t i = 0; i < COUNT(gradients); i++) {
    real m = 0, v = 0;
    const real weight = sac_adam(sac_adam_begin(1, 0.25, 0.9, 0.999, 1e-8), 0, gradients[i], &m, &v);
    ck_near_relative(weight, gradients[i] > 0 ? -0.25 : 0.25, 8 * R, 0.25 * 1e-8 / fabs((double)gradients[i]));
  }
}
END_TEST

START_TEST(no_gradient_no_move) {
  real m = 0, v = 0;
  for (uint64_t t = 1; t < 100; t++)
    ck_assert(sac_adam(sac_adam_begin(t, 1, 0.9, 0.999, 1e-8), (real)0.7, 0, &m, &v) == (real)0.7);
  ck_assert(m == 0 && v == 0);
}
END_TEST

/* At the largest possible t the bias corrections are 1, and nothing overflows. */
START_TEST(corrections_fade) {
  const sac_adam_step late = sac_adam_begin(UINT64_MAX, 3e-4, 0.9, 0.999, 1e-8);
  ck_assert(late.step_size == (real)3e-4 && late.root_scale == 1);
  const sac_adam_step first = sac_adam_begin(1, 3e-4, 0.9, 0.999, 1e-8);
  ck_near_relative(first.step_size, 3e-3, 2 * R, 0);
  ck_near_relative(first.root_scale, sqrt(1000), 2 * R, 0);
}
END_TEST

START_TEST(nan_is_not_hidden) {
  const sac_adam_step step = sac_adam_begin(3, 3e-4, 0.9, 0.999, 1e-8);
  for (int input = 0; input < 4; input++) {
    real x[4] = {1, (real)0.1, (real)0.2, (real)0.3};
    x[input] = not_a_number;
    ck_assert(sac_is_nan(sac_adam(step, x[0], x[1], &x[2], &x[3])));
    if (input == 1) ck_assert(sac_is_nan(x[2]) && sac_is_nan(x[3]));
  }
}
END_TEST

CHECK_MAIN(SUITE("adam"), LOOP(one_step, COUNT(golden_adam)), CASE(many_steps), CASE(first_step_is_the_learning_rate),
           CASE(no_gradient_no_move), CASE(corrections_fade), CASE(nan_is_not_hidden))
