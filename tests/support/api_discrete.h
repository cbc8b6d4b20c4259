/* For the tests of the public API: a small agent with discrete actions, and transitions for it. */
#ifndef TESTS_SUPPORT_API_DISCRETE_H
#define TESTS_SUPPORT_API_DISCRETE_H

#include "support/api_case.h"

enum { D = 5, H = 8, K = 2, MAX = 2048 };

static const sac_env_spec discrete = {O, 1, D, 0, NULL, NULL};
static const char* const discrete_algos[] = {"soft-q", "sac-discrete"};
#define ALGOS (sizeof discrete_algos / sizeof *discrete_algos)

static inline sac_agent* discrete_agent(const char* algo, const char* seeds, const char* join) {
  sac_config* config = make_config(algo, seeds);
  sac_agent* agent = NULL;
  ck_ok(sac_config_set(config, "network.critics_join", join));
  ck_ok(sac_config_set(config, "alpha.initial", "0.2"));
  ck_ok(sac_agent_create(&agent, config, &discrete));
  sac_config_destroy(config);
  return agent;
}

/* Rows with the numbers 0 to D - 1 as actions, one each: (2 N). */
static inline rows discrete_rows(void) {
  rows r = make_rows();
  for (int i = 0; i < 2 * N; i++) r.action[i] = (float)(i * 3 % D);
  return r;
}

#endif
