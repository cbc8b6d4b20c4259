#include "algo/plan.h"

#include <string.h>

#include "util/error.h"

/* --- what operations read and write ------------------------------------------------------------------------------- */

/* Values that operations read and write, as a set: a bit for each of them. */
typedef uint64_t value_set;

/* Values that exist once in an update: columns with a value for each row, and the temperature. */
enum { TARGET_Y, SMALLEST, D_ACTION, SATURATED, VALUE_TARGET, DISTANCE, ALPHA, COLUMNS };

/* Values that exist once for each place, group or pass. They are numbered after the columns. */
enum {
  ACTION = COLUMNS,
  LOG_PROB = ACTION + SAC_PLACE_COUNT,
  WEIGHTS = LOG_PROB + SAC_PLACE_COUNT,
  GRADIENTS = WEIGHTS + SAC_GROUP_COUNT,
  OUTPUT = GRADIENTS + SAC_GROUP_COUNT,
  D_OUTPUT = OUTPUT + SAC_PASSES_MAX,
  D_HIDDEN = D_OUTPUT + SAC_PASSES_MAX,
  VALUES = D_HIDDEN + SAC_PASSES_MAX
};
_Static_assert(VALUES <= 64, "a bit each");

/* The set of one value. */
static value_set one(int value) { return (value_set)1 << value; }

/* Whether the input of the networks of a group includes actions. */
static int reads_actions(const sac_algorithm* algo, sac_group nets) {
  for (int32_t i = 0; i < algo->network_count; i++)
    if (algo->networks[i].group == nets) return algo->networks[i].in == SAC_OBS_ACTION;
  return 0;
}

/* Adds what a row function reads and writes. Leaves out the outputs of its networks, which every row function reads. */
static void row_uses(const sac_op* op, int32_t pass, value_set* reads, value_set* writes) {
  const value_set log_prob = one(LOG_PROB + (int)op->at);

  /* the variables of the equations in algo.h (SAC_ROW_FUNCTIONS); the minibatch and the noise always exist */
  switch (op->row) {
    case SAC_ROW_SAMPLE:
      *writes |= one(ACTION + (int)op->at) | log_prob;
      break;
    case SAC_ROW_SOFT_TARGET:
      /* targets of the critics: log pi(a'|s') is of the same place */
      *reads |= log_prob | one(ALPHA);
      *writes |= one(TARGET_Y);
      break;
    case SAC_ROW_VALUE_TARGET:
      *writes |= one(TARGET_Y);
      break;
    case SAC_ROW_SQUARE_LOSS:
      /* losses: the gradient with respect to the output */
      *reads |= one(TARGET_Y);
      *writes |= one(D_OUTPUT + pass);
      break;
    case SAC_ROW_SOFT_VALUE_LOSS:
      /* log pi is that of a~, although the value network is evaluated at s alone */
      *reads |= one(SMALLEST) | one(LOG_PROB + SAC_POLICY) | one(ALPHA);
      *writes |= one(VALUE_TARGET) | one(D_OUTPUT + pass);
      break;
    case SAC_ROW_SMALLEST:
      *writes |= one(SMALLEST);
      break;
    case SAC_ROW_SAMPLE_GRAD:
      /* from dJ/da~ to the actor's head; the count of saturated components is a statistic */
      *reads |= one(ACTION + (int)op->at) | one(D_ACTION) | one(ALPHA);
      *writes |= one(SATURATED) | one(D_OUTPUT + pass);
      break;
    case SAC_ROW_SOFTMAX_TARGET:
    case SAC_ROW_BOLTZMANN_TARGET:
      *reads |= one(ALPHA);
      *writes |= one(TARGET_Y);
      break;
    case SAC_ROW_CHOSEN_LOSS:
      /* the action of the replay is in the minibatch */
      *reads |= one(TARGET_Y);
      *writes |= one(D_OUTPUT + pass);
      break;
    case SAC_ROW_SOFTMAX_GRAD:
    case SAC_ROW_BOLTZMANN:
      /* the expectations of log pi and q over the actions, log Z and the KL divergence are statistics; the
       * temperature's step reads the first */
      *reads |= one(ALPHA);
      *writes |= one(LOG_PROB + SAC_POLICY) | one(SMALLEST) | one(DISTANCE);
      if (op->row == SAC_ROW_SOFTMAX_GRAD) *writes |= one(D_OUTPUT + pass);
      break;
    default:
      break;
  }
}

