/* For any processor: 4 lanes, in the compiler's vector type, which becomes SSE2, NEON or scalars. Tiles of 6 x 8. */
#include <string.h>

#include "kernels/layers.h"

#define ISA sac_isa_portable
#define ISA_NAME "portable"
#define LANES 4
#define TILE 6

typedef float vec __attribute__((vector_size(16)));

#define INLINE static inline __attribute__((always_inline))

INLINE vec vec_load(const float* p) {
  vec x;
  memcpy(&x, p, sizeof x);
  return x;
}
INLINE vec vec_load_first(const float* p, int32_t n) {
  vec x = {0, 0, 0, 0};
  for (int32_t i = 0; i < n; i++) x[i] = p[i];
  return x;
}
INLINE void vec_store(float* p, vec x) { memcpy(p, &x, sizeof x); }
INLINE void vec_store_first(float* p, vec x, int32_t n) {
  for (int32_t i = 0; i < n; i++) p[i] = x[i];
}
INLINE vec vec_all(float x) { return (vec){x, x, x, x}; }
INLINE vec vec_fma(vec a, vec b, vec c) { return a * b + c; }
INLINE vec vec_add(vec a, vec b) { return a + b; }
INLINE float vec_sum(vec x) { return (x[0] + x[2]) + (x[1] + x[3]); }
INLINE vec vec_relu(vec x) { return (vec){sac_relu(x[0]), sac_relu(x[1]), sac_relu(x[2]), sac_relu(x[3])}; }
INLINE vec vec_relu_grad(vec y, vec grad) {
  return (vec){sac_relu_grad(y[0], grad[0]), sac_relu_grad(y[1], grad[1]), sac_relu_grad(y[2], grad[2]),
               sac_relu_grad(y[3], grad[3])};
}

#include "cpu/products_template.h"
#include "cpu/rows_template.h"
