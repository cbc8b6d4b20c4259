/* Evaluation: episodes, statistics, and that training does not change. */
#include <stdatomic.h>

#include "env/list.h"
#include "kernels/random.h"
#include "support/small_run.h"
#include "support/tolerances.h"
#include "train/evaluate.h"
#include "train/step.h"
#include "util/system.h"

START_TEST(mean_and_std) {
  const double value[] = {1, 2, 3, 6};
  double mean, std;
  sac_mean_std(value, 4, &mean, &std);
  ck_near(mean, 3, 0);
  ck_near_relative(std, sqrt(14.0 / 3), 4 * DOUBLE_EPSILON, 0);
  sac_mean_std(value, 1, &mean, &std);
  ck_near(mean, 1, 0);
  ck_near(std, 0, 0);
}
END_TEST

/* An agent and environments without a run. */
typedef struct bench {
  sac_config* config;
  sac_vector* vector;
  sac_agent* agent;
  sac_evaluator* evaluator;
} bench;

static void set_up_as(bench* b, const char* sets, int32_t episodes, int64_t num_envs, int sample) {
  sac_settings settings;
  memset(&fake_env, 0, sizeof fake_env);
  b->config = small_config("", sets);
  ck_ok(sac_config_settings(b->config, &settings));
  const uint64_t first = (uint64_t)settings.seed, seed[] = {first, first + 1, first + 2};
  ck_ok(sac_vector_create(&b->vector, &fake_env_api, "fake", "{}", (int32_t)settings.seeds, (int32_t)settings.num_envs,
                          seed, sac_stream_env(0)));
  ck_ok(sac_agent_create(&b->agent, b->config, &b->vector->spec));
  const sac_eval_env env = {
      .api = &fake_env_api, .id = "fake", .options = "{}", .num_envs = num_envs, .sample = sample};
  ck_ok(sac_evaluator_create(&b->evaluator, b->agent, &env, episodes));
}

static void set_up_in(bench* b, const char* sets, int32_t episodes, int64_t num_envs) {
  set_up_as(b, sets, episodes, num_envs, 0);
}

static void set_up(bench* b, const char* sets, int32_t episodes) { set_up_in(b, sets, episodes, episodes); }

static void tear_down(bench* b) {
  sac_evaluator_destroy(b->evaluator);
  sac_agent_destroy(b->agent);
  sac_vector_destroy(b->vector);
  sac_config_destroy(b->config);
}

START_TEST(every_episode_once) {
  bench b;
  double returns[3 * 5];
  int64_t lengths[3 * 5];
  set_up(&b, "seeds=3", 5);
  ck_ok(sac_evaluator_run(b.evaluator, b.agent, 60, returns, lengths));
  for (int i = 0; i < 15; i++) {
    ck_assert_int_eq(lengths[i], 7);
    ck_assert(isfinite(returns[i]) && returns[i] <= 0);
  }
  tear_down(&b);
}
END_TEST

START_TEST(number_picks_the_episodes) {
  bench b;
  double first[5], again[5], other[5];
  int64_t lengths[5];
  set_up(&b, "", 5);
  ck_ok(sac_evaluator_run(b.evaluator, b.agent, 60, first, lengths));
  ck_ok(sac_evaluator_run(b.evaluator, b.agent, 120, other, lengths));
  ck_ok(sac_evaluator_run(b.evaluator, b.agent, 60, again, lengths));
  ck_same_bits(first, again, 5);
  ck_assert(memcmp(first, other, sizeof first) != 0);
  tear_down(&b);
}
END_TEST

/* Agent p of a population has the episodes that it has alone. */
START_TEST(population_equals_single_agents) {
  bench all, one;
  double returns[2 * 4], single[4];
  int64_t lengths[2 * 4];
  set_up(&all, "seeds=2", 4);
  ck_ok(sac_evaluator_run(all.evaluator, all.agent, 60, returns, lengths));
  for (int p = 0; p < 2; p++) {
    set_up(&one, p ? "seed=2" : "seed=1", 4);
    ck_ok(sac_evaluator_run(one.evaluator, one.agent, 60, single, lengths));
    ck_same_bits(returns + 4 * p, single, 4);
    tear_down(&one);
  }
  tear_down(&all);
}
END_TEST

