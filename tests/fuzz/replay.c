/* Runs a fuzz target over the files of the folders given, for builds without libFuzzer. */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size);

static int replay(const char* path) {
  FILE* file = fopen(path, "rb");
  if (!file) return perror(path), 1;
  fseek(file, 0, SEEK_END);
  const long size = ftell(file);
  fseek(file, 0, SEEK_SET);
  uint8_t* data = size < 0 ? NULL : malloc((size_t)size + 1);
  const int bad = !data || fread(data, 1, (size_t)size, file) != (size_t)size;
  fclose(file);
  if (bad) fprintf(stderr, "%s: cannot be read\n", path);
  else LLVMFuzzerTestOneInput(data, (size_t)size);
  free(data);
  return bad;
}

int main(int argc, char** argv) {
  int failed = 0, count = 0;
  LLVMFuzzerTestOneInput((const uint8_t*)"", 0);
  for (int i = 1; i < argc; i++) {
    DIR* folder = opendir(argv[i]);
    if (!folder) return perror(argv[i]), 1;
    for (struct dirent* entry; (entry = readdir(folder));) {
      char path[4096];
      if (entry->d_name[0] == '.') continue;
      snprintf(path, sizeof path, "%s/%s", argv[i], entry->d_name);
      failed |= replay(path);
      count++;
    }
    closedir(folder);
  }
  printf("%d inputs\n", count);
  return failed || count == 0;
}
