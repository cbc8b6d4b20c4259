/* When things are due, and how many updates. */
#include "support/check_main.h"
#include "train/schedule.h"

START_TEST(due_at_multiples) {
  for (int64_t n = 1; n <= 7; n++) {
    int64_t times = 0;
    for (int64_t step = n; step <= 7000; step += n) times += sac_due(step, n, 100);
    ck_assert_int_eq(times, 7000 / n * n / 100);
  }
  ck_assert(sac_due(100, 1, 100) && !sac_due(101, 1, 100) && !sac_due(99, 1, 100));
  ck_assert(sac_due(104, 8, 100) && !sac_due(96, 8, 100) && !sac_due(112, 8, 100));
}
END_TEST

START_TEST(never_due) {
  for (int64_t step = 0; step < 100; step++) ck_assert(!sac_due(step, 1, 0));
  ck_assert(!sac_due(0, 1, 100)); /* step 0 is not the end of a step */
}
END_TEST

START_TEST(due_once_when_a_step_passes_several) { ck_assert_int_eq(sac_due(512, 512, 100), 1); }
END_TEST

START_TEST(whole_rates) {
  sac_schedule schedule = {0};
  sac_schedule_rate(&schedule, 2);
  ck_assert_int_eq(sac_schedule_step(&schedule, 3, 0), 0); /* no updates are due for the warm-up */
  for (int i = 0; i < 100; i++) ck_assert_int_eq(sac_schedule_step(&schedule, 3, 1), 6);
  ck_assert_int_eq(schedule.step, 303);
}
END_TEST

/* 0.1 a step: one update every tenth step, also after a million steps, where a running sum would have drifted. */
START_TEST(fractions_do_not_drift) {
  sac_schedule schedule = {0};
  sac_schedule_rate(&schedule, 0.1);
  for (int64_t step = 1; step <= 1000000; step++) ck_assert_int_eq(sac_schedule_step(&schedule, 1, 1), step % 10 == 0);
}
END_TEST

START_TEST(fraction_is_carried_over_steps_of_many) {
  sac_schedule schedule = {0};
  int64_t updates = 0;
  sac_schedule_rate(&schedule, 0.3);
  for (int i = 0; i < 1000; i++) updates += sac_schedule_step(&schedule, 4, 1);
  ck_assert_int_eq(updates, 1200);
}
END_TEST

START_TEST(no_updates) {
  sac_schedule schedule = {0};
  for (int i = 0; i < 100; i++) ck_assert_int_eq(sac_schedule_step(&schedule, 1, 1), 0);
}
END_TEST

/* A changed rate starts with the fraction that the old rate left. */
START_TEST(changed_rate) {
  sac_schedule schedule = {0};
  sac_schedule_rate(&schedule, 0.25);
  for (int i = 0; i < 3; i++) ck_assert_int_eq(sac_schedule_step(&schedule, 1, 1), 0);
  sac_schedule_rate(&schedule, 0.5);
  ck_near(schedule.carried, 0.75, 0);
  ck_assert_int_eq(sac_schedule_step(&schedule, 1, 1), 1); /* 1.25 */
  ck_assert_int_eq(sac_schedule_step(&schedule, 1, 1), 0); /* 1.75 */
  ck_assert_int_eq(sac_schedule_step(&schedule, 1, 1), 1); /* 2.25 */
  const sac_schedule before = schedule;
  sac_schedule_rate(&schedule, 0.5); /* the same rate again changes nothing */
  ck_assert_mem_eq(&before, &schedule, sizeof before);
}
END_TEST

/* With a lag the same updates are made so many steps later. A changed rate does not change updates that are waiting. */
START_TEST(late_updates) {
  sac_schedule prompt = {0}, late = {.lag = 3};
  int32_t due[100], step = 0;
  sac_schedule_rate(&prompt, 1.7);
  sac_schedule_rate(&late, 1.7);
  for (; step < 100; step++) {
    due[step] = sac_schedule_step(&prompt, 2, step >= 10);
    ck_assert_int_eq(sac_schedule_step(&late, 2, step >= 10), step < 3 ? 0 : due[step - 3]);
  }
  sac_schedule_rate(&late, 0);
  for (int32_t i = 97; i < 100; i++) ck_assert_int_eq(sac_schedule_step(&late, 2, 1), due[i]);
  ck_assert_int_eq(sac_schedule_step(&late, 2, 1), 0);
}
END_TEST

START_TEST(lag_in_steps_of_the_vector) {
  ck_assert_int_eq(sac_lag(0, 4), 0);
  ck_assert_int_eq(sac_lag(1, 4), 1);
  ck_assert_int_eq(sac_lag(4, 4), 1);
  ck_assert_int_eq(sac_lag(5, 4), 2);
  ck_assert_int_eq(sac_lag(5, 1), 5);
}
END_TEST

CHECK_MAIN("schedule", CASE(late_updates), CASE(lag_in_steps_of_the_vector), CASE(due_at_multiples), CASE(never_due),
           CASE(due_once_when_a_step_passes_several), CASE(whole_rates), CASE(fractions_do_not_drift),
           CASE(fraction_is_carried_over_steps_of_many), CASE(no_updates), CASE(changed_rate))
