/* ctest: timeout=300
 *
 * Using the CUDA backend through the library: populations, tensors and states to the host and back, act, files. */
#include "agent/update.h"
#include "support/cuda_agent.h"
#include "support/folder.h"
#include "support/tolerances.h"

/* Representative agents for the host execution, where one takes seconds: each algorithm, odd sizes, five critics, a
 * fixed temperature, many columns. A device runs all. */
static const int few[] = {1, 3, 4, 5, 7, SAC_DISCRETE_AGENT + 1, SOFT_Q_AGENT};
#define FEW (CUDA_HOST ? (int)(sizeof few / sizeof *few) : (int)AGENTS)
static agent_case one_of_few(int i) { return cuda_agents[CUDA_HOST ? few[i] : i]; }

/* --- populations -------------------------------------------------------------------------------------------------- */

/* Two on the host execution, which is slow; a_dead_agent_is_skipped stops the middle one of three. */
START_TEST(population_members_are_single_agents) {
  /* agents of a population, seeds 7, 8, ... */
  enum { POPULATION = CUDA_HOST ? 2 : 3 };
  agent_case c = one_of_few(_i);
  c.population = POPULATION;
  case_set(&c, "seed", "7");
  sac_agent* all = after_updates(c, NULL, NULL);
  c.population = 1;
  double worst = 0;

  /* each alone, with its seed */
  for (int p = 0; p < POPULATION; p++) {
    for (int i = 0; i < 8; i++)
      if (c.set[i][0] && strcmp(c.set[i][0], "seed") == 0) c.set[i][1] = (const char* const[]){"7", "8", "9"}[p];
    sac_agent* one = after_updates(c, NULL, NULL);
    if (CUDA_HOST) {
      same_agents(one, 0, all, p);
    } else { /* cuBLAS may add in another order when there are more products */
      const double* ours = (const double*)&all->totals[p].sum;
      const double* theirs = (const double*)&one->totals[0].sum;
      for (size_t i = 0; i < sizeof(sac_update_stats) / sizeof(double); i++)
        worst = check_larger(worst, fabs(ours[i] - theirs[i]) / (fabs(theirs[i]) + 1));
    }
    sac_agent_destroy(one);
  }
  if (!CUDA_HOST) printf("population: statistics apart by %.2g from single agents'\n", worst);
  ck_assert_msg(worst < CUDA_POPULATION_APART, "apart by %g", worst);
  sac_agent_destroy(all);
  cuda_done();
}
END_TEST

START_TEST(a_dead_agent_is_skipped) {
  /* three equal populations, after an update, so that a step of Adam would change something */
  agent_case c = one_of_few(_i);
  c.population = 3;
  sac_agent *agent = cuda_agent_create(&c), *whole = cuda_agent_create(&c), *fresh = cuda_agent_create(&c);
  agent_case_push(agent, 300, 9);
  agent_case_push(whole, 300, 9);
  agent_case_push(fresh, 300, 9);
  ck_ok(sac_agent_update(agent, 1)); /* so that a step of Adam would change something */
  ck_ok(sac_agent_update(whole, 1));
  ck_ok(sac_agent_update(fresh, 1));

  /* one agent of the first stops; all go on */
  agent->alive[1] = 0;
  ck_ok(agent->backend->state_set(agent));
  agent_case_push(agent, 5, 10);
  agent_case_push(whole, 5, 10);
  ck_ok(sac_agent_update(agent, 1)); /* the first update of a graph */
  ck_ok(sac_agent_update(whole, 1));

  /* its neighbours are not affected */
  same_agents(agent, 0, whole, 0);
  same_agents(agent, 2, whole, 2);

  /* products are computed for stopped agents too, so their gradients change; nothing else does */
  for (int m = 0; m < SAC_MEMORY_REPLAY; m++)
    if (m != SAC_MEMORY_GRAD) same_slab(agent, 1, fresh, 1, (sac_memory)m);
  ck_assert_mem_eq(&agent->counters[1], &fresh->counters[1], sizeof *agent->counters);
  ck_assert_mem_eq(&agent->totals[1], &fresh->totals[1], sizeof *agent->totals);
  sac_agent_destroy(agent);
  sac_agent_destroy(whole);
  sac_agent_destroy(fresh);
  cuda_done();
}
END_TEST

