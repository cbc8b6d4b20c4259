/* Transitions that come along: key replay.load, and files of transitions. */
#include <math.h>

#include "formats/safetensors.h"
#include "support/same_run.h"
#include "train/checkpoint.h"
#include "train/transitions.h"

enum { N = 5 };

/* A file of N transitions for the fake environment (O 2, A 1, bounds -2 and 2). Tests change it before it is written.
 */
typedef struct demo {
  double obs[N * 2], action[N];
  float reward[N], next_obs[N * 2];
  uint8_t terminated[N];
  int32_t tensors; /* the first of the list that are written */
  int64_t n;
} demo;

static demo make_demo(void) {
  demo d = {.tensors = 5, .n = N};
  for (int i = 0; i < N; i++) {
    d.obs[2 * i] = d.next_obs[2 * i + 1] = 0.25F * (float)i;
    d.action[i] = i == 0 ? 2 : 0.5 * i - 1;
    d.reward[i] = (float)i;
    d.terminated[i] = i == 3;
  }
  return d;
}

static void write_demo(const char* path, const demo* d) {
  const size_t n = (size_t)d->n;
  const sac_file_tensor list[] = {{"obs", SAC_F64, 2, {d->n, 2}, d->obs, n * 16},
                                  {"action", SAC_F64, 2, {d->n, 1}, d->action, n * 8},
                                  {"next_obs", SAC_F32, 2, {d->n, 2}, d->next_obs, n * 8},
                                  {"terminated", SAC_U8, 1, {d->n}, d->terminated, n},
                                  {"reward", SAC_F32, 1, {d->n}, d->reward, n * 4}};
  ck_ok(sac_safetensors_write(path, list, d->tensors, NULL, 0));
}

/* The rows of agent p's replay, `count` of them; the caller frees them. */
static float* rows_of(const sac_run* run, int32_t p, size_t count) {
  const size_t floats = count * (size_t)run->agent->row.floats;
  float* rows = calloc(floats, sizeof *rows);
  ck_ok(run->agent->backend->read(run->agent, SAC_MEMORY_REPLAY, p, 0, rows, floats));
  return rows;
}

/* A new run in `folder`/`name` with replay.load=path. */
static sac_run* load(const char* folder, const char* name, const char* path, const char* sets) {
  char all[900];
  (void)snprintf(all, sizeof all, "replay.load=%s %s", path, sets);
  return small_run(test_path(folder, name), all, NULL);
}

static void refused(const char* folder, const demo* d, const char* sets, sac_status status, const char* text) {
  char all[900];
  sac_run* run;
  const char* path = small_path(folder, "demo");
  write_demo(path, d);
  (void)snprintf(all, sizeof all, "replay.load=%s %s", path, sets);
  sac_config* config = small_config(test_path(folder, "refused"), all);
  ck_fails(sac_run_create(&run, config, &fake_env_api, NULL), status, text);
  sac_config_destroy(config);
}

START_TEST(of_a_run_and_exported) {
  /* a run whose ring has wrapped around */
  memset(&fake_env, 0, sizeof fake_env);
  const char *folder = test_folder(), *a = small_path(folder, "a"), *file = small_path(folder, "file");
  sac_run* run = small_run(a, "replay.capacity=150", NULL);
  ck_ok(sac_run_steps(run, 0));
  const size_t floats = (size_t)run->agent->row.floats;
  float* from = rows_of(run, 0, 150);
  sac_run_destroy(run);

  /* the run itself: its rows, the oldest first, in the same bits */
  run = load(folder, "b", a, "seeds=2");
  ck_assert(run->agent->counters[1].pushed == 150 && run->start.loaded == 150);
  float* rows = rows_of(run, 1, 150);
  ck_same_bits(rows, from + 50 * floats, 100 * floats);
  ck_same_bits(rows + 100 * floats, from, 50 * floats);
  sac_run_destroy(run);

  /* the exported file has the same */
  int64_t count;
  ck_ok(sac_transitions_export(a, file, &count));
  ck_assert_int_eq(count, 150);
  run = load(folder, "c", file, "");
  float* again = rows_of(run, 0, 150);
  ck_same_bits(again, rows, 150 * floats);
  ck_fails(sac_transitions_export(test_path(folder, "none"), file, &count), SAC_ERROR_FILE, "none");
  ck_fails(sac_transitions_export(test_path(folder, "b"), file, &count), SAC_ERROR_FILE,
           "has the seeds 1 to 2: name one of its seed folders");

  /* the warm-up is over, as the replay is full enough: updates from the first step on */
  ck_ok(sac_run_steps(run, 10));
  ck_assert_uint_eq(run->agent->counters[0].updates, 10);
  sac_run_destroy(run);
  free(from);
  free(rows);
  free(again);
  test_folder_remove();
}
END_TEST

