/* The run for handlers of signals and of exit, which may run on any thread of the process, an environment's too: while
 * one uses the run, another thread must not destroy it. */
#ifndef SAC_CLI_HELD_H
#define SAC_CLI_HELD_H

#include <stdatomic.h>
#include <time.h>

#include <sac/run.h>

typedef struct sac_held {
  _Atomic(sac_run*) run; /* NULL: none */
  atomic_int users;
} sac_held;

/* In a handler: the run, which stays until give; NULL: none. Give also after NULL. The user is counted before the run
 * is read, and set reads the count after it has changed the run: so set sees the user, or the user sees the change. */
static inline sac_run* sac_held_take(sac_held* held) {
  (void)atomic_fetch_add(&held->users, 1);
  return atomic_load(&held->run);
}

static inline void sac_held_give(sac_held* held) { (void)atomic_fetch_sub(&held->users, 1); }

/* Not in a handler: changes the run, and waits until no handler uses the one before. A handler that interrupts this
 * thread has ended when the wait goes on. */
static inline void sac_held_set(sac_held* held, sac_run* run) {
  atomic_store(&held->run, run);
  const struct timespec moment = {.tv_nsec = 100000};
  while (atomic_load(&held->users) > 0) (void)nanosleep(&moment, NULL);
}

#endif
