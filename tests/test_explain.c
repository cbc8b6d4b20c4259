/* ctest: one-thread
 *
 * The numbers of a squashed Gaussian policy beside exp(Q/alpha)/Z, against exact answers: quadrature against closed
 * forms, samples against quadrature of this test, standard errors against the spread over many seeds. */
#include "agent/explain.h"

#include "support/check_main.h"
#include "support/tolerances.h"

enum { MOST = 6, SAMPLES = SAC_EXPLAIN_SAMPLES };

/* --- functions Q whose log Z is known ----------------------------------------------------------------------------- */

typedef struct task {
  int size; /* A */
  double alpha;
  double (*q)(const struct task* t, const float* a);
  double slope[MOST]; /* parameters of q */
  double peak;
  int rows;       /* written: for how many actions Q was computed */
  double largest; /* written: the largest |Q| */
} task;

static double linear(const task* t, const float* a) {
  double sum = 0;
  for (int k = 0; k < t->size; k++) sum += t->slope[k] * (double)a[k];
  return sum;
}

/* Integrals are products over the axes. A slope of 0 is a constant. Nothing overflows: log(2 sinh x / x) for large x.
 */
static double linear_log_z(const task* t) {
  double sum = 0;
  for (int k = 0; k < t->size; k++) {
    const double x = fabs(t->slope[k]) / t->alpha;
    sum += x == 0 ? log(2) : x + log(-expm1(-2 * x) / x);
  }
  return sum;
}

static double parabola(const task* t, const float* a) {
  double sum = 0;
  for (int k = 0; k < t->size; k++) sum -= t->slope[k] * ((double)a[k] - t->peak) * ((double)a[k] - t->peak);
  return sum;
}

static double parabola_log_z(const task* t) {
  double sum = 0;
  for (int k = 0; k < t->size; k++) {
    const double root = sqrt(t->slope[k] / t->alpha);
    sum += log(sqrt(acos(-1.0)) / (2 * root) * (erf(root * (1 - t->peak)) + erf(root * (1 + t->peak))));
  }
  return sum;
}

/* a kink inside a cell, as those of ReLU networks */
static double kink(const task* t, const float* a) {
  double sum = 0;
  for (int k = 0; k < t->size; k++) sum -= t->slope[k] * fabs((double)a[k] - t->peak);
  return sum;
}

static double kink_log_z(const task* t) {
  double sum = 0;
  for (int k = 0; k < t->size; k++) {
    const double x = t->slope[k] / t->alpha;
    sum += log((-expm1(-x * (1 - t->peak)) - expm1(-x * (1 + t->peak))) / x);
  }
  return sum;
}

/* a narrow ridge, not along an axis and far from the bounds: a Gaussian integral over the plane */
static double ridge(const task* t, const float* a) {
  const double x = (double)a[0] - t->peak, y = (double)a[1] + t->peak;
  return -t->slope[0] * (x + y) * (x + y) - t->slope[1] * (x - y) * (x - y);
}

static double ridge_log_z(const task* t) { return log(acos(-1.0) * t->alpha / (2 * sqrt(t->slope[0] * t->slope[1]))); }

static const struct {
  task task;
  double (*log_z)(const task* t);
} known[] = {
    {{1, 0.3, linear, {0}, 0, 0, 0}, linear_log_z}, /* a constant */
    {{2, 0.3, linear, {0}, 0, 0, 0}, linear_log_z},
    {{1, 1, linear, {2}, 0, 0, 0}, linear_log_z},
    {{1, 1e-4, linear, {1e4}, 0, 0, 0}, linear_log_z}, /* exp(1e8) */
    {{1, 0.01, linear, {-7}, 0, 0, 0}, linear_log_z},
    {{2, 0.2, linear, {1.5, -0.3}, 0, 0, 0}, linear_log_z},
    {{2, 0.01, linear, {1.5, 3}, 0, 0, 0}, linear_log_z},
    {{1, 0.3, parabola, {2}, 0.35, 0, 0}, parabola_log_z},
    {{1, 1e-4, parabola, {10}, -0.777, 0, 0}, parabola_log_z},
    {{2, 0.3, parabola, {2, 5}, 0.35, 0, 0}, parabola_log_z},
    {{2, 1e-3, parabola, {2, 5}, -0.777, 0, 0}, parabola_log_z},
    {{1, 0.1, parabola, {3}, 1, 0, 0}, parabola_log_z},
    {{2, 0.1, parabola, {3, 2}, 1, 0, 0}, parabola_log_z},
    {{1, 0.1, kink, {1}, 0.3137, 0, 0}, kink_log_z},
    {{2, 0.1, kink, {1, 0.2}, 0.3137, 0, 0}, kink_log_z},
    {{2, 0.01, ridge, {2, 0.5}, 0.1, 0, 0}, ridge_log_z},
};
#define KNOWN (sizeof known / sizeof *known)

