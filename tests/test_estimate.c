/* src/agent/estimate.c: the model against measurements, and the choice of `device: auto`. */
#include "agent/estimate.h"

#include "agent/agent.h"
#include "algo/cost.h"
#include "backend/registry.h"
#include "cpu/isa.h"
#include "support/check_main.h"
#include "support/config_of.h"
#include "support/tolerances.h"

typedef struct sizes {
  int32_t obs, action, layers, width, batch, population, critics;
} sizes;

static sac_shape shape_of(sizes s) {
  sac_shape shape = {.population = s.population,
                     .num_envs = 1,
                     .batch = s.batch,
                     .obs = s.obs,
                     .action = s.action,
                     .layers = s.layers,
                     .critics = s.critics};
  for (int32_t l = 0; l < s.layers; l++) shape.hidden[l] = s.width;
  return shape;
}

static sac_settings settings_with(const char* key, const char* value) {
  sac_config* config = config_of("env.id=fake cpu.threads=2 %s=%s", key, value);
  sac_settings settings;
  ck_ok(sac_config_settings(config, &settings));
  sac_config_destroy(config);
  return settings;
}

static const sizes tiny = {3, 1, 2, 16, 16, 1, 2}, usual = {17, 6, 2, 256, 256, 1, 2},
                   many = {17, 6, 2, 256, 256, 64, 2};

/* --- the model ---------------------------------------------------------------------------------------------------- */

/* Microseconds of an update. estimate.c says on which machines they were measured. */
static const struct {
  const char* isa; /* "": a CUDA device */
  const char* threads;
  sac_precision precision;
  sizes s;
  double measured;
} figures[] = {
    {"avx512", "1", SAC_FP32, {17, 6, 2, 256, 256, 1, 2}, 5868},
    {"avx512", "1", SAC_FP32, {17, 6, 2, 64, 256, 1, 2}, 509},
    {"avx512", "1", SAC_FP32, {3, 1, 2, 64, 100, 1, 2}, 197},
    {"avx512", "1", SAC_FP32, {17, 6, 1, 256, 256, 1, 2}, 663},
    {"avx512", "1", SAC_FP32, {17, 6, 3, 256, 256, 1, 2}, 11124},
    {"avx512", "1", SAC_FP32, {17, 6, 2, 256, 256, 1, 5}, 11720},
    {"avx512", "2", SAC_FP32, {17, 6, 2, 256, 256, 1, 2}, 2681},
    {"avx512", "2", SAC_FP32, {17, 6, 2, 1024, 256, 1, 2}, 45450},
    {"avx512", "2", SAC_FP32, {17, 6, 2, 256, 32, 1, 2}, 474},
    {"avx512", "2", SAC_FP32, {3, 1, 2, 64, 100, 1, 2}, 100},
    {"avx2", "1", SAC_FP32, {17, 6, 2, 256, 256, 1, 2}, 10168},
    {"avx2", "1", SAC_FP32, {3, 1, 2, 64, 100, 1, 2}, 305},
    {"portable", "1", SAC_FP32, {17, 6, 2, 256, 256, 1, 2}, 29689},
    {"portable", "1", SAC_FP32, {17, 6, 2, 256, 32, 1, 2}, 4139},
    {"portable", "1", SAC_FP32, {3, 1, 2, 64, 100, 1, 2}, 908},
    {"", "2", SAC_TF32, {17, 6, 2, 256, 256, 1, 2}, 115},
    {"", "2", SAC_FP32, {17, 6, 2, 256, 256, 1, 2}, 147},
    {"", "2", SAC_TF32, {17, 6, 2, 256, 256, 10, 2}, 220},
    {"", "2", SAC_TF32, {17, 6, 2, 256, 256, 64, 2}, 870},
    {"", "2", SAC_TF32, {17, 6, 2, 1024, 8192, 1, 2}, 1873},
    {"", "2", SAC_FP32, {3, 1, 2, 64, 100, 1, 2}, 103},
};

