/* Every operation of every algorithm's list on the CPU, at the odd sizes of src/verify/cases.c: an update runs part by
 * part, and what each operation leaves behind is compared with the same operation in double (support/ops_reference.h).
 * The gradients in double are compared with central differences of the losses in double, so value and gradient are one.
 * Each operation of the reference starts from what the CPU has made of the ones before where a rounding could grow:
 * weights behind Adam's step, and which critic is the smallest. */
#include "agent/update.h"
#include "support/ops_case.h"
#include "support/ops_reference.h"
/* after the two */
#include "support/ops_columns.h"

/* --- what an update leaves behind --------------------------------------------------------------------------------- */

/* Columns of the CPU after the part of each operation, and which critic was the smallest. */
typedef struct seen {
  ops_list* list;  /* (op_count, P), by the algorithm's list */
  int32_t* choice; /* (P, B) */
  ops_record record;
} seen;

static void look(void* context, const ops_record* record, sac_agent* agent, int32_t part) {
  seen* to = context;
  const int32_t P = agent->shape.population, B = agent->shape.batch;
  for (int32_t i = 0; i < agent->algo->op_count; i++)
    for (int32_t p = 0; p < P && record->part_of[i] == part; p++) {
      const sac_op* op = &agent->algo->update[i];
      const ops_cpu c = ops_cpu_of(agent, p, op);
      ops_columns_of(op)->cpu(&c, &to->list[i * P + p]);
      if (op->row == SAC_ROW_SMALLEST) memcpy(to->choice + p * B, c.scratch->choice, (size_t)B * sizeof *to->choice);
    }
}

static seen seen_update(sac_agent* agent, const update_inputs* in) {
  const size_t P = (size_t)agent->shape.population;
  seen s = {.list = calloc((size_t)agent->algo->op_count * P, sizeof *s.list),
            .choice = calloc(P * (size_t)agent->shape.batch, sizeof *s.choice)};
  s.record = ops_update(agent, in, look, &s);
  return s;
}

static void seen_free(seen* s) {
  const sac_agent* agent = s->record.agent;
  for (int32_t i = 0; i < agent->algo->op_count * agent->shape.population; i++) free(s->list[i].x);
  free(s->list);
  free(s->choice);
  ops_record_free(&s->record);
}

/* --- an operation against the reference --------------------------------------------------------------------------- */

static double largest_of(const double* x, size_t count) {
  double largest = 0;
  for (size_t i = 0; i < count; i++) largest = fmax(largest, fabs(x[i]));
  return largest;
}

/* The operation being looked at: what the reference makes of it, and what the CPU has. */
typedef struct walk {
  ops_state* s;
  const seen* seen;
  int32_t p, number; /* of the agent, and in the list */
  double* own;       /* gradients of the reference by the trained slab's offsets, for the differences */
} walk;

static const float* slab_after(const walk* w, int memory) {
  return ops_shot_at(&w->seen->record, w->seen->record.part_of[w->number] + 1, w->p)->slab[memory];
}

static const float* slab_before(const walk* w, int memory) {
  return ops_shot_at(&w->seen->record, w->seen->record.part_of[w->number], w->p)->slab[memory];
}

/* What the roundings of q and of q/alpha make of the probabilities exp(q/alpha)/Z. */
static double exponents(const ops_state* s, const sac_op* op) {
  const int reads = op->row == SAC_ROW_BOLTZMANN || op->row == SAC_ROW_SOFTMAX_GRAD || op->kind == SAC_TEMPERATURE;
  return reads ? EXPONENT_REL * s->exponent : 0;
}

static void check_columns(const walk* w, const sac_op* op) {
  const ops_list* got = &w->seen->list[w->number * w->s->agent->shape.population + w->p];
  ops_list expected = {0};
  ops_columns_of(op)->reference(w->s, op, &expected);
  ck_assert_uint_eq(got->count, expected.count);
  for (int c = 0; c <= expected.columns; c++) {
    const size_t from = c ? expected.column[c - 1] : 0, to = c < expected.columns ? expected.column[c] : expected.count;
    const double allowed = COLUMN_REL * largest_of(expected.x + from, to - from) + COLUMN_ABS + exponents(w->s, op);
    for (size_t i = from; i < to; i++)
      ck_assert_msg(fabs(got->x[i] - expected.x[i]) <= allowed, "%s: number %zu is %.9g, not %.9g (+- %.2g)",
                    ops_name(op), i, got->x[i], expected.x[i], allowed);
  }
  free(expected.x);
}

