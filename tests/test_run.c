/* The loop of a run: what is due at which step, reports, stopping and failing. */
#include <signal.h>
#include <sys/resource.h>

#include "support/small_run.h"
#include "support/tolerances.h"

/* --- what callbacks saw ------------------------------------------------------------------------------------------- */

typedef struct seen {
  int rows, evaluations, lines;
  int64_t steps, episodes, last_row, last_evaluation;
  double updates;
  int stop_at_row; /* 0: never */
  char log[8192];
} seen;

static int on_metrics(void* user, const sac_metrics* metrics) {
  seen* s = user;
  s->rows++;
  s->last_row = metrics->step;
  ck_assert_int_eq(metrics->count, SAC_METRIC_COUNT);
  ck_assert_str_eq(metrics->name[SAC_METRIC_critic_loss], "critic_loss");
  s->episodes += (int64_t)metrics->value[SAC_METRIC_episodes];
  s->updates = metrics->value[SAC_METRIC_updates];
  return s->stop_at_row == s->rows;
}

static int on_evaluation(void* user, const sac_evaluation* evaluation) {
  seen* s = user;
  double mean, std;
  s->evaluations++;
  s->last_evaluation = evaluation->step;
  sac_mean_std(evaluation->episode_return, evaluation->episodes, &mean, &std);
  ck_near(evaluation->mean, mean, 0);
  ck_near(evaluation->std, std, 0);
  return 0;
}

static int on_log(void* user, const char* line) {
  seen* s = user;
  s->lines++;
  const size_t used = strlen(s->log);
  (void)snprintf(s->log + used, sizeof s->log - used, "%s\n", line);
  return 0;
}

static sac_callbacks callbacks(seen* s) {
  memset(s, 0, sizeof *s);
  memset(&fake_env, 0, sizeof fake_env);
  return (sac_callbacks){s, on_metrics, on_evaluation, on_log};
}

/* --- the schedule ------------------------------------------------------------------------------------------------- */

START_TEST(everything_is_due_when_it_should_be) {
  seen s;
  const sac_callbacks c = callbacks(&s);
  sac_run* run = small_run(test_path(test_folder(), "run"), "", &c);
  ck_assert_int_eq(sac_run_step(run), 0);
  ck_ok(sac_run_steps(run, 0));
  ck_assert_int_eq(sac_run_step(run), 200);
  ck_assert_int_eq(s.rows, 10);       /* every 20 */
  ck_assert_int_eq(s.evaluations, 4); /* 60, 120, 180, and the end */
  ck_assert_int_eq(s.last_evaluation, 200);
  ck_assert_int_eq(s.episodes, 200 / 7);
  ck_assert_int_eq(run->agent->counters[0].pushed, 200);
  ck_assert_int_eq(run->agent->counters[0].updates, 160);
  ck_near(s.updates, 160, 0);
  ck_ok(sac_run_steps(run, 0)); /* nothing is left to do */
  ck_assert_int_eq(s.rows, 10);
  sac_run_destroy(run);
  test_folder_remove();
}
END_TEST

START_TEST(pieces_change_nothing) {
  seen s;
  const sac_callbacks c = callbacks(&s);
  char* text[2];
  for (int i = 0; i < 2; i++) {
    const char* out = small_path(test_folder(), "run");
    sac_run* run = small_run(out, "", &c);
    if (i == 0) ck_ok(sac_run_steps(run, 0));
    for (int64_t n = 1; i == 1 && sac_run_step(run) < 200; n++) {
      const int64_t before = sac_run_step(run);
      ck_ok(sac_run_steps(run, n));
      ck_assert_int_eq(sac_run_step(run), before + n < 200 ? before + n : 200);
    }
    sac_run_destroy(run);
    text[i] = test_read(test_path(out, "seed_1/evaluations.csv"), NULL);
    test_folder_remove();
  }
  ck_assert_str_eq(text[0], text[1]);
  free(text[0]);
  free(text[1]);
}
END_TEST