/* Any number of environments plays the same episodes, and every evaluation starts them anew. */
START_TEST(in_turn_equals_together) {
  static const int64_t num_envs[] = {0, 1, 2, 3, 4, 5, 10}; /* 0: the default of an environment from outside */
  bench together, turns;
  double returns[2 * 5], other[2 * 5];
  int64_t lengths[2 * 5];
  set_up(&together, "seeds=2", 5);
  ck_ok(sac_evaluator_run(together.evaluator, together.agent, 60, returns, lengths));
  set_up_in(&turns, "seeds=2", 5, num_envs[_i]);
  for (int again = 0; again < 2; again++) {
    ck_ok(sac_evaluator_run(turns.evaluator, turns.agent, 60, other, lengths));
    ck_same_bits(returns, other, 10);
    for (int i = 0; i < 10; i++) ck_assert_int_eq(lengths[i], 7);
  }
  ck_assert(memcmp(&other[0], &other[1], sizeof *other) != 0);
  tear_down(&turns);
  tear_down(&together);
}
END_TEST

/* Actions that are drawn: of each agent and episode the same ones, with any number of environments and agents beside
 * it; and the agent's own stream stays where it is. */
START_TEST(sampled_episodes) {
  bench mean, b;
  double means[2 * 5], together[2 * 5], other[2 * 5];
  int64_t lengths[2 * 5];
  set_up(&mean, "seeds=2", 5);
  ck_ok(sac_evaluator_run(mean.evaluator, mean.agent, 60, means, lengths));
  tear_down(&mean);
  for (int64_t num_envs = 5; num_envs > 0; num_envs -= 2) {
    set_up_as(&b, "seeds=2", 5, num_envs, 1);
    for (int again = 0; again < 2; again++) {
      double* returns = num_envs == 5 && !again ? together : other;
      ck_ok(sac_evaluator_run(b.evaluator, b.agent, 60, returns, lengths));
      ck_same_bits(returns, together, 10);
    }
    ck_assert(b.agent->counters[0].act == 0 && b.agent->counters[1].act == 0);
    tear_down(&b);
  }
  for (int i = 0; i < 10; i++) ck_assert(isfinite(together[i]) && together[i] != means[i]);

  /* an agent alone */
  for (int p = 0; p < 2; p++) {
    set_up_as(&b, p ? "seed=2" : "seed=1", 5, 5, 1);
    ck_ok(sac_evaluator_run(b.evaluator, b.agent, 60, other, lengths));
    ck_same_bits(other, together + 5 * p, 5);
    tear_down(&b);
  }
}
END_TEST

START_TEST(number_of_environments) {
  const sac_env_api* pendulum;
  ck_ok(sac_env_find("Pendulum-v1", &pendulum));
  const sac_eval_env own = {.api = pendulum, .id = "Pendulum-v1"}, plugin = {.api = &fake_env_api, .id = "fake"},
                     same_name = {.api = &fake_env_api, .id = "Pendulum-v1"}, three = {.num_envs = 3, .id = "fake"};
  ck_assert_int_eq(sac_eval_env_count(&own, 10), 10);
  ck_assert_int_eq(sac_eval_env_count(&plugin, 10), 1);
  ck_assert_int_eq(sac_eval_env_count(&same_name, 10), 1);
  ck_assert_int_eq(sac_eval_env_count(&three, 10), 3);
  ck_assert_int_eq(sac_eval_env_count(&three, 2), 2);
}
END_TEST

