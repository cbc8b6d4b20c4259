/* The public API of agents with discrete actions: their kind, their numbers, the policy against one in double, and
 * updates. Both algorithms run each case. Populations and files are in test_api_discrete_files.c. */
#include "support/api_discrete.h"

/* --- creation ----------------------------------------------------------------------------------------------------- */

/* Actions of a kind that the algorithm does not take: the message names one that does. */
START_TEST(kinds_of_actions) {
  static const struct {
    const char *algo, *says;
    int discrete;
  } bad[] = {
      {"sac", "has 5 discrete actions; algo 'sac' needs continuous ones: --set algo=sac-discrete", 1},
      {"sac-v", "has 5 discrete actions; algo 'sac-v' needs continuous ones: --set algo=sac-discrete", 1},
      {"sac-discrete", "has continuous actions; algo 'sac-discrete' needs discrete ones: --set algo=sac", 0},
      {"soft-q", "has continuous actions; algo 'soft-q' needs discrete ones: --set algo=sac", 0},
  };
  sac_config* config = make_config(bad[_i].algo, "1");
  sac_agent* agent = (void*)marker;
  ck_fails(sac_agent_create(&agent, config, bad[_i].discrete ? &discrete : &spec), SAC_ERROR_CONFIG, bad[_i].says);
  ck_assert_ptr_null(agent);
  ck_ok(sac_agent_create(&agent, config, bad[_i].discrete ? &spec : &discrete));
  sac_agent_destroy(agent);
  sac_config_destroy(config);
}
END_TEST

/* Sizes that no discrete actions have, and the mean of critics with continuous ones. */
START_TEST(create_refuses) {
  static const struct {
    sac_env_spec spec;
    const char* says;
  } bad[] = {{{O, 1, 1, 0, NULL, NULL}, "1 discrete actions; actions must be 2 to 65536"},
             {{O, 2, D, 0, NULL, NULL}, "5 discrete actions in 2 numbers"},
             {{O, 1, 65537, 0, NULL, NULL}, "65537 discrete actions"}};
  for (size_t i = 0; i < ALGOS; i++) {
    sac_config* config = make_config(discrete_algos[i], "1");
    for (size_t s = 0; s < sizeof bad / sizeof *bad; s++) {
      sac_agent* agent = (void*)marker;
      ck_fails(sac_agent_create(&agent, config, &bad[s].spec), SAC_ERROR_ENV, bad[s].says);
      ck_assert_ptr_null(agent);
    }
    sac_config_destroy(config);
  }

  static const char* const continuous[] = {"sac", "sac-v"};
  for (int i = 0; i < 2; i++) {
    sac_config* config = make_config(continuous[i], "1");
    sac_agent* agent = (void*)marker;
    char says[96];
    (void)snprintf(says, sizeof says, "network.critics_join = mean needs discrete actions; algo '%s'", continuous[i]);
    ck_ok(sac_config_set(config, "network.critics_join", "mean"));
    ck_fails(sac_agent_create(&agent, config, &spec), SAC_ERROR_CONFIG, says);
    ck_assert_ptr_null(agent);
    sac_config_destroy(config);
  }
}
END_TEST

/* The heads have a row for each action; soft-q has no actor at all. */
START_TEST(tensors) {
  const int has_actor = _i == 1;
  sac_agent* agent = discrete_agent(discrete_algos[_i], "1", "min");
  int32_t actors = 0, heads = 0, p, o, a, b;
  for (int32_t i = 0; i < sac_agent_tensor_count(agent); i++) {
    sac_tensor_info info;
    ck_ok(sac_agent_tensor_info(agent, i, &info));
    actors += strncmp(info.name, "actor", 5) == 0;
    if (strstr(info.name, "head.weight")) {
      ck_assert(info.rank == 2 && info.dims[0] == D && info.dims[1] == H);
      heads++;
    }
    if (strstr(info.name, "head.bias")) ck_assert(info.rank == 1 && info.dims[0] == D);
    if (strstr(info.name, "layers.0.weight")) ck_assert(info.dims[0] == H && info.dims[1] == O);
  }
  ck_assert_int_eq(actors, has_actor ? 6 : 0);
  ck_assert_int_eq(heads, 2 * K + has_actor);
  ck_assert_int_eq(sac_agent_tensor_count(agent), (2 * K + has_actor) * 6 + 1);
  float head[D * H];
  if (!has_actor)
    ck_fails(sac_agent_tensor_get(agent, "actor.head.weight", head, D * H), SAC_ERROR_ARGUMENT, "no tensor 'actor");
  sac_agent_sizes(agent, &p, &o, &a, &b);
  ck_assert(p == 1 && o == O && a == 1 && b == B);
  sac_agent_destroy(agent);
}
END_TEST

