/* ctest: one-thread
 *
 * libsac_policy with discrete actions, softmax and Boltzmann: equal to the agent's modes and samples, and to its
 * networks in double; strict about its file. */
#include <sac/agent.h>
#include <sac/policy.h>

#include "agent/agent.h"
#include "formats/safetensors.h"
#include "kernels/random.h"
#include "support/checksum.h"
#include "support/config_of.h"
#include "support/policy_of.h"
#include "support/tolerances.h"

enum { OBS = 3, ACTIONS_MAX = 18, WIDTH_MAX = 64 };

/* Agents of both kinds: one to five critics, joined in both ways, with and without hidden layers. */
static const struct {
  const char* keys;
  int32_t actions;
} agents[] = {
    {"algo=sac-discrete network.hidden=8,5", 2},
    {"algo=sac-discrete network.hidden=64,64 network.critics=5", 18},
    {"algo=sac-discrete network.hidden=[] network.critics_join=mean", 4},
    {"algo=soft-q network.hidden=8,5 network.critics=1", 2},
    {"algo=soft-q network.hidden=[] network.critics=1 network.critics_join=mean", 3},
    {"algo=soft-q network.hidden=64,64 network.critics=2 alpha.initial=0.05", 4},
    {"algo=soft-q network.hidden=7,5,3 network.critics=2 network.critics_join=mean", 18},
    {"algo=soft-q network.hidden=8,5 network.critics=5 alpha.initial=0.01", 3},
    {"algo=soft-q network.hidden=[] network.critics=5 network.critics_join=mean alpha.initial=0.1", 5},
};
enum { AGENTS = sizeof agents / sizeof *agents };

static sac_agent* agent_of(const char* keys, int32_t actions) {
  const sac_env_spec spec = {.obs_size = OBS, .action_size = 1, .actions = actions};
  sac_config* config = config_of("replay.batch=4 replay.capacity=100 cpu.threads=1 device=cpu %s", keys);
  sac_agent* agent;
  ck_ok(sac_agent_create(&agent, config, &spec));
  sac_config_destroy(config);
  return agent;
}

/* Updates on transitions of any actions. */
static void learn(sac_agent* agent, int32_t actions) {
  enum { N = 64 };
  float obs[N * OBS], next[N * OBS], action[N], reward[N];
  uint8_t terminated[N] = {1}, truncated[N] = {0};
  sac_fill_normals(11, SAC_STREAM_ACT, 0, N * OBS, obs);
  sac_fill_normals(12, SAC_STREAM_ACT, 0, N * OBS, next);
  sac_fill_normals(13, SAC_STREAM_ACT, 0, N, reward);
  for (int i = 0; i < N; i++) action[i] = (float)(i * 7 % actions);
  const sac_transitions t = {N, obs, action, reward, terminated, truncated, next};
  ck_ok(sac_agent_push(agent, &t));
  ck_ok(sac_agent_update(agent, 20));
}

/* --- the agent's networks in double ------------------------------------------------------------------------------- */

/* A tensor of agent 0; NULL: there is none. rows, columns: its dimensions. The caller frees it. */
static float* tensor(const sac_agent* agent, const char* net, const char* rest, int32_t* rows, int32_t* columns) {
  char name[64];
  (void)snprintf(name, sizeof name, "%s.%s", net, rest);
  const sac_tensor* found = sac_tensors_find(&agent->tensors, name);
  if (!found) return NULL;
  *rows = found->dims[0], *columns = found->rank == 2 ? found->dims[1] : 1;
  float* x = malloc(found->count * sizeof *x);
  ck_ok(agent->backend->read(agent, SAC_MEMORY_WEIGHTS, 0, found->offset, x, found->count));
  return x;
}

/* y = weight x + bias, and for hidden layers ReLU, in place. Returns 0 when there is no such layer. */
static int layer(const sac_agent* agent, const char* net, const char* name, int relu, double x[WIDTH_MAX]) {
  char weight[48], bias[48];
  int32_t out, in, one;
  double y[WIDTH_MAX];
  (void)snprintf(weight, sizeof weight, "%s.weight", name);
  (void)snprintf(bias, sizeof bias, "%s.bias", name);
  float* w = tensor(agent, net, weight, &out, &in);
  if (!w) return 0;
  float* b = tensor(agent, net, bias, &out, &one);
  for (int32_t o = 0; o < out; o++) {
    y[o] = (double)b[o];
    for (int32_t i = 0; i < in; i++) y[o] += (double)w[o * in + i] * x[i];
    if (relu && y[o] < 0) y[o] = 0;
  }
  memcpy(x, y, (size_t)out * sizeof *x);
  free(w), free(b);
  return 1;
}

