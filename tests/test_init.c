/* Runs that start from a trained agent: init.file, init.parts, train.actor_delay_steps. */
#include "config/parts.h"
#include "support/same_run.h"

static char lines[4096]; /* what the last run has logged */

static int on_log(void* user, const char* line) {
  (void)user;
  const size_t used = strlen(lines);
  (void)snprintf(lines + used, sizeof lines - used, "%s\n", line);
  return 0;
}

/* A new run in `folder`/`name` that starts from `file`, with other keys set. */
static sac_run* start(const char* folder, const char* name, const char* file, const char* sets) {
  char all[900];
  const sac_callbacks callbacks = {.log = on_log};
  lines[0] = '\0';
  (void)snprintf(all, sizeof all, "init.file=%s %s", file, sets);
  return small_run(test_path(folder, name), all, &callbacks);
}

/* Checks that such a run is refused. */
static void refused(const char* folder, const char* file, const char* sets, sac_status status, const char* text) {
  char all[900];
  sac_run* run;
  (void)snprintf(all, sizeof all, "init.file=%s %s", file, sets);
  sac_config* config = small_config(test_path(folder, "refused"), all);
  ck_fails(sac_run_create(&run, config, &fake_env_api, NULL), status, text);
  sac_config_destroy(config);
}

/* A trained run in `folder`/a: its folder. */
static const char* trained(const char* folder, const char* sets) {
  memset(&fake_env, 0, sizeof fake_env);
  const char* path = small_path(folder, "a");
  sac_run* run = small_run(path, sets, NULL);
  ck_ok(sac_run_steps(run, 0));
  sac_run_destroy(run);
  return path;
}

/* The tensor `name` of all agents; the caller frees it. */
static float* tensor(const sac_run* run, const char* name, size_t* count) {
  for (int32_t t = 0; t < sac_agent_tensor_count(run->agent); t++) {
    sac_tensor_info info;
    ck_ok(sac_agent_tensor_info(run->agent, t, &info));
    if (!strstr(name, info.name)) continue;
    *count = (size_t)run->agent->shape.population;
    for (int32_t d = 0; d < info.rank; d++) *count *= (size_t)info.dims[d];
    float* data = calloc(*count, sizeof *data);
    ck_ok(sac_agent_tensor_get(run->agent, name, data, *count));
    return data;
  }
  ck_abort_msg("no tensor %s", name);
}

/* Whether a tensor has the same bits in both runs. */
static int same(const sac_run* a, const sac_run* b, const char* name) {
  size_t n, m;
  float *x = tensor(a, name, &n), *y = tensor(b, name, &m);
  const int equal = n == m && memcmp(x, y, n * sizeof *x) == 0;
  free(x);
  free(y);
  return equal;
}

START_TEST(parts_of_a_checkpoint) {
  const char *folder = test_folder(), *a = trained(folder, "");
  sac_run *from, *run;
  ck_ok(sac_run_resume(&from, a, NULL, &fake_env_api, NULL));

  /* by default everything but the optimizer comes along, from a run, a seed folder or a file */
  static const char* const files[] = {"a", "a/seed_1", "a/seed_1/checkpoints/step_200.safetensors"};
  for (int i = 0; i < 3; i++) {
    char name[16];
    (void)snprintf(name, sizeof name, "b%d", i);
    run = start(folder, name, test_path(folder, files[i]), "");
    ck_assert(same(from, run, "actor.head.weight") && same(from, run, "critic.1.layers.0.bias"));
    ck_assert(same(from, run, "critic_target.0.head.weight") && same(from, run, "log_alpha"));
    ck_assert(!same(from, run, "adam_m/actor.head.weight"));
    ck_assert_uint_eq(run->agent->counters[0].updates, 0);
    ck_assert_uint_eq(run->agent->hold[0].until, 0);
    ck_assert(run->start.acts == 1 && strstr(lines, "step_200.safetensors (fake, step 200): actor, critics, temper"));
    sac_run_destroy(run);
  }

  /* with the optimizer: moments, and the number of updates that they come from */
  run = start(folder, "c", a, "init.parts=all");
  ck_assert(same(from, run, "adam_m/actor.head.weight") && same(from, run, "adam_v/log_alpha"));
  ck_assert_uint_eq(run->agent->counters[0].updates, from->agent->counters[0].updates);
  ck_ok(sac_run_steps(run, 0));
  sac_run_destroy(run);

  /* the actor alone: critics are new, so the actor is held for a while */
  run = start(folder, "d", a, "init.parts=actor");
  ck_assert(same(from, run, "actor.head.weight") && !same(from, run, "critic.0.head.weight"));
  ck_assert(!same(from, run, "log_alpha") && run->agent->hold[0].until > 0 && run->start.acts == 0);
  ck_assert(!same(from, run, "critic_target.0.head.weight")); /* a target follows its new critic */
  sac_run_destroy(run);
  sac_run_destroy(from);
  test_folder_remove();
}
END_TEST