START_TEST(many_environments_end_at_or_just_above_the_steps) {
  seen s;
  const sac_callbacks c = callbacks(&s);
  sac_run* run =
      small_run(test_path(test_folder(), "run"), "env.num_envs=6 train.updates_per_step=0.25 train.steps=100", &c);
  ck_ok(sac_run_steps(run, 0));
  ck_assert_int_eq(sac_run_step(run), 102);
  /* the warm-up ends at the first step that starts at 40 or later: 42 */
  ck_assert_int_eq(run->agent->counters[0].updates, (102 - 42) / 4);
  sac_run_destroy(run);
  test_folder_remove();
}
END_TEST

START_TEST(no_evaluation_no_checkpoints_no_updates) {
  seen s;
  const sac_callbacks c = callbacks(&s);
  const char* out = small_path(test_folder(), "run");
  sac_run* run = small_run(out, "eval.every=0 checkpoint.every=0 train.updates_per_step=0", &c);
  ck_ok(sac_run_steps(run, 0));
  ck_assert_int_eq(s.evaluations, 0);
  ck_assert_int_eq(run->agent->counters[0].updates, 0);
  ck_assert(test_exists(test_path(out, "seed_1/checkpoints/step_200.safetensors")));
  ck_assert(!test_exists(test_path(out, "seed_1/checkpoints/best")));
  sac_run_destroy(run);
  test_folder_remove();
}
END_TEST

/* A row covers exactly its own window: two rows of 10 steps together equal one of 20. */
START_TEST(rows_are_of_their_window) {
  /* the same run with rows every 10 and every 20 steps */
  static metric_rows fine, coarse;
  memset(&fine, 0, sizeof fine);
  memset(&coarse, 0, sizeof coarse);
  memset(&fake_env, 0, sizeof fake_env);
  for (int i = 0; i < 2; i++) {
    const sac_callbacks c = {.user = i ? &coarse : &fine, .metrics = keep_metric_row};
    sac_run* run = small_run(test_path(test_folder(), "run"), i ? "log.every=20" : "log.every=10", &c);
    ck_ok(sac_run_steps(run, 0));
    sac_run_destroy(run);
    test_folder_remove();
  }
  ck_assert_int_eq(fine.count, 20);
  ck_assert_int_eq(coarse.count, 10);

  /* a coarse row is the sum or the mean of the two fine ones */
  for (int r = 0; r < 10; r++) {
    const double *a = fine.value[2 * r], *b = fine.value[2 * r + 1], *both = coarse.value[r];
    ck_near(both[SAC_METRIC_updates], b[SAC_METRIC_updates], 0);
    ck_near(both[SAC_METRIC_episodes], a[SAC_METRIC_episodes] + b[SAC_METRIC_episodes], 0);
    for (int m = SAC_METRIC_critic_loss; m <= SAC_METRIC_actor_grad; m++) {
      if (m == SAC_METRIC_value_loss || r < 2) { /* empty: not a statistic of this algorithm, or in the warm-up */
        ck_assert(isnan(both[m]));
        continue;
      }
      ck_near_relative(both[m], (a[m] + b[m]) / 2, DOUBLE_SUM_REL, DOUBLE_SUM_ABS);
    }

    /* returns are means over episodes, not over rows */
    const double episodes = both[SAC_METRIC_episodes];
    double returns = 0;
    for (int i = 0; i < 2; i++) {
      const double* half = i ? b : a;
      if (half[SAC_METRIC_episodes] > 0) returns += half[SAC_METRIC_episodes] * half[SAC_METRIC_episode_return];
    }
    if (episodes > 0) ck_near_relative(both[SAC_METRIC_episode_return], returns / episodes, DOUBLE_SUM_REL, 0);
    if (episodes > 0) ck_near(both[SAC_METRIC_episode_length], 7, 0);
  }
}
END_TEST

/* --- the folder --------------------------------------------------------------------------------------------------- */

