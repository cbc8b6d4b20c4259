#include "train/folder.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "util/error.h"
#include "util/number.h"

#define CONFIG_MAX ((size_t)1 << 20) /* bytes; what the config reader takes */
#define NAME_TRIES 1000

int sac_folder_holds_run(const char* path) {
  char config[SAC_PATH_MAX];
  return sac_path(config, "%s/config.yaml", path) == SAC_OK && access(config, F_OK) == 0;
}

sac_status sac_folder_seed(const char* folder, uint64_t seed, char path[SAC_PATH_MAX]) {
  return sac_path(path, "%s/seed_%llu", folder, (unsigned long long)seed);
}

/* --- its name ----------------------------------------------------------------------------------------------------- */

/* An environment's id as a folder's name: "gym:LunarLander-v3" and "./libmine.so" hold what a name should not. */
static void env_folder(char name[128], const char* env_id) {
  const char* slash = strrchr(env_id, '/');
  (void)snprintf(name, 128, "%s", slash && slash[1] ? slash + 1 : env_id);
  for (char* c = name; *c; c++)
    if (strchr("/:\\ ", *c)) *c = '_';
  if (name[0] == '.') name[0] = '_';
}

/* mkdir tells whether the name was free, also when two runs start in the same minute. */
static sac_status make_named(sac_folder* folder, const char* env_id) {
  char name[128], parent[SAC_PATH_MAX], stamp[32];
  const time_t now = time(NULL);
  struct tm local;
  sac_status status = SAC_OK;
  env_folder(name, env_id);
  (void)strftime(stamp, sizeof stamp, "%Y%m%d-%H%M", localtime_r(&now, &local));
  SAC_TRY(sac_path(parent, "runs/%s", name));
  SAC_TRY(sac_make_folders(parent));
  for (int i = 1; i <= NAME_TRIES; i++) {
    if (i == 1) SAC_TRY(sac_path(folder->path, "%s/%s", parent, stamp));
    else SAC_TRY(sac_path(folder->path, "%s/%s-%d", parent, stamp, i));
    if (mkdir(folder->path, 0777) == 0) {
      folder->made = 1;
      return SAC_OK;
    }
    if (errno != EEXIST) break;
  }
  return sac_fail(SAC_ERROR_FILE, "cannot make folder %s: %s; choose another with --out", folder->path,
                  strerror(errno));
fail:
  return status;
}

/* --- open and close ----------------------------------------------------------------------------------------------- */

static sac_status lock_and_log(sac_folder* folder) {
  char path[SAC_PATH_MAX];
  sac_status status = SAC_OK;
  SAC_TRY(sac_lock(&folder->lock, folder->path));
  SAC_TRY(sac_path(path, "%s/log.txt", folder->path));
  folder->log = fopen(path, "ae");
  if (!folder->log) status = sac_fail(SAC_ERROR_FILE, "cannot write %s: %s", path, strerror(errno));
fail:
  return status;
}

sac_status sac_folder_create(sac_folder** out, const char* path, const char* env_id) {
  struct stat info;
  sac_status status = SAC_OK;
  *out = NULL;
  sac_folder* folder = calloc(1, sizeof *folder);
  if (!folder) return sac_fail(SAC_ERROR_MEMORY, "no memory for a run folder");
  folder->lock = -1;
  if (!path[0]) {
    SAC_TRY(make_named(folder, env_id));
  } else {
    SAC_TRY(sac_path(folder->path, "%s", path));
    for (size_t end = strlen(folder->path); end > 1 && folder->path[end - 1] == '/'; end--)
      folder->path[end - 1] = '\0';
    folder->made = stat(folder->path, &info) != 0;
    SAC_TRY(sac_make_folders(folder->path));
  }
  SAC_TRY(lock_and_log(folder));
  /* Looked at under the lock: of two that start in one folder the second finds it in use, or taken. */
  if (sac_folder_holds_run(folder->path)) {
    folder->made = 0;
    SAC_TRY(sac_fail(SAC_ERROR_FILE,
                     "%s holds a run already: 'sac resume %s' continues it; for a new one choose "
                     "another --out",
                     folder->path, folder->path));
  }
  *out = folder;
  return SAC_OK;
fail:
  sac_folder_close(folder);
  return status;
}

