/* Exact resume: train 2n == train n, stop, resume to 2n, to the bit, in everything that a run holds and writes. */
#include "support/same_run.h"

/* Checks the files of `seeds` agents of two run folders: CSV files and policies. */
static void same_folders(const char* a, const char* b, int64_t seeds) {
  same_files(a, b, seeds);
  for (int64_t p = 1; p <= seeds; p++) {
    char name[64];
    size_t n, m;
    (void)snprintf(name, sizeof name, "seed_%lld/policy.safetensors", (long long)p);
    char *x = test_read(test_path(a, name), &n), *y = test_read(test_path(b, name), &m);
    ck_assert(n == m && memcmp(x, y, n) == 0);
    free(x);
    free(y);
  }
}

/* --- exactness ---------------------------------------------------------------------------------------------------- */

static const struct {
  const char* sets;
  int64_t stop; /* the first part ends here */
  const sac_env_api* env;
  int32_t actions; /* discrete ones of the environment; 0: continuous */
} runs[] = {
    {"", 100, &fake_env_api, 0},
    {"", 37, &fake_env_api, 0}, /* at a step where nothing is due */
    {"", 20, &fake_env_api, 0}, /* within the warm-up */
    {"", 1, &fake_env_api, 0},
    {"algo=sac-v", 111, &fake_env_api, 0},
    {"seeds=3 cpu.threads=2", 93, &fake_env_api, 0},
    {"env.num_envs=3 train.updates_per_step=0.7", 75, &fake_env_api, 0},
    {"replay.capacity=50", 130, &fake_env_api, 0}, /* the ring has wrapped around */
    {"train.updates_per_step=3 network.critics=3 alpha.learn=false", 55, &fake_env_api, 0},
    {"train.overlap=5", 77, &fake_env_api, 0},
    {"eval.every=25", 100, &fake_env_api,
     0}, /* a checkpoint comes before the evaluation of its step, which is repeated */
    {"eval.every=50 seeds=2 cpu.threads=1", 150, &fake_env_api, 0},
    {"train.overlap=7 env.num_envs=3 train.updates_per_step=0.7 seeds=2", 75, &fake_env_api, 0},
    {"train.actor_delay_steps=60", 70, &fake_env_api, 0}, /* while the actor is held */
    {"algo=sac-v train.actor_delay_steps=60 seeds=2 train.overlap=5", 93, &fake_env_api, 0},
    {"", 37, &fake_env_info_api, 0},
    {"train.overlap=5", 77, &fake_env_info_api, 0},
    {"seeds=2 env.num_envs=3", 93, &fake_env_info_api, 0},
    {"algo=soft-q", 77, &fake_env_api, 3},
    {"algo=soft-q seeds=2 env.num_envs=3 network.critics_join=mean cpu.threads=2", 93, &fake_env_info_api, 5},
    {"algo=sac-discrete", 20, &fake_env_api, 2},
    {"algo=sac-discrete train.overlap=5 alpha.max=0.9 seeds=2 replay.capacity=50", 111, &fake_env_api, 18},
};

/* Stops in the middle of train.steps, as Ctrl-C does. */
START_TEST(stopped_and_resumed) {
  memset(&fake_env, 0, sizeof fake_env);
  fake_env.actions = runs[_i].actions;
  const char* folder = test_folder();
  const char *whole_path = small_path(folder, "whole"), *parts_path = small_path(folder, "parts");
  sac_run *whole = small_run_of(runs[_i].env, whole_path, runs[_i].sets, NULL), *parts;
  ck_ok(sac_run_steps(whole, 0));
  parts = small_run_of(runs[_i].env, parts_path, runs[_i].sets, NULL);
  ck_ok(sac_run_steps(parts, runs[_i].stop));
  sac_run_stop(parts);
  ck_fails(sac_run_steps(parts, 0), SAC_STOPPED, "");
  sac_run_destroy(parts);
  ck_ok(sac_run_resume(&parts, parts_path, NULL, runs[_i].env, NULL));
  ck_ok(sac_run_steps(parts, 0));
  same_state(whole, parts);
  const int64_t seeds = whole->settings.seeds;
  sac_run_destroy(whole);
  sac_run_destroy(parts);
  same_folders(whole_path, parts_path, seeds);
  test_folder_remove();
}
END_TEST

