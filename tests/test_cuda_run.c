/* ctest: timeout=300
 *
 * Runs on a CUDA device: environments on the device, bursts of steps, exact resume, change of device, and agents that
 * stop. */
#include "cuda/cuda.h"
#include "support/cuda_agent.h"
#include "support/same_run.h"
#include "support/tolerances.h"
#include "train/step.h"

#define TASK "env.id=SacPointMass-v0 "

/* A run on the device with the environment of env.id, or with fake_env if sets has none. */
static sac_run* begin(const char* out, const char* sets, const sac_callbacks* callbacks) {
  char all[1024];
  sac_run* run;
  (void)snprintf(
      all, sizeof all,
      "device=cuda:0 train.steps=130 train.warmup_steps=60 eval.every=50 eval.episodes=2 checkpoint.every=40 %s", sets);
  sac_config* config = small_config(out, all);
  memset(&fake_env, 0, sizeof fake_env);
  if (strstr(sets, "algo=soft-q") || strstr(sets, "algo=sac-discrete")) fake_env.actions = 3;
  ck_ok(sac_run_create(&run, config, strstr(sets, "env.id") ? NULL : &fake_env_api, callbacks));
  sac_config_destroy(config);
  return run;
}

/* Resumes a run with these keys; fake 1: with fake_env. */
static sac_run* again(const char* out, const char* sets, const sac_callbacks* callbacks, int fake) {
  sac_config* config = config_of("%s", sets);
  sac_run* run;
  ck_ok(sac_run_resume(&run, out, config, fake ? &fake_env_api : NULL, callbacks));
  sac_config_destroy(config);
  return run;
}

/* --- exactness ---------------------------------------------------------------------------------------------------- */

static const struct {
  const char* sets;
  int64_t stop; /* the first part ends here */
} runs[] = {
    {TASK, 80},
    {TASK "log.every=33 eval.every=71 checkpoint.every=57", 37}, /* intervals without a common step */
    {TASK, 20},                                                  /* within the warm-up */
    {TASK "algo=sac-v env.num_envs=3", 72},
    {"env.id=Pendulum-v1 seeds=3", 93},
    {"env.id=SacQuadratic-v0 env.num_envs=3 train.updates_per_step=0.7", 75}, /* one episode each step */
    {TASK "replay.capacity=50 train.updates_per_step=3 alpha.learn=false", 90},
    {"", 93}, /* a user's environment, which the host steps */
    {"env.num_envs=3 seeds=2 cuda.graph=false", 75},
    {TASK "train.overlap=2", 93},
    {"env.num_envs=3 train.overlap=4", 75},
    {TASK "train.actor_delay_steps=30", 80}, /* while the actor is held */
    {"env.id=CartPole-v1 algo=soft-q seeds=2", 83},
    {"env.id=CartPole-v1 algo=sac-discrete env.num_envs=3 train.overlap=2 network.critics_join=mean", 75},
    {"env.id=SacTabular-v0 algo=soft-q network.hidden=[] train.overlap=1 alpha.min=0.99", 91},
    {"algo=sac-discrete env.num_envs=3", 93},
    {"algo=soft-q train.overlap=3", 72},
};
#define RUNS (sizeof runs / sizeof *runs)

/* Representative runs, for tests of the end of a run and of how its steps are divided. */
static const int some[] = {0, 3, 5, 7, 10, 12, 13, 16};
#define SOME (sizeof some / sizeof *some)

static int is_fake(const char* sets) { return strstr(sets, "env.id") == NULL; }

