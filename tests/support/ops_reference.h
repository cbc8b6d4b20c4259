/* An update in double, operation by operation, in plain loops from the formulas of the papers. It shares the
 * algorithm's list and the layout of tensors with the library, and nothing else. What an operation does stands in
 * tables: by kind, by function of rows, by kind of network, by statistic. One that has no entry fails the test by name.
 *
 *   ops_state* s = ops_create(agent, p, &inputs);      the agent as it is now
 *   ops_run(s, &algo->update[i]);                      one operation of the list
 *   ops_free(s); */
#ifndef TESTS_SUPPORT_OPS_REFERENCE_H
#define TESTS_SUPPORT_OPS_REFERENCE_H

#include "support/ops_discrete.h"
#include "support/ops_state.h"

/* --- kinds of networks -------------------------------------------------------------------------------------------- */

/* One network over all rows. x (B, in): its input; w: its slab. */
typedef struct ops_network {
  ops_state* s;
  const sac_net* net;
  const double *w, *x;
  ops_trace* trace;
} ops_network;

typedef struct ops_network_kind {
  const char* name;                                     /* of key network.kind */
  void (*forward)(const ops_network* n);                /* y from x */
  void (*backward)(const ops_network* n, int32_t row);  /* d of the hidden layers of a row, from that of the head */
  void (*gradient)(const ops_network* n, double* grad); /* by weights and biases, from d and y; sums over all rows */
  double (*input_grad)(const ops_network* n, int32_t row, int32_t feature); /* from d of the first layer */
} ops_network_kind;

static inline size_t ops_weight(const sac_net* net, int32_t l, int32_t out, int32_t in) {
  return net->weight[l] + (size_t)out * (size_t)net->size[l] + (size_t)in;
}

/* Linear layers with ReLU between them. */
static void ops_mlp_forward(const ops_network* n) {
  const sac_net* net = n->net;
  const double* x = n->x;
  for (int32_t l = 0; l < net->layers; x = n->trace->y[l], l++)
    for (int32_t b = 0; b < n->s->B; b++)
      for (int32_t o = 0; o < net->size[l + 1]; o++) {
        double sum = n->w[net->bias[l] + (size_t)o];
        for (int32_t i = 0; i < net->size[l]; i++) sum += n->w[ops_weight(net, l, o, i)] * x[b * net->size[l] + i];
        const int cut = l + 1 < net->layers && sum <= 0;
        ops_corner(n->s, cut);
        n->trace->y[l][b * net->size[l + 1] + o] = cut ? 0 : sum;
      }
}

static void ops_mlp_backward(const ops_network* n, int32_t b) {
  const sac_net* net = n->net;
  for (int32_t l = net->layers - 1; l > 0; l--)
    for (int32_t i = 0; i < net->size[l]; i++) {
      double sum = 0;
      for (int32_t o = 0; o < net->size[l + 1]; o++)
        sum += n->w[ops_weight(net, l, o, i)] * n->trace->d[l][b * net->size[l + 1] + o];
      const int32_t at = b * net->size[l] + i;
      n->trace->d[l - 1][at] = n->trace->y[l - 1][at] > 0 ? sum : 0;
    }
}

static void ops_mlp_gradient(const ops_network* n, double* grad) {
  const sac_net* net = n->net;
  for (int32_t l = 0; l < net->layers; l++)
    for (int32_t o = 0; o < net->size[l + 1]; o++) {
      const double *d = n->trace->d[l] + o, *x = l ? n->trace->y[l - 1] : n->x;
      double bias = 0;
      for (int32_t i = 0; i < net->size[l]; i++) grad[ops_weight(net, l, o, i)] = 0;
      for (int32_t b = 0; b < n->s->B; b++) {
        const double its = d[b * net->size[l + 1]];
        bias += its;
        for (int32_t i = 0; i < net->size[l]; i++) grad[ops_weight(net, l, o, i)] += its * x[b * net->size[l] + i];
      }
      grad[net->bias[l] + (size_t)o] = bias;
    }
}

