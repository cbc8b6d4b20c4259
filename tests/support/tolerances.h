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

/* The step in units of the variable for functions of `real`: the root of the same balance, eps^(1/3). */
#define FORMULA_DIFFERENCE_STEP 6e-6

/* A whole update in float against one in double: sums of a few hundred products in another order, through a few layers,
 * and a step of Adam, which divides the gradient by its own size. */
#define UPDATE_REL 1e-5
#define UPDATE_ABS 1e-6

/* The policy library's action against the agent's: the same network in float, summed in another order. tanh passes on
 * at most the rounding of a mean of size 10. */
#define POLICY_REL 1e-5
#define POLICY_ABS 2e-6

/* The same for observations from N(0, 1) and initial weights of 2x256, as a share of the action's half range. Four
 * times the largest difference that src/policy/README.md gives. */
#define POLICY_AGREEMENT 1e-6

/* The agent's own actions and log-probabilities against the reference in double. Actions lie in [-1, 1], and tanh
 * passes on at most the rounding of a mean; a log-probability sums over components of both signs, and its floor is for
 * sums near 0. */
#define ACTION_ABS 1e-5
#define LOG_PROB_ABS 1e-5

/* A policy, learnt by stochastic gradient descent through a ReLU network that approximates a parabola, against the best
 * possible one, in units of u. Measured: 0.01, 1.5 % and 6e-5; the margin is for other seeds and orders of summation.
 */
#define OPTIMUM_MEAN_ABS 0.03
#define OPTIMUM_STD_REL 0.04
#define OPTIMUM_GAP 3e-4

/* Q, V, pi and J of linear networks that have learnt from 800,000 transitions of a random MDP, against the exact
 * answer: the means over the sample differ from those of the MDP by some 0.5 %, and a probability by that much of Q
 * over alpha. */
#define SOFT_ITERATION_REL 0.02

/* The same in nats, where Q has two humps or its maximum at a bound (test_projection): the KL of the average of the
 * last policies, and the mean KL of each of them, which has the noise of stochastic gradient descent in it. Measured,
 * with three seeds: 7e-4 and 0.011. A std that is off by 5 % costs 2.5e-3. */
#define PROJECTION_GAP 2e-3
#define PROJECTION_SINGLE_GAP 0.03
/* The search of that test ends with steps of 1e-5, and a minimum is flat: 1e-10. */
#define PROJECTION_SEARCH_ABS 1e-8
#define PROJECTION_PLACE_ABS 1e-4
/* log Z by the trapezoidal rule over atanh(a), whose error is exponentially small, beside a closed form; and beside
 * Simpson's rule, whose error is the fourth power of its step over the width of exp(Q/alpha). */
#define PROJECTION_QUADRATURE_ABS 1e-10
#define PROJECTION_SIMPSON_ABS 1e-6

/* log Z of src/agent/explain.h: Q and the actions are floats, and exp(Q/alpha) has their rounding. The floor is a sum
 * in double. */
#define EXPLAIN_ROUNDING(q_over_alpha) (4 * FLOAT_EPSILON * (q_over_alpha) + 1e-12)
/* The error that it states for kinks of slope 10 along both axes, where the points do not suffice. Measured: 2e-3. */
#define EXPLAIN_KINK_ABS 0.01
/* alpha (log pi + 3), of size 1, through the rounding of Q and of the action to float. Near a bound log pi changes by
 * 1/(1 - |a|) times the latter; means over samples have few of those. */
#define EXPLAIN_SAME_ABS 1e-5
/* The spread of 200 estimates: its own standard error is 1/sqrt(400) for normal numbers, and this is four of them. */
#define EXPLAIN_SPREAD_REL 0.2

/* Soft values of a small MDP in double, computed in two ways: by iteration to a contraction of 1e-23, and by
 * elimination. A few hundred terms are rounded, and exponents up to Q/alpha = 1e4 multiply the rounding of
 * probabilities by as much. */
#define SOFT_VALUE_REL 1e-11

/* A sum of K products against the same sum in double: K roundings of at most half a unit of the partial sum, which
 * stays below the sum of the terms' sizes. Random terms need far less. */
#define PRODUCT_REL(k) ((k + 8) * FLOAT_EPSILON)
/* The floor, where all terms are 0: any number above it would be an error. */
#define PRODUCT_ABS 1e-30

