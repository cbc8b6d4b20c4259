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

#include "env/list.h"
#include "env/mujoco/mujoco.h"
#include "util/error.h"
#include "util/text.h"

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

/* As people write it: 4000000 is 4.0.0, and what came before 4 has a digit each, 337 for 3.3.7. */
static const char* version_text(char text[32], int version) {
  const int unit = version < 1000000 ? 10 : 1000;
  (void)snprintf(text, 32, "%d.%d.%d", version / (unit * unit), version / unit % unit, version % unit);
  return text;
}

/* --- what it warns of: MuJoCo's own way is a line on stderr, and a file in the working folder --------------------- */

static pthread_mutex_t warned_lock = PTHREAD_MUTEX_INITIALIZER;
static uint64_t warned;
static char warned_last[SAC_SHOW_MAX];
static _Thread_local int reads_model;

/* Called by any of MuJoCo's threads. */
static void warn(const char* text) {
  if (reads_model) return; /* an old word in it: once for each model, and nothing a user of sac can do about */
  pthread_mutex_lock(&warned_lock);
  warned++;
  sac_text_show(warned_last, text, SIZE_MAX);
  pthread_mutex_unlock(&warned_lock);
}

uint64_t sac_mujoco_warnings(char last[SAC_SHOW_MAX]) {
  pthread_mutex_lock(&warned_lock);
  const uint64_t count = warned;
  memcpy(last, warned_last, sizeof warned_last);
  pthread_mutex_unlock(&warned_lock);
  return count;
}

mjModel* sac_mujoco_read(const sac_mujoco_library* library, const char* path, char* error, int error_size) {
  reads_model = 1;
  mjModel* m = library->mj_loadXML(path, NULL, error, error_size);
  reads_model = 0;
  return m;
}

/* --- loading ------------------------------------------------------------------------------------------------------ */

/* A function of the library, or a variable; `at` receives its address. */
static sac_status symbol(void* handle, const search* s, const char* name, void* at) {
  char needed[32];
  void* found = dlsym(handle, name);
  if (!found)
    return sac_fail(SAC_ERROR_ENV, "%s has no %s; sac needs MuJoCo %s: scripts/setup --mujoco brings it", s->library,
                    name, version_text(needed, SAC_MUJOCO_VERSION));
  memcpy(at, &found, sizeof found);
  return SAC_OK;
}

static sac_status load(sac_mujoco_library* library, const search* s) {
  sac_status status = SAC_OK;
  char found[32], needed[32];
  void (**user_warning)(const char*);
  if (!*s->library)
    return sac_fail(SAC_ERROR_ENV,
                    "MuJoCo not found (looked in SAC_MUJOCO, .deps/mujoco, .venv): run scripts/setup --mujoco");
  if (!*s->models)
    return sac_fail(SAC_ERROR_ENV,
                    "MuJoCo is there (%s), Gymnasium's models are not (looked in SAC_MUJOCO, .deps/mujoco, .venv): run "
                    "scripts/setup "
                    "--mujoco",
                    s->library);
  /* A library that is refused stays loaded, too: what it made at its start would be lost with it. */
  void* handle = dlopen(s->library, RTLD_NOW | RTLD_LOCAL);
  if (!handle) return sac_fail(SAC_ERROR_ENV, "MuJoCo could not be loaded: %s", dlerror());

  /* The version first: abi.h is true of this one alone. */
  SAC_TRY(symbol(handle, s, "mj_version", &library->mj_version));
  const int version = library->mj_version();
  if (version != SAC_MUJOCO_VERSION)
    return sac_fail(SAC_ERROR_ENV,
                    "%s is MuJoCo %s; sac needs %s: scripts/setup --mujoco brings it (SAC_MUJOCO names its folder)",
                    s->library, version_text(found, version), version_text(needed, SAC_MUJOCO_VERSION));
#define FUNCTION(result, name, parameters) SAC_TRY(symbol(handle, s, #name, &library->name));
  SAC_MUJOCO_FUNCTIONS(FUNCTION)
  SAC_TRY(symbol(handle, s, "mju_user_warning", &user_warning));

  /* No file. Its own handler goes on to write an error that is not caught, before it ends the process; in batches all
   * are caught. */
  mjLogConfig log = library->mju_getLogConfig();
  log.logto_file = 0;
  library->mju_setLogConfig(log);
  *user_warning = warn;
  memcpy(library->path, s->library, sizeof library->path);
  memcpy(library->models, s->models, sizeof library->models);
fail:
  return status;
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
