/* AVX-512: 16 lanes, 32 registers, tiles of 12 x 32. */
#include <immintrin.h>

#define ISA sac_isa_avx512
#define ISA_NAME "avx512"
#define LANES 16
#define TILE 12

typedef __m512 vec;

#define INLINE static inline __attribute__((always_inline))

/* A mask of the first n lanes. */
INLINE __mmask16 first(int32_t n) { return (__mmask16)((1u << n) - 1u); }
INLINE vec vec_load(const float* p) { return _mm512_loadu_ps(p); }
INLINE vec vec_load_first(const float* p, int32_t n) { return _mm512_maskz_loadu_ps(first(n), p); }
INLINE void vec_store(float* p, vec x) { _mm512_storeu_ps(p, x); }
INLINE void vec_store_first(float* p, vec x, int32_t n) { _mm512_mask_storeu_ps(p, first(n), x); }
INLINE vec vec_all(float x) { return _mm512_set1_ps(x); }
INLINE vec vec_fma(vec a, vec b, vec c) { return _mm512_fmadd_ps(a, b, c); }
INLINE vec vec_add(vec a, vec b) { return _mm512_add_ps(a, b); }
/* Adds the upper half of the lanes to the lower half until one number is left: a fixed order. */
INLINE float vec_sum(vec x) {
  const __m256 eight = _mm256_add_ps(_mm512_castps512_ps256(x), _mm512_extractf32x8_ps(x, 1));
  const __m128 four = _mm_add_ps(_mm256_castps256_ps128(eight), _mm256_extractf128_ps(eight, 1));
  const __m128 two = _mm_add_ps(four, _mm_movehl_ps(four, four));
  return _mm_cvtss_f32(_mm_add_ss(two, _mm_movehdup_ps(two)));
}
/* [relu]. max returns its second operand if either is NaN, so NaN passes through. */
INLINE vec vec_relu(vec x) { return _mm512_max_ps(_mm512_setzero_ps(), x); }
/* [relu.grad]. The comparison is "not (y <= 0)", which is true for NaN, so the gradient passes where y is NaN. */
INLINE vec vec_relu_grad(vec y, vec grad) {
  return _mm512_maskz_mov_ps(_mm512_cmp_ps_mask(y, _mm512_setzero_ps(), _CMP_NLE_UQ), grad);
}

#include "cpu/products_template.h"
#include "cpu/rows_template.h"
