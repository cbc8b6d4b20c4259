#include "train/folder.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "formats/yaml.h"
#include "util/error.h"
#include "util/lock.h"
#include "util/number.h"
#include "util/program.h"
#include "util/text.h"

#define RUNS_SHOWN 3    /* runs that a message lists */
#define PATH_ROOM 128   /* bytes of the longest path below a run folder: its seed, step and names of temporary files */
#define FAILED_MAX 1024 /* bytes of failed.txt */
#define LOG_LINE_MAX (SAC_ERROR_MAX + 64) /* bytes of a line of log.txt */
#define NAME_TRIES 1000                   /* suffixes -2, -3, ... of a folder name */

int sac_folder_holds_run(const char* path) {
  char config[SAC_PATH_MAX];
  return sac_path(config, "%s/config.yaml", path) == SAC_OK && sac_file_exists(config);
}

sac_status sac_folder_seed(const char* folder, uint64_t seed, char path[SAC_PATH_MAX]) {
  return sac_path(path, "%s/seed_%llu", folder, (unsigned long long)seed);
}

/* --- name --------------------------------------------------------------------------------------------------------- */

/* Makes a folder name of an environment's id: "gym:LunarLander-v3" gives "gym_LunarLander-v3", "./libmine.so" gives
 * "libmine.so". */
static void env_folder(char name[128], const char* env_id) {
  const char* slash = strrchr(env_id, '/');

  /* take the part after the last '/', if there is any */
  (void)snprintf(name, 128, "%s", slash && slash[1] ? slash + 1 : env_id);

  /* replace characters that shells treat specially, or that a file system of Windows refuses; no hidden folder */
  char* end = name;
  for (; *end; end++)
    if (strchr("/:\\ <>\"|?*'$&;", *end) || (unsigned char)*end < 0x20) *end = '_';
  if (name[0] == '.') name[0] = '_';
  if (end > name && end[-1] == '.') end[-1] = '_';
}

/* Creates runs/ENV/DATE-TIME. mkdir tells whether a name is free, also when two runs start in the same minute. */
static sac_status create_named(sac_folder* folder, const char* env_id) {
  char name[128], parent[SAC_PATH_MAX], stamp[32];
  const time_t now = time(NULL);
  struct tm local;
  sac_status status = SAC_OK;

  /* create runs/ENV */
  env_folder(name, env_id);
  (void)strftime(stamp, sizeof stamp, "%Y%m%d-%H%M", localtime_r(&now, &local));
  SAC_TRY(sac_path(parent, "runs/%s", name));
  SAC_TRY(sac_make_folders(parent));

  /* create DATE-TIME in it, with the first free suffix */
  for (int i = 1; i <= NAME_TRIES; i++) {
    if (i == 1) SAC_TRY(sac_path(folder->path, "%s/%s", parent, stamp));
    else SAC_TRY(sac_path(folder->path, "%s/%s-%d", parent, stamp, i));
    if (mkdir(folder->path, 0777) == 0) {
      folder->created = 1;
      return SAC_OK;
    }
    if (errno != EEXIST) break;
  }

  /* every name is taken, or the folder cannot be written */
  return sac_fail(SAC_ERROR_FILE, "cannot make folder %s: %s; choose another with --out", folder->path,
                  strerror(errno));
fail:
  return status;
}

/* --- what a folder is --------------------------------------------------------------------------------------------- */

/* Whether a run may begin in a folder that has an entry of this name: what a run that was killed at its start leaves
 * (also the files of its seeds), hidden files, and logs that a shell or a scheduler keeps there. */
static int may_be_there(const char* name) {
  static const char* const files[] = {"log.txt", "machine.json", "machine.json.part", "config.yaml.part", "lost+found"};
  static const char* const ends[] = {".out", ".err", ".log", ".txt"};
  const char* dot = strrchr(name, '.');
  if (name[0] == '.' || strncmp(name, "seed_", 5) == 0) return 1;
  for (size_t i = 0; i < sizeof files / sizeof *files; i++)
    if (strcmp(name, files[i]) == 0) return 1;
  for (size_t i = 0; dot && i < sizeof ends / sizeof *ends; i++)
    if (strcmp(dot, ends[i]) == 0) return 1;
  return 0;
}

