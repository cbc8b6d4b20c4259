/* ctest: one-thread
 *
 * The configuration as text: reading YAML, error messages, and writing it. */
#include "support/config_case.h"

#include <unistd.h>

/* --- files -------------------------------------------------------------------------------------------------------- */

static const struct {
  const char *text, *says;
} files[] = {
    {"a: 1\nb: 2\n", "my.yaml:1: unknown key 'a'"},
    {"# x\n\nseed: 1\ntrain:\n  steps: 5\noptim:\n  learning_rate: 1\n",
     "my.yaml:7: unknown key 'optim.learning_rate'; nearest is 'optim.lr' ('sac config' lists all)"},
    {"optim:\n  lr: 3\n", "optim.lr = 3 (from my.yaml:2) is outside (0, 1]"},
    {"seed: 1\nseed: 2\n", "my.yaml:2: key 'seed' is given twice (first in line 1)"},
    {"optim.lr: 1e-3\noptim: {lr: 1e-3}\n", "my.yaml:2: key 'optim.lr' is given twice (first in line 1)"},
    {"optim: 3\n", "my.yaml:1: 'optim' is a section; its keys are 'optim.lr' and the like"},
    {"optim: {}\n", "my.yaml:1: 'optim' is a section"},
    {"seed: [1]\n", "my.yaml:1: seed: expected one value, not a list"},
    {"seed: {a: 1}\n", "my.yaml:1: seed: expected a value, not a mapping"},
    {"network.hidden: [[1]]\n", "my.yaml:1: network.hidden: expected a list of plain values"},
    {"network.hidden: {a: 1}\n", "my.yaml:1: "},
    {"seed:\n", "seed is empty (from my.yaml:1)"},
    {"- 1\n", "my.yaml:1: expected lines of 'key: value'"},
    {"word\n", "my.yaml:1: expected lines of 'key: value'"},
    {"seed: &a 1\n", "my.yaml:1: anchors and aliases are not taken here"},
    {"seed: *a\n", "my.yaml:1: anchors and aliases are not taken here"},
    {"seed: !!int 1\n", "my.yaml:1: tags ('!...') are not taken here"},
    {"!x {seed: 1}\n", "my.yaml:1: tags ('!...') are not taken here"},
    {"seed: 1\n---\nseed: 2\n", "my.yaml:2: a second document"},
    {"? [a]\n: 1\n", "my.yaml:1: a key that is not plain text"},
    {"\"a\\0b\": 1\n", "my.yaml:1: a key holds a NUL character"},
    {"out: \"a\\0b\"\n", "my.yaml:1: a NUL character"},
    {"seed: 1\nout: \xff\xfe\n", "my.yaml:2: "},
    {"seed: 1\n\tout: x\n", "my.yaml:2: "},
    {"seed: [1\n", "my.yaml:2: "},
    {"env.options: [[[[[[[[[[1]]]]]]]]]]\n", "my.yaml:1: nested more than 8 deep"},
    {"env.options: {a: {a: {a: {a: {a: {a: 1}}}}}}\n", "env.options (from my.yaml:1) is nested more than 5 deep"},
    {"<<: {seed: 1}\n", "my.yaml:1: unknown key '<<"},
    {"a\x1b[31m: 1\n", "my.yaml:1: control characters are not allowed"},
    {"\"a\\e[31m\": 1\n", "my.yaml:1: unknown key 'a\\x1B[31m'"},
};

START_TEST(files_say_what_and_where) {
  sac_config *config = fresh(), *before = fresh();
  ck_fails(parse(config, files[_i].text), SAC_ERROR_CONFIG, files[_i].says);
  ck_assert(memcmp(config, before, sizeof *config) == 0);
  sac_config_destroy(config);
  sac_config_destroy(before);
}
END_TEST

START_TEST(an_error_applies_nothing) {
  sac_config* config = fresh();
  ck_fails(parse(config, "gamma: 0.5\noptim.lr: 3\n"), SAC_ERROR_CONFIG, "optim.lr");
  ck_assert_str_eq(sac_config_get(config, "gamma"), "0.99");
  sac_config_destroy(config);
}
END_TEST

START_TEST(empty_files_set_nothing) {
  sac_config *config = fresh(), *before = fresh();
  ck_ok(parse(config, ""));
  ck_ok(parse(config, "# only a comment\n"));
  ck_ok(parse(config, "---\n...\n"));
  ck_ok(parse(config, "{}\n"));
  ck_assert(memcmp(config, before, sizeof *config) == 0);
  sac_config_destroy(config);
  sac_config_destroy(before);
}
END_TEST

