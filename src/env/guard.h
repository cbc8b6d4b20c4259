/* Environments from outside (plugins, gym:) share the process, and some change it: a constructor sets signal handlers,
 * changes the folder, a float mode, the locale. Around each of their calls a guard puts back what the host of the
 * library had: libsac installs no handler and sets no mode of its own.
 *
 * After each call: float modes. After each call but a step: what signals do, the signals that the thread blocks, the
 * umask, the locale, and the working folder. A descriptor 0 to 2 that an environment has closed becomes /dev/null, as
 * the next file would get its number; one that has closed those of the host's files cannot be let go on. After a step,
 * or the reset where an episode ends, all this takes place every SAC_GUARD_SECONDS; and after each of them, once one
 * was found to have changed something. A handler of an environment's own for SIGCHLD, for timers or for crashes stays.
 *
 * Each environment keeps the working folder that it has set: it is back there in its next call. */
#ifndef SAC_ENV_GUARD_H
#define SAC_ENV_GUARD_H

#include <locale.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include "util/floats.h"

#define SAC_GUARD_SECONDS 0.05 /* the longest that changes of a step last, or one step where that takes longer */
#define SAC_GUARD_ID_MAX 128   /* bytes of an id that messages name */
#define SAC_GUARD_CALLS 7      /* calls without a look at the clock, if as many were faster than its tick before */

/* What was changed, as bits of sac_guard_changes. X(name, words) */
#define SAC_GUARD_LIST(X)                                        \
  X(SIGNALS, "signal handlers")                                  \
  X(MASK, "blocked signals")                                     \
  X(UMASK, "the umask")                                          \
  X(LOCALE, "the locale")                                        \
  X(FOLDER, "the working folder")                                \
  X(DESCRIPTORS, "descriptors 0 to 2 (closed)")                  \
  X(FILES, "descriptors of files that are not its own (closed)") \
  X(LOST, "something that cannot be put back")

#define SAC_GUARD_NAME(name, words) SAC_GUARD_##name,
enum { SAC_GUARD_LIST(SAC_GUARD_NAME) SAC_GUARD_COUNT };
#undef SAC_GUARD_NAME

/* The guard of one instance. It starts as sac_guard_create makes it. */
typedef struct sac_guard {
  int on;               /* 0: the environment is the library's own, and nothing is done */
  int folder;           /* descriptor of the environment's own working folder; -1: it has that of the host */
  int restless;         /* 1: a step has changed something, and others may */
  int whole;            /* 1: the present call is checked for everything */
  int robbed;           /* 1: it has closed descriptors of the host: what the host writes may go to other files */
  int left;             /* calls that may end before the clock is read again */
  double read, checked; /* sac_seconds_coarse: when the clock was read; when everything was checked */
} sac_guard;

/* Where an environment's call is, for the message of a crash. */
typedef struct sac_env_place {
  const char* id;   /* NULL: no environment was called yet */
  const char* call; /* "create", "reset", "step", ... */
  uint64_t step;    /* as in messages; 0: before the first step */
} sac_env_place;

sac_guard sac_guard_create(int on);

/* The guard of a second user of the instance, who gets its present working folder. */
sac_guard sac_guard_share(const sac_guard* guard);
void sac_guard_destroy(sac_guard* guard); /* takes one that is all zeros */

/* From begin to end, what the host has counts as unchanged: begin remembers it, checks put that back, end checks once
 * more. Around the steps of one call of the library. Pairs may be nested, and be of several threads. */
void sac_guard_begin(void);
void sac_guard_end(sac_guard* guard);

/* Checks everything now, between begin and end: before files are made. */
void sac_guard_check(sac_guard* guard);

/* The changes since the process began: bit 1 << SAC_GUARD_SIGNALS and so on. */
uint32_t sac_guard_changes(void);

/* Whether a signal is one that a guard puts back, whatever an environment has set. */
int sac_guard_owns(int number);

/* Counts a change of such a signal that the host has refused. */
void sac_guard_refused(void);

/* Fills `place` and returns 1 when the calling thread is in an environment's call. Otherwise returns 0, and `place` is
 * the last call of any thread; its id is then shortened to 127 bytes. Safe in a signal handler. */
int sac_env_where(sac_env_place* place);

/* Whether the last call of any thread still goes on. `place` is that call, with its id in `id`. Not in a signal
 * handler. */
int sac_env_called(sac_env_place* place, char id[SAC_GUARD_ID_MAX]);

/* --- each call ---------------------------------------------------------------------------------------------------- */

/* What the calling thread has, and where it is. */
typedef struct sac_guard_thread {
  sac_env_place inside;   /* id is NULL outside of a call */
  int holds;              /* pairs of begin and end that the thread has begun */
  sac_float_modes floats; /* this and locale: of the host, while holds > 0 or in a call */
  locale_t locale;
} sac_guard_thread;

/* The last call of any thread. Threads may write it at the same time: it is only for messages. */
typedef struct sac_guard_last {
  _Atomic(const sac_guard*) guard; /* whose id it is; NULL: that guard is gone */
  char id[SAC_GUARD_ID_MAX];
  _Atomic(const char*) call;
  _Atomic uint64_t step;
  _Atomic int going; /* 1: it has not returned yet */
} sac_guard_last;

/* Read at each call, without a function call in a shared library. */
extern _Thread_local sac_guard_thread sac_guard_here __attribute__((tls_model("initial-exec")));
extern sac_guard_last sac_guard_last_call;

/* The parts of enter and leave that few calls need. */
void sac_guard_enter_rest(sac_guard* guard, const char* id, int whole);
void sac_guard_leave_rest(sac_guard* guard);

/* Around each call of the environment, on the same thread. place: who is called; its texts live until leave. whole: 0
 * for a step and the resets of episodes that end, after which everything is checked at intervals; 1 for other calls. */
static inline void sac_guard_enter(sac_guard* guard, sac_env_place place, int whole) {
  if (!guard->on) return;
  if (whole || guard->restless || guard->folder >= 0 || sac_guard_here.holds == 0 ||
      atomic_load_explicit(&sac_guard_last_call.guard, memory_order_relaxed) != guard)
    sac_guard_enter_rest(guard, place.id, whole); /* not its address: the place stays in registers */

  /* remember where it is */
  sac_guard_here.inside = place;
  atomic_store_explicit(&sac_guard_last_call.call, place.call, memory_order_relaxed);
  atomic_store_explicit(&sac_guard_last_call.step, place.step, memory_order_relaxed);
  atomic_store_explicit(&sac_guard_last_call.going, 1, memory_order_relaxed);
}

static inline void sac_guard_leave(sac_guard* guard) {
  if (!guard->on) return;
  sac_float_modes_restore(&sac_guard_here.floats);
  sac_guard_here.inside.id = NULL;
  atomic_store_explicit(&sac_guard_last_call.going, 0, memory_order_relaxed);

  /* everything else: now, or when the last check is old enough */
  if (guard->left-- <= 0) sac_guard_leave_rest(guard);
}

#endif
