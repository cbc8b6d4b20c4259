#include "util/worker.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "util/clock.h"
#include "util/error.h"
#include "util/relax.h"

/* How long a thread polls before it sleeps. To wake a sleeping thread may take longer than a whole job: a step of the
 * environments or an update. */
#define POLL_SECONDS 50e-6

/* Who acts next. The owner moves IDLE to GIVEN, DONE to IDLE and IDLE to ENDING; the worker moves GIVEN to DONE.
 * IDLE: the owner may start a job. GIVEN: the worker runs the job. DONE: the owner collects the status of the job.
 * ENDING: the worker returns. */
typedef enum phase { IDLE, GIVEN, DONE, ENDING } phase;

struct sac_worker {
  _Atomic phase phase;         /* also hands the members below from one thread to the other */
  sac_worker_job* job;         /* of the owner, for the worker */
  void* context;               /* likewise */
  sac_status status;           /* of the worker, for the owner */
  char message[SAC_ERROR_MAX]; /* likewise; set when the status is an error */
  pthread_mutex_t lock;        /* with `changed`: for threads that sleep until the phase changes */
  pthread_cond_t changed;
  pthread_t thread;
  int started; /* 1: `thread` exists */
};

static int has_phase(const sac_worker* worker, phase wanted) {
  return atomic_load_explicit(&worker->phase, memory_order_acquire) == wanted;
}

/* Waits until the phase is `one` or `other`: polls for a while, then sleeps. */
static void wait_for(sac_worker* worker, phase one, phase other) {
  /* Poll. The clock is read once in 32 polls. */
  const double until = sac_seconds() + POLL_SECONDS;
  do {
    for (int i = 0; i < 32; i++) {
      if (has_phase(worker, one) || has_phase(worker, other)) return;
      sac_relax();
    }
  } while (sac_seconds() < until);

  /* Sleep. set_phase changes the phase under the lock, so its signal cannot be missed between test and wait. */
  pthread_mutex_lock(&worker->lock);
  while (!has_phase(worker, one) && !has_phase(worker, other)) pthread_cond_wait(&worker->changed, &worker->lock);
  pthread_mutex_unlock(&worker->lock);
}

/* Changes the phase and wakes a thread that waits for it. */
static void set_phase(sac_worker* worker, phase next) {
  pthread_mutex_lock(&worker->lock);
  atomic_store_explicit(&worker->phase, next, memory_order_release);
  pthread_cond_broadcast(&worker->changed);
  pthread_mutex_unlock(&worker->lock);
}

/* The thread: runs job after job, until the phase is ENDING. */
static void* work(void* argument) {
  sac_worker* worker = argument;
  for (;;) {
    wait_for(worker, GIVEN, ENDING);
    if (has_phase(worker, ENDING)) return NULL;

    /* Run the job. Error messages belong to a thread, so copy this one for the owner. */
    worker->status = worker->job(worker->context);
    if (worker->status != SAC_OK) (void)snprintf(worker->message, sizeof worker->message, "%s", sac_last_error());
    set_phase(worker, DONE);
  }
}

sac_status sac_worker_create(sac_worker** out) {
  *out = NULL;
  sac_worker* worker = calloc(1, sizeof *worker);
  if (!worker) return sac_fail(SAC_ERROR_MEMORY, "no memory for a thread");
  pthread_mutex_init(&worker->lock, NULL);

  /* timed waits must not depend on a clock that may be set back */
  pthread_condattr_t steady;
  pthread_condattr_init(&steady);
  (void)pthread_condattr_setclock(&steady, CLOCK_MONOTONIC);
  pthread_cond_init(&worker->changed, &steady);
  pthread_condattr_destroy(&steady);

  /* Start the thread. It inherits blocked signals, so that signals go to the threads of the program. */
  sigset_t all, old;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &old);
  const int failed = pthread_create(&worker->thread, NULL, work, worker);
  pthread_sigmask(SIG_SETMASK, &old, NULL);
  worker->started = !failed;

  /* sac_worker_destroy joins no thread that did not start */
  if (failed) {
    sac_worker_destroy(worker);
    return sac_fail(SAC_ERROR_MEMORY, "a thread does not start: %s", strerror(failed));
  }
  *out = worker;
  return SAC_OK;
}

void sac_worker_destroy(sac_worker* worker) {
  if (!worker) return;

  /* let the thread finish its job and return */
  if (worker->started) {
    if (!has_phase(worker, IDLE)) (void)sac_worker_wait(worker);
    set_phase(worker, ENDING);
    pthread_join(worker->thread, NULL);
  }
  pthread_cond_destroy(&worker->changed);
  pthread_mutex_destroy(&worker->lock);
  free(worker);
}

void sac_worker_start(sac_worker* worker, sac_worker_job* job, void* context) {
  worker->job = job;
  worker->context = context;
  set_phase(worker, GIVEN);
}

int sac_worker_done(const sac_worker* worker) { return has_phase(worker, DONE); }

int sac_worker_wait_for(sac_worker* worker, double seconds) {
  struct timespec until;
  const long long nanoseconds = (long long)(seconds * 1e9);

  /* find the time at which to give up */
  (void)clock_gettime(CLOCK_MONOTONIC, &until);
  const long long at = until.tv_nsec + nanoseconds;
  until.tv_sec += (time_t)(at / 1000000000);
  until.tv_nsec = (long)(at % 1000000000);

  /* sleep until the job is done, or until then */
  pthread_mutex_lock(&worker->lock);
  for (int late = 0; !late && !has_phase(worker, DONE);)
    late = pthread_cond_timedwait(&worker->changed, &worker->lock, &until) != 0;
  pthread_mutex_unlock(&worker->lock);
  return has_phase(worker, DONE);
}

sac_status sac_worker_wait(sac_worker* worker) {
  wait_for(worker, DONE, DONE);

  /* make the error message of the job the message of this thread */
  const sac_status status = worker->status;
  if (status != SAC_OK) (void)sac_fail(status, "%s", worker->message);

  /* no lock and no signal: nobody waits for IDLE */
  atomic_store_explicit(&worker->phase, IDLE, memory_order_relaxed);
  return status;
}
