/* Internals of the CPU backend: slabs, scratch memory, and the tasks of an update.
 *
 * The plan of an algorithm (algo/plan.h) becomes a few phases. A phase is a number of tasks that do not depend on each
 * other. Two kinds of phases do most of the work:
 *   rows    a task runs several operations on some rows of the minibatch, which stay in the cache
 *   blocks  a task computes some rows of a weight gradient, summed over the whole minibatch, and Adam's step on them
 *
 * As long as there is an agent for each thread, each thread runs all phases of whole agents. All threads then share the
 * remaining agents, one agent after the other; agents with little work are not shared. Of a shared agent, each thread
 * starts with a fixed part of the tasks. So it mostly reads what it wrote itself, which is in the cache of its own
 * core. In both cases the same operations compute every number in the same order. */
#ifndef SAC_CPU_CPU_H
#define SAC_CPU_CPU_H

#include "algo/plan.h"
#include "backend/backend.h"
#include "cpu/isa.h"
#include "cpu/net.h"
#include "cpu/pool.h"
#include "replay/sampler.h"

/* The most panels in a chunk of the minibatch: activations of so many rows stay in the cache. */
#define SAC_CHUNK_PANELS 4
/* Observations in one task of act. */
#define SAC_ACT_ROWS 64

/* The most phases in an update. */
#define SAC_CPU_PHASES_MAX 48

/* The minibatch of one agent. R is B rounded up to whole panels. */
typedef struct sac_cpu_minibatch {
  float* current;                /* feature panels of obs | action (ceil((O + A)/32), R, 32) */
  float* next;                   /* feature panels of next_obs (ceil(O/32), R, 32) */
  float* reward;                 /* (R) */
  float* discount;               /* (R) gamma, or 0 where terminated */
  float* weight;                 /* (R) weight of the row in the critics' loss */
  uint64_t* index;               /* (R) row of the ring that it was drawn from */
  float* noise[SAC_PLACE_COUNT]; /* (R, A) for the actions sampled at POLICY and at NEXT */
  float* log_prob;               /* (R) log pi(a~|s), discrete: E_pi[log pi]; read by the step of the temperature too */
} sac_cpu_minibatch;

/* What SAMPLE keeps of sampled actions for SAMPLE_GRAD. In row panels, (R/32, A, 32). */
typedef struct sac_cpu_sampled {
  float* eps;    /* the noise */
  float* spread; /* sigma * eps */
  float* slope;  /* da/du */
} sac_cpu_sampled;

/* Scratch of one agent's update, over the whole minibatch. */
typedef struct sac_cpu_scratch {
  sac_rows input[SAC_PLACE_COUNT];                  /* row panels of obs | action, (R/32, O + A, 32) */
  sac_trace trace[SAC_PASSES_MAX][SAC_CRITICS_MAX]; /* for passes that gradients go back through */
  float* output[SAC_PASSES_MAX]; /* (K, R/32, outputs, 32); NULL for a Gaussian's actor, whose head is in the trace */
  float* q;                      /* (K, R) Q_k(s, a) in the loss */
  sac_cpu_sampled sampled[SAC_PLACE_COUNT];
  float* next_log_prob; /* (R) log pi(a'|s') */
  float* y;             /* (R) the critics' target */
  float* v_target;      /* (R) the value network's target */
  float* td_error;      /* (R) mean over critics of |Q - y|, for samplers that learn from it */
  float* smallest;      /* (R) min_k Q_k(s, a~); discrete: E_pi[q(s, .)] */
  float* log_z;         /* (R) discrete: log sum_a exp(q(s, a)/alpha) */
  float* kl;            /* (R) discrete: KL(pi || exp(q/alpha)/Z) */
  int32_t* choice;      /* (R) the k that gives it */
  float* saturated;     /* (R) number of components of a~ with |a~| > 0.999 */
  float* d_action;      /* (R/32, A, 32) dJ/da~ */
  int32_t* row;         /* (K, R) for each critic k: the rows whose smallest critic it is */
  int32_t* rows;        /* (K) the number of these rows */
  double* norm;         /* (blocks of all groups) squared norm of each block's gradient */
} sac_cpu_scratch;

/* Scratch of one thread, for a chunk (c panels) or for the observations of act. */
typedef struct sac_cpu_thread {
  sac_trace pass;       /* a pass that no gradients go back through */
  sac_trace picked;     /* activations of gathered rows with the same smallest critic */
  float* picked_action; /* (c, A, 32) dJ/da~ of these rows */
  float* act[2];        /* (SAC_ACT_ROWS, widest layer) outputs of layers, row by row */
  float* act_noise;     /* (A) noise of one observation */
  float* values;        /* (3, actions, 32) discrete: values of the actions of a panel */
  float* joined;        /* (SAC_ACT_ROWS, actions) discrete: q(s, .) of the critics, for acting */
} sac_cpu_thread;

