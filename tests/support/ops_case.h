/* The cases of src/verify/cases.h as agents, and what an update in parts leaves behind, for the tests of operations. */
#ifndef TESTS_SUPPORT_OPS_CASE_H
#define TESTS_SUPPORT_OPS_CASE_H

#include "algo/plan.h"
#include "config/field.h"
#include "support/agent_case.h"
#include "support/tolerances.h"
#include "verify/cases.h"

static inline int ops_network_kinds_count(void) {
  int count = 0;
  while (sac_network_kind_names[count]) count++;
  return count;
}

/* Every case with every algorithm and every kind of network: 0 .. ops_variants() - 1. */
static inline int ops_variants(void) { return sac_case_count * SAC_ALGO_COUNT * ops_network_kinds_count(); }

static inline const sac_case* ops_case_of(int variant) { return &sac_cases[variant % sac_case_count]; }
static inline const sac_algorithm* ops_algo_of(int variant) {
  return sac_algo_at(variant / sac_case_count % SAC_ALGO_COUNT);
}

/* The network kinds of the variants come one after the other. */
static inline int ops_kind_of(int variant) { return variant / sac_case_count / SAC_ALGO_COUNT; }

/* Adds keys to a case. */
static inline void ops_add_keys(agent_case* to, const char* const (*set)[2], int count) {
  int i = 0;
  while (to->set[i][0]) i++;
  for (int k = 0; k < count && set[k][0]; k++, i++) to->set[i][0] = set[k][0], to->set[i][1] = set[k][1];
  ck_assert_int_lt(i, AGENT_CASE_KEYS);
}

static inline agent_case ops_agent_case(int variant) {
  const sac_case* c = ops_case_of(variant);
  const char* const kind[][2] = {{"network.kind", sac_network_kind_names[ops_kind_of(variant)]}};
  agent_case agent = {.algo = sac_algo_name(variant / sac_case_count % SAC_ALGO_COUNT),
                      .obs = c->obs,
                      .action = c->action,
                      .hidden = c->hidden,
                      .batch = c->batch,
                      .critics = c->critics,
                      .population = c->population,
                      .threads = 1 + variant % 3};
  ops_add_keys(&agent, c->set, SAC_CASE_KEYS_MAX);
  if (agent_case_discrete(&agent)) ops_add_keys(&agent, c->set_discrete, SAC_CASE_KEYS_MAX);
  ops_add_keys(&agent, kind, 1);
  return agent;
}

/* Prints the case: a failure that Check reports has the number of the variant alone. */
static inline void ops_announce(int variant) {
  const sac_case* c = ops_case_of(variant);
  printf("variant %d: case %d, %s: O %d A %d, hidden %s, B %d, K %d, P %d\n", variant, variant % sac_case_count,
         ops_agent_case(variant).algo, (int)c->obs, (int)c->action, c->hidden, (int)c->batch, (int)c->critics,
         (int)c->population);
  (void)fflush(stdout);
}

/* A tensor of a network, by the table of the kinds of layers. */
typedef struct ops_tensor {
  int32_t layer, number; /* among the network's layers, and among the layer's tensors */
  size_t at, count;      /* offset and length in floats within an agent's slab; count 0: behind the last tensor */
} ops_tensor;

/* The tensor `number` of layer `layer`, or the next one there is. */
static inline ops_tensor ops_tensor_from(const sac_net* net, int32_t layer, int32_t number) {
  for (; layer < net->count; layer++, number = 0) {
    const sac_layer* its = &net->layer[layer];
    const sac_layer_type* type = &sac_layer_types[its->kind];
    if (number >= type->tensors) continue;
    const size_t columns = type->tensor[number].rank > 1 ? (size_t)its->in : 1;
    return (ops_tensor){layer, number, its->tensor[number], (size_t)its->out * columns};
  }
  return (ops_tensor){0};
}

/* A walk over the tensors of a network, in the order of its layers:
 * for (ops_tensor t = ops_first(net); t.count > 0; t = ops_next(net, t)). */
static inline ops_tensor ops_first(const sac_net* net) { return ops_tensor_from(net, 0, 0); }
static inline ops_tensor ops_next(const sac_net* net, ops_tensor t) {
  return ops_tensor_from(net, t.layer, t.number + 1);
}

/* "forward of critic at (s, a)", "rows sample of actor at (s, a~)" */
static inline const char* ops_name(const sac_op* op) {
  static char text[96];
  (void)snprintf(text, sizeof text, "%s%s%s of %s at %s", sac_op_kind_names[op->kind], op->row ? " " : "",
                 sac_row_name(op->row), sac_group_names[op->nets], sac_place_names[op->at]);
  return text;
}

/* --- an update in parts ------------------------------------------------------------------------------------------- */

/* One agent's slabs at one time. */
typedef struct ops_shot {
  float* slab[SAC_MEMORY_REPLAY];
} ops_shot;

static inline size_t ops_slab_floats(const sac_agent* agent, int memory) {
  return agent->tensors.floats[memory == SAC_MEMORY_TARGET ? SAC_SLAB_TARGET : SAC_SLAB_TRAINED];
}

static inline ops_shot ops_take(const sac_agent* agent, int32_t p) {
  ops_shot shot;
  size_t count;
  for (int m = 0; m < SAC_MEMORY_REPLAY; m++) shot.slab[m] = slab_copy(agent, (sac_memory)m, p, &count);
  return shot;
}

static inline void ops_drop(ops_shot* shot) {
  for (int m = 0; m < SAC_MEMORY_REPLAY; m++) free(shot->slab[m]);
}

/* The slabs of every agent before the first part and after each. */
typedef struct ops_record {
  const sac_agent* agent;
  int32_t parts;
  ops_shot* shot;               /* (parts + 1, P) */
  int32_t part_of[SAC_OPS_MAX]; /* (op_count) the part that runs an operation of the algorithm's list */
} ops_record;

