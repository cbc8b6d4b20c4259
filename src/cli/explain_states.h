/* The states that `sac explain` explains: rows of a file, or those that the policy visits. */
#ifndef SAC_CLI_EXPLAIN_STATES_H
#define SAC_CLI_EXPLAIN_STATES_H

#include "agent/agent.h"

#define SAC_EXPLAIN_STATES_MAX 100000

typedef struct sac_explain_states {
  int64_t count;
  int32_t obs; /* O */
  float* row;  /* (count, O); the caller frees it */
} sac_explain_states;

/* Reads a file: safetensors with a tensor `obs` or `observation` (n, O) of float32 or float64, or CSV with a row of O
 * numbers a state, behind a header line or none. states->obs says O. Errors: FILE, FORMAT, SHAPE (the message names the
 * line), MEMORY. */
sac_status sac_explain_states_read(sac_explain_states* states, const char* path);

/* Steps the environment of the agent `count` times with sampled actions, and takes the observations before each step.
 * seed: of the episodes. Errors: ENV, NUMERIC, MEMORY. */
sac_status sac_explain_states_visit(sac_explain_states* states, sac_agent* agent, int64_t count, uint64_t seed);

#endif
