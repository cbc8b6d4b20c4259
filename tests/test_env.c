/* The built-in tasks: properties of every line of kernels/tasks/tasks.h, and facts of single tasks that the traces of
 * Gymnasium (test_trace.c) do not show. */
#include "support/check_main.h"

#include "env/check.h"
#include "env/list.h"
#include "env/task.h"
#include "env/vector.h"
#include "kernels/tasks/tasks.h"
#include "support/tolerances.h"

#define N 7

typedef struct rig {
  const sac_env_entry* entry;
  const sac_env_api* api;
  void* env;
  sac_env_spec spec;
  int32_t n;
  float obs[64 * SAC_TASK_OBS_MAX], action[64 * SAC_TASK_ACTION_MAX], reward[64];
  uint8_t terminated[64], truncated[64], mask[64];
  uint64_t seed[64];
} rig;

static void open_rig(rig* r, int32_t task, int32_t n) {
  memset(r, 0, sizeof *r);
  r->entry = sac_env_at(task);
  r->api = r->entry->api;
  r->n = n;
  ck_assert_int_eq(r->api->create(&r->env, r->entry->id, n, "{}", &r->spec), 0);
  memset(r->mask, 1, sizeof r->mask);
  for (int32_t i = 0; i < n; i++) r->seed[i] = 1000 + (uint64_t)i;
  ck_assert_int_eq(r->api->reset(r->env, r->mask, r->seed, r->obs), 0);
}

static void close_rig(rig* r) { r->api->destroy(r->env); }

/* The actions of environment i at step t, for any n. */
static void choose(rig* r, int32_t first, int32_t t) {
  for (int32_t i = 0; i < r->n; i++)
    for (int32_t j = 0; j < r->spec.action_size; j++) {
      const sac_words words = sac_philox(77, (uint64_t)(first + i), (uint64_t)(t * r->spec.action_size + j));
      float* a = &r->action[i * r->spec.action_size + j];
      if (r->spec.actions > 0) *a = (float)(words.word[0] % (uint32_t)r->spec.actions);
      else *a = r->spec.action_low[j] + (r->spec.action_high[j] - r->spec.action_low[j]) * sac_uniform(words.word[0]);
    }
}

static void step(rig* r, int32_t first, int32_t t) {
  choose(r, first, t);
  memset(r->obs, 0xff, sizeof r->obs); /* values that step does not write stay NaN */
  memset(r->terminated, 9, sizeof r->terminated);
  memset(r->truncated, 9, sizeof r->truncated);
  ck_assert_int_eq(r->api->step(r->env, r->action, r->obs, r->reward, r->terminated, r->truncated), 0);
}

START_TEST(every_task_describes_itself) {
  const sac_env_entry* entry = sac_env_at(_i);
  ck_assert_ptr_eq(sac_env_entry_find(entry->id), entry);
  ck_assert_ptr_eq(sac_task_find(entry->id), &sac_tasks[_i]);
  ck_assert_uint_gt(strlen(entry->summary), 5);
  const sac_env_api* api;
  ck_ok(sac_env_find(entry->id, &api));
  ck_assert_ptr_eq(api, entry->api);
  ck_ok(sac_env_check_api(entry->id, api));
  ck_assert_str_eq(api->name, entry->id);
  rig r;
  open_rig(&r, _i, 1);
  ck_ok(sac_env_check_spec(entry->id, &r.spec));
  ck_assert_uint_eq(api->state_size(r.env), sac_tasks[_i].state_size);
  close_rig(&r);
  api->destroy(NULL);
}
END_TEST

