/* ctest: one-thread
 *
 * The configuration: values, layers, messages, files, resume. */
#include "config/settings.h"

#include <locale.h>
#include <unistd.h>

#include "config/sources.h"
#include "env/list.h"
#include "support/check_main.h"

static sac_config* fresh(void) {
  sac_config* config = NULL;
  ck_ok(sac_config_create(&config));
  return config;
}

static sac_status parse(sac_config* config, const char* text) {
  return sac_config_parse(config, text, strlen(text), "my.yaml", SAC_ORIGIN_FILE);
}

static sac_status set(sac_config* config, const char* key, const char* value) {
  return sac_config_set_from(config, key, value, SAC_ORIGIN_SET, "--set");
}

static char* written(const sac_config* config) {
  char* text = NULL;
  size_t size = 0;
  FILE* file = open_memstream(&text, &size);
  ck_ok(sac_config_write(config, file));
  fclose(file);
  return text;
}

static void same_settings(const sac_config* a, const sac_config* b) {
  for (int i = 0; i < SAC_FIELD_COUNT; i++) {
    ck_assert_msg(sac_field_equal(&sac_fields[i], &a->settings, &b->settings), "%s differs", sac_fields[i].key);
    ck_assert_msg(memcmp((const char*)&a->settings + sac_fields[i].offset,
                         (const char*)&b->settings + sac_fields[i].offset, sac_fields[i].size) == 0,
                  "%s differs in its bits", sac_fields[i].key);
  }
}

/* ---- values ---- */

START_TEST(defaults_are_the_papers) {
  sac_config* config = fresh();
  sac_settings s;
  ck_ok(sac_config_settings(config, &s));
  ck_assert_double_eq(s.lr, 3e-4);
  ck_assert_double_eq(s.gamma, .99);
  ck_assert_double_eq(s.tau, .005);
  ck_assert_int_eq(s.batch, 256);
  ck_assert_int_eq(s.hidden.count, 2);
  ck_assert(s.hidden.size[0] == 256 && s.hidden.size[1] == 256);
  ck_assert(isnan(s.actor_lr) && sac_auto(s.actor_lr, s.lr) == 3e-4);
  ck_assert_str_eq(s.env_options, "{}");
  sac_config_destroy(config);
}
END_TEST

/* Every default lies within its own range and reads back from its own text. */
START_TEST(defaults_read_back) {
  sac_config* config = fresh();
  char text[SAC_VALUE_MAX];
  for (int i = 0; i < SAC_FIELD_COUNT; i++) {
    sac_field_print(&sac_fields[i], &sac_settings_library, text);
    ck_ok(sac_config_set(config, sac_fields[i].key, text));
    ck_assert_str_eq(sac_config_get(config, sac_fields[i].key), text);
  }
  sac_config* other = fresh();
  same_settings(config, other);
  sac_config_destroy(config);
  sac_config_destroy(other);
}
END_TEST

/* The written file opens a section once only: its keys stand together in the table, and no key is another's section. */
START_TEST(the_table_is_in_order) {
  for (int i = 0; i < SAC_FIELD_COUNT; i++) {
    const char* dot = strchr(sac_fields[i].key, '.');
    const size_t length = dot ? (size_t)(dot - sac_fields[i].key) + 1 : 0;
    int gone = 0;
    for (int j = i + 1; j < SAC_FIELD_COUNT; j++) {
      ck_assert_str_ne(sac_fields[i].key, sac_fields[j].key);
      if (!length) continue;
      const int same = strncmp(sac_fields[i].key, sac_fields[j].key, length) == 0;
      ck_assert_msg(!same || !gone, "%s stands apart from its section", sac_fields[j].key);
      if (!same) gone = 1;
      ck_assert(strncmp(sac_fields[j].key, sac_fields[i].key, length - 1) != 0 ||
                sac_fields[j].key[length - 1] == '.' || sac_fields[j].key[length - 1] != '\0');
    }
  }
}
END_TEST