static sac_status q_of(void* self, int32_t n, const float* action, float* q) {
  task* t = self;
  ck_assert_int_ge(n, 1);
  ck_assert_int_le(n, SAC_EXPLAIN_ROWS);
  t->rows += n;
  for (int32_t i = 0; i < n; i++) {
    q[i] = (float)t->q(t, action + i * t->size);
    t->largest = check_larger(t->largest, fabs((double)q[i]));
  }
  return SAC_OK;
}

static const float mean[MOST] = {0.4f, -0.9f, 0.1f, 1.6f, -0.3f, 0.7f};
static const float log_std[MOST] = {-0.7f, -0.2f, 0.1f, -1, -0.5f, -0.4f};
static sac_explain_state state_of(task* t) {
  return (sac_explain_state){t->size, mean, log_std, -20, 2, t->alpha, q_of, t};
}

/* --- quadrature --------------------------------------------------------------------------------------------------- */

START_TEST(quadrature_against_closed_forms) {
  task t = known[_i].task;
  const sac_explain_state s = state_of(&t);
  sac_explain_number log_z;
  int32_t points;
  ck_ok(sac_explain_quadrature(&s, &log_z, &points));
  ck_assert_int_eq(points, t.rows);
  ck_assert_int_le(points, t.size == 1 ? SAC_EXPLAIN_POINTS : SAC_EXPLAIN_POINTS_2);
  ck_near(log_z.value, known[_i].log_z(&t), log_z.error + EXPLAIN_ROUNDING(t.largest / t.alpha));

  /* the error says something: it is small, but where a kink or a float's rounding leaves more */
  ck_assert(log_z.error <= (t.q == kink ? EXPLAIN_KINK_ABS : 10 * SAC_EXPLAIN_TOLERANCE) || t.largest / t.alpha > 1e7);
}
END_TEST

/* A kink anywhere in a cell. */
START_TEST(quadrature_sees_kinks) {
  for (int i = 0; i < 300; i++) {
    task t = {1, 0.1, kink, {1}, 0.3 + 0.0003 * i, 0, 0};
    const sac_explain_state s = state_of(&t);
    sac_explain_number log_z;
    int32_t points;
    ck_ok(sac_explain_quadrature(&s, &log_z, &points));
    ck_near(log_z.value, kink_log_z(&t), 2 * (log_z.error + SAC_EXPLAIN_TOLERANCE));
  }
}
END_TEST

/* --- samples ------------------------------------------------------------------------------------------------------ */

/* Q is the policy's own alpha log pi and a constant: the KL is 0 and every sample says so. */
static double own(const task* t, const float* a) {
  task copy = *t;
  const sac_explain_state s = state_of(&copy);
  return t->alpha * (sac_explain_log_prob(&s, a) + 3);
}

START_TEST(policy_that_is_boltzmann) {
  for (int size = 1; size <= MOST; size++) {
    task t = {size, 0.2, own, {0}, 0, 0, 0};
    const sac_explain_state s = state_of(&t);
    const sac_explain_number three = {3, 0};
    sac_explained out;
    ck_ok(sac_explain_sample(&s, &three, 1, 0, SAMPLES, &out));
    ck_near(out.value.value, 3 * t.alpha, EXPLAIN_SAME_ABS);
    ck_near(out.value.error, 0, EXPLAIN_SAME_ABS);
    ck_near(out.kl.value, 0, EXPLAIN_SAME_ABS / t.alpha);
  }
}
END_TEST

