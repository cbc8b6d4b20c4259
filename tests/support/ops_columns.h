/* What operations write beside the slabs: as the CPU's scratch holds it after the operation's part, and as the
 * reference in double has it. Two tables, by kind and by function of rows; one without an entry fails the test by name.
 */
#ifndef TESTS_SUPPORT_OPS_COLUMNS_H
#define TESTS_SUPPORT_OPS_COLUMNS_H

#include "cpu/cpu.h"
#include "support/ops_reference.h"

/* Numbers in the order of rows. They come in columns, whose numbers are of one size each. */
typedef struct ops_list {
  double* x;
  size_t count, room;
  size_t column[8]; /* (columns) where the second, third, ... column begins */
  int columns;
} ops_list;

/* The next column begins. */
static inline void ops_next_column(ops_list* to) {
  ck_assert_int_lt(to->columns, SAC_LENGTH(to->column));
  to->column[to->columns++] = to->count;
}

static inline void ops_put(ops_list* to, double value) {
  if (to->count == to->room) {
    to->room = 2 * to->room + 64;
    double* more = realloc(to->x, to->room * sizeof *to->x);
    ck_assert_ptr_nonnull(more);
    to->x = more;
  }
  to->x[to->count++] = value;
}

static inline void ops_put_all(ops_list* to, const double* from, int32_t count) {
  for (int32_t i = 0; i < count; i++) ops_put(to, from[i]);
}

static inline void ops_put_floats(ops_list* to, const float* from, int32_t count) {
  for (int32_t i = 0; i < count; i++) ops_put(to, (double)from[i]);
}

/* --- the CPU's ---------------------------------------------------------------------------------------------------- */

/* One agent's scratch, from the side of an operation. */
typedef struct ops_cpu {
  const sac_agent* agent;
  const sac_cpu* cpu;
  const sac_cpu_scratch* scratch;
  const sac_cpu_minibatch* minibatch;
  const sac_op* op;
  int32_t pass, nets, B;
} ops_cpu;

static inline ops_cpu ops_cpu_of(const sac_agent* agent, int32_t p, const sac_op* op) {
  const sac_cpu* cpu = agent->storage;
  return (ops_cpu){.agent = agent,
                   .cpu = cpu,
                   .scratch = cpu->own ? &cpu->own[p] : &cpu->scratch[0],
                   .minibatch = &cpu->minibatch[p],
                   .op = op,
                   .pass = sac_plan_find(&cpu->plan, op->nets, op->at),
                   .nets = agent->tensors.nets[op->nets],
                   .B = agent->shape.batch};
}

/* Features `from` to `to` of all rows, from row panels `stride` floats apart. */
static inline void ops_put_panels(const ops_cpu* c, const float* panels, size_t stride, int32_t from, int32_t to,
                                  ops_list* list) {
  for (int32_t b = 0; b < c->B; b++)
    for (int32_t f = from; f < to; f++)
      ops_put(list, (double)panels[(size_t)(b / SAC_PANEL) * stride + (size_t)(f * SAC_PANEL + b % SAC_PANEL)]);
}

static inline void ops_put_features(const ops_cpu* c, const float* panels, int32_t width, ops_list* list) {
  ops_put_panels(c, panels, (size_t)width * SAC_PANEL, 0, width, list);
}

/* A squashed Gaussian's head is in no array of outputs: SAMPLE reads it in the trace. */
static inline int ops_has_output(const sac_agent* agent, const sac_op* op) {
  return agent->algo->discrete || op->nets != SAC_ACTOR;
}

static void cpu_output(const ops_cpu* c, ops_list* list) {
  const sac_net* net = &c->agent->tensors.net[c->op->nets][0];
  const size_t each = sac_cpu_batch_rows(c->cpu) * (size_t)net->size[net->layers];
  for (int32_t n = 0; n < c->nets && ops_has_output(c->agent, c->op); n++)
    ops_put_features(c, c->scratch->output[c->pass] + (size_t)n * each, net->size[net->layers], list);
}

static void cpu_d_output(const ops_cpu* c, ops_list* list) {
  const sac_net* net = &c->agent->tensors.net[c->op->nets][0];
  for (int32_t n = 0; n < c->nets; n++)
    ops_put_features(c, c->scratch->trace[c->pass][n].out, net->size[net->layers], list);
}