/* Finishes with train.steps n, then continues to 2n: what the end of a run does beyond its schedule is undone. */
START_TEST(finished_and_continued) {
  /* the run in one go */
  memset(&fake_env, 0, sizeof fake_env);
  fake_env.actions = runs[_i].actions;
  const char* folder = test_folder();
  const char *whole_path = small_path(folder, "whole"), *parts_path = small_path(folder, "parts");
  char first[256];
  const int64_t stop =
      runs[_i].stop > 40 ? runs[_i].stop : runs[_i].stop + 40; /* a run must be longer than its warm-up */
  sac_run *whole = small_run_of(runs[_i].env, whole_path, runs[_i].sets, NULL), *parts;
  ck_ok(sac_run_steps(whole, 0));

  /* a run that ends earlier, and is resumed with more steps */
  (void)snprintf(first, sizeof first, "%s train.steps=%lld", runs[_i].sets, (long long)stop);
  parts = small_run_of(runs[_i].env, parts_path, first, NULL);
  ck_ok(sac_run_steps(parts, 0));
  sac_run_destroy(parts);
  sac_config* more = config_of("train.steps=200");
  ck_ok(sac_run_resume(&parts, parts_path, more, runs[_i].env, NULL));
  sac_config_destroy(more);
  ck_ok(sac_run_steps(parts, 0));

  /* state and files are the same */
  same_state(whole, parts);
  const int64_t seeds = whole->settings.seeds;
  sac_run_destroy(whole);
  sac_run_destroy(parts);
  same_folders(whole_path, parts_path, seeds);
  test_folder_remove();
}
END_TEST

/* Resuming a finished run does nothing, and changes nothing. */
START_TEST(finished_stays_finished) {
  memset(&fake_env, 0, sizeof fake_env);
  const char* folder = test_folder();
  const char *path_a = small_path(folder, "a"), *path_b = small_path(folder, "b");
  sac_run *a = small_run(path_a, "train.steps=130", NULL), *b;
  ck_ok(sac_run_steps(a, 0));
  sac_run_destroy(a);
  b = small_run(path_b, "train.steps=130", NULL);
  ck_ok(sac_run_steps(b, 0));
  sac_run_destroy(b);
  for (int i = 0; i < 2; i++) {
    ck_ok(sac_run_resume(&b, path_b, NULL, &fake_env_api, NULL));
    ck_ok(sac_run_steps(b, 0));
    ck_assert_int_eq(sac_run_step(b), 130);
    sac_run_destroy(b);
  }
  same_folders(path_a, path_b, 1);
  test_folder_remove();
}
END_TEST

START_TEST(stopped_many_times) {
  memset(&fake_env, 0, sizeof fake_env);
  const char* folder = test_folder();
  const char *whole_path = small_path(folder, "whole"), *parts_path = small_path(folder, "parts");
  sac_run *whole = small_run(whole_path, "", NULL), *parts;
  ck_ok(sac_run_steps(whole, 0));
  parts = small_run(parts_path, "", NULL);
  while (sac_run_step(parts) < 200) {
    ck_ok(sac_run_steps(parts, 9));
    if (sac_run_step(parts) == 200) break;
    ck_ok(sac_run_save(parts));
    sac_run_destroy(parts);
    ck_ok(sac_run_resume(&parts, parts_path, NULL, &fake_env_api, NULL));
  }
  same_state(whole, parts);
  sac_run_destroy(whole);
  sac_run_destroy(parts);
  same_folders(whole_path, parts_path, 1);
  test_folder_remove();
}
END_TEST

/* --- damaged checkpoints ------------------------------------------------------------------------------------------ */

static int keep_log(void* user, const char* line) {
  char* log = user;
  const size_t used = strlen(log);
  (void)snprintf(log + used, 8192 - used, "%s\n", line);
  return 0;
}