/* A file with several agents gives each its own. */
START_TEST(agents_of_a_file) {
  const char *folder = test_folder(), *a = trained(folder, "seeds=2"), *file = small_path(folder, "file");
  sac_run* from;
  ck_ok(sac_run_resume(&from, a, NULL, &fake_env_api, NULL));
  ck_ok(sac_agent_save(from->agent, file));
  sac_run* run = start(folder, "b", file, "seeds=2 init.parts=all");
  ck_assert(same(from, run, "actor.head.weight") && same(from, run, "adam_v/critic.1.head.weight"));
  sac_run_destroy(run);
  refused(folder, file, "seeds=3", SAC_ERROR_SHAPE, "holds 2 agents, this run has 3");
  sac_run_destroy(from);
  test_folder_remove();
}
END_TEST

/* A temperature that is not learned is that of the configuration, unless it is asked for. */
START_TEST(temperature_that_is_given) {
  const char *folder = test_folder(), *a = trained(folder, "");
  sac_run *from, *run;
  ck_ok(sac_run_resume(&from, a, NULL, &fake_env_api, NULL));
  run = start(folder, "b", a, "alpha.learn=false");
  ck_assert(!same(from, run, "log_alpha"));
  sac_run_destroy(run);
  run = start(folder, "c", a, "alpha.learn=false init.parts=actor,critics,alpha");
  ck_assert(same(from, run, "log_alpha"));
  sac_run_destroy(run);
  sac_run_destroy(from);
  test_folder_remove();
}
END_TEST

/* Whether the first actions of the warm-up are the same in two runs. */
static int same_actions(const sac_run* a, const sac_run* b) {
  enum { ROWS = 20 };
  const sac_replay_row* row = &a->agent->row;
  const size_t floats = ROWS * (size_t)row->floats;
  float *x = calloc(floats, sizeof *x), *y = calloc(floats, sizeof *y);
  ck_ok(a->agent->backend->read(a->agent, SAC_MEMORY_REPLAY, 0, 0, x, floats));
  ck_ok(b->agent->backend->read(b->agent, SAC_MEMORY_REPLAY, 0, 0, y, floats));
  int equal = 0;
  for (int32_t at = row->action; at < ROWS * row->floats; at += row->floats) equal += x[at] == y[at];
  free(x);
  free(y);
  return equal == ROWS;
}

/* The warm-up acts with a policy that came with its critics, and at random beside new ones. */
START_TEST(warm_up) {
  const char *folder = test_folder(), *a = trained(folder, "");
  sac_run* plain = small_run(small_path(folder, "plain"), "", NULL);
  ck_ok(sac_run_steps(plain, 20));
  static const char* const sets[] = {"init.parts=actor", "init.parts=critics", ""};
  for (int i = 0; i < 3; i++) {
    sac_run* run = start(folder, sets[i][0] ? sets[i] + 11 : "both", a, sets[i]);
    ck_ok(sac_run_steps(run, 20));
    ck_assert_msg(same_actions(plain, run) == (i < 2), "%s", sets[i]);
    sac_run_destroy(run);
  }
  sac_run_destroy(plain);
  test_folder_remove();
}
END_TEST

