/* What the networks of an agent for discrete actions say about one state, in double. */
#ifndef SAC_AGENT_EXPLAIN_DISCRETE_H
#define SAC_AGENT_EXPLAIN_DISCRETE_H

#include <stdint.h>

typedef struct sac_explained_discrete {
  double log_z;   /* log Z, Z = sum_a exp(q_a/alpha) */
  double kl;      /* KL(pi || exp(q/alpha)/Z), nats */
  double entropy; /* of pi, nats */
  double v;       /* E_pi[q - alpha log pi] */
} sac_explained_discrete;

/* value (K, A): Q of each critic. mean: joins them by their mean, not their minimum. logits (A): of the softmax actor;
 * NULL: the policy is exp(q/alpha)/Z. Writes q, boltzmann and pi, (A) each: the joined critics, exp(q/alpha)/Z, and the
 * policy. */
void sac_explain_discrete(const double* value, int32_t critics, int32_t actions, int mean, double alpha,
                          const double* logits, double* q, double* boltzmann, double* pi, sac_explained_discrete* out);

#endif
