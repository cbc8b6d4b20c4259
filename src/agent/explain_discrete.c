/* The formulas of kernels in double: this file includes nothing that has them in float. */
#define SAC_REAL_DOUBLE

#include "agent/explain_discrete.h"

#include "kernels/bellman.h"
#include "kernels/discrete.h"

void sac_explain_discrete(const double* value, int32_t critics, int32_t actions, int mean, double alpha,
                          const double* logits, double* q, double* boltzmann, double* pi, sac_explained_discrete* out) {
  /* [sac.join] */
  for (int32_t a = 0; a < actions; a++) q[a] = sac_join_critics(value + a, (size_t)actions, critics, mean);

  /* the logarithms of both policies */
  sac_log_softmax(q, 1, actions, 1 / alpha, boltzmann);
  if (logits) sac_log_softmax(logits, 1, actions, 1, pi);
  else
    for (int32_t a = 0; a < actions; a++) pi[a] = boltzmann[a];

  /* [discrete.entropy] [discrete.kl] [sac-discrete.value] */
  out->log_z = sac_log_sum_exp(q, 1, actions, 1 / alpha);
  out->kl = sac_kl(pi, boltzmann, 1, actions);
  out->entropy = sac_entropy(pi, 1, actions);
  out->v = sac_discrete_value(pi, q, 1, actions, alpha);

  /* probabilities in place of their logarithms */
  for (int32_t a = 0; a < actions; a++) {
    pi[a] = SAC_M(exp)(pi[a]);
    boltzmann[a] = SAC_M(exp)(boltzmann[a]);
  }
}
