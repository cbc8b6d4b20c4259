/* Stops agents whose losses or gradients are not finite, and names the cause. */
#include <math.h>

#include "agent/agent.h"
#include "util/error.h"
#include "util/number.h"

/* The statistics in the order of sac_update_stats, whose members are all doubles. */
static const struct {
  const char* name;
  int watched; /* 1: an agent stops where the value is not finite */
} statistics[] = {
#define STATISTIC(name, column, watched, each, over, value, tag, meaning) {#name, watched},
    SAC_STATISTICS(STATISTIC)
#undef STATISTIC
};

/* The name of the first watched statistic that is not finite; NULL if all are finite. */
static const char* first_bad_stat(const sac_update_stats* stats) {
  const double* value = (const double*)stats;
  for (int i = 0; i < SAC_STATISTIC_COUNT; i++)
    if (statistics[i].watched && !isfinite(value[i])) return statistics[i].name;
  return NULL;
}

/* Counts the tensors of agent p whose gradient has a number that is not finite. *first: the index of the first such
 * tensor; *value: the first such number in it. Called once for each agent that stops. */
static int32_t count_bad_gradients(const sac_agent* agent, int32_t p, int32_t* first, float* value) {
  int32_t bad = 0;

  /* ask a backend that has kept the answer, because a later update may overwrite the gradients */
  if (agent->backend->bad_gradients) return agent->backend->bad_gradients(agent, p, first, value);

  /* read the gradient of each trained tensor; a tensor that cannot be read does not count */
  for (int32_t i = 0; i < agent->tensors.count; i++) {
    const sac_tensor* tensor = &agent->tensors.tensor[i];
    if (tensor->slab != SAC_SLAB_TRAINED) continue;
    if (agent->backend->read(agent, SAC_MEMORY_GRAD, p, tensor->offset, agent->staging, tensor->count) != SAC_OK)
      continue;

    /* look for its first number that is not finite */
    const size_t e = sac_first_not_finite(agent->staging, tensor->count);
    if (e < tensor->count && bad++ == 0) {
      *first = i;
      *value = agent->staging[e];
    }
  }
  return bad;
}

/* The largest |reward| in the replay of agent p, for the message: large rewards are the usual cause. */
static double largest_reward(const sac_agent* agent, int32_t p) {
  /* count the rows in use, and how many rows the staging buffer holds */
  const size_t rows = (size_t)sac_replay_size(agent->counters[p].pushed, agent->shape.capacity);
  const size_t row = (size_t)agent->row.floats, fit = agent->staging_floats / row;
  double largest = 0;

  /* read many rows at a time, because they may lie on a device; an error ends the search */
  for (size_t r = 0, n = 0; r < rows; r += n) {
    n = fit < rows - r ? fit : rows - r;
    if (agent->backend->read(agent, SAC_MEMORY_REPLAY, p, r * row, agent->staging, n * row) != SAC_OK) break;
    for (size_t i = 0; i < n; i++)
      largest = fmax(largest, fabs((double)agent->staging[i * row + (size_t)agent->row.reward]));
  }
  return largest;
}

/* Fails with a message about why agent p was stopped: the statistic `stat`, and the gradients that are not finite. */
static sac_status fail_with_cause(const sac_agent* agent, int32_t p, const char* stat) {
  /* look for the cause: a gradient that is not finite, or a large reward */
  int32_t first = 0;
  float value = 0;
  const int32_t bad = count_bad_gradients(agent, p, &first, &value);
  const double reward = largest_reward(agent, p);

  /* name the first such gradient, or else the statistic */
  if (bad == 0)
    return sac_fail(SAC_ERROR_NUMERIC, "%s is not finite, no gradient is to blame (reward max %.3g)", stat, reward);
  return sac_fail(SAC_ERROR_NUMERIC, "gradient %s is %s (first of %d; reward max %.3g)",
                  agent->tensors.tensor[first].name, isnan(value) ? "NaN" : "infinite", (int)bad, reward);
}

sac_status sac_agent_check(sac_agent* agent, int32_t* stopped) {
  sac_status status = SAC_OK;
  for (int32_t p = 0; p < agent->shape.population; p++) {
    /* skip agents that are stopped already, or whose statistics are all finite */
    if (!agent->alive[p]) continue;
    const char* stat = first_bad_stat(&agent->stats[p]);
    if (!stat) continue;

    /* stop this agent; the other agents go on */
    agent->alive[p] = 0;

    /* report only the first, but go on: every bad agent must be marked as stopped before anything is saved */
    if (status != SAC_OK) continue;
    if (stopped) *stopped = p;
    status = fail_with_cause(agent, p, stat);
  }
  return status;
}
