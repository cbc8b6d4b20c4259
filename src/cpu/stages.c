/* The CPU backend: its stage table, its memory, and how phases reach the threads. */
#include "backend/backend.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "cpu/cpu.h"
#include "util/error.h"
#include "util/memory.h"
#include "util/system.h"

const sac_stages sac_cpu_stages = {SAC_STAGES_SLOTS(cpu)};

/* Panels in a chunk. Shared agents: each thread has one chunk at least; two where the weights stay in a core's cache,
 * so that a disturbed thread leaves one to the others. No number depends on it. */
static int32_t chunk_panels(const sac_agent* agent, const sac_cpu* cpu) {
  int32_t share = cpu->panels, widest = 0;
  for (int32_t l = 0; l < agent->shape.layers; ++l)
    widest = agent->shape.hidden[l] > widest ? agent->shape.hidden[l] : widest;
  if (agent->shape.population < cpu->threads) share = (cpu->panels + cpu->threads - 1) / cpu->threads;
  if (agent->shape.population < cpu->threads && share > 2 && widest <= 512) share = (share + 1) / 2;
  return share < SAC_CHUNK_PANELS ? share : SAC_CHUNK_PANELS;
}

/* Sizes of everything, before anything is allocated. */
static void plan(const sac_agent* agent, sac_cpu* cpu) {
  memset(cpu, 0, sizeof *cpu);
  const sac_shape* s = &agent->shape;
  cpu->isa = sac_isa_choose();
  cpu->threads = agent->settings.threads > 0 ? (int32_t)agent->settings.threads : sac_processors();
  cpu->sets = cpu->threads < s->population ? cpu->threads : s->population;
  cpu->panels = sac_panels(s->batch);
  cpu->chunk_panels = chunk_panels(agent, cpu);
  cpu->chunks = (cpu->panels + cpu->chunk_panels - 1) / cpu->chunk_panels;
  const size_t trained = agent->tensors.floats[SAC_SLAB_TRAINED], targets = agent->tensors.floats[SAC_SLAB_TARGET];
  cpu->worth_sharing = (double)trained * (double)s->batch > 200000;
  for (int m = 0; m < SAC_MEMORY_COUNT; ++m) cpu->floats[m] = trained;
  cpu->floats[SAC_MEMORY_TARGET] = targets;
  cpu->floats[SAC_MEMORY_REPLAY] = sac_bytes((size_t)s->capacity, (size_t)agent->row.floats);
}

/* Asks for large pages where a block holds some: an update walks through megabytes, replay sample through gigabytes.
 * Refused is as good as granted. */
static void advise(void* memory, size_t bytes) {
  const uintptr_t page = 4096, start = ((uintptr_t)memory + page - 1) / page * page;
  const uintptr_t end = ((uintptr_t)memory + bytes) / page * page;
  if (bytes >= ((size_t)1 << 21))
    (void)madvise((char*)memory + (start - (uintptr_t)memory), end - start, MADV_HUGEPAGE);
}

static size_t slab_bytes(const sac_agent* agent, const sac_cpu* cpu, int memory) {
  return sac_bytes(sac_bytes((size_t)agent->shape.population, cpu->floats[memory]), sizeof(float));
}

void sac_cpu_size(const sac_agent* agent, size_t bytes[SAC_MEMORY_COUNT], size_t* scratch) {
  sac_cpu cpu;
  plan(agent, &cpu);
  for (int m = 0; m < SAC_MEMORY_COUNT; ++m) bytes[m] = slab_bytes(agent, &cpu, m);
  *scratch = sac_cpu_layout(agent, &cpu);
  if (__builtin_add_overflow(*scratch, sizeof cpu + sac_pool_size(cpu.threads), scratch)) *scratch = SIZE_MAX;
}

