/* The contract between the library and a backend: what they share of an agent, and the table of a backend's functions.
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
#include "model/tensors.h"
#include "replay/rows.h"

struct sac_vector;
typedef struct sac_backend sac_backend;

#define SAC_WHY_MAX 192 /* characters of a reason for a choice, one line */

/* --- an agent ------------------------------------------------------------------------------------------------------
 */

/* Whole-number state of one agent; saved and restored as it is. */
typedef struct sac_counters {
  uint64_t pushed;  /* transitions ever pushed: ring cursor pushed % C */
  uint64_t updates; /* updates made: Adam's t, and the position of streams SAMPLE and *_NOISE */
  uint64_t act;     /* observations acted on: the position of streams ACT and WARMUP */
} sac_counters;

/* Sums of sac_update_stats over the updates since the last row of metrics; saved and restored as they are. */
typedef struct sac_totals {
  uint64_t updates;
  sac_update_stats sum;
} sac_totals;

struct sac_agent {
  sac_config* config; /* own copy, for save */
  sac_settings settings;
  sac_shape shape;
  const sac_algorithm* algo;
  sac_tensors tensors;
  sac_replay_row row;
  const sac_backend* backend;
  char device[16];              /* where it is: "cpu", "cuda:0" */
  char device_why[SAC_WHY_MAX]; /* "" unless `device` is auto; else why it is there, a line for people */
  void* storage;                /* the backend's slabs and scratch */

  float* action_centre; /* (A) environment action = centre + half_range * a */
  float* action_half;   /* (A) */
  int64_t capacity;     /* replay.capacity for files: a copy keeps that of the original, whatever its own ring is */
  int32_t actions;      /* of the environment: number of discrete actions, 0: continuous */
  int32_t max_episode_steps; /* of the environment */
  double target_entropy;     /* Hbar, resolved */

  uint64_t* seed;                  /* (P) key of every stream of agent p */
  sac_counters* counters;          /* (P) */
  uint8_t* alive;                  /* (P) 0: stopped by a value that is not finite; backends skip it */
  sac_update_stats* stats;         /* (P) of the last update */
  sac_totals* totals;              /* (P) */
  double seconds[SAC_STAGE_COUNT]; /* spent in each stage since the last row of metrics */

  float* staging; /* host scratch for moving tensors; holds the largest */
  size_t staging_floats;
};

/* --- a backend -----------------------------------------------------------------------------------------------------
 */

typedef enum sac_act_mode {
  SAC_ACT_SAMPLE,  /* a = tanh(mu + sigma * eps) */
  SAC_ACT_MEAN,    /* a = tanh(mu) */
  SAC_ACT_UNIFORM, /* a ~ U(-1, 1): the warm-up */
} sac_act_mode;

/* What `act` reads and writes. */
typedef struct sac_act {
  int32_t n; /* observations an agent */
  sac_act_mode mode;
  const float* obs;   /* (P, n, O); not read by UNIFORM */
  const float* noise; /* (P, n, A), or NULL: drawn from stream ACT (UNIFORM: WARMUP) at agent->counters[p].act, which
                         advances by n */
  float* action;      /* (P, n, A) in [-1, 1] */
  float* log_prob;    /* (P, n) nats, or NULL; a stopped agent's: 0; MEAN and UNIFORM: not written */
  int from_snapshot;  /* 1: by the actor and the living agents of the last `snapshot` */
  struct sac_vector* vector; /* whose obs and action those are, or NULL: a backend may keep them itself (env_attach) */
} sac_act;

/* Raw slabs a backend moves between its memory and the host's. */
typedef enum sac_memory {
  SAC_MEMORY_WEIGHTS, /* (P, W) trained tensors */
  SAC_MEMORY_GRAD,    /* (P, W) of the last update */
  SAC_MEMORY_ADAM_M,  /* (P, W) */
  SAC_MEMORY_ADAM_V,  /* (P, W) */
  SAC_MEMORY_TARGET,  /* (P, target floats) */
  SAC_MEMORY_REPLAY,  /* (P, C, row) */
  SAC_MEMORY_COUNT
} sac_memory;

