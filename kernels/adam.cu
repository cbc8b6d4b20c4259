// Adam over a whole region of weights in one launch, and the norm of its gradient.
#include "kernels/adam.h"

#include "kernels/cuda.cuh"
#include "kernels/kernels.h"

namespace {

constexpr int threads = 256;
constexpr int quads = 2;  // float4s a thread: few blocks, and loads enough under way

__global__ void __launch_bounds__(threads) adam_update(sac_adam_args a) {
  const size_t p = blockIdx.y;
  const sac_device_state* state = &a.state[p];
  if (!state->alive) return;
  const sac_adam_step step = state->adam[a.set];
  const size_t at = p * a.floats / 4, count = a.floats / 4;
  float4* weight = reinterpret_cast<float4*>(a.weight) + at;
  float4* m = reinterpret_cast<float4*>(a.m) + at;
  float4* v = reinterpret_cast<float4*>(a.v) + at;
  const float4* grad = reinterpret_cast<const float4*>(a.grad) + at;
  double norm[1] = {0};
  const size_t first = static_cast<size_t>(blockIdx.x) * threads * quads + threadIdx.x;
#pragma unroll
  for (int i = 0; i < quads; ++i) {
    const size_t j = first + static_cast<size_t>(i) * threads;
    if (j >= count) continue;
    const float4 g = grad[j];
    norm[0] += (static_cast<double>(g.x) * g.x + static_cast<double>(g.y) * g.y) +
               (static_cast<double>(g.z) * g.z + static_cast<double>(g.w) * g.w);
    float4 w = weight[j], first_moment = m[j], second_moment = v[j];
    w.x = sac_adam(step, w.x, g.x, &first_moment.x, &second_moment.x);
    w.y = sac_adam(step, w.y, g.y, &first_moment.y, &second_moment.y);
    w.z = sac_adam(step, w.z, g.z, &first_moment.z, &second_moment.z);
    w.w = sac_adam(step, w.w, g.w, &first_moment.w, &second_moment.w);
    weight[j] = w;
    m[j] = first_moment;
    v[j] = second_moment;
  }
  sac_block_sums<double, 1>(norm);
  if (threadIdx.x == 0) a.norm[p * gridDim.x + blockIdx.x] = norm[0];
}

}  // namespace

int32_t sac_adam_parts(size_t floats) { return static_cast<int32_t>(sac_blocks(floats / 4, threads * quads)); }

cudaError_t sac_adam_update(cudaStream_t stream, const sac_adam_args* args) {
  const dim3 grid(static_cast<unsigned>(sac_adam_parts(args->floats)), static_cast<unsigned>(args->population));
  SAC_LAUNCH(adam_update, grid, dim3(threads), 0, stream, *args);
  return cudaGetLastError();
}
