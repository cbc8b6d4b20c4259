/* ctest: timeout=600
 *
 * Updates on the CUDA backend through the library: against the CPU, stage by stage and over many updates; golden
 * updates; the same bits however updates are launched. */
#include "cpu/cpu.h"
#include "cuda/cuda.h"
#include "support/cuda_agent.h"
#include "support/folder.h"
#include "support/golden_files.h"
#include "support/reference.h"
#include "support/tolerances.h"
#include "verify/verify.h"

/* --- the CPU as oracle, stage by stage ---------------------------------------------------------------------------- */

/* `n` floats of device memory. */
static float* fetch(const float* device, size_t n) {
  float* host = calloc(n, sizeof *host);
  ck_assert_int_eq(cudaDeviceSynchronize(), cudaSuccess);
  ck_assert_int_eq(cudaMemcpy(host, device, n * sizeof *host, cudaMemcpyDeviceToHost), cudaSuccess);
  return host;
}

/* Checks that two agents drew the same rows and the same noise, to the bit. */
static void same_minibatch(const sac_agent* cpu, const sac_agent* gpu) {
  /* the two minibatches; the CPU keeps rows in panels */
  const sac_shape* s = &cpu->shape;
  const int discrete = cpu->algo->discrete;
  const size_t B = (size_t)s->batch, O = (size_t)s->obs, A = (size_t)s->action, K = (size_t)s->critics;
  const size_t F = discrete ? O : O + A;
  const sac_cpu_minibatch* ours = ((const sac_cpu*)cpu->storage)->minibatch;
  const sac_device_minibatch* m = &sac_gpu_of(gpu)->minibatch;
  const size_t stride = (size_t)((const sac_cpu*)cpu->storage)->panels * SAC_PANEL * SAC_PANEL;
  const int next_action = cpu->settings.algo == SAC_ALGO_SAC;
  float *states = fetch(m->states, 2 * B * O), *current = fetch(m->current, K * B * F),
        *policy = discrete ? NULL : fetch(m->policy, K * B * F), *next = fetch(m->next, K * B * F),
        *reward = fetch(m->reward, B), *discount = fetch(m->discount, B),
        *noise = discrete ? NULL : fetch(m->noise, 2 * B * A), *action = discrete ? fetch(m->action, B) : NULL;

  /* every place that a number goes to: each critic's input, and the states */
  for (size_t r = 0; r < B; r++) {
    for (size_t f = 0; f < F; f++) {
      const size_t panel = f / SAC_PANEL * stride + r * SAC_PANEL + f % SAC_PANEL;
      for (size_t k = 0; k < K; k++) {
        const size_t at = (k * B + r) * F + f;
        ck_same_bits(&current[at], &ours->current[panel], 1);
        if (f >= O) continue;
        if (!discrete) ck_same_bits(&policy[at], &ours->current[panel], 1);
        if (next_action || discrete) ck_same_bits(&next[at], &ours->next[panel], 1);
      }
      if (f >= O) continue;
      ck_same_bits(&states[r * O + f], &ours->current[panel], 1);
      ck_same_bits(&states[(B + r) * O + f], &ours->next[panel], 1);
    }
  }

  /* rewards, discounts, and noise or numbers of actions */
  ck_same_bits(reward, ours->reward, B);
  ck_same_bits(discount, ours->discount, B);
  if (!discrete) ck_same_bits(noise, ours->noise[SAC_POLICY], B * A);
  if (next_action) ck_same_bits(noise + B * A, ours->noise[SAC_NEXT], B * A);
  for (size_t r = 0; discrete && r < B; r++)
    ck_same_bits(&action[r], &ours->current[O / SAC_PANEL * stride + r * SAC_PANEL + O % SAC_PANEL], 1);
  free(states), free(current), free(policy), free(next), free(reward), free(discount), free(noise), free(action);
}

static int begins(const sac_tensor* tensor, const char* with) { return strncmp(tensor->name, with, strlen(with)) == 0; }

