#include "train/source.h"

#include <stdio.h>
#include <sys/stat.h>

#include "formats/safetensors.h"
#include "train/checkpoint.h"
#include "train/folder.h"
#include "util/error.h"

int sac_is_folder(const char* path) {
  struct stat info;
  return stat(path, &info) == 0 && S_ISDIR(info.st_mode);
}

/* Whether this is the folder of one agent: it has checkpoints. */
static int is_seed_folder(const char* path) {
  char checkpoints[SAC_PATH_MAX];
  return sac_path(checkpoints, "%s/checkpoints", path) == SAC_OK && sac_is_folder(checkpoints);
}

sac_status sac_source_folder(const char* path, const uint64_t* seed, char folder[SAC_PATH_MAX]) {
  sac_config* config = NULL;
  sac_settings settings;
  sac_status status = SAC_OK;

  /* a seed folder is itself */
  if (is_seed_folder(path)) return sac_path(folder, "%s", path);

  /* read the seeds of a run */
  if (!sac_folder_holds_run(path)) return sac_folder_no_run(path);
  SAC_TRY(sac_folder_config_read(path, &config));
  SAC_TRY(sac_config_settings(config, &settings));

  /* take the only seed, or the same */
  const uint64_t first = (uint64_t)settings.seed, count = (uint64_t)settings.seeds;
  const unsigned long long last = (unsigned long long)(first + count - 1);
  if (count > 1 && !seed)
    SAC_TRY(sac_fail(SAC_ERROR_FILE, "%s has the seeds %llu to %llu: name one of its seed folders", path,
                     (unsigned long long)first, last));
  if (count > 1 && (*seed < first || *seed > last))
    SAC_TRY(sac_fail(SAC_ERROR_FILE, "%s has the seeds %llu to %llu and not %llu: name one of its seed folders", path,
                     (unsigned long long)first, last, (unsigned long long)*seed));
  SAC_TRY(sac_folder_seed(path, count > 1 ? *seed : first, folder));
fail:
  sac_config_destroy(config);
  return status;
}

sac_status sac_source_step(const char* folder, int64_t* step, char file[SAC_PATH_MAX]) {
  const int32_t count = sac_checkpoint_list(folder, step, 1);
  if (count < 0) return SAC_ERROR_FILE;
  if (count == 0) return sac_fail(SAC_ERROR_FILE, "%s has no checkpoint", folder);
  return sac_path(file, "%s/checkpoints/step_%lld.safetensors", folder, (long long)*step);
}

sac_status sac_source_file(const char* path, const uint64_t* seed, char file[SAC_PATH_MAX]) {
  char folder[SAC_PATH_MAX];
  int64_t step;
  sac_status status = SAC_OK;
  if (!sac_is_folder(path)) return sac_path(file, "%s", path);
  SAC_TRY(sac_source_folder(path, seed, folder));
  SAC_TRY(sac_source_step(folder, &step, file));
fail:
  return status;
}

sac_status sac_source_check(const char* path, const uint64_t* seed) {
  char name[SAC_PATH_MAX];
  sac_safetensors* file = NULL;
  sac_status status = SAC_OK;
  SAC_TRY(sac_source_file(path, seed, name));
  SAC_TRY(sac_safetensors_open(&file, name));
fail:
  sac_safetensors_close(file);
  return status;
}
