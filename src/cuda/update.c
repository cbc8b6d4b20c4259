/* The stages of an update, composed of products and kernels. */
#include <string.h>

#include "cuda/cuda.h"
#include "util/error.h"

sac_dims sac_cuda_dims(const sac_agent* agent) {
  const sac_shape* s = &agent->shape;
  return (sac_dims){s->population, s->batch, s->obs, s->action, s->critics};
}

sac_adam_rates sac_cuda_rates(const sac_agent* agent) {
  const sac_settings* s = &agent->settings;
  return (sac_adam_rates){.lr = {[SAC_ADAM_CRITIC] = sac_auto(s->critic_lr, s->lr),
                                 [SAC_ADAM_ACTOR] = sac_auto(s->actor_lr, s->lr),
                                 [SAC_ADAM_ALPHA] = sac_auto(s->alpha_lr, s->lr)},
                          .beta1 = s->beta1,
                          .beta2 = s->beta2,
                          .epsilon = s->epsilon};
}

/* Rows of observations, B of 2B: the actor's and the value networks' inputs. `next`: those of s'. */
static sac_matrices states_of(const sac_agent* agent, int next) {
  const size_t rows = (size_t)agent->shape.batch * (size_t)agent->shape.obs;
  return (sac_matrices){sac_gpu_of(agent)->minibatch.states + (next ? rows : 0), 2 * rows};
}

/* The critics' inputs: current or policy, and what follows them. */
static sac_matrices inputs_of(const sac_agent* agent, const float* inputs) {
  const sac_shape* s = &agent->shape;
  return (sac_matrices){inputs, (size_t)s->batch * (size_t)(s->obs + s->action)};
}

static int32_t nets_of(const sac_agent* agent, const sac_nets* nets) {
  return agent->shape.population * nets->an_agent;
}

static int all_at_once(const sac_agent* agent) { return agent->settings.algo == SAC_ALGO_SAC_V; }

/* --- the actor's pass --------------------------------------------------------------------------------------------- */

/* The actor on `rows` rows (B: s; 2B: s and s'), its head squashed. */
static sac_status sample_actions(const sac_agent* agent, int32_t rows) {
  const sac_gpu* gpu = sac_gpu_of(agent);
  const sac_passes passes = {&gpu->actor, 0, agent->shape.population, rows, states_of(agent, 0)};
  const int32_t head = gpu->actor.net->layers - 1;
  const sac_actor_squash_args args = {
      .state = gpu->state,
      .head = gpu->actor_trace.out,
      .bias = gpu->weights + gpu->actor.start + (gpu->actor.net->bias[head] - gpu->actor.net->weight[0]),
      .bias_stride = gpu->actor.each,
      .minibatch = gpu->minibatch,
      .out = gpu->squashed,
      .dims = sac_cuda_dims(agent),
      .log_std_min = (float)agent->settings.log_std_min,
      .log_std_max = (float)agent->settings.log_std_max,
      .rows = rows};
  sac_status status = SAC_OK;
  SAC_TRY(sac_cuda_net_forward(agent, &passes, &gpu->actor_trace));
  SAC_CUDA_TRY(gpu, sac_actor_squash(gpu->stream, &args));
fail:
  return status;
}

/* a~ judged by the critics, and the actor's gradient, at the critics' present weights. `trace`: where the critics'
 * activations may go. */
