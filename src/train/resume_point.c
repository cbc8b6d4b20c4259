#include "train/resume_point.h"

#include <stdio.h>
#include <string.h>

#include "agent/steps.h"
#include "train/checkpoint.h"
#include "train/folder.h"
#include "train/metrics.h"
#include "util/error.h"
#include "util/program.h"
#include "util/text.h"

int sac_stopped_before(const char* folder, uint64_t seed, int64_t step) {
  char dir[SAC_PATH_MAX];
  if (sac_folder_seed(folder, seed, dir) != SAC_OK) return 0;
  const int64_t failed = sac_failed_step(dir);
  return failed >= 0 && failed <= step;
}

/* Whether the checkpoint of `step` loads for agent `seed`. Fills point->config, or point->reason with what is wrong. */
static int step_loads(const char* folder, uint64_t seed, int64_t step, sac_resume_point* point) {
  char dir[SAC_PATH_MAX];
  int64_t list[SAC_CHECKPOINT_LIST_MAX];
  if (sac_folder_seed(folder, seed, dir) != SAC_OK) return 0;

  /* look for the step in the agent's list */
  const int32_t count = sac_checkpoint_list(dir, list, SAC_CHECKPOINT_LIST_MAX);
  int32_t c = 0;
  if (count < 0) point->unknown = SAC_ERROR_FILE;
  while (c < count && list[c] != step) c++;
  if (c >= count) return 0;

  /* check the file and its rows; keep the first reason, which is that of the newest checkpoint */
  const sac_status status = sac_checkpoint_probe(dir, step, point->config, sizeof point->config);
  if (status == SAC_OK) return 1;
  if (status != SAC_ERROR_FORMAT) point->unknown = status;
  if (!point->reason[0]) (void)snprintf(point->reason, sizeof point->reason, "%s", sac_last_error());
  return 0;
}

/* Whether the checkpoint of `step` loads for every agent that has not stopped by then, and for at least one. */
static int step_loads_for_all(const char* folder, uint64_t seed, int64_t seeds, int64_t step, sac_resume_point* point) {
  int64_t good = 0, stopped = 0;

  /* end at the first agent for which it does not load */
  for (int64_t p = 0; p < seeds && good + stopped == p; p++) {
    if (sac_stopped_before(folder, seed + (uint64_t)p, step)) stopped++;
    else good += step_loads(folder, seed + (uint64_t)p, step, point);
  }
  return good > 0 && good + stopped == seeds;
}

/* Finds the newest checkpoint before `before` that any agent has. step: receives its step; -1: none. */
static sac_status newest_step(const char* folder, uint64_t seed, int64_t seeds, int64_t before, int64_t* step) {
  char dir[SAC_PATH_MAX];
  int64_t list[SAC_CHECKPOINT_LIST_MAX];
  sac_status status = SAC_OK;
  *step = -1;
  for (int64_t p = 0; p < seeds; p++) {
    SAC_TRY(sac_folder_seed(folder, seed + (uint64_t)p, dir));
    const int32_t count = sac_checkpoint_list(dir, list, SAC_CHECKPOINT_LIST_MAX);
    if (count < 0) return SAC_ERROR_FILE;
    for (int32_t c = 0; c < count; c++)
      if (list[c] < before && list[c] > *step) *step = list[c];
  }
fail:
  return status;
}

/* Finds how far the agents had come: the latest step that a link `last` names although the checkpoint is gone, and that
 * of the last row of metrics. */
static void find_reached(const char* folder, uint64_t seed, int64_t seeds, sac_resume_point* point) {
  char dir[SAC_PATH_MAX], path[SAC_PATH_MAX];
  point->lost = point->reached = -1;
  for (int64_t p = 0; p < seeds; p++) {
    if (sac_folder_seed(folder, seed + (uint64_t)p, dir) != SAC_OK || sac_path(path, "%s/checkpoints", dir) != SAC_OK)
      continue;
    const int64_t lost = sac_steps_lost(path), reached = sac_metrics_reached(dir);
    if (lost > point->lost) point->lost = lost;
    if (reached > point->reached) point->reached = reached;
  }
}

sac_status sac_resume_point_find(const char* folder, uint64_t seed, int64_t seeds, sac_resume_point* point) {
  char word[SAC_WORD_MAX];
  int64_t step, before = INT64_MAX;
  sac_status status = SAC_OK;
  point->step = point->newest = -1;
  point->unknown = SAC_OK;
  point->reason[0] = '\0';
  find_reached(folder, seed, seeds, point);

  /* try the steps from the newest to the oldest */
  for (;;) {
    SAC_TRY(newest_step(folder, seed, seeds, before, &step));
    if (step < 0) break;
    if (point->newest < 0) point->newest = step;
    if (step_loads_for_all(folder, seed, seeds, step, point)) {
      point->step = step;
      return SAC_OK;
    }

    /* a disk or a server may fail for a moment: going on from an older step would give up what is saved */
    if (point->unknown == SAC_ERROR_FILE)
      return sac_fail(SAC_ERROR_FILE,
                      "%s: step_%lld: %s; nothing is changed: try again, or move that file away to go on "
                      "from an older checkpoint",
                      folder, (long long)step, sac_last_error());
    if (point->unknown != SAC_OK) return point->unknown;
    before = step;
  }

  /* no step loads: files are damaged, or the agents have no step in common */
  if (point->reason[0])
    return sac_fail(SAC_ERROR_FORMAT,
                    "%s: no checkpoint loads; the last %s; its weights may still be good: '%s eval %s', or '%s train "
                    "--init' with that file",
                    folder, point->reason, sac_program(), sac_text_word(word, folder), sac_program());
  return sac_fail(SAC_ERROR_FILE, "%s: its agents (seed %llu%s) have no checkpoint in common", folder,
                  (unsigned long long)seed, seeds > 1 ? " and on" : "");
fail:
  return status;
}
