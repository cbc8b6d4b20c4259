#include "env/gym.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "env/check.h"
#include "env/guard.h"
#include "env/gym/gym.h"
#include "util/error.h"
#include "util/file.h"

#define LINES 6 /* that the probe prints */

static const sac_env_api* loaded;        /* the module's table; NULL: Python was not started */
static sac_gym_generators_fn generators; /* of the module */

/* Python code that prints a line for each fact that loading needs: version ('t': without the global lock), program,
 * folder of libpython, its two possible file names, prefix. */
static const char probe[] =
    "import sys, sysconfig\n"
    "v = sysconfig.get_config_var\n"
    "print('%d.%d' % sys.version_info[:2] + ('t' if v('Py_GIL_DISABLED') else ''))\n"
    "for text in (sys.executable, v('LIBDIR'), v('INSTSONAME'), v('LDLIBRARY'), sys.base_prefix): print(text or '')\n";

typedef struct python {
  char command[SAC_PATH_MAX];                                            /* what to run */
  const char* source;                                                    /* how it was found, for messages */
  char text[LINES * SAC_PATH_MAX];                                       /* the probe's output */
  const char *version, *executable, *libdir, *soname, *library, *prefix; /* its lines */
} python;

int sac_env_is_gym(const char* id) { return strncmp(id, "gym:", 4) == 0; }

const char* sac_env_gym_task(const char* id) { return sac_env_is_gym(id) && !strchr(id + 4, ':') ? id + 4 : NULL; }

/* --- which Python ------------------------------------------------------------------------------------------------- */

/* Chooses the Python, in the order that sac_env_gym_load gives (env/gym.h). */
static sac_status choose(python* p) {
  const char *own = getenv("SAC_PYTHON"), *active = getenv("VIRTUAL_ENV");
  char here[SAC_PATH_MAX];

  /* one that an environment variable names */
  if (own && *own) {
    p->source = "SAC_PYTHON";
    return sac_path(p->command, "%s", own);
  }
  if (active && *active) {
    p->source = "VIRTUAL_ENV";
    return sac_path(p->command, "%s/bin/python", active);
  }

  /* the virtual environment of the current folder */
  if (access(".venv/bin/python", X_OK) == 0 && getcwd(here, sizeof here - 32)) {
    p->source = ".venv of the current folder";
    return sac_path(p->command, "%s/.venv/bin/python", here);
  }

  /* the default of the shell */
  p->source = "python3 of PATH";
  return sac_path(p->command, "python3");
}

/* Reads up to the end of the pipe, and keeps what fits in text (size). It reads the rest too, as the writer would block
 * otherwise. */
static void read_all(int fd, char* text, size_t size) {
  char rest[256];
  size_t used = 0;
  for (;;) {
    /* append to the text; once it is full, read into `rest`, which is not kept */
    char* to = used + 1 < size ? text + used : rest;
    const ssize_t got = read(fd, to, used + 1 < size ? size - 1 - used : sizeof rest);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) break;
    if (to != rest) used += (size_t)got;
  }
  text[used] = '\0';
}

/* Runs the Python with the probe and reads what it prints to standard output; its standard error is the user's. Sets
 * *state to its exit status, as waitpid gives it. */
static sac_status run_probe(python* p, int* state) {
  char name[] = "-c", code[sizeof probe];
  char* arguments[] = {p->command, name, code, NULL};
  posix_spawn_file_actions_t actions;
  int ends[2]; /* of the pipe: to read, to write */
  pid_t child = -1;

  /* the pipe for its output */
  memcpy(code, probe, sizeof probe); /* arguments are not const */
  if (pipe2(ends, O_CLOEXEC) != 0) return sac_fail(SAC_ERROR_ENV, "cannot ask %s: %s", p->command, strerror(errno));

  /* start it with its output into the pipe; close our writing end, or reading would never end */
  (void)posix_spawn_file_actions_init(&actions);
  (void)posix_spawn_file_actions_adddup2(&actions, ends[1], STDOUT_FILENO);
  const int failed = posix_spawnp(&child, p->command, &actions, NULL, arguments, environ);
  (void)posix_spawn_file_actions_destroy(&actions);
  (void)close(ends[1]);

  /* read until it closes the pipe */
  if (!failed) read_all(ends[0], p->text, sizeof p->text);
  (void)close(ends[0]);
  if (failed)
    return sac_fail(SAC_ERROR_ENV,
                    "no Python found for gym: environments: %s (%s): %s; set SAC_PYTHON to one that has gymnasium, "
                    "activate its virtual environment, or run scripts/setup --gym",
                    p->command, p->source, strerror(failed));

  /* wait for its end */
  while (waitpid(child, state, 0) < 0 && errno == EINTR) continue;
  return SAC_OK;
}

