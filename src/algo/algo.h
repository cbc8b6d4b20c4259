/* The list of algorithms: one line each. The config's names and help, the check of an environment's actions and `sac
 * info` iterate over it. A new algorithm is a line here, its networks in tensors.c, and its case in each backend's
 * critic and actor. */
#ifndef SAC_ALGO_ALGO_H
#define SAC_ALGO_ALGO_H

/* X(id, name, discrete, meaning); discrete: 1 when it takes discrete actions, 0 when continuous ones */
#define SAC_ALGOS(X)                                              \
  X(SAC, "sac", 0, "twin critics and targets (arXiv 1812.05905)") \
  X(SAC_V, "sac-v", 0, "a state-value network (arXiv 1801.01290)")

typedef enum sac_algo {
#define SAC_ALGO_ENUM(id, name, discrete, meaning) SAC_ALGO_##id,
  SAC_ALGOS(SAC_ALGO_ENUM)
#undef SAC_ALGO_ENUM
      SAC_ALGO_COUNT
} sac_algo;

#define SAC_ALGO_NAME(id, name, discrete, meaning) name,
#define SAC_ALGO_NAMES \
  { SAC_ALGOS(SAC_ALGO_NAME) NULL }

#define SAC_ALGO_DISCRETE(id, name, discrete, meaning) discrete,
#define SAC_ALGO_HELP_LINE(id, name, discrete, meaning) name ": " meaning "; "

#endif