/* One stage of the flow on a device: its time (median), and the launches it consists of. */
typedef struct sac_stage_time {
  double microseconds;
  size_t nodes;
} sac_stage_time;

/* A part of an update: operations that a backend runs as one. */
typedef struct sac_part {
  sac_stage stage;
  const char* name;    /* for people: what it runs as */
  const sac_op* first; /* (count) the operations; 0 of them: replay sample, statistics */
  int32_t count;
} sac_part;

/* Functions that are NULL unless a backend has need of them stand under "optional". */
struct sac_backend {
  const char* name;        /* "cpu": what key `device` begins with */
  const char* description; /* for people: one line */
  int on_host;             /* 1: agents lie in the host's memory, and the caller's threads compute */

  /* Where key `device` ("cpu", "cuda:1", "cuda", "auto") leads: the ordinal of the device. -1: not to this backend, for
   * "auto" where none is usable, and for another backend's name. Errors: DEVICE (a named device cannot be used). */
  sac_status (*choose)(const char* device, int32_t* ordinal);

  /* The path through an update (cuda.path) that serves these settings, by name; NULL: none does. */
  const char* (*path)(const sac_settings* settings);

  /* Allocates the slabs (zeroed) and scratch for agent->shape, agent->settings and agent->tensors; sets agent->storage.
   * Errors: MEMORY, DEVICE. `destroy` takes a half-built agent. */
  sac_status (*create)(sac_agent* agent);
  void (*destroy)(sac_agent* agent);

  /* Bytes that create will take, told before it does; bytes[] by sac_memory, *scratch for the rest. */
  void (*size)(const sac_agent* agent, size_t bytes[SAC_MEMORY_COUNT], size_t* scratch);

  /* Copies `count` floats at float offset `offset` of agent p's part of a slab out to, or in from, the host. After a
   * write of weights or targets the backend refreshes whatever it derives from them (packed or transposed copies). */
  sac_status (*read)(const sac_agent* agent, sac_memory memory, int32_t p, size_t offset, float* host, size_t count);
  sac_status (*write)(sac_agent* agent, sac_memory memory, int32_t p, size_t offset, const float* host, size_t count);

  /* act: observations to actions, with the current actor; with from_snapshot, that of the last `snapshot`. */
  sac_status (*act)(sac_agent* agent, const sac_act* act);

  /* env step: scales vector->action to the environment's units and steps all P*N environments; see env/vector.h. */
  sac_status (*env_step)(sac_agent* agent, struct sac_vector* vector);

  /* replay push: n transitions an agent into the ring; agent->counters[p].pushed advances by n. vector: whose last step
   * they are, or NULL. */
  sac_status (*replay_push)(sac_agent* agent, const sac_transitions* transitions, const struct sac_vector* vector);

  /* The caller's minibatch and noise in place of stage `replay sample` (sac_agent_update_with). */
  sac_status (*minibatch_set)(sac_agent* agent, const sac_minibatch* minibatch, const sac_noise* noise);

  /* A stage of an update, SAC_STAGE_UPDATE or later. replay sample draws B indices (stream SAMPLE, position:
   * counters[p].updates), gathers the minibatch, and draws the noise of this update (streams NEXT_ACTION_NOISE and
   * ACTION_NOISE, same position). The others run the operations that agent->algo lists for them; after target update
   * agent->stats[p] are complete, added to agent->totals[p], and counters[p].updates advances by one. */
  sac_status (*stage)(sac_agent* agent, sac_stage stage);

  /* How the operation `op` of an algorithm's list runs, with those behind it that go with it: *count of them, of
   * `left`. For people; NULL: it does not run here. */
  const char* (*runs_as)(const sac_algorithm* algo, const sac_op* op, int32_t left, int32_t* count);

  /* The parts of an agent's update, in the order in which its stages run them; and one of them alone, for benchmarks
   * and tests. All parts in turn are an update: the first draws the minibatch, the last completes agent->stats, adds
   * them to agent->totals, and advances counters[p].updates. The first part_run of a population may allocate.
   * Errors: MEMORY, DEVICE. */
  int32_t (*part_count)(const sac_agent* agent);
  sac_part (*part_at)(const sac_agent* agent, int32_t part);
  sac_status (*part_run)(sac_agent* agent, int32_t part);

