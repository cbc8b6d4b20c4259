/* Small quick runs for the tests of src/train, with every part of a run at work. */
#ifndef TESTS_SUPPORT_SMALL_RUN_H
#define TESTS_SUPPORT_SMALL_RUN_H

#include "support/check_main.h"
#include "support/fake_env.h"
#include "support/folder.h"
#include "train/run.h"

/* "FOLDER/NAME" for the length of a test: test_path's buffers come round after 16. */
static inline const char* small_path(const char* folder, const char* name) {
  static char path[8][512];
  static int next;
  char* at = path[next++ % 8];
  (void)snprintf(at, sizeof path[0], "%s", test_path(folder, name));
  return at;
}

/* "KEY=VALUE KEY=VALUE ..." over a small configuration that writes to `out`. */
static inline sac_config* small_config(const char* out, const char* sets) {
  static const char base[] =
      "env.id=fake network.hidden=8,8 replay.batch=8 replay.capacity=300 train.steps=200 train.warmup_steps=40 "
      "log.every=20 eval.every=60 eval.episodes=3 checkpoint.every=50 checkpoint.keep=2 cpu.threads=1";
  char text[2048];
  sac_config* config;
  ck_ok(sac_config_create(&config));
  ck_ok(sac_config_set(config, "out", out));
  (void)snprintf(text, sizeof text, "%s %s", base, sets);
  for (char *rest = NULL, *word = strtok_r(text, " ", &rest); word; word = strtok_r(NULL, " ", &rest)) {
    char* value = strchr(word, '=');
    *value++ = '\0';
    ck_ok(sac_config_set(config, word, value));
  }
  return config;
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

/* The same bits in a slab of agent p of two runs, `floats` of them. */
static inline void same_memory(const sac_run* a, const sac_run* b, sac_memory memory, int32_t p, size_t floats) {
  float* x = malloc(sizeof(float) * (floats + 1));
  float* y = malloc(sizeof(float) * (floats + 1));
  ck_ok(a->agent->backend->read(a->agent, memory, p, 0, x, floats));
  ck_ok(b->agent->backend->read(b->agent, memory, p, 0, y, floats));
  for (size_t i = 0; i < floats; i++)
    ck_assert_msg(memcmp(&x[i], &y[i], sizeof(float)) == 0, "slab %d, agent %d, float %zu: %.9g, not %.9g", (int)memory,
                  (int)p, i, (double)x[i], (double)y[i]);
  free(x);
  free(y);
}

/* The rows of a run's metrics, as its callback saw them. */
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

#endif
