/* The public API of an agent: creating, acting, pushing and updating, and that agents do not affect each other. */
#include "support/api_case.h"

/* --- Agents: creation and ownership ------------------------------------------------------------------------------- */

START_TEST(create_refuses) {
  /* missing arguments */
  sac_config* config = make_config("sac", "1");
  sac_agent* agent = (void*)marker;
  ck_fails(sac_agent_create(NULL, config, &spec), SAC_ERROR_ARGUMENT, "agent");
  ck_fails(sac_agent_create(&agent, NULL, &spec), SAC_ERROR_ARGUMENT, "config");
  ck_assert(agent == NULL);
  agent = (void*)marker;
  ck_fails(sac_agent_create(&agent, config, NULL), SAC_ERROR_ARGUMENT, "spec");
  ck_assert(agent == NULL);

  /* specs that make no sense */
  const float infinite[A] = {-INFINITY, 0}, huge[A] = {3e38f, 10}, nan_bound[A] = {NAN, 0};
  const float next[A] = {nextafterf(action_low[0], 0), action_high[1]};
  const struct {
    sac_env_spec spec;
    const char* says;
  } bad[] = {
      {{0, A, 0, 0, action_low, action_high}, " obs_size is 0; 1 to 65536"},
      {{-1, A, 0, 0, action_low, action_high}, " obs_size is -1"},
      {{O, 0, 0, 0, action_low, action_high}, " action_size is 0; 1 to 65536"},
      {{2000000000, A, 0, 0, action_low, action_high}, " obs_size is 2000000000"},
      {{O, A, 0, 0, NULL, action_high}, "without bounds"},
      {{O, A, 0, 0, action_low, NULL}, "without bounds"},
      {{O, A, 0, 0, action_high, action_low}, "bounded by [2, -2]; the first must be smaller"},
      {{O, A, 0, 0, action_low, action_low}, "bounded by [-2, -2]; the first must be smaller"},
      {{O, A, 0, 0, action_low, next}, "action 0 is bounded by [-2, -1.99999988], with no float between them"},
      {{O, A, 0, 0, infinite, action_high}, "finite"},
      {{O, A, 0, 0, action_low, huge}, "finite"},
      {{O, A, 0, 0, nan_bound, action_high}, "finite"},
      {{O, 1, 3, 0, NULL, NULL}, "3 discrete actions"},
      {{O, 1, -1, 0, NULL, NULL}, "-1 discrete actions; actions must be 2"},
      {{O, A, 0, -1, action_low, action_high}, "max_episode_steps is -1"},
  };

  /* each is refused with the name of its field, and leaves NULL */
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
    agent = (void*)marker;
    const sac_status status = sac_agent_create(&agent, config, &bad[i].spec);
    ck_assert_msg(status != SAC_OK, "spec %zu", i);
    ck_assert_msg(strstr(sac_last_error(), bad[i].says) != NULL, "spec %zu: %s", i, sac_last_error());
    ck_assert(agent == NULL);
  }

  /* sizes for which no machine has memory: an error that names the keys to lower, not a crash */
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

/* --- Acting ------------------------------------------------------------------------------------------------------- */

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

/* What is not finite has no action. A refused call draws nothing, and the next one that succeeds clears the message. */
START_TEST(act_refuses_what_is_not_finite) {
  sac_agent *agent = make_agent("sac", "1"), *twin = make_agent("sac", "1");
  rows r = make_rows();
  float action[N * A], other[N * A];
  const float bad[] = {NAN, INFINITY, -INFINITY};
  for (int i = 0; i < 3; i++) {
    r.obs[2 * O + 1] = bad[i];
    ck_fails(sac_agent_act(agent, N, r.obs, NULL, 0, action, NULL), SAC_ERROR_NUMERIC, "in row 2, place 1");
    ck_ok(sac_agent_act(agent, 2, r.obs, NULL, 1, action, NULL)); /* the first two rows are good */
    ck_assert_str_eq(sac_last_error(), "");
    r.obs[2 * O + 1] = 0;
    r.noise[3] = bad[i];
    ck_fails(sac_agent_act(agent, N, r.obs, r.noise, 0, action, NULL), SAC_ERROR_NUMERIC, "noise");
    ck_ok(sac_agent_act(agent, N, r.obs, r.noise, 1, action, NULL)); /* noise is not read */
    r.noise[3] = 0;
  }
  ck_ok(sac_agent_act(agent, N, r.obs, NULL, 0, action, NULL));
  ck_ok(sac_agent_act(twin, N, r.obs, NULL, 0, other, NULL));
  ck_same_bits(action, other, N * A);

  /* finite weights whose products are not */
  float weight[8 * O];
  for (int i = 0; i < 8 * O; i++) weight[i] = i % 2 ? 3e38f : -3e38f;
  for (int i = 0; i < N * O; i++) r.obs[i] = i % 2 ? 1e10f : -2e10f;
  ck_ok(sac_agent_tensor_set(agent, "actor.layers.0.weight", weight, 8 * O));
  ck_fails(sac_agent_act(agent, N, r.obs, NULL, 1, action, NULL), SAC_ERROR_NUMERIC, "too large");
  sac_agent_destroy(agent);
  sac_agent_destroy(twin);
}
END_TEST

