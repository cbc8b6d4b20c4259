/* The public API: every call with bad arguments, and ownership. Acting and learning are tested in test_api_agent.c;
 * formats, learning and resume have tests of their own. */
#include <unistd.h>

#include "support/api_case.h"
#include "support/checksum.h"
#include "support/folder.h"

START_TEST(versions_and_names) {
  ck_assert_str_eq(sac_version(), SAC_VERSION);
  char text[32];
  (void)snprintf(text, sizeof text, "%d.%d.%d", SAC_VERSION_MAJOR, SAC_VERSION_MINOR, SAC_VERSION_PATCH);
  ck_assert_str_eq(text, SAC_VERSION);
#define NAME(code, value, meaning)                \
  ck_assert_str_eq(sac_status_name(code), #code); \
  ck_assert_int_eq(code, value);
  SAC_STATUS_LIST(NAME)
#undef NAME
  ck_assert_str_eq(sac_status_name((sac_status)99),
                   "unknown status"); /* NOLINT: a code that a newer library may return */
  ck_assert(sac_last_error() != NULL);
}
END_TEST

/* --- Configuration ------------------------------------------------------------------------------------------------ */

START_TEST(config_arguments) {
  ck_fails(sac_config_create(NULL), SAC_ERROR_ARGUMENT, "");
  sac_config* config = make_config("sac", "1");
  ck_fails(sac_config_preset(config, NULL), SAC_ERROR_ARGUMENT, "env_id is NULL");
  ck_fails(sac_config_preset(config, ""), SAC_ERROR_ARGUMENT, "env_id is empty");
  ck_fails(sac_config_preset(NULL, "Pendulum-v1"), SAC_ERROR_ARGUMENT, "config or env_id is NULL");
  ck_fails(sac_config_load(config, NULL), SAC_ERROR_ARGUMENT, "");
  ck_fails(sac_config_load(NULL, "x.yaml"), SAC_ERROR_ARGUMENT, "");
  ck_fails(sac_config_load(config, "/nonexistent/x.yaml"), SAC_ERROR_FILE, "/nonexistent/x.yaml");
  ck_fails(sac_config_set(NULL, "gamma", "0.9"), SAC_ERROR_ARGUMENT, "");
  ck_fails(sac_config_set(config, NULL, "0.9"), SAC_ERROR_ARGUMENT, "");
  ck_fails(sac_config_set(config, "gamma", NULL), SAC_ERROR_ARGUMENT, "");
  ck_fails(sac_config_set(config, "gama", "0.9"), SAC_ERROR_CONFIG, "gamma");
  ck_fails(sac_config_set(config, "gamma", "often"), SAC_ERROR_CONFIG, "gamma");
  ck_fails(sac_config_set(config, "gamma", "1.5"), SAC_ERROR_CONFIG, "gamma");
  ck_assert_str_eq(sac_config_get(config, "gamma"), "0.99"); /* a failed call changes nothing */
  ck_assert(sac_config_get(config, "gama") == NULL);
  ck_assert(sac_config_get(config, NULL) == NULL);
  ck_assert(sac_config_get(NULL, "gamma") == NULL);
  sac_config_destroy(config);
  sac_config_destroy(NULL);
}
END_TEST

/* --- Tensors ------------------------------------------------------------------------------------------------------ */

START_TEST(tensors_by_name) {
  /* every tensor of the list */
  const int is_v = _i % 2, population = 1 + _i / 2;
  sac_agent* agent = make_agent(is_v ? "sac-v" : "sac", population == 1 ? "1" : "2");
  const int32_t count = sac_agent_tensor_count(agent);

  /* networks of 3 layers, weight and bias: actor, 2 critics and 2 targets, or a value network and its target */
  ck_assert_int_eq(count, (is_v ? 5 : 5) * 6 + 1);
  ck_assert_int_eq(sac_agent_tensor_count(NULL), 0);
  int trained = 0, log_alpha = 0;
  for (int32_t i = 0; i < count; i++) {
    sac_tensor_info info;
    ck_ok(sac_agent_tensor_info(agent, i, &info));
    size_t n = (size_t)population;
    for (int32_t d = 0; d < info.rank; d++) n *= (size_t)info.dims[d];

    /* what is set comes back */
    float data[2 * 8 * 8], back[2 * 8 * 8];
    ck_assert_uint_le(n, sizeof data / sizeof *data);
    ck_ok(sac_agent_tensor_get(agent, info.name, data, n));
    for (size_t e = 0; e < n; e++) data[e] = (float)e - 0.25f * (float)i;
    ck_ok(sac_agent_tensor_set(agent, info.name, data, n));
    ck_ok(sac_agent_tensor_get(agent, info.name, back, n));
    ck_same_bits(back, data, n);

    /* a wrong count, or a NaN, changes nothing */
    ck_fails(sac_agent_tensor_get(agent, info.name, data, n + 1), SAC_ERROR_SHAPE, info.name);
    ck_fails(sac_agent_tensor_set(agent, info.name, data, n - 1), SAC_ERROR_SHAPE, info.name);
    data[n - 1] = NAN;
    ck_fails(sac_agent_tensor_set(agent, info.name, data, n), SAC_ERROR_NUMERIC, info.name);
    ck_ok(sac_agent_tensor_get(agent, info.name, data, n));
    ck_same_bits(back, data, n);

    /* trained tensors have a gradient and moments; targets have none */
    static const char* const groups[] = {"grad/", "adam_m/", "adam_v/"};
    for (int g = 0; g < 3; g++) {
      char name[96];
      (void)snprintf(name, sizeof name, "%s%s", groups[g], info.name);
      if (info.trained) {
        ck_ok(sac_agent_tensor_get(agent, name, data, n));
        for (size_t e = 0; e < n; e++) ck_assert(data[e] == 0); /* before the first update */
      } else {
        ck_fails(sac_agent_tensor_get(agent, name, data, n), SAC_ERROR_ARGUMENT, name);
      }
    }

    /* the list says what is trained */
    trained += info.trained;
    log_alpha += strcmp(info.name, "log_alpha") == 0;
    ck_assert_int_eq(info.trained, strstr(info.name, "_target") == NULL);
  }
  ck_assert_int_eq(log_alpha, 1);
  ck_assert_int_eq(trained, (is_v ? 4 : 3) * 6 + 1);
  sac_agent_destroy(agent);
}
END_TEST

START_TEST(tensor_arguments) {
  /* missing arguments, and places beyond the list */
  sac_agent* agent = make_agent("sac", "1");
  sac_tensor_info info;
  float data[1] = {0};
  ck_fails(sac_agent_tensor_info(NULL, 0, &info), SAC_ERROR_ARGUMENT, "NULL");
  ck_fails(sac_agent_tensor_info(agent, 0, NULL), SAC_ERROR_ARGUMENT, "NULL");
  ck_fails(sac_agent_tensor_info(agent, -1, &info), SAC_ERROR_ARGUMENT, "-1");
  ck_fails(sac_agent_tensor_info(agent, sac_agent_tensor_count(agent), &info), SAC_ERROR_ARGUMENT, "there are");
  ck_fails(sac_agent_tensor_get(NULL, "log_alpha", data, 1), SAC_ERROR_ARGUMENT, "NULL");
  ck_fails(sac_agent_tensor_get(agent, NULL, data, 1), SAC_ERROR_ARGUMENT, "NULL");
  ck_fails(sac_agent_tensor_get(agent, "log_alpha", NULL, 1), SAC_ERROR_ARGUMENT, "NULL");
  ck_fails(sac_agent_tensor_set(agent, "log_alpha", NULL, 1), SAC_ERROR_ARGUMENT, "NULL");

  /* names that no tensor has */
  static const char* const absent[] = {"",
                                       "actor",
                                       "grad/",
                                       "critic.2.head.bias",
                                       "value.head.bias",
                                       "grad/grad/log_alpha",
                                       "grad/critic_target.0.head.bias",
                                       "actor.layers.2.bias"};
  for (size_t i = 0; i < sizeof absent / sizeof *absent; i++)
    ck_fails(sac_agent_tensor_get(agent, absent[i], data, 1), SAC_ERROR_ARGUMENT, absent[i]);
  sac_agent_destroy(agent);
}
END_TEST

/* Weights that are set are used for acting: the library refreshes everything that it derives from them. */
START_TEST(set_weights_act) {
  sac_agent* agent = make_agent("sac", "1");
  const rows r = make_rows();
  const float zero[2 * A * 8] = {0}, bias[2 * A] = {0.5f, -1.0f, 0, 0};
  float action[A];
  ck_ok(sac_agent_tensor_set(agent, "actor.head.weight", zero, 2 * A * 8));
  ck_ok(sac_agent_tensor_set(agent, "actor.head.bias", bias, 2 * A));
  ck_ok(sac_agent_act(agent, 1, r.obs, NULL, 1, action, NULL));
  ck_near(action[0], 2 * tanh(0.5), 2 * FORMULA_FLOAT_REL);
  ck_near(action[1], 5 + 5 * tanh(-1.0), 10 * FORMULA_FLOAT_REL);
  sac_agent_destroy(agent);
}
END_TEST

/* --- Files -------------------------------------------------------------------------------------------------------- */

START_TEST(save_and_load) {
  /* an agent after some updates */
  const char* algo = _i ? "sac-v" : "sac";
  char path[] = "/tmp/sac_api_XXXXXX";
  const int fd = mkstemp(path);
  ck_assert_int_ge(fd, 0);
  enum { MAX = 2048 };
  static float before[MAX], after[MAX];
  sac_agent *agent = make_agent(algo, "1"), *loaded = (void*)marker;
  const rows r = make_rows();
  const sac_transitions t = transitions_of(&r, N);
  ck_ok(sac_agent_push(agent, &t));
  ck_ok(sac_agent_update(agent, 3));

  /* what is loaded has every tensor */
  ck_ok(sac_agent_save(agent, path));
  ck_ok(sac_agent_load(&loaded, path, NULL));
  snapshot(agent, before, MAX);
  snapshot(loaded, after, MAX);
  ck_same_bits(after, before, MAX);

  /* counters are saved too, so the loaded agent draws the same noise; the replay is not */
  float ours[A], theirs[A];
  ck_ok(sac_agent_act(agent, 1, r.obs, NULL, 0, ours, NULL));
  ck_ok(sac_agent_act(loaded, 1, r.obs, NULL, 0, theirs,
                      NULL)); /* counters are saved, so that the loaded agent draws the same noise */
  ck_same_bits(theirs, ours, A);
  ck_fails(sac_agent_update(loaded, 1), SAC_ERROR_ARGUMENT, "replay is empty");

  /* moments and counters are saved, so that the next update is the same */
  const sac_minibatch m = minibatch_of(&r);
  const sac_noise noise = {r.noise, r.next_noise};
  ck_ok(sac_agent_update_with(agent, &m, &noise, NULL));
  ck_ok(sac_agent_update_with(loaded, &m, &noise, NULL));
  snapshot(agent, before, MAX);
  snapshot(loaded, after, MAX);
  ck_same_bits(after, before, MAX);
  sac_agent_destroy(loaded);

  /* bad arguments, and paths that cannot be used */
  ck_fails(sac_agent_save(NULL, path), SAC_ERROR_ARGUMENT, "NULL");
  ck_fails(sac_agent_save(agent, NULL), SAC_ERROR_ARGUMENT, "NULL");
  ck_fails(sac_agent_save(agent, ""), SAC_ERROR_ARGUMENT, "path is empty");
  ck_fails(sac_agent_load(&loaded, "", NULL), SAC_ERROR_ARGUMENT, "path is empty");
  ck_fails(sac_agent_save(agent, "/nonexistent/agent.safetensors"), SAC_ERROR_FILE, "/nonexistent");
  ck_fails(sac_agent_load(NULL, path, NULL), SAC_ERROR_ARGUMENT, "NULL");

  /* a load that fails leaves NULL */
  loaded = agent;
  ck_fails(sac_agent_load(&loaded, NULL, NULL), SAC_ERROR_ARGUMENT, "NULL");
  ck_assert(loaded == NULL);
  loaded = agent;
  ck_fails(sac_agent_load(&loaded, "/nonexistent/agent.safetensors", NULL), SAC_ERROR_FILE, "/nonexistent");
  ck_fails(sac_agent_load(&loaded, path, "gpu"), SAC_ERROR_CONFIG, "device = gpu (from sac_agent_load)");
  ck_assert(loaded == NULL);
  FILE* file = fopen(path, "wb");
  (void)fputs("no agent", file);
  (void)fclose(file);
  loaded = agent;
  ck_fails(sac_agent_load(&loaded, path, NULL), SAC_ERROR_FORMAT, path);
  ck_assert(loaded == NULL);
  (void)remove(path);
  sac_agent_destroy(agent);
}
END_TEST

/* Bounds as narrow as floats can have: the scaling of the file is taken, not bounds that are computed from it. */
START_TEST(save_narrow_bounds) {
  const float low[A] = {1 - FLT_EPSILON / 2, -1e6f}, high[A] = {1 + FLT_EPSILON, 1e6f};
  const sac_env_spec narrow = {O, A, 0, 0, low, high};
  const char* path = test_path(test_folder(), "agent.safetensors");
  const rows r = make_rows();
  sac_config* config = make_config("sac", "1");
  sac_agent *agent, *loaded;
  float ours[A], theirs[A];
  ck_ok(sac_agent_create(&agent, config, &narrow));
  ck_ok(sac_agent_save(agent, path));
  ck_ok(sac_agent_load(&loaded, path, NULL));
  ck_ok(sac_agent_act(agent, 1, r.obs, NULL, 1, ours, NULL));
  ck_ok(sac_agent_act(loaded, 1, r.obs, NULL, 1, theirs, NULL));
  ck_same_bits(theirs, ours, A);
  sac_agent_destroy(agent), sac_agent_destroy(loaded), sac_config_destroy(config);
  test_folder_remove();
}
END_TEST

/* Files without a checksum whose metadata or scaling no agent has. */
START_TEST(load_refuses) {
  static const struct {
    const char *from, *to, *says;
    sac_status status;
  } edits[] = {
      {"\"obs_size\":\"3\"", "\"obs_size\":\"0\"", "metadata 'obs_size' is 0, outside [1, 65536]", SAC_ERROR_FORMAT},
      {"\"action_size\":\"2\"", "\"action_size\":\"0\"", "metadata 'action_size' is 0", SAC_ERROR_FORMAT},
      {"\"action_size\":\"2\"", "\"action_size\":\"x\"", "not a whole number", SAC_ERROR_FORMAT},
      {"\"obs_size\":\"3\"", "\"obs_size\":\"4\"", "is wanted", SAC_ERROR_SHAPE},
      {"\"actions\":\"0\"", "\"actions\":\"1\"", "discrete actions", SAC_ERROR_FORMAT},
      {"\"config\"", "\"konfig\"", "no metadata 'config'", SAC_ERROR_FORMAT},
      {"tau: 0.005", "tau: 7.005", "tau = 7.005", SAC_ERROR_CONFIG},
      {"sac-agent-1", "sac-agent-2", "format 'sac-agent-2'", SAC_ERROR_FORMAT},
  };
  const char *folder = test_folder(), *path = test_path(folder, "agent"), *other = test_path(folder, "other");
  sac_agent *agent = make_agent("sac", "1"), *loaded;
  ck_ok(sac_agent_save(agent, path));
  size_t size;
  char* bytes = test_read(path, &size);
  test_forget_checksum(bytes, size);

  /* each edit keeps the length of the file */
  for (size_t i = 0; i < sizeof edits / sizeof *edits; i++) {
    char* at = memmem(bytes, size, edits[i].from, strlen(edits[i].from));
    ck_assert_msg(at && strlen(edits[i].from) == strlen(edits[i].to), "%s", edits[i].from);
    memcpy(at, edits[i].to, strlen(edits[i].to));
    test_write(other, bytes, size);
    memcpy(at, edits[i].from, strlen(edits[i].from));
    ck_fails(sac_agent_load(&loaded, other, "cpu"), edits[i].status, edits[i].says);
    ck_assert_ptr_null(loaded);
  }

  /* half ranges that no bounds have */
  static const float halves[] = {0, -1, 2e6f, 3e38f};
  const float half = 5; /* of the second action, in [0, 10] */
  char* at = memmem(bytes, size, (const float[]){2, half}, 2 * sizeof half);
  ck_assert_ptr_nonnull(at);
  for (int i = 0; i < 4; i++) {
    memcpy(at + sizeof half, &halves[i], sizeof half);
    test_write(other, bytes, size);
    ck_fails(sac_agent_load(&loaded, other, "cpu"), SAC_ERROR_FORMAT, "action 1 is bounded by");
  }
  free(bytes);
  sac_agent_destroy(agent);
  test_folder_remove();
}
END_TEST

/* --- Policies and runs: bad arguments ----------------------------------------------------------------------------- */

START_TEST(policy_arguments) {
  sac_policy* policy = (void*)marker;
  _Alignas(16) unsigned char memory[64];
  ck_assert_uint_eq(sac_policy_memory(NULL, 0), 0);
  ck_assert_uint_eq(sac_policy_memory("no policy", 9), 0);
  ck_assert_int_eq(sac_policy_create(&policy, "no policy", 9, memory, sizeof memory), SAC_POLICY_FORMAT);
  ck_assert(policy == NULL);
  sac_agent* agent = make_agent("sac", "1");
  ck_fails(sac_agent_policy(agent, NULL), SAC_ERROR_ARGUMENT, "NULL");
  ck_fails(sac_agent_policy(NULL, NULL), SAC_ERROR_ARGUMENT, "NULL");
  sac_agent_destroy(agent);
}
END_TEST

/* NULL for every pointer of every function: a status, or nothing done. */
START_TEST(null_arguments) {
  sac_agent *agent = make_agent("sac", "1"), *created;
  sac_config* config = make_config("sac", "1");
  sac_policy* policy = NULL;
  sac_tensor_info info;
  sac_transitions t = {1, NULL, NULL, NULL, NULL, NULL, NULL};
  sac_minibatch m = {NULL, NULL, NULL, NULL, NULL};
  sac_noise noise = {NULL, NULL};
  sac_update_stats stats;
  sac_run* run;
  float x[16] = {0};

  /* functions with a status */
#define REFUSED(call) \
  ck_assert_msg((call) == SAC_ERROR_ARGUMENT && sac_last_error()[0], "%s: %s", #call, sac_last_error())
  REFUSED(sac_config_create(NULL)), REFUSED(sac_config_preset(NULL, "x")), REFUSED(sac_config_preset(config, NULL));
  REFUSED(sac_config_load(NULL, "x")), REFUSED(sac_config_load(config, NULL));
  REFUSED(sac_config_set(NULL, "seed", "1")), REFUSED(sac_config_set(config, NULL, "1"));
  REFUSED(sac_config_set(config, "seed", NULL));
  REFUSED(sac_agent_create(NULL, config, &spec)), REFUSED(sac_agent_create(&created, NULL, &spec));
  REFUSED(sac_agent_create(&created, config, NULL));
  REFUSED(sac_agent_act(NULL, 1, x, NULL, 1, x, NULL)), REFUSED(sac_agent_act(agent, 1, NULL, NULL, 1, x, NULL));
  REFUSED(sac_agent_act(agent, 1, x, NULL, 1, NULL, NULL));
  REFUSED(sac_agent_action_to_unit(NULL, 1, x, x)), REFUSED(sac_agent_action_to_unit(agent, 1, NULL, x));
  REFUSED(sac_agent_action_to_unit(agent, 1, x, NULL));
  REFUSED(sac_agent_action_from_unit(NULL, 1, x, x)), REFUSED(sac_agent_action_from_unit(agent, 1, NULL, x));
  REFUSED(sac_agent_action_from_unit(agent, 1, x, NULL));
  REFUSED(sac_agent_push(NULL, &t)), REFUSED(sac_agent_push(agent, NULL)), REFUSED(sac_agent_push(agent, &t));
  REFUSED(sac_agent_update(NULL, 1)), REFUSED(sac_agent_update_with(NULL, &m, &noise, &stats));
  REFUSED(sac_agent_update_with(agent, NULL, &noise, NULL)), REFUSED(sac_agent_update_with(agent, &m, NULL, NULL));
  REFUSED(sac_agent_update_with(agent, &m, &noise, NULL));
  REFUSED(sac_agent_stats(NULL, &stats)), REFUSED(sac_agent_stats(agent, NULL));
  REFUSED(sac_agent_tensor_info(NULL, 0, &info)), REFUSED(sac_agent_tensor_info(agent, 0, NULL));
  REFUSED(sac_agent_tensor_get(NULL, "log_alpha", x, 1)), REFUSED(sac_agent_tensor_get(agent, NULL, x, 1));
  REFUSED(sac_agent_tensor_get(agent, "log_alpha", NULL, 1));
  REFUSED(sac_agent_tensor_set(NULL, "log_alpha", x, 1)), REFUSED(sac_agent_tensor_set(agent, NULL, x, 1));
  REFUSED(sac_agent_tensor_set(agent, "log_alpha", NULL, 1));
  REFUSED(sac_agent_save(NULL, "x")), REFUSED(sac_agent_save(agent, NULL));
  REFUSED(sac_agent_save_all(NULL, "x")), REFUSED(sac_agent_save_all(agent, NULL));
  REFUSED(sac_agent_load(NULL, "x", NULL)), REFUSED(sac_agent_policy(agent, NULL));
  REFUSED(sac_agent_policy(NULL, policy));
  REFUSED(sac_run_create(NULL, config, NULL, NULL)), REFUSED(sac_run_create(&run, NULL, NULL, NULL));
  REFUSED(sac_run_resume(NULL, "x", NULL, NULL, NULL)), REFUSED(sac_run_resume(&run, NULL, NULL, NULL, NULL));
  REFUSED(sac_run_steps(NULL, 1)), REFUSED(sac_run_save(NULL));
#undef REFUSED

  /* functions without one */
  int32_t size[4] = {7, 7, 7, 7};
  sac_agent_sizes(NULL, &size[0], &size[1], &size[2], &size[3]);
  ck_assert(size[0] == 0 && size[1] == 0 && size[2] == 0 && size[3] == 0);
  ck_assert(!sac_config_get(NULL, "seed") && !sac_config_get(config, NULL) && sac_agent_tensor_count(NULL) == 0);
  ck_assert(!sac_run_agent(NULL) && !sac_run_folder(NULL) && sac_run_step(NULL) == 0);
  sac_run_stop(NULL), sac_run_request_checkpoint(NULL), sac_run_destroy(NULL);
  sac_agent_destroy(NULL), sac_config_destroy(NULL);

  /* the options of an environment */
  ck_assert_int_eq(sac_env_read_options(NULL, NULL, 0, NULL, 0), SAC_OK);
  ck_assert_int_eq(sac_env_read_options("{\"a\": 1}", NULL, 0, NULL, 0), SAC_ERROR_CONFIG);
  sac_agent_destroy(agent), sac_config_destroy(config);
}
END_TEST

START_TEST(run_arguments) {
  sac_run* run = (void*)marker;
  sac_config* config = make_config("sac", "1");
  ck_fails(sac_run_create(NULL, config, NULL, NULL), SAC_ERROR_ARGUMENT, "NULL");
  ck_fails(sac_run_create(&run, NULL, NULL, NULL), SAC_ERROR_ARGUMENT, "NULL");
  ck_assert(run == NULL);
  run = (void*)marker;
  ck_ok(sac_config_set(config, "env.id", "NoSuchTask-v0"));
  ck_fails(sac_run_create(&run, config, NULL, NULL), SAC_ERROR_ENV, "NoSuchTask-v0");
  ck_assert(run == NULL);
  run = (void*)marker;
  ck_fails(sac_run_resume(&run, NULL, NULL, NULL, NULL), SAC_ERROR_ARGUMENT, "no folder");
  ck_assert(run == NULL);
  run = (void*)marker;
  ck_fails(sac_run_resume(&run, "/nonexistent", NULL, NULL, NULL), SAC_ERROR_FILE, "/nonexistent");
  ck_assert(run == NULL);
  ck_fails(sac_run_resume(NULL, "/nonexistent", NULL, NULL, NULL), SAC_ERROR_ARGUMENT, "NULL");
  ck_fails(sac_run_steps(NULL, 1), SAC_ERROR_ARGUMENT, "NULL");
  ck_fails(sac_run_save(NULL), SAC_ERROR_ARGUMENT, "NULL");
  ck_assert(sac_run_agent(NULL) == NULL && sac_run_folder(NULL) == NULL && sac_run_step(NULL) == 0);
  sac_run_stop(NULL);
  sac_run_destroy(NULL);
  sac_config_destroy(config);
}
END_TEST

/* The whole agent: updates, pushes and acts with the same bits as the one that was saved. */
START_TEST(save_all_and_load) {
  char path[] = "/tmp/sac_api_XXXXXX";
  const int fd = mkstemp(path);
  ck_assert_int_ge(fd, 0);
  enum { MAX = 2048 };
  static float before[MAX], after[MAX];
  sac_agent *agent = make_agent(_i ? "sac-v" : "sac", "1"), *loaded;
  const rows r = make_rows();
  const sac_transitions t = transitions_of(&r, N);

  /* with more pushes the ring has wrapped around */
  const int pushes = _i ? 60 : 1;
  for (int i = 0; i < pushes; i++) ck_ok(sac_agent_push(agent, &t));
  ck_ok(sac_agent_update(agent, 3));
  ck_ok(sac_agent_save_all(agent, path));
  ck_ok(sac_agent_load(&loaded, path, NULL));
  for (int i = 0; i < 3; i++) {
    ck_ok(sac_agent_update(agent, 4));
    ck_ok(sac_agent_update(loaded, 4));
    snapshot(agent, before, MAX);
    snapshot(loaded, after, MAX);
    ck_same_bits(after, before, MAX);
    ck_ok(sac_agent_push(agent, &t));
    ck_ok(sac_agent_push(loaded, &t));
  }
  ck_fails(sac_agent_save_all(NULL, path), SAC_ERROR_ARGUMENT, "NULL");
  sac_agent_destroy(loaded);

  /* an empty replay */
  sac_agent_destroy(agent);
  agent = make_agent("sac", "1");
  ck_ok(sac_agent_save_all(agent, path));
  ck_ok(sac_agent_load(&loaded, path, NULL));
  ck_fails(sac_agent_update(loaded, 1), SAC_ERROR_ARGUMENT, "replay is empty");
  sac_agent_destroy(agent);
  sac_agent_destroy(loaded);
  close(fd);
  unlink(path);
}
END_TEST

CHECK_MAIN("api", CASE(versions_and_names), CASE(config_arguments), LOOP(tensors_by_name, 4), CASE(tensor_arguments),
           CASE(set_weights_act), LOOP(save_and_load, 2), LOOP(save_all_and_load, 2), CASE(save_narrow_bounds),
           CASE(load_refuses), CASE(policy_arguments), CASE(null_arguments), CASE(run_arguments))
