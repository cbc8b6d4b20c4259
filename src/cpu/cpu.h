/* The CPU backend's inside: slabs, scratch, and how an update is cut into tasks.
 *
 * The plan of an algorithm (algo/plan.h) becomes a few phases; a phase is a number of tasks that do not depend on each
 * other:
 *   rows    some rows of the minibatch through several operations, while they are warm in the cache
 *   blocks  some rows of one weight gradient, summed over the whole minibatch, and at once their Adam step
 * With as many agents as threads, each thread takes whole agents through all phases; otherwise all threads share the
 * phases of one agent after another, each with a fixed part of the tasks to begin with, so that what a thread has
 * written it mostly reads again itself: caches of cores may be far apart. Either way every number is computed by the
 * same operations in the same order. */
#ifndef SAC_CPU_CPU_H
#define SAC_CPU_CPU_H

#include "algo/plan.h"
#include "backend/backend.h"
#include "cpu/isa.h"
#include "cpu/net.h"
#include "cpu/pool.h"
#include "replay/sampler.h"

/* Rows of the minibatch in a chunk: at most 4 panels, few enough that their activations stay in the cache. */
#define SAC_CHUNK_PANELS 4
/* Observations acted on together. */
#define SAC_ACT_ROWS 64

#define SAC_CPU_PHASES_MAX 48

/* One agent's minibatch, and what later stages need of it. R is B rounded up to whole panels. */
typedef struct sac_cpu_minibatch {
  float* current;                /* feature panels of obs | action (ceil((O + A)/32), R, 32) */
  float* next;                   /* feature panels of next_obs (ceil(O/32), R, 32) */
  float* reward;                 /* (R) */
  float* discount;               /* (R) gamma, or 0 where s' is terminal */
  float* weight;                 /* (R) in the critics' loss */
  uint64_t* index;               /* (R) of the ring */
  float* noise[SAC_PLACE_COUNT]; /* (R, A) for the actions sampled at POLICY and at NEXT */
  float* log_prob;               /* (R) log pi(a~|s): written by SAMPLE, read by the temperature's step too */
} sac_cpu_minibatch;

/* What SAMPLE leaves of an action for SAMPLE_GRAD. In row panels, (R/32, A, 32). */
typedef struct sac_cpu_sampled {
  float* eps;    /* the noise */
  float* spread; /* sigma * eps */
  float* slope;  /* da/du */
} sac_cpu_sampled;

/* Scratch of one agent's update, over the whole minibatch. */
typedef struct sac_cpu_scratch {
  sac_rows input[SAC_PLACE_COUNT];                  /* row panels of obs | action, (R/32, O + A, 32) */
  sac_trace trace[SAC_PASSES_MAX][SAC_CRITICS_MAX]; /* of passes that gradients go back through */
  float* output[SAC_PASSES_MAX];                    /* (K, R) of networks with one output */
  sac_cpu_sampled sampled[SAC_PLACE_COUNT];
  float* next_log_prob; /* (R) log pi(a'|s') */
  float* y;             /* (R) the critics' target */
  float* v_target;      /* (R) the value network's */
  float* td_error;      /* (R) mean over critics of |Q - y|: for samplers that learn from it */
  float* smallest;      /* (R) min_k Q_k(s, a~) */
  int32_t* choice;      /* (R) the k that gives it */
  float* saturated;     /* (R) components of a~ beyond 0.999 */
  float* d_action;      /* (R/32, A, 32) dJ/da~ */
  int32_t* row;         /* (K, R) the rows whose smallest critic is k, */
  int32_t* rows;        /* (K) and how many they are */
  double* norm;         /* (blocks) squared gradient norm of each */
} sac_cpu_scratch;

/* Scratch of one thread, over a chunk (c panels) or the rows of an act. */
typedef struct sac_cpu_thread {
  sac_trace pass;       /* a pass whose hidden activations nobody needs later */
  sac_trace picked;     /* a chunk of rows that share their smallest critic */
  float* picked_action; /* (c, A, 32) */
  float* act[2];        /* (SAC_ACT_ROWS, widest layer), row by row */
  float* act_noise;     /* (SAC_ACT_ROWS, A), and A log-probabilities */
} sac_cpu_thread;