START_TEST(reset_depends_on_the_seed_alone) {
  rig a, b;
  open_rig(&a, _i, N);
  open_rig(&b, _i, N);
  const size_t size = (size_t)a.spec.obs_size;
  for (int32_t t = 0; t < 5; t++) step(&b, 0, t);
  memset(b.obs, 0xff, sizeof b.obs);
  ck_assert_int_eq(b.api->reset(b.env, b.mask, b.seed, b.obs), 0);
  ck_same_bits(b.obs, a.obs, N * size);

  /* The same seed gives the same start at any index, another seed another start. Rows outside the mask do not change.
   */
  float before[N * SAC_TASK_OBS_MAX];
  memcpy(before, b.obs, sizeof before);
  memset(b.mask, 0, sizeof b.mask);
  b.mask[2] = 1;
  b.seed[2] = b.seed[5];
  ck_assert_int_eq(b.api->reset(b.env, b.mask, b.seed, b.obs), 0);
  for (size_t i = 0; i < N; i++) ck_same_bits(b.obs + i * size, before + (i == 2 ? 5 : i) * size, size);
  if (strcmp(a.entry->id, "SacQuadratic-v0") != 0) ck_assert_int_ne(memcmp(a.obs, a.obs + size, size * 4), 0);
  close_rig(&a);
  close_rig(&b);
}
END_TEST

START_TEST(many_are_as_many_single_ones) {
  /* N environments together, and N alone with the same seeds */
  rig all, one[N];
  open_rig(&all, _i, N);
  const size_t size = (size_t)all.spec.obs_size;
  for (int32_t i = 0; i < N; i++) {
    open_rig(&one[i], _i, 1);
    one[i].seed[0] = all.seed[i];
    ck_assert_int_eq(one[i].api->reset(one[i].env, one[i].mask, one[i].seed, one[i].obs), 0);
  }

  /* the same steps, to the bit */
  for (int32_t t = 0; t < 60; t++) {
    step(&all, 0, t);
    for (int32_t i = 0; i < N; i++) {
      step(&one[i], i, t);
      ck_same_bits(one[i].obs, all.obs + (size_t)i * size, size);
      ck_same_bits(one[i].reward, all.reward + i, 1);
      ck_assert_uint_eq(one[i].terminated[0], all.terminated[i]);
      ck_assert_uint_le(all.terminated[i], 1);
      ck_assert_uint_eq(all.truncated[i], 0);
    }
  }
  for (int32_t i = 0; i < N; i++) close_rig(&one[i]);
  close_rig(&all);
}
END_TEST

START_TEST(state_continues_to_the_bit) {
  rig a, b;
  open_rig(&a, _i, N);
  open_rig(&b, _i, N);
  for (int32_t t = 0; t < 23; t++) step(&a, 0, t);
  unsigned char* state = malloc(a.api->state_size(a.env));
  for (int32_t i = 0; i < N; i++) {
    ck_assert_int_eq(a.api->state_get(a.env, i, state), 0);
    ck_assert_int_eq(b.api->state_set(b.env, i, state), 0);
  }
  free(state);
  for (int32_t t = 23; t < 70; t++) {
    step(&a, 0, t);
    step(&b, 0, t);
    ck_same_bits(b.obs, a.obs, N * (size_t)a.spec.obs_size);
    ck_same_bits(b.reward, a.reward, N);
    ck_same_bits(b.terminated, a.terminated, N);
  }
  close_rig(&a);
  close_rig(&b);
}
END_TEST

START_TEST(any_state_is_survived) {
  const double values[] = {NAN, INFINITY, -INFINITY, 1e308, -1e308, 1e15, -1e15, 0};
  rig r;
  open_rig(&r, _i, 1);
  const size_t size = r.api->state_size(r.env);
  unsigned char* state = malloc(size);
  for (size_t v = 0; v < sizeof values / sizeof *values; v++) {
    for (size_t at = 0; at + sizeof(double) <= size; at += sizeof(double))
      memcpy(state + at, &values[v], sizeof(double));
    ck_assert_int_eq(r.api->state_set(r.env, 0, state), 0);
    for (int32_t t = 0; t < 3; t++) step(&r, 0, t);
  }
  free(state);
  close_rig(&r);
}
END_TEST

START_TEST(discrete_actions_are_checked) {
  const float wrong[] = {-1, 0.5f, 1e9f, NAN, INFINITY};
  rig r;
  open_rig(&r, _i, 3);
  if (r.spec.actions > 0)
    for (size_t k = 0; k <= sizeof wrong / sizeof *wrong; k++) {
      choose(&r, 0, 0);
      r.action[1] = k < sizeof wrong / sizeof *wrong ? wrong[k] : (float)r.spec.actions;
      ck_assert_int_ne(r.api->step(r.env, r.action, r.obs, r.reward, r.terminated, r.truncated), 0);
      ck_assert_ptr_nonnull(strstr(r.api->error(r.env), "of environment 1 is no number of an action: 0 to"));
    }
  close_rig(&r);
}
END_TEST

