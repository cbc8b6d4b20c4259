// actor update, between the matrix products: the squashed Gaussian of the head's outputs, the smallest critic, and the
// gradient from the critics back through the action to the actor's head.
#include "kernels/bellman.h"
#include "kernels/cuda.cuh"
#include "kernels/head.cuh"
#include "kernels/kernels.h"
#include "kernels/squash.h"
#include "kernels/temperature.h"

namespace {

// --- squash: a warp for each row, a lane for each action component ---------------------------------------------------

constexpr int squash_threads = 64;

// The rows of an agent are those of s, then those of s'.
__global__ void __launch_bounds__(squash_threads) actor_squash(sac_actor_squash_args a) {
  // a warp has row r of agent p
  const size_t p = blockIdx.y, batch = static_cast<size_t>(a.dims.batch), actions = static_cast<size_t>(a.dims.action);
  const size_t r = (static_cast<size_t>(blockIdx.x) * squash_threads + threadIdx.x) / SAC_WARP;
  const size_t lane = threadIdx.x % SAC_WARP;
  if (r >= static_cast<size_t>(a.rows)) return;

  // where the row is in the head's outputs and in the critics' inputs
  const uint32_t alive = a.state[p].alive;
  const size_t row = 2 * p * batch + r, critics = static_cast<size_t>(a.dims.critics);
  const size_t features = static_cast<size_t>(a.dims.obs) + actions;
  const bool of_next = r >= batch;
  const float* bias = a.bias + p * a.bias_stride;
  float* head = a.head + row * 2 * actions;
  float* inputs = (of_next ? a.minibatch.next : a.minibatch.policy) + static_cast<size_t>(a.dims.obs);

  float log_prob = 0, saturated = 0;
  for (size_t first = 0; first < actions; first += SAC_WARP) {
    // every lane loads a component; those beyond the last load the last one
    const size_t i = first + lane, j = i < actions ? i : actions - 1;
    const float mean = head[j] + bias[j], log_std = head[actions + j] + bias[actions + j];
    const float noise = a.minibatch.noise[row * actions + j];
    sac_loads_first();
    if (!alive) return;
    if (i >= actions) continue;

    // the action, to the inputs of each critic
    const sac_squash_out out = sac_squash(mean, log_std, noise, a.log_std_min, a.log_std_max);
    log_prob += out.log_prob;
    for (size_t k = 0; k < critics; k++)
      inputs[((p * critics + k) * batch + (of_next ? r - batch : r)) * features + i] = out.action;
    if (of_next) continue;

    // keep what the gradient and the statistics of a~ need
    const size_t at = (p * batch + r) * actions + i;
    head[actions + i] = log_std;
    a.out.action[at] = out.action;
    a.out.spread[at] = out.spread;
    a.out.slope[at] = out.slope;
    saturated += sac_squash_saturated(out.action);
  }

  // the sums over the components
  if (!alive) return;
  log_prob = sac_warp_sum(log_prob);
  saturated = sac_warp_sum(saturated);

  // One lane stores them. Only the saturation of a~ is a statistic.
  if (lane != 0) return;
  a.out.log_prob[row] = log_prob;
  if (!of_next) a.out.saturated[p * batch + r] = saturated;
}

// --- the smallest critic: a warp for each critic ---------------------------------------------------------------------

// The networks of a row are the critics. The gradient goes back through the smallest one; it is zero in the others.
struct smallest_q_row {
  using args = sac_actor_smallest_q_args;

  __device__ static sac_head_net net(const args& a, size_t p, int n) {
    return {a.critic, p * static_cast<size_t>(a.dims.critics) + static_cast<size_t>(n), true};
  }

  __device__ smallest_q_row(const args&, const sac_head_warp&) {}

