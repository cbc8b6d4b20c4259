/* The formulas of kernels with `real` as double. See explain.h. */
#define SAC_REAL_DOUBLE

#include "agent/explain.h"

#include "kernels/bellman.h"
#include "kernels/discrete.h"
#include "kernels/random.h"
#include "kernels/squash.h"
#include "util/error.h"
#include "util/memory.h"

/* --- the state ---------------------------------------------------------------------------------------------------- */

static sac_status check_state(const sac_explain_state* s) {
  if (!(s->alpha > 0 && isfinite(s->alpha)))
    return sac_fail(SAC_ERROR_ARGUMENT, "alpha = %g: explain takes a finite one above 0", s->alpha);
  for (int32_t i = 0; i < s->action_size; i++)
    if (!isfinite(s->mean[i]) || isnan(s->log_std[i]))
      return sac_fail(SAC_ERROR_NUMERIC,
                      "mean %g, log_std %g of action component %d: not finite; explain an earlier "
                      "checkpoint",
                      (double)s->mean[i], (double)s->log_std[i], (int)i);
  return SAC_OK;
}

/* Computes Q of n actions (n, A), in calls of at most SAC_EXPLAIN_ROWS. */
static sac_status evaluate(const sac_explain_state* s, int32_t n, const float* action, float* q) {
  sac_status status = SAC_OK;
  for (int32_t first = 0; first < n; first += SAC_EXPLAIN_ROWS) {
    const int32_t rows = n - first < SAC_EXPLAIN_ROWS ? n - first : SAC_EXPLAIN_ROWS;
    SAC_TRY(s->q(s->self, rows, action + (size_t)first * (size_t)s->action_size, q + first));
  }

  /* nothing below hides a value that is not finite */
  for (int32_t i = 0; i < n; i++)
    if (!isfinite((double)q[i] / s->alpha))
      return sac_fail(SAC_ERROR_NUMERIC, "Q = %g at alpha = %g: Q/alpha is not finite; explain an earlier checkpoint",
                      (double)q[i], s->alpha);
fail:
  return status;
}

double sac_explain_log_prob(const sac_explain_state* s, const float* action) {
  double sum = 0;
  for (int32_t i = 0; i < s->action_size; i++) {
    const double mean = (double)s->mean[i], log_std = (double)s->log_std[i];
    sum += action ? sac_squash_log_prob((double)action[i], mean, log_std, s->log_std_min, s->log_std_max)
                  : sac_squash(mean, log_std, 0, s->log_std_min, s->log_std_max).log_prob;
  }
  return sum;
}

/* --- quadrature --------------------------------------------------------------------------------------------------- */

enum {
  NODES = 5, /* of a cell along each axis */
  NODES_2 = NODES * NODES,
  FIRST_1 = 128, /* cells along each axis to begin with, for one dimension */
  FIRST_2 = 6,   /* and for two */
  MOST_CELLS = FIRST_1 + SAC_EXPLAIN_POINTS / NODES,
};
_Static_assert(MOST_CELLS >= FIRST_2 * FIRST_2 + SAC_EXPLAIN_POINTS_2 / NODES_2, "MOST_CELLS is for both");

/* Gauss-Lobatto on [-1, 1], exact for polynomials of degree 7. Nodes on the edges see a kink of Q wherever it is. */
static const double node[NODES] = {-1, -0.654653670707977143798292456247, 0, 0.654653670707977143798292456247, 1};
static const double weight[NODES] = {1.0 / 10, 49.0 / 90, 32.0 / 45, 49.0 / 90, 1.0 / 10};

/* A part of the box, (low, low + side) along each axis. Integrals are logarithms, as exp(Q/alpha) overflows. */
typedef struct cell {
  double low[SAC_EXPLAIN_QUADRATURE], side;
  double log_value; /* of the integral over the cell */
  double log_error; /* of the size of its error */
} cell;

#define CELL_STRIDE (sizeof(cell) / sizeof(double))