/* The products of an update of `sac`, counted by hand: 2x256, observation 17, action 6, batch 256, two critics. */
START_TEST(cost_of_an_update) {
  const double actor = 17 * 256 + 256 * 256 + 256 * 12, critic = 23 * 256 + 256 * 256 + 256;
  const double numbers = actor + 2 * 256 + 12 + 2 * (critic + 2 * 256 + 1);
  const double passes = 3 * actor + (actor - 17 * 256) /* two forward, gradient; backward */
                        + 2 * (4 * critic)             /* three forward, gradient */
                        + 2 * (critic - 23 * 256)      /* backward */
                        + 2 * (critic - 17 * 256);     /* to the actions */
  const sac_shape shape = shape_of(usual);
  sac_cost sum = {0, 0, 0, 0};
  for (int32_t i = 0; i < sac_algo_sac.op_count; i++) {
    const sac_cost cost = sac_op_cost(&sac_algo_sac, &sac_algo_sac.update[i], &shape, 256);
    sum.flops += cost.flops, sum.elements += cost.elements, sum.parameters += cost.parameters, sum.bytes += cost.bytes;
  }
  ck_near(sum.flops, 2 * 256 * passes, 0);
  ck_near(sum.elements, 16.0 * 512 * 256, 0); /* sixteen passes of 512 units */
  ck_near(sum.parameters, numbers, 0);
  ck_near(sum.bytes, 16 * sum.elements + 28 * numbers + 12 * 2 * (critic + 2 * 256 + 1), 0);
}
END_TEST

START_TEST(near_what_was_measured) {
  const sac_where where = figures[_i].isa[0] ? SAC_ON_CPU : SAC_ON_CUDA;
  ck_assert_int_eq(setenv("SAC_CPU", figures[_i].isa, 1), 0);
  const int here = where == SAC_ON_CUDA || strcmp(sac_isa_choose()->name, figures[_i].isa) == 0;
  sac_settings settings = settings_with("cpu.threads", figures[_i].threads);
  settings.precision = figures[_i].precision;
  const sac_shape shape = shape_of(figures[_i].s);
  const sac_estimate e = sac_estimate_step(where, &settings, &shape, NAN);
  if (here) ck_near_relative(1e6 * e.update, figures[_i].measured, ESTIMATE_REL, 0);
  ck_assert_int_eq(unsetenv("SAC_CPU"), 0);
}
END_TEST

/* HalfCheetah-v5 on an H200 with 16 cores, tf32: microseconds of a step of all agents. */
static const struct {
  int32_t population;
  int overlap;
  double env, measured;
} steps[] = {{1, 0, 36, 177}, {1, 1, 36, 131}, {10, 0, 74, 374}, {10, 1, 74, 243}};

START_TEST(steps_near_what_was_measured) {
  sac_settings settings = settings_with("device", "auto");
  sizes s = usual;
  settings.precision = SAC_TF32;
  settings.overlap = steps[_i].overlap;
  s.population = steps[_i].population;
  const sac_shape shape = shape_of(s);
  const sac_estimate e = sac_estimate_step(SAC_ON_CUDA, &settings, &shape, 1e-6 * steps[_i].env);
  ck_near_relative(1e6 * e.step, steps[_i].measured, ESTIMATE_REL, 0);
}
END_TEST

/* The parts of a step, with a given time of the environments. */
START_TEST(a_step_is_the_sum_of_its_parts) {
  const sac_shape shape = shape_of(usual);
  sac_settings settings = settings_with("train.updates_per_step", "3");
  for (int w = 0; w < SAC_WHERE_COUNT; w++) {
    settings.overlap = 0;
    const sac_estimate e = sac_estimate_step((sac_where)w, &settings, &shape, 1e-3);
    ck_near(e.env, 1e-3, 0);
    ck_assert(e.act > 0 && e.push > 0 && e.update > 0 && (w == SAC_ON_CUDA) == (e.wait > 0));
    ck_near_relative(e.step, e.act + 1e-3 + e.push + e.wait + 3 * e.update, DOUBLE_SUM_REL, 0);
    settings.overlap = 1;
    const sac_estimate late = sac_estimate_step((sac_where)w, &settings, &shape, 1.0);
    ck_near(late.wait, 0, 0);
    ck_near_relative(late.step, late.act + 1.0 + late.push, DOUBLE_SUM_REL,
                     0); /* the environments take longer than the updates that run at the same time */
  }
}
END_TEST

