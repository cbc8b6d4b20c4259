/* Any bytes as a sequence of calls of an agent's API. A second agent gets the calls that succeeded and no others. Each
 * call that is refused says why and changes nothing, so both agents end with the same bits. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <sac/sac.h>

#include "support/config_of.h"
#include "support/folder.h"

int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size);

enum { O = 2, A = 2, B = 2, N_MAX = 3, CAPACITY = 8, POPULATION_MAX = 2, FLOATS_MAX = 4096, CALLS_MAX = 64 };

#define REQUIRE(condition)                                                             \
  do {                                                                                 \
    if (!(condition)) {                                                                \
      fprintf(stderr, "%s fails in %s: %s\n", #condition, __func__, sac_last_error()); \
      abort();                                                                         \
    }                                                                                  \
  } while (0)

/* --- the input ---------------------------------------------------------------------------------------------------- */

typedef struct {
  const uint8_t* at;
  size_t left;
} bytes;

/* The next byte below `limit`; 0 at the end. */
static int take(bytes* input, int limit) {
  if (input->left == 0) return 0;
  input->left--;
  return *input->at++ % limit;
}

/* A number: most are small, a few are at the border or not finite. */
static float number(bytes* input) {
  static const float odd[] = {NAN, INFINITY, -INFINITY, 1.0001f, -1.0001f, 3e38f, 1e-45f, -0.0f};
  const int k = take(input, 256);
  return k >= 248 ? odd[k - 248] : (float)(k - 124) / 124;
}

/* `count` numbers, or NULL now and then. */
static const float* numbers(bytes* input, float* to, int count) {
  const int kind = take(input, 32);
  if (kind == 31) return NULL;

  /* most arrays come from one byte, so that sequences stay short; some have a number of their own in each place */
  const int first = take(input, 248);
  for (int i = 0; i < count; i++)
    to[i] = kind >= 24 && input->left ? number(input) : (float)((first * 31 + i * 57) % 249 - 124) / 124;
  return to;
}

static const uint8_t* flags(bytes* input, uint8_t* to, int count) {
  const int kind = take(input, 32);
  if (kind == 31) return NULL;
  for (int i = 0; i < count; i++) to[i] = (uint8_t)((kind >> i % 4) & 1);
  return to;
}

/* --- an agent and its twin ---------------------------------------------------------------------------------------- */

typedef struct {
  sac_agent *agent, *twin;
  int population, pushed; /* P; whether the replay has transitions */
  const char* path;       /* of a file to save to */
} pair;

/* All tensors, with Adam's moments. Returns how many floats. */
static size_t snapshot(const sac_agent* agent, int population, float* to) {
  static const char* const prefixes[] = {"", "adam_m/", "adam_v/"};
  size_t used = 0;
  for (int32_t t = 0; t < sac_agent_tensor_count(agent); t++) {
    sac_tensor_info info;
    char name[128];
    REQUIRE(sac_agent_tensor_info(agent, t, &info) == SAC_OK);

    /* find the size, and copy the tensor and its moments */
    size_t count = (size_t)population;
    for (int32_t d = 0; d < info.rank; d++) count *= (size_t)info.dims[d];
    for (int k = 0; k < (info.trained ? 3 : 1); k++) {
      snprintf(name, sizeof name, "%s%s", prefixes[k], info.name);
      REQUIRE(used + count <= FLOATS_MAX);
      REQUIRE(sac_agent_tensor_get(agent, name, to + used, count) == SAC_OK);
      used += count;
    }
  }
  return used;
}

/* Whether both agents have the same bits, also those of a NaN. */
static int same(const sac_agent* a, const sac_agent* b, int population) {
  static float first[FLOATS_MAX], second[FLOATS_MAX];
  const size_t count = snapshot(a, population, first);
  return snapshot(b, population, second) == count && memcmp(first, second, count * sizeof *first) == 0;
}

/* The errors of <sac/agent.h> that calls here may give. */
enum {
  ARGUMENT = 1 << SAC_ERROR_ARGUMENT,
  SHAPE = 1 << SAC_ERROR_SHAPE,
  NUMERIC = 1 << SAC_ERROR_NUMERIC,
  IN_FILE = 1 << SAC_ERROR_FILE,
};

/* Checks what a call leaves behind. errors: those that its header names. stops: whether it may stop an agent. Returns
 * whether the twin makes the call too: where it succeeded, and where it stopped an agent, which is a result. */
