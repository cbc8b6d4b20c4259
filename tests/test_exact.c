/* SacTabular-v0 and its exact answer: the tables of the MDP, the environment stepped next to them, and soft policy
 * iteration. test_tabular.py compares the answer with a solver of its own. ctest: one-thread */
#include "env/exact.h"
#include "env/list.h"
#include "env/task.h"
#include "env/vector.h"
#include "kernels/tasks/tabular.h"
#include "support/check_main.h"
#include "support/tolerances.h"

#define ID "SacTabular-v0"

static const char* const variants[] = {
    NULL,
    "{\"states\": 2, \"actions\": 2, \"branching\": 1, \"seed\": 3}",
    "{\"states\": 7, \"actions\": 3, \"branching\": 3, \"seed\": 1, \"terminal\": 0.4, \"discount\": 0.9}",
    "{\"states\": 33, \"actions\": 5, \"branching\": 64, \"seed\": 1000000000, \"terminal\": 0}",
    "{\"states\": 64, \"actions\": 8, \"branching\": 5, \"seed\": 2, \"terminal\": 0.9, \"discount\": 0}",
};
enum { VARIANTS = sizeof variants / sizeof *variants };

static const double alphas[] = {1e-2, 0.3, 10};
enum { ALPHAS = sizeof alphas / sizeof *alphas };

static sac_mdp* make(const char* options) {
  sac_mdp* mdp;
  ck_ok(sac_mdp_create(&mdp, ID, options));
  return mdp;
}

/* The options of a variant. */
static sac_tabular_options options_of(const char* json) {
  const sac_task* task = sac_task_find(ID);
  sac_tabular_options options;
  ck_ok(sac_env_options_read(task->options, task->option_count, ID, json, &options));
  return options;
}

/* --- the tables --------------------------------------------------------------------------------------------------- */

START_TEST(tables_are_what_the_options_say) {
  const sac_tabular_options o = options_of(variants[_i]);
  sac_mdp* mdp = make(variants[_i]);
  const size_t s_max = (size_t)mdp->states, a_max = (size_t)mdp->actions;
  ck_assert_int_eq(mdp->states, o.states);
  ck_assert_int_eq(mdp->actions, o.actions);
  ck_assert_double_eq(mdp->discount, o.discount);

  /* each row has `branching` successors, whose probabilities sum to 1 */
  for (size_t pair = 0; pair < s_max * a_max; pair++) {
    double sum = 0;
    int successors = 0;
    for (size_t n = 0; n < s_max; n++) {
      const double p = mdp->transition[pair * s_max + n];
      ck_assert_double_ge(p, 0);
      successors += p > 0;
      sum += p;
    }
    ck_near(sum, 1, EXACT_SUM_ABS);
    ck_assert_int_eq(successors, o.branching < o.states ? o.branching : o.states);
    ck_assert(fabs(mdp->reward[pair]) < 1);
  }

  /* terminal states come last; episodes start in the others */
  int terminal = 0;
  double start = 0;
  for (size_t s = 0; s < s_max; s++) {
    ck_assert(s == 0 || mdp->terminal[s] >= mdp->terminal[s - 1]);
    terminal += mdp->terminal[s];
    start += mdp->start[s];
    ck_assert((mdp->start[s] == 0) == mdp->terminal[s]);
    if (!mdp->terminal[s]) ck_near(mdp->start[s], mdp->start[0], 0);
  }
  ck_near(start, 1, EXACT_SUM_ABS);
  const int rounded = (int)floor(o.terminal * o.states + 0.5);
  ck_assert_int_eq(terminal, rounded < o.states ? rounded : o.states - 1);
  sac_mdp_destroy(mdp);
}
END_TEST

/* Over many seeds: each state is a successor equally often, and the probabilities are uniform among those that sum to
 * 1: of b the mean is 1/b and the mean square 2 / (b (b + 1)). The rewards have mean 0 and variance 1/3. */
START_TEST(tables_are_drawn_as_they_say) {
  enum { S = 6, B = 3, SEEDS = 3000 };
  double taken[S] = {0}, square = 0, reward = 0, reward_square = 0;
  for (int seed = 0; seed < SEEDS; seed++) {
    sac_tabular_options o = options_of(NULL);
    o.states = S;
    o.branching = B;
    o.seed = seed;
    double weight[SAC_TABULAR_STATES_MAX];
    const double sum = sac_tabular_weights(&o, 4, 1, weight), r = sac_tabular_reward(&o, 4, 1);
    for (int n = 0; n < S; n++) taken[n] += weight[n] > 0;
    for (int n = 0; n < S; n++) square += weight[n] / sum * (weight[n] / sum) / B;
    reward += r;
    reward_square += r * r;
  }
  for (int n = 0; n < S; n++) ck_near(taken[n] / SEEDS, 0.5, STANDARD_ERRORS * 0.5 / sqrt(SEEDS));
  /* the variance of a square is below 0.05, that of r^2 is 4/45 */
  ck_near(square / SEEDS, 2.0 / (B * (B + 1)), STANDARD_ERRORS * sqrt(0.05 / SEEDS));
  ck_near(reward / SEEDS, 0, STANDARD_ERRORS * sqrt(1.0 / 3 / SEEDS));
  ck_near(reward_square / SEEDS, 1.0 / 3, STANDARD_ERRORS * sqrt(4.0 / 45 / SEEDS));
}
END_TEST

