/* The public API from outside: what every call does with bad arguments, who owns what, and that objects do not meet.
 * Formats, learning and resume have tests of their own. */
#include <sac/sac.h>

#include "support/check_main.h"
#include "support/tolerances.h"

enum { O = 3, A = 2, B = 4, N = 8 };

static const float action_low[A] = {-2, 0}, action_high[A] = {2, 10};
static const sac_env_spec spec = {O, A, 0, 0, action_low, action_high};

/* What an out parameter points to before a call that must set it to NULL. */
static char marker[64];

static sac_config* make_config(const char* algo, const char* seeds) {
  sac_config* config = NULL;
  ck_ok(sac_config_create(&config));
  ck_ok(sac_config_set(config, "device", "cpu"));
  ck_ok(sac_config_set(config, "algo", algo));
  ck_ok(sac_config_set(config, "seeds", seeds));
  ck_ok(sac_config_set(config, "network.hidden", "8,8"));
  ck_ok(sac_config_set(config, "replay.batch", "4"));
  ck_ok(sac_config_set(config, "replay.capacity", "16"));
  return config;
}

static sac_agent* make_agent(const char* algo, const char* seeds) {
  sac_config* config = make_config(algo, seeds);
  sac_agent* agent = NULL;
  ck_ok(sac_agent_create(&agent, config, &spec));
  sac_config_destroy(config); /* the agent has its own copy */
  return agent;
}

/* Rows of plain numbers, for up to P = 2. */
typedef struct {
  float obs[2 * N * O], action[2 * N * A], reward[2 * N], terminated_float[2 * N], next_obs[2 * N * O];
  float noise[2 * N * A], next_noise[2 * N * A];
  uint8_t terminated[2 * N], truncated[2 * N];
} rows;