/* An episode that does not end is cut; the limit of an environment that has a shorter one stays. */
START_TEST(endless_episodes_are_cut) {
  static const struct {
    int64_t max_steps;
    int32_t own, limit;
    int by_default;
  } row[] = {{5, 0, 5, 0}, {5, 9, 5, 0}, {9, 5, 0, 0}, {0, 5, 0, 0}, {0, 0, SAC_EVAL_STEPS_MAX, 1}};
  bench b;
  double returns[3];
  int64_t lengths[3];
  int by_default;
  set_up(&b, "", 3);
  fake_env.episode = 1 << 30;
  for (size_t i = 0; i < sizeof row / sizeof *row; i++) {
    sac_evaluator* evaluator;
    fake_env.limit = row[i].own;
    const sac_eval_env env = {.api = &fake_env_api, .id = "fake", .options = "{}", .max_steps = row[i].max_steps};
    ck_ok(sac_evaluator_create(&evaluator, b.agent, &env, 3));
    ck_assert_int_eq(sac_evaluator_limit(evaluator, &by_default), row[i].limit);
    ck_assert_int_eq(by_default, row[i].by_default);
    if (!row[i].by_default) {
      ck_ok(sac_evaluator_run(evaluator, b.agent, 60, returns, lengths));
      for (int t = 0; t < 3; t++) ck_assert(lengths[t] == 5 && isfinite(returns[t]));
    }
    sac_evaluator_destroy(evaluator);
  }
  tear_down(&b);
}
END_TEST

/* Leaves an evaluation at the step that `user` counts down to. */
static int leave_at(void* user, const sac_eval_play* play) {
  atomic_int* left = user;
  (void)play;
  return atomic_fetch_sub(left, 1) == 0;
}

/* An evaluation that was left and is played again has the results of one that was not; played on this thread (0), and
 * on its own while the agent learns (1). */
START_TEST(left_and_played_again) {
  bench b;
  double whole[5], again[5];
  int64_t lengths[5];
  set_up(&b, _i ? "cpu.threads=1" : "cpu.threads=1024", 5);
  ck_ok(sac_evaluator_run(b.evaluator, b.agent, 60, whole, lengths));
  for (int at = 0; at < 15; at += 7) {
    sac_evaluator* evaluator;
    atomic_int left = at;
    const sac_eval_env env = {.api = &fake_env_api, .id = "fake", .num_envs = 2, .leave = leave_at, .user = &left};
    ck_ok(sac_evaluator_create(&evaluator, b.agent, &env, 5));
    ck_fails(sac_evaluator_run(evaluator, b.agent, 60, again, lengths), SAC_STOPPED, "left");
    for (int i = 0; i < 5; i++) ck_assert_int_eq(isnan(again[i]), i >= at / 7 * 2);
    /* the agent goes on meanwhile, and the copy has the weights of before */
    if (sac_evaluator_agent(evaluator) != b.agent) ck_ok(sac_step(b.agent, b.vector, SAC_ACT_SAMPLE, 0));
    ck_ok(sac_evaluator_run(evaluator, sac_evaluator_agent(evaluator), 60, again, lengths));
    ck_same_bits(whole, again, 5);
    sac_evaluator_destroy(evaluator);
  }
  tear_down(&b);
}
END_TEST

/* An evaluator does not wait for an evaluation that it is destroyed in. */
START_TEST(destroyed_while_it_plays) {
  bench b;
  double returns[3];
  int64_t lengths[3];
  set_up(&b, "cpu.threads=1", 3);
  fake_env.episode = 1 << 30;
  if (sac_processors() > 1) ck_ok(sac_evaluator_begin(b.evaluator, b.agent, 60, returns, lengths));
  tear_down(&b);
}
END_TEST

START_TEST(stopped_agents_do_not_play) {
  bench b;
  double returns[2 * 3];
  int64_t lengths[2 * 3];
  set_up(&b, "seeds=2", 3);
  b.agent->alive[0] = 0;
  ck_ok(sac_evaluator_run(b.evaluator, b.agent, 60, returns, lengths));
  for (int i = 0; i < 3; i++) {
    ck_assert(isnan(returns[i]));
    ck_assert(isfinite(returns[3 + i]));
  }
  b.agent->alive[1] = 0;
  ck_ok(sac_evaluator_run(b.evaluator, b.agent, 60, returns, lengths)); /* no agent is running: ends at once */
  tear_down(&b);
}
END_TEST

