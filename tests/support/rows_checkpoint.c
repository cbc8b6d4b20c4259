#include "support/rows_checkpoint.h"

#include <stdio.h>
#include <string.h>

#include "support/folder.h"
#include "support/must.h"
#include "support/rows_agent.h"

/* The states that a run saves. */
static double env_state[5];
static uint64_t schedule[3];
static uint8_t odd[7];
static const sac_state states[] = {{"env.state", SAC_F64, env_state, sizeof env_state, 0},
                                   {"run.schedule", SAC_U64, schedule, sizeof schedule, 0},
                                   {"run.odd", SAC_U8, odd, sizeof odd, 0}};

void rows_set_states(int64_t step) {
  for (int i = 0; i < 5; i++) env_state[i] = (double)step / 3 + i;
  for (int i = 0; i < 3; i++) schedule[i] = (uint64_t)step * 7 + (uint64_t)i;
  for (int i = 0; i < 7; i++) odd[i] = (uint8_t)(step + i);
}

int rows_states_are(int64_t step) {
  double env[5];
  uint64_t counts[3];
  uint8_t bytes[7];
  memcpy(env, env_state, sizeof env), memcpy(counts, schedule, sizeof counts), memcpy(bytes, odd, sizeof bytes);
  rows_set_states(step);
  return memcmp(env, env_state, sizeof env) == 0 && memcmp(counts, schedule, sizeof counts) == 0 &&
         memcmp(bytes, odd, sizeof bytes) == 0;
}

sac_checkpoint* rows_checkpoint(sac_agent* agent, const char* dir) {
  sac_checkpoint* checkpoint;
  must(sac_checkpoint_create(&checkpoint, dir, agent, 0, states, 3) == SAC_OK, "%s", sac_last_error());
  return checkpoint;
}

void rows_save(sac_checkpoint* checkpoint, int64_t step, int32_t keep) {
  rows_set_states(step);
  must(sac_checkpoint_save(checkpoint, step, keep, "seed: 1\n") == SAC_OK, "%s", sac_last_error());
}

rows_case rows_case_begin(int64_t pushed) {
  rows_case c = {.dir = test_folder(), .agent = rows_agent(NULL)};
  c.checkpoint = rows_checkpoint(c.agent, c.dir);
  rows_push(c.agent, pushed);
  rows_save(c.checkpoint, pushed, 2);
  return c;
}

void rows_case_end(rows_case* c) {
  sac_checkpoint_destroy(c->checkpoint);
  sac_agent_destroy(c->agent);
  test_folder_remove();
}

const char* rows_step_file(const char* dir, int64_t step) {
  char name[64];
  snprintf(name, sizeof name, "checkpoints/step_%lld.safetensors", (long long)step);
  return test_path(dir, name);
}
