/* The state of an update in double: what its operations read and write (ops_reference.h). */
#ifndef TESTS_SUPPORT_OPS_STATE_H
#define TESTS_SUPPORT_OPS_STATE_H

#include "config/field.h"
#include "support/agent_case.h"
#include "support/ops_case.h"
#include "support/reference.h"

/* One network at one place: layer l's output behind its ReLU, and the gradient with respect to its
 * pre-activation. (B, size[l+1]) */
typedef struct ops_trace {
  double *y[REFERENCE_LAYERS], *d[REFERENCE_LAYERS];
} ops_trace;

typedef struct ops_state {
  const sac_agent* agent;
  int32_t p, B, O, A, K, actions; /* actions: number of discrete ones; 0: continuous */
  reference at;                   /* weights, gradients, moments and targets as they are now */
  double *obs, *next_obs, *reward, *terminated;
  double *action[SAC_PLACE_COUNT], *eps[SAC_PLACE_COUNT]; /* (B, A) */
  double* log_prob[SAC_PLACE_COUNT];                      /* (B) */
  double *y, *v_target, *smallest, *saturated;            /* (B) */
  double *log_z, *kl;                                     /* (B) of discrete actions */
  double* d_action;                                       /* (B, A) */
  double* choice;                                         /* (B) whole numbers */
  ops_trace trace[SAC_GROUP_COUNT][SAC_PLACE_COUNT][SAC_CRITICS_MAX];
  double loss[SAC_GROUP_COUNT];                    /* of the networks of a group */
  double alpha;                                    /* as the update began */
  double exponent;                                 /* the largest |q/alpha| of a policy exp(q/alpha)/Z */
  int impossible;                                  /* actions whose probability is 0 as a float */
  double alpha_loss, alpha_grad, alpha_grad_given; /* given: what Adam's step is to take instead; NaN: nothing */
  double t;                                        /* number of the update, from 1 */
  uint64_t corners;                                /* a hash of the branches taken: ReLUs, minima, clamps */

  /* Central differences: only network `net` of `group` has changed since the last run, and what follows from it. net
   * -1: everything is computed. */
  sac_group group;
  int32_t net;
  int moved[SAC_PLACE_COUNT]; /* the actions there differ from the last run's */
  const void* context;        /* the test's own, for functions that visit tensors */
  int32_t blocks;
  void* block[1024];
} ops_state;

static inline double* ops_floats(ops_state* s, size_t count) {
  ck_assert_int_lt(s->blocks, SAC_LENGTH(s->block));
  return s->block[s->blocks++] = calloc(count + 1, sizeof(double));
}

static inline double* ops_copy(ops_state* s, const float* from, size_t an_agent) {
  double* to = ops_floats(s, an_agent);
  for (size_t i = 0; from && i < an_agent; i++) to[i] = (double)from[(size_t)s->p * an_agent + i];
  return to;
}

/* The state of agent p as it is, and its part of the inputs. */
static inline ops_state* ops_create(const sac_agent* agent, int32_t p, const update_inputs* in) {
  ops_state* s = calloc(1, sizeof *s);
  const sac_shape* shape = &agent->shape;
  const size_t B = (size_t)shape->batch, O = (size_t)shape->obs, A = (size_t)shape->action;
  s->agent = agent, s->p = p, s->B = shape->batch, s->O = shape->obs, s->A = shape->action, s->K = shape->critics;
  s->actions = shape->actions;
  s->net = -1, s->alpha_grad_given = NAN, s->t = (double)agent->counters[p].updates + 1;
  s->at = reference_read(agent, p);
  s->alpha = reference_alpha(agent, &s->at);

  /* the minibatch */
  s->obs = ops_copy(s, in->obs, B * O), s->next_obs = ops_copy(s, in->next_obs, B * O);
  s->reward = ops_copy(s, in->reward, B), s->terminated = ops_copy(s, in->terminated, B);
  s->action[SAC_CURRENT] = ops_copy(s, in->action, B * A);
  s->action[SAC_NEXT] = ops_floats(s, B * A), s->action[SAC_POLICY] = ops_floats(s, B * A);
  s->eps[SAC_NEXT] = ops_copy(s, in->next_eps, B * A), s->eps[SAC_POLICY] = ops_copy(s, in->eps, B * A);

  /* columns and activations */
  for (int at = 0; at < SAC_PLACE_COUNT; at++) s->log_prob[at] = ops_floats(s, B);
  s->y = ops_floats(s, B), s->v_target = ops_floats(s, B), s->smallest = ops_floats(s, B);
  s->log_z = ops_floats(s, B), s->kl = ops_floats(s, B);
  s->saturated = ops_floats(s, B), s->choice = ops_floats(s, B), s->d_action = ops_floats(s, B * A);
  for (int32_t i = 0; i < agent->algo->op_count; i++) {
    const sac_op* op = &agent->algo->update[i];
    for (int32_t n = 0; op->kind == SAC_FORWARD && n < agent->tensors.nets[op->nets]; n++)
      for (int32_t l = 0; l < agent->tensors.net[op->nets][n].layers; l++) {
        const size_t count = B * (size_t)agent->tensors.net[op->nets][n].size[l + 1];
        s->trace[op->nets][op->at][n].y[l] = ops_floats(s, count);
        s->trace[op->nets][op->at][n].d[l] = ops_floats(s, count);
      }
  }
  return s;
}

static inline void ops_free(ops_state* s) {
  for (int32_t i = 0; i < s->blocks; i++) free(s->block[i]);
  reference_free(&s->at);
  free(s);
}

static inline void ops_corner(ops_state* s, int side) { s->corners = s->corners * 1099511628211u + (uint64_t)side + 1; }

/* The output of network n of an operation, (B, its outputs). */
static inline double* ops_output(const ops_state* s, const sac_op* op, int32_t n) {
  return s->trace[op->nets][op->at][n].y[s->agent->shape.layers];
}

static inline double* ops_d_output(const ops_state* s, const sac_op* op, int32_t n) {
  return s->trace[op->nets][op->at][n].d[s->agent->shape.layers];
}

/* Q(s, a) of critic k at row b, a the action of the replay. */
static inline const double* ops_chosen(const ops_state* s, const sac_op* op, int32_t k, int32_t b) {
  const double* row = ops_output(s, op, k) + b * (s->actions ? s->actions : 1);
  return s->actions ? row + (int32_t)s->action[SAC_CURRENT][b] : row;
}

static inline void ops_target(ops_state* s, int32_t b, double next_value) {
  const sac_settings* c = &s->agent->settings;
  s->y[b] = s->reward[b] * c->reward_scale + c->gamma * (1 - s->terminated[b]) * next_value;
}

#endif
