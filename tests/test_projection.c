/* ctest: label=learning timeout=300
 *
 * The information projection. One-step episodes with reward Q(a), all terminated, so that the critics learn Q. With
 * alpha fixed, the continuous actor minimises, over squashed Gaussians with independent components,
 *
 *   KL(pi || exp(Q/alpha)/Z) = E[ log pi(a) - Q(a)/alpha ] + log Z,   a = tanh(mu + sigma eps), eps ~ N(0, I)
 *
 * The test computes Z and the KL by quadrature in double, finds the least KL by a search of its own from many starts,
 * and compares it with the KL that the actor reached. It calls no formula of kernels. The actor is read through the
 * public API: mu from the deterministic action, sigma from a sample with eps = 1 or -1. */
#include <sac/sac.h>

#include "algo/algo.h"
#include "support/check_main.h"
#include "support/config_of.h"
#include "support/tolerances.h"

enum { MOST = 2, ROWS = 20000, UPDATES = 8000, READINGS = 50 };

/* --- the tasks ---------------------------------------------------------------------------------------------------- */

static double square(double x) { return x * x; }
static double hump(double height, double distance2, double width) { return height * exp(-distance2 / square(width)); }

static double inside_1(const double* a) { return -2 * square(a[0] - 0.35); }
static double humps_1(const double* a) {
  return hump(1, square(a[0] + 0.5), 0.35) + hump(0.7, square(a[0] - 0.45), 0.3);
}
static double bound_1(const double* a) { return 1.5 * a[0]; }

/* a ridge along the diagonal: its long axis is 8 times flatter than the short one */
static double inside_2(const double* a) {
  const double along = (a[0] - 0.3) + (a[1] + 0.2), across = (a[0] - 0.3) - (a[1] + 0.2);
  return -0.25 * square(along) - 2 * square(across);
}
static double humps_2(const double* a) {
  return hump(1, square(a[0] - 0.5) + square(a[1] + 0.4), 0.5) +
         hump(0.7, square(a[0] + 0.5) + square(a[1] - 0.5), 0.4);
}
/* the largest value is in the corner (1, 1), and both slopes are positive everywhere */
static double bound_2(const double* a) { return a[0] + 0.8 * a[1] + 0.6 * a[0] * a[1]; }

typedef struct {
  const char* name;
  int actions; /* A */
  double alpha;
  double (*q)(const double* a);
} task;

/* warm: one policy lies over both humps; cold: each hump has a minimum of its own */
static const task tasks[] = {
    {"quadratic, peak inside", 1, 0.3, inside_1}, {"two humps, warm", 1, 0.3, humps_1},
    {"two humps, cold", 1, 0.05, humps_1},        {"maximum at the bound", 1, 0.3, bound_1},
    {"the same, cold", 1, 0.05, bound_1},         {"quadratic ridge", 2, 0.3, inside_2},
    {"two humps, warm", 2, 0.3, humps_2},         {"two humps, cold", 2, 0.05, humps_2},
    {"maximum in a corner", 2, 0.3, bound_2},
};
#define TASKS (sizeof tasks / sizeof *tasks)

/* --- quadrature --------------------------------------------------------------------------------------------------- */

/* log Z by the trapezoidal rule over u, a = tanh(u), whose error falls exponentially with the number of points. Q/alpha
 * is at most some tens here, so nothing overflows. */
static double log_partition(const task* t) {
  enum { POINTS = 801, MIDDLE = POINTS / 2 };
  double a[POINTS], weight[POINTS], sum = 0;
  for (int i = 0; i < POINTS; i++) {
    const double u = 0.05 * (i - MIDDLE);
    a[i] = tanh(u), weight[i] = 0.05 / square(cosh(u));
  }
  for (int i = 0; i < POINTS; i++)
    for (int j = 0; j < (t->actions > 1 ? POINTS : 1); j++)
      sum += weight[i] * (t->actions > 1 ? weight[j] : 1) * exp(t->q((const double[]){a[i], a[j]}) / t->alpha);
  return log(sum);
}

typedef struct {
  double mu[MOST], log_sigma[MOST];
} gaussian;

/* The KL by the trapezoidal rule over eps in [-8, 8]^A. */
static double divergence(const task* t, const gaussian* g, double log_z) {
  enum { POINTS = 81, MIDDLE = POINTS / 2 };
  double a[MOST][POINTS], log_pi[MOST][POINTS], weight[POINTS], sum = 0;
  for (int k = 0; k < t->actions; k++)
    for (int i = 0; i < POINTS; i++) {
      const double eps = 0.2 * (i - MIDDLE), u = g->mu[k] + exp(g->log_sigma[k]) * eps;
      const double log_slope = 2 * (log(2) - fabs(u) - log1p(exp(-2 * fabs(u))));
      weight[i] = 0.2 * exp(-0.5 * eps * eps) / sqrt(2 * acos(-1.0));
      a[k][i] = tanh(u);
      log_pi[k][i] = -0.5 * eps * eps - g->log_sigma[k] - 0.5 * log(2 * acos(-1.0)) - log_slope;
    }
  for (int i = 0; i < POINTS; i++) {
    if (t->actions == 1) sum += weight[i] * (log_pi[0][i] - t->q(&a[0][i]) / t->alpha);
    for (int j = 0; t->actions == 2 && j < POINTS; j++)
      sum +=
          weight[i] * weight[j] * (log_pi[0][i] + log_pi[1][j] - t->q((const double[]){a[0][i], a[1][j]}) / t->alpha);
  }
  return sum + log_z;
}