/* Stops as Ctrl-C does, and resumes, each time with another order of blocks, threads and streams. */
START_TEST(stopped_and_resumed) {
  /* the run in one go */
  const char* folder = test_folder();
  const char *whole_path = small_path(folder, "whole"), *parts_path = small_path(folder, "parts");
  char sets[256];
  (void)snprintf(sets, sizeof sets, "%s train.steps=100", runs[_i].sets);
  sac_run *whole = begin(whole_path, sets, NULL), *parts;
  ck_assert_int_eq(whole->vector->resident != NULL, !is_fake(runs[_i].sets));
  ck_assert_int_eq(whole->vector->burst > 1, !is_fake(runs[_i].sets));
  ck_ok(sac_run_steps(whole, 0));

  /* a run that is stopped */
  cuda_order(11 + (uint64_t)_i);
  parts = begin(parts_path, sets, NULL);
  ck_ok(sac_run_steps(parts, runs[_i].stop));
  sac_run_stop(parts);
  ck_fails(sac_run_steps(parts, 0), SAC_STOPPED, "");
  sac_run_destroy(parts);

  /* and resumed, in another order of blocks and threads */
  cuda_order(1234567 + (uint64_t)_i);
  parts = again(parts_path, "", NULL, is_fake(runs[_i].sets));
  ck_assert_int_ge(sac_run_step(parts), runs[_i].stop);
  ck_ok(sac_run_steps(parts, 0));

  /* state and files are the same */
  same_state(whole, parts);
  const int64_t seeds = whole->settings.seeds;
  sac_run_destroy(whole);
  sac_run_destroy(parts);
  same_files(whole_path, parts_path, seeds);
  test_folder_remove();
  cuda_done();
}
END_TEST

/* Finishes with train.steps n, then continues: what the end of a run does beyond its schedule is undone. */
START_TEST(finished_and_continued) {
  const char* folder = test_folder();
  const char *whole_path = small_path(folder, "whole"), *parts_path = small_path(folder, "parts");
  char first[256];
  sac_run *whole = begin(whole_path, runs[some[_i]].sets, NULL), *parts;
  ck_ok(sac_run_steps(whole, 0));
  (void)snprintf(first, sizeof first, "%s train.steps=70", runs[some[_i]].sets);
  parts = begin(parts_path, first, NULL);
  ck_ok(sac_run_steps(parts, 0));
  sac_run_destroy(parts);
  parts = again(parts_path, "train.steps=130", NULL, is_fake(runs[some[_i]].sets));
  ck_ok(sac_run_steps(parts, 0));
  same_state(whole, parts);
  sac_run_destroy(whole);
  sac_run_destroy(parts);
  test_folder_remove();
  cuda_done();
}
END_TEST

/* The ends of bursts depend on what is due and on the caller. Results do not depend on them. */
START_TEST(bursts_change_no_bit) {
  const char* folder = test_folder();
  const char *path_a = small_path(folder, "a"), *path_b = small_path(folder, "b"), *path_c = small_path(folder, "c");
  sac_run *a = begin(path_a, runs[some[_i]].sets, NULL), *b = begin(path_b, runs[some[_i]].sets, NULL),
          *c = begin(path_c, runs[some[_i]].sets, NULL);
  ck_ok(sac_run_steps(a, 0));
  c->vector->burst = 7;
  while (sac_run_step(b) < 130) ck_ok(sac_run_steps(b, 1));
  ck_ok(sac_run_steps(c, 0));
  same_state(a, b);
  same_state(a, c);
  const int64_t seeds = a->settings.seeds;
  sac_run_destroy(a);
  sac_run_destroy(b);
  sac_run_destroy(c);
  same_files(path_a, path_b, seeds);
  same_files(path_a, path_c, seeds);
  test_folder_remove();
  cuda_done();
}
END_TEST

START_TEST(evaluation_changes_no_bit) {
  const char* folder = test_folder();
  const char *on_path = small_path(folder, "on"), *off_path = small_path(folder, "off");
  sac_run *on = begin(on_path, TASK "env.num_envs=2 seeds=2 eval.every=10", NULL),
          *off = begin(off_path, TASK "env.num_envs=2 seeds=2 eval.every=0", NULL);
  ck_ok(sac_run_steps(on, 0));
  ck_ok(sac_run_steps(off, 0));
  for (int p = 0; p < 2; p++) {
    same_agent(on, off, p);
    off->window[p].best_step = on->window[p].best_step, off->window[p].best_return = on->window[p].best_return;
  }
  same_state(on, off);
  sac_run_destroy(on);
  sac_run_destroy(off);
  same_rows(test_path(on_path, "seed_2/metrics.csv"), test_path(off_path, "seed_2/metrics.csv"));
  test_folder_remove();
  cuda_done();
}
END_TEST

