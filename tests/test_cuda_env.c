/* kernels/env.cu: whole episodes of every task next to the CPU's vector, step by step, with the same bits where libm is
 * the same (cuda_case.h); and values that a step refuses. */
#include "env/list.h"
#include "env/options.h"
#include "env/task.h"
#include "env/vector.h"
#include "kernels/random.h"
#include "support/cuda_case.h"

#define STREAM sac_stream_env(3)

static const struct {
  const char *id, *options;
} variants[] = {
    {"Pendulum-v1", NULL},
    {"Pendulum-v1", "{\"g\": 9.81}"},
    {"MountainCarContinuous-v0", NULL},
    {"MountainCarContinuous-v0", "{\"goal_velocity\": 0.02}"},
    {"CartPole-v1", NULL},
    {"CartPole-v1", "{\"sutton_barto_reward\": true}"},
    {"Acrobot-v1", NULL},
    {"Acrobot-v1", "{\"book_or_nips\": \"nips\"}"},
    {"SacQuadratic-v0", NULL},
    {"SacQuadratic-v0", "{\"centre\": -0.25, \"curvature\": 7}"},
    {"SacPointMass-v0", NULL},
    {"SacPointMass-v0", "{\"field\": 1.25, \"dt\": 0.5}"},
    {"SacTabular-v0", NULL},
    {"SacTabular-v0", "{\"states\": 64, \"actions\": 8, \"branching\": 64, \"reward_noise\": 0.3}"},
    {"SacTabular-v0", "{\"states\": 3, \"actions\": 2, \"branching\": 1, \"seed\": 9, \"terminal\": 0.4}"},
    {"SacTabular-v0", "{\"states\": 30, \"observation\": \"features\", \"features\": 13}"},
};

typedef struct env_case {
  const sac_task* task;
  sac_vector* vector;
  size_t n, O, A;
  char* state; /* (n) state of the task */
  sac_env_step_args args;
  uint64_t none;
} env_case;

static void read_states(env_case* e) {
  for (size_t i = 0; i < e->n; i++)
    ck_assert_int_eq(e->vector->api->state_get(e->vector->self, (int32_t)i, e->state + i * e->task->state_size), 0);
}

/* limit < 0: the time limit of the task. */
static env_case create(cuda_case* c, const char* id, const char* options, int population, int num_envs, int limit) {
  env_case e = {.task = sac_task_find(id), .n = (size_t)population * (size_t)num_envs};

  /* the environments of the host, whose state and observations the device starts from */
  const sac_env_api* api;
  ck_assert_ptr_nonnull(e.task);
  uint64_t* seed = cuda_host(c, uint64_t, population);
  for (int p = 0; p < population; p++) seed[p] = cuda_bits(c);
  ck_ok(sac_env_find(id, &api));
  ck_ok(sac_vector_create(&e.vector, api, id, options, population, num_envs, seed, STREAM));
  sac_vector* v = e.vector;
  if (limit >= 0) v->spec.max_episode_steps = limit;
  e.O = (size_t)v->spec.obs_size;
  e.A = (size_t)v->spec.action_size;
  e.state = cuda_host(c, char, e.n* e.task->state_size);
  read_states(&e);

  /* all arrays on the device */
  sac_env_step_args* a = &e.args;
  a->env.state = (double*)cuda_put_bytes(c, "state", e.state, e.n * e.task->state_size, 0);
  a->env.obs = cuda_put(c, v->obs, e.n * e.O);
  a->env.action = cuda_put(c, v->action, e.n * e.A);
  a->env.prev_obs = cuda_room(c, float, e.n* e.O);
  a->env.next_obs = cuda_room(c, float, e.n* e.O);
  a->env.reward = cuda_room(c, float, e.n);
  a->env.terminated = cuda_room(c, uint8_t, e.n);
  a->env.truncated = cuda_room(c, uint8_t, e.n);
  a->env.episode = cuda_put(c, v->episode, e.n);
  a->env.episode_return = cuda_put(c, v->episode_return, e.n);
  a->env.episode_length = cuda_put(c, v->episode_length, e.n);
  a->seed = cuda_put(c, seed, population);
  a->finished = cuda_room(c, sac_env_finished, e.n);
  a->failure = (uint64_t*)cuda_put_bytes(c, "failure", &e.none, sizeof e.none, 0);
  a->stream = STREAM;

  /* options, bounds and sizes */
  ck_ok(sac_env_options_read(e.task->options, e.task->option_count, id, options, a->options));
  for (size_t j = 0; v->spec.actions == 0 && j < e.A; j++) {
    a->low[j] = v->spec.action_low[j];
    a->high[j] = v->spec.action_high[j];
  }
  a->task = (int32_t)(e.task - sac_tasks);
  a->population = population;
  a->num_envs = num_envs;
  a->limit = v->spec.max_episode_steps;

  /* what a step may write */
  cuda_open_bytes(c, a->env.state, e.n * e.task->state_size);
  cuda_open(c, a->env.obs, e.n * e.O);
  cuda_open(c, a->env.prev_obs, e.n * e.O);
  cuda_open(c, a->env.next_obs, e.n * e.O);
  cuda_open(c, a->env.reward, e.n);
  cuda_open(c, a->env.terminated, e.n);
  cuda_open(c, a->env.truncated, e.n);
  cuda_open(c, a->env.episode, e.n);
  cuda_open(c, a->env.episode_return, e.n);
  cuda_open(c, a->env.episode_length, e.n);
  cuda_open(c, a->finished, e.n);
  return e;
}

