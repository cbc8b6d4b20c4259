/* The rows of sac verify. */
#include "support/check_main.h"
#include "support/tolerances.h"
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
    /* next to a good element, before or after it */
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

CHECK_MAIN("verify rows", CASE(a_row_has_the_worst), CASE(beyond_is_beyond))
