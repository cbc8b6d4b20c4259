/* The arithmetic of the CPU backend, once for each instruction set: portable C, AVX2 and AVX-512.
 *
 * The same source (products_template.h, rows_template.h) is compiled three times: isa_<name>.c defines a vector type
 * and includes it. The instruction set is chosen at run time from those that the processor has. Elementwise formulas
 * give the same bits on all of them. Products differ in rounding, because the number of lanes and fused operations
 * differ.
 *
 * Storage. Activations lie in panels of SAC_PANEL numbers, which are the vector operand of every product:
 *   row panels      (rows/32, features, 32)  a lane is a row of the minibatch: forward, backward, elementwise work
 *   feature panels  (features/32, rows, 32)  a lane is a feature: the transposed activations, for weight gradients
 * The other operand is read one number at a time and broadcast: the weights in their slab, (out, in), or transposed. So
 * weights are not copied or packed, every vector load is contiguous for all sizes (with sizes that are powers of two
 * the cache sets do not collide), and a chunk of rows can go through all layers of a network independently.
 *
 * Every sum over features or rows has a fixed order, which does not depend on tiles, chunks or threads. forward,
 * backward and weight_grad add one number after the other; bias_grad and dense add up each lane, and then the lanes.
 * Results depend on the instruction set alone. */
#ifndef SAC_CPU_ISA_H
#define SAC_CPU_ISA_H

#include <stddef.h>
#include <stdint.h>

#include "kernels/adam.h"

#define SAC_PANEL 32

static inline int32_t sac_panels(int32_t count) { return (count + SAC_PANEL - 1) / SAC_PANEL; }

/* Row panels: panel i starts at data + i * stride floats. */
typedef struct sac_rows {
  float* data;
  size_t stride;
} sac_rows;

/* Memory that is written (or read and written) next, in pieces of equal size. forward and weight_grad prefetch it,
 * cache line by cache line, during their sums, when the memory is idle. It does not change results. */
#define SAC_NEAR_MAX 8
typedef struct sac_near {
  const void* piece[SAC_NEAR_MAX];
  int32_t count;
  size_t bytes; /* of a piece */
} sac_near;

typedef struct sac_isa {
  const char* name;

  /* y[r][n] = bias[n] + sum_k weight[n][k] x[r][k]; relu 1: followed by ReLU. weight (out, in); x (rows, in) and y
   * (rows, out) in row panels. near: what to prefetch, or NULL. */
  void (*forward)(const float* weight, const float* bias, int32_t out, int32_t in, sac_rows x, sac_rows y, int32_t rows,
                  int relu, const sac_near* near);

  /* x[r][k] = sum_n weight[n][k] d[r][n] for k < count: the gradient with respect to the layer's input. The rows of
   * weight are `in` floats apart. gate 1: x holds the layer's input on entry, an output of ReLU; the gradient is 0
   * where it is 0. */
  void (*backward)(const float* weight, int32_t out, int32_t in, int32_t count, sac_rows d, sac_rows x, int32_t rows,
                   int gate);

  /* grad[n][k] = sum_r d[r][n] x[r][k] for `from` <= n < `to`, over all rows in order. d in row panels; x in feature
   * panels, x_stride floats apart; grad (out, in). near: as in forward. */
  void (*weight_grad)(sac_rows d, const float* x, size_t x_stride, int32_t in, int32_t from, int32_t to, float* grad,
                      int32_t rows, const sac_near* near);

  /* grad[n] = sum_r d[r][n] for `from` <= n < `to`. */
  void (*bias_grad)(sac_rows d, int32_t from, int32_t to, float* grad, int32_t rows);

  /* The formula of forward for x (rows, x_stride) and y (rows, y_stride), stored row by row. For acting, where a single
   * row must be fast. The sum has another order than in forward. The result of a row does not depend on other rows. */
  void (*dense)(const float* weight, const float* bias, int32_t out, int32_t in, const float* x, size_t x_stride,
                float* y, size_t y_stride, int32_t rows, int relu);

  /* Transposes: to[j][i] = from[i][j] for i < m, j < n. */
  void (*turn)(const float* from, size_t from_stride, float* to, size_t to_stride, int32_t m, int32_t n);

  /* Gathers the rows row[0], row[1], ... (count) of `from`: to[f][j] = from[f][row[j]] for every feature f. */
  void (*pick)(sac_rows from, int32_t features, const int32_t* row, int32_t count, sac_rows to);

  /* adam: kernels/adam.h over n weights. Both return the sum of the squared gradients. */
  double (*adam)(sac_adam_step step, size_t n, float* weight, const float* grad, float* m, float* v);
  double (*sum_squares)(size_t n, const float* grad);

  /* kernels/polyak.h over n weights. */
  void (*polyak)(size_t n, float* target, const float* source, float tau);

  /* kernels/squash.h for n components. Writes action, and spread and slope for squash_backward; adds this component's
   * term to log_prob. */
  void (*squash)(size_t n, const float* mean, const float* log_std, const float* eps, float log_std_min,
                 float log_std_max, float* action, float* log_prob, float* spread, float* slope);

  /* Gradients with respect to the actor's head. On entry log_std holds that output of the head, not clamped; it and
   * mean are overwritten with their gradients. */
  void (*squash_backward)(size_t n, const float* action, const float* spread, const float* slope, const float* d_action,
                          float d_log_prob, float log_std_min, float log_std_max, float* mean, float* log_std);

  /* n normal numbers from block `block` of the stream on (kernels/random.h). */
  void (*normals)(uint64_t seed, uint64_t stream, uint64_t block, size_t n, float* z);
} sac_isa;

extern const sac_isa sac_isa_portable;
#if defined(__x86_64__)
extern const sac_isa sac_isa_avx2;
extern const sac_isa sac_isa_avx512;
#endif

/* The instruction sets that this processor has, the best first; NULL after the last. */
const sac_isa* sac_isa_available(int32_t index);

/* The instruction set to use: the one that the environment variable SAC_CPU names ("portable", "avx2", "avx512") if the
 * processor has it, else the best one. An agent is not created with a SAC_CPU that the processor does not have. */
const sac_isa* sac_isa_choose(void);

#endif