/* Environments on the device equal those on the host: under uniform actions, episodes and replay rows are the same. */
START_TEST(environments_are_the_host_s) {
  static const char* const tasks[] = {"SacPointMass-v0",          "Pendulum-v1",
                                      "MountainCarContinuous-v0", "SacQuadratic-v0",
                                      "CartPole-v1 algo=soft-q",  "Acrobot-v1 algo=sac-discrete",
                                      "SacTabular-v0 algo=soft-q"};
  const char* folder = test_folder();
  char sets[256], on_cpu[300];
  (void)snprintf(sets, sizeof sets,
                 "env.id=%s env.num_envs=3 seeds=2 train.updates_per_step=0 eval.every=0 "
                 "train.warmup_steps=700 train.steps=700 replay.capacity=1000",
                 tasks[_i]);
  (void)snprintf(on_cpu, sizeof on_cpu, "%s device=cpu", sets);
  sac_run *gpu = begin(small_path(folder, "gpu"), sets, NULL), *cpu = begin(small_path(folder, "cpu"), on_cpu, NULL);
  ck_assert_str_eq(cpu->agent->device, "cpu");
  ck_ok(sac_run_steps(gpu, 0));
  ck_ok(sac_run_steps(cpu, 0));
  if (CUDA_HOST) same_state(cpu, gpu); /* a device's sine may differ in the last digit */
  for (int p = 0; p < 2; p++)
    ck_assert_mem_eq(&cpu->agent->counters[p], &gpu->agent->counters[p], sizeof(sac_counters));
  ck_assert_mem_eq(cpu->vector->episode, gpu->vector->episode, 6 * sizeof(uint64_t));
  sac_run_destroy(gpu);
  sac_run_destroy(cpu);
  test_folder_remove();
  cuda_done();
}
END_TEST

/* --- rows of metrics ---------------------------------------------------------------------------------------------- */

/* Each row of metrics has its own window, as on the CPU, also with late updates. */
/* With train.overlap acting reads a copy of the actor while updates run. The bits are those of the program that this
 * stands for: act, the updates of the previous step, env step, push. */
START_TEST(acting_beside_updates) {
  /* a run with overlap, and an agent that is stepped here */
  static const char* const sets[] = {"train.overlap=1 seeds=2 eval.every=0",
                                     "train.overlap=1 eval.every=0 cuda.graph=off",
                                     "train.overlap=1 eval.every=0 seeds=2 algo=soft-q alpha.initial=0.02",
                                     "train.overlap=1 eval.every=0 algo=sac-discrete"};
  const char* folder = test_folder();
  sac_run *run = begin(small_path(folder, "run"), sets[_i], NULL),
          *other = begin(small_path(folder, "other"), sets[_i], NULL);
  ck_ok(sac_run_steps(run, 0));
  sac_agent* agent = other->agent;
  sac_vector* vector = other->vector;
  ck_assert_ptr_nonnull(sac_gpu_of(agent)->act_copy);

  /* act, the updates of the previous step, env step, push */
  for (int64_t t = 0; t < run->settings.steps; t++) {
    const int learning = t >= run->settings.warmup_steps;
    const sac_act act = {.n = 1,
                         .mode = learning ? SAC_ACT_SAMPLE : SAC_ACT_UNIFORM,
                         .obs = vector->obs,
                         .action = vector->action,
                         .vector = vector};
    ck_ok(agent->backend->act(agent, &act));
    ck_ok(sac_update(agent, t > run->settings.warmup_steps));
    ck_ok(sac_vector_step(vector));
    const sac_transitions transitions = sac_vector_transitions(vector);
    ck_ok(agent->backend->replay_push(agent, &transitions, vector));
  }

  /* the same bits */
  ck_ok(sac_settle(agent, vector));
  for (int32_t p = 0; p < agent->shape.population; p++) same_agent(run, other, p);
  sac_run_destroy(run);
  sac_run_destroy(other);
  test_folder_remove();
  cuda_done();
}
END_TEST

