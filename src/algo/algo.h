/* Algorithms as data: the networks, the policy, and a list of the operations of one update. Backends run the list
 * (src/algo/plan.h). No other code depends on which algorithm runs.
 *
 * A new algorithm is a file src/algo/<name>.c, its equations for one row in kernels/, and a line of SAC_ALGOS. */
#ifndef SAC_ALGO_ALGO_H
#define SAC_ALGO_ALGO_H

#include <stdint.h>

#include <sac/policy.h>

#include "algo/flow.h"
#include "config/field.h"
#include "model/tensors.h"

/* X(ID, name of the struct sac_algo_<name>, name in the configuration). The first is the default of key `algo`. */
#define SAC_ALGOS(X)                            \
  X(SAC, sac, "sac")                            \
  X(SAC_V, sac_v, "sac-v")                      \
  X(SAC_DISCRETE, sac_discrete, "sac-discrete") \
  X(SOFT_Q, soft_q, "soft-q")

typedef enum sac_algo_id {
#define SAC_ALGO_ENUM(id, symbol, name) SAC_ALGO_##id,
  SAC_ALGOS(SAC_ALGO_ENUM)
#undef SAC_ALGO_ENUM
      SAC_ALGO_COUNT
} sac_algo_id;

/* Where networks are evaluated: the observations, and the actions that go with them. */
typedef enum sac_place {
  SAC_CURRENT, /* (s, a) of the replay */
  SAC_NEXT,    /* (s', a'), with a' sampled from the policy if the algorithm samples it */
  SAC_POLICY,  /* (s, a~), with a~ sampled from the policy; where nothing is sampled, s */
  SAC_PLACE_COUNT
} sac_place;

extern const char* const sac_place_names[SAC_PLACE_COUNT]; /* "(s, a)" */

/* The kinds of operations. All but TEMPERATURE work on the networks `nets`. */
typedef enum sac_op_kind {
  SAC_FORWARD,     /* evaluates the networks at a place, for all rows */
  SAC_ROWS,        /* applies a function to one row at a time: sac_op.row */
  SAC_BACKWARD,    /* from the gradient with respect to the output to those with respect to hidden pre-activations */
  SAC_GRADIENT,    /* gradients with respect to weights and biases, summed over all rows */
  SAC_ADAM,        /* Adam's step on weights and biases */
  SAC_INPUT_GRAD,  /* gradient with respect to the action; each row's goes through its smallest critic only */
  SAC_TEMPERATURE, /* Adam's step on log alpha, if alpha is learned; CUDA also sums the statistics in it */
  SAC_POLYAK,      /* moves the targets `nets` towards the networks `source` */
  SAC_OP_KIND_COUNT
} sac_op_kind;

extern const char* const sac_op_kind_names[SAC_OP_KIND_COUNT];

/* Row functions. X(ID, name, joins, also, equation). joins 1: the function reads the outputs of all networks of the
 * group at once; 0: it works on one network at a time. also: the group whose outputs at the same place it reads too;
 * GROUP_COUNT: none. row_uses in src/algo/plan.c says what else each reads and writes. The last five are of discrete
 * actions: Q is a vector there, and q(s, .) joins the critics (network.critics_join). */
#define SAC_ROW_FUNCTIONS(X)                                                                                     \
  X(SAMPLE, "sample", 0, GROUP_COUNT, "a = tanh(mu + sigma eps), log pi(a|s)")                                   \
  X(SOFT_TARGET, "soft target", 1, GROUP_COUNT, "y = r + gamma (1 - terminated)(min_k Qbar_k - alpha log pi)")   \
  X(VALUE_TARGET, "value target", 1, GROUP_COUNT, "y = r + gamma (1 - terminated) Vbar")                         \
  X(SQUARE_LOSS, "square loss", 0, GROUP_COUNT, "1/2 (Q - y)^2")                                                 \
  X(SOFT_VALUE_LOSS, "soft value loss", 0, GROUP_COUNT, "1/2 (V - (min_k Q_k - alpha log pi))^2")                \
  X(SMALLEST, "smallest", 1, GROUP_COUNT, "min_k Q_k, and which k")                                              \
  X(SAMPLE_GRAD, "sample gradient", 0, GROUP_COUNT, "d/d(mu, log sigma) of alpha log pi - min_k Q_k")            \
  X(SOFTMAX_TARGET, "softmax target", 1, ACTOR, "y = r + gamma (1 - terminated) sum_a pi (qbar - alpha log pi)") \
  X(BOLTZMANN_TARGET, "Boltzmann target", 1, GROUP_COUNT,                                                        \
    "y = r + gamma (1 - terminated) alpha log sum_a exp(qbar/alpha)")                                            \
  X(CHOSEN_LOSS, "chosen loss", 0, GROUP_COUNT, "1/2 (Q(s, .) - y)^2 of the action in the replay")               \
  X(SOFTMAX_GRAD, "softmax gradient", 0, CRITIC, "d/d logits of sum_a pi (alpha log pi - q)")                    \
  X(BOLTZMANN, "Boltzmann", 1, GROUP_COUNT, "pi = exp(q/alpha)/Z")