/* --- numbers of actions ------------------------------------------------------------------------------------------- */

static const struct {
  float value;
  sac_status status;
  const char* says;
} no_numbers[] = {
    {-1, SAC_ERROR_ARGUMENT, "action -1 in row 3 is no number of an action: 0 to 4 are"},
    {D, SAC_ERROR_ARGUMENT, "action 5 in row 3 is no number of an action: 0 to 4 are"},
    {1.5f, SAC_ERROR_ARGUMENT, "action 1.5 in row 3 is no number of an action"},
    {3.9999998f, SAC_ERROR_ARGUMENT, "is no number of an action"},
    {-1e-30f, SAC_ERROR_ARGUMENT, "is no number of an action"},
    {3e38f, SAC_ERROR_ARGUMENT, "is no number of an action"},
    {NAN, SAC_ERROR_NUMERIC, "action nan in row 3"},
    {INFINITY, SAC_ERROR_NUMERIC, "action inf in row 3"},
    {-INFINITY, SAC_ERROR_NUMERIC, "action -inf in row 3"},
};
#define NO_NUMBERS (sizeof no_numbers / sizeof *no_numbers)

START_TEST(push_takes_numbers) {
  sac_agent* agent = discrete_agent(discrete_algos[_i], "1", "min");
  rows r = discrete_rows();
  const sac_transitions t = transitions_of(&r, N);
  const float kept = r.action[3];
  for (size_t i = 0; i < NO_NUMBERS; i++) {
    r.action[3] = no_numbers[i].value;
    ck_fails(sac_agent_push(agent, &t), no_numbers[i].status, no_numbers[i].says);
  }

  /* nothing was stored; all numbers are taken */
  ck_fails(sac_agent_update(agent, 1), SAC_ERROR_ARGUMENT, "replay is empty");
  r.action[3] = kept;
  ck_ok(sac_agent_push(agent, &t));
  ck_ok(sac_agent_update(agent, 2));
  sac_agent_destroy(agent);
}
END_TEST

/* A number is the same in both units. */
START_TEST(units_are_numbers) {
  sac_agent* agent = discrete_agent(discrete_algos[_i], "1", "min");
  float action[D], unit[D], back[D], bad[4] = {0, 1, 2, 3};
  for (int a = 0; a < D; a++) action[a] = (float)a;
  ck_ok(sac_agent_action_to_unit(agent, D, action, unit));
  ck_ok(sac_agent_action_from_unit(agent, D, unit, back));
  ck_same_bits(unit, action, D);
  ck_same_bits(back, action, D);
  for (size_t i = 0; i < NO_NUMBERS; i++) {
    bad[3] = no_numbers[i].value;
    ck_fails(sac_agent_action_to_unit(agent, 4, bad, unit), no_numbers[i].status, no_numbers[i].says);
    ck_fails(sac_agent_action_from_unit(agent, 4, bad, unit), no_numbers[i].status, no_numbers[i].says);
  }
  sac_agent_destroy(agent);
}
END_TEST

/* --- acting ------------------------------------------------------------------------------------------------------- */

/* One layer of a network in double: y = W x + b, with ReLU below the head. */
static void layer(const sac_agent* agent, const char* net, const char* name, int in, int out, const double* x,
                  double* y) {
  char tensor[64];
  float weight[H * H], bias[H];
  (void)snprintf(tensor, sizeof tensor, "%s.%s.weight", net, name);
  ck_ok(sac_agent_tensor_get(agent, tensor, weight, (size_t)(in * out)));
  (void)snprintf(tensor, sizeof tensor, "%s.%s.bias", net, name);
  ck_ok(sac_agent_tensor_get(agent, tensor, bias, (size_t)out));
  for (int o = 0; o < out; o++) {
    y[o] = (double)bias[o];
    for (int i = 0; i < in; i++) y[o] += (double)weight[o * in + i] * x[i];
    if (strcmp(name, "head") != 0 && y[o] < 0) y[o] = 0;
  }
}

