/* The model. The time of an update is a sum of four parts. Each part is a count, which follows from the shapes, times a
 * measured time (or divided by a measured rate):
 *
 *   arithmetic   the multiplications and additions of its products
 *   elements     elementwise work on the activations: biases, ReLU and its mask, losses
 *   parameters   Adam and the targets
 *   launches     fixed costs, whatever the sizes are
 *
 *   CPU          (flops / rate + elements * t + parameters * t) / cores + floor
 *                cores: the threads, but not more than agents * panels of 32 rows * critics
 *   CUDA device  launches * t + flops / rate + bytes / bandwidth
 *                bytes: those of algo/cost.c (41 MB per update of 2x256; src/cuda/README.md)
 *
 * The figures.
 *
 * CPU, 27 November 2026: a Xeon of 2.5 GHz (Sapphire Rapids), one thread, the fastest of some hundred updates, us. The
 * last two columns are two Zen 4 cores (scripts/README.md), fp32, AVX-512; the figures were not fitted to them.
 *
 *     O  A  hidden    B |  avx512  model |   avx2  model | portable  model | 2 cores  model
 *    17  6  2x256   256 |   5,868  5,867 | 10,168 10,142 |   29,689 29,379 |   2,681  2,938
 *    17  6  2x64    256 |     509    498 |    888    821 |    2,742  2,275 |     266    254
 *     3  1  2x64    100 |     197    223 |    305    355 |      908    948 |     100    116
 *    17  6  2x256    32 |   1,036    971 |  1,552  1,505 |    4,139  3,910 |     474    490
 *    17  6  2x1024  256 |                |               |                 |  45,450 42,965
 *    17  6  2x256  4096 |                |               |                 |  45,450 44,903
 *    17  6  3x256   256 |  11,124 11,200 |
 *    17  6  1x256   256 |     663    533 |
 *     3  1  2x16     16 |      13     16 |     14     19 |       27     30 |
 *    17  6  2x256   256, sac-v: 6,515, model 6,251; 5 critics: 11,720, model 12,381
 *
 * Acting, per row: 2x256 5.6, 2x64 1.1, 2x16 0.4; pushing a row 0.55; a step of Pendulum-v1 0.45.
 *
 * CUDA, 27 November 2026: one H200, us:
 *
 *     P  O  A  hidden     B  precision | measured  model
 *     1 17  6  2x256    256  tf32      |      115    114
 *     1 17  6  2x256    256  fp32      |      147    126
 *    10 17  6  2x256    256  tf32      |      220    223
 *    64 17  6  2x256    256  tf32      |      870    879
 *     1 17  6  2x1024  8192  tf32      |    1,873  2,060
 *     1  3  1  2x64     100  fp32      |      103    102
 *
 * Acting 10.4; pushing 11.5; waits of the host in a step 22, none with train.overlap; act, env step and push of
 * Pendulum-v1, which the device steps itself, 29 (measured before the last changes of acting). A whole step of one
 * agent on HalfCheetah-v5, tf32, in which the environment takes 36: 177 (model 194), with train.overlap 131 (126). Of
 * ten agents, whose environments take 74: 374 (341) and 243 (235).
 *
 * bf16 was not measured and is estimated as tf32. Every CUDA device is estimated as an H200. */
#include "agent/estimate.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "algo/cost.h"
#include "algo/plan.h"
#include "env/task.h"
#include "util/program.h"
#include "util/system.h"

/* --- figures ------------------------------------------------------------------------------------------------------ */

/* Indices into the tables of figures below. */
enum { RATE, ELEMENT, PARAMETER, FLOOR, ACT_ROW, ACT_WEIGHT, ENV_ROW, PUSH_ROW, CPU_FIGURES };
enum { LAUNCH, RATE_FP32, RATE_TF32, BANDWIDTH, ACT, PUSH, WAIT, RESIDENT, CUDA_FIGURES };