START_TEST(folder_is_complete) {
  /* a run of two seeds, in a folder that does not exist yet */
  seen s;
  const sac_callbacks c = callbacks(&s);
  const char* out = small_path(test_folder(), "deep/run");
  sac_run* run = small_run(out, "seeds=2 seed=4", &c);
  ck_assert_str_eq(sac_run_folder(run), out);
  ck_assert(test_exists(test_path(out, "seed_4/checkpoints/step_0.safetensors"))); /* from the start */
  ck_ok(sac_run_steps(run, 0));
  sac_run_destroy(run);

  /* the files of the run, and of each seed */
  static const char* const files[] = {"config.yaml", "machine.json", "log.txt"};
  static const char* const seed_files[] = {"metrics.csv",
                                           "evaluations.csv",
                                           "policy.safetensors",
                                           "replay",
                                           "checkpoints/last",
                                           "checkpoints/best",
                                           "checkpoints/step_200.safetensors",
                                           "checkpoints/step_150.safetensors"};
  for (size_t i = 0; i < sizeof files / sizeof *files; i++)
    ck_assert_msg(test_exists(test_path(out, files[i])), "%s", files[i]);
  for (int seed = 4; seed <= 5; seed++)
    for (size_t i = 0; i < sizeof seed_files / sizeof *seed_files; i++) {
      char name[128];
      (void)snprintf(name, sizeof name, "seed_%d/%s", seed, seed_files[i]);
      ck_assert_msg(test_exists(test_path(out, name)), "%s", name);
    }

  /* two checkpoints are kept, and the log is what the callback saw */
  ck_assert(!test_exists(test_path(out, "seed_4/checkpoints/step_100.safetensors")));
  char* log = test_read(test_path(out, "log.txt"), NULL);
  ck_assert_str_eq(log, s.log);
  ck_assert(strstr(log, "memory ") && strstr(log, out));
  free(log);
  test_folder_remove();
}
END_TEST

START_TEST(folder_in_use_and_taken) {
  seen s;
  const sac_callbacks c = callbacks(&s);
  const char* out = small_path(test_folder(), "run");
  sac_run *run = small_run(out, "", &c), *second;
  sac_config* config = small_config(out, "");
  ck_fails(sac_run_resume(&second, out, NULL, &fake_env_api, NULL), SAC_ERROR_FILE, "in use");
  ck_assert_ptr_null(second);
  ck_fails(sac_run_create(&second, config, &fake_env_api, NULL), SAC_ERROR_FILE, "holds a run");
  sac_run_destroy(run);
  ck_fails(sac_run_create(&second, config, &fake_env_api, NULL), SAC_ERROR_FILE, "holds a run");
  /* killed before config.yaml was written: starts again; but not if there are checkpoints */
  ck_assert_int_eq(remove(test_path(out, "config.yaml")), 0);
  ck_ok(sac_run_create(&run, config, &fake_env_api, NULL));
  ck_ok(sac_run_steps(run, 0));
  sac_run_destroy(run);
  ck_assert_int_eq(remove(test_path(out, "config.yaml")), 0);
  ck_fails(sac_run_create(&second, config, &fake_env_api, NULL), SAC_ERROR_FILE, "no config.yaml");
  ck_assert(test_exists(test_path(out, "seed_1/checkpoints/step_200.safetensors")));
  sac_config_destroy(config);
  test_folder_remove();
}
END_TEST

START_TEST(what_cannot_begin_leaves_nothing) {
  seen s;
  (void)callbacks(&s);
  const char* folder = test_folder();
  const char* out = small_path(folder, "run");
  sac_run* run;
  sac_config* config = small_config(out, "init.file=/nowhere.safetensors");
  ck_fails(sac_run_create(&run, config, &fake_env_api, NULL), SAC_ERROR_FILE, "/nowhere.safetensors");
  ck_assert_ptr_null(run);
  fake_env.action_high = INFINITY;
  ck_fails(sac_run_create(&run, config, &fake_env_api, NULL), SAC_ERROR_ENV, "");
  ck_assert_int_eq(test_count_entries(folder), 0);
  sac_config_destroy(config);
  test_write(out, "a file", 6);
  config = small_config(out, "");
  memset(&fake_env, 0, sizeof fake_env);
  ck_fails(sac_run_create(&run, config, &fake_env_api, NULL), SAC_ERROR_FILE, out);
  sac_config_destroy(config);
  test_folder_remove();
}
END_TEST

/* --- stopping ----------------------------------------------------------------------------------------------------- */