START_TEST(what_does_not_fit) {
  const char *folder = test_folder(), *a = trained(folder, "");
  const char *policy = small_path(folder, "a/seed_1/policy.safetensors"), *none = small_path(folder, "none");

  /* words that are no parts, and parts that the file lacks */
  refused(folder, a, "init.parts=actors", SAC_ERROR_CONFIG, "'actors' is none of actor, critics");
  refused(folder, a, "init.parts=[]", SAC_ERROR_CONFIG, "init.parts");
  refused(folder, policy, "init.parts=actor,critics", SAC_ERROR_FORMAT, "asks for it");
  refused(folder, policy, "init.parts=all", SAC_ERROR_FORMAT, "asks for it");
  refused(folder, a, "init.parts=actor,optimizer", SAC_ERROR_CONFIG, "optimizer goes with all");

  /* other sizes, and files that are none */
  refused(folder, policy, "network.hidden=9", SAC_ERROR_SHAPE, "hidden layers of 8,8; this run has 9");
  refused(folder, none, "", SAC_ERROR_FILE, "none");
  refused(folder, folder, "", SAC_ERROR_FILE, "holds no run");
  char sets[600];
  sac_run* run;
  (void)snprintf(sets, sizeof sets, "init.file=%s env.id=Pendulum-v1", a);
  sac_config* config = small_config(test_path(folder, "refused"), sets);
  ck_fails(sac_run_create(&run, config, NULL, NULL), SAC_ERROR_SHAPE,
           "is of fake: 2 observations and 1 action; Pendulum-v1 has 3 and 1");
  sac_config_destroy(config);
  test_folder_remove();
}
END_TEST

START_TEST(another_algorithm) {
  const char *folder = test_folder(), *a = trained(folder, "");
  sac_run *from, *run;
  ck_ok(sac_run_resume(&from, a, NULL, &fake_env_api, NULL));

  /* critics are the same; the value network is new, so the actor is held */
  run = start(folder, "b", a, "algo=sac-v");
  ck_assert(same(from, run, "critic.1.head.weight") && run->agent->hold[0].until > 0);
  ck_assert(strstr(lines, "new: value network") && strstr(lines, "no such networks: critic_target"));
  ck_ok(sac_run_steps(run, 0));
  sac_run_destroy(run);
  sac_run_destroy(from);

  /* back again: the targets, which such a file lacks, are those of the critics */
  ck_ok(sac_run_resume(&from, test_path(folder, "b"), NULL, &fake_env_api, NULL));
  run = start(folder, "c", test_path(folder, "b"), "algo=sac");
  ck_assert(same(from, run, "critic.0.head.weight") && run->agent->hold[0].until == 0);
  size_t n;
  float *q = tensor(run, "critic.0.head.weight", &n), *target = tensor(run, "critic_target.0.head.weight", &n);
  ck_same_bits(target, q, n);
  free(q);
  free(target);
  sac_run_destroy(run);
  sac_run_destroy(from);
  test_folder_remove();
}
END_TEST

