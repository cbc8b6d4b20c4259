// The kernels, as C code launches them: a function for each, with its arguments in a struct whose members say shapes.
//
// A launcher queues its kernel on `stream` and returns cudaGetLastError: errors of the launch itself. Errors of the
// kernel's execution appear when the stream is waited for. Pointers are device memory unless a comment says otherwise.
// A kernel works on all P agents. It skips agents whose state has alive == 0, and leaves their memory as it is. The
// exceptions: products of cuBLAS and the kernels of net.cu, env.cu, sac_replay_given, sac_actor_snapshot and
// sac_adam_scalars go on for stopped agents, and sac_actor_act gives them actions of 0.
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

// Sets of weights that have their own learning rate.
typedef enum sac_adam_set { SAC_ADAM_CRITIC, SAC_ADAM_ACTOR, SAC_ADAM_ALPHA, SAC_ADAM_SETS } sac_adam_set;

// Counters and statistics of one agent, on the device (P). The host copies them when it needs them.
typedef struct sac_device_state {
  uint64_t seed;
  uint64_t pushed;                    // transitions pushed so far; written by replay push
  uint64_t updates;                   // updates so far; written by target update
  uint64_t act;                       // observations acted on so far; written by act
  sac_adam_hold hold;                 // the updates that leave actor and temperature as they are
  uint64_t fixed;                     // the first rows of the ring, which no push overwrites (kernels/ring.h)
  uint32_t alive;                     // 0: stopped; written by temperature update, which computes the statistics
  uint32_t ticket;                    // blocks of replay push that have finished; 0 between kernels
  sac_adam_step adam[SAC_ADAM_SETS];  // scalars of the next update; written by target update
  sac_update_stats stats;             // of the last update; written by temperature update
  int32_t bad_tensors;                // trained tensors whose gradient was not finite when the agent stopped
  int32_t first_bad;                  // the first of them, in the order of sac_temperature_args.tensors
  float bad_value;                    // its first number that is not finite
  uint32_t act_ticket;                // as ticket, for blocks or clusters of act, which may run beside replay push
  uint64_t totals_updates;            // updates in the totals; written by target update, as the totals
  sac_update_stats totals;            // sums of the statistics of these updates
} sac_device_state;

typedef struct sac_dims {
  int32_t population, batch, obs, action, critics;
} sac_dims;

// Networks of one shape lie side by side: all networks of agent 0, then those of agent 1, and so on. A pointer to a
// weight or bias is that of network 0. The one of network i is i * stride floats behind it.

// --- net.cu ----------------------------------------------------------------------------------------------------------

// Where a width is a multiple of 4, pointers are 16-byte aligned and strides are multiples of 4 too.

// y = relu(y + bias) over (nets, rows, width). y_stride: floats from the first row of one network to that of the next.
typedef struct sac_bias_relu_args {
  float* y;
  const float* bias;
  size_t y_stride, bias_stride;
  int32_t nets, rows, width;
} sac_bias_relu_args;
cudaError_t sac_net_bias_relu(cudaStream_t stream, const sac_bias_relu_args* args);

// From the gradient with respect to a layer's output to that with respect to its pre-activation: d = 0 where
// y = relu(x) is 0, over (nets, rows, width).
typedef struct sac_relu_grad_args {
  float* d;
  const float* y;
  size_t d_stride, y_stride;
  int32_t nets, rows, width;
} sac_relu_grad_args;
cudaError_t sac_net_relu_grad(cudaStream_t stream, const sac_relu_grad_args* args);

// Sums over the rows of matrices: sum_r x[r][j], the gradient of a bias; or sum_r factor[r] x[r][j], the gradient of
// the weights of a head with one output. One launch has all sums of a network.
#define SAC_COLUMN_JOBS_MAX 20
typedef struct sac_column_job {
  const float* x;       // (nets, R, width)
  const float* factor;  // (nets, R); NULL: 1
  float* sum;           // (nets, width), nets sum_stride floats apart
  size_t x_stride, factor_stride, sum_stride;
  int32_t width;
} sac_column_job;
typedef struct sac_column_sums_args {
  sac_column_job job[SAC_COLUMN_JOBS_MAX];
  int32_t jobs, nets, rows;
} sac_column_sums_args;
cudaError_t sac_net_column_sums(cudaStream_t stream, const sac_column_sums_args* args);