  __device__ void finish(const args& a, const sac_head_warp& warp, sac_head_row& x, float, const float* outputs) {
    // The smallest critic, and the gradient of the mean loss with respect to its output.
    int index;
    const float smallest = sac_min_critic(outputs, 1, a.dims.critics, &index);
    const float d_q = sac_head_mean_grad(a.dims, sac_actor_loss_grad_q());

    // The gradient goes back through the smallest critic. The others get zeros.
    const size_t width = static_cast<size_t>(a.critic.width);
    float* d_hidden = a.d_hidden + warp.out * width;
    if (warp.n == index) {
      sac_head_backward(x, warp.lane, d_q, d_hidden);
    } else {
      for (size_t j = static_cast<size_t>(warp.lane); j < width; j += SAC_WARP) d_hidden[j] = 0;
    }

    // One warp stores the minimum for the row.
    if (warp.n == 0 && warp.lane == 0) a.smallest[warp.row] = smallest;
  }
};

__global__ void __launch_bounds__(sac_head_threads_max) actor_smallest_q(sac_actor_smallest_q_args a) {
  sac_head_rows<smallest_q_row>(a);
}

// --- gradient back through the action and the squash: a warp for each row --------------------------------------------

// The rows of a block share the weights of the critics' first layer, which they read from shared memory.
constexpr int tile = 8;       // action components at a time
constexpr int grad_rows = 8;  // rows of a block
constexpr int grad_threads = grad_rows * SAC_WARP, grad_part = sac_head_part;
constexpr int grad_pitch = grad_part + 4;  // floats of a component's weights in shared memory: no bank conflicts

// What a thread loads for one part of a critic's hidden units: hidden units and gradients of its row, in its columns;
// and, for the block, weights of component t % tile by unit t / tile and every 32nd unit after it. Beyond the last unit
// it loads the last one again.
struct grad_reads {
  float hidden[sac_head_columns], d_hidden[sac_head_columns], weight[sac_head_columns];
  int units;  // weights from this unit on count as 0
};

static_assert(tile == sac_head_columns, "a thread loads weights of as many units as a lane has columns");

// Loads a part of network `net` for row r, and its weights for the action components from `first` on.
__device__ void read_part(const sac_actor_squash_grad_args& a, size_t net, size_t r, int part, size_t first,
                          grad_reads& reads) {
  // the columns of this lane; the unit and the action component of the weights that this thread loads
  const size_t actions = static_cast<size_t>(a.dims.action), width = static_cast<size_t>(a.width);
  const size_t features = static_cast<size_t>(a.dims.obs) + actions;
  const int lane = static_cast<int>(threadIdx.x) % SAC_WARP, t = static_cast<int>(threadIdx.x);
  const int column = part * grad_part + lane, unit = part * grad_part + t / tile;
  const size_t component = first + static_cast<size_t>(t % tile);

  // where the row is, and the component's column in the critic's first layer
  const float* d_hidden = a.d_hidden + (net * static_cast<size_t>(a.dims.batch) + r) * width;
  const float* hidden = a.hidden + net * a.hidden_stride + r * width;
  const float* weight = a.weight + net * a.weight_stride + static_cast<size_t>(a.dims.obs) +
                        (component < actions ? component : actions - 1);

  // the row's hidden units
#pragma unroll
  for (int i = 0; i < sac_head_columns; i++) {
    const int j = sac_head_column(column, i, a.width);
    reads.hidden[i] = hidden[j];
    reads.d_hidden[i] = d_hidden[j];
  }

  // the block's weights
#pragma unroll
  for (int i = 0; i < sac_head_columns; i++) {
    const int j = sac_head_column(unit, i, a.width);
    reads.weight[i] = weight[static_cast<size_t>(j) * features];
  }

  // all weights of a component beyond the last one count as 0
  reads.units = component < actions ? a.width - unit : 0;
  sac_loads_first();
}

// Takes a part out of `reads`, which the next part then overwrites: stores its weights in shared memory, and the
// gradients with respect to the row's pre-activations in d.
__device__ void store_part(const grad_reads& reads, float* block_weights, float (&d)[sac_head_columns]) {
  const int t = static_cast<int>(threadIdx.x);

  // the weights: shared memory has a row for each action component
#pragma unroll
  for (int j = 0; j < tile; j++)
    block_weights[t % tile * grad_pitch + t / tile + j * SAC_WARP] =
        j * SAC_WARP < reads.units ? reads.weight[j] : 0.0f;
#pragma unroll
  for (int j = 0; j < sac_head_columns; j++) d[j] = sac_relu_grad(reads.hidden[j], reads.d_hidden[j]);
}

// Adds a lane's products of one part to the gradient with respect to `tile` action components.
__device__ void add_products(const float (&d)[sac_head_columns], const float* block_weights, int lane,
                             float (&sum)[tile]) {
#pragma unroll
  for (int j = 0; j < sac_head_columns; j++) {
#pragma unroll
    for (int k = 0; k < tile; k++) sum[k] = fmaf(d[j], block_weights[k * grad_pitch + lane + j * SAC_WARP], sum[k]);
  }
}

// Long, as its loads of one part run beside the sums of the part before, in the same registers.
__global__ void __launch_bounds__(grad_threads, 2) actor_squash_grad(sac_actor_squash_grad_args a) {
  __shared__ float weights[2][tile * grad_pitch];

  // A warp has row r of agent p. Warps beyond the minibatch load row 0 and take part in the barriers.
  const size_t p = blockIdx.y, batch = static_cast<size_t>(a.dims.batch), actions = static_cast<size_t>(a.dims.action);
  const size_t r = (static_cast<size_t>(blockIdx.x) * grad_threads + threadIdx.x) / SAC_WARP;
  const int lane = static_cast<int>(threadIdx.x) % SAC_WARP;
  const bool in_batch = r < batch;

  // the hidden units of all critics are read part by part
  const int parts = (a.width + grad_part - 1) / grad_part, parts_of_all = parts * a.dims.critics;
  const size_t first_net = p * static_cast<size_t>(a.dims.critics), row = in_batch ? r : 0;

  // the agent's state and temperature, and the row in the outputs of the actor's head
  const uint32_t alive = a.state[p].alive;
  const float log_alpha = a.log_alpha[p * a.log_alpha_stride];
  const float* head = a.head + (2 * p * batch + row) * 2 * actions;
  float* d_head = a.d_head + (p * batch + row) * 2 * actions;

  // `tile` action components at a time
  grad_reads reads;
  for (size_t first = 0; first < actions; first += tile) {
    // load the first part of the hidden units
    read_part(a, first_net, row, 0, first, reads);

    // load what the squash's gradient needs: lane k has component first + k
    const size_t i = first + static_cast<size_t>(lane), at = (p * batch + row) * actions + i;
    const bool writes = in_batch && lane < tile && i < actions;
    sac_squash_out out = {0, 0, 0, 0};
    float log_std = 0;
    if (writes) {
      out.action = a.out.action[at];
      out.spread = a.out.spread[at];
      out.slope = a.out.slope[at];
      log_std = head[actions + i];
    }
    sac_loads_first();
    if (!alive) return;

    // The gradient with respect to the action: a sum over the hidden units of all critics. The loads of the next part
    // are under way while a part is added.
    float sum[tile] = {0};
    for (int n = 0; n < parts_of_all; n++) {
      float d[sac_head_columns];
      store_part(reads, weights[n % 2], d);
      __syncthreads();
      if (n + 1 < parts_of_all)
        read_part(a, first_net + static_cast<size_t>((n + 1) / parts), row, (n + 1) % parts, first, reads);
      add_products(d, weights[n % 2], lane, sum);
    }

    // sum over the warp: lane k keeps the gradient with respect to component first + k
    float d_action = 0;
#pragma unroll
    for (int k = 0; k < tile; k++) {
      const float whole = sac_warp_sum(sum[k]);
      d_action = lane == k ? whole : d_action;
    }
    __syncthreads();  // the next components' weights overwrite these

    // the gradient with respect to the head's outputs
    if (!writes) continue;
    const float d_log_prob = sac_actor_loss_grad_log_prob(sac_alpha(log_alpha)) / static_cast<float>(a.dims.batch);
    const sac_squash_grad grad = sac_squash_backward(out, log_std, a.log_std_min, a.log_std_max, d_log_prob, d_action);
    d_head[i] = grad.mean;
    d_head[actions + i] = grad.log_std;
  }
}

}  // namespace

cudaError_t sac_actor_squash(cudaStream_t stream, const sac_actor_squash_args* args) {
  const dim3 grid(sac_blocks(static_cast<size_t>(args->rows), squash_threads / SAC_WARP),
                  static_cast<unsigned>(args->dims.population));
  SAC_LAUNCH(actor_squash, grid, dim3(squash_threads), 0, stream, *args);
  return cudaGetLastError();
}

cudaError_t sac_actor_smallest_q(cudaStream_t stream, const sac_actor_smallest_q_args* args) {
  const int32_t critics = args->dims.critics;
  SAC_LAUNCH(actor_smallest_q, sac_head_grid(args->dims, critics), sac_head_block(critics), 0, stream, *args);
  return cudaGetLastError();
}

cudaError_t sac_actor_squash_grad(cudaStream_t stream, const sac_actor_squash_grad_args* args) {
  const dim3 grid(sac_blocks(static_cast<size_t>(args->dims.batch), grad_rows),
                  static_cast<unsigned>(args->dims.population));
  SAC_LAUNCH(actor_squash_grad, grid, dim3(grad_threads), 0, stream, *args);
  return cudaGetLastError();
}
