/* Agents on a CUDA device and equal ones on the CPU, for the tests of src/cuda. */
#ifndef TESTS_SUPPORT_CUDA_AGENT_H
#define TESTS_SUPPORT_CUDA_AGENT_H

#include "cuda/cuda.h"
#include "support/agent_case.h"
#include "support/check_main.h"

#ifdef SAC_CUDA_HOST
#include "cuda_host.h"
#define CUDA_HOST 1
#else
#define CUDA_HOST 0
#endif

/* A main like that of CHECK_MAIN; skips the test when no device is usable. */
#define CUDA_MAIN(suite, ...)                                                               \
  int main(void) {                                                                          \
    const check_case cases[] = {__VA_ARGS__};                                               \
    int32_t ordinal;                                                                        \
    if (sac_cuda_choose("cuda:0", &ordinal) != SAC_OK) return check_skip(sac_last_error()); \
    return check_run(suite, cases, sizeof cases / sizeof *cases);                           \
  }

/* Adds a key to a case. */
static inline void case_set(agent_case* c, const char* key, const char* value) {
  int i = 0;
  while (i < AGENT_CASE_KEYS && c->set[i][0]) i++;
  ck_assert_int_lt(i, AGENT_CASE_KEYS);
  c->set[i][0] = key, c->set[i][1] = value;
}

static inline sac_agent* cuda_agent_create(const agent_case* c) {
  agent_case on = *c;
  case_set(&on, "device", "cuda:0");
  sac_agent* agent = agent_case_create(&on);
  ck_assert_str_eq(agent->device, "cuda:0");
  ck_assert_str_eq(agent->backend->name, "cuda");
  return agent;
}

/* Copies everything of `from` to `to`, which may be on another device. */
static inline void copy_agent(const sac_agent* from, sac_agent* to) {
  for (int32_t p = 0; p < from->shape.population; p++) {
    for (int m = 0; m < SAC_MEMORY_REPLAY; m++) {
      size_t count;
      float* x = slab_copy(from, (sac_memory)m, p, &count);
      ck_ok(to->backend->write(to, (sac_memory)m, p, 0, x, count));
      free(x);
    }
    to->counters[p] = from->counters[p];
    to->stats[p] = from->stats[p];
    to->totals[p] = from->totals[p];
    to->alive[p] = from->alive[p];
  }
  if (to->backend->state_set) ck_ok(to->backend->state_set(to));
}

/* Live objects of the host execution; 0 on a real device. */
static inline size_t cuda_leaks(void) {
#ifdef SAC_CUDA_HOST
  return sac_cuda_host_leaks();
#else
  return 0;
#endif
}

/* The end of a case: checks that everything on the device was released. Then restarts the host execution: it never
 * reuses addresses of device memory, and every wait takes time for each address. */
static inline void cuda_done(void) {
  const size_t leaks = cuda_leaks();
#ifdef SAC_CUDA_HOST
  sac_cuda_host_reset();
  sac_cuda_host_seed(0);
#endif
  ck_assert_uint_eq(leaks, 0);
}

/* Sets the order in which the host execution runs blocks, threads and streams. */
static inline void cuda_order(uint64_t seed) {
#ifdef SAC_CUDA_HOST
  sac_cuda_host_seed(seed);
#else
  (void)seed;
#endif
}

/* Shapes whose sizes are multiples of the kernels' and products' block sizes, and shapes whose sizes are not, for each
 * algorithm. */
static const agent_case cuda_agents[] = {
    {.algo = "sac", .obs = 17, .action = 6, .hidden = "64,48", .batch = 256, .critics = 2},
    {.algo = "sac", .obs = 1, .action = 1, .hidden = "1", .batch = 1, .critics = 1},
    {.algo = "sac", .obs = 33, .action = 5, .hidden = "31,129,17", .batch = 257, .critics = 5},
    {.algo = "sac", .obs = 400, .action = 400, .hidden = "31", .batch = 31, .critics = 2},
    {.algo = "sac",
     .obs = 5,
     .action = 2,
     .hidden = "24",
     .batch = 257,
     .critics = 1,
     .set = {{"alpha.learn", "false"}, {"alpha.initial", "0.2"}, {"reward_scale", "5"}, {"optim.critic_lr", "1e-2"}}},
    {.algo = "sac-v", .obs = 3, .action = 2, .hidden = "65,31", .batch = 130, .critics = 2},
    {.algo = "sac-v", .obs = 1, .action = 1, .hidden = "1", .batch = 1, .critics = 1},
    {.algo = "sac-v", .obs = 33, .action = 7, .hidden = "31,16,8", .batch = 31, .critics = 5},
    {.algo = "sac-v",
     .obs = 400,
     .action = 1,
     .hidden = "7",
     .batch = 257,
     .critics = 2,
     .set = {{"alpha.learn", "false"}, {"alpha.initial", "0.1"}}},
    {.algo = "sac-discrete", .obs = 17, .action = 4, .hidden = "64,48", .batch = 256, .critics = 2},
    {.algo = "sac-discrete",
     .obs = 5,
     .action = 33,
     .hidden = "31",
     .batch = 31,
     .critics = 5,
     .set = {{"network.critics_join", "mean"}, {"alpha.max", "0.999"}}},
    {.algo = "soft-q", .obs = 8, .action = 18, .hidden = "33,64", .batch = 257, .critics = 2},
    {.algo = "soft-q", .obs = 33, .action = 2, .hidden = "[]", .batch = 31, .critics = 3},
};
#define SAC_DISCRETE_AGENT 9 /* the first agents of these algorithms */
#define SOFT_Q_AGENT 11
#define AGENTS (sizeof cuda_agents / sizeof *cuda_agents)

/* An agent after updates in several calls: single ones, and enough for a graph of several updates and one more. The
 * host execution is slow, so it has smaller graphs and fewer calls. */
static inline sac_agent* after_updates(agent_case c, const char* key, const char* value) {
  static const int32_t calls[] = {1, 4, 1, 17}; /* both graphs: 3 + 1 on the host, 16 + 1 on a device */
  if (CUDA_HOST) case_set(&c, "cuda.updates_per_graph", "3");
  if (key) case_set(&c, key, value);
  sac_agent* agent = cuda_agent_create(&c);
  agent_case_push(agent, 300, 9);
  for (int i = 0; i < (CUDA_HOST ? 3 : 4); i++) ck_ok(sac_agent_update(agent, calls[i]));
  return agent;
}

#endif
