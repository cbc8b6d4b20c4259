/* Signals that come on another thread while a run ends: the run stays until their handlers have used it. */
#include "cli/signals.h"

#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdatomic.h>
#include <time.h>
#include <unistd.h>

#include "cli/crash.h"
#include "support/small_run.h"
#include "util/clock.h"

static _Thread_local sigjmp_buf late;
static double may_be_late; /* sac_seconds after which a signal is a second one; 0: never */

/* cli/crash.c is not in this program. A thread that was held up for so long that its signal is a second one ends. */
void sac_crash_leave(int code) {
  if (may_be_late > 0 && sac_seconds() > may_be_late) siglongjmp(late, 1);
  _exit(code);
}

static void pause_ms(long ms) { nanosleep(&(struct timespec){.tv_nsec = ms * 1000000L}, NULL); }

/* A thread of an environment, which gets the signal. */
static void* get_signal(void* unused) {
  (void)unused;
  (void)raise(SIGTERM);
  return NULL;
}

/* Takes the run from the signals, as before it is destroyed. */
static void* detach(void* done) {
  sac_signals_attach(NULL, NULL, NULL);
  atomic_store((atomic_int*)done, 1);
  return NULL;
}

/* The handler waits in its answer, as the pipe of standard error is full. */
START_TEST(a_run_outlives_its_handlers) {
  const char* folder = test_folder();
  sac_run* run = small_run(test_path(folder, "run"), "", NULL);
  int ends[2], kept = dup(STDERR_FILENO);
  char text[4096] = "";
  pthread_t threads[2];
  atomic_int done = 0;
  sac_signals_catch("stops", 0);
  sac_signals_attach(run, &run->settings, "stops after this step");

  /* fill the pipe; the answer does not fit */
  ck_assert_int_eq(pipe(ends), 0);
  ck_assert_int_eq(fcntl(ends[1], F_SETFL, O_NONBLOCK), 0);
  while (write(ends[1], text, sizeof text) > 0) continue;
  while (write(ends[1], text, 1) > 0) continue;
  ck_assert_int_eq(fcntl(ends[1], F_SETFL, 0), 0);
  ck_assert_int_eq(dup2(ends[1], STDERR_FILENO), STDERR_FILENO);
  ck_assert_int_eq(pthread_create(&threads[0], NULL, get_signal, NULL), 0);
  while (sac_signals_caught() == 0) pause_ms(1);

  /* the run cannot be destroyed yet */
  ck_assert_int_eq(pthread_create(&threads[1], NULL, detach, &done), 0);
  pause_ms(100);
  const int early = atomic_load(&done);
  while (!atomic_load(&done) && read(ends[0], text, sizeof text) > 0) pause_ms(1);
  ck_assert_int_eq(dup2(kept, STDERR_FILENO), STDERR_FILENO);
  for (int i = 0; i < 2; i++) ck_assert_int_eq(pthread_join(threads[i], NULL), 0);
  ck_assert_int_eq(early, 0);
  ck_assert(sac_run_stopping(run));
  ck_assert_int_eq(sac_signals_caught(), SIGTERM);
  sac_run_destroy(run);
  test_folder_remove();
}
END_TEST

/* Two threads that get a signal at the same moment: one is the first, the other repeats it. */
static void* get_many(void* unused) {
  (void)unused;
  if (sigsetjmp(late, 1) != 0) return NULL;
  for (int i = 0; i < 100; i++) (void)raise(i % 2 ? SIGTERM : SIGHUP);
  return NULL;
}

START_TEST(signals_at_the_same_moment) {
  pthread_t threads[4];
  sac_signals_catch("stops", 0);
  may_be_late = sac_seconds() + 0.19;
  for (int i = 0; i < 4; i++) ck_assert_int_eq(pthread_create(&threads[i], NULL, get_many, NULL), 0);
  for (int i = 0; i < 4; i++) ck_assert_int_eq(pthread_join(threads[i], NULL), 0);
  ck_assert(sac_signals_caught() == SIGTERM || sac_signals_caught() == SIGHUP);
}
END_TEST

CHECK_MAIN("cli_signals", CASE(a_run_outlives_its_handlers), CASE(signals_at_the_same_moment))