/* Splits the probe's output into its lines; returns how many there are. */
static int split_lines(python* p) {
  const char** lines[LINES] = {&p->version, &p->executable, &p->libdir, &p->soname, &p->library, &p->prefix};
  char* next = p->text;
  int count = 0;

  /* end each line with 0 in place of the newline; what follows the last newline is no line */
  for (; count < LINES && next; count++) {
    char* end = strchr(next, '\n');
    *lines[count] = next;
    if (!end) break;
    *end = '\0';
    next = end + 1;
  }
  return count;
}

/* Asks the Python for its version and where its library is. */
static sac_status ask(python* p) {
  int state = 0;
  /* run it; a Python that works prints all lines and exits with 0 */
  const sac_status status = run_probe(p, &state);
  if (status != SAC_OK) return status;
  if (split_lines(p) < LINES || state != 0)
    return sac_fail(SAC_ERROR_ENV, "%s (%s) is no Python that works: set SAC_PYTHON", p->command, p->source);

  /* Check the version: 3.11 or newer, with nothing behind it. 't' is a build without the global lock, for which there
   * is no limited API. */
  char* rest = p->text;
  if (strncmp(p->version, "3.", 2) != 0 || strtol(p->version + 2, &rest, 10) < 11 || *rest)
    return sac_fail(SAC_ERROR_ENV,
                    "%s (%s) is Python %s; gym: environments take 3.11 or newer, with its lock: set SAC_PYTHON",
                    p->command, p->source, p->version);
  return SAC_OK;
}

/* --- its library, and ours ---------------------------------------------------------------------------------------- */

/* Loads libpython, with its symbols for all, as sac_gym.so needs them. Python's LIBDIR is wrong when the installation
 * was moved after the build, so lib of its prefix is tried too, and then the loader's own search. */
static sac_status load_python(const python* p) {
  const char* folders[] = {p->libdir, p->prefix, ""};
  const char* names[] = {p->soname, p->library};
  char path[SAC_PATH_MAX];
  if (dlsym(RTLD_DEFAULT, "Py_IsInitialized")) return SAC_OK; /* this process is a Python */

  /* try each name in each folder; a name without .so is a static library */
  for (size_t f = 0; f < sizeof folders / sizeof *folders; f++)
    for (size_t n = 0; n < sizeof names / sizeof *names; n++) {
      if (!strstr(names[n], ".so")) continue;
      if (sac_path(path, "%s%s%s", folders[f], f == 1 ? "/lib/" : f == 0 ? "/" : "", names[n]) != SAC_OK) continue;
      if (dlopen(path, RTLD_NOW | RTLD_GLOBAL)) return SAC_OK;
    }
  return sac_fail(SAC_ERROR_ENV,
                  "%s (%s) has no shared library %s to embed: install it (Debian, Ubuntu: apt install libpython%s), or "
                  "set SAC_PYTHON to another",
                  p->executable, p->source, strstr(p->soname, ".so") ? p->soname : "libpython", p->version);
}

/* Loads sac_gym.so from a place near a file. `folder` holds the path of the file, and is cut to its folder. Returns
 * NULL when sac_gym.so is not found, or does not load; `reason` (size) then says why it does not load. */