/* Kolmogorov-Smirnov for uniform numbers in (low, high). */
static int by_size(const void* a, const void* b) {
  const double x = *(const double*)a, y = *(const double*)b;
  return (x > y) - (x < y);
}

#define DRAWS 20000
static double sample[8][DRAWS];

static void check_uniform(double* x, double low, double high) {
  qsort(x, DRAWS, sizeof *x, by_size);
  ck_assert_double_ge(x[0], low);
  ck_assert_double_le(x[DRAWS - 1], high);
  double worst = 0;
  for (int i = 0; i < DRAWS; i++) {
    const double u = (x[i] - low) / (high - low);
    worst = check_larger(worst, fmax(u - (double)i / DRAWS, (i + 1.0) / DRAWS - u));
  }
  ck_assert_msg(sqrt(DRAWS) * worst < KOLMOGOROV_SMIRNOV, "sqrt(n) D = %g", sqrt(DRAWS) * worst);
}

/* Two numbers of a start are independent: their correlation is near 0. */
static void check_uncorrelated(const double* x, const double* y, double low, double high) {
  const double centre = (low + high) / 2, variance = (high - low) * (high - low) / 12;
  double sum = 0;
  for (int i = 0; i < DRAWS; i++) sum += (x[i] - centre) * (y[i] - centre);
  ck_assert_double_lt(fabs(sum / DRAWS / variance), STANDARD_ERRORS / sqrt(DRAWS));
}

START_TEST(starts_are_uniform_in_gymnasiums_ranges) {
  /* starts of three tasks */
  for (int i = 0; i < DRAWS; i++) {
    const uint64_t seed = sac_philox_seed(5, sac_stream_env(0), (uint64_t)i);
    sac_pendulum pendulum;
    sac_mountain_car_continuous car;
    sac_cartpole pole;
    sac_pendulum_reset(NULL, &pendulum, seed);
    sac_mountain_car_continuous_reset(NULL, &car, seed);
    sac_cartpole_reset(NULL, &pole, seed);
    const double row[8] = {pendulum.theta, pendulum.velocity, car.position, car.velocity,
                           pole.x,         pole.x_velocity,   pole.theta,   pole.theta_velocity};
    for (int k = 0; k < 8; k++) sample[k][i] = row[k];
    ck_assert_double_eq(car.velocity, 0);
  }

  /* CartPole's four numbers are independent; each number fills its range */
  for (int k = 4; k < 8; k++)
    for (int l = k + 1; l < 8; l++) check_uncorrelated(sample[k], sample[l], -0.05, 0.05);
  check_uniform(sample[0], -SAC_PI, SAC_PI);
  check_uniform(sample[1], -1, 1);
  check_uniform(sample[2], -0.6, -0.4);
  for (int k = 4; k < 8; k++) check_uniform(sample[k], -0.05, 0.05);

  /* Acrobot's starts are floats */
  for (int i = 0; i < DRAWS; i++) {
    sac_acrobot arm;
    sac_acrobot_reset(NULL, &arm, sac_philox_seed(6, sac_stream_env(0), (uint64_t)i));
    for (int k = 0; k < 4; k++) {
      sample[k][i] = k < 2 ? arm.angle[k] : arm.velocity[k - 2];
      ck_assert_double_eq(sample[k][i], (double)(float)sample[k][i]);
    }
  }
  for (int k = 0; k < 4; k++) check_uniform(sample[k], -(double)0.1f, (double)0.1f);
}
END_TEST

/* The angle equals NumPy's (x + pi) % (2 pi) - pi, also outside the range of the shortcut. */
START_TEST(pendulum_wraps_like_numpy) {
  for (int i = -400; i <= 400; i++) {
    const double x = 0.17 * i, wrapped = sac_pendulum_wrap(x);
    ck_assert_double_ge(wrapped, -SAC_PI);
    ck_assert_double_le(wrapped, SAC_PI);
    ck_near(cos(wrapped), cos(x), WRAP_ABS);
    ck_near(sin(wrapped), sin(x), WRAP_ABS);
  }
  ck_assert_double_eq(sac_pendulum_wrap(0), 0);
  ck_assert_double_eq(sac_pendulum_wrap(1e-300), 0);
}
END_TEST