/* Runs of discrete actions: from a policy of their kind, and from each other's files. */
START_TEST(discrete_actions) {
  const char* folder = test_folder();
  static const char* const algos[] = {"algo=soft-q env.id=CartPole-v1", "algo=sac-discrete env.id=CartPole-v1"};
  const sac_callbacks callbacks = {.log = on_log};
  sac_run* from[2];
  for (int i = 0; i < 2; i++) {
    from[i] = small_run_of(NULL, small_path(folder, i ? "actor" : "critics"), algos[i], NULL);
    ck_ok(sac_run_steps(from[i], 0));
  }

  /* what each starts from, what comes along (-1: it is refused), and whether the warm-up acts with the policy */
  static const struct {
    int algo;
    const char *file, *parts;
    int critics, actor, acts;
    const char* text;
  } row[] = {
      {0, "critics/seed_1/policy.safetensors", "auto", 1, 0, 1, "critics, temperature\n"},
      {0, "actor", "auto", 1, 0, 1, "not used, as algo soft-q has no such networks: actor"},
      {0, "actor/seed_1/policy.safetensors", "auto", -1, 0, 0, "has an actor alone, and algo 'soft-q' has none"},
      {1, "actor/seed_1/policy.safetensors", "auto", 0, 1, 0,
       "new: critics, temperature; the file has the policy alone"},
      {1, "actor", "auto", 1, 1, 1, "actor, critics, temperature"},
      {1, "critics", "auto", -1, 0, 0, "has no actor, and algo 'sac-discrete' starts from one"},
      {1, "critics/seed_1/policy.safetensors", "critics", 1, 0, 0, "new: actor, temperature"},
  };
  for (size_t i = 0; i < sizeof row / sizeof *row; i++) {
    char sets[600], name[16];
    sac_run* run;
    lines[0] = '\0';
    (void)snprintf(name, sizeof name, "b%zu", i);
    (void)snprintf(sets, sizeof sets, "%s init.file=%s init.parts=%s", algos[row[i].algo],
                   test_path(folder, row[i].file), row[i].parts);
    sac_config* config = small_config(test_path(folder, name), sets);
    const sac_status status = sac_run_create(&run, config, NULL, &callbacks);
    sac_config_destroy(config);
    ck_assert_int_eq(status, row[i].critics < 0 ? SAC_ERROR_FORMAT : SAC_OK);
    ck_assert_msg(strstr(status == SAC_OK ? lines : sac_last_error(), row[i].text) != NULL, "%zu: %s%s", i, lines,
                  sac_last_error());
    if (status != SAC_OK) continue;

    /* the targets of critics from a file without targets are those critics */
    const sac_run* source = from[strncmp(row[i].file, "actor", 5) == 0];
    ck_assert_int_eq(same(source, run, "critic.1.head.weight"), row[i].critics);
    ck_assert(row[i].algo == 0 || same(from[1], run, "actor.head.weight") == row[i].actor);
    ck_assert_int_eq(run->start.acts, row[i].acts);
    size_t n;
    float *q = tensor(run, "critic.0.head.weight", &n), *target = tensor(run, "critic_target.0.head.weight", &n);
    if (strstr(row[i].file, "policy")) ck_same_bits(target, q, n);
    free(q), free(target);
    sac_run_destroy(run);
  }
  sac_run_destroy(from[0]), sac_run_destroy(from[1]);
  test_folder_remove();
}
END_TEST

START_TEST(actor_is_held) {
  static const char* const held[] = {"actor.head.weight", "adam_m/actor.head.weight", "adam_v/actor.layers.0.bias",
                                     "log_alpha", "adam_m/log_alpha"};
  const char *folder = test_folder(), *a = trained(folder, _i ? "algo=sac-v" : "");
  sac_run* from;

  /* with the moments, so that held ones differ from zero */
  ck_ok(sac_run_resume(&from, a, NULL, &fake_env_api, NULL));
  sac_run* run =
      start(folder, "b", a,
            _i ? "algo=sac-v init.parts=all train.actor_delay_steps=50" : "init.parts=all train.actor_delay_steps=50");
  ck_ok(sac_run_steps(run, 90));
  for (int i = 0; i < 5; i++) ck_assert_msg(same(from, run, held[i]), "%s", held[i]);
  ck_assert(!same(from, run, "critic.0.head.weight"));

  /* the next update moves them, by a step that counts those of the file alone; fewer updates are held where fewer are
   * due */
  const sac_adam_hold hold = run->agent->hold[0];
  ck_assert_uint_eq(hold.until - hold.from, 50);
  ck_assert_uint_eq(sac_adam_number(hold, hold.until), hold.from + 1);
  ck_ok(sac_run_steps(run, 1));
  for (int i = 0; i < 5; i++) ck_assert_msg(!same(from, run, held[i]), "%s", held[i]);
  sac_run_destroy(run);
  run = start(folder, "c", a,
              _i ? "algo=sac-v train.actor_delay_steps=50 train.updates_per_step=0.3"
                 : "train.actor_delay_steps=50 train.updates_per_step=0.3");
  ck_assert_uint_eq(run->agent->hold[0].until, 15);
  sac_run_destroy(run);
  sac_run_destroy(from);
  test_folder_remove();
}
END_TEST