/* A log_alpha within the bounds of alpha. */
static double bounded(const sac_settings* s, double log_alpha) {
  const double raised = log_alpha < log(s->alpha_min) ? log(s->alpha_min) : log_alpha;
  return raised > log(s->alpha_max) ? log(s->alpha_max) : raised;
}

/* After a stage on both devices. Tensors in `stepped` have the CPU's gradients and made Adam's step; tensors in
 * `graded` only have gradients; everything else is unchanged. */
static void check_stage(const sac_agent* cpu, const sac_agent* gpu, const reference* before, const char* stepped,
                        const char* also, const char* graded) {
  /* both agents' slabs, tensor by tensor */
  reference after = reference_read(gpu, 0), expected = reference_read(cpu, 0);
  const sac_settings* s = &gpu->settings;
  for (int i = 0; i < gpu->tensors.count; i++) {
    const sac_tensor* t = &gpu->tensors.tensor[i];
    if (t->slab != SAC_SLAB_TRAINED) continue;
    const int steps = begins(t, stepped) || begins(t, also);
    const double* grad = expected.slab[SAC_MEMORY_GRAD];

    /* the size of the gradient, and the learning rate */
    double largest = 0;
    for (size_t e = t->offset; e < t->offset + t->count; e++) largest = fmax(largest, fabs(grad[e]));
    const double rate = begins(t, "actor") ? s->actor_lr : begins(t, "log_alpha") ? s->alpha_lr : s->critic_lr;
    const double lr = sac_auto(rate, s->lr);
    for (size_t e = t->offset; e < t->offset + t->count; e++) {
      double adam[3];

      /* a tensor that made no step is as it was */
      if (!steps) {
        for (int m = 0; m < SAC_MEMORY_TARGET; m++)
          if (m != SAC_MEMORY_GRAD || !begins(t, graded)) ck_same_bits(&after.slab[m][e], &before->slab[m][e], 1);
        if (!begins(t, graded)) continue;
      }

      /* the gradient */
      const double got = after.slab[SAC_MEMORY_GRAD][e];
      ck_assert_msg(fabs(got - grad[e]) <= BOTH_SIDES * GRADIENT_REL * largest + GRADIENT_ABS,
                    "grad/%s[%zu]: %.9g, not %.9g (of %.3g)", t->name, e - t->offset, got, grad[e], largest);
      if (!steps) continue;

      /* the step, in double from the device's own gradient */
      reference_adam(s, gpu->counters[0].updates + 1, lr, before, &after, e, adam);
      if (begins(t, "log_alpha")) adam[0] = bounded(s, adam[0]);
      const double w = before->slab[SAC_MEMORY_WEIGHTS][e];
      ck_near(after.slab[SAC_MEMORY_WEIGHTS][e], adam[0], FLOAT_EPSILON * 2 * fabs(w) + ADAM_STEP_REL * lr);
      ck_near_relative(after.slab[SAC_MEMORY_ADAM_M][e], adam[1], MOMENT_REL,
                       MOMENT_ABS + 4 * FLOAT_EPSILON * fabs(before->slab[SAC_MEMORY_ADAM_M][e]));
      ck_near_relative(after.slab[SAC_MEMORY_ADAM_V][e], adam[2], MOMENT_REL, MOMENT_ABS);
    }
  }
  ck_same_bits(after.slab[SAC_MEMORY_TARGET], before->slab[SAC_MEMORY_TARGET], after.floats[SAC_MEMORY_TARGET]);
  reference_free(&after);
  reference_free(&expected);
}

static void same_stats(const sac_update_stats* got, const sac_update_stats* expected, double relative, double floor) {
#define SAME(name, column, watched, each, over, value, tag, meaning) \
  ck_near_relative(got->name, expected->name, relative, floor);
  SAC_STATISTICS(SAME)
#undef SAME
}

#define BOTH(word)                         \
  do {                                     \
    ck_ok(cpu->backend->stage(cpu, word)); \
    ck_ok(gpu->backend->stage(gpu, word)); \
  } while (0)

