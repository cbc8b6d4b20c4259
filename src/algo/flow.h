/* The stages of a run, in order. Their names are the same everywhere: in the lists of algorithms, the metrics, the
 * ranges of the profiler and the benchmarks.
 *
 *  env step -> replay push -> replay sample -> critic update -> actor update -> temperature update -> target update
 *     ^                                                             |
 *     +------------------------------ act <-------------------------+ */
#ifndef SAC_ALGO_FLOW_H
#define SAC_ALGO_FLOW_H

/* X(NAME, name, words): SAC_STAGE_<NAME>; the stem in names of metrics; the words for people. */
#define SAC_STAGES(X)                                             \
  X(ACT, act, "act")                                              \
  X(ENV_STEP, env_step, "env step")                               \
  X(REPLAY_PUSH, replay_push, "replay push")                      \
  X(REPLAY_SAMPLE, replay_sample, "replay sample")                \
  X(CRITIC_UPDATE, critic_update, "critic update")                \
  X(ACTOR_UPDATE, actor_update, "actor update")                   \
  X(TEMPERATURE_UPDATE, temperature_update, "temperature update") \
  X(TARGET_UPDATE, target_update, "target update")

typedef enum sac_stage {
#define SAC_STAGE_ENUM(NAME, name, words) SAC_STAGE_##NAME,
  SAC_STAGES(SAC_STAGE_ENUM)
#undef SAC_STAGE_ENUM
      SAC_STAGE_COUNT
} sac_stage;

/* The first stage of an update. The others follow up to SAC_STAGE_COUNT. */
#define SAC_STAGE_UPDATE SAC_STAGE_REPLAY_SAMPLE

extern const char* const sac_stage_names[SAC_STAGE_COUNT];

#endif
