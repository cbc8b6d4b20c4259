#include "agent/agent.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/estimate.h"
#include "env/check.h"
#include "kernels/squash.h"
#include "util/error.h"
#include "util/memory.h"
#include "util/program.h"
#include "util/text.h"

/* Refuses actions of the kind that the algorithm does not take, and suggests an algorithm that takes them. */
static sac_status refuse_actions(const sac_settings* settings, const sac_env_spec* spec) {
  const char *name = sac_algo_name(settings->algo), *other = sac_algo_name(sac_algo_for(spec->actions > 0));
  if (spec->actions > 0)
    return sac_fail(SAC_ERROR_CONFIG, "%s has %d discrete actions; algo '%s' needs continuous ones: --set algo=%s",
                    settings->env_id, (int)spec->actions, name, other);
  return sac_fail(SAC_ERROR_CONFIG, "%s has continuous actions; algo '%s' needs discrete ones: --set algo=%s",
                  settings->env_id, name, other);
}

/* Checks sizes, bounds and kind of actions of an environment against the algorithm. */
static sac_status check_spec(const sac_settings* settings, const sac_env_spec* spec) {
  const sac_status status = sac_env_check_spec(settings->env_id, spec);
  if (status != SAC_OK) return status;
  if ((spec->actions > 0) != sac_algo_at(settings->algo)->discrete) return refuse_actions(settings, spec);
  if (spec->actions == 0 && settings->critics_join != SAC_JOIN_MIN)
    return sac_fail(SAC_ERROR_CONFIG, "network.critics_join = %s needs discrete actions; algo '%s' takes the minimum",
                    sac_fields[SAC_FIELD_critics_join].names[settings->critics_join], sac_algo_name(settings->algo));
  return SAC_OK;
}

sac_status sac_agent_shape(sac_shape* shape, const sac_settings* settings, const sac_env_spec* spec) {
  /* refuse an environment that this algorithm cannot use */
  memset(shape, 0, sizeof *shape);
  sac_status status = check_spec(settings, spec);
  if (status != SAC_OK) return status;

  /* set the sizes: O and A come from the environment, all others from the settings */
  shape->population = (int32_t)settings->seeds;
  shape->num_envs = (int32_t)settings->num_envs;
  shape->batch = (int32_t)settings->batch;
  shape->obs = spec->obs_size;
  shape->action = spec->action_size;
  shape->actions = spec->actions;
  shape->layers = settings->hidden.count;
  memcpy(shape->hidden, settings->hidden.size, sizeof shape->hidden);
  shape->critics = (int32_t)settings->critics;
  shape->capacity = settings->replay_capacity;
  shape->network_kind = settings->network_kind;
  return SAC_OK;
}

/* Chooses the backend and the device, and checks that they can run this agent. */
static sac_status choose_backend(sac_agent* agent) {
  /* find the backend by name, or by the estimates if `device` is auto; ordinal is the number of the device */
  int32_t ordinal;
  const sac_status status =
      sac_estimate_choose(&agent->settings, &agent->shape, &agent->backend, &ordinal, agent->device_why);
  if (status != SAC_OK) return status;

  /* name the device */
  const sac_backend* backend = agent->backend;
  if (backend->on_host) (void)snprintf(agent->device, sizeof agent->device, "%s", backend->name);
  else (void)snprintf(agent->device, sizeof agent->device, "%s:%d", backend->name, (int)ordinal);

  /* check that the backend supports the algorithm, the precision and the number of networks */
  if (!backend->path(&agent->settings))
    return sac_fail(
        SAC_ERROR_CONFIG,
        "algo '%s' with network.kind %s%s and replay.sampling %s does not run on %s ('%s info' has a table)",
        sac_algo_name(agent->settings.algo), sac_fields[SAC_FIELD_network_kind].names[agent->settings.network_kind],
        agent->settings.hidden.count == 0 ? ", network.hidden []" : "",
        sac_fields[SAC_FIELD_replay_sampling].names[agent->settings.replay_sampling], agent->device, sac_program());
  if (backend->on_host && agent->settings.precision != SAC_FP32)
    return sac_fail(SAC_ERROR_CONFIG, "precision tf32 and bf16 need a CUDA device, and none is usable here ('%s info')",
                    sac_program());
  return backend->fits ? backend->fits(agent) : SAC_OK;
}

