#define SAC_REAL_DOUBLE
#include "test_discrete.c" /* NOLINT(bugprone-suspicious-include): the same test in double */