/* Rows from..to of one layer of one network. */
typedef struct sac_cpu_block {
  int32_t net, layer, from, to;
} sac_cpu_block;

/* The blocks of all networks of a group; norms of their gradients are at scratch->norm[first]. */
typedef struct sac_cpu_blocks {
  int32_t count, first;
  sac_cpu_block* block; /* (count) */
} sac_cpu_blocks;

/* A run of floats of a target, and of what the target follows. */
typedef struct sac_cpu_piece {
  size_t target, source, count;
} sac_cpu_piece;

typedef struct sac_cpu_phase sac_cpu_phase;

/* One agent in one phase. */
typedef struct sac_cpu_job {
  sac_agent* agent;
  const struct sac_cpu* cpu;
  const sac_cpu_minibatch* minibatch;
  sac_cpu_scratch* scratch;
  int32_t p;
} sac_cpu_job;

struct sac_cpu_phase {
  sac_stage stage;
  int32_t tasks;
  void (*run)(const sac_cpu_job* job, const sac_cpu_phase* phase, int32_t task, sac_cpu_thread* thread);
  int32_t from, to;    /* rows, blocks: operations of the plan */
  int32_t nets;        /* rows: 1, or K where a task takes one network of a group */
  unsigned load;       /* rows: places whose inputs are brought in first, by bit */
  unsigned statistics; /* statistics: what was completed in this stage, bits of sac_each */
};

typedef struct sac_cpu {
  const sac_isa* isa;
  sac_pool* pool;
  sac_plan plan;
  int32_t phases;
  sac_cpu_phase phase[SAC_CPU_PHASES_MAX]; /* (phases) in order */
  float* slab[SAC_MEMORY_COUNT];           /* by sac_memory */
  size_t floats[SAC_MEMORY_COUNT];         /* one agent's */
  int32_t threads, scratches;
  int32_t panels;               /* of the minibatch */
  int32_t chunk_panels;         /* of a chunk */
  int32_t chunks;               /* of the minibatch */
  int worth_sharing;            /* a phase of one agent is long enough for more than one thread */
  void* memory;                 /* one allocation for all below */
  sac_cpu_minibatch* minibatch; /* (P) */
  sac_cpu_scratch* scratch;     /* (scratches) */
  sac_cpu_thread* thread;       /* (threads) */
  int32_t* running;             /* (P) agents that are alive */
  void* own_memory;             /* for updates in parts: scratch that each agent keeps from one part to the next */
  sac_cpu_scratch* own;         /* (P) in own_memory; NULL: not made yet, or one agent has scratch[0] to itself */
  const sac_sampler* sampler;
  int drawn;           /* the sampler has drawn the minibatch; 0: it is the caller's */
  char* sampler_state; /* (P) of sac_cpu_sampler_bytes */
  sac_cpu_blocks blocks[SAC_GROUP_COUNT];
  int32_t pieces;
  sac_cpu_piece* piece; /* (pieces) of all targets */
} sac_cpu;

/* --- layout.c ------------------------------------------------------------------------------------------------------
 */

/* Lays scratch out in cpu->memory and cuts the work into tasks; with cpu->memory NULL only measures. Returns its bytes;
 * SIZE_MAX: beyond all memory. */
size_t sac_cpu_layout(const sac_agent* agent, sac_cpu* cpu);

/* Makes cpu->own, where it is needed and not there. Stages share scratch among the agents of a population, as nothing
 * in it outlives a stage; parts of a stage cannot. Errors: MEMORY. */
sac_status sac_cpu_own_scratch(const sac_agent* agent, sac_cpu* cpu);

/* --- phases.c ------------------------------------------------------------------------------------------------------
 */

/* Cuts the plan into phases. After the first layout. Errors: CONFIG (the plan does not fit). */
sac_status sac_cpu_phases(const sac_agent* agent, sac_cpu* cpu);

/* Runs the phases of a stage, one after the other, for every agent that is alive. */
void sac_cpu_run(sac_agent* agent, sac_stage stage);

/* The parts of an update, as sac_backend has them: a phase each. part_run leaves what is around an update to backend.c.
 */
