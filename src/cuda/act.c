/* act: from observations to actions, in one launch. The networks that act are the actor, or the critics where there is
 * none.
 *
 * The observations of the host, and the actions that it gets, are in pinned memory, which the kernel reads and writes.
 * Before the launch the host fills the results with SAC_ACT_UNSET; then it polls until all of them have changed. This
 * is faster than to wait for a stream. When all results are there, the kernel may still run, and may not have advanced
 * the counters of the noise yet. So before work on another stream reads these counters, it waits for the kernel
 * (sac_cuda_wait_for_act). The tests' host execution runs a kernel as a whole, so it cannot show where such a wait is
 * missing.
 *
 * With train.overlap, act uses the policy as it was before the updates that are running: a copy of its networks
 * (sac_backend.snapshot), on a stream of its own. So act does not wait for the updates. */
#include <string.h>

#include "cuda/cuda.h"
#include "env/vector.h"
#include "util/error.h"

#define RECAPTURE 1000 /* launches between a failed capture (graph.c says why it can fail) and the next try */
#define POLLS 20000    /* polls without a result, until the stream is asked whether the launch has failed */

int sac_cuda_has_policy(sac_policy_kind policy) {
  return policy == SAC_POLICY_SQUASHED_GAUSSIAN || policy == SAC_POLICY_SOFTMAX || policy == SAC_POLICY_BOLTZMANN;
}

int sac_cuda_changes_policy(const sac_agent* agent, sac_stage stage) {
  if (sac_algo_acts_with(agent->algo) == SAC_ACTOR) return stage == SAC_STAGE_ACTOR_UPDATE;
  return stage == SAC_STAGE_CRITIC_UPDATE || stage == SAC_STAGE_TEMPERATURE_UPDATE;
}

/* Fills the arguments of a launch for n observations of each agent. It sets every byte, so that two launches can be
 * compared. */
static void fill_args(const sac_agent* agent, const sac_act* act, int32_t n, sac_actor_act_args* args) {
  static const sac_device_act_mode modes[] = {[SAC_ACT_SAMPLE] = SAC_DEVICE_ACT_SAMPLE,
                                              [SAC_ACT_MEAN] = SAC_DEVICE_ACT_MEAN,
                                              [SAC_ACT_UNIFORM] = SAC_DEVICE_ACT_UNIFORM};
  const sac_gpu* gpu = sac_gpu_of(agent);
  const sac_nets* acts = &gpu->nets[sac_algo_acts_with(agent->algo)];
  const sac_net* net = acts->net;

  /* clear padding too, so that memcmp can compare */
  memset(args, 0, sizeof *args);

  /* the networks that act: the trained ones, or the snapshot */
  args->state = gpu->state;
  args->alive = act->from_snapshot ? gpu->act_alive : &gpu->state->alive;
  args->alive_stride = act->from_snapshot ? 1 : sizeof *gpu->state / sizeof(uint32_t);
  args->weights = act->from_snapshot ? gpu->act_copy : gpu->weights + acts->start;
  args->weights_stride = (size_t)acts->per_agent * acts->each;

  /* discrete actions; only the Boltzmann policy has the temperature in it */
  args->actions = agent->shape.actions;
  args->nets = acts->per_agent;
  args->net_stride = acts->each;
  args->mean = agent->settings.critics_join == SAC_JOIN_MEAN;
  if (agent->algo->policy == SAC_POLICY_BOLTZMANN) {
    args->log_alpha = act->from_snapshot ? gpu->act_log_alpha : gpu->weights + gpu->log_alpha;
    args->log_alpha_stride = SAC_ALPHA_STRIDE;
  }

  /* their layers; the kernel wants offsets from a network's first float */
  args->layers = net->layers;
  memcpy(args->size, net->size, (size_t)(net->layers + 1) * sizeof *args->size);
  for (int32_t l = 0; l < net->layers; l++) {
    args->weight[l] = net->weight[l] - net->weight[0];
    args->bias[l] = net->bias[l] - net->weight[0];
  }

  /* memory and shape of the launch */
  args->scratch = gpu->act_scratch;
  args->blocks = gpu->act_blocks;
  args->shared = gpu->act_shared;
  args->population = agent->shape.population;
  args->n = n;

  /* how an action is chosen */
  args->mode = (int32_t)modes[act->mode];
  args->log_std_min = (float)agent->settings.log_std_min;
  args->log_std_max = (float)agent->settings.log_std_max;
}

sac_status sac_cuda_wait_for_act(sac_gpu* gpu, cudaStream_t stream) {
  sac_status status = SAC_OK;

  /* work on the same stream comes after that act without a wait */
  if (gpu->last_act_stream && gpu->last_act_stream != stream)
    SAC_CUDA_TRY(gpu, cudaStreamSynchronize(gpu->last_act_stream));
  gpu->last_act_stream = NULL;
fail:
  return status;
}

