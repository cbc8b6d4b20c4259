/* The agent's inside: what the stages of every backend share. */
#ifndef SAC_AGENT_AGENT_H
#define SAC_AGENT_AGENT_H

#include <sac/agent.h>

#include "agent/estimate.h"
#include "backend/backend.h"
#include "config/config.h"
#include "model/tensors.h"
#include "replay/rows.h"

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

/* The words of the flow, for timing: seconds spent in each stage since the last row of metrics. */
typedef enum sac_stage {
  SAC_STAGE_ACT,
  SAC_STAGE_ENV_STEP,
  SAC_STAGE_REPLAY_PUSH,
  SAC_STAGE_REPLAY_SAMPLE,
  SAC_STAGE_CRITIC_UPDATE,
  SAC_STAGE_ACTOR_UPDATE,
  SAC_STAGE_TEMPERATURE_UPDATE,
  SAC_STAGE_TARGET_UPDATE,
  SAC_STAGE_COUNT
} sac_stage;

extern const char* const sac_stage_names[SAC_STAGE_COUNT];

struct sac_agent {
  sac_config* config; /* own copy, for save */
  sac_settings settings;
  sac_shape shape;
  sac_tensors tensors;
  sac_replay_row row;
  const sac_stages* stages;
  char device[16];                       /* where it is: "cpu", "cuda:0" */
  char device_why[SAC_ESTIMATE_WHY_MAX]; /* "" unless `device` is auto; else why it is there, a line for people */
  void* backend;                         /* the backend's slabs and scratch */

  float* action_centre;      /* (A) environment action = centre + half_range * a */
  float* action_half;        /* (A) */
  int64_t capacity;          /* replay.capacity as its files say it: shape.capacity, or that of whom it is a copy */
  int32_t actions;           /* of the environment: number of discrete actions, 0: continuous */
  int32_t max_episode_steps; /* of the environment */
  double target_entropy;     /* Hbar, resolved */

  uint64_t* seed;          /* (P) key of every stream of agent p */
  sac_counters* counters;  /* (P) */
  uint8_t* alive;          /* (P) 0: stopped by a value that is not finite; stages skip it */
  sac_update_stats* stats; /* (P) of the last update */
  sac_totals* totals;      /* (P) */
  double seconds[SAC_STAGE_COUNT];

  float* staging; /* host scratch for moving tensors; holds the largest */
  size_t staging_floats;
};

/* The shape that settings and spec ask for. Errors: CONFIG (sizes, discrete actions and the algorithm), ENV (bounds).
 */
sac_status sac_agent_shape(sac_shape* shape, const sac_settings* settings, const sac_env_spec* spec);

/* Bytes an agent will take, before it is made: the replay's, and all the rest. */
sac_status sac_agent_memory(const sac_config* config, const sac_env_spec* spec, size_t* replay, size_t* rest);

/* Makes `to` the agents that `from` is, all but their replays, as a file of them would show. Both of one algorithm,
 * network and population; batch, capacity and device may differ. `from` is settled. Errors: DEVICE. */
sac_status sac_agent_copy(sac_agent* to, const sac_agent* from);

/* Marks agents with a loss or gradient norm that is not finite as dead. Returns NUMERIC when one died in this call,
 * with the message naming the first tensor; *dead (may be NULL) is its index. The others go on. */
sac_status sac_agent_check(sac_agent* agent, int32_t* dead);

#endif