START_TEST(damaged_checkpoint_is_passed_over) {
  /* a whole run, and one that was killed with checkpoints of steps 100 and 150 */
  char log[8192] = "";
  const sac_callbacks callbacks = {.user = log, .log = keep_log};
  memset(&fake_env, 0, sizeof fake_env);
  const char* folder = test_folder();
  const char *whole_path = small_path(folder, "whole"), *out = small_path(folder, "parts");
  sac_run *whole = small_run(whole_path, "", NULL), *parts;
  ck_ok(sac_run_steps(whole, 0));
  parts = small_run(out, "", NULL);
  ck_ok(sac_run_steps(parts, 160));
  sac_run_destroy(parts); /* as after a kill: checkpoints 100 and 150 exist */

  /* the later one is cut */
  const char* last = small_path(out, "seed_1/checkpoints/step_150.safetensors");
  size_t size;
  char* bytes = test_read(last, &size);
  test_write(last, bytes, size / 2);
  free(bytes);

  /* the run goes on from the earlier one, says so, and ends as the whole one */
  ck_ok(sac_run_resume(&parts, out, NULL, &fake_env_api, &callbacks));
  ck_assert_int_eq(sac_run_step(parts), 100);
  ck_assert_msg(strstr(log, "warning: last checkpoint ") && strstr(log, "cut short") && strstr(log, "using step_100"),
                "%s", log);
  ck_assert(!test_exists(last));
  free(test_read(test_path(out, "seed_1/checkpoints/last"), &size)); /* points to an existing checkpoint */
  ck_ok(sac_run_steps(parts, 0));
  same_state(whole, parts);
  sac_run_destroy(whole);
  sac_run_destroy(parts);
  same_folders(whole_path, out, 1);
  test_folder_remove();
}
END_TEST

START_TEST(no_checkpoint_loads) {
  memset(&fake_env, 0, sizeof fake_env);
  const char* out = small_path(test_folder(), "run");
  sac_run* run = small_run(out, "", NULL);
  sac_run_destroy(run);
  test_write(test_path(out, "seed_1/checkpoints/step_0.safetensors"), "nonsense", 8);
  ck_fails(sac_run_resume(&run, out, NULL, &fake_env_api, NULL), SAC_ERROR_FORMAT, "no checkpoint loads");
  ck_assert_ptr_null(run);
  ck_fails(sac_run_resume(&run, test_path(out, "none"), NULL, &fake_env_api, NULL), SAC_ERROR_FILE, "none");
  ck_fails(sac_run_resume(&run, test_path(out, "seed_1"), NULL, &fake_env_api, NULL), SAC_ERROR_FILE, "holds no run");
  ck_fails(sac_run_resume(&run, test_path(out, "config.yaml"), NULL, &fake_env_api, NULL), SAC_ERROR_FILE,
           "part of the run in");
  test_folder_remove();
}
END_TEST

/* Killed while the agents of a population were saved one after another: the newest step that all agents have is used.
 */
START_TEST(population_goes_on_from_a_common_step) {
  memset(&fake_env, 0, sizeof fake_env);
  const char* folder = test_folder();
  const char *whole_path = small_path(folder, "whole"), *out = small_path(folder, "parts");
  sac_run *whole = small_run(whole_path, "seeds=3 checkpoint.keep=1", NULL), *parts;
  ck_ok(sac_run_steps(whole, 0));
  parts = small_run(out, "seeds=3 checkpoint.keep=1", NULL);
  ck_ok(sac_run_steps(parts, 155));
  sac_run_destroy(parts);
  ck_assert_int_eq(remove(test_path(out, "seed_3/checkpoints/step_150.safetensors")), 0);
  ck_ok(sac_run_resume(&parts, out, NULL, &fake_env_api, NULL));
  ck_assert_int_eq(sac_run_step(parts), 100);
  ck_assert(!test_exists(test_path(out, "seed_1/checkpoints/step_150.safetensors")));
  ck_ok(sac_run_steps(parts, 0));
  same_state(whole, parts);
  sac_run_destroy(whole);
  sac_run_destroy(parts);
  same_folders(whole_path, out, 3);
  test_folder_remove();
}
END_TEST

/* --- other configurations ----------------------------------------------------------------------------------------- */

