#include "agent/export.h"

#include <string.h>

#include <sac/sac.h>

#include "agent/file.h"
#include "config/sources.h"
#include "formats/safetensors.h"
#include "policy/policy.h"
#include "util/error.h"
#include "util/number.h"

/* The agent p whose actor is written. The file has the actor's tensors, then the two tensors of the action scaling. */
typedef struct policy_list {
  const sac_agent* agent;
  int32_t p;
} policy_list;

/* The n-th tensor of the actor; NULL after the last. */
static const sac_tensor* actor_tensor(const sac_agent* agent, int32_t n) {
  for (int32_t i = 0; i < agent->tensors.count; i++)
    if (strncmp(agent->tensors.tensor[i].name, "actor.", 6) == 0 && n-- == 0) return &agent->tensors.tensor[i];
  return NULL;
}

/* The number of tensors of the actor. */
static int32_t actor_count(const sac_agent* agent) {
  int32_t count = 0;
  while (actor_tensor(agent, count)) count++;
  return count;
}

/* Whether libsac_policy evaluates the actor's layers. */
static int policy_evaluates(const sac_agent* agent) {
  return sac_network_is_mlp(agent->shape.network_kind, agent->shape.hidden, agent->shape.layers);
}

/* Gives name, type and dimensions of tensor i of the file. */
static void describe(void* user, int32_t i, sac_file_tensor* out) {
  const sac_agent* agent = ((policy_list*)user)->agent;
  const sac_tensor* tensor = actor_tensor(agent, i);
  memset(out, 0, sizeof *out);
  out->dtype = SAC_F32;

  /* the actor's tensors come first; centre and half range (A) of the actions follow */
  if (tensor) {
    out->name = tensor->name;
    out->rank = tensor->rank;
    for (int32_t d = 0; d < tensor->rank; d++) out->dims[d] = tensor->dims[d];
  } else {
    out->name = i == actor_count(agent) ? "action.centre" : "action.half_range";
    out->rank = 1;
    out->dims[0] = agent->shape.action;
  }

  /* the bytes follow from type and dimensions */
  out->bytes = sac_tensor_bytes(out);
}

/* Writes the data of tensor i of the file. */
static sac_status write_tensor(void* user, int32_t i, sac_file* file) {
  const policy_list* list = user;
  const sac_agent* agent = list->agent;
  const sac_tensor* tensor = actor_tensor(agent, i);

  /* write a tensor; a policy that gives NaN is of no use */
  if (tensor) return sac_agent_write_tensor(agent, list->p, SAC_MEMORY_WEIGHTS, tensor, "", 0, file);

  /* write the scaling */
  return sac_file_put(file, i == actor_count(agent) ? agent->action_centre : agent->action_half,
                      (size_t)agent->shape.action * sizeof(float));
}

sac_status sac_policy_write(const sac_agent* agent, int32_t p, const char* spaces, const char* path) {
  char obs[SAC_NUMBER_MAX], action[SAC_NUMBER_MAX], low[SAC_NUMBER_MAX], high[SAC_NUMBER_MAX];
  char hidden[SAC_LAYERS_MAX * 8] = "";
  size_t used = 0;

  /* print the numbers of the metadata */
  sac_widths_append(hidden, sizeof hidden, &used, agent->shape.hidden, agent->shape.layers, ",");
  (void)sac_print_integer(obs, agent->shape.obs);
  (void)sac_print_integer(action, agent->shape.action);
  (void)sac_print_real(low, agent->settings.log_std_min);
  (void)sac_print_real(high, agent->settings.log_std_max);

  /* list the metadata: what a reader needs to build the network and to know the environment */
  const sac_metadata metadata[] = {
      /* libsac_policy refuses a format that it does not know */
      {"format", policy_evaluates(agent) ? SAC_POLICY_FORMAT_NAME : SAC_POLICY_FORMATS "other-layers"},
      {"version", SAC_VERSION},
      {"env", agent->settings.env_id},
      {"env.options", agent->config->settings.env_options},
      {"obs", obs},
      {"act", action},
      {"hidden", hidden},
      {"log_std_min", low},
      {"log_std_max", high},
      {"spaces", spaces}, /* the last, because it may be missing */
  };
  const int32_t count = (int32_t)(sizeof metadata / sizeof *metadata) - (spaces ? 0 : 1);

  /* write the file, tensor by tensor */
  policy_list list = {agent, p};
  const sac_tensor_source source = {&list, actor_count(agent) + 2, describe, write_tensor};
  return sac_safetensors_stream(path, &source, metadata, count);
}

/* Reads `count` weights of agent 0 to the staging buffer. Errors: NUMERIC (one is not finite), DEVICE. */
static sac_status read_weights(const sac_agent* agent, size_t offset, size_t count) {
  const sac_status status = agent->backend->read(agent, SAC_MEMORY_WEIGHTS, 0, offset, agent->staging, count);
  if (status != SAC_OK || sac_all_finite(agent->staging, count)) return status;
  return sac_fail(SAC_ERROR_NUMERIC, "sac_agent_policy: a weight of the actor is not finite; the policy stays");
}

/* Checks a layer of the actor, and copies it to `policy` if there is one, as much at a time as the staging buffer
 * holds. size: O, then the widths of the layers. */
static sac_status take_layer(const sac_agent* agent, int32_t l, const int32_t* size, sac_policy* policy) {
  const sac_net* net = &agent->tensors.net[SAC_ACTOR][0];
  const size_t count = (size_t)size[l] * (size_t)size[l + 1];
  sac_status status = SAC_OK;
  for (size_t done = 0, n; done < count; done += n) {
    n = count - done < agent->staging_floats ? count - done : agent->staging_floats;
    SAC_TRY(read_weights(agent, net->weight[l] + done, n));
    if (policy) sac_policy_set_weights(policy, l, done, n, agent->staging);
  }
  SAC_TRY(read_weights(agent, net->bias[l], (size_t)size[l + 1]));
  if (policy) sac_policy_set_biases(policy, l, agent->staging);
fail:
  return status;
}

sac_status sac_agent_policy(const sac_agent* agent, sac_policy* policy) {
  int32_t size[SAC_POLICY_LAYERS_MAX + 1];
  sac_status status = SAC_OK;
  if (!agent || !policy) return sac_fail(SAC_ERROR_ARGUMENT, "sac_agent_policy: agent or policy is NULL");

  /* a file that is used in place may be a constant */
  if (sac_policy_is_in_place(policy))
    return sac_fail(SAC_ERROR_ARGUMENT,
                    "sac_agent_policy: the policy uses the weights of its file: make it with sac_policy_create");

  /* check that the policy has the layers of the actor */
  const sac_net* net = &agent->tensors.net[SAC_ACTOR][0];
  int same = sac_policy_layers(policy, size) == net->layers;
  for (int32_t l = 0; same && l < net->layers; l++) same = size[l] == net->size[l];
  same = same && policy_evaluates(agent);
  if (!same || size[net->layers] != agent->shape.action)
    return sac_fail(SAC_ERROR_SHAPE, "sac_agent_policy: the policy has other layers than this agent's actor");

  /* check all weights and biases before the first is copied: a policy that gives NaN is of no use */
  for (int copy = 0; copy < 2; copy++)
    for (int32_t l = 0; l < net->layers; l++) SAC_TRY(take_layer(agent, l, size, copy ? policy : NULL));

  /* copy the scaling of actions */
  sac_policy_set_scaling(policy, agent->action_centre, agent->action_half);
fail:
  return sac_result(status);
}
