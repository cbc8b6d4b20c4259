/* Elementwise work and data movement for one instruction set: the formulas of kernels/ in plain loops, which the
 * compiler vectorises. The table of the instruction set is at the end. */
#include "cpu/isa.h"
#include "kernels/polyak.h"
#include "kernels/random.h"
#include "kernels/squash.h"

typedef float eight __attribute__((vector_size(32)));

#define PAIRS(a, b) __builtin_shufflevector(a, b, 0, 8, 1, 9, 4, 12, 5, 13)
#define PAIRS_HIGH(a, b) __builtin_shufflevector(a, b, 2, 10, 3, 11, 6, 14, 7, 15)
#define QUADS(a, b) __builtin_shufflevector(a, b, 0, 1, 8, 9, 4, 5, 12, 13)
#define QUADS_HIGH(a, b) __builtin_shufflevector(a, b, 2, 3, 10, 11, 6, 7, 14, 15)
#define HALVES(a, b) __builtin_shufflevector(a, b, 0, 1, 2, 3, 8, 9, 10, 11)
#define HALVES_HIGH(a, b) __builtin_shufflevector(a, b, 4, 5, 6, 7, 12, 13, 14, 15)

/* Transposes 8 x 8 floats in registers: exchanges single floats, then pairs, then halves of vectors. */
INLINE void turn_8(const float* from, size_t from_stride, float* to, size_t to_stride) {
  eight row[8], pair[8], quad[8];
  UNROLL
  for (int i = 0; i < 8; i++) __builtin_memcpy(&row[i], from + (size_t)i * from_stride, sizeof row[i]);

  /* exchange single numbers */
  UNROLL
  for (int i = 0; i < 4; i++) {
    pair[2 * i] = PAIRS(row[2 * i], row[2 * i + 1]);
    pair[2 * i + 1] = PAIRS_HIGH(row[2 * i], row[2 * i + 1]);
  }

  /* exchange pairs */
  UNROLL
  for (int i = 0; i < 2; i++) {
    quad[4 * i] = QUADS(pair[4 * i], pair[4 * i + 2]);
    quad[4 * i + 1] = QUADS_HIGH(pair[4 * i], pair[4 * i + 2]);
    quad[4 * i + 2] = QUADS(pair[4 * i + 1], pair[4 * i + 3]);
    quad[4 * i + 3] = QUADS_HIGH(pair[4 * i + 1], pair[4 * i + 3]);
  }

  /* exchange halves, and store */
  UNROLL
  for (int i = 0; i < 4; i++) {
    const eight low = HALVES(quad[i], quad[i + 4]), high = HALVES_HIGH(quad[i], quad[i + 4]);
    __builtin_memcpy(to + (size_t)i * to_stride, &low, sizeof low);
    __builtin_memcpy(to + (size_t)(i + 4) * to_stride, &high, sizeof high);
  }
}

static void turn(const float* from, size_t from_stride, float* to, size_t to_stride, int32_t m, int32_t n) {
  const int32_t whole_m = m & ~7, whole_n = n & ~7;

  /* blocks of 8 x 8 */
  for (int32_t i = 0; i < whole_m; i += 8)
    for (int32_t j = 0; j < whole_n; j += 8)
      turn_8(from + (size_t)i * from_stride + j, from_stride, to + (size_t)j * to_stride + i, to_stride);

  /* the remaining columns of whole rows of blocks, and the remaining rows */
  for (int32_t i = 0; i < m; i++)
    for (int32_t j = i < whole_m ? whole_n : 0; j < n; j++)
      to[(size_t)j * to_stride + (size_t)i] = from[(size_t)i * from_stride + (size_t)j];
}

static void pick(sac_rows from, int32_t features, const int32_t* row, int32_t count, sac_rows to) {
  for (int32_t start = 0; start < count; start += SAC_PANEL) {
    const int32_t lanes = count - start < SAC_PANEL ? count - start : SAC_PANEL;

    /* find where the rows of one panel of `to` stand; these places serve all features */
    size_t offset[SAC_PANEL];
    for (int32_t j = 0; j < lanes; j++)
      offset[j] = (size_t)(row[start + j] / SAC_PANEL) * from.stride + (size_t)(row[start + j] % SAC_PANEL);

    /* copy them feature by feature */
    float* out = to.data + (size_t)(start / SAC_PANEL) * to.stride;
    for (int32_t f = 0; f < features; f++)
      for (int32_t j = 0; j < lanes; j++) out[f * SAC_PANEL + j] = from.data[offset[j] + (size_t)f * SAC_PANEL];
  }
}

/* Eight sums at the same time: the loop is vectorised, and its order is the same for all instruction sets. */
static double sum_squares(size_t n, const float* grad) {
  double sum[8] = {0};
  size_t i = 0;

  /* element i goes to sum i % 8 */
  for (; i + 8 <= n; i += 8)
    for (size_t j = 0; j < 8; j++) sum[j] += (double)grad[i + j] * (double)grad[i + j];
  for (; i < n; i++) sum[i % 8] += (double)grad[i] * (double)grad[i];

  /* add the sums pairwise, in a fixed order */
  return ((sum[0] + sum[1]) + (sum[2] + sum[3])) + ((sum[4] + sum[5]) + (sum[6] + sum[7]));
}

static double adam(sac_adam_step step, size_t n, float* restrict weight, const float* restrict grad, float* restrict m,
                   float* restrict v) {
  for (size_t i = 0; i < n; i++) weight[i] = sac_adam(step, weight[i], grad[i], &m[i], &v[i]);
  return sum_squares(n, grad);
}

static void polyak(size_t n, float* restrict target, const float* restrict source, float tau) {
  for (size_t i = 0; i < n; i++) target[i] = sac_polyak(target[i], source[i], tau);
}

static void squash(size_t n, const float* restrict mean, const float* restrict log_std, const float* restrict eps,
                   float log_std_min, float log_std_max, float* restrict action, float* restrict log_prob,
                   float* restrict spread, float* restrict slope) {
  for (size_t i = 0; i < n; i++) {
    const sac_squash_out out = sac_squash(mean[i], log_std[i], eps[i], log_std_min, log_std_max);

    /* a call has one component of n actions; log pi of an action is the sum over the calls */
    action[i] = out.action;
    log_prob[i] += out.log_prob;
    spread[i] = out.spread;
    slope[i] = out.slope;
  }
}

static void squash_backward(size_t n, const float* restrict action, const float* restrict spread,
                            const float* restrict slope, const float* restrict d_action, float d_log_prob,
                            float log_std_min, float log_std_max, float* restrict mean, float* restrict log_std) {
  for (size_t i = 0; i < n; i++) {
    /* put together what the forward pass kept; the gradient does not need log_prob */
    sac_squash_out out;
    out.action = action[i];
    out.log_prob = 0;
    out.spread = spread[i];
    out.slope = slope[i];
    const sac_squash_grad grad =
        sac_squash_backward(out, log_std[i], log_std_min, log_std_max, d_log_prob, d_action[i]);

    /* log_std[i] was read above, so both outputs of the head can be overwritten */
    mean[i] = grad.mean;
    log_std[i] = grad.log_std;
  }
}

static void normals(uint64_t seed, uint64_t stream, uint64_t block, size_t n, float* z) {
  sac_fill_normals(seed, stream, block, n, z);
}

const sac_isa ISA = {ISA_NAME, forward, backward,    weight_grad, bias_grad, dense,           turn,
                     pick,     adam,    sum_squares, polyak,      squash,    squash_backward, normals};