int sac_row_starts_gradient(sac_row_function row) {
  const sac_op op = {.kind = SAC_ROWS, .row = row};
  value_set reads = 0, writes = 0;
  row_uses(&op, 0, &reads, &writes);
  return (writes & one(D_OUTPUT)) != 0;
}

/* The other pass whose outputs a row function reads; -1: none. */
static int32_t other_pass(const sac_plan* plan, const sac_op* op) {
  const sac_group also = op->kind == SAC_ROWS ? sac_row_also(op->row) : SAC_GROUP_COUNT;
  return also == SAC_GROUP_COUNT ? -1 : sac_plan_find(plan, also, op->at);
}

/* Finds the values that an operation reads and writes. pass: the pass that it works on; -1: none. */
static void op_uses(const sac_plan* plan, const sac_algorithm* algo, const sac_op* op, int32_t pass, value_set* reads,
                    value_set* writes) {
  const value_set weights = one(WEIGHTS + (int)op->nets), gradients = one(GRADIENTS + (int)op->nets);
  const value_set output = pass < 0 ? 0 : one(OUTPUT + pass), d_output = pass < 0 ? 0 : one(D_OUTPUT + pass),
                  d_hidden = pass < 0 ? 0 : one(D_HIDDEN + pass);

  /* the meanings of the kinds in algo.h (sac_op_kind) */
  *reads = *writes = 0;
  switch (op->kind) {
    case SAC_FORWARD:
      /* inputs with actions: those at (s, a) come with the minibatch, the others from SAMPLE */
      *reads = weights | (reads_actions(algo, op->nets) ? one(ACTION + (int)op->at) : 0);
      *writes = output;
      break;
    case SAC_ROWS:
      *reads = output;
      if (other_pass(plan, op) >= 0) *reads |= one(OUTPUT + other_pass(plan, op));
      row_uses(op, pass, reads, writes);
      break;
    case SAC_BACKWARD:
      /* from the output to the hidden layers */
      *reads = output | d_output | weights;
      *writes = d_hidden;
      break;
    case SAC_GRADIENT:
      /* the weight gradients of all layers */
      *reads = output | d_output | d_hidden;
      *writes = gradients;
      break;
    case SAC_ADAM:
      *reads = gradients;
      *writes = weights;
      break;
    case SAC_INPUT_GRAD:
      /* it reads which critic is the smallest */
      *reads = output | one(SMALLEST) | weights;
      *writes = one(D_ACTION);
      break;
    case SAC_TEMPERATURE:
      /* the weights slab also has log alpha, but it is a value of its own */
      *reads = one(LOG_PROB + SAC_POLICY) | one(ALPHA);
      *writes = one(ALPHA);
      break;
    case SAC_POLYAK:
      *reads = one(WEIGHTS + (int)op->source);
      *writes = weights;
      break;
    default:
      break;
  }
}

/* --- passes ------------------------------------------------------------------------------------------------------- */

int32_t sac_plan_find(const sac_plan* plan, sac_group nets, sac_place at) {
  for (int32_t i = 0; i < plan->passes; i++)
    if (plan->pass[i].nets == nets && plan->pass[i].at == at) return i;
  return -1;
}

/* Whether operations of a kind work on a pass. */
static int has_pass(sac_op_kind kind) {
  return kind == SAC_FORWARD || kind == SAC_ROWS || kind == SAC_BACKWARD || kind == SAC_GRADIENT ||
         kind == SAC_INPUT_GRAD;
}

/* Lists the passes in the order of their FORWARDs, and finds the pass that each operation works on. */
static sac_status find_passes(sac_plan* plan) {
  for (int32_t i = 0; i < plan->count; i++) {
    const sac_op* op = &plan->op[i];

    /* a FORWARD begins a pass */
    if (op->kind == SAC_FORWARD && plan->passes == SAC_PASSES_MAX)
      return sac_fail(SAC_ERROR_CONFIG, "the algorithm evaluates networks in more than %d ways", SAC_PASSES_MAX);
    if (op->kind == SAC_FORWARD) plan->pass[plan->passes++] = (sac_pass){.nets = op->nets, .at = op->at};

    /* later operations find the pass by its networks and place */
    plan->pass_of[i] = has_pass(op->kind) ? sac_plan_find(plan, op->nets, op->at) : -1;
  }
  return SAC_OK;
}

