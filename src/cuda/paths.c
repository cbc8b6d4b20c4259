/* Paths through an update: the launches for the operations of an algorithm's list, and the path for given settings. */
#include <string.h>

#include "backend/registry.h"
#include "cuda/layers.h"
#include "cuda/update.h"
#include "util/error.h"

/* --- composed ----------------------------------------------------------------------------------------------------- */

/* Two forwards of the actor, at s and at s': the rows of s' follow those of s in memory. */
static int same_nets(const sac_algorithm* algo, const sac_op* op) {
  (void)algo;
  return op[0].nets == SAC_ACTOR && op[1].nets == SAC_ACTOR && op[0].at != SAC_NEXT && op[1].at == SAC_NEXT;
}

/* Critics at (s, a) and their targets at (s', a'): the targets follow the critics in memory. */
static int side_by_side(const sac_algorithm* algo, const sac_op* op) {
  (void)algo;
  return op[0].nets == SAC_CRITIC && op[0].at == SAC_CURRENT && op[1].nets == SAC_CRITIC_TARGET && op[1].at == SAC_NEXT;
}

/* Samples at s and s': one kernel takes all rows. */
static int at_both(const sac_algorithm* algo, const sac_op* op) {
  (void)algo;
  return op[0].at != SAC_NEXT && op[1].at == SAC_NEXT;
}

