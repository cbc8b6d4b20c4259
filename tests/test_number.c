/* Numbers as text: syntax, exactness, round trips. test_locale.c tests the decimal comma. */
#include "util/number.h"

#include <float.h>
#include <inttypes.h>

#include "support/check_main.h"

static const struct {
  const char* text;
  double value;
} reals[] = {
    {"0", 0.0},
    {"-0", -0.0},
    {"1", 1},
    {"3e-4", 3e-4},
    {"-1.5", -1.5},
    {".5", .5},
    {"5.", 5},
    {"+2", 2},
    {"1E6", 1e6},
    {"1e+6", 1e6},
    {"007", 7},
    {"1e-400", 0},
    {"5e-324", 5e-324},
    {"1.7976931348623157e308", DBL_MAX},
    {"0.1", 0.1},
    {"0e999999999999", 0},
    {"123456789012345678901234567890", 123456789012345678901234567890.0},
};

START_TEST(reads_reals) {
  double value = 77;
  ck_assert_msg(sac_parse_real(reals[_i].text, &value) == SAC_NUMBER_OK, "'%s'", reals[_i].text);
  ck_same_bits(&value, &reals[_i].value, 1);
}
END_TEST

static const char* const no_reals[] = {
    "",    " ",    "-",        "+",      ".",   "e5",    "1e",  "1e+",   " 1",    "1 ",  "1x",  "0x10", "0x1p3", "nan",
    "inf", "-inf", "infinity", "NAN(1)", "1,5", "1.2.3", "--1", "1_000", "1e5.5", "one", "\t1", "1\n",  "٣",
};

START_TEST(refuses_what_is_no_number) {
  double real = 77;
  int64_t integer = 77;
  ck_assert_msg(sac_parse_real(no_reals[_i], &real) == SAC_NUMBER_NONE && real == 77, "'%s'", no_reals[_i]);
  ck_assert_msg(sac_parse_integer(no_reals[_i], &integer) == SAC_NUMBER_NONE && integer == 77, "'%s'", no_reals[_i]);
}
END_TEST

static const char* const huge[] = {"1e309", "-1e309", "1e400", "1e99999999999999999999", "1.8e308"};

START_TEST(says_what_is_too_large) {
  double real = 77;
  int64_t integer = 77;
  ck_assert_int_eq(sac_parse_real(huge[_i], &real), SAC_NUMBER_RANGE);
  ck_assert_int_eq(sac_parse_integer(huge[_i], &integer), SAC_NUMBER_RANGE);
  ck_assert(real == 77 && integer == 77);
}
END_TEST

START_TEST(long_digits_are_read_and_refused) { /* 10^400 written out */
  static char text[500];
  memset(text, '0', 401);
  text[0] = '1';
  double real;
  int64_t integer;
  ck_assert_int_eq(sac_parse_real(text, &real), SAC_NUMBER_RANGE);
  ck_assert_int_eq(sac_parse_integer(text, &integer), SAC_NUMBER_RANGE);
  text[1] = '.'; /* 1.000...0 is exactly 1 */
  ck_assert_int_eq(sac_parse_integer(text, &integer), SAC_NUMBER_OK);
  ck_assert_int_eq(integer, 1);
}
END_TEST

static const struct {
  const char* text;
  sac_number result;
  int64_t value;
} integers[] = {
    {"0", SAC_NUMBER_OK, 0},
    {"-0", SAC_NUMBER_OK, 0},
    {"1000000", SAC_NUMBER_OK, 1000000},
    {"1e6", SAC_NUMBER_OK, 1000000},
    {"2.5e3", SAC_NUMBER_OK, 2500},
    {"10.0", SAC_NUMBER_OK, 10},
    {"-3", SAC_NUMBER_OK, -3},
    {"+3", SAC_NUMBER_OK, 3},
    {"1200e-2", SAC_NUMBER_OK, 12},
    {"0.5e1", SAC_NUMBER_OK, 5},
    {"0e999999999999", SAC_NUMBER_OK, 0},
    {"0.000e-50", SAC_NUMBER_OK, 0},
    {"100.", SAC_NUMBER_OK, 100},
    {"9007199254740993", SAC_NUMBER_OK, 9007199254740993}, /* 2^53 + 1, which is not a double */
    {"9223372036854775807", SAC_NUMBER_OK, INT64_MAX},
    {"-9223372036854775808", SAC_NUMBER_OK, INT64_MIN},
    {"9223372036854775808", SAC_NUMBER_RANGE, 0},
    {"-9223372036854775809", SAC_NUMBER_RANGE, 0},
    {"99999999999999999999999", SAC_NUMBER_RANGE, 0},
    {"1.5", SAC_NUMBER_PART, 0},
    {"1e-1", SAC_NUMBER_PART, 0},
    {"1.0000000000000000000000001", SAC_NUMBER_PART, 0},
    {"0.1", SAC_NUMBER_PART, 0},
    {"123e-2", SAC_NUMBER_PART, 0},
};