/* The critic that the CPU took is a smallest one; the reference goes on with it. */
static void take_choice(const walk* w, const sac_op* op) {
  for (int32_t b = 0; b < w->s->B; b++) {
    const int32_t k = w->seen->choice[w->p * w->s->B + b];
    ck_assert(k >= 0 && k < w->s->K);
    const double off = ops_output(w->s, op, k)[b] - w->s->smallest[b];
    ck_assert_msg(off <= COLUMN_REL * (1 + fabs(w->s->smallest[b])), "row %d: critic %d is larger by %.3g", (int)b,
                  (int)k, off);
    w->s->choice[b] = k;
  }
}

static void check_gradient(ops_state* s, const sac_op* op, size_t at, size_t other, size_t count) {
  const walk* w = s->context;
  const float* got = slab_after(w, SAC_MEMORY_GRAD) + at;
  double* expected = s->at.slab[SAC_MEMORY_GRAD] + at;
  const double largest = largest_of(expected, count);
  (void)other;
  for (size_t i = 0; i < count; i++) {
    ck_assert_msg(fabs((double)got[i] - expected[i]) <= GRADIENT_REL * largest + GRADIENT_ABS,
                  "%s: number %zu of a tensor is %.9g, not %.9g (largest %.3g)", ops_name(op), i, (double)got[i],
                  expected[i], largest);
    w->own[at + i] = expected[i];
    expected[i] = (double)got[i]; /* Adam's step starts from it */
  }
}

static void check_adam(ops_state* s, const sac_op* op, size_t at, size_t other, size_t count) {
  const walk* w = s->context;
  const double rate = ops_rate(s, op);
  (void)other;
  for (size_t i = at; i < at + count; i++) {
    double *weight = &s->at.slab[SAC_MEMORY_WEIGHTS][i], *m = &s->at.slab[SAC_MEMORY_ADAM_M][i],
           *v = &s->at.slab[SAC_MEMORY_ADAM_V][i];
    ck_near(slab_after(w, SAC_MEMORY_WEIGHTS)[i], *weight, 2 * FLOAT_EPSILON * fabs(*weight) + ADAM_STEP_REL * rate);
    ck_near_relative(slab_after(w, SAC_MEMORY_ADAM_M)[i], *m, MOMENT_REL,
                     MOMENT_ABS + 4 * FLOAT_EPSILON * fabs((double)slab_before(w, SAC_MEMORY_ADAM_M)[i]));
    ck_near_relative(slab_after(w, SAC_MEMORY_ADAM_V)[i], *v, MOMENT_REL, MOMENT_ABS);
    *weight = (double)slab_after(w, SAC_MEMORY_WEIGHTS)[i];
    *m = (double)slab_after(w, SAC_MEMORY_ADAM_M)[i];
    *v = (double)slab_after(w, SAC_MEMORY_ADAM_V)[i];
  }
}

static void check_polyak(ops_state* s, const sac_op* op, size_t at, size_t other, size_t count) {
  const walk* w = s->context;
  (void)op, (void)other;
  ck_near_array(slab_after(w, SAC_MEMORY_TARGET) + at, s->at.slab[SAC_MEMORY_TARGET] + at, count, POLYAK_REL,
                POLYAK_ABS);
}

static void check_temperature(ops_state* s, const sac_op* op) {
  const size_t at = s->agent->tensors.log_alpha;
  if (!s->agent->settings.alpha_learn) return; /* ops_check_untouched has seen that it stays */
  ck_near_relative(s->alpha_grad_given, s->alpha_grad, LOSS_REL, LOSS_ABS + exponents(s, op));
  ((const walk*)s->context)->own[at] = s->alpha_grad;
  check_adam(s, op, at, at, 1);
}

/* Runs operation `number` in double, compares what it wrote, and takes the CPU's where that is where the next starts.
 */
static void step(walk* w) {
  const sac_op* op = &w->s->agent->algo->update[w->number];
  w->s->context = w;
  if (op->kind == SAC_TEMPERATURE)
    w->s->alpha_grad_given = (double)slab_after(w, SAC_MEMORY_GRAD)[w->s->agent->tensors.log_alpha];
  ops_run(w->s, op);
  check_columns(w, op);
  if (op->row == SAC_ROW_SMALLEST) take_choice(w, op);
  if (op->kind == SAC_GRADIENT) ops_each_tensor(w->s, op, op->nets, check_gradient);
  if (op->kind == SAC_ADAM) ops_each_tensor(w->s, op, op->nets, check_adam);
  if (op->kind == SAC_POLYAK) ops_each_tensor(w->s, op, op->nets, check_polyak);
  if (op->kind == SAC_TEMPERATURE) check_temperature(w->s, op);
}