/* Moments come from the updates in which the actor was not held: Adam's number says so wherever they are loaded. */
START_TEST(moments_of_a_held_actor) {
  const char *folder = test_folder(), *a = trained(folder, "train.actor_delay_steps=60"), *b = small_path(folder, "b");
  const char* saved = small_path(folder, "saved");
  sac_run *from, *run;
  ck_ok(sac_run_resume(&from, a, NULL, &fake_env_api, NULL));
  const uint64_t updates = from->agent->counters[0].updates, made = updates - 60;
  ck_assert_uint_eq(sac_adam_number(from->agent->hold[0], updates), made + 1);

  /* a run that starts from it, and one that holds the actor again; the updates are those that the loop numbers */
  for (int i = 0; i < 2; i++) {
    run = start(folder, i ? "c" : "b", a, i ? "init.parts=all train.actor_delay_steps=50" : "init.parts=all");
    const sac_adam_hold hold = run->agent->hold[0];
    const uint64_t first = updates + (i ? 50 : 0);
    ck_assert_uint_eq(run->agent->counters[0].updates, updates);
    ck_assert_uint_eq(sac_adam_number(hold, first), made + 1);
    if (i) ck_assert(sac_adam_number(hold, updates) == 0 && sac_adam_number(hold, first - 1) == 0);
    sac_run_destroy(run);
  }
  ck_ok(sac_run_resume(&run, b, NULL, &fake_env_api, NULL));
  ck_assert_uint_eq(sac_adam_number(run->agent->hold[0], updates), made + 1);
  sac_run_destroy(run);

  /* the checkpoint and the file of an agent, in which the replay is left out */
  ck_ok(sac_agent_save(from->agent, saved));
  const char* const files[] = {saved, test_path(folder, "a/seed_1/checkpoints/last")};
  for (int i = 0; i < 2; i++) {
    sac_agent* agent;
    ck_ok(sac_agent_load(&agent, files[i], NULL));
    ck_assert_uint_eq(sac_adam_number(agent->hold[0], updates), made + 1);
    ck_assert_uint_eq(agent->counters[0].pushed, 0);
    sac_agent_destroy(agent);
  }
  sac_run_destroy(from);
  test_folder_remove();
}
END_TEST

/* Other bounds of actions are named, and no line about the start is left out. */
START_TEST(other_bounds) {
  const char *folder = test_folder(), *a = trained(folder, "");
  fake_env.action_high = 0.5F;
  sac_run* run = start(folder, "b", a, "algo=sac-v train.actor_delay_steps=5");
  ck_assert_msg(strstr(lines, "action 0 is bounded by [-2, 2] in the file, and by [-0.5, 0.5] here") != NULL, "%s",
                lines);
  sac_run_destroy(run);
  fake_env.action_high = 3;
  char sets[600];
  (void)snprintf(sets, sizeof sets, "algo=sac-v replay.load=%s", a);
  run = start(folder, "c", a, sets);
  const char* const words[] = {"starts from",   "new: value network", "not used",
                               "is bounded by", "are held",           "replay starts with 200"};
  for (int i = 0; i < 6; i++) ck_assert_msg(strstr(lines, words[i]) != NULL, "%s: %s", words[i], lines);
  sac_run_destroy(run);

  /* the same bounds need no word */
  fake_env.action_high = 0;
  run = start(folder, "d", a, "");
  ck_assert(!strstr(lines, "bounded"));
  sac_run_destroy(run);
  test_folder_remove();
}
END_TEST

START_TEST(resumed_within_the_start) {
  const char *folder = test_folder(), *a = trained(folder, "");
  const char *whole_path = small_path(folder, "whole"), *parts_path = small_path(folder, "parts");
  static const char* const sets[] = {"", "init.parts=actor train.actor_delay_steps=60", "init.parts=all seeds=2"};
  static const int64_t stops[] = {20, 70, 30};
  sac_run* whole = start(folder, "whole", a, sets[_i]);
  ck_ok(sac_run_steps(whole, 0));

  /* stop in the warm-up, where the policy acts, or while the actor is held */
  sac_run* parts = start(folder, "parts", a, sets[_i]);
  ck_ok(sac_run_steps(parts, stops[_i]));
  sac_run_stop(parts);
  ck_fails(sac_run_steps(parts, 0), SAC_STOPPED, "");
  sac_run_destroy(parts);
  ck_ok(sac_run_resume(&parts, parts_path, NULL, &fake_env_api, NULL));
  ck_ok(sac_run_steps(parts, 0));
  same_state(whole, parts);
  same_files(whole_path, parts_path, whole->settings.seeds);
  sac_run_destroy(whole);
  sac_run_destroy(parts);
  test_folder_remove();
}
END_TEST

