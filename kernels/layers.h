// Layers, one element at a time, and the normalisation of observations.
#ifndef SAC_KERNELS_LAYERS_H
#define SAC_KERNELS_LAYERS_H

#include "kernels/real.h"

// [linear.init] Weights and biases start uniform in (-b, b), b = 1/sqrt(fan_in): torch.nn.Linear's default.
SAC_FN real sac_linear_bound(int fan_in) { return (real)(1.0 / sqrt((double)fan_in)); }

// [relu] max(x, 0). A NaN stays a NaN (fmax would turn it into 0).
SAC_FN real sac_relu(real x) { return x < (real)0 ? (real)0 : x; }

// [relu.grad] dJ/dx from dJ/dy and the output y = relu(x): 0 where y is 0, also at x = 0 (as in PyTorch). Where y is
// NaN it is dJ/dy, so that the backward pass does not hide the NaN.
SAC_FN real sac_relu_grad(real y, real grad) { return y <= (real)0 ? (real)0 : grad; }

// [obs-norm] o' = clip((o - mean)/sqrt(var + 1e-8), +-10). A NaN stays a NaN.
SAC_FN real sac_obs_normalize(real observation, real mean, real var) {
  return sac_clamp((observation - mean) / sac_sqrt(var + (real)1e-8), (real)-10, (real)10);
}

// Running mean and (population) variance. They are double: after 1e7 steps a new observation changes the mean by less
// than the last digit of a float.
typedef struct sac_moments {
  double count;
  double mean;
  double var;
} sac_moments;

// [obs-norm.merge] The statistics of two sets together (Chan, Golub, LeVeque 1979). With one element in b it is
// Welford's step. An empty set changes nothing.
SAC_FN sac_moments sac_moments_merge(sac_moments a, sac_moments b) {
  // The share of b among all elements. Two empty sets give 0, not 0/0.
  const double count = a.count + b.count;
  const double share = count == 0 ? 0 : b.count / count;
  const double delta = b.mean - a.mean;
  sac_moments merged;
  merged.count = count;
  merged.mean = a.mean + delta * share;
  // the mean of both variances, and the part that comes from the distance of the two means
  merged.var = a.var + (b.var - a.var) * share + delta * delta * share * (1.0 - share);
  return merged;
}

// [obs-norm.push] Welford's step: one more observation.
SAC_FN sac_moments sac_moments_push(sac_moments a, double observation) {
  sac_moments one;
  one.count = 1;
  one.mean = observation;
  one.var = 0;
  return sac_moments_merge(a, one);
}

#endif
