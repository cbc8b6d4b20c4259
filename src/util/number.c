#include "util/number.h"

#include <inttypes.h>
#include <limits.h>
#include <locale.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The parts of a number's text: "-12.5e3" has the digits "12.5" and the exponent 3. */
typedef struct {
  int negative;
  const char* digits; /* the first digit or the point; at most one point stands among the digits */
  const char* end;    /* behind the last digit or point */
  long exponent;      /* as written, but at most about 10 million: far beyond any double */
} parts;

static int is_digit(char c) { return c >= '0' && c <= '9'; }

/* Splits a decimal number into its parts; 0 when the text is no number. strtod cannot check this: it also takes blanks,
 * hexadecimals, "inf" and "nan". */
static int split(const char* text, parts* out) {
  const char* c = text;
  *out = (parts){.negative = *c == '-'};
  if (*c == '-' || *c == '+') c++;

  /* at least one digit, at most one point */
  out->digits = c;
  int digits = 0, points = 0;
  for (; is_digit(*c) || *c == '.'; c++) *c == '.' ? points++ : digits++;
  if (digits == 0 || points > 1) return 0;
  out->end = c;

  /* the exponent, if there is one */
  if (*c == 'e' || *c == 'E') {
    c++;
    const int negative = *c == '-';
    if (*c == '-' || *c == '+') c++;
    if (!is_digit(*c)) return 0;
    /* further digits are skipped once the exponent is too large for any number, so that it cannot overflow */
    for (; is_digit(*c); c++)
      if (out->exponent < 1000000) out->exponent = out->exponent * 10 + (*c - '0');
    if (negative) out->exponent = -out->exponent;
  }
  return *c == '\0';
}

/* The C locale. glibc holds it as a constant, so newlocale allocates nothing here and cannot fail. */
static locale_t c_locale(void) { return newlocale(LC_ALL_MASK, "C", (locale_t)0); }

sac_number sac_parse_real(const char* text, double* value) {
  parts number;
  if (!split(text, &number)) return SAC_NUMBER_NONE;
  const double read = strtod_l(text, NULL, c_locale());
  if (!isfinite(read)) return SAC_NUMBER_RANGE;
  *value = read;
  return SAC_NUMBER_OK;
}

/* Computes with integers only: a double cannot hold "9007199254740993" and would round it silently. */
sac_number sac_parse_integer(const char* text, int64_t* value) {
  parts number;
  if (!split(text, &number)) return SAC_NUMBER_NONE;

  /* write the number as digits * 10^shift, without trailing zeros: "2.50e3" is 25 * 10^2 */
  const char* point = memchr(number.digits, '.', (size_t)(number.end - number.digits));
  long behind = point ? (long)(number.end - point - 1) : 0; /* digits behind the point */
  const char* last = number.end;
  while (last > number.digits && (last[-1] == '0' || last[-1] == '.')) {
    if (last[-1] != '.') behind--;
    last--;
  }
  const long shift = number.exponent - behind;

  /* Read the digits as an integer. Where they overflow, the number is not whole or out of range. */
  uint64_t size = 0;
  for (const char* c = number.digits; c < last; c++) {
    if (*c == '.') continue;
    if (__builtin_mul_overflow(size, (uint64_t)10, &size) || __builtin_add_overflow(size, (uint64_t)(*c - '0'), &size))
      return shift < 0 ? SAC_NUMBER_PART : SAC_NUMBER_RANGE;
  }

  /* Multiply by 10^shift. The last digit is not 0, so a negative shift means a number that is not whole. */
  if (size != 0 && shift < 0) return SAC_NUMBER_PART;
  for (long i = 0; size != 0 && i < shift; i++)
    if (__builtin_mul_overflow(size, (uint64_t)10, &size)) return SAC_NUMBER_RANGE;

  /* Apply the sign. The smallest int64_t is one further from 0 than the largest. */
  if (size > (uint64_t)INT64_MAX + (number.negative ? 1 : 0)) return SAC_NUMBER_RANGE;
  *value = number.negative ? (int64_t)(0 - size) : (int64_t)size;
  return SAC_NUMBER_OK;
}

size_t sac_print_real(char text[SAC_NUMBER_MAX], double value) {
  if (isnan(value)) return (size_t)snprintf(text, SAC_NUMBER_MAX, "nan");
  if (isinf(value)) return (size_t)snprintf(text, SAC_NUMBER_MAX, value < 0 ? "-inf" : "inf");

  /* Print with more digits until the text reads back to the same bits. uselocale changes this thread alone. */
  int length = 0;
  const locale_t before = uselocale(c_locale());
  for (int digits = 15; digits <= 17; digits++) {
    length = snprintf(text, SAC_NUMBER_MAX, "%.*g", digits, value);
    if (strtod(text, NULL) == value) break;
  }
  uselocale(before);
  return (size_t)length;
}

size_t sac_print_integer(char text[SAC_NUMBER_MAX], int64_t value) {
  return (size_t)snprintf(text, SAC_NUMBER_MAX, "%" PRId64, value);
}

/* x - x is 0 for a finite x and NaN for infinity and NaN. A sum with a NaN in it is NaN. */
int sac_all_finite(const float* x, size_t count) {
  float sum = 0;
  for (size_t i = 0; i < count; i++) sum += x[i] - x[i]; /* NOLINT(misc-redundant-expression) */
  return sum == 0;
}

size_t sac_first_not_finite(const float* x, size_t count) {
  size_t i = 0;
  while (i < count && isfinite(x[i])) i++;
  return i;
}
