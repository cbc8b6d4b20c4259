/* ctest: timeout=300
 *
 * Every operation of every algorithm's list on a device, at the odd sizes of src/verify/cases.c: CPU and CUDA make the
 * same update part by part. What an operation writes agrees with the CPU's, and everything else stays as it was to the
 * bit. */
#include "agent/update.h"
#include "support/cuda_agent.h"
#include "support/ops_case.h"
#include "support/reference.h"

/* --- a part against the CPU's ------------------------------------------------------------------------------------- */

/* One operation on both: the slabs around its part on the device, and behind its part on the CPU. */
typedef struct pair {
  sac_agent* gpu;
  const sac_op* op;
  int32_t p;
  const ops_shot *before, *after, *cpu;
} pair;

/* What follows starts from the CPU's numbers, to the bit. */
static void take_over(const pair* of, sac_memory memory, size_t at, size_t count) {
  memcpy(of->after->slab[memory] + at, of->cpu->slab[memory] + at, count * sizeof(float));
  ck_ok(of->gpu->backend->write(of->gpu, memory, of->p, at, of->cpu->slab[memory] + at, count));
}

static void compare_gradient(const pair* of, size_t at, size_t count) {
  const float *got = of->after->slab[SAC_MEMORY_GRAD] + at, *expected = of->cpu->slab[SAC_MEMORY_GRAD] + at;
  double largest = 0;
  for (size_t i = 0; i < count; i++) largest = fmax(largest, fabs((double)expected[i]));
  for (size_t i = 0; i < count; i++)
    ck_assert_msg(fabs((double)got[i] - (double)expected[i]) <= BOTH_SIDES * GRADIENT_REL * largest + GRADIENT_ABS,
                  "%s: number %zu of a tensor is %.9g, not %.9g (largest %.3g)", ops_name(of->op), i, (double)got[i],
                  (double)expected[i], largest);
}

static double rate_of(const sac_settings* s, const sac_op* op) {
  const double rate = op->kind == SAC_TEMPERATURE ? s->alpha_lr : op->nets == SAC_ACTOR ? s->actor_lr : s->critic_lr;
  return sac_auto(rate, s->lr);
}

/* log alpha behind its step, in [log alpha.min, log alpha.max]. */
static double within_bounds(const sac_settings* s, double log_alpha) {
  if (exp(log_alpha) < s->alpha_min) return log(s->alpha_min);
  return exp(log_alpha) > s->alpha_max ? log(s->alpha_max) : log_alpha;
}

/* Adam in double from the device's own gradient: its step makes much of a gradient's last digits. */
static void compare_adam(const pair* of, size_t at, size_t count) {
  const sac_settings* s = &of->gpu->settings;
  const double rate = rate_of(s, of->op);
  double state[2][SAC_MEMORY_REPLAY];
  reference before = {0}, after = {0};
  for (size_t i = at; i < at + count; i++) {
    double expected[3];
    for (int m = 0; m < SAC_MEMORY_TARGET; m++) {
      state[0][m] = (double)of->before->slab[m][i], state[1][m] = (double)of->after->slab[m][i];
      before.slab[m] = &state[0][m], after.slab[m] = &state[1][m];
    }
    reference_adam(s, of->gpu->counters[of->p].updates + 1, rate, &before, &after, 0, expected);
    if (of->op->kind == SAC_TEMPERATURE) expected[0] = within_bounds(s, expected[0]);
    const double w = state[0][SAC_MEMORY_WEIGHTS], m = state[0][SAC_MEMORY_ADAM_M];
    ck_near(state[1][SAC_MEMORY_WEIGHTS], expected[0], 2 * FLOAT_EPSILON * fabs(w) + ADAM_STEP_REL * rate);
    ck_near_relative(state[1][SAC_MEMORY_ADAM_M], expected[1], MOMENT_REL, MOMENT_ABS + 4 * FLOAT_EPSILON * fabs(m));
    ck_near_relative(state[1][SAC_MEMORY_ADAM_V], expected[2], MOMENT_REL, MOMENT_ABS);
  }
  for (int m = 0; m < SAC_MEMORY_TARGET; m++) take_over(of, (sac_memory)m, at, count);
}

