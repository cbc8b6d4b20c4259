// SacTabular-v0: a random MDP with few states and actions, whose soft values and best policies can be computed
// (src/env/exact.h).
//
// From state s action a leads to one of `branching` states, which are drawn without repetition, with probabilities
// drawn uniformly from all that sum to 1. Its mean reward is uniform in (-1, 1). The share `terminal` of the states,
// those of the highest numbers, ends the episode: the step that reaches one terminates. An episode starts in each of
// the other states with the same probability.
//
// The MDP is a function of the options: Philox words whose key is the option `seed`. Nothing of it is stored, so a step
// computes its row of the transition table. Sums of double and products of float are all that it needs, so its bits are
// the same on every machine.
#ifndef SAC_KERNELS_TASKS_TABULAR_H
#define SAC_KERNELS_TASKS_TABULAR_H

#include "kernels/tasks/task.h"

enum {
  sac_tabular_obs_size = 64,  // the largest; one number a state, or its features
  sac_tabular_action_size = 1,
  sac_tabular_actions = 8,  // the largest
  sac_tabular_max_episode_steps = 100,
  sac_tabular_initial_size = 1,  // the number of a state
};

#define SAC_TABULAR_STATES_MAX 64

// branching: successors of a state and action; all states where there are fewer. reward_noise: standard deviation of
// the Gaussian noise that is added to the reward of a step. terminal: share of the states, rounded to a whole number;
// one state at least is none. discount: of the exact answer only; that of a training is gamma. features: length of
// the vector of a state where the observation is its features, uniform numbers in (-1, 1).
#define SAC_TABULAR_OPTIONS(X)                                 \
  X(tabular, INT, states, 10, 2, SAC_TABULAR_STATES_MAX, "")   \
  X(tabular, INT, actions, 4, 2, 8, "")                        \
  X(tabular, INT, seed, 0, 0, 1e9, "")                         \
  X(tabular, INT, branching, 4, 1, SAC_TABULAR_STATES_MAX, "") \
  X(tabular, REAL, reward_noise, 0.0, 0.0, 1e3, "")            \
  X(tabular, REAL, terminal, 0.1, 0.0, 0.9, "")                \
  X(tabular, REAL, discount, 0.99, 0.0, 0.999, "")             \
  X(tabular, CHOICE, observation, 0, 0, 0, "one-hot|features") \
  X(tabular, INT, features, 8, 1, sac_tabular_obs_size, "")

typedef struct sac_tabular_options {
  SAC_TABULAR_OPTIONS(SAC_TASK_MEMBER)
} sac_tabular_options;

typedef struct sac_tabular {
  double at;                   // number of the state
  double steps;                // steps of the episode so far
  double seed_low, seed_high;  // of the episode, 32 bits each
} sac_tabular;

// Streams of the words of a step, whose key is the episode's seed, and of the MDP's, whose key is its own.
#define SAC_TABULAR_STREAM_STEP ((uint64_t)1)
#define SAC_TABULAR_STREAM_TRANSITIONS ((uint64_t)2)
#define SAC_TABULAR_STREAM_REWARDS ((uint64_t)3)
#define SAC_TABULAR_STREAM_FEATURES ((uint64_t)4)

SAC_FN int32_t sac_tabular_obs_of(const sac_tabular_options* options) {
  return options->observation ? options->features : options->states;
}
SAC_FN int32_t sac_tabular_actions_of(const sac_tabular_options* options) { return options->actions; }

SAC_FN void sac_tabular_bounds(const sac_tabular_options* options, float* low, float* high) {
  // discrete actions have no bounds
  (void)options;
  (void)low;
  (void)high;
}

// The number of states that are not terminal; they come first.
SAC_FN int32_t sac_tabular_living(const sac_tabular_options* options) {
  const int32_t living = options->states - (int32_t)rint(options->terminal * options->states);
  return living > 1 ? living : 1;
}

SAC_FN int sac_tabular_is_terminal(const sac_tabular_options* options, int32_t s) {
  return s >= sac_tabular_living(options);
}

// The place of (s, a) in the streams of the MDP, which is the same for all sizes.
SAC_FN uint64_t sac_tabular_pair(int32_t s, int32_t a) { return (uint64_t)(s * sac_tabular_actions + a); }

