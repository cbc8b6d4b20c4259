// See gemm.h. The file's flags forbid fused multiply-adds, so that the bits are the same on every processor.
#include "gemm.h"

#include <string.h>

namespace cuda_host {
namespace {

typedef float lanes __attribute__((vector_size(tile_rows * sizeof(float)), aligned(4)));

inline __attribute__((always_inline)) void tile(size_t k, const float* a, const float* b, float* sum) {
  lanes s[tile_columns] = {};
  for (size_t p = 0; p < k; p++) {
    lanes x;
    memcpy(&x, a + p * tile_rows, sizeof x);
    for (size_t j = 0; j < tile_columns; j++) s[j] += x * b[p * tile_columns + j];
  }
  memcpy(sum, s, sizeof s);
}

#if defined(__x86_64__)
__attribute__((target("avx512f"))) void tile_avx512(size_t k, const float* a, const float* b, float* sum) {
  tile(k, a, b, sum);
}
__attribute__((target("avx2"))) void tile_avx2(size_t k, const float* a, const float* b, float* sum) {
  tile(k, a, b, sum);
}
#endif
void tile_any(size_t k, const float* a, const float* b, float* sum) { tile(k, a, b, sum); }

}  // namespace

void gemm_tile(size_t k, const float* a, const float* b, float* sum) {
#if defined(__x86_64__)
  static void (*const chosen)(size_t, const float*, const float*, float*) = __builtin_cpu_supports("avx512f")
                                                                                ? tile_avx512
                                                                            : __builtin_cpu_supports("avx2") ? tile_avx2
                                                                                                             : tile_any;
  chosen(k, a, b, sum);
#else
  tile_any(k, a, b, sum);
#endif
}

}  // namespace cuda_host