START_TEST(stages_are_the_cpu_s) {
  /* two agents with the same replay */
  sac_agent *cpu = agent_case_create(&cuda_agents[_i]), *gpu = cuda_agent_create(&cuda_agents[_i]);
  agent_case_push(cpu, 600, 9);
  agent_case_push(gpu, 600, 9);
  for (int round = 0; round < 3; round++) {
    /* each round starts later in training, from the CPU's bits */
    ck_ok(sac_agent_update(cpu, round));
    copy_agent(cpu, gpu);
    const int at_once = cpu->settings.algo == SAC_ALGO_SAC_V, learned = cpu->settings.alpha_learn;
    reference before = reference_read(gpu, 0);

    /* minibatch and critics */
    BOTH(SAC_STAGE_REPLAY_SAMPLE);
    same_minibatch(cpu, gpu);
    BOTH(SAC_STAGE_CRITIC_UPDATE);
    check_stage(cpu, gpu, &before, "critic", "value", at_once ? "actor" : "critic");

    /* actor, then temperature */
    for (int stage = 0; stage < 2; stage++) {
      reference_free(&before);
      for (int m = 0; m < SAC_MEMORY_TARGET; m++) { /* the next stage starts from the CPU's weights, to the bit */
        size_t count;
        float* x = slab_copy(cpu, (sac_memory)m, 0, &count);
        ck_ok(gpu->backend->write(gpu, (sac_memory)m, 0, 0, x, count));
        free(x);
      }
      before = reference_read(gpu, 0);

      /* only the networks of the stage move */
      if (stage == 0) BOTH(SAC_STAGE_ACTOR_UPDATE);
      else BOTH(SAC_STAGE_TEMPERATURE_UPDATE);
      const char* moved = stage == 0 ? "actor" : learned ? "log_alpha" : "none";
      check_stage(cpu, gpu, &before, moved, moved, moved);
    }

    /* targets, statistics and counters */
    reference_free(&before);
    BOTH(SAC_STAGE_TARGET_UPDATE);
    size_t count;
    float *a = slab_copy(cpu, SAC_MEMORY_TARGET, 0, &count), *b = slab_copy(gpu, SAC_MEMORY_TARGET, 0, &count);
    ck_near_array(b, a, count, POLYAK_REL, ADAM_STEP_REL * cpu->settings.lr);
    free(a), free(b);
    ck_ok(gpu->backend->state_get(gpu));
    same_stats(&gpu->stats[0], &cpu->stats[0], BOTH_SIDES * LOSS_REL, BOTH_SIDES * LOSS_ABS);
    ck_assert_mem_eq(&gpu->counters[0], &cpu->counters[0], sizeof *gpu->counters);
    ck_assert_uint_eq(gpu->totals[0].updates, cpu->totals[0].updates);
    same_stats(&gpu->totals[0].sum, &cpu->totals[0].sum, 2 * BOTH_SIDES * LOSS_REL, 2 * BOTH_SIDES * LOSS_ABS);
  }
  sac_agent_destroy(cpu);
  sac_agent_destroy(gpu);
  cuda_done();
}
END_TEST

/* --- many updates ------------------------------------------------------------------------------------------------- */

enum { MANY = CUDA_HOST ? 40 : 250 }; /* the host execution is slow */
static const struct {
  const char* precision;
  double metrics, weights; /* after MANY updates: the root mean square of the difference, relative to that of the
                              weights' movement */
  double low, high; /* the same for the gradients of the first update: between these bounds on the rounding error */
} drift[] = {{"fp32", CUDA_DRIFT_FP32}, {"tf32", CUDA_DRIFT_TF32}, {"bf16", CUDA_DRIFT_BF16}};

/* cuBLAS may compute the small products of many_updates_stay_together in float, so `low` holds only on the host
 * execution. The products of precision_is_used are large enough for tensor cores. */