/* --- the least KL ------------------------------------------------------------------------------------------------- */

/* Pattern search from *g, until the step is below `finest`. Returns the KL of the minimum. */
static double descend(const task* t, gaussian* g, double log_z, double finest) {
  double best = divergence(t, g, log_z);
  for (double step = 0.5; step > finest;) {
    int better = 0;
    for (int i = 0; i < 4 * t->actions; i++) {
      gaussian next = *g;
      double* part = i % 4 < 2 ? next.mu : next.log_sigma;
      part[i / 4] += i % 2 ? -step : step;
      const double kl = divergence(t, &next, log_z);
      if (kl < best) best = kl, *g = next, better = 1;
    }
    if (!better) step /= 2;
  }
  return best;
}

/* The least of the minima that the search finds from a grid of starts. *highest: the largest of the minima. */
static double least(const task* t, gaussian* g, double log_z, double* highest) {
  static const double mus[] = {-1.5, 0, 1.5}, log_sigmas[] = {-1.5, 0};
  double best = INFINITY;
  *highest = -INFINITY;
  for (int start = 0; start < (t->actions == 1 ? 6 : 18); start++) {
    gaussian from = {{mus[start / 2 % 3], mus[start / 6]}, {log_sigmas[start % 2], log_sigmas[start % 2]}};
    const double kl = descend(t, &from, log_z, 0.01);
    *highest = check_larger(*highest, kl);
    if (kl < best) best = kl, *g = from;
  }
  return descend(t, g, log_z, 1e-5);
}

/* --- the actor ---------------------------------------------------------------------------------------------------- */

static uint64_t dice = 1;
static float in_box(void) {
  dice = dice * 6364136223846793005u + 1442695040888963407u;
  return (float)((double)(dice >> 11) * 0x1p-52 - 1);
}

static sac_agent* train(const task* t, const char* algo) {
  static const float low[MOST] = {-1, -1}, high[MOST] = {1, 1};
  static float obs[ROWS], action[ROWS * MOST], reward[ROWS];
  static uint8_t terminated[ROWS], truncated[ROWS];
  const sac_env_spec spec = {1, t->actions, 0, 1, low, high};
  sac_config* config = config_of(
      "device=cpu algo=%s network.hidden=64,64 replay.batch=128 optim.lr=1e-3 alpha.learn=false alpha.initial=%g "
      "cpu.threads=1 seed=3 replay.capacity=%d",
      algo, t->alpha, ROWS);
  sac_agent* agent = NULL;
  ck_ok(sac_agent_create(&agent, config, &spec));
  sac_config_destroy(config);
  dice = 1;
  for (int i = 0; i < ROWS; i++) {
    double a[MOST] = {0};
    for (int k = 0; k < t->actions; k++) a[k] = action[i * t->actions + k] = in_box();
    obs[i] = 1, reward[i] = (float)t->q(a), terminated[i] = 1;
  }
  const sac_transitions all = {ROWS, obs, action, reward, terminated, truncated, obs};
  ck_ok(sac_agent_push(agent, &all));
  ck_ok(sac_agent_update(agent, UPDATES));
  return agent;
}

static gaussian read_policy(sac_agent* agent, int actions) {
  const float obs = 1;
  float mean[MOST], noise[MOST], shifted[MOST];
  gaussian g = {{0}, {0}};
  ck_ok(sac_agent_act(agent, 1, &obs, NULL, 1, mean, NULL));
  for (int k = 0; k < actions; k++) noise[k] = mean[k] > 0 ? -1 : 1; /* away from the bound, where atanh is accurate */
  ck_ok(sac_agent_act(agent, 1, &obs, noise, 0, shifted, NULL));
  for (int k = 0; k < actions; k++) {
    g.mu[k] = atanh((double)mean[k]);
    g.log_sigma[k] = log((atanh((double)shifted[k]) - g.mu[k]) / (double)noise[k]);
  }
  return g;
}

