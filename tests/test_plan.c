/* ctest: one-thread
 *
 * The plan of an algorithm's update: order, passes, memory, and lists that are refused. */
#include "algo/plan.h"
#include "support/check_main.h"

static const sac_algorithm* of(int id) { return sac_algo_at(id); }

/* The place of an operation in a plan; -1: it is not there. */
static int32_t place_of(const sac_plan* plan, sac_op_kind kind, sac_group nets, sac_place at, sac_row_function row) {
  for (int32_t i = 0; i < plan->count; i++) {
    const sac_op* op = &plan->op[i];
    if (op->kind == kind && op->nets == nets && op->at == at && op->row == row) return i;
  }
  return -1;
}

/* Every operation of the list is in the plan once, and stages ascend. */
START_TEST(keeps_every_operation) {
  for (int id = 0; id < SAC_ALGO_COUNT; id++) {
    sac_plan plan;
    ck_ok(sac_plan_create(&plan, of(id), _i));
    ck_assert_int_eq(plan.count, of(id)->op_count);
    for (int32_t i = 0; i < of(id)->op_count; i++) {
      const sac_op* op = &of(id)->update[i];
      int found = 0;
      for (int32_t j = 0; j < plan.count; j++)
        found += plan.op[j].kind == op->kind && plan.op[j].nets == op->nets && plan.op[j].at == op->at &&
                 plan.op[j].row == op->row;
      ck_assert_int_eq(found, 1);
    }
    for (int32_t i = 1; i < plan.count; i++) ck_assert_int_le(plan.op[i - 1].stage, plan.op[i].stage);
  }
}
END_TEST

/* Without reordering the list's order stays; with it a forward stands right before its first reader, in its stage. */
START_TEST(moves_to_the_first_reader) {
  const sac_algorithm* sac = of(SAC_ALGO_SAC);
  sac_plan list, moved;
  ck_ok(sac_plan_create(&list, sac, 0));
  ck_ok(sac_plan_create(&moved, sac, 1));
  for (int32_t i = 0; i < list.count; i++) ck_assert_int_eq(list.op[i].kind, sac->update[i].kind);

  const int32_t actor = place_of(&moved, SAC_FORWARD, SAC_ACTOR, SAC_POLICY, SAC_ROW_NONE);
  const int32_t sample = place_of(&moved, SAC_ROWS, SAC_ACTOR, SAC_POLICY, SAC_ROW_SAMPLE);
  const int32_t critics = place_of(&moved, SAC_FORWARD, SAC_CRITIC, SAC_POLICY, SAC_ROW_NONE);
  ck_assert_int_eq(sample, actor + 1);
  ck_assert_int_eq(critics, sample + 1);
  ck_assert_int_eq(moved.op[actor].stage, SAC_STAGE_ACTOR_UPDATE);
  ck_assert_int_eq(list.op[place_of(&list, SAC_FORWARD, SAC_ACTOR, SAC_POLICY, SAC_ROW_NONE)].stage,
                   SAC_STAGE_CRITIC_UPDATE);
}
END_TEST

/* A gradient stands before Adam's step of its networks where that is in its stage, and stays in its stage otherwise. */
START_TEST(gradients_stand_by_their_steps) {
  sac_plan plan;
  ck_ok(sac_plan_create(&plan, of(SAC_ALGO_SAC_V), 1));
  const int32_t critics = place_of(&plan, SAC_GRADIENT, SAC_CRITIC, SAC_CURRENT, SAC_ROW_NONE);
  const int32_t actor = place_of(&plan, SAC_GRADIENT, SAC_ACTOR, SAC_POLICY, SAC_ROW_NONE);
  ck_assert_int_lt(critics, place_of(&plan, SAC_ADAM, SAC_CRITIC, SAC_CURRENT, SAC_ROW_NONE));
  ck_assert_int_eq(plan.op[critics].stage, SAC_STAGE_CRITIC_UPDATE);
  ck_assert_int_eq(plan.op[actor].stage, SAC_STAGE_CRITIC_UPDATE);
  ck_assert_int_eq(plan.op[place_of(&plan, SAC_ADAM, SAC_ACTOR, SAC_CURRENT, SAC_ROW_NONE)].stage,
                   SAC_STAGE_ACTOR_UPDATE);
}
END_TEST

