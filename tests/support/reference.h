/* SAC's update in double, written directly from the formulas in plain loops. It shares only the list of tensors with
 * the library. The CPU's stages are compared with it, stage by stage. */
#ifndef TESTS_SUPPORT_REFERENCE_H
#define TESTS_SUPPORT_REFERENCE_H

#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "agent/agent.h"

#define REFERENCE_LAYERS (SAC_LAYERS_MAX + 1)

/* The slabs of one agent in double, indexed by sac_memory, without the replay. */
typedef struct reference {
  double* slab[SAC_MEMORY_REPLAY];
  size_t floats[SAC_MEMORY_REPLAY];
} reference;

static inline void reference_free(reference* r) {
  for (int m = 0; m < SAC_MEMORY_REPLAY; m++) free(r->slab[m]);
}

/* The agent's present state. */
static inline reference reference_read(const sac_agent* agent, int32_t p) {
  reference r;
  for (int m = 0; m < SAC_MEMORY_REPLAY; m++) {
    const size_t count = agent->tensors.floats[m == SAC_MEMORY_TARGET ? SAC_SLAB_TARGET : SAC_SLAB_TRAINED];
    float* host = calloc(count + 1, sizeof(float));
    agent->backend->read(agent, (sac_memory)m, p, 0, host, count);
    r.floats[m] = count;
    r.slab[m] = calloc(count + 1, sizeof(double));
    for (size_t i = 0; i < count; i++) r.slab[m][i] = (double)host[i];
    free(host);
  }
  return r;
}

/* The activations of a network on one row: y[l] is the output of layer l, behind its ReLU except for the head. */
typedef struct reference_row {
  double* y[REFERENCE_LAYERS];
  double* d[REFERENCE_LAYERS];
} reference_row;

static inline reference_row reference_row_create(const sac_net* net) {
  reference_row row = {0};
  for (int l = 0; l < net->layers; l++) {
    row.y[l] = calloc((size_t)net->size[l + 1], sizeof(double));
    row.d[l] = calloc((size_t)net->size[l + 1], sizeof(double));
  }
  return row;
}

static inline void reference_row_free(const sac_net* net, reference_row* row) {
  for (int l = 0; l < net->layers; l++) free(row->y[l]), free(row->d[l]);
}

static inline const double* reference_forward(const sac_net* net, const double* w, const double* x,
                                              reference_row* row) {
  for (int l = 0; l < net->layers; l++) {
    for (int n = 0; n < net->size[l + 1]; n++) {
      double sum = w[net->bias[l] + (size_t)n];
      for (int k = 0; k < net->size[l]; k++)
        sum += w[net->weight[l] + (size_t)n * (size_t)net->size[l] + (size_t)k] * x[k];
      row->y[l][n] = l + 1 < net->layers && sum < 0 ? 0 : sum;
    }
    x = row->y[l];
  }
  return x;
}

/* Back from dJ/d(head): adds the gradients to grad, and writes the input's gradient to dx. Either may be NULL. */
static inline void reference_backward(const sac_net* net, const double* w, const double* x, const double* d_head,
                                      reference_row* row, double* grad, double* dx) {
  memcpy(row->d[net->layers - 1], d_head, (size_t)net->size[net->layers] * sizeof(double));
  for (int l = net->layers - 1; l >= 0; l--) {
    const double* in = l == 0 ? x : row->y[l - 1];
    const size_t width = (size_t)net->size[l];
    assert(in && row->d[l] && (l == 0 || (row->d[l - 1] && row->y[l - 1])));
    for (size_t k = 0; k < width; k++) {
      double sum = 0;
      for (size_t n = 0; n < (size_t)net->size[l + 1]; n++) {
        sum += w[net->weight[l] + n * width + k] * row->d[l][n];
        if (grad) grad[net->weight[l] + n * width + k] += row->d[l][n] * in[k];
      }
      if (l > 0) row->d[l - 1][k] = row->y[l - 1][k] <= 0 ? 0 : sum;
      else if (dx) dx[k] = sum;
    }
    for (size_t n = 0; grad && n < (size_t)net->size[l + 1]; n++) grad[net->bias[l] + n] += row->d[l][n];
  }
}

/* The squashed Gaussian of one row. */
static inline double reference_sample(const sac_settings* s, int actions, const double* head, const float* eps,
                                      double* action) {
  double log_prob = 0;
  for (int i = 0; i < actions; i++) {
    const double log_sigma = fmin(fmax(head[actions + i], s->log_std_min), s->log_std_max);
    const double u = head[i] + exp(log_sigma) * (double)eps[i];
    action[i] = tanh(u);
    log_prob += -0.5 * (double)eps[i] * (double)eps[i] - log_sigma - 0.5 * log(2 * acos(-1.0)) -
                2 * (log(2.0) - fabs(u) - log1p(exp(-2 * fabs(u))));
  }
  return log_prob;
}