/* Finds the first and the last operation of each pass, and which gradients need its activations. */
static void find_uses(sac_plan* plan) {
  for (int32_t i = 0; i < plan->count; i++) {
    if (plan->pass_of[i] < 0) continue;
    sac_pass* pass = &plan->pass[plan->pass_of[i]];
    const sac_op_kind kind = plan->op[i].kind;

    /* operations come in order, so `last` ends up as the last one */
    if (kind == SAC_FORWARD) pass->first = i;
    pass->last = i;
    if (other_pass(plan, &plan->op[i]) >= 0) plan->pass[other_pass(plan, &plan->op[i])].last = i;

    /* weight gradients and gradients that go back need different layouts of the activations */
    pass->gradient |= kind == SAC_GRADIENT;
    pass->back |= kind == SAC_BACKWARD || kind == SAC_INPUT_GRAD;
  }
}

/* Whether pass i may keep its activations in the memory of pass j: it must hold what i keeps, and nothing else may be
 * in use there between the first and the last operation of i. */
static int fits_memory(const sac_plan* plan, int32_t i, int32_t j) {
  const sac_pass *pass = &plan->pass[i], *owner = &plan->pass[j];
  if (owner->memory != j || owner->nets != pass->nets || !owner->back || !pass->back) return 0;
  if (pass->gradient && !owner->gradient) return 0;

  /* passes before i that have this memory, its owner among them */
  for (int32_t k = 0; k < i; k++)
    if (plan->pass[k].memory == j && plan->pass[k].last >= pass->first && plan->pass[k].first <= pass->last) return 0;
  return 1;
}

/* Lets a pass use the memory of an earlier pass of the same networks where both are never in use together. Only passes
 * that gradients go back through have memory for their activations. */
static void share_memory(sac_plan* plan) {
  for (int32_t i = 0; i < plan->passes; i++) {
    plan->pass[i].memory = i;
    for (int32_t j = 0; j < i && plan->pass[i].memory == i; j++)
      if (fits_memory(plan, i, j)) plan->pass[i].memory = j;
  }
}

/* --- order -------------------------------------------------------------------------------------------------------- */

/* Whether operation i must stay in its stage. A gradient does, to which its time counts. So does a row function whose
 * pass goes back in this stage: the pass does not outlive it. */
static int stays_in_stage(const sac_plan* plan, int32_t i) {
  const sac_op* op = &plan->op[i];
  for (int32_t j = 0; j < plan->count && op->kind == SAC_ROWS; j++)
    if (plan->pass_of[j] == plan->pass_of[i] && plan->op[j].kind == SAC_BACKWARD && plan->op[j].stage == op->stage)
      return 1;
  return op->kind == SAC_GRADIENT;
}

/* Finds how far operation i may move down: returns the number of the operation that it then stands right before, which
 * is the first that depends on it. -1: it stays where the list has it. */
static int32_t place_of(const sac_plan* plan, const sac_algorithm* algo, int32_t i) {
  const sac_op* op = &plan->op[i];
  const int stays = op->kind != SAC_FORWARD && op->kind != SAC_ROWS && op->kind != SAC_GRADIENT;

  /* steps of parameters and backward passes stay where the list has them */
  value_set reads, writes, later_reads, later_writes;
  if (stays) return -1;

  /* stop at the first operation that depends on this one, or changes what this one reads */
  const int in_stage = stays_in_stage(plan, i);
  op_uses(plan, algo, op, plan->pass_of[i], &reads, &writes);
  for (int32_t j = i + 1; j < plan->count; j++) {
    op_uses(plan, algo, &plan->op[j], plan->pass_of[j], &later_reads, &later_writes);
    if (writes & (later_reads | later_writes)) return j;
    if (reads & later_writes) return j;
    if (in_stage && plan->op[j].stage != op->stage) return j;
  }
  return -1; /* nothing depends on it */
}

/* Moves every operation down as far as it may. Forwards and row functions take the stage of the operation that they
 * then stand before, which is the first that reads their results. */
static void move_down(sac_plan* plan, const sac_algorithm* algo) {
  /* start at the end, so that readers have moved before what they read */
  for (int32_t i = plan->count - 2; i >= 0; i--) {
    const int32_t to = place_of(plan, algo, i), pass = plan->pass_of[i];
    sac_op op = plan->op[i];
    if (to < 0) continue;
    if (!stays_in_stage(plan, i)) op.stage = plan->op[to].stage;

    /* close the gap, and put the operation in its new place */
    for (int32_t j = i; j + 1 < to; j++) {
      plan->op[j] = plan->op[j + 1];
      plan->pass_of[j] = plan->pass_of[j + 1];
    }
    plan->op[to - 1] = op;
    plan->pass_of[to - 1] = pass;
  }
}

