#include "cli/handlers.h"

#include <dlfcn.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <unistd.h>

#include "env/guard.h"

#define EXPORT __attribute__((visibility("default")))

typedef int sigaction_fn(int number, const struct sigaction* action, struct sigaction* before);

static _Atomic(sigaction_fn*) library; /* the C library's; NULL: not known yet */
static pid_t process;                  /* this one, and not a child that was forked */

/* What environments have set, for those that ask. */
static struct {
  int known;
  struct sigaction action;
} theirs[NSIG];

void sac_handlers_keep(void) { process = getpid(); }

/* Whether an environment asks for a signal of the program. */
static int is_kept(int number) {
  sac_env_place place;
  return sac_guard_owns(number) && sac_env_where(&place) && getpid() == process;
}

EXPORT int sigaction(int number, const struct sigaction* restrict action, struct sigaction* restrict before) {
  /* constructors of libraries call this before main; two threads find the same */
  sigaction_fn* real = atomic_load(&library);
  if (!real) {
    void* symbol = dlsym(RTLD_NEXT, "sigaction"); /* ISO C has no cast from void* to a function pointer */
    memcpy(&real, &symbol, sizeof real);
    atomic_store(&library, real);
  }
  if (!is_kept(number)) return real(number, action, before);

  /* answer as if it was done */
  if (before && !theirs[number].known) (void)real(number, NULL, before);
  else if (before) *before = theirs[number].action;
  if (action) {
    theirs[number].action = *action;
    theirs[number].known = 1;
    sac_guard_refused();
  }
  return 0;
}

static sighandler_t set(int number, sighandler_t handler, int flags) {
  struct sigaction action = {.sa_handler = handler, .sa_flags = flags}, before;
  (void)sigemptyset(&action.sa_mask);
  return sigaction(number, &action, &before) == 0 ? before.sa_handler : SIG_ERR;
}

/* Names under which signal.h has `signal`: that of BSD, and in strictly conforming programs that of System V. */
EXPORT sighandler_t signal(int number, sighandler_t handler) { return set(number, handler, SA_RESTART); }

EXPORT sighandler_t __sysv_signal(int number, sighandler_t handler) { /* NOLINT(bugprone-reserved-identifier) */
  return set(number, handler, (int)(SA_RESETHAND | SA_NODEFER));
}
