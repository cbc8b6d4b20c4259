/* Stage critic update against the reference: gradients, Adam's step, losses, and what the stage must not change. */
#include "support/agent_case.h"
#include "support/check_main.h"
#include "support/reference.h"
#include "support/tolerances.h"

static const agent_case agents[] = {
    {.algo = "sac", .obs = 3, .action = 1, .hidden = "64,64", .batch = 100, .critics = 2, .threads = 2},
    {.algo = "sac", .obs = 1, .action = 1, .hidden = "1", .batch = 1, .critics = 1},
    {.algo = "sac", .obs = 17, .action = 6, .hidden = "31,33", .batch = 31, .critics = 5, .threads = 3},
    {.algo = "sac", .obs = 33, .action = 31, .hidden = "7,1,65", .batch = 33, .critics = 2},
    {.algo = "sac",
     .obs = 5,
     .action = 2,
     .hidden = "24",
     .batch = 257,
     .critics = 2,
     .threads = 2,
     .set = {{"gamma", "0.9"}, {"reward_scale", "5"}, {"optim.critic_lr", "1e-2"}, {"alpha.initial", "0.2"}}},
    {.algo = "sac-v", .obs = 3, .action = 1, .hidden = "64,64", .batch = 100, .critics = 2, .threads = 2},
    {.algo = "sac-v", .obs = 1, .action = 1, .hidden = "1", .batch = 1, .critics = 1},
    {.algo = "sac-v", .obs = 33, .action = 7, .hidden = "31,16", .batch = 65, .critics = 5, .threads = 3},
};
#define AGENTS (sizeof agents / sizeof *agents)

static int is_sac_v(const sac_agent* agent) { return agent->settings.algo == SAC_ALGO_SAC_V; }

START_TEST(against_the_reference) {
  /* an agent whose moments are not zero, and a given minibatch */
  sac_agent* agent = agent_case_create(&agents[_i]);
  agent_case_age(agent, 2);
  update_inputs in = update_inputs_create(agent, 5);
  ck_ok(agent->backend->minibatch_set(agent, &in.minibatch, &in.noise));

  /* the stage of the CPU, with the slabs around it */
  reference before = reference_read(agent, 0);
  ck_ok(agent->backend->stage(agent, SAC_STAGE_CRITIC_UPDATE));
  reference after = reference_read(agent, 0);

  /* losses and gradients in double */
  reference_update expected = reference_update_create(agent);
  reference_critics(agent, &before, &in.minibatch, &in.noise, &expected);
  if (is_sac_v(agent)) reference_actor(agent, &before, &in.minibatch, &in.noise, &expected);
  const sac_tensors* t = &agent->tensors;
  const double lr = sac_auto(agent->settings.critic_lr, agent->settings.lr);

  /* each network's gradient and step */
  double norm = 0;
  for (int k = 0; k < agent->shape.critics + is_sac_v(agent); k++) {
    const sac_net* net = k < agent->shape.critics ? &t->net[SAC_CRITIC][k] : &t->net[SAC_VALUE][0];
    ck_gradient(agent, net, after.slab[SAC_MEMORY_GRAD], expected.grad, GRADIENT_REL);
    ck_adam(agent, net, before, after, agent->counters[0].updates + 1, lr);
    for (int l = 0; l < net->layers; l++) {
      for (size_t i = 0; i < (size_t)net->size[l] * (size_t)net->size[l + 1]; i++)
        norm += pow(expected.grad[net->weight[l] + i], 2);
      for (size_t i = 0; i < (size_t)net->size[l + 1]; i++) norm += pow(expected.grad[net->bias[l] + i], 2);
    }
  }

  /* the statistics */
  const sac_update_stats* stats = &agent->stats[0];
  ck_near_relative(stats->critic_loss, expected.stats.critic_loss, LOSS_REL, LOSS_ABS);
  ck_near_relative(stats->value_loss, expected.stats.value_loss, LOSS_REL, LOSS_ABS);
  ck_near_relative(stats->q_mean, expected.stats.q_mean, LOSS_REL, LOSS_ABS);
  ck_near_relative(stats->td_error, expected.stats.td_error, LOSS_REL, LOSS_ABS);
  ck_near_relative(stats->alpha, expected.stats.alpha, LOSS_REL, 0);
  ck_near_relative(stats->critic_grad, sqrt(norm), LOSS_REL, LOSS_ABS);

  /* sac-v: the actor's gradient exists already, at the old parameters; its step was not made */
  if (is_sac_v(agent)) {
    ck_gradient(agent, &t->net[SAC_ACTOR][0], after.slab[SAC_MEMORY_GRAD], expected.grad, GRADIENT_REL);
    ck_near_relative(stats->actor_loss, expected.stats.actor_loss, LOSS_REL, LOSS_ABS);
  }

  /* actor, temperature and targets are unchanged until their own stage */
  const sac_net* actor = &t->net[SAC_ACTOR][0];
  for (int l = 0; l < actor->layers; l++)
    ck_same_bits(after.slab[SAC_MEMORY_WEIGHTS] + actor->weight[l], before.slab[SAC_MEMORY_WEIGHTS] + actor->weight[l],
                 actor->size[l] * actor->size[l + 1]);
  ck_same_bits(&after.slab[SAC_MEMORY_WEIGHTS][t->log_alpha], &before.slab[SAC_MEMORY_WEIGHTS][t->log_alpha], 1);
  ck_same_bits(after.slab[SAC_MEMORY_TARGET], before.slab[SAC_MEMORY_TARGET], after.floats[SAC_MEMORY_TARGET]);

  reference_update_free(&expected);
  reference_free(&before);
  reference_free(&after);
  update_inputs_free(&in);
  sac_agent_destroy(agent);
}
END_TEST

