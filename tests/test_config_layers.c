/* ctest: one-thread
 *
 * The configuration: options of the environment, precedence of sources, and what a resume may change. */
#include "support/config_case.h"
#include "util/text.h"

/* --- options of the environment ----------------------------------------------------------------------------------- */

START_TEST(options_merge) {
  sac_config* config = fresh();
  ck_ok(parse(config, "env:\n  options: {g: 9.81, name: \"x\", deep: {a: 1, b: yes}}\n"));
  ck_ok(set(config, "env.options.g", "10"));
  ck_ok(set(config, "env.options.deep.a", "1.0"));
  ck_ok(set(config, "env.options", "{list: [1, two, null, true, 1e-3]}"));
  ck_assert_str_eq(sac_config_get(config, "env.options"),
                   "{\"deep\": {\"a\": 1.0, \"b\": \"yes\"}, \"g\": 10, \"list\": [1, \"two\", null, true, 0.001], "
                   "\"name\": \"x\"}");
  ck_assert_str_eq(sac_config_get(config, "env.options.deep.a"), "1.0");
  ck_assert_str_eq(sac_config_get(config, "env.options.list"), "[1, \"two\", null, true, 0.001]");
  ck_assert_ptr_null(sac_config_get(config, "env.options.deep.c"));
  ck_assert_ptr_null(sac_config_get(config, "env.options.g.x"));
  /* an earlier layer does not replace existing options */
  ck_ok(parse(config, "env.options: {g: 1, extra: 2}\n"));
  ck_assert_str_eq(sac_config_get(config, "env.options.g"), "10");
  ck_assert_str_eq(sac_config_get(config, "env.options.extra"), "2");
  sac_config_destroy(config);
}
END_TEST

/* Text that looks like another YAML or JSON value is the same after writing and reading. */
START_TEST(options_keep_their_types) {
  sac_config *config = fresh(), *back = fresh();
  ck_ok(set(config, "env.options",
            "{a: \"1\", b: \"true\", c: \"\\n\\t\\\"\\\\\\u2028\\x7f\", \"d: #\": \"\", e: 1e300, "
            "f: -0.0, g: 12345678901234567890123, \"\\U0001F600\": \"\\uFEFF\"}"));
  ck_assert_ptr_nonnull(strstr(sac_config_get(config, "env.options"), "{\"a\": \"1\", \"b\": \"true\", "));
  char* text = written(config);
  ck_ok(parse(back, text));
  same_settings(config, back);
  ck_assert_str_eq(sac_config_get(back, "env.options.a"), "1");
  ck_assert_str_eq(sac_config_get(back, "env.options.c"), "\n\t\"\\\xe2\x80\xa8\x7f");
  free(text);
  sac_config_destroy(config);
  sac_config_destroy(back);
}
END_TEST

/* Each option has the source of its last value. A saved configuration keeps them; a preset takes its own away. */
START_TEST(options_have_sources) {
  sac_config *config = fresh(), *back = fresh();
  ck_ok(sac_config_read(config, "env.options:\n  a: 1\n  b: 2\n", 27, "preset", SAC_ORIGIN_PRESET, "preset P"));
  ck_assert(!sac_config_options_differ(config));
  ck_ok(sac_config_set_from(config, "env.options.b", "3", SAC_ORIGIN_SET, "--set"));
  ck_ok(parse(config, "env.options:\n  c: {d: 4}\n\n  b: 9\n"));
  ck_assert_str_eq(sac_config_get(config, "env.options"), "{\"a\": 1, \"b\": 3, \"c\": {\"d\": 4}}");
  ck_assert(sac_config_options_differ(config));
  ck_assert_str_eq(sac_config_option_source(config, "a")->from, "preset P");
  ck_assert_str_eq(sac_config_option_source(config, "b")->from, "--set");
  ck_assert_str_eq(sac_config_option_source(config, "c")->from, "my.yaml:2");

  /* written and read as a resume does */
  char* text = written(config);
  ck_ok(sac_config_parse(back, text, strlen(text), "config.yaml", SAC_ORIGIN_SAVED));
  same_settings(config, back);
  ck_assert_str_eq(sac_config_option_source(back, "a")->from, "preset P");
  ck_assert_str_eq(sac_config_option_source(back, "c")->from, "my.yaml:2");

  /* the preset of another environment */
  sac_config_drop(config, SAC_ORIGIN_PRESET);
  ck_assert_str_eq(sac_config_get(config, "env.options"), "{\"b\": 3, \"c\": {\"d\": 4}}");
  ck_ok(set(config, "env.options", "{}"));
  ck_assert(!sac_config_options_differ(config));
  free(text);
  sac_config_destroy(config);
  sac_config_destroy(back);
}
END_TEST

