/* Agents of any shape with random weights, moments and inputs, for the tests of the stages. */
#ifndef TESTS_SUPPORT_AGENT_CASE_H
#define TESTS_SUPPORT_AGENT_CASE_H

#include <stdio.h>
#include <stdlib.h>

#include "agent/agent.h"
#include "kernels/random.h"
#include "support/check_main.h"
#include "support/config_of.h"
#include "support/tolerances.h"

#define AGENT_CASE_KEYS 12

typedef struct agent_case {
  const char* algo;
  int obs, action; /* of a discrete algorithm: the number of its actions, 2 where it says 1 */
  const char* hidden;
  int batch, critics, population, threads; /* 0 agents or threads: 1 */
  const char* set[AGENT_CASE_KEYS][2];     /* more keys, ended by NULL */
} agent_case;

/* Whether the algorithm of a case takes discrete actions. */
static inline int agent_case_discrete(const agent_case* c) {
  int id = 0;
  while (id < SAC_ALGO_COUNT && strcmp(sac_algo_name(id), c->algo) != 0) id++;
  ck_assert_msg(id < SAC_ALGO_COUNT, "no algorithm is named '%s'", c->algo);
  return sac_algo_at(id)->discrete;
}

/* Creates the agent of a case, or says why not. */
static inline sac_status agent_case_try(const agent_case* c, sac_agent** agent) {
  sac_config* config = config_of(
      "device=cpu algo=%s network.hidden=%s replay.batch=%d network.critics=%d seeds=%d cpu.threads=%d "
      "replay.capacity=2000",
      c->algo, c->hidden, c->batch, c->critics, c->population ? c->population : 1, c->threads ? c->threads : 1);
  for (int i = 0; i < AGENT_CASE_KEYS && c->set[i][0]; i++) ck_ok(sac_config_set(config, c->set[i][0], c->set[i][1]));

  /* create the agent, with actions in [-1, 1], or discrete ones */
  float* low = calloc((size_t)c->action, sizeof(float));
  float* high = calloc((size_t)c->action, sizeof(float));
  for (int i = 0; i < c->action; i++) {
    low[i] = -1;
    high[i] = 1;
  }
  sac_env_spec spec = {
      .obs_size = c->obs, .action_size = c->action, .max_episode_steps = 100, .action_low = low, .action_high = high};
  if (agent_case_discrete(c))
    spec = (sac_env_spec){
        .obs_size = c->obs, .action_size = 1, .actions = c->action > 1 ? c->action : 2, .max_episode_steps = 100};
  const sac_status status = sac_agent_create(agent, config, &spec);
  free(low);
  free(high);
  sac_config_destroy(config);
  return status;
}

static inline sac_agent* agent_case_create(const agent_case* c) {
  sac_agent* agent;
  ck_ok(agent_case_try(c, &agent));
  return agent;
}

/* n numbers in (-bound, bound), the same for the same seed. */
static inline float* random_floats(uint64_t seed, size_t n, float bound) {
  float* x = calloc(n ? n : 1, sizeof(float));
  sac_fill_uniform(seed, 99, 0, n, bound, x);
  return x;
}

/* n actions from a stream of random numbers: in (-1, 1), or the numbers of discrete actions. */
static inline void random_actions(const sac_agent* agent, uint64_t key, uint64_t stream, size_t n, float* x) {
  const int32_t actions = agent->shape.actions;
  sac_fill_uniform(key, stream, 0, n, 1, x);
  for (size_t i = 0; actions > 0 && i < n; i++) {
    const float number = floorf((x[i] + 1) / 2 * (float)actions);
    x[i] = number < (float)actions ? number : (float)(actions - 1);
  }
}

/* The inputs of one update for P agents. Those of agent p do not depend on the population. */
typedef struct update_inputs {
  sac_minibatch minibatch;
  sac_noise noise;
  float *obs, *action, *reward, *terminated, *next_obs, *eps, *next_eps;
} update_inputs;

