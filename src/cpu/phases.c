/* Cuts the plan of an algorithm into phases, and runs the phases on the threads. */
#include <string.h>

#include "cpu/cpu.h"
#include "cpu/statistics.h"
#include "util/error.h"

/* --- the phases of an algorithm ----------------------------------------------------------------------------------- */

static sac_cpu_phase* add(sac_cpu* cpu, sac_stage stage, sac_cpu_task* run, int32_t tasks) {
  sac_cpu_phase* phase = &cpu->phase[cpu->phases++];
  *phase = (sac_cpu_phase){.stage = stage, .run = run, .tasks = tasks, .nets = 1};
  return phase;
}

static int is_rows(sac_op_kind kind) { return kind == SAC_FORWARD || kind == SAC_ROWS || kind == SAC_BACKWARD; }
static int is_blocks(sac_op_kind kind) { return kind == SAC_GRADIENT || kind == SAC_ADAM; }

/* The number of networks for which an operation on rows has separate tasks. With separate tasks, a thread has the
 * weights, activations and gradients of one network in its cache. 1: a task needs the outputs of all networks. */
static int32_t nets_apart(const sac_agent* agent, const sac_cpu* cpu, int32_t op) {
  const sac_plan* plan = &cpu->plan;
  return sac_row_joins(plan->op[op].row) ? 1 : agent->tensors.nets[plan->pass[plan->pass_of[op]].nets];
}

/* Adds a phase with as many operations on rows as one task can run one after the other, from *op on. They belong to one
 * stage, and work on the same networks if each network has separate tasks. */
static void add_rows(const sac_agent* agent, sac_cpu* cpu, int32_t* op) {
  const sac_plan* plan = &cpu->plan;
  const int32_t nets = nets_apart(agent, cpu, *op);
  const sac_op* first = &plan->op[*op];

  /* a task is a chunk, or a chunk and a network */
  sac_cpu_phase* phase = add(cpu, first->stage, sac_cpu_rows_task, nets * cpu->chunks);
  phase->nets = nets;
  phase->from = *op;

  /* take operations as long as they fit in the same tasks */
  while (*op < plan->count && is_rows(plan->op[*op].kind) && plan->op[*op].stage == first->stage &&
         nets_apart(agent, cpu, *op) == nets && (nets == 1 || plan->op[*op].nets == first->nets))
    ++*op;
  phase->to = *op;
}

/* Adds a phase of consecutive gradients and Adam steps, from *op on. Their blocks are independent of each other, as the
 * plan puts a GRADIENT right before the ADAM of the same networks. */
static void add_blocks(sac_cpu* cpu, int32_t* op) {
  const sac_plan* plan = &cpu->plan;
  const sac_stage stage = plan->op[*op].stage;
  sac_cpu_phase* phase = add(cpu, stage, sac_cpu_blocks_task, 0);
  phase->from = *op;

  /* add tasks for each operation, except for an ADAM that is done in the tasks of its GRADIENT */
  for (; *op < plan->count && is_blocks(plan->op[*op].kind) && plan->op[*op].stage == stage; ++*op) {
    const int with_gradient =
        *op > phase->from && plan->op[*op - 1].kind == SAC_GRADIENT && plan->op[*op - 1].nets == plan->op[*op].nets;
    if (!with_gradient) phase->tasks += cpu->blocks[plan->op[*op].nets].count;
  }
  phase->to = *op;
}

/* Adds the phase of an operation that shares its phase with no other; INPUT_GRAD has two. */
static void add_alone(const sac_agent* agent, sac_cpu* cpu, const sac_op* op) {
  const int32_t critics = agent->tensors.nets[SAC_CRITIC], from = (int32_t)(op - cpu->plan.op);
  sac_cpu_phase* phase = NULL;

  /* INPUT_GRAD: sort the rows by their smallest critic, then go back critic by critic */
  if (op->kind == SAC_INPUT_GRAD) {
    (void)add(cpu, op->stage, sac_cpu_sort_task, critics);
    phase = add(cpu, op->stage, sac_cpu_input_grad_task, critics * cpu->chunks);
  }

  /* the others: one phase */
  if (op->kind == SAC_TEMPERATURE) phase = add(cpu, op->stage, sac_cpu_temperature_task, 1);
  if (op->kind == SAC_POLYAK) phase = add(cpu, op->stage, sac_cpu_polyak_task, cpu->pieces);
  if (!phase) return;
  phase->from = from;
  phase->to = from + 1;
}

/* Chooses, for each stage and place, the phase that loads the inputs of the place: the first phase that reads them. If
 * it has separate tasks for each network, an earlier phase loads them, as each chunk must be loaded only once. */
