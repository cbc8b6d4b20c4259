/* One table of cases for the operations of an update: shapes with odd sizes, and keys that lead to other branches of
 * the formulas. Each is crossed with every algorithm of SAC_ALGOS and every kind of network of SAC_NETWORK_KINDS. Tests
 * compare each operation with the same one in double and on the other backends (tests/test_ops.c,
 * tests/test_cuda_ops.c); `sac bench op --cases` times them. A new row needs nothing else: the tests and the benchmark
 * go through the whole table. */
#ifndef SAC_VERIFY_CASES_H
#define SAC_VERIFY_CASES_H

#include <stdint.h>

#include "config/settings.h"

#define SAC_CASE_KEYS_MAX 4

typedef struct sac_case {
  int32_t obs, action; /* O, A; of a discrete algorithm, A is the number of its actions, 2 where it is 1 */
  const char* hidden;  /* network.hidden */
  int32_t batch, critics, population;
  const char* set[SAC_CASE_KEYS_MAX][2];          /* more keys, ended by NULL */
  const char* set_discrete[SAC_CASE_KEYS_MAX][2]; /* keys of discrete algorithms alone, ended by NULL */
} sac_case;

extern const sac_case sac_cases[];
extern const int32_t sac_case_count;

/* Sets the keys of a case. kind: index in SAC_NETWORK_KINDS. It does not set O and A: they are no keys, and the caller
 * puts them into the environment's spec. Errors: CONFIG. */
sac_status sac_case_apply(const sac_case* c, int algo, int kind, sac_config* config);

#endif
