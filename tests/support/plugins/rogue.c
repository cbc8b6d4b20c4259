/* A plugin that changes its process, as simulators do. SAC_TEST_DEED names what it does, SAC_TEST_WHEN the call in
 * which it does that: load (of the library), create, reset (each episode) or step (each from step 40 of an instance
 * on). Its only observation is a sum that shows a changed rounding, or a random number. */
#define _GNU_SOURCE
#include <fenv.h>
#include <locale.h>
#include <math.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "plugin.h"

typedef struct rogue {
  int32_t n, steps;
  char folder[4096]; /* where it has gone */
} rogue;

static int deed(const char* name) { return is_set("SAC_TEST_DEED", name); }

static void on_signal(int signal) { (void)signal; }

static void say_goodbye(void) { printf("goodbye\n"); }

static void* leave(void* argument) {
  const struct timespec moment = {.tv_nsec = 50000000};
  (void)argument;
  nanosleep(&moment, NULL);
  if (deed("exit of a thread") || deed("exit of a thread that is awaited")) exit(0);
  if (deed("_exit of a thread")) _exit(0);
  abort();
}

static void change_signals(void) {
  static const int signals[] = {SIGINT, SIGTERM, SIGHUP, SIGPIPE, SIGUSR1, SIGUSR2};
  sigset_t all;
  for (size_t i = 0; i < sizeof signals / sizeof *signals; i++) {
    if (deed("ignore signals")) signal(signals[i], SIG_IGN);
    if (deed("default signals")) signal(signals[i], SIG_DFL);
    if (deed("handle signals")) signal(signals[i], on_signal);
  }
  sigfillset(&all);
  if (deed("block signals")) pthread_sigmask(SIG_BLOCK, &all, NULL);
  if (deed("alarm")) alarm(1);
}

/* A child that ends by exit, as that of a C library that starts programs. */
static void start_child(void) {
  int code = 0;
  const pid_t child = fork();
  if (child == 0) exit(9);
  if (waitpid(child, &code, 0) != child || !WIFEXITED(code) || WEXITSTATUS(code) != 9) abort();
}

static void change_process(void) {
  static const char text[] = "from descriptor 1\n";
  if (deed("umask")) umask(0777);
  if (deed("locale") && !setlocale(LC_ALL, "de_DE.UTF-8")) setlocale(LC_ALL, "C.UTF-8");
  if (deed("floats")) fesetround(FE_UPWARD), feenableexcept(FE_INEXACT);
#if defined(__x86_64__)
  if (deed("floats")) __builtin_ia32_ldmxcsr(__builtin_ia32_stmxcsr() | 0x8040); /* subnormal numbers are 0 */
#endif
  if (deed("close")) close(0), close(1), close(2);
  if (deed("print")) printf("from the C library\n"), (void)!write(1, text, sizeof text - 1);
  if (deed("print at exit")) atexit(say_goodbye);
  if (deed("child")) start_child();
}

static void end(void) {
  static pthread_t thread;
  volatile int* nothing = NULL;
  if (deed("exit")) exit(5);
  if (deed("quick exit")) quick_exit(3);
  if (deed("_exit")) _exit(0);
  if (deed("_Exit")) _Exit(4);
  if (deed("abort")) abort();
  if (deed("crash")) *nothing = 1;
  if ((deed("exit of a thread") || deed("exit of a thread that is awaited") || deed("_exit of a thread") ||
       deed("abort of a thread")) &&
      !thread)
    pthread_create(&thread, NULL, leave, NULL);
  if (deed("exit of a thread that is awaited")) pthread_join(thread, NULL);
}

/* Goes to a folder of its own, and checks that it is where it went before. */
static int move(rogue* r) {
  char here[4096];
  if (!deed("folder")) return 0;
  if (r->folder[0] && (!getcwd(here, sizeof here) || strcmp(here, r->folder) != 0)) return 1;
  mkdir("away", 0777);
  return chdir("away") != 0 || !getcwd(r->folder, sizeof r->folder);
}

static int act(rogue* r, const char* when) {
  if (!is_set("SAC_TEST_WHEN", when) || (strcmp(when, "step") == 0 && r->steps < 40)) return 0;
  change_signals();
  change_process();
  end();
  return strcmp(when, "step") == 0 && r->steps > 40 ? 0 : move(r);
}

/* When the library is loaded, before any call. */
__attribute__((constructor)) static void load(void) {
  if (!is_set("SAC_TEST_WHEN", "load")) return;
  change_signals();
  change_process();
  end();
}

static int create(void** self, const char* id, int32_t n, const char* options, sac_env_spec* spec) {
  static const float low = -1, high = 1;
  rogue* r = calloc(1, sizeof *r);
  (void)id, (void)options;
  if (!r) return 1;
  *self = r;
  r->n = n;
  *spec = (sac_env_spec){
      .obs_size = 1, .action_size = 1, .max_episode_steps = 50, .action_low = &low, .action_high = &high};
  return act(r, "create");
}

static float observe(void) { return deed("random") ? (float)rand() / (float)RAND_MAX : 0.5f; }

static int reset(void* self, const uint8_t* mask, const uint64_t* seed, float* obs) {
  rogue* r = self;
  (void)seed;
  for (int32_t i = 0; i < r->n; i++)
    if (mask[i]) obs[i] = observe();
  return act(r, "reset");
}

static int step(void* self, const float* action, float* obs, float* reward, uint8_t* terminated, uint8_t* truncated) {
  rogue* r = self;
  r->steps++;
  for (int32_t i = 0; i < r->n; i++) {
    obs[i] = observe();
    reward[i] = -action[i] * action[i];
    terminated[i] = truncated[i] = 0;
  }
  return act(r, "step");
}

static void destroy(void* self) { free(self); }

static const char* error(void* self) {
  (void)self;
  return "it is not in its folder";
}

const sac_env_api* sac_env_plugin(void) {
  static const sac_env_api api = {PLUGIN_TABLE("rogue")};
  return &api;
}
