/* The CUDA backend's inside: device memory, the products, the graphs.
 *
 * Everything an update touches lies on the device, in a few slabs that create allocates. Networks of one shape stand
 * side by side there, those of all agents together (K critics an agent, then the next agent's), and the target critics
 * behind the critics: so one strided-batched product serves them all. Host code queues work on one stream
 * (act may have one of its own, act.c) and waits nowhere inside an update; sac_cuda_state_get waits, and brings
 * counters and statistics to the host. */
#ifndef SAC_CUDA_CUDA_H
#define SAC_CUDA_CUDA_H

#include <cublas_v2.h>
#include <cuda_runtime_api.h>

#include "algo/plan.h"
#include "backend/backend.h"
#include "env/vector.h"
#include "kernels/kernels.h"

/* --- device.c ----------------------------------------------------------------------------------------------------- */

/* OK, or DEVICE with what was done, the code, and what to do. */
sac_status sac_cuda_check(int32_t ordinal, cudaError_t error, const char* what);

/* The number of devices that CUDA shows (CUDA_VISIBLE_DEVICES counts) and, where there is none, why. */
int32_t sac_cuda_devices(char* why, size_t size);

/* The device that config key `device` asks for; -1: another backend's, or for "auto" none is usable. Errors: DEVICE. */
sac_status sac_cuda_choose(const char* device, int32_t* ordinal);

/* Whether an agent of that many networks can be on a device. Errors: CONFIG. */
sac_status sac_cuda_fits(const sac_agent* agent);

/* One line about a device: name, compute capability, memory. */
void sac_cuda_describe(int32_t ordinal, char* text, size_t size);

#define SAC_CUDA_TRY(gpu, call) SAC_TRY(sac_cuda_check((gpu)->ordinal, (call), #call))

/* --- blas.c ------------------------------------------------------------------------------------------------------- */

/* cuBLAS, loaded when the first agent needs it: the program starts without it. */
int sac_cuda_blas_loads(void);
sac_status sac_cuda_blas_create(cublasHandle_t* handle, cudaStream_t stream, void* workspace, size_t bytes);
void sac_cuda_blas_destroy(cublasHandle_t handle);

/* Row-major products, `count` of them, each `stride` floats apart:
 *   forward:  to (rows, out) = b (rows, in) a^T             a: weight (out, in), b: x
 *   backward: to (rows, in)  = b (rows, out) a              a: weight (out, in), b: d
 *   gradient: to (out, in)   = b (rows, out)^T a (rows, in) a: x, b: d */
typedef enum sac_product { SAC_PRODUCT_FORWARD, SAC_PRODUCT_BACKWARD, SAC_PRODUCT_GRADIENT } sac_product;

typedef struct sac_matrices {
  const float* data;
  size_t stride;
} sac_matrices;

sac_status sac_cuda_product(cublasHandle_t handle, sac_precision precision, sac_product product, int32_t count,
                            int32_t rows, int32_t out, int32_t in, sac_matrices a, sac_matrices b, float* to,
                            size_t to_stride);

/* --- layout.c ----------------------------------------------------------------------------------------------------- */

/* All networks of one kind: where they are in the slabs. */
typedef struct sac_nets {
  const sac_net* net; /* shape; its offsets are within an agent's part */
  size_t start;       /* of net 0 of agent 0, in floats from the slab's start */
  size_t each;        /* floats from one net to the next */
  size_t host;        /* offset in an agent's part, as the list of tensors has it */
  int32_t an_agent;   /* nets an agent: K, or 1; 0: the algorithm has none */
} sac_nets;

/* Activations of nets: layer l of net i is at h[l] + i * rows * size[l+1]. */
typedef struct sac_device_trace {
  float* h[SAC_LAYERS_MAX];
  float* out;   /* the head's output, where it is wider than one number */
  int32_t rows; /* of a net; a pass may use fewer */
} sac_device_trace;

