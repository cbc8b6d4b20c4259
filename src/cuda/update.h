/* Operations of an update, as products and kernels. Each function queues operation `op` of the algorithm's list. A
 * function whose comment names several operations queues those that follow `op` too. */
#ifndef SAC_CUDA_UPDATE_H
#define SAC_CUDA_UPDATE_H

#include "cuda/cuda.h"

typedef sac_status sac_cuda_run(const sac_agent* agent, const sac_op* op);

sac_cuda_run sac_cuda_forward;
sac_cuda_run sac_cuda_forward_rows; /* two FORWARDs: the same networks at s and s', with twice the rows */
sac_cuda_run sac_cuda_forward_nets; /* two FORWARDs: the critics at (s, a), the target critics at (s', a') */
sac_cuda_run sac_cuda_backward;
sac_cuda_run sac_cuda_gradient;
sac_cuda_run sac_cuda_adam;
sac_cuda_run sac_cuda_polyak;
sac_cuda_run sac_cuda_temperature;

sac_cuda_run sac_cuda_sample;
sac_cuda_run sac_cuda_sample_both;     /* two SAMPLEs: at s and s' */
sac_cuda_run sac_cuda_critic_loss;     /* SOFT_TARGET or VALUE_TARGET, then SQUARE_LOSS */
sac_cuda_run sac_cuda_value_loss;      /* SOFT_VALUE_LOSS */
sac_cuda_run sac_cuda_action_gradient; /* SMALLEST, INPUT_GRAD, SAMPLE_GRAD */

/* discrete.c */
sac_cuda_run sac_cuda_discrete_critic_loss; /* SOFTMAX_TARGET, or BOLTZMANN_TARGET and BOLTZMANN; then CHOSEN_LOSS */
sac_cuda_run sac_cuda_discrete_actor_grad;  /* SOFTMAX_GRAD */

#endif
