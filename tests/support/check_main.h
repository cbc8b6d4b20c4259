/* For every test with Check: a main that lists the cases, and comparisons that fail on NaN.
 *
 *   #include "support/check_main.h"
 *   START_TEST(adds) { ck_near(1 + 1, 2, 0); } END_TEST
 *   START_TEST(each_row) { use(rows[_i]); } END_TEST
 *   CHECK_MAIN("sums", CASE(adds), LOOP(each_row, 12))
 *
 * To run one case: CK_RUN_CASE=adds build/release/tests/test_sums. Cases run in this process, one after another, as
 * CUDA and thread pools do not work after a fork (CK_FORK=yes runs each in its own process). ctest limits the time. */
#ifndef TESTS_SUPPORT_CHECK_MAIN_H
#define TESTS_SUPPORT_CHECK_MAIN_H

#include <check.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sac/status.h"

/* Check writes each assertion that holds to a file, which in long loops takes longer than the test. This turns it off;
 * an assertion that fails reports its line anyway. */
#define _mark_point(file, line) ((void)0) /* NOLINT(bugprone-reserved-identifier) */

typedef struct {
  const TTest* test;
  int count; /* a loop case runs with _i = 0 .. count-1 */
} check_case;

#define CASE(name) \
  (check_case) { name, 1 }
#define LOOP(name, count) \
  (check_case) { name, (int)(count) }
#define CHECK_MAIN(suite, ...)                                    \
  int main(void) {                                                \
    const check_case cases[] = {__VA_ARGS__};                     \
    return check_run(suite, cases, sizeof cases / sizeof *cases); \
  }

/* Runs the cases and returns main's status. It is a failure, too, when no case ran (a misspelt CK_RUN_CASE). */
static inline int check_run(const char* suite_name, const check_case* cases, size_t n) {
  Suite* suite = suite_create(suite_name);
  for (size_t i = 0; i < n; i++) {
    TCase* tcase = tcase_create(cases[i].test->name);
    tcase_set_timeout(tcase, 0);
    tcase_add_loop_test(tcase, cases[i].test, 0, cases[i].count);
    suite_add_tcase(suite, tcase);
  }
  SRunner* runner = srunner_create(suite);
  if (!getenv("CK_FORK")) srunner_set_fork_status(runner, CK_NOFORK);
  srunner_run_all(runner, CK_ENV);
  int ran = srunner_ntests_run(runner), failed = srunner_ntests_failed(runner);
  srunner_free(runner);
  if (ran == 0) fprintf(stderr, "%s: no case ran\n", suite_name);
  return failed == 0 && ran > 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

/* For tests with their own main: `if (!have_gpu()) return check_skip("no CUDA device");` ctest reports a skipped test.
 */
static inline int check_skip(const char* reason) {
  printf("skipped: %s\n", reason);
  return 77;
}

/* The larger one; NaN if one is NaN, which fmax would drop. */
static inline double check_larger(double a, double b) { return isnan(a) || a >= b ? a : b; }

/* |actual - expected| <= tolerance. Equal infinities pass, NaN never passes. */
#define ck_near(actual, expected, tolerance)                                                                        \
  do {                                                                                                              \
    const double ck_a = (double)(actual), ck_e = (double)(expected), ck_t = (double)(tolerance);                    \
    ck_assert_msg(ck_a == ck_e || fabs(ck_a - ck_e) <= ck_t, "%s is %.9g; %s is %.9g; off by %.3g, %s allows %.3g", \
                  #actual, ck_a, #expected, ck_e, fabs(ck_a - ck_e), #tolerance, ck_t);                             \
  } while (0)

/* |actual - expected| <= relative * |expected| + floor. Below the size of floor, errors are rounding alone. */
#define ck_near_relative(actual, expected, relative, floor)                                                      \
  do {                                                                                                           \
    const double ck_a = (double)(actual), ck_e = (double)(expected);                                             \
    const double ck_t = (double)(relative)*fabs(ck_e) + (double)(floor);                                         \
    ck_assert_msg(ck_a == ck_e || (isfinite(ck_e) && fabs(ck_a - ck_e) <= ck_t),                                 \
                  "%s is %.9g; %s is %.9g; off by %.3g, allowed %.3g (%s relative, %s absolute)", #actual, ck_a, \
                  #expected, ck_e, fabs(ck_a - ck_e), ck_t, #relative, #floor);                                  \
  } while (0)

/* ck_near_relative for n elements; the message names the worst one. */
#define ck_near_array(actual, expected, n, relative, floor)                                                           \
  do {                                                                                                                \
    size_t ck_worst = 0;                                                                                              \
    double ck_excess = -INFINITY;                                                                                     \
    for (size_t ck_i = 0; ck_i < (size_t)(n); ck_i++) {                                                               \
      const double ck_a = (double)(actual)[ck_i], ck_e = (double)(expected)[ck_i];                                    \
      const double ck_over = fabs(ck_a - ck_e) - ((double)(relative)*fabs(ck_e) + (double)(floor));                   \
      if (ck_a != ck_e && !(ck_over <= ck_excess)) ck_excess = isnan(ck_over) ? INFINITY : ck_over, ck_worst = ck_i;  \
    }                                                                                                                 \
    ck_assert_msg(ck_excess <= 0, "%s[%zu] is %.9g; %s[%zu] is %.9g; beyond %s relative, %s absolute", #actual,       \
                  ck_worst, (double)(actual)[ck_worst], #expected, ck_worst, (double)(expected)[ck_worst], #relative, \
                  #floor);                                                                                            \
  } while (0)

/* Checks that the bytes are the same, element by element. */
#define ck_same_bits(actual, expected, n)                                                                         \
  do {                                                                                                            \
    for (size_t ck_i = 0; ck_i < (size_t)(n); ck_i++)                                                             \
      ck_assert_msg(memcmp(&(actual)[ck_i], &(expected)[ck_i], sizeof(actual)[ck_i]) == 0,                        \
                    "%s[%zu] is %.9g; %s[%zu] is %.9g: not the same bits", #actual, ck_i, (double)(actual)[ck_i], \
                    #expected, ck_i, (double)(expected)[ck_i]);                                                   \
  } while (0)

/* A call of the library that must succeed; otherwise its message is shown. */
#define ck_ok(call)                                                                                        \
  do {                                                                                                     \
    const sac_status ck_status = (call);                                                                   \
    ck_assert_msg(ck_status == SAC_OK, "%s: %s: %s", #call, sac_status_name(ck_status), sac_last_error()); \
  } while (0)

/* A call that must fail with this status and a message that contains the text. */
#define ck_fails(call, status, text)                                                                                 \
  do {                                                                                                               \
    const sac_status ck_status = (call);                                                                             \
    ck_assert_msg(ck_status == (status), "%s gave %s, not " #status ": %s", #call, sac_status_name(ck_status),       \
                  sac_last_error());                                                                                 \
    ck_assert_msg(strstr(sac_last_error(), text) != NULL, "%s said \"%s\", without \"%s\"", #call, sac_last_error(), \
                  text);                                                                                             \
  } while (0)

#endif