/* Half of the environments get actions that end episodes early; half get random actions, also outside the bounds. */
static void choose(cuda_case* c, const env_case* e) {
  sac_vector* v = e->vector;
  const int actions = v->spec.actions;
  for (size_t i = 0; i < e->n; i++)
    for (size_t j = 0; j < e->A; j++) {
      const int forward = v->obs[(i + 1) * e->O - 1] >= 0;
      float* action = &v->action[i * e->A + j];
      if (actions > 0) *action = (float)(i % 2 ? cuda_below(c, (size_t)actions) : forward ? (size_t)actions - 1 : 0);
      else *action = i % 2 ? (float)(1.2 * cuda_number(c)) : forward ? 1.0f : -1.0f;
    }
  cuda_set(c, e->args.env.action, v->action, e->n * e->A * sizeof(float));
}

static void near_floats(const float* got, const float* expected, size_t n) {
  for (size_t i = 0; i < n; i++)
    cuda_near(got[i], expected[i], CUDA_LIBM_REL * fabs((double)expected[i]) + CUDA_TASK_ABS);
}
static void near_doubles(const double* got, const double* expected, size_t n) {
  for (size_t i = 0; i < n; i++) cuda_near(got[i], expected[i], CUDA_TASK_ABS * (1 + fabs(expected[i])));
}

/* Compares the device with the CPU's vector after a step. */
static void compare(cuda_case* c, env_case* e) {
  const sac_vector* v = e->vector;
  const sac_env_arrays* d = &e->args.env;
  read_states(e);
  near_doubles(cuda_result(c, d->state), (const double*)(const void*)e->state,
               e->n * e->task->state_size / sizeof(double));
  near_floats(cuda_result(c, d->obs), v->obs, e->n * e->O);
  near_floats(cuda_result(c, d->prev_obs), v->prev_obs, e->n * e->O);
  near_floats(cuda_result(c, d->next_obs), v->next_obs, e->n * e->O);
  near_floats(cuda_result(c, d->reward), v->reward, e->n);
  cuda_same((const uint8_t*)cuda_result(c, d->terminated), v->terminated, e->n);
  cuda_same((const uint8_t*)cuda_result(c, d->truncated), v->truncated, e->n);
  cuda_same((const uint64_t*)cuda_result(c, d->episode), v->episode, e->n);
  cuda_same((const int64_t*)cuda_result(c, d->episode_length), v->episode_length, e->n);
  const double* returns = cuda_result(c, d->episode_return);
  for (size_t i = 0; i < e->n; i++)
    cuda_near(returns[i], v->episode_return[i], CUDA_LIBM_REL * fabs(v->episode_return[i]) + CUDA_TASK_ABS);
  const sac_env_finished* finished = cuda_result(c, e->args.finished);
  int next = 0;
  for (size_t i = 0; i < e->n; i++) {
    const int ended = next < v->finished_count && v->finished[next].env == (int32_t)i;
    const sac_episode expected = ended ? v->finished[next++] : (sac_episode){(int32_t)i, 0, 0};
    cuda_true(finished[i].length == expected.length);
    cuda_near(finished[i].episode_return, expected.episode_return, CUDA_LIBM_REL * fabs(expected.episode_return));
  }
}