/* --- Actions at the bounds ---------------------------------------------------------------------------------------- */

/* A number in [0, 1), of a small generator for tests. */
static float draw(uint32_t* state) {
  *state = *state * 1664525u + 1013904223u;
  return (float)(*state >> 8) / 16777216.0f;
}

/* Random bounds, many of which are no exact centre and half range: actions stay inside, and what comes back is taken.
 */
START_TEST(actions_are_inside_any_bounds) {
  uint32_t state = 7;
  sac_config* config = make_config("sac", "1");
  for (int round = 0; round < 300; round++) {
    /* of many sizes, also narrow ones far from 0 */
    const float scale = powf(10, 8 * draw(&state) - 4), width = powf(10, 4 * draw(&state) - 3);
    const float low[A] = {scale * (2 * draw(&state) - 1), draw(&state)};
    const float high[A] = {low[0] + scale * width, low[1] + 1e-6f + draw(&state)};
    if (!(low[0] < high[0])) continue;
    const sac_env_spec bounded = {O, A, 0, 0, low, high};
    sac_agent* agent = NULL;
    ck_ok(sac_agent_create(&agent, config, &bounded));

    /* large noise saturates the policy: actions lie at both ends and between them */
    const rows r = make_rows();
    float noise[N * A], action[N * A], unit[N * A], back[N * A];
    for (int i = 0; i < N * A; i++) noise[i] = (i % 3 == 0 ? 1 : i % 3 == 1 ? -1 : 0.01f) * 50 * (float)(1 + i % 2);
    ck_ok(sac_agent_act(agent, N, r.obs, noise, 0, action, NULL));
    for (int i = 0; i < N * A; i++) ck_assert(action[i] >= low[i % A] && action[i] <= high[i % A]);

    /* both ways: inside again, within a rounding of the bounds, and exact at the ends */
    ck_ok(sac_agent_action_to_unit(agent, N, action, unit));
    ck_ok(sac_agent_action_from_unit(agent, N, unit, back));
    for (int i = 0; i < N * A; i++) {
      const float size = fmaxf(fabsf(low[i % A]), fabsf(high[i % A]));
      ck_assert(unit[i] >= -1 && unit[i] <= 1 && back[i] >= low[i % A] && back[i] <= high[i % A]);
      ck_near(back[i], action[i], 4 * FLT_EPSILON * size);
    }
    const float ends[2 * A] = {-1, 1, 1, -1};
    ck_ok(sac_agent_action_from_unit(agent, 2, ends, action));
    ck_ok(sac_agent_action_to_unit(agent, 2, action, unit));
    ck_same_bits(unit, ends, 2 * A);

    /* the environment's own bounds, scaled back by hand, are taken by push */
    for (int i = 0; i < N * A; i++) {
      const float centre = 0.5f * (low[i % A] + high[i % A]), half = 0.5f * (high[i % A] - low[i % A]);
      unit[i] = ((i / A % 2 ? low[i % A] : high[i % A]) - centre) / half;
    }
    rows pushed = make_rows();
    memcpy(pushed.action, unit, sizeof unit);
    const sac_transitions t = transitions_of(&pushed, N);
    ck_ok(sac_agent_push(agent, &t));
    ck_ok(sac_agent_action_to_unit(agent, 1, high, unit));
    ck_ok(sac_agent_action_to_unit(agent, 1, low, unit));
    sac_agent_destroy(agent);
  }
  sac_config_destroy(config);
}
END_TEST

START_TEST(action_scaling_arguments) {
  sac_agent* agent = make_agent("sac", "1");
  float action[A] = {2, 10}, unit[A];
  ck_fails(sac_agent_action_to_unit(NULL, 1, action, unit), SAC_ERROR_ARGUMENT, "agent");
  ck_fails(sac_agent_action_to_unit(agent, 1, NULL, unit), SAC_ERROR_ARGUMENT, "NULL");
  ck_fails(sac_agent_action_from_unit(agent, 1, unit, NULL), SAC_ERROR_ARGUMENT, "NULL");
  ck_fails(sac_agent_action_to_unit(agent, 0, action, unit), SAC_ERROR_ARGUMENT, "n is 0");
  action[1] = 11;
  ck_fails(sac_agent_action_to_unit(agent, 1, action, unit), SAC_ERROR_ARGUMENT,
           "action 11 in row 0, component 1, is outside its bounds [0, 10]");
  action[1] = NAN;
  ck_fails(sac_agent_action_to_unit(agent, 1, action, unit), SAC_ERROR_NUMERIC, "component 1");
  unit[0] = -1.01f;
  ck_fails(sac_agent_action_from_unit(agent, 1, unit, action), SAC_ERROR_ARGUMENT, "component 0");

  /* an error in the last row leaves the others as they were, also where both arrays are the same */
  float both[2 * A] = {2, 10, 2, 11}, before[2 * A];
  memcpy(before, both, sizeof both);
  ck_fails(sac_agent_action_to_unit(agent, 2, both, both), SAC_ERROR_ARGUMENT, "row 1, component 1");
  ck_same_bits(both, before, 2 * A);
  float units[2 * A] = {1, 0.5f, 0, NAN};
  memcpy(before, units, sizeof units);
  ck_fails(sac_agent_action_from_unit(agent, 2, units, units), SAC_ERROR_NUMERIC, "row 1, component 1");
  ck_same_bits(units, before, 2 * A);
  sac_agent_destroy(agent);
}
END_TEST

