/* Numbers: as text, which is the same in every locale (the decimal sign is always a point), and checks that they are
 * finite. Any thread. */
#ifndef SAC_UTIL_NUMBER_H
#define SAC_UTIL_NUMBER_H

#include <stddef.h>
#include <stdint.h>

#define SAC_NUMBER_MAX 32 /* chars that hold any number printed here, its '\0' included */

typedef enum sac_number {
  SAC_NUMBER_OK,
  SAC_NUMBER_NONE,  /* not a number: empty, letters, blanks, something left over */
  SAC_NUMBER_RANGE, /* a number, beyond what the type holds */
  SAC_NUMBER_PART,  /* a number, and not a whole one (integers only) */
} sac_number;

/* The whole of `text` as a finite double: "3e-4", "-1.5", ".5", "+2". No blanks, hexadecimals, "inf" or "nan".
 * What is too small to be held is 0 or the nearest denormal. *value changes only on success. */
sac_number sac_parse_real(const char* text, double* value);

/* The whole of `text` as an integer, also in the form of a real when exact: "1000000", "1e6", "2.5e3", "10.0". */
sac_number sac_parse_integer(const char* text, int64_t* value);

/* The shortest of %.15g to %.17g that reads back to the same bits; "nan", "inf", "-inf". Returns the length. */
size_t sac_print_real(char text[SAC_NUMBER_MAX], double value);

size_t sac_print_integer(char text[SAC_NUMBER_MAX], int64_t value);

/* Whether each of `count` values is finite: no NaN, no infinity. 1 for none. No branch depends on a value, so that a
 * vector's observations are checked at little cost. */
int sac_all_finite(const float* x, size_t count);

/* The index of the first value that is NaN or infinite; `count` when all are finite. */
size_t sac_first_not_finite(const float* x, size_t count);

#endif
