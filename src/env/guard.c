#include "env/guard.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "util/clock.h"
#include "util/file.h"

#define LOCALE_MAX 1024 /* bytes of a locale's name, which lists its categories where they differ */

/* Signals by which a run is stopped, or that the host has turned into errors. */
static const int host_signals[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGUSR1, SIGUSR2, SIGPIPE, SIGXFSZ, SIGTSTP};

/* Signals for which an environment may have a handler of its own. A handler of the host is put back where the
 * environment has none. */
static const int shared_signals[] = {SIGALRM, SIGVTALRM, SIGPROF, SIGXCPU, SIGSEGV,
                                     SIGBUS,  SIGFPE,    SIGILL,  SIGABRT, SIGSYS};

#define HOST_COUNT (sizeof host_signals / sizeof *host_signals)
#define SHARED_COUNT (sizeof shared_signals / sizeof *shared_signals)

/* What the process has, while `holds` > 0. */
static struct {
  pthread_mutex_t lock;
  _Atomic int holds;
  struct sigaction host[HOST_COUNT], shared[SHARED_COUNT];
  mode_t mask;             /* the umask */
  char locale[LOCALE_MAX]; /* "": not known */
  int folder;              /* descriptor of the working folder; -1: it cannot be opened */
  struct stat folder_is;   /* what it is, as a descriptor may be closed and opened again */
} process = {.lock = PTHREAD_MUTEX_INITIALIZER, .folder = -1};

static pthread_mutex_t id_lock = PTHREAD_MUTEX_INITIALIZER; /* of the id of the last call */

_Thread_local sac_guard_thread sac_guard_here;
sac_guard_last sac_guard_last_call;

static _Thread_local sigset_t blocked; /* the signals that the thread blocks, while its `holds` > 0 */

static _Atomic uint32_t changes;
static _Thread_local int noted; /* changes that this thread has found */

static void note(int change) {
  noted++;
  atomic_fetch_or_explicit(&changes, 1u << change, memory_order_relaxed);
}

void sac_guard_refused(void) { note(SAC_GUARD_SIGNALS); }

int sac_guard_owns(int number) {
  for (size_t i = 0; i < HOST_COUNT; i++)
    if (host_signals[i] == number) return 1;
  return 0;
}

uint32_t sac_guard_changes(void) { return atomic_load_explicit(&changes, memory_order_relaxed); }

/* --- where it is -------------------------------------------------------------------------------------------------- */

int sac_env_where(sac_env_place* place) {
  const sac_guard_last* last = &sac_guard_last_call;
  *place = sac_guard_here.inside;
  if (place->id) return 1;
  place->id = last->id[0] ? last->id : NULL;
  place->call = atomic_load_explicit(&last->call, memory_order_relaxed);
  place->step = atomic_load_explicit(&last->step, memory_order_relaxed);
  return 0;
}

int sac_env_called(sac_env_place* place, char id[SAC_GUARD_ID_MAX]) {
  const sac_guard_last* last = &sac_guard_last_call;
  (void)pthread_mutex_lock(&id_lock);
  memcpy(id, last->id, sizeof last->id);
  (void)pthread_mutex_unlock(&id_lock);
  *place = (sac_env_place){id, atomic_load_explicit(&last->call, memory_order_relaxed),
                           atomic_load_explicit(&last->step, memory_order_relaxed)};
  return atomic_load_explicit(&last->going, memory_order_relaxed);
}

/* --- folders ------------------------------------------------------------------------------------------------------ */

/* A descriptor of the working folder; -1: it cannot be opened, for example after it was deleted. */
static int open_folder(void) { return sac_descriptor_keep(open(".", O_PATH | O_DIRECTORY | O_CLOEXEC)); }

static int same_file(const struct stat* a, const struct stat* b) {
  return a->st_dev == b->st_dev && a->st_ino == b->st_ino;
}

/* Whether the working folder is the one of this descriptor. */
static int in_folder(int folder) { return sac_is_named(folder, "."); }

/* Forgets the environment's own folder. */
static void forget_folder(sac_guard* guard) {
  if (guard->folder >= 0) (void)close(guard->folder);
  guard->folder = -1;
}

/* Goes back to the host's folder, and keeps the one that the environment has gone to. guard: NULL outside of a call. */
static void restore_folder(sac_guard* guard) {
  if (process.folder < 0 || in_folder(process.folder)) {
    if (guard) forget_folder(guard); /* the environment has gone back itself */
    return;
  }

  /* keep it for the next call, unless it is the one of the last call */
  if (guard && (guard->folder < 0 || !in_folder(guard->folder))) {
    forget_folder(guard);
    guard->folder = open_folder();
    note(SAC_GUARD_FOLDER);
  }
  if (fchdir(process.folder) != 0) note(SAC_GUARD_LOST);
}

