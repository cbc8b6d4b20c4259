#include "verify/cases.h"

#include <stdio.h>

#include "algo/algo.h"
#include "config/field.h"
#include "util/error.h"

const sac_case sac_cases[] = {
    /* the smallest sizes, and sizes just above or below multiples of 32 and 256, which kernels handle in blocks */
    {.obs = 1, .action = 1, .hidden = "1", .batch = 1, .critics = 1, .population = 1},
    {.obs = 17, .action = 6, .hidden = "33,64,31", .batch = 31, .critics = 2, .population = 1},
    {.obs = 3, .action = 7, .hidden = "31,33", .batch = 33, .critics = 5, .population = 3},
    {.obs = 17, .action = 6, .hidden = "257", .batch = 33, .critics = 2, .population = 1},
    {.obs = 3, .action = 1, .hidden = "33,31", .batch = 257, .critics = 2, .population = 1},
    /* narrow limits, so that log_std is clamped; a fixed temperature */
    {.obs = 3,
     .action = 6,
     .hidden = "24,7",
     .batch = 65,
     .critics = 1,
     .population = 1,
     .set = {{"policy.log_std_min", "-0.05"},
             {"policy.log_std_max", "0.05"},
             {"alpha.learn", "false"},
             {"alpha.initial", "0.2"}}},
    /* other values of gamma, reward_scale, the critics' learning rate and tau than the defaults */
    {.obs = 1,
     .action = 7,
     .hidden = "64",
     .batch = 31,
     .critics = 5,
     .population = 1,
     .set = {{"gamma", "0.9"}, {"reward_scale", "5"}, {"optim.critic_lr", "1e-2"}, {"tau", "0.1"}}},
    /* linear networks; CUDA refuses those with one output */
    {.obs = 17, .action = 6, .hidden = "[]", .batch = 33, .critics = 2, .population = 1},
    /* a small temperature, at which most probabilities of discrete actions are 0 as floats; the mean of the critics */
    {.obs = 3,
     .action = 18,
     .hidden = "33,31",
     .batch = 33,
     .critics = 3,
     .population = 1,
     .set = {{"alpha.initial", "1e-3"}},
     .set_discrete = {{"network.critics_join", "mean"}, {"alpha.target_entropy_share", "0.98"}}},
    /* more actions than a block of 32 or 64 lanes; bounds of alpha that each step of it goes beyond */
    {.obs = 7,
     .action = 65,
     .hidden = "40",
     .batch = 63,
     .critics = 2,
     .population = 3,
     .set = {{"alpha.initial", "0.2"}, {"alpha.min", "0.19999"}, {"alpha.max", "0.20001"}}},
};
const int32_t sac_case_count = SAC_LENGTH(sac_cases);

static sac_status set_number(sac_config* config, const char* key, int32_t value) {
  char text[16];
  (void)snprintf(text, sizeof text, "%d", (int)value);
  return sac_config_set(config, key, text);
}

sac_status sac_case_apply(const sac_case* c, int algo, int kind, sac_config* config) {
  sac_status status = SAC_OK;

  /* set the algorithm, the kind of network and the sizes */
  SAC_TRY(sac_config_set(config, "algo", sac_algo_name(algo)));
  SAC_TRY(sac_config_set(config, "network.kind", sac_network_kind_names[kind]));
  SAC_TRY(sac_config_set(config, "network.hidden", c->hidden));
  SAC_TRY(set_number(config, "replay.batch", c->batch));
  SAC_TRY(set_number(config, "network.critics", c->critics));
  SAC_TRY(set_number(config, "seeds", c->population));

  /* set the keys of this case alone */
  for (int32_t i = 0; i < SAC_CASE_KEYS_MAX && c->set[i][0]; i++)
    SAC_TRY(sac_config_set(config, c->set[i][0], c->set[i][1]));
  for (int32_t i = 0; i < SAC_CASE_KEYS_MAX && c->set_discrete[i][0] && sac_algo_at(algo)->discrete; i++)
    SAC_TRY(sac_config_set(config, c->set_discrete[i][0], c->set_discrete[i][1]));
fail:
  return status;
}
