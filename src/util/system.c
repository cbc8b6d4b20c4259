#include "util/system.h"

#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysinfo.h>

#include "util/text.h"

/* What follows `label` and the characters `between` in a line of the file, up to one of `end`. */
static void read_line(char* text, size_t size, const char* path, const char* label, const char* between,
                      const char* end, const char* otherwise) {
  char line[512];
  size_t used = 0;
  FILE* file = fopen(path, "re");
  while (file && used == 0 && fgets(line, sizeof line, file)) {
    if (strncmp(line, label, strlen(label)) != 0) continue;
    char* value = line + strlen(label);
    value += strspn(value, between);
    value[strcspn(value, end)] = '\0';
    for (char* c = value; *c; c++)
      if (*c < ' ' || *c > '~') *c = '?';
    sac_text_append(text, size, &used, "%s", value);
  }
  if (file) (void)fclose(file);
  if (used == 0) sac_text_append(text, size, &used, "%s", otherwise);
}

void sac_system_processor(char* text, size_t size) { /* other architectures than x86 have no such line */
  read_line(text, size, "/proc/cpuinfo", "model name", " \t:", "\n", "unknown");
}

void sac_system_distribution(char* text, size_t size) {
  read_line(text, size, "/etc/os-release", "PRETTY_NAME=", "\"'", "\"'\n", "Linux");
}

/* The control group's limit in processors, rounded up; a large number when there is none. */
static int32_t group_processors(void) {
  double quota = 0, period = 0;
  FILE* file = fopen("/sys/fs/cgroup/cpu.max", "r");
  if (file) {
    char text[64] = "";
    char* end = NULL;
    if (fgets(text, sizeof text, file)) {
      quota = (double)strtoll(text, &end, 10); /* "max": 0 */
      if (end) period = (double)strtoll(end, NULL, 10);
    }
    fclose(file);
  }
  if (!(quota > 0 && period > 0)) return INT32_MAX;
  const double share = quota / period;
  const int32_t whole = share < 4096 ? (int32_t)share : 4096;
  return (double)whole < share ? whole + 1 : whole;
}

int32_t sac_processors(void) {
  cpu_set_t set;
  int32_t count = 1;
  CPU_ZERO(&set);
  if (sched_getaffinity(0, sizeof set, &set) == 0) count = CPU_COUNT(&set);
  const int32_t group = group_processors();
  return group < count ? group : count > 0 ? count : 1;
}

int sac_system_cores(void) {
  cpu_set_t set;
  return sched_getaffinity(0, sizeof set, &set) == 0 ? CPU_COUNT(&set) : 0;
}

size_t sac_system_memory(void) {
  struct sysinfo info;
  return sysinfo(&info) == 0 ? (size_t)info.totalram * info.mem_unit : 0;
}