static sac_status actor_gradient(const sac_agent* agent, const sac_device_trace* trace) {
  const sac_gpu* gpu = sac_gpu_of(agent);
  const sac_shape* s = &agent->shape;
  const sac_passes critics = {&gpu->critic, 0, nets_of(agent, &gpu->critic), s->batch,
                              inputs_of(agent, gpu->minibatch.policy)};
  const sac_passes actors = {&gpu->actor, 0, s->population, s->batch, states_of(agent, 0)};
  sac_head judged = sac_cuda_net_head(gpu, &gpu->critic, 0, trace);
  judged.unread = s->layers > 1; /* the way back through the inputs reads the first layer's */
  const sac_actor_judge_args judge = {.state = gpu->state,
                                      .critic = judged,
                                      .d_hidden = gpu->d_critic[s->layers - 1],
                                      .smallest = gpu->smallest,
                                      .dims = sac_cuda_dims(agent)};
  const sac_actor_squash_grad_args squash = {.state = gpu->state,
                                             .d_hidden = gpu->d_critic[0],
                                             .hidden = trace->h[0],
                                             .weight = gpu->weights + gpu->critic.start,
                                             .hidden_stride = (size_t)s->batch * (size_t)s->hidden[0],
                                             .weight_stride = gpu->critic.each,
                                             .width = s->hidden[0],
                                             .out = gpu->squashed,
                                             .head = gpu->actor_trace.out,
                                             .d_head = gpu->d_head,
                                             .log_alpha = gpu->weights + gpu->log_alpha,
                                             .log_alpha_stride = SAC_ALPHA_STRIDE,
                                             .dims = sac_cuda_dims(agent),
                                             .log_std_min = (float)agent->settings.log_std_min,
                                             .log_std_max = (float)agent->settings.log_std_max};
  sac_status status = SAC_OK;
  SAC_TRY(sac_cuda_net_forward(agent, &critics, trace));
  SAC_CUDA_TRY(gpu, sac_actor_judge(gpu->stream, &judge));
  SAC_TRY(sac_cuda_net_backward(agent, &critics, trace, NULL, gpu->d_critic, 1));
  SAC_CUDA_TRY(gpu, sac_actor_squash_grad(gpu->stream, &squash));
  SAC_TRY(sac_cuda_net_backward(agent, &actors, &gpu->actor_trace, gpu->d_head, gpu->d_actor, 0));
  SAC_TRY(sac_cuda_net_gradients(agent, &actors, &gpu->actor_trace, gpu->d_head, gpu->d_actor));
fail:
  return status;
}

/* --- the critics -------------------------------------------------------------------------------------------------- */

/* TD target and loss from `target`, and the critics' gradients. Their activations at (s, a) are in critic_trace. */
static sac_status critic_gradient(const sac_agent* agent, sac_head target, int32_t targets, int soft) {
  const sac_gpu* gpu = sac_gpu_of(agent);
  const sac_shape* s = &agent->shape;
  const sac_passes critics = {&gpu->critic, 0, nets_of(agent, &gpu->critic), s->batch,
                              inputs_of(agent, gpu->minibatch.current)};
  target.unread = 1;
  const sac_critic_loss_args loss = {.state = gpu->state,
                                     .critic = sac_cuda_net_head(gpu, &gpu->critic, 0, &gpu->critic_trace),
                                     .target = target,
                                     .targets = targets,
                                     .soft = soft,
                                     .log_prob = gpu->squashed.log_prob,
                                     .reward = gpu->minibatch.reward,
                                     .terminated = gpu->minibatch.terminated,
                                     .log_alpha = gpu->weights + gpu->log_alpha,
                                     .log_alpha_stride = SAC_ALPHA_STRIDE,
                                     .d_hidden = gpu->d_critic[s->layers - 1],
                                     .d_q = gpu->d_q,
                                     .q = gpu->q,
                                     .y = gpu->y,
                                     .dims = sac_cuda_dims(agent),
                                     .gamma = (float)agent->settings.gamma,
                                     .reward_scale = (float)agent->settings.reward_scale};
  sac_status status = SAC_OK;
  SAC_CUDA_TRY(gpu, sac_critic_loss(gpu->stream, &loss));
  SAC_TRY(sac_cuda_net_backward(agent, &critics, &gpu->critic_trace, NULL, gpu->d_critic, 0));
  SAC_TRY(sac_cuda_net_gradients(agent, &critics, &gpu->critic_trace, gpu->d_q, gpu->d_critic));
fail:
  return status;
}