START_TEST(options_change_what_they_should) {
  sac_mdp* one = make("{\"states\": 6, \"actions\": 3, \"seed\": 5}");
  sac_mdp* same =
      make("{\"states\": 6, \"actions\": 3, \"seed\": 5, \"reward_noise\": 2, \"observation\": \"features\"}");
  sac_mdp* other = make("{\"states\": 6, \"actions\": 3, \"seed\": 6}");
  const size_t pairs = 18, bytes = pairs * 6 * sizeof(double);
  ck_same_bits(one->transition, same->transition, pairs * 6);
  ck_same_bits(one->reward, same->reward, pairs);
  ck_assert_int_ne(memcmp(one->transition, other->transition, bytes), 0);
  for (size_t i = 0; i < pairs; i++) {
    ck_assert(one->reward[i] != other->reward[i]);
    for (size_t k = 0; k < i; k++) ck_assert(one->reward[i] != one->reward[k]);
  }
  sac_mdp_destroy(one);
  sac_mdp_destroy(same);
  sac_mdp_destroy(other);
}
END_TEST

START_TEST(sizes_follow_the_options) {
  static const struct {
    const char* options;
    int32_t obs, actions;
  } cases[] = {{NULL, 10, 4},
               {"{\"states\": 64, \"actions\": 8}", 64, 8},
               {"{\"states\": 2, \"actions\": 2}", 2, 2},
               {"{\"states\": 64, \"observation\": \"features\"}", 8, 4},
               {"{\"states\": 3, \"observation\": \"features\", \"features\": 64}", 64, 4}};
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    int32_t obs, actions;
    ck_ok(sac_task_sizes(sac_task_find(ID), cases[i].options, &obs, &actions));
    ck_assert_int_eq(obs, cases[i].obs);
    ck_assert_int_eq(actions, cases[i].actions);

    /* the environment says so, too, and knows its last action */
    const sac_env_api* api;
    sac_vector* v;
    const uint64_t seed = 1;
    ck_ok(sac_env_find(ID, &api));
    ck_ok(sac_vector_create(&v, api, ID, cases[i].options, 1, 2, &seed, sac_stream_env(0)));
    ck_assert_int_eq(v->spec.obs_size, obs);
    ck_assert_int_eq(v->spec.actions, actions);
    ck_assert_int_eq(v->spec.max_episode_steps, 100);
    v->action[1] = (float)(actions - 1);
    ck_ok(sac_vector_step(v));
    v->action[1] = (float)actions;
    ck_fails(sac_vector_step(v), SAC_ERROR_ARGUMENT, "for environment 1 of agent 0 is no number of an action: 0 to");
    ck_assert_int_ne(api->step(v->self, v->action, v->next_obs, v->reward, v->terminated, v->truncated), 0);
    ck_assert_ptr_nonnull(strstr(api->error(v->self), "of environment 1 is no number of an action: 0 to"));
    sac_vector_destroy(v);
  }
}
END_TEST

/* --- the environment next to its tables --------------------------------------------------------------------------- */

enum { N = 50, STEPS = 8000 };

/* The state of a row of observations: the only 1. */
static int state_of(const float* obs, int states) {
  int at = -1;
  for (int s = 0; s < states; s++) {
    ck_assert(obs[s] == 0 || (obs[s] == 1 && at < 0));
    if (obs[s] == 1) at = s;
  }
  ck_assert_int_ge(at, 0);
  return at;
}

/* count of `total` is within the standard errors of probability p. */
static void check_share(double count, double total, double p) {
  if (p == 0) ck_assert_double_eq(count, 0);
  else ck_near(count / total, p, STANDARD_ERRORS * sqrt(p * (1 - p) / total) + 1 / total);
}

