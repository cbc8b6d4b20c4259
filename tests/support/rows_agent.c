#include "support/rows_agent.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "support/config_of.h"
#include "support/must.h"

static const float low[ROWS_ACTION] = {-2, 0}, high[ROWS_ACTION] = {2, 0.1f};

sac_agent* rows_agent(const char* first_key, ...) {
  sac_config* config = config_of("network.hidden=8,5 replay.batch=4 replay.capacity=1000 cpu.threads=1 device=cpu");
  sac_agent* agent = NULL;
  va_list pairs;
  va_start(pairs, first_key);
  for (const char* key = first_key; key; key = va_arg(pairs, const char*)) {
    const char* value = va_arg(pairs, const char*);
    must(sac_config_set(config, key, value) == SAC_OK, "%s", sac_last_error());
  }
  va_end(pairs);
  const sac_env_spec spec = {ROWS_OBS, ROWS_ACTION, 0, 200, low, high};
  must(sac_agent_create(&agent, config, &spec) == SAC_OK, "%s", sac_last_error());
  sac_config_destroy(config);
  return agent;
}

/* Number c of transition i of agent p, in (-1, 1) and exact in float. */
static float cell(uint64_t i, int32_t p, int32_t c) {
  const uint64_t mixed = (i * 31 + (uint64_t)c * 7919 + (uint64_t)p * 104729) * 0x9E3779B97F4A7C15u;
  return (float)(mixed >> 41) / 8388608.0f * 2 - 1;
}

void rows_push(sac_agent* agent, int64_t n) {
  enum { CHUNK = 512 };
  const int32_t population = agent->shape.population;
  const size_t most = (size_t)population * CHUNK;

  /* allocate a chunk of transitions */
  float* obs = malloc(most * ROWS_OBS * sizeof *obs);
  float* next = malloc(most * ROWS_OBS * sizeof *next);
  float* action = malloc(most * ROWS_ACTION * sizeof *action);
  float* reward = malloc(most * sizeof *reward);
  uint8_t* terminated = malloc(most);
  uint8_t* truncated = malloc(most);

  /* fill and push, chunk by chunk */
  while (n > 0) {
    const int32_t now = n < CHUNK ? (int32_t)n : CHUNK;
    for (int32_t p = 0; p < population; p++) {
      for (int32_t k = 0; k < now; k++) {
        const uint64_t i = agent->counters[p].pushed + (uint64_t)k;
        const size_t at = (size_t)p * (size_t)now + (size_t)k;
        for (int32_t c = 0; c < ROWS_OBS; c++)
          obs[at * ROWS_OBS + c] = cell(i, p, c), next[at * ROWS_OBS + c] = cell(i, p, 10 + c);
        for (int32_t c = 0; c < ROWS_ACTION; c++) action[at * ROWS_ACTION + c] = cell(i, p, 20 + c);
        reward[at] = cell(i, p, 30);
        terminated[at] = i % 5 == 0;
        truncated[at] = i % 7 == 0;
      }
    }
    const sac_transitions t = {now, obs, action, reward, terminated, truncated, next};
    must(sac_agent_push(agent, &t) == SAC_OK, "%s", sac_last_error());
    n -= now;
  }
  free(obs), free(next), free(action), free(reward), free(terminated), free(truncated);
}

void rows_check(const sac_agent* agent, int32_t p, int32_t as) {
  const uint64_t pushed = agent->counters[p].pushed, capacity = (uint64_t)agent->shape.capacity;
  const sac_replay_row* row = &agent->row;
  const size_t floats = (size_t)row->floats;
  float* ring = malloc(capacity * floats * sizeof *ring);
  must(agent->backend->read(agent, SAC_MEMORY_REPLAY, p, 0, ring, capacity * floats) == SAC_OK, "%s", sac_last_error());
  int same = 1;
  uint64_t i = pushed - (uint64_t)sac_replay_size(pushed, (int64_t)capacity);
  for (; i < pushed && same; i++) {
    const float* at = ring + i % capacity * floats;
    for (int32_t c = 0; c < ROWS_OBS; c++)
      same &= at[row->obs + c] == cell(i, as, c) && at[row->next_obs + c] == cell(i, as, 10 + c);
    for (int32_t c = 0; c < ROWS_ACTION; c++) same &= at[row->action + c] == cell(i, as, 20 + c);
    same &= at[row->reward] == cell(i, as, 30);
    same &= at[row->terminated] == (i % 5 == 0) && at[row->truncated] == (i % 7 == 0);
  }
  free(ring);
  must(same, "transition %llu of %llu is not what was pushed", (unsigned long long)i - 1, (unsigned long long)pushed);
}

void rows_same_agent(const sac_agent* a, int32_t p, const sac_agent* b, int32_t q) {
  static const sac_memory memory[] = {SAC_MEMORY_WEIGHTS, SAC_MEMORY_ADAM_M, SAC_MEMORY_ADAM_V, SAC_MEMORY_TARGET};
  for (int m = 0; m < 4; m++) {
    const size_t floats = a->tensors.floats[m < 3 ? SAC_SLAB_TRAINED : SAC_SLAB_TARGET];
    float* x = malloc((floats + 1) * sizeof *x);
    float* y = malloc((floats + 1) * sizeof *y);
    must(floats == b->tensors.floats[m < 3 ? SAC_SLAB_TRAINED : SAC_SLAB_TARGET], "agents %d and %d", (int)p, (int)q);
    must(a->backend->read(a, memory[m], p, 0, x, floats) == SAC_OK, "%s", sac_last_error());
    must(b->backend->read(b, memory[m], q, 0, y, floats) == SAC_OK, "%s", sac_last_error());
    must(memcmp(x, y, floats * sizeof *x) == 0, "slab %d differs", m);
    free(x), free(y);
  }
  must(memcmp(&a->counters[p], &b->counters[q], sizeof *a->counters) == 0, "agents %d and %d", (int)p, (int)q);
  must(memcmp(&a->totals[p], &b->totals[q], sizeof *a->totals) == 0, "agents %d and %d", (int)p, (int)q);
  must(memcmp(&a->stats[p], &b->stats[q], sizeof *a->stats) == 0, "agents %d and %d", (int)p, (int)q);
  must(a->seed[p] == b->seed[q], "agents %d and %d", (int)p, (int)q);
  must(a->alive[p] == b->alive[q], "agents %d and %d", (int)p, (int)q);
}
