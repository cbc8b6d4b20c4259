/* The CPU backend's inside: slabs, scratch, and how an update is cut into tasks.
 *
 * An update of one agent is a few phases; a phase is a number of tasks that do not depend on each other:
 *   chunk tasks  some rows of the minibatch through all layers, forward and back, while they are warm in the cache
 *   block tasks  some rows of one weight gradient, summed over the whole minibatch, and at once its Adam step
 * With as many agents as threads, each thread takes whole agents through all phases; otherwise all threads share the
 * phases of one agent after another, each with a fixed part of the tasks to begin with, so that what a thread has
 * written it mostly reads again itself: caches of cores may be far apart. Either way every number is computed by the
 * same operations in the same order. */
#ifndef SAC_CPU_CPU_H
#define SAC_CPU_CPU_H

#include "agent/agent.h"
#include "cpu/isa.h"
#include "cpu/net.h"
#include "cpu/pool.h"

SAC_STAGES_DECLARE(cpu)

/* Rows of the minibatch in a chunk: at most 4 panels, few enough that their activations stay in the cache. */
#define SAC_CHUNK_PANELS 4
/* Observations acted on together. */
#define SAC_ACT_ROWS 64

/* One agent's minibatch and what later stages need of it. R is B rounded up to whole panels. */
typedef struct sac_cpu_minibatch {
  float* current;    /* feature panels of obs | action (ceil((O + A)/32), R, 32) */
  float* next;       /* feature panels of next_obs (ceil(O/32), R, 32) */
  float* reward;     /* (R) */
  float* terminated; /* (R) */
  float* noise;      /* (R, A) for a~ at obs */
  float* next_noise; /* (R, A) for a' at next_obs */
  float* log_prob;   /* (R) log pi(a~|s), written by the actor pass, read by temperature update */
} sac_cpu_minibatch;

/* Scratch of one agent's update, over the whole minibatch. In row panels. */
typedef struct sac_cpu_set {
  sac_rows current;                  /* obs | action (R/32, O + A, 32) */
  sac_rows next;                     /* next_obs | a' */
  sac_rows policy;                   /* obs | a~ */
  sac_trace critic[SAC_CRITICS_MAX]; /* at (s, a), kept for the weight gradients */
  sac_trace judge[SAC_CRITICS_MAX];  /* the same critics at (s, a~): the actor's loss */
  sac_trace value;                   /* sac-v */
  sac_trace actor;
  float* q;         /* (K, R) Q_k(s, a) */
  float* judged;    /* (K, R) Qbar_k(s', a'), then Q_k(s, a~) */
  float* target;    /* (R) y */
  float* v;         /* (R) V(s): sac-v */
  float* v_target;  /* (R) its target: sac-v */
  float* smallest;  /* (R) min_k Q_k(s, a~) */
  float* saturated; /* (R) components of a~ beyond 0.999 */
  float* eps;       /* (R/32, A, 32) the noise of the action sampled last */
  float* spread;    /* (R/32, A, 32) sigma * eps of it */
  float* slope;     /* (R/32, A, 32) da/du */
  float* d_action;  /* (R/32, A, 32) dJ/da~ */
  int32_t* row;     /* (K, R) the rows whose smallest critic is k, */
  int32_t* rows;    /* (K) and how many they are */
  double* norm;     /* (blocks) squared gradient norm of each */
} sac_cpu_set;

/* Scratch of one thread, over a chunk (c panels) or the rows of an act. */
typedef struct sac_cpu_thread {
  sac_trace pass;       /* a pass that nothing is kept of */
  sac_trace picked;     /* a chunk of rows that share their smallest critic */
  float* picked_action; /* (c, A, 32) */
  uint64_t* index;      /* (c*32) replay sample's indices */
  float* act[2];        /* (SAC_ACT_ROWS, widest layer), row by row */
  float* act_noise;     /* (SAC_ACT_ROWS, A), and A log-probabilities */
} sac_cpu_thread;

/* Rows from..to of one layer of one network. */
typedef struct sac_cpu_block {
  int32_t net; /* 0..K-1 critics, K the value network; the actor's blocks have a list of their own */
  int32_t layer, from, to;
} sac_cpu_block;

typedef struct sac_cpu_blocks {
  int32_t count;
  sac_cpu_block* block; /* (count) */
} sac_cpu_blocks;

/* A run of floats of a target and of what it follows. */
typedef struct sac_cpu_follow {
  size_t target, source, count;
} sac_cpu_follow;

typedef struct sac_cpu {
  const sac_isa* isa;
  sac_pool* pool;
  float* slab[SAC_MEMORY_COUNT];   /* by sac_memory */
  size_t floats[SAC_MEMORY_COUNT]; /* one agent's */
  int32_t threads, sets;
  int32_t panels;               /* of the minibatch */
  int32_t chunk_panels;         /* of a chunk */
  int32_t chunks;               /* of the minibatch */
  int worth_sharing;            /* a phase of one agent is long enough for more than one thread */
  void* scratch;                /* one allocation for all below */
  sac_cpu_minibatch* minibatch; /* (P) */
  sac_cpu_set* set;             /* (sets) */
  sac_cpu_thread* thread;       /* (threads) */
  int32_t* living;              /* (P) agents that are alive */
  sac_cpu_blocks critic_blocks; /* critics, then the value network */
  sac_cpu_blocks actor_blocks;
  int32_t follows;
  sac_cpu_follow* follow; /* (follows) */
} sac_cpu;

