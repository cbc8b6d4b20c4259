/* The vector of environments: time limit, true next observations, resets, seeds, state, and errors. */
#include "support/check_main.h"

#include "agent/agent.h"
#include "backend/registry.h"
#include "env/list.h"
#include "env/task.h"
#include "env/vector.h"
#include "kernels/random.h"
#include "support/bad_env.h"

#define STREAM sac_stream_env(0)

static sac_vector* make(const char* id, int32_t population, int32_t num_envs, const uint64_t* seed, uint64_t stream) {
  const sac_env_api* api;
  sac_vector* vector;
  ck_ok(sac_env_find(id, &api));
  ck_ok(sac_vector_create(&vector, api, id, NULL, population, num_envs, seed, stream));
  return vector;
}

/* Actions in [-1, 1], or discrete ones. They depend on the seed of the agent and the index of the environment in it,
 * and not on the index of the agent. */
static void choose(sac_vector* v, uint64_t t) {
  const int32_t size = v->spec.action_size;
  for (int32_t p = 0; p < v->population; p++)
    for (int32_t j = 0; j < v->num_envs * size; j++) {
      const sac_words words = sac_philox(v->seed[p], (uint64_t)j, t);
      v->action[p * v->num_envs * size + j] = v->spec.actions > 0 ? (float)(words.word[0] % (uint32_t)v->spec.actions)
                                                                  : sac_uniform_within(words.word[0], 1.0f);
    }
}

static void run(sac_vector* v, uint64_t from, uint64_t to) {
  for (uint64_t t = from; t < to; t++) {
    choose(v, t);
    ck_ok(sac_vector_step(v));
  }
}

/* Checks that `count` environments from `a_first` on of one vector equal those from `b_first` on of the other, to the
 * bit. */
static void same(const sac_vector* a, size_t a_first, const sac_vector* b, size_t b_first, size_t count) {
  const size_t obs = (size_t)a->spec.obs_size, action = (size_t)a->spec.action_size;
  ck_same_bits(a->obs + a_first * obs, b->obs + b_first * obs, count * obs);
  ck_same_bits(a->prev_obs + a_first * obs, b->prev_obs + b_first * obs, count * obs);
  ck_same_bits(a->next_obs + a_first * obs, b->next_obs + b_first * obs, count * obs);
  ck_same_bits(a->env_action + a_first * action, b->env_action + b_first * action, count * action);
  ck_same_bits(a->reward + a_first, b->reward + b_first, count);
  ck_same_bits(a->terminated + a_first, b->terminated + b_first, count);
  ck_same_bits(a->truncated + a_first, b->truncated + b_first, count);
  ck_same_bits(a->episode + a_first, b->episode + b_first, count);
  ck_same_bits(a->episode_return + a_first, b->episode_return + b_first, count);
  ck_same_bits(a->episode_length + a_first, b->episode_length + b_first, count);
}

START_TEST(time_limit_truncates_and_resets) {
  const uint64_t seed = 3;
  sac_vector* v = make("Pendulum-v1", 1, 2, &seed, STREAM);
  double sum = 0;
  for (uint64_t t = 0; t < 450; t++) {
    float before[6];
    memcpy(before, v->obs, sizeof before);
    run(v, t, t + 1);
    const int end = (t + 1) % 200 == 0;
    sum += (double)v->reward[1];
    ck_same_bits(v->prev_obs, before, 6);
    ck_assert_uint_eq(v->terminated[1], 0);
    ck_assert_uint_eq(v->truncated[1], end);
    ck_assert_int_eq(v->finished_count, end ? 2 : 0);
    if (!end) {
      ck_same_bits(v->obs, v->next_obs, 6);
    } else {
      /* next_obs is where the episode ended, obs where the next one starts */
      ck_assert_int_ne(memcmp(v->obs, v->next_obs, 12), 0);
      ck_assert_int_eq(v->finished[1].env, 1);
      ck_assert_int_eq(v->finished[1].length, 200);
      ck_assert_double_eq(v->finished[1].episode_return, sum);
      ck_assert_double_eq(v->episode_return[1], 0);
      ck_assert_int_eq(v->episode_length[1], 0);
      ck_assert_uint_eq(v->episode[1], 1 + (t + 1) / 200);
      sum = 0;
    }
    const sac_transitions transitions = sac_vector_transitions(v);
    ck_assert_int_eq(transitions.n, 2);
    ck_assert_ptr_eq(transitions.obs, v->prev_obs);
    ck_assert_ptr_eq(transitions.next_obs, v->next_obs);
    ck_assert_ptr_eq(transitions.action, v->action);
  }
  sac_vector_destroy(v);
}
END_TEST