static const struct {
  const char *key, *value, *reads; /* reads: what get gives; NULL: as value */
} good[] = {
    {"optim.lr", "1e-3", "0.001"},
    {"optim.lr", "1", NULL},
    {"train.steps", "1e6", "1000000"},
    {"train.steps", "2.5e3", "2500"},
    {"seed", "9007199254740992", NULL},
    {"optim.actor_lr", "auto", NULL},
    {"optim.actor_lr", "AUTO", "auto"},
    {"optim.actor_lr", "0.01", NULL},
    {"alpha.target_entropy", "-3", NULL},
    {"alpha.learn", "off", "false"},
    {"alpha.learn", "yes", "true"},
    {"alpha.learn", "True", "true"},
    {"network.hidden", "[64, 32]", NULL},
    {"network.hidden", "64,32", "[64, 32]"},
    {"network.hidden", " [ 64 ,32 ] ", "[64, 32]"},
    {"network.hidden", "400", "[400]"},
    {"network.hidden", "1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16",
     "[1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16]"},
    {"algo", "sac-v", NULL},
    {"device", "cpu", NULL},
    {"device", "cuda:12", NULL},
    {"out", "", NULL},
    {"out", "a folder/\xc3\xa9: #1", NULL},
    {"gamma", "0", NULL},
    {"gamma", "1", NULL},
    {"policy.log_std_min", "-5", NULL},
    {"optim.beta1", "1e-400", "0"},
};

START_TEST(takes_good_values) {
  sac_config* config = fresh();
  ck_ok(sac_config_set(config, good[_i].key, good[_i].value));
  ck_assert_str_eq(sac_config_get(config, good[_i].key), good[_i].reads ? good[_i].reads : good[_i].value);
  sac_config_destroy(config);
}
END_TEST

static char ten_to_400[402], long_text[5000];

