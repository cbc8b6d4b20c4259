#include "env/plugin.h"

#include <dlfcn.h>
#include <errno.h>
#include <stdint.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "env/check.h"
#include "env/guard.h"
#include "util/error.h"
#include "util/file.h"
#include "util/text.h"

#define SYMBOL "sac_env_plugin"

int sac_env_is_plugin(const char* id) { return strchr(id, '/') != NULL; }

/* Checks that `path` is a file. dlopen's own error would not tell a missing file from a missing dependency. shown: the
 * path as messages show it. */
static sac_status check_file(const char* path, const char* shown) {
  char here[SAC_PATH_MAX] = "";
  struct stat info;

  /* missing: for a relative path, say from where it was looked for */
  if (stat(path, &info) != 0) {
    const int code = errno;
    if (path[0] != '/' && getcwd(here, sizeof here))
      return sac_fail(SAC_ERROR_ENV, "%s: %s (looked for from the current folder, %s)", shown, strerror(code), here);
    return sac_fail(SAC_ERROR_ENV, "%s: %s", shown, strerror(code));
  }

  /* a folder, or another thing that cannot be loaded */
  if (!S_ISREG(info.st_mode))
    return sac_fail(SAC_ERROR_ENV, "%s is no file: your own environment is a shared object, ./libmyenv.so", shown);
  return SAC_OK;
}

/* The dynamic loader's error, without the path in front, as our message already has it. */
static const char* loader_text(const char* path) {
  const char* text = dlerror();
  const size_t length = strlen(path);
  if (!text) return "no reason given";
  return strncmp(text, path, length) == 0 && strncmp(text + length, ": ", 2) == 0 ? text + length + 2 : text;
}

/* Loads the shared object, whose constructors may change the process as environments do. NULL: it cannot be loaded. */
static void* load(const char* path, const char* shown) {
  sac_guard guard = sac_guard_create(1);
  sac_guard_enter(&guard, (sac_env_place){shown, "load", 0}, 1);
  void* library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
  sac_guard_leave(&guard);
  sac_guard_destroy(&guard);
  return library;
}

/* Asks the plugin for its table of functions. */
static const sac_env_api* ask(sac_env_plugin_fn plugin, const char* shown) {
  sac_guard guard = sac_guard_create(1);
  sac_guard_enter(&guard, (sac_env_place){shown, SYMBOL, 0}, 1);
  const sac_env_api* table = plugin();
  sac_guard_leave(&guard);
  sac_guard_destroy(&guard);
  return table;
}

sac_status sac_env_plugin_load(const char* path, const sac_env_api** api) {
  char shown[SAC_SHOW_MAX];
  sac_env_plugin_fn plugin;
  sac_status status = SAC_OK;
  *api = NULL;

  /* load it; it is never unloaded, as environments run its code */
  sac_text_show(shown, path, SIZE_MAX);
  SAC_TRY(check_file(path, shown));
  void* library = load(path, shown);
  if (!library)
    return sac_fail(SAC_ERROR_ENV, "%s cannot be loaded: %s ('cc -shared -fPIC -I include my.c -o libmy.so' makes one)",
                    shown, loader_text(path));

  /* find the function that it exports */
  void* symbol = dlsym(library, SYMBOL);
  if (!symbol)
    return sac_fail(SAC_ERROR_ENV,
                    "%s has no function " SYMBOL ": it must export 'const sac_env_api* " SYMBOL
                    "(void)', in C++ as extern \"C\" (<sac/env.h>)",
                    shown);
  memcpy(&plugin, &symbol, sizeof plugin); /* ISO C has no cast from void* to a function pointer */

  /* call it, and check the table that it returns */
  const sac_env_api* table = ask(plugin, shown);
  SAC_TRY(sac_env_check_api(path, table));
  *api = table;
fail:
  return status;
}
