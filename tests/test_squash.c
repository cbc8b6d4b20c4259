#include "kernels/squash.h"

#include "golden/formulas.h"
#include "support/formulas.h"

#define LOW ((real)(-20))
#define HIGH ((real)2)
#define R ((double)SAC_REAL_EPSILON)

/* Smaller slopes are flushed to 0 in float (kernels/real.h), so this is an absolute tolerance. */
#define SLOPE_FLOOR (8 * (double)SAC_REAL_MIN)

START_TEST(exponential) {
  const double x = golden_exp[_i].x;
  real complement;
  ck_near_relative(sac_exp_complement((real)x, &complement), golden_exp[_i].exp, 2 * R, 0);
  if (x <= 0) ck_near_relative(complement, golden_exp[_i].complement, 3 * R, 0);
  ck_near_relative(sac_exp((real)x), golden_exp[_i].exp, 2 * R, 0);
}
END_TEST

START_TEST(exponential_ends) {
  real complement;
  ck_assert(sac_exp_complement((real)-1e6, &complement) == 0 && complement == 1);
  ck_assert(sac_exp_complement((real)-INFINITY, &complement) == 0 && complement == 1);
  ck_assert(sac_exp_complement((real)1e6, &complement) == (real)INFINITY);
  ck_assert(sac_exp_complement((real)INFINITY, &complement) == (real)INFINITY);
  ck_assert(sac_is_nan(sac_exp_complement(not_a_number, &complement)) && sac_is_nan(complement));
}
END_TEST

START_TEST(logarithm) { ck_near_relative(sac_log1p((real)golden_log1p[_i].f), golden_log1p[_i].log1p, 2 * R, 0); }
END_TEST

START_TEST(tanh_by_u) {
  real slope, log_slope;
  const real action = sac_tanh_parts((real)golden_tanh[_i].u, &slope, &log_slope);
  ck_near_relative(action, golden_tanh[_i].action, 3 * R, 0);
  ck_near_relative(slope, golden_tanh[_i].slope, 5 * R, SLOPE_FLOOR);
  /* a sum of terms up to |u|: its rounding is relative to them, and small beside the log(2 pi)/2 that is added */
  ck_near_relative(log_slope, golden_tanh[_i].log_slope, 3 * R, 3 * R * fabs(golden_tanh[_i].u));
}
END_TEST

/* Floats from 0 to the largest, in steps below 0.5%: odd, even, monotone, bounded, and finite where the result is. */
START_TEST(tanh_everywhere) {
  real previous = 0;
  for (uint32_t bits = sac_float_bits(FLT_MIN); bits <= sac_float_bits(FLT_MAX); bits += 40000) {
    const float u = sac_bits_float(bits);
    real slope, log_slope, other_slope, other_log_slope;
    const real action = sac_tanh_parts((real)u, &slope, &log_slope);
    ck_assert(sac_tanh_parts(-(real)u, &other_slope, &other_log_slope) == -action);
    ck_assert(other_slope == slope && other_log_slope == log_slope);
    ck_assert(action >= previous * (1 - (real)4 * SAC_REAL_EPSILON) && action <= 1);
    ck_assert(slope >= 0 && slope <= 1 + SAC_REAL_EPSILON);
    ck_assert(log_slope <= 0 && (u > FLT_MAX / 2.1f || log_slope >= -FLT_MAX));
    previous = action;
  }
  ck_assert(previous == 1);
}
END_TEST

