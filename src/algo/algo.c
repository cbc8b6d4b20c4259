#include "algo/algo.h"

#include <stddef.h>

#include <sac/statistics.h>

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
} rows[SAC_ROW_COUNT] = {{"", "", 0},
#define ROW(id, name, joins, equation) {name, equation, joins},
                         SAC_ROW_FUNCTIONS(ROW)
#undef ROW
};

const sac_algorithm* sac_algo_at(int id) { return algos[id]; }
const sac_key_value* sac_algo_defaults(int id) { return algos[id]->defaults; }
const char* sac_algo_name(int id) { return sac_algo_names[id]; }
const char* sac_row_name(sac_row_function row) { return rows[row].name; }
const char* sac_row_equation(sac_row_function row) { return rows[row].equation; }
int sac_row_joins(sac_row_function row) { return rows[row].joins; }

int sac_algo_samples(const sac_algorithm* algo, sac_place at) {
  for (int32_t i = 0; i < algo->op_count; i++)
    if (algo->update[i].row == SAC_ROW_SAMPLE && algo->update[i].at == at) return 1;
  return 0;
}

int sac_algo_has_statistic(const sac_algorithm* algo, int statistic) {
  /* `each` of SAC_STATISTICS, for every statistic */
  enum { ONCE, CRITIC, VALUE, POLICY, CRITIC_GRADIENT, ACTOR_GRADIENT };
  static const int each_of[] = {
#define EACH(name, column, watched, each, over, value, tag, meaning) each,
      SAC_STATISTICS(EACH)
#undef EACH
  };

  /* only statistics of a value network can be missing */
  int value_network = 0;
  for (int32_t i = 0; i < algo->network_count; i++) value_network |= algo->networks[i].group == SAC_VALUE;
  return each_of[statistic] != VALUE || value_network;
}
