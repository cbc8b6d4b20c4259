/* Evaluates policy files. */
#include <stdlib.h>
#include <string.h>

#include "kernels/squash.h"
#include "policy/policy.h"
#include "train/evaluate.h"
#include "util/error.h"
#include "util/file.h"
#include "util/memory.h"

/* Acts with the policy of a file. The policy gives actions in the environment's units; the vector takes them in
 * [-1, 1]. noise: to sample with; NULL: the action is the mode. */
static void act_with(sac_policy* policy, sac_vector* vector, const float* noise) {
  const sac_env_spec* spec = &vector->spec;
  const size_t size = (size_t)spec->action_size;
  for (size_t i = 0; i < (size_t)vector->num_envs; i++) {
    const float* obs = vector->obs + i * (size_t)spec->obs_size;
    float* action = vector->action + i * size;

    /* one observation (O) gives one action (A) */
    if (noise) sac_policy_sample(policy, obs, noise + i * size, action);
    else sac_policy_act(policy, obs, action);

    /* scale back; a discrete action is a number and stays */
    for (size_t a = 0; !spec->actions && a < size; a++) {
      const double low = (double)spec->action_low[a], high = (double)spec->action_high[a];
      action[a] = sac_clamp(
          sac_action_unscale(action[a], sac_action_centre(low, high), sac_action_half_range(low, high)), -1, 1);
    }
  }
}

/* Creates the policy of a file. memory: receives its memory, for sac_free. The file is read again, because
 * sac_safetensors_open changes the bytes of its header. */
static sac_status create_policy(const char* path, size_t size, sac_policy** policy, void** memory) {
  void* file = NULL;
  sac_policy_status made = SAC_POLICY_FORMAT;
  sac_status status = SAC_OK;
  SAC_TRY(sac_read_file(path, size, &file, &size));

  /* create the policy in memory of its own */
  const size_t bytes = sac_policy_memory(file, size);
  *memory = bytes ? sac_alloc(bytes) : NULL;
  if (*memory) made = sac_policy_create(policy, file, size, *memory, bytes);

  /* turn the status into an error */
  if (bytes == 0) status = sac_fail(SAC_ERROR_FORMAT, "%s is neither a policy nor a checkpoint", path);
  else if (!*memory || made == SAC_POLICY_MEMORY)
    status = sac_fail(SAC_ERROR_MEMORY, "no memory for the policy of %s", path);
  else if (made == SAC_POLICY_NUMERIC) status = sac_fail(SAC_ERROR_NUMERIC, "%s: a weight is not finite", path);
  else if (made != SAC_POLICY_OK)
    status = sac_fail(SAC_ERROR_FORMAT, "%s: the policy is damaged, or of wrong shapes", path);
fail:
  free(file);
  return status;
}

/* Steps with the policy's actions. */
static sac_status step_policy(void* player, sac_vector* vector, const float* noise) {
  act_with(player, vector, noise);
  return sac_vector_step(vector);
}

/* Compares the policy with the environment: kind and number of actions, and sizes. */
static sac_status check_fits(const char* path, const sac_policy* policy, const char* id, const sac_env_spec* spec) {
  int32_t obs, action, actions;
  sac_policy_sizes(policy, &obs, &action);
  sac_policy_describe(policy, NULL, &actions);
  if ((actions > 0) != (spec->actions > 0))
    return sac_fail(SAC_ERROR_SHAPE, "%s is a policy of %s actions; %s has %s ones", path,
                    actions > 0 ? "discrete" : "continuous", id, spec->actions > 0 ? "discrete" : "continuous");

  /* say the number of discrete actions, or of components */
  const int32_t ours = actions > 0 ? actions : action, theirs = actions > 0 ? spec->actions : spec->action_size;
  if (obs == spec->obs_size && ours == theirs) return SAC_OK;
  return sac_fail(SAC_ERROR_SHAPE, "%s takes %d observations and gives %d actions; %s has %d and %d", path, (int)obs,
                  (int)ours, id, (int)spec->obs_size, (int)theirs);
}

/* Refuses a format that this version does not evaluate. */
static sac_status check_format(const sac_safetensors* file) {
  const char* format = sac_safetensors_metadata(file, "format");
  if (!format || strncmp(format, SAC_POLICY_FORMATS, strlen(SAC_POLICY_FORMATS)) != 0 ||
      strcmp(format, SAC_POLICY_FORMAT_CONTINUOUS) == 0 || strcmp(format, SAC_POLICY_FORMAT_DISCRETE) == 0)
    return SAC_OK;
  return sac_fail(SAC_ERROR_FORMAT,
                  "%s: its format is %s; this version evaluates " SAC_POLICY_FORMAT_CONTINUOUS
                  " and " SAC_POLICY_FORMAT_DISCRETE,
                  file->path, format);
}

sac_status sac_evaluate_policy(const sac_safetensors* file, const sac_eval_env* env, uint64_t seed, int32_t episodes,
                               double* episode_return, int64_t* length, int32_t* limit) {
  sac_episodes e = {.number = SAC_EVALUATION_STANDALONE, .episode_return = episode_return, .length = length};
  sac_policy* policy = NULL;
  void* memory = NULL;
  sac_status status = SAC_OK;

  /* create the policy and its environments, and compare them */
  SAC_TRY(check_format(file));
  SAC_TRY(create_policy(file->path, file->size, &policy, &memory));
  SAC_TRY(sac_episodes_make(&e, env, 1, &seed, episodes));
  SAC_TRY(check_fits(file->path, policy, env->id, &e.vector->spec));
  *limit = e.limit;

  /* play; what the environment changes of the process is put back */
  e.play.episodes = episodes;
  sac_vector_begin(e.vector);
  status = sac_episodes_play(&e, (const uint8_t[]){1}, step_policy, policy);
  sac_vector_end(e.vector);
fail:
  sac_episodes_free(&e);
  sac_free(memory);
  return status;
}