START_TEST(stops_with_a_checkpoint) {
  seen s;
  const sac_callbacks c = callbacks(&s);
  const char* out = small_path(test_folder(), "run");
  sac_run* run = small_run(out, "", &c);
  ck_ok(sac_run_steps(run, 33));
  sac_run_stop(run);
  ck_fails(sac_run_steps(run, 0), SAC_STOPPED, "sac resume");
  ck_assert_int_eq(sac_run_step(run), 33);
  ck_assert(test_exists(test_path(out, "seed_1/checkpoints/step_33.safetensors")));
  ck_ok(sac_run_steps(run, 1)); /* the callback asked for a stop once, and the run stopped */
  s.stop_at_row = s.rows + 1;
  ck_fails(sac_run_steps(run, 0), SAC_STOPPED, "");
  ck_assert_int_eq(sac_run_step(run), 40);
  ck_assert(test_exists(test_path(out, "seed_1/checkpoints/step_40.safetensors")));
  sac_run_destroy(run);
  test_folder_remove();
}
END_TEST

START_TEST(saves_on_demand) {
  seen s;
  const sac_callbacks c = callbacks(&s);
  const char* out = small_path(test_folder(), "run");
  sac_run* run = small_run(out, "", &c);
  ck_ok(sac_run_steps(run, 7));
  ck_ok(sac_run_save(run));
  ck_assert(test_exists(test_path(out, "seed_1/checkpoints/step_7.safetensors")));
  sac_run_destroy(run);
  test_folder_remove();
}
END_TEST

/* --- failing ------------------------------------------------------------------------------------------------------ */

START_TEST(bad_values_of_an_environment) {
  seen s;
  for (int i = 0; i < 3; i++) {
    const sac_callbacks c = callbacks(&s);
    const char* out = small_path(test_folder(), "run");

    /* a bad reward, a bad observation, or an error at one step */
    sac_run* run = small_run(out, "eval.every=0 env.num_envs=2 train.steps=400", &c);
    if (i == 0) fake_env.nan_reward_at = 77, fake_env.nan_env = 1;
    if (i == 1) fake_env.nan_obs_at = 77, fake_env.nan_env = 1;
    if (i == 2) fake_env.fail_at = 77;

    /* the message names the step and the environment */
    ck_fails(sac_run_steps(run, 0), i == 2 ? SAC_ERROR_ENV : SAC_ERROR_NUMERIC, "step ");
    ck_assert(strstr(sac_last_error(), "fake"));
    if (i < 2) ck_assert_msg(strstr(sac_last_error(), "environment 1"), "%s", sac_last_error());
    if (i == 2) ck_assert_msg(strstr(sac_last_error(), "it broke"), "%s", sac_last_error());

    /* the run is over; its last checkpoint is kept */
    ck_fails(sac_run_steps(run, 0), i == 2 ? SAC_ERROR_ENV : SAC_ERROR_NUMERIC, ""); /* the next call fails too */
    ck_assert(sac_run_save(run) != SAC_OK);
    sac_run_destroy(run);
    ck_assert(test_exists(test_path(out, "seed_1/checkpoints/step_150.safetensors")));
    memset(&fake_env, 0, sizeof fake_env);
    ck_ok(sac_run_resume(&run, out, NULL, &fake_env_api, NULL)); /* nothing was lost */
    ck_assert_int_eq(sac_run_step(run), 150);
    ck_ok(sac_run_steps(run, 0));
    sac_run_destroy(run);
    test_folder_remove();
  }
}
END_TEST

START_TEST(agent_that_is_no_longer_finite) {
  seen s;
  const sac_callbacks c = callbacks(&s);
  const char* out = small_path(test_folder(), "run");
  sac_run* run = small_run(out, "", &c);
  ck_ok(sac_run_steps(run, 110));
  make_weight_nan(run, 0);
  ck_fails(sac_run_steps(run, 0), SAC_ERROR_NUMERIC, "step 111: gradient ");
  ck_assert_msg(strstr(sac_last_error(), "good state: "), "%s", sac_last_error());
  ck_assert_msg(strstr(sac_last_error(), "seed_1/checkpoints/step_100.safetensors"), "%s", sac_last_error());
  sac_run_destroy(run);
  ck_assert(test_exists(test_path(out, "seed_1/failed.txt")));
  ck_ok(sac_run_resume(&run, out, NULL, &fake_env_api, NULL));
  ck_assert_int_eq(sac_run_step(run), 100);
  ck_ok(sac_run_steps(run, 0)); /* without the NaN of the test all is well */
  sac_run_destroy(run);
  ck_assert(!test_exists(test_path(out, "seed_1/failed.txt")));
  test_folder_remove();
}
END_TEST