/* --- the process -------------------------------------------------------------------------------------------------- */

/* The umask. Only setting it tells its value, and meanwhile other threads would make files with a wrong one; so ask the
 * kernel's text first. */
static mode_t read_umask(void) {
  char text[512];
  unsigned mask = 0;
  const int file = open("/proc/self/status", O_RDONLY | O_CLOEXEC);
  const ssize_t got = file < 0 ? -1 : read(file, text, sizeof text - 1);
  if (file >= 0) (void)close(file);

  /* it is the second line */
  text[got > 0 ? got : 0] = '\0';
  const char* line = strstr(text, "\nUmask:");
  if (line) {
    mask = (unsigned)strtoul(line + 7, NULL, 8);
  } else {
    mask = umask(077);
    (void)umask(mask);
  }
  return (mode_t)mask;
}

/* Remembers what the process has. */
static void save_process(void) {
  for (size_t i = 0; i < HOST_COUNT; i++) (void)sigaction(host_signals[i], NULL, &process.host[i]);
  for (size_t i = 0; i < SHARED_COUNT; i++) (void)sigaction(shared_signals[i], NULL, &process.shared[i]);
  process.mask = read_umask();

  /* a name that is too long cannot be put back */
  const char* locale = setlocale(LC_ALL, NULL);
  process.locale[0] = '\0';
  if (locale && strlen(locale) < LOCALE_MAX) memcpy(process.locale, locale, strlen(locale) + 1);
  process.folder = open_folder();
  if (process.folder >= 0) (void)fstat(process.folder, &process.folder_is);
}

static int has_handler(const struct sigaction* action) {
  return (action->sa_flags & SA_SIGINFO) || (action->sa_handler != SIG_DFL && action->sa_handler != SIG_IGN);
}

static int same_action(const struct sigaction* a, const struct sigaction* b) {
  return a->sa_flags == b->sa_flags && a->sa_handler == b->sa_handler;
}

static void restore_signals(void) {
  struct sigaction now;

  /* those of the host */
  for (size_t i = 0; i < HOST_COUNT; i++) {
    if (sigaction(host_signals[i], NULL, &now) != 0 || same_action(&now, &process.host[i])) continue;
    (void)sigaction(host_signals[i], &process.host[i], NULL);
    note(SAC_GUARD_SIGNALS);
  }

  /* a handler of the host that was taken away, and for which there is no other */
  for (size_t i = 0; i < SHARED_COUNT; i++) {
    if (!has_handler(&process.shared[i]) || sigaction(shared_signals[i], NULL, &now) != 0 || has_handler(&now))
      continue;
    (void)sigaction(shared_signals[i], &process.shared[i], NULL);
    note(SAC_GUARD_SIGNALS);
  }

  /* the signals that this thread blocks */
  sigset_t present;
  if (sac_guard_here.holds == 0 || pthread_sigmask(SIG_SETMASK, NULL, &present) != 0) return;
  for (int signal = 1; signal < NSIG; signal++) {
    if (sigismember(&present, signal) == sigismember(&blocked, signal)) continue;
    (void)pthread_sigmask(SIG_SETMASK, &blocked, NULL);
    note(SAC_GUARD_MASK);
    return;
  }
}

/* Whether descriptors of the host were closed. The one of the working folder tells it for all: they have like numbers.
 * It is not closed again, as it may be another's now. */
static int is_robbed(void) {
  struct stat now;
  if (process.folder < 0 || (fstat(process.folder, &now) == 0 && same_file(&now, &process.folder_is))) return 0;
  process.folder = stat(".", &now) == 0 && same_file(&now, &process.folder_is) ? open_folder() : -1;
  note(SAC_GUARD_FILES);
  return 1;
}

/* Puts back what the process has, but for its folder. */
static void restore_process(void) {
  restore_signals();
  if (umask(process.mask) != process.mask) note(SAC_GUARD_UMASK);

  /* the locale of the process */
  const char* locale = setlocale(LC_ALL, NULL);
  if (locale && process.locale[0] && strcmp(locale, process.locale) != 0) {
    note(SAC_GUARD_LOCALE);
    if (!setlocale(LC_ALL, process.locale)) note(SAC_GUARD_LOST);
  }

  /* the next file must not get the number of a standard stream; open takes the lowest number that is free */
  for (int descriptor = 0; descriptor <= STDERR_FILENO; descriptor++)
    if (fcntl(descriptor, F_GETFD) < 0 && errno == EBADF) {
      note(SAC_GUARD_DESCRIPTORS);
      if (open("/dev/null", O_RDWR) < 0) note(SAC_GUARD_LOST);
    }
}