/* Outputs from .. to-1 of one layer of one network: rows of its weight, and elements of its bias. */
typedef struct sac_cpu_block {
  int32_t net, layer, from, to;
} sac_cpu_block;

/* The blocks of all networks of a group. Their squared gradient norms start at scratch->norm[first]. */
typedef struct sac_cpu_blocks {
  int32_t count, first;
  sac_cpu_block* block; /* (count) */
} sac_cpu_blocks;

/* A part of a target's tensor, and the same part of the network that it follows. Offsets and count are in floats. */
typedef struct sac_cpu_piece {
  size_t target, source, count;
} sac_cpu_piece;

typedef struct sac_cpu_phase sac_cpu_phase;

/* What a task works on: agent p, its minibatch, and the scratch that it uses now. */
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
  int32_t from, to;    /* operations from .. to-1 of the plan; equal: the phase runs no operation */
  int32_t nets;        /* rows: 1, or K if each network of the group has separate tasks */
  unsigned load;       /* rows: places whose inputs each task loads before its operations, as bits */
  unsigned statistics; /* statistics: the kinds that are complete in this stage, bits of sac_each */
};

typedef struct sac_cpu {
  const sac_isa* isa;
  sac_pool* pool;
  sac_plan plan;
  int32_t phases;
  sac_cpu_phase phase[SAC_CPU_PHASES_MAX]; /* (phases) in order */
  float* slab[SAC_MEMORY_COUNT];           /* by sac_memory */
  size_t floats[SAC_MEMORY_COUNT];         /* of one agent in each slab */
  int32_t threads, scratches;
  int32_t panels;               /* in the minibatch */
  int32_t chunk_panels;         /* panels in a chunk */
  int32_t chunks;               /* in the minibatch */
  int worth_sharing;            /* 1: the phases of one agent are long enough to share among threads */
  void* memory;                 /* one allocation for the arrays below, except `own` */
  sac_cpu_minibatch* minibatch; /* (P) */
  sac_cpu_scratch* scratch;     /* (scratches) */
  sac_cpu_thread* thread;       /* (threads) */
  int32_t* running;             /* (P) agents that are alive */
  void* own_memory;             /* for updates in parts: memory of `own` and of the scratch of all agents */
  sac_cpu_scratch* own;         /* (P) scratch of each agent between parts; NULL: not made yet, or P is 1 */
  const sac_sampler* sampler;
  int drawn;           /* 1: the sampler has drawn the minibatch; 0: the caller has set it */
  char* sampler_state; /* (P) sac_cpu_sampler_bytes each */
  sac_cpu_blocks blocks[SAC_GROUP_COUNT];
  int32_t pieces;
  sac_cpu_piece* piece; /* (pieces) of all targets */
} sac_cpu;

/* --- layout.c ----------------------------------------------------------------------------------------------------- */

/* Lays out scratch memory in cpu->memory, and lists the blocks and pieces. With cpu->memory NULL only measures, and
 * sets the arrays to NULL. Returns the bytes; SIZE_MAX on overflow. */
size_t sac_cpu_layout(const sac_agent* agent, sac_cpu* cpu);

/* Allocates cpu->own if it is needed and does not exist yet. The agents of a population share scratch when whole stages
 * run, as nothing in it outlives a stage. It outlives the parts of a stage, so there each agent needs its own. Errors:
 * MEMORY. */
sac_status sac_cpu_own_scratch(const sac_agent* agent, sac_cpu* cpu);

/* --- phases.c ----------------------------------------------------------------------------------------------------- */

/* Cuts the plan into phases. Call sac_cpu_layout first. Errors: CONFIG (the plan has too many operations). */
sac_status sac_cpu_phases(const sac_agent* agent, sac_cpu* cpu);

/* Runs the phases of a stage, one after the other, for every agent that is not stopped. */
void sac_cpu_run(sac_agent* agent, sac_stage stage);

/* The parts of an update (backend/backend.h): each is a phase. sac_cpu_part_run runs the phase alone; backend.c counts
 * the update and adds up its statistics. */
int32_t sac_cpu_part_count(const sac_agent* agent);
sac_part sac_cpu_part_at(const sac_agent* agent, int32_t part);
void sac_cpu_part_run(sac_agent* agent, int32_t part);
const char* sac_cpu_runs_as(const sac_settings* settings, int32_t number, int32_t* count);