/* Acts on environments that are on the device: nothing is copied, and the host waits for nothing. */
static sac_status act_resident(const sac_agent* agent, const sac_act* act) {
  sac_gpu* gpu = sac_gpu_of(agent);
  const sac_env_arrays* arrays = sac_cuda_vector_arrays(act->vector);
  sac_actor_act_args args;
  sac_status status = SAC_OK;

  /* an earlier act on another stream must have advanced the counters */
  SAC_TRY(sac_cuda_wait_for_act(gpu, gpu->stream));
  gpu->last_act_stream = gpu->stream;

  /* the kernel reads and writes the vector's arrays */
  fill_args(agent, act, act->n, &args);
  args.obs = arrays->obs;
  args.action = arrays->action;
  SAC_CUDA_TRY(gpu, sac_actor_act(gpu->stream, &args));
fail:
  return status;
}

/* --- launch and results ------------------------------------------------------------------------------------------- */

/* What a capture queues: one launch of act. */
typedef struct act_work {
  const sac_gpu* gpu;
  const sac_actor_act_args* args;
  cudaStream_t stream;
} act_work;

static sac_status make_act(void* context) {
  const act_work* w = context;
  return sac_cuda_check(w->gpu->ordinal, sac_actor_act(w->stream, w->args), "actor_act");
}

/* Captures the launch as a graph of one node, which takes less time to launch. After a failure a later launch tries
 * again. */
static void capture(sac_gpu* gpu, const sac_actor_act_args* args, cudaStream_t stream) {
  act_work work = {gpu, args, stream};
  if (sac_cuda_capture(gpu, stream, make_act, &work, &gpu->act_graph, NULL) == SAC_OK) return;
  (void)cudaGetLastError(); /* clear the error: the next launch would report it again */
  gpu->act_wait = RECAPTURE;
}

/* Launches act: with a graph, if the arguments are those of the last launch. */
static sac_status launch(const sac_agent* agent, const sac_actor_act_args* args, cudaStream_t stream) {
  sac_gpu* gpu = sac_gpu_of(agent);
  const int again = memcmp(args, &gpu->act_args, sizeof *args) == 0;
  sac_status status = SAC_OK;

  /* the launch reads the counters that the last act advances */
  SAC_TRY(sac_cuda_wait_for_act(gpu, stream));
  gpu->last_act_stream = stream;

  /* destroy the graph of other arguments */
  if (!again) {
    gpu->act_args = *args;
    if (gpu->act_graph) (void)cudaGraphExecDestroy(gpu->act_graph); /* CUDA frees a running one when it has ended */
    gpu->act_graph = NULL;
  }

  /* capture at the second launch with the same arguments: others may come only once */
  if (gpu->act_wait > 0) gpu->act_wait--;
  else if (again && agent->settings.cuda_graph && !gpu->act_graph) capture(gpu, args, stream);

  /* launch the graph, or the kernel itself */
  if (gpu->act_graph) SAC_CUDA_TRY(gpu, cudaGraphLaunch(gpu->act_graph, stream));
  else SAC_CUDA_TRY(gpu, sac_actor_act(stream, args));
fail:
  return status;
}

/* Marks results as missing. The mark is copied as bits, because it is a signalling NaN. */
static void mark_unset(float* numbers, size_t count) {
  const uint32_t unset = SAC_ACT_UNSET;
  for (size_t i = 0; i < count; i++) memcpy(&numbers[i], &unset, sizeof unset);
}

/* Waits until no number is marked any more. */
static sac_status wait_for_results(const sac_gpu* gpu, cudaStream_t stream, const float* numbers, size_t count) {
  const uint32_t* word = (const uint32_t*)numbers;
  sac_status status = SAC_OK;
  int ended = 0;
  long polls = 0;

  /* poll one number after the other */
  for (size_t i = 0; i < count;) {
    if (__atomic_load_n(&word[i], __ATOMIC_ACQUIRE) != SAC_ACT_UNSET) {
      i++;
    } else if (ended) {
      return sac_fail(SAC_ERROR_DEVICE, "act: the launch has ended without writing result %zu", i);
    } else if (++polls % POLLS == 0) {
      /* ask the stream: after an error no result will come; after the launch has ended all of them must be there */
      const cudaError_t error = cudaStreamQuery(stream);
      if (error == cudaErrorNotReady) (void)cudaGetLastError();
      else SAC_CUDA_TRY(gpu, error);
      ended = error == cudaSuccess;
    }
  }
fail:
  return status;
}

/* --- the host's observations -------------------------------------------------------------------------------------- */

/* Copies rows first .. first + n - 1 of each agent from (P, act->n, size) to (P, n, size). */
static void gather(float* to, const float* from, const sac_agent* agent, const sac_act* act, int32_t first, int32_t n,
                   size_t size) {
  for (size_t p = 0; p < (size_t)agent->shape.population; p++)
    memcpy(to + p * (size_t)n * size, from + (p * (size_t)act->n + (size_t)first) * size,
           (size_t)n * size * sizeof(float));
}

