// critic update and actor update of discrete actions, between the matrix products: the heads' biases, targets, losses,
// their gradients with respect to the heads' outputs, and the policy's statistics.
//
// A warp has one row of the minibatch, and a lane every 32nd action. A lane keeps the value of its first action in a
// register; it loads those of further actions (only where there are more than 32) again in each pass over the actions.
#include "kernels/bellman.h"
#include "kernels/cuda.cuh"
#include "kernels/discrete.cuh"
#include "kernels/kernels.h"
#include "kernels/temperature.h"

namespace {

constexpr int threads = 64;

// The place of a warp: row r of agent p; `row` among the rows of all agents.
struct place {
  size_t p, r, row;
  int lane;
};
__device__ place place_of(int batch) {
  const size_t p = blockIdx.y, r = (static_cast<size_t>(blockIdx.x) * threads + threadIdx.x) / SAC_WARP;
  return {p, r, p * static_cast<size_t>(batch) + r, static_cast<int>(threadIdx.x) % SAC_WARP};
}

// The values of the actions at one row: logits, or those of the critics, joined.
struct row_values {
  const float *product, *bias;
  size_t product_stride, bias_stride;
  int nets, mean;
  float first;  // of this lane's first action

  __device__ row_values(const sac_outputs& from, const place& at, int actions, int join_mean)
      : product(from.product + at.p * static_cast<size_t>(from.nets) * from.product_stride +
                at.r * static_cast<size_t>(actions)),
        bias(from.bias + at.p * static_cast<size_t>(from.nets) * from.bias_stride),
        product_stride(from.product_stride),
        bias_stride(from.bias_stride),
        nets(from.nets),
        mean(join_mean) {
    // lanes beyond the last action load the last one
    first = load(at.lane < actions ? at.lane : actions - 1);
  }

  // Output a of network k.
  __device__ float output(size_t k, size_t a) const {
    return product[k * product_stride + a] + bias[k * bias_stride + a];
  }

  // [sac.join] The value of action a.
  __device__ float load(int action) const {
    const size_t a = static_cast<size_t>(action);
    float joined = output(0, a);
    for (int k = 1; k < nets; k++) joined = sac_join_next(joined, output(static_cast<size_t>(k), a), mean);
    return sac_join_end(joined, nets, mean);
  }