/* --- to the host and back ----------------------------------------------------------------------------------------- */

START_TEST(tensors_and_slabs) {
  /* the same initial weights; zeros everywhere else, and in the gaps */
  agent_case c = cuda_agents[_i];
  c.population = 2;
  sac_agent *cpu = agent_case_create(&c), *gpu = cuda_agent_create(&c);
  for (int p = 0; p < 2; p++) same_agents(cpu, p, gpu, p);

  /* every tensor, with its gradient and moments, comes back as it was set */
  for (int i = 0; i < cpu->tensors.count; i++) {
    const sac_tensor* t = &cpu->tensors.tensor[i];
    static const char* const kinds[] = {"", "grad/", "adam_m/", "adam_v/"};
    for (int kind = 0; kind < (t->slab == SAC_SLAB_TRAINED ? 4 : 1); kind++) {
      char name[96];
      (void)snprintf(name, sizeof name, "%s%s", kinds[kind], t->name);
      float *in = random_floats((uint64_t)(4 * i + kind), 2 * t->count, 3), *out = random_floats(1, 2 * t->count, 1);
      ck_ok(sac_agent_tensor_set(cpu, name, in, 2 * t->count));
      ck_ok(sac_agent_tensor_set(gpu, name, in, 2 * t->count));
      ck_ok(sac_agent_tensor_get(gpu, name, out, 2 * t->count));
      ck_same_bits(out, in, 2 * t->count);
      free(in), free(out);
    }
  }
  for (int p = 0; p < 2; p++) same_agents(cpu, p, gpu, p);

  /* the replay, around the end of the ring; parts of it are written and read */
  agent_case_push(cpu, 1500, 1), agent_case_push(gpu, 1500, 1);
  agent_case_push(cpu, 777, 2), agent_case_push(gpu, 777, 2); /* around the end of the ring */
  const size_t floats = (size_t)cpu->shape.capacity * (size_t)cpu->row.floats;
  float *a = calloc(floats, sizeof(float)), *b = calloc(floats, sizeof(float));
  for (int p = 0; p < 2; p++) {
    ck_ok(cpu->backend->read(cpu, SAC_MEMORY_REPLAY, p, 0, a, floats));
    ck_ok(gpu->backend->read(gpu, SAC_MEMORY_REPLAY, p, 0, b, floats));
    ck_same_bits(b, a, floats);
    ck_ok(gpu->backend->write(gpu, SAC_MEMORY_REPLAY, p, 7, a + 3, 50));
    ck_ok(gpu->backend->read(gpu, SAC_MEMORY_REPLAY, p, 7, b, 50));
    ck_same_bits(b, a + 3, 50);
  }
  free(a), free(b);
  sac_agent_destroy(cpu);
  sac_agent_destroy(gpu);
  cuda_done();
}
END_TEST

