/* kernels/target.cu: the average of the targets, and the end of an update: totals, counters, scalars of the next
 * update. */
#include "support/cuda_case.h"

static const struct {
  int population;
  size_t floats;
  float tau;
} regions[] = {{1, 4, 0.005f},   {3, 4, 0.3f},        {1, 124, 1},      {3, 1028, 0},
               {3, 2048, 0.01f}, {1, 2052, 0.00123f}, {3, 30004, 0.5f}, {1, 100000, 0.005f}};

static const sac_adam_rates rates = {{3e-4, 1e-3, 2e-2}, 0.9, 0.999, 1e-8};

/* The statistics in the order of their list. */
static void stats_of(const sac_update_stats* s, double x[SAC_STATISTIC_COUNT]) {
#define COPY(name, column, watched, each, over, value, tag, meaning) x[SAC_STATISTIC_##name] = s->name;
  SAC_STATISTICS(COPY)
#undef COPY
}

static void random_stats(cuda_case* c, sac_update_stats* s) {
#define RANDOM(name, column, watched, each, over, value, tag, meaning) s->name = cuda_number(c);
  SAC_STATISTICS(RANDOM)
#undef RANDOM
}

/* As sac_adam_begin computes them on the host. */
static void check_scalars(const sac_device_state* got, uint64_t updates) {
  for (int set = 0; set < SAC_ADAM_SETS; set++) {
    const sac_adam_step e = sac_adam_begin(updates + 1, rates.lr[set], rates.beta1, rates.beta2, rates.epsilon);
    const sac_adam_step* g = &got->adam[set];
    ck_near_relative(g->step_size, e.step_size, CUDA_LIBM_REL, 0);
    ck_near_relative(g->root_scale, e.root_scale, CUDA_LIBM_REL, 0);
    ck_near(g->beta2, e.beta2, 0);
    ck_near(g->one_minus_beta1, e.one_minus_beta1, 0);
    ck_near(g->one_minus_beta2, e.one_minus_beta2, 0);
    ck_near(g->eps, e.eps, 0);
    /* and as in the paper */
    const double t = (double)(updates + 1);
    ck_near_relative(g->step_size, rates.lr[set] / (1 - pow(0.9, t)), FORMULA_FLOAT_REL, 0);
    ck_near_relative(g->root_scale, 1 / sqrt(1 - pow(0.999, t)), FORMULA_FLOAT_REL, 0);
  }
}

START_TEST(update) {
  /* agents with counters of their own, and statistics to add up */
  const int population = regions[_i].population;
  const size_t floats = regions[_i].floats, all = (size_t)population * floats;
  const float tau = regions[_i].tau;
  cuda_case c = cuda_case_create((uint64_t)_i);
  sac_device_state* state = cuda_states(&c, population);
  for (int p = 0; p < population; p++) {
    state[p].updates = (uint64_t)p * (uint64_t)p * 5000;
    state[p].totals_updates = 40 + (uint64_t)p;
    random_stats(&c, &state[p].stats);
    random_stats(&c, &state[p].totals);
  }

  /* targets and sources, each with a NaN */
  float *target = cuda_numbers(&c, all, 2), *source = cuda_numbers(&c, all, 3);
  target[1] = source[2] = NAN;
  sac_target_args args = {.state = cuda_put(&c, state, population),
                          .target = cuda_put(&c, target, all),
                          .source = cuda_put(&c, source, all),
                          .floats = floats,
                          .population = population,
                          .tau = tau,
                          .rates = rates};

  /* what the kernel may write: nothing of stopped agents */
  for (int p = 0; p < population; p++) {
    if (!state[p].alive) continue;
    cuda_open(&c, args.target + (size_t)p * floats, floats);
    cuda_open(&c, &args.state[p].updates, 1);
    cuda_open(&c, args.state[p].adam, SAC_ADAM_SETS);
    cuda_open(&c, &args.state[p].totals_updates, 1);
    cuda_open(&c, &args.state[p].totals, 1);
  }

  /* one run */
  cuda_run(&c, sac_target_update(c.stream, &args));
  const float* got = cuda_result(&c, args.target);
  const sac_device_state* after = cuda_result(&c, args.state);

  /* the weighted mean, to the bit for tau 0 and 1; a NaN on either side stays */
  for (int p = 0; p < population; p++) {
    if (!state[p].alive) continue;
    for (size_t i = (size_t)p * floats; i < (size_t)(p + 1) * floats; i++) {
      const double x = (double)tau * (double)source[i], y = (1 - (double)tau) * (double)target[i];
      if (i == 1 || i == 2) cuda_true(isnan(got[i]));
      else if (tau == 1) cuda_same(&got[i], &source[i], 1);
      else if (tau == 0) cuda_same(&got[i], &target[i], 1);
      else cuda_near(got[i], x + y, 3 * FLOAT_EPSILON * (fabs(x) + fabs(y)));
    }

    /* totals and counters have moved by one update, and the scalars belong to the next */
    double before[SAC_STATISTIC_COUNT], step[SAC_STATISTIC_COUNT], now[SAC_STATISTIC_COUNT];
    stats_of(&state[p].totals, before);
    stats_of(&state[p].stats, step);
    stats_of(&after[p].totals, now);
    for (int i = 0; i < SAC_STATISTIC_COUNT; i++) ck_near(now[i], before[i] + step[i], 0);
    ck_assert_uint_eq(after[p].totals_updates, state[p].totals_updates + 1);
    ck_assert_uint_eq(after[p].updates, state[p].updates + 1);
    check_scalars(&after[p], after[p].updates);
  }
  cuda_case_free(&c);
}
END_TEST

/* The scalars alone, for more agents than threads of a block. Stopped agents have them too. */
START_TEST(begin) {
  const int population = _i ? 300 : 3;
  cuda_case c = cuda_case_create((uint64_t)_i);
  sac_device_state* state = cuda_states(&c, population);
  for (int p = 0; p < population; p++) state[p].updates = (uint64_t)p * 37;
  state[population - 1].updates = UINT64_C(1) << 40;
  sac_device_state* device = cuda_put(&c, state, population);
  for (int p = 0; p < population; p++) cuda_open(&c, device[p].adam, SAC_ADAM_SETS);
  cuda_run(&c, sac_adam_scalars(c.stream, device, population, &rates));
  const sac_device_state* after = cuda_result(&c, device);
  for (int p = 0; p < population; p++) check_scalars(&after[p], state[p].updates);
  cuda_case_free(&c);
}
END_TEST

CUDA_MAIN("target.cu", LOOP(update, COUNT(regions)), LOOP(begin, 2))