/* Random actions, many episodes: transitions, rewards, ends and starts are as often as the tables say. */
START_TEST(steps_agree_with_the_tables) {
  enum { S = 6, A = 3 };
  static const char json[] =
      "{\"states\": 6, \"actions\": 3, \"branching\": 3, \"terminal\": 0.3, \"reward_noise\": 0.5, \"seed\": 12}";
  static double next[S][A][S], reward[S][A], square[S][A], start[S];
  double starts = 0;
  sac_mdp* mdp = make(json);
  const sac_env_api* api;
  sac_vector* v;
  const uint64_t seed = 77;
  ck_ok(sac_env_find(ID, &api));
  ck_ok(sac_vector_create(&v, api, ID, json, 1, N, &seed, sac_stream_env(0)));

  /* count */
  for (int t = 0; t < STEPS; t++) {
    for (int i = 0; i < N; i++) v->action[i] = (float)(sac_philox(8, (uint64_t)i, (uint64_t)t).word[0] % A);
    ck_ok(sac_vector_step(v));
    for (int i = 0; i < N; i++) {
      const int s = state_of(v->prev_obs + i * S, S), n = state_of(v->next_obs + i * S, S), a = (int)v->action[i];
      const double off = (double)v->reward[i] - mdp->reward[s * A + a];
      next[s][a][n]++;
      reward[s][a] += off;
      square[s][a] += off * off;
      ck_assert_int_eq(v->terminated[i], mdp->terminal[n]);
      if (!v->terminated[i] && !v->truncated[i]) continue;
      start[state_of(v->obs + i * S, S)]++;
      starts++;
    }
  }

  /* compare */
  for (int s = 0; s < S; s++) {
    check_share(start[s], starts, mdp->start[s]);
    for (int a = 0; a < A && !mdp->terminal[s]; a++) {
      double total = 0;
      for (int n = 0; n < S; n++) total += next[s][a][n];
      ck_assert_double_gt(total, 5000);
      for (int n = 0; n < S; n++) check_share(next[s][a][n], total, mdp->transition[(s * A + a) * S + n]);
      ck_near(reward[s][a] / total, 0, STANDARD_ERRORS * 0.5 / sqrt(total));
      ck_near(square[s][a] / total, 0.25, STANDARD_ERRORS * 0.25 * sqrt(2 / total));
    }
  }
  sac_vector_destroy(v);
  sac_mdp_destroy(mdp);
}
END_TEST

/* The same episode with the two observations: the features are those of the one-hot state, and differ between states.
 */
START_TEST(features_are_of_the_state) {
  enum { S = 20, F = 5 };
  static const char* const json[2] = {
      "{\"states\": 20, \"terminal\": 0}",
      "{\"states\": 20, \"terminal\": 0, \"observation\": \"features\", \"features\": 5}"};
  const sac_tabular_options options = options_of(json[1]);
  const sac_env_api* api;
  sac_vector* v[2];
  const uint64_t seed = 5;
  ck_ok(sac_env_find(ID, &api));
  for (int k = 0; k < 2; k++) ck_ok(sac_vector_create(&v[k], api, ID, json[k], 1, 3, &seed, sac_stream_env(0)));
  for (int t = 0; t < 300; t++) {
    for (int i = 0; i < 3; i++) {
      const int s = state_of(v[0]->obs + i * S, S);
      for (int j = 0; j < F; j++) {
        const float x = v[1]->obs[i * F + j];
        ck_assert(x == sac_tabular_feature(&options, s, j) && fabsf(x) < 1);
        v[0]->action[i] = v[1]->action[i] = (float)((t + i) % 4);
      }
    }
    for (int k = 0; k < 2; k++) ck_ok(sac_vector_step(v[k]));
    ck_same_bits(v[0]->reward, v[1]->reward, 3);
  }
  for (int s = 0; s < S * F; s++)
    for (int n = 0; n < s; n++)
      ck_assert(sac_tabular_feature(&options, s / F, s % F) != sac_tabular_feature(&options, n / F, n % F));
  for (int k = 0; k < 2; k++) sac_vector_destroy(v[k]);
}
END_TEST

/* --- soft values -------------------------------------------------------------------------------------------------- */

static double largest_difference(const double* x, const double* y, size_t count) {
  double worst = 0;
  for (size_t i = 0; i < count; i++) worst = check_larger(worst, fabs(x[i] - y[i]));
  return worst;
}

static double largest_of(const double* x, size_t count) {
  double worst = 1;
  for (size_t i = 0; i < count; i++) worst = check_larger(worst, fabs(x[i]));
  return worst;
}

/* From a poor policy on: each step to exp(Q/alpha)/Z of the policy raises the value of every state, until it is that of
 * the best policy. */
