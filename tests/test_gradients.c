/* The gradients that an update leaves in grad/NAME, against central differences of the losses: the formulas of kernels/
 * compiled in double, and a plain evaluation of the networks.
 *
 *   [sac]   critics at the weights before the update, the actor through the critics after it
 *   [sac-v] everything at the weights before the update
 *   [sac-discrete] as [sac], with sums over all actions; [soft-q] the critics alone */
#define SAC_REAL_DOUBLE
#include <sac/sac.h>

#include "kernels/bellman.h"
#include "kernels/discrete.h"
#include "kernels/layers.h"
#include "kernels/squash.h"
#include "kernels/temperature.h"
#include "support/check_main.h"
#include "support/config_of.h"
#include "support/tolerances.h"

#define WIDTH_MAX 64

typedef struct {
  const char* name;
  const char *algo, *hidden, *critics, *learn;
  int obs, act, batch;            /* act of discrete actions: how many there are */
  double mean_bias, log_std_bias; /* added to the actor's head, for saturated means and clamped log sigma */
  double terminated;
  const char* join; /* of discrete actions; NULL: continuous ones */
} problem;

static const problem problems[] = {
    {"plain", "sac", "7,5", "2", "true", 3, 2, 6, 0, 0, 0.3, NULL},
    {"ones", "sac", "1", "1", "true", 1, 1, 1, 0, 0, 0, NULL},
    {"five critics, three layers", "sac", "6,4,3", "5", "true", 4, 1, 5, 0, 0, 0.5, NULL},
    {"saturated", "sac", "6,6", "2", "true", 2, 2, 5, 4, 0, 0, NULL},
    {"far saturated", "sac", "6,6", "2", "true", 2, 2, 5, 30, 0, 0, NULL},
    {"clamped above", "sac", "6,6", "2", "true", 2, 2, 8, 0, 2.1, 0, NULL},
    {"clamped below", "sac", "6,6", "2", "true", 2, 2, 8, 0, -20.1, 0, NULL},
    {"fixed alpha", "sac", "8", "2", "false", 3, 2, 4, 0, 0, 1, NULL},
    {"value", "sac-v", "7,5", "2", "true", 3, 2, 6, 0, 0, 0.3, NULL},
    {"value, ones", "sac-v", "1", "1", "true", 1, 1, 1, 0, 0, 0, NULL},
    {"value, saturated", "sac-v", "6,6", "3", "true", 2, 2, 5, 9, 0, 0, NULL},
    {"value, clamped", "sac-v", "6,6", "2", "true", 2, 2, 8, 0, 2.1, 0, NULL},
    {"soft-q", "soft-q", "7,5", "2", "true", 3, 4, 6, 0, 0, 0.3, "min"},
    {"soft-q, five critics", "soft-q", "6", "5", "false", 3, 2, 5, 0, 0, 0.3, "mean"},
    {"soft-q, linear", "soft-q", "[]", "2", "true", 4, 6, 8, 0, 0, 0, "min"},
    {"softmax", "sac-discrete", "7,5", "2", "true", 3, 4, 6, 0, 0, 0.3, "min"},
    {"softmax, mean", "sac-discrete", "6,4,3", "5", "true", 4, 2, 5, 0, 0, 0.5, "mean"},
    {"softmax, linear", "sac-discrete", "[]", "3", "true", 4, 6, 8, 0, 0, 0, "min"},
    {"softmax, saturated", "sac-discrete", "6,6", "2", "false", 2, 3, 5, 4, 0, 0, "min"},
    {"softmax, far saturated", "sac-discrete", "6,6", "2", "true", 2, 3, 5, 60, 0, 0, "min"},
};
#define PROBLEMS (sizeof problems / sizeof *problems)

/* One network as plain arrays: x -> layers with ReLU -> head. Weights (out, in). */
typedef struct {
  int layers; /* with the head */
  int size[8];
  double* weight[8];
  double* bias[8];
  char name[8][2][80];
} net;