START_TEST(actor_reaches_the_least_kl) {
  /* log Z, and the minima of the KL */
  const task* t = &tasks[_i];
  const double log_z = log_partition(t);
  gaussian best;
  double highest;
  const double least_kl = least(t, &best, log_z, &highest);
  if (_i == 0)
    printf(
        "single: the mean KL of the readings; highest: the largest minimum of the KL\n"
        "%-22s A algo  alpha   log Z  KL reached  least KL  above by   single  highest   mu, sigma (best)\n",
        "Q");

  for (int i = 0; i < SAC_ALGO_COUNT; i++) {
    if (sac_algo_at(i)->discrete) continue; /* for discrete actions */
    sac_agent* agent = train(t, sac_algo_name(i));

    /* the average of the policies over the last steps of stochastic gradient descent */
    gaussian reached = {{0}, {0}};
    double single = 0;
    for (int r = 0; r < READINGS; r++) {
      ck_ok(sac_agent_update(agent, 20));
      const gaussian g = read_policy(agent, t->actions);
      single += divergence(t, &g, log_z) / READINGS;
      for (int k = 0; k < t->actions; k++) {
        reached.mu[k] += g.mu[k] / READINGS;
        reached.log_sigma[k] += g.log_sigma[k] / READINGS;
      }
    }
    sac_agent_destroy(agent);

    /* a line of the table */
    const double kl = divergence(t, &reached, log_z);
    printf("%-22s %d %-5s  %.2f %8.4f   %9.6f %9.6f  %8.1e %8.5f %8.5f ", t->name, t->actions, sac_algo_name(i),
           t->alpha, log_z, kl, least_kl, kl - least_kl, single, highest);
    for (int k = 0; k < t->actions; k++)
      printf("  %.3f (%.3f), %.3f (%.3f)", reached.mu[k], best.mu[k], exp(reached.log_sigma[k]),
             exp(best.log_sigma[k]));
    printf("\n");

    /* no policy is below the least KL, and the actor's is close to it, not to another minimum */
    ck_assert_double_ge(least_kl, 0);
    ck_assert_double_ge(kl, least_kl - PROJECTION_SEARCH_ABS);
    ck_near(kl, least_kl, PROJECTION_GAP);
    ck_near(single, least_kl, PROJECTION_SINGLE_GAP);
  }
}
END_TEST

/* --- the test's own quadrature and search ------------------------------------------------------------------------- */

/* log Z by Simpson's rule over a, (points + 1)^A points. */
static double simpson(const task* t) {
  const int points = t->actions == 1 ? 2000 : 400;
  double sum = 0;
  for (int i = 0; i <= points; i++)
    for (int j = 0; j <= (t->actions == 1 ? 0 : points); j++) {
      const double a[MOST] = {2.0 * i / points - 1, 2.0 * j / points - 1};
      double weight = 1;
      for (int k = 0, n = i; k < t->actions; k++, n = j)
        weight *= (n == 0 || n == points ? 1 : n % 2 ? 4 : 2) * 2.0 / (3.0 * points);
      sum += weight * exp(t->q(a) / t->alpha);
    }
  return log(sum);
}

START_TEST(partition_function) { ck_near(log_partition(&tasks[_i]), simpson(&tasks[_i]), PROJECTION_SIMPSON_ABS); }
END_TEST

START_TEST(partition_function_in_closed_form) {
  static const double alphas[] = {0.05, 0.1, 0.3, 1};
  for (int i = 0; i < 4; i++) {
    const double alpha = alphas[i];
    const task bound = {"", 1, alpha, bound_1}, inside = {"", 1, alpha, inside_1};
    const double slope = 1.5 / alpha, root = sqrt(2 / alpha);
    ck_near(log_partition(&bound), log(2 * sinh(slope) / slope), PROJECTION_QUADRATURE_ABS);
    ck_near(log_partition(&inside), log(sqrt(acos(-1.0)) / (2 * root) * (erf(root * 0.65) + erf(root * 1.35))),
            PROJECTION_QUADRATURE_ABS);
  }
}
END_TEST

/* Q is alpha log pi of a squashed Gaussian, so Z is 1 and the least KL is 0. */
static const gaussian known = {{0.4, -0.9}, {-0.7, -0.2}};
static double known_q(const double* a) {
  double sum = 0;
  for (int k = 0; k < 2; k++) {
    const double z = (atanh(a[k]) - known.mu[k]) / exp(known.log_sigma[k]);
    sum -= 0.5 * z * z + known.log_sigma[k] + 0.5 * log(2 * acos(-1.0)) + log1p(-a[k] * a[k]);
  }
  return 0.3 * (fabs(a[0]) < 1 && fabs(a[1]) < 1 ? sum : -1e4);
}

START_TEST(search_finds_a_known_policy) {
  const task t = {"", 2, 0.3, known_q};
  const double log_z = log_partition(&t);
  ck_near(log_z, 0, PROJECTION_QUADRATURE_ABS);
  gaussian best;
  double highest;
  ck_near(least(&t, &best, log_z, &highest), 0, PROJECTION_SEARCH_ABS);
  for (int k = 0; k < 2; k++) {
    ck_near(best.mu[k], known.mu[k], PROJECTION_PLACE_ABS);
    ck_near(best.log_sigma[k], known.log_sigma[k], PROJECTION_PLACE_ABS);
  }
}
END_TEST

CHECK_MAIN("projection", LOOP(partition_function, TASKS), CASE(partition_function_in_closed_form),
           CASE(search_finds_a_known_policy), LOOP(actor_reaches_the_least_kl, TASKS))