sac_status sac_folder_check_new(const char* path) {
  char word[SAC_WORD_MAX];
  if (sac_folder_holds_run(path))
    return sac_fail(SAC_ERROR_FILE,
                    "%s holds a run already: '%s resume %s' continues it; for a new one choose another "
                    "--out",
                    path, sac_program(), sac_text_word(word, path));

  /* a folder that is missing, or a file in its place, is for the caller */
  DIR* folder = opendir(path);
  if (!folder) return SAC_OK;
  char other[256] = "";
  for (struct dirent* entry; !other[0] && (entry = readdir(folder));)
    if (!may_be_there(entry->d_name)) (void)snprintf(other, sizeof other, "%s", entry->d_name);
  closedir(folder);
  if (!other[0]) return SAC_OK;
  return sac_fail(SAC_ERROR_FILE, "%s holds other files ('%.60s') and no run: choose a new or empty folder as --out",
                  path, other);
}

/* Adds the run folders in `path` to a list for messages, down to `depth` folders below it. */
static void list_runs(const char* path, int depth, char* text, size_t size, int* count) {
  char below[SAC_PATH_MAX];
  DIR* folder = opendir(path);
  if (!folder) return;
  for (struct dirent* entry; *count < RUNS_SHOWN && (entry = readdir(folder));) {
    if (entry->d_name[0] == '.' || sac_path(below, "%s/%s", path, entry->d_name) != SAC_OK) continue;
    if (sac_folder_holds_run(below)) {
      const size_t used = strlen(text);
      (void)snprintf(text + used, size - used, "%s%s", (*count)++ ? ", " : "", below);
    } else if (depth > 1) {
      list_runs(below, depth - 1, text, size, count);
    }
  }
  closedir(folder);
}

sac_status sac_folder_no_run(const char* path) {
  char runs[RUNS_SHOWN * SAC_PATH_MAX] = "", parent[SAC_PATH_MAX], word[SAC_WORD_MAX];
  struct stat info;
  int count = 0;
  sac_status status = SAC_OK;
  if (stat(path, &info) != 0) return sac_fail(SAC_ERROR_FILE, "%s: %s", path, strerror(errno));

  /* a folder of another user may hold one */
  if (S_ISDIR(info.st_mode) && access(path, R_OK | X_OK) != 0)
    return sac_fail(SAC_ERROR_FILE, "cannot read folder %s: %s", path, strerror(errno));

  /* a file or folder inside of a run, such as that of one agent: name the run */
  SAC_TRY(sac_path(parent, "%s", path));
  for (char* slash = strrchr(parent, '/'); slash && slash > parent; slash = strrchr(parent, '/')) {
    *slash = '\0';
    if (sac_folder_holds_run(parent))
      return sac_fail(SAC_ERROR_FILE, "%s holds no run: it is a part of the run in %s ('%s resume %s')", path, parent,
                      sac_program(), sac_text_word(word, parent));
  }

  if (!S_ISDIR(info.st_mode)) return sac_fail(SAC_ERROR_FILE, "%s is a file, not a run folder", path);

  /* a folder of runs is named with some of them */
  list_runs(path, 2, runs, sizeof runs, &count);
  if (count)
    return sac_fail(SAC_ERROR_FILE, "%s holds no run itself; runs in it: %.900s%s", path, runs,
                    count == RUNS_SHOWN ? ", ..." : "");
  return sac_fail(SAC_ERROR_FILE, "%s holds no run: there is no config.yaml in it", path);
fail:
  return status;
}

/* --- open and close ----------------------------------------------------------------------------------------------- */

/* Allocates a folder that is not locked yet. */
static sac_status allocate(sac_folder** folder) {
  *folder = calloc(1, sizeof **folder);
  if (!*folder) return sac_fail(SAC_ERROR_MEMORY, "no memory for a run folder");
  (*folder)->lock = (*folder)->log = -1;
  return SAC_OK;
}

/* Sets the path, without '/' at its end. */
static sac_status set_path(sac_folder* folder, const char* path) {
  const sac_status status = sac_path(folder->path, "%s", path);
  if (status != SAC_OK) return status;
  for (size_t end = strlen(folder->path); end > 1 && folder->path[end - 1] == '/'; end--) folder->path[end - 1] = '\0';
  return SAC_OK;
}

/* Makes the path absolute, and keeps the given one. */
static sac_status make_absolute(sac_folder* folder) {
  char here[SAC_PATH_MAX];
  memcpy(folder->shown, folder->path, sizeof folder->shown);
  if (folder->path[0] == '/') return SAC_OK;
  if (!getcwd(here, sizeof here))
    return sac_fail(SAC_ERROR_FILE, "%s: the working folder has no path: %s; give --out from / on", folder->shown,
                    strerror(errno));
  return sac_path(folder->path, "%s/%s", here, folder->shown);
}

/* Opens log.txt to append to it: a resumed run continues it. Some file systems cannot append: there it is opened to
 * write, at its end. */
