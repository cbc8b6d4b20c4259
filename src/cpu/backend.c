/* The CPU backend: its table, and its memory. */

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "cpu/cpu.h"
#include "cpu/layers.h"
#include "env/vector.h"
#include "util/error.h"
#include "util/memory.h"
#include "util/program.h"
#include "util/system.h"
#include "util/text.h"

/* The number of panels in a chunk. If threads share an agent, each thread has at least one chunk. It has two if the
 * weights fit in a core's cache: other threads can then take one from a thread that is late. Results do not depend on
 * the size of chunks. */
static int32_t chunk_panels(const sac_agent* agent, const sac_cpu* cpu) {
  int32_t share = cpu->panels, widest = 0;
  for (int32_t l = 0; l < agent->shape.layers; l++)
    widest = agent->shape.hidden[l] > widest ? agent->shape.hidden[l] : widest;

  /* with fewer agents than threads, divide the panels among the threads: one chunk for each, or two */
  if (agent->shape.population < cpu->threads) share = (cpu->panels + cpu->threads - 1) / cpu->threads;
  if (agent->shape.population < cpu->threads && share > 2 && widest <= 512) share = (share + 1) / 2;

  /* a larger chunk would not stay in the cache */
  return share < SAC_CHUNK_PANELS ? share : SAC_CHUNK_PANELS;
}

/* Computes all sizes of *cpu and the plan of the update, before anything is allocated. Errors: CONFIG. */
static sac_status plan(const sac_agent* agent, sac_cpu* cpu) {
  char shown[SAC_SHOW_MAX];
  memset(cpu, 0, sizeof *cpu);
  const sac_shape* s = &agent->shape;

  /* threads, and the chunks that rows are divided into */
  cpu->isa = sac_isa_choose();
  const char* wanted = getenv("SAC_CPU");
  if (wanted && *wanted && strcmp(wanted, cpu->isa->name) != 0)
    return sac_fail(SAC_ERROR_CONFIG, "SAC_CPU=%s: this processor has no such kernels ('%s info' lists them)",
                    sac_text_show(shown, wanted, SIZE_MAX), sac_program());
  cpu->threads = agent->settings.threads > 0 ? (int32_t)agent->settings.threads : sac_processors();
  cpu->scratches = cpu->threads < s->population ? cpu->threads : s->population;
  cpu->panels = sac_panels(s->batch);
  cpu->chunk_panels = chunk_panels(agent, cpu);
  cpu->chunks = (cpu->panels + cpu->chunk_panels - 1) / cpu->chunk_panels;

  /* floats of one agent: trained tensors, and targets */
  const size_t trained = agent->tensors.floats[SAC_SLAB_TRAINED], targets = agent->tensors.floats[SAC_SLAB_TARGET];

  /* sharing one agent pays from 200000 products on: below, its phases are shorter than waking the threads */
  cpu->sampler = sac_sampler_at(agent->settings.replay_sampling);
  cpu->worth_sharing = (double)trained * (double)s->batch > 200000;

  /* every slab is as large as the trained tensors, except for targets and the replay */
  for (int m = 0; m < SAC_MEMORY_COUNT; m++) cpu->floats[m] = trained;
  cpu->floats[SAC_MEMORY_TARGET] = targets;
  cpu->floats[SAC_MEMORY_REPLAY] = sac_bytes((size_t)s->capacity, (size_t)agent->row.floats);

  /* refuse networks with layers that the CPU cannot run */
  for (int group = 0; group < SAC_GROUP_COUNT; group++) {
    const sac_status status = agent->tensors.nets[group] ? sac_cpu_check_net(agent->tensors.net[group]) : SAC_OK;
    if (status != SAC_OK) return status;
  }

  /* forwards and row functions move down to their readers (reorder 1) */
  return sac_plan_create(&cpu->plan, agent->algo, 1);
}

/* Asks the system for large pages (2 MB), if the memory is as large as one. An update reads megabytes and replay sample
 * reads from places all over gigabytes: with large pages the processor looks up fewer addresses. A refusal does no
 * harm. */
