/* The public functions that use an agent: act, push, update, statistics and tensors. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "agent/agent.h"
#include "agent/update.h"
#include "kernels/discrete.h"
#include "kernels/squash.h"
#include "util/error.h"
#include "util/number.h"

void sac_agent_sizes(const sac_agent* agent, int32_t* population, int32_t* obs, int32_t* action, int32_t* batch) {
  static const sac_shape none = {0};
  const sac_shape* shape = agent ? &agent->shape : &none;
  if (population) *population = shape->population;
  if (obs) *obs = shape->obs;
  if (action) *action = shape->action;
  if (batch) *batch = shape->batch;
}

/* Checks that all values of an array (rows, size) are finite. Errors: NUMERIC (names the first that is not). */
static sac_status check_finite(const char* function, const char* array, const float* value, size_t rows, size_t size) {
  if (sac_all_finite(value, rows * size)) return SAC_OK;
  const size_t bad = sac_first_not_finite(value, rows * size);
  return sac_fail(SAC_ERROR_NUMERIC, "%s: %s is %g in row %zu, place %zu", function, array, (double)value[bad],
                  bad / size, bad % size);
}

sac_status sac_agent_act(sac_agent* agent, int32_t n, const float* obs, const float* noise, int deterministic,
                         float* action, float* log_prob) {
  if (!agent || !obs || !action) return sac_fail(SAC_ERROR_ARGUMENT, "sac_agent_act: agent, obs or action is NULL");
  if (n < 1) return sac_fail(SAC_ERROR_ARGUMENT, "sac_agent_act: n is %d, must be at least 1", (int)n);

  /* refuse what has no action; noise is read only to sample */
  const size_t a = (size_t)agent->shape.action, rows = (size_t)agent->shape.population * (size_t)n;
  sac_status status = check_finite("sac_agent_act", "obs", obs, rows, (size_t)agent->shape.obs);
  if (status == SAC_OK && noise && !deterministic) status = check_finite("sac_agent_act", "noise", noise, rows, a);
  for (size_t i = 0; status == SAC_OK && noise && !deterministic && agent->algo->discrete && i < rows; i++)
    if (!(noise[i] >= 0 && noise[i] <= 1))
      status = sac_fail(SAC_ERROR_NUMERIC,
                        "sac_agent_act: noise %g in row %zu is outside [0, 1]: discrete actions take "
                        "uniform noise",
                        (double)noise[i], i);
  if (status != SAC_OK) return status;

  /* compute actions in [-1, 1] */
  const sac_act act = {.n = n,
                       .mode = deterministic ? SAC_ACT_MEAN : SAC_ACT_SAMPLE,
                       .obs = obs,
                       .noise = noise,
                       .action = action,
                       .log_prob = log_prob};
  status = agent->backend->act(agent, &act);
  if (status != SAC_OK) return status;

  /* finite weights and observations may still be so large that an activation is not finite */
  if (!sac_all_finite(action, rows * a))
    return sac_fail(SAC_ERROR_NUMERIC, "sac_agent_act: an action is not finite: weights or observations are too large");

  /* scale the actions (P, n, A) to the environment's units; log_prob stays that of the action before scaling */
  for (size_t r = 0; r < rows; r++)
    for (size_t i = 0; i < a; i++)
      action[r * a + i] = sac_action_scale(action[r * a + i], agent->action_centre[i], agent->action_half[i]);
  return sac_succeed();
}

/* Checks the number of a discrete action. Errors: NUMERIC (not finite), ARGUMENT. */
static sac_status check_number(const sac_agent* agent, const char* function, float value, size_t row) {
  const int32_t actions = agent->shape.actions;
  if (sac_action_exists(value, actions)) return SAC_OK;
  return sac_fail(isfinite(value) ? SAC_ERROR_ARGUMENT : SAC_ERROR_NUMERIC,
                  "%s: action %.9g in row %zu is no number of an action: 0 to %d are", function, (double)value, row,
                  (int)actions - 1);
}

/* Checks component `at` of actions (rows, A), which are in the policy's units or in the environment's. It may be
 * outside by the rounding of a value that was computed from the other units. Errors: NUMERIC (not finite), ARGUMENT. */
