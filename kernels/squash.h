// The squashed Gaussian policy, one action component at a time: sample, log-probability and their gradients.
//
// Haarnoja et al. 2018, Soft Actor-Critic Algorithms and Applications, arXiv 1812.05905: section 4.2 (reparameterised
// sample, equation 8), appendix C (enforcing action bounds). The stable form of the Jacobian's logarithm is the
// identity 1 - tanh(u)^2 = 4 e / (1 + e)^2, e = exp(-2|u|): even in u, e in [0, 1], so nothing cancels and nothing
// overflows.
//
// Log-probabilities are those of the squashed action in (-1, 1), in nats. The caller sums over a row's components.
#ifndef SAC_KERNELS_SQUASH_H
#define SAC_KERNELS_SQUASH_H

#include "kernels/real.h"

// The results for one action component; the backward pass needs them too.
typedef struct sac_squash_out {
  real action;    // a = tanh(u), in [-1, 1]
  real log_prob;  // this component's term of log pi(a|s)
  real spread;    // sigma * eps
  real slope;     // da/du = 1 - a^2, accurate also where a rounds to 1
} sac_squash_out;

// The gradient of a loss J by the outputs of the actor's head.
typedef struct sac_squash_grad {
  real mean;
  real log_std;
} sac_squash_grad;

// Returns a = tanh(u). *slope: da/du = 4 e / (1 + e)^2. *log_slope: log(1 - tanh(u)^2) = 2 (log 2 - |u| - log(1 + e)),
// which equals 2 (log 2 - u - softplus(-2u)) for both signs of u.
SAC_FN real sac_tanh_parts(real u, real* slope, real* log_slope) {
  // tanh |u| = (1 - e)/(1 + e) with e = exp(-2|u|), and da/du
  const real size = sac_abs(u);
  real complement;  // 1 - e
  const real e = sac_exp_complement((real)-2 * size, &complement);
  const real inverse = (real)1 / ((real)1 + e);
  const real magnitude = complement * inverse;
  *slope = (real)4 * e * inverse * inverse;

  // log(1 + e). For |u| < 0.44 it is log 2 + log(1 - (1 - e)/2). That log 2 would cancel the log 2 of *log_slope, so
  // both are left out.
  const int near = e > (real)0.41421356;
  const real log_part = sac_log1p(near ? (real)-0.5 * complement : e);
  const real offset = near ? (real)0 : (real)SAC_LOG_2;
  *log_slope = (real)2 * (offset - size - log_part);
  // tanh is odd
  return u < (real)0 ? -magnitude : magnitude;
}

// [squash.deterministic] a = tanh(mean): the action of an evaluation.
SAC_FN real sac_squash_mean(real mean) {
  real slope, log_slope;
  return sac_tanh_parts(mean, &slope, &log_slope);
}

// [squash] mean and log_std: outputs of the actor's head; eps ~ N(0, 1); log_std_min and log_std_max: bounds of log
// sigma.
//   u = mean + sigma eps,  a = tanh(u),  log pi = -eps^2/2 - log sigma - log(2 pi)/2 - log(1 - a^2)
SAC_FN sac_squash_out sac_squash(real mean, real log_std, real eps, real log_std_min, real log_std_max) {
  // the head's log_std has no bounds; sigma has
  const real log_sigma = sac_clamp(log_std, log_std_min, log_std_max);
  sac_squash_out out;
  real log_slope;
  out.spread = sac_exp(log_sigma) * eps;
  out.action = sac_tanh_parts(mean + out.spread, &out.slope, &log_slope);
  out.log_prob = (real)-0.5 * eps * eps - log_sigma - (real)SAC_HALF_LOG_2PI - log_slope;
  return out;
}

// [squash.density] log pi of an action a in (-1, 1), by the noise that leads to it: eps = (atanh(a) - mean) / sigma.
// The density falls to 0 at -1 and 1, where the result is -inf.
SAC_FN real sac_squash_log_prob(real action, real mean, real log_std, real log_std_min, real log_std_max) {
  const real sigma = SAC_M(exp)(sac_clamp(log_std, log_std_min, log_std_max));
  const real eps = (SAC_M(atanh)(action) - mean) / sigma;
  const real inside = sac_squash(mean, log_std, eps, log_std_min, log_std_max).log_prob;
  return sac_abs(action) == (real)1 ? -(real)HUGE_VAL : inside;
}

// [squash.grad] From dJ/d log pi and dJ/da, at fixed eps:
//   d log pi/d mean = 2a,  d log pi/d log sigma = -1 + 2 a sigma eps
//   da/d mean = da/du,     da/d log sigma = da/du sigma eps
// Outside the bounds log sigma does not depend on log_std, so the gradient with respect to log_std is 0.
// At a bound it is not.
SAC_FN sac_squash_grad sac_squash_backward(sac_squash_out out, real log_std, real log_std_min, real log_std_max,
                                           real grad_log_prob, real grad_action) {
  const real through_action = grad_action * out.slope;
  const real twice = (real)2 * out.action;
  const real log_std_grad = grad_log_prob * (twice * out.spread - (real)1) + through_action * out.spread;
  sac_squash_grad grad;
  grad.mean = grad_log_prob * twice + through_action;
  const real raised = log_std < log_std_min ? (real)0 : log_std_grad;
  grad.log_std = log_std > log_std_max ? (real)0 : raised;
  return grad;
}

// [squash.saturated] 1 where |a| > 0.999, else 0. Its mean is a metric.
SAC_FN real sac_squash_saturated(real action) { return sac_abs(action) > (real)0.999 ? (real)1 : (real)0; }

// [squash.range] Centre and half range of an action's bounds, which are of type real. In double: sums of bounds do not
// overflow or round twice. No action in [-1, 1] is scaled to a value outside the bounds.
SAC_FN real sac_action_centre(double low, double high) { return (real)(0.5 * (low + high)); }
SAC_FN real sac_action_half_range(double low, double high) {
  const real centre = sac_action_centre(low, high), up = (real)high - centre, down = centre - (real)low;
  real half = (real)(0.5 * (high - low));
  if (up < half) half = up;
  if (down < half) half = down;

  // centre + half may still round to a value beyond a bound: each step makes half smaller by one or two roundings, and
  // after two of them it is less than the distance to the bound
  for (int step = 0; step < 2; step++)
    if (centre + half > (real)high || centre - half < (real)low) half *= (real)1 - SAC_REAL_EPSILON;
  return half;
}

// [squash.scale] From the policy's units (-1, 1) to the environment's, and back. A component whose bounds are equal has
// 0 in the policy's units.
SAC_FN real sac_action_scale(real action, real centre, real half_range) { return centre + half_range * action; }
SAC_FN real sac_action_unscale(real scaled, real centre, real half_range) {
  return half_range == (real)0 ? (real)0 * scaled : (scaled - centre) / half_range;
}

// How far beyond 1 the size of an action may be in the policy's units, if it was computed from one in the environment's
// units: roundings of a value near the bounds. Those of denormal numbers are as large as those of the smallest normal
// one.
SAC_FN real sac_action_rounding(real centre, real half_range) {
  const real size = sac_abs(centre) + half_range + SAC_REAL_MIN;
  return half_range == (real)0 ? (real)0 : (real)4 * SAC_REAL_EPSILON * size / half_range;
}

#endif
