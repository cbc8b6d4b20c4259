#include "cli/waiting.h"

#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "cli/out.h"
#include "cli/signals.h"
#include "env/guard.h"
#include "env/gym.h"

/* The calls that are named, and the seconds before that. A constructor or a step may be slow in its nature. */
static const struct {
  const char* name;
  int seconds;
} calls[] = {{"destroy", 5}, {"create", 15}, {"reset", 15}, {"step", 15}};
enum { CALLS = sizeof calls / sizeof *calls };

/* Says that a call is waited for. */
static void say(const sac_env_place* place) {
  const int gym = sac_env_is_gym(place->id), ends = strcmp(place->call, "destroy") == 0;
  char step[40] = "";
  if (place->step > 0 && !ends) (void)snprintf(step, sizeof step, " at step %llu", (unsigned long long)place->step);

  /* users of Gymnasium know other names */
  const char* call = gym && ends                                 ? "close"
                     : gym && strcmp(place->call, "create") == 0 ? "the constructor"
                                                                 : place->call;
  (void)fprintf(stderr, "%ssac: waiting for %s%s of %s%s%s\n", sac_out_is_live(STDERR_FILENO) ? "\r\033[K" : "", call,
                *call == 't' ? "" : "()", place->id, step,
                ends && sac_signals_end_at_once() ? "; Ctrl-C ends at once" : "");
}

static void* watch(void* unused) {
  const struct timespec second = {.tv_sec = 1};
  sac_env_place before = {0};
  char id[SAC_GUARD_ID_MAX];
  int seconds = 0, said[CALLS] = {0};
  (void)unused;
  for (;;) {
    (void)nanosleep(&second, NULL);

    /* count the seconds in the same call; texts of the library's own, so that addresses tell calls apart */
    sac_env_place now;
    const int same = sac_env_called(&now, id) && now.call && now.call == before.call && now.step == before.step;
    seconds = same ? seconds + 1 : 0;
    before = now;

    /* name it once it takes long */
    for (int i = 0; i < CALLS && seconds > 0; i++) {
      if (said[i] || strcmp(now.call, calls[i].name) != 0 || seconds < calls[i].seconds) continue;
      said[i] = 1;
      say(&now);
    }
  }
  return NULL;
}

void sac_waiting_start(void) {
  pthread_attr_t attributes;
  pthread_t thread;
  sigset_t all, before;

  /* signals are for other threads */
  (void)sigfillset(&all);
  (void)pthread_sigmask(SIG_SETMASK, &all, &before);
  (void)pthread_attr_init(&attributes);
  (void)pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
  (void)pthread_create(&thread, &attributes, watch, NULL);
  (void)pthread_attr_destroy(&attributes);
  (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
}