/* The actions of a run with other bounds are scaled anew, or refused. */
START_TEST(of_a_run_with_other_bounds) {
  memset(&fake_env, 0, sizeof fake_env);
  const char *folder = test_folder(), *a = small_path(folder, "a");
  sac_run* run = small_run(a, "", NULL);
  ck_ok(sac_run_steps(run, 0));
  float* from = rows_of(run, 0, 200);
  const sac_replay_row row = run->agent->row;
  sac_run_destroy(run);
  fake_env.action_high = 8;
  run = load(folder, "b", a, "");
  float* rows = rows_of(run, 0, 200);
  for (int i = 0; i < 200; i++)
    for (int32_t j = 0; j < row.floats; j++)
      ck_assert(rows[i * row.floats + j] == from[i * row.floats + j] * (j == row.action ? 0.25F : 1));
  sac_run_destroy(run);
  fake_env.action_high = 0.01F;
  char sets[600];
  (void)snprintf(sets, sizeof sets, "replay.load=%s", a);
  sac_config* config = small_config(test_path(folder, "refused"), sets);
  ck_fails(sac_run_create(&run, config, &fake_env_api, NULL), SAC_ERROR_ENV, "outside the environment's [-0.01, 0.01]");
  sac_config_destroy(config);
  free(from);
  free(rows);
  test_folder_remove();
}
END_TEST

/* An action that is beyond its bound by a rounding is the bound in the replay, whether it is loaded or pushed. */
START_TEST(actions_beyond_by_a_rounding) {
  memset(&fake_env, 0, sizeof fake_env);
  const char *folder = test_folder(), *path = small_path(folder, "demo");
  demo d = make_demo();
  d.action[1] = (double)nextafterf(2, 3);
  d.action[2] = (double)nextafterf(-2, -3);
  write_demo(path, &d);
  sac_run* run = load(folder, "a", path, "");
  const float obs[2] = {0, 0}, action = nextafterf(1, 2), reward = 0;
  const uint8_t ended = 0;
  const sac_transitions pushed = {1, obs, &action, &reward, &ended, &ended, obs};
  ck_ok(sac_agent_push(run->agent, &pushed));
  float* rows = rows_of(run, 0, N + 1);
  const int32_t floats = run->agent->row.floats, at = run->agent->row.action;
  ck_assert(rows[floats + at] == 1 && rows[2 * floats + at] == -1 && rows[N * floats + at] == 1);
  free(rows);
  sac_run_destroy(run);
  test_folder_remove();
}
END_TEST

START_TEST(demonstrations) {
  memset(&fake_env, 0, sizeof fake_env);
  const char *folder = test_folder(), *path = small_path(folder, "demo");
  const demo d = make_demo();
  write_demo(path, &d);

  /* float64 is converted, actions are scaled, and truncated is 0 where the file lacks it */
  sac_run* run = load(folder, "a", path, "");
  float* rows = rows_of(run, 0, N);
  const sac_replay_row* row = &run->agent->row;
  for (int i = 0; i < N; i++) {
    const float* r = rows + i * row->floats;
    ck_assert(r[row->obs] == (float)d.obs[2 * i] && r[row->next_obs + 1] == d.next_obs[2 * i + 1]);
    ck_assert(r[row->action] == (float)d.action[i] / 2 && r[row->reward] == d.reward[i]);
    ck_assert(r[row->terminated] == (float)d.terminated[i] && r[row->truncated] == 0);
  }
  free(rows);
  sac_run_destroy(run);
  test_folder_remove();
}
END_TEST