/* After the end of an episode the environment starts with the seed of the next one, as with the task's own reset. */
START_TEST(episodes_start_from_their_own_seeds) {
  /* six environments of two agents, and one beside them */
  const uint64_t seeds[2] = {11, 12};
  sac_vector* v = make("CartPole-v1", 2, 3, seeds, STREAM);
  const sac_env_entry* entry = sac_env_entry_find("CartPole-v1");
  void* env;
  sac_env_spec spec;
  ck_assert_int_eq(entry->api->create(&env, "CartPole-v1", 1, "{}", &spec), 0);
  int starts = 0;
  for (uint64_t t = 0; t < 200; t++) {
    /* each start is that of the agent's seed, the environment's stream and the episode's number */
    for (uint64_t i = 0; i < 6; i++) {
      if (v->episode_length[i] != 0) continue;
      float obs[4];
      const uint8_t mask = 1;
      const uint64_t seed = sac_philox_seed(seeds[i / 3], sac_stream_env((uint32_t)(i % 3)), v->episode[i] - 1);
      ck_assert_int_eq(entry->api->reset(env, &mask, &seed, obs), 0);
      ck_same_bits(v->obs + 4 * i, obs, 4);
      starts++;
    }
    run(v, t, t + 1);
    for (uint64_t i = 0; i < 6; i++) ck_assert_uint_eq(v->terminated[i], v->episode_length[i] == 0);
  }
  ck_assert_int_gt(starts, 20);
  entry->api->destroy(env);
  sac_vector_destroy(v);
}
END_TEST

START_TEST(agents_do_not_depend_on_their_population) {
  const uint64_t seeds[3] = {21, 22, 23};
  const char* id = sac_env_at(_i)->id;
  sac_vector* all = make(id, 3, 2, seeds, STREAM);
  sac_vector* one = make(id, 1, 2, seeds + 1, STREAM);
  for (uint64_t t = 0; t < 600; t++) {
    run(all, t, t + 1);
    run(one, t, t + 1);
    same(all, 2, one, 0, 2);
    for (int32_t k = 0; k < one->finished_count; k++) {
      int found = 0;
      for (int32_t l = 0; l < all->finished_count; l++)
        found += all->finished[l].env == one->finished[k].env + 2 &&
                 all->finished[l].length == one->finished[k].length &&
                 all->finished[l].episode_return == one->finished[k].episode_return;
      ck_assert_int_eq(found, 1);
    }
  }
  sac_vector_destroy(all);
  sac_vector_destroy(one);
}
END_TEST

/* Environment i of N equals the single one of a vector whose first stream is that of i. */
START_TEST(many_are_as_many_single_ones) {
  const uint64_t seed = 31;
  sac_vector* all = make("SacPointMass-v0", 1, 3, &seed, STREAM);
  sac_vector* one = make("SacPointMass-v0", 1, 1, &seed, sac_stream_env(2));
  for (uint64_t t = 0; t < 500; t++) {
    choose(all, t);
    memcpy(one->action, all->action + 4, 2 * sizeof(float));
    ck_ok(sac_vector_step(all));
    ck_ok(sac_vector_step(one));
    same(all, 2, one, 0, 1);
  }
  sac_vector_destroy(all);
  sac_vector_destroy(one);
}
END_TEST

