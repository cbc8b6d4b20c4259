/* The CUDA backend, from inside: device memory, products, graphs.
 *
 * Everything that an update reads and writes is on the device, in a few slabs that create allocates. In a slab,
 * networks of one shape are side by side: the K critics of agent 0, then those of agent 1, and so on; after them the
 * target critics of all agents. So one strided batched product serves them all. Host code queues work on one stream
 * (act may have its own, act.c) and does not wait inside an update. state_get waits, and copies counters and statistics
 * to the host. */
#ifndef SAC_CUDA_CUDA_H
#define SAC_CUDA_CUDA_H

#include <cublas_v2.h>
#include <cuda_runtime_api.h>

#include "algo/plan.h"
#include "backend/backend.h"
#include "env/vector.h"
#include "kernels/kernels.h"

/* --- device.c ----------------------------------------------------------------------------------------------------- */

/* Returns OK, or an error that says which call failed, CUDA's code, and what to do. Errors: DEVICE, MEMORY. */
sac_status sac_cuda_check(int32_t ordinal, cudaError_t error, const char* what);

/* How many devices CUDA shows (CUDA_VISIBLE_DEVICES applies). why: the reason if there is none. */
int32_t sac_cuda_devices(char* why, size_t size);

/* Finds the device that config key `device` asks for. *ordinal is -1 where it asks for another backend, and for "auto"
 * where no device can be used. Errors: DEVICE. */
sac_status sac_cuda_choose(const char* device, int32_t* ordinal);

/* Checks that the networks of an agent are not too many or too large for a device. Errors: CONFIG. */
sac_status sac_cuda_fits(const sac_agent* agent);

/* One line about a device: name, compute capability, memory. */
void sac_cuda_describe(int32_t ordinal, char* text, size_t size);

#define SAC_CUDA_TRY(gpu, call) SAC_TRY(sac_cuda_check((gpu)->ordinal, (call), #call))

/* --- blas.c ------------------------------------------------------------------------------------------------------- */

/* cuBLAS is loaded when the first agent needs it. The program also runs without it. loads: returns whether it could be
 * loaded. create: a handle that queues on `stream`. */
int sac_cuda_blas_loads(void);
sac_status sac_cuda_blas_create(cublasHandle_t* handle, cudaStream_t stream, void* workspace, size_t bytes);
void sac_cuda_blas_destroy(cublasHandle_t handle);

/* Row-major products, `count` of them. From one product to the next, matrices are `stride` floats apart. x: inputs, d:
 * gradients with respect to outputs.
 *   forward:  to (rows, out) = b (rows, in) a^T             a: weight (out, in), b: x
 *   backward: to (rows, in)  = b (rows, out) a              a: weight (out, in), b: d
 *   gradient: to (out, in)   = b (rows, out)^T a (rows, in) a: x, b: d */
typedef enum sac_product { SAC_PRODUCT_FORWARD, SAC_PRODUCT_BACKWARD, SAC_PRODUCT_GRADIENT } sac_product;

typedef struct sac_matrices {
  const float* data; /* of the first product */
  size_t stride;     /* floats to the next one's */
} sac_matrices;

sac_status sac_cuda_product(cublasHandle_t handle, sac_precision precision, sac_product product, int32_t count,
                            int32_t rows, int32_t out, int32_t in, sac_matrices a, sac_matrices b, float* to,
                            size_t to_stride);

/* --- layout.c ----------------------------------------------------------------------------------------------------- */

/* Where all networks of a group are in the slabs: network k of agent p starts at start + (p * per_agent + k) * each. */
typedef struct sac_nets {
  const sac_net* net; /* the shape; its offsets are those of an agent's part on the host (model/tensors.h) */
  size_t start;       /* of net 0 of agent 0, in floats from the slab's start */
  size_t each;        /* floats from one net to the next */
  size_t host;        /* offset of network 0 in an agent's part on the host */
  int32_t per_agent;  /* networks of an agent: K, or 1; 0: the algorithm has none */
} sac_nets;

/* Activations of networks: buffer b of network i is at h[b] + i * rows * net->width[b]. */
typedef struct sac_device_trace {
  float* h[SAC_NET_LAYERS_MAX];
  float* out;   /* the head's output, where it is wider than one number */
  int32_t rows; /* of a network; a pass may use fewer */
} sac_device_trace;

