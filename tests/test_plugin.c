/* A user's environments: shared objects with a table of functions, which are found, checked and stepped. */
#include "support/check_main.h"

#include <unistd.h>

#include "env/list.h"
#include "env/vector.h"
#include "kernels/random.h"
#include "support/tolerances.h"

static char quadrotor[1024], liar[1024], empty[1024];

static sac_status make(const char* id, const char* options, int32_t n, sac_vector** vector) {
  const uint64_t seed = 3;
  const sac_env_api* api;
  *vector = NULL;
  const sac_status status = sac_env_find(id, &api);
  if (status != SAC_OK) return status;
  return sac_vector_create(vector, api, id, options, 1, n, &seed, sac_stream_env(0));
}

static void act(sac_vector* v, int32_t t) {
  const size_t count = (size_t)v->num_envs * (size_t)v->spec.action_size;
  for (size_t i = 0; i < count; i++) v->action[i] = 0.05f * (float)((t + (int32_t)i) % 7 - 3);
}

START_TEST(a_quadrotor_flies) {
  sac_vector* v;
  ck_ok(make(quadrotor, "{\"mass\": 0.6}", 3, &v));
  ck_assert_int_eq(v->spec.obs_size, 7);
  ck_assert_int_eq(v->spec.action_size, 2);
  /* The thrust for hovering is mass * g / 2 for each rotor, 2.943 N of 6. With it only the initial speed remains. */
  int finished = 0;
  for (int32_t t = 0; t < 500; t++) {
    for (int i = 0; i < 6; i++) v->action[i] = 2.943f / 3 - 1;
    const float tilt = v->obs[4];
    ck_ok(sac_vector_step(v));
    if (t == 0) {
      /* vz changes by dt * g * (cos(tilt) - 1), apart from drag */
      ck_near(v->next_obs[3] - v->prev_obs[3], 0.02 * 9.81 * (sqrt(1 - (double)tilt * (double)tilt) - 1),
              QUADROTOR_SPEED_ABS);
      ck_near(v->next_obs[6], v->prev_obs[6], QUADROTOR_TURN_ABS);
    }
    finished += v->finished_count;
  }
  ck_assert_int_gt(finished, 0);
  sac_vector_destroy(v);
}
END_TEST

START_TEST(its_state_continues_to_the_bit) {
  /* two vectors, one of which has flown */
  sac_vector *a, *b;
  int exact = 0;
  ck_ok(make(quadrotor, "{}", 3, &a));
  ck_ok(make(quadrotor, "{}", 3, &b));
  for (int32_t t = 0; t < 90; t++) {
    act(a, t);
    ck_ok(sac_vector_step(a));
  }

  /* its state goes to the other */
  void* state = malloc(sac_vector_state_size(a));
  ck_ok(sac_vector_state_get(a, 0, state));
  ck_ok(sac_vector_state_set(b, 0, state, &exact));
  ck_assert_int_eq(exact, 1);

  /* from there on both are the same */
  for (int32_t t = 90; t < 400; t++) {
    act(a, t), act(b, t);
    ck_ok(sac_vector_step(a));
    ck_ok(sac_vector_step(b));
    ck_same_bits(b->obs, a->obs, 21);
    ck_same_bits(b->reward, a->reward, 3);
  }
  free(state);
  sac_vector_destroy(a);
  sac_vector_destroy(b);
}
END_TEST

START_TEST(options_are_its_own) {
  sac_vector* v;
  ck_fails(make(quadrotor, "{\"mass\": 3}", 1, &v), SAC_ERROR_CONFIG, "env.options.mass takes a number in [0.1, 1]");
  ck_assert_ptr_null(v);
}
END_TEST