static void cpu_d_hidden(const ops_cpu* c, ops_list* list) {
  const sac_net* net = &c->agent->tensors.net[c->op->nets][0];
  for (int32_t n = 0; n < c->nets; n++)
    for (int32_t l = 0; l + 1 < net->layers; l++)
      ops_put_features(c, c->scratch->trace[c->pass][n].h[l], net->size[l + 1], list);
}

static void cpu_d_action(const ops_cpu* c, ops_list* list) {
  ops_put_features(c, c->scratch->d_action, c->agent->shape.action, list);
}

static void cpu_sampled(const ops_cpu* c, ops_list* list) {
  const sac_shape* s = &c->agent->shape;
  const sac_rows x = c->scratch->input[c->op->at];
  ops_put_panels(c, x.data, x.stride, s->obs, s->obs + s->action, list);
  ops_put_floats(list, c->op->at == SAC_NEXT ? c->scratch->next_log_prob : c->minibatch->log_prob, c->B);
}

static void cpu_y(const ops_cpu* c, ops_list* list) { ops_put_floats(list, c->scratch->y, c->B); }

static void cpu_value_loss(const ops_cpu* c, ops_list* list) {
  ops_put_floats(list, c->scratch->v_target, c->B);
  cpu_d_output(c, list);
}

static void cpu_smallest(const ops_cpu* c, ops_list* list) { ops_put_floats(list, c->scratch->smallest, c->B); }

static void cpu_sample_grad(const ops_cpu* c, ops_list* list) {
  cpu_d_output(c, list);
  ops_put_floats(list, c->scratch->saturated, c->B);
}

/* Q(s, a) of the replay's action, and the gradient of all actions. */
static void cpu_chosen_loss(const ops_cpu* c, ops_list* list) {
  for (int32_t k = 0; k < c->nets; k++)
    ops_put_floats(list, c->scratch->q + (size_t)k * sac_cpu_batch_rows(c->cpu), c->B);
  cpu_d_output(c, list);
}

static void cpu_boltzmann(const ops_cpu* c, ops_list* list) {
  ops_put_floats(list, c->minibatch->log_prob, c->B);
  ops_put_floats(list, c->scratch->smallest, c->B);
  ops_put_floats(list, c->scratch->log_z, c->B);
  ops_put_floats(list, c->scratch->kl, c->B);
}

static void cpu_softmax_grad(const ops_cpu* c, ops_list* list) {
  cpu_d_output(c, list);
  cpu_boltzmann(c, list);
}

static void cpu_nothing(const ops_cpu* c, ops_list* list) { (void)c, (void)list; }

/* --- the reference's ---------------------------------------------------------------------------------------------- */

static void ref_output(ops_state* s, const sac_op* op, ops_list* list) {
  const sac_net* net = &s->agent->tensors.net[op->nets][0];
  for (int32_t n = 0; n < s->agent->tensors.nets[op->nets] && ops_has_output(s->agent, op); n++)
    ops_put_all(list, ops_output(s, op, n), s->B * net->size[net->layers]);
}

static void ref_d_output(ops_state* s, const sac_op* op, ops_list* list) {
  const sac_net* net = &s->agent->tensors.net[op->nets][0];
  for (int32_t n = 0; n < s->agent->tensors.nets[op->nets]; n++)
    ops_put_all(list, ops_d_output(s, op, n), s->B * net->size[net->layers]);
}

static void ref_d_hidden(ops_state* s, const sac_op* op, ops_list* list) {
  const sac_net* net = &s->agent->tensors.net[op->nets][0];
  for (int32_t n = 0; n < s->agent->tensors.nets[op->nets]; n++)
    for (int32_t l = 0; l + 1 < net->layers; l++)
      ops_put_all(list, s->trace[op->nets][op->at][n].d[l], s->B * net->size[l + 1]);
}

static void ref_d_action(ops_state* s, const sac_op* op, ops_list* list) {
  (void)op;
  ops_put_all(list, s->d_action, s->B * s->A);
}

static void ref_sampled(ops_state* s, const sac_op* op, ops_list* list) {
  ops_put_all(list, s->action[op->at], s->B * s->A);
  ops_next_column(list);
  ops_put_all(list, s->log_prob[op->at], s->B);
}

static void ref_y(ops_state* s, const sac_op* op, ops_list* list) {
  (void)op;
  ops_put_all(list, s->y, s->B);
}