// Networks with one output: their last hidden layer and their head.
typedef struct sac_head {
  float* hidden;             // (nets, B, H); on entry the pre-activation without bias, on exit relu(x + bias)
  const float* hidden_bias;  // (H)
  const float* weight;       // (1, H)
  const float* bias;         // (1)
  size_t hidden_stride;      // floats between nets' activations
  size_t weight_stride;      // floats between nets' weights and biases
  int32_t width;             // H
  int32_t discard_hidden;    // 1: hidden is not read after the kernel, which may leave it as it was
} sac_head;

// --- replay.cu -------------------------------------------------------------------------------------------------------

// Offsets in a row of the ring, in floats (sac_replay_row of src/replay/rows.h).
typedef struct sac_row_layout {
  int32_t obs, action, reward, terminated, truncated, next_obs, floats;
} sac_row_layout;

// replay push: n transitions of each agent. The arrays (P, n, ...) are device memory or pinned host memory.
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

// The minibatch: written by replay sample (or copied from the caller of update_with), read by the later stages.
typedef struct sac_device_minibatch {
  float* states;    // (P, 2B, O): B rows of obs, then B rows of next_obs
  float* current;   // (P, K, B, F): obs | action, a copy for each critic, so that one strided product serves all
  float* next;      // (P, K, B, F): next_obs | a'; a' written by sac_actor_squash
  float* policy;    // (P, K, B, F): obs | a~; a~ written by sac_actor_squash. NULL for discrete actions
  float* reward;    // (P, B)
  float* discount;  // (P, B) gamma, or 0 where terminated
  float* weight;    // (P, B) of the row in the critics' loss
  uint64_t* index;  // (P, B) the row's place in the ring
  float* noise;     // (P, 2B, A): B rows for a~ at obs, then B rows for a' at next_obs. NULL for discrete actions
  float* action;    // (P, B) numbers of discrete actions, with which F = O; NULL: actions are continuous
} sac_device_minibatch;

// replay sample: draws indices and noise, and gathers the rows.
typedef struct sac_replay_sample_args {
  const sac_device_state* state;
  const float* ring;
  sac_device_minibatch minibatch;
  sac_dims dims;
  sac_row_layout row;
  int64_t capacity;
  int32_t offline;           // the first rows of the minibatch, which are drawn from the fixed rows if there are any
  int32_t with_next_action;  // 1: noise and columns for a' too; discrete actions have no noise, and always `next`
  float gamma;
  uint64_t ahead;  // draws as the update does that follows `ahead` more; 0: the next update
} sac_replay_sample_args;
cudaError_t sac_replay_sample_uniform(cudaStream_t stream, const sac_replay_sample_args* args);

// Completes a minibatch that the caller has given. On entry discount holds terminated (1 or 0); on exit it is the
// discount. weight becomes 1. rows: P * B.
cudaError_t sac_replay_given(cudaStream_t stream, const sac_device_minibatch* minibatch, size_t rows, float gamma);

// --- actor.cu --------------------------------------------------------------------------------------------------------

// The results of the squash of a~ that the gradient and the statistics need.
typedef struct sac_squashed {
  float* action;     // (P, B, A)
  float* spread;     // (P, B, A) sigma * eps
  float* slope;      // (P, B, A) da/du
  float* log_prob;   // (P, 2B) log pi(a~|s), then log pi(a'|s') where the algorithm samples a'
  float* saturated;  // (P, B) number of components with |a~| > 0.999
} sac_squashed;

// Adds the head's bias and squashes: actions into the critics' inputs, log-probabilities.
typedef struct sac_actor_squash_args {
  const sac_device_state* state;
  float* head;        // (P, 2B, 2A) products of the head without bias: A means, then A values of log_std. On exit the
                      // log_std of the first B rows includes the bias
  const float* bias;  // (2A)
  size_t bias_stride;
  sac_device_minibatch minibatch;  // reads noise; writes the actions of policy and next
  sac_squashed out;
  sac_dims dims;
  float log_std_min, log_std_max;
  int32_t rows;  // B: rows of s only. 2B: rows of s, then rows of s'
} sac_actor_squash_args;
cudaError_t sac_actor_squash(cudaStream_t stream, const sac_actor_squash_args* args);

// Heads of the critics at (s, a~), their minimum, and the gradient of the actor's loss with respect to the
// pre-activation of the last hidden layer. A row's gradient goes through its smallest critic; it is zero in the others.
typedef struct sac_actor_smallest_q_args {
  const sac_device_state* state;
  sac_head critic;
  float* d_hidden;  // (P, K, B, H)
  float* smallest;  // (P, B) min_k Q_k(s, a~)
  sac_dims dims;
} sac_actor_smallest_q_args;
cudaError_t sac_actor_smallest_q(cudaStream_t stream, const sac_actor_smallest_q_args* args);

