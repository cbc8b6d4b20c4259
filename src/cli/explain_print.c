/* How `sac explain` prints a state: as JSON, and for people. */
#include <math.h>
#include <stdio.h>

#include "cli/explain_one.h"
#include "cli/json.h"
#include "cli/out.h"
#include "cli/wrap.h"
#include "util/text.h"

#define ACTIONS_SHOWN 20 /* the most rows of actions for people */
#define CRITICS_SHOWN 3  /* the most columns of critics */
#define AXIS_SHOWN 5     /* points of an axis for people */

/* --- JSON --------------------------------------------------------------------------------------------------------- */

static json_t* list_of(const double* x, int32_t count) {
  json_t* list = json_array();
  for (int32_t i = 0; i < count; i++) (void)json_array_append_new(list, sac_json_real(x[i]));
  return list;
}

static json_t* floats_of(const float* x, int32_t count) {
  json_t* list = json_array();
  for (int32_t i = 0; i < count; i++) (void)json_array_append_new(list, sac_json_real((double)x[i]));
  return list;
}

static json_t* discrete_json(const sac_explain_one* one) {
  const sac_shape* s = &one->nets->agent->shape;
  const sac_explained_discrete* d = &one->discrete;
  json_t* q = json_array();
  for (int32_t k = 0; k < s->critics; k++)
    (void)json_array_append_new(q, list_of(one->value + (size_t)k * (size_t)s->actions, s->actions));
  return json_pack("{s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "obs", floats_of(one->obs, s->obs), "q", q,
                   "q_joined", list_of(one->q, s->actions), "log_z", sac_json_real(d->log_z), "boltzmann",
                   list_of(one->boltzmann, s->actions), "pi", list_of(one->pi, s->actions), "kl", sac_json_real(d->kl),
                   "entropy", sac_json_real(d->entropy), "v", sac_json_real(d->v));
}

/* Q and log pi along an axis. */
static json_t* axis_json(const sac_explain_one* one, int32_t i) {
  const size_t at = (size_t)i * SAC_EXPLAIN_AXIS;
  json_t* action = json_array();
  for (int32_t j = 0; j < SAC_EXPLAIN_AXIS; j++)
    (void)json_array_append_new(action, json_real(2.0 * j / (SAC_EXPLAIN_AXIS - 1) - 1));
  return json_pack("{s:o, s:o, s:o}", "action", action, "q_joined", list_of(one->axis_q + at, SAC_EXPLAIN_AXIS),
                   "log_pi", list_of(one->axis_log_pi + at, SAC_EXPLAIN_AXIS));
}

static json_t* continuous_json(const sac_explain_one* one) {
  const sac_shape* s = &one->nets->agent->shape;
  const sac_explained* c = &one->continuous;
  json_t* axes = json_array();
  for (int32_t i = 0; i < s->action; i++) (void)json_array_append_new(axes, axis_json(one, i));
  json_t* object = json_pack("{s:o, s:o, s:o, s:o, s:o, s:o}", "obs", floats_of(one->obs, s->obs), "mean",
                             list_of(one->mode, s->action), "std", list_of(one->std, s->action), "log_prob_of_mean",
                             sac_json_real(c->mean_log_prob), "q", list_of(one->mode_q, s->critics), "axes", axes);

  /* estimates, with their errors */
  const struct {
    const char *name, *error;
    sac_explain_number x;
  } numbers[] = {{"log_z", "log_z_error", c->log_z},
                 {"kl", "kl_error", c->kl},
                 {"entropy", "entropy_error", c->entropy},
                 {"v", "v_error", c->value}};
  for (size_t i = 0; object && i < sizeof numbers / sizeof *numbers; i++) {
    (void)json_object_set_new(object, numbers[i].name, sac_json_real(numbers[i].x.value));
    (void)json_object_set_new(object, numbers[i].error, sac_json_real(numbers[i].x.error));
  }

  /* how log Z was found */
  if (object) {
    (void)json_object_set_new(object, "log_z_by", json_string(c->points ? "quadrature" : "importance sampling"));
    (void)json_object_set_new(object, "points", json_integer(c->points));
    (void)json_object_set_new(object, "samples", json_integer(c->samples));
    (void)json_object_set_new(object, "effective_samples", sac_json_real(c->effective));
  }
  return object;
}

json_t* sac_explain_one_json(const sac_explain_one* one) {
  return one->nets->agent->algo->discrete ? discrete_json(one) : continuous_json(one);
}

/* --- text --------------------------------------------------------------------------------------------------------- */

/* Prints "state 1: 0.1 -0.2 ...". */
static void print_state(const sac_explain_one* one, int64_t number) {
  char text[1024] = "";
  size_t used = 0;
  const int32_t obs = one->nets->agent->shape.obs, shown = obs > 16 ? 16 : obs;
  sac_text_append(text, sizeof text, &used, "state %lld:", (long long)number);
  for (int32_t i = 0; i < shown; i++) sac_text_append(text, sizeof text, &used, " %.5g", (double)one->obs[i]);
  if (obs > shown) sac_text_append(text, sizeof text, &used, " ... (%d numbers)", (int)obs);
  sac_wrap(sac_out, text, 0, 2, sac_wrap_width());
}