/* The reverse: from (P, n, size) to rows first .. first + n - 1 of (P, act->n, size). */
static void scatter(float* to, const float* from, const sac_agent* agent, const sac_act* act, int32_t first, int32_t n,
                    size_t size) {
  for (size_t p = 0; p < (size_t)agent->shape.population; p++)
    memcpy(to + (p * (size_t)act->n + (size_t)first) * size, from + p * (size_t)n * size,
           (size_t)n * size * sizeof(float));
}

/* Acts on observations first .. first + n - 1 of each agent. */
static sac_status act_rows(const sac_agent* agent, const sac_act* act, int32_t first, int32_t n) {
  const sac_gpu* gpu = sac_gpu_of(agent);
  const size_t obs = (size_t)agent->shape.obs, actions = (size_t)agent->shape.action;
  const size_t rows = (size_t)agent->shape.population * (size_t)n;
  const int log_prob = act->log_prob && act->mode == SAC_ACT_SAMPLE;
  cudaStream_t stream = act->from_snapshot ? gpu->act_stream : gpu->stream;
  sac_actor_act_args args;
  sac_status status = SAC_OK;

  /* the kernel works in pinned memory */
  fill_args(agent, act, n, &args);
  args.obs = gpu->act_obs;
  args.action = gpu->act_action;

  /* copy the observations there, and the caller's noise; uniform actions need neither */
  if (act->mode != SAC_ACT_UNIFORM) gather(gpu->act_obs, act->obs, agent, act, first, n, obs);
  if (act->noise && act->mode == SAC_ACT_SAMPLE) {
    gather(gpu->act_noise, act->noise, agent, act, first, n, actions);
    args.noise = gpu->act_noise;
  }
  if (log_prob) args.log_prob = gpu->act_log_prob;

  /* mark the results before the launch: the kernel overwrites the marks */
  mark_unset(gpu->act_action, rows * actions);
  if (log_prob) mark_unset(gpu->act_log_prob, rows);

  /* launch, and wait until no mark is left */
  SAC_TRY(launch(agent, &args, stream));
  SAC_TRY(wait_for_results(gpu, stream, gpu->act_action, rows * actions));
  if (log_prob) SAC_TRY(wait_for_results(gpu, stream, gpu->act_log_prob, rows));

  /* copy the results to the caller */
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
    /* environments on the device: queue the launch, wait for nothing */
    SAC_TRY(sac_cuda_vector_refresh(agent, act->vector));
    sac_cuda_range_push("act");
    status = act_resident(agent, act);
    sac_cuda_range_pop();
  } else {
    /* observations of the host: at a time as many as the pinned buffers hold */
    sac_cuda_range_push("act");
    for (int32_t first = 0; first < act->n && status == SAC_OK; first += gpu->act_rows)
      status = act_rows(agent, act, first, act->n - first < gpu->act_rows ? act->n - first : gpu->act_rows);
    sac_cuda_range_pop();
  }

  /* the host's copies of the counters; only drawn noise advances them */
  if (status == SAC_OK && act->mode != SAC_ACT_MEAN && !act->noise)
    for (int32_t p = 0; p < agent->shape.population; p++)
      if (agent->alive[p]) agent->counters[p].act += (uint64_t)act->n;
fail:
  return status;
}

/* --- the snapshot ------------------------------------------------------------------------------------------------- */

sac_status sac_cuda_snapshot(sac_agent* agent) {
  sac_gpu* gpu = sac_gpu_of(agent);

  /* the networks of all agents are side by side in the slab: one copy takes them all */
  const sac_group group = sac_algo_acts_with(agent->algo);
  const sac_nets* acts = &gpu->nets[group];
  const size_t alphas = (size_t)agent->shape.population * SAC_ALPHA_STRIDE * sizeof(float);
  const sac_actor_snapshot_args args = {.state = gpu->state,
                                        .weights = gpu->weights + acts->start,
                                        .copy = gpu->act_copy,
                                        .alive = gpu->act_alive,
                                        .floats = (size_t)sac_cuda_net_count(agent, group) * acts->each,
                                        .population = agent->shape.population};
  sac_status status = SAC_OK;
  if (!gpu->act_stale) return SAC_OK; /* nothing has changed the policy since the last snapshot */

  /* copy on the updates' stream, behind the updates queued so far; act's stream waits for the copy alone */
  SAC_CUDA_TRY(gpu, cudaSetDevice(gpu->ordinal));
  SAC_CUDA_TRY(gpu, sac_actor_snapshot(gpu->stream, &args));
  if (gpu->act_log_alpha)
    SAC_CUDA_TRY(gpu, cudaMemcpyAsync(gpu->act_log_alpha, gpu->weights + gpu->log_alpha, alphas,
                                      cudaMemcpyDeviceToDevice, gpu->stream));
  SAC_CUDA_TRY(gpu, cudaEventRecord(gpu->act_copied, gpu->stream));
  SAC_CUDA_TRY(gpu, cudaStreamWaitEvent(gpu->act_stream, gpu->act_copied, 0));
  gpu->act_stale = 0;
fail:
  return status;
}