/* An angle of any size is the same angle in [-pi, pi]; infinity and NaN are NaN. */
START_TEST(acrobot_wraps_any_angle) {
  static const double angle[] = {0, 1, -1, 3, -3};
  for (int64_t turns = -1000000; turns <= 1000000; turns += 7919)
    for (int i = 0; i < 5; i++)
      ck_near(sac_acrobot_wrap(angle[i] + 2 * SAC_PI * (double)turns), angle[i], WRAP_FAR_ABS);
  ck_assert(isnan(sac_acrobot_wrap(INFINITY)) && isnan(sac_acrobot_wrap(NAN)));
}
END_TEST

/* The shortcut equals pow, also for numbers where x*x does not. */
START_TEST(acrobot_squares_like_numpy) {
  const volatile double two = 2; /* the compiler replaces pow with a constant 2 by x*x */
  int differ = 0;
  for (uint64_t i = 0; i < 200000; i++) {
    const sac_words words = sac_philox(1, 2, i);
    const double x = (sac_uniform_double(words.word[0], words.word[1]) - 0.5) * (i & 1 ? 60 : 4);
    const double power = pow(x, two);
    ck_assert(sac_acrobot_square(x) == power);
    differ += power != x * x;
  }
  ck_assert_int_gt(differ, 0);
}
END_TEST

START_TEST(options_are_read_and_refused) {
  static const struct {
    const char *id, *options, *text;
  } bad[] = {
      {"Pendulum-v1", "{\"gravity\": 9}", "Pendulum-v1 has no option 'gravity'; it has: g"},
      {"MountainCarContinuous-v0", "{\"goal_velocty\": 9}", "nearest is 'goal_velocity'"},
      {"Pendulum-v1", "{\"g\": \"9\"}", "Pendulum-v1 takes a number in [-1e+06, 1e+06] as 'g'"},
      {"Pendulum-v1", "{\"g\": 1e7}", "as 'g'"},
      {"Pendulum-v1", "{\"g\": 1, \"g\": 2}", "takes a JSON object"},
      {"Pendulum-v1", "{\"g\": NaN}", "takes a JSON object"},
      {"Pendulum-v1", "[1]", "takes a JSON object"},
      {"Pendulum-v1", "{\"g\": 1", "takes a JSON object"},
      {"CartPole-v1", "{\"sutton_barto_reward\": 1}", "takes true or false as 'sutton_barto_reward'"},
      {"Acrobot-v1", "{\"book_or_nips\": \"paper\"}", "takes one of \"book|nips\" as 'book_or_nips'"},
      {"Acrobot-v1", "{\"book_or_nips\": \"\"}", "takes one of"},
      {"Acrobot-v1", "{\"book_or_nips\": \"books\"}", "takes one of"},
      {"Acrobot-v1", "{\"book_or_nips\": \"book|nips\"}", "takes one of"},
      {"Acrobot-v1", "{\"book_or_nips\": 1}", "takes one of"},
  };

  /* each is refused with a message that helps */
  const uint64_t seed = 1;
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
    const sac_env_api* api;
    sac_vector* vector;
    ck_ok(sac_env_find(bad[i].id, &api));
    ck_fails(sac_vector_create(&vector, api, bad[i].id, bad[i].options, 1, 1, &seed, sac_stream_env(0)),
             SAC_ERROR_CONFIG, bad[i].text);
    ck_assert_ptr_null(vector);
  }

  /* what is read; options that are not given have their defaults */
  sac_pendulum_options pendulum;
  sac_acrobot_options acrobot;
  const sac_task* task = sac_task_find("Pendulum-v1");
  ck_ok(sac_env_options_read(task->options, task->option_count, task->id, "{\"g\": 9.81}", &pendulum));
  ck_assert_double_eq(pendulum.g, 9.81);
  ck_ok(sac_env_options_read(task->options, task->option_count, task->id, "", &pendulum));
  ck_assert_double_eq(pendulum.g, 10);
  ck_ok(sac_env_options_read(task->options, task->option_count, task->id, "{\"g\": 3}", &pendulum));
  ck_assert_double_eq(pendulum.g, 3);
  task = sac_task_find("Acrobot-v1");
  ck_ok(sac_env_options_read(task->options, task->option_count, task->id, "{\"book_or_nips\": \"nips\"}", &acrobot));
  ck_assert_int_eq(acrobot.book_or_nips, 1);
}
END_TEST