/* Both algorithms of discrete actions: the same algorithm, and the actor that one of them has not. */
START_TEST(parts_of_discrete_algorithms) {
  static const char* const algos[] = {"algo=soft-q", "algo=sac-discrete"};
  const char *folder = test_folder(), *algo = algos[_i], *own = _i ? "actor.head.weight" : "critic.0.head.weight";
  memset(&fake_env, 0, sizeof fake_env);
  fake_env.actions = 3;
  const char* a = small_path(folder, "a");
  sac_run *run = small_run(a, algo, NULL), *from;
  char sets[128];
  ck_ok(sac_run_steps(run, 0));
  sac_run_destroy(run);
  ck_ok(sac_run_resume(&from, a, NULL, &fake_env_api, NULL));

  /* the networks and the temperature; with the optimizer also moments and updates */
  run = start(folder, "b", a, algo);
  ck_assert(same(from, run, own) && same(from, run, "critic.1.head.weight") && same(from, run, "log_alpha"));
  ck_assert(same(from, run, "critic_target.0.head.bias") && !same(from, run, "adam_m/critic.0.head.weight"));
  ck_ok(sac_run_steps(run, 0));
  sac_run_destroy(run);
  (void)snprintf(sets, sizeof sets, "%s init.parts=all", algo);
  run = start(folder, "c", a, sets);
  ck_assert(same(from, run, own) && same(from, run, "adam_v/critic.0.head.weight"));
  ck_assert_uint_eq(run->agent->counters[0].updates, from->agent->counters[0].updates);
  sac_run_destroy(run);

  /* parts by name: the actor is none of soft-q */
  (void)snprintf(sets, sizeof sets, "%s init.parts=actor,critics", algo);
  if (_i == 0) {
    refused(folder, a, sets, SAC_ERROR_CONFIG,
            "init.parts=actor,critics names the actor, and algo 'soft-q' has none: its critics are its policy");
  } else {
    run = start(folder, "d", a, sets);
    ck_assert(same(from, run, own) && !same(from, run, "log_alpha"));
    sac_run_destroy(run);
  }
  sac_run_destroy(from);

  /* a new actor for the critics of soft-q */
  if (_i == 0) {
    run = start(folder, "e", a, "algo=sac-discrete init.parts=critics");
    ck_assert(strstr(lines, "new: actor") != NULL);
    sac_run_destroy(run);
  }

  /* another number of actions, or continuous ones */
  fake_env.actions = 4;
  refused(folder, a, algo, SAC_ERROR_SHAPE, "step_200.safetensors");
  fake_env.actions = 0;
  if (_i == 1) refused(folder, a, "", SAC_ERROR_SHAPE, "step_200.safetensors");
  sac_run* continuous = small_run(small_path(folder, "f"), "", NULL);
  ck_ok(sac_run_steps(continuous, 0));
  sac_run_destroy(continuous);
  fake_env.actions = 3;
  refused(folder, test_path(folder, "f"), algo, SAC_ERROR_SHAPE, "step_200.safetensors");
  test_folder_remove();
}
END_TEST

START_TEST(earlier_name_of_the_key) {
  sac_config* config;
  static const char text[] = "policy:\n  init: x.safetensors\n  log_std_min: -5\ninit:\n  parts: [actor, critics]\n";
  ck_ok(sac_config_create(&config));
  ck_ok(sac_config_parse(config, text, strlen(text), "saved", SAC_ORIGIN_SAVED));
  ck_assert_str_eq(sac_config_get(config, "init.file"), "x.safetensors");
  ck_assert_str_eq(sac_config_get(config, "init.parts"), "[actor, critics]");
  unsigned parts;
  ck_ok(sac_parts_parse(sac_config_get(config, "init.parts"), &parts));
  ck_assert_uint_eq(parts, SAC_PART_ACTOR | SAC_PART_CRITICS);
  sac_config_destroy(config);
}
END_TEST

CHECK_MAIN("init", CASE(parts_of_a_checkpoint), CASE(agents_of_a_file), CASE(temperature_that_is_given), CASE(warm_up),
           CASE(what_does_not_fit), CASE(another_algorithm), CASE(discrete_actions), LOOP(actor_is_held, 2),
           CASE(moments_of_a_held_actor), CASE(other_bounds), LOOP(resumed_within_the_start, 3),
           LOOP(parts_of_discrete_algorithms, 2), CASE(earlier_name_of_the_key))
