/* The contract between the library and a backend: the struct of an agent, and the table of a backend's functions. The
 * functions of a run and of an update are the stages of this line:
 *
 *  env step -> replay push -> replay sample -> critic update -> actor update -> temperature update -> target update
 *
 * Every function works on all P agents of the population at once, skips those with agent->alive[p] == 0, and gives
 * results that do not depend on threads or scheduling. No function but `create` and `part_run` allocates.
 * src/backend/registry.h finds a backend. */
#ifndef SAC_BACKEND_BACKEND_H
#define SAC_BACKEND_BACKEND_H

#include <stddef.h>
#include <stdint.h>

#include <sac/agent.h>

#include "algo/algo.h"
#include "config/settings.h"
#include "kernels/adam.h"
#include "model/tensors.h"
#include "replay/rows.h"

struct sac_vector;
typedef struct sac_backend sac_backend;

#define SAC_WHY_MAX 192 /* characters of the line that explains the choice of a device */

/* --- an agent ----------------------------------------------------------------------------------------------------- */

/* Counters of one agent. Files hold them unchanged. */
typedef struct sac_counters {
  uint64_t pushed;  /* transitions pushed so far; the next one goes to row pushed % C of the ring */
  uint64_t updates; /* updates made so far: Adam's t - 1, and the position in streams SAMPLE and *_NOISE */
  uint64_t act;     /* observations acted on so far: the position in streams ACT and WARMUP */
} sac_counters;

/* Sums of sac_update_stats over the updates since the last row of metrics. Files hold them unchanged. */
typedef struct sac_totals {
  uint64_t updates;
  sac_update_stats sum;
} sac_totals;

struct sac_agent {
  sac_config* config; /* a copy, for the agent's file */
  sac_settings settings;
  sac_shape shape;
  const sac_algorithm* algo;
  sac_tensors tensors;
  sac_replay_row row;
  const sac_backend* backend;
  char device[16];              /* the device it is on: "cpu", "cuda:0" */
  char device_why[SAC_WHY_MAX]; /* why it is on this device, one line; "" unless key `device` is auto */
  void* storage;                /* the backend's slabs and scratch */

  float* action_centre;      /* (A) environment action = centre + half_range * a */
  float* action_half;        /* (A) */
  int64_t capacity;          /* replay.capacity, for files; a copy of an agent may have a smaller ring */
  int32_t max_episode_steps; /* of the environment */
  double target_entropy;     /* Hbar in nats; from the algorithm if the key is "auto" */

  uint64_t* seed;          /* (P) the random key of agent p */
  sac_counters* counters;  /* (P) */
  sac_adam_hold* hold;     /* (P) the updates that leave actor and temperature as they are */
  uint64_t* fixed;         /* (P) the first rows of the ring, which no push overwrites (kernels/ring.h); below C */
  uint8_t* alive;          /* (P) 0: stopped, as a value was not finite; backends skip the agent */
  sac_update_stats* stats; /* (P) of the last update */
  sac_totals* totals;      /* (P) */
  double seconds[SAC_STAGE_COUNT]; /* wall-clock time of each stage since the last row of metrics */

  float* staging; /* (staging_floats) buffer on the host for copying tensors; the largest tensor fits */
  size_t staging_floats;
};

/* --- a backend ---------------------------------------------------------------------------------------------------- */

typedef enum sac_act_mode {
  SAC_ACT_SAMPLE,  /* a = tanh(mu + sigma * eps) */
  SAC_ACT_MEAN,    /* a = tanh(mu) */
  SAC_ACT_UNIFORM, /* a ~ U(-1, 1): the warm-up */
} sac_act_mode;

/* Arguments of `act`. */
typedef struct sac_act {
  int32_t n; /* number of observations for each agent */
  sac_act_mode mode;
  const float* obs;   /* (P, n, O); not read by UNIFORM */
  const float* noise; /* (P, n, A), or NULL: the backend draws it from stream ACT (UNIFORM: actions, from WARMUP) at
                         agent->counters[p].act, which advances by n */
  float* action;      /* (P, n, A) in [-1, 1] */
  float* log_prob;    /* (P, n) nats, or NULL; 0 for stopped agents; not written by MEAN and UNIFORM */
  int from_snapshot;  /* 1: uses the actor and `alive` of the last `snapshot` */
  struct sac_vector* vector; /* owner of obs and action, or NULL; it may hold them on a device (env_attach) */
} sac_act;

