/* The presets that are compiled in (scripts/configs), and which of them an id selects. */
#include <string.h>

#include "config/settings.h"
#include "config/sources.h"
#include "env/gym.h"
#include "support/config_case.h"
#include "util/embedded.h"

START_TEST(every_preset_is_well) {
  ck_assert_uint_ge(sac_embedded_config_count, 2);
  for (size_t i = 0; i < sac_embedded_config_count; i++) {
    const sac_embedded_file* file = &sac_embedded_configs[i];
    sac_config *config = fresh(), *alone = fresh();
    sac_settings s;
    char text[512];
    ck_assert_msg(i == 0 || strcmp(sac_embedded_configs[i - 1].name, file->name) < 0, "%s: order", file->name);
    ck_assert_msg(file->text[0] == '#', "%s does not begin with the source of its values", file->name);
    ck_ok(sac_config_preset(config, file->name));
    ck_ok(sac_config_settings(config, &s));
    ck_assert_str_eq(s.env_id, file->name);
    sac_config_summary(config, text, sizeof text);
    ck_assert_msg(!text[0] || strncmp(text + 7, file->name, strlen(file->name)) == 0, "%s", text);
    /* A preset is also a valid file for --config. The id comes from its name, or from its env.id. */
    ck_ok(sac_config_parse(alone, file->text, file->size, file->name, SAC_ORIGIN_FILE));
    if (sac_env_is_gym(file->name)) ck_assert_str_eq(sac_config_get(alone, "env.id"), file->name);
    else ck_assert_int_eq(alone->source[SAC_FIELD_env_id].origin, SAC_ORIGIN_LIBRARY);
    sac_config_destroy(alone);
    sac_config_destroy(config);
  }
}
END_TEST

START_TEST(gymnasiums_ids_find_presets) {
  static const struct {
    const char *id, *preset;
  } cases[] = {
      {"gym:Pendulum-v1", "Pendulum-v1"}, /* the same task, stepped by sac or by Gymnasium */
      {"gym:HalfCheetah-v5", "HalfCheetah-v5"},
      {"gym:HalfCheetah-v4", "gym:HalfCheetah-v4"}, /* a preset of its own */
      {"gym:LunarLanderContinuous-v3", "gym:LunarLanderContinuous-v3"},
      {"gym:pybullet_envs_gymnasium:AntBulletEnv-v0", "gym:pybullet_envs_gymnasium:AntBulletEnv-v0"},
      {"LunarLanderContinuous-v3", NULL},   /* only Gymnasium steps it */
      {"gym:my_package:Pendulum-v1", NULL}, /* a task of another package */
      {"gym:my_package:gym:Pendulum-v1", NULL},
      {"gym:gym:Pendulum-v1", NULL},
      {"gym:AntBulletEnv-v0", NULL},
      {"gym:", NULL},
      {"gym:Pendulum", NULL},
      {"gym::Pendulum-v1", NULL},
  };

  /* an id takes its preset, or falls back to the library's defaults */
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    sac_config* config = fresh();
    char from[SAC_FROM_MAX] = "library", text[512];
    if (cases[i].preset) (void)snprintf(from, sizeof from, "preset %s", cases[i].preset);
    ck_ok(sac_config_preset(config, "MountainCarContinuous-v0"));
    ck_ok(sac_config_preset(config, cases[i].id));
    ck_assert_str_eq(sac_config_get(config, "env.id"), cases[i].id);
    ck_assert_str_eq(config->source[SAC_FIELD_steps].from, from);
    sac_config_summary(config, text, sizeof text);
    if (!cases[i].preset) ck_assert_str_eq(text, "");
    else if (text[0]) ck_assert_msg(strncmp(text, from, strlen(from)) == 0, "%s", text);
    sac_config_destroy(config);
  }

  /* values of the first preset do not stay behind a second one */
  sac_config* config = fresh();
  ck_ok(sac_config_preset(config, "gym:Pendulum-v1"));
  ck_assert_str_eq(sac_config_get(config, "network.hidden"), "[64, 64]");
  ck_ok(sac_config_preset(config, "gym:BipedalWalker-v3"));
  ck_assert_str_eq(sac_config_get(config, "network.hidden"), "[400, 300]");
  ck_assert_str_eq(sac_config_get(config, "gamma"), "0.98");
  ck_assert_str_eq(sac_config_get(config, "replay.batch"), "256"); /* no longer Pendulum's */
  sac_config_destroy(config);
}
END_TEST

CHECK_MAIN("presets", CASE(every_preset_is_well), CASE(gymnasiums_ids_find_presets))
