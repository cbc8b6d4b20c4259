// The distribution over discrete actions at one row, computed by a warp: lane i has actions i, i + 32 and so on.
#ifndef SAC_KERNELS_DISCRETE_CUH
#define SAC_KERNELS_DISCRETE_CUH

#include "kernels/cuda.cuh"
#include "kernels/discrete.h"

// [discrete.log-softmax] exp(scale x)/Z over the actions of a row.
struct sac_distribution {
  float scale, largest, above;
  __device__ float log_p(float x) const { return sac_log_p(x, scale, largest, above); }
};

// The same in every lane. x[a] is the value of action a, for the actions of the calling lane.
template <typename Values>
__device__ sac_distribution sac_distribution_of(const Values& x, int actions, int lane, float scale) {
  // the largest value, over the lane's actions and then over the lanes
  float largest = -INFINITY;
  for (int a = lane; a < actions; a += SAC_WARP) largest = sac_larger(largest, x[a]);
  for (int distance = SAC_WARP / 2; distance > 0; distance /= 2)
    largest = sac_larger(largest, __shfl_xor_sync(SAC_WHOLE_WARP, largest, distance));

  // the sum of the exponentials below it, and how many actions have it
  float rest = 0;
  int ties = 0;
  for (int a = lane; a < actions; a += SAC_WARP) {
    rest += sac_below_term(x[a], scale, largest);
    ties += x[a] == largest;
  }
  return {scale, largest, sac_above_end(sac_warp_sum(rest), sac_warp_sum(ties), largest)};
}

#endif