/* Checks the list: every operation reads only what was written before it, and stages ascend. Errors: CONFIG. */
static sac_status check_order(const sac_plan* plan, const sac_algorithm* algo) {
  value_set written = one(ACTION + SAC_CURRENT) | one(ALPHA), reads, writes;

  /* start with what exists before the update: the minibatch, the temperature and the weights */
  for (int group = 0; group < SAC_GROUP_COUNT; group++) written |= one(WEIGHTS + group);

  /* go through the list, and collect what is written */
  for (int32_t i = 0; i < plan->count; i++) {
    const sac_op* op = &plan->op[i];
    const int stage_descends = i > 0 && op->stage < plan->op[i - 1].stage;
    op_uses(plan, algo, op, plan->pass_of[i], &reads, &writes);

    /* name the operation and what is wrong with it */
    const int no_other = op->kind == SAC_ROWS && sac_row_also(op->row) != SAC_GROUP_COUNT && other_pass(plan, op) < 0;
    if ((has_pass(op->kind) && plan->pass_of[i] < 0) || no_other || (reads & ~written) || stage_descends)
      return sac_fail(SAC_ERROR_CONFIG, "operation %d of the algorithm's update (%s %s of %s) %s", (int)i + 1,
                      sac_op_kind_names[op->kind], sac_row_name(op->row), sac_group_names[op->nets],
                      stage_descends ? "is of an earlier stage than the one before"
                                     : "reads what no operation before it has written");
    written |= writes;
  }
  return SAC_OK;
}

sac_status sac_plan_create(sac_plan* plan, const sac_algorithm* algo, int reorder) {
  sac_status status = SAC_OK;

  /* copy the list and check it */
  memset(plan, 0, sizeof *plan);
  if (algo->op_count > SAC_OPS_MAX)
    return sac_fail(SAC_ERROR_CONFIG, "the algorithm's update has more than %d operations", SAC_OPS_MAX);
  plan->count = algo->op_count;
  memcpy(plan->op, algo->update, (size_t)algo->op_count * sizeof *plan->op);
  SAC_TRY(find_passes(plan));
  SAC_TRY(check_order(plan, algo));

  /* choose the order, then the memory, which depends on the order */
  if (reorder) move_down(plan, algo);
  find_uses(plan);
  share_memory(plan);
fail:
  return status;
}

/* --- launches ----------------------------------------------------------------------------------------------------- */

/* The networks of a group in the algorithm's list. */
static const sac_network* network_of(const sac_algorithm* algo, sac_group nets) {
  const sac_network* network = algo->networks;
  while (network->group != nets) network++;
  return network;
}

/* Whether an operation shares the launches of the operation before it: both are row functions, or both are forwards of
 * networks that one strided product can take (the same networks, or trained networks and targets of the same shape). */
static int shares_launches(const sac_algorithm* algo, const sac_op* before, const sac_op* op) {
  if (op->kind == SAC_ROWS) return before->kind == SAC_ROWS;
  if (op->kind != SAC_FORWARD || before->kind != SAC_FORWARD) return 0;
  const sac_network *network = network_of(algo, op->nets), *other = network_of(algo, before->nets);
  return op->nets == before->nets ||
         (sac_group_is_target(op->nets) && network->in == other->in && network->out == other->out);
}

int32_t sac_op_launches(const sac_algorithm* algo, int32_t number, int32_t layers) {
  const sac_op* op = &algo->update[number];
  const int scalar = op->kind != SAC_TEMPERATURE && network_of(algo, op->nets)->out == SAC_VALUE_OF_ONE;
  if (number > 0 && shares_launches(algo, op - 1, op)) return 0;

  /* count products and the kernels between them; `scalar` heads are part of the row function */
  switch (op->kind) {
    case SAC_FORWARD: /* products, bias and ReLU between them; a scalar head's row function includes the last two */
      return scalar ? 2 * layers - 1 : 2 * layers + 1;
    case SAC_BACKWARD: /* products, ReLU's gradient after each; a scalar head's row function includes the first two */
      return scalar ? 2 * layers - 2 : 2 * layers;
    case SAC_GRADIENT: /* products, and one launch for the sums over rows: biases, and a scalar head's weight */
      return scalar ? layers + 1 : layers + 2;
    case SAC_INPUT_GRAD: /* from the last hidden layer to the first; the row functions around it do both ends */
      return layers > 1 ? 2 * layers - 3 : 0;
    default:
      return 1;
  }
}

int32_t sac_algo_launches(const sac_algorithm* algo, int32_t layers) {
  int32_t count = 1; /* replay sample */
  for (int32_t i = 0; i < algo->op_count; i++) count += sac_op_launches(algo, i, layers);
  return count;
}