// From the gradient with respect to the critics' first hidden layer, through action and squash, to the gradient with
// respect to the actor's head.
typedef struct sac_actor_squash_grad_args {
  const sac_device_state* state;
  const float* d_hidden;  // (P, K, B, H) with respect to the first layer's output, behind its ReLU
  const float* hidden;    // (P, K, B, H) the output of the first layer
  const float* weight;    // (H, F) of the first layer of critic 0
  size_t hidden_stride, weight_stride;
  int32_t width;  // H
  sac_squashed out;
  const float* head;  // (P, 2B, 2A) after actor_squash, which has added the bias to log_std
  float* d_head;      // (P, B, 2A)
  const float* log_alpha;
  size_t log_alpha_stride;
  sac_dims dims;
  float log_std_min, log_std_max;
} sac_actor_squash_grad_args;
cudaError_t sac_actor_squash_grad(cudaStream_t stream, const sac_actor_squash_grad_args* args);

// --- act.cu, act_one.cu ----------------------------------------------------------------------------------------------

// act: from observations to actions in one launch. obs, noise, action and log_prob may be pinned host memory. A host
// that waits for them fills action and log_prob with SAC_ACT_UNSET before the launch, and polls until each number
// differs: these bits are a signalling NaN, which no arithmetic gives. Actions and log-probabilities of a stopped agent
// are zeros.
#define SAC_ACT_LAYERS_MAX 17
#define SAC_ACT_UNSET 0x7fa5ac00u
typedef enum sac_device_act_mode {
  SAC_DEVICE_ACT_SAMPLE,
  SAC_DEVICE_ACT_MEAN,
  SAC_DEVICE_ACT_UNIFORM
} sac_device_act_mode;
typedef struct sac_actor_act_args {
  sac_device_state* state;  // reads seed and act; adds n to act where the kernel draws noise or uniform actions
  const uint32_t* alive;    // of agent 0: in the state, or in the snapshot
  size_t alive_stride;      // in uint32_t
  const float* weights;     // of agent 0's actor; of its critics where there is none
  size_t weights_stride;
  int32_t layers;                                               // the head included
  int32_t size[SAC_ACT_LAYERS_MAX + 1];                         // O, the widths of the hidden layers, 2A or `actions`
  size_t weight[SAC_ACT_LAYERS_MAX], bias[SAC_ACT_LAYERS_MAX];  // offsets within a network
  const float* obs;                                             // (P, n, O)
  const float* noise;                                           // (P, n, A); NULL: the kernel draws it
  float* action;                                                // (P, n, A) in [-1, 1]; discrete: the action's number
  float* log_prob;                                              // (P, n), or NULL; written for samples only
  float* scratch;  // (P, sac_actor_act_scratch(widest)), or NULL where that is 0
  size_t shared;   // from sac_actor_act_prepare, as blocks
  int32_t blocks;
  int32_t population, n;
  int32_t mode;  // sac_device_act_mode
  float log_std_min, log_std_max;

  // Discrete actions: their number is `actions`, otherwise 0. The networks' outputs are joined (kernels/bellman.h), and
  // the action is drawn from exp(x/alpha)/Z of the result x; alpha is 1 where log_alpha is NULL.
  const float* log_alpha;  // of agent 0
  size_t log_alpha_stride, net_stride;
  int32_t actions, nets, mean;  // mean 1: the mean of the networks, 0: their minimum
} sac_actor_act_args;
cudaError_t sac_actor_act(cudaStream_t stream, const sac_actor_act_args* args);
// Prepares the current device for act; called before the first launch there. *blocks: how many blocks may share an
// observation (1: the device has no clusters). *shared: bytes of shared memory that a block may take.
cudaError_t sac_actor_act_prepare(int32_t* blocks, size_t* shared);
// Floats of scratch memory for each agent, which acts with `nets` networks; 0: shared memory holds the activations.
size_t sac_actor_act_scratch(int32_t widest, int32_t nets);

// Copies the networks that act (P, floats) and `alive`: act can then use the copy while updates run.
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

