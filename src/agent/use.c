/* The public functions that use an agent: act, push, update, statistics and tensors. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "agent/agent.h"
#include "agent/update.h"
#include "kernels/squash.h"
#include "util/error.h"
#include "util/number.h"

void sac_agent_sizes(const sac_agent* agent, int32_t* population, int32_t* obs, int32_t* action, int32_t* batch) {
  if (population) *population = agent->shape.population;
  if (obs) *obs = agent->shape.obs;
  if (action) *action = agent->shape.action;
  if (batch) *batch = agent->shape.batch;
}

sac_status sac_agent_act(sac_agent* agent, int32_t n, const float* obs, const float* noise, int deterministic,
                         float* action, float* log_prob) {
  if (!agent || !obs || !action) return sac_fail(SAC_ERROR_ARGUMENT, "sac_agent_act: agent, obs or action is NULL");
  if (n < 1) return sac_fail(SAC_ERROR_ARGUMENT, "sac_agent_act: n is %d, must be at least 1", (int)n);

  /* compute actions in [-1, 1] */
  const sac_act act = {.n = n,
                       .mode = deterministic ? SAC_ACT_MEAN : SAC_ACT_SAMPLE,
                       .obs = obs,
                       .noise = noise,
                       .action = action,
                       .log_prob = log_prob};
  const sac_status status = agent->backend->act(agent, &act);
  if (status != SAC_OK) return status;

  /* scale the actions (P, n, A) to the environment's units; log_prob stays that of the action before scaling */
  const size_t a = (size_t)agent->shape.action, rows = (size_t)agent->shape.population * (size_t)n;
  for (size_t r = 0; r < rows; r++)
    for (size_t i = 0; i < a; i++)
      action[r * a + i] = sac_action_scale(action[r * a + i], agent->action_centre[i], agent->action_half[i]);
  return SAC_OK;
}

sac_status sac_agent_push(sac_agent* agent, const sac_transitions* t) {
  if (!agent || !t) return sac_fail(SAC_ERROR_ARGUMENT, "sac_agent_push: agent or transitions is NULL");
  if (t->n < 1) return sac_fail(SAC_ERROR_ARGUMENT, "sac_agent_push: n is %d, must be at least 1", (int)t->n);
  if (!t->obs || !t->action || !t->reward || !t->terminated || !t->truncated || !t->next_obs)
    return sac_fail(SAC_ERROR_ARGUMENT, "sac_agent_push: an array of the transitions is NULL");

  /* check that all values are finite: one NaN in the replay would stop the agent sooner or later */
  const size_t rows = (size_t)agent->shape.population * (size_t)t->n, o = (size_t)agent->shape.obs,
               a = (size_t)agent->shape.action;
  if (!sac_all_finite(t->obs, rows * o))
    return sac_fail(SAC_ERROR_NUMERIC, "sac_agent_push: obs has a value that is not finite");
  if (!sac_all_finite(t->reward, rows))
    return sac_fail(SAC_ERROR_NUMERIC, "sac_agent_push: reward has a value that is not finite");
  if (!sac_all_finite(t->next_obs, rows * o))
    return sac_fail(SAC_ERROR_NUMERIC, "sac_agent_push: next_obs has a value that is not finite");

  /* check that actions are those before scaling; the comparison is false for NaN */
  for (size_t i = 0; i < rows * a; i++)
    if (!(t->action[i] >= -1 && t->action[i] <= 1))
      return sac_fail(SAC_ERROR_NUMERIC, "sac_agent_push: action %g is outside [-1, 1] (push actions before scaling)",
                      (double)t->action[i]);

  /* push */
  return agent->backend->replay_push(agent, t, NULL);
}

/* Fails if all agents were stopped. Without this check an update would do nothing and return OK. */
static sac_status check_alive(const sac_agent* agent) {
  for (int32_t p = 0; p < agent->shape.population; p++)
    if (agent->alive[p]) return SAC_OK;
  return sac_fail(SAC_ERROR_NUMERIC,
                  "the agent was stopped by a value that is not finite: load its last good state, or create it anew");
}

sac_status sac_agent_update(sac_agent* agent, int32_t updates) {
  if (!agent) return sac_fail(SAC_ERROR_ARGUMENT, "sac_agent_update: agent is NULL");
  if (updates < 0)
    return sac_fail(SAC_ERROR_ARGUMENT, "sac_agent_update: updates is %d, must not be negative", (int)updates);

  /* check that there is an agent to update and something to sample */
  sac_status status = check_alive(agent);
  if (status != SAC_OK) return status;
  for (int32_t p = 0; p < agent->shape.population; p++)
    if (agent->alive[p] && agent->counters[p].pushed == 0)
      return sac_fail(SAC_ERROR_ARGUMENT, "sac_agent_update: the replay is empty, push transitions first");

  /* update, wait for the results and check them */
  SAC_TRY(sac_update(agent, updates));
  if (updates == 0) return SAC_OK;
  SAC_TRY(sac_settle(agent, NULL));
  return sac_agent_check(agent, NULL);
fail:
  return status;
}

