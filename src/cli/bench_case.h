/* The cases of sac bench: agents, environments and transitions, with which speed is measured. */
#ifndef SAC_CLI_BENCH_CASE_H
#define SAC_CLI_BENCH_CASE_H

#include <stdint.h>

#include "agent/agent.h"
#include "cli/bench_env.h"

struct sac_vector;

/* The command line of sac bench; sac_cli_bench describes each option. */
typedef struct sac_bench {
  const char *kind, *profile;
  int json, stages, bare, cases;
  int64_t obs, act, actions, rows, repeats; /* act: of continuous algorithms; actions: of discrete ones */
  double seconds, warmup;
  const char *hidden, *batch, *population, *threads, *envs; /* lists; NULL: not given */
} sac_bench;

/* One case: its agent and environments, and the arrays that its loop uses. Starts as zeros but for b. */
typedef struct sac_bench_case {
  const sac_bench* b;        /* not owned */
  sac_config* config;        /* with the values of this case */
  sac_agent* agent;          /* NULL: env on the host */
  struct sac_vector* vector; /* NULL: the kind steps no environments */

  /* transitions, each array (P, rows, ...); NULL for kinds that step environments */
  float *obs, *action, *reward, *next_obs;
  uint8_t *terminated, *truncated;
  int32_t rows; /* transitions of each agent in these arrays */

  uint64_t draws; /* minibatches that were drawn without an update */

  sac_bench_env env; /* random actions for the vector */
} sac_bench_case;

/* Makes the configuration of a case, and checks it. one: a value for each of --hidden, --batch, --population, --threads
 * and --envs; NULL: that of `base` stays. *config is the caller's, also after an error. Errors: CONFIG, MEMORY. */
sac_status sac_bench_case_config(sac_config** config, const sac_config* base, const char* const one[5]);

/* Creates an agent for an environment with the sizes of --obs and --act or --actions, and `rows` random transitions of
 * each agent (at least one for each of its environments). Errors: those of sac_agent_create, MEMORY. */
sac_status sac_bench_make_agent(sac_bench_case* c, int32_t rows);

/* Creates an agent in the same way, and pushes random transitions until each agent has `wanted` of them or its replay
 * is full. Every push takes the whole arrays, so that the last one may go beyond. */
sac_status sac_bench_make_learner(sac_bench_case* c, int64_t wanted);

/* Creates the environments of the configuration and random actions, for loops that step them. */
sac_status sac_bench_make_vector(sac_bench_case* c);

/* Creates an agent on a CUDA device that steps the environments there, if the configuration chooses such a device. The
 * agent does not learn: where the algorithm does not take the environment's actions, another one is configured. */
sac_status sac_bench_attach_env(sac_bench_case* c);

/* Frees the members. Takes a case that was only half made. */
void sac_bench_case_end(sac_bench_case* c);

#endif