/* --- statistics --------------------------------------------------------------------------------------------------- */

static double stat_critic_loss(const ops_state* s) { return s->loss[SAC_CRITIC]; }
static double stat_actor_loss(const ops_state* s) { return s->loss[SAC_ACTOR]; }
static double stat_alpha_loss(const ops_state* s) { return s->alpha_loss; }
static double stat_value_loss(const ops_state* s) { return s->loss[SAC_VALUE]; }
static double stat_alpha(const ops_state* s) { return s->alpha; }

static double stat_entropy(const ops_state* s) {
  double sum = 0;
  for (int32_t b = 0; b < s->B; b++) sum -= s->log_prob[SAC_POLICY][b] / s->B;
  return sum;
}

static double stat_soft_value(const ops_state* s) {
  double sum = 0;
  for (int32_t b = 0; b < s->B; b++) sum += (s->smallest[b] - s->alpha * s->log_prob[SAC_POLICY][b]) / s->B;
  return sum;
}

static double mean_of(const ops_state* s, const double* column) {
  double sum = 0;
  for (int32_t b = 0; b < s->B; b++) sum += column[b] / s->B;
  return sum;
}
static double stat_log_z(const ops_state* s) { return mean_of(s, s->log_z); }
static double stat_kl(const ops_state* s) { return mean_of(s, s->kl); }

static double stat_saturation(const ops_state* s) {
  double sum = 0;
  for (int32_t b = 0; b < s->B; b++) sum += s->saturated[b] / s->B / s->A;
  return sum;
}

static double critic_mean(const ops_state* s, int error) {
  const sac_op op = {.nets = SAC_CRITIC, .at = SAC_CURRENT};
  double sum = 0;
  for (int32_t k = 0; k < s->K; k++)
    for (int32_t b = 0; b < s->B; b++) {
      const double q = *ops_chosen(s, &op, k, b);
      sum += (error ? fabs(q - s->y[b]) : q) / s->B / s->K;
    }
  return sum;
}
static double stat_q_mean(const ops_state* s) { return critic_mean(s, 0); }
static double stat_td_error(const ops_state* s) { return critic_mean(s, 1); }

static double squares(const ops_state* s, sac_group group) {
  double sum = 0;
  for (int32_t n = 0; n < s->agent->tensors.nets[group]; n++) {
    const sac_net* net = &s->agent->tensors.net[group][n];
    for (ops_tensor t = ops_first(net); t.count > 0; t = ops_next(net, t))
      for (size_t i = t.at; i < t.at + t.count; i++) sum += pow(s->at.slab[SAC_MEMORY_GRAD][i], 2);
  }
  return sum;
}
static double stat_critic_grad(const ops_state* s) { return sqrt(squares(s, SAC_CRITIC) + squares(s, SAC_VALUE)); }
static double stat_actor_grad(const ops_state* s) { return sqrt(squares(s, SAC_ACTOR)); }