/* Whether the CPU has a row function (rows.c). */
int sac_cpu_has_row(sac_row_function row);

/* --- the tasks of phases ------------------------------------------------------------------------------------------ */

typedef void sac_cpu_task(const sac_cpu_job* job, const sac_cpu_phase* phase, int32_t task, sac_cpu_thread* thread);

sac_cpu_task sac_cpu_sample_task; /* replay.c: indices, rows and noise of one chunk */
sac_cpu_task sac_cpu_learnt_task; /* replay.c: tells the sampler the TD errors */
sac_cpu_task sac_cpu_rows_task;   /* rows.c: operations from..to on one chunk */
sac_cpu_task sac_cpu_sort_task;   /* input_grad.c: the rows of the minibatch whose smallest critic is `task` */
sac_cpu_task
    sac_cpu_input_grad_task; /* input_grad.c: dJ/da~ for a chunk of the rows whose smallest critic is task / chunks */
sac_cpu_task sac_cpu_blocks_task;      /* adam.c: gradient of a block, its Adam step, or both */
sac_cpu_task sac_cpu_statistics_task;  /* statistics.c */
sac_cpu_task sac_cpu_temperature_task; /* temperature.c */
sac_cpu_task sac_cpu_polyak_task;      /* polyak.c: one piece */

/* --- shared by the tasks ------------------------------------------------------------------------------------------ */

/* Agent p's part of a slab. */
static inline float* sac_cpu_slab(const sac_cpu* cpu, sac_memory memory, int32_t p) {
  return cpu->slab[memory] + (size_t)p * cpu->floats[memory];
}

/* The agent's part of the slab that holds a network's weights; the tensors' offsets count from it. */
static inline const float* sac_cpu_weights(const sac_cpu_job* job, const sac_net* net) {
  return sac_cpu_slab(job->cpu, net->slab == SAC_SLAB_TARGET ? SAC_MEMORY_TARGET : SAC_MEMORY_WEIGHTS, job->p);
}

/* R: the rows of the minibatch, rounded up to whole panels. */
static inline size_t sac_cpu_batch_rows(const sac_cpu* cpu) { return (size_t)cpu->panels * SAC_PANEL; }

/* Rows of the minibatch in a chunk; the last chunk may have fewer. */
static inline int32_t sac_chunk_rows(const sac_cpu_job* job, int32_t chunk) {
  const int32_t most = job->cpu->chunk_panels * SAC_PANEL, left = job->agent->shape.batch - chunk * most;
  return left < most ? left : most;
}

/* The row panels from `panel` on. */
static inline sac_rows sac_rows_from(sac_rows rows, int32_t panel) {
  rows.data += (size_t)panel * rows.stride;
  return rows;
}

/* The number of rows in panel `panel` of `rows` rows: lanes that are in use. */
static inline int32_t sac_lanes(int32_t rows, int32_t panel) {
  const int32_t left = rows - panel * SAC_PANEL;
  return left < SAC_PANEL ? left : SAC_PANEL;
}

/* The agent's alpha. Until TEMPERATURE runs it is the value before this update, which every loss reads. */
float sac_cpu_alpha(const sac_cpu_job* job);

/* Loads the inputs of a place: transposes feature panels of the minibatch into row panels of scratch->input, `rows`
 * rows from panel `panel` on. */
void sac_cpu_load(const sac_cpu_job* job, sac_place at, int32_t panel, int32_t rows);

/* Adam's scalars for this update of agent p. may_hold 1: of the actor or the temperature, which may be held. */
sac_adam_step sac_cpu_adam_step(const sac_agent* agent, int32_t p, double lr, int may_hold);

/* Adds the squared norms of a group's blocks to `sum`, in order. */
double sac_cpu_sum_norms(const sac_cpu_job* job, sac_group group, double sum);

/* The ring of agent p, for its sampler. */
sac_ring sac_cpu_ring(const sac_agent* agent, int32_t p);

/* Bytes of the sampler's state for one agent. */
size_t sac_cpu_sampler_bytes(const sac_agent* agent);

/* --- functions of the backend's table outside backend.c ----------------------------------------------------------- */

sac_status sac_cpu_act(sac_agent* agent, const sac_act* act);
sac_status sac_cpu_replay_push(sac_agent* agent, const sac_transitions* transitions, const struct sac_vector* vector);
sac_status sac_cpu_minibatch_set(sac_agent* agent, const sac_minibatch* minibatch, const sac_noise* noise);

#endif
