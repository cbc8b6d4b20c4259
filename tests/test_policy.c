/* ctest: one-thread
 *
 * libsac_policy: equal to the agent's deterministic action, strict about its file, and with exactly the announced
 * memory. */
#include "support/check_main.h"

#include <sys/mman.h>

#include <sac/agent.h>
#include <sac/policy.h>

#include "cpu/isa.h"
#include "kernels/random.h"
#include "support/checksum.h"
#include "support/config_of.h"
#include "support/policy_of.h"
#include "support/rows_agent.h"
#include "support/tolerances.h"

static void check_equal(sac_agent* agent, sac_policy* policy) {
  enum { N = 64 };
  float obs[N * ROWS_OBS], ours[ROWS_ACTION], theirs[N * ROWS_ACTION];
  for (int i = 0; i < N * ROWS_OBS; i++) obs[i] = (float)((i * 37 % 101) - 50) * (i % 7 == 0 ? 10.0f : 0.1f);
  ck_ok(sac_agent_act(agent, N, obs, NULL, 1, theirs, NULL));
  for (int i = 0; i < N; i++) {
    sac_policy_act(policy, obs + i * ROWS_OBS, ours);
    ck_near_array(ours, theirs + i * ROWS_ACTION, ROWS_ACTION, POLICY_REL, POLICY_ABS);
  }
}

static const char* const hidden[] = {"8,5", "1", "3,1,2", "64,64", "7,5,3,2,1,2,3,5,7,11,13,17,2,3,4,5", "256,256"};

START_TEST(equals_the_agent) {
  sac_agent* agent = rows_agent("network.hidden", hidden[_i], NULL);
  void* memory;
  char* file;
  size_t size;
  sac_policy* policy = policy_of(agent, &memory, &file, &size);
  memset(file, 0xFF, size), free(file); /* the file is not needed any more */
  int32_t obs, action;
  sac_policy_sizes(policy, &obs, &action);
  ck_assert(obs == ROWS_OBS && action == ROWS_ACTION);
  check_equal(agent, policy);
  /* after more training, copied into the policy in place */
  rows_push(agent, 200);
  ck_ok(sac_agent_update(agent, 20));
  ck_ok(sac_agent_policy(agent, policy));
  check_equal(agent, policy);
  sac_agent* other = rows_agent("network.hidden", "8,6", NULL);
  ck_fails(sac_agent_policy(other, policy), SAC_ERROR_SHAPE, "other layers");
  ck_fails(sac_agent_policy(NULL, policy), SAC_ERROR_ARGUMENT, "NULL");
  sac_agent_destroy(other);
  sac_agent_destroy(agent);
  free(memory);
}
END_TEST

/* Each of the agent's kernels adds in another order than the policy. src/policy/README.md says how far the actions are
 * apart: as a share of the half range, for observations from N(0, 1). */
START_TEST(as_near_as_the_page_says) {
  enum { OBS = 17, ACTION = 6, HALF = 3, N = 1000 };
  const sac_isa* isa = sac_isa_available(_i);
  if (!isa) return;
  setenv("SAC_CPU", isa->name, 1);
  float low[ACTION], high[ACTION], obs[OBS], ours[ACTION], theirs[ACTION];
  for (int a = 0; a < ACTION; a++) low[a] = -HALF, high[a] = HALF;
  const sac_env_spec spec = {OBS, ACTION, 0, 0, low, high};
  sac_config* config = config_of("network.hidden=256,256 replay.capacity=1000 cpu.threads=1 device=cpu");
  sac_agent* agent;
  ck_ok(sac_agent_create(&agent, config, &spec));
  sac_config_destroy(config);
  unsetenv("SAC_CPU");
  void* memory;
  char* file;
  size_t size;
  sac_policy* policy = policy_of(agent, &memory, &file, &size);

  /* the largest difference over many observations */
  double worst = 0;
  for (uint64_t k = 0; k < N; k++) {
    sac_fill_normals(7, SAC_STREAM_ACT, k * OBS, OBS, obs);
    ck_ok(sac_agent_act(agent, 1, obs, NULL, 1, theirs, NULL));
    sac_policy_act(policy, obs, ours);
    for (int a = 0; a < ACTION; a++) worst = check_larger(worst, fabs((double)ours[a] - (double)theirs[a]) / HALF);
  }
  printf("%s: at most %.2g of the half range\n", isa->name, worst);
  ck_assert_msg(worst <= POLICY_AGREEMENT, "%s: %g", isa->name, worst);
  free(file), free(memory);
  sac_agent_destroy(agent);
}
END_TEST