/* All rows at once and one by one give the same actions for the same noise. */
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

/* Acting with drawn noise advances the stream. Given noise and deterministic actions do not. */
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

/* --- Pushing and updating ----------------------------------------------------------------------------------------- */

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
  ck_fails(sac_agent_push(agent, &t), SAC_ERROR_ARGUMENT, "[-1, 1]");
  r.action[0] = 0.5f;
  r.terminated[3] = 2;
  ck_fails(sac_agent_push(agent, &t), SAC_ERROR_ARGUMENT, "terminated is 2 in row 3");
  r.terminated[3] = 0;
  r.truncated[1] = 255;
  ck_fails(sac_agent_push(agent, &t), SAC_ERROR_ARGUMENT, "truncated is 255 in row 1");
  /* none of these transitions was stored */
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
  /* missing arguments */
  const int is_v = _i == 1;
  sac_agent* agent = make_agent(is_v ? "sac-v" : "sac", "1");
  const rows r = make_rows();
  sac_minibatch m = minibatch_of(&r);
  sac_noise noise = {r.noise, r.next_noise};
  ck_fails(sac_agent_update_with(NULL, &m, &noise, NULL), SAC_ERROR_ARGUMENT, "NULL");
  ck_fails(sac_agent_update_with(agent, NULL, &noise, NULL), SAC_ERROR_ARGUMENT, "NULL");
  ck_fails(sac_agent_update_with(agent, &m, NULL, NULL), SAC_ERROR_ARGUMENT, "NULL");

  /* missing arrays of the minibatch */
  const float** arrays[] = {&m.obs, &m.action, &m.reward, &m.terminated, &m.next_obs};
  for (size_t i = 0; i < sizeof arrays / sizeof *arrays; i++) {
    m = minibatch_of(&r);
    *arrays[i] = NULL;
    ck_fails(sac_agent_update_with(agent, &m, &noise, NULL), SAC_ERROR_ARGUMENT, "minibatch");
  }

  /* missing noise; sac-v does not use that of the next action */
  m = minibatch_of(&r);
  noise = (sac_noise){NULL, r.next_noise};
  ck_fails(sac_agent_update_with(agent, &m, &noise, NULL), SAC_ERROR_ARGUMENT, "noise");
  noise = (sac_noise){r.noise, NULL};
  if (is_v) ck_ok(sac_agent_update_with(agent, &m, &noise, NULL)); /* sac-v does not use it */
  else ck_fails(sac_agent_update_with(agent, &m, &noise, NULL), SAC_ERROR_ARGUMENT, "noise");
  sac_agent_destroy(agent);
}
END_TEST

/* update_with draws nothing and does not change the replay; update does both. */
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

/* A reward that overflows: the message names a tensor, and the agent is stopped. */
START_TEST(not_finite_stops) {
  sac_agent* agent = make_agent("sac", "1");
  rows r = make_rows();
  for (int i = 0; i < N; i++) r.reward[i] = 3e38f;
  const sac_minibatch m = minibatch_of(&r);
  const sac_noise noise = {r.noise, r.next_noise};
  ck_fails(sac_agent_update_with(agent, &m, &noise, NULL), SAC_ERROR_NUMERIC, "");
  ck_assert_msg(strstr(sac_last_error(), "critic") != NULL, "%s", sac_last_error());
  /* the agent stays stopped when good data follows */
  const rows good = make_rows();
  const sac_minibatch g = minibatch_of(&good);
  const sac_transitions t = transitions_of(&good, N);
  ck_ok(sac_agent_push(agent, &t));
  ck_fails(sac_agent_update_with(agent, &g, &noise, NULL), SAC_ERROR_NUMERIC, "");
  ck_fails(sac_agent_update(agent, 1), SAC_ERROR_NUMERIC, "");
  sac_agent_destroy(agent);
}
END_TEST

/* If one agent of a population stops, the other is the same as without it. */
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

/* --- Independence ------------------------------------------------------------------------------------------------- */

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
  sac_agent_destroy(two); /* and the other agent goes on */
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

CHECK_MAIN("api_agent", CASE(create_refuses), CASE(sizes_are_told), CASE(act_arguments), CASE(act_by_rows),
           CASE(act_refuses_what_is_not_finite), CASE(actions_are_inside_any_bounds), CASE(action_scaling_arguments),
           CASE(act_draws_its_own_noise), CASE(push_arguments), CASE(update_arguments), LOOP(update_with_arguments, 2),
           CASE(update_with_repeats), CASE(not_finite_stops), CASE(not_finite_stops_one), CASE(agents_are_independent),
           CASE(inputs_are_copied))