typedef struct sac_gpu {
  int32_t ordinal;
  cudaStream_t stream;
  cublasHandle_t blas;

  /* Slabs. weights: first the trained part (actors, values, log_alphas, critics), then the targets. grad, m and v have
   * the layout of the trained part. */
  float *weights, *grad, *m, *v;
  float* replay;           /* (P, C, row) the rings */
  void* scratch;           /* one allocation: all device memory of an update that is in no slab, and that of act */
  size_t trained, targets; /* floats of the two parts of weights, all agents together */
  size_t replay_floats;    /* of one agent */
  size_t scratch_bytes;
  sac_nets nets[SAC_GROUP_COUNT];
  size_t log_alpha; /* offset of agent 0's in the slabs; SAC_ALPHA_STRIDE floats from one agent to the next */
  sac_plan plan;    /* of the algorithm, in the list's order */
  const struct sac_update_path* path;

  /* In scratch: state, and what update.c works on. n: networks of an agent in the group. */
  sac_device_state* state;      /* (P) */
  sac_gradient_tensor* watched; /* (watched_count) gradients of the trained tensors, in the order of agent->tensors */
  int32_t watched_count;
  sac_device_minibatch minibatch;
  sac_device_trace trace[SAC_PASSES_MAX]; /* by the plan's passes. The actor's have 2B rows: s, then s' */

  /* Of trained groups: gradients of the loss, outputs, and norms. */
  float* d_hidden[SAC_GROUP_COUNT][SAC_NET_LAYERS_MAX]; /* (P, n, B, H) with respect to hidden pre-activations */
  float* d_output[SAC_GROUP_COUNT];                     /* (P, n, B, out) with respect to outputs */
  float* output[SAC_GROUP_COUNT]; /* (P, n, B) values in the loss: Q(s, a), V(s). NULL for the actor */
  double* norm[SAC_GROUP_COUNT];  /* (P, parts) parts of the squared norm of the gradient of the group's weights */

  /* Columns: numbers of each row. */
  float *y, *v_target, *smallest; /* (P, B) targets of the critics and of V; min_k Q_k(s, a~) */
  sac_squashed squashed;          /* of discrete actions log_prob alone */
  float *log_z, *kl;              /* (P, B) of discrete actions; NULL: they are continuous */
  void* blas_workspace;

  /* act.c */
  float* act_scratch;           /* activations, for layers that are too wide for shared memory */
  int32_t act_blocks;           /* blocks that may share an observation (sac_actor_act_prepare) */
  size_t act_shared;            /* bytes of shared memory that a block may take */
  int32_t act_rows;             /* observations of each agent that the buffers of act hold */
  float* act_copy;              /* (P, n, each) snapshot of the networks that act; NULL without train.overlap */
  float* act_log_alpha;         /* (P, SAC_ALPHA_STRIDE) snapshot of log_alpha, if the policy reads it; or NULL */
  uint32_t* act_alive;          /* (P) snapshot of state->alive; NULL likewise */
  int act_stale;                /* 1: the policy may have changed since the snapshot */
  cudaStream_t act_stream;      /* for act with the snapshot; NULL without train.overlap */
  cudaEvent_t act_copied;       /* recorded when the snapshot is complete */
  cudaStream_t last_act_stream; /* the stream of the last act; NULL: no work has to wait for it */
  sac_actor_act_args act_args;  /* arguments of the last launch for the host's observations */
  cudaGraphExec_t act_graph;    /* graph of a launch with act_args; NULL: not captured */
  int act_wait;                 /* launches until a capture is tried again */

  /* Pinned host memory: one allocation, and the arrays in it. */
  void* pinned;
  sac_device_state* state_out;                            /* (P) to the device */
  sac_device_state* state_in;                             /* (P) from it */
  sac_gradient_tensor* watched_out;                       /* (watched_count) to the device */
  float *act_obs, *act_noise, *act_action, *act_log_prob; /* (P, act_rows, ...) */
  void* push_rows;                                        /* transitions for the ring */
  int32_t push_capacity;                                  /* rows of each agent that push_rows holds */
  cudaEvent_t push_read;                                  /* recorded when the device has read push_rows */
  int pushing;                                            /* 1: `push_read` was recorded */

  /* graph.c */
  int warm;                         /* 1: an update has run without a graph, so cuBLAS has loaded its kernels */
  cudaGraphExec_t one, many;        /* graphs of one update, and of cuda.updates_per_graph; NULL: not captured */
  size_t nodes;                     /* of one update */
  int64_t queued;                   /* updates queued so far, as the counters have them */
  int64_t capture_at, capture_wait; /* after a failed capture: `queued` at the next try; updates until then */
  int capture_warned;               /* 1: the warning about a failed capture was written */
  char warning[1024];               /* for sac_cuda_take_warning; "": none */
} sac_gpu;

#define SAC_ALPHA_STRIDE 16                   /* floats between agents' log_alpha */
#define SAC_BLAS_WORKSPACE ((size_t)32 << 20) /* bytes */
#define SAC_ACT_ROWS_MAX 1024                 /* observations of each agent in one launch of act */
#define SAC_ACT_BYTES ((size_t)4 << 20)       /* of observations and actions staged at a time */
#define SAC_PUSH_BYTES ((size_t)4 << 20)      /* of transitions staged at a time */

