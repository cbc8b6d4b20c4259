/* ctest: label=learning timeout=300
 *
 * Learning to a known optimum. One-step episodes with reward -sum_i k_i(s) (a_i - c_i(s))^2, all terminated, so that
 * Q(s, a) is the reward. With alpha fixed the best squashed Gaussian of each component minimises
 *
 *   F(mu, sigma) = E[ alpha log pi(a) + k (a - c)^2 ],   a = tanh(mu + sigma eps), eps ~ N(0, 1)
 *
 * The test finds it in double, by numerical integration and a pattern search, and compares it with the learned policy,
 * read through the public API: mu from the deterministic action, sigma from a sample with eps = 1. */
#include <sac/sac.h>

#include "algo/algo.h"
#include "support/check_main.h"
#include "support/config_of.h"
#include "support/tolerances.h"

enum { CONTEXTS = 3, A = 2, ROWS = 6000, UPDATES = 6000, BATCH = 128 };

static const double alpha = 0.3;
static const double peak[CONTEXTS][A] = {{0.3, -0.5}, {-0.8, 0.0}, {0.1, 0.95}};
static const double steepness[CONTEXTS][A] = {{2, 1}, {3, 0.6}, {1.5, 2.5}};

/* F by the trapezoidal rule over eps in [-8, 8], which is exact up to rounding for a smooth integrand. */
static double objective(double mu, double log_sigma, double c, double k) {
  const int points = 400;
  const double h = 16.0 / points;
  double sum = 0;
  for (int i = 0; i <= points; i++) {
    const double eps = -8 + i * h, weight = exp(-0.5 * eps * eps) / sqrt(2 * acos(-1.0)) * h;
    const double u = mu + exp(log_sigma) * eps, a = tanh(u);
    const double log_slope = 2 * (log(2) - fabs(u) - log1p(exp(-2 * fabs(u))));
    const double log_pi = -0.5 * eps * eps - log_sigma - 0.5 * log(2 * acos(-1.0)) - log_slope;
    sum += weight * (alpha * log_pi + k * (a - c) * (a - c));
  }
  return sum;
}

static void find_optimum(double c, double k, double* mu, double* log_sigma) {
  static const int way[4][2] = {{1, 0}, {-1, 0}, {0, 1}, {0, -1}};
  *mu = *log_sigma = 0;
  double best = objective(0, 0, c, k);
  for (double step = 0.5; step > 1e-6;) {
    int better = 0;
    for (int i = 0; i < 4; i++) {
      const double m = *mu + step * way[i][0], s = *log_sigma + step * way[i][1], f = objective(m, s, c, k);
      if (f < best) best = f, *mu = m, *log_sigma = s, better = 1;
    }
    if (!better) step /= 2;
  }
}

static uint64_t dice = 1;
static float in_box(void) {
  dice = dice * 6364136223846793005u + 1442695040888963407u;
  return (float)((double)(dice >> 11) * 0x1p-52 - 1);
}

static sac_agent* train(const char* algo) {
  static const float low[A] = {-1, -1}, high[A] = {1, 1};
  static float obs[ROWS * CONTEXTS], action[ROWS * A], reward[ROWS];
  static uint8_t terminated[ROWS], truncated[ROWS];
  const sac_env_spec spec = {CONTEXTS, A, 0, 1, low, high};
  sac_config* config = config_of(
      "device=cpu algo=%s network.hidden=64,64 replay.batch=128 optim.lr=1e-3 alpha.learn=false alpha.initial=0.3 "
      "cpu.threads=1 seed=3 replay.capacity=6000",
      algo);
  sac_agent* agent = NULL;
  ck_ok(sac_agent_create(&agent, config, &spec));
  sac_config_destroy(config);
  for (int i = 0; i < ROWS; i++) {
    const int context = i % CONTEXTS;
    obs[i * CONTEXTS + context] = 1;
    double sum = 0;
    for (int k = 0; k < A; k++) {
      action[i * A + k] = in_box();
      const double off = (double)action[i * A + k] - peak[context][k];
      sum -= steepness[context][k] * off * off;
    }
    reward[i] = (float)sum;
    terminated[i] = 1;
  }
  const sac_transitions all = {ROWS, obs, action, reward, terminated, truncated, obs};
  ck_ok(sac_agent_push(agent, &all));
  ck_ok(sac_agent_update(agent, UPDATES));
  return agent;
}

START_TEST(learns_the_best_squashed_gaussian) {
  const char* algo = sac_algo_name(_i);
  if (sac_algo_at(_i)->discrete) return; /* for discrete actions */

  /* the policy's mean and std in each context, as an average over the last steps of descent */
  sac_agent* agent = train(algo);
  double mu[CONTEXTS][A] = {{0}}, log_sigma[CONTEXTS][A] = {{0}};
  const int readings = 50; /* average over the last steps of stochastic gradient descent */
  for (int i = 0; i < readings; i++) {
    ck_ok(sac_agent_update(agent, 20));
    for (int s = 0; s < CONTEXTS; s++) {
      float obs[CONTEXTS] = {0}, ones[A] = {1, 1}, mean[A], above[A];
      obs[s] = 1;
      ck_ok(sac_agent_act(agent, 1, obs, NULL, 1, mean, NULL));
      ck_ok(sac_agent_act(agent, 1, obs, ones, 0, above, NULL));
      for (int k = 0; k < A; k++) {
        const double m = atanh((double)mean[k]), sigma = atanh((double)above[k]) - m;
        mu[s][k] += m / readings;
        log_sigma[s][k] += log(sigma) / readings;
      }
    }
  }
  sac_agent_destroy(agent);

  /* against the optimum, which is found in double */
  for (int s = 0; s < CONTEXTS; s++)
    for (int k = 0; k < A; k++) {
      const double c = peak[s][k], steep = steepness[s][k];
      double best_mu, best_log_sigma;
      find_optimum(c, steep, &best_mu, &best_log_sigma);
      const double gap = objective(mu[s][k], log_sigma[s][k], c, steep) - objective(best_mu, best_log_sigma, c, steep);
      printf("%-5s context %d, component %d: mean %7.4f (best %7.4f), std %6.4f (best %6.4f), F above the best %.1e\n",
             algo, s, k, mu[s][k], best_mu, exp(log_sigma[s][k]), exp(best_log_sigma), gap);
      ck_near(mu[s][k], best_mu, OPTIMUM_MEAN_ABS);
      ck_near(exp(log_sigma[s][k] - best_log_sigma), 1, OPTIMUM_STD_REL);
      ck_assert_double_lt(gap, OPTIMUM_GAP);
    }
}
END_TEST

CHECK_MAIN("optimum", LOOP(learns_the_best_squashed_gaussian, SAC_ALGO_COUNT))
