/* kernels/adam.cu against Adam in double: weights, moments and the norm of the gradient. */
#include "support/cuda_case.h"

static const size_t sizes[] = {4, 124, 1028, 2048, 2052, 40004};
static const double rates[SAC_ADAM_SETS] = {3e-4, 1e-3, 1e-2};

typedef struct adam_case {
  int population;
  size_t floats, all;
  sac_device_state* state;
  float *weight, *m, *v, *grad;
  sac_adam_args args;
} adam_case;

static adam_case create(cuda_case* c, int population, size_t floats) {
  adam_case a = {.population = population, .floats = floats, .all = (size_t)population * floats};
  a.state = cuda_states(c, population);
  for (int p = 0; p < population; p++)
    for (int set = 0; set < SAC_ADAM_SETS; set++)
      a.state[p].adam[set] = sac_adam_begin(a.state[p].updates + 1, rates[set], 0.9, 0.999, 1e-8);
  a.weight = cuda_numbers(c, a.all, 2);
  a.m = cuda_numbers(c, a.all, 1e-2);
  a.v = cuda_numbers(c, a.all, 1e-3);
  a.grad = cuda_numbers(c, a.all, 1e-1);
  for (size_t i = 0; i < a.all; i++) {
    a.v[i] = fabsf(a.v[i]);
    if (i % 7 == 3) a.grad[i] = 0;
    if (i % 11 == 5) a.grad[i] *= 1e6f;
    if (i % 13 == 6) a.m[i] = a.v[i] = 0; /* as before the first step */
    if (i % 17 == 9) a.grad[i] *= 1e-12f;
  }
  return a;
}

static void put(cuda_case* c, adam_case* a, int set) {
  const size_t parts = (size_t)sac_adam_parts(a->floats);
  a->args = (sac_adam_args){.state = cuda_put(c, a->state, a->population),
                            .weight = cuda_put(c, a->weight, a->all),
                            .m = cuda_put(c, a->m, a->all),
                            .v = cuda_put(c, a->v, a->all),
                            .grad = cuda_put(c, a->grad, a->all),
                            .norm = cuda_room(c, double, parts*(size_t)a->population),
                            .floats = a->floats,
                            .population = a->population,
                            .set = set};
  for (int p = 0; p < a->population; p++) {
    if (!a->state[p].alive) continue;
    const size_t at = (size_t)p * a->floats;
    cuda_open(c, a->args.weight + at, a->floats);
    cuda_open(c, a->args.m + at, a->floats);
    cuda_open(c, a->args.v + at, a->floats);
    cuda_open(c, a->args.norm + (size_t)p * parts, parts);
  }
}

START_TEST(one_step) {
  const int population = cuda_populations[_i % 2], set = _i % SAC_ADAM_SETS;
  cuda_case c = cuda_case_create((uint64_t)_i);
  adam_case a = create(&c, population, sizes[_i / 2]);
  put(&c, &a, set);
  cuda_run(&c, sac_adam_update(c.stream, &a.args));
  const float *weight = cuda_result(&c, a.args.weight), *m = cuda_result(&c, a.args.m), *v = cuda_result(&c, a.args.v);
  const double* norm = cuda_result(&c, a.args.norm);
  for (int p = 0; p < population; p++) {
    if (!a.state[p].alive) continue;
    const double t = (double)(a.state[p].updates + 1), lr = rates[set] / (1 - pow(0.9, t));
    double square = 0, sum = 0;
    for (size_t i = (size_t)p * a.floats; i < (size_t)(p + 1) * a.floats; i++) {
      const double g = (double)a.grad[i], old_m = (double)a.m[i], old_v = (double)a.v[i];
      const double new_m = 0.9 * old_m + 0.1 * g, new_v = 0.999 * old_v + 0.001 * g * g;
      const double root = sqrt(new_v / (1 - pow(0.999, t))) + 1e-8;
      const double new_w = (double)a.weight[i] - lr * new_m / root;
      /* m is a difference: its error is relative to its terms, and the error of the step to that of m */
      const double sizes_of_m = fabs(old_m) + fabs(g);
      cuda_near(m[i], new_m, 3 * FLOAT_EPSILON * sizes_of_m);
      cuda_near(v[i], new_v, MOMENT_REL * new_v + CUDA_TINY);
      cuda_near(weight[i], new_w, FLOAT_EPSILON * fabs(new_w) + ADAM_STEP_REL * lr * sizes_of_m / root);
      square += g * g;
    }
    for (int part = 0; part < sac_adam_parts(a.floats); part++)
      sum += norm[(size_t)p * (size_t)sac_adam_parts(a.floats) + (size_t)part];
    cuda_near(sum, square, NORM_REL * square);
  }
  cuda_case_free(&c);
}
END_TEST