START_TEST(rows_are_the_cpu_s) {
  /* the same run on both */
  static const char* const sets_of[] = {TASK "train.overlap=0", TASK "train.overlap=3",
                                        "env.id=CartPole-v1 algo=soft-q train.overlap=1",
                                        "env.id=CartPole-v1 algo=sac-discrete", "algo=sac-discrete"};
  const char* folder = test_folder();
  static metric_rows of[2];
  memset(of, 0, sizeof of);
  for (int cpu = 0; cpu < 2; cpu++) {
    const sac_callbacks callbacks = {.user = &of[cpu], .metrics = keep_metric_row};
    char sets[256];
    (void)snprintf(sets, sizeof sets, "eval.every=0 env.num_envs=2 %s %s", sets_of[_i], cpu ? "device=cpu" : "");
    sac_run* run = begin(small_path(folder, cpu ? "cpu" : "gpu"), sets, &callbacks);
    ck_ok(sac_run_steps(run, 0));
    sac_run_destroy(run);
  }
  ck_assert_int_eq(of[0].count, 7);
  ck_assert_int_eq(of[1].count, 7);

  /* their rows, without times; empty on one is empty on the other */
  for (int r = 0; r < 7; r++)
    for (int m = 0; m < SAC_METRIC_updates_per_second; m++) {
      const double ours = of[0].value[r][m], theirs = of[1].value[r][m];
      ck_assert_msg(isnan(ours) ? isnan(theirs) : fabs(ours - theirs) <= RUN_METRIC_REL * fabs(theirs) + RUN_METRIC_ABS,
                    "row %d: %s is %.9g, not %.9g", r, sac_metric_names[m], ours, theirs);
    }
  test_folder_remove();
  cuda_done();
}
END_TEST

/* --- another device ----------------------------------------------------------------------------------------------- */

static int keep_log(void* user, const char* line) {
  char* log = user;
  const size_t used = strlen(log);
  (void)snprintf(log + used, 8192 - used, "%s\n", line);
  return 0;
}

START_TEST(to_the_cpu_and_back) {
  /* two runs on the device, saved in the middle */
  char log[8192] = "";
  const sac_callbacks callbacks = {.user = log, .log = keep_log};
  const char* folder = test_folder();
  const char *kept = small_path(folder, "kept"), *moved = small_path(folder, "moved");
  static const char* const sets_of[] = {TASK "seeds=2 env.num_envs=2", "env.id=CartPole-v1 seeds=2 algo=soft-q"};
  const char* sets = sets_of[_i];
  sac_run *stays = begin(kept, sets, NULL), *goes = begin(moved, sets, &callbacks);
  ck_assert_msg(strstr(log, "on cuda:0"), "%s", log);
  for (int i = 0; i < 2; i++) {
    sac_run* run = i ? goes : stays;
    ck_ok(sac_run_steps(run, 75));
    ck_ok(sac_run_save(run));
  }
  sac_run_destroy(goes);

  /* one resumes on the CPU and is saved there; nothing of its state changes */
  goes = again(moved, "device=cpu", &callbacks, 0);
  ck_assert_str_eq(goes->agent->device, "cpu");
  ck_assert_msg(strstr(log, ", is cpu"), "%s", log);
  ck_assert_ptr_null(goes->vector->resident);
  same_state(stays, goes);
  ck_ok(sac_run_save(goes));
  sac_run_destroy(goes);

  /* back on the device, it ends as the run that stayed */
  goes = again(moved, "device=cuda:0", &callbacks, 0);
  ck_assert_ptr_nonnull(goes->vector->resident);
  same_state(stays, goes);
  ck_ok(sac_run_steps(stays, 0));
  ck_ok(sac_run_steps(goes, 0));
  same_state(stays, goes);
  sac_run_destroy(stays);
  sac_run_destroy(goes);

  /* a move in the middle of a longer run, to the end on the CPU */
  goes = again(moved, "train.steps=160", &callbacks, 0);
  ck_ok(sac_run_steps(goes, 7));
  ck_ok(sac_run_save(goes));
  sac_run_destroy(goes);
  goes = again(moved, "device=cpu", &callbacks, 0);
  ck_ok(sac_run_steps(goes, 0));
  ck_assert_int_eq(sac_run_step(goes), 160);
  sac_run_destroy(goes);
  test_folder_remove();
  cuda_done();
}
END_TEST

