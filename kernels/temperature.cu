// temperature update: J_alpha, its gradient and log_alpha's step, and the statistics of the whole update.
#include "kernels/temperature.h"

#include "kernels/bellman.h"
#include "kernels/cuda.cuh"
#include "kernels/kernels.h"

namespace {

constexpr int threads = 256;

// Sums over the minibatch, in the order of a block's threads.
enum {
  CRITIC_LOSS,
  Q_SUM,
  TD_ERROR,
  VALUE_LOSS,
  ACTOR_LOSS,
  LOG_PROB,
  SATURATED,
  ALPHA_LOSS,
  ALPHA_GRAD,
  CRITIC_NORM,
  ACTOR_NORM,
  SUMS
};

__device__ void add_rows(const sac_temperature_args& a, size_t p, float log_alpha, double sum[SUMS]) {
  const int batch = a.dims.batch, critics = a.dims.critics;
  const size_t at = p * static_cast<size_t>(batch);
  const float alpha = sac_alpha(log_alpha);
  const float *q = a.q + at * static_cast<size_t>(critics), *y = a.y + at, *log_prob = a.log_prob + 2 * at;
  for (int r = static_cast<int>(threadIdx.x); r < batch; r += threads) {
    for (int k = 0; k < critics; ++k) {
      const float value = q[static_cast<size_t>(k) * static_cast<size_t>(batch) + static_cast<size_t>(r)];
      sum[CRITIC_LOSS] += sac_square_loss(value, y[r]);
      sum[Q_SUM] += value;
      sum[TD_ERROR] += fabs(static_cast<double>(sac_td_error(value, y[r])));
    }
    if (a.v_value)
      sum[VALUE_LOSS] +=
          sac_square_loss(a.v_value[at + static_cast<size_t>(r)], a.v_target[at + static_cast<size_t>(r)]);
    sum[ACTOR_LOSS] += sac_actor_loss(a.smallest[at + static_cast<size_t>(r)], alpha, log_prob[r]);
    sum[LOG_PROB] += log_prob[r];
    sum[SATURATED] += a.saturated[at + static_cast<size_t>(r)];
    sum[ALPHA_LOSS] += sac_alpha_loss(log_alpha, log_prob[r], a.target_entropy);
    sum[ALPHA_GRAD] += sac_alpha_loss_grad(log_prob[r], a.target_entropy);
  }
}

__device__ double add_parts(const double* norm, size_t p, int parts) {
  double sum = 0;
  for (int i = static_cast<int>(threadIdx.x); i < parts; i += threads)
    sum += norm[p * static_cast<size_t>(parts) + static_cast<size_t>(i)];
  return sum;
}

__device__ bool all_finite(const sac_update_stats& s) {
  return isfinite(s.critic_loss) && isfinite(s.value_loss) && isfinite(s.actor_loss) && isfinite(s.alpha_loss) &&
         isfinite(s.alpha) && isfinite(s.q_mean) && isfinite(s.critic_grad) && isfinite(s.actor_grad);
}

// Which gradients are to blame, told in the order of the list. Once in an agent's life.
__device__ void name_gradients(const sac_temperature_args& a, size_t p, sac_device_state* state) {
  int bad = 0, first = -1;
  for (int i = 0; i < a.watched_count; ++i) {
    const sac_watched w = a.watched[i];
    const float* x = a.gradients + w.start + p * w.stride;
    int mine = 0;
    for (uint64_t e = threadIdx.x; e < w.count; e += threads) mine |= !isfinite(x[e]);
    if (!__syncthreads_or(mine)) continue;
    first = bad++ == 0 ? i : first;
  }
  if (threadIdx.x != 0) return;
  state->bad_tensors = bad;
  state->first_bad = first;
  state->bad_value = 0;
  if (first < 0) return;
  const float* x = a.gradients + a.watched[first].start + p * a.watched[first].stride;
  while (isfinite(*x)) ++x;
  state->bad_value = *x;
}

// One thread: means, norms, and log_alpha's step.
__device__ void finish(const sac_temperature_args& a, size_t p, float log_alpha, const double sum[SUMS]) {
  sac_device_state* state = &a.state[p];
  const double batch = a.dims.batch;
  sac_update_stats s;
  s.critic_loss = sum[CRITIC_LOSS] / batch;
  s.actor_loss = sum[ACTOR_LOSS] / batch;
  s.alpha_loss = sum[ALPHA_LOSS] / batch;
  s.value_loss = sum[VALUE_LOSS] / batch;
  s.alpha = sac_alpha(log_alpha);
  s.entropy = -sum[LOG_PROB] / batch;
  s.q_mean = sum[Q_SUM] / (batch * a.dims.critics);
  s.td_error = sum[TD_ERROR] / (batch * a.dims.critics);
  s.saturation = sum[SATURATED] / (batch * a.dims.action);
  s.critic_grad = sqrt(sum[CRITIC_NORM]);
  s.actor_grad = sqrt(sum[ACTOR_NORM]);
  state->stats = s;
  if (!all_finite(s)) state->alive = 0;
  if (!a.learn) return;
  const size_t at = p * a.log_alpha_stride;
  const float grad = static_cast<float>(sum[ALPHA_GRAD] / batch);
  a.grad[at] = grad;
  a.log_alpha[at] = sac_adam(state->adam[SAC_ADAM_ALPHA], log_alpha, grad, &a.m[at], &a.v[at]);
}

// A block an agent.
__global__ void __launch_bounds__(threads) temperature_update(sac_temperature_args a) {
  const size_t p = blockIdx.x;
  sac_device_state* state = &a.state[p];
  if (!state->alive) return;
  const float log_alpha = a.log_alpha[p * a.log_alpha_stride];
  double sum[SUMS] = {0};
  add_rows(a, p, log_alpha, sum);
  sum[CRITIC_NORM] = add_parts(a.critic_norm, p, a.critic_parts);
  if (a.value_norm) sum[CRITIC_NORM] += add_parts(a.value_norm, p, a.value_parts);
  sum[ACTOR_NORM] = add_parts(a.actor_norm, p, a.actor_parts);
  sac_block_sums<double, SUMS>(sum);
  if (threadIdx.x == 0) finish(a, p, log_alpha, sum);
  if (__syncthreads_or(threadIdx.x == 0 && !state->alive)) name_gradients(a, p, state);
}

}  // namespace

cudaError_t sac_temperature_update(cudaStream_t stream, const sac_temperature_args* args) {
  SAC_LAUNCH(temperature_update, dim3(static_cast<unsigned>(args->dims.population)), dim3(threads), 0, stream, *args);
  return cudaGetLastError();
}