/* Slabs that a backend copies between its memory and the host's. */
typedef enum sac_memory {
  SAC_MEMORY_WEIGHTS, /* (P, W) values of the trained tensors */
  SAC_MEMORY_GRAD,    /* (P, W) gradients of the last update */
  SAC_MEMORY_ADAM_M,  /* (P, W) */
  SAC_MEMORY_ADAM_V,  /* (P, W) */
  SAC_MEMORY_TARGET,  /* (P, target floats) */
  SAC_MEMORY_REPLAY,  /* (P, C, row) */
  SAC_MEMORY_COUNT
} sac_memory;

/* The median time of a stage on a device, and its number of launches. */
typedef struct sac_stage_time {
  double microseconds;
  size_t nodes;
} sac_stage_time;

/* A part of an update: operations that a backend runs together. */
typedef struct sac_part {
  sac_stage stage;
  const char* name;    /* for people: how the backend runs it */
  const sac_op* first; /* (count) the operations; count 0: work that is no operation, as replay sample or statistics */
  int32_t count;
} sac_part;

/* A backend. Its name and properties come first, then functions that every backend has; functions under "optional" may
 * be NULL. Functions that return sac_status say which errors they have. */
struct sac_backend {
  const char* name;        /* "cpu": values of key `device` start with it */
  const char* description; /* for people: one line */
  int on_host;             /* 1: agents are in the host's memory, and the host's threads compute */

  /* Finds the ordinal of the device for a value of key `device` ("cpu", "cuda:1", "cuda", "auto"). -1: none, because
   * the value names another backend, or is "auto" and no device is usable. Errors: DEVICE (a named device cannot be
   * used). */
  sac_status (*choose)(const char* device, int32_t* ordinal);

  /* The name of the path through an update (cuda.path) for these settings; NULL if no path supports them. */
  const char* (*path)(const sac_settings* settings);

  /* Allocates the slabs (zeroed) and scratch for agent->shape, agent->settings and agent->tensors; sets agent->storage.
   * Errors: MEMORY, DEVICE. `destroy` takes a half-built agent. */
  sac_status (*create)(sac_agent* agent);
  void (*destroy)(sac_agent* agent);

  /* Computes the bytes that `create` allocates: bytes[] for each slab, by sac_memory; *scratch for the rest. */
  void (*size)(const sac_agent* agent, size_t bytes[SAC_MEMORY_COUNT], size_t* scratch);

  /* read and write copy `count` floats of agent p's part of a slab, from float `offset` on, to the host or from it.
   * After a write of weights or targets the backend also renews what it derives from them (packed or transposed
   * copies). */
  sac_status (*read)(const sac_agent* agent, sac_memory memory, int32_t p, size_t offset, float* host, size_t count);
  sac_status (*write)(sac_agent* agent, sac_memory memory, int32_t p, size_t offset, const float* host, size_t count);

  /* act: computes actions from observations, with the current actor or that of the last `snapshot` (from_snapshot). */
  sac_status (*act)(sac_agent* agent, const sac_act* act);

  /* env step: scales vector->action to the environment's units and steps all P*N environments; see env/vector.h. */
  sac_status (*env_step)(sac_agent* agent, struct sac_vector* vector);

  /* replay push: copies n transitions of each agent into the ring; agent->counters[p].pushed advances by n. vector: the
   * vector whose last step the transitions are, or NULL. */
  sac_status (*replay_push)(sac_agent* agent, const sac_transitions* transitions, const struct sac_vector* vector);

  /* Sets the minibatch and the noise, in place of stage `replay sample` (sac_agent_update_with). */
  sac_status (*minibatch_set)(sac_agent* agent, const sac_minibatch* minibatch, const sac_noise* noise);

  /* Runs a stage of an update, SAC_STAGE_UPDATE or later. replay sample draws B indices (stream SAMPLE, position
   * counters[p].updates), copies these rows, and draws the noise of this update (streams NEXT_ACTION_NOISE and
   * ACTION_NOISE, same position). The other stages run their operations of agent->algo. At the end of target update
   * agent->stats[p] is complete and added to agent->totals[p], and counters[p].updates advances by one. */
  sac_status (*stage)(sac_agent* agent, sac_stage stage);

  /* How the backend runs operation `number` of the algorithm's list under these settings, for people; NULL: it cannot.
   * *count: how many operations run together, from this one on. */
  const char* (*runs_as)(const sac_settings* settings, int32_t number, int32_t* count);

  /* The parts of an agent's update, in the order in which its stages run them. part_run runs one of them alone, for
   * benchmarks and tests. All parts in turn are an update: the first draws the minibatch; the last completes
   * agent->stats, adds them to agent->totals, and advances counters[p].updates. The first part_run of a population may
   * allocate. Errors: MEMORY, DEVICE. */
  int32_t (*part_count)(const sac_agent* agent);
  sac_part (*part_at)(const sac_agent* agent, int32_t part);
  sac_status (*part_run)(sac_agent* agent, int32_t part);