static void place_loads(sac_cpu* cpu) {
  unsigned loaded = 0;
  for (int32_t i = 0; i < cpu->phases; i++) {
    sac_cpu_phase* phase = &cpu->phase[i];

    /* a stage loads its inputs anew: between stages other agents use the same scratch */
    if (i == 0 || phase->stage != cpu->phase[i - 1].stage) loaded = 0;
    if (phase->run != sac_cpu_rows_task) continue;

    /* find the places that this phase is the first to read */
    for (int32_t op = phase->from; op < phase->to; op++) {
      const unsigned bit = 1u << cpu->plan.op[op].at;
      if (loaded & bit) continue;

      /* separate tasks of each network would all load the chunk: go back to a phase without them */
      sac_cpu_phase* loader = phase;
      while (loader->nets > 1 || loader->run != sac_cpu_rows_task) --loader; /* add_stage has added one */
      loader->load |= bit;
      loaded |= bit;
    }
  }
}

/* Adds the phases of one stage, from operation *op on. */
static void add_stage(const sac_agent* agent, sac_cpu* cpu, sac_stage stage, int32_t* op) {
  const sac_plan* plan = &cpu->plan;
  const int32_t first = *op;

  /* add a phase that loads the inputs, if the first operations on rows have tasks for each network */
  int32_t rows = first;
  while (rows < plan->count && plan->op[rows].stage == stage && !is_rows(plan->op[rows].kind)) rows++;
  if (rows < plan->count && plan->op[rows].stage == stage && nets_apart(agent, cpu, rows) > 1)
    (void)add(cpu, stage, sac_cpu_rows_task, cpu->chunks);

  /* add the operations; *op moves past those that were added */
  while (*op < plan->count && plan->op[*op].stage == stage) {
    const sac_op* next = &plan->op[*op];
    if (is_rows(next->kind)) add_rows(agent, cpu, op);
    else if (is_blocks(next->kind)) add_blocks(cpu, op);
    else add_alone(agent, cpu, next), ++*op;
  }

  /* add what needs the whole stage: TD errors for the sampler, and the statistics that are now complete */
  const unsigned completed = sac_cpu_completed(plan, stage, first == 0);
  if (completed & SAC_EACH_CRITIC_ROW && cpu->sampler->learnt) (void)add(cpu, stage, sac_cpu_learnt_task, 1);
  if (completed) add(cpu, stage, sac_cpu_statistics_task, 1)->statistics = completed;
}

sac_status sac_cpu_phases(const sac_agent* agent, sac_cpu* cpu) {
  int32_t op = 0;
  cpu->phases = 0;

  /* leave room for the second phase of INPUT_GRAD, and for phases that load inputs or end a stage */
  if (3 * cpu->plan.count / 2 + 8 > SAC_CPU_PHASES_MAX)
    return sac_fail(SAC_ERROR_CONFIG, "the algorithm's update has too many operations for the CPU");

  /* replay sample, and the stages of the algorithm's list */
  (void)add(cpu, SAC_STAGE_REPLAY_SAMPLE, sac_cpu_sample_task, cpu->chunks);
  for (int stage = SAC_STAGE_CRITIC_UPDATE; stage < SAC_STAGE_COUNT; stage++)
    add_stage(agent, cpu, (sac_stage)stage, &op);
  place_loads(cpu);
  return SAC_OK;
}

/* --- threads ------------------------------------------------------------------------------------------------------ */

/* Phases that are run, for the pool. */
typedef struct phase_run {
  sac_agent* agent;
  const sac_cpu_phase* phases;
  int32_t count;
  int32_t p; /* the agent, where all threads share it */
  int part;  /* 1: a part of an update, each agent with its own scratch */
} phase_run;

static sac_cpu_job job_of(const phase_run* run, int32_t p, int32_t scratch) {
  sac_cpu* cpu = run->agent->storage;

  /* agents take turns with the scratch of whole stages, as nothing in it outlives a stage */
  sac_cpu_scratch* its = run->part && cpu->own ? &cpu->own[p] : &cpu->scratch[scratch];
  return (sac_cpu_job){run->agent, cpu, &cpu->minibatch[p], its, p};
}

/* Runs all phases of one agent on one thread. */
static void whole_agent(void* context, int32_t task, int32_t thread) {
  const phase_run* run = context;
  sac_cpu* cpu = run->agent->storage;
  const sac_cpu_job job = job_of(run, cpu->running[task], thread);

  /* run the tasks in order: no other thread works on this agent */
  for (int32_t i = 0; i < run->count; i++)
    for (int32_t t = 0; t < run->phases[i].tasks; t++)
      run->phases[i].run(&job, &run->phases[i], t, &cpu->thread[thread]);
}

/* Runs one task of a phase of an agent that several threads share. */
static void shared_task(void* context, int32_t task, int32_t thread) {
  const phase_run* run = context;
  sac_cpu* cpu = run->agent->storage;
  const sac_cpu_job job = job_of(run, run->p, 0);
  run->phases->run(&job, run->phases, task, &cpu->thread[thread]);
}