START_TEST(states) {
  /* numbers in every place */
  agent_case c = cuda_agents[0];
  c.population = 3;
  sac_agent* agent = cuda_agent_create(&c);
  sac_counters counters[3];
  sac_update_stats stats[3];
  sac_totals totals[3];
  for (size_t p = 0; p < 3; p++) {
    counters[p] = agent->counters[p] = (sac_counters){(1ull << 40) + p, (1ull << 41) + p, (1ull << 42) + p};
    for (size_t i = 0; i < sizeof *stats / sizeof(double); i++)
      ((double*)&agent->stats[p])[i] = (double)(i + 100 * p) + 0.1,
      ((double*)&agent->totals[p].sum)[i] = (double)i + 0.7;
    agent->totals[p].updates = 5 + p;
    stats[p] = agent->stats[p], totals[p] = agent->totals[p];
  }

  /* they go to the device and come back */
  ck_ok(agent->backend->state_set(agent));
  memset(agent->counters, 0, sizeof counters), memset(agent->stats, 0, sizeof stats);
  memset(agent->totals, 0, sizeof totals);
  ck_ok(agent->backend->state_get(agent));
  ck_assert_mem_eq(agent->counters, counters, sizeof counters);
  ck_assert_mem_eq(agent->stats, stats, sizeof stats);
  ck_assert_mem_eq(agent->totals, totals, sizeof totals);
  sac_agent_destroy(agent);
  cuda_done();
}
END_TEST

/* --- act ---------------------------------------------------------------------------------------------------------- */

START_TEST(acts_as_the_cpu) {
  /* as many observations as each path of the kernels takes */
  static const int32_t counts[] = {1, 2, 8, 9, 31, 257, 1000};
  agent_case c = cuda_agents[_i];
  c.population = 2;
  if (_i % 2) case_set(&c, "env.num_envs", "300");
  sac_agent *cpu = agent_case_create(&c), *gpu = cuda_agent_create(&c);
  const size_t O = (size_t)c.obs, A = (size_t)cpu->shape.action;
  for (size_t i = 0; i < sizeof counts / sizeof *counts; i++) {
    const int32_t n = counts[i];
    const size_t rows = 2 * (size_t)n;
    if (rows * (O + A) > 20000) continue; /* the host execution is slow */
    float *obs = random_floats(i, rows * O, 2), *noise = random_floats(50 + i, rows * A, 2);
    for (size_t r = 0; cpu->algo->discrete && r < rows; r++) noise[r] = 0.25f * noise[r] + 0.5f; /* uniform */
    float *x = calloc(rows * A, sizeof(float)), *y = calloc(rows * A, sizeof(float));
    float *log_x = calloc(rows, sizeof(float)), *log_y = calloc(rows, sizeof(float));

    /* given noise, drawn noise, the mean, the warm-up */
    for (int mode = 0; mode < 4; mode++) {
      const sac_act act = {.n = n,
                           .mode = mode < 2    ? SAC_ACT_SAMPLE
                                   : mode == 2 ? SAC_ACT_MEAN
                                               : SAC_ACT_UNIFORM,
                           .obs = obs,
                           .noise = mode == 0 ? noise : NULL};
      sac_act on_cpu = act, on_gpu = act;
      on_cpu.action = x, on_cpu.log_prob = log_x, on_gpu.action = y, on_gpu.log_prob = log_y;
      ck_ok(cpu->backend->act(cpu, &on_cpu));
      ck_ok(gpu->backend->act(gpu, &on_gpu));

      /* uniform actions and numbers of actions are the same bits; the others are computed in another order */
      const int same = mode == 3 || cpu->algo->discrete;
      ck_near_array(y, x, rows * A, same ? 0 : POLICY_REL, same ? 0 : POLICY_ABS);
      if (mode < 2) ck_near_array(log_y, log_x, rows, POLICY_REL, POLICY_ABS * (double)A);
      ck_ok(gpu->backend->state_get(gpu));
      ck_assert_mem_eq(gpu->counters, cpu->counters, 2 * sizeof *gpu->counters);
    }
    free(obs), free(noise), free(x), free(y), free(log_x), free(log_y);
  }
  sac_agent_destroy(cpu);
  sac_agent_destroy(gpu);
  cuda_done();
}
END_TEST

/* --- files -------------------------------------------------------------------------------------------------------- */