START_TEST(other_agents_go_on) {
  seen s;
  char* text[2];
  const sac_callbacks c = callbacks(&s);
  const char* out = small_path(test_folder(), "run");
  sac_run* run = small_run(out, "seeds=3", &c);
  ck_ok(sac_run_steps(run, 110));
  make_weight_nan(run, 1);
  ck_fails(sac_run_steps(run, 0), SAC_ERROR_NUMERIC, "1 of 3 agents stopped");
  ck_assert_msg(strstr(s.log, "seed 2 stops; step 111: gradient "), "%s", s.log);
  ck_assert_int_eq(sac_run_step(run), 200);
  ck_assert_int_eq(run->agent->counters[2].updates, 160);
  sac_run_destroy(run);
  ck_assert(test_exists(test_path(out, "seed_2/checkpoints/step_100.safetensors")));
  ck_assert(!test_exists(test_path(out, "seed_2/checkpoints/step_150.safetensors")));
  ck_assert(test_exists(test_path(out, "seed_3/checkpoints/step_200.safetensors")));
  text[0] = test_read(test_path(out, "seed_3/evaluations.csv"), NULL);
  /* after a resume the stopped agent stays stopped */
  sac_config* more = config_of("train.steps=260");
  ck_ok(sac_run_resume(&run, out, more, &fake_env_api, &c));
  sac_config_destroy(more);
  ck_assert_int_eq(run->agent->alive[1], 0);
  ck_fails(sac_run_steps(run, 0), SAC_ERROR_NUMERIC, "1 of 3 agents stopped");
  ck_assert_int_eq(run->agent->counters[0].updates, 220);
  sac_run_destroy(run);
  test_folder_remove();
  /* and the others are the same as alone */
  out = small_path(test_folder(), "run");
  run = small_run(out, "seed=3", &c);
  ck_ok(sac_run_steps(run, 0));
  sac_run_destroy(run);
  text[1] = test_read(test_path(out, "seed_3/evaluations.csv"), NULL);
  ck_assert_str_eq(text[0], text[1]);
  free(text[0]);
  free(text[1]);
  test_folder_remove();
}
END_TEST

/* A full disk, as a process can simulate it: a limit on the size of files. */
START_TEST(full_disk) {
  /* two checkpoints fit, and the third does not */
  seen s;
  for (int go_on = 0; go_on < 2; go_on++) {
    const sac_callbacks c = callbacks(&s);
    const char* out = small_path(test_folder(), "run");
    sac_run* run = small_run(out, go_on ? "checkpoint.on_error=continue eval.every=0" : "eval.every=0", &c);
    ck_ok(sac_run_steps(run, 60));
    struct rlimit limit, small;
    ck_assert_int_eq(getrlimit(RLIMIT_FSIZE, &limit), 0);
    small = limit;
    small.rlim_cur = 4000; /* less than a checkpoint */
    void (*before)(int) = signal(SIGXFSZ, SIG_IGN);
    ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &small), 0);

    /* the last whole checkpoint stays */
    const sac_status status = sac_run_steps(run, 50);
    ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
    (void)signal(SIGXFSZ, before);
    ck_assert(test_exists(test_path(out, "seed_1/checkpoints/step_50.safetensors")));
    ck_assert(!test_exists(test_path(out, "seed_1/checkpoints/step_100.safetensors")));

    /* checkpoint.on_error=continue: a warning, and the next one is written when there is room */
    if (go_on) {
      ck_assert_msg(status == SAC_OK, "%s", sac_last_error());
      ck_assert_msg(strstr(s.log, "warning: checkpoint of step 100: "), "%s", s.log);
      ck_ok(sac_run_steps(run, 0)); /* there is space again */
      ck_assert(test_exists(test_path(out, "seed_1/checkpoints/step_200.safetensors")));
      sac_run_destroy(run);
    } else {
      /* otherwise the run ends, and can be resumed */
      ck_assert_int_eq(status, SAC_ERROR_FILE);
      sac_run_destroy(run);
      ck_ok(sac_run_resume(&run, out, NULL, &fake_env_api, NULL));
      ck_assert_int_eq(sac_run_step(run), 50);
      sac_run_destroy(run);
    }
    test_folder_remove();
  }
}
END_TEST