typedef struct {
  const problem* p;
  int critics;
  double alpha, log_alpha, gamma, reward_scale, target_entropy, log_std_min, log_std_max;
  float *obs, *action, *reward, *terminated, *next_obs, *noise, *next_noise;
  net actor, critic[5], critic_target[5], value, value_target;
} world;

static void net_name(net* n, const char* name) {
  for (int l = 0; l < n->layers; l++)
    for (int i = 0; i < 2; i++) {
      char layer[24] = "head";
      if (l < n->layers - 1) (void)snprintf(layer, sizeof layer, "layers.%d", l);
      (void)snprintf(n->name[l][i], sizeof n->name[l][i], "%s.%s.%s", name, layer, i ? "bias" : "weight");
    }
}

static size_t net_count(const net* n, int l, int bias) {
  return (size_t)n->size[l + 1] * (size_t)(bias ? 1 : n->size[l]);
}

static void net_make(net* n, const char* name, int in, const char* hidden, int out) {
  n->layers = 0;
  n->size[0] = in;
  char widths[32];
  (void)snprintf(widths, sizeof widths, "%s", strcmp(hidden, "[]") == 0 ? "" : hidden);
  for (char* w = strtok(widths, ","); w; w = strtok(NULL, ",")) n->size[++n->layers] = (int)strtol(w, NULL, 10);
  n->size[++n->layers] = out;
  for (int l = 0; l < n->layers; l++) {
    n->weight[l] = calloc(net_count(n, l, 0), sizeof(double));
    n->bias[l] = calloc(net_count(n, l, 1), sizeof(double));
  }
  net_name(n, name);
}

static void net_free(net* n) {
  for (int l = 0; l < n->layers; l++) {
    free(n->weight[l]);
    free(n->bias[l]);
  }
}

/* Copies a network's tensors out of the agent; returns them as doubles. */
static void net_get(net* n, const sac_agent* agent) {
  for (int l = 0; l < n->layers; l++)
    for (int i = 0; i < 2; i++) {
      float data[WIDTH_MAX * WIDTH_MAX];
      const size_t count = net_count(n, l, i);
      ck_ok(sac_agent_tensor_get(agent, n->name[l][i], data, count));
      double* to = i ? n->bias[l] : n->weight[l];
      for (size_t e = 0; e < count; e++) to[e] = (double)data[e];
    }
}

static void net_run(const net* n, const double* x, double* y) {
  double a[WIDTH_MAX] = {0}, b[WIDTH_MAX] = {0};
  memcpy(a, x, (size_t)n->size[0] * sizeof *a);
  for (int l = 0; l < n->layers; l++) {
    for (int o = 0; o < n->size[l + 1]; o++) {
      double sum = n->bias[l][o];
      for (int i = 0; i < n->size[l]; i++) sum += n->weight[l][o * n->size[l] + i] * a[i];
      b[o] = l < n->layers - 1 ? sac_relu(sum) : sum;
    }
    memcpy(a, b, sizeof a);
  }
  memcpy(y, a, (size_t)n->size[n->layers] * sizeof *y);
}

static double q_of(const net* n, const float* obs, const double* action, const world* w) {
  double x[WIDTH_MAX] = {0}, q = 0;
  for (int i = 0; i < w->p->obs; i++) x[i] = (double)obs[i];
  for (int i = 0; i < w->p->act; i++) x[w->p->obs + i] = action[i];
  net_run(n, x, &q);
  return q;
}

static double smallest_q(const net* nets, const float* obs, const double* action, const world* w) {
  double q[5] = {0};
  int index;
  for (int k = 0; k < w->critics; k++) q[k] = q_of(&nets[k], obs, action, w);
  return sac_min_critic(q, 1, w->critics, &index);
}

static double v_of(const net* n, const float* obs, const world* w) {
  double x[WIDTH_MAX] = {0}, v = 0;
  for (int i = 0; i < w->p->obs; i++) x[i] = (double)obs[i];
  net_run(n, x, &v);
  return v;
}

