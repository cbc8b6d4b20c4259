/* The operations of an update, as products and kernels on one stream. paths.c says which function runs which
 * operations. Each function collects the arguments of one launch; kernels/kernels.h describes them. */
#include <math.h>
#include <string.h>

#include "cuda/update.h"
#include "util/error.h"

sac_dims sac_cuda_dims(const sac_agent* agent) {
  const sac_shape* s = &agent->shape;
  return (sac_dims){s->population, s->batch, s->obs, s->action, s->critics};
}

sac_adam_rates sac_cuda_rates(const sac_agent* agent) {
  const sac_settings* s = &agent->settings;

  /* a rate that is auto takes lr */
  return (sac_adam_rates){.lr = {[SAC_ADAM_CRITIC] = sac_auto(s->critic_lr, s->lr),
                                 [SAC_ADAM_ACTOR] = sac_auto(s->actor_lr, s->lr),
                                 [SAC_ADAM_ALPHA] = sac_auto(s->alpha_lr, s->lr)},
                          .beta1 = s->beta1,
                          .beta2 = s->beta2,
                          .epsilon = s->epsilon};
}

/* The inputs of an actor or a value network: B rows of observations; s and s' of an agent are one behind the other. */
static sac_matrices states_at(const sac_agent* agent, sac_place at) {
  const size_t rows = (size_t)agent->shape.batch * (size_t)agent->shape.obs;
  return (sac_matrices){sac_gpu_of(agent)->minibatch.states + (at == SAC_NEXT ? rows : 0), 2 * rows};
}

/* The inputs of critics, `features` wide: B rows of obs | action, a copy for each critic. Critics of discrete actions
 * read obs alone. */
static sac_matrices inputs_at(const sac_agent* agent, sac_place at, int32_t features) {
  const sac_device_minibatch* m = &sac_gpu_of(agent)->minibatch;

  /* by place: the actions of the replay, a' or a~; where no a~ is sampled, its inputs are those of the replay */
  const float* const places[SAC_PLACE_COUNT] = {
      [SAC_CURRENT] = m->current, [SAC_NEXT] = m->next, [SAC_POLICY] = m->policy ? m->policy : m->current};
  return (sac_matrices){places[at], (size_t)agent->shape.batch * (size_t)features};
}

/* The networks that an operation works on, those of all agents, with their inputs. */
static sac_passes passes_of(const sac_agent* agent, const sac_op* op) {
  const sac_nets* nets = &sac_gpu_of(agent)->nets[op->nets];
  const int critics = op->nets == SAC_CRITIC || op->nets == SAC_CRITIC_TARGET;
  return (sac_passes){.nets = nets,
                      .count = sac_cuda_net_count(agent, op->nets),
                      .rows = agent->shape.batch,
                      .x = critics ? inputs_at(agent, op->at, nets->net->size[0]) : states_at(agent, op->at)};
}

/* The activations of an operation's networks at its place. */
static const sac_device_trace* trace_of(const sac_agent* agent, const sac_op* op) {
  const sac_gpu* gpu = sac_gpu_of(agent);
  return &gpu->trace[sac_plan_find(&gpu->plan, op->nets, op->at)];
}

/* The head of an operation's networks, which have one output, as the kernels of head.cuh take it. */
static sac_head head_of(const sac_agent* agent, const sac_op* op) {
  const sac_gpu* gpu = sac_gpu_of(agent);
  return sac_cuda_net_head(gpu, &gpu->nets[op->nets], 0, trace_of(agent, op));
}

/* --- networks ----------------------------------------------------------------------------------------------------- */

sac_status sac_cuda_forward(const sac_agent* agent, const sac_op* op) {
  const sac_passes passes = passes_of(agent, op);
  return sac_cuda_net_forward(agent, &passes, trace_of(agent, op));
}

sac_status sac_cuda_forward_rows(const sac_agent* agent, const sac_op* op) {
  sac_passes passes = passes_of(agent, op);
  passes.rows *= 2; /* the rows of s' follow those of s */
  return sac_cuda_net_forward(agent, &passes, trace_of(agent, op));
}

sac_status sac_cuda_forward_nets(const sac_agent* agent, const sac_op* op) {
  sac_passes passes = passes_of(agent, op);
  passes.count *= 2; /* the target critics and their inputs follow those of the critics */
  return sac_cuda_net_forward(agent, &passes, trace_of(agent, op));
}

/* The gradient with respect to the output, from which the backward pass starts. NULL for networks with one output: for
 * them a kernel has already computed the gradient with respect to the last hidden layer. */
static const float* d_head_of(const sac_agent* agent, const sac_op* op) {
  const sac_gpu* gpu = sac_gpu_of(agent);
  const sac_net* net = gpu->nets[op->nets].net;
  return net->size[net->layers] == 1 ? NULL : gpu->d_output[op->nets];
}

