// The inner loop of a product, in a file of its own so that it is optimised in sanitized builds, too.
#ifndef TESTS_SUPPORT_CUDA_HOST_GEMM_H
#define TESTS_SUPPORT_CUDA_HOST_GEMM_H

#include <stddef.h>

namespace cuda_host {

constexpr size_t tile_rows = 16, tile_columns = 6;

// sum[j][i] = the sum over p of a[p][i] * b[p][j], in the order of p, with every product and sum rounded to float.
void gemm_tile(size_t k, const float* a, const float* b, float* sum);

}  // namespace cuda_host
#endif