/* Samples a ~ pi(.|obs) with the given noise, and returns log pi. */
static double sample(const world* w, const float* obs, const float* noise, double* action) {
  double x[WIDTH_MAX] = {0}, head[WIDTH_MAX] = {0}, log_prob = 0;
  const int a = w->p->act;
  for (int i = 0; i < w->p->obs; i++) x[i] = (double)obs[i];
  net_run(&w->actor, x, head);
  for (int i = 0; i < a; i++) {
    const sac_squash_out out = sac_squash(head[i], head[a + i], (double)noise[i], w->log_std_min, w->log_std_max);
    action[i] = out.action;
    log_prob += out.log_prob;
  }
  return log_prob;
}

/* --- discrete actions --------------------------------------------------------------------------------------------- */

/* q(s, .) of the critics, joined; log pi(.|s), of the actor or exp(q/alpha)/Z. */
static void values_of(const world* w, const net* nets, const float* obs, double* q, double* log_p) {
  double x[WIDTH_MAX] = {0}, all[5][WIDTH_MAX] = {{0}}, head[WIDTH_MAX] = {0};
  for (int i = 0; i < w->p->obs; i++) x[i] = (double)obs[i];
  for (int k = 0; k < w->critics; k++) net_run(&nets[k], x, all[k]);
  for (int a = 0; a < w->p->act; a++)
    q[a] = sac_join_critics(&all[0][a], WIDTH_MAX, w->critics, strcmp(w->p->join, "mean") == 0);
  if (w->actor.layers) net_run(&w->actor, x, head);
  if (w->actor.layers) sac_log_softmax(head, 1, w->p->act, 1, log_p);
  else sac_log_softmax(q, 1, w->p->act, 1 / w->alpha, log_p);
}

/* V(s) under the policy: alpha log Z for exp(q/alpha)/Z. */
static double discrete_value(const world* w, const net* nets, const float* obs) {
  double q[WIDTH_MAX] = {0}, log_p[WIDTH_MAX] = {0};
  values_of(w, nets, obs, q, log_p);
  return w->actor.layers ? sac_discrete_value(log_p, q, 1, w->p->act, w->alpha)
                         : sac_boltzmann_value(q, 1, w->p->act, w->alpha);
}

/* -H of the policy at s. */
static double discrete_log_prob(const world* w, const float* obs) {
  double q[WIDTH_MAX] = {0}, log_p[WIDTH_MAX] = {0};
  values_of(w, w->critic, obs, q, log_p);
  return -sac_entropy(log_p, 1, w->p->act);
}

/* Q_k(s, a) of the action in the minibatch. */
static double chosen_q(const world* w, const net* n, int b) {
  double x[WIDTH_MAX] = {0}, q[WIDTH_MAX] = {0};
  for (int i = 0; i < w->p->obs; i++) x[i] = (double)w->obs[b * w->p->obs + i];
  net_run(n, x, q);
  return q[(int)w->action[b]];
}

/* --- the losses --------------------------------------------------------------------------------------------------- */

static double target_of(const world* w, int b) {
  const float* next = w->next_obs + b * w->p->obs;
  double next_value, action[WIDTH_MAX] = {0};
  if (strcmp(w->p->algo, "sac-v") == 0) {
    next_value = v_of(&w->value_target, next, w);
  } else if (w->p->join) {
    next_value = discrete_value(w, w->critic_target, next);
  } else {
    const double log_prob = sample(w, next, w->next_noise + b * w->p->act, action);
    next_value = sac_soft_value(smallest_q(w->critic_target, next, action, w), w->alpha, log_prob);
  }
  return sac_target((double)w->reward[b], w->reward_scale, sac_discount(w->gamma, (double)w->terminated[b]),
                    next_value);
}

typedef enum { CRITIC, ACTOR, VALUE, ALPHA } loss_kind;

/* The loss. fixed (B): values that gradients do not flow through, computed once: targets of critics and of the value
 * network. */
