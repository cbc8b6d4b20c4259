#include "cli/explain_one.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "util/error.h"

/* --- memory ------------------------------------------------------------------------------------------------------- */

/* The sizes of an agent, as the arrays need them. */
typedef struct sizes {
  size_t obs, action, actions, critics, head;
} sizes;

static sizes sizes_of(const sac_agent* agent) {
  const sac_shape* s = &agent->shape;
  const size_t action = (size_t)s->action, actions = (size_t)s->actions;
  return (sizes){(size_t)s->obs, action, actions, (size_t)s->critics, actions > 2 * action ? actions : 2 * action};
}

sac_status sac_explain_one_create(sac_explain_one* one, const sac_host_nets* nets) {
  const sizes n = sizes_of(nets->agent);
  one->nets = nets;

  /* each array and its number of doubles or floats */
  const struct {
    void** at;
    size_t count, size;
  } arrays[] = {
      {(void**)&one->value, n.critics * n.actions, sizeof(double)},
      {(void**)&one->q, n.actions, sizeof(double)},
      {(void**)&one->boltzmann, n.actions, sizeof(double)},
      {(void**)&one->pi, n.actions, sizeof(double)},
      {(void**)&one->mode, n.action, sizeof(double)},
      {(void**)&one->std, n.action, sizeof(double)},
      {(void**)&one->mode_q, n.critics, sizeof(double)},
      {(void**)&one->axis_q, n.action * SAC_EXPLAIN_AXIS, sizeof(double)},
      {(void**)&one->axis_log_pi, n.action * SAC_EXPLAIN_AXIS, sizeof(double)},
      {(void**)&one->input, n.obs + n.action, sizeof(double)},
      {(void**)&one->head, n.head, sizeof(double)},
      {(void**)&one->mean, n.action, sizeof(float)},
      {(void**)&one->log_std, n.action, sizeof(float)},
  };
  for (size_t i = 0; i < sizeof arrays / sizeof *arrays; i++)
    if (!(*arrays[i].at = calloc(arrays[i].count + 1, arrays[i].size)))
      return sac_fail(SAC_ERROR_MEMORY, "no memory to explain a state");
  return SAC_OK;
}

void sac_explain_one_free(sac_explain_one* one) {
  free(one->value);
  free(one->q);
  free(one->boltzmann);
  free(one->pi);
  free(one->mode);
  free(one->std);
  free(one->mode_q);
  free(one->axis_q);
  free(one->axis_log_pi);
  free(one->input);
  free(one->head);
  free(one->mean);
  free(one->log_std);
  *one = (sac_explain_one){0};
}

/* --- values ------------------------------------------------------------------------------------------------------- */

/* Puts the observation into the input of networks. */
static void put_obs(sac_explain_one* one, const float* obs) {
  one->obs = obs;
  for (int32_t i = 0; i < one->nets->agent->shape.obs; i++) one->input[i] = (double)obs[i];
}

static void fill_discrete(sac_explain_one* one) {
  const sac_agent* agent = one->nets->agent;
  const sac_shape* s = &agent->shape;
  const int has_actor = sac_algo_has(agent->algo, SAC_ACTOR);

  /* the critics and the logits, then what follows from them */
  for (int32_t k = 0; k < s->critics; k++)
    sac_host_nets_run(one->nets, SAC_CRITIC, k, one->input, one->value + (size_t)k * (size_t)s->actions);
  if (has_actor) sac_host_nets_run(one->nets, SAC_ACTOR, 0, one->input, one->head);
  sac_explain_discrete(one->value, s->critics, s->actions, agent->settings.critics_join == SAC_JOIN_MEAN,
                       one->nets->alpha, has_actor ? one->head : NULL, one->q, one->boltzmann, one->pi, &one->discrete);
}

