/* Tests of the comparisons in support/check_main.h: each must fail when it should, above all on NaN. */
#include "support/check_main.h"

#include "sac/sac.h"

static float same[3] = {1, 2, 3}, off[3] = {1, 2.5f, 3}, with_nan[3] = {1, NAN, 3};

/* Check's own assertions, replaced so that a failure can be observed. */
START_TEST(pass_plain) {
  ck_assert(1);
  ck_assert_int_eq(2, 2);
}
END_TEST
START_TEST(fail_plain) { ck_assert(0); }
END_TEST
START_TEST(fail_integers) { ck_assert_int_eq(2, 3); }
END_TEST

START_TEST(pass_near) { ck_near(1.0, 1.5, 0.5); }
END_TEST
START_TEST(pass_infinity) { ck_near(INFINITY, INFINITY, 0); }
END_TEST
START_TEST(pass_relative) { ck_near_relative(1000.5, 1000.0, 1e-3, 0); }
END_TEST
START_TEST(pass_array) { ck_near_array(off, same, 3, 0.25, 0); }
END_TEST
START_TEST(pass_bits) { ck_same_bits(same, same, 3); }
END_TEST
START_TEST(pass_larger) {
  ck_assert(check_larger(1, 2) == 2 && check_larger(2, 1) == 2);
  ck_assert(isnan(check_larger(NAN, 1)) && isnan(check_larger(1, NAN)));
}
END_TEST
START_TEST(pass_ok) { ck_ok(SAC_OK); }
END_TEST

START_TEST(fail_near) { ck_near(1.0, 1.6, 0.5); }
END_TEST
START_TEST(fail_near_nan) { ck_near(NAN, 1.0, INFINITY); }
END_TEST
START_TEST(fail_near_expected_nan) { ck_near(1.0, NAN, INFINITY); }
END_TEST
START_TEST(fail_near_both_nan) { ck_near(NAN, NAN, 1); }
END_TEST
START_TEST(fail_near_nan_tolerance) { ck_near(1.0, 2.0, NAN); }
END_TEST
START_TEST(fail_array_nan_tolerance) { ck_near_array(off, same, 3, 0, NAN); }
END_TEST
START_TEST(fail_relative) { ck_near_relative(1002.0, 1000.0, 1e-3, 0); }
END_TEST
START_TEST(fail_relative_infinite) { ck_near_relative(1.0, INFINITY, 1e-3, 0); }
END_TEST
START_TEST(fail_relative_nan) { ck_near_relative(NAN, 1.0, 1e-3, 1); }
END_TEST
START_TEST(fail_array) { ck_near_array(off, same, 3, 0.1, 0); }
END_TEST
START_TEST(fail_array_nan) { ck_near_array(with_nan, same, 3, 1, 1); }
END_TEST
START_TEST(fail_bits) { ck_same_bits(off, same, 3); }
END_TEST
START_TEST(fail_ok) { ck_ok(SAC_ERROR_FILE); }
END_TEST
START_TEST(fail_fails) { ck_fails(SAC_OK, SAC_ERROR_FILE, ""); }
END_TEST

static int failures(const TTest* test) {
  Suite* suite = suite_create("inner");
  TCase* tcase = tcase_create("inner");
  tcase_add_test(tcase, test);
  suite_add_tcase(suite, tcase);
  SRunner* runner = srunner_create(suite);
  srunner_set_fork_status(runner, CK_NOFORK);
  srunner_run_all(runner, CK_SILENT);
  const int failed = srunner_ntests_failed(runner);
  srunner_free(runner);
  return failed;
}

/* Not CHECK_MAIN, because the cases that must fail run in separate runners. */
int main(void) {
  const struct {
    const TTest* test;
    int expected;
  } cases[] = {
      {pass_plain, 0},
      {fail_plain, 1},
      {fail_integers, 1},
      {pass_near, 0},
      {pass_infinity, 0},
      {pass_relative, 0},
      {pass_array, 0},
      {pass_bits, 0},
      {pass_ok, 0},
      {fail_near, 1},
      {fail_near_nan, 1},
      {fail_bits, 1},
      {fail_near_both_nan, 1},
      {fail_array, 1},
      {fail_relative_infinite, 1},
      {fail_relative_nan, 1},
      {fail_relative, 1},
      {fail_array_nan, 1},
      {fail_ok, 1},
      {fail_near_expected_nan, 1},
      {fail_fails, 1},
      {pass_larger, 0},
      {fail_near_nan_tolerance, 1},
      {fail_array_nan_tolerance, 1},
  };
  int wrong = strcmp(sac_version(), SAC_VERSION) != 0;
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    if (failures(cases[i].test) == cases[i].expected) continue;
    printf("%s: %s\n", cases[i].test->name, cases[i].expected ? "passed, and must fail" : "failed, and must pass");
    wrong = 1;
  }
  return wrong;
}