static double loss(const world* w, loss_kind kind, int k, const double* fixed) {
  double sum = 0, action[WIDTH_MAX] = {0};
  for (int b = 0; b < w->p->batch; b++) {
    const float* obs = w->obs + b * w->p->obs;
    const float* noise = w->noise + b * w->p->act;
    if (w->p->join) {
      if (kind == CRITIC) sum += sac_square_loss(chosen_q(w, &w->critic[k], b), fixed[b]);
      else if (kind == ACTOR) sum -= discrete_value(w, w->critic, obs);
      else sum += sac_alpha_loss(w->log_alpha, discrete_log_prob(w, obs), w->target_entropy);
    } else if (kind == CRITIC) {
      for (int i = 0; i < w->p->act; i++) action[i] = (double)w->action[b * w->p->act + i];
      sum += sac_square_loss(q_of(&w->critic[k], obs, action, w), fixed[b]);
    } else if (kind == VALUE) {
      sum += sac_square_loss(v_of(&w->value, obs, w), fixed[b]);
    } else {
      const double log_prob = sample(w, obs, noise, action);
      if (kind == ACTOR) sum += sac_actor_loss(smallest_q(w->critic, obs, action, w), w->alpha, log_prob);
      else sum += sac_alpha_loss(w->log_alpha, log_prob, w->target_entropy);
    }
  }
  return sum / w->p->batch;
}

static void fix_critic_targets(const world* w, double* fixed) {
  for (int b = 0; b < w->p->batch; b++) fixed[b] = target_of(w, b);
}

static void fix_value_targets(const world* w, double* fixed) {
  double action[WIDTH_MAX] = {0};
  for (int b = 0; b < w->p->batch; b++) {
    const float* obs = w->obs + b * w->p->obs;
    const double log_prob = sample(w, obs, w->noise + b * w->p->act, action);
    fixed[b] = sac_soft_value(smallest_q(w->critic, obs, action, w), w->alpha, log_prob);
  }
}

/* Compares grad/NAME of every tensor of a network with central differences, computed in place. */
static void check_net(const world* w, const sac_agent* agent, net* n, loss_kind kind, int k, const double* fixed) {
  for (int l = 0; l < n->layers; l++) {
    double numeric[2][WIDTH_MAX * WIDTH_MAX] = {{0}}, largest = 0;
    for (int i = 0; i < 2; i++) {
      double* at = i ? n->bias[l] : n->weight[l];
      for (size_t e = 0; e < net_count(n, l, i); e++) {
        const double kept = at[e], h = DIFFERENCE_STEP;
        at[e] = kept + h;
        const double up = loss(w, kind, k, fixed);
        at[e] = kept - h;
        const double down = loss(w, kind, k, fixed);
        at[e] = kept;
        numeric[i][e] = (up - down) / (2 * h);
        if (!(fabs(numeric[i][e]) <= largest)) largest = fabs(numeric[i][e]);
      }
    }
    for (int i = 0; i < 2; i++) {
      char name[96];
      float grad[WIDTH_MAX * WIDTH_MAX];
      (void)snprintf(name, sizeof name, "grad/%s", n->name[l][i]);
      ck_ok(sac_agent_tensor_get(agent, name, grad, net_count(n, l, i)));
      for (size_t e = 0; e < net_count(n, l, i); e++)
        ck_assert_msg(fabs((double)grad[e] - numeric[i][e]) <= GRADIENT_REL * largest + DIFFERENCE_ABS,
                      "%s: %s[%zu] is %.9g, by differences %.9g (largest of the layer %.3g)", w->p->name, name, e,
                      (double)grad[e], numeric[i][e], largest);
    }
  }
}

static uint64_t dice = 1;
static double uniform(void) {
  dice = dice * 6364136223846793005u + 1442695040888963407u;
  return (double)(dice >> 11) * 0x1p-53;
}
static double normal(void) {
  double sum = -6;
  for (int i = 0; i < 12; i++) sum += uniform();
  return sum;
}

static float* fill(int count, double (*draw)(void)) {
  float* x = calloc((size_t)count, sizeof *x);
  for (int i = 0; i < count; i++) x[i] = (float)draw();
  return x;
}
static double in_box(void) { return 2 * uniform() - 1; }

