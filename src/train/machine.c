#include "train/machine.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <time.h>

#include <sac/sac.h>

#include "backend/registry.h"
#include "util/error.h"
#include "util/file.h"
#include "util/system.h"

#define FILE_MAX ((size_t)1 << 16)

/* This machine and build, as a JSON object. */
static json_t* describe_machine(const char* device) {
  char cpu[256], os[256], started[64];
  struct utsname kernel = {0};
  struct tm utc;
  const time_t now = time(NULL);

  /* read the processor, the system and the time */
  sac_system_processor(cpu, sizeof cpu);
  sac_system_distribution(os, sizeof os);
  (void)uname(&kernel);
  (void)strftime(started, sizeof started, "%Y-%m-%dT%H:%M:%SZ", gmtime_r(&now, &utc));

  /* the keys of machine.json, in the order of the file */
  return json_pack("{s:s, s:s, s:i, s:s, s:I, s:s, s:s, s:s, s:s, s:s}", "processor", cpu, "cpu_kernels",
                   sac_backend_host()->kernels(NULL), "cores", sac_system_cores(), "device", device, "memory_bytes",
                   (json_int_t)sac_system_memory(), "system", os, "kernel", kernel.release, "compiler", __VERSION__,
                   "sac", SAC_VERSION, "started", started);
}

/* Lists the differences between two machines that may change the bits of a run. */
static void list_differences(const json_t* was, const json_t* is, char* changed, size_t size) {
  static const char* const keys[] = {"cpu_kernels", "device", "compiler", "sac"};
  for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
    const char* before = json_string_value(json_object_get(was, keys[i]));
    const char* after = json_string_value(json_object_get(is, keys[i]));
    const size_t used = strlen(changed);

    /* a key that an older version did not write is no difference */
    if (before && after && strcmp(before, after) != 0)
      (void)snprintf(changed + used, size - used, "%s%s was %s, is %s", used ? "; " : "", keys[i], before, after);
  }
}

/* The name of a device: its model and not its number, "NVIDIA H100 80GB HBM3, compute capability 9.0, ...". */
static const char* device_name(const char* device, char* text, size_t size) {
  const sac_backend* backend = sac_backend_find(device);
  const char* colon = strchr(device, ':');
  if (!backend || !backend->describe || !colon) return device;
  backend->describe((int32_t)strtol(colon + 1, NULL, 10), text, size);

  /* leave out the number, which is the first word */
  const char* space = strchr(text, ' ');
  return space ? space + 1 : text;
}

sac_stay sac_machine_stay(const char* folder) {
  char path[SAC_PATH_MAX];
  void* text = NULL;
  size_t bytes;
  sac_stay stay = SAC_STAY_NOT;

  /* read the key "device"; a missing or damaged file binds nothing */
  if (sac_path(path, "%s/machine.json", folder) == SAC_OK && sac_read_file(path, FILE_MAX, &text, &bytes) == SAC_OK) {
    json_t* was = json_loadb(text, bytes, 0, NULL);
    const char* device = json_string_value(json_object_get(was, "device"));
    if (device) stay = strcmp(device, sac_backend_host()->name) == 0 ? SAC_STAY_HOST : SAC_STAY_DEVICE;
    json_decref(was);
  }
  free(text);
  return stay;
}

sac_status sac_machine_write(const char* folder, const char* device, char* changed, size_t size) {
  char path[SAC_PATH_MAX], name[256];
  void* old = NULL;
  char* text = NULL;
  size_t bytes;
  json_t *is = NULL, *was = NULL;
  sac_status status = SAC_OK;
  changed[0] = '\0';

  /* describe this machine */
  SAC_TRY(sac_path(path, "%s/machine.json", folder));
  is = describe_machine(device_name(device, name, sizeof name));
  if (!is) SAC_TRY(sac_fail(SAC_ERROR_MEMORY, "no memory for %s", path));

  /* compare it with the machine that the run was started on, or write the file */
  if (sac_read_file(path, FILE_MAX, &old, &bytes) == SAC_OK && (was = json_loadb(old, bytes, 0, NULL))) {
    list_differences(was, is, changed, size);
  } else {
    text = json_dumps(is, JSON_INDENT(2));
    if (!text) SAC_TRY(sac_fail(SAC_ERROR_MEMORY, "no memory for %s", path));
    SAC_TRY(sac_write_file(path, text, strlen(text)));
  }
fail:
  free(old);
  free(text);
  json_decref(was);
  json_decref(is);
  return status;
}
