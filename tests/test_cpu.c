/* The CPU backend: the same bits for any number of threads and any population, the same numbers on every instruction
 * set, and the announced memory. */
#include "agent/update.h"
#include "cpu/cpu.h"
#include "env/vector.h"
#include "support/agent_case.h"
#include "support/check_main.h"
#include "support/tolerances.h"
#include "train/step.h"
#include "util/memory.h"
#include "util/system.h"

static const agent_case agents[] = {
    {.algo = "sac", .obs = 17, .action = 6, .hidden = "64,48", .batch = 256, .critics = 2},
    {.algo = "sac", .obs = 1, .action = 1, .hidden = "1", .batch = 1, .critics = 1},
    {.algo = "sac", .obs = 33, .action = 5, .hidden = "31,129", .batch = 257, .critics = 5},
    {.algo = "sac-v", .obs = 3, .action = 2, .hidden = "65,31", .batch = 130, .critics = 2},
    {.algo = "sac-v", .obs = 3, .action = 1, .hidden = "7", .batch = 31, .critics = 1},
    {.algo = "soft-q", .obs = 5, .action = 33, .hidden = "65,31", .batch = 257, .critics = 2},
    {.algo = "soft-q", .obs = 3, .action = 2, .hidden = "[]", .batch = 31, .critics = 3},
    {.algo = "sac-discrete", .obs = 4, .action = 2, .hidden = "64,48", .batch = 257, .critics = 2},
    {.algo = "sac-discrete", .obs = 7, .action = 65, .hidden = "31", .batch = 130, .critics = 5},
};
#define AGENTS (sizeof agents / sizeof *agents)

/* Sanitized arithmetic is slow. Two updates are the fewest in which a weight depends on earlier moments. */
#ifdef SAC_SANITIZED
enum { SANITIZED = 1, UPDATES = 2, POPULATION_UPDATES = 2 };
#else
enum { SANITIZED = 0, UPDATES = 4, POPULATION_UPDATES = 3 };
#endif

/* Threads share one agent of a population at a time. Batches of a whole chunk of rows, 128, and of one row more show
 * where the parts meet. */
static agent_case population_case(size_t i) {
  agent_case c = agents[i];
  if (SANITIZED && c.batch > 129) c.batch = 129;
  return c;
}

static sac_agent* run(agent_case c, int threads, int population, int64_t seed, int updates) {
  char text[32];
  (void)snprintf(text, sizeof text, "%d", (int)seed);
  c.threads = threads;
  c.population = population;
  c.set[5][0] = NULL;
  for (int i = 0; i < 6; i++)
    if (!c.set[i][0]) {
      c.set[i][0] = "seed", c.set[i][1] = text;
      break;
    }
  sac_agent* agent = agent_case_create(&c);
  agent_case_push(agent, 600, 9);
  ck_ok(sac_agent_update(agent, updates));
  return agent;
}

START_TEST(threads_change_no_bit) {
  sac_agent* one = run(agents[_i], 1, 1, 7, UPDATES);
  for (int threads = 2; threads <= 5; threads += SANITIZED ? 3 : 1) {
    sac_agent* other = run(agents[_i], threads, 1, 7, UPDATES);
    same_agents(one, 0, other, 0);
    sac_agent_destroy(other);
  }
  sac_agent_destroy(one);
}
END_TEST

START_TEST(population_changes_no_bit) {
  /* 4 on 3 threads: three whole agents, and one that is shared; then fewer agents than threads */
  static const int sizes[][2] = {{4, 1}, {4, 2}, {4, 3}, {2, 5}, {3, 6}}; /* population, threads */
  const agent_case c = population_case((size_t)_i);
  sac_agent* one[4];
  for (int p = 0; p < 4; p++) one[p] = run(c, 2, 1, 7 + p, POPULATION_UPDATES);

  /* each agent of a population equals the same agent alone */
  for (size_t s = SANITIZED ? 1 : 0; s < sizeof sizes / sizeof *sizes; s++) {
    sac_agent* all = run(c, sizes[s][1], sizes[s][0], 7, POPULATION_UPDATES);
    for (int p = 0; p < sizes[s][0]; p++) same_agents(one[p], 0, all, p);
    sac_agent_destroy(all);
  }
  for (int p = 0; p < 4; p++) sac_agent_destroy(one[p]);
}
END_TEST

