/* A thread that works for its owner: every job runs once, its writes are visible, its status and message arrive. */
#include "util/worker.h"

#include <time.h>

#include "support/check_main.h"
#include "util/error.h"

static sac_status add(void* context) {
  *(int64_t*)context += 1; /* not atomic: the worker must make the value visible */
  return SAC_OK;
}

static void pause_ms(int ms) { nanosleep(&(struct timespec){.tv_nsec = ms * 1000000L}, NULL); }

static sac_status slow(void* context) {
  pause_ms(20);
  return add(context);
}

static sac_status broken(void* context) {
  (void)context;
  return sac_fail(SAC_ERROR_ENV, "step %d: it broke", 7);
}

START_TEST(in_quick_succession) {
  sac_worker* worker;
  int64_t sum = 0;
  ck_ok(sac_worker_create(&worker));
  for (int i = 0; i < 20000; i++) {
    sum += 2; /* the job sees what the owner wrote */
    sac_worker_start(worker, add, &sum);
    ck_ok(sac_worker_wait(worker));
  }
  ck_assert_int_eq(sum, 3 * 20000);
  sac_worker_destroy(worker);
}
END_TEST

/* The owner and the worker sleep in turn. */
START_TEST(after_sleep) {
  sac_worker* worker;
  int64_t sum = 0;
  ck_ok(sac_worker_create(&worker));
  for (int i = 1; i <= 5; i++) {
    pause_ms(2);
    sac_worker_start(worker, slow, &sum);
    ck_assert(!sac_worker_done(worker));
    if (i % 2) ck_ok(sac_worker_wait(worker));
    else {
      while (!sac_worker_done(worker)) pause_ms(1);
      ck_ok(sac_worker_wait(worker));
    }
    ck_assert_int_eq(sum, i);
    ck_assert(!sac_worker_done(worker));
  }
  sac_worker_destroy(worker);
}
END_TEST

START_TEST(failures_are_the_owners_to_read) {
  sac_worker* worker;
  int64_t sum = 0;
  ck_ok(sac_worker_create(&worker));
  sac_worker_start(worker, broken, NULL);
  ck_fails(sac_worker_wait(worker), SAC_ERROR_ENV, "step 7: it broke");
  sac_worker_start(worker, add, &sum); /* and the worker goes on */
  ck_ok(sac_worker_wait(worker));
  ck_assert_int_eq(sum, 1);
  sac_worker_destroy(worker);
}
END_TEST

START_TEST(destroyed_at_work) {
  sac_worker* worker;
  int64_t sum = 0;
  ck_ok(sac_worker_create(&worker));
  sac_worker_start(worker, slow, &sum);
  sac_worker_destroy(worker);
  ck_assert_int_eq(sum, 1); /* destroying waited for the job */
  sac_worker_destroy(NULL);
}
END_TEST

CHECK_MAIN("worker", CASE(in_quick_succession), CASE(after_sleep), CASE(failures_are_the_owners_to_read),
           CASE(destroyed_at_work))