/* Lays scratch out in cpu->scratch and cuts the work into tasks; with cpu->scratch NULL only measures. Returns its
 * bytes; SIZE_MAX: beyond all memory. */
size_t sac_cpu_layout(const sac_agent* agent, sac_cpu* cpu);

/* One agent in one phase. */
typedef struct sac_team {
  sac_agent* agent;
  const sac_cpu* cpu;
  const sac_cpu_minibatch* minibatch;
  sac_cpu_set* set;
  int32_t p;
} sac_team;

typedef struct sac_phase {
  void (*run)(const sac_team* team, int32_t task, sac_cpu_thread* thread);
  int32_t tasks;
} sac_phase;

/* Runs the phases, one after the other, for every living agent. */
void sac_cpu_run(sac_agent* agent, const sac_phase* phases, int32_t count);

/* Agent p's part of a slab. */
static inline float* sac_cpu_slab(const sac_cpu* cpu, sac_memory memory, int32_t p) {
  return cpu->slab[memory] + (size_t)p * cpu->floats[memory];
}

static inline size_t sac_cpu_batch_rows(const sac_cpu* cpu) { return (size_t)cpu->panels * SAC_PANEL; }

/* Rows of chunk number `task`. */
static inline int32_t sac_chunk_rows(const sac_team* team, int32_t task) {
  const int32_t start = task * team->cpu->chunk_panels * SAC_PANEL, left = team->agent->shape.batch - start;
  const int32_t most = team->cpu->chunk_panels * SAC_PANEL;
  return left < most ? left : most;
}

/* Row k of an array (K, R). */
static inline float* sac_cpu_critic_row(const sac_team* team, float* array, int32_t k) {
  return array + (size_t)k * sac_cpu_batch_rows(team->cpu);
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

/* Feature panels of the minibatch (rows `panel` on, `features` of them) turned into row panels. */
void sac_cpu_turn_in(const sac_cpu* cpu, const float* from, int32_t features, sac_rows to, int32_t panel, int32_t rows);

/* Gradient, and Adam's step unless `step` is NULL, of a block: critic.c and actor.c say of what. Its squared norm goes
 * to set->norm[slot]. */
void sac_cpu_block_run(const sac_team* team, const sac_net* net, const sac_trace* trace, const sac_cpu_block* block,
                       const sac_adam_step* step, int32_t slot);

/* Adam's scalars for this update of agent p. */
sac_adam_step sac_cpu_adam_step(const sac_agent* agent, int32_t p, double lr);

/* Adam over the rows of a block whose gradient is there. */
void sac_cpu_block_adam(const sac_team* team, const sac_net* net, const sac_cpu_block* block,
                        const sac_adam_step* step);

/* Root of the blocks' squared norms, in order. */
double sac_cpu_norm(const sac_cpu_set* set, int32_t from, int32_t count);

/* actor.c, in the order of an update. `rows` rows from panel `panel` on; everything to and from the set's arrays. */

/* The actor on the observations of x (O features of its panels, the minibatch's), its head squashed with noise (R, A):
 * the action goes beside the observations, log_prob (R) to the caller. The trace's panel trace_panel is the first. */
void sac_cpu_policy_sample(const sac_team* team, sac_rows x, const sac_trace* trace, int32_t trace_panel, int32_t panel,
                           int32_t rows, const float* noise, float* log_prob);

/* a~ ~ pi(.|s) and its log pi. */
void sac_cpu_policy_rows(const sac_team* team, int32_t panel, int32_t rows);

/* Q_k(s, a~). */
void sac_cpu_judge_rows(const sac_team* team, int32_t k, int32_t panel, int32_t rows);

/* A task of a phase, K of them, when all critics have judged all rows: which rows of the minibatch have critic k as
 * their smallest. Critic 0 keeps min_k Q_k(s, a~), too. */
void sac_cpu_sort_rows(const sac_team* team, int32_t k, sac_cpu_thread* thread);

/* A task of the phase after it, K * chunks of them: dJ/da~ of the rows of critic k = task / chunks, through that critic
 * only; a chunk of them is picked together, taken back through it, and put back. */
void sac_cpu_action_grad(const sac_team* team, int32_t task, sac_cpu_thread* thread);

/* Back through the squash and the actor. */
void sac_cpu_policy_grad_rows(const sac_team* team, int32_t panel, int32_t rows);

void sac_cpu_actor_stats(const sac_team* team, int32_t first_block);

float sac_cpu_alpha(const sac_team* team);

#endif
