#include "util/memory.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

/* The kernel gives zero pages, which take no memory until they are written: a replay of a million rows grows as it
 * fills. The cache line before the returned address holds the length, for sac_free. */
void* sac_alloc(size_t bytes) {
  if (bytes > SIZE_MAX - SAC_ALIGNMENT) return NULL;

  /* ask the kernel for the memory and one cache line more */
  size_t whole = bytes + SAC_ALIGNMENT;
  char* memory = mmap(NULL, whole, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (memory == MAP_FAILED) return NULL;

  /* keep the length in that line */
  memcpy(memory, &whole, sizeof whole);
  return memory + SAC_ALIGNMENT;
}

void sac_free(void* memory) {
  if (!memory) return;
  char* start = (char*)memory - SAC_ALIGNMENT;
  size_t whole;
  memcpy(&whole, start, sizeof whole);
  (void)munmap(start, whole);
}

size_t sac_bytes(size_t count, size_t size) {
  size_t bytes;
  return __builtin_mul_overflow(count, size, &bytes) ? SIZE_MAX : bytes;
}

/* The whole number after `label` in a file of /proc or /sys; SIZE_MAX when there is none ("max" means no limit). */
static size_t read_number(const char* path, const char* label) {
  FILE* file = fopen(path, "re");
  if (!file) return SIZE_MAX;

  /* find the line of the label; the number comes after blanks */
  size_t number = SIZE_MAX;
  char line[256];
  while (fgets(line, sizeof line, file)) {
    if (strncmp(line, label, strlen(label)) != 0) continue;
    const char* digits = line + strlen(label) + strspn(line + strlen(label), " \t");
    if (*digits >= '0' && *digits <= '9') number = (size_t)strtoull(digits, NULL, 10);
    break;
  }
  (void)fclose(file);
  return number;
}

size_t sac_memory_available(void) {
  /* the memory of the whole machine that is free, in KiB */
  size_t kib = read_number("/proc/meminfo", "MemAvailable:");
  size_t available = kib == SIZE_MAX ? SIZE_MAX : sac_bytes(kib, 1024);

  /* the control group (a container's, for example) may allow less */
  size_t limit = read_number("/sys/fs/cgroup/memory.max", ""), used = read_number("/sys/fs/cgroup/memory.current", "");
  if (limit != SIZE_MAX && used != SIZE_MAX) {
    size_t left = limit > used ? limit - used : 0;
    if (left < available) available = left;
  }
  return available;
}

void* sac_region_take(sac_region* arena, size_t count, size_t size, size_t alignment) {
  const size_t bytes = sac_bytes(count, size), at = arena->used;
  /* Round up, so that the next piece is aligned too. A sum that overflows stays at SIZE_MAX. */
  const size_t padded = bytes > SIZE_MAX - alignment ? SIZE_MAX : (bytes + alignment - 1) & ~(alignment - 1);
  if (__builtin_add_overflow(arena->used, padded, &arena->used)) arena->used = SIZE_MAX;
  return arena->base ? arena->base + at : NULL;
}
