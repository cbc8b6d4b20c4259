#include "cli/target.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "agent/steps.h"
#include "config/sources.h"
#include "train/checkpoint.h"
#include "train/folder.h"
#include "train/metrics.h"
#include "util/error.h"

int sac_target_is_folder(const char* path) {
  struct stat info;
  return stat(path, &info) == 0 && S_ISDIR(info.st_mode);
}

/* Says on stderr when the run of a seed folder had come further than the checkpoint of `step`, which plays. */
static void note_older(const char* folder, int64_t step) {
  char path[SAC_PATH_MAX];
  if (step < 0 || sac_path(path, "%s/checkpoints", folder) != SAC_OK) return;
  const int64_t lost = sac_steps_lost(path), reached = sac_metrics_reached(folder);

  /* a checkpoint that is gone; or one that could not be saved, or is not due yet */
  if (lost > step)
    (void)fprintf(stderr, "sac: %s: the last checkpoint, step_%lld, is missing; step_%lld plays\n", folder,
                  (long long)lost, (long long)step);
  else if (reached > step)
    (void)fprintf(stderr, "sac: %s: step_%lld plays, the newest checkpoint; the run has reached step %lld\n", folder,
                  (long long)step, (long long)reached);
}

sac_status sac_target_seed(const char* folder, int best, char path[SAC_PATH_MAX]) {
  sac_status status = SAC_OK;
  char last[SAC_PATH_MAX];

  /* a folder without checkpoints is no seed folder */
  SAC_TRY(sac_path(path, "%s/checkpoints", folder));
  if (!sac_target_is_folder(path)) return sac_folder_no_run(folder);

  /* the best one is a file of its own */
  if (best) {
    SAC_TRY(sac_path(path, "%s/checkpoints/best", folder));
    if (sac_file_exists(path)) return SAC_OK;
    return sac_fail(SAC_ERROR_FILE, "%s has no best checkpoint: it was never evaluated", folder);
  }

  /* the last one is found by its number */
  SAC_TRY(sac_path(last, "%s/checkpoints/last", folder));
  SAC_TRY(sac_steps_path(path, last));
  if (sac_file_exists(path)) note_older(folder, sac_step_of(strrchr(path, '/') + 1));
  else status = sac_fail(SAC_ERROR_FILE, "%s has no checkpoint", folder);
fail:
  return status;
}

sac_status sac_target_seeds(const char* folder, int64_t* seed, int64_t* seeds) {
  sac_config* config = NULL;
  sac_settings settings;
  sac_status status = SAC_OK;
  SAC_TRY(sac_folder_config_read(folder, &config));
  SAC_TRY(sac_config_settings(config, &settings));
  *seed = settings.seed;
  *seeds = settings.seeds;
fail:
  sac_config_destroy(config);
  return status;
}
