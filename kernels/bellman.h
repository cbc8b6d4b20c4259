// Targets and losses of the critics, the value network and the actor, one row of the minibatch at a time. The caller
// computes means over rows and sums over critics, and multiplies gradients by the 1/B of the mean.
//
// [sac]   Haarnoja et al. 2018, arXiv 1812.05905, equations 5, 6 (critic) and 9, 10 (actor).
// [sac-v] Haarnoja et al. 2018, arXiv 1801.01290, equations 5, 6 (value), 7, 8, 9 (critic) and 12, 13 (actor).
#ifndef SAC_KERNELS_BELLMAN_H
#define SAC_KERNELS_BELLMAN_H

#include "kernels/real.h"

// [sac.min] Whether q replaces the smallest value so far. Of equal values the first stays. A NaN replaces any number
// and is never replaced. So the minimum of such a row is NaN, and the agent stops.
SAC_FN int sac_min_takes(real q, real smallest) { return !(q >= smallest) & (smallest == smallest); }

// [sac.min] min_k Q_k of one row: q[k*stride] for k in [0, critics), critics >= 1. *index: the critic that has the
// minimum; its gradient is the gradient of the minimum.
SAC_FN real sac_min_critic(const real* q, size_t stride, int critics, int* index) {
  real smallest = q[0];
  *index = 0;
  for (int k = 1; k < critics; k++) {
    const real candidate = q[(size_t)k * stride];
    // choose without a branch, so that a loop over rows vectorises
    const int takes = sac_min_takes(candidate, smallest);
    smallest = takes ? candidate : smallest;
    *index = takes ? k : *index;
  }
  return smallest;
}

// [sac.join] One value of the K critics of one row: their minimum, or their mean (`mean` 1). The minimum underestimates
// actions that are rarely taken, and the mean does not (Zhou et al. 2022, arXiv 2209.10081, section 4.2).
// join_next joins the value of one more critic with those before it, and join_end ends it.
SAC_FN real sac_join_next(real joined, real q, int mean) {
  return mean ? joined + q : sac_min_takes(q, joined) ? q : joined;
}
SAC_FN real sac_join_end(real joined, int critics, int mean) { return mean ? joined / (real)critics : joined; }
SAC_FN real sac_join_critics(const real* q, size_t stride, int critics, int mean) {
  real joined = q[0];
  for (int k = 1; k < critics; k++) joined = sac_join_next(joined, q[(size_t)k * stride], mean);
  return sac_join_end(joined, critics, mean);
}

// [sac.soft-value] [sac-v.value-target] min_k Q_k(s, a~) - alpha log pi(a~|s), a~ ~ pi(.|s): a sample of V(s). In nats.
SAC_FN real sac_soft_value(real smallest_q, real alpha, real log_prob) { return smallest_q - alpha * log_prob; }

// [replay.discount] gamma (1 - terminated): the factor of the value of s'. terminated is 0 or 1; truncation is not
// termination.
SAC_FN real sac_discount(real gamma, real terminated) { return gamma * ((real)1 - terminated); }

// [sac.target] y = r reward_scale + discount next_value, with next_value the soft value of s' under the target critics.
// [sac-v.target] the same with next_value = Vbar(s').
// A NaN or infinite next_value gives NaN also where the discount is 0.
SAC_FN real sac_target(real reward, real reward_scale, real discount, real next_value) {
  return reward * reward_scale + discount * next_value;
}

// [sac.td-error] delta = y - Q(s, a).
SAC_FN real sac_td_error(real q, real target) { return target - q; }

// [sac.critic-loss] [sac-v.value-loss] 1/2 (Q - y)^2, and its gradient with respect to Q: Q - y. The target
// is a constant.
SAC_FN real sac_square_loss(real q, real target) {
  const real error = q - target;
  return (real)0.5 * error * error;
}
SAC_FN real sac_square_loss_grad(real q, real target) { return q - target; }

// [sac.actor-loss] [sac-v.actor-loss] alpha log pi(a~|s) - min_k Q_k(s, a~). Its gradient with respect to log pi
// is alpha, and with respect to the smallest Q it is -1; alpha is a constant.
SAC_FN real sac_actor_loss(real smallest_q, real alpha, real log_prob) { return alpha * log_prob - smallest_q; }
SAC_FN real sac_actor_loss_grad_log_prob(real alpha) { return alpha; }
SAC_FN real sac_actor_loss_grad_q(void) { return (real)-1; }

#endif