/* Integrates over `count` cells, whose nodes are at most SAC_EXPLAIN_ROWS, and writes their log_value. */
static sac_status integrate_some(const sac_explain_state* s, cell* cells, int32_t count) {
  float action[SAC_EXPLAIN_ROWS * SAC_EXPLAIN_QUADRATURE], q[SAC_EXPLAIN_ROWS];
  const int32_t size = s->action_size, nodes = size == 1 ? NODES : NODES_2;
  sac_status status = SAC_OK;

  /* Q at the nodes: the first axis is the fast one */
  for (int32_t i = 0; i < count * nodes; i++)
    for (int32_t k = 0; k < size; k++) {
      const cell* c = &cells[i / nodes];
      const int32_t at = k == 0 ? i % NODES : i % nodes / NODES;
      action[i * size + k] = (float)(c->low[k] + 0.5 * c->side * (1 + node[at]));
    }
  SAC_TRY(evaluate(s, count * nodes, action, q));

  /* the weighted sum of exp(Q/alpha) over a cell's nodes */
  for (int32_t i = 0; i < count; i++) {
    double term[NODES_2];
    for (int32_t j = 0; j < nodes; j++) {
      const double along = 0.5 * cells[i].side * weight[j % NODES];
      const double across = size == 1 ? 1 : 0.5 * cells[i].side * weight[j / NODES];
      term[j] = log(along * across) + (double)q[i * nodes + j] / s->alpha;
    }
    cells[i].log_value = sac_log_sum_exp(term, 1, nodes, 1);
  }
fail:
  return status;
}

static sac_status integrate(const sac_explain_state* s, cell* cells, int32_t count) {
  const int32_t most = SAC_EXPLAIN_ROWS / (s->action_size == 1 ? NODES : NODES_2);
  sac_status status = SAC_OK;
  for (int32_t first = 0; first < count; first += most)
    SAC_TRY(integrate_some(s, cells + first, count - first < most ? count - first : most));
fail:
  return status;
}

/* log |exp(x) - exp(y)| of finite numbers. */
static double log_difference(double x, double y) { return fmax(x, y) + log(-expm1(-fabs(x - y))); }

/* Splits a cell into `parts`, which share its error equally. */
static sac_status split(const sac_explain_state* s, const cell* whole, cell* part, int32_t parts) {
  sac_status status = SAC_OK;
  for (int32_t i = 0; i < parts; i++) {
    part[i].side = 0.5 * whole->side;
    for (int32_t k = 0; k < s->action_size; k++) part[i].low[k] = whole->low[k] + (i >> k & 1) * part[i].side;
  }
  SAC_TRY(integrate(s, part, parts));
  const double sum = sac_log_sum_exp(&part->log_value, CELL_STRIDE, parts, 1);
  for (int32_t i = 0; i < parts; i++) part[i].log_error = log_difference(sum, whole->log_value) - log(parts);
fail:
  return status;
}

sac_status sac_explain_quadrature(const sac_explain_state* s, sac_explain_number* log_z, int32_t* points) {
  cell cells[MOST_CELLS] = {{{0}, 0, 0, 0}};
  sac_status status = SAC_OK;
  const int32_t size = s->action_size;
  if (size < 1 || size > SAC_EXPLAIN_QUADRATURE)
    return sac_fail(SAC_ERROR_ARGUMENT, "log Z by quadrature is for 1 or 2 action dimensions, not %d: use samples",
                    (int)size);
  SAC_TRY(check_state(s));

  /* equal cells; that their errors are infinite makes each of them split */
  const int32_t first = size == 1 ? FIRST_1 : FIRST_2, parts = size == 1 ? 2 : 4;
  const int32_t nodes = size == 1 ? NODES : NODES_2, most = size == 1 ? SAC_EXPLAIN_POINTS : SAC_EXPLAIN_POINTS_2;
  int32_t count = size == 1 ? first : first * first;
  for (int32_t i = 0; i < count; i++) {
    const int32_t across = i % first, up = i / first;
    cells[i] = (cell){{-1 + 2.0 / first * across, -1 + 2.0 / first * up}, 2.0 / first, 0, INFINITY};
  }
  SAC_TRY(integrate(s, cells, count));
  *points = count * nodes;

  /* split the cell with the largest error, until all errors together are small or no points are left */
  for (;;) {
    log_z->value = sac_log_sum_exp(&cells->log_value, CELL_STRIDE, count, 1);
    log_z->error = exp(sac_log_sum_exp(&cells->log_error, CELL_STRIDE, count, 1) - log_z->value);
    if (log_z->error <= SAC_EXPLAIN_TOLERANCE || *points + parts * nodes > most) break;
    const int32_t worst = sac_greedy(&cells->log_error, CELL_STRIDE, count);
    cell part[4];
    SAC_TRY(split(s, &cells[worst], part, parts));
    *points += parts * nodes;

    /* one part in the place of the cell, the others at the end */
    cells[worst] = part[0];
    for (int32_t i = 1; i < parts; i++) cells[count++] = part[i];
  }
fail:
  return status;
}

