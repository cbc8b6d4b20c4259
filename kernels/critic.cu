// critic update, between the matrix products: heads of the critics and the value network, targets, losses, and the
// gradients with respect to the last hidden layer.
#include "kernels/bellman.h"
#include "kernels/cuda.cuh"
#include "kernels/head.cuh"
#include "kernels/kernels.h"
#include "kernels/temperature.h"

namespace {

// The networks of a row are the targets, then the critics. The smallest output of the targets gives y.
struct critic_loss_row {
  using args = sac_critic_loss_args;
  enum { REWARD, DISCOUNT, WEIGHT, LOG_PROB, LOG_ALPHA, GIVEN };
  float number;  // lane i has number i of the enumeration, so the numbers of a row take one register

  __device__ static sac_head_net net(const args& a, size_t p, int n) {
    // The first warps of a row have the targets, which get no gradient.
    const size_t targets = static_cast<size_t>(a.targets), critics = static_cast<size_t>(a.dims.critics);
    if (n < a.targets) return {a.target, p * targets + static_cast<size_t>(n), false};
    return {a.critic, p * critics + static_cast<size_t>(n - a.targets), true};
  }

  __device__ critic_loss_row(const args& a, const sac_head_warp& warp) {
    // Where the number of this lane is. Other lanes have an address too, but do not load.
    const size_t second_half = (warp.p + 1) * static_cast<size_t>(a.dims.batch);  // of log_prob: log pi(a'|s')
    const float* from = warp.lane == REWARD     ? a.reward + warp.row
                        : warp.lane == DISCOUNT ? a.discount + warp.row
                        : warp.lane == WEIGHT   ? a.weight + warp.row
                        : warp.lane == LOG_PROB ? a.log_prob + (warp.row + second_half)
                                                : a.log_alpha + warp.p * a.log_alpha_stride;
    number = warp.lane < (a.soft ? GIVEN : LOG_PROB) ? *from : 0.0f;
  }

  // The number that lane `which` has loaded.
  __device__ float get(int which) const { return __shfl_sync(SAC_WHOLE_WARP, number, which); }

  __device__ void finish(const args& a, const sac_head_warp& warp, sac_head_row& x, float q, const float* outputs) {
    // The warps of the targets had only to share their outputs.
    if (warp.n < a.targets) return;

    // The target y.
    int index;
    float value = sac_min_critic(outputs, 1, a.targets, &index);
    if (a.soft) value = sac_soft_value(value, sac_alpha(get(LOG_ALPHA)), get(LOG_PROB));
    const float y = sac_target(get(REWARD), a.reward_scale, get(DISCOUNT), value);

    // The gradient of the mean loss, back into the hidden layer.
    const float d_q = sac_head_mean_grad(a.dims, get(WEIGHT)) * sac_square_loss_grad(q, y);
    sac_head_backward(x, warp.lane, d_q, a.d_hidden + warp.out * static_cast<size_t>(a.critic.width));

    // One lane stores the results. All critics have the same y, so the first one stores it.
    if (warp.lane != 0) return;
    a.q[warp.out] = q;
    a.d_q[warp.out] = d_q;
    if (warp.n == a.targets) a.y[warp.row] = y;
  }
};

__global__ void __launch_bounds__(sac_head_threads_max) critic_loss(sac_critic_loss_args a) {
  sac_head_rows<critic_loss_row>(a);
}

// A row has one network: the value network.
struct value_loss_row {
  using args = sac_critic_value_loss_args;
  float log_alpha, smallest, log_prob;

  __device__ static sac_head_net net(const args& a, size_t p, int) { return {a.value, p, true}; }

  __device__ value_loss_row(const args& a, const sac_head_warp& warp) {
    log_alpha = a.log_alpha[warp.p * a.log_alpha_stride];
    smallest = a.smallest[warp.row];
    log_prob = a.log_prob[warp.row + warp.p * static_cast<size_t>(a.dims.batch)];
  }

  __device__ void finish(const args& a, const sac_head_warp& warp, sac_head_row& x, float v, const float*) {
    // The target, and the gradient of the mean loss.
    const float target = sac_soft_value(smallest, sac_alpha(log_alpha), log_prob);
    const float d_v = sac_head_mean_grad(a.dims, sac_square_loss_grad(v, target));
    sac_head_backward(x, warp.lane, d_v, a.d_hidden + warp.out * static_cast<size_t>(a.value.width));

    // One lane stores the results.
    if (warp.lane != 0) return;
    a.v[warp.row] = v;
    a.v_target[warp.row] = target;
    a.d_v[warp.row] = d_v;
  }
};

__global__ void __launch_bounds__(sac_head_threads_max) critic_value_loss(sac_critic_value_loss_args a) {
  sac_head_rows<value_loss_row>(a);
}

}  // namespace

cudaError_t sac_critic_loss(cudaStream_t stream, const sac_critic_loss_args* args) {
  const int32_t nets = args->targets + args->dims.critics;
  SAC_LAUNCH(critic_loss, sac_head_grid(args->dims, nets), sac_head_block(nets), 0, stream, *args);
  return cudaGetLastError();
}

cudaError_t sac_critic_value_loss(cudaStream_t stream, const sac_critic_value_loss_args* args) {
  SAC_LAUNCH(critic_value_loss, sac_head_grid(args->dims, 1), sac_head_block(1), 0, stream, *args);
  return cudaGetLastError();
}
