/* How far float rounding may carry an agent from exact arithmetic, element by element, update by update.
 *
 * A fixed tolerance on weights cannot judge an update. Adam divides the gradient by its own size, so an element whose
 * gradient is lost in the rounding of a sum moves by up to lr either way, in an order of summation as good as ours;
 * while an element with a clear gradient moves by the same lr to seven digits. So the uncertainty is carried along:
 *
 *   gradient   d = G * (largest gradient of its layer), and 0 where the gradient is exactly 0: masked by ReLU or a
 * clamp moments    dm <- b1 dm + (1-b1) d;   dr^2 <- b2 dr^2 + (1-b2) d^2, r = sqrt(v) (a weighted norm: |dr| is at
 * most the same norm of d) step       lr/(1-b1^t) * (dm + |m| dr/(r+eps)) / (r-dr+eps), at most twice the largest step
 * Adam can take weight     dw <- dw + step + rounding of the sum;   target: dt <- tau dw + (1-tau) dt next G
 * SAC_ROUNDING_GRADIENT + layers * |dw|/|w|, the relative uncertainty of the weights it is computed with
 *
 * Gradients and moments are ours; Adam's betas and eps are the agent's. */
#ifndef SAC_VERIFY_ROUNDING_H
#define SAC_VERIFY_ROUNDING_H

#include <stddef.h>
#include <stdint.h>

/* Rounding of a gradient relative to the largest of its layer. A float sum of n products errs by about sqrt(n) 2^-24
 * of the terms' size, 1e-6 for a batch of 256; through a few layers forwards and back, with terms of both signs, that
 * grows several times. */
#define SAC_ROUNDING_GRADIENT 1e-5

/* Half a unit in the last place of a float of size 1. */
#define SAC_ROUNDING_FLOAT 0x1p-24

/* The uncertainty of one tensor's elements. */
typedef struct sac_rounding {
  size_t count;
  double* weight; /* (count) dw */
  double* m;      /* (count) dm */
  double* square; /* (count) dr^2 */
} sac_rounding;

/* Adam's scalars at step t. */
typedef struct sac_rounding_step {
  double lr;
  int64_t t; /* from 1 */
} sac_rounding_step;

/* Uncertainty d of a gradient element. */
double sac_rounding_gradient(double gradient, double largest, double relative);

/* One Adam step of `count` elements: gradient, m, v and weight as they are after it. largest: of the layer's
 * gradients. */
void sac_rounding_adam(sac_rounding* rounding, const float* gradient, const float* m, const float* v,
                       const float* weight, double largest, double relative, sac_rounding_step step);

/* One Polyak step of a target from its source. */
void sac_rounding_polyak(sac_rounding* target, const sac_rounding* source, const float* weight, double tau);

/* Uncertainty of v after the step, from that of its root. */
double sac_rounding_v(const sac_rounding* rounding, size_t i, double v);

#endif
