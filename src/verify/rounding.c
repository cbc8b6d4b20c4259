#include "verify/rounding.h"

#include <float.h>
#include <math.h>

/* Of the agent (kernels/adam.h, src/cpu): the defaults of Kingma and Ba. */
#define BETA1 0.9
#define BETA2 0.999
#define EPS 1e-8

double sac_rounding_gradient(double gradient, double largest, double relative) {
  return gradient == 0 ? 0 : relative * largest;
}

/* The largest |m/(1-b1^t)| / sqrt(v/(1-b2^t)) there can be, by Cauchy-Schwarz over the t gradients: 1 at t = 1, 7.3 for
 * large t. */
static double largest_ratio(int64_t t) {
  const double n = (double)t, q = BETA1 * BETA1 / BETA2;
  const double sum = (1 - BETA1) * (1 - BETA1) / (1 - BETA2) * (1 - pow(q, n)) / (1 - q);
  return sqrt(sum * (1 - pow(BETA2, n))) / (1 - pow(BETA1, n));
}

void sac_rounding_adam(sac_rounding* rounding, const float* gradient, const float* m, const float* v,
                       const float* weight, double largest, double relative, sac_rounding_step step) {
  const double n = (double)step.t;
  const double size = step.lr / (1 - pow(BETA1, n)), root = 1 / sqrt(1 - pow(BETA2, n));
  const double most = 2 * step.lr * largest_ratio(step.t);
  for (size_t i = 0; i < rounding->count; i++) {
    const double d = sac_rounding_gradient((double)gradient[i], largest, relative);
    rounding->m[i] = BETA1 * rounding->m[i] + (1 - BETA1) * d + SAC_ROUNDING_FLOAT * fabs((double)m[i]);
    rounding->square[i] = BETA2 * rounding->square[i] + (1 - BETA2) * d * d;
    const double r = sqrt((double)v[i]) * root;
    const double dr = sqrt(rounding->square[i]) * root + 4 * SAC_ROUNDING_FLOAT * r;
    const double lowest = fmax(r - dr, 0) + EPS;
    const double moved = size * (rounding->m[i] + fabs((double)m[i]) * dr / (r + EPS)) / lowest;
    rounding->weight[i] += fmin(moved, most) + SAC_ROUNDING_FLOAT * (fabs((double)weight[i]) + 4 * step.lr);
  }
}

void sac_rounding_polyak(sac_rounding* target, const sac_rounding* source, const float* weight, double tau) {
  for (size_t i = 0; i < target->count; i++) {
    target->weight[i] = tau * source->weight[i] + (1 - tau) * target->weight[i] +
                        3 * SAC_ROUNDING_FLOAT * fabs((double)weight[i]); /* two products and a sum */
  }
}

double sac_rounding_v(const sac_rounding* rounding, size_t i, double v) {
  const double d = sqrt(rounding->square[i]);
  return 2 * sqrt(v) * d + d * d + 8 * SAC_ROUNDING_FLOAT * v + (double)FLT_MIN; /* below it floats lose digits */
}
