/* AVX2 with FMA: 8 lanes, 16 registers, tiles of 6 x 16. */
#include <immintrin.h>

#define ISA sac_isa_avx2
#define ISA_NAME "avx2"
#define LANES 8
#define TILE 6

typedef __m256 vec;

#define INLINE static inline __attribute__((always_inline))

/* A mask of the first n lanes. */
INLINE __m256i first(int32_t n) {
  return _mm256_cmpgt_epi32(_mm256_set1_epi32(n), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
}
INLINE vec vec_load(const float* p) { return _mm256_loadu_ps(p); }
INLINE vec vec_load_first(const float* p, int32_t n) { return _mm256_maskload_ps(p, first(n)); }
INLINE void vec_store(float* p, vec x) { _mm256_storeu_ps(p, x); }
INLINE void vec_store_first(float* p, vec x, int32_t n) { _mm256_maskstore_ps(p, first(n), x); }
INLINE vec vec_all(float x) { return _mm256_set1_ps(x); }
INLINE vec vec_fma(vec a, vec b, vec c) { return _mm256_fmadd_ps(a, b, c); }
INLINE vec vec_add(vec a, vec b) { return _mm256_add_ps(a, b); }
/* Adds the upper half of the lanes to the lower half until one number is left: a fixed order. */
INLINE float vec_sum(vec x) {
  const __m128 four = _mm_add_ps(_mm256_castps256_ps128(x), _mm256_extractf128_ps(x, 1));
  const __m128 two = _mm_add_ps(four, _mm_movehl_ps(four, four));
  return _mm_cvtss_f32(_mm_add_ss(two, _mm_movehdup_ps(two)));
}
/* [relu]. max returns its second operand if either is NaN, so NaN passes through. */
INLINE vec vec_relu(vec x) { return _mm256_max_ps(_mm256_setzero_ps(), x); }
/* [relu.grad]. The comparison is "not (y <= 0)", which is true for NaN, so the gradient passes where y is NaN. */
INLINE vec vec_relu_grad(vec y, vec grad) {
  return _mm256_and_ps(_mm256_cmp_ps(y, _mm256_setzero_ps(), _CMP_NLE_UQ), grad);
}

#include "cpu/products_template.h"
#include "cpu/rows_template.h"