static inline update_inputs update_inputs_create(const sac_agent* agent, uint64_t seed) {
  const sac_shape* s = &agent->shape;
  const size_t P = (size_t)s->population, B = (size_t)s->batch, O = (size_t)s->obs, A = (size_t)s->action;
  update_inputs in;
  in.obs = calloc(P * B * O, sizeof(float));
  in.next_obs = calloc(P * B * O, sizeof(float));
  in.action = calloc(P * B * A, sizeof(float));
  in.reward = calloc(P * B, sizeof(float));
  in.terminated = calloc(P * B, sizeof(float));
  in.eps = calloc(P * B * A, sizeof(float));
  in.next_eps = calloc(P * B * A, sizeof(float));
  for (size_t p = 0; p < P; p++) {
    const uint64_t key = seed * 1000 + agent->seed[p];
    sac_fill_normals(key, 1, 0, B * O, in.obs + p * B * O);
    sac_fill_normals(key, 2, 0, B * O, in.next_obs + p * B * O);
    random_actions(agent, key, 3, B * A, in.action + p * B * A);
    sac_fill_normals(key, 4, 0, B, in.reward + p * B);
    sac_fill_uniform(key, 5, 0, B, 1, in.terminated + p * B);
    for (size_t b = 0; b < B; b++) in.terminated[p * B + b] = in.terminated[p * B + b] > 0.8f ? 1.0f : 0.0f;
    sac_fill_normals(key, 6, 0, B * A, in.eps + p * B * A);
    sac_fill_normals(key, 7, 0, B * A, in.next_eps + p * B * A);
  }
  in.minibatch = (sac_minibatch){in.obs, in.action, in.reward, in.terminated, in.next_obs};
  in.noise = agent->algo->discrete ? (sac_noise){NULL, NULL} : (sac_noise){in.eps, in.next_eps};
  return in;
}

static inline void update_inputs_free(update_inputs* in) {
  free(in->obs), free(in->next_obs), free(in->action), free(in->reward), free(in->terminated);
  free(in->eps), free(in->next_eps);
}

/* Makes a few updates, so that moments are not zero and targets differ from the networks. */
static inline void agent_case_age(sac_agent* agent, int updates) {
  for (int i = 0; i < updates; i++) {
    update_inputs in = update_inputs_create(agent, 77 + (uint64_t)i);
    ck_ok(sac_agent_update_with(agent, &in.minibatch, &in.noise, NULL));
    update_inputs_free(&in);
  }
}

/* Pushes n random transitions of each agent. */
static inline void agent_case_push(sac_agent* agent, int32_t n, uint64_t seed) {
  const size_t rows = (size_t)agent->shape.population * (size_t)n;
  const size_t O = (size_t)agent->shape.obs, A = (size_t)agent->shape.action;
  float *obs = calloc(rows * O, sizeof(float)), *next = calloc(rows * O, sizeof(float));
  float *action = calloc(rows * A, sizeof(float)), *reward = calloc(rows, sizeof(float));
  uint8_t *terminated = calloc(rows, 1), *truncated = calloc(rows, 1);
  for (size_t p = 0; p < (size_t)agent->shape.population; p++) {
    const uint64_t key = seed * 1000 + agent->seed[p];
    const size_t at = p * (size_t)n, count = (size_t)n;
    sac_fill_normals(key, 11, 0, count * O, obs + at * O);
    sac_fill_normals(key, 12, 0, count * O, next + at * O);
    random_actions(agent, key, 13, count * A, action + at * A);
    sac_fill_normals(key, 14, 0, count, reward + at);
    for (size_t i = 0; i < count; i++) terminated[at + i] = i % 7 == 3, truncated[at + i] = i % 11 == 5;
  }
  const sac_transitions t = {n, obs, action, reward, terminated, truncated, next};
  ck_ok(sac_agent_push(agent, &t));
  free(obs), free(next), free(action), free(reward), free(terminated), free(truncated);
}

/* The floats of agent p in a slab. */
static inline float* slab_copy(const sac_agent* agent, sac_memory memory, int32_t p, size_t* count) {
  *count = agent->tensors.floats[memory == SAC_MEMORY_TARGET ? SAC_SLAB_TARGET : SAC_SLAB_TRAINED];
  float* x = calloc(*count + 1, sizeof(float));
  ck_ok(agent->backend->read(agent, memory, p, 0, x, *count));
  return x;
}

