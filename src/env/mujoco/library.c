/* Finding and loading MuJoCo. The search starts when a task is first used, so that sac runs without MuJoCo. Places, in
 * this order:
 *
 *   the folder that SAC_MUJOCO names   made by scripts/setup --mujoco, a release of MuJoCo, or its Python package
 *   .deps/mujoco and .venv             of the current folder, and of the folders above it
 *   .deps/mujoco and .venv             of the program's folder, and of the folders above it
 *
 * A .venv serves when it has the Python packages mujoco-core and gymnasium. */
#include <dlfcn.h>
#include <glob.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "env/list.h"
#include "env/mujoco/mujoco.h"
#include "util/error.h"
#include "util/text.h"

#define LIBRARY "libmujoco.so"
#define MODEL "half_cheetah.xml" /* a folder that holds it is the folder of Gymnasium's models */

/* What was found so far; "": not found yet. */
typedef struct search {
  char library[SAC_PATH_MAX], models[SAC_PATH_MAX]; /* path of libmujoco.so; folder of the models */
  int named;                                        /* 1: SAC_MUJOCO names a folder that holds one of them */
} search;

/* Sets `out` to the first file that matches folder/pattern, or to its folder when `strip` is 1. Does nothing when `out`
 * is set already, or no file matches. */
static void find_file(char out[SAC_PATH_MAX], const char* folder, const char* pattern, int strip) {
  char path[SAC_PATH_MAX];
  glob_t found;

  /* keep an earlier find; a path that is too long is no find */
  if (*out || sac_path(path, "%s/%s", folder, pattern) != SAC_OK) return;

  /* matches are sorted, so the first is the same at every run */
  if (glob(path, 0, NULL, &found) == 0) {
    if (sac_path(out, "%s", found.gl_pathv[0]) != SAC_OK) out[0] = '\0';
    char* name = strip ? strrchr(out, '/') : NULL;
    if (name) *name = '\0';
    globfree(&found);
  }
}

/* Searches a folder that holds MuJoCo itself, in each layout that the top of this file names. */
static void search_release(search* s, const char* folder) {
  /* the library: of scripts/setup or a release; of the Python package */
  find_file(s->library, folder, "lib/" LIBRARY ".[0-9]*", 0);
  find_file(s->library, folder, LIBRARY ".[0-9]*", 0);

  /* the models: of scripts/setup; in the folder itself; of the package gymnasium beside MuJoCo's */
  find_file(s->models, folder, "models/" MODEL, 1);
  find_file(s->models, folder, MODEL, 1);
  find_file(s->models, folder, "../gymnasium/envs/mujoco/assets/" MODEL, 1);
}

/* Searches `folder` and up to five folders above it. Changes `folder`. */
static void search_project(search* s, char folder[SAC_PATH_MAX]) {
  for (int level = 0; level < 6 && *folder; level++) {
    /* what scripts/setup --mujoco installed */
    find_file(s->library, folder, ".deps/mujoco/lib/" LIBRARY ".[0-9]*", 0);
    find_file(s->models, folder, ".deps/mujoco/models/" MODEL, 1);

    /* Python packages */
    find_file(s->library, folder, ".venv/lib/python3*/site-packages/mujoco/" LIBRARY ".[0-9]*", 0);
    find_file(s->models, folder, ".venv/lib/python3*/site-packages/gymnasium/envs/mujoco/assets/" MODEL, 1);

    /* go to the folder above */
    char* last = strrchr(folder, '/');
    if (!last) return;
    *last = '\0';
  }
}

static void search_all(search* s) {
  char folder[SAC_PATH_MAX];
  const char* named = getenv("SAC_MUJOCO");
  memset(s, 0, sizeof *s);

  /* the folder that the user named, then the current one */
  if (named && *named) search_release(s, named);
  s->named = *s->library || *s->models;
  if (getcwd(folder, sizeof folder)) search_project(s, folder);

  /* the program's: the search begins at the file and goes up */
  const ssize_t length = readlink("/proc/self/exe", folder, sizeof folder - 1);
  if (length > 0) {
    folder[length] = '\0';
    search_project(s, folder);
  }
}

/* A version as text: 4000000 is "4.0.0". Before version 4 each part has one digit: 337 is "3.3.7". */
static const char* version_text(char text[32], int version) {
  const int unit = version < 1000000 ? 10 : 1000;
  (void)snprintf(text, 32, "%d.%d.%d", version / (unit * unit), version / unit % unit, version % unit);
  return text;
}

/* --- warnings ----------------------------------------------------------------------------------------------------- */

/* The lock guards the number of warnings and the text of the last one. */
static pthread_mutex_t warnings_lock = PTHREAD_MUTEX_INITIALIZER;
static uint64_t warnings;
static char last_warning[SAC_SHOW_MAX];
static _Thread_local int reads_model; /* 1: this thread is inside sac_mujoco_read */

/* Counts MuJoCo's warnings. Any of its threads calls this in place of MuJoCo's own handler, which would write each
 * warning to stderr and to a file in the current folder. */
