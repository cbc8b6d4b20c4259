/* act: observations to actions, one launch; the host's go through pinned memory that the kernel reads and writes. */
#include <string.h>

#include "cuda/cuda.h"
#include "env/vector.h"
#include "util/error.h"

static sac_actor_act_args act_args(const sac_agent* agent, const sac_act* act, int32_t n) {
  static const sac_device_act_mode modes[] = {[SAC_ACT_SAMPLE] = SAC_DEVICE_ACT_SAMPLE,
                                              [SAC_ACT_MEAN] = SAC_DEVICE_ACT_MEAN,
                                              [SAC_ACT_UNIFORM] = SAC_DEVICE_ACT_UNIFORM};
  const sac_gpu* gpu = sac_gpu_of(agent);
  const sac_net* net = gpu->actor.net;
  sac_actor_act_args args = {.state = gpu->state,
                             .weights = gpu->weights + gpu->actor.start,
                             .weights_stride = gpu->actor.each,
                             .layers = net->layers,
                             .scratch = gpu->act_scratch,
                             .population = agent->shape.population,
                             .n = n,
                             .mode = (int32_t)modes[act->mode],
                             .log_std_min = (float)agent->settings.log_std_min,
                             .log_std_max = (float)agent->settings.log_std_max};
  memcpy(args.size, net->size, (size_t)(net->layers + 1) * sizeof *args.size);
  for (int32_t l = 0; l < net->layers; ++l) {
    args.weight[l] = net->weight[l] - net->weight[0];
    args.bias[l] = net->bias[l] - net->weight[0];
  }
  return args;
}

static sac_status act_resident(const sac_agent* agent, const sac_act* act) {
  const sac_gpu* gpu = sac_gpu_of(agent);
  const sac_env_arrays* arrays = sac_cuda_vector_arrays(act->vector);
  sac_actor_act_args args = act_args(agent, act, act->n);
  args.obs = arrays->obs;
  args.action = arrays->action;
  return sac_cuda_check(gpu->ordinal, sac_actor_act(gpu->stream, &args), "actor_act");
}

/* Rows first .. first + n - 1 of each agent's. (P, all, size) and (P, n, size) */
static void gather(float* to, const float* from, const sac_agent* agent, const sac_act* act, int32_t first, int32_t n,
                   size_t size) {
  for (size_t p = 0; p < (size_t)agent->shape.population; ++p)
    memcpy(to + p * (size_t)n * size, from + (p * (size_t)act->n + (size_t)first) * size,
           (size_t)n * size * sizeof(float));
}

static void scatter(float* to, const float* from, const sac_agent* agent, const sac_act* act, int32_t first, int32_t n,
                    size_t size) {
  for (size_t p = 0; p < (size_t)agent->shape.population; ++p)
    memcpy(to + (p * (size_t)act->n + (size_t)first) * size, from + p * (size_t)n * size,
           (size_t)n * size * sizeof(float));
}

static sac_status act_rows(const sac_agent* agent, const sac_act* act, int32_t first, int32_t n) {
  const sac_gpu* gpu = sac_gpu_of(agent);
  const size_t obs = (size_t)agent->shape.obs, actions = (size_t)agent->shape.action;
  const int log_prob = act->log_prob && act->mode == SAC_ACT_SAMPLE;
  sac_actor_act_args args = act_args(agent, act, n);
  sac_status status = SAC_OK;
  args.obs = gpu->act_obs;
  args.action = gpu->act_action;
  if (act->mode != SAC_ACT_UNIFORM) gather(gpu->act_obs, act->obs, agent, act, first, n, obs);
  if (act->noise && act->mode == SAC_ACT_SAMPLE) {
    gather(gpu->act_noise, act->noise, agent, act, first, n, actions);
    args.noise = gpu->act_noise;
  }
  if (log_prob) args.log_prob = gpu->act_log_prob;
  SAC_CUDA_TRY(gpu, sac_actor_act(gpu->stream, &args));
  SAC_CUDA_TRY(gpu, cudaStreamSynchronize(gpu->stream));
  scatter(act->action, gpu->act_action, agent, act, first, n, actions);
  if (log_prob) scatter(act->log_prob, gpu->act_log_prob, agent, act, first, n, 1);
fail:
  return status;
}

sac_status sac_cuda_act(sac_agent* agent, const sac_act* act) {
  const sac_gpu* gpu = sac_gpu_of(agent);
  sac_status status = SAC_OK;
  SAC_CUDA_TRY(gpu, cudaSetDevice(gpu->ordinal));
  if (act->vector && act->vector->resident) {
    SAC_TRY(sac_cuda_vector_refresh(agent, act->vector));
    sac_cuda_range_push("act");
    status = act_resident(agent, act);
    sac_cuda_range_pop();
  } else {
    sac_cuda_range_push("act");
    for (int32_t first = 0; first < act->n && status == SAC_OK; first += gpu->act_rows)
      status = act_rows(agent, act, first, act->n - first < gpu->act_rows ? act->n - first : gpu->act_rows);
    sac_cuda_range_pop();
  }
  if (status == SAC_OK && act->mode != SAC_ACT_MEAN && !act->noise)
    for (int32_t p = 0; p < agent->shape.population; ++p)
      if (agent->alive[p]) agent->counters[p].act += (uint64_t)act->n;
fail:
  return status;
}
