/* src/cuda/profile.c: the updates in a capture, that a capture changes no result, and the times of stages. */
#include "agent/agent.h"
#include "cuda/cuda.h"
#include "support/agent_case.h"
#include "train/step.h"
#ifdef SAC_CUDA_HOST
#include "cuda_host.h"
#endif

static const agent_case small = {
    "sac", 3, 1, "16,16", 16, 2, 1, 1, {{"device", "cuda"}, {"cuda.updates_per_graph", "4"}}};

/* An agent with one transition in its replay. */
static sac_agent* create(void) {
  static const float obs[3] = {1, 2, 3}, number[1] = {0.5f};
  static const uint8_t no[1] = {0};
  const sac_transitions one = {1, obs, number, number, no, no, obs};
  sac_agent* agent = agent_case_create(&small);
  ck_ok(sac_agent_push(agent, &one));
  return agent;
}

static void weights(sac_agent* agent, float** to, size_t* count) {
  *count = agent->tensors.floats[SAC_SLAB_TRAINED];
  *to = calloc(*count, sizeof(float));
  ck_ok(agent->backend->read(agent, SAC_MEMORY_WEIGHTS, 0, 0, *to, *count));
}

#ifdef SAC_CUDA_HOST
/* The number of ranges "update N" so far, and the first and the last of them. */
static int ranges(char first[32], char last[32]) {
  int count = 0;
  for (size_t i = 0; sac_cuda_host_range(i); i++) {
    if (strncmp(sac_cuda_host_range(i), "update ", 7) != 0) continue;
    (void)snprintf(count++ ? last : first, 32, "%s", sac_cuda_host_range(i));
    if (count == 1) (void)snprintf(last, 32, "%s", first);
  }
  return count;
}
#endif

START_TEST(capture_holds_what_was_asked_for) {
  /* the weights without a capture */
  float *plain, *captured;
  size_t count;
  sac_agent* agent = create();
  ck_ok(sac_agent_update(agent, 20));
  weights(agent, &plain, &count);
  sac_agent_destroy(agent);

  /* updates 7 to 9 are captured; the weights are the same */
  sac_cuda_profile(7, 3);
  agent = create();
  ck_ok(sac_agent_update(agent, 6)); /* no update is captured */
  ck_assert_int_eq(sac_cuda_profiled(), 0);
  ck_ok(sac_agent_update(agent, 14)); /* captured updates do not run in the graph of four */
  ck_assert_int_eq(sac_cuda_profiled(), 3);
  weights(agent, &captured, &count);
  ck_assert_mem_eq(plain, captured, count * sizeof(float));
  ck_assert_int_eq(agent->counters[0].updates, 20);
#ifdef SAC_CUDA_HOST
  char first[32], last[32];
  ck_assert_int_eq(ranges(first, last), 3);
  ck_assert_str_eq(first, "update 7");
  ck_assert_str_eq(last, "update 9");
  ck_assert_int_eq(sac_cuda_host_range_depth(), 0);
#endif
  sac_agent_destroy(agent);
  free(plain);
  free(captured);
  sac_cuda_profile(0, 0);
}
END_TEST

START_TEST(stage_times) {
  sac_stage_time times[SAC_STAGE_COUNT];
  size_t nodes = 0;
  sac_agent* agent = create();
  ck_ok(sac_cuda_stage_times(agent, NULL, times));
  for (int s = 0; s < SAC_STAGE_COUNT; s++) {
    const int run = s >= SAC_STAGE_REPLAY_SAMPLE;
    ck_assert_int_eq(times[s].nodes > 0, run);
    ck_assert_int_eq(times[s].microseconds > 0, run);
    nodes += times[s].nodes;
  }
  ck_ok(sac_agent_update(agent, 2));
  printf("%zu nodes in the stages' graphs, %zu in an update's\n", nodes, sac_cuda_graph_nodes(agent));
#ifdef SAC_CUDA_HOST
  ck_assert_uint_eq(nodes, sac_cuda_graph_nodes(agent)); /* on a device the number of cuBLAS kernels is not fixed */
#else
  ck_assert_uint_ge(nodes, 34);
  ck_assert_uint_le(nodes, 34 + 16);
#endif
  sac_agent_destroy(agent);
}
END_TEST

int main(void) {
  const check_case cases[] = {CASE(capture_holds_what_was_asked_for), CASE(stage_times)};
  int32_t ordinal;
  if (sac_cuda_choose("cuda", &ordinal) != SAC_OK) return check_skip(sac_last_error());
  return check_run("profile", cases, sizeof cases / sizeof *cases);
}