/* [sac-v] The value network's gradient: after the judgement of a~, which is its target. */
static sac_status value_gradient(const sac_agent* agent) {
  const sac_gpu* gpu = sac_gpu_of(agent);
  const sac_shape* s = &agent->shape;
  const sac_passes values = {&gpu->value, 0, s->population, s->batch, states_of(agent, 0)};
  const sac_critic_value_loss_args loss = {.state = gpu->state,
                                           .value = sac_cuda_net_head(gpu, &gpu->value, 0, &gpu->value_trace),
                                           .smallest = gpu->smallest,
                                           .log_prob = gpu->squashed.log_prob,
                                           .log_alpha = gpu->weights + gpu->log_alpha,
                                           .log_alpha_stride = SAC_ALPHA_STRIDE,
                                           .d_hidden = gpu->d_value[s->layers - 1],
                                           .d_v = gpu->d_v,
                                           .v = gpu->v_value,
                                           .v_target = gpu->v_target,
                                           .dims = sac_cuda_dims(agent)};
  sac_status status = SAC_OK;
  SAC_TRY(sac_cuda_net_forward(agent, &values, &gpu->value_trace));
  SAC_CUDA_TRY(gpu, sac_critic_value_loss(gpu->stream, &loss));
  SAC_TRY(sac_cuda_net_backward(agent, &values, &gpu->value_trace, NULL, gpu->d_value, 0));
  SAC_TRY(sac_cuda_net_gradients(agent, &values, &gpu->value_trace, gpu->d_v, gpu->d_value));
fail:
  return status;
}

static sac_status adam(const sac_agent* agent, const sac_nets* nets, sac_adam_set set, double* norm) {
  const sac_gpu* gpu = sac_gpu_of(agent);
  const sac_adam_args args = {.state = gpu->state,
                              .weight = gpu->weights + nets->start,
                              .m = gpu->m + nets->start,
                              .v = gpu->v + nets->start,
                              .grad = gpu->grad + nets->start,
                              .norm = norm,
                              .floats = (size_t)nets->an_agent * nets->each,
                              .population = agent->shape.population,
                              .set = (int32_t)set};
  return sac_cuda_check(gpu->ordinal, sac_adam_update(gpu->stream, &args), "adam_update");
}

/* [sac] Actions at s and s' by the old actor, critics and their targets in one chain of products. */
static sac_status sac_gradients(const sac_agent* agent) {
  const sac_gpu* gpu = sac_gpu_of(agent);
  const int32_t critics = nets_of(agent, &gpu->critic);
  const sac_passes both = {&gpu->critic, 0, 2 * critics, agent->shape.batch, inputs_of(agent, gpu->minibatch.current)};
  const sac_device_trace targets = sac_cuda_trace_from(&gpu->critic_trace, gpu->critic.net, critics);
  sac_status status = SAC_OK;
  SAC_TRY(sample_actions(agent, 2 * agent->shape.batch));
  SAC_TRY(sac_cuda_net_forward(agent, &both, &gpu->critic_trace));
  SAC_TRY(critic_gradient(agent, sac_cuda_net_head(gpu, &gpu->critic_target, 0, &targets), agent->shape.critics, 1));
fail:
  return status;
}

/* [sac-v] Every gradient of the update at the old parameters. */
static sac_status sac_v_gradients(const sac_agent* agent) {
  const sac_gpu* gpu = sac_gpu_of(agent);
  const sac_shape* s = &agent->shape;
  const int32_t critics = nets_of(agent, &gpu->critic);
  const sac_passes at_action = {&gpu->critic, 0, critics, s->batch, inputs_of(agent, gpu->minibatch.current)};
  const sac_passes at_next = {&gpu->value_target, 0, s->population, s->batch, states_of(agent, 1)};
  const sac_device_trace next = sac_cuda_trace_from(&gpu->value_trace, gpu->value.net, s->population);
  const sac_device_trace judge = sac_cuda_trace_from(&gpu->critic_trace, gpu->critic.net, critics);
  sac_status status = SAC_OK;
  SAC_TRY(sample_actions(agent, s->batch));
  SAC_TRY(sac_cuda_net_forward(agent, &at_next, &next));
  SAC_TRY(sac_cuda_net_forward(agent, &at_action, &gpu->critic_trace));
  SAC_TRY(critic_gradient(agent, sac_cuda_net_head(gpu, &gpu->value_target, 0, &next), 1, 0));
  SAC_TRY(actor_gradient(agent, &judge));
  SAC_TRY(value_gradient(agent));
fail:
  return status;
}

/* --- the slots ---------------------------------------------------------------------------------------------------- */

