#include "replay/rows.h"

sac_replay_row sac_replay_layout(int32_t obs, int32_t action) {
  sac_replay_row row;
  row.obs = 0;
  row.action = obs;
  row.reward = row.action + action;
  row.terminated = row.reward + 1;
  row.truncated = row.terminated + 1;
  row.next_obs = row.truncated + 1;

  /* pad to whole 16 bytes, so that rows stay aligned */
  row.floats = (row.next_obs + obs + 3) / 4 * 4;
  return row;
}