/* --- samples ------------------------------------------------------------------------------------------------------ */

/* The mean of x (n), and its standard error. */
static sac_explain_number mean_of(const double* x, int32_t n) {
  double sum = 0, squares = 0;
  for (int32_t i = 0; i < n; i++) sum += x[i];
  const double mean = sum / n;
  for (int32_t i = 0; i < n; i++) squares += (x[i] - mean) * (x[i] - mean);
  return (sac_explain_number){mean, sqrt(squares / n / (n - 1))};
}

/* Samples, of the policy or of the box. */
typedef struct sample_set {
  int32_t n;
  double *log_pi, *x;        /* (n) of the actions; a number of each, whose mean is of interest */
  float *noise, *action, *q; /* (n, A), (n, A), (n) */
  void* memory;
} sample_set;

static sac_status make_samples(sample_set* to, int32_t count, int32_t action_size) {
  const size_t n = (size_t)count, row = (size_t)action_size * sizeof(float);
  *to = (sample_set){.n = count};

  /* the first pass measures, the second one lays out */
  for (int pass = 0; pass < 2; pass++) {
    sac_region region = {to->memory, 0};
    to->log_pi = sac_region_take(&region, n, sizeof(double), SAC_ALIGNMENT);
    to->x = sac_region_take(&region, n, sizeof(double), SAC_ALIGNMENT);
    to->noise = sac_region_take(&region, n, row, SAC_ALIGNMENT);
    to->action = sac_region_take(&region, n, row, SAC_ALIGNMENT);
    to->q = sac_region_take(&region, n, sizeof(float), SAC_ALIGNMENT);
    if (pass == 0) to->memory = sac_alloc(region.used);
    if (!to->memory) return sac_fail(SAC_ERROR_MEMORY, "no memory for %d samples: ask for fewer", (int)count);
  }
  return SAC_OK;
}

/* Samples actions from the policy, and computes log pi and Q. */
static sac_status sample_policy(const sac_explain_state* s, uint64_t seed, uint64_t index, sample_set* to) {
  const size_t size = (size_t)s->action_size, all = (size_t)to->n * size;
  sac_fill_normals(seed, SAC_STREAM_EXPLAIN, sac_draw_block(2 * index, all, SAC_NORMALS_PER_BLOCK), all, to->noise);
  for (size_t i = 0; i < all; i++) {
    const size_t k = i % size;
    const sac_squash_out out =
        sac_squash((double)s->mean[k], (double)s->log_std[k], (double)to->noise[i], s->log_std_min, s->log_std_max);
    to->action[i] = (float)out.action;
    to->log_pi[i / size] = (k ? to->log_pi[i / size] : 0) + out.log_prob;
  }
  return evaluate(s, to->n, to->action, to->q);
}

/* The same for actions from the uniform distribution. */
static sac_status sample_box(const sac_explain_state* s, uint64_t seed, uint64_t index, sample_set* to) {
  const size_t size = (size_t)s->action_size, all = (size_t)to->n * size;
  sac_fill_uniform(seed, SAC_STREAM_EXPLAIN, sac_draw_block(2 * index + 1, all, SAC_UNIFORMS_PER_BLOCK), all, 1.0f,
                   to->action);
  for (int32_t i = 0; i < to->n; i++) to->log_pi[i] = sac_explain_log_prob(s, to->action + (size_t)i * size);
  return evaluate(s, to->n, to->action, to->q);
}