/* Sets the parts of an agent that its memory is computed from. */
static sac_status describe(sac_agent* agent, const sac_config* config, const sac_env_spec* spec) {
  sac_status status = SAC_OK;

  /* resolve the settings and the sizes */
  SAC_TRY(sac_config_settings(config, &agent->settings));
  SAC_TRY(sac_agent_shape(&agent->shape, &agent->settings, spec));

  /* lay out the tensors of the networks, and a row of the replay */
  agent->algo = sac_algo_at(agent->settings.algo);
  SAC_TRY(sac_tensors_create(&agent->tensors, &agent->shape, agent->algo->networks, agent->algo->network_count));
  agent->row = sac_replay_layout(agent->shape.obs, agent->shape.action);

  /* choose the backend last: its estimate and its checks need all of the above */
  SAC_TRY(choose_backend(agent));
fail:
  return status;
}

/* Computes the bytes that the backend needs: for the replay, and for everything else (SIZE_MAX on overflow). */
static void measure(const sac_agent* agent, size_t* replay, size_t* rest) {
  /* ask the backend, which allocates nothing for this */
  size_t bytes[SAC_MEMORY_COUNT], scratch;
  agent->backend->size(agent, bytes, &scratch);

  /* keep the replay apart: a message suggests a capacity that fits */
  *replay = bytes[SAC_MEMORY_REPLAY];
  *rest = scratch;
  for (int m = 0; m < SAC_MEMORY_COUNT; m++)
    if (m != SAC_MEMORY_REPLAY && __builtin_add_overflow(*rest, bytes[m], rest)) *rest = SIZE_MAX;
}

sac_status sac_agent_memory(const sac_config* config, const sac_env_spec* spec, size_t* replay, size_t* rest) {
  sac_agent agent = {0};
  sac_status status = describe(&agent, config, spec);
  if (status == SAC_OK) measure(&agent, replay, rest);
  sac_tensors_free(&agent.tensors);
  return status;
}

/* Fails if the agent does not fit into memory; the message says what to lower. */
static sac_status check_memory(const sac_agent* agent) {
  size_t replay, rest, whole;

  /* compare the bytes needed with the bytes available */
  measure(agent, &replay, &rest);
  const size_t available = agent->backend->available ? agent->backend->available(agent) : sac_memory_available();
  if (__builtin_add_overflow(replay, rest, &whole)) whole = SIZE_MAX;
  if (whole < available) return SAC_OK;

  /* print both for the message */
  char needs[SAC_BYTES_MAX], ring[SAC_BYTES_MAX], has[SAC_BYTES_MAX];
  sac_text_bytes(needs, whole);
  sac_text_bytes(ring, replay);
  sac_text_bytes(has, available);

  /* suggest a capacity that fits, rounded down to 10,000 transitions, or else other keys to lower */
  const size_t row = sac_bytes(sac_bytes((size_t)agent->shape.population, (size_t)agent->row.floats), sizeof(float));
  const size_t fits = rest < available ? (available - rest) / row / 10000 * 10000 : 0;
  if (fits >= (size_t)agent->shape.batch && fits > 0)
    return sac_fail(SAC_ERROR_MEMORY, "needs %s (replay %s), %s has %s free: replay.capacity <= %zu fits", needs, ring,
                    agent->device, has, fits);
  return sac_fail(SAC_ERROR_MEMORY,
                  "needs %s (replay %s), %s has %s free: lower replay.capacity, seeds, network.hidden or replay.batch",
                  needs, ring, agent->device, has);
}

