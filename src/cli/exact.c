#include "cli/exact.h"

#include <jansson.h>
#include <math.h>
#include <stdio.h>

#include "cli/cli.h"
#include "cli/options.h"
#include "cli/out.h"
#include "env/exact.h"
#include "env/list.h"
#include "formats/csv.h"
#include "util/error.h"
#include "util/memory.h"

#define SUM_TOLERANCE 1e-6 /* of the probabilities of a state, which a file may have with few digits */
#define CELL 8             /* columns of a number in a table: 9 of them and a state fit 80 columns */

/* --- the policy file ---------------------------------------------------------------------------------------------- */

/* Reads the policy of a file to pi (S, A), its rows scaled to sum to 1. Errors: those of sac_csv_read, SHAPE, FORMAT.
 */
static sac_status read_policy(const char* path, const sac_mdp* mdp, double* pi) {
  const size_t states = (size_t)mdp->states, actions = (size_t)mdp->actions;
  sac_csv csv;
  sac_status status = SAC_OK;
  SAC_TRY(sac_csv_read(&csv, path));

  /* a row for each state, terminal ones too, and a column for each action */
  if (csv.rows != states || csv.columns != actions)
    SAC_TRY(sac_fail(SAC_ERROR_SHAPE,
                     "%s: %zu rows of %zu numbers; the policy needs %zu rows, one for each state, of %zu, "
                     "one for each action",
                     path, csv.rows, csv.columns, states, actions));

  /* probabilities; comparisons are false for NaN */
  for (size_t s = 0; s < states; s++) {
    double sum = 0;
    for (size_t a = 0; a < actions; a++) {
      const double p = csv.value[s * actions + a];
      if (!(p >= 0 && p <= 1 + SUM_TOLERANCE))
        SAC_TRY(sac_fail(SAC_ERROR_FORMAT, "%s: state %zu, action %zu: %g is not a probability", path, s, a, p));
      sum += p;
    }
    if (!(fabs(sum - 1) <= SUM_TOLERANCE))
      SAC_TRY(sac_fail(SAC_ERROR_FORMAT, "%s: the probabilities of state %zu sum to %.9g, not 1", path, s, sum));
    for (size_t a = 0; a < actions; a++) pi[s * actions + a] = csv.value[s * actions + a] / sum;
  }
fail:
  sac_free(csv.value);
  return status;
}

/* --- for people --------------------------------------------------------------------------------------------------- */

/* Digits behind the point with which each of these values leaves a column of its cell free: 4 below 10. */
static int digits_of(double largest) {
  int digits = 4;
  while (largest >= 10 && digits > 0) {
    largest /= 10;
    digits--;
  }
  return digits;
}

/* Prints a row of titles: "state", `first` if there is one, and a title for each action. */
static void print_titles(const char* first, const char* each, int32_t actions) {
  char title[32];
  sac_print("\nstate ");
  if (first) sac_print("%*s", CELL, first);
  for (int32_t a = 0; a < actions; a++) {
    (void)snprintf(title, sizeof title, "%s(%d)", each, (int)a);
    sac_print("%*s", CELL, title);
  }
  sac_print("\n");
}

/* Prints the values and the policy, a line for each state. */
static void print_values(const sac_mdp* mdp, const sac_soft_values* values, const char* mark) {
  const size_t states = (size_t)mdp->states, actions = (size_t)mdp->actions;
  char title[3][8];
  double largest = 0;
  for (size_t i = 0; i < states * actions; i++) largest = fmax(largest, fabs(values->q[i]));
  for (size_t s = 0; s < states; s++) largest = fmax(largest, fabs(values->v[s]));
  const int digits = digits_of(largest);
  (void)snprintf(title[0], sizeof title[0], "V%s", mark);
  (void)snprintf(title[1], sizeof title[1], "Q%s", mark);
  (void)snprintf(title[2], sizeof title[2], "pi%s", mark);

  /* V and Q, then pi; nobody acts in a terminal state */
  for (int table = 0; table < 2; table++) {
    print_titles(table ? NULL : title[0], title[1 + table], mdp->actions);
    for (size_t s = 0; s < states; s++) {
      sac_print("%5zu ", s);
      if (mdp->terminal[s]) {
        sac_print(" terminal\n");
        continue;
      }
      if (!table) sac_print("%*.*f", CELL, digits, values->v[s]);
      for (size_t a = 0; a < actions; a++)
        sac_print("%*.*f", CELL, table ? 4 : digits, (table ? values->pi : values->q)[s * actions + a]);
      sac_print("\n");
    }
  }
}

/* --- JSON --------------------------------------------------------------------------------------------------------- */