static sac_status check_component(const sac_agent* agent, const char* function, float value, size_t at, int in_units) {
  const size_t a = (size_t)agent->shape.action, row = at / a, i = at % a;
  if (agent->shape.actions > 0) return check_number(agent, function, value, row);
  const float centre = agent->action_centre[i], half = agent->action_half[i];
  const float unit = in_units ? value : sac_action_unscale(value, centre, half);
  if (sac_abs(unit) <= 1 + sac_action_rounding(centre, half)) return SAC_OK;

  /* say what is wrong, and which values are right */
  if (!isfinite(value))
    return sac_fail(SAC_ERROR_NUMERIC, "%s: action is %g in row %zu, component %zu", function, (double)value, row, i);
  if (in_units)
    return sac_fail(SAC_ERROR_ARGUMENT,
                    "%s: action %.9g in row %zu, component %zu, is outside [-1, 1]; sac_agent_action_to_unit makes it "
                    "from one in the environment's units",
                    function, (double)value, row, i);
  return sac_fail(SAC_ERROR_ARGUMENT, "%s: action %.9g in row %zu, component %zu, is outside its bounds [%.9g, %.9g]",
                  function, (double)value, row, i, (double)sac_action_scale(-1, centre, half),
                  (double)sac_action_scale(1, centre, half));
}

/* An action component in the policy's units from one in the environment's. The ends of the range, and what is beyond
 * them by a rounding, become -1 and 1. */
static float to_unit(float value, float centre, float half) {
  const float inside = sac_clamp(sac_action_unscale(value, centre, half), -1, 1);
  return value >= sac_action_scale(1, centre, half) ? 1 : value <= sac_action_scale(-1, centre, half) ? -1 : inside;
}

/* The same back. */
static float from_unit(float unit, float centre, float half) {
  return sac_action_scale(sac_clamp(unit, -1, 1), centre, half);
}

/* Scales n actions, from (n, A) to (n, A), with one of the two functions above. in_units: `from` is in the policy's
 * units. */
static sac_status scale_actions(const sac_agent* agent, const char* function, int32_t n, const float* from, float* to,
                                float (*scale)(float value, float centre, float half), int in_units) {
  if (!agent || !from || !to) return sac_fail(SAC_ERROR_ARGUMENT, "%s: agent, action or unit is NULL", function);
  if (n < 1) return sac_fail(SAC_ERROR_ARGUMENT, "%s: n is %d, must be at least 1", function, (int)n);
  const size_t a = (size_t)agent->shape.action, count = (size_t)n * a;
  sac_status status = SAC_OK;

  /* check all of them first: both arrays may be the same */
  for (size_t at = 0; at < count; at++) SAC_TRY(check_component(agent, function, from[at], at, in_units));
  for (size_t at = 0; at < count; at++)
    to[at] =
        agent->shape.actions ? from[at] : scale(from[at], agent->action_centre[at % a], agent->action_half[at % a]);
  return sac_succeed();
fail:
  return status;
}

sac_status sac_agent_action_to_unit(const sac_agent* agent, int32_t n, const float* action, float* unit) {
  return scale_actions(agent, "sac_agent_action_to_unit", n, action, unit, to_unit, 0);
}

sac_status sac_agent_action_from_unit(const sac_agent* agent, int32_t n, const float* unit, float* action) {
  return scale_actions(agent, "sac_agent_action_from_unit", n, unit, action, from_unit, 1);
}

sac_status sac_agent_push(sac_agent* agent, const sac_transitions* t) {
  if (!agent || !t) return sac_fail(SAC_ERROR_ARGUMENT, "sac_agent_push: agent or transitions is NULL");
  if (t->n < 1) return sac_fail(SAC_ERROR_ARGUMENT, "sac_agent_push: n is %d, must be at least 1", (int)t->n);
  if (!t->obs || !t->action || !t->reward || !t->terminated || !t->truncated || !t->next_obs)
    return sac_fail(SAC_ERROR_ARGUMENT, "sac_agent_push: an array of the transitions is NULL");

  /* check that all values are finite: one NaN in the replay would stop the agent sooner or later */
  const size_t rows = (size_t)agent->shape.population * (size_t)t->n, o = (size_t)agent->shape.obs,
               a = (size_t)agent->shape.action;
  sac_status status = SAC_OK;
  SAC_TRY(check_finite("sac_agent_push", "obs", t->obs, rows, o));
  SAC_TRY(check_finite("sac_agent_push", "reward", t->reward, rows, 1));
  SAC_TRY(check_finite("sac_agent_push", "next_obs", t->next_obs, rows, o));

  /* check that actions are those before scaling, and that ends of episodes are 0 or 1 */
  for (size_t i = 0; i < rows * a; i++)
    if (agent->shape.actions || !(t->action[i] >= -1 && t->action[i] <= 1))
      SAC_TRY(check_component(agent, "sac_agent_push", t->action[i], i, 1));
  for (size_t i = 0; i < rows; i++)
    if (t->terminated[i] > 1 || t->truncated[i] > 1)
      return sac_fail(SAC_ERROR_ARGUMENT, "sac_agent_push: %s is %u in row %zu, must be 0 or 1",
                      t->terminated[i] > 1 ? "terminated" : "truncated",
                      (unsigned)(t->terminated[i] > 1 ? t->terminated[i] : t->truncated[i]), i);

  /* push; the backend clamps actions that are beyond 1 by a rounding */
  SAC_TRY(agent->backend->replay_push(agent, t, NULL));
  return sac_succeed();
fail:
  return status;
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
  if (updates == 0) return sac_succeed();
  SAC_TRY(sac_settle(agent, NULL));
  SAC_TRY(sac_agent_check(agent, NULL));
  return sac_succeed();
fail:
  return status;
}