/* Allocates the arrays that an agent has on the host, whatever its backend. */
static sac_status allocate(sac_agent* agent) {
  const size_t p = (size_t)agent->shape.population, a = (size_t)agent->shape.action;

  /* size the staging buffer (floats): the largest tensor, a replay row, and at least 4096 must fit */
  size_t largest = (size_t)agent->row.floats > 4096 ? (size_t)agent->row.floats : 4096;
  for (int32_t i = 0; i < agent->tensors.count; i++)
    if (agent->tensors.tensor[i].count > largest) largest = agent->tensors.tensor[i].count;
  agent->staging_floats = largest;

  /* allocate; sac_agent_destroy frees these, also after a failure */
  agent->staging = sac_alloc(sac_bytes(largest, sizeof(float)));
  agent->action_centre = calloc(a, sizeof(float));
  agent->action_half = calloc(a, sizeof(float));
  agent->seed = calloc(p, sizeof *agent->seed);
  agent->counters = calloc(p, sizeof *agent->counters);
  agent->hold = calloc(p, sizeof *agent->hold);
  agent->fixed = calloc(p, sizeof *agent->fixed);
  agent->alive = calloc(p, sizeof *agent->alive);
  agent->stats = calloc(p, sizeof *agent->stats);
  agent->totals = calloc(p, sizeof *agent->totals);
  if (!agent->staging || !agent->action_centre || !agent->action_half || !agent->seed || !agent->counters ||
      !agent->hold || !agent->fixed || !agent->alive || !agent->stats || !agent->totals)
    return sac_fail(SAC_ERROR_MEMORY, "no memory for %zu agents", p);
  return SAC_OK;
}

/* Sets the initial values of one network of agent p, and the same values in the target that follows it (NULL: none).
 * The random number of an element depends on the seed and on its place in the slab alone (stream INIT). */
static sac_status init_net(sac_agent* agent, int32_t p, const sac_net* net, const sac_net* target) {
  float* x = agent->staging;
  sac_status status = SAC_OK;
  for (int32_t i = 0; i < net->count; i++) {
    const sac_layer* layer = &net->layer[i];
    const sac_layer_type* type = &sac_layer_types[layer->kind];
    for (int32_t t = 0; t < type->tensors; t++) {
      /* fill the tensor on the host: a weight is (out, in), a bias (out) */
      const size_t columns = type->tensor[t].rank > 1 ? (size_t)layer->in : 1, count = (size_t)layer->out * columns;
      type->fill(layer, t, agent->seed[p], layer->tensor[t], count, x);

      /* write it to the network, and to its target */
      SAC_TRY(agent->backend->write(agent, SAC_MEMORY_WEIGHTS, p, layer->tensor[t], x, count));
      if (target) SAC_TRY(agent->backend->write(agent, SAC_MEMORY_TARGET, p, target->layer[i].tensor[t], x, count));
    }
  }
fail:
  return status;
}

/* The group of targets that follows a trained group; SAC_GROUP_COUNT if there is none. */
static int target_of(const sac_tensors* t, int group) {
  for (int target = 0; target < SAC_GROUP_COUNT; target++)
    if (t->nets[target] > 0 && sac_group_is_target((sac_group)target) && (int)t->target_of[target] == group)
      return target;
  return SAC_GROUP_COUNT;
}

/* Sets the initial value of every tensor of agent p. */
static sac_status init_agent(sac_agent* agent, int32_t p) {
  const sac_tensors* t = &agent->tensors;
  sac_status status = SAC_OK;

  /* initialise each trained network together with its target */
  for (int group = 0; group < SAC_GROUP_COUNT; group++) {
    if (sac_group_is_target((sac_group)group)) continue;
    const int target = target_of(t, group);
    for (int32_t n = 0; n < t->nets[group]; n++)
      SAC_TRY(init_net(agent, p, &t->net[group][n], target < SAC_GROUP_COUNT ? &t->net[target][n] : NULL));
  }

  /* start the temperature at alpha.initial; its logarithm is what is trained */
  const float log_alpha = (float)log(agent->settings.alpha_initial);
  SAC_TRY(agent->backend->write(agent, SAC_MEMORY_WEIGHTS, p, t->log_alpha, &log_alpha, 1));
fail:
  return status;
}

/* Copies what an agent needs to know about its environment. */
static void set_spec(sac_agent* agent, const sac_env_spec* spec) {
  /* compute the scaling of actions; discrete actions are not scaled */
  for (int32_t i = 0; i < spec->action_size; i++) {
    const double low = spec->actions ? -1 : (double)spec->action_low[i],
                 high = spec->actions ? 1 : (double)spec->action_high[i];
    agent->action_centre[i] = sac_action_centre(low, high);
    agent->action_half[i] = sac_action_half_range(low, high);
  }

  /* copy the time limit; set the target entropy (nats) */
  agent->max_episode_steps = spec->max_episode_steps;
  agent->target_entropy =
      sac_auto(agent->settings.target_entropy, agent->algo->target_entropy(&agent->settings, &agent->shape));
}