/* Whole numbers are taken as they are: a column of numbers that NumPy made of a list is I64. */
START_TEST(whole_numbers) {
  memset(&fake_env, 0, sizeof fake_env);
  const char *folder = test_folder(), *path = small_path(folder, "demo");
  const int64_t reward[3] = {-7, 0, 1000}, terminated[3] = {0, 1, 0}, action[3] = {-2, 0, 1};
  const uint64_t obs[6] = {1, 2, 3, 4, 5, 6}, truncated[3] = {1, 1, 0};
  const sac_file_tensor list[] = {{"obs", SAC_U64, 2, {3, 2}, obs, sizeof obs},
                                  {"action", SAC_I64, 2, {3, 1}, action, sizeof action},
                                  {"next_obs", SAC_U64, 2, {3, 2}, obs, sizeof obs},
                                  {"terminated", SAC_I64, 1, {3}, terminated, sizeof terminated},
                                  {"truncated", SAC_U64, 2, {3, 1}, truncated, sizeof truncated},
                                  {"reward", SAC_I64, 2, {3, 1}, reward, sizeof reward}};
  ck_ok(sac_safetensors_write(path, list, 6, NULL, 0));
  sac_run* run = load(folder, "a", path, "");
  float* rows = rows_of(run, 0, 3);
  const sac_replay_row* row = &run->agent->row;
  for (int i = 0; i < 3; i++) {
    const float* r = rows + i * row->floats;
    ck_assert(r[row->obs + 1] == (float)obs[2 * i + 1] && r[row->action] == (float)action[i] / 2);
    ck_assert(r[row->reward] == (float)reward[i] && r[row->terminated] == (float)terminated[i]);
    ck_assert(r[row->truncated] == (float)truncated[i]);
  }
  free(rows);
  sac_run_destroy(run);
  test_folder_remove();
}
END_TEST

/* Discrete actions are numbers: not scaled, in the replay, in an export and in a file of the user. */
START_TEST(numbers_of_actions) {
  enum { ACTIONS = 5 };
  static const char* const algos[] = {"algo=soft-q", "algo=sac-discrete"};
  const char* folder = test_folder();
  char a[256], file[256];
  (void)snprintf(a, sizeof a, "%s/a", folder);
  (void)snprintf(file, sizeof file, "%s/file", folder);
  memset(&fake_env, 0, sizeof fake_env);
  fake_env.actions = ACTIONS;
  sac_run* run = small_run(a, algos[_i], NULL);
  ck_ok(sac_run_steps(run, 0));
  const sac_replay_row row = run->agent->row;
  const size_t floats = 200 * (size_t)row.floats;
  float* from = rows_of(run, 0, 200);
  int seen = 0;
  for (int i = 0; i < 200; i++) seen |= 1 << (int)from[i * row.floats + row.action];
  ck_assert_int_eq(seen, (1 << ACTIONS) - 1);
  sac_run_destroy(run);

  /* the run and its export have the same bits */
  int64_t count;
  ck_ok(sac_transitions_export(a, file, &count));
  ck_assert_int_eq(count, 200);
  const char* const paths[] = {a, file};
  for (int i = 0; i < 2; i++) {
    run = load(folder, i ? "c" : "b", paths[i], algos[_i]);
    float* rows = rows_of(run, 0, 200);
    ck_same_bits(rows, from, floats);
    ck_ok(sac_run_steps(run, 10));
    free(rows);
    sac_run_destroy(run);
  }

  /* a file of the user with a column of whole numbers; each number that no action has is refused by its row */
  const char* demo_path = small_path(folder, "demo");
  demo d = make_demo();
  for (int i = 0; i < N; i++) d.action[i] = i;
  write_demo(demo_path, &d);
  run = load(folder, "d", demo_path, algos[_i]);
  float* rows = rows_of(run, 0, N);
  for (int i = 0; i < N; i++) ck_assert(rows[i * row.floats + row.action] == (float)i);
  free(rows);
  sac_run_destroy(run);
  static const double bad[] = {-1, ACTIONS, 1.5, -0.25, 1e30};
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
    char says[96];
    d.action[3] = bad[i];
    (void)snprintf(says, sizeof says, "action %.9g of transition 3 is no number of an action: 0 to 4 are",
                   (double)(float)bad[i]);
    refused(folder, &d, algos[_i], SAC_ERROR_ENV, says);
  }
  d.action[3] = NAN;
  refused(folder, &d, algos[_i], SAC_ERROR_ENV, "action nan of transition 3");

  /* runs and exports of another number or kind of actions */
  static const char* const says[] = {"has 5 discrete actions; fake has 4 discrete ones",
                                     "has 5 discrete actions; fake has continuous ones"};
  for (int i = 0; i < 4; i++) {
    char sets[600];
    fake_env.actions = i < 2 ? 4 : 0;
    (void)snprintf(sets, sizeof sets, "replay.load=%s %s", paths[i % 2], i < 2 ? algos[_i] : "");
    sac_config* config = small_config(test_path(folder, "refused"), sets);
    ck_fails(sac_run_create(&run, config, &fake_env_api, NULL), SAC_ERROR_SHAPE, says[i / 2]);
    sac_config_destroy(config);
  }
  run = small_run(small_path(folder, "e"), "", NULL);
  ck_ok(sac_run_steps(run, 0));
  sac_run_destroy(run);
  ck_ok(sac_transitions_export(test_path(folder, "e"), small_path(folder, "file2"), &count));
  fake_env.actions = ACTIONS;
  for (int i = 0; i < 2; i++) {
    char sets[600];
    (void)snprintf(sets, sizeof sets, "replay.load=%s %s", test_path(folder, i ? "file2" : "e"), algos[_i]);
    sac_config* config = small_config(test_path(folder, "refused"), sets);
    ck_fails(sac_run_create(&run, config, &fake_env_api, NULL), SAC_ERROR_SHAPE,
             "has continuous actions; fake has 5 discrete ones");
    sac_config_destroy(config);
  }
  free(from);
  test_folder_remove();
}
END_TEST

