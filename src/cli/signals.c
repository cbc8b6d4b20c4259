#include "cli/signals.h"

#include <errno.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "cli/crash.h"

#define REPEAT 200000000 /* nanoseconds in which a second signal counts as the first */

static _Atomic(sac_run*) attached;        /* the run that signals reach; NULL: none */
static _Atomic(const char*) announcement; /* what the first signal announces */
static atomic_int over;                   /* 1: everything is saved, and a signal ends the process at once */
static atomic_int caught;                 /* the signal that asked to stop; 0: none */
static _Atomic(int64_t) caught_at;        /* when, in nanoseconds */
static atomic_int user_signals[2];        /* 1: SIGUSR1, SIGUSR2 came before there was a run */
static atomic_int checkpoint_on, stop_on; /* the signals of the two keys; 0: none */
static const char* line_start = "";       /* a newline on a terminal, where a line is begun by the progress or by ^C */
static struct sigaction user_before[2];   /* what SIGUSR1 and SIGUSR2 did before */

/* --- handlers: only functions that are safe in a signal handler are called ---------------------------------------- */

static int64_t now(void) {
  struct timespec time;
  (void)clock_gettime(CLOCK_MONOTONIC, &time);
  return (int64_t)time.tv_sec * 1000000000 + time.tv_nsec;
}

/* Writes a text to standard error; nothing can be done if that fails. */
static void say(const char* text) {
  const ssize_t written = write(STDERR_FILENO, text, strlen(text));
  (void)written;
}

/* The signals that ask to stop: people, schedulers, 'ulimit -t'; then timers that an environment may have set. */
static const struct {
  int number;
  const char* name;
} stops[] = {{SIGINT, "Ctrl-C"},
             {SIGTERM, "SIGTERM"},
             {SIGHUP, "SIGHUP"},
             {SIGXCPU, "SIGXCPU"},
             {SIGALRM, "SIGALRM (a timer of the environment?)"},
             {SIGVTALRM, "SIGVTALRM (a timer of the environment?)"},
             {SIGPROF, "SIGPROF (a timer of the environment?)"}};
enum { STOPS = sizeof stops / sizeof *stops };

static const char* name_of(int signal) {
  for (size_t i = 0; i < STOPS; i++)
    if (stops[i].number == signal) return stops[i].name;
  return signal == SIGUSR1 ? "SIGUSR1" : "SIGUSR2";
}

/* Answers the first signal at once, as the step that it waits for may be long. */
static void answer(int signal) {
  say(line_start);
  say("sac: ");
  say(name_of(signal));
  say(": ");
  say(atomic_load(&announcement));
  say("; a second one ends at once\n");
}

/* The first signal asks to stop. The second one ends the process, unless it only repeats the first. code: the signal
 * that the exit code tells. */
static void on_stop(int signal, int code) {
  const int64_t time = now();
  int none = 0;

  /* a timer may go off again and again, and does not ask for an end at once */
  const int timer = signal == SIGALRM || signal == SIGVTALRM || signal == SIGPROF;
  if (timer && (atomic_load(&over) || atomic_load(&caught))) return;
  if (atomic_load(&over)) sac_crash_leave(128 + code);
  if (atomic_compare_exchange_strong(&caught, &none, code)) {
    atomic_store(&caught_at, time);
    answer(signal);
  } else if (time - atomic_load(&caught_at) > REPEAT) {
    sac_crash_leave(128 + code);
  }

  /* stop the run */
  sac_run* run = atomic_load(&attached);
  if (run) sac_run_stop(run);
}

static void on_signal(int signal) {
  const int error = errno;
  on_stop(signal, signal);
  errno = error;
}

/* SIGUSR1 and SIGUSR2. The exit code after signal.stop is that of SIGTERM. */
static void on_user_signal(int signal) {
  const int error = errno;
  sac_run* run = atomic_load(&attached);
  if (!run) atomic_store(&user_signals[signal == SIGUSR2], 1);
  else if (signal == atomic_load(&stop_on)) on_stop(signal, SIGTERM);
  else if (signal == atomic_load(&checkpoint_on)) sac_run_request_checkpoint(run);
  errno = error;
}

/* --- installing --------------------------------------------------------------------------------------------------- */

/* Catches a signal, unless it is ignored already: nohup, background jobs of a shell. before: receives what it did. */
static void catch_signal(int signal, void (*handler)(int), struct sigaction* before) {
  struct sigaction action = {.sa_handler = handler, .sa_flags = SA_RESTART};
  (void)sigemptyset(&action.sa_mask);
  if (sigaction(signal, NULL, before) == 0 && before->sa_handler == SIG_IGN) return;
  (void)sigaction(signal, &action, NULL);
}

void sac_signals_catch(const char* text, int for_run) {
  struct sigaction before;
  atomic_store(&announcement, text);
  if (isatty(STDERR_FILENO)) line_start = "\n";
  for (size_t i = 0; i < STOPS; i++) catch_signal(stops[i].number, on_signal, &before);
  if (!for_run) return;
  catch_signal(SIGUSR1, on_user_signal, &user_before[0]);
  catch_signal(SIGUSR2, on_user_signal, &user_before[1]);
}

/* The signal of a key. */
static int signal_of(int value) { return value == SAC_SIGNAL_USR1 ? SIGUSR1 : value == SAC_SIGNAL_USR2 ? SIGUSR2 : 0; }

void sac_signals_attach(sac_run* run, const sac_settings* settings, const char* text) {
  static const int signals[] = {SIGUSR1, SIGUSR2};
  if (!run) {
    atomic_store(&attached, NULL);
    atomic_store(&over, 1);
    return;
  }

  /* let signals reach the run, also one that came while it was created */
  atomic_store(&checkpoint_on, signal_of(settings->signal_checkpoint));
  atomic_store(&stop_on, signal_of(settings->signal_stop));
  atomic_store(&announcement, text);
  atomic_store(&attached, run);
  if (atomic_load(&caught)) sac_run_stop(run);

  /* a user's signal without a meaning does again what it did before; one that has come gets its meaning now */
  for (int i = 0; i < 2; i++) {
    if (signals[i] != atomic_load(&checkpoint_on) && signals[i] != atomic_load(&stop_on))
      (void)sigaction(signals[i], &user_before[i], NULL);
    if (atomic_exchange(&user_signals[i], 0)) (void)raise(signals[i]);
  }
}

int sac_signals_caught(void) { return atomic_load(&caught); }
