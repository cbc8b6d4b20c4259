/* The cases of sac bench: agents, environments and transitions, with which speed is measured. */
#ifndef SAC_CLI_BENCH_CASE_H
#define SAC_CLI_BENCH_CASE_H

#include <stdint.h>

#include "agent/agent.h"
#include "cli/bench_env.h"

struct sac_vector;

/* The command line. */
typedef struct sac_bench {
  const char *kind, *profile;
  int json, stages, bare, cases;
  int64_t obs, act, rows, repeats;
  double seconds, warmup;
  const char *hidden, *batch, *population, *threads, *envs; /* lists; NULL: not given */
} sac_bench;

/* One case: its agent and environments, and the arrays that its loop uses. */
typedef struct sac_bench_case {
  const sac_bench* b;
  sac_config* config;
  sac_agent* agent;
  struct sac_vector* vector;
  float *obs, *action, *reward, *next_obs;
  uint8_t *terminated, *truncated;
  int32_t rows; /* transitions of each agent in these arrays */
  sac_bench_env env;
} sac_bench_case;

/* Creates an agent for an environment of the wanted sizes, and random transitions for it. Errors: those of
 * sac_agent_create. */
sac_status sac_bench_make_agent(sac_bench_case* c, int32_t rows);

/* Pushes `wanted` random transitions of each agent, as many at a time as the arrays hold. */
sac_status sac_bench_fill_replay(sac_bench_case* c, int64_t wanted);

/* Creates the environments of the configuration, for loops that step them. */
sac_status sac_bench_make_vector(sac_bench_case* c);

/* Creates an agent on a CUDA device that steps the environments there, if the configuration chooses such a device. The
 * agent does not learn, so that tasks with discrete actions may get continuous ones, which every algorithm takes. */
sac_status sac_bench_attach_env(sac_bench_case* c);

/* Frees the members. Takes a case that was only half made. */
void sac_bench_case_end(sac_bench_case* c);

#endif