sac_status sac_agent_update_with(sac_agent* agent, const sac_minibatch* minibatch, const sac_noise* noise,
                                 sac_update_stats* stats) {
  if (!agent || !minibatch) return sac_fail(SAC_ERROR_ARGUMENT, "sac_agent_update_with: an argument is NULL");

  /* check the arrays; noise is needed only where the algorithm samples actions */
  if (!minibatch->obs || !minibatch->action || !minibatch->reward || !minibatch->terminated || !minibatch->next_obs)
    return sac_fail(SAC_ERROR_ARGUMENT, "sac_agent_update_with: an array of the minibatch is NULL");
  if ((sac_algo_samples(agent->algo, SAC_POLICY) && (!noise || !noise->action)) ||
      (sac_algo_samples(agent->algo, SAC_NEXT) && !noise->next_action))
    return sac_fail(SAC_ERROR_ARGUMENT, "sac_agent_update_with: noise, or an array of it, is NULL");

  /* make one update with the given minibatch and noise; they replace stage replay sample */
  sac_status status = SAC_OK;
  for (size_t i = 0; agent->algo->discrete && i < (size_t)agent->shape.population * (size_t)agent->shape.batch; i++)
    SAC_TRY(check_number(agent, "sac_agent_update_with", minibatch->action[i], i));
  SAC_TRY(check_alive(agent));
  SAC_TRY(agent->backend->minibatch_set(agent, minibatch, noise));
  SAC_TRY(sac_update_stages(agent, SAC_STAGE_CRITIC_UPDATE));

  /* wait for the results and check them */
  SAC_TRY(sac_settle(agent, NULL));
  if (stats) memcpy(stats, agent->stats, (size_t)agent->shape.population * sizeof *stats);
  SAC_TRY(sac_agent_check(agent, NULL));
  return sac_succeed();
fail:
  return status;
}

sac_status sac_agent_stats(const sac_agent* agent, sac_update_stats* stats) {
  if (!agent || !stats) return sac_fail(SAC_ERROR_ARGUMENT, "sac_agent_stats: an argument is NULL");
  if (agent->counters[0].updates == 0) return sac_fail(SAC_ERROR_ARGUMENT, "sac_agent_stats: no update was made yet");
  memcpy(stats, agent->stats, (size_t)agent->shape.population * sizeof *stats);
  return sac_succeed();
}

int32_t sac_agent_tensor_count(const sac_agent* agent) { return agent ? agent->tensors.count : 0; }

sac_status sac_agent_tensor_info(const sac_agent* agent, int32_t index, sac_tensor_info* info) {
  if (!agent || !info) return sac_fail(SAC_ERROR_ARGUMENT, "sac_agent_tensor_info: an argument is NULL");
  if (index < 0 || index >= agent->tensors.count)
    return sac_fail(SAC_ERROR_ARGUMENT, "tensor %d: there are %d", (int)index, (int)agent->tensors.count);
  const sac_tensor* t = &agent->tensors.tensor[index];
  *info = (sac_tensor_info){t->name, t->rank, {t->dims[0], t->dims[1]}, t->slab == SAC_SLAB_TRAINED};
  return sac_succeed();
}

/* Finds the tensor "NAME", "grad/NAME", "adam_m/NAME" or "adam_v/NAME", and the memory that it is in. Checks that
 * `count` is the number of floats of all P agents together. */
static sac_status find(const sac_agent* agent, const char* name, size_t count, const sac_tensor** tensor,
                       sac_memory* memory) {
  static const struct {
    const char* prefix;
    sac_memory memory;
  } kinds[] = {{"grad/", SAC_MEMORY_GRAD}, {"adam_m/", SAC_MEMORY_ADAM_M}, {"adam_v/", SAC_MEMORY_ADAM_V}};
  if (!agent || !name) return sac_fail(SAC_ERROR_ARGUMENT, "agent or name of a tensor is NULL");

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
  return sac_succeed();
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
  return sac_succeed();
fail:
  return status;
}
