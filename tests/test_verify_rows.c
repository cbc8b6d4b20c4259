/* The rows of sac verify, and the model of rounding behind the tolerances of golden updates. */
#include "support/check_main.h"
#include "support/tolerances.h"
#include "verify/rounding.h"
#include "verify/verify.h"

START_TEST(a_row_has_the_worst) {
  sac_verify_report report = {0};
  const double expected[] = {1, -4, 0, 100}, ours[] = {1.5, -4, 1e-3, 101}, allowed[] = {1, 1, 1e-2, 1};
  ck_ok(sac_verify_compare(&report, "tensor", ours, expected, allowed, 4));
  const sac_verify_row* row = &report.row[0];
  ck_assert_str_eq(row->name, "tensor");
  ck_assert_uint_eq(row->count, 4);
  ck_near(row->absolute, 1, 0);
  ck_near(row->relative, 0.01, DOUBLE_EPSILON);
  ck_near(row->share, 1, 0);
  ck_assert_uint_eq(row->worst, 3);
  ck_assert(row->ok);
  sac_verify_free(&report);
  ck_assert_int_eq(report.count, 0);
  sac_verify_free(&report);
  sac_verify_free(NULL);
}
END_TEST

START_TEST(beyond_is_beyond) {
  static const struct {
    double ours, expected, allowed;
    int ok;
  } rows[] = {
      {1, 1, 0, 1},         {1, 1 + 1e-15, 0, 0},
      {1, 2, 1, 1},         {1, 2, 0.999, 0},
      {NAN, 1, 1, 0},       {1, NAN, 1, 0},
      {NAN, NAN, 1, 0},     {1, 1, NAN, 0},
      {INFINITY, 1, 1, 0},  {INFINITY, INFINITY, 1, 1},
      {1, -INFINITY, 1, 0}, {INFINITY, -INFINITY, 1e300, 0},
      {0, -0.0, 0, 1},      {1, 2, INFINITY, 1},
  };
  sac_verify_report report = {0};
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
    /* beside a good element on either side, whose order must not matter */
    const double ours[] = {3, rows[i].ours, 3}, expected[] = {3, rows[i].expected, 3};
    const double allowed[] = {1, rows[i].allowed, 1};
    ck_ok(sac_verify_compare(&report, "x", ours, expected, allowed, 3));
    ck_assert_msg(report.row[i].ok == rows[i].ok, "%g against %g, %g allowed", rows[i].ours, rows[i].expected,
                  rows[i].allowed);
    ck_assert(report.row[i].ok == (report.row[i].share <= 1));
  }
  sac_verify_free(&report);
}
END_TEST

/* What one element may move by after t equal gradients g in a layer whose largest is 1. */
static double allowed_after(int t, float g, float lr) {
  double weight = 0, m = 0, square = 0;
  sac_rounding rounding = {1, &weight, &m, &square};
  float adam_m = 0, adam_v = 0;
  const float w = 0;
  for (int i = 1; i <= t; i++) {
    adam_m = 0.9f * adam_m + 0.1f * g;
    adam_v = 0.999f * adam_v + 0.001f * g * g;
    const sac_rounding_step step = {(double)lr, i};
    sac_rounding_adam(&rounding, &g, &adam_m, &adam_v, &w, 1, SAC_ROUNDING_GRADIENT, step);
  }
  return weight;
}

START_TEST(clear_gradients_are_judged_sharply) {
  ck_assert_double_lt(allowed_after(1, 1.0f, 1e-3f), 1e-3 * 1e-4);
  ck_assert_double_lt(allowed_after(10, 1.0f, 1e-3f), 10 * 1e-3 * 1e-4);
  ck_assert_double_lt(allowed_after(1, 0.01f, 1e-3f), 1e-3 * 1e-2);
}
END_TEST

START_TEST(drowned_gradients_may_go_either_way) {
  const double one = allowed_after(1, 1e-8f, 1e-3f);
  ck_assert_double_ge(one, 2e-3);       /* from -lr to +lr */
  ck_assert_double_le(one, 2e-3 * 1.1); /* and no further than Adam can go */
  ck_assert_double_ge(allowed_after(1, 1e-5f, 1e-3f), 1e-3);
}
END_TEST

START_TEST(masked_gradients_do_not_move) { ck_near(allowed_after(5, 0.0f, 1e-3f), 0, 5 * 1e-3 * 1e-6); }
END_TEST

START_TEST(targets_take_their_share) {
  double source_weight[] = {1e-3, 0}, target_weight[] = {0, 1e-3};
  const float weight[] = {0, 0};
  sac_rounding source = {2, source_weight, NULL, NULL}, target = {2, target_weight, NULL, NULL};
  sac_rounding_polyak(&target, &source, weight, 0.25);
  ck_near(target_weight[0], 0.25e-3, 1e-18);
  ck_near(target_weight[1], 0.75e-3, 1e-18);
}
END_TEST

CHECK_MAIN("verify rows", CASE(a_row_has_the_worst), CASE(beyond_is_beyond), CASE(clear_gradients_are_judged_sharply),
           CASE(drowned_gradients_may_go_either_way), CASE(masked_gradients_do_not_move),
           CASE(targets_take_their_share))
