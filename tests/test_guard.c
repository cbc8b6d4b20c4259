/* What environments change of the process is put back: here the host is this program, with a handler of its own. */
#include "env/guard.h"

#include <fenv.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include "env/vector.h"
#include "kernels/random.h"
#include "support/check_main.h"

static void host_handler(int number) { (void)number; }
static void other_handler(int number) { (void)number; }

static void handle(int number, void (*handler)(int)) {
  const struct sigaction action = {.sa_handler = handler};
  ck_assert_int_eq(sigaction(number, &action, NULL), 0);
}

static int handled_by(int number, void (*handler)(int)) {
  struct sigaction action;
  return sigaction(number, NULL, &action) == 0 && action.sa_handler == handler;
}

/* An environment that does `deed` in each call that `calls` names. */
static void (*deed)(void);
static const char* calls;

static void act(const char* call) {
  if (deed && strstr(calls, call)) deed();
}

static int create(void** self, const char* id, int32_t n, const char* options, sac_env_spec* spec) {
  static const float low = -1, high = 1;
  (void)id, (void)n, (void)options;
  *self = spec;
  *spec =
      (sac_env_spec){.obs_size = 1, .action_size = 1, .max_episode_steps = 5, .action_low = &low, .action_high = &high};
  act("create");
  return 0;
}

static int reset(void* self, const uint8_t* mask, const uint64_t* seed, float* obs) {
  (void)self, (void)mask, (void)seed;
  obs[0] = 0;
  act("reset");
  return 0;
}

static int step(void* self, const float* action, float* obs, float* reward, uint8_t* terminated, uint8_t* truncated) {
  (void)self, (void)action;
  obs[0] = reward[0] = 0;
  terminated[0] = truncated[0] = 0;
  act("step");
  return 0;
}

static void destroy(void* self) {
  (void)self;
  act("destroy");
}

static const sac_env_api api = {.abi = SAC_ENV_ABI,
                                .size = sizeof api,
                                .name = "rogue",
                                .create = create,
                                .reset = reset,
                                .step = step,
                                .destroy = destroy};

static sac_vector* make(void (*what)(void), const char* when) {
  const uint64_t seed = 1;
  sac_vector* vector = NULL;
  deed = what;
  calls = when;
  ck_assert_int_eq(sac_vector_create(&vector, &api, "./rogue.so", NULL, 1, 1, &seed, sac_stream_env(0)), SAC_OK);
  return vector;
}

/* --- deeds -------------------------------------------------------------------------------------------------------- */

static void change_signals(void) {
  sigset_t all;
  sigfillset(&all);
  handle(SIGINT, other_handler);
  handle(SIGTERM, SIG_IGN);
  handle(SIGALRM, other_handler);
  handle(SIGVTALRM, SIG_DFL);
  pthread_sigmask(SIG_BLOCK, &all, NULL);
}

static locale_t other; /* of the environment */

static void change_modes(void) {
  umask(0777);
  uselocale(other);
  fesetround(FE_UPWARD);
  ck_assert_int_eq(chdir("/"), 0);
}

static void close_descriptor(void) { close(0); }

/* --- cases -------------------------------------------------------------------------------------------------------- */

static int blocks_signals(void) {
  sigset_t blocked;
  pthread_sigmask(SIG_SETMASK, NULL, &blocked);
  return sigismember(&blocked, SIGINT);
}

START_TEST(signals) {
  static const char* const when[] = {"create", "reset", "step", "destroy"};
  handle(SIGINT, host_handler), handle(SIGTERM, SIG_DFL), handle(SIGVTALRM, host_handler), handle(SIGALRM, SIG_DFL);
  sac_vector* vector = make(change_signals, when[_i]);
  sac_vector_begin(vector);
  for (int i = 0; i < 6; i++) ck_assert_int_eq(sac_vector_step(vector), SAC_OK);
  sac_vector_end(vector);
  sac_vector_destroy(vector);

  /* all are the host's again, but for the handler of a timer, which may stay */
  ck_assert(handled_by(SIGINT, host_handler) && handled_by(SIGTERM, SIG_DFL) && handled_by(SIGVTALRM, host_handler));
  ck_assert(handled_by(SIGALRM, other_handler) && !blocks_signals());
  ck_assert(sac_guard_changes() >> SAC_GUARD_SIGNALS & 1 && sac_guard_changes() >> SAC_GUARD_MASK & 1);
}
END_TEST

