/* How far a saved run is. */
#include "train/run.h"
#include "util/error.h"

/* Whether an agent that has reached `step`, the last one of its run, lacks the evaluation that ends a run. */
static int last_evaluation_is_missing(const char* dir, const sac_settings* settings, int64_t step) {
  char seed_dir[SAC_PATH_MAX];
  double mean;
  for (int64_t p = 0; settings->eval_every > 0 && p < settings->seeds; p++) {
    if (sac_folder_seed(dir, (uint64_t)(settings->seed + p), seed_dir) != SAC_OK) continue;

    /* an agent that has stopped is not evaluated */
    if (sac_failed_step(seed_dir) < 0 && !sac_metrics_evaluated(seed_dir, step, &mean)) return 1;
  }
  return 0;
}

sac_status sac_run_read_progress(const char* dir, const sac_config* overrides, int64_t* step, int64_t* steps) {
  char seed_dir[SAC_PATH_MAX], changes[1024];
  sac_config* config = NULL;
  sac_settings settings, saved;
  int64_t newest;
  sac_status status = SAC_OK;
  *step = 0;

  /* read train.steps as a resume would */
  SAC_TRY(sac_folder_config_read(dir, &config));
  SAC_TRY(sac_config_settings(config, &saved));
  if (overrides) SAC_TRY(sac_config_resume(config, overrides, changes, sizeof changes));
  SAC_TRY(sac_config_settings(config, &settings));
  *steps = settings.steps;

  /* find the newest checkpoint of any agent */
  for (int64_t p = 0; p < settings.seeds; p++) {
    SAC_TRY(sac_folder_seed(dir, (uint64_t)(settings.seed + p), seed_dir));
    const int32_t count = sac_checkpoint_list(seed_dir, &newest, 1);
    if (count < 0) SAC_TRY(SAC_ERROR_FILE);
    if (count == 1 && newest > *step) *step = newest;
  }

  /* a run whose last evaluation was left has not ended */
  if (*step >= *steps && last_evaluation_is_missing(dir, &saved, *step)) *step = *steps - 1;
fail:
  sac_config_destroy(config);
  return status;
}
