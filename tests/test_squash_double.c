#define SAC_REAL_DOUBLE
#include "test_squash.c" /* NOLINT(bugprone-suspicious-include): the same test in double */
