/* The layout of the replay ring and of its rows. The backend owns the memory, on the device that learns.
 *
 * A row is one transition, contiguous and 16-byte aligned, in floats:
 *   obs (O) | action (A) | reward | terminated | truncated | next_obs (O) | zeros up to a multiple of 4
 * so that sampling reads one piece of memory. Transition i, counted from 0 over the whole run, is in row i % C; with
 * loaded transitions that are kept (key replay.offline_share) it is where kernels/ring.h says. */
#ifndef SAC_REPLAY_ROWS_H
#define SAC_REPLAY_ROWS_H

#include <stddef.h>
#include <stdint.h>

#include "model/tensors.h"

typedef struct sac_replay_row {
  int32_t obs, action, reward, terminated, truncated, next_obs; /* offsets in floats */
  int32_t floats;                                               /* of a whole row */
} sac_replay_row;

/* The row for observations and actions of these sizes. */
sac_replay_row sac_replay_layout(int32_t obs, int32_t action);

/* The number of rows that can be sampled after `pushed` transitions: min(pushed, C). */
static inline int64_t sac_replay_size(uint64_t pushed, int64_t capacity) {
  return pushed < (uint64_t)capacity ? (int64_t)pushed : capacity;
}

/* The rows of a minibatch that are drawn from the loaded transitions: this share of B, rounded. */
static inline int32_t sac_offline_rows(double share, int32_t batch) { return (int32_t)(share * (double)batch + 0.5); }

#endif
