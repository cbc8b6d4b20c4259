/* ctest: one-thread
 *
 * The configuration: values, and checks across fields. */
#include "support/config_case.h"

#include "env/list.h"

/* --- values ------------------------------------------------------------------------------------------------------- */

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

/* Every default lies within its range and can be read back from its text. */
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

/* The written file opens each section once: the keys of a section are next to each other in the table, and no key has
 * the name of a section. */
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
  const char *key, *value, *reads; /* what get returns; NULL: the same as value */
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
    {"network.hidden", "[]", NULL},
    {"network.hidden", " [ \t] ", "[]"},
    {"network.critics_join", "min", NULL},
    {"network.critics_join", "mean", NULL},
    {"alpha.min", "auto", NULL},
    {"alpha.min", "0.01", NULL},
    {"alpha.max", "1e6", "1000000"},
    {"alpha.max", "Auto", "auto"},
    {"alpha.target_entropy_share", "1", NULL},
    {"alpha.target_entropy_share", "1e-3", "0.001"},
    {"algo", "sac-v", NULL},
    {"algo", "soft-q", NULL},
    {"algo", "sac-discrete", NULL},
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
    {"algo", "sacv", "algo = sacv (from --set) is not one of: sac | sac-v | sac-discrete | soft-q"},
    {"network.critics_join", "max", "network.critics_join = max (from --set) is not one of: min | mean"},
    {"network.critics_join", "", "network.critics_join is empty (from --set)"},
    {"network.critics_join", "Mean", "is not one of: min | mean"},
    {"alpha.initial", "0", "alpha.initial = 0 (from --set) is outside (0, "},
    {"alpha.initial", "-0.1", "alpha.initial = -0.1 (from --set) is outside (0, "},
    {"alpha.min", "0", "alpha.min = 0 (from --set) is outside (0, 1000000]"},
    {"alpha.min", "-1", "alpha.min = -1 (from --set) is outside (0, 1000000]"},
    {"alpha.min", "none", "alpha.min = none (from --set) is not a number, nor auto"},
    {"alpha.min", "nan", "alpha.min = nan (from --set) is not a number, nor auto"},
    {"alpha.max", "0", "alpha.max = 0 (from --set) is outside (0, 1000000]"},
    {"alpha.max", "1000001", "alpha.max = 1000001 (from --set) is outside (0, 1000000]"},
    {"alpha.max", "inf", "alpha.max = inf (from --set) is not a number, nor auto"},
    {"alpha.target_entropy_share", "0", "alpha.target_entropy_share = 0 (from --set) is outside (0, 1]"},
    {"alpha.target_entropy_share", "1.01", "alpha.target_entropy_share = 1.01 (from --set) is outside (0, 1]"},
    {"alpha.target_entropy_share", "-0.5", "alpha.target_entropy_share = -0.5 (from --set) is outside (0, 1]"},
    {"alpha.target_entropy_share", "auto", "alpha.target_entropy_share = auto (from --set) is not a number"},
    {"alpha.target_entropy_share", "nan", "is not a number"},
    {"algo", "SAC", "is not one of"},
    {"network.hidden", "", "network.hidden is empty"},
    {"network.hidden", " ", "is not a list of widths"},
    {"network.hidden", "[,]", "is not a list of widths"},
    {"network.hidden", "[ ] ]", "is not a list of widths"},
    {"network.hidden", "[][]", "is not a list of widths"},
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
    {"device", "cpu:0", "is not one of: auto | cpu | cuda | cuda:N"},
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
    {long_text, "1", "' (from --set) ('sac config' lists all)"}, /* as long as it is, it is near to none */
    {"", "1", "unknown key ''"},
    {"env.options", "3", "env.options (from --set) is not a mapping like {g: 9.81}"},
    {"env.options", "[1]", "is not a mapping"},
    {"env.options", "{a: *b}", "anchors and aliases are not taken"},
    {"env.options", "{a: 1, a: 2}", "key 'a' is given twice"},
    {"env.options", "{a", "env.options (from --set) is not valid YAML: while parsing a flow mapping"},
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
  ck_fails(sac_config_preset(config, NULL), SAC_ERROR_ARGUMENT, "env_id is NULL");
  ck_fails(sac_config_preset(config, ""), SAC_ERROR_ARGUMENT, "env_id is empty");
  ck_fails(sac_config_settings(NULL, &s), SAC_ERROR_ARGUMENT, "NULL");
  ck_assert_ptr_null(sac_config_get(config, "nothing"));
  ck_assert_ptr_null(sac_config_get(config, NULL));
  ck_assert_ptr_null(sac_config_get(NULL, "seed"));
  sac_config_destroy(NULL);
  sac_config_destroy(config);
}
END_TEST

/* --- across fields ------------------------------------------------------------------------------------------------ */

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
    {"alpha: {min: 0.3, max: 0.2}\n", "alpha.min = 0.3 (from my.yaml:1) is above alpha.max = 0.2 (from my.yaml:1)"},
};

START_TEST(fields_agree) {
#ifdef SAC_CUDA
  if (_i == 3) return; /* device auto may choose a CUDA device */
#endif
  sac_config* config = fresh();
  sac_settings s;
  ck_ok(parse(config, crossed[_i].text));
  ck_fails(sac_config_settings(config, &s), SAC_ERROR_CONFIG, crossed[_i].says);
  sac_config_destroy(config);
}
END_TEST

/* Bounds of alpha that agree: equal ones, and one alone. */
START_TEST(bounds_of_alpha) {
  static const char* const texts[] = {"alpha: {min: 0.2, max: 0.2}\n", "alpha.min: 2\n", "alpha.max: 0.01\n",
                                      "alpha: {min: auto, max: auto}\n"};
  for (size_t i = 0; i < COUNT(texts); i++) {
    sac_config* config = fresh();
    sac_settings s;
    ck_ok(parse(config, texts[i]));
    ck_ok(sac_config_settings(config, &s));
    ck_assert_int_eq(isnan(s.alpha_min), i >= 2);
    ck_assert_int_eq(isnan(s.alpha_max), i == 1 || i == 3);
    sac_config_destroy(config);
  }
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

/* MuJoCo's threads follow cpu.threads in the settings, but not in the configuration that is written. */
START_TEST(threads_of_the_environment) {
  /* cpu.threads reaches an environment that has the option `threads` */
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

  /* an explicit value wins */
  ck_ok(set(config, "env.options.threads", "1"));
  ck_ok(sac_config_settings(config, &s));
  ck_assert_str_eq(s.env_options, "{\"frame_skip\": 2, \"threads\": 1}");
  sac_config_destroy(config);

  /* an environment without the option gets none */
  config = fresh();
  ck_ok(set(config, "env.id", "Pendulum-v1")); /* this environment has no such option */
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

CHECK_MAIN("config", CASE(defaults_are_the_papers), CASE(defaults_read_back), CASE(the_table_is_in_order),
           LOOP(takes_good_values, COUNT(good)), LOOP(refuses_bad_values, COUNT(bad)), CASE(null_arguments_are_errors),
           LOOP(fields_agree, COUNT(crossed)), CASE(bounds_of_alpha), CASE(no_updates_need_no_steps_to_learn_in),
           CASE(threads_of_the_environment), CASE(cuda_without_cuda))
