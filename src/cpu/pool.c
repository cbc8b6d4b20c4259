#include "cpu/pool.h"

#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#if defined(__SSE__)
#include <xmmintrin.h>
#endif

#include "util/error.h"
#include "util/memory.h"
#include "util/relax.h"

/* How long a thread without work polls for the next job before it sleeps, in ns. The time is longer than the gaps
 * inside an update and between the steps of a fast environment, and too short for the polling to be noticed. */
#define POLL_NS 100000

#define LINE 64 /* bytes of a cache line */

/* The tasks of a job are divided into parts, one for each thread. Thread t starts with part t, which has the same tasks
 * in every job of equal size, and then takes tasks of other parts. A part is one number: its upper half is the number
 * of the job, its lower half counts the tasks that are not taken yet. A thread takes a task by decrementing the number
 * with compare-and-swap. If the swap succeeds the job was not over, so the job's description read before the swap was
 * valid. */
typedef struct part {
  _Alignas(LINE) _Atomic uint64_t left;
} part;

struct sac_pool {
  _Alignas(LINE) _Atomic uint32_t job; /* the number of the latest job */
  _Atomic(sac_pool_task*) task;
  _Atomic(void*) context;
  _Atomic int32_t tasks;
  _Alignas(LINE) _Atomic int32_t done;     /* tasks finished */
  _Alignas(LINE) _Atomic int32_t sleepers; /* threads that wait for `wake` */
  _Atomic int stop;
  pthread_mutex_t lock;
  pthread_cond_t wake;
  int32_t threads; /* with the caller */
  int32_t started; /* without the caller */
  part* part;      /* (threads) */
  struct worker {
    sac_pool* pool;
    pthread_t thread;
    int32_t number;
  } worker[];
};

static int64_t now_ns(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

/* Flushes denormal numbers to zero in this thread. Returns the previous mode, for restore_denormals. */
static unsigned flush_denormals(void) {
#if defined(__SSE__)
  const unsigned mode = _mm_getcsr();
  _mm_setcsr(mode | 0x8040); /* flush-to-zero and denormals-are-zero */
  return mode;
#else
  return 0;
#endif
}

static void restore_denormals(unsigned mode) {
#if defined(__SSE__)
  _mm_setcsr(mode);
#else
  (void)mode;
#endif
}

/* The end of part t. Its tasks start at the end of part t - 1. */
static int32_t part_end(int32_t t, int32_t threads, int32_t tasks) {
  return (int32_t)((int64_t)(t + 1) * tasks / threads);
}

/* Takes and runs tasks from part t of a job until none is left. Takes no tasks of a later job: a thread must begin each
 * job with its own part, whose data it has in its cache. */
static void work_part(sac_pool* pool, uint32_t job, int32_t t, int32_t thread) {
  uint64_t state = atomic_load_explicit(&pool->part[t].left, memory_order_acquire);
  for (;;) {
    /* read the job; another thread may be finishing it at the same time */
    const uint32_t left = (uint32_t)state;
    if (left == 0 || (uint32_t)(state >> 32) != job) return;
    sac_pool_task* task = atomic_load_explicit(&pool->task, memory_order_relaxed);
    void* context = atomic_load_explicit(&pool->context, memory_order_relaxed);
    const int32_t tasks = atomic_load_explicit(&pool->tasks, memory_order_relaxed);

    /* take a task; again if another thread took one meanwhile */
    if (!atomic_compare_exchange_weak_explicit(&pool->part[t].left, &state, state - 1, memory_order_acq_rel,
                                               memory_order_acquire))
      continue;

    /* run it */
    task(context, part_end(t, pool->threads, tasks) - (int32_t)left, thread);
    atomic_fetch_add_explicit(&pool->done, 1, memory_order_release);
    state = atomic_load_explicit(&pool->part[t].left, memory_order_acquire);
  }
}

/* Runs tasks from the thread's own part of a job, then from the other parts. */
static void work(sac_pool* pool, uint32_t job, int32_t thread) {
  for (int32_t i = 0; i < pool->threads; i++) work_part(pool, job, (thread + i) % pool->threads, thread);
}

/* Waits for a job after `seen` or the end of the pool: polls for a while, then sleeps. */
static void await_work(sac_pool* pool, uint32_t seen) {
  const int64_t until = now_ns() + POLL_NS;

  /* poll; read the clock only now and then */
  do {
    for (int i = 0; i < 32; i++) {
      if (atomic_load_explicit(&pool->job, memory_order_relaxed) != seen ||
          atomic_load_explicit(&pool->stop, memory_order_relaxed))
        return;
      sac_relax();
    }
  } while (now_ns() < until);

  /* sleep; the count of sleepers is raised before the job is read again, so that no job is missed */
  pthread_mutex_lock(&pool->lock);
  atomic_fetch_add(&pool->sleepers, 1);
  while (atomic_load(&pool->job) == seen && !atomic_load(&pool->stop)) pthread_cond_wait(&pool->wake, &pool->lock);
  atomic_fetch_sub(&pool->sleepers, 1);
  pthread_mutex_unlock(&pool->lock);
}

static void* worker_main(void* argument) {
  const struct worker* worker = argument;
  sac_pool* pool = worker->pool;
  flush_denormals();

  /* run the latest job, then wait for one with another number */
  while (!atomic_load_explicit(&pool->stop, memory_order_acquire)) {
    const uint32_t job = atomic_load_explicit(&pool->job, memory_order_acquire);
    work(pool, job, worker->number);
    await_work(pool, job);
  }
  return NULL;
}

/* The offset of the parts in the pool's memory. */
static size_t parts_at(int32_t threads) {
  const size_t bytes = sizeof(sac_pool) + (size_t)threads * sizeof(struct worker);
  return (bytes + LINE - 1) / LINE * LINE;
}

size_t sac_pool_size(int32_t threads) { return parts_at(threads) + (size_t)threads * sizeof(part); }

sac_status sac_pool_create(sac_pool** out, int32_t threads) {
  *out = NULL;
  sac_pool* pool = sac_alloc(sac_pool_size(threads));
  if (!pool) return sac_fail(SAC_ERROR_MEMORY, "no memory for a pool of %d threads", (int)threads);
  pthread_mutex_init(&pool->lock, NULL);
  pthread_cond_init(&pool->wake, NULL);

  /* the parts follow the workers in the same allocation */
  pool->threads = threads;
  pool->part = (part*)(void*)((char*)pool + parts_at(threads));

  /* start the threads with all signals blocked, so that the program's own threads handle them */
  sigset_t all, old;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &old);
  int failed = 0;
  for (int32_t i = 1; i < threads && !failed; i++) {
    struct worker* worker = &pool->worker[i];
    *worker = (struct worker){.pool = pool, .number = i};
    failed = pthread_create(&worker->thread, NULL, worker_main, worker);
    if (!failed) pool->started = i;
  }
  pthread_sigmask(SIG_SETMASK, &old, NULL);

  /* after a failure, end the threads that were started */
  if (failed) {
    const int32_t started = pool->started;
    sac_pool_destroy(pool);
    return sac_fail(SAC_ERROR_MEMORY, "thread %d of %d does not start (%s): lower cpu.threads", (int)(started + 2),
                    (int)threads, strerror(failed));
  }
  *out = pool;
  return SAC_OK;
}