static const struct {
  const char *key, *value, *says;
} bad[] = {
    {"optim.lr", "3", "optim.lr = 3 (from --set) is outside (0, 1]"},
    {"optim.lr", "0", "optim.lr = 0 (from --set) is outside (0, 1]"},
    {"optim.lr", "-1e-3", "is outside (0, 1]"},
    {"optim.lr", "fast", "optim.lr = fast (from --set) is not a number"},
    {"optim.lr", "", "optim.lr is empty (from --set)"},
    {"optim.lr", "nan", "is not a number"},
    {"optim.lr", "inf", "is not a number"},
    {"optim.lr", "1,5", "is not a number"},
    {"optim.lr", "1e400", "is outside (0, 1]"},
    {"optim.lr", "auto", "is not a number"},
    {"optim.actor_lr", "automatic", "is not a number, nor auto"},
    {"seed", "-1", "seed = -1 (from --set) is outside [0, 2^53]"},
    {"seed", "9007199254740993", "is outside [0, 2^53]"},
    {"seed", "1e30", "is outside [0, 2^53]"},
    {"seed", "1.5", "is not a whole number"},
    {"seed", ten_to_400, "is outside [0, 2^53]"},
    {"train.steps", "0", "is outside [1, 2^53]"},
    {"replay.capacity", "-5", "replay.capacity = -5 (from --set) is outside [1, 2^53]"},
    {"replay.batch", "1048577", "is outside [1, 1048576]"},
    {"alpha.learn", "maybe", "alpha.learn = maybe (from --set) is not true or false"},
    {"alpha.learn", "", "alpha.learn is empty"},
    {"algo", "sacv", "algo = sacv (from --set) is not one of: sac | sac-v"},
    {"algo", "SAC", "is not one of"},
    {"network.hidden", "", "network.hidden is empty"},
    {"network.hidden", " ", "is not a list of widths"},
    {"network.hidden", "[]", "is not a list of widths"},
    {"network.hidden", "[", "is not a list of widths"},
    {"network.hidden", "]", "is not a list of widths"},
    {"network.hidden", "[64", "is not a list of widths"},
    {"network.hidden", "64]", "is not a list of widths"},
    {"network.hidden", "64,,64", "is not a list of widths"},
    {"network.hidden", "64,", "is not a list of widths"},
    {"network.hidden", "64 64", "is not a list of widths"},
    {"network.hidden", "64.5", "is not a list of widths"},
    {"network.hidden", "256, 0", "has a width outside [1, 65536]"},
    {"network.hidden", "70000", "has a width outside [1, 65536]"},
    {"network.hidden", "1e99", "has a width outside [1, 65536]"},
    {"network.hidden", "1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17", "has more than 16 layers"},
    {"network.hidden", long_text, "is not a list of widths"},
    {"device", "gpu", "device = gpu (from --set) is not one of: auto | cpu | cuda | cuda:N"},
    {"device", "cuda:", "is not one of"},
    {"device", "cuda:-1", "is not one of"},
    {"device", "cuda:1e1", "is not one of"},
    {"device", "cuda:1000000", "is not one of"},
    {"device", "", "device is empty"},
    {"env.id", "", "env.id is empty"},
    {"env.id", long_text, "is longer than 1000 bytes"},
    {"out", long_text, "is longer than 1023 bytes"},
    {"out", "a\nb", "is not printable UTF-8 text"},
    {"out", "\xff", "is not printable UTF-8 text"},
    {"optim.learning_rate", "1",
     "unknown key 'optim.learning_rate' (from --set); nearest is 'optim.lr' ('sac config' lists all)"},
    {"batch_size", "1", "nearest is 'replay.batch'"},
    {"sede", "1", "nearest is 'seed'"},
    {"bach", "1", "nearest is 'replay.batch'"},
    {"optimizer.lr", "1", "nearest is 'optim.lr'"},
    {"eval.evry", "1", "nearest is 'eval.every'"},
    {"optim", "1", "'optim' (from --set) is a section; its keys are 'optim.lr' and the like"},
    {"xylophone", "1", "unknown key 'xylophone' (from --set) ('sac config' lists all)"},
    {"", "1", "unknown key ''"},
    {"env.options", "3", "env.options (from --set) is not a mapping like {g: 9.81}"},
    {"env.options", "[1]", "is not a mapping"},
    {"env.options", "{a: *b}", "anchors and aliases are not taken"},
    {"env.options", "{a: 1, a: 2}", "key 'a' is given twice"},
    {"env.options", "{a", "env.options (from --set):2: while parsing a flow mapping"},
    {"env.options.", "1", "names no option"},
    {"env.options..a", "1", "names no option"},
    {"env.options.a.b.c.d.e.f", "1", "names no option"},
    {"env.options.a", "[[[[[[1]]]]]]", "nested"},
    {"env.options.a", long_text, "is longer than 1022 bytes"},
    {"env.options.a", "!!python/object:os.system x", "tags ('!...') are not taken here"},
    {"env.options.a", "\"\\0\"", "a NUL character"},
};

START_TEST(refuses_bad_values) {
  memset(ten_to_400, '0', 401);
  ten_to_400[0] = '1';
  memset(long_text, '1', sizeof long_text - 1);
  sac_config *config = fresh(), *before = fresh();
  ck_fails(set(config, bad[_i].key, bad[_i].value), SAC_ERROR_CONFIG, bad[_i].says);
  ck_assert_msg(memcmp(config, before, sizeof *config) == 0, "%s = %s changed something", bad[_i].key, bad[_i].value);
  ck_assert_ptr_null(strchr(sac_last_error(), '\n'));
  sac_config_destroy(config);
  sac_config_destroy(before);
}
END_TEST