// Heads of the critics at (s, a) and of the targets at s', the TD target, and the gradient of the critics' loss with
// respect to the pre-activation of their last hidden layer.
typedef struct sac_critic_loss_args {
  const sac_device_state* state;
  sac_head critic;         // (P, K)
  sac_head target;         // (P, targets): K target critics at (s', a'), or the target value network at s'
  int32_t targets;         // networks that give y, at most 16; K is at most 16 too
  int32_t soft;            // 1: (minimum of the targets) - alpha log pi(a'|s'); 0: the target value network, Vbar(s')
  const float* log_prob;   // (P, 2B); the second half is read
  const float* reward;     // (P, B)
  const float* discount;   // (P, B)
  const float* weight;     // (P, B)
  const float* log_alpha;  // of agent 0
  size_t log_alpha_stride;
  float* d_hidden;  // (P, K, B, H)
  float* d_q;       // (P, K, B) with respect to the head's output
  float* q;         // (P, K, B) Q_k(s, a)
  float* y;         // (P, B)
  sac_dims dims;
  float reward_scale;
} sac_critic_loss_args;
cudaError_t sac_critic_loss(cudaStream_t stream, const sac_critic_loss_args* args);

// Head of the value network, if there is one, at s, its target min_k Q_k - alpha log pi, and the gradient, as above.
typedef struct sac_critic_value_loss_args {
  const sac_device_state* state;
  sac_head value;         // (P)
  const float* smallest;  // (P, B)
  const float* log_prob;  // (P, 2B); the first half is read
  const float* log_alpha;
  size_t log_alpha_stride;
  float* d_hidden;  // (P, B, H)
  float* d_v;       // (P, B)
  float* v;         // (P, B)
  float* v_target;  // (P, B)
  sac_dims dims;
} sac_critic_value_loss_args;
cudaError_t sac_critic_value_loss(cudaStream_t stream, const sac_critic_value_loss_args* args);

// --- discrete.cu -----------------------------------------------------------------------------------------------------

// Networks with an output for each discrete action: the products of their heads, and the bias that the kernels add.
// Where an agent has several, the outputs of an action are joined (kernels/bellman.h, [sac.join]).
typedef struct sac_outputs {
  const float* product;  // (nets, rows, actions), from the first row on that is read
  const float* bias;     // (actions)
  size_t product_stride, bias_stride;
  int32_t nets;  // of an agent
} sac_outputs;

// Columns of the policy's statistics at s: the expectations of log pi and of q, log Z, and KL(pi || exp(q/alpha)/Z).
typedef struct sac_discrete_columns {
  float* log_prob;               // (P, 2B), of which the first half is written
  float *smallest, *log_z, *kl;  // (P, B)
} sac_discrete_columns;

// The TD target, and the gradient of the critics' loss with respect to their outputs: zero but for the action of the
// replay. Without an actor (logits.product NULL) the policy is exp(q/alpha)/Z of the critics, and the kernel writes its
// statistics too.
typedef struct sac_discrete_critic_loss_args {
  const sac_device_state* state;
  sac_outputs critic, target;  // (P, K) at s and at s'; K is at most 32
  sac_outputs logits;          // (P) of the actor at s'
  const float* action;         // (P, B) numbers of the actions
  const float* reward;         // (P, B)
  const float* discount;       // (P, B)
  const float* weight;         // (P, B)
  const float* log_alpha;      // of agent 0
  size_t log_alpha_stride;
  float* d_output;  // (P, K, B, actions)
  float* q;         // (P, K, B) Q_k(s, a)
  float* y;         // (P, B)
  sac_discrete_columns columns;
  int32_t population, batch, actions;
  int32_t mean;  // 1: the critics' mean, 0: their minimum
  float reward_scale;
} sac_discrete_critic_loss_args;
cudaError_t sac_discrete_critic_loss(cudaStream_t stream, const sac_discrete_critic_loss_args* args);

// The gradient of the actor's loss with respect to its logits, through the critics at s, and the policy's statistics.
typedef struct sac_discrete_actor_grad_args {
  const sac_device_state* state;
  sac_outputs critic;  // (P, K)
  sac_outputs logits;  // (P)
  const float* log_alpha;
  size_t log_alpha_stride;
  float* d_logits;  // (P, B, actions)
  sac_discrete_columns columns;
  int32_t population, batch, actions;
  int32_t mean;
} sac_discrete_actor_grad_args;
cudaError_t sac_discrete_actor_grad_rows(cudaStream_t stream, const sac_discrete_actor_grad_args* args);

// --- adam_update.cu --------------------------------------------------------------------------------------------------

// Adam's step over one region of weights, (P, floats), and the squared norm of its gradient: a part for each block.
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

// Where the gradient of a trained tensor is in the slab of gradients, in floats.
typedef struct sac_gradient_tensor {
  uint64_t start;   // of agent 0, from the start of the slab
  uint64_t stride;  // from one agent to the next
  uint64_t count;
} sac_gradient_tensor;