START_TEST(changes_are_named_or_refused) {
  char log[8192] = "";
  const sac_callbacks callbacks = {.user = log, .log = keep_log};
  memset(&fake_env, 0, sizeof fake_env);
  const char* out = small_path(test_folder(), "run");
  sac_run* run = small_run(out, "", NULL);
  ck_ok(sac_run_steps(run, 60));
  sac_run_destroy(run);
  static const char* const fixed[][2] = {{"network.hidden", "9"}, {"replay.capacity", "301"}, {"seed", "2"},
                                         {"seeds", "2"},          {"algo", "sac-v"},          {"env.id", "Pendulum-v1"},
                                         {"train.overlap", "1"}};
  for (size_t i = 0; i < sizeof fixed / sizeof *fixed; i++) {
    sac_config* config = config_of("%s=%s", fixed[i][0], fixed[i][1]);
    ck_fails(sac_run_resume(&run, out, config, &fake_env_api, NULL), SAC_ERROR_CONFIG, fixed[i][0]);
    sac_config_destroy(config);
  }
  sac_config* config = config_of("optim.lr=0.001");
  ck_ok(sac_run_resume(&run, out, config, &fake_env_api, &callbacks));
  sac_config_destroy(config);
  ck_assert_msg(strstr(log, "changed: ") && strstr(log, "optim.lr"), "%s", log);
  ck_near(run->settings.lr, 0.001, 0);
  ck_ok(sac_run_steps(run, 5));
  sac_run_destroy(run);
  /* the change was saved, and holds from then on */
  char* text = test_read(test_path(out, "config.yaml"), NULL);
  ck_assert(strstr(text, "0.001"));
  free(text);
  ck_ok(sac_run_resume(&run, out, NULL, &fake_env_api, NULL));
  ck_near(run->settings.lr, 0.001, 0);
  sac_run_destroy(run);
  test_folder_remove();
}
END_TEST

/* A changed rate of updates starts at the resume. */
START_TEST(changed_rate_of_updates) {
  memset(&fake_env, 0, sizeof fake_env);
  const char* out = small_path(test_folder(), "run");
  sac_run* run = small_run(out, "train.updates_per_step=0.5", NULL);
  ck_ok(sac_run_steps(run, 51)); /* 11 steps after the warm-up: 5.5 updates */
  ck_assert_int_eq(run->agent->counters[0].updates, 5);
  ck_ok(sac_run_save(run));
  sac_run_destroy(run);
  sac_config* config = config_of("train.updates_per_step=2.25");
  ck_ok(sac_run_resume(&run, out, config, &fake_env_api, NULL));
  sac_config_destroy(config);
  ck_ok(sac_run_steps(run, 1));
  ck_assert_int_eq(run->agent->counters[0].updates, 5 + 2); /* 0.5 + 2.25 */
  ck_ok(sac_run_save(run));
  sac_run_destroy(run);
  ck_ok(sac_run_resume(&run, out, NULL, &fake_env_api, NULL));
  ck_ok(sac_run_steps(run, 1));
  ck_assert_int_eq(run->agent->counters[0].updates, 7 + 3); /* 5: the fraction 0.5 is kept */
  sac_run_destroy(run);
  test_folder_remove();
}
END_TEST

/* A row after a resume has the time of the stages since the last row, also of those before the checkpoint. */
START_TEST(seconds_of_stages) {
  memset(&fake_env, 0, sizeof fake_env);
  const char* out = small_path(test_folder(), "run");
  sac_run* run = small_run(out, "log.every=1000", NULL);
  double before[SAC_STAGE_COUNT];
  ck_ok(sac_run_steps(run, 60));
  ck_ok(sac_run_save(run));
  memcpy(before, run->seconds.stage, sizeof before);
  sac_run_destroy(run);
  ck_ok(sac_run_resume(&run, out, NULL, &fake_env_api, NULL));
  for (int s = 0; s < SAC_STAGE_COUNT; s++) {
    ck_assert_msg(before[s] > 0, "stage %d took no time", s);
    ck_assert(run->seconds.stage[s] == before[s]);
  }
  ck_ok(sac_run_steps(run, 60));
  for (int s = 0; s < SAC_STAGE_COUNT; s++) ck_assert(run->seconds.stage[s] > before[s]);
  sac_run_destroy(run);
  test_folder_remove();
}
END_TEST

/* The evaluation at the step of the last checkpoint is repeated if the run was killed before it. If it exists, its row
 * and the run's record of it are kept. */