sac_status sac_cuda_critic_update(sac_agent* agent) {
  const sac_gpu* gpu = sac_gpu_of(agent);
  sac_status status = SAC_OK;
  sac_cuda_range_push("critic update");
  SAC_TRY(all_at_once(agent) ? sac_v_gradients(agent) : sac_gradients(agent));
  SAC_TRY(adam(agent, &gpu->critic, SAC_ADAM_CRITIC, gpu->critic_norm));
  if (gpu->value.an_agent) SAC_TRY(adam(agent, &gpu->value, SAC_ADAM_CRITIC, gpu->value_norm));
fail:
  sac_cuda_range_pop();
  return status;
}

sac_status sac_cuda_actor_update(sac_agent* agent) {
  sac_gpu* gpu = sac_gpu_of(agent);
  sac_status status = SAC_OK;
  gpu->act_stale = 1;
  sac_cuda_range_push("actor update");
  if (!all_at_once(agent)) SAC_TRY(actor_gradient(agent, &gpu->critic_trace));
  SAC_TRY(adam(agent, &gpu->actor, SAC_ADAM_ACTOR, gpu->actor_norm));
fail:
  sac_cuda_range_pop();
  return status;
}

sac_status sac_cuda_temperature_update(sac_agent* agent) {
  const sac_gpu* gpu = sac_gpu_of(agent);
  const size_t at = gpu->log_alpha;
  const sac_temperature_args args = {.state = gpu->state,
                                     .log_alpha = gpu->weights + at,
                                     .grad = gpu->grad + at,
                                     .m = gpu->m + at,
                                     .v = gpu->v + at,
                                     .log_alpha_stride = SAC_ALPHA_STRIDE,
                                     .q = gpu->q,
                                     .y = gpu->y,
                                     .v_value = gpu->v_value,
                                     .v_target = gpu->v_target,
                                     .smallest = gpu->smallest,
                                     .log_prob = gpu->squashed.log_prob,
                                     .saturated = gpu->squashed.saturated,
                                     .critic_norm = gpu->critic_norm,
                                     .value_norm = gpu->value_norm,
                                     .actor_norm = gpu->actor_norm,
                                     .critic_parts = sac_adam_parts((size_t)gpu->critic.an_agent * gpu->critic.each),
                                     .value_parts = gpu->value.an_agent ? sac_adam_parts(gpu->value.each) : 0,
                                     .actor_parts = sac_adam_parts(gpu->actor.each),
                                     .gradients = gpu->grad,
                                     .watched = gpu->watched,
                                     .watched_count = gpu->watched_count,
                                     .dims = sac_cuda_dims(agent),
                                     .target_entropy = (float)agent->target_entropy,
                                     .learn = agent->settings.alpha_learn};
  sac_cuda_range_push("temperature update");
  const cudaError_t error = sac_temperature_update(gpu->stream, &args);
  sac_cuda_range_pop();
  return sac_cuda_check(gpu->ordinal, error, "temperature_update");
}

sac_status sac_cuda_target_update(sac_agent* agent) {
  const sac_gpu* gpu = sac_gpu_of(agent);
  const sac_nets* target = gpu->critic_target.an_agent ? &gpu->critic_target : &gpu->value_target;
  const sac_nets* source = gpu->critic_target.an_agent ? &gpu->critic : &gpu->value;
  const sac_target_args args = {.state = gpu->state,
                                .target = gpu->weights + target->start,
                                .source = gpu->weights + source->start,
                                .floats = (size_t)target->an_agent * target->each,
                                .population = agent->shape.population,
                                .tau = (float)agent->settings.tau,
                                .rates = sac_cuda_rates(agent)};
  sac_cuda_range_push("target update");
  const cudaError_t error = sac_target_update(gpu->stream, &args);
  sac_cuda_range_pop();
  return sac_cuda_check(gpu->ordinal, error, "target_update");
}

sac_status sac_cuda_update_stages(sac_agent* agent) {
  sac_status status = SAC_OK;
  SAC_TRY(sac_cuda_replay_sample(agent));
  SAC_TRY(sac_cuda_critic_update(agent));
  SAC_TRY(sac_cuda_actor_update(agent));
  SAC_TRY(sac_cuda_temperature_update(agent));
  SAC_TRY(sac_cuda_target_update(agent));
fail:
  return status;
}
