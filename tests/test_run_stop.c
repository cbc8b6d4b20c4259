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
static const sac_env_api* asking_api(int with_state) {
  static sac_env_api api;
  api = with_state ? fake_env_api : fake_env_stateless_api;
  memset(&fake_env, 0, sizeof fake_env);
  memset(&asked, 0, sizeof asked);
  api.step = step;
  api.concurrent = 0;
  return &api;
}

/* A run that nobody stops, and one of the same configuration in which a step asks. */
typedef struct pair {
  const char *folder, *whole_path, *path;
  sac_run *whole, *run;
  const sac_env_api* api;
} pair;

/* Begins `run` anew in the folder PATH/NAME: the environment's step `at` calls `ask`. */
static void begin_run(pair* p, const char* name, const char* sets, int64_t at, void (*ask)(sac_run* run)) {
  p->path = small_path(p->folder, name);
  asked = (asker){.at = at, .ask = ask};
  asked.run = p->run = small_run_of(p->api, p->path, sets, &callbacks);
}

/* Trains the first to its end, and begins the second. */
static pair begin_pair(int with_state, const char* sets, int64_t at, void (*ask)(sac_run* run)) {
  pair p = {.folder = test_folder(), .api = asking_api(with_state)};
  p.whole_path = small_path(p.folder, "whole");
  p.whole = small_run_of(p.api, p.whole_path, sets, NULL);
  ck_ok(sac_run_steps(p.whole, 0));
  begin_run(&p, "parts", sets, at, ask);
  return p;
}

/* Goes on with the second one as after a kill; nothing is asked for any more. */
static void resume_run(pair* p) {
  sac_run_destroy(p->run);
  asked.at = 0;
  asked.log[0] = '\0';
  ck_ok(sac_run_resume(&p->run, p->path, NULL, p->api, &callbacks));
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

/* Trains the second one to its end, which is that of the first. */
static void end_pair(pair* p) {
  ck_ok(sac_run_steps(p->run, 0));
  same_results(p->whole, p->whole_path, p->run, p->path);
  sac_run_destroy(p->run);
  sac_run_destroy(p->whole);
  test_folder_remove();
}

/* Runs until an evaluation is left: at a step between two others, or at the last one. Then goes on in this process, or
 * after a resume. */
START_TEST(evaluation_is_left) {
  static const struct {
    int64_t at, step; /* the environment's step at which to stop, and the run's step then */
    int resumed;
  } row[] = {{65, 60, 0}, {65, 60, 1}, {60 + 21 + 60 + 3, 120, 1}, {180 + 63 + 20 + 10, 200, 0}};
  pair p = begin_pair(1, "", row[_i].at, sac_run_stop);
  ck_fails(sac_run_steps(p.run, 0), SAC_STOPPED, "stopped at step");
  ck_assert_int_eq(sac_run_step(p.run), row[_i].step);
  ck_assert_int_eq(asked.steps, row[_i].at); /* at once */
  ck_assert_msg(strstr(asked.log, "was left: it is played when the run goes on"), "%s", asked.log);
  ck_assert_int_eq(p.run->saved_step, row[_i].step);
  if (row[_i].resumed) resume_run(&p);
  end_pair(&p);
}
END_TEST

/* A checkpoint that is asked for in an evaluation is written at once, and the evaluation goes on. */
START_TEST(checkpoint_on_request) {
  /* asked for in the evaluation of step 60, and in step 85 after it */
  pair p = begin_pair(1, "", 65, sac_run_request_checkpoint);
  ck_ok(sac_run_steps(p.run, 70));
  ck_assert(test_exists(test_path(p.path, "seed_1/checkpoints/step_60.safetensors")));
  ck_assert_msg(strstr(asked.log, "step 60: checkpoint written on request"), "%s", asked.log);
  asked.at = asked.steps + 15;
  ck_ok(sac_run_steps(p.run, 20));
  ck_assert(test_exists(test_path(p.path, "seed_1/checkpoints/step_85.safetensors")));

  /* a run that is killed now continues from there, to the same results */
  resume_run(&p);
  ck_assert_int_eq(sac_run_step(p.run), 85);
  end_pair(&p);
}
END_TEST

/* With eval.env: train one instance serves both. The run depends on its seed and steps alone, and a resume at the step
 * of an evaluation is exact even if the environment saves no state. */
START_TEST(evaluation_in_the_training_environments) {
  const char* sets =
      _i == 2 ? "log.every=1000 eval.env=train env.num_envs=2 eval.episodes=5" : "log.every=1000 eval.env=train";
  const int with_state = _i == 1;
  pair p = begin_pair(with_state, sets, 0, NULL);

  /* the last transition before the evaluation of step 60 is truncated, and only whole episodes are reported */
  ck_ok(sac_run_steps(p.run, 60));
  ck_assert(p.run->vector->ended && p.run->vector->truncated[0] && !p.run->vector->terminated[0]);
  ck_assert_int_eq(p.run->window[0].count.episodes, 8);

  /* it continues from the last checkpoint: exactly with saved state, and otherwise with other episodes */
  resume_run(&p);
  if (!with_state) {
    ck_assert_int_eq(sac_run_step(p.run), 50);
    sac_run_destroy(p.run);

    /* a run that is left in the evaluation has its checkpoint there, which needs no state */
    begin_run(&p, "other", sets, _i == 2 ? 40 : 70, sac_run_stop);
    ck_fails(sac_run_steps(p.run, 0), SAC_STOPPED, "at step 60");
    resume_run(&p);
    ck_assert_msg(!strstr(asked.log, "saves no state"), "%s", asked.log);
  }
  end_pair(&p);
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