START_TEST(evaluation_after_the_checkpoint) {
  /* the run in one go */
  memset(&fake_env, 0, sizeof fake_env);
  const char* folder = test_folder();
  const char *whole_path = small_path(folder, "whole"), *sets = "eval.every=50 seeds=2 cpu.threads=1";
  sac_run *whole = small_run(whole_path, sets, NULL), *parts;
  ck_ok(sac_run_steps(whole, 0));

  /* a run that ended behind a checkpoint and its evaluation */
  for (int there = 0; there < 2; there++) {
    const char* out = small_path(folder, there ? "there" : "not");
    parts = small_run(out, sets, NULL);
    ck_ok(sac_run_steps(parts, 100));
    ck_ok(sac_run_finish_evaluation(parts));
    const sac_window window = parts->window[1];
    sac_run_destroy(parts);

    /* once the evaluation's last row is whole, once it was cut */
    const char* csv = small_path(out, "seed_2/evaluations.csv");
    char* text = test_read(csv, NULL);
    char* row = strstr(text, "\n100,");
    ck_assert_ptr_nonnull(row);
    if (!there) test_write(csv, text, (size_t)(row + 8 - text)); /* killed while the row was written */

    /* a whole one is taken, a cut one is repeated before anything is saved */
    ck_ok(sac_run_resume(&parts, out, NULL, &fake_env_api, NULL));
    ck_assert_int_eq(parts->evaluation_missing, !there);
    if (there)
      ck_assert(parts->window[1].best_step == window.best_step && parts->window[1].best_return == window.best_return);
    else ck_ok(sac_run_save(parts)); /* it is repeated before anything is saved */
    ck_assert_int_eq(parts->evaluation_missing, 0);

    /* both ways the files are those of the whole run */
    char* again = test_read(csv, NULL);
    ck_assert_str_eq(text, again);
    free(text);
    free(again);
    ck_ok(sac_run_steps(parts, 0));
    same_state(whole, parts);
    sac_run_destroy(parts);
    same_folders(whole_path, out, 2);
  }
  sac_run_destroy(whole);
  test_folder_remove();
}
END_TEST

/* A population is resumed in which one agent had failed. The message names the agent that fails next. */
START_TEST(failure_after_a_failed_agent) {
  memset(&fake_env, 0, sizeof fake_env);
  const char* out = small_path(test_folder(), "run");
  sac_run* run = small_run(out, "seeds=2 eval.every=0", NULL);
  ck_ok(sac_run_steps(run, 60));
  const float bad = NAN;
  ck_ok(run->agent->backend->write(run->agent, SAC_MEMORY_WEIGHTS, 1, run->agent->tensors.net[SAC_CRITIC][0].weight[0],
                                   &bad, 1));
  ck_ok(sac_run_steps(run, 60));
  ck_assert(!run->agent->alive[1]);
  ck_ok(sac_run_save(run));
  sac_run_destroy(run);
  ck_ok(sac_run_resume(&run, out, NULL, &fake_env_api, NULL));
  fake_env.fail_at = 3;
  ck_fails(sac_run_steps(run, 0), SAC_ERROR_ENV, "it broke");
  sac_run_destroy(run);
  test_folder_remove();
}
END_TEST

/* An environment that cannot save its state starts new episodes, and the run reports it. */
START_TEST(environment_without_state) {
  char log[8192] = "";
  const sac_callbacks callbacks = {.user = log, .log = keep_log};
  memset(&fake_env, 0, sizeof fake_env);
  const char* out = small_path(test_folder(), "run");
  sac_config* config = small_config(out, "");
  sac_run* run;
  ck_ok(sac_run_create(&run, config, &fake_env_stateless_api, NULL));
  sac_config_destroy(config);
  ck_ok(sac_run_steps(run, 60));
  ck_ok(sac_run_save(run));
  sac_run_destroy(run);
  ck_ok(sac_run_resume(&run, out, NULL, &fake_env_stateless_api, &callbacks));
  ck_assert_msg(strstr(log, "new episodes start"), "%s", log);
  ck_assert_int_eq(sac_run_step(run), 60);
  ck_ok(sac_run_steps(run, 0));
  sac_run_destroy(run);
  test_folder_remove();
}
END_TEST

