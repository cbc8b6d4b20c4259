// The product of a warp's tensor cores. kernels/cuda.cuh says which lane holds which element.
#include "internal.h"

namespace cuda_host {
namespace {

float tf32(uint32_t bits) {
  bits &= 0xffffe000u;
  float x;
  memcpy(&x, &bits, sizeof x);
  return x;
}

}  // namespace

void multiply_fragments(const cuda_host_fragments* const warp[32]) {
  float a[16][8], b[8][8];
  for (unsigned lane = 0; lane < 32; lane++) {
    const unsigned group = lane / 4, place = lane % 4;
    for (unsigned i = 0; i < 4; i++) a[group + i % 2 * 8][place + i / 2 * 4] = tf32(warp[lane]->a[i]);
    for (unsigned i = 0; i < 2; i++) b[place + i * 4][group] = tf32(warp[lane]->b[i]);
  }
  for (unsigned lane = 0; lane < 32; lane++)
    for (unsigned i = 0; i < 4; i++) {
      const unsigned row = lane / 4 + i / 2 * 8, column = lane % 4 * 2 + i % 2;
      float sum = warp[lane]->d[i];
      for (unsigned k = 0; k < 8; k++) sum += a[row][k] * b[k][column];
      warp[lane]->d[i] = sum;
    }
}

}  // namespace cuda_host
