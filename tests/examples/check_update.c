/* Checking an update from outside: put known weights in, make one update on a known minibatch with known noise, take
 * gradients and weights out, and compare with the formulas worked out by hand in double.
 *
 * The agent is as small as can be: one observation, one action, one hidden unit, one critic, a minibatch of one.
 *
 *   actor   h = relu(w s + b),  (mean, log sigma) = (wm h + bm, ws h + bs),  u = mean + sigma eps,  a = tanh(u)
 *   critic  Q(s, a) = v relu(p s + q a + c) + d
 *
 * The same is done for larger networks, other settings and many updates by `sac verify` on golden updates. */
#include <math.h>
#include <sac/sac.h>
#include <stdio.h>
#include <stdlib.h>

static int failures;

static void must(sac_status status) {
  if (status == SAC_OK) return;
  fprintf(stderr, "%s: %s\n", sac_status_name(status), sac_last_error());
  exit(EXIT_FAILURE);
}

static void near(const char* what, double ours, double expected) {
  const double tolerance = 1e-6 * (1 + fabs(expected)); /* a few float roundings */
  const int ok = fabs(ours - expected) <= tolerance;    /* false for NaN */
  printf("%-34s %14.9f  by hand %14.9f  %s\n", what, ours, expected, ok ? "ok" : "WRONG");
  if (!ok) failures++;
}

static void set(sac_agent* agent, const char* name, const double* values, size_t count) {
  float data[2];
  for (size_t i = 0; i < count; i++) data[i] = (float)values[i];
  must(sac_agent_tensor_set(agent, name, data, count));
}

static double get(sac_agent* agent, const char* name, size_t count, size_t i) {
  float data[2];
  must(sac_agent_tensor_get(agent, name, data, count));
  return (double)data[i];
}

/* --- by hand, in double ------------------------------------------------------------------------------------------- */

typedef struct actor {
  double w, b, wm, ws, bm, bs;
} actor;
typedef struct critic {
  double p, q, c, v, d;
} critic;

static double relu(double x) { return x > 0 ? x : 0; }
static double q_value(critic k, double s, double a) { return k.v * relu(k.p * s + k.q * a + k.c) + k.d; }

static double sample(actor m, double s, double eps, double* log_prob) {
  const double h = relu(m.w * s + m.b), log_sigma = m.ws * h + m.bs;
  const double u = m.wm * h + m.bm + exp(log_sigma) * eps;
  const double log_slope = 2 * (log(2) - u - log1p(exp(-2 * u))); /* log(1 - tanh(u)^2) */
  *log_prob = -0.5 * eps * eps - log_sigma - 0.5 * log(2 * acos(-1.0)) - log_slope;
  return tanh(u);
}

static double actor_loss(actor m, critic k, double s, double eps, double alpha) {
  double log_prob;
  const double a = sample(m, s, eps, &log_prob);
  return alpha * log_prob - q_value(k, s, a);
}

/* Adam's first step from zero: m = 0.1 g, v = 0.001 g^2, both divided by the same again: lr g/(|g| + eps). */
static double first_step(double weight, double gradient, double lr) {
  return weight - lr * gradient / (fabs(gradient) + 1e-8);
}

/* Long because it reads as the update runs: settings, weights, one transition, then critic, actor, temperature,
 * target. */