START_TEST(unknown_ids_name_the_nearest) {
  const sac_env_api* api;
  ck_fails(sac_env_find("Pendulm-v1", &api), SAC_ERROR_ENV,
           "no environment 'Pendulm-v1'; nearest is Pendulum-v1. Gymnasium's own: gym:Pendulm-v1");
  ck_assert_ptr_null(api);
  ck_fails(sac_env_find("cartpole-v1", &api), SAC_ERROR_ENV, "nearest is CartPole-v1.");
  ck_fails(sac_env_find("zzzzzzzzzzzzzzzzzzzzzzzzzzzzz", &api), SAC_ERROR_ENV, "'sac envs' lists them");
  ck_fails(sac_env_find("gym:", &api), SAC_ERROR_ENV, "gym: names no environment");
  ck_fails(sac_env_find("", &api), SAC_ERROR_ENV, "set env.id");
  ck_fails(sac_env_find(NULL, &api), SAC_ERROR_ENV, "set env.id");
  ck_fails(sac_env_find("a\nb", &api), SAC_ERROR_ENV, "a\\x0Ab");
}
END_TEST

START_TEST(quadratic_and_point_mass_are_what_they_say) {
  /* the quadratic: -curvature (a - centre)^2 */
  const sac_quadratic_options quadratic = {.centre = 0.25, .curvature = 3};
  sac_quadratic q;
  double reward;
  float action[2] = {-0.25f, 1.5f};
  sac_quadratic_reset(&quadratic, &q, 1);
  ck_assert_int_eq(sac_quadratic_step(&quadratic, &q, action, &reward), 1);
  ck_assert_double_eq(reward, -0.75);

  /* one step of the point mass by hand */
  const sac_point_mass_options field = {.field = 1, .dt = 0.5};
  sac_point_mass mass;
  const double initial[4] = {0.5, 0, 0, 0.5};
  sac_point_mass_start(&field, &mass, initial);
  action[0] = 1;
  action[1] = -0.5f;
  ck_assert_int_eq(sac_point_mass_step(&field, &mass, action, &reward), 0);
  ck_assert_double_eq(mass.velocity[0], 0.5);
  ck_assert_double_eq(mass.position[0], 0.75);
  ck_assert_double_eq(mass.velocity[1], 0.25);
  ck_assert_double_eq(mass.position[1], 0.125);
  ck_near(reward, -(0.5625 + 0.015625 + 0.1 * (0.25 + 0.0625) + 0.01 * 1.25), POINT_MASS_REWARD_ABS);
  ck_assert_int_eq(sac_point_mass_step(&field, &mass, action, &reward), 1);
}
END_TEST

int main(void) {
  const int tasks = sac_task_count;
  const check_case cases[] = {LOOP(every_task_describes_itself, tasks),
                              LOOP(reset_depends_on_the_seed_alone, tasks),
                              LOOP(many_are_as_many_single_ones, tasks),
                              LOOP(state_continues_to_the_bit, tasks),
                              LOOP(any_state_is_survived, tasks),
                              LOOP(discrete_actions_are_checked, tasks),
                              CASE(starts_are_uniform_in_gymnasiums_ranges),
                              CASE(pendulum_wraps_like_numpy),
                              CASE(acrobot_squares_like_numpy),
                              CASE(acrobot_wraps_any_angle),
                              CASE(options_are_read_and_refused),
                              CASE(unknown_ids_name_the_nearest),
                              CASE(quadratic_and_point_mass_are_what_they_say)};
  return check_run("env", cases, sizeof cases / sizeof *cases);
}