static void compare_polyak(const pair* of, size_t at, size_t count) {
  ck_near_array(of->after->slab[SAC_MEMORY_TARGET] + at, of->cpu->slab[SAC_MEMORY_TARGET] + at, count, POLYAK_REL,
                POLYAK_ABS);
}

/* Calls `compare` for each tensor of the operation's networks. */
static void each_tensor(const pair* of, void (*compare)(const pair* of, size_t at, size_t count)) {
  const sac_tensors* tensors = &of->gpu->tensors;
  for (int32_t n = 0; n < tensors->nets[of->op->nets]; n++) {
    const sac_net* net = &tensors->net[of->op->nets][n];
    for (ops_tensor t = ops_first(net); t.count > 0; t = ops_next(net, t)) compare(of, t.at, t.count);
  }
}

static void compare(const pair* of) {
  const size_t log_alpha = of->gpu->tensors.log_alpha;
  if (of->op->kind == SAC_GRADIENT) each_tensor(of, compare_gradient);
  if (of->op->kind == SAC_ADAM) each_tensor(of, compare_adam);
  if (of->op->kind == SAC_POLYAK) each_tensor(of, compare_polyak);
  if (of->op->kind != SAC_TEMPERATURE || !of->gpu->settings.alpha_learn) return;
  ck_near_relative(of->after->slab[SAC_MEMORY_GRAD][log_alpha], of->cpu->slab[SAC_MEMORY_GRAD][log_alpha],
                   BOTH_SIDES * LOSS_REL, BOTH_SIDES * LOSS_ABS);
  compare_adam(of, log_alpha, 1);
}

/* After a part on the device: its operations, each beside the CPU's part that holds it. */
static void beside_the_cpu(void* context, const ops_record* record, sac_agent* gpu, int32_t part) {
  const ops_record* cpu = context;
  for (int32_t i = 0; i < gpu->algo->op_count; i++)
    for (int32_t p = 0; p < gpu->shape.population && record->part_of[i] == part; p++) {
      const pair of = {.gpu = gpu,
                       .op = &gpu->algo->update[i],
                       .p = p,
                       .before = ops_shot_at(record, part, p),
                       .after = ops_shot_at(record, part + 1, p),
                       .cpu = ops_shot_at(cpu, cpu->part_of[i] + 1, p)};
      compare(&of);
    }
}

/* A policy exp(q/alpha)/Z makes much of roundings of q where alpha is small: of log Z, which is of the size of q/alpha.
 */
static void compare_statistics(const sac_update_stats* got, const sac_update_stats* expected) {
#define COMPARE(name, column, watched, each, over, value, tag, meaning) \
  ck_near_relative(got->name, expected->name, BOTH_SIDES* LOSS_REL,     \
                   BOTH_SIDES*(LOSS_ABS + EXPONENT_REL * fabs(expected->log_z)));
  SAC_STATISTICS(COMPARE)
#undef COMPARE
}

/* --- the cases ---------------------------------------------------------------------------------------------------- */

/* Whether CUDA serves a case. What it does not serve, it refuses by name: linear networks with one output, and nothing
 * else. */
static int serves(const agent_case* c) {
  agent_case on = *c;
  sac_agent* agent;
  case_set(&on, "device", "cuda:0");
  if (agent_case_try(&on, &agent) == SAC_OK) {
    sac_agent_destroy(agent);
    return 1;
  }
  printf("  refused: %s\n", sac_last_error());
  ck_assert_msg(strcmp(c->hidden, "[]") == 0, "refused: %s", sac_last_error());
  ck_assert_ptr_nonnull(strstr(sac_last_error(), "network.hidden [] and replay.sampling"));
  ck_assert_ptr_nonnull(strstr(sac_last_error(), "does not run on cuda:0"));
  return 0;
}