START_TEST(improvement_raises_every_state) {
  sac_mdp* mdp = make(variants[_i / ALPHAS]);
  const double alpha = alphas[_i % ALPHAS];
  const size_t states = (size_t)mdp->states, actions = (size_t)mdp->actions;
  sac_soft_values *best, *policy;
  ck_ok(sac_soft_values_create(&best, mdp));
  ck_ok(sac_soft_values_create(&policy, mdp));
  sac_mdp_solve(mdp, alpha, best);
  const double tolerance = EXACT_REL * largest_of(best->v, states);
  double* before = malloc(states * sizeof *before);

  /* the first policy: the largest reward is the least likely */
  for (size_t s = 0; s < states; s++) {
    double sum = 0;
    for (size_t a = 0; a < actions; a++) sum += exp(-mdp->reward[s * actions + a]);
    for (size_t a = 0; a < actions; a++) policy->pi[s * actions + a] = exp(-mdp->reward[s * actions + a]) / sum;
  }

  double last = INFINITY;
  int steps = 0;
  for (; last > tolerance; steps++) {
    ck_assert_int_lt(steps, 100);
    sac_mdp_evaluate(mdp, alpha, policy);
    for (size_t s = 0; steps > 0 && s < states; s++) ck_assert(policy->v[s] >= before[s] - tolerance);
    for (size_t s = 0; s < states; s++) ck_assert(policy->v[s] <= best->v[s] + tolerance);
    const double gap = largest_difference(policy->v, best->v, states);
    ck_assert_msg(gap < last, "step %d: the gap is %g, before it was %g", steps, gap, last);
    memcpy(before, policy->v, states * sizeof *before);
    last = gap;

    /* exp(Q/alpha)/Z, without the formulas of kernels */
    for (size_t s = 0; s < states; s++) {
      double top = -INFINITY, sum = 0;
      for (size_t a = 0; a < actions; a++) top = fmax(top, policy->q[s * actions + a]);
      for (size_t a = 0; a < actions; a++) sum += exp((policy->q[s * actions + a] - top) / alpha);
      for (size_t a = 0; a < actions; a++)
        policy->pi[s * actions + a] = exp((policy->q[s * actions + a] - top) / alpha) / sum;
    }
  }
  ck_assert_int_ge(steps, 2);
  ck_near(largest_difference(policy->q, best->q, states * actions), 0, tolerance);
  ck_near(policy->j, best->j, tolerance);
  free(before);
  sac_soft_values_destroy(best);
  sac_soft_values_destroy(policy);
  sac_mdp_destroy(mdp);
}
END_TEST

/* A policy that never takes an action has no term for it, so its entropy is 0 and alpha changes nothing. */
START_TEST(deterministic_policies_have_values) {
  sac_mdp* mdp = make("{\"states\": 5, \"actions\": 2, \"terminal\": 0, \"discount\": 0.9}");
  sac_soft_values* values;
  ck_ok(sac_soft_values_create(&values, mdp));
  for (int s = 0; s < 5; s++) values->pi[2 * s] = 1;
  sac_mdp_evaluate(mdp, 1, values);
  const double soft = values->j;
  for (int s = 0; s < 5; s++) ck_near(values->v[s], values->q[2 * s], EXACT_REL * 10);
  sac_mdp_evaluate(mdp, 0.01, values);
  ck_near(values->j, soft, EXACT_REL * 10);
  ck_assert_double_ne(values->j, 0);
  sac_soft_values_destroy(values);
  sac_mdp_destroy(mdp);
}
END_TEST

START_TEST(others_have_no_exact_answer) {
  sac_mdp* mdp;
  ck_fails(sac_mdp_create(&mdp, "Pendulum-v1", NULL), SAC_ERROR_ENV,
           "Pendulum-v1 has no exact answer; environments that have one: SacTabular-v0");
  ck_assert_ptr_null(mdp);
  ck_fails(sac_mdp_create(&mdp, "nowhere", NULL), SAC_ERROR_ENV, "nowhere has no exact answer");
  ck_fails(sac_mdp_create(&mdp, ID, "{\"states\": 1}"), SAC_ERROR_CONFIG, "a whole number in [2, 64] as 'states'");
  ck_assert_ptr_null(mdp);
  for (size_t i = 0; sac_exact_envs[i]; i++) {
    ck_ok(sac_mdp_create(&mdp, sac_exact_envs[i], NULL));
    sac_mdp_destroy(mdp);
  }
  sac_mdp_destroy(NULL);
  sac_soft_values_destroy(NULL);
}
END_TEST

CHECK_MAIN("exact", LOOP(tables_are_what_the_options_say, VARIANTS), CASE(tables_are_drawn_as_they_say),
           CASE(options_change_what_they_should), CASE(sizes_follow_the_options), CASE(steps_agree_with_the_tables),
           CASE(features_are_of_the_state), LOOP(improvement_raises_every_state, VARIANTS* ALPHAS),
           CASE(deterministic_policies_have_values), CASE(others_have_no_exact_answer))
