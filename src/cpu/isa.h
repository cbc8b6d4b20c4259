/* The arithmetic of the CPU backend, once for each instruction set: portable C, AVX2 and AVX-512.
 *
 * One source (products_template.h, rows_template.h) is compiled three times by isa_<name>.c, which give it a vector
 * type; the choice is made at run time, by what the processor has. Elementwise formulas give the same bits on all of
 * them; products differ in rounding, because their sums run along the vector's own lanes or through fused operations.
 *
 * Storage. Activations lie in panels of SAC_PANEL numbers, the vector operand of every product:
 *   row panels      (rows/32, features, 32)  lane = row of the minibatch: forward, backward, everything elementwise
 *   feature panels  (features/32, rows, 32)  lane = feature: the same activations turned, for the weight gradient
 * The other operand is read a number at a time and broadcast: weights as they stand in their slab, (out, in), either
 * way round. So no weight is ever copied or packed, every vector load is contiguous whatever the sizes (no power of two
 * makes cache sets collide), and a chunk of rows goes through all layers of a network on its own.
 *
 * Every sum over features or rows runs in one order, one number after the other, whatever tile, chunk or thread it
 * falls into: results depend on the instruction set alone. */
#ifndef SAC_CPU_ISA_H
#define SAC_CPU_ISA_H

#include <stddef.h>
#include <stdint.h>

#include "kernels/adam.h"

#define SAC_PANEL 32

static inline int32_t sac_panels(int32_t count) { return (count + SAC_PANEL - 1) / SAC_PANEL; }

/* A chunk of row panels: panel i starts at data + i * stride. */
typedef struct sac_rows {
  float* data;
  size_t stride;
} sac_rows;

/* Memory that will be written next, in pieces of equal size: forward and weight_grad fetch it a line at a time beside
 * their sums, when nothing else wants the memory. It changes no number. */
#define SAC_NEAR_MAX 8
typedef struct sac_near {
  const void* piece[SAC_NEAR_MAX];
  int32_t count;
  size_t bytes; /* of a piece */
} sac_near;

typedef struct sac_isa {
  const char* name;

  /* y[r][n] = bias[n] + sum_k weight[n][k] x[r][k], through ReLU if asked. weight (out, in), x (rows, in), y (rows,
   * out) in row panels. near: NULL, or what to fetch meanwhile. */
  void (*forward)(const float* weight, const float* bias, int32_t out, int32_t in, sac_rows x, sac_rows y, int32_t rows,
                  int relu, const sac_near* near);

  /* x[r][k] = sum_n weight[n][k] d[r][n] for k < count, weight's rows `in` apart: the gradient by the layer's input.
   * gate: x holds the layer's input on entry, ReLU's output, and where that is 0 the gradient is 0. */
  void (*backward)(const float* weight, int32_t out, int32_t in, int32_t count, sac_rows d, sac_rows x, int32_t rows,
                   int gate);

  /* grad[n][k] = sum_r d[r][n] x[r][k] for `from` <= n < `to`, all rows in order. d in row panels, x in feature panels,
   * x_stride floats apart; grad (out, in). near: as in forward. */
  void (*weight_grad)(sac_rows d, const float* x, size_t x_stride, int32_t in, int32_t from, int32_t to, float* grad,
                      int32_t rows, const sac_near* near);

  /* grad[n] = sum_r d[r][n] for `from` <= n < `to`. */
  void (*bias_grad)(sac_rows d, int32_t from, int32_t to, float* grad, int32_t rows);

  /* y[r][n] = bias[n] + sum_k weight[n][k] x[r][k], x (rows, x_stride) and y (rows, y_stride) row by row: for acting,
   * where one row must be fast. A row's result does not depend on the others. */
  void (*dense)(const float* weight, const float* bias, int32_t out, int32_t in, const float* x, size_t x_stride,
                float* y, size_t y_stride, int32_t rows, int relu);

  /* to[j][i] = from[i][j] for i < m, j < n. */
  void (*turn)(const float* from, size_t from_stride, float* to, size_t to_stride, int32_t m, int32_t n);

  /* to[f][j] = from[f][row[j]] for every feature: the rows `row` (count) of `from`, one after the other. */
  void (*pick)(sac_rows from, int32_t features, const int32_t* row, int32_t count, sac_rows to);

  /* kernels/adam.h over n weights; returns the sum of the squared gradients. */
  double (*adam)(sac_adam_step step, size_t n, float* weight, const float* grad, float* m, float* v);
  double (*sum_squares)(size_t n, const float* grad);

  /* kernels/polyak.h over n weights. */
  void (*polyak)(size_t n, float* target, const float* source, float tau);

  /* kernels/squash.h for n numbers: action, log_prob (added to what is there), and for the way back spread and slope.
   */
  void (*squash)(size_t n, const float* mean, const float* log_std, const float* eps, float log_std_min,
                 float log_std_max, float* action, float* log_prob, float* spread, float* slope);

  /* d_mean and d_log_std may be the head's own numbers: d_log_std is read as log_std. */
  void (*squash_backward)(size_t n, const float* action, const float* spread, const float* slope, const float* d_action,
                          float d_log_prob, float log_std_min, float log_std_max, float* mean, float* log_std);

  /* kernels/random.h */
  void (*normals)(uint64_t seed, uint64_t stream, uint64_t block, size_t n, float* z);
} sac_isa;

extern const sac_isa sac_isa_portable;
#if defined(__x86_64__)
extern const sac_isa sac_isa_avx2;
extern const sac_isa sac_isa_avx512;
#endif

/* The instruction sets this processor can run, best first; index past the last: NULL. */
const sac_isa* sac_isa_available(int32_t index);

/* The one in use: the best, or the environment variable SAC_CPU's ("portable", "avx2", "avx512") when the processor has
 * it. */
const sac_isa* sac_isa_choose(void);

#endif