/* A stopped agent of a population is not changed, and does not change the others. */
START_TEST(a_dead_agent_is_skipped) {
  agent_case c = population_case((size_t)_i / 2);
  c.population = 3;
  c.threads = 2 + _i % 2; /* the two other agents: as whole agents, or shared by three threads one after the other */
  sac_agent *agent = agent_case_create(&c), *whole = agent_case_create(&c), *fresh = agent_case_create(&c);
  agent_case_push(agent, 300, 9);
  agent_case_push(whole, 300, 9);
  agent_case_push(fresh, 300, 9);
  agent->alive[1] = 0;
  ck_ok(sac_update(agent, 2));
  ck_ok(sac_update(whole, 2));
  same_agents(agent, 0, whole, 0);
  same_agents(agent, 2, whole, 2);
  same_agents(agent, 1, fresh, 1);
  sac_agent_destroy(agent);
  sac_agent_destroy(whole);
  sac_agent_destroy(fresh);
}
END_TEST

/* A minibatch that is drawn ahead is that of the later update, and leaves all counters. */
START_TEST(draws_ahead) {
  enum { DRAWS = 4 };
  const agent_case c = population_case(0);
  sac_agent *agent = agent_case_create(&c), *later = agent_case_create(&c);
  const size_t bytes = (size_t)c.batch * sizeof(uint64_t);
  uint64_t last[1000] = {0};
  ck_assert_uint_le(bytes, sizeof last);
  agent_case_push(agent, 300, 9);
  agent_case_push(later, 300, 9);
  for (uint64_t i = 0; i < DRAWS; i++) {
    ck_ok(sac_sample_ahead(agent, i));
    ck_ok(sac_update(later, 1));
    const uint64_t* index = ((sac_cpu*)agent->storage)->minibatch[0].index;
    ck_assert_mem_eq(index, ((sac_cpu*)later->storage)->minibatch[0].index, bytes);
    ck_assert_mem_ne(index, last, bytes);
    ck_assert_uint_eq(agent->counters[0].updates, 0);
    memcpy(last, index, bytes);
  }
  sac_agent_destroy(agent);
  sac_agent_destroy(later);
}
END_TEST

/* The same update on each instruction set. Adam moves a weight by about lr whatever the size of its gradient, so
 * weights are compared relative to lr, and gradients relative to the largest one. */
START_TEST(instruction_sets_agree) {
  sac_agent* agent[3] = {0};
  int count = 0;
  for (; sac_isa_available(count); count++) {
    ck_assert_int_eq(setenv("SAC_CPU", sac_isa_available(count)->name, 1), 0);
    agent[count] = run(agents[_i], 2, 1, 7, 1);
    ck_assert_str_eq(((const sac_cpu*)agent[count]->storage)->isa->name, sac_isa_available(count)->name);
  }
  unsetenv("SAC_CPU");
  for (int i = 1; i < count; i++) {
    size_t n;
    float *a = slab_copy(agent[0], SAC_MEMORY_GRAD, 0, &n), *b = slab_copy(agent[i], SAC_MEMORY_GRAD, 0, &n);
    double largest = 0;
    for (size_t k = 0; k < n; k++) largest = fmax(largest, fabs((double)a[k]));
    ck_near_array(a, b, n, 0, 10 * GRADIENT_REL * largest);
    free(a), free(b);
    ck_near_relative(agent[i]->stats[0].critic_loss, agent[0]->stats[0].critic_loss, LOSS_REL, LOSS_ABS);
    ck_near_relative(agent[i]->stats[0].actor_loss, agent[0]->stats[0].actor_loss, LOSS_REL, LOSS_ABS);
    ck_near_relative(agent[i]->stats[0].log_z, agent[0]->stats[0].log_z, LOSS_REL, LOSS_ABS);
  }
  for (int i = 0; i < count; i++) sac_agent_destroy(agent[i]);
}
END_TEST