START_TEST(forward_and_backward) {
  const double mean = golden_squash[_i].mean, log_std = golden_squash[_i].log_std, eps = golden_squash[_i].eps;
  const double action = golden_squash[_i].action, log_prob = golden_squash[_i].log_prob;
  const double spread = exp(log_std) * eps;
  const sac_squash_out out = sac_squash((real)mean, (real)log_std, (real)eps, LOW, HIGH);
  /* u is a rounded sum, so every result has the rounding of its terms, and a few roundings of its own */
  const double du = 2 * R * (fabs(mean) + fabs(spread));
  const double slope = golden_squash[_i].action_by_mean, action_error = slope * du + 3 * R * fabs(action);
  ck_near(out.action, action, action_error);
  ck_near(out.log_prob, log_prob, 2 * du + 3 * R * (fabs(log_prob) + eps * eps / 2 + fabs(log_std) + 1));
  ck_near_relative(out.slope, slope, 2 * du + 6 * R, SLOPE_FLOOR);
  ck_near_relative(out.spread, spread, 4 * R, 0);

  const sac_squash_grad by_log_prob = sac_squash_backward(out, (real)log_std, LOW, HIGH, 1, 0);
  const sac_squash_grad by_action = sac_squash_backward(out, (real)log_std, LOW, HIGH, 0, 1);
  ck_near(by_log_prob.mean, golden_squash[_i].log_prob_by_mean, 2 * action_error + 2 * R);
  ck_near(by_log_prob.log_std, golden_squash[_i].log_prob_by_log_std,
          2 * fabs(spread) * action_error + 8 * R * (1 + fabs(action * spread)));
  ck_near_relative(by_action.mean, slope, 2 * du + 6 * R, SLOPE_FLOOR);
  ck_near_relative(by_action.log_std, golden_squash[_i].action_by_log_std, 2 * du + 12 * R, SLOPE_FLOOR * fabs(spread));
}
END_TEST

/* The common form log(1 - a*a + 1e-6), and why it is not used here. */
START_TEST(epsilon_form_would_fail) {
  const float a9 = tanhf(9.0f), a95 = tanhf(9.5f), a95_up = tanhf(9.5f + 1e-2f);
  const float epsilon_form = logf(1 - a9 * a9 + 1e-6f);
  const double truth = -16.6137056693, gradient_truth = -2;
  ck_near(epsilon_form, -13.70, EPSILON_FORM_ABS);
  ck_assert(fabs((double)epsilon_form - truth) > 2.9);
  ck_assert(logf(1 - a95_up * a95_up + 1e-6f) - logf(1 - a95 * a95 + 1e-6f) == 0); /* its gradient is 0 */
  real slope, log_slope;
  sac_tanh_parts(9, &slope, &log_slope);
  ck_near_relative(log_slope, truth, 3 * R, LOG_SLOPE_ABS);
  const sac_squash_out out = sac_squash((real)9.5, -20, 0, LOW, HIGH);
  const sac_squash_grad grad = sac_squash_backward(out, -20, LOW, HIGH, 1, 0);
  ck_near_relative(-(double)grad.mean, gradient_truth, SATURATED_SLOPE_REL, 0); /* d log(1 - a^2)/du = -d log pi/du */
}
END_TEST

START_TEST(log_std_is_clamped_and_gated) {
  const real outside[] = {(real)-20.001, -30, (real)-1e30, (real)-INFINITY, (real)2.001, 3, (real)1e30, (real)INFINITY};
  for (size_t i = 0; i < COUNT(outside); i++) {
    const real bound = outside[i] < 0 ? LOW : HIGH;
    const sac_squash_out out = sac_squash((real)0.3, outside[i], (real)-1.2, LOW, HIGH);
    const sac_squash_out at_bound = sac_squash((real)0.3, bound, (real)-1.2, LOW, HIGH);
    ck_assert(out.action == at_bound.action && out.log_prob == at_bound.log_prob && out.spread == at_bound.spread);
    const sac_squash_grad grad = sac_squash_backward(out, outside[i], LOW, HIGH, (real)0.7, (real)-1.1);
    const sac_squash_grad inside = sac_squash_backward(at_bound, bound, LOW, HIGH, (real)0.7, (real)-1.1);
    ck_assert(grad.log_std == 0 && inside.log_std != 0);
    ck_assert(grad.mean == inside.mean && grad.mean != 0);
  }
}
END_TEST

