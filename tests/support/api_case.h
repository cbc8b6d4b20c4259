/* For the tests of the public API: a small agent, transitions for it, and its weights as one array. */
#ifndef TESTS_SUPPORT_API_CASE_H
#define TESTS_SUPPORT_API_CASE_H

#include <sac/sac.h>

#include "support/check_main.h"
#include "support/config_of.h"
#include "support/tolerances.h"

enum { O = 3, A = 2, B = 4, N = 8 };

static const float action_low[A] = {-2, 0}, action_high[A] = {2, 10};
static const sac_env_spec spec = {O, A, 0, 0, action_low, action_high};

/* The value of an out parameter before a call that must set it to NULL. */
static char marker[64];

static inline sac_config* make_config(const char* algo, const char* seeds) {
  return config_of("device=cpu algo=%s seeds=%s network.hidden=8,8 replay.batch=4 replay.capacity=16", algo, seeds);
}

static inline sac_agent* make_agent(const char* algo, const char* seeds) {
  sac_config* config = make_config(algo, seeds);
  sac_agent* agent = NULL;
  ck_ok(sac_agent_create(&agent, config, &spec));
  sac_config_destroy(config); /* the agent has its own copy */
  return agent;
}

/* Transitions and noise of simple numbers, for up to P = 2. */
typedef struct {
  float obs[2 * N * O], action[2 * N * A], reward[2 * N], terminated_float[2 * N], next_obs[2 * N * O];
  float noise[2 * N * A], next_noise[2 * N * A];
  uint8_t terminated[2 * N], truncated[2 * N];
} rows;

static inline rows make_rows(void) {
  rows r;
  memset(&r, 0, sizeof r);
  for (int i = 0; i < 2 * N; i++) {
    for (int k = 0; k < O; k++) r.obs[i * O + k] = 0.1f * (float)(i + k), r.next_obs[i * O + k] = 0.1f * (float)(k - i);
    for (int k = 0; k < A; k++) {
      r.action[i * A + k] = 0.05f * (float)(i - k);
      r.noise[i * A + k] = 0.3f * (float)(k + 1) - 0.1f * (float)i;
      r.next_noise[i * A + k] = 0.2f * (float)i - 0.7f;
    }
    r.reward[i] = 1 - 0.2f * (float)i;
    r.terminated[i] = i == 2;
    r.terminated_float[i] = i == 2;
  }
  return r;
}

static inline sac_transitions transitions_of(const rows* r, int n) {
  return (sac_transitions){n, r->obs, r->action, r->reward, r->terminated, r->truncated, r->next_obs};
}

static inline sac_minibatch minibatch_of(const rows* r) {
  return (sac_minibatch){r->obs, r->action, r->reward, r->terminated_float, r->next_obs};
}

/* Copies all tensors to one array of at most `max` floats. */
static inline void snapshot(const sac_agent* agent, float* to, size_t max) {
  size_t used = 0;
  for (int32_t i = 0; i < sac_agent_tensor_count(agent); i++) {
    sac_tensor_info info;
    ck_ok(sac_agent_tensor_info(agent, i, &info));
    size_t n = 1;
    for (int32_t d = 0; d < info.rank; d++) n *= (size_t)info.dims[d];
    ck_assert_uint_le(used + n, max);
    ck_ok(sac_agent_tensor_get(agent, info.name, to + used, n));
    used += n;
  }
}

#endif
