#include "algo/algo.h"

#include <stddef.h>

#include <sac/statistics.h>

#include "kernels/discrete.h"
#include "kernels/temperature.h"

static const sac_algorithm* const algos[SAC_ALGO_COUNT] = {
#define ENTRY(id, symbol, name) &sac_algo_##symbol,
    SAC_ALGOS(ENTRY)
#undef ENTRY
};

/* The names that key `algo` takes (config/field.h). */
const char* const sac_algo_names[] = {
#define NAME(id, symbol, name) name,
    SAC_ALGOS(NAME)
#undef NAME
        NULL};

const char* const sac_place_names[SAC_PLACE_COUNT] = {"(s, a)", "(s', a')", "(s, a~)"};

const char* const sac_op_kind_names[SAC_OP_KIND_COUNT] = {"forward", "rows",           "backward",    "gradient",
                                                          "adam",    "input gradient", "temperature", "polyak"};

/* The table of row functions, from SAC_ROW_FUNCTIONS. Entry 0 is SAC_ROW_NONE. */
static const struct {
  const char *name, *equation;
  int joins;
  sac_group also;
} rows[SAC_ROW_COUNT] = {{"", "", 0, SAC_GROUP_COUNT},
#define ROW(id, name, joins, also, equation) {name, equation, joins, SAC_##also},
                         SAC_ROW_FUNCTIONS(ROW)
#undef ROW
};

const sac_algorithm* sac_algo_at(int id) { return algos[id]; }
const sac_key_value* sac_algo_defaults(int id) { return algos[id]->defaults; }
const char* sac_algo_name(int id) { return sac_algo_names[id]; }
const char* sac_row_name(sac_row_function row) { return rows[row].name; }
const char* sac_row_equation(sac_row_function row) { return rows[row].equation; }
int sac_row_joins(sac_row_function row) { return rows[row].joins; }
sac_group sac_row_also(sac_row_function row) { return rows[row].also; }

double sac_algo_entropy_continuous(const sac_settings* settings, const sac_shape* shape) {
  (void)settings;
  return (double)sac_target_entropy(shape->action);
}

double sac_algo_entropy_discrete(const sac_settings* settings, const sac_shape* shape) {
  return (double)sac_discrete_target_entropy(shape->actions, (float)settings->target_entropy_share);
}

const sac_key_value sac_algo_defaults_discrete[] = {{"alpha.min", "1e-6"}, {"alpha.max", "1000"}, {NULL, NULL}};

int sac_algo_has(const sac_algorithm* algo, sac_group group) {
  for (int32_t i = 0; i < algo->network_count; i++)
    if (algo->networks[i].group == group) return 1;
  return 0;
}

sac_group sac_algo_acts_with(const sac_algorithm* algo) {
  return sac_algo_has(algo, SAC_ACTOR) ? SAC_ACTOR : SAC_CRITIC;
}

int sac_algo_for(int discrete) {
  int algo = 0;
  while (algos[algo]->discrete != discrete) algo++;
  return algo;
}

int sac_algo_samples(const sac_algorithm* algo, sac_place at) {
  for (int32_t i = 0; i < algo->op_count; i++)
    if (algo->update[i].row == SAC_ROW_SAMPLE && algo->update[i].at == at) return 1;
  return 0;
}

int sac_algo_has_statistic(const sac_algorithm* algo, int statistic) {
  /* `each` of SAC_STATISTICS, for every statistic */
  enum { ONCE, CRITIC, VALUE, POLICY, ACTOR, SQUASHED, DISCRETE, CRITIC_GRADIENT, ACTOR_GRADIENT };
  static const int each_of[] = {
#define EACH(name, column, watched, each, over, value, tag, meaning) each,
      SAC_STATISTICS(EACH)
#undef EACH
  };

  /* what these kinds need */
  switch (each_of[statistic]) {
    case VALUE:
      return sac_algo_has(algo, SAC_VALUE);
    case ACTOR:
    case ACTOR_GRADIENT:
      return sac_algo_has(algo, SAC_ACTOR);
    case SQUASHED:
      return algo->policy == SAC_POLICY_SQUASHED_GAUSSIAN;
    case DISCRETE:
      return algo->discrete;
    default:
      return 1;
  }
}