/* A column of numbers without a second dimension, as NumPy has them. */
START_TEST(a_flat_column_of_numbers) {
  memset(&fake_env, 0, sizeof fake_env);
  fake_env.actions = 3;
  const char *folder = test_folder(), *path = small_path(folder, "demo");
  const int64_t action[4] = {2, 0, 1, 2};
  const float obs[8] = {0}, reward[4] = {0};
  const uint8_t terminated[4] = {0, 1, 0, 0};
  sac_file_tensor list[] = {{"obs", SAC_F32, 2, {4, 2}, obs, sizeof obs},
                            {"action", SAC_I64, 1, {4}, action, sizeof action},
                            {"next_obs", SAC_F32, 2, {4, 2}, obs, sizeof obs},
                            {"terminated", SAC_U8, 1, {4}, terminated, sizeof terminated},
                            {"reward", SAC_F32, 1, {4}, reward, sizeof reward}};
  ck_ok(sac_safetensors_write(path, list, 5, NULL, 0));
  sac_run* run = load(folder, "a", path, "algo=soft-q");
  float* rows = rows_of(run, 0, 4);
  for (int i = 0; i < 4; i++) ck_assert(rows[i * run->agent->row.floats + run->agent->row.action] == (float)action[i]);
  free(rows);
  sac_run_destroy(run);

  /* of another length than the others */
  list[1].dims[0] = 3;
  list[1].bytes = 3 * sizeof *action;
  ck_ok(sac_safetensors_write(path, list, 5, NULL, 0));
  char sets[600];
  (void)snprintf(sets, sizeof sets, "replay.load=%s algo=soft-q", path);
  sac_config* config = small_config(test_path(folder, "refused"), sets);
  ck_fails(sac_run_create(&run, config, &fake_env_api, NULL), SAC_ERROR_SHAPE,
           "'action' is I64 [3]; I64 [4] is wanted");
  sac_config_destroy(config);
  test_folder_remove();
}
END_TEST