sac_status sac_cuda_backward(const sac_agent* agent, const sac_op* op) {
  const sac_passes passes = passes_of(agent, op);
  float* const* d_hidden = sac_gpu_of(agent)->d_hidden[op->nets];
  return sac_cuda_net_backward(agent, &passes, trace_of(agent, op), d_head_of(agent, op), d_hidden, 0);
}

sac_status sac_cuda_gradient(const sac_agent* agent, const sac_op* op) {
  const sac_gpu* gpu = sac_gpu_of(agent);
  const sac_passes passes = passes_of(agent, op);
  return sac_cuda_net_gradients(agent, &passes, trace_of(agent, op), gpu->d_output[op->nets], gpu->d_hidden[op->nets]);
}

sac_status sac_cuda_adam(const sac_agent* agent, const sac_op* op) {
  const sac_gpu* gpu = sac_gpu_of(agent);
  const sac_nets* nets = &gpu->nets[op->nets];

  /* the networks of a group are one region, with the same offset in all four slabs; gaps are zero and stay zero */
  const sac_adam_args args = {.state = gpu->state,
                              .weight = gpu->weights + nets->start,
                              .m = gpu->m + nets->start,
                              .v = gpu->v + nets->start,
                              .grad = gpu->grad + nets->start,

                              /* parts of the squared norm, for the statistics */
                              .norm = gpu->norm[op->nets],
                              .floats = (size_t)nets->per_agent * nets->each,
                              .population = agent->shape.population,
                              .set = op->nets == SAC_ACTOR ? SAC_ADAM_ACTOR : SAC_ADAM_CRITIC};
  return sac_cuda_check(gpu->ordinal, sac_adam_update(gpu->stream, &args), "adam_update");
}

sac_status sac_cuda_polyak(const sac_agent* agent, const sac_op* op) {
  const sac_gpu* gpu = sac_gpu_of(agent);
  const sac_nets *target = &gpu->nets[op->nets], *source = &gpu->nets[op->source];

  /* the last operation: its kernel also ends the update (totals, counters, scalars of Adam's next step) */
  const sac_target_args args = {.state = gpu->state,
                                .target = gpu->weights + target->start,
                                .source = gpu->weights + source->start,
                                .floats = (size_t)target->per_agent * target->each,
                                .population = agent->shape.population,
                                .tau = (float)agent->settings.tau,
                                .rates = sac_cuda_rates(agent)};
  return sac_cuda_check(gpu->ordinal, sac_target_update(gpu->stream, &args), "target_update");
}

/* --- functions of a row ------------------------------------------------------------------------------------------- */

/* Samples actions from the actor's head for the first `rows` rows of each agent. B: those of s; 2B: those of s' too. */
static sac_status squash(const sac_agent* agent, const sac_op* op, int32_t rows) {
  const sac_gpu* gpu = sac_gpu_of(agent);
  const sac_nets* actor = &gpu->nets[op->nets];
  const int32_t head = actor->net->layers - 1;
  const sac_actor_squash_args args = {
      .state = gpu->state,

      /* the head's product, and the bias that the kernel adds to it */
      .head = trace_of(agent, op)->out,
      .bias = gpu->weights + actor->start + (actor->net->bias[head] - actor->net->weight[0]),
      .bias_stride = actor->each,

      /* the kernel reads the noise, and writes actions into the critics' inputs */
      .minibatch = gpu->minibatch,
      .out = gpu->squashed,
      .dims = sac_cuda_dims(agent),
      .log_std_min = (float)agent->settings.log_std_min,
      .log_std_max = (float)agent->settings.log_std_max,
      .rows = rows};
  return sac_cuda_check(gpu->ordinal, sac_actor_squash(gpu->stream, &args), "actor_squash");
}

sac_status sac_cuda_sample(const sac_agent* agent, const sac_op* op) { return squash(agent, op, agent->shape.batch); }

sac_status sac_cuda_sample_both(const sac_agent* agent, const sac_op* op) {
  return squash(agent, op, 2 * agent->shape.batch);
}

