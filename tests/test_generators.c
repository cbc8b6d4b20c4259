/* The random generators that environments share: evaluations of several runs in one process leave them as they were. */
#include "env/generators.h"

#include <pthread.h>
#include <stdlib.h>

#include "env/check.h"
#include "support/check_main.h"

static const sac_env_api api = {.abi = SAC_ENV_ABI, .size = sizeof api, .name = "shared"};

static void* keep(void* unused) {
  sac_generators_keep(&api);
  sac_generators_seed(&api, NULL, 7);
  return unused;
}

static void* restore(void* unused) {
  sac_generators_restore(&api);
  return unused;
}

static void in_thread(void* (*function)(void*)) {
  pthread_t thread;
  ck_assert_int_eq(pthread_create(&thread, NULL, function, NULL), 0);
  ck_assert_int_eq(pthread_join(thread, NULL), 0);
}

/* What the generators draw next. */
static void draw(long next[3]) { next[0] = rand(), next[1] = random(), next[2] = lrand48(); }

START_TEST(pairs_that_overlap) {
  long wanted[3], found[3];
  sac_generators_seed(&api, NULL, 5);
  draw(wanted);
  sac_generators_seed(&api, NULL, 5);

  /* the first thread ends before the second */
  in_thread(keep);
  in_thread(keep);
  in_thread(restore);
  draw(found);
  ck_assert_int_ne(found[0], wanted[0]);
  in_thread(restore);
  draw(found);
  for (int i = 0; i < 3; i++) ck_assert_int_eq(found[i], wanted[i]);
}
END_TEST

/* A single pair, again and again, of the calling thread. */
START_TEST(one_after_another) {
  long wanted[3], found[3];
  sac_generators_seed(&api, NULL, 5);
  draw(wanted);
  sac_generators_seed(&api, NULL, 5);
  for (int i = 0; i < 3; i++) {
    keep(NULL);
    draw(found);
    restore(NULL);
  }
  draw(found);
  for (int i = 0; i < 3; i++) ck_assert_int_eq(found[i], wanted[i]);
}
END_TEST

CHECK_MAIN("generators", CASE(pairs_that_overlap), CASE(one_after_another))