static double key(sac_config* config, const char* name) { return strtod(sac_config_get(config, name), NULL); }

static void get_all(world* w, const sac_agent* agent) {
  float log_alpha;
  ck_ok(sac_agent_tensor_get(agent, "log_alpha", &log_alpha, 1));
  w->log_alpha = (double)log_alpha;
  w->alpha = exp(w->log_alpha);
  if (w->actor.layers) net_get(&w->actor, agent);
  for (int k = 0; k < w->critics; k++) net_get(&w->critic[k], agent);
  for (int k = 0; w->critic_target[0].layers && k < w->critics; k++) net_get(&w->critic_target[k], agent);
  if (w->value.layers) net_get(&w->value, agent);
  if (w->value.layers) net_get(&w->value_target, agent);
}

/* The networks and inputs of a problem, in the test's own code. */
static world world_create(const problem* p, sac_config* config) {
  const int is_v = strcmp(p->algo, "sac-v") == 0, n = p->batch;
  const int q_in = p->join ? p->obs : p->obs + p->act, q_out = p->join ? p->act : 1;
  world w = {.p = p, .critics = (int)strtol(p->critics, NULL, 10)};
  w.gamma = key(config, "gamma");
  w.reward_scale = key(config, "reward_scale");
  w.target_entropy = key(config, "alpha.target_entropy");
  w.log_std_min = key(config, "policy.log_std_min");
  w.log_std_max = key(config, "policy.log_std_max");

  /* networks: sac has targets of the critics, sac-v a value network and its target, soft-q no actor */
  if (strcmp(p->algo, "soft-q") != 0) net_make(&w.actor, "actor", p->obs, p->hidden, p->join ? p->act : 2 * p->act);
  for (int k = 0; k < w.critics; k++) {
    char name[32];
    (void)snprintf(name, sizeof name, "critic.%d", k);
    net_make(&w.critic[k], name, q_in, p->hidden, q_out);
    (void)snprintf(name, sizeof name, "critic_target.%d", k);
    if (!is_v) net_make(&w.critic_target[k], name, q_in, p->hidden, q_out);
  }
  if (is_v) net_make(&w.value, "value", p->obs, p->hidden, 1);
  if (is_v) net_make(&w.value_target, "value_target", p->obs, p->hidden, 1);

  /* a minibatch and its noise */
  w.obs = fill(n * p->obs, normal);
  w.action = fill(n * p->act, in_box);
  for (int b = 0; p->join && b < n; b++) w.action[b] = (float)(int)(uniform() * p->act);
  w.reward = fill(n, normal);
  w.terminated = fill(n, uniform);
  for (int b = 0; b < n; b++) w.terminated[b] = (double)w.terminated[b] < p->terminated ? 1 : 0;
  w.next_obs = fill(n * p->obs, normal);
  w.noise = fill(n * p->act, normal);
  w.next_noise = fill(n * p->act, normal);
  return w;
}

static void world_free(world* w) {
  float* arrays[] = {w->obs, w->action, w->reward, w->terminated, w->next_obs, w->noise, w->next_noise};
  for (size_t i = 0; i < sizeof arrays / sizeof *arrays; i++) free(arrays[i]);
  net_free(&w->actor);
  net_free(&w->value);
  net_free(&w->value_target);
  for (int k = 0; k < w->critics; k++) {
    net_free(&w->critic[k]);
    net_free(&w->critic_target[k]);
  }
}

