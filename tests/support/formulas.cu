// Compiled by nvcc, if there is one, and never run. It shows that every formula of kernels/*.h compiles as device and
// as host code, from the source that the CPU tests check. A formula that calls a function a device does not have fails
// here.
#include "kernels/adam.h"
#include "kernels/bellman.h"
#include "kernels/discrete.h"
#include "kernels/layers.h"
#include "kernels/polyak.h"
#include "kernels/random.h"
#include "kernels/squash.h"
#include "kernels/temperature.h"

static __host__ __device__ real continuous(const real* x, real* y) {
  const sac_squash_out out = sac_squash(x[0], x[1], x[2], -20, 2);
  const sac_squash_grad grad = sac_squash_backward(out, x[1], -20, 2, x[3], x[4]);
  int index;
  const real smallest = sac_min_critic(x, 2, 3, &index);
  const real value = sac_soft_value(smallest, sac_alpha(x[5]), out.log_prob);
  const real target = sac_target(x[6], 1, sac_discount(x[7], 0), value);
  y[index] = grad.mean + grad.log_std + sac_td_error(x[0], target);
  y[4] = sac_square_loss(x[0], target) + sac_square_loss_grad(x[0], target);
  y[5] = sac_actor_loss(smallest, x[5], out.log_prob) * sac_actor_loss_grad_log_prob(x[5]) * sac_actor_loss_grad_q();
  y[6] = sac_alpha_loss(x[5], out.log_prob, sac_target_entropy(6)) + sac_alpha_loss_grad(out.log_prob, -6);
  real m = x[0], v = x[1];
  const real weight = sac_adam(sac_adam_begin((uint64_t)index + 1, 3e-4, 0.9, 0.999, 1e-8), x[2], x[3], &m, &v);
  y[7] = sac_polyak(weight, m, v) + sac_relu(x[0]) * sac_relu_grad(x[1], x[2]) * sac_linear_bound(index + 1);
  const sac_moments moments = sac_moments_push(sac_moments{1, 0, 0}, x[3]);
  y[8] = sac_obs_normalize(x[0], (real)moments.mean, (real)moments.var) + sac_squash_saturated(out.action);
  return sac_action_unscale(sac_action_scale(sac_squash_mean(x[0]), x[1], x[2]), x[1], x[2]);
}

static __host__ __device__ real discrete(const real* q, real* y) {
  sac_log_softmax(q, 1, 4, 2, y);
  sac_discrete_actor_grad(y, q, 1, 4, q[5], y + 4);
  return sac_entropy(y, 1, 4) + sac_kl(y, q, 1, 4) + sac_discrete_value(y, q, 1, 4, q[5]) +
         sac_boltzmann_value(q, 1, 4, q[5]) + sac_discrete_target_entropy(4, q[6]) +
         (real)(sac_categorical(y, 1, 4, q[7]) + sac_greedy(q, 1, 4));
}

static __host__ __device__ uint64_t random_numbers(uint64_t seed, float* y) {
  uint64_t index;
  sac_fill_normals(seed, SAC_STREAM_ACT, sac_draw_block(seed, 4, SAC_NORMALS_PER_BLOCK), 4, y);
  sac_fill_uniform(seed, sac_stream_env(3), 1, 4, 0.5f, y + 4);
  sac_fill_indices(seed, sac_stream_eval_env(3), 1, 1, 1000, &index);
  const sac_words words = sac_philox(seed, SAC_STREAM_SAMPLE, index);
  y[8] = sac_uniform(words.word[0]) + (float)sac_uniform_double(words.word[1], words.word[2]);
  return index + sac_philox_seed(seed, SAC_STREAM_INIT, 0);
}

__global__ void formulas(const real* x, real* y, float* z, uint64_t* index) {
  y[0] = continuous(x, y) + discrete(x, y + 16);
  *index = random_numbers(*index, z);
}

void sac_test_formulas_on_host(const real* x, real* y, float* z, uint64_t* index) {
  y[0] = continuous(x, y) + discrete(x, y + 16);
  *index = random_numbers(*index, z);
}