/* Remembers what the thread has. */
static void save_modes(void) {
  sac_guard_here.floats = sac_float_modes_get();
  sac_guard_here.locale = uselocale((locale_t)0);
}

void sac_guard_begin(void) {
  (void)pthread_mutex_lock(&process.lock);
  if (process.holds++ == 0) save_process();
  (void)pthread_mutex_unlock(&process.lock);

  /* what the thread has */
  if (sac_guard_here.holds++ > 0) return;
  (void)pthread_sigmask(SIG_SETMASK, NULL, &blocked);
  save_modes();
}

/* Checks everything, with the folder of `guard`, which may be NULL. */
static void check(sac_guard* guard) {
  (void)pthread_mutex_lock(&process.lock);
  restore_process();
  if (is_robbed() && guard) guard->robbed = 1;
  restore_folder(guard);
  (void)pthread_mutex_unlock(&process.lock);
}

/* Ends what sac_guard_begin has begun; the last one forgets what the process had. */
static void release(void) {
  sac_guard_here.holds--;
  (void)pthread_mutex_lock(&process.lock);
  if (--process.holds == 0 && process.folder >= 0) {
    (void)close(process.folder);
    process.folder = -1;
  }
  (void)pthread_mutex_unlock(&process.lock);
}

/* Puts back the locale of the thread. */
static void restore_thread(void) {
  if (uselocale((locale_t)0) != sac_guard_here.locale) (void)uselocale(sac_guard_here.locale);
}

void sac_guard_check(sac_guard* guard) {
  if (guard->on && sac_guard_here.holds > 0) restore_thread();

  /* steps since the last check may have gone to a folder, which is the environment's from now on */
  if (guard->on && process.holds > 0) check(guard->folder < 0 ? guard : NULL);
}

void sac_guard_end(sac_guard* guard) {
  sac_guard_check(guard);
  release();
}

/* --- one environment ---------------------------------------------------------------------------------------------- */

sac_guard sac_guard_create(int on) { return (sac_guard){.on = on, .folder = -1}; }

sac_guard sac_guard_share(const sac_guard* guard) {
  sac_guard shared = sac_guard_create(guard->on);
  if (guard->folder >= 0) shared.folder = fcntl(guard->folder, F_DUPFD_CLOEXEC, 3);
  return shared;
}

void sac_guard_destroy(sac_guard* guard) {
  const sac_guard* own = guard;
  if (guard->on) forget_folder(guard);
  (void)atomic_compare_exchange_strong(&sac_guard_last_call.guard, &own, NULL);
  *guard = (sac_guard){0};
}

void sac_guard_enter_rest(sac_guard* guard, const char* id, int whole) {
  /* copy the id only when another environment is called than before */
  if (atomic_load_explicit(&sac_guard_last_call.guard, memory_order_relaxed) != guard) {
    atomic_store_explicit(&sac_guard_last_call.guard, guard, memory_order_relaxed);
    (void)pthread_mutex_lock(&id_lock);
    (void)snprintf(sac_guard_last_call.id, sizeof sac_guard_last_call.id, "%s", id);
    (void)pthread_mutex_unlock(&id_lock);
  }

  /* remember what the host has before going to the environment's own folder */
  guard->whole = whole || guard->restless || guard->folder >= 0;
  guard->left = 0;
  if (guard->whole) sac_guard_begin();
  else if (sac_guard_here.holds == 0) save_modes();
  if (guard->folder >= 0 && fchdir(guard->folder) != 0) note(SAC_GUARD_LOST);
}

/* Whether the last check of everything is old enough. */
static int is_due(sac_guard* guard) {
  const double now = sac_seconds_coarse();
  guard->left = now == guard->read ? SAC_GUARD_CALLS : 0;
  guard->read = now;
  return now - guard->checked >= SAC_GUARD_SECONDS;
}

void sac_guard_leave_rest(sac_guard* guard) {
  restore_thread();
  const int whole = guard->whole, before = noted;
  guard->whole = guard->left = 0;
  if (!whole && (process.holds == 0 || !is_due(guard))) return;

  /* check everything; a step that has changed something is not the last one */
  check(guard);
  guard->checked = sac_seconds_coarse();
  if (whole) release();
  else if (noted != before) guard->restless = 1;
}
