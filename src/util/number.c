#include "util/number.h"

#include <inttypes.h>
#include <limits.h>
#include <locale.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A number's parts: sign, digits with an optional point, optional exponent. */
typedef struct {
  int negative;
  const char* digits; /* digits and at most one point */
  const char* end;    /* after them */
  long exponent;      /* as written; capped at +-1000000, far beyond any double */
} parts;

static int is_digit(char c) { return c >= '0' && c <= '9'; }

/* The grammar, by hand: strtod also takes blanks, hexadecimals, "inf" and "nan". */
static int split(const char* text, parts* out) {
  const char* c = text;
  *out = (parts){.negative = *c == '-'};
  if (*c == '-' || *c == '+') c++;
  out->digits = c;
  int digits = 0, points = 0;
  for (; is_digit(*c) || *c == '.'; c++) *c == '.' ? points++ : digits++;
  if (digits == 0 || points > 1) return 0;
  out->end = c;
  if (*c == 'e' || *c == 'E') {
    c++;
    const int negative = *c == '-';
    if (*c == '-' || *c == '+') c++;
    if (!is_digit(*c)) return 0;
    for (; is_digit(*c); c++)
      if (out->exponent < 1000000) out->exponent = out->exponent * 10 + (*c - '0');
    if (negative) out->exponent = -out->exponent;
  }
  return *c == '\0';
}

/* glibc's own C locale object: made once, never freed, and newlocale cannot fail for it. */
static locale_t c_locale(void) { return newlocale(LC_ALL_MASK, "C", (locale_t)0); }

sac_number sac_parse_real(const char* text, double* value) {
  parts number;
  if (!split(text, &number)) return SAC_NUMBER_NONE;
  const double read = strtod_l(text, NULL, c_locale());
  if (!isfinite(read)) return SAC_NUMBER_RANGE;
  *value = read;
  return SAC_NUMBER_OK;
}

/* In integers throughout, so that "exact" means the decimal text and not its rounding to a double. */
sac_number sac_parse_integer(const char* text, int64_t* value) {
  parts number;
  if (!split(text, &number)) return SAC_NUMBER_NONE;

  const char* point = memchr(number.digits, '.', (size_t)(number.end - number.digits));
  long behind = point ? (long)(number.end - point - 1) : 0; /* digits behind the point */
  const char* last = number.end;
  while (last > number.digits && (last[-1] == '0' || last[-1] == '.')) { /* trailing zeros move into the exponent */
    if (last[-1] == '.') point = NULL;
    else behind--;
    last--;
  }
  const long shift = number.exponent - behind; /* value = digits * 10^shift */

  uint64_t size = 0;
  for (const char* c = number.digits; c < last; c++) {
    if (*c == '.') continue;
    if (__builtin_mul_overflow(size, (uint64_t)10, &size) || __builtin_add_overflow(size, (uint64_t)(*c - '0'), &size))
      return shift < 0 ? SAC_NUMBER_PART : SAC_NUMBER_RANGE;
  }
  if (size != 0 && shift < 0) return SAC_NUMBER_PART; /* the last digit is not 0, so something is behind the point */
  for (long i = 0; size != 0 && i < shift; i++)
    if (__builtin_mul_overflow(size, (uint64_t)10, &size)) return SAC_NUMBER_RANGE;

  if (size > (uint64_t)INT64_MAX + (number.negative ? 1 : 0)) return SAC_NUMBER_RANGE;
  *value = number.negative ? (int64_t)(0 - size) : (int64_t)size;
  return SAC_NUMBER_OK;
}

size_t sac_print_real(char text[SAC_NUMBER_MAX], double value) {
  if (isnan(value)) return (size_t)snprintf(text, SAC_NUMBER_MAX, "nan");
  if (isinf(value)) return (size_t)snprintf(text, SAC_NUMBER_MAX, value < 0 ? "-inf" : "inf");
  int length = 0;
  const locale_t before = uselocale(c_locale()); /* this thread alone, for these lines */
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

/* x - x is 0 for a finite x and NaN for any other, and a sum keeps a NaN. */
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