/* What the host changes between two calls is the host's. */
START_TEST(changes_of_the_host) {
  handle(SIGINT, host_handler);
  sac_vector* vector = make(NULL, "");
  for (int i = 0; i < 3; i++) {
    sac_vector_begin(vector);
    ck_assert_int_eq(sac_vector_step(vector), SAC_OK);
    sac_vector_end(vector);
    handle(SIGINT, i % 2 ? host_handler : other_handler);
    umask(i % 2 ? 022 : 027);
  }
  sac_vector_destroy(vector);
  ck_assert(handled_by(SIGINT, other_handler));
  ck_assert_uint_eq(umask(022), 027);
}
END_TEST

START_TEST(modes_and_folder) {
  char here[4096], now[4096];
  ck_assert_ptr_nonnull(getcwd(here, sizeof here));
  umask(022);
  other = newlocale(LC_ALL_MASK, "C", (locale_t)0);
  const locale_t own = uselocale((locale_t)0);
  sac_vector* vector = make(change_modes, "reset");
  ck_assert_int_eq(fegetround(), FE_TONEAREST);
  ck_assert(uselocale((locale_t)0) == own);
  ck_assert_uint_eq(umask(022), 022);
  ck_assert_str_eq(getcwd(now, sizeof now), here);

  /* float modes are put back after each step, whatever the interval */
  calls = "step";
  sac_vector_begin(vector);
  for (int i = 0; i < 4; i++) {
    ck_assert_int_eq(sac_vector_step(vector), SAC_OK);
    ck_assert_int_eq(fegetround(), FE_TONEAREST);
  }
  sac_vector_end(vector);
  ck_assert(uselocale((locale_t)0) == own);
  ck_assert_str_eq(getcwd(now, sizeof now), here);
  ck_assert_uint_eq(umask(022), 022);
  sac_vector_destroy(vector);
  freelocale(other);
}
END_TEST

START_TEST(closed_descriptor) {
  struct stat info, null;
  sac_vector_destroy(make(close_descriptor, "create"));
  ck_assert_int_eq(stat("/dev/null", &null), 0);
  ck_assert_int_eq(fstat(0, &info), 0);
  ck_assert(info.st_rdev == null.st_rdev);
}
END_TEST

static sac_env_place seen;
static sac_env_place last;
static char id[SAC_GUARD_ID_MAX];
static int seen_inside, seen_called;

static void look(void) {
  seen_inside = sac_env_where(&seen);
  seen_called = sac_env_called(&last, id) && strcmp(last.id, "./rogue.so") == 0 && last.call == seen.call;
}

START_TEST(where_it_is) {
  sac_vector* vector = make(look, "step");
  for (int i = 0; i < 3; i++) ck_assert_int_eq(sac_vector_step(vector), SAC_OK);
  ck_assert_int_eq(seen_inside, 1);
  ck_assert(seen_called && !sac_env_called(&last, id));
  ck_assert_str_eq(seen.call, "step");
  ck_assert_uint_eq(seen.step, 3);
  ck_assert_int_eq(sac_env_where(&seen), 0);
  ck_assert_str_eq(seen.id, "./rogue.so");
  sac_vector_destroy(vector);
}
END_TEST

CHECK_MAIN("guard", LOOP(signals, 4), CASE(changes_of_the_host), CASE(modes_and_folder), CASE(closed_descriptor),
           CASE(where_it_is))