int32_t sac_cpu_part_count(const sac_agent* agent);
sac_part sac_cpu_part_at(const sac_agent* agent, int32_t part);
void sac_cpu_part_run(sac_agent* agent, int32_t part);
const char* sac_cpu_runs_as(const sac_algorithm* algo, const sac_op* op, int32_t left, int32_t* count);

/* --- the phases' tasks ---------------------------------------------------------------------------------------------
 */

typedef void sac_cpu_task(const sac_cpu_job* job, const sac_cpu_phase* phase, int32_t task, sac_cpu_thread* thread);

sac_cpu_task sac_cpu_sample_task;      /* replay.c: indices, rows and noise of one chunk */
sac_cpu_task sac_cpu_learnt_task;      /* replay.c: tells the sampler the TD errors */
sac_cpu_task sac_cpu_rows_task;        /* rows.c: operations from..to on one chunk */
sac_cpu_task sac_cpu_sort_task;        /* input_grad.c: the rows of the minibatch whose smallest critic is `task` */
sac_cpu_task sac_cpu_input_grad_task;  /* input_grad.c: dJ/da~ of a chunk of the rows of critic task / chunks */
sac_cpu_task sac_cpu_blocks_task;      /* adam.c: gradient of a block, its Adam step, or both */
sac_cpu_task sac_cpu_statistics_task;  /* statistics.c */
sac_cpu_task sac_cpu_temperature_task; /* temperature.c */
sac_cpu_task sac_cpu_polyak_task;      /* polyak.c: one piece */

/* --- shared by the tasks -------------------------------------------------------------------------------------------
 */

/* Agent p's part of a slab. */
static inline float* sac_cpu_slab(const sac_cpu* cpu, sac_memory memory, int32_t p) {
  return cpu->slab[memory] + (size_t)p * cpu->floats[memory];
}

/* The slab that a network's weights are in. */
static inline const float* sac_cpu_weights(const sac_cpu_job* job, const sac_net* net) {
  return sac_cpu_slab(job->cpu, net->slab == SAC_SLAB_TARGET ? SAC_MEMORY_TARGET : SAC_MEMORY_WEIGHTS, job->p);
}

static inline size_t sac_cpu_batch_rows(const sac_cpu* cpu) { return (size_t)cpu->panels * SAC_PANEL; }

/* Rows of a chunk. */
static inline int32_t sac_chunk_rows(const sac_cpu_job* job, int32_t chunk) {
  const int32_t most = job->cpu->chunk_panels * SAC_PANEL, left = job->agent->shape.batch - chunk * most;
  return left < most ? left : most;
}

/* Row panel `panel` on. */
static inline sac_rows sac_rows_from(sac_rows rows, int32_t panel) {
  rows.data += (size_t)panel * rows.stride;
  return rows;
}

static inline int32_t sac_lanes(int32_t rows, int32_t panel) {
  const int32_t left = rows - panel * SAC_PANEL;
  return left < SAC_PANEL ? left : SAC_PANEL;
}

/* alpha of the agent, as it is now. */
float sac_cpu_alpha(const sac_cpu_job* job);

/* Brings the inputs of a place in: feature panels of the minibatch turned into row panels, `rows` rows from panel
 * `panel` on. */
void sac_cpu_load(const sac_cpu_job* job, sac_place at, int32_t panel, int32_t rows);

/* Adam's scalars for this update of agent p. */
sac_adam_step sac_cpu_adam_step(const sac_agent* agent, int32_t p, double lr);

/* Root of the squared norms of a group's blocks, in order, added to `sum`. */
double sac_cpu_sum_norms(const sac_cpu_job* job, sac_group group, double sum);

/* The ring of agent p, for its sampler. */
sac_ring sac_cpu_ring(const sac_agent* agent, int32_t p);

/* Bytes of the sampler's state, of one agent. */
size_t sac_cpu_sampler_bytes(const sac_agent* agent);

/* --- the backend's functions outside backend.c ---------------------------------------------------------------------
 */

sac_status sac_cpu_act(sac_agent* agent, const sac_act* act);
sac_status sac_cpu_replay_push(sac_agent* agent, const sac_transitions* transitions, const struct sac_vector* vector);
sac_status sac_cpu_minibatch_set(sac_agent* agent, const sac_minibatch* minibatch, const sac_noise* noise);

#endif