sac_status sac_agent_create(sac_agent** out, const sac_config* config, const sac_env_spec* spec) {
  /* refuse missing arguments; *out is NULL after any error */
  if (!out) return sac_fail(SAC_ERROR_ARGUMENT, "sac_agent_create: agent is NULL");
  *out = NULL;
  if (!config || !spec) return sac_fail(SAC_ERROR_ARGUMENT, "sac_agent_create: config or spec is NULL");
  sac_status status = SAC_OK;

  /* choose the device, check that the agent fits there, and allocate what lies on the host */
  sac_agent* agent = calloc(1, sizeof *agent);
  if (!agent) return sac_fail(SAC_ERROR_MEMORY, "no memory for an agent");
  SAC_TRY(describe(agent, config, spec));
  SAC_TRY(check_memory(agent));
  SAC_TRY(sac_config_copy(&agent->config, config));
  SAC_TRY(allocate(agent));

  /* set the state on the host; agent p has the seed of the first one plus p */
  set_spec(agent, spec);
  agent->capacity = agent->shape.capacity;
  for (int32_t p = 0; p < agent->shape.population; p++) {
    agent->seed[p] = (uint64_t)agent->settings.seed + (uint64_t)p;
    agent->alive[p] = 1;
  }

  /* allocate on the device and set the initial weights */
  SAC_TRY(agent->backend->create(agent));
  for (int32_t p = 0; p < agent->shape.population; p++) SAC_TRY(init_agent(agent, p));
  *out = agent;
  return sac_succeed();
fail:
  sac_agent_destroy(agent);
  return status;
}

void sac_agent_destroy(sac_agent* agent) {
  if (!agent) return;

  /* free what the backend allocated; the agent may be half-built */
  if (agent->backend) agent->backend->destroy(agent);

  /* free what lies on the host */
  sac_tensors_free(&agent->tensors);
  sac_config_destroy(agent->config);
  sac_free(agent->staging);
  free(agent->action_centre);
  free(agent->action_half);
  free(agent->seed);
  free(agent->counters);
  free(agent->hold);
  free(agent->fixed);
  free(agent->alive);
  free(agent->stats);
  free(agent->totals);
  free(agent);
}

/* Copies a slab of all agents. The agents may lie on different devices, so the numbers pass through the host. */
static sac_status copy_slab(sac_agent* to, const sac_agent* from, sac_memory memory, sac_slab slab) {
  const size_t floats = from->tensors.floats[slab];
  sac_status status = SAC_OK;

  /* copy the part of each agent, as much at a time as the staging buffer of `to` holds */
  for (int32_t p = 0; p < from->shape.population; p++)
    for (size_t done = 0, n; done < floats; done += n) {
      n = floats - done < to->staging_floats ? floats - done : to->staging_floats;
      SAC_TRY(from->backend->read(from, memory, p, done, to->staging, n));
      SAC_TRY(to->backend->write(to, memory, p, done, to->staging, n));
    }
fail:
  return status;
}

sac_status sac_agent_copy(sac_agent* to, const sac_agent* from) {
  const size_t population = (size_t)from->shape.population;
  sac_status status = SAC_OK;

  /* copy the tensors */
  SAC_TRY(copy_slab(to, from, SAC_MEMORY_WEIGHTS, SAC_SLAB_TRAINED));
  SAC_TRY(copy_slab(to, from, SAC_MEMORY_ADAM_M, SAC_SLAB_TRAINED));
  SAC_TRY(copy_slab(to, from, SAC_MEMORY_ADAM_V, SAC_SLAB_TRAINED));
  SAC_TRY(copy_slab(to, from, SAC_MEMORY_TARGET, SAC_SLAB_TARGET));

  /* copy the state on the host */
  to->capacity = from->capacity;
  memcpy(to->seed, from->seed, population * sizeof *to->seed);
  memcpy(to->counters, from->counters, population * sizeof *to->counters);
  memcpy(to->alive, from->alive, population * sizeof *to->alive);
  memcpy(to->stats, from->stats, population * sizeof *to->stats);
  memcpy(to->totals, from->totals, population * sizeof *to->totals);

  /* pass the state on to a backend that keeps its own copy of it */
  if (to->backend->state_set) SAC_TRY(to->backend->state_set(to));
fail:
  return status;
}