/* So do many options, and one with a long name. */
START_TEST(many_options_have_sources) {
  enum { OPTIONS = 80 };
  sac_config *config = fresh(), *back = fresh();
  char yaml[2048] = "env.options:\n", name[128];
  size_t used = strlen(yaml);
  memset(name, 'a', sizeof name - 1);
  name[sizeof name - 1] = '\0';
  for (int i = 0; i < OPTIONS; i++) sac_text_append(yaml, sizeof yaml, &used, "  b%d: %d\n", i, i % 10);
  sac_text_append(yaml, sizeof yaml, &used, "  %s: 1\n  z: 2\n", name);
  ck_ok(parse(config, yaml));
  ck_assert_str_eq(sac_config_option_source(config, "b0")->from, "my.yaml:2");
  ck_assert_str_eq(sac_config_option_source(config, "b79")->from, "my.yaml:81");
  ck_assert_str_eq(sac_config_option_source(config, name)->from, "my.yaml:82");

  /* written, read and written again: the same text */
  char* text = written(config);
  ck_ok(sac_config_parse(back, text, strlen(text), "config.yaml", SAC_ORIGIN_SAVED));
  char* again = written(back);
  ck_assert_str_eq(again, text);

  /* all of one origin go */
  ck_ok(sac_config_set_from(config, "env.options.mine", "1", SAC_ORIGIN_SET, "--set"));
  sac_config_drop(config, SAC_ORIGIN_FILE);
  ck_assert_str_eq(sac_config_get(config, "env.options"), "{\"mine\": 1}");
  ck_assert_str_eq(sac_config_option_source(config, "mine")->from, "--set");
  free(text), free(again);
  sac_config_destroy(config);
  sac_config_destroy(back);
}
END_TEST

/* --- layers ------------------------------------------------------------------------------------------------------- */

START_TEST(later_layers_win_in_any_order) {
  static const struct {
    sac_origin origin;
    const char* value;
  } layers[] = {{SAC_ORIGIN_PRESET, "0.1"},
                {SAC_ORIGIN_SAVED, "0.2"},
                {SAC_ORIGIN_FILE, "0.3"},
                {SAC_ORIGIN_SET, "0.4"},
                {SAC_ORIGIN_FLAG, "0.5"}};
  const int orders[][5] = {{0, 1, 2, 3, 4}, {4, 3, 2, 1, 0}, {2, 4, 0, 3, 1}};
  for (int o = 0; o < 3; o++) {
    sac_config* config = fresh();
    for (int i = 0; i < 5; i++)
      ck_ok(sac_config_set_from(config, "gamma", layers[orders[o][i]].value, layers[orders[o][i]].origin, "x"));
    ck_assert_str_eq(sac_config_get(config, "gamma"), "0.5");
    sac_config_destroy(config);
  }
}
END_TEST

START_TEST(presets_give_way) {
  sac_config* config = fresh();
  ck_ok(parse(config, "optim.lr: 0.5\n"));
  ck_ok(sac_config_preset(config, "Pendulum-v1"));
  ck_assert_str_eq(sac_config_get(config, "optim.lr"), "0.5");
  ck_assert_str_eq(sac_config_get(config, "network.hidden"), "[64, 64]");
  ck_ok(set(config, "replay.batch", "32"));
  ck_ok(sac_config_preset(config, "NoPreset-v0")); /* the other preset's values are dropped, explicit ones are kept */
  ck_assert_str_eq(sac_config_get(config, "env.id"), "NoPreset-v0");
  ck_assert_str_eq(sac_config_get(config, "network.hidden"), "[256, 256]");
  ck_assert_str_eq(sac_config_get(config, "optim.lr"), "0.5");
  ck_assert_str_eq(sac_config_get(config, "replay.batch"), "32");
  sac_config_destroy(config);
}
END_TEST

