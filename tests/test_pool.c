/* The thread pool: every task runs exactly once; sleeping and waking; the floating-point mode. */
#include "cpu/pool.h"

#include <stdatomic.h>
#include <time.h>

#include "support/check_main.h"
#include "util/system.h"

#define TASKS_MAX 1000

typedef struct job {
  _Atomic int32_t seen[TASKS_MAX];
  int32_t threads;
  _Atomic int32_t bad_thread;
  int32_t plain[TASKS_MAX]; /* not atomic: the pool must make the value visible */
} job;

static void count_task(void* context, int32_t task, int32_t thread) {
  job* j = context;
  atomic_fetch_add(&j->seen[task], 1);
  if (thread < 0 || thread >= j->threads) atomic_store(&j->bad_thread, 1);
  j->plain[task] = task + 1;
}

static const int32_t thread_counts[] = {1, 2, 3, 8};
#define THREAD_COUNTS (sizeof thread_counts / sizeof *thread_counts)

START_TEST(every_task_once) {
  sac_pool* pool;
  ck_ok(sac_pool_create(&pool, thread_counts[_i]));
  ck_assert_int_eq(sac_pool_threads(pool), thread_counts[_i]);
  static job j;
  const int32_t sizes[] = {0, 1, 2, 3, 17, TASKS_MAX};
  for (int round = 0; round < 60; round++)
    for (size_t s = 0; s < sizeof sizes / sizeof *sizes; s++) {
      memset(&j, 0, sizeof j);
      j.threads = thread_counts[_i];
      sac_pool_run(pool, count_task, &j, sizes[s]);
      for (int32_t t = 0; t < TASKS_MAX; t++) {
        ck_assert_int_eq(atomic_load(&j.seen[t]), t < sizes[s]);
        ck_assert_int_eq(j.plain[t], t < sizes[s] ? t + 1 : 0);
      }
      ck_assert(!atomic_load(&j.bad_thread));
    }
  sac_pool_destroy(pool);
}
END_TEST

static void add_one(void* context, int32_t task, int32_t thread) {
  (void)thread;
  ((int64_t*)context)[task] += 1;
}

START_TEST(jobs_in_quick_succession) {
  sac_pool* pool;
  ck_ok(sac_pool_create(&pool, 4));
  int64_t sum[5] = {0};
  const int jobs = 5000;
  for (int i = 0; i < jobs; i++) sac_pool_run(pool, add_one, sum, 1 + i % 5);
  for (int t = 0; t < 5; t++) ck_assert_int_eq(sum[t], jobs / 5 * (5 - t));
  sac_pool_destroy(pool);
}
END_TEST

typedef struct meeting {
  _Atomic int32_t here;
  int32_t threads, taker[8];
} meeting;

/* Ends when every thread runs one of these tasks, so that no thread can help another. */
static void meet(void* context, int32_t task, int32_t thread) {
  meeting* m = context;
  m->taker[task] = thread;
  atomic_fetch_add(&m->here, 1);
  while (atomic_load(&m->here) < m->threads) nanosleep(&(struct timespec){0, 10000}, NULL);
}

/* In every job a thread starts with its own part of the tasks. */
START_TEST(own_part_first) {
  sac_pool* pool;
  const int32_t threads = thread_counts[_i];
  ck_ok(sac_pool_create(&pool, threads));
  for (int round = 0; round < 20; round++) {
    meeting m = {.threads = threads};
    sac_pool_run(pool, meet, &m, threads);
    for (int32_t t = 0; t < threads; t++) ck_assert_int_eq(m.taker[t], t);
  }
  sac_pool_destroy(pool);
}
END_TEST

START_TEST(wakes_from_sleep) {
  sac_pool* pool;
  ck_ok(sac_pool_create(&pool, 3));
  int64_t sum[64] = {0};
  for (int i = 0; i < 10; i++) {
    nanosleep(&(struct timespec){0, 2000000}, NULL); /* longer than a thread polls for work */
    sac_pool_run(pool, add_one, sum, 64);
  }
  for (int t = 0; t < 64; t++) ck_assert_int_eq(sum[t], 10);
  sac_pool_destroy(pool);
}
END_TEST

START_TEST(ends_at_any_moment) {
  for (int i = 0; i < 100; i++) {
    sac_pool* pool;
    ck_ok(sac_pool_create(&pool, 1 + i % 4));
    int64_t sum[3] = {0};
    if (i % 3) sac_pool_run(pool, add_one, sum, 3);
    sac_pool_destroy(pool);
  }
  sac_pool_destroy(NULL);
}
END_TEST

static void halve(void* context, int32_t task, int32_t thread) {
  (void)task;
  (void)thread;
  volatile float x = *(float*)context;
  x = x * 0.5f;
  *(float*)context = x;
}

/* In a task a result below the normal range is zero. After it the mode of the caller is restored. */
START_TEST(denormals) {
#if defined(__SSE__)
  sac_pool* pool;
  ck_ok(sac_pool_create(&pool, 2));
  float x = 1.5e-38f;
  sac_pool_run(pool, halve, &x, 1);
  ck_assert(x == 0.0f);
  volatile float y = 1.5e-38f;
  y = y * 0.5f;
  ck_assert(y > 0.0f);
  sac_pool_destroy(pool);
#else
  (void)halve;
#endif
}
END_TEST

START_TEST(processors) {
  ck_assert_int_ge(sac_processors(), 1);
  ck_assert_uint_ge(sac_pool_size(3), sac_pool_size(1));
}
END_TEST

CHECK_MAIN("pool", LOOP(every_task_once, THREAD_COUNTS), LOOP(own_part_first, THREAD_COUNTS),
           CASE(jobs_in_quick_succession), CASE(wakes_from_sleep), CASE(ends_at_any_moment), CASE(denormals),
           CASE(processors))