/* Computes all sizes, and lays out scratch memory at gpu->scratch and pinned memory at gpu->pinned. Where these are
 * NULL it only measures. Sizes that overflow are SIZE_MAX. */
void sac_cuda_layout(const sac_agent* agent, sac_gpu* gpu, size_t* scratch_bytes, size_t* pinned_bytes);

/* Lists where the gradients of the trained tensors are in the slab. Returns how many there are. list may be NULL. */
int32_t sac_cuda_list_watched(const sac_agent* agent, sac_gradient_tensor* list);

/* Where float `offset` of agent p's part of a slab is on the device. *run: how many floats there are from it on without
 * a gap. The offset is that of the host's layout (model/tensors.h, replay/rows.h). */
float* sac_cuda_locate(const sac_agent* agent, sac_memory memory, int32_t p, size_t offset, size_t* run);

/* --- net.c -------------------------------------------------------------------------------------------------------- */

/* `count` networks of a group from number `first` on, with `rows` rows each. */
typedef struct sac_passes {
  const sac_nets* nets;
  int32_t first, count;
  int32_t rows;
  sac_matrices x; /* the input of network `first`, (rows, in) each */
} sac_passes;

/* Forward pass. Where the head has one output, the pass ends with the product of the last hidden layer, without bias
 * and ReLU: the kernels of head.cuh do the rest. Otherwise it ends with the head's product, without bias, in
 * trace->out. */
sac_status sac_cuda_net_forward(const sac_agent* agent, const sac_passes* passes, const sac_device_trace* trace);

/* Backward pass: gradients with respect to the pre-activations of the hidden layers, d[l] (nets, rows, size[l+1]). It
 * starts from d_head (nets, rows, out); where d_head is NULL, from d[L-1], which a kernel of head.cuh has written.
 * to_input 1: d[0] is the gradient with respect to the first layer's output, and actor_squash_grad applies the gradient
 * of its ReLU. */
sac_status sac_cuda_net_backward(const sac_agent* agent, const sac_passes* passes, const sac_device_trace* trace,
                                 const float* d_head, float* const d[SAC_NET_LAYERS_MAX], int to_input);

/* Gradients of weights and biases, from d, the activations and d_head (nets, rows, out). */
sac_status sac_cuda_net_gradients(const sac_agent* agent, const sac_passes* passes, const sac_device_trace* trace,
                                  const float* d_head, float* const d[SAC_NET_LAYERS_MAX]);

/* The head of networks with one output, from number `first` on, as the kernels of head.cuh take it. */
sac_head sac_cuda_net_head(const sac_gpu* gpu, const sac_nets* nets, int32_t first, const sac_device_trace* trace);

/* The activations from network `first` on. */
sac_device_trace sac_cuda_trace_from(const sac_device_trace* trace, const sac_net* net, int32_t first);

/* --- update.c ----------------------------------------------------------------------------------------------------- */

/* The learning rates and the sizes, as kernels take them. */
sac_adam_rates sac_cuda_rates(const sac_agent* agent);
sac_dims sac_cuda_dims(const sac_agent* agent);

/* Queues the operations of a stage. */
sac_status sac_cuda_stage(sac_agent* agent, sac_stage stage);

/* Queues all stages of an update. */
sac_status sac_cuda_update_stages(sac_agent* agent);

/* --- paths.c ------------------------------------------------------------------------------------------------------ */

/* A pattern of operations that run together, and the function that queues them. */
typedef struct sac_launch {
  const char* name; /* kernels and products, for people to read */
  int32_t count;
  struct {
    sac_op_kind kind;
    sac_row_function row; /* for kind ROWS; NONE for the others */
  } pattern[3];
  int (*serves)(const sac_algorithm* algo, const sac_op* op);  /* further condition; NULL: none */
  sac_status (*run)(const sac_agent* agent, const sac_op* op); /* queues the `count` operations from op on */
} sac_launch;

/* A path through an update: launches of its own. The operations that it has none for run as in the composed path. */
typedef struct sac_update_path {
  const char* name;                            /* a value of key cuda.path */
  int (*serves)(const sac_settings* settings); /* whether the path can run an update with these settings */
  const sac_launch* launch;                    /* (count) longer patterns first */
  int32_t count;
} sac_update_path;

/* The path that cuda.path and the settings lead to; NULL: none serves them. */
const sac_update_path* sac_cuda_path(const sac_settings* settings);