  /* --- optional --- */

  /* n whole updates, fused and captured as the backend likes. NULL: the stages in turn. Same results by definition of
   * the backend. */
  sac_status (*update)(sac_agent* agent, int32_t n);

  /* Keeps the actor, and which agents are alive, as they are now (after what was queued before): acts with
   * from_snapshot use that, and do not wait for updates that are queued after it. For train.overlap; not for a resident
   * vector. NULL: act comes before the updates. */
  sac_status (*snapshot)(sac_agent* agent);

  /* A backend may queue its work and return: state_get waits, and brings counters, stats and totals up to date (the
   * host decides `alive`); state_set makes the host's seed, counters, alive, stats and totals the backend's. NULL: the
   * host's are the only ones. Errors: DEVICE. */
  sac_status (*state_get)(sac_agent* agent);
  sac_status (*state_set)(sac_agent* agent);

  /* For an agent with a statistic that is not finite: how many trained tensors had a gradient that was not in the
   * update that stopped it; the first of them (its index in agent->tensors), and its first such number. NULL:
   * SAC_MEMORY_GRAD is still that update's. */
  int32_t (*bad_gradients)(const sac_agent* agent, int32_t p, int32_t* first, float* value);

  /* Takes a vector of built-in tasks over (sets vector->resident and ->burst); any other is left to the host.
   * env_get waits, and fills vector->finished for all steps since the last call; `whole`: everything else of the vector
   * too, as vector_state.c and other readers want it. Errors: MEMORY, DEVICE; env_get: ENV, NUMERIC. */
  sac_status (*env_attach)(sac_agent* agent, struct sac_vector* vector);
  sac_status (*env_get)(sac_agent* agent, struct sac_vector* vector, int whole);

  /* Bytes free where `size` will be taken. NULL: sac_memory_available. */
  size_t (*available)(const sac_agent* agent);

  /* Whether an agent of that many networks can be there at all. Errors: CONFIG. NULL: always. */
  sac_status (*fits)(const sac_agent* agent);

  /* Devices: how many there are (CUDA_VISIBLE_DEVICES counts) and, where there is none, why; a line about one: name,
   * compute capability, memory. */
  int32_t (*devices)(char* why, size_t size);
  void (*describe)(int32_t ordinal, char* text, size_t size);

  /* What an agent's updates run with, for people and benchmarks: threads; the name of the instruction set. */
  int32_t (*threads)(const sac_agent* agent);
  const char* (*kernels)(const sac_agent* agent);

  /* Nodes of one update's graph, where the agent has made one; 0: none captured. */
  size_t (*graph_nodes)(const sac_agent* agent);

  /* 1, and a line for the log in text, when there is something to say about how an agent's updates run: each thing is
   * said once. */
  int (*notice)(const sac_agent* agent, char* text, size_t size);

  /* From now on: a profiler that waits for cudaProfilerStart (nsys --capture-range=cudaProfilerApi, ncu
   * --profile-from-start off) sees `count` updates from update `from` on (0: an agent's first; of a resumed run, those
   * before it count), each in a range "update N", none of them in a graph of several. profiled: how many of them have
   * been made. */
  void (*profile)(int64_t from, int64_t count);
  int64_t (*profiled)(void);

  /* Makes some updates (with `vector`, steps of a run too), each stage a graph of its own, one after another, and times
   * the stages by events of the device; act and env step by the host's clock where the host steps the environments:
   * from its observations to its actions, waits included. times[], by sac_stage, is zero for stages that were not
   * run. NULL: agent->seconds tells. */
  sac_status (*stage_times)(sac_agent* agent, struct sac_vector* vector, sac_stage_time times[SAC_STAGE_COUNT]);

  /* The same of the parts of an update, times (part_count). NULL: the host's clock around part_run tells. */
  sac_status (*part_times)(sac_agent* agent, sac_stage_time* times);
};

#endif
