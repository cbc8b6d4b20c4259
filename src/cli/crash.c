#include "cli/crash.h"

#include <dlfcn.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "cli/cli.h"
#include "cli/held.h"
#include "env/guard.h"
#include "train/run.h"
#include "util/program.h"
#include "util/text.h"

#define LINE_MAX 4096  /* bytes of the message */
#define LOOKS 100      /* looks in a second whether a call goes on */
#define CALL_SECONDS 5 /* the longest that a call may go on when a thread of its environment has called exit */
#define EXPORT __attribute__((visibility("default")))

static const struct {
  int number;
  const char* name;
} crashes[] = {{SIGSEGV, "SIGSEGV, an invalid address"},
               {SIGBUS, "SIGBUS, an invalid address"},
               {SIGFPE, "SIGFPE, an arithmetic error"},
               {SIGILL, "SIGILL, an invalid instruction"},
               {SIGABRT, "SIGABRT: abort, or a C++ exception that it did not catch"},
               {SIGSYS, "SIGSYS, a forbidden system call"}};

static sac_held running;             /* the run that a thread's exit stops */
static char folder[SAC_WORD_MAX];    /* of the run, as a word of the shell, for the message; "": none */
static int log_file = -1;            /* descriptor of its log.txt; -1: none */
static pid_t process;                /* this one, and not a child that was forked */
static atomic_int leaving, waiting;  /* 1: main ends; 1: an environment's thread waits in exit */
static _Thread_local int quick_code; /* of quick_exit, whose handlers are not told */
static char alternate[64 * 1024];    /* the stack of on_crash, for a stack that has overflowed */

/* --- the message, made without the C library's locks -------------------------------------------------------------- */

typedef struct line {
  char text[LINE_MAX];
  size_t used;
} line;

static void add(line* l, const char* text) {
  while (*text && l->used < sizeof l->text - 1) /* the last byte is for the newline */
    l->text[l->used++] = *text++;
}

static void add_number(line* l, uint64_t number) {
  char digits[24];
  size_t at = sizeof digits - 1;
  digits[at] = '\0';
  do digits[--at] = (char)('0' + number % 10);
  while (number /= 10);
  add(l, digits + at);
}

/* Adds "step 40: ./mine.so: step", or what is known of another thread. Returns whether this thread is in an
 * environment's call. */
static int add_place(line* l) {
  sac_env_place place;
  const int in_call = sac_env_where(&place);
  if (place.id && place.step > 0) {
    add(l, "step ");
    add_number(l, place.step);
    add(l, ": ");
  }
  if (place.id) {
    add(l, place.id);
    add(l, in_call ? ": " : ": outside of its calls, the last was ");
    add(l, place.call);
  } else {
    add(l, "outside of any environment");
  }
  return in_call;
}

/* Writes the line to stderr and to the log of the run. */
static void write_line(line* l) {
  const int in_run = sac_held_take(&running) != NULL;
  if (in_run) {
    add(l, "; '");
    add(l, sac_program());
    add(l, " resume ");
    add(l, folder);
    add(l, "' continues from the last checkpoint");
  }
  l->text[l->used++] = '\n';
  (void)!write(STDERR_FILENO, l->text, l->used);
  if (in_run) (void)!write(log_file, l->text, l->used);
  sac_held_give(&running);
}

/* --- crashes ------------------------------------------------------------------------------------------------------ */

static void on_crash(int number) {
  line l = {.used = 0};
  add(&l, "sac: ");
  (void)add_place(&l);
  add(&l, ": the process ends by ");
  for (size_t i = 0; i < sizeof crashes / sizeof *crashes; i++)
    if (crashes[i].number == number) add(&l, crashes[i].name);
  write_line(&l);

  /* die by the same signal: the handler is gone (SA_RESETHAND), and the signal waits until this returns */
  (void)raise(number);
}

/* --- exit --------------------------------------------------------------------------------------------------------- */

/* Waits until main ends the process: another thread of the process still trains. Returns if the call that it makes does
 * not end: that of an environment which waits for the thread that has called exit. */
static void wait_for_main(void) {
  const struct timespec moment = {.tv_nsec = 1000000000 / LOOKS};
  sac_env_place before = {0}, now;
  char id[SAC_GUARD_ID_MAX];
  for (int same = 0; same < LOOKS * CALL_SECONDS; before = now) {
    (void)nanosleep(&moment, NULL);
    same = sac_env_called(&now, id) && now.call == before.call && now.step == before.step ? same + 1 : 0;
  }
  line l = {.used = 0};
  add(&l, "sac: ");
  add(&l, id[0] ? id : "the environment");
  add(&l, ": its ");
  add(&l, now.call);
  add(&l, " does not end after that: the process ends without a checkpoint of this step");
  write_line(&l);
}