START_TEST(training_is_left_alone) {
  bench b;
  double returns[3];
  int64_t lengths[3];
  set_up(&b, "", 3);
  for (int i = 0; i < 20; i++) ck_ok(sac_step(b.agent, b.vector, SAC_ACT_SAMPLE, 1));
  const sac_counters counters = b.agent->counters[0];
  const sac_totals totals = b.agent->totals[0];
  double seconds[SAC_STAGE_COUNT];
  memcpy(seconds, b.agent->seconds, sizeof seconds);
  float weights[16], after[16];
  ck_ok(b.agent->backend->read(b.agent, SAC_MEMORY_WEIGHTS, 0, 0, weights, 16));
  ck_ok(sac_evaluator_run(b.evaluator, b.agent, 60, returns, lengths));
  ck_ok(b.agent->backend->read(b.agent, SAC_MEMORY_WEIGHTS, 0, 0, after, 16));
  ck_assert_mem_eq(&counters, &b.agent->counters[0], sizeof counters);
  ck_assert_mem_eq(&totals, &b.agent->totals[0], sizeof totals);
  ck_assert_mem_eq(seconds, b.agent->seconds, sizeof seconds);
  ck_same_bits(weights, after, 16);
  tear_down(&b);
}
END_TEST

/* The evaluation plays the agent as it was at its start, although the agent learns meanwhile. */
START_TEST(played_while_the_agent_learns) {
  bench b;
  double alone[5], beside[5], later[5];
  int64_t lengths[5];
  set_up(&b, "train.updates_per_step=1 optim.lr=0.01", 5);
  for (int i = 0; i < 20; i++) ck_ok(sac_step(b.agent, b.vector, SAC_ACT_SAMPLE, 1));
  ck_ok(sac_evaluator_run(b.evaluator, b.agent, 60, alone, lengths));
  ck_ok(sac_evaluator_begin(b.evaluator, b.agent, 60, beside, lengths));
  for (int i = 0; i < 50; i++) ck_ok(sac_step(b.agent, b.vector, SAC_ACT_SAMPLE, 1));
  ck_ok(sac_evaluator_end(b.evaluator));
  ck_same_bits(alone, beside, 5);
  ck_ok(sac_evaluator_run(b.evaluator, b.agent, 60, later, lengths));
  ck_assert(memcmp(alone, later, sizeof alone) != 0);
  tear_down(&b);
}
END_TEST

/* With a free processor a copy of the agent plays, otherwise the agent itself. The results are the same. */
START_TEST(copy_plays_as_the_agent) {
  double returns[2][2 * 5];
  int64_t lengths[2 * 5];
  for (int all = 0; all < 2; all++) {
    bench b;
    char sets[64];
    (void)snprintf(sets, sizeof sets, "seeds=2 cpu.threads=%d", all ? (int)sac_processors() : 1);
    set_up(&b, sets, 5);
    for (int i = 0; i < 20; i++) ck_ok(sac_step(b.agent, b.vector, SAC_ACT_SAMPLE, 1));
    ck_ok(sac_evaluator_run(b.evaluator, b.agent, 60, returns[all], lengths));
    ck_assert_int_eq(sac_evaluator_agent(b.evaluator) == b.agent, all || sac_processors() == 1);
    tear_down(&b);
  }
  ck_same_bits(returns[0], returns[1], 10);
}
END_TEST

/* If instances of the environment may not be called at the same time, or do not say so, the agent itself plays before
 * it goes on. */