START_TEST(evaluation_and_other_seeds_are_other_episodes) {
  const uint64_t seed = 1, other = 2;
  sac_vector* a = make("Pendulum-v1", 1, 2, &seed, STREAM);
  sac_vector* b = make("Pendulum-v1", 1, 2, &seed, sac_stream_eval_env(0));
  sac_vector* c = make("Pendulum-v1", 1, 2, &other, STREAM);
  ck_assert_int_ne(memcmp(a->obs, b->obs, 12), 0);
  ck_assert_int_ne(memcmp(a->obs, c->obs, 12), 0);
  ck_assert_int_ne(memcmp(a->obs, a->obs + 3, 12), 0);
  /* episode number 5 of a stream is always the same */
  run(a, 0, 5 * 200);
  ck_ok(sac_vector_reset(c, 5));
  c->seed[0] = seed;
  ck_ok(sac_vector_reset(c, 5));
  ck_same_bits(a->obs, c->obs, 6);
  ck_assert_uint_eq(c->episode[0], 6);
  sac_vector_destroy(a);
  sac_vector_destroy(b);
  sac_vector_destroy(c);
}
END_TEST

START_TEST(state_continues_to_the_bit) {
  /* two vectors at different places */
  const uint64_t seeds[2] = {41, 42}, others[2] = {1, 2};
  const char* id = sac_env_at(_i)->id;
  sac_vector* a = make(id, 2, 3, seeds, STREAM);
  sac_vector* b = make(id, 2, 3, others, STREAM);
  run(a, 0, 333);
  run(b, 0, 7);

  /* the state of the one goes to the other; it is all bytes, also padding, because checkpoints are compared */
  const size_t size = sac_vector_state_size(a);
  ck_assert_uint_eq(size, sac_vector_state_size(b));
  unsigned char* state = malloc(size);
  unsigned char* again = malloc(size);
  for (int32_t p = 0; p < 2; p++) {
    int exact = -1;
    memset(state, 0xaa, size);
    ck_ok(sac_vector_state_get(a, p, state));
    ck_ok(sac_vector_state_set(b, p, state, &exact));
    ck_assert_int_eq(exact, 1);
    memset(again, 0x55, size); /* every byte is written, also padding, because checkpoints are compared */
    ck_ok(sac_vector_state_get(b, p, again));
    ck_same_bits(again, state, size);
    b->seed[p] = a->seed[p];
  }
  free(state);
  free(again);

  /* from there on both are the same */
  for (uint64_t t = 333; t < 900; t++) {
    run(a, t, t + 1);
    run(b, t, t + 1);
    same(a, 0, b, 0, 6);
    ck_assert_uint_eq(a->steps, b->steps);
  }
  sac_vector_destroy(a);
  sac_vector_destroy(b);
}
END_TEST

START_TEST(damaged_state_is_refused) {
  const uint64_t seed = 1;
  sac_vector* v = make("Pendulum-v1", 1, 1, &seed, STREAM);
  const size_t size = sac_vector_state_size(v);
  unsigned char* state = malloc(size);
  const double nan = NAN;
  const float nan_obs = NAN;
  const int64_t lengths[2] = {-1, 200};
  for (int k = 0; k < 4; k++) {
    ck_ok(sac_vector_state_get(v, 0, state));
    if (k < 2) memcpy(state + 24, &lengths[k], 8);
    if (k == 2) memcpy(state + 16, &nan, 8);
    if (k == 3) memcpy(state + 36, &nan_obs, 4);
    ck_fails(sac_vector_state_set(v, 0, state, NULL), SAC_ERROR_FORMAT, "environment 0 of Pendulum-v1 is damaged");
  }
  free(state);
  sac_vector_destroy(v);
}
END_TEST