static json_t* reals_json(const double* x, int32_t count) {
  json_t* array = json_array();
  for (int32_t i = 0; i < count; i++) json_array_append_new(array, json_real(x[i]));
  return array;
}

/* x (rows, columns) */
static json_t* rows_json(const double* x, int32_t rows, int32_t columns) {
  json_t* array = json_array();
  for (int32_t i = 0; i < rows; i++) json_array_append_new(array, reals_json(x + (size_t)i * (size_t)columns, columns));
  return array;
}

static json_t* values_json(const sac_mdp* mdp, const sac_soft_values* values) {
  return json_pack("{s:o, s:o, s:o, s:f}", "q", rows_json(values->q, mdp->states, mdp->actions), "v",
                   reals_json(values->v, mdp->states), "pi", rows_json(values->pi, mdp->states, mdp->actions), "j",
                   values->j);
}

/* Adds the tables of the MDP. */
static void add_mdp(json_t* object, const sac_mdp* mdp) {
  json_t *transition = json_array(), *terminal = json_array();
  for (int32_t s = 0; s < mdp->states; s++) {
    const size_t size = (size_t)mdp->actions * (size_t)mdp->states;
    json_array_append_new(transition, rows_json(mdp->transition + (size_t)s * size, mdp->actions, mdp->states));
    json_array_append_new(terminal, json_boolean(mdp->terminal[s]));
  }
  json_object_set_new(object, "transition", transition);
  json_object_set_new(object, "reward", rows_json(mdp->reward, mdp->states, mdp->actions));
  json_object_set_new(object, "terminal", terminal);
  json_object_set_new(object, "start", reals_json(mdp->start, mdp->states));
}

/* Prints one object. policy: NULL where none was given. Returns the exit code. */
static int print_json(const sac_exact_request* request, const sac_mdp* mdp, const sac_soft_values* best,
                      const sac_soft_values* policy) {
  json_t* object = json_pack("{s:f, s:f}", "alpha", request->alpha, "discount", mdp->discount);
  json_object_update_new(object, values_json(mdp, best));
  add_mdp(object, mdp);
  if (policy) {
    json_t* given = values_json(mdp, policy);
    json_object_set_new(given, "regret", json_real(best->j - policy->j));
    json_object_set_new(object, "policy", given);
  }

  /* 17 digits: every double reads back as it is */
  const int written =
      object && json_dumpf(object, sac_out, JSON_REAL_PRECISION(17)) == 0 && fputc('\n', sac_out) != EOF;
  json_decref(object);
  return written ? SAC_EXIT_WELL : SAC_EXIT_FAILED;
}

/* --- the command -------------------------------------------------------------------------------------------------- */

int sac_exact_print(const sac_exact_request* request) {
  sac_mdp* mdp = NULL;
  sac_soft_values *best = NULL, *policy = NULL;
  const sac_env_api* env;
  sac_status status = SAC_OK;
  int code;

  /* a name that is no environment, and one without an exact answer: wrong usage */
  if (!sac_env_entry_find(request->id) && !sac_env_is_outside(request->id) &&
      (code = sac_options_find_env(request->id, &env)) != SAC_OPTIONS_GO)
    return code;
  status = sac_mdp_create(&mdp, request->id, request->options);
  if (status == SAC_ERROR_ENV) {
    (void)sac_cli_fail(status);
    return SAC_EXIT_USAGE;
  }
  if (status != SAC_OK) return sac_cli_fail(status);

  /* the best policy, and the given one */
  SAC_TRY(sac_soft_values_create(&best, mdp));
  if (request->policy) {
    SAC_TRY(sac_soft_values_create(&policy, mdp));
    SAC_TRY(read_policy(request->policy, mdp, policy->pi));
    sac_mdp_evaluate(mdp, request->alpha, policy);
  }
  sac_mdp_solve(mdp, request->alpha, best);

  /* print both */
  code = SAC_EXIT_WELL;
  if (request->json) {
    code = print_json(request, mdp, best, policy);
  } else {
    sac_print("%s: %d states, %d actions, discount %g, alpha %g\n\n", request->id, (int)mdp->states, (int)mdp->actions,
              mdp->discount, request->alpha);
    sac_print("J* = %.10g: the mean of V* over the first states of episodes\n", best->j);
    print_values(mdp, best, "*");
    if (policy) {
      sac_print("\nThe given policy: J = %.10g, regret J* - J = %.6g\n", policy->j, best->j - policy->j);
      print_values(mdp, policy, "");
    }
  }
fail:
  if (status != SAC_OK) code = sac_cli_fail(status);
  sac_soft_values_destroy(policy);
  sac_soft_values_destroy(best);
  sac_mdp_destroy(mdp);
  return code;
}