typedef enum sac_row_function {
  SAC_ROW_NONE,
#define SAC_ROW_ENUM(id, name, joins, also, equation) SAC_ROW_##id,
  SAC_ROW_FUNCTIONS(SAC_ROW_ENUM)
#undef SAC_ROW_ENUM
      SAC_ROW_COUNT
} sac_row_function;

/* One operation of an update. */
typedef struct sac_op {
  sac_stage stage; /* the stage in which it runs, and to which its time counts */
  sac_op_kind kind;
  sac_group nets;       /* all but TEMPERATURE */
  sac_place at;         /* FORWARD, ROWS, BACKWARD, GRADIENT, INPUT_GRAD */
  sac_row_function row; /* ROWS */
  sac_group source;     /* POLYAK */
} sac_op;

/* A line of an update: SAC_OP(CRITIC, FORWARD, .nets = SAC_ACTOR, .at = SAC_POLICY). */
#define SAC_OP(word, what, ...) \
  { .stage = SAC_STAGE_##word##_UPDATE, .kind = SAC_##what, __VA_ARGS__ }

/* The kinds of policies (sac/policy.h) are those that libsac_policy evaluates. */
enum { SAC_POLICY_KIND_COUNT = SAC_POLICY_BOLTZMANN + 1 };

typedef struct sac_algorithm {
  const char* meaning; /* one line for people, with the paper */
  const sac_network* networks;
  const sac_op* update; /* (op_count) in order; stages ascend */
  int32_t network_count, op_count;
  sac_policy_kind policy;
  const sac_key_value* defaults; /* keys whose defaults it changes, ended by a NULL key; NULL: none */
  int discrete;                  /* 1: for discrete actions; 0: for continuous ones */

  /* The target entropy in nats, if alpha.target_entropy is auto. */
  double (*target_entropy)(const sac_settings* settings, const sac_shape* shape);
} sac_algorithm;

#define SAC_ALGO_DECLARE(id, symbol, name) extern const sac_algorithm sac_algo_##symbol;
SAC_ALGOS(SAC_ALGO_DECLARE)
#undef SAC_ALGO_DECLARE

/* The algorithm with this index in the list (the value of key `algo`). */
const sac_algorithm* sac_algo_at(int id);

/* The name of an algorithm in the configuration. */
const char* sac_algo_name(int id);

/* A row function's entries in SAC_ROW_FUNCTIONS. */
const char* sac_row_name(sac_row_function row);
const char* sac_row_equation(sac_row_function row);
int sac_row_joins(sac_row_function row);
sac_group sac_row_also(sac_row_function row);

/* The target entropy of continuous actions, -A; of discrete ones, the share alpha.target_entropy_share of log A. */
double sac_algo_entropy_continuous(const sac_settings* settings, const sac_shape* shape);
double sac_algo_entropy_discrete(const sac_settings* settings, const sac_shape* shape);

/* The group of networks that an algorithm acts with: the actor, or the critics where there is none. */
sac_group sac_algo_acts_with(const sac_algorithm* algo);

/* Whether the algorithm has networks of a group. */
int sac_algo_has(const sac_algorithm* algo, sac_group group);

/* The first algorithm for discrete actions (discrete 1), or for continuous ones: what to suggest to a user. */
int sac_algo_for(int discrete);

/* Whether the algorithm samples actions at a place, so that it needs noise for them. */
int sac_algo_samples(const sac_algorithm* algo, sac_place at);

/* Whether the algorithm has a statistic, by its index in SAC_STATISTICS: some need a value network, an actor, a
 * squashed Gaussian, or discrete actions. */
int sac_algo_has_statistic(const sac_algorithm* algo, int statistic);

/* Number of elements of a fixed array. */
#define SAC_LENGTH(array) ((int32_t)(sizeof(array) / sizeof *(array)))

#endif
