// Policies over a finite set of actions: log-sum-exp, softmax, Boltzmann policies and their objectives.
// A row is x[a*stride], a in [0, actions), actions >= 1. Everything is in nats.
//
// soft-q: Haarnoja et al. 2017, arXiv 1702.08165, equations 4 to 6. sac-discrete: Christodoulou 2019, arXiv 1910.07207,
// equations 10 to 12.
#ifndef SAC_KERNELS_DISCRETE_H
#define SAC_KERNELS_DISCRETE_H

#include "kernels/real.h"

// The larger of two elements. A NaN replaces any number, and is never replaced.
SAC_FN real sac_larger(real largest, real candidate) {
  return !(candidate <= largest) && largest == largest ? candidate : largest;
}

// The largest element; NaN if any element is NaN.
SAC_FN real sac_row_max(const real* x, size_t stride, int actions) {
  real largest = x[0];
  for (int a = 1; a < actions; a++) largest = sac_larger(largest, x[(size_t)a * stride]);
  return largest;
}

// log sum_a exp(scale (x_a - largest)), scale > 0, `largest` the largest element. In [0, log A]. 0 if largest is
// infinite, NaN if it is NaN. Each term is in [0, 1] and one is 1, so nothing overflows and the sum is not 0. The
// difference comes before the product, so a small difference of large elements keeps its digits. Elements below the
// largest are summed apart: beside 1 a small sum would lose its digits, and with it the entropy of a saturated policy.
// sac_below_term is the term of an element in their sum `rest`, and sac_above_end ends it; ties: elements that are the
// largest.
SAC_FN real sac_below_term(real x, real scale, real largest) {
  return x == largest ? (real)0 : SAC_M(exp)(scale * (x - largest));
}
SAC_FN real sac_above_end(real rest, int ties, real largest) {
  if (largest - largest != (real)0) return largest == largest ? (real)0 : largest;  // NOLINT(misc-redundant-expression)
  return SAC_M(log1p)(rest + (real)(ties - 1));
}
SAC_FN real sac_log_sum_above(const real* x, size_t stride, int actions, real scale, real largest) {
  real rest = 0;
  int ties = 0;
  for (int a = 0; a < actions; a++) {
    rest += sac_below_term(x[(size_t)a * stride], scale, largest);
    ties += x[(size_t)a * stride] == largest;
  }
  return sac_above_end(rest, ties, largest);
}

// [discrete.log-sum-exp] log sum_a exp(scale x_a), scale > 0. A row of -inf gives -inf, a row with +inf gives +inf.
// `above`: of sac_log_sum_above.
SAC_FN real sac_log_sum_from(real scale, real largest, real above) { return scale * largest + above; }
SAC_FN real sac_log_sum_exp(const real* x, size_t stride, int actions, real scale) {
  const real largest = sac_row_max(x, stride, actions);
  return sac_log_sum_from(scale, largest, sac_log_sum_above(x, stride, actions, scale, largest));
}

// [discrete.soft-value] alpha log Z, Z = sum_a exp(Q_a/alpha): the soft maximum of Q, V(s) of the Boltzmann policy. In
// [max Q, max Q + alpha log A].
SAC_FN real sac_boltzmann_from(real largest, real alpha, real above) { return largest + alpha * above; }
SAC_FN real sac_boltzmann_value(const real* q, size_t stride, int actions, real alpha) {
  const real largest = sac_row_max(q, stride, actions);
  return sac_boltzmann_from(largest, alpha, sac_log_sum_above(q, stride, actions, (real)1 / alpha, largest));
}

// [discrete.log-softmax] log p_a = scale x_a - log sum exp. With scale 1 it is the softmax of logits, with scale
// 1/alpha the Boltzmann policy exp(Q/alpha)/Z. log_p may be x itself. `above`: of sac_log_sum_above.
SAC_FN real sac_log_p(real x, real scale, real largest, real above) { return scale * (x - largest) - above; }
SAC_FN void sac_log_softmax(const real* x, size_t stride, int actions, real scale, real* log_p) {
  const real largest = sac_row_max(x, stride, actions);
  const real above = sac_log_sum_above(x, stride, actions, scale, largest);
  for (int a = 0; a < actions; a++) log_p[(size_t)a * stride] = sac_log_p(x[(size_t)a * stride], scale, largest, above);
}

// p value; 0 where p is 0, unless value is NaN: an action of probability 0 adds nothing, even if its value is infinite.
SAC_FN real sac_weighted(real p, real value) { return p == (real)0 && value == value ? (real)0 : p * value; }

// [discrete.entropy] H = -sum_a p_a log p_a, from the log-probabilities. In [0, log A].
SAC_FN real sac_entropy(const real* log_p, size_t stride, int actions) {
  real sum = 0;
  for (int a = 0; a < actions; a++) {
    // the term of an action of probability 0 is 0, not NaN
    const real l = log_p[(size_t)a * stride];
    sum -= sac_weighted(SAC_M(exp)(l), l);
  }
  return sum;
}