START_TEST(operations) {
  const agent_case c = ops_agent_case(_i);
  ops_announce(_i);
  if (!serves(&c)) return;
  sac_agent *cpu = agent_case_create(&c), *gpu = cuda_agent_create(&c);
  agent_case_age(cpu, 2);
  copy_agent(cpu, gpu);
  update_inputs in = update_inputs_create(cpu, 5);
  ops_record record = ops_update(cpu, &in, NULL, NULL);
  ops_record beside = ops_update(gpu, &in, beside_the_cpu, &record);

  /* the end of the update */
  ck_ok(gpu->backend->state_get(gpu));
  for (int32_t p = 0; p < cpu->shape.population; p++) {
    compare_statistics(&gpu->stats[p], &cpu->stats[p]);
    ck_assert_mem_eq(&gpu->counters[p], &cpu->counters[p], sizeof *gpu->counters);
    ck_assert_uint_eq(gpu->totals[p].updates, cpu->totals[p].updates);
  }
  ops_record_free(&record);
  ops_record_free(&beside);
  update_inputs_free(&in);
  sac_agent_destroy(cpu);
  sac_agent_destroy(gpu);
  cuda_done();
}
END_TEST

/* All parts in turn are an update, to the bit. */
START_TEST(parts_in_turn) {
  const agent_case c = ops_agent_case(_i);
  ops_announce(_i);
  if (!serves(&c)) return;
  sac_agent *whole = cuda_agent_create(&c), *parts = cuda_agent_create(&c);
  agent_case_push(whole, 300, 9);
  agent_case_push(parts, 300, 9);
  for (int update = 0; update < 2; update++) {
    ck_ok(sac_agent_update(whole, 1));
    for (int32_t part = 0; part < parts->backend->part_count(parts); part++)
      ck_ok(parts->backend->part_run(parts, part));
  }
  ck_ok(parts->backend->state_get(parts));
  for (int32_t p = 0; p < whole->shape.population; p++) same_agents(whole, p, parts, p);
  sac_agent_destroy(whole);
  sac_agent_destroy(parts);
  cuda_done();
}
END_TEST

/* Each part's graph has the launches that the list says (sac_op_launches), and all of them those of an update's. */
START_TEST(launches_of_parts) {
  /* the times of each part, with its nodes */
  const char* const hidden[] = {"8", "16,8", "16,8,8"};
  const agent_case c = {
      .algo = sac_algo_name(_i / 3), .obs = 3, .action = 2, .hidden = hidden[_i % 3], .batch = 8, .critics = 2};
  sac_agent* agent = cuda_agent_create(&c);
  const int32_t count = agent->backend->part_count(agent), layers = agent->shape.layers;
  sac_stage_time* times = calloc((size_t)count, sizeof *times);
  int32_t number = 0;
  size_t nodes = 0;
  agent_case_push(agent, 20, 9);
  ck_ok(agent->backend->part_times(agent, times));

  /* part by part; the first one has the draw of the minibatch besides */
  for (int32_t part = 0; part < count; nodes += times[part++].nodes) {
    const sac_part its = agent->backend->part_at(agent, part);
    size_t expected = part == 0;
    for (int32_t o = 0; o < its.count; o++) expected += (size_t)sac_op_launches(agent->algo, number++, layers);
    if (CUDA_HOST)
      ck_assert_msg(times[part].nodes == expected, "%s %s: %zu nodes, not %zu", c.algo, its.name, times[part].nodes,
                    expected);
    ck_assert(times[part].nodes >= expected); /* a device's cuBLAS may split a product */
    ck_assert(times[part].nodes > 0 ? times[part].microseconds > 0 : times[part].microseconds >= 0);
  }

  /* all parts together */
  ck_assert_int_eq(number, agent->algo->op_count);
  ck_ok(sac_agent_update(agent, 2));
  ck_assert_uint_ge(nodes, (size_t)sac_algo_launches(agent->algo, layers));
  if (CUDA_HOST) ck_assert_uint_eq(nodes, sac_cuda_graph_nodes(agent));
  free(times);
  sac_agent_destroy(agent);
  cuda_done();
}
END_TEST

CUDA_MAIN("cuda ops", LOOP(operations, ops_variants()), LOOP(parts_in_turn, ops_variants()),
          LOOP(launches_of_parts, 3 * SAC_ALGO_COUNT))
