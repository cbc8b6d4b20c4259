/* The formulas of the room kernels, compiled with `real` as double. */
#define SAC_REAL_DOUBLE

#include "env/exact.h"

#include <math.h>
#include <string.h>

#include "env/options.h"
#include "env/task.h"
#include "kernels/bellman.h"
#include "kernels/discrete.h"
#include "kernels/tasks/tabular.h"
#include "util/error.h"
#include "util/memory.h"
#include "util/text.h"

const char* const sac_exact_envs[] = {"SacTabular-v0", NULL};

/* --- memory ------------------------------------------------------------------------------------------------------- */

void sac_mdp_destroy(sac_mdp* mdp) {
  if (!mdp) return;
  sac_free(mdp->transition);
  sac_free(mdp->reward);
  sac_free(mdp->start);
  sac_free(mdp->terminal);
  sac_free(mdp);
}

void sac_soft_values_destroy(sac_soft_values* values) {
  if (!values) return;
  sac_free(values->q);
  sac_free(values->v);
  sac_free(values->pi);
  sac_free(values->log_pi);
  sac_free(values);
}

sac_status sac_soft_values_create(sac_soft_values** values, const sac_mdp* mdp) {
  const size_t s = (size_t)mdp->states, pairs = s * (size_t)mdp->actions;
  sac_soft_values* made = *values = sac_alloc(sizeof *made);
  if (made) {
    made->q = sac_alloc(pairs * sizeof(double));
    made->v = sac_alloc(s * sizeof(double));
    made->pi = sac_alloc(pairs * sizeof(double));
    made->log_pi = sac_alloc(pairs * sizeof(double));
  }
  if (made && made->q && made->v && made->pi && made->log_pi) return SAC_OK;
  sac_soft_values_destroy(made);
  *values = NULL;
  return sac_fail(SAC_ERROR_MEMORY, "not enough memory for the values of %d states", (int)mdp->states);
}

/* --- the MDP ------------------------------------------------------------------------------------------------------ */

/* Writes the tables of SacTabular-v0. */
static void fill_tabular(const sac_tabular_options* options, sac_mdp* mdp) {
  const int32_t living = sac_tabular_living(options);
  for (int32_t s = 0; s < mdp->states; s++) {
    mdp->terminal[s] = (uint8_t)sac_tabular_is_terminal(options, s);
    mdp->start[s] = mdp->terminal[s] ? 0 : 1.0 / living;
    for (int32_t a = 0; a < mdp->actions; a++) {
      /* one row of the transition table */
      const size_t pair = (size_t)(s * mdp->actions + a);
      double weight[SAC_TABULAR_STATES_MAX];
      const double sum = sac_tabular_weights(options, s, a, weight);
      for (int32_t n = 0; n < mdp->states; n++)
        mdp->transition[pair * (size_t)mdp->states + (size_t)n] = weight[n] / sum;
      mdp->reward[pair] = sac_tabular_reward(options, s, a);
    }
  }
}

/* Fails for an environment without an exact answer, and names those that have one. */
static sac_status no_answer(const char* id) {
  char shown[SAC_SHOW_MAX], names[256] = "";
  size_t used = 0;
  for (size_t i = 0; sac_exact_envs[i]; i++)
    sac_text_append(names, sizeof names, &used, "%s%s", i ? ", " : "", sac_exact_envs[i]);
  return sac_fail(SAC_ERROR_ENV, "%s has no exact answer; environments that have one: %s",
                  sac_text_show(shown, id, SIZE_MAX), names);
}