/* min_k Q_k(s, a) of one action, in (-1, 1). each (K): Q of each critic; NULL: not asked for. */
static double smallest_q(const sac_explain_one* one, double* each) {
  double smallest = INFINITY;
  for (int32_t k = 0; k < one->nets->agent->shape.critics; k++) {
    double q;
    sac_host_nets_run(one->nets, SAC_CRITIC, k, one->input, &q);
    if (each) each[k] = q;
    if (!(q >= smallest) && !isnan(smallest)) smallest = q; /* a NaN stays */
  }
  return smallest;
}

/* min_k Q_k of n actions (n, A): what agent/explain.h asks for. */
static sac_status q_of(void* self, int32_t n, const float* action, float* q) {
  const sac_explain_one* one = self;
  const sac_shape* s = &one->nets->agent->shape;
  for (int32_t i = 0; i < n; i++) {
    for (int32_t a = 0; a < s->action; a++)
      one->input[s->obs + a] = (double)action[(size_t)i * (size_t)s->action + (size_t)a];
    q[i] = (float)smallest_q(one, NULL);
  }
  return SAC_OK;
}

/* Q and log pi along the axis of component i, from -1 to 1; the other components are those of the mode. */
static void fill_axis(sac_explain_one* one, const sac_explain_state* state, int32_t i) {
  const sac_shape* s = &one->nets->agent->shape;
  float* action = one->mean; /* `state` points to a copy of the head */
  for (int32_t j = 0; j < SAC_EXPLAIN_AXIS; j++) {
    const size_t at = (size_t)i * SAC_EXPLAIN_AXIS + (size_t)j;
    for (int32_t a = 0; a < s->action; a++) action[a] = (float)one->mode[a];
    action[i] = (float)(2.0 * j / (SAC_EXPLAIN_AXIS - 1) - 1);
    for (int32_t a = 0; a < s->action; a++) one->input[s->obs + a] = (double)action[a];
    one->axis_q[at] = smallest_q(one, NULL);
    one->axis_log_pi[at] = sac_explain_log_prob(state, action);
  }
}

static sac_status fill_continuous(sac_explain_one* one, uint64_t index, int32_t samples) {
  const sac_agent* agent = one->nets->agent;
  const sac_shape* s = &agent->shape;
  float* head = calloc(2 * (size_t)s->action, sizeof *head); /* means, then log_stds */
  if (!head) return sac_fail(SAC_ERROR_MEMORY, "no memory to explain a state");

  /* the actor: its mode and sigma */
  sac_host_nets_run(one->nets, SAC_ACTOR, 0, one->input, one->head);
  for (int32_t i = 0; i < s->action; i++) {
    const double log_std = one->head[s->action + i], low = agent->settings.log_std_min,
                 high = agent->settings.log_std_max;
    head[i] = (float)one->head[i];
    head[s->action + i] = (float)log_std;
    one->mode[i] = tanh(one->head[i]);
    one->std[i] = exp(log_std < low ? low : log_std > high ? high : log_std);
  }

  /* expectations, log Z and the KL divergence */
  const sac_explain_state state = {.action_size = s->action,
                                   .mean = head,
                                   .log_std = head + s->action,
                                   .log_std_min = agent->settings.log_std_min,
                                   .log_std_max = agent->settings.log_std_max,
                                   .alpha = one->nets->alpha,
                                   .q = q_of,
                                   .self = one};
  const sac_status status = sac_explain(&state, agent->seed[0], index, samples, &one->continuous);

  /* Q at the mode, and along each axis */
  for (int32_t i = 0; i < s->action; i++) one->input[s->obs + i] = one->mode[i];
  (void)smallest_q(one, one->mode_q);
  for (int32_t i = 0; i < s->action && status == SAC_OK; i++) fill_axis(one, &state, i);
  free(head);
  return status;
}

sac_status sac_explain_one_fill(sac_explain_one* one, const float* obs, uint64_t index, int32_t samples) {
  put_obs(one, obs);
  if (!one->nets->agent->algo->discrete) return fill_continuous(one, index, samples);
  fill_discrete(one);
  return isfinite(one->discrete.v) ? SAC_OK
                                   : sac_fail(SAC_ERROR_NUMERIC, "state %llu: a value of a network is not finite",
                                              (unsigned long long)index + 1);
}