/* Two passes of the same networks share memory where the first is over before the second begins. */
START_TEST(passes_share_memory) {
  sac_plan plan;
  ck_ok(sac_plan_create(&plan, of(SAC_ALGO_SAC), 1));
  const int32_t current = sac_plan_find(&plan, SAC_CRITIC, SAC_CURRENT),
                policy = sac_plan_find(&plan, SAC_CRITIC, SAC_POLICY);
  ck_assert_int_eq(plan.pass[policy].memory, current);
  ck_assert(plan.pass[current].gradient && plan.pass[current].back);
  ck_assert(!plan.pass[policy].gradient && plan.pass[policy].back);
  ck_assert(!plan.pass[sac_plan_find(&plan, SAC_CRITIC_TARGET, SAC_NEXT)].back);
  ck_assert_int_eq(sac_plan_find(&plan, SAC_VALUE, SAC_CURRENT), -1);

  /* sac-v takes the critics' gradients after their pass at the policy's actions */
  ck_ok(sac_plan_create(&plan, of(SAC_ALGO_SAC_V), 1));
  for (int32_t i = 0; i < plan.passes; i++) ck_assert_int_eq(plan.pass[i].memory, i);
}
END_TEST

/* Two passes that are in use together have memory of their own, also where both come after one whose memory is free. A
 * pass with weight gradients keeps more than one without, and does not take over its memory. */
START_TEST(passes_in_use_share_no_memory) {
  static const sac_op both[] = {
      SAC_OP(ACTOR, FORWARD, .nets = SAC_CRITIC, .at = SAC_POLICY),
      SAC_OP(ACTOR, FORWARD, .nets = SAC_CRITIC, .at = SAC_NEXT),
      SAC_OP(ACTOR, ROWS, .nets = SAC_CRITIC, .at = SAC_POLICY, .row = SAC_ROW_SMALLEST),
      SAC_OP(ACTOR, INPUT_GRAD, .nets = SAC_CRITIC, .at = SAC_POLICY),
      SAC_OP(ACTOR, ROWS, .nets = SAC_CRITIC, .at = SAC_NEXT, .row = SAC_ROW_SMALLEST),
      SAC_OP(ACTOR, INPUT_GRAD, .nets = SAC_CRITIC, .at = SAC_NEXT),
  };
  sac_op update[SAC_OPS_MAX];
  sac_algorithm algo = *of(SAC_ALGO_SAC);
  sac_plan plan;
  int32_t actor = 0;
  algo.update = update;

  /* the critics' update as it is, then two passes at once */
  while (of(SAC_ALGO_SAC)->update[actor].stage == SAC_STAGE_CRITIC_UPDATE) actor++;
  memcpy(update, of(SAC_ALGO_SAC)->update, (size_t)actor * sizeof *update);
  memcpy(update + actor, both, sizeof both);
  algo.op_count = actor + SAC_LENGTH(both);
  ck_ok(sac_plan_create(&plan, &algo, 0));
  const int32_t current = sac_plan_find(&plan, SAC_CRITIC, SAC_CURRENT),
                policy = sac_plan_find(&plan, SAC_CRITIC, SAC_POLICY),
                next = sac_plan_find(&plan, SAC_CRITIC, SAC_NEXT);
  ck_assert_int_eq(plan.pass[policy].memory, current);
  ck_assert_int_eq(plan.pass[next].memory, next);

  /* a pass without weight gradients, and then the critics' update */
  memcpy(update, of(SAC_ALGO_SAC)->update, 4 * sizeof *update); /* the samples */
  update[4] = both[0];
  update[5] = both[2];
  update[6] = both[3];
  for (int i = 4; i < 7; i++) update[i].stage = SAC_STAGE_CRITIC_UPDATE;
  memcpy(update + 7, of(SAC_ALGO_SAC)->update + 4, (size_t)(actor - 4) * sizeof *update);
  algo.op_count = actor + 3;
  ck_ok(sac_plan_create(&plan, &algo, 0));
  const int32_t with_gradients = sac_plan_find(&plan, SAC_CRITIC, SAC_CURRENT);
  ck_assert_int_gt(plan.pass[with_gradients].first, plan.pass[sac_plan_find(&plan, SAC_CRITIC, SAC_POLICY)].last);
  ck_assert_int_eq(plan.pass[with_gradients].memory, with_gradients);
}
END_TEST