sac_status sac_mdp_create(sac_mdp** mdp, const char* id, const char* options) {
  const sac_task* task = sac_task_find(id);
  sac_tabular_options tabular;
  sac_status status = SAC_OK;
  *mdp = NULL;
  if (!task || strcmp(id, sac_exact_envs[0]) != 0) return no_answer(id);

  /* read the options, which say the sizes */
  SAC_TRY(sac_env_options_read(task->options, task->option_count, id, options, &tabular));
  const size_t s = (size_t)tabular.states, pairs = s * (size_t)tabular.actions;

  /* allocate the tables */
  sac_mdp* made = *mdp = sac_alloc(sizeof *made);
  if (made) {
    *made = (sac_mdp){.states = tabular.states, .actions = tabular.actions, .discount = tabular.discount};
    made->transition = sac_alloc(pairs * s * sizeof(double));
    made->reward = sac_alloc(pairs * sizeof(double));
    made->start = sac_alloc(s * sizeof(double));
    made->terminal = sac_alloc(s);
  }
  if (!made || !made->transition || !made->reward || !made->start || !made->terminal)
    SAC_TRY(sac_fail(SAC_ERROR_MEMORY, "not enough memory for the tables of %s", id));
  fill_tabular(&tabular, made);
  return SAC_OK;
fail:
  sac_mdp_destroy(*mdp);
  *mdp = NULL;
  return status;
}

/* --- soft values -------------------------------------------------------------------------------------------------- */

/* Q(s, a): the target of a transition ([sac.target]) in the mean over next states with the values v. */
static double backup(const sac_mdp* mdp, size_t pair, const double* v) {
  const double* row = mdp->transition + pair * (size_t)mdp->states;
  double next = 0;
  for (int32_t n = 0; n < mdp->states; n++) next += row[n] * sac_discount(mdp->discount, mdp->terminal[n]) * v[n];
  return sac_target(mdp->reward[pair], 1, 1, next);
}

/* Writes Q of the values v, and then the values of Q: of the best policy, or with `fixed` of the policy log_pi. Returns
 * the largest change of a value, relative to the largest value, or to 1. */
static double sweep(const sac_mdp* mdp, double alpha, int fixed, sac_soft_values* values) {
  const int32_t actions = mdp->actions;
  double change = 0, largest = 1;

  /* all of Q first: it is of the old values */
  for (size_t pair = 0; pair < (size_t)mdp->states * (size_t)actions; pair++)
    values->q[pair] = backup(mdp, pair, values->v);

  /* the new values, and how far they are from the old ones */
  for (int32_t s = 0; s < mdp->states; s++) {
    const size_t row = (size_t)s * (size_t)actions;
    const double v = fixed ? sac_discrete_value(values->log_pi + row, values->q + row, 1, actions, alpha)
                           : sac_boltzmann_value(values->q + row, 1, actions, alpha);
    const double moved = fabs(v - values->v[s]);
    change = moved <= change ? change : moved; /* a NaN stays */
    largest = fmax(largest, fabs(v));
    values->v[s] = v;
  }
  return change / largest;
}

/* Iterates from 0 until the values are within the tolerance of the fixed point: a change is at least 1 - discount times
 * the distance that is left. Rounding may keep the change above that. So the number of sweeps has a bound, after which
 * the operator has contracted the first error by exp(-45). */
static void iterate(const sac_mdp* mdp, double alpha, int fixed, sac_soft_values* values) {
  const double rest = 1 - mdp->discount;
  const int64_t bound = (int64_t)(45 / rest) + 1;
  memset(values->v, 0, (size_t)mdp->states * sizeof *values->v);
  for (int64_t i = 0; i < bound && !(sweep(mdp, alpha, fixed, values) <= SAC_EXACT_TOLERANCE * rest); i++) continue;

  /* the mean over the first states of episodes */
  values->j = 0;
  for (int32_t s = 0; s < mdp->states; s++) values->j += mdp->start[s] * values->v[s];
}

void sac_mdp_solve(const sac_mdp* mdp, double alpha, sac_soft_values* values) {
  iterate(mdp, alpha, 0, values);

  /* the Boltzmann policy of Q */
  for (int32_t s = 0; s < mdp->states; s++) {
    const size_t row = (size_t)s * (size_t)mdp->actions;
    sac_log_softmax(values->q + row, 1, mdp->actions, 1 / alpha, values->log_pi + row);
    for (int32_t a = 0; a < mdp->actions; a++) values->pi[row + (size_t)a] = exp(values->log_pi[row + (size_t)a]);
  }
}

void sac_mdp_evaluate(const sac_mdp* mdp, double alpha, sac_soft_values* values) {
  const size_t pairs = (size_t)mdp->states * (size_t)mdp->actions;
  for (size_t i = 0; i < pairs; i++) values->log_pi[i] = log(values->pi[i]);
  iterate(mdp, alpha, 1, values);
}
