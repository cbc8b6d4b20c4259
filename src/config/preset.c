/* Presets: the values of scripts/configs, compiled in, by the id of the environment. */
#include <string.h>

#include "config/sources.h"
#include "util/embedded.h"
#include "util/error.h"
#include "util/text.h"

/* Finds the preset of an environment: that of its id or, if gym:ID has none, that of ID. NULL: none. */
static const sac_embedded_file* preset_of(const char* env_id) {
  for (size_t i = 0; i < sac_embedded_config_count; i++)
    if (strcmp(sac_embedded_configs[i].name, env_id) == 0) return &sac_embedded_configs[i];
  const char* task = sac_config_env.gym_task(env_id);
  return task ? preset_of(task) : NULL;
}

sac_status sac_config_preset(sac_config* config, const char* env_id) {
  if (!config || !env_id) return sac_fail(SAC_ERROR_ARGUMENT, "sac_config_preset: config or env_id is NULL");
  if (!*env_id) return sac_fail(SAC_ERROR_ARGUMENT, "sac_config_preset: env_id is empty");
  sac_config next = *config;
  sac_status status = SAC_OK;

  /* drop the values of an earlier preset */
  sac_config_drop(&next, SAC_ORIGIN_PRESET);

  /* select the environment, whoever set env.id before */
  if (strcmp(next.settings.env_id, env_id) != 0) {
    next.source[SAC_FIELD_env_id].origin = SAC_ORIGIN_LIBRARY;
    SAC_TRY(sac_config_assign(&next, SAC_FIELD_env_id, env_id, SAC_ORIGIN_PRESET, "sac_config_preset"));
  }

  /* apply the preset of the environment, if there is one */
  const sac_embedded_file* preset = preset_of(env_id);
  if (preset) {
    char from[SAC_FROM_MAX] = "preset ";
    size_t used = strlen(from);
    sac_text_append(from, sizeof from, &used, "%s", preset->name);
    SAC_TRY(sac_config_read(&next, preset->text, preset->size, from, SAC_ORIGIN_PRESET, from));
  }

  /* replace the configuration only if everything went well */
  *config = next;
  return sac_succeed();
fail:
  return status;
}