/* Row functions that read a second pass: it lasts until they have run. */
START_TEST(a_second_pass_lasts) {
  sac_plan plan;
  ck_ok(sac_plan_create(&plan, of(SAC_ALGO_SAC_DISCRETE), _i));
  const int32_t next = sac_plan_find(&plan, SAC_ACTOR, SAC_NEXT),
                critics = sac_plan_find(&plan, SAC_CRITIC, SAC_POLICY);
  const int32_t target = place_of(&plan, SAC_ROWS, SAC_CRITIC_TARGET, SAC_NEXT, SAC_ROW_SOFTMAX_TARGET);
  const int32_t gradient = place_of(&plan, SAC_ROWS, SAC_ACTOR, SAC_POLICY, SAC_ROW_SOFTMAX_GRAD);
  ck_assert_int_eq(plan.pass[next].last, target);
  ck_assert_int_eq(plan.pass[critics].last, gradient);
  ck_assert_int_lt(plan.pass[next].first, target);
  ck_assert_int_lt(plan.pass[critics].first, gradient);

  /* nothing goes back through them; the critics at s are those behind Adam's step */
  ck_assert(!plan.pass[next].back && !plan.pass[critics].back);
  ck_assert_int_lt(place_of(&plan, SAC_ADAM, SAC_CRITIC, SAC_CURRENT, SAC_ROW_NONE), plan.pass[critics].first);
}
END_TEST

/* A row function stays in the stage in which its pass goes back, although only a later stage reads what it writes. */
START_TEST(boltzmann_stays_in_its_stage) {
  sac_plan plan;
  ck_ok(sac_plan_create(&plan, of(SAC_ALGO_SOFT_Q), _i));
  const int32_t policy = place_of(&plan, SAC_ROWS, SAC_CRITIC, SAC_CURRENT, SAC_ROW_BOLTZMANN);
  ck_assert_int_ge(policy, 0);
  ck_assert_int_eq(plan.op[policy].stage, SAC_STAGE_CRITIC_UPDATE);
  ck_assert_int_lt(place_of(&plan, SAC_FORWARD, SAC_CRITIC, SAC_CURRENT, SAC_ROW_NONE), policy);
  ck_assert_int_ge(plan.pass[sac_plan_find(&plan, SAC_CRITIC, SAC_CURRENT)].last, policy);

  /* alone, with no pass that goes back, it moves to the temperature's step, which reads it */
  static const sac_op update[] = {
      SAC_OP(CRITIC, FORWARD, .nets = SAC_CRITIC, .at = SAC_CURRENT),
      SAC_OP(CRITIC, ROWS, .nets = SAC_CRITIC, .at = SAC_CURRENT, .row = SAC_ROW_BOLTZMANN),
      SAC_OP(TEMPERATURE, TEMPERATURE, .at = SAC_POLICY),
  };
  sac_algorithm algo = *of(SAC_ALGO_SOFT_Q);
  algo.update = update;
  algo.op_count = SAC_LENGTH(update);
  ck_ok(sac_plan_create(&plan, &algo, _i));
  ck_assert_int_eq(plan.op[1].row, SAC_ROW_BOLTZMANN);
  ck_assert_int_eq(plan.op[1].stage, _i ? SAC_STAGE_TEMPERATURE_UPDATE : SAC_STAGE_CRITIC_UPDATE);
}
END_TEST

/* Without each operation in turn. All but the last of a chain are read by another one. */
START_TEST(refuses_a_list_with_a_gap) {
  const sac_algorithm* whole = of(_i);
  sac_op update[SAC_OPS_MAX];
  sac_algorithm algo = *whole;
  sac_plan plan;
  algo.update = update;
  algo.op_count = whole->op_count - 1;
  for (int32_t skip = 0; skip < whole->op_count; skip++) {
    const sac_op* op = &whole->update[skip];
    for (int32_t i = 0, n = 0; i < whole->op_count; i++)
      if (i != skip) update[n++] = whole->update[i];
    if (op->kind == SAC_ADAM || op->kind == SAC_TEMPERATURE || op->kind == SAC_POLYAK)
      ck_ok(sac_plan_create(&plan, &algo, 1));
    else ck_fails(sac_plan_create(&plan, &algo, 1), SAC_ERROR_CONFIG, "reads what no operation before it has written");
  }
}
END_TEST