/* The random actions of the warm-up: each number is as likely as the others, and is drawn for its row alone. */
START_TEST(warm_up_takes_every_action) {
  enum { ROWS = 4000, CALLS = 5 };
  static const int actions[] = {2, 3, 7, 18};
  static const char* const algos[] = {"soft-q", "sac-discrete"};
  agent_case c = {.algo = algos[_i % 2], .obs = 1, .action = actions[_i / 2], .hidden = "2", .batch = 2, .critics = 1};
  sac_agent *agent = agent_case_create(&c), *alone = agent_case_create(&c);
  float *obs = calloc(ROWS, sizeof(float)), *action = calloc(ROWS, sizeof(float)), one;
  double count[18] = {0};
  for (int call = 0; call < CALLS; call++) {
    const sac_act act = {.n = ROWS, .mode = SAC_ACT_UNIFORM, .obs = obs, .action = action};
    ck_ok(agent->backend->act(agent, &act));
    for (int i = 0; i < ROWS; i++) {
      ck_assert(action[i] >= 0 && action[i] < (float)c.action && action[i] == floorf(action[i]));
      count[(int)action[i]]++;
    }
    const sac_act single = {.n = 1, .mode = SAC_ACT_UNIFORM, .obs = obs, .action = &one};
    for (int i = 0; call == 0 && i < 50; i++) {
      ck_ok(alone->backend->act(alone, &single));
      ck_assert(one == action[i]);
    }
  }
  for (int a = 0; a < c.action; a++) {
    const double n = (double)ROWS * CALLS, p = 1.0 / c.action;
    ck_near(count[a] / n, p, STANDARD_ERRORS * sqrt(p * (1 - p) / n));
  }
  free(obs), free(action);
  sac_agent_destroy(agent);
  sac_agent_destroy(alone);
}
END_TEST

START_TEST(an_unknown_instruction_set_is_ignored) {
  ck_assert_int_eq(setenv("SAC_CPU", "avx1024", 1), 0);
  ck_assert_ptr_eq(sac_isa_choose(), sac_isa_available(0));
  unsetenv("SAC_CPU");
  ck_assert_ptr_null(sac_isa_available(-1));
  ck_assert_ptr_null(sac_isa_available(9));
  ck_assert_str_eq(sac_isa_available(0)->name, sac_isa_choose()->name);
}
END_TEST

/* size returns exactly the bytes that create allocates, and tensors are read back as they were written. */
START_TEST(size_and_memory) {
  sac_agent* agent = agent_case_create(&agents[_i]);
  const sac_cpu* cpu = agent->storage;
  size_t bytes[SAC_MEMORY_COUNT], scratch;
  agent->backend->size(agent, bytes, &scratch);
  sac_cpu copy = *cpu;
  ck_assert_uint_eq(scratch, sac_cpu_layout(agent, &copy) + sizeof *cpu + sac_pool_size(cpu->threads));
  ck_assert_uint_eq(bytes[SAC_MEMORY_WEIGHTS], agent->tensors.floats[SAC_SLAB_TRAINED] * sizeof(float));
  ck_assert_uint_eq(bytes[SAC_MEMORY_REPLAY],
                    (size_t)agent->shape.capacity * (size_t)agent->row.floats * sizeof(float));
  for (int m = 0; m < SAC_MEMORY_COUNT; m++) {
    const float in[3] = {1.5f, -2.5f, 3.25f};
    float out[3];
    const size_t at = bytes[m] / sizeof(float) - 3;
    ck_ok(agent->backend->write(agent, (sac_memory)m, 0, at, in, 3));
    ck_ok(agent->backend->read(agent, (sac_memory)m, 0, at, out, 3));
    ck_same_bits(in, out, 3);
  }
  sac_agent_destroy(agent);
}
END_TEST

/* Zero threads means one for each processor. */
START_TEST(threads_by_default) {
  agent_case c = agents[0];
  c.set[0][0] = "cpu.threads", c.set[0][1] = "0";
  sac_agent* agent = agent_case_create(&c);
  ck_assert_int_eq(((const sac_cpu*)agent->storage)->threads, sac_processors());
  sac_agent_destroy(agent);
}
END_TEST

CHECK_MAIN("cpu", LOOP(threads_change_no_bit, AGENTS), LOOP(population_changes_no_bit, AGENTS),
           LOOP(a_dead_agent_is_skipped, 2 * AGENTS), LOOP(instruction_sets_agree, AGENTS),
           CASE(an_unknown_instruction_set_is_ignored), CASE(draws_ahead), LOOP(warm_up_takes_every_action, 8),
           LOOP(size_and_memory, AGENTS), CASE(threads_by_default))