/* Runs the phases of one agent on all threads. A phase with a single task runs on the calling thread. */
static void share_phases(const phase_run* all, int32_t p) {
  const sac_cpu* cpu = all->agent->storage;
  phase_run run = *all;
  run.p = p;
  for (int32_t i = 0; i < all->count; i++) {
    run.phases = &all->phases[i];

    /* the pool returns when all tasks are done, so the next phase may read what they wrote */
    if (run.phases->tasks == 1) sac_pool_run_alone(shared_task, &run, 1);
    else sac_pool_run(cpu->pool, shared_task, &run, run.phases->tasks);
  }
}

/* Runs phases first .. first + count - 1 for every agent that is alive. part 1: each agent uses scratch of its own. */
static void run_phases(sac_agent* agent, int32_t first, int32_t count, int part) {
  sac_cpu* cpu = agent->storage;
  const phase_run run = {.agent = agent, .phases = &cpu->phase[first], .count = count, .part = part};
  phase_run whole_run = run;

  /* list the agents that are alive */
  int32_t running = 0;
  for (int32_t p = 0; p < agent->shape.population; p++)
    if (agent->alive[p]) cpu->running[running++] = p;

  /* give each thread the same number of whole agents. Where sharing an agent does not pay, all agents are whole; fewer
   * of them than threads run one after the other on this thread, as there is one scratch for each agent or thread,
   * whichever are fewer. */
  const int32_t whole = cpu->worth_sharing ? running / cpu->threads * cpu->threads : running;
  if (whole < cpu->threads) sac_pool_run_alone(whole_agent, &whole_run, whole);
  else sac_pool_run(cpu->pool, whole_agent, &whole_run, whole);

  /* share each of the remaining agents among all threads */
  for (int32_t i = whole; i < running; i++) share_phases(&run, cpu->running[i]);
}

void sac_cpu_run(sac_agent* agent, sac_stage stage) {
  const sac_cpu* cpu = agent->storage;
  int32_t first = 0, count = 0;

  /* the phases of a stage are neighbours */
  while (first < cpu->phases && cpu->phase[first].stage != stage) first++;
  while (first + count < cpu->phases && cpu->phase[first + count].stage == stage) count++;
  run_phases(agent, first, count, 0);
}

/* --- the parts of an update --------------------------------------------------------------------------------------- */

int32_t sac_cpu_part_count(const sac_agent* agent) { return ((const sac_cpu*)agent->storage)->phases; }

static const char* name_of(const sac_cpu_phase* phase) {
  static const struct {
    sac_cpu_task* run;
    const char* name;
  } names[] = {{sac_cpu_sample_task, "rows of the replay"},
               {sac_cpu_learnt_task, "TD errors to the sampler"},
               {sac_cpu_sort_task, "rows by critic"},
               {sac_cpu_input_grad_task, "rows picked, back, and put back"},
               {sac_cpu_statistics_task, "statistics"},
               {sac_cpu_temperature_task, "one step"},
               {sac_cpu_polyak_task, "pieces"},
               {sac_cpu_blocks_task, "blocks"}};

  /* a phase is known by its task; the others are rows */
  for (int32_t i = 0; i < SAC_LENGTH(names); i++)
    if (phase->run == names[i].run) return names[i].name;
  return phase->nets > 1 ? "chunks, a network at a time" : "chunks";
}

sac_part sac_cpu_part_at(const sac_agent* agent, int32_t part) {
  const sac_cpu* cpu = agent->storage;
  const sac_cpu_phase* phase = &cpu->phase[part];
  return (sac_part){phase->stage, name_of(phase), &cpu->plan.op[phase->from], phase->to - phase->from};
}

void sac_cpu_part_run(sac_agent* agent, int32_t part) { run_phases(agent, part, 1, 1); }

const char* sac_cpu_runs_as(const sac_settings* settings, int32_t number, int32_t* count) {
  const sac_algorithm* algo = sac_algo_at(settings->algo);
  const sac_op* op = &algo->update[number];

  /* only GRADIENT runs together with the operation after it */
  *count = 1;
  switch (op->kind) {
    case SAC_GRADIENT:
      if (number + 1 < algo->op_count && op[1].kind == SAC_ADAM && op[1].nets == op->nets) *count = 2;
      return "blocks";
    case SAC_ADAM:
    case SAC_TEMPERATURE:
    case SAC_POLYAK:
      return op->kind == SAC_ADAM ? "blocks" : op->kind == SAC_POLYAK ? "pieces" : "one step";
    case SAC_INPUT_GRAD:
      return "rows by critic; picked, back, put back";
    case SAC_ROWS:
      return sac_cpu_has_row(op->row) ? "chunks" : NULL;
    default:
      return "chunks";
  }
}