START_TEST(nan_is_not_hidden) {
  for (int input = 0; input < 3; input++) {
    real x[3] = {(real)0.1, -1, (real)0.5};
    x[input] = not_a_number;
    const sac_squash_out out = sac_squash(x[0], x[1], x[2], LOW, HIGH);
    ck_assert(sac_is_nan(out.action) && sac_is_nan(out.log_prob) && sac_is_nan(out.slope));
    const sac_squash_grad grad = sac_squash_backward(out, x[1], LOW, HIGH, 1, 1);
    ck_assert(sac_is_nan(grad.mean) && sac_is_nan(grad.log_std));
  }
  const sac_squash_out out = sac_squash(0, 0, 1, LOW, HIGH);
  ck_assert(sac_is_nan(sac_squash_backward(out, 0, LOW, HIGH, not_a_number, 0).mean));
  ck_assert(sac_is_nan(sac_squash_backward(out, 0, LOW, HIGH, 0, not_a_number).log_std));
  ck_assert(sac_is_nan(sac_squash_mean(not_a_number)) && sac_is_nan(sac_clamp(not_a_number, -1, 1)));
}
END_TEST

START_TEST(deterministic_action_is_the_sample_without_noise) {
  for (int i = -30; i <= 30; i++) {
    const real mean = (real)(0.37 * i);
    ck_assert(sac_squash_mean(mean) == sac_squash(mean, -1, 0, LOW, HIGH).action);
  }
}
END_TEST

START_TEST(saturation) {
  ck_assert(sac_squash_saturated((real)0.9991) == 1 && sac_squash_saturated((real)-0.9991) == 1);
  ck_assert(sac_squash_saturated((real)0.9989) == 0 && sac_squash_saturated(0) == 0);
  ck_assert(sac_squash_saturated(1) == 1 && sac_squash_saturated(-1) == 1);
}
END_TEST

/* The density of an action is that of the sample that led to it. */
START_TEST(density_of_actions) {
  for (int i = -8; i <= 8; i++)
    for (int j = -3; j <= 3; j++) {
      const real mean = (real)(0.25 * i), log_std = (real)(0.5 * j), eps = (real)(0.2 * j - 0.1);
      const sac_squash_out out = sac_squash(mean, log_std, eps, LOW, HIGH);
      /* u is found to R over the slope, and d log pi/du at fixed mean is 2a - eps/sigma */
      const double sigma = exp((double)log_std), du = 4 * R * (1 + 1 / (double)out.slope);
      const double by_u = 2 + (fabs((double)eps) + du / sigma) / sigma;
      ck_near(sac_squash_log_prob(out.action, mean, log_std, LOW, HIGH), out.log_prob,
              du * by_u + 8 * R * (1 + fabs((double)out.log_prob)));
    }
  ck_assert(sac_squash_log_prob((real)0.3, 0, 3, LOW, HIGH) == sac_squash_log_prob((real)0.3, 0, 2, LOW, HIGH));
  ck_assert(sac_squash_log_prob(1, 2, 0, LOW, HIGH) == -(real)INFINITY);
  ck_assert(sac_squash_log_prob(-1, 2, 0, LOW, HIGH) == -(real)INFINITY);
  ck_assert(sac_is_nan(sac_squash_log_prob((real)1.5, 0, 0, LOW, HIGH)));
  for (int input = 0; input < 3; input++) {
    real x[3] = {(real)0.1, -1, (real)0.5};
    x[input] = not_a_number;
    ck_assert(sac_is_nan(sac_squash_log_prob(x[0], x[1], x[2], LOW, HIGH)));
  }
}
END_TEST

/* Random bounds: -1 and 1, and so all between them, are scaled to values inside. */
START_TEST(scaled_inside_any_bounds) {
  uint32_t state = 5;
  int corrected = 0;
  for (int i = 0; i < 20000; i++) {
    real part[4];
    for (int k = 0; k < 4; k++) {
      state = state * 1664525u + 1013904223u;
      part[k] = (real)(state >> 8) / 16777216;
    }
    const real low = (2 * part[0] - 1) * (real)pow(10, 8 * (double)part[2] - 4);
    const real high = low + part[1] * (real)pow(10, 8 * (double)part[3] - 4);
    if (!(low < high)) continue;
    const real centre = sac_action_centre((double)low, (double)high);
    const real half = sac_action_half_range((double)low, (double)high),
               plain = (real)(0.5 * ((double)high - (double)low));
    ck_assert(sac_action_scale(1, centre, half) <= high && sac_action_scale(-1, centre, half) >= low);
    ck_near(half, plain, 4 * R * (sac_abs(centre) + plain));
    corrected += half != plain;
  }
  ck_assert(corrected > 100);

  /* in numbers that are denormal the ends are still the policy's, but for a rounding */
  const real tiny = SAC_REAL_MIN * SAC_REAL_EPSILON;
  for (int k = 2; k < 200; k++) {
    const real low = (real)k * (real)977 * tiny, high = low + (real)k * tiny;
    const real centre = sac_action_centre((double)low, (double)high);
    const real half = sac_action_half_range((double)low, (double)high), room = 1 + sac_action_rounding(centre, half);
    ck_assert(half > 0 && sac_action_scale(1, centre, half) <= high && sac_action_scale(-1, centre, half) >= low);
    ck_assert(sac_action_unscale(high, centre, half) <= room && sac_action_unscale(low, centre, half) >= -room);
  }

  /* bounds that are exact stay so */
  ck_assert(sac_action_half_range(-2, 2) == 2 && sac_action_half_range(-1, 0.5) == (real)0.75);
  ck_assert(sac_action_half_range(-(double)(real)0.4, (double)(real)0.4) == (real)0.4);
}
END_TEST