/* The results of an update: gradients at the offsets of the trained slab, losses, and log-probabilities of a~. */
typedef struct reference_update {
  double* grad;
  double* log_prob; /* (B) */
  sac_update_stats stats;
} reference_update;

static inline reference_update reference_update_create(const sac_agent* agent) {
  reference_update u = {.grad = calloc(agent->tensors.floats[SAC_SLAB_TRAINED], sizeof(double)),
                        .log_prob = calloc((size_t)agent->shape.batch, sizeof(double))};
  return u;
}

static inline void reference_update_free(reference_update* u) {
  free(u->grad);
  free(u->log_prob);
}

static inline void reference_input(const float* obs, int obs_size, const float* action, int actions, double* x) {
  for (int i = 0; i < obs_size; i++) x[i] = (double)obs[i];
  for (int i = 0; action && i < actions; i++) x[obs_size + i] = (double)action[i];
}

static inline double reference_alpha(const sac_agent* agent, const reference* at) {
  return exp(at->slab[SAC_MEMORY_WEIGHTS][agent->tensors.log_alpha]);
}

/* The squared loss of `net` at x with target y, as its part of the mean over B; adds its gradient. */
static inline double reference_regress(const sac_agent* agent, const sac_net* net, const reference* at, const double* x,
                                       double y, reference_update* u, double* q) {
  reference_row row = reference_row_create(net);
  *q = reference_forward(net, at->slab[SAC_MEMORY_WEIGHTS], x, &row)[0];
  const double d = (*q - y) / agent->shape.batch;
  reference_backward(net, at->slab[SAC_MEMORY_WEIGHTS], x, &d, &row, u->grad, NULL);
  reference_row_free(net, &row);
  return 0.5 * (*q - y) * (*q - y) / agent->shape.batch;
}

/* The losses and gradients of the critics at the parameters `at`. reference_actor has those of the actor and the value
 * network. */
static inline void reference_critics(const sac_agent* agent, const reference* at, const sac_minibatch* mb,
                                     const sac_noise* noise, reference_update* u) {
  const sac_shape* s = &agent->shape;
  const sac_settings* c = &agent->settings;
  const int O = s->obs, A = s->action, B = s->batch, K = s->critics;
  double* x = calloc((size_t)(O + A), sizeof(double));
  const double *w = at->slab[SAC_MEMORY_WEIGHTS], *target = at->slab[SAC_MEMORY_TARGET];
  u->stats.alpha = reference_alpha(agent, at);
  for (int b = 0; b < B; b++) {
    double next_value;
    reference_input(mb->next_obs + (size_t)b * (size_t)O, O, NULL, A, x);
    if (c->algo == SAC_ALGO_SAC) {
      reference_row actor = reference_row_create(&agent->tensors.net[SAC_ACTOR][0]);
      const double* head = reference_forward(&agent->tensors.net[SAC_ACTOR][0], w, x, &actor);
      const double log_prob = reference_sample(c, A, head, noise->next_action + (size_t)b * (size_t)A, x + O);
      double smallest = INFINITY;
      for (int k = 0; k < K; k++) {
        reference_row row = reference_row_create(&agent->tensors.net[SAC_CRITIC_TARGET][k]);
        smallest = fmin(smallest, reference_forward(&agent->tensors.net[SAC_CRITIC_TARGET][k], target, x, &row)[0]);
        reference_row_free(&agent->tensors.net[SAC_CRITIC_TARGET][k], &row);
      }
      next_value = smallest - u->stats.alpha * log_prob;
      reference_row_free(&agent->tensors.net[SAC_ACTOR][0], &actor);
    } else {
      reference_row row = reference_row_create(&agent->tensors.net[SAC_VALUE_TARGET][0]);
      next_value = reference_forward(&agent->tensors.net[SAC_VALUE_TARGET][0], target, x, &row)[0];
      reference_row_free(&agent->tensors.net[SAC_VALUE_TARGET][0], &row);
    }
    const double y = (double)mb->reward[b] * c->reward_scale + c->gamma * (1 - (double)mb->terminated[b]) * next_value;
    reference_input(mb->obs + (size_t)b * (size_t)O, O, mb->action + (size_t)b * (size_t)A, A, x);
    for (int k = 0; k < K; k++) {
      double q;
      u->stats.critic_loss += reference_regress(agent, &agent->tensors.net[SAC_CRITIC][k], at, x, y, u, &q);
      u->stats.q_mean += q / B / K;
      u->stats.td_error += fabs(q - y) / B / K;
    }
  }
  free(x);
}

