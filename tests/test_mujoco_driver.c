/* MuJoCo's tasks: properties of every line of src/env/mujoco/tasks.h. test_mujoco.py compares them with Gymnasium's. */
#include "support/check_main.h"

#include "env/check.h"
#include "env/list.h"
#include "env/options.h"
#include "env/vector.h"
#include "kernels/random.h"
#include "util/text.h"

#define N 5

typedef struct rig {
  const sac_env_api* api;
  void* env;
  sac_env_spec spec;
  int32_t n;
  float *obs, *action, reward[N];
  uint8_t terminated[N], truncated[N], mask[N];
  uint64_t seed[N];
} rig;

static void open_rig(rig* r, int32_t task, int32_t n, const char* options) {
  memset(r, 0, sizeof *r);
  r->api = sac_mujoco_envs[task].api;
  r->n = n;
  const int code = r->api->create(&r->env, sac_mujoco_envs[task].id, n, options, &r->spec);
  ck_assert_msg(code == 0, "%s", r->api->error(r->env));
  ck_ok(sac_env_check_spec(sac_mujoco_envs[task].id, &r->spec));
  r->obs = malloc((size_t)n * (size_t)r->spec.obs_size * sizeof(float));
  r->action = malloc((size_t)n * (size_t)r->spec.action_size * sizeof(float));
  memset(r->mask, 1, sizeof r->mask);
  for (int32_t i = 0; i < n; i++) r->seed[i] = 1000 + (uint64_t)i;
}

static void reset(rig* r) { ck_assert_int_eq(r->api->reset(r->env, r->mask, r->seed, r->obs), 0); }

static void close_rig(rig* r) {
  r->api->destroy(r->env);
  free(r->obs);
  free(r->action);
}

static size_t obs_count(const rig* r) { return (size_t)r->n * (size_t)r->spec.obs_size; }

/* The actions of environment first + i at step t, for any n. */
static void step(rig* r, int32_t first, int32_t t) {
  for (int32_t i = 0; i < r->n; i++)
    for (int32_t j = 0; j < r->spec.action_size; j++) {
      const sac_words words = sac_philox(77, (uint64_t)(first + i), (uint64_t)(t * r->spec.action_size + j));
      const float low = r->spec.action_low[j], high = r->spec.action_high[j];
      r->action[i * r->spec.action_size + j] = low + (high - low) * sac_uniform(words.word[0]);
    }
  memset(r->obs, 0xff, obs_count(r) * sizeof(float)); /* values that step does not write stay NaN */
  memset(r->terminated, 9, sizeof r->terminated);
  memset(r->truncated, 9, sizeof r->truncated);
  const int code = r->api->step(r->env, r->action, r->obs, r->reward, r->terminated, r->truncated);
  ck_assert_msg(code == 0, "%s", r->api->error(r->env));
  for (size_t k = 0; k < obs_count(r); k++) ck_assert_msg(isfinite(r->obs[k]), "observation %zu is not finite", k);
  for (int32_t i = 0; i < r->n; i++) {
    ck_assert(isfinite(r->reward[i]));
    ck_assert_uint_le(r->terminated[i], 1);
    ck_assert_uint_eq(r->truncated[i], 0);
  }
}

static void same(const rig* a, size_t at, const rig* b, size_t from, size_t n) {
  const size_t size = (size_t)a->spec.obs_size;
  ck_same_bits(a->obs + at * size, b->obs + from * size, n * size);
  ck_same_bits(a->reward + at, b->reward + from, n);
  ck_same_bits(a->terminated + at, b->terminated + from, n);
}