static void advise(void* memory, size_t bytes) {
  /* only whole pages can be advised: round the start up and the end down */
  const uintptr_t page = 4096, start = ((uintptr_t)memory + page - 1) / page * page;
  const uintptr_t end = ((uintptr_t)memory + bytes) / page * page;
  if (bytes >= ((size_t)1 << 21))
    (void)madvise((char*)memory + (start - (uintptr_t)memory), end - start, MADV_HUGEPAGE);
}

static size_t slab_bytes(const sac_agent* agent, const sac_cpu* cpu, int memory) {
  return sac_bytes(sac_bytes((size_t)agent->shape.population, cpu->floats[memory]), sizeof(float));
}

static void size(const sac_agent* agent, size_t bytes[SAC_MEMORY_COUNT], size_t* scratch) {
  sac_cpu cpu;
  (void)plan(agent, &cpu); /* create reports its errors */
  for (int m = 0; m < SAC_MEMORY_COUNT; m++) bytes[m] = slab_bytes(agent, &cpu, m);

  /* without memory the layout only measures */
  *scratch = sac_cpu_layout(agent, &cpu);
  if (__builtin_add_overflow(*scratch, sizeof cpu + sac_pool_size(cpu.threads), scratch)) *scratch = SIZE_MAX;
}

static sac_status create(sac_agent* agent) {
  sac_cpu* cpu = sac_alloc(sizeof *cpu);
  if (!cpu) return sac_fail(SAC_ERROR_MEMORY, "no memory for the CPU backend");

  /* from here on `destroy` frees what exists, also after an error */
  agent->storage = cpu;
  sac_status status = plan(agent, cpu);
  if (status != SAC_OK) return status;

  /* allocate the slabs */
  for (int m = 0; m < SAC_MEMORY_COUNT; m++) {
    const size_t bytes = slab_bytes(agent, cpu, m);
    cpu->slab[m] = sac_alloc(bytes);
    if (!cpu->slab[m])
      return sac_fail(SAC_ERROR_MEMORY, "no memory for %zu bytes%s", bytes,
                      m == SAC_MEMORY_REPLAY ? ": lower replay.capacity" : "");
    advise(cpu->slab[m], bytes);
  }

  /* allocate scratch memory, and lay it out */
  const size_t bytes = sac_cpu_layout(agent, cpu);
  cpu->memory = sac_alloc(bytes);
  if (!cpu->memory)
    return sac_fail(SAC_ERROR_MEMORY, "no memory for %zu bytes: lower network.hidden, replay.batch or seeds", bytes);
  advise(cpu->memory, bytes);
  (void)sac_cpu_layout(agent, cpu);

  /* cut the plan into phases, and start the threads */
  status = sac_cpu_phases(agent, cpu);
  return status != SAC_OK ? status : sac_pool_create(&cpu->pool, cpu->threads);
}

static void destroy(sac_agent* agent) {
  sac_cpu* cpu = agent->storage;
  if (!cpu) return;

  /* end the threads before freeing the memory that they use */
  sac_pool_destroy(cpu->pool);
  for (int m = 0; m < SAC_MEMORY_COUNT; m++) sac_free(cpu->slab[m]);
  sac_free(cpu->memory);
  sac_free(cpu->own_memory);
  sac_free(cpu);
  agent->storage = NULL;
}

static sac_status read_slab(const sac_agent* agent, sac_memory memory, int32_t p, size_t offset, float* host,
                            size_t count) {
  memcpy(host, sac_cpu_slab(agent->storage, memory, p) + offset, count * sizeof(float));
  return SAC_OK;
}

static sac_status write_slab(sac_agent* agent, sac_memory memory, int32_t p, size_t offset, const float* host,
                             size_t count) {
  memcpy(sac_cpu_slab(agent->storage, memory, p) + offset, host, count * sizeof(float));
  return SAC_OK;
}

/* --- the stages --------------------------------------------------------------------------------------------------- */

