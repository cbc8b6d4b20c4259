// temperature update: the temperature's loss, its gradient and Adam's step of log_alpha; and the statistics of the
// update.
#include "kernels/temperature.h"

#include "kernels/bellman.h"
#include "kernels/cuda.cuh"
#include "kernels/kernels.h"

namespace {

constexpr int threads = 256;
constexpr int rows_ahead = 4;     // rows that a thread loads before it adds the first of them
constexpr int critics_ahead = 2;  // critics of such a row; the outputs of others are loaded later

// Sums over the minibatch: the statistics, and the gradient of log_alpha.
enum { ALPHA_GRAD = SAC_STATISTIC_COUNT, SUMS };

// SUM turns a line of SAC_STATISTICS into a statement that adds its value to its sum. Each of the functions
// add_critic to add_discrete serves the lines of one kind (their `each`). There SUM_<kind> is ADD; for lines
// of other kinds SUM is nothing.
#define NOTHING(name, value)
#define ADD(name, value) sum[SAC_STATISTIC_##name] += static_cast<double>(value);
#define SUM_CRITIC NOTHING
#define SUM_VALUE NOTHING
#define SUM_POLICY NOTHING
#define SUM_ACTOR NOTHING
#define SUM_SQUASHED NOTHING
#define SUM_DISCRETE NOTHING
#define SUM_ONCE NOTHING
#define SUM_CRITIC_GRADIENT NOTHING
#define SUM_ACTOR_GRADIENT NOTHING
#define SUM(name, column, watched, each, over, value, tag, meaning) SUM_##each(name, value)

// The numbers of a row. A kernel for one kind of actions keeps no registers for the numbers of the other.
struct row_reads {
  float q[critics_ahead], y, v_value, v_target, smallest, log_prob;
  float saturated;  // continuous actions
  float log_z, kl;  // discrete actions
};

// Loads a row; beyond the last row, the last one.
template <bool discrete>
__device__ void read_row(const sac_temperature_args& a, size_t p, int row, row_reads& reads) {
  // where the row is
  const size_t batch = static_cast<size_t>(a.dims.batch), critics = static_cast<size_t>(a.dims.critics);
  const size_t r = static_cast<size_t>(row < a.dims.batch ? row : a.dims.batch - 1), at = p * batch + r;

  // The first critics. Where an agent has fewer of them, critic 0 is loaded again.
#pragma unroll
  for (int k = 0; k < critics_ahead; k++)
    reads.q[k] = a.q[(p * critics + (k < a.dims.critics ? static_cast<size_t>(k) : 0)) * batch + r];

  // The targets and values of the row. There may be no value network.
  reads.y = a.y[at];
  reads.v_value = a.v_value ? a.v_value[at] : 0.0f;
  reads.v_target = a.v_value ? a.v_target[at] : 0.0f;
  reads.smallest = a.smallest[at];
  reads.log_prob = a.log_prob[at + p * batch];
  if constexpr (discrete) reads.log_z = a.log_z[at], reads.kl = a.kl[at];
  else reads.saturated = a.saturated[at];
}

// Loads rows first, first + threads, ...; only the first one where the minibatch has no more rows than the block has
// threads.
template <bool discrete>
__device__ void read_rows(const sac_temperature_args& a, size_t p, int first, row_reads rows[rows_ahead]) {
  read_row<discrete>(a, p, first, rows[0]);

  // a small minibatch has at most one row for each thread
  if (a.dims.batch <= threads) return;
#pragma unroll
  for (int n = 1; n < rows_ahead; n++) read_row<discrete>(a, p, first + n * threads, rows[n]);
}

// What all values may use: the temperature as this update reads it.
struct temperature_reads {
  float alpha, log_alpha, target_entropy;
};
#define NAMES(t)                                                                                 \
  const float alpha = (t).alpha, log_alpha = (t).log_alpha, target_entropy = (t).target_entropy; \
  (void)alpha, (void)log_alpha, (void)target_entropy

// The statistics of one critic's output.
#undef SUM_CRITIC
#define SUM_CRITIC ADD
__device__ void add_critic(float q, float y, const temperature_reads& t, double sum[SUMS]) {
  NAMES(t);
  SAC_STATISTICS(SUM)
}
#undef SUM_CRITIC
#define SUM_CRITIC NOTHING

// The statistics of a row's state value.
#undef SUM_VALUE
#define SUM_VALUE ADD
__device__ void add_value(float v, float v_target, const temperature_reads& t, double sum[SUMS]) {
  NAMES(t);
  SAC_STATISTICS(SUM)
}
#undef SUM_VALUE
#define SUM_VALUE NOTHING

// The statistics of a row's policy that every algorithm has, and the gradient with respect to log_alpha.
#undef SUM_POLICY
#define SUM_POLICY ADD
__device__ void add_policy(float smallest, float log_prob, const temperature_reads& t, double sum[SUMS]) {
  NAMES(t);
  SAC_STATISTICS(SUM)
  sum[ALPHA_GRAD] += static_cast<double>(sac_alpha_loss_grad(log_prob, target_entropy));
}
#undef SUM_POLICY
#define SUM_POLICY NOTHING

// Those of an actor.
#undef SUM_ACTOR
#define SUM_ACTOR ADD
__device__ void add_actor(float smallest, float log_prob, const temperature_reads& t, double sum[SUMS]) {
  NAMES(t);
  SAC_STATISTICS(SUM)
}
#undef SUM_ACTOR
#define SUM_ACTOR NOTHING

// Those of a squashed Gaussian.
#undef SUM_SQUASHED
#define SUM_SQUASHED ADD
__device__ void add_squashed(float saturated, const temperature_reads& t, double sum[SUMS]) {
  NAMES(t);
  SAC_STATISTICS(SUM)
}
#undef SUM_SQUASHED
#define SUM_SQUASHED NOTHING

// Those of discrete actions.
#undef SUM_DISCRETE
#define SUM_DISCRETE ADD
__device__ void add_discrete(float log_z, float kl, const temperature_reads& t, double sum[SUMS]) {
  NAMES(t);
  SAC_STATISTICS(SUM)
}
#undef SUM_DISCRETE
#define SUM_DISCRETE NOTHING

// Adds a row to all sums.
template <bool discrete>
__device__ void add_row(const sac_temperature_args& a, size_t p, int row, const row_reads& reads,
                        const temperature_reads& t, double sum[SUMS]) {
  // the critics: those that read_row has loaded, then the others
  const size_t batch = static_cast<size_t>(a.dims.batch), critics = static_cast<size_t>(a.dims.critics);
#pragma unroll
  for (int k = 0; k < critics_ahead; k++)
    if (k < a.dims.critics) add_critic(reads.q[k], reads.y, t, sum);
  for (size_t k = critics_ahead; k < critics; k++)
    add_critic(a.q[(p * critics + k) * batch + static_cast<size_t>(row)], reads.y, t, sum);

  // the value network, where there is one, and the policy
  if (a.v_value) add_value(reads.v_value, reads.v_target, t, sum);
  add_policy(reads.smallest, reads.log_prob, t, sum);
  if (!discrete || a.actor_norm) add_actor(reads.smallest, reads.log_prob, t, sum);
  if constexpr (discrete) add_discrete(reads.log_z, reads.kl, t, sum);
  else add_squashed(reads.saturated, t, sum);
}

// Each block of adam_update has written one part of a squared norm. first_part loads the first part that this thread
// adds; add_parts adds its other parts.
__device__ double first_part(const double* norm, size_t p, int parts) {
  const int i = static_cast<int>(threadIdx.x);
  return norm && i < parts ? norm[p * static_cast<size_t>(parts) + static_cast<size_t>(i)] : 0.0;
}
__device__ double add_parts(double sum, const double* norm, size_t p, int parts) {
#pragma unroll 4
  for (int i = static_cast<int>(threadIdx.x) + threads; i < parts; i += threads)
    sum += norm[p * static_cast<size_t>(parts) + static_cast<size_t>(i)];
  return sum;
}

// Adds the squared norms of this thread's parts to the sums of the norms. (number_of takes the root.)
#undef SUM_CRITIC_GRADIENT
#undef SUM_ACTOR_GRADIENT
#define SUM_CRITIC_GRADIENT(name, value) sum[SAC_STATISTIC_##name] += critic_square;
#define SUM_ACTOR_GRADIENT(name, value) sum[SAC_STATISTIC_##name] += actor_square;
__device__ void add_squares(double critic_square, double actor_square, double sum[SUMS]){SAC_STATISTICS(SUM)}

// Finds the gradients that are not finite: how many tensors have one, the first of these tensors in the order of
// a.tensors, and its first such number. It runs once in an agent's life, when the agent stops.
__device__ void find_bad_gradients(const sac_temperature_args& a, size_t p, sac_device_state* state) {
  // the block searches one tensor after another
  int bad = 0, first = -1;
  for (int i = 0; i < a.tensor_count; i++) {
    const sac_gradient_tensor tensor = a.tensors[i];
    const float* x = a.gradients + tensor.start + p * tensor.stride;

    // whether any number of the tensor is not finite, for all threads
    int mine = 0;
    for (uint64_t e = threadIdx.x; e < tensor.count; e += threads) mine |= !isfinite(x[e]);
    if (!__syncthreads_or(mine)) continue;
    first = bad++ == 0 ? i : first;
  }

  // one thread finds the first number that is not finite
  if (threadIdx.x != 0) return;
  state->bad_tensors = bad;
  state->first_bad = first;
  state->bad_value = 0;

  // all gradients are finite if only a loss or another statistic is not
  if (first < 0) return;
  const float* x = a.gradients + a.tensors[first].start + p * a.tensors[first].stride;
  while (isfinite(*x)) x++;
  state->bad_value = *x;
}

// What Adam's step of log_alpha needs.
struct step_reads {
  sac_adam_step step;
  float log_alpha, m, v;
};

// The divisor of a statistic's sum.
__device__ double divisor(int statistic, const sac_dims& dims) {
  const double rows = dims.batch;
  switch (statistic) {
#define CASE(name, column, watched, each, over, value, tag, meaning) \
  case SAC_STATISTIC_##name:                                         \
    return SAC_STATISTIC_OVER_##over(rows, dims.critics, dims.action);
    SAC_STATISTICS(CASE)
#undef CASE
    default:
      return rows;
  }
}

// A bit for each statistic that is made of a norm.
#define NORM_CRITIC 0u
#define NORM_VALUE 0u
#define NORM_POLICY 0u
#define NORM_ACTOR 0u
#define NORM_SQUASHED 0u
#define NORM_DISCRETE 0u
#define NORM_ONCE 0u
#define NORM_CRITIC_GRADIENT 1u
#define NORM_ACTOR_GRADIENT 1u
#define NORM(name, column, watched, each, over, value, tag, meaning) | (NORM_##each << SAC_STATISTIC_##name)
constexpr uint32_t norms = 0u SAC_STATISTICS(NORM);
#undef NORM

// The number of a statistic: the mean of its sum; or, where it is read once in an update, its value.
__device__ double number_of(int statistic, double sum, double mean, const temperature_reads& t) {
  const double norm = norms >> statistic & 1 ? sqrt(sum) : 0.0;  // only where it is used: a root is slow
  NAMES(t);
  (void)norm;
  switch (statistic) {
#define NUMBER_CRITIC(name, value)
#define NUMBER_VALUE(name, value)
#define NUMBER_POLICY(name, value)
#define NUMBER_ACTOR(name, value)
#define NUMBER_SQUASHED(name, value)
#define NUMBER_DISCRETE(name, value)
#define NUMBER_ONCE(name, value) \
  case SAC_STATISTIC_##name:     \
    return static_cast<double>(value);
#define NUMBER_CRITIC_GRADIENT NUMBER_ONCE
#define NUMBER_ACTOR_GRADIENT NUMBER_ONCE
#define NUMBER(name, column, watched, each, over, value, tag, meaning) NUMBER_##each(name, value)
    SAC_STATISTICS(NUMBER)
#undef NUMBER
    default:
      return mean;
  }
}

// A bit for each statistic that stops its agent when it is not finite.
#define WATCHED(name, column, watched, each, over, value, tag, meaning) | ((watched) << SAC_STATISTIC_##name)
constexpr uint32_t watched_statistics = 0u SAC_STATISTICS(WATCHED);
#undef WATCHED

// Computes the means, the norms and log_alpha's step from the sums: a lane of the first warp for each. Returns whether
// all watched statistics are finite, in all lanes.
__device__ bool finish(const sac_temperature_args& a, size_t p, int lane, double sum, const temperature_reads& t,
                       step_reads& reads) {
  // lane i stores statistic i
  const double mean = sum / divisor(lane, a.dims);
  const double number = number_of(lane, sum, mean, t);
  if (lane < SAC_STATISTIC_COUNT) reinterpret_cast<double*>(&a.state[p].stats)[lane] = number;

  // one more lane has the gradient with respect to log_alpha, and makes Adam's step
  if (lane == ALPHA_GRAD && a.learn) {
    const size_t at = p * a.log_alpha_stride;
    const float grad = static_cast<float>(mean);
    a.grad[at] = grad;
    a.log_alpha[at] =
        sac_alpha_bounded(sac_adam(reads.step, reads.log_alpha, grad, &reads.m, &reads.v), a.log_min, a.log_max);
    a.m[at] = reads.m;
    a.v[at] = reads.v;
  }

  // statistics that are not watched may be infinite or NaN
  return __all_sync(SAC_WHOLE_WARP, !(watched_statistics >> lane & 1) || isfinite(number));
}
static_assert(SUMS <= SAC_WARP, "a lane for each sum");

// One block for each agent.
template <bool discrete>
__device__ void update(const sac_temperature_args& a) {
  // the agent, and what Adam's step of log_alpha needs
  const size_t p = blockIdx.x, at = p * a.log_alpha_stride;
  const int thread = static_cast<int>(threadIdx.x);
  sac_device_state* state = &a.state[p];
  const uint32_t alive = state->alive;
  step_reads step = {state->adam[SAC_ADAM_ALPHA], a.log_alpha[at], 0, 0};
  if (a.learn) {
    step.m = a.m[at];
    step.v = a.v[at];
  }

  // load everything before the first branch
  row_reads rows[rows_ahead] = {};
  read_rows<discrete>(a, p, thread, rows);
  const double critic_part = first_part(a.critic_norm, p, a.critic_parts),
               value_part = first_part(a.value_norm, p, a.value_parts),
               actor_part = first_part(a.actor_norm, p, a.actor_parts);
  sac_loads_first();
  if (!alive) return;

  // This thread's part of the squared norms. That of the critics includes a value network.
  double sum[SUMS] = {0}, critic_square = add_parts(critic_part, a.critic_norm, p, a.critic_parts);
  if (a.value_norm) critic_square += add_parts(value_part, a.value_norm, p, a.value_parts);
  const double actor_square = add_parts(actor_part, a.actor_norm, p, a.actor_parts);
  add_squares(critic_square, actor_square, sum);

  // this thread's rows
  const temperature_reads t = {sac_alpha(step.log_alpha), step.log_alpha, a.target_entropy};
  for (int first = thread; first < a.dims.batch; first += rows_ahead * threads) {
    if (first != thread) read_rows<discrete>(a, p, first, rows);
#pragma unroll
    for (int n = 0; n < rows_ahead; n++)
      if (first + n * threads < a.dims.batch) add_row<discrete>(a, p, first + n * threads, rows[n], t, sum);
  }

  // Over the block. Then lane i of the first warp has sum i.
  sac_block_sums<double, SUMS>(sum);
  bool finite = true;
  if (thread < SAC_WARP) finite = finish(a, p, thread, sum[0], t, step);

  // stop the agent if a watched statistic is not finite
  if (!__syncthreads_or(!finite)) return;
  if (thread == 0) state->alive = 0;
  find_bad_gradients(a, p, state);
}

__global__ void __launch_bounds__(threads) temperature_update(sac_temperature_args a) { update<false>(a); }
__global__ void __launch_bounds__(threads) temperature_update_discrete(sac_temperature_args a) { update<true>(a); }

}  // namespace

cudaError_t sac_temperature_update(cudaStream_t stream, const sac_temperature_args* args) {
  const dim3 grid(static_cast<unsigned>(args->dims.population));
  if (args->log_z) SAC_LAUNCH(temperature_update_discrete, grid, dim3(threads), 0, stream, *args);
  else SAC_LAUNCH(temperature_update, grid, dim3(threads), 0, stream, *args);
  return cudaGetLastError();
}