static sac_status open_log(sac_folder* folder) {
  char path[SAC_PATH_MAX];
  sac_status status = SAC_OK;
  SAC_TRY(sac_path(path, "%s/log.txt", folder->path));
  folder->log_flags = O_RDWR | O_CREAT | O_APPEND;
  if (sac_open_kept(&folder->log, path, folder->log_flags) != SAC_OK) {
    folder->log_flags = O_RDWR | O_CREAT;
    SAC_TRY(sac_open_kept(&folder->log, path, folder->log_flags));
  }
  const off_t size = lseek(folder->log, 0, SEEK_END);
  folder->log_before = size > 0 ? (uint64_t)size : 0;
fail:
  return status;
}

/* Locks the folder and opens log.txt. */
static sac_status lock_and_log(sac_folder* folder) {
  sac_status status = SAC_OK;
  SAC_TRY(make_absolute(folder));
  SAC_TRY(sac_lock(&folder->lock, &folder->held, folder->shown));
  SAC_TRY(open_log(folder));
fail:
  return status;
}

/* Refuses a path that leaves no room for those of its files: a later checkpoint would have a longer name. */
static sac_status check_room(const sac_folder* folder) {
  char here[SAC_PATH_MAX] = "";
  if (folder->path[0] != '/' && !getcwd(here, sizeof here)) return SAC_OK; /* make_absolute says what to do */
  const size_t length = (here[0] ? strlen(here) + 1 : 0) + strlen(folder->path);
  if (length + PATH_ROOM < SAC_PATH_MAX) return SAC_OK;
  return sac_fail(SAC_ERROR_FILE, "the whole path of %.60s... has %zu bytes, %d are the most: choose a shorter --out",
                  folder->path, length, SAC_PATH_MAX - PATH_ROOM - 1);
}

sac_status sac_folder_create(sac_folder** out, const char* path, const char* env_id) {
  struct stat info;
  sac_folder* folder = NULL;
  sac_status status = SAC_OK;
  *out = NULL;
  SAC_TRY(allocate(&folder));

  /* create the folder, or use an existing one */
  if (!path[0]) {
    SAC_TRY(create_named(folder, env_id));
  } else {
    SAC_TRY(set_path(folder, path));
    SAC_TRY(check_room(folder));
    folder->created = stat(folder->path, &info) != 0;
    SAC_TRY(sac_make_folders(folder->path));
  }
  status = lock_and_log(folder);
  if (status != SAC_OK && folder->lock < 0) status = sac_fail(status, "%s; or choose another --out", sac_last_error());
  if (status != SAC_OK) goto fail;

  /* look for a run only under the lock: when two start in one folder, the second finds it in use or with a run */
  if (sac_folder_holds_run(folder->path)) folder->created = 0;
  SAC_TRY(sac_folder_check_new(folder->shown));
  *out = folder;
  return SAC_OK;
fail:
  sac_folder_close(folder);
  return status;
}

sac_status sac_folder_open(sac_folder** out, const char* path) {
  sac_folder* folder = NULL;
  sac_status status = SAC_OK;
  *out = NULL;
  SAC_TRY(allocate(&folder));
  SAC_TRY(set_path(folder, path));

  /* check that it holds a run */
  if (!sac_folder_holds_run(folder->path)) SAC_TRY(sac_folder_no_run(folder->path));

  /* lock it, so that no other process resumes the same run */
  SAC_TRY(lock_and_log(folder));
  *out = folder;
  return SAC_OK;
fail:
  sac_folder_close(folder);
  return status;
}

/* Deletes the folder of a run that did not start. rmdir keeps a folder that holds any other file. */
static void delete_created(const sac_folder* folder) {
  static const char* const files[] = {"log.txt", ".lock"};
  char path[SAC_PATH_MAX];

  /* these are the files that this process has made in it */
  for (size_t i = 0; i < sizeof files / sizeof *files; i++)
    if (sac_path(path, "%s/%s", folder->path, files[i]) == SAC_OK) (void)unlink(path);
  (void)rmdir(folder->path);
}

void sac_folder_close(sac_folder* folder) {
  if (!folder) return;
  if (folder->log >= 0) (void)close(folder->log);

  /* without the lock the folder may be that of another process, which has made it at the same time */
  if (folder->created && folder->held) delete_created(folder);

  /* unlock last: until then nobody else may use the folder */
  sac_unlock(folder->lock);
  free(folder);
}

/* --- files -------------------------------------------------------------------------------------------------------- */