/* The next step starts from the device's state. Where libm differs it starts from the CPU's, so that differences do not
 * grow over an episode. */
static void go_on(cuda_case* c, const env_case* e) {
  cuda_keep(c);
#ifndef SAC_CUDA_HOST
  cuda_set(c, e->args.env.state, e->state, e->n * e->task->state_size);
  cuda_set(c, e->args.env.obs, e->vector->obs, e->n * e->O * sizeof(float));
  cuda_set(c, e->args.env.episode_return, e->vector->episode_return, e->n * sizeof(double));
#else
  (void)e;
#endif
}

static int run(cuda_case* c, env_case* e, int steps) {
  int ended = 0, terminated = 0;
  for (int t = 0; t < steps; t++) {
    c->runs = t < 20 ? CUDA_RUNS : 1; /* one order of threads is enough for the later steps */
    choose(c, e);
    ck_ok(sac_vector_step(e->vector));
    e->args.step = t;
    cuda_run(c, sac_env_step_all(c->stream, &e->args));
    compare(c, e);
    ended += e->vector->finished_count;
    for (size_t i = 0; i < e->n; i++) terminated += e->vector->terminated[i];
    go_on(c, e);
  }
  ck_assert_int_gt(ended, 0);
  return terminated;
}

/* At the task's own time limit every environment ends more than one episode. */
START_TEST(episodes) {
  cuda_case c = cuda_case_create((uint64_t)_i);
  env_case e = create(&c, variants[_i].id, variants[_i].options, 3, 4, -1);
  const int terminated = run(&c, &e, 2 * (e.args.limit ? e.args.limit : 200) + 10);
  for (size_t i = 0; i < e.n; i++) ck_assert_uint_gt(e.vector->episode[i], 2); /* the third episode has started */
  if (e.vector->spec.actions > 0) ck_assert_int_gt(terminated, 0);
  sac_vector_destroy(e.vector);
  cuda_case_free(&c);
}
END_TEST

/* More environments than threads of a block, with a short time limit; and a single one. */
START_TEST(time_limit) {
  cuda_case c = cuda_case_create((uint64_t)_i);
  const int alone = _i % 2;
  env_case e = create(&c, variants[_i].id, variants[_i].options, alone ? 1 : 3, alone ? 1 : 47, 5);
  run(&c, &e, 23);
  sac_vector_destroy(e.vector);
  cuda_case_free(&c);
}
END_TEST

/* No limit: nothing is truncated. */
START_TEST(no_time_limit) {
  cuda_case c = cuda_case_create(1);
  env_case e = create(&c, "CartPole-v1", NULL, 1, 31, 0);
  run(&c, &e, 300);
  sac_vector_destroy(e.vector);
  cuda_case_free(&c);
}
END_TEST

START_TEST(every_task_is_here) {
  for (int32_t task = 0; task < sac_task_count; task++) {
    size_t found = 0;
    for (size_t i = 0; i < COUNT(variants); i++) found += strcmp(variants[i].id, sac_tasks[task].id) == 0;
    ck_assert_msg(found > 0, "%s: no line in `variants`", sac_tasks[task].id);
  }
}
END_TEST

/* --- what a step finds wrong -------------------------------------------------------------------------------------- */

static uint64_t failure_of(cuda_case* c, env_case* e) {
  cuda_open(c, e->args.failure, 1);
  cuda_run(c, sac_env_step_all(c->stream, &e->args));
  return *(const uint64_t*)cuda_result(c, e->args.failure);
}

/* The number of actions that the options say, and no more. */
START_TEST(as_many_actions_as_the_options_say) {
  static const char options[] = "{\"actions\": 3}";
  cuda_case c = cuda_case_create(1);
  env_case e = create(&c, "SacTabular-v0", options, 1, 40, -1);
  choose(&c, &e);
  e.vector->action[33] = (float)(2 + _i);
  cuda_set(&c, e.args.env.action, e.vector->action, e.n * sizeof(float));
  ck_assert_uint_eq(failure_of(&c, &e), _i ? SAC_ENV_FAILURE(0, 33, SAC_ENV_BAD_ACTION) : 0);
  sac_vector_destroy(e.vector);
  cuda_case_free(&c);
}
END_TEST