typedef struct sac_gpu {
  int32_t ordinal;
  cudaStream_t stream;
  cublasHandle_t blas;

  /* Slabs. weights: trained networks, log_alphas, then targets; grad, m and v have the trained part's layout. */
  float *weights, *grad, *m, *v;
  float* replay;
  void* scratch;           /* one allocation for all below */
  size_t trained, targets; /* floats of the parts of weights, all agents together */
  size_t replay_floats;    /* of one agent */
  size_t scratch_bytes;
  sac_nets nets[SAC_GROUP_COUNT];
  size_t log_alpha; /* of agent 0; SAC_ALPHA_STRIDE apart */
  sac_plan plan;    /* of the algorithm, in the list's order */

  sac_device_state* state; /* (P) */
  sac_gradient_tensor* watched;    /* (watched_count) the trained tensors, in the order of agent->tensors */
  int32_t watched_count;
  sac_device_minibatch minibatch;
  sac_device_trace trace[SAC_PASSES_MAX];           /* by the plan's passes. The actor's have 2B rows: s, then s' */
  float* d_hidden[SAC_GROUP_COUNT][SAC_LAYERS_MAX]; /* (P, n, B, H) gradients by pre-activations of the trained */
  float* d_output[SAC_GROUP_COUNT];                 /* (P, n, B, out) by their outputs */
  float* output[SAC_GROUP_COUNT];                   /* (P, n, B) at (s, a), of trained networks with one output */
  double* norm[SAC_GROUP_COUNT];                    /* (P, parts) squared norms of the trained networks' gradients */
  float *y, *v_target, *smallest;                   /* (P, B) */
  sac_squashed squashed;
  void* blas_workspace;

  /* act.c */
  float* act_scratch; /* where a layer is too wide for shared memory */
  int32_t act_blocks; /* sac_actor_act_prepare */
  size_t act_shared;
  int32_t act_rows; /* observations an agent that the buffers of act hold */
  float* act_copy;  /* (P, actor) and (P): the snapshot; NULL without train.overlap */
  uint32_t* act_alive;
  int act_stale;           /* the actor may have changed since the snapshot */
  cudaStream_t act_stream; /* what acts on the snapshot */
  cudaEvent_t act_copied;
  cudaStream_t acted;          /* where the last act for the host was launched; NULL: nothing has to wait for it */
  sac_actor_act_args act_args; /* of the last launch for the host ... */
  cudaGraphExec_t act_graph;   /* ... and its graph */
  int act_wait;                /* launches before a capture is tried again */

  /* Pinned host memory. */
  void* pinned;
  sac_device_state* state_out;                            /* (P) to the device */
  sac_device_state* state_in;                             /* (P) from it */
  sac_gradient_tensor* watched_out;                               /* (watched_count) to the device */
  float *act_obs, *act_noise, *act_action, *act_log_prob; /* (P, act_rows, ...) */
  void* push_rows;                                        /* transitions on their way to the ring */
  int32_t push_capacity;                                  /* rows an agent that it holds */
  cudaEvent_t pushed;                                     /* the device has read them */
  int pushing;                                            /* that event was recorded */

  /* graph.c */
  int warm; /* an update has run outside a graph: cuBLAS has loaded what it needs */
  cudaGraphExec_t one, many;
  size_t nodes;                     /* of one update */
  int64_t queued;                   /* updates ever queued, as the counters say it */
  int64_t capture_at, capture_wait; /* queued at which a capture is tried again, and how long that was put off */
  int capture_told;                 /* a failed capture was noted */
  char notice[1024];                /* for sac_cuda_notice; "": nothing to say */
} sac_gpu;

#define SAC_ALPHA_STRIDE 16 /* floats between agents' log_alpha */
#define SAC_BLAS_WORKSPACE ((size_t)32 << 20)
#define SAC_ACT_ROWS_MAX 1024            /* observations an agent acted on in one launch */
#define SAC_ACT_BYTES ((size_t)4 << 20)  /* of observations and actions staged at a time */
#define SAC_PUSH_BYTES ((size_t)4 << 20) /* of transitions staged at a time */