static int accepted(const pair* p, sac_status status, int stops, int errors) {
  if (status == SAC_OK) {
    REQUIRE(sac_last_error()[0] == '\0');
    return 1;
  }

  /* one line of text says why */
  REQUIRE(errors & 1 << status);
  REQUIRE(sac_last_error()[0] != '\0' && !strchr(sac_last_error(), '\n'));
  if (stops && status == SAC_ERROR_NUMERIC) return 1;
  REQUIRE(same(p->agent, p->twin, p->population));
  return 0;
}

/* --- the calls ---------------------------------------------------------------------------------------------------- */

static void call_act(pair* p, bytes* input) {
  float obs[POPULATION_MAX * N_MAX * O], noise[POPULATION_MAX * N_MAX * A], log_prob[POPULATION_MAX * N_MAX];
  float action[POPULATION_MAX * N_MAX * A], twins[POPULATION_MAX * N_MAX * A];
  const int n = take(input, N_MAX + 2) - 1, count = n > 0 ? p->population * n : 0, deterministic = take(input, 2);
  const float* in = numbers(input, obs, count * O);
  const float* eps = take(input, 2) ? numbers(input, noise, count * A) : NULL;
  const sac_status status = sac_agent_act(p->agent, n, in, eps, deterministic, action, log_prob);
  if (!accepted(p, status, 1, ARGUMENT | NUMERIC)) return;

  /* the twin chooses the same actions, inside the bounds; an action that overflows has drawn its noise */
  REQUIRE(sac_agent_act(p->twin, n, in, eps, deterministic, twins, log_prob) == status);
  if (status != SAC_OK) return;
  REQUIRE(memcmp(action, twins, sizeof *action * (size_t)(count * A)) == 0);
  for (int i = 0; i < count * A; i++) REQUIRE(action[i] >= (i % A ? 0.1f : -2) && action[i] <= (i % A ? 0.3f : 2));
}

static void call_push(pair* p, bytes* input) {
  enum { ROWS = POPULATION_MAX * N_MAX };
  float obs[ROWS * O], action[ROWS * A], reward[ROWS], next_obs[ROWS * O];
  uint8_t terminated[ROWS], truncated[ROWS];
  const int n = take(input, N_MAX + 2) - 1, count = n > 0 ? p->population * n : 0;
  const sac_transitions rows = {n,
                                numbers(input, obs, count * O),
                                numbers(input, action, count * A),
                                numbers(input, reward, count),
                                flags(input, terminated, count),
                                flags(input, truncated, count),
                                numbers(input, next_obs, count * O)};
  if (!accepted(p, sac_agent_push(p->agent, take(input, 64) == 63 ? NULL : &rows), 0, ARGUMENT | NUMERIC)) return;
  REQUIRE(sac_agent_push(p->twin, &rows) == SAC_OK);
  p->pushed |= n > 0;
}

static void call_update(pair* p, bytes* input) {
  const int32_t updates = take(input, 5) - 1;
  const sac_status status = sac_agent_update(p->agent, updates);
  REQUIRE(status != SAC_OK || updates == 0 || p->pushed);
  if (accepted(p, status, 1, ARGUMENT | NUMERIC)) REQUIRE(sac_agent_update(p->twin, updates) == status);
}

static void call_update_with(pair* p, bytes* input) {
  enum { ROWS = POPULATION_MAX * B };
  float obs[ROWS * O], action[ROWS * A], reward[ROWS], terminated[ROWS], next_obs[ROWS * O];
  float noise[ROWS * A], next_noise[ROWS * A];
  const int count = p->population * B;
  const sac_minibatch minibatch = {numbers(input, obs, count * O), numbers(input, action, count * A),
                                   numbers(input, reward, count), numbers(input, terminated, count),
                                   numbers(input, next_obs, count * O)};
  const sac_noise eps = {numbers(input, noise, count * A), numbers(input, next_noise, count * A)};
  sac_update_stats stats[POPULATION_MAX];
  const sac_status status = sac_agent_update_with(p->agent, &minibatch, &eps, take(input, 2) ? stats : NULL);
  if (accepted(p, status, 1, ARGUMENT | NUMERIC))
    REQUIRE(sac_agent_update_with(p->twin, &minibatch, &eps, NULL) == status);
}