START_TEST(null_arguments_are_errors) {
  sac_config* config = fresh();
  sac_settings s;
  ck_fails(sac_config_create(NULL), SAC_ERROR_ARGUMENT, "NULL");
  ck_fails(sac_config_set(NULL, "seed", "1"), SAC_ERROR_ARGUMENT, "NULL");
  ck_fails(sac_config_set(config, NULL, "1"), SAC_ERROR_ARGUMENT, "NULL");
  ck_fails(sac_config_set(config, "seed", NULL), SAC_ERROR_ARGUMENT, "NULL");
  ck_fails(sac_config_load(config, NULL), SAC_ERROR_ARGUMENT, "NULL");
  ck_fails(sac_config_preset(config, NULL), SAC_ERROR_ARGUMENT, "no environment");
  ck_fails(sac_config_preset(config, ""), SAC_ERROR_ARGUMENT, "no environment");
  ck_fails(sac_config_settings(NULL, &s), SAC_ERROR_ARGUMENT, "NULL");
  ck_assert_ptr_null(sac_config_get(config, "nothing"));
  ck_assert_ptr_null(sac_config_get(config, NULL));
  ck_assert_ptr_null(sac_config_get(NULL, "seed"));
  sac_config_destroy(NULL);
  sac_config_destroy(config);
}
END_TEST

/* ---- options of the environment ---- */

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
  /* An earlier layer goes under what is there. */
  ck_ok(parse(config, "env.options: {g: 1, extra: 2}\n"));
  ck_assert_str_eq(sac_config_get(config, "env.options.g"), "10");
  ck_assert_str_eq(sac_config_get(config, "env.options.extra"), "2");
  sac_config_destroy(config);
}
END_TEST

/* Text that YAML or JSON could take for something else survives being written and read. */
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

/* ---- layers ---- */

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
  ck_ok(sac_config_preset(config, "NoPreset-v0")); /* the other's values go, ours stay */
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

/* ---- across fields ---- */

static const struct {
  const char *text, *says;
} crossed[] = {
    {"replay.capacity: 100\n",
     "replay.capacity = 100 (from my.yaml:1) is less than replay.batch = 256 (the default): a minibatch must fit"},
    {"policy: {log_std_min: 2, log_std_max: 2}\n",
     "policy.log_std_min = 2 (from my.yaml:1) is not below policy.log_std_max = 2 (from my.yaml:1)"},
    {"train.steps: 100\n", "train.warmup_steps = 10000 (the default) leaves no step to learn in: train.steps = 100 "},
    {"precision: tf32\n", "precision = tf32 (from my.yaml:1) needs a CUDA device"},
    {"precision: bf16\ndevice: cpu\n", "precision = bf16 (from my.yaml:1) needs a CUDA device"},
};

START_TEST(fields_agree) {
#ifdef SAC_CUDA
  if (_i == 3) return; /* device auto may be one with CUDA */
#endif
  sac_config* config = fresh();
  sac_settings s;
  ck_ok(parse(config, crossed[_i].text));
  ck_fails(sac_config_settings(config, &s), SAC_ERROR_CONFIG, crossed[_i].says);
  sac_config_destroy(config);
}
END_TEST

START_TEST(no_updates_need_no_steps_to_learn_in) {
  sac_config* config = fresh();
  sac_settings s;
  ck_ok(parse(config, "train: {steps: 100, updates_per_step: 0}\n"));
  ck_ok(sac_config_settings(config, &s));
  sac_config_destroy(config);
}
END_TEST

/* MuJoCo's threads follow cpu.threads in the settings, and in nothing that is written out. */
START_TEST(threads_of_the_environment) {
  int32_t count;
  const int has = sac_env_options_of("HalfCheetah-v5", &count) != NULL;
  sac_config* config = fresh();
  sac_settings s;
  ck_ok(set(config, "env.id", "HalfCheetah-v5"));
  ck_ok(set(config, "env.options.frame_skip", "2"));
  ck_ok(sac_config_settings(config, &s));
  ck_assert_str_eq(s.env_options, "{\"frame_skip\": 2}");
  ck_ok(set(config, "cpu.threads", "3"));
  ck_ok(sac_config_settings(config, &s));
  ck_assert_str_eq(s.env_options, has ? "{\"frame_skip\": 2, \"threads\": 3}" : "{\"frame_skip\": 2}");
  ck_assert_str_eq(sac_config_get(config, "env.options"), "{\"frame_skip\": 2}");
  ck_ok(set(config, "env.options.threads", "1")); /* its own word counts */
  ck_ok(sac_config_settings(config, &s));
  ck_assert_str_eq(s.env_options, "{\"frame_skip\": 2, \"threads\": 1}");
  sac_config_destroy(config);
  config = fresh();
  ck_ok(set(config, "env.id", "Pendulum-v1")); /* has no such option */
  ck_ok(set(config, "cpu.threads", "3"));
  ck_ok(sac_config_settings(config, &s));
  ck_assert_str_eq(s.env_options, "{}");
  sac_config_destroy(config);
}
END_TEST

