#define SAC_REAL_DOUBLE
#include "test_bellman.c"