sac_status sac_cuda_critic_loss(const sac_agent* agent, const sac_op* op) {
  const sac_gpu* gpu = sac_gpu_of(agent);
  const sac_op* loss = op + 1;                  /* SQUARE_LOSS follows the operation that computes the target */
  const int32_t last = agent->shape.layers - 1; /* the last hidden layer */

  /* no gradient goes back through the targets, so the kernel need not store their last hidden layer */
  sac_head target = head_of(agent, op);
  target.discard_hidden = 1;

  const sac_critic_loss_args args = {.state = gpu->state,
                                     .critic = head_of(agent, loss),
                                     .target = target,

                                     /* the target y: the smallest target critic less alpha log pi, or the value */
                                     .targets = gpu->nets[op->nets].per_agent,
                                     .soft = op->row == SAC_ROW_SOFT_TARGET,
                                     .log_prob = gpu->squashed.log_prob,

                                     /* numbers of each row, and the temperature */
                                     .reward = gpu->minibatch.reward,
                                     .discount = gpu->minibatch.discount,
                                     .weight = gpu->minibatch.weight,
                                     .log_alpha = gpu->weights + gpu->log_alpha,
                                     .log_alpha_stride = SAC_ALPHA_STRIDE,

                                     /* results: gradients, and what the statistics read */
                                     .d_hidden = gpu->d_hidden[loss->nets][last],
                                     .d_q = gpu->d_output[loss->nets],
                                     .q = gpu->output[loss->nets],
                                     .y = gpu->y,
                                     .dims = sac_cuda_dims(agent),
                                     .reward_scale = (float)agent->settings.reward_scale};
  return sac_cuda_check(gpu->ordinal, sac_critic_loss(gpu->stream, &args), "critic_loss");
}

sac_status sac_cuda_value_loss(const sac_agent* agent, const sac_op* op) {
  const sac_gpu* gpu = sac_gpu_of(agent);
  const sac_critic_value_loss_args args = {.state = gpu->state,
                                           .value = head_of(agent, op),

                                           /* what the target of V consists of */
                                           .smallest = gpu->smallest,
                                           .log_prob = gpu->squashed.log_prob,
                                           .log_alpha = gpu->weights + gpu->log_alpha,
                                           .log_alpha_stride = SAC_ALPHA_STRIDE,

                                           /* results: gradients, and what the statistics read */
                                           .d_hidden = gpu->d_hidden[op->nets][agent->shape.layers - 1],
                                           .d_v = gpu->d_output[op->nets],
                                           .v = gpu->output[op->nets],
                                           .v_target = gpu->v_target,
                                           .dims = sac_cuda_dims(agent)};
  return sac_cuda_check(gpu->ordinal, sac_critic_value_loss(gpu->stream, &args), "critic_value_loss");
}

/* SMALLEST: the heads of the critics at (s, a~), their minimum, and the gradient of the actor's loss with respect to
 * their last hidden layer. */
static sac_status smallest_q(const sac_agent* agent, const sac_op* op) {
  const sac_gpu* gpu = sac_gpu_of(agent);
  sac_head critic = head_of(agent, op);

  /* no later kernel reads the last hidden layer, unless it is also the first one, which sample_grad reads */
  critic.discard_hidden = agent->shape.layers > 1;
  const sac_actor_smallest_q_args args = {.state = gpu->state,
                                          .critic = critic,
                                          .d_hidden = gpu->d_hidden[op->nets][agent->shape.layers - 1],
                                          .smallest = gpu->smallest,
                                          .dims = sac_cuda_dims(agent)};
  return sac_cuda_check(gpu->ordinal, sac_actor_smallest_q(gpu->stream, &args), "actor_smallest_q");
}

/* The end of INPUT_GRAD, from the critics' first hidden layer to the actions a~; then SAMPLE_GRAD, from a~ to the
 * actor's head. One kernel does both. */
static sac_status sample_grad(const sac_agent* agent, const sac_op* critics, const sac_op* actor) {
  const sac_gpu* gpu = sac_gpu_of(agent);
  const sac_shape* s = &agent->shape;
  const sac_nets* nets = &gpu->nets[critics->nets];
  const sac_actor_squash_grad_args args = {.state = gpu->state,

                                           /* the critics' first layer: the kernel takes its ReLU's gradient too */
                                           .d_hidden = gpu->d_hidden[critics->nets][0],
                                           .hidden = trace_of(agent, critics)->h[0],
                                           .weight = gpu->weights + nets->start,
                                           .hidden_stride = (size_t)s->batch * (size_t)s->hidden[0],
                                           .weight_stride = nets->each,
                                           .width = s->hidden[0],

                                           /* the actor's sample, and the gradient of its head */
                                           .out = gpu->squashed,
                                           .head = trace_of(agent, actor)->out,
                                           .d_head = gpu->d_output[actor->nets],
                                           .log_alpha = gpu->weights + gpu->log_alpha,
                                           .log_alpha_stride = SAC_ALPHA_STRIDE,
                                           .dims = sac_cuda_dims(agent),
                                           .log_std_min = (float)agent->settings.log_std_min,
                                           .log_std_max = (float)agent->settings.log_std_max};
  return sac_cuda_check(gpu->ordinal, sac_actor_squash_grad(gpu->stream, &args), "actor_squash_grad");
}