START_TEST(saved_here_loaded_there) {
  const char *folder = test_folder(), *one = test_path(folder, "one"), *two = test_path(folder, "two");
  agent_case c = one_of_few(_i);
  c.population = 2;
  sac_agent *gpu = after_updates(c, NULL, NULL), *cpu, *back;
  ck_ok(sac_agent_save(gpu, one));
  ck_ok(sac_agent_load(&cpu, one, "cpu"));
  ck_assert_str_eq(cpu->device, "cpu");
  ck_ok(sac_agent_save(cpu, two));
  ck_ok(sac_agent_load(&back, two, "cuda:0"));
  for (int p = 0; p < 2; p++) {
    gpu->counters[p].pushed = 0;                  /* replay rows are not saved */
    for (int m = 0; m < SAC_MEMORY_REPLAY; m++) { /* gradients are not saved */
      size_t n;
      if (m == SAC_MEMORY_GRAD) continue;
      float *a = slab_copy(gpu, (sac_memory)m, p, &n), *b = slab_copy(cpu, (sac_memory)m, p, &n),
            *d = slab_copy(back, (sac_memory)m, p, &n);
      ck_same_bits(b, a, n);
      ck_same_bits(d, a, n);
      free(a), free(b), free(d);
    }
    ck_assert_mem_eq(&back->counters[p], &gpu->counters[p], sizeof *gpu->counters);
  }
  /* its next updates equal those of the agent that was saved */
  ck_ok(gpu->backend->state_set(gpu));
  agent_case_push(gpu, 100, 3), agent_case_push(back, 100, 3);
  ck_ok(sac_agent_update(gpu, 2));
  ck_ok(sac_agent_update(back, 2));
  for (int p = 0; p < 2; p++) {
    size_t n;
    float *a = slab_copy(gpu, SAC_MEMORY_WEIGHTS, p, &n), *b = slab_copy(back, SAC_MEMORY_WEIGHTS, p, &n);
    ck_same_bits(b, a, n);
    free(a), free(b);
  }
  sac_agent_destroy(gpu), sac_agent_destroy(cpu), sac_agent_destroy(back);
  test_folder_remove();
  cuda_done();
}
END_TEST

/* A minibatch that is drawn ahead is that of the later update, and leaves all counters. */
START_TEST(draws_ahead) {
  enum { DRAWS = 4 };
  agent_case c = cuda_agents[4 + _i]; /* both algorithms, many rows */
  c.population = 2;
  sac_agent* agent = cuda_agent_create(&c);
  const size_t rows = 2 * (size_t)c.batch;
  uint64_t *ahead = calloc(DRAWS * rows, sizeof *ahead), *index = calloc(rows, sizeof *index);
  const uint64_t* drawn = sac_gpu_of(agent)->minibatch.index;
  agent_case_push(agent, 300, 9);

  /* one draw after another, without updates */
  for (uint64_t i = 0; i < DRAWS; i++) {
    ck_ok(sac_sample_ahead(agent, i));
    ck_ok(sac_settle(agent, NULL));
    ck_assert_uint_eq(agent->counters[0].updates, 0);
    ck_assert_int_eq(cudaMemcpy(ahead + i * rows, drawn, rows * sizeof *index, cudaMemcpyDeviceToHost), cudaSuccess);
    if (i > 0) ck_assert_mem_ne(ahead + i * rows, ahead + (i - 1) * rows, rows * sizeof *index);
  }

  /* the draws of updates */
  for (size_t i = 0; i < DRAWS; i++) {
    ck_ok(sac_agent_update(agent, 1));
    ck_assert_int_eq(cudaMemcpy(index, drawn, rows * sizeof *index, cudaMemcpyDeviceToHost), cudaSuccess);
    ck_assert_mem_eq(index, ahead + i * rows, rows * sizeof *index);
  }
  free(ahead), free(index);
  sac_agent_destroy(agent);
  cuda_done();
}
END_TEST

/* The whole agent: its replay, whose first rows are kept, and the updates in which the actor is held. It goes on to the
 * bit. */
