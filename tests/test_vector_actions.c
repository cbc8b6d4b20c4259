/* Actions of the vector of environments: scaled, or numbers; and whether an agent has the same. ctest: one-thread */
#include "support/check_main.h"

#include "env/list.h"
#include "env/vector.h"
#include "kernels/random.h"

#define STREAM sac_stream_env(0)

static sac_vector* make(const char* id, int32_t population, int32_t num_envs, const uint64_t* seed, uint64_t stream) {
  const sac_env_api* api;
  sac_vector* vector;
  ck_ok(sac_env_find(id, &api));
  ck_ok(sac_vector_create(&vector, api, id, NULL, population, num_envs, seed, stream));
  return vector;
}

START_TEST(actions_are_scaled_into_the_bounds) {
  const uint64_t seed = 1;
  sac_vector* v = make("SacPointMass-v0", 1, 5, &seed, STREAM); /* bounds [-1, 1] and [-0.5, 1.5] */
  const float given[5] = {-1, -0.5f, 0, 1, 1.0001f}, second[5] = {-0.5f, 0, 0.5f, 1.5f, 1.5f};
  for (int i = 0; i < 5; i++) v->action[2 * i] = v->action[2 * i + 1] = given[i];
  ck_ok(sac_vector_step(v));
  for (int i = 0; i < 5; i++) {
    ck_near(v->env_action[2 * i], fmin(given[i], 1), 0);
    ck_near(v->env_action[2 * i + 1], second[i], 0);
  }
  v->action[3] = NAN;
  ck_fails(sac_vector_step(v), SAC_ERROR_NUMERIC, "step 10: SacPointMass-v0: observation 1 is NaN in environment 1");
  sac_vector_destroy(v);
}
END_TEST

START_TEST(numbers_of_discrete_actions_are_checked) {
  static const float wrong[] = {-1, 2, 0.5f, 1e9f, NAN, INFINITY};
  const uint64_t seeds[2] = {8, 9};
  sac_vector* v = make("CartPole-v1", 2, 3, seeds, STREAM);
  ck_ok(sac_vector_step(v)); /* all actions are number 0 */
  float obs[24];
  memcpy(obs, v->obs, sizeof obs);
  for (size_t k = 0; k < sizeof wrong / sizeof *wrong; k++) {
    v->action[4] = wrong[k];
    ck_fails(sac_vector_step(v), isfinite(wrong[k]) ? SAC_ERROR_ARGUMENT : SAC_ERROR_NUMERIC,
             isnan(wrong[k]) ? "step 6: CartPole-v1: agent 1 gives no action to environment 1"
                             : "for environment 1 of agent 1 is no number of an action: 0 to 1 are");
    ck_assert_ptr_eq(strstr(sac_last_error(), "step 6: CartPole-v1: a"), sac_last_error());
    ck_same_bits(v->obs, obs, 24); /* nothing has moved */
  }
  sac_vector_destroy(v);
}
END_TEST

START_TEST(sizes_of_an_agent_are_compared) {
  const uint64_t seed = 1;
  sac_vector* v = make("CartPole-v1", 1, 1, &seed, STREAM);
  ck_ok(sac_vector_fits(v, 4, 1, 2));
  ck_fails(sac_vector_fits(v, 4, 1, 3), SAC_ERROR_ENV,
           "CartPole-v1 has 4 observations and 2 discrete actions; for the training it had 4 and 3");
  ck_fails(sac_vector_fits(v, 4, 1, 0), SAC_ERROR_ENV,
           "2 discrete actions; for the training it had 4 and 1 continuous");
  sac_vector_destroy(v);
}
END_TEST

CHECK_MAIN("vector_actions", CASE(actions_are_scaled_into_the_bounds), CASE(numbers_of_discrete_actions_are_checked),
           CASE(sizes_of_an_agent_are_compared))