START_TEST(eight_deep_is_not_too_deep) {
  sac_node* root = NULL;
  ck_ok(sac_yaml_parse(&root, "{a: [[[[[[[1]]]]]]]}", 20, "my.yaml"));
  sac_yaml_free(root);
  ck_fails(sac_yaml_parse(&root, "{a: [[[[[[[[1]]]]]]]]}", 22, "my.yaml"), SAC_ERROR_CONFIG, "nested more than 8 deep");
  ck_assert_ptr_null(root);
}
END_TEST

/* What editors of other systems write: byte order marks, and lines that end with CR LF. */
START_TEST(files_of_other_systems) {
  sac_config* config = fresh();
  ck_ok(parse(config, "\xef\xbb\xbfoptim:\r\n  lr: 0.001\r\nseed: 3\r\n"));
  ck_assert_str_eq(sac_config_get(config, "optim.lr"), "0.001");
  ck_assert_str_eq(sac_config_get(config, "seed"), "3");
  ck_ok(parse(config, "\xef\xbb\xbf"));
  ck_fails(parse(config, "\xef\xbb\xbf\nsede: 3\n"), SAC_ERROR_CONFIG, "my.yaml:2: unknown key 'sede'");
  ck_fails(parse(config, "seed: 3\n\xef\xbb\xbfgamma: 1\n"), SAC_ERROR_CONFIG,
           "my.yaml:2: begins with a byte order mark");

  /* UTF-16 and UTF-32, in both orders, with a mark and without */
  static const char wide[][13] = {"\xff\xfes\0e\0\0\0", "\xfe\xff\0s\0e\0\0",  "\0s\0e\0e\0d\0",
                                  "s\0e\0e\0d\0\0",     "\xff\xfe\0\0s\0\0\0", "\0\0\xfe\xff\0\0\0s"};
  for (size_t i = 0; i < COUNT(wide); i++)
    ck_fails(sac_config_parse(config, wide[i], 8, "my.yaml", SAC_ORIGIN_FILE), SAC_ERROR_CONFIG, "save it as UTF-8");

  /* the source of a saved value does not end with the CR */
  ck_ok(sac_config_parse(config, "tau: 0.5 # from --set\r\n", 23, "config.yaml", SAC_ORIGIN_SAVED));
  ck_assert_str_eq(config->source[SAC_FIELD_tau].from, "--set");
  sac_config_destroy(config);
}
END_TEST

/* No shell reads a configuration: "~" is the home folder there too. */
START_TEST(home_folders) {
  sac_config* config = fresh();
  ck_assert_int_eq(setenv("HOME", "/home/me", 1), 0);
  ck_ok(parse(config, "out: ~/runs/a\npolicy.init: \"~/a b\"\nenv.id: ~/lib/plug.so\n"));
  ck_assert_str_eq(sac_config_get(config, "out"), "/home/me/runs/a");
  ck_assert_str_eq(sac_config_get(config, "policy.init"), "/home/me/a b");
  ck_assert_str_eq(sac_config_get(config, "env.id"), "/home/me/lib/plug.so");
  ck_ok(set(config, "out", "~"));
  ck_assert_str_eq(sac_config_get(config, "out"), "/home/me");
  ck_ok(set(config, "out", "./~/x~"));
  ck_assert_str_eq(sac_config_get(config, "out"), "./~/x~");

  /* a plain ~ alone is YAML's word for no value */
  ck_ok(parse(config, "policy.init: ~\n"));
  ck_assert_str_eq(sac_config_get(config, "policy.init"), "");
  ck_fails(parse(config, "seed: ~\n"), SAC_ERROR_CONFIG, "seed is empty (from my.yaml:1)");

  /* what cannot be told is refused */
  ck_fails(set(config, "out", "~you/runs"), SAC_ERROR_CONFIG, "out = ~you/runs (from --set) is no path: '~you'");
  ck_assert_int_eq(unsetenv("HOME"), 0);
  ck_fails(set(config, "out", "~/runs"), SAC_ERROR_CONFIG, "HOME is not set");
  ck_fails(sac_config_load(config, "~/my.yaml"), SAC_ERROR_FILE, "HOME is not set");
  ck_assert_int_eq(setenv("HOME", "/nonexistent", 1), 0);
  ck_fails(sac_config_load(config, "~/my.yaml"), SAC_ERROR_FILE, "~/my.yaml: cannot be opened: No such");
  sac_config_destroy(config);
}
END_TEST