void sac_pool_destroy(sac_pool* pool) {
  if (!pool) return;

  /* tell the threads to stop, also those that sleep */
  pthread_mutex_lock(&pool->lock);
  atomic_store(&pool->stop, 1);
  pthread_cond_broadcast(&pool->wake);
  pthread_mutex_unlock(&pool->lock);

  /* wait for their ends before freeing what they use; only threads that were started have a handle */
  for (int32_t i = 1; i <= pool->started; i++) pthread_join(pool->worker[i].thread, NULL);
  pthread_cond_destroy(&pool->wake);
  pthread_mutex_destroy(&pool->lock);
  sac_free(pool);
}

int32_t sac_pool_threads(const sac_pool* pool) { return pool->threads; }

void sac_pool_run_alone(sac_pool_task* task, void* context, int32_t tasks) {
  const unsigned mode = flush_denormals();
  for (int32_t i = 0; i < tasks; i++) task(context, i, 0);
  restore_denormals(mode);
}

void sac_pool_run(sac_pool* pool, sac_pool_task* task, void* context, int32_t tasks) {
  /* nobody to share with, or nothing to share */
  if (pool->threads == 1 || tasks <= 1) {
    sac_pool_run_alone(task, context, tasks);
    return;
  }

  /* describe the job, and divide it into parts */
  const unsigned mode = flush_denormals();
  atomic_store_explicit(&pool->task, task, memory_order_relaxed);
  atomic_store_explicit(&pool->context, context, memory_order_relaxed);
  atomic_store_explicit(&pool->tasks, tasks, memory_order_relaxed);
  atomic_store_explicit(&pool->done, 0, memory_order_relaxed);
  const uint32_t job = atomic_load_explicit(&pool->job, memory_order_relaxed) + 1;
  for (int32_t t = 0, from = 0, end; t < pool->threads; t++, from = end) {
    end = part_end(t, pool->threads, tasks);
    atomic_store_explicit(&pool->part[t].left, (uint64_t)job << 32 | (uint32_t)(end - from), memory_order_release);
  }

  /* publish it, and wake the threads that sleep; those that poll see it without a system call */
  atomic_store(&pool->job, job);
  if (atomic_load(&pool->sleepers) > 0) {
    pthread_mutex_lock(&pool->lock);
    pthread_cond_broadcast(&pool->wake);
    pthread_mutex_unlock(&pool->lock);
  }

  /* take part, then wait for the last tasks of other threads; yield if it takes long: they may need this processor */
  work(pool, job, 0);
  for (int i = 0; atomic_load_explicit(&pool->done, memory_order_acquire) != tasks; i++) {
    if (i < 4000) sac_relax();
    else sched_yield();
  }
  restore_denormals(mode);
}