// temperature update: the temperature's loss and gradient, from log pi of the actor's pass, and Adam's step of
// log_alpha. It also computes the statistics of the update, and stops an agent where one of them is not finite.
typedef struct sac_temperature_args {
  sac_device_state* state;
  float *log_alpha, *grad, *m, *v;  // of agent 0
  size_t log_alpha_stride;
  const float *q, *y;                                   // (P, K, B), (P, B)
  const float *v_value, *v_target;                      // (P, B), or NULL
  const float *smallest, *log_prob, *saturated;         // (P, B), (P, 2B) of which the first half is read, (P, B)
  const float *log_z, *kl;                              // (P, B) of discrete actions, which have no `saturated`; NULL
  const double *critic_norm, *value_norm, *actor_norm;  // (P, parts) from adam_update; NULL: no such networks
  int32_t critic_parts, value_parts, actor_parts;       // of one agent
  const float* gradients;                               // the slab
  const sac_gradient_tensor* tensors;                   // (tensor_count) searched when an agent stops
  int32_t tensor_count;
  sac_dims dims;
  float target_entropy;    // nats
  float log_min, log_max;  // bounds of log_alpha after its step; NaN: none
  int32_t learn;           // 0: log_alpha stays, and grad, m and v are not used
} sac_temperature_args;
cudaError_t sac_temperature_update(cudaStream_t stream, const sac_temperature_args* args);

// --- target.cu -------------------------------------------------------------------------------------------------------

// Settings of Adam, from which the scalars of each step are computed.
typedef struct sac_adam_rates {
  double lr[SAC_ADAM_SETS];
  double beta1, beta2, epsilon;
} sac_adam_rates;

// target update: the Polyak average over (P, floats); totals, counters, and the scalars of the next update.
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

// Computes the scalars of the next update from the counters, for stopped agents too. For use after the host has written
// the states.
cudaError_t sac_adam_scalars(cudaStream_t stream, sac_device_state* state, int32_t population,
                             const sac_adam_rates* rates);

// --- env.cu ----------------------------------------------------------------------------------------------------------

// P*N environments of one task on the device, with the members of sac_vector (src/env/vector.h).
typedef struct sac_env_arrays {
  double* state;            // (P, N, state)
  float* obs;               // (P, N, O) the observation that act reads next
  float* action;            // (P, N, A) in [-1, 1]; discrete: the action's number
  float* prev_obs;          // (P, N, O) before the last step
  float* next_obs;          // (P, N, O) after it, before a reset
  float* reward;            // (P, N)
  uint8_t* terminated;      // (P, N)
  uint8_t* truncated;       // (P, N)
  uint64_t* episode;        // (P, N) episodes started
  double* episode_return;   // (P, N) so far
  int64_t* episode_length;  // (P, N) steps so far
} sac_env_arrays;

// An episode that ended in a step; length 0: none ended.
typedef struct sac_env_finished {
  double episode_return;
  int64_t length;
} sac_env_finished;

// Failures of a step. SAC_ENV_FAILURE gives each a code. The complement makes the code of the earliest one the largest,
// by step and then by environment, so that a maximum keeps it.
enum { SAC_ENV_BAD_ACTION = 1, SAC_ENV_BAD_OBS, SAC_ENV_BAD_REWARD };
#define SAC_ENV_FAILURE(step, env, what) (~(((uint64_t)(step) << 40) | ((uint64_t)(env) << 4) | (uint64_t)(what)))

#define SAC_ENV_OPTIONS_DOUBLES 16
#define SAC_ENV_ACTIONS_MAX 4

// env step: scales actions, steps, applies the time limit, and starts the next episode where one has ended.
typedef struct sac_env_step_args {
  sac_env_arrays env;
  const uint64_t* seed;                     // (P)
  sac_env_finished* finished;               // (P, N) of this step
  uint64_t* failure;                        // 0: none so far
  uint64_t stream;                          // random stream of the episodes of environment 0; i has stream + i
  double options[SAC_ENV_OPTIONS_DOUBLES];  // the bytes of the task's options struct
  float low[SAC_ENV_ACTIONS_MAX], high[SAC_ENV_ACTIONS_MAX];
  int32_t task;  // number in the list of kernels/tasks/tasks.h
  int32_t population, num_envs;
  int32_t limit;  // steps of an episode; 0: no limit
  int32_t step;   // number of this step since the host last read the environments
} sac_env_step_args;
cudaError_t sac_env_step_all(cudaStream_t stream, const sac_env_step_args* args);

#ifdef __cplusplus
}
#endif

#endif
