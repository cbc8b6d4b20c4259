#include "agent/export.h"

#include <string.h>

#include <sac/sac.h>

#include "agent/file.h"
#include "config/sources.h"
#include "formats/safetensors.h"
#include "policy/policy.h"
#include "util/error.h"
#include "util/number.h"

/* The agent p whose policy is written. The file has the tensors of the networks that act; then for continuous actions
 * the two tensors of their scaling, or for a Boltzmann policy log_alpha. */
typedef struct policy_list {
  const sac_agent* agent;
  int32_t p;
} policy_list;

/* The n-th tensor of the networks that act, actor or critics; NULL after the last. */
static const sac_tensor* net_tensor(const sac_agent* agent, int32_t n) {
  const char* group = sac_group_names[sac_algo_acts_with(agent->algo)];
  const size_t length = strlen(group);
  for (int32_t i = 0; i < agent->tensors.count; i++) {
    const sac_tensor* tensor = &agent->tensors.tensor[i];
    if (strncmp(tensor->name, group, length) == 0 && tensor->name[length] == '.' && n-- == 0) return tensor;
  }
  return NULL;
}

/* The number of tensors of these networks. */
static int32_t net_tensors(const sac_agent* agent) {
  int32_t count = 0;
  while (net_tensor(agent, count)) count++;
  return count;
}

/* The number of tensors behind them, by the kind of policy. */
static int32_t more_tensors(const sac_agent* agent) {
  static const int32_t more[SAC_POLICY_KIND_COUNT] = {
      [SAC_POLICY_SQUASHED_GAUSSIAN] = 2, [SAC_POLICY_SOFTMAX] = 0, [SAC_POLICY_BOLTZMANN] = 1};
  return more[agent->algo->policy];
}

/* Tensor i of the file, if it is one of the agent's; NULL: it is part of the scaling. */
static const sac_tensor* agent_tensor(const sac_agent* agent, int32_t i) {
  const sac_tensor* tensor = net_tensor(agent, i);
  return !tensor && agent->algo->policy == SAC_POLICY_BOLTZMANN ? sac_tensors_find(&agent->tensors, "log_alpha")
                                                                : tensor;
}

/* Whether libsac_policy evaluates the layers. */
static int policy_evaluates(const sac_agent* agent) {
  return sac_network_is_mlp(agent->shape.network_kind, agent->shape.hidden, agent->shape.layers);
}