/* A row function that reads a second pass: the pass does not exist, or its forward comes later. */
START_TEST(refuses_a_second_pass_that_is_missing) {
  static const struct {
    sac_group nets;
    sac_place at;
    const char* text;
  } others[] = {{SAC_ACTOR, SAC_NEXT, "(rows softmax target of critic_target) reads what no operation before it"},
                {SAC_CRITIC, SAC_POLICY, "(rows softmax gradient of actor) reads what no operation before it"}};
  const sac_algorithm* whole = of(SAC_ALGO_SAC_DISCRETE);
  sac_op update[SAC_OPS_MAX];
  sac_algorithm algo = *whole;
  sac_plan plan;
  int32_t n = 0, forward = 0;
  algo.update = update;
  for (int32_t i = 0; i < whole->op_count; i++) {
    const sac_op* op = &whole->update[i];
    if (op->kind == SAC_FORWARD && op->nets == others[_i].nets && op->at == others[_i].at) forward = i;
    else update[n++] = *op;
  }
  algo.op_count = n;
  ck_fails(sac_plan_create(&plan, &algo, 0), SAC_ERROR_CONFIG, others[_i].text);

  /* behind its reader, at the end of the list */
  update[n] = whole->update[forward];
  update[n].stage = SAC_STAGE_TARGET_UPDATE;
  algo.op_count = n + 1;
  ck_fails(sac_plan_create(&plan, &algo, 0), SAC_ERROR_CONFIG, others[_i].text);
}
END_TEST

/* Lists with an operation too many, and the one whose stages descend. */
START_TEST(refuses) {
  sac_op update[SAC_OPS_MAX + 1];
  sac_algorithm algo = *of(SAC_ALGO_SAC);
  sac_plan plan;
  algo.update = update;
  static const sac_op extra = SAC_OP(TARGET, ADAM, .nets = SAC_VALUE);

  /* a step of networks without gradients; a stage before the one before; too many operations */
  memcpy(update, of(SAC_ALGO_SAC)->update, (size_t)of(SAC_ALGO_SAC)->op_count * sizeof *update);
  algo.op_count = of(SAC_ALGO_SAC)->op_count;
  update[algo.op_count++] = extra;
  ck_fails(sac_plan_create(&plan, &algo, 0), SAC_ERROR_CONFIG, "adam  of value");
  update[algo.op_count - 1] = of(SAC_ALGO_SAC)->update[0];
  ck_fails(sac_plan_create(&plan, &algo, 0), SAC_ERROR_CONFIG, "earlier stage");
  algo.op_count = SAC_OPS_MAX + 1;
  ck_fails(sac_plan_create(&plan, &algo, 0), SAC_ERROR_CONFIG, "more than 64 operations");
}
END_TEST

/* Launches of an update, as the nodes of its graph count them (test_cuda_agent). */
START_TEST(launches) {
  ck_assert_int_eq(sac_algo_launches(of(SAC_ALGO_SAC), 2), 34);
  ck_assert_int_eq(sac_algo_launches(of(SAC_ALGO_SAC_V), 2), 47);
  for (int id = 0; id < SAC_ALGO_COUNT; id++)
    for (int32_t layers = 1; layers < 6; layers++)
      ck_assert_int_lt(sac_algo_launches(of(id), layers), sac_algo_launches(of(id), layers + 1));
}
END_TEST

CHECK_MAIN("plan", LOOP(keeps_every_operation, 2), CASE(moves_to_the_first_reader),
           CASE(gradients_stand_by_their_steps), CASE(passes_share_memory), CASE(passes_in_use_share_no_memory),
           LOOP(a_second_pass_lasts, 2), LOOP(boltzmann_stays_in_its_stage, 2),
           LOOP(refuses_a_list_with_a_gap, SAC_ALGO_COUNT), LOOP(refuses_a_second_pass_that_is_missing, 2),
           CASE(refuses), CASE(launches))
