/* Numbers: as text, which is the same in every locale (the decimal sign is always a point), and checks that they are
 * finite. Any thread. */
#ifndef SAC_UTIL_NUMBER_H
#define SAC_UTIL_NUMBER_H

#include <stddef.h>
#include <stdint.h>

#define SAC_NUMBER_MAX 32 /* chars that hold any number printed here, its '\0' included */

typedef enum sac_number {
  SAC_NUMBER_OK,
  SAC_NUMBER_NONE,  /* not a number: empty, or other characters in the text */
  SAC_NUMBER_RANGE, /* a number beyond the range of the type */
  SAC_NUMBER_PART,  /* a number that is not whole (integers only) */
} sac_number;

/* Reads the whole of `text` as a finite double: "3e-4", "-1.5", ".5", "+2". No blanks, hexadecimals, "inf" or "nan".
 * A number below the smallest denormal becomes 0 or that denormal. *value changes only on success. */
sac_number sac_parse_real(const char* text, double* value);

/* Reads the whole of `text` as an integer. The forms of a real are accepted if the value is whole: "1e6", "2.5e3",
 * "10.0". *value changes only on success. */
sac_number sac_parse_integer(const char* text, int64_t* value);

/* Prints the shortest of %.15g to %.17g that reads back to the same bits; "nan", "inf", "-inf". Returns the length. */
size_t sac_print_real(char text[SAC_NUMBER_MAX], double value);

size_t sac_print_integer(char text[SAC_NUMBER_MAX], int64_t value);

/* Whether each of `count` values is finite: no NaN, no infinity. 1 when count is 0. No branch depends on a value, so
 * a check of all observations costs little. */
int sac_all_finite(const float* x, size_t count);

/* The index of the first value that is NaN or infinite; `count` when all are finite. */
size_t sac_first_not_finite(const float* x, size_t count);

#endif