#define CPU_TABLE(rate, act_weight)                                                       \
  {                                                                                       \
    [RATE] = {"flops", "1/s", "arithmetic of the products, per core", rate},              \
    [ELEMENT] = {"element", "s", "per element that passes through a layer", 0.12e-9},     \
    [PARAMETER] = {"parameter", "s", "per parameter in Adam and the targets", 1.2e-9},    \
    [FLOOR] = {"floor", "s", "per update, whatever its sizes", 10e-6},                    \
    [ACT_ROW] = {"act_row", "s", "acting, per observation", 0.35e-6},                     \
    [ACT_WEIGHT] = {"act_weight", "s", "acting, per observation and weight", act_weight}, \
    [ENV_ROW] = {"env_row", "s", "per step of a built-in task", 0.45e-6}, [PUSH_ROW] = {  \
      "push_row",                                                                         \
      "s",                                                                                \
      "per transition into the replay",                                                   \
      0.55e-6                                                                             \
    }                                                                                     \
  }

static const sac_estimate_figure avx512_figures[CPU_FIGURES] = CPU_TABLE(108e9, 0.075e-9);
static const sac_estimate_figure avx2_figures[CPU_FIGURES] = CPU_TABLE(60e9, 0.075e-9);
static const sac_estimate_figure portable_figures[CPU_FIGURES] = CPU_TABLE(20e9, 0.16e-9);

static const sac_estimate_figure cuda_figures[CUDA_FIGURES] = {
    [LAUNCH] = {"launch", "s", "per launch of an update's graph, with what cuBLAS adds to it", 3e-6},
    [RATE_FP32] = {"flops_fp32", "1/s", "arithmetic of the products, fp32", 40e12},
    [RATE_TF32] = {"flops_tf32", "1/s", "arithmetic of the products, tf32 and bf16", 300e12},
    [BANDWIDTH] = {"bytes", "1/s", "memory", 4e12},
    [ACT] = {"act", "s", "from observations on the host to actions on the host", 10.4e-6},
    [PUSH] = {"push", "s", "transitions of the host into the replay", 11.5e-6},
    [WAIT] = {"wait", "s", "the host's waits of a step without train.overlap", 22e-6},
    [RESIDENT] = {"resident", "s", "act, env step and push of a task that the device steps", 29e-6}};

const char* const sac_where_names[SAC_WHERE_COUNT] = {[SAC_ON_CPU] = "cpu", [SAC_ON_CUDA] = "cuda"};

const sac_estimate_figure* sac_estimate_figures(sac_where where, int* count) {
  const char* isa = sac_backend_host()->kernels(NULL);

  /* the CPU backend chooses its instruction set at run time, so its figures follow that choice */
  *count = where == SAC_ON_CUDA ? CUDA_FIGURES : CPU_FIGURES;
  if (where == SAC_ON_CUDA) return cuda_figures;
  return strcmp(isa, "avx512") == 0 ? avx512_figures : strcmp(isa, "avx2") == 0 ? avx2_figures : portable_figures;
}

/* --- counts of an update ------------------------------------------------------------------------------------------ */

#define PANEL 32 /* rows that the CPU takes together */

typedef struct counts {
  sac_cost cost;   /* of one agent */
  double launches; /* of all agents together: each launch serves the whole population */
} counts;

/* Counts the work of one update with `rows` rows. */
static counts count(const sac_settings* settings, const sac_shape* shape, double rows) {
  const sac_algorithm* algo = sac_algo_at(settings->algo);
  counts c = {{0, 0, 0, 0}, sac_algo_launches(algo, shape->layers)};

  /* add up the operations of the algorithm's list */
  for (int32_t i = 0; i < algo->op_count; i++) {
    const sac_cost cost = sac_op_cost(algo, &algo->update[i], shape, rows);
    c.cost.flops += cost.flops;
    c.cost.elements += cost.elements;
    c.cost.parameters += cost.parameters;
    c.cost.bytes += cost.bytes;
  }
  return c;
}