/* Long text, deep nesting and many values are refused at once, whatever their size. */
START_TEST(bombs_are_refused) {
  /* one character, up to the largest file and one more */
  const size_t size = SAC_YAML_BYTES;
  char* text = malloc(size + 2);
  const char fills[] = "[{-a?\"' &*!|\n";
  for (size_t f = 0; f < sizeof fills - 1; f++) {
    sac_config* config = fresh();
    memset(text, fills[f], size + 1);
    ck_fails(sac_config_parse(config, text, size + 1, "bomb", SAC_ORIGIN_FILE), SAC_ERROR_CONFIG, "larger than 1 MiB");
    const sac_status status = sac_config_parse(config, text, size, "bomb", SAC_ORIGIN_FILE);
    ck_assert_msg((status == SAC_OK) == (fills[f] == '\n' || fills[f] == ' '), "%c: %s", fills[f], sac_last_error());
    sac_config_destroy(config);
  }

  /* nested or repeated pieces */
  static const char* const pieces[] = {"- ", "a: ", "[a, ", "{a: ", "? ", "- - ", "[],", "a: b\n", "\"x\": {}\n", "a,"};
  for (size_t p = 0; p < sizeof pieces / sizeof *pieces; p++) {
    sac_config* config = fresh();
    const size_t length = strlen(pieces[p]);
    for (size_t i = 0; i < size; i++) text[i] = pieces[p][i % length];
    ck_assert_int_eq(sac_config_parse(config, text, size, "bomb", SAC_ORIGIN_FILE), SAC_ERROR_CONFIG);
    memcpy(text, "env.options: ", 13);
    ck_assert_int_eq(sac_config_parse(config, text, size, "bomb", SAC_ORIGIN_FILE), SAC_ERROR_CONFIG);
    memcpy(text, "env.options: [", 14);
    ck_assert_int_eq(sac_config_parse(config, text, size, "bomb", SAC_ORIGIN_FILE), SAC_ERROR_CONFIG);
    sac_config_destroy(config);
  }
  free(text);
}
END_TEST

START_TEST(what_is_written_reads_back_to_the_bit) {
  sac_config *config = fresh(), *back = fresh();
  ck_ok(parse(config,
              "env: {id: Acrobot-v1, options: {g: 0.1, s: \"a: b\"}, num_envs: 3}\n"
              "optim: {lr: 0.30000000000000004, actor_lr: 5e-324, beta1: 0.1, epsilon: 1e-17}\n"
              "network.hidden: [3, 1, 65536]\nalpha: {learn: no, target_entropy: -1.25}\n"
              "out: \"a\xc3\xa9 'b' \\\"c\\\" # from nowhere \\\\\"\nalgo: sac-v\ndevice: cuda:3\n"));
  char *text = written(config), *again;
  ck_ok(sac_config_parse(back, text, strlen(text), "config.yaml", SAC_ORIGIN_SAVED));
  same_settings(config, back);
  /* the origins of the values are kept too */
  again = written(back);
  ck_assert_str_eq(text, again);
  free(text);
  free(again);
  sac_config_destroy(config);
  sac_config_destroy(back);
}
END_TEST

/* A network without hidden layers is an empty list in each notation of YAML, and is written as one. */
START_TEST(an_empty_list_comes_back) {
  static const char* const texts[] = {"network.hidden: []\n", "network:\n  hidden: [ ]\n", "network: {hidden: []}\n",
                                      "network.hidden: \"[]\"\n"};
  for (size_t i = 0; i < COUNT(texts); i++) {
    sac_config *config = fresh(), *back = fresh();
    sac_settings s;
    ck_ok(parse(config, texts[i]));
    ck_assert_str_eq(sac_config_get(config, "network.hidden"), "[]");
    ck_ok(sac_config_settings(config, &s));
    ck_assert_int_eq(s.hidden.count, 0);
    char* text = written(config);
    ck_assert_ptr_nonnull(strstr(text, "\n  hidden: [] "));
    ck_ok(parse(back, text));
    same_settings(config, back);
    free(text);
    sac_config_destroy(config);
    sac_config_destroy(back);
  }
}
END_TEST

/* The keys of discrete actions, with values that are not the defaults. */
START_TEST(discrete_keys_come_back) {
  sac_config *config = fresh(), *back = fresh(), *defaults = fresh();
  ck_ok(parse(config,
              "algo: sac-discrete\nnetwork: {critics_join: mean}\n"
              "alpha: {min: 0.01, max: 0.7, target_entropy_share: 0.98}\n"));
  static const char* const keys[] = {"algo", "network.critics_join", "alpha.min", "alpha.max",
                                     "alpha.target_entropy_share"};
  for (size_t i = 0; i < COUNT(keys); i++)
    ck_assert_str_ne(sac_config_get(config, keys[i]), sac_config_get(defaults, keys[i]));
  char* text = written(config);
  ck_ok(parse(back, text));
  same_settings(config, back);
  free(text);
  sac_config_destroy(config);
  sac_config_destroy(back);
  sac_config_destroy(defaults);
}
END_TEST