  /* --- optional --- */

  /* Makes n whole updates, fused or captured in graphs, with the same results as the stages. NULL: the stages are
   * called one after the other. */
  sac_status (*update)(sac_agent* agent, int32_t n);

  /* replay sample alone, at position counters[p].updates + ahead. For a backend that keeps the counters itself. NULL:
   * stage uses the host's. Errors: DEVICE. */
  sac_status (*sample_ahead)(sac_agent* agent, uint64_t ahead);

  /* Copies the actor and `alive` as they are after the work that is queued so far. act with from_snapshot uses the
   * copy, and does not wait for updates that are queued later. For key train.overlap, and not with a resident vector.
   * NULL: act runs before the updates. */
  sac_status (*snapshot)(sac_agent* agent);

  /* For a backend that queues its work and returns at once. state_get waits for the queued work, and updates counters,
   * stats and totals on the host (only the host changes `alive`). state_set copies seed, counters, hold, fixed, alive,
   * stats and totals from the host to the backend. NULL: the backend uses the host's. Errors: DEVICE. */
  sac_status (*state_get)(sac_agent* agent);
  sac_status (*state_set)(sac_agent* agent);

  /* For an agent that was stopped: returns the number of trained tensors whose gradient in that update was not finite.
   * *first: the first such tensor, as an index in agent->tensors. *value: the first value in it that is not finite.
   * NULL: SAC_MEMORY_GRAD still holds the gradients of that update. */
  int32_t (*bad_gradients)(const sac_agent* agent, int32_t p, int32_t* first, float* value);

  /* env_attach moves the environments of a vector to the device if they are built-in tasks, and sets vector->resident
   * and vector->burst; the host steps all other environments. env_get waits for the device, and fills vector->finished
   * for all steps since the last call; whole 1: it also copies everything else of the vector to the host. Errors:
   * MEMORY, DEVICE; env_get: ENV, NUMERIC. */
  sac_status (*env_attach)(sac_agent* agent, struct sac_vector* vector);
  sac_status (*env_get)(sac_agent* agent, struct sac_vector* vector, int whole);

  /* The bytes that are available to `create`. NULL: sac_memory_available. */
  size_t (*available)(const sac_agent* agent);

  /* Checks that the backend supports the sizes of an agent: its layers, and the number of its networks. NULL: it
   * supports all sizes. Errors: CONFIG. */
  sac_status (*fits)(const sac_agent* agent);

  /* devices: returns the number of devices that CUDA_VISIBLE_DEVICES leaves; writes to `why` why there is none.
   * describe: writes a line about one device: name, compute capability, memory. NULL: on_host. */
  int32_t (*devices)(char* why, size_t size);
  void (*describe)(int32_t ordinal, char* text, size_t size);

  /* For people and benchmarks: the number of threads, and the name of the instruction set (agent NULL: of an agent that
   * would be created now). kernels_at: those that the processor has, the best first; NULL after the last. NULL: not
   * on_host. */
  int32_t (*threads)(const sac_agent* agent);
  const char* (*kernels)(const sac_agent* agent);
  const char* (*kernels_at)(int32_t index);

  /* The nodes in the graph of one update; 0: no graph was captured. */
  size_t (*graph_nodes)(const sac_agent* agent);

  /* Returns 1 and writes a line for the log, if there is news about how an agent's updates run. Each warning is
   * returned once. */
  int (*take_warning)(const sac_agent* agent, char* text, size_t size);

  /* profile: requests a capture for a profiler that waits for cudaProfilerStart (nsys: --capture-range=cudaProfilerApi;
   * ncu: --profile-from-start off). It captures `count` updates from update `from` on (0: an agent's first, also in a
   * resumed run), each in a range "update N", and none in a graph of several updates. profiled: the number of these
   * updates that were made so far. */
  void (*profile)(int64_t from, int64_t count);
  int64_t (*profiled)(void);

  /* Measures the stages: makes some updates (with `vector`, also steps of a run), with each stage in a graph of its
   * own, one after the other. The device's events measure the time. If the host steps the environments, its clock
   * measures act (from observations on the host to actions on the host) and env step. times[], by sac_stage, is zero
   * for stages that did not run. NULL: the times are in agent->seconds. */
  sac_status (*stage_times)(sac_agent* agent, struct sac_vector* vector, sac_stage_time times[SAC_STAGE_COUNT]);

  /* Measures the parts of an update in the same way. times (part_count). NULL: the caller measures part_run instead. */
  sac_status (*part_times)(sac_agent* agent, sac_stage_time* times);
};

#endif