static void add_totals(sac_totals* totals, const sac_update_stats* stats) {
  /* both structs are plain lists of doubles, in the order of SAC_STATISTICS */
  double* sum = (double*)&totals->sum;
  const double* value = (const double*)stats;
  totals->updates++;
  for (int i = 0; i < SAC_STATISTIC_COUNT; i++) sum[i] += value[i];
}

/* Ends an update: adds its statistics to the totals, and counts it. Stopped agents make no update. */
static void end_update(sac_agent* agent) {
  for (int32_t p = 0; p < agent->shape.population; p++) {
    if (!agent->alive[p]) continue;
    add_totals(&agent->totals[p], &agent->stats[p]);
    agent->counters[p].updates++;
  }
}

static sac_status stage(sac_agent* agent, sac_stage word) {
  /* remember that the minibatch has rows of the ring: only then does the sampler learn from its errors */
  if (word == SAC_STAGE_REPLAY_SAMPLE) ((sac_cpu*)agent->storage)->drawn = 1;
  sac_cpu_run(agent, word);

  /* the last stage completes the update */
  if (word == SAC_STAGE_TARGET_UPDATE) end_update(agent);
  return SAC_OK;
}

static sac_status part_run(sac_agent* agent, int32_t part) {
  sac_cpu* cpu = agent->storage;
  sac_status status = SAC_OK;

  /* between parts every agent needs scratch of its own */
  SAC_TRY(sac_cpu_own_scratch(agent, cpu));

  /* do what `stage` does before and after an update */
  if (cpu->phase[part].stage == SAC_STAGE_REPLAY_SAMPLE) cpu->drawn = 1;
  sac_cpu_part_run(agent, part);
  if (part + 1 == cpu->phases) end_update(agent);
fail:
  return status;
}

/* Steps the environments, those of stopped agents too. A stopped agent's last actions may be NaN, which would end the
 * run of all agents, so its actions are set to zero. */
static sac_status env_step(sac_agent* agent, sac_vector* vector) {
  const size_t actions = (size_t)vector->num_envs * (size_t)vector->spec.action_size;
  for (int32_t p = 0; p < vector->population; p++)
    if (!agent->alive[p]) memset(vector->action + (size_t)p * actions, 0, actions * sizeof(float));
  return sac_vector_step(vector);
}

/* --- the table ---------------------------------------------------------------------------------------------------- */

static sac_status choose(const char* device, int32_t* ordinal) {
  (void)device; /* the host is chosen when no device is */
  *ordinal = -1;
  return SAC_OK;
}

/* The one path supports every network and sampler, and the algorithms whose row functions the CPU has. */
static const char* path(const sac_settings* settings) {
  const sac_algorithm* algo = sac_algo_at(settings->algo);
  for (int32_t i = 0; i < algo->op_count; i++)
    if (algo->update[i].kind == SAC_ROWS && !sac_cpu_has_row(algo->update[i].row)) return NULL;
  return "composed";
}

static int32_t threads(const sac_agent* agent) { return ((const sac_cpu*)agent->storage)->threads; }
static const char* kernels(const sac_agent* agent) {
  return (agent ? ((const sac_cpu*)agent->storage)->isa : sac_isa_choose())->name;
}

static const char* kernels_at(int32_t index) {
  const sac_isa* isa = sac_isa_available(index);
  return isa ? isa->name : NULL;
}

const sac_backend sac_cpu_backend = {.name = "cpu",
                                     .description = "the host's cores",
                                     .on_host = 1,
                                     .choose = choose,
                                     .path = path,
                                     .create = create,
                                     .destroy = destroy,
                                     .size = size,
                                     .read = read_slab,
                                     .write = write_slab,
                                     .act = sac_cpu_act,
                                     .env_step = env_step,
                                     .replay_push = sac_cpu_replay_push,
                                     .minibatch_set = sac_cpu_minibatch_set,
                                     .stage = stage,
                                     .runs_as = sac_cpu_runs_as,
                                     .part_count = sac_cpu_part_count,
                                     .part_at = sac_cpu_part_at,
                                     .part_run = part_run,
                                     .threads = threads,
                                     .kernels = kernels,
                                     .kernels_at = kernels_at};
