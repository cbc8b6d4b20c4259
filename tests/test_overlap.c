/* train.overlap: which updates are made before an action is chosen, and that threads change no bit. */
#include "support/same_run.h"
#include "train/step.h"

static const struct {
  const char* sets;
  int64_t overlap, num_envs;
  double rate;
  int32_t actions; /* discrete ones of the environment; 0: continuous */
} lags[] = {
    {"train.overlap=1", 1, 1, 1, 0},
    {"train.overlap=3", 3, 1, 1, 0},
    {"train.overlap=64 train.updates_per_step=0.7", 64, 1, 0.7, 0},
    {"train.overlap=1 env.num_envs=3", 1, 3, 1, 0},
    {"train.overlap=7 env.num_envs=3 train.updates_per_step=1.3", 7, 3, 1.3, 0},
    {"train.overlap=2 env.num_envs=2 seeds=3", 2, 2, 1, 0},
    {"train.overlap=2 algo=sac-v replay.capacity=50", 2, 1, 1, 0},
    {"train.overlap=3 algo=soft-q seeds=2", 3, 1, 1, 3},
    {"train.overlap=1 algo=sac-discrete env.num_envs=3", 1, 3, 1, 5},
};
#define LAGS (sizeof lags / sizeof *lags)

#define WARMUP 40 /* num_envs of small_config */

static sac_run* start(const char* folder, const char* name, const char* sets, int worker) {
  sac_run* run = small_run(small_path(folder, name), sets, NULL);
  sac_worker_destroy(run->vector->worker); /* with and without a second processor, whatever this machine has */
  run->vector->worker = NULL;
  if (worker) ck_ok(sac_worker_create(&run->vector->worker));
  return run;
}

/* The updates that are due by step t, by definition: a product, rounded down. */
static int64_t due_by(int64_t t, double rate) { return t <= WARMUP ? 0 : (int64_t)floor(rate * (double)(t - WARMUP)); }

/* Acting at step t uses the weights after the updates that are due by t - d. Updates only increase a counter here, so
 * its value before a step says which weights the step uses. */
START_TEST(acts_with_the_weights_of_d_steps_ago) {
  memset(&fake_env, 0, sizeof fake_env);
  fake_env.actions = lags[_i].actions;
  sac_run* run = start(test_folder(), "run", lags[_i].sets, 1);
  const int64_t n = lags[_i].num_envs, d = lags[_i].overlap;
  for (int64_t t = 0; t < 200; t = sac_run_step(run)) {
    ck_assert_int_eq(t % n, 0);
    /* updates become due only at the end of vector steps */
    const int64_t last = (t - d >= 0 ? (t - d) / n * n : 0), first = (WARMUP + n - 1) / n * n;
    const int64_t made = last <= first ? 0 : (int64_t)floor(lags[_i].rate * (double)(last - first));
    for (int32_t p = 0; p < run->agent->shape.population; p++) ck_assert_int_eq(run->agent->counters[p].updates, made);
    if (t - d > WARMUP && n == 1) ck_assert_int_eq(made, due_by(t - d, lags[_i].rate));
    ck_ok(sac_run_steps(run, n));
  }
  sac_run_destroy(run);
  test_folder_remove();
}
END_TEST

START_TEST(threads_change_nothing) {
  memset(&fake_env, 0, sizeof fake_env);
  fake_env.actions = lags[_i].actions;
  const char* folder = test_folder();
  char two[256];
  (void)snprintf(two, sizeof two, "%s cpu.threads=2", lags[_i].sets);
  sac_run *alone = start(folder, "alone", lags[_i].sets, 0), *beside = start(folder, "beside", two, 1);
  ck_ok(sac_run_steps(alone, 0));
  ck_ok(sac_run_steps(beside, 0));
  const sac_agent* agent = alone->agent;
  for (int32_t p = 0; p < agent->shape.population; p++) {
    const int64_t rows = sac_replay_size(agent->counters[p].pushed, agent->shape.capacity);
    ck_assert_mem_eq(&agent->counters[p], &beside->agent->counters[p], sizeof *agent->counters);
    same_memory(alone, beside, SAC_MEMORY_WEIGHTS, p, agent->tensors.floats[SAC_SLAB_TRAINED]);
    same_memory(alone, beside, SAC_MEMORY_REPLAY, p, (size_t)rows * (size_t)agent->row.floats);
  }
  sac_run_destroy(alone);
  sac_run_destroy(beside);
  test_folder_remove();
}
END_TEST

/* The program that train.overlap = N stands for: act, the updates of the previous step, env step, push. */
START_TEST(equals_the_program_in_turn) {
  /* a run with overlap, and an agent that is stepped here */
  memset(&fake_env, 0, sizeof fake_env);
  const char* folder = test_folder();
  sac_run *run = start(folder, "run", "train.overlap=1", 1), *other = start(folder, "other", "train.overlap=1", 0);
  ck_ok(sac_run_steps(run, 0));
  sac_agent* agent = other->agent;
  sac_vector* vector = other->vector;

  /* each step in turn */
  for (int64_t t = 0; t < 200; t++) {
    const sac_act act = {.n = 1,
                         .mode = t < WARMUP ? SAC_ACT_UNIFORM : SAC_ACT_SAMPLE,
                         .obs = vector->obs,
                         .action = vector->action,
                         .vector = vector};
    ck_ok(agent->backend->act(agent, &act));
    ck_ok(sac_update(agent, t > WARMUP));
    ck_ok(sac_vector_step(vector));
    const sac_transitions transitions = sac_vector_transitions(vector);
    ck_ok(agent->backend->replay_push(agent, &transitions, vector));
  }

  /* the same bits */
  same_memory(run, other, SAC_MEMORY_WEIGHTS, 0, agent->tensors.floats[SAC_SLAB_TRAINED]);
  same_memory(run, other, SAC_MEMORY_REPLAY, 0, (size_t)200 * (size_t)agent->row.floats);
  sac_run_destroy(run);
  sac_run_destroy(other);
  test_folder_remove();
}
END_TEST

/* An environment that fails on its thread ends the run with its own message, as without a thread. */
START_TEST(failures_come_through) {
  for (int worker = 0; worker < 2; worker++) {
    memset(&fake_env, 0, sizeof fake_env);
    sac_run* run = start(test_folder(), "run", "train.overlap=1 eval.every=0", worker);
    fake_env.fail_at = 100;
    ck_fails(sac_run_steps(run, 0), SAC_ERROR_ENV, "step 100: fake: step failed: it broke");
    sac_run_destroy(run);
    test_folder_remove();
    fake_env.fail_at = 0;
  }
}
END_TEST

START_TEST(too_long_a_lag) {
  sac_settings settings;
  sac_config* config = small_config("", "train.overlap=65");
  ck_fails(sac_config_settings(config, &settings), SAC_ERROR_CONFIG, "train.overlap = 65");
  ck_assert(strstr(sac_last_error(), "at most 64"));
  ck_ok(sac_config_set(config, "env.num_envs", "2"));
  ck_ok(sac_config_settings(config, &settings));
  sac_config_destroy(config);
}
END_TEST

CHECK_MAIN("overlap", LOOP(acts_with_the_weights_of_d_steps_ago, LAGS), LOOP(threads_change_nothing, LAGS),
           CASE(equals_the_program_in_turn), CASE(failures_come_through), CASE(too_long_a_lag))