/* A gradient in float, relative to the largest element of its tensor: sums of a few hundred products with terms of both
 * signs, forward and backward through a few layers, some tens of units. (For golden updates src/verify/update.c
 * measures the tolerance.) */
#define GRADIENT_REL 1e-5
/* The floor, for tensors whose gradients are all 0: far below what any loss passes back, and not 0, so that a rounding
 * of either side passes. */
#define GRADIENT_ABS 1e-12

/* A gradient in float against central differences, in tests whose sums have terms of size 1: the floor is for elements
 * where these terms cancel. */
#define GRADIENT_DIFFERENCE_ABS 1e-5

/* Adam's step in units of lr: m and v in float, a root and a quotient. */
#define ADAM_STEP_REL 1e-5
/* m and v: three roundings. The floor is for an m that is the difference of two much larger numbers, and for numbers
 * near the smallest float. */
#define MOMENT_REL 1e-6
#define MOMENT_ABS 1e-9

/* Losses and other means over the minibatch, of numbers with a relative error of about 1e-6. */
#define LOSS_REL 1e-5
#define LOSS_ABS 1e-6

/* alpha = exp(log alpha) in float: log alpha has one rounding, of a number of size 1 (log 0.3 = -1.2), and exp adds an
 * ulp or two. */
#define ALPHA_REL 1e-6

/* A few numbers, up to some thousand, that the library and the test add up in double in different orders. */
#define DOUBLE_SUM_REL 1e-12
#define DOUBLE_SUM_ABS 1e-12

/* A sum in double of eighty squares of floats, in the order of each instruction set. */
#define DOUBLE_SQUARES_REL 1e-14

/* CPU against CUDA: both are in float, and each is off the exact number by its own rounding. */
#define BOTH_SIDES 2

/* A metric of a short run on the CPU and on CUDA, less than a hundred updates from the same start: the weights drift
 * apart as under CUDA_DRIFT_FP32, and each row's numbers with them. The floor is for metrics near 0. */
#define RUN_METRIC_REL 1e-3
#define RUN_METRIC_ABS 1e-4

/* A number of one row of the minibatch (an output, a target, a gradient with respect to an activation), relative to
 * the largest of its column: sums of a few hundred products through a few layers, as in a gradient. The floor is for a
 * column of numbers near 0. */
#define COLUMN_REL 1e-5
#define COLUMN_ABS 1e-7

/* Log-probabilities of exp(q/alpha)/Z, per unit of the largest |q/alpha|: a rounding of q grows by 1/alpha. */
#define EXPONENT_REL (16 * FLOAT_EPSILON)

/* A target's step: two products and a sum of floats, and tau in float. */
#define POLYAK_REL (4 * FLOAT_EPSILON)
#define POLYAK_ABS 1e-9

/* Slopes of a whole loss in double by central differences. The step changes a loss by some 1e-6 of itself; its
 * rounding, 1e-16 of a sum of some thousand terms, over the step is 1e-9 of the loss. Truncation is the square of the
 * step. */
#define DIFFERENCE_STEP 1e-6
#define SLOPE_REL 1e-7
#define SLOPE_ABS 2e-9
/* The same for the gradients of support/reference.h. The rounding of a loss of size 1 over the step is 1e-10; the floor
 * is two orders of magnitude more. */
#define REFERENCE_SLOPE_REL 1e-6
#define REFERENCE_SLOPE_ABS 1e-8

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

/* CPU and CUDA after many updates (test_cuda_agent): with each update the weights of the two drift further apart, as
 * with any two orders of summation: Adam makes a full step in the direction of a gradient whose sign is lost in
 * rounding. Their statistics, which are means, stay close. Measured: 1e-5 (fp32), 1e-4 (tf32) and 1e-3 (bf16) of the
 * statistics; 0.002, 0.06 and 0.07 of the distance that the weights moved. Four numbers each: the most that the
 * statistics and the weights are apart; then the least and the most that the gradients of the first update are, which
 * is the rounding of the products: 2^-24, 2^-11 and 2^-8 of a term. */
#define CUDA_DRIFT_FP32 1e-3, 0.05, 0, 1e-6
#define CUDA_DRIFT_TF32 2e-3, 0.3, 1e-5, 1e-3
#define CUDA_DRIFT_BF16 1e-2, 0.4, 1e-4, 1e-2
/* Statistics near 0 are compared with this much per update. */
#define CUDA_DRIFT_FLOOR 0.05