/* The disk is full for one agent and not for the other, several times: there is still a step that both have. */
START_TEST(disk_full_for_one_agent) {
  seen s;
  const sac_callbacks c = callbacks(&s);
  const char* out = small_path(test_folder(), "run");
  sac_run* run = small_run(out, "seeds=2 checkpoint.keep=1 checkpoint.on_error=continue", &c);
  ck_ok(sac_run_steps(run, 60));
  /* a folder in the place of the temporary file */
  ck_ok(sac_make_folders(test_path(out, "seed_2/checkpoints/step_100.safetensors.part")));
  ck_ok(sac_make_folders(test_path(out, "seed_2/checkpoints/step_150.safetensors.part")));
  ck_ok(sac_run_steps(run, 130));
  ck_assert_msg(strstr(s.log, "warning: checkpoint of step 150: "), "%s", s.log);
  sac_run_destroy(run);
  free(test_read(test_path(out, "seed_1/checkpoints/last"), NULL));
  ck_ok(sac_run_resume(&run, out, NULL, &fake_env_api, &c));
  ck_assert_int_eq(sac_run_step(run), 50);
  sac_run_destroy(run);
  test_folder_remove();
}
END_TEST

START_TEST(starts_from_a_policy) {
  /* a trained policy */
  seen s;
  const sac_callbacks c = callbacks(&s);
  const char* out = small_path(test_folder(), "run");
  char sets[600];
  float weight[8 * 2], initial[2 * 8 * 2];
  sac_run* run = small_run(out, "", &c);
  ck_ok(sac_run_steps(run, 0));
  ck_ok(sac_agent_tensor_get(run->agent, "actor.layers.0.weight", weight, 16));
  sac_run_destroy(run);

  /* new runs take its weights for each seed, from a policy or a checkpoint */
  static const char* const files[] = {"seed_1/policy.safetensors", "seed_1/checkpoints/last"};
  for (int i = 0; i < 2; i++) {
    (void)snprintf(sets, sizeof sets, "seeds=2 init.file=%s", test_path(out, files[i]));
    run = small_run(test_path(out, i ? "b" : "a"), sets, &c);
    ck_ok(sac_agent_tensor_get(run->agent, "actor.layers.0.weight", initial, 32));
    ck_same_bits(initial, weight, 16);
    ck_same_bits(initial + 16, weight, 16);
    sac_run_destroy(run);
  }

  /* another shape is refused */
  (void)snprintf(sets, sizeof sets, "network.hidden=9 init.file=%s", test_path(out, files[0]));
  sac_config* config = small_config(test_path(out, "c"), sets);
  ck_fails(sac_run_create(&run, config, &fake_env_api, &c), SAC_ERROR_SHAPE, "hidden layers of 8,8");
  sac_config_destroy(config);
  test_folder_remove();
}
END_TEST

CHECK_MAIN("run", CASE(everything_is_due_when_it_should_be), CASE(pieces_change_nothing),
           CASE(many_environments_end_at_or_just_above_the_steps), CASE(no_evaluation_no_checkpoints_no_updates),
           CASE(rows_are_of_their_window), CASE(folder_is_complete), CASE(folder_in_use_and_taken),
           CASE(what_cannot_begin_leaves_nothing), CASE(stops_with_a_checkpoint), CASE(saves_on_demand),
           CASE(bad_values_of_an_environment), CASE(agent_that_is_no_longer_finite), CASE(other_agents_go_on),
           CASE(full_disk), CASE(disk_full_for_one_agent), CASE(starts_from_a_policy))
