/* Stages actor update and temperature update against the reference in double, and stage act. */
#include "kernels/squash.h"
#include "support/agent_case.h"
#include "support/check_main.h"
#include "support/reference.h"
#include "support/tolerances.h"

static const agent_case agents[] = {
    {.algo = "sac", .obs = 3, .action = 1, .hidden = "64,64", .batch = 100, .critics = 2, .threads = 2},
    {.algo = "sac", .obs = 1, .action = 1, .hidden = "1", .batch = 1, .critics = 1},
    {.algo = "sac", .obs = 17, .action = 6, .hidden = "31,33", .batch = 31, .critics = 5, .threads = 3},
    {.algo = "sac", .obs = 33, .action = 31, .hidden = "7,5,65", .batch = 33, .critics = 2},
    {.algo = "sac",
     .obs = 5,
     .action = 2,
     .hidden = "24",
     .batch = 257,
     .critics = 3,
     .threads = 2,
     .set = {{"optim.actor_lr", "1e-2"}, {"policy.log_std_min", "-0.05"}, {"policy.log_std_max", "0.05"}}},
    {.algo = "sac-v", .obs = 3, .action = 1, .hidden = "64,64", .batch = 100, .critics = 2, .threads = 2},
    {.algo = "sac-v", .obs = 33, .action = 7, .hidden = "31,16", .batch = 65, .critics = 5, .threads = 3},
};
#define AGENTS (sizeof agents / sizeof *agents)

START_TEST(against_the_reference) {
  /* an agent whose moments are not zero, and a given minibatch */
  sac_agent* agent = agent_case_create(&agents[_i]);
  const int at_old = agent->settings.algo == SAC_ALGO_SAC_V;
  agent_case_age(agent, 2);
  update_inputs in = update_inputs_create(agent, 5);
  ck_ok(agent->backend->minibatch_set(agent, &in.minibatch, &in.noise));

  /* the stages of the CPU, with the slabs between them */
  reference old = reference_read(agent, 0);
  ck_ok(agent->backend->stage(agent, SAC_STAGE_CRITIC_UPDATE));
  reference before = reference_read(agent, 0); /* the actor learns through the updated critics */
  ck_ok(agent->backend->stage(agent, SAC_STAGE_ACTOR_UPDATE));
  reference after = reference_read(agent, 0);

  /* the actor's gradient and its step; sac-v takes them at the old parameters */
  reference_update expected = reference_update_create(agent);
  reference_actor(agent, at_old ? &old : &before, &in.minibatch, &in.noise, &expected);
  const sac_net* actor = &agent->tensors.net[SAC_ACTOR][0];
  ck_gradient(agent, actor, after.slab[SAC_MEMORY_GRAD], expected.grad, GRADIENT_REL);
  ck_adam(agent, actor, before, after, agent->counters[0].updates + 1,
          sac_auto(agent->settings.actor_lr, agent->settings.lr));

  /* the statistics of the actor */
  double norm = 0;
  for (int l = 0; l < actor->layers; l++) {
    for (size_t i = 0; i < (size_t)actor->size[l] * (size_t)actor->size[l + 1]; i++)
      norm += pow(expected.grad[actor->weight[l] + i], 2);
    for (size_t i = 0; i < (size_t)actor->size[l + 1]; i++) norm += pow(expected.grad[actor->bias[l] + i], 2);
  }
  const sac_update_stats* stats = &agent->stats[0];
  ck_near_relative(stats->actor_loss, expected.stats.actor_loss, LOSS_REL, LOSS_ABS);
  ck_near_relative(stats->entropy, expected.stats.entropy, LOSS_REL, LOSS_ABS);
  ck_near(stats->saturation, expected.stats.saturation, DOUBLE_SUM_ABS);
  ck_near_relative(stats->actor_grad, sqrt(norm), LOSS_REL, LOSS_ABS);

  /* the actor update does not change the critics */
  for (int k = 0; k < agent->shape.critics; k++)
    for (int l = 0; l < actor->layers; l++) {
      const sac_net* net = &agent->tensors.net[SAC_CRITIC][k];
      ck_same_bits(after.slab[SAC_MEMORY_WEIGHTS] + net->weight[l], before.slab[SAC_MEMORY_WEIGHTS] + net->weight[l],
                   net->size[l] * net->size[l + 1]);
    }

  /* the temperature uses the log-probabilities of the actor's pass */
  ck_ok(agent->backend->stage(agent, SAC_STAGE_TEMPERATURE_UPDATE));
  reference last = reference_read(agent, 0);
  const size_t at = agent->tensors.log_alpha;
  double gradient = 0;
  for (int b = 0; b < agent->shape.batch; b++)
    gradient -= (expected.log_prob[b] + agent->target_entropy) / agent->shape.batch;
  ck_near_relative(last.slab[SAC_MEMORY_GRAD][at], gradient, LOSS_REL, LOSS_ABS);
  ck_near_relative(stats->alpha_loss, after.slab[SAC_MEMORY_WEIGHTS][at] * gradient, LOSS_REL, LOSS_ABS);
  double adam[3];
  reference_adam(&agent->settings, agent->counters[0].updates + 1, agent->settings.lr, &after, &last, at, adam);
  ck_near(last.slab[SAC_MEMORY_WEIGHTS][at], adam[0], 2 * FLOAT_EPSILON + ADAM_STEP_REL * agent->settings.lr);

  reference_update_free(&expected);
  reference_free(&old), reference_free(&before), reference_free(&after), reference_free(&last);
  update_inputs_free(&in);
  sac_agent_destroy(agent);
}
END_TEST