START_TEST(what_is_refused) {
  memset(&fake_env, 0, sizeof fake_env);
  const char* folder = test_folder();
  demo d = make_demo();
  d.action[3] = 2.1;
  refused(folder, &d, "", SAC_ERROR_ENV, "action 2.1 of transition 3 is outside the environment's [-2, 2]");
  d.action[3] = NAN;
  refused(folder, &d, "", SAC_ERROR_ENV, "action nan of transition 3");
  d = make_demo();
  d.next_obs[5] = NAN;
  refused(folder, &d, "", SAC_ERROR_FORMAT, "transition 2 has a value that is not finite");
  d = make_demo();
  d.terminated[4] = 2;
  refused(folder, &d, "", SAC_ERROR_FORMAT, "transition 4 is neither 0 nor 1");
  d = make_demo();
  d.tensors = 4;
  refused(folder, &d, "", SAC_ERROR_FORMAT, "no tensor 'reward'");
  d = make_demo();
  d.n = 0;
  refused(folder, &d, "", SAC_ERROR_FORMAT, "no transitions");
  d = make_demo();
  refused(folder, &d, "replay.capacity=4 replay.batch=4", SAC_ERROR_CONFIG, "5 transitions, replay.capacity is 4");
  refused(folder, &d, "replay.capacity=4 replay.batch=4 replay.offline_share=0.5", SAC_ERROR_CONFIG,
          "5 transitions, which replay.offline_share keeps; replay.capacity is 4");
  refused(folder, &d, "replay.capacity=5 replay.batch=4 replay.offline_share=0.5", SAC_ERROR_CONFIG, "above them");
  refused(folder, &d, "replay.batch=4 replay.offline_share=0.1", SAC_ERROR_CONFIG, "0.1 of replay.batch 4 is no row");
  refused(folder, &d, "replay.load= replay.offline_share=0.1", SAC_ERROR_CONFIG, "set replay.load");
  refused(folder, &d, "replay.load=/nowhere", SAC_ERROR_FILE, "/nowhere");
  test_folder_remove();
}
END_TEST

START_TEST(resumed) {
  memset(&fake_env, 0, sizeof fake_env);
  const char *folder = test_folder(), *path = small_path(folder, "demo");
  const char *whole_path = small_path(folder, "whole"), *parts_path = small_path(folder, "parts");
  const demo d = make_demo();
  write_demo(path, &d);
  sac_run *whole = load(folder, "whole", path, "replay.capacity=60"), *parts;
  ck_ok(sac_run_steps(whole, 0));

  /* the transitions are part of the replay; their number, which shortens the warm-up, is saved */
  const int64_t stops[] = {20, 37, 130};
  parts = load(folder, "parts", path, "replay.capacity=60");
  ck_ok(sac_run_steps(parts, stops[_i]));
  sac_run_stop(parts);
  ck_fails(sac_run_steps(parts, 0), SAC_STOPPED, "");
  sac_run_destroy(parts);
  ck_ok(remove(path) == 0 ? SAC_OK : SAC_ERROR_FILE);
  ck_ok(sac_run_resume(&parts, parts_path, NULL, &fake_env_api, NULL));
  ck_ok(sac_run_steps(parts, 0));
  same_state(whole, parts);
  same_files(whole_path, parts_path, 1);
  sac_run_destroy(whole);
  sac_run_destroy(parts);
  test_folder_remove();
}
END_TEST