sac_status sac_cuda_action_gradient(const sac_agent* agent, const sac_op* op) {
  const sac_passes critics = passes_of(agent, op);
  float* const* d_hidden = sac_gpu_of(agent)->d_hidden[op->nets];
  sac_status status = SAC_OK;

  /* from the critics' heads back to their first hidden layer, then on to the actor's head */
  SAC_TRY(smallest_q(agent, op));
  SAC_TRY(sac_cuda_net_backward(agent, &critics, trace_of(agent, op), NULL, d_hidden, 1));
  SAC_TRY(sample_grad(agent, op + 1, op + 2));
fail:
  return status;
}

/* --- temperature -------------------------------------------------------------------------------------------------- */

/* How many parts the squared norm of a group's gradient has for each agent; 0: the algorithm has no such networks. */
static int32_t norm_parts(const sac_gpu* gpu, sac_group group) {
  const sac_nets* nets = &gpu->nets[group];
  return nets->per_agent ? sac_adam_parts((size_t)nets->per_agent * nets->each) : 0;
}

sac_status sac_cuda_temperature(const sac_agent* agent, const sac_op* op) {
  (void)op;
  const sac_gpu* gpu = sac_gpu_of(agent);
  const size_t at = gpu->log_alpha;

  const sac_temperature_args args = {.state = gpu->state,

                                     /* log_alpha and its Adam moments */
                                     .log_alpha = gpu->weights + at,
                                     .grad = gpu->grad + at,
                                     .m = gpu->m + at,
                                     .v = gpu->v + at,
                                     .log_alpha_stride = SAC_ALPHA_STRIDE,

                                     /* what the statistics read; log_prob is also the loss's */
                                     .q = gpu->output[SAC_CRITIC],
                                     .y = gpu->y,
                                     .v_value = gpu->output[SAC_VALUE],
                                     .v_target = gpu->v_target,
                                     .smallest = gpu->smallest,
                                     .log_prob = gpu->squashed.log_prob,
                                     .saturated = gpu->squashed.saturated,
                                     .log_z = gpu->log_z,
                                     .kl = gpu->kl,

                                     /* parts of the squared norms of the gradients */
                                     .critic_norm = gpu->norm[SAC_CRITIC],
                                     .value_norm = gpu->norm[SAC_VALUE],
                                     .actor_norm = gpu->norm[SAC_ACTOR],
                                     .critic_parts = norm_parts(gpu, SAC_CRITIC),
                                     .value_parts = norm_parts(gpu, SAC_VALUE),
                                     .actor_parts = norm_parts(gpu, SAC_ACTOR),

                                     /* gradients that are searched when an agent stops */
                                     .gradients = gpu->grad,
                                     .tensors = gpu->watched,
                                     .tensor_count = gpu->watched_count,
                                     .dims = sac_cuda_dims(agent),
                                     .target_entropy = (float)agent->target_entropy,
                                     .log_min = (float)log(agent->settings.alpha_min),
                                     .log_max = (float)log(agent->settings.alpha_max),
                                     .learn = agent->settings.alpha_learn};
  return sac_cuda_check(gpu->ordinal, sac_temperature_update(gpu->stream, &args), "temperature_update");
}

/* --- stages ------------------------------------------------------------------------------------------------------- */

/* Queues the operations of a stage. A launch that serves several operations runs in the stage of the first one. */
static sac_status queue_operations(sac_agent* agent, sac_stage stage) {
  const sac_gpu* gpu = sac_gpu_of(agent);
  const sac_plan* plan = &gpu->plan;
  for (int32_t i = 0; i < plan->count;) {
    /* find the launch; create has chosen a path that serves all operations */
    const sac_launch* launch = sac_cuda_find_launch(gpu->path, agent->algo, &plan->op[i], plan->count - i);
    if (!launch)
      return sac_fail(SAC_ERROR_CONFIG, "no CUDA path runs operation %d of algo '%s'", (int)i + 1,
                      sac_algo_name(agent->settings.algo));

    /* walk the whole list; run only what belongs to the stage */
    if (plan->op[i].stage == stage) {
      const sac_status status = launch->run(agent, &plan->op[i]);
      if (status != SAC_OK) return status;
    }
    i += launch->count;
  }
  return SAC_OK;
}

sac_status sac_cuda_stage(sac_agent* agent, sac_stage stage) {
  if (stage == SAC_STAGE_REPLAY_SAMPLE) return sac_cuda_replay_sample(agent, 0); /* no operation of the list */
  if (sac_cuda_changes_policy(agent, stage)) sac_gpu_of(agent)->act_stale = 1;

  /* show the stage as a range in a profiler */
  sac_cuda_range_push(sac_stage_names[stage]);
  const sac_status status = queue_operations(agent, stage);
  sac_cuda_range_pop();
  return status;
}

sac_status sac_cuda_update_stages(sac_agent* agent) {
  sac_status status = SAC_OK;
  for (int stage = SAC_STAGE_UPDATE; stage < SAC_STAGE_COUNT && status == SAC_OK; stage++)
    status = sac_cuda_stage(agent, (sac_stage)stage);
  return status;
}
