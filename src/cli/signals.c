#include "cli/signals.h"

#include <errno.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "cli/crash.h"
#include "cli/held.h"

#define REPEAT 200000 /* microseconds in which a second signal counts as the first */

static sac_held attached;                 /* the run that signals reach */
static _Atomic(const char*) announcement; /* what the first signal announces */
static _Atomic(int64_t) first;            /* the first signal to stop: its time and its code, of make_first; 0: none */
static atomic_int caught;                 /* 1: sac_signals_catch was called */
static atomic_int over;                   /* 1: everything is saved, and a signal ends the process at once */
static atomic_int user_signals[2];        /* 1: SIGUSR1, SIGUSR2 came before there was a run */
static atomic_int expects_run;            /* 1: there will be one; 0: the command has no checkpoint to write */
static atomic_int checkpoint_on, stop_on; /* the signals of the two keys; 0: none */
static const char* line_start = "";       /* a newline on a terminal, where a line is begun by the progress or by ^C */
static struct sigaction user_before[2];   /* what SIGUSR1 and SIGUSR2 did before */

/* --- handlers: only functions that are safe in a signal handler are called ---------------------------------------- */

static int64_t now(void) {
  struct timespec time;
  (void)clock_gettime(CLOCK_MONOTONIC, &time);
  return (int64_t)time.tv_sec * 1000000 + time.tv_nsec / 1000;
}

/* Time and code as one number: another thread that gets a signal at the same moment sees both or none. */
static int64_t make_first(int64_t time, int code) { return (time << 8) | code; }
static int64_t first_time(int64_t number) { return number >> 8; }
static int first_code(int64_t number) { return (int)(number & 0xff); }

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
 * that the exit code tells. run: NULL if there is none. */
static void on_stop(sac_run* run, int signal, int code) {
  const int64_t time = now();
  int64_t before = 0;

  /* a timer may go off again and again, and does not ask for an end at once */
  const int timer = signal == SIGALRM || signal == SIGVTALRM || signal == SIGPROF;
  if (timer && (atomic_load(&over) || atomic_load(&first))) return;
  if (atomic_load(&over)) sac_crash_leave(128 + code);
  if (atomic_compare_exchange_strong(&first, &before, make_first(time, code))) answer(signal);
  else if (time - first_time(before) > REPEAT) sac_crash_leave(128 + code);

  /* stop the run */
  sac_run_stop(run);
}

static void on_signal(int signal) {
  const int error = errno;
  on_stop(sac_held_take(&attached), signal, signal);
  sac_held_give(&attached);
  errno = error;
}

/* SIGUSR1 and SIGUSR2. The exit code after signal.stop is that of SIGTERM. */
static void on_user_signal(int signal) {
  const int error = errno;
  sac_run* run = sac_held_take(&attached);
  if (!run && atomic_load(&expects_run)) atomic_store(&user_signals[signal == SIGUSR2], 1);
  else if (signal == atomic_load(&stop_on)) on_stop(run, signal, SIGTERM);
  else if (run && signal == atomic_load(&checkpoint_on)) sac_run_request_checkpoint(run);
  sac_held_give(&attached);
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
  sigset_t blocked;
  atomic_store(&announcement, text);
  atomic_store(&over, 0);
  atomic_store(&caught, 1);
  if (isatty(STDERR_FILENO)) line_start = "\n";
  for (size_t i = 0; i < STOPS; i++) catch_signal(stops[i].number, on_signal, &before);

  /* the user's signals mean what they mean for most runs, until the run is there */
  atomic_store(&expects_run, for_run);
  atomic_store(&stop_on, SIGUSR2);
  catch_signal(SIGUSR1, on_user_signal, &user_before[0]);
  catch_signal(SIGUSR2, on_user_signal, &user_before[1]);

  /* who started this program may have left them blocked: they would never come */
  (void)sigemptyset(&blocked);
  for (size_t i = 0; i < STOPS; i++) (void)sigaddset(&blocked, stops[i].number);
  (void)sigaddset(&blocked, SIGUSR1);
  (void)sigaddset(&blocked, SIGUSR2);
  (void)pthread_sigmask(SIG_UNBLOCK, &blocked, NULL);
}

/* The signal of a key. */
static int signal_of(int value) { return value == SAC_SIGNAL_USR1 ? SIGUSR1 : value == SAC_SIGNAL_USR2 ? SIGUSR2 : 0; }

void sac_signals_attach(sac_run* run, const sac_settings* settings, const char* text) {
  static const int signals[] = {SIGUSR1, SIGUSR2};
  if (!run) {
    sac_held_set(&attached, NULL);
    atomic_store(&over, 1);
    return;
  }

  /* let signals reach the run, also one that came while it was created */
  atomic_store(&checkpoint_on, signal_of(settings->signal_checkpoint));
  atomic_store(&stop_on, signal_of(settings->signal_stop));
  atomic_store(&announcement, text);
  sac_held_set(&attached, run);
  if (atomic_load(&first)) sac_run_stop(run);

  /* a user's signal without a meaning does again what it did before; one that has come gets its meaning now */
  for (int i = 0; i < 2; i++) {
    if (signals[i] != atomic_load(&checkpoint_on) && signals[i] != atomic_load(&stop_on))
      (void)sigaction(signals[i], &user_before[i], NULL);
    if (atomic_exchange(&user_signals[i], 0)) (void)raise(signals[i]);
  }
}

int sac_signals_caught(void) { return first_code(atomic_load(&first)); }

int sac_signals_end_at_once(void) { return !atomic_load(&caught) || atomic_load(&over) || atomic_load(&first); }