/* An invalid action is reported and replaced by 0. The earliest one is reported. */
START_TEST(bad_discrete_action) {
  /* a step in which two environments get a bad action */
  static const float bad[] = {3, -1, 0.5f, NAN, INFINITY, -INFINITY, 1e10f};
  cuda_case c = cuda_case_create(1);
  env_case e = create(&c, "Acrobot-v1", NULL, 2, 100, -1);
  choose(&c, &e);
  e.vector->action[30] = e.vector->action[150] = e.vector->action[199] = 0;
  ck_ok(sac_vector_step(e.vector));
  e.vector->action[30] = -0.0f; /* replaced by 0 */
  e.vector->action[150] = bad[_i];
  e.vector->action[199] = bad[(_i + 1) % 7];
  cuda_set(&c, e.args.env.action, e.vector->action, e.n * sizeof(float));
  e.args.step = 7;

  /* the first of them is the failure */
  ck_assert_uint_eq(failure_of(&c, &e), SAC_ENV_FAILURE(7, 150, SAC_ENV_BAD_ACTION));
  compare(&c, &e);

  /* a failure that came earlier stays; a later one does not */
  const uint64_t before[] = {SAC_ENV_FAILURE(2, 180, SAC_ENV_BAD_REWARD), SAC_ENV_FAILURE(7, 149, SAC_ENV_BAD_OBS),
                             SAC_ENV_FAILURE(7, 151, SAC_ENV_BAD_ACTION), SAC_ENV_FAILURE(8, 0, SAC_ENV_BAD_ACTION)};
  for (int i = 0; i < 4; i++) {
    cuda_set(&c, e.args.failure, &before[i], sizeof before[i]);
    ck_assert_uint_eq(failure_of(&c, &e), i < 2 ? before[i] : SAC_ENV_FAILURE(7, 150, SAC_ENV_BAD_ACTION));
  }
  sac_vector_destroy(e.vector);
  cuda_case_free(&c);
}
END_TEST

/* A value that is not finite is found in the observation, also if only its first number is bad; a bad action is found
 * in the state or the reward. */
enum { IN_STATE, IN_ACTION, FOR_REWARD, FIRST_ALONE, PLACES };
START_TEST(not_finite) {
  static const char* const id[PLACES] = {"Pendulum-v1", "Pendulum-v1", "SacQuadratic-v0", "CartPole-v1"};
  cuda_case c = cuda_case_create(1);
  env_case e = create(&c, id[_i], NULL, 3, 50, -1);
  choose(&c, &e);
  ck_assert_uint_eq(failure_of(&c, &e), 0);
  const double infinite = INFINITY;
  const float nan = NAN;
  for (size_t i = 149; i >= 140; i -= 9) { /* the last one that is found is not the one that is reported */
    if (_i == IN_STATE || _i == FIRST_ALONE)
      cuda_set(&c, (char*)e.args.env.state + i * e.task->state_size, &infinite, sizeof infinite);
    else cuda_set(&c, e.args.env.action + i, &nan, sizeof nan);
  }
  e.args.step = 200;
  ck_assert_uint_eq(failure_of(&c, &e),
                    SAC_ENV_FAILURE(200, 140, _i == FOR_REWARD ? SAC_ENV_BAD_REWARD : SAC_ENV_BAD_OBS));
  sac_vector_destroy(e.vector);
  cuda_case_free(&c);
}
END_TEST

START_TEST(no_such_task) {
  cuda_case c = cuda_case_create(1);
  env_case e = create(&c, "Pendulum-v1", NULL, 1, 1, -1);
  e.args.task = _i ? sac_task_count : -1;
  ck_assert_int_eq(sac_env_step_all(c.stream, &e.args), cudaErrorInvalidValue);
  sac_vector_destroy(e.vector);
  cuda_case_free(&c);
}
END_TEST

CUDA_MAIN("env.cu", CASE(every_task_is_here), LOOP(episodes, COUNT(variants)), LOOP(time_limit, COUNT(variants)),
          CASE(no_time_limit), LOOP(as_many_actions_as_the_options_say, 2), LOOP(bad_discrete_action, 7),
          LOOP(not_finite, PLACES), LOOP(no_such_task, 2))