START_TEST(names_that_need_quotes_come_back) {
  static const char* const names[] = {"-",
                                      "+x",
                                      " a",
                                      "a ",
                                      "a: b",
                                      "a #b",
                                      "true",
                                      "null",
                                      "~",
                                      "'",
                                      "\"",
                                      "\\",
                                      "{}",
                                      "[a]",
                                      "*a",
                                      "&a",
                                      "!a",
                                      "|",
                                      ">",
                                      "%a",
                                      "@a",
                                      "`a",
                                      "a:",
                                      ":a",
                                      "1e3",
                                      "---",
                                      "...",
                                      "? a",
                                      "\xe2\x80\xa8",
                                      "a \xe2\x80\xa8 b",
                                      "a \xe2\x80\xa8 b",
                                      "\xef\xbb\xbf",
                                      "\xf0\x9f\x98\x80",
                                      ",",
                                      "gym:A-v0",
                                      "./lib.so"};

  /* each is written, and read again as the same text */
  for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
    sac_config *config = fresh(), *back = fresh();
    ck_ok(set(config, "out", names[i]));
    ck_ok(set(config, "env.id", names[i]));
    char* text = written(config);
    ck_ok(parse(back, text));
    same_settings(config, back);
    free(text);
    sac_config_destroy(config);
    sac_config_destroy(back);
  }
}
END_TEST

START_TEST(written_values_name_their_origin) {
  sac_config* config = fresh();
  ck_ok(sac_config_preset(config, "Pendulum-v1"));
  ck_ok(parse(config, "\ngamma: 0.9\n"));
  ck_ok(set(config, "tau", "0.01"));
  ck_ok(sac_config_set_from(config, "seed", "7", SAC_ORIGIN_FLAG, "--seed"));
  ck_ok(sac_config_set(config, "log.every", "10"));
  char* text = written(config);
  ck_assert_ptr_nonnull(strstr(text, "# from preset Pendulum-v1\n"));
  ck_assert_ptr_nonnull(strstr(text, "gamma: 0.9                           # from my.yaml:2\n"));
  ck_assert_ptr_nonnull(strstr(text, "tau: 0.01                            # from --set\n"));
  ck_assert_ptr_nonnull(strstr(text, "seed: 7                              # from --seed\n"));
  ck_assert_ptr_nonnull(strstr(text, "  every: 10                          # from sac_config_set\n"));
  ck_assert_ptr_nonnull(strstr(text, "reward_scale: 1                      # from library\n"));
  free(text);
  sac_config_destroy(config);
}
END_TEST

START_TEST(files_that_cannot_be_read) {
  sac_config* config = fresh();
  ck_fails(sac_config_load(config, "/nonexistent/my.yaml"), SAC_ERROR_FILE,
           "/nonexistent/my.yaml: cannot be opened: No such");
  ck_fails(sac_config_load(config, "/"), SAC_ERROR_FILE, "/: cannot be read: Is a directory");
  ck_fails(sac_config_load(config, "/dev/zero"), SAC_ERROR_CONFIG, "larger than 1 MiB");
  ck_ok(sac_config_load(config, "/dev/null"));
  char path[] = "/tmp/sac_config_XXXXXX";
  const int descriptor = mkstemp(path);
  ck_assert_int_ge(descriptor, 0);
  ck_assert_int_eq(write(descriptor, "seed: x\n", 8), 8);
  close(descriptor);
  char says[128];
  snprintf(says, sizeof says, "seed = x (from %s:1) is not a whole number", path);
  ck_fails(sac_config_load(config, path), SAC_ERROR_CONFIG, says);
  unlink(path);
  sac_config_destroy(config);
}
END_TEST

START_TEST(long_names_keep_their_end) {
  char name[3000];
  memset(name, 'd', sizeof name);
  memcpy(name + sizeof name - 10, "/my.yaml\0", 9);
  name[5] = '\n';
  sac_config* config = fresh();
  ck_fails(sac_config_parse(config, "x: 1", 4, name, SAC_ORIGIN_FILE), SAC_ERROR_CONFIG,
           "d/my.yaml:1: unknown key 'x'");
  ck_ok(sac_config_parse(config, "gamma: 0", 8, name, SAC_ORIGIN_FILE));
  ck_assert_ptr_nonnull(strstr(config->source[SAC_FIELD_gamma].from, "d/my.yaml:1"));
  sac_config_destroy(config);
}
END_TEST

CHECK_MAIN("config_file", LOOP(files_say_what_and_where, COUNT(files)), CASE(an_error_applies_nothing),
           CASE(empty_files_set_nothing), CASE(eight_deep_is_not_too_deep), CASE(files_of_other_systems),
           CASE(home_folders), CASE(bombs_are_refused), CASE(what_is_written_reads_back_to_the_bit),
           CASE(an_empty_list_comes_back), CASE(discrete_keys_come_back), CASE(names_that_need_quotes_come_back),
           CASE(written_values_name_their_origin), CASE(files_that_cannot_be_read), CASE(long_names_keep_their_end))