static void ref_value_loss(ops_state* s, const sac_op* op, ops_list* list) {
  ops_put_all(list, s->v_target, s->B);
  ops_next_column(list);
  ref_d_output(s, op, list);
}

static void ref_smallest(ops_state* s, const sac_op* op, ops_list* list) {
  (void)op;
  ops_put_all(list, s->smallest, s->B);
}

static void ref_sample_grad(ops_state* s, const sac_op* op, ops_list* list) {
  ref_d_output(s, op, list);
  ops_next_column(list);
  ops_put_all(list, s->saturated, s->B);
}

static void ref_chosen_loss(ops_state* s, const sac_op* op, ops_list* list) {
  for (int32_t k = 0; k < s->K; k++)
    for (int32_t b = 0; b < s->B; b++) ops_put(list, *ops_chosen(s, op, k, b));
  ops_next_column(list);
  ref_d_output(s, op, list);
}

static void ref_boltzmann(ops_state* s, const sac_op* op, ops_list* list) {
  (void)op;
  const double* const columns[] = {s->log_prob[SAC_POLICY], s->smallest, s->log_z, s->kl};
  for (int32_t i = 0; i < SAC_LENGTH(columns); i++) {
    ops_next_column(list);
    ops_put_all(list, columns[i], s->B);
  }
}

static void ref_softmax_grad(ops_state* s, const sac_op* op, ops_list* list) {
  ref_d_output(s, op, list);
  ref_boltzmann(s, op, list);
}

static void ref_nothing(ops_state* s, const sac_op* op, ops_list* list) { (void)s, (void)op, (void)list; }

/* --- the tables --------------------------------------------------------------------------------------------------- */

typedef struct ops_columns {
  void (*cpu)(const ops_cpu* c, ops_list* list);
  void (*reference)(ops_state* s, const sac_op* op, ops_list* list);
} ops_columns;

static const ops_columns ops_columns_of_kind[SAC_OP_KIND_COUNT] = {
    [SAC_FORWARD] = {cpu_output, ref_output},       [SAC_ROWS] = {cpu_nothing, ref_nothing},     /* by its function */
    [SAC_BACKWARD] = {cpu_d_hidden, ref_d_hidden},  [SAC_GRADIENT] = {cpu_nothing, ref_nothing}, /* slabs alone */
    [SAC_ADAM] = {cpu_nothing, ref_nothing},        [SAC_INPUT_GRAD] = {cpu_d_action, ref_d_action},
    [SAC_TEMPERATURE] = {cpu_nothing, ref_nothing}, [SAC_POLYAK] = {cpu_nothing, ref_nothing}};

static const ops_columns ops_columns_of_row[SAC_ROW_COUNT] = {
    [SAC_ROW_SAMPLE] = {cpu_sampled, ref_sampled},
    [SAC_ROW_SOFT_TARGET] = {cpu_y, ref_y},
    [SAC_ROW_VALUE_TARGET] = {cpu_y, ref_y},
    [SAC_ROW_SQUARE_LOSS] = {cpu_d_output, ref_d_output},
    [SAC_ROW_SOFT_VALUE_LOSS] = {cpu_value_loss, ref_value_loss},
    [SAC_ROW_SMALLEST] = {cpu_smallest, ref_smallest},
    [SAC_ROW_SAMPLE_GRAD] = {cpu_sample_grad, ref_sample_grad},
    [SAC_ROW_SOFTMAX_TARGET] = {cpu_y, ref_y},
    [SAC_ROW_BOLTZMANN_TARGET] = {cpu_y, ref_y},
    [SAC_ROW_CHOSEN_LOSS] = {cpu_chosen_loss, ref_chosen_loss},
    [SAC_ROW_SOFTMAX_GRAD] = {cpu_softmax_grad, ref_softmax_grad},
    [SAC_ROW_BOLTZMANN] = {cpu_boltzmann, ref_boltzmann}};

static inline const ops_columns* ops_columns_of(const sac_op* op) {
  const ops_columns* its = op->kind == SAC_ROWS ? &ops_columns_of_row[op->row] : &ops_columns_of_kind[op->kind];
  ck_assert_msg(its->cpu != NULL, "%s has no entry in tests/support/ops_columns.h", ops_name(op));
  return its;
}

#endif