/* Larger sizes take longer. More threads do not, and threads beyond the available work change nothing. */
START_TEST(grows_with_the_work) {
  static const sizes more[] = {{18, 6, 2, 256, 256, 1, 2}, {17, 7, 2, 256, 256, 1, 2}, {17, 6, 3, 256, 256, 1, 2},
                               {17, 6, 2, 257, 256, 1, 2}, {17, 6, 2, 256, 288, 1, 2}, {17, 6, 2, 256, 256, 2, 2},
                               {17, 6, 2, 256, 256, 1, 3}};
  sac_settings settings = settings_with("algo", _i % 2 ? "sac-v" : "sac");
  const sac_shape shape = shape_of(usual);
  for (int w = 0; w < SAC_WHERE_COUNT; w++) {
    const sac_estimate e = sac_estimate_step((sac_where)w, &settings, &shape, NAN);
    for (size_t i = 0; i < sizeof more / sizeof *more; i++) {
      const sac_shape other = shape_of(more[i]);
      ck_assert_msg(sac_estimate_step((sac_where)w, &settings, &other, NAN).step > e.step, "place %d, shape %zu", w, i);
    }
  }
  const double two = sac_estimate_step(SAC_ON_CPU, &settings, &shape, NAN).update;
  settings.threads = 16;
  const double sixteen = sac_estimate_step(SAC_ON_CPU, &settings, &shape, NAN).update;
  settings.threads = 1000;
  const double thousand = sac_estimate_step(SAC_ON_CPU, &settings, &shape, NAN).update;
  ck_assert(sixteen < two);
  ck_near(thousand, sixteen, 0); /* 256 rows are eight panels for each critic */
}
END_TEST

/* --- the choice --------------------------------------------------------------------------------------------------- */

static int32_t chosen(const sac_settings* settings, sizes s, char why[SAC_WHY_MAX]) {
  const sac_shape shape = shape_of(s);
  int32_t ordinal = -2;
  const sac_backend* backend;
  ck_ok(sac_estimate_choose(settings, &shape, &backend, &ordinal, why));
  ck_assert(backend->on_host == (ordinal < 0));
  return ordinal;
}

START_TEST(kinds_of_devices_are_the_backends) {
  char range[SAC_VALUE_MAX];
  int32_t built = 0;
  sac_field_range(&sac_fields[SAC_FIELD_device], range);
  for (const sac_device_kind* kind = sac_device_kinds; kind->name; kind++) {
    const sac_backend* backend = sac_backend_find(kind->name);
    ck_assert_msg((backend != NULL) == kind->built, "%s", kind->name);
    ck_assert_msg(!backend || backend->on_host == kind->on_host, "%s", kind->name);
    ck_assert_msg(sac_device_kind_of(kind->name) == kind && strstr(range, kind->name), "%s", kind->name);
    built += kind->built;
  }
  ck_assert_int_eq(built, sac_backend_count());

  /* the host is one; of other devices there may be several */
  ck_assert_ptr_null(sac_device_kind_of("auto"));
  ck_assert_ptr_null(sac_device_kind_of("cpu:0"));
  ck_assert_str_eq(sac_device_kind_of("cuda:1")->name, "cuda");
  ck_assert_str_eq(sac_backend_host()->kernels(NULL), sac_isa_choose()->name);
  ck_assert_str_eq(sac_backend_host()->kernels_at(0), sac_isa_available(0)->name);
}
END_TEST

