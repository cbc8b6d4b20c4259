/* The statistics of an update (sac/statistics.h) on the CPU. */
#ifndef SAC_CPU_STATISTICS_H
#define SAC_CPU_STATISTICS_H

#include "algo/plan.h"

/* The kinds of statistics that a stage may complete, as bits: the values of `each` in SAC_STATISTICS. */
enum sac_each {
  SAC_EACH_ONCE = 1,
  SAC_EACH_CRITIC_ROW = 2,
  SAC_EACH_VALUE_ROW = 4,
  SAC_EACH_POLICY_ROW = 8, /* POLICY, ACTOR, SQUASHED and DISCRETE */
  SAC_EACH_CRITIC_GRADIENT = 16,
  SAC_EACH_ACTOR_GRADIENT = 32
};

/* The kinds that the operations of a stage complete. first: 1 for the first stage, which starts the statistics. */
unsigned sac_cpu_completed(const sac_plan* plan, sac_stage stage, int first);

#endif
