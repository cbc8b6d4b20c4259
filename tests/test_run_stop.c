/* Stopping a run and asking it for a checkpoint at any moment, and evaluations in the training environments. */
#include "support/small_run.h"
#include "support/tolerances.h"

/* What a run said, and what it is asked for in a step of the environment of an evaluation. */
typedef struct asker {
  sac_run* run;
  int64_t at;                /* the step, counted over all instances; 0: nothing is asked for */
  int64_t steps;             /* made so far */
  void (*ask)(sac_run* run); /* sac_run_stop or sac_run_request_checkpoint */
  char log[8192];
} asker;

static asker asked;

static int step(void* self, const float* action, float* obs, float* reward, uint8_t* terminated, uint8_t* truncated) {
  if (++asked.steps == asked.at) asked.ask(asked.run);
  return fake_env_api.step(self, action, obs, reward, terminated, truncated);
}

static int on_log(void* user, const char* line) {
  (void)user;
  const size_t used = strlen(asked.log);
  (void)snprintf(asked.log + used, sizeof asked.log - used, "%s\n", line);
  return 0;
}

static const sac_callbacks callbacks = {.log = on_log};

/* The fake environment, in which a step asks; its instances are stepped one after another. */
static sac_env_api asking_api(int with_state) {
  sac_env_api api = with_state ? fake_env_api : fake_env_stateless_api;
  memset(&fake_env, 0, sizeof fake_env);
  memset(&asked, 0, sizeof asked);
  api.step = step;
  api.concurrent = 0;
  return api;
}

/* Checks that two runs have the same evaluations, and the same weights to the bit. */
static void same_results(const sac_run* a, const char* a_path, const sac_run* b, const char* b_path) {
  float weights[2][32];
  const sac_run* const runs[2] = {a, b};
  for (int i = 0; i < 2; i++)
    ck_ok(runs[i]->agent->backend->read(runs[i]->agent, SAC_MEMORY_WEIGHTS, 0, 0, weights[i], 32));
  ck_same_bits(weights[0], weights[1], 32);
  char *first = test_read(test_path(a_path, "seed_1/evaluations.csv"), NULL),
       *second = test_read(test_path(b_path, "seed_1/evaluations.csv"), NULL);
  ck_assert_str_eq(first, second);
  free(first);
  free(second);
}

/* Runs until an evaluation is left: at a step between two others, or at the last one. Then goes on in this process, or
 * after a resume. */
START_TEST(evaluation_is_left) {
  static const struct {
    int64_t at, step; /* the environment's step at which to stop, and the run's step then */
    int resumed;
  } row[] = {{65, 60, 0}, {65, 60, 1}, {60 + 21 + 60 + 3, 120, 1}, {180 + 63 + 20 + 10, 200, 0}};
  const sac_env_api api = asking_api(1);
  const char *folder = test_folder(), *whole_path = small_path(folder, "whole"), *path = small_path(folder, "parts");
  sac_run *whole = small_run_of(&api, whole_path, "", NULL), *run;
  ck_ok(sac_run_steps(whole, 0));

  /* the same run, stopped in an evaluation */
  asked = (asker){.at = row[_i].at, .ask = sac_run_stop};
  asked.run = run = small_run_of(&api, path, "", &callbacks);
  ck_fails(sac_run_steps(run, 0), SAC_STOPPED, "stopped at step");
  ck_assert_int_eq(sac_run_step(run), row[_i].step);
  ck_assert_int_eq(asked.steps, row[_i].at); /* at once */
  ck_assert_msg(strstr(asked.log, "was left: it is played when the run goes on"), "%s", asked.log);
  ck_assert_int_eq(run->saved_step, row[_i].step);

  /* it goes on */
  if (row[_i].resumed) {
    sac_run_destroy(run);
    ck_ok(sac_run_resume(&run, path, NULL, &api, NULL));
  }
  ck_ok(sac_run_steps(run, 0));
  same_results(whole, whole_path, run, path);
  sac_run_destroy(run);
  sac_run_destroy(whole);
  test_folder_remove();
}
END_TEST