/* The weights stay in the file, which may be read-only: the same bits, with memory for the activations alone. */
START_TEST(in_place) {
  sac_agent* agent = rows_agent("network.hidden", hidden[_i], NULL);
  void* memory;
  char* file;
  size_t size;
  sac_policy *copy = policy_of(agent, &memory, &file, &size), *policy;

  /* the file at the start of a page that cannot be written */
  char* constant = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  ck_assert(constant != MAP_FAILED);
  memcpy(constant, file, size);
  ck_assert_int_eq(mprotect(constant, size, PROT_READ), 0);

  /* little memory: the description of the policy, the scaling, and two vectors of the widest layer, at most 256 */
  const size_t bytes = sac_policy_memory_in_place(constant, size);
  ck_assert_uint_lt(bytes, 1024 + 2 * 256 * sizeof(float));
  char* room = aligned_alloc(16, bytes + 16);
  memset(room, 0x5A, bytes + 16);
  ck_assert_int_eq(sac_policy_create_in_place(&policy, constant, size, room, bytes - 1), SAC_POLICY_MEMORY);
  ck_assert_ptr_null(policy);
  ck_assert_int_eq(sac_policy_create_in_place(&policy, constant, size, room, bytes), SAC_POLICY_OK);

  /* the same bits as a policy with weights of its own */
  float obs[ROWS_OBS], ours[ROWS_ACTION], theirs[ROWS_ACTION];
  for (int i = 0; i < 50; i++) {
    for (int c = 0; c < ROWS_OBS; c++) obs[c] = (float)((i * 37 + c * 53) % 101 - 50) * 0.07f;
    sac_policy_act(policy, obs, ours);
    sac_policy_act(copy, obs, theirs);
    ck_same_bits(ours, theirs, ROWS_ACTION);
  }
  for (size_t i = bytes; i < bytes + 16; i++) ck_assert_int_eq(room[i], 0x5A);

  /* its weights cannot be replaced, and they must be aligned */
  ck_fails(sac_agent_policy(agent, policy), SAC_ERROR_ARGUMENT, "uses the weights of its file");
  char* odd = malloc(size + 4);
  memcpy(odd + 2, file, size);
  ck_assert_int_eq(sac_policy_create_in_place(&policy, odd + 2, size, room, bytes), SAC_POLICY_UNALIGNED);
  memcpy(odd, file, size - 1);
  ck_assert_int_eq(sac_policy_create_in_place(&policy, odd, size - 1, room, bytes), SAC_POLICY_FORMAT);
  ck_assert_uint_eq(sac_policy_memory_in_place(odd, size - 1), 0);
  munmap(constant, size);
  free(odd), free(room), free(file), free(memory);
  sac_agent_destroy(agent);
}
END_TEST

/* Actions that are drawn are the agent's with the same noise. The bounds of log_std are narrow, so that they matter. */
static void check_samples(sac_agent* agent, sac_policy* copy, sac_policy* placed) {
  enum { N = 200 };
  float obs[ROWS_OBS], noise[ROWS_ACTION], ours[ROWS_ACTION], theirs[ROWS_ACTION], mode[ROWS_ACTION];
  int apart = 0;
  for (uint64_t k = 0; k < N; k++) {
    sac_fill_normals(3, SAC_STREAM_ACT, k, ROWS_OBS, obs);
    sac_fill_normals(4, SAC_STREAM_ACT, k, ROWS_ACTION, noise);
    ck_ok(sac_agent_act(agent, 1, obs, noise, 0, theirs, NULL));
    sac_policy_sample(copy, obs, noise, ours);
    ck_near_array(ours, theirs, ROWS_ACTION, POLICY_REL, POLICY_ABS);
    sac_policy_act(copy, obs, mode);
    apart += fabsf(mode[0] - ours[0]) > 0.01f;
    if (!placed) continue;
    sac_policy_sample(placed, obs, noise, theirs);
    ck_same_bits(ours, theirs, ROWS_ACTION);
  }
  ck_assert_int_gt(apart, N / 2);
}