  // The value of an action of this lane.
  __device__ float operator[](int a) const { return a < SAC_WARP ? first : load(a); }
};

// Writes the statistics of the policy `pi`, whose values are x: its expectations, log Z of q, and its distance from the
// Boltzmann policy of q.
__device__ void describe(const sac_discrete_columns& out, const place& at, int batch, int actions,
                         const sac_distribution& pi, const row_values& x, const sac_distribution& boltzmann,
                         const row_values& q) {
  // one lane's terms of the sums
  float entropy = 0, expectation = 0, kl = 0;
  for (int a = at.lane; a < actions; a += SAC_WARP) {
    const float value = q[a], log_p = pi.log_p(x[a]), log_r = boltzmann.log_p(value);
    entropy += sac_entropy(&log_p, 1, 1);
    expectation += sac_expectation(&log_p, &value, 1, 1);
    kl += sac_kl(&log_p, &log_r, 1, 1);
  }
  entropy = sac_warp_sum(entropy);
  expectation = sac_warp_sum(expectation);
  kl = sac_warp_sum(kl);

  // E[log pi] is minus the entropy; log_prob has rows for s' too
  if (at.lane != 0) return;
  out.log_prob[at.row + at.p * static_cast<size_t>(batch)] = -entropy;
  out.smallest[at.row] = expectation;
  out.log_z[at.row] = sac_log_sum_from(boltzmann.scale, boltzmann.largest, boltzmann.above);
  out.kl[at.row] = kl;
}

// [sac-discrete.value] V of q under the policy `pi`, whose values are x.
__device__ float value_of(const sac_distribution& pi, const row_values& x, const row_values& q, int actions, int lane,
                          float alpha) {
  float sum = 0;
  for (int a = lane; a < actions; a += SAC_WARP) {
    const float value = q[a], log_p = pi.log_p(x[a]);
    sum += sac_discrete_value(&log_p, &value, 1, 1, alpha);
  }
  return sac_warp_sum(sum);
}

// --- critic update ---------------------------------------------------------------------------------------------------

// actor: there is an actor, whose logits at s' give the target; otherwise the policy is that of the critics.
template <bool actor>
__global__ void __launch_bounds__(threads) discrete_critic_loss(sac_discrete_critic_loss_args a) {
  const place at = place_of(a.batch);
  const int lane = at.lane, actions = a.actions, critics = a.critic.nets;
  if (at.r >= static_cast<size_t>(a.batch)) return;

  // what the row has once
  const uint32_t alive = a.state[at.p].alive;
  const float log_alpha = a.log_alpha[at.p * a.log_alpha_stride];
  const float reward = a.reward[at.row], discount = a.discount[at.row], weight = a.weight[at.row];
  const int number = sac_action_number(a.action[at.row], actions);

  // The values at s', and what the policy is made of: the actor's logits there, or the critics at s. Lane k has
  // Q_k(s, a).
  const row_values target(a.target, at, actions, a.mean), x(actor ? a.logits : a.critic, at, actions, a.mean);
  const row_values critic(a.critic, at, actions, a.mean);
  const float q = critic.output(static_cast<size_t>(lane < critics ? lane : 0), static_cast<size_t>(number));
  sac_loads_first();
  if (!alive) return;

  // the value of s'
  const float alpha = sac_alpha(log_alpha);
  float value;
  if constexpr (actor) {
    value = value_of(sac_distribution_of(x, actions, lane, 1), x, target, actions, lane, alpha);
  } else {
    const sac_distribution next = sac_distribution_of(target, actions, lane, 1 / alpha);
    value = sac_boltzmann_from(next.largest, alpha, next.above);

    // [discrete.soft-value] the policy at s is the Boltzmann policy itself
    const sac_distribution pi = sac_distribution_of(x, actions, lane, 1 / alpha);
    describe(a.columns, at, a.batch, actions, pi, x, pi, x);
  }

  // [sac.critic-loss] the gradient of the mean loss of critic k with respect to Q_k(s, a), in lane k
  const float y = sac_target(reward, a.reward_scale, discount, value);
  const float d_q = 1.0f / static_cast<float>(a.batch) * weight * sac_square_loss_grad(q, y);
  if (lane == 0) a.y[at.row] = y;

  // the gradient with respect to the outputs: zeros but for the action of the replay
  for (int k = 0; k < critics; k++) {
    const size_t row =
        (at.p * static_cast<size_t>(critics) + static_cast<size_t>(k)) * static_cast<size_t>(a.batch) + at.r;
    const float chosen = __shfl_sync(SAC_WHOLE_WARP, d_q, k);
    for (int i = lane; i < actions; i += SAC_WARP)
      a.d_output[row * static_cast<size_t>(actions) + static_cast<size_t>(i)] = i == number ? chosen : 0.0f;
    if (lane == k) a.q[row] = q;
  }
}

// --- actor update ----------------------------------------------------------------------------------------------------

// The q of the first action whose logit is `largest`, in every lane. Where there is none, largest is NaN.
__device__ float value_of_first(const row_values& logits, float largest, const row_values& q, int actions, int lane) {
  // the first such action of this lane, then of the warp
  int mine = lane;
  while (mine < actions && logits[mine] != largest) mine += SAC_WARP;
  int first = mine;
  for (int distance = SAC_WARP / 2; distance > 0; distance /= 2) {
    const int other = __shfl_xor_sync(SAC_WHOLE_WARP, first, distance);
    first = other < first ? other : first;
  }

  // the lane that has it sends its value
  const float value = mine == first && first < actions ? q[first] : 0.0f;
  return __shfl_sync(SAC_WHOLE_WARP, value, first % SAC_WARP);
}

__global__ void __launch_bounds__(threads) discrete_actor_grad(sac_discrete_actor_grad_args a) {
  const place at = place_of(a.batch);
  const int lane = at.lane, actions = a.actions;
  if (at.r >= static_cast<size_t>(a.batch)) return;

  // load everything before the first branch
  const uint32_t alive = a.state[at.p].alive;
  const float log_alpha = a.log_alpha[at.p * a.log_alpha_stride];
  const row_values logits(a.logits, at, actions, 0), q(a.critic, at, actions, a.mean);
  sac_loads_first();
  if (!alive) return;

  // the policy, the Boltzmann policy of the critics, and the statistics
  const float alpha = sac_alpha(log_alpha);
  const sac_distribution pi = sac_distribution_of(logits, actions, lane, 1);
  describe(a.columns, at, a.batch, actions, pi, logits, sac_distribution_of(q, actions, lane, 1 / alpha), q);

  // [sac-discrete.actor-grad] the loss, relative to that of the most probable action
  const float log_p_best = pi.log_p(pi.largest), q_best = value_of_first(logits, pi.largest, q, actions, lane);
  float loss = 0;
  for (int i = lane; i < actions; i += SAC_WARP) {
    const float log_p = pi.log_p(logits[i]);
    loss += sac_weighted(expf(log_p), sac_relative_loss(log_p, q[i], alpha, log_p_best, q_best));
  }
  loss = sac_warp_sum(loss);

  // the gradient of the mean loss
  const float share = 1.0f / static_cast<float>(a.batch);
  float* d_logits = a.d_logits + at.row * static_cast<size_t>(actions);
  for (int i = lane; i < actions; i += SAC_WARP) {
    const float log_p = pi.log_p(logits[i]);
    const float relative = sac_relative_loss(log_p, q[i], alpha, log_p_best, q_best);
    d_logits[i] = share * sac_weighted(expf(log_p), relative - loss);
  }
}

// Grid: (blocks, P), a warp for each row.
dim3 grid_of(int32_t batch, int32_t population) {
  return dim3(sac_blocks(static_cast<size_t>(batch), threads / SAC_WARP), static_cast<unsigned>(population));
}

}  // namespace

cudaError_t sac_discrete_critic_loss(cudaStream_t stream, const sac_discrete_critic_loss_args* args) {
  const dim3 grid = grid_of(args->batch, args->population);
  if (args->logits.product) SAC_LAUNCH(discrete_critic_loss<true>, grid, dim3(threads), 0, stream, *args);
  else SAC_LAUNCH(discrete_critic_loss<false>, grid, dim3(threads), 0, stream, *args);
  return cudaGetLastError();
}

cudaError_t sac_discrete_actor_grad_rows(cudaStream_t stream, const sac_discrete_actor_grad_args* args) {
  SAC_LAUNCH(discrete_actor_grad, grid_of(args->batch, args->population), dim3(threads), 0, stream, *args);
  return cudaGetLastError();
}