static void network(const sac_agent* agent, const char* net, const float* obs, double* y) {
  double x[O], first[H], second[H];
  for (int i = 0; i < O; i++) x[i] = (double)obs[i];
  layer(agent, net, "layers.0", O, H, x, first);
  layer(agent, net, "layers.1", H, H, first, second);
  layer(agent, net, "head", H, D, second, y);
}

/* pi(.|obs) in double, as the papers have it: the softmax of the actor's logits, or exp(q/alpha)/Z. */
static void policy_of(const sac_agent* agent, int mean, const float* obs, double* pi) {
  double x[D], other[D], z = 0;
  float log_alpha;
  sac_tensor_info info;
  ck_ok(sac_agent_tensor_info(agent, 0, &info));
  if (strncmp(info.name, "actor", 5) == 0) {
    network(agent, "actor", obs, x);
  } else {
    network(agent, "critic.0", obs, x);
    network(agent, "critic.1", obs, other);
    ck_ok(sac_agent_tensor_get(agent, "log_alpha", &log_alpha, 1));
    for (int a = 0; a < D; a++) x[a] = (mean ? (x[a] + other[a]) / 2 : fmin(x[a], other[a])) / exp((double)log_alpha);
  }
  for (int a = 0; a < D; a++) z += exp(x[a]);
  for (int a = 0; a < D; a++) pi[a] = exp(x[a]) / z;
}

/* The most probable action, and actions for given uniform noise, with their log-probabilities. */
START_TEST(acts_as_the_policy) {
  const int mean = _i / (int)ALGOS;
  sac_agent* agent = discrete_agent(discrete_algos[_i % ALGOS], "1", mean ? "mean" : "min");
  rows r = discrete_rows();
  float noise[N], action[N], log_prob[N], greedy[N];
  double pi[D];
  const sac_transitions t = transitions_of(&r, N);
  ck_ok(sac_agent_push(agent, &t));
  ck_ok(sac_agent_update(agent, 20));
  int seen = 0;
  for (int round = 0; round < 50; round++) {
    /* observations and noise of all sizes; the ends of the interval are taken too */
    for (int i = 0; i < N * O; i++) r.obs[i] = (float)sin(7.0 * round + i) * 3;
    for (int i = 0; i < N; i++) noise[i] = (float)((round * N + i) % 101) / 100;
    ck_ok(sac_agent_act(agent, N, r.obs, noise, 0, action, log_prob));
    ck_ok(sac_agent_act(agent, N, r.obs, noise, 1, greedy, NULL));
    for (int i = 0; i < N; i++) {
      policy_of(agent, mean, r.obs + i * O, pi);
      int likely = 0, wanted = D - 1, near = 0;
      double sum = 0;
      for (int a = D - 1; a >= 0; a--) likely = pi[a] >= pi[likely] ? a : likely;
      for (int a = 0; a < D; a++) near += a != likely && pi[a] > pi[likely] * (1 - 1e-5);
      if (!near) ck_assert_int_eq((int)greedy[i], likely);
      near = 0;
      for (int a = 0; a < D; a++) {
        sum += pi[a];
        near += fabs(sum - (double)noise[i]) < 1e-5;
        if (wanted == D - 1 && sum > (double)noise[i]) wanted = a;
      }
      ck_assert(action[i] >= 0 && action[i] < D && action[i] == floorf(action[i]));
      if (!near) ck_assert_int_eq((int)action[i], wanted);
      ck_near(log_prob[i], log(pi[(int)action[i]]), LOG_PROB_ABS);
      seen |= 1 << (int)action[i];
    }
  }
  ck_assert_int_eq(seen, (1 << D) - 1);
  sac_agent_destroy(agent);
}
END_TEST

/* Noise outside [0, 1] has no action, and draws nothing. A deterministic action reads none. */
START_TEST(act_refuses_noise) {
  static const float bad[] = {-0.1f, 1.0000001f, -1e-30f, NAN, INFINITY};
  sac_agent *agent = discrete_agent(discrete_algos[_i], "1", "min"),
            *twin = discrete_agent(discrete_algos[_i], "1", "min");
  rows r = discrete_rows();
  float action[N], other[N], noise[N] = {0, 1, 0.5f, 0.25f, 0, 1, 0.5f, 0.25f};
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
    noise[2] = bad[i];
    ck_fails(sac_agent_act(agent, N, r.obs, noise, 0, action, NULL), SAC_ERROR_NUMERIC, "in row 2");
    if (isfinite(bad[i]))
      ck_assert_ptr_nonnull(strstr(sac_last_error(), "is outside [0, 1]: discrete actions take uniform noise"));
    ck_ok(sac_agent_act(agent, N, r.obs, noise, 1, action, NULL));
  }
  ck_ok(sac_agent_act(agent, N, r.obs, NULL, 0, action, NULL));
  ck_ok(sac_agent_act(twin, N, r.obs, NULL, 0, other, NULL));
  ck_same_bits(action, other, N);
  sac_agent_destroy(agent);
  sac_agent_destroy(twin);
}
END_TEST