static double ops_mlp_input_grad(const ops_network* n, int32_t b, int32_t feature) {
  double sum = 0;
  for (int32_t o = 0; o < n->net->size[1]; o++)
    sum += n->w[ops_weight(n->net, 0, o, feature)] * n->trace->d[0][b * n->net->size[1] + o];
  return sum;
}

static const ops_network_kind ops_network_kinds[] = {
    {"mlp", ops_mlp_forward, ops_mlp_backward, ops_mlp_gradient, ops_mlp_input_grad}};

static inline const ops_network_kind* ops_find_network_kind(const char* name) {
  for (int32_t i = 0; i < SAC_LENGTH(ops_network_kinds); i++)
    if (strcmp(ops_network_kinds[i].name, name) == 0) return &ops_network_kinds[i];
  ck_abort_msg("network.kind %s has no entry in ops_network_kinds (tests/support/ops_reference.h)", name);
}

static inline const ops_network_kind* ops_network_kind_of(const ops_state* s) {
  return ops_find_network_kind(sac_network_kind_names[s->agent->settings.network_kind]);
}

/* Network n of an operation, with its input put together. */
static inline ops_network ops_network_of(ops_state* s, const sac_op* op, int32_t n, double* x) {
  const sac_net* net = &s->agent->tensors.net[op->nets][n];
  const double* obs = op->at == SAC_NEXT ? s->next_obs : s->obs;
  for (int32_t b = 0; b < s->B; b++)
    for (int32_t i = 0; i < net->size[0]; i++)
      x[b * net->size[0] + i] = i < s->O ? obs[b * s->O + i] : s->action[op->at][b * s->A + i - s->O];
  return (ops_network){s, net, s->at.slab[net->slab == SAC_SLAB_TARGET ? SAC_MEMORY_TARGET : SAC_MEMORY_WEIGHTS], x,
                       &s->trace[op->nets][op->at][n]};
}

/* --- functions of rows -------------------------------------------------------------------------------------------- */

/* Mean and log sigma of component i of row b; whether the clamp cut it. */
static inline int ops_gaussian(const ops_state* s, const double* head, int32_t b, int32_t i, double* mean,
                               double* log_sigma) {
  const sac_settings* c = &s->agent->settings;
  const double raw = head[b * 2 * s->A + s->A + i];
  *mean = head[b * 2 * s->A + i];
  *log_sigma = raw < c->log_std_min ? c->log_std_min : raw > c->log_std_max ? c->log_std_max : raw;
  return raw < c->log_std_min || raw > c->log_std_max;
}

/* u = mu + sigma eps, a = tanh(u), log pi(a|s) = log N(u; mu, sigma) - sum log(1 - tanh(u)^2) */
static void ops_sample(ops_state* s, const sac_op* op) {
  const double* head = ops_output(s, op, 0);
  for (int32_t b = 0; b < s->B; b++) {
    double log_prob = 0;
    for (int32_t i = 0; i < s->A; i++) {
      double mean, log_sigma;
      const double eps = s->eps[op->at][b * s->A + i];
      ops_corner(s, ops_gaussian(s, head, b, i, &mean, &log_sigma));
      const double u = mean + exp(log_sigma) * eps;
      s->action[op->at][b * s->A + i] = tanh(u);
      log_prob += -0.5 * eps * eps - log_sigma - 0.5 * log(2 * acos(-1.0)) + 2 * log(cosh(u));
    }
    s->log_prob[op->at][b] = log_prob;
  }
  s->moved[op->at] = s->net < 0 || s->group == op->nets;
}

/* The smallest output of a row, and whose it is. */
static inline double ops_smallest_of(ops_state* s, const sac_op* op, int32_t b, int32_t* which) {
  *which = 0;
  for (int32_t k = 1; k < s->agent->tensors.nets[op->nets]; k++)
    if (ops_output(s, op, k)[b] < ops_output(s, op, *which)[b]) *which = k;
  ops_corner(s, *which);
  return ops_output(s, op, *which)[b];
}

static void ops_soft_target(ops_state* s, const sac_op* op) {
  int32_t which;
  for (int32_t b = 0; b < s->B; b++)
    ops_target(s, b, ops_smallest_of(s, op, b, &which) - s->alpha * s->log_prob[op->at][b]);
}

