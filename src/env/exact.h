/* Exact answers: soft values and policies of environments that are small MDPs, from the soft Bellman operator in
 * double.
 *
 *   Q(s, a) = r(s, a) + discount sum_n P(n | s, a) (1 - terminal(n)) V(n)
 *   V(s)    = alpha log sum_a exp(Q(s, a) / alpha)             of the best policy, exp((Q - V) / alpha)
 *   V(s)    = sum_a pi(a | s) (Q(s, a) - alpha log pi(a | s))  of a given policy
 *   J       = the mean of V over the first state of an episode
 *
 * Values count the entropy of the policy from the current state on, times alpha, in nats. The time limit is not part of
 * the MDP. The values of a terminal state are those that it would have if an episode could start there. */
#ifndef SAC_ENV_EXACT_H
#define SAC_ENV_EXACT_H

#include <stdint.h>

#include <sac/status.h>

/* Changes by which the iteration has converged, relative to the largest value, or to 1. */
#define SAC_EXACT_TOLERANCE 1e-12

typedef struct sac_mdp {
  int32_t states, actions; /* S, A */
  double discount;         /* in [0, 1) */
  double* transition;      /* (S, A, S) P(n | s, a) */
  double* reward;          /* (S, A) mean reward of a step */
  double* start;           /* (S) probability of the first state of an episode */
  uint8_t* terminal;       /* (S) 1: a step that leads here ends the episode */
} sac_mdp;

typedef struct sac_soft_values {
  double* q;      /* (S, A) */
  double* v;      /* (S) */
  double* pi;     /* (S, A) the policy that these are the values of */
  double* log_pi; /* (S, A) */
  double j;
} sac_soft_values;

/* The names of the environments that have an exact answer, in a list that ends with NULL. */
extern const char* const sac_exact_envs[];

/* The MDP of environment `id` with these options (a JSON object, or NULL). *mdp is NULL on error. Errors: ENV (it has
 * no exact answer; names those that do), CONFIG (options), MEMORY. */
sac_status sac_mdp_create(sac_mdp** mdp, const char* id, const char* options);
void sac_mdp_destroy(sac_mdp* mdp);

/* Memory for the values of a policy of this MDP. *values is NULL on error. Errors: MEMORY. */
sac_status sac_soft_values_create(sac_soft_values** values, const sac_mdp* mdp);
void sac_soft_values_destroy(sac_soft_values* values);

/* The best policy and its values. alpha: above 0. */
void sac_mdp_solve(const sac_mdp* mdp, double alpha, sac_soft_values* values);

/* The values of the policy values->pi, whose rows sum to 1. alpha: above 0. */
void sac_mdp_evaluate(const sac_mdp* mdp, double alpha, sac_soft_values* values);

#endif