int main(void) {
  const double lr = 0.01, gamma = 0.9, tau = 0.25, scale = 2.0, log_alpha = -1.0;

  /* an agent whose networks have one hidden unit, so that a hand can follow it */
  sac_config* config = NULL;
  must(sac_config_create(&config));
  must(sac_config_set(config, "device", "cpu"));
  must(sac_config_set(config, "network.hidden", "1"));
  must(sac_config_set(config, "network.critics", "1"));
  must(sac_config_set(config, "replay.batch", "1"));
  must(sac_config_set(config, "replay.capacity", "1"));
  must(sac_config_set(config, "optim.lr", "0.01"));
  must(sac_config_set(config, "gamma", "0.9"));
  must(sac_config_set(config, "tau", "0.25"));
  must(sac_config_set(config, "reward_scale", "2"));

  /* observations and actions are single numbers */
  const float low = -1, high = 1;
  const sac_env_spec spec = {1, 1, 0, 0, &low, &high};
  sac_agent* agent = NULL;
  must(sac_agent_create(&agent, config, &spec));
  sac_config_destroy(config);

  /* Known weights. All are exact in float (multiples of 1/64), so that the agent starts where the hand does. Shapes are
   * (out, in); the actor's head has the mean's row first; a critic reads the observation, then the action. */
  actor m = {0.75, 0.25, 0.5, -0.25, 0.125, -0.5};
  critic k = {0.5, 0.75, 0.25, -0.5, 0.125}, bar = {0.25, 0.5, 0.5, 0.75, -0.25};
  const double mean_row_first[] = {m.wm, m.ws}, head_bias[] = {m.bm, m.bs};
  const double critic_in[] = {k.p, k.q}, bar_in[] = {bar.p, bar.q};
  set(agent, "actor.layers.0.weight", &m.w, 1);
  set(agent, "actor.layers.0.bias", &m.b, 1);
  set(agent, "actor.head.weight", mean_row_first, 2);
  set(agent, "actor.head.bias", head_bias, 2);
  set(agent, "critic.0.layers.0.weight", critic_in, 2);
  set(agent, "critic.0.layers.0.bias", &k.c, 1);
  set(agent, "critic.0.head.weight", &k.v, 1);
  set(agent, "critic.0.head.bias", &k.d, 1);
  set(agent, "critic_target.0.layers.0.weight", bar_in, 2);
  set(agent, "critic_target.0.layers.0.bias", &bar.c, 1);
  set(agent, "critic_target.0.head.weight", &bar.v, 1);
  set(agent, "critic_target.0.head.bias", &bar.d, 1);
  set(agent, "log_alpha", &log_alpha, 1);

  /* a known transition and known noise: nothing is drawn, and the replay stays empty */
  const float s = 0.5f, a = -0.25f, r = 1.5f, terminated = 0, next = 0.75f, eps = 0.5f, next_eps = -1.0f;
  const sac_minibatch minibatch = {&s, &a, &r, &terminated, &next};
  const sac_noise noise = {&eps, &next_eps};
  sac_update_stats stats;
  must(sac_agent_update_with(agent, &minibatch, &noise, &stats));

  /* the critic: y = r scale + gamma (Qbar(s', a') - alpha log pi(a'|s')), J = 1/2 (Q - y)^2 */
  const double alpha = exp((double)(float)log_alpha);
  double log_prob;
  const double next_action = sample(m, (double)next, (double)next_eps, &log_prob);
  const double y = (double)r * scale + gamma * (q_value(bar, (double)next, next_action) - alpha * log_prob);
  const double hidden = relu(k.p * (double)s + k.q * (double)a + k.c), error = k.v * hidden + k.d - y;
  near("alpha", stats.alpha, alpha);
  near("critic_loss", stats.critic_loss, 0.5 * error * error);
  near("td_error", stats.td_error, fabs(error));
  near("grad/critic.0.head.bias", get(agent, "grad/critic.0.head.bias", 1, 0), error);
  near("grad/critic.0.head.weight", get(agent, "grad/critic.0.head.weight", 1, 0), error * hidden);
  near("grad/critic.0.layers.0.bias", get(agent, "grad/critic.0.layers.0.bias", 1, 0), error * k.v);
  near("grad/critic.0.layers.0.weight [s]", get(agent, "grad/critic.0.layers.0.weight", 2, 0), error * k.v * (double)s);
  near("grad/critic.0.layers.0.weight [a]", get(agent, "grad/critic.0.layers.0.weight", 2, 1), error * k.v * (double)a);
  const critic old = k;
  k.d = first_step(old.d, error, lr);
  k.v = first_step(old.v, error * hidden, lr);
  k.c = first_step(old.c, error * old.v, lr);
  k.p = first_step(old.p, error * old.v * (double)s, lr);
  k.q = first_step(old.q, error * old.v * (double)a, lr);
  near("critic.0.head.weight", get(agent, "critic.0.head.weight", 1, 0), k.v);
  near("critic.0.layers.0.weight [a]", get(agent, "critic.0.layers.0.weight", 2, 1), k.q);

  /* the actor, through the critic just updated: its gradient by central differences of the loss */
  near("actor_loss", stats.actor_loss, actor_loss(m, k, (double)s, (double)eps, alpha));
  double* weights[] = {&m.w, &m.b, &m.wm, &m.ws, &m.bm, &m.bs};
  static const struct {
    const char* name;
    size_t count, index;
  } names[] = {{"grad/actor.layers.0.weight", 1, 0}, {"grad/actor.layers.0.bias", 1, 0},
               {"grad/actor.head.weight", 2, 0},     {"grad/actor.head.weight", 2, 1},
               {"grad/actor.head.bias", 2, 0},       {"grad/actor.head.bias", 2, 1}};
  double gradient[6];
  for (int i = 0; i < 6; i++) {
    const double kept = *weights[i], h = 1e-5;
    *weights[i] = kept + h;
    const double up = actor_loss(m, k, (double)s, (double)eps, alpha);
    *weights[i] = kept - h;
    const double down = actor_loss(m, k, (double)s, (double)eps, alpha);
    *weights[i] = kept;
    gradient[i] = (up - down) / (2 * h);
    near(names[i].name, get(agent, names[i].name, names[i].count, names[i].index), gradient[i]);
  }
  near("actor.head.bias [mean]", get(agent, "actor.head.bias", 2, 0), first_step(m.bm, gradient[4], lr));

  /* the temperature: J = -log alpha (log pi + Hbar), Hbar = -A = -1, of the log pi of the actor's pass */
  (void)sample(m, (double)s, (double)eps, &log_prob);
  near("entropy", stats.entropy, -log_prob);
  near("alpha_loss", stats.alpha_loss, -log_alpha * (log_prob - 1));
  near("grad/log_alpha", get(agent, "grad/log_alpha", 1, 0), -(log_prob - 1));
  near("log_alpha", get(agent, "log_alpha", 1, 0), first_step(log_alpha, -(log_prob - 1), lr));

  /* the target follows the critic */
  near("critic_target.0.head.weight", get(agent, "critic_target.0.head.weight", 1, 0), tau * k.v + (1 - tau) * bar.v);

  sac_agent_destroy(agent);
  printf("%s\n", failures ? "the update is not what the formulas say" : "the update is what the formulas say");
  return failures ? EXIT_FAILURE : EXIT_SUCCESS;
}