START_TEST(samples_as_the_agent) {
  sac_agent* agent = rows_agent("network.hidden", hidden[_i], "policy.log_std_min", "-1.25", "policy.log_std_max",
                                _i % 2 ? "-0.75" : "1", NULL);
  void* memory;
  char* file;
  size_t size;
  sac_policy *copy = policy_of(agent, &memory, &file, &size), *placed;
  const size_t bytes = sac_policy_memory_in_place(file, size);
  void* room = aligned_alloc(16, (bytes + 15) / 16 * 16);
  ck_assert_int_eq(sac_policy_create_in_place(&placed, file, size, room, bytes), SAC_POLICY_OK);
  check_samples(agent, copy, placed);

  /* after more training, copied into the policy; an agent with other bounds of log_std brings its own */
  sac_agent* other = rows_agent("network.hidden", hidden[_i], "policy.log_std_min", "0.5", "policy.log_std_max", "1.5",
                                "seed", "9", NULL);
  rows_push(agent, 200);
  ck_ok(sac_agent_update(agent, 20));
  ck_ok(sac_agent_policy(agent, copy));
  check_samples(agent, copy, NULL);
  ck_ok(sac_agent_policy(other, copy));
  check_samples(other, copy, NULL);
  free(room), free(file), free(memory);
  sac_agent_destroy(agent);
  sac_agent_destroy(other);
}
END_TEST

/* The bounds of log_std stand in the metadata as decimal numbers; a file without them has the defaults. */
START_TEST(bounds_of_log_std) {
  static const struct {
    const char *low, *high; /* as long as "-1.2500" and "-0.5000" */
    double log_std_min, log_std_max;
    int fails;
  } row[] = {
      {"-1.2500", "-0.5000", -1.25, -0.5, 0},
      {"2.5e-1", ".05e+01", 0.25, 0.5, 0},
      {"-0125e-2", "-0.5000", -1.25, -0.5, 0},
      {"-1.25.0", "-0.5000", 0, 0, 1},
      {"-1.25e ", "-0.5000", 0, 0, 1},
      {"-1.2500", "-1.5000", 0, 0, 1},
      {"", "", -20, 2, 0},
      {"-1.25e99", "-0.5000", 0, 0, 1},
      {"-1.2500", "0x0.500", 0, 0, 1},
  };
  sac_agent* agent = rows_agent("policy.log_std_min", "-1.2500001", "policy.log_std_max", "-0.5000001", NULL);
  size_t size;
  char* file = policy_file_of(agent, &size);
  test_forget_checksum(file, size);
  sac_agent_destroy(agent);
  for (size_t i = 0; i < sizeof row / sizeof *row; i++) {
    /* the texts are padded with blanks behind their quotes */
    char low[64], high[64], value[64];
    (void)snprintf(value, sizeof value, "\"log_std_min\":\"%s\"", row[i].low);
    (void)snprintf(low, sizeof low, "%-26s", *row[i].low ? value : "\"log_std_mix\":\"\"");
    (void)snprintf(value, sizeof value, "\"log_std_max\":\"%s\"", row[i].high);
    (void)snprintf(high, sizeof high, "%-26s", *row[i].high ? value : "\"log_std_mix\":\"\"");
    char* half = policy_edited(file, size, "\"log_std_min\":\"-1.2500001\"", low);
    char* copy = policy_edited(half, size, "\"log_std_max\":\"-0.5000001\"", high);
    ck_assert_msg((policy_status_of(copy, size) == SAC_POLICY_FORMAT) == row[i].fails, "%s %s", low, high);

    /* the action that an agent with these bounds draws */
    if (!row[i].fails) {
      char at_least[32], at_most[32];
      static char memory[65536] __attribute__((aligned(16)));
      sac_policy* policy;
      (void)snprintf(at_least, sizeof at_least, "%g", row[i].log_std_min);
      (void)snprintf(at_most, sizeof at_most, "%g", row[i].log_std_max);
      agent = rows_agent("policy.log_std_min", at_least, "policy.log_std_max", at_most, NULL);
      ck_assert_int_eq(sac_policy_create(&policy, copy, size, memory, sizeof memory), SAC_POLICY_OK);
      check_samples(agent, policy, NULL);
      sac_agent_destroy(agent);
    }
    free(half), free(copy);
  }
  free(file);
}
END_TEST