START_TEST(every_task_describes_itself) {
  const sac_env_entry* entry = &sac_mujoco_envs[_i];
  const sac_env_api* api;
  ck_assert_ptr_eq(sac_env_entry_find(entry->id), entry);
  ck_ok(sac_env_find(entry->id, &api));
  ck_assert_ptr_eq(api, entry->api);
  ck_ok(sac_env_check_api(entry->id, api));
  ck_assert_uint_gt(strlen(entry->summary), 5);
  int32_t count;
  const sac_env_option* options = sac_env_options_of(entry->id, &count);
  ck_assert_int_ge(count, 4);
  ck_assert_int_le(count, SAC_ENV_OPTIONS_MAX);

  /* the defaults that are shown are right: setting all of them changes nothing */
  char json[4096] = "{", text[SAC_ENV_OPTION_TEXT_MAX];
  size_t used = 1;
  for (int32_t i = 0; i < count; i++)
    sac_text_append(json, sizeof json, &used, "%s\"%s\": %s", i ? ", " : "", options[i].name,
                    sac_env_option_initial(&options[i], text));
  sac_text_append(json, sizeof json, &used, "}");
  rig a, b;
  open_rig(&a, _i, 2, "{}");
  open_rig(&b, _i, 2, json);
  reset(&a);
  reset(&b);
  ck_same_bits(a.obs, b.obs, obs_count(&a));
  for (int32_t t = 0; t < 3; t++) {
    step(&a, 0, t);
    step(&b, 0, t);
    same(&a, 0, &b, 0, 2);
  }
  close_rig(&a);
  close_rig(&b);
  api->destroy(NULL);
}
END_TEST

START_TEST(reset_depends_on_the_seed_alone) {
  rig a, b;
  open_rig(&a, _i, N, "{}");
  open_rig(&b, _i, N, "{}");
  reset(&a);
  b.seed[0] = 5;
  reset(&b);
  for (int32_t t = 0; t < 5; t++) step(&b, 0, t);
  b.seed[0] = a.seed[0];
  memset(b.obs, 0xff, obs_count(&b) * sizeof(float));
  reset(&b);
  const size_t size = (size_t)a.spec.obs_size;
  ck_same_bits(b.obs, a.obs, N * size);
  ck_assert_int_ne(memcmp(a.obs, a.obs + size, size * sizeof(float)), 0);

  /* The same seed gives the same start at any index. Rows and simulations outside the mask do not change. */
  memset(b.mask, 0, sizeof b.mask);
  b.mask[2] = 1;
  b.seed[2] = b.seed[4];
  reset(&b);
  for (size_t i = 0; i < N; i++) ck_same_bits(b.obs + i * size, a.obs + (i == 2 ? 4 : i) * size, size);
  step(&a, 0, 0);
  step(&b, 0, 0);
  for (size_t i = 0; i < N; i++)
    if (i != 2) same(&b, i, &a, i, 1);
  close_rig(&a);
  close_rig(&b);
}
END_TEST

START_TEST(neither_numbers_nor_threads_change_a_bit) {
  /* the same environments together on three threads, on one, and each alone */
  rig all, one_thread, one[N];
  open_rig(&all, _i, N, "{\"threads\": 3}");
  open_rig(&one_thread, _i, N, "{\"threads\": 1}");
  reset(&all);
  reset(&one_thread);
  for (int32_t i = 0; i < N; i++) {
    open_rig(&one[i], _i, 1, "{}");
    one[i].seed[0] = all.seed[i];
    reset(&one[i]);
  }

  /* every step, to the bit */
  for (int32_t t = 0; t < 40; t++) {
    step(&all, 0, t);
    step(&one_thread, 0, t);
    same(&one_thread, 0, &all, 0, N);
    for (int32_t i = 0; i < N; i++) {
      step(&one[i], i, t);
      same(&one[i], 0, &all, (size_t)i, 1);
    }
  }
  for (int32_t i = 0; i < N; i++) close_rig(&one[i]);
  close_rig(&all);
  close_rig(&one_thread);
}
END_TEST

START_TEST(state_continues_to_the_bit) {
  rig a, b;
  open_rig(&a, _i, N, "{}");
  open_rig(&b, _i, N, "{}");
  reset(&a);
  reset(&b);
  for (int32_t t = 0; t < 60; t++) step(&a, 0, t);
  for (int32_t t = 0; t < 7; t++) step(&b, 11, t);
  unsigned char* state = malloc(a.api->state_size(a.env));
  for (int32_t i = 0; i < N; i++) { /* to another index, which must not matter */
    ck_assert_int_eq(a.api->state_get(a.env, i, state), 0);
    ck_assert_int_eq(b.api->state_set(b.env, i, state), 0);
  }
  free(state);
  for (int32_t t = 60; t < 160; t++) {
    step(&a, 0, t);
    step(&b, 0, t);
    same(&b, 0, &a, 0, N);
  }
  close_rig(&a);
  close_rig(&b);
}
END_TEST