/* Fills everything that sizes depend on, and lays scratch out at gpu->scratch and pinned memory at gpu->pinned; with
 * NULL only measures. Bytes are SIZE_MAX when beyond all memory. */
void sac_cuda_layout(const sac_agent* agent, sac_gpu* gpu, size_t* scratch_bytes, size_t* pinned_bytes);

/* The trained tensors where they lie in the slabs, to `list` (may be NULL); returns how many. */
int32_t sac_cuda_list_watched(const sac_agent* agent, sac_gradient_tensor* list);

/* Where float `offset` of agent p's part of a slab is on the device, and how many floats follow it there. */
float* sac_cuda_locate(const sac_agent* agent, sac_memory memory, int32_t p, size_t offset, size_t* run);

/* --- net.c -------------------------------------------------------------------------------------------------------- */

/* `count` nets from number `first` of `nets` on, over `rows` rows each. */
typedef struct sac_passes {
  const sac_nets* nets;
  int32_t first, count;
  int32_t rows;
  sac_matrices x; /* the input of the first of them, (rows, in) each */
} sac_passes;

/* Runs the hidden layers. The last one is left as the product (without bias and ReLU) when the head's kernel takes it
 * from there, that is where the head has one output; otherwise the head's product, without bias, goes to trace->out. */
sac_status sac_cuda_net_forward(const sac_agent* agent, const sac_passes* passes, const sac_device_trace* trace);

/* The gradients by the hidden layers' pre-activations, d[l] (nets, rows, size[l+1]). From d_head (nets, rows, out); or,
 * where that is NULL, from d[L-1], which a head's kernel has written. to_input: d[0] is left without its ReLU's
 * gradient (actor_squash_grad takes it). */
sac_status sac_cuda_net_backward(const sac_agent* agent, const sac_passes* passes, const sac_device_trace* trace,
                                 const float* d_head, float* const d[SAC_LAYERS_MAX], int to_input);

/* Gradients of weights and biases from d, the activations and d_head (nets, rows, out). */
sac_status sac_cuda_net_gradients(const sac_agent* agent, const sac_passes* passes, const sac_device_trace* trace,
                                  const float* d_head, float* const d[SAC_LAYERS_MAX]);

/* The head of nets with one output, from number `first` of `nets` on, for the kernels. */
sac_head sac_cuda_net_head(const sac_gpu* gpu, const sac_nets* nets, int32_t first, const sac_device_trace* trace);

/* The part of a trace from net `first` on. */
sac_device_trace sac_cuda_trace_from(const sac_device_trace* trace, const sac_net* net, int32_t first);

/* --- update.c ----------------------------------------------------------------------------------------------------- */

sac_adam_rates sac_cuda_rates(const sac_agent* agent);
sac_dims sac_cuda_dims(const sac_agent* agent);

/* A stage of an update: queues the operations that the algorithm lists for it. */
sac_status sac_cuda_stage(sac_agent* agent, sac_stage stage);

/* All stages of an update, in turn. */
sac_status sac_cuda_update_stages(sac_agent* agent);

/* --- paths.c ------------------------------------------------------------------------------------------------------ */

/* Operations of an algorithm's list that run together: a pattern, and what queues it. */
typedef struct sac_launch {
  const char* name; /* for people: the kernels and products it becomes */
  int32_t count;
  struct {
    sac_op_kind kind;
    sac_row_function row; /* NONE: any, of another kind than ROWS */
  } pattern[3];
  int (*serves)(const sac_algorithm* algo, const sac_op* op);  /* NULL: always */
  sac_status (*run)(const sac_agent* agent, const sac_op* op); /* the `count` operations from op on */
} sac_launch;

