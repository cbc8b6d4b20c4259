/* What sac bench env steps: a vector with random actions, and beside it the simulator alone. */
#ifndef SAC_CLI_BENCH_ENV_H
#define SAC_CLI_BENCH_ENV_H

#include <stdint.h>

#include <sac/status.h>

struct sac_vector;

/* Begins as zeros. */
typedef struct sac_bench_env {
  struct sac_vector* vector; /* not owned */
  float* rounds;             /* random actions, taken in turn: drawing them is not what is measured */
  int64_t next;
} sac_bench_env;

/* Draws the actions; the first round is the vector's own then. Errors: MEMORY. */
sac_status sac_bench_env_begin(sac_bench_env* env, struct sac_vector* vector);
void sac_bench_env_end(sac_bench_env* env);

sac_status sac_bench_env_step(sac_bench_env* env);

/* The same step by the simulator alone (sac_env_entry.bare), where the environment has that. Errors: ENV. */
int sac_bench_env_has_bare(const sac_bench_env* env);
sac_status sac_bench_env_bare(sac_bench_env* env);

#endif