START_TEST(asked_for_is_what_is_taken) {
  char why[SAC_WHY_MAX];
  const sac_settings cpu = settings_with("device", "cpu");
  ck_assert_int_eq(chosen(&cpu, many, why), -1);
  ck_assert_str_eq(why, "");
  const sac_backend* backend;
  int32_t ordinal;
  if (sac_backend_choose("cuda", &backend, &ordinal) != SAC_OK) return;
  const sac_settings cuda = settings_with("device", "cuda:0");
  ck_assert_int_eq(chosen(&cuda, tiny, why), 0);
  ck_assert_str_eq(why, "");
}
END_TEST

START_TEST(auto_takes_the_faster) {
  /* a tiny agent is faster on the CPU, many agents are on the device */
  char why[SAC_WHY_MAX];
  sac_settings settings = settings_with("device", "auto");
  const sac_backend* backend;
  int32_t ordinal;
  ck_ok(sac_backend_choose("auto", &backend, &ordinal));
  ck_assert_int_eq(chosen(&settings, tiny, why), -1);
  if (ordinal < 0) { /* only one device is possible */
    ck_assert_int_eq(chosen(&settings, many, why), -1);
    return;
  }
  ck_assert_msg(strstr(why, "device auto: cpu, a step without the environment takes about ") == why, "%s", why);
  ck_assert_int_eq(chosen(&settings, many, why), 0);
  ck_assert_msg(strstr(why, "device auto: cuda:0, a step without the environment takes about ") == why, "%s", why);
  ck_assert_msg(strstr(why, " us on the CPU, ") && strstr(why, " us on cuda:0 (estimates)"), "%s", why);

  /* a precision of the device decides */
  settings.precision = SAC_TF32;
  ck_assert_int_eq(chosen(&settings, tiny, why), 0);
  ck_assert_str_eq(why, "device auto: cuda:0, for precision tf32");
  settings.precision = SAC_FP32;

  /* a run stays where it was */
  settings.stay = SAC_STAY_DEVICE;
  ck_assert_int_eq(chosen(&settings, tiny, why), 0);
  ck_assert_str_eq(why, "device auto: cuda:0, where the run was (--device moves it)");
  settings.stay = SAC_STAY_HOST;
  ck_assert_int_eq(chosen(&settings, many, why), -1);
  ck_assert_str_eq(why, "device auto: cpu, where the run was (--device moves it)");
  settings.stay = SAC_STAY_NOT;

  /* without a device the CPU is left */
  ck_assert_int_eq(setenv("CUDA_VISIBLE_DEVICES", "", 1), 0);
#ifdef SAC_CUDA_HOST /* the CUDA runtime reads it only once */
  ck_assert_int_eq(chosen(&settings, many, why), -1);
  ck_assert_str_eq(why, "device auto: cpu, no device is visible (CUDA_VISIBLE_DEVICES is '')");
#endif
  ck_assert_int_eq(unsetenv("CUDA_VISIBLE_DEVICES"), 0);
}
END_TEST

/* A task that the device steps itself needs no copies and no waits. */
START_TEST(built_in_tasks_by_their_sizes) {
  sac_settings settings = settings_with("env.id", "Pendulum-v1");
  const sac_shape shape = shape_of(tiny), other = shape_of(usual);
  ck_near(sac_estimate_step(SAC_ON_CUDA, &settings, &shape, NAN).push, 0, 0);
  ck_assert(sac_estimate_step(SAC_ON_CPU, &settings, &shape, NAN).env > 0);
  ck_assert(sac_estimate_step(SAC_ON_CUDA, &settings, &other, NAN).push >
            0); /* not Pendulum-v1: an environment of the calling program */
}
END_TEST

CHECK_MAIN("estimate", CASE(cost_of_an_update), LOOP(near_what_was_measured, sizeof figures / sizeof *figures),
           LOOP(steps_near_what_was_measured, 4), CASE(a_step_is_the_sum_of_its_parts), LOOP(grows_with_the_work, 2),
           CASE(kinds_of_devices_are_the_backends), CASE(asked_for_is_what_is_taken), CASE(auto_takes_the_faster),
           CASE(built_in_tasks_by_their_sizes))