/* The action with the largest probability among those below `than`; of equal ones the first behind `last`. */
static int32_t next_probable(const sac_explain_one* one, double than, int32_t last) {
  int32_t best = -1;
  for (int32_t a = 0; a < one->nets->agent->shape.actions; a++) {
    const int left = one->pi[a] < than || (one->pi[a] == than && a > last);
    if (left && (best < 0 || one->pi[a] > one->pi[best])) best = a;
  }
  return best;
}

static void print_action(const sac_explain_one* one, int32_t a) {
  const sac_shape* s = &one->nets->agent->shape;
  sac_print("  %6d", (int)a);
  for (int32_t k = 0; k < s->critics && k < CRITICS_SHOWN; k++)
    sac_print(" %11.5g", one->value[(size_t)k * (size_t)s->actions + (size_t)a]);
  sac_print(" %11.5g %11.4g %11.4g\n", one->q[a], one->boltzmann[a], one->pi[a]);
}

static void print_discrete(const sac_explain_one* one) {
  const sac_agent* agent = one->nets->agent;
  const sac_shape* s = &agent->shape;
  const int mean = agent->settings.critics_join == SAC_JOIN_MEAN;

  /* the titles */
  sac_print("  %6s", "action");
  for (int32_t k = 0; k < s->critics && k < CRITICS_SHOWN; k++) sac_print("        Q_%d ", (int)k);
  sac_print(" %10s %11s %11s\n", mean ? "mean" : "min", "exp(q/a)/Z", "pi");

  /* all actions in their order, or the most probable ones */
  if (s->actions <= ACTIONS_SHOWN) {
    for (int32_t a = 0; a < s->actions; a++) print_action(one, a);
  } else {
    double than = INFINITY;
    for (int32_t n = 0, last = -1; n < ACTIONS_SHOWN; n++) {
      const int32_t a = next_probable(one, than, last);
      if (a < 0) break;
      print_action(one, a);
      than = one->pi[a];
      last = a;
    }
    sac_print("  the %d most probable of %d actions; --json has all\n", ACTIONS_SHOWN, (int)s->actions);
  }
  if (s->critics > CRITICS_SHOWN) sac_print("  %d of %d critics; --json has all\n", CRITICS_SHOWN, (int)s->critics);

  /* the numbers of the state */
  const sac_explained_discrete* d = &one->discrete;
  sac_print("  log Z %.6g   V %.6g   entropy %.4f nats   KL %.4g nats\n", d->log_z, d->v, d->entropy, d->kl);
}

static void print_number(const char* name, sac_explain_number x, const char* unit) {
  sac_print("  %-10s %12.6g +- %.2g%s", name, x.value, x.error, unit);
}

static void print_continuous(const sac_explain_one* one) {
  const sac_shape* s = &one->nets->agent->shape;
  const sac_explained* c = &one->continuous;

  /* each component: mean, sigma, and Q along its axis */
  sac_print("  %6s %9s %9s  min Q along its axis, the others at the mean\n", "action", "tanh(mu)", "sigma");
  sac_print("  %26s", "");
  for (int j = 0; j < AXIS_SHOWN; j++) sac_print(" %9.2g", 2.0 * j / (AXIS_SHOWN - 1) - 1);
  sac_print("\n");
  for (int32_t i = 0; i < s->action && i < ACTIONS_SHOWN; i++) {
    sac_print("  %6d %9.4f %9.4f", (int)i, one->mode[i], one->std[i]);
    for (int j = 0; j < AXIS_SHOWN; j++)
      sac_print(" %9.4g",
                one->axis_q[(size_t)i * SAC_EXPLAIN_AXIS + (size_t)(j * (SAC_EXPLAIN_AXIS - 1) / (AXIS_SHOWN - 1))]);
    sac_print("\n");
  }
  if (s->action > ACTIONS_SHOWN) sac_print("  %d of %d components; --json has all\n", ACTIONS_SHOWN, (int)s->action);

  /* the critics at the mode */
  sac_print("  Q at the mean:");
  for (int32_t k = 0; k < s->critics; k++) sac_print(" %.6g", one->mode_q[k]);
  sac_print("   log pi of the mean %.4f\n", c->mean_log_prob);

  /* the estimates */
  print_number("log Z", c->log_z, c->points ? "  (quadrature)\n" : "  (importance sampling)\n");
  print_number("V", c->value, "\n");
  print_number("entropy", c->entropy, " nats\n");
  print_number("KL", c->kl, " nats\n");
}

void sac_explain_one_print(const sac_explain_one* one, int64_t number) {
  if (number > 1) sac_print("\n");
  print_state(one, number);
  if (one->nets->agent->algo->discrete) print_discrete(one);
  else print_continuous(one);
}
