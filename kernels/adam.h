// Adam with bias correction, one weight at a time.
//
// Kingma and Ba 2015, arXiv 1412.6980, algorithm 1, in the arrangement of torch.optim.Adam (eps outside the root of the
// corrected moment, no weight decay, no amsgrad), so that updates agree to rounding.
#ifndef SAC_KERNELS_ADAM_H
#define SAC_KERNELS_ADAM_H

#include "kernels/real.h"

// The scalars of one step, the same for every weight of a set.
typedef struct sac_adam_step {
  real step_size;   // lr / (1 - beta1^t)
  real root_scale;  // 1 / sqrt(1 - beta2^t)
  real beta2;
  real one_minus_beta1, one_minus_beta2;
  real eps;
} sac_adam_step;

// [adam.step] 1 - beta^t, the correction of a moment's bias, as -expm1(t log beta): the plain difference loses three
// digits at t = 1, beta = 0.999.
SAC_FN double sac_adam_correction(uint64_t t, double beta) { return -expm1((double)t * log(beta)); }

// [adam.step] Scalars of step t = 1, 2, ..., computed in double.
SAC_FN sac_adam_step sac_adam_begin(uint64_t t, double lr, double beta1, double beta2, double eps) {
  sac_adam_step step;
  // the corrections of the moments' bias
  step.step_size = (real)(lr / sac_adam_correction(t, beta1));
  step.root_scale = (real)(1.0 / sqrt(sac_adam_correction(t, beta2)));
  // the other scalars are the same in every step
  step.beta2 = (real)beta2;
  step.one_minus_beta1 = (real)(1.0 - beta1);
  step.one_minus_beta2 = (real)(1.0 - beta2);
  step.eps = (real)eps;
  return step;
}

// The updates in which the actor and the temperature are held: from, ..., until - 1, counted from 0. None: both are 0.
typedef struct sac_adam_hold {
  uint64_t from, until;
} sac_adam_hold;

// [adam.hold] The number t of the step in the update that follows `updates` others; 0: no step, as the update is held.
// Held updates are not counted: the moments grow with the steps that were made.
SAC_FN uint64_t sac_adam_number(sac_adam_hold hold, uint64_t updates) {
  if (updates >= hold.until) return updates + 1 - (hold.until - hold.from);
  return updates < hold.from ? updates + 1 : 0;
}

// [adam.hold] The scalars of a step that leaves the weight and both moments as they are.
SAC_FN sac_adam_step sac_adam_still(void) {
  sac_adam_step step;
  step.step_size = step.one_minus_beta1 = step.one_minus_beta2 = 0;
  step.root_scale = step.beta2 = step.eps = 1;
  return step;
}

// [adam] m <- m + (1 - beta1)(g - m),  v <- beta2 v + (1 - beta2) g^2,  returns
//   weight - lr/(1 - beta1^t) m / (sqrt(v)/sqrt(1 - beta2^t) + eps)
SAC_FN real sac_adam(sac_adam_step step, real weight, real gradient, real* m, real* v) {
  const real first = *m + step.one_minus_beta1 * (gradient - *m);
  const real second = step.beta2 * *v + step.one_minus_beta2 * gradient * gradient;
  *m = first;
  *v = second;
  return weight - step.step_size * first / (sac_sqrt(second) * step.root_scale + step.eps);
}

#endif