START_TEST(nan_stays_nan) {
  sac_agent* agent = rows_agent("network.hidden", "8,5", NULL);
  void* memory;
  char* file;
  size_t size;
  sac_policy* policy = policy_of(agent, &memory, &file, &size);
  float obs[ROWS_OBS] = {0, NAN, 0}, action[ROWS_ACTION];
  sac_policy_act(policy, obs, action);
  ck_assert(isnan(action[0]) && isnan(action[1]));
  obs[1] = 1e30f; /* saturates, and stays within the bounds */
  sac_policy_act(policy, obs, action);
  ck_assert(fabsf(action[0]) <= 2 && action[1] >= 0 && action[1] <= 0.1f);

  /* the same for a sample, whose noise may be at fault too */
  const float noise[ROWS_ACTION] = {0.5f, NAN}, infinite[ROWS_ACTION] = {INFINITY, 1}, fine[ROWS_ACTION] = {0.5f, 1};
  sac_policy_sample(policy, obs, fine, action);
  ck_assert(fabsf(action[0]) <= 2 && action[1] >= 0 && action[1] <= 0.1f);
  sac_policy_sample(policy, obs, noise, action);
  ck_assert(fabsf(action[0]) <= 2 && isnan(action[1]));
  sac_policy_sample(policy, obs, infinite, action);
  ck_assert(isnan(action[0]) && !isnan(action[1]));
  obs[1] = NAN;
  sac_policy_sample(policy, obs, fine, action);
  ck_assert(isnan(action[0]) && isnan(action[1]));
  free(file), free(memory);
  sac_agent_destroy(agent);
}
END_TEST

START_TEST(memory_is_the_callers) {
  sac_agent* agent = rows_agent("network.hidden", "8,5", NULL);
  void* memory;
  char* file;
  size_t size;
  sac_policy* policy = policy_of(agent, &memory, &file, &size);
  const size_t bytes = sac_policy_memory(file, size);
  /* weights (in, out), biases, scaling, activations and their description; nothing else */
  ck_assert_uint_lt(bytes, size + 1024);
  free(memory);
  char* room = aligned_alloc(16, (bytes + 47) / 16 * 16);
  memset(room, 0x5A, (bytes + 47) / 16 * 16);
  ck_assert_int_eq(sac_policy_create(&policy, file, size, room, bytes - 1), SAC_POLICY_MEMORY);
  ck_assert_ptr_null(policy);
  ck_assert_int_eq(sac_policy_create(&policy, file, size, room + 8, bytes), SAC_POLICY_MEMORY);
  ck_assert_int_eq(sac_policy_create(&policy, file, size, NULL, bytes), SAC_POLICY_MEMORY);
  ck_assert_int_eq(sac_policy_create(&policy, file, size, room, bytes), SAC_POLICY_OK);
  float obs[ROWS_OBS] = {1, 2, 3}, action[ROWS_ACTION], again[ROWS_ACTION];
  sac_policy_act(policy, obs, action);
  for (size_t i = bytes; i < (bytes + 47) / 16 * 16; i++) ck_assert_int_eq(room[i], 0x5A);
  for (size_t shift = 1; shift < 4; shift++) { /* the file may start at an odd address */
    char* odd = malloc(size + 4);
    memcpy(odd + shift, file, size);
    ck_assert_uint_eq(sac_policy_memory(odd + shift, size), bytes);
    ck_assert_int_eq(sac_policy_create(&policy, odd + shift, size, room, bytes), SAC_POLICY_OK);
    sac_policy_act(policy, obs, again);
    ck_same_bits(again, action, ROWS_ACTION);
    free(odd);
  }
  free(room), free(file);
  sac_agent_destroy(agent);
}
END_TEST