START_TEST(faults_are_named) {
  static const struct {
    const char* fault;
    sac_status status;
    const char* text;
  } row[] = {
      {"nan_obs", SAC_ERROR_NUMERIC, "step 6: nan_obs: observation 1 is NaN in environment 1 of agent 0 (seed 8)"},
      {"inf_obs", SAC_ERROR_NUMERIC, "step 6: inf_obs: observation 0 is -infinite in environment 1 of agent 0"},
      {"nan_reward", SAC_ERROR_NUMERIC, "step 6: nan_reward: reward is NaN in environment 1 of agent 0 (seed 8)"},
      {"inf_reward", SAC_ERROR_NUMERIC,
       "reward is infinite in environment 1 of agent 0 (seed 8); so is every number beyond the range of float32"},
      {"step_fails", SAC_ERROR_ENV, "step 6: step_fails: step failed: the motor is on fire"},
      {"silent", SAC_ERROR_ENV, "step 6: silent: step failed with code 1: it gives no reason"},
      {"unstable", SAC_ERROR_NUMERIC, "step 6: unstable: the simulation is unstable"},
  };
  const uint64_t seeds[2] = {8, 9};
  sac_vector* v;
  ck_ok(sac_vector_create(&v, &bad_env, row[_i].fault, NULL, 2, 2, seeds, STREAM));
  ck_ok(sac_vector_step(v));
  ck_ok(sac_vector_step(v));
  ck_fails(sac_vector_step(v), row[_i].status, row[_i].text);
  sac_vector_destroy(v);
}
END_TEST

START_TEST(what_create_says_is_checked) {
  static const struct {
    const char* fault;
    sac_status status;
    const char* text;
  } row[] = {
      {"create_fails", SAC_ERROR_ENV, "create_fails: create failed with code -1: the motor is on fire"},
      {"create_fails_early", SAC_ERROR_ENV, "create failed with code -1: it gives no reason"},
      {"reset_fails", SAC_ERROR_ENV, "reset failed with code 5: the motor is on fire"},
      {"nan_reset", SAC_ERROR_NUMERIC, "observation 1 is NaN in environment 0 of agent 0"},
      {"no_obs", SAC_ERROR_ENV, "no_obs: obs_size is 0; 1 to 65536 are possible"},
      {"huge_obs", SAC_ERROR_ENV, "obs_size is 2147483647"},
      {"no_action", SAC_ERROR_ENV, "action_size is 0; 1 to"},
      {"one_discrete", SAC_ERROR_ENV, "1 discrete actions; actions must be 2 to 65536"},
      {"wide_discrete", SAC_ERROR_ENV, "3 discrete actions in 2 numbers; each is one number"},
      {"bounded_discrete", SAC_ERROR_ENV, "3 discrete actions with bounds; action_low and action_high must be NULL"},
      {"negative_limit", SAC_ERROR_ENV, "max_episode_steps is -1"},
      {"no_bounds", SAC_ERROR_ENV, "continuous actions without bounds"},
      {"inf_low", SAC_ERROR_ENV, "action 1 is bounded by [-inf, 1]; bounds must be finite"},
      {"nan_high", SAC_ERROR_ENV, "action 1 is bounded by [-1, nan]"},
      {"huge_high", SAC_ERROR_ENV, "within +-1e+06: rescale the action"},
      {"swapped_bounds", SAC_ERROR_ENV, "action 0 is bounded by [2, 1]; the first must be smaller"},
      {"equal_bounds", SAC_ERROR_ENV, "action 0 is bounded by [1, 1]; the first must be smaller"},
  };

  /* the environment has one fault */
  const uint64_t seed = 1;
  sac_vector* v;
  ck_fails(sac_vector_create(&v, &bad_env, row[_i].fault, NULL, 1, 2, &seed, STREAM), row[_i].status, row[_i].text);
  ck_assert_ptr_null(v);
}
END_TEST

