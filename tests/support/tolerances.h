/* All tolerances of the tests, each with the reason for its size. A name says what is compared; _REL is relative to the
 * expected value, _ABS is an absolute floor for small values. */
#ifndef TESTS_SUPPORT_TOLERANCES_H
#define TESTS_SUPPORT_TOLERANCES_H

/* One float operation rounds by at most half a unit in the last place, 2^-24 of the value. */
#define FLOAT_EPSILON 5.9604644775390625e-08
#define DOUBLE_EPSILON 1.1102230246251565e-16

/* A few correctly rounded operations and one libm call (below 2 ulp), one after another. */
#define FORMULA_FLOAT_REL (16 * FLOAT_EPSILON)
#define FORMULA_DOUBLE_REL (16 * DOUBLE_EPSILON)

/* Box-Muller in float without libm: a logarithm, a root, a sine or cosine and a product, each within one or two ulp. */
#define NORMAL_REL (8 * FLOAT_EPSILON)

/* Central differences in double: the errors of truncation, h^2, and of rounding, eps/h, are equal at about eps^(2/3) =
 * 2e-11. Two orders of magnitude more allow for large third derivatives. */
#define DIFFERENCE_REL 1e-8
#define DIFFERENCE_ABS 1e-9

/* A whole update in float against one in double: sums of a few hundred products in another order, through a few layers,
 * and a step of Adam, which divides the gradient by its own size. */
#define UPDATE_REL 1e-5
#define UPDATE_ABS 1e-6

/* The policy library's action against the agent's: the same network in float, summed in another order. tanh passes on
 * at most the rounding of a mean of size 10. */
#define POLICY_REL 1e-5
#define POLICY_ABS 2e-6

/* A policy, learnt by stochastic gradient descent through a ReLU network that approximates a parabola, against the best
 * possible one, in units of u. Measured: 0.01, 1.5 % and 6e-5; the margin is for other seeds and orders of summation.
 */
#define OPTIMUM_MEAN_ABS 0.03
#define OPTIMUM_STD_REL 0.04
#define OPTIMUM_GAP 3e-4

/* Soft values of a small MDP in double, computed in two ways: by iteration to a contraction of 1e-23, and by
 * elimination. A few hundred terms are rounded, and exponents up to Q/alpha = 1e4 multiply the rounding of
 * probabilities by as much. */
#define SOFT_VALUE_REL 1e-11

/* Environments in double against Gymnasium's, over a whole episode. */
#define TRACE_ABS 1e-6

/* A sum of K products against the same sum in double: K roundings of at most half a unit of the partial sum, which
 * stays below the sum of the terms' sizes. Random terms need far less. */
#define PRODUCT_REL(k) ((k + 8) * FLOAT_EPSILON)

/* A gradient in float, relative to the largest element of its tensor: sums of a few hundred products with terms of both
 * signs, forward and backward through a few layers, some tens of units. (For golden updates src/verify/update.c
 * measures the tolerance.) */
#define GRADIENT_REL 1e-5

/* Adam's step in units of lr: m and v in float, a root and a quotient. */
#define ADAM_STEP_REL 1e-5
/* m and v: three roundings. The floor is for an m that is the difference of two much larger numbers, and for numbers
 * near the smallest float. */
#define MOMENT_REL 1e-6
#define MOMENT_ABS 1e-9

/* Losses and other means over the minibatch, of numbers with a relative error of about 1e-6. */
#define LOSS_REL 1e-5
#define LOSS_ABS 1e-6

/* CPU against CUDA: both are in float, and each is off the exact number by its own rounding. */
#define BOTH_SIDES 2

/* A number of one row of the minibatch (an output, a target, a gradient by an activation), relative to the largest of
 * its column: sums of a few hundred products through a few layers, as in a gradient. The floor is for a column of
 * numbers near 0. */
#define COLUMN_REL 1e-5
#define COLUMN_ABS 1e-7

/* A target's step: two products and a sum of floats, and tau in float. */
#define POLYAK_REL (4 * FLOAT_EPSILON)
#define POLYAK_ABS 1e-9

/* Slopes of a whole loss in double by central differences. The step changes a loss by some 1e-6 of itself; its
 * rounding, 1e-16 of a sum of some thousand terms, over the step is 1e-9 of the loss. Truncation is the square of the
 * step. */
#define DIFFERENCE_STEP 1e-6
#define SLOPE_REL 1e-7
#define SLOPE_ABS 2e-9

/* --- the kernels of .cu files, each alone against the same formula in double -------------------------------------- */

/* libm (exp, log, sin): a device's last digit may differ from the host's. The host execution of the kernels calls the
 * host's libm, so it has the same bits. */
#ifdef SAC_CUDA_HOST
#define CUDA_LIBM_REL 0
#else
#define CUDA_LIBM_REL (2 * FLOAT_EPSILON)
#endif

/* The sum of a column, relative to the sum of its terms' sizes: a warp adds every 32nd row, then 32 such sums are
 * added. A multiplication by a factor comes before. */
#define CUDA_COLUMN_REL(rows) (((rows) / 32.0 + 36) * FLOAT_EPSILON)

/* A sum in double of a few thousand squares of floats. */
#define NORM_REL 1e-12

/* Near the smallest float: smaller numbers may be flushed to 0 (kernels/real.h), or have lost digits. */
#define CUDA_TINY 1e-37

/* Means over the minibatch: each row's term is in float (a few roundings and the exp of alpha), their sum in double. */
#define CUDA_STATS_REL (8 * FLOAT_EPSILON)

/* A sum of k terms by a warp: each lane adds every 32nd term, then five additions join the lanes, and one adds the
 * bias. */
#define CUDA_LANES_REL(k) (((double)(k) / 32 + 8) * FLOAT_EPSILON)

/* A step of a task, with the state in double and the observation in float. A device's sin and cos may differ in the
 * last digit of a double. In an observation this may change a rounding (CUDA_LIBM_REL), or show where terms cancel
 * (here). */
#ifdef SAC_CUDA_HOST
#define CUDA_TASK_ABS 0
#else
#define CUDA_TASK_ABS 1e-12
#endif

/* The estimates of src/agent/estimate.c: eight constants for every shape. They only decide which device is faster. */
#define ESTIMATE_REL 0.25

#endif