/* Gradients of wide networks in a precision against fp32's. Measured: 0.001 (tf32) and 0.006 (bf16); the bounds
 * are about ten times that. bf16 has three bits fewer than tf32, so it is apart by 8 times as much, here by at least
 * 3 times. */
#define TF32_APART 0.01
#define BF16_APART 0.05
#define BF16_BEYOND_TF32 3

/* Statistics of a population's agents against those of single agents, relative to 1 + their size, after some twenty
 * updates on a device: cuBLAS may add in another order when there are more products, so the agents drift apart. */
#define CUDA_POPULATION_APART 0.01

/* --- statistical tests -------------------------------------------------------------------------------------------- */

/* Seeds are fixed, so a test always passes or always fails. A standard normal number is beyond 4 for one in 16,000
 * seeds of a good generator. */
#define STANDARD_ERRORS 4

/* Exact answers: values are iterated to 1e-12 of the largest, and two of them are compared. Probabilities that are
 * quotients by their sum sum to 1 within rounding. */
#define EXACT_REL 1e-11
#define EXACT_SUM_ABS 1e-14

/* Kolmogorov-Smirnov: sqrt(n) D is above this for one in a thousand seeds. */
#define KOLMOGOROV_SMIRNOV 1.95

/* The mean of some hundred actions in (-1, 1) whose mean is near 0: a standard error is about 0.04. */
#define ACTIONS_MEAN_ABS 0.2

/* --- environments, and formulas at single points ------------------------------------------------------------------ */

/* Sine and cosine of a wrapped angle against those of the angle, up to 68: the wrap subtracts a multiple of 2 pi, which
 * is rounded in units of the last place of 68 (7e-15). */
#define WRAP_ABS 1e-13
/* The same after up to a million turns: a unit of the last place of 6e6 is 1e-9. */
#define WRAP_FAR_ABS 1e-8

/* The point mass's reward, of size 0.6, by hand: a few roundings in double. */
#define POINT_MASS_REWARD_ABS 1e-15

/* The quadrotor's first step: drag up to 0.1 * 0.2 / 0.6 m/s^2 over 0.02 s is 7e-4 m/s, and its observations are
 * floats. Both rotors push alike, so its turn does not change but for the rounding of a float. */
#define QUADROTOR_SPEED_ABS 2e-3
#define QUADROTOR_TURN_ABS 1e-6

/* Soft values in their limits. alpha 1e-9: the entropies of 0.9-discounted steps are worth alpha log A / 0.1, 1e-8.
 * alpha 1e6: the policy is uniform but for differences of Q over alpha (1e-5), whose square is the entropy's; the
 * value over alpha lacks the return, of size 10, over alpha. */
#define SOFT_COLD_ABS 1e-7
#define SOFT_HOT_ENTROPY_ABS 1e-10
#define SOFT_HOT_VALUE_ABS 1e-5

/* log(1 - tanh(9)^2), of size 17, is written with ten decimals in the test. */
#define LOG_SLOPE_ABS 1e-8
/* d log(1 - tanh(u)^2)/du at 9.5 is -2 tanh(9.5), which is -2 but for 1e-8; in float there is its rounding too. */
#define SATURATED_SLOPE_REL 1e-7
/* log(1 - a^2 + 1e-6) in float at a = tanh(9): -13.70 is written with two decimals, and 1 - a^2 is a few units of the
 * last place of 1, 6e-8 beside 1e-6, or none. */
#define EPSILON_FORM_ABS 0.02

/* Normalised observations: the epsilon under the root, 1e-8 beside a variance of 4; and for a variance of 0, a
 * difference of 1e-4 in float from a mean of 2, whose last place is 2e-7. */
#define NORMALIZED_REL 1e-8
#define NORMALIZED_CONSTANT_REL 1e-2

/* Running moments of numbers of size 1e6 whose spread is 1: the mean has the rounding of a double, and the variance
 * that of a mean, 1e-10, in a few thousand steps. */
#define RUNNING_MEAN_REL 1e-14
#define RUNNING_VAR_REL 1e-7

/* The estimates of src/agent/estimate.c: eight constants for every shape. They only decide which device is faster. */
#define ESTIMATE_REL 0.25

#endif