static inline const ops_shot* ops_shot_at(const ops_record* r, int32_t shot, int32_t p) {
  return &r->shot[shot * r->agent->shape.population + p];
}

/* The same operation, whatever stage a backend has moved it to. */
static inline int ops_same(const sac_op* a, const sac_op* b) {
  return a->kind == b->kind && a->nets == b->nets && a->at == b->at && a->row == b->row && a->source == b->source;
}

/* Which part runs which operation: each operation of the list is run by one part, and parts run nothing else. */
static inline void ops_find_parts(const sac_agent* agent, int32_t* part_of) {
  const sac_algorithm* algo = agent->algo;
  const int32_t parts = agent->backend->part_count(agent);
  for (int32_t i = 0; i < algo->op_count; i++) part_of[i] = -1;
  for (int32_t part = 0; part < parts; part++) {
    const sac_part its = agent->backend->part_at(agent, part);
    ck_assert_msg(its.name != NULL && its.name[0], "part %d has no name", (int)part);
    for (int32_t o = 0; o < its.count; o++) {
      int32_t i = 0;
      while (i < algo->op_count && (part_of[i] >= 0 || !ops_same(&algo->update[i], &its.first[o]))) i++;
      ck_assert_msg(i < algo->op_count, "part %d runs %s, which the list has not", (int)part, ops_name(&its.first[o]));
      part_of[i] = part;
    }
  }
  for (int32_t i = 0; i < algo->op_count; i++)
    ck_assert_msg(part_of[i] >= 0, "no part runs %s", ops_name(&algo->update[i]));
}

static inline void ops_mark(char* may[SAC_MEMORY_REPLAY], int memory, size_t at, size_t count) {
  memset(may[memory] + at, 1, count);
}

static inline void ops_mark_group(const sac_agent* agent, sac_group group, int memory, char* may[SAC_MEMORY_REPLAY]) {
  for (int32_t n = 0; n < agent->tensors.nets[group]; n++) {
    const sac_net* net = &agent->tensors.net[group][n];
    for (ops_tensor t = ops_first(net); t.count > 0; t = ops_next(net, t)) ops_mark(may, memory, t.at, t.count);
  }
}

/* What an operation may change in the slabs. */
static inline void ops_mark_op(const sac_agent* agent, const sac_op* op, char* may[SAC_MEMORY_REPLAY]) {
  if (op->kind == SAC_GRADIENT) ops_mark_group(agent, op->nets, SAC_MEMORY_GRAD, may);
  if (op->kind == SAC_POLYAK) ops_mark_group(agent, op->nets, SAC_MEMORY_TARGET, may);
  for (int m = 0; m < SAC_MEMORY_TARGET; m++) {
    if (op->kind == SAC_ADAM && m != SAC_MEMORY_GRAD) ops_mark_group(agent, op->nets, m, may);
    if (op->kind == SAC_TEMPERATURE && agent->settings.alpha_learn) ops_mark(may, m, agent->tensors.log_alpha, 1);
  }
}

/* A part leaves alone, to the bit, what its operations do not write. */
static inline void ops_check_untouched(const sac_agent* agent, const sac_part* part, const ops_shot* before,
                                       const ops_shot* after) {
  char* may[SAC_MEMORY_REPLAY];
  for (int m = 0; m < SAC_MEMORY_REPLAY; m++) may[m] = calloc(ops_slab_floats(agent, m) + 1, 1);
  for (int32_t o = 0; o < part->count; o++) ops_mark_op(agent, &part->first[o], may);
  for (int m = 0; m < SAC_MEMORY_REPLAY; m++) {
    for (size_t i = 0; i < ops_slab_floats(agent, m); i++)
      if (!may[m][i] && memcmp(&after->slab[m][i], &before->slab[m][i], sizeof(float)) != 0)
        ck_abort_msg("part '%s' of %s changed slab %d at %zu, which is not its own", part->name,
                     sac_stage_names[part->stage], m, i);
    free(may[m]);
  }
}

/* Runs an update in parts, the minibatch and the noise given. seen: called after each part, or NULL; where it changes
 * the agent, it changes the shot behind the part alike. */
typedef void ops_seen(void* context, const ops_record* record, sac_agent* agent, int32_t part);
static inline ops_record ops_update(sac_agent* agent, const update_inputs* in, ops_seen* seen, void* context) {
  const int32_t P = agent->shape.population, parts = agent->backend->part_count(agent);
  ops_record r = {.agent = agent, .parts = parts, .shot = calloc((size_t)((parts + 1) * P), sizeof *r.shot)};
  ops_find_parts(agent, r.part_of);
  ck_ok(agent->backend->minibatch_set(agent, &in->minibatch, &in->noise));
  for (int32_t p = 0; p < P; p++) r.shot[p] = ops_take(agent, p);
  for (int32_t part = 0; part < parts; part++) {
    const sac_part its = agent->backend->part_at(agent, part);
    if (its.stage != SAC_STAGE_REPLAY_SAMPLE) ck_ok(agent->backend->part_run(agent, part));
    for (int32_t p = 0; p < P; p++) {
      r.shot[(part + 1) * P + p] = ops_take(agent, p);
      ops_check_untouched(agent, &its, ops_shot_at(&r, part, p), ops_shot_at(&r, part + 1, p));
    }
    if (seen) seen(context, &r, agent, part);
  }
  return r;
}

static inline void ops_record_free(ops_record* r) {
  for (int32_t i = 0; i < (r->parts + 1) * r->agent->shape.population; i++) ops_drop(&r->shot[i]);
  free(r->shot);
}

#endif