sac_status sac_cpu_create(sac_agent* agent) {
  sac_cpu* cpu = sac_alloc(sizeof *cpu);
  if (!cpu) return sac_fail(SAC_ERROR_MEMORY, "no memory for the CPU backend");
  plan(agent, cpu);
  agent->backend = cpu;
  for (int m = 0; m < SAC_MEMORY_COUNT; ++m) {
    const size_t bytes = slab_bytes(agent, cpu, m);
    cpu->slab[m] = sac_alloc(bytes);
    if (!cpu->slab[m])
      return sac_fail(SAC_ERROR_MEMORY, "no memory for %zu bytes%s", bytes,
                      m == SAC_MEMORY_REPLAY ? ": lower replay.capacity" : "");
    advise(cpu->slab[m], bytes);
  }
  const size_t bytes = sac_cpu_layout(agent, cpu);
  cpu->scratch = sac_alloc(bytes);
  if (!cpu->scratch)
    return sac_fail(SAC_ERROR_MEMORY, "no memory for %zu bytes: lower network.hidden, replay.batch or seeds", bytes);
  advise(cpu->scratch, bytes);
  (void)sac_cpu_layout(agent, cpu);
  return sac_pool_create(&cpu->pool, cpu->threads);
}

void sac_cpu_destroy(sac_agent* agent) {
  sac_cpu* cpu = agent->backend;
  if (!cpu) return;
  sac_pool_destroy(cpu->pool);
  for (int m = 0; m < SAC_MEMORY_COUNT; ++m) sac_free(cpu->slab[m]);
  sac_free(cpu->scratch);
  sac_free(cpu);
  agent->backend = NULL;
}

sac_status sac_cpu_read(const sac_agent* agent, sac_memory memory, int32_t p, size_t offset, float* host,
                        size_t count) {
  memcpy(host, sac_cpu_slab(agent->backend, memory, p) + offset, count * sizeof(float));
  return SAC_OK;
}

sac_status sac_cpu_write(sac_agent* agent, sac_memory memory, int32_t p, size_t offset, const float* host,
                         size_t count) {
  memcpy(sac_cpu_slab(agent->backend, memory, p) + offset, host, count * sizeof(float));
  return SAC_OK;
}

typedef struct phase_job {
  sac_agent* agent;
  const sac_phase* phases;
  int32_t count;
  int32_t p; /* the agent whose phase is shared */
} phase_job;

static sac_team team_of(const phase_job* job, int32_t p, int32_t set) {
  sac_cpu* cpu = job->agent->backend;
  return (sac_team){job->agent, cpu, &cpu->minibatch[p], &cpu->set[set], p};
}

/* All phases of one agent, by one thread. */
static void whole_agent(void* context, int32_t task, int32_t thread) {
  const phase_job* job = context;
  sac_cpu* cpu = job->agent->backend;
  const sac_team team = team_of(job, cpu->living[task], thread);
  for (int32_t i = 0; i < job->count; ++i)
    for (int32_t t = 0; t < job->phases[i].tasks; ++t) job->phases[i].run(&team, t, &cpu->thread[thread]);
}

/* One task of one phase of one agent, the scratch shared. */
static void shared_task(void* context, int32_t task, int32_t thread) {
  const phase_job* job = context;
  sac_cpu* cpu = job->agent->backend;
  const sac_team team = team_of(job, job->p, 0);
  job->phases->run(&team, task, &cpu->thread[thread]);
}

void sac_cpu_run(sac_agent* agent, const sac_phase* phases, int32_t count) {
  sac_cpu* cpu = agent->backend;
  int32_t living = 0;
  for (int32_t p = 0; p < agent->shape.population; ++p)
    if (agent->alive[p]) cpu->living[living++] = p;
  phase_job job = {agent, phases, count, 0};
  int32_t whole = living / cpu->threads * cpu->threads;
  if (!cpu->worth_sharing) whole = living;
  if (whole < cpu->threads) sac_pool_run_alone(whole_agent, &job, whole);
  else sac_pool_run(cpu->pool, whole_agent, &job, whole);
  for (int32_t i = whole; i < living; ++i) {
    job.p = cpu->living[i];
    for (int32_t phase = 0; phase < count; ++phase) {
      job.phases = &phases[phase];
      sac_pool_run(cpu->pool, shared_task, &job, phases[phase].tasks);
    }
  }
}