static void ops_value_target(ops_state* s, const sac_op* op) {
  for (int32_t b = 0; b < s->B; b++) ops_target(s, b, ops_output(s, op, 0)[b]);
}

/* mean 1/2 (output - target)^2 of one network, and its gradient with respect to the output */
static inline void ops_regress(ops_state* s, const sac_op* op, int32_t n, const double* target) {
  for (int32_t b = 0; b < s->B; b++) {
    const double error = ops_output(s, op, n)[b] - target[b];
    ops_d_output(s, op, n)[b] = error / s->B;
    s->loss[op->nets] += 0.5 * error * error / s->B;
  }
}

static void ops_square_loss(ops_state* s, const sac_op* op) {
  s->loss[op->nets] = 0;
  for (int32_t n = 0; n < s->agent->tensors.nets[op->nets]; n++) ops_regress(s, op, n, s->y);
}

static void ops_soft_value_loss(ops_state* s, const sac_op* op) {
  for (int32_t b = 0; b < s->B; b++) s->v_target[b] = s->smallest[b] - s->alpha * s->log_prob[SAC_POLICY][b];
  s->loss[op->nets] = 0;
  ops_regress(s, op, 0, s->v_target);
}

static void ops_smallest(ops_state* s, const sac_op* op) {
  for (int32_t b = 0; b < s->B; b++) {
    int32_t which;
    s->smallest[b] = ops_smallest_of(s, op, b, &which);
    s->choice[b] = which;
  }
}

/* J_pi = mean(alpha log pi - min Q) through a = tanh(mu + sigma eps). d log pi/du = 2 a, da/du = 1 - a^2 = 1/cosh(u)^2,
 * du/d log sigma = sigma eps; log sigma itself stands in log pi as -log sigma. */
static void ops_sample_grad(ops_state* s, const sac_op* op) {
  const double* head = ops_output(s, op, 0);
  double* d_head = ops_d_output(s, op, 0);
  s->loss[op->nets] = 0;
  for (int32_t b = 0; b < s->B; b++) {
    s->loss[op->nets] += (s->alpha * s->log_prob[op->at][b] - s->smallest[b]) / s->B;
    s->saturated[b] = 0;
    for (int32_t i = 0; i < s->A; i++) {
      double mean, log_sigma;
      const int cut = ops_gaussian(s, head, b, i, &mean, &log_sigma);
      const double spread = exp(log_sigma) * s->eps[op->at][b * s->A + i], u = mean + spread;
      const double d_u = s->alpha / s->B * 2 * tanh(u) + s->d_action[b * s->A + i] / (cosh(u) * cosh(u));
      d_head[b * 2 * s->A + i] = d_u;
      d_head[b * 2 * s->A + s->A + i] = cut ? 0 : d_u * spread - s->alpha / s->B;
      s->saturated[b] += fabs(tanh(u)) > 0.999;
    }
  }
}

static void (*const ops_rows[SAC_ROW_COUNT])(ops_state* s, const sac_op* op) = {
    [SAC_ROW_SAMPLE] = ops_sample,
    [SAC_ROW_SOFT_TARGET] = ops_soft_target,
    [SAC_ROW_VALUE_TARGET] = ops_value_target,
    [SAC_ROW_SQUARE_LOSS] = ops_square_loss,
    [SAC_ROW_SOFT_VALUE_LOSS] = ops_soft_value_loss,
    [SAC_ROW_SMALLEST] = ops_smallest,
    [SAC_ROW_SAMPLE_GRAD] = ops_sample_grad,
    [SAC_ROW_SOFTMAX_TARGET] = ops_softmax_target,
    [SAC_ROW_BOLTZMANN_TARGET] = ops_boltzmann_target,
    [SAC_ROW_CHOSEN_LOSS] = ops_chosen_loss,
    [SAC_ROW_SOFTMAX_GRAD] = ops_softmax_grad,
    [SAC_ROW_BOLTZMANN] = ops_boltzmann};

