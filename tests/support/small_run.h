/* Small runs for the tests of runs and of resuming them; every part of a run is active. */
#ifndef TESTS_SUPPORT_SMALL_RUN_H
#define TESTS_SUPPORT_SMALL_RUN_H

#include <math.h>

#include "support/check_main.h"
#include "support/config_of.h"
#include "support/fake_env.h"
#include "support/folder.h"
#include "train/run.h"

/* "FOLDER/NAME" in memory that lasts for the whole test: test_path reuses its buffers after 16 calls. */
static inline const char* small_path(const char* folder, const char* name) {
  static char path[8][512];
  static int next;
  char* at = path[next++ % 8];
  (void)snprintf(at, sizeof path[0], "%s", test_path(folder, name));
  return at;
}

/* A small configuration that writes to `out`, with "KEY=VALUE KEY=VALUE ..." set. */
static inline sac_config* small_config(const char* out, const char* sets) {
  static const char base[] =
      "env.id=fake network.hidden=8,8 replay.batch=8 replay.capacity=300 train.steps=200 train.warmup_steps=40 "
      "log.every=20 eval.every=60 eval.episodes=3 checkpoint.every=50 checkpoint.keep=2 cpu.threads=1";
  return config_of("out=%s %s %s", out, base, sets);
}

static inline sac_run* small_run_of(const sac_env_api* env, const char* out, const char* sets,
                                    const sac_callbacks* callbacks) {
  sac_config* config = small_config(out, sets);
  sac_run* run;
  ck_ok(sac_run_create(&run, config, env, callbacks));
  sac_config_destroy(config);
  return run;
}

static inline sac_run* small_run(const char* out, const char* sets, const sac_callbacks* callbacks) {
  return small_run_of(&fake_env_api, out, sets, callbacks);
}

/* The rows of a run's metrics that its callback received. */
typedef struct metric_rows {
  int count;
  double value[32][SAC_METRIC_MAX];
} metric_rows;

static inline int keep_metric_row(void* user, const sac_metrics* metrics) {
  metric_rows* rows = user;
  ck_assert_int_lt(rows->count, 32);
  memcpy(rows->value[rows->count++], metrics->value, sizeof(double) * (size_t)metrics->count);
  return 0;
}

/* Makes a weight of agent p NaN. */
static inline void make_weight_nan(sac_run* run, int32_t p) {
  const float bad = NAN;
  ck_ok(run->agent->backend->write(run->agent, SAC_MEMORY_WEIGHTS, p, run->agent->tensors.net[SAC_CRITIC][1].weight[1],
                                   &bad, 1));
}

#endif
