/* The environments of sac bench env: a vector with random actions and, to compare, the simulator alone. */
#ifndef SAC_CLI_BENCH_ENV_H
#define SAC_CLI_BENCH_ENV_H

#include <stdint.h>

#include <sac/status.h>

struct sac_vector;

/* Starts as zeros. */
typedef struct sac_bench_env {
  struct sac_vector* vector; /* not owned */
  float* rounds;             /* random actions, drawn beforehand: drawing them is not to be measured */
  int64_t next;              /* steps so far: picks the actions of the next step */
} sac_bench_env;

/* Draws the actions, and copies those of the first step to the vector. Errors: MEMORY. */
sac_status sac_bench_env_begin(sac_bench_env* env, struct sac_vector* vector);
void sac_bench_env_end(sac_bench_env* env);

/* Steps all environments once on the host. Errors: those of sac_vector_step. */
sac_status sac_bench_env_step(sac_bench_env* env);

/* has_bare: whether the simulator of the environments can step alone (sac_env_entry.bare). bare: makes such a step,
 * without observations, rewards and resets. Errors: ENV. */
int sac_bench_env_has_bare(const sac_bench_env* env);
sac_status sac_bench_env_bare(sac_bench_env* env);

#endif
