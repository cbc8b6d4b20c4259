/* Finding and loading MuJoCo. It is looked for when a task is first asked for, so that sac runs without it:
 *
 *   the folder SAC_MUJOCO         as scripts/setup --mujoco makes one, a release of MuJoCo's, or Python's package
 *   .deps/mujoco                  of the project: of the working folder, and of the folders above it or the program
 *   .venv                         of the same: the Python packages mujoco-core and gymnasium */
#include <dlfcn.h>
#include <glob.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "env/mujoco/mujoco.h"
#include "util/error.h"
#include "util/text.h"

#define VERSION_MAJOR (mjVERSION_HEADER / 1000000)
#define LIBRARY "libmujoco.so"
#define MODEL "half_cheetah.xml" /* a folder with it is one of Gymnasium's models */

typedef struct search {
  char library[SAC_PATH_MAX], models[SAC_PATH_MAX];
} search;

/* The first file that matches folder/pattern; `out` stays empty when there is none. strip: the folder it is in. */
static void look(char out[SAC_PATH_MAX], const char* folder, const char* pattern, int strip) {
  char path[SAC_PATH_MAX];
  glob_t found;
  if (*out || sac_path(path, "%s/%s", folder, pattern) != SAC_OK) return;
  if (glob(path, 0, NULL, &found) == 0) {
    if (sac_path(out, "%s", found.gl_pathv[0]) != SAC_OK) out[0] = '\0';
    char* name = strip ? strrchr(out, '/') : NULL;
    if (name) *name = '\0';
    globfree(&found);
  }
}

/* In a folder that holds MuJoCo itself. */
static void look_in(search* s, const char* folder) {
  look(s->library, folder, "lib/" LIBRARY ".[0-9]*", 0);
  look(s->library, folder, LIBRARY ".[0-9]*", 0);
  look(s->models, folder, "models/" MODEL, 1);
  look(s->models, folder, MODEL, 1);
  look(s->models, folder, "../gymnasium/envs/mujoco/assets/" MODEL, 1);
}

/* In a project's folder, and in those above it. */
static void look_up(search* s, char folder[SAC_PATH_MAX]) {
  for (int level = 0; level < 6 && *folder; level++) {
    look(s->library, folder, ".deps/mujoco/lib/" LIBRARY ".[0-9]*", 0);
    look(s->models, folder, ".deps/mujoco/models/" MODEL, 1);
    look(s->library, folder, ".venv/lib/python3*/site-packages/mujoco/" LIBRARY ".[0-9]*", 0);
    look(s->models, folder, ".venv/lib/python3*/site-packages/gymnasium/envs/mujoco/assets/" MODEL, 1);
    char* last = strrchr(folder, '/');
    if (!last) return;
    *last = '\0';
  }
}

static void look_everywhere(search* s) {
  char folder[SAC_PATH_MAX];
  const char* named = getenv("SAC_MUJOCO");
  memset(s, 0, sizeof *s);
  if (named && *named) look_in(s, named);
  if (getcwd(folder, sizeof folder)) look_up(s, folder);
  const ssize_t length = readlink("/proc/self/exe", folder, sizeof folder - 1);
  if (length > 0) {
    folder[length] = '\0';
    look_up(s, folder);
  }
}

static sac_status load(sac_mujoco_library* library, const search* s) {
  if (!*s->library)
    return sac_fail(SAC_ERROR_ENV, "MuJoCo not found (looked in SAC_MUJOCO, .venv): run scripts/setup --mujoco");
  if (!*s->models)
    return sac_fail(SAC_ERROR_ENV,
                    "MuJoCo is there (%s), Gymnasium's models are not (looked in SAC_MUJOCO, .venv): run scripts/setup "
                    "--mujoco",
                    s->library);
  void* handle = dlopen(s->library, RTLD_NOW | RTLD_LOCAL);
  if (!handle) return sac_fail(SAC_ERROR_ENV, "MuJoCo could not be loaded: %s", dlerror());
  struct {
    const char* name;
    void* at;
  } functions[] = {
#define FUNCTION(name) {#name, &library->name},
      SAC_MUJOCO_FUNCTIONS(FUNCTION)};
  for (size_t i = 0; i < sizeof functions / sizeof *functions; i++) {
    void* symbol = dlsym(handle, functions[i].name);
    if (!symbol) {
      (void)dlclose(handle);
      return sac_fail(SAC_ERROR_ENV,
                      "%s has no %s; sac was built for MuJoCo %d: scripts/setup --mujoco brings it (SAC_MUJOCO names "
                      "its folder)",
                      s->library, functions[i].name, VERSION_MAJOR);
    }
    memcpy(functions[i].at, &symbol, sizeof symbol);
  }
  const int version = library->mj_version();
  if (version != mjVERSION_HEADER) {
    (void)dlclose(handle);
    return sac_fail(SAC_ERROR_ENV,
                    "%s is version %d; sac was built for %d: scripts/setup --mujoco brings it (SAC_MUJOCO names its "
                    "folder)",
                    s->library, version, mjVERSION_HEADER);
  }
  /* Its warnings (a deprecated word in a model) would go to stderr and to a file in the working folder. Errors are ours
   * to report either way. */
  mjLogConfig log = library->mju_getLogConfig();
  log.logto_console = 0;
  log.logto_file = 0;
  library->mju_setLogConfig(log);
  memcpy(library->path, s->library, sizeof library->path);
  memcpy(library->models, s->models, sizeof library->models);
  return SAC_OK;
}

/* Stays loaded: its threads may outlive the last environment by a moment. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static sac_mujoco_library loaded;
static int is_loaded;

sac_status sac_mujoco_open(const sac_mujoco_library** library) {
  sac_status status = SAC_OK;
  pthread_mutex_lock(&lock);
  if (!is_loaded) {
    search s;
    look_everywhere(&s);
    status = load(&loaded, &s);
    is_loaded = status == SAC_OK;
  }
  pthread_mutex_unlock(&lock);
  *library = status == SAC_OK ? &loaded : NULL;
  return status;
}