/* Writes a line to log.txt, whole or not at all. Returns 0, or the reason as an errno. */
static int write_line(const sac_folder* folder, const char* line) {
  char text[LOG_LINE_MAX];
  struct stat info;
  int reason = 0;

  /* make one piece of it, as others may write to the file too */
  size_t size = (size_t)snprintf(text, sizeof text, "%s\n", line);
  if (size >= sizeof text) size = sizeof text - 1;
  text[size - 1] = '\n';

  /* a call may write less than it was asked for, or be interrupted by a signal: go on with the rest */
  const int known = fstat(folder->log, &info) == 0;
  for (size_t done = 0; done < size && reason == 0;) {
    const ssize_t put = write(folder->log, text + done, size - done);
    if (put > 0) done += (size_t)put;
    else if (put == 0 || errno != EINTR) reason = put == 0 ? ENOSPC : errno;
  }

  /* take back a part of it */
  if (reason != 0 && known && ftruncate(folder->log, info.st_size) == 0) (void)lseek(folder->log, 0, SEEK_END);
  return reason;
}

int sac_folder_log(sac_folder* folder, const char* line) {
  /* a full disk must not end the run: note the error, and tell it when lines can be written again */
  if (folder->log_lost > 0) {
    char lost[96];
    (void)snprintf(lost, sizeof lost, "(%lld lines could not be written here: %.48s)", (long long)folder->log_lost,
                   strerror(folder->log_error));
    if (write_line(folder, lost) == 0) folder->log_lost = 0;
  }
  const int reason = folder->log_lost > 0 ? folder->log_error : write_line(folder, line);
  folder->log_error = reason;
  if (reason != 0) folder->log_lost++;
  return reason == 0;
}

sac_status sac_folder_log_sync(sac_folder* folder, uint64_t* size, int* again) {
  char path[SAC_PATH_MAX];
  struct stat info;
  sac_status status = SAC_OK;
  *size = fstat(folder->log, &info) == 0 && S_ISREG(info.st_mode) ? (uint64_t)info.st_size : 0;
  SAC_TRY(sac_path(path, "%s/log.txt", folder->path));
  SAC_TRY(sac_sync_named(folder->log, path, *size, folder->log_flags, again));
  if (*again) (void)lseek(folder->log, 0, SEEK_END);
fail:
  return status;
}

sac_status sac_folder_config_write(sac_folder* folder, const char* text) {
  char path[SAC_PATH_MAX];
  sac_status status = SAC_OK;
  SAC_TRY(sac_path(path, "%s/config.yaml", folder->path));
  SAC_TRY(sac_write_file(path, text, strlen(text)));

  /* from here on the folder holds a run, and closing keeps it */
  folder->created = 0;
fail:
  return status;
}

sac_status sac_folder_config_read(const char* path, sac_config** config) {
  char name[SAC_PATH_MAX];
  void* text = NULL;
  size_t size;
  sac_status status = SAC_OK;
  SAC_TRY(sac_path(name, "%s/config.yaml", path));
  SAC_TRY(sac_read_file(name, SAC_YAML_BYTES, &text, &size));
  SAC_TRY(sac_config_create(config));
  SAC_TRY(sac_config_parse(*config, text, size, name, SAC_ORIGIN_FILE));
fail:
  free(text);
  return status;
}

sac_status sac_failed_write(const char* seed_folder, int64_t step, const char* reason) {
  char path[SAC_PATH_MAX], text[FAILED_MAX];
  sac_status status = SAC_OK;
  SAC_TRY(sac_path(path, "%s/failed.txt", seed_folder));
  const int length = snprintf(text, sizeof text, "step %lld: %.900s\n", (long long)step, reason);
  SAC_TRY(sac_write_file(path, text, (size_t)length));
fail:
  return status;
}

int64_t sac_failed_step(const char* seed_folder) {
  char path[SAC_PATH_MAX], number[SAC_NUMBER_MAX] = "";
  int64_t step = 0; /* the agent has stopped, even if the file cannot be read or parsed */
  void* text = NULL;
  size_t size = 0;
  if (sac_path(path, "%s/failed.txt", seed_folder) != SAC_OK) return -1;

  /* no file: the agent has not stopped */
  if (!sac_file_exists(path)) return -1;

  /* read the step, at most 31 digits */
  if (sac_read_file(path, FAILED_MAX, &text, &size) != SAC_OK || sscanf(text, "step %31[0-9]", number) != 1 ||
      sac_parse_integer(number, &step) != SAC_NUMBER_OK)
    step = 0;
  free(text);
  return step;
}

void sac_failed_clear(const char* seed_folder) {
  char path[SAC_PATH_MAX];
  if (sac_path(path, "%s/failed.txt", seed_folder) == SAC_OK) (void)unlink(path);
}