/* The distance between two agents' slabs, relative to their distance from `zero` (NULL: from 0). */
static double distance(const sac_agent* one, const sac_agent* other, sac_memory memory, const float* zero) {
  size_t n;
  float *a = slab_copy(one, memory, 0, &n), *b = slab_copy(other, memory, 0, &n);
  double size = 0, apart = 0;
  for (size_t i = 0; i < n; i++)
    size += pow((double)a[i] - (zero ? (double)zero[i] : 0), 2), apart += pow((double)a[i] - (double)b[i], 2);
  free(a), free(b);
  return sqrt(apart / size);
}

START_TEST(many_updates_stay_together) {
  /* two agents with the same replay */
  agent_case c = {
      .algo = sac_algo_name(_i % SAC_ALGO_COUNT), .obs = 11, .action = 3, .hidden = "32,32", .batch = 64, .critics = 2};
  case_set(&c, "optim.lr", "1e-3");
  if (agent_case_discrete(&c)) case_set(&c, "seed", "2"); /* no ReLU turns on or off by the rounding of a product */
  sac_agent* cpu = agent_case_create(&c);
  case_set(&c, "precision", drift[_i / SAC_ALGO_COUNT].precision);
  sac_agent* gpu = cuda_agent_create(&c);
  agent_case_push(cpu, 1500, 9);
  agent_case_push(gpu, 1500, 9);

  /* the gradients of the first update, then all the updates */
  size_t n;
  float* start = slab_copy(cpu, SAC_MEMORY_WEIGHTS, 0, &n);
  ck_ok(sac_agent_update(cpu, 1));
  ck_ok(sac_agent_update(gpu, 1));
  const double first = distance(cpu, gpu, SAC_MEMORY_GRAD, NULL);
  ck_ok(sac_agent_update(cpu, MANY - 1));
  ck_ok(sac_agent_update(gpu, MANY - 1));
  const double weights = distance(cpu, gpu, SAC_MEMORY_WEIGHTS, start);

  /* the largest difference of the statistics' sums, relative to their size */
  const double* ours = (const double*)&gpu->totals[0].sum;
  const double* theirs = (const double*)&cpu->totals[0].sum;
  double worst = 0;
  for (size_t i = 0; i < sizeof(sac_update_stats) / sizeof(double); i++)
    worst = check_larger(worst, fabs(ours[i] - theirs[i]) / (fabs(theirs[i]) + CUDA_DRIFT_FLOOR * MANY));
  printf("%s %s: first gradients apart by %.2g, statistics by %.2g, weights by %.2g of their way\n", c.algo,
         drift[_i / SAC_ALGO_COUNT].precision, first, worst, weights);

  /* each within its bounds */
  ck_assert_msg(first >= (CUDA_HOST ? drift[_i / SAC_ALGO_COUNT].low : 0) && first <= drift[_i / SAC_ALGO_COUNT].high,
                "gradients are apart by %.3g", first);
  ck_assert_msg(worst <= drift[_i / SAC_ALGO_COUNT].metrics, "statistics are apart by %.3g", worst);
  ck_assert_msg(weights <= drift[_i / SAC_ALGO_COUNT].weights, "weights are apart by %.3g", weights);
  free(start);
  sac_agent_destroy(cpu);
  sac_agent_destroy(gpu);
  cuda_done();
}
END_TEST

/* `precision` reaches the products: the gradients of the first update differ from those of fp32 by the rounding of the
 * precision (measured: 0.001 and 0.006). Networks are wide on a device, so that products use tensor cores. Whether bf16
 * rounds more than tf32 there depends on cuBLAS. */