START_TEST(saved_whole) {
  const char *folder = test_folder(), *file = test_path(folder, "file");
  agent_case c = one_of_few(0);
  c.population = 1;
  sac_agent *gpu = cuda_agent_create(&c), *back, *cpu;
  agent_case_push(gpu, 20, 9);
  const uint64_t offline = 20;
  gpu->fixed[0] = offline;
  gpu->hold[0] = (sac_adam_hold){0, 2};
  gpu->settings.offline_share = 0.5;
  ck_ok(gpu->backend->state_set(gpu));

  /* an action that is beyond its bound by a rounding is the bound */
  const size_t obs_size = (size_t)gpu->shape.obs, action_size = (size_t)gpu->shape.action;
  float *obs = random_floats(5, obs_size, 1), *action = random_floats(6, action_size, 0), reward = 1;
  const uint8_t ended = 0;
  for (size_t i = 0; i < action_size; i++) action[i] = nextafterf(i % 2 ? -1 : 1, i % 2 ? -2 : 2);
  const sac_transitions t = {1, obs, action, &reward, &ended, &ended, obs};
  ck_ok(sac_agent_push(gpu, &t));
  const size_t floats = (size_t)gpu->row.floats;
  float* row = calloc(floats, sizeof *row);
  ck_ok(gpu->backend->read(gpu, SAC_MEMORY_REPLAY, 0, offline * floats, row, floats));
  for (size_t i = 0; i < action_size; i++) ck_assert(row[(size_t)gpu->row.action + i] == (i % 2 ? -1 : 1));
  free(obs), free(action), free(row);

  /* go on while the actor is held, and after it */
  const size_t head = 2 * action_size;
  float *before = calloc(head, sizeof *before), *held = calloc(head, sizeof *held);
  ck_ok(sac_agent_tensor_get(gpu, "actor.head.bias", before, head));
  ck_ok(sac_agent_update(gpu, 1));
  ck_ok(sac_agent_tensor_get(gpu, "actor.head.bias", held, head));
  ck_same_bits(held, before, head);
  ck_ok(sac_agent_save_all(gpu, file));
  ck_ok(sac_agent_load(&back, file, NULL));
  ck_ok(sac_agent_load(&cpu, file, "cpu"));
  back->settings.offline_share = cpu->settings.offline_share = 0.5;
  for (int i = 0; i < 2; i++) {
    sac_agent* other = i ? cpu : back;
    ck_assert(other->fixed[0] == offline && other->hold[0].until == 2 && other->counters[0].pushed == offline + 1);
  }
  for (int i = 0; i < 3; i++) {
    ck_ok(sac_agent_update(gpu, 1));
    ck_ok(sac_agent_update(back, 1));
    same_agents(back, 0, gpu, 0);
  }
  ck_ok(sac_agent_tensor_get(gpu, "actor.head.bias", held, head));
  ck_assert(memcmp(held, before, head * sizeof *held) != 0);
  free(before), free(held);

  /* the minibatches are those of the CPU, half of them of the rows that are kept */
  ck_ok(sac_agent_update(cpu, 3));
  const double *ours = (const double*)&gpu->stats[0], *theirs = (const double*)&cpu->stats[0];
  for (size_t i = 0; i < sizeof *gpu->stats / sizeof(double); i++)
    ck_near(ours[i], theirs[i], CUDA_POPULATION_APART * (fabs(theirs[i]) + 1));
  sac_agent_destroy(gpu), sac_agent_destroy(back), sac_agent_destroy(cpu);
  test_folder_remove();
  cuda_done();
}
END_TEST

CUDA_MAIN("cuda use", LOOP(population_members_are_single_agents, FEW), LOOP(a_dead_agent_is_skipped, FEW),
          LOOP(tensors_and_slabs, AGENTS), CASE(states), LOOP(acts_as_the_cpu, AGENTS),
          LOOP(saved_here_loaded_there, FEW), LOOP(draws_ahead, 2), CASE(saved_whole))