/* Actions with the agent's own noise come as often as their probabilities say. */
START_TEST(frequencies) {
  enum { ROWS = 500, CALLS = 80 };
  sac_agent* agent = discrete_agent(discrete_algos[_i], "1", "min");
  static float obs[ROWS * O], action[ROWS];
  double pi[D], count[D] = {0};
  for (int i = 0; i < ROWS * O; i++) obs[i] = (float[]){0.3f, -1.2f, 2.5f}[i % O];
  policy_of(agent, 0, obs, pi);
  for (int call = 0; call < CALLS; call++) {
    ck_ok(sac_agent_act(agent, ROWS, obs, NULL, 0, action, NULL));
    for (int i = 0; i < ROWS; i++) count[(int)action[i]]++;
  }
  for (int a = 0; a < D; a++) {
    const double n = (double)ROWS * CALLS, deviation = sqrt(pi[a] * (1 - pi[a]) / n);
    ck_near(count[a] / n, pi[a], STANDARD_ERRORS * deviation);
  }
  sac_agent_destroy(agent);
}
END_TEST

/* A logit of -99 beside 0 is an action of probability 0 as a float. Its log-probability stays exact, and noise next to
 * 1 does not take it. */
START_TEST(an_action_that_is_left_out) {
  sac_agent* agent = discrete_agent(discrete_algos[_i], "1", "min");
  static const char* const nets[ALGOS][K] = {{"critic.0", "critic.1"}, {"actor", "actor"}};
  const float zero[D * H] = {0}, bias[D] = {0, -300, -300, -300, -300}, log_alpha = 0;
  char name[32];
  for (int k = 0; k < K; k++) {
    (void)snprintf(name, sizeof name, "%s.head.weight", nets[_i][k]);
    ck_ok(sac_agent_tensor_set(agent, name, zero, D * H));
    (void)snprintf(name, sizeof name, "%s.head.bias", nets[_i][k]);
    ck_ok(sac_agent_tensor_set(agent, name, bias, D));
  }
  ck_ok(sac_agent_tensor_set(agent, "log_alpha", &log_alpha, 1));
  const rows r = discrete_rows();
  const float noise[3] = {0, 0.99999994f, 1};
  float action[3], log_prob[3];
  ck_ok(sac_agent_act(agent, 3, r.obs, noise, 0, action, log_prob));
  for (int i = 0; i < 3; i++) ck_assert(action[i] == 0 && log_prob[i] == 0);
  sac_agent_destroy(agent);
}
END_TEST

/* --- updates ------------------------------------------------------------------------------------------------------ */

/* Nothing is sampled in an update: noise may be NULL, and is not read. */
START_TEST(update_needs_no_noise) {
  sac_agent *one = discrete_agent(discrete_algos[_i], "1", "min"),
            *two = discrete_agent(discrete_algos[_i], "1", "min");
  static float first[MAX], second[MAX];
  rows r = discrete_rows();
  const sac_minibatch m = minibatch_of(&r);
  const float nan_noise[B] = {NAN, NAN, NAN, NAN};
  const sac_noise noise = {nan_noise, NULL};
  sac_update_stats s, other;
  ck_ok(sac_agent_update_with(one, &m, NULL, &s));
  ck_ok(sac_agent_update_with(two, &m, &noise, &other));
  ck_assert_mem_eq(&s, &other, sizeof s);
  snapshot(one, first, MAX);
  snapshot(two, second, MAX);
  ck_same_bits(first, second, MAX);

  /* an action that does not exist: nothing changes */
  for (size_t i = 0; i < NO_NUMBERS; i++) {
    r.action[3] = no_numbers[i].value;
    ck_fails(sac_agent_update_with(one, &m, NULL, &s), no_numbers[i].status, no_numbers[i].says);
    snapshot(one, second, MAX);
    ck_same_bits(first, second, MAX);
  }
  sac_agent_destroy(one);
  sac_agent_destroy(two);
}
END_TEST