START_TEST(precision_is_used) {
  agent_case c = {.algo = _i ? "sac-v" : "sac",
                  .obs = 24,
                  .action = 8,
                  .hidden = CUDA_HOST ? "128,128" : "1024,1024",
                  .batch = CUDA_HOST ? 64 : 256,
                  .critics = 2};

  /* one update in each precision */
  sac_agent* agent[3];
  for (int i = 0; i < 3; i++) {
    agent_case of = c;
    case_set(&of, "precision", drift[i].precision);
    agent[i] = cuda_agent_create(&of);
    agent_case_push(agent[i], 300, 9);
    ck_ok(sac_agent_update(agent[i], 1));
  }

  /* tf32 rounds more than fp32, and bf16 more than tf32 */
  const double tf32 = distance(agent[0], agent[1], SAC_MEMORY_GRAD, NULL);
  const double bf16 = distance(agent[0], agent[2], SAC_MEMORY_GRAD, NULL);
  printf("%s %s: gradients apart from fp32's by %.2g (tf32), %.2g (bf16)\n", c.algo, c.hidden, tf32, bf16);
  ck_assert_msg(tf32 >= drift[1].low && tf32 <= TF32_APART, "tf32 is apart by %.3g", tf32);
  ck_assert_msg(bf16 >= drift[1].low && bf16 <= BF16_APART, "bf16 is apart by %.3g", bf16);
  if (CUDA_HOST) ck_assert_msg(bf16 > BF16_BEYOND_TF32 * tf32, "bf16 is apart by %.3g, tf32 by %.3g", bf16, tf32);
  for (int i = 0; i < 3; i++) sac_agent_destroy(agent[i]);
  cuda_done();
}
END_TEST

/* --- how updates are launched ------------------------------------------------------------------------------------- */

/* The host execution runs a third of the cases with each agent, so that each runs with both algorithms. */
START_TEST(graphs_change_no_bit) {
  static const char* const many[] = {"1", "3", CUDA_HOST ? "2" : "16"};
  sac_agent* eager = after_updates(cuda_agents[_i], "cuda.graph", "false");
  ck_assert_uint_eq(sac_cuda_graph_nodes(eager), 0);
  for (int i = CUDA_HOST ? _i % 3 : 0; i < 3; i += CUDA_HOST ? 3 : 1) {
    cuda_order((uint64_t)i * 77);
    sac_agent* graph = after_updates(cuda_agents[_i], "cuda.updates_per_graph", many[i]);
    ck_assert_uint_ge(sac_cuda_graph_nodes(graph), 8); /* of soft-q with a linear network */
    ck_assert_int_eq(sac_gpu_of(graph)->many != NULL, i > 0);
    same_agents(eager, 0, graph, 0);
    sac_agent_destroy(graph);
  }
  sac_agent_destroy(eager);
  cuda_done();
}
END_TEST

static const struct {
  const char *algo, *hidden;
  size_t kernels, products; /* in the order of src/cuda/update.c */
} sizes[] = {{"sac", "256,256", 18, 16},          {"sac-v", "256,256", 24, 23},   {"sac", "256", 13, 8},
             {"sac", "256,256,256", 24, 24},      {"soft-q", "256,256", 10, 8},   {"soft-q", "[]", 6, 2},
             {"sac-discrete", "256,256", 19, 19}, {"sac-discrete", "256", 14, 12}};

/* A launch costs microseconds whatever it does, so the number of nodes is checked; it does not depend on population and
 * batch. On a device cuBLAS may split the sums of a product over blocks and add them in a second kernel. The number of
 * such kernels is printed. */
START_TEST(nodes_of_an_update) {
  agent_case c = {.algo = sizes[_i].algo, .obs = 17, .action = 6, .hidden = sizes[_i].hidden, .batch = 8, .critics = 2};
  const size_t least = sizes[_i].kernels + sizes[_i].products, most = CUDA_HOST ? least : least + sizes[_i].products;
  for (int i = 0; i < 2; i++) {
    sac_agent* agent = cuda_agent_create(&c);
    ck_assert_uint_eq(sac_cuda_graph_nodes(agent), 0);
    agent_case_push(agent, 20, 1);
    ck_ok(sac_agent_update(agent, 2));
    const size_t nodes = sac_cuda_graph_nodes(agent);
    printf("%s %s, %d agents: %zu nodes (%zu kernels, %zu products)\n", c.algo, c.hidden, (int)agent->shape.population,
           nodes, sizes[_i].kernels, sizes[_i].products);
    ck_assert_uint_ge(nodes, least);
    ck_assert_uint_le(nodes, most);
    sac_agent_destroy(agent);
    c.population = 2, c.critics = 5;
  }
  cuda_done();
}
END_TEST