START_TEST(summary_says_what_changed) {
  char text[512];
  sac_config* config = fresh();
  sac_config_summary(config, text, sizeof text);
  ck_assert_str_eq(text, "");
  ck_ok(sac_config_set_from(config, "seed", "3", SAC_ORIGIN_FLAG, "--seed"));
  sac_config_summary(config, text, sizeof text);
  ck_assert_str_eq(text, "you set seed 3");
  ck_ok(sac_config_preset(config, "Pendulum-v1"));
  sac_config_summary(config, text, sizeof text);
  ck_assert_msg(strncmp(text, "preset Pendulum-v1 sets ", 24) == 0, "%s", text);
  ck_assert_ptr_nonnull(strstr(text, "network.hidden [64, 64]"));
  ck_assert_ptr_nonnull(strstr(text, "; you set seed 3"));
  char small[12];
  sac_config_summary(config, small, sizeof small);
  ck_assert_uint_eq(strlen(small), 11);
  sac_config_summary(config, NULL, 0);
  sac_config_destroy(config);
}
END_TEST

/* --- resume ------------------------------------------------------------------------------------------------------- */

START_TEST(resume_takes_what_may_change) {
  sac_config *saved = fresh(), *wanted = fresh();
  char changes[256];
  ck_ok(sac_config_set(saved, "train.steps", "1000"));
  ck_ok(sac_config_set(saved, "env.options", "{a: 1, b: 2}"));
  ck_ok(sac_config_set_from(wanted, "train.steps", "2000", SAC_ORIGIN_FLAG, "--steps"));
  ck_ok(set(wanted, "replay.batch", "256")); /* the same value: no change */
  ck_ok(set(wanted, "env.options.a", "1"));  /* the same options, merged into the saved ones */
  ck_ok(set(wanted, "cpu.threads", "2"));
  ck_ok(sac_config_set_from(wanted, "network.hidden", "64", SAC_ORIGIN_PRESET,
                            NULL)); /* presets are not applied on a resume */
  ck_ok(sac_config_resume(saved, wanted, changes, sizeof changes));
  ck_assert_str_eq(changes, "train.steps 1000 -> 2000\ncpu.threads 0 -> 2");
  ck_assert_str_eq(sac_config_get(saved, "train.steps"), "2000");
  ck_assert_str_eq(sac_config_get(saved, "env.options"), "{\"a\": 1, \"b\": 2}");
  ck_assert_str_eq(sac_config_get(saved, "network.hidden"), "[256, 256]");
  ck_ok(sac_config_resume(saved, wanted, changes, sizeof changes));
  ck_assert_str_eq(changes, "");
  sac_config_destroy(saved);
  sac_config_destroy(wanted);
}
END_TEST

START_TEST(resume_refuses_what_cannot) {
  sac_config *saved = fresh(), *wanted = fresh(), *before = NULL;
  char changes[256];
  ck_ok(sac_config_copy(&before, saved));
  ck_ok(set(wanted, "replay.capacity", "5000"));
  ck_ok(set(wanted, "gamma", "0.5"));
  ck_fails(
      sac_config_resume(saved, wanted, changes, sizeof changes), SAC_ERROR_CONFIG,
      "replay.capacity was 1000000 and cannot change on resume (--set asks 5000); start a new run with --init to use "
      "other values");
  ck_assert(memcmp(saved, before, sizeof *saved) == 0);
  ck_ok(parse(wanted, "network.hidden: 64\nenv.options: {g: 1}\n"));
  ck_fails(sac_config_resume(saved, wanted, changes, sizeof changes), SAC_ERROR_CONFIG,
           "network.hidden was [256, 256] and cannot change on resume (my.yaml:1 asks [64])");
  ck_assert_ptr_nonnull(strstr(sac_last_error(), "replay.capacity was"));
  ck_assert_ptr_nonnull(strstr(sac_last_error(), "env.options was {}"));
  sac_config_destroy(saved);
  sac_config_destroy(before);
  sac_config_destroy(wanted);
}
END_TEST

CHECK_MAIN("config_layers", CASE(options_merge), CASE(options_keep_their_types), CASE(options_have_sources),
           CASE(many_options_have_sources), CASE(later_layers_win_in_any_order), CASE(presets_give_way),
           CASE(summary_says_what_changed), CASE(resume_takes_what_may_change), CASE(resume_refuses_what_cannot))