START_TEST(fixed_alpha_stays) {
  const agent_case c = {.algo = _i ? "sac-v" : "sac",
                        .obs = 3,
                        .action = 2,
                        .hidden = "8",
                        .batch = 9,
                        .critics = 2,
                        .set = {{"alpha.learn", "false"}, {"alpha.initial", "0.3"}}};
  sac_agent* agent = agent_case_create(&c);
  agent_case_age(agent, 3);
  float log_alpha;
  ck_ok(sac_agent_tensor_get(agent, "log_alpha", &log_alpha, 1));
  ck_assert(log_alpha == (float)log(0.3));
  ck_near_relative(agent->stats[0].alpha, 0.3, ALPHA_REL, 0);
  sac_agent_destroy(agent);
}
END_TEST

/* Compares actions and log-probabilities of single observations with the reference's actor in double. */
START_TEST(acting) {
  /* two agents act by given noise, and by the mean */
  const agent_case c = {
      .algo = "sac", .obs = 5, .action = 3, .hidden = "33,70", .batch = 4, .critics = 1, .population = 2, .threads = 2};
  sac_agent* agent = agent_case_create(&c);
  agent_case_age(agent, 2);
  enum { N = 150, O = 5, A = 3 };
  float *obs = random_floats(1, 2 * N * O, 3), *eps = random_floats(2, 2 * N * A, 2);
  float action[2 * N * A], log_prob[2 * N], mean[2 * N * A];
  const uint64_t position = agent->counters[0].act;
  sac_act act = {.n = N, .mode = SAC_ACT_SAMPLE, .obs = obs, .noise = eps, .action = action, .log_prob = log_prob};
  ck_ok(agent->backend->act(agent, &act));
  act.mode = SAC_ACT_MEAN;
  act.action = mean;
  ck_ok(agent->backend->act(agent, &act));
  ck_assert_uint_eq(agent->counters[0].act, position); /* no noise was drawn */

  /* each action in double */
  for (int p = 0; p < 2; p++) {
    reference at = reference_read(agent, p);
    reference_row row = reference_row_create(&agent->tensors.net[SAC_ACTOR][0]);
    for (int i = 0; i < N; i++) {
      double x[O], a[A];
      for (int k = 0; k < O; k++) x[k] = (double)obs[(p * N + i) * O + k];
      const double* head = reference_forward(&agent->tensors.net[SAC_ACTOR][0], at.slab[SAC_MEMORY_WEIGHTS], x, &row);
      const double expected = reference_sample(&agent->settings, A, head, eps + (p * N + i) * A, a);
      ck_near_relative(log_prob[p * N + i], expected, LOSS_REL, LOG_PROB_ABS);
      for (int k = 0; k < A; k++) {
        ck_near(action[(p * N + i) * A + k], a[k], ACTION_ABS);
        ck_near(mean[(p * N + i) * A + k], tanh(head[k]), ACTION_ABS);
      }
    }
    reference_row_free(&agent->tensors.net[SAC_ACTOR][0], &row);
    reference_free(&at);
  }
  free(obs), free(eps);
  sac_agent_destroy(agent);
}
END_TEST

/* Noise comes from the agent's own stream, one position for each observation. Calls of any size give the same actions.
 */
START_TEST(noise_by_position) {
  /* two equal agents */
  const agent_case c = {
      .algo = "sac", .obs = 5, .action = 3, .hidden = "33", .batch = 4, .critics = 1, .population = 1};
  sac_agent *one = agent_case_create(&c), *other = agent_case_create(&c);
  enum { N = 90, O = 5, A = 3 };
  float* obs = random_floats(1, N * O, 3);

  /* one acts on all observations at once, the other in pieces */
  for (int mode = 0; mode < 2; mode++) {
    float whole[N * A], parts[N * A];
    const sac_act_mode modes[] = {SAC_ACT_SAMPLE, SAC_ACT_UNIFORM};
    sac_act act = {.n = N, .mode = modes[mode], .obs = obs, .action = whole};
    ck_ok(one->backend->act(one, &act));
    for (int i = 0; i < N; i += act.n) {
      act.n = i == 0 ? 70 : i < 80 ? 1 : N - i;
      act.obs = obs + i * O;
      act.action = parts + i * A;
      ck_ok(other->backend->act(other, &act));
    }

    /* actions and counters are the same */
    ck_same_bits(whole, parts, N * A);
    ck_assert_uint_eq(one->counters[0].act, (uint64_t)(mode + 1) * N);
    ck_assert_uint_eq(other->counters[0].act, (uint64_t)(mode + 1) * N);

    /* and actions lie in (-1, 1), on both sides of 0 */
    double sum = 0;
    for (int i = 0; i < N * A; i++) {
      ck_assert(whole[i] > -1 && whole[i] < 1);
      sum += (double)whole[i];
    }
    ck_assert(fabs(sum / (N * A)) < ACTIONS_MEAN_ABS);
  }
  free(obs);
  sac_agent_destroy(one);
  sac_agent_destroy(other);
}
END_TEST

CHECK_MAIN("actor", LOOP(against_the_reference, AGENTS), LOOP(fixed_alpha_stays, 2), CASE(acting),
           CASE(noise_by_position))
