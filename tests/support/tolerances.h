/* Every tolerance of the tests, in one place, each with the reason for its size.
 * Names say what is compared; _REL is relative to the expected value, _ABS is the floor beside it. */
#ifndef TESTS_SUPPORT_TOLERANCES_H
#define TESTS_SUPPORT_TOLERANCES_H

/* One float operation rounds by at most half a unit in the last place, 2^-24 of the value. */
#define FLOAT_EPSILON 5.9604644775390625e-08
#define DOUBLE_EPSILON 1.1102230246251565e-16

/* A handful of correctly rounded operations and one libm call (below 2 ulp) in a row. */
#define FORMULA_FLOAT_REL (16 * FLOAT_EPSILON)
#define FORMULA_DOUBLE_REL (16 * DOUBLE_EPSILON)

/* Box-Muller in float without libm: a logarithm, a root, a sine or cosine and a product, each within an ulp or two. */
#define NORMAL_REL (8 * FLOAT_EPSILON)

/* Central differences in double: truncation h^2 and rounding eps/h meet at about eps^(2/3) = 2e-11;
 * two orders above it for curvature. */
#define DIFFERENCE_REL 1e-8
#define DIFFERENCE_ABS 1e-9

/* A gradient in float, relative to the largest of its layer: sums of a few hundred products with terms of both signs,
 * forwards and back through a few layers. (Golden updates need no such figure: src/verify/update.c measures.) */
#define GRADIENT_REL 1e-5

/* One whole update in float against one in double: sums of a few hundred products, in another order, through a few
 * layers and an Adam step, whose direction is the gradient divided by its own size. */
#define UPDATE_REL 1e-5
#define UPDATE_ABS 1e-6

/* The policy library's action against the agent's: the same float network, summed in another order; a mean of size 10
 * moves tanh by its rounding at most. */
#define POLICY_REL 1e-5
#define POLICY_ABS 2e-6

/* A policy learnt by stochastic descent through a ReLU network that approximates a parabola, against the best one there
 * is, in units of u. Seen: 0.01, 1.5 % and 6e-5; the rest is for other seeds and orders of summation. */
#define OPTIMUM_MEAN_ABS 0.03
#define OPTIMUM_STD_REL 0.04
#define OPTIMUM_GAP 3e-4

/* Soft values of a small MDP in double, two ways: iterated to a contraction of 1e-23, and by elimination. Rounding of a
 * few hundred terms; exponents up to Q/alpha = 1e4 lose as much of the probabilities. */
#define SOFT_VALUE_REL 1e-11

/* Environments in double against Gymnasium's, over a whole episode. */
#define TRACE_ABS 1e-6

/* A product of K terms against the same sum in double: K roundings of at most half a unit of the running sum, which
 * stays below the sum of the terms' sizes; random terms need far less. */
#define PRODUCT_REL(k) ((k + 8) * FLOAT_EPSILON)

/* A whole gradient in float, relative to the tensor's largest element: layers of such sums, some tens of units. */
#define GRADIENT_REL 1e-5

/* Adam's step in units of lr: m and v in float, a root and a quotient. */
#define ADAM_STEP_REL 1e-5
/* m and v: three roundings; the floor is where m is the difference of two much larger numbers, and float's own end. */
#define MOMENT_REL 1e-6
#define MOMENT_ABS 1e-9

/* Losses and other means over the minibatch of numbers that are right to about 1e-6. */
#define LOSS_REL 1e-5
#define LOSS_ABS 1e-6

/* ---- the kernels of .cu files, each alone against the same formula in double ---- */

/* Where a kernel calls libm (exp, log, sin), a device's last digit may differ from the host's; the host execution of
 * the kernels has the host's own libm, and so its bits. */
#ifdef SAC_CUDA_HOST
#define CUDA_LIBM_REL 0
#else
#define CUDA_LIBM_REL (2 * FLOAT_EPSILON)
#endif

/* A column's sum, relative to the sum of its terms' sizes: a warp adds every 32nd of the rows, then 32 such sums are
 * added; a product by the factor before. */
#define CUDA_COLUMN_REL(rows) (((rows) / 32.0 + 36) * FLOAT_EPSILON)

/* A sum in double of a few thousand squares of floats. */
#define NORM_REL 1e-12

/* Float's own end: what is below may be flushed to 0 (kernels/real.h), or has lost its digits. */
#define CUDA_TINY 1e-37

/* Means over the minibatch: each row's term in float (a few roundings, and alpha's exp), their sum in double. */
#define CUDA_STATS_REL (8 * FLOAT_EPSILON)

/* A sum of k terms by a warp: each lane adds every 32nd, then five sums of lanes, and the bias. */
#define CUDA_LANES_REL(k) (((double)(k) / 32 + 8) * FLOAT_EPSILON)

/* One step of a task, whose state is double and its observation float: a device's sin and cos may differ by a last
 * digit, which is CUDA_LIBM_REL in the observation where it tips a rounding, and this where terms cancel. */
#ifdef SAC_CUDA_HOST
#define CUDA_TASK_ABS 0
#else
#define CUDA_TASK_ABS 1e-12
#endif

/* The estimates of src/agent/estimate.c: eight figures for every shape, of which a choice alone is made. */
#define ESTIMATE_REL 0.25

#endif