/* Checks that a slab of agent p of one object equals that of agent q of another, to the bit. */
static inline void same_slab(const sac_agent* one, int32_t p, const sac_agent* other, int32_t q, sac_memory memory) {
  size_t count, count_other;
  float *a = slab_copy(one, memory, p, &count), *b = slab_copy(other, memory, q, &count_other);
  ck_assert_uint_eq(count, count_other);
  if (memcmp(a, b, count * sizeof(float)) != 0) {
    size_t i = 0;
    while (memcmp(&a[i], &b[i], sizeof(float)) == 0) i++;
    ck_abort_msg("slab %d differs at %zu: %.9g and %.9g", (int)memory, i, (double)a[i], (double)b[i]);
  }
  free(a);
  free(b);
}

/* Checks that agent p of one object equals agent q of another in every slab, to the bit. */
static inline void same_agents(const sac_agent* one, int32_t p, const sac_agent* other, int32_t q) {
  for (int m = 0; m < SAC_MEMORY_REPLAY; m++) same_slab(one, p, other, q, (sac_memory)m);
  ck_assert_mem_eq(&one->counters[p], &other->counters[q], sizeof one->counters[p]);
  ck_assert_mem_eq(&one->stats[p], &other->stats[q], sizeof one->stats[p]);
  ck_assert_mem_eq(&one->totals[p], &other->totals[q], sizeof one->totals[p]);
}

/* Compares the gradients of one network with the reference's. Errors are relative to the largest element of each
 * tensor, as the rounding of a sum depends on the size of its terms. */
#define ck_gradient(agent, net, got, expected, tolerance)                                                      \
  do {                                                                                                         \
    for (int l_ = 0; l_ < (net)->layers; l_++)                                                                 \
      for (int part_ = 0; part_ < 2; part_++) {                                                                \
        const size_t at_ = part_ ? (net)->bias[l_] : (net)->weight[l_];                                        \
        const size_t n_ = (size_t)(net)->size[l_ + 1] * (part_ ? 1 : (size_t)(net)->size[l_]);                 \
        double largest_ = 0;                                                                                   \
        for (size_t i_ = 0; i_ < n_; i_++) largest_ = fmax(largest_, fabs((expected)[at_ + i_]));              \
        for (size_t i_ = 0; i_ < n_; i_++)                                                                     \
          ck_assert_msg(fabs((got)[at_ + i_] - (expected)[at_ + i_]) <= (tolerance)*largest_ + GRADIENT_ABS,   \
                        "layer %d %s [%zu]: %.9g, not %.9g (largest %.3g)", l_, part_ ? "bias" : "weight", i_, \
                        (got)[at_ + i_], (expected)[at_ + i_], largest_);                                      \
      }                                                                                                        \
  } while (0)

/* Checks one network's weights and moments after step t of Adam, from the gradient that the agent has stored. */
#define ck_adam(agent, net, before, after, t, lr)                                                                    \
  do {                                                                                                               \
    for (int l_ = 0; l_ < (net)->layers; l_++)                                                                       \
      for (int part_ = 0; part_ < 2; part_++) {                                                                      \
        const size_t at_ = part_ ? (net)->bias[l_] : (net)->weight[l_];                                              \
        const size_t n_ = (size_t)(net)->size[l_ + 1] * (part_ ? 1 : (size_t)(net)->size[l_]);                       \
        for (size_t i_ = at_; i_ < at_ + n_; i_++) {                                                                 \
          double e_[3];                                                                                              \
          reference_adam(&(agent)->settings, t, lr, &(before), &(after), i_, e_);                                    \
          const double w_ = (before).slab[SAC_MEMORY_WEIGHTS][i_];                                                   \
          ck_near((after).slab[SAC_MEMORY_WEIGHTS][i_], e_[0], FLOAT_EPSILON * 2 * fabs(w_) + ADAM_STEP_REL * (lr)); \
          ck_near_relative((after).slab[SAC_MEMORY_ADAM_M][i_], e_[1], MOMENT_REL, MOMENT_ABS);                      \
          ck_near_relative((after).slab[SAC_MEMORY_ADAM_V][i_], e_[2], MOMENT_REL, MOMENT_ABS);                      \
        }                                                                                                            \
      }                                                                                                              \
  } while (0)

#endif
