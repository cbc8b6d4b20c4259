#include "cli/bench_check.h"

#include <string.h>

#include "cli/profile.h"
#include "config/sources.h"

int sac_bench_check(const sac_syntax* syntax, const sac_bench* b, sac_config* config) {
  const struct {
    const char *option, *kinds;
    int given;
  } lists[] = {{"--obs", "update, op, act, replay", b->obs > 0},
               {"--act", "update, op, act, replay", b->act > 0},
               {"--actions", "update, op, act, replay", b->actions > 0},
               {"--rows", "update, op, replay", b->rows > 0},
               {"--hidden", "update, op, act, replay, train", b->hidden != NULL},
               {"--batch", "update, op, replay, train", b->batch != NULL},
               {"--env", "env, train", config->source[SAC_FIELD_env_id].origin == SAC_ORIGIN_FLAG}};

  /* refuse options of other kinds */
  if (b->stages && strcmp(b->kind, "update") != 0 && strcmp(b->kind, "train") != 0)
    return sac_options_usage(syntax, "--stages goes with update and train");
  if (b->cases && strcmp(b->kind, "op") != 0) return sac_options_usage(syntax, "--cases goes with op");
  if (b->cases &&
      (b->obs > 0 || b->act > 0 || b->actions > 0 || b->hidden || b->batch || b->population || b->threads || b->envs))
    return sac_options_usage(syntax,
                             "--cases has sizes of its own: it takes no --obs, --act, --actions, --hidden, --batch, "
                             "--population, --threads or --envs");
  if (b->bare && strcmp(b->kind, "env") != 0) return sac_options_usage(syntax, "--bare goes with env");

  /* refuse sizes that the kind does not have: they come from an environment, or there is no network */
  for (size_t i = 0; i < sizeof lists / sizeof *lists; i++)
    if (lists[i].given && !strstr(lists[i].kinds, b->kind))
      return sac_options_usage(syntax, "%s goes with %s, not with %s", lists[i].option, lists[i].kinds, b->kind);

  /* refuse actions of the other kind of algorithms */
  const char* algo = sac_config_get(config, "algo");
  sac_settings settings;
  if (sac_config_settings(config, &settings) == SAC_OK) {
    const int discrete = sac_algo_at(settings.algo)->discrete;
    if (discrete && b->act > 0)
      return sac_options_usage(syntax, "algo '%s' takes discrete actions: give --actions, not --act", algo);
    if (!discrete && b->actions > 0)
      return sac_options_usage(syntax, "algo '%s' takes continuous actions: give --act, or --algo %s", algo,
                               sac_algo_name(sac_algo_for(1)));
  }

  /* refuse an environment that does not exist */
  const sac_env_api* env;
  const int steps_env = strcmp(b->kind, "env") == 0 || strcmp(b->kind, "train") == 0;
  const int code = steps_env ? sac_options_find_env(sac_config_get(config, "env.id"), &env) : SAC_OPTIONS_GO;
  if (code != SAC_OPTIONS_GO) return code;

  /* request a capture by a profiler */
  return sac_cli_profile(syntax, b->profile, config);
}