static void network(const sac_agent* agent, const char* net, const float* obs, double out[WIDTH_MAX]) {
  char name[32];
  for (int i = 0; i < OBS; i++) out[i] = (double)obs[i];
  for (int l = 0; snprintf(name, sizeof name, "layers.%d", l), layer(agent, net, name, 1, out); l++) continue;
  ck_assert(layer(agent, net, "head", 0, out));
}

/* What the policy chooses by: logits, or joined values over alpha. */
static void reference(const sac_agent* agent, const float* obs, double score[WIDTH_MAX]) {
  const int32_t actions = agent->shape.actions, critics = agent->shape.critics;
  float log_alpha;
  if (agent->algo->policy == SAC_POLICY_SOFTMAX) {
    network(agent, "actor", obs, score);
    return;
  }
  ck_ok(agent->backend->read(agent, SAC_MEMORY_WEIGHTS, 0, agent->tensors.log_alpha, &log_alpha, 1));
  const int mean = agent->settings.critics_join == SAC_JOIN_MEAN;
  for (int32_t k = 0; k < critics; k++) {
    char net[32];
    double q[WIDTH_MAX];
    (void)snprintf(net, sizeof net, "critic.%d", (int)k);
    network(agent, net, obs, q);
    for (int32_t a = 0; a < actions; a++)
      score[a] = k == 0 ? q[a] : mean ? score[a] + q[a] : q[a] < score[a] ? q[a] : score[a];
  }
  for (int32_t a = 0; a < actions; a++) score[a] /= (mean ? critics : 1) * exp((double)log_alpha);
}

/* Checks an action without noise: the reference gives it the largest score, but for the rounding of sums. */
static void check_mode(const double* score, int32_t actions, float action) {
  double largest = -INFINITY, size = 1;
  for (int32_t a = 0; a < actions; a++)
    largest = check_larger(largest, score[a]), size = check_larger(size, fabs(score[a]));
  ck_assert(action >= 0 && action < (float)actions && action == floorf(action));
  ck_assert_msg(score[(int)action] >= largest - POLICY_REL * size, "action %g: %.9g of %.9g", (double)action,
                score[(int)action], largest);
}

/* Checks an action with noise u, which lies in the part of (0, 1) of that action, but for rounding. Returns how far u
 * is inside. */
static double check_sample(const double* score, int32_t actions, float u, float action) {
  double largest = -INFINITY, sum = 0, below = 0, size = 1;
  for (int32_t a = 0; a < actions; a++)
    largest = check_larger(largest, score[a]), size = check_larger(size, fabs(score[a]));
  for (int32_t a = 0; a < actions; a++) sum += exp(score[a] - largest);
  ck_assert(action >= 0 && action < (float)actions && action == floorf(action));
  for (int32_t a = 0; a < (int32_t)action; a++) below += exp(score[a] - largest) / sum;
  const double above = below + exp(score[(int)action] - largest) / sum;
  const double inside = (double)u - below < above - (double)u ? (double)u - below : above - (double)u;
  ck_assert_msg(inside >= -POLICY_REL * size, "u %g leads to action %g, of %.9g to %.9g", (double)u, (double)action,
                below, above);
  return inside;
}

/* --- equal to the agent ------------------------------------------------------------------------------------------- */

/* Compares modes and samples over some thousand observations. placed: a policy that must give the same bits; NULL:
 * none. The bits of libm decide only where u is within a rounding of the edge between two actions. */