START_TEST(scaling) {
  const real centre = (real)0.5, half_range = (real)2.5;
  ck_assert(sac_action_scale(1, centre, half_range) == 3 && sac_action_scale(-1, centre, half_range) == -2);
  ck_assert(sac_action_scale(0, centre, half_range) == centre);
  for (int i = -100; i <= 100; i++) {
    const real a = (real)i / 100;
    ck_near(sac_action_unscale(sac_action_scale(a, centre, half_range), centre, half_range), a, 2 * R);
  }
  ck_assert(sac_action_scale((real)0.3, 4, 0) == 4 && sac_action_unscale(5, 4, 0) == 0); /* one possible action */
  ck_assert(sac_is_nan(sac_action_scale(not_a_number, 0, 1)) && sac_is_nan(sac_action_unscale(not_a_number, 0, 0)));
}
END_TEST

#ifdef SAC_REAL_DOUBLE
static double weighted(double mean, double log_std, double eps) {
  const sac_squash_out out = sac_squash(mean, log_std, eps, LOW, HIGH);
  return 0.7 * out.log_prob - 1.3 * out.action;
}

START_TEST(gradient_is_the_central_difference) {
  const double means[] = {-30, -9.5, -2, -0.4, -0.01, 0, 0.2, 0.45, 1, 4, 12, 100};
  const double log_stds[] = {-19.9, -5, -1, 0, 1.9, 2.5, -21};
  for (size_t i = 0; i < COUNT(means); i++)
    for (size_t j = 0; j < COUNT(log_stds); j++)
      for (int k = -2; k <= 2; k++) {
        const double eps = 1.25 * k;
        double mean = means[i], log_std = log_stds[j], by_mean, by_log_std;
        const sac_squash_out out = sac_squash(mean, log_std, eps, LOW, HIGH);
        const sac_squash_grad grad = sac_squash_backward(out, log_std, LOW, HIGH, 0.7, -1.3);
        central_difference(mean, weighted(mean, log_std, eps), by_mean);
        central_difference(log_std, weighted(mean, log_std, eps), by_log_std);
        ck_near_relative(grad.mean, by_mean, DIFFERENCE_REL, DIFFERENCE_ABS);
        ck_near_relative(grad.log_std, by_log_std, DIFFERENCE_REL, DIFFERENCE_ABS);
      }
}
END_TEST
#define MORE , CASE(gradient_is_the_central_difference)
#else
#define MORE
#endif

CHECK_MAIN(SUITE("squash"), LOOP(exponential, COUNT(golden_exp)), CASE(exponential_ends),
           LOOP(logarithm, COUNT(golden_log1p)), LOOP(tanh_by_u, COUNT(golden_tanh)), CASE(tanh_everywhere),
           LOOP(forward_and_backward, COUNT(golden_squash)), CASE(epsilon_form_would_fail),
           CASE(log_std_is_clamped_and_gated), CASE(nan_is_not_hidden),
           CASE(deterministic_action_is_the_sample_without_noise), CASE(saturation), CASE(density_of_actions),
           CASE(scaling), CASE(scaled_inside_any_bounds) MORE)