START_TEST(foreign_tables_are_refused) {
  const uint64_t seed = 1;
  sac_vector* v;
  sac_env_api api = bad_env;
  api.abi = 2;
  ck_fails(sac_vector_create(&v, &api, "./x.so", NULL, 1, 1, &seed, STREAM), SAC_ERROR_ENV, "has ABI 2");
  api = bad_env;
  api.size -= 4;
  ck_fails(sac_vector_create(&v, &api, "./x.so", NULL, 1, 1, &seed, STREAM), SAC_ERROR_ENV, "build it against this");
  api = bad_env;
  api.step = NULL;
  ck_fails(sac_vector_create(&v, &api, "./x.so", NULL, 1, 1, &seed, STREAM), SAC_ERROR_ENV, "lacks 'step'");
  api = bad_env;
  api.state_size = sac_env_at(0)->api->state_size;
  ck_fails(sac_vector_create(&v, &api, "./x.so", NULL, 1, 1, &seed, STREAM), SAC_ERROR_ENV, "come together");
  ck_fails(sac_vector_create(&v, NULL, "./x.so", NULL, 1, 1, &seed, STREAM), SAC_ERROR_ENV, "no table");
  ck_fails(sac_vector_create(&v, &bad_env, "good", NULL, 0, 1, &seed, STREAM), SAC_ERROR_ARGUMENT, "0 seeds");
  ck_fails(sac_vector_create(&v, &bad_env, "good", NULL, 1, -1, &seed, STREAM), SAC_ERROR_ARGUMENT, "-1 env");
  ck_fails(sac_vector_create(&v, &bad_env, "good", NULL, 65536, 65536, &seed, STREAM), SAC_ERROR_ARGUMENT, "in all");
  sac_vector_destroy(NULL);
}
END_TEST

/* Without functions for its state an environment starts a new episode, and the caller learns of it. */
START_TEST(stateless_environments_start_their_next_episode) {
  /* an environment without a state, in the middle of an episode */
  const uint64_t seeds[2] = {8, 9};
  sac_vector* v;
  ck_ok(sac_vector_create(&v, &bad_env, "good", NULL, 2, 2, seeds, STREAM));
  for (int t = 0; t < 14; t++) ck_ok(sac_vector_step(v)); /* episodes of 10 steps */

  /* agent 1 is set back to it */
  unsigned char* state = malloc(sac_vector_state_size(v));
  int exact = -1;
  ck_ok(sac_vector_state_get(v, 1, state));
  ck_ok(sac_vector_step(v));
  ck_ok(sac_vector_state_set(v, 1, state, &exact));
  free(state);
  ck_assert_int_eq(exact, 0);
  ck_assert_uint_eq(v->steps, 14);

  /* agent 0 goes on; agent 1 starts the next episode */
  ck_near(v->obs[0], 5, 0);
  ck_assert_int_eq(v->episode_length[1], 5);
  for (uint32_t i = 2; i < 4; i++) {
    ck_near(v->obs[2 * i], 0, 0);
    ck_near(v->obs[2 * i + 1], sac_philox_seed(9, sac_stream_env(i - 2), 2) & 0xfffff, 0);
    ck_assert_uint_eq(v->episode[i], 3);
    ck_assert_int_eq(v->episode_length[i], 0);
    ck_near(v->episode_return[i], 0, 0);
  }
  sac_vector_destroy(v);
}
END_TEST

START_TEST(the_environments_own_flags_are_kept) {
  const uint64_t seed = 8;
  for (int k = 0; k < 2; k++) {
    sac_vector* v;
    ck_ok(sac_vector_create(&v, &bad_env, k ? "flags" : "truncates", NULL, 1, 2, &seed, STREAM));
    for (int t = 0; t < 3; t++) ck_ok(sac_vector_step(v));
    ck_assert_uint_eq(v->terminated[1], k);
    ck_assert_uint_eq(v->truncated[1], !k);
    ck_assert_uint_eq(v->truncated[0], 0);
    ck_assert_int_eq(v->finished_count, 1);
    ck_assert_int_eq(v->finished[0].env, 1);
    ck_near(v->finished[0].episode_return, 6, 0);
    ck_near(v->next_obs[2], 3, 0);
    ck_near(v->obs[2], 0, 0);
    ck_near(v->obs[0], 3, 0);
    sac_vector_destroy(v);
  }
}
END_TEST