START_TEST(cuda_without_cuda) {
#ifndef SAC_CUDA
  sac_config* config = fresh();
  sac_settings s;
  ck_ok(set(config, "device", "cuda:0"));
  ck_fails(sac_config_settings(config, &s), SAC_ERROR_DEVICE,
           "device = cuda:0 (from --set): this build of sac has no CUDA");
  sac_config_destroy(config);
#endif
}
END_TEST

/* ---- files ---- */

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
    {"seed: [1]\n", "my.yaml:1: seed: a single value is due, not a list"},
    {"seed: {a: 1}\n", "my.yaml:1: seed: a value is due, not a mapping"},
    {"network.hidden: [[1]]\n", "my.yaml:1: network.hidden: a list of plain values is due"},
    {"network.hidden: {a: 1}\n", "my.yaml:1: "},
    {"seed:\n", "seed is empty (from my.yaml:1)"},
    {"- 1\n", "my.yaml:1: lines of 'key: value' are due"},
    {"word\n", "my.yaml:1: lines of 'key: value' are due"},
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

/* Much text, much nesting, many values: refused at once, whatever their size. */
START_TEST(bombs_are_refused) {
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
  /* Where the values came from survives too. */
  again = written(back);
  ck_assert_str_eq(text, again);
  free(text);
  free(again);
  sac_config_destroy(config);
  sac_config_destroy(back);
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

/* ---- resume ---- */

START_TEST(resume_takes_what_may_change) {
  sac_config *saved = fresh(), *wanted = fresh();
  char changes[256];
  ck_ok(sac_config_set(saved, "train.steps", "1000"));
  ck_ok(sac_config_set(saved, "env.options", "{a: 1, b: 2}"));
  ck_ok(sac_config_set_from(wanted, "train.steps", "2000", SAC_ORIGIN_FLAG, "--steps"));
  ck_ok(set(wanted, "replay.batch", "256")); /* the same: no change */
  ck_ok(set(wanted, "env.options.a", "1"));  /* the same, laid over the saved ones */
  ck_ok(set(wanted, "cpu.threads", "2"));
  ck_ok(sac_config_set_from(wanted, "network.hidden", "64", SAC_ORIGIN_PRESET, NULL)); /* presets are not asked */
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

#define COUNT(array) (sizeof array / sizeof *array)
CHECK_MAIN("config", CASE(defaults_are_the_papers), CASE(defaults_read_back), CASE(the_table_is_in_order),
           LOOP(takes_good_values, COUNT(good)), LOOP(refuses_bad_values, COUNT(bad)), CASE(null_arguments_are_errors),
           CASE(options_merge), CASE(options_keep_their_types), CASE(later_layers_win_in_any_order),
           CASE(presets_give_way), CASE(summary_says_what_changed), LOOP(fields_agree, COUNT(crossed)),
           CASE(no_updates_need_no_steps_to_learn_in), CASE(threads_of_the_environment), CASE(cuda_without_cuda),
           LOOP(files_say_what_and_where, COUNT(files)), CASE(an_error_applies_nothing), CASE(empty_files_set_nothing),
           CASE(eight_deep_is_not_too_deep), CASE(bombs_are_refused), CASE(what_is_written_reads_back_to_the_bit),
           CASE(names_that_need_quotes_come_back), CASE(written_values_name_their_origin),
           CASE(files_that_cannot_be_read), CASE(long_names_keep_their_end), CASE(resume_takes_what_may_change),
           CASE(resume_refuses_what_cannot))
