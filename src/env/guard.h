/* Environments from outside (plugins, gym:) share the process, and some change it: a constructor sets signal handlers,
 * changes the folder, a float mode, the locale. Around each of their calls a guard puts back what the host of the
 * library had: libsac installs no handler and sets no mode of its own.
 *
 * After each call: float modes, and the locale of the thread. After each call but a step: what signals do, the signals
 * that the thread blocks, the umask, the locale, and the working folder. A descriptor 0 to 2 that an environment has
 * closed becomes /dev/null, as the next file would get its number. After a step, or the reset where an episode ends,
 * all this takes place every SAC_GUARD_SECONDS; and after each of them, once one was found to have changed something. A
 * handler of an environment's own for SIGCHLD, for timers or for crashes stays.
 *
 * Each environment keeps the working folder that it has set: it is back there in its next call. */
#ifndef SAC_ENV_GUARD_H
#define SAC_ENV_GUARD_H

#include <locale.h>
#include <stdint.h>

#include "util/floats.h"

#define SAC_GUARD_SECONDS 0.05 /* the longest that changes of a step last, or one step where that takes longer */

/* What was changed, as bits of sac_guard_changes. X(name, words) */
#define SAC_GUARD_LIST(X)                       \
  X(SIGNALS, "signal handlers")                 \
  X(MASK, "blocked signals")                    \
  X(UMASK, "the umask")                         \
  X(LOCALE, "the locale")                       \
  X(FOLDER, "the working folder")               \
  X(DESCRIPTORS, "descriptors 0 to 2 (closed)") \
  X(LOST, "something that cannot be put back")

#define SAC_GUARD_NAME(name, words) SAC_GUARD_##name,
enum { SAC_GUARD_LIST(SAC_GUARD_NAME) SAC_GUARD_COUNT };
#undef SAC_GUARD_NAME

/* The guard of one instance. It starts as sac_guard_create makes it. */
typedef struct sac_guard {
  int on;         /* 0: the environment is the library's own, and nothing is done */
  int folder;     /* descriptor of the environment's own working folder; -1: it has that of the host */
  double checked; /* sac_seconds_coarse of the last check of everything */
  int whole;      /* 1: the present call is checked for everything */
  int restless;   /* 1: a step has changed something, and others may */

  /* before the present call */
  sac_float_modes floats;
  locale_t locale;
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

/* Around each call of the environment, on the same thread. place: who is called; its texts live until leave. whole: 0
 * for a step and the resets of episodes that end, after which everything is checked at intervals; 1 for other calls. */
void sac_guard_enter(sac_guard* guard, sac_env_place place, int whole);
void sac_guard_leave(sac_guard* guard);

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

#endif