/* Writes x: log of exp(Q/alpha) over the density of the mixture that has halves of the policy and of the box. */
static void weigh(const sac_explain_state* s, sample_set* to) {
  for (int32_t i = 0; i < to->n; i++) {
    const double parts[2] = {to->log_pi[i], -s->action_size * SAC_LOG_2};
    to->x[i] = (double)to->q[i] / s->alpha - (sac_log_sum_exp(parts, 1, 2, 1) - SAC_LOG_2);
  }
}

/* log Z by importance sampling: samples of the policy, and as many of the box. */
static void importance(const sac_explain_state* s, sample_set* policy, sample_set* box, sac_explained* out) {
  sample_set* half[2] = {policy, box};
  double log_mean[2], log_square[2], square = 0;
  for (int h = 0; h < 2; h++) {
    weigh(s, half[h]);
    log_mean[h] = sac_log_sum_exp(half[h]->x, 1, policy->n, 1) - log(policy->n);
    log_square[h] = sac_log_sum_exp(half[h]->x, 1, policy->n, 2);
  }

  /* the error: each half has a standard error of its own, in units of Z */
  out->log_z.value = sac_log_sum_exp(log_mean, 1, 2, 1) - SAC_LOG_2;
  for (int h = 0; h < 2; h++) {
    for (int32_t i = 0; i < policy->n; i++) half[h]->x[i] = exp(half[h]->x[i] - out->log_z.value);
    const double error = 0.5 * mean_of(half[h]->x, policy->n).error;
    square += error * error;
  }
  out->log_z.error = sqrt(square);
  out->effective = exp(2 * (out->log_z.value + log(2 * policy->n)) - sac_log_sum_exp(log_square, 1, 2, 1));
}

sac_status sac_explain_sample(const sac_explain_state* s, const sac_explain_number* log_z, uint64_t seed,
                              uint64_t index, int32_t count, sac_explained* out) {
  sac_status status = SAC_OK;
  sample_set policy = {0}, box = {0};
  SAC_TRY(check_state(s));
  if (count < 2) return sac_fail(SAC_ERROR_ARGUMENT, "samples = %d: a standard error needs 2 or more", (int)count);

  /* expectations over the policy */
  SAC_TRY(make_samples(&policy, count, s->action_size));
  SAC_TRY(sample_policy(s, seed, index, &policy));
  out->samples = count;
  out->mean_log_prob = sac_explain_log_prob(s, NULL);
  out->entropy = mean_of(policy.log_pi, count);
  out->entropy.value = -out->entropy.value;
  for (int32_t i = 0; i < count; i++) policy.x[i] = sac_soft_value((double)policy.q[i], s->alpha, policy.log_pi[i]);
  out->value = mean_of(policy.x, count);

  /* log Z, if it is not known */
  out->effective = 0;
  if (log_z) out->log_z = *log_z;
  else {
    SAC_TRY(make_samples(&box, count, s->action_size));
    SAC_TRY(sample_box(s, seed, index, &box));
    importance(s, &policy, &box, out);
  }
  out->kl.value = out->log_z.value - out->value.value / s->alpha;
  out->kl.error = hypot(out->log_z.error, out->value.error / s->alpha);
fail:
  sac_free(policy.memory);
  sac_free(box.memory);
  return status;
}

sac_status sac_explain(const sac_explain_state* s, uint64_t seed, uint64_t index, int32_t samples, sac_explained* out) {
  sac_status status = SAC_OK;
  sac_explain_number log_z = {0, 0};
  const int quadrature = s->action_size <= SAC_EXPLAIN_QUADRATURE;
  out->points = 0;
  if (quadrature) SAC_TRY(sac_explain_quadrature(s, &log_z, &out->points));
  SAC_TRY(sac_explain_sample(s, quadrature ? &log_z : NULL, seed, index, samples, out));
fail:
  return status;
}