/* Checks the reference itself: dJ_Q/dw by central differences of its loss. */
START_TEST(reference_by_differences) {
  /* the reference's gradients of the critics */
  const agent_case c = {.algo = _i ? "sac-v" : "sac", .obs = 3, .action = 2, .hidden = "5,4", .batch = 7, .critics = 2};
  sac_agent* agent = agent_case_create(&c);
  agent_case_age(agent, 1);
  update_inputs in = update_inputs_create(agent, 5);
  reference at = reference_read(agent, 0);
  reference_update u = reference_update_create(agent);
  reference_critics(agent, &at, &in.minibatch, &in.noise, &u);

  /* each weight, moved up and down */
  const double h = DIFFERENCE_STEP;
  for (int k = 0; k < 2; k++)
    for (int l = 0; l < 3; l++) {
      const sac_net* net = &agent->tensors.net[SAC_CRITIC][k];
      for (size_t i = 0; i < (size_t)net->size[l] * (size_t)net->size[l + 1]; i++) {
        double loss[2], *w = &at.slab[SAC_MEMORY_WEIGHTS][net->weight[l] + i];
        const double value = *w;
        for (int side = 0; side < 2; side++) {
          reference_update moved = reference_update_create(agent);
          *w = value + (side ? h : -h);
          reference_critics(agent, &at, &in.minibatch, &in.noise, &moved);
          loss[side] = moved.stats.critic_loss;
          reference_update_free(&moved);
        }
        *w = value;
        ck_near_relative(u.grad[net->weight[l] + i], (loss[1] - loss[0]) / (2 * h), REFERENCE_SLOPE_REL,
                         REFERENCE_SLOPE_ABS);
      }
    }
  reference_update_free(&u);
  reference_free(&at);
  update_inputs_free(&in);
  sac_agent_destroy(agent);
}
END_TEST

/* A terminated transition does not bootstrap: the target networks have no influence. */
START_TEST(terminated_rows_do_not_bootstrap) {
  const agent_case c = {.algo = _i ? "sac-v" : "sac", .obs = 4, .action = 2, .hidden = "16", .batch = 20, .critics = 2};
  sac_agent *one = agent_case_create(&c), *other = agent_case_create(&c);
  update_inputs a = update_inputs_create(one, 5), b = update_inputs_create(other, 5);
  for (int r = 0; r < 20; r++) {
    a.terminated[r] = b.terminated[r] = r < 10 ? 1.0f : 0.0f;
    if (r < 10)
      for (int i = 0; i < 4; i++) b.next_obs[r * 4 + i] = 3.0f * (float)(i + 1);
  }
  ck_ok(sac_agent_update_with(one, &a.minibatch, &a.noise, NULL));
  ck_ok(sac_agent_update_with(other, &b.minibatch, &b.noise, NULL));
  same_agents(one, 0, other, 0);
  b.next_obs[15 * 4] += 1;
  ck_ok(sac_agent_update_with(one, &a.minibatch, &a.noise, NULL));
  ck_ok(sac_agent_update_with(other, &b.minibatch, &b.noise, NULL));
  ck_assert(one->stats[0].critic_loss != other->stats[0].critic_loss);
  update_inputs_free(&a);
  update_inputs_free(&b);
  sac_agent_destroy(one);
  sac_agent_destroy(other);
}
END_TEST

/* A NaN in a weight or an input reaches the losses and gradient norms that sac_agent_check watches. */
START_TEST(nan_is_seen) {
  const agent_case c = {
      .algo = _i ? "sac-v" : "sac", .obs = 4, .action = 2, .hidden = "16,16", .batch = 20, .critics = 2};
  for (int which = 0; which < 5; which++) {
    sac_agent* agent = agent_case_create(&c);
    const sac_tensors* t = &agent->tensors;
    const size_t places[] = {t->net[SAC_CRITIC][1].weight[0] + 3, t->net[SAC_CRITIC][0].weight[2],
                             t->net[SAC_ACTOR][0].weight[1] + 5, t->log_alpha};
    update_inputs in = update_inputs_create(agent, 5);
    const float nan = NAN;
    if (which < 4) ck_ok(agent->backend->write(agent, SAC_MEMORY_WEIGHTS, 0, places[which], &nan, 1));
    else in.reward[7] = NAN;
    ck_assert_int_eq(sac_agent_update_with(agent, &in.minibatch, &in.noise, NULL), SAC_ERROR_NUMERIC);
    const sac_update_stats* s = &agent->stats[0];
    ck_assert(!isfinite(s->critic_loss) || !isfinite(s->critic_grad) || !isfinite(s->actor_loss) ||
              !isfinite(s->actor_grad));
    ck_assert(!agent->alive[0]);
    update_inputs_free(&in);
    sac_agent_destroy(agent);
  }
}
END_TEST

CHECK_MAIN("critic", LOOP(against_the_reference, AGENTS), LOOP(reference_by_differences, 2),
           LOOP(terminated_rows_do_not_bootstrap, 2), LOOP(nan_is_seen, 2))
