/* Checkpoints of a run with a rows_agent. The saved states hold the step at which they were saved. */
#ifndef TESTS_SUPPORT_ROWS_CHECKPOINT_H
#define TESTS_SUPPORT_ROWS_CHECKPOINT_H

#include "train/checkpoint.h"

void rows_set_states(int64_t step);
int rows_states_are(int64_t step);

/* Checkpoints of agent 0, with those states, in the seed folder `dir`. */
sac_checkpoint* rows_checkpoint(sac_agent* agent, const char* dir);

/* Saves with the states of `step`. */
void rows_save(sac_checkpoint* checkpoint, int64_t step, int32_t keep);

/* An agent after `pushed` transitions, and its checkpoint of step `pushed` in a folder of its own. rows_case_end
 * removes all of it. */
typedef struct rows_case {
  const char* dir;
  sac_agent* agent;
  sac_checkpoint* checkpoint;
} rows_case;

rows_case rows_case_begin(int64_t pushed);
void rows_case_end(rows_case* c);

/* The path of the checkpoint of a step, in one of test_path's buffers. */
const char* rows_step_file(const char* dir, int64_t step);

#endif
