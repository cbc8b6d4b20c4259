/* Rows of metrics: terms of info are means over their window, for each agent separately. test_resume.c tests that a
 * resume keeps them, test_metrics.c the files, and test_plugin.c what an environment may report. */
#include "support/small_run.h"

/* Computed by hand: with episodes of 7 steps, `age` over 20 steps is the mean of 1 to 7, repeated. */
START_TEST(info_is_the_mean_of_its_window) {
  static metric_rows rows;
  memset(&rows, 0, sizeof rows);
  memset(&fake_env, 0, sizeof fake_env);
  const sac_callbacks c = {.user = &rows, .metrics = keep_metric_row};
  sac_run* run = small_run_of(&fake_env_info_api, test_path(test_folder(), "run"), "train.steps=110", &c);
  ck_ok(sac_run_steps(run, 0));
  ck_assert_int_eq(run->metric_list.count, SAC_METRIC_COUNT + 3);
  ck_assert_str_eq(run->metric_list.name[SAC_METRIC_COUNT + 2], "info/rare");
  sac_run_destroy(run);
  ck_assert_int_eq(rows.count, 6); /* the last of 10 steps */
  for (int r = 0; r < 6; r++) {
    double age = 0, sevens = 0;
    const int steps = r < 5 ? 20 : 10;
    for (int step = 20 * r; step < 20 * r + steps; step++) age += step % 7 + 1, sevens += step % 7 == 6;
    ck_near(rows.value[r][SAC_METRIC_COUNT], age / steps, 0);
    if (sevens > 0) ck_near(rows.value[r][SAC_METRIC_COUNT + 2], 2, 0);
    else ck_assert(isnan(rows.value[r][SAC_METRIC_COUNT + 2]));
  }
  test_folder_remove();
}
END_TEST

/* Each agent has its own terms, with the same bits as alone. */
START_TEST(info_is_of_its_agent) {
  static metric_rows both, alone;
  memset(&both, 0, sizeof both);
  memset(&alone, 0, sizeof alone);
  memset(&fake_env, 0, sizeof fake_env);
  for (int i = 0; i < 2; i++) {
    const sac_callbacks c = {.user = i ? &alone : &both, .metrics = keep_metric_row};
    sac_run* run = small_run_of(&fake_env_info_api, test_path(test_folder(), "run"),
                                i ? "env.num_envs=2 seed=2" : "env.num_envs=2 seeds=2", &c);
    ck_ok(sac_run_steps(run, 0));
    sac_run_destroy(run);
    test_folder_remove();
  }
  ck_assert_int_eq(both.count, 20);
  ck_assert_int_eq(alone.count, 10);
  for (int r = 0; r < 10; r++) {
    ck_same_bits(both.value[2 * r + 1] + SAC_METRIC_COUNT, alone.value[r] + SAC_METRIC_COUNT, 3);
    ck_assert(both.value[2 * r][SAC_METRIC_COUNT + 1] != both.value[2 * r + 1][SAC_METRIC_COUNT + 1]);
  }
}
END_TEST

CHECK_MAIN("report", CASE(info_is_the_mean_of_its_window), CASE(info_is_of_its_agent))