static void check_equal(sac_agent* agent, sac_policy* policy, sac_policy* placed) {
  enum { N = 2000 };
  const int32_t actions = agent->shape.actions;
  int counted[2][ACTIONS_MAX] = {{0}}, apart = 0, same = 0;
  for (uint64_t k = 0; k < N; k++) {
    float obs[OBS], mode, sampled, their_mode, their_sampled, other;
    double score[WIDTH_MAX];
    sac_fill_normals(21, SAC_STREAM_ACT, k, OBS, obs);
    for (int i = 0; i < OBS; i++) obs[i] *= 8;
    const float u = sac_uniform(sac_philox(22, SAC_STREAM_ACT, k).word[0]);
    reference(agent, obs, score);

    /* ours and the agent's, against the reference and each other */
    sac_policy_act(policy, obs, &mode);
    sac_policy_sample(policy, obs, &u, &sampled);
    ck_ok(sac_agent_act(agent, 1, obs, NULL, 1, &their_mode, NULL));
    ck_ok(sac_agent_act(agent, 1, obs, &u, 0, &their_sampled, NULL));
    check_mode(score, actions, mode);
    check_mode(score, actions, their_mode);
    if (check_sample(score, actions, u, sampled) > 1e-4) ck_assert(sampled == their_sampled);
    same += (mode == their_mode) + (sampled == their_sampled);
    counted[0][(int)mode]++, counted[1][(int)sampled]++;
    apart += mode != sampled;

    /* in place: the same bits */
    if (!placed) continue;
    sac_policy_act(placed, obs, &other);
    ck_assert(other == mode);
    sac_policy_sample(placed, obs, &u, &other);
    ck_assert(other == sampled);
  }
  ck_assert_int_ge(same, 2 * N - 2);

  /* modes and samples are not the same, and each action is drawn */
  ck_assert_int_gt(apart, 0);
  for (int32_t a = 0; a < actions; a++)
    ck_assert_msg(counted[1][a] > 0 || agent->shape.critics > 2, "action %d", (int)a);
  ck_assert_int_lt(counted[0][0], N);
}

START_TEST(equals_the_agent) {
  const int32_t actions = agents[_i].actions;
  sac_agent* agent = agent_of(agents[_i].keys, actions);
  void* memory;
  char* file;
  size_t size;
  sac_policy *policy = policy_of(agent, &memory, &file, &size), *placed;
  const size_t bytes = sac_policy_memory_in_place(file, size);
  char* room = aligned_alloc(16, (bytes + 31) / 16 * 16);
  memset(room, 0x5A, (bytes + 31) / 16 * 16);
  ck_assert_int_eq(sac_policy_create_in_place(&placed, file, size, room, bytes - 1), SAC_POLICY_MEMORY);
  ck_assert_int_eq(sac_policy_create_in_place(&placed, file, size, room, bytes), SAC_POLICY_OK);

  /* its kind and sizes */
  int32_t obs, action, number;
  sac_policy_kind kind;
  sac_policy_sizes(policy, &obs, &action);
  sac_policy_describe(policy, &kind, &number);
  ck_assert(obs == OBS && action == 1 && number == actions && kind == agent->algo->policy);
  check_equal(agent, policy, placed);
  for (size_t i = bytes; i < (bytes + 31) / 16 * 16; i++) ck_assert_int_eq(room[i], 0x5A);

  /* after some training, copied into the policy, with the new temperature */
  learn(agent, actions);
  ck_ok(sac_agent_policy(agent, policy));
  check_equal(agent, policy, NULL);
  free(room), free(file), free(memory);
  sac_agent_destroy(agent);
}
END_TEST

/* Of actions that are equal the mode is the first. */
START_TEST(first_of_equal_actions) {
  sac_agent* agent = agent_of(_i ? "algo=soft-q network.hidden=4" : "algo=sac-discrete network.hidden=4", 5);
  const float bias[5] = {1, 3, 2, 3, 3}, zero[5 * 4] = {0}, obs[OBS] = {1, 2, 3};
  static const char* const nets[2][2] = {{"actor", "actor"}, {"critic.0", "critic.1"}};
  for (int k = 0; k < 2; k++) {
    char name[48];
    (void)snprintf(name, sizeof name, "%s.head.weight", nets[_i][k]);
    ck_ok(sac_agent_tensor_set(agent, name, zero, 20));
    (void)snprintf(name, sizeof name, "%s.head.bias", nets[_i][k]);
    ck_ok(sac_agent_tensor_set(agent, name, bias, 5));
  }
  void* memory;
  char* file;
  size_t size;
  sac_policy* policy = policy_of(agent, &memory, &file, &size);
  float action, theirs;
  sac_policy_act(policy, obs, &action);
  ck_ok(sac_agent_act(agent, 1, obs, NULL, 1, &theirs, NULL));
  ck_assert(action == 1 && theirs == 1);
  free(file), free(memory);
  sac_agent_destroy(agent);
}
END_TEST