START_TEST(wrong_options_are_refused) {
  const struct {
    const char *id, *options, *text;
  } row[] = {
      {"HalfCheetah-v5", "{\"ctrl_cost_wieght\": 1}", "no option 'ctrl_cost_wieght'; nearest is 'ctrl_cost_weight'"},
      {"HalfCheetah-v5", "{\"ctrl_cost_weight\": \"a\"}", "takes a number in"},
      {"HalfCheetah-v5", "{\"frame_skip\": 0}", "takes a whole number in [1, 10000] as 'frame_skip'"},
      {"HalfCheetah-v5", "{\"frame_skip\": 1.5}", "takes a whole number"},
      {"HalfCheetah-v5", "{\"xml_file\": \"no.xml\"}", "cannot read xml_file"},
      {"HalfCheetah-v5", "{\"xml_file\": \"\"}", "takes a text of 1 to"},
      {"HalfCheetah-v5", "{\"xml_file\": true}", "takes a text of 1 to"},
      {"Ant-v5", "{\"main_body\": \"torsoo\"}", "the model of Ant-v5 has no body 'torsoo'"},
      {"Ant-v5", "{\"main_body\": 14}", "has no body '14'"},
      {"Ant-v5", "{\"main_body\": -1}", "has no body '-1'"},
      {"Ant-v5", "{\"main_body\": 99999999999}", "has no body '99999999999'"},
      {"Reacher-v5", "{\"xml_file\": \"swimmer.xml\"}", "has no body 'fingertip'"},
      {"Reacher-v5", "{\"xml_file\": \"ant.xml\"}", "has no body 'fingertip'"},
      {"InvertedDoublePendulum-v5", "{\"xml_file\": \"half_cheetah.xml\"}", "1 sites"},
      {"Hopper-v5", "{\"healthy_z_range\": 1}", "takes two numbers"},
      {"Hopper-v5", "{\"healthy_z_range\": [1]}", "takes two numbers"},
      {"Hopper-v5", "{\"healthy_z_range\": [2, 1]}", "the smaller first"},
      {"Hopper-v5", "{\"healthy_z_range\": [1, \"infinite\"]}", "takes two numbers"},
      {"Hopper-v5", "{\"terminate_when_unhealthy\": 1}", "takes true or false"},
      {"Hopper-v5", "{\"xml_file\": \"inverted_pendulum.xml\"}", "needs a model with at least 3 positions"},
  };

  /* each is refused with a message that helps */
  for (size_t i = 0; i < sizeof row / sizeof *row; i++) {
    const sac_env_api* api;
    sac_vector* vector;
    const uint64_t seed = 1;
    ck_ok(sac_env_find(row[i].id, &api));
    ck_fails(sac_vector_create(&vector, api, row[i].id, row[i].options, 1, 1, &seed, 0), SAC_ERROR_CONFIG, row[i].text);
  }
}
END_TEST

START_TEST(infinite_ends_are_read_in_every_spelling) {
  static const char* const spelt[] = {"[\"-inf\", \"inf\"]", "[\"-.inf\", \".inf\"]", "[\"-Infinity\", \"Infinity\"]",
                                      "[-1000000, 1e6]"};
  int hopper = 0;
  while (strcmp(sac_mujoco_envs[hopper].id, "Hopper-v5") != 0) hopper++;
  for (size_t i = 0; i < sizeof spelt / sizeof *spelt; i++) {
    char options[256];
    snprintf(options, sizeof options, "{\"healthy_z_range\": %s, \"healthy_angle_range\": %s}", spelt[i], spelt[i]);
    rig r;
    open_rig(&r, hopper, 1, options);
    reset(&r);
    for (int32_t t = 0; t < 60; t++) { /* the robot has fallen long before */
      step(&r, 0, t);
      ck_assert_uint_eq(r.terminated[0], 0);
    }
    close_rig(&r);
  }
}
END_TEST

int main(void) {
  const int tasks = sac_mujoco_env_count;
  if (sac_mujoco_envs[0].ready() != SAC_OK) return check_skip(sac_last_error());
  const check_case cases[] = {LOOP(every_task_describes_itself, tasks),
                              LOOP(reset_depends_on_the_seed_alone, tasks),
                              LOOP(neither_numbers_nor_threads_change_a_bit, tasks),
                              LOOP(state_continues_to_the_bit, tasks),
                              CASE(wrong_options_are_refused),
                              CASE(infinite_ends_are_read_in_every_spelling)};
  return check_run("mujoco", cases, sizeof cases / sizeof *cases);
}