/* Whether a function of rows is a loss: after it, s->loss of its networks is what their weights go down. */
static inline int ops_is_loss(const sac_op* op) {
  return op->row == SAC_ROW_SQUARE_LOSS || op->row == SAC_ROW_SOFT_VALUE_LOSS || op->row == SAC_ROW_SAMPLE_GRAD ||
         op->row == SAC_ROW_CHOSEN_LOSS || op->row == SAC_ROW_SOFTMAX_GRAD;
}

/* --- kinds of operations ------------------------------------------------------------------------------------------ */

static void ops_forward(ops_state* s, const sac_op* op) {
  for (int32_t n = 0; n < s->agent->tensors.nets[op->nets]; n++) {
    const int its = s->net < 0 || (s->group == op->nets && s->net == n);
    const int with_actions = s->agent->tensors.net[op->nets][n].size[0] > s->O;
    if (!its && !(with_actions && s->moved[op->at])) continue;
    double* x = calloc((size_t)s->B * (size_t)(s->O + s->A), sizeof *x);
    const ops_network network = ops_network_of(s, op, n, x);
    ops_network_kind_of(s)->forward(&network);
    free(x);
  }
}

static void ops_rows_op(ops_state* s, const sac_op* op) {
  ck_assert_msg(ops_rows[op->row] != NULL, "row function '%s' has no entry in ops_rows (tests/support/ops_reference.h)",
                sac_row_name(op->row));
  ops_rows[op->row](s, op);
}

static void ops_backward(ops_state* s, const sac_op* op) {
  double* x = calloc((size_t)s->B * (size_t)(s->O + s->A), sizeof *x);
  for (int32_t n = 0; n < s->agent->tensors.nets[op->nets]; n++) {
    const ops_network network = ops_network_of(s, op, n, x);
    for (int32_t b = 0; b < s->B; b++) ops_network_kind_of(s)->backward(&network, b);
  }
  free(x);
}

static void ops_gradient(ops_state* s, const sac_op* op) {
  double* x = calloc((size_t)s->B * (size_t)(s->O + s->A), sizeof *x);
  for (int32_t n = 0; n < s->agent->tensors.nets[op->nets]; n++) {
    const ops_network network = ops_network_of(s, op, n, x);
    ops_network_kind_of(s)->gradient(&network, s->at.slab[SAC_MEMORY_GRAD]);
  }
  free(x);
}

/* Each row through its smallest critic alone: dJ_pi/dQ = -1/B. */
static void ops_input_grad(ops_state* s, const sac_op* op) {
  double* x = calloc((size_t)s->B * (size_t)(s->O + s->A), sizeof *x);
  ops_network network[SAC_CRITICS_MAX];
  for (int32_t n = 0; n < s->agent->tensors.nets[op->nets]; n++) network[n] = ops_network_of(s, op, n, x);
  for (int32_t b = 0; b < s->B; b++) {
    const int32_t k = (int32_t)s->choice[b];
    ops_d_output(s, op, k)[b] = -1.0 / s->B;
    ops_network_kind_of(s)->backward(&network[k], b);
    for (int32_t i = 0; i < s->A; i++)
      s->d_action[b * s->A + i] = ops_network_kind_of(s)->input_grad(&network[k], b, s->O + i);
  }
  free(x);
}

static inline double ops_rate(const ops_state* s, const sac_op* op) {
  const sac_settings* c = &s->agent->settings;
  const double own = op->kind == SAC_TEMPERATURE ? c->alpha_lr : op->nets == SAC_ACTOR ? c->actor_lr : c->critic_lr;
  return isnan(own) ? c->lr : own;
}

/* Adam with bias correction, epsilon outside the root, on `count` weights from offset `at` on. */
static inline void ops_adam_step(ops_state* s, double rate, size_t at, size_t count) {
  const sac_settings* c = &s->agent->settings;
  for (size_t i = at; i < at + count; i++) {
    const double g = s->at.slab[SAC_MEMORY_GRAD][i];
    double *m = &s->at.slab[SAC_MEMORY_ADAM_M][i], *v = &s->at.slab[SAC_MEMORY_ADAM_V][i];
    *m = c->beta1 * *m + (1 - c->beta1) * g;
    *v = c->beta2 * *v + (1 - c->beta2) * g * g;
    const double m_hat = *m / (1 - pow(c->beta1, s->t)), v_hat = *v / (1 - pow(c->beta2, s->t));
    s->at.slab[SAC_MEMORY_WEIGHTS][i] -= rate * m_hat / (sqrt(v_hat) + c->epsilon);
  }
}