/* Moves the actor's means and log sigmas to where the problem wants them. */
static void bias_actor(sac_agent* agent, const problem* p) {
  float head[WIDTH_MAX];
  if (strcmp(p->algo, "soft-q") == 0) return;
  if (p->join) {
    /* logits: one action is more likely, or less likely, than the others */
    ck_ok(sac_agent_tensor_get(agent, "actor.head.bias", head, (size_t)p->act));
    head[0] += (float)p->mean_bias;
    head[1] -= (float)p->mean_bias;
    ck_ok(sac_agent_tensor_set(agent, "actor.head.bias", head, (size_t)p->act));
    return;
  }
  ck_ok(sac_agent_tensor_get(agent, "actor.head.bias", head, 2 * (size_t)p->act));
  for (int i = 0; i < p->act; i++) {
    head[i] += (float)(i % 2 ? -p->mean_bias : p->mean_bias);
    head[p->act + i] += (float)p->log_std_bias;
  }
  ck_ok(sac_agent_tensor_set(agent, "actor.head.bias", head, 2 * (size_t)p->act));
}

/* Compares grad/log_alpha with central differences. */
static void check_alpha(world* w, const sac_agent* agent) {
  float grad;
  const double kept = w->log_alpha, h = DIFFERENCE_STEP;
  ck_ok(sac_agent_tensor_get(agent, "grad/log_alpha", &grad, 1));
  w->log_alpha = kept + h;
  const double up = loss(w, ALPHA, 0, NULL);
  w->log_alpha = kept - h;
  const double down = loss(w, ALPHA, 0, NULL);
  w->log_alpha = kept;
  ck_near(grad, (up - down) / (2 * h), GRADIENT_REL * (1 + fabs(up / kept)));
}

START_TEST(central_differences) {
  const problem* p = &problems[_i];
  const int is_v = strcmp(p->algo, "sac-v") == 0, has_actor = strcmp(p->algo, "soft-q") != 0;
  dice = (uint64_t)_i + 1;

  /* an agent of the library */
  sac_agent* agent = NULL;
  sac_config* config = config_of(
      "device=cpu algo=%s network.hidden=%s network.critics=%s alpha.learn=%s alpha.initial=0.3 "
      "alpha.target_entropy=-0.4 replay.batch=%d replay.capacity=%d reward_scale=1.7 optim.lr=0.01",
      p->algo, p->hidden, p->critics, p->learn, p->batch, p->batch);
  const float low[] = {-1, -1}, high[] = {1, 1};
  const sac_env_spec continuous = {p->obs, p->act, 0, 0, low, high}, discrete = {p->obs, 1, p->act, 0, NULL, NULL};
  const sac_env_spec spec = p->join ? discrete : continuous;
  if (p->join) ck_ok(sac_config_set(config, "network.critics_join", p->join));
  ck_ok(sac_agent_create(&agent, config, &spec));
  bias_actor(agent, p);

  /* the same networks here, and what both compute with */
  world w = world_create(p, config);
  const sac_minibatch minibatch = {w.obs, w.action, w.reward, w.terminated, w.next_obs};
  const sac_noise noise = {w.noise, is_v ? NULL : w.next_noise};

  /* the second update has targets that differ from their networks, and moments that are not zero */
  for (int update = 0; update < 2; update++) {
    /* targets are constants of the loss: they are computed before a weight is moved */
    double critic_fixed[16] = {0}, value_fixed[16] = {0};
    get_all(&w, agent);
    fix_critic_targets(&w, critic_fixed);
    if (is_v) fix_value_targets(&w, value_fixed);
    world after = w;

    /* the critics, and the value network */
    ck_ok(sac_agent_update_with(agent, &minibatch, &noise, NULL));
    for (int k = 0; k < w.critics; k++) check_net(&w, agent, &w.critic[k], CRITIC, k, critic_fixed);
    if (is_v) check_net(&w, agent, &w.value, VALUE, 0, value_fixed);

    /* the losses of alpha and of the actor use the old actor; in [sac] the new critics */
    if (strcmp(p->learn, "true") == 0) check_alpha(&w, agent);
    if (!is_v)
      for (int k = 0; k < w.critics; k++) net_get(&after.critic[k], agent);
    if (has_actor) check_net(&after, agent, &after.actor, ACTOR, 0, NULL);
  }
  world_free(&w);
  sac_agent_destroy(agent);
  sac_config_destroy(config);
}
END_TEST

CHECK_MAIN("gradients", LOOP(central_differences, PROBLEMS))