/* The launch of a path that serves the operations from op on, `left` of them; NULL: none does. */
const sac_launch* sac_cuda_find_launch(const sac_update_path* path, const sac_algorithm* algo, const sac_op* op,
                                       int32_t left);

/* The parts of an update, as sac_backend has them: replay sample, then a launch each. */
int32_t sac_cuda_part_count(const sac_agent* agent);
sac_part sac_cuda_part_at(const sac_agent* agent, int32_t part);
sac_status sac_cuda_part_run(sac_agent* agent, int32_t part);
const char* sac_cuda_runs_as(const sac_settings* settings, int32_t number, int32_t* count);

/* The name of the settings' path; NULL: none serves them. */
const char* sac_cuda_path_name(const sac_settings* settings);

/* --- replay.c ----------------------------------------------------------------------------------------------------- */

sac_status sac_cuda_replay_push(sac_agent* agent, const sac_transitions* transitions, const sac_vector* vector);
sac_status sac_cuda_replay_sample(sac_agent* agent, uint64_t ahead);

/* Whether the device has a launch for a sampler, by its index in SAC_SAMPLERS. */
int sac_cuda_has_sampler(int sampler);
sac_status sac_cuda_minibatch_set(sac_agent* agent, const sac_minibatch* minibatch, const sac_noise* noise);

/* --- env.c -------------------------------------------------------------------------------------------------------- */

sac_status sac_cuda_env_step(sac_agent* agent, sac_vector* vector);
sac_status sac_cuda_env_attach(sac_agent* agent, sac_vector* vector);
sac_status sac_cuda_env_get(sac_agent* agent, sac_vector* vector, int whole);

/* The arrays, in device memory, of a vector that is on the device. */
const sac_env_arrays* sac_cuda_vector_arrays(const sac_vector* vector);

/* Copies the host's vector to the device, if the host has changed it. */
sac_status sac_cuda_vector_refresh(const sac_agent* agent, sac_vector* vector);

/* --- act.c -------------------------------------------------------------------------------------------------------- */

/* As sac_backend has them. */
sac_status sac_cuda_act(sac_agent* agent, const sac_act* act);
sac_status sac_cuda_snapshot(sac_agent* agent);

/* Whether the kernels of act have a policy. */
int sac_cuda_has_policy(sac_policy_kind policy);

/* Whether a stage changes the policy: the networks that act, and the temperature where the policy reads it. */
int sac_cuda_changes_policy(const sac_agent* agent, sac_stage stage);

/* Makes sure that work queued on `stream` from now on sees the counters as the last act leaves them. */
sac_status sac_cuda_wait_for_act(sac_gpu* gpu, cudaStream_t stream);

/* --- graph.c ------------------------------------------------------------------------------------------------------ */

sac_status sac_cuda_update(sac_agent* agent, int32_t n);
void sac_cuda_graph_destroy(sac_gpu* gpu);

/* As sac_backend has them. */
size_t sac_cuda_graph_nodes(const sac_agent* agent);
int sac_cuda_take_warning(const sac_agent* agent, char* text, size_t size);

/* Captures what work(context) queues on `stream`, and makes a graph of it that can be launched. Nothing runs. *nodes:
 * how many nodes it has (may be NULL). On error *launchable is NULL, and the stream can be used as before. */
typedef sac_status sac_cuda_work(void* context);
sac_status sac_cuda_capture(const sac_gpu* gpu, cudaStream_t stream, sac_cuda_work* work, void* context,
                            cudaGraphExec_t* launchable, size_t* nodes);

/* A range in a profiler's timeline, named after a stage. The launches in a graph have none. */
void sac_cuda_range_push(const char* word);
void sac_cuda_range_pop(void);

/* --- profile.c ---------------------------------------------------------------------------------------------------- */

/* Called before and after sac_cuda_update queues work: begin returns how many of the `due` updates may be queued
 * together, end gets how many were queued. */
int32_t sac_cuda_profile_begin(const sac_gpu* gpu, int32_t due);
void sac_cuda_profile_end(sac_gpu* gpu, int32_t done);

/* As sac_backend has them. */
void sac_cuda_profile(int64_t from, int64_t count);
int64_t sac_cuda_profiled(void);
sac_status sac_cuda_stage_times(sac_agent* agent, sac_vector* vector, sac_stage_time times[SAC_STAGE_COUNT]);
sac_status sac_cuda_part_times(sac_agent* agent, sac_stage_time* times);

static inline sac_gpu* sac_gpu_of(const sac_agent* agent) { return agent->storage; }

/* How many networks of a group all agents have. */
static inline int32_t sac_cuda_net_count(const sac_agent* agent, sac_group group) {
  return agent->shape.population * sac_gpu_of(agent)->nets[group].per_agent;
}

#endif
