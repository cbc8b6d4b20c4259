/* cuRAND's Philox, as kernels/random.h calls it, by Random123: so the host execution needs no CUDA toolkit. */
#ifndef TESTS_SUPPORT_CUDA_HOST_CURAND_PHILOX4X32_X_H
#define TESTS_SUPPORT_CUDA_HOST_CURAND_PHILOX4X32_X_H

#include <Random123/philox.h>
#include <cuda_runtime_api.h>

static inline uint4 curand_Philox4x32_10(uint4 c, uint2 k) {
  const philox4x32_ctr_t counter = {{c.x, c.y, c.z, c.w}};
  const philox4x32_key_t key = {{k.x, k.y}};
  const philox4x32_ctr_t words = philox4x32_R(10, counter, key);
  return {words.v[0], words.v[1], words.v[2], words.v[3]};
}

#endif