static void warn(const char* text) {
  if (reads_model) return; /* such as an old keyword in Gymnasium's XML: users cannot change it */
  pthread_mutex_lock(&warnings_lock);
  warnings++;
  sac_text_show(last_warning, text, SIZE_MAX);
  pthread_mutex_unlock(&warnings_lock);
}

uint64_t sac_mujoco_warnings(char last[SAC_SHOW_MAX]) {
  pthread_mutex_lock(&warnings_lock);
  const uint64_t count = warnings;
  memcpy(last, last_warning, sizeof last_warning);
  pthread_mutex_unlock(&warnings_lock);
  return count;
}

mjModel* sac_mujoco_read(const sac_mujoco_library* library, const char* path, char* error, int error_size) {
  reads_model = 1;
  mjModel* m = library->mj_loadXML(path, NULL, error, error_size);
  reads_model = 0;
  return m;
}

/* --- loading ------------------------------------------------------------------------------------------------------ */

/* Stores the address of a function or variable of the library at `at`. */
static sac_status symbol(void* handle, const search* s, const char* name, void* at) {
  char needed[32];
  void* found = dlsym(handle, name);
  if (!found)
    return sac_fail(SAC_ERROR_ENV, "%s has no %s; sac needs MuJoCo %s: scripts/setup --mujoco brings it", s->library,
                    name, version_text(needed, SAC_MUJOCO_VERSION));
  memcpy(at, &found, sizeof found);
  return SAC_OK;
}

/* Fails when the search did not find both the library and the models. */
static sac_status check_found(const search* s) {
  const char* named = getenv("SAC_MUJOCO");
  char shown[SAC_SHOW_MAX], version[32];
  version_text(version, SAC_MUJOCO_VERSION);

  /* a folder that the user named must hold something */
  if (named && *named && !s->named)
    return sac_fail(SAC_ERROR_ENV,
                    "SAC_MUJOCO=%s: no MuJoCo is in this folder (lib/" LIBRARY
                    "*, or the Python package "
                    "mujoco); correct it, or unset it to look in .deps/mujoco and .venv",
                    sac_text_show(shown, named, SIZE_MAX));

  /* the two ways to get what is missing: with a clone of sac, and with an installed sac alone */
  if (!*s->library || !*s->models)
    return sac_fail(
        SAC_ERROR_ENV,
        "%s not found (looked in SAC_MUJOCO, .deps/mujoco, .venv): run scripts/setup --mujoco in a clone of "
        "sac, or python3 -m venv .venv && .venv/bin/pip install mujoco-core==%s gymnasium",
        *s->library ? "Gymnasium's models for MuJoCo" : "MuJoCo", version);
  return SAC_OK;
}

/* Loads the library and sets it up. */
static sac_status load(sac_mujoco_library* library, const search* s) {
  sac_status status = SAC_OK;
  char found[32], needed[32];
  void (**user_warning)(const char*);
  SAC_TRY(check_found(s));

  /* load it; a wrong version is never unloaded, as that would leak what the library allocated at its start */
  void* handle = dlopen(s->library, RTLD_NOW | RTLD_LOCAL);
  if (!handle) return sac_fail(SAC_ERROR_ENV, "MuJoCo could not be loaded: %s", dlerror());

  /* check the version before any other call: abi.h is for this version alone */
  SAC_TRY(symbol(handle, s, "mj_version", &library->mj_version));
  const int version = library->mj_version();
  if (version != SAC_MUJOCO_VERSION)
    return sac_fail(SAC_ERROR_ENV,
                    "%s is MuJoCo %s; sac needs %s: scripts/setup --mujoco brings it (SAC_MUJOCO names its folder)",
                    s->library, version_text(found, version), version_text(needed, SAC_MUJOCO_VERSION));

#define FUNCTION(result, name, parameters) SAC_TRY(symbol(handle, s, #name, &library->name));
  /* look up the functions, and the variable that holds the handler of warnings */
  SAC_MUJOCO_FUNCTIONS(FUNCTION)
  SAC_TRY(symbol(handle, s, "mju_user_warning", &user_warning));

  /* Send warnings to our handler, and write no log file. Errors need no handler: a batch catches those of its
   * simulations. Any other error ends the process. */
  mjLogConfig log = library->mju_getLogConfig();
  log.logto_file = 0;
  library->mju_setLogConfig(log);
  *user_warning = warn;

  /* where it was found */
  memcpy(library->path, s->library, sizeof library->path);
  memcpy(library->models, s->models, sizeof library->models);
fail:
  return status;
}

/* The library stays loaded until the process ends: its threads may outlive the last environment by a little. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static sac_mujoco_library loaded;
static int is_loaded;

sac_status sac_mujoco_open(const sac_mujoco_library** library) {
  sac_status status = SAC_OK;
  pthread_mutex_lock(&lock);
  /* the first call loads it; after a failure the next call searches again */
  if (!is_loaded) {
    search s;
    search_all(&s);
    status = load(&loaded, &s);
    is_loaded = status == SAC_OK;
  }
  pthread_mutex_unlock(&lock);
  *library = status == SAC_OK ? &loaded : NULL;
  return status;
}
