#include "env/generators.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "env/check.h"
#include "env/gym.h"

/* The states of the C library's generators between the first keep and the last restore, and the place of those in
 * between. */
static struct {
  pthread_mutex_t lock;
  int holds; /* keeps without their restore */
  char* random;
  unsigned short drand48[3];
  char aside[128];
} kept = {.lock = PTHREAD_MUTEX_INITIALIZER};

void sac_generators_seed(const sac_env_api* api, void* self, uint64_t seed) {
  srandom((unsigned)(seed ^ seed >> 32)); /* rand draws from the same state */
  srand48((long)(seed >> 16));
  sac_env_gym_generators(SAC_GYM_GENERATORS_SEED, api, self, seed);
}

void sac_generators_keep(const sac_env_api* api) {
  unsigned short zero[3] = {0, 0, 0};
  if (sac_env_is_concurrent(api)) return;
  (void)pthread_mutex_lock(&kept.lock);
  if (kept.holds++ == 0) {
    kept.random = initstate(0, kept.aside, sizeof kept.aside);
    memcpy(kept.drand48, seed48(zero), sizeof kept.drand48);
    sac_env_gym_generators(SAC_GYM_GENERATORS_KEEP, api, NULL, 0);
  }
  (void)pthread_mutex_unlock(&kept.lock);
}

void sac_generators_restore(const sac_env_api* api) {
  if (sac_env_is_concurrent(api)) return;
  (void)pthread_mutex_lock(&kept.lock);
  if (--kept.holds == 0) {
    if (kept.random) (void)setstate(kept.random);
    (void)seed48(kept.drand48);
    sac_env_gym_generators(SAC_GYM_GENERATORS_RESTORE, api, NULL, 0);
  }
  (void)pthread_mutex_unlock(&kept.lock);
}
