/* Stage target update: Polyak averaging of every target tensor, and the end of an update. */
#include "support/agent_case.h"
#include "support/check_main.h"
#include "support/reference.h"
#include "support/tolerances.h"

static void follows(const sac_net* target, const sac_net* net, const reference* before, const reference* after,
                    double tau) {
  for (int l = 0; l < target->layers; l++)
    for (int part = 0; part < 2; part++) {
      const size_t n = (size_t)target->size[l + 1] * (part ? 1 : (size_t)target->size[l]);
      for (size_t i = 0; i < n; i++) {
        const size_t to = (part ? target->bias[l] : target->weight[l]) + i;
        const size_t from = (part ? net->bias[l] : net->weight[l]) + i;
        const double expected =
            tau * before->slab[SAC_MEMORY_WEIGHTS][from] + (1 - tau) * before->slab[SAC_MEMORY_TARGET][to];
        ck_near(after->slab[SAC_MEMORY_TARGET][to], expected, 4 * FLOAT_EPSILON * (fabs(expected) + tau));
      }
    }
}

START_TEST(polyak) {
  /* an agent before its target update */
  const agent_case c = {.algo = _i ? "sac-v" : "sac",
                        .obs = 3,
                        .action = 2,
                        .hidden = "170,130",
                        .batch = 5,
                        .critics = 3,
                        .threads = 2,
                        .set = {{"tau", "0.3"}}};
  sac_agent* agent = agent_case_create(&c);
  agent_case_age(agent, 2);
  update_inputs in = update_inputs_create(agent, 5);
  ck_ok(agent->backend->minibatch_set(agent, &in.minibatch, &in.noise));
  ck_ok(agent->backend->stage(agent, SAC_STAGE_CRITIC_UPDATE));
  ck_ok(agent->backend->stage(agent, SAC_STAGE_ACTOR_UPDATE));
  ck_ok(agent->backend->stage(agent, SAC_STAGE_TEMPERATURE_UPDATE));

  /* the stage of the CPU */
  reference before = reference_read(agent, 0);
  ck_ok(agent->backend->stage(agent, SAC_STAGE_TARGET_UPDATE));
  reference after = reference_read(agent, 0);

  /* each target has followed its network, and nothing else has changed */
  const sac_tensors* t = &agent->tensors;
  int targets = 0;
  for (int k = 0; k < 3; k++)
    if (t->net[SAC_CRITIC_TARGET][k].layers)
      follows(&t->net[SAC_CRITIC_TARGET][k], &t->net[SAC_CRITIC][k], &before, &after, 0.3), targets++;
  if (t->net[SAC_VALUE_TARGET][0].layers)
    follows(&t->net[SAC_VALUE_TARGET][0], &t->net[SAC_VALUE][0], &before, &after, 0.3), targets++;
  ck_assert_int_eq(targets, _i ? 1 : 3);
  for (int m = 0; m < SAC_MEMORY_TARGET; m++) ck_same_bits(after.slab[m], before.slab[m], after.floats[m]);
  reference_free(&before), reference_free(&after);
  update_inputs_free(&in);
  sac_agent_destroy(agent);
}
END_TEST

START_TEST(counts_and_totals) {
  const agent_case c = {.algo = "sac", .obs = 3, .action = 2, .hidden = "8", .batch = 5, .critics = 2, .population = 2};
  sac_agent* agent = agent_case_create(&c);
  agent->alive[1] = 0;
  double sum = 0;
  for (int i = 0; i < 3; i++) {
    agent_case_age(agent, 1);
    sum += agent->stats[0].critic_loss;
  }
  ck_assert_uint_eq(agent->counters[0].updates, 3);
  ck_assert_uint_eq(agent->totals[0].updates, 3);
  ck_near(agent->totals[0].sum.critic_loss, sum, DOUBLE_SUM_ABS);
  ck_assert_uint_eq(agent->counters[1].updates, 0); /* a stopped agent does not change */
  ck_assert_uint_eq(agent->totals[1].updates, 0);
  sac_agent_destroy(agent);
}
END_TEST

CHECK_MAIN("target", LOOP(polyak, 2), CASE(counts_and_totals))
