#define SAC_REAL_DOUBLE
#include "test_polyak.c"