/* --- what stops a run, or an agent -------------------------------------------------------------------------------- */

/* One agent, or two in the same update, stop at the end of the burst, are named, and are not saved again. The others
 * are not affected. */
START_TEST(agents_that_are_no_longer_finite) {
  /* two equal runs of four agents; in one of them one or two agents become NaN at step 119 */
  char log[8192] = "";
  const sac_callbacks callbacks = {.user = log, .log = keep_log};
  const char* folder = test_folder();
  const char *well_path = small_path(folder, "well"), *out = small_path(folder, "ill");
  const int two = _i % 2;
  const char* sets = _i < 2 ? TASK "seeds=4 checkpoint.every=60 eval.every=0"
                            : TASK "seeds=4 checkpoint.every=60 eval.every=0 device=cpu";
  sac_run *well = begin(well_path, sets, NULL), *run = begin(out, sets, &callbacks);
  ck_ok(sac_run_steps(well, 0));
  ck_ok(sac_run_steps(run, 119)); /* at 120 all running agents are saved */
  for (int i = 0; i <= two; i++) make_weight_nan(run, 1 + i);

  /* the log says which, why and since when */
  ck_fails(sac_run_steps(run, 0), SAC_ERROR_NUMERIC, two ? "2 of 4 agents stopped" : "1 of 4 agents stopped");
  ck_assert_msg(strstr(log, "seed 2 stops; step 120: gradient actor."), "%s", log);
  if (two) ck_assert_msg(strstr(log, "seed 3 stops; step 120: "), "%s", log);
  ck_assert_msg(strstr(log, " is NaN (first of "), "%s", log);
  ck_assert_msg(strstr(log, "seed_2/checkpoints/step_60.safetensors"), "%s", log);

  /* the others are as if nothing had happened */
  for (int32_t p = 0; p < 4; p++) {
    const int ill = p >= 1 && p <= 1 + two;
    char name[96];
    ck_assert_int_eq(run->agent->alive[p], !ill);
    (void)snprintf(name, sizeof name, "seed_%d/checkpoints/step_120.safetensors", p + 1);
    ck_assert_int_eq(test_exists(test_path(out, name)), !ill);
    if (!ill) same_agent(well, run, p);
  }
  sac_run_destroy(well);
  sac_run_destroy(run);
  run = again(out, "train.steps=135", &callbacks, 0); /* after a resume the stopped agents stay stopped */
  ck_fails(sac_run_steps(run, 0), SAC_ERROR_NUMERIC, two ? "2 of 4 agents stopped" : "1 of 4 agents stopped");
  ck_assert_int_eq(run->agent->counters[0].updates, 75);
  sac_run_destroy(run);
  test_folder_remove();
  cuda_done();
}
END_TEST

/* A learning rate and rewards that are far too large. */
START_TEST(learning_that_blows_up) {
  const char* out = small_path(test_folder(), "run");
  sac_run* run = begin(
      out, TASK "optim.lr=1 reward_scale=1e6 optim.beta1=0 train.warmup_steps=40 train.steps=400 checkpoint.every=50",
      NULL);
  ck_fails(sac_run_steps(run, 0), SAC_ERROR_NUMERIC, "critic.");
  sac_run_destroy(run);
  test_folder_remove();
  cuda_done();
}
END_TEST

/* The user's environment fails as on the CPU. */
START_TEST(environment_that_fails) {
  const char* out = small_path(test_folder(), "run");
  sac_run* run = begin(out, "env.num_envs=2", NULL);
  if (_i == 0) fake_env.nan_reward_at = 50, fake_env.nan_env = 1;
  else fake_env.fail_at = 50;
  ck_fails(sac_run_steps(run, 0), _i == 0 ? SAC_ERROR_NUMERIC : SAC_ERROR_ENV, "step 100: ");
  sac_run_destroy(run);
  memset(&fake_env, 0, sizeof fake_env);
  run = again(out, "", NULL, 1);
  ck_ok(sac_run_steps(run, 0));
  sac_run_destroy(run);
  test_folder_remove();
  cuda_done();
}
END_TEST

