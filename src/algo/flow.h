/* The stages of a run, in order. Their names are the same everywhere: in the lists of algorithms, the metrics, the
 * ranges of the profiler and the benchmarks.
 *
 *  env step -> replay push -> replay sample -> critic update -> actor update -> temperature update -> target update
 *     ^                                                             |
 *     +------------------------------ act <-------------------------+ */
#ifndef SAC_ALGO_FLOW_H
#define SAC_ALGO_FLOW_H

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

/* The first stage of an update. The others follow up to SAC_STAGE_COUNT. */
#define SAC_STAGE_UPDATE SAC_STAGE_REPLAY_SAMPLE

extern const char* const sac_stage_names[SAC_STAGE_COUNT];

#endif