static void call_tensor_set(pair* p, bytes* input) {
  static const char* const prefixes[] = {"", "adam_m/", "adam_v/", "grad/", "x"};
  float value[64];
  char name[128];
  sac_tensor_info info;
  const int32_t index = take(input, sac_agent_tensor_count(p->agent) + 1);
  if (!accepted(p, sac_agent_tensor_info(p->agent, index, &info), 0, ARGUMENT)) return;

  /* the right number of values, but for a few calls */
  size_t count = (size_t)p->population;
  for (int32_t d = 0; d < info.rank; d++) count *= (size_t)info.dims[d];
  if (take(input, 8) == 7) count++;
  snprintf(name, sizeof name, "%s%s", prefixes[take(input, 16) % 5], info.name);
  REQUIRE(count <= 64);
  const float* data = numbers(input, value, (int)count);
  if (accepted(p, sac_agent_tensor_set(p->agent, name, data, count), 0, ARGUMENT | SHAPE | NUMERIC))
    REQUIRE(sac_agent_tensor_set(p->twin, name, data, count) == SAC_OK);
}

static void call_stats(pair* p, bytes* input) {
  sac_update_stats stats[POPULATION_MAX];
  (void)input;
  (void)accepted(p, sac_agent_stats(p->agent, stats), 0, ARGUMENT);
}

/* Saves and loads both agents, which go on as the loaded ones, with an empty replay. */
static void call_save(pair* p, bytes* input) {
  sac_agent* loaded[2] = {NULL, NULL};
  sac_agent** both[2] = {&p->agent, &p->twin};
  char path[512];
  snprintf(path, sizeof path, take(input, 8) == 7 ? "%s/no/folder" : "%s/agent", p->path);
  if (!accepted(p, sac_agent_save(p->agent, path), 0, IN_FILE | NUMERIC)) return;
  for (int i = 0; i < 2; i++) {
    REQUIRE(sac_agent_save(*both[i], path) == SAC_OK);
    REQUIRE(sac_agent_load(&loaded[i], path, "cpu") == SAC_OK);
    REQUIRE(same(*both[i], loaded[i], p->population));
    sac_agent_destroy(*both[i]);
    *both[i] = loaded[i];
  }
  p->pushed = 0;
}

/* A file that is none, and a configuration that cannot be. */
static void call_load(pair* p, bytes* input) {
  sac_agent* loaded = p->agent;
  char path[512];
  snprintf(path, sizeof path, "%s/bad", p->path);
  test_write(path, input->at, input->left);
  REQUIRE(sac_agent_load(&loaded, path, "cpu") != SAC_OK && !loaded && sac_last_error()[0]);
  REQUIRE(sac_agent_load(&loaded, p->path, "cpu") != SAC_OK && !loaded && sac_last_error()[0]);
}

/* --- the target --------------------------------------------------------------------------------------------------- */

static sac_agent* make(const sac_config* config) {
  static const float low[A] = {-2, 0.1f}, high[A] = {2, 0.3f};
  static const sac_env_spec spec = {O, A, 0, 0, low, high};
  sac_agent* agent = NULL;
  REQUIRE(sac_agent_create(&agent, config, &spec) == SAC_OK);
  return agent;
}

int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  /* files are slow, so they are rare */
  static void (*const calls[])(pair*, bytes*) = {
      call_act,    call_push,        call_update,     call_update_with, call_act,    call_push,
      call_update, call_update_with, call_push,       call_tensor_set,  call_update, call_tensor_set,
      call_push,   call_update_with, call_tensor_set, call_stats,       call_load,   call_save};
  static char folder[256];
  bytes input = {data, size};
  if (!folder[0]) {
    snprintf(folder, sizeof folder, "%s", test_folder_in_memory());
    atexit(test_folder_remove);
  }

  /* make two equal agents */
  const int population = 1 + take(&input, POPULATION_MAX);
  sac_config* config = config_of(
      "device=cpu cpu.threads=1 algo=%s seeds=%d network.hidden=3 replay.batch=%d replay.capacity=%d "
      "network.critics=%d",
      take(&input, 2) ? "sac-v" : "sac", population, B, CAPACITY, 1 + take(&input, 2));
  pair p = {make(config), make(config), population, 0, folder};
  sac_config_destroy(config);

  /* make the calls, and compare what they led to */
  for (int k = 0; k < CALLS_MAX && input.left; k++)
    calls[take(&input, (int)(sizeof calls / sizeof *calls))](&p, &input);
  REQUIRE(same(p.agent, p.twin, population));
  sac_agent_destroy(p.agent);
  sac_agent_destroy(p.twin);
  return 0;
}