START_TEST(reads_integers) {
  int64_t value = 77;
  const sac_number result = sac_parse_integer(integers[_i].text, &value);
  ck_assert_msg(result == integers[_i].result, "'%s' gave %d", integers[_i].text, result);
  ck_assert_int_eq(value, result == SAC_NUMBER_OK ? integers[_i].value : 77);
}
END_TEST

START_TEST(prints_the_shortest) {
  static const struct {
    double value;
    const char* text;
  } rows[] = {{3e-4, "0.0003"},    {0.1, "0.1"},    {1e6, "1000000"}, {0.1 + 0.2, "0.30000000000000004"},
              {-20, "-20"},        {1e-8, "1e-08"}, {NAN, "nan"},     {INFINITY, "inf"},
              {-INFINITY, "-inf"}, {-0.0, "-0"}};
  char text[SAC_NUMBER_MAX];
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
    ck_assert_uint_eq(sac_print_real(text, rows[i].value), strlen(rows[i].text));
    ck_assert_str_eq(text, rows[i].text);
  }
  sac_print_integer(text, INT64_MIN);
  ck_assert_str_eq(text, "-9223372036854775808");
}
END_TEST

START_TEST(reals_come_back_to_the_bit) {
  uint64_t bits = 0x9E3779B97F4A7C15u;
  for (int i = 0; i < 50000; i++) {
    bits = bits * 6364136223846793005u + 1442695040888963407u;
    double value, back;
    memcpy(&value, &bits, sizeof value);
    if (!isfinite(value)) continue;
    char text[SAC_NUMBER_MAX];
    ck_assert_uint_lt(sac_print_real(text, value), SAC_NUMBER_MAX);
    ck_assert_msg(sac_parse_real(text, &back) == SAC_NUMBER_OK, "%s", text);
    ck_same_bits(&back, &value, 1);
  }
}
END_TEST

START_TEST(finds_what_is_not_finite) {
  const float bad[] = {NAN, INFINITY, -INFINITY};
  float x[37];
  ck_assert(sac_all_finite(NULL, 0) && sac_first_not_finite(NULL, 0) == 0);
  for (size_t i = 0; i < 37; i++) x[i] = i % 2 ? FLT_MAX : -FLT_MIN;
  ck_assert(sac_all_finite(x, 37) && sac_first_not_finite(x, 37) == 37);

  for (size_t at = 0; at < 37; at++) {
    const float good = x[at];
    x[at] = bad[_i];
    ck_assert(!sac_all_finite(x, 37) && sac_first_not_finite(x, 37) == at);
    ck_assert(sac_all_finite(x, at) && sac_first_not_finite(x, at) == at);
    x[at] = good;
  }
}
END_TEST

CHECK_MAIN("number", LOOP(reads_reals, sizeof reals / sizeof *reals),
           LOOP(refuses_what_is_no_number, sizeof no_reals / sizeof *no_reals),
           LOOP(says_what_is_too_large, sizeof huge / sizeof *huge), CASE(long_digits_are_read_and_refused),
           LOOP(reads_integers, sizeof integers / sizeof *integers), CASE(prints_the_shortest),
           CASE(reals_come_back_to_the_bit), LOOP(finds_what_is_not_finite, 3))