START_TEST(lies_are_found) {
  static const struct {
    const char* lie;
    sac_status status;
    const char* text;
  } cases[] = {
      {"abi", SAC_ERROR_ENV, "has ABI 2 and"},
      {"size", SAC_ERROR_ENV, "and 8 bytes, this library has"},
      {"no table", SAC_ERROR_ENV, "no table of functions"},
      {"no create", SAC_ERROR_ENV, "lacks 'create'"},
      {"no reset", SAC_ERROR_ENV, "lacks 'reset'"},
      {"no step", SAC_ERROR_ENV, "lacks 'step'"},
      {"no destroy", SAC_ERROR_ENV, "lacks 'destroy'"},
      {"half a state", SAC_ERROR_ENV, "state_size, state_get and state_set come together or not at all"},
      {"half an info", SAC_ERROR_ENV, "info_names and info come together or not at all"},
      {"no names", SAC_ERROR_ENV, "info_names gave no list"},
      {"spaced name", SAC_ERROR_ENV, "term 0 of info is named 'top speed'; a name has 1 to 63 letters"},
      {"number name", SAC_ERROR_ENV, "term 0 of info is named '1st'; a name has"},
      {"no name", SAC_ERROR_ENV, "term 0 of info is named ''; a name has"},
      {"long name", SAC_ERROR_ENV, "term 0 of info is named 'a_name_that_goes"},
      {"two names", SAC_ERROR_ENV, "terms 0 and 1 of info are both named 'steps'"},
      {"many names", SAC_ERROR_ENV, "info has more than 32 terms"},
      {"no object", SAC_ERROR_ENV, "describe gave no JSON object"},
      {"no JSON", SAC_ERROR_ENV, "describe gave no JSON object"},
      {"info", SAC_ERROR_ENV, "step 80: "},
      {"no observations", SAC_ERROR_ENV, "obs_size is 0"},
      {"no actions", SAC_ERROR_ENV, "action_size is 0"},
      {"no bounds", SAC_ERROR_ENV, "without bounds"},
      {"swapped bounds", SAC_ERROR_ENV, "bounded by [2, 1]"},
      {"infinite bounds", SAC_ERROR_ENV, "bounds must be finite"},
      {"one choice", SAC_ERROR_ENV, "1 discrete actions; actions must be 2 to 65536"},
      {"choices in two", SAC_ERROR_ENV, "3 discrete actions in 2 numbers; each is one number: action_size must be 1"},
      {"choices with bounds", SAC_ERROR_ENV, "3 discrete actions with bounds; action_low and action_high must be NULL"},
      {"choices", SAC_ERROR_ARGUMENT, "step 2: "},
      {"create", SAC_ERROR_ENV, "create failed: the cable is loose"},
      {"reset", SAC_ERROR_ENV, "reset failed: the cable is loose"},
      {"nan reset", SAC_ERROR_NUMERIC, "observation 0 is NaN in environment 0"},
      {"step", SAC_ERROR_ENV, "step failed: the cable is loose"},
      {"nan observation", SAC_ERROR_NUMERIC, "step 80: "},
      {"nan reward", SAC_ERROR_NUMERIC, "reward is NaN in environment 0"},
  };

  /* the environment of plugins/liar.c tells the lie when it is created, or later in one of 60 steps */
  sac_vector* v;
  (void)setenv("SAC_TEST_LIE", cases[_i].lie, 1);
  sac_status status = make(liar, "{}", 2, &v);
  for (int32_t t = 0; status == SAC_OK && t < 60; t++) act(v, t), status = sac_vector_step(v);
  ck_assert_int_eq(unsetenv("SAC_TEST_LIE"), 0);

  /* the message says which, and names the file */
  ck_fails(status, cases[_i].status, cases[_i].text);
  ck_assert_msg(strstr(sac_last_error(), "plugins/liar.so") != NULL || strlen(liar) > 90, "%s", sac_last_error());
  sac_vector_destroy(v);
}
END_TEST