/* Transitions that are kept are there whatever is pushed, in the files too, and a resume is exact. */
START_TEST(kept) {
  memset(&fake_env, 0, sizeof fake_env);
  const char *folder = test_folder(), *path = small_path(folder, "demo"), *file = small_path(folder, "file");
  const char *whole_path = small_path(folder, "whole"), *parts_path = small_path(folder, "parts");
  const char* sets = _i == 0 ? "replay.capacity=60 replay.offline_share=0.25 seeds=2"
                             : "replay.capacity=60 replay.offline_share=0.25 seeds=2 train.overlap=3";
  const demo d = make_demo();
  write_demo(path, &d);
  sac_run *whole = load(folder, "whole", path, sets), *parts;
  const size_t floats = (size_t)whole->agent->row.floats;
  float* before = rows_of(whole, 1, N);
  ck_ok(sac_run_steps(whole, 0));
  ck_assert_uint_eq(whole->agent->fixed[1], N);
  float* rows = rows_of(whole, 1, 60);
  ck_same_bits(rows, before, N * floats);

  /* stopped when the ring has wrapped around, and resumed without the file */
  parts = load(folder, "parts", path, sets);
  ck_ok(sac_run_steps(parts, 130));
  sac_run_stop(parts);
  ck_fails(sac_run_steps(parts, 0), SAC_STOPPED, "");
  sac_run_destroy(parts);
  ck_ok(remove(path) == 0 ? SAC_OK : SAC_ERROR_FILE);
  ck_ok(sac_run_resume(&parts, parts_path, NULL, &fake_env_api, NULL));
  ck_assert_uint_eq(parts->agent->fixed[1], N);
  ck_ok(sac_run_steps(parts, 0));
  same_state(whole, parts);
  same_files(whole_path, parts_path, 2);
  sac_run_destroy(parts);

  /* the file of the whole agent has them too: it goes on as the agent does */
  sac_agent* agent;
  float weights[2][16];
  ck_ok(sac_agent_save_all(whole->agent, file));
  ck_ok(sac_agent_load(&agent, file, NULL));
  ck_assert_uint_eq(agent->fixed[1], N);
  for (int i = 0; i < 2; i++) {
    sac_agent* of = i ? agent : whole->agent;
    ck_ok(sac_agent_update(of, 3));
    ck_ok(of->backend->read(of, SAC_MEMORY_WEIGHTS, 1, 0, weights[i], 16));
  }
  ck_same_bits(weights[1], weights[0], 16);
  sac_agent_destroy(agent);
  sac_run_destroy(whole);
  ck_assert_int_eq(remove(file), 0);

  /* an export has them first, then the run's own from the oldest on */
  int64_t count;
  ck_ok(sac_transitions_export(test_path(whole_path, "seed_2"), file, &count));
  ck_assert_int_eq(count, 60);
  parts = load(folder, "again", file, "");
  const size_t oldest = (200 % (60 - N)) * floats, others = (60 - N) * floats;
  float* again = rows_of(parts, 0, 60);
  ck_same_bits(again, rows, N * floats);
  ck_same_bits(again + N * floats, rows + N * floats + oldest, others - oldest);
  ck_same_bits(again + N * floats + others - oldest, rows + N * floats, oldest);
  sac_run_destroy(parts);
  free(before);
  free(rows);
  free(again);
  test_folder_remove();
}
END_TEST

/* A damaged list of the rows that are kept is noticed, as is a changed row. */
START_TEST(kept_rows_are_checked) {
  memset(&fake_env, 0, sizeof fake_env);
  const char *folder = test_folder(), *path = small_path(folder, "demo"), *run_path = small_path(folder, "run");
  const demo d = make_demo();
  write_demo(path, &d);
  sac_run* run = load(folder, "run", path, "replay.capacity=60 replay.offline_share=0.5");
  ck_ok(sac_run_steps(run, 100));
  ck_ok(sac_run_save(run));
  sac_run_destroy(run);

  /* change one bit of the first row */
  const char* seed = test_path(run_path, "seed_1");
  const int64_t step = 100;
  ck_ok(sac_checkpoint_probe(seed, step, NULL, 0));
  FILE* file = fopen(test_path(seed, "replay/loaded_0.bin"), "r+b");
  ck_assert(file && fseek(file, 64, SEEK_SET) == 0 && fputc(1, file) == 1 && fclose(file) == 0);
  ck_fails(sac_checkpoint_probe(seed, step, NULL, 0), SAC_ERROR_FORMAT, "replay/loaded_0.bin: damaged (checksum");
  test_folder_remove();
}
END_TEST

CHECK_MAIN("transitions", CASE(of_a_run_and_exported), CASE(of_a_run_with_other_bounds),
           CASE(actions_beyond_by_a_rounding), CASE(demonstrations), CASE(whole_numbers), LOOP(numbers_of_actions, 2),
           CASE(a_flat_column_of_numbers), CASE(what_is_refused), LOOP(resumed, 3), LOOP(kept, 2),
           CASE(kept_rows_are_checked))