/* E f(a, log pi) of one component, by the trapezoidal rule over eps. */
static double expected(int k, double (*f)(double a, double log_pi)) {
  double sum = 0;
  for (int i = -400; i <= 400; i++) {
    const double eps = 0.02 * i, u = (double)mean[k] + exp((double)log_std[k]) * eps, a = tanh(u);
    const double normal = exp(-0.5 * eps * eps) / sqrt(2 * acos(-1.0));
    sum += 0.02 * normal * f(a, log(normal) - (double)log_std[k] + 2 * log(cosh(u)));
  }
  return sum;
}
static double the_action(double a, double log_pi) { return (void)log_pi, a; }
static double its_log_pi(double a, double log_pi) { return (void)a, log_pi; }

static const double slopes[MOST] = {0.5, -0.4, 0.2, 0.6, -0.1, 0.3};
static task linear_task(int size) {
  task t = {size, 0.5, linear, {0}, 0, 0, 0};
  memcpy(t.slope, slopes, sizeof slopes);
  return t;
}

/* The mean over seeds is the exact number, and the standard errors are the spread. */
START_TEST(samples_against_exact_expectations) {
  enum { SEEDS = 200 };
  const int size = _i + 1;
  task t = linear_task(size);
  const sac_explain_state s = state_of(&t);
  double exact[4] = {0}; /* log Z, entropy, V, KL */
  for (int k = 0; k < size; k++) {
    exact[1] -= expected(k, its_log_pi);
    exact[2] += t.slope[k] * expected(k, the_action);
  }
  exact[0] = linear_log_z(&t);
  exact[2] += t.alpha * exact[1];
  exact[3] = exact[0] - exact[2] / t.alpha;

  double sum[4] = {0}, squares[4] = {0}, error[4] = {0};
  for (int seed = 0; seed < SEEDS; seed++) {
    sac_explained out;
    ck_ok(sac_explain(&s, (uint64_t)seed + 1, 5, 1024, &out));
    ck_assert_int_eq(out.samples, 1024);
    ck_assert((out.points == 0) == (size > 2));
    ck_assert(size > 2 ? out.effective > 400 && out.effective <= 2048 : out.effective == 0);
    const sac_explain_number* numbers[4] = {&out.log_z, &out.entropy, &out.value, &out.kl};
    for (int j = 0; j < 4; j++) {
      const double off = numbers[j]->value - exact[j];
      sum[j] += off / SEEDS, squares[j] += off * off / SEEDS, error[j] += numbers[j]->error / SEEDS;
      if (seed == 0) ck_near(off, 0, STANDARD_ERRORS * numbers[j]->error + EXPLAIN_ROUNDING(t.largest / t.alpha));
    }
  }
  for (int j = size > 2 ? 0 : 1; j < 4; j++) {
    printf("A %d, number %d: %8.4f, mean off by %8.1e, spread %.2e, standard error %.2e\n", size, j, exact[j], sum[j],
           sqrt(squares[j]), error[j]);
    ck_near(sum[j], 0, STANDARD_ERRORS * error[j] / sqrt(SEEDS));
    /* the KL's error takes log Z and V for independent; they are not where both are of the same samples */
    if (j < 3 || size <= 2) ck_near_relative(sqrt(squares[j]), error[j], EXPLAIN_SPREAD_REL, 0);
    else ck_assert(sqrt(squares[j]) < error[j] * (1 + EXPLAIN_SPREAD_REL));
  }
}
END_TEST

