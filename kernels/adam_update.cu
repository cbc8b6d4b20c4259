// adam_update: one step of Adam over a region of weights, and the squared norm of its gradient.
#include "kernels/adam.h"

#include "kernels/cuda.cuh"
#include "kernels/kernels.h"

namespace {

constexpr int threads = 256;
constexpr int quads = 2;  // float4s per thread

// Each block also writes the squared norm of its part of the gradient, which temperature_update adds up.
__global__ void __launch_bounds__(threads) adam_update(sac_adam_args a) {
  // this thread's part of the weights
  const size_t p = blockIdx.y;
  const sac_device_state* state = &a.state[p];
  const uint32_t alive = state->alive;
  const sac_adam_step step = state->adam[a.set];
  const size_t at = p * a.floats / 4, count = a.floats / 4;
  const float4* grads = reinterpret_cast<const float4*>(a.grad) + at;
  float4* weights = reinterpret_cast<float4*>(a.weight) + at;
  float4* ms = reinterpret_cast<float4*>(a.m) + at;
  float4* vs = reinterpret_cast<float4*>(a.v) + at;
  const size_t first = static_cast<size_t>(blockIdx.x) * threads * quads + threadIdx.x;

  // Load everything before the first store. Threads beyond the last float4 load the last one.
  float4 grad[quads], weight[quads], m[quads], v[quads];
#pragma unroll
  for (int i = 0; i < quads; i++) {
    const size_t j = first + static_cast<size_t>(i) * threads, k = j < count ? j : count - 1;
    grad[i] = grads[k];
    weight[i] = weights[k];
    m[i] = ms[k];
    v[i] = vs[k];
  }
  sac_loads_first();
  if (!alive) return;

  // Adam's step, and the squared norm of this thread's gradients
  double norm[1] = {0};
#pragma unroll
  for (int i = 0; i < quads; i++) {
    const size_t j = first + static_cast<size_t>(i) * threads;
    if (j >= count) continue;
    const float4 g = grad[i];

    // the squared norm in double: the squares of floats are exact
    norm[0] += (static_cast<double>(g.x) * g.x + static_cast<double>(g.y) * g.y) +
               (static_cast<double>(g.z) * g.z + static_cast<double>(g.w) * g.w);

    // the step of each weight
    weight[i].x = sac_adam(step, weight[i].x, g.x, &m[i].x, &v[i].x);
    weight[i].y = sac_adam(step, weight[i].y, g.y, &m[i].y, &v[i].y);
    weight[i].z = sac_adam(step, weight[i].z, g.z, &m[i].z, &v[i].z);
    weight[i].w = sac_adam(step, weight[i].w, g.w, &m[i].w, &v[i].w);
    weights[j] = weight[i];
    ms[j] = m[i];
    vs[j] = v[i];
  }

  // the squared norm of the block's gradients
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