/* With zero moments the first step has the size of the learning rate, for any gradient. */
START_TEST(first_step_is_the_rate) {
  cuda_case c = cuda_case_create(1);
  adam_case a = create(&c, 1, 256);
  a.state[0].adam[SAC_ADAM_ACTOR] = sac_adam_begin(1, 0.25, 0.9, 0.999, 1e-8);
  for (size_t i = 0; i < a.all; i++) {
    a.weight[i] = a.m[i] = a.v[i] = 0;
    a.grad[i] = (float)(pow(10, (double)(i % 16) - 6) * (i % 2 ? -1 : 1));
  }
  put(&c, &a, SAC_ADAM_ACTOR);
  cuda_run(&c, sac_adam_update(c.stream, &a.args));
  const float* weight = cuda_result(&c, a.args.weight);
  for (size_t i = 0; i < a.all; i++) {
    const double g = fabs((double)a.grad[i]);
    cuda_near(weight[i], (i % 2 ? 0.25 : -0.25) * g / (g + 1e-8), 0.25 * ADAM_STEP_REL);
  }
  cuda_case_free(&c);
}
END_TEST

/* A NaN in any input reaches its own weight; one in the gradient also reaches the norm. */
START_TEST(nan_is_not_hidden) {
  cuda_case c = cuda_case_create(2);
  adam_case a = create(&c, 1, 4100);
  float* inputs[] = {a.weight, a.m, a.v, a.grad};
  const size_t at = 2049 + (size_t)_i; /* each of the four numbers of a float4 */
  inputs[_i][at] = NAN;
  put(&c, &a, SAC_ADAM_CRITIC);
  cuda_run(&c, sac_adam_update(c.stream, &a.args));
  const float* weight = cuda_result(&c, a.args.weight);
  for (size_t i = 0; i < a.all; i++) cuda_true(cuda_nan(weight[i]) == (i == at));
  const double* norm = cuda_result(&c, a.args.norm);
  double sum = 0;
  for (int part = 0; part < sac_adam_parts(a.floats); part++) sum += norm[part];
  ck_assert(cuda_nan(sum) == (_i == 3));
  if (_i == 3) ck_assert(isnan(((const float*)cuda_result(&c, a.args.m))[at]));
  if (_i == 3) ck_assert(isnan(((const float*)cuda_result(&c, a.args.v))[at]));
  cuda_case_free(&c);
}
END_TEST

/* Gradients whose squares overflow in float: the norm is a sum in double. */
START_TEST(norm_of_large_and_small) {
  cuda_case c = cuda_case_create(3);
  adam_case a = create(&c, 1, 4096);
  double square = 0;
  for (size_t i = 0; i < a.all; i++) {
    a.grad[i] = _i ? 1e-30f : 1e30f;
    square += (double)a.grad[i] * (double)a.grad[i];
  }
  put(&c, &a, SAC_ADAM_CRITIC);
  cuda_run(&c, sac_adam_update(c.stream, &a.args));
  const double* norm = cuda_result(&c, a.args.norm);
  double sum = 0;
  for (int part = 0; part < sac_adam_parts(a.floats); part++) sum += norm[part];
  ck_near(sum, square, NORM_REL * square);
  cuda_case_free(&c);
}
END_TEST

CUDA_MAIN("adam.cu", LOOP(one_step, 2 * COUNT(sizes)), CASE(first_step_is_the_rate), LOOP(nan_is_not_hidden, 4),
          LOOP(norm_of_large_and_small, 2))