// [discrete.kl] KL(p || r) = sum_a p_a (log p_a - log r_a), from the log-probabilities of both.
SAC_FN real sac_kl(const real* log_p, const real* log_r, size_t stride, int actions) {
  real sum = 0;
  for (int a = 0; a < actions; a++) {
    const real l = log_p[(size_t)a * stride], r = log_r[(size_t)a * stride];
    sum += sac_weighted(SAC_M(exp)(l), l == r ? (real)0 : l - r);  // equal: also where both are -inf
  }
  return sum;
}

// [discrete.expectation] E_p[x] = sum_a p_a x_a.
SAC_FN real sac_expectation(const real* log_p, const real* x, size_t stride, int actions) {
  real sum = 0;
  for (int a = 0; a < actions; a++) sum += sac_weighted(SAC_M(exp)(log_p[(size_t)a * stride]), x[(size_t)a * stride]);
  return sum;
}

// [sac-discrete.value] V(s) = sum_a p_a (Q_a - alpha log p_a). The actor's loss is its negative.
SAC_FN real sac_discrete_value(const real* log_p, const real* q, size_t stride, int actions, real alpha) {
  real sum = 0;
  for (int a = 0; a < actions; a++) {
    const real l = log_p[(size_t)a * stride];
    sum += sac_weighted(SAC_M(exp)(l), q[(size_t)a * stride] - alpha * l);
  }
  return sum;
}

// [discrete.greedy] The first action with the largest value.
SAC_FN int sac_greedy(const real* x, size_t stride, int actions) {
  int best = 0;
  for (int a = 1; a < actions; a++) best = x[(size_t)a * stride] > x[(size_t)best * stride] ? a : best;
  return best;
}

// [sac-discrete.actor-grad] d/d logit_a of J_pi = sum_a p_a (alpha log p_a - Q_a), through the softmax: with
// f_a = alpha log p_a - Q_a it is p_a (f_a - J_pi). f is relative to that of the most probable action, which changes
// nothing, but keeps the digits of a saturated policy: there J_pi is nearly f of that action. grad may not overlap the
// inputs. sac_relative_loss is f_a, with log p and Q of the most probable action.
SAC_FN real sac_relative_loss(real log_p, real q, real alpha, real log_p_best, real q_best) {
  return alpha * (log_p - log_p_best) - (q - q_best);
}
SAC_FN void sac_discrete_actor_grad(const real* log_p, const real* q, size_t stride, int actions, real alpha,
                                    real* grad) {
  // f relative to that of the most probable action, and J_pi likewise
  const size_t best = (size_t)sac_greedy(log_p, stride, actions) * stride;
  real loss = 0;
  for (int a = 0; a < actions; a++) {
    const size_t i = (size_t)a * stride;
    grad[i] = sac_relative_loss(log_p[i], q[i], alpha, log_p[best], q[best]);
    loss += sac_weighted(SAC_M(exp)(log_p[i]), grad[i]);
  }

  // every component contains J_pi
  for (int a = 0; a < actions; a++) {
    const size_t i = (size_t)a * stride;
    grad[i] = sac_weighted(SAC_M(exp)(log_p[i]), grad[i] - loss);
  }
}

// [discrete.target-entropy] A share of the largest possible entropy, log A.
SAC_FN real sac_discrete_target_entropy(int actions, real share) { return share * SAC_M(log)((real)actions); }

// [discrete.sample] The action that a uniform number u in (0, 1) selects: the first whose cumulative probability
// exceeds u. When rounding leaves the whole sum below u, it is the last action whose probability is not 0.
SAC_FN int sac_categorical(const real* log_p, size_t stride, int actions, real u) {
  real cumulated = 0;
  int last = 0;
  for (int a = 0; a < actions; a++) {
    // add up probabilities, and remember the last action that is possible
    const real p = SAC_M(exp)(log_p[(size_t)a * stride]);
    cumulated += p;
    last = p > (real)0 ? a : last;
    if (cumulated > u) return a;
  }
  return last;
}

// [discrete.number] The number of an action from its float; one that does not exist becomes the nearest that does, and
// a NaN becomes 0. So a damaged row leads to no place outside of an array.
SAC_FN int sac_action_number(real action, int actions) {
  const int inside = action >= (real)0 && action < (real)actions;
  return inside ? (int)action : action > (real)0 ? actions - 1 : 0;
}

// Whether a float is the number of an action.
SAC_FN int sac_action_exists(real action, int actions) {
  return action >= (real)0 && action < (real)actions && action == (real)(int)action;
}

// [discrete.uniform] A number from 0 to actions - 1, all equally likely, from a uniform number u in (0, 1).
SAC_FN int sac_uniform_action(real u, int actions) { return sac_action_number(u * (real)actions, actions); }

#endif