/* --- what is no number -------------------------------------------------------------------------------------------- */

START_TEST(nan_stays_nan) {
  sac_agent* agent = agent_of(agents[_i].keys, agents[_i].actions);
  void* memory;
  char* file;
  size_t size;
  sac_policy* policy = policy_of(agent, &memory, &file, &size);
  float obs[OBS] = {0, NAN, 0}, u = 0.5f, action = 0;
  sac_policy_act(policy, obs, &action);
  ck_assert(isnan(action));
  action = 0;
  sac_policy_sample(policy, obs, &u, &action);
  ck_assert(isnan(action));

  /* nothing seen, or no noise */
  action = 0;
  sac_policy_act(policy, NULL, &action);
  ck_assert(isnan(action));
  action = 0;
  sac_policy_sample(policy, NULL, &u, &action);
  ck_assert(isnan(action));
  obs[1] = 0, action = 0;
  sac_policy_sample(policy, obs, NULL, &action);
  ck_assert(isnan(action));

  /* noise that is no probability; its ends are taken */
  const float wrong[] = {NAN, INFINITY, -0.1f, 1.1f}, right[] = {0, 1};
  for (int i = 0; i < 4; i++) {
    action = 0;
    sac_policy_sample(policy, obs, &wrong[i], &action);
    ck_assert(isnan(action));
  }
  for (int i = 0; i < 2; i++) {
    sac_policy_sample(policy, obs, &right[i], &action);
    ck_assert(action >= 0 && action < (float)agents[_i].actions && action == floorf(action));
  }

  /* sums that overflow to both infinities give NaN, or a number that exists */
  for (int i = 0; i < OBS; i++) obs[i] = 3e38f;
  sac_policy_act(policy, obs, &action);
  ck_assert(isnan(action) || (action >= 0 && action < (float)agents[_i].actions));
  free(file), free(memory);
  sac_agent_destroy(agent);
}
END_TEST

/* A temperature so low that values over it overflow: the sample is the mode. One whose inverse is infinite is refused.
 */
START_TEST(temperature_at_its_ends) {
  sac_agent* agent = agent_of("algo=soft-q network.hidden=4", 3);
  const float bias[3] = {1e6f, 3e6f, 2e6f}, obs[OBS] = {1, 2, 3}, u = 0.5f;
  ck_ok(sac_agent_tensor_set(agent, "critic.0.head.bias", bias, 3));
  ck_ok(sac_agent_tensor_set(agent, "critic.1.head.bias", bias, 3));
  float log_alpha = -80, action;
  ck_ok(sac_agent_tensor_set(agent, "log_alpha", &log_alpha, 1));
  void* memory;
  char* file;
  size_t size;
  sac_policy* policy = policy_of(agent, &memory, &file, &size);
  sac_policy_act(policy, obs, &action);
  ck_assert(action == 1);
  sac_policy_sample(policy, obs, &u, &action);
  ck_assert(action == 1);

  /* from an agent: the policy stays */
  static const float beyond[] = {-200, 100};
  for (int i = 0; i < 2; i++) {
    ck_ok(sac_agent_tensor_set(agent, "log_alpha", &beyond[i], 1));
    ck_fails(sac_agent_policy(agent, policy), SAC_ERROR_NUMERIC, "temperature");
    size_t other_size;
    char* other = policy_file_of(agent, &other_size);
    ck_assert_int_eq(policy_status_of(other, other_size), SAC_POLICY_NUMERIC);
    free(other);
  }
  sac_policy_act(policy, obs, &action);
  ck_assert(action == 1);
  free(file), free(memory);
  sac_agent_destroy(agent);
}
END_TEST

/* --- what does not fit -------------------------------------------------------------------------------------------- */