/* A checkpoint that is asked for in an evaluation is written at once, and the evaluation goes on. */
START_TEST(checkpoint_on_request) {
  const sac_env_api api = asking_api(1);
  const char *folder = test_folder(), *whole_path = small_path(folder, "whole"), *path = small_path(folder, "parts");
  sac_run *whole = small_run_of(&api, whole_path, "", NULL), *run;
  ck_ok(sac_run_steps(whole, 0));

  /* asked for in the evaluation of step 60, and in step 85 after it */
  asked = (asker){.at = 65, .ask = sac_run_request_checkpoint};
  asked.run = run = small_run_of(&api, path, "", &callbacks);
  ck_ok(sac_run_steps(run, 70));
  ck_assert(test_exists(test_path(path, "seed_1/checkpoints/step_60.safetensors")));
  ck_assert_msg(strstr(asked.log, "step 60: checkpoint written on request"), "%s", asked.log);
  asked.at = asked.steps + 15;
  ck_ok(sac_run_steps(run, 20));
  ck_assert(test_exists(test_path(path, "seed_1/checkpoints/step_85.safetensors")));

  /* a run that is killed now continues from there, to the same results */
  sac_run_destroy(run);
  asked.at = 0;
  ck_ok(sac_run_resume(&run, path, NULL, &api, NULL));
  ck_assert_int_eq(sac_run_step(run), 85);
  ck_ok(sac_run_steps(run, 0));
  same_results(whole, whole_path, run, path);
  sac_run_destroy(run);
  sac_run_destroy(whole);
  test_folder_remove();
}
END_TEST

/* With eval.env: train one instance serves both. The run depends on its seed and steps alone, and a resume at the step
 * of an evaluation is exact even if the environment saves no state. */
START_TEST(evaluation_in_the_training_environments) {
  const char* sets =
      _i == 2 ? "log.every=1000 eval.env=train env.num_envs=2 eval.episodes=5" : "log.every=1000 eval.env=train";
  const sac_env_api api = asking_api(_i == 1);
  const char *folder = test_folder(), *whole_path = small_path(folder, "whole"), *path = small_path(folder, "parts");
  sac_run *whole = small_run_of(&api, whole_path, sets, NULL), *run;
  ck_ok(sac_run_steps(whole, 0));

  /* the last transition before the evaluation of step 60 is truncated, and only whole episodes are reported */
  asked = (asker){.at = 0};
  asked.run = run = small_run_of(&api, path, sets, &callbacks);
  ck_ok(sac_run_steps(run, 60));
  ck_assert(run->vector->ended && run->vector->truncated[0] && !run->vector->terminated[0]);
  ck_assert_int_eq(run->window[0].count.episodes, 8);

  /* it is left, and goes on after a resume */
  sac_run_destroy(run);
  ck_ok(sac_run_resume(&run, path, NULL, &api, &callbacks));
  if (_i != 1) {
    ck_assert_int_eq(sac_run_step(run), 50); /* the last checkpoint, without state: other episodes from here on */
    sac_run_destroy(run);
    run = NULL;
  }
  if (!run) {
    asked = (asker){.at = _i == 2 ? 40 : 70, .ask = sac_run_stop};
    const char* other = small_path(folder, "other");
    path = other;
    asked.run = run = small_run_of(&api, path, sets, &callbacks);
    ck_fails(sac_run_steps(run, 0), SAC_STOPPED, "at step 60");
    sac_run_destroy(run);
    asked.log[0] = '\0';
    ck_ok(sac_run_resume(&run, path, NULL, &api, &callbacks));
    ck_assert_msg(!strstr(asked.log, "saves no state"), "%s", asked.log);
  }
  ck_ok(sac_run_steps(run, 0));
  same_results(whole, whole_path, run, path);
  sac_run_destroy(run);
  sac_run_destroy(whole);
  test_folder_remove();
}
END_TEST

/* The keys of signals have one meaning each. */
START_TEST(signals_differ) {
  sac_settings settings;
  sac_config* config = small_config("", "signal.checkpoint=usr2");
  ck_fails(sac_config_settings(config, &settings), SAC_ERROR_CONFIG, "are the same signal");
  sac_config_destroy(config);
  config = small_config("", "signal.checkpoint=none signal.stop=none");
  ck_ok(sac_config_settings(config, &settings));
  sac_config_destroy(config);
}
END_TEST

CHECK_MAIN("run_stop", LOOP(evaluation_is_left, 4), CASE(checkpoint_on_request),
           LOOP(evaluation_in_the_training_environments, 3), CASE(signals_differ))