/* An environment has called the function `name` to end the process. may_wait: 1 if its thread may wait here. */
static void end(const char* name, int code, int may_wait) {
  line l = {.used = 0};
  add(&l, "sac: ");
  const int in_call = add_place(&l);
  add(&l, in_call ? " has called " : ": a thread of it has called ");
  add(&l, name);
  add(&l, "(");
  add_number(&l, (uint64_t)(code & 0xff));
  add(&l, ")");
  write_line(&l);

  /* in a thread of its own: the run can be saved, and main ends the process */
  sac_run* run = sac_held_take(&running);
  const int waits = !in_call && run && may_wait;
  if (waits) {
    atomic_store(&waiting, 1);
    sac_run_stop(run);
  }
  sac_held_give(&running);
  if (waits) wait_for_main();

  /* in the middle of a step nothing can be saved; it is a failure, whatever the code was */
  sac_crash_leave(SAC_EXIT_FAILED);
}

/* After handlers that were registered later; before what is in memory is written. */
static void on_exit_code(int code, void* unused) {
  (void)unused;
  if (atomic_load(&leaving) || getpid() != process) return;
  (void)fflush(NULL);
  end("exit", code, 1);
}

static void on_quick_exit(void) {
  if (getpid() == process) end("quick_exit", quick_code, 1);
}

/* The functions below are the C library's, replaced for all that is loaded into this process: plugins, and os._exit of
 * Python. Children that an environment has forked end as usual. */

/* Handlers of quick_exit are not told the code. */
EXPORT void quick_exit(int code) {
  void (*library)(int) = NULL;
  void* symbol = dlsym(RTLD_NEXT, "quick_exit"); /* ISO C has no cast from void* to a function pointer */
  memcpy(&library, &symbol, sizeof library);
  quick_code = code;
  if (library) library(code);
  sac_crash_leave(code);
}

/* Ends the process without handlers, or names the environment that does it. */
static noreturn void end_now(const char* name, int code) {
  sac_env_place place;

  /* in a call, or in another thread of a run, which must not wait: Python's os._exit holds its lock */
  const int in_run = atomic_load(&running.run) != NULL && !atomic_load(&leaving);
  if (getpid() == process && (sac_env_where(&place) || in_run)) end(name, code, 0);
  sac_crash_leave(code);
}

EXPORT void _exit(int code) { end_now("_exit", code); } /* NOLINT(bugprone-reserved-identifier) */
EXPORT void _Exit(int code) { end_now("_Exit", code); } /* NOLINT(bugprone-reserved-identifier) */

void sac_crash_leave(int code) {
  for (;;) (void)syscall(SYS_exit_group, code);
}

/* --- use ---------------------------------------------------------------------------------------------------------- */

void sac_crash_catch(void) {
  process = getpid();

  /* a stack of its own for the handler */
  const stack_t stack = {.ss_sp = alternate, .ss_size = sizeof alternate};
  (void)sigaltstack(&stack, NULL);

  /* leave a handler that is there already, such as a sanitizer's */
  struct sigaction action = {.sa_handler = on_crash, .sa_flags = (int)(SA_RESETHAND | SA_ONSTACK)}, before;
  (void)sigemptyset(&action.sa_mask);
  for (size_t i = 0; i < sizeof crashes / sizeof *crashes; i++)
    if (sigaction(crashes[i].number, NULL, &before) == 0 && !(before.sa_flags & SA_SIGINFO) &&
        before.sa_handler == SIG_DFL)
      (void)sigaction(crashes[i].number, &action, NULL);

  /* exit */
  (void)on_exit(on_exit_code, NULL);
  (void)at_quick_exit(on_quick_exit);
}

void sac_crash_run(sac_run* run) {
  /* handlers on other threads use them only while they hold the run: set them before it, and clear them after it */
  if (run) (void)sac_text_word(folder, run->folder->shown);
  if (run) log_file = run->folder->log;
  sac_held_set(&running, run);
  if (!run) folder[0] = '\0';
  if (!run) log_file = -1;

  /* handlers run in reverse order: this one comes before those of the environment, which may end what it needs */
  if (run) (void)on_exit(on_exit_code, NULL);
}

int sac_crash_end(int code) {
  atomic_store(&leaving, 1);
  if (!atomic_load(&waiting)) return code;
  (void)fflush(NULL);
  sac_crash_leave(SAC_EXIT_FAILED);
}
