/* A plugin whose only observation counts its steps, without state functions. It returns something wrong, which
 * SAC_TEST_LIE names; without that variable it is correct. */
#include <math.h>
#include <stdio.h>

#include "plugin.h"

typedef struct liar {
  int32_t n;
  int32_t *steps, *succeeds; /* (n) succeeds: whether the episode will, by its seed */
  float low, high;
} liar;

static int lie(const char* name) { return is_set("SAC_TEST_LIE", name); }

static int create(void** self, const char* id, int32_t n, const char* options, sac_env_spec* spec) {
  liar* l = calloc(1, sizeof *l);
  (void)id, (void)options;
  if (!l) return 1;
  *self = l;
  if (lie("create")) return 1;
  l->n = n;
  l->steps = calloc((size_t)n, sizeof *l->steps);
  l->succeeds = calloc((size_t)n, sizeof *l->succeeds);
  static int32_t instances;
  l->low = lie("swapped bounds") ? 2 : -1;
  l->high = lie("infinite bounds") ? INFINITY : 1;
  *spec = (sac_env_spec){lie("no observations") ? 0 : 1, lie("no actions") ? 0 : 1, 0, 50, &l->low, &l->high};
  if (lie("no bounds")) spec->action_high = NULL;
  if (lie("other sizes each time")) spec->obs_size = ++instances;
  if (lie("one choice")) spec->actions = 1;
  if (lie("choices in two")) spec->actions = 3, spec->action_size = 2;
  if (lie("choices with bounds")) spec->actions = 3;
  if (lie("choices") || lie("other choices each time")) spec->actions = 3, spec->action_low = spec->action_high = NULL;
  if (lie("other choices each time")) spec->actions += instances++;
  return l->steps == NULL || l->succeeds == NULL;
}

static int reset(void* self, const uint8_t* mask, const uint64_t* seed, float* obs) {
  liar* l = self;
  for (int32_t i = 0; i < l->n; i++) {
    if (!mask[i]) continue;
    l->steps[i] = 0;
    l->succeeds[i] = seed[i] % 4 == 0;
    obs[i] = lie("nan reset") ? NAN : 0;
  }
  return lie("reset");
}

static int step(void* self, const float* action, float* obs, float* reward, uint8_t* terminated, uint8_t* truncated) {
  liar* l = self;
  for (int32_t i = 0; i < l->n; i++) {
    const int late = ++l->steps[i] == 40;
    obs[i] = late && lie("nan observation") ? NAN : (float)l->steps[i] / 50;
    reward[i] = late && lie("nan reward") ? NAN : -action[i] * action[i];
    terminated[i] = truncated[i] = 0;
    if (late && lie("step")) return 1;
  }
  return 0;
}

static void destroy(void* self) {
  liar* l = self;
  if (l) free(l->steps), free(l->succeeds);
  free(l);
}

static const char* error(void* self) {
  (void)self;
  return lie("step") || lie("create") || lie("reset") || lie("info") ? "the cable is loose" : NULL;
}

static const char* const* info_names(void* self) {
  static const char* names[SAC_ENV_INFO_MAX + 2];
  static char numbered[SAC_ENV_INFO_MAX + 1][16];
  (void)self;
  memset(names, 0, sizeof names);
  if (lie("old table")) abort(); /* the library must not read behind the table */
  if (lie("no names")) return NULL;
  names[0] = lie("spaced name")            ? "top speed"
             : lie("number name")          ? "1st"
             : lie("no name")              ? ""
             : lie("nothing, but success") ? "success"
                                           : "steps";
  if (lie("two names")) names[1] = names[0];
  if (lie("long name")) names[0] = "a_name_that_goes_on_and_on_and_on_until_it_has_sixty_four_letters_";
  for (int k = 0; lie("many names") && k <= SAC_ENV_INFO_MAX; k++) {
    snprintf(numbered[k], sizeof numbered[k], "n%d", k);
    names[k] = numbered[k];
  }
  return names;
}

static int info(void* self, float* value) {
  const liar* l = self;
  for (int32_t i = 0; i < l->n; i++)
    value[i] = (float)(lie("nothing, but success") ? l->succeeds[i] && l->steps[i] == 50 : l->steps[i]);
  return lie("info") && l->steps[0] == 40;
}

/* Called only where the table's size says that it is there. */
static const char* describe(void* self) {
  (void)self;
  if (lie("old table") || lie("table without describe")) abort();
  if (lie("no object")) return "[3]";
  return lie("no JSON") ? "{\"observation\": " : "{\"observation\": [{\"name\": \"x\"}]}";
}

static size_t state_size(void* self) {
  (void)self;
  return 8;
}

const sac_env_api* sac_env_plugin(void) {
  static sac_env_api api; /* set in each call, as SAC_TEST_LIE may have changed */
  api = (sac_env_api){PLUGIN_TABLE("liar"), .info_names = info_names, .info = info, .describe = describe};
  if (lie("abi")) api.abi = SAC_ENV_ABI + 1;
  if (lie("size")) api.size = 8;
  if (lie("table without describe")) api.size = offsetof(sac_env_api, describe);
  if (lie("old table")) api.size = offsetof(sac_env_api, info_names);
  if (lie("half an info")) api.info = NULL;
  if (lie("no create")) api.create = NULL;
  if (lie("no reset")) api.reset = NULL;
  if (lie("no step")) api.step = NULL;
  if (lie("no destroy")) api.destroy = NULL;
  if (lie("half a state")) api.state_size = state_size;
  return lie("no table") ? NULL : &api;
}
