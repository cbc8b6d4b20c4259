/* The row functions of discrete actions, as launches (kernels/discrete.cu). */
#include "cuda/update.h"

/* The outputs of networks with a value of each action at a place: the head's products, to which the kernels add the
 * bias. */
static sac_outputs outputs_at(const sac_agent* agent, sac_group group, sac_place at) {
  const sac_gpu* gpu = sac_gpu_of(agent);
  const sac_nets* nets = &gpu->nets[group];
  const sac_device_trace* trace = &gpu->trace[sac_plan_find(&gpu->plan, group, at)];
  const size_t actions = (size_t)agent->shape.actions;
  const int32_t head = nets->net->layers - 1;

  /* the actor's rows of s' follow those of s */
  const size_t behind = group == SAC_ACTOR && at == SAC_NEXT ? (size_t)agent->shape.batch * actions : 0;
  return (sac_outputs){.product = trace->out + behind,
                       .bias = gpu->weights + nets->start + (nets->net->bias[head] - nets->net->weight[0]),
                       .product_stride = (size_t)trace->rows * actions,
                       .bias_stride = nets->each,
                       .nets = nets->per_agent};
}

static sac_discrete_columns columns_of(const sac_gpu* gpu) {
  return (sac_discrete_columns){gpu->squashed.log_prob, gpu->smallest, gpu->log_z, gpu->kl};
}

sac_status sac_cuda_discrete_critic_loss(const sac_agent* agent, const sac_op* op) {
  const sac_gpu* gpu = sac_gpu_of(agent);
  const sac_device_minibatch* m = &gpu->minibatch;
  const sac_discrete_critic_loss_args args = {
      .state = gpu->state,

      /* op is the target's; where it needs no actor, the policy is that of the critics */
      .critic = outputs_at(agent, SAC_CRITIC, SAC_CURRENT),
      .target = outputs_at(agent, op->nets, op->at),
      .logits = op->row == SAC_ROW_SOFTMAX_TARGET ? outputs_at(agent, SAC_ACTOR, op->at) : (sac_outputs){0},

      /* numbers of each row, and the temperature */
      .action = m->action,
      .reward = m->reward,
      .discount = m->discount,
      .weight = m->weight,
      .log_alpha = gpu->weights + gpu->log_alpha,
      .log_alpha_stride = SAC_ALPHA_STRIDE,

      /* results: gradients, and what the statistics read */
      .d_output = gpu->d_output[SAC_CRITIC],
      .q = gpu->output[SAC_CRITIC],
      .y = gpu->y,
      .columns = columns_of(gpu),
      .population = agent->shape.population,
      .batch = agent->shape.batch,
      .actions = agent->shape.actions,
      .mean = agent->settings.critics_join == SAC_JOIN_MEAN,
      .reward_scale = (float)agent->settings.reward_scale};
  return sac_cuda_check(gpu->ordinal, sac_discrete_critic_loss(gpu->stream, &args), "discrete_critic_loss");
}

sac_status sac_cuda_discrete_actor_grad(const sac_agent* agent, const sac_op* op) {
  const sac_gpu* gpu = sac_gpu_of(agent);
  const sac_discrete_actor_grad_args args = {.state = gpu->state,
                                             .critic = outputs_at(agent, SAC_CRITIC, op->at),
                                             .logits = outputs_at(agent, op->nets, op->at),
                                             .log_alpha = gpu->weights + gpu->log_alpha,
                                             .log_alpha_stride = SAC_ALPHA_STRIDE,
                                             .d_logits = gpu->d_output[op->nets],
                                             .columns = columns_of(gpu),
                                             .population = agent->shape.population,
                                             .batch = agent->shape.batch,
                                             .actions = agent->shape.actions,
                                             .mean = agent->settings.critics_join == SAC_JOIN_MEAN};
  return sac_cuda_check(gpu->ordinal, sac_discrete_actor_grad_rows(gpu->stream, &args), "discrete_actor_grad");
}
