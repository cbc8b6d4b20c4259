#define SAC_REAL_DOUBLE
#include "test_layers.c" /* NOLINT(bugprone-suspicious-include): the same test in double */