START_TEST(what_is_no_plugin_is_named) {
  const sac_env_api* api;
  char here[1024], text[2000];
  ck_fails(sac_env_find(empty, &api), SAC_ERROR_ENV, "has no function sac_env_plugin: it must export");
  ck_assert_ptr_null(api);
  ck_assert_ptr_nonnull(getcwd(here, sizeof here));
  (void)snprintf(text, sizeof text, "./none.so: No such file or directory (looked for from the current folder, %s)",
                 here);
  ck_fails(sac_env_find("./none.so", &api), SAC_ERROR_ENV, text);
  ck_fails(sac_env_find("/none.so", &api), SAC_ERROR_ENV, "/none.so: No such file or directory");
  ck_fails(sac_env_find("/tmp", &api), SAC_ERROR_ENV, "/tmp is no file");
  ck_fails(sac_env_find("/etc/passwd", &api), SAC_ERROR_ENV, "/etc/passwd cannot be loaded: ");
  ck_fails(sac_env_find("./a\nb", &api), SAC_ERROR_ENV, "./a\\x0Ab: No such file");
  ck_assert_int_eq(sac_env_is_outside(liar), 1);
  ck_assert_int_eq(sac_env_is_outside("Pendulum-v1"), 0);
}
END_TEST

START_TEST(what_it_tells_is_of_the_last_step) {
  sac_vector* v;
  ck_ok(make(liar, "{}", 2, &v));
  ck_assert_int_eq(v->info_count, 1);
  ck_assert_str_eq(v->info_name[0], "steps");
  for (int32_t t = 0; t < 60; t++) { /* episodes of 50 steps: info of the last step, not of the reset after it */
    act(v, t);
    ck_ok(sac_vector_step(v));
    for (int i = 0; i < 2; i++) ck_near(v->info[i], t % 50 + 1, 0);
  }
  sac_vector_destroy(v);
}
END_TEST

/* A plugin of an older header, without info or without describe: the memory after its table must not be read. */
START_TEST(older_tables_are_taken) {
  sac_vector* v;
  (void)setenv("SAC_TEST_LIE", _i == 0 ? "old table" : "table without describe", 1);
  const sac_status made = make(liar, "{}", 2, &v);
  ck_assert_int_eq(unsetenv("SAC_TEST_LIE"), 0);
  ck_ok(made);
  ck_assert_int_eq(v->info_count, _i);
  ck_assert_int_eq(v->info != NULL, _i);
  ck_assert_ptr_null(v->description);
  act(v, 0);
  ck_ok(sac_vector_step(v));
  sac_vector_destroy(v);
}
END_TEST

/* Without functions for its state only statistics are saved, and episodes start anew. */
START_TEST(without_state_functions_episodes_start_anew) {
  sac_vector* v;
  int exact = 1;
  ck_ok(make(liar, "{}", 2, &v));
  for (int32_t t = 0; t < 20; t++) {
    act(v, t);
    ck_ok(sac_vector_step(v));
  }
  void* state = malloc(sac_vector_state_size(v));
  ck_ok(sac_vector_state_get(v, 0, state));
  ck_ok(sac_vector_state_set(v, 0, state, &exact));
  ck_assert_int_eq(exact, 0);
  ck_assert_int_eq(v->episode_length[0], 0);
  free(state);
  sac_vector_destroy(v);
}
END_TEST

int main(void) {
  const char* build = getenv("SAC_BUILD");
  if (!build) return check_skip("SAC_BUILD does not say where the plugins are");
  (void)snprintf(quadrotor, sizeof quadrotor, "%s/tests/plugins/libquadrotor.so", build);
  (void)snprintf(liar, sizeof liar, "%s/tests/plugins/liar.so", build);
  (void)snprintf(empty, sizeof empty, "%s/tests/plugins/empty.so", build);
  const check_case cases[] = {CASE(a_quadrotor_flies),
                              CASE(its_state_continues_to_the_bit),
                              CASE(options_are_its_own),
                              LOOP(lies_are_found, 34),
                              CASE(what_is_no_plugin_is_named),
                              CASE(without_state_functions_episodes_start_anew),
                              CASE(what_it_tells_is_of_the_last_step),
                              LOOP(older_tables_are_taken, 2)};
  return check_run("plugin", cases, sizeof cases / sizeof *cases);
}