/* A stopped agent acts with zeros, and cannot make the step of the others fail. */
START_TEST(stopped_agents_are_harmless) {
  const uint64_t seeds[3] = {1, 2, 3};
  uint8_t alive[3] = {1, 0, 1};
  sac_agent agent = {.alive = alive};
  sac_vector* v = make("SacPointMass-v0", 3, 2, seeds, STREAM);
  for (int i = 0; i < 12; i++) v->action[i] = i / 4 == 1 ? NAN : 0.5f;
  ck_ok(sac_backend_host()->env_step(&agent, v));
  for (int i = 0; i < 12; i += 2) ck_near(v->env_action[i], i / 4 == 1 ? 0 : 0.5, 0);
  alive[1] = 1;
  v->action[4] = NAN;
  ck_fails(sac_backend_host()->env_step(&agent, v), SAC_ERROR_NUMERIC, "of agent 1 (seed 2)");
  sac_vector_destroy(v);
}
END_TEST

/* end_all truncates what goes on, lists only what ended by itself, and starts nothing before sac_vector_start. The
 * state of such a vector needs nothing of the environments. */
START_TEST(all_episodes_end) {
  const uint64_t seed = 3;
  sac_vector *v = make("Pendulum-v1", 1, 2, &seed, STREAM), *other = make("Pendulum-v1", 1, 2, &seed, STREAM), *shared;
  int exact = 0;

  /* in the middle of two episodes */
  for (uint64_t t = 150; t <= 200; t += 50) {
    run(v, v->steps, t - 1);
    v->end_all = 1;
    run(v, t - 1, t);
    ck_assert(v->ended && !v->end_all && v->truncated[0] && v->truncated[1] && !v->terminated[0]);
    ck_assert_int_eq(v->finished_count, 0);

    /* another vector takes the state, and both start the same next episodes */
    void* state = calloc(sac_vector_state_size(v), 1);
    ck_ok(sac_vector_state_get(v, 0, state));
    ck_ok(sac_vector_state_set(other, 0, state, &exact));
    ck_assert(exact == 1 && other->ended);
    free(state);
    ck_ok(sac_vector_start(v));
    ck_ok(sac_vector_start(other));
    ck_ok(sac_vector_start(other)); /* does nothing */
    run(v, t, t + 1);
    run(other, t, t + 1);
    same(v, 0, other, 0, 2);
    ck_assert(!v->ended && v->episode[0] == t / 50 - 1);
  }

  /* a shared vector plays in the same instance, and leaves the owner's arrays alone */
  v->end_all = 1;
  run(v, 201, 202);
  ck_ok(sac_vector_share(&shared, v, sac_stream_eval_env(0), 0));
  ck_ok(sac_vector_reset(shared, 7));
  run(shared, 0, 230);
  ck_assert(v->episode[1] == 3 && v->steps == 202 && v->ended);
  sac_vector_destroy(shared);
  ck_ok(sac_vector_start(v));
  run(v, 202, 210);
  sac_vector_destroy(other);
  sac_vector_destroy(v);
}
END_TEST

int main(void) {
  const int tasks = sac_task_count;
  const check_case cases[] = {CASE(time_limit_truncates_and_resets),
                              CASE(episodes_start_from_their_own_seeds),
                              LOOP(agents_do_not_depend_on_their_population, tasks),
                              CASE(many_are_as_many_single_ones),
                              CASE(evaluation_and_other_seeds_are_other_episodes),
                              LOOP(state_continues_to_the_bit, tasks),
                              CASE(damaged_state_is_refused),
                              LOOP(faults_are_named, 7),
                              LOOP(what_create_says_is_checked, 17),
                              CASE(foreign_tables_are_refused),
                              CASE(stateless_environments_start_their_next_episode),
                              CASE(the_environments_own_flags_are_kept),
                              CASE(stopped_agents_are_harmless),
                              CASE(all_episodes_end)};
  return check_run("vector", cases, sizeof cases / sizeof *cases);
}
