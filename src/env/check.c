#include "env/check.h"

#include <jansson.h>
#include <math.h>
#include <string.h>

#include "kernels/squash.h"
#include "util/error.h"
#include "util/text.h"

int sac_env_is_concurrent(const sac_env_api* api) {
  return api->size > SAC_ENV_API_SIZE_BEFORE_INFO && api->concurrent;
}

const char* sac_env_error_text(const sac_env_api* api, void* self) {
  const char* text = api->error ? api->error(self) : NULL;
  return text && *text ? text : NULL;
}

sac_status sac_env_check_api(const char* id, const sac_env_api* api) {
  char shown[SAC_SHOW_MAX];
  sac_text_show(shown, id, SIZE_MAX);

  /* the table has the size of this version, or of one before it */
  if (!api) return sac_fail(SAC_ERROR_ENV, "%s: there is no table of functions", shown);
  if (api->abi != SAC_ENV_ABI || (api->size != sizeof *api && api->size != SAC_ENV_API_SIZE_BEFORE_DESCRIBE &&
                                  api->size != SAC_ENV_API_SIZE_BEFORE_INFO))
    return sac_fail(SAC_ERROR_ENV,
                    "%s: its table of functions has ABI %u and %u bytes, this library has %u and %zu: build it against "
                    "this <sac/env.h>",
                    shown, (unsigned)api->abi, (unsigned)api->size, SAC_ENV_ABI, sizeof *api);

  /* every environment has these functions */
  const char* missing = !api->create    ? "create"
                        : !api->reset   ? "reset"
                        : !api->step    ? "step"
                        : !api->destroy ? "destroy"
                                        : NULL;
  if (missing) return sac_fail(SAC_ERROR_ENV, "%s: its table of functions lacks '%s'", shown, missing);

  /* optional functions that are of no use alone; an older table ends before info, so do not read it there */
  const int states = (api->state_size != NULL) + (api->state_get != NULL) + (api->state_set != NULL);
  if (states != 0 && states != 3)
    return sac_fail(SAC_ERROR_ENV, "%s: state_size, state_get and state_set come together or not at all", shown);
  if (api->size > SAC_ENV_API_SIZE_BEFORE_INFO && !api->info_names != !api->info)
    return sac_fail(SAC_ERROR_ENV, "%s: info_names and info come together or not at all", shown);
  return SAC_OK;
}

sac_status sac_env_check_spec(const char* id, const sac_env_spec* spec) {
  char shown[SAC_SHOW_MAX];
  sac_text_show(shown, id, SIZE_MAX);

  /* sizes and the time limit */
  if (spec->obs_size < 1 || spec->obs_size > SAC_ENV_SIZE_MAX)
    return sac_fail(SAC_ERROR_ENV, "%s: obs_size is %d; 1 to %d are possible", shown, (int)spec->obs_size,
                    SAC_ENV_SIZE_MAX);
  if (spec->action_size < 1 || spec->action_size > SAC_ENV_SIZE_MAX)
    return sac_fail(SAC_ERROR_ENV, "%s: action_size is %d; 1 to %d are possible", shown, (int)spec->action_size,
                    SAC_ENV_SIZE_MAX);
  if (spec->max_episode_steps < 0)
    return sac_fail(SAC_ERROR_ENV, "%s: max_episode_steps is %d; 0 means no limit", shown,
                    (int)spec->max_episode_steps);

  /* discrete actions are one number */
  if (spec->actions != 0) {
    if (spec->actions < 2 || spec->actions > SAC_ENV_SIZE_MAX)
      return sac_fail(SAC_ERROR_ENV, "%s: %d discrete actions; actions must be 2 to %d, or 0 for continuous actions",
                      shown, (int)spec->actions, SAC_ENV_SIZE_MAX);
    if (spec->action_size != 1)
      return sac_fail(SAC_ERROR_ENV, "%s: %d discrete actions in %d numbers; each is one number: action_size must be 1",
                      shown, (int)spec->actions, (int)spec->action_size);
    return SAC_OK;
  }

  /* continuous actions have finite bounds, which scale them; the comparisons refuse NaN too */
  if (!spec->action_low || !spec->action_high)
    return sac_fail(SAC_ERROR_ENV, "%s: continuous actions without bounds", shown);
  for (int32_t i = 0; i < spec->action_size; i++) {
    const double low = (double)spec->action_low[i], high = (double)spec->action_high[i];
    if (!(fabs(low) <= SAC_ENV_BOUND_MAX && fabs(high) <= SAC_ENV_BOUND_MAX))
      return sac_fail(SAC_ERROR_ENV,
                      "%s: action %d is bounded by [%g, %g]; bounds must be finite and within +-%g: "
                      "rescale the action in the environment",
                      shown, (int)i, low, high, SAC_ENV_BOUND_MAX);
    if (!(low < high))
      return sac_fail(SAC_ERROR_ENV, "%s: action %d is bounded by [%g, %g]; the first must be smaller", shown, (int)i,
                      low, high);
    if (!(sac_action_half_range(low, high) > 0))
      return sac_fail(SAC_ERROR_ENV,
                      "%s: action %d is bounded by [%.9g, %.9g], with no float between them: rescale the action in the "
                      "environment",
                      shown, (int)i, low, high);
  }
  return SAC_OK;
}