/* Estimates the seconds of an update of all agents on the CPU. */
static double update_cpu(const sac_settings* settings, const sac_shape* shape, double cores) {
  int n;
  const sac_estimate_figure* f = sac_estimate_figures(SAC_ON_CPU, &n);

  /* count whole panels: a panel that is not full takes as long as a full one */
  const double panels = ceil((double)shape->batch / PANEL), agents = shape->population;
  const sac_cost c = count(settings, shape, panels * PANEL).cost;
  const double work = c.flops / f[RATE].value + c.elements * f[ELEMENT].value + c.parameters * f[PARAMETER].value;

  /* spread the work over the cores; a panel of one critic of one agent is not split further */
  return agents * work / fmin(cores, agents * panels * shape->critics) + f[FLOOR].value;
}

/* Estimates the seconds of an update of all agents on a CUDA device. */
static double update_cuda(const sac_settings* settings, const sac_shape* shape) {
  const sac_estimate_figure* f = cuda_figures;
  const counts c = count(settings, shape, shape->batch);

  /* one agent: arithmetic in the chosen precision, and traffic to memory */
  const double rate = f[settings->precision == SAC_FP32 ? RATE_FP32 : RATE_TF32].value;
  const double work = c.cost.flops / rate + c.cost.bytes / f[BANDWIDTH].value;

  /* all agents: the launches are shared, the work is not */
  return c.launches * f[LAUNCH].value + shape->population * work;
}

/* --- estimate of a step ------------------------------------------------------------------------------------------- */

/* Whether a device can step the environment itself, because it is a built-in task. The sizes are compared too:
 * a program may create an agent for another environment than the one that the configuration names. */
static int resident(const sac_settings* settings, const sac_shape* shape) {
  const sac_task* task = sac_task_find(settings->env_id);
  int32_t obs, actions;
  return task && sac_task_sizes(task, settings->env_options, &obs, &actions) == SAC_OK && obs == shape->obs &&
         task->action_size == shape->action;
}

/* The weights that acting multiplies an observation by: those of the actor, or of all critics where there is none. */
static double acting_weights(const sac_settings* settings, const sac_shape* shape) {
  const sac_algorithm* algo = sac_algo_at(settings->algo);
  const sac_group group = sac_algo_acts_with(algo);
  double weights = 0;
  for (int32_t i = 0; i < algo->network_count; i++) {
    const sac_network* network = &algo->networks[i];
    if (network->group == group)
      weights += (network->number == SAC_EACH_CRITIC ? shape->critics : 1) *
                 sac_network_weights(shape, shape->obs, sac_width_of(shape, network->out));
  }
  return weights;
}

sac_estimate sac_estimate_step(sac_where where, const sac_settings* settings, const sac_shape* shape, double env) {
  /* count: observations of a step, weights that act, cores, and updates due after a step */
  const double rows = (double)shape->population * shape->num_envs, actor = acting_weights(settings, shape);
  const double cores = (double)(settings->threads > 0 ? settings->threads : sac_processors());
  const double due = settings->updates_per_step * shape->num_envs;
  const int built_in = resident(settings, shape), late = settings->overlap > 0;
  sac_estimate e = {.env = env};
  int n;

  /* estimate each part (seconds) */
  if (where == SAC_ON_CPU) {
    const sac_estimate_figure* f = sac_estimate_figures(where, &n);
    /* the host does everything; acting multiplies each observation by all weights of the actor */
    e.act = rows * (f[ACT_ROW].value + actor * f[ACT_WEIGHT].value);
    e.push = rows * f[PUSH_ROW].value;
    if (isnan(env)) e.env = built_in ? rows * f[ENV_ROW].value : 0;
    e.update = update_cpu(settings, shape, cores);
  } else {
    const sac_estimate_figure* f = cuda_figures;
    /* the figure RESIDENT covers act, env step and push; the flops of acting matter only with many rows */
    e.act = (built_in ? f[RESIDENT].value : f[ACT].value) + 2 * rows * actor / f[RATE_FP32].value;
    e.push = built_in ? 0 : f[PUSH].value;
    e.wait = built_in || late ? 0 : f[WAIT].value;
    if (built_in || isnan(env)) e.env = 0;
    e.update = update_cuda(settings, shape);
  }

  /* Add the parts. With train.overlap the environments step while the updates run, if there is a second core or a
   * device. On a device acting overlaps with the updates too, unless the device steps the environments itself. */
  const double updates = due * e.update;
  const int beside = late && (where == SAC_ON_CUDA || cores > 1), act_too = where == SAC_ON_CUDA && !built_in;
  const double host = e.env + (act_too ? e.act : 0), before = e.push + e.wait + (act_too ? 0 : e.act);
  e.step = before + (beside ? fmax(host, updates) : host + updates);
  return e;
}