START_TEST(other_kinds) {
  static const struct {
    const char* keys;
    int32_t actions;
  } row[] = {{"algo=soft-q network.hidden=8,5", 4},
             {"algo=sac-discrete network.hidden=8,5", 4},
             {"algo=soft-q network.hidden=8,5", 3},
             {"algo=sac-discrete network.hidden=8,5", 3},
             {"algo=soft-q network.hidden=8,5 network.critics=1", 4},
             {"algo=soft-q network.hidden=[]", 4}};
  enum { ROWS = sizeof row / sizeof *row };
  for (int i = 0; i < ROWS; i++) {
    sac_agent* agent = agent_of(row[i].keys, row[i].actions);
    void* memory;
    char* file;
    size_t size;
    sac_policy* policy = policy_of(agent, &memory, &file, &size);
    for (int j = 0; j < ROWS; j++) {
      sac_agent* other = agent_of(row[j].keys, row[j].actions);
      if (i == j) ck_ok(sac_agent_policy(other, policy));
      else ck_fails(sac_agent_policy(other, policy), SAC_ERROR_SHAPE, "another kind");
      sac_agent_destroy(other);
    }
    free(file), free(memory);
    sac_agent_destroy(agent);
  }

  /* minimum and mean have the same layers: the rule comes with the weights */
  sac_agent* min = agent_of("algo=soft-q network.hidden=8,5", 4);
  sac_agent* mean = agent_of("algo=soft-q network.hidden=8,5 network.critics_join=mean", 4);
  void* memory;
  char* file;
  size_t size;
  sac_policy* policy = policy_of(min, &memory, &file, &size);
  ck_ok(sac_agent_policy(mean, policy));
  check_equal(mean, policy, NULL);
  free(file), free(memory);
  sac_agent_destroy(min), sac_agent_destroy(mean);
}
END_TEST

/* Each edit keeps the length of the file. */
START_TEST(hostile_files) {
  static const struct {
    const char *keys, *from, *to;
  } edits[] = {
#define SOFTMAX "algo=sac-discrete network.hidden=8,5"
#define BOLTZMANN "algo=soft-q network.hidden=8,5"
#define LINEAR "algo=soft-q network.hidden=[]"
      {SOFTMAX, "sac-policy-2", "sac-policy-1"},
      {SOFTMAX, "sac-policy-2", "sac-policy-3"},
      {SOFTMAX, "\"softmax\"", "\"softmin\""},
      {SOFTMAX, "\"policy\":\"softmax\"", "\"polisy\":\"softmax\""},
      {SOFTMAX, "\"softmax\",\"actions\":\"4\"", "\"boltzmann\",\"ac\":\"4\"   "},
      {SOFTMAX, "actor.head.bias", "actor.heap.bias"},
      {SOFTMAX, "[4,5]", "[5,4]"},
      {BOLTZMANN, "sac-policy-2", "sac-policy-1"},
      {BOLTZMANN, "\"boltzmann\"", "\"softmax\"  "},
      {BOLTZMANN, "\"boltzmann\"", "\"squashed\" "},
      {BOLTZMANN, "\"min\"", "\"max\""},
      {BOLTZMANN, "\"critics_join\"", "\"critics_jion\""},
      {BOLTZMANN, "log_alpha", "log_alphq"},
      {BOLTZMANN, "critic.1.head.bias", "critic.2.head.bias"},
      {BOLTZMANN, "critic.1.head.bias", "critic.0.head.bias"},
      {BOLTZMANN, "critic.1.head.bias", "critic.x.head.bias"},
      {BOLTZMANN, "critic.1.layers.0.weight", "critic.1.layers.7.weight"},
      {BOLTZMANN, "critic.0.layers.1.weight", "critic.0.layers.0.weight"},
      {LINEAR, "critic.1.head.weight", "critic.1.heat.weight"},
      {LINEAR, "critic.0.head.weight", "critic.00head.weight"},
  };
  for (size_t i = 0; i < sizeof edits / sizeof *edits; i++) {
    sac_agent* agent = agent_of(edits[i].keys, 4);
    size_t size;
    char* file = policy_file_of(agent, &size);
    test_forget_checksum(file, size);
    ck_assert_int_eq(policy_status_of(file, size), SAC_POLICY_OK);
    char* copy = policy_edited(file, size, edits[i].from, edits[i].to);
    ck_assert_msg(policy_status_of(copy, size) == SAC_POLICY_FORMAT, "%s -> %s was taken", edits[i].from, edits[i].to);
    free(copy);

    /* any byte changed, and any shorter file: refused, or harmless (sanitizers) */
    const int first = i == 0 || strcmp(edits[i].keys, edits[i - 1].keys) != 0;
    for (size_t at = 0; first && at < size; at++) {
      file[at] = (char)(file[at] ^ 0x15);
      (void)policy_status_of(file, size);
      file[at] = (char)(file[at] ^ 0x15);
      ck_assert_int_eq(policy_status_of(file, at), SAC_POLICY_FORMAT);
    }
    free(file);
    sac_agent_destroy(agent);
  }
}
END_TEST