/* Held updates change neither weights nor moments; the first one after them changes both. */
/* Held updates leave the actor's weights and moments as they are. The first update after them does not. */
START_TEST(actor_is_held) {
  /* a run that holds its actor for the first 30 updates */
  const char* folder = test_folder();
  float before[16], after[16];
  sac_run* run = begin(test_path(folder, "a"), TASK "train.actor_delay_steps=30", NULL);
  const size_t at = run->agent->tensors.net[SAC_ACTOR][0].weight[0];
  ck_ok(run->agent->backend->read(run->agent, SAC_MEMORY_WEIGHTS, 0, at, before, 16));

  /* in these updates no bit changes */
  ck_ok(sac_run_steps(run, 90));
  ck_assert_uint_eq(run->agent->counters[0].updates, 30);
  ck_ok(run->agent->backend->read(run->agent, SAC_MEMORY_WEIGHTS, 0, at, after, 16));
  ck_same_bits(after, before, 16);
  ck_ok(run->agent->backend->read(run->agent, SAC_MEMORY_ADAM_V, 0, at, after, 16));
  for (int i = 0; i < 16; i++) ck_assert(after[i] == 0);

  /* the next one learns */
  ck_ok(sac_run_steps(run, 1));
  ck_ok(run->agent->backend->read(run->agent, SAC_MEMORY_WEIGHTS, 0, at, after, 16));
  ck_assert(memcmp(before, after, sizeof before) != 0);
  sac_run_destroy(run);
  test_folder_remove();
  cuda_done();
}
END_TEST

/* Transitions that came along are kept on the device, and a resume is exact. */
START_TEST(loaded_transitions_are_kept) {
  /* a run to take them from */
  const char* folder = test_folder();
  const char *from = small_path(folder, "from"), *whole_path = small_path(folder, "whole"),
             *parts_path = small_path(folder, "parts");
  char sets[400];
  sac_run* run = begin(from, TASK "train.steps=30 train.warmup_steps=20 seeds=2", NULL);
  ck_ok(sac_run_steps(run, 0));
  sac_run_destroy(run);

  /* the run in one go: its own transitions go round behind them */
  (void)snprintf(sets, sizeof sets, TASK "replay.load=%s replay.offline_share=0.4 replay.capacity=70 seeds=2", from);
  sac_run *whole = begin(whole_path, sets, NULL), *parts = begin(parts_path, sets, NULL);
  const size_t floats = 30 * (size_t)whole->agent->row.floats;
  float *before = calloc(floats, sizeof *before), *after = calloc(floats, sizeof *after);
  ck_ok(whole->agent->backend->read(whole->agent, SAC_MEMORY_REPLAY, 1, 0, before, floats));
  ck_ok(sac_run_steps(whole, 0));
  ck_ok(whole->agent->backend->read(whole->agent, SAC_MEMORY_REPLAY, 1, 0, after, floats));
  ck_same_bits(after, before, floats);

  /* stopped and resumed */
  ck_ok(sac_run_steps(parts, 93));
  sac_run_stop(parts);
  ck_fails(sac_run_steps(parts, 0), SAC_STOPPED, "");
  sac_run_destroy(parts);
  parts = again(parts_path, "", NULL, 0);
  ck_ok(sac_run_steps(parts, 0));
  same_state(whole, parts);
  sac_run_destroy(whole);
  sac_run_destroy(parts);
  same_files(whole_path, parts_path, 2);
  free(before);
  free(after);
  test_folder_remove();
  cuda_done();
}
END_TEST

CUDA_MAIN("cuda run", LOOP(stopped_and_resumed, RUNS), LOOP(acting_beside_updates, 4), CASE(actor_is_held),
          CASE(loaded_transitions_are_kept), LOOP(finished_and_continued, SOME), LOOP(bursts_change_no_bit, SOME),
          CASE(evaluation_changes_no_bit), LOOP(rows_are_the_cpu_s, 5), LOOP(environments_are_the_host_s, 7),
          LOOP(to_the_cpu_and_back, 2), LOOP(agents_that_are_no_longer_finite, 4), CASE(learning_that_blows_up),
          LOOP(environment_that_fails, 2))