sac_status sac_folder_open(sac_folder** out, const char* path) {
  struct stat info;
  sac_status status = SAC_OK;
  *out = NULL;
  sac_folder* folder = calloc(1, sizeof *folder);
  if (!folder) return sac_fail(SAC_ERROR_MEMORY, "no memory for a run folder");
  folder->lock = -1;
  SAC_TRY(sac_path(folder->path, "%s", path));
  for (size_t end = strlen(folder->path); end > 1 && folder->path[end - 1] == '/'; end--) folder->path[end - 1] = '\0';
  if (stat(folder->path, &info) != 0) SAC_TRY(sac_fail(SAC_ERROR_FILE, "%s: %s", folder->path, strerror(errno)));
  if (!S_ISDIR(info.st_mode)) SAC_TRY(sac_fail(SAC_ERROR_FILE, "%s is not a run folder", folder->path));
  if (!sac_folder_holds_run(folder->path))
    SAC_TRY(sac_fail(SAC_ERROR_FILE, "%s holds no run: there is no config.yaml in it", folder->path));
  SAC_TRY(lock_and_log(folder));
  *out = folder;
  return SAC_OK;
fail:
  sac_folder_close(folder);
  return status;
}

/* A run that never began leaves nothing behind. rmdir spares a folder with anything else in it. */
static void remove_made(const sac_folder* folder) {
  static const char* const files[] = {"log.txt", ".lock"};
  char path[SAC_PATH_MAX];
  for (size_t i = 0; i < sizeof files / sizeof *files; i++)
    if (sac_path(path, "%s/%s", folder->path, files[i]) == SAC_OK) (void)unlink(path);
  (void)rmdir(folder->path);
}

void sac_folder_close(sac_folder* folder) {
  if (!folder) return;
  if (folder->log) (void)fclose(folder->log);
  if (folder->made) remove_made(folder);
  sac_unlock(folder->lock);
  free(folder);
}

/* --- its files ---------------------------------------------------------------------------------------------------- */

void sac_folder_log(sac_folder* folder, const char* line) {
  if (fprintf(folder->log, "%s\n", line) < 0 || fflush(folder->log) != 0) clearerr(folder->log);
}

sac_status sac_folder_config_write(sac_folder* folder, const char* text) {
  char path[SAC_PATH_MAX];
  sac_status status = SAC_OK;
  SAC_TRY(sac_path(path, "%s/config.yaml", folder->path));
  SAC_TRY(sac_write_file(path, text, strlen(text)));
  folder->made = 0;
fail:
  return status;
}

sac_status sac_folder_config_read(const char* path, char** text, size_t* size) {
  char config[SAC_PATH_MAX];
  void* bytes = NULL;
  sac_status status = SAC_OK;
  *text = NULL;
  SAC_TRY(sac_path(config, "%s/config.yaml", path));
  SAC_TRY(sac_read_file(config, CONFIG_MAX, &bytes, size));
  *text = bytes;
fail:
  return status;
}

sac_status sac_failed_write(const char* seed_folder, int64_t step, const char* reason) {
  char path[SAC_PATH_MAX], text[1024];
  sac_status status = SAC_OK;
  SAC_TRY(sac_path(path, "%s/failed.txt", seed_folder));
  const int length = snprintf(text, sizeof text, "step %lld: %.900s\n", (long long)step, reason);
  SAC_TRY(sac_write_file(path, text, (size_t)length));
fail:
  return status;
}

int64_t sac_failed_step(const char* seed_folder) {
  char path[SAC_PATH_MAX], number[SAC_NUMBER_MAX] = "";
  int64_t step = 0; /* it failed, whatever the file says */
  if (sac_path(path, "%s/failed.txt", seed_folder) != SAC_OK) return -1;
  FILE* file = fopen(path, "re");
  if (!file) return -1;
  if (fscanf(file, "step %31[0-9]", number) != 1 || sac_parse_integer(number, &step) != SAC_NUMBER_OK) step = 0;
  (void)fclose(file);
  return step;
}

void sac_failed_clear(const char* seed_folder) {
  char path[SAC_PATH_MAX];
  if (sac_path(path, "%s/failed.txt", seed_folder) == SAC_OK) (void)unlink(path);
}
