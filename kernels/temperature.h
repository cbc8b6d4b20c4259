// The learned temperature, one row of the minibatch at a time. The caller computes the mean over rows.
//
// Haarnoja et al. 2018, arXiv 1812.05905, equation 18, with log alpha in place of alpha, so that alpha stays positive
// (as in the authors' code). In other implementations alpha multiplies the loss in place of log alpha, so the gradient
// is scaled by alpha: consider this when numbers are compared.
#ifndef SAC_KERNELS_TEMPERATURE_H
#define SAC_KERNELS_TEMPERATURE_H

#include "kernels/real.h"

// alpha = exp(log_alpha). This uses libm's exp: alpha is one number for an agent, and log_alpha has no bounds.
SAC_FN real sac_alpha(real log_alpha) { return SAC_M(exp)(log_alpha); }

// [temperature.loss] -log_alpha (log pi + Hbar), Hbar the entropy target in nats; log pi is a constant.
SAC_FN real sac_alpha_loss(real log_alpha, real log_prob, real target_entropy) {
  return -log_alpha * (log_prob + target_entropy);
}

// [temperature.grad] Gradient with respect to log_alpha: -(log pi + Hbar). Where the entropy is below its target,
// the gradient is negative and alpha grows.
SAC_FN real sac_alpha_loss_grad(real log_prob, real target_entropy) { return -(log_prob + target_entropy); }

// [temperature.bounds] The bounds of a learned log_alpha; NaN: no bound. A NaN of log_alpha stays a NaN.
SAC_FN real sac_alpha_bounded(real log_alpha, real log_min, real log_max) {
  const real raised = log_alpha < log_min ? log_min : log_alpha;
  return raised > log_max ? log_max : raised;
}

// [temperature.target-entropy] Hbar = -A (arXiv 1812.05905, appendix D).
SAC_FN real sac_target_entropy(int action_size) { return (real)-action_size; }

#endif