/* NULL for every pointer: a status, 0, NaN, or nothing done. */
START_TEST(null_arguments) {
  sac_agent* agent = rows_agent("network.hidden", "8,5", NULL);
  void* memory;
  char* file;
  size_t size;
  sac_policy *policy = policy_of(agent, &memory, &file, &size), *none = policy;
  char room[64] __attribute__((aligned(16)));
  sac_policy_status (*const creates[])(sac_policy**, const void*, size_t, void*, size_t) = {sac_policy_create,
                                                                                            sac_policy_create_in_place};
  for (int i = 0; i < 2; i++) {
    ck_assert_int_eq(creates[i](NULL, file, size, room, sizeof room), SAC_POLICY_ARGUMENT);
    ck_assert_int_eq(creates[i](&none, NULL, size, room, sizeof room), SAC_POLICY_FORMAT);
    ck_assert_ptr_null(none);
    none = policy;
    ck_assert_int_eq(creates[i](&none, file, size, NULL, size), SAC_POLICY_MEMORY);
    ck_assert_ptr_null(none);
  }
  ck_assert(sac_policy_memory(NULL, size) == 0 && sac_policy_memory_in_place(NULL, size) == 0);

  /* sizes of no policy; any pointer may be missing */
  int32_t obs = 7, action = 7;
  sac_policy_sizes(NULL, &obs, &action);
  ck_assert(obs == 0 && action == 0);
  sac_policy_sizes(policy, NULL, NULL);
  sac_policy_kind kind = SAC_POLICY_BOLTZMANN;
  int32_t actions = 7;
  sac_policy_describe(NULL, &kind, &actions);
  ck_assert(kind == 0 && actions == 0);
  kind = SAC_POLICY_BOLTZMANN, actions = 7;
  sac_policy_describe(policy, &kind, &actions);
  ck_assert(kind == SAC_POLICY_SQUASHED_GAUSSIAN && actions == 0);
  sac_policy_describe(policy, NULL, NULL);

  /* nothing seen: no action; nowhere to write: nothing is done */
  float seen[ROWS_OBS] = {0}, done[ROWS_ACTION] = {1, 1};
  sac_policy_act(policy, NULL, done);
  for (int i = 0; i < ROWS_ACTION; i++) ck_assert(isnan(done[i]));
  done[0] = done[1] = 1;
  sac_policy_sample(policy, NULL, seen, done);
  for (int i = 0; i < ROWS_ACTION; i++) ck_assert(isnan(done[i]));
  done[0] = done[1] = 1;
  sac_policy_sample(policy, seen, NULL, done);
  for (int i = 0; i < ROWS_ACTION; i++) ck_assert(isnan(done[i]));
  sac_policy_act(policy, seen, NULL);
  sac_policy_sample(policy, seen, seen, NULL);
  done[0] = 1;
  sac_policy_act(NULL, seen, done);
  sac_policy_sample(NULL, seen, seen, done);
  ck_assert(done[0] == 1);
  free(file), free(memory);
  sac_agent_destroy(agent);
}
END_TEST

/* A learner whose weights are not finite leaves the policy of the control thread as it was. */
START_TEST(keeps_finite_weights) {
  sac_agent* agent = rows_agent("network.hidden", "8,5", NULL);
  void* memory;
  char* file;
  size_t size;
  sac_policy* policy = policy_of(agent, &memory, &file, &size);
  float obs[ROWS_OBS] = {1, 2, 3}, before[ROWS_ACTION], after[ROWS_ACTION];
  sac_policy_act(policy, obs, before);
  rows_push(agent, 200);
  ck_ok(sac_agent_update(agent, 5));

  /* the last weight of the last layer, and then its bias */
  static const char* const names[] = {"actor.head.weight", "actor.head.bias"};
  for (int i = 0; i < 2; i++) {
    const float nan = NAN, zero = 0;
    const size_t at = sac_tensors_find(&agent->tensors, names[i])->offset + (i ? 1 : 5 * ROWS_ACTION - 1);
    ck_ok(agent->backend->write(agent, SAC_MEMORY_WEIGHTS, 0, at, &nan, 1));
    ck_fails(sac_agent_policy(agent, policy), SAC_ERROR_NUMERIC, "not finite");
    sac_policy_act(policy, obs, after);
    ck_same_bits(after, before, ROWS_ACTION);
    ck_ok(agent->backend->write(agent, SAC_MEMORY_WEIGHTS, 0, at, &zero, 1));
  }
  ck_ok(sac_agent_policy(agent, policy));
  free(file), free(memory);
  sac_agent_destroy(agent);
}
END_TEST

START_TEST(two_of_them_do_not_mix) {
  sac_agent *a = rows_agent("seed", "1", NULL), *b = rows_agent("seed", "2", NULL);
  void *memory_a, *memory_b;
  char *file_a, *file_b;
  size_t size;
  sac_policy* pa = policy_of(a, &memory_a, &file_a, &size);
  sac_policy* pb = policy_of(b, &memory_b, &file_b, &size);
  check_equal(a, pa), check_equal(b, pb), check_equal(a, pa);
  free(file_a), free(file_b), free(memory_a), free(memory_b);
  sac_agent_destroy(a), sac_agent_destroy(b);
}
END_TEST

/* --- hostile files ------------------------------------------------------------------------------------------------ */

