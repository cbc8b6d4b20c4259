/* For the tests of the formulas in kernels. Each test is written with `real` and compiled twice: test_x.c is the float
 * test; test_x_double.c defines SAC_REAL_DOUBLE and includes it. */
#ifndef TESTS_SUPPORT_FORMULAS_H
#define TESTS_SUPPORT_FORMULAS_H

#include "kernels/real.h"
#include "support/check_main.h"
#include "support/tolerances.h"

#ifdef SAC_REAL_DOUBLE
#define SUITE(name) name " in double"
#define FORMULA_REL FORMULA_DOUBLE_REL
#else
#define SUITE(name) name " in float"
#define FORMULA_REL FORMULA_FLOAT_REL
#endif

#define COUNT(array) (sizeof(array) / sizeof *(array))

static const real not_a_number = (real)NAN;

/* The derivative of `expression` with respect to `variable` at its present value, by central differences. */
#define central_difference(variable, expression, result)                                     \
  do {                                                                                       \
    const real at_ = (variable), step_ = (real)FORMULA_DIFFERENCE_STEP * (1 + sac_abs(at_)); \
    (variable) = at_ + step_;                                                                \
    const real above_ = (expression), right_ = (variable);                                   \
    (variable) = at_ - step_;                                                                \
    (result) = (above_ - (expression)) / (right_ - (variable));                              \
    (variable) = at_;                                                                        \
  } while (0)

#endif