/* The launches of the composed path: longer patterns first. (sac_cuda_composed_count) */
extern const sac_launch sac_cuda_composed[];
extern const int32_t sac_cuda_composed_count;

/* The launch that serves the operations from op on, `left` of them; NULL: none does. */
const sac_launch* sac_cuda_find_launch(const sac_algorithm* algo, const sac_op* op, int32_t left);

/* The name of the path that cuda.path and the algorithm lead to; NULL: none serves it. */
const char* sac_cuda_path(const sac_settings* settings);

/* --- replay.c ----------------------------------------------------------------------------------------------------- */

sac_status sac_cuda_replay_push(sac_agent* agent, const sac_transitions* transitions, const sac_vector* vector);
sac_status sac_cuda_replay_sample(sac_agent* agent);
sac_status sac_cuda_minibatch_set(sac_agent* agent, const sac_minibatch* minibatch, const sac_noise* noise);

/* --- env.c -------------------------------------------------------------------------------------------------------- */

sac_status sac_cuda_env_step(sac_agent* agent, sac_vector* vector);
sac_status sac_cuda_env_attach(sac_agent* agent, sac_vector* vector);
sac_status sac_cuda_env_get(sac_agent* agent, sac_vector* vector, int whole);

/* A resident vector's arrays on the device; and the host's state there, where the host has changed it. */
const sac_env_arrays* sac_cuda_vector_arrays(const sac_vector* vector);
sac_status sac_cuda_vector_refresh(const sac_agent* agent, sac_vector* vector);

/* --- act.c -------------------------------------------------------------------------------------------------------- */

sac_status sac_cuda_act(sac_agent* agent, const sac_act* act);
sac_status sac_cuda_snapshot(sac_agent* agent);
/* What is queued on `stream` from now on finds the counters as the last act for the host has left them. */
sac_status sac_cuda_act_join(sac_gpu* gpu, cudaStream_t stream);

/* --- graph.c ------------------------------------------------------------------------------------------------------ */

sac_status sac_cuda_update(sac_agent* agent, int32_t n);
void sac_cuda_graph_destroy(sac_gpu* gpu);

/* As sac_backend has them. */
size_t sac_cuda_graph_nodes(const sac_agent* agent);
int sac_cuda_notice(const sac_agent* agent, char* text, size_t size);

/* Captures what work(context) queues on `stream` as a graph that can be launched; nothing runs. nodes: how many it has,
 * or NULL. On error *launchable is NULL, and the stream takes work as before. */
typedef sac_status sac_cuda_work(void* context);
sac_status sac_cuda_capture(const sac_gpu* gpu, cudaStream_t stream, sac_cuda_work* work, void* context,
                            cudaGraphExec_t* launchable, size_t* nodes);

/* A range of a profiler's timeline: the stage's word. Not inside a graph. */
void sac_cuda_range_push(const char* word);
void sac_cuda_range_pop(void);

/* --- profile.c ---------------------------------------------------------------------------------------------------- */

/* Around what sac_cuda_update queues at a time: how many of the `due` updates may go together, and how many went. */
int32_t sac_cuda_profile_begin(const sac_gpu* gpu, int32_t due);
void sac_cuda_profile_end(sac_gpu* gpu, int32_t done);

/* As sac_backend has them. */
void sac_cuda_profile(int64_t from, int64_t count);
int64_t sac_cuda_profiled(void);
sac_status sac_cuda_stage_times(sac_agent* agent, sac_vector* vector, sac_stage_time times[SAC_STAGE_COUNT]);

static inline sac_gpu* sac_gpu_of(const sac_agent* agent) { return agent->storage; }

/* Networks of a group, those of all agents together. */
static inline int32_t sac_cuda_net_count(const sac_agent* agent, sac_group group) {
  return agent->shape.population * sac_gpu_of(agent)->nets[group].an_agent;
}

#endif