#define ROW(function) \
  { SAC_ROWS, SAC_ROW_##function }
#define ONE(operation) \
  { SAC_##operation, SAC_ROW_NONE }

static const sac_launch composed[] = {
    {"actor_smallest_q, products, actor_squash_grad",
     3,
     {ROW(SMALLEST), ONE(INPUT_GRAD), ROW(SAMPLE_GRAD)},
     NULL,
     sac_cuda_action_gradient},
    {"discrete_critic_loss",
     3,
     {ROW(BOLTZMANN_TARGET), ROW(BOLTZMANN), ROW(CHOSEN_LOSS)},
     NULL,
     sac_cuda_discrete_critic_loss},
    {"products, twice the rows", 2, {ONE(FORWARD), ONE(FORWARD)}, same_nets, sac_cuda_forward_rows},
    {"products, networks side by side", 2, {ONE(FORWARD), ONE(FORWARD)}, side_by_side, sac_cuda_forward_nets},
    {"actor_squash", 2, {ROW(SAMPLE), ROW(SAMPLE)}, at_both, sac_cuda_sample_both},
    {"critic_loss", 2, {ROW(SOFT_TARGET), ROW(SQUARE_LOSS)}, NULL, sac_cuda_critic_loss},
    {"critic_loss", 2, {ROW(VALUE_TARGET), ROW(SQUARE_LOSS)}, NULL, sac_cuda_critic_loss},
    {"discrete_critic_loss", 2, {ROW(SOFTMAX_TARGET), ROW(CHOSEN_LOSS)}, NULL, sac_cuda_discrete_critic_loss},
    {"products", 1, {ONE(FORWARD)}, NULL, sac_cuda_forward},
    {"actor_squash", 1, {ROW(SAMPLE)}, NULL, sac_cuda_sample},
    {"discrete_actor_grad", 1, {ROW(SOFTMAX_GRAD)}, NULL, sac_cuda_discrete_actor_grad},
    {"critic_value_loss", 1, {ROW(SOFT_VALUE_LOSS)}, NULL, sac_cuda_value_loss},
    {"products, net_relu_grad", 1, {ONE(BACKWARD)}, NULL, sac_cuda_backward},
    {"products, net_column_sums", 1, {ONE(GRADIENT)}, NULL, sac_cuda_gradient},
    {"adam_update", 1, {ONE(ADAM)}, NULL, sac_cuda_adam},
    {"temperature_update", 1, {ONE(TEMPERATURE)}, NULL, sac_cuda_temperature},
    {"target_update", 1, {ONE(POLYAK)}, NULL, sac_cuda_polyak},
};

/* Whether the operations from op on, `left` of them, begin with a launch's pattern. */
static int fits(const sac_launch* launch, const sac_algorithm* algo, const sac_op* op, int32_t left) {
  if (launch->count > left) return 0;
  for (int32_t n = 0; n < launch->count; n++)
    if (op[n].kind != launch->pattern[n].kind || op[n].row != launch->pattern[n].row) return 0;
  return !launch->serves || launch->serves(algo, op);
}

/* The first of `count` launches that fits, which is the longest one; NULL: none does. */
static const sac_launch* find_in(const sac_launch* launch, int32_t count, const sac_algorithm* algo, const sac_op* op,
                                 int32_t left) {
  for (int32_t i = 0; i < count; i++)
    if (fits(&launch[i], algo, op, left)) return &launch[i];
  return NULL;
}

const sac_launch* sac_cuda_find_launch(const sac_update_path* path, const sac_algorithm* algo, const sac_op* op,
                                       int32_t left) {
  /* the path's own launches come before those of the composed path */
  const sac_launch* own = path ? find_in(path->launch, path->count, algo, op, left) : NULL;
  return own ? own : find_in(composed, SAC_LENGTH(composed), algo, op, left);
}

/* --- the parts of an update --------------------------------------------------------------------------------------- */

/* Finds launch number `number` of an update, from 0. Returns the operation that it begins with; past the last launch
 * *launch is NULL. (Part 0 of an update is replay sample, so launch n is part n + 1.) */
static int32_t find_part(const sac_agent* agent, int32_t number, const sac_launch** launch) {
  const sac_gpu* gpu = sac_gpu_of(agent);
  const sac_plan* plan = &gpu->plan;
  int32_t op = 0;
  *launch = NULL;

  /* walk over the launches before it */
  while (op < plan->count) {
    *launch = sac_cuda_find_launch(gpu->path, agent->algo, &plan->op[op], plan->count - op);
    if (!*launch || number-- == 0) return op;
    op += (*launch)->count;
  }
  *launch = NULL;
  return op;
}

int32_t sac_cuda_part_count(const sac_agent* agent) {
  const sac_launch* launch;
  int32_t parts = 1; /* replay sample */
  while ((void)find_part(agent, parts - 1, &launch), launch) parts++;
  return parts;
}

sac_part sac_cuda_part_at(const sac_agent* agent, int32_t part) {
  const sac_plan* plan = &sac_gpu_of(agent)->plan;
  const sac_launch* launch;

  /* part 0 is no operation of the list */
  if (part == 0) return (sac_part){SAC_STAGE_REPLAY_SAMPLE, "replay_sample", NULL, 0};
  const int32_t op = find_part(agent, part - 1, &launch);
  return (sac_part){plan->op[op].stage, launch->name, &plan->op[op], launch->count};
}

sac_status sac_cuda_part_run(sac_agent* agent, int32_t part) {
  const sac_launch* launch;

  /* find the launch */
  if (part == 0) return sac_cuda_replay_sample(agent, 0);
  const sac_op* op = &sac_gpu_of(agent)->plan.op[find_part(agent, part - 1, &launch)];
  if (!launch) return sac_fail(SAC_ERROR_ARGUMENT, "an update has no part %d", (int)part);

  /* run it; a change of the policy makes the snapshot stale */
  if (sac_cuda_changes_policy(agent, op->stage)) sac_gpu_of(agent)->act_stale = 1;
  return launch->run(agent, op);
}

/* --- which settings the composed path serves ---------------------------------------------------------------------- */

/* Whether each operation of the algorithm has a launch. */
static int has_launches(const sac_algorithm* algo) {
  /* walk over the launches, as queue_operations of update.c does */
  for (int32_t i = 0; i < algo->op_count;) {
    const sac_launch* launch = sac_cuda_find_launch(NULL, algo, &algo->update[i], algo->op_count - i);
    if (!launch) return 0;
    i += launch->count;
  }
  return 1;
}

/* Whether the kernels that do more than their operation run once: temperature_update also makes the statistics, and
 * target_update, the last kernel, also ends the update (totals, counters). */
static int ends_once(const sac_algorithm* algo) {
  int32_t temperatures = 0, polyaks = 0;
  for (int32_t i = 0; i < algo->op_count; i++) {
    temperatures += algo->update[i].kind == SAC_TEMPERATURE;
    polyaks += algo->update[i].kind == SAC_POLYAK;
  }
  return temperatures == 1 && polyaks == 1 && algo->update[algo->op_count - 1].kind == SAC_POLYAK;
}

/* Whether each GRADIENT finds what its BACKWARD wrote. A group has one memory for such gradients, not one for each
 * place, so nothing else may go back through the group in between. */
static int keeps_gradients(const sac_algorithm* algo) {
  const sac_op* back[SAC_GROUP_COUNT] = {NULL};
  for (int32_t i = 0; i < algo->op_count; i++) {
    const sac_op* op = &algo->update[i];
    if (sac_row_starts_gradient(op->row) || op->kind == SAC_BACKWARD || op->kind == SAC_INPUT_GRAD) back[op->nets] = op;

    /* the last operation that went back must be the BACKWARD of the same place */
    if (op->kind != SAC_GRADIENT) continue;
    const sac_op* last = back[op->nets];
    if (!last || last->kind != SAC_BACKWARD || last->at != op->at) return 0;
  }
  return 1;
}

/* Whether the device has everything that the settings ask for: the policy, the layers, the sampler, the operations. */
static int composed_serves(const sac_settings* settings) {
  const sac_algorithm* algo = sac_algo_at(settings->algo);
  return sac_cuda_has_policy(algo->policy) && sac_cuda_serves_network(settings) &&
         sac_cuda_has_sampler((int)settings->replay_sampling) && has_launches(algo) && ends_once(algo) &&
         keeps_gradients(algo);
}

/* --- the paths ---------------------------------------------------------------------------------------------------- */

/* In the order of SAC_CUDA_PATHS (backend/registry.h), in which `auto` tries them. */
static const sac_update_path paths[] = {
#define PATH(name) {#name, name##_serves, name, SAC_LENGTH(name)},
    SAC_CUDA_PATHS(PATH)};

const sac_update_path* sac_cuda_path(const sac_settings* settings) {
  const char* wanted = sac_cuda_path_names[settings->cuda_path]; /* 0: auto, the first path that serves */
  for (int32_t i = 0; i < SAC_LENGTH(paths); i++)
    if ((settings->cuda_path == 0 || strcmp(paths[i].name, wanted) == 0) && paths[i].serves(settings)) return &paths[i];
  return NULL;
}

const char* sac_cuda_path_name(const sac_settings* settings) {
  const sac_update_path* path = sac_cuda_path(settings);
  return path ? path->name : NULL;
}

const char* sac_cuda_runs_as(const sac_settings* settings, int32_t number, int32_t* count) {
  const sac_algorithm* algo = sac_algo_at(settings->algo);
  const sac_update_path* path = sac_cuda_path(settings);
  const sac_launch* launch =
      path ? sac_cuda_find_launch(path, algo, &algo->update[number], algo->op_count - number) : NULL;
  *count = launch ? launch->count : 1;
  return launch ? launch->name : NULL;
}