/* Whether a name is a valid name of a term of info: letters, digits and '_', no digit first. */
static int is_identifier(const char* name, size_t length) {
  static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_0123456789";
  return length > 0 && length < SAC_ENV_INFO_NAME_MAX && strspn(name, letters) == length &&
         !(name[0] >= '0' && name[0] <= '9');
}

sac_status sac_env_check_names(const char* id, const char* const* names, int32_t* count) {
  char shown[SAC_SHOW_MAX], term[SAC_SHOW_MAX];
  sac_text_show(shown, id, SIZE_MAX);

  /* the loop ends after SAC_ENV_INFO_MAX names, in case the list lacks its NULL */
  int32_t k = 0;
  for (; k <= SAC_ENV_INFO_MAX && names[k]; k++) {
    /* a valid name; strnlen, in case the text lacks its 0 */
    const size_t length = strnlen(names[k], SAC_ENV_INFO_NAME_MAX);
    if (!is_identifier(names[k], length))
      return sac_fail(
          SAC_ERROR_ENV,
          "%s: term %d of info is named '%s'; a name has 1 to %d letters, digits and '_', the first no digit", shown,
          (int)k, sac_text_show(term, names[k], length), SAC_ENV_INFO_NAME_MAX - 1);

    /* a name that no other term has */
    for (int32_t other = 0; other < k; other++)
      if (strcmp(names[other], names[k]) == 0)
        return sac_fail(SAC_ERROR_ENV, "%s: terms %d and %d of info are both named '%s'", shown, (int)other, (int)k,
                        names[k]);
  }

  /* too long, or without an end */
  if (k > SAC_ENV_INFO_MAX)
    return sac_fail(SAC_ERROR_ENV, "%s: info has more than %d terms, or the list of their names does not end with NULL",
                    shown, SAC_ENV_INFO_MAX);

  *count = k;
  return SAC_OK;
}

sac_status sac_env_check_info(const char* id, const sac_env_api* api, void* self, const char* const** name,
                              int32_t* count) {
  char shown[SAC_SHOW_MAX];
  *name = NULL;
  *count = 0;

  /* an older table ends before info, and info is optional */
  if (api->size == SAC_ENV_API_SIZE_BEFORE_INFO || !api->info_names) return SAC_OK;
  *name = api->info_names(self);
  if (!*name) return sac_fail(SAC_ERROR_ENV, "%s: info_names gave no list", sac_text_show(shown, id, SIZE_MAX));
  return sac_env_check_names(id, *name, count);
}

sac_status sac_env_check_description(const char* id, const sac_env_api* api, void* self, const char** text) {
  char shown[SAC_SHOW_MAX];
  json_error_t error;

  /* an older table ends before describe, and describe is optional */
  *text = api->size == sizeof *api && api->describe ? api->describe(self) : NULL;
  if (!*text) return SAC_OK;

  /* a reader of the policy expects a JSON object */
  json_t* object = json_loads(*text, JSON_REJECT_DUPLICATES, &error);
  const int is_object = json_is_object(object);
  json_decref(object);
  if (is_object) return SAC_OK;
  return sac_fail(SAC_ERROR_ENV, "%s: describe gave no JSON object: %s", sac_text_show(shown, id, SIZE_MAX),
                  error.text[0] ? error.text : "it gave another value");
}