static rows make_rows(void) {
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

static sac_transitions transitions_of(const rows* r, int n) {
  return (sac_transitions){n, r->obs, r->action, r->reward, r->terminated, r->truncated, r->next_obs};
}

static sac_minibatch minibatch_of(const rows* r) {
  return (sac_minibatch){r->obs, r->action, r->reward, r->terminated_float, r->next_obs};
}

START_TEST(versions_and_names) {
  ck_assert_str_eq(sac_version(), SAC_VERSION);
  char text[32];
  (void)snprintf(text, sizeof text, "%d.%d.%d", SAC_VERSION_MAJOR, SAC_VERSION_MINOR, SAC_VERSION_PATCH);
  ck_assert_str_eq(text, SAC_VERSION);
#define NAME(code, value, meaning)                \
  ck_assert_str_eq(sac_status_name(code), #code); \
  ck_assert_int_eq(code, value);
  SAC_STATUS_LIST(NAME)
#undef NAME
  ck_assert_str_eq(sac_status_name((sac_status)99), "unknown status"); /* NOLINT: what a newer library may return */
  ck_assert(sac_last_error() != NULL);
}
END_TEST

/* --- Configuration. --- */

START_TEST(config_arguments) {
  ck_fails(sac_config_create(NULL), SAC_ERROR_ARGUMENT, "");
  sac_config* config = make_config("sac", "1");
  ck_fails(sac_config_preset(config, NULL), SAC_ERROR_ARGUMENT, "");
  ck_fails(sac_config_preset(config, ""), SAC_ERROR_ARGUMENT, "");
  ck_fails(sac_config_preset(NULL, "Pendulum-v1"), SAC_ERROR_ARGUMENT, "");
  ck_fails(sac_config_load(config, NULL), SAC_ERROR_ARGUMENT, "");
  ck_fails(sac_config_load(NULL, "x.yaml"), SAC_ERROR_ARGUMENT, "");
  ck_fails(sac_config_load(config, "/nonexistent/x.yaml"), SAC_ERROR_FILE, "/nonexistent/x.yaml");
  ck_fails(sac_config_set(NULL, "gamma", "0.9"), SAC_ERROR_ARGUMENT, "");
  ck_fails(sac_config_set(config, NULL, "0.9"), SAC_ERROR_ARGUMENT, "");
  ck_fails(sac_config_set(config, "gamma", NULL), SAC_ERROR_ARGUMENT, "");
  ck_fails(sac_config_set(config, "gama", "0.9"), SAC_ERROR_CONFIG, "gamma");
  ck_fails(sac_config_set(config, "gamma", "often"), SAC_ERROR_CONFIG, "gamma");
  ck_fails(sac_config_set(config, "gamma", "1.5"), SAC_ERROR_CONFIG, "gamma");
  ck_assert_str_eq(sac_config_get(config, "gamma"), "0.99"); /* what failed changed nothing */
  ck_assert(sac_config_get(config, "gama") == NULL);
  ck_assert(sac_config_get(config, NULL) == NULL);
  ck_assert(sac_config_get(NULL, "gamma") == NULL);
  sac_config_destroy(config);
  sac_config_destroy(NULL);
}
END_TEST

/* --- Agents: creation and ownership. --- */

START_TEST(create_refuses) {
  sac_config* config = make_config("sac", "1");
  sac_agent* agent = (void*)marker;
  ck_fails(sac_agent_create(NULL, config, &spec), SAC_ERROR_ARGUMENT, "agent");
  ck_fails(sac_agent_create(&agent, NULL, &spec), SAC_ERROR_ARGUMENT, "config");
  ck_assert(agent == NULL);
  agent = (void*)marker;
  ck_fails(sac_agent_create(&agent, config, NULL), SAC_ERROR_ARGUMENT, "spec");
  ck_assert(agent == NULL);

  const float infinite[A] = {-INFINITY, 0}, huge[A] = {3e38f, 10}, nan_bound[A] = {NAN, 0};
  const struct {
    sac_env_spec spec;
    const char* says;
  } bad[] = {
      {{0, A, 0, 0, action_low, action_high}, "obs_size 0"},
      {{-1, A, 0, 0, action_low, action_high}, "obs_size -1"},
      {{O, 0, 0, 0, action_low, action_high}, "action_size 0"},
      {{2000000000, A, 0, 0, action_low, action_high}, "obs_size"},
      {{O, A, 0, 0, NULL, action_high}, "action_low"},
      {{O, A, 0, 0, action_low, NULL}, "action_high"},
      {{O, A, 0, 0, action_high, action_low}, "bounds"},
      {{O, A, 0, 0, action_low, action_low}, "bounds"},
      {{O, A, 0, 0, infinite, action_high}, "finite"},
      {{O, A, 0, 0, action_low, huge}, "finite"},
      {{O, A, 0, 0, nan_bound, action_high}, "finite"},
      {{O, 1, 3, 0, NULL, NULL}, "discrete"},
  };
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
    agent = (void*)marker;
    const sac_status status = sac_agent_create(&agent, config, &bad[i].spec);
    ck_assert_msg(status != SAC_OK, "spec %zu", i);
    ck_assert_msg(strstr(sac_last_error(), bad[i].says) != NULL, "spec %zu: %s", i, sac_last_error());
    ck_assert(agent == NULL);
  }

  /* sizes that no machine has: an error that names what to lower, not a crash */
  ck_ok(sac_config_set(config, "replay.capacity", "1e15"));
  agent = (void*)marker;
  ck_fails(sac_agent_create(&agent, config, &spec), SAC_ERROR_MEMORY, "replay.capacity");
  ck_assert(agent == NULL);
  /* fields that contradict each other */
  ck_ok(sac_config_set(config, "replay.capacity", "2"));
  agent = (void*)marker;
  ck_fails(sac_agent_create(&agent, config, &spec), SAC_ERROR_CONFIG, "replay.capacity");
  ck_assert(agent == NULL);
  sac_config_destroy(config);
  sac_agent_destroy(NULL);
}
END_TEST

START_TEST(sizes_are_told) {
  sac_agent* agent = make_agent("sac", "2");
  int32_t p = 0, o = 0, a = 0, b = 0;
  sac_agent_sizes(agent, &p, &o, &a, &b);
  ck_assert(p == 2 && o == O && a == A && b == B);
  sac_agent_sizes(agent, NULL, NULL, NULL, NULL);
  sac_agent_destroy(agent);
}
END_TEST

/* --- Acting. --- */

START_TEST(act_arguments) {
  sac_agent* agent = make_agent("sac", "1");
  const rows r = make_rows();
  float action[N * A], log_prob[N];
  ck_fails(sac_agent_act(NULL, 1, r.obs, NULL, 0, action, NULL), SAC_ERROR_ARGUMENT, "agent");
  ck_fails(sac_agent_act(agent, 1, NULL, NULL, 0, action, NULL), SAC_ERROR_ARGUMENT, "obs");
  ck_fails(sac_agent_act(agent, 1, r.obs, NULL, 0, NULL, NULL), SAC_ERROR_ARGUMENT, "action");
  ck_fails(sac_agent_act(agent, 0, r.obs, NULL, 0, action, NULL), SAC_ERROR_ARGUMENT, "n is 0");
  ck_fails(sac_agent_act(agent, -3, r.obs, NULL, 0, action, NULL), SAC_ERROR_ARGUMENT, "n is -3");
  ck_ok(sac_agent_act(agent, N, r.obs, r.noise, 0, action, log_prob));
  for (int i = 0; i < N; i++) {
    ck_assert(isfinite(log_prob[i]));
    for (int k = 0; k < A; k++) ck_assert(action[i * A + k] >= action_low[k] && action[i * A + k] <= action_high[k]);
  }
  sac_agent_destroy(agent);
}
END_TEST

/* Any number of rows at once or one by one, with the same noise: the same actions. */
START_TEST(act_by_rows) {
  sac_agent* agent = make_agent("sac", "1");
  const rows r = make_rows();
  float together[N * A], alone[A], log_together[N], log_alone;
  for (int deterministic = 0; deterministic < 2; deterministic++) {
    ck_ok(sac_agent_act(agent, N, r.obs, r.noise, deterministic, together, deterministic ? NULL : log_together));
    for (int i = 0; i < N; i++) {
      ck_ok(sac_agent_act(agent, 1, r.obs + i * O, r.noise + i * A, deterministic, alone,
                          deterministic ? NULL : &log_alone));
      ck_near_array(alone, together + i * A, A, UPDATE_REL, UPDATE_ABS);
      if (!deterministic) ck_near(log_alone, log_together[i], UPDATE_ABS + UPDATE_REL * fabsf(log_alone));
    }
  }
  sac_agent_destroy(agent);
}
END_TEST

/* Noise of the agent's own advances; given noise and deterministic actions draw nothing. */
START_TEST(act_draws_its_own_noise) {
  sac_agent *one = make_agent("sac", "1"), *two = make_agent("sac", "1");
  const rows r = make_rows();
  float first[A], second[A], other[A];
  ck_ok(sac_agent_act(one, 1, r.obs, NULL, 0, first, NULL));
  ck_ok(sac_agent_act(one, 1, r.obs, NULL, 0, second, NULL));
  ck_assert(first[0] != second[0]);
  ck_ok(sac_agent_act(two, 1, r.obs, NULL, 0, other, NULL));
  ck_same_bits(other, first, A);
  ck_ok(sac_agent_act(two, 1, r.obs, r.noise, 0, other, NULL));
  ck_ok(sac_agent_act(two, 1, r.obs, NULL, 1, other, NULL));
  ck_ok(sac_agent_act(two, 1, r.obs, NULL, 0, other, NULL));
  ck_same_bits(other, second, A);
  sac_agent_destroy(one);
  sac_agent_destroy(two);
}
END_TEST

/* --- Pushing and updating. --- */

START_TEST(push_arguments) {
  sac_agent* agent = make_agent("sac", "1");
  rows r = make_rows();
  sac_transitions t = transitions_of(&r, N);
  ck_fails(sac_agent_push(NULL, &t), SAC_ERROR_ARGUMENT, "agent");
  ck_fails(sac_agent_push(agent, NULL), SAC_ERROR_ARGUMENT, "transitions");
  t.n = 0;
  ck_fails(sac_agent_push(agent, &t), SAC_ERROR_ARGUMENT, "n is 0");
  const void** arrays[] = {(const void**)&t.obs,        (const void**)&t.action,    (const void**)&t.reward,
                           (const void**)&t.terminated, (const void**)&t.truncated, (const void**)&t.next_obs};
  for (size_t i = 0; i < sizeof arrays / sizeof *arrays; i++) {
    t = transitions_of(&r, N);
    *arrays[i] = NULL;
    ck_fails(sac_agent_push(agent, &t), SAC_ERROR_ARGUMENT, "NULL");
  }
  t = transitions_of(&r, N);
  float* const values[] = {&r.obs[5], &r.reward[7], &r.next_obs[0], &r.action[3]};
  const char* const says[] = {"obs", "reward", "next_obs", "action"};
  for (int i = 0; i < 4; i++) {
    const float kept = *values[i];
    *values[i] = NAN;
    ck_fails(sac_agent_push(agent, &t), SAC_ERROR_NUMERIC, says[i]);
    *values[i] = INFINITY;
    ck_fails(sac_agent_push(agent, &t), SAC_ERROR_NUMERIC, says[i]);
    *values[i] = kept;
  }
  r.action[0] = 1.5f;
  ck_fails(sac_agent_push(agent, &t), SAC_ERROR_NUMERIC, "[-1, 1]");
  /* nothing of all that was stored */
  ck_fails(sac_agent_update(agent, 1), SAC_ERROR_ARGUMENT, "replay is empty");
  sac_agent_destroy(agent);
}
END_TEST

START_TEST(update_arguments) {
  sac_agent* agent = make_agent("sac", "1");
  const rows r = make_rows();
  sac_update_stats stats;
  ck_fails(sac_agent_update(NULL, 1), SAC_ERROR_ARGUMENT, "agent");
  ck_fails(sac_agent_update(agent, 1), SAC_ERROR_ARGUMENT, "replay is empty");
  ck_fails(sac_agent_stats(agent, &stats), SAC_ERROR_ARGUMENT, "no update");
  const sac_transitions t = transitions_of(&r, N);
  ck_ok(sac_agent_push(agent, &t));
  ck_fails(sac_agent_update(agent, -1), SAC_ERROR_ARGUMENT, "-1");
  ck_ok(sac_agent_update(agent, 0));
  ck_fails(sac_agent_stats(agent, &stats), SAC_ERROR_ARGUMENT, "no update");
  ck_ok(sac_agent_update(agent, 3));
  ck_ok(sac_agent_stats(agent, &stats));
  ck_assert(isfinite(stats.critic_loss) && stats.alpha > 0);
  ck_fails(sac_agent_stats(agent, NULL), SAC_ERROR_ARGUMENT, "NULL");
  ck_fails(sac_agent_stats(NULL, &stats), SAC_ERROR_ARGUMENT, "NULL");
  sac_agent_destroy(agent);
}
END_TEST

START_TEST(update_with_arguments) {
  const int is_v = _i == 1;
  sac_agent* agent = make_agent(is_v ? "sac-v" : "sac", "1");
  const rows r = make_rows();
  sac_minibatch m = minibatch_of(&r);
  sac_noise noise = {r.noise, r.next_noise};
  ck_fails(sac_agent_update_with(NULL, &m, &noise, NULL), SAC_ERROR_ARGUMENT, "NULL");
  ck_fails(sac_agent_update_with(agent, NULL, &noise, NULL), SAC_ERROR_ARGUMENT, "NULL");
  ck_fails(sac_agent_update_with(agent, &m, NULL, NULL), SAC_ERROR_ARGUMENT, "NULL");
  const float** arrays[] = {&m.obs, &m.action, &m.reward, &m.terminated, &m.next_obs};
  for (size_t i = 0; i < sizeof arrays / sizeof *arrays; i++) {
    m = minibatch_of(&r);
    *arrays[i] = NULL;
    ck_fails(sac_agent_update_with(agent, &m, &noise, NULL), SAC_ERROR_ARGUMENT, "minibatch");
  }
  m = minibatch_of(&r);
  noise = (sac_noise){NULL, r.next_noise};
  ck_fails(sac_agent_update_with(agent, &m, &noise, NULL), SAC_ERROR_ARGUMENT, "noise");
  noise = (sac_noise){r.noise, NULL};
  if (is_v) ck_ok(sac_agent_update_with(agent, &m, &noise, NULL)); /* sac-v has no use for it */
  else ck_fails(sac_agent_update_with(agent, &m, &noise, NULL), SAC_ERROR_ARGUMENT, "noise");
  sac_agent_destroy(agent);
}
END_TEST

/* update_with draws nothing and leaves the replay alone: what it is not, update is. */
START_TEST(update_with_repeats) {
  sac_agent *one = make_agent("sac", "1"), *two = make_agent("sac", "1");
  const rows r = make_rows();
  const sac_minibatch m = minibatch_of(&r);
  const sac_noise noise = {r.noise, r.next_noise};
  sac_update_stats first, second;
  ck_ok(sac_agent_update_with(one, &m, &noise, &first));
  ck_ok(sac_agent_update_with(two, &m, &noise, &second));
  ck_assert_mem_eq(&first, &second, sizeof first);
  ck_fails(sac_agent_update(one, 1), SAC_ERROR_ARGUMENT, "replay is empty");
  ck_ok(sac_agent_stats(one, &second));
  ck_assert_mem_eq(&first, &second, sizeof first);
  ck_assert_double_eq(second.value_loss, 0);
  sac_agent_destroy(one);
  sac_agent_destroy(two);
}
END_TEST

/* A reward that overflows: the message names a tensor, and the agent does not go on as if nothing were. */
START_TEST(not_finite_stops) {
  sac_agent* agent = make_agent("sac", "1");
  rows r = make_rows();
  for (int i = 0; i < N; i++) r.reward[i] = 3e38f;
  const sac_minibatch m = minibatch_of(&r);
  const sac_noise noise = {r.noise, r.next_noise};
  ck_fails(sac_agent_update_with(agent, &m, &noise, NULL), SAC_ERROR_NUMERIC, "");
  ck_assert_msg(strstr(sac_last_error(), "critic") != NULL, "%s", sac_last_error());
  /* it stays stopped: good data does not revive it */
  const rows good = make_rows();
  const sac_minibatch g = minibatch_of(&good);
  const sac_transitions t = transitions_of(&good, N);
  ck_ok(sac_agent_push(agent, &t));
  ck_fails(sac_agent_update_with(agent, &g, &noise, NULL), SAC_ERROR_NUMERIC, "");
  ck_fails(sac_agent_update(agent, 1), SAC_ERROR_NUMERIC, "");
  sac_agent_destroy(agent);
}
END_TEST

/* One agent of a population stops; the other is what it would have been alone. */
START_TEST(not_finite_stops_one) {
  sac_agent *both = make_agent("sac", "2"), *alone = NULL;
  sac_config* config = make_config("sac", "1");
  ck_ok(sac_config_set(config, "seed", "2"));
  ck_ok(sac_agent_create(&alone, config, &spec));
  sac_config_destroy(config);
  rows r = make_rows();
  r.reward[0] = 3e38f;
  const sac_minibatch m = minibatch_of(&r); /* agent 1 has rows B to 2B */
  const sac_minibatch its = {r.obs + B * O, r.action + B * A, r.reward + B, r.terminated_float + B, r.next_obs + B * O};
  const sac_noise noise = {r.noise, r.next_noise}, its_noise = {r.noise + B * A, r.next_noise + B * A};
  sac_update_stats stats[2], its_stats;
  ck_fails(sac_agent_update_with(both, &m, &noise, stats), SAC_ERROR_NUMERIC, "");
  ck_ok(sac_agent_update_with(both, &m, &noise, stats));
  ck_ok(sac_agent_update_with(alone, &its, &its_noise, NULL));
  ck_ok(sac_agent_update_with(alone, &its, &its_noise, &its_stats));
  ck_assert_mem_eq(&stats[1], &its_stats, sizeof its_stats);
  sac_agent_destroy(both);
  sac_agent_destroy(alone);
}
END_TEST

/* --- Tensors. --- */

START_TEST(tensors_by_name) {
  const int is_v = _i % 2, population = 1 + _i / 2;
  sac_agent* agent = make_agent(is_v ? "sac-v" : "sac", population == 1 ? "1" : "2");
  const int32_t count = sac_agent_tensor_count(agent);
  /* networks of 3 layers, weight and bias: actor, 2 critics and 2 targets, or a value network and its target */
  ck_assert_int_eq(count, (is_v ? 5 : 5) * 6 + 1);
  ck_assert_int_eq(sac_agent_tensor_count(NULL), 0);
  int trained = 0, log_alpha = 0;
  for (int32_t i = 0; i < count; i++) {
    sac_tensor_info info;
    ck_ok(sac_agent_tensor_info(agent, i, &info));
    size_t n = (size_t)population;
    for (int32_t d = 0; d < info.rank; d++) n *= (size_t)info.dims[d];
    float data[2 * 8 * 8], back[2 * 8 * 8];
    ck_assert_uint_le(n, sizeof data / sizeof *data);
    ck_ok(sac_agent_tensor_get(agent, info.name, data, n));
    for (size_t e = 0; e < n; e++) data[e] = (float)e - 0.25f * (float)i;
    ck_ok(sac_agent_tensor_set(agent, info.name, data, n));
    ck_ok(sac_agent_tensor_get(agent, info.name, back, n));
    ck_same_bits(back, data, n);
    ck_fails(sac_agent_tensor_get(agent, info.name, data, n + 1), SAC_ERROR_SHAPE, info.name);
    ck_fails(sac_agent_tensor_set(agent, info.name, data, n - 1), SAC_ERROR_SHAPE, info.name);
    data[n - 1] = NAN;
    ck_fails(sac_agent_tensor_set(agent, info.name, data, n), SAC_ERROR_NUMERIC, info.name);
    ck_ok(sac_agent_tensor_get(agent, info.name, data, n));
    ck_same_bits(back, data, n);
    static const char* const groups[] = {"grad/", "adam_m/", "adam_v/"};
    for (int g = 0; g < 3; g++) {
      char name[96];
      (void)snprintf(name, sizeof name, "%s%s", groups[g], info.name);
      if (info.trained) {
        ck_ok(sac_agent_tensor_get(agent, name, data, n));
        for (size_t e = 0; e < n; e++) ck_assert(data[e] == 0); /* before any update */
      } else {
        ck_fails(sac_agent_tensor_get(agent, name, data, n), SAC_ERROR_ARGUMENT, name);
      }
    }
    trained += info.trained;
    log_alpha += strcmp(info.name, "log_alpha") == 0;
    ck_assert_int_eq(info.trained, strstr(info.name, "_target") == NULL);
  }
  ck_assert_int_eq(log_alpha, 1);
  ck_assert_int_eq(trained, (is_v ? 4 : 3) * 6 + 1);
  sac_agent_destroy(agent);
}
END_TEST

START_TEST(tensor_arguments) {
  sac_agent* agent = make_agent("sac", "1");
  sac_tensor_info info;
  float data[1] = {0};
  ck_fails(sac_agent_tensor_info(NULL, 0, &info), SAC_ERROR_ARGUMENT, "NULL");
  ck_fails(sac_agent_tensor_info(agent, 0, NULL), SAC_ERROR_ARGUMENT, "NULL");
  ck_fails(sac_agent_tensor_info(agent, -1, &info), SAC_ERROR_ARGUMENT, "-1");
  ck_fails(sac_agent_tensor_info(agent, sac_agent_tensor_count(agent), &info), SAC_ERROR_ARGUMENT, "there are");
  ck_fails(sac_agent_tensor_get(NULL, "log_alpha", data, 1), SAC_ERROR_ARGUMENT, "NULL");
  ck_fails(sac_agent_tensor_get(agent, NULL, data, 1), SAC_ERROR_ARGUMENT, "NULL");
  ck_fails(sac_agent_tensor_get(agent, "log_alpha", NULL, 1), SAC_ERROR_ARGUMENT, "NULL");
  ck_fails(sac_agent_tensor_set(agent, "log_alpha", NULL, 1), SAC_ERROR_ARGUMENT, "NULL");
  static const char* const absent[] = {"",
                                       "actor",
                                       "grad/",
                                       "critic.2.head.bias",
                                       "value.head.bias",
                                       "grad/grad/log_alpha",
                                       "grad/critic_target.0.head.bias",
                                       "actor.layers.2.bias"};
  for (size_t i = 0; i < sizeof absent / sizeof *absent; i++)
    ck_fails(sac_agent_tensor_get(agent, absent[i], data, 1), SAC_ERROR_ARGUMENT, absent[i]);
  sac_agent_destroy(agent);
}
END_TEST

/* What is written is what acts: the library refreshes whatever it derives from weights. */
START_TEST(set_weights_act) {
  sac_agent* agent = make_agent("sac", "1");
  const rows r = make_rows();
  const float zero[2 * A * 8] = {0}, bias[2 * A] = {0.5f, -1.0f, 0, 0};
  float action[A];
  ck_ok(sac_agent_tensor_set(agent, "actor.head.weight", zero, 2 * A * 8));
  ck_ok(sac_agent_tensor_set(agent, "actor.head.bias", bias, 2 * A));
  ck_ok(sac_agent_act(agent, 1, r.obs, NULL, 1, action, NULL));
  ck_near(action[0], 2 * tanh(0.5), 2 * FORMULA_FLOAT_REL);
  ck_near(action[1], 5 + 5 * tanh(-1.0), 10 * FORMULA_FLOAT_REL);
  sac_agent_destroy(agent);
}
END_TEST

/* --- Independence. --- */

static void snapshot(const sac_agent* agent, float* to, size_t max) {
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

START_TEST(agents_are_independent) {
  enum { MAX = 2048 };
  static float before[MAX], after[MAX];
  sac_agent *one = make_agent("sac", "1"), *two = make_agent("sac-v", "1");
  const rows r = make_rows();
  const sac_transitions t = transitions_of(&r, N);
  ck_ok(sac_agent_push(one, &t));
  ck_ok(sac_agent_push(two, &t));
  snapshot(one, before, MAX);
  ck_ok(sac_agent_update(two, 5));
  snapshot(one, after, MAX);
  ck_same_bits(after, before, MAX);
  sac_agent_destroy(two); /* and the other lives on */
  ck_ok(sac_agent_update(one, 5));
  snapshot(one, after, MAX);
  ck_assert(memcmp(after, before, sizeof after) != 0);
  sac_agent_destroy(one);
}
END_TEST

/* Inputs are copied before a call returns. */
START_TEST(inputs_are_copied) {
  enum { MAX = 2048 };
  static float kept[MAX], changed[MAX];
  sac_agent *one = make_agent("sac", "1"), *two = make_agent("sac", "1");
  const rows r = make_rows();
  rows* gone = malloc(sizeof *gone);
  *gone = r;
  const sac_transitions t = transitions_of(&r, N), u = transitions_of(gone, N);
  ck_ok(sac_agent_push(one, &t));
  ck_ok(sac_agent_push(two, &u));
  memset(gone, 0x7f, sizeof *gone);
  free(gone);
  ck_ok(sac_agent_update(one, 2));
  ck_ok(sac_agent_update(two, 2));
  snapshot(one, kept, MAX);
  snapshot(two, changed, MAX);
  ck_same_bits(changed, kept, MAX);
  sac_agent_destroy(one);
  sac_agent_destroy(two);
}
END_TEST

/* --- Files. --- */

START_TEST(save_and_load) {
  const char* algo = _i ? "sac-v" : "sac";
  char path[] = "/tmp/sac_api_XXXXXX";
  const int fd = mkstemp(path);
  ck_assert_int_ge(fd, 0);
  enum { MAX = 2048 };
  static float before[MAX], after[MAX];
  sac_agent *agent = make_agent(algo, "1"), *loaded = (void*)marker;
  const rows r = make_rows();
  const sac_transitions t = transitions_of(&r, N);
  ck_ok(sac_agent_push(agent, &t));
  ck_ok(sac_agent_update(agent, 3));
  ck_ok(sac_agent_save(agent, path));
  ck_ok(sac_agent_load(&loaded, path, NULL));
  snapshot(agent, before, MAX);
  snapshot(loaded, after, MAX);
  ck_same_bits(after, before, MAX);
  float ours[A], theirs[A];
  ck_ok(sac_agent_act(agent, 1, r.obs, NULL, 0, ours, NULL));
  ck_ok(sac_agent_act(loaded, 1, r.obs, NULL, 0, theirs, NULL)); /* the same noise too: counters are saved */
  ck_same_bits(theirs, ours, A);
  ck_fails(sac_agent_update(loaded, 1), SAC_ERROR_ARGUMENT, "replay is empty");
  /* moments and counters go on: the same update does the same */
  const sac_minibatch m = minibatch_of(&r);
  const sac_noise noise = {r.noise, r.next_noise};
  ck_ok(sac_agent_update_with(agent, &m, &noise, NULL));
  ck_ok(sac_agent_update_with(loaded, &m, &noise, NULL));
  snapshot(agent, before, MAX);
  snapshot(loaded, after, MAX);
  ck_same_bits(after, before, MAX);
  sac_agent_destroy(loaded);

  ck_fails(sac_agent_save(NULL, path), SAC_ERROR_ARGUMENT, "NULL");
  ck_fails(sac_agent_save(agent, NULL), SAC_ERROR_ARGUMENT, "NULL");
  ck_fails(sac_agent_save(agent, "/nonexistent/agent.safetensors"), SAC_ERROR_FILE, "/nonexistent");
  ck_fails(sac_agent_load(NULL, path, NULL), SAC_ERROR_ARGUMENT, "NULL");
  loaded = agent;
  ck_fails(sac_agent_load(&loaded, NULL, NULL), SAC_ERROR_ARGUMENT, "NULL");
  ck_assert(loaded == NULL);
  loaded = agent;
  ck_fails(sac_agent_load(&loaded, "/nonexistent/agent.safetensors", NULL), SAC_ERROR_FILE, "/nonexistent");
  ck_assert(loaded == NULL);
  FILE* file = fopen(path, "wb");
  (void)fputs("no agent", file);
  (void)fclose(file);
  loaded = agent;
  ck_fails(sac_agent_load(&loaded, path, NULL), SAC_ERROR_FORMAT, path);
  ck_assert(loaded == NULL);
  (void)remove(path);
  sac_agent_destroy(agent);
}
END_TEST

/* --- Policies and runs: what they do with nothing. --- */

START_TEST(policy_arguments) {
  sac_policy* policy = (void*)marker;
  _Alignas(16) unsigned char memory[64];
  ck_assert_uint_eq(sac_policy_memory(NULL, 0), 0);
  ck_assert_uint_eq(sac_policy_memory("no policy", 9), 0);
  ck_assert_int_eq(sac_policy_create(&policy, "no policy", 9, memory, sizeof memory), SAC_POLICY_FORMAT);
  ck_assert(policy == NULL);
  sac_agent* agent = make_agent("sac", "1");
  ck_fails(sac_agent_policy(agent, NULL), SAC_ERROR_ARGUMENT, "NULL");
  ck_fails(sac_agent_policy(NULL, NULL), SAC_ERROR_ARGUMENT, "NULL");
  sac_agent_destroy(agent);
}
END_TEST

START_TEST(run_arguments) {
  sac_run* run = (void*)marker;
  sac_config* config = make_config("sac", "1");
  ck_fails(sac_run_create(NULL, config, NULL, NULL), SAC_ERROR_ARGUMENT, "NULL");
  ck_fails(sac_run_create(&run, NULL, NULL, NULL), SAC_ERROR_ARGUMENT, "NULL");
  ck_assert(run == NULL);
  run = (void*)marker;
  ck_ok(sac_config_set(config, "env.id", "NoSuchTask-v0"));
  ck_fails(sac_run_create(&run, config, NULL, NULL), SAC_ERROR_ENV, "NoSuchTask-v0");
  ck_assert(run == NULL);
  run = (void*)marker;
  ck_fails(sac_run_resume(&run, NULL, NULL, NULL, NULL), SAC_ERROR_ARGUMENT, "no folder");
  ck_assert(run == NULL);
  run = (void*)marker;
  ck_fails(sac_run_resume(&run, "/nonexistent", NULL, NULL, NULL), SAC_ERROR_FILE, "/nonexistent");
  ck_assert(run == NULL);
  ck_fails(sac_run_resume(NULL, "/nonexistent", NULL, NULL, NULL), SAC_ERROR_ARGUMENT, "NULL");
  ck_fails(sac_run_steps(NULL, 1), SAC_ERROR_ARGUMENT, "NULL");
  ck_fails(sac_run_save(NULL), SAC_ERROR_ARGUMENT, "NULL");
  sac_run_destroy(NULL);
  sac_config_destroy(config);
}
END_TEST

CHECK_MAIN("api", CASE(versions_and_names), CASE(config_arguments), CASE(create_refuses), CASE(sizes_are_told),
           CASE(act_arguments), CASE(act_by_rows), CASE(act_draws_its_own_noise), CASE(push_arguments),
           CASE(update_arguments), LOOP(update_with_arguments, 2), CASE(update_with_repeats), CASE(not_finite_stops),
           CASE(not_finite_stops_one), LOOP(tensors_by_name, 4), CASE(tensor_arguments), CASE(set_weights_act),
           CASE(agents_are_independent), CASE(inputs_are_copied), LOOP(save_and_load, 2), CASE(policy_arguments),
           CASE(run_arguments))