// weight[n] / (the sum, which is returned) is P(n | s, a); 0 for a state that is no successor. Weights that are
// exponentially distributed make probabilities that are uniform among all that sum to 1.
SAC_FN double sac_tabular_weights(const sac_tabular_options* options, int32_t s, int32_t a,
                                  double weight[SAC_TABULAR_STATES_MAX]) {
  const uint64_t block = sac_tabular_pair(s, a) * SAC_TABULAR_STATES_MAX;
  int32_t missing = options->branching < options->states ? options->branching : options->states;
  double sum = 0;
  for (int32_t n = 0; n < options->states; n++) {
    // of the states that are left, each is taken with the same probability
    const sac_words words = sac_philox((uint64_t)options->seed, SAC_TABULAR_STREAM_TRANSITIONS, block + (uint64_t)n);
    const int taken = (uint64_t)words.word[0] * (uint64_t)(options->states - n) < (uint64_t)missing << 32;
    missing -= taken;
    weight[n] = taken ? (double)sac_minus_log_uniform(words.word[1]) : 0.0;
    sum += weight[n];
  }
  return sum;
}

// r(s, a), the mean reward of a step.
SAC_FN double sac_tabular_reward(const sac_tabular_options* options, int32_t s, int32_t a) {
  const sac_words words = sac_philox((uint64_t)options->seed, SAC_TABULAR_STREAM_REWARDS, sac_tabular_pair(s, a));
  return 2 * sac_uniform_double(words.word[0], words.word[1]) - 1;
}

// Number j of the features of state s.
SAC_FN float sac_tabular_feature(const sac_tabular_options* options, int32_t s, int32_t j) {
  const uint64_t block = (uint64_t)(s * (sac_tabular_obs_size / SAC_UNIFORMS_PER_BLOCK) + j / SAC_UNIFORMS_PER_BLOCK);
  const sac_words words = sac_philox((uint64_t)options->seed, SAC_TABULAR_STREAM_FEATURES, block);
  return sac_uniform_within(words.word[j % SAC_UNIFORMS_PER_BLOCK], 1.0f);
}

// A whole number of the state, which may come from a file and be anything: 0 where it is outside [0, most].
SAC_FN uint32_t sac_tabular_whole(double x, uint32_t most) { return x >= 0 && x <= (double)most ? (uint32_t)x : 0; }

SAC_FN int32_t sac_tabular_at(const sac_tabular_options* options, const sac_tabular* state) {
  return (int32_t)sac_tabular_whole(state->at, (uint32_t)options->states - 1);
}

SAC_FN void sac_tabular_reset(const sac_tabular_options* options, sac_tabular* state, uint64_t seed) {
  // one of the states that are not terminal
  const sac_words words = sac_philox(seed, SAC_TASK_STREAM_RESET, 0);
  state->at = (double)sac_index(words.word[0], words.word[1], (uint64_t)sac_tabular_living(options));
  state->steps = 0;
  state->seed_low = (double)(uint32_t)seed;
  state->seed_high = (double)(uint32_t)(seed >> 32);
}

SAC_FN void sac_tabular_start(const sac_tabular_options* options, sac_tabular* state, const double* initial) {
  (void)options;
  state->at = initial[0];
  state->steps = 0;
  state->seed_low = 0;
  state->seed_high = 0;
}

SAC_FN int sac_tabular_step(const sac_tabular_options* options, sac_tabular* state, const real* action,
                            double* reward) {
  const int32_t s = sac_tabular_at(options, state), a = (int32_t)action[0];

  // the random words of this step
  const uint64_t seed =
      (uint64_t)sac_tabular_whole(state->seed_high, UINT32_MAX) << 32 | sac_tabular_whole(state->seed_low, UINT32_MAX);
  const uint32_t steps = sac_tabular_whole(state->steps, UINT32_MAX);
  const sac_words words = sac_philox(seed, SAC_TABULAR_STREAM_STEP, steps);
  state->steps = (double)steps + 1;

  // the next state: the first whose cumulative weight exceeds a uniform share of the sum, or the last successor
  double weight[SAC_TABULAR_STATES_MAX], cumulated = 0;
  const double sum = sac_tabular_weights(options, s, a, weight);
  const double u = sum * sac_uniform_double(words.word[0], words.word[1]);
  int32_t next = 0;
  for (int32_t n = 0; n < options->states && !(cumulated > u); n++) {
    cumulated += weight[n];
    next = weight[n] > 0 ? n : next;
  }
  state->at = next;

  // the mean reward, and Gaussian noise
  float noise, unused;
  sac_normal_pair(words.word[2], words.word[3], &noise, &unused);
  *reward = sac_tabular_reward(options, s, a) + (double)sac_mul((float)options->reward_noise, noise);
  return sac_tabular_is_terminal(options, next);
}

SAC_FN void sac_tabular_observe(const sac_tabular_options* options, const sac_tabular* state, float* obs) {
  const int32_t s = sac_tabular_at(options, state), size = sac_tabular_obs_of(options);
  for (int32_t j = 0; j < size; j++)
    obs[j] = options->observation ? sac_tabular_feature(options, s, j) : (float)(j == s);
}

#endif