/* --- choice of a device ------------------------------------------------------------------------------------------- */

/* Whether `auto` chooses `device`, which is usable, over the CPU. reason: receives a phrase for people. */
static int choose_device(const sac_settings* settings, const sac_shape* shape, const char* device, char* reason,
                         size_t size) {
  static const char* const precisions[] = SAC_PRECISION_NAMES;

  /* a precision other than fp32 needs the device */
  if (settings->precision != SAC_FP32) {
    (void)snprintf(reason, size, "for precision %s", precisions[settings->precision]);
    return 1;
  }

  /* a resumed run stays where it was: CPU and device differ in bits */
  if (settings->stay) {
    (void)snprintf(reason, size, "where the run was (--device moves it)");
    return settings->stay != SAC_STAY_HOST;
  }

  /* compare the estimates; they leave out environments that the host steps in both cases */
  const double cpu = sac_estimate_step(SAC_ON_CPU, settings, shape, NAN).step;
  const double cuda = sac_estimate_step(SAC_ON_CUDA, settings, shape, NAN).step;
  (void)snprintf(reason, size, "%s takes about %.0f us on the CPU, %.0f us on %s (estimates)",
                 resident(settings, shape) ? "a step" : "a step without the environment", 1e6 * cpu, 1e6 * cuda,
                 device);
  return cuda < cpu;
}

sac_status sac_estimate_choose(const sac_settings* settings, const sac_shape* shape, const sac_backend** backend,
                               int32_t* ordinal, char why[SAC_WHY_MAX]) {
  char reason[SAC_WHY_MAX - 32] = "", device[16];
  const sac_backend* on_device = sac_backend_device();
  (void)snprintf(device, sizeof device, "%s", sac_backend_host()->name);

  /* find the device that the key names; for auto, the first usable one; a build without devices has no choice */
  why[0] = '\0';
  const sac_status status = sac_backend_choose(settings->device, backend, ordinal);
  if (status != SAC_OK || strcmp(settings->device, "auto") != 0 || !on_device) return status;

  /* auto without a usable device: the host was chosen; ask why there is no device */
  if (*ordinal < 0) {
    (void)on_device->devices(reason, sizeof reason);
    if (!reason[0]) (void)snprintf(reason, sizeof reason, "no device is usable here ('%s info')", sac_program());
  } else {
    /* auto with a usable device: keep the device, or go back to the host if that is the better choice */
    (void)snprintf(device, sizeof device, "%s:%d", (*backend)->name, (int)*ordinal);
    if (!choose_device(settings, shape, device, reason, sizeof reason)) {
      *backend = sac_backend_host();
      *ordinal = -1;
      (void)snprintf(device, sizeof device, "%s", (*backend)->name);
    }
  }

  /* tell the choice and its reason, for the log */
  (void)snprintf(why, SAC_WHY_MAX, "device auto: %s, %s", device, reason);
  return SAC_OK;
}