/* Calls `visit` for every tensor of the networks of a group, and of the networks `other` beside them. */
typedef void ops_visit(ops_state* s, const sac_op* op, size_t at, size_t other, size_t count);
static inline void ops_each_tensor(ops_state* s, const sac_op* op, sac_group other, ops_visit* visit) {
  const sac_tensors* tensors = &s->agent->tensors;
  for (int32_t n = 0; n < tensors->nets[op->nets]; n++) {
    const sac_net *net = &tensors->net[op->nets][n], *beside = &tensors->net[other][n];
    for (ops_tensor t = ops_first(net); t.count > 0; t = ops_next(net, t))
      visit(s, op, t.at, beside->layer[t.layer].tensor[t.number], t.count);
  }
}

static void ops_adam_tensor(ops_state* s, const sac_op* op, size_t at, size_t other, size_t count) {
  (void)other;
  ops_adam_step(s, ops_rate(s, op), at, count);
}
static void ops_adam(ops_state* s, const sac_op* op) { ops_each_tensor(s, op, op->nets, ops_adam_tensor); }

/* J_alpha = mean(-log alpha (log pi + Hbar)); behind the step alpha stays in [alpha.min, alpha.max] */
static void ops_temperature(ops_state* s, const sac_op* op) {
  const size_t at = s->agent->tensors.log_alpha;
  double mean = 0;
  for (int32_t b = 0; b < s->B; b++) mean += (s->log_prob[op->at][b] + s->agent->target_entropy) / s->B;
  s->alpha_loss = -s->at.slab[SAC_MEMORY_WEIGHTS][at] * mean;
  s->alpha_grad = -mean;
  if (!s->agent->settings.alpha_learn) return;
  s->at.slab[SAC_MEMORY_GRAD][at] = isnan(s->alpha_grad_given) ? s->alpha_grad : s->alpha_grad_given;
  ops_adam_step(s, ops_rate(s, op), at, 1);
  double* log_alpha = &s->at.slab[SAC_MEMORY_WEIGHTS][at];
  const sac_settings* c = &s->agent->settings;
  if (exp(*log_alpha) < c->alpha_min) *log_alpha = log(c->alpha_min);
  if (exp(*log_alpha) > c->alpha_max) *log_alpha = log(c->alpha_max);
}

static void ops_polyak_tensor(ops_state* s, const sac_op* op, size_t at, size_t source, size_t count) {
  const double tau = s->agent->settings.tau, *from = s->at.slab[SAC_MEMORY_WEIGHTS] + source;
  double* to = s->at.slab[SAC_MEMORY_TARGET] + at;
  (void)op;
  for (size_t i = 0; i < count; i++) to[i] = tau * from[i] + (1 - tau) * to[i];
}
static void ops_polyak(ops_state* s, const sac_op* op) { ops_each_tensor(s, op, op->source, ops_polyak_tensor); }

static void (*const ops_kinds[SAC_OP_KIND_COUNT])(ops_state* s, const sac_op* op) = {
    [SAC_FORWARD] = ops_forward,         [SAC_ROWS] = ops_rows_op, [SAC_BACKWARD] = ops_backward,
    [SAC_GRADIENT] = ops_gradient,       [SAC_ADAM] = ops_adam,    [SAC_INPUT_GRAD] = ops_input_grad,
    [SAC_TEMPERATURE] = ops_temperature, [SAC_POLYAK] = ops_polyak};

static inline void ops_run(ops_state* s, const sac_op* op) {
  ck_assert_msg(ops_kinds[op->kind] != NULL, "operation '%s' has no entry in ops_kinds (tests/support/ops_reference.h)",
                sac_op_kind_names[op->kind]);
  ops_kinds[op->kind](s, op);
}

#endif