/* What the statistics say of each other, by their meaning. */
START_TEST(statistics) {
  sac_agent* agent = discrete_agent(discrete_algos[_i], "1", "min");
  const rows r = discrete_rows();
  const sac_minibatch m = minibatch_of(&r);
  sac_update_stats s;
  for (int update = 0; update < 5; update++) {
    ck_ok(sac_agent_update_with(agent, &m, NULL, &s));
    ck_assert(s.entropy > 0 && s.entropy <= log(D) + LOSS_ABS && s.critic_grad > 0);
    ck_assert_double_eq(s.saturation, 0);
    ck_assert_double_eq(s.value_loss, 0);

    /* V = alpha log Z - alpha KL(pi || exp(q/alpha)/Z) */
    ck_near(s.soft_value, s.alpha * (s.log_z - s.kl), LOSS_REL * (1 + fabs(s.soft_value)));
    if (_i == 0) {
      ck_assert(s.actor_loss == 0 && s.actor_grad == 0 && s.kl == 0);
    } else {
      ck_assert(s.kl > 1e-4 && s.actor_grad > 0);
      ck_near(s.soft_value, -s.actor_loss, LOSS_REL);
    }
  }
  sac_agent_destroy(agent);
}
END_TEST

/* The learned temperature stops at its bounds, also at one that the first value is beyond. */
START_TEST(bounds_of_alpha) {
  static const struct {
    const char *key, *value, *target;
  } bounds[] = {{"alpha.min", "0.15", "0.1"}, {"alpha.max", "0.3", "1.6"}};
  const int which = _i % 2;
  sac_config* config = make_config(discrete_algos[_i / 2], "1");
  sac_agent* agent;
  ck_ok(sac_config_set(config, "alpha.initial", "0.2"));
  ck_ok(sac_config_set(config, "alpha.target_entropy", bounds[which].target));
  ck_ok(sac_config_set(config, "optim.alpha_lr", "0.1"));
  ck_ok(sac_config_set(config, bounds[which].key, bounds[which].value));
  ck_ok(sac_agent_create(&agent, config, &discrete));
  const rows r = discrete_rows();
  const sac_minibatch m = minibatch_of(&r);
  for (int i = 0; i < 12; i++) ck_ok(sac_agent_update_with(agent, &m, NULL, NULL));
  float log_alpha;
  ck_ok(sac_agent_tensor_get(agent, "log_alpha", &log_alpha, 1));
  ck_near(exp((double)log_alpha), strtod(bounds[which].value, NULL), ALPHA_REL);
  sac_agent_destroy(agent);
  sac_config_destroy(config);
}
END_TEST

/* The target entropy is a share of log A. */
START_TEST(share_of_the_largest_entropy) {
  static const char* const shares[] = {"0.5", "0.9", "1"};
  const rows r = discrete_rows();
  const sac_minibatch m = minibatch_of(&r);
  for (int i = 0; i < 3; i++) {
    sac_config* config = make_config(discrete_algos[_i], "1");
    sac_agent* agent;
    sac_update_stats s;
    ck_ok(sac_config_set(config, "alpha.target_entropy_share", shares[i]));
    ck_ok(sac_config_set(config, "alpha.initial", "0.5"));
    ck_ok(sac_agent_create(&agent, config, &discrete));
    ck_ok(sac_agent_update_with(agent, &m, NULL, &s));
    ck_near(s.alpha_loss, -log(0.5) * (strtod(shares[i], NULL) * log(D) - s.entropy), LOSS_REL);
    sac_agent_destroy(agent);
    sac_config_destroy(config);
  }
}
END_TEST

CHECK_MAIN("api_discrete", LOOP(kinds_of_actions, 4), CASE(create_refuses), LOOP(tensors, ALGOS),
           LOOP(push_takes_numbers, ALGOS), LOOP(units_are_numbers, ALGOS), LOOP(acts_as_the_policy, 2 * ALGOS),
           LOOP(act_refuses_noise, ALGOS), LOOP(frequencies, ALGOS), LOOP(an_action_that_is_left_out, ALGOS),
           LOOP(update_needs_no_noise, ALGOS), LOOP(statistics, ALGOS), LOOP(bounds_of_alpha, 2 * ALGOS),
           LOOP(share_of_the_largest_entropy, ALGOS))
