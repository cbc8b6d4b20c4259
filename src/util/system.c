#include "util/system.h"

#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysinfo.h>

#include "util/text.h"

/* Copies the value of the first line that begins with `label`. The value starts after the characters of `between` and
 * ends before the first character of `end`. Copies `otherwise` when there is no such line. */
static void read_line(char* text, size_t size, const char* path, const char* label, const char* between,
                      const char* end, const char* otherwise) {
  char line[512];
  size_t used = 0;
  FILE* file = fopen(path, "re");

  /* find the line and cut its value out */
  while (file && used == 0 && fgets(line, sizeof line, file)) {
    if (strncmp(line, label, strlen(label)) != 0) continue;
    char* value = line + strlen(label);
    value += strspn(value, between);
    value[strcspn(value, end)] = '\0';

    /* keep printable ASCII only */
    for (char* c = value; *c; c++)
      if (*c < ' ' || *c > '~') *c = '?';
    sac_text_append(text, size, &used, "%s", value);
  }
  if (file) (void)fclose(file);

  if (used == 0) sac_text_append(text, size, &used, "%s", otherwise);
}

/* Linux gives the name in this line on x86 only; elsewhere the name is "unknown". */
void sac_system_processor(char* text, size_t size) {
  read_line(text, size, "/proc/cpuinfo", "model name", " \t:", "\n", "unknown");
}

void sac_system_distribution(char* text, size_t size) {
  read_line(text, size, "/etc/os-release", "PRETTY_NAME=", "\"'", "\"'\n", "Linux");
}

/* The number of processors that the cgroup allows, rounded up; INT32_MAX when it sets no limit. Only the limit of
 * cgroup v2 at the root of the mount is read. That is the limit of a container. */
static int32_t cgroup_processors(void) {
  double quota = 0, period = 0;

  /* Read "quota period", both in microseconds: the processor time allowed in each period. "max" reads as 0. */
  FILE* file = fopen("/sys/fs/cgroup/cpu.max", "r");
  if (file) {
    char text[64] = "";
    char* end = NULL;
    if (fgets(text, sizeof text, file)) {
      quota = (double)strtoll(text, &end, 10);
      if (end) period = (double)strtoll(end, NULL, 10);
    }
    fclose(file);
  }
  if (!(quota > 0 && period > 0)) return INT32_MAX;

  /* Round up. The limit of 4096 keeps the conversion to int32_t in range. */
  const double share = quota / period;
  const int32_t whole = share < 4096 ? (int32_t)share : 4096;
  return (double)whole < share ? whole + 1 : whole;
}

int32_t sac_processors(void) {
  cpu_set_t set;
  int32_t count = 1;
  CPU_ZERO(&set);

  /* the processors that the affinity mask (taskset) allows */
  if (sched_getaffinity(0, sizeof set, &set) == 0) count = CPU_COUNT(&set);

  /* the control group may allow fewer */
  const int32_t group = cgroup_processors();
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
