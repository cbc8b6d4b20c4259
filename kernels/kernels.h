// The kernels as host C calls them: one function a launch, arguments as structs whose members say shapes.
//
// Each launcher queues its kernel on `stream` and returns the launch's own error (cudaGetLastError); whether the kernel
// ran well is known after the stream was waited for. Pointers are device memory unless a comment says otherwise. Every
// kernel of a stage works on all P agents; those whose state says alive == 0 are skipped: their memory stays as it is
// (what cuBLAS and the net kernels compute between them goes on for all).
//
// Dimension letters as everywhere: P population, N environments, B minibatch, O observation, A action, H hidden, K
// critics, C replay capacity. F = O + A, R rows. Arrays are dense and row-major.
#ifndef SAC_KERNELS_KERNELS_H
#define SAC_KERNELS_KERNELS_H

#include <cuda_runtime_api.h>
#include <stdint.h>

#include <sac/agent.h>

#include "kernels/adam.h"

#ifdef __cplusplus
extern "C" {
#endif

// Sets of weights with a learning rate of their own.
typedef enum sac_adam_set { SAC_ADAM_CRITIC, SAC_ADAM_ACTOR, SAC_ADAM_ALPHA, SAC_ADAM_SETS } sac_adam_set;

// What one agent counts and measures, on the device (P). The host's copies are made from it when they are asked for.
typedef struct sac_device_state {
  uint64_t seed;
  uint64_t pushed;                    // transitions ever pushed: written by replay push
  uint64_t updates;                   // written by target update
  uint64_t act;                       // observations acted on: written by act
  uint32_t alive;                     // 0: stopped; written by temperature update, where an update's stats are complete
  uint32_t ticket;                    // blocks of replay push that have finished: 0 between kernels
  sac_adam_step adam[SAC_ADAM_SETS];  // scalars of the coming update: written by target update
  sac_update_stats stats;             // of the last update
  int32_t bad_tensors;                // trained tensors whose gradient was not finite when the agent stopped
  int32_t first_bad;                  // the first of them, in the order of sac_temperature_args.watched
  float bad_value;                    // and its first such number
  uint32_t act_ticket;  // of act: blocks or clusters that have finished. Act may run beside replay push. 0 between acts
  uint64_t totals_updates;  // sac_totals
  sac_update_stats totals;
} sac_device_state;

typedef struct sac_dims {
  int32_t population, batch, obs, action, critics;
} sac_dims;

// Networks of one shape side by side: `count` of them, `agents` apart by `each` of them (K critics an agent; 1).
// A pointer to a weight or bias is that of net 0; net i's lies i * stride floats on.

// --- net.cu ----------------------------------------------------------------------------------------------------------

// Where a width is a multiple of 4 the pointers of these are 16-byte aligned and the strides multiples of 4 too.

// y = relu(y + bias) over (nets, rows, width). y_stride: floats between nets' first rows.
typedef struct sac_bias_relu_args {
  float* y;
  const float* bias;
  size_t y_stride, bias_stride;
  int32_t nets, rows, width;
} sac_bias_relu_args;
cudaError_t sac_net_bias_relu(cudaStream_t stream, const sac_bias_relu_args* args);

// d = 0 where y = relu(x) is 0, over (nets, rows, width): gradient by a layer's output to that by its pre-activation.
typedef struct sac_relu_grad_args {
  float* d;
  const float* y;
  size_t d_stride, y_stride;
  int32_t nets, rows, width;
} sac_relu_grad_args;
cudaError_t sac_net_relu_grad(cudaStream_t stream, const sac_relu_grad_args* args);

// Sums over the rows of matrices: gradients of biases, sum_r x[r][j], and of a one-output head's weights,
// sum_r factor[r] x[r][j]. All of a network's in one launch.
#define SAC_COLUMN_JOBS_MAX 20
typedef struct sac_column_job {
  const float* x;       // (nets, R, width)
  const float* factor;  // (nets, R), or NULL: 1
  float* sum;           // (nets, width), nets sum_stride floats apart
  size_t x_stride, factor_stride, sum_stride;
  int32_t width;
} sac_column_job;
typedef struct sac_column_sums_args {
  sac_column_job job[SAC_COLUMN_JOBS_MAX];
  int32_t jobs, nets, rows;
} sac_column_sums_args;
cudaError_t sac_net_column_sums(cudaStream_t stream, const sac_column_sums_args* args);

// The last hidden layer of networks with one output, and their head.
typedef struct sac_head {
  float* hidden;             // (nets, B, H): pre-activation without bias on entry; relu of it with bias on exit
  const float* hidden_bias;  // (H)
  const float* weight;       // (1, H)
  const float* bias;         // (1)
  size_t hidden_stride;      // floats between nets' activations
  size_t weight_stride;      // floats between nets' weights and biases
  int32_t width;             // H
  int32_t discard_hidden;    // 1: hidden is not read after the kernel, which may leave it as it was
} sac_head;

// --- replay.cu -------------------------------------------------------------------------------------------------------

// Where things stand in a row of the ring, in floats (sac_replay_row of src/replay/rows.h).
typedef struct sac_row_layout {
  int32_t obs, action, reward, terminated, truncated, next_obs, floats;
} sac_row_layout;

// replay push: n transitions an agent. The arrays (P, n, ...) are device memory or pinned host memory.
typedef struct sac_replay_push_args {
  sac_device_state* state;
  float* ring;  // (P, C, row)
  const float *obs, *action, *reward, *next_obs;
  const uint8_t *terminated, *truncated;
  sac_dims dims;
  sac_row_layout row;
  int64_t capacity;
  int32_t n;
} sac_replay_push_args;
cudaError_t sac_replay_push_rows(cudaStream_t stream, const sac_replay_push_args* args);

// The minibatch: written by replay sample (or by the caller of update_with), read by the stages after it.
typedef struct sac_device_minibatch {
  float* states;      // (P, 2B, O): B rows of obs, then B rows of next_obs
  float* current;     // (P, K, B, F): obs | action, a copy for each critic, so that one strided product serves all
  float* next;        // (P, K, B, F): next_obs | a'; a' written by critic update
  float* policy;      // (P, K, B, F): obs | a~; a~ written by the actor's pass
  float* reward;      // (P, B)
  float* terminated;  // (P, B)
  float* noise;       // (P, 2B, A): B rows for a~ at obs, then B rows for a' at next_obs
} sac_device_minibatch;

// replay sample: draws indices and noise, gathers. rows_of_noise: 2B [sac] or B [sac-v, which has no a'].
typedef struct sac_replay_sample_args {
  const sac_device_state* state;
  const float* ring;
  sac_device_minibatch minibatch;
  sac_dims dims;
  sac_row_layout row;
  int64_t capacity;
  int32_t with_next_action;  // 1: noise and columns for a' too
} sac_replay_sample_args;
cudaError_t sac_replay_sample_minibatch(cudaStream_t stream, const sac_replay_sample_args* args);

// --- actor.cu --------------------------------------------------------------------------------------------------------

// What the squash leaves of a~ for the way back and the statistics.
typedef struct sac_squashed {
  float* action;     // (P, B, A)
  float* spread;     // (P, B, A) sigma * eps
  float* slope;      // (P, B, A) da/du
  float* log_prob;   // (P, 2B) log pi(a~|s), then log pi(a'|s'); [sac-v] the first half
  float* saturated;  // (P, B) components of a~ beyond 0.999
} sac_squashed;

// The head's bias and the squash: actions into the critics' inputs, log-probabilities. rows: B or 2B, as the minibatch.
typedef struct sac_actor_squash_args {
  const sac_device_state* state;
  float* head;        // (P, 2B, 2A) products of the head, without bias: A means, then A log sigmas; on exit the first
                      // B rows' log sigmas have it
  const float* bias;  // (2A)
  size_t bias_stride;
  sac_device_minibatch minibatch;  // reads noise; writes policy's and next's actions
  sac_squashed out;
  sac_dims dims;
  float log_std_min, log_std_max;
  int32_t rows;
} sac_actor_squash_args;
cudaError_t sac_actor_squash(cudaStream_t stream, const sac_actor_squash_args* args);

// Heads of the critics at (s, a~), their minimum, and the gradient of the actor's loss by the last hidden layer's
// pre-activation: each row through its smallest critic alone, zero in the others.
typedef struct sac_actor_smallest_q_args {
  const sac_device_state* state;
  sac_head critic;
  float* d_hidden;  // (P, K, B, H)
  float* smallest;  // (P, B) min_k Q_k(s, a~)
  sac_dims dims;
} sac_actor_smallest_q_args;
cudaError_t sac_actor_smallest_q(cudaStream_t stream, const sac_actor_smallest_q_args* args);

// From the gradient by the critics' first hidden layer to the gradient by the actor's head, through action and squash.
typedef struct sac_actor_squash_grad_args {
  const sac_device_state* state;
  const float* d_hidden;  // (P, K, B, H) by the first layer's output: the ReLU's gradient is taken here
  const float* hidden;    // (P, K, B, H) that output
  const float* weight;    // (H, F) the first layer's, of critic 0
  size_t hidden_stride, weight_stride;
  int32_t width;  // H
  sac_squashed out;
  const float* head;  // (P, 2B, 2A) as squash left it: its log sigmas
  float* d_head;      // (P, B, 2A)
  const float* log_alpha;
  size_t log_alpha_stride;
  sac_dims dims;
  float log_std_min, log_std_max;
} sac_actor_squash_grad_args;
cudaError_t sac_actor_squash_grad(cudaStream_t stream, const sac_actor_squash_grad_args* args);

// --- act.cu, act_one.cu ----------------------------------------------------------------------------------------------

// act: observations to actions in one launch, whole networks. obs, noise, action and log_prob may be pinned host
// memory. No action and no log-probability has the bits SAC_ACT_UNSET (a signalling NaN, which no arithmetic gives): a
// host that fills them with it first sees each of them come, before the launch has ended. Those of a
// stopped agent are zeros.
#define SAC_ACT_LAYERS_MAX 17
#define SAC_ACT_UNSET 0x7fa5ac00u
typedef enum sac_device_act_mode {
  SAC_DEVICE_ACT_SAMPLE,
  SAC_DEVICE_ACT_MEAN,
  SAC_DEVICE_ACT_UNIFORM
} sac_device_act_mode;
typedef struct sac_actor_act_args {
  sac_device_state* state;  // reads seed and act; act moves on by n where noise is drawn
  const uint32_t* alive;    // of agent 0: the state's own or a copy of it
  size_t alive_stride;      // in uint32_t
  const float* weights;     // of agent 0's actor
  size_t weights_stride;
  int32_t layers;  // the head included
  int32_t size[SAC_ACT_LAYERS_MAX + 1];
  size_t weight[SAC_ACT_LAYERS_MAX], bias[SAC_ACT_LAYERS_MAX];  // offsets within an actor
  const float* obs;                                             // (P, n, O)
  const float* noise;                                           // (P, n, A), or NULL: drawn
  float* action;                                                // (P, n, A) in [-1, 1]
  float* log_prob;                                              // (P, n), or NULL; written for samples alone
  float* scratch;  // (P, sac_actor_act_scratch(widest)), or NULL where that is 0
  size_t shared;   // sac_actor_act_prepare
  int32_t blocks;
  int32_t population, n;
  int32_t mode;  // sac_device_act_mode
  float log_std_min, log_std_max;
} sac_actor_act_args;
cudaError_t sac_actor_act(cudaStream_t stream, const sac_actor_act_args* args);
// Readies the current device for it, before the first launch there: blocks that may share an observation (1: it has no
// clusters), and bytes of shared memory that a block may take.
cudaError_t sac_actor_act_prepare(int32_t* blocks, size_t* shared);
// Floats of scratch an agent takes: 0 where shared memory holds the activations.
size_t sac_actor_act_scratch(int32_t widest);

// Copies the actors (P, floats) and who is alive, so that acting on the copy waits for no update.
typedef struct sac_actor_snapshot_args {
  const sac_device_state* state;
  const float* weights;  // 16-byte aligned, as the copy
  float* copy;
  uint32_t* alive;
  size_t floats;  // of all agents; a multiple of 4
  int32_t population;
} sac_actor_snapshot_args;
cudaError_t sac_actor_snapshot(cudaStream_t stream, const sac_actor_snapshot_args* args);

// --- critic.cu -------------------------------------------------------------------------------------------------------

// Heads of the critics at (s, a) and of the targets at s', TD target, error, and the gradient of the critics' loss by
// their last hidden layer's pre-activation.
typedef struct sac_critic_loss_args {
  const sac_device_state* state;
  sac_head critic;        // (P, K)
  sac_head target;        // (P, targets): K target critics at (s', a') [sac]; the target value network at s' [sac-v]
  int32_t targets;        // at most 16, as K
  int32_t soft;           // 1 [sac]: the minimum less alpha log pi(a'|s'); 0 [sac-v]: Vbar(s')
  const float* log_prob;  // (P, 2B), its second half
  const float* reward;    // (P, B)
  const float* terminated;
  const float* log_alpha;
  size_t log_alpha_stride;
  float* d_hidden;  // (P, K, B, H)
  float* d_q;       // (P, K, B) by the head's output
  float* q;         // (P, K, B) Q_k(s, a)
  float* y;         // (P, B)
  sac_dims dims;
  float gamma, reward_scale;
} sac_critic_loss_args;
cudaError_t sac_critic_loss(cudaStream_t stream, const sac_critic_loss_args* args);

// [sac-v] Head of the value network at s, its target min Q - alpha log pi, and its gradient, as above.
typedef struct sac_critic_value_loss_args {
  const sac_device_state* state;
  sac_head value;         // (P)
  const float* smallest;  // (P, B)
  const float* log_prob;  // (P, 2B), its first half
  const float* log_alpha;
  size_t log_alpha_stride;
  float* d_hidden;  // (P, B, H)
  float* d_v;       // (P, B)
  float* v;         // (P, B)
  float* v_target;  // (P, B)
  sac_dims dims;
} sac_critic_value_loss_args;
cudaError_t sac_critic_value_loss(cudaStream_t stream, const sac_critic_value_loss_args* args);

// --- adam.cu ---------------------------------------------------------------------------------------------------------

// Adam's step over one region of the slabs, (P, floats), and the squared norm of its gradient in parts.
typedef struct sac_adam_args {
  const sac_device_state* state;
  float *weight, *m, *v;
  const float* grad;
  double* norm;   // (P, sac_adam_parts(floats))
  size_t floats;  // of one agent; a multiple of 4
  int32_t population;
  int32_t set;  // sac_adam_set
} sac_adam_args;
cudaError_t sac_adam_update(cudaStream_t stream, const sac_adam_args* args);
int32_t sac_adam_parts(size_t floats);

// --- temperature.cu --------------------------------------------------------------------------------------------------

// A trained tensor in the slab of gradients.
typedef struct sac_watched {
  uint64_t start;   // floats from the slab's start, of agent 0
  uint64_t stride;  // from one agent's to the next
  uint64_t count;
} sac_watched;

// temperature update: J_alpha and its gradient from the actor pass's log pi, Adam's step of log_alpha; and, since all
// is known now, the statistics of the update. An agent with one that is not finite stops here.
typedef struct sac_temperature_args {
  sac_device_state* state;
  float *log_alpha, *grad, *m, *v;  // of agent 0
  size_t log_alpha_stride;
  const float *q, *y;               // (P, K, B), (P, B)
  const float *v_value, *v_target;  // (P, B), or NULL
  const float *smallest, *log_prob, *saturated;
  const double *critic_norm, *value_norm, *actor_norm;  // value_norm may be NULL
  int32_t critic_parts, value_parts, actor_parts;       // of one agent
  const float* gradients;                               // the slab
  const sac_watched* watched;                           // (watched_count) looked at when an agent stops
  int32_t watched_count;
  sac_dims dims;
  float target_entropy;
  int32_t learn;
} sac_temperature_args;
cudaError_t sac_temperature_update(cudaStream_t stream, const sac_temperature_args* args);

// --- target.cu -------------------------------------------------------------------------------------------------------

// What Adam's scalars are made of.
typedef struct sac_adam_rates {
  double lr[SAC_ADAM_SETS];
  double beta1, beta2, epsilon;
} sac_adam_rates;

// target update: Polyak over (P, floats), totals, counters, and the next update's scalars.
typedef struct sac_target_args {
  sac_device_state* state;
  float* target;
  const float* source;
  size_t floats;  // of one agent; a multiple of 4
  int32_t population;
  float tau;
  sac_adam_rates rates;
} sac_target_args;
cudaError_t sac_target_update(cudaStream_t stream, const sac_target_args* args);

// The scalars of the coming update from the counters, of stopped agents too: after the host has written the states.
cudaError_t sac_target_begin(cudaStream_t stream, sac_device_state* state, int32_t population,
                             const sac_adam_rates* rates);

// --- env.cu ----------------------------------------------------------------------------------------------------------

// P*N environments of one task, with what sac_vector keeps of them (src/env/vector.h), on the device.
typedef struct sac_env_arrays {
  double* state;           // (P, N, state)
  float* obs;              // (P, N, O): what act reads
  float* action;           // (P, N, A) in [-1, 1]; discrete: the action's number
  float* prev_obs;         // (P, N, O)
  float* next_obs;         // (P, N, O)
  float* reward;           // (P, N)
  uint8_t* terminated;     // (P, N)
  uint8_t* truncated;      // (P, N)
  uint64_t* episode;       // (P, N) episodes started
  double* episode_return;  // (P, N) of the running one
  int64_t* episode_length;
} sac_env_arrays;

// An episode that ended in a step; length 0: none did.
typedef struct sac_env_finished {
  double episode_return;
  int64_t length;
} sac_env_finished;

// What a step may find wrong. The first in order of steps and environments is kept, as the largest ~code.
enum { SAC_ENV_BAD_ACTION = 1, SAC_ENV_BAD_OBS, SAC_ENV_BAD_REWARD };
#define SAC_ENV_FAILURE(step, env, what) (~(((uint64_t)(step) << 40) | ((uint64_t)(env) << 4) | (uint64_t)(what)))

#define SAC_ENV_OPTIONS_DOUBLES 16
#define SAC_ENV_ACTIONS_MAX 4

// env step: scales actions, steps, applies the time limit, and starts the next episode where one ended.
typedef struct sac_env_step_args {
  sac_env_arrays env;
  const uint64_t* seed;                     // (P)
  sac_env_finished* finished;               // (P, N) of this step
  uint64_t* failure;                        // 0: none so far
  uint64_t stream;                          // of environment 0's episodes
  double options[SAC_ENV_OPTIONS_DOUBLES];  // the task's struct
  float low[SAC_ENV_ACTIONS_MAX], high[SAC_ENV_ACTIONS_MAX];
  int32_t task;  // place in kernels/tasks/tasks.h
  int32_t population, num_envs;
  int32_t limit;  // of an episode's steps; 0: none
  int32_t step;   // number of this step since the failure was cleared
} sac_env_step_args;
cudaError_t sac_env_step_all(cudaStream_t stream, const sac_env_step_args* args);

#ifdef __cplusplus
}
#endif

#endif