/* Takes the columns of info from a metrics.csv. */
static void drop_terms(const char* path) {
  char *text = test_read(path, NULL), *to = text;
  int column = 0;
  for (const char* at = text; *at; at++) {
    column = *at == '\n' ? 0 : column + (*at == ',');
    if (column <= SAC_METRIC_COUNT) *to++ = *at;
  }
  test_write(path, text, (size_t)(to - text));
  free(text);
}

/* A run that started before its environment had info: the table gets new columns, and its rows do not change. */
START_TEST(terms_that_came_later) {
  char log[8192] = "";
  const sac_callbacks callbacks = {.user = log, .log = keep_log};
  memset(&fake_env, 0, sizeof fake_env);
  const char* folder = test_folder();
  const char *whole_path = small_path(folder, "whole"), *parts_path = small_path(folder, "parts");
  sac_run *whole = small_run(whole_path, "", NULL), *parts;
  ck_ok(sac_run_steps(whole, 0));
  sac_run_destroy(whole);
  parts = small_run(parts_path, "", NULL);
  ck_ok(sac_run_steps(parts, 107));
  ck_ok(sac_run_save(parts));
  sac_run_destroy(parts);
  ck_ok(sac_run_resume(&parts, parts_path, NULL, &fake_env_info_api, &callbacks));
  ck_near(parts->info[0].count, 0, 0); /* the checkpoint does not have these terms */
  ck_ok(sac_run_steps(parts, 20));
  ck_ok(sac_run_save(parts));
  ck_near(parts->info[0].count, 7, 0); /* steps 121 to 127 */
  sac_run_destroy(parts);
  log[0] = '\0';
  ck_ok(sac_run_resume(&parts, parts_path, NULL, &fake_env_info_api, &callbacks));
  ck_near(parts->info[0].count, 7, 0);
  ck_ok(sac_run_steps(parts, 0));
  sac_run_destroy(parts);
  char* text = test_read(test_path(parts_path, "seed_1/metrics.csv"), NULL);
  ck_assert_ptr_nonnull(strstr(text, ",info/age,info/place,info/rare\n"));
  free(text);
  drop_terms(test_path(parts_path, "seed_1/metrics.csv"));
  same_folders(whole_path, parts_path, 1);
  /* and back: the saved states of terms that do not exist any more are skipped */
  log[0] = '\0';
  sac_config* more = config_of("train.steps=240");
  ck_ok(sac_run_resume(&parts, parts_path, more, &fake_env_api, &callbacks));
  sac_config_destroy(more);
  ck_assert_ptr_null(strstr(log, "keeps its columns"));
  ck_ok(sac_run_steps(parts, 0));
  sac_run_destroy(parts);
  test_folder_remove();
}
END_TEST

START_TEST(peek_leaves_the_run_alone) {
  memset(&fake_env, 0, sizeof fake_env);
  const char* out = small_path(test_folder(), "run");
  int64_t step = -1, steps = -1;
  sac_run* run = small_run(out, "", NULL);
  ck_ok(sac_run_steps(run, 60));
  ck_ok(sac_run_read_progress(out, NULL, &step, &steps)); /* also while it runs */
  ck_assert_int_eq(step, 50);
  ck_assert_int_eq(steps, 200);
  sac_run_destroy(run);
  sac_config* config = config_of("train.steps=300");
  ck_ok(sac_run_read_progress(out, config, &step, &steps));
  ck_assert_int_eq(steps, 300);
  sac_config_destroy(config);
  test_folder_remove();
}
END_TEST

#define RUNS (sizeof runs / sizeof *runs)

CHECK_MAIN("resume", LOOP(stopped_and_resumed, RUNS), LOOP(finished_and_continued, RUNS), CASE(finished_stays_finished),
           CASE(stopped_many_times), CASE(damaged_checkpoint_is_passed_over), CASE(no_checkpoint_loads),
           CASE(population_goes_on_from_a_common_step), CASE(changes_are_named_or_refused),
           CASE(changed_rate_of_updates), CASE(seconds_of_stages), CASE(evaluation_after_the_checkpoint),
           CASE(failure_after_a_failed_agent), CASE(environment_without_state), CASE(terms_that_came_later),
           CASE(peek_leaves_the_run_alone))