sac_status sac_agent_update_with(sac_agent* agent, const sac_minibatch* minibatch, const sac_noise* noise,
                                 sac_update_stats* stats) {
  if (!agent || !minibatch || !noise) return sac_fail(SAC_ERROR_ARGUMENT, "sac_agent_update_with: an argument is NULL");

  /* check the arrays; next_action is needed only if the algorithm samples actions at s' */
  if (!minibatch->obs || !minibatch->action || !minibatch->reward || !minibatch->terminated || !minibatch->next_obs)
    return sac_fail(SAC_ERROR_ARGUMENT, "sac_agent_update_with: an array of the minibatch is NULL");
  if (!noise->action || (!noise->next_action && sac_algo_samples(agent->algo, SAC_NEXT)))
    return sac_fail(SAC_ERROR_ARGUMENT, "sac_agent_update_with: an array of the noise is NULL");

  /* make one update with the given minibatch and noise; they replace stage replay sample */
  sac_status status = SAC_OK;
  SAC_TRY(check_alive(agent));
  SAC_TRY(agent->backend->minibatch_set(agent, minibatch, noise));
  SAC_TRY(sac_update_stages(agent, SAC_STAGE_CRITIC_UPDATE));

  /* wait for the results and check them */
  SAC_TRY(sac_settle(agent, NULL));
  if (stats) memcpy(stats, agent->stats, (size_t)agent->shape.population * sizeof *stats);
  return sac_agent_check(agent, NULL);
fail:
  return status;
}

sac_status sac_agent_stats(const sac_agent* agent, sac_update_stats* stats) {
  if (!agent || !stats) return sac_fail(SAC_ERROR_ARGUMENT, "sac_agent_stats: an argument is NULL");
  if (agent->counters[0].updates == 0) return sac_fail(SAC_ERROR_ARGUMENT, "sac_agent_stats: no update was made yet");
  memcpy(stats, agent->stats, (size_t)agent->shape.population * sizeof *stats);
  return SAC_OK;
}

int32_t sac_agent_tensor_count(const sac_agent* agent) { return agent ? agent->tensors.count : 0; }

sac_status sac_agent_tensor_info(const sac_agent* agent, int32_t index, sac_tensor_info* info) {
  if (!agent || !info) return sac_fail(SAC_ERROR_ARGUMENT, "sac_agent_tensor_info: an argument is NULL");
  if (index < 0 || index >= agent->tensors.count)
    return sac_fail(SAC_ERROR_ARGUMENT, "tensor %d: there are %d", (int)index, (int)agent->tensors.count);
  const sac_tensor* t = &agent->tensors.tensor[index];
  *info = (sac_tensor_info){t->name, t->rank, {t->dims[0], t->dims[1]}, t->slab == SAC_SLAB_TRAINED};
  return SAC_OK;
}

/* Finds the tensor "NAME", "grad/NAME", "adam_m/NAME" or "adam_v/NAME", and the memory that it is in. Checks that
 * `count` is the number of floats of all P agents together. */
static sac_status find(const sac_agent* agent, const char* name, size_t count, const sac_tensor** tensor,
                       sac_memory* memory) {
  static const struct {
    const char* prefix;
    sac_memory memory;
  } kinds[] = {{"grad/", SAC_MEMORY_GRAD}, {"adam_m/", SAC_MEMORY_ADAM_M}, {"adam_v/", SAC_MEMORY_ADAM_V}};
  if (!agent || !name) return sac_fail(SAC_ERROR_ARGUMENT, "agent or tensor name is NULL");

  /* split off the prefix, which names the memory */
  const char* base = name;
  *memory = SAC_MEMORY_WEIGHTS;
  for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
    const size_t length = strlen(kinds[i].prefix);
    if (strncmp(name, kinds[i].prefix, length) != 0) continue;
    base = name + length;
    *memory = kinds[i].memory;
  }

  /* find the tensor; only trained ones have gradients and moments */
  *tensor = sac_tensors_find(&agent->tensors, base);
  if (!*tensor || (base != name && (*tensor)->slab != SAC_SLAB_TRAINED))
    return sac_fail(SAC_ERROR_ARGUMENT, "no tensor '%s' (sac_agent_tensor_info lists them)", name);
  if ((*tensor)->slab == SAC_SLAB_TARGET) *memory = SAC_MEMORY_TARGET;

  /* check the size */
  const size_t wanted = (*tensor)->count * (size_t)agent->shape.population;
  if (count != wanted) return sac_fail(SAC_ERROR_SHAPE, "tensor '%s' has %zu floats, not %zu", name, wanted, count);
  return SAC_OK;
}

sac_status sac_agent_tensor_get(const sac_agent* agent, const char* name, float* data, size_t count) {
  const sac_tensor* tensor;
  sac_memory memory;
  sac_status status = SAC_OK;
  SAC_TRY(find(agent, name, count, &tensor, &memory));
  if (!data) return sac_fail(SAC_ERROR_ARGUMENT, "sac_agent_tensor_get: data is NULL");

  /* copy from the part of each agent; data is (P, ...) */
  for (int32_t p = 0; p < agent->shape.population; p++)
    SAC_TRY(agent->backend->read(agent, memory, p, tensor->offset, data + (size_t)p * tensor->count, tensor->count));
fail:
  return status;
}

sac_status sac_agent_tensor_set(sac_agent* agent, const char* name, const float* data, size_t count) {
  const sac_tensor* tensor;
  sac_memory memory;
  sac_status status = SAC_OK;
  SAC_TRY(find(agent, name, count, &tensor, &memory));
  if (!data) return sac_fail(SAC_ERROR_ARGUMENT, "sac_agent_tensor_set: data is NULL");

  /* refuse values that would stop the agent at its next update */
  if (!sac_all_finite(data, count))
    return sac_fail(SAC_ERROR_NUMERIC, "sac_agent_tensor_set: '%s' has a value that is not finite", name);

  /* copy to the part of each agent; data is (P, ...) */
  for (int32_t p = 0; p < agent->shape.population; p++)
    SAC_TRY(agent->backend->write(agent, memory, p, tensor->offset, data + (size_t)p * tensor->count, tensor->count));
fail:
  return status;
}