/* A statistic of SAC_STATISTICS without a function stat_<name> here does not compile. */
static void check_statistics(const ops_state* s, const sac_update_stats* got) {
#define CHECK(name, column, watched, each, over, value, tag, meaning) \
  ck_near_relative(got->name, stat_##name(s), LOSS_REL, LOSS_ABS + EXPONENT_REL * s->exponent);
  SAC_STATISTICS(CHECK)
#undef CHECK
}

/* --- central differences ------------------------------------------------------------------------------------------ */

/* The losses up to operation `last` with weight `at` moved by `by`, from the weights that stood before the update.
 * Weights behind Adam's steps are those of the CPU: a loss is of the networks that it is computed with. */
static void losses(walk* w, int32_t last, size_t at, double by) {
  ops_state* s = w->s;
  const ops_shot* before = ops_shot_at(&w->seen->record, 0, w->p);
  double* weights = s->at.slab[SAC_MEMORY_WEIGHTS];
  for (int m = SAC_MEMORY_WEIGHTS; m < SAC_MEMORY_REPLAY; m++)
    for (size_t i = 0; i < s->at.floats[m]; i++) s->at.slab[m][i] = (double)before->slab[m][i];
  weights[at] += by;
  s->corners = 0;
  memset(s->moved, 0, sizeof s->moved);
  for (w->number = 0; w->number <= last; w->number++) {
    const sac_op* op = &s->agent->algo->update[w->number];
    if (op->kind == SAC_ADAM) {
      const float* after = slab_after(w, SAC_MEMORY_WEIGHTS);
      for (int32_t n = 0; n < s->agent->tensors.nets[op->nets]; n++) {
        const sac_net* net = &s->agent->tensors.net[op->nets][n];
        for (ops_tensor t = ops_first(net); t.count > 0; t = ops_next(net, t))
          for (size_t i = t.at; i < t.at + t.count; i++) weights[i] = (double)after[i];
      }
    }
    if (op->kind == SAC_FORWARD || op->kind == SAC_ROWS || op->kind == SAC_TEMPERATURE) ops_run(s, op);
  }
}

static double loss_of(const ops_state* s, const sac_op* op) {
  return op->kind == SAC_TEMPERATURE ? s->alpha_loss : s->loss[op->nets];
}

/* dJ/dw of one weight: 1 where J is smooth between the two points and the gradient is the slope. */
static int check_difference(walk* w, int32_t last, size_t at, double largest) {
  const sac_op* op = &w->s->agent->algo->update[last];
  double loss[2];
  uint64_t corners[2];
  for (int side = 0; side < 2; side++) {
    losses(w, last, at, side ? DIFFERENCE_STEP : -DIFFERENCE_STEP);
    loss[side] = loss_of(w->s, op);
    corners[side] = w->s->corners;
  }
  if (corners[0] != corners[1]) return 0; /* a ReLU or a minimum switches between them */
  const double slope = (loss[1] - loss[0]) / (2 * DIFFERENCE_STEP);
  ck_assert_msg(fabs(w->own[at] - slope) <= SLOPE_REL * largest + SLOPE_ABS * (1 + fabs(loss[0])),
                "weight %zu below %s: gradient %.9g, slope %.9g (largest %.3g)", at, ops_name(op), w->own[at], slope,
                largest);
  return 1;
}

/* A few random weights of the tensor at `at`. */
static void check_tensor(walk* w, int32_t last, size_t at, size_t count) {
  enum { WANTED = 2, TRIES = 12 };
  static uint64_t draw;
  const double largest = largest_of(w->own + at, count);
  int checked = 0;
  for (int i = 0; i < TRIES && checked < WANTED; i++) {
    float random;
    sac_fill_uniform(7, 3, draw++, 1, 0.5f, &random);
    const size_t place = (size_t)((double)(random + 0.5f) * (double)count);
    checked += check_difference(w, last, at + (place < count ? place : count - 1), largest);
  }
  ck_assert_msg(checked > 0, "no weight of the tensor at %zu has a slope", at);
}

/* The tensors that go down the loss of operation `last`, a network at a time. */
static void check_differences_of(walk* w, int32_t last) {
  ops_state* s = w->s;
  const sac_op* op = &s->agent->algo->update[last];
  const sac_tensors* t = &s->agent->tensors;
  s->net = -1;
  if (op->kind == SAC_TEMPERATURE) check_tensor(w, last, t->log_alpha, 1);
  else losses(w, last, t->log_alpha, 0);
  for (int32_t n = 0; op->kind != SAC_TEMPERATURE && n < t->nets[op->nets]; n++) {
    const sac_net* net = &t->net[op->nets][n];
    s->group = op->nets, s->net = n;
    for (ops_tensor its = ops_first(net); its.count > 0; its = ops_next(net, its))
      check_tensor(w, last, its.at, its.count);
    losses(w, last, t->log_alpha, 0); /* as it was, for the next one */
  }
}

static void check_differences(walk* w) {
  const sac_agent* agent = w->s->agent;
  int losses_seen = 0;
  for (int32_t i = 0; i < agent->algo->op_count; i++) {
    const sac_op* op = &agent->algo->update[i];
    if (!ops_is_loss(op) && !(op->kind == SAC_TEMPERATURE && agent->settings.alpha_learn)) continue;
    check_differences_of(w, i);
    losses_seen++;
  }
  ck_assert_int_gt(losses_seen, 0);
}

/* --- the cases ---------------------------------------------------------------------------------------------------- */

/* At a small temperature the policy exp(q/alpha)/Z leaves actions out: they have the probability 0 as floats. */
static void check_probabilities(const ops_state* s) {
  if (s->agent->algo->policy != SAC_POLICY_BOLTZMANN || s->agent->settings.alpha_initial > 0.01) return;
  ck_assert_int_gt(s->impossible, 0);
}

START_TEST(operations) {
  const agent_case c = ops_agent_case(_i);
  ops_announce(_i);
  sac_agent* agent = agent_case_create(&c);
  agent_case_age(agent, 2);
  update_inputs in = update_inputs_create(agent, 5);
  const int32_t P = agent->shape.population;
  ops_state** s = calloc((size_t)P, sizeof(ops_state*));
  for (int32_t p = 0; p < P; p++) s[p] = ops_create(agent, p, &in);
  const uint64_t updates = agent->counters[0].updates;
  seen update = seen_update(agent, &in);

  /* each agent of the population, operation by operation */
  for (int32_t p = 0; p < P; p++) {
    walk w = {.s = s[p], .seen = &update, .p = p, .own = ops_floats(s[p], agent->tensors.floats[SAC_SLAB_TRAINED])};
    for (w.number = 0; w.number < agent->algo->op_count; w.number++) step(&w);
    check_statistics(s[p], &agent->stats[p]);
    ck_assert_uint_eq(agent->counters[p].updates, updates + 1);
    ck_assert_uint_eq(agent->totals[p].updates, updates + 1);
    check_probabilities(s[p]);
    if (p == 0) check_differences(&w);
    ops_free(s[p]);
  }
  free(s);
  seen_free(&update);
  update_inputs_free(&in);
  sac_agent_destroy(agent);
}
END_TEST

/* All parts in turn are an update, to the bit, and leave the agent where the next update starts. */
START_TEST(parts_in_turn) {
  const agent_case c = ops_agent_case(_i);
  ops_announce(_i);
  sac_agent *whole = agent_case_create(&c), *parts = agent_case_create(&c);
  agent_case_push(whole, 300, 9);
  agent_case_push(parts, 300, 9);
  for (int update = 0; update < 3; update++) {
    ck_ok(sac_update(whole, 1));
    if (update == 1) ck_ok(sac_update(parts, 1)); /* between two in parts */
    else
      for (int32_t part = 0; part < parts->backend->part_count(parts); part++)
        ck_ok(parts->backend->part_run(parts, part));
    for (int32_t p = 0; p < whole->shape.population; p++) same_agents(whole, p, parts, p);
  }
  sac_agent_destroy(whole);
  sac_agent_destroy(parts);
}
END_TEST

/* --- the tables --------------------------------------------------------------------------------------------------- */

/* Each kind of operation, function of rows and kind of network is in some case, and has its entries in the tables. */
START_TEST(nothing_is_missing) {
  /* what the algorithms list */
  int kinds[SAC_OP_KIND_COUNT] = {0}, rows[SAC_ROW_COUNT] = {0};
  for (int a = 0; a < SAC_ALGO_COUNT; a++)
    for (int32_t i = 0; i < sac_algo_at(a)->op_count; i++) {
      kinds[sac_algo_at(a)->update[i].kind]++;
      rows[sac_algo_at(a)->update[i].row]++;
    }

  /* kinds of operations */
  for (int k = 0; k < SAC_OP_KIND_COUNT; k++) {
    ck_assert_msg(kinds[k] > 0, "no algorithm has an operation '%s', so nothing tests it", sac_op_kind_names[k]);
    ck_assert_msg(ops_kinds[k] != NULL, "operation '%s' has no entry in ops_kinds (tests/support/ops_reference.h)",
                  sac_op_kind_names[k]);
    ck_assert_msg(ops_columns_of_kind[k].cpu != NULL,
                  "operation '%s' has no entry in ops_columns_of_kind (tests/support/ops_columns.h)",
                  sac_op_kind_names[k]);
  }

  /* functions of rows */
  for (int r = SAC_ROW_NONE + 1; r < SAC_ROW_COUNT; r++) {
    const char* name = sac_row_name((sac_row_function)r);
    ck_assert_msg(rows[r] > 0, "no algorithm has the row function '%s', so nothing tests it", name);
    ck_assert_msg(ops_rows[r] != NULL, "row function '%s' has no entry in ops_rows (tests/support/ops_reference.h)",
                  name);
    ck_assert_msg(ops_columns_of_row[r].cpu != NULL,
                  "row function '%s' has no entry in ops_columns_of_row (tests/support/ops_columns.h)", name);
  }

  /* kinds of networks */
  for (int k = 0; sac_network_kind_names[k]; k++) (void)ops_find_network_kind(sac_network_kind_names[k]);
}
END_TEST

int main(void) {
  const check_case cases[] = {CASE(nothing_is_missing), LOOP(operations, ops_variants()),
                              LOOP(parts_in_turn, ops_variants())};
  return check_run("ops", cases, sizeof cases / sizeof *cases);
}
