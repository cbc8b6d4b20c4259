/* The files of tests/golden/updates. */
#ifndef TESTS_SUPPORT_GOLDEN_FILES_H
#define TESTS_SUPPORT_GOLDEN_FILES_H

#include <dirent.h>

#include "support/check_main.h"

#define GOLDEN_FILES_MIN 48 /* there are so many at least */
#define GOLDEN_FILES_MAX 256

typedef struct golden_files {
  int count;
  char path[GOLDEN_FILES_MAX][1024]; /* (count) in the order of names */
} golden_files;

static inline int golden_order(const void* a, const void* b) { return strcmp(a, b); }

/* Lists the files, in a static buffer. The environment variable SAC_SOURCE names the source folder; default: ".". */
static inline const golden_files* golden_files_list(void) {
  static golden_files files;
  char folder[512];
  (void)snprintf(folder, sizeof folder, "%s/tests/golden/updates", getenv("SAC_SOURCE") ? getenv("SAC_SOURCE") : ".");
  DIR* dir = opendir(folder);
  ck_assert_msg(dir != NULL, "no folder %s (set SAC_SOURCE)", folder);

  /* keep the names that end with .safetensors */
  files.count = 0;
  for (struct dirent* entry; (entry = readdir(dir)) != NULL && files.count < GOLDEN_FILES_MAX;) {
    const char* end = strrchr(entry->d_name, '.');
    if (end && strcmp(end, ".safetensors") == 0)
      (void)snprintf(files.path[files.count++], sizeof files.path[0], "%s/%s", folder, entry->d_name);
  }
  (void)closedir(dir);
  qsort(files.path, (size_t)files.count, sizeof files.path[0], golden_order);
  ck_assert_int_ge(files.count, GOLDEN_FILES_MIN);
  return &files;
}

#endif
