#include "support/folder.h"

#include <dirent.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "support/must.h"

static char made[256]; /* the last folder; "": none */

/* Makes a folder in `base`. */
static const char* make_in(const char* base) {
  snprintf(made, sizeof made, "%s/sac-test-XXXXXX", base);
  must(mkdtemp(made) != NULL, "no folder like %s can be made", made);
  return made;
}

const char* test_folder(void) {
  const char* base = getenv("TMPDIR");
  return make_in(base && *base ? base : "/tmp");
}

const char* test_folder_in_memory(void) { return access("/dev/shm", W_OK) == 0 ? make_in("/dev/shm") : test_folder(); }

static int remove_entry(const char* path, const struct stat* info, int type, struct FTW* ftw) {
  (void)info, (void)type, (void)ftw;
  return remove(path);
}

void test_folder_remove(void) {
  if (*made) nftw(made, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
  *made = '\0';
}

const char* test_path(const char* folder, const char* name) {
  static char path[16][512];
  static int next;
  char* at = path[next++ % 16];
  snprintf(at, sizeof path[0], "%s/%s", folder, name);
  return at;
}

int test_exists(const char* path) {
  struct stat info;
  return lstat(path, &info) == 0;
}

long long test_file_size(const char* path) {
  struct stat info;
  return stat(path, &info) == 0 ? (long long)info.st_size : -1;
}

char* test_read(const char* path, size_t* size) {
  FILE* file = fopen(path, "rb");
  must(file != NULL, "%s cannot be read", path);
  const long long length = test_file_size(path);
  must(length >= 0, "%s cannot be read", path);
  char* bytes = malloc((size_t)length + 1);
  must(bytes && fread(bytes, 1, (size_t)length, file) == (size_t)length, "%s cannot be read", path);
  fclose(file);
  bytes[length] = '\0';
  if (size) *size = (size_t)length;
  return bytes;
}

void test_write(const char* path, const void* bytes, size_t size) {
  FILE* file = fopen(path, "wb");
  must(file != NULL, "%s cannot be written", path);
  must(fwrite(bytes, 1, size, file) == size && fclose(file) == 0, "%s cannot be written", path);
}

int test_count_entries(const char* path) {
  DIR* folder = opendir(path);
  if (!folder) return -1;
  int count = 0;
  for (struct dirent* entry; (entry = readdir(folder));)
    if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0) count++;
  closedir(folder);
  return count;
}
