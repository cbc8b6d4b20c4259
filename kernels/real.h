// The number type of the formulas, and the elementary functions they share.
//
// Every formula in kernels/*.h is written once, for `real`. sac itself uses float, on the host and on the device. A
// translation unit that defines SAC_REAL_DOUBLE before its first include gets the same formulas in double: tests
// compile themselves a second time that way, for central differences and tight comparisons. The functions are static
// inline, so one program can have both.
//
// Rules of every formula file:
//   - NaN in, NaN out. fmin, fmax and a simple clamp drop a NaN, so comparisons are written to keep it.
//   - No branch around arithmetic in elementwise formulas. Both values are computed, then one is chosen, so that a loop
//     over elements vectorises (gcc needs -fno-trapping-math for it). For the same reason the float formulas that run
//     over a minibatch call nothing in libm but the square root.
//   - Host code is compiled with -ffp-contract=off. Where bits must be equal everywhere (kernels/random.h), code uses
//     sac_mul and sac_add, whose results nvcc does not contract.
#ifndef SAC_KERNELS_REAL_H
#define SAC_KERNELS_REAL_H

#include <float.h>
#include <math.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#ifdef __CUDACC__
#define SAC_FN static __host__ __device__ inline
#else
#define SAC_FN static inline
#endif

// SAC_M(sqrt) is libm's function for `real`: sqrtf or sqrt.
#ifdef SAC_REAL_DOUBLE
typedef double real;
#define SAC_M(function) function
#define SAC_REAL_EPSILON DBL_EPSILON
#define SAC_REAL_MIN DBL_MIN
#else
typedef float real;
#define SAC_M(function) function##f
#define SAC_REAL_EPSILON FLT_EPSILON
#define SAC_REAL_MIN FLT_MIN
#endif

#define SAC_LOG_2 0.693147180559945309417232121458176568
#define SAC_HALF_LOG_2PI 0.918938533204672741780329736405617640

SAC_FN uint32_t sac_float_bits(float x) {
  uint32_t bits;
  memcpy(&bits, &x, sizeof bits);
  return bits;
}

SAC_FN float sac_bits_float(uint32_t bits) {
  float x;
  memcpy(&x, &bits, sizeof x);
  return x;
}

// A product, a sum and a square root, each rounded once to nearest, by every compiler.
#ifdef __CUDA_ARCH__
SAC_FN float sac_mul(float a, float b) { return __fmul_rn(a, b); }
SAC_FN float sac_add(float a, float b) { return __fadd_rn(a, b); }
SAC_FN float sac_root(float a) { return __fsqrt_rn(a); }
#else
SAC_FN float sac_mul(float a, float b) { return a * b; }
SAC_FN float sac_add(float a, float b) { return a + b; }
SAC_FN float sac_root(float a) { return sqrtf(a); }
#endif

// log(1 + f) for f in [sqrt(1/2) - 1, sqrt(2) - 1], within 1 ulp: f - f^2/2 + f^3 P(f), where P is a near-minimax
// polynomial (scripts/formulas.py --coefficients). The same bits on every machine.
SAC_FN float sac_log1p_near(float f) {
  // P(f), from the highest power down
  float p = 0.0697161183f;
  p = sac_add(sac_mul(p, f), -0.114797339f);
  p = sac_add(sac_mul(p, f), 0.116854198f);
  p = sac_add(sac_mul(p, f), -0.124256872f);
  p = sac_add(sac_mul(p, f), 0.142490581f);
  p = sac_add(sac_mul(p, f), -0.166678026f);
  p = sac_add(sac_mul(p, f), 0.200007156f);
  p = sac_add(sac_mul(p, f), -0.24999997f);
  p = sac_add(sac_mul(p, f), 0.333333313f);

  // f - f^2/2 + f^3 P(f), the smallest terms first
  const float square = sac_mul(f, f);
  return sac_add(f, sac_add(sac_mul(sac_mul(square, f), p), sac_mul(square, -0.5f)));
}

// Returns exp(x). *complement: 1 - exp(x), for x <= 0 only, without the cancellation near 0. x = k log 2 + r with
// |r| <= log(2)/2; exp(x) = 2^k (1 + p), where p = expm1(r) by a near-minimax polynomial. For x < -86.6 (results below
// 2^-124.9) exp(x) is 0, because denormal numbers are slow. Results above the range of float are infinity. NaN stays
// NaN.
SAC_FN float sac_exp_float(float x, float* complement) {
  // k, the integer nearest to x / log 2
  const float shift = 12582912.0f;  // 1.5 * 2^23: adding it leaves the nearest integer in the low bits
  const float shifted = x * 1.44269504f + shift;
  const float k = shifted - shift;

  // r = x - k log 2, with log 2 in two parts: k times the first one is exact
  const float r = (x - k * 0.693359375f) - k * -2.12194440e-4f;

  // expm1(r)
  float p = 0.00139261759f;
  p = p * r + 0.00836317334f;
  p = p * r + 0.0416665561f;
  p = p * r + 0.166665778f;
  p = p * r + 0.5f;
  p = r + r * r * p;

  // exp(x) and 1 - exp(x), scaled by 2^(k-1) and then by 2, because 2^128 is not a float
  const float half_scale = sac_bits_float((sac_float_bits(shifted) << 23) + 0x3f000000u);
  float e = (half_scale * (1.0f + p)) * 2.0f;
  const float c = (1.0f - 2.0f * half_scale) - 2.0f * half_scale * p;

  // beyond the range of float: infinity above, 0 below
  e = x > 89.0f ? HUGE_VALF : e;
  e = x < -86.6f ? 0.0f : e;
  *complement = x < -86.6f ? 1.0f : c;
  return e;
}

#if defined(SAC_REAL_DOUBLE) || defined(__CUDA_ARCH__)
SAC_FN real sac_exp_complement(real x, real* complement) {
  *complement = -SAC_M(expm1)(x);
  return SAC_M(exp)(x);
}
SAC_FN real sac_exp(real x) { return SAC_M(exp)(x); }
SAC_FN real sac_log1p(real f) { return SAC_M(log1p)(f); }
#else
SAC_FN real sac_exp_complement(real x, real* complement) { return sac_exp_float(x, complement); }
SAC_FN real sac_exp(real x) {
  float unused;
  return sac_exp_float(x, &unused);
}
SAC_FN real sac_log1p(real f) { return sac_log1p_near(f); }  // f in [sqrt(1/2) - 1, sqrt(2) - 1] only
#endif

SAC_FN real sac_abs(real x) { return SAC_M(fabs)(x); }
SAC_FN real sac_sqrt(real x) { return SAC_M(sqrt)(x); }
SAC_FN int sac_is_nan(real x) { return x != x; }

// x limited to [low, high]; a NaN stays a NaN.
SAC_FN real sac_clamp(real x, real low, real high) {
  const real raised = x < low ? low : x;
  return raised > high ? high : raised;
}

#endif