static void* load_beside(char folder[SAC_PATH_MAX], char* reason, size_t size) {
  /* in order: for a program in the build tree, for a test there, for an installed libsac.so, for an installed sac */
  static const char* const places[] = {"", "/..", "/sac", "/../" SAC_LIBDIR "/sac"};
  char path[SAC_PATH_MAX];
  char* slash = strrchr(folder, '/');
  /* cut the path to its folder */
  if (!slash) return NULL;
  *slash = '\0';

  /* load the first that is there and loads */
  for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
    if (sac_path(path, "%s%s/sac_gym.so", folder, places[i]) != SAC_OK || access(path, R_OK) != 0) continue;
    void* module = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (module) return module;
    (void)snprintf(reason, size, "%s", dlerror());
  }
  return NULL;
}

/* Loads sac_gym.so. Returns NULL when it cannot: `reason` (size) then says why it does not load, and is "" when the
 * file is not found. */
static void* load_module(char* reason, size_t size) {
  char folder[SAC_PATH_MAX] = "";
  Dl_info info;
  reason[0] = '\0';

  /* near the program */
  const ssize_t length = readlink("/proc/self/exe", folder, sizeof folder - 1);
  folder[length > 0 ? length : 0] = '\0';
  void* module = load_beside(folder, reason, size);
  if (module) return module;

  /* near libsac.so, when another program uses it: `probe` is in libsac.so, so dladdr gives its path */
  if (!dladdr(probe, &info) || sac_path(folder, "%s", info.dli_fname) != SAC_OK) return NULL;
  return load_beside(folder, reason, size);
}

/* Starts Python in this process. *api is then the module's table of functions. */
static sac_status start(const sac_env_api** api) {
  python* p = calloc(1, sizeof *p);
  char reason[700];
  sac_status status = SAC_OK;
  if (!p) return sac_fail(SAC_ERROR_MEMORY, "no memory to look for Python");

  /* load Python's library */
  SAC_TRY(choose(p));
  SAC_TRY(ask(p));
  SAC_TRY(load_python(p));

  /* load our module, and look up its functions */
  void* module = load_module(reason, sizeof reason);
  void* begin = module ? dlsym(module, SAC_GYM_START) : NULL;
  void* table = module ? dlsym(module, "sac_env_plugin") : NULL;
  void* seeding = module ? dlsym(module, SAC_GYM_GENERATORS) : NULL;
  if (!begin || !table || !seeding)
    SAC_TRY(
        sac_fail(SAC_ERROR_ENV,
                 "gym: environments need sac_gym.so, which %s%s: build sac where Python's headers are (scripts/setup "
                 "installs python3-dev)",
                 reason[0] ? "does not load: " : "is not beside this program", reason));

  /* ISO C has no cast from void* to a function pointer, so copy */
  sac_gym_start_fn gym_start;
  sac_env_plugin_fn plugin;
  memcpy(&gym_start, &begin, sizeof gym_start);
  memcpy(&plugin, &table, sizeof plugin);
  memcpy(&generators, &seeding, sizeof generators);

  /* check the table, then start the interpreter, which runs what its packages ask for */
  SAC_TRY(sac_env_check_api("sac_gym.so", plugin()));
  sac_guard guard = sac_guard_create(1);
  sac_guard_enter(&guard, (sac_env_place){"gym", "start", 0}, 1);
  const int failed = gym_start(p->executable, reason, sizeof reason);
  sac_guard_leave(&guard);
  sac_guard_destroy(&guard);
  if (failed)
    SAC_TRY(sac_fail(SAC_ERROR_ENV, "%s (%s) does not start inside sac: %s", p->executable, p->source, reason));
  *api = plugin();
fail:
  free(p);
  return status;
}

sac_status sac_env_gym_load(const char* id, const sac_env_api** api) {
  static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
  sac_status status = SAC_OK;
  *api = NULL;
  if (!id[4])
    return sac_fail(SAC_ERROR_ENV, "gym: names no environment: gym:LunarLanderContinuous-v3, or gym:PACKAGE:ID");

  /* the first call starts Python; a failure leaves *api NULL, and the next call tries again */
  (void)pthread_mutex_lock(&lock);
  if (!loaded) status = start(&loaded);
  *api = loaded;
  (void)pthread_mutex_unlock(&lock);
  return status;
}

void sac_env_gym_generators(sac_gym_generators_call what, const sac_env_api* api, void* self, uint64_t seed) {
  if (loaded) generators(what, api == loaded ? self : NULL, seed);
}