START_TEST(log_prob_of_actions) {
  task t = linear_task(3);
  const sac_explain_state s = state_of(&t);
  float action[3];
  double exact = 0, of_mean = 0;
  for (int k = 0; k < 3; k++) {
    const double sigma = exp((double)log_std[k]), eps = k - 0.7, u = (double)mean[k] + sigma * eps;
    action[k] = (float)tanh(u);
    exact += -0.5 * eps * eps - (double)log_std[k] - 0.5 * log(2 * acos(-1.0)) + 2 * log(cosh(u));
    of_mean += -(double)log_std[k] - 0.5 * log(2 * acos(-1.0)) + 2 * log(cosh((double)mean[k]));
  }
  ck_near(sac_explain_log_prob(&s, action), exact, EXPLAIN_SAME_ABS);
  ck_near(sac_explain_log_prob(&s, NULL), of_mean, DOUBLE_SUM_ABS);
  action[1] = 1;
  ck_assert(sac_explain_log_prob(&s, action) == -INFINITY);
}
END_TEST

START_TEST(same_bits_and_other_draws) {
  task t = linear_task(3);
  const sac_explain_state s = state_of(&t);
  sac_explained a, b, c;
  ck_ok(sac_explain(&s, 7, 2, 100, &a));
  ck_ok(sac_explain(&s, 7, 2, 100, &b));
  ck_ok(sac_explain(&s, 7, 3, 100, &c));
  ck_assert(a.entropy.value == b.entropy.value && a.log_z.value == b.log_z.value && a.kl.error == b.kl.error);
  ck_assert(a.entropy.value != c.entropy.value && a.log_z.value != c.log_z.value);
}
END_TEST

/* --- what is refused ---------------------------------------------------------------------------------------------- */

static double not_finite(const task* t, const float* a) { return (double)a[0] > 0.9 ? t->slope[0] : 0; }

static sac_status q_fails(void* self, int32_t n, const float* action, float* q) {
  (void)self, (void)n, (void)action, (void)q;
  return SAC_ERROR_DEVICE;
}

START_TEST(refusals) {
  sac_explained out;
  for (int size = 1; size <= 3; size++) {
    task t = linear_task(size);
    sac_explain_state s = state_of(&t);
    const float nan_mean[3] = {0, 0, NAN}, nan_log_std[3] = {NAN, 0, 0};
    ck_fails(sac_explain(&s, 1, 0, 1, &out), SAC_ERROR_ARGUMENT, "samples = 1");
    for (int i = 0; i < 4; i++) {
      s.alpha = (const double[]){0, -1, NAN, INFINITY}[i];
      ck_fails(sac_explain(&s, 1, 0, 100, &out), SAC_ERROR_ARGUMENT, "alpha = ");
    }
    s = state_of(&t), s.mean = nan_mean + 3 - size;
    ck_fails(sac_explain(&s, 1, 0, 100, &out), SAC_ERROR_NUMERIC, "mean nan");
    s = state_of(&t), s.log_std = nan_log_std;
    ck_fails(sac_explain(&s, 1, 0, 100, &out), SAC_ERROR_NUMERIC, "log_std nan");
    s = state_of(&t), s.q = q_fails;
    ck_assert(sac_explain(&s, 1, 0, 100, &out) == SAC_ERROR_DEVICE);
    for (int i = 0; i < 3; i++) {
      task bad = {size, 0.5, not_finite, {(const double[]){NAN, INFINITY, -INFINITY}[i]}, 0, 0, 0};
      s = state_of(&bad);
      ck_fails(sac_explain(&s, 1, 0, 1000, &out), SAC_ERROR_NUMERIC, "not finite");
    }
  }
  task t = linear_task(3);
  const sac_explain_state s = state_of(&t);
  sac_explain_number log_z;
  int32_t points;
  ck_fails(sac_explain_quadrature(&s, &log_z, &points), SAC_ERROR_ARGUMENT, "1 or 2 action dimensions, not 3");
}
END_TEST

CHECK_MAIN("explain", LOOP(quadrature_against_closed_forms, KNOWN), CASE(quadrature_sees_kinks),
           CASE(policy_that_is_boltzmann), LOOP(samples_against_exact_expectations, MOST), CASE(log_prob_of_actions),
           CASE(same_bits_and_other_draws), CASE(refusals))