/* The actor's loss and gradient at the parameters `at`, and for sac-v those of the value network. */
static inline void reference_actor(const sac_agent* agent, const reference* at, const sac_minibatch* mb,
                                   const sac_noise* noise, reference_update* u) {
  const sac_shape* s = &agent->shape;
  const sac_settings* c = &agent->settings;
  const int O = s->obs, A = s->action, B = s->batch, K = s->critics;
  const double* w = at->slab[SAC_MEMORY_WEIGHTS];
  const double alpha = reference_alpha(agent, at);
  double* x = calloc((size_t)(O + A), sizeof(double));
  double* dx = calloc((size_t)(O + A), sizeof(double));
  double* d_head = calloc((size_t)(2 * A), sizeof(double));
  for (int b = 0; b < B; b++) {
    const float* eps = noise->action + (size_t)b * (size_t)A;
    reference_input(mb->obs + (size_t)b * (size_t)O, O, NULL, A, x);
    reference_row actor = reference_row_create(&agent->tensors.net[SAC_ACTOR][0]), critic[SAC_CRITICS_MAX];
    const double* head = reference_forward(&agent->tensors.net[SAC_ACTOR][0], w, x, &actor);
    const double log_prob = reference_sample(c, A, head, eps, x + O);
    int smallest = 0;
    double q[SAC_CRITICS_MAX] = {0};
    for (int k = 0; k < K; k++) {
      critic[k] = reference_row_create(&agent->tensors.net[SAC_CRITIC][k]);
      q[k] = reference_forward(&agent->tensors.net[SAC_CRITIC][k], w, x, &critic[k])[0];
      if (q[k] < q[smallest]) smallest = k;
    }
    const double d_q = -1.0 / B;
    reference_backward(&agent->tensors.net[SAC_CRITIC][smallest], w, x, &d_q, &critic[smallest], NULL, dx);
    for (int i = 0; i < A; i++) {
      const double a = x[O + i], raw = head[A + i], log_sigma = fmin(fmax(raw, c->log_std_min), c->log_std_max);
      const double spread = exp(log_sigma) * (double)eps[i];
      const double slope = 1 / (cosh(head[i] + spread) * cosh(head[i] + spread));
      d_head[i] = alpha / B * 2 * a + dx[O + i] * slope;
      d_head[A + i] = alpha / B * (-1 + 2 * a * spread) + dx[O + i] * slope * spread;
      if (raw < c->log_std_min || raw > c->log_std_max) d_head[A + i] = 0;
      u->stats.saturation += (fabs(a) > 0.999 ? 1.0 : 0.0) / B / A;
    }
    reference_backward(&agent->tensors.net[SAC_ACTOR][0], w, x, d_head, &actor, u->grad, NULL);
    u->log_prob[b] = log_prob;
    u->stats.actor_loss += (alpha * log_prob - q[smallest]) / B;
    u->stats.entropy -= log_prob / B;
    if (c->algo == SAC_ALGO_SAC_V) {
      double v;
      u->stats.value_loss +=
          reference_regress(agent, &agent->tensors.net[SAC_VALUE][0], at, x, q[smallest] - alpha * log_prob, u, &v);
    }
    for (int k = 0; k < K; k++) reference_row_free(&agent->tensors.net[SAC_CRITIC][k], &critic[k]);
    reference_row_free(&agent->tensors.net[SAC_ACTOR][0], &actor);
  }
  free(x);
  free(dx);
  free(d_head);
}

/* A step of Adam from the state `before` with the gradient in `after`, over n weights from offset `at`: gives the
 * expected weights, m and v. */
static inline void reference_adam(const sac_settings* c, uint64_t t, double lr, const reference* before,
                                  const reference* after, size_t at, double expected[3]) {
  const double g = after->slab[SAC_MEMORY_GRAD][at];
  const double m = c->beta1 * before->slab[SAC_MEMORY_ADAM_M][at] + (1 - c->beta1) * g;
  const double v = c->beta2 * before->slab[SAC_MEMORY_ADAM_V][at] + (1 - c->beta2) * g * g;
  const double m_hat = m / (1 - pow(c->beta1, (double)t)), v_hat = v / (1 - pow(c->beta2, (double)t));
  expected[0] = before->slab[SAC_MEMORY_WEIGHTS][at] - lr * m_hat / (sqrt(v_hat) + c->epsilon);
  expected[1] = m;
  expected[2] = v;
}

#endif