/* Long for its list of edits. Each edit keeps the length of the file. */
START_TEST(hostile_files) {
  static const struct {
    const char *from, *to;
  } edits[] = {
      {"sac-policy-1", "sac-policy-2"}, /* of discrete actions, and does not say of which kind */
      {"sac-policy-1", "sac-policy-9"},
      {"\"format\"", "\"farmot\""},
      {"\"F32\"", "\"F16\""},
      {"actor.layers.0.weight", "actor.layers.7.weight"},
      {"actor.layers.1.weight", "actor.layers.0.weight"},
      {"actor.layers.1.bias", "actor.layers.2.bias"},
      {"actor.layers.1.bias", "actor.layers.1.bios"},
      {"actor.layers.0.bias", "actor.layers.00bias"},
      {"actor.head.bias", "actor.heap.bias"},
      {"action.centre", "action.center"},
      {"action.half_range", "actor.layers.3.bi"},
      {"[8,3]", "[3,8]"},
      {"[8,3]", "[24] "},
      {"[5,8]", "[8,5]"},
      {"[4,5]", "[5,4]"},
      {"[4,5]", "[2,9]"},
      {"[0,96]", "[4,96]"},
      {"__metadata__", "__metadatx__"},
      {"[412,420]", "[404,412]"}, /* the bytes of one tensor twice, those of another never */
  };

  /* a good file, which the edits start from */
  sac_agent* agent = rows_agent("network.hidden", "8,5", NULL);
  void* memory;
  char* file;
  size_t size;
  (void)policy_of(agent, &memory, &file, &size);
  test_forget_checksum(file, size);
  ck_assert_int_eq(policy_status_of(file, size), SAC_POLICY_OK);

  /* every edit is refused */
  for (size_t i = 0; i < sizeof edits / sizeof *edits; i++) {
    char* copy = policy_edited(file, size, edits[i].from, edits[i].to);
    ck_assert_msg(policy_status_of(copy, size) == SAC_POLICY_FORMAT, "%s -> %s was taken", edits[i].from, edits[i].to);
    free(copy);
  }

  /* one tensor in place of two, and no byte without a tensor */
  char* shared = policy_edited(file, size, "[412,420]", "[404,412]");
  ck_assert_int_eq(policy_status_of(shared, size - 8), SAC_POLICY_FORMAT);
  free(shared);

  /* a longer file, and every shorter one */
  char* longer = calloc(1, size + 4);
  memcpy(longer, file, size);
  ck_assert_int_eq(policy_status_of(longer, size + 4), SAC_POLICY_FORMAT);
  free(longer);
  for (size_t cut = 0; cut < size; cut++) {
    char* copy = malloc(cut + 1);
    memcpy(copy, file, cut);
    ck_assert_int_eq(policy_status_of(copy, cut), SAC_POLICY_FORMAT);
    free(copy);
  }

  /* any byte changed: the file is refused, or harmless; no access out of bounds (sanitizers) */
  for (size_t i = 0; i < size; i++) {
    const char old = file[i];
    file[i] = (char)(old ^ 0x15);
    (void)policy_status_of(file, size);
    file[i] = old;
  }

  /* values that are not finite, in the last tensor */
  const float bad[2] = {NAN, INFINITY};
  for (int i = 0; i < 2; i++) {
    float old;
    memcpy(&old, file + size - 4 * (i + 1), 4), memcpy(file + size - 4 * (i + 1), &bad[i], 4);
    ck_assert_int_eq(policy_status_of(file, size), SAC_POLICY_NUMERIC);
    memcpy(file + size - 4 * (i + 1), &old, 4);
  }

  /* bounds of the action that overflow */
  const float large = 3e38f;
  for (int tensor = 0; tensor < 2; tensor++) {
    char* at = file + size - (size_t)(tensor ? 2 : 1) * ROWS_ACTION * sizeof large;
    memcpy(at, &large, sizeof large);
  }
  ck_assert_int_eq(policy_status_of(file, size), SAC_POLICY_NUMERIC);

  /* no bytes at all */
  ck_assert_int_eq(policy_status_of(NULL, 0), SAC_POLICY_FORMAT);
  ck_assert_int_eq(policy_status_of(file, 0), SAC_POLICY_FORMAT);
  free(file), free(memory);
  sac_agent_destroy(agent);
}
END_TEST

CHECK_MAIN("policy", LOOP(equals_the_agent, sizeof hidden / sizeof *hidden),
           LOOP(in_place, sizeof hidden / sizeof *hidden), LOOP(as_near_as_the_page_says, 3),
           LOOP(samples_as_the_agent, sizeof hidden / sizeof *hidden), CASE(bounds_of_log_std), CASE(nan_stays_nan),
           CASE(memory_is_the_callers), CASE(null_arguments), CASE(keeps_finite_weights), CASE(two_of_them_do_not_mix),
           CASE(hostile_files))