/* A Boltzmann policy with an actor in place of its second critic: all bytes belong to a tensor, but not all are used.
 */
START_TEST(tensors_of_both_kinds) {
  sac_agent* agent = agent_of(LINEAR, 4);
  size_t size;
  char* file = policy_file_of(agent, &size);
  test_forget_checksum(file, size);
  char* half = policy_edited(file, size, "\"critic.1.head.weight\":", "\"actor.head.weight\":   ");
  char* both = policy_edited(half, size, "\"critic.1.head.bias\":", "\"actor.head.bias\":   ");
  ck_assert_int_eq(policy_status_of(both, size), SAC_POLICY_FORMAT);
  char* softmax = policy_edited(both, size, "\"boltzmann\"", "\"softmax\"  ");
  ck_assert_int_eq(policy_status_of(softmax, size), SAC_POLICY_FORMAT);
  free(half), free(both);

  /* the first critic twice, in place of the second */
  half = policy_edited(file, size, "critic.1.head.weight", "critic.0.head.weight");
  both = policy_edited(half, size, "critic.1.head.bias", "critic.0.head.bias");
  ck_assert_int_eq(policy_status_of(both, size), SAC_POLICY_FORMAT);
  free(softmax), free(both), free(half), free(file);
  sac_agent_destroy(agent);
}
END_TEST

/* All critics have the same sizes. */
START_TEST(critics_of_other_sizes) {
  static const float zeros[16] = {0};
  static const sac_metadata metadata[] = {{"format", "sac-policy-2"}, {"policy", "boltzmann"}, {"critics_join", "min"}};
  for (int32_t in = 3; in > 1; in--) {
    const size_t row = sizeof *zeros * 4;
    const sac_file_tensor tensors[] = {{"critic.0.head.weight", SAC_F32, 2, {4, 3}, zeros, 3 * row},
                                       {"critic.0.head.bias", SAC_F32, 1, {4}, zeros, row},
                                       {"critic.1.head.weight", SAC_F32, 2, {4, in}, zeros, (size_t)in * row},
                                       {"critic.1.head.bias", SAC_F32, 1, {4}, zeros, row},
                                       {"log_alpha", SAC_F32, 0, {0}, zeros, sizeof *zeros}};
    const char* path = test_path(test_folder(), "critics");
    size_t size;
    ck_ok(sac_safetensors_write(path, tensors, 5, metadata, 3));
    char* file = test_read(path, &size);
    test_folder_remove();
    ck_assert_int_eq(policy_status_of(file, size), in == 3 ? SAC_POLICY_OK : SAC_POLICY_FORMAT);
    free(file);
  }
}
END_TEST

/* A file with a checksum is taken whole, or not at all. */
START_TEST(damaged_file) {
  sac_agent* agent = agent_of(_i ? BOLTZMANN : SOFTMAX, 4);
  size_t size;
  char* file = policy_file_of(agent, &size);
  file[size - 1] ^= 1;
  ck_assert_int_eq(policy_status_of(file, size), SAC_POLICY_DAMAGED);
  file[size - 1] ^= 1;
  test_forget_checksum(file, size);
  const float nan = NAN;
  memcpy(file + size - 4, &nan, 4);
  ck_assert_int_eq(policy_status_of(file, size), SAC_POLICY_NUMERIC);
  free(file);
  sac_agent_destroy(agent);
}
END_TEST

CHECK_MAIN("policy of discrete actions", LOOP(equals_the_agent, AGENTS), LOOP(first_of_equal_actions, 2),
           LOOP(nan_stays_nan, AGENTS), CASE(temperature_at_its_ends), CASE(other_kinds), CASE(hostile_files),
           CASE(tensors_of_both_kinds), CASE(critics_of_other_sizes), LOOP(damaged_file, 2))