START_TEST(one_after_the_other) {
  bench b;
  set_up(&b, "cpu.threads=1", 3);
  sac_env_api api = fake_env_api;
  for (int old = 0; old < 2; old++) {
    double returns[3];
    int64_t lengths[3];
    sac_evaluator* evaluator;
    api.concurrent = old;
    api.size = (uint32_t)(old ? offsetof(sac_env_api, info_names) : sizeof api);
    const sac_eval_env env = {.api = &api, .id = "fake", .options = "{}"};
    ck_ok(sac_evaluator_create(&evaluator, b.agent, &env, 3));
    ck_ok(sac_evaluator_begin(evaluator, b.agent, 60, returns, lengths));
    ck_assert(sac_evaluator_done(evaluator) && sac_evaluator_agent(evaluator) == b.agent);
    ck_ok(sac_evaluator_end(evaluator));
    ck_assert(sac_evaluator_memory(b.config, &b.vector->spec, &api) == 0);
    sac_evaluator_destroy(evaluator);
  }
  tear_down(&b);
}
END_TEST

/* A device given by a flag does not keep the copy from running on the CPU. */
START_TEST(copy_of_a_flagged_device) {
  bench b;
  double returns[3];
  int64_t lengths[3];
  set_up(&b, "cpu.threads=1", 3);
  sac_evaluator* evaluator;
  const sac_eval_env env = {.api = &fake_env_api, .id = "fake", .options = "{}"};
  ck_ok(sac_config_set_from(b.agent->config, "cpu.threads", "1", SAC_ORIGIN_FLAG, "--threads"));
  ck_ok(sac_config_set_from(b.agent->config, "replay.capacity", "300", SAC_ORIGIN_FLAG, "--capacity"));
  ck_ok(sac_evaluator_create(&evaluator, b.agent, &env, 3));
  ck_ok(sac_evaluator_run(evaluator, b.agent, 60, returns, lengths));
  const sac_agent* player = sac_evaluator_agent(evaluator);
  ck_assert(player == b.agent || player->shape.capacity == 1);
  ck_assert_int_eq(player->capacity, 300); /* and its files name the original's configuration */
  sac_evaluator_destroy(evaluator);
  tear_down(&b);
}
END_TEST

/* The announced memory of a run includes the copy, whose replay has one row. */
START_TEST(memory_of_the_copy) {
  bench b;
  set_up(&b, "cpu.threads=1", 3);
  const size_t bytes = sac_evaluator_memory(b.config, &b.vector->spec, &fake_env_api);
  size_t replay, rest;
  ck_ok(sac_agent_memory(b.config, &b.vector->spec, &replay, &rest));
  if (sac_processors() > 1) ck_assert(bytes > rest / 4 && bytes < replay + rest);
  else ck_assert(bytes == 0);
  tear_down(&b);
  set_up(&b, "cpu.threads=1024", 3);
  ck_assert(sac_evaluator_memory(b.config, &b.vector->spec, &fake_env_api) == 0);
  tear_down(&b);
}
END_TEST

START_TEST(failures_say_where) {
  bench b;
  double returns[3];
  int64_t lengths[3];
  set_up(&b, "", 3);
  fake_env.nan_reward_at = 2;
  ck_fails(sac_evaluator_run(b.evaluator, b.agent, 60, returns, lengths), SAC_ERROR_NUMERIC, "evaluation: ");
  tear_down(&b);
  memset(&fake_env, 0, sizeof fake_env);
}
END_TEST

CHECK_MAIN("evaluate", CASE(mean_and_std), CASE(every_episode_once), CASE(number_picks_the_episodes),
           CASE(population_equals_single_agents), LOOP(in_turn_equals_together, 7), CASE(sampled_episodes),
           CASE(number_of_environments), CASE(endless_episodes_are_cut), LOOP(left_and_played_again, 2),
           CASE(destroyed_while_it_plays), CASE(stopped_agents_do_not_play), CASE(training_is_left_alone),
           CASE(played_while_the_agent_learns), CASE(copy_plays_as_the_agent), CASE(one_after_the_other),
           CASE(copy_of_a_flagged_device), CASE(memory_of_the_copy), CASE(failures_say_where))