/* Results do not depend on the order of blocks, threads and graph nodes, which CUDA does not define. */
START_TEST(same_seed_same_bits) {
  const agent_case* c = &cuda_agents[(const int[]){1, 7, 5, SAC_DISCRETE_AGENT + 1, SOFT_Q_AGENT}[_i]];
  sac_agent* first = after_updates(*c, NULL, NULL);
  for (uint64_t order = 1; order <= (CUDA_HOST ? 4 : 2); order++) {
    cuda_order(order * 1000003);
    sac_agent* again = after_updates(*c, NULL, NULL);
    same_agents(first, 0, again, 0);
    sac_agent_destroy(again);
  }
  sac_agent_destroy(first);
  cuda_done();
}
END_TEST

START_TEST(nothing_is_allocated_after_create) {
#ifdef SAC_CUDA_HOST
  const char* path = test_path(test_folder(), "agent.safetensors");
  agent_case c = cuda_agents[(const int[]){0, 5, SAC_DISCRETE_AGENT, SOFT_Q_AGENT}[_i]];
  case_set(&c, "env.num_envs", "4");
  case_set(&c, "cuda.updates_per_graph", "3");
  sac_agent* agent = cuda_agent_create(&c);
  const size_t live = sac_cuda_host_leaks();

  /* everything that an agent does, while an allocation on the device fails */
  sac_cuda_host_memory(1);
  agent_case_push(agent, 900, 9);
  agent_case_push(agent, 1900, 10);
  ck_ok(sac_agent_update(agent, 7)); /* graphs of one update and of three */
  agent_case_age(agent, 2);
  float *obs = random_floats(1, 10 * 400, 1), *action = random_floats(2, 10 * 400, 1);
  ck_ok(sac_agent_act(agent, 10, obs, NULL, 0, action, NULL));
  for (int m = 0; m < SAC_MEMORY_REPLAY; m++) {
    size_t count;
    free(slab_copy(agent, (sac_memory)m, 0, &count));
  }
  ck_ok(sac_agent_save(agent, path));

  /* the two graphs alone are new */
  ck_assert_uint_eq(sac_cuda_host_leaks(), live + 2);
  free(obs), free(action);
  sac_agent_destroy(agent);
  test_folder_remove();
#endif
  cuda_done();
}
END_TEST

/* --- golden updates ----------------------------------------------------------------------------------------------- */

START_TEST(golden_updates) {
  const golden_files* files = golden_files_list();
  sac_config* config = config_of("device=cuda:0");
  size_t rows = 0;
  for (int i = 0; i < files->count; i++) {
    sac_verify_report report = {0};
    ck_ok(sac_verify_file(files->path[i], config, &report));
    for (int32_t k = 0; k < report.count; k++)
      ck_assert_msg(report.row[k].ok, "%s: %s[%zu] is %.9g, expected %.9g +- %.2g", files->path[i], report.row[k].name,
                    report.row[k].worst, report.row[k].ours, report.row[k].expected, report.row[k].allowed);
    rows += (size_t)report.count;
    sac_verify_free(&report);
    cuda_done();
  }
  sac_config_destroy(config);
  printf("%d golden files, %zu tensors agree\n", files->count, rows);
}
END_TEST

CUDA_MAIN("cuda agent", LOOP(stages_are_the_cpu_s, AGENTS), LOOP(many_updates_stay_together, 3 * SAC_ALGO_COUNT),
          LOOP(precision_is_used, 2), LOOP(graphs_change_no_bit, AGENTS),
          LOOP(nodes_of_an_update, sizeof sizes / sizeof *sizes), LOOP(same_seed_same_bits, 5),
          LOOP(nothing_is_allocated_after_create, 4), CASE(golden_updates))