/* Gives name, type and dimensions of tensor i of the file. */
static void describe(void* user, int32_t i, sac_file_tensor* out) {
  const sac_agent* agent = ((policy_list*)user)->agent;
  const sac_tensor* tensor = agent_tensor(agent, i);
  memset(out, 0, sizeof *out);
  out->dtype = SAC_F32;

  /* the agent's tensors come first; centre and half range (A) of the actions follow */
  if (tensor) {
    out->name = tensor->name;
    out->rank = tensor->rank;
    for (int32_t d = 0; d < tensor->rank; d++) out->dims[d] = tensor->dims[d];
  } else {
    out->name = i == net_tensors(agent) ? "action.centre" : "action.half_range";
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
  const sac_tensor* tensor = agent_tensor(agent, i);

  /* write a tensor; a policy that gives NaN is of no use */
  if (tensor) return sac_agent_write_tensor(agent, list->p, SAC_MEMORY_WEIGHTS, tensor, "", 0, file);

  /* write the scaling */
  return sac_file_put(file, i == net_tensors(agent) ? agent->action_centre : agent->action_half,
                      (size_t)agent->shape.action * sizeof(float));
}

/* The format of the file. libsac_policy refuses one that it does not know, so older versions of it refuse policies of
 * discrete actions, and all refuse layers that they do not evaluate. */
static const char* format_of(const sac_agent* agent) {
  if (!policy_evaluates(agent)) return SAC_POLICY_FORMATS "other-layers";
  return agent->algo->discrete ? SAC_POLICY_FORMAT_DISCRETE : SAC_POLICY_FORMAT_CONTINUOUS;
}

sac_status sac_policy_write(const sac_agent* agent, int32_t p, const char* spaces, const char* path) {
  static const char *const kinds[] = SAC_POLICY_KIND_NAMES, *const joins[] = SAC_POLICY_JOIN_NAMES;
  char obs[SAC_NUMBER_MAX], action[SAC_NUMBER_MAX], low[SAC_NUMBER_MAX], high[SAC_NUMBER_MAX];
  char actions[SAC_NUMBER_MAX], critics[SAC_NUMBER_MAX], hidden[SAC_LAYERS_MAX * 8] = "";
  size_t used = 0;

  /* print the numbers of the metadata */
  sac_widths_append(hidden, sizeof hidden, &used, agent->shape.hidden, agent->shape.layers, ",");
  (void)sac_print_integer(obs, agent->shape.obs);
  (void)sac_print_integer(action, agent->shape.action);
  (void)sac_print_real(low, agent->settings.log_std_min);
  (void)sac_print_real(high, agent->settings.log_std_max);
  (void)sac_print_integer(actions, agent->shape.actions);
  (void)sac_print_integer(critics, agent->shape.critics);

  /* list the metadata: what a reader needs to build the networks and to know the environment */
  sac_metadata metadata[12] = {
      {"format", format_of(agent)},
      {"version", SAC_VERSION},
      {"env", agent->settings.env_id},
      {"env.options", agent->config->settings.env_options},
      {"obs", obs},
      {"act", action},
      {"hidden", hidden},
  };
  int32_t count = 7;

  /* by the kind of policy; files of continuous actions do not name theirs, as they are older than the others */
  const sac_policy_kind kind = agent->algo->policy;
  if (kind == SAC_POLICY_SQUASHED_GAUSSIAN) {
    metadata[count++] = (sac_metadata){"log_std_min", low};
    metadata[count++] = (sac_metadata){"log_std_max", high};
  } else {
    metadata[count++] = (sac_metadata){"policy", kinds[kind]};
    metadata[count++] = (sac_metadata){"actions", actions};
  }
  if (kind == SAC_POLICY_BOLTZMANN) {
    metadata[count++] = (sac_metadata){"critics", critics};
    metadata[count++] = (sac_metadata){"critics_join", joins[agent->settings.critics_join == SAC_JOIN_MEAN]};
  }
  if (spaces) metadata[count++] = (sac_metadata){"spaces", spaces};

  /* write the file, tensor by tensor */
  policy_list list = {agent, p};
  const sac_tensor_source source = {&list, net_tensors(agent) + more_tensors(agent), describe, write_tensor};
  return sac_safetensors_stream(path, &source, metadata, count);
}

/* Reads `count` weights of agent 0 to the staging buffer. Errors: NUMERIC (one is not finite), DEVICE. */
static sac_status read_weights(const sac_agent* agent, size_t offset, size_t count) {
  const sac_status status = agent->backend->read(agent, SAC_MEMORY_WEIGHTS, 0, offset, agent->staging, count);
  if (status != SAC_OK || sac_all_finite(agent->staging, count)) return status;
  return sac_fail(SAC_ERROR_NUMERIC, "sac_agent_policy: a weight of the policy is not finite; the policy stays");
}

/* Checks layer l of network k, and copies it to `policy` if there is one, as much at a time as the staging buffer
 * holds. */
static sac_status take_layer(const sac_agent* agent, int32_t k, int32_t l, sac_policy* policy) {
  const sac_net* net = &agent->tensors.net[sac_algo_acts_with(agent->algo)][k];
  const size_t count = (size_t)net->size[l] * (size_t)net->size[l + 1];
  sac_status status = SAC_OK;
  for (size_t done = 0, n; done < count; done += n) {
    n = count - done < agent->staging_floats ? count - done : agent->staging_floats;
    SAC_TRY(read_weights(agent, net->weight[l] + done, n));
    if (policy) sac_policy_set_weights(policy, k, l, done, n, agent->staging);
  }
  SAC_TRY(read_weights(agent, net->bias[l], (size_t)net->size[l + 1]));
  if (policy) sac_policy_set_biases(policy, k, l, agent->staging);
fail:
  return status;
}

/* Checks everything of the policy but its weights, and copies it to `policy` if there is one. */
static sac_status take_rest(const sac_agent* agent, sac_policy* policy) {
  sac_status status = SAC_OK;

  /* the scaling of the action, and the bounds of its spread */
  if (agent->algo->policy == SAC_POLICY_SQUASHED_GAUSSIAN && policy)
    sac_policy_set_gaussian(policy, agent->action_centre, agent->action_half, (float)agent->settings.log_std_min,
                            (float)agent->settings.log_std_max);

  /* the temperature, and how critics are joined */
  if (agent->algo->policy == SAC_POLICY_BOLTZMANN) {
    SAC_TRY(read_weights(agent, agent->tensors.log_alpha, 1));
    if (!sac_policy_set_boltzmann(policy, agent->settings.critics_join == SAC_JOIN_MEAN, agent->staging[0]))
      SAC_TRY(sac_fail(SAC_ERROR_NUMERIC, "sac_agent_policy: the temperature exp(%g) is out of range; the policy stays",
                       (double)agent->staging[0]));
  }
fail:
  return status;
}

/* Whether the policy is of the agent's kind and has the layers of the networks that act. */
static int same_layers(const sac_agent* agent, const sac_policy* policy) {
  const sac_net* net = &agent->tensors.net[sac_algo_acts_with(agent->algo)][0];
  const int32_t outputs = agent->algo->discrete ? agent->shape.actions : agent->shape.action;
  int32_t nets, size[SAC_POLICY_LAYERS_MAX + 1];
  sac_policy_kind kind;
  sac_policy_describe(policy, &kind, NULL);

  /* the head of a squashed Gaussian has two outputs for each component of the action */
  int same = sac_policy_layers(policy, &nets, size) == net->layers;
  for (int32_t l = 0; same && l < net->layers; l++) same = size[l] == net->size[l];
  return same && kind == agent->algo->policy && nets == agent->tensors.nets[sac_algo_acts_with(agent->algo)] &&
         size[net->layers] == outputs && policy_evaluates(agent);
}

sac_status sac_agent_policy(const sac_agent* agent, sac_policy* policy) {
  sac_status status = SAC_OK;
  if (!agent || !policy) return sac_fail(SAC_ERROR_ARGUMENT, "sac_agent_policy: agent or policy is NULL");

  /* a file that is used in place may be a constant */
  if (sac_policy_is_in_place(policy))
    return sac_fail(SAC_ERROR_ARGUMENT,
                    "sac_agent_policy: the policy uses the weights of its file: make it with sac_policy_create");
  if (!same_layers(agent, policy))
    return sac_fail(SAC_ERROR_SHAPE,
                    "sac_agent_policy: the policy is of another kind than this agent's, or has other "
                    "layers than its networks");

  /* check all of it before the first weight is copied: a policy that gives NaN is of no use */
  const int32_t nets = agent->tensors.nets[sac_algo_acts_with(agent->algo)];
  const int32_t layers = agent->tensors.net[sac_algo_acts_with(agent->algo)][0].layers;
  for (int copy = 0; copy < 2; copy++) {
    for (int32_t i = 0; i < nets * layers; i++)
      SAC_TRY(take_layer(agent, i / layers, i % layers, copy ? policy : NULL));
    SAC_TRY(take_rest(agent, copy ? policy : NULL));
  }
fail:
  return sac_result(status);
}
